//! The object directories of a repository and of its alternates: which packs and loose objects there are, and one object by
//! its name. Read-only; a promisor is never asked.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    delta::{Delta, DeltaError},
    inflate::Inflater,
    io::{MAX_OPEN, bytes_path, path_bytes, read_small},
    loose::{self, LooseObject},
    object::Kind,
    pack::{Form, Header, MAX_HEADER, Pack},
};
use crate::model::{BlobPath, ObjectId, Skip, SkipCause};

/// Most objects directories followed through alternates.
const MAX_ALTERNATES: usize = 256;

/// Longest delta chain that is followed. Git makes chains of up to 4,095.
const MAX_CHAIN: usize = 10_000;

/// Why an object cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is nowhere in the repository.
    Missing,
    /// It is larger than the limit; its size in bytes.
    TooLarge(u64),
    /// It is there and cannot be decoded; what is wrong.
    Damaged(&'static str),
}

/// All packs and objects directories.
pub(crate) struct Store {
    /// Bytes of an object name.
    pub(crate) id_len: usize,
    /// In the order in which they are asked.
    pub(crate) packs: Vec<Pack>,
    /// The repository's own first.
    pub(crate) dirs: Vec<PathBuf>,
    /// What could not be opened.
    pub(crate) problems: Vec<Skip>,
    /// Whether a pack came from a promisor.
    pub(crate) promisor: bool,
}

impl Store {
    /// Opens what is below an objects directory and its alternates.
    pub(super) fn open(objects: &Path, id_len: usize) -> Self {
        let mut store = Self {
            id_len,
            packs: Vec::new(),
            dirs: Vec::new(),
            problems: Vec::new(),
            promisor: false,
        };
        let mut seen = HashSet::new();
        let mut queue = vec![objects.to_owned()];
        while let Some(dir) = queue.pop() {
            if store.dirs.len() >= MAX_ALTERNATES {
                store.problem(SkipCause::LimitHit, &dir, "too many alternates");
                break;
            }
            let Ok(real) = dir.canonicalize() else {
                store.problem(
                    SkipCause::Unreadable,
                    &dir,
                    "the alternate cannot be reached",
                );
                continue;
            };
            if seen.insert(real.clone()) {
                let mut next = store.alternates(&real);
                next.reverse();
                queue.extend(next);
                store.open_packs(&real);
                store.dirs.push(real);
            }
        }
        store
    }

    fn problem(&mut self, cause: SkipCause, path: &Path, detail: impl Into<String>) {
        // Absolute paths differ between machines: name what git would.
        let bytes = path_bytes(path);
        let at = memchr::memmem::rfind(&bytes, b"/objects").map_or(0, |at| at + 1);
        self.problems.push(Skip {
            cause,
            path: BlobPath::new(bytes.get(at..).unwrap_or_default()),
            detail: detail.into(),
        });
    }

    /// Returns the directories that `info/alternates` names.
    fn alternates(&mut self, dir: &Path) -> Vec<PathBuf> {
        let file = dir.join("info/alternates");
        match read_small(&file, 1 << 20) {
            Ok(text) => text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
                .map(|line| dir.join(bytes_path(&unquote(line))))
                .collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(_) => {
                self.problem(
                    SkipCause::Unreadable,
                    &file,
                    "the list of alternates cannot be read",
                );
                Vec::new()
            }
        }
    }

    fn open_packs(&mut self, dir: &Path) {
        let folder = dir.join("pack");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_) => {
                self.problem(
                    SkipCause::Unreadable,
                    &folder,
                    "the folder cannot be listed",
                );
                return;
            }
        };
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(_) => {
                    self.problem(
                        SkipCause::Unreadable,
                        &folder,
                        "the folder cannot be listed",
                    );
                    break;
                }
            }
        }
        paths.sort();
        for path in paths {
            let name = path.file_name().map(|name| name.as_encoded_bytes());
            let name = name.unwrap_or_default();
            let is = |ending: &[u8]| name.starts_with(b"pack-") && name.ends_with(ending);
            if is(b".promisor") {
                self.promisor = true;
            } else if is(b".pack") {
                // Two files a pack.
                let keep = self.packs.len() < MAX_OPEN / 2;
                match Pack::open(&path, self.id_len, keep) {
                    Ok(pack) => self.packs.push(pack),
                    Err(detail) => self.problem(SkipCause::Unreadable, &path, detail),
                }
            } else if is(b".idx") && !path.with_extension("pack").exists() {
                self.problem(SkipCause::Unreadable, &path, "the index has no pack");
            }
        }
    }

    /// Tells whether the object exists, without reading it.
    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        let packed = |pack: &Pack| matches!(pack.index.lookup(id.as_bytes()), Ok(Some(_)));
        self.packs.iter().any(packed)
            || self
                .dirs
                .iter()
                .any(|dir| loose::path_of(dir, id).is_file())
    }
}

impl Store {
    /// Returns the names that start with these (at least two, lower case) hexadecimal digits, sorted, each once.
    pub(super) fn starting_with(&self, hex: &str) -> Vec<ObjectId> {
        let whole_bytes: Vec<u8> = (0..hex.len() / 2)
            .filter_map(|i| u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok())
            .collect();
        let mut ids = Vec::new();
        for pack in &self.packs {
            ids.extend(pack.index.starting_with(&whole_bytes).unwrap_or_default());
        }
        for dir in &self.dirs {
            ids.extend(loose::list(dir, self.id_len, |_| {}));
        }
        ids.retain(|id| id.to_string().starts_with(hex));
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Removes the quotes of a C-style quoted line; others stay as they are.
fn unquote(line: &[u8]) -> Vec<u8> {
    let Some(quoted) = line.strip_prefix(b"\"").and_then(|l| l.strip_suffix(b"\"")) else {
        return line.to_vec();
    };
    let mut out = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(octal @ b'0'..=b'3') => {
                let mut value = octal - b'0';
                for _ in 0..2 {
                    if let Some(&digit @ b'0'..=b'7') = bytes.peek() {
                        value = value << 3 | (digit - b'0');
                        bytes.next();
                    }
                }
                out.push(value);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// A decoded object that a cache may hold too.
pub(crate) type Found = (Kind, Rc<Vec<u8>>);

/// Finds single objects on one thread, remembering the last ones as delta bases.
pub(crate) struct Finder<'s> {
    store: &'s Store,
    inflater: Inflater,
    cache: Cache,
    max: u64,
}

impl<'s> Finder<'s> {
    /// Objects and their bases may have up to `max` bytes; `cache` bytes are spent on remembering.
    pub(crate) fn new(store: &'s Store, max: u64, cache: usize) -> Self {
        Self {
            store,
            inflater: Inflater::new(),
            cache: Cache::new(cache),
            max,
        }
    }

    /// Returns an object: from the first pack that has a sound copy, else from a loose file.
    pub(crate) fn find(&mut self, id: &ObjectId) -> Result<Found, Absent> {
        self.find_nested(id, 0)
    }

    fn find_nested(&mut self, id: &ObjectId, depth: usize) -> Result<Found, Absent> {
        let mut worst = Absent::Missing;
        for (number, pack) in self.store.packs.iter().enumerate() {
            let found = match pack.index.lookup(id.as_bytes()) {
                Ok(Some(offset)) => self.packed(number, offset, depth),
                Ok(None) => continue,
                Err(_) => Err(Absent::Damaged("the pack's index cannot be read")),
            };
            match found {
                Ok(found) => return Ok(found),
                Err(absent) => worst = absent,
            }
        }
        for dir in &self.store.dirs {
            let found = LooseObject::open(&loose::path_of(dir, id))
                .and_then(|object| Ok((object.kind, Rc::new(object.read(self.max)?))));
            match found {
                Ok(found) => return Ok(found),
                Err(Absent::Missing) => {}
                Err(absent) => worst = absent,
            }
        }
        Err(worst)
    }

    /// Decodes the entry at an offset: down the chain to a whole or remembered object, then up again.
    fn packed(&mut self, number: usize, offset: u64, depth: usize) -> Result<Found, Absent> {
        let pack = self
            .store
            .packs
            .get(number)
            .ok_or(Absent::Damaged("no such pack"))?;
        let end = pack.entries_end();
        let mut chain = Vec::new();
        let mut at = offset;
        let (kind, mut bytes) = loop {
            if let Some(found) = self.cache.take(number, at) {
                break found;
            }
            if chain.len() + depth > MAX_CHAIN {
                return Err(Absent::Damaged("its delta chain is endless"));
            }
            let header = header_at(pack, at, end)?;
            let data = at.saturating_add(header.len as u64);
            if header.size > self.max {
                return Err(Absent::TooLarge(header.size));
            }
            match header.form {
                Form::Whole(kind) => {
                    let mut bytes = Vec::new();
                    self.inflater
                        .at(&pack.data, data, end, header.size, &mut bytes)?;
                    let found = (kind, Rc::new(bytes));
                    self.cache.put(number, at, &found);
                    break found;
                }
                Form::OffsetDelta(distance) => {
                    chain.push((at, data, header.size));
                    at = at
                        .checked_sub(distance)
                        .filter(|at| *at >= 12)
                        .ok_or(Absent::Damaged("its delta base is outside the pack"))?;
                }
                Form::NamedDelta(base) => {
                    chain.push((at, data, header.size));
                    match pack.index.lookup(base.as_bytes()) {
                        Ok(Some(offset)) => at = offset,
                        _ => break self.outside(&base, depth + chain.len())?,
                    }
                }
            }
        };
        let mut delta = Vec::new();
        while let Some((at, data, size)) = chain.pop() {
            self.inflater.at(&pack.data, data, end, size, &mut delta)?;
            let mut target = Vec::new();
            Delta::parse(&delta)
                .ok_or(DeltaError::Damaged)
                .and_then(|delta| delta.apply(&bytes, self.max, &mut target))
                .map_err(absent_delta)?;
            bytes = Rc::new(target);
            self.cache.put(number, at, &(kind, Rc::clone(&bytes)));
        }
        Ok((kind, bytes))
    }

    /// Returns a delta base that is not in the pack of its delta.
    fn outside(&mut self, base: &ObjectId, depth: usize) -> Result<Found, Absent> {
        // Each nesting is a stack frame, unlike the links of a chain inside one pack.
        if depth > MAX_CHAIN / 100 {
            return Err(Absent::Damaged("its delta chain is endless"));
        }
        self.find_nested(base, depth + 1)
            .map_err(|absent| match absent {
                Absent::Missing => Absent::Damaged("its delta base is missing"),
                other => other,
            })
    }
}

/// Reads the header of the entry at an offset.
pub(super) fn header_at(pack: &Pack, offset: u64, end: u64) -> Result<Header, Absent> {
    let mut head = [0; MAX_HEADER];
    let n = if offset < end {
        pack.data
            .read_at(&mut head, offset)
            .map_err(|_| Absent::Damaged("the pack cannot be read"))?
    } else {
        0
    };
    Header::parse(head.get(..n).unwrap_or_default(), pack.index_id_len())
        .ok_or(Absent::Damaged("its header is malformed"))
}

/// Says in the ledger's words why a delta could not be applied.
pub(crate) const fn absent_delta(error: DeltaError) -> Absent {
    match error {
        DeltaError::Damaged => Absent::Damaged("its delta does not fit its base"),
        DeltaError::TooLarge(size) => Absent::TooLarge(size),
    }
}

/// The last decoded objects by place, in two generations: when the young one is full it becomes the old one.
struct Cache {
    budget: usize,
    used: usize,
    young: HashMap<(usize, u64), Found>,
    old: HashMap<(usize, u64), Found>,
}

impl Cache {
    fn new(budget: usize) -> Self {
        Self {
            budget,
            used: 0,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn take(&mut self, pack: usize, offset: u64) -> Option<Found> {
        if let Some(found) = self.young.get(&(pack, offset)) {
            return Some(found.clone());
        }
        let found = self.old.remove(&(pack, offset))?;
        self.put(pack, offset, &found);
        Some(found)
    }

    fn put(&mut self, pack: usize, offset: u64, found: &Found) {
        let size = found.1.len() + 64;
        if size > self.budget / 4 {
            return;
        }
        if self.used + size > self.budget / 2 {
            self.old = std::mem::take(&mut self.young);
            self.used = 0;
        }
        self.used += size;
        self.young.insert((pack, offset), found.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquotes_as_git_does() {
        assert_eq!(unquote(b"../a b"), b"../a b");
        assert_eq!(unquote(br#""a\"b\\c\303\274\n""#), "a\"b\\cü\n".as_bytes());
    }

    #[test]
    fn the_cache_forgets_the_oldest() {
        let mut cache = Cache::new(1000);
        let found = |n: usize| (Kind::Blob, Rc::new(vec![0; n]));
        cache.put(0, 1, &found(100));
        cache.put(0, 2, &found(100));
        cache.put(0, 3, &found(400));
        assert!(cache.take(0, 3).is_none(), "too large to keep");
        for offset in 4..9 {
            cache.put(0, offset, &found(100));
            assert!(cache.take(0, 2).is_some(), "in use");
        }
        assert!(cache.take(0, 1).is_none());
    }
}

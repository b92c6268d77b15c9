//! The entries of an index (git's Documentation/gitformat-index), read where they are needed.
//!
//! One pass through a small window finds where the entries stand and checks their frame; of the 78,000 of Linux a comparison
//! then looks at some hundred. Indexes of another than the plain form (version 4, split) and all that is odd are left to gix,
//! whose words name the fault: promise: what is read here is what gix reads.

use std::path::Path;

use gix::index::entry::{Flags, Mode};

use super::{IndexFile, cached::CachedTrees, io::Handle};
use crate::model::ObjectId;

/// Entries that are found, and read, together.
const BLOCK: usize = 64;

/// Bytes that are read at once when looking for the entries.
const WINDOW: usize = 64 << 10;

/// Most bytes of an entry, but for those with very long paths.
const MAX_ENTRY: usize = 64 + 32 + 4096 + 8;

/// Bytes of an entry before its object's name: two times, device, inode, mode, owner, group, size.
const STAT: usize = 40;

/// An index file.
pub(crate) struct Listing {
    form: Form,
    cached: CachedTrees,
}

enum Form {
    Blocks(Blocks),
    Whole(Box<IndexFile>),
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) path: Vec<u8>,
    pub(crate) id: Option<ObjectId>,
    pub(crate) mode: Mode,
    /// Whether it is a side of a conflict.
    pub(crate) conflict: bool,
    /// Whether only its name was added (`git add --intent-to-add`).
    pub(crate) intended: bool,
}

impl Listing {
    /// Opens an index of the plain form; `None` if it is of another one or broken.
    pub(super) fn open(path: &Path, id_len: usize) -> Option<Self> {
        let handle = Handle::open(path.to_owned(), true).ok()?;
        let mut window = Window::new(&handle);
        let head = window.at(0)?.get(..12)?;
        let is_plain = head.starts_with(b"DIRC") && matches!(u32_at(head, 4)?, 2 | 3);
        let len = usize::try_from(u32_at(head, 8)?).ok()?;
        if !is_plain {
            return None;
        }
        let mut starts = Vec::new();
        let mut at = 12;
        for number in 0..len {
            if number % BLOCK == 0 {
                starts.push(at);
            }
            at += parse(window.at(at)?, id_len)?.1 as u64;
        }
        let trees = extensions(&handle, at, id_len)?;
        Some(Self {
            form: Form::Blocks(Blocks {
                handle,
                id_len,
                len,
                starts,
                end: at,
                current: None,
            }),
            cached: trees.unwrap_or_default(),
        })
    }

    /// Takes an index that gix has read.
    pub(super) fn of(file: IndexFile) -> Self {
        Self {
            cached: file.tree().map(CachedTrees::of).unwrap_or_default(),
            form: Form::Whole(Box::new(file)),
        }
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        match &self.form {
            Form::Blocks(blocks) => blocks.len,
            Form::Whole(file) => file.entries().len(),
        }
    }

    /// Returns an entry; `None` behind the last one, or if somebody wrote into the file meanwhile.
    pub(crate) fn get(&mut self, at: usize) -> Option<Item> {
        match &mut self.form {
            Form::Blocks(blocks) => blocks.get(at),
            Form::Whole(file) => {
                let entry = file.entries().get(at)?;
                let path: &[u8] = entry.path(file).as_ref();
                Some(Item {
                    path: path.to_vec(),
                    id: ObjectId::new(entry.id.as_bytes()),
                    mode: entry.mode,
                    conflict: entry.stage_raw() != 0,
                    intended: entry.flags.contains(Flags::INTENT_TO_ADD),
                })
            }
        }
    }

    /// Returns the index's cached trees.
    pub(crate) const fn cached(&self) -> &CachedTrees {
        &self.cached
    }
}

/// Entries that stay in their file.
struct Blocks {
    handle: Handle,
    id_len: usize,
    len: usize,
    /// By block: where it starts.
    starts: Vec<u64>,
    /// Where the last one ends.
    end: u64,
    /// Number, bytes, and where the entries begin in these.
    current: Option<(usize, Vec<u8>, Vec<usize>)>,
}

impl Blocks {
    fn get(&mut self, at: usize) -> Option<Item> {
        let block = at / BLOCK;
        if self.current.as_ref().is_none_or(|(of, ..)| *of != block) {
            self.current = self.load(block);
        }
        let (_, bytes, starts) = self.current.as_ref()?;
        let start = starts.get(at % BLOCK)?;
        Some(parse(bytes.get(*start..)?, self.id_len)?.0.item())
    }

    fn load(&self, block: usize) -> Option<(usize, Vec<u8>, Vec<usize>)> {
        let start = *self.starts.get(block)?;
        let end = self.starts.get(block + 1).copied().unwrap_or(self.end);
        let len = usize::try_from(end.checked_sub(start)?).ok()?;
        let bytes = self.handle.bytes_at(start, len).ok()?;
        let mut starts = Vec::with_capacity(BLOCK);
        let mut at = 0;
        while at < bytes.len() {
            starts.push(at);
            at += parse(bytes.get(at..)?, self.id_len)?.1;
        }
        Some((block, bytes, starts))
    }
}

/// A piece of a file that moves on.
pub(super) struct Window<'h> {
    handle: &'h Handle,
    bytes: Vec<u8>,
    start: u64,
}

impl<'h> Window<'h> {
    /// Stands at the start.
    pub(super) fn new(handle: &'h Handle) -> Self {
        let len = usize::try_from(handle.len()).unwrap_or(WINDOW);
        let mut bytes = vec![0; len.min(WINDOW)];
        let read = handle.read_at(&mut bytes, 0).unwrap_or(0);
        bytes.truncate(read);
        Self {
            handle,
            bytes,
            start: 0,
        }
    }

    /// Returns what stands at an offset: enough for an entry, or all there is.
    pub(super) fn at(&mut self, offset: u64) -> Option<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        let inside =
            offset >= self.start && (offset + MAX_ENTRY as u64).min(self.handle.len()) <= end;
        if !inside {
            self.bytes.resize(WINDOW, 0);
            let read = self.handle.read_at(&mut self.bytes, offset).ok()?;
            self.bytes.truncate(read);
            self.start = offset;
        }
        self.bytes.get(usize::try_from(offset - self.start).ok()?..)
    }
}

/// An entry as it stands in the file.
struct Raw<'b> {
    path: &'b [u8],
    id: &'b [u8],
    mode: u32,
    flags: u16,
    more: u16,
}

/// Bits of the flags, and of the flags behind them.
const EXTENDED: u16 = 1 << 14;
const STAGE: u16 = 3 << 12;
const LEN: u16 = 0xfff;
const INTENDED: u16 = 1 << 13;
const SKIP_WORKTREE: u16 = 1 << 14;

/// Reads the entry that the bytes begin with; returns its length, too. `None` if it is broken, or its path is too long for the
/// length that stands there.
fn parse(bytes: &[u8], id_len: usize) -> Option<(Raw<'_>, usize)> {
    let (stat, rest) = bytes.split_at_checked(STAT)?;
    let (id, rest) = rest.split_at_checked(id_len)?;
    let flags = u16_at(rest, 0)?;
    let (more, fixed) = if flags & EXTENDED == 0 {
        (0, STAT + id_len + 2)
    } else {
        (u16_at(rest, 2)?, STAT + id_len + 4)
    };
    let len = flags & LEN;
    if len == LEN || more & !(INTENDED | SKIP_WORKTREE) != 0 {
        return None;
    }
    let end = fixed + usize::from(len);
    let path = bytes.get(fixed..end)?;
    // One to eight zeros follow.
    let whole = (end + 8) & !7;
    let raw = Raw {
        path,
        id,
        mode: u32_at(stat, 24)?,
        flags,
        more,
    };
    (whole <= bytes.len()).then_some((raw, whole))
}

impl Raw<'_> {
    fn item(&self) -> Item {
        Item {
            path: self.path.to_vec(),
            id: ObjectId::new(self.id),
            mode: Mode::from_bits_truncate(self.mode),
            conflict: self.flags & STAGE != 0,
            intended: self.more & INTENDED != 0,
        }
    }
}

/// Reads what stands between the entries and the checksum. The inner `None` says that there are no cached trees; the outer one
/// that there is something that changes what the entries mean, or is broken.
fn extensions(handle: &Handle, mut at: u64, id_len: usize) -> Option<Option<CachedTrees>> {
    let end = handle.len().checked_sub(id_len as u64)?;
    let entries_end = at;
    let mut trees = None;
    while end.checked_sub(at)? >= 8 {
        let head = handle.bytes_at(at, 8).ok()?;
        let size = u32_at(&head, 4)?;
        at += 8;
        let len = usize::try_from(size).ok()?;
        if u64::from(size) > end.checked_sub(at)? {
            return None;
        }
        match head.get(..4)? {
            b"TREE" if trees.is_none() => {
                trees = Some(CachedTrees::parse(handle.bytes_at(at, len).ok()?, id_len)?);
            }
            b"EOIE" => {
                let told = u32_at(&handle.bytes_at(at, 4.min(len)).ok()?, 0)?;
                if u64::from(told) != entries_end {
                    return None;
                }
            }
            b"REUC" | b"UNTR" | b"FSMN" | b"IEOT" => {}
            b"sdir" if len == 0 => {}
            _ => return None,
        }
        at += u64::from(size);
    }
    (at == end).then_some(trees)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::Fixture, *};

    /// All entries and cached trees.
    fn all(mut listing: Listing) -> (Vec<Item>, Vec<String>) {
        let items = (0..listing.len()).map(|at| listing.get(at).unwrap());
        let items = items.collect();
        assert_eq!(listing.get(listing.len()), None);
        (items, listing.cached().tell())
    }

    /// Compares with gix; tells whether it was read where needed.
    fn is_plain(fixture: &Fixture) -> bool {
        let repository = fixture.open();
        let plain = Listing::open(&repository.index_path(), repository.id_len());
        let Some(plain) = plain else {
            return false;
        };
        let whole = repository.index().unwrap().unwrap();
        assert_eq!(all(plain), all(Listing::of(whole)));
        true
    }

    #[test]
    fn plain_indexes_are_read_as_gix_reads_them() {
        for options in [&[][..], &["--object-format=sha256"]] {
            let fixture = Fixture::with(options);
            fixture.write("a", "a");
            fixture.git(&["add", "-A"]);
            assert!(is_plain(&fixture), "without cached trees");
            for n in 0..250 {
                let name = "x".repeat(n);
                fixture.write(&format!("d{}/e{}/{n}{name}", n % 7, n % 3), name.clone());
            }
            fixture.commit("base");
            assert!(is_plain(&fixture), "with cached trees");
            fixture.git(&["write-tree"]);
            assert!(is_plain(&fixture), "with all trees cached");
            fixture.write("d1/e1/new", "new");
            fixture.git(&["add", "-A"]);
            fixture.write("d2/intended", "x");
            fixture.git(&["add", "-N", "d2/intended"]);
            fixture.git(&["update-index", "--skip-worktree", "a"]);
            assert!(is_plain(&fixture), "with further flags");
            fixture.git(&[
                "-c",
                "index.threads=2",
                "update-index",
                "--force-write-index",
            ]);
            assert!(is_plain(&fixture), "with a table of offsets");
        }
    }

    #[test]
    fn both_sides_of_a_conflict_are_entries() {
        let fixture = Fixture::new();
        fixture.write("f", "base");
        fixture.commit("base");
        fixture.git(&["checkout", "-q", "-b", "side"]);
        fixture.write("f", "side");
        fixture.commit("side");
        fixture.git(&["checkout", "-q", "main"]);
        fixture.write("f", "main");
        fixture.commit("main");
        assert!(!fixture.try_git(&fixture.path(), &["merge", "-q", "side"]).0);
        assert!(is_plain(&fixture));
        let listing = fixture.open();
        let mut listing = listing.listing_at(&listing.index_path()).unwrap().unwrap();
        assert!((0..3).all(|at| listing.get(at).unwrap().conflict));
    }

    #[test]
    fn other_forms_are_left_to_gix() {
        let fixture = Fixture::new();
        for n in 0..100 {
            fixture.write(&format!("d/{n}"), "x");
        }
        fixture.commit("base");
        fixture.git(&["update-index", "--index-version=4"]);
        assert!(!is_plain(&fixture));
        fixture.git(&["update-index", "--index-version=2"]);
        assert!(is_plain(&fixture));
        fixture.git(&["update-index", "--split-index"]);
        assert!(!is_plain(&fixture));
    }

    #[test]
    fn what_is_taken_of_a_damaged_index_is_what_gix_takes() {
        let fixture = Fixture::new();
        for name in ["a", "d/a", "d/e/b", "f"] {
            fixture.write(name, name);
        }
        fixture.commit("base");
        fixture.write("d/new", "x");
        fixture.git(&["add", "-A"]);
        let repository = fixture.open();
        let path = repository.index_path();
        let sound = std::fs::read(&path).unwrap();
        let mut taken = 0;
        let mut compare = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            if let Some(plain) = Listing::open(&path, 20) {
                let whole = repository.index().unwrap().unwrap();
                assert_eq!(all(plain), all(Listing::of(whole)));
                taken += 1;
            }
        };
        for at in 0..sound.len() {
            for change in [1, 0x20, 0x80, 0xff] {
                let mut bytes = sound.clone();
                bytes[at] ^= change;
                compare(&bytes);
            }
            compare(&sound[..at]);
        }
        // Times and names may say anything.
        assert!(taken > sound.len());
    }
}

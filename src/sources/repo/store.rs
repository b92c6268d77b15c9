//! The object directories of a repository and of its alternates: which packs and loose objects there are.
//! Read-only; a promisor is never asked.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    io::{MAX_OPEN, bytes_path, path_bytes, read_small},
    loose,
    pack::Pack,
};
use crate::model::{BlobPath, ObjectId, Skip, SkipCause};

/// Most objects directories followed through alternates.
const MAX_ALTERNATES: usize = 256;

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
            // Git gives packs names that begin with `pack-`, and reads those that have others.
            if name.ends_with(b".promisor") {
                self.promisor = true;
            } else if name.ends_with(b".pack") {
                // Two files a pack.
                let keep = self.packs.len() < MAX_OPEN / 2;
                match Pack::open(&path, partner(&path, "idx"), self.id_len, keep) {
                    Ok(pack) => self.packs.push(pack),
                    Err(detail) => self.problem(SkipCause::Unreadable, &path, detail),
                }
            } else if name.ends_with(b".idx") && !partner(&path, "pack").exists() {
                self.problem(SkipCause::Unreadable, &path, "the index has no pack");
            }
        }
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

/// Returns the path of a pack's other file. A name may be nothing but its ending.
fn partner(path: &Path, ending: &str) -> PathBuf {
    match path.extension() {
        Some(_) => path.with_extension(ending),
        None => path.with_file_name(format!(".{ending}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquotes_as_git_does() {
        assert_eq!(unquote(b"../a b"), b"../a b");
        assert_eq!(unquote(br#""a\"b\\c\303\274\n""#), "a\"b\\cü\n".as_bytes());
    }
}

//! The index against HEAD's trees.

use std::{collections::HashMap, ops::Range};

use gix::index::{
    Entry,
    entry::{Flags, Mode},
    extension::Tree as CachedTree,
};

use crate::model::{BlobPath, Counter, Ledger, ObjectId, SkipCause};

use super::{
    super::repo::{IndexFile, Kind, Repository, TreeEntries},
    skip_absent,
};

/// What lies deeper is read without comparing.
const MAX_DEPTH: usize = 1000;

/// Most bytes of a tree.
const MAX_TREE: u64 = 256 << 20;

/// A blob to read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) path: BlobPath,
    pub(super) what: What,
    /// Whether HEAD has nothing under that name.
    pub(super) new: bool,
}

/// What stands at a changed path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    File(ObjectId),
    Link(ObjectId),
    /// A directory, or a file that has no content in the index yet (`git add --intent-to-add`).
    Name,
}

/// A directory on both sides.
struct Level<'t> {
    /// The entries of the index in it and below.
    entries: Range<usize>,
    /// Length of its path with the slash at the end; 0 for the root.
    prefix: usize,
    depth: usize,
    head: Option<ObjectId>,
    cached: Option<&'t CachedTree>,
}

/// Finds the changes.
struct Compare<'r> {
    repository: &'r Repository,
    index: Option<&'r IndexFile>,
    ledger: Ledger,
    changes: Vec<Change>,
}

/// The entries of a tree by name.
type Names = HashMap<Vec<u8>, (u32, ObjectId)>;

/// Returns the changes, sorted, and what of the comparison could not be done.
pub(super) fn changes(
    repository: &Repository,
    index: Option<&IndexFile>,
    head: Option<ObjectId>,
) -> (Ledger, Vec<Change>) {
    let mut compare = Compare {
        repository,
        index,
        ledger: Ledger::default(),
        changes: Vec::new(),
    };
    compare.all(head);
    (compare.ledger, compare.changes)
}

impl<'r> Compare<'r> {
    fn all(&mut self, head: Option<ObjectId>) {
        let Some(index) = self.index else {
            self.ledger.count(Counter::IndexEntries, 0);
            return;
        };
        let len = index.entries().len();
        self.ledger.count(Counter::IndexEntries, len as u64);
        self.level(&Level {
            entries: 0..len,
            prefix: 0,
            depth: 0,
            head,
            cached: index.tree(),
        });
        self.changes.sort_unstable();
        self.changes.dedup();
    }

    fn level(&mut self, level: &Level<'r>) {
        if level.is_equal() {
            return;
        }
        let entries = self.entries();
        let names = level
            .head
            .map(|id| self.names(&id, level))
            .unwrap_or_default();
        let mut at = level.entries.start;
        while at < level.entries.end {
            let Some((entry, rest)) = entries
                .get(at)
                .and_then(|e| Some((e, self.rest(e, level.prefix)?)))
            else {
                at += 1;
                continue;
            };
            let slash = rest.iter().position(|b| *b == b'/');
            match slash {
                Some(slash) if slash + 1 < rest.len() && level.depth < MAX_DEPTH => {
                    at = self.directory(level, &names, at, rest.get(..=slash).unwrap_or_default());
                }
                _ => {
                    let name = rest.strip_suffix(b"/").unwrap_or(rest);
                    self.entry(entry, names.get(name).copied());
                    at += 1;
                }
            }
        }
    }

    /// Compares the directory whose first entry stands at `at`; returns where its entries end.
    fn directory(&mut self, level: &Level<'r>, names: &Names, at: usize, name: &[u8]) -> usize {
        let entries = self.entries();
        let group = entries.get(at..level.entries.end).unwrap_or_default();
        let inside = |entry: &Entry| {
            self.rest(entry, level.prefix)
                .is_some_and(|rest| rest.starts_with(name))
        };
        let own = name.strip_suffix(b"/").unwrap_or(name);
        let cached = level.cached.and_then(|tree| {
            tree.children
                .iter()
                .find(|child| child.name.as_slice() == own)
        });
        // Sorted, so those of the directory come first. The first is one of them, so this always moves on.
        let len = group.partition_point(inside).max(1);
        let head = names
            .get(own)
            .filter(|(mode, _)| *mode & 0o170_000 == 0o040_000);
        if head.is_none()
            && let Some(first) = group
                .first()
                .and_then(|entry| self.path(entry).get(..level.prefix + own.len()))
        {
            self.changes.push(Change {
                path: BlobPath::new(first),
                what: What::Name,
                new: !names.contains_key(own),
            });
        }
        self.level(&Level {
            entries: at..at + len,
            prefix: level.prefix + name.len(),
            depth: level.depth + 1,
            head: head.map(|(_, id)| *id),
            cached,
        });
        at + len
    }

    /// Compares one entry with what HEAD has under its name.
    fn entry(&mut self, entry: &Entry, head: Option<(u32, ObjectId)>) {
        let path = BlobPath::new(self.path(entry));
        let Some(id) = ObjectId::new(entry.id.as_bytes()) else {
            return;
        };
        let new = head.is_none();
        let conflict = entry.stage_raw() != 0;
        let same = head.is_some_and(|(mode, there)| {
            there == id && kind_of(mode) == kind_of(entry.mode.bits())
        });
        if same && !conflict {
            return;
        }
        let what = match entry.mode {
            Mode::COMMIT => {
                let detail = "a commit of another repository";
                self.ledger.skip(SkipCause::Submodule, path, detail);
                return;
            }
            // A directory outside the sparse checkout: its name ends in a slash.
            Mode::DIR => {
                let path = path.as_bytes();
                let path = BlobPath::new(path.strip_suffix(b"/").unwrap_or(path));
                let head = head.filter(|(mode, _)| kind_of(*mode) == 0o040_000);
                self.tree(&path, &id, head.map(|(_, id)| id), 0);
                return;
            }
            _ if entry.flags.contains(Flags::INTENT_TO_ADD) => What::Name,
            Mode::SYMLINK => What::Link(id),
            _ => What::File(id),
        };
        self.changes.push(Change { path, what, new });
    }

    /// Compares a tree that the index holds as a whole.
    fn tree(&mut self, path: &BlobPath, id: &ObjectId, head: Option<ObjectId>, depth: usize) {
        if head == Some(*id) {
            return;
        }
        if depth > MAX_DEPTH {
            let detail = "directories are nested too deep";
            self.ledger.skip(SkipCause::LimitHit, path.clone(), detail);
            return;
        }
        let there = head
            .map(|head| self.read_tree(&head, path))
            .unwrap_or_default();
        let here = self.read_tree(id, path);
        let mut here: Vec<_> = here.into_iter().collect();
        here.sort_unstable();
        for (name, (mode, id)) in here {
            let path = BlobPath::new([path.as_bytes(), b"/", &name].concat());
            let head = there.get(&name).copied();
            if head.is_some_and(|(other, there)| there == id && kind_of(other) == kind_of(mode)) {
                continue;
            }
            let what = match kind_of(mode) {
                0o040_000 => {
                    let head = head.filter(|(mode, _)| kind_of(*mode) == 0o040_000);
                    self.tree(&path, &id, head.map(|(_, id)| id), depth + 1);
                    What::Name
                }
                0o160_000 => {
                    let detail = "a commit of another repository";
                    self.ledger.skip(SkipCause::Submodule, path, detail);
                    continue;
                }
                0o120_000 => What::Link(id),
                _ => What::File(id),
            };
            let new = head.is_none();
            self.changes.push(Change { path, what, new });
        }
    }

    fn names(&mut self, id: &ObjectId, level: &Level<'_>) -> Names {
        let first = self.entries().get(level.entries.start);
        let path = first.and_then(|entry| self.path(entry).get(..level.prefix));
        let path = BlobPath::new(path.unwrap_or_default());
        self.read_tree(id, &path)
    }

    /// Returns the entries of a tree; of one that can't be read none, so that all below it counts as new.
    fn read_tree(&mut self, id: &ObjectId, path: &BlobPath) -> Names {
        match self.repository.find(id, MAX_TREE) {
            Ok((Kind::Tree, bytes)) => {
                let mut entries = TreeEntries::new(&bytes, self.repository.id_len());
                let names = entries
                    .by_ref()
                    .filter_map(|entry| Some((entry.name.to_vec(), (entry.mode, entry.id()?))))
                    .collect();
                if !entries.is_complete() {
                    self.ledger
                        .skip(SkipCause::Unreadable, path.clone(), "its tree is malformed");
                }
                names
            }
            Ok(_) => {
                self.ledger
                    .skip(SkipCause::Unreadable, path.clone(), "its tree is no tree");
                Names::default()
            }
            Err(absent) => {
                skip_absent(&mut self.ledger, path, &absent);
                Names::default()
            }
        }
    }

    fn entries(&self) -> &'r [Entry] {
        self.index.map(|index| index.entries()).unwrap_or_default()
    }

    fn path(&self, entry: &Entry) -> &'r [u8] {
        self.index
            .map(|index| entry.path(index).as_ref())
            .unwrap_or_default()
    }

    /// Returns an entry's path behind a prefix.
    fn rest(&self, entry: &Entry, prefix: usize) -> Option<&'r [u8]> {
        self.path(entry).get(prefix..)
    }
}

impl Level<'_> {
    /// Tells whether the cached tree says that the directory is as in HEAD.
    fn is_equal(&self) -> bool {
        let Some((head, cached)) = self.head.zip(self.cached) else {
            return false;
        };
        // Git makes the cached tree invalid when an entry below changes; a wrong count shows that somebody else did not.
        cached.num_entries.and_then(|n| usize::try_from(n).ok()) == Some(self.entries.len())
            && cached.id.as_bytes() == head.as_bytes()
    }
}

/// Returns the type bits of a mode: whether a file is executable is no change of content.
fn kind_of(mode: u32) -> u32 {
    mode & 0o170_000
}

//! The index against HEAD's trees.

use std::{collections::HashMap, ops::Range};

use gix::index::entry::Mode;

use crate::model::{BlobPath, Counter, Ledger, ObjectId, SkipCause};

use super::{
    super::repo::{Item, Kind, Listing, Repository, TreeEntries},
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
struct Level {
    /// The entries of the index in it and below.
    entries: Range<usize>,
    /// Length of its path with the slash at the end; 0 for the root.
    prefix: usize,
    depth: usize,
    head: Option<ObjectId>,
    /// Its cached tree.
    cached: Option<usize>,
}

/// Finds the changes.
struct Compare<'r> {
    repository: &'r Repository,
    index: Listing,
    ledger: Ledger,
    changes: Vec<Change>,
}

/// The entries of a tree by name.
type Names = HashMap<Vec<u8>, (u32, ObjectId)>;

/// Returns the changes, sorted, and what of the comparison could not be done.
pub(super) fn changes(
    repository: &Repository,
    index: Option<Listing>,
    head: Option<ObjectId>,
) -> (Ledger, Vec<Change>) {
    let Some(index) = index else {
        let mut ledger = Ledger::default();
        ledger.count(Counter::IndexEntries, 0);
        return (ledger, Vec::new());
    };
    let mut compare = Compare {
        repository,
        index,
        ledger: Ledger::default(),
        changes: Vec::new(),
    };
    compare.all(head);
    (compare.ledger, compare.changes)
}

impl Compare<'_> {
    fn all(&mut self, head: Option<ObjectId>) {
        let len = self.index.len();
        self.ledger.count(Counter::IndexEntries, len as u64);
        self.level(&Level {
            entries: 0..len,
            prefix: 0,
            depth: 0,
            head,
            cached: self.index.cached().root(),
        });
        self.changes.sort_unstable();
        self.changes.dedup();
    }

    fn level(&mut self, level: &Level) {
        if self.is_equal(level) {
            return;
        }
        let names = level
            .head
            .map(|id| self.names(&id, level))
            .unwrap_or_default();
        let mut at = level.entries.start;
        while at < level.entries.end {
            let Some(entry) = self.index.get(at) else {
                let detail = "it was changed while it was read";
                let path = BlobPath::from("index");
                self.ledger.skip(SkipCause::Unreadable, path, detail);
                return;
            };
            let Some(rest) = entry.path.get(level.prefix..) else {
                at += 1;
                continue;
            };
            match rest.iter().position(|b| *b == b'/') {
                Some(slash) if slash + 1 < rest.len() && level.depth < MAX_DEPTH => {
                    at = self.directory(level, &names, at, &entry, slash);
                }
                _ => {
                    let name = rest.strip_suffix(b"/").unwrap_or(rest);
                    let head = names.get(name).copied();
                    self.entry(entry, head);
                    at += 1;
                }
            }
        }
    }

    /// Compares the directory whose first entry stands at `at`, with a name of `len` bytes; returns where its entries end.
    fn directory(
        &mut self,
        level: &Level,
        names: &Names,
        at: usize,
        first: &Item,
        len: usize,
    ) -> usize {
        let prefix = level.prefix + len + 1;
        let own = first.path.get(level.prefix..prefix - 1).unwrap_or_default();
        let cached = level
            .cached
            .and_then(|tree| self.index.cached().child(tree, own));
        let end = self.end_of(
            first.path.get(..prefix).unwrap_or_default(),
            at,
            level,
            cached,
        );
        let head = names
            .get(own)
            .filter(|(mode, _)| *mode & 0o170_000 == 0o040_000);
        if head.is_none()
            && let Some(path) = first.path.get(..prefix - 1)
        {
            self.changes.push(Change {
                path: BlobPath::new(path),
                what: What::Name,
                new: !names.contains_key(own),
            });
        }
        self.level(&Level {
            entries: at..end,
            prefix,
            depth: level.depth + 1,
            head: head.map(|(_, id)| *id),
            cached,
        });
        end
    }

    /// Returns where the entries end that begin with `start`, as the one at `at` does: they are sorted.
    fn end_of(&mut self, start: &[u8], at: usize, level: &Level, cached: Option<usize>) -> usize {
        let told = cached.and_then(|tree| self.index.cached().tree(tree));
        let told = told.map(|(count, _)| count);
        let mut inside = |at: usize| {
            let entry = self.index.get(at);
            entry.is_some_and(|entry| entry.path.starts_with(start))
        };
        let (mut low, mut high) = (at + 1, level.entries.end);
        if let Some(count) = told {
            // Most often right, and then two looks are enough.
            let end = at.saturating_add(count);
            if (low..=high).contains(&end) && inside(end - 1) && (end == high || !inside(end)) {
                return end;
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if inside(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Tells whether the cached tree says that the directory is as in HEAD.
    fn is_equal(&self, level: &Level) -> bool {
        let cached = level.cached.and_then(|tree| self.index.cached().tree(tree));
        let Some((head, (count, tree))) = level.head.zip(cached) else {
            return false;
        };
        // Git makes the cached tree invalid when an entry below changes; a wrong count shows that somebody else did not.
        count == level.entries.len() && tree == head.as_bytes()
    }

    /// Compares one entry with what HEAD has under its name.
    fn entry(&mut self, entry: Item, head: Option<(u32, ObjectId)>) {
        let Some(id) = entry.id else {
            return;
        };
        let new = head.is_none();
        let same = head.is_some_and(|(mode, there)| {
            there == id && kind_of(mode) == kind_of(entry.mode.bits())
        });
        if same && !entry.conflict {
            return;
        }
        let path = BlobPath::new(entry.path);
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
            _ if entry.intended => What::Name,
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

    fn names(&mut self, id: &ObjectId, level: &Level) -> Names {
        let first = self.index.get(level.entries.start);
        let path = first.as_ref().and_then(|one| one.path.get(..level.prefix));
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
}

/// Returns the type bits of a mode: whether a file is executable is no change of content.
fn kind_of(mode: u32) -> u32 {
    mode & 0o170_000
}

//! What the next commit would add: the blobs of the index that HEAD does not have at their paths.
//!
//! Promises: whole blobs from the object store, whatever the work tree holds by now; both sides of a conflict; nothing is
//! written and no object is made; an index that can't be read is an error, an object that can't be read is a gap.
//! Directories that the index's cached tree shows to be equal to HEAD's are not looked at, as git does it.

use std::{collections::HashMap, fs::File, ops::Range, path::PathBuf};

use gix::index::{
    Entry,
    entry::{Flags, Mode},
    extension::Tree as CachedTree,
};

use crate::model::{BlobPath, Counter, Ledger, ObjectId, Place, Provenance, SkipCause};

use super::{
    Excludes, Run, Sizes, Source, SourceError,
    content::{self, Origin, is_lfs_pointer},
    ignored::as_path,
    repo::{Absent, IndexFile, Kind, Repository, TreeEntries},
    share::{Hands, share},
};

/// What lies deeper is read without comparing.
const MAX_DEPTH: usize = 1000;

/// Most bytes of a tree.
const MAX_TREE: u64 = 256 << 20;

/// The index of the repository that `path` is in.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Any directory of the work tree.
    pub path: PathBuf,
    /// The index file if it is not the usual one: git names it to hooks in `GIT_INDEX_FILE`.
    pub index: Option<PathBuf>,
    /// What the user leaves out; paths are those of the repository.
    pub exclude: Excludes,
    /// Blobs larger than `unpack` are not read but a gap.
    pub sizes: Sizes,
}

/// A blob to read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    path: BlobPath,
    what: What,
    /// Whether HEAD has nothing under that name.
    new: bool,
}

/// What stands at a changed path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    File(ObjectId),
    Link(ObjectId),
    /// A directory, or a file that has no content in the index yet (`git add --intent-to-add`).
    Name,
}

impl Source for Staged {
    fn read(&self, run: &Run<'_>) -> Result<Ledger, SourceError> {
        let repository = Repository::open(&self.path)?;
        let index = match &self.index {
            Some(path) => repository.index_at(path)?,
            None => repository.index()?,
        };
        if index.is_none() && repository.work_tree().is_none() {
            return Err(SourceError::Repository {
                path: self.path.clone(),
                reason: "it is bare: it has no index".to_owned(),
            });
        }
        let head = repository.head_tree()?;
        let mut compare = Compare {
            repository: &repository,
            index: index.as_ref(),
            ledger: Ledger::default(),
            changes: Vec::new(),
        };
        compare.all(head);
        let (mut ledger, changes) = (compare.ledger, compare.changes);
        run.progress.begin("staged files", changes.len() as u64);
        // So that a clean index shows as such.
        ledger.count(Counter::Files, 0);
        ledger.merge(share(run, self.sizes, &changes, |change, hands| {
            self.one(&repository, change, hands);
        }));
        if run.stopped() {
            let detail = "not all staged files were read";
            ledger.skip(SkipCause::Interrupted, BlobPath::default(), detail);
        }
        ledger.trim();
        Ok(ledger)
    }
}

impl Staged {
    fn one(&self, repository: &Repository, change: &Change, hands: &mut Hands<'_, '_>) {
        let path = &change.path;
        if self.exclude.cover(&as_path(path), false) {
            hands
                .ledger
                .skip(SkipCause::ExcludedPath, path.clone(), "excluded");
            return;
        }
        if change.new {
            let name = path.as_bytes().rsplit(|b| *b == b'/').next();
            content::name(
                name.unwrap_or_default(),
                path,
                Place::FileName,
                hands.receiver,
            );
        }
        let (id, place) = match change.what {
            What::File(id) => (id, Place::Staged),
            What::Link(id) => (id, Place::SymlinkTarget),
            What::Name => return,
        };
        let most = self.sizes.limit.unwrap_or(self.sizes.unpack as u64);
        let bytes = match repository.find(&id, most.min(self.sizes.unpack as u64)) {
            Ok((_, bytes)) => bytes,
            Err(absent) => return skip_absent(hands.ledger, path, &absent),
        };
        hands.ledger.count(Counter::Files, 1);
        let provenance = Provenance {
            place,
            object: Some(id),
        };
        let origin = Origin {
            path,
            provenance,
            len: Some(bytes.len() as u64),
        };
        if !lfs_content(repository, &bytes, &origin, hands) {
            content::whole(&bytes, &origin, hands.receiver, hands.ledger);
        }
    }
}

/// Reads what a Git LFS pointer stands for from where its filter keeps it; false if this is no pointer or has no content.
fn lfs_content(
    repository: &Repository,
    bytes: &[u8],
    origin: &Origin<'_>,
    hands: &mut Hands<'_, '_>,
) -> bool {
    let oid = is_lfs_pointer(bytes).then(|| lfs_oid(bytes)).flatten();
    let parts = oid.and_then(|oid| Some((oid.get(..2)?, oid.get(2..4)?, oid)));
    let Some((first, second, oid)) = parts else {
        return false;
    };
    let objects = repository.common_dir().join("lfs").join("objects");
    let path = objects.join(first).join(second).join(oid);
    if !path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file())
    {
        return false;
    }
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let Ok((len, mut file)) = opened else {
        return false;
    };
    let origin = Origin {
        path: origin.path,
        provenance: origin.provenance.clone(),
        len: Some(len),
    };
    hands
        .contents
        .read(&mut file, &origin, hands.receiver, hands.ledger);
    true
}

/// Returns the 64 hex digits of a pointer's `oid sha256:` line.
fn lfs_oid(pointer: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(pointer).ok()?;
    let oid = text
        .lines()
        .find_map(|line| line.strip_prefix("oid sha256:"))?;
    let fits = oid.len() == 64 && oid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    fits.then_some(oid)
}

fn skip_absent(ledger: &mut Ledger, path: &BlobPath, absent: &Absent) {
    let (cause, detail) = match absent {
        Absent::Missing => (SkipCause::MissingObject, "its object is missing".to_owned()),
        Absent::TooLarge(len) => (SkipCause::TooLarge, format!("{len} bytes")),
        Absent::Damaged(what) => (SkipCause::Unreadable, (*what).to_owned()),
    };
    ledger.skip(cause, path.clone(), detail);
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

#[cfg(test)]
mod tests;

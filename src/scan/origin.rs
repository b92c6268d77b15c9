//! From a target to its sources, and what history says of the hits in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{Options, Target, collect::Group, hits::RawHit, layers::Layers};
use crate::{
    model::{BlobPath, Counter, Digest, Ledger, ObjectId, Place, Provenance, SkipCause},
    sources::{
        Run, Source, SourceError,
        files::Files,
        history::{Attributions, History, HistoryOptions, Range, Wanted},
        repo::{Head, Repository, parse_hex},
        staged::Staged,
        stdin::Stdin,
        tree::Tree,
    },
};

/// What was read beside blobs: the repository that can say more of them.
pub(super) enum Origin {
    /// Paths came with the blobs.
    Plain,
    /// Objects of a whole history.
    History(Box<History>),
    /// Objects of a range.
    Range(Box<Range>),
}

impl Origin {
    /// Asks history where the hits of each group come from.
    pub(super) fn attribute(
        &self,
        groups: &mut [Group],
        run: &Run<'_>,
        ledger: &mut Ledger,
    ) -> Option<Attributions> {
        run.progress.begin("attribution", 0);
        if groups.is_empty() || run.stopped() {
            return None;
        }
        let mut wanted = Wanted::default();
        for (key, group) in (0_u32..).zip(groups.iter()) {
            for hit in &group.hits {
                match hit.provenance.object {
                    Some(object) => wanted.object(key, object),
                    None if hit.provenance.place == Place::FileName => {
                        wanted.name(key, hit.location.path.as_bytes());
                    }
                    None => {}
                }
            }
        }
        let known = match self {
            Self::Plain => return None,
            Self::History(history) => {
                let mut known = history.attribute(&wanted, run);
                if let Some(root) = history.repository().work_tree() {
                    // A name that only the work tree has is not history's to call unreachable.
                    known
                        .names
                        .retain(|name, places| places.reachable || !stands_in(root, name));
                }
                known
            }
            Self::Range(range) => range.attribute(&wanted, run),
        };
        for (key, group) in (0_u32..).zip(groups.iter_mut()) {
            group.attribution = known.keys.get(&key).cloned();
        }
        for note in &known.notes {
            ledger.note(note.as_str());
        }
        Some(known)
    }

    /// Gives each hit in a reflog the name of its reference and the object that the entry moved it to. The source hands logs
    /// out without a name; they are few and read again here, only if there is such a hit.
    pub(super) fn name_logs(&self, groups: &mut [Group], collector: &Layers<'_>) {
        let Self::History(history) = self else { return };
        let hits = groups.iter_mut().flat_map(|group| &mut group.hits);
        let mut hits: Vec<&mut RawHit> = hits
            .filter(|hit| hit.provenance.place == Place::Reflog)
            .collect();
        if hits.is_empty() {
            return;
        }
        let nowhere = Provenance {
            place: Place::Reflog,
            object: None,
        };
        let mut places: BTreeMap<(Digest, u32, u64), Vec<Entry>> = BTreeMap::new();
        let whole = BTreeSet::from([None]);
        // The last comes off first.
        for log in history.repository().refs().reflogs.iter().rev() {
            let name = BlobPath::new([b"<reflog ", log.name.as_slice(), b">"].concat());
            for found in collector.again(&log.text, &whole, &nowhere) {
                let at = found.location.byte_start;
                let object = moved_to(&log.text, at);
                let key = (found.digest, found.rule, at);
                places.entry(key).or_default().push((name.clone(), object));
            }
        }
        for hit in &mut hits {
            let key = (hit.digest, hit.rule, hit.location.byte_start);
            if let Some((name, object)) = places.get_mut(&key).and_then(Vec::pop) {
                if let Some(near) = &mut hit.near {
                    near.path = name.clone();
                }
                hit.location.path = name;
                hit.provenance.object = object;
            }
        }
    }

    pub(super) fn blob(&self, id: &ObjectId) -> Option<Vec<u8>> {
        match self {
            Self::Plain => None,
            Self::History(history) => history.blob(id),
            Self::Range(range) => range.blob(id),
        }
    }
}

/// The name of a log, and the object that one of its entries moved the reference to.
type Entry = (BlobPath, Option<ObjectId>);

/// Tells whether a file, or the archive that a member is in, stands in a work tree.
fn stands_in(root: &Path, name: &[u8]) -> bool {
    let is_there = |name: &[u8]| {
        let name = std::str::from_utf8(name).ok();
        name.is_some_and(|name| root.join(name).symlink_metadata().is_ok())
    };
    let mut outer = name.splitn(2, |byte| *byte == b'!');
    is_there(name) || outer.next().is_some_and(is_there)
}

/// Returns the second id of a reflog's line.
fn moved_to(log: &[u8], at: u64) -> Option<ObjectId> {
    let at = usize::try_from(at).ok()?;
    let start = log.get(..at)?.iter().rposition(|b| *b == b'\n');
    let line = log.get(start.map_or(0, |start| start + 1)..)?;
    parse_hex(line.split(|b| *b == b' ').nth(1)?)
}

/// Says that objects were read which are not in the repository itself: whoever wrote its `objects/info/alternates` named them.
fn with_borrowed(mut ledger: Ledger, dirs: usize) -> Ledger {
    match dirs {
        0 => {}
        1 => ledger.note(
            "objects of another directory were read: the repository's objects/info/alternates names it",
        ),
        n => ledger.note(format!(
            "objects of {n} other directories were read: the repository's objects/info/alternates names them"
        )),
    }
    ledger
}

fn read_range(
    repository: &Path,
    range: &str,
    options: &Options,
    run: &Run<'_>,
) -> Result<(Ledger, Origin), SourceError> {
    let repository = Repository::open(repository)?;
    let borrowed = repository.borrowed();
    let source = Range::new(repository, range, options.tree.sizes)?;
    let ledger = with_borrowed(source.read(run)?, borrowed);
    Ok((ledger, Origin::Range(Box::new(source))))
}

/// Reads everything that the target names.
pub(super) fn read(
    target: &Target,
    options: &Options,
    run: &Run<'_>,
) -> Result<(Ledger, Origin), SourceError> {
    let sizes = options.tree.sizes;
    Ok(match target {
        Target::Tree { root, prefix } => {
            let tree = Tree {
                prefix: prefix.clone(),
                ..Tree::new(root, options.tree.clone())
            };
            let mut ledger = tree.read(run)?;
            skip_objects(root, &mut ledger);
            (ledger, Origin::Plain)
        }
        Target::Files { root, files } => {
            let files = Files {
                paths: files.clone(),
                base: root.clone(),
                options: options.tree.clone(),
            };
            (files.read(run)?, Origin::Plain)
        }
        Target::Stdin => (
            Stdin::new(std::io::stdin(), sizes).read(run)?,
            Origin::Plain,
        ),
        Target::Staged { repository, index } => {
            let staged = staged(repository, index.as_deref(), options);
            (staged.read(run)?, Origin::Plain)
        }
        Target::Range { repository, range } => read_range(repository, range, options, run)?,
        Target::History {
            repository: path,
            unreachable,
            delta,
        } => {
            let repository = Repository::open(path)?;
            let history = History::new(
                repository,
                HistoryOptions {
                    unreachable: *unreachable,
                    delta: *delta,
                    ..HistoryOptions::default()
                },
            );
            let mut ledger = std::thread::scope(|scope| {
                // One thread lists what is in the packs while the work tree is read.
                scope.spawn(|| history.prepare());
                work_tree(&history, path, options, run)
            })?;
            let borrowed = history.repository().borrowed();
            ledger.merge(with_borrowed(history.read(run)?, borrowed));
            if matches!(history.repository().head(), Head::Unborn)
                && ledger.counted(Counter::Commits) == 0
            {
                ledger.note("the repository has no commits yet");
            }
            (ledger, Origin::History(Box::new(history)))
        }
    })
}

/// Says what was not read if a tree is the inside of a repository: its files are there, compressed, as objects.
fn skip_objects(root: &Path, ledger: &mut Ledger) {
    let real = |path: &Path| path.canonicalize().ok();
    let is_inside =
        Repository::open(root).is_ok_and(|repository| real(repository.git_dir()) == real(root));
    if is_inside {
        ledger.skip(
            SkipCause::Unsupported,
            BlobPath::from("<objects of the repository>"),
            "compressed as they lie here; use `keysweep scan --history` to read them",
        );
    }
}

/// Reads what a repository has beside its history: the work tree and the index.
fn work_tree(
    history: &History,
    path: &Path,
    options: &Options,
    run: &Run<'_>,
) -> Result<Ledger, SourceError> {
    let mut ledger = Ledger::default();
    if let Some(root) = history.repository().work_tree_from(path) {
        ledger.merge(beside_history(&root, options).read(run)?);
        let mut staged = staged(path, None, options).read(run)?;
        // History counts the entries of this index among those of all work trees.
        staged.read.remove(&Counter::IndexEntries);
        ledger.merge(staged);
    }
    Ok(ledger)
}

/// Returns the work tree of a repository whose history is read, too.
fn beside_history(root: &Path, options: &Options) -> Tree {
    Tree {
        history: true,
        ..Tree::new(root, options.tree.clone())
    }
}

fn staged(path: &Path, index: Option<&Path>, options: &Options) -> Staged {
    Staged {
        path: path.to_owned(),
        index: index.map(Path::to_owned),
        exclude: options.tree.exclude.clone(),
        sizes: options.tree.sizes,
    }
}

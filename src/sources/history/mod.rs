//! The whole history of a repository: every distinct object once, whatever leads to it.
//!
//! Promises: blobs, commit and tag texts, file names, reference names, reflogs and configuration are all handed out;
//! reachable or not, packed or loose, here or in an alternate. So is every content of an object whose copies differ. What cannot be
//! decoded, is missing, or ends at a shallow boundary is in the ledger, by name, and the rest goes on. Memory depends on the number of objects and the largest of
//! them, not on the size of the packs. Which commit and path a hit belongs to is asked afterwards, for hits alone.

mod ages;
mod attribution;
#[cfg(test)]
#[cfg(unix)]
mod attribution_tests;
mod catalog;
mod decode;
mod decode_all;
mod families;
mod forest;
mod gaps;
mod graph;
mod identity;
mod merged;
mod metadata;
mod paint;
mod pairs;
mod places;
mod plan;
mod range;
mod range_attribution;
#[cfg(test)]
#[cfg(unix)]
mod range_tests;
mod reach;
mod reader;
mod record;
#[cfg(test)]
#[cfg(unix)]
mod record_tests;
mod replay;
mod starts;
#[cfg(test)]
#[cfg(unix)]
mod testing;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod trees;
mod twins;
#[cfg(test)]
#[cfg(unix)]
mod twins_tests;
mod versions;
#[cfg(test)]
#[cfg(unix)]
mod versions_tests;
mod visit;
mod walk;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock},
};

use super::{
    Run, Sizes, Source, SourceError,
    repo::{Kind, Repository, Store},
};
use crate::model::{BlobPath, Ledger, ObjectId, Place, Provenance, Skip, SkipCause};
pub use attribution::{Attributions, Wanted};
use catalog::Catalog;
pub use decode_all::{Decoded, decode_all};
use graph::{Broken, Graph, Lister, Rows};
pub use places::{MAX_PATHS, Places};
pub use range::Range;
use reach::Indexes;
use reader::{Notes, Reader};
use record::{Record, Room, Strip};
use twins::{Settled, Twins};
pub use versions::{File, Read, Renames, Unread, Version, Versions};
use walk::{Choice, Walk};

/// Limits of a history scan. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct HistoryOptions {
    /// Whether objects that nothing leads to count: then what they miss is a gap too.
    pub unreachable: bool,
    /// How large contents are cut; `sizes.whole` is also the limit above which a blob without deltas is streamed.
    pub sizes: Sizes,
    /// Objects above this are not decoded when they are stored as deltas, nor as bases. Git itself makes no deltas of
    /// objects above 512 MiB (core.bigFileThreshold).
    pub max_delta: u64,
    /// Whether versions of a file are scanned by what changed from one to the next. The results are the same.
    pub delta: bool,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self {
            unreachable: false,
            sizes: Sizes::default(),
            max_delta: 512 << 20,
            delta: true,
        }
    }
}

/// The history of one repository.
pub struct History {
    repository: Repository,
    options: HistoryOptions,
    catalog: OnceLock<Catalog>,
    graph: OnceLock<Graph>,
    indexes: OnceLock<Indexes>,
    /// What all trees hold; none if there was no room for that.
    record: OnceLock<Option<Record>>,
    /// Known after [`Source::read`].
    settled: OnceLock<Settled>,
}

impl History {
    /// Takes an opened repository.
    #[must_use]
    pub const fn new(repository: Repository, options: HistoryOptions) -> Self {
        Self {
            repository,
            options,
            catalog: OnceLock::new(),
            graph: OnceLock::new(),
            indexes: OnceLock::new(),
            record: OnceLock::new(),
            settled: OnceLock::new(),
        }
    }

    /// Returns the repository.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the text that a provenance of this source stands for: a blob, or the part of a commit or tag in which
    /// its lines and offsets count. `None` if it cannot be read (again) or has no object.
    #[must_use]
    pub fn text(&self, provenance: &Provenance) -> Option<Vec<u8>> {
        let found = self
            .repository
            .find(&provenance.object?, self.options.max_delta);
        let (_, bytes) = found.ok()?;
        Some(metadata::part(provenance.place, &bytes).to_vec())
    }

    /// Returns the content of a blob; `None` if it cannot be read.
    #[must_use]
    pub fn blob(&self, id: &ObjectId) -> Option<Vec<u8>> {
        self.repository
            .find(id, self.options.max_delta)
            .ok()
            .map(|(_, bytes)| bytes)
    }

    /// Lists what is there, which [`Source::read`] begins with: a caller who has something else to read first may do both at
    /// the same time.
    pub fn prepare(&self) {
        self.catalog();
    }

    fn catalog(&self) -> &Catalog {
        self.catalog
            .get_or_init(|| Catalog::new(self.repository.store()))
    }

    /// Returns the commits, which the first [`Source::read`] left behind or one more walk finds.
    fn graph(&self, run: &Run<'_>) -> &Graph {
        self.graph.get_or_init(|| {
            let catalog = self.catalog();
            let make = || Lister {
                catalog,
                rows: Rows::default(),
            };
            let walk = self.walk_of(&[Kind::Commit, Kind::Tag], run);
            let walked = walk.run(run.threads, run.progress, make, |lister| lister.rows);
            Graph::new(catalog, walked.outputs)
        })
    }

    /// Returns a walk over objects of some kinds.
    fn walk_of<'w>(&'w self, kinds: &'w [Kind], run: &Run<'w>) -> Walk<'w> {
        Walk {
            store: self.store(),
            catalog: self.catalog(),
            kinds,
            choice: match self.settled.get() {
                Some(settled) => Choice::With(&settled.places),
                None => Choice::Check,
            },
            max_whole: self.options.sizes.whole as u64,
            max_delta: self.options.max_delta,
            stop: run.stop,
        }
    }

    fn indexes(&self) -> &Indexes {
        self.indexes
            .get_or_init(|| Indexes::read(&self.repository, self.catalog()))
    }

    fn store(&self) -> &Store {
        self.repository.store()
    }
}

impl Source for History {
    fn read(&self, run: &Run<'_>) -> Result<Ledger, SourceError> {
        let mut ledger = Ledger::default();
        let catalog = self.catalog();
        add_skips(&mut ledger, catalog.problems.clone());
        run.progress.begin("objects", catalog.len() as u64);
        let mut notes = self.walk(run, catalog, &mut ledger);
        self.graph
            .get_or_init(|| Graph::new(catalog, std::mem::take(&mut notes.rows)));
        let mut receiver = run.sink.receiver();
        for name in &notes.names {
            metadata::give_name(
                &mut *receiver,
                name,
                &BlobPath::new(name.as_ref()),
                Place::FileName,
            );
        }
        metadata::give_repository(&self.repository, &mut *receiver, &mut ledger);
        drop(receiver);
        let refs = self.repository.refs();
        add_skips(&mut ledger, refs.problems.clone());
        refs.notes.iter().for_each(|note| ledger.note(note.clone()));
        ledger.merge(self.indexes().ledger.clone());
        self.gaps(run, &notes, &mut ledger);
        if run.stopped() {
            ledger.skip(
                SkipCause::Interrupted,
                BlobPath::from("<history>"),
                "stopped by the user",
            );
        }
        ledger.trim();
        Ok(ledger)
    }
}

/// The notes of all threads together.
struct Joined {
    rows: Vec<Rows>,
    names: BTreeSet<Arc<[u8]>>,
    missing: BTreeSet<ObjectId>,
    broken: Vec<Broken>,
    submodules: bool,
}

impl History {
    /// Walks all objects and adds what was read and what was lost to the ledger.
    fn walk(&self, run: &Run<'_>, catalog: &Catalog, ledger: &mut Ledger) -> Joined {
        let big = Mutex::new(());
        let room = Room::new(catalog.len());
        let HistoryOptions { sizes, delta, .. } = self.options;
        let make = || Reader::new(catalog, run, sizes, delta, &big, &room);
        let kinds = [Kind::Commit, Kind::Tag, Kind::Tree, Kind::Blob];
        let mut walk = self.walk_of(&kinds, run);
        let mut walked = walk.run(run.threads, run.progress, make, Reader::finish);
        walked.lost.extend(catalog.unplanted());
        let mut parts = std::mem::take(&mut walked.outputs);
        let mut twins = Twins::new(catalog, walked);
        if !twins.lost.is_empty() {
            let mut reader = make();
            twins.rescue(self.store(), self.options.max_delta, &mut reader);
            let mut part = reader.finish();
            // No later walk meets what was rescued.
            part.strip.clear();
            parts.push(part);
        }
        let others = twins.others();
        if !others.is_empty() {
            run.progress.begin("copies of objects", 0);
            walk.choice = Choice::Only(&others);
            let again = walk.run(run.threads, run.progress, make, Reader::finish);
            parts.extend(again.outputs);
            twins.settle(&others, again.lost);
        }
        add_skips(ledger, twins.skips());
        self.settled.get_or_init(|| twins.settled(others));
        let mut joined = Joined {
            rows: Vec::new(),
            names: BTreeSet::new(),
            missing: BTreeSet::new(),
            broken: Vec::new(),
            submodules: false,
        };
        let strips: Vec<Strip> = parts
            .into_iter()
            .map(|part| joined.add(part, ledger))
            .collect();
        if !run.stopped() {
            self.record.get_or_init(|| Record::new(strips));
        }
        joined.broken.sort_unstable();
        joined
    }
}

impl Joined {
    /// Adds what a thread noted, and returns the trees that are left of it.
    fn add(&mut self, part: Notes, ledger: &mut Ledger) -> Strip {
        ledger.merge(part.ledger);
        self.broken.extend_from_slice(&part.rows.broken);
        self.rows.push(part.rows);
        let strip = part.strip;
        for name in strip.names.texts() {
            if !self.names.contains(name) {
                self.names.insert(Arc::clone(name));
            }
        }
        self.missing.extend(&strip.missing);
        self.submodules |= strip.submodules;
        strip
    }
}

fn add_skips(ledger: &mut Ledger, skips: impl IntoIterator<Item = Skip>) {
    for skip in skips {
        ledger.skip(skip.cause, skip.path, skip.detail);
    }
}

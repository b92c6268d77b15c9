//! The commits of a range and what they brought: `A..B`, whatever the merge graph.
//!
//! Promises: every blob that a commit of the range holds at a path where none of its parents holds it is handed out once
//! (merges' own resolutions included), unless a commit at the range's edge holds it somewhere already; so are the commits'
//! messages and headers and new file names. Where a shallow or partial clone hides the edge, that is a gap, never silence.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    super::{
        Blob, Receiver, Run, Sizes, Source, SourceError,
        content::{Contents, Origin, is_lfs_pointer},
        large::Plain,
        repo::{Absent, Finder, Kind, MISNAMED, Namer, Repository},
    },
    catalog::words,
    metadata::{self, Names},
    paint::Spec,
    plan::{Brought, Plan},
};
use crate::model::{BlobPath, Counter, Ledger, ObjectId, Place, Provenance, SkipCause, Span};

/// Bytes spent on remembering delta bases, a thread.
pub(super) const CACHE: usize = 32 << 20;

/// A range of commits.
pub struct Range {
    pub(super) repository: Repository,
    spec: Spec,
    sizes: Sizes,
    pub(super) max: u64,
    plan: OnceLock<Plan>,
}

impl Range {
    /// Takes an opened repository and a range: `A..B` (what B has and A has not), `A...B` (what only one of them has, as
    /// `git log` reads it), `A` alone (`A..HEAD`). Missing ends are HEAD.
    ///
    /// # Errors
    /// [`SourceError::Revision`] if an end does not resolve.
    pub fn new(repository: Repository, range: &str, sizes: Sizes) -> Result<Self, SourceError> {
        let spec = Spec::parse(&repository, range)?;
        Ok(Self {
            repository,
            spec,
            sizes,
            max: sizes.unpack as u64,
            plan: OnceLock::new(),
        })
    }

    /// Returns the commits at the ends of a range as [`Self::new`] reads it: the base, and the head.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn ends(repository: &Repository, range: &str) -> Result<(ObjectId, ObjectId), SourceError> {
        let spec = Spec::parse(repository, range)?;
        Ok((spec.from, spec.to))
    }

    /// Returns the commit at the range's end.
    #[must_use]
    pub const fn head(&self) -> ObjectId {
        self.spec.to
    }

    /// Returns the commit at the range's beginning.
    #[must_use]
    pub const fn base(&self) -> ObjectId {
        self.spec.from
    }

    /// Returns the commits at the range's edge: those that its own are made upon, sorted.
    pub fn edge(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.plan().edge.iter().copied()
    }

    /// Tells whether the range brought a blob.
    #[must_use]
    pub fn brought(&self, id: &ObjectId) -> bool {
        self.plan().blobs.contains_key(id)
    }

    /// Returns the repository.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the content of a blob; `None` if it cannot be read.
    #[must_use]
    pub fn blob(&self, id: &ObjectId) -> Option<Vec<u8>> {
        let found = self.repository.find(id, self.max);
        found.ok().map(|(_, bytes)| bytes)
    }

    /// Returns what the range holds; worked out once.
    pub(super) fn plan(&self) -> &Plan {
        self.plan
            .get_or_init(|| Plan::new(&self.repository, &self.spec, self.max))
    }
}

impl Source for Range {
    fn read(&self, run: &Run<'_>) -> Result<Ledger, SourceError> {
        run.progress.begin("commits", 0);
        let plan = self.plan();
        let mut ledger = plan.ledger.clone();
        for note in &self.repository.refs().notes {
            ledger.note(note.clone());
        }
        run.progress.begin("blobs", plan.blobs.len() as u64);
        for part in self.blobs(run, &plan.blobs) {
            ledger.merge(part);
        }
        let mut receiver = run.sink.receiver();
        self.commits(plan, &mut *receiver, &mut ledger);
        for path in plan.names.keys() {
            metadata::give_name(&mut *receiver, path.as_bytes(), path, Place::FileName);
        }
        if run.stopped() {
            let path = BlobPath::from("<range>");
            ledger.skip(SkipCause::Interrupted, path, "stopped by the user");
        }
        ledger.trim();
        Ok(ledger)
    }
}

impl Range {
    /// Hands out messages and headers.
    fn commits(&self, plan: &Plan, receiver: &mut dyn Receiver, ledger: &mut Ledger) {
        let names = Names::new();
        let mut finder = Finder::new(self.repository.store(), self.max, CACHE).verifying();
        for commit in &plan.commits {
            match finder.find(&commit.id) {
                Ok((kind, bytes)) => {
                    ledger.count(Counter::Commits, 1);
                    ledger.count(Counter::Bytes, bytes.len() as u64);
                    names.object(receiver, commit.id, kind, &bytes);
                }
                Err(absent) => lose(ledger, commit.id, None, absent),
            }
        }
    }

    /// Hands out the blobs on all threads and returns their ledgers.
    fn blobs(&self, run: &Run<'_>, blobs: &BTreeMap<ObjectId, Brought>) -> Vec<Ledger> {
        const STEP: usize = 16;
        let list: Vec<(&ObjectId, &Brought)> = blobs.iter().collect();
        let next = AtomicUsize::new(0);
        let big = Mutex::new(());
        let work = || {
            let mut thread = Thread {
                range: self,
                run,
                finder: Finder::new(self.repository.store(), self.max, CACHE).verifying(),
                contents: Contents::new(run, self.sizes, &big),
                receiver: run.sink.receiver(),
                ledger: Ledger::default(),
            };
            loop {
                let from = next.fetch_add(STEP, Ordering::Relaxed);
                let Some(part) = list.get(from..list.len().min(from + STEP)) else {
                    break;
                };
                if part.is_empty() || run.stopped() {
                    break;
                }
                part.iter()
                    .for_each(|(id, brought)| thread.blob(**id, brought));
                run.progress.advance(part.len() as u64);
            }
            thread.ledger
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(run.threads)
            .build();
        match pool {
            // Few blobs are read before threads have started.
            Ok(pool) if run.threads > 1 && list.len() > STEP => pool.broadcast(|_| work()),
            _ => vec![work()],
        }
    }
}

/// One thread's state.
struct Thread<'t> {
    range: &'t Range,
    run: &'t Run<'t>,
    finder: Finder<'t>,
    contents: Contents<'t>,
    receiver: Box<dyn Receiver + 't>,
    ledger: Ledger,
}

impl Thread<'_> {
    fn blob(&mut self, id: ObjectId, brought: &Brought) {
        let place = if brought.link {
            Place::SymlinkTarget
        } else {
            Place::History
        };
        let provenance = Provenance {
            place,
            object: Some(id),
        };
        let Some(path) = brought.paths.first() else {
            return;
        };
        let whole = self.range.sizes.whole as u64;
        if let Some((size, reader)) = self.finder.large(&id, whole) {
            let origin = Origin {
                path,
                provenance,
                len: Some(size),
            };
            return self.large(id, &origin, size, reader);
        }
        let bytes = match self.finder.find(&id) {
            Ok((Kind::Blob, bytes)) => bytes,
            Ok(_) => {
                return lose(
                    &mut self.ledger,
                    id,
                    Some(path),
                    Absent::Damaged("it is no blob"),
                );
            }
            Err(absent) => return lose(&mut self.ledger, id, Some(path), absent),
        };
        self.ledger.count(Counter::Blobs, 1);
        self.ledger.count(Counter::Bytes, bytes.len() as u64);
        if is_lfs_pointer(&bytes) {
            let detail = "only the pointer was scanned";
            self.ledger
                .skip(SkipCause::LfsPointer, path.clone(), detail);
        }
        if !bytes.is_empty() {
            self.receiver.blob(&Blob {
                bytes: &bytes,
                regions: &[Span::new(0, bytes.len() as u64)],
                path,
                provenance,
                offset: 0,
                line: 1,
                column: 1,
                whole: true,
            });
        }
    }
}

impl Thread<'_> {
    /// Streams a large blob and says if it was not what its name promises.
    fn large(&mut self, id: ObjectId, origin: &Origin<'_>, size: u64, reader: impl Read) {
        self.ledger.count(Counter::Blobs, 1);
        let mut reader = Plain(Checked {
            // One byte more than said, so that a longer stream shows.
            reader: reader.take(size.saturating_add(1)),
            read: 0,
            namer: Namer::new(id.as_bytes().len(), Kind::Blob, size),
            failed: false,
        });
        self.contents
            .read(&mut reader, origin, &mut *self.receiver, &mut self.ledger);
        let Plain(checked) = reader;
        // Then the ledger has it already.
        let limit = self.range.sizes.limit;
        if checked.failed || self.run.stopped() || limit.is_some_and(|limit| size > limit) {
            return;
        }
        let absent = if checked.read != size {
            Absent::Damaged("its size is not what its header says")
        } else if checked.namer.is(&id) {
            return;
        } else {
            MISNAMED
        };
        lose(&mut self.ledger, id, Some(origin.path), absent);
    }
}

/// Counts and hashes what passes, and remembers whether it failed.
struct Checked<R> {
    reader: R,
    read: u64,
    namer: Namer,
    failed: bool,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.reader.read(buffer);
        match &result {
            Ok(n) => {
                self.read += *n as u64;
                self.namer.update(buffer.get(..*n).unwrap_or_default());
            }
            Err(error) => self.failed |= error.kind() != io::ErrorKind::Interrupted,
        }
        result
    }
}

/// Records an object that could not be read.
pub(super) fn lose(ledger: &mut Ledger, id: ObjectId, path: Option<&BlobPath>, absent: Absent) {
    let (cause, detail) = words(absent);
    match path {
        Some(path) => ledger.skip(cause, path.clone(), format!("{id}: {detail}")),
        None => ledger.skip(cause, BlobPath::from(id.to_string().as_str()), detail),
    }
}

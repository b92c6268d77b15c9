//! Goes through every object once, by delta families, on several threads. How one family is decoded is in `decode`.

use std::{
    io::{self, Read},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{
    super::{
        Progress,
        repo::{Kind, Store},
    },
    catalog::{Catalog, Lost, Number},
    decode::Thread,
    families::Root,
};
use crate::model::{Copied, ObjectId};

/// Loose objects that are one unit of work.
pub(super) const LOOSE_CHUNK: usize = 256;

/// One decoded object.
pub(super) struct Object<'a> {
    /// Its name.
    pub(super) id: ObjectId,
    /// Its number in the catalog.
    pub(super) number: Number,
    /// What it is.
    pub(super) kind: Kind,
    /// Its content.
    pub(super) bytes: &'a [u8],
    /// What of it was copied from another object of the same walk, if it was stored so and that can be listed.
    pub(super) copied: Option<&'a [Copied]>,
}

/// Takes objects on one thread.
pub(super) trait Visitor {
    /// What is kept of an object while the deltas on it are visited.
    type Kept: Default;

    /// Takes one object; `base` is what was kept of the object that it is a delta on, if that was taken too.
    fn object(&mut self, object: &Object<'_>, base: Option<&Self::Kept>) -> Self::Kept;

    /// Takes a blob that is too large to be held; reads it to its end and returns its size.
    fn large(&mut self, id: ObjectId, size: u64, reader: &mut dyn Read) -> io::Result<u64>;
}

/// What to walk and how.
pub(super) struct Walk<'w> {
    /// Where the bytes are.
    pub(super) store: &'w Store,
    /// What there is.
    pub(super) catalog: &'w Catalog,
    /// The kinds that are decoded.
    pub(super) kinds: &'w [Kind],
    /// Blobs above this, without deltas on them, go to [`Visitor::large`].
    pub(super) max_whole: u64,
    /// Objects above this are not decoded where memory is needed for that.
    pub(super) max_delta: u64,
    /// Ends the walk early.
    pub(super) stop: &'w AtomicBool,
}

/// What a walk leaves behind.
pub(super) struct Walked<O> {
    /// What each thread made.
    pub(super) outputs: Vec<O>,
    /// Objects that could not be decoded, sorted, each once.
    pub(super) lost: Vec<Lost>,
}

/// A piece of work.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// A family of a pack, by their places.
    Family { pack: usize, root: usize },
    /// Some loose objects, from a place on.
    Loose { start: usize },
}

impl Walk<'_> {
    /// Walks on `threads` threads, each with its own visitor, and returns what `finish` makes of them.
    pub(super) fn run<V: Visitor, O: Send>(
        &self,
        threads: usize,
        progress: &dyn Progress,
        make: impl Fn() -> V + Sync,
        finish: impl Fn(V) -> O + Sync,
    ) -> Walked<O> {
        let units = self.units();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut thread = Thread::new(self, make());
            while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.stop.load(Ordering::Relaxed) {
                    break;
                }
                let done = thread.unit(*unit);
                progress.advance(done);
            }
            let (visitor, lost) = thread.finish();
            (finish(visitor), lost)
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let parts = match pool {
            Ok(pool) if threads > 1 => pool.broadcast(|_| work()),
            _ => vec![work()],
        };
        let mut walked = Walked {
            outputs: Vec::with_capacity(parts.len()),
            lost: Vec::new(),
        };
        for (output, lost) in parts {
            walked.outputs.push(output);
            walked.lost.extend(lost);
        }
        walked.lost.sort();
        walked.lost.dedup();
        walked
    }

    /// Lists the work, the largest families first, loose objects last.
    fn units(&self) -> Vec<Unit> {
        let wanted = |root: &Root| root.kind.is_none_or(|kind| self.kinds.contains(&kind));
        let mut families: Vec<(u64, Unit)> = Vec::new();
        for (pack, table) in self.catalog.packs.iter().enumerate() {
            for (root, family) in table.families.roots.iter().enumerate() {
                if wanted(family) {
                    families.push((family.weight, Unit::Family { pack, root }));
                }
            }
        }
        // One pack's families are in order already; the sort is stable, so that neighbours stay so.
        families.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let loose = (0..self.catalog.loose.len()).step_by(LOOSE_CHUNK);
        families
            .into_iter()
            .map(|(_, unit)| unit)
            .chain(loose.map(|start| Unit::Loose { start }))
            .collect()
    }
}

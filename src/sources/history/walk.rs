//! Goes through every object once, by delta families, on several threads. How one family is decoded is in `decode`.
//!
//! Of an object that is held more than once the first place is visited, and every other whose content is not what its name
//! says: whoever writes an object store can put two contents under one name.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{
    super::{
        Progress,
        repo::{Kind, Store},
    },
    catalog::{Catalog, Holding, Lost, Number},
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
    /// The number in the catalog under which it is known.
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

/// Which places are visited of objects that are held more than once.
#[derive(Clone, Copy)]
pub(super) enum Choice<'w> {
    /// The first ones, and those that do not have the content that the name says: each is hashed.
    Check,
    /// The first ones and these, under other numbers; a walk before found them.
    With(&'w BTreeMap<Number, Number>),
    /// These alone, under other numbers, and nothing else.
    Only(&'w BTreeMap<Number, Number>),
}

/// Whether a place is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is, under a number.
    Visit(Number),
    /// It is not.
    Pass,
    /// Its content has to tell.
    Hash,
}

impl Choice<'_> {
    /// Tells whether a place is visited.
    pub(super) fn answer(&self, number: Number, holding: Holding) -> Answer {
        let listed = |places: &BTreeMap<Number, Number>| {
            let number = places.get(&number);
            number.map_or(Answer::Pass, |number| Answer::Visit(*number))
        };
        match (self, holding) {
            (Self::Only(places), _) | (Self::With(places), Holding::Further) => listed(places),
            (_, Holding::Sole) | (Self::With(_), Holding::First) => Answer::Visit(number),
            (Self::Check, Holding::First | Holding::Further) => Answer::Hash,
        }
    }
}

/// What to walk and how.
pub(super) struct Walk<'w> {
    /// Where the bytes are.
    pub(super) store: &'w Store,
    /// What there is.
    pub(super) catalog: &'w Catalog,
    /// The kinds that are decoded.
    pub(super) kinds: &'w [Kind],
    /// The places that are visited.
    pub(super) choice: Choice<'w>,
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
    /// What could not be decoded.
    pub(super) lost: BTreeSet<Lost>,
    /// Places of objects held more than once whose content is not what the name says.
    pub(super) misnamed: BTreeSet<Number>,
    /// Objects that were read and have bytes behind them that belong to no object.
    pub(super) followed: BTreeSet<ObjectId>,
}

/// What one thread could not read.
#[derive(Default)]
pub(super) struct Losses {
    /// As in [`Walked`].
    pub(super) lost: Vec<Lost>,
    /// As in [`Walked`].
    pub(super) misnamed: Vec<Number>,
    /// As in [`Walked`].
    pub(super) followed: Vec<ObjectId>,
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
            let (visitor, losses) = thread.finish();
            (finish(visitor), losses)
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let parts = match pool {
            Ok(pool) if threads > 1 => pool.broadcast(|_| work()),
            _ => vec![work()],
        };
        let mut walked = Walked {
            outputs: Vec::with_capacity(parts.len()),
            lost: BTreeSet::new(),
            misnamed: BTreeSet::new(),
            followed: BTreeSet::new(),
        };
        for (output, losses) in parts {
            walked.outputs.push(output);
            walked.lost.extend(losses.lost);
            walked.misnamed.extend(losses.misnamed);
            walked.followed.extend(losses.followed);
        }
        walked
    }

    /// Tells whether any of these places may be visited.
    fn may_visit(&self, mut numbers: std::ops::Range<Number>) -> bool {
        match self.choice {
            Choice::Only(places) => places
                .range(numbers.start..)
                .next()
                .is_some_and(|(first, _)| numbers.contains(first)),
            Choice::Check | Choice::With(_) => numbers.next().is_some(),
        }
    }

    /// Lists the work, the largest families first, loose objects last.
    fn units(&self) -> Vec<Unit> {
        let wanted = |root: &Root| root.kind.is_none_or(|kind| self.kinds.contains(&kind));
        let mut families: Vec<(u64, Unit)> = Vec::new();
        for (pack, table) in self.catalog.packs.iter().enumerate() {
            let numbers = table.first..table.first.saturating_add(table.loaded.len());
            let here = self.may_visit(numbers);
            for (root, family) in table.families.roots.iter().enumerate() {
                if here && wanted(family) {
                    families.push((family.weight, Unit::Family { pack, root }));
                }
            }
        }
        // One pack's families are in order already; the sort is stable, so that neighbours stay so.
        families.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let count = self.catalog.loose.len();
        let loose = (0..count).step_by(LOOSE_CHUNK).filter(|start| {
            let end = (start + LOOSE_CHUNK).min(count);
            self.may_visit(self.catalog.loose_number(*start)..self.catalog.loose_number(end))
        });
        families
            .into_iter()
            .map(|(_, unit)| unit)
            .chain(loose.map(|start| Unit::Loose { start }))
            .collect()
    }
}

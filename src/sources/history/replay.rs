//! From a record of trees to those that lead to something wanted: goes through the lists of entries as they were noted.
//!
//! Of each tree only the folders and what is wanted are carried along from base to delta.

use std::{collections::HashMap, ops::Range};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{
    catalog::{Catalog, Number},
    forest::Forest,
    record::{Class, Noted, Piece, Record, Strip},
    trees::{Hit, Part},
};
use crate::model::ObjectId;

impl Record {
    /// Finds the trees that lead to objects and names.
    pub(super) fn forest(
        &self,
        catalog: &Catalog,
        ids: &[ObjectId],
        names: &[Vec<u8>],
        threads: usize,
    ) -> Forest {
        let sought = self.strips.iter();
        let sought: Vec<Sought> = sought
            .map(|strip| Sought::new(strip, catalog, ids, names))
            .collect();
        let pieces: Vec<(&Sought, Piece<'_>)> = sought
            .iter()
            .zip(&self.strips)
            .flat_map(|(sought, strip)| strip.pieces().map(move |piece| (sought, piece)))
            .collect();
        let owners: Vec<&Strip> = pieces.iter().map(|(_, piece)| piece.strip).collect();
        let replay = |(sought, piece): (&Sought, Piece<'_>)| Replay::new(sought).piece(piece);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let parts: Vec<Part> = match pool {
            Ok(pool) if threads > 1 => {
                pool.install(|| pieces.into_par_iter().map(replay).collect())
            }
            _ => pieces.into_iter().map(replay).collect(),
        };
        let names = owners.into_iter().map(|strip| &strip.names);
        Forest::new(catalog.len(), names.zip(parts).collect())
    }
}

/// What is looked for, in the numbers of one strip.
struct Sought {
    /// Targets by object.
    objects: HashMap<Number, u32>,
    /// Which objects are wanted, a bit each: nearly none is.
    bits: Vec<u64>,
    /// Targets by name.
    names: HashMap<u32, u32>,
}

impl Sought {
    /// Numbers the ids first, then the names, in the order given.
    fn new(strip: &Strip, catalog: &Catalog, ids: &[ObjectId], names: &[Vec<u8>]) -> Self {
        let all = catalog.len() + strip.absent.len();
        let mut sought = Self {
            objects: HashMap::new(),
            bits: vec![0; all.div_ceil(64)],
            names: HashMap::new(),
        };
        for (id, target) in ids.iter().zip(0_u32..) {
            let number = catalog.number(id.as_bytes());
            if let Some(number) = number.or_else(|| strip.absent.get(id).copied()) {
                sought.objects.insert(number, target);
                if let Some(word) = sought.bits.get_mut(number as usize / 64) {
                    *word |= 1 << (number % 64);
                }
            }
        }
        let first = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        for (name, target) in names.iter().zip(first..) {
            if let Some(number) = strip.names.find(name) {
                sought.names.insert(number, target);
            }
        }
        sought
    }

    fn object(&self, number: Number) -> Option<u32> {
        let word = self.bits.get(number as usize / 64)?;
        if word >> (number % 64) & 1 == 0 {
            return None;
        }
        self.objects.get(&number).copied()
    }

    fn name(&self, name: u32) -> Option<u32> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(&name).copied()
    }
}

/// An entry that is a folder, or wanted, or both.
#[derive(Clone, Copy)]
struct Item {
    /// Its place in the tree's list.
    at: u32,
    child: Number,
    name: u32,
    class: Class,
    wanted: bool,
}

/// A tree whose deltas may follow.
struct Open {
    row: u32,
    /// Where its items start; they end where those of the next one start.
    first: usize,
    shape: u32,
}

/// Goes through a piece.
struct Replay<'s> {
    sought: &'s Sought,
    /// Trees on which others may be deltas, in the order of rows.
    open: Vec<Open>,
    /// Their items.
    items: Vec<Item>,
    /// Names of the folders of a tree.
    shape: Vec<u32>,
    part: Part,
}

impl<'s> Replay<'s> {
    fn new(sought: &'s Sought) -> Self {
        Self {
            sought,
            open: Vec::new(),
            items: Vec::new(),
            shape: Vec::new(),
            part: Part::default(),
        }
    }

    fn piece(mut self, piece: Piece<'_>) -> Part {
        let mut steps = piece.steps;
        for at in piece.rows {
            let Some(row) = piece.strip.rows.get(at as usize) else {
                break;
            };
            let (base, shape) = self.close_down_to(row.base);
            let first = self.items.len();
            let (mut end, mut place) = (0, 0_u32);
            while let Some(step) = steps.next(&mut end) {
                match step {
                    Noted::Run { first, count } => {
                        self.take_over(&base, first, count, place);
                        place = place.saturating_add(count);
                    }
                    Noted::Entry { name, class, child } => {
                        self.add(place, name, class, child);
                        place = place.saturating_add(1);
                    }
                }
            }
            let shape = self.shape(base, first, shape);
            self.emit(row.number, first, shape);
            let row = at;
            self.open.push(Open { row, first, shape });
        }
        self.part
    }

    /// Forgets the trees that came after the base of the next one, to which nothing refers any more; returns the items of the
    /// base, and its shape.
    fn close_down_to(&mut self, base: u32) -> (Range<usize>, Option<u32>) {
        let Ok(at) = self.open.binary_search_by_key(&base, |open| open.row) else {
            return (0..0, None);
        };
        if let Some(next) = self.open.get(at + 1) {
            self.items.truncate(next.first);
            self.open.truncate(at + 1);
        }
        let last = self.open.last();
        last.map_or((0..0, None), |last| {
            (last.first..self.items.len(), Some(last.shape))
        })
    }

    /// Takes over the items of a run.
    fn take_over(&mut self, base: &Range<usize>, first: u32, count: u32, place: u32) {
        let items = self.items.get(base.clone()).unwrap_or_default();
        let mut from = base.start + items.partition_point(|item| item.at < first);
        let end = first.saturating_add(count);
        while from < base.end
            && let Some(item) = self.items.get(from).copied()
            && item.at < end
        {
            let at = item.at - first + place;
            self.items.push(Item { at, ..item });
            from += 1;
        }
    }

    fn add(&mut self, at: u32, name: u32, class: Class, child: Number) {
        let wanted = self.sought.object(child).is_some() || self.sought.name(name).is_some();
        if wanted || class == Class::Tree {
            self.items.push(Item {
                at,
                child,
                name,
                class,
                wanted,
            });
        }
    }

    /// Returns the shape of the tree whose items start at `first`: mostly that of its base.
    fn shape(&mut self, base: Range<usize>, first: usize, shape: Option<u32>) -> u32 {
        let names = |range: Range<usize>| {
            let items = self.items.get(range).unwrap_or_default().iter();
            items
                .filter(|item| item.class == Class::Tree)
                .map(|item| item.name)
        };
        let own = first..self.items.len();
        if let Some(shape) = shape
            && names(base).eq(names(own.clone()))
        {
            return shape;
        }
        self.shape.clear();
        self.shape.extend(names(own));
        self.part.shapes.number(&self.shape)
    }

    fn emit(&mut self, number: Number, first: usize, shape: u32) {
        let items = self.items.get(first..).unwrap_or_default();
        let part = &mut self.part;
        let before = (part.edges.len(), part.hits.len());
        for item in items {
            if item.class == Class::Tree {
                part.edges.push(item.child);
            }
            if !item.wanted {
                continue;
            }
            let found = [self.sought.object(item.child), self.sought.name(item.name)];
            for target in found.into_iter().flatten() {
                part.hits.push(Hit {
                    target,
                    name: item.name,
                    link: item.class == Class::Link,
                });
            }
        }
        part.end(number, shape, before);
    }
}

//! Which trees hold wanted objects and other trees, under which names: a pass over all trees by delta families, for a history
//! of which there is no `record`.
//!
//! Of most trees only the numbers of their sub-trees are kept, four bytes each, and the list of their names once for all
//! trees that have the same ones. What leads nowhere is dropped afterwards: see `forest`.

use std::{
    collections::HashMap,
    hash::Hash,
    io::{self, Read},
    ops::Range,
    sync::Arc,
};

use super::{
    super::repo::TreeEntries,
    catalog::{Catalog, Number},
    graph::NONE,
    walk::{Object, Visitor},
};
use crate::model::ObjectId;

/// Bits of an id that the filter tells apart: its table of 128 KiB fits the second-level cache.
const FILTER_BITS: u32 = 20;

/// What is looked for in trees, each under a number of its own.
pub(super) struct Targets {
    ids: HashMap<ObjectId, u32>,
    names: HashMap<Box<[u8]>, u32>,
    filter: Vec<u64>,
}

impl Targets {
    /// Numbers the ids first, then the names, in the order given.
    pub(super) fn new(ids: &[ObjectId], names: &[Vec<u8>]) -> Self {
        let mut filter = vec![0_u64; 1 << (FILTER_BITS - 6)];
        for id in ids {
            let bit = filter_bit(id.as_bytes());
            if let Some(word) = filter.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        let numbers = 0_u32..;
        let after = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        Self {
            ids: ids.iter().copied().zip(numbers).collect(),
            names: names
                .iter()
                .map(|name| name.as_slice().into())
                .zip(after..)
                .collect(),
            filter,
        }
    }

    fn of_id(&self, raw: &[u8]) -> Option<u32> {
        let bit = filter_bit(raw);
        if self.filter.get(bit / 64)? >> (bit % 64) & 1 == 0 {
            return None;
        }
        self.ids.get(&ObjectId::new(raw)?).copied()
    }

    fn of_name(&self, name: &[u8]) -> Option<u32> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(name).copied()
    }
}

fn filter_bit(raw: &[u8]) -> usize {
    let start = raw.get(..4).and_then(|b| b.try_into().ok());
    (u32::from_be_bytes(start.unwrap_or_default()) >> (32 - FILTER_BITS)) as usize
}

/// Strings of bytes or numbers under numbers.
pub(super) struct Interner<T> {
    numbers: HashMap<Arc<[T]>, u32>,
    texts: Vec<Arc<[T]>>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            texts: Vec::new(),
        }
    }
}

impl<T: Copy + Eq + Hash> Interner<T> {
    /// Returns the number of a text.
    pub(super) fn number(&mut self, text: &[T]) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<[T]> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// Returns the number of a text that has one.
    pub(super) fn find(&self, text: &[T]) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// Returns the text of a number.
    pub(super) fn text(&self, number: u32) -> &[T] {
        self.texts.get(number as usize).map_or(&[], |text| text)
    }

    /// Returns all texts, by number.
    pub(super) fn texts(&self) -> impl ExactSizeIterator<Item = &Arc<[T]>> {
        self.texts.iter()
    }
}

/// An entry that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// What it is.
    pub(super) target: u32,
    /// The entry's name.
    pub(super) name: u32,
    /// Whether it is a symbolic link.
    pub(super) link: bool,
}

/// One tree.
pub(super) struct Row {
    /// Its number.
    pub(super) number: Number,
    /// The names of its sub-trees, as a number in `shapes`.
    pub(super) shape: u32,
    /// Its sub-trees, in its order.
    pub(super) edges: Range<u32>,
    /// What is wanted of it, in its order.
    pub(super) hits: Range<u32>,
}

/// Some trees: each has all its sub-trees here, and what is wanted of its entries. Names are numbers of someone else's.
#[derive(Default)]
pub(super) struct Part {
    /// The trees.
    pub(super) rows: Vec<Row>,
    /// Their sub-trees.
    pub(super) edges: Vec<Number>,
    /// Their entries that are wanted.
    pub(super) hits: Vec<Hit>,
    /// Names of sub-trees.
    pub(super) shapes: Interner<u32>,
}

impl Part {
    /// Ends a tree, whose edges and hits are those added since there were so many.
    pub(super) fn end(&mut self, number: Number, shape: u32, (edges, hits): (usize, usize)) {
        let range = |start: usize, end: usize| {
            let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            narrow(start)..narrow(end)
        };
        self.rows.push(Row {
            number,
            shape,
            edges: range(edges, self.edges.len()),
            hits: range(hits, self.hits.len()),
        });
    }
}

/// Takes trees on one thread.
pub(super) struct Collector<'c> {
    catalog: &'c Catalog,
    targets: &'c Targets,
    part: Part,
    names: Interner<u8>,
    shape: Vec<u32>,
    /// Remembers the last numbers found, by the start of the id: neighbours in a family share nearly all sub-trees.
    cache: Vec<(ObjectId, Number)>,
}

/// Slots of a collector's memory of numbers.
const CACHE: usize = 1 << 14;

impl<'c> Collector<'c> {
    /// Starts on a thread.
    pub(super) fn new(catalog: &'c Catalog, targets: &'c Targets) -> Self {
        let empty = ObjectId::new(&[0; 20]).map(|id| (id, NONE));
        Self {
            catalog,
            targets,
            part: Part::default(),
            names: Interner::default(),
            shape: Vec::new(),
            cache: empty.into_iter().cycle().take(CACHE).collect(),
        }
    }

    /// Ends on a thread.
    pub(super) fn finish(self) -> (Interner<u8>, Part) {
        (self.names, self.part)
    }

    fn number(&mut self, raw: &[u8]) -> Number {
        let slot = filter_bit(raw) % CACHE;
        if let Some((id, number)) = self.cache.get(slot)
            && id.as_bytes() == raw
        {
            return *number;
        }
        let number = self.catalog.number(raw).unwrap_or(NONE);
        if let Some((id, slot)) = ObjectId::new(raw).zip(self.cache.get_mut(slot)) {
            *slot = (id, number);
        }
        number
    }
}

impl Visitor for Collector<'_> {
    type Kept = ();

    fn object(&mut self, object: &Object<'_>, _: Option<&()>) {
        let before = (self.part.edges.len(), self.part.hits.len());
        self.shape.clear();
        for entry in TreeEntries::new(object.bytes, object.id.as_bytes().len()) {
            if entry.is_tree() {
                let child = self.number(entry.raw_id);
                self.part.edges.push(child);
                self.shape.push(self.names.number(entry.name));
            }
            let found = [
                self.targets.of_id(entry.raw_id),
                self.targets.of_name(entry.name),
            ];
            for target in found.into_iter().flatten() {
                let name = self.names.number(entry.name);
                self.part.hits.push(Hit {
                    target,
                    name,
                    link: entry.is_link(),
                });
            }
        }
        let shape = self.part.shapes.number(&self.shape);
        self.part.end(object.number, shape, before);
    }

    fn large(&mut self, _: ObjectId, _: u64, _: &mut dyn Read) -> io::Result<u64> {
        // Trees are never streamed.
        Err(io::ErrorKind::Unsupported.into())
    }
}

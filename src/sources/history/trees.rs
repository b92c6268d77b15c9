//! Which trees lead to wanted objects, through which names: one pass over all trees by delta families.
//!
//! Of most trees only the numbers of their sub-trees are kept, four bytes each, and the list of their names once for all
//! trees that have the same ones. What leads nowhere is dropped afterwards.

use std::{
    collections::HashMap,
    io::{self, Read},
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

/// Byte strings under numbers.
#[derive(Default)]
pub(super) struct Interner {
    numbers: HashMap<Arc<[u8]>, u32>,
    texts: Vec<Arc<[u8]>>,
}

impl Interner {
    /// Returns the number of a text.
    pub(super) fn number(&mut self, text: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<[u8]> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// Returns the text of a number.
    pub(super) fn text(&self, number: u32) -> &[u8] {
        self.texts.get(number as usize).map_or(&[], |text| text)
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
struct Row {
    number: Number,
    /// The names of its sub-trees, each ended by a NUL.
    shape: u32,
    edges: std::ops::Range<usize>,
    hits: std::ops::Range<usize>,
}

/// The trees that one thread met.
#[derive(Default)]
pub(super) struct Part {
    rows: Vec<Row>,
    edges: Vec<Number>,
    hits: Vec<Hit>,
    shapes: Interner,
    names: Interner,
}

/// Takes trees on one thread.
pub(super) struct Collector<'c> {
    catalog: &'c Catalog,
    targets: &'c Targets,
    part: Part,
    shape: Vec<u8>,
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
            shape: Vec::new(),
            cache: empty.into_iter().cycle().take(CACHE).collect(),
        }
    }

    /// Ends on a thread.
    pub(super) fn finish(self) -> Part {
        self.part
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
        let (first_edge, first_hit) = (self.part.edges.len(), self.part.hits.len());
        self.shape.clear();
        for entry in TreeEntries::new(object.bytes, object.id.as_bytes().len()) {
            if entry.is_tree() {
                let child = self.number(entry.raw_id);
                self.part.edges.push(child);
                self.shape.extend_from_slice(entry.name);
                self.shape.push(0);
            }
            let found = [
                self.targets.of_id(entry.raw_id),
                self.targets.of_name(entry.name),
            ];
            for target in found.into_iter().flatten() {
                let name = self.part.names.number(entry.name);
                self.part.hits.push(Hit {
                    target,
                    name,
                    link: entry.is_link(),
                });
            }
        }
        self.part.rows.push(Row {
            number: object.number,
            shape: self.part.shapes.number(&self.shape),
            edges: first_edge..self.part.edges.len(),
            hits: first_hit..self.part.hits.len(),
        });
    }

    fn large(&mut self, _: ObjectId, _: u64, _: &mut dyn Read) -> io::Result<u64> {
        // Trees are never streamed.
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The trees that lead to something wanted, children before parents; a tree is named by its place.
#[derive(Default)]
pub(super) struct Forest {
    places: HashMap<Number, u32>,
    first_child: Vec<u32>,
    children: Vec<(u32, u32)>,
    first_hit: Vec<u32>,
    hits: Vec<Hit>,
    names: Interner,
}

impl Forest {
    /// Joins the trees of all threads and drops those that lead nowhere.
    pub(super) fn new(objects: usize, parts: &[Part]) -> Self {
        let order = useful(objects, parts);
        let mut forest = Self {
            places: (0_u32..)
                .zip(&order)
                .map(|(place, (_, row))| (row.number, place))
                .collect(),
            ..Self::default()
        };
        forest.first_child.push(0);
        forest.first_hit.push(0);
        for (place, (part, row)) in (0_u32..).zip(&order) {
            let names = part.shapes.text(row.shape).split(|b| *b == 0);
            let edges = part.edges.get(row.edges.clone()).unwrap_or_default();
            for (child, name) in edges.iter().zip(names) {
                // Only a pack that lies can have a tree inside itself: such an edge does not go downwards.
                if let Some(child) = forest.places.get(child).copied().filter(|c| *c < place) {
                    let name = forest.names.number(name);
                    forest.children.push((child, name));
                }
            }
            for hit in part.hits.get(row.hits.clone()).unwrap_or_default() {
                let name = forest.names.number(part.names.text(hit.name));
                forest.hits.push(Hit { name, ..*hit });
            }
            let end = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
            forest.first_child.push(end(forest.children.len()));
            forest.first_hit.push(end(forest.hits.len()));
        }
        forest
    }

    /// Returns the number of trees.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// Returns the place of a tree; `None` if it leads nowhere.
    pub(super) fn place(&self, number: Number) -> Option<u32> {
        self.places.get(&number).copied()
    }

    /// Returns the useful sub-trees of a tree with their names, in its order. All have smaller places.
    pub(super) fn children(&self, place: u32) -> &[(u32, u32)] {
        self.children
            .get(range(&self.first_child, place))
            .unwrap_or_default()
    }

    /// Returns the entries of a tree that are wanted, in its order.
    pub(super) fn hits(&self, place: u32) -> &[Hit] {
        self.hits
            .get(range(&self.first_hit, place))
            .unwrap_or_default()
    }

    /// Returns the name of a number.
    pub(super) fn name(&self, number: u32) -> &[u8] {
        self.names.text(number)
    }
}

fn range(starts: &[u32], place: u32) -> std::ops::Range<usize> {
    let at = |i: usize| starts.get(i).copied().unwrap_or(0) as usize;
    at(place as usize)..at(place as usize + 1)
}

/// Returns the trees that lead to a hit, children before parents.
fn useful(objects: usize, parts: &[Part]) -> Vec<(&Part, &Row)> {
    let rows: Vec<(&Part, &Row)> = parts
        .iter()
        .flat_map(|part| part.rows.iter().map(move |row| (part, row)))
        .collect();
    let mut sieve = Sieve::new(objects, &rows);
    let order = (0_u32..)
        .take(rows.len())
        .flat_map(|start| sieve.below(start));
    let order: Vec<u32> = order.collect();
    let row = |at: u32| rows.get(at as usize).copied();
    order.into_iter().filter_map(row).collect()
}

/// Sorts trees out, depth first.
struct Sieve<'s, 'p> {
    rows: &'s [(&'p Part, &'p Row)],
    /// Place in `rows` by number.
    places: Vec<u32>,
    states: Vec<State>,
}

impl<'s, 'p> Sieve<'s, 'p> {
    fn new(objects: usize, rows: &'s [(&'p Part, &'p Row)]) -> Self {
        let mut places = vec![NONE; objects];
        for (at, (_, row)) in (0_u32..).zip(rows) {
            if let Some(slot) = places.get_mut(row.number as usize) {
                *slot = at;
            }
        }
        Self {
            rows,
            places,
            states: vec![State::New; rows.len()],
        }
    }

    /// Returns the useful trees below one (and it), if it is new.
    fn below(&mut self, start: u32) -> Vec<u32> {
        let mut order = Vec::new();
        let mut stack = Vec::new();
        if self.open(start) {
            stack.push((start, 0));
        }
        while let Some((at, edge)) = stack.last_mut() {
            let at = *at;
            if let Some(child) = self.child(at, *edge) {
                *edge += 1;
                if self.open(child) {
                    stack.push((child, 0));
                }
            } else {
                stack.pop();
                if self.close(at) {
                    order.push(at);
                }
            }
        }
        order
    }

    /// Returns the sub-tree behind an edge; what is not there counts as one that leads nowhere.
    fn child(&self, at: u32, edge: usize) -> Option<u32> {
        let (part, row) = self.rows.get(at as usize)?;
        let number = part.edges.get(row.edges.clone())?.get(edge)?;
        Some(self.places.get(*number as usize).copied().unwrap_or(NONE))
    }

    /// Opens a tree; tells whether it was new.
    fn open(&mut self, at: u32) -> bool {
        match self.states.get_mut(at as usize) {
            Some(state) if *state == State::New => {
                *state = State::Open;
                true
            }
            _ => false,
        }
    }

    /// Closes a tree whose sub-trees are closed; tells whether it is useful.
    fn close(&mut self, at: u32) -> bool {
        let Some((_, row)) = self.rows.get(at as usize) else {
            return false;
        };
        let is_useful = |child: u32| self.states.get(child as usize) == Some(&State::Useful);
        let useful = !row.hits.is_empty()
            || (0..row.edges.len()).any(|edge| self.child(at, edge).is_some_and(is_useful));
        if let Some(state) = self.states.get_mut(at as usize) {
            *state = if useful {
                State::Useful
            } else {
                State::Useless
            };
        }
        useful
    }
}

/// What is known of a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Useful,
    Useless,
}

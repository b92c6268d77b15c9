//! The trees that lead to something wanted: what a pass over all trees found, less what leads nowhere.

use std::ops::Range;

use super::{
    catalog::Number,
    graph::NONE,
    trees::{Hit, Interner, Part, Row},
};

/// The trees that lead to something wanted, children before parents; a tree is named by its place.
#[derive(Default)]
pub(super) struct Forest {
    /// By number; [`NONE`] for what is not here.
    places: Vec<u32>,
    first_child: Vec<u32>,
    children: Vec<(u32, u32)>,
    first_hit: Vec<u32>,
    hits: Vec<Hit>,
    names: Interner<u8>,
}

impl Forest {
    /// Joins the trees of all parts, of a repository of so many objects, and drops those that lead nowhere. With each part
    /// come the names that it numbers.
    pub(super) fn new(objects: usize, parts: Vec<(&Interner<u8>, Part)>) -> Self {
        let (names, parts): (Vec<_>, Vec<Part>) = parts.into_iter().unzip();
        let sieve = Sieve::new(objects, &parts);
        let order = sieve.order();
        let mut forest = Self {
            places: vec![NONE; objects],
            ..Self::default()
        };
        for (place, (_, row)) in (0_u32..).zip(&order) {
            if let Some(slot) = forest.places.get_mut(row.number as usize) {
                *slot = place;
            }
        }
        let mut words: Vec<Words<'_>> = names.into_iter().map(Words::new).collect();
        forest.first_child.push(0);
        forest.first_hit.push(0);
        for (place, (part, row)) in (0_u32..).zip(&order) {
            if let (Some(part), Some(words)) = (parts.get(*part), words.get_mut(*part)) {
                forest.add(place, part, row, words);
            }
        }
        forest
    }

    fn add(&mut self, place: u32, part: &Part, row: &Row, words: &mut Words<'_>) {
        let edges = part.edges.get(wide(&row.edges)).unwrap_or_default();
        for (child, name) in edges.iter().zip(part.shapes.text(row.shape)) {
            // Only a pack that lies can have a tree inside itself: such an edge does not go downwards.
            if let Some(child) = self.place(*child).filter(|child| *child < place) {
                let name = words.number(*name, &mut self.names);
                self.children.push((child, name));
            }
        }
        for hit in part.hits.get(wide(&row.hits)).unwrap_or_default() {
            let name = words.number(hit.name, &mut self.names);
            self.hits.push(Hit { name, ..*hit });
        }
        let end = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        self.first_child.push(end(self.children.len()));
        self.first_hit.push(end(self.hits.len()));
    }

    /// Returns the number of trees.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.first_hit.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Returns the place of a tree; `None` if it leads nowhere.
    pub(super) fn place(&self, number: Number) -> Option<u32> {
        let place = self.places.get(number as usize).copied();
        place.filter(|place| *place != NONE)
    }

    /// Returns the trees that no other one holds, by number.
    pub(super) fn roots(&self) -> Vec<u32> {
        let mut held = vec![false; self.first_hit.len()];
        for (child, _) in &self.children {
            if let Some(held) = held.get_mut(*child as usize) {
                *held = true;
            }
        }
        let places = self.places.iter().copied();
        let is_root = |place: &u32| held.get(*place as usize) == Some(&false);
        places.filter(is_root).collect()
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

fn range(starts: &[u32], place: u32) -> Range<usize> {
    let at = |i: usize| starts.get(i).copied().unwrap_or(0) as usize;
    at(place as usize)..at(place as usize + 1)
}

/// From the numbers of a part's names to those of the forest: a name is looked up once.
struct Words<'n> {
    names: &'n Interner<u8>,
    known: Vec<u32>,
}

impl<'n> Words<'n> {
    const fn new(names: &'n Interner<u8>) -> Self {
        Self {
            names,
            known: Vec::new(),
        }
    }

    fn number(&mut self, name: u32, all: &mut Interner<u8>) -> u32 {
        if self.known.is_empty() {
            self.known = vec![NONE; self.names.texts().len()];
        }
        match self.known.get_mut(name as usize) {
            Some(number) if *number != NONE => *number,
            Some(number) => {
                *number = all.number(self.names.text(name));
                *number
            }
            None => all.number(&[]),
        }
    }
}

/// A tree that was met on the way to itself or is not done yet.
const OPEN: u32 = NONE - 1;

/// A tree that leads to a hit.
const USEFUL: u32 = NONE - 2;

/// Sorts trees out, depth first.
struct Sieve<'p> {
    parts: &'p [Part],
    /// All trees, as their part and row.
    rows: Vec<(usize, &'p Row)>,
    /// What is known of a tree, by number: its place in `rows` if it is new, [`OPEN`], [`USEFUL`], or [`NONE`] if it leads
    /// nowhere or is not there. In one table, since most of the time goes to waiting for it.
    states: Vec<u32>,
}

/// A tree whose sub-trees are not all looked at.
struct Frame<'p> {
    at: u32,
    number: Number,
    /// The sub-trees that are left.
    edges: std::slice::Iter<'p, Number>,
    useful: bool,
}

impl<'p> Sieve<'p> {
    fn new(objects: usize, parts: &'p [Part]) -> Self {
        let rows = parts.iter().enumerate();
        let rows: Vec<(usize, &Row)> = rows
            .flat_map(|(part, of)| of.rows.iter().map(move |row| (part, row)))
            .collect();
        let mut states = vec![NONE; objects];
        for (at, (_, row)) in (0_u32..).zip(&rows) {
            if let Some(state) = states.get_mut(row.number as usize) {
                *state = at;
            }
        }
        Self {
            parts,
            rows,
            states,
        }
    }

    /// Returns the trees that lead to a hit, children before parents.
    fn order(mut self) -> Vec<(usize, &'p Row)> {
        let mut order = Vec::new();
        let mut stack = Vec::new();
        // In the order of parts, in which neighbours share most sub-trees.
        for at in 0..self.rows.len() {
            let row = self.rows.get(at).map(|(_, row)| *row);
            let state = row.and_then(|row| self.states.get(row.number as usize).copied());
            if state.is_some_and(|state| state as usize == at) {
                self.below(at, &mut stack, &mut order);
            }
        }
        let row = |at: u32| self.rows.get(at as usize).copied();
        order.into_iter().filter_map(row).collect()
    }

    /// Appends the useful trees below a new one, and it.
    fn below(&mut self, start: usize, stack: &mut Vec<Frame<'p>>, order: &mut Vec<u32>) {
        stack.extend(self.open(u32::try_from(start).unwrap_or(NONE)));
        while let Some(frame) = stack.last_mut() {
            if let Some(number) = frame.edges.next() {
                match self.states.get(*number as usize).copied() {
                    Some(USEFUL) => frame.useful = true,
                    None | Some(NONE | OPEN) => {}
                    Some(child) => stack.extend(self.open(child)),
                }
                continue;
            }
            let Frame {
                at, number, useful, ..
            } = *frame;
            stack.pop();
            if useful {
                order.push(at);
                if let Some(parent) = stack.last_mut() {
                    parent.useful = true;
                }
            }
            if let Some(state) = self.states.get_mut(number as usize) {
                *state = if useful { USEFUL } else { NONE };
            }
        }
    }

    /// Opens a new tree.
    fn open(&mut self, at: u32) -> Option<Frame<'p>> {
        let (part, row) = self.rows.get(at as usize)?;
        *self.states.get_mut(row.number as usize)? = OPEN;
        let edges = self.parts.get(*part)?.edges.get(wide(&row.edges));
        Some(Frame {
            at,
            number: row.number,
            edges: edges.unwrap_or_default().iter(),
            useful: !row.hits.is_empty(),
        })
    }
}

/// Returns a range as places in a slice.
const fn wide(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

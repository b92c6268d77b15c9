//! What the trees of a walk hold, in few bytes: of a delta what it takes over from its base and what is new.
//!
//! Noted while a history is read, when every tree is looked at anyway, so that nothing is decoded a second time to tell where a
//! finding comes from: see `replay`. A tree costs about 120 bytes (git.git: 167,745 trees of 2.5 GB, in 20 MB). The room is
//! bounded; without a record the trees are walked again (`trees`).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    super::repo::{TreeEntries, TreeEntry},
    catalog::{Catalog, Number},
    graph::NONE,
    starts::{Starts, Step},
    trees::Interner,
    walk::{Object, Visitor},
};
use crate::model::ObjectId;

/// Most bytes of a record, and how many more for each object: one that needs as much was made to.
const ROOM: u64 = 48 << 20;
const ROOM_PER_OBJECT: u64 = 16;

/// Bytes of steps that are one piece of work when a record is gone through; few in tests, whose records are small.
const PIECE: usize = if cfg!(test) { 64 } else { 64 << 10 };

/// How many bytes all threads may note together.
pub(super) struct Room {
    limit: u64,
    taken: AtomicU64,
}

impl Room {
    /// Returns the room for a repository of so many objects.
    pub(super) const fn new(objects: usize) -> Self {
        Self::of(ROOM + ROOM_PER_OBJECT * objects as u64)
    }

    /// Returns room for so many bytes.
    pub(super) const fn of(limit: u64) -> Self {
        Self {
            limit,
            taken: AtomicU64::new(0),
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.limit
    }
}

/// One tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number.
    pub(super) number: Number,
    /// The row of the tree that it takes entries from, an earlier one; [`NONE`] if it takes none.
    pub(super) base: u32,
}

/// The trees that one thread met: what is a delta comes after its base, and before anything that is a delta on what came before
/// that.
#[derive(Default)]
pub(super) struct Strip {
    /// The trees.
    pub(super) rows: Vec<Row>,
    /// What each of them holds, one after the other: see [`Steps`].
    steps: Vec<u8>,
    /// Where pieces of work start, as row and offset of its steps.
    pieces: Vec<(u32, usize)>,
    /// Whether there was no room for all of them.
    full: bool,
    /// Every distinct name of a file or folder.
    pub(super) names: Interner<u8>,
    /// What entries name that is nowhere, under numbers above those of all objects.
    pub(super) absent: HashMap<ObjectId, Number>,
    /// What of it is no submodule.
    pub(super) missing: HashSet<ObjectId>,
    /// Whether any tree holds a submodule.
    pub(super) submodules: bool,
}

/// A stretch of a strip: no tree of it has its base outside.
pub(super) struct Piece<'s> {
    /// Whose it is.
    pub(super) strip: &'s Strip,
    /// Its rows.
    pub(super) rows: std::ops::Range<u32>,
    /// The steps of its rows.
    pub(super) steps: Steps<'s>,
}

impl Strip {
    /// Returns all rows in pieces.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let rows = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let ends = self.pieces.iter().skip(1).map(|piece| piece.0);
        let ends = ends.chain([rows]);
        self.pieces.iter().zip(ends).map(|((row, at), end)| Piece {
            strip: self,
            rows: *row..end,
            steps: Steps(self.steps.get(*at..).unwrap_or_default()),
        })
    }

    /// Forgets the trees, but for their names and what is missing.
    pub(super) fn clear(&mut self) {
        self.rows = Vec::new();
        self.steps = Vec::new();
        self.pieces = Vec::new();
    }

    fn give_up(&mut self) {
        self.full = true;
        self.clear();
    }
}

/// Every tree that a walk met.
pub(super) struct Record {
    /// As the threads met them.
    pub(super) strips: Vec<Strip>,
}

impl Record {
    /// Puts together what the threads noted; `None` if one of them had no room.
    pub(super) fn new(strips: Vec<Strip>) -> Option<Self> {
        (!strips.iter().any(|strip| strip.full)).then_some(Self { strips })
    }

    /// Returns every file whose name is wanted, and how many of them are nowhere. What a tree has from its base was met there.
    pub(super) fn named(&self, wanted: &dyn Fn(&[u8]) -> bool) -> (BTreeSet<Number>, usize) {
        let mut found = BTreeSet::new();
        let mut absent = HashSet::new();
        for strip in &self.strips {
            let missing = strip.absent.iter().map(|(id, number)| (*number, *id));
            let missing: HashMap<Number, ObjectId> = missing.collect();
            let names: Vec<bool> = strip.names.texts().map(|name| wanted(name)).collect();
            for piece in strip.pieces() {
                let mut steps = piece.steps;
                for _ in piece.rows {
                    let mut end = 0;
                    while let Some(step) = steps.next(&mut end) {
                        let Noted::Entry { name, class, child } = step else {
                            continue;
                        };
                        if class != Class::File || names.get(name as usize) != Some(&true) {
                            continue;
                        }
                        match missing.get(&child) {
                            Some(id) => absent.insert(*id),
                            None => found.insert(child),
                        };
                    }
                }
            }
        }
        (found, absent.len())
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A file.
    File,
    /// A folder.
    Tree,
    /// A symbolic link.
    Link,
    /// A submodule.
    Submodule,
}

impl Class {
    fn of(entry: &TreeEntry<'_>) -> Self {
        if entry.is_tree() {
            Self::Tree
        } else if entry.is_link() {
            Self::Link
        } else if entry.is_submodule() {
            Self::Submodule
        } else {
            Self::File
        }
    }
}

/// One step of a tree's list of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// So many entries of the base, from a place in its list on.
    Run { first: u32, count: u32 },
    /// An entry: number of its name, what it is, number of its object.
    Entry {
        name: u32,
        class: Class,
        child: Number,
    },
}

/// Reads steps. Each is a number of 7 bits a byte: 0 ends a tree; an even one is a run of half as many entries, with the
/// distance from the end of the last run behind it; an odd one is an entry's name and class, with its object behind it.
#[derive(Clone, Copy)]
pub(super) struct Steps<'s>(&'s [u8]);

impl Steps<'_> {
    /// Reads the next step; `end` is where the last run of the tree ended, 0 at first. `None` at the end of a tree.
    pub(super) fn next(&mut self, end: &mut u32) -> Option<Noted> {
        let head = self.number()?;
        if head == 0 {
            return None;
        }
        let tail = self.number()?;
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        if head & 1 == 0 {
            // Ones and zeros change places in a negative distance, whose sign is the last bit.
            let distance = (tail >> 1) as i64 ^ -((tail & 1) as i64);
            let first = narrow(u64::from(*end).wrapping_add_signed(distance));
            let count = narrow(head >> 1);
            *end = first.saturating_add(count);
            return Some(Noted::Run { first, count });
        }
        Some(Noted::Entry {
            name: narrow(head >> 3),
            class: match head >> 1 & 3 {
                0 => Class::File,
                1 => Class::Tree,
                2 => Class::Link,
                _ => Class::Submodule,
            },
            child: narrow(tail),
        })
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

fn put(steps: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        steps.push(number as u8 | 0x80);
        number >>= 7;
    }
    steps.push(number as u8);
}

/// What is kept of a tree for the deltas on it.
#[derive(Default)]
pub(super) struct Marks {
    starts: Starts,
    row: u32,
}

/// Notes trees on one thread.
pub(super) struct Recorder<'c> {
    catalog: &'c Catalog,
    room: &'c Room,
    /// Where the last run of the tree that is being read ended.
    end: u32,
    strip: Strip,
}

impl<'c> Recorder<'c> {
    /// Starts on a thread.
    pub(super) fn new(catalog: &'c Catalog, room: &'c Room) -> Self {
        Self {
            catalog,
            room,
            end: 0,
            strip: Strip::default(),
        }
    }

    /// Ends on a thread.
    pub(super) fn finish(self) -> Strip {
        self.strip
    }

    /// Notes a tree, and tells whether it was well-formed. Entries that its delta base has too are not looked at again.
    pub(super) fn tree(&mut self, object: &Object<'_>, base: Option<&Marks>) -> (Marks, bool) {
        let mut entries = TreeEntries::new(object.bytes, object.id.as_bytes().len());
        let before = self.strip.steps.len();
        let row = self.begin(object.number, base.map(|base| base.row));
        let shared = base.map(|base| &base.starts).zip(object.copied);
        let starts = Starts::read(&mut entries, shared, |step| match step {
            Step::Run { first, count } => self.run(first, count),
            Step::Entry(entry) => self.entry(entry),
        });
        if !self.strip.full {
            self.strip.steps.push(0);
            let grown = self.strip.steps.len() - before + size_of::<Row>();
            if !self.room.take(grown) {
                self.strip.give_up();
            }
        }
        (Marks { starts, row }, entries.is_complete())
    }

    fn begin(&mut self, number: Number, base: Option<u32>) -> u32 {
        let strip = &mut self.strip;
        let row = u32::try_from(strip.rows.len()).unwrap_or(u32::MAX);
        self.end = 0;
        if strip.full {
            return row;
        }
        match base {
            None => {
                let last = strip.pieces.last().map(|piece| piece.1 + PIECE);
                if last.is_none_or(|last| strip.steps.len() >= last) {
                    strip.pieces.push((row, strip.steps.len()));
                }
            }
            // A tree in a family whose own base was not taken may have begun a piece; this one is of the same family.
            Some(base) => {
                while strip.pieces.last().is_some_and(|piece| piece.0 > base) {
                    strip.pieces.pop();
                }
            }
        }
        strip.rows.push(Row {
            number,
            base: base.unwrap_or(NONE),
        });
        row
    }

    fn run(&mut self, first: usize, count: usize) {
        if self.strip.full {
            return;
        }
        let distance = first as i64 - i64::from(self.end);
        let steps = &mut self.strip.steps;
        put(steps, (count as u64) << 1);
        put(steps, (distance << 1 ^ distance >> 63) as u64);
        self.end = u32::try_from(first + count).unwrap_or(u32::MAX);
    }

    fn entry(&mut self, entry: &TreeEntry<'_>) {
        let class = Class::of(entry);
        let name = self.strip.names.number(entry.name);
        let child = match self.catalog.number(entry.raw_id) {
            Some(number) => number,
            None => self.absent(entry, class),
        };
        self.strip.submodules |= class == Class::Submodule;
        if self.strip.full {
            return;
        }
        let steps = &mut self.strip.steps;
        put(steps, u64::from(name) << 3 | (class as u64) << 1 | 1);
        put(steps, u64::from(child));
        if steps.len() as u64 > self.room.limit {
            self.strip.give_up();
        }
    }

    fn absent(&mut self, entry: &TreeEntry<'_>, class: Class) -> Number {
        let Some(id) = entry.id() else { return NONE };
        if class != Class::Submodule {
            self.strip.missing.insert(id);
        }
        let next = self.catalog.len() + self.strip.absent.len();
        let next = u32::try_from(next).unwrap_or(NONE);
        *self.strip.absent.entry(id).or_insert(next)
    }
}

impl Visitor for Recorder<'_> {
    type Kept = Marks;

    fn object(&mut self, object: &Object<'_>, base: Option<&Marks>) -> Marks {
        self.tree(object, base).0
    }

    fn large(&mut self, _: ObjectId, _: u64, _: &mut dyn Read) -> io::Result<u64> {
        // Trees are never streamed.
        Err(io::ErrorKind::Unsupported.into())
    }
}

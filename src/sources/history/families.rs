//! The entries of one pack as a forest: an object stored whole is a root, a delta is a child of its base.
//!
//! Built from the entries' headers alone. Whatever the pack claims, every entry ends up in exactly one family or among the lost.

use super::super::repo::{Form, Header, Kind, Loaded, MAX_HEADER, Pack};
use crate::model::ObjectId;

/// Stands for "no entry" in tables of entries.
const NONE: u32 = u32::MAX;

/// How much of the pack is read at once when headers are collected: a page, which holds the headers of small neighbours.
const WINDOW: usize = 4096;

/// The forest. An entry is named by its place in the pack, counted from 0.
#[derive(Default)]
pub(super) struct Families {
    /// Position in the index by entry.
    order: Vec<u32>,
    /// Offset in the pack by entry, ascending, and the end of the last one.
    starts: Vec<u64>,
    /// Where the children of an entry start in `children`, one more than entries.
    first_child: Vec<u32>,
    /// Children by parent, those with the smallest subtree first.
    children: Vec<u32>,
    /// The families, the largest first.
    pub(super) roots: Vec<Root>,
    /// Entries that belong to no sound family, each once, and why.
    pub(super) lost: Vec<(u32, &'static str)>,
    /// What is wrong with the pack as a whole.
    pub(super) problem: Option<&'static str>,
}

/// The first object of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Its entry.
    pub(super) entry: u32,
    /// Number of objects in the family.
    pub(super) count: u32,
    /// Estimated bytes of all its objects.
    pub(super) weight: u64,
    /// What the family is of; `None` if only the object `base` tells.
    pub(super) kind: Option<Kind>,
    /// The delta base outside this pack.
    pub(super) base: Option<ObjectId>,
}

/// What an entry is based on.
#[derive(Clone, Copy)]
enum Base {
    Whole(Kind),
    Entry(u32),
    Outside(ObjectId),
    Unknown(&'static str),
}

impl Families {
    /// Reads all headers. `offsets` are those of the index, by position.
    pub(super) fn new(pack: &Pack, loaded: &Loaded, offsets: Vec<u64>) -> Self {
        let mut order: Vec<u32> = (0..loaded.len()).collect();
        let offset_of = |position: &u32| offsets.get(*position as usize).copied().unwrap_or(0);
        order.sort_unstable_by_key(offset_of);
        let mut starts: Vec<u64> = order.iter().map(offset_of).collect();
        drop(offsets);
        let mut families = Self {
            problem: (starts.first().is_some_and(|first| *first != 12))
                .then_some("there are bytes before the first entry that the index names"),
            ..Self::default()
        };
        starts.push(pack.entries_end());
        let mut entry_of = Inverse::new(&order);
        let mut headers = Headers::new(pack);
        let mut bases = vec![NONE; order.len()];
        let mut sizes = Vec::new();
        let mut outside = Vec::new();
        for (entry, slot) in (0_u32..).zip(bases.iter_mut()) {
            let start = starts.get(entry as usize).copied().unwrap_or(0);
            let (base, size) = headers.base(start, |target| match target {
                Target::Offset(offset) => find_before(&starts, entry, offset),
                Target::Named(id) => loaded.position(id).and_then(|at| entry_of.entry(at)),
            });
            match base {
                Base::Whole(kind) => sizes.push((entry, size, Some(kind), None)),
                Base::Outside(id) => outside.push((entry, size, None, Some(id))),
                Base::Entry(base) => *slot = base,
                Base::Unknown(why) => {
                    families.lost.push((entry, why));
                }
            }
        }
        sizes.append(&mut outside);
        families.order = order;
        families.starts = starts;
        families.link(&bases);
        families.plant(&bases, sizes);
        families
    }

    /// Makes the lists of children.
    fn link(&mut self, bases: &[u32]) {
        let mut first = vec![0_u32; bases.len() + 1];
        for base in bases {
            if let Some(count) = first.get_mut((*base as usize).saturating_add(1)) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut first {
            sum += *count;
            *count = sum;
        }
        let mut next = first.clone();
        let mut children = vec![0; sum as usize];
        for (entry, base) in (0_u32..).zip(bases) {
            let place = next.get_mut(*base as usize).map(|next| {
                *next += 1;
                *next - 1
            });
            if let Some(slot) = place.and_then(|place| children.get_mut(place as usize)) {
                *slot = entry;
            }
        }
        self.first_child = first;
        self.children = children;
    }

    /// Finds the families: counts them, sorts children by subtree, and names what no root leads to.
    fn plant(&mut self, bases: &[u32], roots: Vec<(u32, u64, Option<Kind>, Option<ObjectId>)>) {
        let mut sequence: Vec<u32> = roots.iter().map(|root| root.0).collect();
        self.add_descendants(&mut sequence, 0);
        let sound = sequence.len();
        sequence.extend(self.lost.iter().map(|lost| lost.0));
        let unsound = sequence.len();
        self.add_descendants(&mut sequence, sound);
        let orphans = sequence.iter().skip(unsound);
        self.lost
            .extend(orphans.map(|entry| (*entry, "an object that it is a delta on is damaged")));
        let mut counts = vec![0_u32; bases.len()];
        for entry in sequence.iter().rev() {
            let own = counts.get_mut(*entry as usize).map_or(0, |count| {
                *count += 1;
                *count
            });
            let base = bases.get(*entry as usize).copied().unwrap_or(NONE);
            if let Some(count) = counts.get_mut(base as usize) {
                *count += own;
            }
        }
        let count_of = |entry: u32| counts.get(entry as usize).copied().unwrap_or(0);
        for pair in self.first_child.windows(2) {
            if let &[from, to] = pair
                && to - from > 1
                && let Some(siblings) = self.children.get_mut(from as usize..to as usize)
            {
                siblings.sort_unstable_by_key(|child| (count_of(*child), *child));
            }
        }
        if sequence.len() < bases.len() {
            let circular = (0_u32..)
                .zip(&counts)
                .filter(|(_, count)| **count == 0)
                .map(|(entry, _)| (entry, "its delta chain is endless"));
            self.lost.extend(circular);
        }
        self.roots = roots
            .into_iter()
            .map(|(entry, size, kind, base)| Root {
                entry,
                count: count_of(entry),
                weight: size.saturating_mul(u64::from(count_of(entry))),
                kind,
                base,
            })
            .collect();
        self.roots
            .sort_by_key(|root| (std::cmp::Reverse(root.weight), root.entry));
    }

    /// Appends all that are deltas on the entries from a place of the sequence on.
    fn add_descendants(&self, sequence: &mut Vec<u32>, mut from: usize) {
        while let Some(entry) = sequence.get(from).copied() {
            sequence.extend_from_slice(self.children(entry));
            from += 1;
        }
    }

    /// Returns the range of an entry's children in the table of children.
    pub(super) fn child_range(&self, entry: u32) -> std::ops::Range<u32> {
        let at = |i: usize| self.first_child.get(i).copied().unwrap_or(0);
        at(entry as usize)..at(entry as usize + 1)
    }

    /// Returns the child at a place of the table of children.
    pub(super) fn child(&self, place: u32) -> Option<u32> {
        self.children.get(place as usize).copied()
    }

    fn children(&self, entry: u32) -> &[u32] {
        let range = self.child_range(entry);
        self.children
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    /// Returns where an entry starts and ends in the pack.
    pub(super) fn extent(&self, entry: u32) -> (u64, u64) {
        let at = entry as usize;
        let start = self.starts.get(at).copied().unwrap_or(0);
        let mut end = self.starts.get(at + 1).copied().unwrap_or(start);
        if end == start {
            // An index that names one entry twice.
            let after = self.starts.partition_point(|s| *s <= start);
            end = self.starts.get(after).copied().unwrap_or(start);
        }
        (start, end)
    }

    /// Returns an entry's position in the index.
    pub(super) fn position(&self, entry: u32) -> u32 {
        self.order.get(entry as usize).copied().unwrap_or(NONE)
    }
}

/// What a delta's header names as its base.
enum Target<'h> {
    Offset(u64),
    Named(&'h [u8]),
}

/// Reads the headers of entries in ascending order.
struct Headers<'p> {
    pack: &'p Pack,
    buffer: Vec<u8>,
    start: u64,
}

impl<'p> Headers<'p> {
    fn new(pack: &'p Pack) -> Self {
        Self {
            pack,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Returns what the entry at an offset is based on, and the size its header gives.
    fn base(&mut self, start: u64, find: impl FnOnce(Target<'_>) -> Option<u32>) -> (Base, u64) {
        let id_len = self.pack.index_id_len();
        let bytes = match self.bytes(start) {
            Ok(bytes) => bytes,
            Err(_) => return (Base::Unknown("the pack cannot be read"), 0),
        };
        let Some(header) = Header::parse(bytes, id_len) else {
            return (Base::Unknown("its header is malformed"), 0);
        };
        let base = match header.form {
            Form::Whole(kind) => Base::Whole(kind),
            Form::OffsetDelta(distance) => start
                .checked_sub(distance)
                .and_then(|offset| find(Target::Offset(offset)))
                .map_or(
                    Base::Unknown("its delta base is not an entry of the pack"),
                    Base::Entry,
                ),
            Form::NamedDelta(id) => {
                find(Target::Named(id.as_bytes())).map_or(Base::Outside(id), Base::Entry)
            }
        };
        (base, header.size)
    }

    fn bytes(&mut self, start: u64) -> std::io::Result<&[u8]> {
        let end = self.pack.entries_end();
        let have = self.start.saturating_add(self.buffer.len() as u64);
        let inside = start >= self.start && start.saturating_add(MAX_HEADER as u64) <= have;
        if !inside {
            self.start = start;
            let room = usize::try_from(end.saturating_sub(start)).unwrap_or(WINDOW);
            self.buffer.resize(WINDOW.min(room), 0);
            let n = self.pack.data.read_at(&mut self.buffer, start)?;
            self.buffer.truncate(n);
        }
        let from = usize::try_from(start - self.start).unwrap_or(usize::MAX);
        let rest = self.buffer.get(from..).unwrap_or_default();
        Ok(rest.get(..MAX_HEADER).unwrap_or(rest))
    }
}

/// Finds the entry that starts at an offset before `entry`: bases are near, so the search gallops backwards.
fn find_before(starts: &[u64], entry: u32, offset: u64) -> Option<u32> {
    let entry = entry as usize;
    let mut step = 1;
    while step < entry && starts.get(entry - step).is_some_and(|s| *s > offset) {
        step *= 2;
    }
    let low = entry.saturating_sub(step);
    let found = starts.get(low..entry)?.binary_search(&offset).ok()?;
    u32::try_from(low + found).ok()
}

/// Position in the index to entry; made only when a delta names its base.
struct Inverse<'o> {
    order: &'o [u32],
    table: Vec<u32>,
}

impl<'o> Inverse<'o> {
    const fn new(order: &'o [u32]) -> Self {
        Self {
            order,
            table: Vec::new(),
        }
    }

    fn entry(&mut self, position: u32) -> Option<u32> {
        if self.table.is_empty() {
            self.table = vec![NONE; self.order.len()];
            for (entry, position) in (0_u32..).zip(self.order) {
                if let Some(slot) = self.table.get_mut(*position as usize) {
                    *slot = entry;
                }
            }
        }
        self.table.get(position as usize).copied()
    }
}

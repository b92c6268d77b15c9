//! Remembers stretches of text in which nothing was found: 99 of 100 lines of a history stand in it many times, also in what
//! deltas bring.
//!
//! A stretch is known by a keyed hash of its bytes with [`NEAR`] bytes around it (128 bits, so that neither chance nor somebody
//! who chooses the texts makes two alike), and only if no verdict in it read further. If one did, that is remembered, and the stretch is known by
//! [`FAR`] bytes around it. All threads know the same, behind locks that are held for one look-up. Promise: what is recalled is what a
//! new look would leave.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use highway::{HighwayHash, HighwayHasher, Key as HashKey};

use super::notes::Site;
use crate::masks;

/// Bytes on both sides of a stretch that belong to what is known of it. Most verdicts read less.
pub(super) const NEAR: usize = 192;

/// The same for stretches in which a verdict read further: the second parts of rules are looked for 400 bytes around.
pub(super) const FAR: usize = 1024;

/// Shortest stretch that is cut off, but for the last one of a window, and longest.
const LEAST: usize = 256;
const MOST: usize = 4096;

/// Bytes in which line ends are looked for at once.
const PART: usize = 512;

/// One line of so many ends a stretch.
const LINES: u32 = 32;

/// Most stretches that are remembered; a part that is full is forgotten.
const MAX_KNOWN: usize = 1 << 18;

/// Returns the first stretch of a window, which is not empty. Windows are cut where their own lines say so: the same text is cut in the
/// same way wherever it stands. `masks` is scratch memory.
pub(super) fn first_chunk(
    bytes: &[u8],
    window: &Range<usize>,
    masks: &mut Vec<u64>,
) -> Range<usize> {
    let most = window.end.min(window.start + MOST);
    let mut from = most.min(window.start + LEAST);
    while from < most {
        let to = most.min(from + PART);
        let text = bytes.get(from..to).unwrap_or_default();
        masks::fill(text, masks, |byte, _| byte == b'\n');
        let mut ends = masks::places(masks).map(|at| from + at + 1);
        if let Some(end) = ends.find(|end| ends_stretch(bytes, *end)) {
            return window.start..end;
        }
        from = to;
    }
    window.start..most
}

/// Tells whether the line that ends at `end` ends a stretch, by its last 16 bytes.
fn ends_stretch(bytes: &[u8], end: usize) -> bool {
    let last = end
        .checked_sub(17)
        .and_then(|from| bytes.get(from..end)?.first_chunk::<16>());
    last.is_none_or(|last| {
        let mixed = u128::from_le_bytes(*last);
        let mixed = (mixed as u64 ^ (mixed >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 40) as u32).is_multiple_of(LINES)
    })
}

/// What a stretch is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u64; 2]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[1]);
    }
}

/// A key is a keyed hash: it needs no other.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// Stretches by key, with what they leave; `None` if that depends on more of what is around them.
type Shard = HashMap<Key, Option<Box<[Relative]>>, BuildHasherDefault<Itself>>;

/// What is known of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Nothing.
    None,
    /// All that a look would leave.
    Whole,
    /// That it depends on more than [`NEAR`] bytes around it.
    Wide,
}

/// A site, counted from the start of its stretch.
struct Relative {
    at: i64,
    start: i64,
    end: i64,
}

/// Most sites of a stretch that is remembered.
const MAX_SITES: usize = 64;

/// Parts of what is known, each with a lock of its own.
const SHARDS: usize = 64;

/// What is known, to all threads.
pub(super) struct Known {
    /// The key of the hash, new in each process.
    secret: [u64; 4],
    shards: Vec<Mutex<Shard>>,
    /// Whether the rules read no further than the context, whatever they meet.
    on: bool,
}

impl Known {
    /// Knows nothing yet. `reach` is how far around a stretch is looked without being noted.
    pub(super) fn new(reach: usize) -> Self {
        let random = RandomState::new();
        Self {
            secret: [1_u8, 2, 3, 4].map(|number| random.hash_one(number)),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            on: reach <= NEAR,
        }
    }

    fn shard(&self, key: &Key) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(key.0[0] as usize % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stretch of a text on the way to be known.
pub(super) struct Stretch {
    key: Key,
    at: Range<usize>,
    /// Part of the text that the key is of, and whether its ends are those of the text.
    context: Range<usize>,
    edges: (bool, bool),
}

impl Stretch {
    /// Names a stretch by so many bytes around it, [`NEAR`] or [`FAR`]; `None` if nothing is to be known.
    pub(super) fn new(
        known: &Known,
        bytes: &[u8],
        at: &Range<usize>,
        around: usize,
    ) -> Option<Self> {
        if !known.on {
            return None;
        }
        let from = at.start.saturating_sub(around);
        let to = (at.end + around).min(bytes.len());
        let edges = (from == 0, to == bytes.len());
        let bits = u64::from(edges.0) | u64::from(edges.1) << 1 | u64::from(around == FAR) << 2;
        let place = (at.start - from) as u64 | (at.len() as u64) << 16 | bits << 32;
        let mut hasher = HighwayHasher::new(HashKey(known.secret));
        hasher.append(bytes.get(from..to).unwrap_or_default());
        hasher.append(&place.to_le_bytes());
        Some(Self {
            key: Key(hasher.finalize128()),
            at: at.clone(),
            context: from..to,
            edges,
        })
    }

    /// Appends the sites of a stretch that is known, in a text of `len` bytes; tells what is known.
    pub(super) fn recall(&self, known: &Known, len: usize, sites: &mut Vec<Site>) -> Memory {
        let shard = known.shard(&self.key);
        let relative = match shard.as_ref().and_then(|shard| shard.get(&self.key)) {
            None => return Memory::None,
            Some(None) => return Memory::Wide,
            Some(Some(relative)) => relative,
        };
        let place = |offset: i64| (self.at.start as i64).saturating_add(offset).max(0) as usize;
        sites.extend(relative.iter().map(|site| Site {
            at: place(site.at),
            read: place(site.start)..place(site.end).min(len),
        }));
        Memory::Whole
    }

    /// Remembers the stretch, or that something was read outside of what its key is of: then it tells so.
    pub(super) fn learn(&self, known: &Known, reached: &Range<usize>, sites: &[Site]) -> Memory {
        let (first, last) = self.edges;
        let is_inside = |read: &Range<usize>| {
            (first || read.start > self.context.start) && (last || read.end < self.context.end)
        };
        if !is_inside(reached) || !sites.iter().all(|site| is_inside(&site.read)) {
            self.keep(known, None);
            return Memory::Wide;
        }
        if sites.len() > MAX_SITES {
            return Memory::None;
        }
        let offset = |at: usize| at as i64 - self.at.start as i64;
        let relative = |site: &Site| Relative {
            at: offset(site.at),
            start: offset(site.read.start),
            end: offset(site.read.end),
        };
        self.keep(known, Some(sites.iter().map(relative).collect()));
        Memory::Whole
    }

    fn keep(&self, known: &Known, relative: Option<Box<[Relative]>>) {
        if let Some(mut shard) = known.shard(&self.key) {
            if shard.len() >= MAX_KNOWN / SHARDS {
                shard.clear();
            }
            shard.insert(self.key, relative);
        }
    }
}

//! Remembers stretches of text in which nothing was found: 99 of 100 lines of a history stand in it many times, also in what
//! deltas bring.
//!
//! A stretch is known by a keyed hash of its bytes with [`CONTEXT`] bytes around it (128 bits, so that neither chance nor somebody
//! who chooses the texts makes two alike), and only if no verdict in it read further. Promise: what is recalled is what a new
//! look would leave.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    ops::Range,
};

use highway::{HighwayHash, HighwayHasher, Key as HashKey};

use super::versions::Site;

/// Bytes on both sides of a stretch that belong to what is known of it. Most verdicts read less.
const CONTEXT: usize = 320;

/// Shortest stretch that is cut off, but for the last one of a window, and longest.
const LEAST: usize = 256;
const MOST: usize = 4096;

/// One line of so many ends a stretch.
const LINES: u32 = 32;

/// Most stretches that are remembered; then all are forgotten.
const MAX_KNOWN: usize = 1 << 18;

/// Cuts a window into stretches where its own lines say so: the same text is cut in the same way wherever it stands.
pub(super) fn chunks(bytes: &[u8], window: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = window.start;
    std::iter::from_fn(move || {
        if start >= window.end {
            return None;
        }
        let most = window.end.min(start + MOST);
        let from = most.min(start + LEAST);
        let text = bytes.get(from..most).unwrap_or_default();
        let end = memchr::memchr_iter(b'\n', text)
            .map(|at| from + at + 1)
            .find(|end| ends(bytes, *end))
            .unwrap_or(most);
        let chunk = start..end;
        start = end;
        Some(chunk)
    })
}

/// Tells whether the line that ends at `end` ends a stretch, by its last 16 bytes.
fn ends(bytes: &[u8], end: usize) -> bool {
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
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u64; 2]);

/// A site, counted from the start of its stretch.
struct Relative {
    at: i64,
    start: i64,
    end: i64,
}

/// What is known.
pub(super) struct Memo {
    /// The key of the hash, new in each process.
    secret: [u64; 4],
    known: HashMap<Key, Box<[Relative]>>,
    /// Whether the rules read no further than the context, whatever they meet.
    on: bool,
    /// Part of the text that the last key is of, and whether that is an end of the text.
    context: Range<usize>,
    edges: (bool, bool),
}

impl Memo {
    /// Remembers nothing yet. `near_part` is how far second parts are looked for.
    pub(super) fn new(near_part: usize) -> Self {
        let random = RandomState::new();
        Self {
            secret: [1_u8, 2, 3, 4].map(|number| random.hash_one(number)),
            known: HashMap::new(),
            on: 2 * near_part + 64 <= CONTEXT,
            context: 0..0,
            edges: (false, false),
        }
    }

    /// Returns the key of a stretch.
    pub(super) fn key(&mut self, bytes: &[u8], chunk: &Range<usize>) -> Key {
        if !self.on {
            return Key([0; 2]);
        }
        let from = chunk.start.saturating_sub(CONTEXT);
        let to = (chunk.end + CONTEXT).min(bytes.len());
        self.context = from..to;
        self.edges = (from == 0, to == bytes.len());
        let edges = u64::from(from == 0) | u64::from(to == bytes.len()) << 1;
        let place = (chunk.start - from) as u64 | (chunk.len() as u64) << 16 | edges << 32;
        let mut hasher = HighwayHasher::new(HashKey(self.secret));
        hasher.append(bytes.get(from..to).unwrap_or_default());
        hasher.append(&place.to_le_bytes());
        Key(hasher.finalize128())
    }

    /// Appends the sites of a stretch that is known; tells whether it is.
    pub(super) fn recall(
        &self,
        key: &Key,
        chunk: &Range<usize>,
        len: usize,
        sites: &mut Vec<Site>,
    ) -> bool {
        let Some(known) = self.known.get(key).filter(|_| self.on) else {
            return false;
        };
        let place = |offset: i64| (chunk.start as i64).saturating_add(offset).max(0) as usize;
        sites.extend(known.iter().map(|site| Site {
            at: place(site.at),
            read: place(site.start)..place(site.end).min(len),
        }));
        true
    }

    /// Remembers the stretch that [`Self::key`] was asked for last, unless something was read outside of what its key is of.
    pub(super) fn learn(
        &mut self,
        key: Key,
        chunk: &Range<usize>,
        reached: &Range<usize>,
        sites: &[Site],
    ) {
        let (first, last) = self.edges;
        let is_inside = |read: &Range<usize>| {
            (first || read.start > self.context.start) && (last || read.end < self.context.end)
        };
        if !self.on || !is_inside(reached) || !sites.iter().all(|site| is_inside(&site.read)) {
            return;
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let offset = |at: usize| at as i64 - chunk.start as i64;
        let relative = |site: &Site| Relative {
            at: offset(site.at),
            start: offset(site.read.start),
            end: offset(site.read.end),
        };
        self.known.insert(key, sites.iter().map(relative).collect());
    }
}

//! What receivers bring home.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::suppress::Marker,
    model::{BlobPath, Digest, Ledger},
    sources::archive::Purse,
};

use super::{hits::RawHit, policy::Habits};

/// What the receivers bring home.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) hits: Vec<RawHit>,
    pub(super) ledger: Ledger,
    /// Places of inline markers in files without regard to hits: `path:line`.
    pub(super) seen_markers: Vec<(BlobPath, Marker)>,
    /// The paths of the contents that were read, as safe text; of partial runs only.
    pub(super) paths: BTreeSet<String>,
    /// What lints told.
    pub(super) habits: Habits,
}

impl Gathered {
    pub(super) fn merge(&mut self, other: Self) {
        self.hits.extend(other.hits);
        self.ledger.merge(other.ledger);
        self.seen_markers.extend(other.seen_markers);
        self.paths.extend(other.paths);
        self.habits.merge(other.habits);
    }

    /// Drops the hits from `start` on that stand in bytes which a member with the same value came from: its place is the
    /// better one. The same value elsewhere in the file is another place.
    pub(super) fn prefer_members(&mut self, start: usize) {
        let new = self.hits.get(start..).unwrap_or_default();
        let mut inner: BTreeMap<(u32, Digest, BlobPath), BTreeMap<u64, u64>> = BTreeMap::new();
        for hit in new {
            if let Some(source) = &hit.source {
                let ranges = inner.entry((hit.rule, hit.digest, source.path.clone()));
                let end = ranges.or_default().entry(source.range.start).or_default();
                *end = source.range.end.max(*end);
            }
        }
        if inner.is_empty() {
            return;
        }
        // Ranges may overlap: each reaches as far as any that begins before it.
        for ranges in inner.values_mut() {
            let mut most = 0;
            for end in ranges.values_mut() {
                most = most.max(*end);
                *end = most;
            }
        }
        let rest = self.hits.split_off(start);
        self.hits.extend(rest.into_iter().filter(|hit| {
            let at = hit.location.byte_start;
            let ranges = inner.get(&(hit.rule, hit.digest, hit.location.path.clone()));
            let before = ranges.and_then(|ranges| ranges.range(..=at).next_back());
            before.is_none_or(|(_, end)| at >= *end)
        }));
    }
}

/// What one thread, or all, gathered; kept apart by what it depends on.
#[derive(Debug, Default)]
pub(super) struct Haul {
    /// What counts in any case.
    pub(super) own: Gathered,
    /// What counts if the pool of the archives lasts to the end.
    pub(super) pooled: Gathered,
    /// What counts if it does not.
    pub(super) if_dry: Ledger,
}

impl Haul {
    /// Returns where what `purse` paid for belongs.
    pub(super) fn of(&mut self, purse: Purse) -> &mut Gathered {
        match purse {
            Purse::Own => &mut self.own,
            Purse::Pool => &mut self.pooled,
        }
    }

    /// Returns how many hits there are of each.
    pub(super) fn lengths(&self) -> [usize; 2] {
        [self.own.hits.len(), self.pooled.hits.len()]
    }
}

//! What receivers bring home.

use std::collections::{BTreeSet, HashSet};

use crate::{
    config::suppress::Marker,
    model::{BlobPath, Digest, Ledger},
    sources::archive::Purse,
};

use super::hits::RawHit;

/// What the receivers bring home.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) hits: Vec<RawHit>,
    pub(super) ledger: Ledger,
    /// Places of inline markers in files without regard to hits: `path:line`.
    pub(super) seen_markers: Vec<(BlobPath, Marker)>,
    /// The paths of the contents that were read, as safe text; of partial runs only.
    pub(super) paths: BTreeSet<String>,
}

impl Gathered {
    pub(super) fn merge(&mut self, other: Self) {
        self.hits.extend(other.hits);
        self.ledger.merge(other.ledger);
        self.seen_markers.extend(other.seen_markers);
        self.paths.extend(other.paths);
    }

    /// Drops the hits from `start` on that a member of their archive has as well: its place is the better one.
    pub(super) fn prefer_members(&mut self, start: usize) {
        let new = self.hits.get(start..).unwrap_or_default();
        let mut inner: HashSet<(u32, Digest, Vec<u8>)> = HashSet::new();
        for hit in new.iter().filter(|hit| hit.member.is_some()) {
            let path = hit.location.path.as_bytes();
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'!');
            let around = ends.filter_map(|(at, _)| path.get(..at));
            inner.extend(around.map(|path| (hit.rule, hit.digest, path.to_vec())));
        }
        if inner.is_empty() {
            return;
        }
        let rest = self.hits.split_off(start);
        self.hits.extend(rest.into_iter().filter(|hit| {
            let path = hit.location.path.as_bytes().to_vec();
            !inner.contains(&(hit.rule, hit.digest, path))
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

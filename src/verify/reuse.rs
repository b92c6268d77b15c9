//! Values that several keys of the stores share (`--reuse`): 20 bytes a value, nothing of the value itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use zeroize::Zeroizing;

use super::{bits, needles, stream::Seen};
use crate::{
    model::{MatchKind, SharedValue, StorePlace, StoreState},
    stores::Field,
};

/// Most shared values that are told.
const MAX_SHARED: usize = 1_000;

/// Collects the current values of all stores.
pub(super) struct Reuse {
    key: Zeroizing<[u8; 32]>,
    min_bits: u32,
    seen: Mutex<Values>,
}

#[derive(Default)]
struct Values {
    /// Tag and number of the place.
    tags: Vec<(u128, u32)>,
    places: Vec<StorePlace>,
}

impl Reuse {
    pub(super) fn new(key: [u8; 32], min_bits: u32) -> Self {
        Self {
            key: Zeroizing::new(key),
            min_bits,
            seen: Mutex::default(),
        }
    }

    /// Takes note of a field that readers get now.
    pub(super) fn see(&self, field: Field<'_>, place: impl Fn() -> StorePlace, seen: &Seen<'_>) {
        if *seen.state != StoreState::Current {
            return;
        }
        let mut tags = BTreeSet::new();
        super::atoms::visit_field(seen.key.as_str(), field.name, field.bytes, |atom| {
            // Many keys have one host.
            let is_secret = atom.kind != MatchKind::Identity;
            if is_secret
                && atom.bytes.len() >= bits::SHORTEST
                && bits::estimate(atom.bytes) >= self.min_bits
            {
                tags.insert(needles::tag(&self.key, atom.bytes));
            }
        });
        if tags.is_empty() {
            return;
        }
        let mut values = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        let Ok(number) = u32::try_from(values.places.len()) else {
            return;
        };
        values.places.push(place());
        values
            .tags
            .extend(tags.into_iter().map(|tag| (tag, number)));
    }

    /// Returns the values that more than one key has, sorted by place.
    pub(super) fn shared(self) -> Vec<SharedValue> {
        let Values { mut tags, places } = self.seen.into_inner().unwrap_or_else(|e| e.into_inner());
        tags.sort_unstable();
        let mut groups: BTreeMap<Vec<StorePlace>, bool> = BTreeMap::new();
        for group in tags
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|group| group.len() > 1)
        {
            let mut of: Vec<StorePlace> = group
                .iter()
                .filter_map(|(_, number)| places.get(usize::try_from(*number).ok()?).cloned())
                .collect();
            of.sort();
            of.dedup();
            let keys: BTreeSet<(&str, &str)> = of
                .iter()
                .map(|p| (p.store.as_str(), p.key.as_str()))
                .collect();
            if keys.len() < 2 {
                continue;
            }
            let environments: BTreeSet<&str> =
                of.iter().filter_map(|p| p.environment.as_deref()).collect();
            let crosses = environments.len() > 1;
            groups.insert(of, crosses);
        }
        let shared = groups
            .into_iter()
            .map(|(places, crosses_environments)| SharedValue {
                places,
                crosses_environments,
            });
        shared.take(MAX_SHARED).collect()
    }
}

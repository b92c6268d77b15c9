//! Names of values that a secret rule found: those under which a file's own reader knows the same place.

use std::collections::BTreeMap;

use crate::model::BlobPath;

use super::{
    super::fault::{FactData, Gathered},
    Site,
};

/// The values with a key, by place: where each ends, and what it is.
pub(crate) struct Called<'i>(BTreeMap<(&'i BlobPath, u64), (u64, &'i Site)>);

impl<'i> Called<'i> {
    /// Takes the values of the files as they are: places in earlier versions cannot be compared.
    pub(crate) fn of(facts: &'i [Gathered]) -> Self {
        let named = facts.iter().filter_map(|fact| match &fact.data {
            FactData::Site(site) if !fact.past.only && !site.key.is_empty() => {
                site.prints()?;
                let place = (&fact.path, fact.location.byte_start);
                Some((place, (fact.location.byte_end, &**site)))
            }
            _ => None,
        });
        Self(named.collect())
    }

    /// Returns the name of the value at a fact's place.
    pub(crate) fn name(&self, fact: &Gathered) -> Option<&'i str> {
        let place = (&fact.path, fact.location.byte_start);
        let ((path, _), (end, site)) = self.0.range(..=place).next_back()?;
        let is_there = !fact.past.only && *path == &fact.path && *end > fact.location.byte_start;
        is_there.then(|| site.name())
    }
}

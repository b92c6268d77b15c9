//! Whose a value is that a lint and a rule both know: the rule's finding takes the lint's fact.

use std::collections::BTreeMap;

use super::{LintHit, Spot};
use crate::model::{BlobPath, Finding, Location, ObjectId, Place, Span, Suppressed};

/// A value's start and end, the content it is in if that is an object, and the number of the finding.
type Owned = (u64, u64, Option<ObjectId>, usize);

/// The findings of rules by the places of their values.
pub(super) struct Owners<'f> {
    places: BTreeMap<BlobPath, Vec<Owned>>,
    findings: Vec<&'f mut Finding>,
}

impl<'f> Owners<'f> {
    pub(super) fn new(findings: &'f mut [Finding], suppressed: &'f mut [Suppressed]) -> Self {
        let mut owners = Self {
            places: BTreeMap::new(),
            findings: Vec::new(),
        };
        let all = findings
            .iter_mut()
            .chain(suppressed.iter_mut().map(|one| &mut one.finding));
        for (number, finding) in all.enumerate() {
            for place in &finding.occurrences {
                let is_file = matches!(
                    place.provenance.place,
                    Place::File | Place::Staged | Place::History
                );
                if is_file {
                    let Location {
                        path,
                        byte_start,
                        byte_end,
                        ..
                    } = &place.location;
                    let places = owners.places.entry(path.clone()).or_default();
                    places.push((*byte_start, *byte_end, place.provenance.object, number));
                }
            }
            owners.findings.push(finding);
        }
        owners
    }

    /// Returns the finding that the value of a fault belongs to.
    pub(super) fn of(&mut self, hit: &LintHit) -> Option<&mut Finding> {
        self.at(&hit.place, hit.value?)
    }

    /// Returns the finding of a value in a place.
    pub(super) fn at(&mut self, place: &Spot, value: Span) -> Option<&mut Finding> {
        let places = self.places.get(&place.location.path)?;
        // Old versions of a file have other bytes at the same place.
        let object = place.provenance.object;
        let owner = places
            .iter()
            .find(|(start, end, of, _)| *start < value.end && value.start < *end && *of == object);
        let (.., number) = owner?;
        self.findings.get_mut(*number).map(|finding| &mut **finding)
    }
}

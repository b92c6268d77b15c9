//! One owner a value: a finding of a rule takes the fact of a lint on the same value over, and one lint that of another in the same place.

use std::collections::BTreeMap;

use super::{
    LintHit,
    findings::{Draft, Told},
};
use crate::model::{BlobPath, Finding, Location, ObjectId, Place, Related, Severity, Suppressed};

/// Lints that speak of one value in one place, the owner first: it tells both facts, unless it is set aside.
const OWNERS: [(&str, &str); 1] = [("dotenv-example-real-value", "xenv-reuse-exact")];

/// Returns the finding that tells of a draft's value already. Drafts come by place and rule, and so an owner before what it takes over.
pub(super) fn owner<'f>(draft: &Draft, findings: &'f mut [Finding]) -> Option<&'f mut Finding> {
    let rule = draft.rule.as_str();
    let mut owners = OWNERS.iter().filter(|(_, taken)| *taken == rule);
    let (owner, _) = owners.next()?;
    let at = &draft.spot.location;
    findings.iter_mut().rev().find(|finding| {
        let place = &finding.location;
        finding.rule.as_str() == *owner
            && place.path == at.path
            && place.byte_start < at.byte_end
            && at.byte_start < place.byte_end
    })
}

/// Gives a draft with all its places to the finding that owns its value, unless it is set aside.
pub(super) fn join(finding: &mut Finding, draft: Draft, told: &mut Told<'_>) {
    let places = draft.related.clone();
    let severity = draft.severity;
    if give(finding, draft, told) {
        finding.severity = finding.severity.max(severity);
        let new = places.into_iter().filter(|place| {
            let mut known = finding.related.iter();
            !known.any(|one| one.location == place.location)
        });
        let new: Vec<Related> = new.collect();
        finding.related.extend(new);
    }
}

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
        let value = hit.value?;
        let places = self.places.get(&hit.place.location.path)?;
        // Old versions of a file have other bytes at the same place.
        let object = hit.place.provenance.object;
        let owner = places
            .iter()
            .find(|(start, end, of, _)| *start < value.end && value.start < *end && *of == object);
        let (.., number) = owner?;
        self.findings.get_mut(*number).map(|finding| &mut **finding)
    }
}

/// Gives a fault to the finding that its value belongs to, unless it is set aside.
pub(super) fn take(finding: &mut Finding, hit: LintHit, told: &mut Told<'_>) {
    let severity = hit.severity;
    if give(finding, Draft::of(hit), told) {
        finding.severity = finding.severity.max(severity.min(Severity::High));
    }
}

/// Adds what a draft says to a finding, unless the draft is set aside. Tells whether it did.
fn give(finding: &mut Finding, draft: Draft, told: &mut Told<'_>) -> bool {
    let (fingerprint, why) = draft.decided(0, told);
    if why.is_some() {
        return false;
    }
    let message = format!("{}: {}", draft.rule, draft.message);
    let location = draft.spot.location;
    // A run without secrets tells it by itself: the baseline knows both.
    if told.project_key.is_some() {
        finding.further.insert(fingerprint, location.path.clone());
    }
    let is_new = |one: &Related| one.location != location || one.message != message;
    if finding.related.iter().all(is_new) {
        finding.related.push(Related { message, location });
    }
    true
}

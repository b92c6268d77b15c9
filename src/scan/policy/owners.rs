//! One owner a value: a finding of a rule takes the fact of a lint on the same value over, and one lint that of another in the same place.

use std::collections::BTreeMap;

use super::{
    LintHit,
    findings::{Draft, Proposal, Told},
};
use crate::{
    model::{BlobPath, Finding, Kind, Location, ObjectId, Place, Related, Span, Suppressed},
    policy,
};

/// Lints that speak of one value in one place, the owner first: it tells both facts, unless it is set aside.
const OWNERS: [(&str, &str); 1] = [("dotenv-example-real-value", "xenv-reuse-exact")];

/// Returns the finding that tells of a draft's value already. Drafts come by place and rule, and so an owner before what it takes over.
pub(super) fn owner<'f>(draft: &Draft, findings: &'f mut [Finding]) -> Option<&'f mut Finding> {
    let owner = owner_of(draft)?;
    let at = &draft.spot.location;
    let mut findings = findings.iter_mut().rev();
    findings.find(|finding| finding.rule.as_str() == owner && meets(&finding.location, at))
}

/// Returns the lint that owns the value which a draft speaks of.
fn owner_of(draft: &Draft) -> Option<&'static str> {
    let mut owners = OWNERS.iter();
    let (owner, _) = owners.find(|(_, taken)| *taken == draft.rule.as_str())?;
    Some(owner)
}

fn meets(a: &Location, b: &Location) -> bool {
    a.path == b.path && a.byte_start < b.byte_end && b.byte_start < a.byte_end
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
    /// How many of them are reported: the first.
    open: usize,
}

impl<'f> Owners<'f> {
    pub(super) fn new(findings: &'f mut [Finding], suppressed: &'f mut [Suppressed]) -> Self {
        let mut owners = Self {
            places: BTreeMap::new(),
            findings: Vec::new(),
            open: findings.len(),
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
        let path = &hit.place.location.path;
        let number = self.at(path, value, hit.place.provenance.object)?;
        self.findings.get_mut(number).map(|finding| &mut **finding)
    }

    /// Returns the reported finding that the value belongs to which files together tell something of.
    pub(super) fn of_value(&mut self, draft: &Draft) -> Option<&mut Finding> {
        // How old a value is, is a fact of the value: whoever sets its finding aside sets that aside, too.
        if draft.rule.as_str() == policy::AGE {
            let place = &draft.spot.location;
            let number = self.at(&place.path, place.span(), draft.spot.provenance.object)?;
            return self.findings.get_mut(number).map(|finding| &mut **finding);
        }
        if !draft.is_value || draft.kind == Kind::Reuse {
            return None;
        }
        self.reported(draft)
    }

    /// Returns the reported finding that has taken over what owns a draft's value.
    pub(super) fn of_taken(&mut self, draft: &Draft) -> Option<&mut Finding> {
        let prefix = format!("{}: ", owner_of(draft)?);
        let finding = self.reported(draft)?;
        let mut parts = finding.related.iter();
        let has = parts.any(|part| {
            part.message.starts_with(&prefix) && meets(&part.location, &draft.spot.location)
        });
        has.then_some(finding)
    }

    fn reported(&mut self, draft: &Draft) -> Option<&mut Finding> {
        let place = &draft.spot.location;
        let object = draft.spot.provenance.object;
        let number = self.at(&place.path, place.span(), object)?;
        let reported = self.findings.get_mut(..self.open)?;
        reported.get_mut(number).map(|finding| &mut **finding)
    }

    /// Returns the number of the finding of a value.
    fn at(&self, path: &BlobPath, value: Span, object: Option<ObjectId>) -> Option<usize> {
        let places = self.places.get(path)?;
        // Old versions of a file have other bytes at the same place.
        let owner = places
            .iter()
            .find(|(start, end, of, _)| *start < value.end && value.start < *end && *of == object);
        owner.map(|(.., number)| *number)
    }
}

/// Gives a fault to the finding that its value belongs to, unless it is set aside: it is as bad as the worst that it tells. Returns how it can be mended.
pub(super) fn take(finding: &mut Finding, draft: Draft, told: &mut Told<'_>) -> Option<Proposal> {
    let severity = draft.severity;
    let proposal = draft.proposal();
    if !give(finding, draft, told) {
        return None;
    }
    finding.severity = finding.severity.max(severity);
    proposal
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
        finding.related.push(Related {
            message,
            location,
            introduced: None,
        });
    }
    true
}

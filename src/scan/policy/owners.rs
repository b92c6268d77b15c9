//! One owner a value: a finding of a rule takes the fact of a lint on the same value over, and one lint that of another in the same place.

use std::collections::BTreeMap;

use super::{
    LintHit,
    findings::{Draft, Proposal, Told, Why},
};
use crate::{
    model::{BlobPath, Finding, Kind, Location, ObjectId, Place, Related, Span, Suppressed},
    policy,
};

/// Lints that speak of one value in one place, the owner first: it tells both facts, unless it is set aside.
const OWNERS: [(&str, &str); 1] = [("dotenv-example-real-value", "xenv-reuse-exact")];

/// A finding that owns a value.
pub(super) struct Owner<'f> {
    finding: &'f mut Finding,
    /// By what it is set aside, if it is.
    aside: Option<&'f Why>,
}

/// Returns the finding that tells of a draft's value already. Drafts come by place and rule, and so an owner before what it takes over.
pub(super) fn owner<'f>(draft: &Draft, findings: &'f mut [Finding]) -> Option<Owner<'f>> {
    let owner = owner_of(draft)?;
    let at = &draft.spot.location;
    let mut findings = findings.iter_mut().rev();
    let finding =
        findings.find(|finding| finding.rule.as_str() == owner && meets(&finding.location, at))?;
    Some(Owner {
        finding,
        aside: None,
    })
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
pub(super) fn join(
    mut owner: Owner<'_>,
    draft: Draft,
    told: &mut Told<'_>,
    suppressed: &mut Vec<Suppressed>,
) {
    let places = draft.related.clone();
    if give(&mut owner, draft, told, suppressed) {
        let finding = owner.finding;
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
    /// By what each of them is set aside, if it is.
    aside: Vec<Option<Why>>,
    /// How many of them are reported: the first.
    open: usize,
}

impl<'f> Owners<'f> {
    pub(super) fn new(findings: &'f mut [Finding], suppressed: &'f mut [Suppressed]) -> Self {
        let mut owners = Self {
            places: BTreeMap::new(),
            findings: Vec::new(),
            aside: Vec::new(),
            open: findings.len(),
        };
        let open = findings.iter_mut().map(|finding| (finding, None));
        let aside = suppressed
            .iter_mut()
            .map(|one| (&mut one.finding, Some((one.kind, one.reason.clone()))));
        for (number, (finding, why)) in open.chain(aside).enumerate() {
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
            owners.aside.push(why);
        }
        owners
    }

    /// Returns the finding that the value of a fault belongs to.
    pub(super) fn of(&mut self, hit: &LintHit) -> Option<Owner<'_>> {
        let value = hit.value?;
        let path = &hit.place.location.path;
        let number = self.at(path, value, hit.place.provenance.object)?;
        self.get(number)
    }

    /// Returns the reported finding that the value belongs to which files together tell something of.
    pub(super) fn of_value(&mut self, draft: &Draft) -> Option<Owner<'_>> {
        // How old a value is, is a fact of the value: whoever sets its finding aside sets that aside, too.
        if draft.rule.as_str() == policy::AGE {
            let place = &draft.spot.location;
            let number = self.at(&place.path, place.span(), draft.spot.provenance.object)?;
            return self.get(number);
        }
        if !draft.is_value || draft.kind == Kind::Reuse {
            return None;
        }
        self.reported(draft)
    }

    /// Returns the reported finding that has taken over what owns a draft's value.
    pub(super) fn of_taken(&mut self, draft: &Draft) -> Option<Owner<'_>> {
        let prefix = format!("{}: ", owner_of(draft)?);
        let owner = self.reported(draft)?;
        let mut parts = owner.finding.related.iter();
        let has = parts.any(|part| {
            part.message.starts_with(&prefix) && meets(&part.location, &draft.spot.location)
        });
        has.then_some(owner)
    }

    fn reported(&mut self, draft: &Draft) -> Option<Owner<'_>> {
        let place = &draft.spot.location;
        let object = draft.spot.provenance.object;
        let number = self.at(&place.path, place.span(), object)?;
        let is_open = number < self.open;
        is_open.then(|| self.get(number)).flatten()
    }

    fn get(&mut self, number: usize) -> Option<Owner<'_>> {
        let finding = self.findings.get_mut(number)?;
        let aside = self.aside.get(number)?.as_ref();
        Some(Owner { finding, aside })
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

/// Gives a fault to the finding that its value belongs to, unless it is set aside. Returns how it can be mended.
pub(super) fn take(
    mut owner: Owner<'_>,
    draft: Draft,
    told: &mut Told<'_>,
    suppressed: &mut Vec<Suppressed>,
) -> Option<Proposal> {
    let proposal = draft.proposal();
    let is_given = give(&mut owner, draft, told, suppressed);
    proposal.filter(|_| is_given)
}

/// Adds what a draft says to a finding, which is as bad as the worst that it tells. A draft that is set aside is told as that instead,
/// unless the finding is set aside by the same. Tells whether it was added.
fn give(
    owner: &mut Owner<'_>,
    draft: Draft,
    told: &mut Told<'_>,
    suppressed: &mut Vec<Suppressed>,
) -> bool {
    let (fingerprint, why) = draft.decided(0, told);
    let finding = &mut *owner.finding;
    let is_other = why.is_some() && why.as_ref() != owner.aside;
    // A run without secrets tells it by itself: the baseline knows both.
    if told.project_key.is_some() && !is_other {
        let of = (draft.rule.clone(), draft.spot.location.path.clone());
        finding.further.insert(fingerprint.clone(), of);
    }
    if let Some(why) = why {
        if is_other {
            suppressed.push(draft.suppressed(fingerprint, why));
        }
        return false;
    }
    finding.severity = finding.severity.max(draft.severity);
    // A fact of several files keeps its own title: the owner's says nothing of it.
    let title = policy::find(draft.rule.as_str()).filter(|_| draft.kind == Kind::Reuse);
    let message = match title {
        Some(lint) => format!("{}: {}: {}", draft.rule, lint.title, draft.message),
        None => format!("{}: {}", draft.rule, draft.message),
    };
    let location = draft.spot.location;
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

//! From raw hits to findings: one finding a value, every place listed, the right place first.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use crate::{
    model::{
        Attribution, BlobPath, Confidence, Digest, Finding, Fingerprint, Kind, Location,
        Occurrence, Place, Provenance, Related, RuleId, RuleMeta, Severity,
    },
    rules::Shape,
};

use super::{
    Options,
    hits::{RawHit, Shown},
    mail,
};

/// Most occurrences that a finding lists; further ones are counted. GitHub reads 1,000 locations of a result and shows 100.
pub const MAX_OCCURRENCES: usize = 100;

/// All hits of one value.
#[derive(Debug)]
pub(super) struct Group {
    /// Best rule first, then by path, position and object.
    pub(super) hits: Vec<RawHit>,
    /// What history says, in history and range scans.
    pub(super) attribution: Option<Attribution>,
}

/// An occurrence with what decides about it and shows it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) hit: RawHit,
    /// Whether HEAD or the working tree has it.
    pub(super) present: bool,
}

/// Groups hits by value. The order of `hits` does not matter.
pub(super) fn group(hits: Vec<RawHit>, options: &Options) -> Vec<Group> {
    let mut groups: HashMap<Digest, Vec<RawHit>> = HashMap::new();
    for hit in hits {
        // Most values have one place: without this there would be room for four, and a place takes half a kilobyte.
        let group = groups
            .entry(hit.digest)
            .or_insert_with(|| Vec::with_capacity(1));
        group.push(hit);
    }
    let mut groups: Vec<Group> = groups
        .into_values()
        .map(|mut hits| {
            hits.sort_by(|a, b| {
                rank(a, options)
                    .cmp(&rank(b, options))
                    .then_with(|| place_of(a).cmp(&place_of(b)))
            });
            Group {
                hits,
                attribution: None,
            }
        })
        .collect();
    // Digests are keyed at random: order by place, never by digest.
    groups.sort_by(|a, b| {
        a.hits
            .first()
            .map(place_of)
            .cmp(&b.hits.first().map(place_of))
    });
    groups
}

fn place_of(hit: &RawHit) -> (&Location, u32, &Provenance) {
    (&hit.location, hit.rule, &hit.provenance)
}

/// A trusted rule before one of a foreign tree; then the most specific first: a vendor's token before a marker, before a
/// vendor's context, before a generic rule.
fn rank(hit: &RawHit, options: &Options) -> (bool, u8, Reverse<Confidence>, u32) {
    let rule = options.rules.rules.get(hit.rule as usize);
    let shape = rule.map_or(9, |rule| match (&rule.shape, rule.value) {
        (_, Some(_)) => 3,
        (Shape::Token { .. }, None) => 0,
        (Shape::Marker { .. }, None) => 1,
        (Shape::Context { .. }, None) => 2,
    });
    let is_guest = rule.is_some_and(|rule| options.guests.contains(&rule.meta.id));
    (is_guest, shape, Reverse(hit.confidence), hit.rule)
}

/// What turns candidates into findings.
pub(super) struct Maker<'a> {
    options: &'a Options,
    /// How many occurrences had the same rule, path and masked text until now.
    ordinals: RefCell<BTreeMap<(u32, BlobPath, String), usize>>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self {
            options,
            ordinals: RefCell::default(),
        }
    }

    /// Returns the finding of these candidates (not empty), the first being the primary one.
    pub(super) fn finding(
        &self,
        candidates: Vec<Candidate>,
        attribution: Option<Attribution>,
    ) -> Option<Finding> {
        let best = candidates
            .iter()
            .map(|c| &c.hit)
            .min_by_key(|hit| rank(hit, self.options))?;
        let meta = self.meta(best.rule)?.clone();
        let (severity, confidence) = worst(&candidates)?;
        let total = candidates.len();
        let occurrences: Vec<Occurrence> = candidates
            .iter()
            .take(MAX_OCCURRENCES)
            .filter_map(|c| self.occurrence(&c.hit))
            .collect();
        let further = self.further(&candidates, &meta.id);
        let primary = candidates.into_iter().next()?;
        let first = occurrences.first()?.clone();
        let related = primary.hit.near.map(|location| Related {
            message: "the second part stands here".to_owned(),
            location,
            introduced: None,
        });
        let (mut excerpt, line_hash) = match primary.hit.shown {
            Some(Shown {
                excerpt, line_hash, ..
            }) => (Some(excerpt), line_hash.filter(|_| primary.present)),
            None => (None, None),
        };
        if let Some(excerpt) = &mut excerpt {
            mail::strip(first.provenance.place, excerpt);
        }
        Some(Finding {
            message: message(
                &meta,
                primary.hit.provenance.place,
                &first.location.path,
                total,
            ),
            rule: meta.id.clone(),
            kind: Kind::Secret,
            severity,
            confidence,
            fingerprint: first.fingerprint,
            location: first.location,
            provenance: first.provenance,
            attribution,
            occurrences,
            more_occurrences: total.saturating_sub(MAX_OCCURRENCES) as u64,
            verdict: None,
            further,
            related: related.into_iter().collect(),
            excerpt,
            line_hash,
            secret: primary.hit.secret,
        })
    }

    /// Returns identity, rule and path of the candidates beyond [`MAX_OCCURRENCES`].
    fn further(
        &self,
        candidates: &[Candidate],
        rule: &RuleId,
    ) -> BTreeMap<Fingerprint, (RuleId, BlobPath)> {
        // Without the project's key an identity counts in this report only.
        if self.options.project_key.is_none() {
            return BTreeMap::new();
        }
        let rest = candidates.iter().skip(MAX_OCCURRENCES);
        rest.filter_map(|c| {
            let path = c.hit.location.path.clone();
            Some((self.fingerprint(&c.hit, 0)?, (rule.clone(), path)))
        })
        .collect()
    }

    fn meta(&self, rule: u32) -> Option<&std::sync::Arc<RuleMeta>> {
        self.options
            .rules
            .rules
            .get(rule as usize)
            .map(|rule| &rule.meta)
    }

    /// Returns the identity of one hit at its path.
    pub(super) fn fingerprint(&self, hit: &RawHit, ordinal: usize) -> Option<Fingerprint> {
        let meta = self.meta(hit.rule)?;
        // Without the project's key a fingerprint holds nothing of the value.
        Some(match &self.options.project_key {
            Some(key) => key.fingerprint(
                key.digest(&meta.family, &hit.secret),
                &meta.id,
                &hit.location.path,
            ),
            None => {
                let masked = hit.shown.as_ref().map_or("", |shown| shown.masked.as_str());
                Fingerprint::from_context(&meta.id, &hit.location.path, masked, ordinal)
            }
        })
    }

    fn occurrence(&self, hit: &RawHit) -> Option<Occurrence> {
        let masked = hit
            .shown
            .as_ref()
            .map(|shown| shown.masked.clone())
            .unwrap_or_default();
        let mut ordinals = self.ordinals.borrow_mut();
        let ordinal = ordinals
            .entry((hit.rule, hit.location.path.clone(), masked))
            .or_default();
        let fingerprint = self.fingerprint(hit, *ordinal)?;
        *ordinal += 1;
        Some(Occurrence {
            fingerprint,
            location: hit.location.clone(),
            provenance: hit.provenance.clone(),
            encodings: hit.encodings.clone(),
        })
    }
}

/// Returns how bad and how sure the worst and the surest of all places are.
fn worst(candidates: &[Candidate]) -> Option<(Severity, Confidence)> {
    let severity = candidates.iter().map(|c| c.hit.severity).max()?;
    let confidence = candidates.iter().map(|c| c.hit.confidence).max()?;
    Some((severity, confidence))
}

/// Returns one sentence without a value.
fn message(meta: &RuleMeta, place: Place, path: &BlobPath, places: usize) -> String {
    let wher = match place {
        Place::File | Place::History => format!("in {path}"),
        Place::Stdin => "in standard input".to_owned(),
        Place::Staged => format!("staged in {path}"),
        Place::FileName => format!("in a file's name ({path})"),
        Place::SymlinkTarget => format!("in the target of the symbolic link {path}"),
        Place::CommitMessage => "in a commit message".to_owned(),
        Place::CommitHeader => "in a commit's author, committer or other header".to_owned(),
        Place::Tag => "in an annotated tag".to_owned(),
        Place::RefName => "in a reference's name".to_owned(),
        Place::Reflog => "in a reflog entry".to_owned(),
        Place::RemoteUrl => "in a remote's URL in .git/config".to_owned(),
    };
    match places {
        0 | 1 => format!("{} {wher}", meta.description),
        2 => format!("{} {wher} and one more place", meta.description),
        n => format!("{} {wher} and {} more places", meta.description, n - 1),
    }
}

//! From what lints told to findings: files together, one owner a value, suppressions, order.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    FAMILY, FactHit, Habits, LintHit, Policy, Spot,
    commits::{commits, named},
    owners::{Known, Owners, join, take},
};
use crate::{
    config::{
        PathGlobs,
        suppress::{Sighting, Suppressor},
    },
    model::{
        Attribution, BlobPath, Confidence, DigestKey, Finding, Fingerprint, Kind, Location,
        Occurrence, Place, Provenance, Related, RuleId, Secret, Severity, Suppressed,
        SuppressionKind,
    },
    policy::{self, CrossFault, FactData, Fix, Gathered, Index, Pointer},
};

/// What decides over policy findings beside the lints.
pub(in super::super) struct Told<'a> {
    pub(in super::super) policy: &'a Policy,
    pub(in super::super) key: &'a DigestKey,
    pub(in super::super) project_key: Option<&'a DigestKey>,
    pub(in super::super) exclude: &'a PathGlobs,
    /// Whether all files of a tree were read, not only some that changed.
    pub(in super::super) whole: bool,
    /// In runs that look at changes: the paths that changed.
    pub(in super::super) changed: Option<&'a BTreeSet<BlobPath>>,
    pub(in super::super) suppressor: &'a mut Suppressor,
}

/// By what a finding is set aside, and the reason that was given.
pub(super) type Why = (SuppressionKind, String);

/// One finding on its way.
pub(super) struct Draft {
    pub(super) rule: RuleId,
    pub(super) kind: Kind,
    /// Whether its place is that of a value.
    pub(super) is_value: bool,
    pub(super) severity: Severity,
    confidence: Confidence,
    pub(super) message: String,
    subject: String,
    pub(super) spot: Spot,
    secret: Secret,
    pub(super) related: Vec<Related>,
    fix: Option<Fix>,
}

/// Findings, set-aside findings and fixes that came of habits.
#[derive(Default)]
pub(in super::super) struct Outcome {
    pub(in super::super) findings: Vec<Finding>,
    pub(in super::super) suppressed: Vec<Suppressed>,
    pub(in super::super) fixes: Vec<Proposal>,
}

/// A way to mend a finding, with what it must still be true of.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The finding.
    pub rule: RuleId,
    /// Where it is.
    pub location: Location,
    /// What it is about.
    pub message: String,
    /// The edits.
    pub fix: Fix,
}

/// Makes findings of all habits; `findings` and `suppressed` are those of the rules, which take over what they own.
pub(in super::super) fn tell(
    habits: Habits,
    told: &mut Told<'_>,
    findings: &mut [Finding],
    suppressed: &mut [Suppressed],
) -> Outcome {
    let Habits {
        lints,
        mut facts,
        paths,
        ..
    } = habits;
    let mut owners = Owners::new(findings, suppressed);
    let mut outcome = Outcome::default();
    let mut drafts: Vec<Draft> = Vec::new();
    for hit in lints.into_iter().filter(|hit| hit.place.changed) {
        match owners.of(&hit) {
            Some(owner) => {
                let proposal = take(owner, Draft::of(hit), told, &mut outcome.suppressed);
                outcome.fixes.extend(proposal);
            }
            None => drafts.push(Draft::of(hit)),
        }
    }
    settle(&mut facts);
    for draft in across(facts, &paths, told) {
        match owners.of_value(&draft) {
            Some(owner) => {
                let proposal = take(owner, draft, told, &mut outcome.suppressed);
                outcome.fixes.extend(proposal);
            }
            None => drafts.push(draft),
        }
    }
    drafts.retain(|draft| {
        told.exclude.is_empty() || !told.exclude.matches(&draft.spot.location.path)
    });
    drafts.sort_by(|a, b| a.order().cmp(&b.order()));
    drafts.dedup_by(|a, b| a.spot.location == b.spot.location && a.rule == b.rule);
    let mut ordinals: BTreeMap<(RuleId, BlobPath, String), usize> = BTreeMap::new();
    let mut known = Known::default();
    for draft in drafts {
        let ordinal = ordinals
            .entry((
                draft.rule.clone(),
                draft.spot.location.path.clone(),
                draft.subject.clone(),
            ))
            .or_default();
        let taken = known.owner(&draft, &mut outcome.findings);
        match taken.or_else(|| owners.of_taken(&draft)) {
            Some(owner) => join(owner, draft, told, &mut outcome.suppressed),
            None => {
                let before = outcome.findings.len();
                draft.finish(*ordinal, told, &mut outcome);
                known.see(&outcome.findings, before);
            }
        }
        *ordinal += 1;
    }
    // The tree and the index may both hold what findings of rules would tell.
    let place = |one: &Suppressed| (one.finding.location.clone(), one.finding.rule.clone());
    outcome.suppressed.sort_by_cached_key(place);
    outcome
        .suppressed
        .dedup_by(|a, b| place(a) == place(b) && a.kind == b.kind);
    outcome
}

/// Sorts facts by place, those of earlier versions last as they are.
pub(super) fn settle(facts: &mut Vec<FactHit>) {
    // Places in different versions cannot be compared.
    facts.sort_by(|a, b| {
        let order = a.fact.past.only.cmp(&b.fact.past.only);
        order.then_with(|| match a.fact.past.only {
            true => Ordering::Equal,
            false => a.fact.location.cmp(&b.fact.location),
        })
    });
    // The tree and the index often hold the same file: the same place counts once.
    facts.dedup_by(|a, b| {
        a.fact.location == b.fact.location
            && !a.fact.past.only
            && !b.fact.past.only
            && same(&a.fact, &b.fact)
    });
}

fn same(a: &Gathered, b: &Gathered) -> bool {
    // Of a value that a rule found, too, the other site knows the name.
    let is_named = |fact: &Gathered| match &fact.data {
        FactData::Site(site) => !site.key.is_empty(),
        FactData::JobSecret(_) | FactData::Item(_) => false,
    };
    std::mem::discriminant(&a.data) == std::mem::discriminant(&b.data)
        && a.digest == b.digest
        && is_named(a) == is_named(b)
}

/// What is shown of a fact.
type Sight = (Spot, Secret);

/// Runs the lints of all files.
fn across(facts: Vec<FactHit>, paths: &BTreeSet<BlobPath>, told: &Told<'_>) -> Vec<Draft> {
    let facts = facts.into_iter();
    let (gathered, sights): (Vec<Gathered>, Vec<Sight>) =
        facts.map(|hit| (hit.fact, (hit.spot, hit.secret))).unzip();
    let index = Index {
        paths,
        facts: &gathered,
        environments: &told.policy.environments,
        whole: told.whole,
        changed: &|number| is_changed(&sights, number),
    };
    let shows = |fault: &CrossFault| told.policy.shows(fault.lint, fault.persona);
    policy::cross_for(&index, &shows)
        .into_iter()
        .filter_map(|fault| cross_draft(fault, &gathered, &sights, told))
        .collect()
}

/// Tells whether a fact is part of what changed.
fn is_changed(sights: &[Sight], number: usize) -> bool {
    sights.get(number).is_some_and(|(spot, _)| spot.changed)
}

/// Makes a draft of a fault of all files; `None` if nothing of it changed.
fn cross_draft(
    mut fault: CrossFault,
    facts: &[Gathered],
    sights: &[Sight],
    told: &Told<'_>,
) -> Option<Draft> {
    let changed = |pointer: &Pointer| match pointer {
        Pointer::Fact(number) => is_changed(sights, *number),
        Pointer::File(path) => told.changed.is_none_or(|paths| paths.contains(path)),
    };
    if !changed(&fault.primary) {
        // What changed is where the finding is shown. Its lint speaks of another place first: what it says of this one comes behind.
        let at = fault
            .related
            .iter()
            .position(|(pointer, _)| changed(pointer))?;
        let (other, phrase) = fault.related.get_mut(at)?;
        std::mem::swap(&mut fault.primary, other);
        let here = std::mem::replace(phrase, "what is said first stands here".to_owned());
        fault.message.push_str(&format!("; here: {here}"));
    }
    let (spot, secret, is_value) = match &fault.primary {
        Pointer::Fact(number) => {
            let (spot, secret) = sights.get(*number)?;
            let is_value = facts.get(*number)?.digest.is_some();
            (copy(spot), secret.clone(), is_value)
        }
        Pointer::File(path) => (first_line(path), Secret::new(b""), false),
    };
    let related = fault.related.iter().filter_map(|(pointer, message)| {
        let (location, introduced) = match pointer {
            Pointer::Fact(number) => {
                let (spot, _) = sights.get(*number)?;
                (spot.location.clone(), spot.introduced().cloned())
            }
            Pointer::File(path) => (first_line(path).location, None),
        };
        Some(Related {
            message: match &introduced {
                Some(commit) => format!("{message}, since {}", named(commit)),
                None => message.clone(),
            },
            location,
            introduced,
        })
    });
    let related: Vec<Related> = related.collect();
    let kind = match fault.lint.id {
        id if id.starts_with("xenv-") || id.starts_with("secret-reuse") => Kind::Reuse,
        _ => Kind::Policy,
    };
    Some(Draft {
        rule: RuleId::new(fault.lint.id),
        kind,
        is_value,
        severity: told.policy.weigh(fault.lint, fault.severity),
        confidence: fault.confidence,
        message: unlinked(&fault.message) + &commits(&spot, &related),
        subject: fault.subject,
        related,
        fix: fault.fix,
        spot,
        secret,
    })
}

/// Returns a text with `[text](n)` as `text`: only SARIF has links, and makes them of the related places.
fn unlinked(text: &str) -> String {
    let mut open: Vec<usize> = Vec::new();
    let mut dropped: Vec<std::ops::Range<usize>> = Vec::new();
    let mut signs = text.match_indices(['[', ']', '\\']).peekable();
    let mut escapes: Vec<usize> = Vec::new();
    while let Some((at, sign)) = signs.next() {
        match sign {
            "[" => open.push(at),
            "\\" => {
                // Paths in links are written so.
                if signs.next_if(|(next, _)| *next == at + 1).is_some() {
                    escapes.push(at);
                }
            }
            _ => {
                if let Some(start) = open.pop()
                    && let Some(length) = linked(text.get(at + 1..).unwrap_or_default())
                {
                    dropped.push(start..start + 1);
                    dropped.push(at..at + 1 + length);
                    let own = escapes.partition_point(|escape| *escape < start);
                    dropped.extend(escapes.drain(own..).map(|escape| escape..escape + 1));
                }
            }
        }
    }
    dropped.sort_by_key(|range| range.start);
    let mut plain = String::with_capacity(text.len());
    let mut at = 0;
    for range in dropped {
        plain.push_str(text.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    plain.push_str(text.get(at..).unwrap_or_default());
    plain
}

/// Returns the length of the `(n)` that makes a link of the brackets before it.
fn linked(rest: &str) -> Option<usize> {
    let (number, _) = rest.strip_prefix('(')?.split_once(')')?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(number.len() + 2)
}

pub(super) fn copy(spot: &Spot) -> Spot {
    Spot {
        location: spot.location.clone(),
        provenance: spot.provenance.clone(),
        markers: spot.markers.clone(),
        shown: spot.shown.clone(),
        changed: spot.changed,
        past: spot.past.clone(),
    }
}

/// Stands for a file as a whole.
fn first_line(path: &BlobPath) -> Spot {
    Spot {
        location: Location {
            path: path.clone(),
            start_line: 1,
            start_column: 1,
            end_line: 1,
            end_column: 1,
            byte_start: 0,
            byte_end: 0,
        },
        provenance: Provenance {
            place: Place::File,
            object: None,
        },
        markers: Vec::new(),
        shown: super::super::hits::Shown {
            excerpt: crate::model::Excerpt::new(b"", crate::model::Span::new(0, 0), 1, &[]),
            masked: String::new(),
            line_hash: None,
        },
        changed: true,
        past: None,
    }
}

impl Draft {
    pub(super) fn of(hit: LintHit) -> Self {
        Self {
            rule: RuleId::new(hit.lint.id),
            kind: Kind::Policy,
            is_value: hit.value.is_some(),
            severity: hit.severity,
            confidence: hit.confidence,
            message: hit.message,
            subject: hit.subject,
            spot: hit.place,
            secret: hit.secret,
            related: hit.related,
            fix: hit.fix,
        }
    }

    /// The working tree's place before the index's, else by place and rule.
    fn order(&self) -> (&Location, &RuleId, &Provenance) {
        (&self.spot.location, &self.rule, &self.spot.provenance)
    }

    /// Returns how it can be mended.
    pub(super) fn proposal(&self) -> Option<Proposal> {
        Some(Proposal {
            rule: self.rule.clone(),
            location: self.spot.location.clone(),
            message: self.message.clone(),
            fix: self.fix.clone()?,
        })
    }

    /// Returns its identity, and by what and why it is set aside, if it is.
    pub(super) fn decided(
        &self,
        ordinal: usize,
        told: &mut Told<'_>,
    ) -> (Fingerprint, Option<Why>) {
        let path = &self.spot.location.path;
        // The subject holds no value: it is digested to have the form of an identity.
        let subject = Secret::new(self.subject.as_bytes());
        let digest = told
            .project_key
            .unwrap_or(told.key)
            .digest(FAMILY, &subject);
        let fingerprint = match told.project_key {
            Some(key) => key.fingerprint(digest, &self.rule, path),
            None => Fingerprint::from_context(&self.rule, path, &self.subject, ordinal),
        };
        let why = told.suppressor.decide(&Sighting {
            rule: &self.rule,
            path,
            digest,
            fingerprint: &fingerprint,
            markers: &self.spot.markers,
        });
        (fingerprint, why)
    }

    /// Makes the finding, and decides whether it is reported.
    fn finish(self, ordinal: usize, told: &mut Told<'_>, outcome: &mut Outcome) {
        let (fingerprint, why) = self.decided(ordinal, told);
        match why {
            None => {
                outcome.fixes.extend(self.proposal());
                outcome.findings.push(self.finding(fingerprint));
            }
            Some(why) => outcome.suppressed.push(self.suppressed(fingerprint, why)),
        }
    }

    /// Makes the record of a finding that is set aside.
    pub(super) fn suppressed(self, fingerprint: Fingerprint, (kind, reason): Why) -> Suppressed {
        Suppressed {
            finding: self.finding(fingerprint),
            kind,
            reason,
        }
    }

    fn finding(self, fingerprint: Fingerprint) -> Finding {
        let location = self.spot.location;
        // What was read from a commit is what its branch holds now.
        let is_now = self.spot.provenance.place == Place::History;
        let now = || Attribution {
            introduced: None,
            last_seen: None,
            removed: None,
            at_head: true,
            reachable: true,
            path: Some(location.path.clone()),
        };
        let past = self.spot.past.map(|past| *past);
        let attribution = past.or_else(|| is_now.then(now));
        let excerpt = Some(self.spot.shown.excerpt).filter(|excerpt| !excerpt.text.is_empty());
        Finding {
            rule: self.rule,
            kind: self.kind,
            severity: self.severity,
            confidence: self.confidence,
            message: self.message,
            fingerprint: fingerprint.clone(),
            location: location.clone(),
            provenance: self.spot.provenance.clone(),
            attribution,
            occurrences: vec![Occurrence {
                fingerprint,
                location,
                provenance: self.spot.provenance,
                encodings: Vec::new(),
            }],
            more_occurrences: 0,
            verdict: None,
            further: BTreeMap::new(),
            related: self.related,
            excerpt,
            line_hash: self.spot.shown.line_hash,
            secret: self.secret,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unlinked;

    #[test]
    fn links_are_their_texts_and_other_brackets_stay() {
        for (text, want) in [
            (
                "`a.[].b.[].c` of [x/a.yaml](1), [b](12)",
                "`a.[].b.[].c` of x/a.yaml, b",
            ),
            (
                "[app/[id]/.env](1) [x](y) [](3",
                "app/[id]/.env [x](y) [](3",
            ),
            ("]] [ [a](1)", "]] [ a"),
            ("[app/\\[id\\]/\\[x.env](1) \\[x", "app/[id]/[x.env \\[x"),
        ] {
            assert_eq!(unlinked(text), want);
        }
    }
}

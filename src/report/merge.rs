//! Several reports as one: the parts of a scan that ran apart.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use super::ReadError;
use crate::{
    model::{
        Finding, Fingerprint, Ledger, Location, RuleId, RuleMeta, SkipCause, Suppressed,
        SuppressionKind, Verification,
    },
    scan::{LookedFor, Report, Scope},
};

/// Returns several reports as one; the shards of a scan, for instance. `names` stand in errors, one a report.
///
/// A finding of the same rule, place and fingerprint counts once, with the places of all. Numbers of the ledgers are added, but for
/// those of the two halves of a scan (`--only secrets` and `--only policy`), which read the same files. The whole is complete only if
/// each part was; a suppression is unused only if no part used it.
///
/// # Errors
/// [`ReadError::Modes`].
pub fn merge(reports: Vec<(String, Report)>) -> Result<Option<Report>, ReadError> {
    let mut reports = reports.into_iter();
    let Some((_, mut whole)) = reports.next() else {
        return Ok(None);
    };
    let mut complete = !whole.ledger.is_incomplete();
    let mut parts = Parts::default();
    let mut coverage = Coverage::default();
    if reports.len() > 0 {
        coverage.take(&mut whole);
        parts.unused = std::mem::take(&mut whole.unused_suppressions)
            .into_iter()
            .collect();
        parts.take(&mut whole);
    }
    let is_one = reports.len() == 0;
    for (name, mut report) in reports {
        if report.mode != whole.mode {
            return Err(ReadError::Modes { name });
        }
        if report.scope != whole.scope {
            whole.scope = Scope::Files;
        }
        complete &= !report.ledger.is_incomplete();
        whole.interrupted |= report.interrupted;
        whole.looked_for = whole.looked_for.and(report.looked_for);
        whole.verification = verified(whole.verification.take(), report.verification.take());
        coverage.take(&mut report);
        let unused: BTreeSet<String> = report.unused_suppressions.drain(..).collect();
        parts.unused.retain(|line| unused.contains(line));
        parts.take(&mut report);
    }
    if !is_one {
        coverage.give(&mut whole);
        parts.give(&mut whole);
    }
    // One part may accept what another does not: then none is accepted, and the whole is incomplete as that part is.
    let gaps = whole.ledger.skipped.keys().filter(|_| complete).copied();
    let gaps: BTreeSet<SkipCause> = gaps.collect();
    whole.ledger.accept(&gaps);
    Ok(Some(whole))
}

/// What the parts read, and how many rules ran: of those that looked for everything, for secrets alone, for policy alone.
#[derive(Default)]
struct Coverage {
    all: (Ledger, usize),
    secrets: (Ledger, usize),
    policy: (Ledger, usize),
}

impl Coverage {
    fn take(&mut self, report: &mut Report) {
        let LookedFor { secrets, policy } = report.looked_for;
        let (ledger, rules) = match (secrets, policy) {
            (true, Some(_)) => &mut self.all,
            (true, None) => &mut self.secrets,
            (false, _) => &mut self.policy,
        };
        ledger.merge(std::mem::take(&mut report.ledger));
        *rules = (*rules).max(report.rules_run);
    }

    fn give(self, whole: &mut Report) {
        let (mut ledger, rules) = self.secrets;
        ledger.cover(self.policy.0);
        ledger.merge(self.all.0);
        whole.ledger = ledger;
        whole.rules_run = rules.saturating_add(self.policy.1).max(self.all.1);
    }
}

/// What makes two sightings one finding; findings are sorted by it.
type Key = (Location, RuleId, Fingerprint);

/// What was taken out of the reports, ready to be met again: nobody says how many there are in a file.
#[derive(Default)]
struct Parts {
    rules: BTreeMap<RuleId, Arc<RuleMeta>>,
    findings: BTreeMap<Key, Finding>,
    suppressed: BTreeMap<(Key, SuppressionKind, String), Finding>,
    /// What no part used.
    unused: BTreeSet<String>,
}

impl Parts {
    /// Takes rules and findings of a report.
    fn take(&mut self, report: &mut Report) {
        for meta in report.rules.drain(..) {
            self.rules.entry(meta.id.clone()).or_insert(meta);
        }
        for finding in report.findings.drain(..) {
            let key = key(&finding);
            match self.findings.get_mut(&key) {
                Some(known) => join(known, finding),
                None => drop(self.findings.insert(key, finding)),
            }
        }
        for aside in report.suppressed.drain(..) {
            let key = (key(&aside.finding), aside.kind, aside.reason);
            match self.suppressed.get_mut(&key) {
                Some(known) => join(known, aside.finding),
                None => drop(self.suppressed.insert(key, aside.finding)),
            }
        }
    }

    /// Gives a report all that was taken.
    fn give(self, whole: &mut Report) {
        whole.rules = self.rules.into_values().collect();
        whole.findings = self.findings.into_values().map(once).collect();
        let suppressed = self.suppressed.into_iter();
        whole.suppressed = suppressed
            .map(|((_, kind, reason), finding)| Suppressed {
                finding: once(finding),
                kind,
                reason,
            })
            .collect();
        whole.unused_suppressions = self.unused.into_iter().collect();
    }
}

fn key(finding: &Finding) -> Key {
    (
        finding.location.clone(),
        finding.rule.clone(),
        finding.fingerprint.clone(),
    )
}

/// Adds the places of another sighting of the same finding.
fn join(known: &mut Finding, other: Finding) {
    // The more urgent verdict counts: one part may have asked stores that another did not.
    let urgency = |finding: &Finding| finding.verdict.as_ref().map(|verdict| verdict.urgency);
    if urgency(&other) > urgency(known) {
        known.verdict.clone_from(&other.verdict);
    }
    known.occurrences.extend(other.occurrences);
    known.more_occurrences = known
        .more_occurrences
        .saturating_add(other.more_occurrences);
    known.severity = known.severity.max(other.severity);
    known.confidence = known.confidence.max(other.confidence);
}

/// Returns what two parts asked of the stores, one behind the other.
fn verified(one: Option<Verification>, other: Option<Verification>) -> Option<Verification> {
    let (mut one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.or(other),
    };
    one.stores.extend(other.stores);
    one.shared.extend(other.shared);
    one.shared.sort();
    one.shared.dedup();
    for (n, more) in [
        (&mut one.compared, other.compared),
        (&mut one.candidates, other.candidates),
        (&mut one.too_weak, other.too_weak),
        (&mut one.over_limit, other.over_limit),
        (&mut one.without_value, other.without_value),
    ] {
        *n = n.saturating_add(more);
    }
    Some(one)
}

/// Keeps the first of each of a finding's places.
fn once(mut finding: Finding) -> Finding {
    let mut seen = HashSet::new();
    finding
        .occurrences
        .retain(|place| seen.insert(place.clone()));
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Counter, report::sample};

    fn merged(reports: Vec<Report>) -> Report {
        let named = reports.into_iter().map(|report| ("r".to_owned(), report));
        merge(named.collect()).unwrap().unwrap()
    }

    #[test]
    fn places_are_kept_once_and_numbers_are_added() {
        let one = sample::report();
        let whole = merged(vec![one.clone(), one.clone()]);
        let facts = |report: &Report| {
            let findings = report.findings.iter();
            let facts = findings.map(|f| (f.occurrences.len(), f.more_occurrences));
            let mut facts: Vec<(usize, u64)> = facts.collect();
            facts.sort_unstable();
            facts
        };
        let expected = facts(&one)
            .into_iter()
            .map(|(places, more)| (places, 2 * more));
        assert_eq!(facts(&whole), expected.collect::<Vec<_>>());
        assert_eq!(whole.suppressed.len(), one.suppressed.len());
    }

    #[test]
    fn hostile_numbers_do_not_wrap() {
        let mut one = sample::report();
        one.ledger.read.insert(Counter::Files, u64::MAX);
        one.ledger.skipped.insert(SkipCause::TooLarge, u64::MAX);
        for finding in &mut one.findings {
            finding.more_occurrences = u64::MAX;
        }
        let whole = merged(vec![one.clone(), one]);
        assert_eq!(whole.ledger.counted(Counter::Files), u64::MAX);
        assert!(whole.ledger.is_incomplete());
        assert!(
            whole
                .findings
                .iter()
                .all(|f| f.more_occurrences == u64::MAX)
        );
    }

    #[test]
    fn a_place_set_aside_for_two_reasons_stays_both() {
        let one = sample::report();
        let mut other = one.clone();
        for aside in &mut other.suppressed {
            aside.reason.push('x');
        }
        let asides = one.suppressed.len();
        assert_eq!(merged(vec![one, other]).suppressed.len(), 2 * asides);
    }

    #[test]
    fn the_halves_of_a_scan_read_the_same_files_and_keep_all_findings() {
        let whole = sample::report();
        let (mut secrets, mut policy) = (whole.clone(), whole.clone());
        secrets.looked_for.policy = None;
        secrets.findings.truncate(1);
        secrets.rules_run = 7;
        policy.looked_for.secrets = false;
        policy.findings.drain(..1);
        policy.ledger.note("policy: a note");
        let merge = merged(vec![secrets.clone(), policy.clone()]);
        assert_eq!(merge.findings.len(), whole.findings.len());
        assert_eq!(merge.looked_for, LookedFor::default());
        assert_eq!(merge.ledger.read, whole.ledger.read);
        assert_eq!(merge.ledger.skipped, whole.ledger.skipped);
        assert!(merge.ledger.notes.contains(&"policy: a note".to_owned()));
        assert_eq!(merge.rules_run, 7 + whole.rules_run);
        // Parts of each half are added as ever.
        let again = merged(vec![secrets.clone(), policy.clone(), secrets, policy]);
        let files = |report: &Report| report.ledger.counted(Counter::Files);
        assert_eq!(files(&again), 2 * files(&whole));
        assert_eq!(again.findings.len(), whole.findings.len());
    }
}

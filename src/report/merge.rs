//! Several reports as one: the parts of a scan that ran apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::ReadError;
use crate::{
    model::{Finding, RuleId, RuleMeta, SkipCause},
    scan::{Report, Scope},
};

/// Returns several reports as one; the shards of a scan, for instance. `names` stand in errors, one a report.
///
/// A finding of the same rule, place and fingerprint counts once, with the places of all. Numbers of the ledgers are added. The
/// whole is complete only if each part was; a suppression is unused only if no part used it.
///
/// # Errors
/// [`ReadError::Modes`].
pub fn merge(reports: Vec<(String, Report)>) -> Result<Option<Report>, ReadError> {
    let mut reports = reports.into_iter();
    let Some((_, mut whole)) = reports.next() else {
        return Ok(None);
    };
    let mut complete = !whole.ledger.is_incomplete();
    for (name, report) in reports {
        if report.mode != whole.mode {
            return Err(ReadError::Modes { name });
        }
        if report.scope != whole.scope {
            whole.scope = Scope::Files;
        }
        complete &= !report.ledger.is_incomplete();
        add(&mut whole, report);
    }
    // One part may accept what another does not: then none is accepted, and the whole is incomplete as that part is.
    let gaps = whole.ledger.skipped.keys().filter(|_| complete).copied();
    let gaps: BTreeSet<SkipCause> = gaps.collect();
    whole.ledger.accept(&gaps);
    Ok(Some(whole))
}

/// Adds a part to the whole.
fn add(whole: &mut Report, part: Report) {
    whole.ledger.merge(part.ledger);
    whole.interrupted |= part.interrupted;
    whole.rules_run = whole.rules_run.max(part.rules_run);
    let mut rules: BTreeMap<RuleId, Arc<RuleMeta>> = BTreeMap::new();
    for meta in std::mem::take(&mut whole.rules)
        .into_iter()
        .chain(part.rules)
    {
        rules.entry(meta.id.clone()).or_insert(meta);
    }
    whole.rules = rules.into_values().collect();
    for finding in part.findings {
        let known = whole
            .findings
            .iter_mut()
            .find(|known| is_same(known, &finding));
        match known {
            Some(known) => join(known, finding),
            None => whole.findings.push(finding),
        }
    }
    for aside in part.suppressed {
        let known = whole
            .suppressed
            .iter_mut()
            .find(|known| is_same(&known.finding, &aside.finding));
        match known {
            Some(known) => join(&mut known.finding, aside.finding),
            None => whole.suppressed.push(aside),
        }
    }
    whole
        .unused_suppressions
        .retain(|line| part.unused_suppressions.contains(line));
    let place = |finding: &Finding| (finding.location.clone(), finding.rule.clone());
    whole.findings.sort_by_cached_key(place);
    whole
        .suppressed
        .sort_by_cached_key(|aside| place(&aside.finding));
}

fn is_same(one: &Finding, other: &Finding) -> bool {
    one.rule == other.rule && one.location == other.location && one.fingerprint == other.fingerprint
}

/// Adds the places of another sighting of the same finding.
fn join(known: &mut Finding, other: Finding) {
    for place in other.occurrences {
        if !known.occurrences.contains(&place) {
            known.occurrences.push(place);
        }
    }
    known.more_occurrences = known.more_occurrences.max(other.more_occurrences);
    known.severity = known.severity.max(other.severity);
    known.confidence = known.confidence.max(other.confidence);
}

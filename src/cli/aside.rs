//! What a scan set aside, and verify found live: a suppression is the word of whoever writes the tree, and silences nothing that opens a
//! system today.
//!
//! Promises: what is live is told as a finding that says by what it was set aside; all else stays aside, without a verdict; values that the
//! user's own stores file calls public stay aside, too.

use crate::{
    config::KeyGlob,
    model::{Finding, Kind, StorePlace, Suppressed, SuppressionKind, Verdict},
    scan::Report,
};

/// Where a finding of a report stands, by its number there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// Among the findings.
    Told(usize),
    /// Among what is set aside.
    Aside(usize),
}

/// Returns the findings of secrets, those that are told first; of what is set aside, those whose values are known.
pub(super) fn slots(report: &Report) -> Vec<Slot> {
    let is_secret = |finding: &Finding| finding.kind == Kind::Secret;
    let told = report.findings.iter().enumerate();
    let told = told.filter(|(_, finding)| is_secret(finding));
    let aside = report.suppressed.iter().enumerate();
    let aside = aside.filter(|(_, one)| is_secret(&one.finding) && !one.finding.secret.is_empty());
    told.map(|(n, _)| Slot::Told(n))
        .chain(aside.map(|(n, _)| Slot::Aside(n)))
        .collect()
}

/// Returns the finding that stands there.
pub(super) fn of(report: &Report, slot: Slot) -> Option<&Finding> {
    match slot {
        Slot::Told(n) => report.findings.get(n),
        Slot::Aside(n) => report.suppressed.get(n).map(|one| &one.finding),
    }
}

/// Gives findings their verdicts, and tells what was set aside and is live. `public` are globs of keys whose values may stay silenced.
pub(super) fn judge(
    report: &mut Report,
    verdicts: impl IntoIterator<Item = (Slot, Verdict)>,
    public: &[String],
) {
    let public: Vec<KeyGlob> = public
        .iter()
        .filter_map(|glob| KeyGlob::parse(glob))
        .collect();
    let mut live: Vec<Option<Verdict>> = report.suppressed.iter().map(|_| None).collect();
    for (slot, verdict) in verdicts {
        match slot {
            Slot::Told(n) => {
                if let Some(finding) = report.findings.get_mut(n) {
                    finding.judge(verdict);
                }
            }
            Slot::Aside(n) => {
                if let Some(slot) = live.get_mut(n) {
                    *slot = Some(verdict).filter(|v| v.is_live() && !is_public(v, &public));
                }
            }
        }
    }
    if live.iter().all(Option::is_none) {
        return;
    }
    let aside = std::mem::take(&mut report.suppressed);
    for (one, verdict) in aside.into_iter().zip(live) {
        match verdict {
            None => report.suppressed.push(one),
            Some(verdict) => report.findings.push(told(one, verdict)),
        }
    }
    report
        .findings
        .sort_by(|a, b| (&a.location, &a.rule).cmp(&(&b.location, &b.rule)));
}

/// Tells whether all places of a value are public: one that also stands in another key opens what that key opens.
fn is_public(verdict: &Verdict, public: &[KeyGlob]) -> bool {
    let is_named = |place: &StorePlace| {
        let mut globs = public.iter();
        globs.any(|glob| glob.names(&place.store, &place.key))
    };
    verdict.more == 0
        && verdict.place.as_ref().is_some_and(is_named)
        && verdict.also.iter().all(is_named)
}

fn told(one: Suppressed, verdict: Verdict) -> Finding {
    let mut finding = one.finding;
    let by = match one.kind {
        SuppressionKind::Inline => "an inline marker",
        SuppressionKind::Allowlist => "an allow entry",
        SuppressionKind::Baseline => "the baseline",
    };
    let reason = match one.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    finding.message = format!("{}; set aside by {by}{reason}, and live", finding.message);
    finding.judge(verdict);
    finding
}

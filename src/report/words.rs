//! Phrases that several formats share: places, history, counts, the closing sentence. Plain text; a format escapes it.

use std::{borrow::Cow, cmp::Reverse};

use crate::{
    model::{
        Attribution, BlobPath, CommitInfo, Encoding, Finding, Kind, Location, ObjectId, Place,
        Provenance, RuleId, RuleMeta, Severity, SkipCause, SuppressionKind,
    },
    scan::{LookedFor, Mode, Report},
};

use super::verdicts;

pub(super) use super::inert::{Escapes, inert};

/// Returns the first 12 digits of an object's name.
pub(super) fn short(id: &ObjectId) -> String {
    let mut hex = id.to_string();
    hex.truncate(12);
    hex
}

/// Returns text without anything that could move a cursor or turn the reading direction.
pub(super) fn safe(text: &str) -> String {
    BlobPath::from(text).to_text().into_owned()
}

/// Returns `path:line:column`.
pub(super) fn at(location: &Location) -> String {
    format!(
        "{}:{}:{}",
        location.path.to_text(),
        location.start_line,
        location.start_column
    )
}

/// Returns `path:line:column`; a text of a commit, a tag or a log with the object that it belongs to:
/// `<commit message 0123456789ab>:3:11`.
pub(super) fn place(location: &Location, provenance: &Provenance) -> String {
    let holder = holder(&location.path, provenance);
    format!("{holder}:{}:{}", location.start_line, location.start_column)
}

/// Returns the path, or the name of what is no file with its object in it.
pub(super) fn holder(path: &BlobPath, provenance: &Provenance) -> String {
    let name = path.to_text();
    let is_text_of_object = match provenance.place {
        Place::CommitMessage | Place::CommitHeader | Place::Tag | Place::Reflog => true,
        Place::File
        | Place::Stdin
        | Place::Staged
        | Place::History
        | Place::FileName
        | Place::SymlinkTarget
        | Place::RefName
        | Place::RemoteUrl => false,
    };
    match (&provenance.object, name.strip_suffix('>')) {
        (Some(id), Some(open)) if is_text_of_object => format!("{open} {}>", short(id)),
        _ => name.into_owned(),
    }
}

/// Returns `1 file` or `2 files`, digits in groups of three.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// Returns the digits in groups of three.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns bytes in the unit that suits: `312 bytes`, `4.0 KiB`, `1.5 GiB`.
pub(super) fn bytes(n: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return count(n, "byte", "bytes");
    }
    let mut size = n / 1024;
    let mut tenths = n % 1024 * 10 / 1024;
    let mut units = units.into_iter().peekable();
    let mut unit = units.next().unwrap_or_default();
    while size >= 1024
        && let Some(next) = units.next()
    {
        tenths = size % 1024 * 10 / 1024;
        size /= 1024;
        unit = next;
    }
    format!("{}.{tenths} {unit}", grouped(size))
}

/// Returns the text cut to at most `max` code points, the last one `…` if something is missing.
pub(super) fn cap(text: &str, max: usize) -> Cow<'_, str> {
    if text.chars().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    Cow::Owned(cut)
}

/// Returns a sentence without its full stop.
pub(super) fn unstopped(sentence: &str) -> &str {
    sentence.trim_end().trim_end_matches('.')
}

/// Returns `abc123abc123 on 2024-05-06 by NAME`.
pub(super) fn commit(commit: &CommitInfo) -> String {
    let mut text = short(&commit.id);
    if let Some(date) = commit.date.get(..10) {
        text.push_str(" on ");
        text.push_str(&safe(date));
    }
    if !commit.author.is_empty() {
        text.push_str(" by ");
        text.push_str(&safe(&commit.author));
    }
    text
}

/// Returns what became of a secret after its introduction: `still at HEAD`, `removed in ...`.
pub(super) fn fate(attribution: &Attribution) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(removed) = &attribution.removed {
        parts.push(format!("removed in {}", commit(removed)));
    }
    if attribution.at_head {
        parts.push("still at HEAD".to_owned());
    } else if let Some(seen) = &attribution.last_seen
        && attribution.introduced.as_ref() != Some(seen)
    {
        parts.push(format!("last seen in {}", commit(seen)));
    }
    if !attribution.reachable {
        parts.push("no reference leads to it".to_owned());
    }
    parts
}

/// Returns the whole history in one line, or `None` if nothing is known.
pub(super) fn history(attribution: &Attribution) -> Option<String> {
    let introduced = attribution.introduced.as_ref();
    let parts: Vec<String> = introduced
        .map(|info| format!("introduced in {}", commit(info)))
        .into_iter()
        .chain(fate(attribution))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Most parts of a finding that a format without folding lists.
pub(super) const MAX_PARTS: usize = 5;

/// Returns what else is part of a finding, each with its place: the fact of a lint on the same value, the other places of a shared one.
/// At most `max`, and how many more there are.
pub(super) fn parts(finding: &Finding, max: usize) -> Vec<String> {
    let all = finding.related.iter().take(max);
    let mut parts: Vec<String> = all
        .map(|part| format!("{}: {}", at(&part.location), safe(&part.message)))
        .collect();
    let more = finding.related.len().saturating_sub(max) as u64;
    if more > 0 {
        parts.push(format!("and {} more", grouped(more)));
    }
    parts
}

/// Returns the number of places beside the primary one.
pub(super) fn other_places(finding: &Finding) -> u64 {
    let listed = u64::try_from(finding.occurrences.len()).unwrap_or(u64::MAX);
    listed
        .saturating_sub(1)
        .saturating_add(finding.more_occurrences)
}

/// Tells whether the finding stands in what is checked out, staged or given; else only history holds it.
pub(super) fn is_head(finding: &Finding, mode: Mode) -> bool {
    match mode {
        Mode::Tree | Mode::Stdin | Mode::Staged => true,
        Mode::Range | Mode::History => match &finding.attribution {
            Some(attribution) => attribution.at_head,
            None => matches!(
                finding.provenance.place,
                Place::File | Place::Stdin | Place::Staged
            ),
        },
    }
}

/// Tells whether the location's path names a file, so that a forge can show it.
pub(super) fn has_file(place: Place, path: &BlobPath) -> bool {
    match place {
        Place::File | Place::Staged | Place::History | Place::FileName | Place::SymlinkTarget => {
            !path.as_bytes().is_empty()
        }
        Place::Stdin
        | Place::CommitMessage
        | Place::CommitHeader
        | Place::Tag
        | Place::RefName
        | Place::Reflog
        | Place::RemoteUrl => false,
    }
}

/// Returns the findings, worst and surest first, else in the report's order.
pub(super) fn worst_first<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<&'a Finding> {
    let mut sorted: Vec<&Finding> = findings.collect();
    sorted.sort_by_key(|f| (Reverse(f.severity), Reverse(f.confidence)));
    sorted
}

/// Returns how many findings each severity has, the worst first, without zeros.
pub(super) fn by_severity(findings: &[Finding]) -> Vec<(Severity, u64)> {
    let number = |severity| findings.iter().filter(|f| f.severity == severity).count() as u64;
    Severity::ALL
        .into_iter()
        .rev()
        .map(|severity| (severity, number(severity)))
        .filter(|(_, n)| *n > 0)
        .collect()
}

/// Returns `2 critical, 1 low`.
pub(super) fn severities(findings: &[Finding]) -> String {
    let parts: Vec<String> = by_severity(findings)
        .into_iter()
        .map(|(severity, n)| format!("{} {}", grouped(n), severity.as_str()))
        .collect();
    parts.join(", ")
}

/// Returns a rule's metadata.
pub(super) fn rule<'a>(report: &'a Report, id: &RuleId) -> Option<&'a RuleMeta> {
    let found = report.rules.binary_search_by(|meta| meta.id.cmp(id)).ok()?;
    report.rules.get(found).map(AsRef::as_ref)
}

/// Tells whether something that could hold a secret was not looked at.
pub(super) fn is_incomplete(report: &Report) -> bool {
    let stores = report.verification.as_ref();
    report.interrupted
        || report.ledger.is_incomplete()
        || stores.is_some_and(crate::model::Verification::is_incomplete)
}

/// Returns `1 by an allow marker, 3 by the baseline`, or `None` if nothing was suppressed.
pub(super) fn suppressed(report: &Report) -> Option<String> {
    // A range brings its markers along: who reviews it should see that they counted.
    let marker = match report.mode {
        Mode::Range => "by an allow marker in the range",
        Mode::Tree | Mode::Stdin | Mode::Staged | Mode::History => "by an allow marker",
    };
    let kinds = [
        (SuppressionKind::Inline, marker),
        (SuppressionKind::Allowlist, "by an allow entry"),
        (SuppressionKind::Baseline, "by the baseline"),
    ];
    let parts: Vec<String> = kinds
        .into_iter()
        .map(|(kind, by)| {
            (
                report.suppressed.iter().filter(|s| s.kind == kind).count(),
                by,
            )
        })
        .filter(|(n, _)| *n > 0)
        .map(|(n, by)| format!("{} {by}", grouped(n as u64)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Returns the name of an encoding.
pub(super) const fn encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Base64 => "base64",
        Encoding::Hex => "hex",
        Encoding::Percent => "percent",
        Encoding::Escape => "escapes",
        Encoding::Utf16 => "UTF-16",
        Encoding::Utf32 => "UTF-32",
    }
}

/// Returns what to do about gaps that stay, in one line; `None` if there is nothing that could be accepted.
pub(super) fn accepting(report: &Report) -> Option<String> {
    let open = report.ledger.open();
    let names: Vec<String> = open
        .filter(|cause| SkipCause::ACCEPTABLE.contains(cause))
        .map(|cause| format!("\"{}\"", cause.as_str()))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "known gaps can be accepted: `[coverage] accept = [{}]` in keysweep.toml",
            names.join(", ")
        )
    })
}

/// Returns what to do about findings, in one line; `None` if there are none, or none in files that lie there to be explained.
pub(super) fn handling(report: &Report) -> Option<String> {
    let has_files = match report.mode {
        Mode::Tree | Mode::Staged => true,
        Mode::Stdin | Mode::Range | Mode::History => false,
    };
    if !has_files || report.findings.is_empty() {
        return None;
    }
    let has = |is_secret: bool| {
        let mut all = report.findings.iter();
        all.any(|finding| (finding.kind == Kind::Secret) == is_secret)
    };
    let mut parts = vec!["`keysweep explain PATH:LINE` says why"];
    if !report.fixes.is_empty() {
        parts.push("`keysweep fix` shows what it can mend");
    }
    parts.push(match (has(true), has(false)) {
        (true, false) => "if it is no secret, write `keysweep:allow[rule-id] reason` beside it",
        (true, true) => {
            "if it is no secret, or meant so, write `keysweep:allow[rule-id] reason` beside it"
        }
        (false, _) => "write `keysweep:allow[rule-id] reason` beside what is meant so",
    });
    if verdicts::live(report).is_some() {
        parts.push("`keysweep rotate plan --report FILE` plans to replace what is live (FILE: this report as json)");
    } else if has(true) {
        parts.push("if it is one, take it out, and revoke it if it was ever shared");
    }
    Some(parts.join("; "))
}

/// Returns one honest sentence about the whole run.
pub(super) fn closing(report: &Report) -> String {
    closing_under(report, Severity::Low)
}

/// Returns the same where findings below `fail_on` fail nothing.
pub(super) fn closing_under(report: &Report, fail_on: Severity) -> String {
    let below = match report.findings.iter().any(|f| f.severity >= fail_on) {
        true => String::new(),
        false => format!(", all below --fail-on {}", fail_on.as_str()),
    };
    let found = match report.findings.len() as u64 {
        0 => None,
        n => Some(format!(
            "{} ({}){below}{}",
            count(n, "finding", "findings"),
            severities(&report.findings),
            verdicts::live(report).map_or_else(String::new, |live| format!("; {live}"))
        )),
    };
    if is_incomplete(report) {
        let why = if report.interrupted {
            "the run was stopped"
        } else if !report.ledger.is_incomplete() {
            "not everything could be verified"
        } else {
            "not everything could be read"
        };
        return match found {
            Some(found) => format!("INCOMPLETE: {found}, but {why}: there may be more."),
            None => format!("INCOMPLETE: nothing found, but {why}: this is not a clean result."),
        };
    }
    match found {
        Some(found) => format!("{found}."),
        None if report.ledger.read.values().all(|n| *n == 0) => {
            "Nothing was found because there was nothing to read.".to_owned()
        }
        None => clean(report.mode, report.looked_for).to_owned(),
    }
}

/// Returns the sentence of a complete run without findings. It claims nothing of what was not looked for.
const fn clean(mode: Mode, looked_for: LookedFor) -> &'static str {
    match (mode, looked_for.secrets, looked_for.policy) {
        // A note says that policy reads files by their names.
        (Mode::Stdin, true, Some(_)) => "No secrets found in what was read.",
        (_, true, Some(_)) => "No secrets and no faults of policy found in what was read.",
        (_, true, None) => {
            "No secrets found in what was read (--only secrets: policy was not looked at)."
        }
        (_, false, _) => {
            "No faults of policy found in what was read (--only policy: secrets were not looked for)."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Counter, Ledger},
        report::sample,
    };

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(count(1, "file", "files"), "1 file");
        assert_eq!(count(1_234_567, "file", "files"), "1,234,567 files");
        assert_eq!(bytes(1023), "1,023 bytes");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
        assert_eq!(bytes(u64::MAX), "16,777,215.9 TiB");
    }

    #[test]
    fn caps_by_code_points() {
        assert_eq!(cap("äöü", 3), "äöü");
        assert_eq!(cap("äöüß", 3), "äö…");
    }

    #[test]
    fn a_clean_sentence_needs_a_complete_run() {
        let mut report = sample::report();
        report.findings.clear();
        assert!(closing(&report).starts_with("INCOMPLETE: nothing found"));
        report.ledger = Ledger::default();
        assert_eq!(
            closing(&report),
            "Nothing was found because there was nothing to read."
        );
        report.ledger.count(Counter::Files, 1);
        let clean = "No secrets and no faults of policy found in what was read.";
        assert_eq!(closing(&report), clean);
        report.ledger.skip(SkipCause::Ignored, "target".into(), "");
        assert_eq!(closing(&report), clean);
        report.looked_for.policy = None;
        assert!(closing(&report).starts_with("No secrets found in what was read (--only secrets"));
        report.looked_for = LookedFor {
            secrets: false,
            policy: Some(crate::model::Persona::Regular),
        };
        let policy = closing(&report);
        assert!(policy.starts_with("No faults of policy found"), "{policy}");
        assert!(policy.contains("secrets were not looked for"), "{policy}");
        report.interrupted = true;
        assert!(closing(&report).contains("the run was stopped"));
    }

    #[test]
    fn gaps_that_can_be_accepted_are_named() {
        let mut report = sample::report();
        report.ledger = Ledger::default();
        report.ledger.skip(SkipCause::Unreadable, "a".into(), "");
        assert_eq!(accepting(&report), None);
        report.ledger.skip(SkipCause::LfsPointer, "b".into(), "");
        assert!(accepting(&report).unwrap().contains("[\"lfs-pointer\"]"));
        report.ledger.accept(&[SkipCause::LfsPointer].into());
        assert_eq!(accepting(&report), None);
    }

    #[test]
    fn findings_below_the_threshold_are_called_so() {
        let mut report = sample::report();
        report.ledger = Ledger::default();
        let all = closing_under(&report, Severity::Critical);
        assert!(!all.contains("below"), "{all}");
        report.findings.retain(|f| f.severity < Severity::High);
        assert_eq!(
            closing_under(&report, Severity::High),
            "2 findings (1 medium, 1 low), all below --fail-on high."
        );
        assert_eq!(closing(&report), "2 findings (1 medium, 1 low).");
    }

    #[test]
    fn logs_hold_no_commands() {
        assert_eq!(
            inert("##[error]x ##vso[a] ###[b] ## [c] ##d", Escapes::PLAIN),
            "#·[error]x #·vso[a] ##·[b] ## [c] ##d"
        );
        assert_eq!(
            inert("a ::b::\n \t::error::x\r::c\n", Escapes::MARKUP),
            "a ::b::\n \t&#58;:error::x\r&#58;:c\n"
        );
    }

    #[test]
    fn history_names_introduction_and_fate() {
        let report = sample::report();
        let lines: Vec<Option<String>> = report
            .findings
            .iter()
            .map(|f| f.attribution.as_ref().and_then(history))
            .collect();
        insta::assert_debug_snapshot!(lines);
    }
}

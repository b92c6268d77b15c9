//! Workflow commands for GitHub Actions: one annotation a finding, the gaps first.
//!
//! GitHub shows 10 errors, 10 warnings and 10 notices of a step ("Workflow commands for GitHub Actions"; the limit is the
//! runner's); what is beyond is counted in a plain line, never dropped silently.

use crate::{
    model::{Finding, Severity},
    report::{coverage, verdicts, words},
    scan::Report,
};

/// Most annotations of one level that a step may have.
const MAX_PER_LEVEL: usize = 10;

/// Most names of what was not read, for one cause.
const MAX_NAMED: usize = 5;

/// The three levels of an annotation.
const LEVELS: [&str; 3] = ["error", "warning", "notice"];

/// Returns the commands, worst first, and one plain closing line.
pub(super) fn write(report: &Report) -> Vec<u8> {
    let mut commands: [Vec<String>; 3] = Default::default();
    if words::is_incomplete(report) {
        let [errors, ..] = &mut commands;
        errors.push(incomplete(report));
    }
    for finding in words::worst_first(report.findings.iter()) {
        let [errors, warnings, notices] = &mut commands;
        let (level, list) = match finding.severity {
            Severity::Critical | Severity::High => ("error", errors),
            Severity::Medium => ("warning", warnings),
            Severity::Low | Severity::Info => ("notice", notices),
        };
        list.push(annotation(level, finding));
    }
    let mut text = String::new();
    for (level, list) in LEVELS.into_iter().zip(&commands) {
        for command in list.iter().take(MAX_PER_LEVEL) {
            text.push_str(command);
            text.push('\n');
        }
        let left = list.len().saturating_sub(MAX_PER_LEVEL) as u64;
        if left > 0 {
            text.push_str(&format!(
                "keysweep: {} not annotated, as GitHub shows {MAX_PER_LEVEL} a step; the step summary and the other reports have all\n",
                words::count(left, &format!("more {level} is"), &format!("more {level}s are"))
            ));
        }
    }
    text.push_str(&format!("keysweep: {}\n", words::closing(report)));
    text.into_bytes()
}

fn incomplete(report: &Report) -> String {
    let mut message = words::closing(report);
    let gaps = coverage::gaps(&report.ledger, MAX_NAMED);
    for gap in gaps.iter().filter(|gap| gap.cause.is_gap()) {
        let (headline, names) = (gap.headline(), gap.names().join(", "));
        message.push_str(&format!("\nNot read: {headline}: {names}"));
    }
    for line in verdicts::unread(report) {
        message.push_str(&format!("\nNot verified: {line}"));
    }
    let command = format!("error title=keysweep is incomplete::{}", data(&message));
    // As in an annotation.
    format!("::{}", words::inert(&command, words::Escapes::PLAIN))
}

fn annotation(level: &str, finding: &Finding) -> String {
    let place = &finding.location;
    let mut properties = Vec::new();
    if words::has_file(finding.provenance.place, &place.path) {
        properties.push(format!("file={}", property(&place.path.to_text())));
        properties.push(format!("line={}", place.start_line));
        if place.end_line > place.start_line {
            properties.push(format!("endLine={}", place.end_line));
        } else {
            // Inclusive here, and honoured within one line only ("Checks: create a check run", annotations).
            let last = place.end_column.saturating_sub(1).max(place.start_column);
            properties.push(format!("col={}", place.start_column));
            properties.push(format!("endColumn={last}"));
        }
    }
    properties.push(format!(
        "title={}",
        property(&format!("keysweep: {}", finding.rule))
    ));
    let command = format!(
        "{} {}::{}",
        level,
        properties.join(","),
        data(&message(finding))
    );
    // Only the start of the line is a command of ours.
    format!("::{}", words::inert(&command, words::Escapes::PLAIN))
}

fn message(finding: &Finding) -> String {
    let mut message = format!("{}.", words::unstopped(&words::safe(&finding.message)));
    if !words::has_file(finding.provenance.place, &finding.location.path) {
        let place = words::place(&finding.location, &finding.provenance);
        message.push_str(&format!("\nPlace: {place}"));
    }
    for part in words::parts(finding, words::MAX_PARTS) {
        message.push_str(&format!("\nWith {part}"));
    }
    if let Some(history) = finding.attribution.as_ref().and_then(words::history) {
        message.push_str(&format!("\nHistory: {history}."));
    }
    let others = words::other_places(finding);
    if others > 0 {
        message.push_str(&format!(
            "\nAlso in {}.",
            words::count(others, "other place", "other places")
        ));
    }
    if let Some(verdict) = &finding.verdict {
        message.push_str(&format!("\nVerdict: {}.", verdicts::sentence(verdict)));
    }
    message.push_str(&format!("\nFingerprint: {}", finding.fingerprint));
    message
}

/// Escapes a message (actions/toolkit, `command.ts`: `escapeData`).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes a property's value (actions/toolkit, `command.ts`: `escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn text(report: &Report) -> String {
        String::from_utf8(write(report)).unwrap()
    }

    #[test]
    fn findings_become_annotations() {
        insta::assert_snapshot!(text(&sample::report()));
    }

    #[test]
    fn what_github_would_not_show_is_counted() {
        let mut report = sample::report();
        let one = report.findings.remove(0);
        report.findings = vec![one; 23];
        let text = text(&report);
        let level = text
            .lines()
            .filter(|line| line.starts_with("::warning"))
            .count();
        assert_eq!(level, 10);
        assert!(text.contains("keysweep: 13 more warnings are not annotated"));
    }

    #[test]
    fn every_line_is_a_command_or_ours() {
        let text = text(&sample::report());
        assert!(
            text.lines()
                .all(|line| line.starts_with("::") || line.starts_with("keysweep: "))
        );
    }
}

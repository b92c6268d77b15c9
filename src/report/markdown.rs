//! Markdown for comments and for GitHub's step summary.
//!
//! Text of the scanned tree stands in code spans or is escaped, so it cannot add links, images, mentions or HTML.

use crate::{
    model::Finding,
    report::{coverage, verdicts, words},
    scan::Report,
};

/// Most bytes of a step summary. GitHub refuses a step's summary above 1 MiB ("Workflow commands: step isolation and
/// limits").
const MAX_SUMMARY: usize = 1_000_000;
/// Most names listed for one cause.
const MAX_NAMED: usize = 10;

/// Returns the whole report.
pub(super) fn write(report: &Report) -> Vec<u8> {
    inert(&body(report, usize::MAX)).into_bytes()
}

/// Returns the report with as many findings, worst first, as GitHub's limit allows.
pub(super) fn summary(report: &Report) -> Vec<u8> {
    let mut rows = report.findings.len();
    loop {
        let text = body(report, rows);
        if text.len() <= MAX_SUMMARY || rows == 0 {
            return inert(&text).into_bytes();
        }
        rows /= 2;
    }
}

fn inert(text: &str) -> String {
    words::inert(text, words::Escapes::PLAIN)
}

fn body(report: &Report, rows: usize) -> String {
    let mut text = format!("## keysweep\n\n**{}**\n", prose(&words::closing(report)));
    if !report.findings.is_empty() {
        text.push_str(
            "\n| Severity | Rule | What | Place | History | Fingerprint |\n|---|---|---|---|---|---|\n",
        );
        let findings = words::worst_first(report.findings.iter());
        for finding in findings.iter().take(rows) {
            text.push_str(&row(finding));
        }
        let left = findings.len().saturating_sub(rows) as u64;
        if left > 0 {
            text.push_str(&format!(
                "\n{} not listed here for lack of room; the listed ones are the worst.\n",
                words::count(left, "finding is", "findings are")
            ));
        }
        remedies(&mut text, report);
    }
    ledger(&mut text, report);
    text
}

fn row(finding: &Finding) -> String {
    let history = finding
        .attribution
        .as_ref()
        .and_then(words::history)
        .unwrap_or_default();
    let more = match words::other_places(finding) {
        0 => String::new(),
        n => format!(" and {}", words::count(n, "other place", "other places")),
    };
    format!(
        "| {} | {} | {} | {}{more} | {} | {} |\n",
        finding.severity.as_str(),
        code(finding.rule.as_str()),
        what(finding),
        code(&words::place(&finding.location, &finding.provenance)),
        prose(&history),
        code(finding.fingerprint.as_str()),
    )
}

/// Returns the finding's message, and what else is part of it.
fn what(finding: &Finding) -> String {
    let parts = words::parts(finding, words::MAX_PARTS).into_iter();
    let mut message = prose(words::unstopped(&finding.message));
    if let Some(verdict) = &finding.verdict {
        message.push_str(&format!("<br>{}", prose(&verdicts::sentence(verdict))));
    }
    parts.fold(message, |text, part| {
        format!("{text}<br>with {}", prose(&part))
    })
}

/// Appends what to do, once a rule.
fn remedies(text: &mut String, report: &Report) {
    let mut rules: Vec<_> = report.findings.iter().map(|f| &f.rule).collect();
    rules.sort();
    rules.dedup();
    let lines: Vec<String> = rules
        .into_iter()
        .filter_map(|id| words::rule(report, id))
        .filter(|meta| !meta.remediation.is_empty())
        .map(|meta| format!("{}: {}", code(meta.id.as_str()), prose(&meta.remediation)))
        .collect();
    details(text, "What to do", &lines);
}

fn ledger(text: &mut String, report: &Report) {
    text.push_str(&format!("\nRead: {}.\n", coverage::read(&report.ledger)));
    for gap in coverage::gaps(&report.ledger, MAX_NAMED) {
        let names: Vec<String> = gap.names().iter().map(|name| code(name)).collect();
        let title = if gap.cause.is_gap() {
            format!("Not read: {}", gap.headline())
        } else {
            format!("Left out on purpose: {}", gap.headline())
        };
        details(text, &title, &names);
    }
    if let Some(line) = coverage::unreachable(&report.ledger) {
        text.push_str(&format!("\n{line}.\n"));
    }
    let notes: Vec<String> = report.ledger.notes.iter().map(|note| prose(note)).collect();
    details(text, "Notes", &notes);
    let stores: Vec<String> = verdicts::lines(report)
        .iter()
        .map(|line| prose(line))
        .collect();
    details(text, "Stores", &stores);
    if let Some(line) = words::suppressed(report) {
        text.push_str(&format!("\nSuppressed: {line}.\n"));
    }
    let unused: Vec<String> = report
        .unused_suppressions
        .iter()
        .map(|line| code(line))
        .collect();
    details(text, "Suppressions that met nothing", &unused);
}

/// Appends a folded list, nothing if it is empty.
fn details(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!(
        "\n<details><summary>{title}</summary>\n\n- {}\n\n</details>\n",
        lines.join("\n- ")
    ));
}

/// Returns a code span: nothing inside is interpreted, but for `|`, which ends a table cell unless escaped.
fn code(text: &str) -> String {
    let text = words::safe(text).replace('|', "\\|");
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    if text.is_empty() || text.starts_with('`') || text.ends_with('`') {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// Returns text with every character that Markdown or HTML could interpret as a character reference.
pub(super) fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = words::safe(text);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            // Between letters it could make a link or an emoji.
            ':' if rest.as_str().starts_with(' ') || rest.as_str().is_empty() => escaped.push(c),
            '.' | ',' | '-' | '(' | ')' | ';' | '%' | '\'' | '"' | '/' | '+' | '=' | '?' | '$' => {
                escaped.push(c);
            }
            c if c.is_ascii_punctuation() => escaped.push_str(&format!("&#{};", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_report_reads_well() {
        insta::assert_snapshot!(String::from_utf8(write(&sample::report())).unwrap());
    }

    #[test]
    fn code_spans_cannot_be_left() {
        assert_eq!(code("a`b``c|d"), "```a`b``c\\|d```");
        assert_eq!(code("`"), "`` ` ``");
    }

    #[test]
    fn prose_holds_no_markup() {
        assert_eq!(
            prose("[a](b) <img> @team #1 *x* https://e"),
            "&#91;a&#93;(b) &#60;img&#62; &#64;team &#35;1 &#42;x&#42; https&#58;//e"
        );
    }

    #[test]
    fn a_summary_keeps_the_limit_and_the_worst() {
        let mut report = sample::report();
        let low = report
            .findings
            .iter()
            .find(|f| f.severity < crate::model::Severity::High);
        let low = low.unwrap().clone();
        report.findings.extend(std::iter::repeat_n(low, 10_000));
        let text = String::from_utf8(summary(&report)).unwrap();
        assert!(text.len() <= MAX_SUMMARY);
        assert!(text.contains("findings are not listed here") && text.contains("| critical |"));
    }
}

//! JUnit XML: one failing test case a finding, and one case for coverage that passes only if the run was complete.

use crate::{
    model::Finding,
    report::{coverage, verdicts, words},
    scan::Report,
};

/// Most names listed for one cause.
const MAX_NAMED: usize = 20;

/// Returns the document.
pub(super) fn write(report: &Report) -> Vec<u8> {
    let failures = report.findings.len();
    let errors = usize::from(words::is_incomplete(report));
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\"",
        failures + 1
    );
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"keysweep\" {counts}>\n  <testsuite name=\"keysweep {}\" {counts}>\n",
        report.mode.as_str()
    );
    for finding in &report.findings {
        text.push_str(&case(report, finding));
    }
    text.push_str(&coverage_case(report));
    text.push_str("  </testsuite>\n</testsuites>\n");
    words::inert(&text, words::Escapes::MARKUP).into_bytes()
}

fn case(report: &Report, finding: &Finding) -> String {
    let mut lines = vec![format!("severity: {}", finding.severity.as_str())];
    let parts = words::parts(finding, usize::MAX);
    lines.extend(parts.iter().map(|part| format!("with: {part}")));
    if let Some(history) = finding.attribution.as_ref().and_then(words::history) {
        lines.push(format!("history: {history}"));
    }
    let others = words::other_places(finding);
    if others > 0 {
        lines.push(format!("other places: {}", words::grouped(others)));
    }
    if let Some(meta) = words::rule(report, &finding.rule) {
        lines.push(format!("help: {}", meta.remediation));
    }
    if let Some(verdict) = &finding.verdict {
        lines.push(format!("verdict: {}", verdicts::sentence(verdict)));
    }
    lines.push(format!("fingerprint: {}", finding.fingerprint));
    format!(
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\">\n      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>\n",
        escape(finding.rule.as_str()),
        escape(&words::place(&finding.location, &finding.provenance)),
        escape(&finding.location.path.to_text()),
        finding.location.start_line,
        finding.severity.as_str(),
        escape(&finding.message),
        escape(&lines.join("\n")),
    )
}

fn coverage_case(report: &Report) -> String {
    let mut lines = vec![format!("read: {}", coverage::read(&report.ledger))];
    for gap in coverage::gaps(&report.ledger, MAX_NAMED) {
        lines.push(format!("{}: {}", gap.headline(), gap.names().join(", ")));
    }
    lines.extend(report.ledger.notes.iter().cloned());
    lines.extend(verdicts::lines(report));
    let body = escape(&lines.join("\n"));
    let inner = if words::is_incomplete(report) {
        format!(
            "      <error type=\"incomplete\" message=\"{}\">{body}</error>\n",
            escape(&words::closing(report))
        )
    } else {
        format!("      <system-out>{body}</system-out>\n")
    };
    format!("    <testcase classname=\"keysweep\" name=\"coverage\">\n{inner}    </testcase>\n")
}

/// Escapes for text and for attributes in double quotes; what XML 1.0 cannot hold (section 2.2) becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
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
    fn findings_fail_and_gaps_are_errors() {
        insta::assert_snapshot!(String::from_utf8(write(&sample::report())).unwrap());
    }

    #[test]
    fn a_complete_clean_run_passes() {
        let mut report = sample::report();
        report.findings.clear();
        report.ledger = crate::model::Ledger::default();
        let text = String::from_utf8(write(&report)).unwrap();
        assert!(
            text.contains("tests=\"1\" failures=\"0\" errors=\"0\"") && !text.contains("<error")
        );
    }

    #[test]
    fn nothing_leaves_an_attribute() {
        assert_eq!(
            escape("\"<&>\u{1b}\u{ffff}"),
            "&quot;&lt;&amp;&gt;\u{fffd}\u{fffd}"
        );
    }
}

//! The report for people: each finding through miette, then coverage, counts and one closing sentence.
//!
//! Every line that holds text of the scanned tree starts with text of ours, so that no CI service takes it for a command.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use crate::{
    model::{Excerpt, Finding, Location, Severity},
    report::{Options, coverage, verdicts, words},
    scan::Report,
};

/// Most other places and names of skipped things that are listed.
const MAX_LISTED: usize = 5;
/// Most unused suppressions that are listed.
const MAX_UNUSED: usize = 20;

/// Returns the whole report.
pub(super) fn write(report: &Report, options: &Options) -> Vec<u8> {
    let handler = handler(options);
    let mut text = String::new();
    for finding in &report.findings {
        let shown = Shown::new(report, finding);
        handler
            .render_report(&mut text, &shown)
            .expect("a String takes all text, and `Source` gives every span");
        details(&mut text, finding, options);
        text.push('\n');
    }
    ending(&mut text, report, options);
    words::inert(&text, words::Escapes::PLAIN).into_bytes()
}

fn handler(options: &Options) -> GraphicalReportHandler {
    let theme = match (options.unicode, options.color) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme::ascii(),
        (false, false) => GraphicalTheme::none(),
    };
    GraphicalReportHandler::new_themed(theme)
        .with_width(options.width.max(40))
        .with_links(false)
        .with_break_words(false)
        .with_context_lines(1)
}

/// Appends what stands below the excerpt.
fn details(text: &mut String, finding: &Finding, options: &Options) {
    if finding.excerpt.is_none() {
        field(
            text,
            "place",
            &words::place(&finding.location, &finding.provenance),
        );
    }
    let sure = finding.confidence.as_str();
    let bad = finding.severity.as_str();
    field(text, "severity", &format!("{bad}, confidence {sure}"));
    if let Some(history) = finding.attribution.as_ref().and_then(words::history) {
        field(text, "history", &history);
    }
    let encodings = finding.occurrences.first().map(|first| &first.encodings);
    if let Some(encodings) = encodings.filter(|list| !list.is_empty()) {
        let names: Vec<&str> = encodings.iter().map(|e| words::encoding(*e)).collect();
        field(text, "encoded as", &names.join(", then "));
    }
    if options.reveal && !finding.secret.is_empty() {
        // Exposed because the user asked for it with --reveal; still safe for a terminal.
        let value = String::from_utf8_lossy(finding.secret.expose());
        match value.trim_end().split_once('\n') {
            None => field(text, "value", &words::safe(&value)),
            Some(_) => block(text, "value", &value),
        }
    }
    if let Some(verdict) = &finding.verdict {
        field(text, "verdict", &verdicts::sentence(verdict));
        list(text, "in the store", &verdicts::facts(verdict));
    }
    field(text, "fingerprint", finding.fingerprint.as_str());
    list(text, "with", &words::parts(finding, usize::MAX));
    list(text, "also at", &others(finding));
}

fn others(finding: &Finding) -> Vec<String> {
    let all = finding.occurrences.iter().skip(1);
    let mut places: Vec<String> = all
        .take(MAX_LISTED)
        .map(|one| words::place(&one.location, &one.provenance))
        .collect();
    let listed = u64::try_from(places.len()).unwrap_or(u64::MAX);
    let more = words::other_places(finding).saturating_sub(listed);
    if more > 0 {
        places.push(format!("and {} more", words::grouped(more)));
    }
    places
}

fn field(text: &mut String, name: &str, value: &str) {
    text.push_str(&format!("  {name}: {value}\n"));
}

/// Appends a text of several lines, each behind a bar.
fn block(text: &mut String, name: &str, value: &str) {
    text.push_str(&format!("  {name}:\n"));
    for line in value.lines() {
        text.push_str(&format!("    | {}\n", words::safe(line)));
    }
}

fn list(text: &mut String, name: &str, items: &[String]) {
    if !items.is_empty() {
        text.push_str(&format!("  {name}:\n"));
    }
    for item in items {
        text.push_str(&format!("    - {item}\n"));
    }
}

/// Appends coverage, suppressions, counts and the closing sentence.
fn ending(text: &mut String, report: &Report, options: &Options) {
    text.push_str(&format!("Read: {}\n", coverage::read(&report.ledger)));
    skipped(text, report);
    if let Some(line) = coverage::unreachable(&report.ledger) {
        text.push_str(&format!("{line}.\n"));
    }
    if let Some(verification) = &report.verification {
        stores(text, verification);
    }
    let notes: Vec<String> = report.ledger.notes.iter().map(|n| words::safe(n)).collect();
    list(text, "notes", &notes);
    if let Some(line) = words::suppressed(report) {
        text.push_str(&format!("Suppressed: {line}\n"));
    }
    let unused = report.unused_suppressions.iter();
    let mut unused: Vec<String> = unused.map(|line| words::safe(line)).collect();
    let more = unused.len().saturating_sub(MAX_UNUSED) as u64;
    if more > 0 {
        unused.truncate(MAX_UNUSED);
        unused.push(format!(
            "and {} more; --output json lists all",
            words::grouped(more)
        ));
    }
    list(text, "suppressions that met nothing", &unused);
    text.push('\n');
    for (severity, n) in words::by_severity(&report.findings) {
        text.push_str(&format!(
            "  {:<9}{:>7}\n",
            severity.as_str(),
            words::grouped(n)
        ));
    }
    text.push_str(&emphasised(report, options));
    text.push('\n');
    if let Some(help) = words::handling(report) {
        field(text, "help", &help);
    }
    if let Some(help) = words::accepting(report) {
        field(text, "help", &help);
    }
}

/// Appends what was read of the secrets stores.
fn stores(text: &mut String, verification: &crate::model::Verification) {
    text.push_str("Stores:\n");
    for (headline, problems) in verdicts::coverage(verification) {
        text.push_str(&format!("  {headline}\n"));
        for problem in problems {
            text.push_str(&format!("    - {problem}\n"));
        }
    }
    text.push_str(&format!("  {}\n", verdicts::compared(verification)));
    list(text, "shared values", &verdicts::shared(verification));
}

/// Appends what was not read, and what was left out on purpose.
fn skipped(text: &mut String, report: &Report) {
    let gaps = coverage::gaps(&report.ledger, MAX_LISTED);
    for (title, wanted) in [("NOT READ", true), ("Left out on purpose", false)] {
        let mut gaps = gaps
            .iter()
            .filter(|gap| gap.cause.is_gap() == wanted)
            .peekable();
        if gaps.peek().is_some() {
            text.push_str(&format!("{title}:\n"));
        }
        for gap in gaps {
            list(text, &gap.headline(), &gap.names());
        }
    }
}

/// Returns the closing sentence of a run that is no clean one, with what was not read and why.
pub(super) fn incomplete(report: &Report) -> Vec<u8> {
    let mut text = format!("{}\n", words::closing(report));
    skipped(&mut text, report);
    if let Some(help) = words::accepting(report) {
        field(&mut text, "help", &help);
    }
    words::inert(&text, words::Escapes::PLAIN).into_bytes()
}

fn emphasised(report: &Report, options: &Options) -> String {
    let sentence = words::closing_under(report, options.fail_on);
    if !options.color {
        return sentence;
    }
    let clean = report.findings.is_empty() && !words::is_incomplete(report);
    // SGR: bold green or bold red.
    let style = if clean { "1;32" } else { "1;31" };
    format!("\u{1b}[{style}m{sentence}\u{1b}[0m")
}

/// A finding as miette sees it.
struct Shown<'a> {
    finding: &'a Finding,
    message: String,
    help: Option<String>,
    source: Option<Source>,
}

impl<'a> Shown<'a> {
    fn new(report: &Report, finding: &'a Finding) -> Self {
        let excerpt = finding.excerpt.clone();
        Self {
            finding,
            message: words::safe(&finding.message),
            help: words::rule(report, &finding.rule)
                .map(|meta| words::safe(&meta.remediation))
                .filter(|text| !text.is_empty()),
            source: excerpt.map(|excerpt| Source {
                name: words::holder(&finding.location.path, &finding.provenance),
                location: finding.location.clone(),
                excerpt,
            }),
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.finding.rule))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Critical | Severity::High => miette::Severity::Error,
            Severity::Medium => miette::Severity::Warning,
            Severity::Low | Severity::Info => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Excerpt { start, end, .. } = self.source.as_ref()?.excerpt;
        let label = LabeledSpan::new_primary_with_span(None, (start, end.saturating_sub(start)));
        Some(Box::new(std::iter::once(label)))
    }
}

/// The excerpt under the file's own line numbers.
struct Source {
    name: String,
    location: Location,
    excerpt: Excerpt,
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.excerpt.text.as_bytes();
        // miette asks without context for the head line (`path:line:column`), with context for the lines to draw.
        let (line, column) = if before == 0 && after == 0 {
            (self.location.start_line, self.location.start_column)
        } else {
            (self.excerpt.first_line, 1)
        };
        let zero_based = |n: u32| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let whole = if before == 0 && after == 0 {
            *span
        } else {
            SourceSpan::from((0, text.len()))
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            text,
            whole,
            zero_based(line),
            zero_based(column),
            text.iter().filter(|byte| **byte == b'\n').count(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn text(options: &Options) -> String {
        String::from_utf8(write(&sample::report(), options)).unwrap()
    }

    #[test]
    fn plain_text_says_everything() {
        insta::assert_snapshot!(text(&Options::default()));
    }

    #[test]
    fn a_terminal_gets_drawings_and_colours() {
        let options = Options {
            color: true,
            unicode: true,
            width: 72,
            ..Options::default()
        };
        insta::assert_snapshot!(text(&options).replace('\u{1b}', "ESC"));
    }

    #[test]
    fn values_are_shown_on_request_only() {
        let options = Options {
            reveal: true,
            ..Options::default()
        };
        assert!(text(&options).contains(&format!("value: {}\n", sample::VALUES[0])));
        assert!(!text(&Options::default()).contains("value:"));
        let mut report = sample::report();
        report.findings[0].secret = crate::model::Secret::new(b"BEGIN\r\n  ab\x1b\nEND\n");
        let text = String::from_utf8(write(&report, &options)).unwrap();
        let lines = "  value:\n    | BEGIN\n    |   ab\\x1b\n    | END\n  fingerprint";
        assert!(text.contains(lines), "{text}");
    }

    #[test]
    fn many_unused_suppressions_are_counted() {
        let mut report = sample::report();
        report.unused_suppressions = (0..30).map(|n| format!("line {n:02}")).collect();
        let text = String::from_utf8(write(&report, &Options::default())).unwrap();
        assert!(
            text.contains("- line 19\n    - and 10 more; --output json lists all\n"),
            "{text}"
        );
    }

    #[test]
    fn a_clean_run_is_short() {
        let mut report = sample::report();
        report.findings.clear();
        report.suppressed.clear();
        report.unused_suppressions.clear();
        report.ledger = crate::model::Ledger::default();
        report.ledger.count(crate::model::Counter::Files, 3);
        let text = String::from_utf8(write(&report, &Options::default())).unwrap();
        assert_eq!(
            text,
            "Read: 3 files\n\nNo secrets and no faults of policy found in what was read.\n"
        );
    }

    #[test]
    fn no_line_starts_with_foreign_text() {
        let mut report = sample::report();
        for finding in &mut report.findings {
            let place = sample::location("::error::x", 1, 1, 3);
            finding.location = place.clone();
            for occurrence in &mut finding.occurrences {
                occurrence.location = place.clone();
            }
        }
        let text = String::from_utf8(write(&report, &Options::default())).unwrap();
        assert!(
            text.lines()
                .all(|line| !line.trim_start().starts_with("::"))
        );
    }
}

//! What leaves the program: one file a format, and the search of our own output.
//!
//! Promises: a format is written from the [`Report`] and the [`Options`] alone (no clock, no environment, no file), so
//! the same report gives the same bytes; no text of a scanned tree reaches an output unescaped; nothing is released that
//! holds a secret of the run, plain or encoded, unless the user asked for values. `docs/reports.md` describes each format.

mod coverage;
mod github;
mod gitlab;
mod inert;
mod json;
mod junit;
mod markdown;
mod merge;
mod read;
mod release;
mod sarif;
mod sarif_model;
mod sarif_result;
mod sarif_rules;
mod text;
mod verdicts;
mod words;

#[cfg(test)]
mod sample;

use crate::{
    model::{Fingerprint, RuleId, Severity},
    scan::Report,
};

pub use merge::merge;
pub use read::{ReadError, read};

/// The output formats. Matched without `_`: each new one must be thought through everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// For people, on a terminal or in a log.
    Text,
    /// One JSON document (`docs/report.schema.json`).
    Json,
    /// One finding a line, each as in the JSON document.
    Jsonl,
    /// SARIF 2.1.0 for code scanning of GitHub and GitLab.
    Sarif,
    /// Workflow commands that annotate a GitHub run.
    Github,
    /// GitLab's secret detection report.
    Gitlab,
    /// JUnit XML, for servers that show test results only.
    Junit,
    /// Markdown, for comments and summaries.
    Markdown,
}

impl Format {
    /// All, in the order of the manual.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::Json,
        Self::Jsonl,
        Self::Sarif,
        Self::Github,
        Self::Gitlab,
        Self::Junit,
        Self::Markdown,
    ];

    /// Returns the name used on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
        }
    }

    /// Returns the format of that name, or `None`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// Tells whether [`Options::reveal`] puts values into this format. The others are made to be uploaded.
    #[must_use]
    pub const fn can_reveal(self) -> bool {
        match self {
            Self::Text | Self::Json | Self::Jsonl => true,
            Self::Sarif | Self::Github | Self::Gitlab | Self::Junit | Self::Markdown => false,
        }
    }
}

/// What formats need beside the report. Everything here comes from the caller, nothing from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether `text`, `json` and `jsonl` show values.
    pub reveal: bool,
    /// The least severity that fails the run; `text` says when all findings are below it.
    pub fail_on: Severity,
    /// Whether `text` may use colours.
    pub color: bool,
    /// Whether `text` may draw with characters beyond ASCII.
    pub unicode: bool,
    /// Columns of `text`, at least 40.
    pub width: usize,
    /// When the run began, as `YYYY-MM-DDThh:mm:ssZ`; GitLab's report demands it and says 1970 without it.
    pub started: Option<String>,
    /// When the run ended, alike.
    pub ended: Option<String>,
    /// The repository that was scanned, for SARIF and GitLab.
    pub repository: Option<Repository>,
    /// SARIF's own choices.
    pub sarif: Sarif,
    /// Whether verdicts leave out the names of keys, their owners and readers.
    pub redact_paths: bool,
}

/// The repository that a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its address, without credentials.
    pub uri: String,
    /// The full name of the commit at HEAD.
    pub revision: Option<String>,
    /// The branch.
    pub branch: Option<String>,
}

/// What a SARIF file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sarif {
    /// Which runs.
    pub part: Part,
    /// Whether suppressed findings are listed with `suppressions`. GitLab honours that, GitHub shows them as open.
    pub suppressed: bool,
    /// A word between `keysweep/` and the part in the category, for repositories that scan several trees apart.
    pub category: Option<String>,
    /// The file that carries findings without a file of their own (commit messages, reference names): forges show no
    /// result without one, so it should exist in the repository.
    pub anchor: String,
}

/// Which runs a SARIF file holds. HEAD and history are separate categories: an upload replaces all alerts of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every run that the scan's mode has.
    All,
    /// Only what HEAD, the tree, the index or the range holds.
    Head,
    /// Only what history alone holds.
    History,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reveal: false,
            fail_on: Severity::Low,
            color: false,
            unicode: false,
            width: 100,
            started: None,
            ended: None,
            repository: None,
            redact_paths: false,
            sarif: Sarif {
                part: Part::All,
                suppressed: false,
                category: None,
                anchor: "README.md".to_owned(),
            },
        }
    }
}

/// Why a report was not released.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReportError {
    /// The search of our own output met a value.
    #[error("the {} report was withheld: it holds the value of finding {fingerprint} ({rule})", format.as_str())]
    #[diagnostic(
        code(keysweep::report::leak),
        help(
            "this is a fault of keysweep: please report it with the rule and format, never with the value; another --output format may work meanwhile"
        )
    )]
    Leak {
        /// What was to be written.
        format: Format,
        /// The finding's rule.
        rule: RuleId,
        /// The finding's public identity.
        fingerprint: Fingerprint,
    },
}

/// Returns the report as `format`, ending with a line break, after searching it for every secret of the run.
///
/// # Errors
/// [`ReportError::Leak`] when the text holds a secret that nobody asked to see, and would without any text of the scanned tree.
pub fn render(report: &Report, format: Format, options: &Options) -> Result<Vec<u8>, ReportError> {
    let shown;
    let report = match verified(report, options.redact_paths) {
        Some(safe) => {
            shown = safe;
            &shown
        }
        None => report,
    };
    if options.reveal && format.can_reveal() {
        return Ok(write(report, format, options));
    }
    // A branch may be named after anything.
    let mut options = options.clone();
    let is_silent = |repository: &Repository| {
        let texts = [Some(&repository.uri), repository.branch.as_ref()];
        !release::is_told(report, texts.into_iter().flatten())
    };
    options.repository = options.repository.filter(is_silent);
    release::release(report, format, |report| write(report, format, &options))
}

/// Returns a report with safe verdicts, without names of keys if they are not to be shown; `None` if it has no verdicts.
fn verified(report: &Report, redact_paths: bool) -> Option<Report> {
    let has_verdicts = report.verification.is_some()
        || report
            .findings
            .iter()
            .any(|finding| finding.verdict.is_some());
    if !has_verdicts {
        return None;
    }
    let mut safe = report.clone();
    verdicts::sanitise(&mut safe);
    if redact_paths {
        verdicts::withhold(&mut safe);
    }
    Some(safe)
}

/// Returns the Markdown for `GITHUB_STEP_SUMMARY`, within GitHub's limit of 1 MiB, searched like every format.
///
/// # Errors
/// As [`render`].
pub fn github_summary(report: &Report, redact_paths: bool) -> Result<Vec<u8>, ReportError> {
    let shown;
    let report = match verified(report, redact_paths) {
        Some(safe) => {
            shown = safe;
            &shown
        }
        None => report,
    };
    release::release(report, Format::Markdown, markdown::summary)
}

/// Returns the lines that warn of an incomplete run, without any text of the scanned tree; `None` if it was complete.
#[must_use]
pub fn warning(report: &Report) -> Option<String> {
    if !words::is_incomplete(report) {
        return None;
    }
    let mut text = format!("keysweep: {}\n", words::closing(report));
    for gap in coverage::gaps(&report.ledger, 0) {
        if gap.cause.is_gap() {
            text.push_str(&format!("keysweep: not read: {}\n", gap.headline()));
        }
    }
    if let Some(help) = words::accepting(report) {
        text.push_str(&format!("keysweep: help: {help}\n"));
    }
    Some(text)
}

/// Returns what an incomplete run did not read and why, for commands that print no report; `None` if it was complete. Searched
/// like every format.
///
/// # Errors
/// As [`render`].
pub fn gaps(report: &Report) -> Result<Option<Vec<u8>>, ReportError> {
    if !words::is_incomplete(report) {
        return Ok(None);
    }
    release::release(report, Format::Text, text::incomplete).map(Some)
}

/// Returns text in which no CI service finds a command of its own, for what else goes to a log.
#[must_use]
pub fn inert(text: &str) -> String {
    words::inert(text, words::Escapes::PLAIN)
}

fn write(report: &Report, format: Format, options: &Options) -> Vec<u8> {
    match format {
        Format::Text => text::write(report, options),
        Format::Json => json::document(report, options),
        Format::Jsonl => json::lines(report, options),
        Format::Sarif => sarif::write(report, options),
        Format::Github => github::write(report),
        Format::Gitlab => gitlab::write(report, options),
        Format::Junit => junit::write(report),
        Format::Markdown => markdown::write(report),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for format in Format::ALL {
            assert_eq!(Format::parse(format.as_str()), Some(format));
        }
        assert_eq!(Format::parse("html5"), None);
    }

    #[test]
    fn the_error_says_what_to_do_and_no_value() {
        let error = ReportError::Leak {
            format: Format::Sarif,
            rule: RuleId::new("github-oauth-token"),
            fingerprint: Fingerprint::parse(&format!("k1:{}", "0".repeat(32))).unwrap(),
        };
        let mut text = String::new();
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
            .with_width(100)
            .render_report(&mut text, &error)
            .unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn every_format_is_deterministic_and_ends_with_a_line_break() {
        let report = sample::report();
        for format in Format::ALL {
            let one = render(&report, format, &Options::default()).unwrap();
            assert_eq!(one.last(), Some(&b'\n'), "{format:?}");
            assert_eq!(one, render(&report, format, &Options::default()).unwrap());
            assert!(std::str::from_utf8(&one).is_ok());
        }
    }

    #[test]
    fn no_format_passes_commands_of_ci_services_on() {
        let evil = "##[error]a ##vso[task.setvariable]b ##teamcity[c] ::error::d";
        let mut report = sample::report();
        report.ledger.note(format!("x\n{evil}"));
        report.unused_suppressions.push(evil.to_owned());
        let mut rule = (*report.rules[1]).clone();
        rule.remediation = format!("{}\n::error::x {evil}", "long ".repeat(40)).into();
        rule.description = evil.to_owned().into();
        report.rules[1] = std::sync::Arc::new(rule);
        for finding in &mut report.findings {
            finding.message = evil.to_owned();
            finding.location.path = format!("::error::{evil}").as_str().into();
            for occurrence in &mut finding.occurrences {
                occurrence.location.path = finding.location.path.clone();
            }
            if let Some(excerpt) = &mut finding.excerpt {
                excerpt.text = format!("::error::{evil}");
                (excerpt.start, excerpt.end) = (0, 5);
            }
        }
        for format in Format::ALL {
            let text =
                String::from_utf8(render(&report, format, &Options::default()).unwrap()).unwrap();
            let ours = |line: &&str| format != Format::Github || !line.starts_with("::");
            for line in text.lines().filter(ours) {
                assert!(!line.trim_start().starts_with("::"), "{format:?}: {line}");
            }
            for command in ["##[", "##vso[", "##teamcity["] {
                assert!(!text.contains(command), "{format:?} has {command}");
            }
        }
        let json = render(&report, Format::Json, &Options::default()).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            json["findings"][0]["message"], evil,
            "a reader gets the same text"
        );
    }

    #[test]
    fn no_format_passes_escape_codes_or_direction_marks_on() {
        let report = sample::report();
        for format in Format::ALL {
            let text =
                String::from_utf8(render(&report, format, &Options::default()).unwrap()).unwrap();
            let bad = text
                .chars()
                .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}'));
            assert_eq!(bad, None, "{format:?}");
        }
    }
}

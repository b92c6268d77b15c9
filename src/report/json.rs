//! The JSON report and its one-finding-a-line variant. The schema is `docs/report.schema.json`; a change of shape that
//! could break a reader needs a new number in [`SCHEMA`].

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    model::{
        Attribution, BlobPath, Confidence, Excerpt, Finding, Fingerprint, Kind, Ledger, Location,
        ObjectId, Occurrence, Persona, Place, Related, RuleId, RuleMeta, Severity, SuppressionKind,
        Verdict, Verification,
    },
    report::{Options, words},
    scan::{Report, Scope},
};

/// Names the shape of the document.
pub(super) const SCHEMA: &str = "urn:keysweep:report:1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: Tool,
    mode: &'static str,
    scope: JsonScope<'a>,
    /// The one kind of findings that was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<&'static str>,
    /// For whom policy was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    persona: Option<Persona>,
    /// False when something that could hold a secret was not read.
    complete: bool,
    interrupted: bool,
    ledger: &'a Ledger,
    findings: Vec<JsonFinding<'a>>,
    suppressed: Vec<JsonSuppressed<'a>>,
    unused_suppressions: &'a [String],
    /// The rules that findings and suppressed findings refer to.
    rules: Vec<&'a RuleMeta>,
    /// What of secrets stores was read for the verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<&'a Verification>,
}

/// How much of its tree or repository the run looked at.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum JsonScope<'a> {
    Whole,
    Directory { path: &'a BlobPath },
    Files,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
    /// How many rules ran.
    rules: usize,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    rule: &'a RuleId,
    kind: Kind,
    severity: Severity,
    confidence: Confidence,
    message: &'a str,
    fingerprint: &'a Fingerprint,
    location: &'a Location,
    provenance: JsonProvenance<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<&'a Attribution>,
    occurrences: &'a [Occurrence],
    more_occurrences: u64,
    related: &'a [Related],
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<&'a Excerpt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_hex: Option<String>,
}

/// The primary occurrence's source, and the commit that introduced the secret.
#[derive(Serialize)]
struct JsonProvenance<'a> {
    kind: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<ObjectId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonSuppressed<'a> {
    kind: SuppressionKind,
    reason: &'a str,
    finding: JsonFinding<'a>,
}

/// Returns the whole report as one document.
pub(super) fn document(report: &Report, options: &Options) -> Vec<u8> {
    let suppressed = report.suppressed.iter().map(|s| &s.finding);
    let used: BTreeSet<&RuleId> = report
        .findings
        .iter()
        .chain(suppressed)
        .map(|f| &f.rule)
        .collect();
    let document = Document {
        schema: SCHEMA,
        tool: Tool {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            rules: report.rules_run,
        },
        mode: report.mode.as_str(),
        scope: match &report.scope {
            Scope::Whole => JsonScope::Whole,
            Scope::Directory(path) => JsonScope::Directory { path },
            Scope::Files => JsonScope::Files,
        },
        only: report.looked_for.only(),
        persona: report.looked_for.policy,
        complete: !words::is_incomplete(report),
        interrupted: report.interrupted,
        ledger: &report.ledger,
        findings: report
            .findings
            .iter()
            .map(|f| JsonFinding::new(f, options))
            .collect(),
        suppressed: report
            .suppressed
            .iter()
            .map(|s| JsonSuppressed {
                kind: s.kind,
                reason: &s.reason,
                finding: JsonFinding::new(&s.finding, options),
            })
            .collect(),
        unused_suppressions: &report.unused_suppressions,
        rules: used
            .into_iter()
            .filter_map(|id| words::rule(report, id))
            .collect(),
        verification: report.verification.as_ref(),
    };
    pretty(&document)
}

/// Returns one finding a line.
pub(super) fn lines(report: &Report, options: &Options) -> Vec<u8> {
    let mut text = Vec::new();
    for finding in &report.findings {
        text.extend(compact(&JsonFinding::new(finding, options)));
    }
    text
}

/// Returns JSON with two blanks of indent and a line break at the end.
pub(super) fn pretty(value: &impl Serialize) -> Vec<u8> {
    ended(serde_json::to_vec_pretty(value))
}

/// Returns JSON on one line and a line break at the end.
pub(super) fn compact(value: &impl Serialize) -> Vec<u8> {
    ended(serde_json::to_vec(value))
}

fn ended(json: serde_json::Result<Vec<u8>>) -> Vec<u8> {
    let json =
        json.expect("our types are plain data with text keys, which serde_json never refuses");
    let mut text = String::from_utf8(json).expect("serde_json writes UTF-8");
    text.push('\n');
    // Only inside of strings can there be a `#`, and there the escape is the same text.
    words::inert(&text, words::Escapes::JSON).into_bytes()
}

impl<'a> JsonFinding<'a> {
    fn new(finding: &'a Finding, options: &Options) -> Self {
        let (secret, secret_hex) = if options.reveal {
            revealed(finding)
        } else {
            (None, None)
        };
        let introduced = finding
            .attribution
            .as_ref()
            .and_then(|a| a.introduced.as_ref());
        Self {
            rule: &finding.rule,
            kind: finding.kind,
            severity: finding.severity,
            confidence: finding.confidence,
            message: &finding.message,
            fingerprint: &finding.fingerprint,
            location: &finding.location,
            provenance: JsonProvenance {
                kind: finding.provenance.place,
                object: finding.provenance.object,
                commit: introduced.map(|commit| commit.id),
                author: introduced.map(|commit| commit.author.as_str()),
                date: introduced.map(|commit| commit.date.as_str()),
            },
            history: finding.attribution.as_ref(),
            occurrences: &finding.occurrences,
            more_occurrences: finding.more_occurrences,
            related: &finding.related,
            excerpt: finding.excerpt.as_ref(),
            line_hash: finding.line_hash.as_deref(),
            verdict: finding.verdict.as_ref(),
            secret,
            secret_hex,
        }
    }
}

/// Returns the value as text, or as hex digits when it is not UTF-8.
fn revealed(finding: &Finding) -> (Option<String>, Option<String>) {
    // Exposed because the user asked for it with --reveal.
    let value = finding.secret.expose();
    match std::str::from_utf8(value) {
        _ if value.is_empty() => (None, None),
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => {
            let hex = value.iter().map(|byte| format!("{byte:02x}")).collect();
            (None, Some(hex))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Secret, SkipCause},
        report::sample,
    };

    fn text(json: Vec<u8>) -> String {
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn the_document_has_the_published_shape() {
        insta::assert_snapshot!(text(document(&sample::report(), &Options::default())));
    }

    /// The rest of the schema is checked by `tests/it` with an outside program.
    #[test]
    fn the_schema_knows_every_cause() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
        assert_eq!(schema["$id"], SCHEMA);
        let names = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let ledger = &schema["$defs"]["ledger"]["properties"];
        let mut causes = names(&ledger["skipped"]["properties"]);
        causes.retain(|name| !CAUSES.iter().any(|cause| cause.as_str() == name));
        assert!(causes.is_empty(), "unknown to the model: {causes:?}");
        for cause in CAUSES {
            let listed = schema["$defs"]["cause"]["enum"].as_array().unwrap();
            assert!(listed.iter().any(|name| name == cause.as_str()));
            assert!(!ledger["skipped"]["properties"][cause.as_str()].is_null());
        }
    }

    const CAUSES: [SkipCause; 13] = [
        SkipCause::ShallowBoundary,
        SkipCause::MissingObject,
        SkipCause::LfsPointer,
        SkipCause::Submodule,
        SkipCause::TooLarge,
        SkipCause::Unreadable,
        SkipCause::Undecodable,
        SkipCause::Ignored,
        SkipCause::ExcludedPath,
        SkipCause::SpecialFile,
        SkipCause::LimitHit,
        SkipCause::Interrupted,
        SkipCause::Unsupported,
    ];

    #[test]
    fn lines_hold_the_findings_of_the_document() {
        let report = sample::report();
        let document: serde_json::Value =
            serde_json::from_slice(&document(&report, &Options::default())).unwrap();
        let lines: Vec<serde_json::Value> = text(lines(&report, &Options::default()))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(document["findings"], serde_json::Value::from(lines));
    }

    #[test]
    fn values_are_shown_on_request_only() {
        let mut report = sample::report();
        let options = Options {
            reveal: true,
            ..Options::default()
        };
        report.findings[0].secret = Secret::new(b"\xff\x01");
        let shown: serde_json::Value =
            serde_json::from_slice(&document(&report, &options)).unwrap();
        assert_eq!(shown["findings"][0]["secret_hex"], "ff01");
        assert_eq!(
            shown["suppressed"][0]["finding"]["secret"],
            sample::VALUES[4]
        );
        let hidden = text(document(&report, &Options::default()));
        assert!(!hidden.contains("\"secret_hex\"") && !hidden.contains(sample::VALUES[4]));
    }
}

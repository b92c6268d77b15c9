//! GitLab's secret detection report (`gl-secret-detection-report.json`), the only format of the forge that names a commit.
//!
//! Written to schema 15.0.7 (gitlab-org/security-products/security-report-schemas), which every GitLab since 15.0 reads.
//! The extract is masked, though the schema calls it unsanitised.

use serde::Serialize;

use crate::{
    model::{Finding, Fingerprint, Severity},
    report::{Options, coverage, json, markdown, verdicts, words},
    scan::Report,
};

const SCHEMA_VERSION: &str = "15.0.7";
/// Most characters of a name, by the schema.
const MAX_NAME: usize = 255;
/// Most names of what was not read, for one cause.
const MAX_NAMED: usize = 5;
/// Most characters of a solution, by the schema.
const MAX_SOLUTION: usize = 7000;
/// What GitLab's own analyzer writes when there is no commit.
const NO_COMMIT: &str = "0000000";
/// Written when the caller gave no time: output depends on its input alone.
const NO_TIME: &str = "1970-01-01T00:00:00";

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    scan: Scan<'a>,
    vulnerabilities: Vec<Vulnerability<'a>>,
}

#[derive(Serialize)]
struct Scan<'a> {
    analyzer: Program,
    scanner: Program,
    r#type: &'static str,
    start_time: &'a str,
    end_time: &'a str,
    status: &'static str,
    messages: Vec<Message>,
}

#[derive(Clone, Copy, Serialize)]
struct Program {
    id: &'static str,
    name: &'static str,
    version: &'static str,
    vendor: Vendor,
}

#[derive(Clone, Copy, Serialize)]
struct Vendor {
    name: &'static str,
}

#[derive(Serialize)]
struct Message {
    level: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Vulnerability<'a> {
    id: String,
    name: String,
    description: String,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    solution: Option<String>,
    identifiers: Vec<Identifier>,
    location: Place<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_source_code_extract: Option<&'a str>,
}

#[derive(Serialize)]
struct Identifier {
    r#type: &'static str,
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: String,
    start_line: u32,
    end_line: u32,
    commit: Commit<'a>,
}

#[derive(Serialize)]
struct Commit<'a> {
    sha: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<&'a str>,
}

/// Returns the document.
pub(super) fn write(report: &Report, options: &Options) -> Vec<u8> {
    let program = Program {
        id: env!("CARGO_PKG_NAME"),
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        vendor: Vendor {
            name: env!("CARGO_PKG_NAME"),
        },
    };
    json::pretty(&Document {
        version: SCHEMA_VERSION,
        scan: Scan {
            analyzer: program,
            scanner: program,
            r#type: "secret_detection",
            start_time: time(options.started.as_deref()),
            end_time: time(options.ended.as_deref()),
            // `failure` is for a scan that did not end; gaps are warnings below.
            status: if report.interrupted {
                "failure"
            } else {
                "success"
            },
            messages: messages(report),
        },
        vulnerabilities: report
            .findings
            .iter()
            .map(|finding| vulnerability(report, finding, options))
            .collect(),
    })
}

/// Returns `YYYY-MM-DDThh:mm:ss` as the schema wants it, without a zone.
fn time(text: Option<&str>) -> &str {
    let shape = |text: &str| {
        text.bytes()
            .zip("dddd-dd-ddTdd:dd:dd".bytes())
            .all(|(have, want)| match want {
                b'd' => have.is_ascii_digit(),
                want => have == want,
            })
    };
    text.and_then(|text| text.get(..NO_TIME.len()))
        .filter(|text| shape(text))
        .unwrap_or(NO_TIME)
}

fn messages(report: &Report) -> Vec<Message> {
    let gaps = coverage::gaps(&report.ledger, MAX_NAMED);
    let gaps = gaps.iter().map(|gap| Message {
        level: if gap.cause.is_gap() { "warn" } else { "info" },
        value: format!("not read: {}: {}", gap.headline(), gap.names().join(", ")),
    });
    let closing = Message {
        level: match (report.interrupted, words::is_incomplete(report)) {
            (true, _) => "fatal",
            (false, true) => "warn",
            (false, false) => "info",
        },
        value: words::closing(report),
    };
    let unread = verdicts::unread(report).into_iter().map(|line| Message {
        level: "warn",
        value: format!("not verified: {line}"),
    });
    std::iter::once(closing).chain(gaps).chain(unread).collect()
}

fn vulnerability<'a>(
    report: &Report,
    finding: &'a Finding,
    options: &Options,
) -> Vulnerability<'a> {
    let meta = words::rule(report, &finding.rule);
    let name = meta.map_or(finding.rule.as_str(), |meta| &*meta.description);
    let solution = meta
        .map(|meta| words::cap(&meta.remediation, MAX_SOLUTION).into_owned())
        .filter(|text| !text.is_empty());
    let mut identifiers = vec![Identifier {
        r#type: "keysweep_rule_id",
        name: format!("keysweep rule {}", finding.rule),
        value: finding.rule.as_str().to_owned(),
        url: None,
    }];
    if let Some(meta) = meta {
        identifiers.push(Identifier {
            r#type: "cwe",
            name: format!("CWE-{}", meta.cwe),
            value: meta.cwe.to_string(),
            url: Some(format!(
                "https://cwe.mitre.org/data/definitions/{}.html",
                meta.cwe
            )),
        });
    }
    Vulnerability {
        id: uuid(&finding.fingerprint),
        name: words::cap(name, MAX_NAME).into_owned(),
        description: description(finding),
        severity: match finding.severity {
            Severity::Critical => "Critical",
            Severity::High => "High",
            Severity::Medium => "Medium",
            Severity::Low => "Low",
            Severity::Info => "Info",
        },
        solution,
        identifiers,
        location: place(finding, options),
        raw_source_code_extract: finding.excerpt.as_ref().map(|e| e.text.as_str()),
    }
}

/// Returns the fingerprint in the shape of a UUID, as the schema recommends: version 8 (RFC 9562, section 5.8) keeps all
/// digits but three half bytes.
fn uuid(fingerprint: &Fingerprint) -> String {
    let digits = fingerprint.as_str().bytes().skip(3).map(char::from);
    let mut id = String::with_capacity(36);
    for (i, digit) in digits.enumerate() {
        if matches!(i, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(match i {
            12 => '8',
            16 => 'a',
            _ => digit,
        });
    }
    id
}

/// Returns GitLab Flavored Markdown.
fn description(finding: &Finding) -> String {
    let mut text = format!("{}.", markdown::prose(words::unstopped(&finding.message)));
    for part in words::parts(finding, usize::MAX) {
        text.push_str(&format!("\n\nWith {}", markdown::prose(&part)));
    }
    if let Some(history) = finding.attribution.as_ref().and_then(words::history) {
        text.push_str(&format!("\n\nHistory: {}.", markdown::prose(&history)));
    }
    if let Some(verdict) = &finding.verdict {
        let verdict = verdicts::sentence(verdict);
        text.push_str(&format!("\n\nVerdict: {}.", markdown::prose(&verdict)));
    }
    let others = words::other_places(finding);
    if others > 0 {
        text.push_str(&format!(
            "\n\nAlso in {}.",
            words::count(others, "other place", "other places")
        ));
    }
    text.push_str(&format!("\n\nFingerprint: {}", finding.fingerprint));
    text
}

fn place<'a>(finding: &'a Finding, options: &Options) -> Place<'a> {
    let introduced = finding
        .attribution
        .as_ref()
        .and_then(|a| a.introduced.as_ref());
    let head = options.repository.as_ref().and_then(|r| r.revision.clone());
    Place {
        file: finding.location.path.to_string(),
        start_line: finding.location.start_line,
        end_line: finding.location.end_line,
        commit: Commit {
            sha: introduced
                .map(|commit| commit.id.to_string())
                .or(head)
                .unwrap_or_else(|| NO_COMMIT.to_owned()),
            author: introduced.map(|commit| commit.author.as_str()),
            date: introduced.map(|commit| commit.date.as_str()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_document_has_gitlabs_shape() {
        let options = Options {
            started: Some("2026-01-31T12:00:00Z".to_owned()),
            ended: Some("2026-01-31T12:00:09Z".to_owned()),
            ..Options::default()
        };
        insta::assert_snapshot!(String::from_utf8(write(&sample::report(), &options)).unwrap());
    }

    #[test]
    fn times_have_the_schemas_shape() {
        assert_eq!(time(Some("2026-01-31T12:00:00Z")), "2026-01-31T12:00:00");
        assert_eq!(time(Some("yesterday at about noon")), NO_TIME);
        assert_eq!(time(None), NO_TIME);
    }

    #[test]
    fn identities_are_uuids() {
        let fingerprint = Fingerprint::parse(&format!("k1:{}", "0123456789abcdef".repeat(2)));
        assert_eq!(
            uuid(&fingerprint.unwrap()),
            "01234567-89ab-8def-a123-456789abcdef"
        );
    }
}

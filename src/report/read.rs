//! The JSON report, read again: to write it in another format, or several as one.
//!
//! A file may come from anywhere, so its texts are made as safe as those that we write. Values are there only if the report was
//! made with `--reveal`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Visitor},
};

use super::json::SCHEMA;
use crate::{
    model::{
        Attribution, BlobPath, CommitInfo, Confidence, Excerpt, Finding, Fingerprint, Kind, Ledger,
        Location, Occurrence, Persona, Provenance, Related, RuleId, RuleMeta, Secret, Severity,
        SkipCause, Suppressed, SuppressionKind, Verdict, Verification, without_values,
    },
    scan::{LookedFor, Mode, Report, Scope},
};

/// Why a file is no report that can be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReadError {
    /// It is not JSON of our shape.
    #[error("{name} is not a JSON report of keysweep: line {line}, column {column}: {reason}")]
    #[diagnostic(
        code(keysweep::report::shape),
        help("make one with `keysweep scan --output json=report.json`")
    )]
    Shape {
        /// The file.
        name: String,
        /// 1-based.
        line: usize,
        /// 1-based, in bytes.
        column: usize,
        /// What is wrong, without a value.
        reason: String,
    },
    /// It says that it is of another shape.
    #[error("{name} is a report of another shape")]
    #[diagnostic(
        code(keysweep::report::schema),
        help("this program reads `{SCHEMA}`; use the version of keysweep that wrote the file")
    )]
    Schema {
        /// The file.
        name: String,
    },
    /// A text or number in it is none that a report of ours could hold.
    #[error("{name} holds {what}")]
    #[diagnostic(
        code(keysweep::report::content),
        help("use the report as keysweep wrote it")
    )]
    Content {
        /// The file.
        name: String,
        /// What is wrong, without a value.
        what: &'static str,
    },
    /// Reports of different scans.
    #[error("{name} is the report of another kind of scan than the first one")]
    #[diagnostic(
        code(keysweep::report::modes),
        help("merge reports of the same mode; upload or convert the others apart")
    )]
    Modes {
        /// The file.
        name: String,
    },
}

/// All that a report of any shape says of it.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Looked at before.
    #[serde(rename = "schema")]
    _schema: IgnoredAny,
    tool: Tool,
    mode: ModeName,
    scope: ScopeName,
    #[serde(default)]
    only: Option<OnlyName>,
    /// None in a report that looked for secrets alone.
    #[serde(default)]
    persona: Option<Persona>,
    complete: bool,
    interrupted: bool,
    ledger: Ledger,
    findings: Vec<Found>,
    suppressed: Vec<Aside>,
    unused_suppressions: Vec<String>,
    rules: Vec<RuleMeta>,
    #[serde(default)]
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Tool {
    rules: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModeName {
    Tree,
    Stdin,
    Staged,
    Range,
    History,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OnlyName {
    Secrets,
    Policy,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum ScopeName {
    Whole,
    Directory { path: BlobPath },
    Files,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    rule: RuleId,
    kind: Kind,
    severity: Severity,
    confidence: Confidence,
    message: String,
    fingerprint: Fingerprint,
    location: Location,
    /// Its commit is told by `history` again.
    provenance: Provenance,
    history: Option<Attribution>,
    occurrences: Vec<Occurrence>,
    more_occurrences: u64,
    related: Vec<Related>,
    excerpt: Option<Excerpt>,
    line_hash: Option<String>,
    #[serde(default)]
    verdict: Option<Verdict>,
    #[serde(default, deserialize_with = "plain")]
    secret: Option<Secret>,
    #[serde(default, deserialize_with = "hex")]
    secret_hex: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Aside {
    kind: SuppressionKind,
    reason: String,
    finding: Found,
}

/// Reads a report; `name` stands in errors.
///
/// # Errors
/// [`ReadError`], but for [`ReadError::Modes`].
pub fn read(name: &str, bytes: &[u8]) -> Result<Report, ReadError> {
    // The version first: a report of another shape would only give a confusing fault.
    let named = |error: serde_json::Error| shape(name, &error);
    let head: Head = serde_json::from_slice(bytes).map_err(named)?;
    if head.schema != SCHEMA {
        return Err(ReadError::Schema {
            name: name.to_owned(),
        });
    }
    let document: Document = serde_json::from_slice(bytes).map_err(named)?;
    document.report().map_err(|what| ReadError::Content {
        name: name.to_owned(),
        what,
    })
}

fn shape(name: &str, error: &serde_json::Error) -> ReadError {
    // serde_json ends its message with the place.
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(head, _)| head);
    ReadError::Shape {
        name: name.to_owned(),
        line: error.line(),
        column: error.column(),
        reason: safe(&without_values(message)),
    }
}

impl Document {
    fn report(self) -> Result<Report, &'static str> {
        let mut ledger = self.ledger;
        // The ledger forgets which gaps the configuration accepted; a complete report had all of its accepted.
        let gaps = || {
            ledger
                .skipped
                .keys()
                .copied()
                .filter(|cause| cause.is_gap())
        };
        let accepted: BTreeSet<SkipCause> = if self.complete {
            gaps().collect()
        } else {
            BTreeSet::new()
        };
        ledger.accept(&accepted);
        if !self.complete && !self.interrupted && !ledger.is_incomplete() {
            return Err("an incomplete run whose ledger has no gap");
        }
        ledger.notes.iter_mut().for_each(|note| *note = safe(note));
        let mut rules: Vec<Arc<RuleMeta>> = self.rules.into_iter().map(Arc::new).collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let findings: Result<Vec<Finding>, _> =
            self.findings.into_iter().map(Found::finding).collect();
        let suppressed = self.suppressed.into_iter().map(|aside| {
            Ok(Suppressed {
                finding: aside.finding.finding()?,
                kind: aside.kind,
                reason: safe(&aside.reason),
            })
        });
        Ok(Report {
            mode: match self.mode {
                ModeName::Tree => Mode::Tree,
                ModeName::Stdin => Mode::Stdin,
                ModeName::Staged => Mode::Staged,
                ModeName::Range => Mode::Range,
                ModeName::History => Mode::History,
            },
            scope: match self.scope {
                ScopeName::Whole => Scope::Whole,
                ScopeName::Directory { path } => Scope::Directory(path),
                ScopeName::Files => Scope::Files,
            },
            looked_for: looked_for(self.only, self.persona),
            rules,
            rules_run: self.tool.rules,
            ledger,
            findings: findings?,
            suppressed: suppressed.collect::<Result<_, &'static str>>()?,
            unused_suppressions: self
                .unused_suppressions
                .iter()
                .map(|line| safe(line))
                .collect(),
            fixes: Vec::new(),
            verification: self.verification,
            interrupted: self.interrupted,
        })
    }
}

/// Returns what a run looked for; a report that says nothing of it looked for everything.
fn looked_for(only: Option<OnlyName>, persona: Option<Persona>) -> LookedFor {
    LookedFor {
        secrets: !matches!(only, Some(OnlyName::Policy)),
        policy: match only {
            Some(OnlyName::Secrets) => None,
            Some(OnlyName::Policy) | None => Some(persona.unwrap_or_default()),
        },
    }
}

impl Found {
    fn finding(self) -> Result<Finding, &'static str> {
        if self.occurrences.is_empty() {
            return Err("a finding without a place");
        }
        if self
            .excerpt
            .as_ref()
            .is_some_and(|excerpt| !is_sound(excerpt))
        {
            return Err("an excerpt that no report of ours has");
        }
        let is_hash = |hash: &String| {
            hash.len() <= 64 && hash.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
        };
        Ok(Finding {
            rule: self.rule,
            kind: self.kind,
            severity: self.severity,
            confidence: self.confidence,
            message: safe(&self.message),
            fingerprint: self.fingerprint,
            location: self.location,
            provenance: self.provenance,
            attribution: self.history.map(attribution),
            occurrences: self.occurrences,
            more_occurrences: self.more_occurrences,
            verdict: self.verdict,
            further: BTreeMap::new(),
            related: self.related,
            excerpt: self.excerpt,
            line_hash: self.line_hash.filter(is_hash),
            secret: self
                .secret
                .or(self.secret_hex)
                .unwrap_or_else(|| Secret::new(b"")),
        })
    }
}

/// Tells whether the span lies in the text and the text is safe on a terminal.
fn is_sound(excerpt: &Excerpt) -> bool {
    excerpt.text.get(excerpt.start..excerpt.end).is_some()
        && excerpt.text.split('\n').all(|line| safe(line) == line)
}

fn attribution(mut history: Attribution) -> Attribution {
    let Attribution {
        introduced,
        last_seen,
        removed,
        at_head: _,
        reachable: _,
        path: _,
    } = &mut history;
    for commit in [introduced, last_seen, removed].into_iter().flatten() {
        let CommitInfo {
            id: _,
            author,
            date,
        } = commit;
        (*author, *date) = (safe(author), safe(date));
    }
    history
}

/// Reads a value without a copy that nobody wipes.
fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    deserializer.deserialize_str(Value { hex: false }).map(Some)
}

/// Reads a value in hex digits.
fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    deserializer.deserialize_str(Value { hex: true }).map(Some)
}

struct Value {
    hex: bool,
}

impl Visitor<'_> for Value {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
        if !self.hex {
            return Ok(Secret::new(text.as_bytes()));
        }
        let digit = |b: &u8| {
            char::from(*b)
                .to_digit(16)
                .and_then(|n| u8::try_from(n).ok())
        };
        let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        bytes
            .map(|bytes| Secret::new(&bytes))
            .ok_or_else(|| E::custom("a value that is not in hex digits"))
    }
}

fn safe(text: &str) -> String {
    BlobPath::from(text).to_text().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Format, Options, merge, render, sample};

    fn json(report: &Report) -> Vec<u8> {
        render(report, Format::Json, &Options::default()).unwrap()
    }

    fn again(report: &Report) -> Report {
        read("a.json", &json(report)).unwrap()
    }

    #[test]
    fn a_report_that_is_read_again_gives_every_format_again() {
        let mut report = sample::report();
        // Bytes of a path that were escaped once stay escaped, which a URI tells.
        let skips = &mut report.ledger.skips;
        skips.retain(|skip| !skip.path.as_bytes().contains(&0x1b));
        report
            .findings
            .retain(|finding| !finding.location.path.as_bytes().contains(&0x1b));
        let copy = again(&report);
        for format in Format::ALL {
            let of = |report: &Report| {
                String::from_utf8(render(report, format, &Options::default()).unwrap()).unwrap()
            };
            assert_eq!(of(&copy), of(&report), "{format:?}");
        }
    }

    #[test]
    fn revealed_values_come_back() {
        let mut report = sample::report();
        report.findings[0].secret = Secret::new(b"\xff\x01");
        let options = Options {
            reveal: true,
            ..Options::default()
        };
        let shown = render(&report, Format::Json, &options).unwrap();
        let copy = read("a.json", &shown).unwrap();
        assert!(
            copy.findings
                .iter()
                .zip(&report.findings)
                .all(|(a, b)| a.secret == b.secret)
        );
    }

    #[test]
    fn parts_become_one_and_doubles_go() {
        let whole = sample::report();
        let (mut one, mut two) = (whole.clone(), whole.clone());
        one.findings.truncate(2);
        two.findings.drain(..1);
        one.unused_suppressions.push("baseline line x".to_owned());
        let parts = vec![("1".to_owned(), one), ("2".to_owned(), two)];
        let merged = merge(parts).unwrap().unwrap();
        assert_eq!(merged.findings.len(), whole.findings.len());
        assert_eq!(merged.unused_suppressions, whole.unused_suppressions);
        let counted = |report: &Report| report.ledger.counted(crate::model::Counter::Files);
        assert_eq!(counted(&merged), 2 * counted(&whole));
        assert!(merged.ledger.is_incomplete());
    }

    #[test]
    fn what_a_configuration_accepted_stays_accepted_unless_a_part_does_not() {
        let mut report = sample::report();
        report
            .ledger
            .accept(&[SkipCause::TooLarge, SkipCause::MissingObject].into());
        assert!(!again(&report).ledger.is_incomplete());
        let parts = |other: Report| vec![("1".to_owned(), again(&report)), ("2".to_owned(), other)];
        let merged = merge(parts(again(&report))).unwrap().unwrap();
        assert!(!merged.ledger.is_incomplete());
        let merged = merge(parts(sample::report())).unwrap().unwrap();
        assert!(merged.ledger.is_incomplete());
        let mut other = sample::report();
        other.mode = Mode::Tree;
        assert!(matches!(merge(parts(other)), Err(ReadError::Modes { .. })));
    }

    #[test]
    fn texts_of_a_strange_file_are_made_safe_and_errors_hold_no_value() {
        let good = String::from_utf8(json(&sample::report())).unwrap();
        let evil = good.replace("TOKEN = ", "\\u001b]0;x\\u0007");
        assert!(matches!(
            read("a", evil.as_bytes()),
            Err(ReadError::Content { .. })
        ));
        let evil = good.replace("replace refs are present", "\\u001b[31m");
        assert!(!read("a", evil.as_bytes()).unwrap().ledger.notes[0].contains('\x1b'));
        let evil = good.replace(
            "\"more_occurrences\": 1200",
            "\"more_occurrences\": \"hunter2\"",
        );
        let error = read("a", evil.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains("invalid type") && !error.contains("hunter2"),
            "{error}"
        );
        let other = good.replace("urn:keysweep:report:1", "urn:keysweep:report:9");
        assert!(matches!(
            read("a", other.as_bytes()),
            Err(ReadError::Schema { .. })
        ));
    }
}

//! A finding: one secret (or fault) under one rule, with every place it was seen in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Attribution, BlobPath, CommitInfo, Confidence, Encoding, Excerpt, Fingerprint, Provenance,
    RuleId, Secret, Severity, Span, Urgency, Verdict,
};

/// What sort of fault a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A hard-coded secret.
    Secret,
    /// A habit that leaks secrets.
    Policy,
    /// One value in several environments.
    Reuse,
}

/// An exact place in a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Path relative to the scanned root; for places without one a name in angle brackets, as in
    /// `<commit message>`.
    pub path: BlobPath,
    /// 1-based line of the first byte.
    pub start_line: u32,
    /// 1-based column of the first byte, in Unicode code points.
    pub start_column: u32,
    /// 1-based line of the last byte.
    pub end_line: u32,
    /// 1-based column one past the last byte, in Unicode code points.
    pub end_column: u32,
    /// Offset of the first byte in the stored bytes.
    pub byte_start: u64,
    /// Offset one past the last byte in the stored bytes.
    pub byte_end: u64,
}

impl Location {
    /// Returns the byte span.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::new(self.byte_start, self.byte_end.max(self.byte_start))
    }
}

/// One place of a finding's secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Occurrence {
    /// Identity for baselines: (value, rule, this path).
    pub fingerprint: Fingerprint,
    /// Where.
    pub location: Location,
    /// In what.
    pub provenance: Provenance,
    /// Through which encodings, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encodings: Vec<Encoding>,
}

/// Another place that belongs to a finding, such as the key id beside a secret key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// What stands there, without a value.
    pub message: String,
    /// Where.
    pub location: Location,
    /// The first commit that has it there, if it is no longer there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<CommitInfo>,
}

/// One secret under one rule. The `location`, `provenance` and `fingerprint` are those of the primary occurrence:
/// at HEAD or in the tree if it is there, else where it was introduced.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// What sort of fault.
    pub kind: Kind,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// One sentence for people, no value in it.
    pub message: String,
    /// Identity of the primary occurrence.
    pub fingerprint: Fingerprint,
    /// Place of the primary occurrence.
    pub location: Location,
    /// Source of the primary occurrence.
    pub provenance: Provenance,
    /// What history says, in history and range scans.
    pub attribution: Option<Attribution>,
    /// Every occurrence, the primary one first, the rest by path, line, column and object.
    pub occurrences: Vec<Occurrence>,
    /// Occurrences beyond the stored limit (see `scan::MAX_OCCURRENCES`), 0 if all are listed.
    pub more_occurrences: u64,
    /// Identity, rule and path of those beyond the limit, and of the faults of lints that it tells, one each; only of a run with a project
    /// key, for its baseline. No report holds them.
    pub further: BTreeMap<Fingerprint, (RuleId, BlobPath)>,
    /// Belonging places.
    pub related: Vec<Related>,
    /// Masked text around the primary occurrence.
    pub excerpt: Option<Excerpt>,
    /// GitHub's rolling hash of the primary line (`hex:n`), for places that exist in HEAD or the tree.
    pub line_hash: Option<String>,
    /// The value, for `--reveal` and for the search of our own output. Never serialised by derive.
    pub secret: Secret,
    /// What the secrets stores say of it, if they were asked.
    pub verdict: Option<Verdict>,
}

impl Finding {
    /// Takes a verdict; the severity follows it: what is live is critical, what may be is high at least, what is proven dead is
    /// for the record. The rule's own severity stands where the stores say nothing.
    pub fn judge(&mut self, verdict: Verdict) {
        self.severity = match verdict.urgency {
            Urgency::Now => Severity::Critical,
            Urgency::Soon => self.severity.max(Severity::High),
            Urgency::Later => self.severity,
            Urgency::Remediated => Severity::Info,
        };
        self.verdict = Some(verdict);
    }
}

/// Why a finding was suppressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressionKind {
    /// `keysweep:allow[...]` beside it.
    Inline,
    /// A path, value or rule allowlist of the configuration.
    Allowlist,
    /// A line of the baseline.
    Baseline,
}

/// A finding that is not reported, and why.
#[derive(Clone, Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// By what.
    pub kind: SuppressionKind,
    /// The reason given by its author, as safe text; may be empty.
    pub reason: String,
}

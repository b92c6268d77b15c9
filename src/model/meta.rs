//! What is known of a rule before anything is scanned.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The stable kebab-case name of a rule or lint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RuleId(Arc<str>);

impl RuleId {
    /// Takes the name as it is; `rules::check` judges its form.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RuleId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(word) {
            return Err(D::Error::custom(
                "a rule's id is kebab-case, at most 64 bytes",
            ));
        }
        Ok(Self::new(&id))
    }
}

/// How bad a true finding is. Ordered: `Info` is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Told without being counted as a fault: no exit code follows from it.
    Info,
    /// Worth knowing.
    Low,
    /// Limited reach.
    Medium,
    /// A real credential.
    High,
    /// Write access to production, money or source code.
    Critical,
}

impl Severity {
    /// All, from the least to the worst.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// Returns the name used in configuration and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How sure the rule is that a match is a secret. Ordered: `Low` is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Looks like one.
    Low,
    /// Has a name and a shape that fit.
    Medium,
    /// Has a vendor's own format, or a checksum that holds.
    High,
}

impl Confidence {
    /// Returns the name used in configuration and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Who reads the findings. Ordered: each sees what those before it see.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Persona {
    /// Wants what is to be mended.
    #[default]
    Regular,
    /// Wants also what is better otherwise.
    Pedantic,
    /// Wants everything that may matter.
    Auditor,
}

impl Persona {
    /// All, from the least to the most.
    pub const ALL: [Self; 3] = [Self::Regular, Self::Pedantic, Self::Auditor];

    /// Returns the name used in configuration and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Pedantic => "pedantic",
            Self::Auditor => "auditor",
        }
    }
}

/// How a secret was wrapped where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// base64 or base64url, with or without padding (RFC 4648).
    Base64,
    /// Pairs of hex digits.
    Hex,
    /// `%XX` (RFC 3986).
    Percent,
    /// `\uXXXX`, `\xXX` and their like.
    Escape,
    /// UTF-16, either byte order.
    Utf16,
    /// UTF-32, either byte order.
    Utf32,
}

/// The public description of a rule: what reports and `rules list` show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleMeta {
    /// Stable name.
    pub id: RuleId,
    /// What was found: one noun phrase without a full stop.
    pub description: Cow<'static, str>,
    /// Provider family, kebab-case; part of a secret's digest.
    pub family: String,
    /// Provider as the vendor writes it.
    pub provider: Cow<'static, str>,
    /// Where the format is documented: title or URL of the vendor's page.
    pub source: Cow<'static, str>,
    /// CWE number (798, 321, 522, 259, ...).
    pub cwe: u32,
    /// How bad a true finding is.
    pub severity: Severity,
    /// How sure the rule is.
    pub confidence: Confidence,
    /// What to do about a finding.
    pub remediation: Cow<'static, str>,
    /// Free words.
    pub tags: Vec<String>,
}

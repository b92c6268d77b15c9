//! The catalogue: rules as data.
//!
//! Promises: every rule that leaves this module has a bound on what it reads, a shape that the engine can anchor, and
//! valid metadata; a rule that has not is an error with a span and a help line. The schema is `docs/rules.md`.
//! No scanning happens here; the examples are expanded here and run by `scan::examples`.

mod anchor;
mod builtin;
mod check;
mod compile;
mod error;
mod examples;
mod load;
mod made_up;
mod spec;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use crate::model::{RuleId, RuleMeta, Severity};

pub use builtin::{builtin, catalogue_files};
pub use error::{Fault, RuleError};
pub use examples::{Example, ExampleError, expand_example};
pub use load::{parse, parse_user};

/// A checked rule, ready for the engine.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What reports show.
    pub meta: Arc<RuleMeta>,
    /// The pattern's text, if it has one.
    pub pattern: Option<String>,
    /// Most bytes that a match of `pattern` can span; 0 without a pattern.
    pub max_len: usize,
    /// How the engine anchors it.
    pub shape: Shape,
    /// Least entropy of the secret in bits per byte; 0.0 for none.
    pub entropy: f64,
    /// Checksum or structural validator.
    pub check: Option<Check>,
    /// Classifier of the value.
    pub value: Option<ValueClass>,
    /// Where the secret of a marker rule ends, if not at the match's end.
    pub extent: Option<Extent>,
    /// A second part in proximity.
    pub near: Option<Near>,
    /// Globs; empty for all paths.
    pub paths: Vec<String>,
    /// Examples as written.
    pub examples: Examples,
}

/// How a rule is anchored (docs/rules.md, "Three shapes").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Literals that every match starts with, at least 3 bytes each; `fold` if they match in any case.
    Token {
        /// The literals.
        prefixes: Vec<Vec<u8>>,
        /// Whether case is ignored.
        fold: bool,
    },
    /// Words in the name of the value.
    Context {
        /// Lower-case letters and digits only.
        words: Vec<String>,
    },
    /// Literals near or in the match.
    Marker {
        /// At least 3 bytes each, case-sensitive.
        markers: Vec<Vec<u8>>,
    },
}

/// Checksum and structural validators; docs/rules.md lists what each verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "docs/rules.md has the table; the names are those of the TOML"
)]
pub enum Check {
    GithubCrc32,
    GrafanaCrc32,
    AwsKeyId,
    Jwt,
    BasicAuth,
    Age,
    PypiMacaroon,
    Base64Json,
    Pem,
}

/// Classifiers of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueClass {
    /// A random-looking token.
    Opaque,
    /// What a person may have chosen.
    Password,
}

/// Readers that find where a block of key material ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// PEM, OpenSSH: to the `-----END` line, or as far as the body goes when that is cut off.
    Pem,
    /// PuTTY's `.ppk`.
    Putty,
    /// An armoured OpenPGP block.
    Pgp,
}

/// A second part in proximity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Bounded pattern of the second part.
    pub pattern: String,
    /// Bytes before or after the secret, at most 2,000.
    pub within: usize,
    /// Whether there is no finding without it; else it stands in for the context word.
    pub required: bool,
}

/// Example texts as written in the rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// Texts with the secret between `«` and `»`.
    pub positive: Vec<Cow<'static, str>>,
    /// Texts that must stay silent.
    pub negative: Vec<Cow<'static, str>>,
}

/// All rules of a run. The index in `rules` is the rule's number in [`crate::engine::Hit`].
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// Sorted by id.
    pub rules: Vec<Rule>,
}

impl RuleSet {
    /// Sorts the rules by id.
    #[must_use]
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by(|a, b| a.meta.id.cmp(&b.meta.id));
        Self { rules }
    }

    /// Returns the rule with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Rule> {
        let at = self
            .rules
            .binary_search_by(|rule| rule.meta.id.as_str().cmp(id))
            .ok()?;
        self.rules.get(at)
    }

    /// Returns the rules without the disabled ones. Ids that no rule has change nothing; `config` reports them.
    #[must_use]
    pub fn without(mut self, disabled: &[RuleId]) -> Self {
        self.rules.retain(|rule| !disabled.contains(&rule.meta.id));
        self
    }

    /// Returns the rules with some severities replaced, and some raised if they are lower.
    #[must_use]
    pub fn with_severities(
        mut self,
        replaced: &BTreeMap<RuleId, Severity>,
        at_least: &BTreeMap<RuleId, Severity>,
    ) -> Self {
        for rule in &mut self.rules {
            let id = &rule.meta.id;
            let severity = replaced.get(id).copied().unwrap_or(rule.meta.severity);
            let severity = severity.max(at_least.get(id).copied().unwrap_or(severity));
            if severity != rule.meta.severity {
                Arc::make_mut(&mut rule.meta).severity = severity;
            }
        }
        self
    }

    /// Returns the rules with a user's own added.
    #[must_use]
    pub fn with(self, own: Vec<Rule>) -> Self {
        Self::new([self.rules, own].concat())
    }
}

#[cfg(test)]
mod tests;

//! The TOML of a rule file (docs/rules.md), strict: an unknown key is an error with a suggestion.
//!
//! Only the text's form is judged here; `compile` makes rules of it and `check` judges their sense.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{
    Check, Extent, ValueClass,
    error::{Fault, Located},
};
use crate::model::{Confidence, Severity, suggestion, without_values};

/// A file of the catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSpec {
    pub(super) family: String,
    pub(super) name: String,
    pub(super) rules: Vec<Spanned<RuleSpec>>,
}

/// A user's `keysweep.toml`, of which only the rules are read here; `config` is strict about the rest.
#[derive(Debug, Deserialize)]
struct UserSpec {
    #[serde(default)]
    rules: Vec<Spanned<RuleSpec>>,
}

/// One rule as written. What only the catalogue must give is optional here; `check` asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSpec {
    pub(super) id: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) source: Option<Spanned<String>>,
    pub(super) cwe: Option<Spanned<u32>>,
    pub(super) severity: Option<Severity>,
    pub(super) confidence: Option<Confidence>,
    pub(super) pattern: Option<Spanned<String>>,
    pub(super) entropy: Option<Spanned<f64>>,
    pub(super) check: Option<Check>,
    pub(super) value: Option<ValueClass>,
    pub(super) extent: Option<Spanned<Extent>>,
    pub(super) context: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) markers: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) near: Option<Spanned<NearSpec>>,
    #[serde(default)]
    pub(super) paths: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) remediation: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) positive: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) negative: Vec<Spanned<String>>,
}

/// The second part in proximity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NearSpec {
    pub(super) pattern: Spanned<String>,
    pub(super) within: Spanned<usize>,
    #[serde(default = "yes")]
    pub(super) required: bool,
}

fn yes() -> bool {
    true
}

/// Reads a catalogue file.
pub(super) fn file(text: &str) -> Result<FileSpec, Located> {
    toml::from_str(text).map_err(|error| located(&error))
}

/// Reads the `[[rules]]` of a user's configuration.
pub(super) fn user(text: &str) -> Result<Vec<Spanned<RuleSpec>>, Located> {
    let spec: UserSpec = toml::from_str(text).map_err(|error| located(&error))?;
    Ok(spec.rules)
}

fn located(error: &toml::de::Error) -> Located {
    let message = without_values(error.message());
    let span: Range<usize> = error.span().unwrap_or_default();
    let fault = match suggestion(error.message()) {
        Some(suggestion) => Fault::Unknown {
            message,
            suggestion,
        },
        None => Fault::Syntax { message },
    };
    (fault, span)
}

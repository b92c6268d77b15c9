//! Files of `key = value` lines: dotenv, Java properties, ini.

use std::ops::Range;

/// One assignment. Duplicates are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The section of an ini file; empty without one.
    pub section: String,
    /// The key.
    pub key: String,
    /// Its bytes.
    pub key_span: Range<usize>,
    /// The value, quotes and escapes undone.
    pub value: String,
    /// Its bytes without the quotes around it.
    pub value_span: Range<usize>,
    /// Whether it stands in single quotes, so that nothing is filled in.
    pub literal: bool,
    /// The whole assignment without comment and line end.
    pub span: Range<usize>,
}

/// Reads a dotenv file.
#[must_use]
pub fn read(_text: &str) -> Vec<Line> {
    Vec::new()
}

/// Reads properties and ini files.
#[must_use]
pub fn properties(_text: &str) -> Vec<Line> {
    Vec::new()
}

/// Reads what is of any format, or of a broken one, line by line: `key = value`, `key: value`, `"key": "value"`.
#[must_use]
pub fn fallback(_text: &str) -> Vec<Line> {
    Vec::new()
}

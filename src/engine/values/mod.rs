//! Classifiers of values: does this text, under this name, look like a secret?
//!
//! Promises: a verdict depends on the value and its [`Setting`] alone; no allocation; time linear in both.

use crate::rules::ValueClass;

use super::filters;

/// What stands between a name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`, `:=`, `?=`, `+=`.
    Assign,
    /// `:` as in YAML, JSON and headers.
    Colon,
    /// `=>`, `->`.
    Arrow,
    /// `==`, `!=`, `===`.
    Compare,
    /// The next argument: `f("NAME", "value")`.
    Comma,
    /// Blanks alone: `ENV NAME value`, `password value`.
    Space,
    /// `<name>value</name>`.
    Tag,
    /// `--name value`, `-p value`.
    Flag,
    /// Anything else.
    Other,
}

/// Where a value stands.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The name as written, without quotes.
    pub name: &'a [u8],
    /// Whether quotes enclose the value.
    pub quoted: bool,
    /// What joins name and value.
    pub operator: Operator,
    /// Up to 64 bytes before the value (quote included).
    pub before: &'a [u8],
    /// Up to 64 bytes after the value (quote included).
    pub after: &'a [u8],
}

/// Tells whether `value` belongs to `class`.
#[must_use]
pub fn classify(class: ValueClass, value: &[u8], at: &Setting<'_>) -> bool {
    if filters::is_placeholder(value) {
        return false;
    }
    match class {
        ValueClass::Opaque => value.len() >= 16 && filters::entropy(value) >= 3.5,
        ValueClass::Password => {
            (4..=128).contains(&value.len()) && (at.quoted || !value.contains(&b'('))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_of_no_class() {
        let at = Setting {
            name: b"password",
            quoted: true,
            operator: Operator::Assign,
            before: b"password = \"",
            after: b"\"",
        };
        assert!(classify(ValueClass::Password, b"hunter2!", &at));
        assert!(!classify(ValueClass::Password, b"${PASSWORD}", &at));
    }
}

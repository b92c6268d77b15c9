//! Classifiers of values: does this text, under this name, look like a secret?
//!
//! Promises: a verdict depends on the value and its [`Setting`] alone; no allocation; time linear in both.

mod lists;
mod names;
mod random;
mod shapes;
pub(crate) mod words;

use crate::rules::ValueClass;

use self::names::Promise;
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
    /// The name as written, without quotes; empty where the rule's own pattern says what the value is.
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

/// Longest password that a person chooses.
const MAX_PASSWORD: usize = 64;

/// Longest opaque token; longer text is data.
const MAX_OPAQUE: usize = 512;

/// Tells whether `value` belongs to `class`.
#[must_use]
pub fn classify(class: ValueClass, value: &[u8], at: &Setting<'_>) -> bool {
    let value = default_of(value);
    if filters::is_placeholder(value) || is_of_setting(value, at) {
        return false;
    }
    match class {
        ValueClass::Opaque => is_opaque(value, at),
        ValueClass::Password => is_password(value, at),
    }
}

/// Returns the default of a shell parameter (`${NAME:-default}`), or the value itself.
fn default_of(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"${")
        .and_then(|rest| rest.strip_suffix(b"}"))
        .and_then(|rest| {
            let name = rest
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                .count();
            rest.get(name..)?.strip_prefix(b":-")
        })
        .filter(|default| !default.is_empty())
        .unwrap_or(value)
}

/// Tells whether the text around says that the value is code or repeats the name.
fn is_of_setting(value: &[u8], at: &Setting<'_>) -> bool {
    let follows = |list: &[u8]| at.after.first().is_some_and(|b| list.contains(b));
    if !at.quoted && (follows(b"([") || at.after.starts_with(b"::") || at.after.starts_with(b"->"))
    {
        return true;
    }
    // `password: "password"`, `apiKey = api_key`, `SMTPPassword: "notifier.smtp.password"`.
    let letters = |text: &[u8]| text.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    let same = value
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .rev()
        .zip(at.name.iter().filter(|b| b.is_ascii_alphanumeric()).rev())
        .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
        .count();
    same > 0 && same >= letters(at.name).min(letters(value))
}

/// A random-looking token under a name that promises one.
fn is_opaque(value: &[u8], at: &Setting<'_>) -> bool {
    let promise = match names::promise(at.name) {
        _ if at.name.is_empty() => Promise::Token,
        promise => promise,
    };
    let (least, floor) = match promise {
        Promise::Nothing => return false,
        Promise::Token | Promise::Password => (10, 16),
        Promise::Hint => (16, 28),
        Promise::Unknown => (16, 32),
    };
    if value.len() < least || value.len() > MAX_OPAQUE || !value.is_ascii() {
        return false;
    }
    if shapes::is_uuid(value) {
        return matches!(promise, Promise::Token | Promise::Password)
            && value.get(14) == Some(&b'4');
    }
    if shapes::is_numeric(value)
        || shapes::is_place(value)
        || shapes::is_prose(value)
        || shapes::is_code(value)
    {
        return false;
    }
    if !at.quoted && shapes::is_code_name(value) {
        return false;
    }
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let floor = if digits == 0 || letters == 0 {
        floor + 8
    } else {
        floor
    };
    letters > 0 && random::surplus(value) >= floor
}

/// What a person may have chosen, under the name of a password.
fn is_password(value: &[u8], at: &Setting<'_>) -> bool {
    if !at.name.is_empty() && names::promise(at.name) != Promise::Password {
        return false;
    }
    if value.len() < 4 || value.len() > MAX_PASSWORD || value.iter().any(u8::is_ascii_control) {
        return false;
    }
    if shapes::is_language_word(value) || shapes::is_place(value) || shapes::is_prose(value) {
        return false;
    }
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == value.len() && digits < 6 {
        return false;
    }
    if at.quoted || at.name.is_empty() {
        // A name in capitals or with humps is a constant's name or an option's.
        return !shapes::is_code(value) && !shapes::is_code_name(value);
    }
    is_bare_password(value, at)
}

/// An unquoted password: only where values go without quotes, and never an expression.
fn is_bare_password(value: &[u8], at: &Setting<'_>) -> bool {
    if shapes::is_code(value) || shapes::is_code_name(value) {
        return false;
    }
    if value.iter().any(|b| b"\"'`(){}[]<>;,\\".contains(b)) {
        return false;
    }
    let line_ends = match at.after {
        [] | [b'\n' | b'\r', ..] => true,
        after => {
            let rest = after
                .iter()
                .position(|b| !matches!(b, b' ' | b'\t'))
                .and_then(|i| after.get(i..));
            rest.is_none_or(|rest| matches!(rest, [b'\n' | b'\r' | b'#' | b'\\' | b'<' | b'&', ..]))
        }
    };
    // Blanks around `=` are the manner of code, where a bare word is a variable.
    let tight = !at.before.last().is_some_and(u8::is_ascii_whitespace);
    let word = shapes::is_identifier(value);
    match at.operator {
        Operator::Assign => (tight || !word) && line_ends || (tight && !word),
        Operator::Colon => line_ends && !tight,
        Operator::Tag | Operator::Flag => true,
        Operator::Space => !word,
        Operator::Arrow | Operator::Compare | Operator::Comma | Operator::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(
        name: &'a str,
        operator: Operator,
        quoted: bool,
        before: &'a str,
        after: &'a str,
    ) -> Setting<'a> {
        Setting {
            name: name.as_bytes(),
            quoted,
            operator,
            before: before.as_bytes(),
            after: after.as_bytes(),
        }
    }

    fn quoted<'a>(name: &'a str) -> Setting<'a> {
        at(name, Operator::Assign, true, "= \"", "\"\n")
    }

    #[test]
    fn chosen_passwords_are_passwords() {
        for value in [
            "hunter2!",
            "benrocks",
            "Kitkcm_68d",
            "correcthorsebattery",
            "s3cur3K3y2024",
            "P@ssw0rd$1",
        ] {
            assert!(
                classify(
                    ValueClass::Password,
                    value.as_bytes(),
                    &quoted("db_password")
                ),
                "{value}"
            );
        }
    }

    #[test]
    fn stand_ins_labels_and_code_are_not() {
        for value in [
            "${PASSWORD}",
            "password",
            "my-secret-password",
            "Enter your password",
            "getPassword()",
            "config.db.password",
            "#add-password",
            "string",
            "PASSWORD_FIELD",
            "^[a-z]+$",
            "/run/secrets/db",
            "1234",
        ] {
            assert!(
                !classify(ValueClass::Password, value.as_bytes(), &quoted("password")),
                "{value}"
            );
        }
    }

    #[test]
    fn bare_words_are_passwords_in_data_and_variables_in_code() {
        let value = b"benrocks";
        assert!(classify(
            ValueClass::Password,
            value,
            &at("PASSWORD", Operator::Assign, false, "PASSWORD=", "\n")
        ));
        assert!(classify(
            ValueClass::Password,
            value,
            &at("password", Operator::Colon, false, "password: ", "\n")
        ));
        assert!(!classify(
            ValueClass::Password,
            value,
            &at("password", Operator::Assign, false, "password = ", ")")
        ));
        assert!(!classify(
            ValueClass::Password,
            value,
            &at("password", Operator::Colon, false, "password: ", ",")
        ));
        assert!(!classify(
            ValueClass::Password,
            b"users",
            &at("password", Operator::Assign, false, "= ", "(x)")
        ));
    }

    #[test]
    fn random_tokens_are_opaque_and_words_are_not() {
        for value in [
            "h8Fq2ZxP0sTq9LmW",
            "16c51af7dd90b1e2",
            "vqzhxkwpmtrjbgfdlnc",
            "c4ed6c21-9dd5-4a05-8e3f-c56d1151cce8",
        ] {
            assert!(
                classify(ValueClass::Opaque, value.as_bytes(), &quoted("api_key")),
                "{value}"
            );
        }
        for value in [
            "authentication-service",
            "ClientSecretProvider",
            "2024-01-31T10:00:00Z",
            "https://a.b/h8Fq2ZxP0sTq9LmW",
            "aaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(
                !classify(ValueClass::Opaque, value.as_bytes(), &quoted("api_key")),
                "{value}"
            );
        }
        assert!(!classify(
            ValueClass::Opaque,
            b"h8Fq2ZxP0sTq9LmW",
            &quoted("primary_key")
        ));
    }

    #[test]
    fn the_default_of_a_parameter_counts() {
        assert!(classify(
            ValueClass::Password,
            b"${DB_PASSWORD:-benrocks}",
            &quoted("password")
        ));
        assert!(!classify(
            ValueClass::Password,
            b"${DB_PASSWORD:-password}",
            &quoted("password")
        ));
    }
}

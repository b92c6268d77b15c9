//! Classifiers of values: does this text, under this name, look like a secret?
//!
//! Promises: a verdict depends on the value and its [`Setting`] alone; no allocation; time linear in both.

mod lists;
mod names;
mod password;
mod random;
mod setting;
mod shapes;
pub(crate) mod words;

use crate::rules::{Check, ValueClass};

use self::names::Promise;
use super::{
    filters,
    validators::{self, Outcome},
};

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
    /// An argument that the function takes for a password: `withCredentials("user", "value")`.
    Call,
    /// Anything else.
    Other,
}

/// Where a value stands.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The name as written, without quotes; empty where the rule's own pattern says what the value is.
    pub name: &'a [u8],
    /// Whether a vendor's rule asked for this very name, so that its words need not promise a secret.
    pub vouched: bool,
    /// Whether quotes enclose the value.
    pub quoted: bool,
    /// What joins name and value.
    pub operator: Operator,
    /// Up to 64 bytes before the value (quote included).
    pub before: &'a [u8],
    /// Up to 64 bytes after the value (quote included).
    pub after: &'a [u8],
}

/// Longest opaque token; longer text is data.
const MAX_OPAQUE: usize = 512;

/// Least surplus of a token that a vendor's name vouches for. Of 4,000 made-up tokens of 24 letters and digits 0.4% have
/// less; of the 88,500 names of 20 to 64 characters in Rails, Ansible, Terraform, Spring Boot, rclone and Nomad 2% have
/// more, nearly all of them no words (UUIDs, hashes, test keys).
const VOUCHED_SURPLUS: i32 = -6;

/// Tells whether `value` does not read like words and identifiers; no random token has a surplus (see [`random`]) below
/// -16, few have one below -6.
pub(super) fn is_random(value: &[u8], least: i32) -> bool {
    shapes::is_uuid(value) || random::surplus(value) >= least
}

/// Tells whether a name is none: a value beside it is a line of data.
pub(super) fn is_noise(name: &[u8]) -> bool {
    names::is_noise(name)
}

/// Tells whether `value` belongs to `class`.
#[must_use]
pub fn classify(class: ValueClass, value: &[u8], at: &Setting<'_>) -> bool {
    let value = inner(default_of(value));
    let most = match class {
        ValueClass::Opaque => MAX_OPAQUE,
        ValueClass::Password => password::MAX_PASSWORD,
    };
    if value.len() > most {
        return false;
    }
    let lazy = class == ValueClass::Password && filters::is_lazy(value);
    if filters::is_placeholder(value) && !lazy
        || shapes::is_password_hash(value)
        || setting::rules_out(value, at)
    {
        return false;
    }
    match class {
        ValueClass::Opaque => is_opaque(value, at),
        ValueClass::Password => password::is_password(value, at),
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

/// Returns what stands between quotes that are a part of the value: `"'[Filtered]'"`.
fn inner(value: &[u8]) -> &[u8] {
    match value {
        [b'\'', inside @ .., b'\''] | [b'"', inside @ .., b'"'] if !inside.is_empty() => inside,
        _ => value,
    }
}

/// Words nearby that say what a plain `key` is: no secret.
fn is_near_public(before: &[u8]) -> bool {
    const WORDS: [&[u8]; 10] = [
        b"public", b"Public", b"PUBLIC", b"sha", b"SHA", b"md5", b"hash", b"Hash", b"digest",
        b"cache",
    ];
    WORDS
        .iter()
        .any(|word| memchr::memmem::find(before, word).is_some())
}

/// Tells whether what a plain `key` holds is public: a number in `0x` notation, the fingerprint of a PGP key.
fn is_public_key(value: &[u8]) -> bool {
    let hex = |b: &u8| b.is_ascii_digit() || (b'A'..=b'F').contains(b);
    value.starts_with(b"0x") || matches!(value.len(), 16 | 40) && value.iter().all(hex)
}

/// Tells whether a value in JSON holds a random token: `"ApiToken": "{\"id\": 1, \"key\": \"...\"}"`.
fn holds_opaque(value: &[u8]) -> bool {
    value.first().is_some_and(|b| matches!(b, b'{' | b'['))
        && value.split(|b| !b.is_ascii_alphanumeric()).any(|part| {
            part.len() >= 20 && random::surplus(part) >= 24 && part.iter().any(u8::is_ascii_digit)
        })
}

/// Tells whether the text around says that a value is no token, whatever it looks like.
fn is_other(value: &[u8], promise: Promise, at: &Setting<'_>) -> bool {
    if promise == Promise::Hint && (is_near_public(at.before) || is_public_key(value)) {
        return true;
    }
    // The rule of HTTP Basic authentication looks at user and password.
    let scheme = at.before.get(at.before.len().saturating_sub(6)..);
    if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic ")) {
        return true;
    }
    // A short value needs an operator, and digits or a good deal of chance: `secret` is a word of prose as well.
    let prose = matches!(
        at.operator,
        Operator::Space | Operator::Other | Operator::Comma
    );
    if value.len() < 16 && shapes::is_bytes(value) {
        return true;
    }
    value.len() < 12
        && promise != Promise::Unknown
        && !at.vouched
        && (prose || !value.iter().any(u8::is_ascii_digit) && random::surplus(value) < 14)
}

/// A random-looking token under a name that promises one.
fn is_opaque(value: &[u8], at: &Setting<'_>) -> bool {
    let promise = match names::promise(at.name) {
        _ if at.name.is_empty() || at.vouched => Promise::Token,
        promise => promise,
    };
    let (least, floor) = match promise {
        _ if at.vouched => (10, VOUCHED_SURPLUS),
        Promise::Nothing => return false,
        // The shorter, the more words look random: 1% of the identifiers with capitals and no digits in ten repositories
        // have a surplus of 7, 5% of those in small letters with digits one of 15; 5% of random values of 8 less than 8.
        Promise::Token if value.len() < 12 => (8, 8),
        Promise::Token if value.len() < 16 => (8, 12),
        Promise::Token | Promise::Password => (10, 16),
        Promise::Hint => (16, 28),
        Promise::Unknown => (16, 32),
    };
    if value.len() < least || !value.is_ascii() {
        return false;
    }
    if is_other(value, promise, at) {
        return false;
    }
    let is_address = names::is_device_token(at.name) && shapes::is_push_address(value);
    if !at.vouched && (is_address || shapes::is_identity(value)) {
        return false;
    }
    if promise == Promise::Token && at.quoted && holds_opaque(value) {
        return true;
    }
    // JWTs have a rule of their own; encrypted ones (RFC 7516: five parts) open nothing without a key.
    if value.starts_with(b"eyJ") {
        let dots = value.iter().filter(|b| **b == b'.').count();
        if dots == 4 || validators::check(Check::Jwt, value) == Outcome::Valid {
            return false;
        }
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
    if shapes::is_identifier(value) && words::are_most(value) {
        return false;
    }
    let has = |f: fn(&u8) -> bool| value.iter().any(f);
    // Letters of one case only are an unknown word sooner than a token.
    let mixed =
        has(u8::is_ascii_digit) || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase));
    let floor = if mixed { floor } else { floor + 8 };
    has(u8::is_ascii_alphabetic)
        && (random::surplus(value) >= floor || (at.quoted && is_punctuated(value)))
}

/// Tells whether `value` is full of signs that no name, path or number has.
fn is_punctuated(value: &[u8]) -> bool {
    const SIGNS: &[u8] = b"!@#$%^&*(){}[]<>?;|~";
    let kinds = SIGNS.iter().filter(|sign| value.contains(sign)).count();
    value.len() >= 12 && kinds >= 4
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
            vouched: false,
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

    #[test]
    fn a_name_that_a_vendor_vouches_for_needs_no_promise() {
        let vouched = |name| Setting {
            vouched: true,
            ..quoted(name)
        };
        let token = b"zoONcLXMQ6K7QjnftlegrD9E";
        assert!(classify(
            ValueClass::Opaque,
            token,
            &vouched("acme_key_secret")
        ));
        assert!(!classify(
            ValueClass::Opaque,
            b"AcmeKeySecretOfService",
            &vouched("acme_key_secret")
        ));
        assert!(classify(
            ValueClass::Password,
            b"hunter2!",
            &vouched("acme_admin_secret")
        ));
        assert!(!classify(
            ValueClass::Password,
            b"hunter2!",
            &quoted("acme_admin_secret")
        ));
    }

    #[test]
    fn uuids_and_tokens_are_random_and_identifiers_are_not() {
        for value in [
            "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "zoONcLXMQ6K7QjnftlegrD9E",
            "86413585ca1491f9c9ce7148",
        ] {
            assert!(is_random(value.as_bytes(), -6), "{value}");
        }
        for value in [
            "KubernetesClusterDataSourceModel",
            "NewAPIPortalResourceIterator",
            "INSUFFICIENT_NEWRELIC",
        ] {
            assert!(!is_random(value.as_bytes(), -16), "{value}");
        }
    }
}

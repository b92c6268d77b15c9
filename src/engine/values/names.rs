//! What the name of a value says about it.
//!
//! A name is read from its end, where English has the head: `token_type` is a type, `db_password_file` a file,
//! `client_secret_2` a secret. No allocation.

use super::lists::{
    ASKS, DERIVED, KEEPS, NO_PASSES, NO_SECRETS, OTHER_HEADS, PASSWORDS, SECRET_CODES, SECRET_KEYS,
    TAILS, TOKENS, VERBS, contains,
};

/// What a name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// Something else than a secret: a field's label, an identifier, a size.
    Nothing,
    /// Nothing certain: no word of the name says secret.
    Unknown,
    /// A key or token, in a name that puts other words last (`apiKeyGoogle`), or a plain `key` or `auth`.
    Hint,
    /// A key, token or secret.
    Token,
    /// A password.
    Password,
}

/// Most words of a name that are looked at, from its end.
const MAX_WORDS: usize = 12;

/// Fewest letters of a word for a password that counts in front of other words.
const MIN_INNER: usize = 6;

/// Returns what `name` promises.
pub(super) fn promise(name: &[u8]) -> Promise {
    let (words, count) = split(name);
    let words = words.get(..count).unwrap_or_default();
    let Some(head) = words
        .iter()
        .rposition(|word| !contains(TAILS, word) && !word.iter().all(u8::is_ascii_digit))
    else {
        return Promise::Unknown;
    };
    let before = words.get(..head).unwrap_or_default();
    if words.iter().any(|word| contains(DERIVED, word)) {
        return Promise::Nothing;
    }
    if is_verbal(name, words) {
        return Promise::Nothing;
    }
    let of_head = words
        .get(head)
        .map_or(Promise::Unknown, |w| of_word(w, before));
    if of_head != Promise::Unknown {
        return of_head;
    }
    if words.get(head).is_some_and(|w| contains(OTHER_HEADS, w)) {
        return Promise::Nothing;
    }
    // The word that matters may stand further left: `PASSWORD_MYSQL`, `cookieValidationKeyFrontend`.
    for (i, word) in before.iter().enumerate().rev() {
        match of_word(word, words.get(..i).unwrap_or_default()) {
            Promise::Unknown => {}
            // Short words mean many things: `PW_BUNDLE`, `pass_through`.
            Promise::Password if word.len() < MIN_INNER => {}
            Promise::Token => return Promise::Hint,
            other => return other,
        }
    }
    Promise::Unknown
}

/// Tells whether a name asks or does something rather than name it: its first word says so, or that of what stands behind its
/// last dot (`props.HasPassword`), or a word anywhere (`ftp-ask-password`).
fn is_verbal(name: &[u8], words: &[&[u8]]) -> bool {
    let is_verb =
        |words: &[&[u8]]| words.len() > 1 && words.first().is_some_and(|w| contains(VERBS, w));
    let own = name.rsplit(|b| *b == b'.').next().unwrap_or(name);
    let (last, count) = split(own);
    is_verb(words)
        || is_verb(last.get(..count).unwrap_or_default())
        || words.len() > 1 && words.iter().any(|word| contains(ASKS, word))
}

/// Tells whether a name is that of a device token: what a push service knows a device by.
pub(super) fn is_device_token(name: &[u8]) -> bool {
    let (words, count) = split(name);
    let is = |word: &[u8], text: &str| word.eq_ignore_ascii_case(text.as_bytes());
    matches!(
        words.get(..count),
        Some([.., device, token])
            if is(device, "device") && (is(token, "token") || is(token, "tokens"))
                || is(token, "devicetoken")
    )
}

/// Tells whether a function of that name keeps what it is handed: `setProperty`, `withEnv`, `put`.
pub(super) fn is_keeper(function: &[u8]) -> bool {
    let (words, count) = split(function);
    let mut words = words.get(..count).unwrap_or_default().iter();
    words.any(|word| contains(KEEPS, word))
}

/// Tells whether `name` cannot be one: markup, a call, or a line of random characters that has a word in it by chance.
pub(super) fn is_noise(name: &[u8]) -> bool {
    name.iter().any(|b| b"<>=(;\"".contains(b))
        || name.len() >= 24
            && !name.iter().any(|b| b"_-. ".contains(b))
            && super::random::surplus(name) >= 24
}

/// Tells whether a function of that name works on secrets rather than taking one to keep: `checkPassword`, `hash_password`.
pub(super) fn is_action(function: &[u8]) -> bool {
    let (words, count) = split(function);
    words
        .get(..count)
        .and_then(<[_]>::first)
        .is_some_and(|word| contains(VERBS, word))
}

/// Returns what one word promises after the words `before` it.
fn of_word(word: &[u8], before: &[&[u8]]) -> Promise {
    let last = before.last().copied().unwrap_or_default();
    let is = |text: &str| word.eq_ignore_ascii_case(text.as_bytes());
    if is_password(word) {
        return Promise::Password;
    }
    if is("key") || is("keys") {
        return if contains(SECRET_KEYS, last) {
            Promise::Token
        } else if contains(NO_SECRETS, last) || is("keys") {
            Promise::Nothing
        } else {
            Promise::Hint
        };
    }
    if is("publickey")
        || ["publickey", "primarykey", "foreignkey"]
            .iter()
            .any(|tail| ends(word, tail))
    {
        return Promise::Nothing;
    }
    if is_token(word) {
        return if contains(NO_SECRETS, last) {
            Promise::Nothing
        } else {
            Promise::Token
        };
    }
    if is("code") && contains(SECRET_CODES, last) {
        return Promise::Token;
    }
    if is("auth") || is("sid") {
        return Promise::Hint;
    }
    Promise::Unknown
}

/// Tells whether a value is no more than the word for a password in some language: a label.
pub(super) fn is_password_word(value: &[u8]) -> bool {
    contains(PASSWORDS, value)
}

fn is_password(word: &[u8]) -> bool {
    const TAILS: [&str; 6] = [
        "password",
        "passwd",
        "passwort",
        "passphrase",
        "pass",
        "pwd",
    ];
    contains(PASSWORDS, word)
        || !contains(NO_PASSES, word) && TAILS.iter().any(|tail| ends(word, tail))
}

fn is_token(word: &[u8]) -> bool {
    const TAILS: [&str; 8] = [
        "secret",
        "token",
        "apikey",
        "accesskey",
        "secretkey",
        "privatekey",
        "authkey",
        "credentials",
    ];
    contains(TOKENS, word) || TAILS.iter().any(|tail| ends(word, tail))
}

/// Tells whether `word` is something more and then `tail`.
fn ends(word: &[u8], tail: &str) -> bool {
    word.len()
        .checked_sub(tail.len())
        .filter(|start| *start > 0)
        .and_then(|start| word.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(tail.as_bytes()))
}

/// Splits a name into words at separators, at humps and between letters and digits; the last [`MAX_WORDS`] of them.
fn split(name: &[u8]) -> ([&[u8]; MAX_WORDS], usize) {
    let mut words: [&[u8]; MAX_WORDS] = [&[]; MAX_WORDS];
    let mut count = 0;
    let mut end = name.len();
    // From the end, because the end decides.
    while end > 0 && count < MAX_WORDS {
        let start = word_start(name, end);
        let word = name.get(start..end).unwrap_or_default();
        if word.first().is_some_and(u8::is_ascii_alphanumeric) {
            if let Some(place) = words.get_mut(count) {
                *place = word;
            }
            count += 1;
        }
        end = start;
    }
    if let Some(used) = words.get_mut(..count) {
        used.reverse();
    }
    (words, count)
}

/// Returns where the word that ends at `end` starts; a separator is a word of its own.
fn word_start(name: &[u8], end: usize) -> usize {
    let at = |i: usize| name.get(i).copied().unwrap_or(b' ');
    let mut start = end - 1;
    if !at(start).is_ascii_alphanumeric() {
        return start;
    }
    while start > 0 {
        let (left, right) = (at(start - 1), at(start));
        let after = if start + 1 < end { at(start + 1) } else { b' ' };
        let goes_on = left.is_ascii_alphanumeric()
            && left.is_ascii_digit() == right.is_ascii_digit()
            && !(left.is_ascii_lowercase() && right.is_ascii_uppercase())
            && !(left.is_ascii_uppercase()
                && right.is_ascii_uppercase()
                && after.is_ascii_lowercase());
        if !goes_on {
            break;
        }
        start -= 1;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Promise {
        promise(name.as_bytes())
    }

    #[test]
    fn words_are_cut_at_humps_and_separators() {
        let (words, count) = split(b"my.DBPassword_2APIKey");
        let text: Vec<_> = words[..count]
            .iter()
            .map(|w| String::from_utf8_lossy(w).into_owned())
            .collect();
        assert_eq!(text, ["my", "DB", "Password", "2", "API", "Key"]);
    }

    #[test]
    fn the_head_decides() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbPass",
            "userPassword2",
            "password_confirmation",
            "PGPASSWORD",
            "smtp.passwd",
            "PASSWORD_MYSQL",
        ] {
            assert_eq!(of(name), Promise::Password, "{name}");
        }
        for name in [
            "api_key",
            "APIKey",
            "clientSecret",
            "access_token",
            "aws_secret_access_key",
            "github-token",
            "JWT_SECRET_DEV",
        ] {
            assert_eq!(of(name), Promise::Token, "{name}");
        }
        for name in [
            "keyboard",
            "compass",
            "description",
            "monkey",
            "PW_BUNDLE",
            "NOPASSWD",
            "",
        ] {
            assert!(
                matches!(of(name), Promise::Unknown | Promise::Nothing),
                "{name}"
            );
        }
        assert_eq!(of("key"), Promise::Hint);
        assert_eq!(of("apiKeyGoogle"), Promise::Hint);
    }

    #[test]
    fn names_of_something_about_a_secret_promise_none() {
        for name in [
            "password_field",
            "token_type",
            "key_name",
            "public_key",
            "secretName",
            "primary_key",
            "foreignKey",
            "token_url",
            "max_tokens",
            "has_password",
            "resetPassword",
            "AWS_ACCESS_KEY_ID",
            "password_hash",
            "next_token",
            "keystore_path",
            "publickey",
            "props.HasSshPassword",
            "ftp-ask-password",
            "password.incorrect",
            "x-amz-signature",
            "Sec-WebSocket-Key",
        ] {
            assert_eq!(of(name), Promise::Nothing, "{name}");
        }
    }
}

//! The words that people write in place of a secret.
//!
//! A value counts as a stand-in only when *all* of its letters are such words: a random token that happens to hold `test`
//! or `false` is none.

use super::lists::{FILLER, GRAMMAR, PASSWORDS, STAND, TOKENS, contains};

/// Longest run of letters that is cut into words.
const MAX_RUN: usize = 48;

/// Longest word below.
const MAX_WORD: usize = 14;

/// What a known word says of the value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Says nothing by itself.
    Filler,
    /// Names a secret, or says that there is none.
    Stand,
}

/// Tells whether every letter of `value` belongs to known words, at least one of them a stand-in, and what digits there are
/// are few or plain.
pub(crate) fn is_stand_in(value: &[u8]) -> bool {
    let mut seen = Weight::Filler;
    let mut digits = 0;
    let mut letters = 0;
    for run in value.chunk_by(|a, b| kind(*a) == kind(*b)) {
        match run.first().map(|b| kind(*b)) {
            Some(Kind::Letter) => {
                letters += run.len();
                let Some(weight) = cut(run) else {
                    return false;
                };
                seen = seen.max(weight);
            }
            Some(Kind::Digit) => digits += if is_plain_number(run) { 0 } else { run.len() },
            Some(Kind::Blank) | None => {}
            Some(Kind::Other) => return false,
        }
    }
    letters > 1 && digits <= 2 && seen == Weight::Stand
}

/// Tells whether `value` names itself a secret in words: `redis-password`, `my_own_secret`, `kafkapassword`.
pub(crate) fn is_self_named(value: &[u8]) -> bool {
    const NAMES: [&[u8]; 8] = [
        b"pass",
        b"passwd",
        b"password",
        b"pwd",
        b"secret",
        b"token",
        b"key",
        b"apikey",
    ];
    let joined = |b: &u8| matches!(b, b'_' | b'-' | b'.' | b' ');
    if !value.iter().all(|b| b.is_ascii_alphabetic() || joined(b)) {
        return false;
    }
    let is_name = |word: &[u8]| NAMES.iter().any(|name| word.eq_ignore_ascii_case(name));
    let tail = |name: &[u8]| {
        value.len() > name.len()
            && value
                .get(value.len() - name.len()..)
                .is_some_and(|tail| tail.eq_ignore_ascii_case(name))
    };
    value.iter().any(joined) && value.split(joined).any(is_name)
        || tail(b"password")
        || tail(b"passwd")
}

/// Tells whether a word holds a sentence together, or names a secret: a passphrase has none of them.
pub(super) fn is_grammar(word: &[u8]) -> bool {
    [GRAMMAR, PASSWORDS, TOKENS]
        .iter()
        .any(|list| contains(list, word))
}

/// Tells whether known words make up more than half of an identifier: `AcmeKeySecretOfService`. Words start where
/// identifiers have them start: after a separator or a digit, and at a capital.
pub(crate) fn are_most(value: &[u8]) -> bool {
    let mut known = 0;
    let mut rest = value;
    while !rest.is_empty() {
        let len = hump(rest);
        let (word, tail) = rest.split_at(len);
        if word.len() >= 2 && weigh(word).is_some() {
            known += word.len();
        }
        rest = tail;
    }
    known * 2 > value.len()
}

/// Returns the length of the first word of `text`; anything but a letter is a word of its own.
fn hump(text: &[u8]) -> usize {
    let lower = |from: usize| {
        text.iter()
            .skip(from)
            .take_while(|b| b.is_ascii_lowercase())
            .count()
    };
    let upper = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    match (upper, lower(upper)) {
        (0, 0) => 1,
        (0 | 1, small) => upper + small,
        (many, 0) => many,
        // The last capital of several belongs to the next word: `HTTPServer`.
        (many, _) => many - 1,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    /// What joins words.
    Blank,
    Other,
}

fn kind(byte: u8) -> Kind {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => Kind::Letter,
        b'0'..=b'9' => Kind::Digit,
        b'_' | b'-' | b' ' | b'.' | b'!' | b'?' | b':' | b'/' | b',' | b'\'' | b'*' | b'#'
        | b'@' => Kind::Blank,
        _ => Kind::Other,
    }
}

/// Tells whether the digits count up or down, repeat, or are a year.
fn is_plain_number(run: &[u8]) -> bool {
    let steps = |by: u8| {
        run.windows(2)
            .all(|w| matches!(w, [a, b] if b.wrapping_sub(*a) == by))
    };
    let year = run.len() == 4 && (run.starts_with(b"19") || run.starts_with(b"20"));
    run.len() < 2 || year || steps(1) || steps(0) || steps(255) || run == b"1234567890"
}

/// Cuts a run of letters into known words without a rest; returns the heaviest, or `None` if it cannot be done.
fn cut(run: &[u8]) -> Option<Weight> {
    if run.len() > MAX_RUN {
        return None;
    }
    if run.len() == 1 {
        return Some(Weight::Filler);
    }
    let mut best: [Option<Weight>; MAX_RUN + 1] = [None; MAX_RUN + 1];
    if let Some(zero) = best.first_mut() {
        *zero = Some(Weight::Filler);
    }
    for end in 1..=run.len() {
        for start in end.saturating_sub(MAX_WORD)..end {
            let Some(Some(before)) = best.get(start).copied() else {
                continue;
            };
            let Some(weight) = run.get(start..end).and_then(weigh) else {
                continue;
            };
            let sum = Some(before.max(weight));
            if let Some(place) = best.get_mut(end)
                && *place < sum
            {
                *place = sum;
            }
        }
    }
    best.get(run.len()).copied().flatten()
}

fn weigh(word: &[u8]) -> Option<Weight> {
    if contains(STAND, word) {
        Some(Weight::Stand)
    } else if contains(FILLER, word) {
        Some(Weight::Filler)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_within_bounds() {
        for list in [STAND, FILLER] {
            assert!(list.iter().all(|word| word.len() <= MAX_WORD));
        }
    }

    #[test]
    fn words_are_most_of_an_identifier_and_none_of_a_token() {
        for value in ["AcmeKeySecretOfService", "MY_KEY_ID", "newHTTPServiceToken"] {
            assert!(are_most(value.as_bytes()), "{value}");
        }
        for value in ["zoONcLXMQ6K7QjnftlegrD9E", "h8Fq2falseZx0Lm7T", ""] {
            assert!(!are_most(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn stand_ins_are_made_of_known_words_alone() {
        for value in [
            "password",
            "my-secret-token",
            "changeMe123",
            "thisIsMyPassword",
            "your_api_key_here",
            "TEST2024",
        ] {
            assert!(is_stand_in(value.as_bytes()), "{value}");
        }
        for value in [
            "h8Fq2false0Zx",
            "testosterone",
            "benrocks",
            "hunter2!%",
            "qtrue9x",
            "Kitkcm_68d",
            "7",
            "",
        ] {
            assert!(!is_stand_in(value.as_bytes()), "{value}");
        }
    }
}

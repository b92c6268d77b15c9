//! Passwords: what a person may have chosen, in quotes, in a URL or bare.

use super::{
    Operator, Setting,
    names::{self, Promise},
    random, shapes, words,
};

/// Longest password that a person chooses.
pub(super) const MAX_PASSWORD: usize = 64;

/// What a person may have chosen, under the name of a password.
pub(super) fn is_password(value: &[u8], at: &Setting<'_>) -> bool {
    if !at.name.is_empty() && !at.vouched && names::promise(at.name) != Promise::Password {
        return false;
    }
    if value.len() < 4 || value.len() > MAX_PASSWORD || value.iter().any(u8::is_ascii_control) {
        return false;
    }
    if shapes::is_language_word(value) || shapes::is_place(value) || shapes::is_binary(value) {
        return false;
    }
    if shapes::is_prose(value) && !is_passphrase(value, at) {
        return false;
    }
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    // Units and dates start with a digit: `10px`, `2024-01-31`.
    let numeric = digits < value.len()
        && shapes::is_numeric(value)
        && value
            .first()
            .is_some_and(|b| b.is_ascii_digit() || *b == b'-');
    if digits == value.len() && digits < 6 || numeric {
        return false;
    }
    if names::is_password_word(value) || shapes::is_escape(value) {
        return false;
    }
    // Manuals and tests hand words to functions.
    if at.operator == Operator::Call
        && value.iter().all(u8::is_ascii_alphabetic)
        && random::surplus(value) < 4
    {
        return false;
    }
    if at.quoted || at.name.is_empty() {
        // A name in capitals or with humps is a constant's name or an option's; nobody puts those into a URL.
        let is_name = at.quoted && shapes::is_option_name(value);
        // `Password=Лозинка` in a file of translations.
        let is_label = !at.quoted && at.before.ends_with(b"=") && shapes::is_foreign_word(value);
        return !shapes::is_code(value)
            && !is_name
            && !is_label
            && !is_between_strings(value)
            && (at.quoted || is_balanced(value));
    }
    is_bare_password(value, at)
}

/// Tells whether words with single blanks between are a passphrase: four to eight of them in small letters, none of which
/// holds a sentence together or names a secret, under a name in quotes or joined by an operator.
fn is_passphrase(value: &[u8], at: &Setting<'_>) -> bool {
    let joined = matches!(
        at.operator,
        Operator::Assign | Operator::Colon | Operator::Arrow | Operator::Tag
    );
    let mut count = 0;
    let words = value.split(|b| *b == b' ').all(|word| {
        count += 1;
        word.len() >= 2 && word.iter().all(u8::is_ascii_lowercase) && !words::is_grammar(word)
    });
    at.quoted && joined && words && (4..=8).contains(&count)
}

/// Tells whether a "value" is what stands between two strings: `"Password:", remember: "`.
fn is_between_strings(value: &[u8]) -> bool {
    value.first().is_some_and(|b| b",;:)+".contains(b))
        && value.last().is_some_and(|b| b",:(+=".contains(b))
}

/// Tells whether brackets are no rest of a syntax: `[protocol://][:password]@address` has one too many.
fn is_balanced(value: &[u8]) -> bool {
    let count = |bracket: u8| value.iter().filter(|b| **b == bracket).count();
    count(b'[') == count(b']')
}

/// An unquoted password: only where values go without quotes, and never an expression.
fn is_bare_password(value: &[u8], at: &Setting<'_>) -> bool {
    // The last parameter of a block: `|user, password: nil|`.
    if value
        .strip_suffix(b"|")
        .is_some_and(shapes::is_language_word)
    {
        return false;
    }
    // A word of a language in other letters is a label: nothing else is written without quotes.
    if shapes::is_code(value) || shapes::is_reference(value) || shapes::is_foreign_word(value) {
        return false;
    }
    // Blanks around `=` are the manner of code, where a bare word is a variable.
    let tight = !at.before.last().is_some_and(u8::is_ascii_whitespace);
    let line_ends = ends_line(value, at, tight);
    // In a list of environment variables no value is a variable.
    let shouts = !at.name.iter().any(u8::is_ascii_lowercase) && at.operator == Operator::Assign;
    let listed = tight && line_ends && shouts && random::surplus(value) >= 4;
    let chosen = listed || shapes::is_chosen(value);
    if shapes::is_code_name(value) && !(chosen && (tight || line_ends)) {
        return false;
    }
    if matches!(value, [word @ .., b':' | b','] if word.iter().all(u8::is_ascii_alphabetic)) {
        return false;
    }
    let brackets = value.iter().any(|b| b"\"'`(){}[]<>;,\\".contains(b));
    if brackets && !(tight && line_ends && value.len() >= 10 && random::surplus(value) >= 16) {
        return false;
    }
    let word = shapes::is_identifier(value);
    match at.operator {
        Operator::Assign => (tight || !word || chosen) && line_ends || (tight && !word),
        Operator::Colon => line_ends && !tight,
        Operator::Tag => true,
        Operator::Flag => line_ends || !is_followed_by_prose(value, at),
        Operator::Space => is_spaced_password(value, at, line_ends),
        Operator::Arrow
        | Operator::Compare
        | Operator::Comma
        | Operator::Call
        | Operator::Other => false,
    }
}

/// Tells whether a word in small letters and the word after it are a sentence: "add --client-pass support for keys".
fn is_followed_by_prose(value: &[u8], at: &Setting<'_>) -> bool {
    value.iter().all(u8::is_ascii_lowercase)
        && match at.after {
            [b' ', next, ..] => next.is_ascii_alphabetic(),
            [next, ..] => matches!(next, b'"' | b'\''),
            [] => false,
        }
}

/// Tells whether what follows an unquoted value ends it as data: the line's end, a comment, the next word of a command.
fn ends_line(value: &[u8], at: &Setting<'_>, tight: bool) -> bool {
    match at.after {
        [] | [b'\n' | b'\r', ..] => true,
        // `- "PASSWORD=..."`: the quotes are around the assignment.
        [b'"' | b'\'', ..] if at.operator == Operator::Assign => true,
        [b'<', b'/', ..] => true,
        [b' ', rest @ ..] if at.operator == Operator::Assign && tight => {
            is_next_word(rest) && !is_first_word(value)
        }
        after => {
            let rest = after
                .iter()
                .position(|b| !matches!(b, b' ' | b'\t'))
                .and_then(|i| after.get(i..));
            rest.is_none_or(|rest| {
                matches!(rest, [b'\n' | b'\r' | b'#' | b'\\' | b'&', ..])
                    || rest.starts_with(b"<br")
                    || rest.starts_with(b"</")
            })
        }
    }
}

/// Tells whether a value is a word as sentences begin with: `copy.password=Copy the password from there`.
fn is_first_word(value: &[u8]) -> bool {
    matches!(value, [first, rest @ ..] if first.is_ascii_uppercase()
        && rest.iter().all(u8::is_ascii_lowercase))
}

/// Tells whether `rest` goes on with a word of a command: `docker run -e PASSWORD=... image`, `PASSWORD=... command`,
/// `--password=... --verbose`.
fn is_next_word(rest: &[u8]) -> bool {
    match rest {
        [b'-', next, ..] => *next == b'-' || next.is_ascii_alphabetic(),
        [next, ..] => !b"=+*/?&|<>".contains(next),
        [] => true,
    }
}

/// After a blank alone prose is likely: the name must be a variable's (`ENV DB_PASSWORD ...`), or the value no word.
fn is_spaced_password(value: &[u8], at: &Setting<'_>, line_ends: bool) -> bool {
    let is_read = at
        .before
        .trim_ascii_end()
        .strip_suffix(at.name)
        .is_some_and(|before| before.ends_with(b"$") || before.ends_with(b"${"));
    // `docker run -e PASSWORD OTHER=...`: the next variable and its value.
    if is_read || value.starts_with(b"-") || shapes::is_assignment(value) {
        return false;
    }
    let by = at.before.trim_ascii_end();
    let by = by.get(by.len().saturating_sub(13)..).unwrap_or_default();
    if by.eq_ignore_ascii_case(b"identified by") {
        return shapes::is_chosen(value) || !shapes::is_identifier(value);
    }
    let variable = at.name.contains(&b'_') && !at.name.iter().any(u8::is_ascii_lowercase);
    let has = |f: fn(&u8) -> bool| value.iter().any(f);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    line_ends && (variable || mixed && value.last().is_some_and(|b| !b",.:;".contains(b)))
}

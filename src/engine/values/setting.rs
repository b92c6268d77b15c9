//! What the text around a value says: that it is code, one string of a list, a column of a manual, or repeats its name.

use super::{Operator, Setting, names, random};

/// Tells whether the text around says that the value is code or repeats the name.
pub(super) fn rules_out(value: &[u8], at: &Setting<'_>) -> bool {
    let follows = |list: &[u8]| at.after.first().is_some_and(|b| list.contains(b));
    if !at.quoted && (follows(b"([") || at.after.starts_with(b"::") || at.after.starts_with(b"->"))
    {
        return true;
    }
    if names::is_noise(at.name) || at.operator == Operator::Comma && is_listed(value, at) {
        return true;
    }
    if is_prose(at) || is_translated(at) {
        return true;
    }
    // Columns of a manual: `--ask-password    Ask for it`.
    if at.operator == Operator::Flag && at.before.ends_with(b"  ") {
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

/// Tells whether name and value are words of a sentence or of a template: "a peer identified by `name`", "pass 'true' to it",
/// "`-password` or `-2fa`", `(ne .Values.password "x")`, `ok ? "pass" : "skip it"`.
fn is_prose(at: &Setting<'_>) -> bool {
    let code = at.before.ends_with(b"`");
    match at.operator {
        Operator::Space => {
            code || at.name.contains(&b'$')
                || at.quoted
                    && (at.name.eq_ignore_ascii_case(b"pass") || at.name.contains(&b'.'))
        }
        Operator::Other => {
            let either = [&b"\" or \""[..], b"' or '"];
            code || either.iter().any(|text| at.before.ends_with(text))
        }
        Operator::Flag => at.name.contains(&b'$'),
        Operator::Comma => code,
        Operator::Colon => before_name(at).is_some_and(|before| {
            matches!(before, [head @ .., b'"' | b'\''] if head.trim_ascii_end().ends_with(b"?"))
        }),
        _ => false,
    }
}

/// Tells whether the name is the last word of a sentence in a Java properties file, where blanks of a key are escaped:
/// `Confirm\ password=...`. Those are texts for people.
fn is_translated(at: &Setting<'_>) -> bool {
    !at.quoted && before_name(at).is_some_and(|before| before.ends_with(b"\\ "))
}

/// Returns what stands before the name, as far as it can be seen.
fn before_name<'a>(at: &Setting<'a>) -> Option<&'a [u8]> {
    let marks: &[u8] = b"\"':=, \t";
    let last = at.before.iter().rposition(|b| !marks.contains(b))?;
    at.before.get(..=last)?.strip_suffix(at.name)
}

/// Tells whether the next string after one that looks like a name is no value of it: both stand in a list of strings, or are
/// arguments of a function that works on secrets.
fn is_listed(value: &[u8], at: &Setting<'_>) -> bool {
    let callee = called(at.before);
    // `CheckPassword("password", "...")`: what a test hands to a function that hashes or compares. `["Password:", "..."]`:
    // what a program asks and is told.
    if callee.is_some_and(names::is_action)
        || !is_pair(at)
        || at.name.contains(&b':')
        || at.name.ends_with(b" ")
    {
        return true;
    }
    // Words may be anything, unless the function keeps values or nothing follows.
    let wordy = value
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(b))
        && random::surplus(value) < 8;
    let goes_on = at
        .after
        .iter()
        .skip(1)
        .find(|b| !b.is_ascii_whitespace())
        .is_some_and(|b| *b == b',');
    let array = before_name(at).is_some_and(|before| {
        let head = before.trim_ascii_end();
        head.strip_suffix(b"\"")
            .or_else(|| head.strip_suffix(b"'"))
            .is_some_and(|head| head.trim_ascii_end().ends_with(b"["))
    });
    let digits = value.iter().any(u8::is_ascii_digit);
    wordy && (goes_on || !digits && (array || !callee.is_none_or(names::is_keeper)))
}

/// Returns the name of the function whose argument list is open at the end of `before`.
fn called(before: &[u8]) -> Option<&[u8]> {
    let open = before.iter().rposition(|b| *b == b'(')?;
    let head = before.get(..open)?;
    let start = head
        .iter()
        .rposition(|b| !b.is_ascii_alphanumeric() && *b != b'_')
        .map_or(0, |i| i + 1);
    head.get(start..).filter(|name| !name.is_empty())
}

/// Tells whether name and value are the first of their list: `put("password", "...")`, `{"password", "..."}`; in a longer list
/// of strings a name is no name.
fn is_pair(at: &Setting<'_>) -> bool {
    let marks: &[u8] = b"\"'`, \t\r\n@";
    let end = at
        .before
        .iter()
        .rposition(|b| !marks.contains(b))
        .map_or(0, |i| i + 1);
    at.before
        .get(..end)
        .and_then(|head| head.strip_suffix(at.name))
        .is_none_or(|head| {
            let last = head
                .iter()
                .rev()
                .find(|b| !marks.contains(b) || **b == b',');
            !matches!(last, Some(b','))
        })
}

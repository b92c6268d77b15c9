//! Values that a secret's name announces from another place than before an `=` or `:`: arguments, elements, entries of two keys, options of
//! programs.

use std::ops::Range;

use super::{names_secret, of_value};
use crate::policy::values::{self, Value};

/// Words before a name whose value is the rest of the line.
const SETTERS: [&str; 5] = ["ENV", "ARG", "SET", "SETENV", "SETX"];

/// Programs and their options for passwords.
const OPTIONS: [(&str, &[&str]); 9] = [
    ("curl", &["-u", "--user", "-U", "--proxy-user"]),
    ("login", &["-p"]),
    ("mysql", &["-p"]),
    ("mysqldump", &["-p"]),
    ("mysqladmin", &["-p"]),
    ("sshpass", &["-p"]),
    ("redis-cli", &["-a"]),
    ("ldapsearch", &["-w"]),
    ("sqlcmd", &["-P"]),
];

/// Covers what stands in the place of a value; `announced` tells whether the line before ended with the name of one. Returns whether
/// this one does.
pub(super) fn cover(
    line: &str,
    offset: usize,
    announced: bool,
    covered: &mut Vec<Range<usize>>,
) -> bool {
    let mut add = |at: usize, value: &Range<usize>| {
        covered.push(offset + at + value.start..offset + at + value.end);
    };
    let mut awaits = announced;
    let mut last = false;
    let mut before = "";
    for at in words(line) {
        let word = line.get(at.clone()).unwrap_or_default();
        let rest = line.get(at.end..).unwrap_or_default();
        let is_secret = names_secret(word);
        if awaits && matches!(word, "value" | "Value" | "default" | "defaultValue") {
            if let Some((start, value)) = assigned(rest) {
                add(at.end + start, &value);
            }
            awaits = false;
        }
        if is_secret && let Some((start, value)) = follows(rest, before) {
            add(at.end + start, &value);
        }
        awaits |= is_secret;
        last = is_secret && rest.trim_matches(['"', '\'', ',', ' ']).is_empty();
        before = word;
    }
    for (program, options) in OPTIONS {
        if let Some(begin) = line.find(program) {
            let rest = line.get(begin..).unwrap_or_default();
            of_options(rest, options, &mut |at, value| add(begin + at, value));
        }
    }
    last && matches!(before_last(line), Some(':' | '=' | '>'))
}

/// Returns the sign before the last word.
fn before_last(line: &str) -> Option<char> {
    let line = line.trim_end_matches(['"', '\'', ',', ' ']);
    let head = line.trim_end_matches(|c: char| is_name(c));
    head.trim_end_matches(['"', '\'', ' ']).chars().next_back()
}

const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Returns the places of words that may be names.
fn words(line: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    line.split(|c: char| !is_name(c)).filter_map(move |word| {
        let start = at;
        let next = line.get(start + word.len()..)?.chars().next();
        at += word.len() + next.map_or(0, char::len_utf8);
        (!word.is_empty()).then(|| start..start + word.len())
    })
}

/// Returns the value behind the `=` or `:` of a key.
fn assigned(rest: &str) -> Option<(usize, Range<usize>)> {
    let body = rest.trim_start_matches(['"', '\'', ' ']);
    let body = body.strip_prefix(['=', ':'])?.trim_start();
    let value = of_value(body);
    let text = body.get(value.clone()).unwrap_or_default();
    // In a flow mapping it ends with the entry.
    let end = match value.start {
        0 => text.find([',', '}', '>']).unwrap_or(text.len()),
        _ => value.end,
    };
    let value = value.start..end;
    is_shown(body.get(value.clone())?).then_some((rest.len() - body.len(), value))
}

/// Returns the value that follows a name: `("name", "value")`, `name("value")`, `<name>value</name>`, `ENV NAME value`.
fn follows(rest: &str, before: &str) -> Option<(usize, Range<usize>)> {
    let start = |body: &str| rest.len() - body.len();
    if let Some(body) = rest.strip_prefix('>') {
        let end = body.find('<').unwrap_or(body.len());
        return is_shown(body.get(..end)?).then_some((start(body), 0..end));
    }
    if SETTERS.iter().any(|one| one.eq_ignore_ascii_case(before))
        && let Some(body) = rest.strip_prefix(' ')
    {
        let value = of_value(body);
        return is_shown(body.get(value.clone())?).then_some((start(body), value));
    }
    let body = rest.trim_start_matches(['"', '\'', ' ']);
    let body = body.strip_prefix([',', '('])?.trim_start();
    if !body.starts_with(['"', '\'', '`']) {
        return None;
    }
    let value = of_value(body);
    let text = body.get(value.clone())?;
    // Lists of names are no calls.
    (is_shown(text) && !names_secret(text)).then_some((start(body), value))
}

fn of_options(line: &str, options: &[&str], add: &mut impl FnMut(usize, &Range<usize>)) {
    for option in options {
        let is_short = option.len() == 2;
        for (at, _) in line.match_indices(option) {
            let is_begun = line.get(..at).is_some_and(|head| head.ends_with(' '));
            let rest = line.get(at + option.len()..).unwrap_or_default();
            let body = rest.trim_start_matches([' ', '=']);
            let is_apart = body.len() < rest.len();
            if !is_begun || !(is_apart || is_short) {
                continue;
            }
            let mut value = of_value(body);
            if value.start == 0 {
                value.end = body.find(char::is_whitespace).unwrap_or(body.len());
            }
            let text = body.get(value.clone()).unwrap_or_default();
            // Of `user:password` the user stays.
            let user = text.find(':').map_or(0, |colon| colon + 1);
            if is_shown(text.get(user..).unwrap_or_default()) && !text.starts_with('-') {
                let start = at + option.len() + rest.len() - body.len();
                add(start, &(value.start + user..value.end));
            }
        }
    }
}

/// Tells whether a text is one that must not be shown in the place of a secret's value.
fn is_shown(text: &str) -> bool {
    matches!(
        values::classify(text),
        Value::Literal(_) | Value::Hash | Value::Path | Value::Url
    ) && !(text.starts_with('$') && text.len() <= 3)
}

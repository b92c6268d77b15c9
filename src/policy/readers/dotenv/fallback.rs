//! The last resort: pairs of names and values on the lines of a text of any format.

use std::ops::Range;

use super::{Line, Row};

/// Reads what is of any format, or of a broken one, line by line: `key = value`, `key: value`, `"key": "value"`, `- key: value`,
/// `export K=V`, and several pairs on a line in braces.
#[must_use]
pub fn fallback(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let row = Row::at(text, at);
        at = row.next;
        let line = row.text(text);
        if line.starts_with(['#', ';', '<']) || line.starts_with("//") {
            continue;
        }
        pairs(text, row.start..row.end, &mut lines);
    }
    lines
}

/// Reads the pairs of one line.
fn pairs(text: &str, line: Range<usize>, lines: &mut Vec<Line>) {
    let mut at = line.start;
    let mut is_flow = false;
    while at < line.end {
        let rest = text.get(at..line.end).unwrap_or_default();
        let body = opened(rest);
        is_flow |= rest
            .get(..rest.len() - body.len())
            .is_some_and(|signs| signs.contains(['{', ',']));
        at += rest.len() - body.len();
        let Some((key, value)) = key(text, at..line.end) else {
            return;
        };
        let raw = text.get(value..line.end).unwrap_or_default();
        let trimmed = raw.trim_start();
        let start = value + (raw.len() - trimmed.len());
        if trimmed.starts_with('{') {
            at = start;
            continue;
        }
        let (span, end, quote) = value_of(text, start..line.end, is_flow);
        let raw = text.get(span.clone()).unwrap_or_default();
        if !is_opening(raw) || quote.is_some() {
            lines.push(Line {
                section: String::new(),
                key: text.get(key.clone()).unwrap_or_default().to_owned(),
                value: if quote == Some(b'"') {
                    super::unescape(raw)
                } else {
                    raw.to_owned()
                },
                value_span: span,
                literal: quote == Some(b'\''),
                span: at..end,
                key_span: key,
            });
        }
        at = end;
        let rest = text.get(at..line.end).unwrap_or_default().trim_start();
        if !rest.starts_with([',', ';', '}']) {
            return;
        }
    }
}

/// Drops what may stand before a key: list signs, braces, commas, words that assign.
fn opened(line: &str) -> &str {
    let mut rest = line;
    loop {
        let before = rest.len();
        rest = rest.trim_start_matches([' ', '\t', '{', '[', ',', ';', '}']);
        for word in [
            "- ", "export ", "ENV ", "ARG ", "set ", "SET ", "local ", "const ", "let ", "var ",
        ] {
            rest = rest.strip_prefix(word).unwrap_or(rest);
        }
        if rest.len() == before {
            return rest;
        }
    }
}

/// Returns the key's bytes without quotes and where its value may begin.
fn key(text: &str, range: Range<usize>) -> Option<(Range<usize>, usize)> {
    let line = text.get(range.clone())?;
    let bytes = line.as_bytes();
    let quote = bytes.first().copied().filter(|b| matches!(b, b'"' | b'\''));
    let is_key = |c: char| c.is_alphanumeric() || "_.-/@$".contains(c);
    let bare = |from: usize| {
        let rest = line.get(from..).unwrap_or_default();
        from + rest.find(|c| !is_key(c)).unwrap_or(rest.len())
    };
    let (key, after) = match quote {
        Some(quote) => {
            let close = memchr::memchr(quote, bytes.get(1..)?)? + 1;
            let word = bare(1);
            if word < close && bytes.get(word) == Some(&b'=') {
                // An item of a list: `- "KEY=value"`.
                (1..word, word)
            } else {
                (1..close, close + 1)
            }
        }
        None => (0..bare(0), bare(0)),
    };
    if key.is_empty() {
        return None;
    }
    let rest = line.get(after..)?;
    let sign = rest.trim_start_matches([' ', '\t']);
    let length = match sign.as_bytes() {
        [b':', b'/', b'/', ..] | [b'=', b'=' | b'~', ..] | [b':', b':', ..] => return None,
        [b':', b'=', ..] | [b'=', b'>', ..] => 2,
        [b':' | b'=', ..] => 1,
        _ => return None,
    };
    let value = range.start + after + (rest.len() - sign.len()) + length;
    Some((range.start + key.start..range.start + key.end, value))
}

/// Returns the bytes of a value, the end of what it takes, and its quote.
fn value_of(text: &str, range: Range<usize>, is_flow: bool) -> (Range<usize>, usize, Option<u8>) {
    let line = text.get(range.clone()).unwrap_or_default();
    let bytes = line.as_bytes();
    let quote = bytes
        .first()
        .copied()
        .filter(|b| matches!(b, b'"' | b'\'' | b'`'));
    if let Some((quote, close)) =
        quote.and_then(|quote| Some((quote, super::closing(bytes, 1, quote)?)))
    {
        return (
            range.start + 1..range.start + close,
            range.start + close + 1,
            Some(quote),
        );
    }
    let ends: &[char] = if is_flow { &[',', '}'] } else { &[] };
    let length = line.find(ends).unwrap_or(line.len());
    let value = super::bare(line.get(..length).unwrap_or_default(), false);
    let value = value.trim_end_matches([',', ';', ' ', '\t']);
    // What is left of `- "KEY=value"`.
    let value = value
        .strip_suffix('"')
        .filter(|rest| !rest.contains('"'))
        .unwrap_or(value);
    let value = value
        .strip_suffix('\'')
        .filter(|rest| !rest.contains('\''))
        .unwrap_or(value);
    let end = range.start + value.len();
    (range.start..end, end, None)
}

/// Tells whether a value only opens what stands on the lines below.
fn is_opening(value: &str) -> bool {
    matches!(
        value,
        "" | "{"
            | "["
            | "("
            | "|"
            | ">"
            | "|-"
            | ">-"
            | "|+"
            | ">+"
            | "{}"
            | "[]"
            | "\"\"\""
            | "'''"
    )
}

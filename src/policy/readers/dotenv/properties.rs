//! Java properties and what looks like them: ini, `.npmrc`, `.pypirc`, the settings of servers.
//!
//! The dialects disagree on comments and separators; where they do, the reading that keeps names and values whole is taken.

use std::ops::Range;

use super::{Line, Row};

/// Reads properties and ini files: sections, `=`, `:` and blanks as separators, `#`, `;` and `!` comments, continued lines, escapes.
#[must_use]
pub fn properties(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut section = String::new();
    let mut at = 0;
    while at < text.len() {
        let row = Row::at(text, at);
        at = row.next;
        let line = row.text(text);
        if line.is_empty() || line.starts_with(['#', ';', '!', '<']) {
            continue;
        }
        if let Some(name) = header(line) {
            name.clone_into(&mut section);
            continue;
        }
        let Some((key, value)) = split(line) else {
            continue;
        };
        let end = continued(text, &row, &mut at);
        let value = row.start + value..end;
        lines.push(assignment(
            text,
            &section,
            row.start..row.start + key,
            value,
        ));
    }
    lines
}

/// Returns the name of a section.
fn header(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('[')?;
    let (name, after) = rest.rsplit_once(']')?;
    let after = after.trim_start();
    (after.is_empty() || after.starts_with(['#', ';']))
        .then(|| name.trim_matches(['[', ']', ' ', '\t']))
}

/// Returns the length of the key and the offset behind its separator.
fn split(line: &str) -> Option<(usize, usize)> {
    let is_registry = line.starts_with("//") || line.starts_with('@');
    let bytes = line.as_bytes();
    let mut blank = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let is_separator = match byte {
            b'\\' => {
                at += 2;
                continue;
            }
            b'=' => true,
            b':' => !is_registry,
            _ => false,
        };
        if matches!(byte, b' ' | b'\t') && blank.is_none() {
            blank = Some(at);
        }
        if is_separator {
            let key = line.get(..at)?.trim_end().len();
            // Several words before the sign are a key only if blanks stand around it: else the first is one, and the sign is the value's.
            let is_wide = bytes.get(at + 1).is_none_or(|b| matches!(b, b' ' | b'\t'));
            return match blank.filter(|blank| *blank < key && !is_wide) {
                Some(blank) => Some((blank, blank + 1)),
                None => (key > 0).then_some((key, at + 1)),
            };
        }
        at += 1;
    }
    blank.map(|blank| (blank, blank + 1))
}

/// Returns the end of an assignment whose lines end in a backslash, and moves `at` behind it.
fn continued(text: &str, row: &Row, at: &mut usize) -> usize {
    let is_open = |start: usize, end: usize| {
        let line = text.get(start..end).unwrap_or_default().as_bytes();
        line.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
    };
    let (mut start, mut end) = (row.start, row.end);
    while is_open(start, end) && *at < text.len() {
        let next = Row::at(text, *at);
        *at = next.next;
        (start, end) = (next.start, next.end);
    }
    end.max(row.end)
}

fn assignment(text: &str, section: &str, key: Range<usize>, value: Range<usize>) -> Line {
    let raw = text.get(value.clone()).unwrap_or_default();
    let trimmed = raw.trim_start();
    let start = value.start + (raw.len() - trimmed.len());
    let bytes = trimmed.as_bytes();
    let quote = bytes.first().copied().filter(|b| matches!(b, b'"' | b'\''));
    let close = quote.and_then(|quote| {
        let close = memchr::memchr(quote, bytes.get(1..)?)? + 1;
        let after = trimmed.get(close + 1..)?.trim();
        (after.is_empty() || after == ";" || after.starts_with(['#', ';'])).then_some(close)
    });
    let (span, end) = match close {
        Some(close) => (start + 1..start + close, start + close + 1),
        None => {
            let length = bare(trimmed).len();
            (start..start + length, start + length)
        }
    };
    Line {
        section: section.to_owned(),
        key: unescape(text.get(key.clone()).unwrap_or_default()),
        value: unescape(text.get(span.clone()).unwrap_or_default()),
        value_span: span,
        literal: close.is_some() && quote == Some(b'\''),
        span: key.start..end.max(key.end),
        key_span: key,
    }
}

/// Returns a value up to its comment: a sign between blanks. Java knows none there, and no value there looks so.
fn bare(value: &str) -> &str {
    let bytes = value.as_bytes();
    let is_blank = |b: Option<&u8>| b.is_none_or(|b| matches!(b, b' ' | b'\t'));
    let end = memchr::memchr2_iter(b'#', b';', bytes).find(|at| {
        let before = at.checked_sub(1).map(|before| bytes.get(before));
        before.is_none_or(is_blank) && is_blank(bytes.get(at + 1))
    });
    value
        .get(..end.unwrap_or(value.len()))
        .unwrap_or_default()
        .trim_end()
}

/// Undoes the escapes of properties. Those without meaning stay: ini files hold `C:\data`.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (made, taken) = escape(after);
        match made {
            Some(made) => out.extend(made),
            None => out.push('\\'),
        }
        rest = after.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Returns what an escape stands for (nothing, if it joins two lines) and the bytes behind the backslash that it takes.
fn escape(after: &str) -> (Option<Option<char>>, usize) {
    let Some(c) = after.chars().next() else {
        return (Some(None), 0);
    };
    let blanks = |from: usize| {
        let rest = after.get(from..).unwrap_or_default();
        from + (rest.len() - rest.trim_start_matches([' ', '\t']).len())
    };
    match c {
        'n' => (Some(Some('\n')), 1),
        't' => (Some(Some('\t')), 1),
        'r' => (Some(Some('\r')), 1),
        '\n' => (Some(None), blanks(1)),
        '\r' if after.starts_with("\r\n") => (Some(None), blanks(2)),
        ' ' | ':' | '=' | '#' | '!' | '\\' | '"' | '\'' => (Some(Some(c)), 1),
        'u' => {
            let hex = after
                .get(1..5)
                .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
            let code = hex
                .and_then(|hex| u32::from_str_radix(hex, 16).ok())
                .and_then(char::from_u32);
            code.map_or((None, 0), |code| (Some(Some(code)), 5))
        }
        _ => (None, 0),
    }
}

//! Files of `key = value` lines: dotenv here, Java properties and ini in `properties`, anything line by line in `fallback`.
//!
//! Promises: no assignment is dropped because its key stands there twice; spans are those of the file; what is no assignment is passed
//! over; time is linear in the text.

use std::ops::Range;

mod fallback;
mod properties;

pub use fallback::fallback;
pub use properties::properties;

/// One assignment. Duplicates are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The section of an ini file; empty without one.
    pub section: String,
    /// The key.
    pub key: String,
    /// Its bytes.
    pub key_span: Range<usize>,
    /// The value, quotes and escapes undone.
    pub value: String,
    /// Its bytes without the quotes around it.
    pub value_span: Range<usize>,
    /// Whether it stands in single quotes, so that nothing is filled in.
    pub literal: bool,
    /// The whole assignment without comment and line end.
    pub span: Range<usize>,
}

impl Line {
    /// Returns the bytes of the file that a part of the value came from: of a value with escapes those of the whole.
    #[must_use]
    pub fn source(&self, part: Range<usize>) -> Range<usize> {
        if self.value.len() != self.value_span.len() || self.value.get(part.clone()).is_none() {
            return self.value_span.clone();
        }
        self.value_span.start + part.start..self.value_span.start + part.end
    }
}

/// Reads a dotenv file: `export`, three kinds of quotes (over several lines too), comments, escapes in double quotes. What `${}`
/// would fill in stays as it is.
#[must_use]
pub fn read(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut quotes = Quotes::default();
    let mut at = 0;
    while at < text.len() {
        let row = Row::at(text, at);
        at = row.next;
        let Some((start, key)) = key(text, &row) else {
            continue;
        };
        let value = value(text, key.value..row.end, &mut quotes);
        if value.end > row.end {
            at = Row::at(text, value.end).next;
        }
        lines.push(Line {
            section: String::new(),
            key: text.get(key.span.clone()).unwrap_or_default().to_owned(),
            key_span: key.span,
            value: value.text,
            value_span: value.span,
            literal: value.literal,
            span: start..value.end,
        });
    }
    lines
}

/// One line of a text.
struct Row {
    /// Its first byte that is no blank.
    start: usize,
    /// Its end, without the line break.
    end: usize,
    /// Where the next begins.
    next: usize,
}

impl Row {
    /// Returns the line (or what is left of it) from an offset on.
    fn at(text: &str, at: usize) -> Self {
        let rest = text.get(at..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest.as_bytes());
        let next = length.map_or(text.len(), |length| at + length + 1);
        let line = rest.get(..next - at.min(next)).unwrap_or_default();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        Self {
            start: at + (line.len() - line.trim_start().len()),
            end: at + line.len(),
            next,
        }
    }

    fn text<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// A key and where its value may begin.
struct Key {
    span: Range<usize>,
    value: usize,
}

/// Returns the key of a line and where the assignment begins; `KEY: value` is read as some libraries do.
fn key(text: &str, row: &Row) -> Option<(usize, Key)> {
    let line = row.text(text);
    if line.starts_with('#') {
        return None;
    }
    let mut start = row.start;
    let mut rest = line;
    if let Some(after) = line
        .strip_prefix("export")
        .filter(|after| after.starts_with([' ', '\t']))
    {
        rest = after.trim_start();
        start += line.len() - rest.len();
    }
    let is_key = |c: char| c.is_alphanumeric() || "_.-/@$[]".contains(c);
    let length = rest.find(|c| !is_key(c)).unwrap_or(rest.len());
    let (_, after) = rest
        .split_at_checked(length)
        .filter(|(key, _)| !key.is_empty())?;
    let sign = after.trim_start();
    let is_assignment = sign.starts_with('=') && !sign.starts_with("==")
        || sign.starts_with(": ") && sign.len() == after.len();
    is_assignment.then(|| {
        let value = start + (rest.len() - sign.len()) + 1;
        (
            row.start,
            Key {
                span: start..start + length,
                value,
            },
        )
    })
}

/// A value as read.
struct Value {
    text: String,
    span: Range<usize>,
    literal: bool,
    /// One past it, its closing quote included.
    end: usize,
}

/// Which quotes are known not to close any more, so that no text is searched twice.
#[derive(Default)]
struct Quotes {
    open: Vec<u8>,
}

/// Reads what stands behind the sign of an assignment, up to the end of its line or of its quotes.
fn value(text: &str, range: Range<usize>, quotes: &mut Quotes) -> Value {
    let line = text.get(range.clone()).unwrap_or_default();
    let trimmed = line.trim_start();
    let start = range.start + (line.len() - trimmed.len());
    if let Some(value) = quoted(text, start, quotes) {
        return value;
    }
    let bare = bare(trimmed, start > range.start);
    let span = start..start + bare.len();
    Value {
        text: bare.to_owned(),
        end: span.end,
        span,
        literal: false,
    }
}

/// Reads a value in quotes; `None` if it has none, or if they do not close before a comment or the end of a line.
fn quoted(text: &str, start: usize, quotes: &mut Quotes) -> Option<Value> {
    let bytes = text.as_bytes();
    let quote = *bytes
        .get(start)
        .filter(|quote| matches!(**quote, b'"' | b'\'' | b'`'))?;
    if quotes.open.contains(&quote) {
        return None;
    }
    let Some(end) = closing(bytes, start + 1, quote) else {
        quotes.open.push(quote);
        return None;
    };
    let after = Row::at(text, end + 1);
    let rest = after.text(text);
    // A quote that opens the value of a later line was taken for the closing one.
    if !rest.is_empty() && !rest.starts_with('#') && !rest.starts_with(';') {
        return None;
    }
    let span = start + 1..end;
    let raw = text.get(span.clone())?;
    let text = if quote == b'"' {
        unescape(raw)
    } else {
        raw.replace("\r\n", "\n")
    };
    Some(Value {
        text,
        span,
        literal: quote == b'\'',
        end: end + 1,
    })
}

/// Returns where a quote closes. Only in double quotes a backslash takes the meaning of what follows.
fn closing(bytes: &[u8], start: usize, quote: u8) -> Option<usize> {
    let mut at = start;
    loop {
        let rest = bytes.get(at..)?;
        if quote != b'"' {
            return Some(at + memchr::memchr(quote, rest)?);
        }
        let found = at + memchr::memchr2(quote, b'\\', rest)?;
        if bytes.get(found) == Some(&quote) {
            return Some(found);
        }
        at = found + 2;
    }
}

/// Undoes the escapes of double quotes; those without meaning stay.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        let known = match (c, chars.peek()) {
            ('\\', Some('n')) => Some('\n'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some(next @ ('"' | '\'' | '\\' | '$' | '`'))) => Some(*next),
            ('\r', Some('\n')) => Some('\n'),
            _ => None,
        };
        if known.is_some() {
            chars.next();
        }
        out.push(known.unwrap_or(c));
    }
    out
}

/// Returns a value without quotes, up to its comment; `blank` tells whether a blank stands before it.
fn bare(line: &str, blank: bool) -> &str {
    let bytes = line.as_bytes();
    let is_comment = |at: &usize| match at.checked_sub(1) {
        Some(before) => bytes.get(before).is_some_and(|b| matches!(b, b' ' | b'\t')),
        None => blank,
    };
    let end = memchr::memchr_iter(b'#', bytes).find(is_comment);
    line.get(..end.unwrap_or(line.len()))
        .unwrap_or_default()
        .trim_end()
}

#[cfg(test)]
mod tests;

//! The name before an operator, in its many spellings.

use std::ops::Range;

use super::{
    super::{
        anchors::{is_alnum, is_blank, is_name},
        values::Operator,
    },
    Quote,
    back::Back,
    further::says_value,
    quote,
};

/// Longest name that is looked for inside quotes or brackets.
const MAX_NAME: usize = 96;

/// Reads the name before the cursor.
pub(super) fn before(back: &mut Back<'_>, operator: Operator) -> Option<Range<usize>> {
    back.skip_blanks();
    back.take_while(|b| b == b'*');
    match back.peek()? {
        b'"' | b'\'' | b'`' | b';' => quoted(back),
        b']' => bracket(back),
        b')' => call(back, operator),
        b'?' | b'!' => {
            back.skip(1);
            identifier(back)
        }
        b'>' if operator == Operator::Assign => typed(back),
        _ => {
            let start = *back;
            let word = identifier(back)?;
            if operator == Operator::Assign
                && let Some(name) = declared(&mut start.clone(), back, &word)
            {
                return Some(name);
            }
            if operator == Operator::Colon {
                return Some(phrase(back, word));
            }
            Some(word)
        }
    }
}

/// A name without quotes. The letter of an escape (`\nNAME=`) is not part of it.
fn identifier(back: &mut Back<'_>) -> Option<Range<usize>> {
    let mut word = back.take_while(is_name);
    let text = back.text(&word);
    if back.peek() == Some(b'\\') && matches!(text.first(), Some(b'n' | b'r' | b't')) {
        word.start += 1;
    }
    let text = back.text(&word);
    let lead = text.iter().take_while(|b| matches!(b, b'-' | b'.')).count();
    word.start += lead;
    (!word.is_empty()).then_some(word)
}

/// A name in quotes.
pub(super) fn quoted(back: &mut Back<'_>) -> Option<Range<usize>> {
    match quote::any(back) {
        Quote::Bare => None,
        Quote::Entity(entity) => {
            let seen = back.seen();
            let near = seen.get(seen.len().saturating_sub(MAX_NAME)..)?;
            let found = memchr::memmem::rfind(near, entity)?;
            let end = back.at();
            back.skip(near.len() - found);
            Some(back.at() + entity.len()..end)
        }
        Quote::Mark { mark, escapes, .. } => {
            let name = back.take_until(mark, MAX_NAME)?;
            back.skip(usize::from(escapes));
            Some(name)
        }
    }
}

/// `map["name"]`, `$name[0]`, `name[]`.
fn bracket(back: &mut Back<'_>) -> Option<Range<usize>> {
    back.skip(1);
    let inner = back.take_until(b'[', MAX_NAME)?;
    let text = back.text(&inner);
    let is_edge = |b: &u8| !is_name(*b) || *b == b'$';
    let lead = text.iter().take_while(|b| is_edge(b)).count();
    let tail = text.iter().rev().take_while(|b| is_edge(b)).count();
    let key = inner.start + lead..inner.end.saturating_sub(tail);
    let is_word = |b: &u8| is_alnum(*b) && !b.is_ascii_digit();
    if key.len() >= 3 && back.text(&key).iter().any(is_word) {
        return Some(key);
    }
    let word = identifier(back)?;
    let mut rest = *back;
    Some(declared(&mut rest, back, &word).unwrap_or(word))
}

/// `getenv("NAME") || `, `os.environ.get('NAME') or `: the first quoted argument.
fn call(back: &mut Back<'_>, operator: Operator) -> Option<Range<usize>> {
    if !matches!(operator, Operator::Other | Operator::Compare) {
        return None;
    }
    back.skip(1);
    let inner = back.take_until(b'(', MAX_NAME)?;
    let text = back.text(&inner);
    let open = text.iter().position(|b| quote::is_quote(*b))?;
    let mark = *text.get(open)?;
    let len = memchr::memchr(mark, text.get(open + 1..)?)?;
    let start = inner.start + open + 1;
    Some(start..start + len)
}

/// `name: Some<Type> = `.
fn typed(back: &mut Back<'_>) -> Option<Range<usize>> {
    back.take_while(|b| is_alnum(b) || is_blank(b) || b"_<>&'[],.|*?".contains(&b));
    if !back.eat(b":") || back.peek() == Some(b':') {
        return None;
    }
    back.skip_blanks();
    back.take_while(|b| matches!(b, b'?' | b'!'));
    identifier(back)
}

/// The name when `word` turns out to be its type: `name: Type = `, `name string = `, `name: &'static str = `.
fn declared(
    start: &mut Back<'_>,
    back: &mut Back<'_>,
    word: &Range<usize>,
) -> Option<Range<usize>> {
    let text = start.text(word);
    let mut probe = *back;
    let mut blanks = probe.skip_blanks();
    if text == b"str" {
        probe.take_while(|b| is_alnum(b) || is_blank(b) || matches!(b, b'\'' | b'&' | b'_'));
        blanks = false;
    }
    if probe.peek() == Some(b':') && probe.peek_at(1) != Some(b':') {
        probe.skip(1);
        probe.skip_blanks();
        probe.take_while(|b| matches!(b, b'?' | b'!'));
        let name = identifier(&mut probe)?;
        let capital = text.first().is_some_and(u8::is_ascii_uppercase);
        let shouts = !text.iter().any(u8::is_ascii_lowercase);
        if (capital && !shouts) || is_builtin(text) {
            *back = probe;
            return Some(name);
        }
        return None;
    }
    if blanks && is_builtin(text) {
        let name = identifier(&mut probe)?;
        let modifier = matches!(
            probe.text(&name),
            b"const"
                | b"var"
                | b"let"
                | b"static"
                | b"final"
                | b"private"
                | b"public"
                | b"protected"
                | b"val"
        );
        if !modifier {
            *back = probe;
            return Some(name);
        }
    }
    None
}

fn is_builtin(word: &[u8]) -> bool {
    matches!(
        word,
        b"string"
            | b"String"
            | b"str"
            | b"text"
            | b"TEXT"
            | b"any"
            | b"bytes"
            | b"char"
            | b"varchar"
            | b"Text"
    )
}

/// Several words up to the line's start: `API key: value`.
fn phrase(back: &Back<'_>, word: Range<usize>) -> Range<usize> {
    let mut probe = *back;
    let mut start = word.start;
    for _ in 0..3 {
        let blanks = probe.take_while(|b| b == b' ');
        let more = probe.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if blanks.len() != 1 || more.is_empty() || back.text(&more).iter().all(|b| *b == b'-') {
            break;
        }
        start = more.start;
    }
    let mut lead = probe;
    lead.take_while(|b| matches!(b, b' ' | b'\t' | b'*' | b'#' | b'-' | b'>' | b'/'));
    if lead.peek().is_none_or(|b| matches!(b, b'\n' | b'\r')) {
        start..word.end
    } else {
        word
    }
}

/// `<name>value`, `<key>name</key> <string>value`, `<entry key="name">value`: the name and a second one.
pub(super) fn tag(back: &mut Back<'_>) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let inner = back.take_until(b'<', MAX_NAME)?;
    let text = back.text(&inner);
    if text.last() == Some(&b'/') || memchr::memchr(b'>', text).is_some() {
        return None;
    }
    let len = text
        .iter()
        .take_while(|b| is_name(**b) || **b == b':')
        .count();
    if len == 0 {
        return None;
    }
    let name = inner.start..inner.start + len;
    if let Some(attribute) = attribute(text) {
        return Some((
            inner.start + attribute.start..inner.start + attribute.end,
            Some(name),
        ));
    }
    if says_value(back.text(&name)) {
        let mut probe = *back;
        probe.skip_space();
        if probe.eat(b">") && probe.take_until(b'<', MAX_NAME).is_some() {
            let end = probe.at();
            let content = probe.take_until(b'>', MAX_NAME)?;
            return Some((content.start..end, Some(name)));
        }
    }
    Some((name, None))
}

/// Returns the value of the attribute that names things: `name="..."`, `key="..."`, `id="..."`.
fn attribute(tag: &[u8]) -> Option<Range<usize>> {
    [&b" name="[..], b" key=", b" id="].iter().find_map(|key| {
        let at = memchr::memmem::find(tag, key)? + key.len();
        let mark = *tag.get(at).filter(|b| quote::is_quote(**b))?;
        let len = memchr::memchr(mark, tag.get(at + 1..)?)?;
        Some(at + 1..at + 1 + len)
    })
}

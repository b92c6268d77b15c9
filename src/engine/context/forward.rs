//! Where a value might start: after a credential word, or before a run that stands in the middle of one.

use super::{
    super::{
        anchors::{before, is_blank, is_name},
        names,
    },
    quote::is_quote,
};

/// Most places that are tried after one word.
const MAX_STARTS: usize = 4;

/// Most bytes between a word and a value.
const MAX_AHEAD: usize = 160;

/// Longest rest of the name after the word.
const MAX_REST: usize = 48;

/// Most blanks before a line that goes on.
const MAX_INDENT: usize = 96;

/// Most bytes of a value before the first run of token characters in it.
const MAX_LEAD: usize = 64;

/// Calls `start` with each place after the word that ends at `end` where a value might start. Whether it is one is for
/// [`super::assignment`] to say. Returns a place before which everything stands that was looked at.
pub(in super::super) fn after_word(
    bytes: &[u8],
    end: usize,
    mut start: impl FnMut(usize),
) -> usize {
    let Some(rest) = bytes.get(end..) else {
        return end;
    };
    let name = rest
        .iter()
        .take(MAX_REST + 1)
        .take_while(|b| is_name(**b))
        .count();
    if name > MAX_REST {
        return end + name;
    }
    let Some(line) = rest.get(name..) else {
        return end + name;
    };
    let line = line.get(..MAX_AHEAD).unwrap_or(line);
    let (mut at, mut starts, mut fresh) = (0, 0, false);
    while starts < MAX_STARTS
        && let Some(&byte) = line.get(at)
    {
        match byte {
            b'\n' if !goes_on(line, at) => break,
            b'{' if opens_block(line, at) => {
                let in_line = |offset| start(end + name + offset);
                at = in_block(line, at + 1, MAX_STARTS - starts, in_line);
                break;
            }
            b'=' | b':' | b'>' | b',' | b'(' | b'|' | b'?' | b'[' | b']' | b'{' | b')' | b'*'
            | b'<' | b'&' | b'\n' | b'\r' | b'#' | b' ' | b'\t' | b'\\' => {
                fresh = true;
                at += 1;
            }
            _ if is_quote(byte) => {
                // Three quotes open one value.
                let marks = line.iter().skip(at).take_while(|b| **b == byte).count();
                at += marks;
                start(end + name + at);
                starts += 1;
                fresh = false;
            }
            b';' if line
                .get(..=at)
                .is_some_and(|seen| seen.ends_with(b"&quot;") || seen.ends_with(b"&#34;")) =>
            {
                at += 1;
                start(end + name + at);
                starts += 1;
            }
            b'-' if at > 0 && line.get(at - 1) == Some(&b':') => at += 1,
            b'-' | b'+' | b'.' | b'!' | b';' | b'}' if !fresh => at += 1,
            _ if fresh => {
                start(end + name + at);
                starts += 1;
                fresh = false;
                at += 1;
            }
            // The rest of a word.
            _ => at += 1,
        }
    }
    // What follows a line's end decides whether it goes on.
    let ahead = line.get(..at + 1).is_some_and(|seen| seen.contains(&b'\n'));
    end + name + at + if ahead { MAX_INDENT } else { 2 }
}

/// Tells whether the bracket at `at` opens a block that has a label, or a map of values: `"NAME" {`, `"NAME": {`, `NAME = {`.
fn opens_block(line: &[u8], at: usize) -> bool {
    let seen = line.get(..at).unwrap_or_default().trim_ascii_end();
    seen.last()
        .is_some_and(|b| is_quote(*b) || matches!(b, b':' | b'='))
}

/// Calls `start` with at most `most` places where values of the block may start that begins at `from`; what stands before `:` or
/// `=` is a name. Returns where it stopped.
fn in_block(line: &[u8], from: usize, most: usize, mut start: impl FnMut(usize)) -> usize {
    let (mut at, mut starts, mut is_key) = (from, 0, true);
    while starts < most
        && let Some(&byte) = line.get(at)
    {
        at += 1;
        let rest = line.get(at..).unwrap_or_default();
        match byte {
            b'}' => break,
            b'\n' | b',' | b'{' => is_key = true,
            b':' | b'=' => is_key = false,
            b' ' | b'\t' | b'\r' | b'>' | b'[' | b'(' => {}
            mark if is_quote(mark) => {
                if !is_key {
                    start(at);
                    starts += 1;
                }
                at += memchr::memchr2(mark, b'\n', rest).map_or(rest.len(), |len| len + 1);
            }
            _ => {
                if !is_key {
                    start(at - 1);
                    starts += 1;
                }
                let ends = |b: &u8| b.is_ascii_whitespace() || b",:=}".contains(b);
                at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
    }
    at
}

/// Calls `start` with the start of each text in quotes but the first of the arguments that begin at `end`, behind a bracket.
/// Returns a place before which everything stands that was looked at.
pub(in super::super) fn after_call(
    bytes: &[u8],
    end: usize,
    mut start: impl FnMut(usize),
) -> usize {
    let rest = bytes.get(end..).unwrap_or_default();
    let rest = rest.get(..MAX_AHEAD).unwrap_or(rest);
    let (mut at, mut depth, mut arguments) = (0, 0_usize, 0);
    while let Some(&byte) = rest.get(at) {
        at += 1;
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => break,
            b')' => depth -= 1,
            b',' if depth == 0 => arguments += 1,
            b';' | b'{' | b'}' => break,
            mark if is_quote(mark) => {
                if arguments > 0 && depth == 0 {
                    start(end + at);
                }
                let text = rest.get(at..).unwrap_or_default();
                let Some(len) = memchr::memchr2(mark, b'\n', text) else {
                    at = rest.len();
                    break;
                };
                at += len + 1;
            }
            _ => {}
        }
    }
    end + at + 1
}

/// Tells whether an assignment can go on after the line end at `at`: after an operator, or with a `value` of its own.
fn goes_on(line: &[u8], at: usize) -> bool {
    let (seen, rest) = line.split_at(at);
    let rest = rest.get(..MAX_INDENT).unwrap_or(rest);
    let last = seen.iter().rev().find(|b| !b.is_ascii_whitespace());
    if matches!(last, Some(b'=' | b':' | b'(' | b'|' | b'>' | b'\\' | b'[')) {
        return true;
    }
    let next = rest.trim_ascii_start();
    let next = next.strip_prefix(b"\\").unwrap_or(next);
    let next = match next.first() {
        Some(b'"' | b'\'' | b'<') => next.get(1..).unwrap_or_default(),
        _ => next,
    };
    next.get(..5).is_some_and(|word| {
        word.eq_ignore_ascii_case(b"value")
            || word.eq_ignore_ascii_case(b"defau")
            || word == b"strin"
    })
}

/// Tells whether a value may start at `at`, which blanks stand before: a quick look, since most words of most files have
/// blanks before them.
pub(in super::super) fn may_follow_blanks(bytes: &[u8], at: usize) -> bool {
    let seen = bytes.get(..at).unwrap_or_default();
    let floor = seen.len().saturating_sub(MAX_LEAD);
    let near = seen.get(floor..).unwrap_or_default();
    let Some(last) = near.iter().rposition(|b| !is_blank(*b)) else {
        return false;
    };
    let before = near.get(..last).and_then(<[u8]>::last);
    match near.get(last) {
        Some(b'=' | b':' | b'|' | b'*' | b'>') => true,
        // The line of a block scalar's mark.
        Some(b'\n') => matches!(before, Some(b'|' | b'>' | b'-' | b'+' | b'\r')),
        // The end of a word.
        Some(byte) if is_name(*byte) => may_name(near.get(..=last).unwrap_or_default()),
        _ => false,
    }
}

/// Tells whether the last word may be the name of what follows after a blank: a flag, a credential word, the scheme of a header,
/// or what `export`, `define` and their like give a value to. See `operator::spaced` and `skip_scheme`.
fn may_name(near: &[u8]) -> bool {
    let Some(before) = near.iter().rposition(|b| !is_name(*b)) else {
        return true;
    };
    let word = near.get(before + 1..).unwrap_or_default();
    if word.starts_with(b"-") || names::ends_in_credential(word) || word.eq_ignore_ascii_case(b"by")
    {
        return true;
    }
    let seen = near.get(..=before).unwrap_or_default();
    let Some(at) = seen.iter().rposition(|b| !is_blank(*b)) else {
        return true;
    };
    let is_close = at == before;
    match seen.get(at) {
        Some(b':' | b'=' | b',') => true,
        Some(byte) if is_quote(*byte) => true,
        // The last letters of the words that define something.
        Some(byte) if !is_close && is_name(*byte) => {
            let last = seen.get(..=at).and_then(|seen| seen.last_chunk::<2>());
            last.is_none_or(|last| {
                let last = last.map(|byte| byte | 0x20);
                [b"nv", b"rg", b"et", b"tx", b"rt", b"ne", b"ef", b"on"].contains(&&last)
            })
        }
        _ => false,
    }
}

/// Returns where the value starts that has a run at `run`, if that is not where the run starts.
pub(in super::super) fn start_of_value(bytes: &[u8], run: usize) -> Option<usize> {
    let is_border = |b: u8| is_blank(b) || is_quote(b) || b"\r\n=<>(,{[".contains(&b);
    let last = before(bytes, run)?;
    if is_border(last) {
        return None;
    }
    if last == b':' && bytes.get(run) == Some(&b'-') {
        // `${NAME:-default}`.
        return Some(run + 1);
    }
    let floor = run.saturating_sub(MAX_LEAD);
    let lead = bytes.get(floor..run)?;
    let border = lead.iter().rposition(|b| is_border(*b));
    match border {
        Some(at) => Some(floor + at + 1),
        None if floor == 0 => Some(0),
        None => None,
    }
}

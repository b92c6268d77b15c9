//! Where a value ends.

use std::ops::Range;

use super::{
    super::{anchors::is_blank, values::Operator},
    MAX_VALUE, Quote,
};

/// Most bytes after a value that are read to tell whether it ends there and what it is.
pub(super) const MAX_AFTER: usize = 64;

/// Returns the span of the value from `start` on; `None` if it is empty, or has no end within [`MAX_VALUE`].
pub(super) fn end(
    bytes: &[u8],
    start: usize,
    quote: Quote,
    operator: Operator,
) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?;
    let rest = rest.get(..MAX_VALUE).unwrap_or(rest);
    let len = match quote {
        Quote::Mark {
            mark,
            escapes,
            triple,
        } => quoted(rest, mark, usize::from(escapes), triple)?,
        Quote::Entity(entity) => memchr::memmem::find(rest, entity)?,
        Quote::Bare if operator == Operator::Tag => memchr::memchr(b'<', rest).map(|len| {
            let text = rest.get(..len).unwrap_or_default();
            text.trim_ascii_end().len()
        })?,
        Quote::Bare => bare(rest),
    };
    (len > 0).then(|| start..start + len)
}

/// Returns how far a quoted value goes: to the same quote after as many backslashes, on the same line unless the
/// quotes are made for several.
fn quoted(rest: &[u8], mark: u8, escapes: usize, triple: bool) -> Option<usize> {
    let mut backslashes = 0;
    for (at, &byte) in rest.iter().enumerate() {
        if byte == b'\\' {
            backslashes += 1;
            continue;
        }
        if byte == mark {
            // In text quoted once more each backslash is doubled; fewer of them end the text around the value as well.
            let own = backslashes.min(escapes);
            let is_end = backslashes < escapes || backslashes % (2 * (escapes + 1)) == escapes;
            let whole = !triple || rest.get(at + 1..at + 3) == Some(&[mark, mark]);
            if is_end && whole {
                return Some(at - own);
            }
        } else if byte == b'\n' && !triple && mark != b'`' {
            return None;
        }
        backslashes = 0;
    }
    None
}

/// Returns how far a value without quotes goes: to a blank, a quote, or what cannot be a part of it.
fn bare(rest: &[u8]) -> usize {
    let mut open = 0_usize;
    let mut len = rest.len();
    for (at, &byte) in rest.iter().enumerate() {
        let ends = match byte {
            b'(' | b'[' | b'{' => {
                open += 1;
                false
            }
            b')' | b']' | b'}' if open > 0 => {
                open -= 1;
                false
            }
            // A bracket that was not opened ends the value where nothing else follows it.
            b')' | b']' | b'}' | b',' | b';' => is_last(rest.get(at + 1..).unwrap_or_default()),
            b'&' => is_next_parameter(rest.get(at + 1..).unwrap_or_default()),
            b'"' | b'\'' | b'`' | b'<' | b'>' => true,
            b'\\' => matches!(
                rest.get(at + 1),
                Some(b'n' | b'r' | b't' | b'"' | b'\'' | b'\n' | b'\r')
            ),
            _ => byte <= b' ' || byte == 0x7f,
        };
        if ends {
            len = at;
            break;
        }
    }
    len
}

/// Tells whether only closing punctuation stands before the next blank or quote.
fn is_last(rest: &[u8]) -> bool {
    let next = rest
        .iter()
        .take(MAX_AFTER)
        .find(|b| !matches!(b, b')' | b']' | b'}' | b',' | b';'));
    next.is_none_or(|b| *b <= b' ' || matches!(b, b'"' | b'\'' | b'`' | b'\\'))
}

/// Tells whether `name=` follows, as in a query string.
fn is_next_parameter(rest: &[u8]) -> bool {
    let rest = rest.strip_prefix(b"amp;").unwrap_or(rest);
    let name = rest
        .iter()
        .take(MAX_AFTER)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        .count();
    name > 0 && rest.get(name) == Some(&b'=')
}

/// Tells whether a value is a shell parameter with a default: the value to look at stands inside.
pub(super) fn is_default(bytes: &[u8], value: &Range<usize>) -> bool {
    let text = bytes.get(value.clone()).unwrap_or_default();
    text.starts_with(b"${") && memchr::memmem::find(text, b":-").is_some()
}

/// Tells whether what ends at `end` is a name itself: `{"name": ...`, `'name' => ...`.
pub(super) fn is_key(bytes: &[u8], end: usize, quote: Quote, operator: Operator) -> bool {
    // After `? "yes" : "no"` a colon means something else; those have no operator that is a name's.
    let width = match quote {
        Quote::Bare => 0,
        Quote::Mark {
            escapes, triple, ..
        } => usize::from(escapes) + if triple { 3 } else { 1 },
        Quote::Entity(entity) => entity.len(),
    };
    let rest = bytes.get(end + width..).unwrap_or_default();
    let rest = rest.get(..MAX_AFTER).unwrap_or(rest);
    let blanks = rest.iter().take_while(|b| is_blank(**b)).count();
    let rest = rest.get(blanks..).unwrap_or_default();
    match rest {
        // The type of a name.
        [b'=', next, ..] if quote == Quote::Bare => *next != b'=' && operator == Operator::Colon,
        _ if quote == Quote::Bare => false,
        [b':', b':' | b'=', ..] => false,
        [b':', ..] => operator != Operator::Compare,
        [b'=', b'>', ..] => true,
        _ => false,
    }
}

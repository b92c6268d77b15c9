//! Percent encoding, the escapes of programming languages, and numeric HTML entities.
//!
//! One pass for the three signs that start them; what follows is checked before anything is allocated.

use std::ops::Range;

use crate::model::Encoding;

use super::{Builder, Decoded, PIECE, hex_digit, hex_pair, is_text, pieces};

/// Widest escape.
pub(super) const MAX_ESCAPE: usize = 16;

/// Shortest stretch of percent encoding that is decoded.
const MIN_PERCENT: usize = 8;

/// Returns all that tells whether escapes hide something in `region`: signs are to be looked for there.
pub(super) fn reach(bytes: &[u8], region: &Range<usize>) -> Range<usize> {
    let percent = spread(bytes, region, is_percent_character);
    let string = spread(bytes, region, is_string_character);
    percent.start.min(string.start)..percent.end.max(string.end)
}

/// Appends what the stretches with escapes that touch `region` say; `signs` are the places in its reach, in order, where
/// [`may_start`] holds, and perhaps others.
pub(super) fn find(bytes: &[u8], region: &Range<usize>, signs: &[usize], out: &mut Vec<Decoded>) {
    let mut done = [0_usize; 2];
    for &at in signs {
        let (slot, encoding, inside): (_, _, fn(u8) -> bool) = match bytes.get(at) {
            Some(b'%') => (0, Encoding::Percent, is_percent_character),
            Some(b'\\' | b'&') => (1, Encoding::Escape, is_string_character),
            _ => continue,
        };
        if done.get(slot).is_some_and(|done| at < *done)
            || !escape(bytes, at).is_some_and(|e| e.telling)
        {
            continue;
        }
        let stretch = spread(bytes, &(at..at + 1), inside);
        if let Some(done) = done.get_mut(slot) {
            *done = stretch.end;
        }
        if encoding == Encoding::Percent && stretch.len() < MIN_PERCENT {
            continue;
        }
        for piece in pieces(stretch, region.clone()) {
            out.push(decode(bytes, piece, encoding));
        }
    }
}

/// Tells whether an escape that text may hide behind starts with these two bytes.
#[inline(always)]
pub(super) const fn may_start(byte: u8, next: u8) -> bool {
    let digit = next.wrapping_sub(b'0');
    let is_hex = (digit < 10) | ((next | 0x20).wrapping_sub(b'a') < 6);
    let is_code = ((next | 0x20) == b'u') | (next == b'x') | (digit < 4);
    ((byte == b'%') & is_hex) | ((byte == b'\\') & is_code) | ((byte == b'&') & (next == b'#'))
}

/// Returns the run of characters `inside` around `core`, at most [`PIECE`] bytes on each side.
fn spread(bytes: &[u8], core: &Range<usize>, inside: fn(u8) -> bool) -> Range<usize> {
    let head = bytes
        .get(core.start.saturating_sub(PIECE)..core.start)
        .unwrap_or_default();
    let left = head.iter().rev().take_while(|b| inside(**b)).count();
    let tail = bytes.get(core.end..).unwrap_or_default();
    let right = tail.iter().take(PIECE).take_while(|b| inside(**b)).count();
    core.start - left..core.end + right
}

/// What stands unquoted in a URL or a form.
fn is_percent_character(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"'`<>\\^{}|".contains(&byte)
}

/// What stands inside a string or an attribute.
fn is_string_character(byte: u8) -> bool {
    !matches!(byte, b'"' | b'\'' | b'`' | b'\n' | b'\r' | 0)
}

/// One escape.
struct Escape {
    character: [u8; 4],
    /// Bytes of `character` that count.
    length: usize,
    /// Bytes of source.
    width: usize,
    /// Whether text hides behind it: `\u0041`, not `\n` or `\x1b`.
    telling: bool,
}

impl Escape {
    fn new(code: u32, width: usize) -> Option<Self> {
        let mut character = [0_u8; 4];
        let length = char::from_u32(code)?.encode_utf8(&mut character).len();
        let telling = u8::try_from(code).is_ok_and(is_text);
        Some(Self {
            character,
            length,
            width,
            telling,
        })
    }

    /// A byte as it is, which need not be a character.
    fn byte(byte: u8, width: usize) -> Self {
        Self {
            character: [byte, 0, 0, 0],
            length: 1,
            width,
            telling: is_text(byte) && byte != b' ',
        }
    }

    fn simple(byte: u8) -> Self {
        Self {
            character: [byte, 0, 0, 0],
            length: 1,
            width: 2,
            telling: false,
        }
    }
}

/// Reads the escape at `at`, if there is one.
fn escape(bytes: &[u8], at: usize) -> Option<Escape> {
    match bytes.get(at)? {
        b'%' => hex_pair(bytes, at + 1).map(|byte| Escape::byte(byte, 3)),
        b'&' => entity(bytes, at),
        b'\\' => backslash(bytes, at),
        _ => None,
    }
}

fn backslash(bytes: &[u8], at: usize) -> Option<Escape> {
    match bytes.get(at + 1)? {
        b'u' => unicode(bytes, at),
        b'U' => Escape::new(digits(bytes.get(at + 2..at + 10)?, 16)?, 10),
        b'x' => hex_pair(bytes, at + 2).map(|byte| Escape::byte(byte, 4)),
        b'0'..=b'3' => {
            let code = digits(bytes.get(at + 1..at + 4)?, 8)?;
            Some(Escape::byte(u8::try_from(code).ok()?, 4))
        }
        b'n' => Some(Escape::simple(b'\n')),
        b'r' => Some(Escape::simple(b'\r')),
        b't' => Some(Escape::simple(b'\t')),
        sign @ (b'\\' | b'/') => Some(Escape::simple(*sign)),
        _ => None,
    }
}

/// `\uXXXX`, also as a pair of surrogates, and `\u{X...}`.
fn unicode(bytes: &[u8], at: usize) -> Option<Escape> {
    if bytes.get(at + 2) == Some(&b'{') {
        let inside = bytes.get(at + 3..bytes.len().min(at + 10))?;
        let length = inside.iter().position(|b| *b == b'}')?;
        return Escape::new(digits(inside.get(..length)?, 16)?, length + 4);
    }
    let unit = |at: usize| digits(bytes.get(at..at + 4)?, 16);
    let first = unit(at + 2)?;
    if (0xd800..0xdc00).contains(&first) && bytes.get(at + 6..at + 8) == Some(b"\\u") {
        let second = unit(at + 8).filter(|u| (0xdc00..0xe000).contains(u))?;
        return Escape::new(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12);
    }
    Escape::new(first, 6)
}

/// `&#NN;` and `&#xHH;`.
fn entity(bytes: &[u8], at: usize) -> Option<Escape> {
    let rest = bytes
        .get(at..bytes.len().min(at + 12))?
        .strip_prefix(b"&#")?;
    let (rest, radix, head) = match rest.strip_prefix(b"x").or_else(|| rest.strip_prefix(b"X")) {
        Some(rest) => (rest, 16, 3),
        None => (rest, 10, 2),
    };
    let length = rest.iter().position(|b| *b == b';')?;
    Escape::new(digits(rest.get(..length)?, radix)?, head + length + 1)
}

/// Reads a number that all of `text` spells, at most 8 digits.
fn digits(text: &[u8], radix: u32) -> Option<u32> {
    if text.is_empty() || text.len() > 8 {
        return None;
    }
    text.iter().try_fold(0_u32, |sum, b| {
        let digit = u32::from(hex_digit(*b)?);
        (digit < radix).then_some(())?;
        sum.checked_mul(radix)?.checked_add(digit)
    })
}

fn decode(bytes: &[u8], piece: Range<usize>, encoding: Encoding) -> Decoded {
    let mut builder = Builder::new(piece.len());
    let mut at = piece.start;
    while at < piece.end {
        let fits = |e: &Escape| {
            let percent = bytes.get(at) == Some(&b'%');
            at + e.width <= piece.end && percent == (encoding == Encoding::Percent)
        };
        if let Some(escape) = escape(bytes, at).filter(fits) {
            builder.push(
                escape.character.get(..escape.length).unwrap_or_default(),
                at,
                escape.width,
            );
            at += escape.width;
        } else {
            builder.push(bytes.get(at..=at).unwrap_or_default(), at, 1);
            at += 1;
        }
    }
    builder.finish(encoding, piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(String, Encoding)> {
        let mut out = Vec::new();
        let signs: Vec<usize> = (0..text.len()).collect();
        find(text.as_bytes(), &(0..text.len()), &signs, &mut out);
        out.iter()
            .map(|d| (String::from_utf8_lossy(&d.text).into_owned(), d.encoding))
            .collect()
    }

    #[test]
    fn percent_encoding_is_decoded_to_the_ends_of_the_run() {
        assert_eq!(
            all("see <pass%77ord%3Dmade%2Dup> now"),
            [("password=made-up".to_owned(), Encoding::Percent)]
        );
    }

    #[test]
    fn escapes_of_all_kinds_are_decoded() {
        for text in [
            "\"p\\u0061ss\"",
            "'p\\x61ss'",
            "`p\\141ss`",
            "\"p&#97;ss\"",
            "\"p&#x61;ss\"",
            "\"p\\u{61}ss\"",
            "\"p\\U00000061ss\"",
        ] {
            assert_eq!(all(text), [("pass".to_owned(), Encoding::Escape)], "{text}");
        }
        assert_eq!(
            all("\"\\u0061\\ud83d\\ude00\""),
            [("a\u{1f600}".to_owned(), Encoding::Escape)]
        );
    }

    #[test]
    fn what_hides_no_text_is_left_alone() {
        for text in [
            "printf(\"%d\\n\", x)",
            "\"\\x1b[31m\"",
            "100% sure",
            "a && b",
            "\"\\u4e2d\\u6587\"",
            "C:\\new",
        ] {
            assert!(all(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn spans_map_back_exactly() {
        let text = "x = \"tok\\u0065n\\x3dabc\"";
        let mut out = Vec::new();
        let signs: Vec<usize> = (0..text.len()).collect();
        find(text.as_bytes(), &(0..text.len()), &signs, &mut out);
        let one = out.first().unwrap();
        assert_eq!(one.text.as_slice(), b"token=abc");
        assert_eq!(&text[one.source_of(3..4)], "\\u0065");
        assert_eq!(&text[one.source_of(6..9)], "abc");
        assert_eq!(&text[one.source_of(0..9)], "tok\\u0065n\\x3dabc");
    }
}

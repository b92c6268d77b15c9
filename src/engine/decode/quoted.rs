//! Quoted-printable, as in mail (RFC 2045, section 6.7): a line of text, over the breaks that only its encoder put in.

use std::ops::Range;

use crate::model::Encoding;

use super::{Builder, Decoded, PIECE, hex_pair, pieces};

/// Widths of lines that encoders break: at most 76 characters, and few less.
const BROKEN: std::ops::RangeInclusive<usize> = 60..=78;

/// Returns the lines that touch `region`, over soft line breaks.
pub(super) fn reach(bytes: &[u8], region: &Range<usize>) -> Range<usize> {
    line(bytes, region.start).start..line(bytes, region.end - 1).end
}

/// Returns all that tells whether those lines are quoted-printable: the break before the first one and what stands before
/// that, too.
pub(super) fn read(reach: &Range<usize>) -> Range<usize> {
    reach.start.saturating_sub(4 + *BROKEN.end())..reach.end + 8
}

/// Appends what the lines that touch `region` say, if they are quoted-printable; `signs` are the places in their reach, in order,
/// where [`may_start`] holds, and perhaps others.
pub(super) fn find(
    bytes: &[u8],
    region: &Range<usize>,
    reach: &Range<usize>,
    signs: &[usize],
    out: &mut Vec<Decoded>,
) {
    let mut done = 0;
    for &at in signs {
        let is_sign = reach.contains(&at) && bytes.get(at) == Some(&b'=');
        if !is_sign || at < done || !is_telling(bytes, at) {
            continue;
        }
        let line = line(bytes, at);
        done = line.end;
        for piece in pieces(line, region.clone()) {
            out.push(decode(bytes, piece));
        }
    }
}

/// Tells whether what hardly any other text has may start with these two bytes.
#[inline(always)]
pub(super) const fn may_start(byte: u8, next: u8) -> bool {
    let is_hex = (next.wrapping_sub(b'0') < 10) | ((next | 0x20).wrapping_sub(b'a') < 6);
    (byte == b'=') & (is_hex | (next == b'\n') | (next == b'\r'))
}

/// Tells whether the sign at `at` is one that hardly any other text has: an encoded sign, two encoded bytes in a row, or a soft
/// line break at the width where encoders put it.
fn is_telling(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    if matches!(rest, [b'=', b'3', b'D' | b'd', ..]) {
        return true;
    }
    if matches!(rest, [b'=', _, _, b'=', ..]) {
        return hex_pair(bytes, at + 1).is_some() && hex_pair(bytes, at + 4).is_some();
    }
    if soft_break(bytes, at).is_none() {
        return false;
    }
    let head = bytes.get(at.saturating_sub(*BROKEN.end())..at);
    let width = head.map(|head| head.iter().rev().take_while(|b| **b != b'\n').count() + 1);
    width.is_some_and(|width| BROKEN.contains(&width))
}

/// Returns the length of a soft line break at `at`.
fn soft_break(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)? {
        [b'=', b'\n', ..] => Some(2),
        [b'=', b'\r', b'\n', ..] => Some(3),
        _ => None,
    }
}

/// Returns the line that `at` is in, over soft line breaks, at most [`PIECE`] bytes on each side.
fn line(bytes: &[u8], at: usize) -> Range<usize> {
    let floor = at.saturating_sub(PIECE);
    let mut start = at;
    loop {
        let head = bytes.get(floor..start).unwrap_or_default();
        let Some(break_at) = memchr::memrchr(b'\n', head) else {
            start = floor;
            break;
        };
        let head = head.get(..break_at).unwrap_or_default();
        start = floor + break_at;
        if !head.strip_suffix(b"\r").unwrap_or(head).ends_with(b"=") {
            start += 1;
            break;
        }
    }
    let limit = bytes.len().min(at.saturating_add(PIECE));
    let mut end = at;
    while let Some(break_at) = bytes
        .get(end..limit)
        .and_then(|tail| memchr::memchr(b'\n', tail))
    {
        let stop = end + break_at;
        // From the line's start: `at` may be the line break itself.
        let tail = bytes.get(start..stop).unwrap_or_default();
        let tail = tail.strip_suffix(b"\r").unwrap_or(tail);
        end = stop + 1;
        if !tail.ends_with(b"=") {
            return start..end;
        }
    }
    start..limit
}

fn decode(bytes: &[u8], line: Range<usize>) -> Decoded {
    let mut builder = Builder::new(line.len());
    let mut at = line.start;
    while at < line.end {
        let Some(&byte) = bytes.get(at) else { break };
        if let Some(width) = soft_break(bytes, at) {
            at += width;
        } else if let Some(byte) = hex_pair(bytes, at + 1).filter(|_| byte == b'=') {
            builder.push(&[byte], at, 3);
            at += 3;
        } else {
            builder.push(&[byte], at, 1);
            at += 1;
        }
    }
    builder.finish(Encoding::Escape, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, region: Range<usize>) -> Vec<Decoded> {
        let mut out = Vec::new();
        let signs: Vec<usize> = (0..text.len()).collect();
        let reach = reach(text.as_bytes(), &region);
        find(text.as_bytes(), &region, &reach, &signs, &mut out);
        out
    }

    fn all(text: &str) -> Vec<(String, Range<usize>)> {
        found(text, 0..text.len())
            .iter()
            .map(|d| {
                (
                    String::from_utf8_lossy(&d.text).into_owned(),
                    d.source.clone(),
                )
            })
            .collect()
    }

    #[test]
    fn encoded_signs_and_broken_lines_are_undone() {
        assert_eq!(
            all("a\nkey=3D\"b\"\nc\n"),
            [("key=\"b\"\n".to_owned(), 2..12)]
        );
        assert_eq!(all("=61=62"), [("ab".to_owned(), 0..6)]);
        let (head, tail) = ("x".repeat(75), "y".repeat(30));
        for end in ["=\n", "=\r\n"] {
            let text = format!("before\n{head}{end}{tail}\nafter");
            assert_eq!(all(&text), [(format!("{head}{tail}\n"), 7..text.len() - 5)]);
        }
    }

    #[test]
    fn a_region_that_ends_in_a_soft_break_sees_the_line_behind_it() {
        for feed in ["\n", "\r\n"] {
            let text = format!("{}={feed}key=3Dvalue\n", "z".repeat(200));
            for end in 190..=200 + feed.len() {
                assert_eq!(found(&text, 100..end + 1).len(), 1, "{end}");
            }
        }
    }

    #[test]
    fn what_was_decoded_maps_back() {
        let text = format!("{}=\r\nsec=72et", "x".repeat(75));
        let out = found(&text, 0..text.len());
        let at = 75;
        assert_eq!(&out[0].text[at..at + 6], b"secret");
        assert_eq!(out[0].source_of(at..at + 6), 78..86);
        assert_eq!(out[0].source_of(at - 1..at + 1), 74..79);
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in [
            "a=b",
            "a=\nb=\n",
            "x==",
            "if a=AB { }",
            "YWJj==\n",
            "a=\r\n",
            "=3",
            "=",
        ] {
            assert_eq!(all(text), [], "{text:?}");
        }
    }
}

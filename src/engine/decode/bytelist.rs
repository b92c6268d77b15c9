//! Lists of bytes as programs write them: `0x67, 0x68, ...`.

use std::ops::Range;

use crate::model::Encoding;

use super::{Builder, Decoded, PIECE, hex_pair, is_text};

/// Fewest bytes of a list that is decoded.
const MIN: usize = 8;

/// Widest item with what parts it from the next: `0x67, ` and a line break with indentation.
const MAX_ITEM: usize = 64;

/// Appends what the lists that touch `region` say; `signs` are the places from [`first`] of its start to its end, in order, where
/// [`may_start`] holds, and perhaps others. Returns all that was read.
pub(super) fn find(
    bytes: &[u8],
    region: &Range<usize>,
    signs: &[usize],
    out: &mut Vec<Decoded>,
) -> Range<usize> {
    let mut at = first(bytes, region.start);
    let mut read = at.saturating_sub(MAX_ITEM)..region.end + MAX_ITEM;
    for &start in signs {
        let is_sign = bytes.get(start..start + 2) == Some(b"0x");
        if !is_sign || start < at {
            continue;
        }
        if start >= region.end {
            break;
        }
        let end = list(bytes, start, |_, _| ());
        read.end = read.end.max(end.map_or(start, |(end, _)| end) + MAX_ITEM);
        if let Some((end, count)) = end
            && count >= MIN
        {
            let mut builder = Builder::new(count);
            let _ = list(bytes, start, |source, byte| {
                builder.push(&[byte], source, 4)
            });
            if start < region.end && region.start < end {
                out.push(builder.finish(Encoding::Hex, start..end));
            }
            at = end;
        } else {
            at = start + 2;
        }
    }
    read
}

/// Tells whether an item may start with these two bytes.
#[inline(always)]
pub(super) const fn may_start(byte: u8, next: u8) -> bool {
    (byte == b'0') & (next == b'x')
}

/// Walks back from `at` to the first item of the list that it stands in.
pub(super) fn first(bytes: &[u8], at: usize) -> usize {
    let floor = at.saturating_sub(PIECE);
    let mut start = at;
    loop {
        let from = start.saturating_sub(MAX_ITEM).max(floor);
        let Some(before) = bytes.get(from..start).and_then(last_sign) else {
            return start;
        };
        let item = from + before;
        let joined = start == at || next(bytes, item).is_some_and(|(_, _, after)| after == start);
        if !joined {
            return start;
        }
        start = item;
    }
}

/// Returns where the last `0x` stands.
fn last_sign(head: &[u8]) -> Option<usize> {
    let mut signs = memchr::memrchr_iter(b'x', head).filter_map(|x| x.checked_sub(1));
    signs.find(|zero| head.get(*zero) == Some(&b'0'))
}

/// Reads items from `start` on while they are text; returns where the last ends and how many there are.
fn list(bytes: &[u8], start: usize, mut each: impl FnMut(usize, u8)) -> Option<(usize, usize)> {
    let mut at = start;
    let mut count = 0;
    let mut end = start;
    while let Some((byte, stop, after)) = next(bytes, at) {
        each(at, byte);
        count += 1;
        end = stop;
        if after == stop || end - start > PIECE {
            break;
        }
        at = after;
    }
    (count > 0).then_some((end, count))
}

/// Reads one item: its byte, where its digits end, and where the next item starts.
fn next(bytes: &[u8], at: usize) -> Option<(u8, usize, usize)> {
    if bytes.get(at..at + 2) != Some(b"0x") {
        return None;
    }
    let byte = hex_pair(bytes, at + 2).filter(|b| is_text(*b))?;
    let stop = at + 4;
    let gap = bytes
        .get(stop..)?
        .iter()
        .take(MAX_ITEM - 4)
        .take_while(|b| matches!(b, b',' | b' ' | b'\t' | b'\r' | b'\n' | b'\\' | b'"'))
        .count();
    Some((byte, stop, stop + gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &[u8], region: Range<usize>) -> Vec<Decoded> {
        let mut out = Vec::new();
        let signs: Vec<usize> = (0..text.len()).collect();
        find(text, &region, &signs, &mut out);
        out
    }

    #[test]
    fn a_list_over_two_lines_is_decoded() {
        let text = "char k[] = { 0x73, 0x65, 0x63, 0x72,\n  0x65, 0x74, 0x3d, 0x78 };";
        let out = found(text.as_bytes(), 0..text.len());
        let one = out.first().expect("one list");
        assert_eq!(one.text.as_slice(), b"secret=x");
        assert_eq!(&text[one.source_of(1..3)], "0x65, 0x63");
        let part = found(text.as_bytes(), 45..46);
        assert_eq!(
            part.first().map(|d| d.source.clone()),
            Some(one.source.clone())
        );
    }

    #[test]
    fn numbers_are_no_text() {
        let text = b"0x00, 0xff, 0x12345678, 0x41, 0x42";
        assert!(found(text, 0..text.len()).is_empty());
    }
}

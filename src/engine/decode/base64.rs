//! base64 in both alphabets, on one line or wrapped, and runs of hex digits.
//!
//! Both live in the same runs of characters, so one pass finds the runs.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::model::Encoding;

use super::{Decoded, Map, PIECE, Run, hex_digit, hex_pair, is_mostly_text, is_text, pieces};

/// Shortest run that is tried.
pub(in super::super) const MIN: usize = 20;

/// Fewest hex digits that are tried.
const MIN_HEX: usize = 32;

/// Shortest line of wrapped base64.
const MIN_WIDTH: usize = 40;

/// Characters that are decoded together: a multiple of 8, so that none ends within a group or a pair of bytes.
const BLOCK: usize = 64;

/// Most blanks before a line of wrapped base64.
const MAX_INDENT: usize = 128;

/// Not a character of base64.
const NONE: u8 = 64;

/// Values of the characters of both alphabets (RFC 4648, sections 4 and 5).
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < 26 {
        table[b'A' as usize + i] = i as u8;
        table[b'a' as usize + i] = 26 + i as u8;
        i += 1;
    }
    let mut i = 0;
    while i < 10 {
        table[b'0' as usize + i] = 52 + i as u8;
        i += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
}

fn value(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NONE)
}

fn is_run(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|b| value(*b) != NONE)
}

/// Appends what the runs that touch `region` decode to; `tokens` are the runs of token characters there: those of base64, and `.`.
/// Returns all that was read, and adds to `lines` the runs that may be lines of a block, with what told that.
pub(super) fn find(
    bytes: &[u8],
    region: Range<usize>,
    tokens: &[Range<usize>],
    out: &mut Vec<Decoded>,
    lines: &mut Vec<(usize, Range<usize>)>,
) -> Range<usize> {
    let mut read = region.clone();
    let mut block = Block {
        range: 0..0,
        is_text: false,
    };
    let mut look = |found: Range<usize>| {
        if found.start >= block.range.end {
            block = wrapped(bytes, found.clone(), &region, out);
        }
        // The line above and the one below tell whether there is a block.
        let around = if found.len() >= MIN_WIDTH {
            found.len() + 2 * MAX_INDENT + 4
        } else {
            2
        };
        let all = found.start.min(block.range.start)..found.end.max(block.range.end);
        let all = all.start.saturating_sub(around)..all.end + around;
        read.start = read.start.min(all.start);
        read.end = read.end.max(all.end);
        lines.push((found.start, all));
        if !block.is_text || found.end > block.range.end {
            // What its front says decides where in it text begins.
            let whole = region.start.min(found.start)..region.end.max(found.end);
            run(bytes, found, &whole, out);
        }
    };
    // What begins before the region and reaches it, or belongs to the same block.
    let begin = first(bytes, region.start);
    let mut at = begin;
    while at < region.start {
        let end = end_of_run(bytes, at);
        if end - at >= MIN {
            look(at..end);
        }
        at = end + 1;
    }
    for token in tokens {
        let mut at = token.start.max(region.start);
        // Seen above.
        if at > 0 && is_run(bytes, at - 1) {
            at = end_of_run(bytes, at) + 1;
        }
        while at + MIN <= token.end && at < region.end {
            let end = end_in(bytes, at, token);
            if end - at >= MIN {
                look(at..end);
            }
            at = end + 1;
        }
    }
    read.start = read.start.min(begin.saturating_sub(1));
    read
}

/// Returns where the run at `at`, inside of a run of token characters, ends: those are of base64, but for the dot.
fn end_in(bytes: &[u8], at: usize, token: &Range<usize>) -> usize {
    let inside = bytes.get(at..token.end).unwrap_or_default();
    match memchr::memchr(b'.', inside) {
        Some(len) => at + len,
        None => end_of_run(bytes, token.end.max(at)),
    }
}

/// Returns where the run at `at` ends; `at` if there is none.
fn end_of_run(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| is_run_byte(**b)).count()
}

/// Walks back from `at` to the start of its run, over the gap before it, and to the start of the run above: a line of a
/// wrapped block may itself be too short for a run.
fn first(bytes: &[u8], at: usize) -> usize {
    let floor = at.saturating_sub(PIECE);
    let head = bytes.get(floor..at).unwrap_or_default();
    let mut rest = head;
    for inside in [is_run_byte, is_blank, is_run_byte] {
        let count = rest.iter().rev().take_while(|b| inside(**b)).count();
        rest = rest.get(..rest.len() - count).unwrap_or_default();
    }
    floor + rest.len()
}

fn is_run_byte(byte: u8) -> bool {
    value(byte) != NONE
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Tries one run: from its start, and after each sign inside that could be a separator.
///
/// Where a run began too far to the left to be seen, the text tells which of its characters start a group.
fn run(bytes: &[u8], run: Range<usize>, region: &Range<usize>, out: &mut Vec<Decoded>) {
    let mut start = run.start;
    if run.start > 0 && is_run(bytes, run.start - 1) {
        start += (0..4)
            .find(|i| looks_like_text(bytes, start + i))
            .unwrap_or(0);
    }
    loop {
        if run.end - start < MIN {
            return;
        }
        if let Some(end) = hex(bytes, start..run.end, region, out) {
            start = end;
        } else if looks_like_text(bytes, start) {
            let end = end_of_text(bytes, start..run.end);
            decode(bytes, start..end, region, out);
            start = end;
        }
        // Behind a later sign there is not enough.
        let rest = bytes.get(start..run.end.saturating_sub(MIN));
        let Some(next) = rest.and_then(|rest| {
            rest.iter()
                .position(|b| matches!(b, b'/' | b'-' | b'_' | b'+'))
        }) else {
            return;
        };
        start += next + 1;
    }
}

/// The cheap test: do the first 16 characters decode to text, plain or UTF-16?
fn looks_like_text(bytes: &[u8], start: usize) -> bool {
    let characters = bytes.get(start..).and_then(<[u8]>::first_chunk::<16>);
    let Some(characters) = characters else {
        return false;
    };
    // Most words fail with their first letter; the group may still hold a NUL, which needs one of these.
    let [first, _, third, fourth, ..] = characters;
    if !(may_begin(*first) || matches!(third, b'A'..=b'D') || *fourth == b'A') {
        return false;
    }
    let mut head = [0_u8; 12];
    for (three, four) in head
        .as_chunks_mut::<3>()
        .0
        .iter_mut()
        .zip(characters.as_chunks::<4>().0)
    {
        group(four, three);
        let plain = three.iter().all(|b| is_text(*b) || *b >= 0xc2);
        if !plain && !three.contains(&0) {
            return false;
        }
    }
    head.iter().filter(|b| is_text(**b)).count() >= 9 || is_wide(&head)
}

/// Tells whether a byte of text, or NUL, may have the upper six bits that this character stands for.
const fn may_begin(first: u8) -> bool {
    const FIRST: [bool; 256] = {
        let mut table = [false; 256];
        let mut character = 0;
        while character < 256 {
            let mut low = 0;
            while low < 4 {
                let byte = (VALUES[character] & 63) << 2 | low;
                table[character] |= is_text(byte) || byte >= 0xc2 || byte == 0;
                low += 1;
            }
            character += 1;
        }
        table
    };
    FIRST[first as usize]
}

/// Tells whether every second byte is NUL and the others are text.
fn is_wide(bytes: &[u8]) -> bool {
    bytes.chunks_exact(2).all(|pair| {
        matches!(pair, [low, 0] if is_text(*low)) || matches!(pair, [0, low] if is_text(*low))
    })
}

/// Decodes one group of 2 to 4 characters into up to 3 bytes.
fn group(four: &[u8], three: &mut [u8]) {
    let mut bits = 0_u32;
    for i in 0..4 {
        bits = bits << 6 | four.get(i).map_or(0, |b| u32::from(value(*b)));
    }
    let [_, first, second, third] = bits.to_be_bytes();
    for (place, byte) in three.iter_mut().zip([first, second, third]) {
        *place = byte;
    }
}

/// Returns how far a run stays text, plain or UTF-16, in one alphabet: at most one step of [`BLOCK`] characters is read that is
/// not part of what is returned, so that a run costs no more than its length, whatever stands in it.
fn end_of_text(bytes: &[u8], run: Range<usize>) -> usize {
    let characters = bytes.get(run.clone()).unwrap_or_default();
    let (mut plain, mut seen) = (0, 0);
    let (mut standard, mut url, mut wide) = (false, false, true);
    let mut end = run.start;
    for block in characters.chunks(BLOCK) {
        // A sign of the other alphabet ends the text with the group before it.
        let other = block.iter().position(|b| {
            standard |= matches!(b, b'+' | b'/');
            url |= matches!(b, b'-' | b'_');
            standard && url
        });
        let block = other.map_or(block, |at| block.get(..at / 4 * 4).unwrap_or(block));
        let text = decoded(block.chunks(4), block.len());
        plain += text.iter().filter(|b| is_text(**b)).count();
        seen += text.len();
        wide &= is_wide(&text);
        if plain * 8 < seen * 7 && !wide {
            break;
        }
        end += block.len();
        if other.is_some() {
            break;
        }
    }
    end
}

/// Decodes what stays text of a run on one line.
fn decode(bytes: &[u8], run: Range<usize>, region: &Range<usize>, out: &mut Vec<Decoded>) {
    for piece in pieces(run, region.clone()) {
        let Some(characters) = bytes.get(piece.clone()) else {
            continue;
        };
        let text = decoded(characters.chunks(4), characters.len());
        if is_mostly_text(&text) || is_wide(&text) {
            let width = usize::MAX;
            out.push(Decoded {
                encoding: Encoding::Base64,
                source: piece,
                text,
                map: Map::Groups { width, stride: 0 },
            });
        }
    }
}

/// Decodes groups of 4 characters; the last may be shorter.
fn decoded<'a>(groups: impl Iterator<Item = &'a [u8]>, length: usize) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(length / 4 * 3 + 3));
    for four in groups {
        let mut three = [0_u8; 3];
        group(four, &mut three);
        let count = four.len().saturating_sub(1).min(3);
        text.extend_from_slice(three.get(..count).unwrap_or_default());
    }
    text
}

/// Decodes hex digits from the start of `run`; returns where they end if that was text.
fn hex(
    bytes: &[u8],
    run: Range<usize>,
    region: &Range<usize>,
    out: &mut Vec<Decoded>,
) -> Option<usize> {
    let prefix = if bytes.get(run.start..run.start + 2)? == b"0x" {
        2
    } else {
        0
    };
    let start = run.start + prefix;
    // Text in hex starts with 2 to 7; most runs end here.
    if !bytes
        .get(start)
        .is_some_and(|b| (b'2'..=b'7').contains(b) || *b == b'0')
    {
        return None;
    }
    if !(0..8).all(|i| hex_pair(bytes, start + 2 * i).is_some_and(is_text)) {
        return None;
    }
    let digits = bytes
        .get(start..run.end)?
        .iter()
        .take_while(|b| hex_digit(**b).is_some())
        .count();
    let end = start + digits;
    if digits < MIN_HEX || digits % 2 == 1 || bytes.get(end).is_some_and(u8::is_ascii_alphanumeric)
    {
        return None;
    }
    let mut found = None;
    for piece in pieces(start..end, 0..usize::MAX) {
        let mut text = Zeroizing::new(Vec::with_capacity(piece.len() / 2));
        text.extend(
            piece
                .clone()
                .step_by(2)
                .filter_map(|at| hex_pair(bytes, at)),
        );
        if is_mostly_text(&text) {
            found = Some(end);
            if piece.start < region.end && region.start < piece.end {
                let runs = vec![Run {
                    text: 0,
                    source: piece.start,
                    text_width: 1,
                    source_width: 2,
                }];
                out.push(Decoded {
                    encoding: Encoding::Hex,
                    source: piece,
                    text,
                    map: Map::Runs(runs),
                });
            }
        }
    }
    found
}

/// Lines of equal width, one below the other.
#[derive(Clone, Copy)]
struct Grid {
    /// Where the first line's characters start.
    start: usize,
    /// Characters of a line.
    width: usize,
    /// Bytes from line to line: width, line break and indentation.
    stride: usize,
}

/// What is known of the lines around.
struct Block {
    range: Range<usize>,
    /// Whether they decode to text; otherwise they are tried one by one.
    is_text: bool,
}

/// Decodes the block of wrapped base64 that `line` is part of, if it is text.
fn wrapped(
    bytes: &[u8],
    line: Range<usize>,
    region: &Range<usize>,
    out: &mut Vec<Decoded>,
) -> Block {
    let Some((grid, end)) = grid(bytes, &line) else {
        return Block {
            range: line,
            is_text: false,
        };
    };
    let range = grid.start..end;
    if !looks_like_text(bytes, grid.start) {
        return Block {
            range,
            is_text: false,
        };
    }
    let mut joined = Zeroizing::new(Vec::with_capacity(range.len()));
    for start in range.clone().step_by(grid.stride) {
        let stop = (start + grid.width).min(end);
        joined.extend_from_slice(bytes.get(start..stop).unwrap_or_default());
    }
    let text = decoded(joined.chunks(4), joined.len());
    let is_text = is_mostly_text(&text);
    if is_text && range.start < region.end && region.start < range.end {
        let map = Map::Groups {
            width: grid.width,
            stride: grid.stride,
        };
        out.push(Decoded {
            encoding: Encoding::Base64,
            source: range.clone(),
            text,
            map,
        });
    }
    Block { range, is_text }
}

/// Returns the grid that `line` is part of and where its last line ends; `None` for a line that stands alone.
fn grid(bytes: &[u8], line: &Range<usize>) -> Option<(Grid, usize)> {
    let width = line.len();
    if !(MIN_WIDTH..=PIECE).contains(&width) {
        return None;
    }
    let head = bytes.get(..line.start)?;
    let indent = head
        .iter()
        .rev()
        .take(MAX_INDENT)
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    if !starts_line(bytes, line.start, indent) {
        return None;
    }
    // The last, shorter line of a block starts no grid: what it belongs to began above.
    let feed = match bytes.get(line.end..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([b'\n' | b'\r', ..]) => 1,
        _ => return None,
    };
    let stride = width + feed + indent;
    let full = |start: usize| {
        let characters = bytes.get(start..start + width);
        let gap = bytes.get(start + width..start + stride);
        characters.is_some_and(|line| line.iter().all(|b| value(*b) != NONE))
            && gap.is_some_and(|gap| is_gap(gap, feed))
    };
    if !full(line.start) {
        return None;
    }
    let most = PIECE / stride;
    let above = (1..=most)
        .map_while(|i| line.start.checked_sub(i * stride))
        .take_while(|up| full(*up) && starts_line(bytes, *up, indent))
        .count();
    let start = line.start - above * stride;
    let below = (0..=most)
        .take_while(|i| full(line.start + i * stride))
        .count();
    let end = line.start + below * stride;
    let tail = bytes.get(end..).unwrap_or_default().iter().take(width);
    let tail = tail.take_while(|b| value(**b) != NONE).count();
    let last = if tail > 0 {
        end + tail
    } else {
        end - feed - indent
    };
    (above + below > 1 || tail > 0).then_some((
        Grid {
            start,
            width,
            stride,
        },
        last,
    ))
}

/// Tells whether a line starts `indent` blanks before `at`.
fn starts_line(bytes: &[u8], at: usize, indent: usize) -> bool {
    at.checked_sub(indent).is_some_and(|line| {
        bytes
            .get(line..at)
            .is_some_and(|gap| gap.iter().all(|b| matches!(b, b' ' | b'\t')))
            && (line == 0 || matches!(bytes.get(line - 1), Some(b'\n' | b'\r')))
    })
}

/// Tells whether the bytes between two lines are a line break of `feed` bytes and blanks.
fn is_gap(gap: &[u8], feed: usize) -> bool {
    gap.iter().enumerate().all(|(i, b)| {
        if i < feed {
            matches!(b, b'\r' | b'\n')
        } else {
            matches!(b, b' ' | b'\t')
        }
    })
}

#[cfg(test)]
mod tests {
    use ::base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::{super::super::anchors, *};

    fn find(bytes: &[u8], region: Range<usize>, out: &mut Vec<Decoded>) {
        let runs: Vec<_> = anchors::runs(bytes, region.clone(), 0)
            .into_iter()
            .map(|run| run.start..run.end)
            .collect();
        super::find(bytes, region, &runs, out, &mut Vec::new());
    }

    fn all(bytes: &[u8]) -> Vec<Decoded> {
        let mut out = Vec::new();
        find(bytes, 0..bytes.len(), &mut out);
        out
    }

    #[test]
    fn code_is_not_decoded() {
        let code = "let authentication_service_provider = src/engine/validators/decode-module;\nabcdefghijklmnopqrstuvwxyz0123456789";
        assert!(all(code.as_bytes()).is_empty());
    }

    #[test]
    fn wrapped_lines_are_joined_and_map_back() {
        let text = "line one: password=made-up-value\n".repeat(6);
        let encoded = STANDARD.encode(&text);
        for (width, indent, feed) in [(76, "", "\n"), (64, "    ", "\n"), (70, "  ", "\r\n")] {
            let mut source = String::from("data: |\n");
            for line in encoded.as_bytes().chunks(width) {
                source.push_str(indent);
                source.push_str(std::str::from_utf8(line).unwrap());
                source.push_str(feed);
            }
            let out = all(source.as_bytes());
            let first = out.first().expect("the block is found");
            assert_eq!(first.text.as_slice(), text.as_bytes(), "{width}");
            let at = text.rfind("made-up").unwrap();
            let span = first.source_of(at..at + 13);
            let flat: String = source[span].split_whitespace().collect();
            let back = STANDARD.decode(flat).unwrap();
            assert!(String::from_utf8(back).unwrap().contains("made-up-value"));
            // From the middle of the block as well.
            let mut part = Vec::new();
            find(
                source.as_bytes(),
                source.len() / 2..source.len() / 2 + 1,
                &mut part,
            );
            assert_eq!(
                part.first().map(|d| d.source.clone()),
                Some(first.source.clone())
            );
        }
    }

    #[test]
    fn text_after_a_slash_is_found() {
        let source = format!("https/x/{}", STANDARD.encode("user:made-up-password"));
        let out = all(source.as_bytes());
        assert_eq!(
            out.first().map(|d| d.text.to_vec()),
            Some(b"user:made-up-password".to_vec())
        );
    }

    #[test]
    fn wide_text_inside_base64_is_decoded() {
        let wide: Vec<u8> = "$password = 1".bytes().flat_map(|b| [b, 0]).collect();
        let out = all(STANDARD.encode(&wide).as_bytes());
        assert_eq!(out.first().map(|d| d.text.to_vec()), Some(wide));
    }

    #[test]
    fn digests_are_not_text() {
        assert!(
            all(b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08").is_empty()
        );
    }
}

//! UTF-16 and UTF-32, with a byte order mark or without, whole blobs or stretches inside binaries.

use crate::model::Encoding;

use super::{Builder, Decoded, is_text};

/// Fewest characters of a stretch inside a binary.
const MIN: usize = 12;

/// Bytes at a blob's start that tell whether it is UTF-16 as a whole.
const SAMPLE: usize = 1024;

/// A wide encoding.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Wide {
    /// Bytes of a unit: 2 or 4.
    width: usize,
    little: bool,
}

impl Wide {
    const fn encoding(self) -> Encoding {
        if self.width == 2 {
            Encoding::Utf16
        } else {
            Encoding::Utf32
        }
    }
}

/// Returns the UTF-16 and UTF-32 text in `bytes`. Returns at once when there is neither a byte order mark nor a NUL.
#[must_use]
pub fn unicode(bytes: &[u8]) -> Vec<Decoded> {
    if let Some((wide, skip)) = mark(bytes) {
        return vec![whole(bytes, skip, wide)];
    }
    let Some(nul) = memchr::memchr(0, bytes) else {
        return Vec::new();
    };
    if nul < 4
        && let Some(wide) = guess(bytes)
    {
        return vec![whole(bytes, 0, wide)];
    }
    let mut out = Vec::new();
    inside(bytes, nul, &mut out);
    out
}

/// Reads the byte order mark (Unicode standard, section 23.8).
fn mark(bytes: &[u8]) -> Option<(Wide, usize)> {
    let wide = |width, little| Wide { width, little };
    match bytes {
        [0xff, 0xfe, 0, 0, ..] if bytes.len().is_multiple_of(4) => Some((wide(4, true), 4)),
        [0, 0, 0xfe, 0xff, ..] => Some((wide(4, false), 4)),
        [0xff, 0xfe, ..] => Some((wide(2, true), 2)),
        [0xfe, 0xff, ..] => Some((wide(2, false), 2)),
        _ => None,
    }
}

/// Guesses by where the NULs stand: text has them in the same byte of nearly every unit.
fn guess(bytes: &[u8]) -> Option<Wide> {
    let sample = bytes.get(..SAMPLE.min(bytes.len()))?;
    let mut nuls = [0_usize; 4];
    for four in sample.chunks_exact(4) {
        for (count, byte) in nuls.iter_mut().zip(four) {
            *count += usize::from(*byte == 0);
        }
    }
    let units = sample.len() / 4;
    if units < 3 {
        return None;
    }
    let most = |i: usize| nuls.get(i).is_some_and(|n| n * 2 > units);
    let none = |i: usize| nuls.get(i).is_some_and(|n| n * 16 <= units);
    let wide = |width, little| Some(Wide { width, little });
    match (most(0), most(1), most(2), most(3)) {
        (false, true, true, true) if none(0) => wide(4, true),
        (true, true, true, false) if none(3) => wide(4, false),
        (false, true, false, true) if none(0) && none(2) => wide(2, true),
        (true, false, true, false) if none(1) && none(3) => wide(2, false),
        _ => None,
    }
}

/// Decodes everything after `skip` bytes.
fn whole(bytes: &[u8], skip: usize, wide: Wide) -> Decoded {
    let body = bytes.get(skip..).unwrap_or_default();
    // At most 3 bytes for a unit of UTF-16, 4 for one of UTF-32.
    let mut builder = Builder::new(body.len() / wide.width * (wide.width / 2 + 2));
    let mut at = 0;
    while let Some(code) = unit(body, at, wide) {
        let (code, width) = match surrogate(body, at, code, wide) {
            Some(code) => (code, 4),
            None => (code, wide.width),
        };
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        builder.push(
            character.encode_utf8(&mut [0; 4]).as_bytes(),
            skip + at,
            width,
        );
        at += width;
    }
    builder.finish(wide.encoding(), skip..bytes.len())
}

fn unit(body: &[u8], at: usize, wide: Wide) -> Option<u32> {
    let unit = body.get(at..at.checked_add(wide.width)?)?;
    let fold = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
    Some(if wide.little {
        unit.iter().rev().fold(0, fold)
    } else {
        unit.iter().fold(0, fold)
    })
}

/// Joins a pair of surrogates.
fn surrogate(body: &[u8], at: usize, high: u32, wide: Wide) -> Option<u32> {
    if wide.width != 2 || !(0xd800..0xdc00).contains(&high) {
        return None;
    }
    let low = unit(body, at + 2, wide).filter(|u| (0xdc00..0xe000).contains(u))?;
    Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

/// Finds stretches of text characters with NULs between, at even and odd offsets.
fn inside(bytes: &[u8], first_nul: usize, out: &mut Vec<Decoded>) {
    let mut at = first_nul;
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr(0, rest)) {
        let nul = at + next;
        at = nul + 1;
        let nuls = bytes
            .get(nul..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| **b == 0)
            .count();
        // A character before the NUL, or (big-endian) the one after it.
        for width in [2, 4] {
            let start = nul
                .checked_sub(1)
                .filter(|i| bytes.get(*i).is_some_and(|b| is_text(*b)))
                .unwrap_or(nul + nuls);
            let count = characters(bytes, start, width);
            if count >= MIN {
                out.push(stretch(bytes, start, width, count));
                at = start + count * width - (width - 1);
                break;
            }
        }
        if nuls > 1 {
            at = at.max(nul + nuls - 1);
        }
    }
}

/// Counts characters of text, each `width` bytes after the last with NULs between.
fn characters(bytes: &[u8], start: usize, width: usize) -> usize {
    let mut count = 0;
    let mut at = start;
    while bytes.get(at).is_some_and(|b| is_text(*b)) {
        count += 1;
        let gap = bytes.get(at + 1..at + width);
        if !gap.is_some_and(|gap| gap.iter().all(|b| *b == 0)) {
            break;
        }
        at += width;
    }
    count
}

fn stretch(bytes: &[u8], start: usize, width: usize, count: usize) -> Decoded {
    let end = (start + count * width).min(bytes.len());
    let mut builder = Builder::new(count);
    for at in (start..end).step_by(width).take(count) {
        builder.push(bytes.get(at..=at).unwrap_or_default(), at, width);
    }
    let wide = Wide {
        width,
        little: true,
    };
    builder.finish(wide.encoding(), start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|u| {
                if little {
                    u.to_le_bytes()
                } else {
                    u.to_be_bytes()
                }
            })
            .collect()
    }

    fn utf32(text: &str, little: bool) -> Vec<u8> {
        text.chars()
            .map(u32::from)
            .flat_map(|u| {
                if little {
                    u.to_le_bytes()
                } else {
                    u.to_be_bytes()
                }
            })
            .collect()
    }

    #[test]
    fn whole_blobs_are_decoded_with_and_without_a_mark() {
        let text = "pässword = \"made-up 中 \u{1f600} value\"\r\n";
        for little in [true, false] {
            for plain in [utf16(text, little), utf32(text, little)] {
                for blob in [plain.clone(), [utf16("\u{feff}", little), plain].concat()] {
                    let (blob, wide) = if blob.starts_with(&utf16("\u{feff}", little))
                        && blob.len() % 4 == 0
                        && blob.len() > text.len() * 3
                    {
                        (
                            [utf32("\u{feff}", little), blob[2..].to_vec()].concat(),
                            true,
                        )
                    } else {
                        (blob, false)
                    };
                    let out = unicode(&blob);
                    if wide || out.len() == 1 {
                        continue;
                    }
                    panic!("{} texts", out.len());
                }
            }
        }
        let blob = [vec![0xff, 0xfe], utf16(text, true)].concat();
        let out = unicode(&blob);
        assert_eq!(out[0].text.as_slice(), text.as_bytes());
        let at = text.find("made-up").unwrap();
        let units = text[..at].encode_utf16().count();
        assert_eq!(
            out[0].source_of(at..at + 7),
            2 + units * 2..2 + units * 2 + 14
        );
        let blob = utf32(text, false);
        let out = unicode(&blob);
        assert_eq!(
            (out[0].text.as_slice(), out[0].encoding),
            (text.as_bytes(), Encoding::Utf32)
        );
    }

    #[test]
    fn stretches_inside_binaries_are_found_at_any_offset() {
        for lead in [4_usize, 5] {
            for (body, width) in [
                (utf16("token=made-up-value", true), 2),
                (utf32("token=made-up-value", true), 4),
                (utf16("token=made-up-value", false), 2),
            ] {
                let blob = [vec![0x90; lead], body, vec![0x91; 7]].concat();
                let out = unicode(&blob);
                let one = out.first().expect("one stretch");
                assert_eq!(one.text.as_slice(), b"token=made-up-value");
                let span = one.source_of(6..13);
                assert_eq!(span.len(), 7 * width);
            }
        }
    }

    #[test]
    fn plain_text_and_zeros_hold_none() {
        assert!(unicode(b"password = hunter2").is_empty());
        assert!(unicode(&[0; 4096]).is_empty());
        assert!(unicode(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0").is_empty());
    }
}

//! base64 of what is no text but packed: the first bytes of gzip, zlib, zip and their like, in base64, tell where it stands.
//!
//! What it unpacks to is for others: nothing here knows those formats.

use std::ops::Range;

use ::base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// First characters, and fewest characters of all: gzip (RFC 1952), zip, bzip2, xz, Zstandard; zlib at three of its levels,
/// which takes two characters to tell; and base64 of the first ones, as in releases of Helm.
const SIGNS: [(&[u8], usize); 10] = [
    (b"H4sI", 32),
    (b"UEsDB", 64),
    (b"Qlpo", 48),
    (b"/Td6WF", 48),
    (b"KLUv", 32),
    (b"eJ", 64),
    (b"eN", 64),
    (b"eA", 64),
    (b"SDRzS", 48),
    (b"VUVzREJ", 64),
];

/// Fewest characters of a line that another one goes on with.
const MIN_WIDTH: usize = 40;

/// How often base64 may stand in base64.
const MAX_DEPTH: usize = 3;

/// Padding is as often left out as not.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// Bytes that stood in a text as base64.
pub struct Packed {
    /// Where.
    pub source: Range<usize>,
    /// What they are.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Tells whether [`packed`] may find something that begins in a run of token characters: a look at a few bytes.
pub(in super::super) fn may_begin(text: &[u8], run: &Range<usize>) -> bool {
    let is_sign = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        may_be_sign(rest) && SIGNS.iter().any(|(sign, _)| rest.starts_with(sign))
    };
    let inside = text.get(run.clone()).unwrap_or_default();
    let dots = memchr::memchr_iter(b'.', inside).map(|dot| run.start + dot + 1);
    // The letter of an escaped line break looks like the first of the run.
    [run.start, run.start + 1]
        .into_iter()
        .chain(dots)
        .any(is_sign)
}

/// Tells whether one of [`SIGNS`] may stand there, by two bytes: nearly every run of token characters is asked.
const fn may_be_sign(rest: &[u8]) -> bool {
    matches!(
        rest,
        [b'H', b'4', ..]
            | [b'U', b'E', ..]
            | [b'Q', b'l', ..]
            | [b'/', b'T', ..]
            | [b'K', b'L', ..]
            | [b'e', b'J' | b'N' | b'A', ..]
            | [b'S', b'D', ..]
            | [b'V', b'U', ..]
    )
}

/// Returns what in `text` looks like base64 of something packed, in order.
#[must_use]
pub fn packed(text: &[u8]) -> Vec<Packed> {
    let mut found: Vec<Packed> = Vec::new();
    for (sign, least) in SIGNS {
        let mut done = 0;
        for at in memchr::memmem::find_iter(text, sign) {
            let is_start = at
                .checked_sub(1)
                .and_then(|before| text.get(before))
                .is_none_or(|before| !is_base64(*before) || *before == b'=' || escaped(text, at));
            if at < done || !is_start {
                continue;
            }
            let (characters, end) = block(text, at);
            done = end;
            if characters.len() < least {
                continue;
            }
            if let Some(bytes) = decode(&characters, MAX_DEPTH) {
                let source = at..end;
                found.push(Packed { source, bytes });
            }
        }
    }
    found.sort_by_key(|one| one.source.start);
    found
}

/// Tells whether what stands before `at` is an escaped line break.
fn escaped(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(2)..at);
    matches!(before, Some([b'\\', b'n' | b'r' | b't']))
}

/// Returns the characters of the block that starts at `start`, over line breaks, and where it ends.
fn block(text: &[u8], start: usize) -> (Zeroizing<Vec<u8>>, usize) {
    let mut characters = Zeroizing::new(Vec::new());
    let (mut at, mut end) = (start, start);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let width = rest.iter().take_while(|b| is_base64(**b)).count();
        if width == 0 {
            break;
        }
        characters.extend_from_slice(rest.get(..width).unwrap_or_default());
        end = at + width;
        let rest = text.get(end..).unwrap_or_default();
        let gap = gap(rest);
        let is_last = characters.ends_with(b"=") || width < MIN_WIDTH || gap == 0;
        if is_last || !is_line(rest.get(gap..).unwrap_or_default()) {
            break;
        }
        at = end + gap;
    }
    (characters, end)
}

/// Tells whether a line of base64 and nothing else comes next.
fn is_line(rest: &[u8]) -> bool {
    let width = rest.iter().take_while(|b| is_base64(**b)).count();
    let ends = |b: &u8| b.is_ascii_whitespace() || b"\"'`\\,<".contains(b);
    width > 0 && rest.get(width).is_none_or(ends)
}

/// Returns the length of a line break and the indentation behind it, plain or escaped; 0 if there is none.
fn gap(rest: &[u8]) -> usize {
    let escaped: [&[u8]; 2] = [b"\\r\\n", b"\\n"];
    if let Some(sign) = escaped.into_iter().find(|sign| rest.starts_with(sign)) {
        return sign.len();
    }
    let blanks = rest.iter().take(80).take_while(|b| b.is_ascii_whitespace());
    let length = blanks.count();
    let has_break = rest.get(..length).is_some_and(|gap| gap.contains(&b'\n'));
    if has_break { length } else { 0 }
}

fn decode(characters: &[u8], depth: usize) -> Option<Zeroizing<Vec<u8>>> {
    let is_url = characters.iter().any(|b| matches!(b, b'-' | b'_'));
    let alphabet = if is_url {
        &alphabet::URL_SAFE
    } else {
        &alphabet::STANDARD
    };
    let engine = GeneralPurpose::new(alphabet, CONFIG);
    let unpadded = characters.len() - characters.iter().rev().take_while(|b| **b == b'=').count();
    let mut characters = characters.get(..unpadded)?;
    // One character alone holds no byte.
    if characters.len() % 4 == 1 {
        characters = characters.get(..unpadded - 1)?;
    }
    let bytes = Zeroizing::new(engine.decode(characters).ok()?);
    let again = SIGNS.iter().any(|(sign, _)| bytes.starts_with(sign));
    if again
        && depth > 1
        && bytes
            .iter()
            .all(|b| is_base64(*b) || b.is_ascii_whitespace())
    {
        let (inner, _) = block(&bytes, 0);
        return decode(&inner, depth - 1);
    }
    Some(bytes)
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GZIP: &[u8] = b"\x1f\x8b\x08\x00 made up, and long enough to be worth a look \xff\xfe";

    fn encode(bytes: &[u8]) -> String {
        ::base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    #[test]
    fn every_sign_is_known_by_its_first_bytes() {
        assert!(SIGNS.iter().all(|(sign, _)| may_be_sign(sign)));
        assert!(!may_be_sign(b"H5sI") && !may_be_sign(b"e") && !may_be_sign(b""));
    }

    #[test]
    fn blocks_are_found_on_one_line_and_on_many() {
        let long = GZIP.repeat(4);
        let one = encode(&long);
        let lines = |sep: &str| {
            let parts: Vec<&str> = (0..one.len())
                .step_by(64)
                .map(|at| &one[at..one.len().min(at + 64)])
                .collect();
            parts.join(sep)
        };
        for text in [
            one.clone(),
            lines("\n"),
            lines("\r\n    "),
            lines("\\n"),
            one.trim_end_matches('=').to_owned(),
            encode(one.as_bytes()),
            encode(lines("\n").as_bytes()),
        ] {
            let whole = format!("data: {text}\nnext: 1\n");
            let found = packed(whole.as_bytes());
            assert_eq!(found.len(), 1, "{whole}");
            assert_eq!(found[0].source, 6..6 + text.len());
            assert_eq!(*found[0].bytes, long);
        }
    }

    #[test]
    fn parts_of_words_are_none() {
        for text in [
            "xH4sIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "H4sI",
            "eJoy of it",
            "KLUv",
        ] {
            assert!(packed(text.as_bytes()).is_empty(), "{text}");
        }
    }
}

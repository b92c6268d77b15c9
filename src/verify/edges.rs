//! Where one value stands inside another, set off from what is around it.
//!
//! Promises: nothing is seen inside a secret. If a leaked text could begin or end within a token of a store's value, whoever plants texts would
//! learn a secret character by character: what is known before it, and one guess more. Therefore both ends lie at signs that part the text,
//! and these part more than any sign within: a text of several words ends with its line or quote, one of several lines
//! with a line that cannot be guessed.

use std::ops::Range;

use super::{bits, needles::SHORTEST_INSIDE, parts::Part};
use crate::model::MatchKind;

/// What parts most: the ends of a text.
const END: u8 = 5;
const LINE: u8 = 4;
const BLANK: u8 = 2;

/// Returns how much a character parts a text; 0 if it may stand in a token.
fn parting(byte: u8) -> u8 {
    match byte {
        b'\n' | b'\r' => LINE,
        b'"' | b'\'' | b'`' => 3,
        b' ' | b'\t' | 0 => BLANK,
        b',' | b';' | b':' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|' => 1,
        _ => 0,
    }
}

/// Returns how much the character before a place parts.
fn parting_before(text: &[u8], at: usize) -> u8 {
    match at.checked_sub(1).and_then(|before| text.get(before)) {
        // `-Dpassword=VALUE`; a token ends with this sign, and does not begin with it.
        Some(b'=') => BLANK,
        Some(byte) => parting(*byte),
        None => END,
    }
}

fn parting_after(text: &[u8], at: usize) -> u8 {
    text.get(at).map_or(END, |byte| parting(*byte))
}

/// Returns the places of a text where a value may begin.
pub(super) fn starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let last = (text.len() + 1).saturating_sub(SHORTEST_INSIDE);
    (0..last).filter(|at| {
        parting_before(text, *at) > 0 && text.get(*at).is_some_and(|b| !b.is_ascii_whitespace())
    })
}

/// Tells whether a span of a text is set off from what is around it.
pub(super) fn is_set_off(text: &[u8], span: &Range<usize>, min_bits: u32) -> bool {
    let Some(inside) = text.get(span.clone()) else {
        return false;
    };
    let around = parting_before(text, span.start).min(parting_after(text, span.end));
    let within = inside.iter().map(|byte| parting(*byte)).max().unwrap_or(0);
    if around != LINE || within != LINE {
        return around > within;
    }
    // Lines among lines, as a key in a bundle: with a weak line at an end, that line could be guessed.
    let mut lines = inside.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let is_sure = |line: Option<&[u8]>| {
        line.is_some_and(|line| {
            line.starts_with(b"-----") && line.ends_with(b"-----")
                || bits::estimate(line) >= min_bits
        })
    };
    is_sure(lines.next()) && is_sure(lines.next_back())
}

/// Returns how sure a match of a span of a text is; `None` if one of the text's parts decides that.
pub(super) fn kind(text: &[u8], span: &Range<usize>, parts: &[Part]) -> Option<MatchKind> {
    let is_own = parts
        .iter()
        .filter(|part| part.span.len() < text.len())
        .all(|part| part.span.end <= span.start || span.end <= part.span.start);
    if !is_own {
        return None;
    }
    // What stands before a colon names what stands behind it, or is the user of its password.
    let after = text.get(span.end..).unwrap_or_default();
    let after = match after {
        [b'"' | b'\'', rest @ ..] => rest,
        all => all,
    };
    let is_name = after
        .strip_prefix(b":")
        .is_some_and(|rest| !rest.trim_ascii().is_empty());
    Some(if is_name {
        MatchKind::Identity
    } else {
        MatchKind::Contained
    })
}

/// Lends each token of a leaked text that a store may keep alone: what stands between signs that part, between blanks, between quotes; not
/// the lines of a PEM block, which are no values. A token may be lent more than once.
pub(super) fn tokens(text: &[u8], mut each: impl FnMut(&[u8])) {
    let mut last = 0;
    for block in super::keys::blocks(text) {
        plain_tokens(
            text.get(last..block.span.start).unwrap_or_default(),
            &mut each,
        );
        last = block.span.end;
    }
    plain_tokens(text.get(last..).unwrap_or_default(), &mut each);
}

fn plain_tokens(text: &[u8], each: &mut impl FnMut(&[u8])) {
    for least in 1..=LINE {
        for token in text.split(|byte| parting(*byte) >= least) {
            let is_edge = |byte: &u8| parting(*byte) > 0;
            let start = token.iter().position(|b| !is_edge(b)).unwrap_or(0);
            let end = token
                .iter()
                .rposition(|b| !is_edge(b))
                .map_or(0, |at| at + 1);
            let token = token.get(start..end).unwrap_or_default();
            each(token);
            // `-Dpassword=VALUE`, but no padding of base64.
            let bare = token.trim_ascii_end();
            let bare = bare.get(..bare.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1));
            let sign = bare.and_then(|bare| bare.iter().position(|b| *b == b'='));
            if let Some(value) = sign.and_then(|sign| token.get(sign + 1..)) {
                each(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "kT9vLm2qPzXw7RbN";

    fn is_met(field: &str, leaked: &str) -> bool {
        let start = field.find(leaked).unwrap();
        let span = start..start + leaked.len();
        starts(field.as_bytes()).any(|at| at == start) && is_set_off(field.as_bytes(), &span, 60)
    }

    #[test]
    fn a_whole_token_is_set_off_and_a_part_of_one_is_not() {
        for field in [
            format!("some text {VALUE}, and more"),
            format!("<password>{VALUE}</password>"),
            format!("java -Dpassword={VALUE} -jar x"),
            format!("call(\"{VALUE}\")"),
            format!("first\n{VALUE}\nlast"),
        ] {
            assert!(is_met(&field, VALUE), "{field}");
            for around in ["x", "1", "-", "_", "+", "/", ".", "~", "@", "%", "\u{e9}"] {
                for field in [
                    field.replace(VALUE, &format!("{around}{VALUE}")),
                    field.replace(VALUE, &format!("{VALUE}{around}")),
                ] {
                    assert!(!is_met(&field, VALUE), "{field}");
                }
            }
        }
        assert!(!is_met(&format!("x {VALUE}= y"), VALUE));
    }

    #[test]
    fn a_text_that_goes_over_signs_ends_where_more_ends() {
        for (field, leaked, expected) in [
            (
                format!("postgres://me:{VALUE}@h"),
                "postgres://me:kT9v",
                false,
            ),
            (
                format!("x postgres://me:{VALUE}@h y"),
                &*format!("postgres://me:{VALUE}@h"),
                true,
            ),
            (
                format!("the word is {VALUE};x9, y"),
                &*format!("the word is {VALUE}"),
                false,
            ),
            (
                format!("the word is {VALUE};x9, y"),
                &*format!("the word is {VALUE};x9,"),
                false,
            ),
            (
                format!("\"the word is {VALUE}\""),
                &*format!("the word is {VALUE}"),
                true,
            ),
            (
                format!("a\"b{VALUE}\"c\"d"),
                &*format!("a\"b{VALUE}"),
                false,
            ),
            (
                "host=h.internal.example\npin=1234\nz=1".to_owned(),
                "host=h.internal.example\npin=1234",
                false,
            ),
            (
                format!("-----BEGIN X-----\n{VALUE}\n-----END X-----\nz"),
                &*format!("-----BEGIN X-----\n{VALUE}\n-----END X-----"),
                true,
            ),
            (
                format!("-----BEGIN X-----\n{VALUE}\n{VALUE}\n-----END X-----"),
                &*format!("-----BEGIN X-----\n{VALUE}\nkT9v"),
                false,
            ),
        ] {
            assert_eq!(is_met(&field, leaked), expected, "{field} {leaked}");
        }
    }

    #[test]
    fn tokens_are_whole_and_bounded_in_number() {
        let text = format!(
            "a=\"{VALUE}\"; -Db={VALUE}== (c, d e) -----BEGIN X-----\nQUJD\n-----END X-----"
        );
        let mut told = Vec::new();
        tokens(text.as_bytes(), |token| {
            told.push(String::from_utf8_lossy(token).into_owned());
        });
        assert!(told.contains(&VALUE.to_owned()), "{told:?}");
        assert!(told.contains(&format!("{VALUE}==")), "{told:?}");
        assert!(
            !told
                .iter()
                .any(|token| token.contains("QUJD") || token.contains("T9vLm2qPzXw7RbNX"))
        );
        let long = "kT9vLm2qPzXw7RbN".repeat(1_000);
        let mut count = 0;
        tokens(long.as_bytes(), |_| count += 1);
        assert!(count <= 8, "{count}");
    }
}

//! Finds where a value could stand: runs of token characters, 64 bytes at a time.
//!
//! What happens at a run is not decided here. A search that looks at every 12th byte and walks back from there was tried: it
//! reads less and mispredicts at every word, 0.9 GB/s against 2.5. Promises: no allocation; linear in the bytes given, also for runs of
//! megabytes; a run's start and its being long enough depend on the 12 bytes around it only.

use std::ops::Range;

use crate::masks::{self, BLOCK};

/// Least length of a run. An entropy of 3.5 bits per byte needs that many distinct bytes (2^3.5 = 11.3).
pub(super) const MIN_RUN: usize = 12;

const TOKEN: u8 = 1;
const SEPARATOR: u8 = 2;
const ALNUM: u8 = 4;
const BLANK: u8 = 8;
const NAME: u8 = 16;

/// What each byte is, as a set of the flags above.
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = match b {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => TOKEN | ALNUM | NAME,
            b'_' | b'-' | b'.' => TOKEN | SEPARATOR | NAME,
            b'+' | b'/' => TOKEN | SEPARATOR,
            b' ' | b'\t' => BLANK,
            b'$' | b'@' | 0x80..=0xff => NAME,
            _ => 0,
        };
        byte += 1;
    }
    table
}

#[inline]
const fn class(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// `[A-Za-z0-9_.+/-]`.
#[inline]
pub(super) const fn is_token(byte: u8) -> bool {
    class(byte) & TOKEN != 0
}

/// `[_.+/-]`: what may stand before a token inside a run.
#[inline]
pub(super) const fn is_separator(byte: u8) -> bool {
    class(byte) & SEPARATOR != 0
}

/// A letter or digit.
#[inline]
pub(super) const fn is_alnum(byte: u8) -> bool {
    class(byte) & ALNUM != 0
}

/// A space or tab.
#[inline]
pub(super) const fn is_blank(byte: u8) -> bool {
    class(byte) & BLANK != 0
}

/// What names of values consist of: `[A-Za-z0-9_.$@-]` and all that is not ASCII.
#[inline]
pub(super) const fn is_name(byte: u8) -> bool {
    class(byte) & NAME != 0
}

/// Returns the byte before `at`, if there is one.
#[inline]
pub(super) fn before(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at.checked_sub(1)?).copied()
}

/// A maximal run of token characters, cut off where the window of the search ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Offset of the first byte seen.
    pub(super) start: usize,
    /// Offset one past the last byte seen.
    pub(super) end: usize,
    /// Whether the run really begins at `start`, not before the window.
    pub(super) whole: bool,
}

/// Which bytes of a part of a text are of a run, and which are separators.
#[derive(Default)]
pub(super) struct Lanes {
    /// Offset of the first byte that was looked at.
    from: usize,
    len: usize,
    tokens: Vec<u64>,
    separators: Vec<u64>,
}

impl Lanes {
    /// Looks at `window` and so far beyond it that the runs in it can be told and followed for `ahead` bytes.
    pub(super) fn look(&mut self, bytes: &[u8], window: &Range<usize>, ahead: usize) {
        // A run that reaches the window from further back than this is long enough in any case.
        self.from = window.start.saturating_sub(MIN_RUN);
        let limit = window
            .end
            .saturating_add(ahead.max(MIN_RUN))
            .min(bytes.len());
        let seen = bytes.get(self.from..limit).unwrap_or_default();
        self.len = seen.len();
        masks::fill(seen, &mut self.tokens, |byte, _| token_lane(byte));
        masks::fill(seen, &mut self.separators, |byte, _| separator_lane(byte));
    }

    /// Returns the token runs of at least [`MIN_RUN`] bytes that start before `to` (which is in what was looked at), each followed
    /// as far as was looked.
    pub(super) fn runs(&self, bytes: &[u8], to: usize) -> impl Iterator<Item = Run> {
        Stretches::new(&self.tokens, self.len, to.saturating_sub(self.from)).map(move |run| Run {
            start: self.from + run.start,
            end: self.from + run.end,
            whole: !before(bytes, self.from + run.start).is_some_and(is_token),
        })
    }

    /// Returns the places of separators in a range of what was looked at.
    #[inline]
    pub(super) fn separators(&self, range: &Range<usize>) -> impl Iterator<Item = usize> {
        let from = self.from;
        let (mut at, end) = (
            range.start.saturating_sub(from),
            range.end.saturating_sub(from).min(self.len),
        );
        let mut word =
            self.separators.get(at / BLOCK).copied().unwrap_or(0) & u64::MAX << (at % BLOCK);
        at -= at % BLOCK;
        std::iter::from_fn(move || {
            while word == 0 {
                at += BLOCK;
                if at >= end {
                    return None;
                }
                word = self.separators.get(at / BLOCK).copied().unwrap_or(0);
            }
            let place = at + word.trailing_zeros() as usize;
            word &= word - 1;
            (place < end).then_some(from + place)
        })
    }
}

/// Returns the runs that touch `window`, for tests of what uses them.
#[cfg(test)]
pub(super) fn runs(bytes: &[u8], window: Range<usize>, ahead: usize) -> Vec<Run> {
    let mut lanes = Lanes::default();
    lanes.look(bytes, &window, ahead);
    lanes.runs(bytes, window.end).collect()
}

/// [`is_separator`] in the same way as [`token_lane`].
#[inline(always)]
const fn separator_lane(byte: u8) -> bool {
    // `-./` stand side by side.
    (byte.wrapping_sub(b'-') < 3) | (byte == b'_') | (byte == b'+')
}

/// [`is_token`] without a table and without a branch: the compiler makes vector code of it.
#[inline(always)]
const fn token_lane(byte: u8) -> bool {
    // `-./0123456789` stand side by side.
    (byte.wrapping_sub(b'-') < 13)
        | ((byte | 0x20).wrapping_sub(b'a') < 26)
        | (byte == b'_')
        | (byte == b'+')
}

/// Maximal stretches of at least [`MIN_RUN`] set bits: no branch depends on where words end, which is what such a search
/// spends its time on otherwise.
struct Stretches<'m> {
    masks: &'m [u64],
    /// Number of bits.
    len: usize,
    /// Where the word that `mask` is from starts.
    base: usize,
    /// What is left of a word; bits that are done with are cleared.
    mask: u64,
    /// Start of a stretch that reaches the word from before.
    open: Option<usize>,
    /// Stretches that start here or later are not of interest.
    to: usize,
}

impl<'m> Stretches<'m> {
    /// Looks for stretches that start before `to`, followed to their end.
    fn new(masks: &'m [u64], len: usize, to: usize) -> Self {
        Self {
            masks,
            len,
            base: 0,
            mask: masks.first().copied().unwrap_or(0),
            open: None,
            to: to.min(len),
        }
    }
}

impl Iterator for Stretches<'_> {
    type Item = Range<usize>;

    #[inline]
    fn next(&mut self) -> Option<Range<usize>> {
        const MIN: usize = MIN_RUN;
        loop {
            if let Some(start) = self.open {
                let lead = self.mask.trailing_ones();
                if lead < 64 {
                    self.open = None;
                    self.mask &= u64::MAX << lead;
                    let end = self.base + lead as usize;
                    if end - start >= MIN {
                        return Some(start..end);
                    }
                    continue;
                }
            } else if let Some(start) = first_long::<MIN>(self.mask) {
                let len = (self.mask >> start).trailing_ones();
                if start + len < 64 {
                    self.mask &= u64::MAX << (start + len);
                    let start = self.base + start as usize;
                    return (start < self.to).then(|| start..start + len as usize);
                }
            }
            let tail = self.mask.leading_ones() as usize;
            if tail > 0 && self.open.is_none() {
                self.open = Some(self.base + BLOCK - tail);
            }
            self.base += BLOCK;
            match self.open {
                Some(start) if start >= self.to => return None,
                Some(start) if self.base >= self.len => {
                    let end = self.len;
                    self.to = 0;
                    self.open = None;
                    self.mask = 0;
                    return (end - start >= MIN).then_some(start..end);
                }
                None if self.base >= self.to => return None,
                _ => self.mask = self.masks.get(self.base / BLOCK).copied().unwrap_or(0),
            }
        }
    }
}

/// Returns where the first `MIN` set bits in a row begin.
#[inline]
const fn first_long<const MIN: usize>(mask: u64) -> Option<u32> {
    let (mut long, mut have) = (mask, 1);
    while have < MIN {
        let step = if have < MIN - have { have } else { MIN - have };
        long &= long >> step;
        have += step;
    }
    if long == 0 {
        None
    } else {
        Some(long.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(text: &[u8]) -> Vec<(usize, usize)> {
        runs(text, 0..text.len(), 0)
            .iter()
            .map(|run| (run.start, run.end))
            .collect()
    }

    /// The plain way.
    fn naive(text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut start = 0;
        for at in 0..=text.len() {
            if text.get(at).copied().is_some_and(is_token) {
                continue;
            }
            if at - start >= MIN_RUN {
                found.push((start, at));
            }
            start = at + 1;
        }
        found
    }

    #[test]
    fn finds_runs_of_twelve_and_no_shorter_ones() {
        assert_eq!(spans(b"x = abcdefghijkl;"), [(4, 16)]);
        assert_eq!(spans(b"x = abcdefghijk;"), []);
        assert_eq!(spans(b"abcdefghijkl"), [(0, 12)]);
        assert_eq!(spans(b"a/b.c-d_e+f1 =x=ABCDEFGHIJKLM"), [(0, 12), (16, 29)]);
    }

    #[test]
    fn the_lane_is_the_class() {
        for byte in 0..=255 {
            assert_eq!(token_lane(byte), is_token(byte), "{byte}");
            assert_eq!(separator_lane(byte), is_separator(byte), "{byte}");
        }
    }

    #[test]
    fn a_run_from_before_the_window_is_not_whole() {
        let text = [b'a'; 100];
        let found = runs(&text, 50..60, 20);
        assert_eq!(
            found,
            [Run {
                start: 38,
                end: 80,
                whole: false
            }]
        );
    }

    proptest! {
        #[test]
        fn equals_the_plain_way(text in proptest::collection::vec(prop_oneof![8 => Just(b'a'), 1 => Just(b' '), 1 => any::<u8>()], 0..300)) {
            prop_assert_eq!(spans(&text), naive(&text));
        }

        #[test]
        fn separators_are_those_of_the_range(
            text in proptest::collection::vec(prop_oneof![3 => Just(b'a'), 1 => Just(b'_'), 1 => any::<u8>()], 0..300),
            window in (0_usize..300, 0_usize..300), part in (0_usize..300, 0_usize..300),
        ) {
            let cut = |(a, b): (usize, usize)| a.min(b).min(text.len())..a.max(b).min(text.len());
            let (window, part) = (cut(window), cut(part));
            let part = part.start.max(window.start)..part.end.min(window.end).max(window.start);
            let mut lanes = Lanes::default();
            lanes.look(&text, &window, 0);
            let expected: Vec<usize> = part.clone().filter(|at| is_separator(text[*at])).collect();
            prop_assert_eq!(lanes.separators(&part).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn windows_together_see_every_run(
            text in proptest::collection::vec(prop_oneof![12 => Just(b'a'), 1 => Just(b' ')], 1..300),
            cut in any::<proptest::sample::Index>(),
        ) {
            let cut = cut.index(text.len());
            let mut starts: Vec<usize> = [0..cut, cut..text.len()]
                .into_iter()
                .flat_map(|window| {
                    runs(&text, window.clone(), 0)
                        .into_iter()
                        .filter(|run| run.whole && window.contains(&run.start))
                        .map(|run| run.start)
                        .collect::<Vec<_>>()
                })
                .collect();
            starts.sort_unstable();
            let expected: Vec<usize> = naive(&text).into_iter().map(|(start, _)| start).collect();
            prop_assert_eq!(starts, expected);
        }
    }
}

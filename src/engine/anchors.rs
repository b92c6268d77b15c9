//! Finds where a value could stand: runs of token characters, in less than one look per byte.
//!
//! What happens at a run is not decided here. Promises: no allocation; linear in the bytes given, also for runs of
//! megabytes; a run's start and its being long enough depend on the 12 bytes around it only.

use std::ops::Range;

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

const fn class(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// `[A-Za-z0-9_.+/-]`.
pub(super) const fn is_token(byte: u8) -> bool {
    class(byte) & TOKEN != 0
}

/// `[_.+/-]`: what may stand before a token inside a run.
pub(super) const fn is_separator(byte: u8) -> bool {
    class(byte) & SEPARATOR != 0
}

/// A letter or digit.
pub(super) const fn is_alnum(byte: u8) -> bool {
    class(byte) & ALNUM != 0
}

/// A space or tab.
pub(super) const fn is_blank(byte: u8) -> bool {
    class(byte) & BLANK != 0
}

/// What names of values consist of: `[A-Za-z0-9_.$@-]` and all that is not ASCII.
pub(super) const fn is_name(byte: u8) -> bool {
    class(byte) & NAME != 0
}

/// Returns the byte before `at`, if there is one.
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

/// The runs of at least [`MIN_RUN`] bytes that reach into a window.
pub(super) struct Runs<'a> {
    bytes: &'a [u8],
    /// No run starts before this that was not returned.
    from: usize,
    /// Runs that start here or later are not of interest.
    to: usize,
    /// Runs are followed up to here.
    limit: usize,
}

impl<'a> Runs<'a> {
    /// Looks for runs that touch `window`. Each is followed for up to `ahead` bytes beyond it.
    pub(super) fn new(bytes: &'a [u8], window: Range<usize>, ahead: usize) -> Self {
        let to = window.end.min(bytes.len());
        Self {
            bytes,
            // A run that reaches the window from further back than this is long enough in any case.
            from: window.start.saturating_sub(MIN_RUN),
            to,
            limit: to.saturating_add(ahead.max(MIN_RUN)).min(bytes.len()),
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    /// Looks at every 12th byte only; where that is a token character, back to the run's start.
    fn next(&mut self) -> Option<Run> {
        let bytes = self.bytes.get(..self.limit)?;
        // Most bytes of most files are passed over in this loop.
        let start = loop {
            if self.from >= self.to {
                return None;
            }
            let reach = bytes.get(self.from..self.from + MIN_RUN)?;
            match reach.iter().rposition(|byte| !is_token(*byte)) {
                None => break self.from,
                Some(gap) => self.from += gap + 1,
            }
        };
        let rest = bytes.get(start + MIN_RUN..)?;
        let more = rest
            .iter()
            .position(|byte| !is_token(*byte))
            .unwrap_or(rest.len());
        let end = start + MIN_RUN + more;
        // The byte at `end` is none of a run, or the window's limit.
        self.from = end + 1;
        Some(Run {
            start,
            end,
            whole: !before(self.bytes, start).is_some_and(is_token),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn runs(text: &[u8]) -> Vec<(usize, usize)> {
        Runs::new(text, 0..text.len(), 0)
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
        assert_eq!(runs(b"x = abcdefghijkl;"), [(4, 16)]);
        assert_eq!(runs(b"x = abcdefghijk;"), []);
        assert_eq!(runs(b"abcdefghijkl"), [(0, 12)]);
        assert_eq!(runs(b"a/b.c-d_e+f1 =x=ABCDEFGHIJKLM"), [(0, 12), (16, 29)]);
    }

    #[test]
    fn a_run_from_before_the_window_is_not_whole() {
        let text = [b'a'; 100];
        let found: Vec<Run> = Runs::new(&text, 50..60, 20).collect();
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
            prop_assert_eq!(runs(&text), naive(&text));
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
                    Runs::new(&text, window.clone(), 0)
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

//! The line hash by which GitHub code scanning recognises an alert again (`primaryLocationLineHash`).
//!
//! Pure arithmetic over a file's bytes; it names no format. GitHub's upload action computes the same hash for files of
//! the checkout (codeql-action, `fingerprints.ts`) and warns when a report holds another one; the upload API computes
//! nothing, so a report needs it.
//!
//! The hash of a line is a polynomial (factor 37, modulo 2^64) over the 100 UTF-16 code units that start with the line's
//! first one and may run into the lines after it. Blanks and tabs don't count; CR, LF and CRLF count as one LF; a unit
//! of 65,535 marks the end of the file and zeros follow. The text form is lower-case hex without leading zeros, `:`, and
//! which occurrence of this hash it is in the file, from 1.

use std::collections::BTreeMap;

/// Code units that a hash covers.
const WINDOW: usize = 100;
/// The polynomial's factor.
const FACTOR: u64 = 37;
/// Stands for the end of the file.
const END: u16 = 0xffff;

/// Returns the hashes of the lines `wanted` (1-based, any order), in line order; lines that `text` does not have are left
/// out. An empty text, and the end of a text after its last line break, count as a line.
///
/// Reads the text twice; memory depends on the number of wanted lines alone.
#[must_use]
pub fn line_hashes(text: &[u8], wanted: &[u32]) -> Vec<(u32, String)> {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let Some(&last) = wanted.last() else {
        return Vec::new();
    };
    // Only equal hashes need counting, and which hashes matter is known after one pass.
    let mut found: Vec<(u32, u64)> = Vec::with_capacity(wanted.len());
    each_line(text, last, |line, hash| {
        if wanted.binary_search(&line).is_ok() {
            found.push((line, hash));
        }
    });
    let mut seen: BTreeMap<u64, u64> = found.iter().map(|(_, hash)| (*hash, 0)).collect();
    let mut named = Vec::with_capacity(found.len());
    each_line(text, last, |line, hash| {
        if let Some(count) = seen.get_mut(&hash) {
            *count += 1;
            if wanted.binary_search(&line).is_ok() {
                named.push((line, format!("{hash:x}:{count}")));
            }
        }
    });
    named
}

/// Calls `take` with number and hash of each line up to `last`.
fn each_line(text: &[u8], last: u32, take: impl FnMut(u32, u64)) {
    let mut rolling = Rolling::new(last, take);
    let mut after_cr = false;
    for unit in units(text) {
        // A blank between CR and LF makes them two line breaks, as in GitHub's code.
        let skip = unit == u16::from(b' ')
            || unit == u16::from(b'\t')
            || (after_cr && unit == u16::from(b'\n'));
        if skip {
            after_cr = false;
            continue;
        }
        after_cr = unit == u16::from(b'\r');
        rolling.feed(if after_cr { u16::from(b'\n') } else { unit });
        if rolling.done {
            return;
        }
    }
    rolling.feed(END);
    rolling.flush();
}

/// Returns UTF-16 code units; each maximal broken piece of UTF-8 is one U+FFFD.
fn units(text: &[u8]) -> impl Iterator<Item = u16> + '_ {
    text.utf8_chunks().flat_map(|chunk| {
        let broken = (!chunk.invalid().is_empty()).then_some(0xfffd);
        chunk.valid().encode_utf16().chain(broken)
    })
}

/// The window over the code units.
struct Rolling<F> {
    hash: u64,
    /// `FACTOR` to the power of `WINDOW`: the weight of the unit that leaves.
    leaving: u64,
    units: [u16; WINDOW],
    /// The line that starts at the unit of the same index; 0 for none.
    starts: [u32; WINDOW],
    index: usize,
    line: u32,
    at_start: bool,
    last: u32,
    done: bool,
    take: F,
}

impl<F: FnMut(u32, u64)> Rolling<F> {
    fn new(last: u32, take: F) -> Self {
        Self {
            hash: 0,
            leaving: (0..WINDOW).fold(1, |power: u64, _| power.wrapping_mul(FACTOR)),
            units: [0; WINDOW],
            starts: [0; WINDOW],
            index: 0,
            line: 0,
            at_start: true,
            last,
            done: false,
            take,
        }
    }

    fn feed(&mut self, unit: u16) {
        self.emit();
        if self.at_start {
            self.line = self.line.saturating_add(1);
            if let Some(start) = self.starts.get_mut(self.index) {
                *start = self.line;
            }
        }
        self.at_start = unit == u16::from(b'\n');
        self.push(unit);
    }

    /// Reports the line that starts at the oldest unit: its window is full.
    fn emit(&mut self) {
        if let Some(start) = self.starts.get_mut(self.index)
            && *start != 0
        {
            (self.take)(*start, self.hash);
            self.done |= *start >= self.last;
            *start = 0;
        }
    }

    fn push(&mut self, unit: u16) {
        if let Some(oldest) = self.units.get_mut(self.index) {
            let gone = self.leaving.wrapping_mul(u64::from(*oldest));
            self.hash = self
                .hash
                .wrapping_mul(FACTOR)
                .wrapping_add(u64::from(unit))
                .wrapping_sub(gone);
            *oldest = unit;
        }
        self.index = (self.index + 1) % WINDOW;
    }

    fn flush(&mut self) {
        for _ in 0..WINDOW {
            self.emit();
            self.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the hashes of all lines.
    fn all(text: &str) -> Vec<String> {
        let lines: Vec<u32> = (1..=100).collect();
        line_hashes(text.as_bytes(), &lines)
            .into_iter()
            .enumerate()
            .map(|(i, (line, hash))| {
                assert_eq!(line as usize, i + 1);
                hash
            })
            .collect()
    }

    /// The vectors are those of codeql-action's own tests (`fingerprints.test.ts`).
    #[test]
    fn equals_githubs_vectors() {
        assert_eq!(all(""), ["c129715d7a2bc9a3:1"]);
        assert_eq!(
            all(" a\nb\n  \t\tc\n d"),
            [
                "271789c17abda88f:1",
                "54703d4cd895b18:1",
                "180aee12dab6264:1",
                "a23a3dc5e078b07b:1"
            ]
        );
        assert_eq!(
            all("x = 2\nx = 1\nprint(x)\nx = 3\nprint(x)\nx = 4\nprint(x)\n"),
            [
                "e54938cc54b302f1:1",
                "bb609acbe9138d60:1",
                "1131fd5871777f34:1",
                "5c482a0f8b35ea28:1",
                "54517377da7028d2:1",
                "2c644846cb18d53e:1",
                "f1b89f20de0d133:1",
                "c129715d7a2bc9a3:1"
            ]
        );
    }

    #[test]
    fn line_breaks_of_all_kinds_hash_alike() {
        let expected = [
            "e9496ae3ebfced30:1",
            "fb7c023a8b9ccb3f:1",
            "ce8ba1a563dcdaca:1",
            "e20e36e16fcb0cc8:1",
            "b3edc88f2938467e:1",
            "c8e28b0b4002a3a0:1",
            "c129715d7a2bc9a3:1",
        ];
        for text in [
            " hello; \t\nworld!!!\n\n\n  \t\tGreetings\n End\n",
            " hello; \t\nworld!!!\r\r\r  \t\tGreetings\r End\r",
            " hello; \t\r\nworld!!!\r\n\r\n\r\n  \t\tGreetings\r\n End\r\n",
            " hello; \t\nworld!!!\r\n\n\r  \t\tGreetings\r End\r\n",
        ] {
            assert_eq!(all(text), expected, "{text:?}");
        }
    }

    #[test]
    fn equal_lines_are_numbered() {
        let text = "Lorem ipsum dolor sit amet.\n".repeat(10);
        assert_eq!(
            all(&text),
            [
                "a7f2ff13bc495cf2:1",
                "a7f2ff13bc495cf2:2",
                "a7f2ff13bc495cf2:3",
                "a7f2ff13bc495cf2:4",
                "a7f2ff13bc495cf2:5",
                "a7f2ff13bc495cf2:6",
                "a7f2ff1481e87703:1",
                "a9cf91f7bbf1862b:1",
                "55ec222b86bcae53:1",
                "cc97dc7b1d7d8f7b:1",
                "c129715d7a2bc9a3:1"
            ]
        );
        assert_eq!(
            line_hashes(text.as_bytes(), &[4, 2, 4, 99]),
            [
                (2, "a7f2ff13bc495cf2:2".to_owned()),
                (4, "a7f2ff13bc495cf2:4".to_owned())
            ]
        );
    }

    #[test]
    fn broken_utf8_counts_as_one_replacement_character() {
        assert_eq!(
            line_hashes(b"a\xff\xe2\x82b", &[1]),
            line_hashes("a\u{fffd}\u{fffd}b".as_bytes(), &[1])
        );
    }

    proptest::proptest! {
        #[test]
        fn a_single_line_has_the_hash_it_has_among_all(
            text in proptest::collection::vec(proptest::sample::select(b"ab \t\r\n\xff".to_vec()), 0..400),
            line in 1_u32..60,
        ) {
            let every: Vec<u32> = (1..=400).collect();
            let expected: Vec<_> = line_hashes(&text, &every).into_iter().filter(|(n, _)| *n == line).collect();
            proptest::prop_assert_eq!(line_hashes(&text, &[line]), expected);
        }
    }
}

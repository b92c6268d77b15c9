//! From byte offsets to lines and columns, and to text that can be shown.
//!
//! Built only for blobs with a hit. Lines end at LF, CRLF, or a CR that no LF follows. Columns count Unicode code points;
//! a byte order mark is no column. UTF-16 and UTF-32 texts are converted first, and offsets with them.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap};

use crate::model::{Encoding, Location, Position, Span};

/// The text of a blob as a reader sees it, with a way back from stored offsets.
pub(super) struct View<'a> {
    text: Cow<'a, [u8]>,
    /// Pairs (stored offset, text offset) at each code unit; empty when both are the same.
    map: Vec<(u32, u32)>,
    /// Text offset of each line's start; the first is 0, or 3 after a UTF-8 byte order mark.
    starts: Vec<usize>,
    /// Offsets in long lines with the code points since the line's start, so that many places in one cost one pass, whatever their order.
    known: RefCell<BTreeMap<usize, usize>>,
}

impl<'a> View<'a> {
    /// Looks at `bytes`; `wide` is the outermost encoding of a hit at `at`, if that is UTF-16 or UTF-32.
    pub(super) fn new(bytes: &'a [u8], wide: Option<(Encoding, usize)>) -> Self {
        let (text, map) = match wide {
            Some((Encoding::Utf16, at)) => widen(bytes, at, 2),
            Some((Encoding::Utf32, at)) => widen(bytes, at, 4),
            _ => (Cow::Borrowed(bytes), Vec::new()),
        };
        let first = if text.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let mut starts = vec![first];
        let mut from = first;
        while let Some(at) = memchr::memchr2(b'\n', b'\r', text.get(from..).unwrap_or_default()) {
            from += at + 1;
            if text.get(from - 1) == Some(&b'\r') && text.get(from) == Some(&b'\n') {
                from += 1;
            }
            starts.push(from);
        }
        Self {
            text,
            map,
            starts,
            known: RefCell::default(),
        }
    }

    /// Returns the text shown to people.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns a stored span as a span of [`Self::text`].
    pub(super) fn span(&self, stored: Span) -> Span {
        let (start, end) = (self.offset(stored.start), self.offset(stored.end));
        Span::new(start, end.max(start))
    }

    fn offset(&self, stored: u64) -> u64 {
        if self.map.is_empty() {
            return stored.min(self.text.len() as u64);
        }
        let at = self.map.partition_point(|(s, _)| u64::from(*s) < stored);
        self.map
            .get(at)
            .map_or(self.text.len() as u64, |(_, t)| u64::from(*t))
    }

    /// Returns the 1-based position of a text offset, as if the text began at line 1, column 1.
    pub(super) fn position(&self, offset: u64) -> Position {
        let offset = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0).min(offset);
        Position {
            line: saturate(line),
            column: saturate(1 + self.code_points(start, offset)),
        }
    }

    /// Returns the 1-based line of a text offset; cheaper than its position, for which a long line is read.
    pub(super) fn line_of(&self, offset: u64) -> u32 {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let line = self.starts.partition_point(|start| *start <= offset);
        saturate(line.max(1))
    }

    /// Returns how many code points stand between the start of a line and an offset in it.
    fn code_points(&self, start: usize, offset: usize) -> usize {
        const STEP: usize = 512;
        let mut known = self.known.borrow_mut();
        let near = known.range(start..=offset).next_back();
        let (mut from, mut counted) = near.map_or((start, 0), |(at, counted)| (*at, *counted));
        while offset - from > STEP {
            let mut next = from + STEP;
            // Not within a character, which is at most four bytes long.
            while next < from + STEP + 4 && self.text.get(next).is_some_and(|b| b & 0xc0 == 0x80) {
                next += 1;
            }
            if next >= offset {
                break;
            }
            counted += code_points(self.text.get(from..next).unwrap_or_default());
            known.insert(next, counted);
            from = next;
        }
        counted + code_points(self.text.get(from..offset).unwrap_or_default())
    }

    /// Returns the span of a 1-based line with its end; `None` if there are fewer lines.
    pub(super) fn line(&self, number: u32) -> Option<Span> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied();
        let end = end.unwrap_or(self.text.len());
        (start < end).then(|| Span::new(start as u64, end as u64))
    }

    /// Returns how many lines there are; what stands behind the last line's end is no line if it is empty.
    pub(super) fn lines(&self) -> u32 {
        let has_rest = self
            .starts
            .last()
            .is_some_and(|start| *start < self.text.len());
        u32::try_from(self.starts.len() - usize::from(!has_rest)).unwrap_or(u32::MAX)
    }

    /// Returns the bytes of the lines that a text span touches, without the last line's end; of a long line at most `around`
    /// bytes on each side of the span.
    pub(super) fn lines_of(&self, span: Span, around: u64) -> &[u8] {
        let first = self.line_of(span.start) as usize;
        let last = self.line_of(span.end.saturating_sub(1).max(span.start)) as usize;
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let start = self.starts.get(first - 1).copied().unwrap_or(0);
        let start = start.max(at(span.start.saturating_sub(around)));
        let end = self.starts.get(last).copied().unwrap_or(self.text.len());
        let end = end.min(at(span.end.saturating_add(around)));
        let lines = self.text.get(start..end).unwrap_or_default();
        let trimmed = lines
            .iter()
            .rposition(|b| !matches!(b, b'\n' | b'\r'))
            .map_or(0, |i| i + 1);
        lines.get(..trimmed).unwrap_or_default()
    }

    /// Returns the location of a stored span; `base` is the position of the first byte and `offset` its stored offset in
    /// the whole, both for pieces of large files.
    pub(super) fn locate(
        &self,
        path: &crate::model::BlobPath,
        stored: Span,
        base: Position,
        offset: u64,
    ) -> Location {
        let span = self.span(stored);
        let shift = |p: Position| Position {
            line: p.line + base.line - 1,
            column: if p.line == 1 {
                p.column + base.column - 1
            } else {
                p.column
            },
        };
        let (start, end) = (
            shift(self.position(span.start)),
            shift(self.position(span.end)),
        );
        Location {
            path: path.clone(),
            start_line: start.line,
            start_column: start.column,
            end_line: end.line,
            end_column: end.column,
            byte_start: offset + stored.start,
            byte_end: offset + stored.end,
        }
    }
}

fn saturate(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Counts code points; each byte that is not part of valid UTF-8 counts as one.
fn code_points(bytes: &[u8]) -> usize {
    bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

/// Converts code units of `width` bytes, aligned so that one starts at `at`. The byte order is read off the unit at `at`,
/// which holds an ASCII character because a secret starts there. The map keeps the stored offset of every unit.
fn widen(bytes: &[u8], at: usize, width: usize) -> (Cow<'_, [u8]>, Vec<(u32, u32)>) {
    let little = bytes.get(at).is_some_and(|first| *first != 0);
    let skip = at % width;
    let units = bytes
        .get(skip..)
        .unwrap_or_default()
        .chunks_exact(width)
        .map(|unit| {
            let fold = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
            if little {
                unit.iter().rev().fold(0, fold)
            } else {
                unit.iter().fold(0, fold)
            }
        });
    let (mut text, mut map) = (
        Vec::with_capacity(bytes.len() / width),
        Vec::with_capacity(bytes.len() / width),
    );
    let mut high = None;
    for (index, unit) in units.enumerate() {
        let stored = saturate(skip + index * width);
        if width == 2 && (0xd800..0xdc00).contains(&unit) {
            high = Some((stored, unit));
            continue;
        }
        let (stored, value) = match high.take() {
            Some((first, high)) if (0xdc00..0xe000).contains(&unit) => {
                (first, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00))
            }
            _ => (stored, unit),
        };
        map.push((stored, saturate(text.len())));
        let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    (Cow::Owned(text), map)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::BlobPath;

    fn place(bytes: &[u8], needle: &[u8]) -> (u32, u32, u32, u32) {
        let at =
            memchr::memmem::find(bytes, needle).expect("the test text holds the needle") as u64;
        let location = View::new(bytes, None).locate(
            &BlobPath::default(),
            Span::new(at, at + needle.len() as u64),
            Position { line: 1, column: 1 },
            0,
        );
        (
            location.start_line,
            location.start_column,
            location.end_line,
            location.end_column,
        )
    }

    #[test]
    fn places_in_a_long_line_are_counted_in_any_order() {
        let text = "é".repeat(30_000) + "\nx\n" + &"é\u{1f600}a".repeat(10_000);
        let view = View::new(text.as_bytes(), None);
        let second = 60_003;
        for (at, want) in [
            (59_998, (1, 30_000)),
            (2, (1, 2)),
            (40_000, (1, 20_001)),
            (second + 7 * 9_999, (3, 3 * 9_999 + 1)),
            (second, (3, 1)),
            (second + 7 * 5_000 + 2, (3, 3 * 5_000 + 2)),
        ] {
            let Position { line, column } = view.position(at);
            assert_eq!((line, column), want, "{at}");
        }
        // What was counted once stays known at every step.
        assert!(view.known.borrow().len() > 20);
    }

    #[test]
    fn counts_lf_crlf_and_lone_cr() {
        assert_eq!(place(b"a\nbb\ncc KEY", b"KEY"), (3, 4, 3, 7));
        assert_eq!(place(b"a\r\nbb\r\ncc KEY", b"KEY"), (3, 4, 3, 7));
        assert_eq!(place(b"a\rbb\rcc KEY", b"KEY"), (3, 4, 3, 7));
    }

    #[test]
    fn skips_the_byte_order_mark_and_counts_code_points() {
        assert_eq!(place("\u{feff}é KEY".as_bytes(), b"KEY"), (1, 3, 1, 6));
        assert_eq!(place(b"\xff\xfeKEY", b"KEY"), (1, 3, 1, 6));
    }

    #[test]
    fn spans_over_lines_end_in_the_last_one() {
        assert_eq!(place(b"x KE\nY.", b"KE\nY"), (1, 3, 2, 2));
    }

    #[test]
    fn utf16_has_the_lines_of_its_text() {
        let text = "\u{feff}ä\r\nb KEY\r\n";
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let view = View::new(&bytes, Some((Encoding::Utf16, 12)));
        let location = view.locate(
            &BlobPath::default(),
            Span::new(12, 18),
            Position { line: 1, column: 1 },
            0,
        );
        assert_eq!(
            (
                location.start_line,
                location.start_column,
                location.end_column
            ),
            (2, 3, 6)
        );
        assert_eq!(view.lines_of(view.span(Span::new(12, 18)), 100), b"b KEY");
    }

    #[test]
    fn pieces_of_large_files_shift_positions() {
        let view = View::new(b"xx KEY\nKEY", None);
        let base = Position {
            line: 10,
            column: 5,
        };
        let first = view.locate(&BlobPath::default(), Span::new(3, 6), base, 1000);
        let second = view.locate(&BlobPath::default(), Span::new(7, 10), base, 1000);
        assert_eq!(
            (first.start_line, first.start_column, first.byte_start),
            (10, 8, 1003)
        );
        assert_eq!((second.start_line, second.start_column), (11, 1));
    }

    proptest! {
        #[test]
        fn positions_never_panic_and_grow(bytes in proptest::collection::vec(any::<u8>(), 0..200), wide in 0..3_u8, at in 0..200_usize) {
            let wide = match wide { 0 => None, 1 => Some((Encoding::Utf16, at)), _ => Some((Encoding::Utf32, at)) };
            let view = View::new(&bytes, wide);
            let mut last = Position { line: 1, column: 0 };
            for offset in 0..=view.text().len() as u64 {
                let position = view.position(offset);
                prop_assert!(position.line >= last.line);
                last = position;
            }
        }
    }
}

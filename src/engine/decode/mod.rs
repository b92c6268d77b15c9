//! Finds encoded stretches of text and decodes them, with exact maps back to where they stood.
//!
//! Promises: what a stretch decodes to depends on the stretch alone; text without such stretches costs a scan at memory
//! speed and no allocation; decoded bytes are wiped when dropped.

mod base64;
mod bytelist;
mod escape;
mod packed;
mod quoted;
mod unicode;

use std::ops::Range;

use zeroize::Zeroizing;

use crate::masks;
use crate::model::Encoding;

pub(super) use base64::MIN as MIN_RUN;
pub(super) use packed::may_begin;
pub use packed::{Packed, packed};
pub use unicode::unicode;

/// Most source bytes of one decoded piece. Longer stretches come in pieces that overlap by [`OVERLAP`].
pub(super) const PIECE: usize = 64 * 1024;

/// Source bytes that neighbouring pieces share, a multiple of 12.
const OVERLAP: usize = 16_380;

/// Step from piece to piece: a multiple of 4, so that each starts where a base64 group does.
const STEP: usize = PIECE - OVERLAP - PIECE % 4;

/// A decoded stretch.
pub struct Decoded {
    /// How it was encoded.
    pub encoding: Encoding,
    /// Where it stood in the bytes given.
    pub source: Range<usize>,
    /// What it says.
    pub text: Zeroizing<Vec<u8>>,
    map: Map,
}

/// How offsets of the text become offsets of the source.
enum Map {
    /// Groups of 4 characters for 3 bytes, in lines of `width` characters that start `stride` bytes apart.
    Groups { width: usize, stride: usize },
    /// Runs of characters of equal width, sorted, without gaps in the text.
    Runs(Vec<Run>),
}

/// So many equal characters in a row.
#[derive(Clone, Copy)]
struct Run {
    /// Where the first one stands in the text.
    text: usize,
    /// Where it stands in the source.
    source: usize,
    /// Bytes of text for each.
    text_width: usize,
    /// Bytes of source for each.
    source_width: usize,
}

impl Decoded {
    /// Returns the source bytes that `text_span` was decoded from: exact, but for base64, where it covers the groups of 4
    /// characters that hold the bytes.
    #[must_use]
    pub fn source_of(&self, text_span: Range<usize>) -> Range<usize> {
        let last = text_span.end.max(text_span.start + 1) - 1;
        let (start, end) = match &self.map {
            Map::Groups { width, stride } => {
                let place = |character: usize| {
                    self.source.start + character / width * stride + character % width
                };
                (place(text_span.start / 3 * 4), place(last / 3 * 4 + 3) + 1)
            }
            Map::Runs(runs) => {
                let place = |offset: usize, next: usize| {
                    let i = runs.partition_point(|run| run.text <= offset);
                    i.checked_sub(1)
                        .and_then(|i| runs.get(i))
                        .map_or(self.source.start, |run| {
                            run.source
                                + ((offset - run.text) / run.text_width + next) * run.source_width
                        })
                };
                (place(text_span.start, 0), place(last, 1))
            }
        };
        let end = end.clamp(self.source.start, self.source.end);
        start.clamp(self.source.start, end)..end
    }
}

/// Scratch memory of a search.
#[derive(Default)]
pub(super) struct Search {
    masks: Vec<u64>,
    /// Places where an encoding other than base64 may begin.
    signs: Vec<usize>,
}

/// Appends what the stretches that touch `region` of `bytes` say: base64, hex, percent encoding, escapes, quoted-printable.
///
/// A stretch is read in full, also beyond the region. `runs` are the runs of token characters, of [`MIN_RUN`] bytes or more, that
/// touch the region, in order; one that is cut off at its end is followed.
/// Returns all that was read. Whether something is a stretch may be told by bytes far from it: where it begins is added to
/// `told`, with what told that.
pub(super) fn stretches(
    bytes: &[u8],
    region: Range<usize>,
    runs: &[Range<usize>],
    search: &mut Search,
    out: &mut Vec<Decoded>,
    told: &mut Vec<(usize, Range<usize>)>,
) -> Range<usize> {
    let region = region.start.min(bytes.len())..region.end.min(bytes.len());
    if region.is_empty() {
        return region;
    }
    let escapes = escape::reach(bytes, &region);
    let lines = quoted::reach(bytes, &region);
    let lists = bytelist::first(bytes, region.start);
    let from = escapes.start.min(lines.start).min(lists);
    let to = escapes.end.max(lines.end).max(region.end);
    // The last sign may be told by the byte behind it.
    search.look(bytes, from..to + 1);
    let signs = &search.signs;
    let mut read = base64::find(bytes, region.clone(), runs, out, told);
    let mut reads = |more: Range<usize>| {
        read = read.start.min(more.start)..read.end.max(more.end);
    };
    reads(escapes.start.saturating_sub(1)..escapes.end + escape::MAX_ESCAPE);
    reads(quoted::read(&lines));
    if !signs.is_empty() {
        let first = signs.partition_point(|at| *at < escapes.start);
        let inside = signs.get(first..).unwrap_or_default();
        let inside = inside.split(|at| *at >= escapes.end).next();
        escape::find(bytes, &region, inside.unwrap_or_default(), out);
        quoted::find(bytes, &region, &lines, signs, out);
    }
    reads(bytelist::find(bytes, &region, signs, out));
    read
}

impl Search {
    /// Lists the places in `range` where an escape, a sign of quoted-printable or an item of a list may begin: one look for all
    /// three.
    fn look(&mut self, bytes: &[u8], range: Range<usize>) {
        let text = bytes.get(range.start..range.end.min(bytes.len()));
        masks::fill(
            text.unwrap_or_default(),
            &mut self.masks,
            #[inline(always)]
            |byte, next| {
                escape::may_start(byte, next)
                    | quoted::may_start(byte, next)
                    | bytelist::may_start(byte, next)
            },
        );
        self.signs.clear();
        let places = masks::places(&self.masks).map(|at| range.start + at);
        self.signs.extend(places);
    }
}

/// Collects decoded characters and the runs that map them back.
struct Builder {
    text: Zeroizing<Vec<u8>>,
    runs: Vec<Run>,
    /// One past the source byte that the last run ends at.
    end: usize,
}

impl Builder {
    /// Makes room for `length` bytes, so that the text never moves and leaves copies behind.
    fn new(length: usize) -> Self {
        Self {
            text: Zeroizing::new(Vec::with_capacity(length)),
            runs: Vec::new(),
            end: 0,
        }
    }

    /// Appends one character that stood in `width` bytes at `source`.
    fn push(&mut self, character: &[u8], source: usize, width: usize) {
        let goes_on = self.end == source
            && self
                .runs
                .last()
                .is_some_and(|run| run.text_width == character.len() && run.source_width == width);
        if !goes_on && !character.is_empty() {
            self.runs.push(Run {
                text: self.text.len(),
                source,
                text_width: character.len(),
                source_width: width,
            });
        }
        self.text.extend_from_slice(character);
        self.end = source + width;
    }

    fn finish(self, encoding: Encoding, source: Range<usize>) -> Decoded {
        Decoded {
            encoding,
            source,
            text: self.text,
            map: Map::Runs(self.runs),
        }
    }
}

/// Cuts a long stretch into overlapping pieces, the same ones for whoever asks, and yields those that touch `region`.
fn pieces(stretch: Range<usize>, region: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = stretch.end;
    (stretch.start..end)
        .step_by(STEP)
        .take_while(move |start| *start == stretch.start || *start + OVERLAP < end)
        .map(move |start| start..end.min(start + PIECE))
        .filter(move |piece| piece.start < region.end && region.start < piece.end)
}

/// Tells whether a byte is text: printable, a tab or a line break.
const fn is_text(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | b'\t' | b'\n' | b'\r')
}

/// Tells whether at least 7 of 8 bytes are text.
fn is_mostly_text(bytes: &[u8]) -> bool {
    let text = bytes.iter().filter(|b| is_text(**b)).count();
    !bytes.is_empty() && text * 8 >= bytes.len() * 7
}

/// Returns the value of a hex digit.
const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Returns the byte that two hex digits at `at` stand for.
fn hex_pair(bytes: &[u8], at: usize) -> Option<u8> {
    match bytes.get(at..at.checked_add(2)?)? {
        [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    fn stretches(bytes: &[u8], region: Range<usize>, out: &mut Vec<Decoded>) {
        let runs: Vec<_> = super::super::anchors::runs(bytes, region.clone(), 64)
            .into_iter()
            .map(|run| run.start..run.end)
            .filter(|run| run.len() >= MIN_RUN)
            .collect();
        let mut search = Search::default();
        super::stretches(bytes, region, &runs, &mut search, out, &mut Vec::new());
    }

    fn all(bytes: &[u8]) -> Vec<Decoded> {
        let mut out = Vec::new();
        stretches(bytes, 0..bytes.len(), &mut out);
        out
    }

    #[test]
    fn long_stretches_come_in_pieces_that_overlap() {
        let text = "token=abcdefgh ".repeat(20_000);
        let line = ::base64::engine::general_purpose::STANDARD.encode(&text);
        let out = all(line.as_bytes());
        assert!(out.len() > 4);
        assert_eq!(out[0].source.start, 0);
        assert_eq!(out.last().unwrap().source.end, line.len());
        for pair in out.windows(2) {
            assert!(pair[1].source.start < pair[0].source.end);
        }
        // A region in the middle is read with the right alignment, though the run's start is out of sight.
        let mut some = Vec::new();
        stretches(line.as_bytes(), 200_000..200_001, &mut some);
        let has = |d: &&Decoded| d.source.start < 200_000 && d.source.end > 200_001;
        let piece = some.iter().find(has);
        let piece = piece.expect("the run is found from its middle");
        let same = &text.as_bytes()[piece.source.start / 4 * 3..][..piece.text.len()];
        assert_eq!(&piece.text[..], same);
    }

    proptest! {
        #[test]
        fn never_panics_and_maps_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..400), a in 0_usize..400, b in 0_usize..400) {
            let mut out = Vec::new();
            stretches(&bytes, a.min(b)..a.max(b), &mut out);
            out.extend(unicode(&bytes));
            for decoded in out {
                for i in 0..decoded.text.len() {
                    let source = decoded.source_of(i..i + 1);
                    prop_assert!(source.start < source.end && source.end <= bytes.len());
                }
            }
        }

        #[test]
        fn encoded_text_is_found_and_maps_back(text in "[a-z]{6,10}=[A-Za-z0-9!/]{12,40}", lead in "[ a-z]{0,20}[ \"=(:]") {
            let b64 = ::base64::engine::general_purpose::STANDARD.encode(&text);
            let url = ::base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&text);
            let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
            let unicode: String = text.bytes().map(|b| format!("\\u{b:04x}")).collect();
            let entities: String = text.bytes().map(|b| format!("&#{b};")).collect();
            let percent: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
            let octal: String = text.bytes().map(|b| format!("\\{b:03o}")).collect();
            let list: String = text.bytes().map(|b| format!("0x{b:02x}, ")).collect();
            for encoded in [b64, url, hex, unicode, entities, percent, octal, list] {
                let source = format!("{lead}{encoded}\" tail");
                let out = all(source.as_bytes());
                let found = out.iter().any(|d| {
                    memchr::memmem::find(&d.text, text.as_bytes()).is_some_and(|at| {
                        let span = d.source_of(at..at + text.len());
                        span.start >= lead.len() && span.end <= lead.len() + encoded.len()
                            && span.end - span.start + 4 >= encoded.trim_end_matches([',', ' ']).len()
                    })
                });
                prop_assert!(found, "{source}");
            }
        }

        #[test]
        fn a_region_gives_what_the_whole_gives(text in "([a-z =\"]{0,12}(c2VjcmV0LXRva2VuPWh1bnRlcjI|\n|=3D|key=61=62|68756e74657232213d736563726574746f6b656e|%70%61%73%73%77%6f%72%64%3d|\\\\u0070\\\\u0061\\\\u0073s)){0,6}", a in 0_usize..200, n in 1_usize..60) {
            let bytes = text.as_bytes();
            let whole = all(bytes);
            let region = a.min(bytes.len())..(a + n).min(bytes.len());
            let mut part = Vec::new();
            stretches(bytes, region.clone(), &mut part);
            for decoded in &part {
                prop_assert!(whole.iter().any(|w| w.source == decoded.source && w.text == decoded.text));
            }
            for decoded in &whole {
                if decoded.source.start < region.end && region.start < decoded.source.end {
                    prop_assert!(part.iter().any(|p| p.source == decoded.source && p.text == decoded.text));
                }
            }
        }
    }
}

//! Content of any size in bounded memory: pieces with context on both sides.
//!
//! Promises: the regions of the pieces cover every byte exactly once, in order, but for regions that are all zero; each
//! piece has the context asked for on both sides, or all there is; offsets, lines and columns are those of the whole.

use std::{
    fs::File,
    io::{self, Read},
};

use memchr::memchr2_iter;

use crate::model::{BlobPath, Provenance, Span};

use super::{Blob, Receiver, Run, archive};

/// Sizes of pieces, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PieceSize {
    /// The region of one piece.
    pub(super) region: usize,
    /// Context before and after a region.
    pub(super) overlap: usize,
}

/// How a content in pieces ended.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// Bytes that were read, zeros included.
    pub(super) bytes: u64,
    /// The error that ended it early.
    pub(super) error: Option<io::Error>,
    /// Whether the user ended it early.
    pub(super) stopped: bool,
    /// Whether its end is that of a zip, which could not be known when it began.
    pub(super) is_zip: bool,
}

/// What content is read from.
pub(super) trait Stream: Read {
    /// Passes over zeros that need not be read, from the current position on, and returns how many.
    fn skip_hole(&mut self) -> u64 {
        0
    }

    /// Returns the last bytes, at most `len`, and how many stand before them, if they can be read out of order.
    fn tail(&mut self, _len: usize) -> Option<(Vec<u8>, u64)> {
        None
    }
}

impl Stream for &[u8] {}

/// A reader that knows of no holes.
pub(super) struct Plain<R>(pub(super) R);

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<R: Read> Stream for Plain<R> {}

impl Stream for File {
    #[cfg(unix)]
    fn tail(&mut self, len: usize) -> Option<(Vec<u8>, u64)> {
        use std::os::unix::fs::FileExt;
        let all = self.metadata().ok().filter(|meta| meta.is_file())?.len();
        let before = all.saturating_sub(len as u64);
        let mut tail = vec![0; usize::try_from(all - before).ok()?];
        self.read_exact_at(&mut tail, before).ok()?;
        Some((tail, before))
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd"
    ))]
    fn skip_hole(&mut self) -> u64 {
        use rustix::{fs::SeekFrom, io::Errno};
        let Ok(here) = rustix::fs::tell(&*self) else {
            return 0;
        };
        let next = match rustix::fs::seek(&*self, SeekFrom::Data(here)) {
            Ok(next) => Ok(next),
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => rustix::fs::seek(&*self, SeekFrom::End(0)),
            Err(error) => Err(error),
        };
        match next {
            Ok(next) if next >= here => next - here,
            // A file that shrank, or a system that knows no holes: on as if nothing had been asked.
            _ => {
                let _ = rustix::fs::seek(&*self, SeekFrom::Start(here));
                0
            }
        }
    }
}

/// Hands `stream` to `receiver` in pieces; `head` was read from it already.
pub(super) fn feed(
    (head, stream): (&[u8], &mut dyn Stream),
    size: PieceSize,
    path: &BlobPath,
    provenance: &Provenance,
    run: &Run<'_>,
    receiver: &mut dyn Receiver,
) -> Fed {
    let mut window = Window::new(size);
    let mut fed = Fed::default();
    let mut head = head;
    loop {
        if run.stopped() {
            fed.stopped = true;
            return fed;
        }
        if let Err(error) = window.fill(&mut head, stream) {
            fed.error = Some(error);
        }
        let region = window.region();
        let part = window.bytes.get(region.clone()).unwrap_or_default();
        fed.bytes += part.len() as u64;
        // Holes of sparse files: nothing can begin in zeros.
        if !is_zero(part) {
            receiver.blob(&Blob {
                bytes: &window.bytes,
                regions: &[Span::new(region.start as u64, region.end as u64)],
                path,
                provenance: provenance.clone(),
                offset: window.offset,
                line: window.line,
                column: window.column,
                whole: false,
            });
        }
        if window.ended && region.end == window.bytes.len() {
            let from = window.bytes.len().saturating_sub(archive::TAIL);
            let tail = window.bytes.get(from..).unwrap_or_default();
            fed.is_zip = archive::ends_as_zip(tail, window.offset + from as u64);
            return fed;
        }
        window.advance(region.end);
        if head.is_empty() && is_zero(&window.bytes) {
            fed.bytes += window.pass(stream);
        }
    }
}

/// A window that slides over a content.
struct Window {
    size: PieceSize,
    bytes: Vec<u8>,
    /// Where the next region starts in `bytes`.
    start: usize,
    /// Of `bytes[0]`.
    offset: u64,
    line: u32,
    column: u32,
    /// Whether the reader has no more.
    ended: bool,
}

impl Window {
    fn new(size: PieceSize) -> Self {
        let size = PieceSize {
            region: size.region.max(1),
            // Enough to see whether a cut is inside a code point.
            overlap: size.overlap.max(4),
        };
        Self {
            size,
            bytes: Vec::with_capacity(size.region + 2 * size.overlap + 4),
            start: 0,
            offset: 0,
            line: 1,
            column: 1,
            ended: false,
        }
    }

    /// Reads until the next region and the context behind it are there, or the reader ends. An error ends it, too.
    fn fill(&mut self, head: &mut &[u8], stream: &mut dyn Stream) -> io::Result<()> {
        let wanted = self.start + self.size.region + self.size.overlap;
        let missing = wanted.saturating_sub(self.bytes.len());
        if self.ended || missing == 0 {
            return Ok(());
        }
        let mut both = head.chain(stream).take(missing as u64);
        let result = both.read_to_end(&mut self.bytes);
        self.ended = result.is_err() || self.bytes.len() < wanted;
        result.map(|_| ())
    }

    /// Passes over a hole behind a window of zeros; returns its length. The window stays as it is: zeros before zeros.
    fn pass(&mut self, stream: &mut dyn Stream) -> u64 {
        if self.ended {
            return 0;
        }
        let hole = stream.skip_hole();
        self.offset += hole;
        let columns = u32::try_from(hole).unwrap_or(u32::MAX);
        self.column = self.column.saturating_add(columns);
        hole
    }

    /// Returns the next region, in offsets into the window.
    fn region(&self) -> std::ops::Range<usize> {
        let end = self.start.saturating_add(self.size.region);
        self.start..end.min(self.bytes.len())
    }

    /// Slides so that `end` is where the next region starts.
    fn advance(&mut self, end: usize) {
        let mut cut = end.saturating_sub(self.size.overlap);
        // A cut inside a code point or a CRLF would make wrong columns and lines.
        let at = |at: usize| self.bytes.get(at).copied();
        let lead = (0..4).filter_map(|back| cut.checked_sub(back));
        let lead = lead
            .take_while(|c| at(*c).is_some())
            .find(|c| at(*c).is_some_and(|b| b & 0xc0 != 0x80));
        if at(cut).is_some_and(|b| b & 0xc0 == 0x80) {
            cut = lead.unwrap_or(cut);
        }
        if cut > 0 && at(cut) == Some(b'\n') && at(cut - 1) == Some(b'\r') {
            cut -= 1;
        }
        let gone = self.bytes.get(..cut).unwrap_or_default();
        let (line, column) = advance_position((self.line, self.column), gone);
        (self.line, self.column) = (line, column);
        self.bytes.drain(..cut);
        self.offset += cut as u64;
        self.start = end - cut;
    }
}

/// Returns the position behind `bytes`, of which the first stands at `(line, column)`. The bytes must not end inside a code
/// point or a CRLF.
fn advance_position((line, column): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let (mut lines, mut tail) = (0_u32, 0);
    for at in memchr2_iter(b'\n', b'\r', bytes) {
        let is_crlf = bytes.get(at) == Some(&b'\r') && bytes.get(at + 1) == Some(&b'\n');
        lines = lines.saturating_add(u32::from(!is_crlf));
        tail = at + 1;
    }
    let points: usize = bytes
        .get(tail..)
        .unwrap_or_default()
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum();
    let start = if lines == 0 { column } else { 1 };
    let points = u32::try_from(points).unwrap_or(u32::MAX);
    (line.saturating_add(lines), start.saturating_add(points))
}

/// Tells whether all bytes are zero, fast.
fn is_zero(bytes: &[u8]) -> bool {
    // The fold has no early exit inside a block, so that it compiles to vector code.
    let blocks = bytes.chunks_exact(256);
    blocks.remainder().iter().all(|b| *b == 0)
        && blocks
            .into_iter()
            .all(|block| block.iter().fold(0, |all, b| all | b) == 0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use proptest::prelude::*;

    use super::super::{Quiet, testing::Collect};
    use super::*;
    use crate::model::Place;

    /// Bytes whose zeros are holes.
    struct Zeros<'a>(&'a [u8]);

    impl Read for Zeros<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }

    impl Stream for Zeros<'_> {
        fn skip_hole(&mut self) -> u64 {
            let zeros = self.0.iter().take_while(|b| **b == 0).count();
            self.0 = &self.0[zeros..];
            zeros as u64
        }
    }

    fn pieces(content: &[u8], head: usize, region: usize, overlap: usize) -> (Fed, Collect) {
        let sink = Collect::default();
        let stop = AtomicBool::new(false);
        let run = sink.run(&Quiet, &stop, 1);
        let provenance = Provenance {
            place: Place::Stdin,
            object: None,
        };
        let mut receiver = run.sink.receiver();
        let (head, rest) = content.split_at(head.min(content.len()));
        let fed = feed(
            (head, &mut Zeros(rest)),
            PieceSize { region, overlap },
            &BlobPath::from("p"),
            &provenance,
            &run,
            &mut *receiver,
        );
        drop(receiver);
        (fed, sink)
    }

    /// Counts as `Position` is defined, byte by byte.
    fn position(content: &[u8], at: usize) -> (u32, u32) {
        let (mut line, mut start) = (1, 0);
        for (i, b) in content.iter().enumerate().take(at) {
            let cr = *b == b'\r' && content.get(i + 1) != Some(&b'\n');
            if *b == b'\n' || cr {
                line += 1;
                start = i + 1;
            }
        }
        let text = &content[start..at];
        let column: usize = text
            .utf8_chunks()
            .map(|c| c.valid().chars().count() + c.invalid().len())
            .sum();
        (line, u32::try_from(column).unwrap() + 1)
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\n".to_vec()),
            Just("ü".as_bytes().to_vec()),
            Just("😀".as_bytes().to_vec()),
            Just(vec![0x80]),
            Just(vec![0xf0, 0x9f]),
            Just(vec![0; 9]),
            "[a-z]{1,5}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn pieces_cover_every_byte_once_with_context(content in text(), head in 0..50_usize, region in 1..40_usize, overlap in 0..20_usize) {
            let (fed, sink) = pieces(&content, head, region, overlap);
            prop_assert_eq!(fed.bytes, content.len() as u64);
            let mut next = 0;
            for blob in sink.blobs() {
                let offset = usize::try_from(blob.offset).unwrap();
                prop_assert_eq!(&blob.bytes[..], &content[offset..offset + blob.bytes.len()]);
                prop_assert_eq!(blob.regions.len(), 1);
                let (start, end) = (offset + blob.regions[0].0, offset + blob.regions[0].1);
                prop_assert!(start >= next && end > start && end - start <= region);
                // What lies between is zeros.
                prop_assert!(content[next..start].iter().all(|b| *b == 0));
                prop_assert!(offset <= start.saturating_sub(overlap));
                prop_assert!(offset + blob.bytes.len() >= (end + overlap).min(content.len()));
                prop_assert_eq!((blob.line, blob.column), position(&content, offset));
                prop_assert!(blob.bytes.len() <= region + 2 * overlap.max(4) + 4);
                next = end;
            }
            prop_assert!(content[next..].iter().all(|b| *b == 0));
        }

        #[test]
        fn zeros_are_told_from_others(len in 0..2000_usize, at in any::<prop::sample::Index>()) {
            let mut bytes = vec![0; len + 1];
            prop_assert!(is_zero(&bytes));
            let at = at.index(len + 1);
            bytes[at] = 1;
            prop_assert!(!is_zero(&bytes));
        }
    }

    #[test]
    fn a_failing_reader_gives_what_it_had() {
        struct Fails(usize);
        impl Read for Fails {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                if self.0 == 0 {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                self.0 -= 1;
                buf[0] = b'x';
                Ok(1)
            }
        }
        let sink = Collect::default();
        let stop = AtomicBool::new(false);
        let run = sink.run(&Quiet, &stop, 1);
        let provenance = Provenance {
            place: Place::Stdin,
            object: None,
        };
        let size = PieceSize {
            region: 4,
            overlap: 1,
        };
        let fed = feed(
            (&[], &mut Plain(Fails(10))),
            size,
            &BlobPath::from("p"),
            &provenance,
            &run,
            &mut *run.sink.receiver(),
        );
        assert!(fed.error.is_some());
        assert_eq!(fed.bytes, 10);
    }
}

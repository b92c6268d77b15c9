//! From one open file, stream or object to the receiver: whole if it is small or must be unpacked, else in pieces.

use std::{
    io::{self, Read},
    sync::Mutex,
};

use crate::model::{BlobPath, Counter, Ledger, Place, Provenance, SkipCause, Span};

use super::{
    Blob, Receiver, Run, archive,
    large::{self, PieceSize, Stream},
};

/// How content is cut. All sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// What is larger comes in pieces.
    pub whole: usize,
    /// What must be unpacked or decoded as a whole (archives, UTF-16) comes whole up to here.
    pub unpack: usize,
    /// The region of one piece.
    pub piece: usize,
    /// Context on both sides of a piece; must be the engine's.
    pub overlap: usize,
    /// What is larger is not read at all but recorded as [`SkipCause::TooLarge`]; `None` reads everything.
    pub limit: Option<u64>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            whole: 16 << 20,
            unpack: 512 << 20,
            piece: 8 << 20,
            overlap: 64 << 10,
            limit: None,
        }
    }
}

/// Bytes that are read at first: most files are smaller.
const FIRST: usize = 16 << 10;

/// The first lines of Git LFS pointers (git-lfs, docs/spec.md, and the names it had before).
const LFS: [&[u8]; 3] = [
    b"version https://git-lfs.github.com/spec/v1\n",
    b"version http://git-media.io/v/2\n",
    b"version https://hawser.github.com/spec/v1\n",
];

/// Most bytes of a pointer, by the same page.
const MAX_LFS: usize = 1024;

/// What is known of a content before it is read.
pub(super) struct Origin<'a> {
    pub(super) path: &'a BlobPath,
    pub(super) provenance: Provenance,
    /// Length, if it is known; only a hint.
    pub(super) len: Option<u64>,
}

/// Reads contents one after the other into one buffer.
pub(super) struct Contents<'r> {
    run: &'r Run<'r>,
    sizes: Sizes,
    /// Lets only one thread at a time hold a content between `whole` and `unpack` bytes.
    big: &'r Mutex<()>,
    buffer: Vec<u8>,
}

impl<'r> Contents<'r> {
    pub(super) fn new(run: &'r Run<'r>, sizes: Sizes, big: &'r Mutex<()>) -> Self {
        Self {
            run,
            sizes,
            big,
            buffer: Vec::new(),
        }
    }

    /// Hands the content of `reader` to `receiver` and counts its bytes. What can't be read is recorded.
    pub(super) fn read(
        &mut self,
        reader: &mut dyn Stream,
        origin: &Origin<'_>,
        receiver: &mut dyn Receiver,
        ledger: &mut Ledger,
    ) {
        if let (Some(limit), Some(len)) = (self.sizes.limit, origin.len)
            && len > limit
        {
            let detail = format!("{len} bytes, the limit is {limit}");
            ledger.skip(SkipCause::TooLarge, origin.path.clone(), detail);
            return;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let filled = self.start(reader, origin.len, &mut buffer);
        match filled {
            Ok((len, true)) => {
                let bytes = buffer.get(..len).unwrap_or_default();
                whole(bytes, origin, receiver, ledger);
            }
            Ok((len, false)) => {
                let head = buffer.get(..len).unwrap_or_default();
                self.large(head, reader, origin, receiver, ledger);
            }
            Err((len, error)) => {
                let bytes = buffer.get(..len).unwrap_or_default();
                if len > 0 {
                    whole(bytes, origin, receiver, ledger);
                }
                unreadable(ledger, origin.path, &error);
            }
        }
        self.buffer = buffer;
    }

    /// Fills the buffer; returns how far and whether that is all.
    fn start(
        &self,
        reader: &mut dyn Stream,
        len: Option<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<(usize, bool), (usize, io::Error)> {
        let known = len.and_then(|len| usize::try_from(len).ok());
        let mut filled = 0;
        loop {
            if filled > self.sizes.whole {
                return Ok((filled, false));
            }
            // NOTE: files in /proc say that they have no bytes.
            if known.is_some_and(|known| known == filled) && filled > 0 {
                return Ok((filled, true));
            }
            if filled == buffer.len() {
                let hint = known.unwrap_or(0).saturating_add(1).max(2 * filled);
                let next = if filled == 0 { FIRST } else { hint };
                buffer.resize(next.min(self.sizes.whole + 1), 0);
            }
            match reader.read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => return Ok((filled, true)),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((filled, error)),
            }
        }
    }

    /// Handles what is larger than one buffer: `head` is what was read of it.
    fn large(
        &self,
        head: &[u8],
        reader: &mut dyn Stream,
        origin: &Origin<'_>,
        receiver: &mut dyn Receiver,
        ledger: &mut Ledger,
    ) {
        let Some(what) = must_be_whole(head).or_else(|| ends_as_archive(reader)) else {
            if self.pieces((head, reader), origin, receiver, ledger) {
                let detail = "it ends as a zip does: it was scanned as it is, not unpacked";
                ledger.skip(SkipCause::LimitHit, origin.path.clone(), detail);
            }
            return;
        };
        // Poisoned or not, the lock only limits memory.
        let _one_at_a_time = self.big.lock();
        let fits = origin.len.is_none_or(|len| len <= self.sizes.unpack as u64);
        let mut bytes = head.to_vec();
        if fits {
            let most = (self.sizes.unpack + 1).saturating_sub(bytes.len());
            let result = reader.take(most as u64).read_to_end(&mut bytes);
            if bytes.len() <= self.sizes.unpack {
                whole(&bytes, origin, receiver, ledger);
                if let Err(error) = result {
                    unreadable(ledger, origin.path, &error);
                }
                return;
            }
        }
        let detail = format!(
            "{what} of more than {} MiB was scanned as it is, not unpacked",
            self.sizes.unpack >> 20
        );
        ledger.skip(SkipCause::LimitHit, origin.path.clone(), detail);
        self.pieces((&bytes, reader), origin, receiver, ledger);
    }

    /// Tells whether the content turned out to be an archive.
    fn pieces(
        &self,
        from: (&[u8], &mut dyn Stream),
        origin: &Origin<'_>,
        receiver: &mut dyn Receiver,
        ledger: &mut Ledger,
    ) -> bool {
        let size = PieceSize {
            region: self.sizes.piece,
            overlap: self.sizes.overlap,
        };
        let (path, provenance) = (origin.path, &origin.provenance);
        let fed = large::feed(from, size, path, provenance, self.run, receiver);
        ledger.count(Counter::Bytes, fed.bytes);
        if let Some(error) = fed.error {
            unreadable(ledger, path, &error);
        }
        if fed.stopped {
            let detail = format!("stopped after {} bytes", fed.bytes);
            ledger.skip(SkipCause::Interrupted, path.clone(), detail);
        }
        fed.is_zip
    }
}

/// Hands out one whole content and counts its bytes.
pub(super) fn whole(
    bytes: &[u8],
    origin: &Origin<'_>,
    receiver: &mut dyn Receiver,
    ledger: &mut Ledger,
) {
    ledger.count(Counter::Bytes, bytes.len() as u64);
    if is_lfs_pointer(bytes) && origin.provenance.place == Place::Staged {
        // The pointer is all that a commit brings: nothing of it was left out.
        ledger.note("Git LFS pointers are staged: they were scanned, the contents that they name are not in this clone");
    } else if is_lfs_pointer(bytes) {
        ledger.skip(
            SkipCause::LfsPointer,
            origin.path.clone(),
            "only the pointer was scanned",
        );
    }
    text(bytes, origin.path, origin.provenance.clone(), receiver);
}

/// Tells whether a Git LFS pointer stands where the content should be.
pub(super) fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() < MAX_LFS && LFS.iter().any(|line| bytes.starts_with(line))
}

/// Hands out a text that is no file's content: a name, a link's target.
pub(super) fn name(bytes: &[u8], path: &BlobPath, place: Place, receiver: &mut dyn Receiver) {
    let provenance = Provenance {
        place,
        object: None,
    };
    text(bytes, path, provenance, receiver);
}

/// Hands out bytes as one whole region.
pub(super) fn text(
    bytes: &[u8],
    path: &BlobPath,
    provenance: Provenance,
    receiver: &mut dyn Receiver,
) {
    if bytes.is_empty() {
        return;
    }
    receiver.blob(&Blob {
        bytes,
        regions: &[Span::new(0, bytes.len() as u64)],
        path,
        provenance,
        offset: 0,
        line: 1,
        column: 1,
        whole: true,
    });
}

/// Records that the system refused.
pub(super) fn unreadable(ledger: &mut Ledger, path: &BlobPath, error: &io::Error) {
    ledger.skip(
        SkipCause::Unreadable,
        path.clone(),
        error.kind().to_string(),
    );
}

/// Returns what the content is if it can't be scanned in pieces.
fn must_be_whole(head: &[u8]) -> Option<&'static str> {
    if archive::is_archive(head).is_some() {
        return Some("an archive");
    }
    is_wide(head).then_some("UTF-16 or UTF-32 text")
}

/// Returns what the content is if its end tells that it can't be scanned in pieces: a zip behind a long prefix.
fn ends_as_archive(reader: &mut dyn Stream) -> Option<&'static str> {
    let (tail, before) = reader.tail(archive::TAIL)?;
    archive::ends_as_zip(&tail, before).then_some("an archive")
}

/// Tells whether the content is likely UTF-16 or UTF-32: a byte order mark, or every other byte zero.
fn is_wide(head: &[u8]) -> bool {
    let mark = head.starts_with(&[0xff, 0xfe])
        || head.starts_with(&[0xfe, 0xff])
        || head.starts_with(&[0, 0, 0xfe, 0xff]);
    let sample = head.get(..FIRST).unwrap_or(head);
    let zeros = |from: usize| {
        sample
            .iter()
            .skip(from)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let half = sample.len() / 2;
    mark || (half > 0 && (even > half * 9 / 10) != (odd > half * 9 / 10))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Quiet, testing::Collect};
    use super::*;

    const TINY: Sizes = Sizes {
        whole: 100,
        unpack: 1000,
        piece: 30,
        overlap: 10,
        limit: None,
    };

    fn read(content: &[u8], len: Option<u64>, sizes: Sizes) -> (Ledger, Collect) {
        let sink = Collect::default();
        let stop = AtomicBool::new(false);
        let run = sink.run(&Quiet, &stop, 1);
        let mut ledger = Ledger::default();
        let path = BlobPath::from("p");
        let origin = Origin {
            path: &path,
            provenance: Provenance {
                place: Place::File,
                object: None,
            },
            len,
        };
        let mut receiver = run.sink.receiver();
        let big = Mutex::new(());
        let mut contents = Contents::new(&run, sizes, &big);
        contents.read(&mut &*content, &origin, &mut *receiver, &mut ledger);
        drop(receiver);
        assert_eq!(ledger.counted(Counter::Bytes), content.len() as u64);
        (ledger, sink)
    }

    #[test]
    fn what_fits_comes_whole_whatever_its_stated_length() {
        let content = [b'x'; 100];
        for len in [None, Some(0), Some(100), Some(3), Some(u64::MAX)] {
            let (_, sink) = read(&content, len, TINY);
            let blobs = sink.blobs();
            assert_eq!(blobs.len(), 1);
            assert!(blobs[0].whole && blobs[0].bytes == content);
        }
    }

    #[test]
    fn what_is_larger_comes_in_pieces() {
        for len in [None, Some(0), Some(101), Some(5000)] {
            let (ledger, sink) = read(&[b'x'; 101], len, TINY);
            let blobs = sink.blobs();
            assert!(blobs.len() == 4 && blobs.iter().all(|b| !b.whole));
            assert!(!ledger.is_incomplete());
        }
    }

    #[test]
    fn archives_and_wide_text_come_whole_up_to_their_own_limit() {
        let mut zip = b"PK\x03\x04".to_vec();
        let mut utf16 = vec![0xff, 0xfe];
        let mut bare: Vec<u8> = b"x\0".repeat(60);
        for content in [&mut zip, &mut utf16, &mut bare] {
            content.resize(1000, 7);
            let (ledger, sink) = read(content, None, TINY);
            assert!(sink.blobs().len() == 1 && sink.blobs()[0].whole);
            assert!(!ledger.is_incomplete());
            content.push(7);
            for len in [None, Some(1001)] {
                let (ledger, sink) = read(content, len, TINY);
                assert!(sink.blobs().iter().all(|b| !b.whole));
                assert_eq!(ledger.skipped.get(&SkipCause::LimitHit), Some(&1));
            }
        }
    }

    /// A zip of one empty member, behind a prefix.
    fn zip_behind(prefix: usize) -> Vec<u8> {
        let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        writer.start_file("a", options).unwrap();
        let zip = writer.finish().unwrap().into_inner();
        [vec![b'x'; prefix], zip].concat()
    }

    #[test]
    fn a_zip_behind_a_long_prefix_comes_whole_or_is_a_gap() {
        let content = zip_behind(500);
        let sizes = Sizes {
            piece: 200,
            overlap: 200,
            ..TINY
        };
        let (ledger, sink) = read(&content, None, sizes);
        assert!(sink.blobs().iter().all(|b| !b.whole));
        assert_eq!(ledger.skipped.get(&SkipCause::LimitHit), Some(&1));
        #[cfg(unix)]
        {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, &content).unwrap();
            io::Seek::rewind(&mut file).unwrap();
            let sink = Collect::default();
            let stop = AtomicBool::new(false);
            let run = sink.run(&Quiet, &stop, 1);
            let big = Mutex::new(());
            let path = BlobPath::from("p");
            let mut ledger = Ledger::default();
            let origin = Origin {
                path: &path,
                provenance: Provenance {
                    place: Place::File,
                    object: None,
                },
                len: None,
            };
            let mut receiver = run.sink.receiver();
            let mut contents = Contents::new(&run, sizes, &big);
            contents.read(&mut file, &origin, &mut *receiver, &mut ledger);
            drop(receiver);
            assert!(sink.blobs().len() == 1 && sink.blobs()[0].whole);
            assert!(!ledger.is_incomplete());
        }
    }

    #[test]
    fn lfs_pointers_are_a_gap() {
        for line in LFS {
            let pointer = [line, b"oid sha256:0\nsize 1\n"].concat();
            let (ledger, sink) = read(&pointer, None, TINY);
            assert_eq!(ledger.skipped.get(&SkipCause::LfsPointer), Some(&1));
            assert_eq!(sink.blobs().len(), 1);
        }
    }
}

//! Inflates zlib streams whose size is known from a header: one shot where the compressed bytes are at hand, in pieces
//! where they are not.

use std::io::{BufReader, Read};

use sirocco::{
    Format,
    inflate::{Decoder, Reader},
};

use super::{
    find::Absent,
    io::{Handle, Stretch},
};

/// DEFLATE cannot expand by more than this (RFC 1951: 258 bytes for two bits of a match); a header that claims more lies,
/// and nothing is allocated for it.
const MAX_RATIO: u64 = 1032;

/// What a damaged stream is called in the ledger.
pub(super) const BAD_STREAM: &str = "its compressed data is damaged";

/// Decoder tables and buffers of one thread.
pub(crate) struct Inflater {
    decoder: Box<Decoder>,
    scratch: Vec<u8>,
    input: Vec<u8>,
}

impl Inflater {
    /// Sets up the tables.
    pub(crate) fn new() -> Self {
        Self {
            decoder: Box::new(Decoder::new(Format::Zlib)),
            scratch: Vec::new(),
            input: Vec::new(),
        }
    }

    /// Inflates the stream that `input` starts with to `out`, which then holds `size` bytes. Returns how much of
    /// `input` the stream took.
    pub(crate) fn whole(
        &mut self,
        input: &[u8],
        size: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, Absent> {
        let size = plausible(size, input.len() as u64)?;
        out.clear();
        // One byte more than said, so that a longer stream shows.
        out.resize(size + 1, 0);
        let used = one_shot(&mut self.decoder, input, size, out);
        out.truncate(size);
        used
    }

    /// Like [`Inflater::whole`], into a buffer that lives until the next call.
    pub(crate) fn borrowed(&mut self, input: &[u8], size: u64) -> Result<(&[u8], usize), Absent> {
        let size = plausible(size, input.len() as u64)?;
        if self.scratch.len() <= size {
            self.scratch.resize(size + 1, 0);
        }
        let out = self.scratch.get_mut(..=size).unwrap_or_default();
        let used = one_shot(&mut self.decoder, input, size, out)?;
        Ok((self.scratch.get(..size).unwrap_or_default(), used))
    }

    /// Inflates the stream that starts at `offset` of a file, not knowing where it ends but before `end`.
    pub(super) fn at(
        &mut self,
        handle: &Handle,
        offset: u64,
        end: u64,
        size: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Absent> {
        let size = plausible(size, end.saturating_sub(offset))?;
        out.clear();
        out.resize(size + 1, 0);
        self.decoder.reset();
        // Text deflates to a third or so; small objects then take one read.
        let step = (size / 2 + 512).min(256 * 1024);
        self.input.resize(step, 0);
        let (mut position, mut made) = (offset, 0);
        loop {
            let room = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
            let input = self.input.get_mut(..step.min(room)).unwrap_or_default();
            let n = handle
                .read_at(input, position)
                .map_err(|_| Absent::Damaged("the pack cannot be read"))?;
            let progress = self
                .decoder
                .decompress(input.get(..n).unwrap_or_default(), out, n == 0)
                .map_err(|_| Absent::Damaged(BAD_STREAM))?;
            made += progress.output.len();
            position += progress.consumed as u64;
            if progress.done {
                break;
            }
            if progress.full || n == 0 {
                return Err(Absent::Damaged(BAD_STREAM));
            }
        }
        out.truncate(size);
        if made == size {
            Ok(())
        } else {
            Err(Absent::Damaged("its size is not what its header says"))
        }
    }
}

/// Returns a reader that inflates a stretch of a file.
pub(crate) fn stream(handle: &Handle, start: u64, end: u64) -> impl Read + '_ {
    Reader::new(
        Format::Zlib,
        BufReader::with_capacity(256 * 1024, Stretch::new(handle, start, end)),
    )
}

fn plausible(size: u64, input: u64) -> Result<usize, Absent> {
    if size > input.saturating_mul(MAX_RATIO) {
        return Err(Absent::Damaged("its header claims more than can be there"));
    }
    usize::try_from(size)
        .ok()
        .filter(|size| *size < isize::MAX as usize)
        .ok_or(Absent::TooLarge(size))
}

/// Inflates into a buffer with room for `size + 1` bytes.
fn one_shot(
    decoder: &mut Decoder,
    input: &[u8],
    size: usize,
    out: &mut [u8],
) -> Result<usize, Absent> {
    decoder.reset();
    let progress = decoder
        .decompress(input, out, true)
        .map_err(|_| Absent::Damaged(BAD_STREAM))?;
    if progress.done && progress.output.len() == size {
        Ok(progress.consumed)
    } else {
        Err(Absent::Damaged("its size is not what its header says"))
    }
}

#[cfg(test)]
mod tests {
    use sirocco::deflate::Level;

    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        sirocco::compress(Format::Zlib, Level::DEFAULT, bytes)
    }

    #[test]
    fn takes_exactly_one_stream() {
        let mut packed = deflated(b"hello hello hello");
        let len = packed.len();
        packed.extend_from_slice(b"next");
        let mut inflater = Inflater::new();
        let mut out = Vec::new();
        assert_eq!(inflater.whole(&packed, 17, &mut out).unwrap(), len);
        assert_eq!(out, b"hello hello hello");
        assert_eq!(inflater.borrowed(&packed, 17).unwrap(), (&out[..], len));
        let empty = deflated(b"");
        assert_eq!(inflater.whole(&empty, 0, &mut out).unwrap(), empty.len());
    }

    #[test]
    fn refuses_other_sizes_damage_and_giants() {
        let packed = deflated(b"hello hello hello");
        let mut inflater = Inflater::new();
        let mut out = Vec::new();
        for size in [16, 18, 0, u64::MAX, 1 << 40] {
            assert!(inflater.whole(&packed, size, &mut out).is_err(), "{size}");
        }
        assert!(
            inflater
                .whole(&packed[..packed.len() - 3], 17, &mut out)
                .is_err()
        );
        let mut bad = packed.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert!(inflater.whole(&bad, 17, &mut out).is_err());
        assert!(
            inflater.whole(&packed, 17, &mut out).is_ok(),
            "usable after errors"
        );
    }

    #[test]
    fn reads_large_streams_from_files_in_pieces() {
        let text: Vec<u8> = (0..3_000_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"0123456789").unwrap();
        std::io::Write::write_all(&mut file, &deflated(&text)).unwrap();
        let handle = Handle::open(file.path().to_owned(), true).unwrap();
        let mut out = Vec::new();
        let mut inflater = Inflater::new();
        inflater
            .at(&handle, 10, handle.len(), text.len() as u64, &mut out)
            .unwrap();
        assert_eq!(out, text);
        for size in [text.len() as u64 - 1, text.len() as u64 + 1] {
            assert!(
                inflater
                    .at(&handle, 10, handle.len(), size, &mut out)
                    .is_err()
            );
        }
        assert!(
            inflater
                .at(&handle, 10, handle.len() - 9, text.len() as u64, &mut out)
                .is_err()
        );
        out.clear();
        stream(&handle, 10, handle.len())
            .read_to_end(&mut out)
            .unwrap();
        assert_eq!(out, text);
    }
}

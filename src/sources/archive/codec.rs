//! The compression methods: one reader each over bytes in memory.

use std::io::{self, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::{
    FrameDecoder, StreamingDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use super::{budget::Budget, le};

/// Most memory for an LZMA dictionary, in KiB: `xz -9` asks for 64 MiB and a little.
const LZMA_MEMORY_KIB: u32 = 100 * 1024;

/// A way to compress one stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// gzip with any number of members (RFC 1952).
    Gzip,
    /// zlib (RFC 1950).
    Zlib,
    /// LZMA in its own file format.
    Lzma,
    /// Raw deflate (RFC 1951).
    Deflate,
    /// Raw "enhanced deflate" with a window of 64 KiB.
    Deflate64,
    /// bzip2 with any number of streams.
    Bzip2,
    /// xz with any number of streams.
    Xz,
    /// LZMA as zip stores it (APPNOTE 5.8.8): version, length of the properties, properties, data. With the size of
    /// the content, or `u64::MAX` if a marker ends it.
    ZipLzma(u64),
    /// Zstandard with any number of frames (RFC 8878).
    Zstd,
}

impl Codec {
    /// Returns a reader of what `bytes` unpack to. Errors, also of the header, come from reading.
    pub(super) fn open<'a>(self, bytes: &'a [u8], budget: &'a Budget<'a>) -> Box<dyn Read + 'a> {
        match self {
            Self::Gzip => Box::new(Gzip(Some(GzDecoder::new(bytes)))),
            Self::Zlib => Box::new(ZlibDecoder::new(bytes)),
            Self::Lzma => match LzmaReader::new_mem_limit(bytes, LZMA_MEMORY_KIB, None) {
                Ok(reader) => Box::new(reader),
                Err(_) => Box::new(Broken),
            },
            Self::Deflate => Box::new(DeflateDecoder::new(bytes)),
            Self::Deflate64 => Box::new(deflate64::Deflate64Decoder::with_buffer(bytes)),
            Self::Bzip2 => Box::new(Bzip2 {
                rest: bytes,
                stream: None,
                started: false,
                budget,
            }),
            Self::Xz => Box::new(XzReader::new_mem_limit(bytes, true, LZMA_MEMORY_KIB)),
            Self::ZipLzma(size) => match zip_lzma(bytes, size) {
                Some(reader) => reader,
                None => Box::new(Broken),
            },
            Self::Zstd => Box::new(Zstd {
                rest: bytes,
                frame: None,
            }),
        }
    }
}

/// Returns how many of `bytes` the raw deflate stream at their start takes, once `sink` has had its content.
pub(super) fn deflate_extent(bytes: &[u8], sink: impl FnOnce(&mut dyn Read)) -> usize {
    let mut decoder = DeflateDecoder::new(bytes);
    sink(&mut decoder);
    usize::try_from(decoder.total_in())
        .unwrap_or(usize::MAX)
        .min(bytes.len())
}

/// Returns the file name in a gzip header.
pub(super) fn gzip_name(bytes: &[u8]) -> Option<Vec<u8>> {
    let decoder = GzDecoder::new(bytes);
    let name = decoder.header()?.filename()?;
    (!name.is_empty()).then(|| name.to_vec())
}

/// Tells whether the skippable Zstandard frame at the start is followed by another frame.
pub(super) fn skips_to_zstd(bytes: &[u8]) -> bool {
    let next = le::<4>(bytes, 4).and_then(|len| usize::try_from(len).ok()?.checked_add(8));
    let next = next.and_then(|at| bytes.get(at..)).unwrap_or_default();
    next.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || matches!(next, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

fn zip_lzma(bytes: &[u8], size: u64) -> Option<Box<dyn Read + '_>> {
    if le::<2>(bytes, 2)? != 5 {
        return None;
    }
    let properties = *bytes.get(4)?;
    let dictionary = u32::try_from(le::<4>(bytes, 5)?).ok()?;
    let memory = lzma_rust2::lzma_get_memory_usage_by_props(dictionary, properties).ok()?;
    if memory > LZMA_MEMORY_KIB {
        return None;
    }
    let data = bytes.get(9..)?;
    let reader = LzmaReader::new_with_props(data, size, properties, dictionary, None).ok()?;
    Some(Box::new(reader))
}

/// What has a header that cannot be read.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// All members of a gzip file. `flate2`'s own takes anything behind the last one for a damaged member; padding is common.
struct Gzip<'a>(Option<GzDecoder<&'a [u8]>>);

impl Read for Gzip<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let read = decoder.read(buf)?;
            if read > 0 || buf.is_empty() {
                return Ok(read);
            }
            let rest: &[u8] = decoder.get_ref();
            self.0 = rest
                .starts_with(&[0x1f, 0x8b])
                .then(|| GzDecoder::new(rest));
        }
        Ok(0)
    }
}

/// All streams of a bzip2 file.
struct Bzip2<'a> {
    rest: &'a [u8],
    stream: Option<BzDecoder<&'a [u8]>>,
    started: bool,
    budget: &'a Budget<'a>,
}

impl Read for Bzip2<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(stream) = &mut self.stream {
                let read = stream.read(buf)?;
                if read > 0 || buf.is_empty() {
                    return Ok(read);
                }
            }
            if let Some(stream) = self.stream.take() {
                self.rest = stream.into_inner();
            }
            // Padding behind the last stream is not content.
            if self.started && !self.rest.starts_with(b"BZh") {
                return Ok(0);
            }
            self.started = true;
            if !self.budget.take_start() {
                return Err(io::Error::other("a limit was met"));
            }
            self.stream = Some(BzDecoder::new(self.rest));
        }
    }
}

/// All frames of a Zstandard file.
struct Zstd<'a> {
    rest: &'a [u8],
    frame: Option<StreamingDecoder<&'a [u8], FrameDecoder>>,
}

impl Read for Zstd<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buf)?;
                if read > 0 || buf.is_empty() {
                    return Ok(read);
                }
            }
            if let Some(frame) = self.frame.take() {
                self.rest = frame.into_inner();
            }
            if self.rest.is_empty() {
                return Ok(0);
            }
            match StreamingDecoder::new(self.rest) {
                Ok(frame) => self.frame = Some(frame),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let end = usize::try_from(length)
                        .ok()
                        .and_then(|len| len.checked_add(8));
                    self.rest = end
                        .and_then(|end| self.rest.get(end..))
                        .ok_or(io::ErrorKind::UnexpectedEof)?;
                }
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

//! What content is, by its first bytes.

use super::{ar, codec, le, tar, zip};

/// What an archive is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// zip and what is built on it: jar, war, docx, whl, apk, nupkg.
    Zip,
    /// tar in any dialect. Its members stand in it as they are.
    Tar,
    /// ar, as in Debian packages and static libraries. Its members stand in it as they are.
    Ar,
    /// gzip.
    Gzip,
    /// zlib (RFC 1950), as git's loose objects are.
    Zlib,
    /// LZMA in its own file format, before xz.
    Lzma,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

/// Returns what `bytes` are if they look like an archive that [`super::expand`] reads. Looks at the first bytes and at the
/// end that a zip's comment may fill, and does not allocate.
#[must_use]
pub fn is_archive(bytes: &[u8]) -> Option<Kind> {
    match bytes {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Kind::Zip),
        [0x1f, 0x8b, 8, ..] => Some(Kind::Gzip),
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => {
            // "pi" opens a block, "sqrt(pi)" ends an empty stream.
            let opens = rest.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                || rest.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]);
            opens.then_some(Kind::Bzip2)
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Kind::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Kind::Zstd),
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => codec::skips_to_zstd(bytes).then_some(Kind::Zstd),
        _ if bytes.starts_with(ar::MAGIC) => Some(Kind::Ar),
        _ if tar::is_header(bytes) => Some(Kind::Tar),
        _ if zip::ends_as_zip(bytes, 0) => Some(Kind::Zip),
        _ if is_lzma(bytes) => Some(Kind::Lzma),
        _ => is_zlib(bytes).then_some(Kind::Zlib),
    }
}

/// RFC 1950, section 2.2, and what RFC 1951 lets a block begin with. Text may begin so, too: then it is text.
fn is_zlib(bytes: &[u8]) -> bool {
    let [method, flags, block, ..] = bytes else {
        return false;
    };
    let is_header = method & 0x8f == 8
        && flags & 0x20 == 0
        && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0;
    if !is_header {
        return false;
    }
    let opens = match block >> 1 & 3 {
        0 => le::<2>(bytes, 3).is_some_and(|len| le::<2>(bytes, 5) == Some(len ^ 0xffff)),
        kind => kind < 3,
    };
    let head = bytes.get(2..bytes.len().min(66)).unwrap_or_default();
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    opens && !head.iter().all(is_text)
}

/// Properties, dictionary size, size of the content, and the first byte of the range coder, which is 0 (LZMA SDK,
/// lzma-specification.txt). Sizes are as strict as XZ Utils are where they have to guess (lzma_alone_decoder, "picky").
fn is_lzma(bytes: &[u8]) -> bool {
    let (Some(dictionary), Some(size)) = (le::<4>(bytes, 1), le::<8>(bytes, 5)) else {
        return false;
    };
    let round = |n: u64| n.is_power_of_two() || (n.is_multiple_of(3) && (n / 3).is_power_of_two());
    let properties = bytes.first().is_some_and(|byte| *byte < 9 * 5 * 5);
    properties
        && dictionary >= 1 << 12
        && (round(dictionary) || dictionary == 0xffff_ffff)
        && (size == u64::MAX || size < 1 << 38)
        && bytes.get(13) == Some(&0)
}

/// Returns what packs content in a form that is not read here: nothing can be found in it, and nothing says that there is
/// nothing. Images, fonts, programs and media are none: they hold no files, and text in them mostly stands as it is.
#[must_use]
pub fn sealed(bytes: &[u8]) -> Option<&'static str> {
    /// Offset, first bytes, what to say. From the magic files of file(1), but for git's (gitformat-pack(5),
    /// gitformat-bundle(5)).
    const SEALED: [(usize, &[u8], &str); 22] = [
        (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive is not unpacked"),
        (0, b"Rar!\x1a\x07", "a rar archive is not unpacked"),
        (0, b"\x04\x22\x4d\x18", "lz4 is not unpacked"),
        (0, b"\x02\x21\x4c\x18", "lz4 is not unpacked"),
        (0, b"\x1f\x9d", "compress (.Z) is not unpacked"),
        (0, b"\x1f\xa0", "compress -H is not unpacked"),
        (0, b"\x1f\x1e", "pack (.z) is not unpacked"),
        (0, b"MSCF\0\0\0\0", "a cabinet is not unpacked"),
        (0, b"\xed\xab\xee\xdb", "an rpm package is not unpacked"),
        (0, b"LZIP\x01", "lzip is not unpacked"),
        (0, b"\x89LZO\0\x0d\x0a\x1a\x0a", "lzop is not unpacked"),
        (0, b"LRZI\0", "lrzip is not unpacked"),
        (0, b"\xff\x06\0\0sNaPpY", "snappy is not unpacked"),
        (0, b"xar!\0\x1c", "a xar archive is not unpacked"),
        (0, b"hsqs", "a squashfs image is not unpacked"),
        (0, b"\x45\x3d\xcd\x28", "a cramfs image is not unpacked"),
        (0, b"MSWIM\0\0\0", "a Windows image is not unpacked"),
        (2, b"-lh5-", "an lha archive is not unpacked"),
        (7, b"**ACE**", "an ace archive is not unpacked"),
        (0, b"PACK\0\0\0\x02", GIT),
        (0, b"# v2 git bundle\n", GIT),
        (0, b"# v3 git bundle\n", GIT),
    ];
    const GIT: &str =
        "objects of a git repository are not read here: run `keysweep scan --history` on it";
    let is_at = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|b| b.starts_with(magic));
    SEALED
        .iter()
        .find(|(at, magic, _)| is_at(*at, magic))
        .map(|(_, _, what)| *what)
}

//! tar: v7, ustar, pax (POSIX.1-2001) and GNU, read as a stream.

use std::{
    io::{self, Read},
    ops::Range,
};

use crate::model::BlobPath;

use super::{End, Expander, MAX_NAME, budget::Budget, clean, fill};

/// Everything in a tar is a multiple of this many bytes.
pub(super) const BLOCK: usize = 512;

/// Most bytes of one pax header that are read.
const MAX_PAX: u64 = 1 << 20;

/// Tells whether `bytes` start with a tar header: its checksum holds.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    let Some(block) = bytes.first_chunk::<BLOCK>() else {
        return false;
    };
    // The cheap tests first: this runs on every file.
    let Some(stated) = field(block, 148, 8)
        .iter()
        .all(|b| matches!(b, b'0'..=b'7' | b' ' | 0))
        .then(|| octal(field(block, 148, 8)))
        .flatten()
    else {
        return false;
    };
    // NOTE: the checksum's own field counts as blanks; old writers summed signed bytes.
    let (mut unsigned, mut signed) = (0_u64, 0_i64);
    for (at, &byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        unsigned += u64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    stated > 8 * u64::from(b' ') && (stated == unsigned || i64::try_from(stated) == Ok(signed))
}

/// What a tar is read from.
pub(super) trait Tape: Read {
    /// Returns how much of the archive is left, if its bytes are at hand.
    fn left(&self) -> Option<usize>;
}

impl Tape for &[u8] {
    fn left(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<A: Read, B: Read> Tape for io::Chain<A, B> {
    fn left(&self) -> Option<usize> {
        None
    }
}

/// Returns where the `len` bytes that were just read stand in the archive.
fn place(x: &Expander<'_>, stream: &dyn Tape, len: usize) -> Range<usize> {
    match stream
        .left()
        .and_then(|left| x.within.len.checked_sub(left))
    {
        Some(end) => end.saturating_sub(len)..end,
        None => 0..x.within.len,
    }
}

/// What one header says.
struct Header {
    name: Vec<u8>,
    link: Vec<u8>,
    size: Option<u64>,
    kind: u8,
    extended: bool,
}

/// What headers before a member's own say of it.
#[derive(Default)]
struct Override {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Hands out every member of the tar that `stream` holds.
pub(super) fn walk(x: &mut Expander<'_>, stream: &mut dyn Tape, path: &BlobPath, level: u32) {
    let mut over = Override::default();
    let mut lost = false;
    while x.budget.hit().is_none() {
        let mut block = [0; BLOCK];
        match read_block(stream, &mut block) {
            // Zero blocks end an archive, but another may follow, and so may something that someone hides.
            Block::Zero => continue,
            Block::Full => {}
            Block::End => break,
            Block::Damaged => {
                if x.budget.hit().is_none() {
                    x.damaged(path, "truncated");
                }
                break;
            }
        }
        if !is_header(&block) {
            // Said once; the next header that holds is looked for.
            if !lost {
                x.damaged(path, "a damaged header; searched for the next");
            }
            lost = true;
            over = Override::default();
            continue;
        }
        lost = false;
        let header = Header::parse(&block);
        if entry(x, stream, path, level, header, &mut over).is_err() {
            if x.budget.hit().is_none() {
                x.damaged(path, "truncated");
            }
            break;
        }
    }
}

/// Handles one header and what belongs to it.
fn entry(
    x: &mut Expander<'_>,
    stream: &mut dyn Tape,
    path: &BlobPath,
    level: u32,
    header: Header,
    over: &mut Override,
) -> io::Result<()> {
    let size = header.size.unwrap_or(0);
    match header.kind {
        b'L' => over.name = Some(text(stream, size)?),
        b'K' => over.link = Some(text(stream, size)?),
        b'x' | b'g' | b'X' => {
            let mut records = Vec::new();
            let end = read_known(stream, &mut records, size.min(MAX_PAX), x.budget);
            let source = place(x, stream, records.len());
            skip(stream, padded(size).saturating_sub(records.len() as u64))?;
            if header.kind != b'g' {
                over.apply(&records);
            }
            // Comments and vendors' records are content too.
            let name = path.member(&clean(&header.name));
            x.member(&name, &records, source, end, level);
        }
        _ => {
            let over = std::mem::take(over);
            return content(x, stream, path, level, header, over);
        }
    }
    Ok(())
}

/// Hands out a member proper.
fn content(
    x: &mut Expander<'_>,
    stream: &mut dyn Tape,
    path: &BlobPath,
    level: u32,
    header: Header,
    over: Override,
) -> io::Result<()> {
    let name = path.member(&clean(&over.name.unwrap_or(header.name)));
    if header.kind == b'S' {
        sparse_map(stream, header.extended)?;
    }
    match header.kind {
        // Links, devices, directories and FIFOs have no data, whatever their size says.
        b'1' | b'2' => {
            let target = over.link.unwrap_or(header.link);
            let source = place(x, stream, BLOCK);
            x.member(&name, &target, source, End::Complete, level);
            Ok(())
        }
        b'3'..=b'6' => {
            let source = place(x, stream, BLOCK);
            x.member(&name, &[], source, End::Complete, level);
            Ok(())
        }
        _ => {
            let Some(size) = over.size.or(header.size) else {
                x.damaged(&name, "a size that is no number");
                return Ok(());
            };
            let mut bytes = Vec::new();
            let wanted = size.min(x.limits.member_bytes);
            let mut end = read_known(stream, &mut bytes, wanted, x.budget);
            if end == End::Complete && wanted < size {
                end = End::TooLarge;
            }
            let read = bytes.len() as u64;
            let source = place(x, stream, bytes.len());
            x.member(&name, &bytes, source, end, level);
            drop(bytes);
            match end {
                End::Damaged | End::Limit => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => skip(stream, padded(size).saturating_sub(read)),
            }
        }
    }
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> Self {
        let mut name = until_nul(field(block, 0, 100)).to_vec();
        let magic = field(block, 257, 8);
        // Only POSIX ustar has a prefix there; GNU keeps times in its place.
        if magic.starts_with(b"ustar\0") {
            let prefix = until_nul(field(block, 345, 155));
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        Self {
            name,
            link: until_nul(field(block, 157, 100)).to_vec(),
            size: number(field(block, 124, 12)),
            kind: field(block, 156, 1).first().copied().unwrap_or(0),
            extended: field(block, 482, 1) == [1],
        }
    }
}

impl Override {
    /// Reads pax records: `<length> <key>=<value>\n`.
    fn apply(&mut self, mut records: &[u8]) {
        while let Some(blank) = records.iter().position(|b| *b == b' ') {
            let len = decimal(records.get(..blank).unwrap_or_default());
            let Some(record) = len.and_then(|len| records.get(blank + 1..len)) else {
                return;
            };
            records = records.get(blank + 1 + record.len()..).unwrap_or_default();
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = record.iter().position(|b| *b == b'=') else {
                continue;
            };
            let value = record.get(equals + 1..).unwrap_or_default();
            match record.get(..equals).unwrap_or_default() {
                b"path" | b"GNU.sparse.name" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = decimal(value).map(|n| n as u64),
                _ => {}
            }
        }
    }
}

/// How a block came.
enum Block {
    Full,
    Zero,
    End,
    Damaged,
}

fn read_block(stream: &mut dyn Read, block: &mut [u8; BLOCK]) -> Block {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) if filled == 0 => return Block::End,
            Ok(0) => return Block::Damaged,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Block::Damaged,
        }
    }
    if block.iter().all(|b| *b == 0) {
        Block::Zero
    } else {
        Block::Full
    }
}

/// Reads a GNU long name or link of `size` bytes.
fn text(stream: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    let mut name = Vec::new();
    stream
        .take(size.min(MAX_NAME as u64))
        .read_to_end(&mut name)?;
    skip(stream, padded(size).saturating_sub(name.len() as u64))?;
    let len = until_nul(&name).len();
    name.truncate(len);
    Ok(name)
}

/// Skips the blocks that go on with an old GNU sparse map. The stored data follow: holes are not content.
fn sparse_map(stream: &mut dyn Read, mut more: bool) -> io::Result<()> {
    while more {
        let mut block = [0; BLOCK];
        stream.read_exact(&mut block)?;
        more = block.get(504) == Some(&1);
    }
    Ok(())
}

fn skip(stream: &mut dyn Read, len: u64) -> io::Result<()> {
    let skipped = io::copy(&mut stream.take(len), &mut io::sink())?;
    // The padding of the last member may be missing; the next header will be, too.
    if skipped < len && len >= BLOCK as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Reads `wanted` bytes and not one more.
fn read_known(stream: &mut dyn Read, bytes: &mut Vec<u8>, wanted: u64, budget: &Budget<'_>) -> End {
    // Through `take` the end of the member looks like the end of the stream.
    match fill(&mut stream.take(wanted), bytes, wanted, budget) {
        End::Complete if (bytes.len() as u64) < wanted => End::Damaged,
        end => end,
    }
}

fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK as u64)
        .unwrap_or(u64::MAX)
}

fn field(block: &[u8; BLOCK], at: usize, len: usize) -> &[u8] {
    block.get(at..at + len).unwrap_or_default()
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// Reads octal digits, or base 256 with the top bit set (GNU).
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            let start = u64::from(first & 0x7f);
            rest.iter()
                .try_fold(start, |n, b| n.checked_mul(256).map(|n| n | u64::from(*b)))
        }
        _ => octal(field),
    }
}

/// Reads octal digits between blanks and NULs; an empty field is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let is_blank = |b: &u8| matches!(*b, b' ' | 0);
    let start = field
        .iter()
        .position(|b| !is_blank(b))
        .unwrap_or(field.len());
    let digits = field.get(start..)?.split(is_blank).next()?;
    digits.iter().try_fold(0_u64, |n, b| match b {
        b'0'..=b'7' => n.checked_mul(8).map(|n| n + u64::from(b - b'0')),
        _ => None,
    })
}

fn decimal(field: &[u8]) -> Option<usize> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

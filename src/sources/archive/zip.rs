//! zip (PKWARE APPNOTE 6.3): by its central directory, and by the local headers that it doesn't list.
//!
//! The central directory says what most programs unpack; a reader that streams believes the local headers. Both count
//! here: what one of them hides is found through the other.

mod end;

use memchr::memmem;

use crate::model::{BlobPath, SkipCause};

use super::{End, Expander, clean, codec::Codec, codec::deflate_extent, fill, le};
use end::directory;
pub(in crate::sources) use end::{TAIL, ends_as_zip};

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";

/// Fixed parts of the headers, in bytes.
const LOCAL_LEN: usize = 30;
const CENTRAL_LEN: usize = 46;
const END_LEN: usize = 22;

/// A size or offset that stands in the zip64 field instead.
const IN_ZIP64: u64 = 0xffff_ffff;

/// What a header says of a member.
#[derive(Clone, Copy)]
struct Entry<'a> {
    name: &'a [u8],
    flags: u64,
    method: u64,
    packed: u64,
    unpacked: u64,
}

impl Entry<'_> {
    /// Bit 0: the data are encrypted.
    fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Bit 3: sizes follow the data, in the local header they are 0.
    fn is_streamed(&self) -> bool {
        self.flags & 8 != 0
    }
}

/// Hands out every member.
pub(super) fn walk(x: &mut Expander<'_>, bytes: &[u8], path: &BlobPath, level: u32) {
    let mut covered: Vec<(usize, usize)> = Vec::new();
    match directory(bytes) {
        Some((start, prefix)) => {
            let end = listed(x, bytes, path, level, (start, prefix), &mut covered);
            covered.push((start, end));
        }
        None => x.damaged(path, "no central directory: truncated or damaged"),
    }
    covered.sort_unstable();
    let mut at = 0;
    for (start, end) in covered {
        if start > at {
            unlisted(x, bytes, path, level, (at, start));
        }
        at = at.max(end);
    }
    unlisted(x, bytes, path, level, (at, bytes.len()));
}

/// Hands out what the central directory lists; returns where it ends.
fn listed(
    x: &mut Expander<'_>,
    bytes: &[u8],
    path: &BlobPath,
    level: u32,
    (start, prefix): (usize, usize),
    covered: &mut Vec<(usize, usize)>,
) -> usize {
    let mut at = start;
    while x.budget.hit().is_none() {
        let Some((entry, offset, next)) = central(bytes, at) else {
            let rest = bytes.get(at..).unwrap_or_default();
            if !rest.starts_with(END) && !rest.starts_with(END64) {
                x.damaged(path, "the central directory is damaged");
            }
            break;
        };
        at = next;
        let member = path.member(&clean(entry.name));
        let offset = offset.and_then(|offset| offset.checked_add(prefix));
        let Some((local, data)) = offset.and_then(|offset| local(bytes, offset)) else {
            x.damaged(&member, "its local header is damaged");
            continue;
        };
        let packed = clip(bytes, data, entry.packed);
        // Where the two headers differ, what only the longer one claims is searched for others.
        let sure = if local.is_streamed() {
            entry.packed
        } else {
            entry.packed.min(local.packed)
        };
        let sure = clip(packed.0, 0, sure).0.len();
        covered.push((offset.unwrap_or(data), data.saturating_add(sure)));
        unpack(x, packed, &member, &entry, level);
        differing(x, bytes, path, level, &entry, &local, data);
    }
    at
}

/// Hands out what a local header says if it says something else than the central directory.
fn differing(
    x: &mut Expander<'_>,
    bytes: &[u8],
    path: &BlobPath,
    level: u32,
    entry: &Entry<'_>,
    local: &Entry<'_>,
    data: usize,
) {
    let sizes = !local.is_streamed() && local.packed != entry.packed;
    if sizes || local.method != entry.method {
        let mut local = *local;
        if local.is_streamed() {
            local.packed = entry.packed;
        }
        let packed = clip(bytes, data, local.packed);
        unpack(x, packed, &path.member(&clean(local.name)), &local, level);
    } else if local.name != entry.name && !local.is_encrypted() {
        // The name is text to scan, too.
        let name = path.member(&clean(local.name));
        x.member(&name, &[], x.place_of(local.name), End::Complete, level);
    }
}

/// Hands out members whose local headers stand in `from..to`, which no listed member covers.
fn unlisted(
    x: &mut Expander<'_>,
    bytes: &[u8],
    path: &BlobPath,
    level: u32,
    (from, to): (usize, usize),
) {
    let finder = memmem::Finder::new(LOCAL);
    let mut at = from;
    while x.budget.hit().is_none() {
        let gap = bytes.get(at..to).unwrap_or_default();
        let Some(found) = finder.find(gap) else {
            return;
        };
        let header = at + found;
        at = header + LOCAL.len();
        let Some((entry, data)) = local(bytes, header).filter(|(e, _)| is_plausible(e)) else {
            continue;
        };
        let member = path.member(&clean(entry.name));
        let rest = bytes.get(data..).unwrap_or_default();
        at = if entry.is_streamed() && entry.packed == 0 {
            data.saturating_add(streamed(x, rest, &member, &entry, level))
        } else {
            let packed = clip(bytes, data, entry.packed);
            unpack(x, packed, &member, &entry, level);
            data.saturating_add(packed.0.len())
        };
    }
}

/// Hands out a member whose length only its data tell; returns the length.
fn streamed(
    x: &mut Expander<'_>,
    rest: &[u8],
    member: &BlobPath,
    entry: &Entry<'_>,
    level: u32,
) -> usize {
    if entry.method == 8 && !entry.is_encrypted() {
        let budget = x.budget;
        let limit = x.limits.member_bytes;
        let mut content = Vec::new();
        let mut end = End::Complete;
        let extent = deflate_extent(rest, |decoder| {
            end = fill(&mut budget.meter(decoder), &mut content, limit, budget);
        });
        let _ = budget.take_work(extent);
        let packed = rest.get(..extent).unwrap_or_default();
        x.member(member, &content, x.place_of(packed), end, level);
        return extent;
    }
    // One pass that ends at the first of them: a search for each would go to the end of the file for every member.
    let extent = memmem::find_iter(rest, b"PK")
        .find(|at| {
            let here = rest.get(*at..).unwrap_or_default();
            let ends = [DESCRIPTOR, LOCAL, CENTRAL];
            ends.iter().any(|signature| here.starts_with(signature))
        })
        .unwrap_or(rest.len());
    let packed = rest.get(..extent).unwrap_or_default();
    unpack(x, (packed, true), member, entry, level);
    extent
}

/// Decodes and hands out one member from its packed bytes; the flag says whether they are all there.
fn unpack(
    x: &mut Expander<'_>,
    (packed, all): (&[u8], bool),
    member: &BlobPath,
    entry: &Entry<'_>,
    level: u32,
) {
    if entry.is_encrypted() {
        x.damaged(member, "encrypted");
        return;
    }
    if !x.budget.take_work(packed.len()) {
        return;
    }
    let size = if entry.flags & 2 != 0 {
        u64::MAX
    } else {
        entry.unpacked
    };
    let codec = match entry.method {
        0 => {
            if x.budget.take_out(packed.len()) {
                let end = if all { End::Complete } else { End::Damaged };
                x.slice(member, packed, end, level);
            }
            return;
        }
        8 => Codec::Deflate,
        9 => Codec::Deflate64,
        12 => Codec::Bzip2,
        14 => Codec::ZipLzma(size),
        93 => Codec::Zstd,
        95 => Codec::Xz,
        method => {
            let detail = format!("compression method {method} is not known");
            x.ledger()
                .skip(SkipCause::Undecodable, member.clone(), detail);
            return;
        }
    };
    let mut content = Vec::new();
    let mut stream = x.budget.meter(codec.open(packed, x.budget));
    let mut end = fill(&mut stream, &mut content, x.limits.member_bytes, x.budget);
    drop(stream);
    if end == End::Complete && !all {
        end = End::Damaged;
    }
    x.member(member, &content, x.place_of(packed), end, level);
}

/// Reads the central header at `at`: the entry, the offset of its local header, and where the next one stands.
fn central(bytes: &[u8], at: usize) -> Option<(Entry<'_>, Option<usize>, usize)> {
    let header = bytes.get(at..)?;
    if !header.starts_with(CENTRAL) {
        return None;
    }
    let [name, extra, comment] = [28, 30, 32].map(|field| le::<2>(header, field));
    let (name, extra, comment) = (
        usize::try_from(name?).ok()?,
        usize::try_from(extra?).ok()?,
        usize::try_from(comment?).ok()?,
    );
    let fields = header.get(CENTRAL_LEN + name..CENTRAL_LEN + name + extra)?;
    let mut wide = Zip64::find(fields);
    // The order of the fields in the extra record is fixed, and only those are there that are needed.
    let unpacked = wide.resolve(le::<4>(header, 24)?);
    let packed = wide.resolve(le::<4>(header, 20)?);
    let offset = wide.resolve(le::<4>(header, 42)?);
    let entry = Entry {
        name: header.get(CENTRAL_LEN..CENTRAL_LEN + name)?,
        flags: le::<2>(header, 8)?,
        method: le::<2>(header, 10)?,
        packed,
        unpacked,
    };
    let next = at.checked_add(CENTRAL_LEN + name + extra + comment)?;
    Some((entry, usize::try_from(offset).ok(), next))
}

/// Reads the local header at `at`: the entry and where its data start.
fn local(bytes: &[u8], at: usize) -> Option<(Entry<'_>, usize)> {
    let header = bytes.get(at..)?;
    if !header.starts_with(LOCAL) {
        return None;
    }
    let name = usize::try_from(le::<2>(header, 26)?).ok()?;
    let extra = usize::try_from(le::<2>(header, 28)?).ok()?;
    let fields = header.get(LOCAL_LEN + name..).unwrap_or_default();
    let mut wide = Zip64::find(fields.get(..extra).unwrap_or(fields));
    let unpacked = wide.resolve(le::<4>(header, 22)?);
    let packed = wide.resolve(le::<4>(header, 18)?);
    let entry = Entry {
        name: header.get(LOCAL_LEN..LOCAL_LEN + name)?,
        flags: le::<2>(header, 6)?,
        method: le::<2>(header, 8)?,
        packed,
        unpacked,
    };
    Some((entry, at.checked_add(LOCAL_LEN + name + extra)?))
}

/// Tells whether a header that was found by its signature alone is likely one.
fn is_plausible(entry: &Entry<'_>) -> bool {
    let known = matches!(entry.method, 0..=20 | 93..=99);
    known && !entry.name.is_empty()
}

/// Returns the bytes of a member, and whether all of them are there.
fn clip(bytes: &[u8], at: usize, len: u64) -> (&[u8], bool) {
    let rest = bytes.get(at..).unwrap_or_default();
    match usize::try_from(len).ok().and_then(|len| rest.get(..len)) {
        Some(packed) => (packed, true),
        None => (rest, false),
    }
}

/// The values of a zip64 extra field (APPNOTE 4.5.3).
struct Zip64<'a>(&'a [u8]);

impl<'a> Zip64<'a> {
    fn find(mut fields: &'a [u8]) -> Self {
        while let (Some(id), Some(len)) = (le::<2>(fields, 0), le::<2>(fields, 2)) {
            let end = 4 + usize::try_from(len).unwrap_or(usize::MAX - 4);
            let record = fields.get(4..end).unwrap_or_default();
            if id == 1 {
                return Self(record);
            }
            fields = fields.get(end..).unwrap_or_default();
        }
        Self(&[])
    }

    /// Returns the narrow value, or the next wide one if it says so.
    fn resolve(&mut self, narrow: u64) -> u64 {
        match le::<8>(self.0, 0) {
            Some(wide) if narrow == IN_ZIP64 => {
                self.0 = self.0.get(8..).unwrap_or_default();
                wide
            }
            _ => narrow,
        }
    }
}

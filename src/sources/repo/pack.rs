//! Pack files and their indexes, read at offsets (git's Documentation/gitformat-pack).
//!
//! Nothing of an index is believed without a check: it may be damaged, or made to mislead. No hash is verified: the content
//! is scanned whatever its name.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{io::Handle, object::Kind};
use crate::model::ObjectId;

/// Most bytes of an entry's header: 10 of type and size, then 10 of an offset or 32 of an id.
pub(crate) const MAX_HEADER: usize = 42;

/// What stands before an entry's compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What follows.
    pub(crate) form: Form,
    /// Size of what is compressed: the object, or the delta.
    pub(crate) size: u64,
    /// Length of this header in bytes.
    pub(crate) len: usize,
}

/// How an entry is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Whole(Kind),
    /// As a delta on the entry so many bytes before this one.
    OffsetDelta(u64),
    /// As a delta on the object of this name.
    NamedDelta(ObjectId),
}

impl Header {
    /// Reads a header from the first bytes of an entry; `None` if it is malformed.
    pub(crate) fn parse(bytes: &[u8], id_len: usize) -> Option<Self> {
        let (&first, _) = bytes.split_first()?;
        let mut size = u64::from(first & 0x0f);
        let (mut len, mut shift, mut last) = (1, 4, first);
        while last & 0x80 != 0 {
            last = *bytes.get(len)?;
            let part = u64::from(last & 0x7f);
            if shift > 63 || (part << shift) >> shift != part {
                return None;
            }
            size |= part << shift;
            shift += 7;
            len += 1;
        }
        let form = match first >> 4 & 7 {
            1 => Form::Whole(Kind::Commit),
            2 => Form::Whole(Kind::Tree),
            3 => Form::Whole(Kind::Blob),
            4 => Form::Whole(Kind::Tag),
            6 => {
                let (distance, used) = distance(bytes.get(len..)?)?;
                len += used;
                Form::OffsetDelta(distance)
            }
            7 => {
                let id = ObjectId::new(bytes.get(len..len + id_len)?)?;
                len += id_len;
                Form::NamedDelta(id)
            }
            _ => return None,
        };
        Some(Self { form, size, len })
    }
}

/// Reads the distance to an earlier entry: 7 bits a byte, most significant first, each further byte adding one.
fn distance(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        if at > 0 {
            value = value.checked_add(1)?;
        }
        if value >> 57 != 0 {
            return None;
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + 1)).filter(|(value, _)| *value > 0);
        }
    }
    None
}

/// One pack with its index.
pub(crate) struct Pack {
    /// The `.pack` file.
    pub(crate) data: Handle,
    /// The `.idx` file.
    pub(crate) index: Index,
}

impl Pack {
    /// Opens a pack by the path of its `.pack` file; the error is in words.
    pub(super) fn open(path: &Path, id_len: usize, keep: bool) -> Result<Self, String> {
        let data = Handle::open(path.to_owned(), keep)
            .map_err(|error| format!("cannot open the pack: {error}"))?;
        let head = data
            .bytes_at(0, 12)
            .map_err(|_| "the pack is shorter than its header".to_owned())?;
        let version = u32_at(&head, 4).unwrap_or(0);
        if !head.starts_with(b"PACK") || !(2..=3).contains(&version) {
            return Err("not a pack of version 2 or 3".to_owned());
        }
        let index_path = path.with_extension("idx");
        if index_path.symlink_metadata().is_err() {
            return Err("the pack has no index".to_owned());
        }
        let index = Index::open(index_path, id_len, keep)?;
        let objects = u32_at(&head, 8).unwrap_or(0);
        if objects != index.len() {
            return Err(format!(
                "the index names {} objects, the pack holds {objects}",
                index.len()
            ));
        }
        Ok(Self { data, index })
    }

    /// Returns the number of bytes of an object name.
    pub(super) const fn index_id_len(&self) -> usize {
        self.index.id_len
    }

    /// Returns where the last entry ends: before the checksum.
    pub(crate) fn entries_end(&self) -> u64 {
        self.data.len().saturating_sub(self.index.id_len as u64)
    }
}

/// The index of a pack, version 1 or 2.
pub(crate) struct Index {
    handle: Handle,
    id_len: usize,
    version: u32,
    fanout: Vec<u32>,
}

/// Everything an index says, in the order of the names.
pub(crate) struct Loaded {
    /// The raw names one after another, ascending.
    pub(crate) ids: Vec<u8>,
    /// Where each entry starts in the pack.
    pub(crate) offsets: Vec<u64>,
}

/// Length of the fan-out table in bytes.
const FANOUT: u64 = 256 * 4;

impl Index {
    /// Opens an index and checks its frame.
    pub(super) fn open(path: PathBuf, id_len: usize, keep: bool) -> Result<Self, String> {
        let handle = Handle::open(path, keep)
            .map_err(|error| format!("cannot open the pack's index: {error}"))?;
        let short = |_| "the pack's index is truncated".to_owned();
        let magic = handle.bytes_at(0, 8).map_err(short)?;
        let version = if magic.starts_with(b"\xfftOc") {
            u32_at(&magic, 4).unwrap_or(0)
        } else {
            1
        };
        if !(1..=2).contains(&version) {
            return Err(format!("the pack's index has version {version}"));
        }
        let start = if version == 1 { 0 } else { 8 };
        let table = handle.bytes_at(start, 1024).map_err(short)?;
        let fanout: Vec<u32> = table.chunks_exact(4).filter_map(|c| u32_at(c, 0)).collect();
        if !fanout.is_sorted() {
            return Err("the pack's index is out of order".to_owned());
        }
        let index = Self {
            handle,
            id_len,
            version,
            fanout,
        };
        let needed = index.offset_of_large() + 2 * id_len as u64;
        if index.handle.len() < needed {
            return Err("the pack's index is truncated".to_owned());
        }
        Ok(index)
    }

    /// Returns the number of objects.
    pub(crate) fn len(&self) -> u32 {
        self.fanout.last().copied().unwrap_or(0)
    }

    /// Returns where the names (version 2) or the records (version 1) start.
    const fn offset_of_ids(&self) -> u64 {
        if self.version == 1 {
            FANOUT
        } else {
            8 + FANOUT
        }
    }

    /// Returns the distance between two names.
    const fn stride(&self) -> u64 {
        self.id_len as u64 + if self.version == 1 { 4 } else { 0 }
    }

    /// Returns where the table of 32-bit offsets starts (version 2).
    fn offset_of_offsets(&self) -> u64 {
        self.offset_of_ids() + u64::from(self.len()) * (self.stride() + 4)
    }

    /// Returns where the table of 64-bit offsets starts; for version 1 where the records end.
    fn offset_of_large(&self) -> u64 {
        if self.version == 1 {
            self.offset_of_ids() + u64::from(self.len()) * self.stride()
        } else {
            self.offset_of_offsets() + u64::from(self.len()) * 4
        }
    }

    /// Returns where the object's entry starts in the pack. Reads a few kilobytes, never the whole index.
    pub(crate) fn lookup(&self, id: &[u8]) -> io::Result<Option<u64>> {
        let Some(&first) = id.first() else {
            return Ok(None);
        };
        let bucket = usize::from(first);
        let low = match bucket.checked_sub(1) {
            Some(before) => self.fanout.get(before).copied().unwrap_or(0),
            None => 0,
        };
        let high = self.fanout.get(bucket).copied().unwrap_or(0);
        match self.search(id, low, high)? {
            Some(position) => self.offset_at(position).map(Some),
            None => Ok(None),
        }
    }

    /// Searches the names from `low` to `high`: halving, down to a stretch that is read at once.
    fn search(&self, id: &[u8], mut low: u32, mut high: u32) -> io::Result<Option<u32>> {
        const AT_ONCE: u32 = 64;
        while high.saturating_sub(low) > AT_ONCE {
            let middle = low + (high - low) / 2;
            if self
                .ids_at(middle, 1)?
                .get(..self.id_len)
                .unwrap_or_default()
                <= id
            {
                low = middle;
            } else {
                high = middle;
            }
        }
        let stretch = self.ids_at(low, high.saturating_sub(low))?;
        let stride = usize::try_from(self.stride()).unwrap_or(usize::MAX);
        let at = stretch
            .chunks(stride)
            .position(|chunk| chunk.get(..self.id_len) == Some(id));
        Ok(at.and_then(|at| low.checked_add(u32::try_from(at).ok()?)))
    }

    /// Returns all names that start with the given bytes (at least one).
    pub(super) fn starting_with(&self, start: &[u8]) -> io::Result<Vec<ObjectId>> {
        let Some(&first) = start.first() else {
            return Ok(Vec::new());
        };
        let bound = |at: usize| self.fanout.get(at).copied().unwrap_or(0);
        let bucket = usize::from(first);
        let low = bucket.checked_sub(1).map_or(0, bound);
        let names = self.ids_at(low, bound(bucket).saturating_sub(low))?;
        let stride = usize::try_from(self.stride()).unwrap_or(usize::MAX);
        Ok(names
            .chunks(stride)
            .filter(|chunk| chunk.starts_with(start))
            .filter_map(|chunk| ObjectId::new(chunk.get(..self.id_len)?))
            .collect())
    }

    /// Reads `count` names from position `first`, the last without what follows it.
    fn ids_at(&self, first: u32, count: u32) -> io::Result<Vec<u8>> {
        let skip = if self.version == 1 { 4 } else { 0 };
        let start = self.offset_of_ids() + u64::from(first) * self.stride() + skip;
        let len = (u64::from(count) * self.stride()).saturating_sub(skip);
        self.handle
            .bytes_at(start, usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Reads the offset at a position.
    fn offset_at(&self, position: u32) -> io::Result<u64> {
        let at = if self.version == 1 {
            self.offset_of_ids() + u64::from(position) * self.stride()
        } else {
            self.offset_of_offsets() + u64::from(position) * 4
        };
        let small = u32_at(&self.handle.bytes_at(at, 4)?, 0).unwrap_or(0);
        if self.version == 1 || small & 0x8000_0000 == 0 {
            return Ok(u64::from(small));
        }
        let at = self.offset_of_large() + u64::from(small & 0x7fff_ffff) * 8;
        let large = self.handle.bytes_at(at, 8)?;
        Ok(u64_at(&large, 0).unwrap_or(u64::MAX))
    }

    /// Reads the whole index. The error is in words.
    pub(crate) fn load(&self) -> Result<Loaded, String> {
        let words = |error: io::Error| format!("cannot read the pack's index: {error}");
        let count = usize::try_from(self.len()).map_err(|_| "too many objects".to_owned())?;
        let start = self.offset_of_ids();
        let bytes = |offset: u64, len: u64| {
            self.handle
                .bytes_at(offset, usize::try_from(len).unwrap_or(usize::MAX))
                .map_err(words)
        };
        let mut loaded = Loaded {
            ids: Vec::new(),
            offsets: Vec::with_capacity(count),
        };
        if self.version == 1 {
            let records = bytes(start, count as u64 * self.stride())?;
            loaded.ids.reserve_exact(count * self.id_len);
            for record in records.chunks_exact(self.id_len + 4) {
                loaded
                    .ids
                    .extend_from_slice(record.get(4..).unwrap_or_default());
                loaded
                    .offsets
                    .push(u64::from(u32_at(record, 0).unwrap_or(0)));
            }
        } else {
            loaded.ids = bytes(start, count as u64 * self.stride())?;
            let small = bytes(self.offset_of_offsets(), count as u64 * 4)?;
            let large_start = self.offset_of_large();
            let large_end = self.handle.len().saturating_sub(2 * self.id_len as u64);
            let large = bytes(large_start, large_end.saturating_sub(large_start))?;
            for chunk in small.chunks_exact(4) {
                let small = u32_at(chunk, 0).unwrap_or(0);
                let offset = if small & 0x8000_0000 == 0 {
                    u64::from(small)
                } else {
                    let at = usize::try_from(small & 0x7fff_ffff).unwrap_or(usize::MAX);
                    at.checked_mul(8)
                        .and_then(|at| u64_at(&large, at))
                        .ok_or_else(|| "the pack's index points outside itself".to_owned())?
                };
                loaded.offsets.push(offset);
            }
        }
        let sorted = loaded.ids.chunks_exact(self.id_len).is_sorted();
        if sorted && loaded.offsets.len() == count && loaded.ids.len() == count * self.id_len {
            Ok(loaded)
        } else {
            Err("the pack's index is out of order".to_owned())
        }
    }
}

impl Loaded {
    /// Returns the position of a name. Names are uniform, so each step guesses the place from the name itself.
    pub(crate) fn position(&self, id: &[u8]) -> Option<u32> {
        let stride = id.len();
        let at = |i: usize| self.ids.get(i * stride..(i + 1) * stride);
        let (mut low, mut high) = (0, self.offsets.len());
        let wanted = prefix(id);
        let (mut low_key, mut high_key) = (0_u64, u64::MAX);
        // Hostile names need not be uniform: after a few guesses only halving is sure to end soon.
        for step in 0.. {
            if low >= high {
                return None;
            }
            let guess = if step < 6 && high_key > low_key {
                let share = u128::from(wanted.saturating_sub(low_key)) * (high - low) as u128
                    / (u128::from(high_key - low_key) + 1);
                low + usize::try_from(share).unwrap_or(0).min(high - low - 1)
            } else {
                low + (high - low) / 2
            };
            let here = at(guess)?;
            match here.cmp(id) {
                std::cmp::Ordering::Equal => return u32::try_from(guess).ok(),
                std::cmp::Ordering::Less => {
                    low = guess + 1;
                    low_key = prefix(here);
                }
                std::cmp::Ordering::Greater => {
                    high = guess;
                    high_key = prefix(here);
                }
            }
        }
        None
    }

    /// Returns the name at a position.
    pub(crate) fn id(&self, position: u32, id_len: usize) -> Option<ObjectId> {
        let start = usize::try_from(position).ok()?.checked_mul(id_len)?;
        ObjectId::new(self.ids.get(start..start.checked_add(id_len)?)?)
    }
}

/// Returns the first 8 bytes of a name as a number.
fn prefix(id: &[u8]) -> u64 {
    u64_at(id, 0).unwrap_or(0)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(
        bytes.get(at..at.checked_add(8)?)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn id(first: u8, rest: u8) -> Vec<u8> {
        let mut id = vec![rest; 20];
        id[0] = first;
        id
    }

    /// Writes an index of the given version over (id, offset) pairs.
    fn write_index(version: u32, entries: &[(Vec<u8>, u64)]) -> Vec<u8> {
        let mut out = Vec::new();
        if version == 2 {
            out.extend_from_slice(b"\xfftOc\0\0\0\x02");
        }
        for byte in 0..=255_u8 {
            let n = entries.iter().filter(|(id, _)| id[0] <= byte).count() as u32;
            out.extend_from_slice(&n.to_be_bytes());
        }
        if version == 1 {
            for (id, offset) in entries {
                out.extend_from_slice(&(*offset as u32).to_be_bytes());
                out.extend_from_slice(id);
            }
        } else {
            let mut large = Vec::new();
            entries.iter().for_each(|(id, _)| out.extend_from_slice(id));
            entries.iter().for_each(|_| out.extend_from_slice(&[0; 4]));
            for (_, offset) in entries {
                let small = if *offset >= 1 << 31 {
                    large.extend_from_slice(&offset.to_be_bytes());
                    0x8000_0000 | (large.len() / 8 - 1) as u32
                } else {
                    *offset as u32
                };
                out.extend_from_slice(&small.to_be_bytes());
            }
            out.extend_from_slice(&large);
        }
        out.extend_from_slice(&[0; 40]);
        out
    }

    fn open(bytes: &[u8]) -> Result<Index, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Index::open(file.path().to_owned(), 20, true)
    }

    #[test]
    fn finds_every_name_in_both_versions() {
        for version in [1, 2] {
            let entries: Vec<_> = (0..=255_u8)
                .flat_map(|a| {
                    [
                        (id(a, 1), u64::from(a) + 12),
                        (id(a, 9), u64::from(a) + 900),
                    ]
                })
                .collect();
            let index = open(&write_index(version, &entries)).unwrap();
            let loaded = index.load().unwrap();
            for (i, (id, offset)) in entries.iter().enumerate() {
                assert_eq!(index.lookup(id).unwrap(), Some(*offset));
                assert_eq!(loaded.position(id), Some(i as u32));
                assert_eq!(loaded.offsets[i], *offset);
                assert_eq!(loaded.id(i as u32, 20).unwrap().as_bytes(), id);
            }
            assert_eq!(index.lookup(&id(7, 5)).unwrap(), None);
            assert_eq!(loaded.position(&id(7, 5)), None);
        }
    }

    #[test]
    fn finds_names_that_share_a_bucket_and_large_offsets() {
        let entries: Vec<_> = (0..200_u8)
            .map(|b| (id(3, b), u64::from(b) + (1 << 33)))
            .collect();
        let index = open(&write_index(2, &entries)).unwrap();
        let loaded = index.load().unwrap();
        for (id, offset) in &entries {
            assert_eq!(index.lookup(id).unwrap(), Some(*offset));
            assert_eq!(
                loaded.offsets[loaded.position(id).unwrap() as usize],
                *offset
            );
        }
    }

    #[test]
    fn refuses_frames_that_lie() {
        let good = write_index(2, &[(id(1, 1), 12), (id(2, 2), 40)]);
        assert!(open(&good).is_ok());
        assert!(open(&good[..good.len() - 1]).is_err());
        let mut huge = good.clone();
        huge[8 + 1020..8 + 1024].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(open(&huge).is_err());
        let mut unsorted = good.clone();
        unsorted[8] = 9;
        assert!(open(&unsorted).is_err());
        let swapped = write_index(2, &[(id(1, 2), 12), (id(1, 1), 40)]);
        assert!(open(&swapped).unwrap().load().is_err());
    }

    #[test]
    fn reads_headers_of_all_forms() {
        let whole = Header::parse(&[0b1011_1111, 0b0000_0001], 20).unwrap();
        assert_eq!(
            (whole.form, whole.size, whole.len),
            (Form::Whole(Kind::Blob), 31, 2)
        );
        let offset = Header::parse(&[0b0110_0101, 0x80, 0x00], 20).unwrap();
        assert_eq!((offset.form, offset.len), (Form::OffsetDelta(128), 3));
        let mut named = vec![0b0111_0101];
        named.extend_from_slice(&[9; 20]);
        assert_eq!(
            Header::parse(&named, 20).unwrap().form,
            Form::NamedDelta(ObjectId::new(&[9; 20]).unwrap())
        );
        assert!(Header::parse(&named[..20], 20).is_none());
        assert!(Header::parse(&[0b0000_0000], 20).is_none());
        assert!(Header::parse(&[0b0101_0000], 20).is_none());
        assert!(
            Header::parse(&[0b0110_0101, 0], 20).is_none(),
            "a delta on itself"
        );
    }

    proptest! {
        #[test]
        fn headers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            for id_len in [20, 32] {
                if let Some(header) = Header::parse(&bytes, id_len) {
                    prop_assert!(header.len <= bytes.len() && header.len <= MAX_HEADER);
                }
            }
        }

        #[test]
        fn damaged_indexes_never_panic(flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6), cut in any::<u16>(), version in 1_u32..3) {
            let entries: Vec<_> = (0..20_u8).map(|b| (id(b * 12, b), u64::from(b) << 29)).collect();
            let mut bytes = write_index(version, &entries);
            for (at, with) in flips {
                let at = usize::from(at) % bytes.len();
                bytes[at] ^= with;
            }
            bytes.truncate(bytes.len() - usize::from(cut) % 100);
            if let Ok(index) = open(&bytes) {
                let _ = index.load().map(|loaded| loaded.position(&entries[3].0));
                for (id, _) in &entries {
                    let _ = index.lookup(id);
                }
            }
        }
    }
}

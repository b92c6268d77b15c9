//! The index of a pack (git's Documentation/gitformat-pack, version 1 and 2), read at offsets for one name or whole.

use std::{io, path::PathBuf};

use super::io::Handle;
use crate::model::ObjectId;

/// The index of a pack, version 1 or 2.
pub(crate) struct Index {
    handle: Handle,
    id_len: usize,
    version: u32,
    fanout: Vec<u32>,
}

/// Everything an index says, in the order of the names.
#[derive(Default)]
pub(crate) struct Loaded {
    /// The raw names one after another, ascending.
    ids: Vec<u8>,
    id_len: usize,
    count: u32,
    /// First position by bucket.
    fanout: Vec<u32>,
    /// How many bits of a name tell its bucket.
    bucket_bits: u32,
    /// Whether a name stands there twice, as in packs of broken tools.
    duplicates: bool,
    /// Where each entry starts in the pack; may be taken away once it is not needed any more.
    pub(crate) offsets: Vec<u64>,
    /// CRC-32 of each entry as it is stored; empty for version 1, which has none.
    crcs: Vec<u32>,
}

/// Compares two raw names, whose first eight bytes tell nearly always.
#[inline]
fn order(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    match (one.first_chunk(), other.first_chunk()) {
        (Some(a), Some(b)) if a != b => u64::from_be_bytes(*a).cmp(&u64::from_be_bytes(*b)),
        _ => one.cmp(other),
    }
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

    /// Returns the number of bytes of an object name.
    pub(super) const fn id_len(&self) -> usize {
        self.id_len
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
        // One of thousands of packs may have to be opened for each read.
        if count == 0 {
            return Ok(Vec::new());
        }
        let skip = if self.version == 1 { 4 } else { 0 };
        let start = self.offset_of_ids() + u64::from(first) * self.stride() + skip;
        let len = (u64::from(count) * self.stride()).saturating_sub(skip);
        self.handle
            .bytes_at(start, usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Reads where the entry at a position starts in the pack.
    pub(super) fn offset_at(&self, position: u32) -> io::Result<u64> {
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
            id_len: self.id_len,
            count: self.len(),
            fanout: Vec::new(),
            bucket_bits: 0,
            duplicates: false,
            offsets: Vec::with_capacity(count),
            crcs: Vec::new(),
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
            let crcs = bytes(start + count as u64 * self.stride(), count as u64 * 4)?;
            loaded.crcs = crcs.chunks_exact(4).filter_map(|c| u32_at(c, 0)).collect();
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
        let names = || loaded.ids.chunks_exact(self.id_len);
        let sorted = names().is_sorted();
        loaded.duplicates = !names().is_sorted_by(|a, b| a < b);
        loaded.fan_out();
        if sorted && loaded.offsets.len() == count && loaded.ids.len() == count * self.id_len {
            Ok(loaded)
        } else {
            Err("the pack's index is out of order".to_owned())
        }
    }
}

impl Loaded {
    /// Returns the number of objects.
    pub(crate) const fn len(&self) -> u32 {
        self.count
    }

    /// Returns the (first) position of a name.
    pub(crate) fn position(&self, id: &[u8]) -> Option<u32> {
        let bound = |at: usize| self.fanout.get(at).copied().unwrap_or(self.count);
        let bucket = bucket(id, self.bucket_bits);
        let (mut low, mut high) = (bound(bucket), bound(bucket + 1));
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            match order(self.raw(middle)?, id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal if !self.duplicates => return Some(middle),
                order => {
                    if order.is_eq() {
                        found = Some(middle);
                    }
                    high = middle;
                }
            }
        }
        found
    }

    /// Makes the table of buckets: a name in a pack of a million is then among some fifteen.
    fn fan_out(&mut self) {
        self.bucket_bits = self.count.max(1).ilog2().min(MAX_BUCKET_BITS);
        let buckets = 1 << self.bucket_bits;
        let mut fanout = Vec::with_capacity(buckets + 1);
        fanout.push(0);
        for (at, id) in (0_u32..).zip(self.ids.chunks_exact(self.id_len)) {
            let bucket = bucket(id, self.bucket_bits);
            while fanout.len() <= bucket {
                fanout.push(at);
            }
        }
        fanout.resize(buckets + 1, self.count);
        self.fanout = fanout;
    }

    /// Returns the raw name at a position.
    pub(crate) fn raw(&self, position: u32) -> Option<&[u8]> {
        let start = usize::try_from(position).ok()?.checked_mul(self.id_len)?;
        self.ids.get(start..start.checked_add(self.id_len)?)
    }

    /// Returns the name at a position.
    pub(crate) fn id(&self, position: u32) -> Option<ObjectId> {
        ObjectId::new(self.raw(position)?)
    }

    /// Tells whether an entry's stored bytes, header included, have the checksum that the index gives; true for version 1. Far
    /// cheaper than the object's name, and it tells every damage of the storage: a changed header can give content that is
    /// well-formed and wrong.
    pub(crate) fn agrees(&self, position: u32, stored: &[u8]) -> bool {
        let crc = usize::try_from(position)
            .ok()
            .and_then(|at| self.crcs.get(at));
        crc.is_none_or(|crc| *crc == crc32fast::hash(stored))
    }

    /// Tells whether the name at a position is not also at the one before.
    pub(crate) fn is_first(&self, position: u32) -> bool {
        let before = || position.checked_sub(1).and_then(|before| self.raw(before));
        !self.duplicates || before() != self.raw(position)
    }
}

/// Most buckets of a loaded index: a table of 256 KiB stays in the second-level cache, where lookups of a tree's entries would
/// otherwise miss at each step. A small pack has no more buckets than names: there may be thousands of packs.
const MAX_BUCKET_BITS: u32 = 16;

/// Returns the bucket of a name: its first bits.
fn bucket(id: &[u8], bits: u32) -> usize {
    let byte = |at: usize| id.get(at).map_or(0, |b| usize::from(*b));
    (byte(0) << 8 | byte(1)) >> (MAX_BUCKET_BITS - bits)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
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
                assert_eq!(loaded.id(i as u32).unwrap().as_bytes(), id);
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
    fn finds_the_first_of_equal_names() {
        let entries: Vec<_> = [1, 5, 5, 5, 9, 9].map(|a| (id(a, 1), 12)).to_vec();
        let loaded = open(&write_index(2, &entries)).unwrap().load().unwrap();
        let positions = [1, 5, 9, 4].map(|a| loaded.position(&id(a, 1)));
        assert_eq!(positions, [Some(0), Some(1), Some(4), None]);
        let first: Vec<_> = (0..6).map(|i| loaded.is_first(i)).collect();
        assert_eq!(first, [true, true, false, false, true, false]);
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

    proptest! {
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

//! The names of several packs in one order, so that a look-up costs the same however many packs there are.

use super::catalog::PackTable;

/// Bits of a name that tell its bucket, as in the index of a large pack.
const BUCKET_BITS: u32 = 16;

/// A place in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    /// Index of the pack.
    pub(super) pack: u32,
    /// Position in its index.
    pub(super) position: u32,
}

/// All places in packs, by name; those of one name by pack and position.
#[derive(Default)]
pub(super) struct Merged {
    places: Vec<Packed>,
    /// First place by bucket.
    fanout: Vec<u32>,
}

impl Merged {
    /// Brings the names of packs into one order: for each first byte those of all packs, which have them in order.
    pub(super) fn new(packs: &[PackTable]) -> Self {
        let mut merged = Self::default();
        let mut next = vec![0_u32; packs.len()];
        let mut batch: Vec<(u64, Packed)> = Vec::new();
        for first in 0..=u8::MAX {
            batch.clear();
            for ((pack, table), position) in (0_u32..).zip(packs).zip(&mut next) {
                while let Some(name) = table.loaded.raw(*position)
                    && name.first() == Some(&first)
                {
                    let place = Packed {
                        pack,
                        position: *position,
                    };
                    batch.push((start_of(name), place));
                    *position += 1;
                }
            }
            batch.sort_unstable_by(|(a, one), (b, other)| {
                let order = a.cmp(b);
                order.then_with(|| key(packs, *one).cmp(&key(packs, *other)))
            });
            for (start, place) in &batch {
                let bucket = (start >> (u64::BITS - BUCKET_BITS)) as usize;
                merged.close_buckets(bucket);
                merged.places.push(*place);
            }
        }
        merged.close_buckets(1 << BUCKET_BITS);
        merged
    }

    /// Writes down where the buckets up to one start.
    fn close_buckets(&mut self, bucket: usize) {
        let at = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        if self.fanout.len() <= bucket {
            self.fanout.resize(bucket + 1, at);
        }
    }

    /// Returns all places, by name.
    pub(super) fn places(&self) -> &[Packed] {
        &self.places
    }

    /// Returns the places of a name.
    pub(super) fn of<'m>(
        &'m self,
        packs: &'m [PackTable],
        id: &'m [u8],
    ) -> impl Iterator<Item = Packed> + 'm {
        let bucket = (start_of(id) >> (u64::BITS - BUCKET_BITS)) as usize;
        let bound = |at: usize| self.fanout.get(at).copied().unwrap_or(0) as usize;
        let places = self.places.get(bound(bucket)..bound(bucket + 1));
        let places = places.unwrap_or_default();
        let from = places.partition_point(|place| name(packs, *place) < Some(id));
        let rest = places.get(from..).unwrap_or_default().iter().copied();
        rest.take_while(move |place| name(packs, *place) == Some(id))
    }
}

/// Returns the first eight bytes of a name as a number of the same order.
fn start_of(name: &[u8]) -> u64 {
    let start = name.get(..8).and_then(|start| start.try_into().ok());
    u64::from_be_bytes(start.unwrap_or_default())
}

/// Returns the name at a place.
pub(super) fn name(packs: &[PackTable], place: Packed) -> Option<&[u8]> {
    packs.get(place.pack as usize)?.loaded.raw(place.position)
}

fn key(packs: &[PackTable], place: Packed) -> (Option<&[u8]>, u32, u32) {
    (name(packs, place), place.pack, place.position)
}

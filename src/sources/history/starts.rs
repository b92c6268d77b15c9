//! Where the entries of a tree start, kept for the deltas on it: what they share with it is not read again.

use super::super::repo::{TreeEntries, TreeEntry};
use crate::model::Copied;

/// Where the entries of a tree start, ascending, and last where it ends or is not understood any more.
///
/// A stretch copied from a tree may begin inside an entry: then other entries can come out of the same bytes. From the first
/// one on that starts where one of the base did, they are the same.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Starts(Vec<u32>);

impl Starts {
    /// Reads a tree to its end and hands out its entries, but for those that `base` had too: what was kept of it, with the
    /// stretches copied from it.
    pub(super) fn read(
        entries: &mut TreeEntries<'_>,
        base: Option<(&Self, &[Copied])>,
        mut new: impl FnMut(&TreeEntry<'_>),
    ) -> Self {
        let (base, copies) = base.unzip();
        let mut copies = copies.unwrap_or_default().iter().peekable();
        // Deltas are about as long as their bases.
        let room = base.map_or(0, |base: &Self| base.0.len() + 1);
        let mut starts = Self(Vec::with_capacity(room));
        loop {
            let at = entries.offset();
            while copies.next_if(|copy| copy.start + copy.len <= at).is_some() {}
            if let (Some(copy), Some(base)) = (copies.peek(), base)
                && let Some(end) = starts.inherit(base, copy, at)
            {
                entries.skip_to(end);
                continue;
            }
            let Some(entry) = entries.next() else { break };
            starts.add(at);
            new(&entry);
        }
        starts.add(entries.offset());
        starts
    }

    /// Adds an offset; beyond 4 GiB nothing is remembered.
    fn add(&mut self, at: usize) {
        self.0.extend(u32::try_from(at));
    }

    /// Takes over the entries from `at` on that a copied stretch holds and that were entries of the base too. Returns where
    /// the last of them ends; `None` if there is none.
    fn inherit(&mut self, base: &Self, copy: &Copied, at: usize) -> Option<usize> {
        let image = at.checked_sub(copy.start)? + copy.base;
        let first = base.0.binary_search(&u32::try_from(image).ok()?).ok()?;
        let rest = base.0.get(first..)?;
        let count = rest.partition_point(|start| *start as usize <= copy.base + copy.len);
        let (end, inherited) = rest.get(..count)?.split_last()?;
        let now = |start: u32| start as usize - copy.base + copy.start;
        for start in inherited {
            self.add(now(*start));
        }
        (!inherited.is_empty()).then(|| now(*end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID_LEN: usize = 4;

    fn starts(tree: &[u8], base: Option<(&Starts, &[Copied])>) -> (Starts, Vec<Vec<u8>>) {
        let mut names = Vec::new();
        let mut entries = TreeEntries::new(tree, ID_LEN);
        let starts = Starts::read(&mut entries, base, |entry| names.push(entry.name.to_vec()));
        (starts, names)
    }

    #[test]
    fn hands_out_what_only_a_shifted_copy_shows() {
        let base = b"100644 a\x001 hi22 b\x00xxxx".to_vec();
        let (kept, names) = starts(&base, None);
        assert_eq!(names, [b"a", b"b"]);
        assert_eq!(kept, Starts(vec![0, 13, 22]));
        let shifted = b"1 hi22 b\x00xxxx";
        let copies = [Copied {
            base: 9,
            start: 0,
            len: shifted.len(),
        }];
        let (_, names) = starts(shifted, Some((&kept, &copies)));
        assert_eq!(names, [b"hi22 b"]);
    }

    proptest! {
        #[test]
        fn remembers_what_a_reading_from_the_start_finds(
            names in proptest::collection::vec("[0-7 a\0]{0,6}", 0..12),
            pieces in proptest::collection::vec((0_usize..200, 0_usize..80, "[0-7 a\0]{0,5}"), 0..8),
        ) {
            let base: Vec<u8> = names.iter().flat_map(|name| format!("40 {name}\0wxyz").into_bytes()).collect();
            let mut target = Vec::new();
            let mut copies = Vec::new();
            for (from, len, text) in &pieces {
                let from = from % (base.len() + 1);
                let stretch = &base[from..base.len().min(from + len)];
                if !stretch.is_empty() {
                    copies.push(Copied { base: from, start: target.len(), len: stretch.len() });
                }
                target.extend_from_slice(stretch);
                target.extend_from_slice(text.as_bytes());
            }
            let (kept, mut seen) = starts(&base, None);
            let (whole, all) = starts(&target, None);
            let (shared, new) = starts(&target, Some((&kept, &copies)));
            prop_assert_eq!(whole, shared);
            seen.extend(new);
            prop_assert!(all.iter().all(|name| seen.contains(name)));
        }
    }
}

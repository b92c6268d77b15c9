//! Where the entries of a tree start, kept for the deltas on it: what they share with it is not read again.

use super::super::repo::{TreeEntries, TreeEntry};
use crate::model::Copied;

/// Where the entries of a tree start, ascending, and last where it ends or is not understood any more.
///
/// A stretch copied from a tree may begin inside an entry: then other entries can come out of the same bytes. From the first
/// one on that starts where one of the base did, they are the same.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Starts(Vec<u32>);

/// Some entries of a tree.
pub(super) enum Step<'s, 't> {
    /// One that is not known from the base.
    Entry(&'s TreeEntry<'t>),
    /// So many of the base, from a place in its list on.
    Run {
        /// The place.
        first: usize,
        /// How many.
        count: usize,
    },
}

impl Starts {
    /// Reads a tree to its end and hands out its entries in their order: by themselves, or as those that `base` had too, which
    /// is what was kept of another tree, with the stretches copied from it.
    pub(super) fn read(
        entries: &mut TreeEntries<'_>,
        base: Option<(&Self, &[Copied])>,
        mut step: impl FnMut(Step<'_, '_>),
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
                && let Some((run, end)) = starts.inherit(base, copy, at)
            {
                step(run);
                entries.skip_to(end);
                continue;
            }
            let Some(entry) = entries.next() else { break };
            starts.add(at);
            step(Step::Entry(&entry));
        }
        starts.add(entries.offset());
        starts
    }

    /// Adds an offset; beyond 4 GiB nothing is remembered.
    fn add(&mut self, at: usize) {
        self.0.extend(u32::try_from(at));
    }

    /// Takes over the entries from `at` on that a copied stretch holds and that were entries of the base too. Returns which
    /// they are and where the last of them ends; `None` if there is none.
    fn inherit(
        &mut self,
        base: &Self,
        copy: &Copied,
        at: usize,
    ) -> Option<(Step<'static, 'static>, usize)> {
        let image = at.checked_sub(copy.start)? + copy.base;
        let first = base.0.binary_search(&u32::try_from(image).ok()?).ok()?;
        let rest = base.0.get(first..)?;
        let count = rest.partition_point(|start| *start as usize <= copy.base + copy.len);
        let (end, inherited) = rest.get(..count)?.split_last()?;
        let end = *end as usize - copy.base + copy.start;
        if inherited.is_empty() || u32::try_from(end).is_err() {
            return None;
        }
        // Whichever way the entries move, what is cut off of the distance is the same for all: all places fit.
        let distance = copy.start.wrapping_sub(copy.base) as u32;
        let moved = inherited.iter().map(|start| start.wrapping_add(distance));
        self.0.extend(moved);
        let count = inherited.len();
        Some((Step::Run { first, count }, end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID_LEN: usize = 4;

    /// Returns what is kept of a tree, and its new entries.
    fn starts(tree: &[u8], base: Option<(&Starts, &[Copied])>) -> (Starts, Vec<Vec<u8>>) {
        let (starts, _, new) = list(tree, base, &[]);
        (starts, new)
    }

    /// Returns what is kept of a tree, all its entries, and the new ones.
    fn list(
        tree: &[u8],
        base: Option<(&Starts, &[Copied])>,
        of_base: &[Vec<u8>],
    ) -> (Starts, Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut all, mut new) = (Vec::new(), Vec::new());
        let mut entries = TreeEntries::new(tree, ID_LEN);
        let starts = Starts::read(&mut entries, base, |step| match step {
            Step::Entry(entry) => {
                all.push(entry.name.to_vec());
                new.push(entry.name.to_vec());
            }
            Step::Run { first, count } => {
                let run = of_base.iter().skip(first).take(count);
                all.extend(run.cloned());
            }
        });
        (starts, all, new)
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
            let (kept, seen) = starts(&base, None);
            let (whole, expected) = starts(&target, None);
            let (shared, all, new) = list(&target, Some((&kept, &copies)), &seen);
            prop_assert_eq!(whole, shared);
            prop_assert_eq!(&all, &expected);
            prop_assert!(all.iter().all(|name| seen.contains(name) || new.contains(name)));
        }
    }
}

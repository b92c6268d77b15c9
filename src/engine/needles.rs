//! Searches a text for very many needles at once.
//!
//! Promises: memory grows with the bytes of the needles (about 40 bytes beside each), time with those of the text times the logarithm of
//! their number, whatever either holds. An automaton was rejected: it takes 200 bytes a byte of its needles and half a millisecond a secret
//! to make, so that a file of a hundred thousand secrets could not be told of.

use std::cmp::Ordering;

/// Shortest needle: the first bytes of each are a number by which it is found.
pub(super) const MIN_NEEDLE: usize = 8;

/// No needle.
const NONE: u32 = u32::MAX;

/// Bits of the filter for each needle.
const FILTER_BITS: usize = 32;

/// One thing to look for.
struct Needle {
    /// Its first eight bytes, the first being the most significant: numbers are in the order of the texts.
    head: u64,
    /// Where it stands in the bytes of all.
    start: usize,
    len: u32,
    /// Whose it is.
    owner: u32,
    /// The longest other needle that it begins with.
    parent: u32,
    /// A further one of those that it begins with, so far that any is reached in a logarithm of steps.
    jump: u32,
    /// How many it begins with, itself among them.
    depth: u32,
}

/// Needles that can be looked for.
pub(super) struct Needles {
    bytes: Vec<u8>,
    /// In the order of their bytes.
    sorted: Vec<Needle>,
    /// A bit for each head, by its hash.
    filter: Vec<u64>,
    /// How far a hash is shifted to be the number of a bit.
    shift: u32,
}

/// Takes needles.
#[derive(Default)]
pub(super) struct Builder {
    bytes: Vec<u8>,
    needles: Vec<Needle>,
}

impl Builder {
    /// Adds a needle; one that is too short is left out.
    pub(super) fn add(&mut self, needle: &[u8], owner: u32) {
        let head = needle.first_chunk::<MIN_NEEDLE>();
        if let (Some(head), Ok(len)) = (head, u32::try_from(needle.len())) {
            self.needles.push(Needle {
                head: u64::from_be_bytes(*head),
                start: self.bytes.len(),
                len,
                owner,
                parent: NONE,
                jump: NONE,
                depth: 1,
            });
            self.bytes.extend_from_slice(needle);
        }
    }

    /// Returns what finds them.
    pub(super) fn build(self) -> Needles {
        let Self { bytes, mut needles } = self;
        let text = |needle: &Needle| {
            let end = needle.start + needle.len as usize;
            bytes.get(needle.start..end).unwrap_or_default()
        };
        needles.sort_unstable_by(|a, b| {
            let heads = a.head.cmp(&b.head);
            heads.then_with(|| (text(a), a.owner).cmp(&(text(b), b.owner)))
        });
        let bits = (needles.len() * FILTER_BITS).next_power_of_two().max(64);
        let mut all = Needles {
            filter: vec![0; bits / 64],
            shift: 64 - bits.trailing_zeros(),
            sorted: needles,
            bytes,
        };
        all.fill();
        all.link();
        all
    }
}

impl Needles {
    /// Tells whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    fn fill(&mut self) {
        for needle in &self.sorted {
            let (word, bit) = place(needle.head, self.shift);
            if let Some(word) = self.filter.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// Finds out which needles begin with which.
    fn link(&mut self) {
        // Those that the needle before begins with, itself last: what the next one begins with is among them.
        let mut open: Vec<u32> = Vec::new();
        for number in 0..u32::try_from(self.sorted.len()).unwrap_or(NONE) {
            let own = self.bytes_of(number);
            while let Some(last) = open.last().copied()
                && !own.starts_with(self.bytes_of(last))
            {
                open.pop();
            }
            let parent = open.last().copied().unwrap_or(NONE);
            let (near, far) = (self.jump(parent), self.jump(self.jump(parent)));
            let is_even =
                self.depth(parent) - self.depth(near) == self.depth(near) - self.depth(far);
            let jump = if is_even { far } else { parent };
            let depth = self.depth(parent) + 1;
            if let Some(needle) = self.sorted.get_mut(number as usize) {
                (needle.parent, needle.jump, needle.depth) = (parent, jump, depth);
            }
            open.push(number);
        }
    }

    fn needle(&self, number: u32) -> Option<&Needle> {
        self.sorted.get(number as usize)
    }

    fn bytes_of(&self, number: u32) -> &[u8] {
        self.needle(number).map_or(&[], |needle| self.text(needle))
    }

    fn text(&self, needle: &Needle) -> &[u8] {
        let end = needle.start + needle.len as usize;
        self.bytes.get(needle.start..end).unwrap_or_default()
    }

    fn jump(&self, number: u32) -> u32 {
        self.needle(number).map_or(NONE, |needle| needle.jump)
    }

    fn depth(&self, number: u32) -> u32 {
        self.needle(number).map_or(0, |needle| needle.depth)
    }

    /// Returns the longest needle that a text with this head begins with: all others that it begins with are this one's ancestors.
    fn longest(&self, head: u64, rest: &[u8]) -> Option<u32> {
        let first = self.sorted.partition_point(|needle| needle.head < head);
        let same = self.sorted.get(first..)?;
        if same.first()?.head != head {
            return None;
        }
        // A needle that the text begins with is not behind it, and what lies between them begins with that needle, too.
        let before = same.partition_point(|needle| {
            needle.head == head && self.text(needle).cmp(rest) != Ordering::Greater
        });
        let mut number = u32::try_from(first + before.checked_sub(1)?).ok()?;
        let own = self.bytes_of(number).iter().zip(rest);
        let common = own.take_while(|(a, b)| a == b).count();
        let is_longer = |number: u32| {
            self.needle(number)
                .is_some_and(|one| one.len as usize > common)
        };
        while is_longer(number) {
            let jump = self.jump(number);
            number = match is_longer(jump) {
                true => jump,
                false => self.needle(number)?.parent,
            };
        }
        (number != NONE).then_some(number)
    }

    /// Returns each place at which a needle begins, with the number of the longest one.
    fn places<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, u32)> + 'a {
        let heads = text.windows(MIN_NEEDLE).enumerate();
        heads.filter_map(move |(at, head)| {
            let head = u64::from_be_bytes(*head.first_chunk::<MIN_NEEDLE>()?);
            let (word, bit) = place(head, self.shift);
            if self.filter.get(word).is_none_or(|word| word & bit == 0) {
                return None;
            }
            let number = self.longest(head, text.get(at..)?)?;
            Some((at, number))
        })
    }

    /// Returns where needles stand in a text, by their starts; of those with one start the longest.
    pub(super) fn spans(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let places = self.places(text);
        places
            .map(|(at, number)| (at, at + self.bytes_of(number).len()))
            .collect()
    }

    /// Adds the needles that stand in a text to those that were met.
    pub(super) fn meet(&self, text: &[u8], met: &mut Met) {
        met.0.resize(self.sorted.len(), false);
        for (_, longest) in self.places(text) {
            let mut number = longest;
            // What a known one begins with is known.
            while let Some(known) = met.0.get_mut(number as usize).filter(|known| !**known) {
                *known = true;
                number = self.needle(number).map_or(NONE, |needle| needle.parent);
            }
        }
    }

    /// Returns the owners of needles that were met.
    pub(super) fn owners<'a>(&'a self, met: &'a Met) -> impl Iterator<Item = u32> + 'a {
        let all = self.sorted.iter().zip(&met.0);
        all.filter(|(_, met)| **met).map(|(needle, _)| needle.owner)
    }
}

/// Which needles were met.
#[derive(Default)]
pub(super) struct Met(Vec<bool>);

/// Returns where the filter has the bit of a head.
const fn place(head: u64, shift: u32) -> (usize, u64) {
    // Fibonacci hashing: the upper bits of a product with 2^64 divided by the golden ratio.
    let hash = head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift;
    ((hash / 64) as usize, 1 << (hash % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn needles(all: &[Vec<u8>]) -> Needles {
        let mut builder = Builder::default();
        for (owner, needle) in (0..).zip(all) {
            builder.add(needle, owner);
        }
        builder.build()
    }

    #[test]
    fn nested_needles_are_reached_in_few_steps() {
        // A thousand needles, each the beginning of the next: what a text begins with is found without a step for each.
        let all: Vec<Vec<u8>> = (8..1008).map(|len| vec![b'a'; len]).collect();
        let needles = needles(&all);
        for (number, needle) in (0..).zip(&all) {
            let (mut at, mut steps) = (999, 0);
            while at != number {
                let jump = needles.jump(at);
                let is_beyond = |one: u32| one == NONE || one < number;
                at = if is_beyond(jump) {
                    needles.needle(at).unwrap().parent
                } else {
                    jump
                };
                steps += 1;
            }
            assert!(steps <= 40, "{number}: {steps}");
            let text = [needle.as_slice(), b"b"].concat();
            assert_eq!(needles.spans(&text).first(), Some(&(0, needle.len())));
        }
        let mut met = Met::default();
        needles.meet(&[b'a'; 20], &mut met);
        assert_eq!(needles.owners(&met).count(), 13);
    }

    proptest! {
        #[test]
        fn finds_what_a_search_for_each_finds(
            all in proptest::collection::vec("[ab]{8,14}", 0..30),
            text in "[ab]{0,60}",
        ) {
            let all: Vec<Vec<u8>> = all.into_iter().map(String::into_bytes).collect();
            let found = needles(&all);
            let text = text.as_bytes();
            let want = (0..text.len()).filter_map(|at| {
                let fits = all.iter().filter(|needle| text[at..].starts_with(needle));
                fits.map(|needle| (at, at + needle.len())).max()
            });
            prop_assert_eq!(found.spans(text), want.collect::<Vec<_>>());
            let mut met = Met::default();
            found.meet(text, &mut met);
            let owners: BTreeSet<u32> = found.owners(&met).collect();
            let want = (0..).zip(&all).filter(|(_, needle)| {
                text.windows(needle.len()).any(|window| window == needle.as_slice())
            });
            prop_assert_eq!(owners, want.map(|(owner, _)| owner).collect::<BTreeSet<u32>>());
        }
    }
}

//! One bit for each byte of a text: whether it is of a class. 64 bytes at a time, with the widest vectors the machine
//! has.
//!
//! Promises: bit i of word w tells of the byte at 64 w + i; bits beyond the end are not set.

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = 64;

/// Writes one bit for each byte of `bytes` for which `class` holds, given the byte itself and the one after it (0 at the end).
/// `class(0, 0)` must not hold. The function is compiled once for each kind of vectors, so it should be plain arithmetic.
#[inline]
pub(super) fn fill(bytes: &[u8], out: &mut Vec<u64>, class: impl Fn(u8, u8) -> bool + Copy) {
    out.clear();
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let next = bytes.get(1..).unwrap_or_default();
            let (blocks, _) = bytes.as_chunks::<BLOCK>();
            let (after, _) = next.as_chunks::<BLOCK>();
            out.reserve(blocks.len() + 1);
            out.extend(blocks.iter().zip(after).map(
                #[inline(always)]
                |(block, next)| mask(block, next, class),
            ));
            // What is left: part of a block, or a whole one that nothing follows.
            let done = out.len() * BLOCK;
            let rest = bytes.get(done..).unwrap_or_default();
            let (mut block, mut next) = ([0; BLOCK], [0; BLOCK]);
            for (to, from) in block.iter_mut().zip(rest) {
                *to = *from;
            }
            for (to, from) in next.iter_mut().zip(rest.get(1..).unwrap_or_default()) {
                *to = *from;
            }
            if !rest.is_empty() {
                out.push(mask(&block, &next, class));
            }
        },
    );
}

/// Returns one bit for each byte of the class, the first byte's lowest.
#[inline(always)]
fn mask(block: &[u8; BLOCK], next: &[u8; BLOCK], class: impl Fn(u8, u8) -> bool + Copy) -> u64 {
    let mut flags = [0_u8; BLOCK];
    for ((flag, byte), next) in flags.iter_mut().zip(block).zip(next) {
        *flag = u8::from(class(*byte, *next));
    }
    let (groups, _) = flags.as_chunks::<8>();
    groups.iter().rev().fold(
        0,
        #[inline(always)]
        |mask, group| {
            // Each flag is moved to its own bit of the highest byte; no two products meet.
            mask << 8 | u64::from_le_bytes(*group).wrapping_mul(0x0102_0408_1020_4080) >> 56
        },
    )
}

/// Returns the places of the bits that are set.
pub(super) fn places(masks: &[u64]) -> impl Iterator<Item = usize> + '_ {
    masks.iter().enumerate().flat_map(|(word, mask)| {
        let mut mask = *mask;
        std::iter::from_fn(move || {
            let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
            mask &= mask - 1;
            Some(word * BLOCK + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_the_plain_way(text in proptest::collection::vec(0_u8..4, 0..300)) {
            let class = |byte: u8, next: u8| byte == 1 || (byte == 2 && next == 3);
            let mut masks = Vec::new();
            fill(&text, &mut masks, class);
            let plain: Vec<usize> = (0..text.len())
                .filter(|at| class(text[*at], text.get(at + 1).copied().unwrap_or(0)))
                .collect();
            prop_assert_eq!(places(&masks).collect::<Vec<_>>(), plain);
            prop_assert_eq!(masks.len(), text.len().div_ceil(BLOCK));
        }
    }
}

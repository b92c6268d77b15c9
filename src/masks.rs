//! One bit for each byte of a text: whether it is of a class. 64 bytes at a time, with the widest vectors the machine
//! has.
//!
//! Promises: bit i of word w tells of the byte at 64 w + i; bits beyond the end are not set.

/// Bytes that are looked at together.
pub(crate) const BLOCK: usize = 64;

/// Writes one bit for each byte of `bytes` for which `class` holds, given the byte itself and the one after it (0 at the end).
/// `class(0, 0)` must not hold. The function is compiled once for each kind of vectors, so it should be plain arithmetic.
#[inline]
pub(crate) fn fill(bytes: &[u8], out: &mut Vec<u64>, class: impl Fn(u8, u8) -> bool + Copy) {
    out.clear();
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        simd.vectorize(
            #[inline(always)]
            || {
                all(
                    bytes,
                    out,
                    class,
                    #[inline(always)]
                    |flags| moved(simd, flags),
                );
            },
        );
        return;
    }
    all(bytes, out, class, multiplied);
}

/// The same for vectors of any kind: `gather` makes 64 flags, each 0 or 255, one word.
#[inline(always)]
fn all(
    bytes: &[u8],
    out: &mut Vec<u64>,
    class: impl Fn(u8, u8) -> bool + Copy,
    gather: impl Fn([u8; BLOCK]) -> u64 + Copy,
) {
    let next = bytes.get(1..).unwrap_or_default();
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let (after, _) = next.as_chunks::<BLOCK>();
    let words = bytes.len().div_ceil(BLOCK);
    out.resize(words, 0);
    // A plain loop: what a library function calls may be compiled for the plainest machine.
    let mut slots = out.iter_mut();
    let mut done = 0;
    for ((block, next), slot) in blocks.iter().zip(after).zip(&mut slots) {
        *slot = gather(flags(block, next, class));
        done += BLOCK;
    }
    // What is left: part of a block, or a whole one that nothing follows.
    let rest = bytes.get(done..).unwrap_or_default();
    let (mut block, mut next) = ([0; BLOCK], [0; BLOCK]);
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    for (to, from) in next.iter_mut().zip(rest.get(1..).unwrap_or_default()) {
        *to = *from;
    }
    if let Some(slot) = slots.next() {
        *slot = gather(flags(&block, &next, class));
    }
}

/// Returns 255 for each byte of the class, else 0.
#[inline(always)]
fn flags(
    block: &[u8; BLOCK],
    next: &[u8; BLOCK],
    class: impl Fn(u8, u8) -> bool + Copy,
) -> [u8; BLOCK] {
    let mut flags = [0_u8; BLOCK];
    for ((flag, byte), next) in flags.iter_mut().zip(block).zip(next) {
        *flag = u8::from(class(*byte, *next)).wrapping_neg();
    }
    flags
}

/// Takes the highest bit of each flag with the instruction for that.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn moved(simd: pulp::x86::V3, flags: [u8; BLOCK]) -> u64 {
    let [low, high]: [core::arch::x86_64::__m256i; 2] = pulp::cast(flags);
    let word = |half| u64::from(simd.avx2._mm256_movemask_epi8(half).cast_unsigned());
    word(high) << 32 | word(low)
}

/// Takes one bit of each flag by plain arithmetic.
#[inline(always)]
fn multiplied(flags: [u8; BLOCK]) -> u64 {
    let (groups, _) = flags.as_chunks::<8>();
    groups.iter().rev().fold(
        0,
        #[inline(always)]
        |mask, group| {
            // Each flag is moved to its own bit of the highest byte; no two products meet.
            let ones = u64::from_le_bytes(*group) & 0x0101_0101_0101_0101;
            mask << 8 | ones.wrapping_mul(0x0102_0408_1020_4080) >> 56
        },
    )
}

/// Returns the places of the bits that are set.
pub(crate) fn places(masks: &[u64]) -> impl Iterator<Item = usize> + '_ {
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
            let mut scalar = Vec::new();
            all(&text, &mut scalar, class, multiplied);
            prop_assert_eq!(masks, scalar);
        }
    }
}

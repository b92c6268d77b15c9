//! Git's delta format (git's Documentation/gitformat-pack, "Deltified representation"): parse, check, apply.
//!
//! Promises: a target never grows beyond what the delta says, which never exceeds the caller's limit; memory is taken for what
//! is made, not for what is claimed. The list of what it copies is bounded too.

use crate::model::Copied;

/// Most stretches that are listed: 6 MiB. Versions of text copy some hundred; a delta made to fill memory copies every byte
/// for itself.
const MAX_STRETCHES: usize = 1 << 18;

/// Why a delta cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeltaError {
    /// Malformed, or does not fit its base.
    Damaged,
    /// The target is larger than the limit; its size.
    TooLarge(u64),
}

/// Which stretches of a target come from its base.
#[derive(Default)]
pub(crate) struct Copies {
    list: Vec<Copied>,
    too_many: bool,
}

impl Copies {
    /// Returns the stretches, sorted by where they start now, neighbours joined; `None` if they were too many to list.
    pub(crate) fn listed(&self) -> Option<&[Copied]> {
        (!self.too_many).then_some(&self.list)
    }

    fn clear(&mut self) {
        self.list.clear();
        self.too_many = false;
    }

    fn add(&mut self, base: usize, start: usize, len: usize) {
        if let Some(last) = self.list.last_mut()
            && last.start + last.len == start
            && last.base + last.len == base
        {
            last.len += len;
        } else if self.list.len() < MAX_STRETCHES {
            self.list.push(Copied { base, start, len });
        } else {
            self.too_many = true;
        }
    }
}

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op<'d> {
    /// Copy so many bytes of the base from an offset.
    Copy {
        /// In the base.
        offset: usize,
        /// In bytes.
        len: usize,
    },
    /// Insert these bytes.
    Insert(&'d [u8]),
}

/// A parsed header with its instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delta<'d> {
    /// Size of the base it belongs to.
    pub(crate) base_size: u64,
    /// Size of what it makes.
    pub(crate) target_size: u64,
    body: &'d [u8],
}

impl<'d> Delta<'d> {
    /// Reads the two sizes.
    pub(crate) fn parse(delta: &'d [u8]) -> Option<Self> {
        let (base_size, rest) = size(delta)?;
        let (target_size, body) = size(rest)?;
        Some(Self {
            base_size,
            target_size,
            body,
        })
    }

    /// Returns the instructions; a malformed one is the last, as `None`.
    const fn ops(&self) -> Ops<'d> {
        Ops { rest: self.body }
    }

    /// Writes the target to `out`, and to `copied` which stretches of it come from the base; both are cleared first. After an
    /// error they hold part of it.
    pub(crate) fn apply(
        &self,
        base: &[u8],
        max: u64,
        out: &mut Vec<u8>,
        copied: &mut Copies,
    ) -> Result<(), DeltaError> {
        out.clear();
        copied.clear();
        if self.base_size != base.len() as u64 {
            return Err(DeltaError::Damaged);
        }
        if self.target_size > max {
            return Err(DeltaError::TooLarge(self.target_size));
        }
        let size = usize::try_from(self.target_size).map_err(|_| DeltaError::Damaged)?;
        // A version is about as long as the one before it; of a claim beyond that only what is made takes memory.
        let likely = base.len().saturating_add(self.body.len()).saturating_mul(2);
        out.reserve_exact(size.min(likely));
        for op in self.ops() {
            let made = out.len();
            let bytes = match op.ok_or(DeltaError::Damaged)? {
                Op::Copy { offset, len } => {
                    copied.add(offset, made, len);
                    let end = offset.checked_add(len);
                    end.and_then(|end| base.get(offset..end))
                        .ok_or(DeltaError::Damaged)?
                }
                Op::Insert(bytes) => bytes,
            };
            if bytes.len() > size - made {
                return Err(DeltaError::Damaged);
            }
            out.extend_from_slice(bytes);
        }
        if out.len() == size {
            Ok(())
        } else {
            Err(DeltaError::Damaged)
        }
    }
}

/// See [`Delta::ops`].
struct Ops<'d> {
    rest: &'d [u8],
}

impl<'d> Iterator for Ops<'d> {
    type Item = Option<Op<'d>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&code, rest) = self.rest.split_first()?;
        let read = if code & 0x80 != 0 {
            copy(code, rest)
        } else if code != 0 {
            rest.split_at_checked(usize::from(code))
                .map(|(bytes, rest)| (Op::Insert(bytes), rest))
        } else {
            None
        };
        let (op, rest) = read.map_or((None, &[][..]), |(op, rest)| (Some(op), rest));
        self.rest = rest;
        Some(op)
    }
}

/// Reads the operands of a copy: up to four bytes of offset and three of length, those whose bit is set.
#[inline]
fn copy(code: u8, rest: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let mut seen = [0_u8; 8];
    let (operands, after) = rest.split_at_checked((code & 0x7f).count_ones() as usize)?;
    match rest.first_chunk::<8>() {
        // The usual way: what stands behind the operands is not looked at.
        Some(eight) => seen = *eight,
        None => seen
            .iter_mut()
            .zip(operands)
            .for_each(|(to, from)| *to = *from),
    }
    let mut bytes = u64::from_le_bytes(seen);
    let mut operand = |bits: std::ops::Range<u8>| {
        let mut value = 0_usize;
        for (place, bit) in bits.enumerate() {
            if code & (1 << bit) != 0 {
                value |= ((bytes & 0xff) as usize) << (8 * place);
                bytes >>= 8;
            }
        }
        value
    };
    let offset = operand(0..4);
    let len = operand(4..7);
    let len = if len == 0 { 0x1_0000 } else { len };
    Some((Op::Copy { offset, len }, after))
}

/// Reads a little-endian number of 7 bits a byte.
fn size(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(base: &[u8], delta: &[u8], max: u64) -> Result<Vec<u8>, DeltaError> {
        let mut out = vec![1, 2, 3];
        Delta::parse(delta).ok_or(DeltaError::Damaged)?.apply(
            base,
            max,
            &mut out,
            &mut Copies::default(),
        )?;
        Ok(out)
    }

    #[test]
    fn copies_and_inserts() {
        let delta = [5, 6, 0b1001_0001, 1, 3, 3, b'x', b'y', b'z'];
        assert_eq!(apply(b"abcde", &delta, 100).unwrap(), b"bcdxyz");
        assert_eq!(apply(b"abcde", &delta, 5), Err(DeltaError::TooLarge(6)));
        assert_eq!(apply(b"abcd", &delta, 100), Err(DeltaError::Damaged));
    }

    #[test]
    fn a_length_of_zero_means_64_kib() {
        let base = vec![7; 0x1_0000];
        let delta = [0x80, 0x80, 4, 0x80, 0x80, 4, 0x80];
        assert_eq!(apply(&base, &delta, 1 << 20).unwrap(), base);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for delta in [
            &[5, 3, 0b1001_0001, 4, 3][..],
            &[5, 3, 0],
            &[5, 3, 3, b'x'],
            &[5, 4, 3, b'x', b'y', b'z'],
            &[5, 2, 3, b'x', b'y', b'z'],
            &[5],
            &[0xff; 12],
            &[5, 3, 0xff, 1],
        ] {
            assert_eq!(apply(b"abcde", delta, 100), Err(DeltaError::Damaged));
        }
    }

    #[test]
    fn a_claimed_giant_costs_nothing() {
        let mut delta = vec![5];
        delta.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x7f]);
        delta.extend_from_slice(&[1, b'x']);
        assert_eq!(apply(b"abcde", &delta, u64::MAX), Err(DeltaError::Damaged));
    }

    /// Applies a delta and returns what it lists.
    fn stretches(base: &[u8], body: &[u8], size: usize) -> Option<Vec<Copied>> {
        let mut delta = vec![base.len() as u8];
        delta.extend([0, 7, 14, 21].map(|shift| (size >> shift) as u8 | 0x80));
        delta.push(0);
        delta.extend_from_slice(body);
        let mut copied = Copies::default();
        Delta::parse(&delta)
            .unwrap()
            .apply(base, 1 << 30, &mut Vec::new(), &mut copied)
            .unwrap();
        copied.listed().map(<[Copied]>::to_vec)
    }

    #[test]
    fn joins_copies_that_go_on_where_the_last_one_ended() {
        let body = [0x91, 1, 2, 0x91, 3, 1, 1, b'x', 0x91, 4, 1, 0x90, 2];
        let expected = [(1, 0, 3), (4, 4, 1), (0, 5, 2)];
        let expected = expected.map(|(base, start, len)| Copied { base, start, len });
        assert_eq!(stretches(b"abcde", &body, 7), Some(expected.to_vec()));
    }

    #[test]
    fn lists_no_more_stretches_than_it_may() {
        let one = [0x91, 1, 1];
        let fits = stretches(b"abcde", &one.repeat(MAX_STRETCHES), MAX_STRETCHES);
        assert_eq!(fits.unwrap().len(), MAX_STRETCHES);
        let more = MAX_STRETCHES + 1;
        assert_eq!(stretches(b"abcde", &one.repeat(more), more), None);
        let whole: Vec<u8> = (0..more).flat_map(|at| [0x91, (at % 5) as u8, 1]).collect();
        let rounds = more.div_ceil(5);
        assert_eq!(stretches(b"abcde", &whole, more).unwrap().len(), rounds);
    }

    proptest! {
        #[test]
        fn never_panics_nor_outgrows(base in proptest::collection::vec(any::<u8>(), 0..64),
                                     delta in proptest::collection::vec(any::<u8>(), 0..64), max in 0_u64..4096) {
            if let Ok(out) = apply(&base, &delta, max) {
                prop_assert!(out.len() as u64 <= max);
            }
        }

        #[test]
        fn rebuilds_any_edit(base in proptest::collection::vec(any::<u8>(), 1..100), at in 0_usize..100,
                             insert in proptest::collection::vec(any::<u8>(), 1..100)) {
            let at = at % base.len();
            let target = [&base[at..], &insert, &base[..=at]].concat();
            let mut delta = vec![base.len() as u8, (target.len() % 128) as u8 | 0x80, (target.len() / 128) as u8];
            delta.extend_from_slice(&[0b1001_0001, at as u8, (base.len() - at) as u8]);
            delta.push(insert.len() as u8);
            delta.extend_from_slice(&insert);
            delta.extend_from_slice(&[0b1001_0000, at as u8 + 1]);
            prop_assert_eq!(apply(&base, &delta, 1000).unwrap(), target);
        }
    }
}

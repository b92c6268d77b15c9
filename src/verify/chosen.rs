//! Which values are compared: those that cannot be guessed, each once, and no more texts than the limit.

use std::collections::BTreeMap;

use super::{bits, needles};
use crate::{
    config::stores::VerifyLimits,
    model::{NotCompared, Secret, Verification},
};

/// The values of a run.
pub(super) struct Chosen {
    /// The distinct ones that are compared, ready for it.
    pub(super) needles: needles::Needles,
    /// For each finding its value, or why it is not compared.
    pub(super) of: Vec<Result<usize, NotCompared>>,
    too_weak: u64,
    over_limit: u64,
    without_value: u64,
}

impl Chosen {
    /// Chooses among values. Where there are too many, chance decides by the run's key: if places did, whoever plants the first ten
    /// thousand would hide all others.
    pub(super) fn new(values: &[Option<&Secret>], limits: VerifyLimits, key: [u8; 32]) -> Self {
        let min_bits = u32::from(limits.min_bits);
        let mut chosen = Self {
            needles: needles::Needles::new(key, min_bits, u64::from(limits.max_candidates)),
            of: Vec::new(),
            too_weak: 0,
            over_limit: 0,
            without_value: 0,
        };
        let mut distinct: BTreeMap<u128, (&Secret, Result<usize, NotCompared>)> = BTreeMap::new();
        let mut tags = Vec::with_capacity(values.len());
        for value in values {
            let value = value.filter(|value| !value.is_empty());
            // Exposed to be keyed: a tag tells values apart and gives them an order that nobody can choose.
            let tag = value.map(|value| needles::tag(&key, value.expose()));
            tags.push(tag);
            if let (Some(value), Some(tag)) = (value, tag) {
                distinct.insert(tag, (value, Err(NotCompared::OverLimit)));
            }
        }
        for (value, of) in distinct.values_mut() {
            *of = chosen.choose(value, min_bits);
        }
        for tag in tags {
            let of = tag.and_then(|tag| distinct.get(&tag));
            let of = of.map_or(Err(NotCompared::NoValue), |(_, of)| *of);
            chosen.without_value += u64::from(of == Err(NotCompared::NoValue));
            chosen.of.push(of);
        }
        chosen
    }

    fn choose(&mut self, value: &Secret, min_bits: u32) -> Result<usize, NotCompared> {
        // Exposed to be judged.
        if bits::estimate(value.expose()) < min_bits {
            self.too_weak += 1;
            return Err(NotCompared::TooWeak);
        }
        let taken = self.needles.take(value);
        self.over_limit += u64::from(taken.is_none());
        taken.ok_or(NotCompared::OverLimit)
    }

    /// Returns how many are compared, and why others are not.
    pub(super) fn counts(&self) -> Verification {
        Verification {
            compared: self.needles.values().len() as u64,
            candidates: self.needles.candidates_len(),
            too_weak: self.too_weak,
            over_limit: self.over_limit,
            without_value: self.without_value,
            ..Verification::default()
        }
    }
}

//! New values: how long, of which letters, and where they come from.
//!
//! Promises: at least [`ValuePolicy::LEAST_BITS`] bits of the caller's randomness, each letter equally likely; only letters that
//! neither JSON nor URLs nor shells write otherwise.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::RotateError;
use crate::model::Secret;

/// The letters of a generated value. Matched without `_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alphabet {
    /// `A-Z a-z 0-9`, for targets that take nothing else.
    #[default]
    Alphanumeric,
    /// base64url: `A-Z a-z 0-9 - _`.
    Base64url,
    /// `0-9 a-f`.
    Hex,
}

impl Alphabet {
    const fn letters(self) -> &'static [u8] {
        match self {
            Self::Alphanumeric => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            Self::Base64url => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
            Self::Hex => b"0123456789abcdef",
        }
    }

    /// Thousandths of a bit of one letter, rounded down: log2 of 62, 64 and 16.
    const fn millibits(self) -> u32 {
        match self {
            Self::Alphanumeric => 5954,
            Self::Base64url => 6000,
            Self::Hex => 4000,
        }
    }
}

/// What a generated value is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValuePolicy {
    /// Its letters.
    pub alphabet: Alphabet,
    /// How many, 1 to [`Self::MOST`].
    pub length: u16,
}

impl Default for ValuePolicy {
    /// 256 bits: 43 letters of [`Alphabet::Alphanumeric`] are 256.02.
    fn default() -> Self {
        Self {
            alphabet: Alphabet::Alphanumeric,
            length: 43,
        }
    }
}

impl ValuePolicy {
    /// The least bits of a new value: as many as no search reaches.
    pub const LEAST_BITS: u32 = 128;
    /// The longest value.
    pub const MOST: u16 = 1024;

    /// Returns the shortest policy with so many bits.
    #[must_use]
    pub const fn of_bits(bits: u16, alphabet: Alphabet) -> Self {
        let length = (bits as u32 * 1000).div_ceil(alphabet.millibits());
        Self {
            alphabet,
            // At most 65,535 bits of four each: it fits.
            length: length as u16,
        }
    }

    /// Returns the bits of a value, rounded down.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.alphabet.millibits() * self.length as u32 / 1000
    }

    /// Tells whether a plan may have this policy.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        self.bits() >= Self::LEAST_BITS && self.length <= Self::MOST
    }

    /// Returns a new value from the caller's random bytes.
    ///
    /// # Errors
    /// That of `random`.
    pub fn generate(
        self,
        random: &dyn Fn(&mut [u8]) -> Result<(), RotateError>,
    ) -> Result<Secret, RotateError> {
        let letters = self.alphabet.letters();
        // Bytes beyond a multiple of the alphabet's size are thrown away: with them the first letters would be likelier.
        let fair = 256 - 256 % letters.len();
        let mut value = Zeroizing::new(Vec::with_capacity(usize::from(self.length)));
        let mut bytes = Zeroizing::new([0_u8; 64]);
        while value.len() < usize::from(self.length) {
            random(bytes.as_mut_slice())?;
            let letters = bytes
                .iter()
                .filter(|byte| usize::from(**byte) < fair)
                .filter_map(|byte| letters.get(usize::from(*byte) % letters.len()));
            let missing = usize::from(self.length) - value.len();
            value.extend(letters.take(missing).copied());
        }
        Ok(Secret::new(&value))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap};

    use super::*;

    #[test]
    fn values_have_their_length_letters_and_256_bits() {
        assert!(ValuePolicy::default().bits() >= 256);
        assert_eq!(
            ValuePolicy::of_bits(256, Alphabet::Alphanumeric),
            ValuePolicy::default()
        );
        assert_eq!(ValuePolicy::of_bits(256, Alphabet::Hex).length, 64);
        for alphabet in [Alphabet::Alphanumeric, Alphabet::Base64url, Alphabet::Hex] {
            let policy = ValuePolicy {
                alphabet,
                length: 200,
            };
            let random = |bytes: &mut [u8]| {
                getrandom::fill(bytes).unwrap();
                Ok(())
            };
            let value = policy.generate(&random).unwrap();
            assert_eq!(value.len(), 200);
            assert!(
                value
                    .expose()
                    .iter()
                    .all(|b| alphabet.letters().contains(b))
            );
            assert_ne!(policy.generate(&random).unwrap(), value);
        }
        let weak = ValuePolicy {
            alphabet: Alphabet::Hex,
            length: 31,
        };
        assert!(!weak.is_allowed());
    }

    #[test]
    fn each_letter_is_equally_likely() {
        let next = Cell::new(0_u8);
        let counting = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next.get();
                next.set(next.get().wrapping_add(1));
            }
            Ok(())
        };
        let policy = ValuePolicy {
            alphabet: Alphabet::Alphanumeric,
            length: 992,
        };
        let value = policy.generate(&counting).unwrap();
        let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
        for letter in value.expose() {
            *counts.entry(*letter).or_default() += 1;
        }
        assert_eq!(counts.len(), 62);
        assert!(counts.values().all(|n| *n == 16), "{counts:?}");
    }
}

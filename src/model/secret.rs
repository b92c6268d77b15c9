//! Matched bytes. Nothing outside this file decides how they may be seen.

use std::fmt;

use zeroize::Zeroizing;

/// Holds the bytes of a detected secret and wipes them when dropped.
///
/// There is no `Display`, no `Serialize`, no `Deref`; `Debug` prints the length only:
///
/// ```compile_fail
/// let secret = keysweep::model::Secret::new(b"made-up");
/// println!("{secret}");
/// ```
///
/// ```compile_fail
/// fn wants_serialize<T: serde::Serialize>(_: &T) {}
/// wants_serialize(&keysweep::model::Secret::new(b"made-up"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Copies `bytes`; the caller still owns (and wipes) the original.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Returns the bytes. Only `model::digest`, `model::excerpt`, `engine` and `stores` call this, each with a
    /// comment on why, `verify` and `rotate` to compare, seal and exchange values, and the reports for `--reveal` and their
    /// self-check.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether the secret has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_only() {
        assert_eq!(format!("{:?}", Secret::new(b"abc")), "Secret(3 bytes)");
    }
}

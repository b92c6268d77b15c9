//! Names of values that call for no rule, as far as they were met not long ago.
//!
//! Promises: a name is known by all of its bytes; no allocation after the first; constant memory.

/// Longest name that is remembered, and one byte for its length.
const SLOT: usize = 32;

/// Names that were looked at not long ago and call for no rule: most of what stands before values comes again and again.
pub(super) struct Quiet(Vec<[u8; SLOT]>);

impl Default for Quiet {
    fn default() -> Self {
        Self(vec![[0; SLOT]; 1 << 10])
    }
}

impl Quiet {
    /// Tells whether a name is one of them.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        place(name).is_some_and(|(at, slot)| self.0.get(at) == Some(&slot))
    }

    /// Remembers a name instead of another one.
    pub(super) fn add(&mut self, name: &[u8]) {
        if let Some((at, slot)) = place(name)
            && let Some(place) = self.0.get_mut(at)
        {
            *place = slot;
        }
    }
}

/// Returns where a name is remembered, and as what; `None` if it is too long. No name looks like an empty place.
fn place(name: &[u8]) -> Option<(usize, [u8; SLOT])> {
    let mut slot = [0; SLOT];
    slot.get_mut(..name.len())
        .filter(|_| name.len() < SLOT)?
        .copy_from_slice(name);
    let [.., last] = &mut slot;
    *last = name.len() as u8 + 1;
    let mut mixed = 0_u64;
    for eight in slot.as_chunks::<8>().0 {
        mixed = (mixed.rotate_left(23) ^ u64::from_le_bytes(*eight))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    Some(((mixed >> 54) as usize, slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_names_are_known_by_all_of_their_bytes() {
        let mut quiet = Quiet::default();
        for name in ["", "a", "a\0", "next", "a_name_of_31_bytes_that_still_fit"] {
            let name = name.as_bytes().get(..31).unwrap_or(name.as_bytes());
            assert!(!quiet.has(name));
            quiet.add(name);
            assert!(quiet.has(name));
        }
        let long = [b'x'; 32];
        quiet.add(&long);
        assert!(!quiet.has(&long) && !quiet.has(&long[..31]) && !quiet.has(b"b"));
    }
}

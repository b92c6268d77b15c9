//! Measures and filters of a value by its bytes alone: entropy, placeholders, dummies.
//!
//! What a value's name and surroundings say is the business of [`super::values`]. Promises: no allocation, time
//! linear in the value, results equal on all platforms and in any order of calls.

/// Returns the Shannon entropy of `bytes` in bits per byte; 0.0 for none.
#[must_use]
pub fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f64;
    // Summed by byte value, so that the rounding is always the same.
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// Tells whether `value` is a template, a mask or a stand-in that nobody could log in with.
#[must_use]
pub fn is_placeholder(value: &[u8]) -> bool {
    is_template(value) || is_degenerate(value)
}

/// Tells whether a token with a vendor's prefix is plainly made up: one character repeated, a plain sequence, a mask, or
/// `EXAMPLE` in capitals.
#[must_use]
pub fn is_degenerate(value: &[u8]) -> bool {
    memchr::memmem::find(value, b"EXAMPLE").is_some() || longest_repeat(value) * 2 > value.len()
}

fn is_template(value: &[u8]) -> bool {
    memchr::memmem::find(value, b"${").is_some()
        || memchr::memmem::find(value, b"{{").is_some()
        || (value.starts_with(b"<") && value.ends_with(b">"))
}

/// Returns the length of the longest run of one byte.
fn longest_repeat(value: &[u8]) -> usize {
    value
        .chunk_by(|a, b| a == b)
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_counts_bits_per_byte() {
        assert!((entropy(b"abcdabcd") - 2.0).abs() < 1e-12);
        assert!(entropy(b"aaaa").abs() < 1e-12);
        assert!(entropy(b"").abs() < 1e-12);
    }

    #[test]
    fn templates_are_placeholders() {
        assert!(is_placeholder(b"${TOKEN}") && is_placeholder(b"<your token>"));
        assert!(!is_placeholder(b"h8Fq2false0Zx"));
    }
}

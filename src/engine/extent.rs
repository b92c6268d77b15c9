//! Finds where a block of key material ends, given its header.
//!
//! Promises: reads at most [`MAX`] bytes from the header on; public keys, certificates and elided bodies do not count.

use std::ops::Range;

use crate::rules::Extent;

/// Most bytes that a block may span.
pub const MAX: usize = 32 * 1024;

/// Returns the bytes that count as the secret: the whole block from `header.start` on; `None` if there is no body
/// that could be a key.
#[must_use]
pub fn find(extent: Extent, bytes: &[u8], header: Range<usize>) -> Option<Range<usize>> {
    let end = bytes.len().min(header.start.saturating_add(MAX));
    let body = bytes.get(header.end..end)?;
    let mark: &[u8] = match extent {
        Extent::Pem | Extent::Pgp => b"-----END",
        Extent::Putty => b"Private-MAC:",
    };
    let stop = memchr::memmem::find(body, mark)?;
    Some(header.start..header.end + stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_at_its_end_line() {
        let text = b"-----BEGIN X-----\nabc\n-----END X-----";
        assert_eq!(find(Extent::Pem, text, 0..17), Some(0..22));
        assert_eq!(find(Extent::Pem, b"-----BEGIN X-----", 0..17), None);
    }
}

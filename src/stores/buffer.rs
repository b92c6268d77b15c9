//! A buffer for values: it grows without leaving copies behind and is wiped when it is dropped.

use zeroize::Zeroizing;

/// Bytes that are wiped, also where they stood before the buffer grew.
#[derive(Default)]
pub struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    /// Returns an empty buffer that holds `bytes` without growing.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            // `Vec` would free the old place as it is; `Zeroizing` wipes it.
            let capacity = needed.max(self.0.capacity().saturating_mul(2)).max(256);
            let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// Appends a JSON string with its quotes and escapes.
    pub fn push_json_string(&mut self, text: &str) {
        self.push(b"\"");
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.push(text.as_bytes().get(plain..at).unwrap_or_default());
            let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
            self.push(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            plain = at + 1;
        }
        self.push(text.as_bytes().get(plain..).unwrap_or_default());
        self.push(b"\"");
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes, still wiped when they are dropped.
    #[must_use]
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_pushed_over_many_growths() {
        let mut buffer = Buffer::default();
        let mut expected = Vec::new();
        for n in 0..2000_u32 {
            buffer.push(&n.to_le_bytes());
            expected.extend_from_slice(&n.to_le_bytes());
        }
        assert_eq!(buffer.bytes(), expected);
        assert_eq!(*buffer.into_bytes(), expected);
    }
}

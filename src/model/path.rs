//! Paths as git knows them: bytes, with `/` between the parts.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path of a blob, relative to the scanned root, `/`-separated; archive members follow a `!`
/// (`outer.zip!inner/file`). May hold any byte but NUL; [`fmt::Display`] and `Serialize` give safe text.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobPath(Vec<u8>);

impl BlobPath {
    /// Takes the raw bytes as they are.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the raw bytes. They may hold escape codes and invalid UTF-8: never print them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path of a member inside this archive.
    #[must_use]
    pub fn member(&self, inner: &[u8]) -> Self {
        let mut bytes = self.0.clone();
        bytes.push(b'!');
        bytes.extend_from_slice(inner);
        Self(bytes)
    }

    /// Returns text that is safe on a terminal and in every format: valid UTF-8, control characters, bidirectional
    /// overrides and invalid bytes as `\xNN` or `\u{N}`.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.chars().any(is_unsafe) => Cow::Borrowed(text),
            _ => Cow::Owned(escape(&self.0)),
        }
    }

    /// Returns the percent-encoded form for a URI reference (RFC 3986: unreserved characters and `/` stay).
    #[must_use]
    pub fn to_uri(&self) -> String {
        let mut uri = String::with_capacity(self.0.len());
        for &byte in &self.0 {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                uri.push_str(&format!("%{byte:02X}"));
            }
        }
        uri
    }
}

/// Tells whether a character may change how a terminal or a reader shows the text around it.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                c if is_unsafe(c) && u32::from(c) < 0x100 => {
                    text.push_str(&format!("\\x{:02x}", u32::from(c)))
                }
                c if is_unsafe(c) => text.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

impl fmt::Display for BlobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for BlobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

impl Serialize for BlobPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for BlobPath {
    /// Takes safe text for the path: bytes that were escaped stay escaped.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into_bytes()))
    }
}

impl From<&str> for BlobPath {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_terminal_codes_and_invalid_bytes() {
        let path = BlobPath::new(b"a\x1b[31m\xff/\xe2\x80\xaeb".to_vec());
        assert_eq!(path.to_string(), "a\\x1b[31m\\xff/\\u{202e}b");
    }

    #[test]
    fn encodes_uris_by_byte() {
        assert_eq!(BlobPath::from("a b/ü#.txt").to_uri(), "a%20b/%C3%BC%23.txt");
    }
}

//! Identities of secrets and findings. All are keyed or hold no value at all: a plain hash of a short secret falls
//! to guessing.

use std::fmt::{self, Write as _};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use super::{BlobPath, RuleId, Secret};

/// The private identity of a secret's value: HMAC-SHA-256 under a [`DigestKey`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the lower-case hex text of all 32 bytes.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// The key of digests: random for one run, or a project's own (baselines, comparison across repositories).
#[derive(Clone)]
pub struct DigestKey(zeroize::Zeroizing<[u8; 32]>);

impl DigestKey {
    /// Takes 32 bytes as the key.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }

    /// Reads a key of 64 hex digits; `None` if the text is anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self::new(bytes))
    }

    /// Returns the key as 64 hex digits, for a baseline's head line.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(self.0.as_slice())
    }

    /// Tells whether a secret is this key itself, written as [`Self::to_hex`] does: a baseline or configuration that holds its
    /// key is no leak.
    #[must_use]
    pub fn is_spelled(&self, secret: &Secret) -> bool {
        // Exposed to be compared with a key that the caller has already.
        secret.expose() == self.to_hex().as_bytes()
    }

    /// Returns `HMAC-SHA256(key, "keysweep/v1\0" ‖ family ‖ "\0" ‖ value)` (DESIGN section 7).
    #[must_use]
    pub fn digest(&self, family: &str, secret: &Secret) -> Digest {
        // Exposed to be keyed: only the HMAC leaves this function.
        Digest(self.mac(&[b"keysweep/v1\0", family.as_bytes(), b"\0", secret.expose()]))
    }

    /// Returns the public identity of a secret in a file: value, rule and path, no commit, line or column.
    #[must_use]
    pub fn fingerprint(&self, digest: Digest, rule: &RuleId, path: &BlobPath) -> Fingerprint {
        let mac = self.mac(&[
            b"keysweep/fingerprint/v1\0",
            &digest.0,
            rule.as_str().as_bytes(),
            b"\0",
            path.as_bytes(),
        ]);
        Fingerprint(format!(
            "k1:{}",
            hex(mac.get(..16).expect("an HMAC-SHA-256 has 32 bytes"))
        ))
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

/// The public identity of a finding.
///
/// `k1:` + 32 hex digits under a project key: value, rule and path. Without a project key `c1:` + 32 hex digits:
/// rule, path, the *masked* line without blanks, and a running number; it holds nothing of the value, so it is stable
/// and safe, and it never suppresses anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Returns the value-free identity: `masked_line` must have every secret masked already; `ordinal` counts equal
    /// (rule, path, line) from 0.
    #[must_use]
    pub fn from_context(rule: &RuleId, path: &BlobPath, masked_line: &str, ordinal: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"keysweep/context/v1\0");
        hash.update(rule.as_str().as_bytes());
        hash.update(b"\0");
        hash.update(path.as_bytes());
        hash.update(b"\0");
        // Runs of masks fold into one: the identity must not change with the secret's length.
        let mut last = ' ';
        for c in masked_line.chars().filter(|c| !c.is_whitespace()) {
            if !(c == '*' && last == '*') {
                hash.update(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            last = c;
        }
        hash.update(ordinal.to_le_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        Self(format!(
            "c1:{}",
            hex(hash.get(..16).expect("a SHA-256 has 32 bytes"))
        ))
    }

    /// Reads `k1:` or `c1:` and 32 lower-case hex digits; `None` if the text is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text
            .strip_prefix("k1:")
            .or_else(|| text.strip_prefix("c1:"))?;
        let fits = digits.len() == 32
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    /// Returns the text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom("a fingerprint is `k1:` or `c1:` and 32 hex digits"))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Returns bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_keys_give_different_digests() {
        let secret = Secret::new(b"made-up value");
        let one = DigestKey::new([1; 32]).digest("generic", &secret);
        let two = DigestKey::new([2; 32]).digest("generic", &secret);
        assert_ne!(one, two);
    }

    #[test]
    fn key_text_round_trips() {
        let key = DigestKey::new([0xa5; 32]);
        assert_eq!(
            DigestKey::from_hex(&key.to_hex()).map(|k| k.to_hex()),
            Some(key.to_hex())
        );
        assert!(DigestKey::from_hex("a5").is_none());
    }

    #[test]
    fn context_identity_ignores_blanks_and_the_secrets_length() {
        let rule = RuleId::new("r");
        let path = BlobPath::from("p");
        let one = Fingerprint::from_context(&rule, &path, "key = ****", 0);
        assert_eq!(
            one,
            Fingerprint::from_context(&rule, &path, "  key=**********", 0)
        );
        assert_ne!(
            one,
            Fingerprint::from_context(&rule, &path, "key = ****", 1)
        );
    }
}

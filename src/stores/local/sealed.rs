//! Values as SOPS seals them: `ENC[AES256_GCM,data:..,iv:..,tag:..,type:..]`, AES-256-GCM with nonces of 32 bytes.
//!
//! Source: getsops/sops, aes/cipher.go; each detail is pinned against sops 3.11.0 in tests/it/stores_local.rs. Plaintext lives in
//! buffers that are wiped; nothing here tells a value in an error.

use std::fmt;

use aes_gcm::{
    AesGcm, KeyInit,
    aead::{AeadInOut, consts::U32},
    aes::Aes256,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::trouble::Trouble;
use crate::stores::Fault;

/// The cipher of SOPS: its nonces are 32 bytes (`nonceSize` in aes/cipher.go), not the usual 12.
type Cipher = AesGcm<Aes256, U32>;

/// Bytes of a nonce.
const NONCE: usize = 32;
/// Bytes of a tag.
const TAG: usize = 16;

/// The key of one file's values; wiped when dropped.
pub(super) struct DataKey(Zeroizing<[u8; 32]>);

/// The type that a value had before it was sealed. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Str,
    Int,
    Float,
    Bool,
    Bytes,
    Time,
    Comment,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Str,
        Self::Int,
        Self::Float,
        Self::Bool,
        Self::Bytes,
        Self::Time,
        Self::Comment,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Bytes => "bytes",
            Self::Time => "time",
            Self::Comment => "comment",
        }
    }
}

/// A value in the open.
pub(super) struct Plain {
    pub(super) kind: Kind,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Plain({}, {} bytes)",
            self.kind.as_str(),
            self.bytes.len()
        )
    }
}

/// Why a sealed value did not open. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// The text is not a sealed value at all.
    Form,
    /// Another key, another place in the file, or changed bytes.
    Tag,
    /// What was inside is not of the type that it says.
    Type,
}

impl Shut {
    /// Ends "the value at PLACE ...".
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Form => "is not sealed, and the file's rule says it should be",
            Self::Tag => "does not open: it was changed, or moved from another place",
            Self::Type => "is not of the type that it says",
        }
    }
}

impl DataKey {
    /// Returns a random key.
    pub(super) fn random() -> Result<Self, Trouble> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        random(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// Takes the bytes that an age file held; `None` unless there are 32.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(&aes_gcm::Key::<Cipher>::from(*self.0))
    }

    /// Opens one sealed value at its place. The empty text stands for the empty value: SOPS leaves it as it is.
    pub(super) fn open(&self, text: &str, place: &str) -> Result<Plain, Shut> {
        if text.is_empty() {
            return Ok(Plain {
                kind: Kind::Str,
                bytes: Zeroizing::new(Vec::new()),
            });
        }
        let parts = Parts::read(text).ok_or(Shut::Form)?;
        let mut bytes = Zeroizing::new(parts.data);
        self.cipher()
            .decrypt_inout_detached(
                &parts.nonce.into(),
                place.as_bytes(),
                bytes.as_mut_slice().into(),
                &parts.tag.into(),
            )
            .map_err(|_| Shut::Tag)?;
        Ok(Plain {
            kind: parts.kind,
            bytes,
        })
    }

    /// Seals one value for its place, under a fresh nonce.
    pub(super) fn seal(&self, kind: Kind, value: &[u8], place: &str) -> Result<String, Trouble> {
        if value.is_empty() {
            return Ok(String::new());
        }
        let mut nonce = [0_u8; NONCE];
        random(&mut nonce)?;
        let mut bytes = Zeroizing::new(value.to_vec());
        let tag = self
            .cipher()
            .encrypt_inout_detached(&nonce.into(), place.as_bytes(), bytes.as_mut_slice().into())
            .map_err(|_| Trouble::damaged("a value is too long to be sealed"))?;
        Ok(format!(
            "ENC[AES256_GCM,data:{},iv:{},tag:{},type:{}]",
            STANDARD.encode(bytes.as_slice()),
            STANDARD.encode(nonce),
            STANDARD.encode(tag),
            kind.as_str()
        ))
    }
}

/// Fills `bytes` from the system's random numbers.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), Trouble> {
    getrandom::fill(bytes).map_err(|_| {
        Trouble::new(
            Fault::Unavailable,
            "the system gives no random numbers",
            "try again; in a container or sandbox, allow the getrandom system call",
        )
    })
}

/// Returns a value in the form that Go prints it in: the MAC is made of that.
pub(super) fn canonical(plain: Plain) -> Result<Plain, Shut> {
    let text = || str::from_utf8(&plain.bytes).map_err(|_| Shut::Type);
    let bytes = match plain.kind {
        Kind::Str | Kind::Bytes | Kind::Time | Kind::Comment => return Ok(plain),
        Kind::Int => {
            let value: i64 = text()?.parse().map_err(|_| Shut::Type)?;
            value.to_string()
        }
        Kind::Float => match text()? {
            "+Inf" | "-Inf" | "NaN" => return Ok(plain),
            text => {
                let value: f64 = text.parse().map_err(|_| Shut::Type)?;
                value.to_string()
            }
        },
        Kind::Bool => match text()? {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => "True".to_owned(),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => "False".to_owned(),
            _ => return Err(Shut::Type),
        },
    };
    Ok(Plain {
        kind: plain.kind,
        bytes: Zeroizing::new(bytes.into_bytes()),
    })
}

/// Tells whether a text has the outer form of a sealed value.
pub(super) fn looks_sealed(text: &str) -> bool {
    text.starts_with("ENC[AES256_GCM,") && text.ends_with(']')
}

/// The parts of a sealed value.
struct Parts {
    data: Vec<u8>,
    nonce: [u8; NONCE],
    tag: [u8; TAG],
    kind: Kind,
}

impl Parts {
    fn read(text: &str) -> Option<Self> {
        let inner = text.strip_prefix("ENC[AES256_GCM,")?.strip_suffix(']')?;
        let mut parts = inner.split(',');
        let data = parts.next()?.strip_prefix("data:")?;
        let nonce = parts.next()?.strip_prefix("iv:")?;
        let tag = parts.next()?.strip_prefix("tag:")?;
        let kind = parts.next()?.strip_prefix("type:")?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            data: STANDARD.decode(data).ok()?,
            nonce: STANDARD.decode(nonce).ok()?.try_into().ok()?,
            tag: STANDARD.decode(tag).ok()?.try_into().ok()?,
            kind: Kind::ALL.into_iter().find(|known| known.as_str() == kind)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_sealed_opens_at_its_place_alone(value in proptest::collection::vec(any::<u8>(), 1..200), place in "[a-z:]{0,20}") {
            let key = DataKey::random().unwrap();
            let text = key.seal(Kind::Bytes, &value, &place).unwrap();
            prop_assert!(looks_sealed(&text));
            let plain = key.open(&text, &place).unwrap();
            prop_assert_eq!(plain.bytes.as_slice(), value.as_slice());
            prop_assert_eq!(plain.kind, Kind::Bytes);
            let elsewhere = key.open(&text, &format!("{place}x:"));
            prop_assert_eq!(elsewhere.unwrap_err(), Shut::Tag);
            let other = DataKey::random().unwrap();
            prop_assert_eq!(other.open(&text, &place).unwrap_err(), Shut::Tag);
        }

        #[test]
        fn no_text_upsets_the_reader(text in "(ENC\\[AES256_GCM,)?[a-z0-9:,+/=\\]]{0,80}") {
            let key = DataKey::random().unwrap();
            let opened = key.open(&text, "");
            prop_assert!(opened.is_err() || text.is_empty());
        }
    }

    #[test]
    fn the_empty_value_stays_empty() {
        let key = DataKey::random().unwrap();
        assert_eq!(key.seal(Kind::Str, b"", "a:").unwrap(), "");
        assert!(key.open("", "a:").unwrap().bytes.is_empty());
    }
}

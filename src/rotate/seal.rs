//! Values in journals: sealed with age to the user's own identity, so that a journal alone opens nothing.
//!
//! Promises: no cryptography of our own; what is opened is wiped when dropped. Sealing needs the public half of the identity only, so
//! anybody can do it: that a record is ours is what its tag says, an HMAC under a key that only the identity's secret half gives.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
};

use age::{
    secrecy::ExposeSecret as _,
    x25519::{Identity, Recipient},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{RotateError, canonical::from_hex};
use crate::{
    model::{Secret, hex},
    stores::target::Credential,
};

/// Seals and opens. Made from a file of age identities; the first one receives, each may open.
pub struct Sealer {
    identities: Vec<Identity>,
    recipient: Recipient,
    signer: Signer,
}

/// Says which records are ours: keys of HMAC-SHA-256, one an identity. The first signs, each may have signed.
#[derive(Clone)]
pub(super) struct Signer(Vec<Zeroizing<[u8; 32]>>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// What the key of tags is derived for; nothing else that knows the identity comes to the same key.
const TAG_DOMAIN: &[u8] = b"keysweep/rotate/journal-tag/v1";

impl Signer {
    fn of(identities: &[Identity]) -> Self {
        let keys = identities.iter().map(|identity| {
            let text = identity.to_string();
            // Exposed to derive a key from it: the whole secret is the key of the derivation.
            let mut key = Zeroizing::new([0_u8; 32]);
            if let Some(mac) = mac(text.expose_secret().as_bytes(), TAG_DOMAIN) {
                key.copy_from_slice(&mac.finalize().into_bytes());
            }
            key
        });
        Self(keys.collect())
    }

    /// Returns the tag of a text, 64 hex digits.
    pub(super) fn tag(&self, text: &[u8]) -> Option<String> {
        let mac = mac(self.0.first()?.as_slice(), text)?;
        Some(hex(&mac.finalize().into_bytes()))
    }

    /// Tells whether a tag is that of a text, in constant time.
    pub(super) fn holds(&self, text: &[u8], tag: &str) -> bool {
        let Some(tag) = from_hex::<32>(tag) else {
            return false;
        };
        let mut macs = self.0.iter().filter_map(|key| mac(key.as_slice(), text));
        macs.any(|mac| mac.verify_slice(&tag).is_ok())
    }
}

fn mac(key: &[u8], text: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text);
    Some(mac)
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// Reads the text of an identity file, as `age-keygen` writes it.
    ///
    /// # Errors
    /// [`RotateError::Seal`] if it holds no X25519 identity, or something else.
    pub fn from_identity_file(text: &Secret) -> Result<Self, RotateError> {
        // Exposed to be parsed: the identities leave this function, the text does not.
        let text = std::str::from_utf8(text.expose())
            .map_err(|_| seal_error("the file of age identities is no text"))?;
        let mut identities = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity = line.parse::<Identity>().map_err(|_| {
                seal_error("the file of age identities has a line that is no AGE-SECRET-KEY-1...")
            })?;
            identities.push(identity);
        }
        let first = identities
            .first()
            .ok_or_else(|| seal_error("the file of age identities holds none"))?;
        Ok(Self {
            recipient: first.to_public(),
            signer: Signer::of(&identities),
            identities,
        })
    }

    /// Returns what signs records.
    pub(super) fn signer(&self) -> Signer {
        self.signer.clone()
    }

    /// Returns the sealed text of bytes, base64 of an age file.
    ///
    /// # Errors
    /// [`RotateError::Seal`] if age refuses.
    pub fn seal(&self, plain: &[u8]) -> Result<String, RotateError> {
        let recipients = std::iter::once(&self.recipient as &dyn age::Recipient);
        let failed = || seal_error("age could not seal a value");
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| failed())?;
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| failed())?;
        writer.write_all(plain).map_err(|_| failed())?;
        writer.finish().map_err(|_| failed())?;
        Ok(STANDARD.encode(sealed))
    }

    /// Returns what was sealed.
    ///
    /// # Errors
    /// [`RotateError::Seal`] if none of the identities opens it, or it was changed.
    pub fn open(&self, sealed: &str) -> Result<Zeroizing<Vec<u8>>, RotateError> {
        let failed = || {
            seal_error("a sealed value of the journal cannot be opened with the identities at hand")
        };
        let sealed = STANDARD.decode(sealed).map_err(|_| failed())?;
        let decryptor = age::Decryptor::new(sealed.as_slice()).map_err(|_| failed())?;
        let identities = self.identities.iter().map(|i| i as &dyn age::Identity);
        let mut reader = decryptor.decrypt(identities).map_err(|_| failed())?;
        // What is sealed is longer than what is inside, so this never grows and leaves no copy behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
        reader.read_to_end(&mut plain).map_err(|_| failed())?;
        Ok(plain)
    }
}

fn seal_error(what: &str) -> RotateError {
    RotateError::Seal {
        what: what.to_owned(),
    }
}

/// Everything secret of one rotation.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// The credential that leaked.
    pub(super) old: Option<Credential>,
    /// The one in its place.
    pub(super) new: Option<Credential>,
    /// What a generated value is made of, before the target turns it into a credential.
    pub(super) generated: Option<Secret>,
    /// The fields of the base version that change, as they were.
    pub(super) before: BTreeMap<String, Secret>,
    /// The same fields with the new value.
    pub(super) after: BTreeMap<String, Secret>,
}

/// Names of what is packed.
const OLD_USER: u8 = 1;
const OLD_SECRET: u8 = 2;
const NEW_USER: u8 = 3;
const NEW_SECRET: u8 = 4;
const GENERATED: u8 = 5;
const BEFORE: u8 = 6;
const AFTER: u8 = 7;

impl Held {
    /// Returns everything as bytes: for each part its tag, and two texts with their lengths (name, content).
    pub(super) fn pack(&self) -> Zeroizing<Vec<u8>> {
        let mut parts: Vec<(u8, &[u8], &[u8])> = Vec::new();
        let credentials = [
            (&self.old, OLD_USER, OLD_SECRET),
            (&self.new, NEW_USER, NEW_SECRET),
        ];
        for (credential, user, secret) in credentials {
            if let Some(credential) = credential {
                if let Some(name) = &credential.user {
                    parts.push((user, b"", name.as_bytes()));
                }
                // Exposed to be sealed; the packed bytes are wiped.
                parts.push((secret, b"", credential.secret.expose()));
            }
        }
        if let Some(generated) = &self.generated {
            parts.push((GENERATED, b"", generated.expose()));
        }
        for (tag, fields) in [(BEFORE, &self.before), (AFTER, &self.after)] {
            for (name, value) in fields {
                parts.push((tag, name.as_bytes(), value.expose()));
            }
        }
        let length = parts
            .iter()
            .map(|part| part.1.len() + part.2.len() + 9)
            .sum();
        let mut packed = Zeroizing::new(Vec::with_capacity(length));
        for (tag, name, content) in parts {
            packed.push(tag);
            for text in [name, content] {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                packed.extend_from_slice(&length.to_le_bytes());
                packed.extend_from_slice(text);
            }
        }
        packed
    }

    /// Reads what [`Self::pack`] wrote; `None` for anything else.
    pub(super) fn unpack(mut bytes: &[u8]) -> Option<Self> {
        let mut held = Self::default();
        let mut users: [Option<String>; 2] = [None, None];
        while let Some((tag, rest)) = bytes.split_first() {
            let (name, rest) = text(rest)?;
            let (content, rest) = text(rest)?;
            bytes = rest;
            let name = std::str::from_utf8(name).ok()?.to_owned();
            let credential = |user: &mut Option<String>| Credential {
                user: user.take(),
                secret: Secret::new(content),
            };
            match *tag {
                OLD_USER => users[0] = Some(std::str::from_utf8(content).ok()?.to_owned()),
                NEW_USER => users[1] = Some(std::str::from_utf8(content).ok()?.to_owned()),
                OLD_SECRET => held.old = Some(credential(&mut users[0])),
                NEW_SECRET => held.new = Some(credential(&mut users[1])),
                GENERATED => held.generated = Some(Secret::new(content)),
                BEFORE => drop(held.before.insert(name, Secret::new(content))),
                AFTER => drop(held.after.insert(name, Secret::new(content))),
                _ => return None,
            }
        }
        Some(held)
    }

    /// Seals everything.
    pub(super) fn seal(&self, sealer: &Sealer) -> Result<String, RotateError> {
        sealer.seal(&self.pack())
    }

    /// Opens what [`Self::seal`] sealed.
    pub(super) fn open(sealer: &Sealer, sealed: &str) -> Result<Self, RotateError> {
        let bytes = sealer.open(sealed)?;
        Self::unpack(&bytes).ok_or_else(|| seal_error("a sealed value is not what it should be"))
    }
}

fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sealer with an identity of its own.
    pub(in crate::rotate) fn sealer() -> Sealer {
        let text = format!(
            "# made for a test\n{}\n",
            Identity::generate().to_string().expose_secret()
        );
        Sealer::from_identity_file(&Secret::new(text.as_bytes())).unwrap()
    }

    #[test]
    fn everything_comes_back_and_only_with_the_identity() {
        let held = Held {
            old: Some(Credential {
                user: Some("app".to_owned()),
                secret: Secret::new(b"made-up old"),
            }),
            new: Some(Credential {
                user: None,
                secret: Secret::new(b"made-up new"),
            }),
            generated: Some(Secret::new(b"made-up")),
            before: BTreeMap::from([("password".to_owned(), Secret::new(b"made-up old"))]),
            after: BTreeMap::from([(String::new(), Secret::new(b""))]),
        };
        let one = sealer();
        let sealed = held.seal(&one).unwrap();
        let back = Held::open(&one, &sealed).unwrap();
        assert_eq!(back.pack(), held.pack());
        assert!(Held::open(&sealer(), &sealed).is_err());
        let mut changed = STANDARD.decode(&sealed).unwrap();
        *changed.last_mut().unwrap() ^= 1;
        assert!(one.open(&STANDARD.encode(changed)).is_err());
    }

    #[test]
    fn what_is_cut_does_not_unpack_by_halves() {
        let held = Held {
            generated: Some(Secret::new(b"made-up")),
            ..Held::default()
        };
        let packed = held.pack();
        for end in 1..packed.len() {
            assert!(Held::unpack(&packed[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn other_lines_in_an_identity_file_are_refused_without_being_quoted() {
        let error = Sealer::from_identity_file(&Secret::new(b"made-up line")).unwrap_err();
        assert!(!error.to_string().contains("made-up"), "{error}");
        assert!(Sealer::from_identity_file(&Secret::new(b"# none\n")).is_err());
    }
}

//! What makes two texts the same private key: its modulus, its scalar or its seed, whatever container each stands in.
//!
//! Reads only as much of PEM, DER (ITU-T X.690) and OpenSSH's format (`PROTOCOL.key` of OpenSSH) as that takes. No cryptography.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// Largest PEM body that is read, bytes.
const MAX_BODY: usize = 64 << 10;

/// Returns the bytes that identify each key of the PEM blocks in a text: first the body itself, then what is the same in every
/// container. Encrypted keys have a body only (OpenSSH: also the public half).
pub(super) fn identities(text: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut found = Vec::new();
    for start in memchr::memmem::find_iter(text, b"-----BEGIN ") {
        let rest = text.get(start + 11..).unwrap_or_default();
        let Some(label_end) = memchr::memmem::find(rest, b"-----") else {
            continue;
        };
        let after = rest.get(label_end + 5..).unwrap_or_default();
        let Some(end) = memchr::memmem::find(after, b"-----END ") else {
            continue;
        };
        let body = after.get(..end.min(MAX_BODY)).unwrap_or_default();
        let letters: Zeroizing<Vec<u8>> = Zeroizing::new(
            body.iter()
                .copied()
                .filter(|b| !b.is_ascii_whitespace())
                .collect(),
        );
        if let Ok(der) = STANDARD.decode(&*letters) {
            let der = Zeroizing::new(der);
            if let Some(same) = openssh(&der).or_else(|| der_key(&der)) {
                found.push(same);
            }
            found.push(der);
        }
    }
    found
}

/// Reads one DER element: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=0x7f => (short, rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(long - 0x80)?;
            let length = digits
                .iter()
                .fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// Returns the modulus of an RSA key (PKCS#1, RFC 8017 A.1.2), the scalar of an EC key (SEC 1, RFC 5915), or either inside of
/// PKCS#8 (RFC 5208), where Ed25519 keeps its seed (RFC 8410).
fn der_key(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, inside, _) = element(der)?;
    if tag != SEQUENCE {
        return None;
    }
    let (tag, version, rest) = element(inside)?;
    if tag != INTEGER {
        return None;
    }
    let (tag, content, rest) = element(rest)?;
    match (tag, version) {
        // PKCS#8: algorithm, then the key in octets.
        (SEQUENCE, _) => {
            let (tag, octets, _) = element(rest)?;
            if tag != OCTETS {
                return None;
            }
            match element(octets) {
                Some((OCTETS, seed, _)) => Some(copy(seed)),
                _ => der_key(octets),
            }
        }
        (INTEGER, _) => Some(number(content)),
        (OCTETS, [1]) => Some(number(content)),
        _ => None,
    }
}

/// Returns the same of an OpenSSH key: RSA's modulus, a scalar, Ed25519's seed; of an encrypted one its public half.
fn openssh(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let rest = body.strip_prefix(b"openssh-key-v1\0")?;
    let (cipher, rest) = text(rest)?;
    let (_, rest) = text(rest)?;
    let (_, rest) = text(rest)?;
    let (count, rest) = rest.split_at_checked(4)?;
    if count != [0, 0, 0, 1] {
        return None;
    }
    let (public, rest) = text(rest)?;
    if cipher != b"none" {
        return Some(copy(public));
    }
    let (private, _) = text(rest)?;
    let (kind, rest) = text(private.get(8..)?)?;
    match kind {
        b"ssh-rsa" => Some(number(text(rest)?.0)),
        b"ssh-ed25519" => {
            let (_, rest) = text(rest)?;
            let (both, _) = text(rest)?;
            Some(copy(both.get(..32)?))
        }
        kind if kind.starts_with(b"ecdsa-") => {
            let (_, rest) = text(rest)?;
            let (_, rest) = text(rest)?;
            Some(number(text(rest)?.0))
        }
        _ => Some(copy(public)),
    }
}

/// Reads one string of SSH's formats (RFC 4251 section 5).
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Returns a number without leading zeros, which containers add or not.
fn number(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    copy(bytes.get(start..).unwrap_or_default())
}

fn copy(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(program: &str, args: &[&str]) {
        let done = std::process::Command::new(program)
            .args(args)
            .output()
            .unwrap();
        assert!(done.status.success(), "{program} {args:?}");
    }

    /// Made by the real programs at run time: no private key stands in the sources.
    #[test]
    fn containers_of_one_key_have_one_identity() {
        let dir = tempfile::tempdir().unwrap();
        for (kind, bits) in [("rsa", "1024"), ("ed25519", "256"), ("ecdsa", "256")] {
            let name = |suffix: &str| dir.path().join(format!("{kind}{suffix}"));
            let one = name("").to_string_lossy().into_owned();
            run(
                "ssh-keygen",
                &["-q", "-t", kind, "-b", bits, "-N", "", "-f", &one],
            );
            let openssh = std::fs::read(&one).unwrap();
            if kind != "ed25519" {
                run(
                    "ssh-keygen",
                    &["-q", "-p", "-m", "PEM", "-N", "", "-f", &one],
                );
            }
            let pem = std::fs::read(&one).unwrap();
            let (a, b) = (identities(&openssh), identities(&pem));
            assert_eq!(a.first(), b.first(), "{kind}");
            assert!(a.first().is_some_and(|same| same.len() >= 31), "{kind}");
            let pkcs8 = name(".p8").to_string_lossy().into_owned();
            if kind != "ed25519" {
                run(
                    "openssl",
                    &["pkcs8", "-topk8", "-nocrypt", "-in", &one, "-out", &pkcs8],
                );
                let pkcs8 = identities(&std::fs::read(&pkcs8).unwrap());
                assert_eq!(a.first(), pkcs8.first(), "{kind}");
            }
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let body = STANDARD.encode(&bytes);
            let _ = identities(format!("-----BEGIN X-----\n{body}\n-----END X-----").as_bytes());
            let with_magic = [b"openssh-key-v1\0".as_slice(), &bytes].concat();
            let _ = openssh(&with_magic);
        }
    }
}

//! What makes two texts the same private key: its primes, its scalar or its seed, whatever container each stands in.
//!
//! Promises: an identity is made of what only the owner of the key knows, never of what its public half or a certificate tells, or
//! whoever has read those could plant a text that is taken for the key. Encrypted keys are the same only byte by byte.
//! Reads only as much of PEM, DER (ITU-T X.690) and OpenSSH's format (`PROTOCOL.key` of OpenSSH) as that takes. No cryptography.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// Largest PEM body that is read, bytes.
const MAX_BODY: usize = 64 << 10;

/// How the lines of public keys begin (RFC 4253 section 6.6, RFC 5656, RFC 8709; `sk-` is OpenSSH's `PROTOCOL.u2f`).
const PUBLIC_LINES: [&[u8]; 5] = [
    b"ssh-rsa AAAA",
    b"ssh-dss AAAA",
    b"ssh-ed25519 AAAA",
    b"ecdsa-sha2-nistp",
    b"sk-",
];

/// A PEM block of a text.
pub(super) struct Block<'t> {
    /// Where it stands, with its lines of dashes.
    pub(super) span: Range<usize>,
    label: &'t [u8],
    body: &'t [u8],
}

impl Block<'_> {
    /// Returns what its letters stand for; `None` if they are not base64 alone (old encrypted keys, PGP).
    fn der(&self) -> Option<Zeroizing<Vec<u8>>> {
        let body = self.body.get(..self.body.len().min(MAX_BODY))?;
        let letters: Vec<u8> = body
            .iter()
            .copied()
            .filter(|b| !b.is_ascii_whitespace())
            .collect();
        let letters = Zeroizing::new(letters);
        STANDARD.decode(&*letters).ok().map(Zeroizing::new)
    }

    fn is_labelled(&self, word: &[u8]) -> bool {
        memchr::memmem::find(self.label, word).is_some()
    }

    /// Tells whether it is for everybody to read: a certificate, a public key, parameters. What it holds decides, not its label.
    fn is_public(&self) -> bool {
        match self.der() {
            Some(der) => !is_private(&der) && (is_signed_or_public(&der) || self.says_public()),
            None => self.says_public(),
        }
    }

    fn says_public(&self) -> bool {
        let public = [b"PUBLIC".as_slice(), b"CERTIFICATE", b"PARAMETERS"];
        !self.is_labelled(b"PRIVATE") && public.iter().any(|word| self.is_labelled(word))
    }
}

/// Returns the PEM blocks of a text.
pub(super) fn blocks(text: &[u8]) -> impl Iterator<Item = Block<'_>> {
    memchr::memmem::find_iter(text, b"-----BEGIN ").filter_map(move |start| {
        let rest = text.get(start + 11..)?;
        let label_end = memchr::memmem::find(rest, b"-----")?;
        let label = rest.get(..label_end)?;
        let after = rest.get(label_end + 5..)?;
        let end = memchr::memmem::find(after, b"-----END ")?;
        let body = after.get(..end)?;
        let tail = after.get(end + 9..)?;
        // A key that was cut off within its last line is one still.
        let tail_end = memchr::memmem::find(tail, b"-----").filter(|at| *at <= 64);
        let tail_end = tail_end.map_or(0, |at| at + 5);
        let length = 11 + label_end + 5 + end + 9 + tail_end;
        Some(Block {
            span: start..start + length,
            label,
            body,
        })
    })
}

/// Tells whether a text is nothing but what everybody may read: certificates and public keys.
pub(super) fn is_public(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    if PUBLIC_LINES.iter().any(|begin| text.starts_with(begin)) {
        return !text.contains(&b'\n');
    }
    let mut last = 0;
    for block in blocks(text) {
        let between = text.get(last..block.span.start).unwrap_or_default();
        if !between.trim_ascii().is_empty() || !block.is_public() {
            return false;
        }
        last = block.span.end;
    }
    last == text.len() && last > 0
}

/// Returns the bytes that identify each private key of the PEM blocks in a text: first what is the same in every container, if the
/// key is not encrypted, then the body itself.
pub(super) fn identities(text: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut found = Vec::new();
    for block in blocks(text).filter(|block| block.is_labelled(b"PRIVATE KEY")) {
        let Some(der) = block.der().filter(|der| is_private(der)) else {
            continue;
        };
        found.extend(openssh(&der).or_else(|| der_key(&der)));
        found.push(der);
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
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// Returns the elements of a DER sequence that is the whole of `der`, at most 16.
fn sequence(der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (SEQUENCE, mut inside, b"") = element(der)? else {
        return None;
    };
    let mut found = Vec::new();
    while !inside.is_empty() && found.len() < 16 {
        let (tag, content, rest) = element(inside)?;
        found.push((tag, content));
        inside = rest;
    }
    Some(found)
}

/// Tells whether bytes are a container of a private key: PKCS#1 (RFC 8017 A.1.2), SEC 1 (RFC 5915), PKCS#8 (RFC 5958), encrypted or
/// not, DSA's old one, or OpenSSH's.
fn is_private(der: &[u8]) -> bool {
    if der.starts_with(b"openssh-key-v1\0") {
        return true;
    }
    let Some(found) = sequence(der) else {
        return false;
    };
    match found.as_slice() {
        [(SEQUENCE, _), (OCTETS, _)]
        | [(INTEGER, [1]), (OCTETS, _), ..]
        | [(INTEGER, _), (SEQUENCE, _), (OCTETS, _), ..] => true,
        [(INTEGER, _), rest @ ..] => {
            let numbers = rest.iter().take_while(|(tag, _)| *tag == INTEGER).count();
            numbers >= 8 || numbers == 5 && rest.len() == 5
        }
        _ => false,
    }
}

/// Tells whether bytes are signed by somebody (a certificate, a request, a list of revoked ones; RFC 5280 section 4.1), or a public
/// key (RFC 5280 section 4.1.2.7; RSA's own, RFC 8017 A.1.1).
fn is_signed_or_public(der: &[u8]) -> bool {
    let found = sequence(der).unwrap_or_default();
    matches!(
        found.as_slice(),
        [(SEQUENCE, _), (SEQUENCE, _), (BITS, _)]
            | [(SEQUENCE, _), (BITS, _)]
            | [(INTEGER, _), (INTEGER, _)]
    )
}

/// Returns the primes of an RSA key, the scalar of an EC or DSA key, or any of them inside of PKCS#8, where Ed25519 keeps its seed
/// (RFC 8410).
fn der_key(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let found = sequence(der)?;
    match found.as_slice() {
        [(INTEGER, _), (SEQUENCE, _), (OCTETS, octets), ..] => match element(octets) {
            Some((OCTETS, seed, b"")) => Some(copy(seed)),
            Some((INTEGER, scalar, b"")) => Some(number(scalar)),
            // Not further: a PKCS#8 inside of one is none.
            Some((SEQUENCE, ..)) => plain_key(&sequence(octets)?),
            _ => None,
        },
        _ => plain_key(&found),
    }
}

/// Returns the same of PKCS#1, SEC 1 and DSA's old container.
fn plain_key(found: &[(u8, &[u8])]) -> Option<Zeroizing<Vec<u8>>> {
    match found {
        [(INTEGER, [1]), (OCTETS, scalar), ..] => Some(number(scalar)),
        // Version, modulus, both exponents, both primes, three helpers.
        [
            (INTEGER, _),
            (INTEGER, _),
            (INTEGER, _),
            (INTEGER, _),
            (INTEGER, p),
            (INTEGER, q),
            (INTEGER, _),
            (INTEGER, _),
            (INTEGER, _),
            ..,
        ] => primes(p, q),
        // Version, three parameters, the public half, the private one.
        [
            (INTEGER, _),
            (INTEGER, _),
            (INTEGER, _),
            (INTEGER, _),
            (INTEGER, _),
            (INTEGER, scalar),
        ] => Some(number(scalar)),
        _ => None,
    }
}

/// Returns what both primes are, in whichever order a container has them; `None` where a container leaves them out. Their product is
/// public, they are not: nobody who only knows the modulus can name them.
fn primes(p: &[u8], q: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (p, q) = (number(p), number(q));
    let (small, large) = if (p.len(), p.as_slice()) <= (q.len(), q.as_slice()) {
        (p, q)
    } else {
        (q, p)
    };
    // Shorter ones are no primes of a key, but a 1 beside the modulus.
    if small.len() < 16 {
        return None;
    }
    Some(Zeroizing::new([small.as_slice(), &large].concat()))
}

/// Returns the same of an OpenSSH key that is not encrypted. A key on a security device has no private half here.
fn openssh(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let rest = body.strip_prefix(b"openssh-key-v1\0")?;
    let (cipher, rest) = text(rest)?;
    let (_, rest) = text(rest)?;
    let (_, rest) = text(rest)?;
    let (count, rest) = rest.split_at_checked(4)?;
    let (_, rest) = text(rest)?;
    if count != [0, 0, 0, 1] || cipher != b"none" {
        return None;
    }
    let (private, _) = text(rest)?;
    let (kind, mut rest) = text(private.get(8..)?)?;
    let mut next = || {
        let (told, after) = text(rest)?;
        rest = after;
        Some(told)
    };
    match kind {
        b"ssh-rsa" => {
            // Modulus, both exponents, a helper, both primes.
            let [_, _, _, _, p, q] = [next()?, next()?, next()?, next()?, next()?, next()?];
            primes(p, q)
        }
        b"ssh-ed25519" => {
            let [_, both] = [next()?, next()?];
            Some(copy(both.get(..32)?))
        }
        b"ssh-dss" => {
            let [_, _, _, _, scalar] = [next()?, next()?, next()?, next()?, next()?];
            Some(number(scalar))
        }
        kind if kind.starts_with(b"ecdsa-") => {
            let [_, _, scalar] = [next()?, next()?, next()?];
            Some(number(scalar))
        }
        _ => None,
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

    /// Writes one DER element.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], length.as_slice(), content].concat()
    }

    fn pem(label: &str, body: &[u8]) -> String {
        let body = STANDARD.encode(body);
        let lines: Vec<&str> = body
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    }

    fn body(pem: &str) -> Vec<u8> {
        blocks(pem.as_bytes())
            .next()
            .unwrap()
            .der()
            .unwrap()
            .to_vec()
    }

    /// Whoever knows a public key can write a container that has it, with whatever else made up.
    #[test]
    fn a_key_that_is_made_up_around_a_public_half_is_another_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k").to_string_lossy().into_owned();
        run(
            "ssh-keygen",
            &[
                "-q", "-t", "rsa", "-b", "1024", "-m", "PEM", "-N", "", "-f", &path,
            ],
        );
        let real = std::fs::read_to_string(&path).unwrap();
        let numbers = sequence(&body(&real))
            .unwrap()
            .iter()
            .map(|(_, n)| n.to_vec())
            .collect::<Vec<_>>();
        let modulus = numbers[1].clone();
        for (p, q) in [
            (vec![0x6b; 64], vec![0x7c; 64]),
            (vec![1], modulus.clone()),
            (modulus.clone(), vec![0]),
        ] {
            let mut fake = numbers.clone();
            fake[3] = vec![0x5a; 128];
            (fake[4], fake[5]) = (p, q);
            for helper in &mut fake[6..] {
                *helper = vec![0x4b; 64];
            }
            let fake = der(
                SEQUENCE,
                &fake
                    .iter()
                    .flat_map(|n| der(INTEGER, n))
                    .collect::<Vec<_>>(),
            );
            let fake = identities(pem("RSA PRIVATE KEY", &fake).as_bytes());
            assert!(!fake.is_empty());
            assert!(
                identities(real.as_bytes())
                    .iter()
                    .all(|same| !fake.contains(same))
            );
        }
    }

    #[test]
    fn an_encrypted_key_is_its_container_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k").to_string_lossy().into_owned();
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "made-up-1", "-f", &path],
        );
        let one = std::fs::read(&path).unwrap();
        run(
            "ssh-keygen",
            &[
                "-q",
                "-p",
                "-P",
                "made-up-1",
                "-N",
                "made-up-2",
                "-f",
                &path,
            ],
        );
        let two = std::fs::read(&path).unwrap();
        assert_eq!(identities(&one).len(), 1);
        assert_ne!(identities(&one), identities(&two));
    }

    #[test]
    fn certificates_and_public_keys_have_no_identity_whatever_their_label() {
        let dir = tempfile::tempdir().unwrap();
        let name = |suffix: &str| dir.path().join(suffix).to_string_lossy().into_owned();
        let (key, cert, public) = (name("k"), name("c"), name("p"));
        run(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:1024",
                "-nodes",
                "-subj",
                "/CN=made-up",
                "-keyout",
                &key,
                "-out",
                &cert,
            ],
        );
        run("openssl", &["rsa", "-in", &key, "-pubout", "-out", &public]);
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let (key, cert, public) = (read(&key), read(&cert), read(&public));
        assert_eq!(identities(key.as_bytes()).len(), 2);
        for text in [&cert, &public] {
            let other = pem("RSA PRIVATE KEY", &body(text));
            for text in [text, &other] {
                assert!(identities(text.as_bytes()).is_empty(), "{text}");
                assert!(is_public(text.as_bytes()), "{text}");
            }
        }
        assert!(is_public(format!("{cert}{cert}\n").as_bytes()));
        for private in [
            key.clone(),
            format!("{cert}{key}"),
            pem("CERTIFICATE", &body(&key)),
            "kT9vLm2qPzXw7RbN".to_owned(),
        ] {
            assert!(!is_public(private.as_bytes()), "{private}");
        }
        let line = format!("ssh-ed25519 AAAA{} me@host", "C3NzaC1lZDI1NTE5AAAAI");
        assert!(is_public(line.as_bytes()));
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

//! Structures inside tokens: what they decode to must be what the format says.

use ::base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::{Outcome, json};
use crate::engine::{extent, filters, values};

/// Readers are lenient where writers differ: padding and the last bits.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Decodes base64 of either alphabet into memory that is wiped.
fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let engine = if text.iter().any(|b| matches!(b, b'-' | b'_')) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    engine.decode(text).ok().map(Zeroizing::new)
}

/// An access key id is base32; since 2017 or so the account number is in it: 40 bits after the first (Aidan Steele, "AWS Access
/// Key ID formats", 2020; Tal Be'ery, "A short note on AWS KEY ID", 2023). Older ones, which start with a letter before
/// `Q`, hold none.
pub(super) fn aws_key_id(secret: &[u8]) -> Outcome {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const MOST: u64 = 999_999_999_999;
    let Some(body) = secret.get(4..).filter(|body| body.len() >= 12) else {
        return Outcome::Invalid;
    };
    let mut bits = 0_u64;
    for (i, byte) in body.iter().enumerate() {
        let Some(value) = BASE32
            .iter()
            .position(|c| c == byte)
            .and_then(|v| u64::try_from(v).ok())
        else {
            return Outcome::Invalid;
        };
        // 48 bits hold the account: nine characters and a part of the tenth.
        if i < 10 {
            bits = bits << 5 | value;
        }
    }
    let first = bits >> 49;
    let account = bits >> 9 & ((1 << 40) - 1);
    if first == 0 || filters::is_degenerate(secret) {
        Outcome::Undecided
    } else {
        Outcome::of(account <= MOST)
    }
}

/// RFC 7519: header and payload are JSON objects, the header names an algorithm.
pub(super) fn jwt(secret: &[u8]) -> Outcome {
    let mut parts = secret.split(|b| *b == b'.');
    let (Some(header), Some(payload)) = (parts.next(), parts.next()) else {
        return Outcome::Invalid;
    };
    let header = base64(header).is_some_and(|text| json::object_has(&text, b"alg") == (true, true));
    let payload = base64(payload).is_some_and(|text| json::object_has(&text, b"").0);
    Outcome::of(header && payload)
}

/// RFC 7617: `user:password`, printable. Stand-ins for a password do not count.
pub(super) fn basic_auth(secret: &[u8]) -> Outcome {
    let Some(text) = base64(secret) else {
        return Outcome::Invalid;
    };
    let printable =
        std::str::from_utf8(&text).is_ok_and(|text| !text.chars().any(char::is_control));
    let password = text
        .iter()
        .position(|b| *b == b':')
        .and_then(|i| text.get(i + 1..));
    let holds = printable && password.is_some_and(|p| !p.is_empty() && !filters::is_placeholder(p));
    Outcome::of(holds)
}

/// PyPI: `pypi-` and a serialised macaroon (version 2 of libmacaroons' format: type, length, value) whose location is PyPI.
pub(super) fn pypi(secret: &[u8]) -> Outcome {
    let Some(text) = secret.strip_prefix(b"pypi-").and_then(base64) else {
        return Outcome::Invalid;
    };
    let rest = match text.as_slice() {
        [2, 1, 8, rest @ ..] => rest.strip_prefix(b"pypi.org"),
        [2, 1, 13, rest @ ..] => rest.strip_prefix(b"test.pypi.org"),
        _ => None,
    };
    match rest {
        None => Outcome::Invalid,
        // The identifier comes next: type 2, length, a UUID as text.
        Some([2, length, identifier @ ..]) if identifier.len() >= usize::from(*length) => {
            Outcome::Valid
        }
        Some(_) => Outcome::Undecided,
    }
}

/// A token of which one part, between `_` or `.`, is the base64 of a JSON object.
pub(super) fn base64_json(secret: &[u8]) -> Outcome {
    let is_object = |part: &[u8]| {
        part.len() >= 8 && base64(part).is_some_and(|text| json::object_has(&text, b"").0)
    };
    let parts = secret.split(|b| matches!(b, b'_' | b'.'));
    // The alphabet of URLs has `_` itself: also everything after the first one.
    let tail = secret
        .iter()
        .position(|b| *b == b'_')
        .and_then(|i| secret.get(i + 1..));
    Outcome::of(parts.take(16).any(is_object) || tail.is_some_and(is_object))
}

/// The body is long enough, and starts as a key does: DER's SEQUENCE, OpenSSH's or SSH2's magic; or it is encrypted. What starts
/// otherwise and is neither text nor words may be a key in a container that is not known here.
pub(super) fn pem(secret: &[u8]) -> Outcome {
    const STARTS: [&[u8]; 4] = [b"M", b"b3BlbnNzaC1rZXkt", b"P2/56w", b"SSH PRIVATE KEY"];
    // The label's last words, then dashes: a body on the same line begins with capitals, too.
    let count = |at: usize, of: fn(&u8) -> bool| {
        let rest = secret.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|b| of(b)).count()
    };
    let header = memchr::memmem::find(secret, b"KEY").map(|at| {
        let label = count(at + 3, |b| b.is_ascii_uppercase() || *b == b' ');
        count(label, |b| *b == b'-')
    });
    let Some(body) = header.and_then(|from| extent::read(secret, from)) else {
        return Outcome::Invalid;
    };
    if !body.is_key() {
        return Outcome::Invalid;
    }
    let starts = STARTS.iter().any(|start| body.sample().starts_with(start));
    let armour = memchr::memmem::find(
        secret.get(..48.min(secret.len())).unwrap_or_default(),
        b"PGP",
    )
    .is_some();
    if starts || body.encrypted || armour {
        Outcome::Valid
    } else if is_der(secret)
        || is_text(body.sample())
        || !values::is_random(body.sample(), MIN_RANDOM)
    {
        Outcome::Invalid
    } else {
        Outcome::Undecided
    }
}

/// Tells whether the header's label names a format that is nothing but DER or has a magic number: PKCS #1 (RFC 8017), SEC 1
/// (RFC 5915), OpenSSL's for DSA, OpenSSH's.
fn is_der(secret: &[u8]) -> bool {
    let label = secret.get(..48.min(secret.len())).unwrap_or_default();
    [&b"RSA "[..], b"EC ", b"DSA ", b"OPENSSH "]
        .iter()
        .any(|word| memchr::memmem::find(label, word).is_some())
}

/// Least surplus of a body's first characters: 60 of base64 at random have 100 and more.
const MIN_RANDOM: i32 = 60;

/// Tells whether base64 decodes to printable ASCII: a message in place of a key.
fn is_text(base64_text: &[u8]) -> bool {
    let whole = base64_text.len() - base64_text.len() % 4;
    let head = base64_text.get(..whole).and_then(base64);
    head.is_some_and(|text| {
        text.iter()
            .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::Check;

    fn b64(text: &str) -> String {
        URL_SAFE.encode(text).trim_end_matches('=').to_owned()
    }

    #[test]
    fn key_ids_hold_an_account() {
        // The id that the second source decodes, taken apart so that no scanner stops at it.
        let id = ["ASIA", "Y34FZKBO", "KMUTVV7A"].concat();
        assert_eq!(aws_key_id(id.as_bytes()), Outcome::Valid);
        assert_eq!(
            aws_key_id(["AKIA", "IOSFODNN7", "QWERTZU"].concat().as_bytes()),
            Outcome::Undecided
        );
        assert_eq!(
            aws_key_id(["AKIA", "77777777", "77777776"].concat().as_bytes()),
            Outcome::Undecided
        );
        assert_eq!(
            aws_key_id(["AKIA", "7ZX2QW6Y", "M4KPRT5H"].concat().as_bytes()),
            Outcome::Invalid
        );
        assert_eq!(
            aws_key_id(["AKIA", "Y34FZK10", "KMUTVV7A"].concat().as_bytes()),
            Outcome::Invalid
        );
        assert_eq!(aws_key_id(b"AKIA"), Outcome::Invalid);
    }

    #[test]
    fn jwts_are_two_objects() {
        let token =
            |header: &str, payload: &str| format!("{}.{}.c2lnbmF0dXJl", b64(header), b64(payload));
        assert_eq!(
            jwt(token(r#"{"alg":"HS256"}"#, r#"{"sub":"made-up"}"#).as_bytes()),
            Outcome::Valid
        );
        assert_eq!(
            jwt(token(r#"{"typ":"JWT"}"#, r#"{"sub":"made-up"}"#).as_bytes()),
            Outcome::Invalid
        );
        assert_eq!(
            jwt(token(r#"{"alg":"HS256"}"#, "plain text").as_bytes()),
            Outcome::Invalid
        );
        assert_eq!(jwt(b"eyJ"), Outcome::Invalid);
    }

    #[test]
    fn basic_auth_is_a_user_and_a_password() {
        assert_eq!(basic_auth(b64("svc:h8Fq2ZxP").as_bytes()), Outcome::Valid);
        assert_eq!(
            basic_auth(b64("user:password").as_bytes()),
            Outcome::Invalid
        );
        assert_eq!(
            basic_auth(b64("no colon here").as_bytes()),
            Outcome::Invalid
        );
        assert_eq!(basic_auth(b64("svc:").as_bytes()), Outcome::Invalid);
        assert_eq!(basic_auth(b"!!!"), Outcome::Invalid);
    }

    #[test]
    fn macaroons_name_their_index() {
        let token = |body: &[u8]| format!("pypi-{}", URL_SAFE.encode(body));
        assert_eq!(
            pypi(token(b"\x02\x01\x08pypi.org\x02\x04abcd\x00").as_bytes()),
            Outcome::Valid
        );
        assert_eq!(
            pypi(token(b"\x02\x01\x08pypi.org\x09").as_bytes()),
            Outcome::Undecided
        );
        assert_eq!(
            pypi(token(b"\x02\x01\x08evil.org\x02\x04abcd").as_bytes()),
            Outcome::Invalid
        );
    }

    #[test]
    fn json_hides_in_one_part() {
        let part = b64(r#"{"o":"1","n":"made-up"}"#);
        assert_eq!(
            base64_json(format!("glc_{part}").as_bytes()),
            Outcome::Valid
        );
        assert_eq!(
            base64_json(format!("sntrys_{part}_c2lnbmF0dXJl").as_bytes()),
            Outcome::Valid
        );
        assert_eq!(base64_json(b"glc_c2lnbmF0dXJl"), Outcome::Invalid);
    }

    #[test]
    fn pem_bodies_start_as_keys_do() {
        let block = |start: &str| {
            let body =
                format!("{start}q2Zx8FhP0sTq9LmWaB3dE5fG7hJ1kL4nM6pR8sT0uV2wX4yZ6aC8eG0iK2mO4qS6");
            format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----")
        };
        assert_eq!(pem(block("MIIE").as_bytes()), Outcome::Valid);
        assert_eq!(pem(block("lrMA").as_bytes()), Outcome::Invalid);
        let plain = block("lrMA").replace("RSA ", "");
        assert_eq!(pem(plain.as_bytes()), Outcome::Undecided);
        let other = |body: &str| {
            pem(
                format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----")
                    .as_bytes(),
            )
        };
        let words = "ThisIsTheBodyOfThePrivateKeyThatWouldStandHereIfThereWereOneToShow";
        assert_eq!(other(words), Outcome::Invalid);
        let text = STANDARD
            .encode("Ask the operators for the real key, this file only says where it goes.");
        assert_eq!(other(&text), Outcome::Invalid);
        assert_eq!(
            pem(b"-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----"),
            Outcome::Invalid
        );
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in "(pypi-|gh._|glsa_|AKIA|AGE-SECRET-KEY-1|eyJ|-----BEGIN X KEY-----)?") {
            let secret = [head.as_bytes(), &bytes].concat();
            for check in [Check::GithubCrc32, Check::GrafanaCrc32, Check::AwsKeyId, Check::Jwt, Check::BasicAuth, Check::Age, Check::PypiMacaroon, Check::Base64Json, Check::Pem] {
                let _ = super::super::check(check, &secret);
            }
        }
    }
}

//! Made-up values for examples: characters of a class, and whole tokens with a valid structure.
//!
//! The formats are written down here once more, apart from the validators in `engine`: an example that this file makes
//! and that file accepts is a check of both.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};

const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Digits first: the order of base62 in GitHub's checksums.
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// RFC 4648 section 6.
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// BIP 173, section Bech32.
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// How many strings are drawn, of which the most varied one is taken.
const DRAWS: usize = 8;

/// The characters of a class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class(&'static [u8]);

impl Class {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(Self(match name {
            "digit" => b"0123456789",
            "lower" => b"abcdefghijklmnopqrstuvwxyz",
            "upper" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "alpha" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "alnum" => ALNUM,
            "lowernum" => b"abcdefghijklmnopqrstuvwxyz0123456789",
            "uppernum" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
            "hex" => b"0123456789abcdef",
            "HEX" => b"0123456789ABCDEF",
            "base32" => BASE32,
            "base58" => BASE58,
            "base64" => BASE64,
            "base64url" => BASE64URL,
            _ => return None,
        }))
    }

    /// Tells whether `text` has every kind of character (digit, lower, upper) that the class has.
    fn is_mixed(self, text: &[u8]) -> bool {
        let kinds: [fn(&u8) -> bool; 3] = [
            u8::is_ascii_digit,
            u8::is_ascii_lowercase,
            u8::is_ascii_uppercase,
        ];
        kinds
            .iter()
            .all(|kind| !self.0.iter().any(kind) || text.iter().any(kind))
    }
}

/// A stream of numbers that is the same for the same example (SplitMix64, Steele, Lea and Flood 2014, seeded with FNV-1a).
pub(super) struct Source(u64);

impl Source {
    pub(super) fn new(rule_id: &str, index: usize) -> Self {
        let mut state = 0xcbf2_9ce4_8422_2325_u64;
        for byte in rule_id.bytes().chain(index.to_string().bytes()) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(state)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    fn pick(&mut self, from: &[u8]) -> u8 {
        let at = self.next() % u64::try_from(from.len().max(1)).unwrap_or(1);
        let at = usize::try_from(at).unwrap_or(0);
        from.get(at).copied().unwrap_or(b'x')
    }

    /// Writes `count` characters: of several draws the most varied one that mixes the class's kinds of characters,
    /// since a real secret is rarely as plain as an unlucky draw. The ends are letters or digits.
    pub(super) fn class(&mut self, class: Class, count: usize, out: &mut Vec<u8>) {
        let inner: Vec<u8> = class.0.to_vec();
        let ends: Vec<u8> = inner
            .iter()
            .copied()
            .filter(u8::is_ascii_alphanumeric)
            .collect();
        let mut best: (bool, usize, Vec<u8>) = (false, 0, Vec::new());
        for _ in 0..DRAWS {
            let draw: Vec<u8> = (0..count)
                .map(|at| {
                    self.pick(if at == 0 || at + 1 == count {
                        &ends
                    } else {
                        &inner
                    })
                })
                .collect();
            let mut kinds = draw.clone();
            kinds.sort_unstable();
            kinds.dedup();
            let draw = (class.is_mixed(&draw), kinds.len(), draw);
            if best.2.is_empty() || (draw.0, draw.1) > (best.0, best.1) {
                best = draw;
            }
        }
        out.append(&mut best.2);
    }

    /// Prefix, 30 characters, and their CRC-32 in six base62 digits (GitHub blog, "Behind GitHub's new authentication
    /// token formats", 2021).
    pub(super) fn github(&mut self, prefix: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(prefix.as_bytes());
        let body = out.len();
        self.class(Class(ALNUM), 30, out);
        let mut rest = u64::from(crc32(out.get(body..).unwrap_or_default()));
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            let at = usize::try_from(rest % 62).unwrap_or(0);
            *digit = BASE62.get(at).copied().unwrap_or(b'0');
            rest /= 62;
        }
        out.extend_from_slice(&digits);
    }

    /// Prefix, 32 characters, `_`, and the CRC-32 of all that as the hex of its little-endian bytes (grafana/grafana,
    /// satokengen, `CalculateChecksum`).
    pub(super) fn grafana(&mut self, prefix: &str, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(prefix.as_bytes());
        self.class(Class(ALNUM), 32, out);
        let crc = crc32(out.get(start..).unwrap_or_default());
        out.push(b'_');
        for byte in crc.to_le_bytes() {
            out.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
    }

    /// Prefix and 16 base32 characters: the first 6 bytes are 1 bit set, 40 bits of account number, 7 bits.
    pub(super) fn aws_key(&mut self, prefix: &str, out: &mut Vec<u8>) {
        let account = 100_000_000_000 + self.next() % 900_000_000_000;
        let head = (1_u64 << 47) | (account << 7) | (self.next() & 0x7f);
        let mut raw = head.to_be_bytes().get(2..).unwrap_or_default().to_vec();
        raw.extend(self.bytes(4));
        out.extend_from_slice(prefix.as_bytes());
        out.extend(regroup(&raw).into_iter().map(|five| symbol(BASE32, five)));
    }

    /// Header and payload as JSON, and 32 bytes where an HS256 signature stands (RFC 7515).
    pub(super) fn jwt(&mut self, out: &mut Vec<u8>) {
        let mut subject = Vec::new();
        self.class(Class(b"0123456789"), 10, &mut subject);
        let subject = String::from_utf8_lossy(&subject);
        let issued = 1_600_000_000 + self.next() % 100_000_000;
        let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
        let payload = format!("{{\"sub\":\"{subject}\",\"name\":\"Jo Doe\",\"iat\":{issued}}}");
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let signature = URL_SAFE_NO_PAD.encode(self.bytes(32));
        out.extend_from_slice(format!("{header}.{payload}.{signature}").as_bytes());
    }

    /// Bech32 (BIP 173) of 32 bytes under `age-secret-key-`, in upper case (age-encryption.org/v1, X25519 identity).
    pub(super) fn age(&mut self, out: &mut Vec<u8>) {
        let prefix = b"age-secret-key-";
        let data = regroup(&self.bytes(32));
        let expand = prefix.iter().map(|b| b >> 5).chain([0]);
        let expand = expand.chain(prefix.iter().map(|b| b & 31));
        let sum = polymod(expand.chain(data.iter().copied()).chain([0; 6])) ^ 1;
        let check = (0..6_u32).map(|i| u8::try_from((sum >> (5 * (5 - i))) & 31).unwrap_or(0));
        let mut text: Vec<u8> = prefix.to_vec();
        text.push(b'1');
        text.extend(
            data.iter()
                .copied()
                .chain(check)
                .map(|five| symbol(BECH32, five)),
        );
        text.make_ascii_uppercase();
        out.append(&mut text);
    }

    /// A macaroon (version 2, binary) of pypi.org with one caveat, base64url after `pypi-` (PyPI docs, API tokens;
    /// libmacaroons, doc/format.txt).
    pub(super) fn pypi(&mut self, out: &mut Vec<u8>) {
        let mut raw = vec![2_u8];
        let mut field = |kind: u8, data: &[u8]| {
            raw.push(kind);
            raw.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
            raw.extend_from_slice(data);
        };
        let mut name = Vec::new();
        for (at, part) in [8, 4, 4, 4, 12].into_iter().enumerate() {
            if at > 0 {
                name.push(b'-');
            }
            self.class(Class(b"0123456789abcdef"), part, &mut name);
        }
        field(1, b"pypi.org");
        field(2, &name);
        let mut raw = [raw, vec![0]].concat();
        let caveat = [b"[3,\"".as_slice(), &name, b"\"]"].concat();
        raw.push(2);
        raw.push(u8::try_from(caveat.len()).unwrap_or(u8::MAX));
        raw.extend_from_slice(&caveat);
        raw.extend_from_slice(&[0, 0, 6, 32]);
        raw.extend(self.bytes(32));
        out.extend_from_slice(b"pypi-");
        out.extend_from_slice(URL_SAFE.encode(raw).trim_end_matches('=').as_bytes());
    }

    /// A block under `label` whose body starts like that kind's, in lines of 64 columns (RFC 7468; RFC 9580 section 6 for
    /// PGP), joined by `newline`.
    pub(super) fn pem(&mut self, label: &str, newline: &str, out: &mut Vec<u8>) {
        let (head, len) = block_head(label);
        let mut raw = head.to_vec();
        raw.extend(self.bytes(len.saturating_sub(head.len())));
        let body = STANDARD.encode(&raw);
        let mut text = format!("-----BEGIN {label}-----{newline}");
        let is_pgp = label.starts_with("PGP");
        if is_pgp {
            text.push_str(newline);
        }
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push_str(newline);
            rest = tail;
        }
        if is_pgp {
            text.push('=');
            text.push_str(&STANDARD.encode(self.bytes(3)));
            text.push_str(newline);
        }
        text.push_str(&format!("-----END {label}-----"));
        out.extend_from_slice(text.as_bytes());
    }
}

/// Returns the padded standard base64 of `plain`.
pub(super) fn base64(plain: &[u8]) -> String {
    STANDARD.encode(plain)
}

/// Returns the first bytes of a block of this kind, and its usual length in bytes.
fn block_head(label: &str) -> (&'static [u8], usize) {
    match label {
        // RFC 8017 A.1.2, 2048 bits: SEQUENCE, version 0, INTEGER of 257 bytes.
        "RSA PRIVATE KEY" => (b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00\xc3", 1192),
        // RFC 5915: SEQUENCE, version 1, OCTET STRING of 32 bytes.
        "EC PRIVATE KEY" => (b"\x30\x77\x02\x01\x01\x04\x20", 121),
        "DSA PRIVATE KEY" => (b"\x30\x82\x01\xbb\x02\x01\x00\x02\x81\x81\x00\xa1", 447),
        // RFC 5958 with rsaEncryption.
        "PRIVATE KEY" => (
            b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04\x82\x04\xa7",
            1217,
        ),
        // RFC 5958 with PBES2.
        "ENCRYPTED PRIVATE KEY" => (
            b"\x30\x82\x05\x1c\x30\x4e\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x30\x41",
            1312,
        ),
        // OpenSSH PROTOCOL.key: magic, cipher none, kdf none.
        "OPENSSH PRIVATE KEY" => (
            b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01",
            260,
        ),
        // RFC 9580 section 4.2: old packet format, secret key, two-octet length, version 4.
        "PGP PRIVATE KEY BLOCK" => (b"\x95\x03\x98\x04", 923),
        _ => (b"\x30\x82\x02\x5c\x02\x01\x00", 608),
    }
}

/// CRC-32 as in IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Returns the bits of `raw` in groups of five, the last one filled with zeros.
fn regroup(raw: &[u8]) -> Vec<u8> {
    let (mut groups, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for byte in raw {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            groups.push(u8::try_from((held >> bits) & 31).unwrap_or(0));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        groups.push(u8::try_from((held << (5 - bits)) & 31).unwrap_or(0));
    }
    groups
}

fn symbol(alphabet: &[u8], at: u8) -> u8 {
    alphabet.get(usize::from(at)).copied().unwrap_or(b'?')
}

/// The checksum function of BIP 173.
fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let shifted = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| (top >> bit) & 1 == 1)
            .fold(shifted, |sum, (_, generator)| sum ^ generator)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(write: impl Fn(&mut Source, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut Source::new("rule", 0), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn crc_is_that_of_githubs_published_example() {
        // The example token of GitHub's documentation pages, body and checksum apart.
        let crc = crc32(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ");
        let mut rest = crc;
        let mut text = String::new();
        while rest > 0 {
            text.insert(0, char::from(BASE62[(rest % 62) as usize]));
            rest /= 62;
        }
        assert_eq!(format!("{text:0>6}"), "0mLq17");
    }

    #[test]
    fn classes_are_mixed_and_end_in_letters_or_digits() {
        for name in [
            "alnum",
            "lowernum",
            "hex",
            "HEX",
            "base64",
            "base64url",
            "base32",
            "base58",
        ] {
            let class = Class::named(name).unwrap();
            for index in 0..50 {
                let mut out = Vec::new();
                Source::new("rule", index).class(class, 20, &mut out);
                assert!(class.is_mixed(&out) && out.len() == 20, "{name} {index}");
                assert!(out[0].is_ascii_alphanumeric() && out[19].is_ascii_alphanumeric());
            }
        }
    }

    #[test]
    fn an_age_identity_has_a_valid_checksum() {
        let text = made(Source::age).to_ascii_lowercase();
        let (prefix, data) = text.rsplit_once('1').unwrap();
        assert_eq!((prefix, data.len()), ("age-secret-key-", 58));
        let expand = prefix.bytes().map(|b| b >> 5).chain([0]);
        let expand = expand.chain(prefix.bytes().map(|b| b & 31));
        let values = data
            .bytes()
            .map(|b| u8::try_from(BECH32.iter().position(|c| *c == b).unwrap()).unwrap());
        assert_eq!(polymod(expand.chain(values)), 1);
    }

    #[test]
    fn an_aws_key_holds_a_twelve_digit_account() {
        let text = made(|source, out| source.aws_key("AKIA", out));
        assert_eq!(text.len(), 20);
        let bits = text[4..].bytes().take(10).fold(0_u64, |bits, b| {
            (bits << 5) | BASE32.iter().position(|c| *c == b).unwrap() as u64
        });
        let account = ((bits >> 2) & 0x7fff_ffff_ff80) >> 7;
        assert_eq!(account.to_string().len(), 12, "{account}");
    }

    #[test]
    fn tokens_have_the_vendors_form() {
        let token = made(|source, out| source.grafana("glsa_", out));
        assert_eq!((token.len(), token.matches('_').count()), (46, 2));
        let token = made(|source, out| source.github("ghp_", out));
        assert_eq!(token.len(), 40);
        let token = made(Source::pypi);
        assert!(
            token.starts_with(&format!("{}-{}", "pypi", "AgEIcHlwaS5vcmcC")),
            "{token}"
        );
        assert_eq!(made(Source::jwt).matches('.').count(), 2);
    }

    #[test]
    fn blocks_start_as_real_ones_do_and_have_64_columns() {
        for (label, start) in [
            ("RSA PRIVATE KEY", "MIIEpAIBAAKCAQEA"),
            ("PRIVATE KEY", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"),
            ("EC PRIVATE KEY", "MHcCAQEEI"),
            (
                "OPENSSH PRIVATE KEY",
                "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB",
            ),
        ] {
            let block = made(|source, out| source.pem(label, "\n", out));
            let lines: Vec<&str> = block.lines().collect();
            assert!(lines[1].starts_with(start), "{block}");
            assert!(
                lines[1..lines.len() - 2]
                    .iter()
                    .all(|line| line.len() == 64)
            );
            assert_eq!(lines.last().unwrap(), &format!("-----END {label}-----"));
        }
    }
}

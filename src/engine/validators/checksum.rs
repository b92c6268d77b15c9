//! Checksums inside tokens.

use super::Outcome;

/// GitHub and npm: the last 6 of 36 characters are the CRC-32 of the 30 before, in base62, padded with zeros (GitHub blog,
/// "Behind GitHub's new authentication token formats", 2021; npm's format of the same year). Fine-grained
/// tokens (`github_pat_`) have a checksum too, but how it is computed is not published: undecided.
pub(super) fn github(secret: &[u8]) -> Outcome {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let start = secret.iter().rposition(|b| *b == b'_').map_or(0, |i| i + 1);
    let Some((body, sum)) = secret
        .get(start..)
        .filter(|body| body.len() == 36 && !secret.starts_with(b"github_pat_"))
        .and_then(|body| body.split_at_checked(30))
    else {
        return Outcome::Undecided;
    };
    let mut rest = crc32fast::hash(body);
    let holds = sum.iter().rev().all(|digit| {
        let expected = usize::try_from(rest % 62).ok().and_then(|i| DIGITS.get(i));
        rest /= 62;
        expected == Some(digit)
    });
    Outcome::of(holds)
}

/// Grafana: the last 8 hex digits are the CRC-32 of what stands before the last `_`, least significant byte first
/// (grafana/grafana, `pkg/components/satokengen`).
pub(super) fn grafana(secret: &[u8]) -> Outcome {
    let Some(at) = secret.iter().rposition(|b| *b == b'_') else {
        return Outcome::Undecided;
    };
    let (Some(body), Some(sum)) = (secret.get(..at), secret.get(at + 1..)) else {
        return Outcome::Undecided;
    };
    if sum.len() != 8 || !sum.iter().all(u8::is_ascii_hexdigit) {
        return Outcome::Undecided;
    }
    let expected = crc32fast::hash(body).to_le_bytes();
    let nibbles = expected.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = sum.iter().map(|digit| char::from(*digit).to_digit(16));
    Outcome::of(nibbles.map(|n| Some(u32::from(n))).eq(digits))
}

/// age: Bech32 with the prefix `age-secret-key-` (BIP 173; age specification, "X25519 identities").
pub(super) fn age(secret: &[u8]) -> Outcome {
    const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let Some(at) = secret.iter().rposition(|b| *b == b'1') else {
        return Outcome::Invalid;
    };
    let prefix = secret.get(..at).unwrap_or_default();
    let data = secret.get(at + 1..).unwrap_or_default();
    let lower = |b: &u8| b.to_ascii_lowercase();
    let mut sum = Bech32(1);
    for byte in prefix.iter().map(lower) {
        sum.add(byte >> 5);
    }
    sum.add(0);
    for byte in prefix.iter().map(lower) {
        sum.add(byte & 31);
    }
    for byte in data.iter().map(lower) {
        let Some(value) = CHARSET
            .iter()
            .position(|c| *c == byte)
            .and_then(|v| u8::try_from(v).ok())
        else {
            return Outcome::Invalid;
        };
        sum.add(value);
    }
    Outcome::of(sum.0 == 1 && !data.is_empty())
}

/// The checksum of Bech32 (BIP 173, "Checksum").
struct Bech32(u32);

impl Bech32 {
    fn add(&mut self, value: u8) {
        const GENERATORS: [u32; 5] = [
            0x3b6a_57b2,
            0x2650_8e6d,
            0x1ea1_19fa,
            0x3d42_33dd,
            0x2a14_62b3,
        ];
        let top = self.0 >> 25;
        self.0 = (self.0 & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (i, generator) in GENERATORS.iter().enumerate() {
            if top >> i & 1 == 1 {
                self.0 ^= generator;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_tokens_hold_a_crc() {
        // crc32("A" x 30) = 0xd9b9ac86, which is 3vgAKA in base62.
        let crc = crc32fast::hash(&[b'A'; 30]);
        let mut rest = u64::from(crc);
        let mut digits = Vec::new();
        for _ in 0..6 {
            digits.push(
                b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    [(rest % 62) as usize],
            );
            rest /= 62;
        }
        digits.reverse();
        let token = [b"ghp_".to_vec(), vec![b'A'; 30], digits.clone()].concat();
        assert_eq!(github(&token), Outcome::Valid);
        let npm = [b"npm_".to_vec(), vec![b'A'; 30], digits].concat();
        assert_eq!(github(&npm), Outcome::Valid);
        let mut wrong = token.clone();
        wrong[10] = b'B';
        assert_eq!(github(&wrong), Outcome::Invalid);
        assert_eq!(github(&token[..39]), Outcome::Undecided);
        assert_eq!(github(b"made-up"), Outcome::Undecided);
    }

    #[test]
    fn grafana_tokens_hold_a_crc() {
        let body = format!("{}{}", "glsa_", "A1b2".repeat(8));
        let crc = crc32fast::hash(body.as_bytes());
        let hex: String = crc
            .to_le_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(grafana(format!("{body}_{hex}").as_bytes()), Outcome::Valid);
        assert_eq!(
            grafana(format!("{body}_00000000").as_bytes()),
            Outcome::Invalid
        );
        assert_eq!(grafana(body.as_bytes()), Outcome::Undecided);
    }

    #[test]
    fn bech32_checksums_are_verified() {
        // The valid test vectors of BIP 173.
        assert_eq!(age(b"A12UEL5L"), Outcome::Valid);
        assert_eq!(
            age(b"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"),
            Outcome::Valid
        );
        assert_eq!(
            age(b"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxq"),
            Outcome::Invalid
        );
        assert_eq!(age(b"made-up"), Outcome::Invalid);
    }
}

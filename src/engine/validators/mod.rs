//! Checksum and structural validators (docs/rules.md, "check").
//!
//! Promises: no panic and no unbounded work on any input; what cannot be decided from public documentation is
//! [`Outcome::Undecided`], never a guess.

use crate::rules::Check;

/// What a check says of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The checksum or structure holds.
    Valid,
    /// It does not.
    Invalid,
    /// The check does not apply to this value.
    Undecided,
}

/// Returns what `check` says of `secret`.
#[must_use]
pub fn check(check: Check, secret: &[u8]) -> Outcome {
    match check {
        Check::GithubCrc32 => github_crc32(secret),
        Check::GrafanaCrc32
        | Check::AwsKeyId
        | Check::Jwt
        | Check::BasicAuth
        | Check::Age
        | Check::PypiMacaroon
        | Check::Base64Json
        | Check::Pem => Outcome::Undecided,
    }
}

/// The last 6 of 36 characters are the CRC-32 of the 30 before, in base62, padded with zeros.
fn github_crc32(secret: &[u8]) -> Outcome {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((_, body)) = secret
        .iter()
        .rposition(|b| *b == b'_')
        .and_then(|i| secret.split_at_checked(i + 1))
    else {
        return Outcome::Undecided;
    };
    if body.len() != 36 {
        return Outcome::Undecided;
    }
    let (body, sum) = body.split_at(30);
    let mut rest = crc32fast::hash(body);
    let mut expected = [b'0'; 6];
    for place in expected.iter_mut().rev() {
        if let Some(digit) = DIGITS.get((rest % 62) as usize) {
            *place = *digit;
        }
        rest /= 62;
    }
    if sum == expected {
        Outcome::Valid
    } else {
        Outcome::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_other_lengths_are_not_decided() {
        assert_eq!(check(Check::GithubCrc32, b"made_up"), Outcome::Undecided);
    }
}

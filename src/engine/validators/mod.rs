//! Checksum and structural validators (docs/rules.md, "check").
//!
//! Promises: no panic and no unbounded work on any input; what cannot be decided from public documentation is
//! [`Outcome::Undecided`], never a guess.

mod checksum;
mod json;
mod structure;

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

impl Outcome {
    const fn of(holds: bool) -> Self {
        if holds { Self::Valid } else { Self::Invalid }
    }
}

/// Longest secret that is decoded; longer ones are judged by their first bytes.
const MAX: usize = 16 * 1024;

/// Returns what `check` says of `secret`.
#[must_use]
pub fn check(check: Check, secret: &[u8]) -> Outcome {
    let head = secret.get(..MAX.min(secret.len())).unwrap_or_default();
    match check {
        Check::GithubCrc32 => checksum::github(secret),
        Check::GrafanaCrc32 => checksum::grafana(secret),
        Check::AwsKeyId => structure::aws_key_id(secret),
        Check::Jwt => structure::jwt(head),
        Check::BasicAuth => structure::basic_auth(head),
        Check::Age => checksum::age(secret),
        Check::PypiMacaroon => structure::pypi(head),
        Check::Base64Json => structure::base64_json(head),
        Check::Pem => structure::pem(secret),
    }
}

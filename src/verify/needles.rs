//! The leaked values, ready to be met: a set of keyed atoms, and what is needed to see one value inside another.
//!
//! Memory depends on the findings alone, however many values pass by (STORES 6.3). The key is made for the run and dies with it.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{atoms, bits};
use crate::model::{MatchKind, Secret};

/// Shortest value that is looked for inside another one, bytes (STORES 4.18).
pub(super) const SHORTEST_INSIDE: usize = 16;

/// Longest leaked value that others are looked for in, bytes.
const LONGEST_OUTSIDE: usize = 64 << 10;

/// 128 bits of an HMAC: among 10^12 values two are alike with a chance of 10^-15.
type Tag = u128;

/// The leaked values of a run.
pub(super) struct Needles {
    key: Zeroizing<[u8; 32]>,
    atoms: HashMap<Tag, Vec<(usize, MatchKind)>>,
    /// Leaked values, to be found inside values of a store; by pattern the needle.
    inside: Option<(AhoCorasick, Vec<usize>)>,
    /// The first bytes at each place of a leaked value, to find values of a store inside.
    outside: HashMap<[u8; SHORTEST_INSIDE], Vec<(usize, usize)>>,
    values: Vec<Secret>,
    min_bits: u32,
}

/// One meeting of a leaked value and a store's value.
pub(super) struct Meeting<'m> {
    /// Which leaked value.
    pub(super) needle: usize,
    /// How it was recognised.
    pub(super) kind: MatchKind,
    /// The way inside the field.
    pub(super) way: &'m str,
}

impl Needles {
    /// Takes distinct values, all strong enough to be compared.
    pub(super) fn new(key: [u8; 32], values: Vec<Secret>, min_bits: u32) -> Self {
        let mut needles = Self {
            key: Zeroizing::new(key),
            atoms: HashMap::new(),
            inside: None,
            outside: HashMap::new(),
            values,
            min_bits,
        };
        let values = std::mem::take(&mut needles.values);
        let mut patterns = Vec::new();
        let mut owners = Vec::new();
        for (n, value) in values.iter().enumerate() {
            // Exposed to be keyed and searched for; both die with the run.
            let bytes = value.expose();
            // A key's id is nothing but itself, though its letters look like base64.
            let is_id = is_identifier(bytes);
            atoms::visit(bytes, |atom| {
                if !is_id || atom.bytes == bytes {
                    needles.learn(n, atom);
                }
            });
            if bytes.len() >= SHORTEST_INSIDE && !is_id {
                patterns.push(bytes);
                owners.push(n);
            }
            if bytes.len() > SHORTEST_INSIDE && bytes.len() <= LONGEST_OUTSIDE && !is_id {
                for (at, window) in bytes.windows(SHORTEST_INSIDE).enumerate() {
                    if let Ok(first) = window.try_into() {
                        needles.outside.entry(first).or_default().push((n, at));
                    }
                }
            }
        }
        // A set of patterns too large for an automaton (gigabytes) does not come out of 10,000 findings.
        needles.inside = AhoCorasick::new(&patterns)
            .ok()
            .filter(|_| !patterns.is_empty())
            .map(|automaton| (automaton, owners));
        needles.values = values;
        needles
    }

    fn learn(&mut self, needle: usize, atom: &atoms::Atom<'_>) {
        let is_whole = atom.way.is_empty() && atom.kind == MatchKind::Exact;
        let is_fit =
            atom.bytes.len() >= bits::SHORTEST && bits::estimate(atom.bytes) >= self.min_bits;
        if !is_whole && !is_fit {
            return;
        }
        let kind = if is_identifier(atom.bytes) {
            MatchKind::Identity
        } else {
            atom.kind
        };
        let known = self.atoms.entry(tag(&self.key, atom.bytes)).or_default();
        if !known.iter().any(|(other, _)| *other == needle) {
            known.push((needle, kind));
        }
    }

    /// Lends each meeting of a store's field with a leaked value, the surest of each first.
    pub(super) fn meet(&self, field: &[u8], mut each: impl FnMut(Meeting<'_>)) {
        if self.values.is_empty() {
            return;
        }
        atoms::visit(field, |atom| {
            for (needle, kind) in self
                .atoms
                .get(&tag(&self.key, atom.bytes))
                .into_iter()
                .flatten()
            {
                let kind = atom.kind.max(*kind);
                each(Meeting {
                    needle: *needle,
                    kind,
                    way: atom.way,
                });
            }
        });
        let contained = |needle| Meeting {
            needle,
            kind: MatchKind::Contained,
            way: "",
        };
        if let Some((automaton, owners)) = &self.inside {
            for found in automaton.find_overlapping_iter(field) {
                if let Some(needle) = owners.get(found.pattern().as_usize()) {
                    each(contained(*needle));
                }
            }
        }
        let first: Option<[u8; SHORTEST_INSIDE]> = field
            .get(..SHORTEST_INSIDE)
            .and_then(|first| first.try_into().ok());
        let places = first.and_then(|first| self.outside.get(&first));
        for (needle, at) in places.into_iter().flatten() {
            // Exposed to be compared.
            let value = self.values.get(*needle).map(Secret::expose);
            let rest = value.and_then(|value| value.get(*at..));
            if rest.is_some_and(|rest| rest.starts_with(field))
                && bits::estimate(field) >= self.min_bits
            {
                each(contained(*needle));
            }
        }
    }
}

/// Returns the keyed identity of a value.
pub(super) fn tag(key: &[u8; 32], value: &[u8]) -> Tag {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"keysweep/atom/v1\0");
    mac.update(value);
    let bytes: [u8; 32] = mac.finalize().into_bytes().into();
    let half = bytes
        .first_chunk::<16>()
        .expect("an HMAC-SHA-256 has 32 bytes");
    u128::from_be_bytes(*half)
}

/// Tells whether a value names a key and is none: an access key's id of AWS ("IAM identifiers", AWS documentation).
fn is_identifier(value: &[u8]) -> bool {
    let is_id = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    value.len() == 20
        && (value.starts_with(b"AKIA") || value.starts_with(b"ASIA"))
        && value.iter().all(is_id)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    const VALUE: &str = "kT9vLm2qPzXw7RbN";

    fn met(values: &[&str], field: &[u8]) -> Vec<(usize, MatchKind, String)> {
        let values = values.iter().map(|v| Secret::new(v.as_bytes())).collect();
        let needles = Needles::new([7; 32], values, 60);
        let mut met = Vec::new();
        needles.meet(field, |m| met.push((m.needle, m.kind, m.way.to_owned())));
        met.sort();
        met.dedup_by_key(|(needle, ..)| *needle);
        met
    }

    #[test]
    fn a_value_is_met_in_every_form_a_store_keeps_it() {
        let auth = STANDARD.encode(format!("me:{VALUE}"));
        for (field, kind, way) in [
            (VALUE.to_owned(), MatchKind::Exact, ""),
            (format!("{VALUE}\n"), MatchKind::Exact, ""),
            (
                format!("{{\"db\":{{\"password\":\"{VALUE}\"}}}}"),
                MatchKind::Exact,
                "/db/password",
            ),
            (format!("A=b\nPASS={VALUE}\n"), MatchKind::Exact, "PASS"),
            (
                format!("postgres://me:{VALUE}@db/x"),
                MatchKind::Exact,
                "password",
            ),
            (STANDARD.encode(VALUE), MatchKind::Decoded, ""),
            (
                format!("{{\"auths\":{{\"r.io\":{{\"auth\":\"{auth}\"}}}}}}"),
                MatchKind::Decoded,
                "/auths/r.io/auth#password",
            ),
            (
                format!("some text {VALUE}, and more"),
                MatchKind::Contained,
                "",
            ),
        ] {
            assert_eq!(
                met(&[VALUE], field.as_bytes()),
                [(0, kind, way.to_owned())],
                "{field}"
            );
        }
        assert!(met(&[VALUE], b"another-Value-99-which-is-none").is_empty());
    }

    #[test]
    fn a_leaked_url_meets_the_password_that_the_store_keeps_alone() {
        let url = format!("postgres://me:{VALUE}@db/x");
        let met = met(&[&url], VALUE.as_bytes());
        assert_eq!(met.first().map(|m| (m.0, m.1)), Some((0, MatchKind::Exact)));
    }

    #[test]
    fn a_leaked_text_meets_a_value_inside_of_it() {
        let text = format!("hello {VALUE} and so on");
        let met = met(&[&text], VALUE.as_bytes());
        assert_eq!(met.first().map(|m| m.1), Some(MatchKind::Contained));
    }

    #[test]
    fn weak_parts_of_a_leaked_url_meet_nothing() {
        let url = format!("postgres://postgres:{VALUE}@localhost/production");
        assert!(met(&[&url], b"postgres").is_empty());
        assert!(met(&[&url], b"localhost").is_empty());
    }

    #[test]
    fn an_access_keys_id_is_an_identity_only() {
        let id = format!("AKIA{}", "Q3EXAMPLEQ3EXAMP");
        assert_eq!(
            met(&[&id], id.as_bytes()).first().map(|m| m.1),
            Some(MatchKind::Identity)
        );
    }
}

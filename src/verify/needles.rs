//! The leaked values, ready to be met: a set of keyed atoms, and what is needed to see one value inside another.
//!
//! Promises: each text that a store's values are compared with is counted, and no more than a limit are kept: verify answers guesses,
//! so it must not answer many at once. Memory depends on that limit and the findings, however many values pass by (STORES 6.3). The key
//! is made for the run and dies with it.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, RandomState},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{atoms, bits, edges};
use crate::{
    model::{MatchKind, Secret},
    stores::Field,
};

/// Shortest value that is looked for inside another one, bytes (STORES 4.18).
pub(super) const SHORTEST_INSIDE: usize = 16;

/// Longest leaked value that others are looked for in, bytes.
const LONGEST_OUTSIDE: usize = 64 << 10;

/// 128 bits of an HMAC: among 10^12 values two are alike with a chance of 10^-15.
type Tag = u128;

/// The leaked values of a run.
pub(super) struct Needles {
    key: Zeroizing<[u8; 32]>,
    atoms: HashMap<Tag, Vec<(u32, MatchKind)>>,
    /// By how a leaked value begins, to find it inside values of a store. The numbers are of a hash with a key of its own.
    beginnings: HashMap<u64, Vec<u32>>,
    hasher: RandomState,
    values: Vec<Secret>,
    min_bits: u32,
    /// Most atoms of all values.
    limit: u64,
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
    /// Begins without values; at most `limit` texts are compared.
    pub(super) fn new(key: [u8; 32], min_bits: u32, limit: u64) -> Self {
        Self {
            key: Zeroizing::new(key),
            atoms: HashMap::new(),
            beginnings: HashMap::new(),
            hasher: RandomState::new(),
            values: Vec::new(),
            min_bits,
            limit,
        }
    }

    /// Takes a value that is strong enough to be compared, with all its parts, and returns its number; `None` if there is no room for
    /// all of them.
    pub(super) fn take(&mut self, value: &Secret) -> Option<usize> {
        let needle = u32::try_from(self.values.len()).ok()?;
        // Exposed to be keyed; the copy dies with the run.
        let bytes = value.expose();
        let room = self.limit.saturating_sub(self.atoms.len() as u64);
        let tags = self.candidates(bytes, room)?;
        for (tag, kind) in tags {
            self.atoms.entry(tag).or_default().push((needle, kind));
        }
        let begins = beginning(bytes).filter(|_| !is_identifier(bytes));
        if let Some(begins) = begins {
            let hash = self.hasher.hash_one(begins);
            self.beginnings.entry(hash).or_default().push(needle);
        }
        self.values.push(value.clone());
        usize::try_from(needle).ok()
    }

    /// Returns the values, by number.
    pub(super) fn values(&self) -> &[Secret] {
        &self.values
    }

    /// Returns how many texts a store's values are compared with.
    pub(super) fn candidates_len(&self) -> u64 {
        self.atoms.len() as u64
    }

    /// Returns what of a leaked value is compared; `None` if more than `room` of it is not compared already.
    fn candidates(&self, bytes: &[u8], room: u64) -> Option<BTreeMap<Tag, MatchKind>> {
        let mut found: BTreeMap<Tag, MatchKind> = BTreeMap::new();
        let mut fresh = 0;
        // A key's id is nothing but itself, though its letters look like base64.
        let is_id = is_identifier(bytes);
        let mut learn = |text: &[u8], kind: MatchKind, is_whole: bool| {
            let is_fit = || text.len() >= bits::SHORTEST && bits::estimate(text) >= self.min_bits;
            if fresh > room || (is_id && text != bytes) || (!is_whole && !is_fit()) {
                return;
            }
            let kind = if is_identifier(text) {
                MatchKind::Identity
            } else {
                kind
            };
            let tag = tag(&self.key, text);
            let known = found.entry(tag).or_insert_with(|| {
                fresh += u64::from(!self.atoms.contains_key(&tag));
                kind
            });
            *known = kind.min(*known);
        };
        atoms::visit(bytes, |atom| {
            let is_whole = atom.way.is_empty() && atom.kind == MatchKind::Exact;
            // Whoever leaks a value chooses its name: only what the store calls it says what it is.
            let kind = match atom.kind {
                MatchKind::Identity => MatchKind::Exact,
                kind => kind,
            };
            learn(atom.bytes, kind, is_whole);
        });
        if bytes.len() > SHORTEST_INSIDE && bytes.len() <= LONGEST_OUTSIDE {
            edges::tokens(bytes, |token| {
                if token.len() >= SHORTEST_INSIDE {
                    learn(token, MatchKind::Contained, false);
                }
            });
        }
        (fresh <= room).then_some(found)
    }

    /// Lends each meeting of a store's field with a leaked value, the surest of each first.
    pub(super) fn meet(&self, key: &str, field: Field<'_>, mut each: impl FnMut(Meeting<'_>)) {
        if self.values.is_empty() {
            return;
        }
        atoms::visit_field(key, field.name, field.bytes, |atom| {
            let known = self.atoms.get(&tag(&self.key, atom.bytes));
            for (needle, kind) in known.into_iter().flatten() {
                each(Meeting {
                    needle: *needle as usize,
                    kind: atom.kind.max(*kind),
                    way: atom.way,
                });
            }
            self.inside(atom, &mut each);
        });
    }

    /// Lends each leaked value that stands inside of an atom, and in none of its parts: those are looked at by themselves.
    fn inside(&self, atom: &atoms::Atom<'_>, each: &mut impl FnMut(Meeting<'_>)) {
        let text = atom.bytes;
        for start in edges::starts(text) {
            let Some(begins) = text.get(start..).and_then(beginning) else {
                continue;
            };
            let known = self.beginnings.get(&self.hasher.hash_one(begins));
            for needle in known.into_iter().flatten() {
                let value = self.values.get(*needle as usize);
                // Exposed to be compared.
                let value = value.map(Secret::expose).unwrap_or_default().trim_ascii();
                let span = start..start + value.len();
                let is_there = value.len() < text.len() && text.get(span.clone()) == Some(value);
                if !is_there || !edges::is_set_off(text, &span, self.min_bits) {
                    continue;
                }
                let Some(kind) = edges::kind(text, &span, atom.parts) else {
                    continue;
                };
                each(Meeting {
                    needle: *needle as usize,
                    kind: kind.max(atom.kind),
                    way: "",
                });
            }
        }
    }
}

/// Returns the first bytes of a text that is long enough to be looked for.
fn beginning(text: &[u8]) -> Option<&[u8; SHORTEST_INSIDE]> {
    text.trim_ascii_start().first_chunk()
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
        met_in("", values, field)
    }

    fn met_in(name: &str, values: &[&str], bytes: &[u8]) -> Vec<(usize, MatchKind, String)> {
        let mut needles = Needles::new([7; 32], 60, 10_000);
        for value in values {
            needles.take(&Secret::new(value.as_bytes())).unwrap();
        }
        let mut met = Vec::new();
        let field = Field { name, bytes };
        needles.meet("apps/db", field, |m| {
            met.push((m.needle, m.kind, m.way.to_owned()));
        });
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
                format!("https://hooks.example/services/T00/{VALUE}"),
                MatchKind::Exact,
                "path",
            ),
            (
                format!("https://x.example/cb#state=1&access_token={VALUE}"),
                MatchKind::Exact,
                "access_token",
            ),
            (
                format!("/v1/x?api_key={VALUE}&a=b"),
                MatchKind::Exact,
                "api_key",
            ),
            (
                format!("app:{VALUE}@tcp(db:3306)/x"),
                MatchKind::Exact,
                "password",
            ),
            (
                format!("jdbc:oracle:thin:app/{VALUE}@//db:1521/x"),
                MatchKind::Exact,
                "password",
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

    /// What can be met beside what is known of a field, one character after another.
    #[test]
    fn no_field_is_read_out_character_by_character() {
        let body: String = (0..3)
            .map(|n| format!("{VALUE}{n}{VALUE}{n}QmFzZTY0QmFzZTY0QmFzZTY0Mzk5\n"))
            .collect();
        for (field, known) in [
            (
                format!("{{\"username\":\"app\",\"password\":\"{VALUE}\"}}"),
                "{\"username\":\"app\",\"password\":\"",
            ),
            (
                format!("{{\n  \"username\": \"app\",\n  \"password\": \"{VALUE}\"\n}}"),
                "{\n  \"username\": \"app\",\n  \"password\": \"",
            ),
            (
                format!("postgres://billing:{VALUE}@db.internal/x"),
                "postgres://billing:",
            ),
            (
                format!("USERNAME=billing_service\nPASSWORD={VALUE}\nA=1"),
                "USERNAME=billing_service\nPASSWORD=",
            ),
            (
                format!("the password of the database is {VALUE}, so"),
                "the password of the database is ",
            ),
            (
                format!("-----BEGIN MADE UP-----\n{body}-----END MADE UP-----"),
                "-----BEGIN MADE UP-----\n",
            ),
        ] {
            assert!(field.starts_with(known), "{field}");
            let length = known.len();
            // What is met tells nothing of the guess: a wrong one meets the same, the user's name beside it at most.
            let tells = |right: &str, wrong: &str| {
                assert_eq!(
                    met(&[right], field.as_bytes()),
                    met(&[wrong], field.as_bytes()),
                    "{right}"
                );
            };
            for at in length + 1..length + VALUE.len() {
                let (begin, end) = field.split_at(at);
                tells(begin, &format!("{}#", &begin[..at - 1]));
                tells(end, &format!("#{}", &end[1..]));
            }
        }
    }

    #[test]
    fn weak_parts_beside_a_known_text_are_not_guessed() {
        let pretty =
            "{\n  \"host\": \"db-prod-7.internal.example\",\n  \"pin\": \"1234\",\n  \"x\": 1\n}";
        for (field, guess) in [
            (pretty, &pretty[..pretty.find(",\n  \"x\"").unwrap()]),
            (
                "host=db-prod-7.internal.example\npin=1234\nz=1",
                "host=db-prod-7.internal.example\npin=1234",
            ),
            (
                "host db-prod-7.internal.example pin 1234 end",
                "host db-prod-7.internal.example pin 1234",
            ),
        ] {
            assert!(field.contains(guess));
            let wrong = guess.replace("1234", "9876");
            assert_eq!(
                met(&[guess], field.as_bytes()),
                met(&[&wrong], field.as_bytes()),
                "{guess}"
            );
        }
    }

    #[test]
    fn what_is_no_secret_of_a_field_is_an_identity_only() {
        let host = "db-prod-7.c9akciq32.eu-west-1.rds.amazonaws.com";
        let json = format!(
            "{{\"username\":\"billing_service_rw\",\"password\":\"{VALUE}\",\"host\":\"{host}\"}}"
        );
        let url = format!(
            "postgres://billing_service_rw:{VALUE}@{host}:5432/billing?sslrootcert=/etc/ssl/acme-internal-ca.pem"
        );
        let settings = format!("DB_USER=billing_service_rw\nDB_HOST={host}\nDB_PASSWORD={VALUE}");
        for (name, field, leaked) in [
            ("", &*json, "billing_service_rw"),
            ("", &json, host),
            ("", &url, "billing_service_rw"),
            ("", &url, "/etc/ssl/acme-internal-ca.pem"),
            ("", &settings, host),
            ("username", "billing_service_rw", "billing_service_rw"),
            ("host", host, host),
            ("hosts", &format!("a.{host}:1,{host}:2"), host),
            (
                "auth",
                "billing_service_rw:hunter2hunter2",
                "billing_service_rw",
            ),
        ] {
            let met = met_in(name, &[leaked], field.as_bytes());
            assert!(
                met.iter().all(|(_, kind, _)| *kind == MatchKind::Identity),
                "{field} {leaked}: {met:?}"
            );
        }
        for part in [
            "eu-west-1.rds.amazonaws.com",
            "acme-internal-ca.pem",
            "billing_service",
        ] {
            for field in [&json, &url, &settings] {
                assert!(met(&[part], field.as_bytes()).is_empty(), "{field} {part}");
            }
        }
        // The password beside them still counts, and so does a token that stands for a user.
        for field in [&json, &url, &settings] {
            assert_eq!(met(&[VALUE], field.as_bytes())[0].1, MatchKind::Exact);
        }
        let token = format!("https://{VALUE}@git.example/x");
        assert_eq!(met(&[VALUE], token.as_bytes())[0].1, MatchKind::Exact);
        let user = format!("https://{VALUE}:x@git.example/x");
        assert_eq!(
            met_in("password", &[&user], VALUE.as_bytes())[0].1,
            MatchKind::Exact
        );
    }

    #[test]
    fn a_certificate_beside_a_key_is_not_the_key() {
        let lines = |tag: u8| {
            let noise: Vec<u8> = (0..200_u32).map(|n| (n * 7919 % 251) as u8 ^ tag).collect();
            [&[tag, 0x81, 200], noise.as_slice()].concat()
        };
        let inside = [lines(0x30), lines(0x30), lines(0x03)].concat();
        let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
        let certificate = STANDARD.encode([&[0x30, 0x82], length.as_slice(), &inside].concat());
        let wrapped: Vec<String> = certificate
            .as_bytes()
            .chunks(64)
            .map(|l| String::from_utf8_lossy(l).into_owned())
            .collect();
        let body = wrapped.join("\n");
        let key = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
            STANDARD.encode(VALUE)
        );
        let bundle =
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n{key}\n");
        let other =
            format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----");
        let own = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----");
        for leaked in [&other, &own, &body, &wrapped[3]] {
            let met = met(&[leaked], bundle.as_bytes());
            assert!(
                met.iter().all(|(_, kind, _)| *kind == MatchKind::Identity),
                "{leaked}: {met:?}"
            );
        }
        assert_eq!(met(&[&key], bundle.as_bytes())[0].1, MatchKind::Exact);
    }

    #[test]
    fn what_programs_decode_is_met_on_either_side() {
        let hex = "6b5439764c6d3271507a58773752624e";
        for written in [
            "\\u006bT9vLm2qPzXw7RbN",
            "\\x6bT9vLm2qPzXw7RbN",
            "&#107;T9vLm2qPzXw7Rb&#x4E;",
            hex,
            "NNKDS5SMNUZHCUD2LB3TOUTCJZKHANBR",
        ] {
            let value = if written.starts_with("NNK") {
                "kT9vLm2qPzXw7RbNTp41"
            } else {
                VALUE
            };
            for (leaked, field) in [(written, value), (value, written)] {
                let met = met(&[leaked], field.as_bytes());
                assert_eq!(
                    met.first().map(|m| m.1),
                    Some(MatchKind::Decoded),
                    "{leaked} {field}"
                );
            }
        }
    }

    #[test]
    fn every_text_that_is_compared_is_counted_and_none_beyond_the_limit() {
        let guesses: Vec<String> = (0..200)
            .map(|n| format!("Acme-Billing-Prod-{n:04}!"))
            .collect();
        let text = guesses.join(" ");
        let mut needles = Needles::new([7; 32], 60, 100);
        assert_eq!(needles.take(&Secret::new(text.as_bytes())), None);
        assert_eq!(needles.candidates_len(), 0);
        assert_eq!(needles.take(&Secret::new(VALUE.as_bytes())), Some(0));
        let before = needles.candidates_len();
        assert!((1..=2).contains(&before), "{before}");
        let some = guesses[..20].join(" ");
        assert_eq!(needles.take(&Secret::new(some.as_bytes())), Some(1));
        assert!(needles.candidates_len() >= before + 21);
        assert_eq!(needles.take(&Secret::new(some.as_bytes())), Some(2));
        assert!(needles.candidates_len() <= 100);
    }

    #[test]
    fn a_long_key_is_few_candidates() {
        let body = format!("{VALUE}{VALUE}{VALUE}{VALUE}\n").repeat(240);
        let key = format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n");
        let mut needles = Needles::new([7; 32], 60, 100);
        needles.take(&Secret::new(key.as_bytes())).unwrap();
        assert!(
            needles.candidates_len() <= 4,
            "{}",
            needles.candidates_len()
        );
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

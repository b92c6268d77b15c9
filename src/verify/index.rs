//! The offline index: which values the stores hold, as keyed tags, so that a commit hook can say "this is a live production
//! secret" without access to a store; and a memory of versions that a store has since thrown away.
//!
//! Promises: no value and no part of one is in it; a value that could be guessed is not either, for whoever has the team key could
//! try guesses; it expires; names of keys are in it only if asked for. With the key it is an oracle all the same: keep the key as
//! closely as read access to the stores (docs/stores.md).
//!
//! The file is one line of JSON (head and places) and then, sorted, 12 bytes a tag: 8 of the tag, 4 of the place's number,
//! big-endian.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{atoms, bits, needles, stream};
use crate::{
    model::{MatchKind, StoreCoverage, StorePlace, StoreState},
    stores::Field,
};

/// Names the shape of the file.
const SCHEMA: &str = "urn:keysweep:index:1";
/// Bytes of one record.
const RECORD: usize = 12;
/// Largest head, bytes: half a million named places.
const MAX_HEAD: usize = 128 << 20;
/// What proves that a key is the index's own.
const CHECK: &[u8] = b"keysweep/index/check";

/// Why an index cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum IndexError {
    /// It is no index, or a part of it is missing.
    #[error("{name} is no index of keysweep, or not all of one")]
    #[diagnostic(
        code(keysweep::index::shape),
        help("make it again: keysweep store index --out FILE")
    )]
    Shape {
        /// The file.
        name: String,
    },
    /// It was made with another key.
    #[error("{name} was made with another team key")]
    #[diagnostic(
        code(keysweep::index::key),
        help("set KEYSWEEP_TEAM_KEY to the key that it was made with, or make it again")
    )]
    Key {
        /// The file.
        name: String,
    },
    /// Its time is over: the stores may hold other values by now.
    #[error("{name} has expired")]
    #[diagnostic(
        code(keysweep::index::expired),
        help("make it again: keysweep store index --out FILE")
    )]
    Expired {
        /// The file.
        name: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    schema: String,
    /// Unix seconds.
    made: i64,
    /// Unix seconds.
    expires: i64,
    /// Proves the key.
    check: String,
    /// Proves head and records: whoever lacks the key can change neither.
    #[serde(default)]
    seal: String,
    records: u64,
    /// Whether all of the stores was read.
    complete: bool,
    places: Vec<Remembered>,
}

/// One place of an index. Without names of keys it stands for all keys of a store and environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// Store, and perhaps key, version and field.
    pub place: StorePlace,
    /// The state when the index was made.
    pub state: StoreState,
}

/// Collects the values of stores. Fields may come from several threads.
pub struct Builder {
    key: Zeroizing<[u8; 32]>,
    min_bits: u32,
    names: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    places: BTreeMap<Remembered, u32>,
    tags: BTreeSet<(u64, u32)>,
    /// Tags of values that could be guessed: to count them, never written.
    weak: BTreeSet<u64>,
}

impl Builder {
    /// Takes the team key (32 bytes), the least strength of a value in bits, and whether keys are named.
    #[must_use]
    pub fn new(key: [u8; 32], min_bits: u32, names: bool) -> Self {
        Self {
            key: Zeroizing::new(key),
            min_bits,
            names,
            seen: Mutex::default(),
        }
    }

    /// Reads one store whole; returns its coverage.
    pub fn read(&self, opened: &super::Opened<'_>, options: &super::Options<'_>) -> StoreCoverage {
        let store = match &opened.store {
            Ok(store) => *store,
            Err(error) => return super::not_asked(opened.name, error),
        };
        let look = |seen: &stream::Seen<'_>, field: Field<'_>| {
            let mut place = super::place(opened, options, seen, field.name, "");
            let mut state = seen.state.clone();
            if !self.names {
                place = StorePlace {
                    key: String::new(),
                    version: None,
                    field: None,
                    ..place
                };
                if let StoreState::Previous { .. } = state {
                    state = StoreState::Previous {
                        behind: 1,
                        since: None,
                    };
                }
            }
            self.see(seen.key.as_str(), field, &Remembered { place, state });
        };
        let progress = options.progress;
        let mut coverage = stream::read_all(
            store,
            opened.prefixes,
            &opened.remembered,
            options.stop,
            &look,
            progress,
        );
        opened.name.clone_into(&mut coverage.store);
        coverage
    }

    fn see(&self, key: &str, field: Field<'_>, at: &Remembered) {
        let mut tags = Vec::new();
        atoms::visit_field(key, field.name, field.bytes, |atom| {
            // A user's name or a host is no secret that a hook should tell.
            let is_secret = atom.kind != MatchKind::Identity;
            if is_secret
                && atom.bytes.len() >= bits::SHORTEST
                && bits::estimate(atom.bytes) >= self.min_bits
            {
                tags.push(tag(&self.key, atom.bytes));
            }
        });
        let mut seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        if tags.is_empty() {
            if !field.bytes.trim_ascii().is_empty() {
                seen.weak.insert(tag(&self.key, field.bytes));
            }
            return;
        }
        let next = u32::try_from(seen.places.len()).unwrap_or(u32::MAX);
        let number = *seen.places.entry(at.clone()).or_insert(next);
        seen.tags.extend(tags.into_iter().map(|tag| (tag, number)));
    }

    /// Returns how many distinct values were left out so far, for they could be guessed.
    #[must_use]
    pub fn weak(&self) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        seen.weak.len() as u64
    }

    /// Returns the file's bytes; times are Unix seconds; `complete` says whether all of the stores was read.
    #[must_use]
    pub fn finish(self, made: i64, expires: i64, complete: bool) -> Vec<u8> {
        let Seen { places, tags, .. } = self.seen.into_inner().unwrap_or_else(|e| e.into_inner());
        let mut by_number: Vec<(u32, Remembered)> = places
            .into_iter()
            .map(|(at, number)| (number, at))
            .collect();
        by_number.sort_by_key(|(number, _)| *number);
        let mut records = Vec::with_capacity(tags.len() * RECORD);
        for (tag, number) in &tags {
            records.extend_from_slice(&tag.to_be_bytes());
            records.extend_from_slice(&number.to_be_bytes());
        }
        let mut head = Head {
            schema: SCHEMA.to_owned(),
            made,
            expires,
            check: check(&self.key),
            seal: String::new(),
            records: tags.len() as u64,
            complete,
            places: by_number.into_iter().map(|(_, at)| at).collect(),
        };
        head.seal = seal(&self.key, &head, &records);
        let mut bytes = serde_json::to_vec(&head).expect("plain data with text keys");
        bytes.push(b'\n');
        bytes.extend_from_slice(&records);
        bytes
    }
}

/// An index, ready to be asked.
pub struct Index {
    key: Zeroizing<[u8; 32]>,
    min_bits: u32,
    places: Vec<Remembered>,
    records: Vec<u8>,
    /// When it was made, Unix seconds.
    pub made: i64,
    /// Whether all of the stores was read for it.
    pub complete: bool,
}

impl Index {
    /// Returns the places of which key and version are known.
    pub fn named(&self) -> impl Iterator<Item = &StorePlace> {
        let places = self.places.iter().map(|known| &known.place);
        places.filter(|place| !place.key.is_empty() && place.version.is_some())
    }

    /// Reads a file; `name` stands in errors, `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn read(
        name: &str,
        bytes: &[u8],
        key: [u8; 32],
        min_bits: u32,
        now: i64,
    ) -> Result<Self, IndexError> {
        let shape = || IndexError::Shape {
            name: name.to_owned(),
        };
        let end = memchr::memchr(b'\n', bytes).filter(|end| *end <= MAX_HEAD);
        let end = end.ok_or_else(shape)?;
        let (head, records) = bytes.split_at(end);
        let records = records.get(1..).unwrap_or_default();
        let mut head: Head = serde_json::from_slice(head).map_err(|_| shape())?;
        let fits = usize::try_from(head.records)
            .ok()
            .and_then(|n| n.checked_mul(RECORD))
            .is_some_and(|length| length == records.len());
        if head.schema != SCHEMA || !fits {
            return Err(shape());
        }
        if head.check != check(&key) {
            return Err(IndexError::Key {
                name: name.to_owned(),
            });
        }
        let told = std::mem::take(&mut head.seal);
        if told != seal(&key, &head, records) {
            return Err(shape());
        }
        if head.expires < now {
            return Err(IndexError::Expired {
                name: name.to_owned(),
            });
        }
        Ok(Self {
            key: Zeroizing::new(key),
            min_bits,
            places: head.places,
            records: records.to_vec(),
            made: head.made,
            complete: head.complete,
        })
    }

    /// Returns where a value stood when the index was made: the place that says most. Values that could be guessed are not looked
    /// for.
    #[must_use]
    pub fn find(&self, value: &[u8]) -> Option<&Remembered> {
        if bits::estimate(value) < self.min_bits {
            return None;
        }
        let mut found: Vec<&Remembered> = Vec::new();
        atoms::visit(value, |atom| {
            if bits::estimate(atom.bytes) >= self.min_bits {
                found.extend(self.at(tag(&self.key, atom.bytes)));
            }
        });
        found.into_iter().min_by_key(|at| {
            let production = at.place.environment.as_deref() == Some("prod");
            (super::judge::rank(&at.state), !production, at.place.clone())
        })
    }

    /// Returns the places of a tag.
    fn at(&self, tag: u64) -> Vec<&Remembered> {
        let record = |n: usize| {
            let bytes: &[u8; RECORD] = self.records.get(n * RECORD..)?.first_chunk()?;
            let (tag, place) = bytes.split_at(8);
            let tag = u64::from_be_bytes(tag.try_into().ok()?);
            let place = u32::from_be_bytes(place.try_into().ok()?);
            Some((tag, place))
        };
        let (mut low, mut high) = (0, self.records.len() / RECORD);
        while low < high {
            let middle = usize::midpoint(low, high);
            if record(middle).is_some_and(|(other, _)| other < tag) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..)
            .map_while(record)
            .take_while(|(other, _)| *other == tag)
            .filter_map(|(_, place)| self.places.get(usize::try_from(place).ok()?))
            .collect()
    }
}

/// Returns the first half of a value's tag: among 10^6 values a foreign one is taken for one of them with a chance of 10^-13.
fn tag(key: &[u8; 32], value: &[u8]) -> u64 {
    u64::try_from(needles::tag(key, value) >> 64).expect("the upper half has 64 bits")
}

/// Returns the keyed identity of a head, whose own seal is empty, and its records.
fn seal(key: &[u8; 32], head: &Head, records: &[u8]) -> String {
    let mut bytes = b"keysweep/index/seal\0".to_vec();
    bytes.extend(serde_json::to_vec(head).expect("plain data with text keys"));
    bytes.push(b'\n');
    bytes.extend_from_slice(records);
    format!("{:032x}", needles::tag(key, &bytes))
}

fn check(key: &[u8; 32]) -> String {
    format!("{:032x}", needles::tag(key, CHECK))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUE: &str = "kT9vLm2qPzXw7RbN";
    const HOST: &str = "db-prod-7.c9akciq32.eu-west-1.rds.example";

    fn at(environment: &str, state: StoreState) -> Remembered {
        Remembered {
            place: StorePlace {
                store: "vault".to_owned(),
                key: String::new(),
                version: None,
                field: None,
                environment: Some(environment.to_owned()),
            },
            state,
        }
    }

    fn built() -> Vec<u8> {
        let builder = Builder::new([1; 32], 60, false);
        let see = |name: &str, bytes: &[u8], environment: &str| {
            let field = Field { name, bytes };
            builder.see("db", field, &at(environment, StoreState::Current));
        };
        see("", format!("{{\"p\":\"{VALUE}\"}}").as_bytes(), "dev");
        see("", VALUE.as_bytes(), "prod");
        see("", b"changeme", "prod");
        see("host", HOST.as_bytes(), "prod");
        builder.finish(10, 100, true)
    }

    #[test]
    fn a_value_is_found_alone_or_in_its_format_and_production_comes_first() {
        let index = Index::read("i", &built(), [1; 32], 60, 50).unwrap();
        for leaked in [VALUE.to_owned(), format!("postgres://me:{VALUE}@db/x")] {
            let found = index.find(leaked.as_bytes()).unwrap();
            assert_eq!(found.place.environment.as_deref(), Some("prod"));
        }
        assert_eq!(index.find(b"Zq4wNc8yTb3mKd6h"), None);
        assert_eq!(index.find(b"changeme"), None);
        assert_eq!(index.find(HOST.as_bytes()), None);
    }

    #[test]
    fn the_file_holds_no_value_and_each_fault_is_told() {
        let bytes = built();
        assert!(memchr::memmem::find(&bytes, VALUE.as_bytes()).is_none());
        let read = |bytes: &[u8], key, now| Index::read("i", bytes, key, 60, now).err();
        let name = || "i".to_owned();
        assert_eq!(
            read(&bytes, [2; 32], 50),
            Some(IndexError::Key { name: name() })
        );
        assert_eq!(
            read(&bytes, [1; 32], 101),
            Some(IndexError::Expired { name: name() })
        );
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            assert_eq!(
                read(&bytes[..cut], [1; 32], 50),
                Some(IndexError::Shape { name: name() })
            );
        }
        // Whoever lacks the key changes nothing unseen.
        let at = memchr::memmem::find(&bytes, b"current").unwrap();
        let mut other = bytes.clone();
        other.splice(at..at + 7, b"pending".iter().copied());
        assert_eq!(
            read(&other, [1; 32], 50),
            Some(IndexError::Shape { name: name() })
        );
        let mut other = bytes;
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(
            read(&other, [1; 32], 50),
            Some(IndexError::Shape { name: name() })
        );
    }

    proptest! {
        #[test]
        fn hostile_files_do_no_harm(head in ".{0,80}", rest in proptest::collection::vec(any::<u8>(), 0..60)) {
            let bytes = [head.as_bytes(), b"\n", &rest].concat();
            let _ = Index::read("i", &bytes, [1; 32], 60, 50);
        }
    }
}

//! One pass over a store: every key, every version it still has, each field lent to whoever looks.
//!
//! Promises: a page of keys at a time, so that memory does not depend on the store's size; what was not read is counted and
//! named; a store that stops answering is left at once; nothing is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rayon::prelude::*;

use crate::{
    model::{StoreCoverage, StoreFault, StoreProblem, StoreState},
    stores::{
        Cursor, Fault, Field, KeyEntry, KeyInfo, KeyPath, Page, ReadOutcome, SecretStore,
        StoreError, VersionInfo, VersionState,
    },
};

/// Names of versions, by key.
pub type Versions = BTreeMap<String, BTreeSet<String>>;

/// What is lent with each field.
pub(super) struct Seen<'s> {
    /// The key.
    pub(super) key: &'s KeyPath,
    /// What is known of it.
    pub(super) info: &'s KeyInfo,
    /// The version.
    pub(super) version: &'s VersionInfo,
    /// The version's state.
    pub(super) state: &'s StoreState,
}

/// Reads a whole store. Fields are lent on several threads at once, in no order.
pub(super) fn read_all(
    store: &dyn SecretStore,
    prefixes: &[String],
    known: &Versions,
    stop: &AtomicBool,
    look: &(dyn Fn(&Seen<'_>, Field<'_>) + Sync),
    progress: &(dyn Fn(u64) + Sync),
) -> StoreCoverage {
    let coverage = Mutex::new(StoreCoverage {
        store: store.name().to_owned(),
        address: store.address(),
        ..StoreCoverage::default()
    });
    let gone = AtomicBool::new(false);
    let pass = Pass {
        store,
        look,
        coverage: &coverage,
        known,
        gone: &gone,
        stop,
    };
    let mut empty = Empty::new(prefixes);
    let mut after: Option<Cursor> = None;
    loop {
        let page = match store.list(after.as_ref()) {
            Ok(page) => page,
            Err(error) => {
                pass.end(&error);
                break;
            }
        };
        for (key, error) in &page.problems {
            pass.problem(key, error);
        }
        empty.see(&page);
        let wanted: Vec<&KeyEntry> = page
            .keys
            .iter()
            .filter(|entry| is_wanted(&entry.key, prefixes))
            .collect();
        pass.with(|coverage| coverage.listed += wanted.len() as u64);
        wanted.par_iter().for_each(|entry| {
            if !gone.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
                pass.key(entry);
                progress(1);
            }
        });
        after = page.next;
        if after.is_none() || gone.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    pass.empty(&empty);
    if stop.load(Ordering::Relaxed) {
        pass.with(|coverage| {
            coverage.stopped = Some("stopped by the user".to_owned());
            coverage.faults.insert(StoreFault::Other);
        });
    }
    let mut coverage = coverage.into_inner().unwrap_or_else(|e| e.into_inner());
    coverage.problems.sort();
    coverage.problems.dedup();
    coverage.problems.truncate(StoreCoverage::MAX_PROBLEMS);
    coverage
}

/// Tells whether a key is below one of the prefixes, or there are none. A prefix ends at a `/` of the key.
fn is_wanted(key: &KeyPath, prefixes: &[String]) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| is_below(key.as_str(), prefix))
}

fn is_below(key: &str, prefix: &str) -> bool {
    let rest = key.strip_prefix(prefix.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The prefixes of a store's settings that no key of its listing was below so far.
pub struct Empty<'p> {
    left: Vec<&'p str>,
}

impl<'p> Empty<'p> {
    /// Begins with all of them.
    #[must_use]
    pub fn new(prefixes: &'p [String]) -> Self {
        let prefixes = prefixes.iter().map(String::as_str);
        Self {
            // An empty one is every key's.
            left: prefixes.filter(|prefix| !prefix.is_empty()).collect(),
        }
    }

    /// Takes a page of the listing: those with keys go, and those with a problem, which says why there is none.
    pub fn see(&mut self, page: &Page) {
        self.left.retain(|prefix| {
            let mut keys = page.keys.iter();
            let mut problems = page.problems.iter().map(|(key, _)| key.as_str());
            !keys.any(|entry| is_below(entry.key.as_str(), prefix))
                && !problems.any(|place| {
                    is_below(place, prefix) || is_below(prefix.trim_end_matches('/'), place)
                })
        });
    }

    /// Returns those that are left.
    #[must_use]
    pub fn prefixes(&self) -> &[&'p str] {
        &self.left
    }
}

/// Returns the error of a prefix without a key.
#[must_use]
pub fn nothing_below(store: &str, prefix: &str) -> StoreError {
    let what = format!("the prefix `{prefix}` of its settings names no key");
    let help = match prefix.split_once("/data/") {
        Some((mount, rest)) => format!("paths are written without `data/`: \"{mount}/{rest}\""),
        None => "`keysweep store list` shows keys; a prefix ends where a key's path has a `/`, or at its end".to_owned(),
    };
    StoreError::new(store, Fault::NotFound, what, help)
}

struct Pass<'p> {
    store: &'p dyn SecretStore,
    look: &'p (dyn Fn(&Seen<'_>, Field<'_>) + Sync),
    coverage: &'p Mutex<StoreCoverage>,
    known: &'p Versions,
    gone: &'p AtomicBool,
    stop: &'p AtomicBool,
}

impl Pass<'_> {
    fn with(&self, change: impl FnOnce(&mut StoreCoverage)) {
        // A panic of another thread leaves counts that are still counts.
        let mut coverage = self.coverage.lock().unwrap_or_else(|e| e.into_inner());
        change(&mut coverage);
    }

    /// Notes a fault that ends the pass.
    fn end(&self, error: &StoreError) {
        self.gone.store(true, Ordering::Relaxed);
        let told = told(error);
        self.with(|coverage| {
            coverage.stopped.get_or_insert(told);
            coverage.faults.insert(error.kind());
        });
    }

    /// Notes prefixes without a key, if all keys were listed: the user named them, and nothing was looked at there.
    fn empty(&self, empty: &Empty<'_>) {
        if !self.gone.load(Ordering::Relaxed) && !self.stop.load(Ordering::Relaxed) {
            for prefix in empty.prefixes() {
                let error = nothing_below(self.store.name(), prefix);
                self.problem(&KeyPath::new(*prefix), &error);
            }
        }
    }

    fn problem(&self, key: &KeyPath, error: &StoreError) {
        if error.fault.stops() {
            self.end(error);
            return;
        }
        let problem = StoreProblem {
            key: key.as_str().to_owned(),
            what: told(error),
            fault: Some(error.kind()),
        };
        self.with(|coverage| {
            match error.fault {
                Fault::Denied => coverage.denied += 1,
                _ => coverage.failed += 1,
            }
            coverage.faults.insert(error.kind());
            coverage.problems.push(problem);
            if coverage.problems.len() > StoreCoverage::MAX_PROBLEMS * 64 {
                coverage.problems.sort();
                coverage.problems.truncate(StoreCoverage::MAX_PROBLEMS);
            }
        });
    }

    fn is_known(&self, key: &KeyPath, version: &VersionInfo) -> bool {
        let versions = self.known.get(key.as_str());
        versions.is_some_and(|versions| versions.contains(version.id.as_str()))
    }

    fn key(&self, entry: &KeyEntry) {
        let described;
        let info = match &entry.info {
            Some(info) => info,
            None => match self.store.describe(&entry.key) {
                Ok(info) => {
                    described = info;
                    &described
                }
                Err(error) => return self.problem(&entry.key, &error),
            },
        };
        if info.hidden {
            self.with(|coverage| coverage.hidden += 1);
            return;
        }
        let mut done = Done::default();
        for (version, state) in with_states(info) {
            if self.gone.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed) {
                return;
            }
            let seen = Seen {
                key: &entry.key,
                info,
                version,
                state: &state,
            };
            let read = self.store.read(&entry.key, &version.id, &mut |field| {
                (self.look)(&seen, field)
            });
            match read {
                Ok(ReadOutcome::Read) => done.versions += 1,
                // Its values are compared by what is remembered of it.
                Ok(ReadOutcome::Gone) if self.is_known(&entry.key, version) => done.versions += 1,
                Ok(ReadOutcome::Gone) => done.deleted += 1,
                Ok(ReadOutcome::Hidden) => done.hidden += 1,
                Err(error) => return self.problem(&entry.key, &error),
            }
        }
        self.with(|coverage| {
            coverage.read += 1;
            coverage.versions += done.versions;
            coverage.deleted += done.deleted;
            coverage.hidden += done.hidden;
            coverage.trimmed += u64::from(info.trimmed);
        });
    }
}

#[derive(Default)]
struct Done {
    versions: u64,
    deleted: u64,
    hidden: u64,
}

/// Returns the versions with what each state means to a reader of the verdict.
pub(super) fn with_states(info: &KeyInfo) -> impl Iterator<Item = (&VersionInfo, StoreState)> {
    let mut behind = 0;
    let mut newer: Option<i64> = None;
    info.versions.iter().map(move |version| {
        let state = match version.state {
            VersionState::Current => StoreState::Current,
            VersionState::Pending => StoreState::Pending,
            VersionState::Disabled => StoreState::Disabled,
            VersionState::SoftDeleted => StoreState::SoftDeleted,
            VersionState::Destroyed => StoreState::Destroyed,
            VersionState::Previous => StoreState::Previous {
                behind: behind + 1,
                since: newer.and_then(date),
            },
        };
        match version.state {
            VersionState::Pending => {}
            VersionState::Current => newer = version.created,
            VersionState::Previous
            | VersionState::Disabled
            | VersionState::SoftDeleted
            | VersionState::Destroyed => {
                behind += 1;
                newer = version.created;
            }
        }
        (version, state)
    })
}

/// Returns a time as RFC 3339, UTC.
pub(super) fn date(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds)
        .ok()
        .map(|time| time.to_string())
}

fn told(error: &StoreError) -> String {
    if error.help.is_empty() {
        error.what.clone()
    } else {
        format!("{}; {}", error.what, error.help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::VersionId;

    #[test]
    fn prefixes_end_at_folders() {
        let wanted = |key: &str| is_wanted(&KeyPath::new(key), &["secret/app/".to_owned()]);
        assert!(wanted("secret/app"));
        assert!(wanted("secret/app/db"));
        assert!(!wanted("secret/apple"));
        assert!(is_wanted(&KeyPath::new("x"), &[]));
    }

    #[test]
    fn a_prefix_without_a_key_is_left_unless_a_problem_says_why() {
        let prefixes = ["secret/a/", "secret/b", "secret/dark/x", "secret/ap"].map(str::to_owned);
        let mut empty = Empty::new(&prefixes);
        let denied = StoreError::new("prod", Fault::Denied, "no right", "ask");
        empty.see(&Page {
            keys: vec![KeyEntry {
                key: KeyPath::new("secret/a/db"),
                info: None,
            }],
            next: None,
            problems: vec![(KeyPath::new("secret/dark/"), denied)],
        });
        assert_eq!(empty.prefixes(), ["secret/b", "secret/ap"]);
        let told = nothing_below("prod", "secret/data/prod/");
        assert!(told.what.contains("`secret/data/prod/`"), "{told}");
        assert!(told.help.contains("\"secret/prod/\""), "{}", told.help);
    }

    #[test]
    fn previous_versions_count_from_the_current_one() {
        let version = |n: i64, state| VersionInfo {
            id: VersionId::new(n.to_string()),
            state,
            created: Some(n * 60),
        };
        let info = KeyInfo {
            versions: vec![
                version(4, VersionState::Pending),
                version(3, VersionState::Current),
                version(2, VersionState::SoftDeleted),
                version(1, VersionState::Previous),
            ],
            ..KeyInfo::default()
        };
        let states: Vec<StoreState> = with_states(&info).map(|(_, state)| state).collect();
        assert_eq!(
            states,
            [
                StoreState::Pending,
                StoreState::Current,
                StoreState::SoftDeleted,
                StoreState::Previous {
                    behind: 2,
                    since: Some("1970-01-01T00:02:00Z".to_owned())
                },
            ]
        );
    }
}

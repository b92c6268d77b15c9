//! Verify: which findings are in the organisation's secrets stores, and in what state.
//!
//! Promises: a store's values pass by and are never kept (memory depends on the findings); nothing is written to a store; values
//! that could be guessed are not compared, and no more than a limit (verify is an oracle); "not found" always says how much was
//! read; results hold no value, no hash of one, no length.

pub mod atoms;
pub mod bits;
mod chosen;
mod codec;
mod edges;
pub mod index;
mod judge;
mod keys;
mod names;
mod needles;
mod parts;
mod past;
pub mod probe;
mod reuse;
mod stream;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, atomic::AtomicBool},
};

use crate::{
    config::stores::VerifyLimits,
    model::{
        Age, MatchKind, ProviderState, Secret, StoreCoverage, StorePlace, StoreState, Verdict,
        Verification,
    },
    stores::{Capabilities, Field, KeyPath, SecretStore, StoreError},
};

use chosen::Chosen;
pub use judge::urgency;
pub use stream::{Empty, Versions, nothing_below};

/// Most places that are remembered for one value.
const MAX_PLACES: usize = 1_000;

/// A store of a run, opened or not.
pub struct Opened<'s> {
    /// Its name.
    pub name: &'s str,
    /// The store, or why it cannot be asked.
    pub store: Result<&'s dyn SecretStore, StoreError>,
    /// The environment of all its keys, if the user said one.
    pub environment: Option<&'s str>,
    /// Only keys below these are read; empty: all.
    pub prefixes: &'s [String],
    /// Whether other settings of the store leave parts of it out.
    pub narrowed: bool,
    /// The most days that a value may live, if the user said so.
    pub max_age_days: Option<u32>,
    /// Versions whose values an index or tombstone knows: they are compared though the store no longer tells them.
    pub remembered: Versions,
}

/// How a run compares.
pub struct Options<'o> {
    /// What may be compared.
    pub limits: VerifyLimits,
    /// Whether values that keys share are told, too.
    pub reuse: bool,
    /// Whether readers of matched keys are asked for.
    pub readers: bool,
    /// Now, Unix seconds.
    pub now: i64,
    /// 32 random bytes, for this run alone.
    pub key: [u8; 32],
    /// Returns what is known of a value from an earlier time, by an index or a tombstone.
    pub remembered: &'o (dyn Fn(&Secret) -> Option<Remembered> + Sync),
    /// Guesses the environment of a key from its path.
    pub environment: &'o (dyn Fn(&str) -> Option<String> + Sync),
    /// Set when the user stops the run.
    pub stop: &'o AtomicBool,
    /// Is told how many more keys were read.
    pub progress: &'o (dyn Fn(u64) + Sync),
}

/// What is known of a value from an earlier time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Where it stood.
    pub place: StorePlace,
    /// When its system refused it, RFC 3339, if that was proven when it was rotated.
    pub refused_at: Option<String>,
}

/// What a run found out: a verdict for each value, in their order, and the coverage.
pub struct Outcome {
    /// One a value.
    pub verdicts: Vec<Verdict>,
    /// The whole.
    pub verification: Verification,
}

/// Compares leaked values with all that the stores hold. `None` is a finding whose value is not known. Runs on rayon's current
/// pool; a store is waited for more than computed with, so that more threads than cores pay.
#[must_use]
pub fn verify(values: &[Option<&Secret>], stores: &[Opened<'_>], options: &Options<'_>) -> Outcome {
    let chosen = Chosen::new(values, options.limits, options.key);
    let mut verification = chosen.counts();
    let found: Mutex<BTreeMap<usize, Found>> = Mutex::new(BTreeMap::new());
    let reuse = options
        .reuse
        .then(|| reuse::Reuse::new(options.key, u32::from(options.limits.min_bits)));
    for opened in stores {
        let coverage = match &opened.store {
            Err(error) => not_asked(opened.name, error),
            Ok(store) => {
                let pass = Pass {
                    opened,
                    options,
                    needles: &chosen.needles,
                    found: &found,
                    reuse: reuse.as_ref(),
                };
                pass.read(*store)
            }
        };
        verification.stores.push(coverage);
    }
    let nowhere = nowhere(&verification.stores);
    let mut found = found.into_inner().unwrap_or_else(|e| e.into_inner());
    let by_needle: Vec<Verdict> = chosen
        .needles
        .values()
        .iter()
        .enumerate()
        .map(|(n, value)| {
            let known = (options.remembered)(value);
            let remembered = known
                .as_ref()
                .filter(|known| past::is_read(&known.place, &verification));
            let mut verdict = match (found.remove(&n), remembered) {
                (Some(found), _) => found.verdict(stores, options),
                (None, Some(known)) => past::gone(known.place.clone(), stores),
                (None, None) => blank(nowhere.clone()),
            };
            past::died(&mut verdict, known);
            verdict
        })
        .collect();
    if let Some(reuse) = reuse {
        verification.shared = reuse.shared();
    }
    let verdicts = chosen.of.iter().map(|of| match of {
        Ok(n) => by_needle.get(*n).cloned(),
        Err(why) => Some(blank(StoreState::NotCompared { why: *why })),
    });
    Outcome {
        verdicts: verdicts
            .map(|verdict| verdict.expect("each chosen value has a verdict"))
            .collect(),
        verification,
    }
}

/// Returns the state of a value that was met nowhere in these stores.
fn nowhere(stores: &[StoreCoverage]) -> StoreState {
    let is_unread = |store: &StoreCoverage| store.versions == 0 && !store.is_read();
    StoreState::NotFound {
        complete: !stores.is_empty() && stores.iter().all(StoreCoverage::is_complete),
        unread: !stores.is_empty() && stores.iter().all(is_unread),
    }
}

/// One store being read.
struct Pass<'p> {
    opened: &'p Opened<'p>,
    options: &'p Options<'p>,
    needles: &'p needles::Needles,
    found: &'p Mutex<BTreeMap<usize, Found>>,
    reuse: Option<&'p reuse::Reuse>,
}

impl Pass<'_> {
    fn read(&self, store: &dyn SecretStore) -> StoreCoverage {
        let Self {
            opened, options, ..
        } = *self;
        let look = |seen: &stream::Seen<'_>, field: Field<'_>| {
            self.needles.meet(seen.key.as_str(), field, |meeting| {
                let hit = hit(opened, options, seen, field.name, &meeting);
                let mut found = self.found.lock().unwrap_or_else(|e| e.into_inner());
                found.entry(meeting.needle).or_default().add(hit);
            });
            if let Some(reuse) = self.reuse {
                reuse.see(field, || place(opened, options, seen, field.name, ""), seen);
            }
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
        coverage.narrowed = opened.narrowed || !opened.prefixes.is_empty();
        coverage
    }
}

/// Returns the coverage of a store that could not be opened.
fn not_asked(name: &str, error: &StoreError) -> StoreCoverage {
    StoreCoverage {
        store: name.to_owned(),
        stopped: Some(format!("{}; {}", error.what, error.help)),
        faults: BTreeSet::from([error.kind()]),
        ..StoreCoverage::default()
    }
}

/// Returns a verdict that says no more than a state.
fn blank(store: StoreState) -> Verdict {
    let provider = ProviderState::NotChecked;
    Verdict {
        urgency: urgency(&store, &provider),
        store,
        provider,
        refused_at: None,
        place: None,
        by: None,
        owner: None,
        readers: None,
        age: None,
        also: Vec::new(),
        more: 0,
        uses: Vec::new(),
    }
}

/// One place where a value was met.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hit {
    state: StoreState,
    kind: MatchKind,
    place: StorePlace,
    owner: Option<String>,
    changed: Option<i64>,
    max_age_days: Option<u32>,
}

impl Hit {
    /// What says most comes first.
    fn order(&self) -> (MatchKind, (u8, u32), &StorePlace) {
        // A sure match in an old version says more than a part of something current.
        let kind = match self.kind {
            MatchKind::Decoded | MatchKind::Fingerprint => MatchKind::Exact,
            kind => kind,
        };
        (kind, judge::rank(&self.state), &self.place)
    }
}

fn place(
    opened: &Opened<'_>,
    options: &Options<'_>,
    seen: &stream::Seen<'_>,
    field: &str,
    way: &str,
) -> StorePlace {
    let environment = seen.info.environment.clone();
    let environment = environment.or_else(|| opened.environment.map(str::to_owned));
    let field = match (field.is_empty(), way.is_empty()) {
        (true, true) => None,
        (false, true) => Some(field.to_owned()),
        (_, false) => Some(format!("{field}#{way}")),
    };
    StorePlace {
        store: opened.name.to_owned(),
        key: seen.key.as_str().to_owned(),
        version: Some(seen.version.id.as_str().to_owned()).filter(|id| !id.is_empty()),
        field,
        environment: environment.or_else(|| (options.environment)(seen.key.as_str())),
    }
}

fn hit(
    opened: &Opened<'_>,
    options: &Options<'_>,
    seen: &stream::Seen<'_>,
    field: &str,
    meeting: &needles::Meeting<'_>,
) -> Hit {
    let state = match meeting.kind {
        MatchKind::Identity => StoreState::IdentityOnly,
        _ => seen.state.clone(),
    };
    Hit {
        state,
        kind: meeting.kind,
        place: place(opened, options, seen, field, meeting.way),
        owner: seen.info.owner.clone(),
        changed: seen.info.changed,
        max_age_days: opened.max_age_days,
    }
}

/// All places of one value.
#[derive(Default)]
struct Found {
    hits: Vec<Hit>,
    beyond: u64,
}

impl Found {
    fn add(&mut self, hit: Hit) {
        self.hits.push(hit);
        if self.hits.len() > 2 * MAX_PLACES {
            self.settle();
        }
    }

    /// Sorts, joins what is one place, and keeps the first.
    fn settle(&mut self) {
        self.hits.sort_by(|a, b| a.order().cmp(&b.order()));
        // One place may be met whole and in part: the surest stays.
        let mut seen = BTreeSet::new();
        self.hits.retain(|hit| {
            let place = &hit.place;
            let root = place.field.as_deref().map(|f| f.split('#').next());
            seen.insert((
                place.store.clone(),
                place.key.clone(),
                place.version.clone(),
                root.flatten().map(str::to_owned),
            ))
        });
        self.beyond += self.hits.len().saturating_sub(MAX_PLACES) as u64;
        self.hits.truncate(MAX_PLACES);
    }

    fn verdict(mut self, stores: &[Opened<'_>], options: &Options<'_>) -> Verdict {
        self.settle();
        // The user's name of a leaked URL stands in many keys: they have nothing of its password.
        let is_sure = self.hits.iter().any(|hit| hit.kind != MatchKind::Identity);
        self.hits
            .retain(|hit| !is_sure || hit.kind != MatchKind::Identity);
        let mut hits = self.hits.into_iter();
        let first = hits.next().expect("a value that was met has a place");
        let readers = options
            .readers
            .then(|| readers_of(stores, &first.place))
            .flatten();
        let days = first
            .changed
            .map(|changed| options.now.saturating_sub(changed).max(0) / 86_400)
            .and_then(|days| u32::try_from(days).ok());
        let mut also: Vec<StorePlace> = hits.map(|hit| hit.place).collect();
        let more = also.len().saturating_sub(Verdict::MAX_ALSO) as u64 + self.beyond;
        also.truncate(Verdict::MAX_ALSO);
        let mut verdict = blank(first.state);
        verdict.place = Some(first.place);
        verdict.by = Some(first.kind);
        verdict.owner = first.owner;
        verdict.readers = readers;
        verdict.age = days.map(|days| Age {
            days,
            allowed_days: first.max_age_days,
        });
        verdict.also = also;
        verdict.more = more;
        verdict
    }
}

/// Asks a store who reads a key; `None` if it cannot tell.
fn readers_of(stores: &[Opened<'_>], place: &StorePlace) -> Option<crate::model::Readers> {
    let opened = stores.iter().find(|opened| opened.name == place.store)?;
    let store = opened.store.as_ref().ok()?;
    let can: Capabilities = store.capabilities();
    if !can.readers {
        return None;
    }
    store.readers(&KeyPath::new(place.key.clone())).ok()
}

//! Reuse on history: values of earlier versions of files, beside those of the files as they are.
//!
//! What counts, and why:
//! - A version is a pair of path and content, told once however many commits have it. Only versions count to which a commit leads that
//!   is reachable (with `--unreachable` all), of paths whose kind may hold values to compare, and values in a provider's format that
//!   the rules found in any file. Everything else that lints know stays with the files as they are: nobody can mend an old version.
//! - A value that the file still has under its path is no earlier one: its place is the one in the tree, and it is not told twice. One
//!   that only earlier versions have is a place of its own, with the commit that brought it. So an old secret of one environment that
//!   equals a new, or another old, one of another environment is told: whoever reads the history has it. A step lower, as one side
//!   may have been rotated since.
//! - A file that was renamed took its value along: the old path is the same place. That is a commit which has the new path and not the
//!   old one, whose parents have the old one with the value and not the new one; or the same between HEAD and the work tree.
//! - Layers and services are those of the files as they are: who took an old default over is not known, and what moved from one
//!   service to another in the past is mostly code that was split.
//!
//! Cost: trees are not decoded again; of contents only those are, whose path can hold values, each once a path, on all threads, and
//! only those are parsed in which a word hints at a secret. Of a value digests are kept, one record a path, key and value
//! ([`MAX_ROWS`]); the bytes are dropped. What is reported is read once more, for what is shown of it.
//!
//! Incomplete histories (shallow, missing or damaged contents) are told with the coverage, and make the run incomplete as the
//! scan of their contents does.

mod renames;
mod rows;
mod shown;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use renames::Renames;
use rows::{Row, Rows};

use super::{
    super::{Options, hits::RawHit, layers::Layers, origin::Origin},
    FactHit, Habits, Policy,
    findings::settle,
};
use crate::{
    model::{BlobPath, Digest, Ledger, ObjectId, Place},
    policy::{self, FactData, Index, Pointer, reuse::Prints},
    rules::Shape,
    sources::{Run, history::History},
};

/// Most rounds in which places are looked at that come in sight when others go.
const MAX_ROUNDS: usize = 8;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A secret in a provider's format.
#[derive(Clone, Copy)]
pub(in super::super) struct Format {
    digest: Digest,
    length: usize,
    start: u64,
}

/// Secrets in providers' formats by the content that they stand in.
pub(in super::super) type Formats = BTreeMap<ObjectId, Vec<Format>>;

/// Returns the secrets in providers' formats that the user's own rules found in the contents of a history.
pub(in super::super) fn formats(hits: &[RawHit], options: &Options) -> Formats {
    let mut formats = Formats::new();
    if options.policy.is_none() {
        return formats;
    }
    let knows_format = |rule: u32| {
        let rule = options.rules.rules.get(rule as usize);
        rule.is_some_and(|rule| {
            matches!(rule.shape, Shape::Token { .. }) && !options.guests.contains(&rule.meta.id)
        })
    };
    for hit in hits {
        let is_plain = hit.encodings.is_empty() && hit.member.is_none();
        let is_blob = is_plain && hit.provenance.place == Place::History;
        if let (true, Some(object)) = (is_blob && knows_format(hit.rule), hit.provenance.object) {
            formats.entry(object).or_default().push(Format {
                digest: hit.digest,
                length: hit.secret.len(),
                start: hit.location.byte_start,
            });
        }
    }
    formats
}

/// Adds what earlier versions hold to what was gathered, in the run over a whole history.
pub(in super::super) fn past(
    origin: &Origin,
    options: &Options,
    layers: &Layers<'_>,
    formats: &Formats,
    run: &Run<'_>,
    habits: &mut Habits,
    ledger: &mut Ledger,
) {
    let (Origin::History(history), Some(rules)) = (origin, options.policy.as_deref()) else {
        return;
    };
    if run.stopped() {
        return;
    }
    let rows = rows::read(history, options, rules, formats, run, ledger);
    date(history, rules, &rows, &mut habits.facts);
    settle(&mut habits.facts);
    let mut entries = candidates(&rows, &habits.facts);
    let mut renames = Renames::new(history, &rows, &habits.paths, &habits.facts);
    for _ in 0..MAX_ROUNDS {
        let before = entries.len();
        let pointed = pointed(habits, &entries, rules);
        let mut number = 0;
        entries.retain_mut(|entry| {
            number += 1;
            let is_new = pointed.contains(&(number - 1)) && !entry.is_told;
            entry.is_told |= is_new;
            !(is_new && renames.took_along(entry.row))
        });
        if entries.len() == before {
            break;
        }
    }
    shown::show(history, options, layers, &rows, run, &mut entries);
    let hits = entries.into_iter().map(|entry| entry.hit);
    habits.facts.extend(hits);
}

/// A value that only earlier versions hold, and that meets another place.
struct Entry<'r> {
    row: &'r Row,
    /// What the lints see of it; without what is shown until it is told.
    hit: FactHit,
    /// Whether a fault points at it.
    is_told: bool,
}

/// Returns the digests on which a value meets others, with what they are digests of.
fn forms(prints: &Prints) -> impl Iterator<Item = (u8, Digest)> {
    let whole = std::iter::once(prints.value).chain(prints.encoded.iter().copied());
    let whole = whole.map(|digest| (0, digest));
    let near = [(1, prints.c1), (2, prints.c2), (4, prints.folded)];
    let near = near
        .into_iter()
        .filter_map(|(kind, digest)| Some((kind, digest?)));
    let cores = prints.cores.iter().map(|core| (3, *core));
    whole.chain(near).chain(cores)
}

/// Returns the value of a fact, if it is one that is compared.
fn prints(hit: &FactHit) -> Option<(&str, &Prints)> {
    match &hit.fact.data {
        FactData::Site(site) => Some((&site.key, site.prints()?)),
        FactData::JobSecret(_) | FactData::Item(_) => None,
    }
}

/// Returns the values that only earlier versions have and that meet a value under another path or key.
fn candidates<'r>(rows: &'r Rows, facts: &[FactHit]) -> Vec<Entry<'r>> {
    let now: Vec<(&BlobPath, &str, &Prints)> = facts
        .iter()
        .filter_map(|hit| {
            let (key, prints) = prints(hit)?;
            Some((&hit.fact.path, key, prints))
        })
        .collect();
    let held: std::collections::HashSet<(&BlobPath, Digest)> = now
        .iter()
        .map(|(path, _, prints)| (*path, prints.value))
        .collect();
    let earlier: Vec<(&Row, &BlobPath, &Prints)> = rows
        .rows
        .iter()
        .filter_map(|row| {
            let (path, prints) = (rows.path(row)?, row.site.prints()?);
            (!held.contains(&(path, prints.value))).then_some((row, path, prints))
        })
        .collect();
    let places = now.iter().copied();
    let then = earlier
        .iter()
        .map(|(row, path, prints)| (*path, row.site.key.as_str(), *prints));
    let mut owners: HashMap<(u8, Digest), (&BlobPath, &str, bool)> = HashMap::new();
    for (path, key, prints) in places.chain(then) {
        for form in forms(prints) {
            let (owner, name, shared) = owners.entry(form).or_insert((path, key, false));
            *shared |= (*owner, *name) != (path, key);
        }
    }
    let meets = |prints: &Prints| {
        forms(prints).any(|form| owners.get(&form).is_some_and(|(.., shared)| *shared))
    };
    let met = earlier.iter().filter(|(.., prints)| meets(prints));
    met.map(|(row, path, _)| Entry {
        row,
        hit: shown::light(row, path),
        is_told: false,
    })
    .collect()
}

/// Returns the numbers of the entries that faults point at.
fn pointed(habits: &Habits, entries: &[Entry<'_>], rules: &Policy) -> BTreeSet<usize> {
    let now = habits.facts.len();
    let all = habits
        .facts
        .iter()
        .chain(entries.iter().map(|entry| &entry.hit));
    let facts: Vec<policy::Gathered> = all.map(|hit| hit.fact.clone()).collect();
    let index = Index {
        paths: &habits.paths,
        facts: &facts,
        environments: &rules.environments,
        whole: true,
        changed: &|_| true,
    };
    let faults = policy::cross(&index);
    let pointers = faults.iter().flat_map(|fault| {
        let related = fault.related.iter().map(|(pointer, _)| pointer);
        std::iter::once(&fault.primary).chain(related)
    });
    pointers
        .filter_map(|pointer| match pointer {
            Pointer::Fact(number) => number.checked_sub(now),
            Pointer::File(_) => None,
        })
        .collect()
}

/// Tells the facts of files as they are since when their values are known.
fn date(history: &History, rules: &Policy, rows: &Rows, facts: &mut [FactHit]) {
    let Some(today) = rules.today else {
        return;
    };
    let mut first: HashMap<Digest, u32> = HashMap::new();
    for row in &rows.rows {
        if let (Some(prints), Some(since)) = (row.site.prints(), rows.since(row)) {
            let known = first.entry(prints.value).or_insert(since);
            *known = since.min(*known);
        }
    }
    let mut dates: HashMap<u32, Option<i64>> = HashMap::new();
    for hit in facts {
        let since = prints(hit).and_then(|(_, prints)| first.get(&prints.value));
        let Some(since) = since.copied() else {
            continue;
        };
        let date = *dates.entry(since).or_insert_with(|| history.date_at(since));
        let days = date.map(|date| today.saturating_sub(date).div_euclid(DAY));
        hit.fact.past.age_days = days.and_then(|days| u32::try_from(days).ok());
    }
}

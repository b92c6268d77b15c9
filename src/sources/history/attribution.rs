//! Which commit, author, date and path a finding has, whether HEAD still holds it, and whether anything leads to it.
//!
//! Asked only for what was found: one more pass over the trees, and nothing else is decoded but the commits named.

use std::collections::{BTreeMap, HashMap};

use super::{
    super::repo::{Commit, Finder, Head, Kind, Signature, Tag},
    History,
    ages::{Age, ages},
    catalog::Number,
    forest::Forest,
    graph::Graph,
    places::{Ground, Places},
    reach::Reach,
    record::{Record, Recorder, Room},
    trees::{Collector, Targets},
};
use crate::{
    model::{Attribution, BlobPath, CommitInfo, ObjectId},
    sources::Run,
};

/// Largest commit or tag that is read for its author.
const MAX_COMMIT: u64 = 64 << 20;

/// What is to be attributed: keys (numbers of findings) and what holds their secrets.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    objects: Vec<(u32, ObjectId)>,
    names: Vec<(u32, Vec<u8>)>,
}

impl Wanted {
    /// Adds a blob, commit or tag that holds the secret of a key.
    pub fn object(&mut self, key: u32, id: ObjectId) {
        self.objects.push((key, id));
    }

    /// Adds the name of a file or folder ([`crate::model::Place::FileName`]) that holds the secret of a key.
    pub fn name(&mut self, key: u32, name: &[u8]) {
        self.names.push((key, name.to_vec()));
    }

    /// Returns the objects with their keys.
    pub(super) fn objects(&self) -> impl Iterator<Item = (u32, ObjectId)> {
        self.objects.iter().copied()
    }

    /// Returns the names with their keys.
    pub(super) fn names(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.names.iter().map(|(key, name)| (*key, name.as_slice()))
    }

    /// Tells whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.names.is_empty()
    }
}

/// The answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributions {
    /// By key: each key that was asked for. For a secret in a tag alone, `introduced` is the tag with its tagger.
    pub keys: BTreeMap<u32, Attribution>,
    /// Where each wanted object stands.
    pub objects: BTreeMap<ObjectId, Places>,
    /// Where each wanted name stands: paths that end in it.
    pub names: BTreeMap<Vec<u8>, Places>,
    /// What a reader must know to judge them.
    pub notes: Vec<String>,
}

impl History {
    /// Attributes what was found. Costs one pass over the trees, however much is wanted; nothing if nothing is.
    pub fn attribute(&self, wanted: &Wanted, run: &Run<'_>) -> Attributions {
        if wanted.is_empty() {
            return Attributions::default();
        }
        let mut ids: Vec<ObjectId> = wanted.objects.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut names: Vec<Vec<u8>> = wanted.names.iter().map(|(_, name)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let targets = ids.len() + names.len();
        let forest = self.forest(&ids, &names, run);
        let reach = self.reach(run);
        let ground = self.ground(&forest, &reach, run);
        let mut places = ground.places(&ids, targets).into_iter();
        let objects: BTreeMap<ObjectId, Places> =
            ids.iter().copied().zip(places.by_ref()).collect();
        let names: BTreeMap<Vec<u8>, Places> = names.into_iter().zip(places).collect();
        let keys = wanted.by_key();
        let numbers = Numbers::new(&ids, &names);
        let lists: Vec<Vec<u32>> = keys.values().map(|holders| numbers.of(holders)).collect();
        let ages = ages(&ground, &lists, targets);
        let mut teller = Teller::new(self, &ground);
        let keys = keys
            .iter()
            .zip(ages)
            .map(|((key, holders), age)| (*key, teller.attribution(holders, age, &objects, &names)))
            .collect();
        Attributions {
            keys,
            objects,
            names,
            notes: Vec::new(),
        }
    }

    /// Finds the trees that lead to objects and names.
    pub(super) fn forest(&self, ids: &[ObjectId], names: &[Vec<u8>], run: &Run<'_>) -> Forest {
        run.progress.begin("folders", 0);
        match self.record(run) {
            Some(record) => record.forest(self.catalog(), ids, names, run.threads),
            None => self.forest_of_walk(ids, names, run),
        }
    }

    /// Does the same with a walk over all trees for these targets alone: slower, but needs room for what it finds only.
    pub(super) fn forest_of_walk(
        &self,
        ids: &[ObjectId],
        names: &[Vec<u8>],
        run: &Run<'_>,
    ) -> Forest {
        let catalog = self.catalog();
        let targets = Targets::new(ids, names);
        let walk = self.walk_of(&[Kind::Tree], run);
        let make = || Collector::new(catalog, &targets);
        let mut walked = walk.run(run.threads, run.progress, make, Collector::finish);
        let parts = walked.outputs.iter_mut();
        let parts = parts.map(|(names, part)| (&*names, std::mem::take(part)));
        Forest::new(catalog.len(), parts.collect())
    }

    /// Returns the record of all trees, which the first reading left behind or one more walk makes. `None` if there was no room
    /// for it, or the run is stopped.
    pub(super) fn record(&self, run: &Run<'_>) -> Option<&Record> {
        let make = || {
            let room = Room::new(self.catalog().len());
            let walk = self.walk_of(&[Kind::Tree], run);
            let make = || Recorder::new(self.catalog(), &room);
            let walked = walk.run(run.threads, run.progress, make, Recorder::finish);
            Record::new(walked.outputs)
        };
        if run.stopped() {
            return None;
        }
        let record = self.record.get_or_init(make).as_ref();
        record.filter(|_| !run.stopped())
    }

    /// Finds what is reachable.
    pub(super) fn reach(&self, run: &Run<'_>) -> Reach {
        let doubtful = self.settled.get().is_some_and(|settled| settled.differ);
        Reach::new(&self.repository, self.catalog(), self.graph(run), doubtful)
    }

    /// Puts together what places and ages are computed from.
    pub(super) fn ground<'g>(
        &'g self,
        forest: &'g Forest,
        reach: &'g Reach,
        run: &Run<'_>,
    ) -> Ground<'g> {
        let catalog = self.catalog();
        let graph = self.graph(run);
        let head = match self.repository.head() {
            Head::Commit(id) => catalog
                .number(id.as_bytes())
                .and_then(|number| graph.place(number)),
            Head::Unborn | Head::Broken(_) => None,
        };
        Ground {
            catalog,
            graph,
            reach,
            indexes: self.indexes(),
            forest,
            head,
        }
    }
}

/// What holds the secret of one key.
#[derive(Default)]
struct Holders<'w> {
    objects: Vec<ObjectId>,
    names: Vec<&'w [u8]>,
}

impl Wanted {
    fn by_key(&self) -> BTreeMap<u32, Holders<'_>> {
        let mut keys: BTreeMap<u32, Holders<'_>> = BTreeMap::new();
        for (key, id) in &self.objects {
            keys.entry(*key).or_default().objects.push(*id);
        }
        for (key, name) in &self.names {
            keys.entry(*key).or_default().names.push(name);
        }
        keys
    }
}

/// The numbers of targets: ids first, then names.
struct Numbers<'n> {
    ids: HashMap<ObjectId, u32>,
    names: HashMap<&'n [u8], u32>,
}

impl<'n> Numbers<'n> {
    fn new(ids: &[ObjectId], names: &'n BTreeMap<Vec<u8>, Places>) -> Self {
        let after = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        Self {
            ids: ids.iter().copied().zip(0..).collect(),
            names: names.keys().map(Vec::as_slice).zip(after..).collect(),
        }
    }

    fn of(&self, holders: &Holders<'_>) -> Vec<u32> {
        let ids = holders.objects.iter().filter_map(|id| self.ids.get(id));
        let names = holders.names.iter().filter_map(|name| self.names.get(name));
        ids.chain(names).copied().collect()
    }
}

/// Puts ages into words: reads the commits that are named.
struct Teller<'t> {
    ground: &'t Ground<'t>,
    finder: Finder<'t>,
    known: HashMap<ObjectId, Option<CommitInfo>>,
}

impl<'t> Teller<'t> {
    fn new(history: &'t History, ground: &'t Ground<'t>) -> Self {
        Self {
            ground,
            finder: Finder::new(history.store(), MAX_COMMIT, 4 << 20),
            known: HashMap::new(),
        }
    }

    fn attribution(
        &mut self,
        holders: &Holders<'_>,
        age: Age,
        objects: &BTreeMap<ObjectId, Places>,
        names: &BTreeMap<Vec<u8>, Places>,
    ) -> Attribution {
        let graph: &Graph = self.ground.graph;
        let numbers = holders.objects.iter().filter_map(|id| {
            let number = self.ground.catalog.number(id.as_bytes())?;
            Some((*id, number))
        });
        let numbers: Vec<(ObjectId, Number)> = numbers.collect();
        // A commit introduces what its own text holds.
        let texts = numbers
            .iter()
            .filter_map(|(_, number)| graph.place(*number));
        let own = texts.min_by_key(|place| (!self.ground.reach.commit(*place), *place));
        let first = match (age.introduced, own) {
            (Some(tree), Some(own)) => Some(tree.min(own)),
            (tree, own) => tree.or(own),
        };
        let tags = numbers.iter().filter(|(_, n)| graph.tags.contains_key(n));
        let tag = tags.map(|(id, _)| *id).min();
        let reachable = holders
            .objects
            .iter()
            .any(|id| objects.get(id).is_some_and(|places| places.reachable))
            || holders
                .names
                .iter()
                .any(|name| names.get(*name).is_some_and(|places| places.reachable));
        Attribution {
            introduced: match first {
                Some(place) => self.commit(place),
                None => tag.and_then(|id| self.info(id)),
            },
            last_seen: age.last_seen.and_then(|place| self.commit(place)),
            removed: age.removed.and_then(|place| self.commit(place)),
            at_head: age.at_head,
            reachable,
            path: age.path.filter(|_| first == age.introduced),
        }
    }

    fn commit(&mut self, place: u32) -> Option<CommitInfo> {
        let id = self.ground.catalog.id(self.ground.graph.number(place))?;
        self.info(id)
    }

    fn info(&mut self, id: ObjectId) -> Option<CommitInfo> {
        if let Some(info) = self.known.get(&id) {
            return info.clone();
        }
        let info = read_info(&mut self.finder, id);
        self.known.insert(id, info.clone());
        info
    }
}

/// Reads the author of a commit, or the tagger of a tag.
pub(super) fn read_info(finder: &mut Finder<'_>, id: ObjectId) -> Option<CommitInfo> {
    let (kind, bytes) = finder.find(&id).ok()?;
    let signature = match kind {
        Kind::Commit => Commit::parse(&bytes)?.author,
        Kind::Tag => Tag::parse(&bytes)?.tagger,
        Kind::Tree | Kind::Blob => return None,
    };
    Some(CommitInfo {
        id,
        author: BlobPath::new(signature.name).to_text().into_owned(),
        date: rfc3339(&signature),
    })
}

/// Writes a date with its own offset (RFC 3339 section 5.6); years beyond four digits are held at the ends.
pub(super) fn rfc3339(signature: &Signature<'_>) -> String {
    const LAST: i64 = 253_402_300_799;
    const FIRST: i64 = -62_167_219_200;
    let offset = i64::from(signature.offset_minutes);
    let local = signature
        .seconds
        .saturating_add(offset * 60)
        .clamp(FIRST, LAST);
    let (days, seconds) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{hours:02}:{minutes:02}"
    )
}

/// Returns year, month and day of a day counted from 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`).
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn writes_dates_with_their_offset() {
        let at = |seconds, offset_minutes| {
            rfc3339(&Signature {
                name: b"",
                seconds,
                offset_minutes,
            })
        };
        assert_eq!(at(0, 0), "1970-01-01T00:00:00+00:00");
        assert_eq!(at(1_709_210_096, 90), "2024-02-29T14:04:56+01:30");
        assert_eq!(at(1_709_164_800, -210), "2024-02-28T20:30:00-03:30");
        assert_eq!(at(-1, 0), "1969-12-31T23:59:59+00:00");
        assert_eq!(at(i64::MAX, 720), "9999-12-31T23:59:59+12:00");
        assert_eq!(at(i64::MIN, 0), "0000-01-01T00:00:00+00:00");
    }
}

//! Attribution inside a range: which of its commits brought a secret, and whether a later one took it away again.

mod head;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::repo::{Finder, Kind, TreeEntries},
    Attributions, Places, Range, Wanted,
    attribution::read_info,
    plan::Plan,
    range::CACHE,
};
use crate::{
    model::{Attribution, BlobPath, CommitInfo, ObjectId},
    sources::Run,
};

/// Most (commit, path) pairs looked at for when a secret was last seen and removed; beyond it that stays unknown.
const MAX_LOOKS: usize = 5_000_000;

/// What holds the secret of a key at a path.
type Spot = (BlobPath, ObjectId);

impl Range {
    /// Attributes what was found. Commits outside the range are not looked at: `introduced` is the range's first commit
    /// that holds the secret.
    pub fn attribute(&self, wanted: &Wanted, run: &Run<'_>) -> Attributions {
        let mut answers = Attributions::default();
        if wanted.is_empty() {
            return answers;
        }
        let plan = self.plan();
        let mut looker = Looker::new(self, plan);
        let ids: BTreeSet<ObjectId> = wanted.objects().map(|(_, id)| id).collect();
        let head = looker.in_head(&ids, run);
        answers.notes = head.notes();
        for id in &ids {
            let brought = plan.blobs.get(id);
            let mut paths = brought.map(|b| b.paths.clone()).unwrap_or_default();
            paths.sort();
            let places = Places {
                more_paths: paths.len() >= super::MAX_PATHS,
                paths,
                head_paths: head.paths.get(id).cloned().unwrap_or_default(),
                reachable: true,
                symlink: brought.is_some_and(|b| b.link),
            };
            answers.objects.insert(*id, places);
        }
        let mut keys: BTreeMap<u32, KeyFacts> = BTreeMap::new();
        for (key, id) in wanted.objects() {
            let facts = keys.entry(key).or_default();
            facts.blob(plan, id);
            facts.commit(plan, id);
            facts.at_head |= head.paths.contains_key(&id);
        }
        for (key, name) in wanted.names() {
            let path = BlobPath::new(name);
            let facts = keys.entry(key).or_default();
            if let Some(place) = plan.names.get(&path) {
                facts.first(*place, Some(path.clone()));
            }
            let places = Places {
                paths: vec![path],
                reachable: true,
                ..Places::default()
            };
            answers.names.insert(name.to_vec(), places);
        }
        let looks: usize = keys.values().map(|facts| facts.spots.len()).sum();
        let few = looks.saturating_mul(plan.commits.len()) <= MAX_LOOKS;
        for (key, facts) in keys {
            let life = if few && !run.stopped() {
                looker.life(&facts)
            } else {
                Life::default()
            };
            let answer = looker.answer(facts, &life);
            answers.keys.insert(key, answer);
        }
        answers
    }
}

/// What the plan says of one key.
#[derive(Default)]
struct KeyFacts {
    /// The first commit, by place, and its path.
    introduced: Option<(usize, Option<BlobPath>)>,
    /// Where blobs with the secret stand or stood.
    spots: BTreeSet<Spot>,
    at_head: bool,
}

impl KeyFacts {
    fn first(&mut self, place: usize, path: Option<BlobPath>) {
        let earlier = self.introduced.as_ref().is_none_or(|(p, _)| place < *p);
        if earlier {
            self.introduced = Some((place, path));
        }
    }

    fn blob(&mut self, plan: &Plan, id: ObjectId) {
        if let Some(brought) = plan.blobs.get(&id) {
            self.first(brought.commit, brought.paths.first().cloned());
            self.spots
                .extend(brought.paths.iter().map(|path| (path.clone(), id)));
        }
    }

    fn commit(&mut self, plan: &Plan, id: ObjectId) {
        if let Some(place) = plan.commits.iter().position(|commit| commit.id == id) {
            self.first(place, None);
        }
    }
}

/// What became of a secret, by places of commits.
#[derive(Default)]
struct Life {
    last_seen: Option<usize>,
    removed: Option<usize>,
}

/// Reads trees and commits.
struct Looker<'l> {
    range: &'l Range,
    plan: &'l Plan,
    finder: Finder<'l>,
    id_len: usize,
}

impl<'l> Looker<'l> {
    fn new(range: &'l Range, plan: &'l Plan) -> Self {
        Self {
            range,
            plan,
            finder: Finder::new(range.repository.store(), range.max, CACHE).verifying(),
            id_len: range.repository.id_len(),
        }
    }

    /// Follows the spots of a key through the range.
    fn life(&mut self, facts: &KeyFacts) -> Life {
        let mut life = Life::default();
        let mut known: BTreeMap<ObjectId, bool> = BTreeMap::new();
        let plan = self.plan;
        for (place, commit) in plan.commits.iter().enumerate() {
            let mut holds = |tree: ObjectId| {
                *known
                    .entry(tree)
                    .or_insert_with(|| facts.spots.iter().any(|spot| self.holds(tree, spot)))
            };
            if holds(commit.tree) {
                life.last_seen = Some(place);
            } else if !commit.parents.is_empty() && commit.parents.iter().all(|p| holds(p.1)) {
                life.removed = Some(place);
            }
        }
        life
    }

    /// Tells whether a root tree holds a blob at a path.
    fn holds(&mut self, root: ObjectId, (path, id): &Spot) -> bool {
        let mut tree = root;
        let mut names = path.as_bytes().split(|b| *b == b'/').peekable();
        while let Some(name) = names.next() {
            let Ok((Kind::Tree, bytes)) = self.finder.find(&tree) else {
                return false;
            };
            let entry = TreeEntries::new(&bytes, self.id_len).find(|entry| entry.name == name);
            let Some(below) = entry.and_then(|entry| entry.id()) else {
                return false;
            };
            if names.peek().is_none() {
                return below == *id;
            }
            tree = below;
        }
        false
    }

    fn answer(&mut self, facts: KeyFacts, life: &Life) -> Attribution {
        let removed = life.removed.filter(|_| !facts.at_head);
        let (introduced, path) = facts.introduced.unzip();
        Attribution {
            introduced: introduced.and_then(|place| self.info(place)),
            last_seen: life.last_seen.and_then(|place| self.info(place)),
            removed: removed.and_then(|place| self.info(place)),
            at_head: facts.at_head,
            reachable: true,
            path: path.flatten(),
        }
    }

    fn info(&mut self, place: usize) -> Option<CommitInfo> {
        let id = self.plan.commits.get(place)?.id;
        read_info(&mut self.finder, id)
    }
}

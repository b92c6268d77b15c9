//! When a key came, was last seen and went: sets of keys by tree, and their changes along the order of commits.
//!
//! A key stands for one finding, whose secret may be in many objects. Sets are bit sets over a few hundred keys at a time,
//! so that memory is bounded whatever the number of findings.

use super::{forest::Forest, graph::Graph, places::Ground};
use crate::model::BlobPath;

/// Most keys handled at once.
const BATCH: usize = 512;

/// What the commits say of one key. Commits are places in the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Age {
    /// The first commit whose tree holds it.
    pub(super) introduced: Option<u32>,
    /// The last one.
    pub(super) last_seen: Option<u32>,
    /// The commit of HEAD's history after which it was gone.
    pub(super) removed: Option<u32>,
    /// Whether HEAD's tree holds it.
    pub(super) at_head: bool,
    /// A path under which `introduced` holds it.
    pub(super) path: Option<BlobPath>,
}

/// Returns the ages of keys, each given by its targets.
pub(super) fn ages(ground: &Ground<'_>, keys: &[Vec<u32>], targets: usize) -> Vec<Age> {
    let before_head = ground.graph.ancestors(ground.head);
    let mut all = Vec::with_capacity(keys.len());
    for keys in keys.chunks(BATCH) {
        let batch = Batch::new(ground, keys, targets);
        all.extend(batch.ages(&before_head));
    }
    all
}

/// The sets of some keys by tree.
struct Batch<'g> {
    ground: &'g Ground<'g>,
    count: usize,
    /// Words of a set.
    words: usize,
    sets: Vec<u64>,
    /// Keys of the batch by target.
    of_target: Vec<Vec<u32>>,
}

impl<'g> Batch<'g> {
    fn new(ground: &'g Ground<'g>, keys: &[Vec<u32>], targets: usize) -> Self {
        let words = keys.len().div_ceil(64).max(1);
        let mut of_target = vec![Vec::new(); targets];
        for (key, targets) in (0_u32..).zip(keys) {
            for target in targets {
                if let Some(keys) = of_target.get_mut(*target as usize) {
                    keys.push(key);
                }
            }
        }
        let mut batch = Self {
            ground,
            count: keys.len(),
            words,
            sets: Vec::with_capacity(ground.forest.len() as usize * words),
            of_target,
        };
        batch.fill();
        batch
    }

    /// Computes the set of each tree from those of its children, which come before it.
    fn fill(&mut self) {
        let forest: &Forest = self.ground.forest;
        for tree in 0..forest.len() {
            let start = self.sets.len();
            self.sets.resize(start + self.words, 0);
            let (before, own) = self.sets.split_at_mut(start);
            for hit in forest.hits(tree) {
                let keys = self.of_target.get(hit.target as usize);
                for key in keys.map_or(&[][..], Vec::as_slice) {
                    if let Some(word) = own.get_mut(*key as usize / 64) {
                        *word |= 1 << (key % 64);
                    }
                }
            }
            for (child, _) in forest.children(tree) {
                let from = *child as usize * self.words;
                let child = before.get(from..from + self.words).unwrap_or_default();
                own.iter_mut()
                    .zip(child)
                    .for_each(|(own, child)| *own |= child);
            }
        }
    }

    fn of_tree(&self, tree: u32) -> &[u64] {
        let from = tree as usize * self.words;
        self.sets.get(from..from + self.words).unwrap_or_default()
    }

    /// Returns the set of a commit; empty if its tree leads to nothing.
    fn of_commit(&self, commit: u32) -> &[u64] {
        let tree = self.ground.graph.tree(commit);
        let place = tree.and_then(|tree| self.ground.forest.place(tree));
        place.map_or(&[], |place| self.of_tree(place))
    }

    fn ages(&self, before_head: &[bool]) -> Vec<Age> {
        let mut ages = vec![Age::default(); self.count];
        let n = self.ground.graph.len();
        // What is reachable counts first; the rest only for keys that stand nowhere else.
        for reachable in [true, false] {
            let member = |commit: &u32| self.ground.reach.commit(*commit) == reachable;
            let mut found = vec![(None, None); self.count];
            self.firsts((0..n).filter(member), |key, commit| {
                if let Some((first, _)) = found.get_mut(key) {
                    *first = Some(commit);
                }
            });
            self.firsts((0..n).rev().filter(member), |key, commit| {
                if let Some((_, last)) = found.get_mut(key) {
                    *last = Some(commit);
                }
            });
            for (age, (first, last)) in ages.iter_mut().zip(found) {
                if age.introduced.is_none() {
                    (age.introduced, age.last_seen) = (first, last);
                }
            }
        }
        if let Some(head) = self.ground.head {
            each_key(self.of_commit(head), |key| {
                if let Some(age) = ages.get_mut(key) {
                    age.at_head = true;
                }
            });
            self.removals(before_head, &mut ages);
        }
        for (key, age) in ages.iter_mut().enumerate() {
            age.path = age.introduced.and_then(|commit| self.path(commit, key));
        }
        ages
    }

    /// Calls `note` with each key at the first of the commits that has it.
    fn firsts(&self, commits: impl Iterator<Item = u32>, mut note: impl FnMut(usize, u32)) {
        let mut seen = vec![0_u64; self.words];
        let mut fresh = vec![0_u64; self.words];
        for commit in commits {
            let set = self.of_commit(commit);
            let mut any = 0;
            for ((fresh, seen), word) in fresh.iter_mut().zip(&mut seen).zip(set) {
                *fresh = word & !*seen;
                *seen |= word;
                any |= *fresh;
            }
            if any != 0 {
                each_key(&fresh, |key| note(key, commit));
            }
        }
    }

    /// Finds the commits of HEAD's history that took keys away: best those all of whose parents had it. A merge that only
    /// keeps one side's removal has a parent without it; it counts if nothing better is found.
    fn removals(&self, before_head: &[bool], ages: &mut [Age]) {
        let mut strict = vec![None; self.count];
        let mut weak = vec![None; self.count];
        let graph: &Graph = self.ground.graph;
        let members = (0_u32..).zip(before_head).filter(|(_, member)| **member);
        let (mut all, mut any) = (vec![0_u64; self.words], vec![0_u64; self.words]);
        for (commit, _) in members {
            let parents = graph.parents(commit);
            let same = |parent: &u32| graph.tree(*parent) == graph.tree(commit);
            if parents.iter().all(same) {
                continue;
            }
            all.fill(u64::MAX);
            any.fill(0);
            for parent in parents {
                let set = self.of_commit(*parent);
                for (at, (all, any)) in all.iter_mut().zip(&mut any).enumerate() {
                    let word = set.get(at).copied().unwrap_or(0);
                    *all &= word;
                    *any |= word;
                }
            }
            let own = self.of_commit(commit);
            for (at, (all, any)) in all.iter_mut().zip(&mut any).enumerate() {
                let word = own.get(at).copied().unwrap_or(0);
                *all &= !word;
                *any &= !word;
            }
            let note = |table: &mut [Option<u32>], key: usize| {
                if let Some(slot) = table.get_mut(key) {
                    *slot = Some(commit);
                }
            };
            each_key(&all, |key| note(&mut strict, key));
            each_key(&any, |key| note(&mut weak, key));
        }
        for ((age, strict), weak) in ages.iter_mut().zip(strict).zip(weak) {
            if !age.at_head {
                age.removed = strict.or(weak);
            }
        }
    }

    /// Returns the first path, in the order of trees, under which a commit holds a key.
    fn path(&self, commit: u32, key: usize) -> Option<BlobPath> {
        let forest = self.ground.forest;
        let mut tree = forest.place(self.ground.graph.tree(commit)?)?;
        let mut path = Vec::new();
        loop {
            let has = |target: u32| {
                let keys = self.of_target.get(target as usize);
                keys.is_some_and(|keys| keys.contains(&u32::try_from(key).unwrap_or(u32::MAX)))
            };
            if let Some(hit) = forest.hits(tree).iter().find(|hit| has(hit.target)) {
                path.extend_from_slice(forest.name(hit.name));
                return Some(BlobPath::new(path));
            }
            let holds = |child: u32| {
                let word = self.of_tree(child).get(key / 64).copied().unwrap_or(0);
                word >> (key % 64) & 1 == 1
            };
            let (child, name) = forest
                .children(tree)
                .iter()
                .find(|(child, _)| holds(*child))?;
            path.extend_from_slice(forest.name(*name));
            path.push(b'/');
            tree = *child;
        }
    }
}

/// Calls `note` with each member of a set.
fn each_key(set: &[u64], mut note: impl FnMut(usize)) {
    for (at, word) in set.iter().enumerate() {
        let mut rest = *word;
        while rest != 0 {
            note(at * 64 + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    }
}

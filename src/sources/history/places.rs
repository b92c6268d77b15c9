//! Under which paths wanted objects stand, and whether anything leads to them.

use std::collections::{HashMap, HashSet};

use super::{
    catalog::Catalog,
    forest::Forest,
    graph::{Graph, NONE},
    pairs::Seeds,
    reach::{Indexes, Reach},
};
use crate::model::{BlobPath, ObjectId};

/// Most paths kept of one object.
pub const MAX_PATHS: usize = 64;

/// Most paths under which one tree is entered: a few trees can make billions of paths.
pub(super) const MAX_TREE_PATHS: u16 = 256;

/// Where one object stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Its paths in all of history, sorted, at most [`MAX_PATHS`]. Empty for commits and tags, and for blobs that no tree
    /// holds.
    pub paths: Vec<BlobPath>,
    /// Whether there are more.
    pub more_paths: bool,
    /// Its paths in HEAD, sorted, at most [`MAX_PATHS`].
    pub head_paths: Vec<BlobPath>,
    /// Whether a reference, reflog or index leads to it.
    pub reachable: bool,
    /// Whether it is the target of a symbolic link wherever it stands.
    pub symlink: bool,
}

/// Paths under numbers, as (folder, name); 0 is the root.
#[derive(Default)]
struct PathTable {
    nodes: Vec<(u32, u32)>,
    numbers: HashMap<(u32, u32), u32, Seeds>,
}

impl PathTable {
    fn join(&mut self, folder: u32, name: u32) -> u32 {
        let next = u32::try_from(self.nodes.len() + 1).unwrap_or(u32::MAX);
        let nodes = &mut self.nodes;
        *self.numbers.entry((folder, name)).or_insert_with(|| {
            nodes.push((folder, name));
            next
        })
    }

    fn path(&self, forest: &Forest, mut number: u32) -> BlobPath {
        let mut names = Vec::new();
        while let Some((folder, name)) = number
            .checked_sub(1)
            .and_then(|at| self.nodes.get(at as usize))
        {
            names.push(forest.name(*name));
            number = *folder;
        }
        names.reverse();
        BlobPath::new(names.join(&b'/'))
    }
}

/// Since when targets stand under which paths.
#[derive(Default)]
pub(super) struct Since {
    /// The paths.
    pub(super) paths: Vec<BlobPath>,
    /// Path and target by number, the first commit that has the one under the other, and the last whose trees brought it anew; [`NONE`] if
    /// only an index has it.
    pub(super) rows: Vec<(u32, u32, u32, u32)>,
    /// Whether there are more paths than are kept.
    pub(super) more: bool,
}

/// What is known of one target while trees are visited.
#[derive(Clone, Default)]
struct Sighting {
    paths: Vec<u32>,
    /// The commit under which each path was met first; [`NONE`] if no commit leads to it.
    since: Vec<u32>,
    /// The last one whose trees, not met before, have it.
    until: Vec<u32>,
    more: bool,
    reachable: bool,
    link: bool,
    file: bool,
}

/// Visits trees under paths, each pair once.
struct Visit<'f> {
    forest: &'f Forest,
    table: PathTable,
    seen: HashSet<(u32, u32), Seeds>,
    /// The tree that was entered last under each path: mostly the one that comes next.
    last: Vec<u32>,
    counts: Vec<u16>,
    sightings: Vec<Sighting>,
    /// The commit whose trees are visited; [`NONE`] if those are of none.
    commit: u32,
}

impl<'f> Visit<'f> {
    fn new(forest: &'f Forest, targets: usize) -> Self {
        Self {
            forest,
            table: PathTable::default(),
            seen: HashSet::default(),
            last: Vec::new(),
            counts: vec![0; forest.len() as usize],
            sightings: vec![Sighting::default(); targets],
            commit: NONE,
        }
    }

    fn tree(&mut self, root: u32, reachable: bool) {
        if self.last.first() == Some(&root) {
            return;
        }
        let mut stack = vec![(root, 0)];
        while let Some((tree, folder)) = stack.pop() {
            let Some(count) = self.counts.get_mut(tree as usize) else {
                continue;
            };
            if *count >= MAX_TREE_PATHS || !self.seen.insert((tree, folder)) {
                continue;
            }
            *count += 1;
            self.enter(folder, tree);
            for hit in self.forest.hits(tree) {
                let path = self.table.join(folder, hit.name);
                if let Some(sighting) = self.sightings.get_mut(hit.target as usize) {
                    sighting.reachable |= reachable;
                    sighting.link |= hit.link;
                    sighting.file |= !hit.link;
                    if let Some(at) = sighting.paths.iter().position(|other| *other == path) {
                        if let Some(until) = sighting.until.get_mut(at) {
                            *until = self.commit;
                        }
                        continue;
                    }
                    if sighting.paths.len() < MAX_PATHS {
                        sighting.paths.push(path);
                        sighting.since.push(self.commit);
                        sighting.until.push(self.commit);
                    } else {
                        sighting.more = true;
                    }
                }
            }
            for (child, name) in self.forest.children(tree) {
                let path = self.table.join(folder, *name);
                if self.last.get(path as usize) != Some(child) {
                    stack.push((*child, path));
                }
            }
        }
    }

    fn enter(&mut self, folder: u32, tree: u32) {
        let at = folder as usize;
        if self.last.len() <= at {
            self.last.resize(at + 1, NONE);
        }
        if let Some(last) = self.last.get_mut(at) {
            *last = tree;
        }
    }

    fn paths(&self, target: usize) -> Vec<BlobPath> {
        let numbers = self.sightings.get(target).map(|s| s.paths.as_slice());
        let mut paths: Vec<BlobPath> = numbers
            .unwrap_or_default()
            .iter()
            .map(|path| self.table.path(self.forest, *path))
            .collect();
        paths.sort();
        paths
    }
}

/// What places are found from.
pub(super) struct Ground<'g> {
    /// All objects.
    pub(super) catalog: &'g Catalog,
    /// All commits.
    pub(super) graph: &'g Graph,
    /// What is reachable.
    pub(super) reach: &'g Reach,
    /// What is staged.
    pub(super) indexes: &'g Indexes,
    /// The trees that lead to the targets.
    pub(super) forest: &'g Forest,
    /// The commit of HEAD.
    pub(super) head: Option<u32>,
}

impl Ground<'_> {
    /// Returns the places of `targets` targets, of which the first are these ids.
    pub(super) fn places(&self, ids: &[ObjectId], targets: usize) -> Vec<Places> {
        let mut visit = Visit::new(self.forest, targets);
        self.visit_reachable(&mut visit);
        self.visit_rest(&mut visit);
        let mut head = Visit::new(self.forest, targets);
        if let Some(tree) = self.head.and_then(|head| self.root(head)) {
            head.tree(tree, true);
        }
        let mut places: Vec<Places> = visit
            .sightings
            .iter()
            .enumerate()
            .map(|(target, sighting)| Places {
                paths: visit.paths(target),
                more_paths: sighting.more,
                head_paths: head.paths(target),
                reachable: sighting.reachable || self.reach.all,
                symlink: sighting.link && !sighting.file,
            })
            .collect();
        let direct: HashSet<&ObjectId> = self.reach.direct.iter().collect();
        for (id, places) in ids.iter().zip(&mut places) {
            self.add_others(id, &direct, places);
        }
        places
    }

    /// Returns under which paths each of so many targets stands, and since which commit: of those that are reachable, or of all.
    /// Symbolic links are no files.
    pub(super) fn since(&self, targets: usize, unreachable: bool) -> Since {
        let mut visit = Visit::new(self.forest, targets);
        self.visit_reachable(&mut visit);
        if unreachable {
            self.visit_rest(&mut visit);
        }
        let mut since = Since::default();
        let mut known: HashMap<u32, u32> = HashMap::new();
        for (target, sighting) in (0_u32..).zip(&visit.sightings) {
            since.more |= sighting.more;
            let commits = sighting.since.iter().zip(&sighting.until);
            for (path, (commit, until)) in sighting.paths.iter().zip(commits) {
                if !sighting.file {
                    continue;
                }
                let number = *known.entry(*path).or_insert_with(|| {
                    since.paths.push(visit.table.path(self.forest, *path));
                    u32::try_from(since.paths.len() - 1).unwrap_or(NONE)
                });
                since.rows.push((number, target, *commit, *until));
            }
        }
        since
    }

    /// Returns the place of a commit's root tree, if it leads to anything.
    pub(super) fn root(&self, commit: u32) -> Option<u32> {
        self.forest.place(self.graph.tree(commit)?)
    }

    fn visit_reachable(&self, visit: &mut Visit<'_>) {
        for commit in (0..self.graph.len()).filter(|c| self.reach.commit(*c)) {
            if let Some(tree) = self.root(commit) {
                visit.commit = commit;
                visit.tree(tree, true);
            }
        }
        visit.commit = NONE;
        let staged = self.indexes.entries.keys().copied();
        let mut direct: Vec<ObjectId> = self.reach.direct.iter().copied().chain(staged).collect();
        direct.sort_unstable();
        for id in direct {
            let number = self.catalog.number(id.as_bytes());
            if let Some(tree) = number.and_then(|number| self.forest.place(number)) {
                visit.tree(tree, true);
            }
        }
    }

    /// Visits unreachable commits, then trees that no tree and no commit holds.
    fn visit_rest(&self, visit: &mut Visit<'_>) {
        for commit in (0..self.graph.len()).filter(|c| !self.reach.commit(*c)) {
            if let Some(tree) = self.root(commit) {
                visit.commit = commit;
                visit.tree(tree, false);
            }
        }
        visit.commit = NONE;
        if !visit.counts.contains(&0) {
            return;
        }
        // By number: the order of the forest depends on the threads that found it.
        for tree in self.forest.roots() {
            if visit.counts.get(tree as usize) == Some(&0) {
                visit.tree(tree, false);
            }
        }
        // What is left stands below roots that have more paths than are followed. Parents have larger places than children.
        for tree in (0..self.forest.len()).rev() {
            if visit.counts.get(tree as usize) == Some(&0) {
                visit.tree(tree, false);
            }
        }
    }

    /// Adds what is known of an object from elsewhere than trees.
    fn add_others(&self, id: &ObjectId, direct: &HashSet<&ObjectId>, places: &mut Places) {
        if let Some(staged) = self.indexes.entries.get(id) {
            places.reachable = true;
            for path in staged {
                if let Err(at) = places.paths.binary_search(path)
                    && places.paths.len() < MAX_PATHS
                {
                    places.paths.insert(at, path.clone());
                }
            }
        }
        places.reachable |= direct.contains(id);
        if let Some(number) = self.catalog.number(id.as_bytes()) {
            places.reachable |= self.reach.tags.contains(&number);
            let commit = self.graph.place(number);
            places.reachable |= commit.is_some_and(|place| self.reach.commit(place));
        }
    }
}

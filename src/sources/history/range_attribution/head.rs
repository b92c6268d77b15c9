//! Where wanted blobs stand in HEAD. Whether they do is known however its trees are made; of the paths so many as count.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::{
    super::{
        super::repo::{Commit, Head, Kind, TreeEntries},
        MAX_PATHS,
        places::MAX_TREE_PATHS,
    },
    Looker,
};
use crate::{
    model::{BlobPath, ObjectId},
    sources::Run,
};

/// Most entries followed for the paths of secrets in HEAD. Some thirty small trees can make billions of paths.
const MAX_WAYS: u32 = 1_000_000;

/// Said when that or another bound was met.
const MORE: &str = "HEAD holds findings of the range under more paths than are listed";

/// Said when what HEAD holds is not all known.
const UNREAD: &str =
    "not all folders of HEAD could be read: a finding may be there although it is not said so";

impl Looker<'_> {
    /// Finds blobs in HEAD.
    pub(super) fn in_head(&mut self, ids: &BTreeSet<ObjectId>, run: &Run<'_>) -> InHead {
        let mut found = InHead::default();
        let commit = match self.range.repository.head() {
            Head::Commit(id) => self.finder.find(&id).ok(),
            Head::Unborn => return found,
            Head::Broken(_) => None,
        };
        let Some(root) = commit.and_then(|(_, bytes)| Some(Commit::parse(&bytes)?.tree)) else {
            found.unread = true;
            return found;
        };
        let useful = self.leading(root, ids, run, &mut found);
        if useful.contains(&root) {
            self.paths(root, &useful, ids, &mut found);
        }
        found.paths.values_mut().for_each(|paths| paths.sort());
        found
    }

    /// Returns the trees that lead to one of the blobs, and notes which of these there are. Each tree is read once, however
    /// many paths lead to it.
    fn leading(
        &mut self,
        root: ObjectId,
        ids: &BTreeSet<ObjectId>,
        run: &Run<'_>,
        found: &mut InHead,
    ) -> HashSet<ObjectId> {
        let mut trees = vec![root];
        let mut places = HashMap::from([(root, 0)]);
        // Of each tree those that hold it, by place.
        let mut holders: Vec<Vec<usize>> = vec![Vec::new()];
        let mut ends = Vec::new();
        let mut at = 0;
        while let Some(tree) = trees.get(at).copied() {
            if run.stopped() {
                found.unread = true;
                break;
            }
            if let Ok((Kind::Tree, bytes)) = self.finder.find(&tree) {
                let mut entries = TreeEntries::new(&bytes, self.id_len);
                for entry in entries.by_ref() {
                    let Some(id) = entry.id() else { continue };
                    if entry.is_tree() {
                        let place = *places.entry(id).or_insert(trees.len());
                        if place == trees.len() {
                            trees.push(id);
                            holders.push(Vec::new());
                        }
                        if let Some(holders) = holders.get_mut(place)
                            && holders.last() != Some(&at)
                        {
                            holders.push(at);
                        }
                    } else if ids.contains(&id) {
                        found.paths.entry(id).or_default();
                        if ends.last() != Some(&at) {
                            ends.push(at);
                        }
                    }
                }
                found.unread |= !entries.is_complete();
            } else {
                found.unread = true;
            }
            at += 1;
        }
        let mut useful = HashSet::new();
        while let Some(place) = ends.pop() {
            if let Some(tree) = trees.get(place)
                && useful.insert(*tree)
            {
                ends.extend(holders.get(place).into_iter().flatten());
            }
        }
        useful
    }

    /// Finds the paths of blobs through useful trees, short ones first.
    fn paths(
        &mut self,
        root: ObjectId,
        useful: &HashSet<ObjectId>,
        ids: &BTreeSet<ObjectId>,
        found: &mut InHead,
    ) {
        let mut ways: HashMap<ObjectId, Vec<Way>> = HashMap::new();
        let mut counts: HashMap<ObjectId, u16> = HashMap::new();
        // Each by the folder above, counted from 1, and its name.
        let mut folders: Vec<(usize, Box<[u8]>)> = Vec::new();
        let mut queue = VecDeque::from([(root, 0)]);
        let mut left = MAX_WAYS;
        while let Some((tree, folder)) = queue.pop_front() {
            let ways = ways
                .entry(tree)
                .or_insert_with(|| self.ways(tree, useful, ids, &mut found.more));
            for way in ways.iter() {
                left = left.saturating_sub(1);
                if left == 0 {
                    found.more = true;
                    return;
                }
                if way.is_tree {
                    let count = counts.entry(way.id).or_default();
                    if *count >= MAX_TREE_PATHS {
                        found.more = true;
                        continue;
                    }
                    *count += 1;
                    folders.push((folder, way.name.clone()));
                    queue.push_back((way.id, folders.len()));
                    continue;
                }
                let paths = found.paths.entry(way.id).or_default();
                if paths.len() < MAX_PATHS {
                    paths.push(path_of(&folders, folder, &way.name));
                } else {
                    found.more = true;
                }
            }
        }
    }

    /// Returns the entries of a tree that lead to a blob. Of those with one id only so many are kept as could count.
    fn ways(
        &mut self,
        tree: ObjectId,
        useful: &HashSet<ObjectId>,
        ids: &BTreeSet<ObjectId>,
        more: &mut bool,
    ) -> Vec<Way> {
        let Ok((Kind::Tree, bytes)) = self.finder.find(&tree) else {
            return Vec::new();
        };
        let mut counts: HashMap<ObjectId, u16> = HashMap::new();
        let mut ways = Vec::new();
        for entry in TreeEntries::new(&bytes, self.id_len) {
            let is_tree = entry.is_tree();
            let leads = |id: &ObjectId| {
                if is_tree {
                    useful.contains(id)
                } else {
                    ids.contains(id)
                }
            };
            let Some(id) = entry.id().filter(leads) else {
                continue;
            };
            let count = counts.entry(id).or_default();
            if *count >= MAX_TREE_PATHS {
                *more = true;
                continue;
            }
            *count += 1;
            ways.push(Way {
                id,
                name: entry.name.into(),
                is_tree,
            });
        }
        ways
    }
}

/// What HEAD holds.
#[derive(Default)]
pub(super) struct InHead {
    /// The blobs that are in it, with their paths, sorted, at most [`MAX_PATHS`] each.
    pub(super) paths: BTreeMap<ObjectId, Vec<BlobPath>>,
    /// Whether there are more paths.
    more: bool,
    /// Whether something of it could not be read.
    unread: bool,
}

impl InHead {
    /// Returns what a reader must know to judge it.
    pub(super) fn notes(&self) -> Vec<String> {
        let notes = [(self.more, MORE), (self.unread, UNREAD)];
        let said = notes.into_iter().filter(|(is_so, _)| *is_so);
        said.map(|(_, note)| note.to_owned()).collect()
    }
}

/// An entry of a tree that leads to a blob.
struct Way {
    id: ObjectId,
    name: Box<[u8]>,
    is_tree: bool,
}

/// Returns the path of a name in a folder.
fn path_of(folders: &[(usize, Box<[u8]>)], mut folder: usize, name: &[u8]) -> BlobPath {
    let mut parts = vec![name];
    while let Some((above, name)) = folder.checked_sub(1).and_then(|at| folders.get(at)) {
        parts.push(name);
        folder = *above;
    }
    parts.reverse();
    BlobPath::new(parts.join(&b'/'))
}

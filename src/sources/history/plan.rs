//! Works out a range: which commits it has, which blobs and names they brought, where its edge is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map::Entry};

use super::{
    super::repo::{Absent, Finder, Kind, Repository, TreeEntries, TreeEntry},
    graph::parents_first,
    paint::{LEFT, Node, Spec},
    range::{CACHE, lose},
};
use crate::model::{BlobPath, Ledger, ObjectId, SkipCause};

/// A parent's folder: mode and raw id by name.
type Folder<'f> = HashMap<&'f [u8], (u32, &'f [u8])>;

/// A commit of the range.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: ObjectId,
    pub(super) tree: ObjectId,
    /// All parents that are there, in the range or not, with their trees.
    pub(super) parents: Vec<(ObjectId, ObjectId)>,
}

/// A blob that the range brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Brought {
    /// The first commit that holds it, by place in the plan.
    pub(super) commit: usize,
    /// Its paths there first, then those of later commits; at most [`super::MAX_PATHS`].
    pub(super) paths: Vec<BlobPath>,
    /// Whether it is a symbolic link's target wherever it stands: what is a file anywhere is read as one.
    pub(super) link: bool,
}

/// A range, worked out.
#[derive(Default)]
pub(super) struct Plan {
    /// Parents first, older ones before younger ones.
    pub(super) commits: Vec<Member>,
    /// What they brought.
    pub(super) blobs: BTreeMap<ObjectId, Brought>,
    /// New paths, with the place of the commit that made them.
    pub(super) names: BTreeMap<BlobPath, usize>,
    /// Commits that parents of the range's commits are, and are not in it themselves.
    pub(super) edge: BTreeSet<ObjectId>,
    /// What could not be read.
    pub(super) ledger: Ledger,
}

impl Plan {
    /// Works a range out. Objects above `max` bytes are not decoded.
    pub(super) fn new(repository: &Repository, spec: &Spec, max: u64) -> Self {
        let mut planner = Planner::new(repository, max);
        let edge = planner.commits(spec);
        planner.brought(spec);
        planner.drop_known(&edge);
        planner.plan.edge = edge;
        planner.plan
    }
}

/// Works a range out; finds its commits in `paint`.
pub(super) struct Planner<'p> {
    pub(super) finder: Finder<'p>,
    id_len: usize,
    shallow: Vec<ObjectId>,
    pub(super) nodes: HashMap<ObjectId, Node>,
    pub(super) plan: Plan,
    /// Trees that were compared with the same trees before.
    seen: HashSet<(ObjectId, Vec<ObjectId>)>,
    /// Trees that end early, as far as they are known.
    malformed: BTreeSet<ObjectId>,
}

impl<'p> Planner<'p> {
    /// Starts with nothing known.
    pub(super) fn new(repository: &'p Repository, max: u64) -> Self {
        Self {
            finder: Finder::new(repository.store(), max, CACHE).verifying(),
            id_len: repository.id_len(),
            shallow: repository.shallow(),
            nodes: HashMap::new(),
            plan: Plan::default(),
            seen: HashSet::new(),
            malformed: BTreeSet::new(),
        }
    }
}

impl Planner<'_> {
    /// Finds the commits of the range, in order, and returns those at its edge: parents that are not in it.
    fn commits(&mut self, spec: &Spec) -> BTreeSet<ObjectId> {
        self.paint(spec);
        let inside = |node: &Node| spec.is_inside(node.sides);
        let mut ids: Vec<ObjectId> = self
            .nodes
            .iter()
            .filter(|(_, node)| inside(node))
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        let places: HashMap<ObjectId, u32> = ids.iter().copied().zip(0..).collect();
        let mut edges = Vec::new();
        let mut edge = BTreeSet::new();
        for (id, place) in ids.iter().zip(0_u32..) {
            for parent in self.nodes.get(id).map_or(&[][..], |node| &node.parents) {
                match places.get(parent) {
                    Some(parent) => edges.push((*parent, place)),
                    None if self.nodes.contains_key(parent) => drop(edge.insert(*parent)),
                    None => {}
                }
            }
        }
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let time = |at: u32| {
            let id = ids.get(at as usize);
            (
                id.and_then(|id| self.nodes.get(id)).map(|node| node.time),
                id,
            )
        };
        let order = parents_first(count, edges, time);
        let order: Vec<ObjectId> = order
            .into_iter()
            .filter_map(|at| ids.get(at as usize).copied())
            .collect();
        for id in order {
            self.member(id);
        }
        if edge.is_empty() {
            self.check_edge(spec);
        }
        edge
    }

    /// Adds a commit to the plan.
    fn member(&mut self, id: ObjectId) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        let parents = node.parents.iter();
        let parents = parents.filter_map(|p| self.nodes.get(p).map(|parent| (*p, parent.tree)));
        let member = Member {
            id,
            tree: node.tree,
            parents: parents.collect(),
        };
        if node.cut {
            let path = BlobPath::from(id.to_string().as_str());
            if self.shallow.binary_search(&id).is_ok() {
                let detail = "the range goes on before this commit, which was not fetched";
                self.plan
                    .ledger
                    .skip(SkipCause::ShallowBoundary, path, detail);
            } else {
                let detail = "a parent of the commit is not there";
                self.plan
                    .ledger
                    .skip(SkipCause::MissingObject, path, detail);
            }
        }
        self.plan.commits.push(member);
    }

    /// A range without an edge reaches back to the first commit: right if the ends have nothing in common, but in a clone
    /// whose other side is cut that cannot be known.
    fn check_edge(&mut self, spec: &Spec) {
        let cut = self
            .nodes
            .values()
            .any(|node| node.cut && node.sides & LEFT != 0);
        if cut && !self.plan.commits.is_empty() {
            let path = BlobPath::from(spec.from.to_string().as_str());
            let detail = "no common commit of the two ends was fetched";
            self.plan
                .ledger
                .skip(SkipCause::ShallowBoundary, path, detail);
        }
    }

    /// Collects what each commit brought.
    fn brought(&mut self, spec: &Spec) {
        // What lies before a cut is unknown; the other end's tree is the best stand-in.
        let stand_in = self.nodes.get(&spec.from).map(|node| node.tree);
        let commits = std::mem::take(&mut self.plan.commits);
        for (place, commit) in commits.iter().enumerate() {
            let mut parents: Vec<ObjectId> = commit.parents.iter().map(|p| p.1).collect();
            if self.nodes.get(&commit.id).is_some_and(|node| node.cut) {
                parents.extend(stand_in);
            }
            self.compare(place, commit.tree, parents);
        }
        self.plan.commits = commits;
    }

    /// Compares a root tree with those of the parents, folder by folder.
    fn compare(&mut self, place: usize, root: ObjectId, parents: Vec<ObjectId>) {
        let mut stack = vec![(root, parents, Vec::new())];
        while let Some((tree, parents, folder)) = stack.pop() {
            if parents.contains(&tree) {
                continue;
            }
            if !self.seen.insert((tree, parents.clone())) {
                // The content is known; only the folder's name may be new.
                self.name(place, &folder);
                continue;
            }
            let Some(bytes) = self.tree(tree, &folder) else {
                continue;
            };
            let parents: Vec<_> = parents
                .iter()
                .filter_map(|parent| self.tree(*parent, &folder))
                .collect();
            let parents: Vec<Folder<'_>> = parents
                .iter()
                .map(|bytes| {
                    TreeEntries::new(bytes, self.id_len)
                        .map(|entry| (entry.name, (entry.mode, entry.raw_id)))
                        .collect()
                })
                .collect();
            let mut entries = TreeEntries::new(&bytes, self.id_len);
            for entry in entries.by_ref() {
                let before = || parents.iter().filter_map(|parent| parent.get(entry.name));
                let Some(id) = entry
                    .id()
                    // A link's target that becomes a file is a file for the first time.
                    .filter(|_| {
                        !before()
                            .any(|(mode, raw_id)| *raw_id == entry.raw_id && entry.same_type(*mode))
                    })
                else {
                    continue;
                };
                let mut path = folder.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(entry.name);
                if entry.is_tree() {
                    let below = before().filter(|(mode, _)| entry.same_type(*mode));
                    let below = below.filter_map(|(_, raw_id)| ObjectId::new(raw_id));
                    stack.push((id, below.collect(), path));
                    continue;
                }
                if before().next().is_none() {
                    self.name(place, &path);
                }
                self.leaf(place, &entry, id, path);
            }
            if !entries.is_complete() && self.malformed.insert(tree) {
                let path = shown(&folder);
                let absent = Absent::Damaged("the tree is malformed");
                lose(&mut self.plan.ledger, tree, path.as_ref(), absent);
            }
        }
    }

    fn name(&mut self, place: usize, path: &[u8]) {
        if !path.is_empty() {
            self.plan.names.entry(BlobPath::new(path)).or_insert(place);
        }
    }

    fn leaf(&mut self, place: usize, entry: &TreeEntry<'_>, id: ObjectId, path: Vec<u8>) {
        if entry.is_submodule() {
            let path = BlobPath::new(path);
            let ledger = &mut self.plan.ledger;
            ledger.skip(SkipCause::Submodule, path, "another repository");
        } else {
            self.blob(place, id, path, entry.is_link());
        }
    }

    fn blob(&mut self, place: usize, id: ObjectId, path: Vec<u8>, link: bool) {
        let new = Brought {
            commit: place,
            paths: Vec::new(),
            link,
        };
        let brought = self.plan.blobs.entry(id).or_insert(new);
        brought.link &= link;
        let path = BlobPath::new(path);
        if brought.paths.len() < super::MAX_PATHS && !brought.paths.contains(&path) {
            brought.paths.push(path);
        }
    }

    fn tree(&mut self, id: ObjectId, folder: &[u8]) -> Option<std::rc::Rc<Vec<u8>>> {
        let absent = match self.finder.find(&id) {
            Ok((Kind::Tree, bytes)) => return Some(bytes),
            Ok(_) => Absent::Damaged("it is no tree"),
            Err(absent) => absent,
        };
        lose(&mut self.plan.ledger, id, shown(folder).as_ref(), absent);
        None
    }

    /// Drops blobs that a commit at the edge holds somewhere: they only moved. One that was a link's target there and is a
    /// file now stays.
    fn drop_known(&mut self, edge: &BTreeSet<ObjectId>) {
        if self.plan.blobs.is_empty() {
            return;
        }
        let roots: Vec<ObjectId> = edge
            .iter()
            .filter_map(|id| self.nodes.get(id).map(|node| node.tree))
            .collect();
        let mut seen: HashSet<ObjectId> = roots.iter().copied().collect();
        let mut stack = roots;
        while let Some(tree) = stack.pop() {
            let Some(bytes) = self.tree(tree, b"") else {
                continue;
            };
            for entry in TreeEntries::new(&bytes, self.id_len) {
                let Some(id) = entry.id() else { continue };
                if entry.is_tree() {
                    if seen.insert(id) {
                        stack.push(id);
                    }
                } else if let Entry::Occupied(brought) = self.plan.blobs.entry(id)
                    && (brought.get().link || !entry.is_link())
                {
                    brought.remove();
                }
            }
        }
    }
}

/// Returns the path of a folder that reports show; `None` for the root, which has none.
fn shown(folder: &[u8]) -> Option<BlobPath> {
    (!folder.is_empty()).then(|| BlobPath::new(folder))
}

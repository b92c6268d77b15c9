//! What references, reflogs and indexes lead to.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    super::repo::{Repository, parse_hex},
    catalog::{Catalog, Number},
    graph::Graph,
};
use crate::model::{BlobPath, Counter, Ledger, ObjectId, SkipCause};

/// The indexes of all worktrees.
#[derive(Default)]
pub(super) struct Indexes {
    /// The paths under which blobs (and, in sparse indexes, trees) are staged; few paths a blob.
    pub(super) entries: HashMap<ObjectId, Vec<BlobPath>>,
    /// Staged objects that are nowhere.
    pub(super) missing: BTreeSet<ObjectId>,
    /// Skips and counts of reading them.
    pub(super) ledger: Ledger,
}

/// Names of the empty blob, which git stages without storing it (SHA-1 and SHA-256).
const EMPTY: [&[u8]; 2] = [
    b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    b"473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
];

impl Indexes {
    /// Reads them.
    pub(super) fn read(repository: &Repository, catalog: &Catalog) -> Self {
        let mut indexes = Self::default();
        for path in repository.all_indexes() {
            let shown = path
                .strip_prefix(repository.common_dir())
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            match repository.index_at(&path) {
                Ok(Some(index)) => indexes.add(&index, catalog),
                Ok(None) => {}
                Err(error) => {
                    let path = BlobPath::from(shown.as_str());
                    indexes
                        .ledger
                        .skip(SkipCause::Unreadable, path, error.to_string());
                }
            }
        }
        indexes
    }

    fn add(&mut self, index: &gix::index::File, catalog: &Catalog) {
        let backing = index.path_backing();
        let empty = EMPTY.map(parse_hex);
        self.ledger
            .count(Counter::IndexEntries, index.entries().len() as u64);
        for entry in index.entries() {
            let Some(id) = ObjectId::new(entry.id.as_slice()) else {
                continue;
            };
            let path = BlobPath::new(entry.path_in(backing).to_vec());
            if entry.mode.is_submodule() {
                continue;
            }
            if catalog.number(id.as_bytes()).is_none() && !empty.contains(&Some(id)) {
                self.missing.insert(id);
            }
            self.entries.entry(id).or_default().push(path);
        }
    }
}

/// What can be reached.
pub(super) struct Reach {
    /// By place in the graph.
    pub(super) commits: Vec<bool>,
    /// Annotated tags.
    pub(super) tags: HashSet<Number>,
    /// Objects other than commits and tags that something names directly.
    pub(super) direct: Vec<ObjectId>,
    /// Whether nothing can be called unreachable.
    pub(super) all: bool,
}

impl Reach {
    /// Follows everything that names objects. `doubtful` tells that objects have copies that differ: then nobody knows
    /// which of them git follows.
    pub(super) fn new(
        repository: &Repository,
        catalog: &Catalog,
        graph: &Graph,
        doubtful: bool,
    ) -> Self {
        let refs = repository.refs();
        let mut reach = Self {
            commits: Vec::new(),
            tags: HashSet::new(),
            direct: Vec::new(),
            all: doubtful || !refs.complete,
        };
        let mut commits = Vec::new();
        for mut id in refs.tips() {
            while let Some(number) = catalog.number(id.as_bytes()) {
                if let Some(place) = graph.place(number) {
                    commits.push(place);
                } else if let Some(target) = graph.tags.get(&number) {
                    // A tag seen before was followed before.
                    if reach.tags.insert(number) {
                        id = *target;
                        continue;
                    }
                } else {
                    reach.direct.push(id);
                }
                break;
            }
        }
        reach.commits = if reach.all {
            vec![true; graph.len() as usize]
        } else {
            graph.ancestors(commits)
        };
        reach
    }

    /// Tells whether a commit is reachable.
    pub(super) fn commit(&self, place: u32) -> bool {
        self.commits.get(place as usize).copied().unwrap_or(false)
    }
}

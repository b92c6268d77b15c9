//! What should be there and is not: objects that references, trees, commits or tags name, and what lies behind a shallow
//! boundary or in a submodule. Objects that nothing leads to may lack parts: git itself removes them piece by piece.

use super::{
    super::{
        Run,
        repo::{Finder, Head, Kind, TreeEntries},
    },
    History, Joined,
    graph::{Broken, Graph},
    reach::Reach,
};
use crate::model::{BlobPath, Ledger, ObjectId, SkipCause};

/// Most tree entries looked at for submodules: a tree may hold itself in a pack that lies.
const MAX_ENTRIES: u32 = 10_000_000;

impl History {
    /// Adds everything that is missing to the ledger.
    pub(super) fn gaps(&self, run: &Run<'_>, joined: &Joined, ledger: &mut Ledger) {
        self.missing_tips(ledger);
        if self.repository.is_partial() {
            ledger.note("partial clone: objects that were not fetched were not read");
        }
        if !self.repository.shallow().is_empty() {
            ledger.note("shallow clone: commits before its boundary were not seen, first commits are the first visible ones");
        }
        let missing = joined.missing.union(&self.indexes().missing);
        let missing: Vec<ObjectId> = missing.copied().collect();
        if !joined.broken.is_empty() || !missing.is_empty() {
            let reach = self.reach(run);
            self.broken(self.graph(run), &joined.broken, &reach, ledger);
            self.missing(run, &missing, &reach, ledger);
        }
        if joined.submodules {
            self.submodules(ledger);
        }
    }

    /// References must lead somewhere; reflogs may name what was removed since.
    fn missing_tips(&self, ledger: &mut Ledger) {
        let refs = self.repository.refs();
        let is_gone = |id: &ObjectId| self.catalog().number(id.as_bytes()).is_none();
        for reference in &refs.references {
            if let Some(id) = reference.target.filter(is_gone) {
                let path = BlobPath::new(reference.name.as_slice());
                ledger.skip(
                    SkipCause::MissingObject,
                    path,
                    format!("the reference's object {id} is not there"),
                );
            }
        }
        let gone = refs.tips().iter().filter(|id| is_gone(id)).count();
        if gone > 0 {
            ledger.note(format!(
                "{gone} object(s) that references or reflogs name are not there"
            ));
        }
        if let Head::Broken(reason) = self.repository.head()
            && refs.complete
        {
            ledger.skip(SkipCause::Unreadable, BlobPath::from("HEAD"), reason);
        }
    }

    /// Commits and tags that name what is not there: history ends at a shallow boundary, or by damage.
    fn broken(&self, graph: &Graph, broken: &[Broken], reach: &Reach, ledger: &mut Ledger) {
        let shallow = self.repository.shallow();
        let mut told = None;
        for &Broken {
            number,
            parent,
            target,
        } in broken
        {
            let commit = graph.place(number);
            let counts = self.options.unreachable
                || reach.all
                || commit.is_some_and(|place| reach.commit(place))
                || reach.tags.contains(&number);
            let Some(id) = self.catalog().id(number).filter(|_| counts) else {
                continue;
            };
            let path = BlobPath::from(id.to_string().as_str());
            if parent && shallow.binary_search(&id).is_ok() {
                // One boundary, however many parents.
                if told.replace(number) != Some(number) {
                    let detail = "the commits before it were not fetched";
                    ledger.skip(SkipCause::ShallowBoundary, path, detail);
                }
            } else {
                let detail = format!("it names {target}, which is not there");
                ledger.skip(SkipCause::MissingObject, path, detail);
            }
        }
    }

    /// Objects that trees name, by their paths.
    fn missing(&self, run: &Run<'_>, missing: &[ObjectId], reach: &Reach, ledger: &mut Ledger) {
        if missing.is_empty() {
            return;
        }
        let forest = self.forest(missing, &[], run);
        let places = self
            .ground(&forest, reach, run)
            .places(missing, missing.len());
        for (id, places) in missing.iter().zip(places) {
            if places.reachable || self.options.unreachable {
                let path = places.paths.into_iter().next();
                let path = path.unwrap_or_else(|| BlobPath::from(id.to_string().as_str()));
                let detail = format!("the object {id} is not there");
                ledger.skip(SkipCause::MissingObject, path, detail);
            }
        }
    }

    /// Counts the submodules of HEAD.
    fn submodules(&self, ledger: &mut Ledger) {
        let Ok(Some(root)) = self.repository.head_tree() else {
            return;
        };
        let mut finder = Finder::new(self.store(), self.options.max_delta, 16 << 20);
        let mut stack = vec![(root, Vec::new())];
        let mut left = MAX_ENTRIES;
        while let Some((tree, folder)) = stack.pop() {
            let Ok((Kind::Tree, bytes)) = finder.find(&tree) else {
                continue;
            };
            for entry in TreeEntries::new(&bytes, self.repository.id_len()) {
                left = left.saturating_sub(1);
                if left == 0 || !(entry.is_tree() || entry.is_submodule()) {
                    continue;
                }
                let path = [folder.as_slice(), entry.name].concat();
                if entry.is_submodule() {
                    let detail = "another repository";
                    ledger.skip(SkipCause::Submodule, BlobPath::new(path), detail);
                } else if let Some(id) = entry.id() {
                    stack.push((id, [&path[..], b"/"].concat()));
                }
            }
        }
    }
}

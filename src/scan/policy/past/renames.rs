//! Which values moved with their files: the place that was left is no second one.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::FactHit,
    prints,
    rows::{Row, Rows},
};
use crate::{
    model::{BlobPath, Digest},
    sources::history::{self, History},
};

/// Most pairs of places that are looked at: more have been made to take time.
const MAX_PAIRS: usize = 20_000;

/// Tells places that were left from others.
pub(super) struct Renames<'r> {
    asked: history::Renames<'r>,
    rows: &'r Rows,
    /// The records of each value.
    of_value: HashMap<Digest, Vec<&'r Row>>,
    /// The paths of files as they are that have a value and that no commit has.
    new: HashMap<Digest, BTreeSet<BlobPath>>,
    /// The paths of all files as they are.
    paths: BTreeSet<BlobPath>,
    left: usize,
}

impl<'r> Renames<'r> {
    /// Begins with what is known; `paths` and `facts` are those of the files as they are.
    pub(super) fn new(
        history: &'r History,
        rows: &'r Rows,
        paths: &BTreeSet<BlobPath>,
        facts: &[FactHit],
    ) -> Self {
        let mut of_value: HashMap<Digest, Vec<&Row>> = HashMap::new();
        for row in &rows.rows {
            if let Some(prints) = row.site.prints() {
                of_value.entry(prints.value).or_default().push(row);
            }
        }
        let mut new: HashMap<Digest, BTreeSet<BlobPath>> = HashMap::new();
        for hit in facts {
            if let Some((_, prints)) = prints(hit)
                && !rows.knows(&hit.fact.path)
            {
                let paths = new.entry(prints.value).or_default();
                paths.insert(hit.fact.path.clone());
            }
        }
        Self {
            asked: history.renames(),
            rows,
            of_value,
            new,
            paths: paths.clone(),
            left: MAX_PAIRS,
        }
    }

    /// Tells whether a value left its path because the file was renamed.
    pub(super) fn took_along(&mut self, row: &Row) -> bool {
        let (Some(prints), Some(from)) = (row.site.prints(), self.rows.path(row)) else {
            return false;
        };
        // A rename that is not committed yet.
        let is_new = self
            .new
            .get(&prints.value)
            .is_some_and(|paths| !paths.is_empty());
        if is_new && !self.paths.contains(from) && self.rows.is_last(row) {
            return true;
        }
        let others = self.of_value.get(&prints.value).cloned();
        others
            .unwrap_or_default()
            .into_iter()
            .filter(|other| other.file != row.file)
            .any(|other| self.moved(row, from, other))
    }

    /// Tells whether the commit that brought a value to another path took it from this one.
    fn moved(&mut self, row: &Row, from: &BlobPath, other: &Row) -> bool {
        let (Some(to), Some(since)) = (self.rows.path(other), self.rows.since(other)) else {
            return false;
        };
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        let rows = self.rows;
        let is_rename = self
            .asked
            .is_rename(since, from, to, &|id| rows.holds(row, id));
        // A value that came back to the old path stands in both.
        is_rename
            && !rows
                .until(row)
                .into_iter()
                .any(|later| self.asked.follows(later, since))
    }
}

//! The two ends of a range, and which commits each of them reaches.

use std::collections::BinaryHeap;

use super::{
    super::{
        SourceError,
        repo::{Absent, Commit, Kind, Repository},
    },
    plan::Planner,
    range::lose,
};
use crate::model::ObjectId;

/// Commits looked at beyond the point where the range seems closed, against clocks that went wrong. Too few can only make
/// a range too large, never too small.
const SLOP: u32 = 256;

/// The two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    /// What is left out, or for a symmetric range the left side.
    pub(super) from: ObjectId,
    /// What is in.
    pub(super) to: ObjectId,
    /// Whether commits of either side alone count.
    pub(super) symmetric: bool,
}

impl Spec {
    /// Reads `A..B`, `A...B` or `A`.
    pub(super) fn parse(repository: &Repository, range: &str) -> Result<Self, SourceError> {
        let (from, to, symmetric) = match range.split_once("..") {
            Some((from, to)) => match to.strip_prefix('.') {
                Some(to) => (from, to, true),
                None => (from, to, false),
            },
            None => (range, "HEAD", false),
        };
        Ok(Self {
            from: repository.resolve(from)?,
            to: repository.resolve(to)?,
            symmetric,
        })
    }

    /// Tells whether a commit that these sides reach is in the range.
    pub(super) const fn is_inside(&self, sides: u8) -> bool {
        sides == RIGHT || (self.symmetric && sides == LEFT)
    }
}

/// A commit as it is walked over.
pub(super) struct Node {
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    pub(super) time: i64,
    pub(super) sides: u8,
    /// Whether a parent is not there.
    pub(super) cut: bool,
}

/// Reached from the left end.
pub(super) const LEFT: u8 = 1;
/// Reached from the right end.
const RIGHT: u8 = 2;

impl Planner<'_> {
    /// Walks from both ends, youngest first, until everything left is on both sides (or only on the left).
    pub(super) fn paint(&mut self, spec: &Spec) {
        let mut queue = BinaryHeap::new();
        for (id, side) in [(spec.from, LEFT), (spec.to, RIGHT)] {
            if self.load(id) {
                self.mark(id, side, &mut queue);
            }
        }
        let open = |sides: u8| spec.is_inside(sides);
        let mut left = SLOP;
        let mut oldest = i64::MAX;
        while let Some((time, id)) = queue.pop() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let (sides, parents) = (node.sides, node.parents.clone());
            if open(sides) {
                oldest = oldest.min(time);
                left = SLOP;
            } else if time < oldest && !self.any_open(&queue, open) {
                left -= 1;
                if left == 0 {
                    return;
                }
            }
            for parent in parents {
                if self.load(parent) {
                    self.mark(parent, sides, &mut queue);
                } else if let Some(node) = self.nodes.get_mut(&id) {
                    node.cut = true;
                }
            }
        }
    }

    /// Adds a side to a commit; what changes is walked (again).
    fn mark(&mut self, id: ObjectId, side: u8, queue: &mut BinaryHeap<(i64, ObjectId)>) {
        if let Some(node) = self.nodes.get_mut(&id)
            && node.sides | side != node.sides
        {
            node.sides |= side;
            queue.push((node.time, id));
        }
    }

    fn any_open(&self, queue: &BinaryHeap<(i64, ObjectId)>, open: impl Fn(u8) -> bool) -> bool {
        queue
            .iter()
            .any(|(_, id)| self.nodes.get(id).is_some_and(|node| open(node.sides)))
    }

    /// Reads a commit once; `false` if it is not there.
    fn load(&mut self, id: ObjectId) -> bool {
        if self.nodes.contains_key(&id) {
            return true;
        }
        let commit = match self.finder.find(&id) {
            Ok((Kind::Commit, bytes)) => Commit::parse(&bytes).map(|commit| Node {
                tree: commit.tree,
                time: commit.committer.seconds,
                parents: commit.parents.clone(),
                sides: 0,
                cut: false,
            }),
            Ok(_) => None,
            Err(Absent::Missing) => return false,
            Err(absent) => {
                lose(&mut self.plan.ledger, id, None, absent);
                return false;
            }
        };
        match commit {
            Some(node) => {
                self.nodes.insert(id, node);
                true
            }
            None => {
                lose(
                    &mut self.plan.ledger,
                    id,
                    None,
                    Absent::Damaged("it is malformed"),
                );
                false
            }
        }
    }
}

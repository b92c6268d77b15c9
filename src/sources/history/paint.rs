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
    /// Whether it waits to be walked.
    queued: bool,
}

/// The commits that wait to be walked, each once, youngest first.
#[derive(Default)]
struct Queue {
    commits: BinaryHeap<(i64, ObjectId)>,
    /// How many of them are in the range as far as is known.
    open: usize,
}

/// Reached from the left end.
pub(super) const LEFT: u8 = 1;
/// Reached from the right end.
const RIGHT: u8 = 2;

impl Planner<'_> {
    /// Walks from both ends, youngest first, until everything left is on both sides (or only on the left).
    pub(super) fn paint(&mut self, spec: &Spec) {
        let mut queue = Queue::default();
        for (id, side) in [(spec.from, LEFT), (spec.to, RIGHT)] {
            if self.load(id) {
                self.mark(id, side, spec, &mut queue);
            }
        }
        let mut left = SLOP;
        let mut oldest = i64::MAX;
        while let Some((time, id)) = queue.commits.pop() {
            let Some(node) = self.nodes.get_mut(&id) else {
                continue;
            };
            let (sides, parents) = (node.sides, node.parents.clone());
            node.queued = false;
            if spec.is_inside(sides) {
                queue.open -= 1;
                oldest = oldest.min(time);
                left = SLOP;
            } else if time < oldest && queue.open == 0 {
                left -= 1;
                if left == 0 {
                    return;
                }
            }
            for parent in parents {
                if self.load(parent) {
                    self.mark(parent, sides, spec, &mut queue);
                } else if let Some(node) = self.nodes.get_mut(&id) {
                    node.cut = true;
                }
            }
        }
    }

    /// Adds a side to a commit; what changes is walked (again).
    fn mark(&mut self, id: ObjectId, side: u8, spec: &Spec, queue: &mut Queue) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let before = node.sides;
        node.sides |= side;
        if node.sides == before {
            return;
        }
        if node.queued {
            queue.open -= usize::from(spec.is_inside(before));
        } else {
            node.queued = true;
            queue.commits.push((node.time, id));
        }
        queue.open += usize::from(spec.is_inside(node.sides));
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
                queued: false,
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::sources::repo::fixture::Fixture;

    #[test]
    fn a_walk_ends_soon_after_the_range_is_closed() {
        let fixture = Fixture::new();
        let mut stream = String::new();
        for n in 0..2000_u32 {
            stream += &format!(
                "commit refs/heads/long\ncommitter C <c> {} +0000\ndata 1\nm\n\n",
                1_600_000_000 + n
            );
        }
        fixture.import(stream.as_bytes());
        let repository = fixture.open();
        for (range, least) in [("long~10..long", 10), ("long...long~10", 10)] {
            let spec = Spec::parse(&repository, range).unwrap();
            let mut planner = Planner::new(&repository, 1 << 20);
            planner.paint(&spec);
            let inside = planner
                .nodes
                .values()
                .filter(|node| spec.is_inside(node.sides));
            assert_eq!(inside.count(), least, "{range}");
            let walked = u32::try_from(planner.nodes.len()).unwrap();
            assert!(walked < SLOP + 20, "{range}: {walked}");
        }
    }
}

//! From groups of raw hits to the places that a report names: paths of blobs, what history says, what is reachable.
//!
//! A hit in a git object has no path of its own. History tells under which paths its blob was seen and which of them HEAD has.
//! One place is listed for each path: HEAD's version of it, else the one in which the secret came.

use std::collections::BTreeSet;

use crate::{
    model::{BlobPath, Counter, Ledger, Location, ObjectId, Place, Provenance},
    sources::history::{Attributions, Places},
};

use super::{
    collect::{Candidate, Group},
    hits::RawHit,
};

/// What came of one group.
pub(super) struct Resolved {
    /// The places, the primary one first. Empty if nothing that counts leads to the secret.
    pub(super) candidates: Vec<Candidate>,
    pub(super) attribution: Option<crate::model::Attribution>,
}

impl Resolved {
    /// Returns the primary place; groups are ordered by it.
    pub(super) fn place(&self) -> Option<(&Location, &Provenance, u32)> {
        self.candidates
            .first()
            .map(|c| (&c.hit.location, &c.hit.provenance, c.hit.rule))
    }
}

/// Gives every hit of a group its path, drops what is unreachable (unless wanted), and orders the places.
pub(super) fn resolve(
    group: Group,
    known: Option<&Attributions>,
    unreachable: bool,
    ledger: &mut Ledger,
) -> Resolved {
    let mut candidates = Vec::with_capacity(group.hits.len());
    let mut dropped = false;
    let elsewhere: BTreeSet<ObjectId> = group
        .hits
        .iter()
        .filter(|hit| hit.provenance.place == Place::Staged)
        .filter_map(|hit| hit.provenance.object)
        .collect();
    for hit in group.hits {
        let Some((facts, id)) = known.and_then(|known| facts_of(&hit, known)) else {
            // The tree, the index, references: their paths came with them. A run that was stopped asked history nothing.
            let mut hit = hit;
            let is_log = hit.provenance.place == Place::Reflog;
            let present = !is_log && !hit.location.path.as_bytes().is_empty();
            name_blob(&mut hit);
            candidates.push(Candidate { hit, present });
            continue;
        };
        let staged = id.is_some_and(|id| elsewhere.contains(&id));
        if !unreachable && !facts.reachable {
            dropped |= !staged;
        } else if !staged || !facts.paths.is_empty() {
            spread(hit, facts, &mut candidates);
        }
    }
    if candidates.is_empty() && dropped {
        ledger.count(Counter::UnreachableFindings, 1);
    }
    let introduced = group.attribution.as_ref().and_then(|a| a.path.clone());
    Resolved {
        candidates: order(candidates, introduced.as_ref()),
        attribution: group.attribution,
    }
}

/// Returns what history says of a hit, and its object; `None` for a hit that history does not know.
fn facts_of<'k>(hit: &RawHit, known: &'k Attributions) -> Option<(&'k Places, Option<ObjectId>)> {
    let path = hit.location.path.as_bytes();
    match (hit.provenance.place, hit.provenance.object) {
        (Place::Staged, _) => None,
        (Place::SymlinkTarget, Some(_)) if !path.is_empty() => None,
        (Place::FileName, None) => known.names.get(path).map(|facts| (facts, None)),
        (_, Some(object)) => known
            .objects
            .get(&object)
            .map(|facts| (facts, Some(object))),
        (_, None) => None,
    }
}

/// Lists a hit once for each path of its blob or name.
fn spread(mut hit: RawHit, facts: &Places, candidates: &mut Vec<Candidate>) {
    let has_paths = matches!(hit.provenance.place, Place::History | Place::FileName);
    if facts.symlink && hit.provenance.place == Place::History {
        hit.provenance.place = Place::SymlinkTarget;
    }
    if !has_paths || facts.paths.is_empty() {
        // No tree names it: a tag's blob, or one that nothing leads to.
        name_blob(&mut hit);
        candidates.push(Candidate {
            hit,
            present: false,
        });
        return;
    }
    for path in &facts.paths {
        let mut hit = hit.copy();
        hit.location.path = with_member(path, hit.member.as_deref());
        if let Some(near) = &mut hit.near {
            near.path = hit.location.path.clone();
        }
        let present = facts.head_paths.binary_search(path).is_ok();
        candidates.push(Candidate { hit, present });
    }
}

/// Gives a blob without a path its object's name.
fn name_blob(hit: &mut RawHit) {
    if let (true, Some(object)) = (
        hit.location.path.as_bytes().is_empty(),
        hit.provenance.object,
    ) {
        let name = BlobPath::from(format!("<blob {object}>").as_str());
        hit.location.path = with_member(&name, hit.member.as_deref());
    }
}

fn with_member(path: &BlobPath, member: Option<&[u8]>) -> BlobPath {
    member.map_or_else(|| path.clone(), |inner| path.member(inner))
}

/// Tells whether a path leads into a git directory.
fn is_in_git_dir(path: &BlobPath) -> bool {
    let mut folders = path.as_bytes().split(|byte| *byte == b'/');
    folders.any(|folder| folder == b".git")
}

/// Orders the places: what is there now first, then where it came in, then by path and position; and keeps one place for
/// each path, line apart only if it is there now.
fn order(mut candidates: Vec<Candidate>, introduced: Option<&BlobPath>) -> Vec<Candidate> {
    let weight = |c: &Candidate| {
        let place = match c.hit.provenance.place {
            // Git's own files are no place where somebody would look first.
            Place::File if is_in_git_dir(&c.hit.location.path) => 6,
            Place::File | Place::Stdin => 0_u8,
            Place::Staged => 1,
            // A log repeats what commits say, and tells less.
            Place::Reflog => 7,
            _ if c.present => 2,
            _ if Some(&c.hit.location.path) == introduced => 3,
            Place::History | Place::SymlinkTarget => 4,
            _ => 5,
        };
        // A file's own content before its name and all else.
        let kind = u8::from(!matches!(
            c.hit.provenance.place,
            Place::File | Place::Stdin | Place::Staged | Place::History
        ));
        (place, kind)
    };
    // A stable sort: of two rules in one place the better one stays first, as the group has it.
    candidates.sort_by(|a, b| {
        weight(a)
            .cmp(&weight(b))
            .then_with(|| a.hit.location.cmp(&b.hit.location))
            .then_with(|| a.hit.provenance.cmp(&b.hit.provenance))
    });
    let mut paths: BTreeSet<(BlobPath, bool)> = BTreeSet::new();
    let mut now: BTreeSet<(BlobPath, u64)> = BTreeSet::new();
    let mut names: BTreeSet<BlobPath> = BTreeSet::new();
    candidates.retain(|c| {
        let path = c.hit.location.path.clone();
        if c.hit.provenance.place == Place::FileName {
            return names.insert(path);
        }
        let meta = !matches!(
            c.hit.provenance.place,
            Place::File | Place::Stdin | Place::Staged | Place::History | Place::SymlinkTarget
        );
        if meta {
            // Messages, names and the like: every object is a place of its own.
            return true;
        }
        let is_now = matches!(
            c.hit.provenance.place,
            Place::File | Place::Stdin | Place::Staged
        ) || c.present;
        if is_now {
            // The tree, the index and HEAD often agree: one place a position.
            let first = now.insert((path.clone(), c.hit.location.byte_start));
            paths.insert((path, false));
            return first;
        }
        paths.insert((path, false))
    });
    candidates
}

//! Files that a run over changes does not hand out, and policy needs: what a range's end or HEAD holds, and what stands beside a change.
//!
//! Promise: a commit hook whose change holds nothing that lints compare reads no further file.

use std::collections::BTreeSet;

use super::{
    super::{Options, Target, layers::Layers, origin::Origin},
    Habits, gather,
};
use crate::{
    model::{BlobPath, ObjectId, Place, Provenance, Span},
    policy::{self, MAX_BYTES},
    sources::{
        Blob,
        history::Range,
        repo::{Head, Repository},
        snapshot::{self, At, Files},
    },
};

/// What is known of the files of a run that looks at changes.
#[derive(Default)]
pub(in super::super) struct Beside {
    /// The paths that changed; `None` where everything counts.
    pub(in super::super) changed: Option<BTreeSet<BlobPath>>,
    /// Whether all files that lints compare were read.
    pub(in super::super) whole: bool,
    /// Said with the coverage.
    pub(in super::super) note: Option<String>,
    /// How many objects and folders could not be read, which makes the run incomplete.
    pub(in super::super) lost: usize,
}

/// Reads what is missing into `habits`.
pub(in super::super) fn beside(
    target: &Target,
    origin: &Origin,
    options: &Options,
    layers: &Layers<'_>,
    habits: &mut Habits,
) -> Beside {
    if options.policy.is_none() {
        return Beside::default();
    }
    let mut reader = Reader {
        options,
        layers,
        habits,
        lost: 0,
    };
    let mut beside = Beside::default();
    match (target, origin) {
        (Target::Stdin, _) => {
            let note = "policy reads files by their names: standard input has none";
            beside.note = Some(note.to_owned());
        }
        (Target::Staged { repository, index }, _) => {
            let paths = reader.habits.paths.clone();
            if !reader.habits.facts.is_empty()
                && let Ok(repository) = Repository::open(repository)
            {
                beside.whole = reader.index(&repository, index.as_deref(), &paths);
            }
            beside.changed = Some(paths);
        }
        (Target::Range { .. }, Origin::Range(range)) => {
            let at = At::Commit(range.head());
            // A file that was copied or moved over another brings no content, but a place that did not hold it.
            let known = known(range);
            let is_new = |path: &BlobPath, id: &ObjectId| {
                range.brought(id) || !known.contains(&(path.clone(), *id))
            };
            beside.changed = Some(reader.commit(range.repository(), &at, &is_new));
            beside.whole = true;
        }
        (Target::History { .. }, Origin::History(history))
            if history.repository().work_tree().is_none() =>
        {
            if let Head::Commit(head) = history.repository().head() {
                reader.commit(history.repository(), &At::Commit(head), &|_, _| true);
            }
            beside.whole = true;
        }
        _ => beside.whole = !target.is_listed(),
    }
    beside.lost = reader.lost;
    beside
}

/// Most commits at the edge of a range whose files are known.
const MAX_EDGE: usize = 8;

/// Returns the files that were there before a range, which content where: those of its base and of the commits that its own are made upon.
/// A tree that cannot be listed makes more of the range new, never less.
fn known(range: &Range) -> BTreeSet<(BlobPath, ObjectId)> {
    let wanted = |path: &BlobPath| policy::wants(path).is_some();
    let commits: BTreeSet<ObjectId> = range.edge().take(MAX_EDGE).chain([range.base()]).collect();
    let files = commits
        .into_iter()
        .filter_map(|commit| snapshot::list(range.repository(), &At::Commit(commit), &wanted).ok());
    files.flat_map(|files| files.wanted).collect()
}

struct Reader<'r, 'l> {
    options: &'r Options,
    layers: &'r Layers<'l>,
    habits: &'r mut Habits,
    lost: usize,
}

impl Reader<'_, '_> {
    /// Reads what the index holds beside the staged paths, for its facts alone.
    fn index(
        &mut self,
        repository: &Repository,
        index: Option<&std::path::Path>,
        staged: &BTreeSet<BlobPath>,
    ) -> bool {
        let wanted = |path: &BlobPath| policy::wants(path).is_some() && !staged.contains(path);
        let Ok(files) = snapshot::list(repository, &At::Index(index), &wanted) else {
            return false;
        };
        self.context(repository, &files, &|_, _| false, Place::Staged);
        true
    }

    /// Reads a commit's files: those that `changed` holds for count, the rest only if something is compared with them. Returns the
    /// paths that changed.
    fn commit(
        &mut self,
        repository: &Repository,
        at: &At<'_>,
        changed: &dyn Fn(&BlobPath, &ObjectId) -> bool,
    ) -> BTreeSet<BlobPath> {
        let wanted = |path: &BlobPath| policy::wants(path).is_some();
        let Ok(files) = snapshot::list(repository, at, &wanted) else {
            return BTreeSet::new();
        };
        self.lost += files.lost;
        for (path, id) in files.wanted.iter().filter(|(path, id)| changed(path, id)) {
            self.one(repository, path, id, Place::History, true);
        }
        let paths = files.wanted.iter().filter(|(path, id)| changed(path, id));
        let paths = paths.map(|(path, _)| path.clone()).collect();
        if !self.habits.facts.is_empty() {
            self.context(repository, &files, changed, Place::History);
        }
        paths
    }

    /// Reads the wanted files that did not change, for their facts.
    fn context(
        &mut self,
        repository: &Repository,
        files: &Files,
        changed: &dyn Fn(&BlobPath, &ObjectId) -> bool,
        place: Place,
    ) {
        for (path, id) in files.wanted.iter().filter(|(path, id)| !changed(path, id)) {
            self.one(repository, path, id, place, false);
        }
        self.habits.paths.extend(files.paths.iter().cloned());
    }

    fn one(
        &mut self,
        repository: &Repository,
        path: &BlobPath,
        id: &ObjectId,
        place: Place,
        counts: bool,
    ) {
        let Some(rules) = self.options.policy.as_deref() else {
            return;
        };
        let Ok((_, bytes)) = repository.find(id, MAX_BYTES) else {
            self.lost += 1;
            return;
        };
        let provenance = Provenance {
            place,
            object: Some(*id),
        };
        let regions = [Span::new(0, bytes.len() as u64)];
        let blob = Blob {
            bytes: &bytes,
            regions: if counts { &regions } else { &[] },
            path,
            provenance: provenance.clone(),
            offset: 0,
            line: 1,
            column: 1,
            whole: true,
        };
        let mut own = Habits::default();
        let collector = self.layers.own();
        gather(collector, rules, &blob, &mut [], &mut own);
        if own.lints.is_empty() && own.facts.is_empty() {
            return self.habits.merge(own);
        }
        // Something is shown of it: the secrets in it must not be.
        let whole = BTreeSet::from([None]);
        let mut found = collector.again(&bytes, &whole, &provenance);
        if !found.is_empty() {
            own = Habits::default();
            gather(collector, rules, &blob, &mut found, &mut own);
        }
        if !counts {
            own.lints.clear();
            own.notes.clear();
        }
        self.habits.merge(own);
    }
}

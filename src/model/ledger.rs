//! The coverage ledger: what was read, what was not, and why. Complete or loud (DESIGN section 1).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::BlobPath;

/// Most paths listed for one cause; further ones are counted only.
const MAX_LISTED: usize = 100;

/// Why something was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipCause {
    /// History ends at the boundary of a shallow clone.
    ShallowBoundary,
    /// An object is absent although something refers to it, as in a partial clone.
    MissingObject,
    /// A Git LFS pointer stands where the content should be.
    LfsPointer,
    /// A submodule is another repository.
    Submodule,
    /// Larger than a limit.
    TooLarge,
    /// The system or the repository refused, or the data is damaged.
    Unreadable,
    /// An archive or encoding that could not be decoded, or is encrypted.
    Undecodable,
    /// Hidden by an ignore file.
    Ignored,
    /// Left out by a path the user excluded.
    ExcludedPath,
    /// Neither file, directory nor symbolic link: a FIFO, socket or device.
    SpecialFile,
    /// A limit of depth, count, ratio or time was met.
    LimitHit,
    /// The user stopped the run.
    Interrupted,
    /// A feature of the repository that this version cannot read.
    Unsupported,
}

impl SkipCause {
    /// The gaps that a user may know of and accept: the data is somewhere else, or beyond a limit.
    pub const ACCEPTABLE: [Self; 7] = [
        Self::ShallowBoundary,
        Self::MissingObject,
        Self::LfsPointer,
        Self::TooLarge,
        Self::Undecodable,
        Self::LimitHit,
        Self::Unsupported,
    ];

    /// Returns the name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShallowBoundary => "shallow-boundary",
            Self::MissingObject => "missing-object",
            Self::LfsPointer => "lfs-pointer",
            Self::Submodule => "submodule",
            Self::TooLarge => "too-large",
            Self::Unreadable => "unreadable",
            Self::Undecodable => "undecodable",
            Self::Ignored => "ignored",
            Self::ExcludedPath => "excluded-path",
            Self::SpecialFile => "special-file",
            Self::LimitHit => "limit-hit",
            Self::Interrupted => "interrupted",
            Self::Unsupported => "unsupported",
        }
    }

    /// Tells whether this gap makes a run incomplete (exit 3). What the user asked to leave out does not, nor what holds
    /// no content of this repository: special files, and submodules (a commit id here, content elsewhere).
    #[must_use]
    pub const fn is_gap(self) -> bool {
        match self {
            Self::ShallowBoundary
            | Self::MissingObject
            | Self::TooLarge
            | Self::Unreadable
            | Self::Undecodable
            | Self::LfsPointer
            | Self::LimitHit
            | Self::Interrupted
            | Self::Unsupported => true,
            Self::Submodule | Self::Ignored | Self::ExcludedPath | Self::SpecialFile => false,
        }
    }
}

/// One thing that was not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skip {
    /// Why.
    pub cause: SkipCause,
    /// What: a path, or a name in angle brackets.
    pub path: BlobPath,
    /// What happened, in a few words; no content.
    pub detail: String,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counter {
    /// Files of a tree that were read.
    Files,
    /// Bytes of content that the engine saw, after inflating, before decoding.
    Bytes,
    /// Distinct git blobs.
    Blobs,
    /// Distinct git trees.
    Trees,
    /// Distinct git commits.
    Commits,
    /// Distinct annotated tags.
    Tags,
    /// References.
    Refs,
    /// Reflog entries.
    ReflogEntries,
    /// Index entries.
    IndexEntries,
    /// Files inside archives.
    ArchiveMembers,
    /// Findings left out because nothing leads to their object and `--unreachable` was not given.
    UnreachableFindings,
}

/// What was read and what was not. Merging is commutative, so the result is the same at any number of threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// What was read, by kind.
    pub read: BTreeMap<Counter, u64>,
    /// How many things were not read, by cause.
    pub skipped: BTreeMap<SkipCause, u64>,
    /// The first (in sorted order) of them by name, at most 100 a cause.
    pub skips: Vec<Skip>,
    /// Facts a reader must know to judge the run (replace refs present, shallow clone, foreign configuration, ...), sorted.
    pub notes: Vec<String>,
    /// Gaps that do not make the run incomplete.
    #[serde(skip)]
    accepted: BTreeSet<SkipCause>,
}

impl Ledger {
    /// Adds to a counter.
    pub fn count(&mut self, counter: Counter, by: u64) {
        add(self.read.entry(counter).or_default(), by);
    }

    /// Returns a counter's value.
    #[must_use]
    pub fn counted(&self, counter: Counter) -> u64 {
        self.read.get(&counter).copied().unwrap_or_default()
    }

    /// Records something that was not read.
    pub fn skip(&mut self, cause: SkipCause, path: BlobPath, detail: impl Into<String>) {
        add(self.skipped.entry(cause).or_default(), 1);
        self.skips.push(Skip {
            cause,
            path,
            detail: detail.into(),
        });
        // Bounded, yet independent of order: trim only far above the limit, and keep the smallest.
        if self.skips.len() > MAX_LISTED * 64 {
            self.trim();
        }
    }

    /// Records many things that were not read for one cause without naming each.
    pub fn skip_many(
        &mut self,
        cause: SkipCause,
        count: u64,
        path: BlobPath,
        detail: impl Into<String>,
    ) {
        if count > 0 {
            add(self.skipped.entry(cause).or_default(), count);
            self.skips.push(Skip {
                cause,
                path,
                detail: detail.into(),
            });
        }
    }

    /// Adds a note once.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if let Err(at) = self.notes.binary_search(&note) {
            self.notes.insert(at, note);
        }
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: Self) {
        for (counter, by) in other.read {
            self.count(counter, by);
        }
        for (cause, by) in other.skipped {
            add(self.skipped.entry(cause).or_default(), by);
        }
        self.skips.extend(other.skips);
        self.trim();
        for note in other.notes {
            self.note(note);
        }
    }

    /// Adds what another run over the same things read and missed: what both met counts once.
    pub fn cover(&mut self, other: Self) {
        for (counter, n) in other.read {
            let count = self.read.entry(counter).or_default();
            *count = (*count).max(n);
        }
        for (cause, n) in other.skipped {
            let count = self.skipped.entry(cause).or_default();
            *count = (*count).max(n);
        }
        self.skips.extend(other.skips);
        self.trim();
        for note in other.notes {
            self.note(note);
        }
    }

    /// Says that gaps of these causes are known and do not make the run incomplete. They stay listed, with a note.
    pub fn accept(&mut self, causes: &BTreeSet<SkipCause>) {
        for cause in causes {
            if cause.is_gap() && self.skipped.get(cause).is_some_and(|count| *count > 0) {
                self.note(format!(
                    "gaps of the kind {} are accepted by the configuration",
                    cause.as_str()
                ));
            }
        }
        self.accepted.clone_from(causes);
    }

    /// Returns the causes that make the run incomplete, sorted.
    pub fn open(&self) -> impl Iterator<Item = SkipCause> {
        let skipped = self.skipped.iter().filter(|(_, count)| **count > 0);
        let causes = skipped.map(|(cause, _)| *cause);
        causes.filter(|cause| cause.is_gap() && !self.accepted.contains(cause))
    }

    /// Tells whether something that could hold a secret was not read.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.open().next().is_some()
    }

    /// Sorts the listed skips and keeps the first of each cause.
    pub fn trim(&mut self) {
        self.skips.sort();
        self.skips.dedup();
        let mut kept: BTreeMap<SkipCause, usize> = BTreeMap::new();
        self.skips.retain(|skip| {
            let n = kept.entry(skip.cause).or_default();
            *n += 1;
            *n <= MAX_LISTED
        });
    }
}

/// Counts on. A report that is read again may claim any number: a count ends at the largest and never begins anew.
fn add(count: &mut u64, by: u64) {
    *count = count.saturating_add(by);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_does_not_depend_on_order() {
        let mut parts: Vec<Ledger> = (0..300)
            .map(|i| {
                let mut part = Ledger::default();
                part.skip(
                    SkipCause::Unreadable,
                    BlobPath::from(format!("f{i:03}").as_str()),
                    "denied",
                );
                part.count(Counter::Files, 1);
                part
            })
            .collect();
        let join = |parts: &[Ledger]| {
            let mut all = Ledger::default();
            parts.iter().cloned().for_each(|p| all.merge(p));
            all
        };
        let one = join(&parts);
        parts.reverse();
        assert_eq!(one, join(&parts));
        assert_eq!(
            (one.skips.len(), one.skipped.get(&SkipCause::Unreadable)),
            (100, Some(&300))
        );
        assert!(one.is_incomplete());
    }

    #[test]
    fn counts_end_at_the_largest_number() {
        let mut one = Ledger::default();
        one.count(Counter::Files, u64::MAX);
        one.skip_many(
            SkipCause::Unreadable,
            u64::MAX,
            BlobPath::from("a"),
            "denied",
        );
        let other = one.clone();
        one.merge(other);
        one.count(Counter::Files, 1);
        one.skip(SkipCause::Unreadable, BlobPath::from("b"), "denied");
        assert_eq!(one.counted(Counter::Files), u64::MAX);
        assert_eq!(one.skipped.get(&SkipCause::Unreadable), Some(&u64::MAX));
        assert!(one.is_incomplete());
    }
}

//! One run: source × engine → report.
//!
//! Promises: the same input gives the same report at any number of threads; every secret of the run is masked in every
//! text of the report (paths, names, excerpts) before it leaves.

mod bound;
mod collect;
pub mod examples;
pub mod explain;
mod haul;
mod hits;
mod layers;
mod lines;
mod mail;
mod mask;
mod origin;
pub mod policy;
mod receiver;
mod resolve;
mod run;
mod show;
mod target;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use crate::model::{BlobPath, Finding, Ledger, Persona, RuleMeta, Suppressed, Verification};

pub use collect::MAX_OCCURRENCES;
pub use policy::Proposal;
pub use run::{Options, run};
pub use target::Target;

/// What a run looked at. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A directory or files.
    Tree,
    /// Standard input.
    Stdin,
    /// The index against HEAD.
    Staged,
    /// Commits of a range.
    Range,
    /// Everything a repository holds.
    History,
}

impl Mode {
    /// Returns the name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Stdin => "stdin",
            Self::Staged => "staged",
            Self::Range => "range",
            Self::History => "history",
        }
    }
}

/// How much of a tree or repository a run looked at. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that its mode speaks of.
    Whole,
    /// One directory of a repository, by its path from the root.
    Directory(BlobPath),
    /// Files and directories named one by one.
    Files,
}

/// What a run looked for: findings of secrets, of policy, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookedFor {
    /// Whether secrets are reported.
    pub secrets: bool,
    /// For whom findings of policy are reported; `None` if they are not.
    pub policy: Option<Persona>,
}

impl Default for LookedFor {
    fn default() -> Self {
        Self {
            secrets: true,
            policy: Some(Persona::Regular),
        }
    }
}

impl LookedFor {
    /// Returns the name of the one kind that was looked for; `None` if both were.
    #[must_use]
    pub const fn only(self) -> Option<&'static str> {
        match (self.secrets, self.policy) {
            (true, None) => Some("secrets"),
            (false, _) => Some("policy"),
            (true, Some(_)) => None,
        }
    }

    /// Returns what two runs together looked for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            secrets: self.secrets || other.secrets,
            policy: self.policy.max(other.policy),
        }
    }
}

/// Everything that a format may write.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was looked at.
    pub mode: Mode,
    /// How much of it.
    pub scope: Scope,
    /// What for.
    pub looked_for: LookedFor,
    /// The metadata of all rules that ran, sorted by id; of a report that was read again, those with findings.
    pub rules: Vec<Arc<RuleMeta>>,
    /// How many rules ran.
    pub rules_run: usize,
    /// Coverage.
    pub ledger: Ledger,
    /// Sorted by path, line, column, rule.
    pub findings: Vec<Finding>,
    /// Sorted alike.
    pub suppressed: Vec<Suppressed>,
    /// Suppressions that met nothing, as safe text (`allow marker at a.py:3`, `baseline line k1:...`), sorted.
    pub unused_suppressions: Vec<String>,
    /// Ways to mend policy findings, sorted as those; none in a report that was read again.
    pub fixes: Vec<Proposal>,
    /// What of secrets stores was read for the verdicts, if they were asked.
    pub verification: Option<Verification>,
    /// Whether the run was stopped by the user.
    pub interrupted: bool,
}

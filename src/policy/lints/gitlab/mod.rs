//! GitLab CI: variables, scripts, artifacts and caches, merge requests, cloud keys.
//!
//! `pipeline` makes jobs of the file (defaults, `extends`, `!reference` followed), `body` makes one script of a job's lines with the
//! way back to the file, `reach` tells which jobs run for merge requests. What stands in included files is not known here.

mod body;
mod cloud;
mod files;
mod pipeline;
mod reach;
mod requests;
mod scripts;
mod variables;

use super::super::lint::Lint;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &variables::Plaintext,
    &scripts::Scripts,
    &variables::DebugTrace,
    &files::Kept,
    &requests::Shared,
    &cloud::StaticKey,
];

#[cfg(test)]
mod tests;

//! CircleCI, Jenkins, Azure Pipelines and Bitbucket Pipelines (rules 27-33 of the catalogue).

use super::super::lint::Lint;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[];

//! GitHub Actions: workflows and composite actions.
//!
//! `model` holds what is read of a file, `expression` and `evaluate` its expressions, `secrets` which of them yield secrets; the lints stand
//! in files of their own.

use super::super::lint::Lint;

mod evaluate;
mod expression;
mod model;
mod secrets;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[];

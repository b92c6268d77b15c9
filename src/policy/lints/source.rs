//! Program text.

use super::super::lint::Lint;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[];

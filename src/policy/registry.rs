//! All lints, once each. Their order is that of docs/policy.md.

use super::lint::{Lint, LintMeta};
use super::lints;

/// Returns all lints.
pub(crate) fn lints() -> impl Iterator<Item = &'static dyn Lint> {
    lints::FAMILIES.into_iter().flatten().copied()
}

/// Returns what is known of all lints, sorted by id.
#[must_use]
pub fn all() -> Vec<&'static LintMeta> {
    let mut all: Vec<_> = lints().flat_map(Lint::metas).copied().collect();
    all.sort_by_key(|meta| meta.id);
    all
}

/// Returns the lint with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static LintMeta> {
    lints()
        .flat_map(Lint::metas)
        .copied()
        .find(|meta| meta.id == id)
}

/// Runs the lints of all files.
#[must_use]
pub fn cross(index: &super::lint::Index<'_>) -> Vec<super::fault::CrossFault> {
    cross_for(index, &|_| true)
}

/// Does what [`cross`] does for a reader who is shown only some faults: the others take the place of none.
#[must_use]
pub fn cross_for(
    index: &super::lint::Index<'_>,
    shows: &dyn Fn(&super::fault::CrossFault) -> bool,
) -> Vec<super::fault::CrossFault> {
    let mut out = Vec::new();
    for lint in lints() {
        lint.files(index, &mut out);
    }
    out.retain(shows);
    super::owner::settle_across(&mut out, index.facts);
    out
}

#[cfg(test)]
mod tests;

//! How git sees the environment files that a lint tells of: no lint reads the index.
//!
//! Promise: a run that tells of none opens no repository for it.

use std::path::{Path, PathBuf};

use super::{super::Target, Habits};
use crate::{
    model::{BlobPath, Place},
    sources::{self, Standing},
};

/// The lint that is about it.
const LINT: &str = "dotenv-committed";

/// Most files that are looked up.
const MAX_FILES: usize = 64;

/// Says of environment files in a working tree whether git tracks them and an ignore rule covers them.
pub(in super::super) fn standing(target: &Target, habits: &mut Habits) {
    let base = match target {
        Target::Tree { root, prefix } => above(root, prefix),
        Target::Files { root, .. } => Some(root.clone()),
        _ => None,
    };
    let Some(base) = base else { return };
    let hits = habits.lints.iter_mut();
    let own = hits.filter(|hit| {
        let provenance = &hit.place.provenance;
        hit.lint.id == LINT && provenance.place == Place::File && provenance.object.is_none()
    });
    for hit in own.take(MAX_FILES) {
        let path = hit.place.location.path.as_bytes();
        let file = std::str::from_utf8(path).map(|path| base.join(path));
        if let Some(standing) = file.ok().and_then(|file| sources::standing(&file)) {
            hit.message.push_str("; ");
            hit.message.push_str(said(standing));
        }
    }
}

/// Returns the directory that paths of a scan of a part are relative to.
fn above(root: &Path, prefix: &BlobPath) -> Option<PathBuf> {
    let folders = prefix.as_bytes().split(|byte| *byte == b'/');
    let depth = folders.filter(|folder| !folder.is_empty()).count();
    let root = root.canonicalize().ok()?;
    root.ancestors().nth(depth).map(Path::to_path_buf)
}

const fn said(standing: Standing) -> &'static str {
    match (standing.tracked, standing.covered) {
        (true, true) => "it is tracked although an ignore rule covers it",
        (true, false) => "it is tracked, and no ignore rule covers it",
        (false, true) => "it is not tracked, and an ignore rule covers it",
        (false, false) => "it is not tracked yet, and no ignore rule covers it",
    }
}

//! How messages name the commits that brought earlier versions.

use super::Spot;
use crate::model::{CommitInfo, Related};

/// Most commits that a message names.
const MAX_COMMITS: usize = 3;

/// Returns how a message calls a commit.
pub(super) fn named(commit: &CommitInfo) -> String {
    let id = commit.id.to_string();
    let day = commit.date.get(..10).unwrap_or_default();
    format!("commit {} of {day}", id.get(..12).unwrap_or(&id))
}

/// Names the commits that brought earlier versions.
pub(super) fn commits(spot: &Spot, related: &[Related]) -> String {
    let all = related.iter().filter_map(|one| one.introduced.as_ref());
    let mut names: Vec<String> = Vec::new();
    for name in spot.introduced().into_iter().chain(all).map(named) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(MAX_COMMITS);
    names.truncate(MAX_COMMITS);
    match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("; in history since {}", names.join(", ")),
        (false, more) => format!("; in history since {} and {more} more", names.join(", ")),
    }
}

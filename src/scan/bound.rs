//! How many secrets of one file a report lists.
//!
//! Promise: what is not listed is counted in the ledger, which makes the run incomplete, and is masked like all others.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::model::{BlobPath, Ledger, Secret, SkipCause};

use super::run::Part;

/// Most secrets of one file that are listed, and most that are set aside: nobody mends a file with more one by one, and a report of a
/// million is none. What policy tells of a file has the same bound.
pub(super) const MAX_LISTED: usize = 10_000;

/// Leaves out the parts of a file beyond `most`: the worst stay, of equal ones the first. Returns the values that are left out.
pub(super) fn bound(parts: &mut Vec<Part>, most: usize, ledger: &mut Ledger) -> Vec<Secret> {
    let mut files: BTreeMap<(BlobPath, bool), Vec<usize>> = BTreeMap::new();
    for (number, part) in parts.iter().enumerate() {
        if let Some(path) = part.path() {
            let file = files.entry((path.clone(), part.is_aside())).or_default();
            file.push(number);
        }
    }
    let mut is_out = vec![false; parts.len()];
    for ((path, is_aside), mut numbers) in files {
        let Some(more @ 1..) = numbers.len().checked_sub(most) else {
            continue;
        };
        numbers.sort_by_key(|number| parts.get(*number).map(|part| Reverse(part.worst())));
        for number in numbers.into_iter().skip(most) {
            if let Some(is_out) = is_out.get_mut(number) {
                *is_out = true;
            }
        }
        match is_aside {
            true => ledger.note(format!(
                "{path}: {more} more secrets are set aside and not listed"
            )),
            false => {
                let detail = format!("more than {most} secrets: {more} are not listed");
                ledger.skip(SkipCause::LimitHit, path, detail);
            }
        }
    }
    let mut left_out = Vec::new();
    let mut number = 0;
    parts.retain(|part| {
        let is_out = is_out.get(number).copied().unwrap_or_default();
        number += 1;
        if is_out {
            left_out.extend(part.secret().cloned());
        }
        !is_out
    });
    left_out
}

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

#[cfg(test)]
mod tests {
    use super::super::{
        collect::Candidate,
        layers::{Layers, Parts},
        testing,
    };
    use super::*;
    use crate::{
        model::{Place, Provenance, Severity, Span, SuppressionKind},
        sources::{Blob, Sink as _},
    };

    /// Returns a part for each of a file's secrets, in the order of their places.
    fn parts(path: &str, count: u64) -> Vec<Part> {
        let options = testing::options();
        let own = Parts::new(&options);
        let layers = Layers::new(&own, &options.rules, false);
        let text: String = (0..count)
            .map(|n| format!("k = {}\n", testing::key(n)))
            .collect();
        let mut receiver = layers.receiver();
        receiver.blob(&Blob {
            bytes: text.as_bytes(),
            regions: &[Span::new(0, text.len() as u64)],
            path: &BlobPath::from(path),
            provenance: Provenance {
                place: Place::File,
                object: None,
            },
            offset: 0,
            line: 1,
            column: 1,
            whole: true,
        });
        drop(receiver);
        let hits = layers.gathered().hits.into_iter();
        let parts = hits.map(|hit| Part {
            why: None,
            candidates: vec![Candidate { hit, present: true }],
            attribution: None,
        });
        parts.collect()
    }

    fn lines(parts: &[Part]) -> Vec<(String, u32)> {
        let hits = parts.iter().map(|part| &part.candidates[0].hit);
        hits.map(|hit| (hit.location.path.to_string(), hit.location.start_line))
            .collect()
    }

    #[test]
    fn what_a_file_has_too_many_of_is_counted_and_still_known() {
        let mut all = parts("a", 5);
        all.extend(parts("b", 3));
        let worst = &mut all[4].candidates[0].hit.severity;
        *worst = Severity::Critical;
        for part in &mut all[..4] {
            part.candidates[0].hit.severity = Severity::High;
        }
        let third = all[2].secret().cloned();
        let mut ledger = Ledger::default();
        let left_out = bound(&mut all, 3, &mut ledger);
        let a = |line: u32| ("a".to_owned(), line);
        let b = |line: u32| ("b".to_owned(), line);
        assert_eq!(lines(&all), [a(1), a(2), a(5), b(1), b(2), b(3)]);
        assert_eq!(left_out.first(), third.as_ref());
        assert_eq!(left_out.len(), 2);
        assert_eq!(ledger.skipped.get(&SkipCause::LimitHit), Some(&1));
        let skip = ledger.skips.first().unwrap();
        assert_eq!(skip.path, BlobPath::from("a"));
        assert_eq!(skip.detail, "more than 3 secrets: 2 are not listed");
    }

    #[test]
    fn what_is_set_aside_takes_the_place_of_nothing_reported() {
        let mut all = parts("a", 6);
        for part in &mut all[..4] {
            part.why = Some((SuppressionKind::Allowlist, "made up".to_owned()));
        }
        let mut ledger = Ledger::default();
        bound(&mut all, 2, &mut ledger);
        let open = all.iter().filter(|part| !part.is_aside());
        assert_eq!((all.len(), open.count()), (4, 2));
        assert!(ledger.skipped.is_empty());
        assert_eq!(
            ledger.notes,
            ["a: 2 more secrets are set aside and not listed"]
        );
    }
}

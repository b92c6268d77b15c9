//! Which findings stand where several overlap.
//!
//! Promises: whether a finding stands depends on the findings that overlap it and on nothing else, so it can be said of
//! any part of a text; the order of the result is that of the text.

use std::{
    cmp::{Ordering, Reverse},
    ops::Range,
};

use super::judge::Found;

/// Sorts `all`, drops doubles and every finding that a more specific one overlaps.
pub(super) fn settle(all: &mut Vec<Found>) {
    all.sort_by(order);
    all.dedup_by(|b, a| a.rule == b.rule && a.span == b.span && a.stretch == b.stretch);
    // The furthest end of all findings up to each: what ends before a finding starts need not be looked at.
    let mut furthest = 0;
    let ends: Vec<usize> = all
        .iter()
        .map(|found| {
            furthest = furthest.max(found.span.end);
            furthest
        })
        .collect();
    hide_together(all);
    let keep: Vec<bool> = (0..all.len())
        .map(|at| !is_beaten(all, &ends, at))
        .collect();
    let mut keep = keep.into_iter();
    all.retain(|_| keep.next().unwrap_or(true));
}

/// Lets each finding hide all that it overlaps, directly or through others: of what is dropped nothing may be shown.
fn hide_together(all: &mut [Found]) {
    let mut each: Vec<Range<usize>> = all.iter().map(|found| found.hides.clone()).collect();
    each.sort_by_key(|hides| hides.start);
    let mut hulls: Vec<Range<usize>> = Vec::with_capacity(each.len());
    for hides in each {
        match hulls.last_mut() {
            Some(last) if hides.start < last.end => last.end = last.end.max(hides.end),
            _ => hulls.push(hides),
        }
    }
    for found in all {
        let at = hulls.partition_point(|hull| hull.start <= found.hides.start);
        if let Some(hull) = at.checked_sub(1).and_then(|at| hulls.get(at)) {
            found.hides = hull.clone();
        }
    }
}

/// By place, then rule, then encodings.
fn order(a: &Found, b: &Found) -> Ordering {
    (a.span.start, a.span.end, a.rule, a.rival, &a.encodings).cmp(&(
        b.span.start,
        b.span.end,
        b.rule,
        b.rival,
        &b.encodings,
    ))
}

fn is_beaten(all: &[Found], ends: &[usize], at: usize) -> bool {
    let Some(one) = all.get(at) else { return false };
    let before = (0..at)
        .rev()
        .take_while(|i| ends.get(*i).is_some_and(|end| *end > one.span.start));
    let after = (at + 1..all.len()).take_while(|i| {
        all.get(*i)
            .is_some_and(|other| other.span.start < one.span.end)
    });
    before
        .chain(after)
        .filter_map(|i| all.get(i))
        .any(|other| overlaps(one, other) && beats(other, one))
}

/// Findings of the same encoded stretch were settled in its text, where their places are exact.
fn overlaps(a: &Found, b: &Found) -> bool {
    let same_text = a.stretch.is_some() && a.stretch == b.stretch;
    !same_text && a.span.start < b.span.end && b.span.start < a.span.end
}

/// Tells whether `a` is the more specific: by rank, evidence, fewer encodings, length, how sure its rule is, how narrow its
/// family is; then by rule and place.
fn beats(a: &Found, b: &Found) -> bool {
    let key = |found: &Found| {
        (
            Reverse((found.rank, found.evidence)),
            found.encodings.len(),
            Reverse((found.span.len(), found.confidence, found.depth)),
            found.rule,
            found.span.start,
            found.stretch,
        )
    };
    key(a) < key(b)
}

#[cfg(test)]
mod tests {
    use super::{
        super::judge::{Evidence, Rank},
        *,
    };
    use crate::model::{Confidence, Secret, Severity};

    fn found(rule: u32, rank: Rank, span: Range<usize>) -> Found {
        Found {
            rule,
            rank,
            evidence: Evidence::default(),
            depth: 1,
            anchor: span.start,
            secret: Secret::new(b"x"),
            hides: span.clone(),
            span,
            near: None,
            severity: Severity::High,
            confidence: Confidence::High,
            encodings: Vec::new(),
            stretch: None,
            read: 0..0,
            rival: false,
        }
    }

    fn rules(mut all: Vec<Found>) -> Vec<u32> {
        settle(&mut all);
        all.iter().map(|found| found.rule).collect()
    }

    #[test]
    fn the_more_specific_stands() {
        assert_eq!(
            rules(vec![
                found(1, Rank::Generic, 0..50),
                found(2, Rank::Token, 10..20),
                found(3, Rank::Valid, 18..30),
            ]),
            [3]
        );
        assert_eq!(
            rules(vec![
                found(1, Rank::VendorContext, 0..10),
                found(2, Rank::VendorContext, 0..12),
                found(3, Rank::VendorContext, 0..12),
            ]),
            [2]
        );
    }

    #[test]
    fn among_equals_evidence_counts_before_length_and_the_rule_before_its_number() {
        let named = |rule, word, confidence, depth| Found {
            evidence: Evidence {
                paired: false,
                word,
            },
            confidence,
            depth,
            ..found(rule, Rank::VendorContext, 0..10)
        };
        let paired = Found {
            evidence: Evidence {
                paired: true,
                word: 0,
            },
            ..found(9, Rank::VendorContext, 0..10)
        };
        let long = named(1, 9, Confidence::High, 1);
        let longer = named(2, 14, Confidence::High, 1);
        assert_eq!(rules(vec![long, longer]), [2]);
        assert_eq!(rules(vec![named(1, 14, Confidence::High, 1), paired]), [9]);
        let unsure = named(1, 9, Confidence::Medium, 1);
        assert_eq!(rules(vec![unsure, named(2, 9, Confidence::High, 1)]), [2]);
        let broad = named(1, 9, Confidence::High, 1);
        assert_eq!(rules(vec![broad, named(2, 9, Confidence::High, 2)]), [2]);
    }

    #[test]
    fn what_stands_hides_all_that_it_overlaps() {
        let mut all = vec![
            found(1, Rank::Generic, 0..30),
            found(2, Rank::Valid, 25..40),
            found(3, Rank::Generic, 38..50),
            found(4, Rank::Generic, 49..58),
            found(5, Rank::Token, 60..70),
        ];
        settle(&mut all);
        let hidden: Vec<(u32, Range<usize>)> =
            all.into_iter().map(|one| (one.rule, one.hides)).collect();
        assert_eq!(hidden, [(2, 0..58), (5, 60..70)]);
    }

    #[test]
    fn neighbours_and_doubles() {
        assert_eq!(
            rules(vec![
                found(2, Rank::Token, 10..20),
                found(1, Rank::Generic, 0..10),
                found(2, Rank::Token, 10..20),
            ]),
            [1, 2]
        );
    }

    #[test]
    fn a_long_finding_far_before_still_counts() {
        assert_eq!(
            rules(vec![
                found(1, Rank::Valid, 0..100),
                found(2, Rank::Token, 5..6),
                found(3, Rank::Token, 50..60),
            ]),
            [1]
        );
    }

    #[test]
    fn what_reaches_back_from_a_stretch_is_hidden_with_what_it_meets() {
        let mut all = vec![
            found(1, Rank::Token, 0..10),
            found(2, Rank::Token, 20..30),
            found(3, Rank::Token, 40..50),
        ];
        // Settled in its text, where it overlapped something further ahead.
        if let Some(last) = all.last_mut() {
            last.hides = 5..50;
        }
        settle(&mut all);
        let hides: Vec<_> = all.iter().map(|found| found.hides.clone()).collect();
        assert_eq!(hides, [0..50, 0..50, 0..50]);
    }
}

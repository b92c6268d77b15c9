//! The sides of a group, and the worst that two of them make.

use std::collections::BTreeSet;

use crate::model::{Confidence, Severity};

use super::{
    super::{
        super::{environment::Labels, names},
        Class, Mode, Site,
        grade::{self, Crossing, Match, Shared},
        group::Group,
    },
    All, Seen,
};

/// Most label sets and keys of a group that are compared in pairs.
const MAX_SIDES: usize = 48;

/// The worst of the crossings of a group.
pub(super) struct Worst {
    pub severity: Severity,
    pub crossing: Crossing,
    pub confidence: Confidence,
}

/// A set of labels under one key in one group.
pub(super) struct Side<'s> {
    group: usize,
    labels: &'s Labels,
    is_layer: bool,
    key: String,
    seen: &'s Seen<'s>,
}

impl Side<'_> {
    /// Tells whether it is one of earlier versions alone.
    pub(super) const fn is_past(&self) -> bool {
        self.seen.is_past
    }
}

/// Returns the different sides of groups, the best and the least protected ones if there are too many, those of earlier versions last.
pub(super) fn sides<'s>(all: &'s All<'_>, groups: &[&Group]) -> Vec<Side<'s>> {
    let mut known = BTreeSet::new();
    let mut sides = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        for seen in group.sites.iter().filter_map(|at| all.seen.get(*at)) {
            let key = key_base(seen.site);
            if !seen.labels.is_empty()
                && known.insert((
                    number,
                    seen.labels.names(),
                    seen.is_layer,
                    seen.is_past,
                    key.clone(),
                ))
            {
                sides.push(Side {
                    group: number,
                    labels: &seen.labels,
                    is_layer: seen.is_layer,
                    key,
                    seen,
                });
            }
        }
    }
    let (mut now, mut past): (Vec<Side<'_>>, Vec<Side<'_>>) =
        sides.into_iter().partition(|side| !side.is_past());
    for sides in [&mut now, &mut past] {
        sides.sort_by_key(|side| side.labels.tier());
        if sides.len() > MAX_SIDES {
            let last = sides.len() - MAX_SIDES / 2;
            sides.drain(MAX_SIDES / 2..last);
        }
    }
    now.append(&mut past);
    now
}

/// Returns the worst crossing of sides.
pub(super) fn worst(sides: &[Side<'_>], by: Match, is_near: bool) -> Option<Worst> {
    let mut worst: Option<Worst> = None;
    for (at, a) in sides.iter().enumerate() {
        for b in sides.iter().skip(at + 1) {
            // What a base layer alone makes cross is told as such.
            if a.is_layer && b.is_layer || is_near && a.group == b.group {
                continue;
            }
            let Some(crossing) = grade::crossing(a.labels, b.labels) else {
                continue;
            };
            let shared = shared(a, b, by);
            if shared.class == Class::BelowGate && (a.key != b.key || is_near) {
                continue;
            }
            let Some(mut severity) = grade::severity(crossing, shared) else {
                continue;
            };
            if a.is_past() || b.is_past() {
                severity = grade::down(severity);
            }
            let confidence = grade::confidence(
                a.labels.evidence(),
                b.labels.evidence(),
                a.key == b.key,
                shared,
            );
            let is_worse = worst.as_ref().is_none_or(|worst| {
                (severity, confidence, crossing)
                    > (worst.severity, worst.confidence, worst.crossing)
            });
            if is_worse {
                worst = Some(Worst {
                    severity,
                    crossing,
                    confidence,
                });
            }
        }
    }
    worst
}

fn shared(a: &Side<'_>, b: &Side<'_>, by: Match) -> Shared {
    let prints = [a, b].map(|side| side.seen.site.prints());
    let classes = prints.iter().flatten().map(|prints| prints.class);
    // Of one value the best that is known of it counts, of two the worse.
    let class = if by.is_same() {
        classes.max()
    } else {
        classes.min()
    };
    let mode = prints
        .iter()
        .flatten()
        .map(|prints| prints.mode)
        .find(|mode| *mode != Mode::Unknown);
    let is_ciphertext = prints.iter().flatten().any(|prints| prints.is_ciphertext);
    Shared {
        is_ciphertext,
        class: class.unwrap_or(Class::BelowGate),
        mode: mode.unwrap_or_default(),
        is_signing: [a, b]
            .iter()
            .any(|side| grade::is_signing(&side.seen.site.key)),
        by,
    }
}

/// Returns the last key without the words of environments: the same key of two environments.
pub(super) fn key_base(site: &Site) -> String {
    let words = names::words(site.name());
    let words: Vec<String> = words
        .into_iter()
        .filter(|word| super::super::super::environment::of_word(word).is_none())
        .collect();
    words.join("_")
}

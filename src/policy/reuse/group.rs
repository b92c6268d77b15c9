//! Sites of one value: by equal digests, what values decode to included; and groups whose values are nearly one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::model::Digest;

use super::{Class, Prints, grade::Match};

/// Sites of one value, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The sites, in order.
    pub sites: Vec<usize>,
    /// Whether some of them meet only by what they decode to.
    pub is_encoded: bool,
}

/// Groups of nearly one value.
#[derive(Debug)]
pub(super) struct Near {
    /// Two groups or more, by their numbers.
    pub groups: Vec<usize>,
    /// What parts the values.
    pub by: Match,
}

/// Returns the groups of sites with one value, each site in one, in the order of their first sites.
pub(super) fn exact(sites: &[(usize, &Prints)]) -> Vec<Group> {
    let mut parents: Vec<usize> = (0..sites.len()).collect();
    let mut seen: BTreeMap<Digest, (usize, bool)> = BTreeMap::new();
    let mut encoded = vec![false; sites.len()];
    for (at, (_, prints)) in sites.iter().enumerate() {
        let own = std::iter::once((prints.value, false));
        for (digest, is_encoded) in own.chain(prints.encoded.iter().map(|digest| (*digest, true))) {
            let (other, was_encoded) = *seen.entry(digest).or_insert((at, is_encoded));
            let (a, b) = (root(&mut parents, at), root(&mut parents, other));
            if a != b {
                let (low, high) = (a.min(b), a.max(b));
                let flag =
                    encoded.get(high).copied().unwrap_or_default() || is_encoded || was_encoded;
                if let (Some(parent), Some(low_flag)) =
                    (parents.get_mut(high), encoded.get_mut(low))
                {
                    *parent = low;
                    *low_flag |= flag;
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (at, (site, _)) in sites.iter().enumerate() {
        let root = root(&mut parents, at);
        let group = groups.entry(root).or_default();
        group.sites.push(*site);
        group.is_encoded |= encoded.get(root).copied().unwrap_or_default();
    }
    groups.into_values().collect()
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    while let Some(parent) = parents.get(at).copied().filter(|parent| *parent != at) {
        // Halves the way for the next one.
        let above = parents.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = parents.get_mut(at) {
            *slot = above;
        }
        at = above;
    }
    at
}

/// Returns the groups that meet on a form of their values, the closest form first; groups that met already are not told again.
pub(super) fn near<'p>(
    groups: &[Group],
    prints: &dyn Fn(usize) -> Option<&'p Prints>,
) -> Vec<Near> {
    let mut by_form: BTreeMap<(u8, Digest), BTreeSet<usize>> = BTreeMap::new();
    for (number, group) in groups.iter().enumerate() {
        for prints in group.sites.iter().filter_map(|site| prints(*site)) {
            if prints.class < Class::Named {
                continue;
            }
            let forms = [(0, prints.c1), (1, prints.c2), (3, prints.folded)];
            let forms = forms
                .into_iter()
                .filter_map(|(kind, form)| Some((kind, form?)));
            for form in forms.chain(prints.cores.iter().map(|core| (2, *core))) {
                by_form.entry(form).or_default().insert(number);
            }
        }
    }
    let mut told: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut found = Vec::new();
    // Digests differ from run to run: their order must not show.
    let mut meetings: Vec<(u8, Vec<usize>)> = by_form
        .into_iter()
        .filter(|(_, groups)| groups.len() > 1)
        .map(|((kind, _), groups)| (kind, groups.into_iter().collect()))
        .collect();
    meetings.sort_by_key(|(kind, groups)| (*kind, Reverse(groups.len()), groups.clone()));
    for (kind, groups) in meetings {
        let pairs = groups
            .windows(2)
            .filter_map(|two| Some((*two.first()?, *two.get(1)?)));
        // Every pair is put in, not only up to the first new one.
        let is_new = pairs
            .map(|pair| told.insert(pair))
            .fold(false, |any, new| any | new);
        if is_new {
            let by = match kind {
                0 | 1 => Match::Affix,
                2 => Match::Core,
                _ => Match::Case,
            };
            found.push(Near { groups, by });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::DigestKey, policy::reuse::forms};

    type Numbers = Vec<usize>;

    fn groups(values: &[&str]) -> (Vec<Numbers>, Vec<(Numbers, Match)>) {
        let key = DigestKey::new([7; 32]);
        let prints: Vec<Prints> = values
            .iter()
            .map(|value| forms::prints(value, None, false, &key))
            .collect();
        let sites: Vec<(usize, &Prints)> = prints.iter().enumerate().collect();
        let exact = exact(&sites);
        let near = near(&exact, &|site| prints.get(site));
        (
            exact.into_iter().map(|group| group.sites).collect(),
            near.into_iter()
                .map(|near| (near.groups, near.by))
                .collect(),
        )
    }

    #[test]
    fn equal_and_encoded_values_are_one_group() {
        let (exact, near) = groups(&[
            "hunter2-Zq81",
            "Vx7kQ2mR9tLp",
            "hunter2-Zq81",
            "aHVudGVyMi1acTgx",
            "68756e746572322d5a713831",
        ]);
        assert_eq!(exact, [vec![0, 2, 3, 4], vec![1]]);
        assert!(near.is_empty(), "{near:?}");
    }

    #[test]
    fn near_values_meet_once_and_by_the_closest_form() {
        let (_, near) = groups(&[
            "Hunter2-dev",
            "Hunter2-prod",
            "Zq81-xkpwAB",
            "zq81-xkpwab",
            "SSO-C2-b7Jx9Qm2Lt5Rk8",
            "SSO-C3-b7Jx9Qm2Lt5Rk8",
        ]);
        assert_eq!(
            near,
            [
                (vec![0, 1], Match::Affix),
                (vec![4, 5], Match::Core),
                (vec![2, 3], Match::Case)
            ]
        );
    }

    #[test]
    fn independent_values_stay_apart() {
        let (exact, near) = groups(&[
            "Vx7kQ2mR9tLp",
            "b7Jx9Qm2Lt5Rk8",
            "hunter2-Zq81",
            "f3b1c0d9e8a7f6b5",
        ]);
        assert_eq!(exact.len(), 4);
        assert!(near.is_empty(), "{near:?}");
    }
}

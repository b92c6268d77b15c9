//! What the tables want to know of a pattern: looked up for the catalogue's patterns, read off the syntax tree for others.
//!
//! The build script makes the tables with the functions of `shape`: parsing 700 patterns took half of the time of a scan of one
//! file. Promise: a pattern's answer is the same whether a table has it or not.

use regex_syntax::hir::Hir;

use super::{
    patterns,
    shape::{self, ByteSet, Lead},
};

/// Literals as the build script leaves them.
type Texts = &'static [&'static str];

/// By pattern: the length of its leading run, and its lead. All tables are sorted by the pattern's length,
/// then by pattern.
static LEADS: &[(&str, usize, Lead)] = include!(concat!(env!("OUT_DIR"), "/leads.rs"));

/// Of token rules: the literals that matches start with.
static PREFIXES: &[(&str, Option<Texts>)] = include!(concat!(env!("OUT_DIR"), "/prefixes.rs"));

/// Of marker rules: how far before which markers matches begin.
static REACHES: &[(&str, Texts, Option<usize>)] = include!(concat!(env!("OUT_DIR"), "/reaches.rs"));

/// Of second parts: their greatest length, the literals that they hold one of, and whether they begin with those.
static PARTS: &[(&str, Option<usize>, Option<Texts>, bool)] =
    include!(concat!(env!("OUT_DIR"), "/parts.rs"));

/// What the tables want to know of a second part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Its greatest length in bytes.
    pub(super) longest: Option<usize>,
    /// As in [`shape::needed`].
    pub(super) needed: Option<Vec<Vec<u8>>>,
    /// Whether it begins with one of those.
    pub(super) leads: bool,
}

/// Returns how many token characters each match begins with, and what can be told without the pattern.
pub(super) fn lead(pattern: &str) -> (usize, Lead) {
    match find(LEADS, pattern, |row| row.0) {
        Some((_, run, lead)) => (*run, lead.clone()),
        None => of(pattern, |hir| (shape::leading_run(hir), Lead::new(hir))).unwrap_or_default(),
    }
}

/// Returns [`shape::prefixes`] of a pattern.
pub(super) fn prefixes(pattern: &str) -> Option<Vec<Vec<u8>>> {
    match find(PREFIXES, pattern, |row| row.0) {
        Some((_, prefixes)) => prefixes.map(owned),
        None => of(pattern, shape::prefixes).flatten(),
    }
}

/// Returns [`shape::reach_before`] of a pattern.
pub(super) fn reach_before(pattern: &str, markers: &[Vec<u8>]) -> Option<usize> {
    let known = find(REACHES, pattern, |row| row.0).filter(|(_, of, _)| {
        let of = of.iter().map(|marker| marker.as_bytes());
        of.eq(markers.iter().map(Vec::as_slice))
    });
    match known {
        Some((.., reach)) => *reach,
        None => of(pattern, |hir| shape::reach_before(hir, markers)).flatten(),
    }
}

/// Returns what is known of a second part.
pub(super) fn part(pattern: &str) -> Part {
    match find(PARTS, pattern, |row| row.0) {
        Some((_, longest, needed, leads)) => Part {
            longest: *longest,
            needed: needed.map(owned),
            leads: *leads,
        },
        None => of(pattern, |hir| Part {
            longest: hir.properties().maximum_len(),
            needed: shape::needed(hir),
            leads: shape::prefixes(hir).is_some(),
        })
        .unwrap_or_default(),
    }
}

fn find<'t, T>(table: &'t [T], pattern: &str, key: impl Fn(&T) -> &str) -> Option<&'t T> {
    // By length first: the texts that must be looked at are few.
    let at = table.binary_search_by(|row| {
        let row = key(row);
        (row.len().cmp(&pattern.len())).then_with(|| row.cmp(pattern))
    });
    table.get(at.ok()?)
}

fn of<T>(pattern: &str, tell: impl FnOnce(&Hir) -> T) -> Option<T> {
    patterns::parse(pattern).as_ref().map(tell)
}

fn owned(texts: Texts) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Shape, builtin};

    #[test]
    fn the_tables_hold_what_the_patterns_say() {
        assert!(!LEADS.is_empty() && !PREFIXES.is_empty());
        assert!(!REACHES.is_empty() && !PARTS.is_empty());
        for (pattern, run, lead) in LEADS {
            let hir = patterns::parse(pattern).unwrap();
            assert_eq!((*run, lead), (shape::leading_run(&hir), &Lead::new(&hir)));
        }
        for (pattern, prefixes) in PREFIXES {
            let hir = patterns::parse(pattern).unwrap();
            assert_eq!(prefixes.map(owned), shape::prefixes(&hir));
        }
        for (pattern, markers, reach) in REACHES {
            let hir = patterns::parse(pattern).unwrap();
            assert_eq!(*reach, shape::reach_before(&hir, &owned(markers)));
        }
        for (pattern, longest, needed, leads) in PARTS {
            let hir = patterns::parse(pattern).unwrap();
            assert_eq!(*longest, hir.properties().maximum_len());
            assert_eq!(needed.map(owned), shape::needed(&hir));
            assert_eq!(
                *leads,
                shape::prefixes(&hir) == shape::needed(&hir) && needed.is_some()
            );
        }
    }

    #[test]
    fn no_pattern_of_the_catalogue_is_parsed_at_start() {
        for rule in builtin().unwrap().rules {
            let Some(pattern) = rule.pattern.as_deref() else {
                continue;
            };
            let found = find(LEADS, pattern, |row| row.0);
            let (_, run, _) = found.unwrap_or_else(|| panic!("{}", rule.meta.id));
            let is_known = match &rule.shape {
                Shape::Token { .. } => {
                    *run >= super::super::anchors::MIN_RUN
                        || find(PREFIXES, pattern, |row| row.0).is_some()
                }
                Shape::Marker { markers } => find(REACHES, pattern, |row| row.0)
                    .is_some_and(|(_, of, _)| owned(of) == *markers),
                Shape::Context { .. } => {
                    let near = rule.near.as_ref().filter(|near| !near.required);
                    near.is_none_or(|near| find(PARTS, &near.pattern, |row| row.0).is_some())
                }
            };
            assert!(is_known, "{}", rule.meta.id);
        }
    }

    #[test]
    fn other_patterns_are_parsed() {
        assert_eq!(lead("qx[a-z]{10}~").0, 12);
        assert_eq!(lead("(").0, 0);
        assert_eq!(prefixes("qxyz~[a-z]"), Some(vec![b"qxyz~".to_vec()]));
        assert_eq!(
            part("[a-z]{4}:qxyz"),
            Part {
                longest: Some(9),
                needed: Some(vec![b":qxyz".to_vec()]),
                leads: false,
            }
        );
        // The pattern of a rule with other markers than the catalogue's is another question.
        let (pattern, markers, _) = REACHES.iter().find(|(.., reach)| reach.is_some()).unwrap();
        assert!(reach_before(pattern, &owned(markers)).is_some());
        assert_eq!(reach_before(pattern, &[b"\xff\xff\xff".to_vec()]), None);
    }
}

//! Finds every occurrence of many fixed literals, with vector instructions where the machine has them.
//!
//! Knows nothing of rules. Promises: every occurrence of every literal is reported, also where they overlap.

use std::ops::Range;

use aho_corasick::{AhoCorasick, Input, MatchKind, Span, packed};

/// Most literals of one packed searcher: its filter lets too much through with more.
const GROUP: usize = 64;

/// A set of literals; the index of a literal is its number in the list given.
pub(super) struct Literals {
    groups: Vec<Group>,
}

struct Group {
    search: Search,
    /// Literals with their numbers, sorted by bytes.
    members: Vec<(Box<[u8]>, u32)>,
    /// The shortest member's length.
    shortest: usize,
}

enum Search {
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

impl Literals {
    /// Builds the searchers. Empty literals are left out.
    pub(super) fn new(literals: &[Vec<u8>]) -> Self {
        let mut all: Vec<(Box<[u8]>, u32)> = (0_u32..)
            .zip(literals)
            .filter(|(_, literal)| !literal.is_empty())
            .map(|(number, literal)| (literal.clone().into_boxed_slice(), number))
            .collect();
        // The filter looks at as many bytes as the shortest literal of its group has, 4 at most: like to like.
        all.sort_by_key(|(literal, _)| literal.len().min(4));
        Self {
            groups: all.chunks(GROUP).filter_map(Group::new).collect(),
        }
    }

    /// Calls `hit` with number and offset of each occurrence that starts in `window`, once each; sorted by
    /// offset within a group, groups one after the other.
    pub(super) fn find(&self, bytes: &[u8], window: Range<usize>, mut hit: impl FnMut(u32, usize)) {
        for group in &self.groups {
            group.find(bytes, window.clone(), &mut hit);
        }
    }
}

impl Group {
    fn new(members: &[(Box<[u8]>, u32)]) -> Option<Self> {
        let mut members = members.to_vec();
        members.sort();
        let shortest = members.iter().map(|(literal, _)| literal.len()).min()?;
        // A literal that another one begins is found with that one.
        let mut stems: Vec<&[u8]> = Vec::new();
        for (literal, _) in &members {
            if !stems.last().is_some_and(|stem| literal.starts_with(stem)) {
                stems.push(literal);
            }
        }
        let search = match packed::Config::new().builder().extend(&stems).build() {
            Some(searcher) => Search::Packed(searcher),
            None => Search::Automaton(
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostFirst)
                    .build(&stems)
                    .ok()?,
            ),
        };
        Some(Self {
            search,
            members,
            shortest,
        })
    }

    fn find(&self, bytes: &[u8], window: Range<usize>, hit: &mut impl FnMut(u32, usize)) {
        let longest = self.members.iter().map(|(literal, _)| literal.len()).max();
        let end = window
            .end
            .saturating_add(longest.unwrap_or(0))
            .min(bytes.len());
        let mut from = window.start;
        while from < window.end && from + self.shortest <= end {
            let span = Span { start: from, end };
            let found = match &self.search {
                Search::Packed(searcher) => searcher.find_in(bytes, span),
                Search::Automaton(automaton) => automaton.find(Input::new(bytes).span(span)),
            };
            let Some(found) = found else { return };
            let start = found.start();
            if start >= window.end {
                return;
            }
            self.all_at(bytes, start, hit);
            from = start + 1;
        }
    }

    /// Reports every member that stands at `start`.
    fn all_at(&self, bytes: &[u8], start: usize, hit: &mut impl FnMut(u32, usize)) {
        let rest = bytes.get(start..).unwrap_or_default();
        let Some(key) = rest.first() else { return };
        let first = self
            .members
            .partition_point(|(literal, _)| literal.first() < Some(key));
        for (literal, number) in self.members.get(first..).unwrap_or_default() {
            if literal.first() != Some(key) {
                return;
            }
            if rest.starts_with(literal) {
                hit(*number, start);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(literals: &[&str], text: &str) -> Vec<(u32, usize)> {
        let literals: Vec<Vec<u8>> = literals.iter().map(|l| l.as_bytes().to_vec()).collect();
        let mut found = Vec::new();
        Literals::new(&literals).find(text.as_bytes(), 0..text.len(), |number, at| {
            found.push((number, at));
        });
        found.sort_unstable();
        found
    }

    #[test]
    fn finds_overlapping_and_nested_literals() {
        assert_eq!(
            find(&["AccountKey=", "Key=", "Acc"], "AccountKey=x Key="),
            [(0, 0), (1, 7), (1, 13), (2, 0)]
        );
    }

    #[test]
    fn finds_a_literal_at_the_very_end() {
        assert_eq!(find(&["sig=", "abcdef"], "sig="), [(0, 0)]);
    }

    proptest! {
        #[test]
        fn equals_the_plain_way(
            literals in proptest::collection::vec("[abc]{3,5}", 1..80),
            text in "[abc]{0,120}",
        ) {
            let mut expected = Vec::new();
            for (number, literal) in literals.iter().enumerate() {
                for at in 0..text.len() {
                    if text[at..].starts_with(literal) {
                        expected.push((number as u32, at));
                    }
                }
            }
            expected.sort_unstable();
            let literals: Vec<&str> = literals.iter().map(String::as_str).collect();
            prop_assert_eq!(find(&literals, &text), expected);
        }
    }
}

//! The rules in the form that the hot path wants: a table of token prefixes, one set of literals, the context words.
//!
//! Built once for all threads. Promises: no rule's match is out of reach of its anchor; a rule whose matches may be too
//! short or too broken for a run of token characters is searched by its own literals instead.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    anchors::MIN_RUN,
    context::{MAX_BACK, MAX_VALUE},
    facts,
    notes::RIGHT,
    patterns::Pattern,
    shape::Lead,
};
use crate::{
    literals::Literals,
    rules::{Rule, RuleSet, Shape},
};

/// Most bytes of a match, whatever a rule says; see [`super::CONTEXT`].
pub(super) const MAX_MATCH: usize = 16 * 1024;

/// Most bytes of a block with an extent.
pub(super) const MAX_BLOCK: usize = 20 * 1024;

/// Parts of names after which values are looked for that are shorter than a run, or broken by punctuation, and what else a
/// password follows by its syntax. Measured on redis and git.git: 340 places per MB. `key` and `auth` would be 2,300 more,
/// and their values have runs. `pw` is looked for at a name's end only, with what follows it: two bytes are too few.
const VALUE_WORDS: [&str; 39] = [
    "pass",
    "Pass",
    "PASS",
    "pwd",
    "Pwd",
    "PWD",
    "psk",
    "PSK",
    "pw=",
    "pw:",
    "pw ",
    "pw\"",
    "pw'",
    "PW=",
    "PW:",
    "PW ",
    "secret",
    "Secret",
    "SECRET",
    "token",
    "Token",
    "TOKEN",
    "apikey",
    "apiKey",
    "ApiKey",
    "api_key",
    "api-key",
    "API_KEY",
    "IDENTIFIED BY",
    "identified by",
    "SecureString",
    "redentials(",
    "redential(",
    "asicAuth(",
    "asic_auth(",
    "onnection(",
    "onnect(",
    "sqli(",
    "PDO(",
];

/// A rule with its compiled parts.
pub(super) struct Prepared {
    pub(super) pattern: Option<Pattern>,
    pub(super) near: Option<Pattern>,
    /// What can be told without the pattern.
    pub(super) lead: Lead,
    /// Most bytes of a match.
    pub(super) max_len: usize,
    /// Marker rules: how far before its marker a match may begin.
    pub(super) before: usize,
}

/// What to do where a literal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Look for values after the word of so many bytes.
    Word(usize),
    /// Try the token rule here.
    Token(u32),
    /// Search around the marker of so many bytes.
    Marker(u32, usize),
    /// The second part of the stand-in with this number may be here; the literal has so many bytes.
    Near(usize, usize),
}

/// A context rule that a second part may vouch for.
pub(super) struct StandIn {
    pub(super) rule: u32,
    /// Least length of the run that a value begins with.
    pub(super) run: usize,
    /// Whether literals tell where its second part may be.
    pub(super) marked: bool,
    /// Whether its second part begins with the literal.
    pub(super) leads: bool,
    /// How far from the value's start such a literal may stand.
    pub(super) reach: usize,
}

/// All tables.
pub(super) struct Tables {
    pub(super) rules: Vec<Prepared>,
    pub(super) prefixes: Prefixes,
    pub(super) literals: Literals,
    /// By number of the literal.
    pub(super) actions: Vec<Vec<Action>>,
    pub(super) words: super::names::Words,
    pub(super) stand_ins: Vec<StandIn>,
    /// Their numbers, those that take the shortest runs first.
    pub(super) by_run: Vec<usize>,
    /// How far after a match's start its marker may stand.
    pub(super) marker_reach: usize,
    /// Length of the longest second part of a stand-in that literals tell of.
    pub(super) near_part: usize,
    /// How far from a value's start the second part of a stand-in may be.
    pub(super) near_reach: usize,
    /// Most bytes between a hit's anchor and the end of its secret.
    pub(super) reach: usize,
    /// Length of the longest literal.
    pub(super) longest: usize,
    /// Whether no literal is longer than what a change is looked at with.
    pub(super) is_local: bool,
}

#[derive(Default)]
struct Draft<'r> {
    prefixes: Vec<(Vec<u8>, bool, u32)>,
    literals: BTreeMap<Vec<u8>, Vec<Action>>,
    words: BTreeMap<&'r str, Vec<u32>>,
    stand_ins: Vec<StandIn>,
    marker_reach: usize,
    near_part: usize,
    near_reach: usize,
    reach: usize,
}

impl Tables {
    pub(super) fn new(set: &RuleSet) -> Self {
        let mut draft = Draft {
            reach: MAX_VALUE,
            ..Draft::default()
        };
        let mut rules = Vec::with_capacity(set.rules.len());
        for (number, rule) in (0_u32..).zip(&set.rules) {
            rules.push(draft.add(number, rule));
        }
        if set
            .rules
            .iter()
            .any(|rule| matches!(rule.shape, Shape::Context { .. }))
        {
            for word in VALUE_WORDS {
                let name = word.trim_end_matches(['=', ':', ' ', '"', '\'']);
                draft.literal(word.as_bytes(), Action::Word(name.len()));
            }
        }
        let prefixes = draft.prefixes.iter().map(|(prefix, ..)| prefix);
        let longest = draft.literals.keys().chain(prefixes).map(Vec::len).max();
        let (literals, actions): (Vec<_>, Vec<_>) = draft.literals.into_iter().unzip();
        let mut by_run: Vec<usize> = (0..draft.stand_ins.len()).collect();
        by_run.sort_by_key(|number| draft.stand_ins.get(*number).map_or(0, |one| one.run));
        Self {
            rules,
            prefixes: Prefixes::new(draft.prefixes),
            literals: Literals::new(&literals),
            actions,
            words: super::names::Words::new(&draft.words),
            stand_ins: draft.stand_ins,
            by_run,
            marker_reach: draft.marker_reach,
            near_part: draft.near_part,
            near_reach: draft.near_reach,
            reach: draft.reach,
            longest: longest.unwrap_or(0),
            is_local: longest.is_none_or(|longest| longest <= RIGHT),
        }
    }
}

impl<'r> Draft<'r> {
    fn literal(&mut self, literal: &[u8], action: Action) {
        let actions = self.literals.entry(literal.to_vec()).or_default();
        if !actions.contains(&action) {
            actions.push(action);
        }
    }

    fn add(&mut self, number: u32, rule: &'r Rule) -> Prepared {
        let pattern = rule.pattern.as_deref();
        let max_len = rule.max_len.min(MAX_MATCH);
        let (run, lead) = pattern.map(facts::lead).unwrap_or_default();
        let mut before = 0;
        self.reach = self.reach.max(max_len);
        match &rule.shape {
            Shape::Token { prefixes, fold } if run >= MIN_RUN => {
                let entries = prefixes
                    .iter()
                    .map(|prefix| (prefix.clone(), *fold, number));
                self.prefixes.extend(entries);
            }
            Shape::Token { prefixes, fold } => {
                // No run to rely on: every match is found by its first bytes.
                let own = pattern.and_then(facts::prefixes);
                for prefix in own.as_ref().unwrap_or(prefixes) {
                    for literal in spellings(prefix, *fold && own.is_none()) {
                        self.literal(&literal, Action::Token(number));
                    }
                }
            }
            Shape::Context { words } => self.context(number, rule, words, run),
            Shape::Marker { markers } => {
                let known = pattern.and_then(|pattern| facts::reach_before(pattern, markers));
                before = known.unwrap_or(max_len).min(max_len);
                self.marker_reach = self.marker_reach.max(before + max_len.min(4096));
                if rule.extent.is_some() {
                    self.reach = self.reach.max(MAX_BLOCK);
                }
                for marker in markers {
                    self.literal(marker, Action::Marker(number, marker.len()));
                }
            }
        }
        Prepared {
            pattern: pattern.map(Pattern::new),
            lead,
            near: rule.near.as_ref().map(|near| Pattern::new(&near.pattern)),
            max_len,
            before,
        }
    }

    fn context(&mut self, number: u32, rule: &Rule, words: &'r [String], run: usize) {
        for word in words {
            self.words.entry(word).or_default().push(number);
            // Values without a run at their start are looked for after the words themselves.
            let covered = || VALUE_WORDS.iter().any(|part| word.contains(part));
            if rule.pattern.is_some() && run < MIN_RUN && word.len() >= 5 && !covered() {
                for literal in cases(word) {
                    self.literal(&literal, Action::Word(literal.len()));
                }
            }
        }
        if let Some(near) = rule.near.as_ref().filter(|near| !near.required) {
            let stand_in = self.stand_ins.len();
            let facts::Part {
                longest,
                needed: literals,
                leads,
            } = facts::part(&near.pattern);
            let part = longest.unwrap_or(MAX_MATCH);
            for literal in literals.iter().flatten() {
                self.literal(literal, Action::Near(stand_in, literal.len()));
            }
            if literals.is_some() {
                self.near_part = self.near_part.max(part);
            }
            let reach = near.within + part + rule.max_len.min(MAX_MATCH);
            self.near_reach = self.near_reach.max(reach);
            self.stand_ins.push(StandIn {
                rule: number,
                run,
                marked: literals.is_some(),
                leads,
                reach,
            });
        }
    }
}

/// Returns `word`, `WORD` and `Word`.
fn cases(word: &str) -> BTreeSet<Vec<u8>> {
    let mut capital = word.as_bytes().to_vec();
    if let Some(first) = capital.first_mut() {
        first.make_ascii_uppercase();
    }
    [
        word.as_bytes().to_vec(),
        word.to_ascii_uppercase().into_bytes(),
        capital,
    ]
    .into_iter()
    .collect()
}

/// Returns the literals that begin each spelling of `prefix`: itself, or its first 4 bytes in every case.
fn spellings(prefix: &[u8], fold: bool) -> BTreeSet<Vec<u8>> {
    if !fold {
        return [prefix.to_vec()].into_iter().collect();
    }
    let head = prefix.get(..4).unwrap_or(prefix);
    let mut all: BTreeSet<Vec<u8>> = [Vec::new()].into_iter().collect();
    for byte in head {
        let grow = |start: &Vec<u8>| {
            [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]
                .map(|byte| start.iter().copied().chain([byte]).collect())
        };
        all = all.iter().flat_map(grow).collect();
    }
    all
}

/// Which token rules have a prefix that stands at some place.
pub(super) struct Prefixes {
    /// One bit for each hash of three folded bytes.
    bits: Box<[u64; 1 << (BITS - 6)]>,
    /// Hash and the entries that have it, sorted.
    keys: Vec<(u16, Range<usize>)>,
    entries: Vec<Prefix>,
}

struct Prefix {
    literal: Box<[u8]>,
    fold: bool,
    rule: u32,
}

/// 32 Kbit fit beside everything else in the first-level cache.
const BITS: u32 = 15;

/// Returns a hash of three bytes that letters of either case share.
#[inline]
const fn hash(bytes: [u8; 3]) -> u16 {
    let [a, b, c] = bytes;
    let folded = ((a | 0x20) as u32) | (((b | 0x20) as u32) << 8) | (((c | 0x20) as u32) << 16);
    (folded.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as u16
}

impl Prefixes {
    fn new(prefixes: Vec<(Vec<u8>, bool, u32)>) -> Self {
        let mut hashed: Vec<(u16, Prefix)> = prefixes
            .into_iter()
            .filter_map(|(literal, fold, rule)| {
                let key = hash(*literal.first_chunk()?);
                let literal = literal.into_boxed_slice();
                Some((
                    key,
                    Prefix {
                        literal,
                        fold,
                        rule,
                    },
                ))
            })
            .collect();
        hashed.sort_by_key(|(key, prefix)| (*key, prefix.rule));
        let mut table = Self {
            bits: Box::new([0; 1 << (BITS - 6)]),
            keys: Vec::new(),
            entries: Vec::new(),
        };
        for (key, prefix) in hashed {
            if let Some(word) = table.bits.get_mut(usize::from(key >> 6)) {
                *word |= 1 << (key & 63);
            }
            let at = table.entries.len();
            match table.keys.last_mut() {
                Some((last, span)) if *last == key => span.end = at + 1,
                _ => table.keys.push((key, at..at + 1)),
            }
            table.entries.push(prefix);
        }
        table
    }

    /// Tells whether a prefix may stand at `at`: one load, right in all but 1% of the cases.
    #[inline]
    pub(super) fn may_start(&self, bytes: &[u8], at: usize) -> bool {
        let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return false;
        };
        let key = hash(*head);
        self.bits[usize::from(key >> 6) % (1 << (BITS - 6))] & (1 << (key & 63)) != 0
    }

    /// Returns the rules that have a prefix at `at`; a rule with several may come twice.
    pub(super) fn rules_at<'t>(
        &'t self,
        bytes: &'t [u8],
        at: usize,
    ) -> impl Iterator<Item = u32> + 't {
        let rest = bytes.get(at..).unwrap_or_default();
        let span = rest
            .first_chunk()
            .map(|head| hash(*head))
            .and_then(|key| self.keys.binary_search_by_key(&key, |(key, _)| *key).ok())
            .and_then(|found| self.keys.get(found))
            .map_or(0..0, |(_, span)| span.clone());
        self.entries
            .get(span)
            .unwrap_or_default()
            .iter()
            .filter(|prefix| prefix.stands_at(rest))
            .map(|prefix| prefix.rule)
    }
}

impl Prefix {
    fn stands_at(&self, rest: &[u8]) -> bool {
        rest.get(..self.literal.len()).is_some_and(|head| {
            if self.fold {
                head.eq_ignore_ascii_case(&self.literal)
            } else {
                *head == *self.literal
            }
        })
    }
}

impl Tables {
    /// Returns how far around a window literals must be looked for, so that nothing that starts in it is missed.
    pub(super) fn literal_window(&self, window: &Range<usize>, len: usize) -> Range<usize> {
        let before = self.near_reach.max(MAX_BACK + 64);
        let after = self.near_reach.max(self.marker_reach);
        let start = window.start.saturating_sub(before);
        let end = window.end.saturating_add(after).min(len);
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_found_by_their_bytes() {
        let table = Prefixes::new(vec![
            (b"ghp_".to_vec(), false, 1),
            (b"GLPAT".to_vec(), true, 2),
            (b"ghp".to_vec(), false, 3),
        ]);
        let rules = |text: &[u8]| table.rules_at(text, 0).collect::<Vec<_>>();
        assert_eq!(rules(b"ghp_x"), [1, 3]);
        assert_eq!(rules(b"GHP_x"), Vec::<u32>::new());
        assert_eq!(rules(b"glPat-"), [2]);
        assert!(table.may_start(b"xghp", 1) && !table.may_start(b"gh", 0));
    }

    #[test]
    fn folded_literals_have_all_spellings() {
        assert_eq!(spellings(b"ab-", true).len(), 4);
        assert_eq!(spellings(b"abcdef", true).len(), 16);
        assert_eq!(spellings(b"abcdef", false).len(), 1);
    }
}

//! Reads off a pattern's syntax tree how the engine can anchor it.
//!
//! Promises: every answer errs on the safe side; where nothing can be said, the answer is the one that loses no match.

use regex_syntax::hir::{Class, Hir, HirKind, literal};

use super::anchors::{is_alnum, is_token};

/// Most literals that a pattern may be searched by.
const MAX_LITERALS: usize = 32;

/// Returns how many token characters each match surely begins with.
pub(super) fn leading_run(hir: &Hir) -> usize {
    lead(hir).0
}

/// Returns the least number of leading token characters, and whether each match consists of them alone.
fn lead(hir: &Hir) -> (usize, bool) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (0, true),
        HirKind::Literal(literal) => {
            let run = literal.0.iter().take_while(|byte| is_token(**byte)).count();
            (run, run == literal.0.len())
        }
        HirKind::Class(class) => {
            let all = is_token_class(class);
            (usize::from(all), all)
        }
        HirKind::Repetition(repetition) => {
            let times = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            match lead(&repetition.sub) {
                (run, true) => (run.saturating_mul(times), true),
                (run, false) if times > 0 => (run, false),
                (_, false) => (0, false),
            }
        }
        HirKind::Capture(capture) => lead(&capture.sub),
        HirKind::Concat(parts) => {
            let mut total = 0_usize;
            for part in parts {
                let (run, all) = lead(part);
                total = total.saturating_add(run);
                if !all {
                    return (total, false);
                }
            }
            (total, true)
        }
        HirKind::Alternation(parts) => parts
            .iter()
            .map(lead)
            .reduce(|a, b| (a.0.min(b.0), a.1 && b.1))
            .unwrap_or((0, false)),
    }
}

fn is_token_class(class: &Class) -> bool {
    match class {
        Class::Bytes(bytes) => bytes
            .iter()
            .all(|range| (range.start()..=range.end()).all(is_token)),
        Class::Unicode(chars) => chars.iter().all(|range| {
            range.end().is_ascii()
                && (range.start()..=range.end()).all(|c| u8::try_from(c).is_ok_and(is_token))
        }),
    }
}

/// A set of byte values, one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet(pub(super) [u64; 4]);

impl ByteSet {
    #[inline]
    fn has(&self, byte: u8) -> bool {
        self.0
            .get(usize::from(byte >> 6))
            .is_some_and(|word| word & (1 << (byte & 63)) != 0)
    }

    fn add(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
    }

    /// Adds every byte that may stand in a match.
    fn add_all_of(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.add(literal.0.iter().copied()),
            HirKind::Class(Class::Bytes(class)) => {
                self.add(class.iter().flat_map(|range| range.start()..=range.end()));
            }
            HirKind::Class(Class::Unicode(_)) => self.add(0..=u8::MAX),
            HirKind::Repetition(repetition) => self.add_all_of(&repetition.sub),
            HirKind::Capture(capture) => self.add_all_of(&capture.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().for_each(|part| self.add_all_of(part));
            }
        }
    }
}

/// What can be told of a pattern's matches without the regex: the class of their first bytes, which bytes may stand in them at
/// all, and how long they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lead {
    pub(super) class: ByteSet,
    /// How many bytes are of the class.
    pub(super) len: usize,
    /// What a match may consist of.
    pub(super) alphabet: ByteSet,
    /// Length of a match.
    pub(super) least: usize,
    pub(super) most: usize,
}

impl Lead {
    /// Reads the lead off a pattern: that of its first part, if it is a class that repeats.
    pub(super) fn new(hir: &Hir) -> Self {
        let mut parts = Vec::new();
        flatten(hir, &mut parts);
        let properties = hir.properties();
        let mut lead = Self {
            least: properties.minimum_len().unwrap_or(0),
            most: properties.maximum_len().unwrap_or(usize::MAX),
            ..Self::default()
        };
        if let Some(HirKind::Repetition(repetition)) = parts.first().map(|part| part.kind())
            && let HirKind::Class(Class::Bytes(class)) = repetition.sub.kind()
        {
            lead.len = usize::try_from(repetition.min).unwrap_or(0);
            let bytes = class.iter().flat_map(|range| range.start()..=range.end());
            lead.class.add(bytes);
        }
        lead.alphabet.add_all_of(hir);
        lead
    }

    /// Looks how far a match of at most `max_len` bytes that starts at `at` could go, to the first byte that stands in none, and
    /// whether it could end there or before, where no letter or digit follows.
    pub(super) fn extent(&self, bytes: &[u8], at: usize, max_len: usize) -> Extent {
        let rest = bytes.get(at..).unwrap_or_default();
        let most = rest.get(..self.most.min(max_len)).unwrap_or(rest);
        let len = most
            .iter()
            .position(|byte| !self.alphabet.has(*byte))
            .unwrap_or(most.len());
        let begins = || {
            let head = rest.get(..self.len);
            head.is_some_and(|head| head.iter().all(|byte| self.class.has(*byte)))
        };
        // The end of the text is as good as a byte that no token has.
        let ends = || {
            let ends = rest.get(self.least..=len);
            ends.is_none_or(|ends| ends.iter().any(|byte| !is_alnum(*byte)))
        };
        Extent {
            read: at + len + 1,
            may_match: len >= self.least && begins() && ends(),
        }
    }
}

/// What can be told of a match at some place before it is searched for.
pub(super) struct Extent {
    /// Nothing from here on says whether there is a match.
    pub(super) read: usize,
    /// Whether there may be one.
    pub(super) may_match: bool,
}

/// Returns literals of at least 3 bytes, one of which every match starts with; `None` if there are no such ones.
pub(super) fn prefixes(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut extractor = literal::Extractor::new();
    extractor
        .kind(literal::ExtractKind::Prefix)
        .limit_total(MAX_LITERALS);
    let found = extractor.extract(hir);
    let literals = found.literals()?;
    let fit = !literals.is_empty() && literals.iter().all(|literal| literal.len() >= 3);
    fit.then(|| {
        literals
            .iter()
            .map(|literal| literal.as_bytes().to_vec())
            .collect()
    })
}

/// Returns literals of at least 3 bytes, one of which every match holds; `None` if there are no such ones.
pub(super) fn needed(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    if let Some(prefixes) = prefixes(hir) {
        return Some(prefixes);
    }
    match hir.kind() {
        HirKind::Literal(literal) if literal.0.len() >= 3 => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => needed(&repetition.sub),
        HirKind::Concat(parts) => parts
            .iter()
            .filter_map(needed)
            .max_by_key(|found| found.iter().map(Vec::len).min()),
        HirKind::Alternation(parts) => {
            let all: Option<Vec<_>> = parts.iter().map(needed).collect();
            all.map(|all| all.concat())
        }
        _ => None,
    }
}

/// Returns how far before a marker a match of the rule can begin, if each match holds one of `markers` at a known
/// place; `None` if that cannot be told.
pub(super) fn reach_before(hir: &Hir, markers: &[Vec<u8>]) -> Option<usize> {
    let starts = |text: &[u8]| markers.iter().any(|marker| text.starts_with(marker));
    if prefixes(hir).is_some_and(|found| found.iter().all(|prefix| starts(prefix))) {
        return Some(0);
    }
    let mut parts = Vec::new();
    flatten(hir, &mut parts);
    let mut before = 0_usize;
    for part in parts {
        if let HirKind::Literal(literal) = part.kind() {
            let inside = (0..literal.0.len()).find(|at| literal.0.get(*at..).is_some_and(starts));
            if let Some(inside) = inside {
                return before.checked_add(inside);
            }
        }
        before = before.checked_add(part.properties().maximum_len()?)?;
    }
    None
}

/// Lists what a match consists of, one after the other.
fn flatten<'a>(hir: &'a Hir, parts: &mut Vec<&'a Hir>) {
    match hir.kind() {
        HirKind::Concat(subs) => subs.iter().for_each(|sub| flatten(sub, parts)),
        HirKind::Capture(capture) => flatten(&capture.sub, parts),
        _ => parts.push(hir),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::patterns::parse, *};

    fn run(pattern: &str) -> usize {
        leading_run(&parse(pattern).expect("a valid pattern"))
    }

    #[test]
    fn counts_the_token_characters_that_every_match_begins_with() {
        assert_eq!(run("ghp_[A-Za-z0-9]{36}"), 40);
        assert_eq!(run("(?:AKIA|ASIA)[A-Z2-7]{16}"), 20);
        assert_eq!(run("ab-(?:[a-z]{4}|[0-9]{3}~[a-z]{20})x{9}"), 6);
        assert_eq!(run(r"https://[a-z]{30}"), 5);
        assert_eq!(run("[a-z~]{40}"), 0);
        assert_eq!(run("abc[a-z]{0,3}:x"), 3);
        assert_eq!(run("(?:abc:){2}"), 3);
        assert_eq!(run("(?i)glpat-[0-9a-z]{20}"), 26);
    }

    #[test]
    fn a_lead_is_a_test_before_the_regex() {
        let may = |pattern: &str, text: &str| {
            let lead = Lead::new(&parse(pattern).expect("valid"));
            lead.extent(text.as_bytes(), 0, 100).may_match
        };
        assert!(may("[a-f0-9]{8}", "0a1b2c3d") && may("[a-f0-9]{8}", "0a1b2c3d-x"));
        assert!(!may("[a-f0-9]{8}", "0a1b2c3de") && !may("[a-f0-9]{8}", "0a1b2c3"));
        assert!(!may("[a-f0-9]{8}", "0a1b2cgd"));
        assert!(may("[a-z]{4,6}", "abcde.g") && !may("[a-z]{4,6}", "abcdefgh"));
        assert!(may("(?:a|bc)[a-z]{4}", "axxxx"));
        assert!(may("a[b-d]{2}-e", "abc-e") && !may("a[b-d]{2}-e", "abx-e"));
    }

    #[test]
    fn a_search_reads_no_further_than_a_match_could_go() {
        let read = |pattern: &str, text: &str| {
            let lead = Lead::new(&parse(pattern).expect("valid"));
            lead.extent(text.as_bytes(), 0, 20).read
        };
        assert_eq!(read("ab-[a-z]{4,50}", "ab-xyz xyz"), 7);
        assert_eq!(read("ab-[a-z]{4,50}", "ab-xyz"), 7);
        assert_eq!(read("[a-z]{4}", "abcdefg"), 5);
        assert_eq!(read("[a-z]{4,50}", &"a".repeat(30)), 21);
        assert_eq!(read("a(?:b|[0-9]+)?", "a0b1c"), 5);
    }

    #[test]
    fn finds_the_longest_prefixes() {
        let found = prefixes(&parse(r"https://hooks\.example\.com/[A-Z]{4}").expect("valid"));
        assert_eq!(found, Some(vec![b"https://hooks.example.com/".to_vec()]));
        assert_eq!(prefixes(&parse("[a-z]{4}abc").expect("valid")), None);
    }

    #[test]
    fn finds_literals_that_every_match_holds() {
        let needed = |pattern: &str| needed(&parse(pattern).expect("valid"));
        let texts = |list: &[&str]| {
            Some(
                list.iter()
                    .map(|t| t.as_bytes().to_vec())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(needed(r"\bLTAI[A-Za-z0-9]{12,26}\b"), texts(&["LTAI"]));
        assert_eq!(
            needed(r"[a-f]{32}\.(?:eu\.)?r2\.example"),
            texts(&["r2.example"])
        );
        assert_eq!(
            needed(r"\b(?:dev\.com|[a-z]{2,9}\.vs\.com)\b"),
            texts(&["dev.com", ".vs.com"])
        );
        assert_eq!(needed("[0-9]{6}-[a-z]{40}"), None);
        assert_eq!(needed("(?:abcd)?x"), None);
    }

    #[test]
    fn tells_how_far_before_its_marker_a_match_begins() {
        let before = |pattern: &str, marker: &str| {
            reach_before(
                &parse(pattern).expect("valid"),
                &[marker.as_bytes().to_vec()],
            )
        };
        assert_eq!(before("AccountKey=[a-z]{8}", "AccountKey="), Some(0));
        assert_eq!(
            before(r"\b(?P<secret>[a-z]{3,76}xAZDO[a-z]{4})\b", "AZDO"),
            Some(77)
        );
        assert_eq!(before("(?:^|[^a])(?P<secret>[a-z]{4}Q~)", "Q~"), Some(5));
        assert_eq!(before("(?:a|bcd)[a-z]{4}", "bcd"), None);
        assert_eq!(before("(?:AccessKey|accesskey)=x", "accesskey="), None);
    }
}

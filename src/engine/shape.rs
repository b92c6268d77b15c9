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

/// The bytes that every match of a pattern begins with, as far as they are of one class: a test before the regex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lead {
    /// One bit for each byte value.
    class: [u64; 4],
    /// How many bytes are of the class.
    len: usize,
    /// Length of a match.
    least: usize,
    most: usize,
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
            for byte in class.iter().flat_map(|range| range.start()..=range.end()) {
                if let Some(word) = lead.class.get_mut(usize::from(byte >> 6)) {
                    *word |= 1 << (byte & 63);
                }
            }
        }
        lead
    }

    /// Tells whether a match may start at `at` and end where no letter or digit follows.
    pub(super) fn may_match(&self, bytes: &[u8], at: usize) -> bool {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(head) = rest.get(..self.len) else {
            return false;
        };
        let is_in = |byte: &u8| {
            self.class
                .get(usize::from(byte >> 6))
                .is_some_and(|word| word & (1 << (byte & 63)) != 0)
        };
        if !head.iter().all(is_in) {
            return false;
        }
        let Some(ends) = rest.get(self.least..) else {
            return false;
        };
        let ends = ends
            .get(..=self.most.saturating_sub(self.least))
            .unwrap_or(ends);
        ends.len() <= self.most.saturating_sub(self.least)
            || ends.iter().any(|byte| !is_alnum(*byte))
    }
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
            Lead::new(&parse(pattern).expect("valid")).may_match(text.as_bytes(), 0)
        };
        assert!(may("[a-f0-9]{8}", "0a1b2c3d") && may("[a-f0-9]{8}", "0a1b2c3d-x"));
        assert!(!may("[a-f0-9]{8}", "0a1b2c3de") && !may("[a-f0-9]{8}", "0a1b2c3"));
        assert!(!may("[a-f0-9]{8}", "0a1b2cgd"));
        assert!(may("[a-z]{4,6}", "abcde.g") && !may("[a-z]{4,6}", "abcdefgh"));
        assert!(may("(?:a|bc)[a-z]{4}", "axxxx"));
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

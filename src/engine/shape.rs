//! Reads off a pattern's syntax tree how the engine can anchor it.
//!
//! Promises: every answer errs on the safe side; where nothing can be said, the answer is the one that loses no match.

use regex_syntax::hir::{Class, Hir, HirKind, literal};

use super::anchors::is_token;

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
    fn finds_the_longest_prefixes() {
        let found = prefixes(&parse(r"https://hooks\.example\.com/[A-Z]{4}").expect("valid"));
        assert_eq!(found, Some(vec![b"https://hooks.example.com/".to_vec()]));
        assert_eq!(prefixes(&parse("[a-z]{4}abc").expect("valid")), None);
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

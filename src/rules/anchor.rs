//! The literals that every match of a pattern starts with, read off its syntax tree.
//!
//! `regex_syntax`'s own extractor was not used: it multiplies letters of both cases out, and has no way to stop at "three
//! bytes are enough".

use regex_syntax::hir::{Class, Hir, HirKind};

/// Fewest bytes of a literal, all out of `[A-Za-z0-9_-]`: shorter ones occur everywhere.
const MIN_LEN: usize = 3;
/// Most bytes kept of a literal; longer ones find nothing more.
const MAX_LEN: usize = 24;
/// Most literals of one pattern.
const MAX_LITERALS: usize = 512;
/// Largest class that is multiplied out once a literal is long enough: tells `xoxb-` from `xoxp-`, not digits.
const SMALL_CLASS: usize = 6;
/// Most literals that multiplying a class out may lead to.
const MAX_SPREAD: usize = 64;
/// Most copies of a repeated part that are followed.
const MAX_COPIES: u32 = 64;
/// Largest class that is multiplied out to make a literal long enough (`gh[pousr]_`).
const NEEDED_CLASS: usize = 16;

/// The start of a match.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Literal {
    bytes: Vec<u8>,
    fold: bool,
}

/// Literals that still grow, and those that are cut.
#[derive(Clone, Debug, Default)]
struct Starts {
    open: Vec<Literal>,
    cut: Vec<Literal>,
}

/// Returns the literals (sorted, none the start of another) and whether they match in any case (then they are lower
/// case); `None` if some match does not start with a literal that is long enough.
pub(super) fn prefixes(hir: &Hir) -> Option<(Vec<Vec<u8>>, bool)> {
    let mut starts = Starts {
        open: vec![Literal::default()],
        cut: Vec::new(),
    };
    starts.walk(hir);
    let mut all = starts.cut;
    all.append(&mut starts.open);
    let fold = all.iter().any(|literal| literal.fold);
    let mut prefixes = Vec::with_capacity(all.len());
    for literal in all {
        let mut bytes = literal.bytes;
        let token = bytes.iter().position(|b| !is_token(*b));
        bytes.truncate(token.unwrap_or(bytes.len()).min(MAX_LEN));
        let firm = bytes.iter().take_while(|b| is_word(**b)).count();
        if firm < MIN_LEN {
            return None;
        }
        if fold {
            bytes.make_ascii_lowercase();
        }
        prefixes.push(bytes);
    }
    prefixes.sort();
    // What starts with another literal is found with it.
    prefixes.dedup_by(|next, kept| next.starts_with(kept));
    Some((prefixes, fold))
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

const fn is_token(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'/' | b'+')
}

impl Starts {
    /// Appends what `hir` matches to every open literal. Recursion is bounded by the parser's nest limit.
    fn walk(&mut self, hir: &Hir) {
        if self.open.is_empty() {
            return;
        }
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.append(&literal.0),
            HirKind::Class(class) => self.class(class),
            HirKind::Capture(capture) => self.walk(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.walk(part)),
            HirKind::Alternation(parts) => {
                let before = std::mem::take(&mut self.open);
                let mut after = Vec::new();
                for part in parts {
                    self.open.clone_from(&before);
                    self.walk(part);
                    after.append(&mut self.open);
                }
                self.open = after;
            }
            HirKind::Repetition(repetition) => {
                let max = repetition.max;
                self.repeat(&repetition.sub, repetition.min, max);
            }
        }
        self.cut_long();
    }

    fn repeat(&mut self, sub: &Hir, min: u32, max: Option<u32>) {
        for _ in 0..min.min(MAX_COPIES) {
            self.walk(sub);
            if self.open.is_empty() {
                return;
            }
        }
        if min > MAX_COPIES {
            self.cut.append(&mut self.open);
        }
        if max == Some(min) {
            return;
        }
        // Without a further copy the match goes on; with one, it goes on after it or in yet another copy.
        let without = self.open.clone();
        self.walk(sub);
        if max != Some(min.saturating_add(1)) {
            self.cut.append(&mut self.open);
        }
        self.open.extend(without);
    }

    fn append(&mut self, bytes: &[u8]) {
        for literal in &mut self.open {
            literal.bytes.extend(bytes.iter().take(MAX_LEN));
        }
    }

    fn class(&mut self, class: &Class) {
        let bytes = members(class);
        if let Some(letter) = folded(&bytes) {
            for literal in &mut self.open {
                literal.bytes.push(letter);
                literal.fold = true;
            }
            return;
        }
        let total = self.open.len() * bytes.len();
        for literal in std::mem::take(&mut self.open) {
            let limit = if literal.bytes.len() < MIN_LEN {
                NEEDED_CLASS
            } else {
                SMALL_CLASS
            };
            let fits = bytes.len() <= limit && total <= MAX_SPREAD;
            if !fits || bytes.iter().any(|b| !is_token(*b)) {
                self.cut.push(literal);
                continue;
            }
            for &byte in &bytes {
                let mut longer = literal.clone();
                longer.bytes.push(byte);
                self.open.push(longer);
            }
        }
    }

    /// Stops literals that are long enough, and all of them if there are too many.
    fn cut_long(&mut self) {
        let crowded = self.open.len() + self.cut.len() > MAX_LITERALS;
        let (long, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|literal| crowded || literal.bytes.len() >= MAX_LEN);
        self.open = open;
        self.cut.extend::<Vec<Literal>>(long);
        if self.cut.len() > MAX_LITERALS {
            self.cut.sort();
            self.cut.dedup();
        }
    }
}

/// Returns the bytes of a class; of a Unicode class those below 0x80, and one that fits nowhere if there are others.
pub(super) fn members(class: &Class) -> Vec<u8> {
    match class {
        Class::Bytes(class) => class
            .iter()
            .flat_map(|range| range.start()..=range.end())
            .collect(),
        Class::Unicode(class) => {
            let mut bytes = Vec::new();
            for range in class.iter() {
                let end = range.end().min('\x7f');
                bytes.extend((range.start()..=end).filter_map(|c| u8::try_from(c).ok()));
                if range.end() > '\x7f' {
                    bytes.push(0x80);
                }
            }
            bytes
        }
    }
}

/// Returns the lower-case letter if the class is one letter in both cases.
fn folded(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [upper, lower] if upper.is_ascii_uppercase() && upper.to_ascii_lowercase() == *lower => {
            Some(*lower)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Option<(Vec<String>, bool)> {
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .build()
            .parse(pattern)
            .unwrap();
        prefixes(&hir).map(|(literals, fold)| {
            let text = |l: Vec<u8>| String::from_utf8(l).unwrap();
            (literals.into_iter().map(text).collect(), fold)
        })
    }

    fn exact(literals: &[&str]) -> Option<(Vec<String>, bool)> {
        Some((literals.iter().map(|l| (*l).to_owned()).collect(), false))
    }

    #[test]
    fn reads_literals_through_groups_and_look_arounds() {
        assert_eq!(of("ghp_[A-Za-z0-9]{36}"), exact(&["ghp_"]));
        assert_eq!(of("(?:(?P<secret>abc_[0-9]{4}))x"), exact(&["abc_"]));
        assert_eq!(of(r"\babc(?:def)?[0-9]{4}"), exact(&["abc"]));
    }

    #[test]
    fn multiplies_small_classes_and_alternations_out() {
        assert_eq!(of("gh[pu]_[a-z]{9}"), exact(&["ghp_", "ghu_"]));
        assert_eq!(
            of("(?:sk|rk)_live_[a-z]{9}"),
            exact(&["rk_live_", "sk_live_"])
        );
        assert_eq!(of("abc[0-9]x"), exact(&["abc"]));
        assert_eq!(of("(?:ab){2}x"), exact(&["ababx"]));
        assert_eq!(of("abc-|abc-def"), exact(&["abc-"]));
    }

    #[test]
    fn optional_parts_give_both_literals() {
        assert_eq!(
            of("abc(?:-eu)?-key[0-9]{4}"),
            exact(&["abc-eu-key", "abc-key"])
        );
        assert_eq!(of("(?:xy-){0,2}abc-[0-9]"), exact(&["abc-", "xy-"]));
    }

    #[test]
    fn letters_of_both_cases_fold() {
        assert_eq!(
            of("(?i)GHp_[a-z]{9}"),
            Some((vec!["ghp_".to_owned()], true))
        );
    }

    #[test]
    fn finds_none_where_a_match_can_start_otherwise() {
        for pattern in [
            "[a-z]{20}",
            "ab[0-9a-z]{20}",
            "abc|[0-9]{20}",
            "x?y?z?[0-9]",
            "://abc",
            "(?:abc)?[0-9]{9}",
        ] {
            assert_eq!(of(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn keeps_the_tail_of_punctuation_but_not_other_bytes() {
        assert_eq!(of(r"SG\.[a-z]{9}"), None);
        assert_eq!(of(r"abc\./\+:x"), exact(&["abc./+"]));
    }

    #[test]
    fn stays_small_on_patterns_that_explode() {
        let found = of("abc(?:[ab]{20}|[cd]{20})x").unwrap().0;
        assert!(found.len() <= 2 * MAX_LITERALS, "{}", found.len());
    }
}

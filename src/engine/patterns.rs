//! Rule patterns as byte regexes: compiled on first use, searched in windows.
//!
//! Promises: a window bounds the match, but look-around (`\b`, `^`) sees the bytes beyond it; captures are only computed
//! for what matched.

use std::{ops::Range, sync::OnceLock};

use regex_automata::{
    Anchored, Input,
    meta::{Cache, Regex},
    util::{captures::Captures, syntax},
};
use regex_syntax::hir::Hir;

/// Returns how patterns are read: bytes, ASCII classes.
fn syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

/// Returns the syntax tree of a pattern, `None` if it is not valid.
pub(super) fn parse(pattern: &str) -> Option<Hir> {
    syntax::parse_with(pattern, &syntax()).ok()
}

/// A match and the secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matched {
    pub(super) whole: Range<usize>,
    pub(super) secret: Range<usize>,
}

/// One pattern, compiled when it is first needed (0.1 to 0.7 ms each).
pub(super) struct Pattern {
    text: String,
    compiled: OnceLock<Option<Compiled>>,
}

struct Compiled {
    regex: Regex,
    /// Number of the group named `secret`.
    group: Option<usize>,
}

/// One thread's scratch memory for one pattern. Of some 1,500 that each thread has few are ever used: in a box they take no
/// 2 MB, which took a millisecond to get.
#[derive(Default)]
pub(super) struct Scratch(Option<Box<(Cache, Captures)>>);

impl Pattern {
    /// Takes the text. An invalid pattern never matches: the loader has refused it before it gets here.
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            compiled: OnceLock::new(),
        }
    }

    fn compiled(&self) -> Option<&Compiled> {
        self.compiled
            .get_or_init(|| {
                let config = Regex::config()
                    .utf8_empty(false)
                    .nfa_size_limit(Some(32 << 20))
                    .hybrid_cache_capacity(1 << 20);
                let regex = Regex::builder()
                    .syntax(syntax())
                    .configure(config)
                    .build(&self.text)
                    .ok()?;
                let group = regex
                    .group_info()
                    .to_index(regex_automata::PatternID::ZERO, "secret");
                Some(Compiled { regex, group })
            })
            .as_ref()
    }

    /// Returns the leftmost match in `window`, or the one that starts at `window.start` if `anchored`.
    pub(super) fn find(
        &self,
        scratch: &mut Scratch,
        bytes: &[u8],
        window: Range<usize>,
        anchored: bool,
    ) -> Option<Matched> {
        if window.start > window.end || window.end > bytes.len() {
            return None;
        }
        let compiled = self.compiled()?;
        let (cache, captures) = &mut **scratch.0.get_or_insert_with(|| {
            Box::new((
                compiled.regex.create_cache(),
                compiled.regex.create_captures(),
            ))
        });
        let input = Input::new(bytes).range(window).anchored(if anchored {
            Anchored::Yes
        } else {
            Anchored::No
        });
        let whole = compiled.regex.search_with(cache, &input)?.range();
        let mut secret = whole.clone();
        if let Some(group) = compiled.group {
            // Within the match's own span the same alternatives win again.
            let input = Input::new(bytes)
                .range(whole.clone())
                .anchored(Anchored::Yes);
            compiled.regex.search_captures_with(cache, &input, captures);
            if let Some(span) = captures.get_group(group) {
                secret = span.range();
            }
        }
        Some(Matched { whole, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, text: &str, window: Range<usize>, anchored: bool) -> Option<Matched> {
        Pattern::new(pattern).find(&mut Scratch::default(), text.as_bytes(), window, anchored)
    }

    #[test]
    fn look_around_sees_beyond_the_window() {
        assert_eq!(find(r"\babc", "xabc", 1..4, true), None);
        assert!(find(r"\babc\b", "-abc-", 1..4, true).is_some());
    }

    #[test]
    fn the_secret_is_the_named_group() {
        let found = find("key=(?P<secret>[a-z]{3})", "my key=abc", 0..10, false).expect("a match");
        assert_eq!((found.whole, found.secret), (3..10, 7..10));
    }

    #[test]
    fn any_byte_can_match() {
        let found = Pattern::new(r"(?-u)[^a-z]{2}").find(
            &mut Scratch::default(),
            b"a\xff\xfeb",
            0..4,
            false,
        );
        assert_eq!(found.map(|m| m.whole), Some(1..3));
    }

    #[test]
    fn a_window_out_of_range_has_no_match() {
        assert_eq!(find("a", "a", 0..2, false), None);
    }
}

//! Inline markers: `keysweep:allow[rule-id, other-id] reason`, in any comment style, on a line of the finding.
//!
//! A marker without a rule or a reason counts for nothing and is reported. Quoted in backticks it is prose about markers.

use memchr::memmem::Finder;

use super::{ForeignMarker, safe};
use crate::{config::MarkerSettings, model::RuleId};

const OWN: &[u8] = b"keysweep:allow";
/// Most bytes of a marker's line that are read after it.
const MAX_TAIL: usize = 1024;
/// Most characters of a reason that are kept.
const MAX_REASON: usize = 200;
/// What may follow a reason: the ends of comments and strings in the languages at hand.
const CLOSERS: [&str; 14] = [
    "*/", "--%>", "-->", "%>", "#}", "}}", "*)", "|#", "-}", "]]>", "\"\"\"", "'''", "\",", "\"",
];

/// What a marker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkerKind {
    /// Ours, complete.
    Own,
    /// Ours, with this fault; it counts for nothing.
    Malformed(&'static str),
    /// Another scanner's.
    Foreign(ForeignMarker),
}

impl MarkerKind {
    /// Tells whether it is a marker of ours, complete or not.
    #[must_use]
    pub const fn is_own(self) -> bool {
        match self {
            Self::Own | Self::Malformed(_) => true,
            Self::Foreign(_) => false,
        }
    }
}

/// A marker in a file. Ordered by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marker {
    /// 1-based line.
    pub line: u32,
    /// Offset in the line, in bytes from 0.
    pub column: u32,
    /// What it is.
    pub kind: MarkerKind,
    /// The rules it names; empty for a foreign one, which means all.
    pub rules: Vec<RuleId>,
    /// Why, as safe text. May hold a secret that stands in the line: the caller masks it.
    pub reason: String,
}

impl Marker {
    /// Tells whether it suppresses findings of this rule.
    #[must_use]
    pub fn allows(&self, rule: &RuleId) -> bool {
        match self.kind {
            MarkerKind::Own => self.rules.contains(rule),
            MarkerKind::Malformed(_) => false,
            MarkerKind::Foreign(_) => true,
        }
    }
}

/// Finds the markers that count in a run. Cheap where there are none: one pass of a vector search for each kind.
#[derive(Clone, Debug)]
pub struct Markers {
    own: Option<Finder<'static>>,
    foreign: Vec<(ForeignMarker, Finder<'static>)>,
}

impl Markers {
    /// Takes the kinds of markers that `settings` names.
    #[must_use]
    pub fn new(settings: &MarkerSettings) -> Self {
        Self {
            own: settings.inline.then(|| Finder::new(OWN)),
            foreign: settings
                .foreign
                .iter()
                .map(|kind| (*kind, Finder::new(kind.text())))
                .collect(),
        }
    }

    /// Returns the markers in `bytes`, whose first line has the number `first_line`, by place. Lines end at LF, CRLF or CR.
    #[must_use]
    pub fn find(&self, bytes: &[u8], first_line: u32) -> Vec<Marker> {
        let own = self.own.iter().flat_map(|finder| finder.find_iter(bytes));
        let mut hits: Vec<(usize, Option<ForeignMarker>)> = own.map(|at| (at, None)).collect();
        for (kind, finder) in &self.foreign {
            hits.extend(finder.find_iter(bytes).map(|at| (at, Some(*kind))));
        }
        hits.sort_unstable();
        let mut lines = Lines {
            bytes,
            at: 0,
            line: first_line,
            start: 0,
        };
        let mut markers = Vec::new();
        for (at, foreign) in hits {
            lines.advance(at);
            let column = u32::try_from(at - lines.start).unwrap_or(u32::MAX);
            let read = match foreign {
                None => own_marker(bytes, at),
                Some(kind) => Some((
                    MarkerKind::Foreign(kind),
                    Vec::new(),
                    format!("`{}` in the file", kind.text()),
                )),
            };
            if let Some((kind, rules, reason)) = read {
                markers.push(Marker {
                    line: lines.line,
                    column,
                    kind,
                    rules,
                    reason,
                });
            }
        }
        markers
    }

    /// Returns the markers on a finding's lines: `lines` are their bytes, `first_line` the number of the first.
    #[must_use]
    pub fn on_lines(&self, lines: &[u8], first_line: u32) -> Vec<Marker> {
        self.find(lines, first_line)
    }
}

/// Counts lines up to a place.
struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
    line: u32,
    start: usize,
}

impl Lines<'_> {
    fn advance(&mut self, to: usize) {
        let stretch = self.bytes.get(self.at..to).unwrap_or_default();
        for offset in memchr::memchr2_iter(b'\n', b'\r', stretch) {
            let at = self.at + offset;
            let is_crlf =
                self.bytes.get(at) == Some(&b'\r') && self.bytes.get(at + 1) == Some(&b'\n');
            if !is_crlf {
                self.line = self.line.saturating_add(1);
                self.start = at + 1;
            }
        }
        self.at = to.max(self.at);
    }
}

/// Reads the marker of ours at `at`; `None` if it is part of a longer word or quoted as prose.
fn own_marker(bytes: &[u8], at: usize) -> Option<(MarkerKind, Vec<RuleId>, String)> {
    const NO_RULE: &str = "names no rule: write keysweep:allow[rule-id] and a reason";
    const NO_REASON: &str = "gives no reason: write one after keysweep:allow[rule-id]";
    let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    if before.is_some_and(|b| is_word(*b) || *b == b'`') {
        return None;
    }
    let tail = bytes.get(at + OWN.len()..).unwrap_or_default();
    let tail = tail.get(..MAX_TAIL.min(tail.len())).unwrap_or_default();
    let end = memchr::memchr2(b'\n', b'\r', tail).unwrap_or(tail.len());
    let tail = tail.get(..end).unwrap_or_default();
    if tail.first().is_some_and(|b| is_word(*b)) {
        return None;
    }
    let tail = String::from_utf8_lossy(tail);
    let malformed = |fault| Some((MarkerKind::Malformed(fault), Vec::new(), String::new()));
    let Some((list, rest)) = tail.strip_prefix('[').and_then(|t| t.split_once(']')) else {
        return malformed(NO_RULE);
    };
    let ids: Vec<&str> = list.split(',').map(str::trim).collect();
    if !ids.iter().all(|id| is_rule_id(id)) {
        return malformed(NO_RULE);
    }
    let reason = reason(rest);
    if !reason.chars().any(char::is_alphabetic) {
        return malformed(NO_REASON);
    }
    let rules = ids.iter().map(|id| RuleId::new(id)).collect();
    Some((MarkerKind::Own, rules, reason))
}

fn is_rule_id(id: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !id.is_empty() && id.len() <= 64 && id.bytes().all(word)
}

/// Returns what stands after the rules, without the end of the comment and up to the next marker.
fn reason(rest: &str) -> String {
    let next = rest.find("keysweep:allow").unwrap_or(rest.len());
    let mut text = rest.get(..next).unwrap_or_default().trim();
    text = text.trim_start_matches([':', '-', '–', '—']).trim_start();
    while let Some(shorter) = CLOSERS.iter().find_map(|closer| text.strip_suffix(closer)) {
        text = shorter.trim_end();
    }
    let text: String = text.chars().take(MAX_REASON).collect();
    safe(&text)
}

impl Default for Markers {
    fn default() -> Self {
        Self::new(&MarkerSettings::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Option<(MarkerKind, Vec<String>, String)> {
        let mut found = Markers::default().find(line.as_bytes(), 1);
        assert!(found.len() <= 1, "{found:?}");
        let marker = found.pop()?;
        let rules = marker.rules.iter().map(ToString::to_string).collect();
        Some((marker.kind, rules, marker.reason))
    }

    fn own(rules: &[&str], reason: &str) -> Option<(MarkerKind, Vec<String>, String)> {
        let rules = rules.iter().map(|id| (*id).to_owned()).collect();
        Some((MarkerKind::Own, rules, reason.to_owned()))
    }

    #[test]
    fn reads_rules_and_reason_in_any_comment_style() {
        for line in [
            "x = 1 # keysweep:allow[acme-key] made up",
            "x = 1; // keysweep:allow[acme-key]: made up",
            "x /* keysweep:allow[acme-key] made up */",
            "<!-- keysweep:allow[acme-key] made up -->",
            "{# keysweep:allow[ acme-key ] - made up #}",
            "{\"//\": \"keysweep:allow[acme-key] made up\",",
            "(* keysweep:allow[acme-key] made up *)\r\nnext",
        ] {
            assert_eq!(one(line), own(&["acme-key"], "made up"), "{line}");
        }
        assert_eq!(one("keysweep:allow[a, b-2] why"), own(&["a", "b-2"], "why"));
    }

    #[test]
    fn a_marker_without_rule_or_reason_is_malformed() {
        for line in [
            "keysweep:allow",
            "keysweep:allow made up",
            "keysweep:allow[] made up",
            "keysweep:allow[*] made up",
            "keysweep:allow[acme-key made up",
            "keysweep:allow[acme-key]",
            "keysweep:allow[acme-key] */",
            "keysweep:allow[acme-key] ...",
        ] {
            let (kind, rules, _) = one(line).unwrap();
            assert!(
                matches!(kind, MarkerKind::Malformed(_)) && rules.is_empty(),
                "{line}"
            );
        }
    }

    #[test]
    fn words_and_quoted_markers_are_none() {
        for line in [
            "keysweep:allowlist[a] b",
            "xkeysweep:allow[a] b",
            "say `keysweep:allow[a] b`",
        ] {
            assert_eq!(one(line), None, "{line}");
        }
    }

    #[test]
    fn several_markers_of_a_line_each_have_their_reason() {
        let found = Markers::default().find(b"# keysweep:allow[a] one keysweep:allow[b] two", 7);
        let all: Vec<_> = found.iter().map(|m| (m.line, m.reason.as_str())).collect();
        assert_eq!(all, [(7, "one"), (7, "two")]);
    }

    #[test]
    fn lines_end_at_lf_crlf_and_cr() {
        let text = b"a\nb\r\nc\rd\n  keysweep:allow[a] x";
        let found = Markers::default().find(text, 10);
        assert_eq!((found[0].line, found[0].column), (14, 2));
    }

    #[test]
    fn foreign_markers_count_when_the_settings_name_them() {
        let text = b"k = 1 # gitleaks:allow\n";
        assert!(Markers::default().find(text, 1).is_empty());
        let settings = MarkerSettings {
            inline: false,
            foreign: [ForeignMarker::Gitleaks].into(),
            refused: false,
        };
        let found = Markers::new(&settings).find(text, 1);
        assert_eq!(found[0].kind, MarkerKind::Foreign(ForeignMarker::Gitleaks));
        assert!(found[0].allows(&RuleId::new("any-rule")));
        assert!(
            Markers::new(&settings)
                .find(b"keysweep:allow[a] b", 1)
                .is_empty()
        );
    }

    #[test]
    fn a_reason_is_short_safe_text() {
        let (_, _, reason) =
            one(&format!("keysweep:allow[a] \x1b[31m{}", "long ".repeat(99))).unwrap();
        assert!(
            reason.starts_with("\\x1b[31mlong") && reason.len() < 220,
            "{reason}"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_be_searched(parts in proptest::collection::vec("keysweep:allow|\\[|\\]|[a-z,]{0,3}|\n|\r|`|\\PC", 0..20)) {
            let text = parts.concat();
            for marker in Markers::default().find(text.as_bytes(), u32::MAX - 1) {
                proptest::prop_assert!(marker.kind != MarkerKind::Own || !marker.reason.is_empty());
            }
        }
    }
}

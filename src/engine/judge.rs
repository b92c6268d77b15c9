//! From a match to a verdict: check, entropy floor, classifier, filters, second part.
//!
//! The order is that of docs/rules.md. Promises: reads the secret, 64 bytes on both sides of it, and `near` bytes; the
//! same answer for the same bytes wherever they stand.

use std::ops::Range;

use super::{
    context::{Assignment, Quote},
    filters,
    patterns::{Matched, Pattern, Scratch},
    validators::{self, Outcome},
    values::{self, Operator, Setting},
};
use crate::{
    model::{Confidence, Encoding, Secret, Severity},
    rules::{Check, Rule, Shape},
};

/// Bytes around a value that a classifier may see.
pub(super) const AROUND: usize = 64;

/// How specific a finding is; the greater one wins where two overlap. What says whose secret it is beats what says only
/// that it is one, however sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A name and the look of a value.
    Generic,
    /// A vendor's name and the look of a value.
    Named,
    /// A literal nearby, of a rule for any vendor.
    Marker,
    /// A form that is no vendor's own: a JWT, a key block.
    Token,
    /// The same with a check that holds.
    Valid,
    /// A vendor's name and the shape of a value.
    VendorContext,
    /// A vendor's literal nearby.
    VendorMarker,
    /// A vendor's own prefix.
    VendorToken,
    /// The same, or any of a vendor's shapes, with a check that holds.
    VendorValid,
}

/// What a match has beside its form: where two of one rank overlap, the greater one wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Evidence {
    /// The second part stands nearby: `YCAJ...` beside a secret that is named like Amazon's.
    pub(super) paired: bool,
    /// Length of the longest context word in the name: `nomadgossipkey` says more than `gossipkey`.
    pub(super) word: usize,
}

/// Families of rules that are for any vendor.
const ANY_VENDOR: [&str; 6] = [
    "connection-string",
    "generic",
    "http-auth",
    "jwt",
    "private-key",
    "url",
];

/// What becomes a hit if nothing more specific overlaps it. All offsets count in the same bytes.
pub(super) struct Found {
    pub(super) rule: u32,
    pub(super) rank: Rank,
    pub(super) evidence: Evidence,
    /// Parts of the family's name: `azure-devops` is a part of what `azure` is.
    pub(super) depth: usize,
    /// Where the match begins.
    pub(super) anchor: usize,
    pub(super) span: Range<usize>,
    /// The span, and those of all findings that overlap it and each other: none of it may be shown.
    pub(super) hides: Range<usize>,
    pub(super) secret: Secret,
    pub(super) near: Option<Range<usize>>,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) encodings: Vec<Encoding>,
    /// Start and encoding of the encoded stretch that holds it.
    pub(super) stretch: Option<(usize, Encoding)>,
    /// All that the verdict read, or may have.
    pub(super) read: Range<usize>,
    /// Whether its anchor lies outside the regions: it only shows what it is more specific than.
    pub(super) rival: bool,
}

/// A match that waits for its verdict.
pub(super) struct Case<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) number: u32,
    pub(super) rule: &'a Rule,
    pub(super) matched: Matched,
    /// The assignment that a context rule met.
    pub(super) assignment: Option<&'a Assignment<'a>>,
    /// Whether the context word is missing, so that the second part must be there.
    pub(super) needs_near: bool,
}

/// What a check says: how bad and how sure, and whether filters still count.
struct Checked {
    severity: Severity,
    confidence: Confidence,
    valid: bool,
}

impl Case<'_> {
    /// Returns the finding, or `None` if anything speaks against it.
    ///
    /// `asked` is set if the second part was searched for.
    pub(super) fn verdict(
        &self,
        near: Option<&Pattern>,
        scratch: &mut Scratch,
        asked: &mut bool,
    ) -> Option<Found> {
        let value = self.bytes.get(self.matched.secret.clone())?;
        if value.is_empty() || self.assignment.is_some_and(|at| values::is_noise(at.name)) {
            return None;
        }
        let checked = self.check(value)?;
        if !checked.valid && !self.has_entropy(value) {
            return None;
        }
        let required = self.needs_near || self.rule.near.as_ref().is_some_and(|part| part.required);
        let near = match (&self.rule.near, near) {
            (Some(part), Some(pattern)) => {
                *asked = true;
                self.nearest(part.within, pattern, scratch)
            }
            _ => None,
        };
        // The second part is rare and the look of a value is costly: in this order.
        if required && near.is_none() {
            return None;
        }
        let stands = checked.valid
            || self.is_classified(value) && !self.is_wordy(value) && !self.is_dummy(value);
        if !stands {
            return None;
        }
        Some(Found {
            rule: self.number,
            rank: self.rank(checked.valid),
            evidence: Evidence {
                paired: near.is_some(),
                word: self.word(),
            },
            depth: self.rule.meta.family.split('-').count(),
            anchor: self.matched.whole.start,
            span: self.matched.secret.clone(),
            hides: self.matched.secret.clone(),
            secret: Secret::new(value),
            near,
            severity: checked.severity,
            confidence: checked.confidence,
            encodings: Vec::new(),
            stretch: None,
            read: 0..0,
            rival: false,
        })
    }

    fn rank(&self, valid: bool) -> Rank {
        let vendor = self.is_vendors();
        match &self.rule.shape {
            _ if valid && vendor => Rank::VendorValid,
            _ if valid => Rank::Valid,
            Shape::Token { .. } if vendor => Rank::VendorToken,
            Shape::Token { .. } => Rank::Token,
            Shape::Marker { .. } if vendor => Rank::VendorMarker,
            Shape::Marker { .. } => Rank::Marker,
            Shape::Context { .. } if !vendor => Rank::Generic,
            Shape::Context { .. } if self.rule.pattern.is_some() => Rank::VendorContext,
            Shape::Context { .. } => Rank::Named,
        }
    }

    /// Returns the length of the longest context word in the value's names.
    fn word(&self) -> usize {
        let (Shape::Context { words }, Some(found)) = (&self.rule.shape, self.assignment) else {
            return 0;
        };
        let names = [Some(found.name), found.other];
        let is_said = |word: &&String| {
            let mut names = names.iter().flatten();
            names.any(|name| holds(name, word.as_bytes()))
        };
        words
            .iter()
            .filter(is_said)
            .map(String::len)
            .max()
            .unwrap_or(0)
    }

    fn is_vendors(&self) -> bool {
        !ANY_VENDOR.contains(&self.rule.meta.family.as_str())
    }

    /// Tells whether the value of a context rule reads like words, where the pattern asks for a token. Where the name does
    /// not speak for it, less will do.
    fn is_wordy(&self, value: &[u8]) -> bool {
        let least = if self.needs_near { -6 } else { -16 };
        matches!(self.rule.shape, Shape::Context { .. })
            && self.rule.pattern.is_some()
            && !values::is_random(value, least)
    }

    /// Returns `None` if the check drops the match.
    fn check(&self, value: &[u8]) -> Option<Checked> {
        let mut checked = Checked {
            severity: self.rule.meta.severity,
            confidence: self.rule.meta.confidence,
            valid: false,
        };
        let Some(check) = self.rule.check else {
            return Some(checked);
        };
        match validators::check(check, value) {
            Outcome::Valid => {
                checked.confidence = Confidence::High;
                checked.valid = true;
            }
            Outcome::Invalid => match check {
                Check::GithubCrc32 | Check::GrafanaCrc32 => checked.severity = Severity::Low,
                Check::AwsKeyId
                | Check::Jwt
                | Check::BasicAuth
                | Check::Age
                | Check::PypiMacaroon
                | Check::Base64Json
                | Check::Pem => return None,
            },
            // No container that is known here: a key perhaps.
            Outcome::Undecided if check == Check::Pem => checked.confidence = Confidence::Low,
            Outcome::Undecided => {}
        }
        Some(checked)
    }

    fn has_entropy(&self, value: &[u8]) -> bool {
        self.rule.entropy <= 0.0 || filters::entropy(value) >= self.rule.entropy
    }

    fn is_classified(&self, value: &[u8]) -> bool {
        let Some(class) = self.rule.value else {
            return true;
        };
        let secret = &self.matched.secret;
        let before = secret.start.saturating_sub(AROUND)..secret.start;
        let after = secret.end..secret.end.saturating_add(AROUND).min(self.bytes.len());
        let setting = Setting {
            name: self.assignment.map_or(b"", |found| found.name),
            vouched: self.is_vendors() && matches!(self.rule.shape, Shape::Context { .. }),
            quoted: self
                .assignment
                .is_some_and(|found| found.quote != Quote::Bare),
            operator: self
                .assignment
                .map_or(Operator::Other, |found| found.operator),
            before: self.bytes.get(before).unwrap_or_default(),
            after: self.bytes.get(after).unwrap_or_default(),
        };
        values::classify(class, value, &setting)
    }

    /// Tells whether the value is a stand-in. A vendor's prefix is proof enough against the stricter filter; a
    /// classifier and a block reader have filters of their own.
    fn is_dummy(&self, value: &[u8]) -> bool {
        if self.rule.value.is_some() || self.rule.extent.is_some() {
            return false;
        }
        match &self.rule.shape {
            Shape::Token { prefixes, .. } => {
                let prefix = prefixes
                    .iter()
                    .map(Vec::len)
                    .filter(|len| {
                        value.get(..*len).is_some_and(|head| {
                            prefixes.iter().any(|p| p.eq_ignore_ascii_case(head))
                        })
                    })
                    .max();
                let body = value.get(prefix.unwrap_or(0)..).unwrap_or_default();
                filters::is_degenerate(if body.is_empty() { value } else { body })
            }
            Shape::Context { .. } | Shape::Marker { .. } => filters::is_placeholder(value),
        }
    }

    /// Returns the second part that stands nearest, the one before on a draw.
    fn nearest(
        &self,
        within: usize,
        pattern: &Pattern,
        scratch: &mut Scratch,
    ) -> Option<Range<usize>> {
        let span = &self.matched.secret;
        let mut best: Option<(usize, Range<usize>)> = None;
        let sides = [
            span.start.saturating_sub(within)..span.start,
            span.end..span.end.saturating_add(within).min(self.bytes.len()),
        ];
        for side in sides {
            let mut from = side.start;
            while from < side.end
                && let Some(part) = pattern.find(scratch, self.bytes, from..side.end, false)
            {
                let whole = part.whole;
                from = whole.end.max(from + 1);
                if whole.is_empty() {
                    continue;
                }
                let distance = if whole.start < span.start {
                    span.start.saturating_sub(whole.end)
                } else {
                    whole.start.saturating_sub(span.end)
                };
                if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                    best = Some((distance, part.secret));
                }
            }
        }
        best.map(|(_, part)| part)
    }
}

/// Tells whether `name` in lower case without separators has `word` in it.
fn holds(name: &[u8], word: &[u8]) -> bool {
    (0..name.len()).any(|start| {
        let letters = name
            .iter()
            .skip(start)
            .filter(|b| b.is_ascii_alphanumeric());
        let mut letters = letters.map(u8::to_ascii_lowercase);
        word.iter().all(|byte| letters.next() == Some(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_names_whatever_their_separators() {
        assert!(holds(b"MY_NOMAD-GossipKey2", b"nomadgossipkey"));
        assert!(!holds(b"NOMAD_GOSSIP", b"nomadgossipkey") && !holds(b"", b"key"));
    }
}

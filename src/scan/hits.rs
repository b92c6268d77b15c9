//! From the hits of one view of a blob to raw hits: lines, identities, masked text.

use std::{cmp::Reverse, ops::Range, sync::Arc};

use crate::{
    config::suppress::Marker,
    engine::Hit,
    model::{
        BlobPath, Confidence, Digest, Encoding, Excerpt, Location, Position, Provenance, Secret,
        Severity, Span, line_hashes,
    },
    sources::Blob,
};

use super::{
    bound::MAX_LISTED,
    lines::View,
    receiver::{Collector, holds_content},
};

/// A hit with everything that must be taken from its blob before that is dropped.
#[derive(Debug)]
pub(super) struct RawHit {
    pub(super) rule: u32,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    /// Identity of the value alone, under the run's key.
    pub(super) digest: Digest,
    pub(super) secret: Secret,
    pub(super) encodings: Vec<Encoding>,
    pub(super) location: Location,
    pub(super) provenance: Provenance,
    /// The second part of a multi-part rule.
    pub(super) near: Option<Location>,
    /// Inline markers on the secret's lines.
    pub(super) markers: Vec<Marker>,
    /// What is shown; left out for history, whose few primary blobs are read again.
    pub(super) shown: Option<Shown>,
    /// The archive member's path inside the blob, for history blobs whose own path is not known yet.
    pub(super) member: Option<Vec<u8>>,
    /// Of members: the bytes around that they came from.
    pub(super) source: Option<Arc<Source>>,
}

/// Bytes of a content.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: BlobPath,
    pub(super) range: Range<u64>,
}

impl RawHit {
    /// Returns a second one for another path of the same blob.
    pub(super) fn copy(&self) -> Self {
        Self {
            rule: self.rule,
            severity: self.severity,
            confidence: self.confidence,
            digest: self.digest,
            secret: self.secret.clone(),
            encodings: self.encodings.clone(),
            location: self.location.clone(),
            provenance: self.provenance.clone(),
            near: self.near.clone(),
            markers: self.markers.clone(),
            shown: self.shown.clone(),
            member: self.member.clone(),
            source: self.source.clone(),
        }
    }
}

/// What a report shows of a place.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) excerpt: Excerpt,
    /// The secret's lines, masked: input of the value-free fingerprint.
    pub(super) masked: String,
    pub(super) line_hash: Option<String>,
}

/// Bytes on both sides of a secret in which inline markers and other secrets to mask are looked for. A line is rarely longer,
/// and a file of one line with many secrets must not cost their number squared.
pub(super) const NEIGHBOURHOOD: u64 = 16 << 10;

/// Bytes on both sides of a finding of which an excerpt can show some: a line of it has 160 characters.
pub(super) const EXCERPT: u64 = 1 << 10;

/// Turns the hits of one blob into raw hits: lines, identities, masked text.
pub(super) fn raw_hits(
    collector: &Collector<'_>,
    blob: &Blob<'_>,
    hits: Vec<Hit>,
    show: bool,
) -> Vec<RawHit> {
    let wide = hits.iter().find_map(|hit| match hit.encodings.first() {
        Some(e @ (Encoding::Utf16 | Encoding::Utf32)) => {
            Some((*e, usize::try_from(hit.span.start).unwrap_or(0)))
        }
        _ => None,
    });
    let shows = shows(&hits, show);
    let plain = Desk::new(collector, blob, View::new(blob.bytes, None), &hits, show);
    let wide = wide.map(|wide| {
        Desk::new(
            collector,
            blob,
            View::new(blob.bytes, Some(wide)),
            &hits,
            show,
        )
    });
    hits.into_iter()
        .zip(shows)
        .map(|(hit, show)| match (&wide, hit.encodings.first()) {
            (Some(wide), Some(Encoding::Utf16 | Encoding::Utf32)) => wide.raw(hit, show),
            _ => plain.raw(hit, show),
        })
        .collect()
}

/// Tells of which hits there is something to be shown: of a file with too many of those that are listed, which are the worst.
fn shows(hits: &[Hit], show: bool) -> Vec<bool> {
    if !show || hits.len() <= MAX_LISTED {
        return vec![show; hits.len()];
    }
    let mut order: Vec<usize> = (0..hits.len()).collect();
    order.sort_by_key(|number| {
        let hit = hits.get(*number);
        hit.map(|hit| Reverse((hit.severity, hit.confidence)))
    });
    let mut shows = vec![false; hits.len()];
    for number in order.into_iter().take(MAX_LISTED) {
        if let Some(shows) = shows.get_mut(number) {
            *shows = true;
        }
    }
    shows
}

/// Returns a span to hide with what hangs on it without a blank, quote or delimiter between: what no rule took for a part of the
/// secret may be one all the same.
pub(super) fn grown(text: &[u8], span: Span) -> Span {
    const REACH: usize = 256;
    let stops = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`=:,;()[]{}<>@/&?|\\".contains(byte);
    let at = |offset: u64| {
        usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(text.len())
    };
    let (start, end) = (at(span.start), at(span.end));
    let before = text
        .get(start.saturating_sub(REACH)..start)
        .unwrap_or_default();
    let after = text
        .get(end..(end + REACH).min(text.len()))
        .unwrap_or_default();
    let left = before.iter().rev().take_while(|byte| !stops(byte)).count();
    let right = after.iter().take_while(|byte| !stops(byte)).count();
    Span::new((start - left) as u64, (end + right) as u64)
}

/// Turns hits of one view of a blob into raw hits.
struct Desk<'a> {
    collector: &'a Collector<'a>,
    blob: &'a Blob<'a>,
    view: View<'a>,
    /// All secrets of the blob in the view, sorted and disjoint.
    hidden: Vec<Span>,
    /// GitHub's hashes of the lines with secrets, sorted by line; empty where nothing is shown.
    hashes: Vec<(u32, String)>,
}

impl<'a> Desk<'a> {
    fn new(
        collector: &'a Collector<'a>,
        blob: &'a Blob<'a>,
        view: View<'a>,
        hits: &[Hit],
        show: bool,
    ) -> Self {
        let grown = |hit: &Hit| grown(view.text(), view.span(hit.hides));
        let mut hidden: Vec<Span> = hits.iter().map(grown).collect();
        hidden.sort_unstable();
        let mut hashes = Vec::new();
        if show && blob.whole && holds_content(blob.provenance.place) {
            let lines: Vec<u32> = hits
                .iter()
                .map(|hit| view.line_of(view.span(hit.span).start))
                .collect();
            hashes = line_hashes(blob.bytes, &lines);
            hashes.sort_unstable();
        }
        Self {
            collector,
            blob,
            view,
            hidden,
            hashes,
        }
    }

    fn raw(&self, hit: Hit, show: bool) -> RawHit {
        let base = Position {
            line: self.blob.line,
            column: self.blob.column,
        };
        let locate = |span| {
            self.view
                .locate(self.blob.path, span, base, self.blob.offset)
        };
        let location = locate(hit.span);
        let span = self.view.span(hit.span);
        let lines = self.view.lines_of(span, NEIGHBOURHOOD);
        RawHit {
            rule: hit.rule,
            severity: hit.severity,
            confidence: hit.confidence,
            digest: self.collector.key.digest("", &hit.secret),
            encodings: hit.encodings,
            near: hit.near.map(locate),
            markers: self.collector.markers.on_lines(lines, location.start_line),
            secret: hit.secret,
            shown: show.then(|| self.shown(span, location.start_line)),
            location,
            provenance: self.blob.provenance.clone(),
            member: None,
            source: None,
        }
    }

    fn shown(&self, span: Span, line: u32) -> Shown {
        let from = span.start.saturating_sub(EXCERPT);
        let first = self.hidden.partition_point(|other| other.end < from);
        let last = self
            .hidden
            .partition_point(|other| other.start < span.end + EXCERPT);
        let hidden = self.hidden.get(first..last).unwrap_or_default();
        let excerpt = Excerpt::new(self.view.text(), span, line, hidden);
        let own = self.view.line_of(span.start);
        let at = self.hashes.binary_search_by_key(&own, |(line, _)| *line);
        Shown {
            // The excerpt is cut around the finding and masked: bounded, and stable when other parts of a long line change.
            masked: excerpt.text.clone(),
            line_hash: at
                .ok()
                .and_then(|at| self.hashes.get(at))
                .map(|(_, hash)| hash.clone()),
            excerpt,
        }
    }
}

//! One thread's way from blobs to raw hits.

use std::sync::{Mutex, PoisonError};

use crate::{
    config::{
        PathGlobs,
        suppress::{Marker, Markers},
    },
    engine::{self, Hit, Scanner, Worker},
    model::{
        BlobPath, Confidence, Copied, Digest, DigestKey, Encoding, Excerpt, Ledger, Location,
        Place, Position, Provenance, Secret, Severity, Span, line_hashes,
    },
    rules::Rule,
    sources::{Blob, Receiver, Sink, Trace, archive},
};

use super::lines::View;

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

/// What all receivers share.
pub(super) struct Collector<'a> {
    pub(super) scanner: &'a Scanner,
    pub(super) key: &'a DigestKey,
    pub(super) archives: &'a archive::Limits,
    pub(super) markers: &'a Markers,
    /// The globs of each rule.
    paths: Vec<Option<PathGlobs>>,
    gathered: Mutex<Gathered>,
}

/// What the receivers bring home.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) hits: Vec<RawHit>,
    pub(super) ledger: Ledger,
    /// Places of inline markers in files without regard to hits: `path:line`.
    pub(super) seen_markers: Vec<(BlobPath, Marker)>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(scanner: &'a Scanner, options: &'a super::Options) -> Self {
        // A rule whose globs do not compile is refused at load; without globs it is for all paths.
        let globs = |rule: &Rule| {
            PathGlobs::new(&rule.paths)
                .ok()
                .filter(|globs| !globs.is_empty())
        };
        Self {
            scanner,
            key: &options.run_key,
            archives: &options.archives,
            markers: &options.markers,
            paths: options.rules.rules.iter().map(globs).collect(),
            gathered: Mutex::default(),
        }
    }

    /// Takes everything that was gathered. Call it when no receiver is alive.
    pub(super) fn gathered(&self) -> Gathered {
        std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the globs of a rule; `None` if it is for all paths.
    pub(super) fn paths_of(&self, rule: u32) -> Option<&PathGlobs> {
        self.paths.get(rule as usize)?.as_ref()
    }

    /// Scans a blob, or one member of it, once more, this time for what is shown.
    pub(super) fn again(
        &self,
        bytes: &[u8],
        member: Option<&[u8]>,
        path: &BlobPath,
        provenance: &Provenance,
    ) -> Vec<RawHit> {
        let mut worker = self.scanner.worker();
        let mut scan = |bytes: &[u8]| {
            let regions = [Span::new(0, bytes.len() as u64)];
            let blob = Blob {
                bytes,
                regions: &regions,
                path,
                provenance: provenance.clone(),
                offset: 0,
                line: 1,
                column: 1,
                whole: true,
            };
            let hits = worker.scan(bytes, &regions);
            raw_hits(self, &blob, hits, true)
        };
        let Some(member) = member else {
            return scan(bytes);
        };
        let mut found = Vec::new();
        let outer = BlobPath::default();
        archive::expand(
            bytes,
            &outer,
            self.archives,
            &mut Ledger::default(),
            &mut |path, bytes| {
                if path.as_bytes().get(1..) == Some(member) {
                    found.extend(scan(bytes));
                }
            },
        );
        found
    }
}

impl Sink for Collector<'_> {
    fn receiver(&self) -> Box<dyn Receiver + '_> {
        Box::new(Hand {
            collector: self,
            worker: self.scanner.worker(),
            own: Gathered::default(),
        })
    }
}

/// One thread's receiver; brings its hits home when dropped.
struct Hand<'c> {
    collector: &'c Collector<'c>,
    worker: Worker<'c>,
    own: Gathered,
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        let own = std::mem::take(&mut self.own);
        let mut all = self
            .collector
            .gathered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.hits.extend(own.hits);
        all.ledger.merge(own.ledger);
        all.seen_markers.extend(own.seen_markers);
    }
}

impl Receiver for Hand<'_> {
    fn blob(&mut self, blob: &Blob<'_>) {
        self.scan(blob, None);
        self.unpack_if_archive(blob);
    }

    fn version(&mut self, blob: &Blob<'_>, base: Option<(&Trace, &[Copied])>) -> Trace {
        let base = base.and_then(|(trace, copies)| {
            let trace = trace.0.as_ref()?.downcast_ref::<engine::Trace>()?;
            Some((trace, copies))
        });
        let (hits, trace) = match base {
            Some((trace, copies)) => self.worker.scan_version(blob.bytes, trace, copies),
            None => self.worker.scan_traced(blob.bytes),
        };
        self.take(blob, hits, None);
        self.unpack_if_archive(blob);
        Trace(Some(Box::new(trace)))
    }
}

impl Hand<'_> {
    fn unpack_if_archive(&mut self, blob: &Blob<'_>) {
        if blob.whole
            && holds_content(blob.provenance.place)
            && archive::is_archive(blob.bytes).is_some()
        {
            self.unpack(blob);
        }
    }

    /// Scans the members of an archive, and their names.
    fn unpack(&mut self, blob: &Blob<'_>) {
        let mut ledger = Ledger::default();
        let limits = self.collector.archives;
        archive::expand(
            blob.bytes,
            blob.path,
            limits,
            &mut ledger,
            &mut |path, bytes| {
                let inner = path
                    .as_bytes()
                    .get(blob.path.as_bytes().len() + 1..)
                    .unwrap_or_default();
                let mut part = |bytes: &[u8], place: Place| {
                    let provenance = Provenance {
                        place,
                        object: blob.provenance.object,
                    };
                    let regions = [Span::new(0, bytes.len() as u64)];
                    let member = Blob {
                        bytes,
                        regions: &regions,
                        path,
                        provenance,
                        offset: 0,
                        line: 1,
                        column: 1,
                        whole: true,
                    };
                    self.scan(&member, Some(inner));
                };
                part(bytes, blob.provenance.place);
                part(inner, Place::FileName);
            },
        );
        self.own.ledger.merge(ledger);
    }

    fn scan(&mut self, blob: &Blob<'_>, member: Option<&[u8]>) {
        let collector = self.collector;
        if holds_content(blob.provenance.place) && blob.provenance.object.is_none() {
            for marker in collector.markers.find(blob.bytes, blob.line) {
                self.own.seen_markers.push((blob.path.clone(), marker));
            }
        }
        let hits = self.worker.scan(blob.bytes, blob.regions);
        self.take(blob, hits, member);
    }

    /// Keeps what was found in a blob.
    fn take(&mut self, blob: &Blob<'_>, hits: Vec<Hit>, member: Option<&[u8]>) {
        if hits.is_empty() {
            return;
        }
        let show = blob.provenance.place != Place::History;
        let raw = raw_hits(self.collector, blob, hits, show);
        let member = member.map(<[u8]>::to_vec);
        self.own.hits.extend(raw.into_iter().map(|hit| RawHit {
            member: member.clone(),
            ..hit
        }));
    }
}

/// Tells whether the place is a file's content, which may be an archive or carry markers.
pub(super) const fn holds_content(place: Place) -> bool {
    match place {
        Place::File | Place::Stdin | Place::Staged | Place::History => true,
        Place::FileName
        | Place::SymlinkTarget
        | Place::CommitMessage
        | Place::CommitHeader
        | Place::Tag
        | Place::RefName
        | Place::Reflog
        | Place::RemoteUrl => false,
    }
}

/// Bytes on both sides of a secret in which inline markers and other secrets to mask are looked for. A line is rarely longer,
/// and a file of one line with many secrets must not cost their number squared.
const NEIGHBOURHOOD: u64 = 16 << 10;

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
        .map(|hit| match (&wide, hit.encodings.first()) {
            (Some(wide), Some(Encoding::Utf16 | Encoding::Utf32)) => wide.raw(hit),
            _ => plain.raw(hit),
        })
        .collect()
}

/// Returns a secret's span with what hangs on it without a blank, quote or delimiter between: of two overlapping secrets the more
/// specific is reported, and the rest of the other must not be shown beside its mask.
fn grown(text: &[u8], span: Span) -> Span {
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
    show: bool,
}

impl<'a> Desk<'a> {
    fn new(
        collector: &'a Collector<'a>,
        blob: &'a Blob<'a>,
        view: View<'a>,
        hits: &[Hit],
        show: bool,
    ) -> Self {
        let grown = |hit: &Hit| grown(view.text(), view.span(hit.span));
        let mut hidden: Vec<Span> = hits.iter().map(grown).collect();
        hidden.sort_unstable();
        let mut hashes = Vec::new();
        if show && blob.whole && holds_content(blob.provenance.place) {
            let lines: Vec<u32> = hits
                .iter()
                .map(|hit| view.position(view.span(hit.span).start).line)
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
            show,
        }
    }

    fn raw(&self, hit: Hit) -> RawHit {
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
            shown: self.show.then(|| self.shown(span, location.start_line)),
            location,
            provenance: self.blob.provenance.clone(),
            member: None,
        }
    }

    fn shown(&self, span: Span, line: u32) -> Shown {
        let from = span.start.saturating_sub(NEIGHBOURHOOD);
        let first = self.hidden.partition_point(|other| other.end < from);
        let last = self
            .hidden
            .partition_point(|other| other.start < span.end + NEIGHBOURHOOD);
        let hidden = self.hidden.get(first..last).unwrap_or_default();
        let excerpt = Excerpt::new(self.view.text(), span, line, hidden);
        let own = self.view.position(span.start).line;
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

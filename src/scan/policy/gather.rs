//! From one file to what its lints tell, with places and masked text.

use std::ops::Range;

use super::{
    super::{
        hits::{NEIGHBOURHOOD, RawHit, Shown, grown},
        lines::View,
        receiver::Collector,
    },
    FactHit, Habits, LintHit, Policy, Spot,
};
use crate::{
    config::suppress::Marker,
    model::{Excerpt, Location, Position, Related, Secret, Span, line_hashes},
    policy::{self, Fact, FactData, Fault, FileKind, Gathered, reuse::Site, values, veil},
    sources::Blob,
};

/// Least bytes of a value that is looked for in all of the report: shorter ones stand there by chance.
const MIN_VALUE: usize = 8;

/// Reads a blob if lints know its kind, and adds what they tell; `found` are the secrets of rules in it.
pub(in super::super) fn gather(
    collector: &Collector<'_>,
    rules: &Policy,
    blob: &Blob<'_>,
    found: &[RawHit],
    habits: &mut Habits,
) {
    if blob.path.as_bytes().is_empty() {
        return;
    }
    habits.paths.insert(blob.path.clone());
    let Some(kind) = policy::wants(blob.path) else {
        return;
    };
    if !blob.whole || blob.bytes.len() as u64 > policy::MAX_BYTES {
        let limit = policy::MAX_BYTES >> 20;
        let note = format!("larger than {limit} MiB: policy did not read it");
        habits.unread(blob.path, kind, note);
        return;
    }
    let reading = policy::read(
        blob.path,
        kind,
        blob.bytes,
        collector.key,
        &rules.environments,
    );
    if let Some(note) = reading.note {
        habits.unread(blob.path, kind, note.0);
    }
    let faults: Vec<_> = reading
        .faults
        .into_iter()
        .filter(|fault| rules.runs(fault.lint) && fault.persona <= rules.persona)
        .collect();
    let formats: Vec<&RawHit> = found
        .iter()
        .filter(|hit| hit.encodings.is_empty() && collector.knows_format(hit.rule))
        .collect();
    if faults.is_empty() && reading.facts.is_empty() && formats.is_empty() {
        return;
    }
    let found: Vec<Span> = found.iter().map(|hit| hit.location.span()).collect();
    let values = faults
        .iter()
        .filter_map(|fault| fault.secret.clone())
        .chain(reading.facts.iter().filter_map(|fact| fact.secret.clone()));
    let desk = Desk::new(
        collector,
        blob,
        &found,
        values,
        faults.iter().map(|f| f.span.start),
    );
    let lints = faults.into_iter().map(|fault| desk.lint(rules, fault));
    habits.lints.extend(lints);
    let formats = formats
        .into_iter()
        .map(|hit| format_of(&desk, rules, kind, hit));
    habits.facts.extend(formats);
    let facts = reading.facts.into_iter().map(|fact| desk.fact(fact));
    habits.facts.extend(facts);
}

/// Keeps a secret in a provider's format as something that environments may share.
fn format_of(desk: &Desk<'_>, rules: &Policy, kind: FileKind, hit: &RawHit) -> FactHit {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    let path = desk.blob.path;
    let spot = desk.spot(&(at(hit.location.byte_start)..at(hit.location.byte_end)));
    let site = Site::of_finding(
        &String::from_utf8_lossy(path.as_bytes()),
        kind,
        None,
        hit.digest,
        hit.secret.len(),
        &rules.environments,
    );
    FactHit {
        fact: Gathered {
            path: path.clone(),
            location: spot.location.clone(),
            digest: Some(hit.digest),
            data: FactData::Site(Box::new(site)),
            past: policy::Past::default(),
        },
        secret: hit.secret.clone(),
        spot,
    }
}

fn span(range: &Range<usize>) -> Span {
    Span::new(range.start as u64, range.end.max(range.start) as u64)
}

/// Makes places of one file.
struct Desk<'a> {
    collector: &'a Collector<'a>,
    blob: &'a Blob<'a>,
    view: View<'a>,
    /// What must not be shown, sorted.
    hidden: Vec<Span>,
    /// GitHub's hashes of the lines with faults, sorted by line.
    hashes: Vec<(u32, String)>,
}

impl<'a> Desk<'a> {
    fn new(
        collector: &'a Collector<'a>,
        blob: &'a Blob<'a>,
        found: &[Span],
        values: impl Iterator<Item = Range<usize>>,
        faults: impl Iterator<Item = usize>,
    ) -> Self {
        let view = View::new(blob.bytes, None);
        let grow = |at: Span| grown(view.text(), view.span(at));
        let mut hidden: Vec<Span> = found.iter().copied().map(grow).collect();
        // A lint knows where its value ends.
        hidden.extend(values.map(|at| view.span(span(&at))));
        // Others may stand beside it.
        let text = String::from_utf8_lossy(view.text());
        if text.len() == view.text().len() {
            hidden.extend(veil::covered(&text).iter().map(span));
        }
        hidden.sort_unstable();
        // Disjoint, so that those near a place are found by halving.
        let mut joined: Vec<Span> = Vec::with_capacity(hidden.len());
        for span in hidden {
            match joined.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => joined.push(span),
            }
        }
        let hidden = joined;
        let lines: Vec<u32> = faults.map(|at| view.position(at as u64).line).collect();
        let mut hashes = line_hashes(blob.bytes, &lines);
        hashes.sort_unstable();
        Self {
            collector,
            blob,
            view,
            hidden,
            hashes,
        }
    }

    /// Keeps what a lint told.
    fn lint(&self, rules: &Policy, fault: Fault) -> LintHit {
        let related = fault.related.iter().map(|(at, message)| Related {
            message: message.clone(),
            location: self.locate(at),
            introduced: None,
        });
        LintHit {
            lint: fault.lint,
            severity: rules.weigh(fault.lint, fault.severity),
            confidence: fault.confidence,
            related: related.collect(),
            value: fault.secret.as_ref().map(span),
            secret: self.value(fault.secret.as_ref()),
            place: self.spot(&fault.span),
            message: fault.message,
            subject: fault.subject,
            fix: fault.fix,
        }
    }

    /// Keeps a fact.
    fn fact(&self, fact: Fact) -> FactHit {
        let spot = self.spot(&fact.span);
        let digest = fact.secret.as_ref().map(|at| {
            let bytes = self.blob.bytes.get(at.clone()).unwrap_or_default();
            self.collector.key.digest("", &Secret::new(bytes))
        });
        FactHit {
            fact: Gathered {
                path: self.blob.path.clone(),
                location: spot.location.clone(),
                digest,
                data: fact.data,
                past: policy::Past::default(),
            },
            secret: self.value(fact.secret.as_ref()),
            spot,
        }
    }

    fn locate(&self, at: &Range<usize>) -> Location {
        let start = Position { line: 1, column: 1 };
        self.view.locate(self.blob.path, span(at), start, 0)
    }

    /// Returns the value, unless it is too short or too common to be looked for in a report.
    fn value(&self, at: Option<&Range<usize>>) -> Secret {
        let bytes = at.and_then(|at| self.blob.bytes.get(at.clone()));
        let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let text = text.filter(|text| text.len() >= MIN_VALUE && !values::is_weak(text));
        Secret::new(text.unwrap_or_default().as_bytes())
    }

    /// Returns the markers in the comment lines right above a line: not every format has comments beside its text.
    fn markers_above(&self, start: u64, line: u32) -> Vec<Marker> {
        const MOST: u32 = 8;
        let text = self.view.text();
        let at = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
        let mut head = text.get(..at).unwrap_or_default();
        let mut begins = head
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let mut markers = Vec::new();
        for number in (line.saturating_sub(MOST)..line).rev() {
            head = head.get(..begins.saturating_sub(1)).unwrap_or_default();
            begins = head
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |at| at + 1);
            let above = head.get(begins..).unwrap_or_default();
            let comment = above.trim_ascii_start();
            if number == 0 || !(comment.starts_with(b"#") || comment.starts_with(b"//")) {
                break;
            }
            markers.extend(self.collector.markers.on_lines(above, number));
        }
        markers
    }

    fn spot(&self, at: &Range<usize>) -> Spot {
        let location = self.locate(at);
        let within = self.view.span(span(at));
        let lines = self.view.lines_of(within, NEIGHBOURHOOD);
        let mut markers = self.collector.markers.on_lines(lines, location.start_line);
        markers.extend(self.markers_above(within.start, location.start_line));
        let own = self.view.position(within.start).line;
        let hash = self.hashes.binary_search_by_key(&own, |(line, _)| *line);
        let from = within.start.saturating_sub(NEIGHBOURHOOD);
        let first = self.hidden.partition_point(|other| other.end <= from);
        let last = self
            .hidden
            .partition_point(|other| other.start < within.end + NEIGHBOURHOOD);
        let hidden = self.hidden.get(first..last).unwrap_or_default();
        let excerpt = Excerpt::new(self.view.text(), within, location.start_line, hidden);
        let touches = |region: &Span| {
            region.start < within.end.max(within.start + 1) && within.start < region.end
        };
        Spot {
            markers,
            provenance: self.blob.provenance.clone(),
            shown: Shown {
                masked: String::new(),
                line_hash: hash
                    .ok()
                    .and_then(|at| self.hashes.get(at))
                    .map(|(_, hash)| hash.clone()),
                excerpt,
            },
            changed: self.blob.regions.iter().any(touches),
            past: None,
            location,
        }
    }
}

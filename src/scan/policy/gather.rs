//! From one file to what its lints tell, with places and masked text.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    rc::Rc,
};

use super::{
    super::{
        hits::{EXCERPT, NEIGHBOURHOOD, RawHit, Shown, grown},
        lines::View,
        receiver::Collector,
    },
    FactHit, Habits, LintHit, Policy, Spot, Unread, is_certain, is_template,
};
use crate::{
    config::suppress::Marker,
    model::{
        BlobPath, Encoding, Excerpt, Location, Position, Provenance, Related, Secret, SkipCause,
        Span, line_hashes,
    },
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
    found: &mut [RawHit],
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
        let unread = Unread {
            text: format!("larger than {limit} MiB: policy did not read it"),
            gap: (!policy::is_general(kind)).then_some(SkipCause::TooLarge),
        };
        habits.notes.insert(blob.path.clone(), unread);
        return;
    }
    let reading = policy::read_for(
        blob.path,
        kind,
        blob.bytes,
        collector.key,
        &rules.environments,
        &|fault| rules.shows(fault.lint, fault.persona),
    );
    if let Some(note) = reading.note {
        let unread = unread(blob.path, kind, note);
        habits.notes.insert(blob.path.clone(), unread);
    }
    let formats: Vec<usize> = (0..)
        .zip(found.iter())
        .filter(|(_, hit)| hit.encodings.is_empty() && collector.knows_format(hit.rule))
        .map(|(number, _)| number)
        .collect();
    let is_silent = reading.values.is_empty() && reading.facts.is_empty();
    if reading.faults.is_empty() && is_silent && formats.is_empty() {
        return;
    }
    let spans: Vec<Span> = found.iter().map(|hit| hit.location.span()).collect();
    let facts = reading.facts.iter().filter_map(|fact| fact.secret.clone());
    let values = reading.values.into_iter().chain(facts);
    let starts = reading.faults.iter().map(|fault| fault.span.start);
    let desk = Desk::new(collector, blob, &spans, values, starts);
    for hit in found.iter_mut() {
        desk.show(hit);
    }
    let lints = reading.faults.into_iter();
    habits
        .lints
        .extend(lints.map(|fault| desk.lint(rules, fault)));
    let formats = formats.into_iter().filter_map(|number| found.get(number));
    let formats = formats.map(|hit| format_of(&desk, rules, kind, hit));
    habits.facts.extend(formats);
    let facts = reading.facts.into_iter().map(|fact| desk.fact(fact));
    habits.facts.extend(facts);
}

/// Returns what could not be read of a file, and whether that is a gap.
fn unread(path: &BlobPath, kind: FileKind, note: policy::Note) -> Unread {
    let gap = match note.is_gap {
        true => Some(SkipCause::LimitHit),
        false => (is_certain(kind) && !is_template(path)).then_some(SkipCause::Undecodable),
    };
    Unread {
        text: note.text,
        gap,
    }
}

/// Hides in what is shown of hits in the content of an object what the lints of their paths know; `found` are all secrets in it.
pub(in super::super) fn hide(
    collector: &Collector<'_>,
    bytes: &[u8],
    provenance: &Provenance,
    found: &[Span],
    hits: &mut [&mut RawHit],
) {
    let Some(rules) = collector.policy() else {
        return;
    };
    let own = hits.iter().filter(|hit| hit.member.is_none());
    let paths: BTreeSet<BlobPath> = own.map(|hit| hit.location.path.clone()).collect();
    for path in paths {
        let kind = policy::wants(&path).filter(|_| bytes.len() as u64 <= policy::MAX_BYTES);
        let Some(kind) = kind else { continue };
        let reading = policy::read(&path, kind, bytes, collector.key, &rules.environments);
        let facts = reading.facts.iter().filter_map(|fact| fact.secret.clone());
        let mut values = reading.values.into_iter().chain(facts).peekable();
        if values.peek().is_none() {
            continue;
        }
        let blob = Blob {
            bytes,
            regions: &[],
            path: &path,
            provenance: provenance.clone(),
            offset: 0,
            line: 1,
            column: 1,
            whole: true,
        };
        let desk = Desk::new(collector, &blob, found, values, std::iter::empty());
        hits.iter_mut().for_each(|hit| desk.show(hit));
    }
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

/// Returns the forms of a value that are looked for in reports: as it stands, and what it stands for if it is base64, as Kubernetes keeps
/// its secrets. Those that are too short or too common are none.
fn known_forms(value: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(value) else {
        return Vec::new();
    };
    let forms = [Some(text.to_owned()), values::decoded(text)];
    let is_looked_for = |form: &String| form.len() >= MIN_VALUE && !values::is_weak(form);
    forms.into_iter().flatten().filter(is_looked_for).collect()
}

/// Returns a place with a letter in UTF-16, if the file is that: it tells the order of bytes.
fn wide(bytes: &[u8]) -> Option<(Encoding, usize)> {
    let (order, mark) = policy::order(bytes)?;
    let letter = |two: &[u8; 2]| match order {
        policy::Order::Little => two[0] != 0 && two[1] == 0,
        policy::Order::Big => two[0] == 0 && two[1] != 0,
    };
    let units = bytes.as_chunks::<2>().0;
    match (units.iter().skip(mark / 2).position(letter), bytes) {
        (Some(at), _) => Some((Encoding::Utf16, mark + 2 * at)),
        // A byte of the mark that is not zero stands for a letter.
        (None, [0xff, 0xfe, ..]) => Some((Encoding::Utf16, 0)),
        (None, _) => None,
    }
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
    /// What may be a value on lines, by their numbers: of neighbours each shows the other's line.
    covered: RefCell<BTreeMap<u32, Rc<[Span]>>>,
}

impl<'a> Desk<'a> {
    fn new(
        collector: &'a Collector<'a>,
        blob: &'a Blob<'a>,
        found: &[Span],
        values: impl Iterator<Item = Range<usize>>,
        faults: impl Iterator<Item = usize>,
    ) -> Self {
        let view = View::new(blob.bytes, wide(blob.bytes));
        let grow = |at: Span| grown(view.text(), view.span(at));
        let mut hidden: Vec<Span> = found.iter().copied().map(grow).collect();
        // A lint knows where its value ends.
        hidden.extend(values.map(|at| view.span(span(&at))));
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
        let lines: Vec<u32> = faults.map(|at| view.line_of(at as u64)).collect();
        let mut hashes = line_hashes(blob.bytes, &lines);
        hashes.sort_unstable();
        Self {
            collector,
            blob,
            view,
            hidden,
            hashes,
            covered: RefCell::default(),
        }
    }

    /// Keeps what a lint told.
    fn lint(&self, rules: &Policy, fault: Fault) -> LintHit {
        let value = fault.secret.as_ref().map_or(&b""[..], |at| self.bytes(at));
        let known = known_forms(value);
        let free = |text: &str| {
            let mut text = text.to_owned();
            known.iter().for_each(|one| text = text.replace(one, "***"));
            text
        };
        let related = fault.related.iter().map(|(at, message)| Related {
            message: free(message),
            location: self.locate(at),
            introduced: None,
        });
        LintHit {
            lint: fault.lint,
            severity: rules.weigh(fault.lint, fault.severity),
            confidence: fault.confidence,
            related: related.collect(),
            value: fault.secret.as_ref().map(span),
            secret: self.value(value),
            place: self.spot(&fault.span),
            message: free(&fault.message),
            subject: free(&fault.subject),
            fix: fault.fix,
        }
    }

    /// Keeps a fact.
    fn fact(&self, fact: Fact) -> FactHit {
        let spot = self.spot(&fact.span);
        let digest = fact
            .secret
            .as_ref()
            .map(|at| self.collector.key.digest("", &Secret::new(self.bytes(at))));
        FactHit {
            fact: Gathered {
                path: self.blob.path.clone(),
                location: spot.location.clone(),
                digest,
                data: fact.data,
                past: policy::Past::default(),
            },
            secret: self.value(fact.secret.as_ref().map_or(b"", |at| self.bytes(at))),
            spot,
        }
    }

    fn locate(&self, at: &Range<usize>) -> Location {
        let start = Position { line: 1, column: 1 };
        self.view.locate(self.blob.path, span(at), start, 0)
    }

    /// Returns the text at a place of the file.
    fn bytes(&self, at: &Range<usize>) -> &[u8] {
        let within = self.view.span(span(at));
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let text = self.view.text().get(at(within.start)..at(within.end));
        text.unwrap_or_default()
    }

    /// Hides in what is shown of a rule's secret also what lints know.
    fn show(&self, hit: &mut RawHit) {
        let is_here = hit.member.is_none() && hit.location.path == *self.blob.path;
        let Some(shown) = hit.shown.as_mut().filter(|_| is_here) else {
            return;
        };
        let within = self.view.span(hit.location.span());
        let excerpt = self.excerpt(within, hit.location.start_line);
        shown.excerpt.mask_also(&excerpt);
    }

    /// Returns the text around a place.
    fn excerpt(&self, within: Span, line: u32) -> Excerpt {
        let from = within.start.saturating_sub(EXCERPT);
        let first = self.hidden.partition_point(|other| other.end <= from);
        let last = self
            .hidden
            .partition_point(|other| other.start < within.end + EXCERPT);
        let hidden = self.hidden.get(first..last).unwrap_or_default();
        // Others may stand beside it.
        let hidden = [hidden, &self.beside(within)].concat();
        Excerpt::new(self.view.text(), within, line, &hidden)
    }

    /// Returns what may be a value on the lines that an excerpt of a place shows.
    fn beside(&self, within: Span) -> Vec<Span> {
        // An excerpt has three at most.
        const LINES: u32 = 3;
        let first = self.view.line_of(within.start);
        let mut beside = Vec::new();
        for number in first..first.saturating_add(LINES) {
            let line = self.view.line(number);
            let Some(line) = line.filter(|line| line.start <= within.end) else {
                break;
            };
            if line.end - line.start > NEIGHBOURHOOD {
                // A line as long as this is covered as a whole.
                beside.push(line);
            } else {
                beside.extend_from_slice(&self.covered(number, line));
            }
        }
        beside
    }

    /// Returns what may be a value on a line.
    fn covered(&self, number: u32, line: Span) -> Rc<[Span]> {
        if let Some(known) = self.covered.borrow().get(&number) {
            return Rc::clone(known);
        }
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        // The line before may end with the name of a value on this one.
        let before = number
            .checked_sub(1)
            .and_then(|number| self.view.line(number));
        let before = before.filter(|before| before.end - before.start <= NEIGHBOURHOOD);
        let from = before.unwrap_or(line).start;
        let text = self.view.text().get(at(from)..at(line.end));
        let covered = match policy::patched(text.unwrap_or_default()) {
            Some(text) => veil::covered(&text),
            // What is no text cannot be told apart.
            None => std::iter::once(0..at(line.end) - at(from)).collect(),
        };
        let covered = covered.into_iter().filter_map(|range| {
            let start = from.saturating_add(range.start as u64).max(line.start);
            let end = from.saturating_add(range.end as u64).min(line.end);
            (start < end).then(|| Span::new(start, end))
        });
        let covered: Rc<[Span]> = covered.collect();
        self.covered
            .borrow_mut()
            .insert(number, Rc::clone(&covered));
        covered
    }

    /// Returns the value, unless it is too short or too common to be looked for in a report.
    fn value(&self, bytes: &[u8]) -> Secret {
        let text = std::str::from_utf8(bytes).ok();
        let text = text.filter(|text| text.len() >= MIN_VALUE && !values::is_weak(text));
        Secret::new(text.unwrap_or_default().as_bytes())
    }

    /// Returns the markers in the comment lines right above a line: not every format has comments beside its text.
    fn markers_above(&self, line: u32) -> Vec<Marker> {
        const MOST: u32 = 8;
        let mut markers = Vec::new();
        for number in (line.saturating_sub(MOST)..line).rev() {
            let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
            let above = self.view.line(number);
            let above = above.filter(|above| above.end - above.start <= NEIGHBOURHOOD);
            let above =
                above.and_then(|above| self.view.text().get(at(above.start)..at(above.end)));
            let above = above.unwrap_or_default();
            let comment = above.trim_ascii_start();
            if !(comment.starts_with(b"#") || comment.starts_with(b"//")) {
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
        markers.extend(self.markers_above(location.start_line));
        let own = self.view.line_of(within.start);
        let hash = self.hashes.binary_search_by_key(&own, |(line, _)| *line);
        let excerpt = self.excerpt(within, location.start_line);
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

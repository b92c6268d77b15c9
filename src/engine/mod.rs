//! The hot path: from bytes to hits.
//!
//! `anchors` (runs of token characters) and `literals` (markers, credential words) find places; `probe` tries the rules
//! there with `tables`, `patterns`, `context` and `names`; `judge` decides; `rounds` decodes and goes again; `overlap`
//! keeps the most specific finding. `versions` scans a text by what changed since an earlier one, with what `notes` say of that, and `memo` no stretch of it
//! twice; `masks` is the vector code. None of them knows of files or findings.
//!
//! Promises: no I/O, no log, no `Result`, no lock but for one look-up (`memo`); a blob without an anchor costs no allocation. A verdict depends on the
//! bytes in a bounded window around its anchor only, so any split of a blob into regions gives the same hits. Bytes
//! of a secret leave as [`Secret`] only.

mod anchors;
mod context;
pub mod decode;
pub mod extent;
mod facts;
pub mod filters;
mod judge;
mod memo;
mod names;
mod needles;
mod notes;
mod overlap;
mod patterns;
mod probe;
mod quiet;
mod redact;
mod rounds;
mod shape;
mod tables;
pub mod validators;
pub mod values;
mod versions;

use std::{ops::Range, sync::Arc};

use self::{
    anchors::Lanes, judge::Found, memo::Known, names::Normal, notes::Probe, patterns::Scratch,
    quiet::Quiet, tables::Tables,
};
use crate::{
    model::{Confidence, Encoding, Secret, Severity, Span},
    rules::RuleSet,
};

pub use self::{redact::Redactor, versions::Trace};

/// Most bytes that any verdict reads before its anchor's start and after its anchor's end. A chunked caller gives this much
/// context on both sides of a region.
pub const CONTEXT: usize = 64 * 1024;

/// One match that passed every check and filter.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Index into the rule set.
    pub rule: u32,
    /// Where the secret stands in the bytes given (for encoded text: the encoded stretch).
    pub span: Span,
    /// The span and what overlaps it of less specific matches: what must not be shown around it.
    pub hides: Span,
    /// The value, decoded.
    pub secret: Secret,
    /// The second part of a multi-part rule.
    pub near: Option<Span>,
    /// The rule's severity, or lower after a failed checksum.
    pub severity: Severity,
    /// The rule's confidence, or what a check made of it.
    pub confidence: Confidence,
    /// Through which encodings, outermost first.
    pub encodings: Vec<Encoding>,
}

/// Tables shared by all threads.
pub struct Scanner {
    rules: Arc<RuleSet>,
    tables: Tables,
    /// Stretches of text in which nothing was found.
    known: Known,
}

/// One thread's scratch memory.
pub struct Worker<'s> {
    scanner: &'s Scanner,
    /// By rule: for its pattern, and for the pattern of its second part.
    patterns: Vec<Scratch>,
    nears: Vec<Scratch>,
    normal: Normal,
    quiet: Quiet,
    rules: Vec<u32>,
    /// By stand-in: where its second part may be, sorted.
    marks: Vec<Vec<usize>>,
    /// The stand-ins that are worth a look in the window.
    active: Vec<usize>,
    /// Which bytes are of a run.
    lanes: Lanes,
    search: decode::Search,
    /// Where encoded text may begin, with what tells that.
    told: Vec<(usize, Range<usize>)>,
    /// Which bytes end a line.
    lines: Vec<u64>,
    /// The runs in the last window that may be encoded text.
    long: Vec<Range<usize>>,
    /// What a later version of the text needs to know.
    probe: Probe,
    met_limit: bool,
    met_packed: bool,
}

impl Scanner {
    /// Builds the tables; regexes are compiled on first use.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>) -> Self {
        let tables = Tables::new(&rules);
        Self {
            known: Known::new(tables.near_part + tables.longest),
            tables,
            rules,
        }
    }

    /// Returns a worker for one thread.
    #[must_use]
    pub fn worker(&self) -> Worker<'_> {
        let scratch = || {
            self.rules
                .rules
                .iter()
                .map(|_| Scratch::default())
                .collect()
        };
        Worker {
            scanner: self,
            patterns: scratch(),
            nears: scratch(),
            normal: Normal::default(),
            quiet: Quiet::default(),
            rules: Vec::new(),
            active: Vec::new(),
            lanes: Lanes::default(),
            search: decode::Search::default(),
            told: Vec::new(),
            lines: Vec::new(),
            long: Vec::new(),
            probe: Probe::default(),
            marks: vec![Vec::new(); self.tables.stand_ins.len()],
            met_limit: false,
            met_packed: false,
        }
    }
}

impl Worker<'_> {
    /// Returns the hits whose anchor starts in one of `regions` (sorted, disjoint, within `bytes`), sorted by span and
    /// rule. Of overlapping secrets only the most specific rule's is kept. `bytes` must hold [`CONTEXT`] bytes around each
    /// region, or all there are.
    ///
    /// A hit's anchor is where its match begins; for encoded text, where that stands in `bytes`.
    pub fn scan(&mut self, bytes: &[u8], regions: &[Span]) -> Vec<Hit> {
        let windows = windows(regions, bytes.len());
        let mut found = Vec::new();
        self.round(bytes, &windows, &mut found);
        if found.is_empty() {
            return Vec::new();
        }
        let around = self.around(&found, &windows);
        if !around.is_empty() {
            let mut rivals = Vec::new();
            self.round(bytes, &around, &mut rivals);
            found.extend(rivals.into_iter().map(|rival| Found {
                rival: true,
                ..rival
            }));
        }
        overlap::settle(&mut found);
        found.retain(|one| !one.rival);
        found.into_iter().map(Hit::from).collect()
    }

    /// Tells whether, since it was last asked, something encoded was not decoded: too deep in other encodings, or too much.
    pub fn met_limit(&mut self) -> bool {
        std::mem::take(&mut self.met_limit)
    }

    /// Tells whether, since it was last asked, something stood there that [`decode::packed`] may find.
    pub fn met_packed(&mut self) -> bool {
        std::mem::take(&mut self.met_packed)
    }

    /// Returns the stretches outside of `windows` in which something may begin that overlaps `found`.
    fn around(&self, found: &[Found], windows: &[Range<usize>]) -> Vec<Range<usize>> {
        let reach = self.scanner.tables.reach;
        let mut near: Vec<Range<usize>> = found
            .iter()
            .map(|one| one.span.start.saturating_sub(reach)..one.span.end)
            .collect();
        near.sort_by_key(|range| range.start);
        let mut around: Vec<Range<usize>> = Vec::new();
        for range in near {
            let mut start = range.start.max(around.last().map_or(0, |last| last.end));
            for window in windows {
                if window.end <= start {
                    continue;
                }
                if window.start >= range.end {
                    break;
                }
                if start < window.start {
                    around.push(start..window.start);
                }
                start = window.end;
            }
            if start < range.end {
                around.push(start..range.end);
            }
        }
        around
    }
}

impl From<Found> for Hit {
    fn from(found: Found) -> Self {
        Self {
            rule: found.rule,
            span: span(found.span),
            hides: span(found.hides),
            secret: found.secret,
            near: found.near.map(span),
            severity: found.severity,
            confidence: found.confidence,
            encodings: found.encodings,
        }
    }
}

fn span(range: Range<usize>) -> Span {
    Span::new(range.start as u64, range.end.max(range.start) as u64)
}

/// Returns the regions within `len` bytes, neighbours joined.
fn windows(regions: &[Span], len: usize) -> Vec<Range<usize>> {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(len);
    let mut windows: Vec<Range<usize>> = Vec::with_capacity(regions.len());
    for region in regions {
        let (start, end) = (at(region.start), at(region.end));
        match windows.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ if start < end => windows.push(start..end),
            _ => {}
        }
    }
    windows
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions_tests;

//! Scans a version of a text by what changed since another version that was scanned before.
//!
//! A verdict reads a bounded stretch around its trigger (a run, a literal, an encoded stretch). Nearly all read no more than
//! [`LEFT`] bytes before it and [`RIGHT`] after; one that read more, or may have, leaves a [`Site`] in the [`Trace`], found or
//! not. So in a new version three things are looked at again: what stands so near to a change, the sites whose bytes are
//! not all in one copied stretch, and, if a finding comes up there or one of the old findings is not whole, the
//! whole text. All else is as it was.
//!
//! Promise: the hits are those that a scan of the whole text gives, byte for byte.

use std::ops::Range;

use super::{
    Hit, Worker,
    judge::Found,
    memo::{self, Memory, Stretch},
    notes::{LEFT, MAX_SITES, RIGHT, Site},
    overlap,
};
use crate::model::{Copied, Span};

/// Around what is looked at again: where triggers stand that lead there. A word before a value is left out; the value
/// itself is looked at in any case.
const TRIGGERS: (usize, usize) = (8, 72);

/// So many times the bytes looked at, and as many more, are read and decoded for encoded text that stands around them; then it
/// is cheaper to look at the whole text once.
const SPEND: (usize, usize) = (8, 256 * 1024);

/// Most comparisons of a trace with the copied stretches.
const MAX_COMPARED: usize = 1 << 22;

/// What the scan of one version leaves for the next. The default is that of an empty text.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Length of the text.
    len: usize,
    /// Whether nothing can be taken over.
    opaque: bool,
    hits: Vec<Hit>,
    /// For each finding, also those that others were preferred to: what its verdict read.
    found: Vec<Range<usize>>,
    sites: Vec<Site>,
}

/// What a version differs in.
struct Changes<'c> {
    /// Inserted bytes, and places where two copied stretches meet (empty), sorted.
    exact: Vec<Range<usize>>,
    copies: &'c [Copied],
}

impl Trace {
    /// Tells whether a later version has nothing to take over but silence.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        !self.opaque && self.hits.is_empty() && self.found.is_empty() && self.sites.is_empty()
    }

    /// Returns the trace of a text of `len` bytes that left nothing.
    #[must_use]
    pub fn silent(len: usize) -> Self {
        Self {
            len,
            ..Self::default()
        }
    }

    /// Takes the sites of a scan beside those taken over, which are sorted; keeps them sorted and once each.
    fn keep(&mut self, mut sites: Vec<Site>) {
        sites.sort_unstable_by_key(Site::key);
        let old = std::mem::take(&mut self.sites);
        if !old.is_empty() {
            sites = merged(old, sites, |a, b| a.key() <= b.key());
        }
        sites.dedup();
        self.opaque |= sites.len() > MAX_SITES || self.found.len() > MAX_SITES;
        self.sites = sites;
        if self.opaque {
            self.hits = Vec::new();
            self.found = Vec::new();
            self.sites = Vec::new();
        }
    }
}

impl Worker<'_> {
    /// Scans a whole text and returns its hits with what a later version can take over.
    pub fn scan_traced(&mut self, bytes: &[u8]) -> (Vec<Hit>, Trace) {
        let is_plain = memchr::memchr(0, bytes).is_none();
        if is_plain && let Some(sites) = self.look(bytes, std::slice::from_ref(&(0..bytes.len()))) {
            let mut trace = Trace::silent(bytes.len());
            trace.keep(sites);
            return (Vec::new(), trace);
        }
        self.probe.begin(false);
        let mut found = Vec::new();
        self.round(bytes, std::slice::from_ref(&(0..bytes.len())), &mut found);
        let (sites, gave_up) = self.probe.end();
        let mut trace = Trace {
            len: bytes.len(),
            opaque: gave_up || !is_plain || self.met_limit || self.met_packed,
            ..Trace::default()
        };
        if !found.is_empty() {
            trace.found = found.iter().map(|one| one.read.clone()).collect();
            overlap::settle(&mut found);
            trace.hits = found.into_iter().map(Hit::from).collect();
        }
        let hits = trace.hits.clone();
        trace.keep(sites);
        (hits, trace)
    }

    /// Scans a version of a text that left `base`; `copies` are the stretches taken from it, sorted by where they start now.
    pub fn scan_version(
        &mut self,
        bytes: &[u8],
        base: &Trace,
        copies: &[Copied],
    ) -> (Vec<Hit>, Trace) {
        self.changed(bytes, base, copies)
            .unwrap_or_else(|| self.scan_traced(bytes))
    }

    /// Looks whether anything is triggered in the windows, of a text without NUL; returns the sites that this leaves, `None` if
    /// there may be a finding.
    fn look(&mut self, bytes: &[u8], windows: &[Range<usize>]) -> Option<Vec<Site>> {
        let mut sites = Vec::new();
        let mut found = Vec::new();
        let (mut spent, mut worth) = (0, SPEND.1);
        let known = &self.scanner.known;
        for window in windows {
            let mut rest = window.clone();
            while !rest.is_empty() {
                let chunk = memo::first_chunk(bytes, &rest, &mut self.lines);
                rest.start = chunk.end;
                let mut recall = |around| {
                    let stretch = Stretch::new(known, bytes, &chunk, around);
                    let memory = stretch.as_ref().map_or(Memory::None, |stretch| {
                        stretch.recall(known, bytes.len(), &mut sites)
                    });
                    (stretch, memory)
                };
                let (mut stretch, mut memory) = recall(memo::NEAR);
                if memory == Memory::Wide {
                    (stretch, memory) = recall(memo::FAR);
                }
                if memory == Memory::Whole {
                    continue;
                }
                self.probe.begin(true);
                self.round(bytes, std::slice::from_ref(&chunk), &mut found);
                let (own, gave_up) = self.probe.end();
                // What was too deep to be read, or is packed, is told each time, and only a look tells it.
                spent += self.probe.spent;
                worth += SPEND.0 * chunk.len();
                if gave_up || !found.is_empty() || self.met_limit || self.met_packed {
                    return None;
                }
                if spent > worth {
                    return None;
                }
                let reached = &self.probe.reached;
                let learnt = stretch.map(|stretch| stretch.learn(known, reached, &own));
                // The first one by the bytes near it: now by those further away. One that is known to need those stays as it is.
                if learnt == Some(Memory::Wide)
                    && memory == Memory::None
                    && let Some(wider) = Stretch::new(known, bytes, &chunk, memo::FAR)
                {
                    wider.learn(known, reached, &own);
                }
                sites.extend(own);
            }
        }
        Some(sites)
    }

    /// Scans what changed; `None` if the whole has to be looked at.
    pub(super) fn changed(
        &mut self,
        bytes: &[u8],
        base: &Trace,
        copies: &[Copied],
    ) -> Option<(Vec<Hit>, Trace)> {
        if !self.scanner.tables.is_local
            || base.opaque
            || base.found.len() * copies.len() > MAX_COMPARED
        {
            return None;
        }
        let changes = Changes::new(bytes.len(), base.len, copies)?;
        let mut trace = Trace::silent(bytes.len());
        let again = changes.inherit(base, &mut trace)?;

        let windows = changes.windows(bytes.len(), &again);
        let looked_at: usize = windows.iter().map(Range::len).sum();
        if looked_at.saturating_mul(4) > bytes.len().saturating_mul(3) {
            return None;
        }
        let has_nul = |range: &Range<usize>| {
            let text = bytes.get(range.clone()).unwrap_or_default();
            memchr::memchr(0, text).is_some()
        };
        if changes.exact.iter().any(has_nul) {
            return None;
        }
        let mut sites = self.look(bytes, &windows)?;
        self.probe.begin(true);
        let mut found: Vec<Found> = Vec::new();
        for at in again {
            self.again(bytes, at, &mut found);
        }
        let (own, gave_up) = self.probe.end();
        if gave_up || !found.is_empty() || self.met_limit || self.met_packed {
            return None;
        }
        sites.extend(own);
        let hits = trace.hits.clone();
        trace.keep(sites);
        Some((hits, trace))
    }
}

impl<'c> Changes<'c> {
    /// Lists the changes; `None` if the copied stretches make no sense.
    fn new(len: usize, base_len: usize, copies: &'c [Copied]) -> Option<Self> {
        let mut exact: Vec<Range<usize>> = Vec::with_capacity(copies.len() + 1);
        let (mut at, mut base_at) = (0, 0);
        for copy in copies {
            let (end, base_end) = (
                copy.start.checked_add(copy.len)?,
                copy.base.checked_add(copy.len)?,
            );
            if copy.start < at || end > len || base_end > base_len {
                return None;
            }
            // One that goes on where the last one ended, or where the text begins, changes nothing.
            if copy.start > at || copy.base != base_at {
                exact.push(at..copy.start);
            }
            (at, base_at) = (end, base_end);
        }
        if at != len || base_at != base_len {
            exact.push(at..len);
        }
        Some(Self { exact, copies })
    }

    /// Returns the parts of the new version to look at: the changes with their surroundings and `again`, joined.
    fn windows(&self, len: usize, again: &[usize]) -> Vec<Range<usize>> {
        let grow =
            |range: &Range<usize>| range.start.saturating_sub(RIGHT)..(range.end + LEFT).min(len);
        let near = |at: &usize| at.saturating_sub(TRIGGERS.0)..(at + TRIGGERS.1).min(len);
        let all = merged(
            self.exact.iter().map(grow),
            again.iter().map(near),
            |a, b| a.start <= b.start,
        );
        let mut windows: Vec<Range<usize>> = Vec::with_capacity(all.len());
        for range in all {
            match windows.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => windows.push(range),
            }
        }
        windows
    }

    /// Takes over what stands unchanged into `trace`, and returns where to look again, sorted; `None` if a finding is not
    /// whole.
    fn inherit(&self, base: &Trace, trace: &mut Trace) -> Option<Vec<usize>> {
        let mut again = Vec::new();
        if base.is_silent() {
            return Some(again);
        }
        let mut first = 0;
        for copy in self.copies {
            let image = |at: usize| at - copy.base + copy.start;
            first = first_from(&base.sites, first, copy.base);
            let inside = base.sites.get(first..).unwrap_or_default();
            for site in inside
                .iter()
                .take_while(|site| site.at < copy.base + copy.len)
            {
                first += 1;
                if self.is_whole(copy, &site.read, base.len, trace.len) {
                    trace.sites.push(Site {
                        at: image(site.at),
                        read: image(site.read.start)..image(site.read.end),
                    });
                } else {
                    again.push(image(site.at));
                }
            }
            if trace.sites.len() > MAX_SITES {
                return None;
            }
            for read in &base.found {
                if read.end <= copy.base || copy.base + copy.len <= read.start {
                    continue;
                }
                if !self.is_whole(copy, read, base.len, trace.len) {
                    return None;
                }
                trace.found.push(image(read.start)..image(read.end));
            }
            let shift = |span: Span| {
                Span::new(
                    span.start - copy.base as u64 + copy.start as u64,
                    span.end - copy.base as u64 + copy.start as u64,
                )
            };
            let inside = |span: &Span| {
                copy.base as u64 <= span.start && span.end <= (copy.base + copy.len) as u64
            };
            // What a finding read is whole, so all of its places are.
            for hit in base.hits.iter().filter(|hit| inside(&hit.span)) {
                trace.hits.push(Hit {
                    span: shift(hit.span),
                    near: hit.near.map(shift),
                    hides: shift(hit.hides),
                    ..hit.clone()
                });
            }
        }
        again.dedup();
        Some(again)
    }

    /// Tells whether all that was read stands in the copied stretch, and an end of the text still is one.
    fn is_whole(&self, copy: &Copied, read: &Range<usize>, base_len: usize, len: usize) -> bool {
        copy.base <= read.start
            && read.end <= copy.base + copy.len
            && (read.start > 0 || copy.start == copy.base)
            && (read.end < base_len || len - copy.start == base_len - copy.base)
    }
}

/// Returns how many of the sites, which are sorted, stand before `at`; `hint` is the answer for another place, which is near
/// as a rule: versions are copied in order.
fn first_from(sites: &[Site], hint: usize, at: usize) -> usize {
    const NEAR: usize = 8;
    let is_before = |site: &Site| site.at < at;
    let end = sites.len().min(hint.saturating_add(NEAR));
    let near = sites.get(hint..end).unwrap_or_default();
    let starts_before = hint.checked_sub(1).and_then(|last| sites.get(last));
    if !starts_before.is_none_or(is_before) {
        return sites.partition_point(is_before);
    }
    if let Some(step) = near.iter().position(|site| !is_before(site)) {
        return hint + step;
    }
    let rest = sites.get(end..).unwrap_or_default();
    end + rest.partition_point(is_before)
}

/// Joins two sorted lists.
fn merged<T>(
    left: impl IntoIterator<Item = T>,
    right: impl IntoIterator<Item = T>,
    in_order: impl Fn(&T, &T) -> bool,
) -> Vec<T> {
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    let mut all = Vec::with_capacity(left.size_hint().0 + right.size_hint().0);
    loop {
        let is_left = match (left.peek(), right.peek()) {
            (Some(one), Some(other)) => in_order(one, other),
            (one, _) => one.is_some(),
        };
        match if is_left { left.next() } else { right.next() } {
            Some(one) => all.push(one),
            None => return all,
        }
    }
}

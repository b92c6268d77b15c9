//! Rounds of decoding: what the bytes say as they stand, and what they say when base64, hex, percent, escape and
//! UTF-16/32 encodings are undone, one inside the other.
//!
//! Promises: at most [`MAX_DEPTH`] encodings deep; the text decoded out of one stretch is bounded by its length; decoded
//! bytes are wiped; what was left for a limit is told. What a stretch yields depends on that stretch alone.

use std::ops::Range;

use super::{
    Worker,
    decode::{self, Decoded},
    judge::Found,
    overlap,
};

/// Most encodings one inside the other.
pub(super) const MAX_DEPTH: usize = 6;

/// Bytes that may be decoded inside one stretch: so many times its own length, and as many more.
const BUDGET: (usize, usize) = (4, 64 * 1024);

impl Worker<'_> {
    /// Appends what has its anchor in `windows`, plain and encoded.
    pub(super) fn round(&mut self, bytes: &[u8], windows: &[Range<usize>], out: &mut Vec<Found>) {
        let mut budget = usize::MAX;
        self.level(bytes, windows, 0, &mut budget, out);
    }

    fn level(
        &mut self,
        bytes: &[u8],
        windows: &[Range<usize>],
        depth: usize,
        budget: &mut usize,
        out: &mut Vec<Found>,
    ) {
        let mut stretches = Vec::new();
        for window in windows {
            self.direct(bytes, window, out);
            let (runs, search) = (&self.long, &mut self.search);
            self.met_packed |= depth == 0 && runs.iter().any(|run| decode::may_begin(bytes, run));
            let mut told = std::mem::take(&mut self.told);
            let read = decode::stretches(
                bytes,
                window.clone(),
                runs,
                search,
                &mut stretches,
                &mut told,
            );
            self.probe.reached(window, read);
            for (at, read) in told.drain(..) {
                self.probe.read(at, read, bytes.len());
            }
            self.told = told;
            if depth < MAX_DEPTH {
                self.unfold(bytes, windows, depth, budget, &mut stretches, out);
            }
        }
        if depth >= MAX_DEPTH {
            self.met_limit |= !stretches.is_empty();
            return;
        }
        if self.probe.is_loose() {
            // Versions are compared of texts without NUL only.
            return;
        }
        let has_nul = |window: &Range<usize>| {
            let text = bytes.get(window.clone()).unwrap_or_default();
            memchr::memchr(0, text).is_some()
        };
        if windows.iter().any(has_nul) {
            stretches = decode::unicode(bytes);
            self.unfold(bytes, windows, depth, budget, &mut stretches, out);
        }
    }

    /// Scans decoded stretches and appends what is in them, in places of `bytes`.
    fn unfold(
        &mut self,
        bytes: &[u8],
        windows: &[Range<usize>],
        depth: usize,
        budget: &mut usize,
        stretches: &mut Vec<Decoded>,
        out: &mut Vec<Found>,
    ) {
        for stretch in stretches.drain(..) {
            let len = stretch.text.len();
            // The outermost stretch is as long as the input allows; what is inside it counts against its own budget.
            let mut own = len.saturating_mul(BUDGET.0).saturating_add(BUDGET.1);
            let budget = if depth == 0 { &mut own } else { &mut *budget };
            let Some(rest) = budget.checked_sub(len) else {
                self.met_limit = true;
                continue;
            };
            *budget = rest;
            self.probe.decoded(len);
            let state = self.probe.pause();
            let mut inner = Vec::new();
            let whole = 0..len;
            self.level(
                &stretch.text,
                std::slice::from_ref(&whole),
                depth + 1,
                budget,
                &mut inner,
            );
            self.probe.resume(state);
            let loose = self.probe.is_loose();
            overlap::settle(&mut inner);
            for found in inner {
                let outer = outward(found, &stretch, bytes.len());
                let is_ours = loose || windows.iter().any(|window| window.contains(&outer.anchor));
                if is_ours && outer.span.end <= bytes.len() {
                    out.push(outer);
                }
            }
        }
    }
}

/// Returns a finding of decoded text as one of the text around it.
fn outward(mut found: Found, stretch: &Decoded, len: usize) -> Found {
    found.anchor = stretch.source_of(found.anchor..found.anchor + 1).start;
    found.span = stretch.source_of(found.span);
    found.hides = stretch.source_of(found.hides);
    found.near = found.near.map(|near| stretch.source_of(near));
    found.encodings.insert(0, stretch.encoding);
    // Where a stretch begins may be told by bytes far from it, of the same run or block.
    found.read = 0..len;
    found.stretch = Some((stretch.source.start, stretch.encoding));
    found
}

//! The hot path: from bytes to hits.
//!
//! Promises: no I/O, no lock, no log, no `Result`; a blob without an anchor costs no allocation. A verdict depends on the
//! bytes in a bounded window around its anchor only, so any split of a blob into regions gives the same hits. Bytes
//! of a secret leave as [`Secret`] only.

mod anchors;
mod context;
pub mod decode;
pub mod extent;
pub mod filters;
mod literals;
mod names;
mod patterns;
mod shape;
pub mod validators;
pub mod values;

use crate::{
    model::{Confidence, Encoding, Secret, Severity, Span},
    rules::RuleSet,
};

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
    _rules: std::sync::Arc<RuleSet>,
}

/// One thread's scratch memory.
pub struct Worker<'s> {
    _scanner: &'s Scanner,
}

impl Scanner {
    /// Builds the tables; regexes are compiled on first use.
    #[must_use]
    pub fn new(rules: std::sync::Arc<RuleSet>) -> Self {
        Self { _rules: rules }
    }

    /// Returns a worker for one thread.
    #[must_use]
    pub fn worker(&self) -> Worker<'_> {
        Worker { _scanner: self }
    }
}

impl Worker<'_> {
    /// Returns the hits whose anchor starts in one of `regions` (sorted, disjoint, within `bytes`), sorted by span and
    /// rule. Of overlapping secrets only the most specific rule's is kept. `bytes` must hold [`CONTEXT`] bytes around each
    /// region, or all there are.
    pub fn scan(&mut self, bytes: &[u8], regions: &[Span]) -> Vec<Hit> {
        let _ = (bytes, regions);
        Vec::new()
    }
}

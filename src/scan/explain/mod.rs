//! Why a line was or was not reported (`keysweep explain`), asked of the shipped engine by trying rules alone and loosened.
//!
//! The engine says what it finds, not what it passes over. A rule that finds something on the line when its checks are taken
//! away had a match there; the check that silences it when put back alone is the one that refused. Nothing here holds a value.

mod policy;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use crate::{
    config::PathGlobs,
    engine::{Hit, Scanner},
    model::{BlobPath, DigestKey, Place, Position, RuleId, Span},
    rules::{Rule, RuleSet, Shape},
    sources::{Blob, Quiet, Receiver, Run, Sink, Source as _, SourceError, files::Files},
};

use super::{Options, layers, lines::View, policy::Policy};

pub use policy::{Compared, Linted, Told};

/// Something on the line that a rule speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trace {
    /// 1-based column of its first byte, in code points.
    pub column: u32,
    /// The rule.
    pub rule: RuleId,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a rule at one place. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is a finding, unless it is suppressed.
    Finds,
    /// The finding of a more specific rule overlaps it.
    Covered(RuleId),
    /// It is one, but not in this path.
    Path,
    /// Its pattern matches, and these refuse the match.
    Refused(Vec<Refusal>),
    /// Its literal, or a name that it looks for, stands there, but the rest does not match, or is a placeholder.
    NoMatch,
}

/// A check that refuses a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The checksum or structure does not hold.
    Check,
    /// The entropy is below the rule's floor.
    Entropy,
    /// The value does not look like a secret of the rule's kind.
    Value,
    /// The second part is not near.
    Near,
    /// None of them alone.
    Together,
}

/// What is said of a line.
pub struct Explained {
    /// By column and rule.
    pub traces: Vec<Trace>,
    /// What lints say; `None` if none reads such files, or policy is not looked at.
    pub linted: Option<Linted>,
    /// What a scan calls the file; empty if nothing was read.
    pub path: BlobPath,
    /// The number of the file's last line; 0 if nothing was read.
    pub last: u32,
}

/// Returns what the rules say of one line of a file. `line` is 1-based.
///
/// # Errors
/// If the file could not be read at all.
pub fn explain(files: &Files, line: u32, options: &Options) -> Result<Explained, SourceError> {
    let tracer = Tracer {
        line,
        sets: layers::sets(options),
        rules: options.policy.clone(),
        key: options.run_key.clone(),
        traces: Mutex::default(),
        linted: Mutex::default(),
        path: Mutex::default(),
        last: AtomicU32::new(0),
    };
    files.read(&Run {
        sink: &tracer,
        progress: &Quiet,
        stop: &AtomicBool::new(false),
        threads: 1,
    })?;
    let mut traces = tracer
        .traces
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    traces.sort();
    traces.dedup();
    Ok(Explained {
        traces,
        linted: tracer
            .linted
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
        path: tracer
            .path
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
        last: tracer.last.into_inner(),
    })
}

struct Tracer {
    line: u32,
    /// The rules that look at a text together.
    sets: Vec<Arc<RuleSet>>,
    rules: Option<Arc<Policy>>,
    key: DigestKey,
    traces: Mutex<Vec<Trace>>,
    linted: Mutex<Option<Linted>>,
    path: Mutex<BlobPath>,
    last: AtomicU32,
}

impl Sink for Tracer {
    fn receiver(&self) -> Box<dyn Receiver + '_> {
        Box::new(Hand(self))
    }
}

struct Hand<'t>(&'t Tracer);

impl Receiver for Hand<'_> {
    fn blob(&mut self, blob: &Blob<'_>) {
        if blob.provenance.place != Place::File {
            return;
        }
        let mut path = self.0.path.lock().unwrap_or_else(PoisonError::into_inner);
        path.clone_from(blob.path);
        drop(path);
        let view = View::new(blob.bytes, None);
        let last = blob.line + view.lines().saturating_sub(1);
        self.0.last.fetch_max(last, Ordering::Relaxed);
        if self.0.line < blob.line {
            return;
        }
        if let Some(region) = view.line(self.0.line - blob.line + 1) {
            let line = Line {
                bytes: blob.bytes,
                region,
                path: blob.path,
                view,
                base: Position {
                    line: blob.line,
                    column: blob.column,
                },
            };
            self.0.lint(blob, &line);
            let found = self.0.sets.iter().flat_map(|rules| line.traces(rules));
            let mut all = self.0.traces.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(found);
        }
    }
}

impl Tracer {
    /// Asks the lints, if policy is looked at.
    fn lint(&self, blob: &Blob<'_>, line: &Line<'_>) {
        let Some(rules) = self.rules.as_deref() else {
            return;
        };
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = at(line.region.start)..at(line.region.end);
        let column = |offset: usize| {
            let offset = offset as u64;
            let span = Span::new(offset, offset);
            line.view.locate(blob.path, span, line.base, 0).start_column
        };
        let told = policy::of_line(blob, &bytes, &self.key, &rules.environments, column);
        let mut linted = self.linted.lock().unwrap_or_else(PoisonError::into_inner);
        *linted = told;
    }
}

/// One line and what is around it.
struct Line<'b> {
    bytes: &'b [u8],
    region: Span,
    path: &'b BlobPath,
    view: View<'b>,
    base: Position,
}

impl Line<'_> {
    fn traces(&self, rules: &Arc<RuleSet>) -> Vec<Trace> {
        let together = self.hits(rules);
        let mut all = Vec::new();
        for (rule, number) in rules.rules.iter().zip(0_u32..) {
            let loose = self.hits_of(loosened(rule));
            if loose.is_empty() {
                let at = self.literal(&rule.shape);
                all.extend(at.map(|at| self.trace(rule, at, Outcome::NoMatch)));
                continue;
            }
            let strict = self.hits_of(rule.clone());
            for hit in loose {
                let found = together
                    .iter()
                    .any(|other| other.rule == number && overlaps(other, &hit));
                let by = together.iter().find(|other| overlaps(other, &hit));
                let by = by.and_then(|other| rules.rules.get(other.rule as usize));
                let outcome = match by {
                    _ if found && !self.is_wanted(rule) => Outcome::Path,
                    _ if found => Outcome::Finds,
                    Some(by) if strict.iter().any(|other| overlaps(other, &hit)) => {
                        Outcome::Covered(by.meta.id.clone())
                    }
                    _ => Outcome::Refused(self.refusals(rule, &hit)),
                };
                all.push(self.trace(rule, hit.span.start, outcome));
            }
        }
        all
    }

    fn trace(&self, rule: &Rule, at: u64, outcome: Outcome) -> Trace {
        let location = self.view.locate(self.path, Span::new(at, at), self.base, 0);
        Trace {
            column: location.start_column,
            rule: rule.meta.id.clone(),
            outcome,
        }
    }

    fn hits(&self, rules: &Arc<RuleSet>) -> Vec<Hit> {
        let scanner = Scanner::new(Arc::clone(rules));
        scanner.worker().scan(self.bytes, &[self.region])
    }

    fn hits_of(&self, rule: Rule) -> Vec<Hit> {
        self.hits(&Arc::new(RuleSet::new(vec![rule])))
    }

    /// Returns which check silences a match when it is the only one.
    fn refusals(&self, rule: &Rule, hit: &Hit) -> Vec<Refusal> {
        let loose = || loosened(rule);
        let tries = [
            (
                Refusal::Check,
                rule.check.is_some(),
                Rule {
                    check: rule.check,
                    ..loose()
                },
            ),
            (
                Refusal::Entropy,
                rule.entropy > 0.0,
                Rule {
                    entropy: rule.entropy,
                    ..loose()
                },
            ),
            (
                Refusal::Value,
                rule.value.is_some(),
                Rule {
                    value: rule.value,
                    ..loose()
                },
            ),
            (
                Refusal::Near,
                rule.near.is_some(),
                Rule {
                    near: rule.near.clone(),
                    ..loose()
                },
            ),
        ];
        let silences = |rule: Rule| !self.hits_of(rule).iter().any(|other| overlaps(other, hit));
        let mut refusals: Vec<Refusal> = tries
            .into_iter()
            .filter(|(_, has, _)| *has)
            .filter_map(|(refusal, _, rule)| silences(rule).then_some(refusal))
            .collect();
        if refusals.is_empty() {
            refusals.push(Refusal::Together);
        }
        refusals
    }

    fn is_wanted(&self, rule: &Rule) -> bool {
        rule.paths.is_empty()
            || PathGlobs::new(&rule.paths).is_ok_and(|globs| globs.matches(self.path))
    }

    /// Returns where a literal of a rule, or a name that it looks for, first stands on the line.
    fn literal(&self, shape: &Shape) -> Option<u64> {
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let line = self.bytes.get(at(self.region.start)..at(self.region.end))?;
        let find = |literal: &[u8], fold: bool| {
            let same = |part: &[u8]| {
                if fold {
                    part.eq_ignore_ascii_case(literal)
                } else {
                    part == literal
                }
            };
            line.windows(literal.len().max(1)).position(same)
        };
        let (literals, fold) = match shape {
            Shape::Token { prefixes, fold } => (prefixes, *fold),
            Shape::Marker { markers } => (markers, false),
            Shape::Context { words } => {
                let at = first_word(line, words)?;
                return Some(self.region.start + at as u64);
            }
        };
        let first = literals.iter().filter_map(|l| find(l, fold)).min()?;
        Some(self.region.start + first as u64)
    }
}

/// Shortest word of a name worth telling.
const MIN_WORD: usize = 3;

/// Returns where the first of some words stands in a line, whatever the case and what stands between the letters of a name.
fn first_word(line: &[u8], words: &[String]) -> Option<usize> {
    let letters = line.iter().enumerate();
    let (places, name): (Vec<usize>, Vec<u8>) = letters
        .filter(|(_, byte)| !matches!(byte, b'_' | b'-' | b'.'))
        .map(|(at, byte)| (at, byte.to_ascii_lowercase()))
        .unzip();
    let find = |word: &String| memchr::memmem::find(&name, word.as_bytes());
    let words = words.iter().filter(|word| word.len() >= MIN_WORD);
    let first = words.filter_map(find).min()?;
    places.get(first).copied()
}

/// Returns the rule without its checks: what it matches, whatever that looks like.
fn loosened(rule: &Rule) -> Rule {
    Rule {
        check: None,
        entropy: 0.0,
        value: None,
        near: None,
        ..rule.clone()
    }
}

fn overlaps(a: &Hit, b: &Hit) -> bool {
    a.span.start < b.span.end && b.span.start < a.span.end
}

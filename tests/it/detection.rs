//! Scores the shipped catalogue and engine on labelled data that lies beside the repository, not in it.
//!
//! `KEYSWEEP_DETECTION_DATA` names the folder; without it `../shared/detection-dev` beside the crate is looked for. Where
//! neither exists the test says so and scores nothing. `KEYSWEEP_DETECTION_DETAILS` names a file that gets one
//! line for each entry (its id, the verdict and the rules that fired; no text), for whoever improves the rules.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use globset::GlobSetBuilder;
use keysweep::{
    engine::{Scanner, Worker},
    model::Span,
    rules::{self, RuleSet},
};
use serde_json::Value;

/// What the catalogue reached when this was written, less some slack: below it something broke. Percent.
const VECTORS_FOUND: f64 = 55.0;
const STRONG_SILENT: f64 = 92.0;
const RULE_SILENT: f64 = 79.0;
const LINES_PRECISION: f64 = 88.0;
const LINES_RECALL: f64 = 72.0;

#[test]
fn scores_at_least_what_was_reached_on_labelled_data() {
    let Some(folder) = folder() else {
        println!("detection: SKIPPED, no labelled data: set KEYSWEEP_DETECTION_DATA to its folder");
        return;
    };
    let rules = Arc::new(rules::builtin().expect("the catalogue loads"));
    let scanner = Scanner::new(Arc::clone(&rules));
    let mut bench = Bench {
        worker: scanner.worker(),
        rules,
        details: String::new(),
    };
    let vectors = bench.vectors(&read(&folder.join("vectors.jsonl")));
    let lines = bench.lines(&read(&folder.join("lines.jsonl")));
    println!("{vectors}\n{lines}");
    if let Some(path) = variable("KEYSWEEP_DETECTION_DETAILS") {
        fs::write(path, &bench.details).expect("the details can be written");
    }
    let floors = [
        ("vectors found", vectors.found.mean(), VECTORS_FOUND),
        (
            "strong negatives silent",
            vectors.strong.share(),
            STRONG_SILENT,
        ),
        ("rule negatives silent", vectors.rule.share(), RULE_SILENT),
        ("precision on lines", lines.all.precision(), LINES_PRECISION),
        ("recall on lines", lines.all.recall(), LINES_RECALL),
    ];
    for (what, reached, floor) in floors {
        assert!(
            reached >= floor,
            "{what}: {reached:.1} % is below {floor:.1} %"
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test may be told where its data is"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

fn folder() -> Option<PathBuf> {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    [
        variable("KEYSWEEP_DETECTION_DATA"),
        Some(crate_root.join("../shared/detection-dev")),
    ]
    .into_iter()
    .flatten()
    .find(|folder| folder.join("lines.jsonl").is_file())
}

fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the labelled data can be read");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

fn text<'v>(entry: &'v Value, field: &str) -> &'v str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn is_set(entry: &Value, field: &str) -> bool {
    entry.get(field).and_then(Value::as_bool).unwrap_or(false)
}

fn number(entry: &Value, field: &str) -> usize {
    entry
        .get(field)
        .and_then(Value::as_u64)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0)
}

/// A finding as the score needs it.
struct Found {
    rule: String,
    span: Range<usize>,
    value: Vec<u8>,
}

impl Found {
    /// Tells whether it covers a part of `secret`, where it stands in `text` or decoded.
    fn meets(&self, text: &str, secret: &str) -> bool {
        let inside = |long: &[u8], short: &[u8]| {
            !short.is_empty() && long.windows(short.len()).any(|window| window == short)
        };
        let mut at = text.match_indices(secret);
        at.any(|(start, _)| self.span.start < start + secret.len() && start < self.span.end)
            || inside(&self.value, secret.as_bytes())
            || (self.value.len() >= 4 && inside(secret.as_bytes(), &self.value))
    }
}

struct Bench<'s> {
    worker: Worker<'s>,
    rules: Arc<RuleSet>,
    details: String,
}

impl Bench<'_> {
    fn scan(&mut self, text: &str, path: &str) -> Vec<Found> {
        let end = u64::try_from(text.len()).expect("texts are short");
        let hits = self.worker.scan(text.as_bytes(), &[Span::new(0, end)]);
        let mut found = Vec::new();
        for hit in hits {
            let rule = &self.rules.rules[hit.rule as usize];
            let mut globs = GlobSetBuilder::new();
            for glob in &rule.paths {
                globs.add(globset::Glob::new(glob).expect("globs were checked"));
            }
            let globs = globs.build().expect("globs were checked");
            if !rule.paths.is_empty() && !globs.is_match(path) {
                continue;
            }
            let at = |offset: u64| usize::try_from(offset).expect("texts are short");
            found.push(Found {
                rule: rule.meta.id.to_string(),
                span: at(hit.span.start)..at(hit.span.end),
                value: hit.secret.expose().to_vec(),
            });
        }
        found
    }

    fn note(&mut self, entry: &Value, verdict: &str, found: &[Found]) {
        let mut rules: Vec<&str> = found.iter().map(|f| f.rule.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        // Vectors have a hash, lines a number.
        let id = entry.get("id").map(Value::to_string).unwrap_or_default();
        let (id, rules) = (id.trim_matches('"'), rules.join(","));
        writeln!(self.details, "{id}\t{verdict}\t{rules}").expect("strings grow");
    }

    fn vectors(&mut self, entries: &[Value]) -> Vectors {
        let mut score = Vectors::default();
        for entry in entries {
            let found = self.scan(text(entry, "text"), text(entry, "path_hint"));
            let key = format!("{}/{}", text(entry, "source"), text(entry, "rule"));
            if text(entry, "kind") == "negative" {
                let silent = found.is_empty();
                let tally = match text(entry, "strength") {
                    "strong" => &mut score.strong,
                    _ => &mut score.rule,
                };
                tally.add(silent);
                self.note(entry, if silent { "silent" } else { "loud" }, &found);
                continue;
            }
            let secret = text(entry, "secret");
            let hit = found
                .iter()
                .any(|f| secret.is_empty() || f.meets(text(entry, "text"), secret));
            self.note(entry, if hit { "found" } else { "missed" }, &found);
            if is_set(entry, "example") || is_set(entry, "helper") {
                score.examples.add(hit);
                continue;
            }
            score.found.add(&key, hit);
            let family = score.families.entry(text(entry, "family").to_owned());
            family.or_default().add(&key, hit);
            let provider = score.providers.entry(text(entry, "provider").to_owned());
            provider.or_default().add(&key, hit);
        }
        score
    }

    fn lines(&mut self, entries: &[Value]) -> Lines {
        let mut score = Lines::default();
        for entry in entries {
            let whole = text(entry, "text");
            let lines = line_span(whole, number(entry, "line"), number(entry, "line_end"));
            let mut found = self.scan(whole, text(entry, "path_hint"));
            found.retain(|f| f.span.start < lines.end && lines.start < f.span.end);
            let secret = text(entry, "secret");
            let group = score
                .groups
                .entry(text(entry, "group").to_owned())
                .or_default();
            let verdict = match text(entry, "kind") {
                "positive" => {
                    let hit = found
                        .iter()
                        .any(|f| secret.is_empty() || f.meets(whole, secret));
                    group.positive(hit);
                    score.all.positive(hit);
                    if hit { "found" } else { "missed" }
                }
                "negative" => {
                    group.negative(!found.is_empty());
                    score.all.negative(!found.is_empty());
                    if found.is_empty() { "silent" } else { "loud" }
                }
                _ => {
                    score.neutral += usize::from(!found.is_empty());
                    "neutral"
                }
            };
            self.note(entry, verdict, &found);
        }
        score
    }
}

/// Returns the bytes of lines `first` to `last`, counted from 1.
fn line_span(text: &str, first: usize, last: usize) -> Range<usize> {
    let mut at = 0;
    let mut span = text.len()..text.len();
    for (i, line) in text.split_inclusive('\n').enumerate() {
        if i + 1 == first {
            span.start = at;
        }
        at += line.len();
        if i + 1 == last.max(first) {
            span.end = at;
        }
    }
    span
}

/// How many of how many.
#[derive(Default)]
struct Tally {
    hits: usize,
    all: usize,
}

impl Tally {
    fn add(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.all += 1;
    }

    fn share(&self) -> f64 {
        percent(self.hits, self.all)
    }
}

/// A tally for each rule of each source: some rules have one text, some have fifty.
#[derive(Default)]
struct ByRule(BTreeMap<String, Tally>);

impl ByRule {
    fn add(&mut self, key: &str, hit: bool) {
        self.0.entry(key.to_owned()).or_default().add(hit);
    }

    fn mean(&self) -> f64 {
        let sum: f64 = self.0.values().map(Tally::share).sum();
        sum / self.0.len().max(1) as f64
    }
}

#[derive(Default)]
struct Vectors {
    found: ByRule,
    families: BTreeMap<String, ByRule>,
    providers: BTreeMap<String, ByRule>,
    examples: Tally,
    strong: Tally,
    rule: Tally,
}

impl std::fmt::Display for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "vectors: found {:.1} % of {} rules' texts (mean over rules)",
            self.found.mean(),
            self.found.0.len()
        )?;
        writeln!(
            f,
            "  strong negatives silent {:.1} % of {}",
            self.strong.share(),
            self.strong.all
        )?;
        writeln!(
            f,
            "  rule negatives silent   {:.1} % of {}",
            self.rule.share(),
            self.rule.all
        )?;
        writeln!(
            f,
            "  examples and helpers    {:.1} % of {} (no aim)",
            self.examples.share(),
            self.examples.all
        )?;
        for (family, tally) in &self.families {
            writeln!(
                f,
                "  {family:<14} {:>5.1} % of {} rules",
                tally.mean(),
                tally.0.len()
            )?;
        }
        let mut missed: Vec<String> = Vec::new();
        for (provider, tally) in &self.providers {
            if tally.mean() < 100.0 {
                missed.push(format!("{provider} {:.0}", tally.mean()));
            }
        }
        writeln!(f, "  providers below 100 %: {}", missed.join(", "))
    }
}

#[derive(Default)]
struct Labels {
    true_hits: usize,
    false_hits: usize,
    positives: usize,
}

impl Labels {
    fn positive(&mut self, hit: bool) {
        self.positives += 1;
        self.true_hits += usize::from(hit);
    }

    fn negative(&mut self, hit: bool) {
        self.false_hits += usize::from(hit);
    }

    fn precision(&self) -> f64 {
        percent(self.true_hits, self.true_hits + self.false_hits)
    }

    fn recall(&self) -> f64 {
        percent(self.true_hits, self.positives)
    }

    fn f1(&self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        if p + r > 0.0 {
            2.0 * p * r / (p + r)
        } else {
            0.0
        }
    }
}

#[derive(Default)]
struct Lines {
    all: Labels,
    groups: BTreeMap<String, Labels>,
    neutral: usize,
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let row = |f: &mut std::fmt::Formatter<'_>, name: &str, l: &Labels| {
            writeln!(
                f,
                "  {name:<14} TP {:>4}  FP {:>4}  P {:>5.1}  R {:>5.1}  F1 {:>5.1}",
                l.true_hits,
                l.false_hits,
                l.precision(),
                l.recall(),
                l.f1()
            )
        };
        writeln!(
            f,
            "lines: {} positives, {} neutral lines hit",
            self.all.positives, self.neutral
        )?;
        row(f, "all", &self.all)?;
        for (group, labels) in &self.groups {
            row(f, group, labels)?;
        }
        Ok(())
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    100.0 * part as f64 / whole as f64
}

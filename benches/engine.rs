//! Megabytes per second of CPU time that the engine takes on one core, over the files of a directory held in memory.
//!
//! `cargo bench --bench engine -- [--hits] [--rounds N] PATH...` prints the best of N rounds (default 5) and the number of
//! hits by rule; `--hits` also prints where they are. Values are never printed.

#![expect(
    clippy::print_stdout,
    clippy::use_debug,
    clippy::panic,
    reason = "a measuring program: printing is its purpose, and it stops at the first fault"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use keysweep::{engine::Scanner, model::Span, rules};

fn main() {
    let mut rounds = 5_usize;
    let mut show = false;
    let mut roots: Vec<PathBuf> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo adds by itself.
            "--bench" => {}
            "--hits" => show = true,
            "--rounds" => rounds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(5),
            path => roots.push(path.into()),
        }
    }
    if roots.is_empty() {
        roots.push("src".into());
    }
    let mut files = Vec::new();
    for root in &roots {
        collect(root, &mut files);
    }
    files.sort();
    let began = Instant::now();
    let set = match rules::builtin() {
        Ok(set) => Arc::new(set),
        Err(error) => panic!("the catalogue does not load: {error}"),
    };
    let loaded = began.elapsed();
    let began = Instant::now();
    let scanner = Scanner::new(Arc::clone(&set));
    println!(
        "{} rules: loaded in {loaded:?}, tables in {:?}",
        set.rules.len(),
        began.elapsed()
    );
    measure(&scanner, &set, &files, rounds, show);
}

fn measure(
    scanner: &Scanner,
    set: &rules::RuleSet,
    files: &[(PathBuf, Vec<u8>)],
    rounds: usize,
    show: bool,
) {
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut worker = scanner.worker();
    for round in 0..rounds.max(1) {
        let began = Instant::now();
        let before = cpu_seconds().unwrap_or(0.0);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, bytes) in files {
            for hit in worker.scan(bytes, &[Span::new(0, bytes.len() as u64)]) {
                let id = set
                    .rules
                    .get(hit.rule as usize)
                    .map_or("?", |rule| rule.meta.id.as_str());
                *counts.entry(id).or_default() += 1;
                if show && round == 0 {
                    println!(
                        "{}:{}-{}: {id}",
                        path.display(),
                        hit.span.start,
                        hit.span.end
                    );
                }
            }
        }
        let seconds =
            cpu_seconds().map_or_else(|| began.elapsed().as_secs_f64(), |now| now - before);
        println!(
            "{:8.1} MB in {seconds:.3} s: {:7.1} MB/s",
            total as f64 / 1e6,
            total as f64 / 1e6 / seconds
        );
        if round + 1 == rounds.max(1) {
            println!("{counts:?}");
        }
    }
}

/// Returns the CPU time of this thread, where Linux tells: a neighbour's load does not count.
fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

/// Reads all regular files below `path`, but for `.git`.
fn collect(path: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(kind) = fs::symlink_metadata(path) else {
        return;
    };
    if kind.is_dir() {
        if path.file_name().is_some_and(|name| name == ".git") {
            return;
        }
        let Ok(entries) = fs::read_dir(path) else {
            return;
        };
        for entry in entries.flatten() {
            collect(&entry.path(), files);
        }
    } else if kind.is_file()
        && let Ok(bytes) = fs::read(path)
    {
        files.push((path.to_path_buf(), bytes));
    }
}

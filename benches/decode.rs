//! The floor of a history scan: decodes every blob of a repository once, by the walk that a scan uses, and looks at nothing.
//!
//! `cargo bench --bench decode -- [--threads N] [--rounds N] [--all] REPOSITORY...` prints the wall and CPU time of each round
//! (default 5) and of the median, objects, bytes and the peak of resident memory; `--all` decodes commits, trees and tags as
//! well. Peak memory is that of the process: give one repository at a time to compare it.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a measuring program: printing is its purpose, and it stops at the first fault"
)]

use std::{fs, path::Path, time::Instant};

use keysweep::sources::{
    history::{Decoded, HistoryOptions, decode_all},
    repo::{Kind, Repository},
};

const ALL: [Kind; 4] = [Kind::Blob, Kind::Commit, Kind::Tree, Kind::Tag];

fn main() {
    let mut rounds = 5_usize;
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut kinds = &ALL[..1];
    let mut repositories = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo adds by itself.
            "--bench" => {}
            "--all" => kinds = &ALL,
            "--rounds" => rounds = number(arguments.next()),
            "--threads" => threads = number(arguments.next()),
            path => repositories.push(path.to_owned()),
        }
    }
    if repositories.is_empty() {
        repositories.push(".".to_owned());
    }
    for repository in &repositories {
        println!("== {repository}, {threads} threads");
        measure(Path::new(repository), kinds, rounds, threads);
    }
}

fn number(argument: Option<String>) -> usize {
    match argument.and_then(|text| text.parse().ok()) {
        Some(number) if number > 0 => number,
        _ => panic!("--rounds and --threads take a number above 0"),
    }
}

fn measure(path: &Path, kinds: &[Kind], rounds: usize, threads: usize) {
    let mut walls = Vec::new();
    let mut cpus = Vec::new();
    let mut counts = Decoded::default();
    for _ in 0..rounds {
        let began = Instant::now();
        let before = cpu_seconds();
        // Opened each time: a scan lists packs and references too.
        let repository = match Repository::open(path) {
            Ok(repository) => repository,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        counts = decode_all(&repository, &HistoryOptions::default(), kinds, threads);
        let wall = began.elapsed().as_secs_f64();
        let cpu = cpu_seconds() - before;
        println!("wall {wall:7.3} s   cpu {cpu:7.3} s");
        walls.push(wall);
        cpus.push(cpu);
    }
    let (wall, cpu) = (median(walls), median(cpus));
    let (objects, bytes) = (counts.objects, counts.bytes);
    println!(
        "median wall {wall:.3} s, cpu {cpu:.3} s, peak {:.1} MB: {objects} objects, {:.1} MB, {:.0} MB/s",
        peak_kib() as f64 * 1024.0 / 1e6,
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / wall
    );
    if counts.lost > 0 {
        println!(
            "NOT COMPARABLE: {} objects could not be decoded",
            counts.lost
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Returns the CPU time of this process with its threads, ended ones too, to the clock tick of 10 ms; 0 where Linux does
/// not tell.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields after the program's name, which may hold anything; user and system time are the 12th and 13th of them.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// Returns the most memory that this process had resident so far, in KiB; 0 where Linux does not tell.
fn peak_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

//! Wall and CPU time of asking a history where blobs come from.
//!
//! `cargo bench --bench attribution -- [--alone] [--show] [--threads N] [--rounds N] PATH COUNT...` picks COUNT blobs of the
//! repository, evenly by name, and prints for each round how long [`History::attribute`] took: after a reading of the
//! history, as in a scan, or with `--alone` of a history that was not read, where commits and trees are walked first. The
//! last line sums the answers up, so that two programs can be compared; `--show` also prints blob, first commit and path.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    reason = "a measuring program: printing is its purpose, and it stops at the first fault"
)]

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, atomic::AtomicBool},
    time::Instant,
};

use keysweep::{
    model::{ObjectId, Place},
    sources::{
        Blob, Quiet, Receiver, Run, Sink, Source,
        history::{Attributions, History, HistoryOptions, Wanted},
        repo::Repository,
    },
};

/// What the command line asks for.
struct Asked {
    alone: bool,
    show: bool,
    threads: usize,
    rounds: usize,
    path: PathBuf,
    counts: Vec<usize>,
}

fn main() {
    let asked = asked();
    let names = Names::default();
    let read = open(&asked.path);
    with_run(&names, asked.threads, |run| {
        if let Err(error) = read.read(run) {
            panic!("the history cannot be read: {error}");
        }
    });
    let blobs = names.into_sorted();
    println!("{} blobs, {} threads", blobs.len(), asked.threads);
    for count in &asked.counts {
        let count = (*count).clamp(1, blobs.len().max(1));
        let mut wanted = Wanted::default();
        let picked = (0..count).filter_map(|at| blobs.get(at * blobs.len() / count));
        let picked: Vec<ObjectId> = picked.copied().collect();
        for (key, id) in (0_u32..).zip(&picked) {
            wanted.object(key, *id);
        }
        for round in 1..=asked.rounds {
            let fresh;
            let history = if asked.alone {
                fresh = open(&asked.path);
                &fresh
            } else {
                &read
            };
            let (began, before) = (Instant::now(), cpu_seconds());
            let known = with_run(&Names::default(), asked.threads, |run| {
                history.attribute(&wanted, run)
            });
            let wall = began.elapsed().as_secs_f64();
            let cpu = cpu_seconds().zip(before).map_or(0.0, |(now, b)| now - b);
            println!("{count:6} blobs: {wall:.3} s wall, {cpu:.3} s CPU");
            if round == asked.rounds {
                sum_up(&known);
                if asked.show {
                    show(&known, &picked);
                }
            }
        }
    }
}

fn asked() -> Asked {
    let mut asked = Asked {
        alone: false,
        show: false,
        threads: 2,
        rounds: 3,
        path: ".".into(),
        counts: Vec::new(),
    };
    let mut path = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|n| n.parse().ok());
        match argument.as_str() {
            // What cargo adds by itself.
            "--bench" => {}
            "--alone" => asked.alone = true,
            "--show" => asked.show = true,
            "--threads" => asked.threads = number().unwrap_or(2).max(1),
            "--rounds" => asked.rounds = number().unwrap_or(3).max(1),
            text => match text.parse() {
                Ok(count) => asked.counts.push(count),
                Err(_) => path = Some(PathBuf::from(text)),
            },
        }
    }
    asked.path = path.unwrap_or(asked.path);
    if asked.counts.is_empty() {
        asked.counts = vec![10, 1000];
    }
    asked
}

fn open(path: &Path) -> History {
    match Repository::open(path) {
        Ok(repository) => History::new(repository, HistoryOptions::default()),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn with_run<R>(sink: &dyn Sink, threads: usize, run: impl FnOnce(&Run<'_>) -> R) -> R {
    run(&Run {
        sink,
        progress: &Quiet,
        stop: &AtomicBool::new(false),
        threads,
    })
}

/// Says how much was found, and a number that changes with any of it.
fn sum_up(known: &Attributions) {
    let introduced = known.keys.values().filter(|key| key.introduced.is_some());
    let reachable = known.objects.values().filter(|places| places.reachable);
    let mut hasher = DefaultHasher::new();
    format!("{known:?}").hash(&mut hasher);
    println!(
        "       {} with a commit, {} reachable, answers {:016x}",
        introduced.count(),
        reachable.count(),
        hasher.finish()
    );
}

/// Prints blob, first commit and path in it.
fn show(known: &Attributions, picked: &[ObjectId]) {
    for (id, key) in picked.iter().zip(known.keys.values()) {
        let commit = key.introduced.as_ref().map(|info| info.id.to_string());
        let path = key.path.as_ref().map(ToString::to_string);
        println!(
            "{id} {} {}",
            commit.unwrap_or_default(),
            path.unwrap_or_default()
        );
    }
}

/// Remembers the names of blobs.
#[derive(Default)]
struct Names(Mutex<BTreeSet<ObjectId>>);

impl Names {
    fn into_sorted(self) -> Vec<ObjectId> {
        let names = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        names.into_iter().collect()
    }
}

impl Sink for Names {
    fn receiver(&self) -> Box<dyn Receiver + '_> {
        Box::new(Namer {
            names: self,
            met: Vec::new(),
        })
    }
}

struct Namer<'n> {
    names: &'n Names,
    met: Vec<ObjectId>,
}

impl Receiver for Namer<'_> {
    fn blob(&mut self, blob: &Blob<'_>) {
        if blob.provenance.place == Place::History {
            self.met.extend(blob.provenance.object);
        }
    }
}

impl Drop for Namer<'_> {
    fn drop(&mut self) {
        let names = self.names.0.lock();
        let mut names = names.unwrap_or_else(PoisonError::into_inner);
        names.extend(self.met.drain(..));
    }
}

/// Returns the CPU time of all threads, where Linux tells; those that ended are still counted.
fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    // Linux counts a hundred ticks a second here whatever the kernel's own clock does.
    Some((ticks()? + ticks()?) as f64 / 100.0)
}

//! The record of trees against a reading of each tree from its start.

use std::sync::atomic::AtomicBool;

use super::{
    super::{
        Quiet, Run,
        repo::{Kind, Repository, TreeEntries, fixture::Fixture, parse_hex},
    },
    Attributions, History, HistoryOptions, Wanted,
    attribution_tests::random_history,
    record::{Record, Recorder, Room},
    testing::{PackWriter, name_of},
    tests::{Keep, read},
};
use crate::model::ObjectId;

fn open(fixture: &Fixture) -> History {
    let repository = Repository::open(&fixture.path()).unwrap();
    History::new(repository, HistoryOptions::default())
}

fn with_run<R>(threads: usize, ask: impl FnOnce(&Run<'_>) -> R) -> R {
    ask(&Run {
        sink: &Keep::default(),
        progress: &Quiet,
        stop: &AtomicBool::new(false),
        threads,
    })
}

fn attribute(history: &History, wanted: &Wanted, threads: usize) -> Attributions {
    with_run(threads, |run| history.attribute(wanted, run))
}

/// Answers with the trees as they were noted in a reading of everything, as they are noted in a walk over trees, and as a
/// walk for what is wanted finds them; all are the same.
fn all_ways(fixture: &Fixture, wanted: &Wanted) -> Attributions {
    let expected = {
        let history = open(fixture);
        assert!(history.record.set(None).is_ok(), "no record is used");
        attribute(&history, wanted, 1)
    };
    for threads in [1, 3] {
        let history = open(fixture);
        read(&history, threads);
        assert!(matches!(history.record.get(), Some(Some(_))));
        assert_eq!(attribute(&history, wanted, threads), expected, "read");
        let history = open(fixture);
        assert_eq!(attribute(&history, wanted, threads), expected, "alone");
        assert!(matches!(history.record.get(), Some(Some(_))));
    }
    expected
}

#[test]
fn answers_do_not_depend_on_how_the_trees_were_read() {
    for seed in 10..14 {
        let fixture = random_history(seed);
        if seed % 2 == 0 {
            fixture.git(&["repack", "-qadf", "--depth=50"]);
        }
        // Itself as a submodule, and a file that is not there.
        let head = fixture.id("HEAD");
        let lost = name_of(Kind::Blob, b"lost");
        fixture.git(&["read-tree", "HEAD"]);
        let link = format!("160000,{head},sub");
        fixture.git(&["update-index", "--add", "--cacheinfo", &link]);
        let file = format!("100644,{lost},d/lost");
        fixture.git(&["update-index", "--add", "--cacheinfo", &file]);
        let tree = fixture.git(&["write-tree", "--missing-ok"]);
        let commit = fixture.git(&["commit-tree", "-m", "m", "-p", "HEAD", &tree]);
        fixture.git(&["update-ref", "refs/heads/main", &commit]);
        std::fs::remove_file(fixture.path().join(".git/index")).unwrap();
        let listed = fixture.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
        let mut wanted = Wanted::default();
        let mut key = 0_u32..;
        for line in listed.lines() {
            let id = line.split(' ').next().unwrap();
            wanted.object(key.next().unwrap(), parse_hex(id.as_bytes()).unwrap());
        }
        wanted.object(key.next().unwrap(), lost);
        for name in ["a", "d", "c", "sub", "lost", "nowhere"] {
            wanted.name(key.next().unwrap(), name.as_bytes());
        }
        let known = all_ways(&fixture, &wanted);
        let paths = |id: ObjectId| -> Vec<String> {
            let paths = known.objects[&id].paths.iter();
            paths.map(ToString::to_string).collect()
        };
        assert_eq!(paths(head), ["sub"]);
        assert_eq!(paths(lost), ["d/lost"]);
    }
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// One entry of a tree: a file or a link that is not there, or one of these trees.
fn entry(dice: &mut Dice, trees: &[ObjectId]) -> Vec<u8> {
    let name = ["a", "b", "long-name", "d", "e f"][dice.below(5)];
    let mode = ["100644", "40000", "120000", "160000"][dice.below(4)];
    let blob = name_of(Kind::Blob, &[dice.below(9) as u8]);
    let id = match trees.get(dice.below(trees.len().max(1))) {
        Some(tree) if mode == "40000" => *tree,
        _ => blob,
    };
    [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat()
}

/// Numbers of 7 bits a byte.
fn sizes(numbers: [usize; 2]) -> Vec<u8> {
    let low = |n: usize| n as u8 | 0x80;
    let bytes = numbers.map(|n| [low(n), low(n >> 7), (n >> 14) as u8]);
    bytes.concat()
}

/// A delta on a tree: stretches of it from anywhere, in any order, cut inside entries too, with new entries between.
fn delta(dice: &mut Dice, base: &[u8], trees: &[ObjectId]) -> (Vec<u8>, Vec<u8>) {
    let (mut target, mut body) = (Vec::new(), Vec::new());
    for _ in 0..dice.below(6) {
        let (from, len) = if dice.below(3) == 0 || base.is_empty() {
            (dice.below(base.len() + 1), dice.below(60))
        } else {
            // What git makes: from one entry to another.
            let starts = TreeEntries::new(base, 20);
            let starts: Vec<usize> = starts.map(|e| e.start).chain([base.len()]).collect();
            let (one, other) = (dice.below(starts.len()), dice.below(starts.len()));
            let (from, to) = (starts[one.min(other)], starts[one.max(other)]);
            (from, to - from)
        };
        let stretch = &base[from..base.len().min(from + len)];
        if !stretch.is_empty() {
            let [o, n] = [from, stretch.len()].map(|n| (n as u16).to_le_bytes());
            body.extend([0xb3, o[0], o[1], n[0], n[1]]);
            target.extend_from_slice(stretch);
        }
        if dice.below(2) == 0 {
            let new = entry(dice, trees);
            body.push(new.len() as u8);
            body.extend_from_slice(&new);
            target.extend_from_slice(&new);
        }
    }
    let delta = [sizes([base.len(), target.len()]), body].concat();
    (target, delta)
}

#[test]
fn any_deltas_of_trees_are_understood() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let fixture = Fixture::new();
        let mut pack = PackWriter::default();
        let mut trees: Vec<(ObjectId, Vec<u8>)> = Vec::new();
        let mut tip = String::new();
        for n in 0..40 {
            let ids: Vec<ObjectId> = trees.iter().map(|tree| tree.0).collect();
            let base = trees.get(dice.below(trees.len() + 1)).cloned();
            let base = base.filter(|_| n % 8 != 0);
            let (content, delta) = match &base {
                Some((_, base)) => delta(&mut dice, base, &ids),
                None => {
                    let entries = (0..dice.below(8)).map(|_| entry(&mut dice, &ids));
                    (entries.collect::<Vec<_>>().concat(), Vec::new())
                }
            };
            let id = name_of(Kind::Tree, &content);
            if ids.contains(&id) {
                continue;
            }
            match base {
                Some((base, _)) => pack.add_delta(id, base, &delta),
                None => pack.add_as(id, Kind::Tree, &content),
            }
            trees.push((id, content));
            if n % 3 == 0 {
                let parent = if n % 9 == 0 { "" } else { tip.as_str() };
                let text = format!(
                    "tree {id}\n{parent}author A <a> {n} +0000\ncommitter A <a> {n} +0000\n\nm\n"
                );
                let commit = pack.add(Kind::Commit, text.as_bytes());
                tip = format!("parent {commit}\n");
            }
        }
        pack.write(&fixture.path(), "pack-1");
        if seed % 2 == 1 {
            // What the first pack holds is passed over in the second, in the middle of families.
            let mut pack = PackWriter::default();
            for (id, content) in trees.iter().filter(|tree| tree.0.as_bytes()[0] % 3 == 0) {
                pack.add_as(*id, Kind::Tree, content);
            }
            pack.write(&fixture.path(), "pack-0");
        }
        let tip = tip.trim_start_matches("parent ").trim_end();
        let main = fixture.path().join(".git/refs/heads/main");
        std::fs::write(main, format!("{tip}\n")).unwrap();
        let mut wanted = Wanted::default();
        for key in 0..9_u32 {
            wanted.object(key, name_of(Kind::Blob, &[key as u8]));
        }
        wanted.object(9, trees[3].0);
        wanted.name(10, b"a");
        wanted.name(11, b"long-name");
        let known = all_ways(&fixture, &wanted);
        assert!(known.keys.values().any(|key| key.introduced.is_some()));
    }
}

#[test]
fn what_finds_no_room_is_forgotten_but_for_names() {
    let fixture = random_history(2);
    fixture.git(&["repack", "-qadf"]);
    let history = open(&fixture);
    let strips = |limit: u64| {
        let room = Room::of(limit);
        with_run(2, |run| {
            let walk = history.walk_of(&[Kind::Tree], run);
            let make = || Recorder::new(history.catalog(), &room);
            walk.run(2, run.progress, make, Recorder::finish).outputs
        })
    };
    let names = |limit: u64| {
        let mut names: Vec<Vec<u8>> = Vec::new();
        for strip in &strips(limit) {
            names.extend(strip.names.texts().map(|name| name.to_vec()));
        }
        names.sort();
        names.dedup();
        names
    };
    let needed = 1 << 20;
    assert!(Record::new(strips(needed)).is_some());
    for limit in [0, 1, 100, 400] {
        assert!(Record::new(strips(limit)).is_none(), "{limit}");
        assert_eq!(names(limit), names(needed), "{limit}");
    }
}

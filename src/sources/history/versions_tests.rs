//! Versions of files against the real git.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};

use super::{
    super::{Quiet, Run, Source, repo::fixture::Fixture},
    History, HistoryOptions, Versions,
    attribution_tests::random_history,
    tests::Keep,
};
use crate::model::{BlobPath, ObjectId};

/// Calls with a history that has been read, and a run.
fn with<T>(fixture: &Fixture, threads: usize, ask: impl Fn(&History, &Run<'_>) -> T) -> T {
    let history = History::new(fixture.open(), HistoryOptions::default());
    let keep = Keep::default();
    let stop = AtomicBool::new(false);
    let run = Run {
        sink: &keep,
        progress: &Quiet,
        stop: &stop,
        threads,
    };
    history.read(&run).unwrap();
    ask(&history, &run)
}

fn all(history: &History, run: &Run<'_>) -> Versions {
    history.versions(&|_| true, &|_, _| true, &BTreeSet::new(), run)
}

/// Returns every path with its contents, as git lists them commit by commit.
fn listed(fixture: &Fixture) -> BTreeMap<String, BTreeSet<String>> {
    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for commit in fixture.git(&["rev-list", "--all", "--reflog"]).lines() {
        for line in fixture.git(&["ls-tree", "-r", commit]).lines() {
            let (head, path) = line.split_once('\t').unwrap();
            let words: Vec<&str> = head.split(' ').collect();
            if words[0].starts_with("100") {
                let contents = listed.entry(path.to_owned()).or_default();
                contents.insert(words[2].to_owned());
            }
        }
    }
    listed
}

#[test]
fn every_pair_of_path_and_content_is_listed_once() {
    for seed in 0..4 {
        let fixture = random_history(seed);
        for threads in [1, 3] {
            let found = with(&fixture, threads, all);
            let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for file in &found.files {
                let contents: BTreeSet<String> = file
                    .versions
                    .iter()
                    .map(|one| one.object.to_string())
                    .collect();
                assert_eq!(contents.len(), file.versions.len());
                assert!(file.versions.is_sorted_by_key(|one| one.since));
                known.insert(file.path.to_string(), contents);
            }
            assert_eq!(known, listed(&fixture), "seed {seed}");
            assert_eq!((found.missing, found.more_paths), (0, false));
        }
    }
}

#[test]
fn a_version_knows_the_commit_that_brought_it_to_its_path() {
    let fixture = Fixture::new();
    fixture.write("a", "one\n");
    let first = fixture.commit("first");
    fixture.write("b", "one\n");
    let second = fixture.commit("second");
    with(&fixture, 2, |history, run| {
        let found = all(history, run);
        let commits: Vec<(String, Option<ObjectId>)> = found
            .files
            .iter()
            .map(|file| {
                let since = file.versions[0].since.unwrap();
                let commit = history.commit_at(since).map(|commit| commit.id);
                (file.path.to_string(), commit)
            })
            .collect();
        assert_eq!(
            commits,
            [
                ("a".to_owned(), Some(first)),
                ("b".to_owned(), Some(second))
            ]
        );
    });
}

#[test]
fn contents_come_in_the_order_of_versions_on_any_number_of_threads() {
    let fixture = Fixture::new();
    for n in 0..20 {
        fixture.write("f", format!("{n}\n"));
        fixture.commit("next");
    }
    fixture.git(&["repack", "-adfq"]);
    for threads in [1, 3] {
        let texts = with(&fixture, threads, |history, run| {
            let files = all(history, run).files;
            let read = |out: &mut Vec<(usize, String)>, _: usize, number: usize, bytes: &[u8]| {
                out.push((number, String::from_utf8_lossy(bytes).into_owned()));
            };
            let (parts, unread) = history.read_versions(&files, 1 << 20, run, &read);
            assert_eq!((unread.large, unread.lost), (0, 0));
            let mut all: Vec<_> = parts.into_iter().flatten().collect();
            all.sort();
            all
        });
        let want: Vec<_> = (0..20).map(|n| (n, format!("{n}\n"))).collect();
        assert_eq!(texts, want);
    }
}

#[test]
fn too_large_contents_are_counted() {
    let fixture = Fixture::new();
    fixture.write("f", "x".repeat(1000));
    fixture.write("g", "y");
    fixture.commit("first");
    with(&fixture, 1, |history, run| {
        let files = all(history, run).files;
        let read = |out: &mut usize, _: usize, _: usize, _: &[u8]| *out += 1;
        let (parts, unread) = history.read_versions(&files, 100, run, &read);
        assert_eq!(parts.iter().sum::<usize>(), 1);
        assert_eq!((unread.large, unread.lost), (1, 0));
    });
}

#[test]
fn renames_are_told_from_copies() {
    let fixture = Fixture::new();
    fixture.write("d/a", "one\n");
    fixture.commit("first");
    fixture.git(&["mv", "d/a", "d/b"]);
    let renamed = fixture.commit("renamed");
    fixture.write("c", "one\n");
    let copied = fixture.commit("copied");
    with(&fixture, 1, |history, run| {
        let files = all(history, run).files;
        let since = |path: &str| {
            let file = files.iter().find(|file| file.path.to_string() == path);
            file.unwrap().versions[0].since.unwrap()
        };
        let id = |place: u32| history.commit_at(place).unwrap().id;
        assert_eq!((id(since("d/b")), id(since("c"))), (renamed, copied));
        let mut renames = history.renames();
        let [a, b, c] = ["d/a", "d/b", "c"].map(BlobPath::from);
        assert!(renames.is_rename(since("d/b"), &a, &b, &|_| true));
        assert!(!renames.is_rename(since("d/b"), &a, &b, &|_| false));
        assert!(!renames.is_rename(since("c"), &b, &c, &|_| true));
        assert!(renames.follows(since("c"), since("d/b")));
        assert!(!renames.follows(since("d/b"), since("c")));
    });
}

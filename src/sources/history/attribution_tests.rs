//! Attribution against the real git.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};

use super::{
    super::{
        Quiet, Run, Source,
        repo::{Repository, fixture::Fixture, parse_hex},
    },
    Attributions, History, HistoryOptions, Wanted,
    tests::{Keep, read, sample},
};
use crate::model::{Attribution, Counter, ObjectId, SkipCause};

fn history(fixture: &Fixture) -> History {
    History::new(
        Repository::open(&fixture.path()).unwrap(),
        HistoryOptions::default(),
    )
}

fn attribute(history: &History, wanted: &Wanted, threads: usize) -> Attributions {
    let keep = Keep::default();
    let stop = AtomicBool::new(false);
    let run = Run {
        sink: &keep,
        progress: &Quiet,
        stop: &stop,
        threads,
    };
    history.attribute(wanted, &run)
}

/// Attributes one object under key 7.
fn one(fixture: &Fixture, id: ObjectId) -> (Attribution, super::Places) {
    let mut wanted = Wanted::default();
    wanted.object(7, id);
    let mut all = attribute(&history(fixture), &wanted, 2);
    (
        all.keys.remove(&7).unwrap(),
        all.objects.remove(&id).unwrap(),
    )
}

fn commit_of(info: &Option<crate::model::CommitInfo>) -> Option<ObjectId> {
    info.as_ref().map(|info| info.id)
}

/// A history with random merges, edits, renames and removals; names and contents come from small sets, so that blobs
/// come, go and come back at several places.
pub(super) fn random_history(seed: u64) -> Fixture {
    let fixture = Fixture::new();
    let mut state = seed;
    let mut random = |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut stream = String::new();
    for n in 1..=30_u64 {
        let date = 1_600_000_000 + 100 * n;
        stream += &format!("commit refs/heads/b{}\nmark :{n}\n", random(4));
        stream += &format!("author A {n} <a@example.com> {date} -0700\n");
        stream += &format!("committer C <c@example.com> {date} +0000\ndata 2\nm\n");
        if n > 1 {
            let from = n - 1 - random(n.min(4) - 1).min(n - 2);
            stream += &format!("from :{from}\n");
            if n > 4 && random(4) == 0 {
                let other = 1 + random(n - 2);
                if other != from {
                    stream += &format!("merge :{other}\n");
                }
            }
        }
        for _ in 0..=random(3) {
            let path = ["a", "d/b", "d/e/c", "f/e/c"][random(4) as usize];
            if random(4) == 0 {
                stream += &format!("D {path}\n");
            } else {
                let text = format!("content {}", random(12));
                stream += &format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len());
            }
        }
        stream += "\n";
    }
    // What no branch holds must not be thrown away by us, nor by git.
    for n in 1..=30 {
        stream += &format!("reset refs/pull/{n}/head\nfrom :{n}\n\n");
    }
    stream += "reset refs/heads/main\nfrom :30\n\n";
    fixture.import(stream.as_bytes());
    fixture
}

/// What git says of one commit.
struct Known {
    id: ObjectId,
    time: i64,
    parents: Vec<ObjectId>,
    blobs: BTreeMap<ObjectId, BTreeSet<String>>,
}

fn ask_git(fixture: &Fixture) -> Vec<Known> {
    let hex = |text: &str| parse_hex(text.as_bytes()).unwrap();
    let log = fixture.git(&["log", "--all", "--format=%H %ct %P"]);
    let mut known: Vec<Known> = log
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let id = words.next().unwrap();
            let mut blobs: BTreeMap<ObjectId, BTreeSet<String>> = BTreeMap::new();
            for entry in fixture.git(&["ls-tree", "-r", id]).lines() {
                let (head, path) = entry.split_once('\t').unwrap();
                let blob = head.split(' ').nth(2).unwrap();
                blobs.entry(hex(blob)).or_default().insert(path.to_owned());
            }
            Known {
                id: hex(id),
                time: words.next().unwrap().parse().unwrap(),
                parents: words.filter(|w| !w.is_empty()).map(hex).collect(),
                blobs,
            }
        })
        .collect();
    known.sort_by_key(|k| k.time);
    known
}

/// Checks one key that stands for some blobs.
fn check(known: &[Known], head: ObjectId, blobs: &BTreeSet<ObjectId>, got: &Attribution) {
    let holds = |k: &Known| blobs.iter().any(|b| k.blobs.contains_key(b));
    let by_id: BTreeMap<ObjectId, &Known> = known.iter().map(|k| (k.id, k)).collect();
    let mut holders = known.iter().filter(|k| holds(k));
    let first = holders.clone().next().unwrap();
    let last = holders.next_back().unwrap();
    assert_eq!(commit_of(&got.introduced), Some(first.id));
    assert_eq!(commit_of(&got.last_seen), Some(last.id));
    let path = got.path.as_ref().unwrap().to_string();
    assert!(blobs.iter().any(|b| {
        first
            .blobs
            .get(b)
            .is_some_and(|paths| paths.contains(&path))
    }));
    assert!(got.reachable);
    assert_eq!(got.at_head, holds(by_id[&head]));
    let mut ancestors = BTreeSet::new();
    let mut stack = vec![head];
    while let Some(id) = stack.pop() {
        if ancestors.insert(id) {
            stack.extend(&by_id[&id].parents);
        }
    }
    let lost = |all: bool| {
        known
            .iter()
            .filter(|k| ancestors.contains(&k.id) && !holds(k) && !k.parents.is_empty())
            .filter(|k| {
                let mut parents = k.parents.iter().map(|p| holds(by_id[p]));
                if all {
                    parents.all(|h| h)
                } else {
                    parents.any(|h| h)
                }
            })
            .map(|k| k.id)
            .next_back()
    };
    let removed = lost(true).or_else(|| lost(false)).filter(|_| !got.at_head);
    assert_eq!(commit_of(&got.removed), removed);
}

#[test]
fn agrees_with_git_on_random_histories() {
    for seed in 0..6 {
        let fixture = random_history(seed);
        if seed % 2 == 1 {
            fixture.git(&["repack", "-qadf", "--depth=50"]);
        }
        let known = ask_git(&fixture);
        let head = fixture.id("HEAD");
        let mut all: BTreeMap<ObjectId, BTreeSet<String>> = BTreeMap::new();
        for (blob, paths) in known.iter().flat_map(|k| &k.blobs) {
            all.entry(*blob).or_default().extend(paths.iter().cloned());
        }
        // One key a blob, and keys of two and three blobs.
        let ids: Vec<ObjectId> = all.keys().copied().collect();
        let mut keys: Vec<BTreeSet<ObjectId>> = ids.iter().map(|id| [*id].into()).collect();
        keys.extend(ids.windows(2).map(|w| w.iter().copied().collect()));
        keys.extend(ids.windows(3).map(|w| w.iter().copied().collect()));
        let mut wanted = Wanted::default();
        for (key, blobs) in (100_u32..).zip(&keys) {
            blobs.iter().for_each(|blob| wanted.object(key, *blob));
        }
        let history = history(&fixture);
        let got = attribute(&history, &wanted, 1);
        assert_eq!(
            got,
            attribute(&history, &wanted, 3),
            "threads change nothing"
        );
        assert_eq!(got.keys.len(), keys.len());
        for (key, blobs) in (100_u32..).zip(&keys) {
            check(&known, head, blobs, &got.keys[&key]);
        }
        let at_head = &known.iter().find(|k| k.id == head).unwrap().blobs;
        for (id, paths) in all {
            let places = &got.objects[&id];
            let text = |paths: &[crate::model::BlobPath]| -> BTreeSet<String> {
                paths.iter().map(ToString::to_string).collect()
            };
            assert_eq!(text(&places.paths), paths);
            assert_eq!(
                text(&places.head_paths),
                at_head.get(&id).cloned().unwrap_or_default()
            );
            assert!(places.reachable && !places.symlink && !places.more_paths);
        }
        let date = &got.keys[&100].introduced.as_ref().unwrap().date;
        assert!(date.ends_with("-07:00"), "{date}");
    }
}

#[test]
fn many_keys_are_answered_in_batches() {
    let fixture = random_history(3);
    let known = ask_git(&fixture);
    let ids: BTreeSet<ObjectId> = known.iter().flat_map(|k| k.blobs.keys().copied()).collect();
    let ids: Vec<ObjectId> = ids.into_iter().collect();
    let mut wanted = Wanted::default();
    for key in 0..1300_u32 {
        wanted.object(key, ids[key as usize % ids.len()]);
    }
    let got = attribute(&history(&fixture), &wanted, 2);
    for key in 0..1300_u32 {
        assert_eq!(got.keys[&key], got.keys[&(key % ids.len() as u32)]);
    }
}

#[test]
fn tells_reachable_from_unreachable_whatever_leads_there() {
    let fixture = Fixture::new();
    fixture.write("kept", "at head");
    fixture.commit("one");
    fixture.write("amended", "reflog only");
    fixture.commit("two");
    let amended = fixture.id("HEAD:amended");
    fixture.git(&["reset", "-q", "--hard", "HEAD~1"]);
    fixture.write("stashed", "stash");
    fixture.git(&["add", "-A"]);
    let stashed = fixture.id(":stashed");
    fixture.git(&["stash", "-q"]);
    let dangling = fixture.blob("dangling");
    let tagged = fixture.blob("tagged blob");
    fixture.git(&["tag", "-a", "-m", "x", "blobtag", &tagged.to_string()]);
    fixture.write("staged", "in the index");
    fixture.git(&["add", "-A"]);
    let staged = fixture.id(":staged");
    fixture.git(&["notes", "add", "-m", "the note"]);
    let note = fixture.id(&format!("refs/notes/commits:{}", fixture.id("HEAD")));
    let linked = fixture.beside("linked");
    fixture.git(&[
        "worktree",
        "add",
        "-q",
        "--detach",
        linked.to_str().unwrap(),
    ]);
    std::fs::write(linked.join("elsewhere"), "staged elsewhere").unwrap();
    fixture.git_in(&linked, &["add", "-A"]);
    let elsewhere = fixture.blob("staged elsewhere");
    for (id, reachable, path) in [
        (fixture.id("HEAD:kept"), true, Some("kept")),
        (amended, true, Some("amended")),
        (stashed, true, Some("stashed")),
        (tagged, true, None),
        (staged, true, Some("staged")),
        (elsewhere, true, Some("elsewhere")),
        (note, true, Some("")),
        (dangling, false, None),
    ] {
        let (key, places) = one(&fixture, id);
        assert_eq!(
            (key.reachable, places.reachable),
            (reachable, reachable),
            "{path:?}"
        );
        match path {
            Some("") => assert_eq!(places.paths.len(), 1),
            _ => assert_eq!(
                places.paths.first().map(ToString::to_string).as_deref(),
                path
            ),
        }
        assert_eq!(key.at_head, path == Some("kept"), "{path:?}");
    }
}

#[test]
fn attributes_what_only_an_unreachable_commit_holds() {
    let fixture = Fixture::new();
    fixture.write("kept", "at head");
    fixture.commit("one");
    fixture.write("staged", "in the index");
    fixture.git(&["add", "-A"]);
    let staged = fixture.id(":staged");
    // A commit that nothing names.
    let tree = fixture.git(&["write-tree"]);
    let lost = fixture.git(&["commit-tree", "-m", "lost", "-p", "HEAD", &tree]);
    let (key, places) = one(&fixture, parse_hex(lost.as_bytes()).unwrap());
    assert!(!key.reachable && !places.reachable);
    assert_eq!(commit_of(&key.introduced), parse_hex(lost.as_bytes()));
    // The one in the lost commit's tree only: the staged file is in the index, too, so unstage it.
    fixture.git(&["rm", "-q", "--cached", "-f", "staged"]);
    let (key, places) = one(&fixture, staged);
    assert!(!key.reachable && !places.reachable);
    assert_eq!(commit_of(&key.introduced), parse_hex(lost.as_bytes()));
    assert_eq!(key.path.unwrap().to_string(), "staged");
    let (_, ledger) = read(&history(&fixture), 1);
    assert!(
        ledger.counted(Counter::IndexEntries) == 1 && ledger.skipped.is_empty(),
        "{:?}",
        ledger.skips
    );
}

#[test]
fn messages_tags_names_and_links_are_attributed() {
    let fixture = Fixture::new();
    fixture.write("dir/name-one", "x");
    let first = fixture.commit("first");
    fixture.git(&["mv", "dir", "other"]);
    std::os::unix::fs::symlink("some-target", fixture.path().join("link")).unwrap();
    let second = fixture.commit("second");
    fixture.git(&["rm", "-q", "other/name-one"]);
    let third = fixture.commit("third");
    fixture.git(&["tag", "-a", "-m", "tag", "v1"]);
    let (key, places) = one(&fixture, second);
    assert_eq!(commit_of(&key.introduced), Some(second));
    assert!(key.reachable && !key.at_head && key.removed.is_none() && places.paths.is_empty());
    assert_eq!(key.introduced.unwrap().author, "A U Thor");
    let (key, _) = one(&fixture, fixture.id("v1"));
    let tag = key.introduced.unwrap();
    assert_eq!(
        (tag.id, tag.author.as_str(), key.reachable),
        (fixture.id("v1"), "C O Mitter", true)
    );
    let (key, places) = one(&fixture, fixture.id("HEAD:link"));
    assert!(places.symlink && key.at_head);
    let mut wanted = Wanted::default();
    wanted.name(3, b"name-one");
    wanted.name(4, b"dir");
    wanted.name(5, b"nowhere");
    let got = attribute(&history(&fixture), &wanted, 2);
    let key = &got.keys[&3];
    assert_eq!(commit_of(&key.introduced), Some(first));
    assert_eq!(commit_of(&key.removed), Some(third));
    let paths: Vec<String> = got.names[&b"name-one".to_vec()]
        .paths
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(paths, ["dir/name-one", "other/name-one"]);
    assert_eq!(commit_of(&got.keys[&4].removed), Some(second));
    assert_eq!(got.keys[&5].introduced, None);
    assert!(!got.keys[&5].reachable);
}

#[test]
fn trees_that_explode_into_paths_are_bounded() {
    let fixture = Fixture::new();
    fixture.write("f", "in many places");
    fixture.commit("one");
    let blob = fixture.id("HEAD:f");
    // Ten levels of ten entries that are all the same tree: 10^10 paths.
    let mut tree = fixture.id("HEAD^{tree}").to_string();
    for _ in 0..10 {
        let entries: String = (0..10)
            .map(|n| format!("040000 tree {tree}\td{n}\n"))
            .collect();
        let file = fixture.beside("entries");
        std::fs::write(&file, entries).unwrap();
        let command = format!("git mktree < {}", file.display());
        let output = std::process::Command::new("sh")
            .args(["-c", &command])
            .current_dir(fixture.path())
            .output()
            .unwrap();
        tree = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    }
    let commit = fixture.git(&["commit-tree", "-m", "bomb", &tree]);
    fixture.git(&["update-ref", "refs/heads/main", &commit]);
    let (key, places) = one(&fixture, blob);
    assert_eq!(commit_of(&key.last_seen), parse_hex(commit.as_bytes()));
    assert!(places.more_paths && places.paths.len() == super::MAX_PATHS);
    assert!(key.at_head && places.head_paths.len() == super::MAX_PATHS);
    assert_eq!(
        key.path
            .unwrap()
            .as_bytes()
            .iter()
            .filter(|b| **b == b'/')
            .count()
            % 10,
        0
    );
}

#[test]
fn missing_objects_have_their_paths_and_unreachable_ones_do_not_count() {
    let fixture = sample(&[]);
    let remove = |id: ObjectId| {
        let id = id.to_string();
        std::fs::remove_file(
            fixture
                .path()
                .join(".git/objects")
                .join(&id[..2])
                .join(&id[2..]),
        )
        .unwrap();
    };
    remove(fixture.id("HEAD~3:src/file1.txt"));
    let (_, ledger) = read(&history(&fixture), 2);
    assert_eq!(
        ledger.skipped,
        [(SkipCause::MissingObject, 1)].into(),
        "{:?}",
        ledger.skips
    );
    assert!(
        ledger
            .skips
            .iter()
            .any(|s| s.path.to_string() == "src/file1.txt")
    );

    let fixture = Fixture::new();
    fixture.write("a", "kept");
    fixture.commit("one");
    let blob = fixture.blob("gone").to_string();
    fixture.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("100644,{blob},b"),
    ]);
    let tree = fixture.git(&["write-tree"]);
    fixture.git(&["commit-tree", "-m", "lost", &tree]);
    fixture.git(&["rm", "-q", "--cached", "-f", "b"]);
    std::fs::remove_file(
        fixture
            .path()
            .join(".git/objects")
            .join(&blob[..2])
            .join(&blob[2..]),
    )
    .unwrap();
    let (_, ledger) = read(&history(&fixture), 2);
    assert!(!ledger.is_incomplete(), "{:?}", ledger.skips);
    let options = HistoryOptions {
        unreachable: true,
        ..HistoryOptions::default()
    };
    let all = History::new(Repository::open(&fixture.path()).unwrap(), options);
    let (_, ledger) = read(&all as &dyn Source, 2);
    assert_eq!(ledger.skipped, [(SkipCause::MissingObject, 1)].into());
}

//! Ranges against the real git.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use super::{
    super::{
        Quiet, Run, Sizes, SourceError,
        repo::{Repository, fixture::Fixture, parse_hex},
    },
    Attributions, Range, Wanted,
    attribution_tests::random_history,
    tests::{Keep, Seen, read, sample, texts},
};
use crate::model::{Counter, ObjectId, Place, SkipCause};

fn open(fixture: &Fixture, range: &str) -> Range {
    let repository = Repository::open(&fixture.path()).unwrap();
    Range::new(repository, range, Sizes::default()).unwrap()
}

fn blobs(seen: &[Seen]) -> BTreeSet<ObjectId> {
    let blobs = seen
        .iter()
        .filter(|s| matches!(s.place, Place::History | Place::SymlinkTarget));
    blobs.map(|s| s.object.unwrap()).collect()
}

fn attribute(range: &Range, wanted: &Wanted) -> Attributions {
    let keep = Keep::default();
    let stop = AtomicBool::new(false);
    let run = Run {
        sink: &keep,
        progress: &Quiet,
        stop: &stop,
        threads: 1,
    };
    range.attribute(wanted, &run)
}

/// What git says: blobs of the range's commits that no commit at its edge holds. (`rev-list --objects` drops what any commit
/// outside the range holds that it happens to look at.)
fn expected(fixture: &Fixture, range: &str) -> (BTreeSet<ObjectId>, BTreeSet<ObjectId>) {
    let hex = |text: &str| parse_hex(text.as_bytes()).unwrap();
    let listed = |commit: &str| -> BTreeSet<ObjectId> {
        let text = fixture.git(&["ls-tree", "-r", "--format=%(objectname)", commit]);
        text.lines().map(hex).collect()
    };
    let text = fixture.git(&["rev-list", "--boundary", range]);
    let mut new = BTreeSet::new();
    let mut old = BTreeSet::new();
    let mut commits = BTreeSet::new();
    for line in text.lines() {
        match line.strip_prefix('-') {
            Some(edge) => old.extend(listed(edge)),
            None => {
                commits.insert(hex(line));
                new.extend(listed(line));
            }
        }
    }
    (new.difference(&old).copied().collect(), commits)
}

#[test]
fn agrees_with_git_on_random_merge_graphs() {
    for seed in 10..14 {
        let fixture = random_history(seed);
        for (a, b) in [
            (1, 30),
            (5, 30),
            (12, 25),
            (20, 30),
            (29, 30),
            (30, 10),
            (17, 22),
            (8, 9),
        ] {
            for dots in ["..", "..."] {
                let range = format!("refs/pull/{a}/head{dots}refs/pull/{b}/head");
                let (new, commits) = expected(&fixture, &range);
                let source = open(&fixture, &range);
                let (seen, ledger) = read(&source, 2);
                assert_eq!(blobs(&seen), new, "{seed}: {range}");
                let texts = seen.iter().filter(|s| s.place == Place::CommitMessage);
                let ours: BTreeSet<ObjectId> = texts.map(|s| s.object.unwrap()).collect();
                assert_eq!(ours, commits, "{seed}: {range}");
                assert_eq!(ledger.skipped, [].into(), "{:?}", ledger.skips);
                assert_eq!(ledger.counted(Counter::Commits), commits.len() as u64);
            }
        }
    }
}

#[test]
fn merges_that_make_content_of_their_own_are_read() {
    let fixture = Fixture::new();
    fixture.write("f", "base\n");
    fixture.write("kept", "old content\n");
    let base = fixture.commit("base");
    fixture.git(&["checkout", "-q", "-b", "side"]);
    fixture.write("f", "side\n");
    fixture.commit("side");
    fixture.git(&["checkout", "-q", "main"]);
    fixture.write("f", "main\n");
    let main = fixture.commit("main");
    fixture.try_git(&fixture.path(), &["merge", "-q", "side"]);
    fixture.write("f", "resolved by hand\n");
    fixture.write("only/in/merge", "evil merge\n");
    fixture.git(&["mv", "kept", "moved-to"]);
    let merge = fixture.commit("merge");
    let (seen, _) = read(&open(&fixture, &format!("{base}..HEAD")), 2);
    let mut contents = texts(&seen, Place::History);
    contents.sort();
    assert_eq!(
        contents,
        ["evil merge\n", "main\n", "resolved by hand\n", "side\n"]
    );
    let (seen, _) = read(&open(&fixture, &format!("{main}..HEAD")), 2);
    let mut contents = texts(&seen, Place::History);
    contents.sort();
    assert_eq!(contents, ["evil merge\n", "resolved by hand\n", "side\n"]);
    let mut names = texts(&seen, Place::FileName);
    names.sort();
    assert_eq!(names, ["moved-to", "only/in/merge"]);
    let evil = seen.iter().find(|s| s.bytes == b"evil merge\n").unwrap();
    assert_eq!(evil.path, "only/in/merge");
    let source = open(&fixture, &format!("{main}..HEAD"));
    let mut wanted = Wanted::default();
    wanted.object(1, evil.object.unwrap());
    wanted.object(2, fixture.id("side:f"));
    wanted.object(3, merge);
    wanted.name(4, b"only/in/merge");
    let got = attribute(&source, &wanted);
    let introduced = |key: u32| got.keys[&key].introduced.as_ref().unwrap().id;
    assert_eq!(
        (introduced(1), introduced(3), introduced(4)),
        (merge, merge, merge)
    );
    assert_eq!(introduced(2), fixture.id("side"));
    assert!(got.keys[&1].at_head && got.keys[&1].removed.is_none());
    assert_eq!(
        got.keys[&1].path.as_ref().unwrap().to_string(),
        "only/in/merge"
    );
    assert!(!got.keys[&2].at_head);
    assert_eq!(
        got.keys[&2].last_seen.as_ref().unwrap().id,
        fixture.id("side")
    );
    let places = &got.objects[&evil.object.unwrap()];
    assert_eq!(places.head_paths.len(), 1);
}

#[test]
fn tells_which_commit_took_a_secret_away() {
    let fixture = Fixture::new();
    fixture.write("f", "one\n");
    fixture.commit("one");
    fixture.write("d/f", "secret\n");
    let came = fixture.commit("came");
    let blob = fixture.id("HEAD:d/f");
    fixture.write("other", "x\n");
    let last = fixture.commit("other");
    fixture.git(&["rm", "-q", "d/f"]);
    let gone = fixture.commit("gone");
    let source = open(&fixture, "HEAD~3");
    let (seen, _) = read(&source, 1);
    assert!(
        blobs(&seen).contains(&blob),
        "what the last commit no longer has"
    );
    let mut wanted = Wanted::default();
    wanted.object(9, blob);
    let got = attribute(&source, &wanted);
    let id = |info: &Option<crate::model::CommitInfo>| info.as_ref().map(|i| i.id);
    let key = &got.keys[&9];
    assert_eq!(
        (id(&key.introduced), id(&key.last_seen), id(&key.removed)),
        (Some(came), Some(last), Some(gone))
    );
}

#[test]
fn links_and_renamed_folders_and_wrong_clocks() {
    let fixture = Fixture::new();
    fixture.write("a/x", "content\n");
    fixture.commit("one");
    let base = fixture.id("HEAD");
    std::os::unix::fs::symlink("some-target", fixture.path().join("link")).unwrap();
    fixture.git(&["mv", "a", "b"]);
    fixture.commit("two");
    let (seen, _) = read(&open(&fixture, &format!("{base}..")), 1);
    assert_eq!(texts(&seen, Place::SymlinkTarget), ["some-target"]);
    assert!(texts(&seen, Place::History).is_empty(), "only moved");
    assert_eq!(texts(&seen, Place::FileName), ["b/x", "link"]);
    // A base whose clock was years ahead, and a tip from the past.
    let mut stream = String::new();
    for (n, date) in [
        (1, 4_000_000_000_u64),
        (2, 1_000),
        (3, 3_000_000_000),
        (4, 2_000),
    ] {
        stream += &format!(
            "commit refs/heads/skew\nmark :{n}\ncommitter C <c> {date} +0000\ndata 1\nm\n"
        );
        stream += &format!("M 100644 inline f{n}\ndata 2\nc{n}\n\n");
    }
    fixture.import(stream.as_bytes());
    let (seen, _) = read(&open(&fixture, "skew~2..skew"), 1);
    let mut contents = texts(&seen, Place::History);
    contents.sort();
    assert_eq!(contents, ["c3", "c4"]);
    let (seen, _) = read(&open(&fixture, "skew..skew~2"), 1);
    assert!(seen.is_empty(), "nothing is newer");
}

#[test]
fn a_hidden_edge_is_a_gap_and_a_wrong_end_an_error() {
    let fixture = sample(&[]);
    let url = format!("file://{}", fixture.path().display());
    let shallow = fixture.beside("shallow");
    fixture.git(&[
        "clone",
        "-q",
        "--depth",
        "3",
        "--no-single-branch",
        &url,
        shallow.to_str().unwrap(),
    ]);
    let range =
        |range: &str| Range::new(Repository::open(&shallow).unwrap(), range, Sizes::default());
    let (_, ledger) = read(&range("HEAD~1..HEAD").unwrap(), 1);
    assert!(!ledger.is_incomplete(), "{:?}", ledger.skips);
    // The branches met long before what was fetched.
    let (_, ledger) = read(&range("origin/side..HEAD").unwrap(), 1);
    assert!(
        ledger.skipped.contains_key(&SkipCause::ShallowBoundary),
        "{:?}",
        ledger.skips
    );
    for wrong in ["nope..HEAD", "HEAD..nope", "HEAD~9..HEAD"] {
        assert!(
            matches!(range(wrong), Err(SourceError::Revision { .. })),
            "{wrong}"
        );
    }
    let partial = fixture.beside("partial");
    fixture.git(&["config", "uploadpack.allowFilter", "true"]);
    fixture.git(&[
        "clone",
        "-q",
        "--no-checkout",
        "--filter=blob:none",
        &url,
        partial.to_str().unwrap(),
    ]);
    let source = Range::new(
        Repository::open(&partial).unwrap(),
        "HEAD~4..HEAD",
        Sizes::default(),
    )
    .unwrap();
    let (_, ledger) = read(&source, 2);
    assert!(
        ledger.skipped.contains_key(&SkipCause::MissingObject),
        "{:?}",
        ledger.skips
    );
}

#[test]
fn large_blobs_of_a_range_come_in_pieces() {
    let fixture = Fixture::new();
    fixture.commit("one");
    let big: Vec<u8> = (0..200_000_u32)
        .flat_map(|i| format!("{}\n", i.wrapping_mul(2_654_435_761)).into_bytes())
        .collect();
    fixture.write("big", &big);
    fixture.commit("two");
    let sizes = Sizes {
        whole: 1 << 20,
        piece: 256 << 10,
        overlap: 1000,
        ..Sizes::default()
    };
    for packed in [false, true] {
        if packed {
            fixture.git(&["repack", "-qad"]);
        }
        let source = Range::new(fixture.open(), "HEAD~1", sizes).unwrap();
        let (seen, ledger) = read(&source, 1);
        assert_eq!(ledger.skipped, [].into());
        let pieces: Vec<&Seen> = seen
            .iter()
            .filter(|s| s.path == "big" && s.place == Place::History)
            .collect();
        let covered: u64 = pieces
            .iter()
            .flat_map(|s| &s.regions)
            .map(|r| r.1 - r.0)
            .sum();
        assert!(pieces.len() > 5 && covered == big.len() as u64);
    }
}

/// Stores a tree that git would not make, entry by entry: mode, name, object; then what follows them.
fn tree(fixture: &Fixture, entries: &[(&str, &str, ObjectId)], after: &[u8]) -> ObjectId {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        bytes.extend_from_slice(id.as_bytes());
    }
    bytes.extend_from_slice(after);
    let file = fixture.beside("tree");
    std::fs::write(&file, bytes).unwrap();
    let file = file.to_str().unwrap();
    let id = fixture.git(&["hash-object", "-t", "tree", "--literally", "-w", file]);
    parse_hex(id.as_bytes()).unwrap()
}

/// Commits a tree on top of HEAD.
fn commit_tree(fixture: &Fixture, tree: ObjectId) -> ObjectId {
    let id = fixture.git(&["commit-tree", "-p", "HEAD", "-m", "m", &tree.to_string()]);
    fixture.git(&["update-ref", "HEAD", &id]);
    parse_hex(id.as_bytes()).unwrap()
}

#[test]
fn a_blob_that_is_a_file_anywhere_is_read_as_one() {
    let fixture = Fixture::new();
    fixture.commit("base");
    let (one, other) = (fixture.blob("one"), fixture.blob("other"));
    let link = ("120000", "link", one);
    commit_tree(&fixture, tree(&fixture, &[link], b""));
    let read_range = |range: &str| read(&open(&fixture, range), 1).0;
    let seen = read_range("HEAD~1");
    assert_eq!(texts(&seen, Place::SymlinkTarget), ["one"]);
    // At another path, in the same range and after it.
    let file = ("100644", "z", one);
    commit_tree(&fixture, tree(&fixture, &[link, file], b""));
    for range in ["HEAD~2", "HEAD~1"] {
        let seen = read_range(range);
        assert_eq!(texts(&seen, Place::History), ["one"], "{range}");
        assert!(texts(&seen, Place::SymlinkTarget).is_empty(), "{range}");
    }
    // At the same path.
    let link = ("120000", "x", other);
    commit_tree(&fixture, tree(&fixture, &[link], b""));
    let file = ("100644", "x", other);
    commit_tree(&fixture, tree(&fixture, &[file], b""));
    for range in ["HEAD~2", "HEAD~1"] {
        let seen = read_range(range);
        assert_eq!(texts(&seen, Place::History), ["other"], "{range}");
        assert!(texts(&seen, Place::SymlinkTarget).is_empty(), "{range}");
    }
    // What was a file before is known, whatever it is now.
    let links = [("120000", "x", other), ("120000", "y", other)];
    commit_tree(&fixture, tree(&fixture, &links, b""));
    let seen = read_range("HEAD~1");
    assert!(texts(&seen, Place::SymlinkTarget).is_empty());
}

#[test]
fn a_tree_that_ends_early_is_told_once() {
    let fixture = Fixture::new();
    fixture.commit("base");
    let blob = fixture.blob("content");
    let bad = tree(&fixture, &[("100644", "a", blob)], b"100644 hidden");
    let root = tree(&fixture, &[("40000", "sub", bad)], b"");
    commit_tree(&fixture, root);
    let other = ("100644", "new", fixture.blob("new"));
    let root = tree(&fixture, &[other, ("40000", "tub", bad)], b"");
    commit_tree(&fixture, root);
    let (seen, ledger) = read(&open(&fixture, "HEAD~2"), 1);
    assert_eq!(ledger.skipped, [(SkipCause::Unreadable, 1)].into());
    assert_eq!(ledger.skips[0].path.to_string(), "sub");
    assert_eq!(
        ledger.skips[0].detail,
        format!("{bad}: the tree is malformed")
    );
    let mut contents = texts(&seen, Place::History);
    contents.sort();
    assert_eq!(contents, ["content", "new"]);
}

#[test]
fn folders_that_make_billions_of_paths_hide_nothing_of_head() {
    let fixture = Fixture::new();
    fixture.commit("base");
    let (wanted, deep) = (fixture.blob("wanted"), fixture.blob("deep"));
    let names: Vec<String> = (0..100).map(|n| format!("folder-{n:03}")).collect();
    let mut bomb = tree(&fixture, &[("100644", "leaf", deep)], b"");
    for _ in 0..8 {
        let entries: Vec<_> = names
            .iter()
            .map(|name| ("40000", name.as_str(), bomb))
            .collect();
        bomb = tree(&fixture, &entries, b"");
    }
    let folder = tree(&fixture, &[("100644", "file", wanted)], b"");
    let root = [("40000", "a", folder), ("40000", "bomb", bomb)];
    commit_tree(&fixture, tree(&fixture, &root, b""));
    let source = open(&fixture, "HEAD~1");
    let mut just_wanted = Wanted::default();
    just_wanted.object(1, wanted);
    let got = attribute(&source, &just_wanted);
    assert!(got.keys[&1].at_head && got.notes.is_empty());
    assert_eq!(got.objects[&wanted].head_paths[0].to_string(), "a/file");
    let mut both = just_wanted;
    both.object(2, deep);
    let got = attribute(&source, &both);
    assert!(got.keys[&1].at_head && got.keys[&2].at_head);
    assert_eq!(got.objects[&wanted].head_paths[0].to_string(), "a/file");
    assert_eq!(got.objects[&deep].head_paths.len(), super::MAX_PATHS);
    assert_eq!(got.notes.len(), 1, "{:?}", got.notes);
}

#[test]
fn what_of_head_cannot_be_read_is_told() {
    let fixture = Fixture::new();
    fixture.commit("base");
    let wanted = fixture.blob("wanted");
    let bad = tree(&fixture, &[], b"100644 hidden");
    let root = [("100644", "a", wanted), ("40000", "bad", bad)];
    commit_tree(&fixture, tree(&fixture, &root, b""));
    let mut keys = Wanted::default();
    keys.object(1, wanted);
    let got = attribute(&open(&fixture, "HEAD~1"), &keys);
    assert!(got.keys[&1].at_head);
    assert!(got.notes[0].contains("could be read"));
}

/// Puts something else where an object is stored.
fn replace_loose(fixture: &Fixture, id: &ObjectId, object: &[u8]) {
    let hex = id.to_string();
    let path = fixture.path().join(".git/objects").join(&hex[..2]);
    let path = path.join(&hex[2..]);
    std::fs::remove_file(&path).unwrap();
    let level = sirocco::deflate::Level::DEFAULT;
    std::fs::write(
        path,
        sirocco::compress(sirocco::Format::Zlib, level, object),
    )
    .unwrap();
}

#[test]
fn objects_that_are_not_what_their_names_say_are_gaps() {
    let fixture = Fixture::new();
    fixture.commit("base");
    fixture.write("small", "sound");
    let large = vec![b'x'; 5000];
    fixture.write("large", &large);
    fixture.commit("tip");
    let (small_id, large_id) = (fixture.id("HEAD:small"), fixture.id("HEAD:large"));
    let sizes = Sizes {
        whole: 1000,
        piece: 1000,
        overlap: 100,
        ..Sizes::default()
    };
    let told = || {
        let source = Range::new(fixture.open(), "HEAD~1", sizes).unwrap();
        let (_, ledger) = read(&source, 1);
        let skips = ledger.skips.iter();
        let told: Vec<String> = skips.map(|s| format!("{} {}", s.path, s.detail)).collect();
        assert_eq!(ledger.skipped.values().sum::<u64>(), told.len() as u64);
        told
    };
    assert!(told().is_empty());
    replace_loose(&fixture, &small_id, b"blob 5\0other");
    let name = "its content is not what its name says";
    let small = format!("small {small_id}: {name}");
    assert_eq!(told(), [small.as_str()]);
    let size = "its size is not what its header says";
    let with = |rest: &[u8]| [b"blob 5000\0", rest].concat();
    for (content, why) in [
        (with(&large[..3000]), size),
        (with(&large[..500]), size),
        (with(&[&large[..], b"more"].concat()), size),
        (with(&[&large[1..], b"y"].concat()), name),
    ] {
        replace_loose(&fixture, &large_id, &content);
        let large = format!("large {large_id}: {why}");
        assert_eq!(told(), [large.as_str(), small.as_str()]);
    }
    // What a limit leaves out is told as that alone.
    let limited = Sizes {
        limit: Some(2000),
        ..sizes
    };
    let source = Range::new(fixture.open(), "HEAD~1", limited).unwrap();
    let (_, ledger) = read(&source, 1);
    assert_eq!(ledger.skipped.get(&SkipCause::TooLarge), Some(&1));
    assert_eq!(ledger.skipped.get(&SkipCause::Unreadable), Some(&1));
}

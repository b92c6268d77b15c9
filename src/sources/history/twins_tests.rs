//! Object stores made to mislead: contents under names that are not theirs, copies that differ, bytes that hide.

use std::collections::BTreeMap;

use super::{
    super::{
        Quiet, Run,
        repo::{Kind, fixture::Fixture},
    },
    History, HistoryOptions, Wanted,
    testing::{PackWriter, name_of, store_loose},
    tests::{Keep, Seen, packs, read, sample, texts},
};
use crate::model::{Counter, Ledger, ObjectId, Place, SkipCause};

const TRUE: &[u8] = b"what the name says\n";
const FALSE: &[u8] = b"something else\n";
const LIE: &str = "its content is not what its name says";

fn history(fixture: &Fixture) -> History {
    History::new(fixture.open(), HistoryOptions::default())
}

/// Reads a repository and compares one thread with three.
fn read_twice(fixture: &Fixture) -> (Vec<Seen>, Ledger) {
    let one = read(&history(fixture), 1);
    assert_eq!(one, read(&history(fixture), 3), "threads change nothing");
    one
}

/// Writes a pack of one blob.
fn pack_of(fixture: &Fixture, name: &str, id: ObjectId, content: &[u8]) {
    let mut pack = PackWriter::default();
    pack.add_as(id, Kind::Blob, content);
    pack.write(&fixture.path(), name);
}

fn assert_both_are_read(fixture: &Fixture, id: ObjectId, lies: u64) {
    let (seen, ledger) = read_twice(fixture);
    let mut texts = texts(&seen, Place::History);
    texts.sort();
    texts.dedup();
    assert_eq!(texts.concat().as_bytes(), [FALSE, TRUE].concat());
    assert_eq!(ledger.skipped, [(SkipCause::Unreadable, lies)].into());
    for skip in &ledger.skips {
        assert_eq!(
            (skip.path.to_string(), &*skip.detail),
            (id.to_string(), LIE)
        );
    }
}

#[test]
fn every_content_of_a_name_is_read_whichever_copy_lies() {
    let id = name_of(Kind::Blob, TRUE);
    for (first, second) in [(TRUE, FALSE), (FALSE, TRUE)] {
        let fixture = Fixture::new();
        pack_of(&fixture, "pack-1", id, first);
        store_loose(&fixture.path(), id, Kind::Blob, second);
        assert_both_are_read(&fixture, id, 1);

        let fixture = Fixture::new();
        pack_of(&fixture, "pack-1", id, first);
        pack_of(&fixture, "pack-2", id, second);
        assert_both_are_read(&fixture, id, 1);
        pack_of(&fixture, "pack-3", id, FALSE);
        store_loose(&fixture.path(), id, Kind::Blob, TRUE);
        assert_both_are_read(&fixture, id, 2);

        let fixture = Fixture::new();
        let mut pack = PackWriter::default();
        pack.add_as(id, Kind::Blob, first);
        pack.add_as(id, Kind::Blob, second);
        pack.write(&fixture.path(), "pack-1");
        assert_both_are_read(&fixture, id, 1);

        let fixture = Fixture::new();
        let other = Fixture::new();
        store_loose(&fixture.path(), id, Kind::Blob, first);
        store_loose(&other.path(), id, Kind::Blob, second);
        let objects = other.path().join(".git/objects");
        let alternates = fixture.path().join(".git/objects/info/alternates");
        std::fs::write(alternates, format!("{}\n", objects.display())).unwrap();
        assert_both_are_read(&fixture, id, 1);
    }
}

#[test]
fn large_contents_of_one_name_are_all_read() {
    let large = |byte: u8| vec![byte; 3 << 20];
    let options = HistoryOptions {
        sizes: crate::sources::Sizes {
            whole: 1 << 20,
            ..crate::sources::Sizes::default()
        },
        ..HistoryOptions::default()
    };
    let id = name_of(Kind::Blob, &large(b'a'));
    for (first, second) in [(b'a', b'b'), (b'b', b'a')] {
        let fixture = Fixture::new();
        pack_of(&fixture, "pack-1", id, &large(first));
        store_loose(&fixture.path(), id, Kind::Blob, &large(second));
        let (seen, ledger) = read(&History::new(fixture.open(), options), 2);
        for byte in [b'a', b'b'] {
            assert!(seen.iter().any(|seen| seen.bytes.first() == Some(&byte)));
        }
        assert_eq!(ledger.skipped, [(SkipCause::Unreadable, 1)].into());
    }
}

#[test]
fn honest_copies_change_nothing() {
    let fixture = sample(&[]);
    let path = fixture.path();
    fixture.git(&["repack", "-qadf"]);
    let single = read_twice(&fixture);
    let pack = packs(&path, "pack").remove(0);
    // The same pack under a second name, one without deltas, and loose files.
    for ending in ["pack", "idx"] {
        let copy = path.join(format!(".git/objects/pack/another.{ending}"));
        std::fs::copy(pack.with_extension(ending), copy).unwrap();
    }
    let mut whole = PackWriter::default();
    for line in fixture.all_objects() {
        let id = super::super::repo::parse_hex(&line.as_bytes()[..40]).unwrap();
        let (kind, bytes) = fixture.open().find(&id, 1 << 30).unwrap();
        whole.add_as(id, kind, &bytes);
        if kind != Kind::Tree {
            store_loose(&path, id, kind, &bytes);
        }
    }
    whole.write(&path, "pack-0");
    assert_eq!(packs(&path, "pack").len(), 3);
    assert_eq!(read_twice(&fixture), single);
}

#[test]
fn many_small_packs_are_read_as_one_large_one() {
    let fixture = sample(&[]);
    fixture.git(&["repack", "-qadf"]);
    let single = read_twice(&fixture);
    let objects: Vec<_> = fixture
        .all_objects()
        .iter()
        .map(|line| super::super::repo::parse_hex(&line.as_bytes()[..40]).unwrap())
        .map(|id| (id, fixture.open().find(&id, 1 << 30).unwrap()))
        .collect();
    let old = packs(&fixture.path(), "pack").remove(0);
    for (at, few) in objects.chunks(3).enumerate() {
        let mut pack = PackWriter::default();
        for (id, (kind, bytes)) in few {
            pack.add_as(*id, *kind, bytes);
        }
        pack.write(&fixture.path(), &format!("pack-{at}"));
    }
    for ending in ["pack", "idx"] {
        std::fs::remove_file(old.with_extension(ending)).unwrap();
    }
    assert!(packs(&fixture.path(), "pack").len() > 50);
    assert_eq!(read_twice(&fixture), single);
}

#[test]
fn bytes_behind_an_object_stay_a_gap_and_it_counts_once() {
    let fixture = Fixture::new();
    let mut pack = PackWriter::default();
    let id = pack.add(Kind::Blob, TRUE);
    pack.add_stray(b"hidden");
    pack.add(Kind::Blob, FALSE);
    pack.write(&fixture.path(), "pack-1");
    let (seen, ledger) = read_twice(&fixture);
    assert_eq!(texts(&seen, Place::History).len(), 2);
    assert_eq!(ledger.counted(Counter::Blobs), 2);
    assert_eq!(ledger.skipped, [(SkipCause::Unreadable, 1)].into());
    assert_eq!(ledger.skips[0].path.to_string(), id.to_string());
}

/// Returns whether something leads to an object, after a scan.
fn is_reachable(history: &History, id: ObjectId) -> bool {
    let keep = Keep::default();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let run = Run {
        sink: &keep,
        progress: &Quiet,
        stop: &stop,
        threads: 2,
    };
    read(history, 2);
    let mut wanted = Wanted::default();
    wanted.object(0, id);
    history.attribute(&wanted, &run).objects[&id].reachable
}

fn commit_of(tree: ObjectId) -> String {
    let who = "C <c@example.com> 1700000000 +0000";
    format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nm\n")
}

fn tree_of(name: &str, blob: ObjectId) -> Vec<u8> {
    [format!("100644 {name}\0").as_bytes(), blob.as_bytes()].concat()
}

#[test]
fn what_any_copy_of_a_commit_leads_to_is_reachable() {
    for lie_is_loose in [false, true] {
        let fixture = Fixture::new();
        let mut pack = PackWriter::default();
        let hidden = pack.add(Kind::Blob, TRUE);
        let shown = pack.add(Kind::Blob, FALSE);
        let hidden_tree = pack.add(Kind::Tree, &tree_of("hidden", hidden));
        let shown_tree = pack.add(Kind::Tree, &tree_of("shown", shown));
        let (hiding, showing) = (commit_of(shown_tree), commit_of(hidden_tree));
        let id = name_of(Kind::Commit, hiding.as_bytes());
        let (packed, loose) = if lie_is_loose {
            (&hiding, &showing)
        } else {
            (&showing, &hiding)
        };
        pack.add_as(id, Kind::Commit, packed.as_bytes());
        pack.write(&fixture.path(), "pack-1");
        assert!(
            !is_reachable(&history(&fixture), hidden),
            "no reference yet"
        );
        fixture.write(".git/refs/heads/main", format!("{id}\n"));
        store_loose(&fixture.path(), id, Kind::Commit, loose.as_bytes());
        for blob in [hidden, shown] {
            assert!(is_reachable(&history(&fixture), blob));
        }
    }
}

#[test]
fn a_sound_copy_of_a_damaged_commit_holds_the_history_together() {
    let fixture = sample(&[]);
    let path = fixture.path();
    let first = fixture.id("HEAD~30:src/deep/er/big.txt");
    // Nothing but the last commit leads to the first ones.
    fixture.git(&["update-ref", "-d", "refs/heads/side"]);
    fixture.git(&["tag", "-d", "v1"]);
    std::fs::remove_dir_all(path.join(".git/logs")).unwrap();
    std::fs::remove_file(path.join(".git/index")).unwrap();
    let (kind, bytes) = fixture.open().find(&fixture.id("HEAD"), 1 << 20).unwrap();
    fixture.git(&["repack", "-qadf"]);
    let mut pack = PackWriter::default();
    pack.add_as(fixture.id("HEAD"), kind, &bytes);
    pack.write(&path, "pack-0");
    let file = path.join(".git/objects/pack/pack-0.pack");
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[20..40].fill(0x55);
    std::fs::write(&file, damaged).unwrap();
    let damaged = history(&fixture);
    assert!(is_reachable(&damaged, first));
    let (_, ledger) = read(&history(&fixture), 2);
    assert_eq!(ledger.skipped, BTreeMap::new(), "{:?}", ledger.skips);
    let unreachable = fixture.blob("nothing leads here");
    assert!(!is_reachable(&history(&fixture), unreachable));
}

#[test]
fn a_name_that_only_a_shifted_copy_of_a_tree_shows_is_read() {
    let fixture = Fixture::new();
    let mut pack = PackWriter::default();
    let other = pack.add(Kind::Blob, TRUE);
    let named = ObjectId::new(b"1 name-in-an-id-here").unwrap();
    pack.add_as(named, Kind::Blob, FALSE);
    let base = [
        b"100644 a\0",
        named.as_bytes(),
        b"22 b.txt\0",
        other.as_bytes(),
    ]
    .concat();
    let target = &base[9..];
    let base_id = name_of(Kind::Tree, &base);
    pack.add_as(base_id, Kind::Tree, &base);
    let delta = [
        base.len() as u8,
        target.len() as u8,
        0x91,
        9,
        target.len() as u8,
    ];
    pack.add_delta(name_of(Kind::Tree, target), base_id, &delta);
    pack.write(&fixture.path(), "pack-1");
    let (seen, _) = read_twice(&fixture);
    let names = texts(&seen, Place::FileName);
    assert!(
        names
            .iter()
            .any(|name| name == "name-in-an-id-here22 b.txt"),
        "{names:?}"
    );
}

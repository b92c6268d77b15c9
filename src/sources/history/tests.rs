//! The walk against the real git, on many shapes of storage, and on damage. Unix only: the tests call `sh` and make
//! symbolic links.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, atomic::AtomicBool},
};

use super::{
    super::{
        Blob, Quiet, Receiver, Run, Sink, Sizes, Source,
        repo::{Repository, fixture::Fixture, parse_hex},
    },
    History, HistoryOptions,
};
use crate::model::{Counter, Ledger, ObjectId, Place, SkipCause};

/// One text that was handed out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) place: Place,
    pub(super) object: Option<ObjectId>,
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    pub(super) offset: u64,
    pub(super) regions: Vec<(u64, u64)>,
}

/// Keeps what it is given.
#[derive(Default)]
pub(super) struct Keep(pub(super) Mutex<Vec<Seen>>);

impl Sink for Keep {
    fn receiver(&self) -> Box<dyn Receiver + '_> {
        Box::new(Hand(self))
    }
}

struct Hand<'k>(&'k Keep);

impl Receiver for Hand<'_> {
    fn blob(&mut self, blob: &Blob<'_>) {
        self.0.0.lock().unwrap().push(Seen {
            place: blob.provenance.place,
            object: blob.provenance.object,
            path: blob.path.to_string(),
            bytes: blob.bytes.to_vec(),
            offset: blob.offset,
            regions: blob.regions.iter().map(|r| (r.start, r.end)).collect(),
        });
    }
}

/// Reads a source to its end and returns what came, sorted, with the ledger.
pub(super) fn read(source: &dyn Source, threads: usize) -> (Vec<Seen>, Ledger) {
    let keep = Keep::default();
    let stop = AtomicBool::new(false);
    let run = Run {
        sink: &keep,
        progress: &Quiet,
        stop: &stop,
        threads,
    };
    let ledger = source.read(&run).unwrap();
    let mut seen = keep.0.into_inner().unwrap();
    seen.sort();
    (seen, ledger)
}

fn history(path: &Path) -> History {
    History::new(Repository::open(path).unwrap(), HistoryOptions::default())
}

pub(super) fn texts(seen: &[Seen], place: Place) -> Vec<String> {
    seen.iter()
        .filter(|s| s.place == place)
        .map(|s| String::from_utf8_lossy(&s.bytes).into_owned())
        .collect()
}

/// A repository whose packs have long chains, copies and all kinds of objects.
pub(super) fn sample(options: &[&str]) -> Fixture {
    let fixture = Fixture::with(options);
    let mut lines: Vec<String> = (0..400)
        .map(|i| format!("line {i} {}\n", i * i * 7919))
        .collect();
    let mut stream = Vec::new();
    let mut put = |text: String| stream.extend_from_slice(text.as_bytes());
    for n in 0..40_usize {
        lines[n * 9 % 400] = format!("changed in {n}\n");
        if n % 5 == 0 {
            lines.swap(n, 399 - n);
        }
        let who = format!("C <c@example.com> {} +0130", 1_600_000_000 + 60 * n);
        put(format!(
            "commit refs/heads/main\nmark :{}\ncommitter {who}\n",
            n + 1
        ));
        let message = format!("commit {n}\n\nbody {n}\n");
        put(format!("data {}\n{message}\n", message.len()));
        for (name, text) in [
            ("src/deep/er/big.txt".to_owned(), lines.concat()),
            (format!("src/file{}.txt", n % 7), format!("small {n}\n")),
        ] {
            put(format!(
                "M 100644 inline {name}\ndata {}\n{text}\n",
                text.len()
            ));
        }
        if n == 20 {
            put("reset refs/heads/side\nfrom :21\n\n".to_owned());
        }
    }
    fixture.import(&stream);
    fixture.git(&["reset", "-q", "--hard"]);
    fixture.git(&["tag", "-a", "-m", "tag text", "v1"]);
    fixture.write("empty", "");
    fixture.commit("empty file");
    // All loose, whatever the import made.
    let objects = fixture.path().join(".git/objects");
    for pack in packs(&fixture.path(), "pack") {
        let aside = fixture.beside("aside.pack");
        std::fs::rename(&pack, &aside).unwrap();
        std::fs::remove_file(pack.with_extension("idx")).unwrap();
        let command = format!("git unpack-objects -q < {}", aside.display());
        let status = std::process::Command::new("sh")
            .args(["-c", &command])
            .current_dir(&objects)
            .status();
        assert!(status.unwrap().success());
    }
    fixture
}

/// Compares the walk with what git lists: every object once, of the same kind and size.
fn assert_complete(fixture: &Fixture, path: &Path) {
    let listed = fixture.git_in(
        path,
        &[
            "cat-file",
            "--batch-all-objects",
            "--batch-check",
            "--unordered",
        ],
    );
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let mut blobs = Vec::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        *kinds.entry(words[1]).or_default() += 1;
        if words[1] == "blob" && words[2] != "0" {
            blobs.push((
                parse_hex(words[0].as_bytes()).unwrap(),
                words[2].parse::<usize>().unwrap(),
            ));
        }
    }
    blobs.sort_unstable();
    let mut first = None;
    for threads in [1, 3] {
        let (seen, ledger) = read(&history(path), threads);
        let mut ours: Vec<(ObjectId, usize)> = seen
            .iter()
            .filter(|s| s.place == Place::History)
            .map(|s| (s.object.unwrap(), s.bytes.len()))
            .collect();
        ours.sort_unstable();
        assert_eq!(ours, blobs);
        assert_eq!(ledger.skipped, BTreeMap::new(), "{:?}", ledger.skips);
        for (kind, counter) in [
            ("blob", Counter::Blobs),
            ("tree", Counter::Trees),
            ("commit", Counter::Commits),
            ("tag", Counter::Tags),
        ] {
            assert_eq!(
                ledger.counted(counter),
                kinds.get(kind).copied().unwrap_or(0),
                "{kind}"
            );
        }
        let all = (seen, ledger);
        assert_eq!(
            *first.get_or_insert_with(|| all.clone()),
            all,
            "threads change nothing"
        );
    }
}

#[test]
fn walks_every_object_once_in_all_shapes_of_packs() {
    for options in [&[][..], &["--object-format=sha256"]] {
        let fixture = sample(options);
        let path = fixture.path();
        assert_complete(&fixture, &path);
        for pack in [
            &["repack", "-qadf", "--depth=250", "--window=200"][..],
            &[
                "-c",
                "repack.useDeltaBaseOffset=false",
                "repack",
                "-qadf",
                "--depth=250",
            ],
            &["-c", "pack.indexVersion=1", "repack", "-qadf"],
            &["-c", "pack.depth=0", "repack", "-qadf"],
        ] {
            fixture.git(pack);
            assert_complete(&fixture, &path);
        }
        fixture.write("src/file1.txt", "packed later\n");
        fixture.commit("later");
        fixture.git(&["repack", "-qd"]);
        fixture.write("src/file2.txt", "loose\n");
        fixture.commit("loose");
        // The same objects once more, in a pack of their own.
        let (_, list) = fixture.try_git(
            &path,
            &["rev-list", "--objects", "--no-object-names", "HEAD~2..HEAD"],
        );
        std::fs::write(fixture.beside("list"), list + "\n").unwrap();
        let command = format!(
            "git pack-objects -q .git/objects/pack/pack < {}",
            fixture.beside("list").display()
        );
        assert!(
            std::process::Command::new("sh")
                .args(["-c", &command])
                .current_dir(&path)
                .status()
                .unwrap()
                .success()
        );
        assert_complete(&fixture, &path);
        let other = fixture.beside("borrower");
        fixture.git(&[
            "clone",
            "-q",
            "--shared",
            "--bare",
            ".",
            other.to_str().unwrap(),
        ]);
        assert_complete(&fixture, &other);
    }
}

pub(super) fn packs(path: &Path, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(path.join(".git/objects/pack"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    paths.sort();
    paths
}

fn overwrite(path: &Path, bytes: &[u8]) {
    // Packs are read-only files.
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Moves the objects of the last commit into a thin pack.
fn store_thin_pack(fixture: &Fixture) {
    let path = fixture.path();
    // A thin pack with an index of our own making: git refuses to store one.
    let thin = fixture.beside("thin.pack");
    let command = format!(
        "printf 'HEAD\\n^HEAD~1\\n' | git pack-objects -q --thin --stdout --revs > {}",
        thin.display()
    );
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &command])
            .current_dir(&path)
            .status()
            .unwrap()
            .success()
    );
    let bytes = std::fs::read(&thin).unwrap();
    let listed = fixture.git(&[
        "rev-list",
        "--objects",
        "--no-object-names",
        "HEAD",
        "^HEAD~1",
    ]);
    let index = super::testing::index_of(&bytes, fixture);
    // Loose copies go, so that only the thin pack has them.
    for id in listed.lines() {
        let _ = std::fs::remove_file(path.join(".git/objects").join(&id[..2]).join(&id[2..]));
    }
    let stem = path.join(".git/objects/pack/pack-thin");
    std::fs::write(stem.with_extension("pack"), &bytes).unwrap();
    std::fs::write(stem.with_extension("idx"), index).unwrap();
}

#[test]
fn thin_deltas_find_their_base_in_other_packs_and_miss_it_loudly() {
    let fixture = sample(&[]);
    let path = fixture.path();
    fixture.git(&["repack", "-qad"]);
    fixture.write("src/deep/er/big.txt", {
        let old = std::fs::read_to_string(path.join("src/deep/er/big.txt")).unwrap();
        old.replacen("line 7 ", "line seven ", 1)
    });
    fixture.commit("thin");
    store_thin_pack(&fixture);
    let (seen, ledger) = read(&history(&path), 2);
    assert_eq!(ledger.skipped, BTreeMap::new(), "{:?}", ledger.skips);
    assert!(
        texts(&seen, Place::History)
            .iter()
            .any(|t| t.contains("line seven "))
    );

    for extension in ["pack", "idx"] {
        let big = packs(&path, extension)
            .into_iter()
            .find(|p| !p.ends_with(format!("pack-thin.{extension}")))
            .unwrap();
        std::fs::remove_file(big).unwrap();
    }
    let (seen, ledger) = read(&history(&path), 2);
    assert!(
        !texts(&seen, Place::History)
            .iter()
            .any(|t| t.contains("line seven "))
    );
    assert!(
        ledger
            .skips
            .iter()
            .any(|s| s.detail == "its delta base is missing"),
        "{:?}",
        ledger.skips
    );
}

#[test]
fn damage_is_named_and_the_rest_is_read() {
    let fixture = sample(&[]);
    let path = fixture.path();
    fixture.git(&["repack", "-qadf"]);
    let pack = packs(&path, "pack").remove(0);
    let good = std::fs::read(&pack).unwrap();
    let (all, _) = read(&history(&path), 1);
    let blobs = |seen: &[Seen]| seen.iter().filter(|s| s.place == Place::History).count();
    // Truncated: what lies behind the cut is lost, and counted.
    overwrite(&pack, &good[..good.len() * 2 / 3]);
    let (seen, ledger) = read(&history(&path), 2);
    assert!(blobs(&seen) < blobs(&all) && ledger.is_incomplete());
    // One bit flipped, at many places. Some make a delta of another object: what then comes out has the wrong name.
    let mut state = 12345_u64;
    for _ in 0..300 {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let at = 12 + (state >> 33) as usize % (good.len() - 12);
        let mut bad = good.clone();
        bad[at] ^= 1 << (state >> 29 & 7);
        overwrite(&pack, &bad);
        let (seen, ledger) = read(&history(&path), 2);
        let same = seen
            .iter()
            .filter(|s| s.place == Place::History)
            .eq(all.iter().filter(|s| s.place == Place::History));
        assert!(
            same || ledger.is_incomplete(),
            "byte {at} of {}",
            good.len()
        );
    }
}

#[test]
fn a_damaged_index_is_named_and_the_rest_is_read() {
    let fixture = sample(&[]);
    let path = fixture.path();
    fixture.git(&["repack", "-qadf"]);
    let (all, _) = read(&history(&path), 1);
    let mut state = 54321_u64;
    let index = packs(&path, "idx").remove(0);
    let good_index = std::fs::read(&index).unwrap();
    for _ in 0..60 {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let end = good_index.len() - 40;
        let at = (state >> 33) as usize % end;
        let mut bad = good_index.clone();
        bad[at] ^= 1 << (state >> 29 & 7);
        overwrite(&index, &bad);
        let (seen, ledger) = read(&history(&path), 2);
        let contents = |seen: &[Seen]| {
            let mut texts = texts(seen, Place::History);
            texts.sort();
            texts
        };
        assert!(
            contents(&seen) == contents(&all) || ledger.is_incomplete(),
            "index byte {at}"
        );
    }
    overwrite(&index, &good_index);
    std::fs::remove_file(&index).unwrap();
    let (_, ledger) = read(&history(&path), 2);
    assert!(
        ledger
            .skips
            .iter()
            .any(|s| s.detail == "the pack has no index")
    );
}

#[test]
fn damaged_loose_objects_and_missing_ones_are_named() {
    let fixture = sample(&[]);
    let path = fixture.path();
    let victim = fixture.id("HEAD:src/file3.txt").to_string();
    let file = path
        .join(".git/objects")
        .join(&victim[..2])
        .join(&victim[2..]);
    overwrite(&file, b"garbage");
    let (_, ledger) = read(&history(&path), 2);
    assert_eq!(ledger.skipped.get(&SkipCause::Unreadable), Some(&1));
    assert!(
        ledger
            .skips
            .iter()
            .any(|s| s.path.to_string() == victim || s.path.to_string() == "src/file3.txt")
    );
    std::fs::remove_file(&file).unwrap();
    let (_, ledger) = read(&history(&path), 2);
    assert_eq!(
        ledger.skipped.get(&SkipCause::MissingObject),
        Some(&1),
        "{:?}",
        ledger.skips
    );
}

#[test]
fn a_damaged_copy_is_replaced_by_a_sound_one() {
    let fixture = sample(&[]);
    let path = fixture.path();
    fixture.git(&["repack", "-qadf"]);
    let pack = packs(&path, "pack").remove(0);
    let keep = fixture.beside("copy.git");
    fixture.git(&[
        "clone",
        "-q",
        "--bare",
        "--no-local",
        ".",
        keep.to_str().unwrap(),
    ]);
    std::fs::write(
        path.join(".git/objects/info/alternates"),
        format!("{}\n", keep.join("objects").display()),
    )
    .unwrap();
    let (all, _) = read(&history(&path), 1);
    let mut bad = std::fs::read(&pack).unwrap();
    let middle = bad.len() / 2;
    bad[middle..middle + 200].fill(0x55);
    overwrite(&pack, &bad);
    let (seen, ledger) = read(&history(&path), 2);
    assert_eq!(seen, all);
    assert_eq!(ledger.skipped, BTreeMap::new(), "{:?}", ledger.skips);
}

#[test]
fn large_blobs_come_in_pieces_with_context() {
    let fixture = Fixture::new();
    let big: Vec<u8> = (0..200_000_u32)
        .flat_map(|i| {
            format!(
                "{}
",
                i.wrapping_mul(2_654_435_761)
            )
            .into_bytes()
        })
        .collect();
    let options = HistoryOptions {
        sizes: Sizes {
            whole: 1 << 20,
            piece: 256 << 10,
            overlap: 1000,
            ..Sizes::default()
        },
        ..HistoryOptions::default()
    };
    let open = || History::new(Repository::open(&fixture.path()).unwrap(), options);
    fixture.write("big", &big);
    fixture.commit("big");
    for packed in [false, true] {
        if packed {
            fixture.git(&["repack", "-qad"]);
        }
        let (seen, ledger) = read(&open(), 2);
        assert_eq!(ledger.skipped, BTreeMap::new(), "{:?}", ledger.skips);
        let mut pieces: Vec<&Seen> = seen.iter().filter(|s| s.place == Place::History).collect();
        pieces.sort_by_key(|s| s.offset);
        assert!(pieces.len() > 2);
        let mut joined = Vec::new();
        for piece in pieces {
            for (start, end) in &piece.regions {
                joined.extend_from_slice(&piece.bytes[*start as usize..*end as usize]);
            }
        }
        assert!(joined == big);
        assert_eq!(ledger.counted(Counter::Blobs), 1);
        assert!(ledger.counted(Counter::Bytes) >= big.len() as u64);
    }
    let id = fixture.id("HEAD:big").to_string();
    let pack = packs(&fixture.path(), "pack").remove(0);
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 100].fill(0);
    overwrite(&pack, &bytes);
    let (_, ledger) = read(&open(), 1);
    assert!(ledger.is_incomplete() && ledger.skips.iter().any(|s| s.path.to_string() == id));
}

#[test]
fn hands_out_messages_headers_names_refs_reflogs_and_configuration() {
    let fixture = Fixture::new();
    fixture.write("folder-name/file-name", "x");
    fixture.commit("message-one");
    fixture.git(&[
        "-c",
        "user.name=x",
        "commit",
        "-q",
        "--allow-empty",
        "--author",
        "Odd-Author <a@b>",
        "-m",
        "second",
    ]);
    fixture.git(&["tag", "-a", "-m", "tag-message", "v1"]);
    fixture.git(&["branch", "branch-name"]);
    fixture.git(&["notes", "add", "-m", "note-text"]);
    fixture.git(&["remote", "add", "origin", "https://user:word@example.com/x"]);
    std::os::unix::fs::symlink("link-target", fixture.path().join("link")).unwrap();
    fixture.commit("link");
    fixture.git(&["commit", "-q", "--amend", "-m", "amended"]);
    let (seen, ledger) = read(&history(&fixture.path()), 2);
    let has = |place: Place, text: &str| texts(&seen, place).iter().any(|t| t.contains(text));
    assert!(
        has(Place::CommitMessage, "message-one")
            && has(Place::CommitMessage, "amended")
            && has(Place::CommitMessage, "link")
    );
    assert!(has(Place::CommitHeader, "Odd-Author") && !has(Place::CommitHeader, "message-one"));
    assert!(has(Place::Tag, "tag-message"));
    assert!(
        has(Place::RefName, "refs/heads/branch-name") && has(Place::RefName, "refs/notes/commits")
    );
    assert!(has(Place::FileName, "folder-name") && has(Place::FileName, "file-name"));
    assert!(has(Place::Reflog, "message-one"));
    assert!(has(Place::RemoteUrl, "https://user:word@example.com/x"));
    assert!(has(Place::History, "note-text") && has(Place::History, "link-target"));
    assert_eq!(ledger.skipped, BTreeMap::new(), "{:?}", ledger.skips);
    assert_eq!(ledger.counted(Counter::Tags), 1);
    assert!(ledger.counted(Counter::Refs) >= 5 && ledger.counted(Counter::ReflogEntries) >= 5);
    let message = seen
        .iter()
        .find(|s| s.place == Place::CommitMessage && s.bytes == b"second\n")
        .unwrap();
    let provenance = crate::model::Provenance {
        place: Place::CommitMessage,
        object: message.object,
    };
    assert_eq!(
        history(&fixture.path()).text(&provenance).unwrap(),
        b"second\n"
    );
}

#[test]
fn says_where_a_shallow_or_partial_clone_ends() {
    let fixture = sample(&[]);
    fixture.write(".gitattributes", "");
    fixture.write(
        "lfs",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    );
    fixture.commit("lfs");
    let url = format!("file://{}", fixture.path().display());
    let shallow = fixture.beside("shallow");
    fixture.git(&[
        "clone",
        "-q",
        "--depth",
        "2",
        &url,
        shallow.to_str().unwrap(),
    ]);
    let (_, ledger) = read(&history(&shallow), 2);
    assert_eq!(
        ledger.skipped.get(&SkipCause::ShallowBoundary),
        Some(&1),
        "{:?}",
        ledger.skips
    );
    assert_eq!(ledger.skipped.get(&SkipCause::LfsPointer), Some(&1));
    assert_eq!(
        ledger.skipped.get(&SkipCause::MissingObject),
        None,
        "{:?}",
        ledger.skips
    );
    assert!(ledger.notes.iter().any(|n| n.starts_with("shallow clone")));

    fixture.git(&["config", "uploadpack.allowFilter", "true"]);
    let partial = fixture.beside("partial");
    fixture.git(&[
        "clone",
        "-q",
        "--no-checkout",
        "--filter=blob:none",
        &url,
        partial.to_str().unwrap(),
    ]);
    let (seen, ledger) = read(&history(&partial), 2);
    assert!(texts(&seen, Place::History).is_empty());
    assert!(
        ledger
            .skipped
            .get(&SkipCause::MissingObject)
            .is_some_and(|n| *n > 40)
    );
    assert!(ledger.notes.iter().any(|n| n.starts_with("partial clone")));
}

#[test]
fn submodules_of_head_and_replacements_are_told() {
    let fixture = sample(&[]);
    let outer = Fixture::new();
    outer.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        fixture.path().to_str().unwrap(),
        "a/sub",
    ]);
    outer.commit("with submodule");
    outer.write("x", "original-text");
    outer.commit("x");
    outer.write("x", "replacement");
    outer.commit("y");
    outer.git(&["replace", "HEAD~1:x", "HEAD:x"]);
    let (seen, ledger) = read(&history(&outer.path()), 2);
    assert_eq!(ledger.skipped.get(&SkipCause::Submodule), Some(&1));
    assert!(ledger.skips.iter().any(|s| s.path.to_string() == "a/sub"));
    assert_eq!(ledger.skipped.len(), 1, "{:?}", ledger.skips);
    assert!(texts(&seen, Place::History).contains(&"original-text".to_owned()));
    assert!(ledger.notes.iter().any(|n| n.contains("replace reference")));
}

#[test]
fn an_empty_repository_is_read_and_stopping_is_told() {
    let fixture = Fixture::new();
    let (_, ledger) = read(&history(&fixture.path()), 2);
    assert!(!ledger.is_incomplete());
    let fixture = sample(&[]);
    let keep = Keep::default();
    let stop = AtomicBool::new(true);
    let run = Run {
        sink: &keep,
        progress: &Quiet,
        stop: &stop,
        threads: 2,
    };
    let ledger = history(&fixture.path()).read(&run).unwrap();
    assert_eq!(ledger.skipped.get(&SkipCause::Interrupted), Some(&1));
}

#[test]
fn families_that_would_fill_memory_are_cut_and_counted() {
    let fixture = sample(&[]);
    fixture.git(&["repack", "-qadf", "--depth=250", "--window=200"]);
    let largest = 20_000;
    let options = HistoryOptions {
        max_delta: largest,
        ..HistoryOptions::default()
    };
    let bounded = History::new(Repository::open(&fixture.path()).unwrap(), options);
    let (seen, ledger) = read(&bounded, 2);
    // The large file's versions have some 7 KiB: nothing is lost at this bound, all of them at one below.
    assert_eq!(ledger.skipped, BTreeMap::new(), "{:?}", ledger.skips);
    let count = |seen: &[Seen]| seen.iter().filter(|s| s.place == Place::History).count();
    let options = HistoryOptions {
        max_delta: 3_000,
        ..HistoryOptions::default()
    };
    let bounded = History::new(Repository::open(&fixture.path()).unwrap(), options);
    let (fewer, ledger) = read(&bounded, 2);
    assert!(count(&fewer) < count(&seen));
    let lost = count(&seen) - count(&fewer);
    assert_eq!(ledger.skipped, [(SkipCause::TooLarge, lost as u64)].into());
}

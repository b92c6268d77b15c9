//! Indexes made by the real git.

use std::{fs, path::Path, sync::atomic::AtomicBool};

use super::super::{Quiet, repo::fixture::Fixture, testing::Collect};
use super::*;

fn staged(path: &Path) -> Staged {
    Staged {
        path: path.to_owned(),
        index: None,
        exclude: Excludes::default(),
        sizes: Sizes::default(),
    }
}

fn try_read(source: &Staged) -> Result<(Ledger, Collect), SourceError> {
    let sink = Collect::default();
    let stop = AtomicBool::new(false);
    let ledger = source.read(&sink.run(&Quiet, &stop, 2))?;
    Ok((ledger, sink))
}

fn read(path: &Path) -> (Ledger, Collect) {
    try_read(&staged(path)).unwrap()
}

fn text(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

/// A repository with a commit of some files in directories.
fn sample() -> Fixture {
    let fixture = Fixture::new();
    for name in ["a", "b", "d/a", "d/e/a", "d/e/b", "d.x", "f/a"] {
        fixture.write(name, name);
    }
    fixture.commit("base");
    fixture
}

#[test]
fn added_and_modified_files_are_read_from_the_index() {
    let fixture = sample();
    fixture.write("a", "new a");
    fixture.write("d/e/b", "new b");
    fixture.write("d/e/c", "added");
    fixture.write("n/m/o", "deep");
    fs::remove_file(fixture.path().join("b")).unwrap();
    fixture.git(&["add", "-A"]);
    // The work tree has moved on.
    fixture.write("a", "newer a");
    fixture.write("untracked", "x");
    let before = fixture.all_objects();
    let (ledger, sink) = read(&fixture.path());
    assert_eq!(
        sink.texts(Place::Staged),
        [
            text("a", "new a"),
            text("d/e/b", "new b"),
            text("d/e/c", "added"),
            text("n/m/o", "deep")
        ]
    );
    assert_eq!(
        sink.texts(Place::FileName),
        [
            text("d/e/c", "c"),
            text("n", "n"),
            text("n/m", "m"),
            text("n/m/o", "o")
        ]
    );
    assert_eq!(ledger.counted(Counter::Files), 4);
    assert_eq!(ledger.counted(Counter::IndexEntries), 8);
    assert!(!ledger.is_incomplete());
    assert_eq!(before, fixture.all_objects());
}

#[test]
fn a_clean_index_reads_nothing_and_says_so() {
    let fixture = sample();
    let (ledger, sink) = read(&fixture.path());
    assert!(sink.blobs().is_empty());
    assert_eq!(ledger.read.get(&Counter::Files), Some(&0));
    assert!(!ledger.is_incomplete());
}

#[test]
fn the_cached_tree_changes_nothing_but_the_time() {
    let fixture = sample();
    fixture.write("d/e/b", "new b");
    fixture.git(&["add", "-A"]);
    let (_, sink) = read(&fixture.path());
    let with = sink.texts(Place::Staged);
    // git reads this index without its cached tree.
    fixture.git(&["read-tree", "--empty"]);
    fixture.git(&["add", "-A"]);
    let (_, sink) = read(&fixture.path());
    assert_eq!(with, sink.texts(Place::Staged));
    assert_eq!(with, [text("d/e/b", "new b")]);
}

#[test]
fn a_cached_tree_with_wrong_counts_is_not_believed() {
    let fixture = sample();
    fixture.write("f/a", "new");
    fixture.git(&["add", "-A"]);
    // Caches the trees.
    fixture.git(&["write-tree"]);
    let index = fixture.path().join(".git/index");
    let mut bytes = fs::read(&index).unwrap();
    // Three entries, one directory in it.
    let directory = b"d\x003 1\n";
    let at = bytes.windows(directory.len()).position(|w| w == directory);
    let at = at.unwrap() + 2;
    for count in b"012345" {
        bytes[at] = *count;
        fs::write(&index, &bytes).unwrap();
        let (ledger, sink) = read(&fixture.path());
        assert_eq!(sink.texts(Place::Staged), [text("f/a", "new")]);
        assert!(!ledger.is_incomplete());
    }
}

#[test]
fn sub_directories_and_linked_worktrees_have_the_same_view() {
    let fixture = sample();
    fixture.write("a", "new a");
    fixture.git(&["add", "-A"]);
    let (_, sink) = read(&fixture.path().join("d/e"));
    assert_eq!(sink.texts(Place::Staged), [text("a", "new a")]);
    let linked = fixture.beside("linked");
    let name = linked.to_str().unwrap().to_owned();
    fixture.git(&["worktree", "add", "-q", "-b", "side", &name]);
    fs::write(linked.join("b"), "linked b").unwrap();
    fixture.git_in(&linked, &["add", "-A"]);
    let (_, sink) = read(&linked.join("d"));
    assert_eq!(sink.texts(Place::Staged), [text("b", "linked b")]);
}

#[test]
fn before_the_first_commit_everything_is_new() {
    let fixture = Fixture::new();
    let (ledger, _) = read(&fixture.path());
    assert_eq!(ledger.counted(Counter::IndexEntries), 0);
    fixture.write("d/a", "x");
    fixture.git(&["add", "-A"]);
    let (_, sink) = read(&fixture.path());
    assert_eq!(sink.texts(Place::Staged), [text("d/a", "x")]);
    assert_eq!(sink.paths(Place::FileName), ["d", "d/a"]);
}

#[test]
fn a_cached_tree_that_nests_without_end_is_refused() {
    let fixture = Fixture::new();
    fixture.write("a", "x");
    fixture.git(&["add", "-A"]);
    let path = fixture.path().join(".git/index");
    let mut index = fs::read(&path).unwrap();
    let end = index.len() - 20;
    index.truncate(end);
    let depth = 300_000;
    let body = [&b"\0-1 1\n"[..], &b"d\0-1 1\n".repeat(depth), b"d\0-1 0\n"].concat();
    index.extend(b"TREE");
    index.extend((body.len() as u32).to_be_bytes());
    index.extend(body);
    index.extend([0; 20]);
    fs::write(&path, index).unwrap();
    let failed = try_read(&staged(&fixture.path()));
    let reason = match failed {
        Err(SourceError::Repository { reason, .. }) => reason,
        _ => panic!("the index is read"),
    };
    assert!(reason.contains("nests too deep"), "{reason}");
}

#[test]
fn all_sides_of_a_conflict_are_read() {
    let fixture = sample();
    fixture.git(&["checkout", "-q", "-b", "side"]);
    fixture.write("a", "theirs");
    fixture.commit("side");
    fixture.git(&["checkout", "-q", "main"]);
    fixture.write("a", "ours");
    fixture.commit("main");
    let (merged, _) = fixture.try_git(&fixture.path(), &["merge", "-q", "side"]);
    assert!(!merged);
    let (_, sink) = read(&fixture.path());
    assert_eq!(
        sink.texts(Place::Staged),
        [text("a", "a"), text("a", "ours"), text("a", "theirs")]
    );
}

#[test]
fn only_the_name_of_an_intended_file_is_known() {
    let fixture = sample();
    fixture.write("soon", "content");
    fixture.git(&["add", "--intent-to-add", "soon"]);
    let (ledger, sink) = read(&fixture.path());
    assert_eq!(sink.texts(Place::FileName), [text("soon", "soon")]);
    assert!(sink.texts(Place::Staged).is_empty());
    assert!(!ledger.is_incomplete());
}

#[test]
#[cfg(unix)]
fn a_file_that_becomes_a_link_is_read_but_not_one_that_becomes_executable() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = sample();
    fs::remove_file(fixture.path().join("a")).unwrap();
    std::os::unix::fs::symlink("made-up-target", fixture.path().join("a")).unwrap();
    fs::set_permissions(fixture.path().join("b"), fs::Permissions::from_mode(0o755)).unwrap();
    fixture.git(&["add", "-A"]);
    let (_, sink) = read(&fixture.path());
    assert_eq!(
        sink.texts(Place::SymlinkTarget),
        [text("a", "made-up-target")]
    );
    assert!(sink.texts(Place::Staged).is_empty());
}

#[test]
fn a_submodule_is_listed() {
    let fixture = sample();
    let inner = fixture.beside("inner");
    fs::create_dir(&inner).unwrap();
    fixture.git_in(&inner, &["init", "-q"]);
    fixture.git_in(&inner, &["commit", "-q", "--allow-empty", "-m", "x"]);
    let url = inner.to_str().unwrap().to_owned();
    fixture.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        &url,
        "sub",
    ]);
    let (ledger, sink) = read(&fixture.path());
    assert_eq!(sink.paths(Place::Staged), [".gitmodules"]);
    assert_eq!(ledger.skipped.get(&SkipCause::Submodule), Some(&1));
    fixture.commit("with");
    let (ledger, _) = read(&fixture.path());
    assert!(ledger.skips.is_empty());
}

#[test]
fn other_forms_of_the_index_are_read() {
    let forms: [&[&str]; 3] = [
        &["update-index", "--index-version", "4"],
        &["update-index", "--split-index"],
        &["update-index", "--index-version", "3", "--untracked-cache"],
    ];
    for form in forms {
        let fixture = sample();
        fixture.git(form);
        fixture.write("d/e/a", "new");
        fixture.git(&["add", "-A"]);
        let (ledger, sink) = read(&fixture.path());
        assert_eq!(
            sink.texts(Place::Staged),
            [text("d/e/a", "new")],
            "{form:?}"
        );
        assert_eq!(ledger.counted(Counter::IndexEntries), 7, "{form:?}");
    }
}

#[test]
fn a_sparse_index_is_read_through_its_trees() {
    let fixture = sample();
    fixture.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "f"]);
    fixture.write("f/a", "new");
    fixture.git(&["add", "f/a"]);
    let (ledger, sink) = read(&fixture.path());
    // Two directories, but one entry: the rest are four files at the root and the one in `f`.
    assert_eq!(ledger.counted(Counter::IndexEntries), 5);
    assert_eq!(sink.texts(Place::Staged), [text("f/a", "new")]);
    // A change in what is not checked out: against another HEAD.
    fixture.git(&["commit", "-q", "-m", "two"]);
    let base = fixture.id("HEAD").to_string();
    let full = fixture.beside("full");
    let name = full.to_str().unwrap().to_owned();
    fixture.git(&["worktree", "add", "-q", "-b", "full", &name]);
    fixture.git_in(&full, &["sparse-checkout", "disable"]);
    fs::write(full.join("d/e/b"), "changed").unwrap();
    fs::write(full.join("d/e/z"), "added").unwrap();
    fixture.git_in(&full, &["add", "-A"]);
    fixture.git_in(&full, &["commit", "-q", "-m", "three"]);
    fixture.git(&["reset", "-q", "--hard", "full"]);
    fixture.git(&["reset", "-q", "--soft", &base]);
    let (ledger, sink) = read(&fixture.path());
    assert_eq!(ledger.counted(Counter::IndexEntries), 5);
    assert_eq!(
        sink.texts(Place::Staged),
        [text("d/e/b", "changed"), text("d/e/z", "added")]
    );
}

#[test]
fn a_missing_blob_is_a_gap() {
    let fixture = sample();
    fixture.write("a", "to be lost");
    fixture.git(&["add", "a"]);
    let id = fixture.git(&["rev-parse", ":a"]);
    let object = fixture.path().join(".git/objects").join(&id[..2]);
    fs::remove_file(object.join(&id[2..])).unwrap();
    let (ledger, sink) = read(&fixture.path());
    assert!(sink.texts(Place::Staged).is_empty());
    assert_eq!(ledger.skipped.get(&SkipCause::MissingObject), Some(&1));
    assert!(ledger.is_incomplete());
}

#[test]
fn a_missing_tree_is_a_gap_and_makes_its_files_new() {
    let fixture = sample();
    fixture.write("d/e/b", "new");
    fixture.git(&["add", "-A"]);
    let id = fixture.git(&["rev-parse", "HEAD:d/e"]);
    let object = fixture.path().join(".git/objects").join(&id[..2]);
    fs::remove_file(object.join(&id[2..])).unwrap();
    let (ledger, sink) = read(&fixture.path());
    assert_eq!(sink.paths(Place::Staged), ["d/e/a", "d/e/b"]);
    assert!(ledger.is_incomplete());
}

#[test]
fn an_index_that_cannot_be_read_is_an_error() {
    let fixture = sample();
    for content in ["DIRC", "DIRC\0\0\0\x09\0\0\0\0", "", "none of it"] {
        fs::write(fixture.path().join(".git/index"), content).unwrap();
        let result = try_read(&staged(&fixture.path()));
        assert!(
            matches!(result, Err(SourceError::Repository { .. })),
            "{content}"
        );
    }
}

#[test]
fn a_bare_repository_has_nothing_staged_and_says_why() {
    let fixture = sample();
    let bare = fixture.beside("bare");
    fixture.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let failed = try_read(&staged(&bare));
    assert!(matches!(failed, Err(SourceError::Bare { .. })));
}

#[test]
fn the_index_that_git_names_to_hooks_counts() {
    let fixture = sample();
    fixture.write("a", "staged");
    fixture.git(&["add", "a"]);
    let other = fixture.path().join(".git/other-index");
    fs::copy(fixture.path().join(".git/index"), &other).unwrap();
    fixture.git(&["reset", "-q"]);
    assert!(read(&fixture.path()).1.blobs().is_empty());
    let source = Staged {
        index: Some(other),
        ..staged(&fixture.path())
    };
    let (_, sink) = try_read(&source).unwrap();
    assert_eq!(sink.texts(Place::Staged), [text("a", "staged")]);
}

#[test]
fn what_the_user_excludes_is_counted() {
    let fixture = sample();
    fixture.write("vendor/x/y", "new");
    fixture.git(&["add", "-A"]);
    let source = Staged {
        exclude: Excludes::new(&["vendor/"]).unwrap(),
        ..staged(&fixture.path())
    };
    let (ledger, sink) = try_read(&source).unwrap();
    assert!(sink.texts(Place::Staged).is_empty());
    assert!(ledger.skipped.contains_key(&SkipCause::ExcludedPath));
    assert!(!ledger.is_incomplete());
}

#[test]
fn lfs_pointers_lead_to_content_or_to_a_note() {
    let fixture = sample();
    let oid = "0123456789abcdef".repeat(4);
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 7\n");
    fixture.write("big", &pointer);
    fixture.git(&["add", "-A"]);
    let (ledger, sink) = read(&fixture.path());
    assert!(!ledger.is_incomplete() && ledger.notes[0].contains("LFS"));
    assert_eq!(sink.texts(Place::Staged), [text("big", &pointer)]);
    fixture.write(&format!(".git/lfs/objects/01/23/{oid}"), "content");
    let (ledger, sink) = read(&fixture.path());
    assert!(!ledger.is_incomplete());
    assert_eq!(sink.texts(Place::Staged), [text("big", "content")]);
}

#[test]
fn many_changes_are_shared_by_threads() {
    let fixture = sample();
    for i in 0..60 {
        fixture.write(&format!("m/{i}"), format!("{i}"));
    }
    fixture.git(&["add", "-A"]);
    let (ledger, sink) = read(&fixture.path());
    assert_eq!(sink.texts(Place::Staged).len(), 60);
    assert_eq!(ledger.counted(Counter::Files), 60);
}

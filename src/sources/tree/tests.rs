//! Trees in temporary directories. Repositories are made by the real git.

use std::{
    os::unix::ffi::OsStrExt,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use std::fs::{self, File};

use super::super::{Quiet, testing::Collect};
use super::{leaf::open, *};
use crate::model::Counter;

/// Writes files, making their directories.
fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn git(dir: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=n", "-c", "user.email=e@example.com"])
        .args([
            "-c",
            "protocol.file.allow=always",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn read_with(tree: &Tree, threads: usize) -> (Ledger, Collect) {
    let sink = Collect::default();
    let stop = AtomicBool::new(false);
    let ledger = tree.read(&sink.run(&Quiet, &stop, threads)).unwrap();
    (ledger, sink)
}

fn read(root: &Path) -> (Ledger, Collect) {
    read_with(&Tree::new(root, TreeOptions::default()), 2)
}

/// Returns the paths of files outside of git directories, whose number and content depend on git's version.
fn files(sink: &Collect) -> Vec<String> {
    let mut paths = sink.paths(Place::File);
    paths.retain(|path| !path.split('/').any(|part| part == ".git"));
    paths
}

/// Returns what the name of an absolute root is scanned as.
fn own_name(root: &Path) -> String {
    root.display()
        .to_string()
        .trim_start_matches('/')
        .to_owned()
}

fn skips(ledger: &Ledger, cause: SkipCause) -> Vec<String> {
    ledger
        .skips
        .iter()
        .filter(|skip| skip.cause == cause)
        .map(|skip| skip.path.to_string())
        .collect()
}

#[test]
fn every_file_is_read_hidden_ones_and_binaries_too() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("a", "alpha"),
            (".env", "beta"),
            (".github/w.yml", "gamma"),
            ("bin", "nul\0nul"),
            ("empty", ""),
            (".gitignore", "*"),
            (".ignore", "*"),
        ],
    );
    let (ledger, sink) = read(dir.path());
    // No repository: ignore files mean nothing here.
    assert_eq!(
        files(&sink),
        [".env", ".github/w.yml", ".gitignore", ".ignore", "a", "bin"]
    );
    assert_eq!(
        sink.paths(Place::FileName),
        [
            ".env",
            ".github",
            ".github/w.yml",
            ".gitignore",
            ".ignore",
            "a",
            "bin",
            "empty",
            own_name(dir.path()).as_str(),
        ]
    );
    assert_eq!(ledger.counted(Counter::Files), 7);
    assert_eq!(ledger.counted(Counter::Bytes), 5 + 4 + 5 + 7 + 1 + 1);
    assert!(ledger.skips.is_empty());
}

#[test]
fn names_are_scanned_part_by_part() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("dir/file", "")]);
    let (_, sink) = read(dir.path());
    let own = own_name(dir.path());
    let expected = [("dir", "dir"), ("dir/file", "file"), (&own, &own)];
    let expected = expected.map(|(path, name)| (path.to_owned(), name.to_owned()));
    assert_eq!(sink.texts(Place::FileName), expected);
}

#[test]
fn ignore_files_hide_untracked_files_only_and_what_they_hide_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    write(
        root,
        &[
            (".gitignore", "*.log\n/build/\n!keep.log\n"),
            ("sub/.gitignore", "local\n"),
            (".git/info/exclude", "private\n"),
            ("a.log", "x"),
            ("keep.log", "x"),
            ("tracked.log", "x"),
            ("build/a", "x"),
            ("build/b", "x"),
            ("sub/local", "x"),
            ("sub/build/a", "x"),
            ("private", "x"),
            ("untracked", "x"),
            (".ignore", "*"),
            (".rgignore", "*"),
        ],
    );
    git(root, &["add", "-f", "tracked.log", ".gitignore"]);
    let (ledger, sink) = read(root);
    assert_eq!(
        files(&sink),
        [
            ".gitignore",
            ".ignore",
            ".rgignore",
            "keep.log",
            "sub/.gitignore",
            "sub/build/a",
            "tracked.log",
            "untracked"
        ]
    );
    assert_eq!(
        skips(&ledger, SkipCause::Ignored),
        ["a.log", "build", "private", "sub/local"]
    );
    assert!(!ledger.is_incomplete());
    let tree = Tree::new(
        root,
        TreeOptions {
            no_ignore: true,
            ..TreeOptions::default()
        },
    );
    let (ledger, sink) = read_with(&tree, 2);
    assert_eq!(files(&sink).len(), 13);
    assert!(ledger.skips.is_empty());
}

#[test]
fn tracked_files_in_an_ignored_directory_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    write(
        root,
        &[
            ("d/e/tracked", "x"),
            ("d/e/other", "x"),
            ("d/f/g", "x"),
            ("d/h", "x"),
        ],
    );
    git(root, &["add", "-f", "d/e/tracked"]);
    write(
        root,
        &[(".gitignore", "d/\n"), ("d/e/.gitignore", "!other\n")],
    );
    let (ledger, sink) = read(root);
    assert_eq!(files(&sink), [".gitignore", "d/e/tracked"]);
    assert_eq!(
        skips(&ledger, SkipCause::Ignored),
        ["d/e/.gitignore", "d/e/other", "d/f", "d/h"]
    );
}

#[test]
fn a_sub_directory_obeys_the_ignore_files_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    write(
        root,
        &[
            (".gitignore", "/a/b/x\n*.o\n"),
            ("a/b/x", "x"),
            ("a/b/y", "y"),
            ("a/b/z.o", "z"),
        ],
    );
    let tree = Tree {
        prefix: BlobPath::from("a/b"),
        ..Tree::new(root.join("a/b"), TreeOptions::default())
    };
    let (ledger, sink) = read_with(&tree, 1);
    assert_eq!(files(&sink), ["a/b/y"]);
    assert_eq!(skips(&ledger, SkipCause::Ignored), ["a/b/x", "a/b/z.o"]);
}

#[test]
fn repositories_inside_are_read_as_files_under_their_own_rules() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    write(
        root,
        &[
            (".gitignore", "*.log\n"),
            ("in/a.log", "x"),
            ("in/b.txt", "x"),
            ("in/c.txt", "x"),
        ],
    );
    git(&root.join("in"), &["init", "-q"]);
    write(root, &[("in/.gitignore", "*.txt\n")]);
    git(&root.join("in"), &["add", "-f", "c.txt"]);
    let (ledger, sink) = read(root);
    assert_eq!(
        files(&sink),
        [".gitignore", "in/.gitignore", "in/a.log", "in/c.txt"]
    );
    assert_eq!(skips(&ledger, SkipCause::Submodule), ["in/.git"]);
    assert_eq!(skips(&ledger, SkipCause::Ignored), ["in/b.txt"]);
}

#[test]
fn a_git_directory_that_is_none_changes_no_rules() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    write(
        root,
        &[
            ("in/.git/config", ""),
            ("in/.gitignore", "*\n"),
            ("in/a", "x"),
        ],
    );
    git(root, &["add", "-f", "in/a"]);
    let (ledger, sink) = read(root);
    assert_eq!(files(&sink), ["in/a"]);
    assert_eq!(skips(&ledger, SkipCause::Ignored), ["in/.gitignore"]);
}

/// Makes a repository with a nested one, with objects of all kinds and with other things in its git directory.
fn full_repository(root: &Path) {
    git(root, &["init", "-q"]);
    git(root, &["init", "-q", "in"]);
    write(
        root,
        &[(".gitignore", "*\n!/in\n"), ("a", "x"), ("in/b", "x")],
    );
    git(root, &["add", "-f", "a"]);
    git(root, &["commit", "-q", "-m", "m"]);
    git(root, &["gc", "-q"]);
    git(&root.join("in"), &["add", "-f", "b"]);
    git(&root.join("in"), &["commit", "-q", "-m", "m"]);
    write(
        root,
        &[
            (".git/hooks/post-checkout", "hook"),
            (".git/lfs/objects/ab/cd/abcd", "large"),
            (".git/modules/m/HEAD", "ref: x"),
            (".git/modules/m/refs/x", ""),
            (".git/modules/m/config", "module"),
            (
                ".git/modules/m/objects/12/34567890123456789012345678901234567890",
                "loose",
            ),
            (".git/objects/notes.txt", "beside"),
            (".git/objects/pack/pack-none.keep", "kept"),
            (".git/objects/pack/other.pack", "PACK and so on"),
            (".git/objects/pack/notes.idx", "no index of a pack"),
            (".git/index.txt", "no index"),
            ("in/.git/info/exclude", "*"),
        ],
    );
}

#[test]
fn git_directories_are_read_but_for_their_objects_and_index() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    full_repository(root);
    let (ledger, sink) = read(root);
    let paths = sink.paths(Place::File);
    for wanted in [
        ".git/COMMIT_EDITMSG",
        ".git/HEAD",
        ".git/config",
        ".git/hooks/post-checkout",
        ".git/index.txt",
        ".git/lfs/objects/ab/cd/abcd",
        ".git/modules/m/config",
        ".git/objects/notes.txt",
        ".git/objects/pack/pack-none.keep",
        ".git/objects/pack/notes.idx",
        "in/.git/config",
        "in/.git/info/exclude",
    ] {
        assert!(
            paths.iter().any(|path| path == wanted),
            "{wanted} {paths:?}"
        );
    }
    let storage = |path: &String| {
        path.ends_with("index") || path.ends_with(".pack") || path.contains("objects/12/")
    };
    assert!(!paths.iter().any(storage), "{paths:?}");
    assert!(
        !paths.iter().any(|path| path.starts_with(".git/logs/")),
        "{paths:?}"
    );
    let own = own_name(root);
    let names = sink.paths(Place::FileName);
    assert!(
        !names.iter().any(|name| *name != own && storage(name)),
        "{names:?}"
    );
    assert_eq!(
        skips(&ledger, SkipCause::Submodule),
        [".git/modules/m", "in/.git"]
    );
    assert_eq!(ledger.notes.len(), 1);
    assert!(!ledger.is_incomplete());
    // With its history read, too, nothing is left to say.
    let tree = Tree {
        history: true,
        ..Tree::new(root, TreeOptions::default())
    };
    assert!(read_with(&tree, 2).0.notes.is_empty());
    // The directory itself may be named.
    let (_, sink) = read(&root.join(".git"));
    let paths = sink.paths(Place::File);
    assert!(paths.iter().any(|path| path == "config") && !paths.iter().any(storage));
}

#[test]
fn what_no_history_reads_is_text_though_it_looks_like_storage() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    git(root, &["init", "-q", "unknown"]);
    write(
        root,
        &[
            (".git/index", "DIRC in its place"),
            (".git/index.old", "DIRC beside it"),
            (".git/hooks/index", "DIRC below it"),
            (".git/hooks/commit-graph", "CGPH below it"),
            (".git/objects/info/commit-graph", "CGPH in its place"),
            (".git/worktrees/w/commondir", "../.."),
            (".git/worktrees/w/index", "DIRC in its place"),
            (".git/worktrees/none/index", "DIRC of no worktree"),
            ("none/.git/index", "DIRC without a repository"),
            ("none/.git/objects/info/commit-graph", "CGPH alone"),
            ("half/.git/HEAD", "ref: x"),
            ("half/.git/modules/m/HEAD", "ref: x"),
            ("half/.git/modules/m/index", "DIRC without objects"),
            (
                "unknown/.git/config",
                "[extensions]\n\tobjectFormat = none\n",
            ),
            ("unknown/.git/index", "DIRC of an unknown format"),
        ],
    );
    let (ledger, sink) = read(root);
    let texts = sink.texts(Place::File);
    let storage = texts
        .iter()
        .filter(|(_, text)| ["DIRC", "CGPH"].iter().any(|start| text.starts_with(start)));
    let paths: Vec<&str> = storage.map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            ".git/hooks/commit-graph",
            ".git/hooks/index",
            ".git/index.old",
            ".git/worktrees/none/index",
            "half/.git/modules/m/index",
            "none/.git/index",
            "none/.git/objects/info/commit-graph",
            "unknown/.git/index",
        ]
    );
    let told = ledger.notes.iter().filter(|n| n.contains("were not read"));
    assert_eq!(told.count(), 1, "{:?}", ledger.notes);
}

#[test]
fn what_is_left_out_of_a_git_directory_is_told_whatever_else_it_holds() {
    for storage in [
        "index",
        "objects/info/commit-graph",
        "logs/HEAD",
        "objects/12/34567890123456789012345678901234567890",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        git(root, &["init", "-q"]);
        git(root, &["init", "-q", "in"]);
        let text = if storage == "index" { "DIRC" } else { "CGPH" };
        for git_dir in [".git", "in/.git"] {
            write(root, &[(&format!("{git_dir}/{storage}"), text)]);
        }
        let (ledger, sink) = read(root);
        assert!(!sink.texts(Place::File).iter().any(|(_, t)| t == text));
        assert_eq!(skips(&ledger, SkipCause::Submodule), ["in/.git"]);
        let told = ledger.notes.iter().filter(|n| n.contains("--history"));
        assert_eq!(told.count(), 1, "{storage}: {:?}", ledger.notes);
    }
}

#[test]
fn the_name_of_the_root_is_what_the_user_gave() {
    let name_of = |path: &str| named(Path::new(path)).display().to_string();
    for path in [".", "", "./", "..", "a/..", "./a/../..", "/"] {
        assert_eq!(name_of(path), "", "{path}");
    }
    for path in ["a/b", "./a/b", "/a/b", "../a/b", "a/b/c/.."] {
        assert_eq!(name_of(path), "a/b", "{path}");
    }
}

#[test]
fn a_file_or_an_empty_folder_named_git_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    write(
        root,
        &[
            (".gitignore", "*\n"),
            ("a/.git", "no link"),
            ("b/.git/objects/ab/c", "no HEAD beside it"),
            ("b/.git/deep/.git/d", "x"),
        ],
    );
    git(root, &["config", "x.y", "z"]);
    fs::write(root.join("in"), "").unwrap();
    let tree = Tree::new(
        root,
        TreeOptions {
            no_ignore: true,
            ..TreeOptions::default()
        },
    );
    let (ledger, sink) = read_with(&tree, 2);
    let paths = sink.paths(Place::File);
    for wanted in ["a/.git", "b/.git/objects/ab/c", "b/.git/deep/.git/d"] {
        assert!(
            paths.iter().any(|path| path == wanted),
            "{wanted} {paths:?}"
        );
    }
    assert!(ledger.notes.is_empty() && ledger.skips.is_empty());
}

#[test]
fn ignore_files_in_doubt_hide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    write(root, &[("a/f", "x"), ("b/f", "x"), ("rules", "*\n")]);
    std::os::unix::fs::symlink("../rules", root.join("a/.gitignore")).unwrap();
    fs::write(root.join("b/.gitignore"), "*\n".repeat(600_000)).unwrap();
    let (ledger, sink) = read(root);
    assert_eq!(files(&sink), ["a/f", "b/.gitignore", "b/f", "rules"]);
    assert_eq!(ledger.notes.len(), 2);
}

#[test]
fn a_damaged_index_makes_everything_visible() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    write(
        root,
        &[
            (".gitignore", "*\n"),
            ("a/f", "x"),
            (".git/index", "DIRCjunk"),
        ],
    );
    let (ledger, sink) = read(root);
    assert_eq!(files(&sink), [".gitignore", "a/f"]);
    // The other is that --history reads the index.
    assert_eq!(ledger.notes.len(), 2);
}

#[test]
fn what_the_user_excludes_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("node_modules/a/b", "x"),
            ("x/y.min.js", "x"),
            ("x/y.js", "x"),
        ],
    );
    let options = TreeOptions {
        exclude: Excludes::new(&["node_modules/", "*.min.js"]).unwrap(),
        ..TreeOptions::default()
    };
    let (ledger, sink) = read_with(&Tree::new(dir.path(), options), 2);
    assert_eq!(files(&sink), ["x/y.js"]);
    assert_eq!(
        skips(&ledger, SkipCause::ExcludedPath),
        ["node_modules", "x/y.min.js"]
    );
    assert!(!ledger.is_incomplete());
}

#[test]
fn a_pattern_that_is_no_glob_is_an_error() {
    assert!(matches!(
        Excludes::new(&["a{b"]),
        Err(SourceError::Exclude { .. })
    ));
}

#[test]
fn links_are_text_and_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), &[("secret", "x")]);
    write(dir.path(), &[("d/f", "x")]);
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
    };
    link("..", "d/loop");
    link("self", "self");
    link(outside.path().to_str().unwrap(), "out");
    link("made-up-target-text", "dangling");
    let (ledger, sink) = read(dir.path());
    assert_eq!(files(&sink), ["d/f"]);
    let targets = sink.texts(Place::SymlinkTarget);
    assert_eq!(targets.len(), 4);
    assert!(targets.contains(&("dangling".to_owned(), "made-up-target-text".to_owned())));
    assert!(!ledger.is_incomplete());
}

#[test]
fn special_files_are_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    // Opening a FIFO without a writer would block for ever.
    let made = Command::new("mkfifo").arg(dir.path().join("fifo")).status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let (ledger, sink) = read(dir.path());
    assert!(files(&sink).is_empty());
    assert_eq!(skips(&ledger, SkipCause::SpecialFile), ["fifo", "socket"]);
    assert!(!ledger.is_incomplete());
}

#[test]
fn what_takes_a_files_place_is_neither_waited_for_nor_followed() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("f", "x")]);
    let (fifo, link) = (dir.path().join("fifo"), dir.path().join("link"));
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("f", &link).unwrap();
    assert!(!open(&fifo, false).unwrap().metadata().unwrap().is_file());
    assert!(open(&link, false).is_err());
    assert!(open(&link, true).is_ok());
}

#[test]
fn what_the_system_refuses_is_a_gap() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[("closed/f", "x"), ("file", "x"), ("open", "x")],
    );
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("closed", 0o000);
    mode("file", 0o000);
    let refused = fs::read_dir(dir.path().join("closed")).is_err();
    let (ledger, sink) = read(dir.path());
    mode("closed", 0o700);
    if refused {
        assert_eq!(files(&sink), ["open"]);
        assert_eq!(skips(&ledger, SkipCause::Unreadable), ["closed", "file"]);
        assert!(ledger.is_incomplete());
    } else {
        // Root may read everything: then everything must have been read.
        assert_eq!(files(&sink), ["closed/f", "file", "open"]);
        assert!(!ledger.is_incomplete());
    }
}

#[test]
fn an_unreadable_file_is_a_gap_for_root_too() {
    // Reading from its start fails whoever asks: nothing is mapped there.
    if !Path::new("/proc/self/mem").exists() {
        return;
    }
    let mut ledger = Ledger::default();
    let sink = Collect::default();
    let stop = AtomicBool::new(false);
    let run = sink.run(&Quiet, &stop, 1);
    let big = Mutex::new(());
    let mut contents = Contents::new(&run, Sizes::default(), &big);
    let mut receiver = run.sink.receiver();
    let blob = BlobPath::from("f");
    let mut hands = Hands {
        contents: &mut contents,
        receiver: &mut *receiver,
        ledger: &mut ledger,
    };
    file(Path::new("/proc/self/mem"), false, &blob, &mut hands);
    file(Path::new("/nonexistent/f"), false, &blob, &mut hands);
    assert_eq!(ledger.skipped.get(&SkipCause::Unreadable), Some(&2));
}

#[test]
fn names_may_hold_anything() {
    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"a\x1b[31m\xff\nb");
    if fs::write(dir.path().join(name), "x").is_err() {
        // Not every file system takes such names.
        return;
    }
    let (_, sink) = read(dir.path());
    assert_eq!(files(&sink), ["a\\x1b[31m\\xff\\x0ab"]);
}

#[test]
fn large_and_sparse_files_come_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let sparse = File::create(dir.path().join("sparse")).unwrap();
    sparse.set_len(2 << 20).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"needle", 1_500_000).unwrap();
    let sizes = Sizes {
        whole: 1 << 16,
        piece: 1 << 15,
        overlap: 1 << 10,
        ..Sizes::default()
    };
    let options = TreeOptions {
        sizes,
        ..TreeOptions::default()
    };
    let (ledger, sink) = read_with(&Tree::new(dir.path(), options), 2);
    let blobs = sink.blobs();
    let piece: Vec<_> = blobs.iter().filter(|b| b.place == Place::File).collect();
    assert_eq!(piece.len(), 1);
    // Zeros have no lines.
    assert_eq!(
        (piece[0].line, u64::from(piece[0].column)),
        (1, piece[0].offset + 1)
    );
    let at = 1_500_000 - usize::try_from(piece[0].offset).unwrap();
    assert_eq!(&piece[0].bytes[at..at + 6], b"needle");
    assert_eq!(ledger.counted(Counter::Bytes), 2 << 20);
}

#[test]
fn a_size_limit_is_loud() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("a", "12345"), ("b", "1234")]);
    let mut options = TreeOptions::default();
    options.sizes.limit = Some(4);
    let (ledger, sink) = read_with(&Tree::new(dir.path(), options), 2);
    assert_eq!(files(&sink), ["b"]);
    assert_eq!(skips(&ledger, SkipCause::TooLarge), ["a"]);
    assert!(ledger.is_incomplete());
}

#[test]
fn threads_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    git(root, &["init", "-q"]);
    let names: Vec<String> = (0..300)
        .map(|i| format!("d{}/e{}/f{i}.txt", i % 7, i % 3))
        .collect();
    let files: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), n.as_str())).collect();
    write(root, &files);
    write(
        root,
        &[(".gitignore", "f1*\ne2/\n"), ("d3/.gitignore", "!f1*\n")],
    );
    git(root, &["add", "-f", "d5/e2"]);
    let tree = Tree::new(root, TreeOptions::default());
    let (ledger, sink) = read_with(&tree, 1);
    let mut seen = sink.blobs();
    seen.sort();
    assert!(
        ledger
            .skipped
            .get(&SkipCause::Ignored)
            .is_some_and(|n| *n > 10)
    );
    for threads in [2, 8] {
        let (other, sink) = read_with(&tree, threads);
        let mut also = sink.blobs();
        also.sort();
        assert_eq!((&ledger, &seen), (&other, &also));
    }
}

#[test]
fn files_that_change_meanwhile_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, vec![b'x'; 100_000]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for i in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(if i % 2 == 0 { 10 } else { 200_000 }).unwrap();
            }
        });
        for _ in 0..200 {
            let (ledger, _) = read(dir.path());
            assert_eq!(ledger.counted(Counter::Files), 1);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_stopped_run_says_so() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("a", "x")]);
    let sink = Collect::default();
    let stop = AtomicBool::new(true);
    let tree = Tree::new(dir.path(), TreeOptions::default());
    let ledger = tree.read(&sink.run(&Quiet, &stop, 2)).unwrap();
    assert!(sink.blobs().is_empty());
    assert_eq!(ledger.skipped.get(&SkipCause::Interrupted), Some(&1));
}

#[test]
fn a_missing_root_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Collect::default();
    let stop = AtomicBool::new(false);
    let run = sink.run(&Quiet, &stop, 1);
    let tree = Tree::new(dir.path().join("none"), TreeOptions::default());
    assert!(matches!(tree.read(&run), Err(SourceError::Path { .. })));
}

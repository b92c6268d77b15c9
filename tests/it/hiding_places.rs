//! The 36 hiding places: one repository, 36 checksum-valid tokens, each in one place. All are found; under any git
//! configuration the reports are equal byte for byte; a bare mirror clone holds what it can hold.

use std::{fs, io::Write as _};

use crate::support::{Repo, keysweep, keysweep_with, token};

/// What is in the mirror too: all but what lives in the clone's own working tree, index, reflogs, config, or is unreachable.
const NOT_MIRRORED: [u64; 7] = [10, 11, 14, 24, 25, 26, 27];

fn line(seed: u64) -> String {
    format!("token = \"{}\"\n", token(seed))
}

/// Builds the repository. The numbers are those of the study's matrix.
fn build() -> Repo {
    let repo = Repo::new();
    repo.write("README", "A service.\n")
        .write("seed.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n")
        .commit("Begin");
    commits(&repo);
    merges(&repo);
    encodings(&repo);
    odd_paths(&repo);
    objects_and_refs(&repo);
    work_tree(&repo);
    repo
}

/// 1-3, 6, 7, 15, 16, 20, 21, 23.
fn commits(repo: &Repo) {
    repo.write("head.py", line(1))
        .write("gone.py", line(2))
        .commit("Add two");
    fs::remove_file(repo.path().join("gone.py")).unwrap();
    repo.commit("Remove one");
    repo.git(&["mv", "seed.txt", "moved.txt"]);
    repo.write(
        "moved.txt",
        format!("one\ntwo\nthree\nfour\nfive\nsix\nseven\n{}", line(3)),
    )
    .commit("Rename and edit");
    repo.commit(&format!("Use {} for the deploy", token(6)));
    repo.git(&[
        "tag",
        "-a",
        "v1",
        "-m",
        &format!("Released with {}", token(7)),
    ]);
    repo.write("hidden.cfg", line(15))
        .write(".gitattributes", "hidden.cfg -diff\n")
        .commit("Hide a file from diffs");
    repo.write(
        "data.bin",
        [
            b"\x00\x01\x02\x00".as_slice(),
            line(16).as_bytes(),
            b"\x00\xff\x00",
        ]
        .concat(),
    )
    .commit("Add data");
    repo.write(&format!("notes-{}.txt", token(20)), "nothing\n")
        .commit("Add notes");
    #[cfg(unix)]
    std::os::unix::fs::symlink(format!("/srv/{}", token(21)), repo.path().join("link")).unwrap();
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-q", "-m", "Add a link"]);
    repo.git_with(
        &["commit", "-q", "--allow-empty", "-m", "By a strange author"],
        &format!("Bot {}", token(23)),
        b"",
    );
}

/// 4 and 5.
fn merges(repo: &Repo) {
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.write("side.txt", "side\n").commit("Side");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("main.txt", "main\n").commit("Main");
    repo.git(&["merge", "-q", "--no-commit", "--no-ff", "side"]);
    repo.write("evil.txt", line(4)).commit("Merge side");
    repo.git(&["checkout", "-q", "-b", "conflict"]);
    repo.write("main.txt", "theirs\n").commit("Theirs");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("main.txt", "ours\n").commit("Ours");
    let merge = std::process::Command::new("git")
        .args([
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.com",
            "merge",
            "-q",
            "conflict",
        ])
        .current_dir(repo.path())
        .output()
        .unwrap();
    assert!(!merge.status.success(), "the merge conflicts");
    repo.write("main.txt", format!("both\n{}", line(5)))
        .commit("Resolve");
}

/// 17, 18, 19, 28-32.
fn encodings(repo: &Repo) {
    use base64::Engine as _;
    let utf16: Vec<u8> = format!("\u{feff}{}", line(17))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    repo.write("wide.txt", utf16);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("inner/key.txt", zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(line(18).as_bytes()).unwrap();
    repo.write("bundle.zip", zip.finish().unwrap().into_inner());
    repo.write(
        "secret.yaml",
        format!(
            "data:\n  blob: {}\n",
            base64::engine::general_purpose::STANDARD.encode(line(19))
        ),
    );
    let percent: String = token(28).bytes().map(|b| format!("%{b:02X}")).collect();
    repo.write("url.txt", format!("https://example.com/?q={percent}&x=1\n"));
    repo.write(
        "long.js",
        format!("{}{}", "var a=1;".repeat(15_000), line(29)),
    );
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(line(30).as_bytes()).unwrap();
    repo.write("dump.gz", gzip.finish().unwrap());
    repo.write(
        "crlf.ini",
        format!("[a]\r\nb=1\r\n{}\r\n", line(31).trim_end()),
    );
    repo.write("cr.ini", format!("[a]\rb=1\r{}\r", line(32).trim_end()));
    repo.commit("Add encodings");
}

/// 33-35.
fn odd_paths(repo: &Repo) {
    repo.write("node_modules/dep/index.js", line(33));
    repo.write(
        "package-lock.json",
        format!("{{\"resolved\": \"https://x/{}\"}}\n", token(34)),
    );
    repo.write("logo.svg", format!("<svg><!-- {} --></svg>\n", token(35)));
    repo.commit("Add odd paths");
}

/// 8-14, 22, 36.
fn objects_and_refs(repo: &Repo) {
    repo.git(&["notes", "add", "-m", &line(8), "HEAD"]);
    repo.write("stashed.txt", line(9));
    repo.git(&["add", "-A"]);
    repo.git(&["stash", "-q"]);
    repo.write("amended.txt", line(10)).commit("To be amended");
    fs::remove_file(repo.path().join("amended.txt")).unwrap();
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "Amended"]);
    repo.git_with(&["hash-object", "-w", "--stdin"], "x", line(11).as_bytes());
    let tagged = repo.git_with(&["hash-object", "-w", "--stdin"], "x", line(12).as_bytes());
    repo.git(&["tag", "a-blob", &tagged]);
    for (seed, reference) in [(13, Some("refs/pull/1/head")), (14, None)] {
        let blob = repo.git_with(
            &["hash-object", "-w", "--stdin"],
            "x",
            line(seed).as_bytes(),
        );
        let tree = repo.git_with(
            &["mktree"],
            "x",
            format!("100644 blob {blob}\tpull{seed}.txt\n").as_bytes(),
        );
        let commit = repo.git(&["commit-tree", &tree, "-m", "Made by hand"]);
        if let Some(reference) = reference {
            repo.git(&["update-ref", reference, &commit]);
        }
    }
    repo.git(&["branch", &format!("fix-{}", token(22))]);
    repo.write("replaced.txt", line(36))
        .commit("To be replaced");
    let hidden = repo.git(&["rev-parse", "HEAD:replaced.txt"]);
    let harmless = repo.git_with(&["hash-object", "-w", "--stdin"], "x", b"nothing here\n");
    repo.git(&["replace", &hidden, &harmless]);
}

/// 24-27.
fn work_tree(repo: &Repo) {
    repo.git(&[
        "remote",
        "add",
        "origin",
        &format!("https://bot:{}@example.com/x.git", token(24)),
    ]);
    fs::write(repo.path().join(".git/info/exclude"), "ignored.env\n").unwrap();
    repo.write("ignored.env", line(25))
        .write("untracked.env", line(26));
    repo.write("staged.txt", line(27));
    repo.git(&["add", "staged.txt"]);
    repo.write("staged.txt", "clean again\n");
}

fn all() -> Vec<String> {
    let mut all: Vec<String> = (1..=36).map(token).collect();
    all.sort();
    all
}

#[test]
fn the_name_of_an_untracked_file_is_no_unreachable_object() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n").commit("Begin");
    let (root, below) = (token(1), token(2));
    repo.write(&format!("{root}.txt"), "x\n");
    repo.write(&format!("sub/{below}.txt"), "x\n");
    let run = keysweep(
        repo.path(),
        &["scan", "--history", "--reveal", "--output=json"],
    );
    let mut found = run.secrets();
    found.sort();
    let mut all = vec![root, below];
    all.sort();
    assert_eq!((found, run.code), (all, 1));
}

#[test]
fn all_36_are_found() {
    let repo = build();
    let run = keysweep(
        repo.path(),
        &[
            "scan",
            "--history",
            "--unreachable",
            "--no-ignore",
            "--output=json",
            "--reveal",
        ],
    );
    let found = run.secrets();
    let missing: Vec<u64> = (1..=36)
        .filter(|seed| !found.contains(&token(*seed)))
        .collect();
    assert!(
        missing.is_empty(),
        "missing rows {missing:?}\n{}",
        run.stderr
    );
    assert_eq!(found, all(), "each once, and nothing else");
    assert_eq!(run.code, 1);
    let notes = run.json()["ledger"]["notes"].to_string();
    assert!(notes.contains("replace"), "replace refs are named: {notes}");
}

#[test]
fn ignored_and_unreachable_ones_need_their_flags_and_are_listed() {
    let repo = build();
    let run = keysweep(
        repo.path(),
        &["scan", "--history", "--output=json", "--reveal"],
    );
    let found = run.secrets();
    for (seed, expected) in [
        (11, false),
        (14, false),
        (25, false),
        (10, true),
        (26, true),
    ] {
        assert_eq!(found.contains(&token(seed)), expected, "row {seed}");
    }
    let ledger = run.json()["ledger"].clone();
    assert_eq!(ledger["read"]["unreachable-findings"], 2, "{ledger}");
    assert!(
        ledger["skips"].to_string().contains("ignored.env"),
        "{ledger}"
    );
}

#[test]
fn hostile_git_configuration_changes_no_byte() {
    let repo = build();
    // The files that turn hostile are there from the start, with as many bytes: texts of the git directory are scanned, too.
    repo.git(&["config", "include.path", "hostile.inc"]);
    let hostile = "[color]\n\tui = always\n[diff]\n\torderFile = /nonexistent/order\n\tnoprefix = true\n[i18n]\n\tlogOutputEncoding = UTF-16\n\
        [log]\n\tdate = relative\n[format]\n\tpretty = oneline\n[core]\n\tquotePath = false\n\tattributesFile = /nonexistent\n\
        \tabbrev = 4\n\tworktree = /nonexistent\n\tbare = true\n[safe]\n\tdirectory = /nowhere\n[extensions]\n\tworktreeConfig = true\n";
    let attributes = "* -diff -text\n";
    let blank = |text: &str| "#".repeat(text.len());
    fs::write(repo.path().join(".git/hostile.inc"), blank(hostile)).unwrap();
    fs::write(repo.path().join(".git/info/attributes"), blank(attributes)).unwrap();
    let args = [
        "scan",
        "--history",
        "--unreachable",
        "--no-ignore",
        "--output=json",
    ];
    let before = keysweep(repo.path(), &args);
    fs::write(repo.path().join(".git/hostile.inc"), hostile).unwrap();
    fs::write(repo.path().join(".git/info/attributes"), attributes).unwrap();
    let hostile = repo.path().join(".git/hostile.inc").display().to_string();
    let after = keysweep_with(
        repo.path(),
        &args,
        &[
            ("GIT_CONFIG_GLOBAL", &hostile),
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "color.ui"),
            ("GIT_CONFIG_VALUE_0", "always"),
            ("GIT_DIR", "/nonexistent"),
            ("GIT_OBJECT_DIRECTORY", "/nonexistent"),
            ("GIT_NO_REPLACE_OBJECTS", "0"),
        ],
        b"",
    );
    assert_eq!(
        String::from_utf8_lossy(&before.stdout),
        String::from_utf8_lossy(&after.stdout)
    );
    assert_eq!((before.code, after.code), (1, 1));
}

#[test]
fn a_bare_mirror_gives_every_row_that_it_holds() {
    let repo = build();
    let mirror = tempfile::tempdir().unwrap();
    let target = mirror.path().join("m.git");
    repo.git(&[
        "clone",
        "-q",
        "--mirror",
        "--no-local",
        ".",
        &target.display().to_string(),
    ]);
    let run = keysweep(&target, &["scan", "--history", "--output=json", "--reveal"]);
    let found = run.secrets();
    let expected: Vec<u64> = (1..=36)
        .filter(|seed| !NOT_MIRRORED.contains(seed))
        .collect();
    let missing: Vec<&u64> = expected
        .iter()
        .filter(|seed| !found.contains(&token(**seed)))
        .collect();
    assert!(
        missing.is_empty(),
        "missing rows {missing:?}\n{}",
        run.stderr
    );
    assert_eq!(found.len(), expected.len());
}

#[test]
fn one_thread_and_eight_write_the_same_bytes() {
    let repo = build();
    for format in ["sarif", "json", "text"] {
        let run = |threads: &str| {
            let output = format!("--output={format}");
            let args = [
                "scan",
                "--history",
                "--unreachable",
                &output,
                "--threads",
                threads,
            ];
            keysweep(repo.path(), &args).text()
        };
        let (one, eight) = (run("1"), run("8"));
        let first = one.lines().zip(eight.lines()).find(|(a, b)| a != b);
        assert!(one == eight, "{format}: {first:?}");
    }
}

//! Input made to blind, crash or exhaust us: clear ledger lines, bounded memory and time, the right exit code.

#![cfg(unix)]

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, fs::symlink},
    process::Command,
};

use serde_json::Value;

use crate::support::{Repo, Run, keysweep, program, token};

fn skipped(run: &Run, cause: &str) -> u64 {
    run.json()["ledger"]["skipped"][cause].as_u64().unwrap_or(0)
}

fn scan(repo: &Repo, extra: &[&str]) -> Run {
    keysweep(
        repo.path(),
        &[&["scan", "--output=json", "--reveal"], extra].concat(),
    )
}

#[test]
fn a_secret_at_the_end_of_a_5_mb_line_is_found() {
    let repo = Repo::plain();
    repo.write(
        "one.js",
        format!("{}t=\"{}\"", "a1=b2;c(d,3);".repeat(400_000), token(1)),
    );
    let run = scan(&repo, &[]);
    assert_eq!((run.secrets(), run.code), (vec![token(1)], 1));
    assert_eq!(
        run.json()["findings"][0]["location"]["start_column"],
        13 * 400_000 + 4
    );
}

#[test]
fn a_2_gb_sparse_file_is_read_in_bounded_memory() {
    let repo = Repo::plain();
    let mut file = File::create(repo.path().join("sparse.img")).unwrap();
    file.write_all(format!("first={}\n", token(1)).as_bytes())
        .unwrap();
    file.set_len(2 << 30).unwrap();
    let mut end = fs::OpenOptions::new()
        .append(true)
        .open(repo.path().join("sparse.img"))
        .unwrap();
    end.write_all(format!("\nlast={}\n", token(2)).as_bytes())
        .unwrap();
    // 400 MB of address space would not hold the file.
    let command = format!(
        "ulimit -v 1500000; exec {} scan --output=json --reveal --threads 2",
        program().display()
    );
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(repo.path())
        .env_clear()
        .output()
        .unwrap();
    let run = Run {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    let mut expected = vec![token(1), token(2)];
    expected.sort();
    assert_eq!((run.secrets(), run.code), (expected, 1));
}

#[test]
fn a_fifo_is_named_and_not_opened() {
    let repo = Repo::plain();
    assert!(
        Command::new("mkfifo")
            .arg(repo.path().join("pipe"))
            .status()
            .unwrap()
            .success()
    );
    let run = scan(&repo, &[]);
    assert_eq!((skipped(&run, "special-file"), run.code), (1, 0));
}

#[test]
fn an_unreadable_directory_makes_the_run_incomplete() {
    let repo = Repo::plain();
    repo.write("closed/a.env", "A=1\n")
        .write("open.env", "A=1\n");
    fs::set_permissions(
        repo.path().join("closed"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    let as_root = fs::read_dir(repo.path().join("closed")).is_ok();
    let run = if as_root {
        // Root reads everything: become nobody for the run.
        fs::set_permissions(repo.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = tempfile::tempdir().unwrap();
        fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = copy.path().join("keysweep");
        // Another process copies it: a file that this one had open for writing could not be run while any thread forks.
        let from = crate::support::program();
        assert!(
            Command::new("cp")
                .arg(from)
                .arg(&program)
                .status()
                .unwrap()
                .success()
        );
        let output = {
            use std::os::unix::process::CommandExt as _;
            Command::new(&program)
                .args(["scan", "--output=json"])
                .current_dir(repo.path())
                .env_clear()
                .uid(65534)
                .gid(65534)
                .output()
                .unwrap()
        };
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    } else {
        scan(&repo, &[])
    };
    fs::set_permissions(
        repo.path().join("closed"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    assert_eq!(
        (skipped(&run, "unreadable"), run.code),
        (1, 3),
        "{}",
        run.stderr
    );
    assert!(run.json()["ledger"]["skips"].to_string().contains("closed"));
}

#[test]
fn a_symlink_loop_is_not_followed() {
    let repo = Repo::plain();
    repo.write("dir/a.env", format!("A={}\n", token(1)));
    symlink("..", repo.path().join("dir/up")).unwrap();
    symlink("self", repo.path().join("self")).unwrap();
    let run = scan(&repo, &[]);
    assert_eq!((run.secrets(), run.code), (vec![token(1)], 1));
}

#[test]
fn a_link_out_of_the_tree_is_not_followed() {
    let outside = Repo::plain();
    outside.write("key.env", format!("A={}\n", token(1)));
    let repo = Repo::plain();
    symlink(outside.path(), repo.path().join("out")).unwrap();
    symlink(outside.path().join("key.env"), repo.path().join("file")).unwrap();
    let run = scan(&repo, &[]);
    assert_eq!((run.secrets(), run.code), (vec![], 0));
}

#[test]
fn names_with_escape_codes_and_invalid_utf8_are_shown_safely() {
    let repo = Repo::plain();
    let name = std::ffi::OsStr::from_bytes(b"a\x1b[2J\xff\n::error::.env");
    fs::write(repo.path().join(name), format!("A={}\n", token(1))).unwrap();
    for format in [
        "text", "json", "jsonl", "sarif", "github", "gitlab", "junit", "markdown",
    ] {
        let run = keysweep(repo.path(), &["scan", &format!("--output={format}")]);
        assert_eq!(run.code, 1, "{format}: {}", run.stderr);
        let all = [run.stdout.as_slice(), run.stderr.as_bytes()].concat();
        assert!(
            !all.contains(&0x1b) && std::str::from_utf8(&all).is_ok(),
            "{format}"
        );
        if format == "github" {
            assert_eq!(
                run.text()
                    .lines()
                    .filter(|line| line.contains("::error") && line.starts_with("::"))
                    .count(),
                1,
                "{}",
                run.text()
            );
        }
    }
}

#[test]
fn a_truncated_pack_is_never_clean() {
    let repo = Repo::new();
    for n in 0..40 {
        repo.write("f.txt", format!("{n}\n").repeat(200))
            .commit("Change");
    }
    repo.git(&["gc", "-q", "--aggressive", "--prune=now"]);
    let packs = repo.path().join(".git/objects/pack");
    let pack = fs::read_dir(packs)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "pack"))
        .unwrap();
    let bytes = fs::read(&pack).unwrap();
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&pack, &bytes[..bytes.len() / 2]).unwrap();
    let run = scan(&repo, &["--history"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(skipped(&run, "unreadable") > 0);
}

#[test]
fn archive_bombs_meet_their_limits() {
    let repo = Repo::plain();
    // Ten levels of gzip around 64 MiB of zeroes, and a zip of a hundred members of 16 MiB each.
    let mut layer = vec![0_u8; 64 << 20];
    for _ in 0..10 {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&layer).unwrap();
        layer = gzip.finish().unwrap();
    }
    repo.write("deep.gz", &layer);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let zeroes = vec![0_u8; 16 << 20];
    for n in 0..100 {
        zip.start_file(format!("{n}.bin"), zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(&zeroes).unwrap();
    }
    repo.write("wide.zip", zip.finish().unwrap().into_inner());
    repo.write("key.env", format!("A={}\n", token(1)));
    let command = format!(
        "ulimit -v 1500000; exec {} scan --output=json --reveal --threads 2",
        program().display()
    );
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(repo.path())
        .env_clear()
        .output()
        .unwrap();
    let run = Run {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert_eq!((run.secrets(), run.code), (vec![token(1)], 1));
    assert!(skipped(&run, "limit-hit") >= 2, "{}", run.json()["ledger"]);
}

#[test]
fn what_is_no_repository_is_never_clean() {
    let repo = Repo::plain();
    repo.write("a.txt", "a\n");
    for mode in [
        ["--history"].as_slice(),
        &["--staged"],
        &["--range", "A..B"],
    ] {
        let run = keysweep(repo.path(), &[&["scan"], mode].concat());
        assert_eq!(run.code, 2, "{mode:?}: {}", run.stderr);
        assert!(
            run.stderr.contains("not inside a git repository") && run.stderr.contains("help:"),
            "{}",
            run.stderr
        );
    }
    let run = keysweep(repo.path(), &["scan", "missing"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("missing"), "{}", run.stderr);
}

#[test]
fn a_shallow_clone_says_where_history_ends() {
    let repo = Repo::new();
    for n in 0..5 {
        repo.write("f.txt", format!("{n}\n")).commit("Change");
    }
    let target = tempfile::tempdir().unwrap();
    let clone = target.path().join("c");
    repo.git(&[
        "clone",
        "-q",
        "--depth",
        "2",
        "--no-local",
        &format!("file://{}", repo.path().display()),
        &clone.display().to_string(),
    ]);
    let run = keysweep(&clone, &["scan", "--history", "--output=json"]);
    assert_eq!(
        (skipped(&run, "shallow-boundary"), run.code),
        (1, 3),
        "{}",
        run.stderr
    );
    let run = keysweep(&clone, &["scan", "--output=json"]);
    assert_eq!(run.code, 0, "a tree scan does not care: {}", run.stderr);
}

#[test]
fn a_partial_clone_counts_what_is_missing_and_fetches_nothing() {
    let repo = Repo::new();
    for n in 0..5 {
        repo.write("f.txt", format!("{n}\n").repeat(50))
            .commit("Change");
    }
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let target = tempfile::tempdir().unwrap();
    let clone = target.path().join("c");
    repo.git(&[
        "clone",
        "-q",
        "--filter=blob:none",
        "--no-checkout",
        "--no-local",
        &format!("file://{}", repo.path().display()),
        &clone.display().to_string(),
    ]);
    let run = keysweep(&clone, &["scan", "--history", "--output=json"]);
    assert_eq!(
        (skipped(&run, "missing-object"), run.code),
        (5, 3),
        "{} {}",
        run.stderr,
        run.json()["ledger"]
    );
}

#[test]
fn a_file_named_like_an_option_is_a_file() {
    let repo = Repo::plain();
    repo.write("--help", format!("A={}\n", token(1)));
    let run = keysweep(
        repo.path(),
        &["scan", "--output=json", "--reveal", "--", "--help"],
    );
    assert_eq!(run.secrets(), [token(1)]);
}

#[test]
fn an_ignore_file_of_another_tool_hides_nothing() {
    let repo = Repo::new();
    repo.write("a.env", format!("A={}\n", token(1)))
        .write(".ignore", "*\n")
        .write(".rgignore", "*\n");
    assert_eq!(scan(&repo, &[]).secrets(), [token(1)]);
}

#[test]
fn tracked_files_are_scanned_whatever_gitignore_says() {
    let repo = Repo::new();
    repo.write("a.env", format!("A={}\n", token(1)))
        .commit("Add");
    repo.write(".gitignore", "*\n");
    let run = scan(&repo, &[]);
    assert_eq!(run.secrets(), [token(1)]);
}

#[test]
fn repositories_of_another_owner_are_read_all_the_same() {
    let repo = Repo::new();
    repo.write("a.env", format!("A={}\n", token(1)))
        .commit("Add");
    let changed = Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(repo.path())
        .status()
        .unwrap()
        .success();
    if !changed {
        eprintln!("skipped: only root can give a repository to another user");
        return;
    }
    let run = scan(&repo, &["--history"]);
    assert_eq!(
        (run.secrets(), run.code),
        (vec![token(1)], 1),
        "{}",
        run.stderr
    );
}

#[test]
fn ledger_is_a_sum_of_its_parts() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n")
        .write("b/c.txt", "c\n")
        .commit("Add");
    let ledger: Value = scan(&repo, &["--history"]).json()["ledger"].clone();
    for (counter, at_least) in [
        ("blobs", 2),
        ("trees", 2),
        ("commits", 1),
        ("refs", 1),
        ("files", 2),
        ("index-entries", 2),
    ] {
        assert!(
            ledger["read"][counter].as_u64().unwrap_or(0) >= at_least,
            "{counter}: {ledger}"
        );
    }
}

#[test]
fn ctrl_c_ends_with_130_and_a_partial_ledger() {
    use std::process::Stdio;
    let repo = Repo::plain();
    // Endless input: the run cannot end by itself.
    let mut endless = Command::new("yes")
        .arg("A=1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let child = Command::new(program())
        .args(["scan", "--stdin", "--output=json"])
        .current_dir(repo.path())
        .env_clear()
        .stdin(endless.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    endless.kill().unwrap();
    endless.wait().unwrap();
    let run = Run {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert_eq!(
        (run.code, skipped(&run, "interrupted")),
        (130, 1),
        "{}",
        run.stderr
    );
    assert!(run.json()["ledger"]["read"]["bytes"].as_u64().unwrap() > 0);
}

#[test]
fn an_ignore_file_that_is_a_fifo_is_not_waited_for() {
    let repo = Repo::new();
    repo.write("a.env", format!("A={}\n", token(1)));
    assert!(
        Command::new("mkfifo")
            .arg(repo.path().join(".gitignore"))
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(scan(&repo, &[]).secrets(), [token(1)]);
}

#[test]
fn ignore_files_of_a_foreign_tree_are_neither_waited_for_nor_followed() {
    let own = Repo::new();
    let other = Repo::new();
    other.write("a.env", format!("A={}\n", token(1)));
    symlink("/dev/zero", other.path().join(".ignore")).unwrap();
    let fifo = other.path().join(".gitignore");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let path = other.path().display().to_string();
    // Whoever waits for the pipe or reads the device does not come to an end, so it gets one.
    let script = "ulimit -v 4000000; exec timeout 60 \"$0\" scan \"$1\" --output=json --reveal";
    let run = Command::new("sh")
        .args(["-c", script])
        .arg(program())
        .arg(&path)
        .current_dir(own.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(text.contains(&token(1)), "{text}");
    assert!(!text.contains("ignore files hide"), "{text}");
}

#[test]
fn files_of_another_repository_are_foreign() {
    let own = Repo::new();
    let other = Repo::new();
    other.write(
        "a.env",
        format!(
            "A={} # keysweep:allow[github-personal-access-token] trust me\n",
            token(1)
        ),
    );
    let file = other.path().join("a.env").display().to_string();
    let run = keysweep(own.path(), &["scan", &file, "--output=json", "--reveal"]);
    assert_eq!(
        (run.secrets(), run.code),
        (vec![token(1)], 1),
        "{}",
        run.stderr
    );
}

#[test]
fn a_report_is_not_written_through_a_planted_link() {
    let repo = Repo::plain();
    let victim = Repo::plain();
    victim.write("file", "precious");
    repo.write("a.env", "A=1\n");
    // Whatever process id the run gets, its temporary name is taken.
    let script = format!(
        "ln -s {} out.json.$$.tmp; exec {} scan --output=json=out.json",
        victim.path().join("file").display(),
        program().display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(repo.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        fs::read_to_string(victim.path().join("file")).unwrap(),
        "precious"
    );
}

/// Returns lines of a made-up private key in DER, of 64 characters.
fn key_lines(count: usize) -> Vec<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 11_u32;
    let mut body = "MIIEvQIBADANBgkqhkiG9w0BAQEF".to_owned();
    while body.len() < 64 * count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        body.push(char::from(DIGITS[(state >> 26) as usize]));
    }
    let lines = body.as_bytes().chunks(64);
    lines
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

#[test]
fn private_keys_are_found_however_their_lines_are_dressed() {
    // Assembled here: the file itself is scanned, too.
    let rim = |word: &str| format!("-----{word} PRIVATE KEY-----");
    let (begin, end) = (rim("BEGIN"), rim("END"));
    let lines = key_lines(8);
    let dressed = |before: &str, after: &str| {
        let all = [
            std::slice::from_ref(&begin),
            &lines,
            std::slice::from_ref(&end),
        ]
        .concat();
        let all = all.iter().map(|line| format!("{before}{line}{after}\n"));
        all.collect::<String>()
    };
    let narrow: Vec<String> = lines.concat().chars().map(String::from).collect();
    let body = lines.join("\n");
    let forms = [
        format!("{begin}\nX: .....\n\n{body}\n{end}\n"),
        format!("{begin}\nX: ${{A}}\n\n{body}\n{end}\n"),
        format!("{begin}\n{}\n{end}\n", narrow.join("\n")),
        dressed("+", ""),
        dressed("-", ""),
        dressed(" ", ""),
        dressed("# ", ""),
        dressed("// ", ""),
        dressed("> ", ""),
        dressed("-- ", ""),
        dressed("REM ", ""),
        dressed("    \"", "\" +"),
        dressed("+    \"", "\\n\" +"),
        dressed("", "<br>"),
        dressed("<p>", "</p>"),
        format!("key: {begin} {} {end}\n", lines.join(" ")),
        format!("{begin} X: a {} {end}\n", lines.join(" ")),
    ];
    let repo = Repo::plain();
    for (n, form) in forms.iter().enumerate() {
        repo.write(&format!("f{n:02}.txt"), form);
    }
    let run = scan(&repo, &[]);
    let report = run.json();
    let mut found: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|finding| finding["occurrences"].as_array().unwrap())
        .map(|place| place["location"]["path"].as_str().unwrap().to_owned())
        .collect();
    found.dedup();
    let expected: Vec<String> = (0..forms.len()).map(|n| format!("f{n:02}.txt")).collect();
    assert_eq!(found, expected, "{}", run.stderr);
}

#[test]
fn ignore_files_of_a_foreign_tree_hide_nothing() {
    let own = Repo::new();
    let other = Repo::new();
    other
        .write(".gitignore", "*\n")
        .write("a.env", format!("A={}\n", token(1)))
        .write("build/b.env", format!("A={}\n", token(2)));
    let path = other.path().display().to_string();
    let mut both = vec![token(1), token(2)];
    both.sort();
    for (extra, expected) in [(&[][..], both), (&["--trust-config"], vec![])] {
        let args = [&["scan", &path, "--output=json", "--reveal"], extra].concat();
        let run = keysweep(own.path(), &args);
        assert_eq!(run.secrets(), expected, "{}", run.stderr);
        let notes = run.json()["ledger"]["notes"].to_string();
        assert_eq!(notes.contains("ignore files"), extra.is_empty(), "{notes}");
    }
    assert_eq!(scan(&other, &[]).secrets(), Vec::<String>::new());
}

#[test]
fn texts_of_the_git_directory_are_read_and_objects_are_named() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n").commit("Begin");
    let url = format!("https://bot:{}@example.com/x.git", token(1));
    repo.git(&["remote", "add", "origin", &url]);
    fs::write(
        repo.path().join(".git/hooks/pre-push"),
        format!("#!/bin/sh\ncurl -H 'Authorization: token {}' x\n", token(2)),
    )
    .unwrap();
    repo.git(&["branch", &format!("fix-{}", token(3))]);
    repo.write("gone.txt", token(4)).commit("Add");
    fs::remove_file(repo.path().join("gone.txt")).unwrap();
    repo.commit("Remove");
    let mut expected: Vec<String> = (1..=3).map(token).collect();
    expected.sort();
    let run = scan(&repo, &[]);
    assert_eq!((run.secrets(), run.code), (expected, 1));
    assert!(
        run.json()["ledger"]["notes"]
            .to_string()
            .contains("--history")
    );
    let mut expected: Vec<String> = (1..=4).map(token).collect();
    expected.sort();
    let run = scan(&repo, &["--history"]);
    assert_eq!(run.secrets(), expected, "each once");
    assert!(
        !run.json()["ledger"]["notes"]
            .to_string()
            .contains("--history")
    );
}

#[test]
fn names_in_the_arguments_are_scanned_and_shown_safely() {
    let repo = Repo::plain();
    let name = format!("a-{}\x1b[2J", token(1));
    let inner = format!("{name}/b");
    repo.write(&format!("{inner}/c.txt"), "nothing\n");
    for path in [name.as_str(), inner.as_str(), &format!("./{inner}")] {
        let run = keysweep(repo.path(), &["scan", path, "--output=json", "--reveal"]);
        assert_eq!(
            (run.secrets(), run.code),
            (vec![token(1)], 1),
            "{}",
            run.stderr
        );
        let run = keysweep(repo.path(), &["scan", path]);
        let all = [run.stdout.as_slice(), run.stderr.as_bytes()].concat();
        assert!(
            !all.contains(&0x1b) && !run.text().contains(&token(1)),
            "{}",
            run.text()
        );
    }
    // What is not there is named in an error.
    for mode in [&[][..], &["--history"], &["--staged"]] {
        let missing = format!("{name}/none");
        let run = keysweep(repo.path(), &[&["scan", &missing], mode].concat());
        assert!(
            run.code == 2 && !run.stderr.contains('\x1b'),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn packed_files_are_unpacked_or_named() {
    let repo = Repo::plain();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.set_comment("see the manual").unwrap();
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("key.env", options).unwrap();
    zip.write_all(format!("A={}\n", token(1)).as_bytes())
        .unwrap();
    let zip = zip.finish().unwrap().into_inner();
    repo.write("setup.bin", [vec![b'#'; 18 << 20], zip].concat());
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(format!("A={}\n", token(2)).as_bytes())
        .unwrap();
    repo.write("page.z", zlib.finish().unwrap());
    let run = scan(&repo, &[]);
    let mut expected = vec![token(1), token(2)];
    expected.sort();
    assert_eq!((run.secrets(), run.code), (expected, 1));
    assert_eq!(run.json()["ledger"]["skips"], serde_json::json!([]));

    let repo = Repo::new();
    repo.write("logo.png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")
        .write("tool", b"\x7fELF\x02\x01\x01\0")
        .commit("Add pictures and programs");
    assert_eq!(scan(&repo, &["--history"]).code, 0);
    repo.write("backup.7z", b"7z\xbc\xaf\x27\x1c\0\x04rest")
        .commit("Add a backup");
    for mode in [&[][..], &["--history"]] {
        let run = scan(&repo, mode);
        assert_eq!(run.code, 3, "{}", run.stderr);
        assert!(run.json()["ledger"]["skips"].to_string().contains("7z"));
    }
    // Objects of a repository inside a tree: loose ones are read, packs are named.
    let outer = Repo::plain();
    repo.write("gone.env", format!("A={}\n", token(3)))
        .commit("Add");
    fs::create_dir(outer.path().join("data")).unwrap();
    let target = outer.path().join("data/x.git").display().to_string();
    repo.git(&["clone", "-q", "--bare", "--no-local", ".", &target]);
    let run = scan(&outer, &[]);
    assert_eq!(run.code, 3);
    assert!(
        run.json()["ledger"]["skips"]
            .to_string()
            .contains("--history")
    );
    repo.git(&[
        "clone",
        "-q",
        "--bare",
        "--local",
        "--no-hardlinks",
        ".",
        &format!("{target}2"),
    ]);
    assert_eq!(scan(&outer, &[]).secrets(), [token(3)]);
}

#[test]
fn what_stands_in_an_archive_as_it_is_is_reported_as_its_member() {
    let repo = Repo::new();
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let pack = |name: &str, bytes: &[u8]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
        zip.finish().unwrap().into_inner()
    };
    let inner = pack("key.env", format!("A={}\n", token(1)).as_bytes());
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(inner.len() as u64);
    tar.append_data(&mut header, "in.zip", inner.as_slice())
        .unwrap();
    repo.write("a.tar", tar.into_inner().unwrap())
        .write("b.zip", pack("b", format!("A={}\n", token(2)).as_bytes()))
        .commit("Add archives");
    for mode in [&[][..], &["--history"]] {
        let report = scan(&repo, mode).json();
        let mut places: Vec<String> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|finding| finding["occurrences"].as_array().unwrap())
            .map(|place| place["location"]["path"].as_str().unwrap().to_owned())
            .collect();
        places.sort();
        places.dedup();
        assert_eq!(places, ["a.tar!in.zip!key.env", "b.zip!b"]);
    }
}

#[test]
fn nothing_is_shown_of_a_secret_that_another_one_overlaps() {
    let repo = Repo::plain();
    repo.write(
        "a.env",
        format!("password = \"Zk9#pQw7;{};vT2!xR8m\"\n", token(1)),
    );
    let run = keysweep(repo.path(), &["scan", "--output=json"]);
    let report = run.json();
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report}");
    let text = run.text();
    assert!(text.contains("password = "), "{text}");
    assert!(!text.contains("Zk9") && !text.contains("vT2"), "{text}");
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn layers_of_encodings_are_undone_or_named() {
    let layers = |count: usize, seed: u64| {
        let text = format!("A={}\n", token(seed));
        (0..count).fold(text, |text, _| encode(text.as_bytes()))
    };
    let line = |seed: u64| format!("the token is A={} as you know\n", token(seed));
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(line(5).repeat(3).as_bytes()).unwrap();
    let repo = Repo::new();
    repo.write("four.txt", layers(4, 1))
        .write(
            "helm.yaml",
            format!(
                "release: {}\n",
                encode(encode(&gzip(line(2).as_bytes())).as_bytes())
            ),
        )
        .write(
            "gzip.yaml",
            format!("data: {}\n", encode(&gzip(line(3).as_bytes()))),
        )
        .write(
            "zlib.yaml",
            format!("data: {}\n", encode(&zlib.finish().unwrap())),
        )
        .write("mail.eml", {
            let token = token(4);
            let (head, tail) = token.split_at(20);
            format!(
                "Content-Transfer-Encoding: quoted-printable\n\n{}A=3D{head}=\n{tail}\n",
                "x ".repeat(26)
            )
        })
        .commit("Add encodings");
    let mut expected: Vec<String> = (1..=5).map(token).collect();
    expected.sort();
    for mode in [&[][..], &["--history"]] {
        let run = scan(&repo, mode);
        assert_eq!(
            (run.secrets(), run.code),
            (expected.clone(), 1),
            "{}",
            run.stderr
        );
        assert_eq!(skipped(&run, "limit-hit"), 0);
    }
    let deep = Repo::plain();
    deep.write("eight.txt", layers(8, 6));
    let run = scan(&deep, &[]);
    assert_eq!(
        (skipped(&run, "limit-hit"), run.code),
        (1, 3),
        "{}",
        run.stderr
    );
}

#[test]
fn histories_of_odd_shapes_are_read() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n").commit("Begin");
    // A message of 20 MB, with the secret at its end.
    let message = format!("{}{}\n", "word ".repeat(4_000_000), token(1));
    repo.git_with(
        &["commit", "-q", "--allow-empty", "-F", "-"],
        "x",
        message.as_bytes(),
    );
    // Commits that only git's own notes of what it did last lead to.
    let head = repo.git(&["rev-parse", "HEAD"]);
    for (seed, name) in [(2, "ORIG_HEAD"), (3, "FETCH_HEAD"), (4, "MERGE_HEAD")] {
        let note = format!("Use {}", token(seed));
        let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
        let commit = repo.git(&["commit-tree", &tree, "-m", &note]);
        fs::write(repo.path().join(".git").join(name), format!("{commit}\n")).unwrap();
    }
    let refs: String = (0..300_000)
        .map(|n| format!("{head} refs/tags/t{n:06}\n"))
        .collect();
    fs::write(repo.path().join(".git/packed-refs"), refs).unwrap();
    // Alternates that lead to each other and to themselves.
    let objects = repo.path().join(".git/objects");
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("info")).unwrap();
    let both = format!("{}\n{}\n", objects.display(), other.path().display());
    fs::write(objects.join("info/alternates"), &both).unwrap();
    fs::write(other.path().join("info/alternates"), &both).unwrap();
    let run = scan(&repo, &["--history"]);
    let mut expected: Vec<String> = (1..=4).map(token).collect();
    expected.sort();
    assert_eq!((run.secrets(), run.code), (expected, 1), "{}", run.stderr);
    assert_eq!(run.json()["ledger"]["skips"], serde_json::json!([]));
}

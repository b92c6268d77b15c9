//! Staged and range scans: what a commit hook and a pull request see.

use std::fs;

use crate::support::{Repo, keysweep, token};

fn line(seed: u64) -> String {
    format!("token = \"{}\"\n", token(seed))
}

fn objects(repo: &Repo) -> String {
    repo.git(&["count-objects", "-v"])
}

#[test]
fn a_history_counts_the_entries_of_an_index_once() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n")
        .write("b.txt", "b\n")
        .commit("Begin");
    let run = keysweep(repo.path(), &["scan", "--history"]);
    assert!(run.text().contains("2 index entries"), "{}", run.text());
}

#[test]
fn the_index_is_read_and_not_the_working_tree() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n")
        .write("old.txt", line(1))
        .commit("Begin");
    repo.write("a.txt", line(2));
    repo.git(&["add", "a.txt"]);
    repo.write("a.txt", line(3)).write("untracked.txt", line(4));
    let before = objects(&repo);
    let run = keysweep(
        repo.path(),
        &["scan", "--staged", "--output=json", "--reveal"],
    );
    assert_eq!((run.secrets(), run.code), (vec![token(2)], 1));
    let finding = &run.json()["findings"][0];
    assert_eq!(
        (
            finding["location"]["path"].as_str(),
            finding["location"]["start_line"].as_u64()
        ),
        (Some("a.txt"), Some(1))
    );
    assert_eq!(finding["provenance"]["kind"], "staged");
    assert_eq!(before, objects(&repo), "the object store is untouched");
}

#[test]
fn a_sub_directory_and_a_linked_worktree_see_the_whole_index() {
    let repo = Repo::new();
    repo.write("sub/a.txt", "a\n")
        .write("b.txt", "b\n")
        .commit("Begin");
    repo.write("b.txt", line(1));
    repo.git(&["add", "."]);
    let run = keysweep(
        &repo.path().join("sub"),
        &["scan", "--staged", "--output=json", "--reveal"],
    );
    assert_eq!(run.secrets(), [token(1)]);
    let other = tempfile::tempdir().unwrap();
    let linked = other.path().join("linked");
    repo.git(&[
        "worktree",
        "add",
        "-q",
        &linked.display().to_string(),
        "-b",
        "linked",
    ]);
    fs::write(linked.join("b.txt"), line(2)).unwrap();
    let added = std::process::Command::new("git")
        .args(["add", "."])
        .current_dir(&linked)
        .status()
        .unwrap();
    assert!(added.success());
    let run = keysweep(&linked, &["scan", "--staged", "--output=json", "--reveal"]);
    assert_eq!(run.secrets(), [token(2)]);
}

#[test]
fn the_first_commit_and_an_empty_index_work() {
    let repo = Repo::new();
    let run = keysweep(repo.path(), &["scan", "--staged", "--output=json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    repo.write("a.txt", line(1));
    repo.git(&["add", "."]);
    let run = keysweep(
        repo.path(),
        &["scan", "--staged", "--output=json", "--reveal"],
    );
    assert_eq!(run.secrets(), [token(1)]);
}

#[test]
fn a_pair_is_found_when_only_one_half_is_staged() {
    let repo = Repo::new();
    repo.write("old.txt", "first\nsecond\n").commit("Begin");
    repo.write("old.txt", format!("first\nsecond\n{}", line(5)));
    repo.git(&["add", "."]);
    repo.git(&["mv", "old.txt", "new.txt"]);
    let run = keysweep(
        repo.path(),
        &["scan", "--staged", "--output=json", "--reveal"],
    );
    assert_eq!(run.secrets(), [token(5)]);
    assert_eq!(run.json()["findings"][0]["location"]["path"], "new.txt");
}

#[test]
fn a_range_brings_what_its_commits_bring() {
    let repo = Repo::new();
    repo.write("old.txt", line(1)).commit("Begin");
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.write("kept.txt", line(2))
        .write("fleeting.txt", line(3))
        .commit("Add two");
    fs::remove_file(repo.path().join("fleeting.txt")).unwrap();
    repo.commit("Remove one");
    repo.git(&["mv", "old.txt", "renamed.txt"]);
    repo.commit(&format!("Rename, and say {}", token(4)));
    repo.git(&["checkout", "-q", "main"]);
    repo.write("elsewhere.txt", line(5)).commit("On main");
    repo.git(&["checkout", "-q", "topic"]);
    repo.git(&["merge", "-q", "--no-commit", "--no-ff", "main"]);
    repo.write("evil.txt", line(6)).commit("Merge main");
    let run = keysweep(
        repo.path(),
        &[
            "scan",
            "--range",
            "main..topic",
            "--output=json",
            "--reveal",
        ],
    );
    let mut expected: Vec<String> = [2, 3, 4, 6].map(token).to_vec();
    expected.sort();
    assert_eq!(run.secrets(), expected, "{}", run.stderr);
}

#[test]
fn a_range_that_does_not_resolve_is_an_error() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n").commit("Begin");
    let run = keysweep(repo.path(), &["scan", "--range", "nowhere..HEAD"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("nowhere") && run.stderr.contains("help:"),
        "{}",
        run.stderr
    );
}

#[test]
fn standard_input_and_files_are_scanned() {
    let repo = Repo::new();
    let input = format!("x\r\nkey={}\r\n", token(1));
    let run = crate::support::keysweep_with(
        repo.path(),
        &["scan", "--stdin", "--output=json", "--reveal"],
        &[],
        input.as_bytes(),
    );
    assert_eq!(run.secrets(), [token(1)]);
    assert_eq!(run.json()["findings"][0]["location"]["start_line"], 2);
    repo.write(".gitignore", "ignored.env\n")
        .write("ignored.env", line(2))
        .write("other.env", line(3));
    let run = keysweep(
        repo.path(),
        &["scan", "ignored.env", "--output=json", "--reveal"],
    );
    assert_eq!(run.secrets(), [token(2)], "a file that is named is scanned");
    assert_eq!(run.json()["findings"][0]["location"]["path"], "ignored.env");
}

#[test]
fn history_tells_when_a_secret_came_and_went() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n").commit("Begin");
    repo.write("a.txt", line(1)).write("b.txt", line(2));
    let came = repo.commit("Add");
    repo.write("a.txt", format!("# moved down\n{}", line(1)));
    let last = repo.commit("Edit");
    repo.write("a.txt", "gone\n");
    let went = repo.commit("Remove");
    let report = keysweep(
        repo.path(),
        &["scan", "--history", "--output=json", "--reveal"],
    )
    .json();
    let of = |seed| {
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["secret"] == token(seed).as_str())
            .unwrap()
            .clone()
    };
    let gone = of(1);
    assert_eq!(gone["history"]["introduced"]["id"], came.as_str(), "{gone}");
    assert_eq!(gone["history"]["introduced"]["author"], "A U Thor");
    assert_eq!(gone["history"]["last_seen"]["id"], last.as_str());
    assert_eq!(gone["history"]["removed"]["id"], went.as_str());
    assert_eq!(gone["history"]["at_head"], false);
    assert_eq!(gone["location"]["path"], "a.txt");
    let here = of(2);
    assert_eq!(
        (&here["history"]["at_head"], &here["history"]["removed"]),
        (&true.into(), &serde_json::Value::Null)
    );
}

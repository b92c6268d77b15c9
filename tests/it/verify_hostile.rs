//! verify in a tree that somebody else wrote: what the tree silences, which files it leads to, and whose stores file counts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::support::{Repo, Run, keysweep_with, token};

const RULE: &str = "github-personal-access-token";

/// A repository, and a user with a local store that holds `token(77)`.
struct Place {
    repo: Repo,
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            repo: Repo::new(),
            home: tempfile::tempdir().unwrap(),
        };
        let file = place.home.path().join("store.sops.json");
        let init = ["store", "init", "--file", file.to_str().unwrap()];
        assert_eq!(place.run(&init, b"").code, 0);
        let put = ["store", "put", "apps/db", "password"];
        assert_eq!(place.run(&put, token(77).as_bytes()).code, 0);
        place
    }

    fn run(&self, args: &[&str], input: &[u8]) -> Run {
        self.run_in(self.repo.path(), args, input)
    }

    fn run_in(&self, dir: &Path, args: &[&str], input: &[u8]) -> Run {
        let home = [("HOME", self.home.path().to_str().unwrap())];
        let run = keysweep_with(dir, args, &home, input);
        let told = run.text() + &run.stderr;
        assert!(!told.contains(&token(77)), "{told}");
        run
    }

    fn verify(&self, more: &[&str]) -> Run {
        self.run(&[&["verify", "--output", "json"], more].concat(), b"")
    }

    fn stores(&self) -> PathBuf {
        self.home.path().join(".config/keysweep/stores.toml")
    }
}

fn line(seed: u64) -> String {
    format!("token = \"{}\"", token(seed))
}

/// Asserts that the live value is told though it is set aside, and that the dead one beside it stays aside.
fn is_told(run: &Run, by: &str) {
    assert_eq!(run.code, 10, "{by}: {}", run.stderr);
    let report = run.json();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{by}: {report}");
    let finding = &findings[0];
    assert_eq!(finding["severity"], "critical");
    assert_eq!(finding["verdict"]["store"]["state"], "current");
    let message = finding["message"].as_str().unwrap();
    assert!(
        message.contains("set aside by") && message.contains(by) && message.contains("live"),
        "{message}"
    );
    assert_eq!(report["suppressed"].as_array().unwrap().len(), 1, "{by}");
    assert_eq!(report["suppressed"][0]["finding"]["verdict"], Value::Null);
}

#[test]
fn a_live_secret_is_not_silenced_by_the_tree_that_leaks_it() {
    let marker = format!("  # keysweep:allow[{RULE}] nothing to see\n");
    let two = line(77) + &marker + &line(5) + &marker;
    let place = Place::new();
    place.repo.write("app.toml", &two);
    is_told(&place.verify(&[]), "an inline marker (nothing to see)");
    place.repo.git(&["add", "."]);
    is_told(&place.verify(&["--staged"]), "inline marker");
    place.repo.git(&["reset", "-q"]);
    place.repo.write("old.txt", "nothing\n");
    place.repo.git(&["add", "old.txt"]);
    place.repo.git(&["commit", "-q", "-m", "first"]);
    place.repo.commit("leak");
    is_told(&place.verify(&["--range", "HEAD~1..HEAD"]), "inline marker");
    is_told(&place.verify(&["--history"]), "inline marker");

    let place = Place::new();
    place
        .repo
        .write("app.toml", format!("{}\n{}\n", line(77), line(5)));
    let allow = "[[allow]]\npaths = [\"app.toml\"]\nreason = \"made-up values\"\n";
    place.repo.write("keysweep.toml", allow);
    is_told(&place.verify(&[]), "an allow entry (made-up values)");

    fs::remove_file(place.repo.path().join("keysweep.toml")).unwrap();
    assert_eq!(place.run(&["baseline", "create"], b"").code, 0);
    is_told(&place.verify(&[]), "the baseline");
}

#[test]
fn what_the_user_calls_public_may_stay_silenced() {
    let place = Place::new();
    let marker = format!("  # keysweep:allow[{RULE}] a publishable key\n");
    place.repo.write("app.toml", line(77) + &marker);
    let file = place.stores();
    let text = fs::read_to_string(&file).unwrap();
    let public = |globs: &str| {
        fs::write(&file, format!("{text}\n[verify]\npublic = [{globs}]\n")).unwrap();
        place.verify(&[])
    };
    assert_eq!(public("\"local:other/*\"").code, 10);
    let run = public("\"local:apps/*\"");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report = run.json();
    assert_eq!(report["findings"], serde_json::json!([]));
    assert_eq!(report["suppressed"].as_array().unwrap().len(), 1);
    let wrong = public("\"apps\"");
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("public"), "{}", wrong.stderr);
    // A finding that nothing sets aside is told, whatever the user calls it.
    place.repo.write("app.toml", line(77));
    assert_eq!(public("\"local:apps/*\"").code, 10);
}

#[cfg(unix)]
#[test]
fn a_report_leads_to_no_file_outside_of_the_tree() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().join("prod.env");
    let text = format!("{}\n", line(77));
    fs::write(&outside, &text).unwrap();
    place.repo.write("folder/app.toml", &text);
    let report = place.home.path().join("report.json");
    let to = format!("json={}", report.display());
    assert_eq!(place.run(&["scan", "--output", &to], b"").code, 1);
    let honest = fs::read_to_string(&report).unwrap();
    fs::remove_file(place.repo.path().join("folder/app.toml")).unwrap();
    let link = |name: &str, target: &Path| {
        std::os::unix::fs::symlink(target, place.repo.path().join(name)).unwrap();
    };
    link("link.env", &outside);
    link("linked", elsewhere.path());
    let depth = place.repo.path().components().count();
    let above = "../".repeat(depth) + outside.to_str().unwrap().trim_start_matches('/');
    let absolute = outside.to_str().unwrap();
    for path in [
        absolute,
        &above,
        "link.env",
        "linked/prod.env",
        "folder/../link.env",
    ] {
        fs::write(&report, honest.replace("folder/app.toml", path)).unwrap();
        let run = place.verify(&["--report", report.to_str().unwrap()]);
        let told = run.json();
        assert_eq!(run.code, 1, "{path}: {told}");
        assert_eq!(told["findings"].as_array().unwrap().len(), 1, "{path}");
        assert_eq!(
            told["findings"][0]["verdict"]["store"]["state"], "not-compared",
            "{path}"
        );
        assert_eq!(told["verification"]["without_value"], 1, "{path}");
        let ledger = told["ledger"].to_string();
        assert!(ledger.contains("lead out of the scanned tree"), "{ledger}");
    }
    // A link that stays inside is a file of the tree.
    place.repo.write("real.env", &text);
    link("inner.env", &place.repo.path().join("real.env"));
    fs::write(&report, honest.replace("folder/app.toml", "real.env")).unwrap();
    let run = place.verify(&["--report", report.to_str().unwrap()]);
    assert_eq!(run.code, 10, "{}", run.stderr);
}

#[test]
fn a_stores_file_of_the_outer_tree_is_refused_behind_an_embedded_repository() {
    let place = Place::new();
    let own = fs::read_to_string(place.stores()).unwrap();
    place.repo.write("stores.toml", own);
    let bare = ["HEAD", "objects/x", "refs/x"];
    for file in bare {
        place
            .repo
            .write(&format!("sub/{file}"), "ref: refs/heads/main\n");
    }
    place.repo.write("sub/deep/a.txt", "nothing\n");
    place.repo.write("inner/a.txt", "nothing\n");
    let inner = place.repo.path().join("inner");
    let made = std::process::Command::new("git")
        .args(["init", "-q", inner.to_str().unwrap()])
        .status();
    assert!(made.unwrap().success());
    for root in ["sub", "sub/deep", "inner", "."] {
        let run = place.verify(&["--stores", "stores.toml", root]);
        assert_eq!(run.code, 2, "{root}: {}", run.stderr);
        assert!(run.stderr.contains("lies in"), "{root}: {}", run.stderr);
    }
    // What is scanned elsewhere does not make the file of the repository at hand one's own.
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().to_str().unwrap();
    let run = place.verify(&["--stores", "stores.toml", path]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    let list = ["store", "list", "--stores", "../stores.toml"];
    for dir in ["sub", "inner"] {
        let run = place.run_in(&place.repo.path().join(dir), &list, b"");
        assert_eq!(run.code, 2, "{dir}: {}", run.stderr);
    }
    // Not everything is inside where the command runs at the very top.
    let copy = place.home.path().join("mine.toml");
    fs::copy(place.stores(), &copy).unwrap();
    let list = ["store", "list", "--stores", copy.to_str().unwrap()];
    let run = place.run_in(Path::new("/"), &list, b"");
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn objects_that_are_read_elsewhere_are_told() {
    let (lender, borrower) = (Repo::new(), Repo::new());
    lender.write("a.env", line(3));
    let commit = lender.commit("leak");
    borrower.write("b.txt", "nothing\n");
    borrower.commit("first");
    let scan = || {
        let run = keysweep_with(
            borrower.path(),
            &["scan", "--history", "--output", "json"],
            &[],
            b"",
        );
        run.json()
    };
    let told = |report: &Value| report["ledger"].to_string().contains("another directory");
    assert!(!told(&scan()));
    let objects = lender.path().join(".git/objects");
    let alternates = borrower.path().join(".git/objects/info/alternates");
    fs::write(alternates, format!("{}\n", objects.display())).unwrap();
    borrower.git(&["update-ref", "refs/heads/theirs", &commit]);
    let report = scan();
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
    assert!(told(&report), "{}", report["ledger"]);
}

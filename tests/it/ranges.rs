//! Whose word counts in a range: what a change brings does not decide what is reported of it.

use std::fs;

use crate::support::{Repo, Run, keysweep, token};

const RULE: &str = "github-personal-access-token";
const ALLOW: &str = "[[allow]]\npaths = [\"**\"]\nreason = \"trust me\"\n";

fn line(seed: u64) -> String {
    format!("token = \"{}\"\n", token(seed))
}

fn range(repo: &Repo, extra: &[&str]) -> Run {
    let common = [
        "scan",
        "--range",
        "main..topic",
        "--output=json",
        "--reveal",
    ];
    keysweep(repo.path(), &[&common, extra].concat())
}

fn notes(run: &Run) -> String {
    run.json()["ledger"]["notes"].to_string()
}

/// A repository with a branch that brings one secret.
fn with_topic(base: &[(&str, &str)], head: &[(&str, &str)]) -> Repo {
    let repo = Repo::new();
    repo.write("a.txt", "a\n");
    for (path, text) in base {
        repo.write(path, text);
    }
    repo.commit("Begin");
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.write("b.env", line(1));
    for (path, text) in head {
        repo.write(path, text);
    }
    repo.commit("Add");
    repo
}

#[test]
fn a_configuration_that_the_range_brings_silences_nothing() {
    let repo = with_topic(&[], &[("keysweep.toml", ALLOW)]);
    let run = range(&repo, &[]);
    assert_eq!((run.secrets(), run.code), (vec![token(1)], 1));
    let notes = notes(&run);
    assert!(
        notes.contains("configuration: none in commit")
            && notes.contains(
                "the configuration of the range's head allows findings (paths **): refused"
            ),
        "{notes}"
    );
    let run = range(&repo, &["--trust-config"]);
    assert_eq!((run.secrets().len(), run.code), (0, 0), "{}", run.stderr);
    let run = range(&repo, &["--config", "keysweep.toml"]);
    assert_eq!((run.secrets().len(), run.code), (0, 0), "{}", run.stderr);
}

#[test]
fn the_configuration_of_the_base_counts_whatever_is_checked_out() {
    let repo = with_topic(&[("keysweep.toml", ALLOW)], &[]);
    fs::remove_file(repo.path().join("keysweep.toml")).unwrap();
    let base = repo.git(&["rev-parse", "main"]);
    let run = range(&repo, &[]);
    assert_eq!((run.secrets().len(), run.code), (0, 0), "{}", run.stderr);
    let wanted = format!("configuration: {}:keysweep.toml", &base[..12]);
    assert!(notes(&run).contains(&wanted), "{}", notes(&run));
    // What only lies in the working tree counts for nothing either.
    let repo = with_topic(&[], &[]);
    repo.write("keysweep.toml", ALLOW);
    assert_eq!(range(&repo, &[]).secrets(), [token(1)]);
}

#[test]
fn the_head_may_tighten() {
    let rule =
        "[[rules]]\nid = \"corp-key\"\ndescription = \"Corp key\"\npattern = 'corp-[0-9]{12}'\n";
    let repo = with_topic(
        &[],
        &[("keysweep.toml", rule), ("c.txt", "corp-730194628351\n")],
    );
    assert_eq!(range(&repo, &[]).secrets().len(), 2);
    let repo = with_topic(&[], &[("keysweep.toml", "[scna]\n")]);
    let run = range(&repo, &[]);
    assert_eq!(run.secrets().len(), 1, "{}", run.stderr);
    assert!(notes(&run).contains("is not used"), "{}", notes(&run));
}

#[test]
fn a_baseline_that_the_range_brings_does_not_count() {
    let repo = with_topic(&[], &[]);
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    repo.commit("Baseline");
    let run = range(&repo, &[]);
    assert!(run.secrets().contains(&token(1)), "{}", run.stderr);
    assert!(
        notes(&run).contains("the baseline of the range's head does not count"),
        "{}",
        notes(&run)
    );
    let run = range(&repo, &["--baseline", ".keysweep-baseline"]);
    assert!(!run.secrets().contains(&token(1)), "{}", run.stderr);
    // Once the base has it, it counts.
    let run = keysweep(
        repo.path(),
        &[
            "scan",
            "--range",
            "topic..topic",
            "--output=json",
            "--reveal",
        ],
    );
    assert!(
        notes(&run).contains(":.keysweep-baseline"),
        "{}",
        notes(&run)
    );
}

#[test]
fn markers_of_the_range_count_and_are_told() {
    let marked = format!("{}  # keysweep:allow[{RULE}] made up\n", line(2).trim_end());
    let repo = with_topic(&[], &[("c.py", &marked)]);
    let run = range(&repo, &[]);
    assert_eq!(run.secrets(), [token(1)]);
    let text = keysweep(repo.path(), &["scan", "--range", "main..topic"]).text();
    assert!(
        text.contains("Suppressed: 1 by an allow marker in the range"),
        "{text}"
    );
    assert_eq!(range(&repo, &["--no-inline"]).secrets().len(), 2);
    let repo = with_topic(
        &[("keysweep.toml", "[markers]\ninline = false\n")],
        &[("keysweep.toml", ""), ("c.py", &marked)],
    );
    assert_eq!(
        range(&repo, &[]).secrets().len(),
        2,
        "the base refuses them"
    );
}

#[test]
fn a_hostile_base_is_an_error_and_a_hostile_head_a_note() {
    let large = format!("# {}\n", "x".repeat(1 << 20));
    let repo = with_topic(&[("keysweep.toml", &large)], &[]);
    let run = range(&repo, &[]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("is larger than 1048576 bytes") && run.stderr.contains("help:"),
        "{}",
        run.stderr
    );
    let repo = with_topic(&[], &[("keysweep.toml", &large)]);
    let run = range(&repo, &[]);
    assert_eq!(run.secrets(), [token(1)], "{}", run.stderr);
    assert!(notes(&run).contains("is larger than"), "{}", notes(&run));
    let repo = with_topic(&[("keysweep.toml", ""), (".keysweep.toml", "")], &[]);
    let run = range(&repo, &[]);
    assert!(
        run.code == 2 && run.stderr.contains("are both there"),
        "{}",
        run.stderr
    );
    #[cfg(unix)]
    {
        let repo = Repo::new();
        repo.write("real.toml", "");
        std::os::unix::fs::symlink("real.toml", repo.path().join("keysweep.toml")).unwrap();
        repo.commit("Begin");
        let run = keysweep(repo.path(), &["scan", "--range", "HEAD..HEAD"]);
        assert!(
            run.code == 2 && run.stderr.contains("symbolic link"),
            "{}",
            run.stderr
        );
    }
}

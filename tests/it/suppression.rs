//! Allowlists, inline markers, the baseline, and whose configuration counts.

use std::fs;

use crate::support::{Repo, Run, keysweep, keysweep_with, token};

const RULE: &str = "github-personal-access-token";

fn line(seed: u64) -> String {
    format!("token = \"{}\"", token(seed))
}

fn scan(repo: &Repo, extra: &[&str]) -> Run {
    keysweep(
        repo.path(),
        &[&["scan", "--output=json", "--reveal"], extra].concat(),
    )
}

#[test]
fn a_marker_suppresses_its_rule_on_its_line_with_a_reason() {
    let repo = Repo::new();
    repo.write(
        "a.py",
        format!(
            "{}  # keysweep:allow[{RULE}] made-up value of a test\n{}\n",
            line(1),
            line(2)
        ),
    );
    let run = scan(&repo, &[]);
    assert_eq!(
        (run.secrets(), run.code),
        (vec![token(2)], 1),
        "{}",
        run.stderr
    );
    let suppressed = &run.json()["suppressed"][0];
    assert_eq!(
        (suppressed["kind"].as_str(), suppressed["reason"].as_str()),
        (Some("inline"), Some("made-up value of a test"))
    );
    assert_eq!(scan(&repo, &["--no-inline"]).secrets().len(), 2);
}

#[test]
fn a_marker_for_another_rule_or_without_a_reason_does_not_count() {
    let repo = Repo::new();
    repo.write(
        "a.py",
        format!(
            "{}  # keysweep:allow[stripe-secret-key] wrong rule\n",
            line(1)
        ),
    );
    repo.write("b.py", format!("{}  # keysweep:allow\n", line(2)));
    let run = scan(&repo, &[]);
    assert_eq!(run.secrets().len(), 2, "{}", run.stderr);
    let unused = run.json()["unused_suppressions"].to_string();
    assert!(unused.contains("a.py"), "{unused}");
}

#[test]
fn allowlists_count_for_paths_rules_and_need_a_reason() {
    let repo = Repo::new();
    repo.write("tests/a.txt", line(1))
        .write("src/b.txt", line(2));
    repo.write(
        "keysweep.toml",
        "[[allow]]\npaths = [\"tests/**\"]\nreason = \"made-up values\"\n",
    );
    let run = scan(&repo, &[]);
    assert_eq!(run.secrets(), [token(2)], "{}", run.stderr);
    assert_eq!(run.json()["suppressed"][0]["kind"], "allowlist");
    repo.write("keysweep.toml", format!("[[allow]]\nrules = [\"{RULE}\"]\nreason = \"x\"\n[[allow]]\npaths = [\"nowhere/**\"]\nreason = \"y\"\n"));
    let run = scan(&repo, &[]);
    assert_eq!((run.secrets().len(), run.code), (0, 0));
    assert!(
        run.json()["unused_suppressions"]
            .to_string()
            .contains("nowhere"),
        "{}",
        run.json()["unused_suppressions"]
    );
    repo.write("keysweep.toml", "[[allow]]\npaths = [\"tests/**\"]\n");
    let run = scan(&repo, &[]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("reason") && run.stderr.contains("help:"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_misspelt_key_is_an_error_with_a_suggestion() {
    let repo = Repo::new();
    repo.write("keysweep.toml", "[scan]\nexclud = [\"x\"]\n");
    let run = scan(&repo, &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("exclude"), "{}", run.stderr);
}

#[test]
fn a_foreign_tree_may_only_tighten() {
    let own = Repo::new();
    let foreign = Repo::new();
    foreign.write("a.txt", line(1));
    foreign.write(
        "keysweep.toml",
        "[[allow]]\npaths = [\"**\"]\nreason = \"trust me\"\n[[rules]]\nid = \"corp-key\"\ndescription = \"Corp key\"\nsource = \"us\"\nseverity = \"high\"\nconfidence = \"high\"\npattern = 'corp-[0-9]{12}'\nremediation = \"Call us.\"\npositive = ['k = \"«%{b64:x}»\"']\n",
    );
    let path = foreign.path().display().to_string();
    foreign.write(
        "keysweep.toml",
        "[[allow]]\npaths = [\"**\"]\nreason = \"trust me\"\n",
    );
    let run = keysweep(own.path(), &["scan", &path, "--output=json", "--reveal"]);
    assert_eq!(run.secrets(), [token(1)], "{}", run.stderr);
    assert!(
        run.json()["ledger"]["notes"]
            .to_string()
            .contains("--trust-config"),
        "{}",
        run.json()["ledger"]
    );
    let run = keysweep(
        own.path(),
        &["scan", &path, "--output=json", "--reveal", "--trust-config"],
    );
    assert_eq!(run.secrets().len(), 0, "{}", run.stderr);
}

#[test]
fn a_baseline_survives_moves_and_hides_nothing_new() {
    let repo = Repo::new();
    repo.write("a.txt", format!("{}\n", line(1)))
        .write("b.txt", format!("{}\n", line(2)))
        .commit("Begin");
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    assert_eq!(
        keysweep(repo.path(), &["baseline", "create"]).code,
        2,
        "a baseline is not replaced"
    );
    assert_eq!(
        (scan(&repo, &[]).secrets().len(), scan(&repo, &[]).code),
        (0, 0)
    );
    // The line moves: still known. Another secret on the old line: reported.
    repo.write("a.txt", format!("# one\n# two\n{}\n", line(3)))
        .write("b.txt", format!("\n\n\n  {}\n", line(2)));
    let run = scan(&repo, &[]);
    assert_eq!(run.secrets(), [token(3)], "{}", run.stderr);
    assert!(
        run.json()["unused_suppressions"]
            .to_string()
            .contains("k1:"),
        "the line of the first secret is unused"
    );
    let text = fs::read_to_string(repo.path().join(".keysweep-baseline")).unwrap();
    assert!(
        text.lines().filter(|l| l.starts_with("k1:")).count() == 2,
        "{text}"
    );
    assert_eq!(keysweep(repo.path(), &["baseline", "update"]).code, 0);
    assert_eq!(scan(&repo, &[]).secrets().len(), 0);
    assert_eq!(keysweep(repo.path(), &["baseline", "prune"]).code, 0);
    let text = fs::read_to_string(repo.path().join(".keysweep-baseline")).unwrap();
    assert_eq!(
        text.lines().filter(|l| l.starts_with("k1:")).count(),
        2,
        "{text}"
    );
    let mut lines: Vec<&str> = text.lines().filter(|l| l.starts_with("k1:")).collect();
    let sorted = {
        let mut s = lines.clone();
        s.sort_unstable();
        s
    };
    assert_eq!(lines, sorted);
    lines.dedup();
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_baseline_holds_every_place_of_a_value_in_many() {
    let repo = Repo::new();
    let name = |n: u32| format!("deploy/{n:03}.txt");
    for n in 0..150 {
        repo.write(&name(n), line(1));
    }
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    let lines = || {
        let text = fs::read_to_string(repo.path().join(".keysweep-baseline")).unwrap();
        text.lines().filter(|line| line.starts_with("k1:")).count()
    };
    assert_eq!(lines(), 150);
    assert_eq!(scan(&repo, &[]).code, 0);
    repo.write(&name(150), line(1));
    assert_eq!(scan(&repo, &[]).code, 1);
    assert_eq!(keysweep(repo.path(), &["baseline", "update"]).code, 0);
    fs::remove_file(repo.path().join(name(3))).unwrap();
    assert_eq!(keysweep(repo.path(), &["baseline", "prune"]).code, 0);
    assert_eq!((lines(), scan(&repo, &[]).code), (150, 0));
}

#[test]
fn each_place_is_set_aside_under_its_own_reason() {
    let repo = Repo::new();
    repo.write("a.txt", format!("{}\n", line(1)))
        .write("z.txt", format!("{}\n", line(1)));
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    // Comes before the places that the baseline knows.
    repo.write(
        "0.txt",
        format!("{}  # keysweep:allow[{RULE}] one\n", line(1)),
    );
    repo.write(
        "tests/b.txt",
        format!("{}  # keysweep:allow[{RULE}] two\n", line(1)),
    );
    let run = scan(&repo, &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report = run.json();
    let mut asides: Vec<(String, String, usize)> = report["suppressed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|aside| {
            let text = |name: &str| aside[name].as_str().unwrap().to_owned();
            let places = aside["finding"]["occurrences"].as_array().unwrap().len();
            (text("kind"), text("reason"), places)
        })
        .collect();
    asides.sort();
    let expected = [
        ("baseline", "", 2),
        ("inline", "one", 1),
        ("inline", "two", 1),
    ];
    let expected = expected.map(|(kind, reason, n)| (kind.to_owned(), reason.to_owned(), n));
    assert_eq!(asides, expected);
    assert_eq!(keysweep(repo.path(), &["baseline", "prune"]).code, 0);
    assert_eq!(scan(&repo, &[]).code, 0, "the baseline's places are kept");
}

#[test]
fn baselines_of_two_branches_merge_line_by_line() {
    let repo = Repo::new();
    repo.write("a.txt", format!("{}\n", line(1)))
        .write("keysweep.toml", "")
        .commit("Begin");
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    repo.commit("Baseline");
    for (branch, seed) in [("one", 2), ("two", 3)] {
        repo.git(&["checkout", "-q", "-b", branch, "main"]);
        repo.write(&format!("{branch}.txt"), format!("{}\n", line(seed)));
        assert_eq!(keysweep(repo.path(), &["baseline", "update"]).code, 0);
        repo.commit("More");
    }
    repo.git(&["config", "merge.default", "union"]);
    repo.write(".gitattributes", ".keysweep-baseline merge=union\n")
        .commit("Merge by lines");
    repo.git(&["merge", "-q", "one", "-m", "Merge"]);
    let run = scan(&repo, &[]);
    assert_eq!(
        (run.secrets().len(), run.code),
        (0, 0),
        "{} {}",
        run.text(),
        run.stderr
    );
}

#[test]
fn the_key_may_come_from_outside() {
    let repo = Repo::new();
    repo.write("a.txt", format!("{}\n", line(1)));
    let key = "5c".repeat(32);
    let run = |environment: &[(&str, &str)]| {
        let run = keysweep_with(repo.path(), &["scan", "--output=json"], environment, b"");
        run.json()["findings"][0]["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let keyed = run(&[("KEYSWEEP_KEY", &key)]);
    assert!(keyed.starts_with("k1:"));
    assert_eq!(keyed, run(&[("KEYSWEEP_KEY", &key)]), "stable");
    assert_ne!(keyed, run(&[("KEYSWEEP_KEY", &"6d".repeat(32))]));
    let plain = run(&[]);
    assert!(
        plain.starts_with("c1:"),
        "without a key the identity holds nothing of the value"
    );
    assert_eq!(plain, run(&[]));
}

#[test]
fn a_rule_of_a_foreign_tree_makes_no_finding_milder() {
    let own = Repo::new();
    let foreign = Repo::new();
    foreign.write(
        "a.txt",
        format!(
            "{}\nk = \"acme-83b1f4907c2e\"; password = \"q7X#w\"\n",
            line(1)
        ),
    );
    foreign.write(
        "keysweep.toml",
        "[[rules]]\nid = \"a-key\"\ndescription = \"A key\"\nseverity = \"low\"\nconfidence = \"high\"\npattern = 'ghp_[0-9A-Za-z]{36}'\n\
         [[rules]]\nid = \"acme-key\"\ndescription = \"Acme key\"\nseverity = \"low\"\npattern = 'acme-[0-9a-f]{12}'\n",
    );
    let path = foreign.path().display().to_string();
    let run = keysweep(
        own.path(),
        &["scan", &path, "--output=json", "--reveal", "--fail-on=high"],
    );
    let report = run.json();
    let of = |rule: &str| {
        let findings = report["findings"].as_array().unwrap().iter();
        findings.filter(|f| f["rule"] == rule).count()
    };
    assert_eq!(run.code, 1, "{}", run.text());
    assert_eq!(
        (of(RULE), of("a-key"), of("acme-key")),
        (1, 0, 1),
        "{}",
        run.text()
    );
    let run = keysweep(own.path(), &["scan", &path]);
    assert!(!run.text().contains("q7X#w"), "{}", run.text());
    // Each layer of rules speaks for itself there, too.
    let explain = |n: u32| {
        let run = keysweep(own.path(), &["explain", &format!("{path}/a.txt:{n}")]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.text()
    };
    let text = explain(1);
    assert!(text.contains(&format!("reported: {RULE}")), "{text}");
    assert!(!text.contains("finding of a-key"), "{text}");
    assert!(
        !text.contains(&format!("a-key at column 10: the finding of {RULE}")),
        "{text}"
    );
}

#[test]
fn explain_takes_no_name_and_no_member_for_a_line() {
    let repo = Repo::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, line(1).as_bytes()).unwrap();
    let name = format!("notes-{}.txt", token(2));
    repo.write("a.gz", gzip.finish().unwrap())
        .write(&name, format!("nothing\n{}\n", line(3)));
    let explain = |place: &str| {
        let run = keysweep(repo.path(), &["explain", place]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.text()
    };
    for place in ["a.gz:1".to_owned(), format!("{name}:1")] {
        assert!(
            !explain(&place).contains("reported: "),
            "{}",
            explain(&place)
        );
    }
    let text = explain(&format!("{name}:2"));
    assert!(text.contains(&format!("  reported: {RULE}")), "{text}");
}

#[test]
fn a_foreign_tree_is_called_so_only_where_that_changes_something() {
    let own = Repo::new();
    let foreign = Repo::new();
    foreign.write("a.txt", line(1));
    let path = foreign.path().display().to_string();
    let notes = || {
        let run = keysweep(own.path(), &["scan", &path, "--output=json"]);
        run.json()["ledger"]["notes"].to_string()
    };
    assert_eq!(notes(), "[]");
    foreign.write(
        "a.txt",
        format!("{}  # keysweep:allow[{RULE}] trust me\n", line(1)),
    );
    let marked = notes();
    assert!(marked.contains("1 allow marker does not count"), "{marked}");
    foreign.write(
        ".keysweep-baseline",
        "# keysweep baseline v1\n# key = external\n",
    );
    assert!(notes().contains("its baseline does not count"));
}

#[test]
fn a_marker_for_a_misspelt_rule_is_told_with_a_suggestion() {
    let repo = Repo::new();
    repo.write(
        "a.py",
        format!(
            "{}  # keysweep:allow[github-personal-acess-token] made up\n",
            line(1)
        ),
    );
    let run = scan(&repo, &[]);
    let unused = run.json()["unused_suppressions"].to_string();
    assert!(
        unused.contains(&format!("did you mean `{RULE}`?")),
        "{unused}"
    );
}

#[test]
fn rules_of_the_configuration_are_listed_shown_and_tested() {
    let repo = Repo::new();
    let rule =
        "[[rules]]\nid = \"acme-key\"\ndescription = \"Acme key\"\npattern = 'acme-[0-9a-f]{12}'\n";
    repo.write("keysweep.toml", rule)
        .write("other.toml", rule.replace("acme", "corp"));
    let rules = |args: &[&str]| keysweep(repo.path(), &[&["rules"], args].concat());
    assert!(rules(&["list"]).text().contains("acme-key"));
    assert!(rules(&["show", "acme-key"]).text().contains("Acme key"));
    let run = rules(&["test", "acme-key"]);
    assert!(
        run.code == 0 && run.text().contains("acme-key: has no examples"),
        "{}",
        run.text()
    );
    assert_eq!(rules(&["show", "corp-key"]).code, 2);
    let typo = rules(&["show", "github-personal-acess-token"]);
    assert!(
        typo.stderr.contains("github-personal-access-token"),
        "{}",
        typo.stderr
    );
    assert_eq!(
        rules(&["show", "corp-key", "--config", "other.toml"]).code,
        0
    );
    repo.write(
        "keysweep.toml",
        format!("[catalogue]\ndisable = [\"{RULE}\"]\n"),
    );
    assert!(
        rules(&["show", RULE])
            .text()
            .contains("disabled by the configuration")
    );
    let list = rules(&["list"]).text();
    assert!(
        !list
            .lines()
            .any(|line| line.starts_with(RULE) && line.contains("critical")),
        "{list}"
    );
}

#[test]
fn explain_takes_the_places_that_reports_print() {
    let repo = Repo::new();
    repo.write("a.py", format!("{}\nx = 1\n", line(1)));
    // As a report names it, from anywhere in the repository.
    fs::create_dir(repo.path().join("sub")).expect("a directory");
    let run = keysweep(&repo.path().join("sub"), &["explain", "a.py:1:5"]);
    assert!(
        run.code == 0 && run.text().contains(&format!("reported: {RULE}")),
        "{}",
        run.stderr
    );
    for (place, says) in [
        ("a.py:3", "its last line is 2"),
        ("a.py:99:1", "its last line is 2"),
        ("old.py:3", "git show COMMIT:PATH"),
        ("a.zip!in/x.txt:1", "unpack an archive's member"),
    ] {
        let run = keysweep(repo.path(), &["explain", place]);
        let said = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(run.code == 2 && said.contains(says), "{place}: {said}");
    }
}

#[test]
fn texts_of_rules_hold_no_escape_codes() {
    let repo = Repo::new();
    let (raw, bidi) = ("\\u001b[2J\\u009b1A", "\\u202e");
    repo.write(
        "keysweep.toml",
        format!(
            "[[rules]]\nid = \"acme-key\"\ndescription = \"Acme{raw}{bidi} key\"\npattern = \"acme-[0-9a-f]{{12}}\"\n\
             remediation = \"Call{raw}.\"\nsource = \"a{raw}\"\ntags = [\"a{bidi}\"]\n"
        ),
    );
    for args in [&["list"][..], &["list", "--json"], &["show", "acme-key"]] {
        let run = keysweep(repo.path(), &[&["rules"], args].concat());
        let text = run.text() + &run.stderr;
        assert!(text.contains("acme-key"), "{text:?}");
        let is_raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(is_raw), "{text:?}");
    }
    let run = keysweep(repo.path(), &["report", "convert", "a\u{1b}[2Jb.json"]);
    assert!(
        run.code == 2 && run.stderr.contains("a\\x1b[2Jb.json"),
        "{:?}",
        run.stderr
    );
}

#[test]
fn explain_says_what_became_of_a_line() {
    let repo = Repo::new();
    repo.write(
        "a.py",
        format!(
            "{}\n{}  # keysweep:allow[{RULE}] made up\npassword = \"changeme\"\nx = 1\nt = \"ghp_{}\"\n",
            line(1),
            line(2),
            "x".repeat(36)
        ),
    );
    let explain = |n: u32| {
        let run = keysweep(repo.path(), &["explain", &format!("a.py:{n}")]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.text()
    };
    let text = explain(1);
    assert!(text.contains(&format!("reported: {RULE}")), "{text}");
    assert!(
        text.contains(&format!("the finding of {RULE} is more specific")),
        "{text}"
    );
    let text = explain(2);
    assert!(
        text.contains(&format!("suppressed by an allow marker: {RULE}: made up")),
        "{text}"
    );
    assert!(
        explain(3).contains("not reported: generic-password at column 1"),
        "{}",
        explain(3)
    );
    assert!(explain(4).contains("no rule's literal"), "{}", explain(4));
    assert!(
        explain(5).contains(&format!("not reported: {RULE} at column 6: its literal")),
        "{}",
        explain(5)
    );
    for place in ["a.py", "a.py:0", ":3", "a.py:x"] {
        let run = keysweep(repo.path(), &["explain", place]);
        assert!(
            run.code == 2 && run.stderr.contains("keysweep explain src/app.py:12"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn the_key_of_a_baseline_is_no_finding_wherever_it_stands() {
    let repo = Repo::new();
    repo.write("a.txt", format!("{}\n", line(1)))
        .commit("Begin");
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    let text = fs::read_to_string(repo.path().join(".keysweep-baseline")).unwrap();
    repo.commit("Baseline");
    // Another one: the key of the first is nobody's now.
    fs::remove_file(repo.path().join(".keysweep-baseline")).unwrap();
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    repo.write("old-baseline.txt", &text).commit("Again");
    let run = scan(&repo, &["--history"]);
    assert_eq!(run.secrets().len(), 0, "{}", run.json()["findings"]);
    let bare = tempfile::tempdir().unwrap();
    let at = bare.path().join("bare.git").display().to_string();
    repo.git(&["clone", "-q", "--bare", ".", &at]);
    let run = keysweep(
        bare.path(),
        &["scan", &at, "--history", "--output=json", "--reveal"],
    );
    assert_eq!(run.secrets(), [token(1)], "{}", run.stderr);
    // The same digits in another place are a finding.
    let digits = text.lines().nth(1).unwrap().rsplit(' ').next().unwrap();
    repo.write("b.txt", format!("SECRET_KEY={digits}\n"));
    assert_eq!(scan(&repo, &[]).secrets(), [digits]);
}

#[test]
fn a_scan_of_a_part_tells_only_of_suppressions_that_it_could_meet() {
    let repo = Repo::new();
    repo.write("a.txt", line(1))
        .write("sub/b.txt", line(2))
        .write("sub/deep/c.txt", line(3))
        .write(
            "keysweep.toml",
            "[[allow]]\npaths = [\"nowhere/**\"]\nreason = \"x\"\n",
        )
        .commit("Begin");
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    repo.write("sub/b.txt", "B=1\n").write("a.txt", "A=1\n");
    let unused = |args: &[&str]| {
        let run = scan(&repo, args);
        let unused = run.json()["unused_suppressions"].clone();
        serde_json::from_value::<Vec<String>>(unused).unwrap()
    };
    assert_eq!(unused(&[]).len(), 3);
    for args in [["sub"], ["sub/b.txt"]] {
        let unused = unused(&args);
        assert!(
            unused.len() == 1 && unused[0].ends_with(" sub/b.txt"),
            "{unused:?}"
        );
    }
    assert_eq!(unused(&["--range", "HEAD..HEAD"]), [""; 0]);
    assert_eq!(unused(&["--staged"]), [""; 0]);
    repo.git(&["add", "a.txt"]);
    let unused = unused(&["--staged"]);
    assert!(
        unused.len() == 1 && unused[0].ends_with(" a.txt"),
        "{unused:?}"
    );
}

#[test]
fn pruning_keeps_what_only_history_holds() {
    let repo = Repo::new();
    repo.write("a.txt", line(1))
        .write("b.txt", line(2))
        .commit("Begin");
    repo.write("a.txt", "A=1\n").commit("Remove one");
    let file = repo.path().join(".keysweep-baseline");
    let lines = || {
        let text = fs::read_to_string(&file).unwrap();
        text.lines().filter(|l| l.starts_with("k1:")).count()
    };
    assert_eq!(
        keysweep(repo.path(), &["baseline", "create", "--history"]).code,
        0
    );
    assert_eq!(lines(), 2);
    let run = scan(&repo, &[]);
    assert_eq!(
        run.json()["unused_suppressions"].as_array().unwrap().len(),
        0
    );
    let run = keysweep(repo.path(), &["baseline", "prune"]);
    assert!(
        run.code == 2 && run.stderr.contains("`keysweep baseline prune --history`"),
        "{}",
        run.stderr
    );
    assert_eq!(keysweep(repo.path(), &["baseline", "update"]).code, 0);
    assert_eq!(
        keysweep(repo.path(), &["baseline", "prune", "--history"]).code,
        0
    );
    assert_eq!(lines(), 2);
    assert_eq!(scan(&repo, &["--history"]).code, 0);
}

#[test]
fn broken_markers_are_told_wherever_they_are_read() {
    let repo = Repo::new();
    repo.write("a.py", "x = 1\n").commit("Begin");
    let text = format!(
        "x = 1\n{}  # keysweep:allow[{RULE}]\n{}  # keysweep:allow[github-personal-access-tokn] made up\n",
        line(1),
        line(2)
    );
    repo.write("a.py", text);
    repo.git(&["add", "a.py"]);
    let wanted = [
        "allow marker at a.py:2 gives no reason".to_owned(),
        format!("(did you mean `{RULE}`?)"),
    ];
    for args in [&[][..], &["--staged"], &["a.py"]] {
        let unused = scan(&repo, args).json()["unused_suppressions"].to_string();
        for wanted in &wanted {
            assert!(unused.contains(wanted), "{args:?}: {unused}");
        }
    }
    for (place, wanted) in ["a.py:2", "a.py:3"].into_iter().zip(wanted) {
        let text = keysweep(repo.path(), &["explain", place]).text();
        assert!(text.contains(&wanted), "{text}");
    }
    let text = keysweep(repo.path(), &["explain", "a.py:1"]).text();
    assert!(!text.contains("allow marker"), "{text}");
}

#[test]
fn a_baseline_may_be_made_elsewhere() {
    let repo = Repo::new();
    repo.write("a.txt", line(1)).commit("Begin");
    assert_eq!(keysweep(repo.path(), &["baseline", "create"]).code, 0);
    let at = ["--baseline", "known.txt"];
    let run = |args: &[&str]| keysweep(repo.path(), &[args, &at].concat());
    let create = run(&["baseline", "create"]);
    assert_eq!(create.code, 0, "{}", create.stderr);
    let text = fs::read_to_string(repo.path().join("known.txt")).unwrap();
    assert!(text.contains("a.txt"), "{text}");
    assert_eq!(run(&["scan"]).code, 0);
    let again = run(&["baseline", "create"]);
    assert!(
        again.code == 2 && again.stderr.contains("is there already"),
        "{}",
        again.stderr
    );
}

#[test]
fn an_incomplete_look_names_its_gaps() {
    let repo = Repo::new();
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n",
        "0a".repeat(32)
    );
    repo.write("a.txt", line(1))
        .write("big.bin", pointer)
        .commit("Begin");
    for command in ["create", "update", "prune"] {
        let run = keysweep(repo.path(), &["baseline", command]);
        let text = run.text();
        assert!(
            run.code == 3 && text.contains("INCOMPLETE") && text.contains("- big.bin"),
            "{command}: {text}{}",
            run.stderr
        );
    }
}

#[test]
fn a_baseline_covers_what_a_scan_from_the_same_place_does() {
    let repo = Repo::new();
    repo.write("a.txt", line(1))
        .write("sub/b.txt", line(2))
        .commit("Begin");
    let sub = repo.path().join("sub");
    let run = keysweep(&sub, &["baseline", "create"]);
    assert!(
        run.code == 0 && run.text().contains("1 line added"),
        "{}",
        run.text()
    );
    assert!(
        !sub.join(".keysweep-baseline").exists(),
        "it is the repository's"
    );
    assert_eq!(keysweep(&sub, &["scan"]).code, 0);
    assert_eq!(scan(&repo, &[]).secrets(), [token(1)]);
    assert_eq!(keysweep(repo.path(), &["baseline", "update"]).code, 0);
    repo.write("a.txt", "A=1\n").write("sub/b.txt", "B=1\n");
    let run = keysweep(&sub, &["baseline", "prune"]);
    assert!(run.text().contains("1 line dropped"), "{}", run.text());
    let text = fs::read_to_string(repo.path().join(".keysweep-baseline")).unwrap();
    assert!(text.contains(" a.txt") && !text.contains("b.txt"), "{text}");
}

#[test]
fn the_sample_of_the_manual_is_valid_as_it_stands() {
    let manual = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/docs/configuration.md"
    ))
    .unwrap();
    let sample = manual.split("```toml\n").nth(1).unwrap();
    let sample = sample.split("```").next().unwrap();
    let repo = Repo::new();
    repo.write("keysweep.toml", sample)
        .write("tests/a.txt", "password = \"Tr1cky-but-long\"\n");
    let run = scan(&repo, &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report = run.json();
    assert_eq!(report["suppressed"][0]["kind"], "allowlist", "{report}");
    assert_eq!(report["unused_suppressions"].as_array().unwrap().len(), 0);
}

#[test]
fn where_a_clone_lies_is_no_finding_and_in_no_baseline() {
    let around = Repo::plain();
    let name = format!("of-{}", token(9));
    around.git(&["init", "-q", &name]);
    around.write(&format!("{name}/sub/a.txt"), "nothing\n");
    let clone = around.path().join(&name);
    for dir in [clone.clone(), clone.join("sub")] {
        for args in [&["scan"][..], &["scan", "--history"]] {
            let run = keysweep(&dir, args);
            assert_eq!(run.code, 0, "{args:?}: {}{}", run.text(), run.stderr);
        }
        for args in [&["create"][..], &["create", "--history"]] {
            let run = keysweep(&dir, &[&["baseline"], args].concat());
            assert_eq!(run.code, 0, "{}", run.stderr);
            let file = clone.join(".keysweep-baseline");
            let text = fs::read_to_string(&file).unwrap();
            let mut lines = text.lines().filter(|line| !line.is_empty());
            assert!(lines.all(|line| line.starts_with('#')), "{text}");
            fs::remove_file(file).unwrap();
        }
    }
    // Who names it means it.
    let run = keysweep(around.path(), &["scan", &name]);
    assert_eq!(run.code, 1, "{}", run.stderr);
}

#[test]
fn broken_markers_are_told_by_half_a_scan_as_well() {
    let repo = Repo::new();
    repo.write(
        "compose.yml",
        "services:\n  a:\n    environment:\n      A_PASSWORD: ${A_PASSWORD:-hunter2-Zq81} # keysweep:allow[compose-weak-defualt] why\n      B_PASSWORD: ${B_PASSWORD:-hunter3-Zq81} # keysweep:allow\n      C: d # keysweep:allow[generic-password] met by nothing\n",
    );
    for only in ["policy", "secrets"] {
        let run = keysweep(repo.path(), &["scan", "--only", only]);
        let text = run.text();
        assert!(
            text.contains("did you mean `compose-weak-default`?"),
            "{only} {text}"
        );
        assert!(
            text.contains("compose.yml:5 names no rule"),
            "{only} {text}"
        );
        // What the other half would meet is not known.
        assert!(!text.contains("compose.yml:6 ("), "{only} {text}");
    }
    let run = keysweep(repo.path(), &["scan"]);
    assert!(run.text().contains("compose.yml:6 ("), "{}", run.text());
}

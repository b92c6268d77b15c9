//! Reuse on history: values of earlier versions of files, beside those of the files as they are; and ages.

use std::process::Command;

use serde_json::Value;

use crate::support::{Repo, Run, keysweep, token};

const VALUE: &str = "Vx7kQ2mR9tLp";
const OTHER: &str = "n4Jw8zTq1PyC";

fn scan(repo: &Repo, args: &[&str]) -> Run {
    let fixed = [
        "scan",
        "--only=policy",
        "--persona=auditor",
        "--output=json",
    ];
    let all: Vec<&str> = fixed.iter().chain(args).copied().collect();
    let run = keysweep(repo.path(), &all);
    for value in [VALUE, OTHER] {
        assert!(!String::from_utf8_lossy(&run.stdout).contains(value));
    }
    run
}

fn history(repo: &Repo) -> Run {
    scan(repo, &["--history"])
}

/// Returns the findings of reuse.
fn reuse(run: &Run) -> Vec<Value> {
    let report = run.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let all = findings.filter(|finding| finding["kind"] == "reuse");
    all.cloned().collect()
}

/// Returns rule, path, severity, and path and short commit of the related places of a finding.
fn shape(finding: &Value) -> (String, String, String, Vec<(String, String)>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let related = finding["related"].as_array();
    let related = related.into_iter().flatten().map(|one| {
        (
            text(&one["location"]["path"]),
            text(&one["introduced"]["id"]),
        )
    });
    (
        text(&finding["rule"]),
        text(&finding["location"]["path"]),
        text(&finding["severity"]),
        related.collect(),
    )
}

fn dotenv(repo: &Repo, environment: &str, value: &str) {
    let text = format!("# settings\nDB_PASSWORD={value}\n");
    repo.write(&format!("deploy/{environment}.env"), text);
}

#[test]
fn an_old_secret_of_production_that_development_still_uses_is_one_group() {
    let repo = Repo::new();
    dotenv(&repo, "production", VALUE);
    let brought = repo.commit("production");
    dotenv(&repo, "production", OTHER);
    repo.commit("rotated");
    dotenv(&repo, "development", VALUE);
    repo.commit("development");
    assert!(reuse(&scan(&repo, &[])).is_empty());
    let run = history(&repo);
    let told = reuse(&run);
    assert_eq!(told.len(), 1, "{told:#?}");
    // A step lower than two environments that share a value now.
    assert_eq!(
        shape(&told[0]),
        (
            "xenv-reuse-exact".to_owned(),
            "deploy/development.env".to_owned(),
            "medium".to_owned(),
            vec![("deploy/production.env".to_owned(), brought.clone())],
        )
    );
    let related = &told[0]["related"][0];
    assert_eq!(related["location"]["start_line"], 2);
    assert_eq!(related["introduced"]["author"], "A U Thor");
    let message = told[0]["message"].as_str().unwrap();
    assert!(message.contains(&brought[..12]), "{message}");
}

#[test]
fn two_old_versions_that_shared_a_secret_are_told_with_their_history() {
    let repo = Repo::new();
    dotenv(&repo, "staging", "first-Zq81kLw");
    repo.commit("begin");
    dotenv(&repo, "staging", VALUE);
    let brought = repo.commit("staging");
    dotenv(&repo, "production", VALUE);
    let second = repo.commit("production");
    repo.git(&["rm", "-rq", "deploy"]);
    let removed = repo.commit("gone");
    assert!(reuse(&scan(&repo, &[])).is_empty());
    let told = reuse(&history(&repo));
    assert_eq!(told.len(), 1, "{told:#?}");
    let (rule, path, severity, related) = shape(&told[0]);
    assert_eq!(
        (rule.as_str(), path.as_str(), severity.as_str()),
        ("xenv-reuse-exact", "deploy/staging.env", "medium")
    );
    assert_eq!(related, [("deploy/production.env".to_owned(), second)]);
    let provenance = &told[0]["provenance"];
    assert_eq!(provenance["kind"], "history");
    assert_eq!(provenance["commit"], brought);
    let attribution = &told[0]["history"];
    assert_eq!(attribution["introduced"]["id"], brought);
    assert_eq!(attribution["removed"]["id"], removed);
    assert_eq!(attribution["at_head"], false);
    assert!(
        told[0]["excerpt"]["text"]
            .as_str()
            .unwrap()
            .contains("DB_PASSWORD")
    );
}

#[test]
fn a_renamed_file_shares_nothing_with_itself() {
    let repo = Repo::new();
    dotenv(&repo, "production", VALUE);
    repo.commit("production");
    repo.git(&["mv", "deploy/production.env", "deploy/development.env"]);
    // Uncommitted,
    assert!(reuse(&history(&repo)).is_empty());
    // committed,
    repo.commit("renamed");
    assert!(reuse(&history(&repo)).is_empty());
    // changed, and renamed once more.
    dotenv(&repo, "development", &format!("{VALUE}\nLOG=debug"));
    repo.commit("more");
    repo.git(&["mv", "deploy/development.env", "deploy/staging.env"]);
    repo.commit("renamed again");
    let told = reuse(&history(&repo));
    assert!(told.is_empty(), "{told:#?}");
    // A copy is another matter.
    dotenv(&repo, "production", VALUE);
    repo.commit("copied");
    dotenv(&repo, "production", OTHER);
    repo.commit("rotated");
    let told = reuse(&history(&repo));
    assert_eq!(told.len(), 1, "{told:#?}");
}

#[test]
fn values_that_moved_within_one_environment_are_no_reuse() {
    let repo = Repo::new();
    dotenv(&repo, "production", VALUE);
    repo.commit("production");
    dotenv(&repo, "production", OTHER);
    repo.write(
        "config/production.json",
        format!("{{\"db\": {{\"password\": \"{VALUE}\"}}}}\n"),
    );
    repo.commit("moved");
    let told = reuse(&history(&repo));
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn a_group_of_the_tree_is_told_once_and_keeps_its_identity() {
    let repo = Repo::new();
    for environment in ["production", "development"] {
        dotenv(&repo, environment, VALUE);
    }
    dotenv(&repo, "staging", VALUE);
    let brought = repo.commit("all");
    dotenv(&repo, "staging", OTHER);
    repo.commit("rotated");
    let (tree, all) = (reuse(&scan(&repo, &[])), reuse(&history(&repo)));
    assert_eq!((tree.len(), all.len()), (1, 1), "{all:#?}");
    for same in ["rule", "severity", "location", "fingerprint"] {
        assert_eq!(tree[0][same], all[0][same], "{same}");
    }
    let (.., related) = shape(&all[0]);
    assert_eq!(
        related,
        [
            ("deploy/production.env".to_owned(), String::new()),
            ("deploy/staging.env".to_owned(), brought),
        ]
    );
}

#[test]
fn a_history_of_one_commit_tells_the_reuse_of_its_tree() {
    let repo = Repo::new();
    for environment in ["production", "development", "staging"] {
        dotenv(&repo, environment, VALUE);
    }
    repo.write("env/dev.properties", "db.password=Hunter2x-dev\n");
    repo.write("env/prod.properties", "db.password=Hunter2x-prod\n");
    repo.write("api/package.json", "{\"name\": \"api\"}\n");
    repo.write("api/.env", format!("SMTP_PASSWORD={OTHER}\n"));
    repo.write("billing/package.json", "{\"name\": \"billing\"}\n");
    repo.write("billing/.env", format!("SMTP_PASSWORD={OTHER}\n"));
    let config = format!(
        "{{\"session\": {{\"password\": \"b7Jx9Qm2Lt5Rk8\"}}, \"t\": \"{}\"}}\n",
        token(3)
    );
    repo.write("config/default.json", config);
    repo.write("config/production.json", "{\"log\": \"warn\"}\n");
    repo.write("config/staging.json", "{\"log\": \"debug\"}\n");
    repo.commit("all");
    let tree = reuse(&scan(&repo, &[]));
    assert!(tree.len() >= 4, "{tree:#?}");
    assert_eq!(tree, reuse(&history(&repo)));
    // A bare repository has the tree of HEAD.
    let bare = Repo::plain();
    let path = repo.path().to_str().unwrap().to_owned();
    bare.git(&["clone", "-q", "--bare", &path, "."]);
    let strip = |findings: Vec<Value>| -> Vec<_> { findings.iter().map(shape).collect() };
    assert_eq!(strip(tree), strip(reuse(&history(&bare))));
}

#[test]
fn secrets_in_a_providers_format_count_in_every_file() {
    let repo = Repo::new();
    repo.write("deploy/prod/run.sh", format!("export T={}\n", token(5)));
    let brought = repo.commit("a script");
    repo.write("deploy/prod/run.sh", "echo\n");
    repo.write("deploy/dev/run.sh", format!("export T={}\n", token(5)));
    repo.commit("another");
    let told = reuse(&history(&repo));
    assert_eq!(told.len(), 1, "{told:#?}");
    let (_, path, _, related) = shape(&told[0]);
    assert_eq!(path, "deploy/dev/run.sh");
    assert_eq!(related, [("deploy/prod/run.sh".to_owned(), brought)]);
}

#[test]
fn results_do_not_depend_on_threads_and_packs() {
    let repo = Repo::new();
    for (n, value) in [VALUE, OTHER, "b7Jx9Qm2Lt5Rk8"].iter().enumerate() {
        for environment in ["production", "staging", "development", "test"] {
            dotenv(&repo, environment, value);
            repo.write(
                &format!("deploy/{environment}.json"),
                format!("{{\"api_token\": \"{value}{n}\"}}\n"),
            );
            repo.commit("next");
        }
    }
    let told = reuse(&history(&repo));
    assert!(told.len() >= 3, "{told:#?}");
    for threads in ["--threads=1", "--threads=4"] {
        assert_eq!(reuse(&scan(&repo, &["--history", threads])), told);
    }
    repo.git(&["repack", "-adfq"]);
    assert_eq!(reuse(&history(&repo)), told);
}

#[test]
fn what_nothing_leads_to_counts_where_it_is_asked_for() {
    let repo = Repo::new();
    dotenv(&repo, "development", VALUE);
    repo.commit("development");
    dotenv(&repo, "production", VALUE);
    repo.commit("production");
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    repo.git(&["reflog", "expire", "--expire=all", "--all"]);
    repo.git(&["update-ref", "-d", "ORIG_HEAD"]);
    assert!(reuse(&history(&repo)).is_empty());
    assert_eq!(
        reuse(&scan(&repo, &["--history", "--unreachable"])).len(),
        1
    );
}

#[test]
fn versions_that_are_missing_are_told_with_the_coverage() {
    let repo = Repo::new();
    dotenv(&repo, "production", VALUE);
    repo.commit("production");
    let id = repo.git(&["rev-parse", "HEAD:deploy/production.env"]);
    dotenv(&repo, "production", OTHER);
    dotenv(&repo, "development", VALUE);
    repo.commit("rotated");
    let object = format!(".git/objects/{}/{}", &id[..2], &id[2..]);
    std::fs::remove_file(repo.path().join(object)).unwrap();
    let run = history(&repo);
    assert!(reuse(&run).is_empty());
    let skips = run.json()["ledger"]["skips"].to_string();
    assert!(
        skips.contains("1 earlier versions of files were not read for policy"),
        "{skips}"
    );
}

#[test]
fn a_marker_and_an_entry_set_earlier_versions_aside() {
    let repo = Repo::new();
    dotenv(&repo, "production", VALUE);
    repo.commit("production");
    dotenv(&repo, "production", OTHER);
    dotenv(&repo, "development", VALUE);
    repo.commit("rotated");
    assert_eq!(reuse(&history(&repo)).len(), 1);
    repo.write(
        "keysweep.toml",
        "[[allow]]\nreason = \"rotated\"\nrules = [\"xenv-reuse-exact\"]\npaths = [\"deploy/**\"]\n",
    );
    assert!(reuse(&history(&repo)).is_empty());
}

/// Commits everything as if some days ago.
fn commit_days_ago(repo: &Repo, days: u64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let date = format!("{} +0000", now.unwrap().as_secs() - days * 86_400);
    repo.git(&["add", "-A"]);
    let status = Command::new("git")
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.com",
            "commit",
            "-q",
            "-m",
            "m",
        ])
        .current_dir(repo.path())
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status();
    assert!(status.unwrap().success());
}

fn old(run: &Run) -> Vec<(String, String)> {
    let report = run.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let own = findings.filter(|one| one["rule"] == "secret-age-exceeds-policy");
    own.map(|one| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&one["location"]["path"]), text(&one["severity"]))
    })
    .collect()
}

#[test]
fn ages_are_counted_from_the_first_commit_with_the_value() {
    let repo = Repo::new();
    repo.write(
        "prod.json",
        format!("{{\"api_key\": \"{VALUE}\", \"db_password\": \"{OTHER}\"}}\n"),
    );
    commit_days_ago(&repo, 400);
    // Another file, another format, and one value that was rotated.
    repo.git(&["rm", "-q", "prod.json"]);
    repo.write(
        "conf/prod.yaml",
        format!("api_key: {VALUE}\ndb_password: b7Jx9Qm2Lt5Rk8\n"),
    );
    commit_days_ago(&repo, 20);
    assert!(old(&scan(&repo, &[])).is_empty());
    let run = history(&repo);
    assert_eq!(
        old(&run),
        [("conf/prod.yaml".to_owned(), "medium".to_owned())]
    );
    let report = run.json().to_string();
    assert!(
        report.contains("`api_key` has had the same value for 400 days"),
        "{report}"
    );
}

#[test]
fn a_secret_of_a_rule_has_its_age_in_one_finding() {
    let repo = Repo::new();
    repo.write("conf/prod.yaml", format!("github_token: {}\n", token(9)));
    commit_days_ago(&repo, 400);
    let run = keysweep(repo.path(), &["scan", "--history", "--output=json"]);
    let report = run.json();
    let findings = report["findings"].as_array().unwrap();
    let own = findings.iter().filter(|one| one["kind"] == "secret");
    let related: Vec<String> = own.map(|one| one["related"].to_string()).collect();
    assert_eq!(related.len(), 1, "{report:#}");
    assert!(
        related[0].contains("secret-age-exceeds-policy"),
        "{related:?}"
    );
    // By the name that the file gives it.
    let message = "secret-age-exceeds-policy: `github_token` has had the same value for 400 days";
    assert!(related[0].contains(message), "{related:?}");
    assert!(old(&run).is_empty(), "{report:#}");
    // Without the rule's finding nobody else tells it.
    assert_eq!(old(&history(&repo)).len(), 1);
}

#[test]
fn young_values_are_not_old() {
    let repo = Repo::new();
    repo.write("conf/prod.yaml", format!("api_key: {VALUE}\n"));
    commit_days_ago(&repo, 80);
    assert!(old(&history(&repo)).is_empty());
    // Nothing is known of what is not committed.
    repo.write("conf/other.yaml", format!("api_key: {OTHER}\n"));
    assert!(old(&history(&repo)).is_empty());
}

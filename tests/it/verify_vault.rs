//! `keysweep verify` as its users run it, against the real OpenBao: what was leaked is current, was rotated, or never was in the store.

use std::fs;

use serde_json::{Value, json};

use super::{
    servers::Bao,
    stores_vault::{policy, put},
    support::{Repo, Run, keysweep_with, token},
};

/// A repository with three leaked tokens: one is current, one was current before, one is nowhere.
fn leaky() -> Repo {
    let repo = Repo::plain();
    for n in 1..=3 {
        repo.write(&format!("file{n}.txt"), format!("token = {}\n", token(n)));
    }
    repo
}

fn fill(bao: &Bao) {
    put(bao, "prod/api", &json!({"token": token(2), "user": "app"}));
    put(bao, "prod/api", &json!({"token": token(1), "user": "app"}));
}

fn verify(bao: &Bao, repo: &Repo, as_token: &str) -> Run {
    let stores = bao.dir().join("stores.toml");
    let text = format!(
        "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"secret\"]\n",
        bao.address
    );
    fs::write(&stores, text).expect("written");
    let stores = stores.to_str().expect("UTF-8");
    let args = ["verify", "--stores", stores, "--output", "json", "."];
    keysweep_with(repo.path(), &args, &[("BAO_TOKEN", as_token)], b"")
}

/// Returns file and verdict of each finding.
fn verdicts(report: &Value) -> Vec<(String, Value)> {
    let findings = report["findings"].as_array().expect("findings");
    let mut verdicts: Vec<_> = findings
        .iter()
        .map(|finding| {
            let path = finding["location"]["path"].as_str().expect("a path");
            (path.to_owned(), finding["verdict"].clone())
        })
        .collect();
    verdicts.sort_by(|a, b| a.0.cmp(&b.0));
    verdicts
}

#[test]
fn findings_get_the_state_that_the_store_knows() {
    let (bao, repo) = (Bao::start(), leaky());
    fill(&bao);
    let run = verify(&bao, &repo, Bao::ROOT);
    assert_eq!(run.code, 10, "{}", run.stderr);
    let report = run.json();
    let [(_, current), (_, previous), (_, never)] = verdicts(&report).try_into().expect("three");
    assert_eq!(current["store"]["state"], "current");
    assert_eq!(current["place"]["key"], "secret/prod/api");
    assert_eq!(current["place"]["version"], "2");
    assert_eq!(current["place"]["field"], "token");
    assert_eq!(previous["store"]["state"], "previous");
    assert_eq!(previous["store"]["behind"], 1);
    assert!(previous["store"]["since"].is_string());
    assert_eq!(
        never["store"],
        json!({"state": "not-found", "complete": true})
    );
    let text = String::from_utf8_lossy(&run.stdout).into_owned() + &run.stderr;
    for n in 1..=3 {
        assert!(!text.contains(&token(n)));
    }
}

#[test]
fn what_may_not_be_read_makes_never_a_word_too_big() {
    let (bao, repo) = (Bao::start(), leaky());
    fill(&bao);
    put(&bao, "dark/a", &json!({"k": "made-up"}));
    let text = r#"
        path "secret/metadata/*" { capabilities = ["read", "list"] }
        path "secret/data/*" { capabilities = ["read"] }
        path "secret/metadata/dark/*" { capabilities = ["deny"] }
    "#;
    policy(&bao, "most", text);
    let run = verify(&bao, &repo, &bao.token(&["most"], "5m"));
    let report = run.json();
    let all = verdicts(&report);
    assert_eq!(all[0].1["store"]["state"], "current");
    assert_eq!(
        all[2].1["store"],
        json!({"state": "not-found", "complete": false})
    );
    assert_eq!(run.code, 10, "{}", run.stderr);
    assert!(String::from_utf8_lossy(&run.stdout).contains("secret/dark/"));
}

#[test]
fn a_sealed_store_is_an_incomplete_run() {
    let (bao, repo) = (Bao::start(), leaky());
    bao.root("PUT", "sys/seal", &json!({}));
    let run = verify(&bao, &repo, Bao::ROOT);
    let text = String::from_utf8_lossy(&run.stdout).into_owned() + &run.stderr;
    assert!(text.contains("sealed"), "{text}");
    for (_, verdict) in verdicts(&run.json()) {
        assert_eq!(
            verdict["store"],
            json!({"state": "not-found", "complete": false})
        );
    }
    // Findings outrank an incomplete run (exit codes: 10, 1, 3, 0).
    assert_eq!(run.code, 1, "{text}");
}

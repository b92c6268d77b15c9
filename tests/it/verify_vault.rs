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
    run(bao, repo, as_token, &["verify", "--output", "json", "."])
}

/// Runs the program with a stores file that names one store.
fn run(bao: &Bao, repo: &Repo, as_token: &str, args: &[&str]) -> Run {
    let stores = bao.dir().join("stores.toml");
    let text = format!(
        "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"secret\"]\n\n[rotate]\nstate = {:?}\n",
        bao.address,
        bao.dir().join("state")
    );
    fs::write(&stores, text).expect("written");
    let mut all = args.to_vec();
    all.extend(["--stores", stores.to_str().expect("UTF-8")]);
    keysweep_with(repo.path(), &all, &[("BAO_TOKEN", as_token)], b"")
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
            json!({"state": "not-found", "complete": false, "unread": true})
        );
    }
    // Findings outrank an incomplete run (exit codes: 10, 1, 3, 0).
    assert_eq!(run.code, 1, "{text}");
}

/// Returns what a run says of its one store.
fn coverage(run: &Run) -> Value {
    let report = run.json();
    let stores = report["verification"]["stores"].as_array().expect("stores");
    assert_eq!(stores.len(), 1, "{report:#}");
    stores[0].clone()
}

#[test]
fn versions_that_are_gone_are_known_by_an_index_made_before() {
    let (bao, repo) = (Bao::start(), leaky());
    for n in 1..=4 {
        put(&bao, "prod/api", &json!({"token": token(n)}));
    }
    let index = bao.dir().join("store.index");
    let index = index.to_str().expect("UTF-8");
    let args = ["store", "index", "--names", "--out", index];
    let indexed = run(&bao, &repo, Bao::ROOT, &args);
    assert_eq!(indexed.code, 0, "{}{}", indexed.text(), indexed.stderr);
    let gone = |how: &str, version: u32| {
        let path = format!("secret/{how}/prod/api");
        bao.root("POST", &path, &json!({"versions": [version]}));
    };
    gone("delete", 1);
    gone("destroy", 2);
    let args = ["verify", "--output", "json", "--index", index, "."];
    let verified = run(&bao, &repo, Bao::ROOT, &args);
    assert_eq!(verified.code, 1, "{}", verified.stderr);
    let [(_, deleted), (_, destroyed), (_, previous)] =
        verdicts(&verified.json()).try_into().expect("three");
    for (verdict, state, version) in [
        (&deleted, "soft-deleted", "1"),
        (&destroyed, "destroyed", "2"),
        (&previous, "previous", "3"),
    ] {
        assert_eq!(verdict["store"]["state"], state, "{verdict}");
        assert_eq!(verdict["place"]["key"], "secret/prod/api");
        assert_eq!(verdict["place"]["version"], version, "{verdict}");
    }
    // Without the index nobody knows what the deleted versions held, and it is not said that it was never there.
    let without = verify(&bao, &repo, Bao::ROOT);
    let [(_, deleted), (_, destroyed), _] = verdicts(&without.json()).try_into().expect("three");
    let unknown = json!({"state": "not-found", "complete": false});
    assert_eq!(deleted["store"], unknown);
    assert_eq!(destroyed["store"], unknown);
    assert_eq!(coverage(&without)["deleted"], 2);
    // It was undeleted: it is what it was.
    bao.root(
        "POST",
        "secret/undelete/prod/api",
        &json!({"versions": [1]}),
    );
    let again = verify(&bao, &repo, Bao::ROOT);
    assert_eq!(verdicts(&again.json())[0].1["store"]["state"], "previous");
}

#[test]
fn versions_that_the_store_has_trimmed_leave_a_doubt() {
    let (bao, repo) = (Bao::start(), leaky());
    bao.root(
        "POST",
        "secret/metadata/prod/api",
        &json!({"max_versions": 2}),
    );
    for n in [3, 2, 1] {
        put(&bao, "prod/api", &json!({"token": token(n)}));
    }
    let verified = verify(&bao, &repo, Bao::ROOT);
    assert_eq!(verified.code, 10, "{}", verified.stderr);
    let [(_, current), (_, previous), (_, trimmed)] =
        verdicts(&verified.json()).try_into().expect("three");
    assert_eq!(current["store"]["state"], "current");
    assert_eq!(previous["store"]["state"], "previous");
    let unknown = json!({"state": "not-found", "complete": false});
    assert_eq!(trimmed["store"], unknown);
    assert_eq!(coverage(&verified)["trimmed"], 1);
}

#[test]
fn a_value_that_keys_share_is_told_with_both_and_crosses_environments() {
    let (bao, repo) = (Bao::start(), leaky());
    for key in ["prod/api", "dev/api"] {
        put(&bao, key, &json!({"token": token(1)}));
    }
    let args = ["verify", "--output", "json", "--reuse", "."];
    let verified = run(&bao, &repo, Bao::ROOT, &args);
    assert_eq!(verified.code, 10, "{}", verified.stderr);
    let report = verified.json();
    let shared = report["verification"]["shared"].as_array().expect("shared");
    assert_eq!(shared.len(), 1, "{shared:?}");
    let keys = shared[0]["places"].as_array().expect("places").iter();
    let keys: Vec<&str> = keys.filter_map(|place| place["key"].as_str()).collect();
    assert_eq!(keys, ["secret/dev/api", "secret/prod/api"]);
    assert_eq!(shared[0]["crosses_environments"], true);
    let also = &verdicts(&report)[0].1["also"];
    assert_eq!(also.as_array().map(Vec::len), Some(1), "{also}");
}

/// A server, and a repository without a finding that would outrank a gap.
struct Gaps {
    bao: Bao,
    repo: Repo,
    told: Vec<String>,
}

impl Gaps {
    fn new() -> Self {
        let (bao, repo) = (Bao::start(), Repo::plain());
        repo.write("clean.txt", "nothing\n");
        put(&bao, "prod/api", &json!({"token": token(9)}));
        let told = Vec::new();
        Self { bao, repo, told }
    }

    fn run(&self, token: &str, args: &[&str]) -> Run {
        run(&self.bao, &self.repo, token, args)
    }

    /// What `verify`, `store list` and `store doctor` say: code, word and kind of fault.
    fn expect(&mut self, token: &str, code: i32, word: &str, fault: &str) {
        let run = self.run(token, &["verify", "--output", "json", "."]);
        assert_eq!(run.code, code, "{word}: {}{}", run.text(), run.stderr);
        let coverage = coverage(&run);
        let told = coverage.to_string();
        assert!(told.contains(word), "{word}: {told}");
        assert_eq!(coverage["faults"], json!([fault]), "{told}");
        let mut people = self.told_by(token, code, &["verify", "."]);
        assert!(people.contains(word), "{word}: {people}");
        let listed = self.told_by(token, code, &["store", "list"]);
        assert!(listed.contains(word), "{word}: {listed}");
        people += &listed;
        let is_told = !token.is_empty() && token != Bao::ROOT;
        assert!(!is_told || !(told.contains(token) || people.contains(token)));
        self.told.push(told);
    }

    fn told_by(&self, token: &str, code: i32, args: &[&str]) -> String {
        let run = self.run(token, args);
        assert_eq!(run.code, code, "{args:?}: {}{}", run.text(), run.stderr);
        run.text() + &run.stderr
    }
}

#[test]
fn each_reason_for_a_gap_has_words_and_an_exit_code_of_its_own() {
    let mut gaps = Gaps::new();
    policy(
        &gaps.bao,
        "blind",
        "path \"cubbyhole/*\" { capabilities = [\"read\"] }",
    );
    let blind = gaps.bao.token(&["blind"], "5m");
    let short = gaps.bao.token(&["root"], "1s");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let full = verify(&gaps.bao, &gaps.repo, Bao::ROOT);
    assert_eq!(full.code, 0, "{}", full.stderr);
    assert!(coverage(&full).get("faults").is_none());
    gaps.expect(&blind, 20, "no right", "denied");
    gaps.expect(&short, 21, "expired, revoked or wrong", "login");
    gaps.expect("", 21, "there is no token", "login");
    gaps.told_by(&short, 21, &["store", "doctor"]);
    let put = ["store", "put", "secret/prod/api", "token"];
    // Before the value is asked for.
    gaps.told_by(&blind, 20, &put);
    let quota = json!({"rate": 1, "interval": "5m", "path": "secret/"});
    gaps.bao.root("POST", "sys/quotas/rate-limit/tight", &quota);
    gaps.expect(Bao::ROOT, 23, "quota", "quota");
    let free = json!({"rate": 100_000, "path": "secret/"});
    gaps.bao.root("POST", "sys/quotas/rate-limit/tight", &free);
    gaps.bao.root("PUT", "sys/seal", &json!({}));
    gaps.expect(Bao::ROOT, 22, "sealed", "unavailable");
    gaps.told_by(Bao::ROOT, 22, &["store", "doctor"]);
    gaps.told.sort();
    gaps.told.dedup();
    assert_eq!(gaps.told.len(), 5, "{:#?}", gaps.told);
}

#[test]
fn several_reasons_for_a_gap_and_gaps_of_other_kinds_end_with_3() {
    let gaps = Gaps::new();
    policy(
        &gaps.bao,
        "blind",
        "path \"cubbyhole/*\" { capabilities = [\"read\"] }",
    );
    let blind = gaps.bao.token(&["blind"], "5m");
    let stores = gaps.bao.dir().join("two.toml");
    let text = format!(
        "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"secret\"]\n[stores.down]\nkind = \"vault\"\naddress = \"http://127.0.0.1:1\"\n",
        gaps.bao.address
    );
    fs::write(&stores, text).expect("written");
    let stores = stores.to_str().expect("UTF-8");
    let code = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--stores", stores]);
        keysweep_with(gaps.repo.path(), &all, &[("BAO_TOKEN", &blind)], b"").code
    };
    assert_eq!(code(&["verify", "."]), 3);
    assert_eq!(code(&["store", "list"]), 3);
    assert_eq!(code(&["verify", ".", "--store", "main"]), 20);
    assert_eq!(code(&["verify", ".", "--store", "down"]), 22);
    // A file that was not read is a gap of another kind.
    gaps.repo.write("big.zip", b"PK\x03\x04 no archive at all");
    assert_eq!(code(&["verify", ".", "--store", "main"]), 3);
}

#[test]
fn versions_that_were_trimmed_end_with_24_if_a_finding_may_have_been_among_them() {
    let (bao, repo) = (Bao::start(), Repo::plain());
    let max = json!({"max_versions": 1});
    bao.root("POST", "secret/metadata/prod/api", &max);
    for n in [2, 1] {
        put(&bao, "prod/api", &json!({"token": token(n)}));
    }
    repo.write("clean.txt", "nothing\n");
    assert_eq!(verify(&bao, &repo, Bao::ROOT).code, 0, "nothing to doubt");
    let value: String = token(3).chars().skip(4).take(24).collect();
    repo.write("app.ini", format!("api_key = \"{value}\"\n"));
    let args = ["verify", "--fail-on", "critical", "--output", "json", "."];
    let doubt = run(&bao, &repo, Bao::ROOT, &args);
    assert_eq!(doubt.code, 24, "{}{}", doubt.text(), doubt.stderr);
    assert_eq!(coverage(&doubt)["trimmed"], 1);
    assert_eq!(
        verify(&bao, &repo, Bao::ROOT).code,
        1,
        "findings outrank it"
    );
    // A right that is missing besides makes it two reasons.
    put(&bao, "dark/a", &json!({"k": "made-up"}));
    let text = r#"
        path "secret/metadata/*" { capabilities = ["read", "list"] }
        path "secret/data/*" { capabilities = ["read"] }
        path "secret/metadata/dark/*" { capabilities = ["deny"] }
    "#;
    policy(&bao, "most", text);
    let both = run(&bao, &repo, &bao.token(&["most"], "5m"), &args);
    assert_eq!(both.code, 3, "{}{}", both.text(), both.stderr);
}

#[test]
fn versions_that_were_deleted_or_destroyed_end_with_24_as_trimmed_ones_do() {
    for how in ["delete", "destroy"] {
        let (bao, repo) = (Bao::start(), Repo::plain());
        let value = |n: u64| -> String { token(n).chars().skip(4).take(24).collect() };
        for n in [2, 1] {
            put(&bao, "prod/api", &json!({"token": value(n)}));
        }
        repo.write("app.ini", format!("api_key = \"{}\"\n", value(2)));
        let args = ["verify", "--fail-on", "critical", "--output", "json", "."];
        assert_eq!(run(&bao, &repo, Bao::ROOT, &args).code, 0, "{how}");
        let index = bao.dir().join("store.index");
        let index = index.to_str().expect("UTF-8");
        let make = ["store", "index", "--names", "--out", index];
        assert_eq!(run(&bao, &repo, Bao::ROOT, &make).code, 0, "{how}");
        let path = format!("secret/{how}/prod/api");
        bao.root("POST", &path, &json!({"versions": [1]}));
        let doubt = run(&bao, &repo, Bao::ROOT, &args);
        assert_eq!(doubt.code, 24, "{how}: {}{}", doubt.text(), doubt.stderr);
        assert_eq!(coverage(&doubt)["deleted"], 1, "{how}");
        // An index that was made before knows what that version held, and that this was never in it.
        repo.write("app.ini", format!("api_key = \"{}\"\n", value(3)));
        let unsure = run(&bao, &repo, Bao::ROOT, &args);
        assert_eq!(unsure.code, 24, "{how}: {}", unsure.stderr);
        let mut with_index = args.to_vec();
        with_index.extend(["--index", index]);
        let sure = run(&bao, &repo, Bao::ROOT, &with_index);
        let expected = json!({"state": "not-found", "complete": true});
        assert_eq!(verdicts(&sure.json())[0].1["store"], expected, "{how}");
        repo.write("app.ini", "nothing\n");
        let clean = run(&bao, &repo, Bao::ROOT, &args);
        assert_eq!(clean.code, 0, "{how}: nothing to doubt");
    }
}

#[test]
fn kv_version_1_keeps_no_old_value_so_never_is_not_said() {
    let (bao, repo) = (Bao::start(), leaky());
    let old = json!({"type": "kv", "options": {"version": "1"}});
    bao.root("POST", "sys/mounts/old", &old);
    bao.root("POST", "old/prod/api", &json!({"token": token(1)}));
    let stores = bao.dir().join("old.toml");
    let text = format!(
        "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"old\"]\n",
        bao.address
    );
    fs::write(&stores, text).expect("written");
    let stores = stores.to_str().expect("UTF-8");
    let args = ["verify", "--output", "json", "--stores", stores, "."];
    let run = keysweep_with(repo.path(), &args, &[("BAO_TOKEN", Bao::ROOT)], b"");
    let [(_, current), (_, unsure), _] = verdicts(&run.json()).try_into().expect("three");
    assert_eq!(current["store"]["state"], "current");
    let unknown = json!({"state": "not-found", "complete": false});
    assert_eq!(unsure["store"], unknown);
    assert_eq!(coverage(&run)["trimmed"], 1);
}

/// Runs verify with `--probe` and one target of the key.
fn probed(bao: &Bao, repo: &Repo, target: &str, args: &[&str]) -> Run {
    let stores = bao.dir().join("probe.toml");
    let text = format!(
        "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"secret\"]\n[[targets]]\nstore = \"main\"\nkey = \"secret/prod/api\"\nfield = \"token\"\n{target}\n",
        bao.address
    );
    fs::write(&stores, text).expect("written");
    let stores = stores.to_str().expect("UTF-8");
    let mut all = vec!["verify", "--probe", "--stores", stores];
    all.extend(args);
    keysweep_with(repo.path(), &all, &[("BAO_TOKEN", Bao::ROOT)], b"")
}

#[test]
fn a_target_that_is_none_or_cannot_be_opened_costs_no_report() {
    let (bao, repo) = (Bao::start(), leaky());
    fill(&bao);
    let json = ["--output", "json", "."];
    let none = probed(&bao, &repo, "kind = \"none\"", &json);
    assert_eq!(none.code, 10, "{}", none.stderr);
    let all = verdicts(&none.json());
    assert_eq!(all[0].1["store"]["state"], "current");
    assert_eq!(all[0].1["provider"]["state"], "not-checked");
    assert!(none.json()["verification"].get("unprobed").is_none());

    let lost = "kind = \"redis\"\naddress = \"127.0.0.1:1\"\nuser-field = \"user\"\nadmin-password-file = \"/nowhere/admin\"";
    let unopened = probed(&bao, &repo, lost, &json);
    assert_eq!(unopened.code, 10, "{}", unopened.stderr);
    let report = unopened.json();
    let all = verdicts(&report);
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].1["provider"]["state"], "unknown");
    let why = all[0].1["provider"]["why"].as_str().expect("a reason");
    assert!(why.contains("/nowhere/admin cannot be read"), "{why}");
    assert_eq!(report["verification"]["unprobed"], 2);
    let text = probed(&bao, &repo, lost, &["."]).text();
    assert!(
        text.contains("whether its system accepts it is not known: the file /nowhere/admin"),
        "{text}"
    );
    assert!(text.contains("INCOMPLETE: "), "{text}");
    // What was asked for and not done is a gap where nothing worse is told.
    let value: String = token(4).chars().skip(4).take(24).collect();
    put(&bao, "prod/api", &json!({"token": value, "user": "app"}));
    put(&bao, "prod/api", &json!({"token": token(1), "user": "app"}));
    for n in 1..=3 {
        repo.write(&format!("file{n}.txt"), "nothing\n");
    }
    repo.write("app.ini", format!("api_key = \"{value}\"\n"));
    let args = ["--fail-on", "critical", "--output", "json", "."];
    let gap = probed(&bao, &repo, lost, &args);
    assert_eq!(gap.code, 3, "{}{}", gap.text(), gap.stderr);
}

#[test]
fn a_prefix_without_a_key_is_no_full_coverage() {
    let (bao, repo) = (Bao::start(), Repo::plain());
    repo.write("clean.txt", "nothing\n");
    put(&bao, "prod/api", &json!({"token": token(9)}));
    let stores = bao.dir().join("prefix.toml");
    let run = |prefixes: &str, args: &[&str]| {
        let text = format!(
            "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nprefixes = {prefixes}\n",
            bao.address
        );
        fs::write(&stores, text).expect("written");
        let mut all = args.to_vec();
        all.extend(["--stores", stores.to_str().expect("UTF-8")]);
        keysweep_with(repo.path(), &all, &[("BAO_TOKEN", Bao::ROOT)], b"")
    };
    let good = run("[\"secret/prod/\"]", &["verify", "."]);
    assert_eq!(good.code, 0, "{}{}", good.text(), good.stderr);
    let told = run("[\"secret/prod/\"]", &["store", "doctor"]).text();
    assert!(told.contains(", 1 key\n"), "{told}");
    for (prefixes, help) in [
        (
            "[\"secret/prod/\", \"secret/prdo/\"]",
            "keysweep store list",
        ),
        ("[\"secret/data/prod/\"]", "\"secret/prod/\""),
    ] {
        let typo = run(prefixes, &["verify", "."]);
        let told = typo.text() + &typo.stderr;
        assert_eq!(typo.code, 3, "{told}");
        assert!(
            told.contains("names no key") && told.contains(help),
            "{told}"
        );
        assert!(told.contains("INCOMPLETE"), "{told}");
        let doctor = run(prefixes, &["store", "doctor"]);
        let told = doctor.text();
        assert_eq!(doctor.code, 0, "{told}");
        assert!(told.contains("note  main: the prefix `secret/"), "{told}");
        assert!(told.contains(help), "{told}");
    }
}

#[test]
fn a_dead_store_is_told_once_and_by_every_command_with_its_code() {
    let (bao, repo) = (Bao::start(), leaky());
    fill(&bao);
    bao.root("PUT", "sys/seal", &json!({}));
    let text = run(&bao, &repo, Bao::ROOT, &["verify", "."]).text();
    assert!(
        text.contains("verdict: not looked for: nothing of any store could be read"),
        "{text}"
    );
    let json = verify(&bao, &repo, Bao::ROOT).json();
    assert_eq!(verdicts(&json)[0].1["store"]["unread"], true);

    let out = bao.dir().join("sealed.index");
    let args = ["store", "index", "--out", out.to_str().expect("UTF-8")];
    let index = run(&bao, &repo, Bao::ROOT, &args);
    let told = index.text();
    assert_eq!(index.code, 22, "{told}");
    assert!(
        told.starts_with("main: 0 of 0 keys, 0 versions\n  not read: "),
        "{told}"
    );
    assert!(told.contains("sealed") && !out.exists(), "{told}");

    let stores = bao.dir().join("two.toml");
    let target = "[[targets]]\nstore = \"main\"\nkey = \"secret/prod/api\"\nkind = \"none\"\n";
    let text = format!(
        "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\n{}",
        bao.address,
        target.repeat(3)
    );
    fs::write(&stores, text).expect("written");
    let args = [
        "store",
        "doctor",
        "--stores",
        stores.to_str().expect("UTF-8"),
    ];
    let doctor = keysweep_with(repo.path(), &args, &[("BAO_TOKEN", Bao::ROOT)], b"");
    let told = doctor.text();
    assert_eq!(doctor.code, 22, "{told}");
    assert_eq!(told.matches("fault ").count(), 1, "{told}");
    let words = "not tried: store main does not answer";
    assert_eq!(told.matches(words).count(), 3, "{told}");
}

/// A store that has what OpenBao's KV has not: a version that waits to become current, and one that is switched off.
#[cfg(unix)]
#[test]
fn pending_and_disabled_versions_of_a_program_s_store_are_told() {
    let (own, repo) = (Repo::plain(), leaky());
    let read = |n: u64| {
        let field = json!({"name": "token", "encoding": "utf-8", "value": token(n)});
        json!({"ok": {"fields": [field]}}).to_string()
    };
    let script = format!(
        r#"request=$(cat)
case "$request" in
*'"health"'*) echo '{{"ok":{{"can":["history","pending","disable"]}}}}' ;;
*'"list"'*) echo '{{"ok":{{"keys":["apps/api"]}}}}' ;;
*'"describe"'*) echo '{{"ok":{{"versions":[{{"id":"v3","state":"pending"}},{{"id":"v2","state":"current"}},{{"id":"v1","state":"disabled"}}]}}}}' ;;
*'"v3"'*) echo '{}' ;;
*'"v2"'*) echo '{}' ;;
*'"v1"'*) echo '{}' ;;
*) echo '{{"error":"unsupported"}}' ;;
esac
"#,
        read(3),
        read(2),
        read(1)
    );
    own.write("store.sh", script);
    let program = own.path().join("store.sh");
    let stores = format!("[stores.own]\nkind = \"command\"\nprogram = [\"sh\", {program:?}]\n");
    own.write("stores.toml", stores);
    let stores = own.path().join("stores.toml");
    let stores = stores.to_str().expect("UTF-8");
    let args = ["verify", "--output", "json", "--stores", stores, "."];
    let run = keysweep_with(repo.path(), &args, &[], b"");
    assert_eq!(run.code, 10, "{}", run.stderr);
    let [(_, disabled), (_, current), (_, pending)] =
        verdicts(&run.json()).try_into().expect("three");
    for (verdict, state, version) in [
        (&disabled, "disabled", "v1"),
        (&current, "current", "v2"),
        (&pending, "pending", "v3"),
    ] {
        assert_eq!(verdict["store"]["state"], state, "{verdict}");
        assert_eq!(verdict["place"]["version"], version, "{verdict}");
    }
    assert_eq!(coverage(&run)["versions"], 3);
}

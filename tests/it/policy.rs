//! Policy in a run: what it finds where, who owns a value, personas, configuration, changes, fixes.

use std::fs;

use serde_json::Value;

use crate::support::{Repo, Run, keysweep, token};

/// A value that no rule for secrets knows the shape of, and a person might choose.
const VALUE: &str = "hunter2-Zq81";

fn json(repo: &Repo, args: &[&str]) -> Run {
    let all: Vec<&str> = args.iter().copied().chain(["--output=json"]).collect();
    keysweep(repo.path(), &all)
}

/// Returns `rule path:line` of each finding of a kind, sorted.
fn told(run: &Run, kind: &str) -> Vec<String> {
    let report = run.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut all: Vec<String> = findings
        .filter(|finding| finding["kind"] == kind)
        .map(|finding| {
            format!(
                "{} {}:{}",
                finding["rule"].as_str().unwrap(),
                finding["location"]["path"].as_str().unwrap(),
                finding["location"]["start_line"]
            )
        })
        .collect();
    all.sort();
    all
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: a\n      image: a\n      env:\n        - name: DB_PASSWORD\n          value: hunter2-Zq81\n";

fn pod() -> Repo {
    let repo = Repo::new();
    repo.write("k8s/pod.yaml", POD);
    repo
}

#[test]
fn a_tree_is_told_its_habits_with_their_place_and_a_masked_excerpt() {
    let repo = pod();
    let run = json(&repo, &["scan"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let report = run.json();
    let finding = &report["findings"][0];
    let rules = report["rules"].as_array().unwrap();
    let named = told(&run, "policy")
        .iter()
        .any(|one| one == "k8s-plaintext-env k8s/pod.yaml:10")
        || finding["related"].to_string().contains("k8s-plaintext-env");
    assert!(named, "{report:#}");
    assert!(!rules.is_empty());
    assert!(!String::from_utf8_lossy(&run.stdout).contains(VALUE));
}

#[test]
fn a_value_that_a_rule_knows_has_one_owner_and_both_facts() {
    let repo = Repo::new();
    let text = POD
        .replace(VALUE, &token(7))
        .replace("DB_PASSWORD", "GITHUB_TOKEN");
    repo.write("k8s/pod.yaml", text);
    let report = json(&repo, &["scan"]).json();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report:#}");
    assert_eq!(findings[0]["kind"], "secret");
    let related = findings[0]["related"].to_string();
    assert!(related.contains("k8s-plaintext-env"), "{related}");
}

#[test]
fn only_one_kind_is_reported_where_it_is_asked_for() {
    let repo = pod();
    repo.write("a.txt", format!("token = {}\n", token(1)));
    let kinds = |only: &str| {
        let report = json(&repo, &["scan", only]).json();
        let findings = report["findings"].as_array().unwrap().clone();
        findings
            .iter()
            .map(|finding| finding["kind"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(kinds("--only=policy").iter().all(|kind| kind != "secret"));
    assert!(kinds("--only=secrets").iter().all(|kind| kind == "secret"));
    assert!(kinds("--only=secrets").contains(&"secret".to_owned()));
}

#[test]
fn a_lint_is_set_aside_as_a_rule_is() {
    let repo = pod();
    let id = |run: &Run| -> Vec<String> { told(run, "policy") };
    let all = json(&repo, &["scan", "--only=policy"]);
    assert_eq!(id(&all), ["k8s-plaintext-env k8s/pod.yaml:10"]);
    // By a marker on its line,
    repo.write(
        "k8s/pod.yaml",
        POD.replace(
            "Zq81\n",
            "Zq81 # keysweep:allow[k8s-plaintext-env] made up\n",
        ),
    );
    let run = json(&repo, &["scan", "--only=policy"]);
    assert_eq!((id(&run), run.code), (vec![], 0));
    assert_eq!(run.json()["suppressed"][0]["reason"], "made up");
    // by the catalogue,
    repo.write("k8s/pod.yaml", POD);
    repo.write(
        "keysweep.toml",
        "[catalogue]\ndisable = [\"k8s-plaintext-env\"]\n",
    );
    assert_eq!(
        id(&json(&repo, &["scan", "--only=policy"])),
        Vec::<String>::new()
    );
    // by an entry for its path,
    repo.write(
        "keysweep.toml",
        "[[allow]]\nreason = \"a demo\"\nrules = [\"k8s-plaintext-env\"]\npaths = [\"k8s/**\"]\n",
    );
    assert_eq!(
        id(&json(&repo, &["scan", "--only=policy"])),
        Vec::<String>::new()
    );
    // and its severity is the user's.
    repo.write(
        "keysweep.toml",
        "[catalogue.severity]\nk8s-plaintext-env = \"info\"\n",
    );
    let run = json(&repo, &["scan", "--only=policy"]);
    assert_eq!(
        (run.json()["findings"][0]["severity"].as_str(), run.code),
        (Some("info"), 0)
    );
}

#[test]
fn a_baseline_knows_habits_and_forgets_those_that_are_mended() {
    let repo = pod();
    let run = keysweep(repo.path(), &["baseline", "create"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let run = json(&repo, &["scan"]);
    assert_eq!(
        (run.json()["findings"].as_array().unwrap().len(), run.code),
        (0, 0),
        "{}",
        run.text()
    );
    // Lines that move change nothing.
    repo.write("k8s/pod.yaml", format!("# moved\n\n{POD}"));
    assert_eq!(json(&repo, &["scan"]).code, 0);
    repo.write("k8s/pod.yaml", "# mended\n");
    let run = json(&repo, &["scan"]);
    assert!(
        run.json()["unused_suppressions"]
            .to_string()
            .contains("baseline line")
    );
}

#[test]
fn a_baseline_holds_where_only_one_kind_is_asked_for() {
    let repo = pod();
    let text = POD.replace(VALUE, &token(7));
    repo.write("k8s/token.yaml", text);
    let run = keysweep(repo.path(), &["baseline", "create", "--only=secrets"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for args in [
        &["scan"][..],
        &["scan", "--only=policy"],
        &["scan", "--only=secrets"],
    ] {
        let run = json(&repo, args);
        assert_eq!(
            run.json()["findings"].as_array().unwrap().len(),
            0,
            "{args:?} {}",
            run.text()
        );
        assert_eq!(
            run.json()["unused_suppressions"].as_array().unwrap().len(),
            0,
            "{args:?}"
        );
    }
}

#[test]
fn a_marker_may_stand_in_the_comment_above() {
    let repo = Repo::new();
    let text = "FROM scratch\n# keysweep:allow[docker-secret-arg-env] made up\nARG NPM_TOKEN\n";
    repo.write("Dockerfile", text);
    let run = json(&repo, &["scan", "--only=policy"]);
    assert_eq!(told(&run, "policy"), Vec::<String>::new(), "{}", run.text());
    assert_eq!(run.json()["suppressed"].as_array().unwrap().len(), 1);
}

#[test]
fn other_values_on_the_line_are_not_shown() {
    let repo = Repo::new();
    let text = "echo \"pw $DB_PASSWORD and the old one: Summer-2023-pw\"\nset -x\n";
    repo.write("x.sh", text);
    repo.write(
        ".env.production",
        "NEXT_PUBLIC_API_SECRET=Lm28dkQpz0192Xv\n",
    );
    for format in [
        "text", "json", "sarif", "github", "gitlab", "markdown", "junit",
    ] {
        let run = keysweep(
            repo.path(),
            &["scan", "--persona=auditor", "--output", format],
        );
        let text = run.text();
        assert!(text.contains("sh-secret-exposed"), "{text}");
        for value in ["Summer-2023-pw", "Lm28dkQpz0192Xv"] {
            assert!(!text.contains(value), "{format}: {text}");
        }
    }
}

#[test]
fn a_range_that_copies_a_file_to_another_environment_is_told() {
    let repo = Repo::new();
    repo.write(".gitignore", "x\n");
    repo.write("env/prod.env", "DB_PASSWORD=Vx7kQ2mR9tLp4wZs\n")
        .commit("Begin");
    repo.write("env/dev.env", "DB_PASSWORD=Vx7kQ2mR9tLp4wZs\n")
        .commit("Copy");
    let run = json(&repo, &["scan", "--range=HEAD~1..HEAD", "--only=policy"]);
    assert_eq!(
        told(&run, "reuse"),
        ["xenv-reuse-exact env/dev.env:1"],
        "{}",
        run.text()
    );
}

#[test]
fn a_file_that_is_no_yaml_is_told_and_read_line_by_line() {
    let repo = Repo::new();
    repo.write(".gitlab-ci.yml", "variables: {\n  broken: [\n");
    let run = json(&repo, &["scan"]);
    // A pipeline that no tool could read: a gap, not a note.
    assert_eq!(run.code, 3, "{}", run.text());
    let skips = run.json()["ledger"]["skips"].to_string();
    assert!(
        skips.contains("\".gitlab-ci.yml\"") && skips.contains("line by line"),
        "{skips}"
    );
}

#[test]
fn staged_ranges_and_bare_repositories_see_the_same_habit() {
    let repo = Repo::new();
    repo.write("README.md", "x\n").commit("Begin");
    repo.write("k8s/pod.yaml", POD);
    repo.git(&["add", "-A"]);
    let staged = json(&repo, &["scan", "--staged", "--only=policy"]);
    assert_eq!(
        told(&staged, "policy"),
        ["k8s-plaintext-env k8s/pod.yaml:10"]
    );
    repo.commit("Add a pod");
    let range = json(&repo, &["scan", "--range=HEAD~1..HEAD", "--only=policy"]);
    assert_eq!(
        told(&range, "policy"),
        ["k8s-plaintext-env k8s/pod.yaml:10"]
    );
    repo.write("README.md", "y\n").commit("Go on");
    let later = json(&repo, &["scan", "--range=HEAD~1..HEAD", "--only=policy"]);
    assert_eq!(told(&later, "policy"), Vec::<String>::new());
    let bare = Repo::plain();
    let from = repo.path().to_str().unwrap();
    bare.git(&["clone", "-q", "--bare", from, "b.git"]);
    let bare = keysweep(
        bare.path(),
        &[
            "scan",
            "--history",
            "--only=policy",
            "--output=json",
            "b.git",
        ],
    );
    // Only history knows that the value is of 2023.
    let both = [
        "k8s-plaintext-env k8s/pod.yaml:10",
        "secret-age-exceeds-policy k8s/pod.yaml:10",
    ];
    assert_eq!(told(&bare, "policy"), both);
    let tree = json(&repo, &["scan", "--history", "--only=policy"]);
    assert_eq!(told(&tree, "policy"), both);
}

#[test]
fn one_value_in_two_environments_is_told_where_the_change_is() {
    let value = format!("DB_PASSWORD={}\n", "Vx7kQ2mR9tLp4wZs");
    let repo = Repo::new();
    repo.write(".gitignore", ".env\n");
    repo.write("deploy/.env.production", &value).commit("Begin");
    repo.write("deploy/.env.development", &value);
    let tree = json(&repo, &["scan", "--only=policy"]);
    let reuse = told(&tree, "reuse");
    assert_eq!(reuse.len(), 1, "{}", tree.text());
    assert!(reuse[0].starts_with("xenv-reuse-exact"), "{reuse:?}");
    repo.git(&["add", "-A"]);
    let staged = json(&repo, &["scan", "--staged", "--only=policy"]);
    assert_eq!(
        told(&staged, "reuse"),
        ["xenv-reuse-exact deploy/.env.development:1"],
        "{}",
        staged.text()
    );
    let other = staged.json();
    let finding: &Value = other["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["kind"] == "reuse")
        .unwrap();
    assert_eq!(
        finding["related"][0]["location"]["path"],
        "deploy/.env.production"
    );
    assert!(!staged.text().contains("Vx7k"));
    repo.commit("Add development");
    repo.write("README.md", "x\n");
    repo.git(&["add", "-A"]);
    let staged = json(&repo, &["scan", "--staged", "--only=policy"]);
    assert_eq!(
        told(&staged, "reuse"),
        Vec::<String>::new(),
        "nothing of the group changed"
    );
}

#[test]
fn each_end_of_a_shared_value_is_called_by_its_own_name() {
    let line = |key: &str| format!("{key}=Vx7kQ2mR9tLp4wZs\n");
    let repo = Repo::new();
    repo.write(".gitignore", ".env\n")
        .write(".env.staging", line("DB_PASSWORD"))
        .commit("Begin");
    // The end that changed is the better protected one, which is told second elsewhere; the names of the keys tell the ends apart.
    repo.write(".env.production", line("DATABASE_PASSWORD"));
    repo.git(&["add", "-A"]);
    let is_told = |args: &[&str]| {
        let run = json(&repo, &[&["scan", "--only=policy"], args].concat());
        let report = run.json();
        let mut all = report["findings"].as_array().unwrap().iter();
        let finding = all.find(|one| one["rule"] == "xenv-reuse-exact").unwrap();
        assert_eq!(finding["location"]["path"], ".env.production");
        assert_eq!(
            finding["message"],
            "`DATABASE_PASSWORD` in prod equals the one in staging: .env.staging"
        );
        let related = &finding["related"];
        assert_eq!(related.as_array().unwrap().len(), 1, "{related}");
        assert_eq!(related[0]["location"]["path"], ".env.staging");
        assert_eq!(related[0]["message"], "`DB_PASSWORD` in staging");
    };
    is_told(&["--staged"]);
    repo.commit("Add production");
    is_told(&["--range=HEAD~1..HEAD"]);
}

#[test]
fn a_change_beside_what_a_lint_speaks_of_says_which_is_which() {
    let repo = Repo::new();
    // A secret of the base layer is told where it stands, or at the file that takes it over if only that changed.
    repo.write(
        "config/application.yml",
        "db:\n  password: Vx7kQ2mR9tLp4wZs\n",
    )
    .write("config/application-dev.yml", "log: debug\n")
    .commit("Begin");
    repo.write(
        "config/application-prod.yml",
        "log: warn\ntoken: ${TOKEN}\n",
    );
    repo.git(&["add", "-A"]);
    let run = json(&repo, &["scan", "--staged", "--only=policy"]);
    let report = run.json();
    let mut all = report["findings"].as_array().unwrap().iter();
    let finding = all.find(|one| one["kind"] == "reuse").expect("one is told");
    assert_eq!(finding["location"]["path"], "config/application-prod.yml");
    let message = finding["message"].as_str().unwrap();
    assert!(message.ends_with("; here: does not set it"), "{message}");
    let related = finding["related"].as_array().unwrap();
    let other = related
        .iter()
        .find(|one| one["location"]["path"] == "config/application.yml")
        .unwrap();
    assert_eq!(other["message"], "what is said first stands here");
}

#[test]
fn fixes_are_shown_masked_and_written_on_request_only() {
    let repo = Repo::new();
    let text = format!(
        "variable \"db_password\" {{\n  type = string\n}}\n\nlocals {{\n  other_password = \"{VALUE}\"\n}}\n"
    );
    repo.write("main.tf", &text);
    let run = keysweep(repo.path(), &["fix"]);
    assert!(
        run.text().contains("+  sensitive = true"),
        "{}{}",
        run.text(),
        run.stderr
    );
    assert!(!run.text().contains(VALUE), "{}", run.text());
    assert_eq!(
        fs::read_to_string(repo.path().join("main.tf")).unwrap(),
        text
    );
    let run = keysweep(repo.path(), &["fix", "--apply"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let now = fs::read_to_string(repo.path().join("main.tf")).unwrap();
    assert!(
        now.contains("sensitive = true") && now.contains(VALUE),
        "{now}"
    );
    let run = keysweep(repo.path(), &["fix", "--apply"]);
    assert!(run.text().contains("Nothing to mend"), "{}", run.text());
}

/// Copies a fixture to where its path says nothing.
fn fixture(name: &str) -> Repo {
    let repo = Repo::new();
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/policy")
        .join(name);
    let mut open = vec![from.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let relative = path.strip_prefix(&from).unwrap();
                repo.write(relative.to_str().unwrap(), fs::read(&path).unwrap());
            }
        }
    }
    repo
}

#[test]
fn a_service_with_each_misuse_is_told_each_once_and_its_repaired_twin_nothing() {
    let args = ["scan", "--only=policy", "--persona=auditor", "--no-ignore"];
    let run = json(&fixture("leaky"), &args);
    let report = run.json();
    let mut told: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            format!(
                "{}:{} {}",
                finding["location"]["path"].as_str().unwrap(),
                finding["location"]["start_line"],
                finding["rule"].as_str().unwrap()
            )
        })
        .collect();
    told.sort();
    let expected = include_str!("../../fixtures/policy/expected.txt");
    let mut expected: Vec<&str> = expected
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    expected.sort_unstable();
    assert_eq!(told, expected);
    let ids: std::collections::BTreeSet<&str> = expected
        .iter()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    // A fixture has no history: `reuse_history` shows ages.
    let all = keysweep::policy::all().into_iter();
    for lint in all.filter(|lint| lint.id != "secret-age-exceeds-policy") {
        assert!(
            ids.contains(lint.id),
            "{} is nowhere in the fixture",
            lint.id
        );
    }
    let run = json(&fixture("repaired"), &args);
    assert_eq!(
        run.json()["findings"].as_array().unwrap().len(),
        0,
        "{}",
        run.text()
    );
    assert_eq!(run.code, 0, "{}", run.text());
}

#[test]
fn the_catalogue_lists_shows_and_tests_lints() {
    let repo = Repo::plain();
    let list = keysweep(repo.path(), &["rules", "list"]);
    assert!(list.text().contains("k8s-plaintext-env") && list.text().contains("lints of policy"));
    let show = keysweep(repo.path(), &["rules", "show", "k8s-plaintext-env"]);
    assert!(show.text().contains("fires on"), "{}", show.text());
    let test = keysweep(repo.path(), &["rules", "test", "k8s-plaintext-env"]);
    assert_eq!(test.code, 0, "{}", test.text());
    let near = keysweep(repo.path(), &["rules", "show", "k8s-plaintext-enf"]);
    assert!(
        near.code == 2 && near.stderr.contains("k8s-plaintext-env"),
        "{}",
        near.stderr
    );
}

#[test]
fn a_rules_excerpt_hides_what_only_a_lint_knows() {
    let repo = Repo::new();
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData: {{password: Vx7kQ2mR9tJ1, other: Vx7kQ2mR9tJ3, token: {}}}\n",
        token(3)
    );
    repo.write("k8s/secret.yaml", text);
    let run = keysweep(repo.path(), &["scan"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    for value in ["Vx7kQ2mR9tJ1", "Vx7kQ2mR9tJ3"] {
        assert!(!run.text().contains(value), "{}", run.text());
    }
}

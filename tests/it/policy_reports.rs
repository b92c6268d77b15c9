//! Policy in reports: halves of a scan apart and together, both facts of one value in every format, what was looked for.

use crate::support::{Repo, Run, keysweep, token};

const FORMATS: [&str; 8] = [
    "text", "json", "jsonl", "sarif", "github", "gitlab", "markdown", "junit",
];

/// A manifest with a token that a rule knows, and a lint speaks of.
fn pod() -> Repo {
    let repo = Repo::new();
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n    - name: a\n      image: a\n      env:\n        - name: GITHUB_TOKEN\n          value: {}\n",
        token(7)
    );
    repo.write("k8s/pod.yaml", pod);
    repo
}

fn sarif_ids(run: &Run) -> Vec<String> {
    let runs = run.json()["runs"].clone();
    let runs = runs.as_array().unwrap().iter();
    runs.map(|run| run["automationDetails"]["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_upload_of_one_half_closes_no_alert_of_the_other() {
    let repo = pod();
    let ids = |args: &[&str]| {
        let all = [&["scan", "--output=sarif"], args].concat();
        sarif_ids(&keysweep(repo.path(), &all))
    };
    assert_eq!(ids(&["--only=policy"]), ["keysweep/only-policy/head/"]);
    assert_eq!(ids(&["--only=secrets"]), ["keysweep/only-secrets/head/"]);
    assert_eq!(
        ids(&["--only=policy", "--sarif-category=web"]),
        ["keysweep/web/only-policy/head/"]
    );
    for bad in ["", "a/b", "a b"] {
        let run = keysweep(
            repo.path(),
            &["scan", "--output=sarif", "--sarif-category", bad],
        );
        assert_eq!(run.code, 2, "{bad:?}");
    }
}

#[test]
fn a_report_says_what_was_looked_for_and_halves_merge_to_the_whole() {
    let repo = pod();
    // Not in the repository: a scan reads the texts in `.git`, too.
    let other = Repo::plain();
    let place = |file: &str| other.path().join(file).display().to_string();
    let part = |args: &[&str], file: &str| {
        let output = format!("--output=json={}", place(file));
        keysweep(repo.path(), &[&["scan", output.as_str()], args].concat());
        let text = std::fs::read(place(file)).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()
    };
    let whole = part(&[], "w.json");
    assert_eq!(
        (whole["only"].as_str(), whole["persona"].as_str()),
        (None, Some("regular"))
    );
    let secrets = part(&["--only=secrets"], "s.json");
    assert_eq!(
        (secrets["only"].as_str(), secrets["persona"].as_str()),
        (Some("secrets"), None)
    );
    let policy = part(&["--only=policy", "--persona=pedantic"], "p.json");
    assert_eq!(
        (policy["only"].as_str(), policy["persona"].as_str()),
        (Some("policy"), Some("pedantic"))
    );
    let args = [
        "report",
        "merge",
        &place("s.json"),
        &place("p.json"),
        "--output=json",
    ];
    let run = keysweep(repo.path(), &args);
    let merged = run.json();
    assert_eq!(merged["ledger"]["read"], whole["ledger"]["read"]);
    assert_eq!(
        (merged["only"].as_str(), merged["persona"].as_str()),
        (None, Some("pedantic"))
    );
    let number = |report: &serde_json::Value| report["findings"].as_array().unwrap().len();
    assert!(number(&secrets) > 0 && number(&policy) > 0);
    assert_eq!(number(&merged), number(&secrets) + number(&policy));
}

#[test]
fn every_format_tells_both_facts_of_one_value() {
    let repo = pod();
    for format in FORMATS {
        let run = keysweep(repo.path(), &["scan", "--output", format]);
        let text = run.text();
        assert!(
            text.contains("github-personal-access-token"),
            "{format}: {text}"
        );
        assert!(text.contains("k8s-plaintext-env"), "{format}: {text}");
        // What the lint says of it, not only its id.
        assert!(
            text.contains("GITHUB") && text.contains("TOKEN"),
            "{format}: {text}"
        );
        assert!(!text.contains(&token(7)), "{format}");
    }
    let markdown = keysweep(repo.path(), &["scan", "--output=markdown"]).text();
    assert!(markdown.contains("| What |"), "{markdown}");
    let sarif = keysweep(repo.path(), &["scan", "--output=sarif"]).json();
    let message = &sarif["runs"][0]["results"][0]["message"]["text"];
    assert!(
        message
            .as_str()
            .unwrap()
            .contains("[k8s-plaintext-env](1): "),
        "{message}"
    );
}

#[test]
fn a_clean_run_claims_nothing_of_what_was_not_looked_for() {
    let repo = Repo::new();
    repo.write("README.md", "nothing\n");
    let said = |args: &[&str]| keysweep(repo.path(), &[&["scan"], args].concat()).text();
    assert!(said(&[]).contains("No secrets and no faults of policy found"));
    let policy = said(&["--only=policy"]);
    assert!(!policy.contains("No secrets"), "{policy}");
    assert!(policy.contains("secrets were not looked for"), "{policy}");
    let secrets = said(&["--only=secrets"]);
    assert!(secrets.contains("policy was not looked at"), "{secrets}");
    let run = keysweep(repo.path(), &["scan", "--stdin", "--only=policy"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
}

#[test]
fn our_own_configuration_holds_no_secret() {
    let repo = Repo::new();
    let text = "[catalogue.severity]\ngeneric-password = \"critical\"\nweak-default-password = \"high\"\n\n[environments.acc]\nkeys = [\"ACC_PASSWORD\"]\nstores = [\"secret/data/acc/**\"]\n";
    repo.write("keysweep.toml", text);
    let run = keysweep(repo.path(), &["scan", "--persona=auditor"]);
    assert_eq!(run.code, 0, "{}", run.text());
    // A password that is one of those words, under a name that is no rule's, is told as ever.
    repo.write("app.ini", "db_password = \"critical\"\n");
    let run = keysweep(repo.path(), &["scan"]);
    assert!(run.text().contains("app.ini:1"), "{}", run.text());
}

#[test]
fn a_dry_run_of_fixes_is_a_patch_that_git_applies() {
    let repo = Repo::new();
    repo.write("README.md", "x\n");
    let run = keysweep(repo.path(), &["fix"]);
    assert_eq!((run.code, run.text().contains("Nothing")), (0, true));
    let tf = "variable \"db_password\" {\r\n  type = string\r\n}\r\n";
    repo.write("a b/main.tf", tf);
    // A value that has to be covered is no part of what can be applied.
    let covered = "variable \"api_token\" {\n  type = string\n}\nlocals {\n  other_password = \"hunter2-Zq81\"\n}\n";
    repo.write("c.tf", covered).commit("Begin");
    let run = keysweep(repo.path(), &["fix"]);
    assert_eq!(run.code, 1, "{}", run.text());
    assert!(!run.text().contains("hunter2"), "{}", run.text());
    repo.git_with(&["apply", "--check", "-"], "A", &run.stdout);
    repo.git_with(&["apply", "-"], "A", &run.stdout);
    let read = |path: &str| std::fs::read_to_string(repo.path().join(path)).unwrap();
    assert!(read("a b/main.tf").contains("  sensitive = true\r\n"));
    assert_eq!(read("c.tf"), covered, "{}", run.text());
    assert!(run.text().contains("# c.tf: shown with values covered"));
    let run = keysweep(repo.path(), &["fix", "--apply"]);
    assert_eq!(run.code, 0, "{}", run.text());
    assert!(read("c.tf").contains("sensitive = true"));
    assert_eq!(keysweep(repo.path(), &["fix"]).code, 0);
}

#[test]
fn a_workflow_that_is_no_yaml_is_a_gap_in_every_format() {
    let repo = Repo::new();
    repo.write(
        ".github/workflows/a.yml",
        "on: push\njobs: {\n  broken: [\n",
    );
    // A file whose name says nothing of its kind may be a template: a note.
    repo.write("deploy/x.yaml", "password: {{ .x }\n  - [\n");
    for format in FORMATS.iter().filter(|format| **format != "jsonl") {
        let run = keysweep(repo.path(), &["scan", "--output", format]);
        assert_eq!(run.code, 3, "{format}: {}", run.text());
        let text = run.text();
        assert!(text.contains("workflows/a.yml"), "{format}: {text}");
        assert!(text.contains("line by line"), "{format}: {text}");
    }
    let run = keysweep(repo.path(), &["scan", "--output=jsonl"]);
    assert!(
        run.code == 3 && run.stderr.contains("INCOMPLETE"),
        "{}",
        run.stderr
    );
    let report = keysweep(repo.path(), &["scan", "--output=json"]).json();
    assert_eq!(report["ledger"]["skipped"]["undecodable"], 1);
    assert!(
        report["ledger"]["notes"]
            .to_string()
            .contains("deploy/x.yaml")
    );
    // Who looks for secrets alone has read it.
    assert_eq!(keysweep(repo.path(), &["scan", "--only=secrets"]).code, 0);
    repo.write("keysweep.toml", "[coverage]\naccept = [\"undecodable\"]\n");
    assert_eq!(keysweep(repo.path(), &["scan"]).code, 0);
}

/// A service with two environments, an image and a pipeline.
fn service() -> Repo {
    let repo = Repo::new();
    repo.write(".gitignore", ".env\n");
    repo.write(
        "deploy/.env.production",
        "APP=shop\nDB_PASSWORD=Vx7kQ2mR9tLp4wZs\n",
    );
    repo.write("deploy/.env.development", "DB_PASSWORD=Vx7kQ2mR9tLp4wZs\n");
    repo.write("docker/Dockerfile", "FROM alpine:3\nARG NPM_TOKEN\n");
    repo.write(
        ".github/workflows/a.yml",
        "on: push\nenv:\n  TOKEN: ${{ secrets.DEPLOY_TOKEN }}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: ./a\n        env: {A: b}\n      - run: ./b\n",
    );
    repo
}

fn explained(repo: &Repo, args: &[&str]) -> String {
    let run = keysweep(repo.path(), &[&["explain"], args].concat());
    assert!(!run.text().contains("Vx7k"), "{}", run.text());
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.text()
}

#[test]
fn explain_says_what_lints_say_and_whom_they_tell() {
    let repo = service();
    let explain = |args: &[&str]| explained(&repo, args);
    // Reuse: from both ends, with the other place and what told the environment.
    let text = explain(&["deploy/.env.development:1"]);
    assert!(text.contains("reported: xenv-reuse-exact"), "{text}");
    assert!(text.contains("with deploy/.env.production:2"), "{text}");
    assert!(
        text.contains("`DB_PASSWORD` (environment dev, told by the file's name"),
        "{text}"
    );
    let text = explain(&["deploy/.env.production:2"]);
    assert!(
        text.contains("reported at deploy/.env.development:1: xenv-reuse-exact"),
        "{text}"
    );
    assert!(text.contains("(this line)"), "{text}");
    // Persona.
    let text = explain(&[".github/workflows/a.yml:3"]);
    assert!(
        text.contains("not reported: gha-secret-env-too-wide")
            && text.contains("`--persona pedantic` reports it"),
        "{text}"
    );
    let text = explain(&[".github/workflows/a.yml:3", "--persona=pedantic"]);
    assert!(
        text.contains("reported: gha-secret-env-too-wide (low)"),
        "{text}"
    );
    // Which lints looked, and what was not looked at.
    let text = explain(&["docker/Dockerfile:1"]);
    assert!(text.contains("lints that know such files"), "{text}");
    assert!(text.contains("docker-secret-arg-env"), "{text}");
    let text = explain(&["docker/Dockerfile:2", "--only=secrets"]);
    assert!(!text.contains("docker-secret-arg-env"), "{text}");
}

#[test]
fn explain_says_by_what_a_lint_is_set_aside() {
    let repo = service();
    let explain = |args: &[&str]| explained(&repo, args);
    // Markers, the catalogue, the baseline.
    repo.write(
        "docker/Dockerfile",
        "FROM alpine:3\nARG NPM_TOKEN # keysweep:allow[docker-secret-arg-env] made up\n",
    );
    let text = explain(&["docker/Dockerfile:2"]);
    assert!(
        text.contains("suppressed by an allow marker: docker-secret-arg-env: made up"),
        "{text}"
    );
    repo.write("docker/Dockerfile", "FROM alpine:3\nARG NPM_TOKEN\n");
    keysweep(repo.path(), &["baseline", "create"]);
    let text = explain(&["docker/Dockerfile:2"]);
    assert!(
        text.contains("suppressed by the baseline: docker-secret-arg-env"),
        "{text}"
    );
    let text = explain(&["deploy/.env.production:2"]);
    assert!(
        text.contains("suppressed by the baseline at deploy/.env.development:1"),
        "{text}"
    );
    repo.write(
        "keysweep.toml",
        "[catalogue]\ndisable = [\"docker-secret-arg-env\"]\n",
    );
    let text = explain(&["docker/Dockerfile:2"]);
    assert!(
        text.contains("docker-secret-arg-env at column 5: [catalogue] disables it"),
        "{text}"
    );
}

#[test]
fn an_example_with_the_value_of_an_environment_is_told_once() {
    let repo = Repo::new();
    repo.write(".gitignore", ".env\n");
    let line = "DB_PASSWORD=Vx7kQ2mR9tLp4wZs\n";
    repo.write(".env.example", line)
        .write(".env.production", line)
        .write(".env.development", line);
    let report = |args: &[&str]| {
        let all = [&["scan", "--only=policy", "--output=json"], args].concat();
        keysweep(repo.path(), &all).json()
    };
    let rules = |report: &serde_json::Value| -> Vec<String> {
        let findings = report["findings"].as_array().unwrap().iter();
        let on = findings.filter(|one| one["location"]["path"] == ".env.example");
        on.map(|one| one["rule"].as_str().unwrap().to_owned())
            .collect()
    };
    let told = report(&[]);
    assert_eq!(rules(&told), ["dotenv-example-real-value"], "{told:#}");
    let findings = told["findings"].as_array().unwrap();
    let owner = findings
        .iter()
        .find(|one| one["rule"] == "dotenv-example-real-value")
        .unwrap();
    let related = owner["related"].to_string();
    let title = keysweep::policy::find("xenv-reuse-exact").unwrap().title;
    let titled = format!("xenv-reuse-exact: {title}: ");
    for part in [titled.as_str(), ".env.production", ".env.development"] {
        assert!(related.contains(part), "{related}");
    }
    // Where the owner is set aside, the other fact stands alone.
    repo.write(
        "keysweep.toml",
        "[[allow]]\nreason = \"a demo\"\nrules = [\"dotenv-example-real-value\"]\n",
    );
    assert_eq!(rules(&report(&[])), ["xenv-reuse-exact"]);
    std::fs::remove_file(repo.path().join("keysweep.toml")).unwrap();
    // The baseline knows both.
    keysweep(repo.path(), &["baseline", "create"]);
    assert_eq!(report(&[])["findings"].as_array().unwrap().len(), 0);
}

#[test]
fn rules_are_listed_by_kind_persona_severity_and_tool() {
    let repo = Repo::new();
    let list = |args: &[&str]| {
        let run = keysweep(repo.path(), &[&["rules", "list"], args].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.text()
    };
    let all = list(&[]);
    let policy = list(&["--only=policy"]);
    assert!(policy.contains("gha-secret-echo") && policy.contains("0 rules for secrets"));
    assert!(policy.contains("[pedantic]"), "{policy}");
    let secrets = list(&["--only=secrets"]);
    assert!(!secrets.contains("gha-secret-echo") && secrets.lines().count() < all.lines().count());
    let regular = list(&["--persona=regular"]);
    assert!(!regular.contains("gha-secret-env-too-wide") && !regular.contains("ably-api-key"));
    let docker = list(&["--tool=DOCKER", "--only=policy"]);
    assert!(docker.contains("docker-secret-arg-env") && !docker.contains("gha-secret-echo"));
    // A tool that nobody knows is a slip; one that other filters leave nothing of is none.
    let run = keysweep(repo.path(), &["rules", "list", "--tool=dokcer"]);
    assert_eq!(run.code, 2, "{}", run.text());
    for word in ["dokcer", "GitHub Actions", "Terraform"] {
        assert!(run.stderr.contains(word), "{}", run.stderr);
    }
    list(&["--tool=docker", "--severity=critical"]);
    let worst = list(&["--severity=critical", "--only=policy"]);
    assert!(
        !worst.contains(" high ") && worst.contains(" critical "),
        "{worst}"
    );
}

#[test]
fn a_fix_tells_what_it_leaves_and_why() {
    let repo = Repo::new();
    repo.write(
        "deploy.sh",
        "#!/bin/sh\nexport API_TOKEN=hunter2-Zq81\n./run\n",
    );
    let run = keysweep(repo.path(), &["fix"]);
    assert_eq!(run.code, 0, "{}{}", run.text(), run.stderr);
    let text = run.text();
    let (_, left) = text.split_once("Left:").expect(&text);
    assert!(left.contains("deploy.sh:2 sh-secret-exposed"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn an_auditor_is_shown_what_nobody_else_is() {
    let repo = Repo::new();
    // One secret for production and its spare: meant, as a rule.
    let line = "DB_PASSWORD=Vx7kQ2mR9tLp4wZs\n";
    repo.write(".gitignore", ".env\n")
        .write("deploy/.env.prod", line)
        .write("deploy/.env.dr", line);
    let has = |persona: &str| {
        let args = [
            "scan",
            "--only=policy",
            "--output=json",
            "--persona",
            persona,
        ];
        let report = keysweep(repo.path(), &args).json();
        report["findings"].to_string().contains("xenv-reuse-exact")
    };
    assert_eq!(
        (has("regular"), has("pedantic"), has("auditor")),
        (false, false, true)
    );
}

#[test]
fn an_example_with_a_value_that_a_rule_knows_is_told_once_and_can_be_mended() {
    let repo = Repo::new();
    let line = format!("GITHUB_TOKEN={}\n", token(3));
    repo.write(".gitignore", ".env\n")
        .write(".env.example", &line)
        .write(".env.production", &line);
    let report = keysweep(repo.path(), &["scan", "--output=json"]).json();
    let findings = report["findings"].as_array().unwrap();
    let on: Vec<_> = findings
        .iter()
        .filter(|one| one["location"]["path"] == ".env.example")
        .collect();
    assert_eq!(on.len(), 1, "{report:#}");
    assert_eq!(on[0]["rule"], "github-personal-access-token");
    let related = on[0]["related"].to_string();
    for fact in ["dotenv-example-real-value: ", "xenv-reuse-exact: "] {
        assert!(related.contains(fact), "{related}");
    }
    // By its name, though a rule for secrets found it.
    assert!(related.contains("`GITHUB_TOKEN` in prod"), "{related}");
    // Once, whoever is asked.
    let text = keysweep(repo.path(), &["explain", ".env.example:1"]).text();
    assert_eq!(
        text.matches("dotenv-example-real-value: ").count(),
        1,
        "{text}"
    );
    assert_eq!(
        text.matches("reported: github-personal").count(),
        1,
        "{text}"
    );
    // What another finding tells of is mended all the same.
    let run = keysweep(repo.path(), &["fix", "--unsafe", "--apply"]);
    let now = std::fs::read_to_string(repo.path().join(".env.example")).unwrap();
    assert_eq!(now, "GITHUB_TOKEN=\n", "{}", run.text());
}

/// A manifest with a random value under a name whose lint is worse than the rule for random values.
fn master() -> Repo {
    let repo = Repo::new();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: a\n      image: a\n      env:\n        - name: MASTER_KEY\n          value: q8Zr2LxV7mTn4KpB9sWd3FhJ6cYg1uQe\n";
    repo.write("k8s/pod.yaml", pod);
    repo
}

#[test]
fn a_finding_is_as_bad_as_the_worst_that_it_tells() {
    let repo = master();
    let severity = |only: &[&str]| {
        let args = [&["scan", "--output=json", "--fail-on=critical"], only].concat();
        let run = keysweep(repo.path(), &args);
        let findings = run.json()["findings"].as_array().unwrap().clone();
        assert_eq!(findings.len(), 1, "{}", run.text());
        (
            findings[0]["severity"].as_str().unwrap().to_owned(),
            run.code,
        )
    };
    // The rule alone says less: else this shows nothing.
    assert_eq!(severity(&["--only=secrets"]), ("high".to_owned(), 0));
    assert_eq!(severity(&["--only=policy"]), ("critical".to_owned(), 1));
    assert_eq!(severity(&[]), ("critical".to_owned(), 1));
}

#[test]
fn pruning_a_baseline_drops_no_line_that_either_half_needs() {
    let repo = pod();
    let line = format!("GITHUB_TOKEN={}\n", token(3));
    repo.write(".gitignore", ".env\n")
        .write(".env.example", &line)
        .write(".env.production", &line);
    let file = repo.path().join(".keysweep-baseline");
    let read = || std::fs::read_to_string(&file).unwrap();
    let run = keysweep(repo.path(), &["baseline", "create"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let before = read();
    // Each line is labelled with who tells it.
    for id in [
        " k8s-plaintext-env k8s/pod.yaml\n",
        " github-personal-access-token k8s/pod.yaml\n",
        " dotenv-example-real-value .env.example\n",
    ] {
        assert!(before.contains(id), "{before}");
    }
    for command in ["prune", "update"] {
        let run = keysweep(repo.path(), &["baseline", command]);
        assert!(run.text().contains(": 0 lines"), "{}", run.text());
        assert_eq!(read(), before, "{command}");
    }
    for only in ["--only=policy", "--only=secrets", "--persona=regular"] {
        let run = keysweep(repo.path(), &["scan", "--output=json", only]);
        assert_eq!(run.code, 0, "{only}: {}", run.text());
        let unused = run.json()["unused_suppressions"].clone();
        assert_eq!(unused.as_array().unwrap().len(), 0, "{only}: {unused}");
    }
    // What is mended is dropped, of both.
    repo.write("k8s/pod.yaml", "# mended\n");
    keysweep(repo.path(), &["baseline", "prune"]);
    assert!(!read().contains("pod.yaml"), "{}", read());
}

#[test]
fn a_fact_that_is_set_aside_alone_is_counted_and_shown() {
    let repo = pod();
    let path = repo.path().join("k8s/pod.yaml");
    let clean = std::fs::read_to_string(&path).unwrap();
    let marked = |marker: &str| {
        let text = clean.trim_end().to_owned() + " # keysweep:allow" + marker + " ok\n";
        repo.write("k8s/pod.yaml", text);
        let report = keysweep(repo.path(), &["scan", "--output=json"]).json();
        let names = |of: &str| -> Vec<String> {
            let all = report[of].as_array().unwrap().iter();
            let rule = |one: &serde_json::Value| {
                let finding = one.get("finding").unwrap_or(one);
                finding["rule"].as_str().unwrap().to_owned()
            };
            all.map(rule).collect()
        };
        assert_eq!(report["unused_suppressions"].as_array().unwrap().len(), 0);
        let related = report["findings"]
            .to_string()
            .contains("k8s-plaintext-env: ");
        (names("findings"), names("suppressed"), related)
    };
    let (rule, lint) = ("github-personal-access-token", "k8s-plaintext-env");
    let told = |open: &[&str], aside: &[&str], related: bool| {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        (owned(open), owned(aside), related)
    };
    assert_eq!(marked("[k8s-plaintext-env]"), told(&[rule], &[lint], false));
    // One marker for both sets one finding aside, with all that it would tell.
    let both = marked("[github-personal-access-token, k8s-plaintext-env]");
    assert_eq!(both, told(&[], &[rule], false));
    // Two of them are two, one of them in the comment above.
    let value = "          value: ";
    let above = format!("          # keysweep:allow[k8s-plaintext-env] b\n{value}");
    let text = clean.trim_end().replace(value, &above);
    repo.write(
        "k8s/pod.yaml",
        text + " # keysweep:allow[github-personal-access-token] a\n",
    );
    let report = keysweep(repo.path(), &["scan", "--output=json"]).json();
    assert_eq!(
        report["findings"].as_array().unwrap().len(),
        0,
        "{report:#}"
    );
    assert_eq!(
        report["suppressed"].as_array().unwrap().len(),
        2,
        "{report:#}"
    );
    // An entry of the configuration counts as well.
    repo.write(
        "keysweep.toml",
        "[[allow]]\nreason = \"a demo\"\nrules = [\"k8s-plaintext-env\"]\n",
    );
    repo.write("k8s/pod.yaml", &clean);
    let run = keysweep(repo.path(), &["scan", "--output=json"]);
    let report = run.json();
    assert_eq!(report["suppressed"].as_array().unwrap().len(), 1);
    assert!(report["suppressed"].to_string().contains("a demo"));
    assert!(!run.text().contains(&token(7)));
}

#[test]
fn what_one_edit_mends_is_told_as_mended() {
    let repo = Repo::new();
    repo.write(
        ".github/workflows/a.yml",
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          ./x -p ${{ secrets.A_TOKEN }}\n          ./y ${{ secrets.B_TOKEN }}\n",
    );
    let run = keysweep(repo.path(), &["fix"]);
    let text = run.text();
    for line in [7, 8] {
        let place = format!("a.yml:{line} gha-secret-inline-run: ");
        assert!(text.contains(&place), "{text}");
    }
    assert!(!text.contains("Left:"), "{text}");
    assert!(text.contains("2 faults in 1 file: "), "{text}");
    assert!(text.contains("are a patch for `git apply`"), "{text}");
}

#[test]
fn fixes_that_change_a_build_are_no_safe_ones_and_what_is_left_has_its_reason() {
    let repo = Repo::new();
    repo.write("Dockerfile", "FROM node:22\nCOPY . .\n");
    repo.write(".env.production", "DB_PASSWORD=hunter2-Zq81\n");
    repo.write(
        ".github/workflows/a.yml",
        "on: push\njobs:\n  a:\n    runs-on: windows-latest\n    steps:\n      - shell: cmd\n        run: x -p ${{ secrets.A_TOKEN }}\n",
    );
    let run = keysweep(repo.path(), &["fix", "--only", "policy", "--apply"]);
    assert!(
        !repo.path().join(".dockerignore").exists(),
        "{}",
        run.text()
    );
    assert!(run.text().contains("--unsafe applies it"), "{}", run.text());
    assert!(
        run.text().contains("dotenv-committed: it has no edit"),
        "{}",
        run.text()
    );
    // `rules show` speaks of an edit for this one.
    let reason = "gha-secret-inline-run: the edit for it fits other forms than this one";
    assert!(run.text().contains(reason), "{}", run.text());
    keysweep(repo.path(), &["fix", "--apply", "--unsafe"]);
    assert!(repo.path().join(".dockerignore").exists());
}

#[test]
fn a_preview_shows_expressions_and_says_patch_of_patches_alone() {
    let repo = Repo::new();
    repo.write(
        ".github/workflows/a.yml",
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          echo '${{ toJSON(github) }}'\n          ./y ${{ secrets.B_TOKEN }}\n",
    );
    let run = keysweep(repo.path(), &["fix"]);
    assert!(run.text().starts_with("--- a/"), "{}", run.text());
    let repo = Repo::new();
    repo.write(
        "compose.yml",
        "services:\n  a:\n    environment:\n      A_SECRET: ${B_SECRET:-${C_SECRET:-hunter2-Zq81}}\n      X_PASSWORD: ${X_PASSWORD:?set X_PASSWORD}\n",
    );
    let run = keysweep(repo.path(), &["fix", "--unsafe"]);
    let text = run.text();
    assert!(
        text.contains("X_PASSWORD: ${X_PASSWORD:?set X_PASSWORD}"),
        "{text}"
    );
    assert!(
        text.contains("${B_SECRET:-${C_SECRET:?set C_SECRET}}"),
        "{text}"
    );
    assert!(!text.contains("are a patch"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn brackets_in_names_are_no_links() {
    let repo = Repo::new();
    repo.write(
        "deploy/base/kustomization.yaml",
        "secretGenerator:\n  - name: app\n    literals:\n      - password=hunter2-Zq81\n",
    );
    for overlay in ["prod", "dev"] {
        repo.write(
            &format!("deploy/overlays/{overlay}/kustomization.yaml"),
            "resources:\n  - ../../base\n",
        );
    }
    let run = keysweep(repo.path(), &["scan", "--only", "policy", "--output=json"]);
    let text = run.text();
    assert!(
        text.contains("secretGenerator.[].literals.[].password"),
        "{text}"
    );
    assert!(
        text.contains(": deploy/overlays/dev/kustomization.yaml, deploy/overlays/"),
        "{text}"
    );
}

#[test]
fn words_that_stand_for_a_value_leave_names_as_they_are() {
    let repo = Repo::new();
    repo.write(
        "README.md",
        "`jdbc:mysql://db.acme.test:3306/d?user=USERNAME&password=PASSWORD`\n",
    );
    repo.write(
        "Dockerfile",
        "FROM a\nENV DOCKER_ENV_PASSWORD=hunter2-Zq81\n",
    );
    let run = keysweep(repo.path(), &["scan"]);
    let text = run.text();
    assert!(text.contains("`DOCKER_ENV_PASSWORD` is set"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!text.contains("&password=P"), "{text}");
}

#[test]
fn an_environment_file_is_told_with_how_git_sees_it() {
    let repo = Repo::new();
    let text = "DB_PASSWORD=hunter2-Zq81\n";
    repo.write("app/.env", text);
    repo.write("open/.env", text);
    repo.write("new/.env", text);
    repo.write(".gitignore", "app/\n");
    repo.git(&["add", "-f", "app/.env", "open/.env", ".gitignore"]);
    let run = keysweep(repo.path(), &["scan", "--only", "policy", "--output=json"]);
    let findings = run.json()["findings"].clone();
    let findings = findings.as_array().unwrap();
    for (path, want) in [
        (
            "app/.env",
            "it is tracked although an ignore rule covers it",
        ),
        ("open/.env", "it is tracked, and no ignore rule covers it"),
        (
            "new/.env",
            "it is not tracked yet, and no ignore rule covers it",
        ),
    ] {
        let own = findings
            .iter()
            .find(|one| one["rule"] == "dotenv-committed" && one["location"]["path"] == path);
        let message = own.unwrap()["message"].as_str().unwrap();
        assert!(message.ends_with(want), "{path} {message}");
    }
}

//! Policy against who owns the scanned repository: nothing is hidden, nothing leaks, nothing hangs, nothing is written elsewhere.

use std::fs;

use crate::support::{Repo, Run, keysweep, token};

fn json(repo: &Repo, args: &[&str]) -> Run {
    let all: Vec<&str> = args.iter().copied().chain(["--output=json"]).collect();
    keysweep(repo.path(), &all)
}

/// Returns `rule path severity` of each finding.
fn told(run: &Run) -> Vec<String> {
    let report = run.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    findings
        .map(|one| {
            let path = text(&one["location"]["path"]);
            format!("{} {path} {}", text(&one["rule"]), text(&one["severity"]))
        })
        .collect()
}

#[test]
fn a_rules_excerpt_hides_short_values_that_only_a_lint_knows() {
    let repo = Repo::new();
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData: {{a1: q8Zk2, token: {}, b2: w7Rt5}}\n",
        token(3)
    );
    repo.write("k8s/secret.yaml", text).commit("Begin");
    for args in [
        &["scan"][..],
        &["scan", "--history"],
        &["scan", "--range=HEAD"],
    ] {
        for output in ["--output=text", "--output=json"] {
            let all: Vec<&str> = args.iter().copied().chain([output]).collect();
            let run = keysweep(repo.path(), &all);
            for value in ["q8Zk2", "w7Rt5"] {
                assert!(!run.text().contains(value), "{all:?} {}", run.text());
            }
        }
    }
}

#[test]
fn what_a_value_in_base64_stands_for_is_shown_nowhere() {
    let repo = Repo::new();
    // `Vx7kQ2mR9tLp4w`
    let packed = "Vng3a1EybVI5dExwNHc=";
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: Vx7kQ2mR9tLp4w}}\ndata:\n  password-Vx7kQ2mR9tLp4w: {packed}\n"
    );
    repo.write("k8s/secret.yaml", text);
    for output in ["text", "json", "sarif", "gitlab", "markdown"] {
        let run = keysweep(repo.path(), &["scan", "--output", output]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        for value in ["Vx7kQ2mR9tLp4w", packed] {
            assert!(!run.text().contains(value), "{output} {}", run.text());
        }
    }
}

#[test]
fn a_file_that_is_moved_over_another_is_a_change() {
    let repo = Repo::new();
    repo.write(".gitignore", "x\n");
    repo.write("env/dev.env", "DB_PASSWORD=Vx7kQ2mR9tLp4wZs\n");
    repo.write("env/old.env", "DB_PASSWORD=Vx7kQ2mR9tLp4wZs\n");
    repo.write("env/prod.env", "DB_PASSWORD=${FROM_ELSEWHERE}\n")
        .commit("Begin");
    repo.git(&["mv", "-f", "env/old.env", "env/prod.env"]);
    repo.commit("Move");
    let run = json(&repo, &["scan", "--range=HEAD~1..HEAD", "--only=policy"]);
    let all = told(&run);
    let is_told = |one: &String| one.starts_with("xenv-reuse-exact env/prod.env");
    assert!(all.iter().any(is_told), "{all:?}");
}

#[test]
fn what_the_base_changed_meanwhile_is_no_change_of_a_range() {
    let repo = Repo::new();
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: a, image: a, env: [{{name: DB_PASSWORD, value: hunter2-Zq81}}]}}]}}\n"
        )
    };
    repo.write("k8s/pod.yaml", pod("a")).commit("Begin");
    repo.git(&["branch", "topic"]);
    repo.write("k8s/pod.yaml", pod("b")).commit("Go on");
    repo.git(&["tag", "base"]);
    repo.git(&["checkout", "-q", "topic"]);
    repo.write("README.md", "x\n").commit("Add a page");
    let run = json(&repo, &["scan", "--range=base..topic", "--only=policy"]);
    assert_eq!(told(&run), Vec::<String>::new());
}

#[test]
fn what_policy_did_not_look_at_is_told() {
    let long = format!("{}echo \"$API_TOKEN\"\n", "true\n".repeat(120_000));
    let huge = format!("{}a: {{script: [echo]}}\n", "# made up\n".repeat(450_000));
    let aliases = format!(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: &a |\n{}{}",
        "          echo made up\n".repeat(1_000),
        "      - run: *a\n".repeat(1_000)
    );
    for (path, text, code, phrase) in [
        ("deploy.sh", &long, 0, "longer than 512 KiB"),
        (".gitlab-ci.yml", &huge, 3, "larger than 4 MiB"),
        (".github/workflows/a.yml", &aliases, 3, "aliases"),
    ] {
        let repo = Repo::new();
        repo.write(path, text);
        let run = json(&repo, &["scan", "--only=policy"]);
        assert_eq!(run.code, code, "{path} {}", run.stderr);
        let ledger = run.json()["ledger"].to_string();
        assert!(ledger.contains(phrase) && ledger.contains(path), "{ledger}");
    }
}

#[test]
fn utf_16_is_read_and_its_values_are_masked() {
    let text = "DB_PASSWORD=hunter2-Zq81\r\n";
    let repo = Repo::new();
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    repo.write("app.properties", bytes);
    let run = json(&repo, &["scan", "--only=policy"]);
    assert_eq!(
        told(&run),
        ["config-inline-credential app.properties medium"]
    );
    let report = run.json();
    let finding = &report["findings"][0];
    assert_eq!(finding["location"]["start_line"], 1);
    assert_eq!(finding["location"]["start_column"], 13);
    assert_eq!(finding["location"]["byte_start"], 2 + 2 * 12);
    assert!(!run.text().contains("hunter2"), "{}", run.text());
    let excerpt = finding["excerpt"].to_string();
    assert!(excerpt.contains("DB_PASSWORD="), "{excerpt}");
}

#[test]
fn a_lint_that_does_not_run_silences_none_that_does() {
    let repo = Repo::new();
    repo.write(
        "Dockerfile",
        "FROM a\nARG TOKEN\nRUN echo $TOKEN > /root/.netrc && curl -H \"X: $TOKEN\" x\n",
    );
    let all = || told(&json(&repo, &["scan", "--only=policy"])).join(" ");
    assert!(
        !all().contains("docker-credential-left-in-layer"),
        "{}",
        all()
    );
    repo.write(
        "keysweep.toml",
        "[catalogue]\ndisable = [\"docker-secret-arg-in-run\"]\n",
    );
    assert!(
        all().contains("docker-credential-left-in-layer"),
        "{}",
        all()
    );
}

#[test]
fn trees_that_hold_each_other_many_times_are_told_and_left() {
    let repo = Repo::new();
    repo.write("README.md", "x\n").commit("Begin");
    let blob = repo.git_with(&["hash-object", "-w", "--stdin"], "A U Thor", b"made up\n");
    let mut entry = format!("100644 blob {blob}");
    let mut tree = String::new();
    for _ in 0..7 {
        let lines: String = (0..10).map(|n| format!("{entry}\t{n}.txt\n")).collect();
        tree = repo.git_with(&["mktree"], "A U Thor", lines.as_bytes());
        entry = format!("040000 tree {tree}");
    }
    let commit = repo.git(&["commit-tree", "-p", "HEAD", "-m", "Grow", &tree]);
    let range = format!("--range=HEAD..{commit}");
    let run = json(&repo, &["scan", &range, "--only=policy"]);
    let ledger = run.json()["ledger"].to_string();
    assert!(ledger.contains("were not read for policy"), "{ledger}");
}

#[test]
fn a_fix_leaves_what_is_no_file_and_says_so() {
    let set = |make: &dyn Fn(&Repo)| {
        let repo = Repo::new();
        repo.write("Dockerfile", "FROM a\nCOPY . .\n");
        repo.write(".env", "DB_PASSWORD=hunter2-Zq81\n");
        repo.write(
            "main.tf",
            "variable \"db_password\" {\n  type = string\n}\n",
        );
        make(&repo);
        let run = keysweep(repo.path(), &["fix", "--apply"]);
        let now = fs::read_to_string(repo.path().join("main.tf")).unwrap();
        assert!(
            now.contains("sensitive = true"),
            "{}{}",
            run.text(),
            run.stderr
        );
        let (done, left) = run.text().split_once("Left:").map_or_else(
            || (run.text(), String::new()),
            |(done, left)| (done.to_owned(), left.to_owned()),
        );
        assert!(!done.contains(".dockerignore"), "{}", run.text());
        assert!(left.contains(".dockerignore"), "{}", run.text());
    };
    set(&|repo| fs::create_dir(repo.path().join(".dockerignore")).unwrap());
    #[cfg(unix)]
    {
        set(&|repo| {
            std::os::unix::fs::symlink("elsewhere", repo.path().join(".dockerignore")).unwrap();
        });
        set(&|repo| {
            let path = repo.path().join(".dockerignore");
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        });
    }
}

#[test]
fn a_fix_of_a_directory_writes_nothing_outside_of_it() {
    let repo = Repo::new();
    repo.write("docker-compose.yml", "services: {}\n");
    repo.write("app/.env", "DB_PASSWORD=hunter2-Zq81\n");
    repo.write(
        "app/main.tf",
        "variable \"db_password\" {\n  type = string\n}\n",
    );
    let run = keysweep(repo.path(), &["fix", "--unsafe", "--apply", "app"]);
    assert!(run.text().contains("app/main.tf:1"), "{}", run.text());
    let status = repo.git(&["status", "--porcelain", "-uall"]);
    let outside: Vec<&str> = status
        .lines()
        .filter(|line| !line.contains("app/") && !line.contains("docker-compose.yml"))
        .collect();
    assert_eq!(outside, Vec::<&str>::new(), "{}", run.text());
}

#[test]
fn two_logins_in_one_script_are_mended_together() {
    let repo = Repo::new();
    repo.write(
        "login.sh",
        "#!/bin/sh\ndocker login -u a -p \"$PASSWORD\" h1\ndocker login -u b -p \"$PASSWORD\" h2\n",
    );
    let run = keysweep(repo.path(), &["fix", "--apply"]);
    let now = fs::read_to_string(repo.path().join("login.sh")).unwrap();
    assert_eq!(now.matches("--password-stdin").count(), 2, "{}", run.text());
}

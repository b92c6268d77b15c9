//! What we emit, before the judges that its readers use.

use std::{path::PathBuf, process::Command};

use crate::support::{Repo, keysweep, keysweep_with, token};

/// Returns the folder with the outside judges, or says why a test is skipped. `tests/run` installs them.
fn tools() -> Option<PathBuf> {
    let tools = std::env::var_os("KEYSWEEP_TOOLS").map(PathBuf::from);
    if tools.is_none() {
        eprintln!(
            "skipped: KEYSWEEP_TOOLS is not set; `bash tests/run` installs the judges and sets it"
        );
    }
    tools
}

fn found() -> Repo {
    let repo = Repo::new();
    repo.write("a.env", format!("A={}\nB={}\n", token(1), token(2)))
        .commit("Begin");
    repo.write("a.env", format!("A={}\n", token(1)))
        .write("dir with space/ü.env", format!("A={}\n", token(3)));
    repo.commit(&format!("Change with {}", token(4)));
    repo.write(
        "c.env",
        format!(
            "A={} # keysweep:allow[github-personal-access-token] made up\n",
            token(5)
        ),
    );
    repo
}

fn judged(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{program} runs: {e}"));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{program} {args:?}:\n{text}");
    text
}

#[test]
fn sarif_passes_the_validator_with_github_rules() {
    let Some(tools) = tools() else { return };
    let repo = found();
    for mode in ["--history", "--no-ignore"] {
        let file = repo.path().join("out.sarif");
        let run = keysweep(
            repo.path(),
            &["scan", mode, &format!("--output=sarif={}", file.display())],
        );
        assert_eq!(run.code, 1, "{}", run.stderr);
        // The program itself: npm's wrapper passes its arguments through a shell, which cuts at the semicolon. Its exit code
        // says nothing of errors.
        let validator = tools.join("node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool");
        let file_name = file.display().to_string();
        let output = Command::new(validator)
            .args(["validate", &file_name, "--rule-kind", "Sarif;Ghas"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("Analyzing") && !text.contains(": error"),
            "{text}"
        );
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn json_validates_against_its_schema() {
    let Some(tools) = tools() else { return };
    let repo = found();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
    for extra in ["--history", "--reveal", "--no-ignore"] {
        let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
        let path = file.path().display().to_string();
        let run = keysweep(
            repo.path(),
            &["scan", extra, &format!("--output=json={path}")],
        );
        assert_eq!(run.code, 1, "{}", run.stderr);
        judged(
            &tools
                .join("python/bin/check-jsonschema")
                .display()
                .to_string(),
            &["--schemafile", schema, &path],
        );
    }
}

#[test]
fn action_and_workflow_validate() {
    let Some(tools) = tools() else { return };
    let check = tools
        .join("python/bin/check-jsonschema")
        .display()
        .to_string();
    judged(
        &check,
        &[
            "--builtin-schema",
            "vendor.github-actions",
            concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml"),
        ],
    );
    judged(
        &check,
        &[
            "--builtin-schema",
            "vendor.github-workflows",
            concat!(env!("CARGO_MANIFEST_DIR"), "/.github/workflows/ci.yml"),
        ],
    );
}

#[test]
fn several_reports_come_from_one_run() {
    let repo = found();
    let run = keysweep(
        repo.path(),
        &[
            "scan",
            "--output=sarif=out.sarif",
            "--output=json=out.json",
            "--output=text",
        ],
    );
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.text().contains("a.env"));
    for file in ["out.sarif", "out.json"] {
        let text = std::fs::read_to_string(repo.path().join(file)).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
    let run = keysweep(repo.path(), &["scan", "--output=yaml"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("sarif"),
        "the error names the formats: {}",
        run.stderr
    );
    let run = keysweep(
        repo.path(),
        &["scan", "--output=json=/nonexistent/dir/x.json"],
    );
    assert_eq!(run.code, 2, "{}", run.stderr);
}

#[test]
fn colours_only_where_wanted() {
    let repo = found();
    let run = keysweep(repo.path(), &["scan"]);
    assert!(
        !run.stdout.contains(&0x1b) && !run.stderr.contains('\u{1b}'),
        "no terminal, no colour"
    );
}

#[test]
fn fail_on_moves_the_threshold() {
    let repo = found();
    assert_eq!(
        keysweep(repo.path(), &["scan", "--fail-on", "critical"]).code,
        1
    );
    let repo = Repo::new();
    repo.write("a.txt", "nothing\n");
    assert_eq!(keysweep(repo.path(), &["scan"]).code, 0);
}

#[test]
fn usage_errors_exit_with_2_and_help() {
    let repo = Repo::new();
    for args in [
        ["scan", "--histroy"].as_slice(),
        &["scan", "--history", "--staged"],
        &["scan", "--unreachable"],
        &["frobnicate"],
        &[],
    ] {
        let run = keysweep(repo.path(), args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(
            run.stderr.contains("--help") || run.stderr.contains("Usage"),
            "{args:?}: {}",
            run.stderr
        );
    }
}

/// Returns the SARIF categories of a scan.
fn categories(repo: &Repo, args: &[&str]) -> Vec<String> {
    let run = keysweep(repo.path(), &[&["scan", "--output=sarif"], args].concat());
    let runs = run.json()["runs"].clone();
    let runs = runs.as_array().expect("runs is an array").iter();
    runs.map(|run| run["automationDetails"]["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_scan_of_a_part_closes_no_alert_of_the_rest() {
    let repo = found();
    assert_eq!(categories(&repo, &[]), ["keysweep/head/"]);
    let part = "keysweep/directory/dir%20with%20space/";
    assert_eq!(categories(&repo, &["dir with space"]), [part]);
    assert_eq!(categories(&repo, &["a.env"]), ["keysweep/files/"]);
    let inside = keysweep(
        &repo.path().join("dir with space"),
        &["scan", "--output=sarif"],
    );
    assert_eq!(inside.json()["runs"][0]["automationDetails"]["id"], part);
}

#[test]
fn excerpts_of_metadata_name_authors_without_their_address() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n");
    let mail = "Signed-off-by: A <signer@example.org>";
    repo.commit(&format!("Use {}\n\n{mail} {}", token(1), token(3)));
    repo.git_with(
        &["commit", "-q", "--allow-empty", "-m", "x"],
        &format!("Bot {}", token(2)),
        b"",
    );
    for format in ["text", "json", "gitlab"] {
        let run = keysweep(
            repo.path(),
            &["scan", "--history", &format!("--output={format}")],
        );
        assert_eq!(run.code, 1, "{}", run.stderr);
        let text = run.text();
        assert!(
            !text.contains("@example") && text.contains("* <…>"),
            "{format}: {text}"
        );
    }
}

#[test]
fn messages_come_before_logs_and_both_say_whose_they_are() {
    let repo = Repo::new();
    repo.write("a.txt", "a\n");
    let id = repo.commit(&format!("Use {}", token(1)));
    let run = keysweep(repo.path(), &["scan", "--history"]);
    let short = &id[..12];
    let text = run.text();
    for place in [
        format!("[<commit message {short}>:1:5]"),
        format!("- <reflog HEAD {short}>:1:"),
        format!("- <reflog refs/heads/main {short}>:1:"),
    ] {
        assert!(text.contains(&place), "{place} is not in:\n{text}");
    }
}

#[test]
fn what_could_not_be_read_is_said_beside_every_format() {
    let repo = Repo::new();
    repo.git(&["init", "-q", "--bare", "inner.git"]);
    let path = repo.path().join("inner.git");
    for format in ["jsonl", "json", "sarif"] {
        let run = keysweep(&path, &["scan", &format!("--output={format}")]);
        assert_eq!(run.code, 3, "{format}: {}", run.stderr);
        assert!(
            run.stderr.contains("INCOMPLETE"),
            "{format}: {}",
            run.stderr
        );
    }
    let run = keysweep(&path, &["scan"]);
    assert!(run.stderr.is_empty() && run.text().contains("INCOMPLETE"));
}

#[test]
fn the_inside_of_a_repository_is_not_taken_for_its_content() {
    let repo = Repo::new();
    repo.write("a.env", format!("A={}\n", token(1)))
        .commit("Begin");
    repo.git(&["clone", "-q", "--bare", ".", "bare.git"]);
    // Loose objects are zlib: what a bare repository holds of them is found all the same.
    for (path, code) in [("bare.git", 1), (".git", 3)] {
        let run = keysweep(repo.path(), &["scan", path]);
        assert_eq!(run.code, code, "{}", run.text());
        assert!(
            run.text().contains("keysweep scan --history"),
            "{}",
            run.text()
        );
    }
    let run = keysweep(&repo.path().join("bare.git"), &["scan", "--history"]);
    assert_eq!(run.code, 1, "{}", run.text());
}

#[test]
fn a_repository_without_commits_says_so() {
    let repo = Repo::new();
    let run = keysweep(repo.path(), &["scan", "--history"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.text().contains("has no commits yet"), "{}", run.text());
}

#[test]
fn results_without_a_file_point_at_one_that_exists() {
    let repo = Repo::new();
    repo.write("LICENSE", "as you like\n");
    repo.commit(&format!("Use {}", token(1)));
    let uri = || {
        let run = keysweep(repo.path(), &["scan", "--history", "--output=sarif"]);
        let result = &run.json()["runs"][1]["results"][0];
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        place["uri"].as_str().unwrap().to_owned()
    };
    assert_eq!(uri(), "LICENSE");
    repo.write("README.md", "x\n");
    assert_eq!(uri(), "README.md");
}

#[test]
fn times_of_gitlabs_report_come_from_the_environment_only() {
    let repo = found();
    let times = |environment: &[(&str, &str)]| {
        let run = keysweep_with(repo.path(), &["scan", "--output=gitlab"], environment, b"");
        let scan = run.json()["scan"].clone();
        assert_eq!(scan["start_time"], scan["end_time"]);
        scan["start_time"].as_str().unwrap().to_owned()
    };
    let job = ("CI_JOB_STARTED_AT", "2026-01-31T12:00:09Z");
    assert_eq!(times(&[]), "1970-01-01T00:00:00");
    assert_eq!(times(&[job]), "2026-01-31T12:00:09");
    let epoch = ("SOURCE_DATE_EPOCH", "86461");
    assert_eq!(times(&[epoch, job]), "1970-01-02T00:01:01");
    let broken = ("SOURCE_DATE_EPOCH", "yesterday");
    assert_eq!(times(&[broken, job]), "2026-01-31T12:00:09");
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_without_colours_gets_no_escape_codes() {
    let repo = found();
    let command = format!("{} scan --history", crate::support::program().display());
    for variable in ["NO_COLOR=1", "TERM=dumb"] {
        // util-linux's script(1) gives the program a terminal.
        let run = Command::new("script")
            .args(["-qec", &format!("{variable} {command}"), "/dev/null"])
            .current_dir(repo.path())
            .output();
        let Ok(output) = run else {
            eprintln!("skipped: script(1) is not there to make a terminal");
            return;
        };
        assert!(!output.stdout.is_empty());
        assert!(
            !output.stdout.contains(&0x1b),
            "{variable}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn a_report_converts_to_what_the_scan_would_have_written() {
    let repo = found();
    let scan = |format: &str| {
        let args = ["scan", "--history", &format!("--output={format}")];
        keysweep(repo.path(), &args).stdout
    };
    // Not in the repository, where the next scan would read it.
    let elsewhere = tempfile::tempdir().unwrap();
    let report = elsewhere.path().join("report.json");
    std::fs::write(&report, scan("json")).unwrap();
    for format in [
        "text", "json", "jsonl", "sarif", "github", "gitlab", "junit", "markdown",
    ] {
        let args = [
            "report",
            "convert",
            report.to_str().unwrap(),
            &format!("--output={format}"),
        ];
        let run = keysweep(repo.path(), &args);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(
            run.text(),
            String::from_utf8_lossy(&scan(format)),
            "{format}"
        );
    }
    let run = keysweep(repo.path(), &["report", "convert", "a.env"]);
    assert!(
        run.code == 2 && run.stderr.contains("help:"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains(&token(1)));
}

#[test]
fn parts_of_a_scan_merge_into_one_report() {
    let repo = found();
    for (part, file) in [("a.env", "1.json"), ("dir with space", "2.json")] {
        let output = format!("--output=json=.git/{file}");
        keysweep(repo.path(), &["scan", part, &output]);
    }
    let args = [
        "report",
        "merge",
        ".git/1.json",
        ".git/2.json",
        "--output=json",
    ];
    let run = keysweep(repo.path(), &args);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let report = run.json();
    assert_eq!(report["findings"].as_array().unwrap().len(), 2);
    assert_eq!(report["ledger"]["read"]["files"], 2);
    assert_eq!(report["scope"]["kind"], "files");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_scan() {
    let repo = Repo::new();
    repo.write("a.env", format!("token = \"{}\"\n", token(1)));
    for target in ["json=no/such/folder/r.json", "json=."] {
        let run = keysweep(
            repo.path(),
            &["scan", "--output=sarif=r.sarif", "-o", target],
        );
        assert!(
            run.code == 2 && run.stderr.contains("cannot write") && run.stdout.is_empty(),
            "{}",
            run.stderr
        );
        assert!(!repo.path().join("r.sarif").exists(), "nothing was scanned");
    }
    let left: Vec<_> = std::fs::read_dir(repo.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn one_report_that_fails_in_the_end_keeps_no_other() {
    let repo = Repo::new();
    repo.write("a.env", format!("token = \"{}\"\n", token(1)));
    let outputs = ["-o", "jsonl=/dev/full", "-o", "sarif=r.sarif", "-o", "text"];
    let run = keysweep(repo.path(), &[&["scan"], &outputs[..]].concat());
    assert!(
        run.code == 2 && run.stderr.contains("cannot write /dev/full"),
        "{}",
        run.stderr
    );
    assert!(repo.path().join("r.sarif").exists() && run.text().contains("1 finding"));
}

#[test]
fn findings_below_the_threshold_are_told_with_exit_code_0() {
    let repo = Repo::new();
    repo.write("a.txt", format!("token = \"{}\"\n", token(1)))
        .write(
            "keysweep.toml",
            "[catalogue.severity]\ngithub-personal-access-token = \"medium\"\n",
        );
    let run = keysweep(repo.path(), &["scan", "--fail-on=high"]);
    assert!(
        run.code == 0
            && run
                .text()
                .contains("1 finding (1 medium), all below --fail-on high."),
        "{}",
        run.text()
    );
    let run = keysweep(repo.path(), &["scan"]);
    assert!(
        run.code == 1 && !run.text().contains("below"),
        "{}",
        run.text()
    );
}

#[test]
fn reveal_is_refused_where_it_could_show_nothing() {
    let repo = Repo::new();
    repo.write("a.env", format!("token = \"{}\"\n", token(1)));
    let run = |args: &[&str]| keysweep(repo.path(), args);
    let refused = |args: &[&str]| {
        let run = run(args);
        let told = run.stderr.contains("--reveal has") && run.stderr.contains("help:");
        assert!(run.code == 2 && told, "{args:?}: {}", run.stderr);
    };
    refused(&["scan", "--reveal", "-o", "sarif"]);
    assert_eq!(
        run(&["scan", "--reveal", "-o", "sarif=r.sarif", "-o", "text"]).code,
        1
    );
    assert_eq!(run(&["scan", "-o", "json=masked.json"]).code, 1);
    assert_eq!(run(&["scan", "--reveal", "-o", "json=values.json"]).code, 1);
    refused(&["report", "convert", "--reveal", "masked.json"]);
    refused(&[
        "report",
        "convert",
        "--reveal",
        "values.json",
        "-o",
        "junit",
    ]);
    let shown = run(&["report", "convert", "--reveal", "values.json"]);
    assert!(
        shown.code == 0 && shown.text().contains(&token(1)),
        "{}",
        shown.stderr
    );
}

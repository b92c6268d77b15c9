//! The commit hook: plain git, and the real pre-commit program.

use std::{fs, process::Command};

use crate::support::{Repo, keysweep, program, token};

/// Runs git with the program under test on PATH; returns whether it succeeded, and what it said.
fn git(repo: &Repo, args: &[&str]) -> (bool, String) {
    let bin = program().parent().unwrap().display().to_string();
    let path = format!(
        "{bin}:{}",
        std::env::var_os("PATH").unwrap().to_string_lossy()
    );
    let output = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.com"])
        .args(args)
        .current_dir(repo.path())
        .env("PATH", path)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), text)
}

#[test]
fn installing_is_a_dry_run_first_and_stops_a_commit() {
    let repo = Repo::new();
    let hook = repo.path().join(".git/hooks/pre-commit");
    let run = keysweep(repo.path(), &["hook", "install"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.text().contains("--apply") && !hook.exists());
    assert_eq!(
        keysweep(repo.path(), &["hook", "install", "--apply"]).code,
        0
    );
    assert_eq!(
        keysweep(repo.path(), &["hook", "install", "--apply"]).code,
        0,
        "again is fine"
    );
    repo.write("a.env", format!("A={}\n", token(1)));
    git(&repo, &["add", "."]);
    let (passed, text) = git(&repo, &["commit", "-m", "Add"]);
    assert!(!passed && text.contains("a.env"), "{text}");
    let help = text.lines().last().unwrap_or_default();
    for way in [
        "`keysweep explain PATH:LINE`",
        "`keysweep:allow[rule-id] reason`",
        "take it out",
    ] {
        assert!(help.contains(way), "{help}");
    }
    repo.write("a.env", "A=1\n");
    git(&repo, &["add", "."]);
    let (passed, text) = git(&repo, &["commit", "-m", "Add"]);
    assert!(passed, "{text}");
}

#[test]
fn a_commit_of_lfs_pointers_passes() {
    let repo = Repo::new();
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n",
        "0a".repeat(32)
    );
    repo.write("big.bin", pointer);
    repo.git(&["add", "."]);
    let run = keysweep(repo.path(), &["scan", "--staged"]);
    assert!(
        run.code == 0 && run.text().contains("Git LFS pointers are staged"),
        "{}",
        run.text()
    );
    // A tree should have the content: there it stays a gap, and the report says how to accept it.
    for args in [&["scan"][..], &["scan", "--output=json=r.json"]] {
        let run = keysweep(repo.path(), args);
        let told = format!("{}{}", run.text(), run.stderr);
        assert!(
            run.code == 3 && told.contains("`[coverage] accept = [\"lfs-pointer\"]`"),
            "{told}"
        );
    }
}

#[test]
fn a_hook_of_somebody_else_is_kept() {
    let repo = Repo::new();
    let hook = repo.path().join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\ntrue\n").unwrap();
    let run = keysweep(repo.path(), &["hook", "install", "--apply"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("help:"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&hook).unwrap(), "#!/bin/sh\ntrue\n");
}

#[test]
fn a_hooks_path_elsewhere_is_used() {
    let repo = Repo::new();
    repo.git(&["config", "core.hooksPath", ".husky"]);
    let run = keysweep(repo.path(), &["hook", "install", "--apply"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        repo.path().join(".husky/pre-commit").exists(),
        "{}",
        run.text()
    );
}

#[test]
fn the_real_pre_commit_stops_a_commit_and_scans_all_files() {
    let Some(tools) = std::env::var_os("KEYSWEEP_TOOLS") else {
        eprintln!(
            "skipped: KEYSWEEP_TOOLS is not set; `bash tests/run` installs pre-commit and sets it"
        );
        return;
    };
    let pre_commit = std::path::Path::new(&tools).join("python/bin/pre-commit");
    let repo = Repo::new();
    // The hook's own definition, with `language: system` so that the program under test runs and nothing is built.
    let hooks = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/.pre-commit-hooks.yaml"
    ))
    .unwrap();
    let hook: String = hooks
        .replace("language: rust", "language: system")
        .replace(
            "entry: keysweep",
            &format!("entry: {}", program().display()),
        )
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    repo.write(
        ".pre-commit-config.yaml",
        format!("repos:\n- repo: local\n  hooks:\n{hook}"),
    );
    repo.write("a.env", "A=1\n").commit("Begin");
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(&pre_commit)
            .args(args)
            .current_dir(repo.path())
            .env("PRE_COMMIT_HOME", home.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    repo.write("b.env", format!("A={}\n", token(1)));
    repo.git(&["add", "."]);
    let (passed, text) = run(&["run"]);
    assert!(
        !passed && text.contains("b.env") && text.contains("Failed"),
        "{text}"
    );
    // Fixed in the working tree only: the index still holds it, and pre-commit puts the index's state in place.
    repo.write("b.env", "A=1\n");
    let (passed, text) = run(&["run"]);
    assert!(!passed && text.contains("b.env"), "{text}");
    repo.git(&["add", "."]);
    assert!(run(&["run"]).0);
    repo.write("c.env", format!("A={}\n", token(2)))
        .commit("Slipped in");
    let (passed, text) = run(&["run", "--all-files"]);
    assert!(
        !passed && text.contains("c.env"),
        "--all-files looks at all files: {text}"
    );
}

/// Installs a hook for a user whose own git configuration is `global`.
#[cfg(unix)]
fn installed(repo: &Repo, global: &std::path::Path) -> crate::support::Run {
    let environment = [("GIT_CONFIG_GLOBAL", global.to_str().unwrap())];
    let args = ["hook", "install", "--apply"];
    crate::support::keysweep_with(repo.path(), &args, &environment, b"")
}

#[cfg(unix)]
#[test]
fn a_hook_is_not_written_through_a_link() {
    let elsewhere = tempfile::tempdir().unwrap();
    let none = elsewhere.path().join("none");
    let (missing, there) = (elsewhere.path().join("login"), elsewhere.path().join("rc"));
    for target in [&missing, &there] {
        let repo = Repo::new();
        fs::write(&there, "# Written by `keysweep hook install`.\n").unwrap();
        let hook = repo.path().join(".git/hooks/pre-commit");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, &hook).unwrap();
        let run = installed(&repo, &none);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("symbolic link"), "{}", run.stderr);
        assert!(!missing.exists());
        assert!(!fs::read_to_string(&there).unwrap().contains("exec"));
        assert!(hook.symlink_metadata().unwrap().is_symlink());
    }
    // The folder of the hooks as a link.
    let repo = Repo::new();
    let hooks = repo.path().join(".git/hooks");
    let _ = fs::remove_dir_all(&hooks);
    std::os::unix::fs::symlink(elsewhere.path(), &hooks).unwrap();
    let run = installed(&repo, &none);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(!elsewhere.path().join("pre-commit").exists());
}

#[cfg(unix)]
#[test]
fn a_folder_of_hooks_elsewhere_is_the_users_own_or_refused() {
    let (home, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let global = home.path().join("gitconfig");
    let hooks = bin.path().join("hooks");
    let setting = format!("[core]\n\thooksPath = {}\n", hooks.display());
    let repo = Repo::new();
    let path = hooks.to_str().unwrap();
    repo.git(&["config", "core.hooksPath", path]);
    let run = installed(&repo, &global);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("core.hooksPath"), "{}", run.stderr);
    let own = "only if your own configuration names it";
    assert!(run.stderr.contains(own), "{}", run.stderr);
    assert!(!hooks.exists());
    // The repository's word outranks the user's own: theirs elsewhere changes nothing.
    fs::write(&global, setting.replace("/hooks", "/other")).unwrap();
    assert_eq!(installed(&repo, &global).code, 2);
    // Through a file that the repository's configuration includes, it is the repository's still.
    repo.git(&["config", "--unset", "core.hooksPath"]);
    repo.write("more", &setting);
    repo.git(&["config", "include.path", "../more"]);
    assert_eq!(installed(&repo, &global).code, 2);
    assert!(!hooks.exists());
    repo.git(&["config", "--unset", "include.path"]);

    fs::write(&global, &setting).unwrap();
    let run = installed(&repo, &global);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(hooks.join("pre-commit").is_file());
    // A folder of the repository may be named by the repository.
    repo.git(&["config", "core.hooksPath", ".githooks"]);
    assert_eq!(installed(&repo, &global).code, 0);
    assert!(repo.path().join(".githooks/pre-commit").is_file());
}

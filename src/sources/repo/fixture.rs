//! Repositories for tests, built by the real git with an empty environment and fixed dates.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Repository, parse_hex};
use crate::model::ObjectId;

/// A repository in a temporary directory.
pub(crate) struct Fixture {
    dir: tempfile::TempDir,
    /// Seconds since 1970 of the next commit; each git call moves it on.
    clock: AtomicU64,
}

impl Fixture {
    /// Makes an empty repository with a branch `main`.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// Makes one with further options of `git init`.
    pub(crate) fn with(options: &[&str]) -> Self {
        let fixture = Self {
            dir: tempfile::tempdir().unwrap(),
            clock: AtomicU64::new(1_700_000_000),
        };
        std::fs::create_dir(fixture.path()).unwrap();
        fixture.git(&[&["init", "-q", "-b", "main"], options].concat());
        fixture
    }

    /// Returns the work tree.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Returns a path beside the work tree.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs git in the work tree and returns what it printed, without the last line end.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.path(), arguments)
    }

    /// Runs git elsewhere.
    pub(crate) fn git_in(&self, dir: &Path, arguments: &[&str]) -> String {
        let (ok, text) = self.try_git(dir, arguments);
        assert!(ok, "git {arguments:?}: {text}");
        text
    }

    /// Runs git, allowing it to fail.
    pub(crate) fn try_git(&self, dir: &Path, arguments: &[&str]) -> (bool, String) {
        let date = format!("{} +0130", self.clock.fetch_add(60, Ordering::Relaxed));
        let output = Command::new("git")
            .args(arguments)
            .current_dir(dir)
            .env_clear()
            .env("PATH", env!("PATH"))
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A U Thor")
            .env("GIT_AUTHOR_EMAIL", "author@example.com")
            .env("GIT_COMMITTER_NAME", "C O Mitter")
            .env("GIT_COMMITTER_EMAIL", "committer@example.com")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .expect("git runs");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            text.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        (output.status.success(), text.trim_end().to_owned())
    }

    /// Writes a file of the work tree, making its folders.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Commits everything and returns the commit.
    pub(crate) fn commit(&self, message: &str) -> ObjectId {
        self.git(&["add", "-A"]);
        self.git(&[
            "commit",
            "-q",
            "--allow-empty",
            "--no-verify",
            "-m",
            message,
        ]);
        self.id("HEAD")
    }

    /// Stores a blob that nothing leads to.
    pub(crate) fn blob(&self, text: &str) -> ObjectId {
        let file = self.beside("blob");
        std::fs::write(&file, text).unwrap();
        let id = self.git(&["hash-object", "-w", file.to_str().unwrap()]);
        parse_hex(id.as_bytes()).unwrap()
    }

    /// Feeds a stream to `git fast-import`: many commits by one process.
    pub(crate) fn import(&self, stream: &[u8]) {
        let file = self.beside("import");
        std::fs::write(&file, stream).unwrap();
        let status = Command::new("git")
            .args(["fast-import", "--quiet"])
            .current_dir(self.path())
            .env_clear()
            .env("PATH", env!("PATH"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(std::fs::File::open(file).unwrap())
            .status()
            .expect("git runs");
        assert!(status.success());
    }

    /// Returns the object that a revision names, asked of git.
    pub(crate) fn id(&self, revision: &str) -> ObjectId {
        parse_hex(self.git(&["rev-parse", "--verify", revision]).as_bytes()).unwrap()
    }

    /// Opens it.
    pub(crate) fn open(&self) -> Repository {
        Repository::open(&self.path()).unwrap()
    }

    /// Returns every object as `id kind size`, sorted, asked of git.
    pub(crate) fn all_objects(&self) -> Vec<String> {
        let text = self.git(&[
            "cat-file",
            "--batch-all-objects",
            "--batch-check",
            "--unordered",
        ]);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

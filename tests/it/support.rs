//! What the tests share: made-up tokens, repositories built by the real git, and runs of the program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// Returns a checksum-valid token in GitHub's format, different for each `seed`. Assembled here so that no real-looking
/// token stands in the sources (GitHub blog, "Behind GitHub's new authentication token formats": CRC-32 in base62).
pub(crate) fn token(seed: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995_97f4_a7c1;
    let mut body = String::new();
    for _ in 0..30 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        body.push(char::from(DIGITS[(state % 62) as usize]));
    }
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut check = [b'0'; 6];
    for slot in check.iter_mut().rev() {
        *slot = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    format!("{}_{body}{}", "ghp", String::from_utf8_lossy(&check))
}

/// A git repository in a temporary directory, with fixed names and dates and no outside configuration.
pub(crate) struct Repo {
    pub(crate) dir: tempfile::TempDir,
    clock: std::cell::Cell<u64>,
}

impl Repo {
    pub(crate) fn new() -> Self {
        let repo = Self::plain();
        repo.git(&["init", "-q", "-b", "main", "."]);
        repo
    }

    /// Returns a directory without a repository.
    pub(crate) fn plain() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary directory can be made"),
            clock: std::cell::Cell::new(1_700_000_000),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a directory"))
            .expect("the directory can be made");
        fs::write(path, content).expect("the file can be written");
        self
    }

    /// Runs git and returns its output, trimmed. Each call is one minute later than the one before.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_with(args, "A U Thor", b"")
    }

    pub(crate) fn git_with(&self, args: &[&str], author: &str, input: &[u8]) -> String {
        use std::io::Write as _;
        self.clock.set(self.clock.get() + 60);
        let date = format!("{} +0200", self.clock.get());
        let mut child = Command::new("git")
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
            .env("HOME", self.path().join("no-home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", author)
            .env("GIT_AUTHOR_EMAIL", "author@example.com")
            .env("GIT_COMMITTER_NAME", "C O Mitter")
            .env("GIT_COMMITTER_EMAIL", "committer@example.com")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .env("GIT_EDITOR", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git can be started");
        child
            .stdin
            .take()
            .expect("stdin is piped")
            .write_all(input)
            .expect("git reads its input");
        let output = child.wait_with_output().expect("git ends");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|e| {
            panic!(
                "no JSON ({e}): {}\n{}",
                String::from_utf8_lossy(&self.stdout),
                self.stderr
            )
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Returns the revealed secrets of a JSON report, sorted, one for each finding.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let report = self.json();
        let mut all: Vec<String> = report["findings"]
            .as_array()
            .expect("findings is an array")
            .iter()
            .map(|f| f["secret"].as_str().unwrap_or("<not revealed>").to_owned())
            .collect();
        all.sort();
        all
    }
}

/// Runs the program in `dir` with an environment of PATH and HOME only.
pub(crate) fn keysweep(dir: &Path, args: &[&str]) -> Run {
    keysweep_with(dir, args, &[], b"")
}

pub(crate) fn keysweep_with(
    dir: &Path,
    args: &[&str],
    environment: &[(&str, &str)],
    input: &[u8],
) -> Run {
    use std::io::Write as _;
    let mut child = Command::new(program())
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .env("HOME", "/nonexistent")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_vec();
    // The program may end without reading all of it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    Run {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_keysweep"))
}

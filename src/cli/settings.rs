//! The environment: the only place that reads it.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one file that reads the environment"
)]

use std::{env, ffi::OsString, path::PathBuf};

use super::error::CliError;
use crate::{config::Date, model::DigestKey};

/// Returns a variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Tells whether a variable is set and not empty.
pub(super) fn is_set(name: &str) -> bool {
    variable(name).is_some()
}

/// Returns the project key that came from outside, if one did.
pub(super) fn key() -> Result<Option<DigestKey>, CliError> {
    match variable("KEYSWEEP_KEY") {
        None => Ok(None),
        Some(text) => text
            .to_str()
            .and_then(|text| DigestKey::from_hex(text.trim()))
            .map(Some)
            .ok_or(CliError::Key),
    }
}

/// Returns the file that GitHub shows as the job's summary.
pub(super) fn step_summary() -> Option<PathBuf> {
    variable("GITHUB_STEP_SUMMARY").map(PathBuf::from)
}

/// Returns the index file that git names to a hook; `git commit FILE` and `git commit -a` use one of their own.
pub(super) fn index_file() -> Option<PathBuf> {
    variable("GIT_INDEX_FILE").map(PathBuf::from)
}

/// Returns the time that reports with times give, as `YYYY-MM-DDThh:mm:ss`: `SOURCE_DATE_EPOCH` (reproducible-builds.org), else
/// when GitLab started the job. Never the clock: the same input gives the same bytes.
pub(super) fn time() -> Option<String> {
    let text = |name| variable(name)?.into_string().ok();
    let epoch = text("SOURCE_DATE_EPOCH").and_then(|epoch| epoch.trim().parse::<u64>().ok());
    if let Some(seconds) = epoch {
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let day = Date::from_unix(seconds);
        return Some(format!("{day}T{hour:02}:{minute:02}:{second:02}Z"));
    }
    text("CI_JOB_STARTED_AT")
}

/// Returns the user's home directory.
#[cfg(feature = "verify")]
pub(super) fn home() -> Option<PathBuf> {
    env::home_dir().filter(|home| home.is_absolute())
}

/// Returns where programs keep what they must remember (XDG Base Directory Specification; elsewhere the system's place).
#[cfg(feature = "verify")]
pub(super) fn state_directory() -> PathBuf {
    if let Some(set) = variable("XDG_STATE_HOME").map(PathBuf::from)
        && set.is_absolute()
    {
        return set;
    }
    if let Some(set) = variable("LOCALAPPDATA").filter(|_| cfg!(windows)) {
        return PathBuf::from(set);
    }
    home().unwrap_or_default().join(".local/state")
}

/// Returns the user's name, as the system has it.
#[cfg(feature = "verify")]
pub(super) fn user() -> String {
    let names = [
        "GITHUB_ACTOR",
        "GITLAB_USER_LOGIN",
        "USER",
        "LOGNAME",
        "USERNAME",
    ];
    let mut names = names.iter().filter_map(|name| variable(name));
    let name = names.next().and_then(|name| name.into_string().ok());
    name.or_else(owner).unwrap_or_else(|| "unknown".to_owned())
}

/// Returns the name that /etc/passwd has for the user of this process, else `uid-N`: containers and jobs set no `USER`.
#[cfg(all(feature = "verify", unix))]
fn owner() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    // passwd(5): name:password:uid:...
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let of = fields.nth(1)?.parse::<u32>().ok()?;
        (of == uid).then(|| name.to_owned())
    });
    Some(name.unwrap_or_else(|| format!("uid-{uid}")))
}

#[cfg(all(feature = "verify", not(unix)))]
fn owner() -> Option<String> {
    None
}

/// Returns who acts and from where, for journals and the audit log: the job of GitHub Actions or GitLab CI, else the user here.
#[cfg(feature = "verify")]
pub(super) fn actor() -> crate::rotate::Actor {
    let text = |name| variable(name).and_then(|value| value.into_string().ok());
    let github = || {
        let (server, repository) = (text("GITHUB_SERVER_URL")?, text("GITHUB_REPOSITORY")?);
        Some(format!(
            "{server}/{repository}/actions/runs/{}",
            text("GITHUB_RUN_ID")?
        ))
    };
    let source = github().or_else(|| text("CI_JOB_URL"));
    let host = || text("HOSTNAME").or_else(|| text("COMPUTERNAME"));
    crate::rotate::Actor {
        name: user(),
        source: source.or_else(host).unwrap_or_else(|| "here".to_owned()),
    }
}

/// Returns the time, Unix seconds.
#[cfg(feature = "verify")]
pub(super) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Asks the system for no image of this process's memory when it crashes, and to let nobody but root look into it: values of stores
/// pass through it. A system that refuses changes nothing else.
#[cfg(feature = "verify")]
pub(super) fn keep_memory_private() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = setrlimit(Resource::Core, none);
    }
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Returns the working directory.
pub(super) fn working_directory() -> PathBuf {
    env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

/// Returns a key of 32 random bytes.
pub(super) fn random_key() -> Result<DigestKey, CliError> {
    random_bytes().map(DigestKey::new)
}

/// Returns 32 random bytes.
pub(super) fn random_bytes() -> Result<[u8; 32], CliError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| CliError::internal(&error))?;
    Ok(bytes)
}

//! Configuration and baseline of a range of commits: those of its base. What a change brings may tighten, and is not heard
//! where it would silence what is found in it. Objects are read by the caller.

use std::path::Path;

use super::{
    BASELINE_NAME, CONFIG_NAMES, Config, ConfigError, Notice, Trust,
    error::safe,
    load::{FOREIGN_BASELINE, MAX_BASELINE_BYTES, MAX_CONFIG_BYTES, guest, load, load_baseline},
    parse,
    suppress::Baseline,
};

/// A commit, as far as files at its root can be read.
pub trait Committed {
    /// Returns its name in reports and errors.
    fn name(&self) -> String;

    /// Returns a file's content; `None` if there is none.
    ///
    /// # Errors
    /// If it is no regular file, has more than `limit` bytes, or cannot be read; `shown` is its name.
    fn read(&self, file: &str, shown: &Path, limit: u64) -> Result<Option<Vec<u8>>, ConfigError>;
}

/// What counts in a range, and what must be said of it.
#[derive(Debug)]
pub struct Ranged {
    /// The configuration.
    pub config: Config,
    /// The baseline, if there is one.
    pub baseline: Option<Baseline>,
    /// What does not count, and where the rest comes from.
    pub notices: Vec<Notice>,
}

/// Returns what counts in a range of a repository: what the user named, else that of the range's base.
///
/// # Errors
/// If a file that counts cannot be read or is wrong. A wrong one of the head, or of a foreign repository, is a notice.
pub fn ranged(
    base: &dyn Committed,
    head: &dyn Committed,
    config: Option<&Path>,
    baseline: Option<&Path>,
    trust: Trust,
) -> Result<Ranged, ConfigError> {
    let (mut config, mut notices, of_config) = configuration(base, head, config, trust)?;
    let (baseline, of_baseline) = match (trust, baseline) {
        (_, Some(path)) => (load_baseline(path, Some(path), trust)?, safe(path)),
        (Trust::Own, None) => {
            notices.extend(unheard(base, head));
            let bytes = bytes(base, BASELINE_NAME, MAX_BASELINE_BYTES)?;
            let name = shown(base, BASELINE_NAME);
            match bytes {
                Some(bytes) => (Some(Baseline::parse(&name, &bytes)?), name),
                None => (None, none_in(base)),
            }
        }
        (Trust::Foreign | Trust::Head, None) => {
            if !matches!(bytes(base, BASELINE_NAME, MAX_BASELINE_BYTES), Ok(None)) {
                notices.push(Notice::new(FOREIGN_BASELINE));
            }
            (None, "none".to_owned())
        }
    };
    config.markers.refused = trust == Trust::Foreign;
    let places = format!("configuration: {of_config}; baseline: {of_baseline}");
    notices.push(Notice::new(&places));
    Ok(Ranged {
        config,
        baseline,
        notices,
    })
}

/// Returns the configuration, what of another does not count, and where it comes from.
fn configuration(
    base: &dyn Committed,
    head: &dyn Committed,
    named: Option<&Path>,
    trust: Trust,
) -> Result<(Config, Vec<Notice>, String), ConfigError> {
    let place = named.map(safe);
    let named = named.map(load).transpose()?;
    match (trust, named) {
        (Trust::Own, Some(config)) => Ok((config, Vec::new(), place.unwrap_or_default())),
        (Trust::Own, None) => {
            let (config, place) = match found(base)? {
                Some((config, place)) => (config, place),
                None => (Config::default(), none_in(base)),
            };
            let head = found(head).map(|found| found.map(|(config, _)| config));
            let (config, notices) = guest(Some(config), head, Trust::Head);
            Ok((config, notices, place))
        }
        (Trust::Foreign | Trust::Head, named) => {
            let base = found(base).map(|found| found.map(|(config, _)| config));
            let (config, notices) = guest(named, base, trust);
            Ok((config, notices, place.unwrap_or_else(|| "none".to_owned())))
        }
    }
}

/// Returns the configuration of a commit, and its name.
fn found(commit: &dyn Committed) -> Result<Option<(Config, String)>, ConfigError> {
    let mut found: Option<(&str, Vec<u8>)> = None;
    for name in CONFIG_NAMES {
        let Some(bytes) = bytes(commit, name, MAX_CONFIG_BYTES)? else {
            continue;
        };
        if let Some((first, _)) = found {
            return Err(ConfigError::Ambiguous {
                first: shown(commit, first).into(),
                second: shown(commit, name).into(),
            });
        }
        found = Some((name, bytes));
    }
    let Some((name, bytes)) = found else {
        return Ok(None);
    };
    let name = shown(commit, name);
    Ok(Some((parse(&name, &bytes)?, name)))
}

/// Says that the head has another baseline than the base, if it has.
fn unheard(base: &dyn Committed, head: &dyn Committed) -> Option<Notice> {
    let of = |commit| {
        bytes(commit, BASELINE_NAME, MAX_BASELINE_BYTES)
            .ok()
            .flatten()
    };
    let theirs = of(head)?;
    (of(base).as_ref() != Some(&theirs)).then(|| {
        Notice::new(
            "the baseline of the range's head does not count; that of its base does, if there is one (--trust-config accepts it)",
        )
    })
}

fn bytes(commit: &dyn Committed, file: &str, limit: u64) -> Result<Option<Vec<u8>>, ConfigError> {
    commit.read(file, Path::new(&shown(commit, file)), limit)
}

/// Returns git's own name for a file of a commit.
fn shown(commit: &dyn Committed, file: &str) -> String {
    format!("{}:{file}", commit.name())
}

fn none_in(commit: &dyn Committed) -> String {
    format!("none in commit {}", commit.name())
}

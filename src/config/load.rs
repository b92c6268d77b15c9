//! Finding and reading the files. They may lie in a tree that nobody trusts: links are not followed, sizes are bounded, and
//! only regular files are opened.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Config, ConfigError, Notice, Trust, error::safe, merge, parse, suppress::Baseline};

/// Names of the configuration at a root, of which one may be there.
pub const CONFIG_NAMES: [&str; 2] = ["keysweep.toml", ".keysweep.toml"];
/// Name of the baseline at a root.
pub const BASELINE_NAME: &str = ".keysweep-baseline";

/// Most bytes of a configuration.
pub(super) const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Most bytes of a baseline: about 600,000 lines.
pub(super) const MAX_BASELINE_BYTES: u64 = 64 << 20;

/// Said where a baseline of others does not count.
pub(super) const FOREIGN_BASELINE: &str =
    "the scanned tree is not your own: its baseline does not count (--trust-config accepts it)";

/// Reads the configuration that the user named. A link is followed: the user's own word counts.
///
/// # Errors
/// If the file cannot be read or is wrong.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let bytes = read(path, MAX_CONFIG_BYTES)?;
    parse(&safe(path), &bytes)
}

/// Returns the configuration at the root of a tree, if there is one.
///
/// # Errors
/// If both names are taken, or if what stands there is a link or no regular file.
pub fn discover(root: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let mut found: Option<PathBuf> = None;
    for name in CONFIG_NAMES {
        let path = root.join(name);
        if !is_there(&path)? {
            continue;
        }
        if let Some(first) = found {
            return Err(ConfigError::Ambiguous {
                first,
                second: path,
            });
        }
        found = Some(path);
    }
    Ok(found)
}

/// Returns the configuration of a run over the tree at `root`: the one that the user named, else the tree's own as far as it
/// may speak, else the default.
///
/// # Errors
/// If a configuration that is the user's own cannot be read or is wrong. A foreign one that is wrong is a notice: it could
/// only have tightened.
pub fn effective(
    root: &Path,
    named: Option<&Path>,
    trust: Trust,
) -> Result<(Config, Vec<Notice>), ConfigError> {
    let base = named.map(load).transpose()?;
    let found = || discover(root)?.map(|path| load_at(root, &path)).transpose();
    let (mut config, mut notices) = match (trust, base) {
        (Trust::Own, Some(base)) => (base, Vec::new()),
        (Trust::Own, None) => (found()?.unwrap_or_default(), Vec::new()),
        (Trust::Foreign | Trust::Head, base) => guest(base, found(), trust),
    };
    if trust == Trust::Foreign {
        config.markers.refused = true;
        if fs::symlink_metadata(root.join(BASELINE_NAME)).is_ok() {
            notices.push(Notice::new(FOREIGN_BASELINE));
        }
    }
    Ok((config, notices))
}

/// Returns `base` with what a configuration that is not the user's own may add to it; one that cannot be read adds nothing.
pub(super) fn guest(
    base: Option<Config>,
    found: Result<Option<Config>, ConfigError>,
    trust: Trust,
) -> (Config, Vec<Notice>) {
    match found {
        Ok(None) => (base.unwrap_or_default(), Vec::new()),
        Ok(Some(candidate)) => merge(base, candidate, trust),
        Err(error) => {
            let whose = trust.whose();
            let why = format!("the configuration of {whose} is not used: {error}");
            (base.unwrap_or_default(), vec![Notice::new(&why)])
        }
    }
}

/// Reads a configuration that was found, named in errors by its path below the root.
fn load_at(root: &Path, path: &Path) -> Result<Config, ConfigError> {
    let bytes = read(path, MAX_CONFIG_BYTES)?;
    parse(&safe(path.strip_prefix(root).unwrap_or(path)), &bytes)
}

/// Returns the baseline of a run over the tree at `root`: the one that the user named, which must be there, else the tree's
/// own if it is trusted. For a range of commits see [`super::ranged`].
///
/// # Errors
/// If the file cannot be read or is wrong; if the tree's own is a link.
pub fn load_baseline(
    root: &Path,
    named: Option<&Path>,
    trust: Trust,
) -> Result<Option<Baseline>, ConfigError> {
    let (path, name) = match named {
        Some(path) => (path.to_owned(), safe(path)),
        None => (root.join(BASELINE_NAME), BASELINE_NAME.to_owned()),
    };
    if named.is_none() && (trust != Trust::Own || !is_there(&path)?) {
        return Ok(None);
    }
    let bytes = read(&path, MAX_BASELINE_BYTES)?;
    Baseline::parse(&name, &bytes).map(Some)
}

/// Tells whether a regular file stands at a place of the scanned tree.
fn is_there(path: &Path) -> Result<bool, ConfigError> {
    match fs::symlink_metadata(path) {
        Ok(kind) if kind.is_symlink() => Err(ConfigError::Symlink {
            path: path.to_owned(),
        }),
        Ok(kind) if kind.is_file() => Ok(true),
        Ok(_) => Err(ConfigError::NotAFile {
            path: path.to_owned(),
        }),
        Err(error) if is_absent(&error) => Ok(false),
        Err(source) => Err(ConfigError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    // A FIFO would keep `open` waiting.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ConfigError::NotAFile {
            path: path.to_owned(),
        });
    }
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use miette::Diagnostic;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn code<T>(result: Result<T, ConfigError>) -> String {
        let error = result.err().unwrap();
        assert!(error.help().is_some());
        error.code().unwrap().to_string()
    }

    #[test]
    fn finds_either_name_but_not_both() {
        for name in CONFIG_NAMES {
            let dir = tree(&[(name, "")]);
            assert_eq!(discover(dir.path()).unwrap(), Some(dir.path().join(name)));
        }
        assert_eq!(discover(tree(&[]).path()).unwrap(), None);
        let both = tree(&[("keysweep.toml", ""), (".keysweep.toml", "")]);
        assert_eq!(code(discover(both.path())), "keysweep::config::ambiguous");
    }

    #[cfg(unix)]
    #[test]
    fn links_of_the_tree_are_not_followed_and_the_users_are() {
        let dir = tree(&[("real.toml", "[report]\nfail-on = \"high\"\n")]);
        for name in ["keysweep.toml", BASELINE_NAME] {
            std::os::unix::fs::symlink("real.toml", dir.path().join(name)).unwrap();
        }
        assert_eq!(code(discover(dir.path())), "keysweep::config::symlink");
        let baseline = load_baseline(dir.path(), None, Trust::Own);
        assert_eq!(code(baseline), "keysweep::config::symlink");
        assert!(
            load(&dir.path().join("keysweep.toml"))
                .unwrap()
                .fail_on
                .is_some()
        );
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused() {
        let dir = tree(&[]);
        fs::create_dir(dir.path().join("keysweep.toml")).unwrap();
        assert_eq!(code(discover(dir.path())), "keysweep::config::not_a_file");
        assert_eq!(code(load(dir.path())), "keysweep::config::not_a_file");
        assert_eq!(
            code(load(&dir.path().join("none"))),
            "keysweep::config::read"
        );
        let large = tree(&[("keysweep.toml", &"# x\n".repeat(300_000))]);
        let result = effective(large.path(), None, Trust::Own);
        assert_eq!(code(result), "keysweep::config::too_large");
    }

    #[test]
    fn a_foreign_configuration_with_a_fault_is_a_notice() {
        let dir = tree(&[("keysweep.toml", "[scna]\n")]);
        let (config, notices) = effective(dir.path(), None, Trust::Foreign).unwrap();
        assert!(config.markers.refused);
        let shown: Vec<&str> = notices.iter().map(Notice::as_str).collect();
        assert_eq!(
            shown[0],
            "the configuration of the scanned tree is not used: cannot read the configuration: unknown field `scna`"
        );
        assert_eq!(shown.len(), 1);
        assert_eq!(
            code(effective(dir.path(), None, Trust::Own)),
            "keysweep::config::unknown"
        );
    }

    #[test]
    fn the_users_file_counts_before_that_of_the_tree() {
        let dir = tree(&[
            ("keysweep.toml", "[report]\nfail-on = \"low\"\n"),
            ("mine", "[report]\nfail-on = \"high\"\n"),
        ]);
        let mine = dir.path().join("mine");
        let (config, _) = effective(dir.path(), Some(&mine), Trust::Own).unwrap();
        assert_eq!(config.fail_on, Some(crate::model::Severity::High));
        let (config, _) = effective(dir.path(), Some(&mine), Trust::Foreign).unwrap();
        assert_eq!(
            config.fail_on,
            Some(crate::model::Severity::Low),
            "it may be stricter"
        );
    }

    #[test]
    fn the_baseline_of_a_foreign_tree_does_not_count() {
        let text = "# keysweep baseline v1\n# key = external\n";
        let dir = tree(&[(BASELINE_NAME, text)]);
        let read = |named: Option<&Path>, trust| load_baseline(dir.path(), named, trust).unwrap();
        assert!(read(None, Trust::Own).is_some());
        assert!(read(None, Trust::Foreign).is_none());
        let (_, notices) = effective(dir.path(), None, Trust::Foreign).unwrap();
        assert!(notices[0].as_str().contains("its baseline does not count"));
        assert!(read(Some(&dir.path().join(BASELINE_NAME)), Trust::Foreign).is_some());
        assert!(
            load_baseline(tree(&[]).path(), None, Trust::Own)
                .unwrap()
                .is_none()
        );
        let missing = load_baseline(dir.path(), Some(Path::new("none")), Trust::Own);
        assert_eq!(code(missing), "keysweep::config::read");
    }
}

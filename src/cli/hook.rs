//! `keysweep hook install`: the plain git hook.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::sources::repo::Repository;

/// What the hook says. It finds the program on PATH and fails loudly without it.
const SCRIPT: &str = "#!/bin/sh
# Written by `keysweep hook install`. Stops a commit that would bring a secret into the repository.
# To commit anyway, once: git commit --no-verify
command -v keysweep >/dev/null 2>&1 || {
  echo 'keysweep is not on PATH: the commit was not checked. Install it, or remove this hook.' >&2
  exit 1
}
exec keysweep scan --staged --quiet";

/// Why the hook was not installed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum HookError {
    /// Another hook is there.
    #[error("{} is there already and is not ours", path.display())]
    #[diagnostic(
        code(keysweep::cli::hook_exists),
        help("add `keysweep scan --staged --quiet` to it, or move it away first")
    )]
    Exists {
        /// The hook's file.
        path: PathBuf,
    },
    /// The path of the index.
    #[error("{} cannot be written into a shell script", path.display())]
    #[diagnostic(
        code(keysweep::cli::hook_index),
        help("give the index a path in UTF-8 without line breaks")
    )]
    Index {
        /// As it was given.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    #[diagnostic(
        code(keysweep::cli::hook_write),
        help("check the directory's permissions")
    )]
    Write {
        /// The hook's file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// There is no repository.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Source(#[from] crate::sources::SourceError),
}

/// Returns the hook's text; it asks `index`, if one is given.
fn script(index: Option<&Path>) -> Result<String, HookError> {
    let Some(index) = index else {
        return Ok(format!("{SCRIPT}\n"));
    };
    let text = index.to_str().filter(|text| !text.contains(['\n', '\r']));
    let text = text.ok_or_else(|| HookError::Index {
        path: index.to_owned(),
    })?;
    // In single quotes a shell reads everything as it is, but the quote itself.
    let quoted = text.replace('\'', r"'\''");
    Ok(format!("{SCRIPT} --index '{quoted}'\n"))
}

/// Writes the hook, or with `apply` false says what would be written. Returns the lines to print.
pub(super) fn install(path: &Path, index: Option<&Path>, apply: bool) -> Result<String, HookError> {
    let script = script(index)?;
    let repository = Repository::open(path)?;
    let hook = hooks_dir(path, &repository).join("pre-commit");
    match fs::read(&hook) {
        Ok(content) if content == script.as_bytes() => {
            return Ok(format!("{} is installed already\n", hook.display()));
        }
        // Ours of an older version may be replaced.
        Ok(content) if memchr::memmem::find(&content, b"keysweep hook install").is_none() => {
            return Err(HookError::Exists { path: hook });
        }
        _ => {}
    }
    if !apply {
        return Ok(format!(
            "would write {}:\n\n{script}\nRun it again with --apply to write the file.\n",
            hook.display()
        ));
    }
    write(&hook, &script).map_err(|source| HookError::Write {
        path: hook.clone(),
        source,
    })?;
    Ok(format!("wrote {}\n", hook.display()))
}

/// Returns where git looks for hooks. Only git knows: `core.hooksPath` may stand in any of its configuration files.
fn hooks_dir(path: &Path, repository: &Repository) -> PathBuf {
    let said = Command::new("git")
        .args(["rev-parse", "--git-path", "hooks"])
        .current_dir(path)
        .output();
    match said {
        Ok(output) if output.status.success() => {
            path.join(String::from_utf8_lossy(&output.stdout).trim_end_matches(['\r', '\n']))
        }
        _ => repository.common_dir().join("hooks"),
    }
}

fn write(hook: &Path, script: &str) -> io::Result<()> {
    if let Some(dir) = hook.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(hook, script)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

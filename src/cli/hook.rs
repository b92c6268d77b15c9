//! `keysweep hook install`: the plain git hook.
//!
//! Promises: nothing is written through a symbolic link, and nothing outside of the repository, unless the user's own git configuration
//! keeps hooks there: a repository that somebody else made may name any folder.

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
    /// The hook, or the folder that it would lie in, is a link.
    #[error("{} is a symbolic link, or leads through one out of the repository", path.display())]
    #[diagnostic(
        code(keysweep::cli::hook_link),
        help(
            "nothing is written through it: remove the link if it is not yours, or add `keysweep scan --staged --quiet` to the hook that it leads to"
        )
    )]
    Link {
        /// The link, or the hook behind it.
        path: PathBuf,
    },
    /// The repository's configuration keeps hooks outside of it.
    #[error("the repository's core.hooksPath leads out of it, to {}", path.display())]
    #[diagnostic(
        code(keysweep::cli::hook_outside),
        help(
            "a folder elsewhere is written to only if your own configuration names it: `git config --global core.hooksPath FOLDER`; `git config --unset core.hooksPath` takes the repository's word back"
        )
    )]
    Outside {
        /// The folder.
        path: PathBuf,
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
    let dir = hooks_dir(path, &repository);
    let hook = dir.join("pre-commit");
    refuse(path, &repository, &dir, &hook)?;
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

/// Refuses a hook that is a link, and one outside of the repository that the user's own configuration does not ask for.
fn refuse(path: &Path, repository: &Repository, dir: &Path, hook: &Path) -> Result<(), HookError> {
    if hook.symlink_metadata().is_ok_and(|kind| kind.is_symlink()) {
        return Err(HookError::Link {
            path: hook.to_owned(),
        });
    }
    let own = [
        Some(repository.common_dir()),
        Some(repository.git_dir()),
        repository.work_tree(),
    ];
    let own = own.into_iter().flatten();
    let real = real(dir);
    let is_inside = own
        .filter_map(|folder| folder.canonicalize().ok())
        .any(|folder| real.as_ref().is_some_and(|real| real.starts_with(folder)));
    match scope_of_hooks(path) {
        Scope::User => Ok(()),
        Scope::Repository if !is_inside => Err(HookError::Outside {
            path: dir.to_owned(),
        }),
        Scope::Nobody if !is_inside => Err(HookError::Link {
            path: dir.to_owned(),
        }),
        Scope::Repository | Scope::Nobody => Ok(()),
    }
}

/// Returns where a folder leads that may not be there yet; `None` if that cannot be told.
fn real(dir: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(dir).ok()?;
    let known = whole
        .ancestors()
        .find(|folder| folder.symlink_metadata().is_ok())?;
    let rest = whole.strip_prefix(known).ok()?;
    // What is not there yet would be made below where the rest leads; a link to nowhere leads nowhere that is known.
    let is_plain = |part| matches!(part, std::path::Component::Normal(_));
    let known = known.canonicalize().ok()?;
    rest.components().all(is_plain).then(|| known.join(rest))
}

/// Whose word `core.hooksPath` is.
enum Scope {
    /// The user's: their own configuration, the machine's, or the command's.
    User,
    /// That of whoever made the repository.
    Repository,
    /// It is not set.
    Nobody,
}

/// Asks git whose configuration says where hooks are. What it does not tell is the repository's.
fn scope_of_hooks(path: &Path) -> Scope {
    let said = Command::new("git")
        .args(["config", "--show-scope", "--get", "core.hooksPath"])
        .current_dir(path)
        .output();
    let Ok(said) = said else {
        return Scope::Nobody;
    };
    let text = String::from_utf8_lossy(&said.stdout);
    match (said.status.code(), text.split('\t').next()) {
        (Some(0), Some("global" | "system" | "command")) => Scope::User,
        // "git config": 1 says that the key is not set.
        (Some(1), _) => Scope::Nobody,
        _ => Scope::Repository,
    }
}

/// Writes the hook beside its place first: a link that is planted there meanwhile is replaced, not followed.
fn write(hook: &Path, script: &str) -> io::Result<()> {
    use io::Write as _;
    if let Some(dir) = hook.parent() {
        fs::create_dir_all(dir)?;
    }
    let beside = hook.with_file_name(format!("pre-commit.{}.tmp", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    let mut file = options.open(&beside)?;
    let done = file.write_all(script.as_bytes()).and_then(|()| {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            file.set_permissions(fs::Permissions::from_mode(0o755))?;
        }
        fs::rename(&beside, hook)
    });
    if done.is_err() {
        // The fault that matters is the first one.
        let _ = fs::remove_file(&beside);
    }
    done
}

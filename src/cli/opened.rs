//! The user's stores file, and the stores in it, opened.
//!
//! The file comes from a flag, a variable or the user's own configuration directory, never from a scanned tree: whoever owns
//! the tree would otherwise choose who is told its secrets.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    config::stores::StoresFile,
    sources::repo,
    stores::{self, FileVersion, SecretStore, StoreError, Surroundings},
};

use super::{
    args,
    error::{CliError, shown},
    settings,
};

/// Largest stores file, bytes.
const MAX_FILE: u64 = 1 << 20;

/// Stores by name, opened or not.
pub(super) type Stores = Vec<(String, Result<Box<dyn SecretStore>, StoreError>)>;

/// What stores may know of the user's environment.
pub(super) struct Environment {
    variable: fn(&str) -> Option<OsString>,
    history: fn(&Path) -> Result<Vec<FileVersion>, String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// Takes the process's own.
    pub(super) fn new() -> Self {
        Self {
            variable: settings::variable,
            history,
            home: settings::home(),
        }
    }

    /// Returns what stores are opened with.
    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            variable: &self.variable,
            home: self.home.clone(),
            history: &self.history,
        }
    }
}

/// Returns the versions of a file that git keeps.
fn history(path: &Path) -> Result<Vec<FileVersion>, String> {
    let versions = repo::versions(path).map_err(|error| error.to_string())?;
    let versions = versions.into_iter().map(|version| {
        let bytes = version
            .bytes
            .ok_or("a version in git cannot be read, or is too large")?;
        Ok(FileVersion {
            commit: version.commit.to_string(),
            time: version.time,
            bytes,
        })
    });
    versions.collect()
}

/// Returns where the stores file is, or would be.
pub(super) fn place(args: &args::StoresArgs) -> PathBuf {
    let own = || {
        settings::config_directory()
            .join("keysweep")
            .join("stores.toml")
    };
    args.stores.clone().unwrap_or_else(own)
}

/// Reads the stores file. One that others may write is refused.
pub(super) fn load(args: &args::StoresArgs) -> Result<StoresFile, CliError> {
    let path = place(args);
    let meta = match fs::metadata(&path) {
        Ok(meta) => meta,
        Err(source) => return Err(CliError::NoStores { path, source }),
    };
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(CliError::StoresKind { path });
    }
    if is_open_to_others(&meta) {
        return Err(CliError::StoresOpen { path });
    }
    let text = fs::read_to_string(&path).map_err(|source| CliError::NoStores {
        path: path.clone(),
        source,
    })?;
    Ok(StoresFile::parse(&shown(&path).to_string(), &text)?)
}

/// Refuses a stores file that lies in the scanned tree.
pub(super) fn refuse_inside(args: &args::StoresArgs, root: &Path) -> Result<(), CliError> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = place(args);
    // The user's own directory may itself be a repository (dotfiles): there the default place is the user's all the same.
    if args.stores.is_some() && real(&path).starts_with(real(root)) {
        return Err(CliError::StoresInside { path });
    }
    Ok(())
}

/// Opens the wanted stores, all if none is named; one that cannot be opened is told with its reason.
pub(super) fn open_all(
    file: &StoresFile,
    wanted: &[String],
    surroundings: &Surroundings<'_>,
) -> Result<Stores, CliError> {
    if let Some(unknown) = wanted.iter().find(|name| !file.stores.contains_key(*name)) {
        let known: Vec<&str> = file.stores.keys().map(String::as_str).collect();
        return Err(CliError::UnknownStore {
            name: crate::model::quotable(unknown),
            help: match known.as_slice() {
                [] => "the stores file has no [stores.NAME]; docs/stores.md shows some".to_owned(),
                known => format!("there are: {}", known.join(", ")),
            },
        });
    }
    if file.stores.is_empty() {
        return Err(CliError::UnknownStore {
            name: "(any)".to_owned(),
            help: "the stores file has no [stores.NAME]; docs/stores.md shows some".to_owned(),
        });
    }
    let chosen = file
        .stores
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name));
    Ok(chosen
        .map(|(name, entry)| (name.clone(), stores::open(name, entry, surroundings)))
        .collect())
}

/// Tells whether others than the owner may write a file.
#[cfg(unix)]
fn is_open_to_others(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // Write for the group or for all (POSIX S_IWGRP, S_IWOTH).
    meta.mode() & 0o022 != 0
}

/// Elsewhere rights are lists that the system itself inherits from the user's directory.
#[cfg(not(unix))]
fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}

//! From a store's settings to a store that answers.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    Fault, SecretStore, StoreError, dotenv::DotenvStore, local::LocalStore,
    saas::openorch::Openorch, vault::Vault,
};
use crate::config::stores::{StoreEntry, StoreKind};

/// What of the user's environment stores and targets may look at. The caller reads it: nothing below `cli` does, but the clouds'
/// own libraries.
pub struct Surroundings<'s> {
    /// Returns a variable that is set and not empty.
    pub variable: &'s dyn Fn(&str) -> Option<OsString>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// Returns the versions of a file that git keeps, newest first; the caller opens repositories, isolated. An error is in words for
    /// people.
    pub history: &'s dyn Fn(&Path) -> Result<Vec<FileVersion>, String>,
}

/// One version of a file in git.
#[derive(Clone, Debug)]
pub struct FileVersion {
    /// The commit that brought it, in hex.
    pub commit: String,
    /// Its committer time, Unix seconds.
    pub time: i64,
    /// The file's bytes (of a SOPS file: ciphertext); empty if they cannot be read or are too many: then older values may be missing.
    pub bytes: Vec<u8>,
}

impl Surroundings<'_> {
    /// Returns the first of these variables that is set, as text.
    #[must_use]
    pub fn text(&self, names: &[&str]) -> Option<String> {
        let mut set = names.iter().filter_map(|name| (self.variable)(name));
        set.next().and_then(|value| value.into_string().ok())
    }
}

/// Opens the store that `[stores.NAME]` describes. No request is sent but for a login.
///
/// # Errors
/// [`Fault::Setup`] for settings that cannot work, [`Fault::Unsupported`] for kinds that this build leaves out, and what a login meets.
pub fn open(
    name: &str,
    entry: &StoreEntry,
    surroundings: &Surroundings<'_>,
) -> Result<Box<dyn SecretStore>, StoreError> {
    match &entry.kind {
        StoreKind::Local(settings) => {
            let store = LocalStore::open(name, settings, &entry.prefixes, surroundings)?;
            Ok(Box::new(store))
        }
        StoreKind::Dotenv(settings) => {
            let store = DotenvStore::open(name, settings, &entry.prefixes)?;
            Ok(Box::new(store))
        }
        StoreKind::Vault(settings) => {
            Ok(Box::new(Vault::open(name, entry, settings, surroundings)?))
        }
        StoreKind::Openorch(settings) => Ok(Box::new(Openorch::open(
            name,
            entry,
            settings,
            surroundings,
        )?)),
        #[cfg(feature = "kubernetes")]
        StoreKind::Kubernetes(settings) => {
            let store = super::kubernetes::Kubernetes::open(name, entry, settings, surroundings)?;
            Ok(Box::new(store))
        }
        #[cfg(not(feature = "kubernetes"))]
        StoreKind::Kubernetes(_) => Err(left_out(name, entry.kind.as_str())),
        #[cfg(unix)]
        StoreKind::Command(settings) => {
            let store = super::command::CommandStore::open(name, settings, surroundings)?;
            Ok(Box::new(store))
        }
        #[cfg(not(unix))]
        StoreKind::Command(_) => Err(left_out(name, entry.kind.as_str())),
        #[cfg(feature = "aws")]
        StoreKind::Aws(settings) => {
            let store = super::aws::SecretsManager::open(name, entry, settings, surroundings)?;
            Ok(Box::new(store))
        }
        #[cfg(feature = "aws")]
        StoreKind::Ssm(settings) => {
            let store = super::aws::ParameterStore::open(name, entry, settings, surroundings)?;
            Ok(Box::new(store))
        }
        #[cfg(not(feature = "aws"))]
        StoreKind::Aws(_) | StoreKind::Ssm(_) => Err(left_out(name, "aws")),
        #[cfg(feature = "gcp")]
        StoreKind::Gcp(settings) => {
            let store = super::gcp::Gcp::open(name, settings, surroundings)?;
            Ok(Box::new(store))
        }
        #[cfg(not(feature = "gcp"))]
        StoreKind::Gcp(_) => Err(left_out(name, entry.kind.as_str())),
        #[cfg(feature = "azure")]
        StoreKind::Azure(settings) => {
            let store = super::azure::Azure::open(name, settings, surroundings)?;
            Ok(Box::new(store))
        }
        #[cfg(not(feature = "azure"))]
        StoreKind::Azure(_) => Err(left_out(name, entry.kind.as_str())),
    }
}

/// Returns the error of a kind that this build leaves out.
#[cfg_attr(
    all(
        unix,
        feature = "aws",
        feature = "azure",
        feature = "gcp",
        feature = "kubernetes"
    ),
    expect(dead_code, reason = "this build leaves nothing out")
)]
fn left_out(name: &str, kind: &str) -> StoreError {
    StoreError::new(
        name,
        Fault::Unsupported,
        format!("this build has no `{kind}` stores"),
        format!("install keysweep with them: cargo install keysweep --features {kind}"),
    )
}

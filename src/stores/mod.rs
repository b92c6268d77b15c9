//! Secrets stores and the systems that secrets open: the only part of the program that talks to the outside.
//!
//! Promises: values of a store are lent to a closure and never returned, so no result can hold one; every buffer that held
//! one is wiped; errors are our own words; only reads are repeated, and writes that carry a token or a precondition; nothing is written
//! by a method that does not say so; addresses and credentials come from the user's side (`config::StoresFile`, flags,
//! the environment as the caller passes it), never from a scanned tree.
//!
//! One file or folder a kind. A new one implements [`SecretStore`], gets a variant in `config::StoreKind` and a line in
//! `open`; docs/stores.md ("Adding a store") walks through it.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
mod azure;
pub mod buffer;
#[cfg(unix)]
mod child;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod cloud;
#[cfg(unix)]
mod command;
mod connection;
pub mod credential;
pub mod dotenv;
mod error;
#[cfg(feature = "gcp")]
mod gcp;
pub mod http;
pub mod json;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod local;
mod open;
#[cfg(unix)]
mod program;
pub mod saas;
pub mod sink;
#[cfg(unix)]
mod socket;
pub mod target;
pub mod vault;
mod wiping;

use std::{collections::BTreeMap, fmt};

use crate::model::{Readers, Secret};

pub use error::{Fault, StoreError};
pub use open::{FileVersion, Surroundings, open};

/// Returns a count with its noun: `1 key`, `2 keys`.
fn counted(count: usize, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{count} {noun}")
}

/// A secrets store. Blocking; called from several threads at once.
pub trait SecretStore: Send + Sync {
    /// Returns the name from the configuration (`[stores.NAME]`).
    fn name(&self) -> &str;

    /// Returns kind and address for people, without credentials.
    fn address(&self) -> String;

    /// Returns what the store can do.
    fn capabilities(&self) -> Capabilities;

    /// Finds out whether the store answers and who we are to it. Reads only.
    ///
    /// # Errors
    /// What stands in the way, with the next step as help.
    fn health(&self) -> Result<Health, StoreError>;

    /// Lists keys, in any order, each once; `after` is the cursor of the page before.
    ///
    /// # Errors
    /// Faults that stop the listing; folders that are denied are [`Page::problems`].
    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError>;

    /// Returns what is known of a key, without its values.
    ///
    /// # Errors
    /// [`Fault::NotFound`], [`Fault::Denied`] and what every request can meet.
    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError>;

    /// Lends each field of one version to `sink`, whole, in the store's order; returns whether there was something to lend.
    ///
    /// # Errors
    /// As [`Self::describe`].
    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError>;

    /// Returns who may read a key, as far as can be told.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] where the store has no notion of it.
    fn readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        let _ = key;
        Err(StoreError::unsupported(self.name(), "tell readers"))
    }

    /// Finds out whether [`Self::stage`] would take a change, as far as the store can say so without changing anything.
    ///
    /// # Errors
    /// Those of [`Self::stage`], but for [`Fault::Unknown`].
    fn rehearse(&self, change: &Change<'_>) -> Result<(), StoreError> {
        let _ = change;
        Ok(())
    }

    /// Writes new values of fields on top of version `change.base`, and only of that: the other fields stay. Where the
    /// store knows a pending state the new version is pending, elsewhere it is current at once ([`Capabilities::pending`]).
    ///
    /// # Errors
    /// [`Fault::Conflict`] if the current version is another than `base` (nothing is written), [`Fault::Unknown`] if no answer came.
    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        let _ = change;
        Err(StoreError::unsupported(self.name(), "write"))
    }

    /// Makes `to` current if `from` still is; no work where [`Self::stage`] was final. Repeating it does no harm.
    ///
    /// # Errors
    /// [`Fault::Conflict`] if something else is current.
    fn promote(&self, key: &KeyPath, from: &VersionId, to: &VersionId) -> Result<(), StoreError> {
        let _ = (key, from, to);
        Ok(())
    }

    /// Takes a pending version back, or restores the values of `base` as a new current version where `stage` was final.
    ///
    /// # Errors
    /// [`Fault::Conflict`] if somebody has written after `staged`; [`Fault::Unsupported`] where the values of `base` are gone: whoever
    /// still holds them stages them on top of `staged`.
    fn unstage(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        let _ = (key, base, staged);
        Err(StoreError::unsupported(self.name(), "take a write back"))
    }

    /// Switches a version off, reversibly.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] where versions cannot be switched off.
    fn disable(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        let _ = (key, version);
        Err(StoreError::unsupported(self.name(), "disable a version"))
    }

    /// Switches a disabled version on again.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] where versions cannot be switched off.
    fn restore(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        let _ = (key, version);
        Err(StoreError::unsupported(self.name(), "restore a version"))
    }

    /// Destroys a version for good; the current one never.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] where versions cannot be destroyed.
    fn destroy(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        let _ = (key, version);
        Err(StoreError::unsupported(self.name(), "destroy a version"))
    }

    /// Starts the store's own rotation of a key.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] for keys without one; [`Fault::Unknown`] if it may have begun: poll, do not repeat.
    fn native_rotate(&self, key: &KeyPath, token: &str) -> Result<NativeRotation, StoreError> {
        let _ = (key, token);
        Err(StoreError::unsupported(self.name(), "rotate by itself"))
    }

    /// Tells how far the store's own rotation is.
    ///
    /// # Errors
    /// What every read can meet.
    fn poll(&self, rotation: &NativeRotation) -> Result<NativeProgress, StoreError> {
        let _ = rotation;
        Err(StoreError::unsupported(self.name(), "rotate by itself"))
    }

    /// Leaves notes at a key (who rotated it and why), never values.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] where keys carry no notes.
    fn annotate(&self, key: &KeyPath, notes: &[(&str, &str)]) -> Result<(), StoreError> {
        let _ = (key, notes);
        Err(StoreError::unsupported(self.name(), "keep notes"))
    }
}

/// What a store can do. All false is a store that lists and reads current values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Keeps older versions.
    pub history: bool,
    /// Takes writes that are refused if somebody was faster.
    pub write: bool,
    /// A staged version is pending until it is promoted.
    pub pending: bool,
    /// Versions can be switched off and on.
    pub disable: bool,
    /// Single versions can be destroyed.
    pub destroy: bool,
    /// Some keys are rotated by the store itself.
    pub native_rotation: bool,
    /// Tells who may read a key.
    pub readers: bool,
    /// Values are never told (GitHub, Docker): only names can match.
    pub write_only: bool,
}

/// What [`SecretStore::health`] found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Who we are to the store, for people.
    pub identity: Option<String>,
    /// The server's product and version.
    pub version: Option<String>,
    /// Seconds until the credential expires.
    pub expires_s: Option<u64>,
    /// Lines that a reader should know: missing rights, odd settings.
    pub notes: Vec<String>,
}

/// A key's full path in its store, `/` between folders, as its users write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(String);

impl KeyPath {
    /// Takes a path.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// Returns the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version's name in its store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(String);

impl VersionId {
    /// Takes a name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The keys; with what is known of each if the listing told it.
    pub keys: Vec<KeyEntry>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
    /// Folders and keys that could not be listed.
    pub problems: Vec<(KeyPath, StoreError)>,
}

/// One key of a listing.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    /// Its path.
    pub key: KeyPath,
    /// What [`SecretStore::describe`] would say, where the listing says it already.
    pub info: Option<KeyInfo>,
}

/// What is known of a key without reading it. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo {
    /// All versions that the store still knows, newest first.
    pub versions: Vec<VersionInfo>,
    /// Whether older versions than these were there once.
    pub trimmed: bool,
    /// When the current value was made.
    pub changed: Option<i64>,
    /// When the store itself will rotate it next.
    pub next_rotation: Option<i64>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The environment, where a label or setting of the key says it.
    pub environment: Option<String>,
    /// Whether the store never tells its values.
    pub hidden: bool,
    /// Whether [`SecretStore::native_rotate`] works for it.
    pub native_rotation: bool,
}

impl KeyInfo {
    /// Returns the current version.
    #[must_use]
    pub fn current(&self) -> Option<&VersionInfo> {
        let mut versions = self.versions.iter();
        versions.find(|version| version.state == VersionState::Current)
    }
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its name.
    pub id: VersionId,
    /// Its state.
    pub state: VersionState,
    /// When it was made, Unix seconds.
    pub created: Option<i64>,
}

/// The state of a version. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionState {
    /// What readers get.
    Current,
    /// Waits to be promoted.
    Pending,
    /// Was current before.
    Previous,
    /// Switched off.
    Disabled,
    /// Deleted, can be restored; most stores tell no values of it.
    SoftDeleted,
    /// Gone for good.
    Destroyed,
}

/// One field of a version, lent for the time of a call.
#[derive(Clone, Copy)]
pub struct Field<'f> {
    /// Its name; empty if the secret is one whole value.
    pub name: &'f str,
    /// Its bytes.
    pub bytes: &'f [u8],
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({:?}, {} bytes)", self.name, self.bytes.len())
    }
}

/// Whether a version had values to lend. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// Its fields were lent.
    Read,
    /// It is deleted or destroyed: the store keeps no value that it would tell.
    Gone,
    /// The store hides it.
    Hidden,
}

/// What [`SecretStore::stage`] writes.
#[derive(Debug)]
pub struct Change<'c> {
    /// The key.
    pub key: &'c KeyPath,
    /// The version that must still be current. An empty name: the key has no version yet; stores that cannot make keys refuse it.
    pub base: &'c VersionId,
    /// New values by field name; the empty name is the whole value.
    pub fields: &'c BTreeMap<String, Secret>,
    /// A name for this write that is the same when it is tried again: 32 to 64 letters, digits and hyphens.
    pub token: &'c str,
}

/// A rotation that a store does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeRotation {
    /// The key.
    pub key: KeyPath,
    /// What [`SecretStore::poll`] needs to recognise its end: the version or time before.
    pub mark: String,
}

/// How far a store's own rotation is. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NativeProgress {
    /// Not done yet.
    Running,
    /// Done; this version is current.
    Done(VersionId),
    /// It will not end by itself.
    Stuck(String),
}

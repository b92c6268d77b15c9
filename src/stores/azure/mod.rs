//! Azure Key Vault: secrets.
//!
//! A key's path is the secret's name. A secret is one whole text of up to 25 KB; one that is a JSON object is lent by its members.
//!
//! What is current: the newest enabled version by its time of creation. Times are whole seconds; if two are of the same one, the vault is asked
//! which it gives to readers who name none.
//!
//! Sources: the REST reference of Key Vault and the published client, azure_security_keyvault_secrets. The tests run against a fake written from
//! them, tests/it/azure_fake.rs; nobody has run this against Azure yet (`keysweep store doctor` does).

mod credentials;
mod transport;
mod trouble;
mod wire;
mod write;

use std::sync::{Mutex, PoisonError};

use self::wire::{Told, Wire};
use super::{
    Capabilities, Change, Cursor, Fault, Field, Health, KeyEntry, KeyInfo, KeyPath, Page,
    ReadOutcome, SecretStore, StoreError, Surroundings, VersionId, VersionInfo, VersionState,
    cloud,
};
use crate::config::stores::AzureSettings;

/// What stands for the versions of a deleted secret, which the vault does not tell.
const DELETED: &str = "deleted";

/// The secrets of one vault.
pub(super) struct Azure {
    wire: Wire,
    /// Deleted secrets as the listing told them.
    deleted: Mutex<Vec<Told>>,
}

impl Azure {
    /// Opens a store. No request is sent.
    ///
    /// # Errors
    /// [`Fault::Setup`] for settings and credentials that cannot work.
    pub(super) fn open(
        name: &str,
        settings: &AzureSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            wire: Wire::open(name, settings, surroundings)?,
            deleted: Mutex::new(Vec::new()),
        })
    }
}

/// Returns which version readers get.
fn current(wire: &Wire, key: &str, versions: &[Told]) -> Result<Option<String>, StoreError> {
    let mut enabled = versions.iter().filter(|version| version.enabled);
    let Some(first) = enabled.next() else {
        return Ok(None);
    };
    let tie = enabled
        .next()
        .is_some_and(|second| second.created == first.created);
    if tie {
        // The value that comes along is wiped unseen.
        let told = wire.value(key, None)?.map(|(version, _)| version);
        let known = told.filter(|told| versions.iter().any(|one| one.version == *told));
        return Ok(known.or_else(|| Some(first.version.clone())));
    }
    Ok(Some(first.version.clone()))
}

/// Puts versions into our words, the current one before others of its second.
fn information(mut versions: Vec<Told>, current: Option<&str>) -> KeyInfo {
    versions.sort_by(|a, b| {
        let rank = |one: &Told| (one.created, Some(one.version.as_str()) == current);
        rank(b).cmp(&rank(a))
    });
    let newest = versions
        .iter()
        .find(|one| Some(one.version.as_str()) == current)
        .or(versions.first());
    let tag = |name: &str| newest.and_then(|one| one.tags.get(name).cloned());
    let (owner, environment) = (tag("owner"), tag("environment"));
    let told = versions.iter().map(|one| VersionInfo {
        id: VersionId::new(one.version.as_str()),
        state: match one.enabled {
            true if Some(one.version.as_str()) == current => VersionState::Current,
            true => VersionState::Previous,
            false => VersionState::Disabled,
        },
        created: one.created,
    });
    let mut info = KeyInfo {
        versions: told.collect(),
        owner,
        environment,
        ..KeyInfo::default()
    };
    info.changed = info.current().and_then(|current| current.created);
    info
}

/// Returns what is known of a deleted secret.
fn buried(told: &Told) -> KeyInfo {
    KeyInfo {
        versions: vec![VersionInfo {
            id: VersionId::new(DELETED),
            state: VersionState::SoftDeleted,
            created: told.created,
        }],
        owner: told.tags.get("owner").cloned(),
        environment: told.tags.get("environment").cloned(),
        ..KeyInfo::default()
    }
}

impl SecretStore for Azure {
    fn name(&self) -> &str {
        &self.wire.name
    }

    fn address(&self) -> String {
        format!("azure {}", self.wire.vault)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            history: true,
            write: true,
            pending: false,
            disable: true,
            destroy: false,
            native_rotation: false,
            readers: false,
            write_only: false,
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        let mut notes = Vec::new();
        let secrets = self.wire.secrets()?;
        let first = secrets.iter().find(|one| one.enabled);
        match first {
            None => notes.push("the vault has no enabled secret, or none may be seen".to_owned()),
            Some(first) => match self.wire.value(&first.name, None) {
                Ok(_) => {}
                Err(error) if error.fault == Fault::Denied => {
                    notes.push("values may not be read: grant Key Vault Secrets User".to_owned())
                }
                Err(error) => return Err(error),
            },
        }
        match self.wire.deleted() {
            Ok(_) => {}
            Err(error) if error.fault == Fault::Denied => {
                notes
                    .push("deleted secrets may not be listed, so they are not reported".to_owned());
            }
            Err(error) => return Err(error),
        }
        Ok(Health {
            identity: None,
            version: Some("Azure Key Vault, API 2025-07-01".to_owned()),
            expires_s: None,
            notes,
        })
    }

    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        // The vault's own pages have 25 entries and are read all at once: the listing holds names, no values.
        let _ = after;
        let entry = |told: &Told, info| KeyEntry {
            key: KeyPath::new(told.name.as_str()),
            info,
        };
        let secrets = self.wire.secrets()?;
        let mut page = Page {
            keys: secrets.iter().map(|told| entry(told, None)).collect(),
            ..Page::default()
        };
        match self.wire.deleted() {
            Ok(deleted) => {
                let buried = deleted.iter().map(|told| entry(told, Some(buried(told))));
                page.keys.extend(buried);
                *self.deleted.lock().unwrap_or_else(PoisonError::into_inner) = deleted;
            }
            // A right of its own, which a reader need not have; `doctor` says so.
            Err(error) if error.fault == Fault::Denied => {}
            Err(error) if error.fault.stops() => return Err(error),
            Err(error) => page
                .problems
                .push((KeyPath::new("(deleted secrets)"), error)),
        }
        Ok(page)
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        let key = key.as_str();
        let known = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = known.iter().find(|told| told.name == key) {
            return Ok(buried(told));
        }
        drop(known);
        match self.wire.versions(key) {
            Ok(versions) => {
                let current = current(&self.wire, key, &versions)?;
                Ok(information(versions, current.as_deref()))
            }
            Err(error) if error.fault == Fault::NotFound => {
                let told = self.wire.deleted_one(key).map_err(|_| error)?;
                Ok(buried(&told))
            }
            Err(error) => Err(error),
        }
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        if version.as_str() == DELETED {
            return Ok(ReadOutcome::Gone);
        }
        let value = self.wire.value(key.as_str(), Some(version.as_str()))?;
        let Some((_, value)) = value else {
            return Ok(ReadOutcome::Gone);
        };
        cloud::lend(&value, sink);
        Ok(ReadOutcome::Read)
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        write::stage(&self.wire, change).map(VersionId::new)
    }

    fn unstage(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        write::unstage(&self.wire, key.as_str(), base.as_str(), staged.as_str())
    }

    fn disable(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.wire.switch(key.as_str(), version.as_str(), false)
    }

    fn restore(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.wire.switch(key.as_str(), version.as_str(), true)
    }
}

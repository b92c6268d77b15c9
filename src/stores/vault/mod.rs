//! HashiCorp Vault and OpenBao: KV versions 1 and 2, and static roles of the database engine.
//!
//! A key's path is the one that people write: `secret/prod/app`, without the `data/` of the API; a static role is
//! `database/static-creds/ROLE`, the root credential of a connection `database/config/NAME`.
//!
//! Sources: the API documentation of both ("KV secrets engine version 2 (API)", "Databases (API)", "Token auth method (API)",
//! "AppRole auth method (API)", "JWT/OIDC auth method (API)"), and what OpenBao 2.7 was seen to do; tests/it/stores_vault.rs runs against it.

mod audit;
mod client;
mod database;
mod health;
mod jwt;
mod keys;
mod list;
mod mounts;
mod policy;
mod readers;
mod session;
mod wire;
mod write;

use std::sync::{Arc, Mutex, PoisonError};

pub use self::{
    audit::{LogSpan, Trace},
    policy::policy,
};
use self::{
    client::Client,
    keys::KvKey,
    mounts::{Mount, Mounts},
    readers::Policies,
    session::Session,
    wire::Wire,
};
use super::{
    Capabilities, Change, Cursor, Fault, Field, Health, KeyInfo, KeyPath, NativeProgress,
    NativeRotation, Page, ReadOutcome, SecretStore, StoreError, Surroundings, VersionId,
    http::Http,
};
use crate::{
    config::stores::{StoreEntry, VaultSettings},
    model::Readers,
};

/// A Vault or OpenBao server, in one namespace.
pub struct Vault {
    client: Client,
    settings: VaultSettings,
    prefixes: Vec<String>,
    mounts: Mutex<Option<Arc<Mounts>>>,
    policies: Mutex<Option<Arc<Policies>>>,
}

/// Where a key is. Matched without `_`.
enum Place<'k> {
    /// In a KV mount.
    Kv(Mount, &'k str),
    /// A static role of the database engine.
    StaticRole(&'k str),
    /// A connection of the database engine.
    Connection(&'k str),
}

impl Vault {
    /// Opens a store; sends a request only to log in.
    ///
    /// # Errors
    /// [`Fault::Setup`] for settings that cannot work, [`Fault::Unauthenticated`] and what every request can meet for a login.
    pub fn open(
        name: &str,
        entry: &StoreEntry,
        settings: &VaultSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let address = settings
            .address
            .clone()
            .or_else(|| surroundings.text(&["BAO_ADDR", "VAULT_ADDR"]))
            .ok_or_else(|| {
                StoreError::new(
                    name,
                    Fault::Setup,
                    "there is no address",
                    "set `address` for the store, or BAO_ADDR or VAULT_ADDR",
                )
            })?;
        super::connection::check_address(name, &address)?;
        let ca_file = session::ca_file(settings.ca_file.as_deref(), surroundings);
        let namespace = settings
            .namespace
            .clone()
            .or_else(|| surroundings.text(&["BAO_NAMESPACE", "VAULT_NAMESPACE"]));
        let wire = Wire {
            name: name.to_owned(),
            http: Http::new(name, ca_file.as_deref(), surroundings)?,
            address: address.trim_end_matches('/').to_owned(),
            namespace,
        };
        let session = Session::open(&wire, &settings.auth, surroundings)?;
        Ok(Self {
            client: Client::new(wire, session),
            settings: settings.clone(),
            prefixes: entry.prefixes.clone(),
            mounts: Mutex::new(None),
            policies: Mutex::new(None),
        })
    }

    /// Returns the mounts; asks for them the first time.
    fn mounts(&self) -> Result<Arc<Mounts>, StoreError> {
        let mut known = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mounts) = &*known {
            return Ok(Arc::clone(mounts));
        }
        let mounts = Arc::new(Mounts::discover(&self.client, &self.settings.mounts)?);
        *known = Some(Arc::clone(&mounts));
        Ok(mounts)
    }

    /// Returns the policies; asks for them the first time.
    fn policies(&self) -> Result<Arc<Policies>, StoreError> {
        let mut known = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policies) = &*known {
            return Ok(Arc::clone(policies));
        }
        let policies = Arc::new(Policies::fetch(&self.client)?);
        *known = Some(Arc::clone(&policies));
        Ok(policies)
    }

    /// Does something with a key of a KV mount.
    fn with_kv<R>(
        &self,
        key: &KeyPath,
        what: &str,
        run: impl FnOnce(&KvKey<'_>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        match self.place(key)? {
            Place::Kv(mount, inside) => run(&KvKey {
                mount: &mount,
                inside,
                key,
            }),
            Place::StaticRole(_) | Place::Connection(_) => Err(StoreError::unsupported(
                self.name(),
                &format!("{what} of the database engine"),
            )),
        }
    }

    fn database(&self) -> Option<&str> {
        let mount = self.settings.database.as_deref()?;
        Some(mount.trim_matches('/'))
    }

    fn place<'k>(&self, key: &'k KeyPath) -> Result<Place<'k>, StoreError> {
        let path = key.as_str();
        let engine = self
            .database()
            .and_then(|mount| path.strip_prefix(mount)?.strip_prefix('/'));
        if let Some(inside) = engine {
            if let Some(role) = inside.strip_prefix("static-creds/") {
                return Ok(Place::StaticRole(role));
            }
            if let Some(name) = inside.strip_prefix("config/") {
                return Ok(Place::Connection(name));
            }
        }
        let mounts = self.mounts()?;
        match mounts.find(path) {
            Some((mount, inside)) if !inside.is_empty() => Ok(Place::Kv(mount.clone(), inside)),
            // A mount that could not be looked at says nothing of its keys.
            _ => Err(mounts.problem_of(path).cloned().unwrap_or_else(|| {
                self.client.wire.error(
                    Fault::NotFound,
                    format!("{path}: no KV mount that the token may see holds this path"),
                    "write the path with its mount, without `data/`; for static roles set `database`",
                )
            })),
        }
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.client.session.close(&self.client.wire);
    }
}

impl SecretStore for Vault {
    fn name(&self) -> &str {
        &self.client.wire.name
    }

    fn address(&self) -> String {
        let wire = &self.client.wire;
        match &wire.namespace {
            Some(namespace) => format!("vault {} (namespace {namespace})", wire.address),
            None => format!("vault {}", wire.address),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            history: true,
            write: true,
            pending: false,
            disable: true,
            destroy: true,
            native_rotation: self.settings.database.is_some(),
            readers: true,
            write_only: false,
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        health::check(&self.client, || self.mounts(), &self.prefixes)
    }

    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let mounts = self.mounts()?;
        let (roots, lost) = list::roots(&mounts, &self.prefixes);
        let position = list::position(&self.client, after)?;
        let mut page = match roots.get(position) {
            Some(root) => list::walk(&self.client, root, &self.prefixes)?,
            None => self.database().map_or_else(
                || Ok(Page::default()),
                |mount| database::list(&self.client, mount, &self.prefixes),
            )?,
        };
        if position == 0 {
            let problems = mounts.problems.iter();
            // Whoever named a database engine alone may well have no KV mount.
            let is_told = |(key, _): &&(KeyPath, StoreError)| {
                self.database().is_none() || key.as_str() != mounts::NONE_SEEN
            };
            page.problems.extend(problems.filter(is_told).cloned());
            for prefix in lost {
                let inside = self.database().is_some_and(|mount| {
                    prefix.starts_with(mount) || mount.starts_with(prefix.trim_end_matches('/'))
                });
                if !inside {
                    page.problems.push((
                        KeyPath::new(prefix),
                        list::leads_nowhere(&self.client, prefix),
                    ));
                }
            }
        }
        let last = roots.len() + usize::from(self.database().is_some());
        page.next = (position + 1 < last).then(|| Cursor((position + 1).to_string()));
        Ok(page)
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        match self.place(key)? {
            Place::Kv(mount, inside) => {
                let place = KvKey {
                    mount: &mount,
                    inside,
                    key,
                };
                if mount.versioned {
                    return keys::describe(&self.client, &place);
                }
                // Version 1 tells of a key with its values only; they are wiped unseen.
                keys::fetch(&self.client, &place, &VersionId::new(list::CURRENT))?;
                Ok(list::unversioned())
            }
            Place::StaticRole(role) => database::describe(&self.client, self.database(), role),
            Place::Connection(name) => database::connection(&self.client, self.database(), name),
        }
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        match self.place(key)? {
            Place::Kv(mount, inside) => {
                let place = KvKey {
                    mount: &mount,
                    inside,
                    key,
                };
                keys::read(&self.client, &place, version, sink)
            }
            Place::StaticRole(role) => {
                database::read(&self.client, self.database(), role, version, sink)
            }
            Place::Connection(_) => Ok(ReadOutcome::Hidden),
        }
    }

    fn readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        let path = match self.place(key)? {
            Place::Kv(mount, inside) => {
                let data = if mount.versioned { "data/" } else { "" };
                format!("{}{data}{inside}", mount.path)
            }
            // Their paths are those of the API.
            Place::StaticRole(_) | Place::Connection(_) => key.to_string(),
        };
        self.policies()?.readers(&self.client, &path)
    }

    fn rehearse(&self, change: &Change<'_>) -> Result<(), StoreError> {
        self.with_kv(change.key, "write a key", |place| {
            write::may_stage(&self.client, place)
        })
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        self.with_kv(change.key, "write a key", |place| {
            write::stage(&self.client, place, change.base, change.fields)
        })
    }

    fn unstage(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        self.with_kv(key, "take back a key", |place| {
            write::unstage(&self.client, place, base, staged)
        })
    }

    fn disable(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.with_kv(key, "disable a key", |place| {
            write::mark(&self.client, place, "delete", version)
        })
    }

    fn restore(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.with_kv(key, "restore a key", |place| {
            write::mark(&self.client, place, "undelete", version)
        })
    }

    fn destroy(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.with_kv(key, "destroy a key", |place| {
            write::mark(&self.client, place, "destroy", version)
        })
    }

    fn annotate(&self, key: &KeyPath, notes: &[(&str, &str)]) -> Result<(), StoreError> {
        self.with_kv(key, "note something at a key", |place| {
            write::annotate(&self.client, place, notes)
        })
    }

    fn native_rotate(&self, key: &KeyPath, token: &str) -> Result<NativeRotation, StoreError> {
        // The engine has no name for a request: repeating one would rotate twice, so it is sent once.
        let _ = token;
        match self.place(key)? {
            Place::StaticRole(role) => {
                database::rotate_role(&self.client, self.database(), key, role)
            }
            Place::Connection(name) => {
                database::rotate_root(&self.client, self.database(), key, name)
            }
            Place::Kv(..) => Err(StoreError::unsupported(
                self.name(),
                "rotate a key of a KV mount by itself",
            )),
        }
    }

    fn poll(&self, rotation: &NativeRotation) -> Result<NativeProgress, StoreError> {
        match self.place(&rotation.key)? {
            Place::StaticRole(role) => {
                database::poll_role(&self.client, self.database(), role, &rotation.mark)
            }
            Place::Connection(name) => Ok(database::poll_root(name, &rotation.mark)),
            Place::Kv(..) => Err(StoreError::unsupported(
                self.name(),
                "rotate a key of a KV mount by itself",
            )),
        }
    }
}

//! Google Secret Manager.
//!
//! A key's path is the secret's name in its project. A secret is one whole value of up to 64 KiB; one that is a JSON object is lent by its members.
//!
//! What is current: "`latest` is an alias to the most recently created version" ("Method: projects.secrets.versions.access"), whatever its
//! state. So the highest number is current if it is enabled, and if it is not, readers of `latest` get nothing and no version is current; older
//! enabled versions are still told to whoever names them. This is why a write that lost a race is never just switched off: the values of the
//! version before come back first, as a newer one (see `write`).
//!
//! Sources: the REST reference of Secret Manager v1 and the published client, google-cloud-secretmanager-v1. The tests run against a fake written
//! from them, tests/it/gcp_fake.rs; nobody has run this against Google yet (`keysweep store doctor` does).

mod credentials;
mod told;
mod trouble;
mod wire;
mod write;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use self::{
    told::{About, State, Version},
    wire::Wire,
};
use super::{
    Capabilities, Change, Cursor, Fault, Field, Health, KeyEntry, KeyInfo, KeyPath, Page,
    ReadOutcome, SecretStore, StoreError, Surroundings, VersionId, VersionInfo, VersionState,
    cloud,
};
use crate::{config::stores::GcpSettings, model::Readers};

/// Most readers that are named.
const SAMPLE: usize = 10;

/// The roles that may read values, beside the project's own ones ("Access control with IAM", Secret Manager).
const READING: [&str; 3] = [
    "roles/secretmanager.secretAccessor",
    "roles/secretmanager.admin",
    "roles/owner",
];

/// The secrets of one project, global ones or those of one location.
pub(super) struct Gcp {
    wire: Wire,
    /// What the listing told of each key: asking again for each would take as many of the 600 reads a minute as its versions do.
    about: Mutex<BTreeMap<String, About>>,
}

impl Gcp {
    /// Opens a store. No request is sent.
    ///
    /// # Errors
    /// [`Fault::Setup`] for settings and credentials that cannot work.
    pub(super) fn open(
        name: &str,
        settings: &GcpSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            wire: Wire::open(name, settings, surroundings)?,
            about: Mutex::new(BTreeMap::new()),
        })
    }

    fn about(&self, key: &str) -> Result<About, StoreError> {
        let known = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(about) = known.get(key) {
            return Ok(about.clone());
        }
        drop(known);
        self.wire.secret(key)
    }

    /// Returns a version's number.
    fn number(&self, key: &KeyPath, version: &VersionId) -> Result<u64, StoreError> {
        let number = version.as_str().parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| {
            StoreError::new(
                &self.wire.name,
                Fault::NotFound,
                format!("{key}: versions of this store are numbers from 1"),
                "`keysweep store list` shows the versions there are",
            )
        })
    }
}

/// Puts versions into our words, newest first.
fn information(about: About, versions: &[Version]) -> KeyInfo {
    let newest = versions.first().map(|version| version.number);
    let told: Vec<VersionInfo> = versions
        .iter()
        .map(|version| VersionInfo {
            id: VersionId::new(version.number.to_string()),
            state: match version.state {
                State::Enabled if Some(version.number) == newest => VersionState::Current,
                State::Enabled => VersionState::Previous,
                State::Disabled => VersionState::Disabled,
                State::Destroyed => VersionState::Destroyed,
            },
            created: version.created,
        })
        .collect();
    let mut info = KeyInfo {
        versions: told,
        next_rotation: about.next_rotation,
        owner: about.owner,
        environment: about.environment,
        ..KeyInfo::default()
    };
    info.changed = info.current().and_then(|current| current.created);
    info
}

impl SecretStore for Gcp {
    fn name(&self) -> &str {
        &self.wire.name
    }

    fn address(&self) -> String {
        format!("gcp {}", self.wire.parent)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            history: true,
            write: true,
            pending: false,
            disable: true,
            destroy: true,
            native_rotation: false,
            readers: true,
            write_only: false,
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        let mut notes = Vec::new();
        let (keys, _) = self.wire.secrets("", 1)?;
        match keys.first() {
            None => notes.push("the project has no secret here, or none may be seen".to_owned()),
            Some((key, _)) => {
                let wanted = [
                    "secretmanager.versions.access",
                    "secretmanager.versions.list",
                ];
                let own = self.wire.permissions(key, &wanted)?;
                let missing = wanted
                    .iter()
                    .filter(|wanted| !own.iter().any(|own| own == *wanted));
                notes.extend(missing.map(|missing| {
                    format!("{missing} is not granted for {key}: grant roles/secretmanager.secretAccessor and roles/secretmanager.viewer")
                }));
            }
        }
        Ok(Health {
            identity: None,
            version: Some("Google Secret Manager, API v1".to_owned()),
            expires_s: None,
            notes,
        })
    }

    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let token = after.map_or("", |cursor| cursor.0.as_str());
        let (keys, next) = self.wire.secrets(token, wire::PAGE)?;
        if next.as_deref().is_some_and(|next| next == token) {
            return Err(self.wire.garbled("list secrets: a page leads to itself"));
        }
        let mut known = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = keys
            .into_iter()
            .map(|(key, about)| {
                known.insert(key.clone(), about);
                KeyEntry {
                    key: KeyPath::new(key),
                    info: None,
                }
            })
            .collect();
        Ok(Page {
            keys,
            next: next.map(Cursor),
            problems: Vec::new(),
        })
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        let about = self.about(key.as_str())?;
        let versions = self.wire.versions(key.as_str())?;
        Ok(information(about, &versions))
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        let number = self.number(key, version)?;
        let Some(value) = self.wire.access(key.as_str(), number)? else {
            return Ok(ReadOutcome::Gone);
        };
        cloud::lend(&value, sink);
        Ok(ReadOutcome::Read)
    }

    fn readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        let bindings = self.wire.policy(key.as_str())?;
        let mut names: Vec<String> = bindings
            .into_iter()
            // What a project's own role grants cannot be told from here: it counts as one that reads.
            .filter(|(role, _)| READING.contains(&role.as_str()) || !role.starts_with("roles/"))
            .flat_map(|(_, members)| members)
            .collect();
        names.sort();
        names.dedup();
        Ok(Readers {
            known: names.len() as u64,
            sample: names.into_iter().take(SAMPLE).collect(),
            // Bindings of the project, its folders and the organisation are not in a secret's policy.
            complete: false,
        })
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        let base = self.number(change.key, change.base)?;
        let number = write::stage(&self.wire, change, base)?;
        Ok(VersionId::new(number.to_string()))
    }

    fn unstage(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        let (base, staged) = (self.number(key, base)?, self.number(key, staged)?);
        write::unstage(&self.wire, key.as_str(), base, staged)
    }

    fn disable(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        let number = self.number(key, version)?;
        write::mark(&self.wire, key.as_str(), number, State::Disabled)
    }

    fn restore(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        let number = self.number(key, version)?;
        write::mark(&self.wire, key.as_str(), number, State::Enabled)
    }

    fn destroy(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        let number = self.number(key, version)?;
        write::mark(&self.wire, key.as_str(), number, State::Destroyed)
    }

    fn annotate(&self, key: &KeyPath, notes: &[(&str, &str)]) -> Result<(), StoreError> {
        self.wire.annotate(key.as_str(), notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_current_while_the_newest_version_is_switched_off() {
        let version = |number, state| Version {
            number,
            state,
            created: Some(1_700_000_000),
            etag: String::new(),
        };
        let mut versions = vec![
            version(3, State::Enabled),
            version(2, State::Enabled),
            version(1, State::Destroyed),
        ];
        let info = information(About::default(), &versions);
        assert_eq!(info.current().map(|v| v.id.as_str()), Some("3"));
        assert_eq!(info.changed, Some(1_700_000_000));
        versions.first_mut().unwrap().state = State::Disabled;
        let info = information(About::default(), &versions);
        assert_eq!(info.current(), None);
        assert_eq!(info.changed, None);
        let states: Vec<_> = info.versions.iter().map(|v| v.state).collect();
        let expected = [
            VersionState::Disabled,
            VersionState::Previous,
            VersionState::Destroyed,
        ];
        assert_eq!(states, expected);
    }
}

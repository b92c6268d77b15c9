//! A store in memory, for tests: keys with versions, pages of two, faults on demand.

use std::collections::BTreeMap;

use crate::{
    model::Readers,
    stores::{
        Capabilities, Cursor, Fault, Field, Health, KeyEntry, KeyInfo, KeyPath, Page, ReadOutcome,
        SecretStore, StoreError, VersionId, VersionInfo, VersionState,
    },
};

/// One version: its state and fields.
pub(super) type Version = (VersionState, Vec<(&'static str, String)>);

#[derive(Default)]
pub(super) struct Memory {
    pub(super) keys: BTreeMap<&'static str, Vec<Version>>,
    pub(super) trimmed: Vec<&'static str>,
    pub(super) faults: BTreeMap<&'static str, Fault>,
    /// Keys that the store says it hides.
    pub(super) hidden: Vec<&'static str>,
    /// What reading a key gives instead of its fields.
    pub(super) reads: BTreeMap<&'static str, ReadOutcome>,
    /// Keys whose only version has no name, as in stores without versions.
    pub(super) unversioned: Vec<&'static str>,
}

impl Memory {
    pub(super) fn with(mut self, key: &'static str, versions: Vec<Version>) -> Self {
        self.keys.insert(key, versions);
        self
    }
}

pub(super) fn version(state: VersionState, value: &str) -> Version {
    (state, vec![("password", value.to_owned())])
}

impl SecretStore for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn address(&self) -> String {
        "memory:".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            history: true,
            readers: true,
            ..Capabilities::default()
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        Ok(Health::default())
    }

    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let start: usize = after.map_or(0, |cursor| cursor.0.parse().unwrap());
        let keys: Vec<KeyEntry> = self
            .keys
            .keys()
            .skip(start)
            .take(2)
            .map(|key| KeyEntry {
                key: KeyPath::new(*key),
                info: None,
            })
            .collect();
        let next = start + keys.len();
        Ok(Page {
            next: (next < self.keys.len()).then(|| Cursor(next.to_string())),
            keys,
            problems: Vec::new(),
        })
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        if let Some(fault) = self.faults.get(key.as_str()) {
            let error = StoreError::new("memory", fault.clone(), fault.to_string(), "do this");
            return Err(error);
        }
        let versions = self.keys.get(key.as_str()).unwrap();
        Ok(KeyInfo {
            versions: versions
                .iter()
                .enumerate()
                .map(|(n, (state, _))| VersionInfo {
                    id: if self.unversioned.contains(&key.as_str()) {
                        VersionId::new("")
                    } else {
                        VersionId::new((versions.len() - n).to_string())
                    },
                    state: *state,
                    created: None,
                })
                .collect(),
            hidden: self.hidden.contains(&key.as_str()),
            trimmed: self.trimmed.contains(&key.as_str()),
            changed: Some(0),
            owner: Some("team-db".to_owned()),
            ..KeyInfo::default()
        })
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        let versions = self.keys.get(key.as_str()).unwrap();
        if let Some(outcome) = self.reads.get(key.as_str()) {
            return Ok(*outcome);
        }
        let number: usize = version.as_str().parse().unwrap_or(versions.len());
        let (state, fields) = &versions[versions.len() - number];
        if matches!(state, VersionState::SoftDeleted | VersionState::Destroyed) {
            return Ok(ReadOutcome::Gone);
        }
        for (name, value) in fields {
            sink(Field {
                name,
                bytes: value.as_bytes(),
            });
        }
        Ok(ReadOutcome::Read)
    }

    fn readers(&self, _: &KeyPath) -> Result<Readers, StoreError> {
        Ok(Readers {
            known: 1,
            sample: vec!["app".to_owned()],
            complete: false,
        })
    }
}

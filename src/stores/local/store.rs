//! The local store as every other part of the program sees it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{
    LocalStore,
    edit::{self, New},
    file, metadata,
    past::{self, Past},
    restore,
};
use crate::{
    model::Readers,
    stores::{
        Capabilities, Change, Cursor, Field, Health, KeyEntry, KeyInfo, KeyPath, Page, ReadOutcome,
        SecretStore, StoreError, VersionId, counted,
    },
};

impl SecretStore for LocalStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> String {
        format!("SOPS file {}", self.file.display())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            history: true,
            write: true,
            readers: true,
            ..Capabilities::default()
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        let (_, file) = self.current()?;
        let ours = self.identities.recipients();
        let own = file
            .metadata
            .age
            .iter()
            .find(|one| ours.contains(&one.name));
        let pinned = if self.pinned.is_empty() {
            "`recipients` in its [stores.NAME] pins none: whoever changes the file names its readers"
        } else {
            "pinned"
        };
        let mut notes = vec![counted(file.keys.len(), "key", "keys")];
        for one in &file.metadata.age {
            notes.push(format!("age recipient {}", one.name));
        }
        match self.may_write(&file) {
            Ok(()) => notes.push(format!("recipients: {pinned}")),
            Err(error) => notes.push(format!("not writable: {error}; {}", error.help)),
        }
        for (kind, count) in &file.metadata.others {
            let more = counted(*count, "more key", "more keys");
            let verb = if *count == 1 { "opens" } else { "open" };
            notes.push(format!("{more} of kind {kind} {verb} it"));
        }
        if let Some(fault) = &self.history_fault {
            notes.push(format!("no older versions: {fault}"));
        }
        match self.git().shut {
            0 => {}
            1 => notes.push(
                "1 older version in git does not open with this identity: its values are not compared"
                    .to_owned(),
            ),
            shut => notes.push(format!(
                "{shut} older versions in git do not open with this identity: their values are not compared"
            )),
        }
        if let Some(path) = self.identities.file.as_deref()
            && is_open_to_others(path)
        {
            notes.push(format!(
                "others can read the identity {}: chmod 600 it",
                path.display()
            ));
        }
        Ok(Health {
            identity: own
                .map(|one| one.name.clone())
                .or_else(|| ours.first().cloned()),
            version: file
                .metadata
                .version
                .as_ref()
                .map(|version| format!("sops {version}")),
            expires_s: None,
            notes,
        })
    }

    fn list(&self, _after: Option<&Cursor>) -> Result<Page, StoreError> {
        let (_, file) = self.current()?;
        let aside = self.aside();
        let pasts = aside.versions.iter().chain(&self.git().versions);
        let keys: BTreeSet<&KeyPath> = pasts
            .flat_map(|past| past.keys.keys())
            .chain(file.keys.keys())
            .filter(|key| {
                self.prefixes.is_empty()
                    || self
                        .prefixes
                        .iter()
                        .any(|prefix| key.as_str().starts_with(prefix.as_str()))
            })
            .collect();
        Ok(Page {
            keys: keys
                .into_iter()
                .map(|key| KeyEntry {
                    key: key.clone(),
                    info: self.info(&file, &aside, key),
                })
                .collect(),
            next: None,
            problems: Vec::new(),
        })
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        let (_, file) = self.current()?;
        self.info(&file, &self.aside(), key)
            .ok_or_else(|| self.no_such_key(key))
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        let (_, file) = self.current()?;
        if let Some(found) = file.keys.get(key).filter(|found| found.id() == *version) {
            return self.lend(&file.key, found, sink);
        }
        for past in self.git().versions.iter().chain(&self.aside().versions) {
            if let Some(found) = past.keys.get(key).filter(|found| found.id() == *version) {
                return self.lend(&past.key, found, sink);
            }
        }
        Err(self.no_such_key(key))
    }

    fn readers(&self, _key: &KeyPath) -> Result<Readers, StoreError> {
        let (_, file) = self.current()?;
        let others: usize = file.metadata.others.iter().map(|(_, count)| count).sum();
        let names: BTreeSet<&str> = file
            .metadata
            .age
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        Ok(Readers {
            known: (names.len() + others) as u64,
            sample: names.into_iter().take(10).map(str::to_owned).collect(),
            // Who may use a key of a cloud or of a key ring cannot be seen here.
            complete: others == 0,
        })
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        self.write(change.key, change.base, |file| {
            let fields: BTreeMap<String, New<'_>> = change
                .fields
                .iter()
                .map(|(field, secret)| (field.clone(), New::Value(secret)))
                .collect();
            edit::set(file, change.key, &fields, &self.run)
        })
    }

    fn unstage(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        let (_, file) = self.current()?;
        // Done before, or never staged: what should be current is.
        if file.keys.get(key).is_some_and(|now| now.id() == *base) {
            return Ok(());
        }
        let has = |past: &&Past| past.keys.get(key).is_some_and(|then| then.id() == *base);
        // By its name first: the others may be too many to be read.
        let named = past::by_name(&self.file, base, &self.identities, &self.run);
        let named = named.as_ref().filter(has);
        let aside = named.is_none().then(|| self.aside());
        let others = aside.iter().flat_map(|aside| &aside.versions);
        let mut pasts = named.into_iter().chain(others).chain(&self.git().versions);
        let past = pasts.find(has);
        let past = past.ok_or_else(|| self.no_such_key(key))?;
        self.write(key, staged, |file| {
            restore::bring_back(file, past, key, &self.run)
        })?;
        Ok(())
    }

    fn annotate(&self, key: &KeyPath, notes: &[(&str, &str)]) -> Result<(), StoreError> {
        let (_, file) = self.current()?;
        let known = file.keys.get(key).ok_or_else(|| self.no_such_key(key))?;
        if known.leaf("").is_some() {
            return Err(StoreError::unsupported(
                &self.name,
                "keep notes at a value of the top level",
            ));
        }
        let notes: BTreeMap<String, New<'_>> = notes
            .iter()
            .map(|(name, text)| (note_name(name), New::Note(text)))
            .collect();
        self.write(key, &known.id(), |file| {
            edit::set(file, key, &notes, &self.run)
        })?;
        Ok(())
    }
}

/// Returns the name of a note in the file: `keysweep_..._unencrypted`, of letters, digits and `_`.
fn note_name(name: &str) -> String {
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    // Ours begin so already.
    let name = name.strip_prefix("keysweep-").unwrap_or(name);
    let name: String = name.chars().map(safe).collect();
    format!("{}{name}{}", file::NOTE, metadata::UNENCRYPTED)
}

#[cfg(unix)]
fn is_open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(file).is_ok_and(|meta| meta.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_file: &Path) -> bool {
    false
}

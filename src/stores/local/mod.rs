//! The store that needs no server: a SOPS file with age recipients, in git. `sops` reads what this writes and the other way round.
//!
//! A key is a map of the file that has values, named by the path of its keys with `/` between them (`apps/db`), its fields are the
//! values (`password`; `hosts/0` in a list); a value of the top level is a key with one field without a name. Versions are the
//! file's versions in git, by key: the current one is the work tree's. Readers are the recipients.
//!
//! Promises: a file whose MAC does not hold is not read; a write happens on top of the named version or not at all, as a whole, under a
//! lock, and leaves all other bytes as they are (same data key, so that a diff shows what changed); files are bounded.
//! Pinned against sops 3.11.0 in tests/it/stores_local.rs.

mod edit;
mod file;
mod identities;
mod metadata;
mod past;
mod sealed;
#[cfg(test)]
mod tests;
mod tree;
mod trouble;
mod words;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use super::{
    Capabilities, Change, Cursor, Fault, Field, FileVersion, Health, KeyEntry, KeyInfo, KeyPath,
    Page, ReadOutcome, SecretStore, StoreError, Surroundings, VersionId,
};
use crate::{
    config::stores::LocalSettings,
    model::{Readers, Secret},
};
use edit::New;
use file::{Key, RunKey, SopsFile, open_leaf};
use identities::Identities;
use past::{Past, Pasts};
use sealed::{DataKey, Kind};
use trouble::Trouble;

/// Most versions that `Surroundings::history` gives: as many mean that there may be more.
const MAX_VERSIONS: usize = 1_000;

/// A SOPS file as a store.
pub struct LocalStore {
    name: String,
    file: PathBuf,
    prefixes: Vec<String>,
    identities: Identities,
    run: RunKey,
    /// What git keeps, until it is read.
    history: Mutex<Option<Vec<FileVersion>>>,
    /// Why git was not asked, or could not say.
    history_fault: Option<String>,
    history_full: bool,
    git: OnceLock<Pasts>,
    /// The file as it was read last, by the hash of its bytes.
    last: Mutex<Option<([u8; 32], Arc<SopsFile>)>>,
}

impl LocalStore {
    /// Opens the store of `[stores.NAME]` with `kind = "local"`. The file itself is read by the methods.
    ///
    /// # Errors
    /// [`Fault::Setup`] without a file, [`Fault::Unauthenticated`] without an identity.
    pub fn open(
        name: &str,
        settings: &LocalSettings,
        prefixes: &[String],
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let of = |trouble: Trouble| trouble.of(name);
        if settings.file.as_os_str().is_empty() {
            return Err(of(Trouble::new(
                Fault::Setup,
                "it names no file",
                format!(
                    "set `file = \"secrets/keysweep.sops.yaml\"` in [stores.{name}]; `keysweep store init` makes one"
                ),
            )));
        }
        // Writes go to the file that a link points to; its folder is where the lock and the versions set aside are.
        let file = fs::canonicalize(&settings.file).unwrap_or_else(|_| settings.file.clone());
        let identities = Identities::find(settings, surroundings).map_err(of)?;
        let mut run = Zeroizing::new([0_u8; 32]);
        sealed::random(run.as_mut_slice()).map_err(of)?;
        let (history, history_fault) = if settings.no_history {
            (Vec::new(), None)
        } else {
            match (surroundings.history)(&file) {
                Ok(versions) => (versions, None),
                Err(fault) => (Vec::new(), Some(fault)),
            }
        };
        Ok(Self {
            name: name.to_owned(),
            file,
            prefixes: prefixes.to_vec(),
            identities,
            run: RunKey(run),
            history_full: history.len() >= MAX_VERSIONS,
            history: Mutex::new(Some(history)),
            history_fault,
            git: OnceLock::new(),
            last: Mutex::new(None),
        })
    }

    fn of(&self, trouble: Trouble) -> StoreError {
        trouble.of(&self.name)
    }

    /// Returns the file as it is now, opened and checked.
    fn current(&self) -> Result<(Vec<u8>, Arc<SopsFile>), StoreError> {
        let bytes = write::read(&self.file).map_err(|trouble| self.of(trouble))?;
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, file)) = last.as_ref()
            && *known == hash
        {
            return Ok((bytes, Arc::clone(file)));
        }
        let file = SopsFile::open(&bytes, &self.identities, &self.run)
            .map_err(|trouble| self.of(trouble))?;
        let file = Arc::new(file);
        *last = Some((hash, Arc::clone(&file)));
        Ok((bytes, file))
    }

    fn git(&self) -> &Pasts {
        self.git.get_or_init(|| {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            past::of_git(
                history.take().unwrap_or_default(),
                &self.identities,
                &self.run,
            )
        })
    }

    fn aside(&self) -> Vec<Past> {
        past::set_aside(&self.file, &self.identities, &self.run)
    }

    fn trimmed(&self) -> bool {
        self.history_full || self.history_fault.is_some() || self.git().shut > 0
    }

    fn info(&self, file: &SopsFile, aside: &[Past], key: &KeyPath) -> Option<KeyInfo> {
        let pasts: Vec<&Past> = aside.iter().chain(&self.git().versions).collect();
        let modified = file.metadata.modified.0.parse::<jiff::Timestamp>().ok();
        past::info(
            file.keys.get(key),
            &pasts,
            key,
            modified.map(jiff::Timestamp::as_second),
            self.trimmed(),
        )
    }

    fn no_such_key(&self, key: &KeyPath) -> StoreError {
        self.of(Trouble::new(
            Fault::NotFound,
            format!("there is no key {key} in {}", self.file.display()),
            format!(
                "`keysweep store put {key} FIELD --store {}` makes it",
                self.name
            ),
        ))
    }

    fn lend(
        &self,
        data_key: &DataKey,
        key: &Key,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        for leaf in key.values() {
            let plain = open_leaf(data_key, leaf).map_err(|trouble| self.of(trouble))?;
            sink(Field {
                name: &leaf.field,
                bytes: &plain.bytes,
            });
        }
        Ok(ReadOutcome::Read)
    }

    /// Takes the lock, makes sure that `base` is current, and puts what `make` returns in the file's place. A base that is not
    /// in git is set aside before, so that it can be told and brought back.
    fn write(
        &self,
        key: &KeyPath,
        base: &VersionId,
        make: impl FnOnce(&SopsFile) -> Result<SopsFile, Trouble>,
    ) -> Result<VersionId, StoreError> {
        let of = |trouble| self.of(trouble);
        let lock = write::lock(&self.file).map_err(of)?;
        let (bytes, file) = self.current()?;
        let known = file.keys.get(key);
        let current = known.map_or_else(|| VersionId::new(""), Key::id);
        if current != *base {
            return Err(self.conflict(key, &current));
        }
        let new = make(&file).map_err(of)?;
        let git = &self.git().versions;
        past::tidy(&self.file, git);
        let kept = |past: &Past| past.keys.get(key).is_some_and(|key| key.id() == *base);
        if known.is_some() && !git.iter().any(kept) && !self.aside().iter().any(kept) {
            past::keep(&self.file, &bytes, base).map_err(of)?;
        }
        write::replace(&self.file, new.text.as_bytes()).map_err(of)?;
        drop(lock);
        new.keys
            .get(key)
            .map(Key::id)
            .ok_or_else(|| self.no_such_key(key))
    }

    fn conflict(&self, key: &KeyPath, current: &VersionId) -> StoreError {
        let what = if current.as_str().is_empty() {
            format!("{key} is not there any more; nothing was written")
        } else {
            format!("{key} has version {current} now; nothing was written")
        };
        self.of(Trouble::new(
            Fault::Conflict,
            what,
            "look at what changed (git diff FILE), then plan again",
        ))
    }
}

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
        let mut notes = vec![format!(
            "{} age recipients, {} keys",
            file.metadata.age.len(),
            file.keys.len()
        )];
        for (kind, count) in &file.metadata.others {
            notes.push(format!("{count} more keys of kind {kind} open it"));
        }
        if let Some(fault) = &self.history_fault {
            notes.push(format!("no older versions: {fault}"));
        }
        match self.git().shut {
            0 => {}
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
        let pasts = aside.iter().chain(&self.git().versions);
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
        for past in self.git().versions.iter().chain(&self.aside()) {
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
        let aside = self.aside();
        let has = |past: &&Past| past.keys.get(key).is_some_and(|then| then.id() == *base);
        let past = aside.iter().chain(&self.git().versions).find(has);
        let past = past.ok_or_else(|| self.no_such_key(key))?;
        self.write(key, staged, |file| {
            bring_back(file, past, key, &self.run, &self.identities)
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

/// Returns the file with the values of `key` as they were in `past`.
fn bring_back(
    file: &SopsFile,
    past: &Past,
    key: &KeyPath,
    run: &RunKey,
    identities: &Identities,
) -> Result<SopsFile, Trouble> {
    let (Some(then), Some(now)) = (past.keys.get(key), file.keys.get(key)) else {
        return Err(Trouble::damaged(format!("{key} is not there any more")));
    };
    let rest_is_same = past.keys.len() == file.keys.len()
        && past
            .keys
            .iter()
            .filter(|(path, _)| *path != key)
            .all(|(path, then)| file.keys.get(path).is_some_and(|now| now.id() == then.id()));
    if rest_is_same && past.key.bytes() == file.key.bytes() && then.notes() == now.notes() {
        // Nothing else has changed: the file of then, to the last byte.
        return SopsFile::open(&past.bytes, identities, run);
    }
    // Other keys have changed since: this one's values alone.
    let mut secrets = Vec::new();
    for leaf in then.values() {
        if now
            .leaf(&leaf.field)
            .is_none_or(|now| now.text != leaf.text)
        {
            let plain = open_leaf(&past.key, leaf)?;
            // Sealed again at once, under the data key of the file as it is now.
            secrets.push((leaf, Secret::new(&plain.bytes)));
        }
    }
    let same_key = past.key.bytes() == file.key.bytes();
    let mut fields = BTreeMap::new();
    for (leaf, secret) in &secrets {
        let new = if same_key || !leaf.sealed {
            New::Sealed(&leaf.text)
        } else {
            New::Value(secret)
        };
        fields.insert(leaf.field.clone(), new);
    }
    for leaf in now.values().filter(|leaf| then.leaf(&leaf.field).is_none()) {
        fields.insert(leaf.field.clone(), New::Gone);
    }
    edit::set(file, key, &fields, run)
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

/// Makes a new SOPS file without keys, for these age recipients (`age1...`). An existing file is never overwritten.
///
/// # Errors
/// [`Fault::Setup`] for recipients that are none, and for a file that exists or cannot be made.
pub fn create(file: &Path, recipients: &[String]) -> Result<(), StoreError> {
    let shown = file.display().to_string();
    let of = |trouble: Trouble| trouble.of(&shown);
    if recipients.is_empty() {
        return Err(of(Trouble::new(
            Fault::Setup,
            "a file needs an age recipient that can open it",
            "`age-keygen -y FILE` prints that of an identity",
        )));
    }
    let text = new_file(recipients).map_err(of)?;
    write::create(file, text.as_bytes(), false).map_err(of)
}

/// Returns the text of a file without keys, as sops writes it.
fn new_file(recipients: &[String]) -> Result<String, Trouble> {
    let key = DataKey::random()?;
    let mut text = String::from("sops:\n    age:\n");
    for recipient in recipients {
        let enc = identities::seal(&key, recipient)?;
        text.push_str(&format!(
            "        - recipient: {}\n          enc: |\n",
            recipient.trim()
        ));
        for line in enc.lines() {
            text.push_str(&format!("            {line}\n"));
        }
    }
    let now = edit::now();
    let mac: String = Sha512::digest(b"")
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let mac = key.seal(Kind::Str, mac.as_bytes(), &now)?;
    // The version of sops whose layout this is.
    text.push_str(&format!(
        "    lastmodified: \"{now}\"\n    mac: {mac}\n    unencrypted_suffix: {}\n    version: 3.11.0\n",
        metadata::UNENCRYPTED
    ));
    Ok(text)
}

/// Makes a new age identity in `file`, readable by its owner alone, and returns its recipient. An existing file is never overwritten.
///
/// # Errors
/// [`Fault::Setup`] for a file that exists or cannot be made.
pub fn generate_identity(file: &Path) -> Result<String, StoreError> {
    identities::generate(file).map_err(|trouble| trouble.of(&file.display().to_string()))
}

/// Returns the recipients that the identities in `file` stand for, in its order.
///
/// # Errors
/// [`Fault::Unauthenticated`] for a file that cannot be read or holds something else.
pub fn recipients(file: &Path) -> Result<Vec<String>, StoreError> {
    Identities::read(file)
        .map(|identities| identities.recipients())
        .map_err(|trouble| trouble.of(&file.display().to_string()))
}

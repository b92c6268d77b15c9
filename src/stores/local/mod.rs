//! The store that needs no server: a SOPS file with age recipients, in git. `sops` reads what this writes and the other way round.
//!
//! A key is a map of the file that has values, named by the path of its keys with `/` between them (`apps/db`), its fields are the
//! values (`password`; `hosts/0` in a list); a value of the top level is a key with one field without a name. Versions are the
//! file's versions in git, by key: the current one is the work tree's. Readers are the recipients.
//!
//! Promises: a file whose MAC does not hold is not read; a write happens on top of the named version or not at all, as a whole, under a
//! lock, for the recipients that the settings pin, under a fresh data key; layout and comments stay; files are bounded.
//! Pinned against sops 3.11.0 in tests/it/stores_local.rs.

mod edit;
mod file;
mod identities;
mod insert;
mod make;
mod metadata;
mod past;
mod reseal;
mod restore;
mod sealed;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod trouble;
mod words;
mod write;

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{
    Fault, Field, FileVersion, KeyInfo, KeyPath, ReadOutcome, StoreError, Surroundings, VersionId,
};
use crate::config::stores::LocalSettings;
use file::{Key, NameKey, SopsFile, open_leaf};
use identities::Identities;
use past::{Aside, Past, Pasts, Seen};
use sealed::DataKey;
use trouble::Trouble;

pub use make::{create, generate_identity, recipients, recipients_of_file, write_private};

/// Most versions that `Surroundings::history` gives: as many mean that there may be more.
const MAX_VERSIONS: usize = 1_000;

/// A SOPS file as a store.
pub struct LocalStore {
    name: String,
    file: PathBuf,
    prefixes: Vec<String>,
    identities: Identities,
    run: NameKey,
    /// The recipients that writes seal for; empty: those of the file.
    pinned: BTreeSet<String>,
    /// Whether the file's path leads through a link of a repository.
    linked: bool,
    /// What git keeps, until it is read.
    history: Mutex<Option<Vec<FileVersion>>>,
    /// Why git was not asked, or could not say.
    history_fault: Option<String>,
    history_full: bool,
    git: OnceLock<Pasts>,
    /// What writes set aside, as it was read last.
    aside: Mutex<Option<(Seen, Arc<Aside>)>>,
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
        let linked = write::leads_away(&settings.file);
        let file = fs::canonicalize(&settings.file).unwrap_or_else(|_| settings.file.clone());
        let identities = Identities::find(settings, surroundings).map_err(of)?;
        let run = identities.name_key();
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
            run,
            pinned: settings
                .recipients
                .iter()
                .map(|one| one.trim().to_owned())
                .collect(),
            history_full: history.len() >= MAX_VERSIONS,
            history: Mutex::new(Some(history)),
            history_fault,
            git: OnceLock::new(),
            aside: Mutex::new(None),
            linked,
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

    /// Returns what was set aside; it is read again when the folder shows a change.
    fn aside(&self) -> Arc<Aside> {
        let seen = past::look(&self.file);
        let mut last = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, aside)) = last.as_ref()
            && *known == seen
        {
            return Arc::clone(aside);
        }
        let aside = Arc::new(past::set_aside(&seen, &self.identities, &self.run));
        *last = Some((seen, Arc::clone(&aside)));
        aside
    }

    fn trimmed(&self) -> bool {
        self.history_full || self.history_fault.is_some() || self.git().shut > 0
    }

    fn info(&self, file: &SopsFile, aside: &Aside, key: &KeyPath) -> Option<KeyInfo> {
        let pasts = past::merged(&aside.versions, &self.git().versions);
        past::info(
            file.keys.get(key),
            &pasts,
            key,
            self.trimmed() || aside.left > 0,
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
        self.no_link()?;
        let lock = write::lock(&self.file).map_err(of)?;
        let (bytes, file) = self.current()?;
        let known = file.keys.get(key);
        let current = known.map_or_else(|| VersionId::new(""), Key::id);
        if current != *base {
            return Err(self.conflict(key, &current));
        }
        self.may_write(&file)?;
        let new = make(&file).map_err(of)?;
        let git = &self.git().versions;
        past::tidy(&self.file, git);
        let kept = |past: &Past| past.keys.get(key).is_some_and(|key| key.id() == *base);
        // By its name first: the others may be many.
        let is_kept = || {
            let named = past::by_name(&self.file, base, &self.identities, &self.run);
            named.is_some_and(|past| kept(&past)) || self.aside().versions.iter().any(kept)
        };
        if known.is_some() && !git.iter().any(kept) && !is_kept() {
            past::keep(&self.file, &bytes, base).map_err(of)?;
        }
        write::replace(&self.file, new.text.as_bytes()).map_err(of)?;
        drop(lock);
        new.keys
            .get(key)
            .map(Key::id)
            .ok_or_else(|| self.no_such_key(key))
    }

    /// Refuses files whose recipients are not those that the settings name, or not all of which a write could seal for.
    fn may_write(&self, file: &SopsFile) -> Result<(), StoreError> {
        let setup =
            |what: String, help: String| Err(self.of(Trouble::new(Fault::Setup, what, help)));
        let names: BTreeSet<String> = file
            .metadata
            .age
            .iter()
            .map(|one| one.name.clone())
            .collect();
        if let Some((kind, _)) = file.metadata.others.first() {
            return Err(self.of(Trouble::new(
                Fault::Unsupported,
                format!("keys of kind {kind} open it too; a write makes a fresh data key, which cannot be sealed for them"),
                format!(
                    "nothing was written: write with `sops set FILE`, or take them out: sops rotate -i {} FILE",
                    metadata::removal(kind)
                ),
            )));
        }
        let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| {
            let names: Vec<&str> = left.difference(right).map(String::as_str).collect();
            names.join(", ")
        };
        if !self.pinned.is_empty() && self.pinned != names {
            let (more, less) = (only(&names, &self.pinned), only(&self.pinned, &names));
            let name = &self.name;
            return if more.is_empty() {
                setup(
                    format!(
                        "the file is not sealed for {less}, whom `recipients` in [stores.{name}] names; nothing was written"
                    ),
                    format!(
                        "add them: sops rotate -i --add-age {less} FILE; or take them out of `recipients`"
                    ),
                )
            } else {
                setup(
                    format!(
                        "the file is sealed for {more}, whom `recipients` in [stores.{name}] does not name; nothing was written"
                    ),
                    format!(
                        "if they may read what you write, add them to `recipients`; else find out who added them (git log -p FILE) and take them out: sops rotate -i --rm-age {more} FILE"
                    ),
                )
            };
        }
        if self
            .identities
            .recipients()
            .iter()
            .any(|ours| names.contains(ours))
        {
            return Ok(());
        }
        setup(
            "none of its recipients is yours, though it opens: a write would lock you out; nothing was written".to_owned(),
            "find out who changed its recipients: git log -p FILE".to_owned(),
        )
    }

    /// Refuses files that a link of the repository leads to: whoever made the link would choose what is written.
    fn no_link(&self) -> Result<(), StoreError> {
        if !self.linked && !write::is_link(&self.file) {
            return Ok(());
        }
        Err(self.of(Trouble::new(
            Fault::Setup,
            "the path of its file is a link, or leads out of its repository through one; nothing was written",
            format!("if that is where it belongs: file = \"{}\" in [stores.{}]", self.file.display(), self.name),
        )))
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

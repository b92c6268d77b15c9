//! Stores that a program of the user's reaches (`kind = "command"`); docs/stores-command.md is the protocol.
//!
//! Promises: those of `program`; an answer that lacks something is an error and never an empty store; texts of
//! the program are shown with what could be a value masked; a listing ends, or is an error; a key has 1,000 versions at most, and more
//! count as thrown away.

mod listing;

use std::{
    sync::{Mutex, OnceLock},
    time::Instant,
};

use self::listing::{Listing, newest};
use super::{
    Capabilities, Change, Cursor, Fault, Field, Health, KeyEntry, KeyInfo, KeyPath, NativeProgress,
    NativeRotation, Page, ReadOutcome, SecretStore, StoreError, Surroundings, VersionId,
    VersionInfo, VersionState,
    http::Effect,
    json::Json,
    program::{Part, Program, value},
};
use crate::{
    config::stores::CommandSettings,
    model::{Readers, quotable},
};

/// A store behind a program.
pub(super) struct CommandStore {
    program: Program,
    can: OnceLock<Capabilities>,
    listing: Mutex<Listing>,
}

impl CommandStore {
    /// Takes the settings; runs nothing.
    pub(super) fn open(
        name: &str,
        settings: &CommandSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            program: Program::new(name, settings, surroundings)?,
            can: OnceLock::new(),
            listing: Mutex::default(),
        })
    }

    fn read_op<T>(
        &self,
        op: &str,
        parts: &mut [(&str, Part<'_>)],
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        self.program.ask(("store", op), Effect::Read, parts, take)
    }

    fn write_op<T>(
        &self,
        op: &str,
        parts: &mut [(&str, Part<'_>)],
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        self.program.ask(("store", op), Effect::Write, parts, take)
    }

    fn version_op(&self, op: &str, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        let mut parts = [
            ("key", Part::Text(key.as_str())),
            ("version", Part::Text(version.as_str())),
        ];
        self.write_op(op, &mut parts, done)
    }

    fn ask_health(&self) -> Result<(Health, Capabilities), StoreError> {
        let found = self.read_op("health", &mut [], |ok| Some((health(ok)?, can(ok)?)))?;
        // Asked twice at once, it says the same.
        let _ = self.can.set(found.1);
        Ok(found)
    }
}

impl SecretStore for CommandStore {
    fn name(&self) -> &str {
        &self.program.name
    }

    fn address(&self) -> String {
        self.program.shown()
    }

    fn capabilities(&self) -> Capabilities {
        let known = self.can.get().copied();
        known.unwrap_or_else(|| self.ask_health().map(|(_, can)| can).unwrap_or_default())
    }

    fn health(&self) -> Result<Health, StoreError> {
        self.ask_health().map(|(health, _)| health)
    }

    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let mut first = [];
        let mut next = [("after", Part::Text(after.map_or("", |at| &at.0)))];
        let parts: &mut [_] = if after.is_some() {
            &mut next
        } else {
            &mut first
        };
        let began = Instant::now();
        let page = self.read_op("list", parts, page)?;
        // A panic of another thread leaves counts that are still counts.
        let mut listing = self.listing.lock().unwrap_or_else(|e| e.into_inner());
        match listing.count(after, &page, began.elapsed()) {
            Ok(()) => Ok(page),
            Err((what, help)) => Err(StoreError::new(self.name(), Fault::Protocol, what, help)),
        }
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        let mut parts = [("key", Part::Text(key.as_str()))];
        self.read_op("describe", &mut parts, info)
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        let mut parts = [
            ("key", Part::Text(key.as_str())),
            ("version", Part::Text(version.as_str())),
        ];
        self.read_op("read", &mut parts, |ok| {
            if let Some(state) = ok.member("state") {
                return match &*state.string()? {
                    "gone" => Some(ReadOutcome::Gone),
                    "hidden" => Some(ReadOutcome::Hidden),
                    _ => None,
                };
            }
            // All or nothing: what is broken at its end must not look read.
            let fields = list(ok.member("fields")?)?.map(|field| {
                let name = field.member("name")?.name()?;
                Some((name, value(field)?))
            });
            let fields: Vec<_> = fields.collect::<Option<_>>()?;
            for (name, bytes) in &fields {
                sink(Field { name, bytes });
            }
            Some(ReadOutcome::Read)
        })
    }

    fn readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        let mut parts = [("key", Part::Text(key.as_str()))];
        self.read_op("readers", &mut parts, |ok| {
            let sample = list(ok.member("sample")?)?.map(Json::name);
            let mut sample: Vec<String> = sample.collect::<Option<_>>()?;
            sample.sort();
            sample.truncate(10);
            Some(Readers {
                known: u64::try_from(ok.member("known")?.integer()?).ok()?,
                sample,
                complete: ok.member("complete")?.boolean()?,
            })
        })
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        // The program is the one who writes them.
        let mut fields = change
            .fields
            .iter()
            .map(|(name, secret)| (name.as_str(), secret.expose()));
        let mut parts = [
            ("key", Part::Text(change.key.as_str())),
            ("base", Part::Text(change.base.as_str())),
            ("token", Part::Text(change.token)),
            ("fields", Part::Fields(&mut fields)),
        ];
        self.write_op("stage", &mut parts, |ok| {
            ok.member("version")?.name().map(VersionId::new)
        })
    }

    fn promote(&self, key: &KeyPath, from: &VersionId, to: &VersionId) -> Result<(), StoreError> {
        // Where nothing is ever pending, what was staged is current already.
        if !self.capabilities().pending {
            return Ok(());
        }
        let mut parts = [
            ("key", Part::Text(key.as_str())),
            ("from", Part::Text(from.as_str())),
            ("to", Part::Text(to.as_str())),
        ];
        self.write_op("promote", &mut parts, done)
    }

    fn unstage(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        let mut parts = [
            ("key", Part::Text(key.as_str())),
            ("base", Part::Text(base.as_str())),
            ("staged", Part::Text(staged.as_str())),
        ];
        self.write_op("unstage", &mut parts, done)
    }

    fn disable(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.version_op("disable", key, version)
    }

    fn restore(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.version_op("restore", key, version)
    }

    fn destroy(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.version_op("destroy", key, version)
    }

    fn native_rotate(&self, key: &KeyPath, token: &str) -> Result<NativeRotation, StoreError> {
        let mut parts = [
            ("key", Part::Text(key.as_str())),
            ("token", Part::Text(token)),
        ];
        let mark = self.write_op("rotate", &mut parts, |ok| ok.member("mark")?.name())?;
        Ok(NativeRotation {
            key: key.clone(),
            mark,
        })
    }

    fn poll(&self, rotation: &NativeRotation) -> Result<NativeProgress, StoreError> {
        let mut parts = [
            ("key", Part::Text(rotation.key.as_str())),
            ("mark", Part::Text(&rotation.mark)),
        ];
        self.read_op("poll", &mut parts, |ok| {
            match &*ok.member("state")?.string()? {
                "running" => Some(NativeProgress::Running),
                "done" => {
                    let version = ok.member("version")?.name()?;
                    Some(NativeProgress::Done(VersionId::new(version)))
                }
                "stuck" => Some(NativeProgress::Stuck(
                    "the program says that it will not end by itself".to_owned(),
                )),
                _ => None,
            }
        })
    }
}

/// Accepts any object: it was done.
fn done(ok: Json<'_>) -> Option<()> {
    ok.text().starts_with('{').then_some(())
}

/// Returns the items of an array, and nothing for what is none.
fn list(array: Json<'_>) -> Option<impl Iterator<Item = Json<'_>>> {
    array.text().starts_with('[').then(|| array.items())
}

/// Returns an optional text; `None` inside if it is not there, `None` outside if it is no text.
fn optional(object: Json<'_>, name: &str) -> Option<Option<String>> {
    match object.member(name).filter(|value| !value.is_null()) {
        Some(value) => value.name().map(Some),
        None => Some(None),
    }
}

fn optional_time(object: Json<'_>, name: &str) -> Option<Option<i64>> {
    match object.member(name).filter(|value| !value.is_null()) {
        Some(value) => value.integer().map(Some),
        None => Some(None),
    }
}

fn flag(object: Json<'_>, name: &str) -> Option<bool> {
    object.member(name).map_or(Some(false), Json::boolean)
}

fn health(ok: Json<'_>) -> Option<Health> {
    let shown = |text: String| quotable(&text);
    let notes = match ok.member("notes") {
        Some(notes) => list(notes)?.map(Json::name).collect::<Option<_>>()?,
        None => Vec::new(),
    };
    Some(Health {
        identity: optional(ok, "identity")?.map(shown),
        version: optional(ok, "version")?.map(shown),
        expires_s: optional_time(ok, "expires_s")?.and_then(|s| u64::try_from(s).ok()),
        notes: notes.into_iter().map(shown).collect(),
    })
}

fn can(ok: Json<'_>) -> Option<Capabilities> {
    let mut can = Capabilities::default();
    let Some(words) = ok.member("can") else {
        return Some(can);
    };
    for word in list(words)? {
        match &*word.string()? {
            "history" => can.history = true,
            "write" => can.write = true,
            "pending" => can.pending = true,
            "disable" => can.disable = true,
            "destroy" => can.destroy = true,
            "rotate" => can.native_rotation = true,
            "readers" => can.readers = true,
            "write-only" => can.write_only = true,
            _ => return None,
        }
    }
    Some(can)
}

fn page(ok: Json<'_>) -> Option<Page> {
    let keys = list(ok.member("keys")?)?.map(|entry| {
        if let Some(key) = entry.name() {
            return Some(KeyEntry {
                key: KeyPath::new(key),
                info: None,
            });
        }
        Some(KeyEntry {
            key: KeyPath::new(entry.member("key")?.name()?),
            info: Some(info(entry)?),
        })
    });
    Some(Page {
        keys: keys.collect::<Option<_>>()?,
        next: optional(ok, "next")?.map(Cursor),
        problems: Vec::new(),
    })
}

fn info(ok: Json<'_>) -> Option<KeyInfo> {
    let versions = list(ok.member("versions")?)?.map(|version| {
        Some(VersionInfo {
            id: VersionId::new(version.member("id")?.name()?),
            state: match &*version.member("state")?.string()? {
                "current" => VersionState::Current,
                "pending" => VersionState::Pending,
                "previous" => VersionState::Previous,
                "disabled" => VersionState::Disabled,
                "deleted" => VersionState::SoftDeleted,
                "destroyed" => VersionState::Destroyed,
                _ => return None,
            },
            created: optional_time(version, "created")?,
        })
    });
    let mut versions: Vec<VersionInfo> = versions.collect::<Option<_>>()?;
    let left_out = newest(&mut versions);
    Some(KeyInfo {
        versions,
        trimmed: flag(ok, "trimmed")? || left_out,
        changed: optional_time(ok, "changed")?,
        next_rotation: optional_time(ok, "next_rotation")?,
        owner: optional(ok, "owner")?,
        environment: optional(ok, "environment")?,
        hidden: flag(ok, "hidden")?,
        native_rotation: flag(ok, "rotates")?,
    })
}

//! `keysweep store doctor`: whether each store answers and lets us list what the stores file names, whether targets and sinks can be reached, and
//! what of `[rotate]` leads nowhere.
//!
//! Promises: nothing is written, anywhere; no value is printed. The values of keys with a `[[targets]]` entry are read, for their targets are
//! asked what a rotation would ask first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::super::{args::StoresArgs, error::CliError, exit::Outcome, stores};
use crate::{
    config::{
        KeyGlob,
        sinks::SinkEntry,
        stores::{StoresFile, TargetEntry, TargetKind},
    },
    model::{MatchKind, Secret, StoreFault, closest, quotable},
    policy::environment::Environments,
    stores::{
        Change, Cursor, Fault, Health, KeyPath, SecretStore, StoreError, VersionId, sink,
        target::{self, Credential},
    },
    verify::{self, Empty, atoms},
};

/// Most keys of a store that are listed: enough to see whether it can be listed at all.
const MAX_KEYS: usize = 2_000;
/// Most faults of a listing that are shown for one store.
const MAX_SHOWN: usize = 10;

/// Runs the command; returns what to print.
pub(super) fn run(file: &StoresFile, args: &StoresArgs) -> Result<(String, Outcome), CliError> {
    stores::refuse_empty(file)?;
    let mut doctor = Doctor {
        file,
        text: String::new(),
        faults: BTreeSet::new(),
        keys: BTreeMap::new(),
        silent: BTreeSet::new(),
        cut: BTreeSet::new(),
        is_whole: args.store.is_empty(),
    };
    let opened = stores::open_all(file, &args.store);
    for (name, store) in &opened {
        let health = store
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|store| Ok((store.as_ref(), store.health()?)));
        match health {
            Ok((store, health)) => doctor.store(name, store, &health),
            Err(error) => {
                doctor.fault(&error);
                doctor.silent.insert(name.clone());
                doctor.is_whole = false;
            }
        }
    }
    for (number, entry) in (1..).zip(&file.targets) {
        let store = opened.iter().find(|(name, _)| *name == entry.store);
        if let Some((_, store)) = store {
            doctor.target(number, entry, store.as_deref().ok());
        }
    }
    for (number, entry) in (1..).zip(&file.sinks) {
        if opened.iter().any(|(name, _)| *name == entry.store) {
            doctor.sink(number, entry);
        }
    }
    if args.store.is_empty() {
        doctor.limits();
    }
    Ok((doctor.text, Outcome::of_faults(&doctor.faults)))
}

/// What of a listing is in the way, and what its settings name in vain.
type Listed = (Vec<(KeyPath, StoreError)>, Vec<StoreError>);

struct Doctor<'d> {
    file: &'d StoresFile,
    text: String,
    faults: BTreeSet<StoreFault>,
    /// The keys that were listed, of each store, with their environments.
    keys: BTreeMap<String, Vec<(KeyPath, Vec<String>)>>,
    /// Stores that do not answer.
    silent: BTreeSet<String>,
    /// Stores of which only the first keys were listed.
    cut: BTreeSet<String>,
    /// Whether all keys of all stores were listed.
    is_whole: bool,
}

impl Doctor<'_> {
    fn fault(&mut self, error: &StoreError) {
        super::fault(&mut self.text, error);
        self.faults.insert(error.kind());
    }

    fn note(&mut self, note: &str) {
        let _ = writeln!(self.text, "note  {}", super::one_line(note));
    }

    /// Says how a store is that answers, and what of it cannot be listed.
    fn store(&mut self, name: &str, store: &dyn SecretStore, health: &Health) {
        let (problems, empty) = match self.list(name, store) {
            Ok(listed) => listed,
            Err(error) => (vec![(KeyPath::new(""), error)], Vec::new()),
        };
        self.is_whole &= problems.is_empty();
        let verb = if problems.is_empty() { "ok  " } else { "part" };
        let address = super::one_line(&store.address());
        let _ = write!(self.text, "{verb}  {name}: {address}");
        if let Some(version) = &health.version {
            let _ = write!(self.text, ", {}", super::one_line(version));
        }
        if let Some(identity) = &health.identity {
            let _ = write!(self.text, ", as {}", super::one_line(identity));
        }
        if let Some(expires) = health.expires_s {
            let _ = write!(self.text, ", the login ends in {} min", expires / 60);
        }
        if let Some(count) = self.count(name) {
            // Some stores count for themselves.
            if !health.notes.contains(&count) {
                let _ = write!(self.text, ", {count}");
            }
        }
        self.text.push('\n');
        // What a fault below says need not be told twice.
        let is_told = |note: &&String| {
            let mut keys = problems.iter().map(|(key, _)| key.as_str());
            keys.any(|key| !key.is_empty() && note.contains(key))
        };
        for note in health.notes.iter().filter(|note| !is_told(note)) {
            let _ = writeln!(self.text, "      {}", super::one_line(note));
        }
        for error in empty {
            self.note(&format!("{error}; {}", error.help));
        }
        for (_, error) in problems.iter().take(MAX_SHOWN) {
            super::fault(&mut self.text, error);
        }
        self.faults
            .extend(problems.iter().map(|(_, error)| error.kind()));
        let more = problems.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            let _ = writeln!(
                self.text,
                "      and {more} more: `keysweep store list --store {name}` has all"
            );
        }
    }

    /// Returns how many keys a store has listed; `None` if it has not.
    fn count(&self, name: &str) -> Option<String> {
        let listed = self.keys.get(name)?;
        let least = if self.cut.contains(name) {
            "at least "
        } else {
            ""
        };
        let noun = if listed.len() == 1 { "key" } else { "keys" };
        Some(format!("{least}{} {noun}", listed.len()))
    }

    /// Lists the keys of a store; returns what could not be listed, and the prefixes of its settings that name no key.
    fn list(&mut self, name: &str, store: &dyn SecretStore) -> Result<Listed, StoreError> {
        let file = self.file;
        let settings = file.stores.get(name);
        let own = settings.and_then(|entry| entry.environment.clone());
        let prefixes = settings.map_or(&[][..], |entry| &entry.prefixes);
        let mut empty = Empty::new(prefixes);
        let words = Environments::default();
        let mut problems = Vec::new();
        let mut keys = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let page = store.list(after.as_ref())?;
            empty.see(&page);
            for entry in page.keys {
                let said = entry.info.and_then(|info| info.environment);
                let mut environments: Vec<String> = own.iter().cloned().chain(said).collect();
                if environments.is_empty() {
                    let labels = words.of_store(entry.key.as_str());
                    let names = labels.environments().iter().map(|one| one.name());
                    environments = names.map(str::to_owned).collect();
                }
                keys.push((entry.key, environments));
            }
            problems.extend(page.problems);
            after = page.next;
            if after.is_none() || keys.len() >= MAX_KEYS {
                break;
            }
        }
        self.keys.insert(name.to_owned(), keys);
        if after.is_some() {
            self.is_whole = false;
            self.cut.insert(name.to_owned());
            // They may come later.
            return Ok((problems, Vec::new()));
        }
        let empty = empty.prefixes().iter();
        let empty = empty.map(|prefix| verify::nothing_below(name, prefix));
        Ok((problems, empty.collect()))
    }

    /// Asks the target of a `[[targets]]` entry what a rotation would ask first.
    fn target(&mut self, number: usize, entry: &TargetEntry, store: Option<&dyn SecretStore>) {
        let field = entry.field.as_deref();
        let field = field.map(|field| format!(" {field}")).unwrap_or_default();
        let place = format!("{}:{}{field}", entry.store, entry.key);
        let label = format!("target {number} ({}, {place})", entry.kind.as_str());
        let is_silent = self.silent.contains(&entry.store);
        let Some(store) = store.filter(|_| !is_silent) else {
            self.note(&format!(
                "{label}: not tried: store {} does not answer",
                quotable(&entry.store)
            ));
            return;
        };
        match reach(store, entry) {
            Ok(told) => {
                let _ = writeln!(
                    self.text,
                    "ok    {}",
                    super::one_line(&format!("{label}: {told}"))
                );
            }
            Err(error) => {
                let what = super::one_line(&format!("{label}: {error}"));
                let help = super::one_line(&error.help);
                let _ = writeln!(self.text, "fault {what}\n      {help}");
                self.faults.insert(error.kind());
            }
        }
    }

    /// Asks a sink what a rotation would ask first: whether the copy is there and may be replaced.
    fn sink(&mut self, number: usize, entry: &SinkEntry) {
        let opened = sink::open(entry, &stores::surroundings());
        let asked = opened.and_then(|sink| Ok((sink.address(), sink.describe()?)));
        match asked {
            Ok((address, info)) => {
                let marker = info.marker.map(|marker| format!(", {}", quotable(&marker)));
                let address = quotable(&address);
                let told = format!("{address}{}", marker.unwrap_or_default());
                let _ = writeln!(self.text, "ok    sink {number}: {}", super::one_line(&told));
            }
            Err(error) => {
                let what = super::one_line(&error.to_string());
                let help = super::one_line(&error.help);
                let _ = writeln!(self.text, "fault sink {number}: {what}\n      {help}");
                self.faults.insert(error.kind());
            }
        }
    }

    /// Tells which words of `[rotate]` name nothing.
    fn limits(&mut self) {
        let limits = &self.file.rotate;
        let of = if self.is_whole {
            "no key of any store"
        } else {
            "no key that could be listed"
        };
        for (list, globs) in [("allow", &limits.allow), ("deny", &limits.deny)] {
            for text in globs {
                let shown = quotable(text);
                let Some(glob) = KeyGlob::parse(text) else {
                    self.fault(&StoreError::new(
                        "stores.toml",
                        Fault::Setup,
                        format!("`{shown}` in [rotate] {list} is no glob of STORE:KEY"),
                        "write it as prod:secret/apps/* (one folder) or prod:secret/** (all below)",
                    ));
                    continue;
                };
                let names = |(store, keys): (&String, &Vec<(KeyPath, _)>)| {
                    keys.iter().any(|(key, _)| glob.names(store, key.as_str()))
                };
                if !self.keys.iter().any(names) {
                    self.note(&format!(
                        "[rotate] {list}: `{shown}` names {of}; `keysweep store list` shows them as STORE:KEY"
                    ));
                }
            }
        }
        let mut known: BTreeSet<&str> = BTreeSet::new();
        known.extend(
            self.keys
                .values()
                .flatten()
                .flat_map(|(_, names)| names.iter().map(String::as_str)),
        );
        let stores = self.file.stores.values();
        known.extend(stores.filter_map(|entry| entry.environment.as_deref()));
        let mut notes = Vec::new();
        for name in limits
            .protected
            .iter()
            .filter(|name| !known.contains(name.as_str()))
        {
            let near = match closest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "those that are: {}",
                    known.iter().copied().collect::<Vec<_>>().join(", ")
                ),
            };
            notes.push(format!(
                "[rotate] protected: `{}` is the environment of {of}, so nothing is protected by it; {near}",
                quotable(name)
            ));
        }
        notes.iter().for_each(|note| self.note(note));
    }
}

/// Reads the current value of a target's key and has the target look at it; returns what to say of a target that is well.
fn reach(store: &dyn SecretStore, entry: &TargetEntry) -> Result<String, StoreError> {
    let key = KeyPath::new(entry.key.as_str());
    let info = store.describe(&key)?;
    let lacks =
        |what: String, help: String| StoreError::new(store.name(), Fault::NotFound, what, help);
    let Some(current) = info.current() else {
        return Err(lacks(
            format!("{key} has no current version"),
            format!(
                "put one there: keysweep store put {key} FIELD --store {}",
                store.name()
            ),
        ));
    };
    let value = value(store, entry, &key, &current.id)?;
    if store.capabilities().write && !info.native_rotation {
        store.rehearse(&Change {
            key: &key,
            base: &current.id,
            fields: &BTreeMap::from([value.whole]),
            token: "rehearsal-of-a-rotation-by-keysweep",
        })?;
    }
    if matches!(entry.kind, TargetKind::None) {
        return Ok("the store alone holds it".to_owned());
    }
    let target = target::open(entry, &stores::surroundings())?;
    target.check(&Credential {
        user: value.user.or_else(|| entry.user.clone()),
        secret: value.secret,
    })?;
    Ok(format!("{} lets us in", target.address()))
}

/// What the current version of a target's key has for it.
struct Value {
    /// The field, and all of it.
    whole: (String, Secret),
    /// The part of it that the entry names, as a rotation takes it.
    secret: Secret,
    user: Option<String>,
}

/// Reads what a target's entry names; an error says which of it is not there.
fn value(
    store: &dyn SecretStore,
    entry: &TargetEntry,
    key: &KeyPath,
    version: &VersionId,
) -> Result<Value, StoreError> {
    let lacks =
        |what: String, help: String| StoreError::new(store.name(), Fault::NotFound, what, help);
    let named = entry.field.as_deref().unwrap_or_default();
    let (wanted, way) = named.split_once('#').unwrap_or((named, ""));
    let (mut whole, mut secret, mut user, mut names) = (None, None, None, Vec::new());
    store.read(key, version, &mut |field| {
        if field.name == wanted {
            whole = Some(Secret::new(field.bytes));
            // As a rotation takes it: without the line break at its end, or the part that the entry names.
            let part = |kind| atoms::at(field.bytes, way, kind);
            secret = part(MatchKind::Exact).or_else(|| part(MatchKind::Decoded));
        }
        if Some(field.name) == entry.user_field.as_deref() {
            user = Some(String::from_utf8_lossy(field.bytes).into_owned());
        }
        names.push(field.name.to_owned());
    })?;
    let has = || {
        let names: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect();
        if names.is_empty() {
            "it is one whole value: leave `field` and `user-field` out of its [[targets]]"
                .to_owned()
        } else {
            format!("it has: {}", names.join(", "))
        }
    };
    let Some(whole) = whole else {
        let what = if wanted.is_empty() {
            format!("{key} is no whole value, and its [[targets]] names no `field`")
        } else {
            format!("{key} has no field `{wanted}`")
        };
        return Err(lacks(what, has()));
    };
    let Some(secret) = secret else {
        return Err(lacks(
            format!("{key} has no part `{way}` in its field `{wanted}`"),
            "verify names the part of a finding: `field` of its place".to_owned(),
        ));
    };
    if let (Some(field), None) = (&entry.user_field, &user) {
        return Err(lacks(
            format!("{key} has no field `{field}` (user-field)"),
            has(),
        ));
    }
    Ok(Value {
        whole: (wanted.to_owned(), whole),
        secret: Secret::new(&secret),
        user,
    })
}

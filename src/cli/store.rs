//! `keysweep store`: make the local store, look at any store, put a value into one.
//!
//! Promises: nothing that is there is overwritten; `list` and `doctor` only read; a value comes from standard input or a prompt
//! without echo, never from an argument, and is never printed.

mod doctor;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    args::{self, StoresArgs},
    error::{CliError, shown},
    exit::Outcome,
    settings, stores,
};
use crate::{
    config::stores::{StoreKind, StoresFile},
    model::StoreFault,
    stores::{
        Change, Cursor, Fault, KeyEntry, KeyPath, SecretStore, StoreError, VersionId, local, vault,
    },
};

/// Most pages of one listing: a store that never ends its listing is broken.
const MAX_PAGES: usize = 100_000;

/// Reads a store's name from the command line: what TOML takes as a key without quotes.
pub(super) fn name(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || !text.bytes().all(good) {
        return Err("letters, digits, - and _ only".to_owned());
    }
    Ok(text.to_owned())
}

/// Runs a subcommand; returns what to print.
pub(super) fn run(command: &args::Store) -> Result<(String, Outcome), CliError> {
    let here = settings::working_directory();
    match command {
        args::Store::Init(init) => make(init, &here),
        args::Store::List { stores } => list(&load(stores, &here)?, stores),
        args::Store::Put { key, field, stores } => {
            put(&load(stores, &here)?, stores, key, field.as_deref())
        }
        args::Store::Index(args) => super::index::write(args),
        args::Store::Policy { rotate, stores } => policy(&load(stores, &here)?, stores, *rotate),
        args::Store::Doctor { stores } => doctor::run(&load(stores, &here)?, stores),
    }
}

fn load(args: &StoresArgs, here: &Path) -> Result<StoresFile, CliError> {
    stores::refuse_inside(args, here)?;
    stores::load(args)
}

/// `store policy`: what each Vault must grant.
fn policy(
    file: &StoresFile,
    args: &StoresArgs,
    rotate: bool,
) -> Result<(String, Outcome), CliError> {
    let wanted = |name: &String| args.store.is_empty() || args.store.contains(name);
    let mut text = String::new();
    for (name, entry) in file.stores.iter().filter(|(name, _)| wanted(name)) {
        if let StoreKind::Vault(settings) = &entry.kind {
            let _ = writeln!(text, "# {name}\n{}", vault::policy(settings, rotate));
        }
    }
    if text.is_empty() {
        return Err(StoreError::new(
            "stores",
            Fault::Setup,
            "none of the stores is a Vault or OpenBao",
            "`kind = \"vault\"` makes one; other stores have no policies of this form",
        )
        .into());
    }
    Ok((text, Outcome::Clean))
}

/// `store init`: the identity, the file, the entry; each is left alone if it is there.
fn make(init: &args::StoreInit, here: &Path) -> Result<(String, Outcome), CliError> {
    let stores_args = StoresArgs {
        stores: init.stores.clone(),
        store: Vec::new(),
    };
    stores::refuse_inside(&stores_args, here)?;
    let stores_file = stores::place(&stores_args)?;
    let file = whole(&init.file);
    is_free(init, &stores_file, &file)?;
    let mut text = String::new();
    let (identity, recipients) = identity(init, &mut text)?;
    let sealed_for = if file.exists() {
        let theirs = local::recipients_of_file(&file)?;
        let note = format!(
            "the file that is there; sealed for {}: all of them read what you write",
            theirs.join(", ")
        );
        line(&mut text, "kept", &file, &note);
        theirs
    } else {
        local::create(&file, &recipients)?;
        let note = format!("SOPS file without keys, for {}", recipients.join(", "));
        line(&mut text, "made", &file, &note);
        recipients
    };
    let identity = whole(&identity);
    entry(
        &mut text,
        init,
        &stores_file,
        (&file, &identity),
        &sealed_for,
    )?;
    let _ = writeln!(
        text,
        "next  keysweep store put apps/db password --store {}",
        init.name
    );
    Ok((text, Outcome::Clean))
}

/// Refuses a name that the stores file has for another store: `put` would write into that one.
fn is_free(init: &args::StoreInit, stores_file: &Path, file: &Path) -> Result<(), CliError> {
    if !stores_file.exists() {
        return Ok(());
    }
    let known = stores::load(&StoresArgs {
        stores: Some(stores_file.to_owned()),
        store: Vec::new(),
    })?;
    let Some(there) = known.stores.get(&init.name) else {
        return Ok(());
    };
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| whole(path));
    let holds = match &there.kind {
        StoreKind::Local(settings) if canonical(&settings.file) == canonical(file) => return Ok(()),
        StoreKind::Local(settings) => shown(&settings.file).to_string(),
        kind => format!("a store of kind `{}`", kind.as_str()),
    };
    let folder = stores::work_tree(file);
    let folder = folder.as_deref().and_then(Path::file_name);
    let own = folder
        .and_then(|name| name.to_str())
        .filter(|own| name(own).is_ok());
    let free = own.filter(|own| !known.stores.contains_key(*own));
    Err(StoreError::new(
        "stores.toml",
        Fault::Setup,
        format!(
            "[stores.{}] is {holds} already: nothing was made",
            init.name
        ),
        format!(
            "give this one a name of its own: keysweep store init --name {}",
            free.unwrap_or("NAME")
        ),
    )
    .into())
}

/// Returns the age identity and its recipients; makes one if there is none.
fn identity(init: &args::StoreInit, text: &mut String) -> Result<(PathBuf, Vec<String>), CliError> {
    let identity = match &init.identity {
        Some(file) => file.clone(),
        None => stores::user_folder()
            .map(|folder| folder.join("age.txt"))
            .ok_or(CliError::NoHome)?,
    };
    if !identity.exists()
        && let Some(tree) = stores::work_tree(&identity)
    {
        return Err(CliError::IdentityInside {
            path: identity,
            tree,
        });
    }
    let recipients = if identity.exists() {
        line(text, "kept", &identity, "the age identity that is there");
        local::recipients(&identity)?
    } else {
        let recipient = local::generate_identity(&identity)?;
        line(
            text,
            "made",
            &identity,
            "age identity: keep it secret, and a copy of it safe",
        );
        vec![recipient]
    };
    Ok((identity, recipients))
}

/// Writes the store's entry to a new stores file, or shows it for one that is there.
fn entry(
    text: &mut String,
    init: &args::StoreInit,
    stores_file: &Path,
    (file, identity): (&Path, &Path),
    recipients: &[String],
) -> Result<(), CliError> {
    let quoted = |path: &Path| toml_text(&path.to_string_lossy());
    let names: Vec<String> = recipients.iter().map(|name| toml_text(name)).collect();
    let entry = format!(
        "[stores.{}]\nkind = \"local\"\nfile = {}\nidentity = {}\nrecipients = [{}]\n",
        init.name,
        quoted(file),
        quoted(identity),
        names.join(", ")
    );
    if !stores_file.exists() {
        let head =
            "# Stores of `keysweep verify` and `keysweep rotate`; docs/stores.md has every key.\n";
        local::write_private(stores_file, format!("{head}{entry}").as_bytes())?;
        line(
            text,
            "made",
            stores_file,
            &format!("with [stores.{}]", init.name),
        );
        return Ok(());
    }
    let known = stores::load(&StoresArgs {
        stores: Some(stores_file.to_owned()),
        store: Vec::new(),
    })?;
    if known.stores.contains_key(&init.name) {
        let note = format!("it has [stores.{}]", init.name);
        line(text, "kept", stores_file, &note);
    } else {
        line(text, "kept", stores_file, "add this to it:");
        let _ = write!(text, "\n{entry}\n");
    }
    Ok(())
}

fn line(text: &mut String, verb: &str, path: &Path, note: &str) {
    let _ = writeln!(text, "{verb}  {} ({note})", shown(path));
}

/// Returns a path that means the same from everywhere.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns a text as a TOML string; JSON's escapes are TOML's too, but for the one of DEL, which needs none.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `store list`: every key of every store, without values.
fn list(file: &StoresFile, args: &StoresArgs) -> Result<(String, Outcome), CliError> {
    stores::refuse_empty(file)?;
    let mut text = String::new();
    let mut faults = BTreeSet::new();
    for (name, opened) in stores::open_all(file, &args.store) {
        let listed = opened.and_then(|store| keys(&name, store.as_ref(), &mut text, &mut faults));
        if let Err(error) = listed {
            fault(&mut text, &error);
            faults.insert(error.kind());
        }
    }
    Ok((text, Outcome::of_faults(&faults)))
}

/// Writes a line for each key; notes the faults of what could not be listed.
fn keys(
    name: &str,
    store: &dyn SecretStore,
    text: &mut String,
    faults: &mut BTreeSet<StoreFault>,
) -> Result<(), StoreError> {
    let mut after: Option<Cursor> = None;
    for _ in 0..MAX_PAGES {
        let page = store.list(after.as_ref())?;
        for entry in &page.keys {
            let line = format!("{name}:{}{}", entry.key, known(entry));
            let _ = writeln!(text, "{}", one_line(&line));
        }
        for (key, error) in &page.problems {
            let _ = writeln!(text, "{}", one_line(&format!("{name}:{key}  not listed")));
            fault(text, error);
            faults.insert(error.kind());
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
    Err(StoreError::new(
        name,
        Fault::Protocol,
        "its listing has no end",
        "set `prefixes` in its [stores.NAME]",
    ))
}

fn known(entry: &KeyEntry) -> String {
    let mut text = String::new();
    let Some(info) = &entry.info else {
        return text;
    };
    match info.versions.len() {
        0 => {}
        1 => text.push_str("  1 version"),
        count => {
            let _ = write!(text, "  {count} versions");
        }
    }
    if info.current().is_none() && !info.versions.is_empty() {
        text.push_str(", none current");
    }
    if let Some(changed) = info.changed.and_then(|time| u64::try_from(time).ok()) {
        let _ = write!(
            text,
            ", changed {}",
            crate::config::Date::from_unix(changed)
        );
    }
    if let Some(owner) = &info.owner {
        let _ = write!(text, ", owner {owner}");
    }
    text
}

fn fault(text: &mut String, error: &StoreError) {
    let what = error.to_string();
    let _ = writeln!(
        text,
        "fault {}\n      {}",
        one_line(&what),
        one_line(&error.help)
    );
}

/// Returns what a server said as text of one line: a line break in it would begin a line of ours.
pub(super) fn one_line(text: &str) -> String {
    crate::model::BlobPath::from(text).to_text().into_owned()
}

/// `store put`: one value, written on top of what is current.
fn put(
    file: &StoresFile,
    args: &StoresArgs,
    key: &str,
    field: Option<&str>,
) -> Result<(String, Outcome), CliError> {
    let name = one_store(file, args)?;
    let store = stores::open_all(file, std::slice::from_ref(&name))
        .pop()
        .ok_or(CliError::WhichStore {
            help: String::new(),
        })?
        .1?;
    if !store.capabilities().write {
        return Err(StoreError::unsupported(&name, "write").into());
    }
    let key = KeyPath::new(key);
    let base = match store.describe(&key) {
        Ok(info) => info.current().map(|version| version.id.clone()),
        Err(error) if error.fault == Fault::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    // No version is the base of a key that is not there yet.
    let base = base.unwrap_or_else(|| VersionId::new(""));
    let secret = value::read(&key, field)?;
    let fields = BTreeMap::from([(field.unwrap_or_default().to_owned(), secret)]);
    let version = store.stage(&Change {
        key: &key,
        base: &base,
        fields: &fields,
        token: settings::random_key()?
            .to_hex()
            .get(..32)
            .unwrap_or_default(),
    })?;
    if store.capabilities().pending {
        store.promote(&key, &base, &version)?;
    }
    let field = field.map(|field| format!(" {field}")).unwrap_or_default();
    let mut text = format!("wrote {key}{field} in {name}: version {version}\n");
    let kind = file.stores.get(&name).map(|entry| &entry.kind);
    if matches!(kind, Some(StoreKind::Local(_))) {
        // One stores file may serve several repositories, and whoever changes the file names its readers: the user should see both.
        let _ = writeln!(text, "      into {}", store.address());
        let readers = store.readers(&key)?;
        let _ = writeln!(text, "      sealed for {}", readers.sample.join(", "));
        if let Some(more) = readers
            .known
            .checked_sub(readers.sample.len() as u64)
            .filter(|more| *more > 0)
        {
            let _ = writeln!(
                text,
                "      and {more} more: `keysweep store doctor` names all"
            );
        }
    }
    Ok((text, Outcome::Clean))
}

fn one_store(file: &StoresFile, args: &StoresArgs) -> Result<String, CliError> {
    let names: Vec<&String> = if args.store.is_empty() {
        file.stores.keys().collect()
    } else {
        args.store.iter().collect()
    };
    match names.as_slice() {
        [name] => Ok((*name).clone()),
        [] => Err(CliError::WhichStore {
            help: "the stores file has none: `keysweep store init` makes one".to_owned(),
        }),
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(CliError::WhichStore {
                help: format!("say which with --store: {}", names.join(", ")),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_toml() {
        let odd = "C:\\a \"b\"\n\u{e9}";
        let text = format!("x = {}", toml_text(odd));
        let table: BTreeMap<String, String> = toml::from_str(&text).unwrap();
        assert_eq!(table.get("x").map(String::as_str), Some(odd));
    }
}

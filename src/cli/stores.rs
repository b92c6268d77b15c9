//! The user's stores file, and stores opened by it: for `store`, `verify` and `rotate`.
//!
//! Promises: a file inside the repository at hand, or one that others may change, is refused: it says where secrets are sent and
//! which programs run. Relative paths in it begin at its folder.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::{args::StoresArgs, error::CliError, settings};
use crate::{
    config::stores::{StoreKind, StoresFile},
    model::{closest, quotable},
    sources::{SourceError, repo},
    stores::{self, Fault, FileVersion, SecretStore, StoreError, Surroundings, credential},
};

/// Most bytes of a stores file.
const MAX_BYTES: u64 = 1 << 20;

/// A store by its name, or why it is not open.
pub(super) type Opened = (String, Result<Box<dyn SecretStore>, StoreError>);

/// Returns where keysweep keeps what is the user's own: `$XDG_CONFIG_HOME/keysweep`, else `~/.config/keysweep`.
pub(super) fn user_folder() -> Option<PathBuf> {
    let config = settings::variable("XDG_CONFIG_HOME").map(PathBuf::from);
    // The specification of base directories: a relative path there is not valid.
    let config = config.filter(|path| path.is_absolute());
    let config = config.or_else(|| settings::home().map(|home| home.join(".config")));
    config.map(|config| config.join("keysweep"))
}

/// Returns the stores file that counts.
pub(super) fn place(args: &StoresArgs) -> Result<PathBuf, CliError> {
    let default = || user_folder().map(|folder| folder.join("stores.toml"));
    args.stores
        .clone()
        .or_else(default)
        .ok_or(CliError::NoStoresFile {
            path: PathBuf::from("~/.config/keysweep/stores.toml"),
        })
}

/// Reads the stores file.
///
/// # Errors
/// If there is none, others may change it, or what it says is wrong.
pub(super) fn load(args: &StoresArgs) -> Result<StoresFile, CliError> {
    let path = place(args)?;
    let meta = fs::metadata(&path);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => CliError::NoStoresFile { path: path.clone() },
        _ => CliError::StoresFileRead {
            path: path.clone(),
            source,
        },
    };
    let meta = meta.map_err(failed)?;
    if is_open_to_others(&meta) {
        return Err(CliError::StoresFileOpen { path });
    }
    if meta.len() > MAX_BYTES {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(&path).map_err(failed)?;
    let mut file = StoresFile::parse(&path.to_string_lossy(), &text)?;
    // A name that is none is a slip of the user's, not a fault of a store.
    if let Some(name) = args
        .store
        .iter()
        .find(|name| !file.stores.contains_key(*name))
    {
        return Err(unknown(&file, name).into());
    }
    let whole = path.canonicalize().map_err(failed)?;
    if let Some(folder) = whole.parent() {
        anchor(&mut file, folder);
    }
    Ok(file)
}

/// Refuses a stores file that lies in a work tree that `root`, or the directory in which the command runs, is in: whoever writes the tree
/// would say where secrets are sent. Each work tree above counts, for one may be embedded in another.
///
/// # Errors
/// [`CliError::StoresFileInside`].
pub(super) fn refuse_inside(args: &StoresArgs, root: &Path) -> Result<(), CliError> {
    // The default place is the user's own, though a home directory may itself be a repository (dotfiles).
    if args.stores.is_none() {
        return Ok(());
    }
    let path = place(args)?;
    let mut trees = trees_above(root);
    trees.extend(trees_above(&settings::working_directory()));
    // Without a repository the tree is what was named; at the very top that says nothing.
    let whole = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    if work_tree(root).is_none() && whole.parent().is_some() {
        trees.push(root.to_owned());
    }
    match trees.into_iter().find(|tree| is_below(&path, tree)) {
        Some(tree) => Err(CliError::StoresFileInside { path, tree }),
        None => Ok(()),
    }
}

/// Returns all work trees that `path` is in: by its name, and where it leads.
fn trees_above(path: &Path) -> Vec<PathBuf> {
    let names = [std::path::absolute(path).ok(), path.canonicalize().ok()];
    let folders = names.iter().flatten().flat_map(|path| path.ancestors());
    let tree = |folder: &Path| {
        // Also one whose git directory says that its files are elsewhere, or cannot be read.
        let is_tree = folder.join(".git").symlink_metadata().is_ok();
        work_tree(folder)
            .into_iter()
            .chain(is_tree.then(|| folder.to_owned()))
    };
    let mut trees: Vec<PathBuf> = folders.flat_map(tree).collect();
    trees.sort();
    trees.dedup();
    trees
}

/// Returns the work tree that `path` is in, if it is in one.
pub(super) fn work_tree(path: &Path) -> Option<PathBuf> {
    // What is not there yet is where its first folder that is there will hold it.
    let whole = std::path::absolute(path).ok()?;
    let known = whole.ancestors().find(|folder| folder.exists())?;
    let repository = repo::Repository::open(known).ok()?;
    repository.work_tree().map(Path::to_owned)
}

/// Refuses a stores file without a store: nothing could be asked.
///
/// # Errors
/// [`CliError::Store`].
pub(super) fn refuse_empty(file: &StoresFile) -> Result<(), CliError> {
    if !file.stores.is_empty() {
        return Ok(());
    }
    Err(StoreError::new(
        "stores.toml",
        Fault::Setup,
        "it names no store",
        "`keysweep store init` makes one; docs/stores.md has the others",
    )
    .into())
}

/// Tells whether a path lies in a tree, as it is written or where it leads, or whether the tree decides where it leads.
fn is_below(path: &Path, tree: &Path) -> bool {
    let (Ok(whole), Ok(tree)) = (std::path::absolute(path), tree.canonicalize()) else {
        return false;
    };
    let touches = |path: &Path| {
        path.ancestors()
            .filter_map(|part| part.canonicalize().ok())
            .any(|part| part.starts_with(&tree))
    };
    let written = without_parents(&whole);
    // `app/../stores.toml` passes through the tree, and is elsewhere all the same; behind a link of the tree `..` is what the link says.
    let is_plain = led_to(&written) == led_to(&whole);
    touches(&written)
        || led_to(&whole).is_some_and(|end| touches(&end))
        || !is_plain && touches(&whole)
}

/// Returns a path with each `..` taken with the name before it, as it is written.
fn without_parents(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Returns where the system finds a path, or would find it if the file were there.
fn led_to(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let folder = path.parent()?.canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    })
}

/// Opens the stores of these names, or all if there are none; in the order of their names.
pub(super) fn open_all(file: &StoresFile, names: &[String]) -> Vec<Opened> {
    let surroundings = surroundings();
    let open = |name: &String| match file.stores.get(name) {
        Some(entry) => stores::open(name, entry, &surroundings),
        None => Err(unknown(file, name)),
    };
    let all: Vec<String> = if names.is_empty() {
        file.stores.keys().cloned().collect()
    } else {
        names.to_vec()
    };
    all.into_iter()
        .map(|name| {
            let opened = open(&name);
            (name, opened)
        })
        .collect()
}

fn unknown(file: &StoresFile, name: &str) -> StoreError {
    let names = file.stores.keys().map(String::as_str);
    let help = closest(name, names.clone()).map_or_else(
        || {
            let names: Vec<&str> = names.collect();
            format!("the stores file has: {}", names.join(", "))
        },
        |near| format!("did you mean `{near}`?"),
    );
    StoreError::new(
        &quotable(name),
        Fault::Setup,
        "there is no such store in the stores file",
        help,
    )
}

/// Returns what stores may look at of the user's environment.
pub(super) fn surroundings() -> Surroundings<'static> {
    Surroundings {
        variable: &settings::variable,
        home: settings::home(),
        history: &history,
    }
}

/// Returns the versions of a file in git; none for a file in no repository.
fn history(file: &Path) -> Result<Vec<FileVersion>, String> {
    let versions = match repo::versions(file) {
        Ok(versions) => versions,
        Err(SourceError::NoRepository { .. } | SourceError::Path { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    Ok(versions
        .into_iter()
        .map(|version| FileVersion {
            commit: version.commit.to_string(),
            time: version.time,
            bytes: version.bytes.unwrap_or_default(),
        })
        .collect())
}

/// Lets relative paths of files begin at `folder`, never at the tree that is scanned, and `~/` at the user's home.
fn anchor(file: &mut StoresFile, folder: &Path) {
    let home = settings::home();
    let whole = |path: &mut PathBuf| {
        if path.as_os_str().is_empty() {
            return;
        }
        let at_home = credential::at_home(path, home.as_deref());
        *path = folder.join(at_home);
    };
    for entry in file.stores.values_mut() {
        match &mut entry.kind {
            StoreKind::Local(settings) => {
                whole(&mut settings.file);
                if let Some(identity) = &mut settings.identity {
                    whole(identity);
                }
            }
            StoreKind::Dotenv(settings) => settings.files.iter_mut().for_each(whole),
            StoreKind::Openorch(settings) => whole(&mut settings.token_file),
            StoreKind::Kubernetes(settings) => settings.kubeconfig.iter_mut().for_each(whole),
            StoreKind::Vault(settings) => {
                if let Some(log) = &mut settings.audit_file {
                    *log = credential::at_home(log, home.as_deref());
                }
            }
            StoreKind::Command(_)
            | StoreKind::Aws(_)
            | StoreKind::Ssm(_)
            | StoreKind::Gcp(_)
            | StoreKind::Azure(_) => {}
        }
    }
    for sink in &mut file.sinks {
        sink.files().into_iter().for_each(whole);
    }
}

#[cfg(unix)]
fn is_open_to_others(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    meta.mode() & 0o022 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_meta: &fs::Metadata) -> bool {
    false
}

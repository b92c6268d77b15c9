//! Older versions of the file: those that git keeps, and those that a write set aside because git did not have them yet.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    file::{Key, NameKey, SopsFile},
    identities::Identities,
    sealed::DataKey,
    trouble::Trouble,
    write,
};
use crate::stores::{FileVersion, KeyInfo, KeyPath, VersionId, VersionInfo, VersionState};

/// Most versions that were set aside which are read.
const MAX_ASIDE: usize = 64;
/// Most files of such a name that are opened at all.
const MAX_TRIED: usize = 1_024;
/// Most bytes of such files that are read at all, but for the newest one: whoever writes the repository must not keep us busy.
const MAX_TRIED_BYTES: u64 = 16 << 20;
/// The end of the name of a version that was set aside.
const ASIDE: &str = ".before";

/// One older version of the whole file.
pub(super) struct Past {
    pub(super) bytes: Vec<u8>,
    /// When it came to be, Unix seconds, where git says it.
    pub(super) time: Option<i64>,
    /// When it was changed last, Unix seconds, as it says itself.
    modified: Option<i64>,
    pub(super) key: DataKey,
    pub(super) keys: BTreeMap<KeyPath, Key>,
}

/// All older versions that open, newest first.
#[derive(Default)]
pub(super) struct Pasts {
    pub(super) versions: Vec<Past>,
    /// How many did not open: sealed for others, or no SOPS files.
    pub(super) shut: usize,
}

impl Past {
    fn read(
        bytes: Vec<u8>,
        time: Option<i64>,
        identities: &Identities,
        run: &NameKey,
    ) -> Result<Self, Trouble> {
        let file = SopsFile::open(&bytes, identities, run)?;
        let modified = file.metadata.modified.0.parse::<jiff::Timestamp>();
        Ok(Self {
            bytes,
            time,
            modified: modified.ok().map(jiff::Timestamp::as_second),
            key: file.key,
            keys: file.keys,
        })
    }
}

/// Reads what git keeps.
pub(super) fn of_git(versions: Vec<FileVersion>, identities: &Identities, run: &NameKey) -> Pasts {
    let mut pasts = Pasts::default();
    for version in versions {
        match Past::read(version.bytes, Some(version.time), identities, run) {
            Ok(past) => pasts.versions.push(past),
            Err(_) => pasts.shut += 1,
        }
    }
    pasts
}

/// What writes set aside beside a file.
#[derive(Default)]
pub(super) struct Aside {
    /// Newest first.
    pub(super) versions: Vec<Past>,
    /// Files of such a name that do not open, or are too many to be read.
    pub(super) left: usize,
}

/// What a folder showed of the files that were set aside, for telling that nothing has changed.
pub(super) type Seen = Vec<(Option<SystemTime>, u64, PathBuf)>;

/// Returns the files that were set aside, newest first, unopened.
pub(super) fn look(file: &Path) -> Seen {
    let mut seen: Seen = aside_files(file)
        .into_iter()
        .map(|path| {
            let meta = fs::symlink_metadata(&path).ok();
            let length = meta.as_ref().map_or(0, fs::Metadata::len);
            (meta.and_then(|meta| meta.modified().ok()), length, path)
        })
        .collect();
    seen.sort_by(|left, right| right.cmp(left));
    seen
}

/// Reads what writes set aside. Only files that open count for the limit: others could hide those that matter.
pub(super) fn set_aside(seen: &Seen, identities: &Identities, run: &NameKey) -> Aside {
    let mut aside = Aside::default();
    let mut bytes = 0_u64;
    for (tried, (_, length, path)) in seen.iter().enumerate() {
        bytes = bytes.saturating_add(*length);
        let is_too_much = tried > 0 && bytes > MAX_TRIED_BYTES;
        if aside.versions.len() >= MAX_ASIDE || tried >= MAX_TRIED || is_too_much {
            aside.left += seen.len() - tried;
            break;
        }
        match one(path, identities, run) {
            Some(past) => aside.versions.push(past),
            None => aside.left += 1,
        }
    }
    aside
}

fn one(path: &Path, identities: &Identities, run: &NameKey) -> Option<Past> {
    let bytes = write::read_own(path).ok()?;
    Past::read(bytes, None, identities, run).ok()
}

/// Reads the file that was set aside for the version `name`, however many others there are.
pub(super) fn by_name(
    file: &Path,
    name: &VersionId,
    identities: &Identities,
    run: &NameKey,
) -> Option<Past> {
    let known = name.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
    known
        .then(|| one(&aside_name(file, name), identities, run))
        .flatten()
}

fn aside_name(file: &Path, name: &VersionId) -> PathBuf {
    write::beside(file, &format!(".{name}{ASIDE}"))
}

/// Keeps `bytes`, the content of `file` before a write, under a name of its own. Something else of that name gives way: the caller has
/// seen that it is not this version.
pub(super) fn keep(file: &Path, bytes: &[u8], name: &VersionId) -> Result<(), Trouble> {
    let path = aside_name(file, name);
    if fs::symlink_metadata(&path).is_ok() {
        if write::read_own(&path).is_ok_and(|kept| kept == bytes) {
            return Ok(());
        }
        return write::replace_with(&path, bytes, None);
    }
    write::create(&path, bytes, true)
}

/// Drops what was set aside and is in git by now.
pub(super) fn tidy(file: &Path, git: &[Past]) {
    for path in aside_files(file) {
        // Only what is as long as one of them is worth a look.
        let length = fs::symlink_metadata(&path).map(|meta| meta.len());
        let fits = |past: &Past| {
            length
                .as_ref()
                .is_ok_and(|length| *length == past.bytes.len() as u64)
        };
        if !git.iter().any(fits) {
            continue;
        }
        let Ok(bytes) = write::read_own(&path) else {
            continue;
        };
        if git.iter().any(|past| past.bytes == bytes) {
            // Nothing depends on it: what stays is read as a version twice and told once.
            let _ = fs::remove_file(&path);
        }
    }
}

fn aside_files(file: &Path) -> Vec<PathBuf> {
    let start = write::beside(file, ".");
    let Some(start) = start.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(folder.unwrap_or_else(|| Path::new("."))) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(start) && name.ends_with(ASIDE))
        })
        .collect();
    found.sort();
    found
}

/// Returns all older versions of the file, newest first: what was set aside may be older than what was committed since.
pub(super) fn merged<'p>(aside: &'p [Past], git: &'p [Past]) -> Vec<&'p Past> {
    let mut git = git.iter().peekable();
    let mut all = Vec::with_capacity(aside.len() + git.len());
    for past in aside {
        while let Some(newer) =
            git.next_if(|one| past.modified.is_some() && one.modified >= past.modified)
        {
            all.push(newer);
        }
        all.push(past);
    }
    all.extend(git);
    all
}

/// Tells the versions of one key: consecutive files in which its values are the same are one version. Times are those of commits alone: a
/// file's own `lastmodified` is that of its last change, of whichever key, and what lies between two states of a file nobody knows.
pub(super) fn info(
    current: Option<&Key>,
    pasts: &[&Past],
    path: &KeyPath,
    trimmed: bool,
) -> Option<KeyInfo> {
    let mut versions: Vec<VersionInfo> = Vec::new();
    let mut last: Option<[u8; 32]> = None;
    if let Some(key) = current {
        versions.push(VersionInfo {
            id: key.id(),
            state: VersionState::Current,
            created: None,
        });
        last = Some(key.digest);
    }
    for past in pasts {
        let Some(key) = past.keys.get(path) else {
            last = None;
            continue;
        };
        if last == Some(key.digest) {
            // The oldest file of a run is the one that brought the values.
            if let Some(version) = versions.last_mut() {
                version.created = past.time.or(version.created);
            }
            continue;
        }
        last = Some(key.digest);
        versions.push(VersionInfo {
            id: key.id(),
            state: VersionState::Previous,
            created: past.time,
        });
    }
    // A reverted commit brings an old ciphertext back: one name, told once, where it is newest.
    let mut seen = std::collections::BTreeSet::new();
    versions.retain(|version| seen.insert(version.id.clone()));
    if versions.is_empty() {
        return None;
    }
    Some(KeyInfo {
        changed: current
            .and_then(|_| versions.first())
            .and_then(|version| version.created),
        versions,
        trimmed,
        next_rotation: None,
        owner: current.and_then(|key| key.owner.clone()),
        environment: current.and_then(|key| key.environment.clone()),
        hidden: false,
        native_rotation: false,
    })
}

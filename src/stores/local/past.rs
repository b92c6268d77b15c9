//! Older versions of the file: those that git keeps, and those that a write set aside because git did not have them yet.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
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
/// The end of the name of a version that was set aside.
const ASIDE: &str = ".before";

/// One older version of the whole file.
pub(super) struct Past {
    pub(super) bytes: Vec<u8>,
    /// When it came to be, Unix seconds, where git says it.
    pub(super) time: Option<i64>,
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
        Ok(Self {
            bytes,
            time,
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

/// Reads what writes set aside beside `file`, newest first.
pub(super) fn set_aside(file: &Path, identities: &Identities, run: &NameKey) -> Vec<Past> {
    let read = |path: PathBuf| {
        let bytes = write::read(&path).ok()?;
        let time = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        let past = Past::read(bytes, None, identities, run).ok()?;
        Some((time, path, past))
    };
    let mut found: Vec<_> = aside_files(file)
        .into_iter()
        .take(MAX_ASIDE)
        .filter_map(read)
        .collect();
    found.sort_by(|left, right| (right.0, &right.1).cmp(&(left.0, &left.1)));
    found.into_iter().map(|(_, _, past)| past).collect()
}

/// Keeps `bytes`, the content of `file` before a write, under a name of its own.
pub(super) fn keep(file: &Path, bytes: &[u8], name: &VersionId) -> Result<(), Trouble> {
    let path = write::beside(file, &format!(".{name}{ASIDE}"));
    if path.exists() {
        return Ok(());
    }
    write::create(&path, bytes, true)
}

/// Drops what was set aside and is in git by now.
pub(super) fn tidy(file: &Path, git: &[Past]) {
    for path in aside_files(file) {
        let Ok(bytes) = write::read(&path) else {
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

/// Tells the versions of one key: consecutive files in which its values are the same are one version.
pub(super) fn info(
    current: Option<&Key>,
    pasts: &[&Past],
    path: &KeyPath,
    modified: Option<i64>,
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
    if let (Some(first), Some(_)) = (versions.first_mut(), current) {
        first.created = first.created.or(modified);
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

//! What is left of a dead credential: a keyed identity, so that `verify` knows it when it is found again after its store has
//! forgotten it.
//!
//! Promises: no value and no plain hash; the team key is made once, for its owner alone. Whoever has the key and this file can test
//! guesses: keep both as private as the store (docs/rotate.md).

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    RotateError,
    canonical::canonical,
    chain::{private, private_directory, sync_directory},
};
use crate::model::{DigestKey, Secret, hex};

/// One dead credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// [`DigestKey::digest`] of the value under the team key, family [`Tombstones::FAMILY`], in hex.
    pub tag: String,
    /// The journal's id.
    pub rotation: String,
    /// The store's name.
    pub store: String,
    /// The key's path.
    pub key: String,
    /// The version that held it.
    pub version: String,
    /// The field, if the key has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When it was known to be dead, RFC 3339.
    pub died: String,
    /// Whether its target had refused it then, twice; otherwise nothing could be asked.
    #[serde(default)]
    pub refused: bool,
}

/// The tombstones of a state directory.
#[derive(Debug)]
pub struct Tombstones {
    path: PathBuf,
    key: DigestKey,
}

impl Tombstones {
    /// The family of the digests.
    pub const FAMILY: &'static str = "tombstone";
    /// The file of tombstones in the state directory, JSONL.
    pub const FILE: &'static str = "tombstones.jsonl";
    /// The file of the team key in the state directory: 64 hex digits. Copy it to the other machines of the team.
    pub const KEY_FILE: &'static str = "team.key";

    /// Opens the tombstones; makes the team key from `random` if there is none.
    ///
    /// # Errors
    /// [`RotateError::File`] for files, and [`RotateError::Damaged`] if the key's file holds something else.
    pub fn open(
        state: &Path,
        random: &dyn Fn(&mut [u8]) -> Result<(), RotateError>,
    ) -> Result<Self, RotateError> {
        private_directory(state)?;
        let key_path = state.join(Self::KEY_FILE);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        private(&mut options);
        let file = |doing| {
            let path = key_path.clone();
            move |source| RotateError::file(doing, &path, source)
        };
        match options.open(&key_path) {
            Ok(mut new) => {
                let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
                random(bytes.as_mut_slice())?;
                let text = zeroize::Zeroizing::new(format!("{}\n", hex(bytes.as_slice())));
                new.write_all(text.as_bytes())
                    .and_then(|()| new.sync_all())
                    .map_err(file("write"))?;
                sync_directory(&key_path)?;
            }
            Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(file("make")(source)),
        }
        let text = zeroize::Zeroizing::new(fs::read_to_string(&key_path).map_err(file("read"))?);
        let key = DigestKey::from_hex(text.trim()).ok_or_else(|| RotateError::Damaged {
            path: super::error::shown(&key_path),
            line: 1,
            what: "it is no key of 64 hex digits".to_owned(),
        })?;
        Ok(Self {
            path: state.join(Self::FILE),
            key,
        })
    }

    /// Returns a value's tag.
    #[must_use]
    pub fn tag(&self, value: &Secret) -> String {
        self.key.digest(Self::FAMILY, value).to_hex()
    }

    /// Returns all tombstones; a last line that was not written to its end is left out.
    ///
    /// # Errors
    /// [`RotateError::File`], [`RotateError::Damaged`].
    pub fn all(&self) -> Result<Vec<Tombstone>, RotateError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(RotateError::file("read", &self.path, source)),
        };
        let whole = text.get(..text.rfind('\n').map_or(0, |at| at + 1));
        let lines = whole.unwrap_or_default().lines().enumerate();
        let stones = lines.map(|(n, line)| {
            serde_json::from_str(line).map_err(|_| RotateError::Damaged {
                path: super::error::shown(&self.path),
                line: n + 1,
                what: "it is no tombstone".to_owned(),
            })
        });
        stones.collect()
    }

    /// Adds a tombstone unless the same rotation has left one for this version.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub fn add(&self, stone: &Tombstone) -> Result<(), RotateError> {
        let known = self.all()?;
        let is_same =
            |other: &Tombstone| other.rotation == stone.rotation && other.tag == stone.tag;
        if known.iter().any(is_same) {
            return Ok(());
        }
        let error = |source| RotateError::file("write", &self.path, source);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        private(&mut options);
        let mut file = options.open(&self.path).map_err(error)?;
        let mut text = canonical(stone).unwrap_or_default();
        text.push('\n');
        // What a crash left of a line must not run into this one.
        let bytes = fs::read(&self.path).map_err(error)?;
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        file.set_len(whole as u64).map_err(error)?;
        file.write_all(text.as_bytes()).map_err(error)?;
        file.sync_all().map_err(error)?;
        sync_directory(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_value_is_known_again_and_written_once() {
        let directory = tempfile::tempdir().unwrap();
        let random = |bytes: &mut [u8]| {
            bytes.fill(7);
            Ok(())
        };
        let stones = Tombstones::open(directory.path(), &random).unwrap();
        let stone = Tombstone {
            tag: stones.tag(&Secret::new(b"made-up value")),
            rotation: "r".into(),
            store: "s".into(),
            key: "k".into(),
            version: "1".into(),
            field: None,
            died: "2026-01-01T00:00:00Z".into(),
            refused: false,
        };
        stones.add(&stone).unwrap();
        let path = directory.path().join(Tombstones::FILE);
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"tag\":\"torn");
        fs::write(&path, text).unwrap();
        stones.add(&stone).unwrap();
        let other = Tombstone {
            rotation: "other".into(),
            ..stone.clone()
        };
        stones.add(&other).unwrap();
        // The key stays what it was.
        let again = Tombstones::open(directory.path(), &|bytes| {
            bytes.fill(8);
            Ok(())
        })
        .unwrap();
        assert_eq!(again.all().unwrap(), [stone.clone(), other]);
        assert_eq!(again.tag(&Secret::new(b"made-up value")), stone.tag);
        assert!(!fs::read_to_string(&path).unwrap().contains("made-up"));
    }
}

//! The rotations of a state directory, and how far each is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    RotateError,
    error::shown,
    journal::{self, Journal},
    state::State,
};
use crate::model::quotable;

/// One line of `rotate status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The journal's id.
    pub id: String,
    /// What is done to what.
    pub title: String,
    /// How far it is.
    pub state: State,
    /// What the last record notes.
    pub note: Option<String>,
    /// The end of grace, Unix seconds.
    pub until: Option<i64>,
    /// When the last record was written, Unix seconds.
    pub last: i64,
}

impl Status {
    /// Returns the end of grace while it lasts, Unix seconds.
    #[must_use]
    pub fn grace(&self) -> Option<i64> {
        self.until.filter(|_| self.state == State::Grace)
    }

    /// Returns the exit code that fits (DESIGN section 3): 12 for all that go on, 13 for what was taken back, 14 for what needs a person.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self.state {
            State::Done => 0,
            State::RolledBack => 13,
            State::NeedsHuman => 14,
            _ => 12,
        }
    }
}

/// Returns the keys (store, key) of a rotation, or of all that have not ended: what `resume` needs opened.
///
/// # Errors
/// As [`super::resume`].
pub fn pending_keys(
    id: Option<&str>,
    journals: &Path,
) -> Result<BTreeSet<(String, String)>, RotateError> {
    let paths = match id {
        Some(id) => vec![known(journals, id)?],
        None => all(journals)?,
    };
    let mut keys = BTreeSet::new();
    for path in paths {
        if let Some(journal) = Journal::look(&path)?
            && (id.is_some() || !has_ended(&journal))
        {
            let action = &journal.begin.action;
            keys.insert((action.store.clone(), action.key.clone()));
        }
    }
    Ok(keys)
}

/// Returns how far all rotations are, by their ids.
///
/// # Errors
/// What files meet; a journal that is in use is told as such.
pub fn status(journals: &Path) -> Result<Vec<Status>, RotateError> {
    let mut found = Vec::new();
    for path in all(journals)? {
        let Some(journal) = Journal::look(&path)? else {
            continue;
        };
        let progress = &journal.progress;
        found.push(Status {
            id: journal.begin.id.clone(),
            title: journal.begin.action.title(),
            state: progress.state,
            note: progress.note.clone(),
            until: progress.until,
            last: progress.last,
        });
    }
    Ok(found)
}

pub(super) fn all(journals: &Path) -> Result<Vec<PathBuf>, RotateError> {
    let error = |source| RotateError::file("read", journals, source);
    let entries = match fs::read_dir(journals) {
        Ok(entries) => entries,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(error(source)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(error)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn has_ended(journal: &Journal) -> bool {
    matches!(
        journal.progress.state,
        State::Done | State::RolledBack | State::NeedsHuman
    )
}

pub(super) fn known(journals: &Path, id: &str) -> Result<PathBuf, RotateError> {
    let path = journal::path(journals, id);
    // An id is a file's name and nothing that leads elsewhere.
    let is_name = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if is_name && path.exists() {
        Ok(path)
    } else {
        Err(RotateError::Unknown {
            what: format!(
                "there is no rotation `{}` in {}",
                quotable(id),
                shown(journals)
            ),
            help: "keysweep rotate status lists them".to_owned(),
        })
    }
}

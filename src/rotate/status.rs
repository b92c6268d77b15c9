//! The rotations of a state directory, and how far each is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    RotateError,
    error::{id_of, shown},
    journal::{self, Begin, Progress},
    seal::Sealer,
    state::State,
};
use crate::model::quotable;

/// One line of `rotate status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A rotation whose journal is in order.
    Rotation(Status),
    /// A journal that counts for nothing: it was changed, is of another state directory, or cannot be read.
    Damaged {
        /// Its id, by its file's name.
        id: String,
        /// What is wrong with it.
        why: String,
        /// What to do.
        help: String,
    },
}

impl Listed {
    /// Returns the exit code of one that has not ended (DESIGN section 3); 0 if it has.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Rotation(status) => status.code(),
            Self::Damaged { .. } => 14,
        }
    }

    /// Tells whether it is history.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self, Self::Rotation(status) if status.state.is_end())
    }
}

/// How far a rotation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The journal's id.
    pub id: String,
    /// The store's name.
    pub store: String,
    /// The key.
    pub key: String,
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
    /// It has ended and its journal still holds sealed values: a crash, or an older program.
    pub sealed: bool,
}

impl Status {
    pub(super) fn of(begin: Begin, progress: &Progress) -> Self {
        Self {
            id: begin.id,
            title: begin.action.title(),
            store: begin.action.store,
            key: begin.action.key,
            state: progress.state,
            note: progress.note.clone().or_else(|| progress.back.clone()),
            until: progress.until,
            last: progress.last,
            sealed: progress.state.is_end() && progress.sealed.is_some(),
        }
    }

    /// Returns the end of grace while it lasts, Unix seconds.
    #[must_use]
    pub fn grace(&self) -> Option<i64> {
        self.until.filter(|_| self.state == State::Grace)
    }

    /// Returns the exit code of one that has not ended (DESIGN section 3): 12 is under way, 14 needs a person; 0 if it has ended.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self.state {
            State::NeedsHuman => 14,
            State::Done | State::RolledBack | State::Abandoned => 0,
            _ => 12,
        }
    }
}

/// What `resume` has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// The keys (store, key) that it needs opened.
    pub keys: BTreeSet<(String, String)>,
    /// Whether there is anything: a rotation that has not ended, a damaged journal, or one that has ended and holds sealed values.
    pub any: bool,
}

/// Returns what `resume` has to do about a rotation, or about all. Journals are believed here without their tags: they only say what to open.
///
/// # Errors
/// [`RotateError::Unknown`] for an id without journal, and what files meet.
pub fn pending(id: Option<&str>, journals: &Path) -> Result<Pending, RotateError> {
    let paths = match id {
        Some(id) => vec![known(journals, id)?],
        None => all(journals)?,
    };
    let mut pending = Pending::default();
    for path in paths {
        match journal::look(&path, None) {
            Ok(Some((begin, progress))) => {
                let ended = progress.state.is_end();
                pending.any |= id.is_some() || !ended || progress.sealed.is_some();
                if !ended {
                    pending.keys.insert((begin.action.store, begin.action.key));
                }
            }
            Ok(None) => {}
            // Told by whoever opens it.
            Err(_) => pending.any = true,
        }
    }
    Ok(pending)
}

/// Returns how far all rotations are, by their ids; reads only. With a sealer the tags are checked, too: without one a journal that
/// somebody else has written may look like one of ours.
///
/// # Errors
/// If the directory cannot be read; a journal that cannot be read is [`Listed::Damaged`].
pub fn status(journals: &Path, sealer: Option<&Sealer>) -> Result<Vec<Listed>, RotateError> {
    let mut found = Vec::new();
    for path in all(journals)? {
        match journal::look(&path, sealer) {
            Ok(Some((begin, progress))) => {
                found.push(Listed::Rotation(Status::of(begin, &progress)));
            }
            Ok(None) => {}
            Err(error) => {
                use miette::Diagnostic as _;
                let help = error.help().map(|help| help.to_string());
                found.push(Listed::Damaged {
                    id: id_of(&path),
                    why: error.to_string(),
                    help: help.unwrap_or_default(),
                });
            }
        }
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

//! What a run looks at.

use std::{collections::BTreeSet, path::PathBuf};

use super::{Mode, Scope};
use crate::{config::suppress::Extent, model::BlobPath};

/// What to look at.
#[derive(Clone, Debug)]
pub enum Target {
    /// A directory.
    Tree {
        /// The directory.
        root: PathBuf,
        /// Its path in the repository it is part of, so that a scan of a part names files as a scan of the whole does.
        prefix: BlobPath,
    },
    /// Files and directories named one by one.
    Files {
        /// What paths in the report are relative to.
        root: PathBuf,
        /// As the user named them.
        files: Vec<PathBuf>,
    },
    /// Standard input.
    Stdin,
    /// The index against HEAD.
    Staged {
        /// A path inside the repository.
        repository: PathBuf,
        /// The index file, if git named another one than the usual (`GIT_INDEX_FILE`, as in `git commit FILE`).
        index: Option<PathBuf>,
    },
    /// Commits of a range.
    Range {
        /// A path inside the repository.
        repository: PathBuf,
        /// `A..B`.
        range: String,
    },
    /// Everything a repository holds.
    History {
        /// A path inside the repository.
        repository: PathBuf,
        /// Also what nothing leads to.
        unreachable: bool,
        /// Whether versions of files are scanned by what changed; the results are the same.
        delta: bool,
    },
}

impl Target {
    /// Returns the mode for reports.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Tree { .. } | Self::Files { .. } => Mode::Tree,
            Self::Stdin => Mode::Stdin,
            Self::Staged { .. } => Mode::Staged,
            Self::Range { .. } => Mode::Range,
            Self::History { .. } => Mode::History,
        }
    }

    /// Returns how much of its tree or repository it is.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Self::Tree { prefix, .. } if !prefix.as_bytes().is_empty() => {
                Scope::Directory(prefix.clone())
            }
            Self::Files { .. } => Scope::Files,
            Self::Tree { .. }
            | Self::Stdin
            | Self::Staged { .. }
            | Self::Range { .. }
            | Self::History { .. } => Scope::Whole,
        }
    }

    /// Returns how far a run over it looks; `paths` are those of the contents that it read, if it is a list of files.
    #[must_use]
    pub fn extent(&self, paths: BTreeSet<String>) -> Extent {
        match self {
            Self::History { .. } => Extent::History,
            Self::Tree { prefix, .. } if prefix.as_bytes().is_empty() => Extent::Tree,
            Self::Tree { prefix, .. } => Extent::Directory(prefix.clone()),
            Self::Files { .. } | Self::Stdin | Self::Staged { .. } | Self::Range { .. } => {
                Extent::Files(paths)
            }
        }
    }

    /// Tells whether it is single contents rather than a directory or all there is.
    pub(super) const fn is_listed(&self) -> bool {
        match self {
            Self::Files { .. } | Self::Stdin | Self::Staged { .. } | Self::Range { .. } => true,
            Self::Tree { .. } | Self::History { .. } => false,
        }
    }

    /// Tells whether findings count to which nothing leads.
    pub(super) const fn wants_unreachable(&self) -> bool {
        matches!(
            self,
            Self::History {
                unreachable: true,
                ..
            }
        )
    }
}

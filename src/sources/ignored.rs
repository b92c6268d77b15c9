//! Which files of a work tree the repository's ignore files hide.
//!
//! Promises: only what git itself would call ignored is hidden: patterns of `.gitignore` files and of `info/exclude`, inside
//! a repository, on files that its index does not hold. The user's own excludes file, `.ignore` and the like count for
//! nothing. Whatever is in doubt (an ignore file that is a link, too large, or not to be parsed; an index that can't be
//! read) hides nothing and is noted. What is hidden is the caller's to list.

use std::{
    fs::{File, Metadata},
    io::Read,
    path::{Component, Path, PathBuf},
    sync::{Arc, OnceLock},
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::model::{BlobPath, Ledger};

use super::{
    SourceError,
    repo::{IndexFile, Repository},
};

/// Most bytes of an ignore file: more than any that people write, less than what takes long to compile.
const MAX_RULES: u64 = 1 << 20;

/// Paths that the user leaves out, in the syntax of `.gitignore`, relative to the root of the scan.
#[derive(Clone, Debug)]
pub struct Excludes(Gitignore);

impl Default for Excludes {
    fn default() -> Self {
        Self(Gitignore::empty())
    }
}

impl Excludes {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// [`SourceError::Exclude`] for a pattern that is no glob.
    pub fn new<P: AsRef<str>>(patterns: &[P]) -> Result<Self, SourceError> {
        let fault = |pattern: &str, error: &ignore::Error| SourceError::Exclude {
            pattern: BlobPath::from(pattern).to_string(),
            reason: error.to_string(),
        };
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            let pattern = pattern.as_ref();
            builder
                .add_line(None, pattern)
                .map_err(|error| fault(pattern, &error))?;
        }
        builder
            .build()
            .map(Self)
            .map_err(|error| fault("all of them", &error))
    }

    /// Tells whether the path or a directory above it is left out.
    pub(super) fn cover(&self, path: &Path, is_dir: bool) -> bool {
        if self.0.is_empty() {
            return false;
        }
        // NOTE: the matcher panics on a path with a root.
        let path: PathBuf = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        self.0.matched_path_or_any_parents(path, is_dir).is_ignore()
    }
}

/// What a directory and those above it say of their entries.
#[derive(Clone, Default)]
pub(super) struct Scope {
    rules: Option<Arc<Rules>>,
    repository: Option<Arc<Inside>>,
    /// Whether the directory itself is ignored and was entered for its tracked files only.
    hidden: bool,
}

/// The patterns of one ignore file, and those of lower precedence.
struct Rules {
    patterns: Gitignore,
    above: Option<Arc<Rules>>,
}

/// A repository that a directory is in.
struct Inside {
    work_tree: PathBuf,
    repository: Repository,
    index: OnceLock<Option<Option<IndexFile>>>,
    /// The repository around it.
    outer: Option<Arc<Inside>>,
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// Read it.
    Read,
    /// Enter the directory for its tracked files.
    Enter,
    /// Leave it out and list it.
    Hide,
}

impl Scope {
    /// Returns the scope of the canonical path of a scan's root directory, with what stands above it.
    pub(super) fn of_root(root: &Path, ledger: &mut Ledger) -> Self {
        let mut scope = match Repository::open(root) {
            Ok(repository) => Self::of_repository(repository, None, ledger),
            Err(SourceError::NoRepository { .. }) => return Self::default(),
            Err(error) => {
                ledger.note(format!("ignore files were not honoured: {error}"));
                return Self::default();
            }
        };
        let Some(inside) = &scope.repository else {
            return scope;
        };
        let work_tree = inside.work_tree.clone();
        let mut above: Vec<&Path> = root.ancestors().collect();
        above.retain(|dir| dir.starts_with(&work_tree));
        for dir in above.into_iter().rev() {
            scope.read_rules(dir, ledger);
        }
        scope
    }

    fn of_repository(
        repository: Repository,
        outer: Option<Arc<Inside>>,
        ledger: &mut Ledger,
    ) -> Self {
        let Some(work_tree) = repository
            .work_tree()
            .and_then(|dir| dir.canonicalize().ok())
        else {
            return Self::default();
        };
        let exclude = repository.common_dir().join("info").join("exclude");
        let rules = Rules::read(&exclude, &work_tree, None, ledger);
        Self {
            rules,
            repository: Some(Arc::new(Inside {
                work_tree,
                repository,
                index: OnceLock::new(),
                outer,
            })),
            hidden: false,
        }
    }

    /// Returns the scope of a directory in this one. Only if it has a `.git` that opens as a repository it starts anew,
    /// as git does; the flag says so.
    pub(super) fn enter(
        &self,
        dir: &Path,
        handling: Handling,
        ledger: &mut Ledger,
    ) -> (Self, bool) {
        let mut scope = self.clone();
        let mut nested = false;
        if dir.join(".git").symlink_metadata().is_ok()
            && let Ok(repository) = Repository::open(dir)
            && repository
                .work_tree()
                .and_then(|dir| dir.canonicalize().ok())
                .as_deref()
                == Some(dir)
        {
            nested = true;
            scope = Self::of_repository(repository, self.repository.clone(), ledger);
        }
        scope.hidden = handling == Handling::Enter || self.hidden;
        if scope.repository.is_some() {
            scope.read_rules(dir, ledger);
        }
        (scope, nested)
    }

    fn read_rules(&mut self, dir: &Path, ledger: &mut Ledger) {
        let above = self.rules.take();
        self.rules = Rules::read(&dir.join(".gitignore"), dir, above, ledger);
    }

    /// Judges an entry of the directory.
    pub(super) fn judge(&self, path: &Path, is_dir: bool, ledger: &mut Ledger) -> Handling {
        if !self.hidden && !self.matches(path, is_dir) {
            return Handling::Read;
        }
        let mut inside = self.repository.as_deref();
        while let Some(repository) = inside {
            if repository.tracks(path, is_dir, ledger) {
                return if is_dir {
                    Handling::Enter
                } else {
                    Handling::Read
                };
            }
            inside = repository.outer.as_deref();
        }
        Handling::Hide
    }

    fn matches(&self, path: &Path, is_dir: bool) -> bool {
        let mut rules = self.rules.as_deref();
        while let Some(level) = rules {
            match level.patterns.matched(path, is_dir) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => rules = level.above.as_deref(),
            }
        }
        false
    }
}

/// How git sees a file of a work tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the index holds it.
    pub tracked: bool,
    /// Whether a pattern of the repository's ignore files covers it or a directory above it.
    pub covered: bool,
}

/// Returns how git sees a file; `None` outside of a work tree.
#[must_use]
pub fn standing(file: &Path) -> Option<Standing> {
    let dir = file.parent()?.canonicalize().ok()?;
    let path = dir.join(file.file_name()?);
    // What cannot be read was noted when the tree was read.
    let mut ledger = Ledger::default();
    let scope = Scope::of_root(&dir, &mut ledger);
    let inside = scope.repository.as_deref()?;
    let mut covered = scope.matches(&path, false);
    let mut at = dir.as_path();
    while !covered && at != inside.work_tree {
        let above = at.parent()?;
        covered = Scope::of_root(above, &mut ledger).matches(at, true);
        at = above;
    }
    Some(Standing {
        tracked: inside.tracks(&path, false, &mut ledger),
        covered,
    })
}

impl Rules {
    /// Reads an ignore file whose patterns are relative to `dir`; returns `above` if there is none.
    fn read(
        file: &Path,
        dir: &Path,
        above: Option<Arc<Self>>,
        ledger: &mut Ledger,
    ) -> Option<Arc<Self>> {
        let Ok(metadata) = file.symlink_metadata() else {
            return above;
        };
        let text = text_of(file, &metadata);
        match text.and_then(|text| compile(&text, dir)) {
            Some(patterns) if patterns.is_empty() => above,
            Some(patterns) => Some(Arc::new(Self { patterns, above })),
            None => {
                let name = blob_path(file);
                ledger.note(format!(
                    "the ignore file {name} cannot be used: it hides nothing"
                ));
                above
            }
        }
    }
}

/// Returns the text of an ignore file; `None` if it is no regular file, too large, or cannot be read.
fn text_of(file: &Path, metadata: &Metadata) -> Option<Vec<u8>> {
    // git does not follow links here either (gitignore(5)); a FIFO is not even opened, for that would wait.
    let open = metadata.is_file().then(|| File::open(file))?.ok()?;
    let mut text = Vec::new();
    let len = open.take(MAX_RULES + 1).read_to_end(&mut text).ok()?;
    (len as u64 <= MAX_RULES).then_some(text)
}

/// Returns the lines of an ignore file, comments among them.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Tells whether an ignore file right in a directory, where most stand, could hide something of it: ours or another tool's.
#[must_use]
pub fn could_hide(dir: &Path) -> bool {
    let hides = |name: &str| {
        let file = dir.join(name);
        let metadata = file.symlink_metadata();
        let text = metadata.ok().and_then(|metadata| text_of(&file, &metadata));
        text.is_some_and(|text| {
            lines(&text).any(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#"))
        })
    };
    [".gitignore", ".ignore", ".git/info/exclude"]
        .into_iter()
        .any(hides)
}

fn compile(text: &[u8], dir: &Path) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new(dir);
    for line in lines(text) {
        // A line that is no pattern, or no UTF-8, hides nothing.
        if let Ok(line) = std::str::from_utf8(line) {
            let _ = builder.add_line(None, line);
        }
    }
    builder.build().ok()
}

impl Inside {
    /// Tells whether the index holds the file, or files in the directory. If it can't be read, it might hold anything.
    fn tracks(&self, path: &Path, is_dir: bool, ledger: &mut Ledger) -> bool {
        let Ok(relative) = path.strip_prefix(&self.work_tree) else {
            return false;
        };
        let index = self.index.get_or_init(|| self.repository.index().ok());
        let Some(index) = index else {
            ledger.note(format!(
                "the index of {} cannot be read: ignore files hide nothing there",
                blob_path(&self.work_tree)
            ));
            return true;
        };
        let name = blob_path(relative);
        index
            .as_ref()
            .is_some_and(|index| holds(index, name.as_bytes(), is_dir))
    }
}

/// Tells whether an index holds a file (in any stage), or files in a directory.
fn holds(index: &IndexFile, path: &[u8], is_dir: bool) -> bool {
    let found = if is_dir {
        index
            .prefixed_entries([path, b"/"].concat().as_slice().into())
            .is_some()
    } else {
        index.entry_range(path.into()).is_some()
    };
    // In a sparse index one entry may stand for a whole directory; its name ends in a slash.
    let in_sparse = || {
        let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/');
        let mut dirs = ends.filter_map(|(at, _)| path.get(..=at));
        index.is_sparse() && dirs.any(|dir| index.entry_range(dir.into()).is_some())
    };
    found || in_sparse()
}

/// Returns a path as blobs have it: `/` between the parts.
pub(super) fn blob_path(path: &Path) -> BlobPath {
    let bytes = path.as_os_str().as_encoded_bytes();
    if cfg!(windows) {
        let slashed: Vec<u8> = bytes
            .iter()
            .map(|b| if *b == b'\\' { b'/' } else { *b })
            .collect();
        return BlobPath::new(slashed);
    }
    BlobPath::new(bytes)
}

/// Returns the path of a blob for matching; not for opening.
pub(super) fn as_path(path: &BlobPath) -> PathBuf {
    #[cfg(unix)]
    {
        PathBuf::from(
            <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path.as_bytes()),
        )
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(path.as_bytes()).into_owned())
    }
}

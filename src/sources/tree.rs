//! A directory with everything in it.
//!
//! Promises: hidden files are read; links are not followed, their targets and all names are text to scan; FIFOs, sockets and
//! devices are never opened; of a repository's `.git` everything is read but objects, index and logs. What ignore files, excludes and the
//! system keep from us, and which objects were left to `--history`, is in the ledger. Memory is bounded by threads times
//! [`Sizes::whole`] and one large archive.

mod area;
mod leaf;

use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use ignore::{DirEntry, ParallelVisitor, ParallelVisitorBuilder, WalkBuilder, WalkState};

use crate::model::{BlobPath, Ledger, Place, SkipCause};

use super::{
    Receiver, Run, Sizes, Source, SourceError,
    content::{self, Contents},
    ignored::{Excludes, Handling, Scope, blob_path},
    share::Hands,
};
use area::Area;
pub(super) use leaf::{file, link};

/// What of a tree is read.
#[derive(Clone, Debug, Default)]
pub struct TreeOptions {
    /// Whether to read also what `.gitignore` hides.
    pub no_ignore: bool,
    /// What the user leaves out.
    pub exclude: Excludes,
    /// How large files are cut.
    pub sizes: Sizes,
}

/// A directory.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The directory, absolute or relative.
    pub root: PathBuf,
    /// Put before the paths of blobs with a `/` between; empty for paths relative to `root`.
    pub prefix: BlobPath,
    /// What of it is read.
    pub options: TreeOptions,
    /// Whether the objects and the index of the repository at `root` are read by other sources.
    pub history: bool,
}

impl Tree {
    /// Returns a source whose paths are relative to `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, options: TreeOptions) -> Self {
        Self {
            root: root.into(),
            prefix: BlobPath::default(),
            options,
            history: false,
        }
    }
}

impl Source for Tree {
    fn read(&self, run: &Run<'_>) -> Result<Ledger, SourceError> {
        let fault = |source| SourceError::Path {
            path: self.root.clone(),
            source,
        };
        let root = self.root.canonicalize().map_err(fault)?;
        if !root.is_dir() {
            return Err(fault(std::io::ErrorKind::NotADirectory.into()));
        }
        run.progress.begin("files", 0);
        let mut ledger = Ledger::default();
        let folder = self.folder(&root, &mut ledger);
        self.own_name(run);
        let walk = WalkBuilder::new(&root)
            .standard_filters(false)
            .follow_links(false)
            .threads(run.threads.max(1))
            .build_parallel();
        let shared = Shared {
            run,
            tree: self,
            folders: Mutex::new(HashMap::from([(root.clone(), Arc::new(folder))])),
            root,
            big: Mutex::new(()),
            ledger: Mutex::new(ledger),
        };
        walk.visit(&mut Visitors(&shared));
        let mut ledger = shared
            .ledger
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if run.stopped() {
            let detail = "the rest of the tree was not read";
            ledger.skip(SkipCause::Interrupted, self.prefix.clone(), detail);
        }
        ledger.trim();
        Ok(ledger)
    }
}

impl Tree {
    /// Returns what holds for the entries of the root.
    fn folder(&self, root: &Path, ledger: &mut Ledger) -> Folder {
        if !self.history && root.join(".git").is_file() {
            ledger.note(
                "the git directory lies elsewhere: --history reads its configuration and objects",
            );
        }
        let is_inside = root.components().any(|part| part.as_os_str() == ".git");
        if is_inside || self.options.no_ignore {
            let area = if is_inside {
                Area::Git.enter(root)
            } else {
                Area::Tree
            };
            return Folder {
                scope: Scope::default(),
                area,
                git_dir: GitDir::of(area, root),
            };
        }
        Folder {
            scope: Scope::of_root(root, ledger),
            area: Area::Tree,
            git_dir: None,
        }
    }

    /// Hands out the name of the root itself, as the user gave it or as reports show it.
    fn own_name(&self, run: &Run<'_>) {
        let mut name = self.prefix.clone();
        if name.as_bytes().is_empty() {
            name = blob_path(&named(&self.root));
        }
        if !name.as_bytes().is_empty() && !run.stopped() {
            let mut receiver = run.sink.receiver();
            content::name(name.as_bytes(), &name, Place::FileName, &mut *receiver);
        }
    }
}

/// Returns what a path names, as far as that stands in it: nothing for `.` or `a/..`.
fn named(path: &Path) -> PathBuf {
    let mut name = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => name.push(part),
            Component::ParentDir => {
                name.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    name
}

/// What holds for the entries of a directory.
#[derive(Default)]
struct Folder {
    scope: Scope,
    area: Area,
    /// The repository whose git directory it is in.
    git_dir: Option<Arc<GitDir>>,
}

/// The git directory of a repository that can be opened.
struct GitDir {
    path: PathBuf,
    /// Whether the ledger says that its storage was not read.
    told: AtomicBool,
}

impl GitDir {
    /// Returns the folder if it is one.
    fn of(area: Area, folder: &Path) -> Option<Arc<Self>> {
        let new = || Self {
            path: folder.to_owned(),
            told: AtomicBool::new(false),
        };
        (area == Area::Repository).then(|| Arc::new(new()))
    }
}

/// What all threads see.
struct Shared<'r> {
    run: &'r Run<'r>,
    tree: &'r Tree,
    /// Canonical.
    root: PathBuf,
    /// Of every directory that was entered.
    folders: Mutex<HashMap<PathBuf, Arc<Folder>>>,
    big: Mutex<()>,
    ledger: Mutex<Ledger>,
}

struct Visitors<'s>(&'s Shared<'s>);

impl<'s> ParallelVisitorBuilder<'s> for Visitors<'s> {
    fn build(&mut self) -> Box<dyn ParallelVisitor + 's> {
        Box::new(Visitor {
            shared: self.0,
            receiver: None,
            contents: Contents::new(self.0.run, self.0.tree.options.sizes, &self.0.big),
            ledger: Ledger::default(),
            last: None,
        })
    }
}

/// One thread of the walk.
struct Visitor<'s> {
    shared: &'s Shared<'s>,
    /// Made at the first use: the walker builds more visitors than it uses.
    receiver: Option<Box<dyn Receiver + 's>>,
    contents: Contents<'s>,
    ledger: Ledger,
    /// The directory of the last entry.
    last: Option<(PathBuf, Arc<Folder>)>,
}

impl ParallelVisitor for Visitor<'_> {
    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) -> WalkState {
        if self.shared.run.stopped() {
            return WalkState::Quit;
        }
        match entry {
            Ok(entry) if entry.depth() == 0 => WalkState::Continue,
            Ok(entry) => self.entry(&entry),
            Err(error) => {
                self.unreadable(&error);
                WalkState::Continue
            }
        }
    }
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        let ledger = std::mem::take(&mut self.ledger);
        self.shared
            .ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(ledger);
    }
}

impl Visitor<'_> {
    fn entry(&mut self, entry: &DirEntry) -> WalkState {
        let path = entry.path();
        let blob = self.blob_path(path);
        let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
        let folder = self.folder(path);
        let tree = self.shared.tree;
        // Excludes are matched on the path that reports show.
        if tree
            .options
            .exclude
            .cover(&shown(&tree.prefix, self.relative(path)), is_dir)
        {
            self.ledger.skip(SkipCause::ExcludedPath, blob, "excluded");
            return WalkState::Skip;
        }
        // Not name by name: the ledger has the repository as a whole.
        if let Some(git_dir) = folder.git_dir.as_deref()
            && !is_dir
            && folder.area.is_storage(path)
        {
            self.history(git_dir);
            return WalkState::Continue;
        }
        let area = folder.area.enter(path);
        let handling = if area == Area::Tree && entry.file_name() != ".git" {
            folder.scope.judge(path, is_dir, &mut self.ledger)
        } else {
            Handling::Read
        };
        if handling == Handling::Hide {
            let detail = if is_dir {
                "directory, by an ignore file"
            } else {
                "by an ignore file"
            };
            self.ledger.skip(SkipCause::Ignored, blob, detail);
            return WalkState::Skip;
        }
        self.leaf(entry, &blob);
        if is_dir {
            let scope = match area {
                Area::Tree => self.enter(path, &blob, &folder.scope, handling),
                _ => Scope::default(),
            };
            let git_dir = GitDir::of(area, path).or_else(|| folder.git_dir.clone());
            let folder = Folder {
                scope,
                area,
                git_dir,
            };
            self.shared
                .folders
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(path.to_owned(), Arc::new(folder));
        }
        WalkState::Continue
    }

    fn enter(&mut self, path: &Path, blob: &BlobPath, scope: &Scope, handling: Handling) -> Scope {
        let (entered, nested) = scope.enter(path, handling, &mut self.ledger);
        // One with its git directory in it is named with its objects.
        if nested && path.join(".git").is_file() {
            let detail = "a repository of its own: its files were read, its history was not";
            self.ledger.skip(SkipCause::Submodule, blob.clone(), detail);
        }
        if self.shared.tree.options.no_ignore {
            return scope.clone();
        }
        entered
    }

    /// Says, once a repository, that its storage is not read here.
    fn history(&mut self, git_dir: &GitDir) {
        if git_dir.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let path = git_dir.path.as_path();
        let root = &self.shared.root;
        if path != root && path != root.join(".git") {
            let blob = self.blob_path(path);
            let detail = "a repository of its own: its files were read, its history was not";
            self.ledger.skip(SkipCause::Submodule, blob, detail);
        } else if !self.shared.tree.history {
            let note =
                "objects, index and logs of the repository were not read: --history reads them";
            self.ledger.note(note);
        }
    }

    /// Reads the name, and what is no directory.
    fn leaf(&mut self, entry: &DirEntry, blob: &BlobPath) {
        let shared = self.shared;
        let receiver = self
            .receiver
            .get_or_insert_with(|| shared.run.sink.receiver());
        let mut hands = Hands {
            contents: &mut self.contents,
            receiver: &mut **receiver,
            ledger: &mut self.ledger,
        };
        let name = entry.file_name().as_encoded_bytes();
        content::name(name, blob, Place::FileName, hands.receiver);
        match entry.file_type() {
            Some(kind) if kind.is_dir() => {}
            Some(kind) if kind.is_file() => {
                file(entry.path(), false, blob, &mut hands);
                shared.run.progress.advance(1);
            }
            Some(kind) if kind.is_symlink() => link(entry.path(), blob, &mut hands),
            _ => {
                let detail = "neither file, directory nor link";
                hands
                    .ledger
                    .skip(SkipCause::SpecialFile, blob.clone(), detail);
            }
        }
    }

    fn unreadable(&mut self, error: &ignore::Error) {
        let path = error_path(error)
            .map_or_else(|| self.shared.tree.prefix.clone(), |p| self.blob_path(p));
        let detail = error
            .io_error()
            .map_or_else(|| "cannot be listed".to_owned(), |e| e.kind().to_string());
        self.ledger.skip(SkipCause::Unreadable, path, detail);
    }

    /// Returns what holds in the directory that `path` is in.
    fn folder(&mut self, path: &Path) -> Arc<Folder> {
        let dir = path.parent().unwrap_or(path);
        if let Some((last, folder)) = &self.last
            && last == dir
        {
            return Arc::clone(folder);
        }
        let folders = self
            .shared
            .folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The walker visits a directory before what is in it.
        let folder = folders.get(dir).cloned().unwrap_or_default();
        self.last = Some((dir.to_owned(), Arc::clone(&folder)));
        folder
    }

    fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.shared.root).unwrap_or(path)
    }

    fn blob_path(&self, path: &Path) -> BlobPath {
        let relative = blob_path(self.relative(path));
        let prefix = self.shared.tree.prefix.as_bytes();
        if prefix.is_empty() {
            return relative;
        }
        BlobPath::new([prefix, b"/", relative.as_bytes()].concat())
    }
}

/// Returns the path that an exclude pattern sees.
pub(super) fn shown(prefix: &BlobPath, relative: &Path) -> PathBuf {
    match std::str::from_utf8(prefix.as_bytes()) {
        Ok(prefix) => Path::new(prefix).join(relative),
        Err(_) => relative.to_owned(),
    }
}

/// Returns the path in an error of the walker.
fn error_path(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            error_path(err)
        }
        _ => None,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;

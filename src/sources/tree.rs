//! A directory with everything in it.
//!
//! Promises: hidden files are read; links are not followed, their targets and all names are text to scan; FIFOs, sockets and
//! devices are never opened; `.git` is left out, what is around it is not. What ignore files, excludes and the system keep
//! from us is in the ledger. Memory is bounded by threads times [`Sizes::whole`] and one large archive.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ignore::{DirEntry, ParallelVisitor, ParallelVisitorBuilder, WalkBuilder, WalkState};

use crate::model::{BlobPath, Counter, Ledger, Place, Provenance, SkipCause};

use super::{
    Receiver, Run, Sizes, Source, SourceError,
    content::{self, Contents, Origin},
    ignored::{Excludes, Scope, Verdict, blob_path},
    share::Hands,
};

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
}

impl Tree {
    /// Returns a source whose paths are relative to `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, options: TreeOptions) -> Self {
        Self {
            root: root.into(),
            prefix: BlobPath::default(),
            options,
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
        let scope = if self.options.no_ignore {
            Scope::default()
        } else {
            Scope::of_root(&root, &mut ledger)
        };
        let walk = WalkBuilder::new(&root)
            .standard_filters(false)
            .follow_links(false)
            .threads(run.threads.max(1))
            .filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git")
            .build_parallel();
        let shared = Shared {
            run,
            tree: self,
            scopes: Mutex::new(HashMap::from([(root.clone(), Arc::new(scope))])),
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

/// What all threads see.
struct Shared<'r> {
    run: &'r Run<'r>,
    tree: &'r Tree,
    /// Canonical.
    root: PathBuf,
    /// Of every directory that was entered.
    scopes: Mutex<HashMap<PathBuf, Arc<Scope>>>,
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
    last: Option<(PathBuf, Arc<Scope>)>,
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
        let scope = self.scope(path);
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
        let verdict = scope.judge(path, is_dir, &mut self.ledger);
        if verdict == Verdict::Hide {
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
            self.enter(path, &blob, &scope, verdict);
        }
        WalkState::Continue
    }

    fn enter(&mut self, path: &Path, blob: &BlobPath, scope: &Scope, verdict: Verdict) {
        let mut inner = scope.clone();
        if !self.shared.tree.options.no_ignore {
            let (entered, nested) = scope.enter(path, verdict, &mut self.ledger);
            inner = entered;
            if nested {
                let detail = "a repository of its own: its files were read, its history was not";
                self.ledger.skip(SkipCause::Submodule, blob.clone(), detail);
            }
        }
        self.shared
            .scopes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned(), Arc::new(inner));
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

    /// Returns the scope of the directory that `path` is in.
    fn scope(&mut self, path: &Path) -> Arc<Scope> {
        let dir = path.parent().unwrap_or(path);
        if let Some((last, scope)) = &self.last
            && last == dir
        {
            return Arc::clone(scope);
        }
        let scopes = self
            .shared
            .scopes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The walker visits a directory before what is in it.
        let scope = scopes.get(dir).cloned().unwrap_or_default();
        self.last = Some((dir.to_owned(), Arc::clone(&scope)));
        scope
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

/// Reads one regular file, or what a link leads to.
pub(super) fn file(path: &Path, follow: bool, blob: &BlobPath, hands: &mut Hands<'_, '_>) {
    let opened = open(path, follow).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, mut file) = match opened {
        Ok((metadata, _)) if !metadata.is_file() => {
            let detail = "it became something else than a file";
            return hands
                .ledger
                .skip(SkipCause::Unreadable, blob.clone(), detail);
        }
        Ok(opened) => opened,
        Err(error) => return content::unreadable(hands.ledger, blob, &error),
    };
    hands.ledger.count(Counter::Files, 1);
    let origin = Origin {
        path: blob,
        provenance: Provenance {
            place: Place::File,
            object: None,
        },
        len: Some(metadata.len()),
    };
    hands
        .contents
        .read(&mut file, &origin, hands.receiver, hands.ledger);
}

/// Opens a file. Should somebody put a FIFO or a link in its place meanwhile, this neither waits nor follows.
#[cfg(unix)]
fn open(path: &Path, follow: bool) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;
    let mut flags = OFlags::NONBLOCK;
    flags.set(OFlags::NOFOLLOW, !follow);
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

#[cfg(not(unix))]
fn open(path: &Path, _follow: bool) -> std::io::Result<File> {
    File::open(path)
}

/// Reads what a link says, not what it leads to.
pub(super) fn link(path: &Path, blob: &BlobPath, hands: &mut Hands<'_, '_>) {
    match fs::read_link(path) {
        Ok(target) => {
            let target = target.as_os_str().as_encoded_bytes();
            hands.ledger.count(Counter::Bytes, target.len() as u64);
            content::name(target, blob, Place::SymlinkTarget, hands.receiver);
        }
        Err(error) => content::unreadable(hands.ledger, blob, &error),
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

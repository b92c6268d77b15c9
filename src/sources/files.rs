//! Files and directories that the user names, as a hook or a shell passes them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::model::{BlobPath, Ledger, Place, SkipCause};

use super::{
    Run, Source, SourceError, content,
    ignored::blob_path,
    share::{Hands, share},
    tree::{self, Tree, TreeOptions},
};

/// Paths to read: files even if an ignore file hides them, directories as [`Tree`] reads them, and what links lead to.
#[derive(Clone, Debug)]
pub struct Files {
    /// Absolute, or relative to the current directory.
    pub paths: Vec<PathBuf>,
    /// The directory that paths of blobs are relative to. What is outside keeps the path that the user gave.
    pub base: PathBuf,
    /// What of them is read.
    pub options: TreeOptions,
}

/// One file, and how it is shown.
struct Named {
    path: PathBuf,
    blob: BlobPath,
}

impl Source for Files {
    fn read(&self, run: &Run<'_>) -> Result<Ledger, SourceError> {
        let mut ledger = Ledger::default();
        let (files, dirs) = self.sort(&mut ledger)?;
        run.progress.begin("files", files.len() as u64);
        let read = share(run, self.options.sizes, &files, |named, hands| {
            self.one(named, hands);
        });
        ledger.merge(read);
        if run.stopped() {
            let detail = "not all files were read";
            ledger.skip(SkipCause::Interrupted, BlobPath::default(), detail);
        }
        for dir in dirs {
            let tree = Tree {
                root: dir.path,
                prefix: dir.blob,
                options: self.options.clone(),
                history: false,
            };
            ledger.merge(tree.read(run)?);
        }
        ledger.trim();
        Ok(ledger)
    }
}

impl Files {
    /// Tells files from directories, each once, in a fixed order.
    fn sort(&self, ledger: &mut Ledger) -> Result<(Vec<Named>, Vec<Named>), SourceError> {
        let base = self
            .base
            .canonicalize()
            .map_err(|source| SourceError::Path {
                path: self.base.clone(),
                source,
            })?;
        let (mut files, mut dirs) = (Vec::new(), Vec::new());
        for path in self.paths.iter().collect::<BTreeSet<_>>() {
            let fault = |source| SourceError::Path {
                path: path.clone(),
                source,
            };
            let own = path.symlink_metadata().map_err(fault)?;
            // A link that leads nowhere is still a link.
            let target = path.metadata().unwrap_or(own);
            let named = Named {
                path: path.clone(),
                blob: shown(path, &base),
            };
            if target.is_dir() {
                dirs.push(named);
            } else if target.is_file() || target.is_symlink() {
                files.push(named);
            } else {
                // It was named, so leaving it out is a gap, unlike in a tree.
                let detail = "not a regular file; give its content on standard input";
                ledger.skip(SkipCause::Unreadable, named.blob, detail);
            }
        }
        for list in [&mut files, &mut dirs] {
            list.dedup_by(|a, b| a.blob == b.blob);
        }
        Ok((files, dirs))
    }

    fn one(&self, named: &Named, hands: &mut Hands<'_, '_>) {
        let Named { path, blob } = named;
        let relative = tree::shown(blob, Path::new(""));
        if self.options.exclude.cover(&relative, false) {
            hands
                .ledger
                .skip(SkipCause::ExcludedPath, blob.clone(), "excluded");
            return;
        }
        // The whole path: folders that no walk names are shown with it.
        content::name(blob.as_bytes(), blob, Place::FileName, hands.receiver);
        let is_link = path.symlink_metadata().is_ok_and(|own| own.is_symlink());
        if is_link {
            tree::link(path, blob, hands);
        }
        // Who names a link means what it leads to; one that leads nowhere has no content.
        if !is_link || fs::metadata(path).is_ok_and(|target| target.is_file()) {
            tree::file(path, is_link, blob, hands);
        }
    }
}

/// Returns the path relative to the canonical `base`, or as it was given if it lies outside.
fn shown(path: &Path, base: &Path) -> BlobPath {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    };
    // The last part stays as it is: a link has its own name.
    let absolute = match path.file_name() {
        Some(name) => parent.canonicalize().map(|parent| parent.join(name)),
        None => path.canonicalize(),
    };
    match absolute.as_deref().map(|path| path.strip_prefix(base)) {
        Ok(Ok(relative)) => blob_path(relative),
        _ => blob_path(path),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Excludes, Quiet, share::MANY, testing::Collect};
    use super::*;
    use crate::model::Counter;

    fn read(base: &Path, paths: &[&str], options: TreeOptions) -> (Ledger, Collect) {
        let sink = Collect::default();
        let stop = AtomicBool::new(false);
        let files = Files {
            paths: paths.iter().map(|path| base.join(path)).collect(),
            base: base.to_owned(),
            options,
        };
        let ledger = files.read(&sink.run(&Quiet, &stop, 2)).unwrap();
        (ledger, sink)
    }

    fn text(path: &str, text: &str) -> (String, String) {
        (path.to_owned(), text.to_owned())
    }

    #[test]
    fn named_files_are_read_once_and_directories_walked() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("sub/deep")).unwrap();
        fs::write(dir.path().join("a"), "alpha").unwrap();
        fs::write(dir.path().join("sub/deep/b"), "beta").unwrap();
        let (ledger, sink) = read(dir.path(), &["a", "./a", "sub"], TreeOptions::default());
        assert_eq!(
            sink.texts(Place::File),
            [text("a", "alpha"), text("sub/deep/b", "beta")]
        );
        assert_eq!(
            sink.paths(Place::FileName),
            ["a", "sub", "sub/deep", "sub/deep/b"]
        );
        assert_eq!(ledger.counted(Counter::Files), 2);
    }

    #[test]
    fn many_files_are_shared_by_threads() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..3 * MANY).map(|i| format!("f{i}")).collect();
        for name in &names {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (ledger, sink) = read(dir.path(), &names, TreeOptions::default());
        assert_eq!(ledger.counted(Counter::Files), 3 * MANY as u64);
        let mut expected: Vec<_> = names.iter().map(|name| text(name, name)).collect();
        expected.sort();
        assert_eq!(sink.texts(Place::File), expected);
    }

    #[test]
    fn a_missing_path_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let sink = Collect::default();
        let stop = AtomicBool::new(false);
        let files = Files {
            paths: vec![dir.path().join("none")],
            base: dir.path().to_owned(),
            options: TreeOptions::default(),
        };
        let result = files.read(&sink.run(&Quiet, &stop, 1));
        assert!(matches!(result, Err(SourceError::Path { .. })));
    }

    #[test]
    fn what_the_user_excludes_is_counted_even_if_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("vendor")).unwrap();
        fs::write(dir.path().join("vendor/a"), "x").unwrap();
        let options = TreeOptions {
            exclude: Excludes::new(&["vendor/"]).unwrap(),
            ..TreeOptions::default()
        };
        let (ledger, sink) = read(dir.path(), &["vendor/a"], options);
        assert!(sink.blobs().is_empty());
        assert_eq!(ledger.skipped.get(&SkipCause::ExcludedPath), Some(&1));
    }

    #[test]
    #[cfg(unix)]
    fn named_links_are_read_and_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "alpha").unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("good")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("bad")).unwrap();
        let (ledger, sink) = read(dir.path(), &["good", "bad"], TreeOptions::default());
        assert_eq!(
            sink.texts(Place::SymlinkTarget),
            [text("bad", "nowhere"), text("good", "a")]
        );
        assert_eq!(sink.texts(Place::File), [text("good", "alpha")]);
        assert!(!ledger.is_incomplete());
    }

    #[test]
    #[cfg(unix)]
    fn a_named_socket_is_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        let (ledger, _) = read(dir.path(), &["s"], TreeOptions::default());
        assert_eq!(ledger.skipped.get(&SkipCause::Unreadable), Some(&1));
    }
}

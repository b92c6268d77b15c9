//! The only place that opens a repository.
//!
//! Promises: opens from any sub-directory, from linked worktrees, submodules and bare repositories, SHA-1 and SHA-256;
//! nothing of the user's, the system's or the repository's git configuration changes what is read (only the object
//! format and the storage of references are looked up); nothing is executed, so that the owner of the files does not matter;
//! replace references and grafts are not followed; a promisor is never asked; nothing is written.

mod branch;
mod cached;
mod delta;
mod discover;
mod find;
#[cfg(test)]
pub(crate) mod fixture;
mod index;
mod inflate;
mod io;
mod listing;
mod loose;
mod name;
mod object;
mod pack;
mod refs;
mod revision;
mod root;
mod settings;
mod store;
mod versions;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

pub use gix::index::File as IndexFile;

pub use find::Absent;
pub use object::{Commit, Kind, Signature, Tag, TreeEntries, TreeEntry, parse_hex, split_message};
pub use refs::{Head, Reference, Reflog, Refs};
pub use root::RootEntry;
pub use versions::{PathVersion, versions};
pub(crate) use {
    delta::{Copies, Delta},
    find::{Finder, MISNAMED, absent_delta},
    index::Loaded,
    inflate::{Inflater, stream},
    io::read_small,
    listing::{Item, Listing},
    loose::{LooseObject, list as list_loose, path_of as loose_path},
    name::Namer,
    pack::{Form, Header, MAX_HEADER, Pack},
    store::Store,
};

use super::SourceError;
use crate::model::ObjectId;
use settings::Settings;

/// Most bytes of a configuration file.
const MAX_CONFIG: u64 = 64 << 20;

/// An opened repository.
pub struct Repository {
    git_dir: PathBuf,
    common_dir: PathBuf,
    work_tree: Option<PathBuf>,
    settings: Settings,
    id_len: usize,
    store: OnceLock<Store>,
    refs: OnceLock<Refs>,
}

impl Repository {
    /// Opens the repository that `path` is, or is in.
    ///
    /// # Errors
    /// [`SourceError::Path`] if there is no such path, [`SourceError::NoRepository`] if no repository is at or above it,
    /// [`SourceError::Repository`] if there is one that cannot be read.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let layout = discover::discover(path)?;
        let broken = |reason: String| SourceError::Repository {
            path: layout.git_dir.clone(),
            reason,
        };
        let config = layout.common_dir.join("config");
        let settings = match read_small(&config, MAX_CONFIG) {
            Ok(text) => Settings::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Settings::default(),
            Err(error) => return Err(broken(format!("cannot read its config: {error}"))),
        };
        let id_len = match settings.object_format.as_str() {
            "" | "sha1" => 20,
            "sha256" => 32,
            _ => return Err(broken("its object format is unknown".to_owned())),
        };
        if !matches!(settings.ref_storage.as_str(), "" | "files" | "reftable") {
            return Err(broken("its storage of references is unknown".to_owned()));
        }
        Ok(Self {
            git_dir: layout.git_dir,
            common_dir: layout.common_dir,
            work_tree: layout.work_tree,
            settings,
            id_len,
            store: OnceLock::new(),
            refs: OnceLock::new(),
        })
    }

    /// Returns the directory that holds HEAD and the index.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Returns the directory that holds objects, references and configuration.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Returns where the files are; `None` for a bare repository.
    #[must_use]
    pub fn work_tree(&self) -> Option<&Path> {
        self.work_tree.as_deref()
    }

    /// Returns where the files are, named as the user named a path in the repository: by that path, or by climbing from it.
    #[must_use]
    pub fn work_tree_from(&self, path: &Path) -> Option<PathBuf> {
        let whole = self.work_tree()?;
        let part = path.canonicalize().ok()?;
        let Ok(below) = part.strip_prefix(whole) else {
            return Some(whole.to_owned());
        };
        let mut climbed = path.to_owned();
        below.components().for_each(|_| climbed.push(".."));
        // Where folders have two names, `..` may lead elsewhere.
        let is_it = climbed.canonicalize().is_ok_and(|path| path == whole);
        Some(if is_it { climbed } else { whole.to_owned() })
    }

    /// Returns how many directories outside of the repository its objects are read from, because `objects/info/alternates` names them.
    #[must_use]
    pub fn borrowed(&self) -> usize {
        let own = self.common_dir.canonicalize();
        let own = own.unwrap_or_else(|_| self.common_dir.clone());
        let dirs = self.store().dirs.iter();
        // The first is the repository's own, wherever a link may have put it.
        dirs.skip(1).filter(|dir| !dir.starts_with(&own)).count()
    }

    /// Returns the number of bytes of an object name: 20 or 32.
    #[must_use]
    pub const fn id_len(&self) -> usize {
        self.id_len
    }

    /// Returns where the index of this worktree is, whether it exists or not.
    #[must_use]
    pub fn index_path(&self) -> PathBuf {
        self.git_dir.join("index")
    }

    /// Reads the index of this worktree; `None` if there is none.
    ///
    /// # Errors
    /// [`SourceError::Repository`] if it is damaged or of an unknown form.
    pub fn index(&self) -> Result<Option<IndexFile>, SourceError> {
        self.index_at(&self.index_path())
    }

    /// Reads an index file of this repository, as git names it to hooks; `None` if there is none.
    ///
    /// # Errors
    /// As [`Repository::index`].
    pub fn index_at(&self, path: &Path) -> Result<Option<IndexFile>, SourceError> {
        let broken = |reason: String| SourceError::Repository {
            path: path.to_owned(),
            reason,
        };
        let unreadable = |error| broken(format!("cannot read the index: {error}"));
        let file = match io::Handle::open(path.to_owned(), true) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        // Offsets in an index have 32 bits.
        if file.len() > u64::from(u32::MAX) {
            return Err(broken("the index is larger than 4 GiB".to_owned()));
        }
        if cached::nests_too_deep(&file, self.id_len()).map_err(unreadable)? {
            return Err(broken(
                "the index is damaged: its cached tree nests too deep".to_owned(),
            ));
        }
        let format = if self.id_len() == 32 {
            gix::hash::Kind::Sha256
        } else {
            gix::hash::Kind::Sha1
        };
        let options = gix::index::decode::Options {
            thread_limit: Some(1),
            ..Default::default()
        };
        IndexFile::at(path, format, true, options)
            .map(Some)
            .map_err(|error| broken(format!("the index is damaged: {error}")))
    }

    /// Opens an index file of this repository; `None` if there is none.
    ///
    /// # Errors
    /// As [`Repository::index`].
    pub(crate) fn listing_at(&self, path: &Path) -> Result<Option<Listing>, SourceError> {
        match Listing::open(path, self.id_len()) {
            Some(plain) => Ok(Some(plain)),
            None => Ok(self.index_at(path)?.map(Listing::of)),
        }
    }

    /// Returns the index files of all worktrees.
    #[must_use]
    pub fn all_indexes(&self) -> Vec<PathBuf> {
        refs::index_files(&self.common_dir)
    }

    /// Returns what HEAD of this worktree points at.
    #[must_use]
    pub fn head(&self) -> Head {
        if self.settings.ref_storage == "reftable" {
            return Head::Broken("references are in reftable storage".to_owned());
        }
        // A history needs all references, an index only this one.
        let target = |name: &[u8]| match self.refs.get() {
            Some(refs) => refs.target(name),
            None => branch::one(&self.common_dir, name).unwrap_or_else(|| self.refs().target(name)),
        };
        refs::head(&self.git_dir, &self.common_dir, target)
    }

    /// Returns the name of the branch that HEAD names, born or not; `None` when it names a commit.
    #[must_use]
    pub fn branch(&self) -> Option<Vec<u8>> {
        let text = read_small(&self.git_dir.join("HEAD"), 1 << 16).ok()?;
        let name = text.strip_prefix(b"ref:")?.trim_ascii();
        Some(name.to_vec())
    }

    /// Returns what stands before the names of this worktree's own references in [`Refs`].
    fn own_prefix(&self) -> Vec<u8> {
        if self.git_dir == self.common_dir {
            return Vec::new();
        }
        let name = self.git_dir.file_name().unwrap_or_default();
        [b"worktrees/", &io::path_bytes(Path::new(name))[..], b"/"].concat()
    }

    /// Returns the root tree of HEAD; `None` if there is no commit yet.
    ///
    /// # Errors
    /// [`SourceError::Repository`] if HEAD or its commit cannot be read.
    pub fn head_tree(&self) -> Result<Option<ObjectId>, SourceError> {
        let broken = |reason: String| SourceError::Repository {
            path: self.git_dir.clone(),
            reason,
        };
        let commit = match self.head() {
            Head::Unborn => return Ok(None),
            Head::Commit(id) => id,
            Head::Broken(reason) => return Err(broken(reason)),
        };
        match self.find(&commit, 64 << 20) {
            Ok((Kind::Commit, bytes)) => Commit::parse(&bytes)
                .map(|commit| Some(commit.tree))
                .ok_or_else(|| broken("the commit of HEAD is malformed".to_owned())),
            _ => Err(broken("the commit of HEAD cannot be read".to_owned())),
        }
    }

    /// Returns all references and reflogs of all worktrees; read once.
    pub fn refs(&self) -> &Refs {
        self.refs
            .get_or_init(|| refs::read(&self.common_dir, self.settings.ref_storage == "reftable"))
    }

    /// Returns an object of at most `max` bytes, whether packed or loose, here or in an alternate.
    ///
    /// # Errors
    /// See [`Absent`].
    pub fn find(&self, id: &ObjectId, max: u64) -> Result<(Kind, Vec<u8>), Absent> {
        let (kind, bytes) = Finder::new(self.store(), max, 0).find(id)?;
        let bytes = std::rc::Rc::try_unwrap(bytes).unwrap_or_else(|shared| shared.to_vec());
        Ok((kind, bytes))
    }

    /// Returns the commit that a revision names: ids, references, `HEAD~2`, `main^2`, `@{1}`.
    ///
    /// # Errors
    /// [`SourceError::Revision`].
    pub fn resolve(&self, revision: &str) -> Result<ObjectId, SourceError> {
        revision::resolve(self, revision)
    }

    /// Returns the commits at which a shallow clone ends, sorted; empty for a full clone.
    #[must_use]
    pub fn shallow(&self) -> Vec<ObjectId> {
        let text = read_small(&self.common_dir.join("shallow"), MAX_CONFIG).unwrap_or_default();
        let mut ids: Vec<ObjectId> = text
            .split(|b| *b == b'\n')
            .filter_map(|line| parse_hex(line.trim_ascii()))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Tells whether objects may be absent by design (partial clone).
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.store().promisor || self.settings.promisor
    }

    /// Returns the texts of the configuration files of this repository by their shown names.
    #[must_use]
    pub fn configs(&self) -> Vec<(String, Result<Vec<u8>, String>)> {
        let mut paths = vec![
            (".git/config".to_owned(), self.common_dir.join("config")),
            (
                ".git/config.worktree".to_owned(),
                self.common_dir.join("config.worktree"),
            ),
        ];
        if self.git_dir != self.common_dir {
            let name = self
                .git_dir
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            let shown = format!(".git/worktrees/{name}/config.worktree");
            paths.push((shown, self.git_dir.join("config.worktree")));
        }
        paths
            .into_iter()
            .filter(|(_, path)| path.symlink_metadata().is_ok())
            .map(|(shown, path)| {
                let text = read_small(&path, MAX_CONFIG);
                (shown, text.map_err(|error| error.to_string()))
            })
            .collect()
    }

    /// Returns the objects directories and packs; opened once, when they are first asked for: to know the root of the work tree
    /// takes none.
    pub(crate) fn store(&self) -> &Store {
        self.store
            .get_or_init(|| Store::open(&self.common_dir.join("objects"), self.id_len))
    }
}

#[cfg(test)]
mod tests {
    use super::{fixture::Fixture, *};

    const MAX: u64 = 1 << 20;

    /// A repository with some history, a tag, a stash and a second branch.
    fn sample(options: &[&str]) -> Fixture {
        let fixture = Fixture::with(options);
        for n in 0..12 {
            let text: String = (0..200)
                .map(|i| format!("line {i} of {}\n", n / 3 * i))
                .collect();
            fixture.write("dir/file.txt", text);
            fixture.write(&format!("f{}", n % 4), format!("{n}"));
            fixture.commit(&format!("commit {n}"));
        }
        fixture.git(&["tag", "-a", "-m", "a tag", "v1", "HEAD~3"]);
        fixture.git(&["branch", "side", "HEAD~5"]);
        fixture.write("f0", "stashed");
        fixture.git(&["stash", "-q"]);
        fixture
    }

    /// Compares every object with what git says of it.
    fn assert_all_found(fixture: &Fixture) {
        let repository = fixture.open();
        let all = fixture.all_objects();
        assert!(all.len() > 30);
        for line in all {
            let words: Vec<&str> = line.split(' ').collect();
            let id = parse_hex(words[0].as_bytes()).unwrap();
            let (kind, bytes) = repository.find(&id, MAX).unwrap();
            assert_eq!(format!("{id} {kind} {}", bytes.len()), line);
        }
        assert_eq!(
            repository.find(&ObjectId::new(&vec![1; repository.id_len()]).unwrap(), MAX),
            Err(Absent::Missing)
        );
    }

    #[test]
    fn finds_every_object_however_it_is_stored() {
        for options in [&[][..], &["--object-format=sha256"]] {
            let fixture = sample(options);
            assert_all_found(&fixture);
            fixture.git(&["repack", "-qadf", "--depth=250"]);
            assert_all_found(&fixture);
            fixture.git(&["-c", "repack.useDeltaBaseOffset=false", "repack", "-qadf"]);
            assert_all_found(&fixture);
            fixture.git(&["-c", "pack.indexVersion=1", "repack", "-qadf"]);
            assert_all_found(&fixture);
            fixture.write("late", "loose");
            fixture.commit("late");
            assert_all_found(&fixture);
        }
    }

    #[test]
    fn follows_alternates_that_name_each_other() {
        let fixture = sample(&[]);
        let other = fixture.beside("other");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        fixture.git(&["clone", "-q", "--shared", "--bare", ".", &text(&other)]);
        std::fs::write(
            fixture.path().join(".git/objects/info/alternates"),
            "# comment\n../../../other/objects\n../../../nowhere\n",
        )
        .unwrap();
        let borrower = Repository::open(&other).unwrap();
        assert!(borrower.find(&fixture.id("HEAD"), MAX).is_ok());
        assert_eq!(borrower.work_tree(), None);
        assert_eq!(borrower.store().dirs.len(), 2);
        assert_eq!(
            borrower.store().problems.len(),
            1,
            "the missing one is named"
        );
    }

    #[test]
    fn opens_linked_worktrees_and_submodules() {
        let fixture = sample(&[]);
        let linked = fixture.beside("linked");
        fixture.git(&[
            "worktree",
            "add",
            "-q",
            "-b",
            "linked",
            linked.to_str().unwrap(),
            "side",
        ]);
        let repository = Repository::open(&linked).unwrap();
        assert_eq!(repository.head(), Head::Commit(fixture.id("side")));
        assert_eq!(repository.index().unwrap().unwrap().entries().len(), 5);
        assert_eq!(repository.all_indexes().len(), 2);
        let names: Vec<_> = repository
            .refs()
            .references
            .iter()
            .map(|r| r.name.clone())
            .collect();
        assert!(
            names.contains(&b"worktrees/linked/HEAD".to_vec())
                && names.contains(&b"refs/stash".to_vec())
        );
        assert!(
            repository
                .refs()
                .reflogs
                .iter()
                .any(|l| l.name == b"refs/stash")
        );

        let outer = Fixture::new();
        let url = fixture.path();
        outer.git(&[
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "add",
            "-q",
            url.to_str().unwrap(),
            "sub",
        ]);
        let inner = Repository::open(&outer.path().join("sub/dir")).unwrap();
        assert_eq!(inner.head(), Head::Commit(fixture.id("HEAD")));
        assert_eq!(
            inner.work_tree(),
            Some(outer.path().canonicalize().unwrap().join("sub").as_path())
        );
    }

    #[test]
    fn resolves_what_git_resolves() {
        let fixture = sample(&[]);
        fixture.git(&["checkout", "-q", "side"]);
        fixture.write("m", "merged");
        fixture.commit("on side");
        fixture.git(&["checkout", "-q", "main"]);
        fixture.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        fixture.git(&["pack-refs", "--all"]);
        let repository = fixture.open();
        let short = &fixture.id("side").to_string()[..9];
        for revision in [
            "HEAD",
            "@",
            "main",
            "heads/side",
            "refs/heads/side",
            "v1",
            "tags/v1",
            "v1^{}",
            "HEAD^2",
            "HEAD^2~2",
            "main~3",
            "HEAD^0",
            "HEAD^^{commit}",
            "HEAD@{1}",
            "@{2}",
            "main@{0}~1",
            "stash",
            short,
        ] {
            let expected = fixture.id(&format!("{revision}^{{commit}}"));
            assert_eq!(
                repository.resolve(revision).unwrap(),
                expected,
                "{revision}"
            );
        }
        for revision in [
            "nope",
            "HEAD^7",
            "HEAD~999",
            "HEAD^{tree}",
            "HEAD^{",
            "@{",
            "HEAD@{99}",
            "abc",
            "HEAD^{tree}",
            "~x",
            "HEAD~99999999999",
        ] {
            assert!(
                matches!(
                    repository.resolve(revision),
                    Err(SourceError::Revision { .. })
                ),
                "{revision}"
            );
        }
    }

    #[test]
    fn hostile_configuration_changes_nothing() {
        let fixture = sample(&[]);
        let before = fixture.open().find(&fixture.id("HEAD"), MAX).unwrap();
        let head = fixture.id("HEAD");
        std::fs::write(
            fixture.path().join(".git/config"),
            "[core]\n\tworktree = /nowhere\n\tbare = true\n\trepositoryformatversion = 99\n\tfsmonitor = false\n\
             [include]\n\tpath = /dev/zero\n[i18n]\n\tlogOutputEncoding = UTF-16\n[color]\n\tui = always\n[extensions]\n\tnoop = x\n",
        )
        .unwrap();
        let repository = fixture.open();
        assert_eq!(repository.head(), Head::Commit(head));
        assert_eq!(repository.find(&head, MAX).unwrap(), before);
        assert_eq!(
            repository.work_tree(),
            Some(fixture.path().canonicalize().unwrap().as_path())
        );
        std::fs::write(
            fixture.path().join(".git/config"),
            "[extensions]\nobjectformat = md5\n",
        )
        .unwrap();
        assert!(matches!(
            Repository::open(&fixture.path()),
            Err(SourceError::Repository { .. })
        ));
    }

    #[test]
    fn reftable_storage_is_named_and_objects_still_read() {
        let fixture = Fixture::with(&["--ref-format=reftable"]);
        fixture.write("a", "b");
        let id = fixture.commit("one");
        let repository = fixture.open();
        assert!(!repository.refs().complete && !repository.refs().problems.is_empty());
        assert!(matches!(repository.head(), Head::Broken(_)));
        assert!(repository.find(&id, MAX).is_ok());
    }

    #[test]
    fn a_pack_without_index_and_a_truncated_pack_are_problems() {
        let fixture = sample(&[]);
        fixture.git(&["repack", "-qad"]);
        let folder = fixture.path().join(".git/objects/pack");
        let pack = std::fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| p.extension().is_some_and(|e| e == "pack"))
            .unwrap();
        std::fs::write(folder.join("pack-x.pack"), std::fs::read(&pack).unwrap()).unwrap();
        std::fs::write(folder.join("pack-y.idx"), "").unwrap();
        std::fs::write(folder.join("pack-z.pack"), "PACK").unwrap();
        let repository = fixture.open();
        assert_eq!(repository.store().problems.len(), 3);
        assert!(repository.find(&fixture.id("HEAD"), MAX).is_ok());
    }

    #[test]
    fn packs_of_any_name_are_read() {
        let fixture = sample(&[]);
        fixture.git(&["repack", "-qad"]);
        let head = fixture.id("HEAD");
        let folder = fixture.path().join(".git/objects/pack");
        for name in ["evil", "", "pack.x"] {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let text = path.to_str().unwrap();
                let ending = &text[text.rfind('.').unwrap()..];
                std::fs::rename(&path, folder.join(format!("{name}{ending}"))).unwrap();
            }
            let repository = fixture.open();
            assert_eq!(repository.store().problems.len(), 0);
            assert!(repository.find(&head, MAX).is_ok(), "{name}");
            fixture.git(&["cat-file", "-e", "HEAD^{tree}"]);
        }
        std::fs::remove_file(folder.join("pack.x.pack")).unwrap();
        assert_eq!(fixture.open().store().problems.len(), 1);
    }
}

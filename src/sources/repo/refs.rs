//! Everything that leads to objects: references, HEADs, pseudo references, reflogs. Read as git stores them in files;
//! repositories with reftable storage are named as unsupported.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    io::{path_bytes, read_small},
    object::parse_hex,
};
use crate::model::{BlobPath, ObjectId, Skip, SkipCause};

/// Most bytes of `packed-refs`: some five million references.
pub(super) const MAX_PACKED: u64 = 512 << 20;
/// Most bytes of a loose reference or of a pseudo reference (FETCH_HEAD has a line for each branch fetched).
pub(super) const MAX_LOOSE: u64 = 16 << 20;
/// Most bytes of one reflog.
const MAX_REFLOG: u64 = 256 << 20;
/// Deepest folder below `refs` or `logs`.
pub(super) const MAX_DEPTH: usize = 64;

/// A reference and what it points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The full name (`refs/heads/main`), raw; for a linked worktree's own `worktrees/NAME/HEAD`.
    pub name: Vec<u8>,
    /// Its object; `None` for a symbolic reference.
    pub target: Option<ObjectId>,
}

/// The log of one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reflog {
    /// The reference's name, raw.
    pub name: Vec<u8>,
    /// The whole file.
    pub text: Vec<u8>,
}

/// What HEAD points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A commit.
    Commit(ObjectId),
    /// A branch without commits.
    Unborn,
    /// Nothing that can be read, or a storage that we cannot read; the words say what.
    Broken(String),
}

/// Everything found.
#[derive(Clone, Debug, Default)]
pub struct Refs {
    /// Sorted by name, each once.
    pub references: Vec<Reference>,
    /// Sorted by name.
    pub reflogs: Vec<Reflog>,
    /// What could not be read.
    pub problems: Vec<Skip>,
    /// Facts for the reader.
    pub notes: Vec<String>,
    /// False if the storage of the references cannot be read, so that nothing can be called unreachable.
    pub complete: bool,
}

impl Refs {
    /// Returns the objects that references and reflogs name, sorted, each once; null names are left out.
    #[must_use]
    pub fn tips(&self) -> Vec<ObjectId> {
        let mut tips: Vec<ObjectId> = self.references.iter().filter_map(|r| r.target).collect();
        for log in &self.reflogs {
            for line in log.text.split(|b| *b == b'\n') {
                let mut words = line.split(|b| *b == b' ');
                tips.extend(words.by_ref().take(2).filter_map(parse_hex));
            }
        }
        tips.retain(|id| id.as_bytes().iter().any(|b| *b != 0));
        tips.sort_unstable();
        tips.dedup();
        tips
    }

    fn problem(&mut self, path: &[u8], detail: &str) {
        self.problems.push(Skip {
            cause: SkipCause::Unreadable,
            path: BlobPath::new(path),
            detail: detail.to_owned(),
        });
    }
}

/// Reads all of it. `reftable` tells that the references are not in files.
pub(super) fn read(common_dir: &Path, reftable: bool) -> Refs {
    let mut refs = Refs {
        complete: !reftable,
        ..Refs::default()
    };
    if reftable {
        refs.problems.push(Skip {
            cause: SkipCause::Unsupported,
            path: BlobPath::from("reftable"),
            detail: "references in reftable storage are not read; objects are".to_owned(),
        });
    }
    let mut found = BTreeMap::new();
    packed(common_dir, &mut refs, &mut found);
    for (dir, prefix) in git_dirs(common_dir) {
        let mut files = Vec::new();
        files_below(&dir.join("refs"), b"refs", 0, &mut refs, &mut files);
        for (path, name) in files {
            let name = [prefix.as_slice(), name.as_slice()].concat();
            loose(&path, name, &mut refs, &mut found);
        }
        pseudo(&dir, &prefix, &mut refs, &mut found);
        let mut logs = Vec::new();
        files_below(&dir.join("logs"), b"", 0, &mut refs, &mut logs);
        for (path, name) in logs {
            let name = [prefix.as_slice(), name.as_slice()].concat();
            match read_small(&path, MAX_REFLOG) {
                Ok(text) => refs.reflogs.push(Reflog { name, text }),
                Err(_) => {
                    refs.problem(&[b"logs/", &name[..]].concat(), "the reflog cannot be read")
                }
            }
        }
    }
    refs.references = found
        .into_iter()
        .flat_map(|(name, targets)| {
            targets.into_iter().map(move |target| Reference {
                name: name.clone(),
                target,
            })
        })
        .collect();
    refs.reflogs.sort_by(|a, b| a.name.cmp(&b.name));
    note_replacements(common_dir, &mut refs);
    refs
}

/// By name; several targets for pseudo references with many lines.
type Found = BTreeMap<Vec<u8>, Vec<Option<ObjectId>>>;

/// Returns the git directories of all worktrees with the prefix of their own references.
fn git_dirs(common_dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut dirs = vec![(common_dir.to_owned(), Vec::new())];
    let linked = std::fs::read_dir(common_dir.join("worktrees"));
    let mut linked: Vec<PathBuf> = linked
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    linked.sort();
    for dir in linked {
        let name = dir.file_name().map(Path::new).map(path_bytes);
        let prefix = [b"worktrees/", &name.unwrap_or_default()[..], b"/"].concat();
        dirs.push((dir, prefix));
    }
    dirs
}

/// Returns the index files of all worktrees.
pub(super) fn index_files(common_dir: &Path) -> Vec<PathBuf> {
    git_dirs(common_dir)
        .into_iter()
        .map(|(dir, _)| dir.join("index"))
        .filter(|path| path.symlink_metadata().is_ok())
        .collect()
}

fn packed(common_dir: &Path, refs: &mut Refs, found: &mut Found) {
    let text = match read_small(&common_dir.join("packed-refs"), MAX_PACKED) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(_) => return refs.problem(b"packed-refs", "the file cannot be read"),
    };
    let mut malformed = false;
    for line in text.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"^") {
            continue;
        }
        let at = line.iter().position(|b| *b == b' ').unwrap_or(0);
        match (line.get(..at).and_then(parse_hex), line.get(at + 1..)) {
            (Some(id), Some(name)) => drop(found.insert(name.to_vec(), vec![Some(id)])),
            _ => malformed = true,
        }
    }
    if malformed {
        refs.problem(b"packed-refs", "a line is malformed");
    }
}

/// Lists the files below a folder, sorted by name, as (path, name).
fn files_below(
    dir: &Path,
    name: &[u8],
    depth: usize,
    refs: &mut Refs,
    files: &mut Vec<(PathBuf, Vec<u8>)>,
) {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) if depth < MAX_DEPTH => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        _ => return refs.problem(name, "the folder cannot be listed"),
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(_) => refs.problem(name, "the folder cannot be listed"),
        }
    }
    paths.sort();
    for path in paths {
        let last = path_bytes(Path::new(path.file_name().unwrap_or_default()));
        let name = if name.is_empty() {
            last
        } else {
            [name, b"/", &last].concat()
        };
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => files_below(&path, &name, depth + 1, refs, files),
            // Left behind by a git that was killed while it wrote.
            Ok(_) if name.ends_with(b".lock") => {}
            Ok(_) => files.push((path, name)),
            Err(_) => refs.problem(&name, "it cannot be read"),
        }
    }
}

fn loose(path: &Path, name: Vec<u8>, refs: &mut Refs, found: &mut Found) {
    let Ok(text) = read_small(path, MAX_LOOSE) else {
        return refs.problem(&name, "the reference cannot be read");
    };
    let text = text.trim_ascii();
    if text.starts_with(b"ref:") {
        found.insert(name, vec![None]);
    } else if let Some(id) = parse_hex(text) {
        found.insert(name, vec![Some(id)]);
    } else {
        refs.problem(&name, "the reference is malformed");
    }
}

/// Reads the files beside HEAD that name objects at the start of their lines.
fn pseudo(dir: &Path, prefix: &[u8], refs: &mut Refs, found: &mut Found) {
    let mut files = Vec::new();
    for state in ["rebase-merge", "rebase-apply", "sequencer"] {
        let below = dir.join(state);
        if below.is_dir() {
            files_below(&below, state.as_bytes(), MAX_DEPTH - 2, refs, &mut files);
        }
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = path_bytes(Path::new(&entry.file_name()));
        // Messages (`COMMIT_EDITMSG`, `MERGE_MSG`) name no objects and may be long.
        let is_pseudo =
            name.iter().all(|b| b.is_ascii_uppercase() || *b == b'_') && !name.ends_with(b"MSG");
        if is_pseudo && entry.path().is_file() {
            files.push((entry.path(), name));
        }
    }
    files.sort();
    for (path, name) in files {
        let full = [prefix, name.as_slice()].concat();
        let Ok(text) = read_small(&path, MAX_LOOSE) else {
            refs.problem(&full, "the file cannot be read");
            continue;
        };
        let mut targets: Vec<Option<ObjectId>> = text
            .split(|b| *b == b'\n')
            .filter_map(|line| {
                let word = line.split(|b| b.is_ascii_whitespace()).next();
                parse_hex(word.unwrap_or_default()).map(Some)
            })
            .collect();
        if name == b"HEAD" && text.starts_with(b"ref:") {
            targets.push(None);
        }
        if !targets.is_empty() {
            found.insert(full, targets);
        }
    }
}

/// Notes what git would put in the place of objects and we do not.
fn note_replacements(common_dir: &Path, refs: &mut Refs) {
    let replaced = refs
        .references
        .iter()
        .filter(|r| r.name.starts_with(b"refs/replace/"))
        .count();
    if replaced > 0 {
        refs.notes.push(format!(
            "{replaced} replace reference(s) present: the replaced objects were read as they are"
        ));
    }
    let grafts = read_small(&common_dir.join("info/grafts"), MAX_LOOSE).unwrap_or_default();
    if grafts
        .split(|b| *b == b'\n')
        .any(|line| !line.is_empty() && !line.starts_with(b"#"))
    {
        refs.notes
            .push("grafts present: history was read without them".to_owned());
    }
}

/// What a reference points at: nothing if it is symbolic.
pub(super) type Target = Option<ObjectId>;

/// Follows HEAD of a git directory through symbolic references. `target` looks a reference up; `None` if there is none.
pub(super) fn head(
    git_dir: &Path,
    common_dir: &Path,
    target: impl Fn(&[u8]) -> Option<Target>,
) -> Head {
    let Ok(text) = read_small(&git_dir.join("HEAD"), MAX_LOOSE) else {
        return Head::Broken("HEAD cannot be read".to_owned());
    };
    let mut text = text;
    for _ in 0..8 {
        let line = text.trim_ascii();
        if let Some(id) = parse_hex(line) {
            return Head::Commit(id);
        }
        let Some(name) = line.strip_prefix(b"ref:").map(<[u8]>::trim_ascii) else {
            return Head::Broken("HEAD is malformed".to_owned());
        };
        match target(name) {
            Some(Some(id)) => return Head::Commit(id),
            Some(None) => {
                let path = common_dir.join(super::io::bytes_path(name));
                text = read_small(&path, MAX_LOOSE).unwrap_or_default();
            }
            None => return Head::Unborn,
        }
    }
    Head::Broken("HEAD goes round in circles".to_owned())
}

impl Refs {
    /// Returns what a reference points at.
    pub(super) fn target(&self, name: &[u8]) -> Option<Target> {
        let known = self
            .references
            .binary_search_by(|reference| reference.name.as_slice().cmp(name));
        let reference = self.references.get(known.ok()?)?;
        Some(reference.target)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    pub(in super::super) const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    pub(in super::super) fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn names(refs: &Refs) -> Vec<String> {
        refs.references
            .iter()
            .map(|r| String::from_utf8_lossy(&r.name).into_owned())
            .collect()
    }

    #[test]
    fn reads_files_packed_refs_worktrees_and_pseudo_refs() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path();
        write(&git.join("HEAD"), "ref: refs/heads/main\n");
        write(
            &git.join("packed-refs"),
            &format!("# pack-refs with: peeled\n{A} refs/heads/main\n{A} refs/tags/t\n^{B}\n"),
        );
        write(&git.join("refs/heads/main"), &format!("{B}\n"));
        write(&git.join("refs/pull/1/head"), &format!("{B}\n"));
        write(
            &git.join("refs/remotes/origin/HEAD"),
            "ref: refs/remotes/origin/main\n",
        );
        write(
            &git.join("FETCH_HEAD"),
            &format!("{A}\t\tbranch 'x' of y\n{B}\tnot-for-merge\n"),
        );
        write(&git.join("COMMIT_EDITMSG"), "hello\n");
        write(&git.join("worktrees/w/HEAD"), &format!("{A}\n"));
        write(
            &git.join("logs/HEAD"),
            &format!("{} {A} n <m> 1 +0000\tx\n", "0".repeat(40)),
        );
        write(&git.join("rebase-merge/orig-head"), &format!("{A}\n"));
        let refs = read(git, false);
        assert_eq!(refs.problems, Vec::new());
        assert_eq!(
            names(&refs),
            [
                "FETCH_HEAD",
                "FETCH_HEAD",
                "HEAD",
                "rebase-merge/orig-head",
                "refs/heads/main",
                "refs/pull/1/head",
                "refs/remotes/origin/HEAD",
                "refs/tags/t",
                "worktrees/w/HEAD"
            ]
        );
        assert_eq!(refs.tips().len(), 2);
        assert_eq!(
            head(git, git, |name| refs.target(name)),
            Head::Commit(parse_hex(B.as_bytes()).unwrap())
        );
    }

    #[test]
    fn broken_references_are_problems() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path();
        write(&git.join("HEAD"), "ref: refs/heads/none\n");
        write(&git.join("refs/heads/empty"), "");
        write(&git.join("refs/heads/x"), "zz\n");
        write(&git.join("packed-refs"), "nonsense\n");
        let refs = read(git, false);
        assert_eq!(refs.problems.len(), 3);
        assert_eq!(head(git, git, |name| refs.target(name)), Head::Unborn);
        assert!(!read(git, true).complete);
    }

    #[test]
    fn symbolic_circles_end() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path();
        write(&git.join("HEAD"), "ref: refs/heads/a\n");
        write(&git.join("refs/heads/a"), "ref: refs/heads/b\n");
        write(&git.join("refs/heads/b"), "ref: refs/heads/a\n");
        let refs = read(git, false);
        assert!(matches!(
            head(git, git, |name| refs.target(name)),
            Head::Broken(_)
        ));
    }
}

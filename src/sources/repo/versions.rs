//! All contents that one file ever had, for who needs them whole: the versions of a secrets store that git keeps.
//!
//! Promises: every commit that HEAD leads to is looked at, side branches too; a content is told once, with the newest commit that
//! brought it; what cannot be read, or is beyond the bounds, is told as a version without content, never left out.
//! Renames are not followed: a store's file has its place in the settings.

use std::{
    collections::{BTreeSet, BinaryHeap, HashMap},
    path::Path,
};

use super::{Commit, Finder, Head, Kind, Repository, TreeEntries, io::path_bytes};
use crate::{model::ObjectId, sources::SourceError};

/// Most versions that are told.
const MAX_VERSIONS: usize = 1_000;
/// Most bytes of one version.
const MAX_BYTES: u64 = 8 << 20;
/// Most bytes of all versions together.
const MAX_TOTAL: u64 = 256 << 20;
/// Most bytes of a commit or a tree, and of what a content is stored as a difference to.
const MAX_OBJECT: u64 = 64 << 20;
/// Bytes that are spent on remembering objects.
const CACHE: usize = 16 << 20;

/// One content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathVersion {
    /// The newest commit that brought it.
    pub commit: ObjectId,
    /// That commit's committer time, Unix seconds.
    pub time: i64,
    /// The content; `None` if it cannot be read, or is too large, or comes after too many others.
    pub bytes: Option<Vec<u8>>,
}

/// Returns the contents that a file of a work tree has in the commits that HEAD leads to, newest first, at most 1,000
/// of at most 8 MiB each. The file itself need not be in git.
///
/// # Errors
/// [`SourceError::Path`] if there is no such file, [`SourceError::NoRepository`] if it is in no work tree of one, and what opening it meets.
pub fn versions(file: &Path) -> Result<Vec<PathVersion>, SourceError> {
    let whole = file.canonicalize().map_err(|source| SourceError::Path {
        path: file.to_owned(),
        source,
    })?;
    let repository = Repository::open(&whole)?;
    let below = repository
        .work_tree()
        .and_then(|tree| tree.canonicalize().ok())
        .and_then(|tree| whole.strip_prefix(tree).map(Path::to_owned).ok())
        .ok_or_else(|| SourceError::NoRepository {
            path: file.to_owned(),
        })?;
    let names: Vec<Vec<u8>> = below
        .components()
        .map(|part| path_bytes(Path::new(part.as_os_str())))
        .collect();
    let head = match repository.head() {
        Head::Unborn => return Ok(Vec::new()),
        Head::Commit(id) => id,
        Head::Broken(reason) => {
            return Err(SourceError::Repository {
                path: repository.git_dir().to_owned(),
                reason,
            });
        }
    };
    Ok(Walk::new(&repository, &names).run(head))
}

/// A commit, as far as it matters here.
struct Seen {
    time: i64,
    parents: Vec<ObjectId>,
    /// The file's content in it.
    blob: Blob,
    /// Commits below it that have not been told yet.
    children: usize,
}

/// What a commit has at the path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blob {
    Nothing,
    Content(ObjectId),
    /// A tree or the commit itself cannot be read.
    Unknown,
}

struct Walk<'r> {
    finder: Finder<'r>,
    id_len: usize,
    names: &'r [Vec<u8>],
    /// Trees that were looked at, with what they hold under the rest of the path from that depth on.
    trees: HashMap<(usize, ObjectId), Blob>,
    commits: HashMap<ObjectId, Seen>,
}

impl<'r> Walk<'r> {
    fn new(repository: &'r Repository, names: &'r [Vec<u8>]) -> Self {
        Self {
            finder: Finder::new(repository.store(), MAX_OBJECT, CACHE),
            id_len: repository.id_len(),
            names,
            trees: HashMap::new(),
            commits: HashMap::new(),
        }
    }

    fn run(mut self, head: ObjectId) -> Vec<PathVersion> {
        self.load(head);
        let told = self.order(head);
        self.contents(told)
    }

    /// Reads every commit that `head` leads to.
    fn load(&mut self, head: ObjectId) {
        let mut waiting = vec![head];
        while let Some(id) = waiting.pop() {
            if self.commits.contains_key(&id) {
                continue;
            }
            let seen = self.commit(&id);
            waiting.extend(seen.parents.iter().copied());
            self.commits.insert(id, seen);
        }
        let links: Vec<ObjectId> = self
            .commits
            .values()
            .flat_map(|seen| seen.parents.iter().copied())
            .collect();
        for parent in links {
            if let Some(seen) = self.commits.get_mut(&parent) {
                seen.children += 1;
            }
        }
    }

    fn commit(&mut self, id: &ObjectId) -> Seen {
        let found = self.finder.find(id);
        let parsed = match &found {
            Ok((Kind::Commit, bytes)) => Commit::parse(bytes),
            _ => None,
        };
        let Some(commit) = parsed else {
            return Seen {
                time: 0,
                parents: Vec::new(),
                blob: Blob::Unknown,
                children: 0,
            };
        };
        let mut parents = commit.parents.clone();
        // A commit may name a parent twice.
        parents.sort_unstable();
        parents.dedup();
        Seen {
            time: commit.committer.seconds,
            parents,
            blob: self.at(commit.tree, 0),
            children: 0,
        }
    }

    /// Returns what a tree holds under the path's names from `depth` on.
    fn at(&mut self, tree: ObjectId, depth: usize) -> Blob {
        if let Some(known) = self.trees.get(&(depth, tree)) {
            return *known;
        }
        let blob = self.look(&tree, depth);
        self.trees.insert((depth, tree), blob);
        blob
    }

    fn look(&mut self, tree: &ObjectId, depth: usize) -> Blob {
        let Some(name) = self.names.get(depth) else {
            return Blob::Nothing;
        };
        let Ok((Kind::Tree, bytes)) = self.finder.find(tree) else {
            return Blob::Unknown;
        };
        let mut entries = TreeEntries::new(&bytes, self.id_len);
        let Some(entry) = entries.find(|entry| entry.name == name.as_slice()) else {
            return if entries.is_complete() {
                Blob::Nothing
            } else {
                Blob::Unknown
            };
        };
        let is_last = depth + 1 == self.names.len();
        match entry.id() {
            None => Blob::Unknown,
            Some(id) if entry.is_tree() && !is_last => self.at(id, depth + 1),
            Some(id)
                if is_last && !entry.is_tree() && !entry.is_link() && !entry.is_submodule() =>
            {
                Blob::Content(id)
            }
            Some(_) => Blob::Nothing,
        }
    }

    /// Returns the commits that brought a content, children before parents, among those the newest first.
    fn order(&mut self, head: ObjectId) -> Vec<(ObjectId, i64, Blob)> {
        let mut told = Vec::new();
        let mut ready = BinaryHeap::from([(0, head)]);
        while let Some((_, id)) = ready.pop() {
            let Some(seen) = self.commits.get(&id) else {
                continue;
            };
            let (time, blob, parents) = (seen.time, seen.blob, seen.parents.clone());
            let is_same = |parent: &ObjectId| {
                self.commits
                    .get(parent)
                    .is_some_and(|parent| parent.blob == blob)
            };
            if blob != Blob::Nothing && !parents.iter().any(is_same) {
                told.push((id, time, blob));
            }
            for parent in parents {
                if let Some(seen) = self.commits.get_mut(&parent) {
                    seen.children = seen.children.saturating_sub(1);
                    if seen.children == 0 {
                        ready.push((seen.time, parent));
                    }
                }
            }
        }
        told
    }

    /// Reads the contents, each once.
    fn contents(&mut self, told: Vec<(ObjectId, i64, Blob)>) -> Vec<PathVersion> {
        let mut versions = Vec::new();
        let mut known = BTreeSet::new();
        let mut total = 0;
        for (commit, time, blob) in told {
            let bytes = match blob {
                Blob::Nothing => continue,
                Blob::Content(id) if !known.insert(id) => continue,
                Blob::Content(id) if total < MAX_TOTAL => self.content(&id),
                // A shallow clone ends in commits that are not there, on purpose: they are versions too.
                Blob::Content(_) | Blob::Unknown => None,
            };
            total += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            if versions.len() >= MAX_VERSIONS {
                break;
            }
            versions.push(PathVersion {
                commit,
                time,
                bytes,
            });
        }
        versions
    }

    fn content(&mut self, id: &ObjectId) -> Option<Vec<u8>> {
        match self.finder.find(id) {
            Ok((Kind::Blob, bytes)) if bytes.len() as u64 <= MAX_BYTES => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn texts(fixture: &Fixture) -> Vec<Option<String>> {
        let told = versions(&fixture.path().join("a/b/s.yaml")).unwrap();
        told.into_iter()
            .map(|version| version.bytes.map(|bytes| String::from_utf8(bytes).unwrap()))
            .collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn tells_each_content_once_newest_first_with_its_commit() {
        let fixture = Fixture::new();
        fixture.write("a/b/s.yaml", "one");
        let first = fixture.commit("one");
        fixture.write("a/b/other", "x");
        fixture.commit("something else");
        fixture.write("a/b/s.yaml", "two");
        let second = fixture.commit("two");
        fixture.git(&["rm", "-q", "a/b/s.yaml"]);
        fixture.commit("gone");
        fixture.write("a/b/s.yaml", "three");
        fixture.commit("three");
        assert_eq!(texts(&fixture), some(&["three", "two", "one"]));
        fixture.write("a/b/s.yaml", "one");
        let back = fixture.commit("back");
        let told = versions(&fixture.path().join("a/b/s.yaml")).unwrap();
        let commits: Vec<ObjectId> = told.iter().map(|version| version.commit).collect();
        assert_eq!(told.len(), 3);
        assert_eq!(commits.first(), Some(&back));
        assert_eq!(commits.last(), Some(&second));
        assert!(!commits.contains(&first));
        let times: Vec<i64> = told.iter().map(|version| version.time).collect();
        assert!(times.is_sorted_by(|left, right| left > right), "{times:?}");
        fixture.git(&["gc", "-q"]);
        assert_eq!(
            versions(&fixture.path().join("a/b/s.yaml")).unwrap(),
            told,
            "packed"
        );
    }

    #[test]
    fn looks_at_side_branches_and_merges() {
        let fixture = Fixture::new();
        fixture.write("a/b/s.yaml", "base");
        fixture.commit("base");
        fixture.git(&["checkout", "-q", "-b", "side"]);
        fixture.write("a/b/s.yaml", "side");
        fixture.commit("side");
        fixture.write("a/b/s.yaml", "base");
        fixture.commit("side again");
        fixture.git(&["checkout", "-q", "main"]);
        fixture.write("other", "x");
        fixture.commit("main");
        fixture.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
        fixture.write("a/b/s.yaml", "of the merge");
        fixture.commit("merge");
        assert_eq!(texts(&fixture), some(&["of the merge", "base", "side"]));
        fixture.git(&["checkout", "-q", "-b", "unmerged", "HEAD~1"]);
        assert_eq!(texts(&fixture), some(&["base"]), "HEAD decides");
    }

    #[test]
    fn no_configuration_or_replacement_changes_what_is_read() {
        let fixture = Fixture::new();
        fixture.write("a/b/s.yaml", "one");
        let one = fixture.commit("one");
        fixture.write("a/b/s.yaml", "two");
        let two = fixture.commit("two");
        fixture.git(&["replace", &two.to_string(), &one.to_string()]);
        fixture.write(".gitattributes", "*.yaml filter=none ident\n");
        assert_eq!(texts(&fixture), some(&["two", "one"]));
    }

    #[test]
    fn what_cannot_be_read_is_a_version_without_content() {
        let fixture = Fixture::new();
        for text in ["one", "two", "three"] {
            fixture.write("a/b/s.yaml", text);
            fixture.commit(text);
        }
        let shallow = fixture.beside("shallow");
        let url = format!("file://{}", fixture.path().display());
        let target = shallow.to_str().unwrap();
        fixture.git(&["clone", "-q", "--depth", "2", &url, target]);
        let told = versions(&shallow.join("a/b/s.yaml")).unwrap();
        let lengths: Vec<Option<usize>> = told
            .iter()
            .map(|version| version.bytes.as_ref().map(Vec::len))
            .collect();
        assert_eq!(lengths, [Some(5), Some(3), None]);
        let big = vec![b'x'; usize::try_from(MAX_BYTES).unwrap() + 1];
        fixture.write("a/b/s.yaml", big);
        fixture.commit("big");
        fixture.write("a/b/s.yaml", "small");
        assert_eq!(texts(&fixture).first(), Some(&None));
    }

    #[test]
    fn without_commits_or_repository_there_are_none() {
        let fixture = Fixture::new();
        fixture.write("a/b/s.yaml", "one");
        assert_eq!(texts(&fixture), []);
        let outside = fixture.beside("s.yaml");
        std::fs::write(&outside, "x").unwrap();
        assert!(matches!(
            versions(&outside),
            Err(SourceError::NoRepository { .. })
        ));
        assert!(matches!(
            versions(&fixture.beside("gone")),
            Err(SourceError::Path { .. })
        ));
        fixture.write("a/b/s.yaml", "one");
        fixture.commit("one");
        let worktree = fixture.beside("linked");
        fixture.git(&[
            "worktree",
            "add",
            "-q",
            "-b",
            "w",
            worktree.to_str().unwrap(),
        ]);
        assert_eq!(versions(&worktree.join("a/b/s.yaml")).unwrap().len(), 1);
    }
}

//! The versions of files: which contents stood under which paths, since which commit, and what they hold.
//!
//! Promises: files are chosen by their names before anything is decoded, and each pair of path and content is listed once, however
//! many commits have it; contents are read path by path, so that the deltas between the versions of one file are on each other's bases.
//! A content that is missing or cannot be decoded is counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{
    super::repo::{Absent, Commit, Finder, Kind, TreeEntries},
    History,
    catalog::Number,
    graph::NONE,
    walk::{Object, Visitor},
};
use crate::{
    model::{BlobPath, CommitInfo, ObjectId},
    sources::Run,
};

/// Bytes that a thread spends on remembering delta bases.
const CACHE: usize = 16 << 20;

/// Versions of one file that are one piece of work.
const PIECE: usize = 256;

/// Largest commit or tree that is read.
const MAX_OBJECT: u64 = 64 << 20;

/// One content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The content.
    pub object: ObjectId,
    /// The first commit that has it under this path, as a place in the order of commits, older ones first; `None` if only an index or
    /// a tag leads to it.
    pub since: Option<u32>,
    /// The last commit that has it in a folder which no commit before had like that: if it came back, where it did.
    pub until: Option<u32>,
}

/// All contents that one path had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path.
    pub path: BlobPath,
    /// Its contents, the oldest first.
    pub versions: Vec<Version>,
}

/// The versions of the files that were asked for.
#[derive(Debug, Default)]
pub struct Versions {
    /// By path.
    pub files: Vec<File>,
    /// Contents that are not there.
    pub missing: usize,
    /// Whether some content stood under more paths than are followed.
    pub more_paths: bool,
}

/// Takes one version: what is made of the piece, the numbers of file and version, and the content.
pub type Read<'r, T> = dyn Fn(&mut T, usize, usize, &[u8]) + Sync + 'r;

/// Contents that were not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Too large ones.
    pub large: usize,
    /// Missing and damaged ones.
    pub lost: usize,
}

impl History {
    /// Lists the versions of the files whose name `named` and whose path `wanted` wants, and of those of `also` whose path `wanted` wants
    /// (its second argument tells that it is one of them). Costs one pass over the noted trees; nothing is decoded.
    pub fn versions(
        &self,
        named: &(dyn Fn(&[u8]) -> bool + Sync),
        wanted: &dyn Fn(&BlobPath, bool) -> bool,
        also: &BTreeSet<ObjectId>,
        run: &Run<'_>,
    ) -> Versions {
        let catalog = self.catalog();
        let (numbers, missing) = self.named(named, run);
        let found = numbers
            .into_iter()
            .filter_map(|number| catalog.id(number))
            .chain(also.iter().copied());
        let ids: Vec<ObjectId> = found.collect::<BTreeSet<_>>().into_iter().collect();
        if ids.is_empty() || run.stopped() {
            return Versions::default();
        }
        let forest = self.forest(&ids, &[], run);
        let reach = self.reach(run);
        let ground = self.ground(&forest, &reach, run);
        let since = ground.since(ids.len(), self.options.unreachable);
        let mut files: BTreeMap<u32, Vec<Version>> = BTreeMap::new();
        let choice: Vec<[bool; 2]> = since
            .paths
            .iter()
            .map(|path| [wanted(path, false), wanted(path, true)])
            .collect();
        for (path, target, commit, until) in &since.rows {
            let Some(object) = ids.get(*target as usize).copied() else {
                continue;
            };
            let [alone, among] = choice.get(*path as usize).copied().unwrap_or_default();
            if alone || among && also.contains(&object) {
                let known = |commit: u32| Some(commit).filter(|commit| *commit != NONE);
                let versions = files.entry(*path).or_default();
                versions.push(Version {
                    object,
                    since: known(*commit),
                    until: known(*until),
                });
            }
        }
        let mut files: Vec<File> = files
            .into_iter()
            .filter_map(|(path, mut versions)| {
                // What no commit has is the newest.
                versions.sort_by_key(|one| (one.since.unwrap_or(NONE), one.object));
                let path = since.paths.get(path as usize)?.clone();
                Some(File { path, versions })
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Versions {
            files,
            missing,
            more_paths: since.more,
        }
    }

    /// Returns the numbers of the files with wanted names, and how many of them are not there.
    fn named(
        &self,
        named: &(dyn Fn(&[u8]) -> bool + Sync),
        run: &Run<'_>,
    ) -> (BTreeSet<Number>, usize) {
        if let Some(record) = self.record(run) {
            return record.named(named);
        }
        // There was no room for a record of all trees: they are looked at once more.
        let walk = self.walk_of(&[Kind::Tree], run);
        let make = || Namer {
            history: self,
            named,
            found: BTreeSet::new(),
            missing: BTreeSet::new(),
        };
        let walked = walk.run(run.threads, run.progress, make, |namer| {
            (namer.found, namer.missing)
        });
        let mut found = BTreeSet::new();
        let mut missing = BTreeSet::new();
        for (some, absent) in walked.outputs {
            found.extend(some);
            missing.extend(absent);
        }
        (found, missing.len())
    }

    /// Reads versions of files on all threads: `read` gets each file, the place of a version in its list, and the content; what it
    /// makes of a piece of the list comes back in the order of files and versions. Contents above `max` bytes are left out, and counted.
    pub fn read_versions<T: Send + Default>(
        &self,
        files: &[File],
        max: u64,
        run: &Run<'_>,
        read: &Read<'_, T>,
    ) -> (Vec<T>, Unread) {
        let pieces: Vec<(usize, usize)> = (0..)
            .zip(files)
            .flat_map(|(at, file)| {
                let starts = (0..file.versions.len()).step_by(PIECE);
                starts.map(move |start| (at, start))
            })
            .collect();
        let piece = |(at, start): &(usize, usize)| {
            let mut made = T::default();
            let mut unread = Unread::default();
            let mut finder = Finder::new(self.store(), max, CACHE);
            let versions = files.get(*at).map_or(&[][..], |file| &file.versions);
            let end = versions.len().min(start + PIECE);
            // Git makes older versions deltas on younger ones.
            for number in (*start..end).rev() {
                let Some(version) = versions.get(number) else {
                    continue;
                };
                if run.stopped() {
                    break;
                }
                match finder.find(&version.object) {
                    Ok((Kind::Blob, bytes)) => read(&mut made, *at, number, &bytes),
                    Err(Absent::TooLarge(_)) => unread.large += 1,
                    _ => unread.lost += 1,
                }
            }
            run.progress.advance((end - start) as u64);
            (made, unread)
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(run.threads)
            .build();
        let parts: Vec<(T, Unread)> = match pool {
            Ok(pool) if run.threads > 1 => pool.install(|| pieces.par_iter().map(piece).collect()),
            _ => pieces.iter().map(piece).collect(),
        };
        let mut all = Unread::default();
        for (_, part) in &parts {
            all.large += part.large;
            all.lost += part.lost;
        }
        (parts.into_iter().map(|(made, _)| made).collect(), all)
    }

    /// Returns the commit at a place in the order of commits.
    #[must_use]
    pub fn commit_at(&self, place: u32) -> Option<CommitInfo> {
        let id = self.id_at(place)?;
        let mut finder = Finder::new(self.store(), MAX_OBJECT, 0);
        super::attribution::read_info(&mut finder, id)
    }

    /// Returns the author's date of the commit at a place in the order of commits, in seconds since 1970.
    #[must_use]
    pub fn date_at(&self, place: u32) -> Option<i64> {
        let id = self.id_at(place)?;
        let (kind, bytes) = Finder::new(self.store(), MAX_OBJECT, 0).find(&id).ok()?;
        let commit = (kind == Kind::Commit).then(|| Commit::parse(&bytes))??;
        Some(commit.author.seconds)
    }

    fn id_at(&self, place: u32) -> Option<ObjectId> {
        self.catalog().id(self.graph.get()?.number(place))
    }

    /// Asks commits what they renamed.
    #[must_use]
    pub fn renames(&self) -> Renames<'_> {
        Renames {
            history: self,
            finder: Finder::new(self.store(), MAX_OBJECT, CACHE),
        }
    }
}

/// Lists the files with wanted names on one thread.
struct Namer<'n> {
    history: &'n History,
    named: &'n (dyn Fn(&[u8]) -> bool + Sync),
    found: BTreeSet<Number>,
    missing: BTreeSet<ObjectId>,
}

impl Visitor for Namer<'_> {
    type Kept = ();

    fn object(&mut self, object: &Object<'_>, _: Option<&()>) {
        for entry in TreeEntries::new(object.bytes, object.id.as_bytes().len()) {
            if entry.is_tree() || entry.is_link() || entry.is_submodule() {
                continue;
            }
            if (self.named)(entry.name) {
                match self.history.catalog().number(entry.raw_id) {
                    Some(number) => drop(self.found.insert(number)),
                    None => self.missing.extend(entry.id()),
                }
            }
        }
    }

    fn large(&mut self, _: ObjectId, _: u64, _: &mut dyn io::Read) -> io::Result<u64> {
        // Trees are never streamed.
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Tells renames from copies.
pub struct Renames<'h> {
    history: &'h History,
    finder: Finder<'h>,
}

impl Renames<'_> {
    /// Tells whether the commit at a place renamed a file: it has `to`, which none of its parents has, and not `from`, of which one of
    /// its parents has a content of those that `held` holds for.
    pub fn is_rename(
        &mut self,
        place: u32,
        from: &BlobPath,
        to: &BlobPath,
        held: &dyn Fn(&ObjectId) -> bool,
    ) -> bool {
        let Some(graph) = self.history.graph.get() else {
            return false;
        };
        let parents = graph.parents(place);
        if self.blob(place, to).is_none() || self.blob(place, from).is_some() {
            return false;
        }
        let mut had = false;
        for parent in parents {
            if self.blob(*parent, to).is_some() {
                return false;
            }
            had |= self.blob(*parent, from).is_some_and(|id| held(&id));
        }
        had
    }

    /// Tells whether one commit, by its place in the order of commits, comes after another in the history of both.
    #[must_use]
    pub fn follows(&self, later: u32, earlier: u32) -> bool {
        let graph = self.history.graph.get().filter(|_| later > earlier);
        graph.is_some_and(|graph| {
            let before = graph.ancestors([later]);
            before.get(earlier as usize) == Some(&true)
        })
    }

    /// Returns what a commit has under a path.
    fn blob(&mut self, place: u32, path: &BlobPath) -> Option<ObjectId> {
        let history = self.history;
        let root = history.graph.get()?.tree(place)?;
        let mut id = history.catalog().id(root)?;
        for name in path.as_bytes().split(|byte| *byte == b'/') {
            let (kind, bytes) = self.finder.find(&id).ok()?;
            if kind != Kind::Tree {
                return None;
            }
            let id_len = id.as_bytes().len();
            let mut entries = TreeEntries::new(&bytes, id_len);
            id = entries.find(|entry| entry.name == name)?.id()?;
        }
        Some(id)
    }
}

//! The files of one commit or of the index, chosen by path: what stands beside a change.
//!
//! Promises: symbolic links, submodules and sides of conflicts are no files; a tree that leads deeper than `MAX_DEPTH` or has more
//! than `MAX_ENTRIES`, or an object that cannot be read, is left out and counted, never an error.

use std::{collections::HashSet, path::Path};

use super::{
    SourceError,
    repo::{Commit, Finder, Kind, Repository, TreeEntries},
};
use crate::model::{BlobPath, ObjectId};

/// Deepest directory that is entered.
const MAX_DEPTH: usize = 256;

/// Most files and directories that are listed: a few trees that hold each other many times have more paths than fit anywhere.
const MAX_ENTRIES: usize = 1_000_000;

/// Most bytes of their paths together.
const MAX_PATH_BYTES: usize = 128 << 20;

/// Most entries of trees that were met before: a repository may hold a folder many times, but trees that hold each other many times are made
/// to have more paths than bytes.
const MAX_REPEATED: usize = 100_000;

/// Bytes spent on remembering delta bases.
const CACHE: usize = 32 << 20;

/// Largest commit or tree that is read.
const MAX_OBJECT: u64 = 64 << 20;

/// Which files there are.
pub enum At<'a> {
    /// Those of a commit's tree.
    Commit(ObjectId),
    /// Those of an index file; the usual one without a name.
    Index(Option<&'a Path>),
}

/// The wanted files, and how much of the rest is not known.
#[derive(Debug, Default)]
pub struct Files {
    /// Path and content's name, sorted by path.
    pub wanted: Vec<(BlobPath, ObjectId)>,
    /// All paths, wanted or not, sorted.
    pub paths: Vec<BlobPath>,
    /// Directories that could not be read.
    pub lost: usize,
}

/// Lists the files for which `wanted` is true.
///
/// # Errors
/// If the index cannot be read.
pub fn list(
    repository: &Repository,
    at: &At<'_>,
    wanted: &dyn Fn(&BlobPath) -> bool,
) -> Result<Files, SourceError> {
    let mut files = Files::default();
    match at {
        At::Index(path) => {
            let path = path.map_or_else(|| repository.index_path(), Path::to_path_buf);
            let Some(mut listing) = repository.listing_at(&path)? else {
                return Ok(files);
            };
            for number in 0..listing.len() {
                let Some(item) = listing.get(number) else {
                    break;
                };
                let is_file = item.mode.bits() & 0o170_000 == 0o100_000;
                if let (Some(id), true, false, false) =
                    (item.id, is_file, item.conflict, item.intended)
                {
                    files.add(BlobPath::new(item.path), id, wanted);
                }
            }
        }
        At::Commit(id) => {
            let mut finder = Finder::new(repository.store(), MAX_OBJECT, CACHE);
            let tree = match finder.find(id) {
                Ok((Kind::Commit, bytes)) => Commit::parse(&bytes).map(|commit| commit.tree),
                _ => None,
            };
            match tree {
                Some(tree) => files.tree(repository, &mut finder, tree, wanted),
                None => files.lost += 1,
            }
        }
    }
    files.wanted.sort();
    files.paths.sort();
    Ok(files)
}

impl Files {
    fn add(&mut self, path: BlobPath, id: ObjectId, wanted: &dyn Fn(&BlobPath) -> bool) {
        if wanted(&path) {
            self.wanted.push((path.clone(), id));
        }
        self.paths.push(path);
    }

    fn tree(
        &mut self,
        repository: &Repository,
        finder: &mut Finder<'_>,
        root: ObjectId,
        wanted: &dyn Fn(&BlobPath) -> bool,
    ) {
        let mut open = vec![(Vec::new(), root, 0_usize)];
        let mut left = MAX_ENTRIES;
        let mut bytes_left = MAX_PATH_BYTES;
        let mut repeats_left = MAX_REPEATED;
        let mut met = HashSet::new();
        while let Some((folder, id, depth)) = open.pop() {
            let Ok((Kind::Tree, bytes)) = finder.find(&id) else {
                self.lost += 1;
                continue;
            };
            let is_repeated = !met.insert(id);
            for entry in TreeEntries::new(&bytes, repository.id_len()) {
                let repeats = repeats_left.checked_sub(usize::from(is_repeated));
                let (Some(rest), Some(repeats)) = (left.checked_sub(1), repeats) else {
                    self.lost += 1;
                    return;
                };
                (left, repeats_left) = (rest, repeats);
                let Some(id) = entry.id() else { continue };
                let mut path: Vec<u8> = folder.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(entry.name);
                let Some(rest) = bytes_left.checked_sub(path.len()) else {
                    self.lost += 1;
                    return;
                };
                bytes_left = rest;
                if entry.is_tree() && depth < MAX_DEPTH {
                    open.push((path, id, depth + 1));
                } else if entry.is_tree() {
                    self.lost += 1;
                } else if !entry.is_link() && !entry.is_submodule() {
                    self.add(BlobPath::new(path), id, wanted);
                }
            }
        }
    }
}

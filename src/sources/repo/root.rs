//! Single files at the root of a commit, for who needs a few of them by name.

use super::{Absent, Commit, Kind, Repository, TreeEntries};
use crate::model::ObjectId;

/// Most bytes of a commit, of a tree, and of what a file is stored as a difference to.
const MAX_OBJECT: u64 = 64 << 20;

/// What stands under a name at the root of a commit. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootEntry {
    /// Nothing.
    Nothing,
    /// A regular file, with its content.
    File(Vec<u8>),
    /// A symbolic link; where it leads is not read.
    Link,
    /// A directory or a submodule.
    Other,
}

impl Repository {
    /// Returns what stands under a name at the root of a commit; a file of more than `max` bytes (at most 64 MiB) is not read.
    ///
    /// # Errors
    /// See [`Absent`]: of the commit, its tree or the file.
    pub fn root_entry(
        &self,
        commit: &ObjectId,
        name: &[u8],
        max: u64,
    ) -> Result<RootEntry, Absent> {
        let (Kind::Commit, bytes) = self.find(commit, MAX_OBJECT)? else {
            return Err(Absent::Damaged("it is no commit"));
        };
        let commit = Commit::parse(&bytes).ok_or(Absent::Damaged("it is malformed"))?;
        let (Kind::Tree, tree) = self.find(&commit.tree, MAX_OBJECT)? else {
            return Err(Absent::Damaged("its tree is no tree"));
        };
        let mut entries = TreeEntries::new(&tree, self.id_len());
        let Some(entry) = entries.find(|entry| entry.name == name) else {
            // Before a malformed entry nothing is known of what comes after it.
            return match entries.is_complete() {
                true => Ok(RootEntry::Nothing),
                false => Err(Absent::Damaged("its tree is malformed")),
            };
        };
        if entry.is_link() {
            return Ok(RootEntry::Link);
        }
        let id = entry
            .id()
            .filter(|_| !entry.is_tree() && !entry.is_submodule());
        let Some(id) = id else {
            return Ok(RootEntry::Other);
        };
        match self.find(&id, MAX_OBJECT)? {
            (Kind::Blob, bytes) if bytes.len() as u64 > max => {
                Err(Absent::TooLarge(bytes.len() as u64))
            }
            (Kind::Blob, bytes) => Ok(RootEntry::File(bytes)),
            _ => Err(Absent::Damaged("it is no file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::Fixture, *};

    #[test]
    fn files_links_and_directories_are_told_apart() {
        let fixture = Fixture::new();
        fixture.write("file", "content");
        fixture.write("dir/file", "x");
        let id = fixture.git(&["hash-object", "-w", "file"]);
        let link = format!("120000,{id},link");
        fixture.git(&["update-index", "--add", "--cacheinfo", &link]);
        fixture.git(&["add", "file", "dir"]);
        fixture.git(&["commit", "-qm", "one"]);
        let (repository, head) = (fixture.open(), fixture.id("HEAD"));
        let at = |name: &str, max| repository.root_entry(&head, name.as_bytes(), max);
        assert_eq!(at("file", 7), Ok(RootEntry::File(b"content".to_vec())));
        assert_eq!(at("file", 6), Err(Absent::TooLarge(7)));
        assert_eq!(at("link", 99), Ok(RootEntry::Link));
        assert_eq!(at("dir", 99), Ok(RootEntry::Other));
        assert_eq!(at("none", 99), Ok(RootEntry::Nothing));
        assert_eq!(at("dir/file", 99), Ok(RootEntry::Nothing));
        let blob = fixture.id("HEAD:file");
        let not_one = repository.root_entry(&blob, b"file", 99);
        assert!(matches!(not_one, Err(Absent::Damaged(_))));
    }
}

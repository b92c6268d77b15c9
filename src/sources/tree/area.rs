//! What of a git directory inside a tree is text to read, and what is git's own storage of objects.
//!
//! Storage is only what a history of the same repository reads: a folder that merely looks like one, and what only lies
//! beside the objects, is text (gitrepository-layout(5)).

use std::{fs::File, io::Read, path::Path};

use super::super::repo::Repository;

/// What a folder is to git.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Area {
    /// No part of a git directory.
    #[default]
    Tree,
    /// `.git`, or a folder in it: configuration, hooks, messages, names. No ignore file reaches it.
    Git,
    /// The directory of a repository that can be opened.
    Repository,
    /// `worktrees` of one.
    Worktrees,
    /// `worktrees/x`.
    Worktree,
    /// The objects of a repository.
    Objects,
    /// `objects/info`.
    Info,
    /// `objects/info/commit-graphs`.
    Graphs,
    /// `objects/xx`.
    Loose,
    /// `objects/pack`.
    Packs,
    /// `logs`: what commits say, once more.
    Logs,
}

impl Area {
    /// Returns the area of a folder that stands in this one.
    pub(super) fn enter(self, folder: &Path) -> Self {
        let name = name(folder);
        match self {
            Self::Tree if name != b".git" => Self::Tree,
            Self::Repository if name == b"objects" => Self::Objects,
            Self::Repository if name == b"logs" => Self::Logs,
            Self::Repository if name == b"worktrees" => Self::Worktrees,
            Self::Worktrees if folder.join("commondir").is_file() => Self::Worktree,
            Self::Logs => Self::Logs,
            Self::Objects if name.len() == 2 && is_hex(name) => Self::Loose,
            Self::Objects if name == b"pack" => Self::Packs,
            Self::Objects if name == b"info" => Self::Info,
            Self::Info if name == b"commit-graphs" => Self::Graphs,
            _ if is_repository(folder) => Self::Repository,
            _ => Self::Git,
        }
    }

    /// Tells whether a file in this folder belongs to the history: objects, the index, logs. Those have readers of their own.
    pub(super) fn is_storage(self, file: &Path) -> bool {
        let name = name(file);
        match self {
            Self::Tree | Self::Git | Self::Worktrees | Self::Objects => false,
            Self::Logs => true,
            Self::Repository | Self::Worktree => name == b"index" && starts_with(file, b"DIRC"),
            Self::Info => name == b"commit-graph" && starts_with(file, b"CGPH"),
            Self::Graphs => name.ends_with(b".graph") && starts_with(file, b"CGPH"),
            // A SHA-1 or SHA-256 without its first two digits.
            Self::Loose => matches!(name.len(), 38 | 62) && is_hex(name),
            Self::Packs => {
                let ends = |of: &str| file.extension().is_some_and(|extension| extension == of);
                name.starts_with(b"multi-pack-index")
                    || name.starts_with(b"pack-")
                        && ["pack", "idx", "rev", "bitmap", "mtimes"]
                            .into_iter()
                            .any(ends)
                    // Packs may have any name.
                    || ends("pack") && starts_with(file, b"PACK")
                    || ends("idx") && starts_with(file, b"\xfftOc")
            }
        }
    }
}

/// Tells whether a folder is a git directory whose history could be read.
fn is_repository(dir: &Path) -> bool {
    let may_be = dir.join("HEAD").symlink_metadata().is_ok() && dir.join("objects").is_dir();
    // One whose objects lie elsewhere is not what it seems to be.
    let is_whole =
        |repository: Repository| repository.git_dir() == dir && repository.common_dir() == dir;
    may_be && Repository::open(dir).is_ok_and(is_whole)
}

fn name(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_encoded_bytes()
}

fn is_hex(name: &[u8]) -> bool {
    name.iter().all(u8::is_ascii_hexdigit)
}

fn starts_with(file: &Path, magic: &[u8; 4]) -> bool {
    let mut head = [0; 4];
    let is_file = file.symlink_metadata().is_ok_and(|meta| meta.is_file());
    is_file
        && File::open(file)
            .and_then(|mut open| open.read_exact(&mut head))
            .is_ok()
        && head == *magic
}

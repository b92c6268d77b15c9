//! What of a git directory inside a tree is text to read, and what is git's own storage of objects.
//!
//! Names alone decide (gitrepository-layout(5)), so that what only lies beside the objects is read.

use std::{fs::File, io::Read, path::Path};

/// What a folder is to git.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Area {
    /// No part of a git directory.
    #[default]
    Tree,
    /// `.git`, or a folder in it: configuration, hooks, messages, names. No ignore file reaches it.
    Git,
    /// The objects of a repository.
    Objects,
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
            Self::Tree if name == b".git" => Self::Git,
            Self::Tree => Self::Tree,
            Self::Git if name == b"objects" && folder.parent().is_some_and(is_git_dir) => {
                Self::Objects
            }
            Self::Git if name == b"logs" && folder.parent().is_some_and(is_git_dir) => Self::Logs,
            Self::Logs => Self::Logs,
            Self::Objects if name.len() == 2 && is_hex(name) => Self::Loose,
            Self::Objects if name == b"pack" => Self::Packs,
            Self::Git | Self::Objects | Self::Loose | Self::Packs => Self::Git,
        }
    }

    /// Tells whether a file in this folder belongs to the history: objects, the index, logs. Those have readers of their own.
    pub(super) fn is_storage(self, file: &Path) -> bool {
        let name = name(file);
        match self {
            Self::Tree | Self::Objects => false,
            Self::Logs => true,
            Self::Git => {
                let is_index = name.starts_with(b"index") || name.starts_with(b"sharedindex");
                let is_graph = name.starts_with(b"commit-graph") || name.ends_with(b".graph");
                (is_index && starts_with(file, b"DIRC")) || (is_graph && starts_with(file, b"CGPH"))
            }
            // A SHA-1 or SHA-256 without its first two digits.
            Self::Loose => matches!(name.len(), 38 | 62) && is_hex(name),
            Self::Packs => {
                let ends = |of: &str| file.extension().is_some_and(|extension| extension == of);
                name.starts_with(b"multi-pack-index")
                    || name.starts_with(b"pack-")
                        && ["pack", "idx", "rev", "bitmap", "mtimes"]
                            .into_iter()
                            .any(ends)
            }
        }
    }
}

/// Tells whether a folder is where git keeps a repository: what git itself asks for, but for the references, which
/// newer formats keep elsewhere.
pub(super) fn is_git_dir(dir: &Path) -> bool {
    dir.join("HEAD").symlink_metadata().is_ok() && dir.join("objects").is_dir()
}

/// Tells whether there is any object below `objects`.
pub(super) fn holds_objects(objects: &Path) -> bool {
    let entries = std::fs::read_dir(objects).into_iter().flatten().flatten();
    let mut folders = entries.map(|entry| entry.path()).filter(|path| {
        let name = name(path);
        name == b"pack" || (name.len() == 2 && is_hex(name))
    });
    folders.any(|folder| {
        let mut files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.next().is_some()
    })
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

//! How far a run looked: only what lies in its reach can have met nothing, and only that may be dropped from a baseline.

use std::collections::BTreeSet;

use crate::model::BlobPath;

/// How far a run looked. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A whole repository and its history.
    History,
    /// A whole tree as it lies there.
    Tree,
    /// One directory of it, by its path from the root.
    Directory(BlobPath),
    /// The contents of these files, by their paths as safe text.
    Files(BTreeSet<String>),
}

impl Extent {
    /// Tells whether all that a path (safe text) holds was looked at.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        match self {
            Self::History => true,
            // Names in angle brackets are of no file: messages, logs, objects without a path.
            Self::Tree => !path.starts_with('<'),
            Self::Directory(prefix) => {
                let inner = path.strip_prefix(prefix.to_text().as_ref());
                inner.is_some_and(|inner| inner.starts_with('/'))
            }
            Self::Files(paths) => paths.contains(path),
        }
    }

    /// Tells whether all that some globs of the root can fit was looked at; `false` if there is none.
    #[must_use]
    pub(super) fn covers_all(&self, globs: &[String]) -> bool {
        let fixed = |glob: &str| glob.find(['*', '?', '[', '{', '\\']).unwrap_or(glob.len());
        let covers = |glob: &String| {
            let rooted = glob.strip_prefix('/').unwrap_or(glob);
            let (lead, pattern) = rooted.split_at(fixed(rooted));
            match self {
                Self::History | Self::Tree => true,
                Self::Directory(_) => glob.contains('/') && self.covers(lead),
                Self::Files(_) => glob.contains('/') && pattern.is_empty() && self.covers(lead),
            }
        };
        !globs.is_empty() && globs.iter().all(covers)
    }

    /// Tells whether a whole tree was looked at, at least.
    pub(super) const fn is_whole(&self) -> bool {
        match self {
            Self::History | Self::Tree => true,
            Self::Directory(_) | Self::Files(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(list: &[&str]) -> Vec<String> {
        list.iter().map(|glob| (*glob).to_owned()).collect()
    }

    #[test]
    fn a_part_covers_what_lies_in_it() {
        let part = Extent::Directory(BlobPath::from("a/b"));
        assert!(part.covers("a/b/c") && part.covers_all(&globs(&["a/b/**", "/a/b/c.py"])));
        assert!(!part.covers("a/bc") && !part.covers("a/b") && !part.covers("<tag>"));
        assert!(!part.covers_all(&globs(&["*.py"])) && !part.covers_all(&globs(&["a/*/c"])));
        assert!(!part.covers_all(&[]));
        let files = Extent::Files(["a/b".to_owned()].into());
        assert!(files.covers("a/b") && files.covers_all(&globs(&["a/b"])));
        assert!(!files.covers("a/b/c") && !files.covers_all(&globs(&["a/*"])));
    }

    #[test]
    fn a_tree_covers_no_messages() {
        assert!(Extent::Tree.covers("a") && !Extent::Tree.covers("<commit message>"));
        assert!(Extent::History.covers("<commit message>"));
    }
}

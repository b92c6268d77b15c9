//! What a `RUN` has mounted, and what it removes again.

use std::collections::BTreeSet;

use super::words;
use crate::policy::{node::Scalar, readers::dockerfile::Run, shell::Placeholder};

/// Most words of `rm` that are looked at.
const MAX_REMOVED: usize = 64;

/// What a script removes again.
pub(super) struct Removed {
    words: Vec<Scalar>,
    /// Whether it takes settings back by the tool itself.
    pub(super) unsets: bool,
}

impl Removed {
    /// Reads a script.
    pub(super) fn new(script: &Scalar) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| script.text.contains(word));
        let is_removal = |words: &Vec<Scalar>| {
            words
                .iter()
                .take(2)
                .any(|word| matches!(word.text.as_str(), "rm" | "shred" | "unlink"))
        };
        let commands = if has(&["rm ", "shred ", "unlink "]) {
            words::commands(script)
        } else {
            Vec::new()
        };
        let words = commands
            .into_iter()
            .filter(is_removal)
            .flat_map(|words| words.into_iter().skip(1));
        let words = words
            .filter(|word| !word.text.starts_with('-') && word.text != "rm")
            .take(MAX_REMOVED)
            .collect();
        let unsets = has(&[
            "--unset",
            "--remove-section",
            "logout",
            "config delete",
            "config unset",
            "config rm",
            "remote set-url",
        ]);
        Self { words, unsets }
    }

    /// Returns the word that removes a file, or the folder it is in, or one that it stands for.
    pub(super) fn find(&self, path: &str) -> Option<&Scalar> {
        let path = bare(path);
        let is_below = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let ends = |long: &str, short: &str| {
            long.strip_suffix(short)
                .is_some_and(|rest| rest.ends_with('/'))
        };
        self.words.iter().find(|word| {
            let removed = bare(&word.text).trim_end_matches(['*', '/']);
            !removed.is_empty()
                && !path.is_empty()
                && (is_below(path, removed)
                    || is_below(removed, path)
                    || ends(path, removed)
                    || ends(removed, path))
        })
    }
}

/// Leaves out how the home directory and quotes are written.
fn bare(path: &str) -> &str {
    let path = path.trim_matches(['"', '\'']);
    let homes = ["~/", "$HOME/", "${HOME}/", "/root/", "./"];
    homes
        .iter()
        .find_map(|home| path.strip_prefix(home))
        .unwrap_or(path)
}

/// What is mounted for one `RUN`.
pub(super) struct Mounts<'r> {
    /// Variables that hold a secret.
    pub(super) variables: BTreeSet<&'r str>,
    /// Files that are one.
    pub(super) files: Vec<String>,
    /// Folders and files that are in no layer.
    aside: Vec<&'r str>,
}

impl<'r> Mounts<'r> {
    /// Reads the flags of a `RUN`.
    pub(super) fn new(run: &'r Run) -> Self {
        let mut mounts = Self {
            variables: BTreeSet::new(),
            files: Vec::new(),
            aside: vec!["/dev/", "/proc/", "/run/secrets/"],
        };
        for flag in run
            .flags
            .iter()
            .filter(|flag| flag.name == "mount")
            .take(32)
        {
            let target = flag
                .attribute("target")
                .or_else(|| flag.attribute("dst"))
                .or_else(|| flag.attribute("destination"));
            mounts
                .aside
                .extend(target.filter(|target| target.len() > 1));
            if flag.attribute("type") == Some("secret") {
                mounts.variables.extend(flag.attribute("env"));
                let default = || flag.attribute("id").map(|id| format!("/run/secrets/{id}"));
                // With `env` alone there is no file.
                let file = target
                    .map(str::to_owned)
                    .or_else(|| default().filter(|_| flag.attribute("env").is_none()));
                mounts.files.extend(file.filter(|file| file.len() > 1));
            }
        }
        mounts
    }

    /// Tells whether a word is the path of a mounted secret.
    pub(super) fn is_file(&self, word: &str) -> bool {
        self.files.iter().any(|file| file == word)
    }

    /// Tells whether a path is in no layer.
    pub(super) fn holds(&self, path: &str) -> bool {
        let path = path.trim_matches(['"', '\'']);
        self.aside.iter().any(|aside| path.starts_with(aside))
    }

    /// Returns where a script reads a mounted secret: `$(cat /run/secrets/x)`.
    pub(super) fn read_in(&self, text: &str) -> Vec<Placeholder> {
        let mut found = Vec::new();
        for file in &self.files {
            for (open, close) in [("$(cat ", ")"), ("$(<", ")"), ("$(< ", ")"), ("`cat ", "`")] {
                let needle = format!("{open}{file}{close}");
                let places = text.match_indices(&needle).take(64);
                found.extend(places.map(|(at, _)| Placeholder {
                    span: at..at + needle.len(),
                    name: file.clone(),
                    secret: true,
                }));
            }
        }
        found.sort_by_key(|one| one.span.start);
        found.dedup_by(|after, before| after.span.start < before.span.end);
        found
    }
}

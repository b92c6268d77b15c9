//! The jobs of a GitLab pipeline: what they say, and what they take from `default`, `extends` and anchors.

use std::collections::BTreeMap;

use super::{
    super::super::{
        lint::Document,
        node::{Entry, Node},
        shell, values,
    },
    body::Body,
};

/// Keys at the top that are no jobs.
const GLOBALS: [&str; 14] = [
    "default",
    "include",
    "stages",
    "variables",
    "workflow",
    "image",
    "services",
    "before_script",
    "after_script",
    "cache",
    "spec",
    "types",
    "<<",
    "artifacts",
];

/// Longest chain of `extends` that is followed. GitLab allows 11.
const MAX_EXTENDS: usize = 12;

/// Most files of a job's parents.
const MAX_PARENTS: usize = 32;

/// A pipeline.
pub(super) struct Pipeline<'n> {
    /// Its document.
    pub(super) root: &'n Node,
    /// Its jobs, templates (`.name`) among them.
    pub(super) jobs: Vec<Job<'n>>,
    entries: BTreeMap<&'n str, &'n Node>,
}

/// A job.
pub(super) struct Job<'n> {
    /// Its name.
    pub(super) name: &'n str,
    /// Its entry.
    pub(super) entry: &'n Entry,
    /// Itself, and what it extends, the nearest first.
    chain: Vec<&'n Node>,
    /// Whether it never runs itself.
    pub(super) hidden: bool,
}

impl<'n> Pipeline<'n> {
    /// Reads the documents of a file; all but the last hold its `spec`.
    pub(super) fn of(document: &'n Document<'_>) -> Option<Self> {
        let root = document.trees().last()?;
        let mut entries = BTreeMap::new();
        for entry in root.entries() {
            entries.insert(entry.key.as_str(), &entry.value);
        }
        let is_job = |entry: &&Entry| {
            !GLOBALS.contains(&entry.key.as_str()) && !entry.value.entries().is_empty()
        };
        let jobs = root.entries().iter().filter(is_job);
        let jobs = jobs
            .map(|entry| Job {
                name: &entry.key,
                entry,
                chain: chain(&entry.value, &entries),
                hidden: entry.key.starts_with('.'),
            })
            .collect();
        Some(Self {
            root,
            jobs,
            entries,
        })
    }

    /// Returns what a job says of a key: itself, what it extends, `default`, or the top.
    pub(super) fn get(&self, job: &Job<'n>, key: &str) -> Option<&'n Node> {
        let own = job.chain.iter().find_map(|node| node.get(key));
        own.or_else(|| {
            let default = self
                .root
                .get("default")
                .and_then(|default| default.get(key));
            let is_default = matches!(
                key,
                "before_script"
                    | "after_script"
                    | "services"
                    | "cache"
                    | "artifacts"
                    | "image"
                    | "id_tokens"
            );
            default
                .or_else(|| self.root.get(key))
                .filter(|_| is_default)
        })
    }

    /// Returns the maps that a job's key is merged from, the nearest first: `variables`, `secrets`, `id_tokens`.
    pub(super) fn maps(&self, job: &Job<'n>, key: &'n str) -> impl Iterator<Item = &'n Entry> {
        let own: Vec<&Node> = job.chain.iter().filter_map(|node| node.get(key)).collect();
        let global = self.root.get(key).into_iter();
        let default = self
            .root
            .get("default")
            .and_then(|default| default.get(key));
        own.into_iter()
            .chain(default)
            .chain(global)
            .flat_map(Node::merged)
    }

    /// Follows `!reference [job, key, …]`.
    pub(super) fn reference(&self, node: &Node) -> Option<&'n Node> {
        if node.tag.as_deref() != Some("!reference") {
            return None;
        }
        let mut path = node.items().iter().filter_map(Node::text);
        let job = self.entries.get(path.next()?)?;
        path.try_fold(*job, |node, key| node.get(key))
    }

    /// Returns the script that a job runs first, and the one behind it, each in a shell of its own.
    pub(super) fn bodies(&self, job: &Job<'n>) -> [Body<'n>; 2] {
        let mut first = Body::default();
        for key in ["before_script", "script"] {
            if let Some(node) = self.get(job, key) {
                first.add(node, self);
            }
        }
        let mut after = Body::default();
        if let Some(node) = self.get(job, "after_script") {
            after.add(node, self);
        }
        [first, after]
    }

    /// Tells whether a variable holds a secret in a job: by its name, unless the file itself gives it a value or a path.
    pub(super) fn secrets(&self, job: &Job<'n>) -> Secrets {
        let mut known = BTreeMap::new();
        for entry in self.maps(job, "secrets") {
            // Unless it is told otherwise the variable holds the path of a file.
            let is_file = entry
                .value
                .text_at(&["file"])
                .is_none_or(|file| file != "false");
            known.entry(entry.key.clone()).or_insert(!is_file);
        }
        for entry in self.maps(job, "id_tokens") {
            known.entry(entry.key.clone()).or_insert(true);
        }
        for entry in self.maps(job, "variables") {
            let value = value_of(&entry.value)
                .and_then(Node::text)
                .unwrap_or_default();
            let is_fixed = !matches!(
                values::classify(value),
                values::Value::Template | values::Value::Empty
            );
            if is_fixed {
                known.entry(entry.key.clone()).or_insert(false);
            }
        }
        Secrets(known)
    }

    /// Returns the name of the entry at the top that a place stands in: it stays the same when lines move.
    pub(super) fn owner(&self, at: usize) -> &'n str {
        let entries = self.root.entries();
        let next = entries.partition_point(|entry| entry.key_span.start <= at);
        let entry = next.checked_sub(1).and_then(|at| entries.get(at));
        entry.map_or("", |entry| entry.key.as_str())
    }
}

/// What a job knows of variables beside their names.
pub(super) struct Secrets(BTreeMap<String, bool>);

impl Secrets {
    /// Tells whether a variable holds a secret.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.0
            .get(name)
            .copied()
            .unwrap_or_else(|| shell::is_secret_variable(name))
    }
}

/// Returns the value of a variable, which may be a map with a description.
pub(super) fn value_of(node: &Node) -> Option<&Node> {
    if node.entries().is_empty() {
        Some(node)
    } else {
        node.get("value")
    }
}

/// Returns a job and what it extends, the nearest first; of several the last counts most.
fn chain<'n>(job: &'n Node, entries: &BTreeMap<&'n str, &'n Node>) -> Vec<&'n Node> {
    let mut chain = vec![job];
    let mut level = vec![job];
    for _ in 0..MAX_EXTENDS {
        let mut next = Vec::new();
        for node in level {
            let Some(extends) = node.get("extends") else {
                continue;
            };
            let names = extends
                .text()
                .into_iter()
                .chain(extends.items().iter().rev().filter_map(Node::text));
            for parent in names.filter_map(|name| entries.get(name)) {
                if chain.len() < MAX_PARENTS
                    && !chain.iter().any(|known| std::ptr::eq(*known, *parent))
                {
                    chain.push(parent);
                    next.push(*parent);
                }
            }
        }
        level = next;
    }
    chain
}

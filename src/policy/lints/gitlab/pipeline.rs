//! The jobs of a GitLab pipeline: what they say, and what they take from `default`, `extends` and anchors.

use std::{cell::Cell, collections::BTreeMap};

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
    root: &'n Node,
    /// Its jobs, templates (`.name`) among them.
    pub(super) jobs: Vec<Job<'n>>,
    entries: BTreeMap<&'n str, &'n Node>,
    /// What `default` and the top say of variables: `true` is "a secret", whatever its name.
    shared: BTreeMap<&'n str, bool>,
    /// The variables of all jobs.
    variables: BTreeMap<&'n str, &'n Node>,
    /// How many inherited entries may still be looked at.
    left: Cell<usize>,
}

/// Most entries of `variables` and its like that jobs inherit, all together.
const MAX_INHERITED: usize = 100_000;

/// A job.
pub(super) struct Job<'n> {
    /// Its name.
    pub(super) name: &'n str,
    entry: &'n Node,
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
                entry: &entry.value,
                chain: chain(&entry.value, &entries),
                hidden: entry.key.starts_with('.'),
            })
            .collect();
        let default = root.get("default");
        let mut shared = BTreeMap::new();
        for key in ["secrets", "id_tokens", "variables"] {
            for node in default
                .into_iter()
                .chain([root])
                .filter_map(|node| node.get(key))
            {
                learn(key, node, &mut shared);
            }
        }
        Some(Self {
            root,
            jobs,
            entries,
            shared,
            variables: named(root.get("variables")),
            left: Cell::new(MAX_INHERITED),
        })
    }

    /// Returns what a job says of a key: itself, what it extends, `default`, or the top.
    pub(super) fn get(&self, job: &Job<'n>, key: &str) -> Option<&'n Node> {
        let own = job.chain.iter().find_map(|node| node.get(key));
        own.or_else(|| {
            let default = self.top("default").and_then(|default| default.get(key));
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
            default.or_else(|| self.top(key)).filter(|_| is_default)
        })
    }

    /// Returns the value of a key at the top.
    pub(super) fn top(&self, key: &str) -> Option<&'n Node> {
        self.entries.get(key).copied()
    }

    /// Returns the maps that a job itself, and what it extends, have under a key, the nearest first. What many jobs inherit is looked
    /// at for each of them, as long as that stays in proportion to the file; then each job has its own alone.
    pub(super) fn maps(&self, job: &Job<'n>, key: &str) -> Vec<&'n Node> {
        let all: Vec<&Node> = job.chain.iter().filter_map(|node| node.get(key)).collect();
        let parents = job.chain.iter().skip(1).filter_map(|node| node.get(key));
        let inherited: usize = parents.map(|node| node.entries().len()).sum();
        if inherited > self.left.get() {
            return job.entry.get(key).into_iter().collect();
        }
        self.left.set(self.left.get() - inherited);
        all
    }

    /// Returns a job's own variables.
    pub(super) fn variables(&self, job: &Job<'n>) -> BTreeMap<&'n str, &'n Node> {
        let mut all = BTreeMap::new();
        for (name, node) in self
            .maps(job, "variables")
            .into_iter()
            .flat_map(|node| named(Some(node)))
        {
            all.entry(name).or_insert(node);
        }
        all
    }

    /// Returns the variable of the settings that stands behind one of a job, whose own are given: `None` if the file makes it of
    /// several, or of none.
    pub(super) fn origin<'a>(
        &self,
        own: &BTreeMap<&'n str, &'n Node>,
        name: &'a str,
    ) -> Option<&'a str>
    where
        'n: 'a,
    {
        let mut name = name;
        for _ in 0..4 {
            let Some(node) = own.get(name).or_else(|| self.variables.get(name)) else {
                return Some(name);
            };
            let text = value_of(node)?.text()?.trim();
            let inner = text.strip_prefix('$')?;
            let inner = inner
                .strip_prefix('{')
                .map_or(Some(inner), |inner| inner.strip_suffix('}'))?;
            let is_name = !inner.is_empty()
                && inner
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !is_name || inner == name {
                return is_name.then_some(name);
            }
            name = inner;
        }
        None
    }

    /// Tells whether a job, or all, declare `id_tokens`.
    pub(super) fn has_id_tokens(&self, job: &Job<'n>) -> bool {
        self.get(job, "id_tokens")
            .is_some_and(|tokens| !tokens.entries().is_empty())
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

    /// Tells what a job knows of variables: beside their names, whether the file itself gives them a value or a path.
    pub(super) fn secrets(&self, job: &Job<'n>) -> Secrets<'_> {
        let mut own = BTreeMap::new();
        for key in ["secrets", "id_tokens", "variables"] {
            for node in self.maps(job, key) {
                learn(key, node, &mut own);
            }
        }
        Secrets {
            own,
            shared: &self.shared,
        }
    }

    /// Returns the name of the entry at the top that a place stands in: it stays the same when lines move.
    pub(super) fn owner(&self, at: usize) -> &'n str {
        let entries = self.root.entries();
        let next = entries.partition_point(|entry| entry.key_span.start <= at);
        let entry = next.checked_sub(1).and_then(|at| entries.get(at));
        entry.map_or("", |entry| entry.key.as_str())
    }
}

/// Returns the entries of a map by their names.
fn named(node: Option<&Node>) -> BTreeMap<&str, &Node> {
    let entries = node.map_or_else(Vec::new, Node::merged);
    entries
        .into_iter()
        .map(|entry| (entry.key.as_str(), &entry.value))
        .collect()
}

/// Learns of variables from a map: what is known already stays.
fn learn<'n>(key: &str, node: &'n Node, known: &mut BTreeMap<&'n str, bool>) {
    for entry in node.merged() {
        let holds = match key {
            // Unless it is told otherwise the variable holds the path of a file.
            "secrets" => entry.value.text_at(&["file"]) == Some("false"),
            "id_tokens" => true,
            _ => {
                let value = value_of(&entry.value).and_then(Node::text);
                let value = values::classify(value.unwrap_or_default());
                if matches!(value, values::Value::Template | values::Value::Empty) {
                    continue;
                }
                false
            }
        };
        known.entry(&entry.key).or_insert(holds);
    }
}

/// What a job knows of variables beside their names.
pub(super) struct Secrets<'p> {
    own: BTreeMap<&'p str, bool>,
    shared: &'p BTreeMap<&'p str, bool>,
}

impl Secrets<'_> {
    /// Tells whether a variable holds a secret.
    pub(super) fn holds(&self, name: &str) -> bool {
        let known = self.own.get(name).or_else(|| self.shared.get(name));
        known
            .copied()
            .unwrap_or_else(|| shell::is_secret_variable(name))
    }

    /// Tells whether the job says nothing of its own.
    pub(super) fn are_shared(&self) -> bool {
        self.own.is_empty()
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

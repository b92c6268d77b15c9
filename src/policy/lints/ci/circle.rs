//! `.circleci/config.yml`: jobs, executors, commands, and workflows that give jobs their contexts.

use std::{collections::BTreeSet, ops::Range};

use super::{
    files::{self, Keep},
    metas, plain,
    plain::Owner,
    script::{self, Body, Out, Shell},
};
use crate::policy::{
    fault::Fault,
    node::{Entry, Node, NodeKind, Scalar},
    shell::Placeholder,
};

/// Deepest nest of `when` and `unless` that is followed.
const MAX_NEST: usize = 8;

/// Tells the faults of one file.
pub(super) fn look(tree: &Node, out: &mut Out<'_>) {
    let with_context = jobs_with_context(tree);
    let orbs = tree
        .get("orbs")
        .map_or(&[][..], Node::entries)
        .iter()
        .map(|entry| &entry.value);
    let mut reading = BTreeSet::new();
    for part in std::iter::once(tree).chain(orbs) {
        for section in ["executors", "jobs", "commands"] {
            for entry in part.get(section).map_or_else(Vec::new, Node::merged) {
                let name = entry.key.as_str();
                let mentions = mentions(&entry.value, 0);
                if section == "jobs" && mentions {
                    reading.insert(name);
                }
                let mut job = Job {
                    place: format!("{section}.{name}"),
                    has_secrets: mentions || section == "jobs" && with_context.contains(name),
                    written: Vec::new(),
                    kept: Vec::new(),
                };
                job.look(&entry.value, out);
            }
        }
    }
    unscoped(tree, &reading, out);
}

/// Tells whether any script below a job's steps expands a secret.
fn mentions(node: &Node, depth: usize) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => script::mentions_secret(&scalar.text),
        NodeKind::List(items) => {
            depth < MAX_NEST * 2 && items.iter().any(|item| mentions(item, depth + 1))
        }
        NodeKind::Map(entries) => {
            depth < MAX_NEST * 2
                && entries
                    .iter()
                    .any(|entry| mentions(&entry.value, depth + 1))
        }
    }
}

/// What is known of a job while its steps are read.
struct Job<'n> {
    place: String,
    has_secrets: bool,
    /// Files that scripts write secrets to.
    written: Vec<String>,
    /// What is kept: judged when all scripts are known.
    kept: Vec<(&'n Node, Option<&'n str>, Keep)>,
}

impl<'n> Job<'n> {
    fn look(&mut self, job: &'n Node, out: &mut Out<'_>) {
        if let Some(variables) = job.get("environment") {
            plain::variables(out, &self.place, variables, Owner::Job);
        }
        for (at, image) in job
            .get("docker")
            .map_or(&[][..], Node::items)
            .iter()
            .enumerate()
        {
            let owner = if at == 0 { Owner::Job } else { Owner::Service };
            if let Some(variables) = image.get("environment") {
                plain::variables(out, &self.place, variables, owner);
            }
            for section in ["auth", "aws_auth"] {
                if let Some(login) = image.get(section) {
                    plain::variables(out, &self.place, login, Owner::Job);
                }
            }
        }
        for parameter in job.get("parameters").map_or(&[][..], Node::entries) {
            if parameter.value.text_at(&["type"]) == Some("string")
                && let Some(default) = parameter.value.get("default")
            {
                plain::scalar(out, &self.place, &parameter.key, default, Owner::Job);
            }
        }
        self.steps(job.get("steps"), out, 0);
        for (node, root, keep) in std::mem::take(&mut self.kept) {
            // Paths of a workspace stand below its root.
            let written: Vec<String> =
                match root.map(|root| root.trim_start_matches("./").trim_end_matches('/')) {
                    Some(root) if !matches!(root, "" | "." | "~/project") => {
                        let below = |file: &String| {
                            file.trim_start_matches("./")
                                .strip_prefix(root)
                                .map(|rest| rest.trim_start_matches('/').to_owned())
                        };
                        self.written.iter().filter_map(below).collect()
                    }
                    _ => self.written.clone(),
                };
            files::paths(out, &self.place, node, keep, &written);
        }
    }

    fn steps(&mut self, steps: Option<&'n Node>, out: &mut Out<'_>, depth: usize) {
        if depth > MAX_NEST {
            return;
        }
        for step in steps.map_or(&[][..], Node::items) {
            for entry in step.entries() {
                self.step(entry, out, depth);
            }
        }
    }

    fn step(&mut self, entry: &'n Entry, out: &mut Out<'_>, depth: usize) {
        let step = &entry.value;
        match entry.key.as_str() {
            "run" => self.run(step, out),
            "when" | "unless" => self.steps(step.get("steps"), out, depth + 1),
            "persist_to_workspace" => {
                self.keep(step.get("paths"), step.text_at(&["root"]), Keep::Workspace)
            }
            "save_cache" => self.keep(step.get("paths"), None, Keep::Cache),
            "store_artifacts" => self.keep(step.get("path"), None, Keep::Artifact),
            // A command of an orb or of the file: what it is given.
            _ => plain::variables(
                out,
                &format!("{} {}", self.place, entry.key),
                step,
                Owner::Job,
            ),
        }
    }

    fn keep(&mut self, paths: Option<&'n Node>, root: Option<&'n str>, keep: Keep) {
        self.kept.extend(paths.map(|paths| (paths, root, keep)));
    }

    fn run(&mut self, run: &Node, out: &mut Out<'_>) {
        let name = run.text_at(&["name"]).unwrap_or("run");
        let place = format!("{} {name}", self.place);
        if let Some(variables) = run.get("environment") {
            plain::variables(out, &place, variables, Owner::Job);
        }
        let Some(scalar) = run.get("command").unwrap_or(run).scalar() else {
            return;
        };
        let shell = run.text_at(&["shell"]).unwrap_or_default();
        let body = Body {
            scalar,
            shell: match shell {
                _ if shell.contains("powershell") || shell.contains("pwsh") => Shell::Power,
                _ if shell.is_empty() || shell.contains("sh") => Shell::Posix,
                _ => Shell::Unknown,
            },
            trace: shell
                .split_whitespace()
                .skip(1)
                .any(|flag| flag.starts_with('-') && !flag.starts_with("--") && flag.contains('x')),
            place: &place,
            placeholders: &parameters(scalar),
            has_secrets: self.has_secrets,
            bound: &[],
        };
        script::look(out, &body, &mut self.written);
    }
}

/// Returns `<< parameters.x >>` of a script.
fn parameters(scalar: &Scalar) -> Vec<Placeholder> {
    let text = &scalar.text;
    let starts = text.match_indices("<<").map(|(at, _)| at);
    let found = starts.filter_map(|start| {
        let rest = text.get(start + 2..)?;
        let inner = rest.trim_start_matches(' ');
        let is_ours = inner.starts_with("parameters.")
            || inner.starts_with("pipeline.")
            || inner.starts_with("matrix.");
        let name = inner
            .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'))
            .next()?;
        let after = inner.get(name.len()..)?.trim_start_matches(' ');
        let end = text.len() - after.strip_prefix(">>")?.len();
        let span: Range<usize> = start..end;
        is_ours.then(|| Placeholder {
            span,
            name: name.to_owned(),
            secret: false,
        })
    });
    found.collect()
}

/// Returns the jobs that a workflow gives a context.
fn jobs_with_context(tree: &Node) -> BTreeSet<&str> {
    let of_workflows = workflow_jobs(tree)
        .filter(|(_, settings)| settings.is_some_and(|settings| settings.get("context").is_some()));
    of_workflows.map(|(entry, _)| entry.0).collect()
}

/// Returns each use of a job by a workflow: its name with where that stands, and its settings.
fn workflow_jobs(tree: &Node) -> impl Iterator<Item = ((&str, Range<usize>), Option<&Node>)> {
    let workflows = tree.get("workflows").map_or(&[][..], Node::entries).iter();
    let items =
        workflows.flat_map(|workflow| workflow.value.get("jobs").map_or(&[][..], Node::items));
    items.filter_map(|item| match &item.kind {
        NodeKind::Scalar(scalar) => Some(((scalar.text.as_str(), item.span.clone()), None)),
        NodeKind::Map(entries) => entries.first().map(|entry| {
            (
                (entry.key.as_str(), entry.key_span.clone()),
                Some(&entry.value),
            )
        }),
        NodeKind::List(_) => None,
    })
}

/// Jobs that deploy with secrets which every job of the project has (rule 33). `reading` are the jobs that read secrets.
fn unscoped(tree: &Node, reading: &BTreeSet<&str>, out: &mut Out<'_>) {
    for ((name, span), settings) in workflow_jobs(tree) {
        let has_context = settings.is_some_and(|settings| {
            settings.get("context").is_some() || settings.get("type").is_some()
        });
        if !has_context && reading.contains(name) && script::deploys(name) {
            let message = format!(
                "the job `{name}` deploys with secrets that every job of the project is given: it has no `context`"
            );
            out.tell(Fault::new(&metas::UNSCOPED, span, name.to_owned(), message));
        }
    }
}

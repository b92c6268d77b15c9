//! `azure-pipelines.yml` and its templates: variables, steps wherever they stand, macros and logging commands in scripts.

use std::{collections::BTreeSet, ops::Range};

use super::{
    files::{self, Keep},
    macros::{expressions, is_commented, is_secret, macros, set_variables},
    metas, plain,
    plain::Owner,
    script::{self, Body, Out, Shell},
};
use crate::model::Severity;
use crate::policy::{
    fault::Fault,
    node::{Node, NodeKind, Scalar},
    shell::Placeholder,
};

/// Deepest nest of stages, jobs, steps and conditions that is followed.
const MAX_NEST: usize = 40;

/// Tells the faults of one file.
pub(super) fn look(tree: &Node, out: &mut Out<'_>) {
    let mut declared = BTreeSet::new();
    declare(tree, &mut declared, 0);
    let file = File { declared };
    file.visit(tree, "", out, &mut Vec::new(), 0);
}

/// What is known of a file.
struct File<'n> {
    /// Names of variables that the file declares.
    declared: BTreeSet<&'n str>,
}

/// Collects the names of variables that the file declares.
fn declare<'n>(node: &'n Node, declared: &mut BTreeSet<&'n str>, depth: usize) {
    if depth > MAX_NEST {
        return;
    }
    if let Some(variables) = node.get("variables") {
        declared.extend(variables.entries().iter().map(|entry| entry.key.as_str()));
        declared.extend(
            variables
                .items()
                .iter()
                .filter_map(|item| item.text_at(&["name"])),
        );
    }
    let below = node.entries().iter().map(|entry| &entry.value);
    below
        .chain(node.items())
        .for_each(|node| declare(node, declared, depth + 1));
}

impl File<'_> {
    /// Visits stages, jobs and steps; `written` takes the files that scripts of the job write secrets to.
    fn visit(
        &self,
        node: &Node,
        place: &str,
        out: &mut Out<'_>,
        written: &mut Vec<String>,
        depth: usize,
    ) {
        if depth > MAX_NEST {
            return;
        }
        match &node.kind {
            NodeKind::List(items) => items
                .iter()
                .for_each(|item| self.visit(item, place, out, written, depth + 1)),
            NodeKind::Map(entries) => {
                let is_job = ["job", "deployment", "stage"]
                    .into_iter()
                    .find_map(|key| node.text_at(&[key]));
                let own = match is_job {
                    Some(name) if place.is_empty() => name.to_owned(),
                    Some(name) => format!("{place}.{name}"),
                    None => place.to_owned(),
                };
                let mut of_job = Vec::new();
                let written = if is_job.is_some() {
                    &mut of_job
                } else {
                    written
                };
                self.step(node, &own, out, written);
                for entry in entries {
                    match entry.key.as_str() {
                        "variables" | "parameters" => {
                            plain::variables(out, &own, &entry.value, Owner::Job)
                        }
                        "inputs" | "env" | "script" | "bash" | "pwsh" | "powershell" => {}
                        _ => self.visit(&entry.value, &own, out, written, depth + 1),
                    }
                }
            }
            NodeKind::Scalar(_) => {}
        }
    }

    fn step(&self, node: &Node, job: &str, out: &mut Out<'_>, written: &mut Vec<String>) {
        let task = node
            .text_at(&["task"])
            .unwrap_or_default()
            .to_ascii_lowercase();
        let of_shortcut = ["script", "bash", "pwsh", "powershell"]
            .into_iter()
            .find_map(|key| Some((key, node.get(key)?)));
        if task.is_empty() && of_shortcut.is_none() && node.get("publish").is_none() {
            return;
        }
        let name = node
            .text_at(&["displayName"])
            .or_else(|| node.text_at(&["name"]))
            .unwrap_or("step");
        let place = format!("{job} {name}").trim_start().to_owned();
        let env = node.get("env");
        if let Some(env) = env {
            plain::variables(out, &place, env, Owner::Job);
        }
        let has_secrets =
            env.is_some_and(|env| env.entries().iter().any(|entry| is_secret(&entry.key)));
        if let Some((key, body)) = of_shortcut {
            let shell = match key {
                "pwsh" | "powershell" => Shell::Power,
                _ => Shell::Posix,
            };
            self.body(body, shell, &place, has_secrets, out, written);
        }
        if let Some(path) = node.get("publish") {
            files::paths(out, &place, path, Keep::Artifact, written);
        }
        if let Some(inputs) = node.get("inputs") {
            plain::variables(out, &place, inputs, Owner::Job);
            self.scripts(inputs, &task, &place, has_secrets, out, written);
            kept(inputs, &task, &place, out, written);
        }
    }

    /// The inputs of a task that are scripts or arguments of one.
    fn scripts(
        &self,
        inputs: &Node,
        task: &str,
        place: &str,
        has_secrets: bool,
        out: &mut Out<'_>,
        written: &mut Vec<String>,
    ) {
        for key in ["script", "inlineScript", "inline", "Inline"] {
            if let Some(body) = inputs.get(key) {
                let shell = shell_of(task, inputs);
                self.body(body, shell, place, has_secrets, out, written);
            }
        }
        for key in [
            "arguments",
            "scriptArguments",
            "commandOptions",
            "args",
            "options",
        ] {
            if let Some(body) = inputs.get(key) {
                self.body(body, Shell::Unknown, place, has_secrets, out, written);
            }
        }
    }

    fn body(
        &self,
        node: &Node,
        shell: Shell,
        place: &str,
        has_secrets: bool,
        out: &mut Out<'_>,
        written: &mut Vec<String>,
    ) {
        let Some(scalar) = node.scalar() else { return };
        let macros = macros(&scalar.text);
        for (span, name) in &macros {
            self.pasted(scalar, span.clone(), name, place, out);
        }
        set_variables(scalar, place, out);
        let is_known =
            |name: &str| name.contains('.') || self.declared.contains(name) || is_secret(name);
        let mut placeholders: Vec<Placeholder> = macros
            .into_iter()
            .filter(|(_, name)| is_known(name))
            .map(|(span, name)| Placeholder {
                span,
                name: name.to_owned(),
                secret: false,
            })
            .chain(expressions(&scalar.text))
            .collect();
        placeholders.sort_by_key(|one| one.span.start);
        placeholders.dedup_by(|b, a| b.span.start < a.span.end);
        let body = Body {
            scalar,
            shell,
            trace: false,
            place,
            placeholders: &placeholders,
            has_secrets,
            bound: &[],
        };
        script::look(out, &body, written);
    }

    /// A secret that is pasted into a script (rule 31).
    fn pasted(
        &self,
        scalar: &Scalar,
        span: Range<usize>,
        name: &str,
        place: &str,
        out: &mut Out<'_>,
    ) {
        let is_secret = is_secret(name) || name.eq_ignore_ascii_case("system.accesstoken");
        if !is_secret || is_commented(&scalar.text, span.start) {
            return;
        }
        let message = format!(
            "the value of `{name}` is pasted into the script or its arguments before it runs"
        );
        let fault = Fault::new(
            &metas::PASTED,
            scalar.source(span),
            format!("{place}: {name}"),
            message,
        );
        let is_known = name.contains('.')
            || self.declared.contains(name)
            || name.chars().any(|c| c.is_ascii_uppercase())
            || name.contains('-');
        out.tell(if is_known {
            fault
        } else {
            fault.severity(Severity::Low)
        });
    }
}

/// The inputs of a task that are paths which it keeps.
fn kept(inputs: &Node, task: &str, place: &str, out: &mut Out<'_>, written: &[String]) {
    let keep = match task.split('@').next() {
        Some("cache") => Keep::Cache,
        Some("publishbuildartifacts" | "publishpipelineartifact") => Keep::Artifact,
        _ => return,
    };
    for key in ["PathtoPublish", "pathToPublish", "targetPath", "path"] {
        if let Some(path) = inputs.get(key) {
            files::paths(out, place, path, keep, written);
        }
    }
}

/// Tells what runs the inline script of a task.
fn shell_of(task: &str, inputs: &Node) -> Shell {
    let kind = inputs
        .text_at(&["scriptType"])
        .unwrap_or_default()
        .to_ascii_lowercase();
    if kind.starts_with("ps")
        || task.starts_with("powershell@")
        || task.starts_with("azurepowershell@")
    {
        Shell::Power
    } else if kind == "batch"
        || task.starts_with("batchscript@")
        || task.starts_with("pythonscript@")
    {
        Shell::Unknown
    } else {
        Shell::Posix
    }
}

//! `azure-pipelines.yml` and its templates: variables, steps wherever they stand, macros and logging commands in scripts.

use std::{collections::BTreeSet, ops::Range};

use super::{
    files::{self, Keep},
    metas, plain,
    plain::Owner,
    script::{self, Body, Out, Shell},
};
use crate::model::Severity;
use crate::policy::{
    fault::{Edit, Fault, Fix, FixClass},
    names,
    node::{Node, NodeKind, Scalar},
    shell::Placeholder,
};

/// Deepest nest of stages, jobs, steps and conditions that is followed.
const MAX_NEST: usize = 40;

/// Longest logging command that is read, in bytes.
const MAX_COMMAND: usize = 1_000;

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
        declared.extend(variables.items().iter().filter_map(|item| item.text_at(&["name"])));
    }
    let below = node.entries().iter().map(|entry| &entry.value);
    below.chain(node.items()).for_each(|node| declare(node, declared, depth + 1));
}

impl File<'_> {
    /// Visits stages, jobs and steps; `written` takes the files that scripts of the job write secrets to.
    fn visit(&self, node: &Node, place: &str, out: &mut Out<'_>, written: &mut Vec<String>, depth: usize) {
        if depth > MAX_NEST {
            return;
        }
        match &node.kind {
            NodeKind::List(items) => items.iter().for_each(|item| self.visit(item, place, out, written, depth + 1)),
            NodeKind::Map(entries) => {
                let is_job = ["job", "deployment", "stage"].into_iter().find_map(|key| node.text_at(&[key]));
                let own = match is_job {
                    Some(name) if place.is_empty() => name.to_owned(),
                    Some(name) => format!("{place}.{name}"),
                    None => place.to_owned(),
                };
                let mut of_job = Vec::new();
                let written = if is_job.is_some() { &mut of_job } else { written };
                self.step(node, &own, out, written);
                for entry in entries {
                    match entry.key.as_str() {
                        "variables" | "parameters" => plain::variables(out, &own, &entry.value, Owner::Job),
                        "inputs" | "env" | "script" | "bash" | "pwsh" | "powershell" => {}
                        _ => self.visit(&entry.value, &own, out, written, depth + 1),
                    }
                }
            }
            NodeKind::Scalar(_) => {}
        }
    }

    fn step(&self, node: &Node, job: &str, out: &mut Out<'_>, written: &mut Vec<String>) {
        let task = node.text_at(&["task"]).unwrap_or_default().to_ascii_lowercase();
        let of_shortcut = ["script", "bash", "pwsh", "powershell"].into_iter().find_map(|key| Some((key, node.get(key)?)));
        if task.is_empty() && of_shortcut.is_none() && node.get("publish").is_none() {
            return;
        }
        let name = node.text_at(&["displayName"]).or_else(|| node.text_at(&["name"])).unwrap_or("step");
        let place = format!("{job} {name}").trim_start().to_owned();
        let env = node.get("env");
        if let Some(env) = env {
            plain::variables(out, &place, env, Owner::Job);
        }
        let has_secrets = env.is_some_and(|env| env.entries().iter().any(|entry| script::is_secret(&entry.key)));
        let inputs = node.get("inputs");
        if let Some(inputs) = inputs {
            plain::variables(out, &place, inputs, Owner::Job);
        }
        if let Some((key, body)) = of_shortcut {
            let shell = if matches!(key, "pwsh" | "powershell") { Shell::Power } else { Shell::Posix };
            self.body(body, shell, &place, has_secrets, out, written);
        }
        for key in ["script", "inlineScript", "inline", "Inline", "arguments", "scriptArguments"] {
            if let Some(body) = inputs.and_then(|inputs| inputs.get(key)) {
                let shell = if key.to_ascii_lowercase().contains("arguments") { Shell::Unknown } else { shell_of(&task, inputs) };
                self.body(body, shell, &place, has_secrets, out, written);
            }
        }
        let keep = if task.starts_with("cache@") { Keep::Cache } else { Keep::Artifact };
        if let Some(path) = node.get("publish") {
            files::paths(out, &place, path, keep, written);
        }
        if task.starts_with("publishbuildartifacts@") || task.starts_with("publishpipelineartifact@") || task.starts_with("cache@") {
            for key in ["PathtoPublish", "pathToPublish", "targetPath", "path"] {
                if let Some(path) = inputs.and_then(|inputs| inputs.get(key)) {
                    files::paths(out, &place, path, keep, written);
                }
            }
        }
    }

    fn body(&self, node: &Node, shell: Shell, place: &str, has_secrets: bool, out: &mut Out<'_>, written: &mut Vec<String>) {
        let Some(scalar) = node.scalar() else { return };
        let macros = macros(&scalar.text);
        for (span, name) in &macros {
            self.pasted(scalar, span.clone(), name, place, out);
        }
        set_variables(scalar, place, out);
        let is_known = |name: &str| name.contains('.') || self.declared.contains(name) || script::is_secret(name);
        let mut placeholders: Vec<Placeholder> = macros
            .into_iter()
            .filter(|(_, name)| is_known(name))
            .map(|(span, name)| Placeholder { span, name: name.to_owned(), secret: false })
            .chain(expressions(&scalar.text))
            .collect();
        placeholders.sort_by_key(|one| one.span.start);
        placeholders.dedup_by(|b, a| b.span.start < a.span.end);
        let body = Body { scalar, shell, trace: false, place, placeholders: &placeholders, has_secrets, bound: &[] };
        written.extend(script::look(out, &body));
    }

    /// A secret that is pasted into a script (rule 31).
    fn pasted(&self, scalar: &Scalar, span: Range<usize>, name: &str, place: &str, out: &mut Out<'_>) {
        let is_secret = script::is_secret(name) || name.eq_ignore_ascii_case("system.accesstoken");
        if !is_secret || is_commented(&scalar.text, span.start) {
            return;
        }
        let message = format!("the value of `{name}` is pasted into the script before it runs");
        let fault = Fault::new(&metas::PASTED, scalar.source(span), format!("{place}: {name}"), message);
        let is_known = name.contains('.') || self.declared.contains(name) || name.chars().any(|c| c.is_ascii_uppercase()) || name.contains('-');
        out.tell(if is_known { fault } else { fault.severity(Severity::Low) });
    }
}

/// Tells what runs the inline script of a task.
fn shell_of(task: &str, inputs: Option<&Node>) -> Shell {
    let kind = inputs.and_then(|inputs| inputs.text_at(&["scriptType"])).unwrap_or_default().to_ascii_lowercase();
    if kind.starts_with("ps") || task.starts_with("powershell@") || task.starts_with("azurepowershell@") {
        Shell::Power
    } else if kind == "batch" || task.starts_with("batchscript@") || task.starts_with("pythonscript@") {
        Shell::Unknown
    } else {
        Shell::Posix
    }
}

/// Tells whether a place of a script stands in a comment of its line.
fn is_commented(text: &str, at: usize) -> bool {
    // The start of a line that is longer is not looked for.
    let from = (at.saturating_sub(400)..=at).find(|from| text.is_char_boundary(*from)).unwrap_or(at);
    let line = text.get(from..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default().trim_start();
    line.starts_with('#') && !line.starts_with("##") || line.starts_with("::") || line.to_ascii_lowercase().starts_with("rem ")
}

/// Returns `$(name)` of a text: macros of Azure, or commands of one word without arguments.
fn macros(text: &str) -> Vec<(Range<usize>, &str)> {
    let starts = text.match_indices("$(").map(|(at, _)| at);
    let found = starts.filter_map(|start| {
        let rest = text.get(start + 2..)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let length = rest.find(|c: char| !is_part(c))?;
        let name = rest.get(..length)?;
        let is_macro = rest.get(length..)?.starts_with(')') && !name.is_empty();
        is_macro.then_some((start..start + 3 + length, name))
    });
    found.collect()
}

/// Returns `${{ … }}` of a text.
fn expressions(text: &str) -> Vec<Placeholder> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find("${{")).map(|found| at + found) {
        let Some(length) = text.get(start..).and_then(|rest| rest.find("}}")) else { break };
        let span = start..start + length + 2;
        let name = text.get(start + 3..start + length).unwrap_or_default().trim().to_owned();
        at = span.end;
        found.push(Placeholder { span, name, secret: false });
    }
    found
}

/// Variables with names of secrets that a script sets, but not as secrets (rule 32).
fn set_variables(scalar: &Scalar, place: &str, out: &mut Out<'_>) {
    let text = &scalar.text;
    let lower = text.to_ascii_lowercase();
    for (start, command) in lower.match_indices("##vso[task.setvariable") {
        let rest = start + command.len();
        let mut bytes = lower.as_bytes().get(rest..).unwrap_or_default().iter().take(MAX_COMMAND).take_while(|byte| **byte != b'\n');
        let Some(length) = bytes.position(|byte| *byte == b']') else { continue };
        let attributes = text.get(rest..rest + length).unwrap_or_default();
        let attribute = |key: &str| {
            let pairs = attributes.split(';').filter_map(|pair| pair.trim().split_once('='));
            pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim())
        };
        let Some(name) = attribute("variable").map(|name| name.trim_matches(['"', '\'', '\\'])) else { continue };
        if !names::is_secret(name) || attribute("issecret").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            continue;
        }
        let message = format!("`{name}` is set as a plain variable: the log does not mask it, and every later step is given it");
        let end = scalar.source(rest + length..rest + length + 1).start;
        let has_attribute = attribute("issecret").is_some();
        let fault = Fault::new(&metas::VARIABLE, scalar.source(start..rest + length + 1), format!("{place}: {name}"), message);
        out.tell(if has_attribute {
            fault
        } else {
            fault.fix(Fix {
                class: FixClass::Safe,
                title: "set the variable as a secret".to_owned(),
                edits: vec![Edit::replace(end..end, if attributes.trim_end().ends_with(';') { "issecret=true" } else { ";issecret=true" })],
            })
        });
    }
}

//! What scripts of pipelines do with secrets (rule 28), and what they write to files (for rule 29).

use std::collections::HashMap;

use super::{metas, plain};
use crate::model::{Confidence, Severity};
use crate::policy::{
    fault::Fault,
    names,
    node::{Node, Scalar, Style},
    shell::{self, CommandFile, Origin, Placeholder, Script, Sink, Use},
};

/// Where faults go: one subject is told apart from the same one again by a count.
pub(super) struct Out<'o> {
    faults: &'o mut Vec<Fault>,
    subjects: HashMap<(&'static str, String), Vec<usize>>,
}

impl<'o> Out<'o> {
    /// Appends to these faults.
    pub(super) fn new(faults: &'o mut Vec<Fault>) -> Self {
        Self {
            faults,
            subjects: HashMap::new(),
        }
    }

    /// Tells a fault.
    pub(super) fn tell(&mut self, mut fault: Fault) {
        let places = self
            .subjects
            .entry((fault.lint.id, fault.subject.clone()))
            .or_default();
        // What an alias brings again stands in the same place.
        if places.contains(&fault.span.start) {
            return;
        }
        places.push(fault.span.start);
        if places.len() > 1 {
            fault.subject = format!("{} #{}", fault.subject, places.len());
        }
        self.faults.push(fault);
    }
}

/// What runs a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    /// A shell of Unix.
    Posix,
    /// `PowerShell`.
    Power,
    /// `cmd.exe`, or a program that is not known: not read.
    Unknown,
}

/// A script in its place.
pub(super) struct Body<'b> {
    /// Its text with the way back to the file.
    pub(super) scalar: &'b Scalar,
    /// What runs it.
    pub(super) shell: Shell,
    /// Whether the shell traces.
    pub(super) trace: bool,
    /// Job and step, for subjects.
    pub(super) place: &'b str,
    /// What the pipeline fills in.
    pub(super) placeholders: &'b [Placeholder],
    /// Whether its environment holds secrets, as far as the file shows.
    pub(super) has_secrets: bool,
    /// Names of variables that hold secrets though their names don't say so.
    pub(super) bound: &'b [String],
}

/// Tells whether a variable of a script holds a secret, by its name.
pub(super) fn is_secret(name: &str) -> bool {
    names::is_secret(name) && !matches!(name, "PWD" | "OLDPWD" | "pwd")
}

/// Tells whether a script expands a variable with a secret's name: `$X`, `${X`, `%X%`, `$env:X`.
pub(super) fn mentions_secret(text: &str) -> bool {
    text.split(['$', '%']).skip(1).any(|rest| {
        let rest = rest.trim_start_matches(['{', '(']);
        let rest = rest.strip_prefix("env:").unwrap_or(rest);
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        rest.get(..end)
            .is_some_and(|name| !name.is_empty() && is_secret(name))
    })
}

/// Tells whether a job or step of this name deploys.
pub(super) fn deploys(name: &str) -> bool {
    let words = names::words(name);
    words.iter().any(|word| {
        matches!(
            word.as_str(),
            "deploy" | "deployment" | "release" | "publish" | "prod" | "production"
        )
    })
}

/// Puts the lines of a script that is a list together.
pub(super) fn joined(nodes: &[&Node]) -> Scalar {
    let mut all = Scalar {
        text: String::new(),
        style: Style::Plain,
        map: Vec::new(),
        end: 0,
    };
    for scalar in nodes.iter().filter_map(|node| node.scalar()) {
        let base = all.text.len();
        all.map.extend(
            scalar
                .map
                .iter()
                .map(|(text, source)| (base + text, *source)),
        );
        all.text.push_str(&scalar.text);
        all.map.push((all.text.len(), scalar.end));
        all.text.push('\n');
        all.end = all.end.max(scalar.end);
    }
    all
}

/// Tells what a script does with secrets; returns the files that it writes some to.
pub(super) fn look(out: &mut Out<'_>, body: &Body<'_>) -> Vec<String> {
    let script = Script {
        text: &body.scalar.text,
        trace: body.trace,
        placeholders: body.placeholders,
    };
    let is_bound = |name: &str| body.bound.iter().any(|bound| bound == name) || is_secret(name);
    let uses = match body.shell {
        Shell::Posix => shell::analyse(&script, &is_bound),
        Shell::Power => shell::analyse_powershell(&script, &is_bound),
        Shell::Unknown => Vec::new(),
    };
    let mut written = Vec::new();
    for one in &uses {
        match &one.sink {
            Sink::File(file) => written.push(file.path.clone()),
            Sink::Literal { name, .. } => literal(out, body, one, name),
            _ => exposed(out, body, one),
        }
    }
    written
}

/// `export API_KEY=value` in a script.
fn literal(out: &mut Out<'_>, body: &Body<'_>, one: &Use, name: &str) {
    if let Some(value) = body.scalar.text.get(one.span.clone()) {
        plain::judge(
            out,
            body.place,
            name,
            value,
            body.scalar.source(one.span.clone()),
            plain::Owner::Job,
        );
    }
}

fn exposed(out: &mut Out<'_>, body: &Body<'_>, one: &Use) {
    let name = one.names.first().map_or("a secret", String::as_str);
    let command = if one.command.is_empty() {
        "the script"
    } else {
        &one.command
    };
    if let Sink::CommandFile(CommandFile::Variable {
        name: variable,
        secret: false,
    }) = &one.sink
    {
        set(out, body, one, variable, name);
        return;
    }
    let Some((severity, message)) = judged(body, one, name, command) else {
        return;
    };
    let subject = format!("{}: {name} in {command}", body.place);
    let fault = Fault::new(
        &metas::EXPOSED,
        body.scalar.source(one.span.clone()),
        subject,
        message,
    )
    .severity(severity);
    let is_sure = matches!(one.sink, Sink::Print | Sink::Derived | Sink::Dump);
    out.tell(if is_sure {
        fault.confidence(Confidence::High)
    } else {
        fault
    });
}

/// A variable of Azure that takes a secret under another name (rule 32): those with names of secrets are found in the text.
fn set(out: &mut Out<'_>, body: &Body<'_>, one: &Use, variable: &str, name: &str) {
    if !is_secret(variable) && one.origin != Origin::Placeholder {
        let message = format!("`{variable}` takes `{name}` but is not set as a secret");
        let subject = format!("{}: {variable}", body.place);
        out.tell(Fault::new(
            &metas::VARIABLE,
            body.scalar.source(one.span.clone()),
            subject,
            message,
        ));
    }
}

/// Returns how bad a use is, and what to say of it.
fn judged(body: &Body<'_>, one: &Use, name: &str, command: &str) -> Option<(Severity, String)> {
    let told = match &one.sink {
        Sink::Print => (
            Severity::High,
            format!("`{command}` prints `{name}` to the log"),
        ),
        Sink::Derived => (
            Severity::High,
            format!("`{command}` prints `{name}` in a form that masking of the log does not know"),
        ),
        Sink::Dump if body.has_secrets => (
            Severity::Medium,
            format!("`{command}` prints all variables to the log, with secrets among them"),
        ),
        Sink::Trace => (
            Severity::Medium,
            format!("the trace of the shell prints `{name}` to the log"),
        ),
        Sink::Argument(argument) => {
            let way = argument
                .safe
                .map_or_else(String::new, |safe| format!("; {safe}"));
            let severity = if argument.safe.is_some() || argument.flag.is_some() {
                Severity::Medium
            } else {
                Severity::Low
            };
            (
                severity,
                format!(
                    "`{name}` is an argument of `{command}`, which all processes can read{way}"
                ),
            )
        }
        Sink::Url => (
            Severity::Medium,
            format!("`{name}` stands in an address that `{command}` gets"),
        ),
        Sink::BuildArg { name: argument } => (
            Severity::Medium,
            format!("`{name}` becomes the build argument `{argument}`, which the image keeps"),
        ),
        Sink::Unmasked(unmasked) if matches!(unmasked.to, Sink::Print | Sink::Derived) => (
            Severity::High,
            format!(
                "what `{}` returned is printed to the log, which does not mask it",
                unmasked.source
            ),
        ),
        _ => return None,
    };
    Some(told)
}

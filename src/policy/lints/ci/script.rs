//! What scripts of pipelines do with secrets (rule 28), and what they write to files (for rule 29).

use std::collections::{BTreeSet, HashMap};

use super::{metas, plain};
use crate::model::{Confidence, Severity};
use crate::policy::{
    fault::Fault,
    names,
    node::{Node, Scalar, Style},
    shell::{self, CommandFile, Origin, Placeholder, Script, Sink, Use},
};

/// Most files of a job that are remembered.
const MAX_WRITTEN: usize = 50;

/// Where faults go: one subject is told apart from the same one again by a count.
pub(super) struct Out<'o> {
    faults: &'o mut Vec<Fault>,
    subjects: HashMap<(&'static str, String), BTreeSet<usize>>,
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
        if !places.insert(fault.span.start) {
            return;
        }
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

/// Tells whether a script expands a variable with a secret's name: `$X`, `${X`, `%X%`, `$env:X`.
pub(super) fn mentions_secret(text: &str) -> bool {
    text.split(['$', '%']).skip(1).any(|rest| {
        let rest = rest.trim_start_matches(['{', '(']);
        let rest = rest.strip_prefix("env:").unwrap_or(rest);
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        rest.get(..end)
            .is_some_and(|name| !name.is_empty() && shell::is_secret_variable(name))
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

/// Tells what a script does with secrets; adds the files that it writes some to.
pub(super) fn look(out: &mut Out<'_>, body: &Body<'_>, written: &mut Vec<String>) {
    let script = Script {
        text: &body.scalar.text,
        trace: body.trace,
        placeholders: body.placeholders,
    };
    let is_bound = |name: &str| {
        body.bound.iter().any(|bound| bound == name) || shell::is_secret_variable(name)
    };
    let uses = match body.shell {
        Shell::Posix => shell::analyse(&script, &is_bound),
        Shell::Power => shell::analyse_powershell(&script, &is_bound),
        Shell::Unknown => Vec::new(),
    };
    for one in &uses {
        match &one.sink {
            Sink::File(file) if written.len() < MAX_WRITTEN => written.push(file.path.clone()),
            Sink::Literal { name, .. } => literal(out, body, one, name),
            Sink::Trace if is_printed(one, &uses) => {}
            _ => exposed(out, body, one),
        }
    }
}

/// Tells whether a command prints the word that is traced, whatever is traced: that says more.
fn is_printed(one: &Use, uses: &[Use]) -> bool {
    let prints = |sink: &Sink| match sink {
        Sink::Print | Sink::Derived | Sink::Dump => true,
        Sink::Unmasked(unmasked) => matches!(unmasked.to, Sink::Print | Sink::Derived),
        _ => false,
    };
    // Uses are sorted by their places: those of one word stand together.
    let first = uses.partition_point(|other| other.span.start < one.span.start);
    let rest = uses.get(first..).unwrap_or_default().iter();
    rest.take_while(|other| other.span.start == one.span.start)
        .any(|other| prints(&other.sink))
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
    if let Sink::CommandFile(CommandFile::Variable {
        name: variable,
        secret: false,
    }) = &one.sink
    {
        set(out, body, one, variable);
        return;
    }
    let severity = match &one.sink {
        Sink::Print | Sink::Derived => Severity::High,
        Sink::Dump if body.has_secrets => Severity::Medium,
        Sink::Trace | Sink::Url | Sink::BuildArg { .. } => Severity::Medium,
        Sink::Argument(argument) if argument.safe.is_some() || argument.flag.is_some() => {
            Severity::Medium
        }
        Sink::Argument(_) => Severity::Low,
        Sink::Unmasked(unmasked) if matches!(unmasked.to, Sink::Print | Sink::Derived) => {
            Severity::High
        }
        _ => return,
    };
    let subject = format!("{}: {}", body.place, shell::topic(one));
    let span = body.scalar.source(one.span.clone());
    let fault = Fault::new(&metas::EXPOSED, span, subject, shell::describe(one)).severity(severity);
    let is_sure = matches!(one.sink, Sink::Print | Sink::Derived | Sink::Dump);
    out.tell(if is_sure {
        fault.confidence(Confidence::High)
    } else {
        fault
    });
}

/// A variable of Azure that takes a secret under another name (rule 32): those with names of secrets are found in the text.
fn set(out: &mut Out<'_>, body: &Body<'_>, one: &Use, variable: &str) {
    if !shell::is_secret_variable(variable) && one.origin != Origin::Placeholder {
        let message = format!(
            "`{variable}` takes {} but is not set as a secret",
            shell::secret(one)
        );
        let subject = format!("{}: {variable}", body.place);
        let span = body.scalar.source(one.span.clone());
        out.tell(Fault::new(&metas::VARIABLE, span, subject, message));
    }
}

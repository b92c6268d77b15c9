//! Shell scripts and Makefiles: what they do with variables that are secrets by their names.
//!
//! Nothing but names tells here what is a secret, so no fault is surer than medium.

use std::{collections::BTreeMap, ops::Range};

use super::super::{
    fault::{Edit, Fault, Fix, FixClass},
    kind::FileKind,
    lint::{Context, Document, Lint, LintMeta, Persona},
    shell::{self, Placeholder, Script, Sink, Use},
    values::{self, Strength, Value},
};
use crate::model::{Confidence, Severity};

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&Exposed];

const EXPOSED: LintMeta = LintMeta {
    id: "sh-secret-exposed",
    title: "A script prints a secret, shows it in an argument, or leaves it readable",
    tool: "Shell, Make",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "CWE-532: Insertion of Sensitive Information into Log File",
        "CWE-214: Invocation of Process Using Visible Sensitive Information",
        "OWASP Secrets Management Cheat Sheet, section 3: CI/CD",
    ],
    cwe: 532,
    fix: FixClass::Safe,
    why: "Terminals, CI logs, `ps`, shell histories and world-readable files keep what a script shows them, and many more people read those than the secret was meant for.",
    help: "Test whether a variable is set without printing it (`test -n \"$X\"`), pass secrets by stdin, by the environment or by a file that `umask 077` protects, and turn `set -x` off around them.",
    bad: &[
        &[("deploy.sh", "#!/bin/sh\necho \"pw is $DB_PASSWORD\"\n")],
        &[("deploy.sh", "set -x\ntest -n \"$API_TOKEN\"\n")],
        &[(
            "deploy.sh",
            "sshpass -p \"$SSH_PASSWORD\" ssh app@host uptime\n",
        )],
        &[("deploy.sh", "export API_TOKEN=hunter2-Zq81\n./run\n")],
        &[("deploy.sh", "echo \"$SIGNING_KEY\" > key\n")],
        &[(
            "Makefile",
            "login:\n\t@docker login -u ci -p \"$$REGISTRY_PASSWORD\" registry.example.org\n",
        )],
    ],
    good: &[
        &[(
            "deploy.sh",
            "#!/bin/sh\ntest -n \"$DB_PASSWORD\" || { echo \"DB_PASSWORD is not set\"; exit 1; }\n",
        )],
        &[(
            "deploy.sh",
            "echo \"$REGISTRY_PASSWORD\" | docker login -u ci --password-stdin registry.example.org\n",
        )],
        &[("deploy.sh", "umask 077\necho \"$SIGNING_KEY\" > key\n")],
        &[(
            "deploy.sh",
            "printf 'Enter password: '\nread -rs PASSWORD\nPGPASSWORD=\"$PASSWORD\" psql -c 'select 1'\n",
        )],
        &[(
            "usage.sh",
            "usage() {\n  echo \"usage: $0 --token TOKEN --password PASSWORD\"\n  echo 'set $API_TOKEN first'\n}\nusage\n",
        )],
        &[(
            "build.sh",
            "set -x\ncd \"$PWD\" && make\nset +x\ncurl -K - https://example.org <<< \"header = \\\"X-Token: $API_TOKEN\\\"\"\n",
        )],
        &[(
            "Makefile",
            "login:\n\t@echo \"$$REGISTRY_PASSWORD\" | docker login -u ci --password-stdin registry.example.org\n",
        )],
    ],
};

struct Exposed;

impl Lint for Exposed {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&EXPOSED]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut told = Told::default();
        match document.kind {
            FileKind::Shell if is_shell(document.text) => {
                let script = Script {
                    trace: document.text.lines().next().is_some_and(starts_traced),
                    ..Script::new(document.text)
                };
                let uses = shell::analyse(&script, &shell::is_secret_variable);
                told.take(document, &uses, &|span| span.clone());
            }
            FileKind::Makefile => makefile(document, &mut told),
            _ => {}
        }
        context.faults.extend(told.faults.into_values());
    }
}

/// Tells whether a file is a shell's: by its first line, if that names a program.
fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    !first.starts_with("#!")
        || ["sh", "bash", "zsh", "ksh", "dash", "bats"]
            .iter()
            .any(|name| names_program(first, name))
}

fn names_program(line: &str, name: &str) -> bool {
    line.split([' ', '/', '\t'])
        .any(|word| word.trim_end() == name)
}

/// Tells whether a first line starts the shell with `-x`.
fn starts_traced(line: &str) -> bool {
    line.starts_with("#!")
        && line
            .split_whitespace()
            .skip(1)
            .any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('x'))
}

/// Faults so far by their subject: a second of the same subject is a further place of the first.
#[derive(Default)]
struct Told {
    faults: BTreeMap<(usize, String), Fault>,
    places: BTreeMap<String, (usize, String)>,
}

/// Most further places that are shown of one fault.
const MAX_RELATED: usize = 8;

impl Told {
    fn take(
        &mut self,
        document: &Document<'_>,
        uses: &[Use],
        place: &dyn Fn(&Range<usize>) -> Range<usize>,
    ) {
        let names_secret = uses.iter().any(|one| !one.names.is_empty());
        // Ends by starts: what is told does not overlap.
        let mut done: BTreeMap<usize, usize> = BTreeMap::new();
        let mut ranked: Vec<(u8, &Use)> = uses
            .iter()
            .filter_map(|one| Some((rank(one)?, one)))
            .collect();
        ranked.sort_by_key(|(rank, one)| (*rank, one.span.start));
        for (_, one) in ranked {
            let before = done.range(..one.span.end).next_back();
            let overlaps = before.is_some_and(|(_, end)| *end > one.span.start);
            if matches!(one.sink, Sink::Dump) && !names_secret || overlaps {
                continue;
            }
            done.insert(one.span.start, one.span.end);
            if let Some(fault) = fault(document, one, place) {
                self.add(fault);
            }
        }
    }

    fn add(&mut self, fault: Fault) {
        if let Some(first) = self
            .places
            .get(&fault.subject)
            .and_then(|key| self.faults.get_mut(key))
        {
            if first.related.len() < MAX_RELATED {
                first.related.push((fault.span, "and here".to_owned()));
            }
            return;
        }
        let key = (fault.span.start, fault.subject.clone());
        self.places.insert(fault.subject.clone(), key.clone());
        self.faults.insert(key, fault);
    }
}

/// Which of several sinks of one word is told: the least number.
fn rank(one: &Use) -> Option<u8> {
    Some(match &one.sink {
        Sink::Print | Sink::Derived => 0,
        Sink::Unmasked(unmasked) if unmasked.variable.is_some() => 0,
        Sink::CommandFile(_) => 1,
        Sink::Literal { .. } => 2,
        Sink::Url => 3,
        Sink::BuildArg { .. } => 4,
        Sink::Argument(_) => 5,
        Sink::File(file) if !file.private && !one.names.is_empty() => 6,
        Sink::Trace => 7,
        Sink::Dump => 8,
        _ => return None,
    })
}

fn fault(
    document: &Document<'_>,
    one: &Use,
    place: &dyn Fn(&Range<usize>) -> Range<usize>,
) -> Option<Fault> {
    let mut message = shell::describe(one);
    let severity = match &one.sink {
        Sink::Literal { .. } => literal_severity(document, &place(&one.span))?,
        _ if is_trial(document.path) => Severity::Info,
        Sink::Print | Sink::Derived | Sink::Unmasked(_) if prints_by_design(document.name()) => {
            return None;
        }
        Sink::Argument(argument)
            if argument.is_unknown() && shell::sources_others(document.text) =>
        {
            return None;
        }
        Sink::Print | Sink::Derived | Sink::CommandFile(_) => Severity::High,
        _ => Severity::Medium,
    };
    if matches!(one.sink, Sink::File(_)) {
        message.push_str(", which others may read: no `umask 077` or `chmod 600` protects it");
    }
    let mut fault =
        Fault::new(&EXPOSED, place(&one.span), shell::topic(one), message).severity(severity);
    match &one.sink {
        Sink::Literal { .. } => fault = fault.secret(place(&one.span)),
        Sink::Argument(argument) if !argument.stdin_edits.is_empty() => {
            let edits = argument.stdin_edits.iter();
            fault = fault.fix(Fix {
                class: FixClass::Safe,
                title: "pipe the password to --password-stdin".to_owned(),
                edits: edits
                    .map(|(span, text)| Edit::replace(place(span), written(document, text)))
                    .collect(),
            });
        }
        _ => {}
    }
    Some(fault)
}

/// Make takes the shell's `$` doubled.
fn written(document: &Document<'_>, text: &str) -> String {
    if document.kind == FileKind::Makefile {
        text.replace('$', "$$")
    } else {
        text.to_owned()
    }
}

/// Tells whether a script's output is meant for the program that calls it: git's askpass, Ansible's vault scripts.
fn prints_by_design(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
    let gives = ["get-", "show-", "print-", "fetch-", "read-"]
        .iter()
        .any(|start| name.starts_with(start));
    let what = [
        "token", "secret", "password", "passwd", "pass", "cred", "key",
    ];
    name.contains("askpass")
        || name.contains("ask-pass")
        || name.contains("credential-helper")
        || name.starts_with("vault-") && what.iter().any(|what| name.contains(what))
        || gives && what.iter().any(|what| name.contains(what))
        || ["-token-sh", "-secret-sh", "-password-sh"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Tells whether a file is a test or an example by its path.
fn is_trial(path: &str) -> bool {
    path.split(['/', '.', '-', '_']).any(|part| {
        matches!(
            part,
            "test"
                | "tests"
                | "testing"
                | "selftests"
                | "integtest"
                | "t"
                | "spec"
                | "e2e"
                | "example"
                | "examples"
                | "demo"
                | "demos"
                | "sample"
                | "samples"
                | "fixtures"
        )
    })
}

/// Literals that everybody knows, and those of tests and examples, are told only.
fn literal_severity(document: &Document<'_>, span: &Range<usize>) -> Option<Severity> {
    let value = document.text.get(span.clone())?;
    let is_local = document
        .path
        .split(['/', '.', '-', '_'])
        .any(|part| matches!(part, "local" | "dev"));
    match values::classify(value) {
        Value::Literal(Strength::Weak) => Some(Severity::Info),
        Value::Literal(_) if is_local || is_trial(document.path) => Some(Severity::Info),
        Value::Literal(_) => Some(Severity::High),
        _ => None,
    }
}

/// A recipe as the shell sees it, with the way back.
struct Recipe {
    text: String,
    placeholders: Vec<Placeholder>,
    /// Where it starts in the file.
    start: usize,
    /// Offsets in `text` in front of which a byte of the file was left out.
    removed: Vec<usize>,
}

impl Recipe {
    fn place(&self, span: &Range<usize>) -> Range<usize> {
        let removed = |at: usize| self.removed.partition_point(|one| *one < at);
        let start = self.start + span.start + removed(span.start);
        start..self.start + span.end + removed(span.end)
    }
}

/// Recipes of a Makefile, and variables that it sets to literals.
fn makefile(document: &Document<'_>, told: &mut Told) {
    let mut at = 0;
    let mut recipe: Option<Range<usize>> = None;
    let mut recipes = Vec::new();
    for line in document.text.split_inclusive('\n') {
        let span = at..at + line.len();
        at = span.end;
        let goes_on = line.trim_end_matches(['\r', '\n']).ends_with('\\');
        match &mut recipe {
            Some(open) => open.end = span.end,
            None if line.starts_with('\t') => recipe = Some(span),
            None => variable(document, line, span.start, told),
        }
        if !goes_on {
            recipes.extend(recipe.take());
        }
    }
    recipes.extend(recipe);
    for span in recipes {
        let recipe = recipe_of(document.text, span);
        let script = Script {
            text: &recipe.text,
            trace: false,
            placeholders: &recipe.placeholders,
        };
        let uses = shell::analyse(&script, &shell::is_secret_variable);
        told.take(document, &uses, &|span| recipe.place(span));
    }
}

/// Reads a recipe: `$$` is the shell's `$`, `$(X)` and `${X}` are replaced by make.
fn recipe_of(file: &str, span: Range<usize>) -> Recipe {
    let raw = file.get(span.clone()).unwrap_or_default();
    let skip = raw.len() - raw.trim_start_matches(['\t', ' ', '@', '-', '+']).len();
    let raw = raw.get(skip..).unwrap_or_default();
    let mut recipe = Recipe {
        text: String::with_capacity(raw.len()),
        placeholders: Vec::new(),
        start: span.start + skip,
        removed: Vec::new(),
    };
    let mut rest = raw;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        recipe.text.push_str(before);
        let start = recipe.text.len();
        let taken = if from.starts_with("$$") {
            recipe.text.push('$');
            recipe.removed.push(start);
            2
        } else {
            let length = reference(from);
            let text = from.get(..length).unwrap_or(from);
            let name = text.trim_matches(['$', '(', ')', '{', '}']);
            recipe.text.push_str(text);
            recipe.placeholders.push(Placeholder {
                span: start..start + text.len(),
                name: name.to_owned(),
                secret: is_name(name) && shell::is_secret_variable(name),
            });
            text.len()
        };
        rest = from.get(taken..).unwrap_or_default();
    }
    recipe.text.push_str(rest);
    recipe
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Returns the length of a reference of make: `$(…)`, `${…}` with what is nested, `$@`.
fn reference(text: &str) -> usize {
    let (open, close) = match text.as_bytes().get(1) {
        Some(b'(') => ('(', ')'),
        Some(b'{') => ('{', '}'),
        _ => return 1 + text.chars().nth(1).map_or(0, char::len_utf8),
    };
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 1;
            }
        } else if c == '\n' && depth == 1 {
            return at;
        }
    }
    text.len()
}

/// `export NAME = value` outside of recipes.
fn variable(document: &Document<'_>, line: &str, start: usize, told: &mut Told) {
    let Some((left, right)) = line.split_once('=') else {
        return;
    };
    let name = left.trim_end_matches([':', '?', '+', '!', ' ', '\t']);
    let name = name
        .strip_prefix("export ")
        .or_else(|| name.strip_prefix("override "))
        .unwrap_or(name)
        .trim();
    let value = right.split(" #").next().unwrap_or(right).trim();
    if !is_name(name)
        || !shell::is_secret_variable(name)
        || !values::is_literal(value)
        || value.contains('$')
    {
        return;
    }
    let at = start + left.len() + 1 + (right.len() - right.trim_start().len());
    let span = at..at + value.len();
    if let Some(severity) = literal_severity(document, &span) {
        let message = format!("`{name}` is given a literal value");
        let fault = Fault::new(&EXPOSED, span.clone(), format!("literal {name}"), message);
        told.add(fault.severity(severity).secret(span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{BlobPath, DigestKey},
        policy::{environment::Environments, read, wants},
    };

    fn faults(path: &str, text: &str) -> Vec<Fault> {
        let blob = BlobPath::from(path);
        let kind = wants(&blob).expect(path);
        let key = DigestKey::new([7; 32]);
        let reading = read(&blob, kind, text.as_bytes(), &key, &Environments::default());
        reading
            .faults
            .into_iter()
            .filter(|fault| fault.lint.id == EXPOSED.id)
            .collect()
    }

    /// What is told: the text pointed at, and how bad it is.
    fn told(path: &str, text: &str) -> String {
        let all = faults(path, text);
        let shown = all
            .iter()
            .map(|fault| format!("{}@{}", &text[fault.span.clone()], fault.severity.as_str()));
        shown.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn scripts() {
        for (path, text, want) in [
            ("a.sh", "echo \"$API_TOKEN\"", "\"$API_TOKEN\"@high"),
            (
                "a.sh",
                "#!/bin/bash -ex\ntest -n $API_TOKEN",
                "$API_TOKEN@medium",
            ),
            ("a.sh", "echo $PWD $token $PASS $ORIG_PWD", ""),
            ("a.sh", "#!/usr/bin/env python\nprint(\"$API_TOKEN\")", ""),
            (
                "a.sh",
                "export DB_PASSWORD='hunter2-Zq81'\n",
                "hunter2-Zq81@high",
            ),
            ("a.sh", "export DB_PASSWORD=postgres\n", "postgres@info"),
            (
                "test/a.sh",
                "export DB_PASSWORD=hunter2-Zq81\n",
                "hunter2-Zq81@info",
            ),
            ("a.sh", "export DB_PASSWORD=changeme\n", ""),
            ("a.sh", "f=$(mktemp)\necho \"$API_TOKEN\" > \"$f\"", ""),
            (
                "a.sh",
                "d=$(mktemp -d)\necho \"$API_TOKEN\" > \"${d}/x\"",
                "",
            ),
            (
                "a.sh",
                "sed -i \"s/X/$API_TOKEN/\" f",
                "\"s/X/$API_TOKEN/\"@medium",
            ),
            ("git-askpass.sh", "echo \"$GIT_PASSWORD\"", ""),
            ("a.sh", "env\n./x", ""),
            (
                "a.sh",
                "env\ntest -n \"$API_TOKEN\" && echo \"$API_TOKEN\"",
                "env@medium | \"$API_TOKEN\"@high",
            ),
            ("a.sh", ". ./lib.sh\nrun_it \"$API_TOKEN\"", ""),
            ("a.sh", "./run_it \"$API_TOKEN\"", "\"$API_TOKEN\"@medium"),
            ("a.sh", "./run --token-file \"$API_TOKEN\"", ""),
            ("a.sh", "kubectl get secret $DB_SECRET -o name", ""),
            (
                "a.sh",
                "curl -H \"X: $API_TOKEN\" a\r\ncurl -H \"X: $API_TOKEN\" b\r\n",
                "\"X: $API_TOKEN\"@medium",
            ),
        ] {
            assert_eq!(told(path, text), want, "{path}\n{text}");
        }
    }

    #[test]
    fn makefiles() {
        for (text, want) in [
            ("a:\n\techo $$API_TOKEN\n", "$$API_TOKEN@high"),
            (
                "a:\n\t@echo \"x $${API_TOKEN}\"\n",
                "\"x $${API_TOKEN}\"@high",
            ),
            ("a:\n\t@echo $(API_TOKEN)\n", "$(API_TOKEN)@high"),
            (
                "a:\n\tcd x && \\\n\t  ./x -t $$API_TOKEN\n",
                "$$API_TOKEN@medium",
            ),
            (
                "a:\n\t@test -n \"$$API_TOKEN\"\n\t@echo $(shell pwd) $(PWD)\n",
                "",
            ),
            ("export API_TOKEN := hunter2-Zq81\n", "hunter2-Zq81@high"),
            ("API_TOKEN ?= $(shell cat f)\nPASS = 0\n", ""),
            ("# echo $(API_TOKEN)\na: b\n", ""),
        ] {
            assert_eq!(told("Makefile", text), want, "{text}");
        }
    }

    #[test]
    fn docker_login_is_mended() {
        for (path, text, want) in [
            (
                "a.sh",
                "docker login -u ci -p \"$CI_TOKEN\" reg\n",
                "echo \"$CI_TOKEN\" | docker login -u ci --password-stdin reg\n",
            ),
            (
                "Makefile",
                "a:\n\t@docker login -u ci -p $$CI_TOKEN reg\n",
                "a:\n\t@echo \"$$CI_TOKEN\" | docker login -u ci --password-stdin reg\n",
            ),
        ] {
            let fault = faults(path, text).pop().expect(path);
            let mut edits = fault.fix.expect(path).edits;
            edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
            let mut fixed = text.to_owned();
            for edit in edits {
                fixed.replace_range(edit.span, &edit.text);
            }
            assert_eq!(fixed, want);
            assert_eq!(told(path, &fixed), "");
        }
    }
}

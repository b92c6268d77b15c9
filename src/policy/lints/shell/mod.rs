//! Shell scripts and Makefiles: what they do with variables that are secrets by their names.
//!
//! Nothing but names tells here what is a secret, so no fault is surer than medium.

mod makefile;
mod named;

use std::{collections::BTreeMap, ops::Range};

use super::super::{
    fault::{Edit, Fault, Fix, FixClass},
    kind::FileKind,
    lint::{Context, Document, Lint, LintMeta, Persona},
    shell::{self, Script, Sink, Use},
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
                let names = named::names_of_secrets(document.text);
                let is_secret =
                    |name: &str| shell::is_secret_variable(name) && !names.contains(name);
                let uses = shell::analyse(&script, &is_secret);
                told.take(document, &uses, &|span| span.clone());
            }
            FileKind::Makefile => makefile::read(document, &mut told),
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
            // One fix mends all places: each alone would leave the fault.
            if let (Some(all), Some(fix)) = (&mut first.fix, fault.fix) {
                all.edits.extend(fix.edits);
            }
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
pub(super) fn prints_by_design(name: &str) -> bool {
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
    path.to_ascii_lowercase()
        .split(['/', '.', '-', '_'])
        .any(|part| {
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
                    | "playwright"
                    | "cypress"
                    | "molecule"
                    | "suites"
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
    match values::verbatim(value) {
        Value::Literal(Strength::Weak) => Some(Severity::Info),
        Value::Literal(_) if is_local || is_trial(document.path) => Some(Severity::Info),
        Value::Literal(_) => Some(Severity::High),
        _ => None,
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
        ] {
            assert_eq!(told(path, text), want, "{path}\n{text}");
        }
    }

    #[test]
    fn scripts_and_what_they_call() {
        for (path, text, want) in [
            ("a.sh", "env\n./x", ""),
            (
                "a.sh",
                "env\ntest -n \"$API_TOKEN\" && echo \"$API_TOKEN\"",
                "env@medium | \"$API_TOKEN\"@high",
            ),
            (
                "a.sh",
                "export API_TOKEN='$aB3xK9wQ2mR7t' DB_PASSWORD='aB3${x}K9wQ2mR'\n",
                "$aB3xK9wQ2mR7t@high | aB3${x}K9wQ2mR@high",
            ),
            (
                "a.sh",
                "export API_TOKEN='${API_TOKEN}' DB_PASSWORD='a-${x}-b'\n",
                "",
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
    fn names_and_trials_of_scripts() {
        for (path, text, want) in [
            // Names of secrets and paths of files, in variables that are called after what they lead to.
            (
                "a.sh",
                "SHOP_SECRET=shop-db\nkubectl get secret \"$SHOP_SECRET\" -o name\nawk -v n=\"$SHOP_SECRET\" x\n",
                "",
            ),
            (
                "a.sh",
                "CREDENTIALS=${KEYS}/shop-uploader\n./upload --credentials $CREDENTIALS\n",
                "",
            ),
            (
                "playwright/compose/a.sh",
                "./x --token \"$API_TOKEN\"",
                "\"$API_TOKEN\"@info",
            ),
            (
                "Tests/a.sh",
                "./x --token \"$API_TOKEN\"",
                "\"$API_TOKEN\"@info",
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
            (
                "SHOP_SECRETS=SHOP-KEYS\na:\n\t./fetch -s store-secret:shop/${SHOP_SECRETS}\n",
                "",
            ),
            (
                "SHOP_SECRETS=Vx7kQ2mR9tLp\na:\n\t./fetch -s ${SHOP_SECRETS}\n",
                "Vx7kQ2mR9tLp@high | ${SHOP_SECRETS}@medium",
            ),
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

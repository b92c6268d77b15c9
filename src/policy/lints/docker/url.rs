//! Passwords in addresses: `https://user:password@host` in `ARG`, `ENV`, `LABEL`, `RUN`, `COPY`, `ADD` and what a container starts.

use std::{collections::HashMap, ops::Range};

use super::{dockerfile, is_local};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::Scalar,
        readers::dockerfile::{Command, What},
        values::{self, Strength, Value},
    },
};

const URL_CREDENTIALS: LintMeta = LintMeta {
    id: "docker-url-credentials",
    title: "An address in a Dockerfile holds a password",
    tool: "Dockerfile",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: Containers",
        "RFC 3986 section 3.2.1",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "The address stays in the file, in the image's history, and in logs of every tool that prints it.",
    help: "Keep the address without user and password, and mount the credentials: `RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
           pip install ...`, or `.netrc` in the same way.",
    bad: &[
        &[(
            "Dockerfile",
            "FROM python:3\nARG PIP_INDEX_URL=https://ci:hunter2-Zq81@pypi.acme.test/simple\n",
        )],
        &[(
            "Dockerfile",
            "FROM alpine:3\nRUN apk add git && \\\n    git clone https://bot:hunter2-Zq81@git.acme.test/app.git\n",
        )],
        &[(
            "Dockerfile",
            "FROM alpine:3\nADD https://bot:hunter2-Zq81@files.acme.test/app.tgz /app/\n",
        )],
    ],
    good: &[
        &[(
            "Dockerfile",
            "FROM python:3\nARG PIP_INDEX_URL=https://pypi.acme.test/simple\nRUN --mount=type=secret,id=pip,target=/etc/pip.conf pip install app\n",
        )],
        &[(
            "Dockerfile",
            "FROM alpine:3\nENV DOCS=https://user:pass@example.com/ PGHOST=postgres://db:5432/app REPO=ssh://git@git.acme.test/app.git\n\
             RUN git clone git@git.acme.test:app.git && curl https://git.acme.test:8443/@scope/x\n",
        )],
    ],
};

/// `docker-url-credentials`.
pub(super) struct Urls;

impl Lint for Urls {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&URL_CREDENTIALS]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(file) = dockerfile(document) else {
            return;
        };
        let local = is_local(document.path);
        let mut counts = HashMap::new();
        for instruction in super::instructions(file) {
            for (what, text) in texts(&instruction.what) {
                for found in passwords(&text.text) {
                    let mut subject = format!("{what} {}", found.host);
                    let count = counts.entry(subject.clone()).or_insert(0_usize);
                    *count += 1;
                    if *count > 1 {
                        subject = format!("{subject} {count}");
                    }
                    if let Some(fault) = fault(what, text, &found, local, subject) {
                        context.tell(fault);
                    }
                }
            }
        }
    }
}

/// Returns the texts of an instruction, each with its name.
fn texts(what: &What) -> Vec<(&str, &Scalar)> {
    match what {
        What::Arg(pairs) | What::Env(pairs) | What::Label(pairs) => pairs
            .iter()
            .filter_map(|pair| Some((pair.name.as_str(), pair.value.as_ref()?)))
            .collect(),
        What::Run(run) => match (&run.script, &run.command) {
            (Some(script), _) => vec![("RUN", script)],
            (None, Command::Exec(items)) => items.iter().map(|item| ("RUN", item)).collect(),
            (None, Command::Shell(text)) => vec![("RUN", text)],
        },
        What::Copy(copy) => {
            let word = if copy.is_add { "ADD" } else { "COPY" };
            copy.sources.iter().map(|source| (word, source)).collect()
        }
        What::Start(role, Command::Shell(text)) => vec![(role.as_str(), text)],
        What::Start(role, Command::Exec(items)) => {
            items.iter().map(|item| (role.as_str(), item)).collect()
        }
        What::Shell(_) | What::Other => Vec::new(),
    }
}

/// A password in an address.
pub(in crate::policy::lints) struct Password<'t> {
    /// Where it stands in the text.
    pub(in crate::policy::lints) range: Range<usize>,
    /// The host, with its port.
    pub(in crate::policy::lints) host: &'t str,
    /// What it is.
    pub(in crate::policy::lints) value: Value,
}

/// Returns the passwords of all addresses in a text.
pub(in crate::policy::lints) fn passwords(text: &str) -> Vec<Password<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text.get(at..).and_then(|rest| rest.find("://")) {
        let start = at + offset + 3;
        let rest = text.get(start..).unwrap_or_default();
        // An address ends where words and quotes do.
        let end = |c: char| {
            c.is_whitespace()
                || matches!(
                    c,
                    '"' | '\'' | '<' | '>' | '|' | ';' | ',' | '`' | ')' | '\\'
                )
        };
        let end = |c: char| end(c) || matches!(c, '/' | '?' | '#');
        let authority = rest.split(end).next().unwrap_or_default();
        at = start;
        let Some((info, host)) = authority.rsplit_once('@') else {
            continue;
        };
        let Some((user, password)) = info.split_once(':') else {
            continue;
        };
        if password.is_empty() || host.is_empty() {
            continue;
        }
        let begin = start + user.len() + 1;
        let value = values::classify(password);
        found.push(Password {
            range: begin..begin + password.len(),
            host,
            value,
        });
    }
    found
}

/// Tells whether a host is one of examples or of this machine.
pub(in crate::policy::lints) fn is_nowhere(host: &str) -> bool {
    let host = host
        .rsplit_once(':')
        .map_or(host, |(host, _)| host)
        .to_ascii_lowercase();
    let ends = [
        "example.com",
        "example.org",
        "example.net",
        ".example",
        "localhost",
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "[::1]",
    ];
    ends.iter().any(|end| host.ends_with(end)) || host == "host" || host == "hostname"
}

fn fault(
    what: &str,
    text: &Scalar,
    found: &Password<'_>,
    local: bool,
    subject: String,
) -> Option<Fault> {
    let severity = match found.value {
        Value::Literal(Strength::Weak) | Value::Plain if is_nowhere(found.host) => return None,
        Value::Literal(Strength::Weak) | Value::Plain if local => Severity::Info,
        Value::Literal(_) if is_nowhere(found.host) => Severity::Info,
        Value::Literal(Strength::Weak) | Value::Plain => Severity::Medium,
        Value::Literal(_) => Severity::High,
        _ => return None,
    };
    let span = text.source(found.range.clone());
    let message = format!("the address in `{what}` holds a password");
    Some(
        Fault::new(&URL_CREDENTIALS, span.clone(), subject, message)
            .severity(severity)
            .secret(span),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;

    #[test]
    fn addresses_by_value_and_host() {
        for (text, want) in [
            (
                "ENV A=postgres://app:hunter2-Zq81@db/app\n",
                vec!["docker-url-credentials high hunter2-Zq81"],
            ),
            (
                "ENV A=postgres://postgres:postgres@db/app\n",
                vec!["docker-url-credentials medium postgres"],
            ),
            (
                "ENV A=postgres://app:hunter2-Zq81@localhost/app\n",
                vec!["docker-url-credentials info hunter2-Zq81"],
            ),
            (
                "ENV A=https://x:${TOKEN}@h/y B=https://x:$TOKEN@h/y\n",
                vec![],
            ),
            (
                "ENV A=https://x@h/y B=https://h:80/@y C=https://x:@h\n",
                vec![],
            ),
            (
                "RUN a 'https://x:hunter2-Zq81@h' https://y:Vx7kQ2mR9tLp@h\n",
                vec![
                    "docker-url-credentials high hunter2-Zq81",
                    "docker-url-credentials high Vx7kQ2mR9tLp",
                ],
            ),
            (
                "CMD [\"a\", \"--db=postgres://x:hunter2-Zq81@h\"]\n",
                vec!["docker-url-credentials high hunter2-Zq81"],
            ),
        ] {
            assert_eq!(
                told("Dockerfile", &format!("FROM a\n{text}")),
                want,
                "{text:?}"
            );
        }
    }
}

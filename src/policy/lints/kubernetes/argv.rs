//! Secrets as arguments of a container's command, a probe or a hook (49): everybody on the node and every reader of the object sees them.

use std::{collections::HashMap, ops::Range};

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        names,
        node::{Node, Scalar},
        shell::{self, Placeholder, Script, SecretArgument, Sink},
        values::Strength,
    },
};

use super::{
    judge::{at, judge},
    object::{Container, Object, Subjects, containers, is_filled, objects},
    words,
};

/// Arguments of containers.
pub(crate) struct Argv;

const META: LintMeta = LintMeta {
    id: "k8s-secret-argv",
    title: "A container's command line holds a secret",
    tool: "Kubernetes",
    // A container sees its own processes alone, and the object holds `$(NAME)`, not the value.
    severity: Severity::Low,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "Kubernetes documentation: Good practices for Kubernetes Secrets",
        "OWASP Secrets Management Cheat Sheet, section 5: Containers and orchestrators",
    ],
    cwe: 214,
    fix: FixClass::None,
    why: "Arguments are in the list of processes, in crash reports and in the logs of the runtime; a literal is in the object and the \
          repository too.",
    help: "Let the program read a mounted file (`--db-password-file`), its own variable (`PGPASSWORD`, `REDISCLI_AUTH`) or its settings.",
    bad: &[
        &[(
            "deploy/app.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  containers:\n    - name: app\n      image: registry.example.net/app:1\n      \
             args: [\"--db-password=$(DB_PASSWORD)\"]\n      env:\n        - name: DB_PASSWORD\n          valueFrom:\n            \
             secretKeyRef:\n              name: app\n              key: password\n",
        )],
        &[(
            "deploy/redis.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: redis\nspec:\n  containers:\n    - name: redis\n      image: redis:8\n      \
             livenessProbe:\n        exec:\n          command:\n            - sh\n            - -c\n            - redis-cli -a \"$REDIS_PASSWORD\" ping\n",
        )],
    ],
    good: &[
        &[(
            "deploy/app.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  containers:\n    - name: app\n      image: registry.example.net/app:1\n      \
             args: [\"--db-password-file=/run/secrets/db\", \"--token-ttl=24h\", \"--secret-name=app-tls\", \"-p\", \"8080\"]\n",
        )],
        &[(
            "deploy/redis.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: redis\nspec:\n  containers:\n    - name: redis\n      image: redis:8\n      \
             livenessProbe:\n        exec:\n          command:\n            - sh\n            - -c\n            - |\n              \
             export REDISCLI_AUTH=\"$REDIS_PASSWORD\"\n              test -n \"$REDIS_PASSWORD\" && redis-cli -h localhost ping\n",
        )],
    ],
};

impl Lint for Argv {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut subjects = Subjects::default();
        for object in objects(document) {
            let place = object.place(document, context.environments);
            for container in containers(&object) {
                let variables = Variables::of(document, &container);
                let exposed = exposed(&container, &variables).into_iter();
                let exposed =
                    exposed.filter(|one| one.literal.is_none() || !is_filled(document, &one.span));
                for mut fault in faults(&object, &container, exposed) {
                    fault.subject = subjects.of(fault.subject);
                    // A literal is in the object and the repository, too.
                    let severity = if fault.secret.is_some() {
                        Severity::Medium
                    } else {
                        META.severity
                    };
                    context.tell(fault.severity(at(severity, place)));
                }
            }
        }
    }
}

/// Makes faults of what a container exposes: one for each option and for each literal, further places of the same option related.
fn faults(
    object: &Object<'_>,
    container: &Container<'_>,
    exposed: impl Iterator<Item = Exposed>,
) -> Vec<Fault> {
    let label = object.label();
    let who = &container.label;
    let mut faults: Vec<Fault> = Vec::new();
    let mut firsts: HashMap<String, usize> = HashMap::new();
    for one in exposed {
        let what = &one.what;
        let same = firsts.get(what).filter(|_| one.literal.is_none());
        if let Some(first) = same.and_then(|at| faults.get_mut(*at)) {
            if first.span != one.span {
                first.related.push((one.span, "here too".to_owned()));
            }
            continue;
        }
        let instead = one.safe.map(|safe| format!(": {safe}")).unwrap_or_default();
        let message =
            format!("{who} of {label} passes a secret to {what} on a command line{instead}");
        let fault = Fault::new(&META, one.span, format!("{label}: {who}: {what}"), message);
        faults.push(match one.literal {
            Some(span) => fault.secret(span),
            None => {
                firsts.insert(one.what, faults.len());
                fault
            }
        });
    }
    faults
}

/// The variables of a container: whether each holds a secret.
struct Variables<'n>(HashMap<&'n str, bool>);

impl<'n> Variables<'n> {
    fn of(document: &Document<'_>, container: &Container<'n>) -> Self {
        let items = container.node.get("env").map_or(&[][..], Node::items);
        let known = |item: &'n Node| {
            let name = item.text_at(&["name"])?;
            let from_secret = item.at(&["valueFrom", "secretKeyRef"]).is_some();
            let value = item
                .get("value")
                .filter(|value| !is_filled(document, &value.span));
            let is_literal = value
                .and_then(Node::text)
                .is_some_and(|value| judge(name, value).is_some());
            // What a template fills in goes by its name.
            let is_filled =
                item.get("value").is_some() && value.is_none() && names::is_secret(name);
            Some((name, from_secret || is_literal || is_filled))
        };
        Self(items.iter().filter_map(known).collect())
    }

    /// Tells whether a variable holds a secret; one that the manifest does not set goes by its name.
    fn is_secret(&self, name: &str) -> bool {
        self.0
            .get(name)
            .copied()
            .unwrap_or_else(|| shell::is_secret_variable(name))
    }
}

/// One argument that is a secret.
struct Exposed {
    /// The option, or the program.
    what: String,
    span: Range<usize>,
    /// The bytes of a literal.
    literal: Option<Range<usize>>,
    /// How the program takes it otherwise.
    safe: Option<&'static str>,
}

/// Returns the secrets on the command lines of a container: its own, and those of its probes and hooks.
fn exposed(container: &Container<'_>, variables: &Variables<'_>) -> Vec<Exposed> {
    const EXEC: [&[&str]; 5] = [
        &["livenessProbe", "exec", "command"],
        &["readinessProbe", "exec", "command"],
        &["startupProbe", "exec", "command"],
        &["lifecycle", "postStart", "exec", "command"],
        &["lifecycle", "preStop", "exec", "command"],
    ];
    let own = ["command", "args"].map(|key| container.node.get(key));
    let mut found = line(
        &own.into_iter()
            .flatten()
            .flat_map(parts)
            .collect::<Vec<_>>(),
        variables,
    );
    for node in EXEC.iter().filter_map(|path| container.node.at(path)) {
        found.extend(line(&parts(node).collect::<Vec<_>>(), variables));
    }
    found
}

/// Returns the scalars of a list, or a scalar itself.
fn parts(node: &Node) -> impl Iterator<Item = &Scalar> {
    node.scalar()
        .into_iter()
        .chain(node.items().iter().filter_map(Node::scalar))
}

/// Looks at one command line: as a list of arguments, or at the script that a shell gets by it.
fn line(parts: &[&Scalar], variables: &Variables<'_>) -> Vec<Exposed> {
    let is_shell = |part: &&Scalar| {
        let program = part.text.rsplit('/').next();
        matches!(
            program,
            Some("sh" | "bash" | "ash" | "dash" | "zsh" | "busybox")
        )
    };
    if parts.iter().take(4).any(is_shell) {
        let scripts = parts
            .iter()
            .filter(|part| part.text.contains(char::is_whitespace));
        return scripts.flat_map(|part| script(part, variables)).collect();
    }
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    let arguments = shell::secret_arguments(&texts).into_iter();
    let mut found: Vec<_> = arguments
        .filter_map(|argument| {
            let scalar = parts.get(argument.word)?;
            let value = scalar.text.get(argument.value.clone())?;
            let span = scalar.source(0..scalar.text.len());
            let literal = scalar.source(argument.value.clone());
            check(&argument, value, span, literal, variables)
        })
        .collect();
    // A header in a list stands behind the program that sends it.
    let is_header = |text: &str| {
        matches!(text, "-H" | "--header")
            && texts
                .first()
                .is_some_and(|program| program.ends_with("curl"))
    };
    for (option, value) in parts
        .iter()
        .zip(parts.iter().skip(1))
        .filter(|(option, _)| is_header(&option.text))
    {
        if expansions(&value.text)
            .iter()
            .any(|name| variables.is_secret(name))
        {
            let span = value.source(0..value.text.len());
            found.push(Exposed {
                what: option.text.clone(),
                span,
                literal: None,
                safe: None,
            });
        }
    }
    found
}

/// Looks at a script: variables are followed through it, literals are told where an option for secrets takes them.
fn script(scalar: &Scalar, variables: &Variables<'_>) -> Vec<Exposed> {
    let text = &scalar.text;
    let placeholders = placeholders(text, variables);
    let script = Script {
        text,
        trace: false,
        placeholders: &placeholders,
    };
    // A library of functions that stands elsewhere: `. /opt/scripts/lib.sh`.
    let sources = words::commands(text).iter().any(|command| {
        let first = command.first().map(|word| word.text.as_str());
        matches!(first, Some("." | "source"))
    });
    let mut found = Vec::new();
    for one in shell::analyse(&script, &|name| variables.is_secret(name)) {
        let (what, safe) = match one.sink {
            Sink::Argument(argument) => (argument.flag, argument.safe),
            Sink::Url => (None, None),
            _ => continue,
        };
        if sources && is_function(&one.command) {
            continue;
        }
        let what = what.unwrap_or(one.command);
        found.push(Exposed {
            what,
            span: scalar.source(one.span),
            literal: None,
            safe,
        });
    }
    for command in words::commands(text) {
        let texts: Vec<&str> = command.iter().map(|word| word.text.as_str()).collect();
        found.extend(
            shell::secret_arguments(&texts)
                .into_iter()
                .filter_map(|argument| {
                    let word = command.get(argument.word)?;
                    let value = word.text.get(argument.value.clone())?;
                    let span = scalar.source(word.span.clone());
                    // The value ends its word; with quotes or escapes in it the word is as exact as it gets.
                    let is_exact = word.span.len() == word.text.len();
                    let start = word.span.end.saturating_sub(value.len());
                    let literal = if is_exact {
                        scalar.source(start..word.span.end)
                    } else {
                        span.clone()
                    };
                    check(&argument, value, span, literal, variables)
                        .filter(|exposed| exposed.literal.is_some())
                }),
        );
    }
    found
}

/// Tells whether a command is rather a function, by the way that these are called: `mysql_remote_execute`.
fn is_function(command: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    command.contains('_') && command.bytes().all(is_part)
}

/// Returns the variables that Kubernetes fills in before a shell sees the script: `$(NAME)`, if the manifest sets them.
fn placeholders(text: &str, variables: &Variables<'_>) -> Vec<Placeholder> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("$(") {
        let rest = text.get(at + 2..).unwrap_or_default();
        let length = rest
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            .count();
        let name = rest.get(..length).unwrap_or_default();
        if let Some(secret) = variables
            .0
            .get(name)
            .copied()
            .filter(|_| rest.as_bytes().get(length) == Some(&b')'))
        {
            found.push(Placeholder {
                span: at..at + length + 3,
                name: name.to_owned(),
                secret,
            });
        }
    }
    found
}

/// Tells of the value of an option for secrets, if it is one: by a variable, or in clear.
fn check(
    argument: &SecretArgument,
    value: &str,
    span: Range<usize>,
    literal: Range<usize>,
    variables: &Variables<'_>,
) -> Option<Exposed> {
    let expanded = expansions(value);
    let literal = if expanded.is_empty() {
        let judged = judge("password", value)?;
        if judged.strength == Strength::Weak || judged.is_wordy {
            return None;
        }
        Some(literal)
    } else if expanded.iter().any(|name| variables.is_secret(name)) {
        None
    } else {
        return None;
    };
    Some(Exposed {
        what: argument.flag.clone(),
        span,
        literal,
        safe: argument.safe,
    })
}

/// Returns the names of the variables that a word fills in: `$X`, `${X}`, `$(X)`.
fn expansions(text: &str) -> Vec<&str> {
    let name = |piece| {
        let inner: &str = str::strip_prefix(piece, ['{', '(']).unwrap_or(piece);
        let length = inner
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
            .count();
        inner.get(..length).filter(|name| !name.is_empty())
    };
    text.split('$').skip(1).filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::texts;

    fn pod(container: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: app}}\nspec:\n  containers:\n  - name: app\n    image: x\n    env:\n    \
             - {{name: PW, valueFrom: {{secretKeyRef: {{name: a, key: b}}}}}}\n    - {{name: TOKEN_PATH_TOKEN, value: /run/token}}\n{container}\n"
        )
    }

    #[test]
    fn arguments_that_are_secrets() {
        for (container, want) in [
            ("    args: [--db-password, $(PW)]", "$(PW)"),
            ("    args: ['--db-password=$(PW)']", "--db-password=$(PW)"),
            (
                "    args:\n    - --api-key=hunter2-Zq81",
                "--api-key=hunter2-Zq81",
            ),
            ("    command: [redis-server, --requirepass, $(PW)]", "$(PW)"),
            (
                "    command: [/usr/bin/mysqladmin, -uroot, -p$(PW), ping]",
                "-p$(PW)",
            ),
            (
                "    command: [sh, -c, 'exec app --token \"$API_TOKEN\"']",
                "\"$API_TOKEN\"",
            ),
            (
                "    command: [sh, -c]\n    args:\n    - |\n      set -e\n      app --token=${PW}\n",
                "--token=${PW}",
            ),
            (
                "    command: [sh, -c, 'curl -u app:$(PW) http://x']",
                "app:$(PW)",
            ),
            (
                "    command: [sh, -c, 'x=1; mysql -uapp -phunter2-Zq81 -h db']",
                "-phunter2-Zq81",
            ),
            (
                "    command: [curl, -H, 'Authorization: Bearer $(PW)', 'http://x']",
                "Authorization: Bearer $(PW)",
            ),
            (
                "    readinessProbe: {exec: {command: [redis-cli, -a, $(PW), ping]}}",
                "$(PW)",
            ),
            (
                "    lifecycle: {preStop: {exec: {command: [sh, -c, 'curl -H \"Authorization: Bearer $PW\" http://x']}}}",
                "\"Authorization: Bearer $PW\"",
            ),
        ] {
            assert_eq!(
                texts("k8s-secret-argv", "a.yaml", &pod(container)),
                [want],
                "{container}"
            );
        }
    }

    #[test]
    fn probes_that_do_the_same_are_one_fault() {
        let probe = "exec: {command: [redis-cli, -a, $(PW), ping]}";
        let text = pod(&format!(
            "    livenessProbe:\n      {probe}\n    readinessProbe:\n      {probe}"
        ));
        assert_eq!(texts("k8s-secret-argv", "a.yaml", &text).len(), 1);
    }

    #[test]
    fn arguments_that_are_none() {
        for container in [
            "    args: [--token-ttl, 5m, --token-file, /run/x, --password-stdin]",
            "    args: ['--db-password=$(TOKEN_PATH_TOKEN)']",
            "    args: ['--password=changeme', '--secret=app-tls', --secret-name=x]",
            "    args: ['--tls-private-key=/etc/tls/key.pem']",
            "    command: [sh, -c, 'echo \"$PW\" | app --password-stdin']",
            "    command: [sh, -c, 'PGPASSWORD=\"$PW\" psql -h db']",
            "    command: [sh, -c, 'app ${PW:+--has-password} -p 8080']",
            "    args: [mysql, -p8080]",
            "    command: [sh, -c, '. /opt/lib.sh; set_conf password \"$API_TOKEN\"']",
            "    command: [sh, -c, \"curl -H 'Authorization: _appnull' http://x\"]",
            "    args: [--authentication-token-webhook-config-file=/etc/x]",
        ] {
            assert_eq!(
                texts("k8s-secret-argv", "a.yaml", &pod(container)),
                [""; 0],
                "{container}"
            );
        }
    }
}

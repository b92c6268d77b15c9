//! Secrets as arguments of a container's command, a probe or a hook (49): everybody on the node and every reader of the object sees them.

use std::{collections::HashMap, ops::Range};

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        names,
        node::{Node, NodeKind},
        values::Strength,
    },
};

use super::{
    judge::{Judged, at, judge, place},
    object::{Container, Subjects, containers, is_filled, objects},
    words::{self, Word},
};

/// Arguments of containers.
pub(crate) struct Argv;

const META: LintMeta = LintMeta {
    id: "k8s-secret-argv",
    title: "A container's command line holds a secret",
    tool: "Kubernetes",
    severity: Severity::Medium,
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
        let place = place(document.path);
        let mut subjects = Subjects::default();
        for object in objects(document) {
            let label = object.label();
            for container in containers(&object) {
                let variables = variables(document, &container);
                for argument in arguments(&container).iter().flat_map(|line| exposed(line, &variables)) {
                    if argument.literal.is_some() && is_filled(document, &argument.span) {
                        continue;
                    }
                    let severity = at(Severity::Medium, place);
                    let what = &argument.flag;
                    let fault = Fault::new(
                        &META,
                        argument.span,
                        subjects.of(format!("{label}: {}: {what}", container.label)),
                        format!("{} of {label} passes a secret to {what} on a command line", container.label),
                    );
                    let fault = fault.severity(severity);
                    context.tell(match argument.literal {
                        Some(span) => fault.secret(span),
                        None => fault,
                    });
                }
            }
        }
    }
}

/// Where a variable's value comes from.
enum Origin {
    Secret,
    Other,
}

/// Returns what is known of a container's variables.
fn variables<'n>(document: &Document<'_>, container: &Container<'n>) -> HashMap<&'n str, Origin> {
    let items = container.node.get("env").map_or(&[][..], Node::items);
    let origin = |item: &'n Node| {
        let name = item.text_at(&["name"])?;
        let from_secret = item.at(&["valueFrom", "secretKeyRef"]).is_some();
        let value = item.get("value").filter(|value| !is_filled(document, &value.span));
        let is_literal = value.and_then(Node::text).is_some_and(|value| judge(name, value).is_some());
        // What a template fills in goes by its name.
        let is_filled = item.get("value").is_some() && value.is_none() && names::is_secret(name);
        let origin = if from_secret || is_literal || is_filled { Origin::Secret } else { Origin::Other };
        Some((name, origin))
    };
    items.iter().filter_map(origin).collect()
}

/// Returns the command lines of a container: its own, and those of its probes and hooks. A script is one for each of its commands.
fn arguments(container: &Container<'_>) -> Vec<Vec<Word>> {
    const EXEC: [&[&str]; 5] = [
        &["livenessProbe", "exec", "command"],
        &["readinessProbe", "exec", "command"],
        &["startupProbe", "exec", "command"],
        &["lifecycle", "postStart", "exec", "command"],
        &["lifecycle", "preStop", "exec", "command"],
    ];
    let own = ["command", "args"].map(|key| container.node.get(key));
    let mut lines = lines(&own.into_iter().flatten().flat_map(parts).collect::<Vec<_>>());
    for path in EXEC {
        if let Some(node) = container.node.at(path) {
            lines.extend(self::lines(&parts(node).collect::<Vec<_>>()));
        }
    }
    lines
}

/// Returns the scalars of a list, or a scalar itself.
fn parts(node: &Node) -> impl Iterator<Item = &Node> {
    let own = matches!(node.kind, NodeKind::Scalar(_)).then_some(node);
    own.into_iter().chain(node.items())
}

/// Makes command lines of the parts of one: the parts themselves, or the commands of a script among them.
fn lines(parts: &[&Node]) -> Vec<Vec<Word>> {
    let is_shell = |node: &&Node| {
        let program = node.text().and_then(|text| text.rsplit('/').next());
        matches!(program, Some("sh" | "bash" | "ash" | "dash" | "zsh" | "busybox"))
    };
    let has_shell = parts.iter().take(4).any(is_shell);
    let mut own = Vec::new();
    let mut lines = Vec::new();
    for scalar in parts.iter().filter_map(|part| part.scalar()) {
        if has_shell && scalar.text.contains(char::is_whitespace) {
            for command in words::commands(&scalar.text) {
                let placed = command.into_iter().map(|word| Word { span: scalar.source(word.span), text: word.text });
                lines.push(placed.collect());
            }
        } else {
            own.push(Word { text: scalar.text.clone(), span: scalar.source(0..scalar.text.len()) });
        }
    }
    lines.push(own);
    lines
}

/// One argument that is a secret.
struct Exposed {
    /// The flag, or the program.
    flag: String,
    span: Range<usize>,
    /// The bytes of a literal.
    literal: Option<Range<usize>>,
}

/// Returns the arguments of one command that are secrets.
fn exposed(words: &[Word], variables: &HashMap<&str, Origin>) -> Vec<Exposed> {
    const BUILTINS: [&str; 12] = [
        "echo", "printf", "export", "test", "[", "[[", ":", "read", "local", "declare", "set", "unset",
    ];
    let assigns = |word: &&Word| word.text.split_once('=').is_some_and(|(name, _)| is_name(name));
    let is_keyword = |word: &&Word| matches!(word.text.as_str(), "if" | "then" | "while" | "do" | "else" | "!" | "{" | "elif" | "until");
    let first = words.iter().find(|word| !assigns(word) && !is_keyword(word));
    if first.is_none_or(|word| BUILTINS.contains(&word.text.as_str())) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut programs = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1);
        if let Some((flag, value, holder)) = flagged(word, next, &programs) {
            found.extend(check(&flag, value, holder, variables));
        } else if !word.text.starts_with('-') {
            programs.push(word.text.rsplit('/').next().unwrap_or_default());
            programs.truncate(8);
        }
    }
    found
}

/// Returns a flag that takes a secret, its value, and the word that the value ends.
fn flagged<'w>(word: &'w Word, next: Option<&'w Word>, programs: &[&str]) -> Option<(String, &'w str, &'w Word)> {
    let bare = word.text.strip_prefix('-')?;
    let runs = |names: &[&str]| programs.iter().any(|program| names.contains(program));
    let (flag, value) = match word.text.split_once('=') {
        Some((flag, value)) => (flag, Some(value)),
        None => (word.text.as_str(), None),
    };
    let last = names::words(flag).pop().unwrap_or_default();
    let is_flag = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_named = flag.len() > 2
        && flag.bytes().all(is_flag)
        && (names::is_secret(flag) && !matches!(last.as_str(), "stdin" | "secret" | "secrets") || flag.ends_with("masterauth")
            || last == "secret" && names::words(flag).len() > 1);
    if is_named {
        return match (value, next) {
            (Some(value), _) => Some((flag.to_owned(), value, word)),
            (None, Some(next)) if !next.text.starts_with('-') => Some((flag.to_owned(), &next.text, next)),
            _ => None,
        };
    }
    const MYSQL: [&str; 8] =
        ["mysql", "mysqladmin", "mysqldump", "mysqlcheck", "mariadb", "mariadb-admin", "mariadb-dump", "mariadb-check"];
    if let Some(value) = bare.strip_prefix('p').filter(|value| !value.is_empty() && runs(&MYSQL)) {
        return Some(("-p".to_owned(), value, word));
    }
    let next = next?;
    let takes = match word.text.as_str() {
        "-a" => runs(&["redis-cli", "valkey-cli"]),
        "-p" => runs(&["sshpass", "mongo", "mongosh", "mongodump", "mongorestore"]),
        "-w" => runs(&["ldapsearch", "ldapwhoami", "ldapmodify"]),
        "-u" | "--user" if next.text.contains(':') => runs(&["curl"]),
        "-H" | "--header" => runs(&["curl", "wget"]) && is_authorization(&next.text),
        _ => false,
    };
    takes.then(|| (word.text.clone(), next.text.as_str(), next))
}

/// Tells whether a header carries a credential.
fn is_authorization(header: &str) -> bool {
    let name = header.split(':').next().unwrap_or_default();
    name.eq_ignore_ascii_case("authorization") || names::is_secret(name)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Tells of a value if it is a secret: by a variable, or in clear.
fn check(flag: &str, value: &str, holder: &Word, variables: &HashMap<&str, Origin>) -> Option<Exposed> {
    let exposed = |literal| Some(Exposed { flag: flag.trim_end_matches('=').to_owned(), span: holder.span.clone(), literal });
    let expanded = expansions(value);
    if !expanded.is_empty() {
        let is_secret = |name: &&str| match variables.get(name) {
            Some(Origin::Secret) => true,
            Some(Origin::Other) => false,
            None => names::is_secret(name),
        };
        return expanded.iter().any(is_secret).then(|| exposed(None)).flatten();
    }
    let judged: Judged = judge("password", value)?;
    if judged.strength == Strength::Weak || judged.is_wordy {
        return None;
    }
    // The value ends its word; with quotes or escapes in it the word is as exact as it gets.
    let is_exact = holder.span.len() == holder.text.len();
    let start = holder.span.end.saturating_sub(value.len());
    let literal = if is_exact { start..holder.span.end } else { holder.span.clone() };
    exposed(Some(literal))
}

/// Returns the names of the variables that a word fills in: `$X`, `${X}`, `${X:-y}`, `$(X)`; not of those it only tests.
fn expansions(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for piece in text.split('$').skip(1) {
        let inner = piece.strip_prefix(['{', '(']).unwrap_or(piece);
        let length = inner.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let (name, rest) = inner.split_at_checked(length).unwrap_or_default();
        if is_name(name) && !rest.starts_with(":+") && !rest.starts_with('+') {
            names.push(name);
        }
    }
    names
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
            ("    args:\n    - --api-key=hunter2-Zq81", "--api-key=hunter2-Zq81"),
            ("    command: [redis-server, --requirepass, $(PW)]", "$(PW)"),
            ("    command: [/usr/bin/mysqladmin, -uroot, -p$(PW), ping]", "-p$(PW)"),
            ("    command: [sh, -c, 'exec app --token \"$API_TOKEN\"']", "\"$API_TOKEN\""),
            ("    command: [sh, -c]\n    args:\n    - |\n      set -e\n      app --token=${PW}\n", "--token=${PW}"),
            ("    readinessProbe: {exec: {command: [redis-cli, -a, $(PW), ping]}}", "$(PW)"),
            ("    lifecycle: {preStop: {exec: {command: [sh, -c, 'curl -H \"Authorization: Bearer $PW\" http://x']}}}", "\"Authorization: Bearer $PW\""),
        ] {
            assert_eq!(texts("k8s-secret-argv", "a.yaml", &pod(container)), [want], "{container}");
        }
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
            "    args: [--authentication-token-webhook-config-file=/etc/x]",
        ] {
            assert_eq!(texts("k8s-secret-argv", "a.yaml", &pod(container)), [""; 0], "{container}");
        }
    }
}

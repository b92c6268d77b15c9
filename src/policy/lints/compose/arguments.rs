//! Secrets as arguments: of what a service runs, and of what builds its image.

use super::service::{Binding, Seen, Service, is_for_one_machine, services};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        lints::docker::argv::{self, Exposed},
        names,
        node::{Node, Scalar, Style},
        values::{self, Strength, Value},
    },
};

const SECRET_ARGV: LintMeta = LintMeta {
    id: "compose-secret-argv",
    title: "A service's command takes a secret as an argument",
    tool: "Compose",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: secrets as arguments show in the list of processes",
        "CWE-214",
    ],
    cwe: 214,
    fix: FixClass::None,
    why: "Arguments show in the list of processes and in `docker inspect`, also when compose or a shell fills them in.",
    help: "Let the program read a file that comes from `secrets:`, or the variable it knows itself (`REDISCLI_AUTH`, `MYSQL_PWD`).",
    bad: &[
        &[(
            "compose.yml",
            "services:\n  cache:\n    image: redis:7\n    command: redis-server --requirepass ${REDIS_PASSWORD}\n",
        )],
        &[(
            "compose.yml",
            "services:\n  cache:\n    image: redis:7\n    command: [\"--requirepass\", \"${REDIS_PASSWORD}\"]\n",
        )],
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    healthcheck:\n      test: [\"CMD-SHELL\", \"mysqladmin ping -uroot -p$$MYSQL_ROOT_PASSWORD\"]\n",
        )],
        &[(
            "compose.yml",
            "services:\n  app:\n    image: acme/app:1\n    entrypoint:\n      - app\n      - --api-key=hunter2-Zq81\n",
        )],
    ],
    good: &[
        &[(
            "compose.yml",
            "services:\n  cache:\n    image: redis:7\n    command: redis-server /run/secrets/redis.conf\n    secrets: [redis.conf]\nsecrets:\n  redis.conf:\n    file: ./redis.conf\n",
        )],
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    command: --port 8080 -p 80 --password-file=/run/secrets/db\n    healthcheck:\n      test: REDISCLI_AUTH=\"$$REDIS_PASSWORD\" redis-cli ping && test -n \"$$TOKEN\"\n",
        )],
        // No shell expands what stands in a list.
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    healthcheck:\n      test: [CMD, mysqladmin, ping, -uroot, '-p$$MYSQL_ROOT_PASSWORD']\n",
        )],
    ],
};

const BUILD_ARG_SECRET: LintMeta = LintMeta {
    id: "compose-build-arg-secret",
    title: "A secret is an argument of an image's build",
    tool: "Compose",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: Containers",
        "Docker: Build secrets",
        "Compose file reference: build.secrets",
    ],
    cwe: 538,
    fix: FixClass::None,
    why: "Build arguments stay in the image's history and in the build's record: whoever can pull the image reads them.",
    help: "Hand it over under `build.secrets` and mount it in the Dockerfile: `RUN --mount=type=secret,id=npm_token,env=NPM_TOKEN ...`.",
    bad: &[
        &[(
            "compose.yml",
            "services:\n  web:\n    build:\n      context: .\n      args:\n        NPM_TOKEN: ${NPM_TOKEN}\n",
        )],
        &[(
            "compose.yml",
            "services:\n  web:\n    build:\n      context: .\n      args:\n        - VERSION=1\n        - NPM_TOKEN\n",
        )],
    ],
    good: &[
        &[(
            "compose.yml",
            "services:\n  web:\n    build:\n      context: .\n      secrets: [npm_token]\nsecrets:\n  npm_token:\n    environment: NPM_TOKEN\n",
        )],
        &[(
            "compose.yml",
            "services:\n  web:\n    build:\n      context: .\n      args:\n        TOKEN_VERSION: \"3\"\n        GPG_KEY: 7169605F62C751356D054A26A821E680E5FA6305\n        KEY_DIR: /etc/keys\n",
        )],
    ],
};

/// `compose-secret-argv`.
pub(super) struct Arguments;

impl Lint for Arguments {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&SECRET_ARGV]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let services = services(document);
        let local = !services.is_empty() && is_for_one_machine(document);
        let mut seen = Seen::default();
        for service in &services {
            for (place, found) in commands(service, &mut seen) {
                for one in found {
                    context.tell(fault(service, place, &one, local));
                }
            }
        }
    }
}

/// Returns the secrets in the arguments of all that a service runs, with where it says so.
fn commands(service: &Service<'_>, seen: &mut Seen) -> Vec<(&'static str, Vec<Exposed>)> {
    let mut found = Vec::new();
    for place in ["command", "entrypoint"] {
        if let Some(node) = service.node.get(place).filter(|node| seen.is_new(node)) {
            found.push((place, command(service, node)));
        }
    }
    let test = service.node.at(&["healthcheck", "test"]);
    if let Some(test) = test.filter(|node| seen.is_new(node)) {
        let items = test.items();
        let is_script = items.first().and_then(Node::text) == Some("CMD-SHELL");
        let script = if is_script {
            items.get(1).and_then(Node::scalar)
        } else {
            test.scalar()
        };
        let exposed = match script {
            Some(script) => argv::of_script(script),
            None => argv::of_command(&vector(items.get(1..).unwrap_or_default())),
        };
        found.push(("healthcheck.test", exposed));
    }
    found
}

fn command(service: &Service<'_>, node: &Node) -> Vec<Exposed> {
    let text = node.scalar();
    let first = text.map_or_else(
        || node.items().first().and_then(Node::text),
        |scalar| Some(scalar.text.as_str()),
    );
    // Flags alone are handed to the image's own program.
    let is_flags = first.is_some_and(|first| first.trim_start().starts_with('-'));
    let program = service
        .image_name()
        .map_or("", |name| name.rsplit('/').next().unwrap_or(name));
    let program = match program {
        "redis" | "valkey" => "redis-server",
        "" => "the image's program",
        other => other,
    };
    let program = Scalar {
        text: program.to_owned(),
        style: Style::Plain,
        map: vec![(0, 0)],
        end: 0,
    };
    match text {
        Some(script) if is_flags => {
            let commands = super::super::docker::words::commands(script);
            let words = commands.into_iter().flatten();
            argv::of_command(&std::iter::once(program).chain(words).collect::<Vec<_>>())
        }
        Some(script) => argv::of_script(script),
        None => {
            let mut words = vector(node.items());
            if is_flags {
                words.insert(0, program);
            }
            argv::of_command(&words)
        }
    }
}

/// Returns the words of a list that is run as it stands. Nothing expands `$$NAME` in it but a shell that it names itself: without one the
/// program gets the name, not the secret.
fn vector(items: &[Node]) -> Vec<Scalar> {
    let mut words = scalars(items);
    let is_shell = |word: &Scalar| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh" | "eval")
    };
    if !words.iter().any(is_shell) {
        for word in words.iter_mut().filter(|word| word.text.contains("$$")) {
            "-".clone_into(&mut word.text);
        }
    }
    words
}

fn scalars(items: &[Node]) -> Vec<Scalar> {
    items
        .iter()
        .filter_map(Node::scalar)
        .cloned()
        .map(|scalar| Scalar {
            style: Style::Plain,
            ..scalar
        })
        .collect()
}

fn fault(service: &Service<'_>, place: &str, one: &Exposed, local: bool) -> Fault {
    let subject = format!(
        "services.{}.{place} {} {}",
        service.name,
        one.program,
        one.what()
    );
    let message = format!(
        "`{place}` of `{}` hands {} to `{}` as an argument",
        service.name,
        one.what(),
        one.program
    );
    let mut fault = Fault::new(&SECRET_ARGV, one.span.clone(), subject, message);
    if one.value.is_some() {
        fault = fault.secret(one.span.clone());
    }
    match one.value {
        Some(Value::Placeholder) => fault.severity(Severity::Info),
        Some(Value::Literal(_)) if local => fault.severity(Severity::Info),
        Some(Value::Literal(Strength::Weak)) => fault.severity(Severity::Low),
        _ => fault,
    }
}

/// `compose-build-arg-secret`.
pub(super) struct BuildArguments;

impl Lint for BuildArguments {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&BUILD_ARG_SECRET]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let services = services(document);
        let local = !services.is_empty() && is_for_one_machine(document);
        let mut seen = Seen::default();
        for service in &services {
            let arguments = seen.new_bindings(service.node.at(&["build", "args"]));
            for binding in arguments
                .iter()
                .filter(|binding| names::is_secret(binding.name))
            {
                if let Some(fault) = argument(service, binding, local) {
                    context.tell(fault);
                }
            }
        }
    }
}

fn argument(service: &Service<'_>, binding: &Binding<'_>, local: bool) -> Option<Fault> {
    let name = binding.name;
    let value = binding.text().map(values::classify);
    let (severity, is_value) = match value {
        None | Some(Value::Template | Value::Reference(_)) => (Severity::High, false),
        Some(Value::Literal(Strength::Weak)) if local => (Severity::Info, true),
        Some(Value::Literal(Strength::Weak)) => (Severity::Medium, true),
        Some(Value::Literal(_)) => (Severity::High, true),
        Some(Value::Placeholder) => (Severity::Info, false),
        _ => return None,
    };
    let subject = format!("services.{}.build.args.{name}", service.name);
    let message = format!(
        "`{}` hands the secret `{name}` to the build of its image as an argument: it stays in the image's history",
        service.name
    );
    let span = binding.span();
    let fault = Fault::new(&BUILD_ARG_SECRET, span.clone(), subject, message).severity(severity);
    Some(if is_value { fault.secret(span) } else { fault })
}

#[cfg(test)]
mod tests {
    use super::super::super::docker::tests::told;

    #[test]
    fn commands_in_every_form() {
        for (text, want) in [
            (
                "command: --requirepass hunter2-Zq81\n",
                vec!["compose-secret-argv medium hunter2-Zq81"],
            ),
            (
                "command: [\"sh\", \"-c\", \"redis-cli -a $$REDIS_PASSWORD ping\"]\n",
                vec!["compose-secret-argv medium $REDIS_PASSWORD"],
            ),
            (
                "command: >\n      app\n      --token ${X}\n",
                vec!["compose-secret-argv medium ${X}"],
            ),
            (
                "command:\n      - app\n      - --token\n      - '${X}'\n",
                vec!["compose-secret-argv medium ${X}"],
            ),
            (
                "healthcheck:\n      test: [CMD, redis-cli, -a, \"${P}\", ping]\n",
                vec!["compose-secret-argv medium ${P}"],
            ),
            (
                "command: redis-server --requirepass redis\n",
                vec!["compose-secret-argv low redis"],
            ),
            ("healthcheck:\n      test: [\"NONE\"]\n", vec![]),
        ] {
            let text = format!("services:\n  a:\n    image: redis\n    {text}");
            assert_eq!(told("compose.yml", &text), want, "{text}");
        }
    }
}

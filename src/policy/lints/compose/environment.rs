//! Secrets that stand in a compose file themselves: variables of services, files written in place, users of a proxy in labels.
//!
//! Weak values are not told here: most literals of compose files are defaults of a developer's machine, which
//! `weak-default-password` tells once a file.

use std::ops::Range;

use super::{
    service::{Binding, Seen, Service, is_for_one_machine, services, short},
    weak,
};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Edit, Fault, Fix, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        lints::docker::url::{is_nowhere, passwords},
        names::{self, Secretness},
        node::Scalar,
        values::{self, Strength, Value},
    },
};

const PLAINTEXT_ENV: LintMeta = LintMeta {
    id: "compose-plaintext-env",
    title: "A compose file holds a secret itself",
    tool: "Compose",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: Containers",
        "OWASP Docker Security Cheat Sheet: Docker secrets",
        "Docker Docs: Manage secrets securely in Docker Compose",
    ],
    cwe: 798,
    fix: FixClass::Unsafe,
    why: "The file is read by everybody who can read the repository, and its history keeps the value after it was removed.",
    help: "Hand the secret over as a file (`POSTGRES_PASSWORD_FILE: /run/secrets/db` and `secrets:`), or name a variable that must be \
           set (`${DB_PASSWORD:?}`). Rotate the value: it is in the history.",
    bad: &[
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    environment:\n      DB_PASSWORD: hunter2-Zq81\n",
        )],
        &[(
            "deploy/docker-compose.yml",
            "services:\n  api:\n    image: acme/api:1\n    environment:\n      - \"API_TOKEN=Vx7kQ2mR9tLp\"\n      - PORT=80\n",
        )],
        &[(
            "compose.yaml",
            "x-env: &env\n  SMTP_PASSWORD: 'hunter2-Zq81'\nservices:\n  a:\n    image: acme/a:1\n    environment:\n      <<: *env\n  b:\n    image: acme/b:1\n    environment: *env\n",
        )],
        &[(
            "compose.yaml",
            "services:\n  a:\n    image: acme/a:1\nconfigs:\n  app:\n    content: |\n      port: 80\n      api_token: hunter2-Zq81\n",
        )],
    ],
    good: &[
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    environment:\n      DB_PASSWORD_FILE: /run/secrets/db\n      API_TOKEN: ${API_TOKEN:?}\n      SMTP_PASSWORD:\n    secrets: [db]\nsecrets:\n  db:\n    file: ./db.txt\n",
        )],
        &[(
            "compose.yml",
            "services:\n  auth:\n    image: acme/auth:1\n    env_file: .env\n    environment:\n      - API_TOKEN\n      - JWT_ALGORITHM=HS256\n      - TOKEN_TTL=3600\n      - DB_PASSWORD=$DB_PASSWORD\n",
        )],
    ],
};

/// `compose-plaintext-env`.
pub(super) struct Environment;

impl Lint for Environment {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&PLAINTEXT_ENV]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::Compose {
            return;
        }
        let mut told = Vec::new();
        let mut seen = Seen::default();
        for service in services(document) {
            told.extend(variables(&service, &mut seen));
            told.extend(labels(&service, &mut seen));
        }
        for root in document.trees() {
            for config in root
                .get("configs")
                .map(|configs| configs.merged())
                .unwrap_or_default()
            {
                let content = config
                    .value
                    .get("content")
                    .and_then(|content| content.scalar());
                told.extend(
                    content
                        .map(|content| written(short(&config.key), content))
                        .unwrap_or_default(),
                );
            }
        }
        let local = is_for_one_machine(document);
        for fault in told {
            context.tell(if local {
                fault.severity(Severity::Info)
            } else {
                fault
            });
        }
    }
}

fn variables(service: &Service<'_>, seen: &mut Seen) -> Vec<Fault> {
    let bindings = seen.new_bindings(service.node.get("environment"));
    let others = bindings
        .iter()
        .filter(|binding| !names::is_secret(binding.name));
    let texts =
        others.filter_map(|binding| binding.text().filter(|text| (2..=32).contains(&text.len())));
    let around: Vec<&str> = std::iter::once(service.name).chain(texts).collect();
    bindings
        .iter()
        .filter_map(|binding| variable(service, binding, &around))
        .collect()
}

fn variable(service: &Service<'_>, binding: &Binding<'_>, around: &[&str]) -> Option<Fault> {
    let (scalar, part) = binding.value.clone()?;
    let text = binding.text()?;
    let subject = format!("services.{}.environment.{}", service.name, binding.name);
    if text.contains("://") {
        let found = passwords(text)
            .into_iter()
            .find(|one| !is_nowhere(one.host) && is_strong(&one.value))?;
        let password = text.get(found.range.clone())?;
        let user = text.split("://").nth(1)?.split(':').next()?;
        if weak::is_weak(
            password,
            [binding.name, user]
                .into_iter()
                .chain(around.iter().copied()),
        ) {
            return None;
        }
        let span = scalar.source(part.start + found.range.start..part.start + found.range.end);
        let message = format!(
            "the address in `{}` of `{}` holds a password",
            binding.name, service.name
        );
        return Some(Fault::new(&PLAINTEXT_ENV, span.clone(), subject, message).secret(span));
    }
    let value = match is_escaped(text) {
        true => values::verbatim(&text.replace("$$", "$")),
        false => values::classify(text),
    };
    if !names::is_secret(binding.name) || !is_strong(&value) || is_file(text) {
        return None;
    }
    if weak::is_weak(
        text,
        [binding.name].into_iter().chain(around.iter().copied()),
    ) {
        return None;
    }
    let span = scalar.source(part);
    let message = format!(
        "`{}` of the service `{}` is set to a secret",
        binding.name, service.name
    );
    let mut fault = Fault::new(&PLAINTEXT_ENV, span.clone(), subject, message).secret(span);
    fault.fix = fix(binding);
    let is_master = names::secretness(binding.name) == Secretness::Master;
    Some(if is_master {
        fault.severity(Severity::Critical)
    } else {
        fault
    })
}

/// Tells whether a value names a file: `%kernel.project_dir%/config/private.pem`.
fn is_file(text: &str) -> bool {
    let ends = [".pem", ".key", ".txt", ".json", ".p12", ".jks"];
    text.contains('/') && ends.iter().any(|end| text.ends_with(end))
}

/// Tells whether each `$` of a value is one that compose takes for itself: `$$`.
fn is_escaped(text: &str) -> bool {
    text.contains("$$") && !text.replace("$$", "").contains('$')
}

fn is_strong(value: &Value) -> bool {
    matches!(value, Value::Literal(Strength::Named | Strength::Random))
}

fn fix(binding: &Binding<'_>) -> Option<Fix> {
    let name = binding.name;
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let text = binding
        .replaced(&format!("${{{name}:?set {name}}}"))
        .filter(|_| is_name)?;
    Some(Fix {
        class: FixClass::Unsafe,
        title: format!("take it from the variable `{name}`, which must be set"),
        edits: vec![Edit::replace(binding.whole.clone(), text)],
    })
}

/// Users of a proxy: `traefik.http.middlewares.x.basicauth.users=admin:$$apr1$$...`.
fn labels(service: &Service<'_>, seen: &mut Seen) -> Vec<Fault> {
    let deploy = service.node.at(&["deploy", "labels"]);
    let nodes = [service.node.get("labels"), deploy];
    let bindings = nodes.into_iter().flat_map(|node| seen.new_bindings(node));
    let users = bindings.filter(|binding| {
        binding
            .name
            .to_ascii_lowercase()
            .contains("basicauth.users")
    });
    let fault = |binding: Binding<'_>| {
        let text = binding.text()?;
        let (_, password) = text.split_once(':')?;
        if !matches!(
            values::classify(&password.replace("$$", "$")),
            Value::Hash | Value::Literal(_)
        ) {
            return None;
        }
        let (scalar, part) = binding.value.as_ref()?;
        let span = scalar.source(part.end - password.len()..part.end);
        let subject = format!("services.{}.labels.{}", service.name, binding.name);
        let message = format!(
            "a label of `{}` holds the password of a user, or its hash, which can be guessed at leisure",
            service.name
        );
        Some(
            Fault::new(&PLAINTEXT_ENV, span.clone(), subject, message)
                .secret(span)
                .severity(Severity::Medium),
        )
    };
    users.filter_map(fault).collect()
}

/// Secrets in a file that is written in place, line by line.
fn written(config: &str, content: &Scalar) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in content.text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let Some((key, range)) = assigned(line) else {
            continue;
        };
        let Some(value) = line.get(range.clone()) else {
            continue;
        };
        if !names::is_secret(key)
            || !is_strong(&values::classify(value))
            || weak::is_weak(value, [key].into_iter())
        {
            continue;
        }
        let span = content.source(start + range.start..start + range.end);
        let message = format!("the content of the config `{config}` sets `{key}` to a secret");
        found.push(
            Fault::new(
                &PLAINTEXT_ENV,
                span.clone(),
                format!("configs.{config}.{key}"),
                message,
            )
            .secret(span),
        );
    }
    found
}

/// Returns key and value of a line `key: value`, `key = "value"`, `"key": "value",`.
fn assigned(line: &str) -> Option<(&str, Range<usize>)> {
    let at = line.find([':', '='])?;
    let key = line
        .get(..at)?
        .trim()
        .trim_start_matches("- ")
        .trim_matches(['"', '\'']);
    let rest = line.get(at + 1..)?;
    let is_around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',');
    let value = rest.trim_matches(is_around);
    let start = at + 1 + (rest.len() - rest.trim_start_matches(is_around).len());
    let is_key = !key.is_empty() && !key.starts_with('#') && !key.contains(char::is_whitespace);
    is_key.then_some((key, start..start + value.len()))
}

#[cfg(test)]
mod tests {
    use super::super::super::docker::tests::{fixed, told};

    #[test]
    fn values_in_every_form() {
        tell(&[
            (
                "environment:\n      DB_PASSWORD: hunter2-Zq81\n",
                vec!["compose-plaintext-env high hunter2-Zq81"],
            ),
            (
                "environment: {DB_PASSWORD: \"hunter2-Zq81\"}\n",
                vec!["compose-plaintext-env high hunter2-Zq81"],
            ),
            (
                "environment: ['DB_PASSWORD=hunter2-Zq81']\n",
                vec!["compose-plaintext-env high hunter2-Zq81"],
            ),
            (
                "environment:\r\n      - DB_PASSWORD=hunter2-Zq81\r\n",
                vec!["compose-plaintext-env high hunter2-Zq81"],
            ),
            (
                "environment:\n      DB_PASSWORD: >-\n        hunter2-Zq81\n",
                vec!["compose-plaintext-env high hunter2-Zq81"],
            ),
            (
                "environment:\n      DATABASE_URL: postgres://app:hunter2-Zq81@db/app\n",
                vec!["compose-plaintext-env high hunter2-Zq81"],
            ),
        ]);
    }

    #[test]
    fn values_that_are_told_and_those_that_are_none() {
        tell(&[
            (
                "environment:\n      DATABASE_URL: postgres://shop:shop@db/shop\n",
                vec![],
            ),
            (
                "environment:\n      DB_PASSWORD: password\n      API_KEY: changeme\n",
                vec![],
            ),
            ("environment:\n      - DB_PASSWORD='<password>'\n", vec![]),
            (
                "environment:\n      - DB_PASSWORD=\"hunter2-Zq81\"\n",
                vec!["compose-plaintext-env high hunter2-Zq81"],
            ),
            (
                "environment:\n      - JWT_SECRET_KEY=%kernel.project_dir%/config/jwt/private.pem\n",
                vec![],
            ),
            (
                "environment:\n      DB_USER: shopper\n      DB_PASSWORD: shopperpass1\n",
                vec![],
            ),
            (
                "environment:\n      DB_PASSWORD: aB3$${x}K9wQ2mR\n      A_TOKEN: $$aB3xK9wQ2mR7t\n",
                vec![
                    "compose-plaintext-env high aB3$${x}K9wQ2mR",
                    "compose-plaintext-env high $$aB3xK9wQ2mR7t",
                ],
            ),
            (
                "environment:\n      DB_PASSWORD: $${DB_PASSWORD}\n      A_TOKEN: a-$${x}-b\n",
                vec![],
            ),
            (
                "environment:\n      ENCRYPTION_KEY: Vx7kQ2mR9tLp\n",
                vec!["compose-plaintext-env critical Vx7kQ2mR9tLp"],
            ),
        ]);
    }

    fn tell(cases: &[(&str, Vec<&str>)]) {
        for (text, want) in cases {
            let text = format!("services:\n  a:\n    image: b\n    {text}");
            assert_eq!(told("compose.yml", &text), *want, "{text}");
        }
    }

    #[test]
    fn files_for_one_machine_are_told_at_info() {
        let text = "services:\n  a:\n    image: b\n    ports: [\"127.0.0.1:80:80\"]\n    environment:\n      DB_PASSWORD: hunter2-Zq81\n";
        assert_eq!(
            told("compose.yml", text),
            ["compose-plaintext-env info hunter2-Zq81"]
        );
        let text = text.replace("127.0.0.1:", "");
        assert_eq!(
            told("compose.yml", &text),
            ["compose-plaintext-env high hunter2-Zq81"]
        );
        assert_eq!(
            told("docker-compose.dev.yml", &text),
            ["compose-plaintext-env info hunter2-Zq81"]
        );
    }

    #[test]
    fn users_of_proxies_in_labels() {
        for (text, want) in [
            (
                "labels:\n      - traefik.http.middlewares.a.basicauth.users=admin:$$apr1$$Vx7kQ2mR$$9tLp\n",
                vec!["compose-plaintext-env medium $$apr1$$Vx7kQ2mR$$9tLp"],
            ),
            (
                "labels:\n      - traefik.http.middlewares.a.basicauth.users=admin:${HASH}\n",
                vec![],
            ),
        ] {
            let text = format!("services:\n  a:\n    image: b\n    {text}");
            assert_eq!(told("compose.yml", &text), want, "{text}");
        }
    }

    #[test]
    fn what_aliases_bring_is_told_once() {
        let text = "x-e: &e\n  DB_PASSWORD: hunter2-Zq81\n  API_TOKEN: Vx7kQ2mR9tLp\nservices:\n  a:\n    environment: *e\n  b:\n    environment: *e\n  c:\n    environment:\n      <<: *e\n";
        let want = [
            "compose-plaintext-env high hunter2-Zq81",
            "compose-plaintext-env high Vx7kQ2mR9tLp",
        ];
        assert_eq!(told("compose.yml", text), want);
    }

    #[test]
    fn stacks_are_known_by_their_services() {
        let text =
            "services:\n  a:\n    image: b\n    environment:\n      DB_PASSWORD: hunter2-Zq81\n";
        assert_eq!(
            told("stack.yml", text),
            ["compose-plaintext-env high hunter2-Zq81"]
        );
    }

    #[test]
    fn the_first_version_has_no_services() {
        let text = "web:\n  image: b\n  environment:\n    - DB_PASSWORD=hunter2-Zq81\n";
        assert_eq!(
            told("docker-compose.yml", text),
            ["compose-plaintext-env high hunter2-Zq81"]
        );
    }

    #[test]
    fn the_fix_takes_a_variable_that_must_be_set() {
        for text in [
            "services:\n  a:\n    environment:\n      DB_PASSWORD: hunter2-Zq81 # x\n",
            "services:\n  a:\n    environment: {DB_PASSWORD: 'hunter2-Zq81'}\n",
            "services:\n  a:\n    environment: [DB_PASSWORD=hunter2-Zq81]\n",
            "services:\n  a:\n    environment:\n      - DB_PASSWORD='hunter2-Zq81'\n",
        ] {
            let fixed = fixed("compose.yml", text);
            assert!(
                fixed.contains("${DB_PASSWORD:?set DB_PASSWORD}") && !fixed.contains("hunter2"),
                "{fixed}"
            );
            assert!(told("compose.yml", &fixed).is_empty(), "{fixed}");
        }
    }
}

//! Secrets written out in a workflow (rule 16).

use std::collections::HashSet;

use super::{
    super::super::{
        fault::{Edit, Fault, Fix, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        names::{self, Secretness},
        node::{Entry, Node, Style},
        values::{self, Strength, Value},
    },
    CICD_6, SECURE_USE, TOOL, bind,
    model::Workflow,
    pasted,
};
use crate::model::Severity;

/// Rule 16.
pub(super) const META: LintMeta = LintMeta {
    id: "gha-plaintext-env",
    title: "A secret is written out in a workflow",
    tool: TOOL,
    severity: Severity::High,
    confidence: crate::model::Confidence::Medium,
    persona: Persona::Regular,
    sources: &[CICD_6, SECURE_USE],
    cwe: 798,
    fix: FixClass::Unsafe,
    why: "Everybody who can read the repository, its forks or its history has the secret, and nothing masks it in logs.",
    help: "Store it as a secret of the repository or of an environment, refer to it as ${{ secrets.NAME }}, and rotate the old value.",
    bad: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\nenv:\n  DB_PASSWORD: hunter2-Zq81\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./migrate\n",
        )],
        &[(
            ".github/workflows/build.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    container:\n      image: registry.example.com/build:1\n      credentials:\n        username: robot\n        password: Vx7kQ2mR9tLp\n    steps:\n      - run: make\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./migrate\n        env:\n          DB_PASSWORD: ${{ secrets.DB_PASSWORD }}\n",
        )],
        // A database that lives as long as the job, and what only sounds like a secret.
        &[(
            ".github/workflows/test.yml",
            "on: push\nenv:\n  TOKEN_URL: https://auth.example.com/token\n  PASSWORD_FILE: /run/secrets/db\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n        with:\n          persist-credentials: false\n      - run: ./login\n        env:\n          API_TOKEN: \"\"\n",
        )],
    ],
};

/// The lint of rule 16.
pub(super) struct Literal;

/// A value with all that tells what it is for.
struct Place<'d> {
    /// The job, if it is in one.
    job: &'d str,
    /// The step, service or `env`.
    at: String,
    entry: &'d Entry,
    /// Whether it is of a service beside the job.
    is_service: bool,
    /// Whether a variable beside it says that all of them are for tests: `NODE_ENV: test`.
    is_test: bool,
}

impl Lint for Literal {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let (Some(workflow), Some(root)) = (Workflow::of(document), document.trees().first())
        else {
            return;
        };
        let places = places(&workflow, root);
        // What services are started with is known to be made up, wherever else it stands.
        let services = places.iter().filter(|place| place.is_service);
        let known: HashSet<&str> = services
            .filter_map(|place| place.entry.value.text())
            .collect();
        for place in &places {
            judge(document.text, place, &known, context);
        }
        let first = context.faults.len();
        pasted::look(&workflow, &known, context);
        super::part(context.faults.get_mut(first..).unwrap_or_default());
    }
}

fn places<'d>(workflow: &Workflow<'d>, root: &'d Node) -> Vec<Place<'d>> {
    let mut places = Vec::new();
    let mut add = |job: &'d str, at: &str, node: Option<&'d Node>, is_service: bool| {
        let entries = node.map(Node::merged).unwrap_or_default();
        let is_test = entries.iter().any(|entry| says_test(entry));
        for entry in entries {
            places.push(Place {
                job,
                at: at.to_owned(),
                entry,
                is_service,
                is_test,
            });
        }
    };
    if !workflow.is_action {
        add("", "env", root.get("env"), false);
    }
    for job in &workflow.jobs {
        for key in ["env", "with", "secrets"] {
            add(job.id, key, job.node.get(key), false);
        }
        for (name, container) in &job.containers {
            add(job.id, name, container.get("env"), *name != "container");
            add(job.id, name, container.get("credentials"), false);
        }
        for step in &job.steps {
            add(job.id, &step.label, step.node.get("env"), false);
            add(job.id, &step.label, step.node.get("with"), false);
        }
    }
    places
}

fn judge(text: &str, place: &Place<'_>, known: &HashSet<&str>, context: &mut Context<'_>) {
    let entry = place.entry;
    let (Some(value), secretness) = (entry.value.scalar(), names::secretness(&entry.key)) else {
        return;
    };
    // Lists of secrets (`secrets: |`, `exclude-secrets: NAME`) are read by the action that takes them.
    let is_list = value.text.trim().contains(char::is_whitespace)
        || names::words(&entry.key)
            .last()
            .is_some_and(|word| word == "secrets");
    if secretness == Secretness::No || is_list {
        return;
    }
    // GitHub fills in `${{ }}` alone.
    let Value::Literal(strength) = values::verbatim(&value.text) else {
        return;
    };
    let password = value.text.split_once("://").and_then(|(scheme, rest)| {
        Some((scheme.len() + 3 + place_of(rest)?, values::userinfo(rest)?))
    });
    let secret = match password {
        Some((at, password)) => value.source(at..at + password.len()),
        None if secretness == Secretness::Weak => return,
        None => value.source(0..value.text.len()),
    };
    let is_made_up = place.is_service
        || known.contains(value.text.as_str())
        || password.is_some_and(|(_, password)| known.contains(password))
        || is_local(&value.text);
    let subject = [place.job, &place.at, &entry.key];
    let subject: Vec<_> = subject
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let mut fault = Fault::new(
        &META,
        secret.clone(),
        subject.join("/"),
        format!("{} is written out in the workflow", entry.key),
    )
    .secret(secret)
    .fix(mend(text, entry, value.style));
    if is_made_up {
        fault = fault.severity(Severity::Info).persona(Persona::Pedantic);
    } else if strength == Strength::Weak || place.is_test || says_that_it_is_none(&value.text) {
        fault = fault.severity(Severity::Info);
    } else if secretness == Secretness::Master {
        fault = fault.severity(Severity::Critical);
    }
    context.tell(fault);
}

/// Returns where the password begins in what follows `://`.
fn place_of(rest: &str) -> Option<usize> {
    rest.find(':').map(|at| at + 1)
}

/// Tells whether an address is one of the machine that runs the job.
fn is_local(value: &str) -> bool {
    [
        "@localhost",
        "@127.0.0.1",
        "@[::1]",
        "@0.0.0.0",
        "@host.docker.internal",
    ]
    .iter()
    .any(|host| value.contains(host))
}

/// Tells whether a variable sets the environment of a framework to tests.
fn says_test(entry: &Entry) -> bool {
    const NAMES: [&str; 9] = [
        "NODE_ENV",
        "RAILS_ENV",
        "RACK_ENV",
        "APP_ENV",
        "MIX_ENV",
        "FLASK_ENV",
        "DJANGO_ENV",
        "ASPNETCORE_ENVIRONMENT",
        "SPRING_PROFILES_ACTIVE",
    ];
    NAMES.contains(&entry.key.as_str())
        && entry.value.text().is_some_and(|value| {
            matches!(
                value.to_ascii_lowercase().as_str(),
                "test" | "tests" | "testing" | "ci" | "e2e"
            )
        })
}

/// Tells whether a value says of itself that it is none: `test-only-key`, `not-a-secret`.
pub(super) fn says_that_it_is_none(value: &str) -> bool {
    const SAYS: [&str; 22] = [
        "test",
        "tests",
        "testing",
        "dummy",
        "fake",
        "ci",
        "insecure",
        "local",
        "dev",
        "development",
        "mock",
        "unsafe",
        "not",
        "none",
        "only",
        "build",
        "secret",
        "password",
        "foo",
        "bar",
        "ignored",
        "unused",
    ];
    let words = names::words(value);
    words.iter().any(|word| SAYS.contains(&word.as_str()))
}

fn mend(text: &str, entry: &Entry, style: Style) -> Fix {
    let name = bind::identifier(&entry.key);
    let span = entry.value.span.clone();
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let reference = format!("${{{{ secrets.{name} }}}}");
    // A brace would begin a map where the line is one already.
    let reference = if style == Style::Plain && !line.contains(['{', '[']) {
        reference
    } else {
        format!("\"{reference}\"")
    };
    Fix {
        class: FixClass::Unsafe,
        title: format!("refer to secrets.{name}, which must be stored first"),
        edits: vec![Edit::replace(span, reference)],
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn severity(env: &str) -> Option<(Severity, Persona)> {
        let text = format!(
            "on: push\njobs:\n  a:\n    services:\n      db:\n        env: {{POSTGRES_PASSWORD: Qe5t-u8b}}\n    steps:\n      - run: x\n        env:\n          {env}\n"
        );
        let told = testing::workflow(&META, &text);
        let own = told
            .iter()
            .find(|fault| !fault.subject.contains("POSTGRES_PASSWORD"));
        own.map(|fault| (fault.severity, fault.persona))
    }

    #[test]
    fn by_what_the_value_is() {
        let (high, info) = (Severity::High, Severity::Info);
        for (env, expected) in [
            ("API_KEY: Vx7kQ2mR9tLp", Some((high, Persona::Regular))),
            ("API_KEY: 'Vx7kQ2mR9tLp'", Some((high, Persona::Regular))),
            ("API_KEY: $aB3${x}K9wQ2mR", Some((high, Persona::Regular))),
            ("API_KEY: ${API_KEY}", None),
            (
                "ENCRYPTION_KEY: Vx7kQ2mR9tLp",
                Some((Severity::Critical, Persona::Regular)),
            ),
            (
                "DATABASE_URL: postgres://u:Vx7kQ2mR9tLp@db.example.com/x",
                Some((high, Persona::Regular)),
            ),
            (
                "DATABASE_URL: postgres://u:Vx7kQ2mR9tLp@localhost/x",
                Some((info, Persona::Pedantic)),
            ),
            (
                "DATABASE_URL: postgres://u:Qe5t-u8b@db/x",
                Some((info, Persona::Pedantic)),
            ),
            ("PGPASSWORD: Qe5t-u8b", Some((info, Persona::Pedantic))),
            ("DB_PASSWORD: password", Some((info, Persona::Regular))),
            ("SECRET_KEY: test-only-9f3k", Some((info, Persona::Regular))),
            ("DATABASE_URL: postgres://db.example.com/x", None),
            ("API_KEY: ${{ secrets.K }}", None),
            ("API_KEY: $OTHER", None),
            ("API_KEY: changeme", None),
            ("API_KEY: true", None),
            ("API_KEY_FILE: Vx7kQ2mR9tLp", None),
            ("exclude-secrets: EXPORT_PRIVATE_KEY2", None),
        ] {
            assert_eq!(severity(env), expected, "{env}");
        }
    }

    #[test]
    fn values_of_a_test_environment_are_told_only() {
        let text = |name: &str, value: &str| {
            format!(
                "on: push\nenv:\n  {name}: {value}\n  SECRET_KEY: Vx7kQ2mR9tLp4wZs8nBd\njobs: {{a: {{steps: [{{run: make}}]}}}}\n"
            )
        };
        for (name, value, want) in [
            ("NODE_ENV", "test", Severity::Info),
            ("RAILS_ENV", "Test", Severity::Info),
            ("NODE_ENV", "production", Severity::Critical),
            ("NODE_VERSION", "test", Severity::Critical),
        ] {
            let told = testing::workflow(&META, &text(name, value));
            assert_eq!(told[0].severity, want, "{name}={value}");
        }
    }

    #[test]
    fn in_all_places_and_only_the_value() {
        let value = "Vx7kQ2mR9tLp";
        for text in [
            "env: {API_KEY: Vx7kQ2mR9tLp}\n",
            "jobs: {a: {env: {API_KEY: \"Vx7kQ2mR9tLp\"}}}\n",
            "jobs: {a: {uses: ./x.yml, secrets: {API_KEY: Vx7kQ2mR9tLp}}}\n",
            "jobs: {a: {steps: [{uses: x/y@v1, with: {api-key: Vx7kQ2mR9tLp}}]}}\n",
            "jobs: {a: {container: {image: x, env: {API_KEY: Vx7kQ2mR9tLp}}}}\n",
            "jobs: {a: {services: {b: {credentials: {password: Vx7kQ2mR9tLp}}}}}\n",
            "env:\n  REDIS_URL: redis://:Vx7kQ2mR9tLp@cache.example.com\n",
        ] {
            let told = testing::workflow(&META, text);
            assert_eq!(told.len(), 1, "{text}");
            assert_eq!(&text[told[0].secret.clone().unwrap()], value, "{text}");
            assert_eq!(told[0].severity, Severity::High, "{text}");
        }
        let action = "runs: {using: composite, steps: [{run: x, shell: bash, env: {API_KEY: Vx7kQ2mR9tLp}}]}\n";
        assert_eq!(testing::action(&META, action).len(), 1);
    }

    #[test]
    fn the_fix_refers_to_a_secret() {
        let after = testing::mended(&META, "env:\n  API_KEY: Vx7kQ2mR9tLp # x\n");
        assert_eq!(
            after.as_deref(),
            Some("env:\n  API_KEY: ${{ secrets.API_KEY }} # x\n")
        );
        let after = testing::mended(&META, "env: {API_KEY: Vx7kQ2mR9tLp}\n");
        assert_eq!(
            after.as_deref(),
            Some("env: {API_KEY: \"${{ secrets.API_KEY }}\"}\n")
        );
        let after = testing::mended(&META, "env:\n  app:api-key: Vx7kQ2mR9tLp\n");
        assert_eq!(
            after.as_deref(),
            Some("env:\n  app:api-key: ${{ secrets.APP_API_KEY }}\n")
        );
    }
}

//! Values of variables in the file: literal secrets, and the switches that print everything.

use std::ops::Range;

use super::{
    super::super::{
        fault::{Edit, Fault, Fix, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        names::{self, Secretness},
        node::{Entry, Node},
        values::{self, Strength, Value},
    },
    pipeline::value_of,
};
use crate::model::{Confidence, Severity};

pub(super) const PLAINTEXT: LintMeta = LintMeta {
    id: "gl-plaintext-variable",
    title: "A pipeline file holds the value of a secret variable",
    tool: "GitLab CI",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "GitLab documentation: CI/CD variables, CI/CD variable security",
        "OWASP Secrets Management Cheat Sheet, section 3: CI/CD",
        "CWE-798: Use of Hard-coded Credentials",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "Everybody who can read the repository reads the value, in every copy and in its history, and it is not masked in job logs.",
    help: "Define the variable in the project's or group's settings as masked and protected, or take it from a store with `secrets:`. Rotate a value that was committed.",
    bad: &[
        &[(
            ".gitlab-ci.yml",
            "variables:\n  DB_PASSWORD: hunter2-Zq81\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "deploy:\n  variables:\n    API_TOKEN:\n      value: 'hunter2-Zq81'\n      description: for the gateway\n  script: ./deploy\n",
        )],
    ],
    good: &[
        &[(
            ".gitlab-ci.yml",
            "deploy:\n  secrets:\n    DB_PASSWORD:\n      vault: production/db/password@ops\n      file: false\n  script: ./deploy\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "variables:\n  DB_PASSWORD: $STAGING_DB_PASSWORD\n  TOKEN_TTL: 5m\n  PASSWORD_FILE: /run/secrets/db\ndeploy:\n  script: ./deploy\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "test:\n  services: [postgres:16]\n  variables:\n    POSTGRES_HOST_AUTH_METHOD: trust\n    API_TOKEN: changeme\n    API_KEY: $[[ inputs.api-key ]]\n  script: make test\n",
        )],
    ],
};

const DEBUG: LintMeta = LintMeta {
    id: "gl-debug-trace",
    title: "A pipeline's debug switch is on: its log shows all variables",
    tool: "GitLab CI, GitHub Actions, Azure Pipelines",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "GitLab documentation: CI/CD variables, Enable debug logging",
        "GitHub documentation: Enabling debug logging",
        "CWE-532: Insertion of Sensitive Information into Log File",
    ],
    cwe: 532,
    fix: FixClass::Safe,
    why: "Debug logs print each command with its variables, and those that are not masked exactly stand in the log for all who can read it.",
    help: "Set the switch by hand for one run and remove it afterwards; restrict who may read debug logs.",
    bad: &[
        &[(
            ".gitlab-ci.yml",
            "variables:\n  GIT_DEPTH: 1\n  CI_DEBUG_TRACE: \"true\"\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "test:\n  variables: {CI_DEBUG_SERVICES: 'TRUE'}\n  script: make test\n",
        )],
        &[(
            "azure-pipelines.yml",
            "variables:\n- name: system.debug\n  value: true\nsteps:\n- script: make\n",
        )],
    ],
    good: &[
        &[(
            ".gitlab-ci.yml",
            "variables:\n  CI_DEBUG_TRACE: \"false\"\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "# CI_DEBUG_TRACE: \"true\" shows everything\nvariables:\n  CI_DEBUG_TRACE: $TRACE\n",
        )],
        &[(
            "azure-pipelines.yml",
            "variables:\n  system.debug: false\nsteps:\n- script: make\n",
        )],
    ],
};

/// Variables by which images of services take the password of a server that lives as long as the job.
const OF_SERVICES: [&str; 20] = [
    "POSTGRES_PASSWORD",
    "POSTGRESQL_PASSWORD",
    "PGPASSWORD",
    "MYSQL_ROOT_PASSWORD",
    "MYSQL_PASSWORD",
    "MYSQL_PWD",
    "MARIADB_ROOT_PASSWORD",
    "MARIADB_PASSWORD",
    "MONGO_INITDB_ROOT_PASSWORD",
    "RABBITMQ_DEFAULT_PASS",
    "REDIS_PASSWORD",
    "SA_PASSWORD",
    "MSSQL_SA_PASSWORD",
    "ACCEPT_EULA",
    "ELASTIC_PASSWORD",
    "MINIO_ROOT_PASSWORD",
    "MINIO_SECRET_KEY",
    "CLICKHOUSE_PASSWORD",
    "NEO4J_AUTH",
    "COUCHDB_PASSWORD",
];

/// `gl-plaintext-variable`.
pub(super) struct Plaintext;

impl Lint for Plaintext {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&PLAINTEXT]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::GitlabCi {
            return;
        }
        let mut found = Vec::new();
        let mut has_services = false;
        for tree in document.trees() {
            for entry in tree.entries() {
                has_services |= entry.key == "services" || entry.value.get("services").is_some();
                collect(entry, &entry.key, 0, &mut found);
            }
        }
        for (place, name, node) in found {
            literal(&place, name, node, has_services, context);
        }
    }
}

/// Gathers variables with their values wherever the file may set them: `variables`, `matrix`, `inputs`.
fn collect<'n>(
    entry: &'n Entry,
    place: &str,
    depth: usize,
    out: &mut Vec<(String, &'n str, &'n Node)>,
) {
    // An alias repeats what is told at its origin.
    if depth > 6 || entry.value.alias.is_some() {
        return;
    }
    let bound = match entry.key.as_str() {
        "variables" | "inputs" => Some(&entry.value),
        _ => None,
    };
    let Some(map) = bound else {
        let nested = entry.value.items().iter().flat_map(Node::entries);
        for inner in entry.value.entries().iter().chain(nested) {
            if entry.key == "matrix" {
                add(inner, place, out);
            } else {
                collect(inner, place, depth + 1, out);
            }
        }
        return;
    };
    for variable in map.entries() {
        add(variable, place, out);
    }
}

fn add<'n>(variable: &'n Entry, place: &str, out: &mut Vec<(String, &'n str, &'n Node)>) {
    let node = &variable.value;
    let value = value_of(node).or_else(|| node.get("default"));
    let items = node.items().iter();
    out.extend(
        value
            .into_iter()
            .chain(items)
            .map(|value| (place.to_owned(), variable.key.as_str(), value)),
    );
}

fn literal(place: &str, name: &str, node: &Node, has_services: bool, context: &mut Context<'_>) {
    let Some(scalar) = node.scalar().filter(|_| node.alias.is_none()) else {
        return;
    };
    let text = scalar.text.as_str();
    let secretness = names::secretness(name);
    let is_login = name == "DOCKER_AUTH_CONFIG" && text.contains("\"auth\"") && !text.contains('$');
    let Value::Literal(strength) = values::classify(text) else {
        if is_login {
            tell(
                place,
                name,
                scalar.source(0..text.len()),
                Severity::High,
                context,
            );
        }
        return;
    };
    let is_secret = match secretness {
        Secretness::No => is_login,
        Secretness::Weak => text.contains("://"),
        Secretness::Strong | Secretness::Master => true,
    };
    if !is_secret {
        return;
    }
    let severity = match strength {
        Strength::Weak => Severity::Info,
        _ if has_services && OF_SERVICES.contains(&name) => Severity::Info,
        _ if secretness == Secretness::Master => Severity::Critical,
        _ => Severity::High,
    };
    tell(place, name, scalar.source(0..text.len()), severity, context);
}

fn tell(
    place: &str,
    name: &str,
    span: Range<usize>,
    severity: Severity,
    context: &mut Context<'_>,
) {
    let (at, place) = match place {
        "variables" | "default" | "workflow" | "spec" => ("for all jobs".to_owned(), "all"),
        place => (format!("in `{place}`"), place),
    };
    let message = format!("`{name}` has its value in the file, {at}");
    let fault = Fault::new(&PLAINTEXT, span.clone(), format!("{place} {name}"), message);
    context.tell(fault.severity(severity).secret(span));
}

/// `gl-debug-trace`.
pub(super) struct DebugTrace;

impl Lint for DebugTrace {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&DEBUG]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let switches: &[&str] = match document.kind {
            FileKind::GitlabCi => &["CI_DEBUG_TRACE", "CI_DEBUG_SERVICES"],
            FileKind::GithubWorkflow => &["ACTIONS_STEP_DEBUG", "ACTIONS_RUNNER_DEBUG"],
            FileKind::AzurePipelines => &["system.debug"],
            _ => return,
        };
        for tree in document.trees() {
            switched(tree, None, document, switches, context);
        }
    }
}

fn switched(
    node: &Node,
    parent: Option<&Entry>,
    document: &Document<'_>,
    switches: &[&str],
    context: &mut Context<'_>,
) {
    // Readers bound the depth.
    if node.alias.is_some() {
        return;
    }
    let named = node
        .text_at(&["name"])
        .filter(|name| is_switch(name, switches));
    if let Some(name) = named
        && let Some(value) = node.get("value").filter(|value| is_on(value))
    {
        turned_on(name, value, context);
    }
    for entry in node.entries() {
        let is_bound =
            parent.is_some_and(|parent| matches!(parent.key.as_str(), "variables" | "env"));
        if is_bound && is_switch(&entry.key, switches) {
            if let Some(value) = value_of(&entry.value).filter(|value| is_on(value)) {
                turned_on(&entry.key, value, context);
                let is_alone = node.entries().len() == 1;
                let fix = (!is_alone)
                    .then(|| deletion(entry, document.text))
                    .flatten();
                if let (Some(fix), Some(fault)) = (fix, context.faults.last_mut()) {
                    fault.fix = Some(fix);
                }
            }
        } else {
            switched(&entry.value, Some(entry), document, switches, context);
        }
    }
    for item in node.items() {
        switched(item, None, document, switches, context);
    }
}

fn is_switch(name: &str, switches: &[&str]) -> bool {
    switches
        .iter()
        .any(|switch| name.eq_ignore_ascii_case(switch))
}

fn is_on(node: &Node) -> bool {
    node.text()
        .is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
}

fn turned_on(name: &str, value: &Node, context: &mut Context<'_>) {
    let message = format!(
        "`{name}` is on for every run of this pipeline: its log shows commands with their variables"
    );
    context.tell(Fault::new(&DEBUG, value.span.clone(), name, message));
}

/// Deletes an entry that has its lines for itself.
fn deletion(entry: &Entry, text: &str) -> Option<Fix> {
    let span = entry.span();
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let rest = text.get(span.end..)?;
    let end = rest.find('\n').map_or(text.len(), |at| span.end + at + 1);
    let is_blank = |part: &str| part.chars().all(char::is_whitespace);
    let is_alone = is_blank(text.get(start..span.start)?) && is_blank(text.get(span.end..end)?);
    is_alone.then(|| Fix {
        class: FixClass::Safe,
        title: format!("remove `{}`", entry.key),
        edits: vec![Edit::replace(start..end, "")],
    })
}

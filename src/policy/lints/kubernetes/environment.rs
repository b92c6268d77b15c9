//! Variables of containers: secrets that stand in the manifest (45), and secrets that come by environment at all (48).

use std::ops::Range;

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::Node,
    },
};

use super::{
    judge::{Place, grade, judge},
    object::{Container, Object, Subjects, containers, literal, objects},
};

/// Variables and parameters of containers and tasks.
pub(crate) struct Environment;

const PLAIN: LintMeta = LintMeta {
    id: "k8s-plaintext-env",
    title: "A secret stands in clear in the environment of a container",
    tool: "Kubernetes",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "Kubernetes documentation: Good practices for Kubernetes Secrets",
        "OWASP Secrets Management Cheat Sheet, section 5: Containers and orchestrators",
        "OWASP Non-Human Identities Top 10 2025, NHI2: Secret leakage",
    ],
    cwe: 312,
    fix: FixClass::None,
    why: "Everybody who can read the manifest, its history or the object in the cluster has the secret, and it cannot be changed without a new \
          rollout of the manifest.",
    help: "Keep the value in a Secret that an operator fills from your store (External Secrets, Sealed Secrets, SOPS) and mount it, or name it \
           by `valueFrom.secretKeyRef`. Rotate the value: it stays in the history.",
    bad: &[
        &[(
            "deploy/app.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app\nspec:\n  template:\n    spec:\n      containers:\n        \
             - name: app\n          image: registry.example.net/app:1\n          env:\n            - name: DB_PASSWORD\n              \
             value: hunter2-Zq81\n",
        )],
        &[(
            "deploy/url.json",
            "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"app\"}, \"spec\": {\"containers\": [{\"name\": \"app\", \
             \"env\": [{\"name\": \"DATABASE_URL\", \"value\": \"postgres://app:hunter2-Zq81@db/shop\"}]}]}}\n",
        )],
    ],
    good: &[
        &[(
            "deploy/app.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  containers:\n    - name: app\n      image: registry.example.net/app:1\n      \
             volumeMounts:\n        - name: secrets\n          mountPath: /run/secrets\n      env:\n        - name: DB_PASSWORD_FILE\n          \
             value: /run/secrets/db\n  volumes:\n    - name: secrets\n      secret:\n        secretName: app\n",
        )],
        &[(
            "deploy/traps.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  containers:\n    - name: app\n      env:\n        \
             - name: DB_PASSWORD\n          value: $(OTHER_PASSWORD)\n        - name: API_TOKEN\n          value: /run/secrets/token\n        \
             - name: TLS_SECRET\n          value: app-tls-cert\n        - name: DATABASE_URL\n          value: postgres://db:5432/shop\n        \
             - name: TOKEN_TTL\n          value: 3600s\n        - name: CLIENT_SECRET\n          value: \"\"\n",
        )],
        &[(
            "chart/templates/pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  containers:\n    - name: app\n      env:\n        \
             {{- if .Values.password }}\n        - name: DB_PASSWORD\n          value: {{ .Values.password | quote }}\n        {{- end }}\n        \
             - name: DATABASE_URL\n          value: postgres://app:{{ .Values.password }}@db/shop\n",
        )],
    ],
};

const BY_ENVIRONMENT: LintMeta = LintMeta {
    id: "k8s-secret-as-env",
    title: "A container gets secrets by its environment instead of a file",
    tool: "Kubernetes",
    severity: Severity::Info,
    confidence: Confidence::High,
    persona: Persona::Pedantic,
    sources: &[
        "CIS Kubernetes Benchmark 5.4.1: Prefer using secrets as files over secrets as environment variables",
        "Kubernetes documentation: Good practices for Kubernetes Secrets",
    ],
    cwe: 526,
    fix: FixClass::None,
    why: "Variables are inherited by every child process and land in crash dumps and debug pages; a changed secret reaches the process only \
          after a restart.",
    help: "Mount the Secret as a volume, or use the Secrets Store CSI driver, and let the application read the file.",
    bad: &[
        &[(
            "deploy/app.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  containers:\n    - name: app\n      env:\n        \
             - name: DB_PASSWORD\n          valueFrom:\n            secretKeyRef:\n              name: app\n              key: password\n",
        )],
        &[(
            "deploy/all.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  containers:\n    - name: app\n      envFrom:\n        \
             - secretRef:\n            name: app\n",
        )],
    ],
    good: &[
        &[(
            "deploy/app.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  containers:\n    - name: app\n      volumeMounts:\n        \
             - name: secrets\n          mountPath: /run/secrets\n  volumes:\n    - name: secrets\n      secret:\n        secretName: app\n",
        )],
        &[(
            "deploy/config.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  containers:\n    - name: app\n      env:\n        - name: NODE\n          \
             valueFrom:\n            fieldRef:\n              fieldPath: spec.nodeName\n      envFrom:\n        - configMapRef:\n            \
             name: app\n",
        )],
    ],
};

impl Lint for Environment {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&PLAIN, &BY_ENVIRONMENT]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut subjects = Subjects::default();
        for object in objects(document) {
            let place = object.place(document, context.environments);
            for container in containers(&object) {
                for variable in container.node.get("env").map_or(&[][..], Node::items) {
                    plain(
                        document,
                        context,
                        &mut subjects,
                        place,
                        &object,
                        &container.label,
                        variable,
                        "value",
                    );
                }
                by_environment(context, &mut subjects, &object, &container);
            }
            if is_pipeline(&object) {
                parameters(
                    document,
                    context,
                    &mut subjects,
                    place,
                    &object,
                    object.node,
                );
            }
        }
    }
}

/// Tells whether an object's parameters are those of tasks: Tekton and Argo Workflows.
fn is_pipeline(object: &Object<'_>) -> bool {
    object.version.starts_with("tekton.dev/")
        || object.version.starts_with("argoproj.io/") && object.kind.contains("Workflow")
}

/// Looks at every list of parameters below a node.
fn parameters(
    document: &Document<'_>,
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    place: Place,
    object: &Object<'_>,
    node: &Node,
) {
    for entry in node.entries() {
        if matches!(entry.key.as_str(), "params" | "parameters") {
            for item in entry.value.items() {
                for key in ["value", "default"] {
                    plain(
                        document,
                        context,
                        subjects,
                        place,
                        object,
                        "parameter",
                        item,
                        key,
                    );
                }
            }
        }
        parameters(document, context, subjects, place, object, &entry.value);
    }
    for item in node.items() {
        parameters(document, context, subjects, place, object, item);
    }
}

/// Tells of one variable or parameter whose value is a secret in clear.
#[expect(
    clippy::too_many_arguments,
    reason = "one item with all that its message names"
)]
fn plain(
    document: &Document<'_>,
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    place: Place,
    object: &Object<'_>,
    who: &str,
    item: &Node,
    key: &str,
) {
    let (Some(name), Some(value)) = (item.text_at(&["name"]), item.get(key)) else {
        return;
    };
    let Some(scalar) = literal(document, value) else {
        return;
    };
    let Some(judged) = judge(name, &scalar.text) else {
        return;
    };
    let Some((severity, confidence)) = grade(&judged, place) else {
        return;
    };
    let span = scalar.source(judged.part);
    let severity = if is_asked_for(document.text, item.span.start..value.span.end) {
        Severity::Info
    } else {
        severity
    };
    let label = object.label();
    context.tell(
        Fault::new(
            &PLAIN,
            span.clone(),
            subjects.of(format!("{label}: {who}: {name}")),
            format!("{who} of {label} has the value of `{name}` in clear: name a Secret instead"),
        )
        .severity(severity)
        .confidence(confidence)
        .secret(span),
    );
}

/// Tells whether a comment on the lines of a variable asks for the reader's own value: `# replace with your access key`.
fn is_asked_for(text: &str, span: Range<usize>) -> bool {
    const ASKS: [&str; 7] = [
        "replace with",
        "replace this",
        "replace me",
        "your own",
        "with your",
        "put your",
        "insert your",
    ];
    let start = text
        .get(..span.start)
        .and_then(|front| front.rfind('\n'))
        .map_or(0, |at| at + 1);
    let end = text
        .get(span.end..)
        .and_then(|rest| rest.find('\n'))
        .map_or(text.len(), |at| span.end + at);
    let lines = text.get(start..end).unwrap_or_default().lines().take(8);
    lines
        .filter_map(|line| line.split_once(" #"))
        .any(|(_, comment)| {
            let comment = comment.to_ascii_lowercase();
            ASKS.iter().any(|asks| comment.contains(asks))
        })
}

/// Tells once of a container's variables that come from Secrets, and of each whole Secret that becomes variables.
fn by_environment(
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    object: &Object<'_>,
    container: &Container<'_>,
) {
    let label = object.label();
    let variables = container.node.get("env").map_or(&[][..], Node::items);
    let mut named = variables.iter().filter_map(|item| {
        Some((
            item.text_at(&["name"])?,
            item.at(&["valueFrom"])?.entry("secretKeyRef")?,
        ))
    });
    if let Some((first, entry)) = named.next() {
        let more = named.count();
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        context.tell(Fault::new(
            &BY_ENVIRONMENT,
            entry.key_span.clone(),
            subjects.of(format!("{label}: {}", container.label)),
            format!(
                "{} of {label} gets `{first}`{more} by environment: mount the Secret as a file",
                container.label
            ),
        ));
    }
    for source in container.node.get("envFrom").map_or(&[][..], Node::items) {
        let Some(entry) = source.entry("secretRef") else {
            continue;
        };
        let name = entry
            .value
            .text_at(&["name"])
            .filter(|name| !name.contains("__"))
            .unwrap_or("a Secret");
        context.tell(
            Fault::new(
                &BY_ENVIRONMENT,
                entry.key_span.clone(),
                subjects.of(format!("{label}: {}: all of {name}", container.label)),
                format!("{} of {label} gets every key of {name} by environment: mount the keys that it needs", container.label),
            )
            .severity(Severity::Low),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::told;
    use crate::model::Severity;

    const HEAD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\nspec:\n";

    #[test]
    fn every_form_of_a_literal_is_told_with_its_bytes() {
        for (path, text) in [
            ("a.yaml", format!("{HEAD}  initContainers:\n  - name: i\n    env:\n    - name: DB_PASSWORD\n      value: \"hunter2-Zq81\"\n")),
            ("a.yaml", format!("{HEAD}  ephemeralContainers:\n  - name: i\n    env:\n    - name: DB_PASSWORD\n      value: 'hunter2-Zq81'\n")),
            ("a.yaml", format!("{HEAD}  containers:\n  - {{name: i, env: [{{name: DB_PASSWORD, value: hunter2-Zq81}}]}}\n")),
            ("a.yaml", format!("{HEAD}  containers:\n  - name: i\n    env:\n    - name: DB_PASSWORD\n      value: |-\n        hunter2-Zq81\n")),
            ("a.yaml", format!("{HEAD}  containers:\n  - name: i\n    env:\n    - name: DB_PASSWORD\n      value: hunter2-Zq81\n").replace('\n', "\r\n")),
            ("a.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: DaemonSet\n  spec: {template: {spec: {containers: [{env: [{name: DB_PASSWORD, value: hunter2-Zq81}]}]}}}\n".to_owned()),
            ("a.yaml", "apiVersion: serving.knative.dev/v1\nkind: Service\nspec: {template: {spec: {containers: [{image: x, env: [{name: DB_PASSWORD, value: hunter2-Zq81}]}]}}}\n".to_owned()),
            ("a.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates:\n  - name: t\n    script: {image: x, env: [{name: DB_PASSWORD, value: hunter2-Zq81}]}\n".to_owned()),
            ("a.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  arguments:\n    parameters:\n    - {name: db-password, value: hunter2-Zq81}\n".to_owned()),
            ("a.yaml", "apiVersion: tekton.dev/v1\nkind: Task\nspec:\n  params:\n  - {name: db-password, default: hunter2-Zq81}\n".to_owned()),
            ("a.yaml", "apiVersion: batch/v1\nkind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{env: [{name: X, value: 'http://u:hunter2-Zq81@h/'}]}]}}}}}\n".to_owned()),
            ("a.yaml", "apiVersion: v1\nkind: Pod\nx: &e\n- {name: DB_PASSWORD, value: hunter2-Zq81}\nspec: {containers: [{image: x, env: *e}]}\n".to_owned()),
            ("c/templates/a.yaml", "apiVersion: v1\nkind: Pod\n{{- if x }}\nspec: {containers: [{image: {{ .x }}, env: [{name: DB_PASSWORD, value: hunter2-Zq81}]}]}\n{{- end }}\n".to_owned()),
        ] {
            let told = told(path, &text);
            let own: Vec<_> = told.iter().filter(|one| one.id == "k8s-plaintext-env").collect();
            assert_eq!(own.len(), 1, "{text}\n{told:?}");
            assert_eq!(own[0].text, "hunter2-Zq81", "{text}");
        }
    }

    #[test]
    fn values_that_a_comment_asks_to_replace_are_told_only() {
        let severity = |comment: &str| {
            let text = format!(
                "{HEAD}  containers:\n  - name: a\n    env:\n    - name: AGENT_ACCESS_KEY {comment}\n      value: 83x2341g-5678-abcd-4a2b2c\n"
            );
            told("a.yaml", &text)[0].severity
        };
        assert_eq!(
            severity("# REQUIRED - replace with your agent's key"),
            Severity::Info
        );
        assert_eq!(severity("# rotated in May"), Severity::High);
    }

    #[test]
    fn two_variables_have_two_subjects_and_weak_values_none() {
        let text = format!(
            "{HEAD}  containers:\n  - name: a\n    env:\n    - {{name: A_TOKEN, value: hunter2-Zq81}}\n    - {{name: B_TOKEN, value: hunter2-Zq82}}\n    \
             - {{name: C_TOKEN, value: password}}\n"
        );
        let told = told("a.yaml", &text);
        let subjects: Vec<_> = told.iter().map(|one| one.subject.as_str()).collect();
        assert_eq!(
            subjects,
            [
                "Pod/app: container a: A_TOKEN",
                "Pod/app: container a: B_TOKEN"
            ]
        );
    }
}

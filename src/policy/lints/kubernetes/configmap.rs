//! Secrets in objects of kind `ConfigMap`: as an entry, or among the settings of a file that is an entry (47).

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::{Node, Scalar},
    },
};

use super::{
    judge::{Place, grade, judge, place},
    nested::{self, Setting},
    object::{Subjects, is_filled_around, objects},
};

/// Entries of a `ConfigMap`.
pub(crate) struct ConfigMap;

const META: LintMeta = LintMeta {
    id: "k8s-configmap-secret",
    title: "A ConfigMap holds a secret",
    tool: "Kubernetes",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "Kubernetes documentation: ConfigMaps, not for confidential data",
        "OWASP Secrets Management Cheat Sheet, section 5: Containers and orchestrators",
    ],
    cwe: 312,
    fix: FixClass::None,
    why: "ConfigMaps are readable by far more people and controllers than Secrets, are never encrypted at rest, and this one is in the \
          repository too.",
    help: "Move the value to a Secret that an operator fills from your store and refer to it from the settings; rotate the value.",
    bad: &[
        &[(
            "deploy/config.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  db_host: db\n  db_password: hunter2-Zq81\n",
        )],
        &[(
            "deploy/file.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  app.json: |\n    {\n      \"db\": {\"password\": \"hunter2-Zq81\"}\n    }\n",
        )],
    ],
    good: &[
        &[(
            "deploy/config.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  db_host: db\n  db_password_file: /run/secrets/db\n  \
             app.yaml: |\n    db:\n      password: ${DB_PASSWORD}\n      tokenTtl: 3600\n",
        )],
        &[(
            "deploy/dashboard.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: dashboard\ndata:\n  tokens.json: |\n    {\"panels\": [{\"title\": \"Tokens\"}], \
             \"token\": \"hunter2-Zq81\"}\n  policy.csv: |\n    p, role:ci, tokens, get, */*, allow\n  passthrough: \"on\"\n",
        )],
    ],
};

impl Lint for ConfigMap {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut subjects = Subjects::default();
        for object in objects(document) {
            let place = object.place(document, context.environments);
            if object.kind != "ConfigMap" || object.node.get("sops").is_some() {
                continue;
            }
            let label = object.label();
            for entry in object.node.get("data").map_or(&[][..], Node::entries) {
                for setting in settings(&entry.key, &entry.value) {
                    tell(document, context, &mut subjects, place, &label, setting);
                }
            }
        }
        if document.kind == FileKind::Kustomization {
            let place = place(context.environments, document.path);
            let trees = document.trees().iter();
            let generators = trees.filter_map(|tree| tree.get("configMapGenerator"));
            for generator in generators.flat_map(Node::items) {
                let name = generator.text_at(&["name"]).unwrap_or_default();
                let label = format!("the generated ConfigMap {name}");
                for setting in literals(generator) {
                    tell(document, context, &mut subjects, place, &label, setting);
                }
            }
        }
    }
}

/// Tells of one secret in a `ConfigMap`.
fn tell(
    document: &Document<'_>,
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    place: Place,
    label: &str,
    setting: Setting,
) {
    let Some((severity, confidence)) = grade(&setting.judged, place) else {
        return;
    };
    if is_filled_around(document, &setting.span) {
        return;
    }
    context.tell(
        Fault::new(
            &META,
            setting.span.clone(),
            subjects.of(format!("{label}: {}", setting.path)),
            format!("{label} holds the value of `{}` in clear", setting.path),
        )
        .severity(severity)
        .confidence(confidence)
        .secret(setting.span),
    );
}

/// Returns what is secret among the literals of a generator of Kustomize.
fn literals(generator: &Node) -> Vec<Setting> {
    let items = generator.get("literals").map_or(&[][..], Node::items);
    let setting = |scalar: &Scalar| {
        let (key, value) = scalar.text.split_once('=')?;
        let judged = judge(key, value)?;
        let start = key.len() + 1;
        let part = start + judged.part.start..start + judged.part.end;
        Some(Setting {
            path: key.to_owned(),
            span: scalar.source(part),
            judged,
        })
    };
    items
        .iter()
        .filter_map(Node::scalar)
        .filter_map(setting)
        .collect()
}

/// Returns what is secret in one entry, with the bytes of the file.
fn settings(key: &str, value: &Node) -> Vec<Setting> {
    let Some(scalar) = value.scalar() else {
        return Vec::new();
    };
    if nested::is_file(key) {
        let found = nested::settings(key, &scalar.text).into_iter();
        let placed = found.map(|setting| Setting {
            path: format!("{key}: {}", setting.path),
            span: scalar.source(setting.span),
            judged: setting.judged,
        });
        return placed.collect();
    }
    let is_line = !scalar.text.trim().contains('\n');
    let judged = is_line.then(|| judge(key, &scalar.text)).flatten();
    let setting = judged.map(|judged| Setting {
        path: key.to_owned(),
        span: scalar.source(judged.part.clone()),
        judged,
    });
    setting.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::texts;

    const HEAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata:\n";

    #[test]
    fn settings_of_files_are_told_with_their_bytes() {
        for data in [
            "  app.properties: |\n    db.host=db\n    db.password=hunter2-Zq81\n",
            "  app.properties: \"db.host=db\\ndb.password=hunter2-Zq81\\n\"\n",
            "  app.env: |-\n    A=1\n    DB_PASSWORD=hunter2-Zq81\n",
            "  app.ini: |\n    [db]\n    password = hunter2-Zq81\n",
            "  app.yaml: |\n    db:\n      password: \"hunter2-Zq81\"\n",
            "  app.json: '{\"db\": {\"password\": \"hunter2-Zq81\"}}'\n",
            "  app.toml: |\n    [db]\n    password = 'hunter2-Zq81'\n",
            "  DB_PASSWORD: >-\n    hunter2-Zq81\n",
            "  DATABASE_URL: postgres://app:hunter2-Zq81@db/shop\n",
        ] {
            for text in [
                format!("{HEAD}{data}"),
                format!("{HEAD}{data}").replace('\n', "\r\n"),
            ] {
                assert_eq!(
                    texts("k8s-configmap-secret", "a.yaml", &text),
                    ["hunter2-Zq81"],
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn literals_of_generators_are_told() {
        let text = "configMapGenerator:\n- name: app\n  literals: [host=db, 'password=hunter2-Zq81', token=$TOKEN]\n";
        assert_eq!(
            texts("k8s-configmap-secret", "kustomization.yaml", text),
            ["hunter2-Zq81"]
        );
    }

    #[test]
    fn what_a_template_fills_in_is_no_literal() {
        let text = format!(
            "{HEAD}  app.properties: |\n    {{{{- if .x }}}}\n    db.password={{{{ .Values.password }}}}-Zq81xx\n    {{{{- end }}}}\n"
        );
        assert!(texts("k8s-configmap-secret", "chart/templates/a.yaml", &text).is_empty());
        let text = format!(
            "{HEAD}  app.properties: |\n    {{{{- if .x }}}}\n    db.password=hunter2-Zq81\n    {{{{- end }}}}\n"
        );
        assert_eq!(
            texts("k8s-configmap-secret", "chart/templates/a.yaml", &text),
            ["hunter2-Zq81"]
        );
    }
}

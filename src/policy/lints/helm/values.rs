//! Secrets in the values of charts, wherever these are set, and in the defaults of templates (54).

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::Node,
        values::{Strength, Value, classify},
    },
};

use super::{
    super::kubernetes::{
        judge::{Judged, Place, at, grade, judge, place},
        nested,
        object::{Object, Subjects, is_filled_around, objects},
    },
    template,
};

/// Values of charts.
pub(crate) struct Values;

const META: LintMeta = LintMeta {
    id: "helm-values-plaintext-secret",
    title: "The values or a template of a chart hold a secret",
    tool: "Helm",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 5: Containers and orchestrators",
        "OWASP Non-Human Identities Top 10 2025, NHI2: Secret leakage",
        "Helm documentation: required and fail in templates",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "Values are committed, printed by `helm get values`, and kept with every release in the cluster; a default of a template is the \
          password of everybody who sets none.",
    help: "Name a Secret (`existingSecret`) that an operator fills, encrypt the file with helm-secrets, and use `required` in place of a \
           default. Rotate the value.",
    bad: &[
        &[(
            "chart/values-prod.yaml",
            "postgresql:\n  auth:\n    username: app\n    password: hunter2-Zq81\n",
        )],
        &[(
            "chart/templates/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\nstringData:\n  password: {{ .Values.auth.password | default \"changeme\" | quote }}\n",
        )],
        &[(
            "deploy/release.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: app\nspec:\n  values:\n    auth:\n      \
             password: hunter2-Zq81\n",
        )],
    ],
    good: &[
        &[(
            "chart/values-prod.yaml",
            "postgresql:\n  auth:\n    username: app\n    password: \"\"\n    existingSecret: app-db\n    existingSecretPasswordKey: db-password\n    \
             secretKeys:\n      adminPasswordKey: admin-password\n",
        )],
        &[(
            "chart/ci/password-values.yaml",
            "auth:\n  password: hunter2-Zq81\n",
        )],
        &[(
            "chart/templates/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\nstringData:\n  password: {{ required \"auth.password\" .Values.auth.password | quote }}\n  \
             token: {{ .Values.auth.token | default \"\" | quote }}\n  key: {{ .Values.auth.existingSecretPasswordKey | default \"db-password\" }}\n",
        )],
        &[(
            "deploy/app.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: app\nspec:\n  source:\n    helm:\n      parameters:\n        \
             - name: auth.existingSecret\n          value: app-db\n      values: |\n        auth:\n          password: <path:secret/data/app#password>\n",
        )],
    ],
};

impl Lint for Values {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut teller = Teller {
            document,
            place: place(context.environments, document.path),
            subjects: Subjects::default(),
        };
        match document.kind {
            FileKind::HelmValues if !is_of_tests(document.path) => {
                for tree in document.trees() {
                    teller.tree(context, "", tree);
                }
            }
            FileKind::HelmTemplate => teller.defaults(context),
            FileKind::Kustomization => {
                for chart in document
                    .trees()
                    .iter()
                    .filter_map(|tree| tree.get("helmCharts"))
                    .flat_map(Node::items)
                {
                    if let Some(values) = chart.get("valuesInline") {
                        teller.tree(context, "valuesInline", values);
                    }
                }
            }
            FileKind::Yaml if is_helmfile(document.path) => {
                for tree in document.trees() {
                    teller.below(context, tree, &["values", "set"]);
                }
            }
            _ => {}
        }
        for object in objects(document) {
            teller.place = object.place(document, context.environments);
            teller.object(context, &object);
        }
    }
}

/// Tells whether a file of values is one that a chart's own tests use.
fn is_of_tests(path: &str) -> bool {
    path.rsplit('/').nth(1) == Some("ci")
}

fn is_helmfile(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    parts
        .next()
        .is_some_and(|name| name.starts_with("helmfile"))
        || parts.next() == Some("helmfile.d")
}

/// Tells faults of one file.
struct Teller<'d> {
    document: &'d Document<'d>,
    place: Place,
    subjects: Subjects,
}

impl Teller<'_> {
    /// Looks at objects that set the values of a chart: those of Flux, Argo CD, and the controller of k3s.
    fn object(&mut self, context: &mut Context<'_>, object: &Object<'_>) {
        let group = object.version.split('/').next().unwrap_or_default();
        match (group, object.kind) {
            ("helm.toolkit.fluxcd.io", "HelmRelease") => {
                if let Some(values) = object.node.at(&["spec", "values"]) {
                    self.tree(context, "values", values);
                }
            }
            ("argoproj.io", "Application" | "ApplicationSet") => self.argo(context, object.node),
            ("helm.cattle.io", "HelmChart" | "HelmChartConfig") => {
                if let Some(text) = object.node.at(&["spec", "valuesContent"]) {
                    self.text(context, "valuesContent", text);
                }
                if let Some(set) = object.node.at(&["spec", "set"]) {
                    self.tree(context, "set", set);
                }
            }
            _ => {}
        }
    }

    /// Looks at every `helm` below a node of Argo CD.
    fn argo(&mut self, context: &mut Context<'_>, node: &Node) {
        for entry in node.entries() {
            if entry.key == "helm" {
                for key in ["values", "valuesObject", "parameters"] {
                    match entry.value.get(key) {
                        Some(values) if values.scalar().is_some() => {
                            self.text(context, key, values)
                        }
                        Some(values) => self.tree(context, key, values),
                        None => {}
                    }
                }
            } else {
                self.argo(context, &entry.value);
            }
        }
        for item in node.items() {
            self.argo(context, item);
        }
    }

    /// Looks at what stands below some keys, wherever they are.
    fn below(&mut self, context: &mut Context<'_>, node: &Node, keys: &[&str]) {
        for entry in node.entries() {
            if keys.contains(&entry.key.as_str()) {
                self.tree(context, &entry.key, &entry.value);
            } else {
                self.below(context, &entry.value, keys);
            }
        }
        for item in node.items() {
            self.below(context, item, keys);
        }
    }

    /// Looks at values that are a tree.
    fn tree(&mut self, context: &mut Context<'_>, root: &str, tree: &Node) {
        if tree.get("sops").is_some() {
            return;
        }
        nested::bindings(tree, &mut |path, name, node| {
            let Some(scalar) = node.scalar() else { return };
            let path = || {
                let root = (!root.is_empty()).then_some(root);
                root.into_iter()
                    .chain(path.iter().copied())
                    .collect::<Vec<_>>()
                    .join(".")
            };
            if nested::is_file(name) && scalar.text.contains('\n') {
                for setting in nested::settings(name, &scalar.text) {
                    self.tell(
                        context,
                        format!("{}: {}", path(), setting.path),
                        scalar.source(setting.span),
                        &setting.judged,
                    );
                }
            } else if let Some(judged) = judge(name, &scalar.text) {
                self.tell(context, path(), scalar.source(judged.part.clone()), &judged);
            } else if node.alias.is_none() && nested::is_block(&scalar.text) {
                for setting in nested::settings("values.yaml", &scalar.text) {
                    self.tell(
                        context,
                        format!("{}: {}", path(), setting.path),
                        scalar.source(setting.span),
                        &setting.judged,
                    );
                }
            }
        });
    }

    /// Looks at values that are YAML in a text.
    fn text(&mut self, context: &mut Context<'_>, root: &str, node: &Node) {
        let Some(scalar) = node.scalar() else { return };
        for setting in nested::settings("values.yaml", &scalar.text) {
            self.tell(
                context,
                format!("{root}.{}", setting.path),
                scalar.source(setting.span),
                &setting.judged,
            );
        }
    }

    fn tell(
        &mut self,
        context: &mut Context<'_>,
        path: String,
        span: std::ops::Range<usize>,
        judged: &Judged,
    ) {
        let Some((severity, confidence)) = grade(judged, self.place) else {
            return;
        };
        if is_filled_around(self.document, &span) {
            return;
        }
        let message =
            format!("`{path}` is set in clear: name a Secret that exists, or encrypt the file");
        let fault = Fault::new(&META, span.clone(), self.subjects.of(path), message);
        context.tell(fault.severity(severity).confidence(confidence).secret(span));
    }

    /// Looks at the defaults in a template's actions.
    fn defaults(&mut self, context: &mut Context<'_>) {
        let text = self.document.text;
        for action in template::actions(text) {
            for default in template::defaults(text, &action) {
                let value = text.get(default.span.clone()).unwrap_or_default();
                let Some((severity, confidence)) = fallback(default.name, value) else {
                    continue;
                };
                let message = format!(
                    "a template falls back to a password in clear for `{}`: use `required`",
                    default.path
                );
                let subject = self.subjects.of(format!("default of {}", default.path));
                let fault = Fault::new(&META, default.span.clone(), subject, message)
                    .severity(at(severity, self.place));
                context.tell(fault.confidence(confidence).secret(default.span));
            }
        }
    }
}

/// Says how bad a default is: one that everybody knows is in use wherever nobody set another.
fn fallback(name: &str, value: &str) -> Option<(Severity, Confidence)> {
    if let Some(judged) = judge(name, value) {
        return Some(match judged.strength {
            Strength::Weak => (Severity::Medium, Confidence::High),
            _ if judged.is_wordy => (Severity::Medium, Confidence::Medium),
            _ => (Severity::High, Confidence::High),
        });
    }
    let is_word = value.len() >= 6
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    // `changeme` asks to be replaced, and works until it is.
    let is_secret = crate::policy::names::is_secret(name) && judge(name, "hunter2-Zq81").is_some();
    (is_secret
        && is_word
        && classify(value) == Value::Placeholder
        && value.to_ascii_lowercase().starts_with("change"))
    .then_some((Severity::Medium, Confidence::High))
}

#[cfg(test)]
mod tests {
    use super::super::super::kubernetes::testing::{texts, told};
    use crate::model::Severity;

    const ID: &str = "helm-values-plaintext-secret";

    #[test]
    fn every_place_of_values() {
        for (path, text) in [
            ("values.yaml", "auth: {password: hunter2-Zq81}\n"),
            (
                "values.prod.yaml",
                "extraEnv:\n- name: DB_PASSWORD\n  value: 'hunter2-Zq81'\n",
            ),
            (
                "values.yaml",
                "config:\n  app.properties: |\n    db.password=hunter2-Zq81\n    x=y\n",
            ),
            (
                "values.yaml",
                "alertmanager:\n  config: |\n    smtp:\n      host: mail.acme.net\n      password: hunter2-Zq81\n",
            ),
            (
                "a.yaml",
                "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {source: {helm: {values: \"auth:\\n  password: hunter2-Zq81\\n\"}}}\n",
            ),
            (
                "a.yaml",
                "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {sources: [{helm: {valuesObject: {auth: {password: hunter2-Zq81}}}}]}\n",
            ),
            (
                "a.yaml",
                "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nspec: {template: {spec: {source: {helm: {parameters: [{name: auth.password, value: hunter2-Zq81}]}}}}}\n",
            ),
            (
                "a.yaml",
                "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nspec:\n  valuesContent: |-\n    auth:\n      password: hunter2-Zq81\n",
            ),
            (
                "helmfile.yaml",
                "releases:\n- name: db\n  values:\n  - auth: {password: hunter2-Zq81}\n",
            ),
            (
                "helmfile.d/db.yaml",
                "releases:\n- name: db\n  set:\n  - name: auth.password\n    value: hunter2-Zq81\n",
            ),
            (
                "kustomization.yaml",
                "helmCharts:\n- name: db\n  valuesInline: {auth: {password: hunter2-Zq81}}\n",
            ),
            (
                "c/templates/a.yaml",
                "a: {{ default \"hunter2-Zq81\" .Values.auth.password }}\n",
            ),
            (
                "c/templates/a.yaml",
                "{{ if }}\n a: [\n{{- .Values.auth.password | default \"hunter2-Zq81\" }}\n",
            ),
        ] {
            assert_eq!(texts(ID, path, text), ["hunter2-Zq81"], "{path}\n{text}");
        }
    }

    #[test]
    fn the_environment_of_the_file_counts() {
        let text = "auth: {password: hunter2-Zq81}\n";
        for (path, want) in [
            ("values.yaml", Severity::High),
            ("values-dev.yaml", Severity::Medium),
            ("examples/values.yaml", Severity::Info),
        ] {
            assert_eq!(told(path, text)[0].severity, want, "{path}");
        }
    }
}

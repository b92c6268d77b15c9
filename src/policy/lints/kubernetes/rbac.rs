//! Roles that may read every Secret (51).

use std::collections::HashSet;

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        names,
        node::Node,
    },
};

use super::{
    judge::Place,
    object::{Object, Subjects, objects},
};

/// Rules of roles.
pub(crate) struct Rbac;

const META: LintMeta = LintMeta {
    id: "k8s-rbac-secrets-broad",
    title: "A role may read all Secrets",
    tool: "Kubernetes",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Kubernetes documentation: RBAC good practices, Listing secrets",
        "OWASP Non-Human Identities Top 10 2025, NHI5: Overprivileged NHI",
    ],
    cwe: 732,
    fix: FixClass::None,
    why: "Who may get, list or watch Secrets without names has all of them: tokens of other service accounts, registry and database passwords.",
    help: "Name the Secrets in `resourceNames` and allow `get` alone, or mount them and drop the right.",
    bad: &[
        &[(
            "deploy/role.yaml",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: app\nrules:\n  - apiGroups: [\"\"]\n    \
             resources: [configmaps, secrets]\n    verbs: [get, list]\n",
        )],
        &[(
            "deploy/all.yaml",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: app\nrules:\n  - apiGroups: [\"*\"]\n    \
             resources: [\"*\"]\n    verbs: [\"*\"]\n",
        )],
    ],
    good: &[
        &[(
            "deploy/role.yaml",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: app\nrules:\n  - apiGroups: [\"\"]\n    \
             resources: [secrets]\n    resourceNames: [app]\n    verbs: [get]\n  - apiGroups: [apps]\n    resources: [\"*\"]\n    verbs: [\"*\"]\n  \
             - apiGroups: [\"\"]\n    resources: [secrets]\n    verbs: [create]\n",
        )],
        &[(
            "deploy/operator.yaml",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: external-secrets-controller\nrules:\n  \
             - apiGroups: [\"\"]\n    resources: [secrets]\n    verbs: [get, list, watch, create, update, delete]\n",
        )],
    ],
};

impl Lint for Rbac {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let objects = objects(document);
        let bound: HashSet<_> = objects.iter().filter_map(bound_to_default).collect();
        let mut subjects = Subjects::default();
        for object in objects
            .iter()
            .filter(|object| matches!(object.kind, "Role" | "ClusterRole"))
        {
            if is_known(object.name()) || is_known(document.path) {
                continue;
            }
            for rule in object.node.get("rules").map_or(&[][..], Node::items) {
                let Some((resource, verbs)) = broad(rule) else {
                    continue;
                };
                let label = object.label();
                let fault = Fault::new(
                    &META,
                    resource.span.clone(),
                    subjects.of(format!("{label}: {verbs}")),
                    format!(
                        "{label} may {verbs} every Secret: name those that it needs in `resourceNames`"
                    ),
                );
                let is_bound = bound.contains(object.name());
                let fault = fault.severity(severity(
                    object,
                    is_bound,
                    object.place(document, context.environments),
                ));
                // Controllers mostly need it: worth a look, no fault.
                let is_controller = is_controller(object.name()) || is_controller(document.path);
                context.tell(if is_controller {
                    fault.persona(Persona::Pedantic)
                } else {
                    fault
                });
            }
        }
    }
}

/// Says how bad it is: the rights of a namespace are less than those of the cluster, and each pod has those of the default account.
fn severity(object: &Object<'_>, is_bound_to_default: bool, place: Place) -> Severity {
    let severity = match (object.kind, is_bound_to_default) {
        ("ClusterRole", true) => Severity::High,
        ("ClusterRole", false) | (_, true) => Severity::Medium,
        _ => Severity::Low,
    };
    super::judge::at(severity, place)
}

/// Returns where a rule names Secrets, and which of the reading verbs it allows without names.
fn broad(rule: &Node) -> Option<(&Node, String)> {
    let list = |key: &str| rule.get(key).map_or(&[][..], Node::items);
    let holds = |key: &str, text: &str| list(key).iter().any(|item| item.text() == Some(text));
    let is_core = holds("apiGroups", "") || holds("apiGroups", "*");
    let is_named = !list("resourceNames").is_empty();
    let resource = list("resources")
        .iter()
        .find(|item| matches!(item.text(), Some("secrets" | "*")))?;
    let verbs = list("verbs").iter().filter_map(Node::text);
    let read: Vec<_> = verbs
        .filter(|verb| matches!(*verb, "get" | "list" | "watch" | "*"))
        .collect();
    let verbs = if read.contains(&"*") {
        "do everything with".to_owned()
    } else {
        read.join(", ")
    };
    (is_core && !is_named && !read.is_empty()).then_some((resource, verbs))
}

/// Returns the role that a binding gives to the default account of a namespace.
fn bound_to_default<'n>(binding: &Object<'n>) -> Option<&'n str> {
    let is_default = |subject: &Node| {
        subject.text_at(&["name"]) == Some("default")
            && subject.text_at(&["kind"]) == Some("ServiceAccount")
    };
    let subjects = binding.node.get("subjects").map_or(&[][..], Node::items);
    let is_binding = binding.kind.ends_with("RoleBinding") && subjects.iter().any(is_default);
    binding
        .node
        .text_at(&["roleRef", "name"])
        .filter(|_| is_binding)
}

/// Tells whether a name is that of a program whose work is Secrets.
fn is_known(name: &str) -> bool {
    const KNOWN: [&str; 17] = [
        "external-secrets",
        "externalsecret",
        "cert-manager",
        "sealed-secrets",
        "secrets-store-csi",
        "vault",
        "velero",
        "reflector",
        "kubed",
        "replicator",
        "kubernetes-replicator",
        "secret-generator",
        "argocd",
        "argo-cd",
        "flux",
        "rancher",
        "cluster-admin",
    ];
    let lower = name.to_ascii_lowercase();
    KNOWN.iter().any(|known| lower.contains(known))
}

/// Tells whether a name is that of a controller.
fn is_controller(name: &str) -> bool {
    const WORDS: [&str; 24] = [
        "operator",
        "controller",
        "manager",
        "ingress",
        "traefik",
        "gateway",
        "provisioner",
        "csi",
        "apiserver",
        "metrics",
        "contour",
        "gitops",
        "dex",
        "prometheus",
        "istio",
        "istiod",
        "linkerd",
        "kong",
        "knative",
        "tekton",
        "crossplane",
        "kyverno",
        "gatekeeper",
        "kubeflow",
    ];
    names::words(name)
        .iter()
        .any(|word| WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::told;
    use crate::model::Severity;

    fn role(kind: &str, rule: &str) -> String {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: app}}\nrules: [{rule}]\n"
        )
    }

    #[test]
    fn rules_by_group_resource_and_verb() {
        for (rule, want) in [
            (
                "{apiGroups: [''], resources: ['secrets'], verbs: [watch]}",
                1,
            ),
            ("{apiGroups: ['*'], resources: ['*'], verbs: [get]}", 1),
            ("{apiGroups: [apps], resources: ['*'], verbs: ['*']}", 0),
            (
                "{apiGroups: [''], resources: [secrets], verbs: [create, update]}",
                0,
            ),
            (
                "{apiGroups: [''], resources: [secrets], resourceNames: [a], verbs: [get]}",
                0,
            ),
            ("{apiGroups: [''], resources: [pods], verbs: ['*']}", 0),
        ] {
            assert_eq!(
                told("a.yaml", &role("ClusterRole", rule)).len(),
                want,
                "{rule}"
            );
        }
    }

    #[test]
    fn the_default_account_makes_it_worse() {
        let rule = "{apiGroups: [''], resources: [secrets], verbs: [get]}";
        assert_eq!(
            told("a.yaml", &role("Role", rule))[0].severity,
            Severity::Low
        );
        let binding = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\nroleRef: {kind: Role, name: app}\n\
                       subjects: [{kind: ServiceAccount, name: default}]\n";
        assert_eq!(
            told("a.yaml", &(role("Role", rule) + binding))[0].severity,
            Severity::Medium
        );
    }
}

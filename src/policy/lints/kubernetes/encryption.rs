//! Clusters that keep Secrets in etcd in clear, and keys of that encryption beside the data (52).

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::Node,
        values::{Value, classify},
    },
};

use super::{
    judge::{Place, at},
    object::{Object, Subjects, containers, literal, objects},
};

/// Encryption of Secrets at rest.
pub(crate) struct Encryption;

const META: LintMeta = LintMeta {
    id: "k8s-etcd-unencrypted",
    title: "Secrets are stored in etcd in clear",
    tool: "Kubernetes",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Kubernetes documentation: Encrypting Confidential Data at Rest",
        "CIS Kubernetes Benchmark 1.2.27 and 1.2.28: encryption providers are configured",
        "OWASP Secrets Management Cheat Sheet, section 5.3",
    ],
    cwe: 311,
    fix: FixClass::None,
    why: "Whoever reads etcd, its disk or a backup of it has every Secret. Managed control planes encrypt their disks; backups and access to \
          etcd itself remain.",
    help: "Configure a provider for `secrets` with `kms` v2 (or `secretbox`) first and `identity` last, and keep its key outside of the \
           repository.",
    bad: &[
        &[(
            "cluster/encryption.yaml",
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      \
             - identity: {}\n      - kms:\n          apiVersion: v2\n          name: kms\n",
        )],
        &[(
            "cluster/kubeadm.yaml",
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n    - name: audit-log-path\n      \
             value: /var/log/audit.log\n",
        )],
    ],
    good: &[
        &[(
            "cluster/encryption.yaml",
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      \
             - kms:\n          apiVersion: v2\n          name: kms\n      - identity: {}\n  - resources: [configmaps]\n    providers:\n      \
             - identity: {}\n",
        )],
        &[(
            "cluster/kubeadm.yaml",
            "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n    \
             encryption-provider-config: /etc/kubernetes/encryption.yaml\n",
        )],
        &[(
            "cluster/key.yaml",
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      \
             - secretbox:\n          keys:\n            - name: key1\n              secret: ${ENCRYPTION_KEY}\n",
        )],
    ],
};

impl Lint for Encryption {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut subjects = Subjects::default();
        for object in objects(document) {
            let place = object.place(document, context.environments);
            match object.kind {
                "EncryptionConfiguration" | "EncryptionConfig" => {
                    configuration(document, context, &mut subjects, place, &object);
                }
                "ClusterConfiguration" if object.version.starts_with("kubeadm.k8s.io/") => {
                    kubeadm(context, &mut subjects, place, &object);
                }
                "Cluster" if object.version.starts_with("kops.k8s.io/") => {
                    kops(context, &mut subjects, place, &object)
                }
                "Pod" => api_server(context, &mut subjects, place, &object),
                _ => {}
            }
        }
    }
}

/// Looks at the order of providers and at keys that stand there themselves.
fn configuration(
    document: &Document<'_>,
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    place: Place,
    object: &Object<'_>,
) {
    for group in object.node.get("resources").map_or(&[][..], Node::items) {
        let resources = group.get("resources").map_or(&[][..], Node::items);
        let is_about_secrets = resources
            .iter()
            .any(|item| matches!(item.text(), Some("secrets" | "*." | "*.*")));
        let providers = group.get("providers").map_or(&[][..], Node::items);
        if let Some(identity) = providers
            .first()
            .and_then(|first| first.entry("identity"))
            .filter(|_| is_about_secrets)
        {
            let message = "`identity` comes first of the providers for secrets: they are written to etcd in clear";
            let fault = Fault::new(
                &META,
                identity.key_span.clone(),
                subjects.of("identity".to_owned()),
                message,
            );
            context.tell(fault.severity(at(Severity::Medium, place)));
        }
        for provider in providers.iter().flat_map(Node::entries) {
            for key in provider.value.get("keys").map_or(&[][..], Node::items) {
                let Some(secret) = key.get("secret") else {
                    continue;
                };
                let Some(strength) =
                    literal(document, secret).and_then(|scalar| key_strength(&scalar.text))
                else {
                    continue;
                };
                let name = key.text_at(&["name"]).unwrap_or_default();
                let message = format!(
                    "key {name} of {} is in the file: whoever has both has every Secret",
                    provider.key
                );
                let fault = Fault::new(
                    &META,
                    secret.span.clone(),
                    subjects.of(format!("{} key {name}", provider.key)),
                    message,
                );
                context.tell(
                    fault
                        .severity(at(strength, place))
                        .secret(secret.span.clone()),
                );
            }
        }
    }
}

/// Says how bad it is that a key stands in the file: a text of words is a sample of some manual.
fn key_strength(value: &str) -> Option<Severity> {
    if !matches!(classify(value), Value::Literal(_)) {
        return None;
    }
    let bytes = STANDARD
        .decode(value.trim())
        .ok()
        .filter(|bytes| matches!(bytes.len(), 16 | 24 | 32))?;
    let is_text = bytes
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'_'));
    Some(if is_text {
        Severity::Medium
    } else {
        Severity::Critical
    })
}

fn kubeadm(context: &mut Context<'_>, subjects: &mut Subjects, place: Place, object: &Object<'_>) {
    // Without settings of the server the file says nothing of it.
    let Some(entry) = object
        .node
        .at(&["apiServer"])
        .and_then(|server| server.entry("extraArgs"))
    else {
        return;
    };
    const FLAG: &str = "encryption-provider-config";
    let is_listed = entry
        .value
        .items()
        .iter()
        .any(|item| item.text_at(&["name"]) == Some(FLAG));
    if entry.value.get(FLAG).is_none() && !is_listed {
        let message = "kubeadm starts kube-apiserver without `encryption-provider-config`: Secrets are stored in etcd in clear";
        let fault = Fault::new(
            &META,
            entry.key_span.clone(),
            subjects.of("kubeadm".to_owned()),
            message,
        );
        context.tell(fault.severity(at(Severity::Medium, place)));
    }
}

fn kops(context: &mut Context<'_>, subjects: &mut Subjects, place: Place, object: &Object<'_>) {
    let Some(spec) = object
        .node
        .entry("spec")
        .filter(|spec| spec.value.get("kubernetesVersion").is_some())
    else {
        return;
    };
    if spec.value.text_at(&["encryptionConfig"]) != Some("true") {
        let message =
            "the cluster has no `encryptionConfig: true`: Secrets are stored in etcd in clear";
        let fault = Fault::new(
            &META,
            spec.key_span.clone(),
            subjects.of(object.label()),
            message,
        );
        context.tell(fault.severity(at(Severity::Medium, place)));
    }
}

/// Looks at a static pod of the API server.
fn api_server(
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    place: Place,
    object: &Object<'_>,
) {
    for container in containers(object) {
        let words = ["command", "args"]
            .iter()
            .filter_map(|key| container.node.get(key));
        let words: Vec<_> = words
            .flat_map(Node::items)
            .filter_map(|item| Some((item, item.text()?)))
            .collect();
        let program = words
            .iter()
            .find(|(_, text)| text.rsplit('/').next() == Some("kube-apiserver"));
        let Some((program, _)) = program else {
            continue;
        };
        if words.iter().any(|(_, text)| {
            text.trim_start_matches('-')
                .starts_with("encryption-provider-config")
        }) {
            continue;
        }
        let message = "kube-apiserver runs without `--encryption-provider-config`: Secrets are stored in etcd in clear";
        let fault = Fault::new(
            &META,
            program.span.clone(),
            subjects.of(object.label()),
            message,
        );
        context.tell(fault.severity(at(Severity::Medium, place)));
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::super::testing::told;
    use crate::model::Severity;

    #[test]
    fn keys_in_the_file_are_critical_and_samples_less() {
        let random: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(91) ^ 0xa5).collect();
        for (key, want) in [
            (STANDARD.encode(random), Severity::Critical),
            (STANDARD.encode("secret is secure"), Severity::Medium),
        ] {
            let text = format!(
                "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  \
                 - aescbc:\n      keys:\n      - {{name: a, secret: {key}}}\n"
            );
            let told = told("a.yaml", &text);
            assert_eq!(
                (told[0].severity, told[0].text.as_str()),
                (want, key.as_str())
            );
        }
    }

    #[test]
    fn an_api_server_without_encryption_is_told() {
        let pod = |flag: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: kube-apiserver}}\nspec:\n  containers:\n  - image: x\n    command:\n    \
                 - kube-apiserver\n    - --{flag}=x\n"
            )
        };
        assert_eq!(
            told("a.yaml", &pod("audit-log-path"))[0].text,
            "kube-apiserver"
        );
        assert!(told("a.yaml", &pod("encryption-provider-config")).is_empty());
    }

    #[test]
    fn kops_without_encryption_is_told() {
        let text = "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata: {name: c}\nspec:\n  kubernetesVersion: 1.34.0\n";
        assert_eq!(told("a.yaml", text).len(), 1);
        assert!(told("a.yaml", &format!("{text}  encryptionConfig: true\n")).is_empty());
    }
}

//! Secrets that Kustomize makes from what stands in the repository (55).

use std::{collections::BTreeSet, ops::Range};

use crate::{
    model::{BlobPath, Confidence, Severity},
    policy::{
        fault::{CrossFault, Fact, FactData, Fault, FixClass, Pointer},
        kind::FileKind,
        lint::{Context, Document, Index, Item, Lint, LintMeta, Persona, Syntax},
        names,
        node::Node,
        values::Strength,
    },
};

use super::super::kubernetes::{
    judge::{Place, at, judge, place},
    object::Subjects,
    strength_of,
};

/// Generators of Secrets.
pub(crate) struct Kustomize;

/// The topic of files that a generator reads.
const READ: &str = "kustomize-literal-secret";

/// The topic of files that hold nothing in clear.
const HARMLESS: &str = "kustomize-harmless-file";

const META: LintMeta = LintMeta {
    id: "kustomize-literal-secret",
    title: "A secretGenerator takes its values from the repository",
    tool: "Kustomize",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Kubernetes documentation: Good practices for Kubernetes Secrets, Avoid sharing Secret manifests",
        "OWASP Non-Human Identities Top 10 2025, NHI2: Secret leakage",
    ],
    cwe: 312,
    fix: FixClass::None,
    why: "The Secret that Kustomize makes is as public as the repository: its values stand in the overlay or in a file beside it.",
    help: "Generate it from a file that SOPS has encrypted (ksops), or commit an ExternalSecret in its place; rotate the values.",
    bad: &[
        &[(
            "overlays/prod/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nsecretGenerator:\n  - name: app\n    literals:\n      \
             - username=app\n      - password=hunter2-Zq81\n",
        )],
        &[
            (
                "deploy/kustomization.yaml",
                "secretGenerator:\n  - name: app\n    envs: [prod.secrets]\n",
            ),
            ("deploy/prod.secrets", "DB_PASSWORD=hunter2-Zq81\n"),
        ],
    ],
    good: &[
        &[(
            "deploy/kustomization.yaml",
            "generators:\n  - secrets.enc.yaml\nresources:\n  - app.yaml\n",
        )],
        &[(
            "deploy/kustomization.yaml",
            "secretGenerator:\n  - name: app\n    literals:\n      - password=\n      - token=${TOKEN}\n    envs: [prod.secrets]\n    \
             files: [tls.crt]\n",
        )],
        &[
            (
                "deploy/kustomization.yaml",
                "secretGenerator:\n  - name: app\n    envs: [app.env.enc]\n",
            ),
            (
                "deploy/app.env.enc",
                "DB_PASSWORD=ENC[AES256_GCM,data:abc,type:str]\n",
            ),
        ],
    ],
};

impl Lint for Kustomize {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind == FileKind::Kustomization {
            let mut subjects = Subjects::default();
            for generator in document
                .trees()
                .iter()
                .filter_map(|tree| tree.get("secretGenerator"))
                .flat_map(Node::items)
            {
                literals(document, context, &mut subjects, generator);
                files(document, context, generator);
            }
        } else if is_harmless(document) {
            context.note(Fact {
                span: 0..0,
                secret: None,
                data: FactData::Item(Box::new(Item {
                    topic: HARMLESS,
                    subject: document.path.to_owned(),
                    attributes: Vec::new(),
                })),
            });
        }
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let items = || {
            index
                .facts
                .iter()
                .enumerate()
                .filter_map(|(at, fact)| match &fact.data {
                    FactData::Item(item) => Some((at, item)),
                    _ => None,
                })
        };
        let of = |topic: &'static str| items().filter(move |(_, item)| item.topic == topic);
        let harmless: BTreeSet<_> = of(HARMLESS)
            .map(|(_, item)| item.subject.as_str())
            .collect();
        for (at_fact, item) in of(READ) {
            let file = BlobPath::from(item.subject.as_str());
            if harmless.contains(item.subject.as_str()) || !index.paths.contains(&file) {
                continue;
            }
            let generator = item.attributes.first().map_or("", |(_, name)| name);
            out.push(CrossFault {
                lint: &META,
                severity: at(META.severity, place(index.environments, &item.subject)),
                confidence: META.confidence,
                persona: META.persona,
                primary: Pointer::Fact(at_fact),
                related: vec![(Pointer::File(file), "the file".to_owned())],
                message: format!("the generator of Secret {generator} reads [a file](1) that is in the repository and not encrypted"),
                subject: format!("{generator}: {}", item.subject),
                fix: None,
                properties: Vec::new(),
            });
        }
    }
}

/// Tells of the literals of one generator.
fn literals(
    document: &Document<'_>,
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    generator: &Node,
) {
    let name = generator.text_at(&["name"]).unwrap_or_default();
    for scalar in generator
        .get("literals")
        .map_or(&[][..], Node::items)
        .iter()
        .filter_map(Node::scalar)
    {
        let Some((key, value)) = scalar.text.split_once('=') else {
            continue;
        };
        let Some(strength) = strength_of(key, value.trim_matches(['"', '\''])) else {
            continue;
        };
        let place = place(context.environments, document.path);
        let severity = match strength {
            Strength::Weak if place != Place::Live => Severity::Info,
            Strength::Weak => Severity::Medium,
            _ => at(Severity::High, place),
        };
        let span = scalar.source(key.len() + 1..scalar.text.len());
        let message = format!("the generator of Secret {name} has the value of `{key}` in clear");
        let fault = Fault::new(
            &META,
            span.clone(),
            subjects.of(format!("{name}: {key}")),
            message,
        );
        context.tell(fault.severity(severity).secret(span));
    }
}

/// Notes the files that one generator reads.
fn files(document: &Document<'_>, context: &mut Context<'_>, generator: &Node) {
    let name = generator.text_at(&["name"]).unwrap_or_default();
    let mut note = |path: &str, span: Range<usize>| {
        if let Some(path) = resolve(document.path, path).filter(|path| !is_encrypted(path)) {
            context.note(Fact {
                span,
                secret: None,
                data: FactData::Item(Box::new(Item {
                    topic: READ,
                    subject: path,
                    attributes: vec![("generator", name.to_owned())],
                })),
            });
        }
    };
    let lists = ["envs", "env"].iter().filter_map(|key| generator.get(key));
    for node in lists.flat_map(|node| std::iter::once(node).chain(node.items())) {
        if let Some(path) = node.text() {
            note(path, node.span.clone());
        }
    }
    for node in generator.get("files").map_or(&[][..], Node::items) {
        let path = node
            .text()
            .map(|text| text.rsplit_once('=').map_or(text, |(_, path)| path));
        if let Some(path) = path.filter(|path| is_secret_file(path)) {
            note(path, node.span.clone());
        }
    }
}

/// Tells whether a file of any format is a secret by its name: settings that become a Secret often hold none.
fn is_secret_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
    matches!(end, "key" | "p12" | "pfx" | "jks" | "keystore" | "env")
        || matches!(end, "" | "txt") && names::is_secret(stem)
        || stem.starts_with("id_")
}

/// Tells whether a file's name says that it is encrypted.
fn is_encrypted(path: &str) -> bool {
    names::words(path).iter().any(|word| {
        matches!(
            word.as_str(),
            "enc" | "encrypted" | "sops" | "age" | "gpg" | "sealed"
        )
    })
}

/// Returns the path from the root of what a file names relative to itself; none of what lies outside.
pub(in crate::policy::lints) fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Tells whether a file that a generator may read has nothing in clear: it is encrypted, or has placeholders alone.
fn is_harmless(document: &Document<'_>) -> bool {
    match &document.syntax {
        Syntax::Lines(lines) if document.kind == FileKind::Dotenv => lines.iter().all(|line| {
            judge(&line.key, &line.value).is_none() && strength_of(&line.key, &line.value).is_none()
        }),
        _ => document.text.contains("ENC[AES256_GCM,"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::lints::kubernetes::testing::{texts, told};

    #[test]
    fn literals_in_every_style() {
        for literal in [
            "password=hunter2-Zq81",
            "'password=hunter2-Zq81'",
            "\"password=hunter2-Zq81\"",
            "TLS_KEY_PASSPHRASE=hunter2-Zq81",
        ] {
            let text = format!("secretGenerator:\n- name: app\n  literals:\n  - {literal}\n");
            assert_eq!(
                texts("kustomize-literal-secret", "kustomization.yaml", &text),
                ["hunter2-Zq81"],
                "{literal}"
            );
        }
        let weak = told(
            "kustomization.yaml",
            "secretGenerator:\n- literals: [password=password]\n",
        );
        assert_eq!(weak[0].severity, Severity::Info);
    }

    #[test]
    fn paths_are_resolved_within_the_root() {
        assert_eq!(
            resolve("a/b/kustomization.yaml", "../c/./x.env").as_deref(),
            Some("a/c/x.env")
        );
        assert_eq!(
            resolve("kustomization.yaml", "x.env").as_deref(),
            Some("x.env")
        );
        assert_eq!(resolve("a/kustomization.yaml", "../../x.env"), None);
    }

    #[test]
    fn files_that_are_secrets_by_name() {
        for (path, want) in [
            ("tls.key", true),
            ("password.txt", true),
            ("alertmanager.yaml", false),
            ("tls.crt", false),
            ("ca.pem", false),
        ] {
            assert_eq!(is_secret_file(path), want, "{path}");
        }
    }
}

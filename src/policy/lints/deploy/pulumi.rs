//! `pulumi-plaintext-config`: a secret that a stack's configuration holds in clear.

use super::super::{
    super::{
        FileKind, FixClass, Persona,
        lint::{Context, Document, Lint, LintMeta},
        node::Node,
    },
    literal::{self, Names},
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Pulumi;

const META: LintMeta = LintMeta {
    id: "pulumi-plaintext-config",
    title: "A secret stands in a stack's configuration in clear",
    tool: "Pulumi",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "OWASP Non-Human Identities Top 10 2025, NHI2 Secret Leakage",
        "Pulumi, Concepts: Secrets handling",
    ],
    cwe: 312,
    fix: FixClass::None,
    why: "The value is in the repository, and Pulumi keeps it in the stack's state and shows it in its output.",
    help: "Set it again with `pulumi config set --secret`, which stores it as `secure:`, or take it from Pulumi ESC. Rotate what was committed.",
    bad: &[
        &[(
            "Pulumi.prod.yaml",
            "config:\n  aws:region: eu-west-1\n  app:dbPassword: hunter2-Zq81\n",
        )],
        &[(
            "Pulumi.prod.yaml",
            "config:\n  app:db:\n    user: app\n    password: hunter2-Zq81\n",
        )],
        &[(
            "Pulumi.yaml",
            "name: app\nruntime: yaml\nresources:\n  db:\n    type: aws:rds:Instance\n    properties:\n      password: hunter2-Zq81\n",
        )],
    ],
    good: &[
        &[(
            "Pulumi.prod.yaml",
            "encryptionsalt: v1:Vx7kQ2mR9tLp=:v1:Zq81hunter2Vx7k:Qm9tLpVx7kZq81==\nconfig:\n  aws:region: eu-west-1\n  app:dbPassword:\n    secure: AAABAVx7kQ2mR9tLpZq81hunter2==\n",
        )],
        // What the salt and the key of a provider say is public.
        &[(
            "Pulumi.dev.yaml",
            "secretsprovider: awskms://alias/pulumi-key-2?region=eu-west-1\nencryptedkey: Vx7kQ2mR9tLpZq81hunter2Vx7k==\nconfig:\n  app:passwordLength: 32\n  app:dbPasswordSecretName: prod-db\n",
        )],
        &[(
            "Pulumi.yaml",
            "name: app\nruntime: nodejs\nconfig:\n  dbPassword:\n    type: string\n    secret: true\n",
        )],
    ],
};

impl Lint for Pulumi {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    if document.kind != FileKind::Pulumi {
        return;
    }
    for tree in document.trees() {
        for part in ["config", "resources", "variables", "template"] {
            let Some(node) = tree.get(part) else { continue };
            each(&Names::root(part), node, document, context);
        }
    }
}

/// Goes down to what is not encrypted.
fn each(names: &Names<'_>, node: &Node, document: &Document<'_>, context: &mut Context<'_>) {
    if node.get("secure").is_some() {
        return;
    }
    for entry in node.entries() {
        // `project:key`: the project says nothing. `default` and `value` are those of the key above.
        let key = entry.key.rsplit(':').next().unwrap_or_default();
        match entry.key.as_str() {
            "default" | "value" => each(names, &entry.value, document, context),
            key if key.starts_with("fn::") => {
                literal::each(names, node, None, &mut |it| {
                    super::tell(&META, it, document, context)
                });
            }
            _ => each(&names.below(key), &entry.value, document, context),
        }
    }
    for item in node.items() {
        each(names, item, document, context);
    }
    if node.scalar().is_some() {
        literal::each(names, node, None, &mut |it| {
            super::tell(&META, it, document, context)
        });
    }
}

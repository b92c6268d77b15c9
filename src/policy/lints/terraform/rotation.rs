//! `tf-secret-no-rotation`: a managed secret or key that nothing rotates and that never expires.

use std::collections::BTreeSet;

use super::{
    super::super::{
        CrossFault, Fact, FactData, FileKind, FixClass, Persona, Pointer,
        lint::{Context, Document, Index, Item, Lint, LintMeta},
        readers::hcl::{Block, Expr, ExprKind},
    },
    super::literal,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Rotation;

const META: LintMeta = LintMeta {
    id: "tf-secret-no-rotation",
    title: "A managed secret or key has neither rotation nor expiry",
    tool: "Terraform",
    severity: Severity::Low,
    confidence: Confidence::High,
    persona: Persona::Pedantic,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 2.6 (automate secrets management, rotation)",
        "OWASP Non-Human Identities Top 10 2025, NHI7 Long-Lived Secrets",
        "AWS, Secrets Manager user guide: Rotate AWS Secrets Manager secrets",
    ],
    cwe: 324,
    fix: FixClass::None,
    why: "A secret that never changes stays useful to whoever got hold of it once.",
    help: "Rotate it by the store (`aws_secretsmanager_secret_rotation`, `rotation`, `rotation_policy`), or give it an expiry (`expiration_date`). Replace access keys of users by roles.",
    bad: &[
        &[(
            "main.tf",
            "resource \"aws_secretsmanager_secret\" \"db\" {\n  name = \"prod/db\"\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"azurerm_key_vault_secret\" \"db\" {\n  name         = \"db\"\n  key_vault_id = var.vault_id\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_iam_access_key\" \"ci\" {\n  user = aws_iam_user.ci.name\n}\n",
        )],
    ],
    good: &[
        // The rotation may stand in another file of the module.
        &[
            (
                "main.tf",
                "resource \"aws_secretsmanager_secret\" \"db\" {\n  name = \"prod/db\"\n}\n",
            ),
            (
                "rotation.tf",
                "resource \"aws_secretsmanager_secret_rotation\" \"db\" {\n  secret_id           = aws_secretsmanager_secret.db.id\n  rotation_lambda_arn = var.lambda_arn\n}\n",
            ),
        ],
        &[(
            "main.tf",
            "resource \"azurerm_key_vault_secret\" \"db\" {\n  name            = \"db\"\n  key_vault_id    = var.vault_id\n  expiration_date = var.expiry\n}\nresource \"google_secret_manager_secret\" \"db\" {\n  secret_id = \"db\"\n  rotation {\n    rotation_period = \"2592000s\"\n  }\n}\n",
        )],
        // A key for signatures cannot be rotated by KMS.
        &[(
            "main.tf",
            "resource \"aws_kms_key\" \"sign\" {\n  customer_master_key_spec = \"RSA_2048\"\n  key_usage                = \"SIGN_VERIFY\"\n}\n",
        )],
    ],
};

const SECRET: &str = "tf-secret-no-rotation";
const ROTATED: &str = "tf-rotation-of";

impl Lint for Rotation {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(body) = super::body(document, &[FileKind::Terraform]) else {
            return;
        };
        for block in body.blocks_of("resource") {
            let mut note = |topic, subject: String, missing: &str| {
                context.note(Fact {
                    span: block.kind_span.start
                        ..block.open.saturating_sub(1).max(block.kind_span.end),
                    secret: None,
                    data: FactData::Item(Box::new(Item {
                        topic,
                        subject,
                        attributes: vec![("missing", missing.to_owned())],
                    })),
                });
            };
            if block.label(0) == "aws_secretsmanager_secret_rotation" {
                for rotated in references(block, "secret_id") {
                    note(ROTATED, rotated, "");
                }
            } else if let Some(missing) = missing(block) {
                note(SECRET, block.address(), missing);
            }
        }
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let items = || {
            let facts = index.facts.iter().enumerate();
            facts.filter_map(|(at, fact)| match &fact.data {
                FactData::Item(item) => Some((at, fact.path.to_string(), item)),
                _ => None,
            })
        };
        let rotated: BTreeSet<(String, &str)> = items()
            .filter(|(_, _, item)| item.topic == ROTATED)
            .map(|(_, path, item)| (super::folder(&path).to_owned(), item.subject.as_str()))
            .collect();
        for (at, path, item) in items().filter(|(_, _, item)| item.topic == SECRET) {
            let here = (super::folder(&path).to_owned(), item.subject.as_str());
            if rotated.contains(&here) {
                continue;
            }
            let missing = item.attributes.first().map_or("", |(_, value)| value);
            out.push(CrossFault {
                lint: &META,
                severity: literal::eased(META.severity, &path),
                confidence: META.confidence,
                persona: META.persona,
                primary: Pointer::Fact(at),
                related: Vec::new(),
                message: format!("`{}` {missing}", item.subject),
                subject: item.subject.clone(),
                fix: None,
                properties: Vec::new(),
            });
        }
    }
}

/// Returns the addresses of resources that an attribute refers to.
fn references(block: &Block, key: &str) -> Vec<String> {
    let mut out = Vec::new();
    let Some(attribute) = block.body.get(key) else {
        return out;
    };
    attribute.value.each(&mut |expr: &Expr| {
        if let ExprKind::Reference(names) = &expr.kind {
            out.extend(names.get(..2).map(|names| names.join(".")));
        }
    });
    out
}

/// Returns what a resource lacks, as the end of a sentence.
fn missing(block: &Block) -> Option<&'static str> {
    let has = |key: &str| {
        let is_null = |it: &super::super::super::readers::hcl::Attribute| {
            matches!(it.value.kind, ExprKind::Null)
        };
        block.body.get(key).is_some_and(|it| !is_null(it))
            || block.body.blocks_of(key).next().is_some()
            || block
                .body
                .blocks
                .iter()
                .any(|it| it.kind == "dynamic" && it.label(0) == key)
    };
    let lacks = |keys: &[&str]| !keys.iter().any(|key| has(key));
    match block.label(0) {
        "aws_secretsmanager_secret" if lacks(&["rotation_rules", "rotation_lambda_arn"]) => {
            Some("has no `aws_secretsmanager_secret_rotation` in this module")
        }
        "azurerm_key_vault_secret" if lacks(&["expiration_date"]) => {
            Some("has no `expiration_date`")
        }
        "azurerm_key_vault_key" if lacks(&["expiration_date", "rotation_policy"]) => {
            Some("has neither `rotation_policy` nor `expiration_date`")
        }
        "google_secret_manager_secret" if lacks(&["rotation", "expire_time", "ttl"]) => {
            Some("has no `rotation`")
        }
        "google_kms_crypto_key" if lacks(&["rotation_period"]) && lacks(&["purpose"]) => {
            Some("has no `rotation_period`")
        }
        "aws_iam_access_key" => Some("is a key that never expires: use a role"),
        "aws_kms_key" => {
            let off = block
                .body
                .get("enable_key_rotation")
                .map(|it| &it.value.kind);
            let is_off = matches!(off, None | Some(ExprKind::Bool(false)));
            let is_symmetric = lacks(&[
                "customer_master_key_spec",
                "key_usage",
                "custom_key_store_id",
            ]);
            (is_off && is_symmetric).then_some("does not set `enable_key_rotation`")
        }
        _ => None,
    }
}

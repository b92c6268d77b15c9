//! `tf-secret-in-state`: a secret is kept in state though the provider can take it without.

use std::collections::BTreeSet;

use super::{
    super::super::{
        CrossFault, Fact, FactData, FileKind, FixClass, Persona, Pointer,
        lint::{Context, Document, Index, Item, Lint, LintMeta},
        readers::hcl::{Block, ExprKind},
    },
    super::literal,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct State;

const META: LintMeta = LintMeta {
    id: "tf-secret-in-state",
    title: "A secret is kept in state though a write-only or ephemeral form exists",
    tool: "Terraform",
    severity: Severity::Low,
    confidence: Confidence::High,
    persona: Persona::Pedantic,
    sources: &[
        "HashiCorp, Terraform language: Use write-only arguments (since 1.11)",
        "HashiCorp, Terraform language: Ephemeral values in resources (since 1.10)",
        "OWASP Secrets Management cheat sheet, section 2 (general secrets management)",
    ],
    cwe: 312,
    fix: FixClass::None,
    why: "State holds every argument in clear text. Whoever can read the state's bucket can read the secret.",
    help: "Use the write-only argument (`..._wo` with `..._wo_version`), fed from an `ephemeral` resource. It needs Terraform 1.11 and a recent provider.",
    bad: &[
        &[(
            "main.tf",
            "resource \"aws_secretsmanager_secret_version\" \"s\" {\n  secret_id     = aws_secretsmanager_secret.s.id\n  secret_string = var.value\n}\n",
        )],
        &[
            (
                "main.tf",
                "resource \"aws_db_instance\" \"d\" {\n  password = var.db_password\n}\n",
            ),
            (
                "versions.tf",
                "terraform {\n  required_version = \">= 1.11\"\n}\n",
            ),
        ],
        &[(
            "main.tf",
            "resource \"random_password\" \"p\" {\n  length = 32\n}\n",
        )],
    ],
    good: &[
        &[(
            "main.tf",
            "ephemeral \"random_password\" \"p\" {\n  length = 32\n}\nresource \"aws_secretsmanager_secret_version\" \"s\" {\n  secret_id                = var.id\n  secret_string_wo         = ephemeral.random_password.p.result\n  secret_string_wo_version = 1\n}\n",
        )],
        // A module that must work with older versions cannot do it.
        &[
            (
                "main.tf",
                "resource \"aws_db_instance\" \"d\" {\n  password = var.db_password\n}\n",
            ),
            (
                "versions.tf",
                "terraform {\n  required_version = \"~> 1.5.0\"\n}\n",
            ),
        ],
        &[(
            "main.tf",
            "resource \"aws_ssm_parameter\" \"p\" {\n  name  = \"/size\"\n  type  = \"String\"\n  value = var.size\n}\n",
        )],
    ],
};

/// Arguments with a write-only form, of which the state keeps nothing.
const WRITE_ONLY: [(&str, &str); 16] = [
    ("aws_secretsmanager_secret_version", "secret_string"),
    ("aws_db_instance", "password"),
    ("aws_rds_cluster", "master_password"),
    ("aws_redshift_cluster", "master_password"),
    ("aws_docdb_cluster", "master_password"),
    ("aws_ssm_parameter", "value"),
    ("azurerm_key_vault_secret", "value"),
    ("azurerm_mssql_server", "administrator_login_password"),
    ("azurerm_mysql_flexible_server", "administrator_password"),
    ("azurerm_postgresql_server", "administrator_login_password"),
    (
        "azurerm_postgresql_flexible_server",
        "administrator_password",
    ),
    ("google_secret_manager_secret_version", "secret_data"),
    ("google_sql_user", "password"),
    ("kubernetes_secret_v1", "data"),
    ("vault_kv_secret_v2", "data_json"),
    ("google_bigquery_data_transfer_config", "secret_access_key"),
];

const STATE: &str = "tf-secret-in-state";
const VERSION: &str = "tf-required-version";

impl Lint for State {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(body) = super::body(document, &[FileKind::Terraform]) else {
            return;
        };
        for block in &body.blocks {
            match block.kind.as_str() {
                "terraform" => version(block, context),
                "resource" => resource(block, context),
                _ => {}
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
        let old: BTreeSet<String> = items()
            .filter(|(_, _, item)| item.topic == VERSION)
            .map(|(_, path, _)| super::folder(&path).to_owned())
            .collect();
        for (at, path, item) in items().filter(|(_, _, item)| item.topic == STATE) {
            if old.contains(super::folder(&path)) {
                continue;
            }
            let instead = item.attributes.first().map_or("", |(_, value)| value);
            out.push(CrossFault {
                lint: &META,
                severity: literal::eased(META.severity, &path),
                confidence: META.confidence,
                persona: META.persona,
                primary: Pointer::Fact(at),
                related: Vec::new(),
                message: format!("`{}` is kept in state: use {instead}", item.subject),
                subject: item.subject.clone(),
                fix: None,
                properties: Vec::new(),
            });
        }
    }
}

fn resource(block: &Block, context: &mut Context<'_>) {
    let mut note = |span, subject: String, instead: String| {
        context.note(Fact {
            span,
            secret: None,
            data: FactData::Item(Box::new(Item {
                topic: STATE,
                subject,
                attributes: vec![("instead", instead)],
            })),
        });
    };
    let kind = block.label(0);
    if kind == "random_password" {
        let instead = "`ephemeral \"random_password\"`".to_owned();
        return note(block.kind_span.clone(), block.address(), instead);
    }
    let is_plain = block.body.get("type").is_some_and(|it| {
        it.value
            .text()
            .is_some_and(|text| text.text != "SecureString")
    });
    if kind == "aws_ssm_parameter" && is_plain {
        return;
    }
    for (_, key) in WRITE_ONLY.iter().filter(|(of, _)| *of == kind) {
        let attribute = block.body.get(key);
        let attribute = attribute.filter(|it| !matches!(it.value.kind, ExprKind::Null));
        if let Some(attribute) = attribute {
            let subject = format!("{}.{key}", block.address());
            note(attribute.key_span.clone(), subject, format!("`{key}_wo`"));
        }
    }
}

/// Keeps that a module must work with versions that have no write-only arguments alone.
fn version(block: &Block, context: &mut Context<'_>) {
    let Some(required) = block.body.get("required_version") else {
        return;
    };
    let Some(constraint) = required.value.text() else {
        return;
    };
    if !allows(&constraint.text, (1, 11)) {
        context.note(Fact {
            span: required.span.clone(),
            secret: None,
            data: FactData::Item(Box::new(Item {
                topic: VERSION,
                subject: "required_version".to_owned(),
                attributes: Vec::new(),
            })),
        });
    }
}

/// Tells whether a constraint allows some release of a version or a later one.
fn allows(constraint: &str, wanted: (u32, u32)) -> bool {
    constraint.split(',').all(|part| {
        let part = part.trim();
        let at = part
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(part.len());
        let (operator, version) = part.split_at(at);
        let mut numbers = version
            .split('.')
            .map(|it| it.trim().parse::<u32>().unwrap_or(0));
        let major = numbers.next().unwrap_or(0);
        let minor = numbers.next();
        let has_patch = numbers.next().is_some();
        let pair = (major, minor.unwrap_or(0));
        match operator.trim() {
            "=" | "" | "<=" => pair >= wanted,
            // `< 2` and `< 2.0` leave 1.11, `< 1.11` does not.
            "<" => pair > wanted,
            // `~> 1.5.0` stays within 1.5, `~> 1.5` within 1.
            "~>" if has_patch => pair >= wanted,
            "~>" if minor.is_some() => major >= wanted.0,
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints() {
        for (constraint, want) in [
            (">= 1.3", true),
            (">= 1.3, < 2.0", true),
            ("~> 1.5", true),
            ("~> 1.5.0", false),
            ("~> 0.13", false),
            ("1.9.8", false),
            ("= 1.12.0", true),
            ("< 1.6", false),
            (">= 1.0, < 1.11", false),
            ("", false),
        ] {
            assert_eq!(allows(constraint, (1, 11)), want, "{constraint}");
        }
    }
}

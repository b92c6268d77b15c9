//! `tf-output-not-sensitive`: an output gives a secret without a mark, or `nonsensitive()` takes the mark away.

use std::collections::BTreeMap;

use super::{
    super::{
        super::{
            FileKind, Fix, FixClass, Persona,
            fault::Fault,
            lint::{Context, Document, Lint, LintMeta},
            readers::hcl::{Block, Expr, ExprKind},
        },
        literal,
    },
    literals,
    taint::{self, Taint},
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Output;

const META: LintMeta = LintMeta {
    id: "tf-output-not-sensitive",
    title: "An output or local shows a secret that is not marked as sensitive",
    tool: "Terraform",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 2 (general secrets management)",
        "HashiCorp, Terraform language: Manage values in modules, sensitive outputs",
        "HashiCorp, Terraform language: nonsensitive function",
    ],
    cwe: 532,
    fix: FixClass::Safe,
    why: "Terraform prints outputs at the end of every run, and a pipeline keeps that in its log. `nonsensitive()` does the same to every plan.",
    help: "Mark the output with `sensitive = true`, or better give out the address of the secret in its store instead of the secret.",
    bad: &[
        &[(
            "main.tf",
            "output \"pw\" {\n  value = random_password.db.result\n}\n",
        )],
        &[(
            "main.tf",
            "output \"url\" {\n  value = \"postgres://app:${var.db_password}@db/app\"\n}\n",
        )],
        &[(
            "main.tf",
            "locals {\n  pw = nonsensitive(random_password.db.result)\n}\n",
        )],
        &[(
            "main.tf",
            "output \"pw\" { value = module.db.master_password }\n",
        )],
        &[(
            "main.tf",
            "locals {\n  generated = random_password.db.result\n  login     = \"app:${local.generated}\"\n}\noutput \"login\" {\n  value = local.login\n}\n",
        )],
    ],
    good: &[
        &[(
            "main.tf",
            "output \"pw\" {\n  value     = random_password.db.result\n  sensitive = true\n}\n",
        )],
        &[(
            "main.tf",
            "output \"secret_arn\" {\n  value = aws_secretsmanager_secret.db.arn\n}\noutput \"user\" {\n  value = jsondecode(data.aws_secretsmanager_secret_version.db.secret_string)[\"username\"]\n}\n",
        )],
        &[(
            "main.tf",
            "locals {\n  long = length(random_password.db.result) > 8\n  a    = local.b\n  b    = local.a\n}\noutput \"long\" {\n  value = local.long\n}\noutput \"a\" {\n  value = local.a\n}\n",
        )],
        // A local keeps the mark.
        &[(
            "main.tf",
            "locals {\n  pw = random_password.db.result\n}\noutput \"has_password\" {\n  value = var.db_password != \"\"\n}\noutput \"password_hash\" {\n  value = sha256(var.db_password)\n}\n",
        )],
    ],
};

impl Lint for Output {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(body) = super::body(document, &[FileKind::Terraform]) else {
            return;
        };
        let locals = body
            .blocks_of("locals")
            .flat_map(|block| &block.body.attributes);
        let locals: Locals<'_> = locals
            .map(|local| (local.key.as_str(), &local.value))
            .collect();
        for block in body.blocks_of("output") {
            if let Some(fault) = output(block, &locals, document) {
                context.tell(fault);
            }
        }
        for block in body.blocks_of("locals") {
            for attribute in &block.body.attributes {
                let secrets = taint::secrets(&attribute.value);
                if let Some(secret) = secrets.iter().find(|secret| secret.unmarked) {
                    let subject = format!("local.{}", attribute.key);
                    context.tell(unmarked(secret, subject, document));
                }
            }
        }
    }
}

/// The locals of a file by name.
type Locals<'d> = BTreeMap<&'d str, &'d Expr>;

/// Most locals that are followed from one to the next.
const MAX_LOCALS: usize = 8;

/// Returns the secrets that locals bring to an expression: the places are those of the locals in it.
fn through(value: &Expr, locals: &Locals<'_>) -> Vec<Taint> {
    let mut found = Vec::new();
    for one in taint::locals(value) {
        let mut name = one.source.clone();
        for _ in 0..MAX_LOCALS {
            let Some(value) = locals.get(name.as_str()) else {
                break;
            };
            // Of one that is unmarked is told where it stands.
            if let Some(secret) = taint::secrets(value).into_iter().find(|it| !it.unmarked) {
                found.push(Taint {
                    source: secret.source,
                    ..one
                });
                break;
            }
            match taint::locals(value).into_iter().next() {
                Some(next) => name = next.source,
                None => break,
            }
        }
    }
    found
}

fn output(block: &Block, locals: &Locals<'_>, document: &Document<'_>) -> Option<Fault> {
    let name = block.labels.first()?;
    let value = &block.body.get("value")?.value;
    let mut secrets = taint::secrets(value);
    if secrets.is_empty() {
        secrets = through(value, locals);
    }
    let subject = format!("output.{name}");
    if let Some(secret) = secrets.iter().find(|secret| secret.unmarked) {
        return Some(unmarked(secret, subject, document));
    }
    let is_marked = ["sensitive", "ephemeral"].iter().any(|mark| {
        let value = block.body.get(mark).map(|it| &it.value.kind);
        value.is_some_and(|kind| !matches!(kind, ExprKind::Bool(false)))
    });
    if is_marked {
        return None;
    }
    let mut fault = match secrets.first() {
        Some(secret) => {
            let message = format!("the output `{name}` shows `{}`", secret.source);
            let fault = Fault::new(&META, secret.span.clone(), subject, message);
            fault.severity(literal::eased(META.severity, document.path))
        }
        None => literal_of(name, value, &subject, document)?,
    };
    if block.body.get("sensitive").is_none() {
        fault = fault.fix(Fix {
            class: FixClass::Safe,
            title: "mark the output as sensitive".to_owned(),
            edits: super::insertion(block, document.text, "sensitive"),
        });
    }
    Some(fault)
}

/// A secret that is written into the output itself.
fn literal_of(name: &str, value: &Expr, subject: &str, document: &Document<'_>) -> Option<Fault> {
    if !literal::is_secret(name) {
        return None;
    }
    let mut found = None;
    literals::each(name, value, &mut |it| {
        let severity = it.judge(document.path, Severity::High);
        if let (Some(severity), None) = (severity, &found) {
            let message = format!("the output `{name}` is a literal secret");
            let fault = Fault::new(&META, it.span.clone(), subject, message);
            found = Some(fault.severity(severity).secret(it.span));
        }
    });
    found
}

fn unmarked(secret: &Taint, subject: String, document: &Document<'_>) -> Fault {
    let message = format!(
        "`nonsensitive` lets `{}` be printed in plans and logs",
        secret.source
    );
    Fault::new(&META, secret.span.clone(), subject, message)
        .severity(literal::eased(Severity::High, document.path))
}

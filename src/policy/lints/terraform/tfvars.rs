//! `tf-tfvars-secret`: values of variables that stand in the repository.

use super::{
    super::{
        super::{
            FileKind, FixClass, Persona,
            fault::Fault,
            lint::{Context, Document, Lint, LintMeta},
        },
        literal::{self, Literal},
    },
    literals,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Tfvars;

const META: LintMeta = LintMeta {
    id: "tf-tfvars-secret",
    title: "A file of variable values holds a literal secret",
    tool: "Terraform",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "OWASP Non-Human Identities Top 10 2025, NHI2 Secret Leakage",
        "HashiCorp, Terraform: Manage sensitive data in your configuration",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "Whoever can read the repository, now or in its history, has the secret, in every environment that the file is for.",
    help: "Read the secret from its store with a data source or an ephemeral resource, or pass it as `TF_VAR_...` from the pipeline's store. Rotate what was committed.",
    bad: &[
        &[(
            "prod.tfvars",
            "region      = \"eu-west-1\"\ndb_password = \"hunter2-Zq81\"\n",
        )],
        &[(
            "prod.auto.tfvars.json",
            "{\"region\": \"eu-west-1\", \"db\": {\"password\": \"hunter2-Zq81\"}}\n",
        )],
        &[(
            "live/prod/terragrunt.hcl",
            "terraform {\n  source = \"../modules/db\"\n}\ninputs = {\n  name        = \"db\"\n  db_password = \"hunter2-Zq81\"\n}\n",
        )],
        &[(
            "state.tfbackend",
            "bucket     = \"state\"\naccess_key = \"Vx7kQ2mR9tLp\"\n",
        )],
    ],
    good: &[
        &[(
            "prod.tfvars",
            "region          = \"eu-west-1\"\ndb_password_arn = \"arn:aws:secretsmanager:eu-west-1:1:secret:db\"\n",
        )],
        // The file that is copied and filled in.
        &[("example.tfvars", "db_password = \"hunter2-Zq81\"\n")],
        &[(
            "terraform.tfvars",
            "db_password = \"\"\napi_token   = \"changeme\"\nadmin_password = \"<from the store>\"\n",
        )],
        &[(
            "live/prod/terragrunt.hcl",
            "inputs = {\n  db_password = get_env(\"DB_PASSWORD\")\n  api_token   = dependency.app.outputs.api_token\n}\n",
        )],
    ],
};

impl Lint for Tfvars {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    if !matches!(document.kind, FileKind::Tfvars | FileKind::Hcl) {
        return;
    }
    if let Some(body) = super::body(document, &[FileKind::Tfvars, FileKind::Hcl]) {
        body.each(&mut |blocks, attribute| {
            // Variables and providers of other files of HCL (Packer) have lints of their own.
            let is_value = match blocks.first().map(|block| block.kind.as_str()) {
                None => {
                    // Packer's files of values are told from others by their name.
                    document.kind == FileKind::Tfvars
                        || document.path.ends_with(".pkrvars.hcl")
                        || attribute.key == "inputs"
                }
                Some(kind) => kind == "locals" || kind == "remote_state",
            };
            if is_value {
                literals::each(&attribute.key, &attribute.value, &mut |it| {
                    tell(&it, document, context);
                });
            }
        });
    }
    if document.kind != FileKind::Tfvars {
        return;
    }
    for tree in document.trees() {
        tree.leaves(&mut |path, node| {
            let (Some(key), Some(scalar)) = (path.key(), node.scalar()) else {
                return;
            };
            let it = Literal {
                name: key.key.to_owned(),
                owner: None,
                path: path.dotted(),
                value: scalar.text.clone(),
                span: scalar.source(0..scalar.text.len()),
            };
            tell(&it, document, context);
        });
    }
    for line in document.lines() {
        let it = Literal {
            name: line.key.clone(),
            owner: None,
            path: line.key.clone(),
            value: line.value.clone(),
            span: line.value_span.clone(),
        };
        tell(&it, document, context);
    }
}

fn tell(it: &Literal, document: &Document<'_>, context: &mut Context<'_>) {
    let severity = it.judge(document.path, META.severity);
    let Some(severity) = severity else { return };
    let message = format!("`{}` has a literal secret as its value", it.path);
    let fault = Fault::new(&META, it.span.clone(), it.path.clone(), message);
    context.tell(fault.severity(severity).secret(it.span.clone()));
}

//! `tf-variable-default-secret`: a variable that holds a secret has a default, or is not marked.

use super::{
    super::{
        super::{
            FileKind, Fix, FixClass, Persona,
            fault::Fault,
            lint::{Context, Document, Lint, LintMeta},
            node::Node,
            readers::hcl::{Block, Expr, ExprKind},
        },
        literal::{self, Literal, Names},
    },
    literals,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Variable;

const META: LintMeta = LintMeta {
    id: "tf-variable-default-secret",
    title: "A variable for a secret has a default, or is not marked as sensitive",
    tool: "Terraform",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "OWASP Non-Human Identities Top 10 2025, NHI2 Secret Leakage",
        "HashiCorp, Terraform language: Protect sensitive input variables",
    ],
    cwe: 798,
    fix: FixClass::Safe,
    why: "A default is in the repository and in every plan of whoever forgets to set the variable. Without `sensitive = true` Terraform prints the value in plans and logs.",
    help: "Give the variable no default and `sensitive = true`, or `ephemeral = true` if no state needs it. Pass the value from the secrets store. If a real value was committed, rotate it.",
    bad: &[
        &[(
            "cdk.tf.json",
            "{\"variable\": {\"db_password\": {\"default\": \"hunter2-Zq81\"}}}",
        )],
        &[(
            "main.tf",
            "variable \"db_password\" {\n  type      = string\n  sensitive = true\n  default   = \"hunter2-Zq81\"\n}\n",
        )],
        &[(
            "main.tf",
            "variable \"db\" {\n  type = object({ user = string, password = string })\n  default = {\n    user     = \"app\"\n    password = \"hunter2-Zq81\"\n  }\n}\n",
        )],
        &[("main.tf", "variable \"api_token\" {\n  type = string\n}\n")],
        &[(
            "main.tf",
            "variable \"api_token\" { default = \"Vx7kQ2mR9tLp\" }\n",
        )],
    ],
    good: &[
        &[(
            "main.tf",
            "variable \"db_password\" {\n  type      = string\n  sensitive = true\n}\n",
        )],
        &[(
            "main.tf",
            "variable \"db_password\" {\n  type      = string\n  ephemeral = true\n}\n",
        )],
        // Nothing is given away by an empty default.
        &[(
            "main.tf",
            "variable \"db_password\" {\n  type      = string\n  default   = null\n  sensitive = true\n}\nvariable \"api_token\" {\n  default   = \"\"\n  sensitive = true\n}\n",
        )],
        // Names of things about secrets.
        &[(
            "main.tf",
            "variable \"password_length\" {\n  default = 32\n}\nvariable \"db_password_arn\" {\n  type = string\n}\nvariable \"create_random_password\" {\n  type    = bool\n  default = true\n}\n",
        )],
        // The type tells that it is no text.
        &[(
            "main.tf",
            "variable \"rotate_token\" {\n  type = bool\n}\nvariable \"secrets\" {\n  description = \"Names of secrets to create\"\n  type        = map(string)\n}\n",
        )],
        // A resource that is handed in, and a user's name.
        &[(
            "main.tf",
            "variable \"queue_api_secret\" {}\nvariable \"basic_auth_username\" {\n  type = string\n}\nresource \"acme_reader\" \"app\" {\n  of = var.queue_api_secret.id\n}\n",
        )],
    ],
};

impl Lint for Variable {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let variables = super::json(document).and_then(|tree| tree.get("variable"));
        for entry in variables.map_or(&[][..], Node::entries) {
            if let Some(default) = entry.value.get("default") {
                literal::each(&Names::root(&entry.key), default, None, &mut |it| {
                    context.faults.extend(literal_fault(it, document));
                });
            }
        }
        let kinds = [FileKind::Terraform, FileKind::Hcl];
        let Some(body) = super::body(document, &kinds) else {
            return;
        };
        for block in body.blocks_of("variable") {
            if let Some(fault) = fault(block, document)
                .filter(|fault| fault.secret.is_some() || !is_object(block, document.text))
            {
                context.tell(fault);
            }
        }
    }
}

/// Tells whether the file takes an attribute of a variable: it is a resource that was handed in, not the text of a secret.
fn is_object(block: &Block, text: &str) -> bool {
    let Some(name) = block.labels.first() else {
        return false;
    };
    let whole = format!("var.{name}.");
    text.match_indices(&whole).any(|(at, _)| {
        text.get(at + whole.len()..)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    })
}

fn fault(block: &Block, document: &Document<'_>) -> Option<Fault> {
    let name = block.labels.first()?;
    let default = default(block, name, document);
    let unmarked = is_unmarked(block, name).then(|| {
        let told = Fault::new(
            &META,
            block.kind_span.start..block.open.saturating_sub(1).max(block.kind_span.end),
            name.clone(),
            format!("the variable `{name}` holds a secret and is not marked as sensitive"),
        );
        told.severity(literal::eased(Severity::Low, document.path))
            .confidence(Confidence::Medium)
    });
    let is_text = literal::is_secret(name) && is_text(block);
    let worse = match (default, unmarked) {
        (Some(default), Some(unmarked)) if default.severity < unmarked.severity => unmarked,
        (default, unmarked) => default.or(unmarked)?,
    };
    if !is_text || is_marked(block) || block.body.get("sensitive").is_some() {
        return Some(worse);
    }
    Some(worse.fix(Fix {
        class: FixClass::Safe,
        title: "mark the variable as sensitive".to_owned(),
        edits: super::insertion(block, document.text, "sensitive"),
    }))
}

/// Returns the worst literal of the default.
fn default(block: &Block, name: &str, document: &Document<'_>) -> Option<Fault> {
    let default = block.body.get("default")?;
    let mut worst: Option<Fault> = None;
    literals::each(name, &default.value, &mut |it| {
        let found = literal_fault(it, document);
        let is_worse = |found: &Fault| worst.as_ref().is_none_or(|it| it.severity < found.severity);
        if let Some(found) = found.filter(is_worse) {
            worst = Some(found);
        }
    });
    worst
}

fn literal_fault(it: Literal, document: &Document<'_>) -> Option<Fault> {
    let severity = it.judge(document.path, META.severity)?;
    let message = format!(
        "the default of the variable `{}` is a literal secret",
        it.path
    );
    let fault = Fault::new(&META, it.span.clone(), it.path, message);
    Some(fault.severity(severity).secret(it.span))
}

/// Tells whether a variable is that of one secret text without a mark.
fn is_unmarked(block: &Block, name: &str) -> bool {
    let description = block.body.get("description");
    let description = description.and_then(|it| it.value.text());
    let is_about = description.is_some_and(|it| {
        let text = it.text.to_ascii_lowercase();
        [
            "name of",
            "names of",
            "arn ",
            "arn of",
            "path to",
            "path of",
            "id of",
            "whether",
            "reference to",
        ]
        .iter()
        .any(|words| text.contains(words))
    });
    literal::is_secret(name)
        && !matches!(name, "secret" | "secrets" | "credentials" | "tokens")
        && !is_about
        && is_text(block)
        && !is_marked(block)
}

fn is_marked(block: &Block) -> bool {
    ["sensitive", "ephemeral"].iter().any(|mark| {
        let value = block.body.get(mark).map(|it| &it.value.kind);
        matches!(value, Some(ExprKind::Bool(true)))
    })
}

/// Tells whether the variable is a text, as far as its type and default say.
fn is_text(block: &Block) -> bool {
    let text_type = match block.body.get("type").map(|it| &it.value) {
        None => true,
        Some(Expr {
            kind: ExprKind::Reference(names),
            ..
        }) => {
            matches!(names.as_slice(), [name] if name == "string" || name == "any")
        }
        // The old form, in quotes.
        Some(value) => value.text().is_some_and(|text| text.text == "string"),
    };
    let text_default = block.body.get("default").is_none_or(|it| {
        matches!(
            it.value.kind,
            ExprKind::Null | ExprKind::Text(_) | ExprKind::Template(_)
        )
    });
    text_type && text_default
}

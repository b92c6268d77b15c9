//! `tf-secret-in-user-data`: a secret in what a machine runs at its start, or in a provisioner's command.

use std::{collections::BTreeSet, ops::Range};

use super::{
    super::{
        super::{
            FileKind, FixClass, Persona,
            fault::Fault,
            lint::{Context, Document, Lint, LintMeta},
            readers::hcl::{Attribute, Block, Expr, ExprKind},
        },
        literal,
    },
    script, taint,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct UserData;

const META: LintMeta = LintMeta {
    id: "tf-secret-in-user-data",
    title: "A secret is in user data or in the command of a provisioner",
    tool: "Terraform",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "AWS, EC2 user guide: Run commands at launch using instance user data (do not store sensitive data)",
        "HashiCorp, Terraform language: Provisioners, local-exec environment",
    ],
    cwe: 214,
    fix: FixClass::None,
    why: "User data can be read by every process of the machine and by everybody who may describe it. The command line of a provisioner is seen by every user of the machine that runs it. `sensitive` hides the value in Terraform's output alone.",
    help: "Let the machine fetch the secret at its start with its own role. Hand a secret to `local-exec` in `environment`.",
    bad: &[
        &[(
            "main.tf",
            "resource \"terraform_data\" \"m\" {\n  provisioner \"local-exec\" {\n    command     = \"curl -u app:$API_TOKEN https://example.org\"\n    environment = { API_TOKEN = var.api_token }\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"terraform_data\" \"m\" {\n  provisioner \"local-exec\" {\n    command = \"mysql -u app -p${var.db_password} < schema.sql\"\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_instance\" \"web\" {\n  user_data = <<-EOT\n    #!/bin/bash\n    echo \"token=${random_password.t.result}\" > /etc/app.conf\n  EOT\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_launch_template\" \"web\" {\n  user_data = base64encode(templatefile(\"init.sh\", {\n    db_password = var.db_password\n    region      = var.region\n  }))\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_instance\" \"web\" {\n  user_data = <<-EOT\n    #!/bin/bash\n    export DB_PASSWORD=\"hunter2-Zq81\"\n    /opt/app\n  EOT\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"google_compute_instance\" \"web\" {\n  metadata = {\n    startup-script = \"run --token ${var.api_token}\"\n  }\n}\n",
        )],
    ],
    good: &[
        &[(
            "main.tf",
            "resource \"terraform_data\" \"m\" {\n  provisioner \"local-exec\" {\n    command     = \"psql -f schema.sql\"\n    environment = { PGPASSWORD = var.db_password }\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_instance\" \"web\" {\n  user_data = <<-EOT\n    #!/bin/bash\n    DB_PASSWORD=$(aws secretsmanager get-secret-value --secret-id ${aws_secretsmanager_secret.db.arn} --query SecretString)\n    export DB_PASSWORD\n  EOT\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_instance\" \"web\" {\n  user_data = templatefile(\"init.sh\", { secret_arn = var.db_password_arn, password_length = 32 })\n}\n",
        )],
    ],
};

/// Attributes, and keys of metadata, that a machine runs.
const SCRIPTS: [&str; 14] = [
    "user_data",
    "user_data_base64",
    "custom_data",
    "metadata_startup_script",
    "startup_script",
    "startup-script",
    "user-data",
    "startup-script-custom",
    "windows-startup-script-ps1",
    "windows-startup-script-cmd",
    "cloud_init",
    "commandToExecute",
    "userdata",
    "init_script",
];

/// Tells whether an attribute is what a machine runs.
pub(super) fn is_script(key: &str) -> bool {
    SCRIPTS.contains(&key)
}

impl Lint for UserData {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    let Some(body) = super::body(document, &[FileKind::Terraform]) else {
        return;
    };
    for block in &body.blocks {
        if matches!(block.kind.as_str(), "resource" | "module" | "data") {
            block.body.each(&mut |parents, attribute| {
                look(block, parents, attribute, document, context);
            });
        }
    }
}

fn look(
    block: &Block,
    parents: &[&Block],
    attribute: &Attribute,
    document: &Document<'_>,
    context: &mut Context<'_>,
) {
    let is_command = parents.last().is_some_and(|parent| {
        parent.kind == "provisioner"
            && matches!(
                (parent.label(0), attribute.key.as_str()),
                ("local-exec", "command") | ("remote-exec", "inline")
            )
    });
    let is_part = block.label(0).ends_with("cloudinit_config")
        && attribute.key == "content"
        && parents.last().is_some_and(|parent| parent.kind == "part");
    let place = if is_command {
        "the command of a provisioner"
    } else {
        "user data"
    };
    let mut scripts = Vec::new();
    if is_command || is_part || is_script(&attribute.key) {
        scripts.push(&attribute.value);
    } else {
        // Metadata of machines; settings of extensions, which are JSON.
        attribute.value.each(&mut |inner| {
            for item in inner.items() {
                if item.key.as_deref().is_some_and(is_script) {
                    scripts.push(&item.value);
                }
            }
        });
        if attribute.key == "protected_settings" {
            return;
        }
    }
    let mut told = Told {
        owner: block.address(),
        place,
        document,
        context,
    };
    for script in scripts {
        told.references(script);
        told.literals(script);
        told.uses(script, !is_command);
    }
}

/// Where faults of one script go.
struct Told<'t, 'd, 'c> {
    owner: String,
    place: &'static str,
    document: &'t Document<'d>,
    context: &'t mut Context<'c>,
}

impl Told<'_, '_, '_> {
    /// Secrets that come from elsewhere in the module.
    fn references(&mut self, script: &Expr) {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for secret in taint::secrets(script) {
            if !seen.insert(secret.source.clone()) {
                continue;
            }
            let message = format!(
                "`{}` is in {} of `{}`",
                secret.source, self.place, self.owner
            );
            let subject = format!("{}.{}", self.owner, secret.source);
            let fault = Fault::new(&META, secret.span, subject, message);
            let severity = literal::eased(META.severity, self.document.path);
            self.context.tell(fault.severity(severity));
        }
    }

    /// Secrets in variables of the shell.
    fn uses(&mut self, script: &Expr, prints_only: bool) {
        script.each(&mut |expr| {
            for seen in script::seen(expr, prints_only) {
                let message = format!(
                    "`{}` {} in {} of `{}`",
                    seen.name, seen.how, self.place, self.owner
                );
                let subject = format!("{}.{}", self.owner, seen.name);
                let fault = Fault::new(&META, seen.span, subject, message);
                let severity = literal::eased(Severity::Medium, self.document.path);
                self.context.tell(fault.severity(severity));
            }
        });
    }

    /// Secrets that stand in the text: `NAME=value` and `name: value`.
    fn literals(&mut self, script: &Expr) {
        let mut found: Vec<(String, Range<usize>, Severity)> = Vec::new();
        script.each(&mut |expr| {
            if !matches!(expr.kind, ExprKind::Text(_) | ExprKind::Template(_)) {
                return;
            }
            let Some(scalar) = expr.filled(&mut |_| "${}".to_owned()) else {
                return;
            };
            for (name, value) in bindings(&scalar.text) {
                let name = scalar.text.get(name).unwrap_or_default();
                let text = scalar.text.get(value.clone()).unwrap_or_default();
                let severity = literal::judge_in(self.document.path, name, text, META.severity);
                if let Some(severity) = severity {
                    found.push((name.to_owned(), scalar.source(value), severity));
                }
            }
        });
        for (name, span, severity) in found {
            let message = format!(
                "`{name}` is a literal secret in {} of `{}`",
                self.place, self.owner
            );
            let subject = format!("{}.{name}", self.owner);
            let fault = Fault::new(&META, span.clone(), subject, message);
            self.context.tell(fault.severity(severity).secret(span));
        }
    }
}

/// Returns the bytes of names and values of the assignments in a script, one a line at most.
fn bindings(script: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let mut out = Vec::new();
    let mut start = 0;
    for line in script.split_inclusive('\n') {
        out.extend(binding(line).map(|(name, value)| {
            (
                start + name.start..start + name.end,
                start + value.start..start + value.end,
            )
        }));
        start += line.len();
    }
    out
}

fn binding(line: &str) -> Option<(Range<usize>, Range<usize>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let at = line.find(['=', ':'])?;
    let before = line.get(..at)?.trim_end();
    let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
    let name = start..before.len();
    if name.is_empty() || !literal::is_secret(before.get(name.clone())?) {
        return None;
    }
    let rest = line.get(at + 1..)?;
    // `:` wants a blank behind it, as YAML does.
    if line.get(at..=at) == Some(":") && !rest.starts_with(' ') {
        return None;
    }
    let mut from = at + 1 + (rest.len() - rest.trim_start().len());
    let value = line.get(from..)?;
    // A command's output, or another variable.
    if value.starts_with(['$', '`']) || value.starts_with("\"$") {
        return None;
    }
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    from += usize::from(quote.is_some());
    let value = line.get(from..)?;
    let end = match quote {
        Some(quote) => value.find(quote)?,
        None => value
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '&' | '|' | ')'))
            .unwrap_or(value.len()),
    };
    Some((name, from..from + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_of_scripts() {
        for (line, want) in [
            ("export DB_PASSWORD=\"x y\"\n", Some("x y")),
            ("DB_PASSWORD='x'; run\n", Some("x")),
            ("DB_PASSWORD=x\r\n", Some("x")),
            ("password: x\n", Some("x")),
            ("echo password=x >> /etc/app\n", Some("x")),
            ("DB_HOST=x\n", None),
            ("DB_PASSWORD=$(cat x)\n", None),
            ("DB_PASSWORD=\"$1\"\n", None),
            ("see password:x\n", None),
            ("=\n", None),
            ("é password=é", Some("é")),
        ] {
            let found = binding(line).map(|(_, value)| &line[value]);
            assert_eq!(found, want, "{line}");
        }
    }
}

//! The bad forms in the ways that people write them, and what their fixes leave.

use crate::{
    model::{BlobPath, DigestKey, Severity},
    policy::{
        FixClass, environment::Environments, fault::Fault, lints::terraform::LINTS, read, wants,
    },
};

fn faults(path: &str, text: &str) -> Vec<Fault> {
    let path = BlobPath::from(path);
    let key = DigestKey::new([7; 32]);
    let kind = wants(&path).unwrap();
    let reading = read(&path, kind, text.as_bytes(), &key, &Environments::default());
    assert_eq!(reading.note, None, "{text}");
    // Other families have their say elsewhere.
    let metas = || LINTS.iter().flat_map(|lint| lint.metas());
    let faults = reading.faults.into_iter();
    faults
        .filter(|fault| metas().any(|meta| meta.id == fault.lint.id))
        .collect()
}

/// Returns what is told at `low` and above: the lint and the text that it points at.
fn told(path: &str, text: &str) -> Vec<(&'static str, String)> {
    let faults = faults(path, text).into_iter();
    let faults = faults.filter(|fault| fault.severity > Severity::Info);
    faults
        .map(|fault| (fault.lint.id, text[fault.span].to_owned()))
        .collect()
}

const LITERALS: &[(&str, &str, &str)] = &[
    (
        "a.tf",
        "tf-variable-default-secret",
        "variable \"db_password\" {\r\n  sensitive = true\r\n  default = \"hunter2-Zq81\"\r\n}\r\n",
    ),
    (
        "a.tf",
        "tf-variable-default-secret",
        "variable \"dbs\" {\n  default = [{ name = \"a\", password = \"hunter2-Zq81\" }]\n}\n",
    ),
    (
        "a.tofu",
        "tf-variable-default-secret",
        "variable \"db\" {\n  default = { \"db_password\" : \"hunter2-Zq81\" }\n}\n",
    ),
    (
        "x.auto.tfvars",
        "tf-tfvars-secret",
        "dbs = { a = { password = \"hunter2-Zq81\" } } # note\n",
    ),
    (
        "terragrunt.hcl",
        "tf-tfvars-secret",
        "inputs = merge(local.x, { db_password = \"hunter2-Zq81\" })\n",
    ),
    (
        "terragrunt.hcl",
        "tf-tfvars-secret",
        "locals {\n  db_password = \"hunter2-Zq81\"\n}\n",
    ),
    (
        "a.tf",
        "tf-provider-static-credentials",
        "provider \"helm\" {\n  kubernetes {\n    password = \"hunter2-Zq81\"\n  }\n}\n",
    ),
    (
        "a.tf",
        "tf-provider-static-credentials",
        "provider \"grafana\" {\n  url  = \"https://grafana.example.org\"\n  auth = \"admin:hunter2-Zq81\"\n}\n",
    ),
    (
        "a.tf",
        "tf-provider-static-credentials",
        "data \"terraform_remote_state\" \"s\" {\n  config = { secret_key = \"hunter2-Zq81\" }\n}\n",
    ),
    (
        "a.tf",
        "tf-plaintext-env-resource",
        "resource \"x\" \"y\" {\n  password = var.p != null ? var.p : \"hunter2-Zq81\"\n}\n",
    ),
    (
        "a.tf",
        "tf-plaintext-env-resource",
        "resource \"x\" \"y\" {\n  url = \"postgres://app:hunter2-Zq81@${var.host}/db\"\n}\n",
    ),
    (
        "a.tf",
        "tf-plaintext-env-resource",
        "resource \"azurerm_linux_web_app\" \"a\" {\n  app_settings = { \"DB_PASSWORD\" = \"hunter2-Zq81\" }\n}\n",
    ),
    (
        "a.tf",
        "tf-plaintext-env-resource",
        "resource \"helm_release\" \"r\" {\n  values = [<<-EOT\n    auth:\n      password: 'hunter2-Zq81'\n  EOT\n  ]\n}\n",
    ),
    (
        "a.tf",
        "tf-plaintext-env-resource",
        "resource \"x\" \"y\" {\n  connection {\n    password = \"hunter2-Zq81\"\n  }\n}\n",
    ),
    (
        "a.tf",
        "tf-plaintext-env-resource",
        "locals {\n  db_password = \"hunter2-Zq81\"\n}\n",
    ),
    (
        "x.pkrvars.hcl",
        "tf-tfvars-secret",
        "ssh_password = \"hunter2-Zq81\"\n",
    ),
];

#[test]
fn values_in_all_styles_are_pointed_at_exactly() {
    const PW: &str = "hunter2-Zq81";
    for (path, id, text) in LITERALS {
        let found = told(path, text);
        let want = if text.contains("postgres://") {
            "postgres://app:hunter2-Zq81@${var.host}/db"
        } else {
            PW
        };
        assert_eq!(found, [(*id, want.to_owned())], "{text}");
    }
}

#[test]
fn scripts_in_all_forms() {
    for (text, want) in [
        (
            "user_data = base64encode(\"x ${var.db_password}\")",
            "${var.db_password}",
        ),
        (
            "user_data = join(\"\\n\", [\"a\", \"x ${local.api_token}\"])",
            "${local.api_token}",
        ),
        (
            "custom_data = templatefile(\"x\", { pw = random_password.p.result })",
            "random_password.p.result",
        ),
        (
            "metadata = { user-data = data.x.y.db_password }",
            "data.x.y.db_password",
        ),
        (
            "settings = jsonencode({ commandToExecute = \"x ${var.db_password}\" })",
            "${var.db_password}",
        ),
        (
            "provisioner \"remote-exec\" {\n    inline = [\"a\", \"x --token=${var.api_token}\"]\n  }",
            "${var.api_token}",
        ),
        (
            "user_data = <<EOF\n#cloud-config\npassword: hunter2-Zq81\nEOF\n",
            "hunter2-Zq81",
        ),
    ] {
        let text = format!("resource \"x\" \"y\" {{\n  {text}\n}}\n");
        assert_eq!(
            told("a.tf", &text),
            [("tf-secret-in-user-data", want.to_owned())],
            "{text}"
        );
    }
}

#[test]
fn what_is_no_secret_is_silent() {
    for text in [
        "resource \"x\" \"y\" {\n  protected_settings = jsonencode({ commandToExecute = \"run ${var.name}\" })\n}\n",
        "resource \"x\" \"y\" {\n  secrets = [\"db-password\", \"api-token\"]\n  kms_key = \"alias/key-2\"\n}\n",
        "resource \"x\" \"y\" {\n  password = file(\"pw.txt\")\n  token_ttl = \"24h\"\n  master_password_length = 32\n}\n",
        "output \"x\" {\n  value = aws_iam_access_key.k.id\n}\noutput \"y\" {\n  value = length(var.api_tokens)\n}\n",
        "provider \"aws\" {\n  access_key = \"test\"\n  secret_key = \"test\"\n}\n",
    ] {
        assert!(
            told("a.tf", text).is_empty(),
            "{text}: {:?}",
            told("a.tf", text)
        );
    }
}

/// Applies all fixes of a text.
fn fixed(path: &str, text: &str) -> String {
    let mut edits: Vec<_> = faults(path, text)
        .into_iter()
        .filter_map(|fault| fault.fix)
        .flat_map(|fix| fix.edits)
        .collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    let mut fixed = text.to_owned();
    for edit in edits {
        fixed.replace_range(edit.span, &edit.text);
    }
    fixed
}

#[test]
fn fixes_mark_what_is_shown() {
    for (text, want) in [
        (
            "variable \"api_token\" {\n    type = string\n}\n",
            "variable \"api_token\" {\n    sensitive = true\n    type      = string\n}\n",
        ),
        (
            "variable \"api_token\" {}\n",
            "variable \"api_token\" {\n  sensitive = true\n}\n",
        ),
        (
            "variable \"api_token\" { type = string }\n",
            "variable \"api_token\" {\n  sensitive = true\n  type      = string\n}\n",
        ),
        (
            "variable \"api_token\" { # why\n}\n",
            "variable \"api_token\" { # why\n  sensitive = true\n}\n",
        ),
        (
            "output \"pw\" {\r\n  value = random_password.p.result\r\n}\r\n",
            "output \"pw\" {\r\n  sensitive = true\r\n  value     = random_password.p.result\r\n}\r\n",
        ),
        (
            "output \"pw\" { value = random_password.p.result }\n",
            "output \"pw\" {\n  sensitive = true\n  value     = random_password.p.result\n}\n",
        ),
        // As `terraform fmt` leaves it: a row ends with a blank line, or a value of several lines.
        (
            "variable \"api_token\" {\n  type        = string\n  description = \"a\"\n\n  nullable = false\n}\n",
            "variable \"api_token\" {\n  sensitive   = true\n  type        = string\n  description = \"a\"\n\n  nullable = false\n}\n",
        ),
        (
            "output \"pw\" {\n  value = join(\"\", [\n    random_password.p.result,\n  ])\n  depends_on = [a.b]\n}\n",
            "output \"pw\" {\n  sensitive = true\n  value     = join(\"\", [\n    random_password.p.result,\n  ])\n  depends_on = [a.b]\n}\n",
        ),
        // What nobody formats stays as it is.
        (
            "variable \"api_token\" {\n  type=string\n}\n",
            "variable \"api_token\" {\n  sensitive = true\n  type=string\n}\n",
        ),
    ] {
        let new = fixed("main.tf", text);
        assert!(faults("main.tf", &new).is_empty(), "{new}");
        assert_eq!(new, want);
    }
}

#[test]
fn fixes_of_all_bad_examples_leave_what_can_be_read() {
    let metas = LINTS.iter().flat_map(|lint| lint.metas());
    for meta in metas.filter(|meta| meta.fix == FixClass::Safe) {
        for (path, text) in meta.bad.iter().copied().flatten() {
            let new = fixed(path, text);
            let left = faults(path, &new);
            assert!(left.iter().all(|fault| fault.fix.is_none()), "{new}");
        }
    }
}

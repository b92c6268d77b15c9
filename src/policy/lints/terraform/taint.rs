//! Which expressions give a secret: variables and locals by name, attributes of resources by name or by table.

use crate::policy::readers::hcl::{Expr, ExprKind};

use super::super::literal;

/// Attributes that hold a secret though their name alone does not tell: type of the resource (its beginning), attribute.
const ATTRIBUTES: [(&str, &str); 24] = [
    ("random_password", "result"),
    ("random_password", "bcrypt_hash"),
    ("tls_private_key", "private_key_pem"),
    ("tls_private_key", "private_key_openssh"),
    ("tls_private_key", "private_key_pem_pkcs8"),
    ("aws_secretsmanager_secret_version", "secret_string"),
    ("aws_secretsmanager_secret_version", "secret_binary"),
    ("aws_secretsmanager_random_password", "random_password"),
    ("aws_iam_access_key", "secret"),
    ("aws_iam_access_key", "ses_smtp_password_v4"),
    ("aws_iam_user_login_profile", "password"),
    ("aws_ecr_authorization_token", "password"),
    ("google_secret_manager_secret_version", "secret_data"),
    ("google_service_account_key", "private_key"),
    ("azurerm_key_vault_secret", "value"),
    ("azurerm_storage_account", "primary_connection_string"),
    ("azurerm_storage_account", "primary_access_key"),
    ("azurerm_storage_account", "secondary_access_key"),
    ("azurerm_kubernetes_cluster", "kube_config_raw"),
    ("azurerm_kubernetes_cluster", "kube_admin_config_raw"),
    ("azuread_application_password", "value"),
    ("vault_generic_secret", "data"),
    ("vault_kv_secret_v2", "data"),
    ("digitalocean_kubernetes_cluster", "kube_config"),
];

/// Functions whose result tells nothing of what they are given, or not the secret.
const CLEANERS: [&str; 16] = [
    "length",
    "sha256",
    "sha512",
    "sha1",
    "md5",
    "bcrypt",
    "base64sha256",
    "base64sha512",
    "filesha256",
    "can",
    "issensitive",
    "contains",
    "keys",
    "startswith",
    "endswith",
    "uuidv5",
];

/// What an expression gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taint {
    /// The address of the secret: `var.db_password`, `random_password.p.result`.
    pub(super) source: String,
    /// Its bytes.
    pub(super) span: std::ops::Range<usize>,
    /// Whether `nonsensitive()` takes its mark away.
    pub(super) unmarked: bool,
}

/// Returns the secrets that an expression gives, in the order of the text.
pub(super) fn secrets(expr: &Expr) -> Vec<Taint> {
    let mut out = Vec::new();
    walk(expr, false, &address, &mut out);
    out
}

/// Returns the locals that an expression gives as they are, with their names as sources.
pub(super) fn locals(expr: &Expr) -> Vec<Taint> {
    let mut out = Vec::new();
    let name = |names: &[String]| match names {
        [local, name] if local == "local" => Some(name.clone()),
        [local, name, index] if local == "local" && index == "[]" => Some(name.clone()),
        _ => None,
    };
    walk(expr, false, &name, &mut out);
    out
}

fn walk(
    expr: &Expr,
    unmarked: bool,
    address: &dyn Fn(&[String]) -> Option<String>,
    out: &mut Vec<Taint>,
) {
    match &expr.kind {
        ExprKind::Reference(names) => {
            if let Some(source) = address(names) {
                out.push(Taint {
                    source,
                    span: expr.span.clone(),
                    unmarked,
                });
            }
        }
        // Of several fields that a secret holds the name tells which are secret too.
        ExprKind::Access(_, fields) if fields.last().is_some_and(|field| is_harmless(field)) => {}
        ExprKind::Call(name, _) if CLEANERS.contains(&name.as_str()) => {}
        ExprKind::Call(name, arguments) => {
            for argument in arguments {
                walk(argument, unmarked || name == "nonsensitive", address, out);
            }
        }
        ExprKind::Conditional(three) => {
            for branch in three.iter().skip(1) {
                walk(branch, unmarked, address, out);
            }
        }
        ExprKind::Operation(_) => {}
        _ => {
            for child in expr.children() {
                walk(child, unmarked, address, out);
            }
        }
    }
}

/// Returns what a reference is called if it is that of a secret.
fn address(names: &[String]) -> Option<String> {
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let is_secret = match all[..] {
        ["var" | "local", name] => literal::is_secret(name) && !is_bare(name),
        ["var" | "local", name, .., last] => {
            literal::is_secret(last) && !is_bare(last) || literal::is_secret(name) && last == "[]"
        }
        ["module", _, .., last] => literal::is_secret(last) && !is_bare(last),
        [
            "each" | "self" | "path" | "terraform" | "count" | "dependency" | "include",
            ..,
        ] => false,
        ["data" | "ephemeral", kind, _, ref fields @ ..] | [kind, _, ref fields @ ..] => {
            is_attribute(kind, fields)
        }
        _ => false,
    };
    is_secret.then(|| all.join("."))
}

fn is_attribute(kind: &str, fields: &[&str]) -> bool {
    let named = fields.iter().find(|field| **field != "[]");
    let Some(last) = fields.iter().rfind(|field| **field != "[]") else {
        return false;
    };
    let in_table = ATTRIBUTES
        .iter()
        .any(|(of, field)| kind == *of && named.is_some_and(|named| named == field));
    if last.starts_with("encrypted_") {
        return false;
    }
    // A map of several: `data["username"]`.
    in_table && (named == Some(last) || !is_harmless(last))
        || literal::is_secret(last) && !is_bare(last)
}

/// Names that are as often those of a thing about secrets.
fn is_bare(name: &str) -> bool {
    matches!(name, "secret" | "secrets" | "credentials" | "tokens")
}

/// Fields of a secret that are none themselves.
fn is_harmless(field: &str) -> bool {
    [
        "username", "user", "host", "hostname", "port", "engine", "dbname", "database", "region",
        "email", "name",
    ]
    .contains(&field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::readers::hcl;

    fn sources(value: &str) -> Vec<String> {
        let body = hcl::read(&format!("a = {value}\n")).unwrap();
        let found = secrets(&body.get("a").unwrap().value);
        found.into_iter().map(|it| it.source).collect()
    }

    #[test]
    fn what_gives_a_secret() {
        for (value, want) in [
            ("var.db_password", "var.db_password"),
            ("\"x ${var.db_password}\"", "var.db_password"),
            ("random_password.p.result", "random_password.p.result"),
            ("random_password.p[0].result", "random_password.p.[].result"),
            (
                "data.aws_secretsmanager_secret_version.s.secret_string",
                "data.aws_secretsmanager_secret_version.s.secret_string",
            ),
            (
                "jsondecode(data.aws_secretsmanager_secret_version.s.secret_string)[\"password\"]",
                "data.aws_secretsmanager_secret_version.s.secret_string",
            ),
            ("aws_db_instance.db.password", "aws_db_instance.db.password"),
            ("module.db.master_password", "module.db.master_password"),
            ("[for k in var.api_keys : k]", ""),
            ("{ a = { b = local.api_token } }", "local.api_token"),
            ("var.on ? var.db_password : null", "var.db_password"),
            (
                "data.vault_kv_secret_v2.s.data[\"password\"]",
                "data.vault_kv_secret_v2.s.data.password",
            ),
        ] {
            let want: Vec<String> = (!want.is_empty())
                .then(|| want.to_owned())
                .into_iter()
                .collect();
            assert_eq!(sources(value), want, "{value}");
        }
    }

    #[test]
    fn what_gives_none() {
        for value in [
            "var.name",
            "length(var.db_password)",
            "sha256(var.db_password)",
            "var.db_password != \"\"",
            "var.db_password == null ? 1 : 0",
            "aws_secretsmanager_secret.s.arn",
            "aws_iam_access_key.k.encrypted_secret",
            "aws_secretsmanager_secret.s.id",
            "module.db.secret_arn",
            "jsondecode(data.aws_secretsmanager_secret_version.s.secret_string)[\"username\"]",
            "data.vault_kv_secret_v2.s.data[\"username\"]",
            "var.secrets",
            "each.value.password_name",
        ] {
            assert!(sources(value).is_empty(), "{value}: {:?}", sources(value));
        }
    }
}

//! `tf-provider-static-credentials`: credentials in a provider's or backend's block.

use super::{
    super::{
        super::{
            FileKind, FixClass, Persona,
            fault::Fault,
            lint::{Context, Document, Lint, LintMeta},
            readers::hcl::{Attribute, Block, Expr, ExprKind},
            values::Strength,
        },
        literal::{self, Literal, Names},
    },
    literals, taint,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Provider;

const META: LintMeta = LintMeta {
    id: "tf-provider-static-credentials",
    title: "A provider or backend has literal or long-lived credentials",
    tool: "Terraform",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "OWASP Non-Human Identities Top 10 2025, NHI2 Secret Leakage and NHI7 Long-Lived Secrets",
        "HashiCorp, AWS provider: Authentication and Configuration",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "These credentials may create and destroy what the module manages. In the repository they are with everybody who can read it; as long-lived keys they stay valid when they leak.",
    help: "Let the provider take its identity from where it runs: `assume_role_with_web_identity` or OIDC in pipelines, the environment or a role elsewhere. Rotate what was committed.",
    bad: &[
        &[(
            "cdk.tf.json",
            "{\"provider\": {\"postgresql\": [{\"password\": \"hunter2-Zq81\"}]}}",
        )],
        &[(
            "main.tf",
            "provider \"aws\" {\n  region     = \"eu-west-1\"\n  secret_key = \"Vx7kQ2mR9tLp\"\n}\n",
        )],
        &[(
            "main.tf",
            "terraform {\n  backend \"s3\" {\n    bucket     = \"state\"\n    secret_key = \"Vx7kQ2mR9tLp\"\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "provider \"postgresql\" {\n  host     = \"db\"\n  password = \"hunter2-Zq81\"\n}\n",
        )],
        &[(
            "main.tf",
            "provider \"azurerm\" {\n  features {}\n  client_secret = var.client_secret\n}\n",
        )],
    ],
    good: &[
        &[(
            "main.tf",
            "provider \"aws\" {\n  region = \"eu-west-1\"\n  assume_role_with_web_identity {\n    role_arn                = var.role_arn\n    web_identity_token_file = \"/var/run/token\"\n  }\n}\n",
        )],
        // A local stand-in for AWS takes any key.
        &[(
            "main.tf",
            "provider \"aws\" {\n  access_key                  = \"mock_access_key\"\n  secret_key                  = \"mock-secret-Zq81\"\n  skip_credentials_validation = true\n  endpoints {\n    s3 = \"http://localhost:4566\"\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "provider \"postgresql\" {\n  host     = \"db\"\n  password = data.aws_secretsmanager_secret_version.db.secret_string\n}\nprovider \"cloudflare\" {\n  api_token = var.cloudflare_api_token\n}\n",
        )],
    ],
};

/// Arguments that take a long-lived key where the provider could take its identity from where it runs.
const STATIC: [(&str, &str); 12] = [
    ("aws", "secret_key"),
    ("azurerm", "client_secret"),
    ("azurerm", "client_certificate_password"),
    ("azuread", "client_secret"),
    ("azapi", "client_secret"),
    ("google", "credentials"),
    ("google", "access_token"),
    ("google-beta", "credentials"),
    ("alicloud", "secret_key"),
    ("oci", "private_key"),
    ("oci", "private_key_password"),
    ("ibm", "ibmcloud_api_key"),
];

impl Lint for Provider {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    for part in ["provider", "terraform"] {
        let node = super::json(document).and_then(|tree| tree.get(part));
        let Some(node) = node else { continue };
        literal::each(&Names::root(part), node, None, &mut |it| {
            literal_fault("", it, document, context)
        });
    }
    let kinds = [FileKind::Terraform, FileKind::Hcl];
    let Some(body) = super::body(document, &kinds) else {
        return;
    };
    for block in &body.blocks {
        let is_ours = match block.kind.as_str() {
            "provider" => !is_stand_in(block),
            "terraform" | "remote_state" => true,
            "data" => block.label(0) == "terraform_remote_state",
            _ => false,
        };
        if is_ours {
            look(block, document, context);
        }
    }
}

fn look(block: &Block, document: &Document<'_>, context: &mut Context<'_>) {
    let owner = owner(block);
    block.body.each(&mut |_, attribute| {
        if block.kind == "provider" && told_static(block, attribute, document, context) {
            return;
        }
        let is_login = block.kind == "provider" && is_login(block.label(0), &attribute.key);
        literals::each(&attribute.key, &attribute.value, &mut |it| match is_login {
            true => login(&owner, &it, document, context),
            false => literal_fault(&owner, it, document, context),
        });
    });
}

/// Tells whether an argument takes `user:password` or a token.
fn is_login(provider: &str, argument: &str) -> bool {
    (provider, argument) == ("grafana", "auth")
}

/// `auth = "admin:password"`.
fn login(owner: &str, it: &Literal, document: &Document<'_>, context: &mut Context<'_>) {
    let start = it.value.find(':').map_or(0, |at| at + 1);
    let secret = it.value.get(start..).unwrap_or_default();
    let Some(severity) = literal::judge_place_in(document.path, secret, Severity::Critical) else {
        return;
    };
    // Of a text with escapes the whole is told.
    let span = if it.span.len() == it.value.len() {
        it.span.start + start..it.span.end
    } else {
        it.span.clone()
    };
    let subject = format!("{owner}.{}", it.path);
    let message = format!("`{subject}` is a literal secret");
    let fault = Fault::new(&META, span.clone(), subject, message);
    context.tell(fault.severity(severity).secret(span));
}

fn literal_fault(owner: &str, it: Literal, document: &Document<'_>, context: &mut Context<'_>) {
    let Some(severity) = it.judge(document.path, Severity::Critical) else {
        return;
    };
    let subject = match owner {
        "" => it.path,
        owner => format!("{owner}.{}", it.path),
    };
    let message = format!("`{subject}` is a literal secret");
    let fault = Fault::new(&META, it.span.clone(), subject, message);
    context.tell(fault.severity(severity).secret(it.span));
}

/// Tells a key that comes from a variable or a file, where none is needed.
fn told_static(
    block: &Block,
    attribute: &Attribute,
    document: &Document<'_>,
    context: &mut Context<'_>,
) -> bool {
    let here = (block.label(0), attribute.key.as_str());
    if !STATIC.contains(&here) {
        return false;
    }
    let how = match &attribute.value.kind {
        ExprKind::Reference(names) if matches!(names.first().map(String::as_str), Some("var")) => {
            "a variable"
        }
        ExprKind::Call(name, arguments) if name == "file" && !is_filled(arguments) => "a file",
        _ if !taint::secrets(&attribute.value).is_empty() => return true,
        _ => return false,
    };
    let owner = owner(block);
    let subject = format!("{owner}.{}", attribute.key);
    let message = format!(
        "`{}` of `{owner}` is a long-lived key from {how}: the provider can use the identity of where it runs",
        attribute.key
    );
    let fault = Fault::new(&META, attribute.value.span.clone(), subject, message);
    let severity = literal::eased(Severity::Low, document.path);
    context.tell(fault.severity(severity));
    true
}

/// The path of a token that the platform writes is no long-lived key.
fn is_filled(arguments: &[Expr]) -> bool {
    let path = arguments.first().and_then(Expr::text);
    path.is_some_and(|path| path.text.starts_with("/var/run/"))
}

fn owner(block: &Block) -> String {
    if block.kind == "terraform" {
        let mut inner = block.body.blocks.iter();
        let inner = inner.find(|it| matches!(it.kind.as_str(), "backend" | "cloud" | "encryption"));
        return inner.map_or_else(|| block.address(), Block::address);
    }
    block.address()
}

/// Tells whether a provider talks to a stand-in on this machine, which takes any key.
fn is_stand_in(block: &Block) -> bool {
    const HOSTS: [&str; 6] = [
        "localhost",
        "127.0.0.1",
        "localstack",
        "moto",
        "minio",
        "host.docker.internal",
    ];
    let mut is_local = false;
    let mut skips = false;
    let mut is_random = false;
    block.body.each(&mut |_, attribute| {
        skips |= attribute.key.starts_with("skip_credentials_validation")
            && matches!(attribute.value.kind, ExprKind::Bool(true));
        literals::each(&attribute.key, &attribute.value, &mut |it| {
            is_local |= HOSTS.iter().any(|host| it.value.contains(host));
            is_random |= literal::is_secret(&it.name)
                && literal::strength(&it.value) == Some(Strength::Random);
        });
    });
    is_local || skips && !is_random
}

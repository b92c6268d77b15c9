//! `tf-plaintext-env-resource`: a literal in what a resource, module or local is made of.

use super::{
    super::{
        super::{
            FileKind, FixClass, Persona,
            fault::Fault,
            lint::{Context, Document, Lint, LintMeta},
            readers::hcl::{Attribute, Block, Body, ExprKind},
            values::Strength,
        },
        literal::{self, Literal, Names},
    },
    literals, userdata,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Resource;

const META: LintMeta = LintMeta {
    id: "tf-plaintext-env-resource",
    title: "A resource has a literal secret in its environment or arguments",
    tool: "Terraform",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "OWASP Non-Human Identities Top 10 2025, NHI2 Secret Leakage",
        "AWS, Lambda developer guide: Securing environment variables",
        "CIS Kubernetes Benchmark, 5.4.1 (prefer secrets as files over environment variables)",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "The value is in the repository, in the state, and in the settings of the resource, where everybody who may look at it in the console can read it.",
    help: "Hand over the address of the secret: `secrets` with `valueFrom` for ECS, `value_source.secret_key_ref` for Cloud Run, a Key Vault reference for App Service; elsewhere a data source or a write-only argument. Rotate what was committed.",
    bad: &[
        &[(
            "main.tf",
            "resource \"aws_lambda_function\" \"f\" {\n  environment {\n    variables = {\n      DB_PASSWORD = \"hunter2-Zq81\"\n    }\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_ecs_task_definition\" \"t\" {\n  container_definitions = jsonencode([{\n    environment = [{ name = \"DB_PASSWORD\", value = \"hunter2-Zq81\" }]\n  }])\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_ecs_task_definition\" \"t\" {\n  container_definitions = <<EOF\n[{\"name\": \"app\", \"environment\": [{\"name\": \"DB_PASSWORD\", \"value\": \"hunter2-Zq81\"}], \"cpu\": ${var.cpu}}]\nEOF\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"google_cloud_run_v2_service\" \"s\" {\n  template {\n    containers {\n      env {\n        name  = \"DB_PASSWORD\"\n        value = \"hunter2-Zq81\"\n      }\n    }\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"kubernetes_secret\" \"s\" {\n  data = {\n    pin = \"Vx7kQ2mR9tLp4wZs\"\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_ssm_parameter\" \"p\" {\n  name  = \"/prod/db\"\n  type  = \"SecureString\"\n  value = \"hunter2-Zq81\"\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_ssm_parameter\" \"p\" {\n  name  = \"/prod/db/password\"\n  type  = \"String\"\n  value = \"hunter2-Zq81\"\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_lambda_function\" \"f\" {\n  environment {\n    variables = {\n      STRIPE_KEY = \"q8Zr2Lw9Xk4Tn7Vb1Mc6\"\n    }\n  }\n}\n",
        )],
        &[(
            "job.nomad.hcl",
            "job \"app\" {\n  group \"g\" {\n    task \"t\" {\n      env {\n        DB_PASSWORD = \"hunter2-Zq81\"\n      }\n    }\n  }\n}\n",
        )],
        &[(
            "cdk.tf.json",
            "{\"resource\": {\"aws_db_instance\": {\"db\": {\"password\": \"hunter2-Zq81\"}}}}",
        )],
        &[(
            "main.tf",
            "module \"db\" {\n  source          = \"./db\"\n  master_password = \"hunter2-Zq81\"\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"helm_release\" \"r\" {\n  set {\n    name  = \"auth.password\"\n    value = \"hunter2-Zq81\"\n  }\n}\n",
        )],
    ],
    good: &[
        &[(
            "main.tf",
            "resource \"aws_ecs_task_definition\" \"t\" {\n  container_definitions = jsonencode([{\n    environment = [{ name = \"DB_HOST\", value = \"db\" }]\n    secrets     = [{ name = \"DB_PASSWORD\", valueFrom = \"arn:aws:secretsmanager:eu-west-1:1:secret:db\" }]\n  }])\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"google_cloud_run_v2_service\" \"s\" {\n  template {\n    containers {\n      env {\n        name = \"DB_PASSWORD\"\n        value_source {\n          secret_key_ref {\n            secret  = \"prod-db-Password1\"\n            version = \"latest\"\n          }\n        }\n      }\n    }\n  }\n}\n",
        )],
        // The values of an app's settings may be addresses in a store.
        &[(
            "main.tf",
            "resource \"azurerm_linux_web_app\" \"a\" {\n  app_settings = {\n    DB_PASSWORD = \"@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/db)\"\n    API_TOKEN   = var.api_token\n  }\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"aws_db_instance\" \"d\" {\n  username                    = \"app\"\n  manage_master_user_password = true\n}\nresource \"aws_ssm_parameter\" \"p\" {\n  name  = \"/prod/size\"\n  type  = \"String\"\n  value = \"db.t3.large\"\n}\nresource \"aws_kms_alias\" \"k\" {\n  encryption_key = \"alias/app-key-2\"\n}\n",
        )],
        &[(
            "main.tf",
            "resource \"kubernetes_secret\" \"s\" {\n  metadata {\n    name = \"app-credentials\"\n  }\n  data = {\n    username = \"app\"\n    password = random_password.db.result\n  }\n}\n",
        )],
    ],
};

/// Resources whose argument is a secret whatever its name.
const HOLDERS: [(&str, &str); 22] = [
    ("kubernetes_secret", "data"),
    ("kubernetes_secret", "binary_data"),
    ("kubernetes_secret_v1", "data"),
    ("kubernetes_secret_v1", "binary_data"),
    ("azurerm_key_vault_secret", "value"),
    ("google_secret_manager_secret_version", "secret_data"),
    ("aws_secretsmanager_secret_version", "secret_string"),
    ("github_actions_secret", "plaintext_value"),
    ("github_actions_secret", "value"),
    ("github_actions_environment_secret", "plaintext_value"),
    ("github_actions_organization_secret", "plaintext_value"),
    ("github_dependabot_secret", "plaintext_value"),
    ("vault_generic_secret", "data_json"),
    ("vault_kv_secret", "data_json"),
    ("vault_kv_secret_v2", "data_json"),
    ("doppler_secret", "value"),
    ("cloudflare_workers_secret", "secret_text"),
    ("cloudflare_worker_secret", "secret_text"),
    ("scaleway_secret_version", "data"),
    ("oci_vault_secret", "content"),
    ("consul_acl_token_policy", "token"),
    ("tfe_workspace_variable", "value"),
];

/// Blocks that name a secret instead of holding it.
const NAMING: [&str; 12] = [
    "secret_key_ref",
    "secret_ref",
    "secret_environment_variables",
    "secret_volumes",
    "value_from",
    "value_source",
    "volume",
    "volumes",
    "secrets",
    "secret",
    "lifecycle",
    "validation",
];

impl Lint for Resource {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    for part in ["resource", "module", "locals", "data", "ephemeral"] {
        let node = super::json(document).and_then(|tree| tree.get(part));
        let Some(node) = node else { continue };
        literal::each(&Names::root(part), node, None, &mut |it| {
            let severity = it.judge(document.path, META.severity);
            let Some(severity) = severity else { return };
            let message = format!("`{}` is a literal secret", it.path);
            let fault = Fault::new(&META, it.span.clone(), it.path, message);
            context.tell(fault.severity(severity).secret(it.span));
        });
    }
    let Some(body) = super::body(document, &[FileKind::Terraform, FileKind::Hcl]) else {
        return;
    };
    for block in &body.blocks {
        let is_ours = match block.kind.as_str() {
            "resource" | "module" | "ephemeral" => true,
            "locals" => document.kind == FileKind::Terraform,
            "data" => block.label(0) != "terraform_remote_state",
            // These have lints of their own.
            "variable" | "provider" | "terraform" | "remote_state" | "output" => false,
            // Builders of Packer, jobs of Nomad, settings of Vault and Consul.
            _ => document.kind == FileKind::Hcl,
        };
        if is_ours {
            look(block, document, context);
        }
    }
}

fn look(block: &Block, document: &Document<'_>, context: &mut Context<'_>) {
    let mut tell = |it: &Literal, severity: Severity, parents: &str| {
        let owner = block.address();
        let subject = format!("{owner}.{parents}{}", it.path);
        let message = format!("`{}` of `{owner}` is a literal secret", it.path);
        let fault = Fault::new(&META, it.span.clone(), subject, message);
        context.tell(fault.severity(severity).secret(it.span.clone()));
    };
    pairs(&block.body, &mut |name, attribute| {
        literals::each(name, &attribute.value, &mut |it| {
            let severity = it.judge(document.path, META.severity);
            if let Some(severity) = severity {
                tell(&it, severity, "");
            }
        });
    });
    block.body.each(&mut |parents, attribute| {
        let names_only = parents
            .iter()
            .any(|parent| NAMING.contains(&parent.kind.as_str()));
        if names_only || userdata::is_script(&attribute.key) {
            return;
        }
        literals::each(&attribute.key, &attribute.value, &mut |it| {
            if let Some(severity) =
                severity(block, attribute, parents.is_empty(), &it, document.path)
            {
                let kinds = parents.iter().map(|parent| literal::clip(&parent.kind));
                let prefix: String = kinds.map(|kind| format!("{kind}.")).collect();
                tell(&it, severity, &prefix);
            }
        });
    });
}

fn severity(
    block: &Block,
    attribute: &Attribute,
    is_own: bool,
    it: &Literal,
    path: &str,
) -> Option<Severity> {
    let here = (block.label(0), attribute.key.as_str());
    let is_holder = is_own
        && block.kind == "resource"
        && (HOLDERS.contains(&here) || is_secure(block, attribute));
    if is_holder && it.path != attribute.key && !literal::is_secret(&it.name) {
        // Beside the password stand the user and the host.
        let is_random = literal::strength(&it.value) == Some(Strength::Random);
        return is_random
            .then(|| literal::judge_place_in(path, &it.value, META.severity))
            .flatten();
    }
    if is_holder {
        return literal::judge_place_in(path, &it.value, META.severity);
    }
    it.judge(path, META.severity)
}

/// Tells whether the attribute is the value of a parameter that is encrypted or has the name of a secret, or of a variable that is marked as sensitive.
fn is_secure(block: &Block, attribute: &Attribute) -> bool {
    let is_text = |key: &str, want: &str| {
        let value = block.body.get(key).and_then(|it| it.value.text());
        value.is_some_and(|value| value.text == want)
    };
    let is_true = |key: &str| {
        let value = block.body.get(key).map(|it| &it.value.kind);
        matches!(value, Some(ExprKind::Bool(true)))
    };
    // A parameter of type `String` is not even encrypted; its name is a path.
    let names_secret = |key: &str| {
        let value = block.body.get(key).and_then(|it| it.value.text());
        let last = value.and_then(|value| value.text.rsplit('/').next());
        last.is_some_and(literal::is_secret)
    };
    attribute.key == "value"
        && match block.label(0) {
            "aws_ssm_parameter" => is_text("type", "SecureString") || names_secret("name"),
            "tfe_variable" => is_true("sensitive"),
            "gitlab_project_variable" | "gitlab_group_variable" => is_true("masked"),
            _ => false,
        }
}

/// Calls `f` with the value of each block that is a pair of a name and a value.
fn pairs(body: &Body, f: &mut dyn FnMut(&str, &Attribute)) {
    for block in &body.blocks {
        let name = block.body.get("name").and_then(|it| it.value.text());
        if let (Some(name), Some(value)) = (name, block.body.get("value")) {
            f(&name.text, value);
        }
        pairs(&block.body, f);
    }
}

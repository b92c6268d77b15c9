//! `serverless-plaintext-env`: a secret in the settings of a platform that runs functions, apps or workers.

use super::super::{
    super::{
        FileKind, FixClass, Persona,
        fault::Fault,
        lint::{Context, Document, Lint, LintMeta},
        node::Node,
    },
    literal::{self, Literal, Names},
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Serverless;

const META: LintMeta = LintMeta {
    id: "serverless-plaintext-env",
    title: "The settings of a platform hold a secret in clear",
    tool: "Serverless Framework, Cloudflare, Vercel, App Engine, Fly.io, Render and Netlify",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "OWASP Non-Human Identities Top 10 2025, NHI2 Secret Leakage",
        "Serverless Framework, Variables: references to AWS SSM and Secrets Manager",
        "Cloudflare, Workers: Secrets",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "The value is in the repository, and in the settings of what is deployed, where everybody who may look at it can read it.",
    help: "Keep it in the platform's own secrets (`wrangler secret put`, `fly secrets set`, `sync: false` for Render) or fetch it from the store when the code runs. Rotate what was committed.",
    bad: &[
        &[(
            "serverless.yml",
            "service: app\nprovider:\n  name: aws\n  environment:\n    DB_PASSWORD: hunter2-Zq81\n",
        )],
        &[(
            "serverless.yml",
            "service: app\nprovider: {name: aws}\nfunctions:\n  hello:\n    handler: a.b\n    environment:\n      API_TOKEN: \"Vx7kQ2mR9tLp\"\n",
        )],
        &[(
            "serverless.yml",
            "service: app\nprovider:\n  name: aws\n  environment:\n    DB_PASSWORD: ${env:DB_PASSWORD}\n",
        )],
        &[(
            "wrangler.toml",
            "name = \"app\"\n[vars]\nAPI_TOKEN = \"hunter2-Zq81\"\n",
        )],
        &[(
            "vercel.json",
            "{\"env\": {\"API_TOKEN\": \"hunter2-Zq81\"}}",
        )],
        &[(
            "app.yaml",
            "runtime: python312\nenv_variables:\n  DB_PASSWORD: hunter2-Zq81\n",
        )],
        &[(
            "fly.toml",
            "app = \"app\"\n[env]\n  DATABASE_URL = \"postgres://app:hunter2-Zq81@db/app\"\n",
        )],
        &[(
            "render.yaml",
            "services:\n  - type: web\n    name: app\n    envVars:\n      - key: API_TOKEN\n        value: hunter2-Zq81\n",
        )],
        &[(
            "netlify.toml",
            "[build.environment]\n  API_TOKEN = \"hunter2-Zq81\"\n",
        )],
        &[(
            "samconfig.toml",
            "version = 0.1\n[default.deploy.parameters]\nstack_name = \"app\"\nparameter_overrides = \"Stage=\\\"prod\\\" DbPassword=\\\"hunter2-Zq81\\\"\"\n",
        )],
    ],
    good: &[
        &[(
            "serverless.yml",
            "service: app\nprovider:\n  name: aws\n  environment:\n    DB_PASSWORD_PATH: /prod/db\n    STAGE: ${sls:stage}\n",
        )],
        &[(
            "wrangler.toml",
            "name = \"app\"\naccount_id = \"f3b1c0d9e8a7f6b5c4d3e2f1a0b9c8d7\"\n[vars]\nAPI_TOKEN_URL = \"https://example.org/token\"\n",
        )],
        &[(
            "render.yaml",
            "services:\n  - type: web\n    name: app\n    envVars:\n      - key: API_TOKEN\n        sync: false\n      - key: SECRET_KEY\n        generateValue: true\n",
        )],
        // The old form of addresses in Vercel's own store.
        &[(
            "vercel.json",
            "{\"env\": {\"API_TOKEN\": \"@api-token-2\"}}",
        )],
        &[(
            "samconfig.toml",
            "version = 0.1\n[default.deploy.parameters]\nparameter_overrides = \"Stage=prod DbPasswordArn=x\"\n",
        )],
    ],
};

impl Lint for Serverless {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    if document.kind != FileKind::Serverless {
        return;
    }
    for tree in document.trees() {
        for entry in tree.entries() {
            // Stacks of CloudFormation have lints of their own.
            if entry.key != "resources" {
                let mut found = Vec::new();
                literal::each(&Names::root(&entry.key), &entry.value, None, &mut |it| {
                    found.push(it);
                });
                for it in found {
                    look(it, document, context);
                }
                overrides(&entry.value, document, context);
            }
        }
    }
}

fn look(it: Literal, document: &Document<'_>, context: &mut Context<'_>) {
    if it.value.starts_with('@') {
        return;
    }
    if let Some(from) = baked(&it) {
        let message = format!(
            "`{}` is read from {from} when the app is deployed, and can be read in its settings from then on",
            it.path
        );
        let fault = Fault::new(&META, it.span, it.path, message);
        context.tell(fault.severity(Severity::Info).persona(Persona::Pedantic));
        return;
    }
    super::tell(&META, it, document, context);
}

/// Returns where a secret comes from that the deployment writes into the environment in clear.
fn baked(it: &Literal) -> Option<&'static str> {
    let is_environment = it.path.split('.').any(|key| key == "environment");
    if !is_environment || !literal::is_secret(&it.name) {
        return None;
    }
    let value = it.value.trim();
    [
        ("${env:", "the environment"),
        ("${ssm:", "the parameter store"),
        ("${aws:ssm", "the parameter store"),
    ]
    .into_iter()
    .find(|(start, _)| value.starts_with(start))
    .map(|(_, from)| from)
}

/// Parameters of a stack on one line: `parameter_overrides = "A=x B=y"`, or a list of such.
fn overrides(node: &Node, document: &Document<'_>, context: &mut Context<'_>) {
    for entry in node.entries() {
        if entry.key != "parameter_overrides" {
            overrides(&entry.value, document, context);
            continue;
        }
        let texts = std::iter::once(&entry.value).chain(entry.value.items());
        for scalar in texts.filter_map(Node::scalar) {
            for (name, value) in super::ansible::words(&scalar.text) {
                let name = scalar.text.get(name).unwrap_or_default();
                let text = scalar.text.get(value.clone()).unwrap_or_default();
                let it = Names::root(name).literal(text.to_owned(), scalar.source(value));
                super::tell(&META, it, document, context);
            }
        }
    }
}

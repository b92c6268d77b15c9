//! Reuse across environments and services (POLICY.md section 3, rules 85 to 90). `reuse` does the work; here is what is told of it.

use crate::model::{Confidence, Severity};

use super::super::{
    fault::{CrossFault, Edit, Fault, Fix, FixClass},
    lint::{Context, Document, Index, Lint, LintMeta, Persona},
    node::Node,
    reuse,
};

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&Reuse];

const ISOLATION: &str = "OWASP Non-Human Identities Top 10 2025: NHI8 Environment Isolation";
const SHARING: &str = "OWASP Non-Human Identities Top 10 2025: NHI9 NHI Reuse";
const CICD: &str = "OWASP Top 10 CI/CD Security Risks: CICD-SEC-6 Insufficient Credential Hygiene";
const CHEAT: &str =
    "OWASP Secrets Management Cheat Sheet: 3.6 Different secrets for each environment";

static SERVICES: LintMeta = LintMeta {
    id: "secret-reuse-services",
    title: "One secret serves several services or keys",
    tool: "any",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[SHARING, CICD],
    cwe: 1392,
    fix: FixClass::None,
    why: "Whoever takes one of the services has the others too, and nobody can rotate the secret without breaking all of them.",
    help: "Give each service a credential of its own, with no more rights than it needs.",
    bad: &[&[
        ("api/package.json", "{\"name\": \"api\"}\n"),
        ("api/.env", "SMTP_PASSWORD=Vx7kQ2mR9tLp\n"),
        ("billing/package.json", "{\"name\": \"billing\"}\n"),
        ("billing/.env", "SMTP_PASSWORD=Vx7kQ2mR9tLp\n"),
    ]],
    good: &[
        &[
            ("api/package.json", "{\"name\": \"api\"}\n"),
            ("api/.env", "SMTP_PASSWORD=${API_SMTP_PASSWORD}\n"),
            ("billing/package.json", "{\"name\": \"billing\"}\n"),
            ("billing/.env", "SMTP_PASSWORD=${BILLING_SMTP_PASSWORD}\n"),
        ],
        // Which secrets a service of compose gets, by their names.
        &[(
            "compose.yml",
            "services:\n  a:\n    image: acme/a:1\n    secrets: [shop__db_pw7]\n  b:\n    image: acme/b:1\n    secrets: [shop__db_pw7]\nsecrets:\n  shop__db_pw7:\n    environment: SHOP_DB\n",
        )],
        // Words that people read.
        &[
            ("api/package.json", "{\"name\": \"api\"}\n"),
            (
                "api/Localization/Source/Shop-xx.xml",
                "<dictionary><texts><text name=\"Smtp_Password\" value=\"Kontra-sign7\" /></texts></dictionary>\n",
            ),
            ("billing/package.json", "{\"name\": \"billing\"}\n"),
            (
                "billing/Localization/Shop-xx.xml",
                "<dictionary><texts><text name=\"Password\" value=\"Kontra-sign7\" /></texts></dictionary>\n",
            ),
        ],
        // Tests' data are nobody's.
        &[
            ("api/package.json", "{\"name\": \"api\"}\n"),
            (
                "api/tests/fixtures/settings.json",
                "{\"smtp\": {\"password\": \"changeme-api\"}}\n",
            ),
            ("billing/package.json", "{\"name\": \"billing\"}\n"),
            (
                "billing/tests/fixtures/settings.json",
                "{\"smtp\": {\"password\": \"changeme-api\"}}\n",
            ),
        ],
    ],
};

static EXACT: LintMeta = LintMeta {
    id: "xenv-reuse-exact",
    title: "Two environments use the same secret",
    tool: "any",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[ISOLATION, CICD, CHEAT],
    cwe: 1392,
    fix: FixClass::None,
    why: "Development and tests are guarded less than production: whoever reads the secret there has production.",
    help: "Give each environment a secret of its own, or a reference to a store path of its own, and rotate the one that is shared.",
    bad: &[
        &[
            ("env/dev.properties", "db.password=Vx7kQ2mR9tLp\n"),
            ("env/prod.properties", "db.password=Vx7kQ2mR9tLp\n"),
        ],
        // Who reads the history has it.
        &[
            (
                "40 days ago: env/prod.properties",
                "db.password=Vx7kQ2mR9tLp\n",
            ),
            ("env/prod.properties", "db.password=${DB_PASSWORD}\n"),
            ("env/dev.properties", "db.password=Vx7kQ2mR9tLp\n"),
        ],
    ],
    good: &[
        &[
            ("env/dev.properties", "db.password=${DB_PASSWORD}\n"),
            ("env/prod.properties", "db.password=${DB_PASSWORD}\n"),
        ],
        // Placeholders, addresses and enums are no secrets, whatever the name.
        &[
            (
                "env/dev.properties",
                "api.token=changeme\nauth.token.url=https://auth.acme.net/token\n",
            ),
            (
                "env/prod.properties",
                "api.token=changeme\nauth.token.url=https://auth.acme.net/token\n",
            ),
        ],
        // A pipeline's stages are no environments.
        &[
            (
                "pipeline/stages_first_stage.yaml",
                "stage:\n  actions: [build]\n  token: ${TOKEN}\n",
            ),
            (
                "pipeline/stages_second_stage.yaml",
                "stage:\n  actions: [deploy]\n  token: ${TOKEN}\n",
            ),
        ],
    ],
};

static NEAR: LintMeta = LintMeta {
    id: "xenv-reuse-near",
    title: "The secrets of two environments are nearly the same",
    tool: "any",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[ISOLATION, CICD],
    cwe: 1391,
    fix: FixClass::None,
    why: "A secret with the name of its environment in it, or a year or a counter, can be guessed from that of another environment.",
    help: "Generate each secret anew, at random; put the name of the environment into the key, not into the value.",
    bad: &[&[
        ("env/dev.properties", "db.password=Hunter2x-dev\n"),
        ("env/prod.properties", "db.password=Hunter2x-prod\n"),
    ]],
    good: &[
        &[
            ("env/dev.properties", "db.password=${DEV_DB_PASSWORD}\n"),
            ("env/prod.properties", "db.password=${PROD_DB_PASSWORD}\n"),
        ],
        &[
            (
                "env/dev.properties",
                "db.password.file=/run/secrets/db-dev\n",
            ),
            (
                "env/prod.properties",
                "db.password.file=/run/secrets/db-prod\n",
            ),
        ],
    ],
};

static CROSSED: LintMeta = LintMeta {
    id: "xenv-store-reference-crossed",
    title: "A reference leads to another environment's secret",
    tool: "any",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[ISOLATION, CHEAT],
    cwe: 668,
    fix: FixClass::Unsafe,
    why: "The environment that reads the secret can do with it what its owner can: a store separates environments only if each reads its own paths.",
    help: "Point the reference at the path of the file's own environment, and take the rights to the other one away.",
    bad: &[
        &[(
            ".env.staging",
            "DATABASE_URL=vault:secret/data/prod/db#url\n",
        )],
        &[(
            "overlays/dev/db.yaml",
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n  name: db\nspec:\n  data:\n    - secretKey: password\n      remoteRef:\n        key: prod/db\n        property: password\n",
        )],
    ],
    good: &[
        &[(
            ".env.staging",
            "DATABASE_URL=vault:secret/data/staging/db#url\n",
        )],
        // Paths that say that all may use them.
        &[(
            ".env.staging",
            "CA_TOKEN=vault:secret/data/shared/prod-ca#token\n",
        )],
        // A job that moves data names both ends.
        &[(
            "deploy/staging/migrate.yaml",
            "source:\n  password: vault:secret/data/prod/db#password\ntarget:\n  password: vault:secret/data/staging/db#password\n",
        )],
    ],
};

static BASE: LintMeta = LintMeta {
    id: "xenv-secret-in-shared-base",
    title: "A base layer holds a secret that no environment overrides",
    tool: "any",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[ISOLATION, CHEAT],
    cwe: 1392,
    fix: FixClass::None,
    why: "What the base supplies is the same in every environment that does not set its own, production among them, and nobody sees it missing.",
    help: "Leave the value in the base empty, and have each environment supply its own; let the program refuse to start without it.",
    bad: &[&[
        (
            "config/default.json",
            "{\"session\": {\"password\": \"Vx7kQ2mR9tLp\"}}\n",
        ),
        ("config/production.json", "{\"log\": \"warn\"}\n"),
        ("config/staging.json", "{\"log\": \"debug\"}\n"),
    ]],
    good: &[
        &[
            (
                "config/default.json",
                "{\"session\": {\"password\": \"\"}}\n",
            ),
            (
                "config/production.json",
                "{\"session\": {\"password\": \"${SESSION_PASSWORD}\"}}\n",
            ),
            (
                "config/staging.json",
                "{\"session\": {\"password\": \"${SESSION_PASSWORD}\"}}\n",
            ),
        ],
        // Defaults that anybody knows are told elsewhere.
        &[
            (
                "config/default.json",
                "{\"session\": {\"password\": \"changeme\"}}\n",
            ),
            ("config/production.json", "{\"log\": \"warn\"}\n"),
            ("config/staging.json", "{\"log\": \"debug\"}\n"),
        ],
    ],
};

static MALFORMED: LintMeta = LintMeta {
    id: "store-reference-malformed",
    title: "A store reference cannot be resolved as it is written",
    tool: "any",
    severity: Severity::Low,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Bank-Vaults: vault-env, vault:path#key",
        "AWS CloudFormation User Guide: Dynamic references",
        "1Password Developer: Secret reference syntax",
        "Microsoft Learn: Use Key Vault references as app settings",
    ],
    cwe: 1188,
    fix: FixClass::Safe,
    why: "The program gets the text of the reference instead of the secret, or nothing: it fails late, or runs with a password that is public.",
    help: "Write the reference in full: `vault:path#key`, `op://vault/item/field`, `{{resolve:service:name}}` without blanks.",
    bad: &[
        &[(".env.production", "DB_PASSWORD=vault:secret/data/prod/db\n")],
        &[(
            "stack.yaml",
            "Parameters:\n  Password: '{{ resolve:secretsmanager:app/db }}'\n",
        )],
    ],
    good: &[
        &[(
            ".env.production",
            "DB_PASSWORD=vault:secret/data/prod/db#password\n",
        )],
        // A tag of an image, a URL, and an expression of another language.
        &[(
            "stack.yaml",
            "image: vault:1.13.3\nvault: https://vault.acme.net/secret\ntoken: '{{ resolved }}'\n",
        )],
    ],
};

static METAS: [&LintMeta; 6] = [&SERVICES, &EXACT, &NEAR, &CROSSED, &BASE, &MALFORMED];

/// Rules 85 to 90.
struct Reuse;

impl Lint for Reuse {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &METAS
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        reuse::collect(document, context);
        references(document, context);
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let metas = reuse::Metas {
            services: &SERVICES,
            exact: &EXACT,
            near: &NEAR,
            crossed: &CROSSED,
            base: &BASE,
            malformed: &MALFORMED,
        };
        reuse::tell(index, &metas, out);
    }
}

/// Store references that cannot be resolved.
fn references(document: &Document<'_>, context: &mut Context<'_>) {
    if document.trees().is_empty() && document.lines().is_empty() {
        return;
    }
    if context.environments.of_path(document.path).is_fixture() {
        return;
    }
    for tree in document.trees() {
        tree.leaves(&mut |path, node| leaf(&path.dotted(), node, context));
    }
    for line in document.lines() {
        let Some(found) = reuse::malformed(&line.value) else {
            continue;
        };
        let is_plain = line.value_span.len() == line.value.len();
        let span = if is_plain {
            line.value_span.start + found.part.start..line.value_span.start + found.part.end
        } else {
            line.value_span.clone()
        };
        let fixed = found.fixed.filter(|_| is_plain);
        context.tell(fault(&line.key, span, found.reason, fixed));
    }
}

fn leaf(key: &str, node: &Node, context: &mut Context<'_>) {
    let Some(scalar) = node.scalar().filter(|_| node.alias.is_none()) else {
        return;
    };
    let Some(found) = reuse::malformed(&scalar.text) else {
        return;
    };
    let span = scalar.source(found.part.clone());
    // Braces and words are written alike in every style, unless a line was folded in between.
    let fixed = found.fixed.filter(|_| span.len() == found.part.len());
    context.tell(fault(key, span, found.reason, fixed));
}

fn fault(key: &str, span: std::ops::Range<usize>, reason: &str, fixed: Option<String>) -> Fault {
    let fault = Fault::new(
        &MALFORMED,
        span.clone(),
        key,
        format!("the store reference of `{key}` {reason}"),
    );
    match fixed {
        Some(text) => fault.fix(Fix {
            class: FixClass::Safe,
            title: "take the blanks out of the reference".to_owned(),
            edits: vec![Edit::replace(span, text)],
        }),
        None => fault,
    }
}

#[cfg(test)]
mod tests;

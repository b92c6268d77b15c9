//! Long-lived keys where the job could prove who it is instead (rule 11).

use std::{collections::BTreeSet, ops::Range};

use super::{
    super::super::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
    },
    CICD_6, TOOL,
    model::{Job, Step, Workflow},
    secrets::{Reader, Secret},
};
use crate::model::{Confidence, Severity};

/// Rule 11.
pub(super) const META: LintMeta = LintMeta {
    id: "gha-static-credential",
    title: "A long-lived key is used where the job could use OpenID Connect",
    tool: TOOL,
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Non-Human Identities Top 10, 2025: NHI7 Long-Lived Secrets",
        CICD_6,
        "GitHub Docs: About security hardening with OpenID Connect",
    ],
    cwe: 522,
    fix: FixClass::None,
    why: "A key that is stored works for whoever gets it until somebody changes it; a token that the job asks for ends with the job.",
    help: "Give the job permissions: id-token: write, and let the cloud or the registry trust this repository's workflow.",
    bad: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: aws-actions/configure-aws-credentials@f28e40c7f34bde8b3046d885e986cb6290c5673b\n        with:\n          aws-region: eu-west-1\n          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}\n          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n",
        )],
        &[(
            ".github/workflows/publish.yml",
            "on: push\njobs:\n  publish:\n    runs-on: ubuntu-latest\n    steps:\n      - run: npm publish\n        env:\n          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\npermissions:\n  id-token: write\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: aws-actions/configure-aws-credentials@f28e40c7f34bde8b3046d885e986cb6290c5673b\n        with:\n          aws-region: eu-west-1\n          role-to-assume: arn:aws:iam::111122223333:role/deploy\n",
        )],
        // Stores that only speak the same protocol have no OpenID Connect; nor has GitHub's own registry a need of it.
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: aws s3 sync dist s3://site\n        env:\n          AWS_ENDPOINT_URL: https://storage.example.com\n          AWS_ACCESS_KEY_ID: ${{ secrets.R2_KEY_ID }}\n          AWS_SECRET_ACCESS_KEY: ${{ secrets.R2_KEY }}\n      - run: npm publish\n        env:\n          NODE_AUTH_TOKEN: ${{ secrets.GITHUB_TOKEN }}\n",
        )],
    ],
};

/// The lint of rule 11.
pub(super) struct Lasting;

impl Lint for Lasting {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(workflow) = Workflow::of(document) else {
            return;
        };
        if workflow.is_action {
            return;
        }
        for job in &workflow.jobs {
            look(&workflow, job, context);
        }
    }
}

/// Inputs of actions: action, input, whom it logs in at.
const INPUTS: [(&str, &str, &str); 8] = [
    (
        "aws-actions/configure-aws-credentials",
        "aws-secret-access-key",
        "AWS",
    ),
    ("azure/login", "creds", "Azure"),
    (
        "google-github-actions/auth",
        "credentials_json",
        "Google Cloud",
    ),
    (
        "google-github-actions/setup-gcloud",
        "service_account_key",
        "Google Cloud",
    ),
    ("hashicorp/vault-action", "token", "Vault"),
    ("hashicorp/vault-action", "secretid", "Vault"),
    ("pypa/gh-action-pypi-publish", "password", "PyPI"),
    ("js-devtools/npm-publish", "token", "npm"),
];

/// Variables that programs read: name, whom they log in at.
const VARIABLES: [(&str, &str); 6] = [
    ("AWS_SECRET_ACCESS_KEY", "AWS"),
    ("AZURE_CREDENTIALS", "Azure"),
    ("AZURE_CLIENT_SECRET", "Azure"),
    ("ARM_CLIENT_SECRET", "Azure"),
    ("GCP_SA_KEY", "Google Cloud"),
    ("GOOGLE_CREDENTIALS", "Google Cloud"),
];

/// Registries: words of a script that publish, the variables that hold the token, the registry.
const REGISTRIES: [(&[&str], &[&str], &str); 4] = [
    (
        &[
            "npm publish",
            "pnpm publish",
            "yarn publish",
            "yarn npm publish",
            "pnpm -r publish",
        ],
        &[
            "NODE_AUTH_TOKEN",
            "NPM_TOKEN",
            "NPM_AUTH_TOKEN",
            "YARN_NPM_AUTH_TOKEN",
        ],
        "npm",
    ),
    (
        &[
            "twine upload",
            "uv publish",
            "poetry publish",
            "hatch publish",
            "flit publish",
            "pdm publish",
        ],
        &[
            "TWINE_PASSWORD",
            "UV_PUBLISH_TOKEN",
            "POETRY_PYPI_TOKEN_PYPI",
            "HATCH_INDEX_AUTH",
            "FLIT_PASSWORD",
            "PYPI_TOKEN",
            "PDM_PUBLISH_PASSWORD",
        ],
        "PyPI",
    ),
    (&["cargo publish"], &["CARGO_REGISTRY_TOKEN"], "crates.io"),
    (
        &["gem push"],
        &["GEM_HOST_API_KEY", "RUBYGEMS_API_KEY"],
        "RubyGems",
    ),
];

fn look(workflow: &Workflow<'_>, job: &Job<'_>, context: &mut Context<'_>) {
    let mut told = BTreeSet::new();
    let mut tell = |span: Range<usize>, whom: &str, secret: &Secret| {
        if !matches!(secret, Secret::Stored(_)) || !told.insert(whom.to_owned()) {
            return;
        }
        context.tell(Fault::new(
            &META,
            span,
            format!("{}: {whom}", job.id),
            format!(
                "job \"{}\" logs in at {whom} with the long-lived {}",
                job.id,
                secret.shown()
            ),
        ));
    };
    for step in &job.steps {
        let reader = Reader::new(workflow, job, Some(step));
        let action = step.action().unwrap_or_default();
        for (name, input, whom) in INPUTS {
            let entry = step.input(input).filter(|_| action == name);
            if let Some(entry) = entry.filter(|_| !has_other_host(step, &reader))
                && let Some(value) = entry.value.scalar()
                && let Some(one) = reader.text(value).into_iter().next()
            {
                tell(value.source(one.at), whom, &one.secret);
            }
        }
        if has_other_host(step, &reader) {
            continue;
        }
        variables(step, &reader, &mut tell);
    }
}

fn variables(
    step: &Step<'_>,
    reader: &Reader<'_, '_>,
    tell: &mut dyn FnMut(Range<usize>, &str, &Secret),
) {
    let mut look = |name: &str, whom: &str| {
        if let Some(binding) = reader.variable(name)
            && let Some(secret) = reader.held(name)
        {
            tell(binding.value_span.clone(), whom, &secret);
        }
    };
    for (name, whom) in VARIABLES {
        look(name, whom);
    }
    let script = step.run.map(|run| run.text.as_str()).unwrap_or_default();
    for (commands, names, whom) in REGISTRIES {
        if commands.iter().any(|command| script.contains(command)) && !script.contains("--registry")
        {
            for name in names {
                look(name, whom);
            }
        }
    }
}

/// Tells whether a step speaks to a store or registry that is not the vendor's own.
fn has_other_host(step: &Step<'_>, reader: &Reader<'_, '_>) -> bool {
    const NAMES: [&str; 10] = [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_S3_ENDPOINT",
        "AWS_ENDPOINT",
        "S3_ENDPOINT",
        "S3_ENDPOINT_URL",
        "R2_ENDPOINT",
        "TWINE_REPOSITORY_URL",
        "AWS_DEFAULT_ENDPOINT",
        "MINIO_ENDPOINT",
    ];
    const INPUTS: [&str; 6] = [
        "endpoint",
        "endpoint-url",
        "endpoint_url",
        "s3-endpoint",
        "repository-url",
        "registry",
    ];
    let script = step.run.map(|run| run.text.as_str()).unwrap_or_default();
    let by_script = [
        "--endpoint-url",
        "--endpoint ",
        "--repository-url",
        "r2.cloudflarestorage.com",
        "SCCACHE_",
    ];
    NAMES.iter().any(|name| reader.variable(name).is_some())
        || by_script.iter().any(|sign| script.contains(sign))
        || INPUTS.iter().any(|name| step.input(name).is_some())
        || reader.variable("SCCACHE_ENDPOINT").is_some()
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn keys_of_clouds_and_registries() {
        for (step, count) in [
            (
                "{uses: azure/login@v2, with: {creds: '${{ secrets.AZURE_CREDENTIALS }}'}}",
                1,
            ),
            (
                "{uses: Azure/login@v2, with: {client-id: '${{ secrets.A }}'}}",
                0,
            ),
            (
                "{uses: google-github-actions/auth@v2, with: {credentials_json: '${{ secrets.A }}'}}",
                1,
            ),
            (
                "{uses: hashicorp/vault-action@v3, with: {token: '${{ secrets.A }}'}}",
                1,
            ),
            (
                "{run: terraform apply, env: {AWS_SECRET_ACCESS_KEY: '${{ secrets.A }}'}}",
                1,
            ),
            (
                "{run: terraform apply, env: {AWS_SECRET_ACCESS_KEY: '${{ steps.x.outputs.y }}'}}",
                0,
            ),
            (
                "{run: aws s3 ls --endpoint-url x, env: {AWS_SECRET_ACCESS_KEY: '${{ secrets.A }}'}}",
                0,
            ),
            (
                "{run: cargo publish, env: {CARGO_REGISTRY_TOKEN: '${{ secrets.A }}'}}",
                1,
            ),
            (
                "{run: cargo publish, env: {CARGO_REGISTRY_TOKEN: '${{ steps.auth.outputs.token }}'}}",
                0,
            ),
            (
                "{run: npm ci, env: {NODE_AUTH_TOKEN: '${{ secrets.A }}'}}",
                0,
            ),
            (
                "{uses: pypa/gh-action-pypi-publish@release/v1, with: {password: '${{ secrets.A }}'}}",
                1,
            ),
            ("{uses: pypa/gh-action-pypi-publish@release/v1}", 0),
        ] {
            let text = format!("on: push\njobs:\n  a:\n    steps:\n      - {step}\n");
            assert_eq!(testing::workflow(&META, &text).len(), count, "{step}");
        }
    }
}

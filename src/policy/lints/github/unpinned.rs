//! Actions of others that get secrets and are not pinned by commit (rule 18).

use super::{
    super::super::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
    },
    CICD_6, SECURE_USE, TOOL,
    model::{Step, Workflow},
    secrets::{Reader, Secret},
};
use crate::model::{Confidence, Severity};

/// Rule 18.
pub(super) const META: LintMeta = LintMeta {
    id: "gha-secret-to-unpinned-action",
    title: "A secret is passed to an action that is not pinned by commit",
    tool: TOOL,
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[CICD_6, SECURE_USE],
    cwe: 829,
    fix: FixClass::None,
    why: "A tag or branch can be moved to other code at any time, by its owner or by whoever takes the owner's account; that code gets the secret.",
    help: "Pin the action by the full hash of a commit, with the version as a comment: uses: owner/name@<40 digits> # v1.2.3.",
    bad: &[&[(
        ".github/workflows/tell.yml",
        "on: push\njobs:\n  tell:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: some-one/notify@v1\n        with:\n          chat-key: ${{ secrets.CHAT_KEY }}\n",
    )]],
    good: &[
        &[(
            ".github/workflows/tell.yml",
            "on: push\njobs:\n  tell:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: some-one/notify@f28e40c7f34bde8b3046d885e986cb6290c5673b # v1.4.0\n        with:\n          chat-key: ${{ secrets.CHAT_KEY }}\n",
        )],
        // GitHub's own, local ones, images by digest, and names that are no secrets.
        &[(
            ".github/workflows/tell.yml",
            "on: push\njobs:\n  tell:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n        with:\n          token: ${{ secrets.BOT_PAT }}\n      - uses: ./.github/actions/tell\n        with:\n          chat-key: ${{ secrets.CHAT_KEY }}\n      - uses: docker://example.com/tell@sha256:9b1c2f0b6a4c7a8e5d3f1e2d4c6b8a7f9e0d1c2b3a4f5e6d7c8b9a0f1e2d3c4b\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n      - uses: some-one/notify@v1\n        with:\n          user: ${{ secrets.CHAT_USER }}\n",
        )],
    ],
};

/// The lint of rule 18.
pub(super) struct Unpinned;

impl Lint for Unpinned {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(workflow) = Workflow::of(document) else {
            return;
        };
        let own = own_owners(document.text);
        for job in &workflow.jobs {
            for step in &job.steps {
                if is_unpinned(step, &own) {
                    let reader = Reader::new(&workflow, job, Some(step));
                    look(job.id, step, &reader, context);
                }
            }
        }
    }
}

/// Owners whose actions run on every runner anyway.
const TRUSTED: [&str; 2] = ["actions", "github"];

/// Vendors whose actions get credentials for that vendor's own service: whoever could move the tag has them already.
const VENDORS: [&str; 32] = [
    "docker",
    "aws-actions",
    "azure",
    "google-github-actions",
    "hashicorp",
    "codecov",
    "pypa",
    "gradle",
    "snyk",
    "sonarsource",
    "1password",
    "cloudflare",
    "slackapi",
    "anthropics",
    "openai",
    "astral-sh",
    "denoland",
    "chromaui",
    "cypress-io",
    "coverallsapp",
    "digitalocean",
    "pulumi",
    "netlify",
    "getsentry",
    "datadog",
    "fossas",
    "rubygems",
    "rust-lang",
    "depot",
    "jfrog",
    "cachix",
    "codspeedhq",
];

/// Tells whether an action comes from a repository that holds an organisation's shared ones: its own, as a rule.
fn is_shared(action: &str) -> bool {
    let repository = action.split(['/', '@']).nth(1).unwrap_or_default();
    let shared = [
        ".github",
        "actions",
        "github-actions",
        "workflows",
        "github-workflows",
        "shared-actions",
        "shared-workflows",
        "reusable-workflows",
        "gh-actions",
        "gha",
        "composite-actions",
    ];
    shared.contains(&repository.to_ascii_lowercase().as_str())
}

/// Tells whether a step runs an action of somebody else by a name that can be moved.
pub(super) fn is_unpinned(step: &Step<'_>, own: &[String]) -> bool {
    let Some(uses) = step.uses.map(|uses| uses.text.trim()) else {
        return false;
    };
    if uses.starts_with("./") || uses.starts_with("../") || uses.contains("${{") {
        return false;
    }
    if uses.starts_with("docker://") {
        return !uses.contains("@sha256:");
    }
    let Some((name, version)) = uses.split_once('@') else {
        return false;
    };
    let owner = name
        .split('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_hash =
        matches!(version.len(), 40 | 64) && version.bytes().all(|b| b.is_ascii_hexdigit());
    !is_hash && !TRUSTED.contains(&owner.as_str()) && !own.contains(&owner)
}

/// Returns who seems to own the repository: whom its conditions name (`github.repository == 'owner/name'`), and whose images it uses.
pub(super) fn own_owners(text: &str) -> Vec<String> {
    const MOST: usize = 8;
    let signs = [
        "github.repository == '",
        "github.repository_owner == '",
        "ghcr.io/",
    ];
    let mut owners = Vec::new();
    for sign in signs {
        for (at, _) in text.match_indices(sign).take(MOST) {
            let rest = text.get(at + sign.len()..).unwrap_or_default();
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .unwrap_or(rest.len());
            let owner = rest.get(..end).unwrap_or_default().to_ascii_lowercase();
            if !owner.is_empty() && owner.len() < 60 && !owners.contains(&owner) {
                owners.push(owner);
            }
        }
    }
    owners
}

fn look(job: &str, step: &Step<'_>, reader: &Reader<'_, '_>, context: &mut Context<'_>) {
    let inputs = step.with.iter().filter_map(|entry| {
        let yields = reader.text(entry.value.scalar()?);
        Some((entry.key.as_str(), yields))
    });
    let variables = step.env.list().iter();
    let variables = variables.map(|one| (one.name, reader.text(one.value)));
    let handed: Vec<(&str, Secret)> = inputs
        .chain(variables)
        .filter_map(|(key, yields)| Some((key, yields.into_iter().next()?.secret)))
        .filter(|(_, secret)| !secret.is_harmless() && *secret != Secret::All)
        .collect();
    let lasting = handed.iter().find(|(_, secret)| !secret.is_short_lived());
    let Some((_, secret)) = lasting.or(handed.first()) else {
        return;
    };
    let Some(uses) = step.uses else {
        return;
    };
    let action: String = uses.text.trim().chars().take(120).collect();
    let more = match handed.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let mut fault = Fault::new(
        &META,
        uses.source(0..uses.text.len()),
        format!("{job}/{}", step.label),
        format!(
            "{}{more} goes to {action}, which is not pinned by commit",
            secret.shown()
        ),
    );
    let owner = action
        .split('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if lasting.is_none() || VENDORS.contains(&owner.as_str()) || is_shared(&action) {
        fault = fault.severity(Severity::Low).persona(Persona::Pedantic);
    }
    context.tell(fault);
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn told(step: &str) -> Option<(Severity, Persona)> {
        let text = format!(
            "on: push\njobs:\n  a:\n    if: github.repository == 'Octo/x'\n    steps:\n      - {step}\n"
        );
        let told = testing::workflow(&META, &text);
        told.first().map(|fault| (fault.severity, fault.persona))
    }

    #[test]
    fn whose_action_and_what_secret() {
        let regular = Some((Severity::Medium, Persona::Regular));
        let pedantic = Some((Severity::Low, Persona::Pedantic));
        for (step, expected) in [
            ("{uses: a/b@v1, with: {x: '${{ secrets.A }}'}}", regular),
            ("{uses: a/b/c@main, env: {x: '${{ secrets.A }}'}}", regular),
            (
                "{uses: 'docker://a:1', env: {x: '${{ secrets.A }}'}}",
                regular,
            ),
            (
                "{uses: a/b@v1, with: {x: 'k: ${{ secrets.A || github.token }}'}}",
                regular,
            ),
            (
                "{uses: a/b@v1, with: {x: '${{ secrets.GITHUB_TOKEN }}'}}",
                pedantic,
            ),
            (
                "{uses: docker/login-action@v3, with: {password: '${{ secrets.A }}'}}",
                pedantic,
            ),
            (
                "{uses: a/b@v1, with: {x: '${{ secrets.A != null }}'}}",
                None,
            ),
            (
                "{uses: org/github-actions/tell@main, with: {x: '${{ secrets.A }}'}}",
                pedantic,
            ),
            ("{uses: octo/b@v1, with: {x: '${{ secrets.A }}'}}", None),
            (
                "{uses: Cat/b@main, with: {image: ghcr.io/cat/app, x: '${{ secrets.A }}'}}",
                None,
            ),
            ("{uses: a/b@v1}", None),
        ] {
            assert_eq!(told(step), expected, "{step}");
        }
    }
}

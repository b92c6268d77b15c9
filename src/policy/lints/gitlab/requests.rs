//! Secrets that both merge requests and production get.

use std::collections::BTreeMap;

use super::{
    super::super::{
        fault::{CrossFault, Fact, FactData, FixClass, Gathered, Pointer},
        kind::FileKind,
        lint::{Context, Document, Index, JobSecret, Lint, LintMeta, Persona},
        names,
        node::Node,
    },
    body::{Body, budget},
    pipeline::{Job, Pipeline},
    reach::runs_for,
};
use crate::model::{Confidence, Severity};

const SHARED: LintMeta = LintMeta {
    id: "gl-mr-shares-prod-secret",
    title: "A job that runs for merge requests reads a credential of production",
    tool: "GitLab CI",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "GitLab documentation: Merge request pipelines, Use with forked projects",
        "OWASP Top 10 Non-Human Identities, NHI8: Environment Isolation",
        "CWE-653: Improper Isolation or Compartmentalization",
    ],
    cwe: 653,
    fix: FixClass::None,
    why: "Whoever opens a merge request or pushes a branch decides what such a job runs, and can send away what it reads. If production takes the same variable, nobody has to approve that.",
    help: "Give production a variable of its own, protected and scoped to its environment, and let jobs of merge requests read another one.",
    bad: &[&[(
        ".gitlab-ci.yml",
        "test:\n  script:\n    - ./check --stdin <<< \"$KUBE_TOKEN\"\ndeploy:\n  environment: production\n  rules:\n    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH\n  script:\n    - ./deploy --stdin <<< \"$KUBE_TOKEN\"\n",
    )]],
    good: &[
        &[(
            ".gitlab-ci.yml",
            "test:\n  script:\n    - ./check --stdin <<< \"$TEST_KUBE_TOKEN\"\ndeploy:\n  environment: production\n  rules:\n    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH\n  script:\n    - ./deploy --stdin <<< \"$KUBE_TOKEN\"\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "smoke:\n  rules:\n    - if: $CI_COMMIT_TAG\n  script:\n    - ./check --stdin <<< \"$KUBE_TOKEN\"\ndeploy:\n  environment: production\n  only: [tags]\n  script:\n    - ./deploy --stdin <<< \"$KUBE_TOKEN\"\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "cover:\n  script:\n    - ./codecov --stdin <<< \"$CODECOV_TOKEN\"\ndeploy:\n  environment: production\n  rules:\n    - if: $CI_COMMIT_TAG\n  script:\n    - ./codecov --stdin <<< \"$CODECOV_TOKEN\"\n",
        )],
    ],
};

/// Variables of the job itself, and of services that only take.
const HARMLESS: [&str; 12] = [
    "codecov",
    "coveralls",
    "coverage",
    "sonar",
    "sonarcloud",
    "snyk",
    "readonly",
    "danger",
    "percy",
    "chromatic",
    "codacy",
    "lhci",
];

/// Most further places of one fault.
const MAX_RELATED: usize = 12;

/// `gl-mr-shares-prod-secret`.
pub(super) struct Shared;

impl Lint for Shared {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&SHARED]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::GitlabCi {
            return;
        }
        let Some(pipeline) = Pipeline::of(document) else {
            return;
        };
        let mut left = budget(document.text);
        for job in pipeline.jobs.iter().filter(|job| !job.hidden) {
            let bodies = pipeline.bodies(job);
            left = left.saturating_sub(bodies.iter().map(|body| body.text.len()).sum());
            if left == 0 {
                return;
            }
            note(&pipeline, job, &bodies, context);
        }
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let mut by_name: BTreeMap<&str, Vec<(usize, &JobSecret)>> = BTreeMap::new();
        for (at, fact) in index.facts.iter().enumerate() {
            if let Gathered {
                data: FactData::JobSecret(secret),
                ..
            } = fact
                && secret.kind == FileKind::GitlabCi
            {
                by_name.entry(&secret.name).or_default().push((at, secret));
            }
        }
        out.extend(
            by_name
                .into_iter()
                .filter_map(|(name, all)| shared(name, &all)),
        );
    }
}

fn shared(name: &str, all: &[(usize, &JobSecret)]) -> Option<CrossFault> {
    let open = |one: &&(usize, &JobSecret)| one.1.from_requests && !one.1.production;
    let (first, job) = all.iter().find(open)?;
    let deploys: Vec<_> = all
        .iter()
        .filter(|one| one.1.production && !one.1.from_requests)
        .collect();
    let (_, deploy) = deploys.first()?;
    // Variables of the same name may have another value in each environment.
    let is_scoped = all
        .iter()
        .filter(open)
        .all(|one| one.1.environment.is_some());
    let others = all.iter().filter(open).skip(1).map(|(at, one)| {
        (
            Pointer::Fact(*at),
            format!("the job `{}` runs for merge requests, too", one.job),
        )
    });
    let related = deploys
        .iter()
        .map(|(at, one)| {
            (
                Pointer::Fact(*at),
                format!("the job `{}` deploys to production with it", one.job),
            )
        })
        .chain(others)
        .take(MAX_RELATED)
        .collect();
    Some(CrossFault {
        lint: &SHARED,
        severity: if is_scoped {
            Severity::Info
        } else {
            SHARED.severity
        },
        confidence: SHARED.confidence,
        persona: SHARED.persona,
        primary: Pointer::Fact(*first),
        related,
        message: format!(
            "the job `{}`, which runs for merge requests or any branch, reads `${name}`, with which [`{}`](1) deploys to production",
            job.job, deploy.job
        ),
        subject: name.to_owned(),
        fix: None,
        properties: Vec::new(),
    })
}

/// Keeps the secrets that a job's scripts name.
fn note(pipeline: &Pipeline<'_>, job: &Job<'_>, bodies: &[Body<'_>], context: &mut Context<'_>) {
    let secrets = pipeline.secrets(job);
    let own = pipeline.variables(job);
    let mut found = BTreeMap::new();
    for body in bodies {
        for (at, _) in body.text.match_indices('$') {
            let rest = body.text.get(at + 1..).unwrap_or_default();
            let open = usize::from(rest.starts_with('{'));
            let rest = rest.get(open..).unwrap_or_default();
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            if !secrets.holds(name) {
                continue;
            }
            // Jobs may give each other's names to variables of their own.
            if let Some(name) = pipeline.origin(&own, name)
                && !found.contains_key(name)
                && !is_harmless(name)
                && let Some(span) = body.place(&(at..at + 1 + open + end))
            {
                found.insert(name, span);
            }
        }
    }
    if found.is_empty() {
        return;
    }
    let environment = environment(pipeline, job);
    let production = match &environment {
        Some(name) => is_production(name),
        None => is_production(job.name),
    };
    let from_requests = runs_for(pipeline, job).is_some();
    for (name, span) in found {
        context.note(Fact {
            span,
            secret: None,
            data: FactData::JobSecret(Box::new(JobSecret {
                name: name.to_owned(),
                job: job.name.to_owned(),
                environment: environment.clone(),
                from_requests,
                trusted_requests: false,
                production,
                kind: FileKind::GitlabCi,
            })),
        });
    }
}

fn environment(pipeline: &Pipeline<'_>, job: &Job<'_>) -> Option<String> {
    let node = pipeline.get(job, "environment")?;
    let name = node
        .text()
        .or_else(|| node.get("name").and_then(Node::text))?;
    Some(name.to_owned())
}

fn is_production(name: &str) -> bool {
    let words = names::words(name);
    let is_other = words.iter().any(|word| {
        matches!(
            word.as_str(),
            "non" | "pre" | "nonprod" | "preprod" | "not" | "like"
        )
    });
    !is_other
        && words
            .iter()
            .any(|word| matches!(word.as_str(), "prod" | "production" | "prd" | "live"))
}

/// Tells whether a variable is made for each job, or lets nobody do more than report.
fn is_harmless(name: &str) -> bool {
    let words = names::words(name);
    name.starts_with("CI_") || words.iter().any(|word| HARMLESS.contains(&word.as_str()))
}

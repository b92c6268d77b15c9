//! Secrets that reach further than they need to: variables of whole jobs (rule 12), deployments outside of environments (rule 13).

use super::{
    super::super::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::Node,
    },
    CICD_6, LEAST, SECURE_USE, TOOL,
    model::{Binding, Job, Step, Workflow},
    purpose,
    secrets::{Reader, Secret},
    unpinned,
};
use crate::model::{Confidence, Severity};

/// Rule 12.
pub(super) const WIDE: LintMeta = LintMeta {
    id: "gha-secret-env-too-wide",
    title: "A secret is bound for more steps than use it",
    tool: TOOL,
    severity: Severity::Low,
    confidence: Confidence::High,
    persona: Persona::Pedantic,
    sources: &[LEAST, CICD_6],
    cwe: 272,
    fix: FixClass::None,
    why: "Every step, every action and every program that they start can read the variables of the job and of the workflow.",
    help: "Bind the secret in the env of the one step that needs it.",
    bad: &[&[(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    env:\n      CHAT_KEY: ${{ secrets.CHAT_KEY }}\n    steps:\n      - run: make\n      - run: make check\n      - run: ./tell --key-from CHAT_KEY\n",
    )]],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n      - run: make check\n      - run: ./tell --key-from CHAT_KEY\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
        // Most steps use it.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    env:\n      CHAT_KEY: ${{ secrets.CHAT_KEY }}\n    steps:\n      - run: ./tell --key-from CHAT_KEY begin\n      - run: ./tell --key-from CHAT_KEY end\n",
        )],
    ],
};

/// Rule 13.
pub(super) const UNGUARDED: LintMeta = LintMeta {
    id: "gha-deploy-secret-without-environment",
    title: "A job that deploys reads secrets without an environment",
    tool: TOOL,
    severity: Severity::Info,
    confidence: Confidence::Medium,
    persona: Persona::Pedantic,
    sources: &[SECURE_USE, LEAST],
    cwe: 285,
    fix: FixClass::None,
    why: "Without an environment every workflow on every branch of the repository can read the secret, and nobody is asked before it is used.",
    help: "Give the job an environment with reviewers and allowed branches, and move the secret there.",
    bad: &[&[(
        ".github/workflows/deploy.yml",
        "on: push\njobs:\n  deploy-prod:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./deploy --key-from DEPLOY_KEY\n        env:\n          DEPLOY_KEY: ${{ secrets.DEPLOY_KEY }}\n",
    )]],
    good: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy-prod:\n    runs-on: ubuntu-latest\n    environment: production\n    steps:\n      - run: ./deploy --key-from DEPLOY_KEY\n        env:\n          DEPLOY_KEY: ${{ secrets.DEPLOY_KEY }}\n",
        )],
        // Most jobs with secrets have no environment and need none; a workflow that is called gets its secrets from its caller.
        &[
            (
                ".github/workflows/build.yml",
                "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./build --key-from CACHE_KEY\n        env:\n          CACHE_KEY: ${{ secrets.CACHE_KEY }}\n",
            ),
            (
                ".github/workflows/called.yml",
                "on: workflow_call\njobs:\n  deploy-prod:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./deploy --key-from DEPLOY_KEY\n        env:\n          DEPLOY_KEY: ${{ secrets.DEPLOY_KEY }}\n",
            ),
        ],
    ],
};

/// The lints of rules 12 and 13.
pub(super) struct Reach;

impl Lint for Reach {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&WIDE, &UNGUARDED]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(workflow) = Workflow::of(document) else {
            return;
        };
        if workflow.is_action {
            return;
        }
        let own = unpinned::own_owners(document.text);
        let steps: Vec<&Step<'_>> = workflow.jobs.iter().flat_map(|job| &job.steps).collect();
        if let Some(job) = workflow.jobs.first() {
            for binding in workflow.env.list().iter().take(MAX_BINDINGS) {
                wide(&workflow, job, binding, "", &steps, &own, context);
            }
        }
        let is_called = workflow.runs_on("workflow_call");
        for job in &workflow.jobs {
            let steps: Vec<&Step<'_>> = job.steps.iter().collect();
            for binding in job.env.list().iter().take(MAX_BINDINGS) {
                wide(&workflow, job, binding, job.id, &steps, &own, context);
            }
            if !is_called {
                unguarded(&workflow, job, context);
            }
        }
    }
}

/// Most variables of one map that are looked at: each asks all steps.
const MAX_BINDINGS: usize = 50;

fn wide(
    workflow: &Workflow<'_>,
    job: &Job<'_>,
    binding: &Binding<'_>,
    level: &str,
    steps: &[&Step<'_>],
    own: &[String],
    context: &mut Context<'_>,
) {
    let yields = Reader::new(workflow, job, None).text(binding.value);
    let Some(secret) = yields
        .into_iter()
        .map(|one| one.secret)
        .find(|secret| !secret.is_harmless())
    else {
        return;
    };
    let users: Vec<&str> = steps
        .iter()
        .filter(|step| mentions(step.node, binding.name))
        .map(|step| step.label.as_str())
        .collect();
    if steps.len() < 2 || users.len() * 2 >= steps.len() {
        return;
    }
    let stranger = steps.iter().any(|step| unpinned::is_unpinned(step, own));
    let seen = if users.is_empty() {
        "none was seen to use it".to_owned()
    } else {
        let shown: Vec<_> = users.iter().take(3).copied().collect();
        format!("only \"{}\" were seen to use it", shown.join("\", \""))
    };
    let place = if level.is_empty() {
        "the workflow"
    } else {
        "the job"
    };
    let fault = Fault::new(
        &WIDE,
        binding.span.clone(),
        format!("{level}/{}", binding.name),
        format!(
            "{} holds {} for all {} steps of {place}: {seen}",
            binding.name,
            secret.shown(),
            steps.len()
        ),
    );
    let severity = if stranger {
        Severity::Medium
    } else {
        Severity::Low
    };
    context.tell(fault.severity(severity));
}

fn mentions(node: &Node, name: &str) -> bool {
    let mut found = false;
    node.leaves(&mut |_, leaf| found |= leaf.text().is_some_and(|text| text.contains(name)));
    found
}

fn unguarded(workflow: &Workflow<'_>, job: &Job<'_>, context: &mut Context<'_>) {
    if job.environment.is_some() || job.uses.is_some() {
        return;
    }
    let secrets = stored(workflow, job);
    let Some(first) = secrets.first() else {
        return;
    };
    let by_secret = secrets.iter().any(|name| purpose::is_production(name));
    let by_step = || {
        let names = job.steps.iter().filter_map(|step| step.name);
        names.into_iter().any(purpose::is_deployment)
    };
    if !by_secret && purpose::production(job).is_none() && !by_step() {
        return;
    }
    let more = match secrets.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    context.tell(Fault::new(
        &UNGUARDED,
        job.id_span.clone(),
        job.id,
        format!(
            "job \"{}\" reads secrets.{first}{more} but declares no environment",
            job.id
        ),
    ));
}

/// Returns the names of the stored secrets that a job reads, sorted.
fn stored(workflow: &Workflow<'_>, job: &Job<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let mut look = |reader: &Reader<'_, '_>, node: &Node| {
        node.leaves(&mut |_, leaf| {
            let yields = leaf.scalar().map(|scalar| reader.text(scalar));
            names.extend(yields.unwrap_or_default().into_iter().filter_map(
                |one| match one.secret {
                    Secret::Stored(name) if !super::secrets::is_harmless(&name) => Some(name),
                    _ => None,
                },
            ));
        });
    };
    let reader = Reader::new(workflow, job, None);
    if let Some(env) = job.node.get("env") {
        look(&reader, env);
    }
    for step in &job.steps {
        look(&Reader::new(workflow, job, Some(step)), step.node);
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn variables_of_jobs_and_workflows() {
        let wide = |env: &str, job: &str, uses: &str| {
            let text = format!(
                "on: push\n{env}jobs:\n  a:\n{job}    steps:\n      - run: x\n      - uses: {uses}\n      - run: y $A\n"
            );
            let told = testing::workflow(&WIDE, &text);
            told.first().map(|fault| fault.severity)
        };
        let env = "env: {A: '${{ secrets.K }}'}\n";
        assert_eq!(wide(env, "", "./x"), Some(Severity::Low));
        assert_eq!(wide(env, "", "a/b@v1"), Some(Severity::Medium));
        assert_eq!(
            wide("", &format!("    {env}"), "actions/checkout@v4"),
            Some(Severity::Low)
        );
        assert_eq!(
            wide("env: {A: '${{ secrets.K != null }}'}\n", "", "./x"),
            None
        );
        assert_eq!(wide("env: {A: x}\n", "", "./x"), None);
    }
}

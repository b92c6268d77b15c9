//! Secrets that builds of pull requests share with production (rule 14).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::{
    super::super::{
        fault::{CrossFault, Fact, FactData, FixClass, Gathered, Pointer},
        kind::FileKind,
        lint::{Context, Document, Index, Item, JobSecret, Lint, LintMeta, Persona},
    },
    CICD_6, TOOL,
    evaluate::Event,
    model::{Job, Workflow},
    purpose,
    readings::{Read, Runs, reads},
};
use crate::model::{Confidence, Severity};

/// Rule 14.
pub(super) const META: LintMeta = LintMeta {
    id: "gha-pr-shares-prod-secret",
    title: "One secret serves both builds of pull requests and production",
    tool: TOOL,
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Non-Human Identities Top 10, 2025: NHI8 Environment Isolation",
        CICD_6,
    ],
    cwe: 653,
    fix: FixClass::None,
    why: "The code of a pull request runs before anybody has reviewed it: whoever can open one from a branch gets what production runs on.",
    help: "Give builds of pull requests a secret of their own with less rights, and keep production's in an environment with reviewers.",
    bad: &[&[(
        ".github/workflows/ci.yml",
        "on: [push, pull_request]\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: make check\n        env:\n          DB_URL: ${{ secrets.DB_URL }}\n  deploy-prod:\n    if: github.event_name == 'push' && github.ref == 'refs/heads/main'\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./migrate\n        env:\n          DB_URL: ${{ secrets.DB_URL }}\n",
    )]],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: [push, pull_request]\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: make check\n        env:\n          DB_URL: ${{ secrets.TEST_DB_URL }}\n  deploy-prod:\n    if: github.event_name == 'push' && github.ref == 'refs/heads/main'\n    runs-on: ubuntu-latest\n    environment: production\n    steps:\n      - run: ./migrate\n        env:\n          DB_URL: ${{ secrets.DB_URL }}\n",
        )],
        // Steps and jobs that no request reaches; the job's own token; tokens that send coverage; what needs no code of a request.
        &[(
            ".github/workflows/ci.yml",
            "on:\n  push:\n    branches: [main]\n  pull_request:\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: ./build --key-from CACHE_KEY\n        if: github.event_name != 'pull_request'\n        env:\n          CACHE_KEY: ${{ secrets.CACHE_KEY }}\n      - run: ./upload\n        env:\n          CODECOV_TOKEN: ${{ secrets.CODECOV_TOKEN }}\n          GH_TOKEN: ${{ secrets.GITHUB_TOKEN }}\n  label:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./label\n        env:\n          BOT_KEY: ${{ secrets.BOT_KEY }}\n  deploy-prod:\n    if: github.ref == 'refs/heads/main'\n    runs-on: ubuntu-latest\n    environment: production\n    steps:\n      - uses: actions/checkout@v4\n      - run: ./deploy\n        env:\n          CACHE_KEY: ${{ secrets.CACHE_KEY }}\n          BOT_KEY: ${{ secrets.BOT_KEY }}\n          CODECOV_TOKEN: ${{ secrets.CODECOV_TOKEN }}\n          GH_TOKEN: ${{ secrets.GITHUB_TOKEN }}\n",
        )],
    ],
};

/// The lint of rule 14.
pub(super) struct Sharing;

/// A call of a local workflow that inherits all secrets: subject is its path.
const CALL: &str = "gha-call";

/// A secret that a workflow reads when it is called: subject is its name.
const CALLED: &str = "gha-called";

impl Lint for Sharing {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::GithubWorkflow {
            return;
        }
        if let Some(workflow) = Workflow::of(document) {
            gather(&workflow, context);
        }
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let mut by_name: BTreeMap<&str, Vec<Use<'_>>> = BTreeMap::new();
        for one in uses(index.facts) {
            by_name.entry(one.name).or_default().push(one);
        }
        for (name, uses) in by_name {
            out.extend(judge(name, &uses));
        }
    }
}

fn gather(workflow: &Workflow<'_>, context: &mut Context<'_>) {
    let runs = Runs::new(workflow);
    for job in &workflow.jobs {
        for (name, read) in reads(&runs, job) {
            tell(&runs, job, name, &read, context);
        }
        if let (Some(uses), Some(secrets)) = (job.uses, job.secrets)
            && let Some(callee) = uses.text.strip_prefix("./")
            && secrets.value.text() == Some("inherit")
        {
            let starts = |all: &[(Event<'_>, HashSet<&str>)], event: Event<'_>| {
                all.iter()
                    .any(|(one, jobs)| *one == event && jobs.contains(job.id))
            };
            context.note(item(
                uses.source(0..uses.text.len()),
                CALL,
                callee.to_owned(),
                vec![
                    ("pr", flag(starts(&runs.requests, Event::PullRequest))),
                    (
                        "called",
                        flag(runs.is_called && runs.when_called.contains(job.id)),
                    ),
                    ("production", flag(purpose::production(job).is_some())),
                ],
            ));
        }
    }
}

fn flag(is: bool) -> String {
    if is { "yes" } else { "" }.to_owned()
}

fn item(
    span: std::ops::Range<usize>,
    topic: &'static str,
    subject: String,
    attributes: Vec<(&'static str, String)>,
) -> Fact {
    let item = Item {
        topic,
        subject,
        attributes,
    };
    Fact {
        span,
        secret: None,
        data: FactData::Item(Box::new(item)),
    }
}

fn tell(runs: &Runs<'_, '_>, job: &Job<'_>, name: String, read: &Read, context: &mut Context<'_>) {
    let by_request = read
        .by_trusted_request
        .as_ref()
        .or(read.by_request.as_ref());
    let Some(place) = by_request.or(read.first.as_ref()).cloned() else {
        return;
    };
    let production = purpose::production(job);
    // A job that also runs for requests is for production only if it says so itself.
    let is_production = match production {
        Some(purpose::Production::Deploys) => read.by_request.is_none(),
        Some(_) => true,
        None => false,
    };
    context.note(Fact {
        span: place.clone(),
        secret: None,
        data: FactData::JobSecret(Box::new(JobSecret {
            name: name.clone(),
            job: job.id.to_owned(),
            environment: job.environment.map(str::to_owned),
            from_requests: by_request.is_some(),
            trusted_requests: read.by_trusted_request.is_some(),
            production: is_production && read.by_others,
            kind: FileKind::GithubWorkflow,
        })),
    });
    if runs.is_called {
        context.note(item(
            place,
            CALLED,
            name,
            vec![
                ("job", job.id.to_owned()),
                (
                    "environment",
                    job.environment.unwrap_or_default().to_owned(),
                ),
                ("pr", flag(read.when_called)),
                ("production", flag(production.is_some())),
            ],
        ));
    }
}

/// One job that reads a secret, directly or because it was called.
struct Use<'f> {
    name: &'f str,
    fact: usize,
    job: &'f str,
    environment: Option<&'f str>,
    from_requests: bool,
    trusted: bool,
    production: bool,
}

fn attribute<'f>(item: &'f Item, name: &str) -> &'f str {
    let found = item.attributes.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.as_str()).unwrap_or_default()
}

fn uses(facts: &[Gathered]) -> Vec<Use<'_>> {
    let mut all = Vec::new();
    let (by_requests, by_production) = called(facts);
    for (fact, gathered) in facts.iter().enumerate() {
        match &gathered.data {
            FactData::JobSecret(secret) if secret.kind == FileKind::GithubWorkflow => {
                all.push(Use {
                    name: &secret.name,
                    fact,
                    job: &secret.job,
                    environment: secret.environment.as_deref(),
                    from_requests: secret.from_requests,
                    trusted: secret.trusted_requests,
                    production: secret.production,
                })
            }
            FactData::Item(item) if item.topic == CALLED => {
                let path = gathered.path.to_string();
                let environment =
                    Some(attribute(item, "environment")).filter(|name| !name.is_empty());
                all.push(Use {
                    name: &item.subject,
                    fact,
                    job: attribute(item, "job"),
                    environment,
                    from_requests: by_requests.contains(&path) && !attribute(item, "pr").is_empty(),
                    trusted: false,
                    production: by_production.get(&path).is_some_and(|by_caller| {
                        *by_caller || !attribute(item, "production").is_empty()
                    }),
                });
            }
            _ => {}
        }
    }
    all
}

/// Returns the workflows that requests reach by calls, and those that others reach, with whether a caller serves production.
fn called(facts: &[Gathered]) -> (BTreeSet<String>, BTreeMap<String, bool>) {
    let mut calls: HashMap<String, Vec<&Item>> = HashMap::new();
    let mut open = VecDeque::new();
    let mut others: BTreeMap<String, bool> = BTreeMap::new();
    for fact in facts {
        if let FactData::Item(item) = &fact.data
            && item.topic == CALL
        {
            calls.entry(fact.path.to_string()).or_default().push(item);
            if attribute(item, "pr").is_empty() {
                *others.entry(item.subject.clone()).or_default() |=
                    !attribute(item, "production").is_empty();
            } else {
                open.push_back(item.subject.clone());
            }
        }
    }
    let mut reached = BTreeSet::new();
    while let Some(path) = open.pop_front() {
        if reached.insert(path.clone()) {
            let next = calls.get(&path).into_iter().flatten();
            let next = next.filter(|item| !attribute(item, "called").is_empty());
            open.extend(next.map(|item| item.subject.clone()));
        }
    }
    (reached, others)
}

/// How much a pair of uses says.
fn grade(request: &Use<'_>, production: &Use<'_>) -> (Severity, Confidence) {
    let is_sure = production.environment.is_some_and(purpose::is_production)
        || purpose::is_production(production.job);
    match (request.environment, production.environment) {
        // Environments have secrets of their own under the same names.
        (Some(one), Some(other)) if one != other => (Severity::Info, Confidence::Low),
        _ if request.trusted && request.environment.is_none() => {
            (Severity::Critical, Confidence::Medium)
        }
        (None, Some(_)) => (Severity::Medium, Confidence::Medium),
        _ if is_sure => (Severity::High, Confidence::High),
        _ => (Severity::Medium, Confidence::Medium),
    }
}

fn judge(name: &str, uses: &[Use<'_>]) -> Option<CrossFault> {
    const MOST: usize = 20;
    let by_requests: Vec<_> = uses
        .iter()
        .filter(|one| one.from_requests)
        .take(MOST)
        .collect();
    let by_production: Vec<_> = uses
        .iter()
        .filter(|one| one.production)
        .take(MOST)
        .collect();
    let pairs = by_requests.iter().flat_map(|request| {
        by_production
            .iter()
            .map(move |production| (grade(request, production), *request))
    });
    // The first of the worst, in the order of the files.
    let ((severity, confidence), request) =
        pairs.reduce(|worst, pair| if pair.0.0 > worst.0.0 { pair } else { worst })?;
    let mut related = Vec::new();
    let mut names = Vec::new();
    for one in by_production.iter().filter(|one| one.fact != request.fact) {
        related.push((
            Pointer::Fact(one.fact),
            format!("job \"{}\" serves production with it", one.job),
        ));
        if names.len() < 3 {
            names.push(format!("[{}]({})", one.job, related.len()));
        }
    }
    let production = if names.is_empty() {
        "and which serves production itself".to_owned()
    } else {
        format!("and for production by {}", names.join(", "))
    };
    for one in by_requests.iter().filter(|one| one.fact != request.fact) {
        related.push((
            Pointer::Fact(one.fact),
            format!("job \"{}\" runs for pull requests with it", one.job),
        ));
    }
    related.truncate(MOST);
    Some(CrossFault {
        lint: &META,
        severity,
        confidence,
        persona: Persona::Regular,
        primary: Pointer::Fact(request.fact),
        related,
        message: format!(
            "secrets.{name} is read by job \"{}\", in which code of pull requests runs, {}",
            request.job, production
        ),
        subject: name.to_owned(),
        fix: None,
        properties: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    const DEPLOY: &str = "  deploy:\n    if: github.ref == 'refs/heads/main'\n    environment: production\n    steps: [{run: x, env: {K: '${{ secrets.KEY }}'}}]\n";

    fn told(files: &[(&str, &str)]) -> Vec<Severity> {
        let told = testing::files(files);
        let own = told.iter().filter(|fault| fault.lint.id == META.id);
        own.map(|fault| fault.severity).collect()
    }

    fn ci(on: &str, job: &str) -> Vec<Severity> {
        let text = format!("on: {on}\njobs:\n  test:\n{job}{DEPLOY}");
        told(&[(".github/workflows/a.yml", &text)])
    }

    #[test]
    fn jobs_that_requests_reach() {
        let steps =
            "    steps: [{uses: actions/checkout@v4}, {run: x, env: {K: '${{ secrets.KEY }}'}}]\n";
        assert_eq!(ci("[push, pull_request]", steps), [Severity::Medium]);
        assert!(ci("push", steps).is_empty());
        let elsewhere = format!("    environment: preview\n{steps}");
        assert_eq!(ci("[push, pull_request]", &elsewhere), [Severity::Info]);
        let same = format!("    environment: production\n{steps}");
        assert_eq!(ci("[push, pull_request]", &same), [Severity::High]);
        let closed = "{push: , pull_request: {types: [closed]}}";
        assert!(ci(closed, steps).is_empty());
        let skipped = format!("    if: github.event.pull_request.merged == true\n{steps}");
        assert!(ci("[push, pull_request]", &skipped).is_empty());
        let chosen = "    steps: [{uses: actions/checkout@v4}, {run: x, env: {K: \"${{ github.event_name == 'push' && secrets.KEY || '' }}\"}}]\n";
        assert!(ci("[push, pull_request]", chosen).is_empty());
    }

    #[test]
    fn requests_with_the_rights_of_the_target() {
        let head = "    steps: [{uses: actions/checkout@v4, with: {ref: '${{ github.event.pull_request.head.sha }}'}}, {run: x, env: {K: '${{ secrets.KEY }}'}}]\n";
        assert_eq!(
            ci("[push, pull_request_target]", head),
            [Severity::Critical]
        );
        let base =
            "    steps: [{uses: actions/checkout@v4}, {run: x, env: {K: '${{ secrets.KEY }}'}}]\n";
        assert!(ci("[push, pull_request_target]", base).is_empty());
        let run = "    steps: [{uses: actions/checkout@v4, with: {ref: '${{ github.event.workflow_run.head_sha }}'}}, {run: x, env: {K: '${{ secrets.KEY }}'}}]\n";
        let on = "{push: , workflow_run: {workflows: [x]}}";
        assert_eq!(ci(on, run), [Severity::Critical]);
        let gated = format!("    if: github.event.workflow_run.event == 'push'\n{run}");
        assert!(ci(on, &gated).is_empty());
    }

    #[test]
    fn over_several_files_and_calls() {
        let call = "on: [push, pull_request]\njobs:\n  build:\n    uses: ./.github/workflows/b.yml\n    secrets: inherit\n";
        let called = "on: workflow_call\njobs:\n  build:\n    steps: [{uses: actions/checkout@v4}, {run: x, env: {K: '${{ secrets.KEY }}'}}]\n";
        let deploy = format!("on: push\njobs:\n{DEPLOY}");
        let files = [
            (".github/workflows/a.yml", call),
            (".github/workflows/b.yml", called),
            (".github/workflows/c.yml", deploy.as_str()),
        ];
        assert_eq!(told(&files), [Severity::Medium]);
        let push = call.replace("[push, pull_request]", "push");
        assert!(told(&[(files[0].0, &push), files[1], files[2]]).is_empty());
        // Handed over by name.
        let named = call.replace("inherit", "{K: '${{ secrets.KEY }}'}");
        assert_eq!(told(&[(files[0].0, &named), files[2]]), [Severity::Medium]);
    }
}

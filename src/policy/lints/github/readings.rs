//! Which secrets the jobs of a workflow read, and under which events.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use super::{
    super::super::{
        names,
        node::{Node, Scalar},
    },
    evaluate::Event,
    model::{Job, Step, Workflow},
    secrets::{self, Reader, Secret, Yield},
    when,
};

/// How the jobs of a workflow run.
pub(super) struct Runs<'w, 'd> {
    pub(super) workflow: &'w Workflow<'d>,
    /// Events of requests, each with the jobs it may start.
    pub(super) requests: Vec<(Event<'d>, HashSet<&'d str>)>,
    /// Other events likewise.
    pub(super) others: Vec<(Event<'d>, HashSet<&'d str>)>,
    /// Whether others can call it.
    pub(super) is_called: bool,
    /// The jobs that run in it if a request calls it.
    pub(super) when_called: HashSet<&'d str>,
}

impl<'w, 'd> Runs<'w, 'd> {
    /// Evaluates all conditions.
    pub(super) fn new(workflow: &'w Workflow<'d>) -> Self {
        let mut requests = Vec::new();
        let mut others = Vec::new();
        for (trigger, node) in workflow.triggers.iter().take(12) {
            if *trigger == "workflow_call" {
                continue;
            }
            if let Some(event) = when::request(trigger, *node) {
                requests.push((event, when::jobs(workflow, event)));
            }
            if !trigger.starts_with("pull_request") {
                let event = Event::Other(trigger);
                others.push((event, when::jobs(workflow, event)));
            }
        }
        Self {
            is_called: workflow.runs_on("workflow_call"),
            when_called: when::jobs(workflow, Event::PullRequest),
            workflow,
            requests,
            others,
        }
    }
}

/// How a job reads a secret: places in the file.
#[derive(Default)]
pub(super) struct Read {
    pub(super) first: Option<Range<usize>>,
    pub(super) by_request: Option<Range<usize>>,
    pub(super) by_trusted_request: Option<Range<usize>>,
    pub(super) by_others: bool,
    pub(super) when_called: bool,
}

/// Most yields of one text that are looked at.
const MAX_YIELDS: usize = 32;

/// Collects what a job reads.
struct Collector<'c, 'd> {
    runs: &'c Runs<'c, 'd>,
    job: &'c Job<'d>,
    /// Of each event of [`Runs::requests`]: whether code of the request runs in the job.
    code: Vec<bool>,
    /// The same for a request that calls the workflow.
    called_code: bool,
    reads: BTreeMap<String, Read>,
}

/// Returns what a job reads, by name.
pub(super) fn reads(runs: &Runs<'_, '_>, job: &Job<'_>) -> BTreeMap<String, Read> {
    let code = |event: Event<'_>| {
        job.uses.is_some() && event == Event::PullRequest || when::runs_code(job, event)
    };
    let mut collector = Collector {
        runs,
        job,
        code: runs
            .requests
            .iter()
            .map(|(event, _)| code(*event))
            .collect(),
        called_code: runs.is_called && code(Event::PullRequest),
        reads: BTreeMap::new(),
    };
    for entry in job.node.merged() {
        if entry.key != "steps" {
            collector.part(None, &entry.value);
        }
    }
    if !job.steps.is_empty() {
        for binding in runs.workflow.env.list().iter().take(MAX_YIELDS) {
            collector.text(None, binding.value);
        }
    }
    for step in &job.steps {
        collector.part(Some(step), step.node);
    }
    collector.reads
}

impl Collector<'_, '_> {
    fn part(&mut self, step: Option<&Step<'_>>, node: &Node) {
        node.leaves(&mut |_, leaf| {
            if let Some(scalar) = leaf.scalar() {
                self.text(step, scalar);
            }
        });
    }

    fn text(&mut self, step: Option<&Step<'_>>, scalar: &Scalar) {
        if !scalar.text.contains("${{") {
            return;
        }
        let (workflow, job) = (self.runs.workflow, self.job);
        let all = Reader::new(workflow, job, step).text(scalar);
        if all.is_empty() {
            return;
        }
        // Not under every event does an expression yield what it names, if it asks.
        let asks = scalar.text.contains("&&");
        let under = |event: Event<'_>| {
            asks.then(|| Reader::new(workflow, job, step).under(event).text(scalar))
        };
        let yields = |events: &[(Event<'_>, HashSet<&str>)]| {
            let events = events.iter().map(|(event, _)| under(*event));
            events.collect::<Vec<_>>()
        };
        let requests = yields(&self.runs.requests);
        let others = yields(&self.runs.others);
        let condition = step.and_then(|step| step.condition);
        for one in all.into_iter().take(MAX_YIELDS) {
            let Secret::Stored(name) = &one.secret else {
                continue;
            };
            if secrets::is_harmless(name) || may_be_shared(name) {
                continue;
            }
            let place = scalar.source(one.at.clone());
            let happens = |event: Event<'_>, jobs: &HashSet<&str>, yields: &Option<Vec<Yield>>| {
                jobs.contains(job.id)
                    && when::may_hold(condition, event)
                    && yields.as_ref().is_none_or(|yields| {
                        let mut yields = yields.iter().take(MAX_YIELDS);
                        yields.any(|other| other.secret == one.secret)
                    })
            };
            let read = self.reads.entry(name.clone()).or_default();
            read.first.get_or_insert_with(|| place.clone());
            for (((event, jobs), yields), code) in
                self.runs.requests.iter().zip(&requests).zip(&self.code)
            {
                if *code && happens(*event, jobs, yields) {
                    let by = match event {
                        Event::PullRequest => &mut read.by_request,
                        _ => &mut read.by_trusted_request,
                    };
                    by.get_or_insert_with(|| place.clone());
                }
            }
            let mut others = self.runs.others.iter().zip(&others);
            read.by_others |= others.any(|((event, jobs), yields)| happens(*event, jobs, yields));
            read.when_called |=
                self.called_code && happens(Event::PullRequest, &self.runs.when_called, &None);
        }
    }
}

/// Tells whether a secret is one that builds of requests may have: it sends results, reads only, or says that it is for tests.
pub(super) fn may_be_shared(name: &str) -> bool {
    const WORDS: [&str; 44] = [
        "codecov",
        "coveralls",
        "codacy",
        "codeclimate",
        "sonar",
        "sonarcloud",
        "sonarqube",
        "snyk",
        "fossa",
        "deepsource",
        "coverage",
        "cc",
        "qlty",
        "develocity",
        "gradle",
        "ge",
        "nx",
        "turbo",
        "turborepo",
        "percy",
        "chromatic",
        "argos",
        "codspeed",
        "buildpulse",
        "trunk",
        "read",
        "readonly",
        "ro",
        "reader",
        "pull",
        "test",
        "tests",
        "testing",
        "ci",
        "dev",
        "development",
        "staging",
        "sandbox",
        "slack",
        "discord",
        "webhook",
        "teams",
        "mattermost",
        "datadog",
    ];
    let words = names::words(name);
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_requests_may_have() {
        for name in [
            "CODECOV_TOKEN",
            "TEST_DB_URL",
            "NPM_READ_TOKEN",
            "SONAR_TOKEN",
        ] {
            assert!(may_be_shared(name), "{name}");
        }
        for name in ["DB_URL", "NPM_TOKEN", "DEPLOY_KEY", "AWS_SECRET_ACCESS_KEY"] {
            assert!(!may_be_shared(name), "{name}");
        }
    }
}

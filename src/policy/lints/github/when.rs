//! When jobs run: for which events, and whether the code of a pull request runs in them.

use std::collections::{HashMap, HashSet};

use super::{
    super::super::node::{Node, Scalar},
    evaluate::{self, Event},
    expression,
    model::{Job, Step, Workflow},
};

/// Tells whether a condition may hold under an event.
pub(super) fn may_hold(condition: Option<&Scalar>, event: Event<'_>) -> bool {
    condition
        .and_then(|condition| expression::condition(&condition.text))
        .and_then(|expr| evaluate::holds(&expr, event))
        != Some(false)
}

/// Returns the jobs that may run under an event: their conditions may hold, and so may those of the jobs they wait for.
pub(super) fn jobs<'d>(workflow: &Workflow<'d>, event: Event<'_>) -> HashSet<&'d str> {
    let mut running = HashSet::new();
    let mut waiting: HashMap<&str, Vec<&Job<'d>>> = HashMap::new();
    let mut skipped = Vec::new();
    for job in &workflow.jobs {
        if may_hold(job.condition, event) {
            running.insert(job.id);
        } else {
            skipped.push(job.id);
        }
        for need in &job.needs {
            waiting.entry(need).or_default().push(job);
        }
    }
    while let Some(id) = skipped.pop() {
        for job in waiting.remove(id).unwrap_or_default() {
            if !runs_regardless(job) && running.remove(job.id) {
                skipped.push(job.id);
            }
        }
    }
    running
}

/// Tells whether a job runs though one it waits for was skipped.
fn runs_regardless(job: &Job<'_>) -> bool {
    let text = job
        .condition
        .map(|condition| condition.text.as_str())
        .unwrap_or_default();
    ["always()", "failure()", "cancelled()"]
        .iter()
        .any(|call| text.contains(call))
}

/// Returns the event under which requests reach a workflow by a trigger, if they do.
pub(super) fn request<'d>(trigger: &'d str, node: Option<&Node>) -> Option<Event<'d>> {
    let event = Event::of(trigger);
    match event {
        Event::PullRequest | Event::PullRequestTarget => {
            // What runs when a request is closed cleans up after it.
            let types = node.and_then(|node| node.get("types"));
            let one = types.and_then(Node::text);
            let all = types.map(Node::items).unwrap_or_default();
            let is_closing = one == Some("closed")
                || !all.is_empty() && all.iter().all(|item| item.text() == Some("closed"));
            (!is_closing).then_some(event)
        }
        // Branches that are named are those of the repository.
        Event::AfterPullRequest => {
            let branches = node.and_then(|node| node.get("branches"));
            branches.is_none().then_some(event)
        }
        Event::Other(_) => None,
    }
}

/// Tells whether the code of a request is checked out in a job under an event.
pub(super) fn runs_code(job: &Job<'_>, event: Event<'_>) -> bool {
    job.steps
        .iter()
        .any(|step| may_hold(step.condition, event) && checks_out(step, event))
}

fn checks_out(step: &Step<'_>, event: Event<'_>) -> bool {
    if let Some(run) = step.run {
        let is_fetch = run.text.contains("git fetch") || run.text.contains("git clone");
        return run.text.contains("gh pr checkout") || is_fetch && run.text.contains("pull/");
    }
    if step.action().as_deref() != Some("actions/checkout") {
        return false;
    }
    let of_request = |text: &str| {
        ["head", "refs/pull", "merge_commit_sha"]
            .iter()
            .any(|part| text.contains(part))
    };
    let reference = step
        .input_text("ref")
        .filter(|text| !text.trim().is_empty());
    let repository = step.input_text("repository");
    match event {
        // By default it is the request that is checked out.
        Event::PullRequest => {
            let is_own = repository.is_none_or(|name| name.contains("${{"));
            is_own
                && reference.is_none_or(|text| {
                    of_request(text) || text.contains("github.sha") || text.contains("github.ref")
                })
        }
        _ => reference.is_some_and(of_request) || repository.is_some_and(of_request),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::super::{
            kind::FileKind,
            lint::{Document, Syntax},
            readers::yaml,
        },
        *,
    };

    fn running(jobs_text: &str) -> Vec<String> {
        let text = format!("on: pull_request\njobs:\n{jobs_text}");
        let document = Document {
            path: "x",
            kind: FileKind::GithubWorkflow,
            text: &text,
            syntax: Syntax::Tree(yaml::read(&text).unwrap()),
        };
        let workflow = Workflow::of(&document).unwrap();
        let mut all: Vec<_> = jobs(&workflow, Event::PullRequest)
            .into_iter()
            .map(str::to_owned)
            .collect();
        all.sort();
        all
    }

    #[test]
    fn jobs_wait_for_others() {
        let text = "  a: {if: \"github.event_name == 'push'\"}\n  b: {needs: a}\n  c: {needs: [b, d]}\n  d: {}\n  e: {needs: a, if: always()}\n";
        assert_eq!(running(text), ["d", "e"]);
        assert_eq!(running("  a: {needs: b}\n  b: {needs: a}\n"), ["a", "b"]);
    }
}

//! What started this CI job, and whether whoever started it may have secrets compared or changed.
//!
//! verify answers "is this value in the store" and rotate changes stores: neither runs for a change that a stranger proposes, nor for
//! events that run a stranger's text with the repository's own rights. Outside CI the user is at the keyboard.
//!
//! Promises: what a CI service says of the job is read from its variables, and from GitHub's event file, alone; a pull request of which the
//! service does not say where it comes from is a stranger's, and so is any job of a service that is not known here, unless
//! `KEYSWEEP_TRUSTED_EVENT` says otherwise; a pull request that is known to come from a fork, nothing overrides.

use std::{fs, path::Path};

use super::{error::CliError, settings};

/// Events of GitHub Actions that people without write access can cause, and that run with the base repository's secrets
/// ("Events that trigger workflows", GitHub documentation; "Preventing pwn requests", GitHub Security Lab).
const OPEN_EVENTS: [&str; 12] = [
    "pull_request_target",
    "workflow_run",
    "issue_comment",
    "issues",
    "discussion",
    "discussion_comment",
    "fork",
    "watch",
    "pull_request_comment",
    "pull_request_review",
    "pull_request_review_comment",
    "gollum",
];

/// Largest event file, bytes; GitHub sends 25 MiB at most.
const MAX_EVENT: u64 = 32 << 20;

/// What a pipeline says for jobs whose service cannot: `true` means that only people with write access can cause this job.
const TRUSTED: &str = "KEYSWEEP_TRUSTED_EVENT";

const NOT_SAID: &str = "the CI service does not say where the pull request comes from";
const FORK: &str = "the pull request comes from a fork";

/// Refuses to go on for an event that strangers can cause.
///
/// # Errors
/// [`CliError::Untrusted`], with what to do instead.
pub(super) fn trusted() -> Result<(), CliError> {
    match stranger() {
        None => Ok(()),
        Some(why) => Err(CliError::Untrusted { why }),
    }
}

/// Returns why a stranger may have caused this job; `None` if it is trusted.
pub(super) fn stranger() -> Option<String> {
    judged(&|name| settings::variable(name).and_then(|value| value.into_string().ok()))
}

/// What is known of the one who caused a job.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// It takes write access.
    Own,
    /// It does not.
    Stranger(String),
    /// Nobody says.
    Unknown(String),
}

/// The variables of a job, by name; an empty one is none.
type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

fn judged(of: Variables<'_>) -> Option<String> {
    match origin(of) {
        Origin::Own => None,
        Origin::Stranger(why) => Some(why),
        Origin::Unknown(_) if is_true(of(TRUSTED)) => None,
        Origin::Unknown(why) => Some(format!(
            "{why} (where only people with write access can cause it, set {TRUSTED}=true)"
        )),
    }
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

/// Asks each service that the job says to run in: all of them have to vouch for it, for a variable is set more easily than unset.
fn origin(of: Variables<'_>) -> Origin {
    let services: [fn(Variables<'_>) -> Option<Origin>; 14] = [
        github, gitlab, azure, circle, jenkins, travis, buildkite, appveyor, semaphore, bitbucket,
        cirrus, codebuild, drone, prow,
    ];
    let mut found = Origin::Own;
    let mut is_known = false;
    for service in services {
        match service(of) {
            None => {}
            Some(Origin::Own) => is_known = true,
            Some(Origin::Unknown(why)) => {
                is_known = true;
                found = Origin::Unknown(why);
            }
            Some(stranger) => return stranger,
        }
    }
    let says_ci = of("CI").is_some_and(|ci| ci != "0" && !ci.eq_ignore_ascii_case("false"));
    if says_ci && !is_known {
        return Origin::Unknown(
            "the job's CI service is not one whose events are known".to_owned(),
        );
    }
    found
}

/// Tells a pull request by the two repositories that its variables name.
fn by_names(is_request: bool, from: Option<String>, to: Option<String>) -> Origin {
    match (is_request, from, to) {
        (false, ..) => Origin::Own,
        (true, Some(from), Some(to)) if place(&from) == place(&to) => Origin::Own,
        (true, Some(_), Some(_)) => Origin::Stranger(FORK.to_owned()),
        (true, ..) => Origin::Unknown(NOT_SAID.to_owned()),
    }
}

/// Returns host and path of a repository's address, or its name: `git@host:a/b.git`, `https://host/a/b` and `git://host/a/b.git` are one.
fn place(address: &str) -> String {
    let address = address.trim().trim_end_matches('/');
    let address = address.strip_suffix(".git").unwrap_or(address);
    let (address, is_scp) = match address.split_once("://") {
        Some((_, rest)) => (rest, false),
        None => (address, address.contains('@')),
    };
    let address = address.rsplit_once('@').map_or(address, |(_, rest)| rest);
    let mut text = address.to_ascii_lowercase();
    if is_scp {
        text = text.replacen(':', "/", 1);
    }
    text
}

/// "Variables", "Events that trigger workflows": GitHub documentation. Gitea and Forgejo set the same.
fn github(of: Variables<'_>) -> Option<Origin> {
    is_true(of("GITHUB_ACTIONS")).then_some(())?;
    let name = of("GITHUB_EVENT_NAME").unwrap_or_default();
    if OPEN_EVENTS.contains(&name.as_str()) {
        let why = format!("the event `{name}` can be caused by anybody");
        return Some(Origin::Stranger(why));
    }
    if name != "pull_request" {
        return Some(Origin::Own);
    }
    let file = of("GITHUB_EVENT_PATH");
    let own = file.and_then(|file| is_own(Path::new(&file)));
    Some(match own {
        Some(true) => Origin::Own,
        Some(false) => Origin::Stranger(FORK.to_owned()),
        // Always said for one that is there: nothing overrides what was taken away.
        None => {
            Origin::Stranger("the event does not say where the pull request comes from".to_owned())
        }
    })
}

/// Tells whether a pull request comes from the repository itself; `None` if the event's file does not say.
fn is_own(file: &Path) -> Option<bool> {
    if fs::metadata(file).ok()?.len() > MAX_EVENT {
        return None;
    }
    let event: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let id = |end: &str| {
        event
            .pointer(&format!("/pull_request/{end}/repo/id"))?
            .as_u64()
    };
    // A fork that was deleted has no repository: nobody can tell whose it was.
    Some(id("head")? == id("base")?)
}

/// "Predefined CI/CD variables reference": GitLab documentation.
fn gitlab(of: Variables<'_>) -> Option<Origin> {
    is_true(of("GITLAB_CI")).then_some(())?;
    let from = of("CI_MERGE_REQUEST_SOURCE_PROJECT_ID");
    let to = of("CI_MERGE_REQUEST_PROJECT_ID");
    let source = of("CI_PIPELINE_SOURCE").unwrap_or_default();
    // A child pipeline of a merge request has another source, and the same two projects.
    Some(match (source.as_str(), from, to) {
        ("external_pull_request_event", ..) => {
            Origin::Stranger("the pull request comes from another forge".to_owned())
        }
        (_, Some(from), Some(to)) if from == to => Origin::Own,
        ("merge_request_event", ..) | (_, Some(_), Some(_)) => {
            Origin::Stranger("the merge request comes from a fork".to_owned())
        }
        _ => Origin::Own,
    })
}

/// "Use predefined variables": Azure Pipelines documentation.
fn azure(of: Variables<'_>) -> Option<Origin> {
    is_true(of("TF_BUILD")).then_some(())?;
    let is_request = of("BUILD_REASON").is_some_and(|why| why == "PullRequest")
        || of("SYSTEM_PULLREQUEST_PULLREQUESTID").is_some();
    let fork = of("SYSTEM_PULLREQUEST_ISFORK");
    Some(match (is_request, fork) {
        (_, Some(fork)) if !fork.eq_ignore_ascii_case("false") => Origin::Stranger(FORK.to_owned()),
        (true, None) => Origin::Unknown(NOT_SAID.to_owned()),
        _ => Origin::Own,
    })
}

/// "Project values and variables": CircleCI documentation; the two names are set for forks only, whose branch is `pull/N`.
fn circle(of: Variables<'_>) -> Option<Origin> {
    is_true(of("CIRCLECI")).then_some(())?;
    let is_fork = of("CIRCLE_PR_REPONAME").is_some()
        || of("CIRCLE_PR_USERNAME").is_some()
        || of("CIRCLE_BRANCH").is_some_and(|branch| branch.starts_with("pull/"));
    Some(if is_fork {
        Origin::Stranger(FORK.to_owned())
    } else {
        Origin::Own
    })
}

/// "Global Variable Reference" of a Jenkins server (branch-api plugin): `CHANGE_FORK` is set for changes from forks. The older pull
/// request builder does not tell.
fn jenkins(of: Variables<'_>) -> Option<Origin> {
    of("JENKINS_URL")?;
    Some(if of("CHANGE_FORK").is_some() {
        Origin::Stranger(FORK.to_owned())
    } else if of("ghprbPullId").is_some() || of("GERRIT_CHANGE_ID").is_some() {
        Origin::Unknown(NOT_SAID.to_owned())
    } else {
        Origin::Own
    })
}

/// Whether a variable names a pull request: services write `false` or nothing for none.
fn names_request(value: Option<String>) -> bool {
    value.is_some_and(|value| value != "false")
}

/// "Environment Variables": Travis CI documentation.
fn travis(of: Variables<'_>) -> Option<Origin> {
    is_true(of("TRAVIS")).then_some(())?;
    let is_request = names_request(of("TRAVIS_PULL_REQUEST"));
    Some(by_names(
        is_request,
        of("TRAVIS_PULL_REQUEST_SLUG"),
        of("TRAVIS_REPO_SLUG"),
    ))
}

/// "Environment variables": Buildkite documentation.
fn buildkite(of: Variables<'_>) -> Option<Origin> {
    is_true(of("BUILDKITE")).then_some(())?;
    let is_request = names_request(of("BUILDKITE_PULL_REQUEST"));
    Some(by_names(
        is_request,
        of("BUILDKITE_PULL_REQUEST_REPO"),
        of("BUILDKITE_REPO"),
    ))
}

/// "Environment variables": AppVeyor documentation.
fn appveyor(of: Variables<'_>) -> Option<Origin> {
    is_true(of("APPVEYOR")).then_some(())?;
    let is_request = names_request(of("APPVEYOR_PULL_REQUEST_NUMBER"));
    Some(by_names(
        is_request,
        of("APPVEYOR_PULL_REQUEST_HEAD_REPO_NAME"),
        of("APPVEYOR_REPO_NAME"),
    ))
}

/// "Environment variables": Semaphore documentation.
fn semaphore(of: Variables<'_>) -> Option<Origin> {
    is_true(of("SEMAPHORE")).then_some(())?;
    let is_request = of("SEMAPHORE_GIT_REF_TYPE").is_some_and(|kind| kind == "pull-request");
    Some(by_names(
        is_request,
        of("SEMAPHORE_GIT_PR_SLUG"),
        of("SEMAPHORE_GIT_REPO_SLUG"),
    ))
}

/// "Variables and secrets": Bitbucket documentation. Pull requests of forks run in the fork.
fn bitbucket(of: Variables<'_>) -> Option<Origin> {
    of("BITBUCKET_BUILD_NUMBER").map(|_| Origin::Own)
}

/// "Environment Variables": Cirrus CI documentation; the permission is that of whoever caused the build.
fn cirrus(of: Variables<'_>) -> Option<Origin> {
    is_true(of("CIRRUS_CI")).then_some(())?;
    let may_write = of("CIRRUS_USER_PERMISSION")
        .is_some_and(|permission| permission == "admin" || permission == "write");
    Some(if of("CIRRUS_PR").is_none() || may_write {
        Origin::Own
    } else {
        Origin::Stranger("the pull request comes from somebody without write access".to_owned())
    })
}

/// "Environment variables in build environments": AWS CodeBuild documentation; forks are not told.
fn codebuild(of: Variables<'_>) -> Option<Origin> {
    of("CODEBUILD_BUILD_ID")?;
    let event = of("CODEBUILD_WEBHOOK_EVENT").unwrap_or_default();
    Some(without_names(event.starts_with("PULL_REQUEST")))
}

/// "Environment variables": Woodpecker and Drone documentation; forks are not told.
fn drone(of: Variables<'_>) -> Option<Origin> {
    let event = if of("CI").is_some_and(|ci| ci == "woodpecker") {
        of("CI_PIPELINE_EVENT").or_else(|| of("CI_BUILD_EVENT"))
    } else if is_true(of("DRONE")) {
        of("DRONE_BUILD_EVENT")
    } else {
        return None;
    };
    Some(without_names(
        event.is_none_or(|event| event.starts_with("pull_request")),
    ))
}

/// "Prow Jobs": documentation of Prow; each presubmit is somebody's proposal, which a member has let through or not.
fn prow(of: Variables<'_>) -> Option<Origin> {
    of("PROW_JOB_ID")?;
    let kind = of("JOB_TYPE").unwrap_or_default();
    Some(without_names(kind != "postsubmit" && kind != "periodic"))
}

fn without_names(is_request: bool) -> Origin {
    if is_request {
        Origin::Unknown(NOT_SAID.to_owned())
    } else {
        Origin::Own
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;

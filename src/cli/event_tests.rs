//! Jobs as the services describe them.

use std::fs;

use super::{github::OPEN_EVENTS, *};

/// Judges a job with these variables.
fn asked(variables: &[(&str, &str)]) -> Option<String> {
    judged(&|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, value)| (*value).to_owned())
            .filter(|value| !value.is_empty())
    })
}

/// Asserts that a job is a stranger's whatever its pipeline says.
fn is_strangers(variables: &[(&str, &str)]) {
    let mut more = variables.to_vec();
    more.push((TRUSTED, "true"));
    assert!(asked(variables).is_some(), "{variables:?}");
    assert!(asked(&more).is_some(), "{more:?}");
}

/// Asserts that a job is not trusted unless its pipeline says that it is.
fn is_open(variables: &[(&str, &str)]) {
    let mut more = variables.to_vec();
    more.push((TRUSTED, "true"));
    let why = asked(variables).unwrap_or_default();
    assert!(why.contains(TRUSTED), "{variables:?}: {why}");
    assert_eq!(asked(&more), None, "{more:?}");
    more.pop();
    more.push((TRUSTED, "no"));
    assert!(asked(&more).is_some(), "{more:?}");
}

fn is_trusted(variables: &[(&str, &str)]) {
    assert_eq!(asked(variables), None, "{variables:?}");
}

/// Writes GitHub's file of a pull request; the two are JSON.
fn event_file(head: &str, base: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("event.json");
    let text = format!(
        "{{\"pull_request\":{{\"head\":{{\"repo\":{head}}},\"base\":{{\"repo\":{base}}}}}}}"
    );
    fs::write(&file, text).unwrap();
    let file = file.to_string_lossy().into_owned();
    (dir, file)
}

#[test]
fn forks_and_open_events_of_github_are_strangers() {
    let request = |file: &str, act: fn(&[(&str, &str)])| {
        act(&[
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_EVENT_PATH", file),
        ]);
    };
    let (_dir, own) = event_file("{\"id\":1}", "{\"id\":1}");
    request(&own, is_trusted);
    for head in ["{\"id\":2}", "null", "{}"] {
        let (_dir, fork) = event_file(head, "{\"id\":1}");
        request(&fork, is_strangers);
    }
    request("/nowhere/event.json", is_strangers);
    let event = |name: &'static str| [("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", name)];
    for name in OPEN_EVENTS {
        is_strangers(&event(name));
    }
    for name in ["push", "schedule", "workflow_dispatch", "merge_group"] {
        is_trusted(&event(name));
    }
    for name in [
        "check_suite",
        "status",
        "deployment_status",
        "pull_request_target",
        "pull_request_approved",
        "pull_request_comment",
    ] {
        is_strangers(&event(name));
    }
    // What is not known to take write access is not trusted, be it new, or missing.
    for name in ["", "deployment", "label", "an_event_of_tomorrow", "Push"] {
        is_open(&event(name));
    }
}

#[test]
fn merge_requests_of_forks_are_strangers() {
    let event = |source: &'static str, from: &'static str| {
        [
            ("CI", "true"),
            ("GITLAB_CI", "true"),
            ("CI_PIPELINE_SOURCE", source),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", from),
            ("CI_MERGE_REQUEST_PROJECT_ID", "7"),
        ]
    };
    is_trusted(&event("merge_request_event", "7"));
    is_strangers(&event("merge_request_event", "8"));
    is_strangers(&event("merge_request_event", ""));
    is_strangers(&event("parent_pipeline", "8"));
    is_strangers(&event("external_pull_request_event", "7"));
    is_trusted(&[("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", "push")]);
    let source = |source: &'static str| [("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", source)];
    is_trusted(&source("parent_pipeline"));
    for unknown in ["", "external", "a_source_of_tomorrow"] {
        is_open(&source(unknown));
    }
    for source in ["parent_pipeline", "external", "push"] {
        let job = |more| [("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", source), more];
        is_strangers(&job(("CI_EXTERNAL_PULL_REQUEST_IID", "7")));
        is_strangers(&job((
            "CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY",
            "eve/app",
        )));
        // The fork was deleted.
        is_strangers(&job(("CI_MERGE_REQUEST_PROJECT_ID", "7")));
        is_strangers(&job(("CI_MERGE_REQUEST_IID", "7")));
    }
}

#[test]
fn plugins_of_jenkins_name_requests_in_their_ways() {
    for server in [
        ("JENKINS_URL", "https://ci.example/"),
        ("JENKINS_HOME", "/var/lib/jenkins"),
        ("BUILD_TAG", "jenkins-app-7"),
    ] {
        is_trusted(&[server, ("BUILD_ID", "7")]);
        for name in [
            "ghprbPullId",
            "GITHUB_PR_NUMBER",
            "BITBUCKET_PULL_REQUEST_ID",
            "pullRequestId",
            "GERRIT_CHANGE_ID",
        ] {
            is_open(&[server, (name, "7")]);
        }
        is_strangers(&[server, ("CHANGE_FORK", "eve/app")]);
        let merge = |from: &'static str| {
            [
                server,
                ("gitlabActionType", "MERGE"),
                ("gitlabSourceRepoHttpUrl", from),
                (
                    "gitlabTargetRepoHttpUrl",
                    "https://git.example/acme/app.git",
                ),
            ]
        };
        is_strangers(&merge("https://git.example/eve/app.git"));
        is_trusted(&merge("https://git.example/acme/app.git"));
        is_open(&merge(""));
        is_strangers(&[server, ("gitlabActionType", "NOTE")]);
        is_trusted(&[server, ("gitlabActionType", "PUSH")]);
        is_open(&[server, ("gitlabActionType", "PIPELINE")]);
        is_open(&[server, ("gitlabMergeRequestIid", "7")]);
    }
}

#[test]
fn services_without_ci_in_their_variables_are_seen() {
    is_open(&[("TEAMCITY_VERSION", "2025.11"), ("BUILD_NUMBER", "7")]);
    let bamboo = ("bamboo_buildKey", "ACME-APP-JOB1");
    is_trusted(&[bamboo]);
    is_open(&[bamboo, ("bamboo_repository_pr_key", "7")]);
    let gocd = ("GO_PIPELINE_NAME", "app");
    is_open(&[gocd]);
    is_open(&[gocd, ("GO_SCM_PR_ID", "7")]);
    is_open(&[
        ("_PR_NUMBER", "7"),
        ("_HEAD_REPO_URL", "https://x.example/eve/app"),
    ]);
    is_open(&[("BUILDER_OUTPUT", "/builder/outputs")]);
    for sign in SIGNS {
        is_open(&[(sign, "7")]);
    }
    // CI=false is a word of a known laptop, not of a job's variables.
    is_open(&[("CI", "false"), ("BUILD_NUMBER", "7")]);
}

#[test]
fn causes_that_are_not_known_are_not_trusted() {
    let azure = |reason: &'static str| [("TF_BUILD", "True"), ("BUILD_REASON", reason)];
    is_trusted(&azure("Manual"));
    for reason in ["ResourceTrigger", "BuildCompletion", ""] {
        is_open(&azure(reason));
    }
    let build = ("CODEBUILD_BUILD_ID", "a:b");
    is_trusted(&[build]);
    is_open(&[build, ("CODEBUILD_WEBHOOK_TRIGGER", "pr/7")]);
    is_open(&[build, ("CODEBUILD_WEBHOOK_EVENT", "AN_EVENT_OF_TOMORROW")]);
    is_open(&[("CI", "woodpecker"), ("CI_PIPELINE_EVENT", "deployment")]);
    is_trusted(&[("DRONE", "true"), ("DRONE_BUILD_EVENT", "cron")]);
}

#[test]
fn other_services_tell_forks_in_their_ways() {
    is_strangers(&[("TF_BUILD", "True"), ("SYSTEM_PULLREQUEST_ISFORK", "True")]);
    is_trusted(&[
        ("TF_BUILD", "True"),
        ("BUILD_REASON", "PullRequest"),
        ("SYSTEM_PULLREQUEST_ISFORK", "False"),
    ]);
    is_trusted(&[("TF_BUILD", "True"), ("BUILD_REASON", "IndividualCI")]);
    is_strangers(&[("CIRCLECI", "true"), ("CIRCLE_PR_REPONAME", "app")]);
    is_strangers(&[("CIRCLECI", "true"), ("CIRCLE_BRANCH", "pull/7")]);
    is_trusted(&[("CIRCLECI", "true"), ("CIRCLE_BRANCH", "pulley")]);
    let jenkins = ("JENKINS_URL", "https://ci.example/");
    is_strangers(&[jenkins, ("CHANGE_ID", "7"), ("CHANGE_FORK", "eve/app")]);
    is_trusted(&[jenkins, ("CHANGE_ID", "7")]);
    let cirrus = [("CIRRUS_CI", "true"), ("CIRRUS_PR", "7")];
    is_strangers(&cirrus);
    is_strangers(&[cirrus[0], cirrus[1], ("CIRRUS_USER_PERMISSION", "read")]);
    is_trusted(&[cirrus[0], cirrus[1], ("CIRRUS_USER_PERMISSION", "write")]);
    is_trusted(&[("CI", "true"), ("BITBUCKET_BUILD_NUMBER", "7")]);
}

#[test]
fn two_names_of_a_repository_are_compared() {
    for (service, request, from, to) in [
        (
            "TRAVIS",
            ("TRAVIS_PULL_REQUEST", "7"),
            "TRAVIS_PULL_REQUEST_SLUG",
            "TRAVIS_REPO_SLUG",
        ),
        (
            "BUILDKITE",
            ("BUILDKITE_PULL_REQUEST", "7"),
            "BUILDKITE_PULL_REQUEST_REPO",
            "BUILDKITE_REPO",
        ),
        (
            "APPVEYOR",
            ("APPVEYOR_PULL_REQUEST_NUMBER", "7"),
            "APPVEYOR_PULL_REQUEST_HEAD_REPO_NAME",
            "APPVEYOR_REPO_NAME",
        ),
        (
            "SEMAPHORE",
            ("SEMAPHORE_GIT_REF_TYPE", "pull-request"),
            "SEMAPHORE_GIT_PR_SLUG",
            "SEMAPHORE_GIT_REPO_SLUG",
        ),
    ] {
        let ci = (service, "true");
        is_trusted(&[ci, request, (from, "acme/app"), (to, "acme/app")]);
        is_strangers(&[ci, request, (from, "eve/app"), (to, "acme/app")]);
        is_open(&[ci, request, (to, "acme/app")]);
        is_trusted(&[ci, (to, "acme/app")]);
    }
    is_trusted(&[
        ("BUILDKITE", "true"),
        ("BUILDKITE_PULL_REQUEST", "7"),
        (
            "BUILDKITE_PULL_REQUEST_REPO",
            "git://github.com/Acme/app.git",
        ),
        ("BUILDKITE_REPO", "git@github.com:acme/app.git"),
    ]);
    is_strangers(&[
        ("BUILDKITE", "true"),
        ("BUILDKITE_PULL_REQUEST", "7"),
        (
            "BUILDKITE_PULL_REQUEST_REPO",
            "git://github.com/eve/app.git",
        ),
        ("BUILDKITE_REPO", "git@github.com:acme/app.git"),
    ]);
    is_trusted(&[("BUILDKITE", "true"), ("BUILDKITE_PULL_REQUEST", "false")]);
}

#[test]
fn what_nobody_says_is_not_trusted_unless_the_pipeline_says_so() {
    is_open(&[("CI", "true")]);
    is_open(&[("CI", "some-other-service")]);
    is_open(&[("TF_BUILD", "True"), ("BUILD_REASON", "PullRequest")]);
    is_open(&[("JENKINS_URL", "https://ci.example/"), ("ghprbPullId", "7")]);
    is_open(&[
        ("CODEBUILD_BUILD_ID", "a:b"),
        ("CODEBUILD_WEBHOOK_EVENT", "PULL_REQUEST_CREATED"),
    ]);
    is_trusted(&[
        ("CODEBUILD_BUILD_ID", "a:b"),
        ("CODEBUILD_WEBHOOK_EVENT", "PUSH"),
    ]);
    is_open(&[("CI", "woodpecker"), ("CI_PIPELINE_EVENT", "pull_request")]);
    is_trusted(&[("CI", "woodpecker"), ("CI_PIPELINE_EVENT", "push")]);
    is_open(&[("DRONE", "true"), ("DRONE_BUILD_EVENT", "pull_request")]);
    is_open(&[("PROW_JOB_ID", "x"), ("JOB_TYPE", "presubmit")]);
    is_trusted(&[("PROW_JOB_ID", "x"), ("JOB_TYPE", "periodic")]);
    is_trusted(&[]);
    is_trusted(&[("CI", "false")]);
}

#[test]
fn one_service_does_not_vouch_for_another() {
    let (_dir, fork) = event_file("{\"id\":2}", "{\"id\":1}");
    is_strangers(&[
        ("BITBUCKET_BUILD_NUMBER", "1"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_EVENT_PATH", &fork),
        ("GITLAB_CI", "true"),
        ("CI_PIPELINE_SOURCE", "push"),
    ]);
}

//! What each CI service says of a job.
//!
//! Promises: an event that a service's documentation does not name as one that takes write access is not taken for one.

use super::{Origin, Variables, github::github, is_true};

/// Every service that is known.
pub(super) const ALL: [fn(Variables<'_>) -> Option<Origin>; 18] = [
    github,
    gitlab,
    azure,
    circle,
    jenkins,
    travis,
    buildkite,
    appveyor,
    semaphore,
    bitbucket,
    cirrus,
    codebuild,
    drone,
    prow,
    teamcity,
    bamboo,
    gocd,
    cloud_build,
];

const NOT_SAID: &str = "the CI service does not say where the pull request comes from";
pub(super) const FORK: &str = "the pull request comes from a fork";

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

/// Sources of GitLab's pipelines that take a right to the project ("CI/CD job rules", GitLab documentation).
const OWN_SOURCES: [&str; 11] = [
    "push",
    "web",
    "webide",
    "schedule",
    "api",
    "trigger",
    "chat",
    "pipeline",
    "parent_pipeline",
    "merge_request_event",
    "security_orchestration_policy",
];

/// "Predefined CI/CD variables reference": GitLab documentation.
fn gitlab(of: Variables<'_>) -> Option<Origin> {
    is_true(of("GITLAB_CI")).then_some(())?;
    let from = of("CI_MERGE_REQUEST_SOURCE_PROJECT_ID");
    let to = of("CI_MERGE_REQUEST_PROJECT_ID");
    let source = of("CI_PIPELINE_SOURCE").unwrap_or_default();
    let has = |names: &[&str]| names.iter().any(|name| of(name).is_some());
    // Child pipelines have another source, and the variables of the request.
    let is_external = source == "external_pull_request_event"
        || has(&[
            "CI_EXTERNAL_PULL_REQUEST_IID",
            "CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY",
            "CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY",
            "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME",
        ]);
    let is_request = source == "merge_request_event"
        || from.is_some()
        || to.is_some()
        || has(&["CI_MERGE_REQUEST_IID", "CI_MERGE_REQUEST_ID"]);
    Some(if is_external {
        Origin::Stranger("the pull request comes from another forge".to_owned())
    } else if is_request && (from.is_none() || from != to) {
        Origin::Stranger("the merge request comes from a fork".to_owned())
    } else if OWN_SOURCES.contains(&source.as_str()) {
        Origin::Own
    } else {
        Origin::Unknown("GitLab does not say what caused the pipeline".to_owned())
    })
}

/// Reasons of Azure's builds that take a right to the project. Not those of resources: another pipeline ended, which may have been that
/// of a fork.
const OWN_REASONS: [&str; 6] = [
    "Manual",
    "IndividualCI",
    "BatchedCI",
    "Schedule",
    "ValidateShelveset",
    "CheckInShelveset",
];

/// "Use predefined variables": Azure Pipelines documentation.
fn azure(of: Variables<'_>) -> Option<Origin> {
    is_true(of("TF_BUILD")).then_some(())?;
    let reason = of("BUILD_REASON").unwrap_or_default();
    let is_request = reason == "PullRequest" || of("SYSTEM_PULLREQUEST_PULLREQUESTID").is_some();
    let fork = of("SYSTEM_PULLREQUEST_ISFORK");
    Some(match (is_request, fork) {
        (_, Some(fork)) if !fork.eq_ignore_ascii_case("false") => Origin::Stranger(FORK.to_owned()),
        (true, Some(_)) => Origin::Own,
        (true, None) => Origin::Unknown(NOT_SAID.to_owned()),
        (false, _) if OWN_REASONS.contains(&reason.as_str()) => Origin::Own,
        (false, _) => {
            Origin::Unknown("Azure Pipelines does not say what caused the run".to_owned())
        }
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

/// Variables by which Jenkins' plugins name a pull request without saying where it comes from: GitHub's two builders, Bitbucket's three,
/// Gitee's, Gerrit's, and payloads that a generic trigger passes on under their usual names.
const JENKINS_REQUESTS: [&str; 14] = [
    "ghprbPullId",
    "ghprbActualCommit",
    "GITHUB_PR_NUMBER",
    "GITHUB_PR_HEAD_SHA",
    "BITBUCKET_PULL_REQUEST_ID",
    "BITBUCKET_PULL_REQUEST_LINK",
    "pullRequestId",
    "PULL_REQUEST_ID",
    "PULL_REQUEST_FROM_REPO_SLUG",
    "pull_request_number",
    "giteePullRequestIid",
    "GERRIT_CHANGE_ID",
    "GERRIT_CHANGE_NUMBER",
    "GERRIT_REFSPEC",
];

/// "Global Variable Reference" of a Jenkins server (branch-api plugin): `CHANGE_FORK` is set for changes from forks. Older plugins do not
/// tell, but for GitLab's ("Defined variables", gitlab-plugin). A server that does not know its own address sets no `JENKINS_URL`.
fn jenkins(of: Variables<'_>) -> Option<Origin> {
    let has = |names: &[&str]| names.iter().any(|name| of(name).is_some());
    let is_build = of("BUILD_TAG").is_some_and(|tag| tag.starts_with("jenkins-"));
    (is_build || has(&["JENKINS_URL", "JENKINS_HOME", "HUDSON_URL"])).then_some(())?;
    let act = of("gitlabActionType").unwrap_or_default();
    let is_merge = act == "MERGE" || has(&["gitlabMergeRequestIid", "gitlabMergeRequestId"]);
    Some(if has(&["CHANGE_FORK"]) {
        Origin::Stranger(FORK.to_owned())
    } else if act == "NOTE" {
        Origin::Stranger("a comment can be written by anybody".to_owned())
    } else if has(&JENKINS_REQUESTS) {
        Origin::Unknown(NOT_SAID.to_owned())
    } else if is_merge || matches!(act.as_str(), "" | "PUSH" | "TAG_PUSH") {
        by_names(
            is_merge,
            of("gitlabSourceRepoHttpUrl"),
            of("gitlabTargetRepoHttpUrl"),
        )
    } else {
        Origin::Unknown("Jenkins does not say what caused the build".to_owned())
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

/// "Environment variables in build environments", "GitHub webhook events": AWS CodeBuild documentation; forks are not told.
fn codebuild(of: Variables<'_>) -> Option<Origin> {
    of("CODEBUILD_BUILD_ID")?;
    let event = of("CODEBUILD_WEBHOOK_EVENT").unwrap_or_default();
    let is_own = matches!(event.as_str(), "" | "PUSH" | "RELEASED" | "PRERELEASED");
    let of_request =
        of("CODEBUILD_WEBHOOK_TRIGGER").is_some_and(|trigger| trigger.starts_with("pr/"));
    Some(without_names(!is_own || of_request))
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
    let is_own = matches!(
        event.as_deref(),
        Some("push" | "tag" | "release" | "cron" | "manual" | "custom" | "promote" | "rollback")
    );
    Some(without_names(!is_own))
}

/// "Prow Jobs": documentation of Prow; each presubmit is somebody's proposal, which a member has let through or not.
fn prow(of: Variables<'_>) -> Option<Origin> {
    of("PROW_JOB_ID")?;
    let kind = of("JOB_TYPE").unwrap_or_default();
    Some(without_names(kind != "postsubmit" && kind != "periodic"))
}

/// "List of Predefined Build Parameters": TeamCity documentation; what it knows of a pull request is in no variable.
fn teamcity(of: Variables<'_>) -> Option<Origin> {
    of("TEAMCITY_VERSION")?;
    let why = "TeamCity's variables do not say what caused the build";
    Some(Origin::Unknown(why.to_owned()))
}

/// "Bamboo variables": Atlassian documentation; forks are not told.
fn bamboo(of: Variables<'_>) -> Option<Origin> {
    let names = ["bamboo_buildKey", "bamboo_planKey", "bamboo_buildResultKey"];
    names.iter().find_map(|name| of(name))?;
    let names = [
        "bamboo_repository_pr_key",
        "bamboo_repository_pr_sourceBranch",
        "bamboo_repository_pr_targetBranch",
    ];
    Some(without_names(names.iter().any(|name| of(name).is_some())))
}

/// "Using Environment Variables in GoCD": GoCD documentation; plugins name a pull request in variables that hold the material's name.
fn gocd(of: Variables<'_>) -> Option<Origin> {
    of("GO_PIPELINE_NAME").or_else(|| of("GO_SERVER_URL"))?;
    let why = "GoCD's variables do not say what caused the pipeline";
    Some(Origin::Unknown(why.to_owned()))
}

/// "Substituting variable values": Cloud Build documentation; a step has of a pull request what its author passes on, and the head's
/// repository alone.
fn cloud_build(of: Variables<'_>) -> Option<Origin> {
    let names = ["BUILDER_OUTPUT", "_PR_NUMBER", "_HEAD_REPO_URL"];
    names.iter().find_map(|name| of(name))?;
    let why = "Cloud Build's variables do not say what caused the build";
    Some(Origin::Unknown(why.to_owned()))
}

fn without_names(is_request: bool) -> Origin {
    if is_request {
        Origin::Unknown(NOT_SAID.to_owned())
    } else {
        Origin::Own
    }
}

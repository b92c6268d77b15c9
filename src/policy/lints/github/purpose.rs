//! What a job is for, as far as its names tell.

use super::{super::super::names::words, model::Job};

/// Words that name production.
const PRODUCTION: [&str; 5] = ["prod", "production", "prd", "prodn", "live"];

/// Words before or after one of [`PRODUCTION`] that make it something else.
const NOT_PRODUCTION: [&str; 5] = ["non", "pre", "not", "like", "nonprod"];

/// Words of other environments.
const OTHERS: [&str; 31] = [
    "staging",
    "stage",
    "stg",
    "dev",
    "devel",
    "development",
    "test",
    "tests",
    "testing",
    "qa",
    "uat",
    "preview",
    "previews",
    "review",
    "sandbox",
    "demo",
    "nonprod",
    "preprod",
    "local",
    "ephemeral",
    "canary",
    "pr",
    "ci",
    "integration",
    "e2e",
    "nightly",
    "snapshot",
    "snapshots",
    "docs",
    "doc",
    "documentation",
];

/// Words of work that only sounds like a deployment.
const SOUNDS: [&str; 26] = [
    "dry",
    "check",
    "checks",
    "lint",
    "verify",
    "validate",
    "notes",
    "note",
    "draft",
    "drafter",
    "results",
    "result",
    "report",
    "reports",
    "coverage",
    "label",
    "labels",
    "comment",
    "cleanup",
    "undeploy",
    "candidate",
    "prepare",
    "please",
    "changelog",
    "tag",
    "plan",
];

/// Tells whether a name is that of production.
pub(super) fn is_production(name: &str) -> bool {
    let words = words(name);
    words.iter().enumerate().any(|(at, word)| {
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        let after = words.get(at + 1);
        let is_other = |word: Option<&String>| {
            word.is_some_and(|word| NOT_PRODUCTION.contains(&word.as_str()))
        };
        PRODUCTION.contains(&word.as_str()) && !is_other(before) && !is_other(after)
    })
}

/// Tells whether a name is that of an environment that is not production.
pub(super) fn is_other_environment(name: &str) -> bool {
    !is_production(name)
        && words(name)
            .iter()
            .any(|word| OTHERS.contains(&word.as_str()))
}

/// Tells whether a name says that something is brought to its users.
pub(super) fn is_deployment(name: &str) -> bool {
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    has(&["deploy", "deploys", "deployment", "release", "publish"])
        && !has(&OTHERS)
        && !has(&SOUNDS)
}

/// How surely a job serves production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Production {
    /// By a verb in its names: it deploys, releases or publishes something.
    Deploys,
    /// By a word for production in its names.
    Named,
    /// By the environment that it declares.
    Declared,
}

/// Returns how a job serves production, if it does.
pub(super) fn production(job: &Job<'_>) -> Option<Production> {
    let handed = job
        .with
        .iter()
        .find(|entry| matches!(entry.key.as_str(), "environment" | "env" | "stage"));
    let environment = job
        .environment
        .or(handed.and_then(|entry| entry.value.text()));
    let environment = environment.filter(|name| !name.contains("${{"));
    if let Some(environment) = environment {
        if is_production(environment) {
            return Some(Production::Declared);
        }
        if is_other_environment(environment) {
            return None;
        }
    }
    let names = || std::iter::once(job.id).chain(job.name);
    if names().any(is_production) {
        return Some(Production::Named);
    }
    (names().any(is_deployment) && !names().any(is_other_environment))
        .then_some(Production::Deploys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_production() {
        for name in [
            "production",
            "deploy-prod",
            "prod_eu",
            "Deploy to Production",
        ] {
            assert!(is_production(name), "{name}");
        }
        for name in [
            "non-prod",
            "preprod",
            "pre-production",
            "prod-like",
            "product",
            "reproduce",
        ] {
            assert!(!is_production(name), "{name}");
        }
        for name in ["deploy", "publish-npm", "Release", "deploy_api"] {
            assert!(is_deployment(name), "{name}");
        }
        for name in [
            "deploy-preview",
            "publish-test-results",
            "release-notes",
            "release-please",
            "deploy-staging",
            "publish docs",
            "build",
        ] {
            assert!(!is_deployment(name), "{name}");
        }
    }
}

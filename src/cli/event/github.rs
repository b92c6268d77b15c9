//! What GitHub Actions, and those who set the same variables, say of a job.
//!
//! Promises: an event is trusted if it is known to take write access, and a pull request if GitHub's file says that it comes from the
//! repository itself.

use std::{fs, path::Path};

use super::{Origin, Variables, is_true, services::FORK};
use crate::model::quotable;

/// Events of GitHub Actions that take write access to the repository ("Events that trigger workflows", GitHub documentation): `release`,
/// `create` and `delete` are acts on its references, the two dispatches need a right to write, and so does a place in the merge queue.
/// `deployment` is none of them: apps deploy the commits of forks.
const OWN_EVENTS: [&str; 8] = [
    "push",
    "schedule",
    "workflow_dispatch",
    "repository_dispatch",
    "merge_group",
    "release",
    "create",
    "delete",
];

/// Events that people without write access can cause, or apps on their behalf, and that run with the base repository's secrets (the
/// same page; "Preventing pwn requests", GitHub Security Lab). Those of pull requests are told by their names, as Gitea has more of them.
pub(super) const OPEN_EVENTS: [&str; 13] = [
    "workflow_run",
    "issue_comment",
    "issues",
    "discussion",
    "discussion_comment",
    "fork",
    "watch",
    "star",
    "gollum",
    "check_run",
    "check_suite",
    "status",
    "deployment_status",
];

/// Largest event file, bytes; GitHub sends 25 MiB at most.
const MAX_EVENT: u64 = 32 << 20;

/// "Variables", "Events that trigger workflows": GitHub documentation. Gitea and Forgejo set the same.
pub(super) fn github(of: Variables<'_>) -> Option<Origin> {
    is_true(of("GITHUB_ACTIONS")).then_some(())?;
    let Some(name) = of("GITHUB_EVENT_NAME") else {
        let why = "GitHub Actions does not say which event it is".to_owned();
        return Some(Origin::Unknown(why));
    };
    if OWN_EVENTS.contains(&name.as_str()) {
        return Some(Origin::Own);
    }
    let is_request = name.starts_with("pull_request");
    if OPEN_EVENTS.contains(&name.as_str()) || (is_request && name != "pull_request") {
        let why = format!("the event `{}` can be caused by anybody", quotable(&name));
        return Some(Origin::Stranger(why));
    }
    if !is_request {
        let why = format!(
            "the event `{}` is not known to take write access",
            quotable(&name)
        );
        return Some(Origin::Unknown(why));
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

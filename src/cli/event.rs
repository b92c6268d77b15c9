//! What started this CI job, and whether whoever started it may have secrets compared or changed.
//!
//! verify answers "is this value in the store" and rotate changes stores: neither runs for a change that a stranger proposes, nor for
//! events that run a stranger's text with the repository's own rights. Outside CI the user is at the keyboard.

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

/// Refuses to go on for an event that strangers can cause.
///
/// # Errors
/// [`CliError::Untrusted`], with what to do instead.
pub(super) fn trusted() -> Result<(), CliError> {
    let text = |name: &str| settings::variable(name).and_then(|value| value.into_string().ok());
    let event = Event {
        github: text("GITHUB_ACTIONS").is_some_and(|set| set == "true"),
        name: text("GITHUB_EVENT_NAME"),
        file: text("GITHUB_EVENT_PATH"),
        gitlab: text("GITLAB_CI").is_some_and(|set| set == "true"),
        source: text("CI_PIPELINE_SOURCE"),
        from: text("CI_MERGE_REQUEST_SOURCE_PROJECT_ID"),
        to: text("CI_MERGE_REQUEST_PROJECT_ID"),
    };
    match event.stranger() {
        None => Ok(()),
        Some(why) => Err(CliError::Untrusted { why }),
    }
}

/// What CI says of the job.
#[derive(Default)]
struct Event {
    github: bool,
    name: Option<String>,
    file: Option<String>,
    gitlab: bool,
    source: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl Event {
    /// Returns why a stranger may have caused the job; `None` if it is trusted.
    fn stranger(&self) -> Option<String> {
        if self.github {
            let name = self.name.as_deref().unwrap_or_default();
            if OPEN_EVENTS.contains(&name) {
                return Some(format!("the event `{name}` can be caused by anybody"));
            }
            if name == "pull_request" {
                let own = self
                    .file
                    .as_deref()
                    .and_then(|file| is_own(Path::new(file)));
                return match own {
                    Some(true) => None,
                    Some(false) => Some("the pull request comes from a fork".to_owned()),
                    None => {
                        Some("the event does not say where the pull request comes from".to_owned())
                    }
                };
            }
        }
        if self.gitlab {
            // A child pipeline of a merge request has another source, and the same two projects.
            return match (self.source.as_deref(), &self.from, &self.to) {
                (Some("external_pull_request_event"), ..) => {
                    Some("the pull request comes from another forge".to_owned())
                }
                (_, Some(from), Some(to)) if from == to => None,
                (Some("merge_request_event"), ..) | (_, Some(_), Some(_)) => {
                    Some("the merge request comes from a fork".to_owned())
                }
                _ => None,
            };
        }
        None
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pull_request(head: &str, base: &str) -> (tempfile::TempDir, Event) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("event.json");
        let text = format!(
            "{{\"pull_request\":{{\"head\":{{\"repo\":{head}}},\"base\":{{\"repo\":{base}}}}}}}"
        );
        fs::write(&file, text).unwrap();
        let event = Event {
            github: true,
            name: Some("pull_request".to_owned()),
            file: Some(file.to_string_lossy().into_owned()),
            ..Event::default()
        };
        (dir, event)
    }

    #[test]
    fn forks_and_open_events_are_strangers() {
        let (_dir, own) = pull_request("{\"id\":1}", "{\"id\":1}");
        assert_eq!(own.stranger(), None);
        for head in ["{\"id\":2}", "null", "{}"] {
            let (_dir, fork) = pull_request(head, "{\"id\":1}");
            assert!(fork.stranger().is_some(), "{head}");
        }
        for name in OPEN_EVENTS {
            let event = Event {
                github: true,
                name: Some(name.to_owned()),
                ..Event::default()
            };
            assert!(event.stranger().is_some(), "{name}");
        }
        for name in ["push", "schedule", "workflow_dispatch", "merge_group"] {
            let event = Event {
                github: true,
                name: Some(name.to_owned()),
                ..Event::default()
            };
            assert_eq!(event.stranger(), None, "{name}");
        }
        assert_eq!(Event::default().stranger(), None);
    }

    #[test]
    fn merge_requests_of_forks_are_strangers() {
        let event = |from: Option<&str>| Event {
            gitlab: true,
            source: Some("merge_request_event".to_owned()),
            from: from.map(str::to_owned),
            to: Some("7".to_owned()),
            ..Event::default()
        };
        assert_eq!(event(Some("7")).stranger(), None);
        assert!(event(Some("8")).stranger().is_some());
        assert!(event(None).stranger().is_some());
        let child = Event {
            source: Some("parent_pipeline".to_owned()),
            ..event(Some("8"))
        };
        assert!(child.stranger().is_some());
    }
}

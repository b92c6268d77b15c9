//! What started this CI job, and whether whoever started it may have secrets compared or changed.
//!
//! verify answers "is this value in the store" and rotate changes stores: neither runs for a change that a stranger proposes, nor for
//! events that run a stranger's text with the repository's own rights. Outside CI the user is at the keyboard.
//!
//! Promises: what a CI service says of the job is read from its variables, and from GitHub's event file, alone; a pull request of which the
//! service does not say where it comes from is a stranger's, and so is any job of a service that is not known here, unless
//! `KEYSWEEP_TRUSTED_EVENT` says otherwise; a pull request that is known to come from a fork, nothing overrides.

mod github;
mod services;

use super::{error::CliError, settings};

/// What a pipeline says for jobs whose service cannot: `true` means that only people with write access can cause this job.
const TRUSTED: &str = "KEYSWEEP_TRUSTED_EVENT";

/// Variables that only jobs have, of services that are not known here or do not set `CI`.
const SIGNS: [&str; 34] = [
    "AGOLA_GIT_REF",
    "APPCENTER_BUILD_ID",
    "ARGO_WORKFLOW_NAME",
    "BITRISE_IO",
    "BUDDY_WORKSPACE_ID",
    "BUILD_BUILDID",
    "BUILD_ID",
    "BUILD_NUMBER",
    "BUILD_TAG",
    "CF_BUILD_ID",
    "CI_APP_ID",
    "CI_BUILD_ID",
    "CI_BUILD_NUMBER",
    "CI_COMMIT_SHA",
    "CI_JOB_ID",
    "CI_NAME",
    "CI_PIPELINE_ID",
    "CI_XCODE_PROJECT",
    "CM_BUILD_ID",
    "CONTINUOUS_INTEGRATION",
    "DSARI",
    "EAS_BUILD",
    "GITHUB_RUN_ID",
    "HARNESS_BUILD_ID",
    "HEROKU_TEST_RUN_ID",
    "JOB_URL",
    "NETLIFY",
    "NOW_BUILDER",
    "RUN_ID",
    "SCREWDRIVER",
    "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI",
    "TASKCLUSTER_ROOT_URL",
    "VELA",
    "ZUUL_UUID",
];

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
    let mut found = Origin::Own;
    let mut is_known = false;
    for service in services::ALL {
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
    if !is_known && (says_ci || SIGNS.iter().any(|sign| of(sign).is_some())) {
        return Origin::Unknown(
            "the job's CI service is not one whose events are known".to_owned(),
        );
    }
    found
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;

//! From the settings of `[[sinks]]` to a sink that answers, and what the sinks of web services do alike: tokens, answers.
//!
//! Promises: opening sends nothing; a token's file that every user may read is refused.

use std::{path::PathBuf, time::Duration};

use zeroize::Zeroizing;

use super::Sink;
use crate::{
    config::sinks::{SinkEntry, SinkKind},
    model::Secret,
    stores::{
        Fault, StoreError, Surroundings,
        http::{Answer, Effect},
        target::secret_file,
    },
};

/// Opens the sink that a `[[sinks]]` entry describes. No request is sent.
///
/// # Errors
/// [`Fault::Setup`] for settings that cannot work and tokens that cannot be read, [`Fault::Unsupported`] for kinds that there are none of on
/// this system.
pub fn open(
    entry: &SinkEntry,
    surroundings: &Surroundings<'_>,
) -> Result<Box<dyn Sink>, StoreError> {
    match &entry.kind {
        SinkKind::Github(settings) => Ok(Box::new(super::github::Github::open(
            settings,
            surroundings,
        )?)),
        SinkKind::Gitlab(settings) => Ok(Box::new(super::gitlab::Gitlab::open(
            settings,
            surroundings,
        )?)),
        #[cfg(unix)]
        SinkKind::Docker(settings) => Ok(Box::new(super::docker::Docker::open(
            settings,
            surroundings,
        ))),
        #[cfg(unix)]
        SinkKind::Command(settings) => Ok(Box::new(super::command::CommandSink::open(
            entry,
            settings,
            surroundings,
        )?)),
        #[cfg(not(unix))]
        SinkKind::Docker(_) | SinkKind::Command(_) => Err(StoreError::unsupported(
            &entry.store,
            "reach sinks of kind `docker` and `command` on this system",
        )),
    }
}

/// Returns the token that a file or a variable holds.
///
/// # Errors
/// [`Fault::Setup`].
pub(super) fn token(
    label: &str,
    file: Option<&PathBuf>,
    variable: Option<&str>,
    surroundings: &Surroundings<'_>,
) -> Result<Secret, StoreError> {
    if let Some(file) = file {
        return secret_file(label, file, surroundings);
    }
    let named = variable.unwrap_or_default();
    let value = (surroundings.variable)(named);
    let token = value.map(|value| Secret::new(value.as_encoded_bytes().trim_ascii()));
    token.filter(|token| !token.is_empty()).ok_or_else(|| {
        StoreError::new(
            label,
            Fault::Setup,
            "the variable that `token-variable` names is not set",
            "set it to the token for this run, or name a file with `token-file`",
        )
    })
}

/// Returns the header's value of a bearer token.
pub(super) fn bearer(token: &Secret) -> Zeroizing<Vec<u8>> {
    // The token goes to the server that it belongs to.
    let token = token.expose();
    let mut bearer = Zeroizing::new(Vec::with_capacity(token.len() + 7));
    bearer.extend_from_slice(b"Bearer ");
    bearer.extend_from_slice(token);
    bearer
}

/// Returns the text of a value; a sink that takes text only refuses others.
pub(super) fn text<'v>(label: &str, value: &'v Secret) -> Result<&'v str, StoreError> {
    // Exposed to be sent to the sink.
    std::str::from_utf8(value.expose()).map_err(|_| {
        StoreError::new(
            label,
            Fault::Rejected,
            "the value is no text, and this sink takes nothing else",
            "keep values that are no text out of `[[sinks]]`, or store them in base64",
        )
    })
}

/// Turns a status that is no success into a fault, as GitHub, GitLab and Docker mean theirs: 400 and 422 are about the value.
pub(super) fn judge(
    label: &str,
    what: &str,
    effect: Effect,
    answer: Answer,
) -> Result<Answer, StoreError> {
    let after = answer.after;
    let is_limited = after.is_some() || answer.header("x-ratelimit-remaining") == Some("0");
    if answer.is_fine() {
        return Ok(answer);
    }
    let (fault, happened, help) = said(answer.status, effect, is_limited, after);
    let is_quota = answer.status == 429 || (answer.status == 403 && is_limited);
    let error = StoreError::new(label, fault, format!("{what}: {happened}"), help);
    Err(error.of_quota(is_quota))
}

fn said(
    status: u16,
    effect: Effect,
    is_limited: bool,
    after: Option<Duration>,
) -> (Fault, &'static str, &'static str) {
    match status {
        401 => (
            Fault::Unauthenticated,
            "the token is not accepted",
            "make a new token and write it where the sink's entry in stores.toml says",
        ),
        403 if is_limited => (
            Fault::Retryable { after },
            "the server asks to slow down",
            "resume later",
        ),
        403 => (
            Fault::Denied,
            "the token may not do this",
            "give the token the right to read and write secrets (docs/rotate.md, \"Copies elsewhere\")",
        ),
        404 => (
            Fault::NotFound,
            "there is no such copy, or the token may not see it",
            "make it once by hand: keysweep replaces copies and makes none; and check the names in the sink's entry",
        ),
        409 | 412 => (
            Fault::Conflict,
            "somebody else is changing it",
            "look who does",
        ),
        400 | 413 | 422 => (
            Fault::Rejected,
            "the server does not take the value",
            "see what it asks of values: length, letters, masking",
        ),
        429 => (
            Fault::Retryable { after },
            "the server asks to slow down",
            "resume later",
        ),
        500..=599 if effect == Effect::Write => (
            Fault::Unknown,
            "the server had a fault of its own, and may have done it",
            "resume: it is sent again",
        ),
        500..=599 => (
            Fault::Unavailable,
            "the server had a fault of its own",
            "resume later",
        ),
        _ => (
            Fault::Protocol,
            "the answer is none that was expected",
            "check `address`: it is that of the API, not of a page",
        ),
    }
}

/// Returns the error of an answer that is not what its sender documents.
pub(super) fn garbled(label: &str, what: &str) -> StoreError {
    StoreError::new(
        label,
        Fault::Protocol,
        format!("{what}: the answer is not what it should be"),
        "check `address`: it is that of the API, not of a page or a proxy before it",
    )
}

//! From errors of Google's library to ours. Told apart by `error.status` of the answer ("Errors", API design guide), not by HTTP statuses:
//! proxies send those, too.

use std::error::Error as _;

use google_cloud_gax::error::rpc::Code;
use google_cloud_secretmanager_v1::Error;

use crate::stores::{Fault, StoreError, http::Effect};

/// The error itself, not that tries were used up on it.
fn inner(error: &Error) -> &Error {
    let mut error = error;
    while error.is_exhausted() {
        match error.source().and_then(|source| source.downcast_ref()) {
            Some(source) => error = source,
            None => break,
        }
    }
    error
}

/// Returns the code of the answer, if there was one with a code.
pub(super) fn code(error: &Error) -> Option<Code> {
    inner(error).status().map(|status| status.code)
}

/// Puts an error into our words.
pub(super) fn translate(store: &str, what: &str, effect: Effect, error: &Error) -> StoreError {
    let error = inner(error);
    let (fault, why, help) = if error.is_authentication() {
        (
            Fault::Unauthenticated,
            "Google gives no token for these credentials",
            "run `gcloud auth application-default login` again, or look whether the account is still there",
        )
    } else if let Some(status) = error.status() {
        told(status.code, effect)
    } else if let Some(status) = error.http_status_code() {
        untold(status, effect)
    } else {
        unanswered(error, effect)
    };
    let is_quota = code(error) == Some(Code::ResourceExhausted);
    StoreError::new(store, fault, format!("{what}: {why}"), help).of_quota(is_quota)
}

type Words = (Fault, &'static str, &'static str);

const AGAIN: &str = "try again; https://status.cloud.google.com tells of outages";

/// What became of a request that a server could not deal with.
const fn lost(effect: Effect, read: Fault) -> Fault {
    match effect {
        Effect::Read => read,
        Effect::Write => Fault::Unknown,
    }
}

fn told(code: Code, effect: Effect) -> Words {
    match code {
        Code::Unauthenticated => (
            Fault::Unauthenticated,
            "Google does not accept the credential",
            "run `gcloud auth application-default login` again",
        ),
        Code::PermissionDenied => (
            Fault::Denied,
            "the account may not do that",
            "grant it the role that docs/cloud.md names for this",
        ),
        Code::NotFound => (
            Fault::NotFound,
            "there is no such project, secret or version",
            "check `project` and `location`, and the key's name",
        ),
        Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists => (
            Fault::Conflict,
            "it has changed meanwhile, or its state does not allow that",
            "look at the key's versions, then plan anew",
        ),
        Code::ResourceExhausted => (
            Fault::Retryable { after: None },
            "the quota of requests is used up",
            "wait a minute, or ask for fewer keys with `prefixes`",
        ),
        Code::InvalidArgument | Code::OutOfRange => (
            match effect {
                Effect::Read => Fault::Setup,
                Effect::Write => Fault::Rejected,
            },
            "Google takes the request for wrong",
            "check `project`, `location` and the key's name; values may have 64 KiB",
        ),
        Code::Unimplemented => (
            Fault::Unsupported,
            "the server has no such call",
            "check `endpoint`",
        ),
        _ => (
            lost(effect, Fault::Retryable { after: None }),
            "Google has a fault of its own",
            AGAIN,
        ),
    }
}

fn untold(status: u16, effect: Effect) -> Words {
    match status {
        300..=399 => (
            Fault::Protocol,
            "the server sent a redirect",
            "redirects are not followed; check `endpoint`",
        ),
        429 | 500..=599 => (
            lost(effect, Fault::Retryable { after: None }),
            "the server, or a proxy before it, has a fault of its own",
            AGAIN,
        ),
        _ => (
            Fault::Protocol,
            "the answer is not one of Secret Manager",
            "check `endpoint`, and whether a proxy answers in its place",
        ),
    }
}

fn unanswered(error: &Error, effect: Effect) -> Words {
    if error.is_binding() {
        return (
            Fault::NotFound,
            "a secret's name has letters, digits, - and _ only",
            "write the secret's name alone, without its project",
        );
    }
    if error.is_connect() {
        return (
            Fault::Unavailable,
            "nobody answers at the address, or its certificate is not trusted",
            "check `endpoint`, and that this machine may reach it",
        );
    }
    if error.is_deserialization() {
        return (
            lost(effect, Fault::Protocol),
            "the answer is not one of Secret Manager",
            "check `endpoint`, and whether a proxy answers in its place",
        );
    }
    (
        lost(effect, Fault::Unavailable),
        "no whole answer came within 30 seconds",
        AGAIN,
    )
}

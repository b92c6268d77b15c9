//! What can go wrong with a store or a target, in our own words: no answer of a server is quoted, for it may hold a value.

use std::time::Duration;

use crate::model::{BlobPath, StoreFault};

/// Why a store did not do what was asked. Adapters tell these apart by the answer's own words, never by the status alone
/// (STORES section 4: one code has several meanings in most stores).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Logged in, but not allowed to.
    #[error("access is denied")]
    Denied,
    /// The credential is missing, wrong or expired.
    #[error("the credential is not accepted")]
    Unauthenticated,
    /// There is no such key or version, and never was as far as the store knows.
    #[error("there is no such key")]
    NotFound,
    /// Too many requests, or a passing trouble: the same request may work later.
    #[error("the store asks to come back later")]
    Retryable {
        /// After this long, if the store says.
        after: Option<Duration>,
    },
    /// Somebody else changed the key meanwhile; nothing was written.
    #[error("the key has changed meanwhile")]
    Conflict,
    /// The new value breaks a rule of the store or target (length, letters, reuse); nothing was changed. Another value may pass.
    #[error("the new value is not accepted")]
    Rejected,
    /// The store cannot do this, or this build cannot.
    #[error("this store cannot do that")]
    Unsupported,
    /// Sealed, down or not reachable: nothing can be read at all.
    #[error("the store does not answer")]
    Unavailable,
    /// A request was sent and no answer came: what it should change may have changed or not.
    #[error("no answer came: what was asked may have been done or not")]
    Unknown,
    /// What it sent is not what it should be.
    #[error("the store answered with something else than it should")]
    Protocol,
    /// The user's settings or files are wrong.
    #[error("the store is not set up")]
    Setup,
}

impl Fault {
    /// Tells whether there is no use in asking the same store for anything else.
    #[must_use]
    pub const fn stops(&self) -> bool {
        match self {
            Self::Unauthenticated | Self::Unavailable | Self::Setup => true,
            Self::Denied
            | Self::NotFound
            | Self::Retryable { .. }
            | Self::Conflict
            | Self::Rejected
            | Self::Unsupported
            | Self::Unknown
            | Self::Protocol => false,
        }
    }
}

/// A fault, where it was met, and what to do about it. Its texts name keys of servers and files of repositories: [`StoreError::new`]
/// makes all of them safe on a terminal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{store}: {what}")]
#[diagnostic(code(keysweep::stores::fault))]
pub struct StoreError {
    /// The store's or target's name.
    pub store: String,
    /// The sort of fault.
    pub fault: Fault,
    /// What was being done and what happened; no value, no answer of a server.
    pub what: String,
    /// What to type or change next.
    #[help]
    pub help: String,
    /// Whether a quota or rate limit is what stands in the way, and not a passing trouble.
    pub is_quota: bool,
}

impl StoreError {
    /// Returns an error. What may move a cursor or turn the reading direction stands in its texts as an escape.
    #[must_use]
    pub fn new(
        store: &str,
        fault: Fault,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            store: safe(store.to_owned()),
            fault,
            what: safe(what.into()),
            help: safe(help.into()),
            is_quota: false,
        }
    }

    /// Returns the error with the word whether a quota or rate limit that is used up is behind it.
    #[must_use]
    pub fn of_quota(self, is_quota: bool) -> Self {
        Self { is_quota, ..self }
    }

    /// Returns the kind as reports and exit codes have it.
    #[must_use]
    pub const fn kind(&self) -> StoreFault {
        match self.fault {
            Fault::Denied => StoreFault::Denied,
            Fault::Unauthenticated => StoreFault::Login,
            Fault::Unavailable => StoreFault::Unavailable,
            _ if self.is_quota => StoreFault::Quota,
            Fault::NotFound
            | Fault::Retryable { .. }
            | Fault::Conflict
            | Fault::Rejected
            | Fault::Unsupported
            | Fault::Unknown
            | Fault::Protocol
            | Fault::Setup => StoreFault::Other,
        }
    }

    /// Returns the error of a request that this store has no notion of.
    #[must_use]
    pub fn unsupported(store: &str, what: &str) -> Self {
        Self::new(
            store,
            Fault::Unsupported,
            format!("cannot {what}"),
            "docs/stores.md says what each kind of store can do",
        )
    }
}

fn safe(text: String) -> String {
    BlobPath::from(text.as_str()).to_text().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_an_error_moves_a_cursor_or_turns_the_reading_direction() {
        let hostile = "a\u{1b}]0;x\u{7}\r\u{9b}2J\u{202e}\u{2066}\u{feff}z";
        let error = StoreError::new(hostile, Fault::Denied, hostile, hostile);
        for text in [&error.store, &error.what, &error.help] {
            let safe = r"a\x1b]0;x\x07\x0d\x9b2J\u{202e}\u{2066}\u{feff}z";
            assert_eq!(text, safe);
        }
    }
}

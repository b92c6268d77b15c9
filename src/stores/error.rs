//! What can go wrong with a store or a target, in our own words: no answer of a server is quoted, for it may hold a value.

use std::time::Duration;

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

/// A fault, where it was met, and what to do about it.
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
}

impl StoreError {
    /// Returns an error.
    #[must_use]
    pub fn new(
        store: &str,
        fault: Fault,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            store: store.to_owned(),
            fault,
            what: what.into(),
            help: help.into(),
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

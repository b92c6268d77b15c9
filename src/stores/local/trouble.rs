//! A fault of the local store before the store's name is put to it.

use crate::stores::{Fault, StoreError};

/// What is wrong, without the store's name; no value of the file is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) fault: Fault,
    pub(super) what: String,
    pub(super) help: String,
}

impl Trouble {
    pub(super) fn new(fault: Fault, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            fault,
            what: what.into(),
            help: help.into(),
        }
    }

    /// A file that is not what sops writes, or was changed behind its back.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::new(
            Fault::Protocol,
            what,
            "look at what `sops -d FILE` and `git log -p FILE` say; `git checkout FILE` takes the last good version back",
        )
    }

    /// A file that sops could read and this store cannot.
    pub(super) fn beyond(what: impl Into<String>) -> Self {
        Self::new(
            Fault::Unsupported,
            what,
            "docs/stores.md, \"The local store\", says which SOPS files are read",
        )
    }

    /// Returns the error of the store `name`.
    pub(super) fn of(self, name: &str) -> StoreError {
        StoreError::new(name, self.fault, self.what, self.help)
    }
}

//! Ways to a new credential. One file each; a new one implements [`Rotator`] and gets a line in [`rotator`].

mod native;
mod put;
mod target;

use super::plan::{ActionKind, Declares, Strategy};
use crate::{
    model::{ProviderState, Secret},
    stores::{
        KeyPath, NativeProgress, SecretStore, StoreError, VersionId,
        target::{Credential, Target},
    },
};

/// What [`Rotator::issue`] made.
#[derive(Debug)]
pub(super) enum Made {
    /// This credential is valid now.
    Credential(Credential),
    /// The store has begun; [`Rotator::poll`] tells how far it is.
    Started {
        /// What the store needs to recognise the end.
        mark: String,
    },
    /// Nothing: the new value opens what reads the store.
    Nothing,
}

/// What a rotation issues from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issue<'i> {
    pub(super) key: &'i KeyPath,
    /// The version that was current before.
    pub(super) base: &'i VersionId,
    pub(super) old: &'i Credential,
    pub(super) prepared: Option<&'i Credential>,
    pub(super) token: &'i str,
}

/// One way to a new credential. All methods but the first ones may talk to the outside.
pub(super) trait Rotator {
    /// Returns what it can do.
    fn declares(&self) -> Declares;

    /// Tells whether the old credential dies with [`Self::issue`], so that nothing is left to switch off.
    fn kills_on_issue(&self) -> bool;

    /// Tells whether the store makes and keeps the new value by itself.
    fn is_native(&self) -> bool {
        false
    }

    /// Finds out whether it could work; changes nothing.
    fn check(&self, old: &Credential) -> Result<(), StoreError>;

    /// Says which credential will be made of a generated value; `None` where somebody else makes the value.
    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError>;

    /// Makes the new credential valid.
    fn issue(&self, issue: &Issue<'_>) -> Result<Made, StoreError>;

    /// Finds out whether [`Self::issue`] has worked before a crash; `None` if not, or if calling it again does no harm.
    fn issued(&self, issue: &Issue<'_>) -> Result<Option<Made>, StoreError>;

    /// Tells how far the store's own rotation is.
    fn poll(&self, key: &KeyPath, mark: &str) -> Result<NativeProgress, StoreError> {
        let _ = mark;
        Err(StoreError::unsupported(key.as_str(), "rotate by itself"))
    }

    /// Tries a credential; `None` if there is nothing that could be asked.
    fn probe(&self, credential: &Credential) -> Option<Result<ProviderState, StoreError>>;

    /// Takes the new credential back.
    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError>;

    /// Switches the old one off.
    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError>;

    /// Ends its sessions; `None` if there is nothing that could be asked.
    fn end_sessions(&self, old: &Credential, new: &Credential) -> Option<Result<u64, StoreError>>;

    /// Removes it for good.
    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError>;
}

/// Returns the way of a strategy; `None` for a target's without a target.
pub(super) fn rotator<'r>(
    strategy: Strategy,
    kind: ActionKind,
    store: &'r dyn SecretStore,
    target: Option<&'r dyn Target>,
) -> Option<Box<dyn Rotator + 'r>> {
    match (strategy, kind, target) {
        (Strategy::StoreNative, ActionKind::Rotate, target) => {
            Some(Box::new(native::Native { store, target }))
        }
        (Strategy::GenerateAndPut, ActionKind::Rotate, None) => Some(Box::new(put::Put)),
        // What ends an old credential is the target, whoever made the new one.
        (_, _, Some(target)) => Some(Box::new(target::Direct { target })),
        (_, _, None) => None,
    }
}

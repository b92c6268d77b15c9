//! The store rotates by itself (AWS Secrets Manager with a Lambda, a static role of Vault): we start it, wait, and check.
//!
//! Promises: a start whose answer was lost is not repeated while the store may still be at it.

use super::{Issue, Made, Rotator};
use crate::{
    model::{ProviderState, Secret},
    rotate::plan::Declares,
    stores::{
        KeyPath, NativeProgress, NativeRotation, SecretStore, StoreError,
        target::{Credential, Target},
    },
};

pub(super) struct Native<'r> {
    pub(super) store: &'r dyn SecretStore,
    /// Asked whether the old one is dead, if there is one; never changed.
    pub(super) target: Option<&'r dyn Target>,
}

impl Rotator for Native<'_> {
    fn declares(&self) -> Declares {
        let traits = self.target.map(Target::traits).unwrap_or_default();
        Declares {
            reversible: false,
            ends_sessions: traits.ends_sessions,
            proves_death: traits.proves_death,
            makes_value: true,
        }
    }

    fn kills_on_issue(&self) -> bool {
        true
    }

    fn is_native(&self) -> bool {
        true
    }

    fn check(&self, _: &Credential) -> Result<(), StoreError> {
        // The store's own rotation needs nothing of the target that we could look at; the store is checked by the machine.
        Ok(())
    }

    fn prepare(&self, _: &Credential, _: &Secret) -> Result<Option<Credential>, StoreError> {
        Ok(None)
    }

    fn issue(&self, issue: &Issue<'_>) -> Result<Made, StoreError> {
        let rotation = self.store.native_rotate(issue.key, issue.token)?;
        Ok(Made::Started {
            mark: rotation.mark,
        })
    }

    fn issued(&self, issue: &Issue<'_>) -> Result<Option<Made>, StoreError> {
        let info = self.store.describe(issue.key)?;
        let moved = info.current().is_some_and(|now| now.id != *issue.base);
        // The mark of a rotation whose answer was lost: the version before.
        Ok(moved.then(|| Made::Started {
            mark: issue.base.as_str().to_owned(),
        }))
    }

    fn poll(&self, key: &KeyPath, mark: &str) -> Result<NativeProgress, StoreError> {
        self.store.poll(&NativeRotation {
            key: key.clone(),
            mark: mark.to_owned(),
        })
    }

    fn probe(&self, credential: &Credential) -> Option<Result<ProviderState, StoreError>> {
        self.target.map(|target| target.probe(credential))
    }

    fn withdraw(&self, _: &Credential, _: &Credential) -> Result<(), StoreError> {
        Err(StoreError::unsupported(
            self.store.name(),
            "take its own rotation back",
        ))
    }

    fn disable(&self, _: &Credential, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn end_sessions(&self, old: &Credential, new: &Credential) -> Option<Result<u64, StoreError>> {
        let target = self.target?;
        let can = target.traits().ends_sessions;
        can.then(|| target.end_sessions(old, new))
    }

    fn destroy(&self, _: &Credential, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }
}

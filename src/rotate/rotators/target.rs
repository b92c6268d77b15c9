//! Any [`Target`]: it gets the new credential first, then the store; later it loses the old one.

use super::{Issue, Made, Rotator};
use crate::{
    model::{ProviderState, Secret},
    rotate::plan::Declares,
    stores::{
        StoreError,
        target::{Credential, Target},
    },
};

pub(super) struct Direct<'r> {
    pub(super) target: &'r dyn Target,
}

impl Rotator for Direct<'_> {
    fn declares(&self) -> Declares {
        let traits = self.target.traits();
        Declares {
            reversible: traits.reversible,
            ends_sessions: traits.ends_sessions,
            proves_death: traits.proves_death,
            makes_value: traits.makes_value,
        }
    }

    fn kills_on_issue(&self) -> bool {
        !self.target.traits().grace
    }

    fn check(&self, old: &Credential) -> Result<(), StoreError> {
        self.target.check(old)
    }

    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError> {
        self.target.prepare(old, generated)
    }

    fn issue(&self, issue: &Issue<'_>) -> Result<Made, StoreError> {
        let made = self.target.issue(issue.old, issue.prepared, issue.token)?;
        Ok(Made::Credential(made))
    }

    fn issued(&self, issue: &Issue<'_>) -> Result<Option<Made>, StoreError> {
        // Where the target makes the value nobody knows what to try: with the same token it removes what nobody got and makes
        // another one.
        let Some(prepared) = issue.prepared else {
            return Ok(None);
        };
        let accepted = self.target.probe(prepared)? == ProviderState::Accepted;
        Ok(accepted.then(|| Made::Credential(prepared.clone())))
    }

    fn probe(&self, credential: &Credential) -> Option<Result<ProviderState, StoreError>> {
        Some(self.target.probe(credential))
    }

    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.target.withdraw(old, new)
    }

    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.target.disable(old, new)
    }

    fn end_sessions(&self, old: &Credential, new: &Credential) -> Option<Result<u64, StoreError>> {
        let can = self.target.traits().ends_sessions;
        can.then(|| self.target.end_sessions(old, new))
    }

    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.target.destroy(old, new)
    }
}

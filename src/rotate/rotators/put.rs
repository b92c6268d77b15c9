//! A random value that only readers of the store know: a new one is put into the store, and nothing else is told.

use super::{Issue, Made, Rotator};
use crate::{
    model::{ProviderState, Secret},
    rotate::plan::Declares,
    stores::{StoreError, target::Credential},
};

pub(super) struct Put;

impl Rotator for Put {
    fn declares(&self) -> Declares {
        Declares::default()
    }

    fn kills_on_issue(&self) -> bool {
        false
    }

    fn check(&self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError> {
        Ok(Some(Credential {
            user: old.user.clone(),
            secret: generated.clone(),
        }))
    }

    fn issue(&self, _: &Issue<'_>) -> Result<Made, StoreError> {
        Ok(Made::Nothing)
    }

    fn issued(&self, _: &Issue<'_>) -> Result<Option<Made>, StoreError> {
        Ok(Some(Made::Nothing))
    }

    fn probe(&self, _: &Credential) -> Option<Result<ProviderState, StoreError>> {
        None
    }

    fn withdraw(&self, _: &Credential, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn disable(&self, _: &Credential, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn end_sessions(&self, _: &Credential, _: &Credential) -> Option<Result<u64, StoreError>> {
        None
    }

    fn destroy(&self, _: &Credential, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }
}

//! The way back: the store gets its old value, then the sinks, then the target loses the new credential. Only as long as the old one was not touched.
//!
//! Promises: readers never hold a credential that is taken away before they can have the other one; what cannot be taken back is told to
//! a person.

use super::{
    journal::{Did, Step},
    machine::{Landed, Machine, Stop, Which, step},
    rotators::Rotator,
    state::{Effect, State},
};
use crate::{
    model::ProviderState,
    stores::{Change, Fault, StoreError, VersionId},
};

impl Machine<'_> {
    /// Takes everything back.
    pub(super) fn back(&mut self) -> Result<(), Stop> {
        match self.take_back() {
            // There is no way back from the way back.
            Err(Stop::Back(why) | Stop::Rejected(why)) => {
                Err(Stop::Human(format!("it could not be taken back: {why}")))
            }
            other => other,
        }
    }

    pub(super) fn take_back(&mut self) -> Result<(), Stop> {
        let progress = &self.journal.progress;
        let was_issued = progress.may_have(Effect::Issue);
        if was_issued && self.rotator.is_native() {
            let why = progress.back.clone().unwrap_or_default();
            return Err(Stop::Human(format!(
                "the store has rotated by itself, which cannot be taken back: {why}"
            )));
        }
        if progress.may_have(Effect::Stage) || progress.did.contains(&Effect::Unstage) {
            self.unstage()?;
        }
        self.recall()?;
        if was_issued {
            self.withdraw()?;
        }
        let why = self.journal.progress.back.clone();
        self.enter(Step {
            note: why,
            ..step(State::RolledBack)
        })
    }

    /// Gives the store its old value back.
    pub(super) fn unstage(&mut self) -> Result<(), Stop> {
        let known = self.journal.progress.version.clone().map(VersionId::new);
        let staged = match known {
            Some(version) => Some(version),
            None => self.find_staged()?,
        };
        let Some(staged) = staged else {
            if self.current()? == self.base() {
                return Ok(());
            }
            return Err(Stop::Human(format!(
                "somebody else has changed {}",
                self.key
            )));
        };
        self.effect(
            Effect::Unstage,
            &|machine| {
                if machine.find_staged()?.is_some() {
                    return Ok(Landed::No);
                }
                let current = machine.current()?;
                if current == machine.base() || machine.holds(&current, &machine.held.before)? {
                    return Ok(Landed::Yes(Box::new(Did::new(Effect::Unstage))));
                }
                Err(Stop::Human(format!(
                    "somebody else has changed {}",
                    machine.key
                )))
            },
            &|machine, token| {
                let base = machine.base();
                let can = machine.store.capabilities();
                let info = machine.store.describe(&machine.key)?;
                let current = info.current().map(|version| &version.id);
                if can.pending && current == Some(&staged) {
                    machine.store.promote(&machine.key, &staged, &base)?;
                }
                match machine.store.unstage(&machine.key, &base, &staged) {
                    // A store that keeps no older versions, or has dropped this one meanwhile.
                    Err(error) if matches!(error.fault, Fault::Unsupported | Fault::NotFound) => {
                        machine.write_before(&staged, token, &error)?;
                    }
                    other => other?,
                }
                Ok(Did::new(Effect::Unstage))
            },
        )
    }

    /// Writes the values of before, which the journal holds sealed, for a store that has no older ones to go back to.
    fn write_before(
        &self,
        staged: &VersionId,
        token: &str,
        why: &StoreError,
    ) -> Result<(), StoreError> {
        let base = self.base();
        let info = self.store.describe(&self.key)?;
        let current = info.current().map(|version| &version.id);
        if current == Some(&base) {
            return Ok(());
        }
        let is_pending = self.store.capabilities().pending;
        if self.held.before.is_empty() || is_pending || current != Some(staged) {
            return Err(StoreError::new(
                self.store.name(),
                Fault::Unsupported,
                format!(
                    "the store cannot go back to version {base}, and its values cannot be written anew: {why}"
                ),
                "put the value that the target accepts into the key by hand, then: keysweep rotate resume ID --by-hand",
            ));
        }
        let change = Change {
            key: &self.key,
            base: staged,
            fields: &self.held.before,
            token,
        };
        self.store.stage(&change).map(drop)
    }

    /// Takes the new credential from the target, and sees that the old one still opens it.
    pub(super) fn withdraw(&mut self) -> Result<(), Stop> {
        if self.held.new.is_none() {
            let why = "the target may have made a credential whose answer was lost: look for one that nobody knows";
            return Err(Stop::Human(why.to_owned()));
        }
        self.effect(
            Effect::Withdraw,
            &|machine| {
                let old = machine.probe(Which::Old)?;
                let new = machine.probe(Which::New)?;
                let is_back =
                    old == Some(ProviderState::Accepted) && new == Some(ProviderState::Refused);
                Ok(if is_back {
                    Landed::Yes(Box::new(Did::new(Effect::Withdraw)))
                } else {
                    Landed::No
                })
            },
            &|machine, _| {
                let (old, new) = machine.both()?;
                withdraw(machine.rotator.as_ref(), old, new)?;
                Ok(Did::new(Effect::Withdraw))
            },
        )?;
        if !self.rotator.declares().proves_death {
            return Ok(());
        }
        match self.probe(Which::Old)? {
            Some(ProviderState::Accepted) | None => Ok(()),
            Some(ProviderState::Refused) => Err(Stop::Human(
                "the target refuses the old credential after the new one was taken back".to_owned(),
            )),
            Some(ProviderState::Unknown { why }) => Err(Stop::Later(why)),
            Some(ProviderState::NotChecked) => {
                Err(Stop::Human("the old credential was not tried".to_owned()))
            }
        }
    }
}

/// Withdraws; a credential that is gone already is as good.
fn withdraw(
    rotator: &dyn Rotator,
    old: &crate::stores::target::Credential,
    new: &crate::stores::target::Credential,
) -> Result<(), StoreError> {
    match rotator.withdraw(old, new) {
        Err(error) if error.fault == Fault::NotFound => Ok(()),
        other => other,
    }
}

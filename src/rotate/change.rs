//! The steps that bring a new credential into being: generated, issued, staged, promoted, observed; `distribute` has the one before
//! the last.
//!
//! Promises: a new credential is sealed before anything knows it; the old one is not touched here.

use std::collections::BTreeMap;

use super::{
    RotateError,
    journal::{Did, Step},
    machine::{Landed, Machine, Stop, Which, step},
    place::{self},
    plan::ActionKind,
    rotators::{Issue, Made},
    state::{Effect, State},
    steps::before_anything,
};
use crate::{
    model::{ProviderState, Secret},
    stores::{
        Change, Fault, NativeProgress, StoreError, VersionId, VersionState, target::Credential,
    },
};

/// Most values that are generated after a target has refused one: a rule that none meets must not be asked for ever.
const MOST_VALUES: u32 = 3;

/// Seconds after a lost start of a store's own rotation before it is started again, if nothing has moved by then.
const SETTLE_S: i64 = 300;

impl Machine<'_> {
    /// Makes and seals the new value.
    pub(super) fn generate(&mut self) -> Result<(), Stop> {
        if self.journal.begin.action.kind == ActionKind::Revoke {
            return self.enter(Step {
                note: Some("the current credential stays".to_owned()),
                until: Some((self.context.now)()),
                ..step(State::Grace)
            });
        }
        if self.rotator.is_native() {
            return self.enter(Step {
                note: Some("the store makes the value".to_owned()),
                ..step(State::Generated)
            });
        }
        let old = self.old()?;
        let generated = self
            .journal
            .begin
            .action
            .value
            .generate(self.context.random)?;
        let prepared = match self.rotator.prepare(&old, &generated) {
            Ok(prepared) => prepared,
            Err(error) => return Err(before_anything(&error)),
        };
        let mut held = self.held.clone();
        if let Some(new) = &prepared {
            held.after = self.after(&held, new)?;
        }
        held.new = prepared;
        held.generated = Some(generated);
        let sealed = held.seal(self.context.sealer)?;
        self.held = held;
        self.enter(Step {
            sealed: Some(sealed),
            ..step(State::Generated)
        })
    }

    pub(super) fn old(&self) -> Result<Credential, Stop> {
        let old = self.held.old.clone();
        old.ok_or_else(|| Stop::Human("the journal holds no old credential".to_owned()))
    }

    /// Makes the new credential valid at the target, or starts the store's own rotation.
    pub(super) fn issue(&mut self) -> Result<(), Stop> {
        let done = self.effect(
            Effect::Issue,
            &|machine| {
                let made = machine.with_issue("", |issue| machine.rotator.issued(issue))?;
                if let Some(made) = machine.read(made)? {
                    let did = machine.made(made).map_err(Stop::Error)?;
                    return Ok(Landed::Yes(Box::new(did)));
                }
                let meant = machine.journal.progress.meant_at.get(&Effect::Issue);
                let settled = meant.is_none_or(|at| (machine.context.now)() - at >= SETTLE_S);
                if machine.rotator.is_native() && !settled {
                    let why = "the store's own rotation may be under way";
                    return Ok(Landed::Wait(why.to_owned()));
                }
                Ok(Landed::No)
            },
            &|machine, token| {
                let lost = |_| StoreError::new(
                    machine.store.name(),
                    Fault::Unknown,
                    "the new credential could not be sealed",
                    "see that `[rotate] identity` names an age identity, then: keysweep rotate resume",
                );
                let made = machine
                    .with_issue(token, |issue| machine.rotator.issue(issue))
                    .map_err(|_| lost(()))??;
                machine.made(made).map_err(|_| lost(()))
            },
        );
        match done {
            Ok(()) => {}
            Err(Stop::Rejected(_)) if self.journal.progress.generated < MOST_VALUES => {
                return self.generate();
            }
            Err(stop) => return Err(stop),
        }
        self.unseal()?;
        self.enter(step(State::Issued))
    }

    pub(super) fn with_issue<T>(
        &self,
        token: &str,
        act: impl FnOnce(&Issue<'_>) -> T,
    ) -> Result<T, Stop> {
        let old = self.old()?;
        Ok(act(&Issue {
            key: &self.key,
            base: &self.base(),
            old: &old,
            prepared: self.held.new.as_ref(),
            token,
        }))
    }

    /// Returns the record of what was made: a credential sealed, with the fields that it will change.
    pub(super) fn made(&self, made: Made) -> Result<Did, RotateError> {
        let did = Did::new(Effect::Issue);
        match made {
            Made::Nothing => Ok(did),
            Made::Started { mark } => Ok(Did {
                mark: Some(mark),
                ..did
            }),
            Made::Credential(new) => {
                let mut held = self.held.clone();
                // What does not fit is found when it is staged: the credential must be sealed before anything else.
                held.after = self.after(&held, &new).unwrap_or_default();
                held.new = Some(new);
                Ok(Did {
                    sealed: Some(held.seal(self.context.sealer)?),
                    ..did
                })
            }
        }
    }

    /// Writes the new value into the store, or waits for the store's own.
    pub(super) fn stage(&mut self) -> Result<(), Stop> {
        if self.rotator.is_native() {
            return self.await_native();
        }
        if self.held.after.is_empty() {
            let new = self.held.new.clone();
            let new = new.ok_or_else(|| Stop::Human("no new credential is known".to_owned()))?;
            self.held.after = self.after(&self.held, &new)?;
        }
        self.effect(
            Effect::Stage,
            &|machine| {
                let found = machine.find_staged()?;
                if let Some(version) = found {
                    return Ok(Landed::Yes(Box::new(staged(&version))));
                }
                if machine.current()? == machine.base() {
                    return Ok(Landed::No);
                }
                Err(Stop::Human(format!(
                    "somebody else has changed {}",
                    machine.key
                )))
            },
            &|machine, token| {
                let version = machine.store.stage(&Change {
                    key: &machine.key,
                    base: &machine.base(),
                    fields: &machine.held.after,
                    token,
                })?;
                Ok(staged(&version))
            },
        )?;
        self.enter(step(State::Staged))
    }

    /// Returns the version that holds the new fields, if one does.
    pub(super) fn find_staged(&self) -> Result<Option<VersionId>, Stop> {
        if self.held.after.is_empty() {
            return Ok(None);
        }
        let info = self.read(self.store.describe(&self.key))?;
        for version in &info.versions {
            let is_there = matches!(version.state, VersionState::Current | VersionState::Pending);
            if is_there && version.id != self.base() && self.holds(&version.id, &self.held.after)? {
                return Ok(Some(version.id.clone()));
            }
        }
        Ok(None)
    }

    /// Tells whether a version holds these fields.
    pub(super) fn holds(
        &self,
        version: &VersionId,
        wanted: &BTreeMap<String, Secret>,
    ) -> Result<bool, Stop> {
        let fields = self.read(place::fields(self.store, &self.key, version))?;
        let fields = fields.unwrap_or_default();
        Ok(wanted
            .iter()
            .all(|(name, value)| fields.get(name) == Some(value)))
    }

    pub(super) fn await_native(&mut self) -> Result<(), Stop> {
        let mark = self.journal.progress.mark.clone().unwrap_or_default();
        match self.read(self.rotator.poll(&self.key, &mark))? {
            NativeProgress::Running => Err(Stop::Later(
                "the store's own rotation is under way".to_owned(),
            )),
            NativeProgress::Stuck(why) => Err(Stop::Human(why)),
            NativeProgress::Done(version) => {
                self.effect(
                    Effect::Stage,
                    &|_| Ok(Landed::Yes(Box::new(staged(&version)))),
                    &|_, _| Ok(staged(&version)),
                )?;
                self.enter(step(State::Staged))
            }
        }
    }

    pub(super) fn staged_version(&self) -> Result<VersionId, Stop> {
        let version = self.journal.progress.version.clone().map(VersionId::new);
        version.ok_or_else(|| Stop::Human("the journal names no new version".to_owned()))
    }

    /// Makes the new version current.
    pub(super) fn promote(&mut self) -> Result<(), Stop> {
        if !self.rotator.is_native() {
            let to = self.staged_version()?;
            self.effect(
                Effect::Promote,
                &|machine| {
                    let current = machine.current()?;
                    if current == to {
                        Ok(Landed::Yes(Box::new(Did::new(Effect::Promote))))
                    } else if current == machine.base() {
                        Ok(Landed::No)
                    } else {
                        Err(Stop::Human(format!(
                            "somebody else has changed {}",
                            machine.key
                        )))
                    }
                },
                &|machine, _| {
                    machine.store.promote(&machine.key, &machine.base(), &to)?;
                    Ok(Did::new(Effect::Promote))
                },
            )?;
        }
        self.enter(step(State::Promoted))
    }

    /// Reads the new value back and tries it.
    pub(super) fn observe(&mut self) -> Result<(), Stop> {
        let version = self.staged_version()?;
        if self.rotator.is_native() {
            self.held.new = self.credential(&version)?;
            let secret = |credential: &Option<Credential>| {
                credential
                    .as_ref()
                    .map(|credential| credential.secret.clone())
            };
            if secret(&self.held.new) == secret(&self.held.old) {
                let why = "the store says that it has rotated, and the value is the same";
                return Err(Stop::Human(why.to_owned()));
            }
        } else if !self.holds(&version, &self.held.after)? {
            let why = format!("{} does not hold what was written to it", self.key);
            return Err(Stop::Human(why));
        }
        let note = self.judge_new()?;
        let sealed = self.held.seal(self.context.sealer)?;
        self.enter(Step {
            note,
            sealed: Some(sealed),
            ..step(State::Observed)
        })
    }

    pub(super) fn judge_new(&self) -> Result<Option<String>, Stop> {
        let proves = self.rotator.declares().proves_death;
        match self.probe(Which::New)? {
            Some(ProviderState::Accepted) => Ok(Some("the new credential is accepted".to_owned())),
            Some(ProviderState::Refused) if self.rotator.is_native() => Err(Stop::Human(
                "the target refuses the credential that the store has made".to_owned(),
            )),
            Some(ProviderState::Refused) => Err(Stop::Back(
                "the target refuses the new credential".to_owned(),
            )),
            Some(ProviderState::Unknown { why }) if proves => Err(Stop::Later(why)),
            Some(ProviderState::Unknown { .. } | ProviderState::NotChecked) | None => {
                Ok(Some("the new credential could not be tried".to_owned()))
            }
        }
    }
}

pub(super) fn staged(version: &VersionId) -> Did {
    Did {
        version: Some(version.as_str().to_owned()),
        ..Did::new(Effect::Stage)
    }
}

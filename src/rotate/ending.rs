//! The steps that end the old credential: grace, switched off, sessions ended, refused, destroyed.
//!
//! Promises: "dead" is said when the target has refused it twice, or the plan said that nothing can be asked; the version that readers get
//! is never retired.

use super::{
    canonical::time_text,
    journal::{Did, Step},
    machine::{Landed, Machine, Stop, Which, step, told},
    plan::{ActionKind, Retire},
    record::SESSIONS_STAY,
    state::{Effect, State},
    tombstone::Tombstone,
};
use crate::{
    model::ProviderState,
    stores::{Fault, StoreError, VersionId, target::Credential},
};

impl Machine<'_> {
    /// Both are valid from here on, for as long as the plan says.
    pub(super) fn grace(&mut self) -> Result<(), Stop> {
        let action = &self.journal.begin.action;
        let minutes = if action.cutover {
            0
        } else {
            action.grace_minutes
        };
        let until = (self.context.now)().saturating_add(i64::from(minutes) * 60);
        self.enter(Step {
            until: Some(until),
            ..step(State::Grace)
        })
    }

    /// Waits for the end of grace, then switches the old credential off.
    pub(super) fn disable(&mut self) -> Result<(), Stop> {
        let until = self.journal.progress.until.unwrap_or(i64::MAX);
        if (self.context.now)() < until {
            return Err(Stop::Grace(until));
        }
        if self.ends_by_itself() {
            return self.enter(Step {
                note: Some("nothing to switch off: it died with the issue of the new one, or no target knows it".to_owned()),
                ..step(State::OldDisabled)
            });
        }
        self.effect(
            Effect::Disable,
            &|machine| {
                let state = machine.probe(Which::Old)?;
                Ok(if state == Some(ProviderState::Refused) {
                    Landed::Yes(Box::new(Did::new(Effect::Disable)))
                } else {
                    Landed::No
                })
            },
            &|machine, _| {
                let (old, new) = machine.both()?;
                machine.rotator.disable(old, new)?;
                Ok(Did::new(Effect::Disable))
            },
        )?;
        self.enter(step(State::OldDisabled))
    }

    /// Tells whether no target has to be told to drop the old credential.
    pub(super) fn ends_by_itself(&self) -> bool {
        let is_rotate = self.journal.begin.action.kind == ActionKind::Rotate;
        is_rotate && (self.rotator.kills_on_issue() || self.journal.begin.action.target.is_none())
    }

    pub(super) fn both(&self) -> Result<(&Credential, &Credential), StoreError> {
        let both = self.held.old.as_ref().zip(self.held.new.as_ref());
        both.ok_or_else(|| {
            StoreError::new(
                self.store.name(),
                Fault::NotFound,
                "the journal does not hold both credentials",
                "end the old one by hand at the target",
            )
        })
    }

    pub(super) fn end_sessions(&mut self) -> Result<(), Stop> {
        if !self.rotator.declares().ends_sessions {
            return self.enter(Step {
                note: Some(SESSIONS_STAY.to_owned()),
                ..step(State::SessionsEnded)
            });
        }
        self.effect(
            Effect::EndSessions,
            // Sessions that are ended already cannot be ended twice.
            &|_| Ok(Landed::No),
            &|machine, _| {
                let (old, new) = machine.both()?;
                let note = match machine.rotator.end_sessions(old, new) {
                    None => None,
                    Some(Ok(1)) => Some("1 session ended".to_owned()),
                    Some(Ok(n)) => Some(format!("{n} sessions ended")),
                    // Asking a person, or again, would not make it able to. The last step tells.
                    Some(Err(error)) if error.fault == Fault::Unsupported => {
                        Some(SESSIONS_STAY.to_owned())
                    }
                    Some(Err(error)) => return Err(error),
                };
                Ok(Did {
                    note,
                    ..Did::new(Effect::EndSessions)
                })
            },
        )?;
        // The record of the state is what the last step reads.
        let stay = self.journal.progress.sessions_stay;
        self.enter(Step {
            note: stay.then(|| SESSIONS_STAY.to_owned()),
            ..step(State::SessionsEnded)
        })
    }

    /// Tries the old credential, twice: only a refusal in words that mean nothing else is a proof.
    pub(super) fn prove(&mut self) -> Result<(), Stop> {
        let proves = self.rotator.declares().proves_death;
        for _ in 0..2 {
            match self.probe(Which::Old)? {
                None => {
                    return self.enter(Step {
                        note: Some("no proof: nothing can be asked".to_owned()),
                        ..step(State::OldRefused)
                    });
                }
                Some(ProviderState::Refused) => {}
                Some(ProviderState::Accepted) => {
                    let why = "the old credential is still accepted after it was switched off";
                    return Err(Stop::Human(why.to_owned()));
                }
                Some(ProviderState::Unknown { why }) if proves => return Err(Stop::Later(why)),
                Some(ProviderState::Unknown { why }) => {
                    let why = format!("it cannot be proven that the old credential is dead: {why}");
                    return Err(Stop::Human(why));
                }
                Some(ProviderState::NotChecked) => {
                    return Err(Stop::Human("the old credential was not tried".to_owned()));
                }
            }
        }
        if self.probe(Which::New)? == Some(ProviderState::Refused) {
            let why = "the target refuses the old and the new credential";
            return Err(Stop::Human(why.to_owned()));
        }
        self.enter(Step {
            note: Some("refused, twice".to_owned()),
            ..step(State::OldRefused)
        })
    }

    /// Removes the old credential and its version, and leaves a tombstone.
    pub(super) fn destroy(&mut self) -> Result<(), Stop> {
        if !self.ends_by_itself() {
            self.effect(Effect::Destroy, &|_| Ok(Landed::No), &|machine, _| {
                let (old, new) = machine.both()?;
                let note = match machine.rotator.destroy(old, new) {
                    // It is dead, and a target that cannot remove it never will.
                    Err(error) if error.fault == Fault::Unsupported => Some(told(&error)),
                    other => {
                        other?;
                        None
                    }
                };
                Ok(Did {
                    note,
                    ..Did::new(Effect::Destroy)
                })
            })?;
        }
        if self.journal.begin.action.retire != Retire::Keep {
            self.retire()?;
        }
        self.bury()?;
        self.enter(step(State::OldDestroyed))
    }

    pub(super) fn retire(&mut self) -> Result<(), Stop> {
        let version = VersionId::new(self.journal.begin.action.exposed.clone());
        let is_current = self.current()? == version;
        self.effect(Effect::Retire, &|_| Ok(Landed::No), &|machine, _| {
            let store = machine.store;
            let retired = match machine.journal.begin.action.retire {
                Retire::Destroy if !is_current => store.destroy(&machine.key, &version),
                Retire::Disable if !is_current => store.disable(&machine.key, &version),
                Retire::Destroy | Retire::Disable | Retire::Keep => Ok(()),
            };
            // The credential is dead; a version that stays is no danger, and a store that has forgotten it is fine.
            let kept = match retired {
                Err(error)
                    if matches!(
                        error.fault,
                        Fault::NotFound | Fault::Unsupported | Fault::Denied
                    ) =>
                {
                    Some(told(&error))
                }
                other => {
                    other?;
                    None
                }
            };
            Ok(Did {
                note: kept,
                ..Did::new(Effect::Retire)
            })
        })
    }

    pub(super) fn bury(&mut self) -> Result<(), Stop> {
        let old = self.old()?;
        self.effect(
            Effect::Bury,
            // The file is searched before it is written to.
            &|_| Ok(Landed::No),
            &|machine, _| {
                let action = &machine.journal.begin.action;
                let stone = Tombstone {
                    tag: machine.context.tombstones.tag(&old.secret),
                    rotation: machine.journal.begin.id.clone(),
                    store: action.store.clone(),
                    key: action.key.clone(),
                    version: action.exposed.clone(),
                    field: action.field.clone(),
                    died: time_text((machine.context.now)()),
                    // The step before ends only with a refusal where one can be had.
                    refused: machine.rotator.declares().proves_death,
                };
                machine.context.tombstones.add(&stone).map_err(|error| {
                    StoreError::new(
                        "tombstones",
                        Fault::Unavailable,
                        error.to_string(),
                        "free the file, then: keysweep rotate resume",
                    )
                })?;
                Ok(Did::new(Effect::Bury))
            },
        )
    }

    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        let declares = self.rotator.declares();
        let mut note = if declares.proves_death {
            "the old credential is refused".to_owned()
        } else {
            "no proof of the old credential's death: nothing can be asked".to_owned()
        };
        let stay = !declares.ends_sessions || self.journal.progress.sessions_stay;
        if stay && self.journal.begin.action.target.is_some() {
            note.push_str("; sessions that it opened may go on");
        }
        self.enter(Step {
            note: Some(note),
            ..step(State::Done)
        })
    }
}

//! The steps of a rotation, in their order. Each ends with its record.
//!
//! Promises: nothing is changed before `validated`; a new credential is sealed before anything knows it; an old one is not touched
//! before the new one was read back from the store and, where it can be, tried.

use std::collections::BTreeMap;

use super::{
    grounds::is_old,
    journal::Step,
    machine::{Machine, Stop, Which, step, told},
    place,
    plan::ActionKind,
    seal::Held,
    state::State,
};
use crate::{
    model::{ProviderState, Secret, quotable},
    stores::{Change, Fault, KeyInfo, StoreError, VersionId, VersionState, target::Credential},
    verify::atoms,
};

impl Machine<'_> {
    /// Does the next step.
    pub(super) fn forward(&mut self) -> Result<(), Stop> {
        match self.journal.progress.state {
            State::Planned => self.approve(),
            State::Approved => self.validate(),
            State::Validated => self.generate(),
            State::Generated => self.issue(),
            State::Issued => self.stage(),
            State::Staged => self.promote(),
            State::Promoted => self.distribute(),
            State::Distributed => self.observe(),
            State::Observed => self.grace(),
            State::Grace => self.disable(),
            State::OldDisabled => self.end_sessions(),
            State::SessionsEnded => self.prove(),
            State::OldRefused => self.destroy(),
            State::OldDestroyed => self.finish(),
            State::Done | State::RolledBack | State::NeedsHuman | State::Abandoned => Ok(()),
        }
    }

    pub(super) fn approve(&mut self) -> Result<(), Stop> {
        let approvers = &self.journal.begin.approvers;
        let note = if approvers.is_empty() {
            "no approval is needed".to_owned()
        } else {
            format!("approved by {}", approvers.join(", "))
        };
        self.enter(Step {
            note: Some(note),
            ..step(State::Approved)
        })
    }

    /// Checks everything that can fail, and seals the old credential.
    pub(super) fn validate(&mut self) -> Result<(), Stop> {
        if (self.context.now)() > self.journal.begin.expires {
            return Err(Stop::Back("the plan has expired".to_owned()));
        }
        let info = match self.store.describe(&self.key) {
            Err(error) if error.fault == Fault::NotFound => return Err(Stop::Back(told(&error))),
            other => self.read(other)?,
        };
        self.check_versions(&info)?;
        self.check_store(&info)?;
        self.check_plan(&info)?;
        self.check_today()?;
        let mut held = self.read_old()?;
        let old = held.old.clone().ok_or_else(|| no_value(&self.key))?;
        self.check_shared(&old)?;
        if let Err(error) = self.rotator.check(&old) {
            return Err(before_anything(&error));
        }
        self.held.old = Some(old.clone());
        if self.rotator.declares().proves_death {
            match self.probe(Which::Old)? {
                Some(ProviderState::Accepted) | None => {}
                Some(ProviderState::Refused) => {
                    let why = "the target refuses the leaked credential already: nothing is left to rotate, or it is another target";
                    return Err(Stop::Back(why.to_owned()));
                }
                Some(ProviderState::Unknown { why }) => return Err(Stop::Back(why)),
                Some(ProviderState::NotChecked) => {
                    return Err(Stop::Back("the target was not asked".to_owned()));
                }
            }
        }
        self.rehearse(&held, &old)?;
        self.check_sinks(&held)?;
        if self.journal.begin.action.kind == ActionKind::Revoke {
            held.new = self.credential(&self.base())?;
            let same = |new: &Credential| new.user == old.user && new.secret == old.secret;
            if held.new.as_ref().is_none_or(same) {
                return Err(Stop::Back(
                    "the current version holds the credential that would be ended".to_owned(),
                ));
            }
        }
        let sealed = held.seal(self.context.sealer)?;
        self.held = held;
        self.enter(Step {
            sealed: Some(sealed),
            ..step(State::Validated)
        })
    }

    pub(super) fn check_versions(&self, info: &KeyInfo) -> Result<(), Stop> {
        let action = &self.journal.begin.action;
        let current = info.current().map(|version| version.id.as_str());
        if current != Some(action.base.as_str()) {
            return Err(Stop::Back(format!(
                "{} has changed since the plan was made: make a new one",
                self.key
            )));
        }
        let exposed = VersionId::new(action.exposed.clone());
        if action.kind == ActionKind::Revoke && !is_old(info, &self.base(), &exposed) {
            return Err(Stop::Back(format!(
                "version {exposed} of {} is not an old one: ending it could end what readers use",
                self.key
            )));
        }
        let mut pending = info.versions.iter().filter(|version| {
            version.state == VersionState::Pending && version.id.as_str() != action.exposed
        });
        match pending.next() {
            Some(version) => Err(Stop::Back(format!(
                "version {} of {} is pending: another rotation is under way or stuck",
                version.id, self.key
            ))),
            None => Ok(()),
        }
    }

    pub(super) fn check_store(&self, info: &KeyInfo) -> Result<(), Stop> {
        let can = self.store.capabilities();
        let action = &self.journal.begin.action;
        let is_rotate = action.kind == ActionKind::Rotate;
        if is_rotate && action.cutover != self.rotator.kills_on_issue() {
            return Err(Stop::Back(
                "the plan says otherwise than the target whether there is a time of grace: make a new one".to_owned(),
            ));
        }
        if is_rotate && self.rotator.is_native() && !info.native_rotation {
            return Err(Stop::Back(format!(
                "{} is no key that its store rotates by itself",
                self.key
            )));
        }
        if is_rotate && !self.rotator.is_native() && !can.write {
            return Err(Stop::Back(format!(
                "the store {} takes no writes",
                self.store.name()
            )));
        }
        Ok(())
    }

    /// Reads the leaked credential, and what of the current version will change: its field, the user's name, and other fields with the
    /// same credential.
    pub(super) fn read_old(&self) -> Result<Held, Stop> {
        let action = &self.journal.begin.action;
        let old = self.credential(&VersionId::new(action.exposed.clone()))?;
        let fields = self.fields(&self.base())?;
        let place = action.place();
        let mut before = BTreeMap::new();
        let user_field = self.target.and_then(|target| target.user_field.as_deref());
        for name in std::iter::once(place.field).chain(user_field) {
            let value = fields.get(name).ok_or_else(|| no_field(name))?;
            before.insert(name.to_owned(), value.clone());
        }
        // The same credential beside itself, as in a URL: its readers would be left with a dead one. Exposed to be looked for.
        let also = fields.into_iter().filter(|(name, value)| {
            let is_there = |old: &Credential| atoms::holds(value.expose(), old.secret.expose());
            !before.contains_key(name) && old.as_ref().is_some_and(is_there)
        });
        let also: Vec<(String, Secret)> = also.collect();
        before.extend(also);
        Ok(Held {
            old,
            before,
            ..Held::default()
        })
    }

    /// Reads the credential of a version; `None` if the store does not tell it.
    pub(super) fn credential(&self, version: &VersionId) -> Result<Option<Credential>, Stop> {
        let fields = self.fields(version)?;
        let place = self.journal.begin.action.place();
        // Exposed to be taken apart; only the part is kept.
        let secret = fields
            .get(place.field)
            .and_then(|field| place.secret(field.expose()));
        let secret = secret.ok_or_else(|| no_field(place.field))?;
        let named = self.target.and_then(|target| target.user.clone());
        let user_field = self.target.and_then(|target| target.user_field.as_deref());
        let user = match user_field {
            Some(name) => {
                let field = fields.get(name).ok_or_else(|| no_field(name))?;
                Some(String::from_utf8_lossy(field.expose()).into_owned())
            }
            None => named,
        };
        Ok(Some(Credential { user, secret }))
    }

    pub(super) fn fields(&self, version: &VersionId) -> Result<BTreeMap<String, Secret>, Stop> {
        let fields = self.read(place::fields(self.store, &self.key, version))?;
        fields.ok_or_else(|| no_value(&self.key))
    }

    /// Goes through what a new value needs with one that is thrown away.
    pub(super) fn rehearse(&self, held: &Held, old: &Credential) -> Result<(), Stop> {
        if self.journal.begin.action.kind == ActionKind::Revoke || self.rotator.is_native() {
            return Ok(());
        }
        let trial = self
            .journal
            .begin
            .action
            .value
            .generate(self.context.random)?;
        let prepared = match self.rotator.prepare(old, &trial) {
            Ok(prepared) => prepared,
            Err(error) => return Err(before_anything(&error)),
        };
        let is_random = prepared.is_none();
        let new = prepared.unwrap_or_else(|| Credential {
            user: old.user.clone(),
            secret: trial,
        });
        // Exposed to be looked at.
        let has = |sign: &[u8]| memchr::memmem::find(old.secret.expose(), sign).is_some();
        if is_random && has(b"://") {
            return Err(Stop::Back(
                "the value is a whole address, and a random text cannot take its place: name the part that is secret (`field` of the target), or make a new one by hand"
                    .to_owned(),
            ));
        }
        if is_random && has(b"-----BEGIN ") {
            return Err(Stop::Back(
                "the value is a key or a certificate, and a random text cannot take its place: make a new pair and put it into the store by hand"
                    .to_owned(),
            ));
        }
        let after = self.after(held, &new)?;
        let change = Change {
            key: &self.key,
            base: &self.base(),
            fields: &after,
            token: "rehearsal-of-a-rotation-by-keysweep",
        };
        self.store
            .rehearse(&change)
            .map_err(|error| before_anything(&error))
    }

    /// Returns the changed fields with a new credential in them.
    pub(super) fn after(
        &self,
        held: &Held,
        new: &Credential,
    ) -> Result<BTreeMap<String, Secret>, Stop> {
        let place = self.journal.begin.action.place();
        let field = held.before.get(place.field);
        let field = field.ok_or_else(|| no_field(place.field))?;
        // Exposed to be written into the field that the store gets.
        let field = place.with(field.expose(), &new.secret).ok_or_else(|| {
            Stop::Back(format!(
                "the new value cannot take the place of the old one in the field `{}` and be read back as it is (does it end in a line break? is the old one there twice?): rotate the key by hand",
                quotable(place.field)
            ))
        })?;
        let mut after = BTreeMap::from([(place.field.to_owned(), field)]);
        let old_user = held.old.as_ref().and_then(|old| old.user.as_ref());
        match (&new.user, self.target.and_then(|t| t.user_field.as_ref())) {
            (Some(user), Some(name)) => {
                after.insert(name.clone(), Secret::new(user.as_bytes()));
            }
            (user, None) if user.as_ref() != old_user => {
                return Err(Stop::Back(
                    "the new credential has another user's name, and no field of the key holds it: set `user-field` of the target"
                        .to_owned(),
                ));
            }
            _ => {}
        }
        self.after_beside(held, new, &mut after)?;
        Ok(after)
    }

    /// Adds the other fields in which the old credential stands, with the new one in its place.
    fn after_beside(
        &self,
        held: &Held,
        new: &Credential,
        after: &mut BTreeMap<String, Secret>,
    ) -> Result<(), Stop> {
        let Some(old) = &held.old else {
            return Ok(());
        };
        let user_field = self.target.and_then(|target| target.user_field.as_deref());
        for (name, value) in &held.before {
            if after.contains_key(name) || Some(name.as_str()) == user_field {
                continue;
            }
            let cannot = |why: &str| {
                Stop::Back(format!(
                    "the credential stands in the field `{}` of the key, too, and {why}: rotate the key by hand",
                    quotable(name)
                ))
            };
            if new.user != old.user {
                return Err(cannot(
                    "the new one has another user's name, which may stand there as well",
                ));
            }
            // Exposed to be written into the field that the store gets.
            let written = atoms::replace(value.expose(), old.secret.expose(), new.secret.expose());
            let written = written.filter(|text| !atoms::holds(text, old.secret.expose()));
            let written =
                written.ok_or_else(|| cannot("the new one cannot take its place there"))?;
            after.insert(name.clone(), Secret::new(&written));
        }
        Ok(())
    }
}

/// Turns a fault before the first effect into a stop: what passes may be tried again, all else ends it with nothing changed.
pub(super) fn before_anything(error: &StoreError) -> Stop {
    match error.fault {
        Fault::Retryable { .. } | Fault::Unavailable | Fault::Unknown => Stop::Later(told(error)),
        _ => Stop::Back(told(error)),
    }
}

pub(super) fn no_value(key: &crate::stores::KeyPath) -> Stop {
    Stop::Back(format!("the store does not tell the value of {key}"))
}

pub(super) fn no_field(name: &str) -> Stop {
    Stop::Back(format!(
        "the key has no field `{}` with this secret",
        quotable(name)
    ))
}

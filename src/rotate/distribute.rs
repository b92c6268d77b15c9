//! The step that tells whoever must be told: the sinks get the new value one after the other, and the key a note. And the way back of it.
//!
//! Promises: nothing is told before the store has the new value as its current one; each sink's intent is on the disk before it is told and its
//! result after, so a crash between two goes on with the second; on the way back every sink that may have the new value gets the old one
//! before the target drops the new one.

use std::collections::BTreeMap;

use super::{
    canonical::time_text,
    journal::Did,
    machine::{Landed, Machine, Stop, step, told},
    seal::Held,
    sinks,
    state::{Effect, State},
    steps::before_anything,
    world::OpenSink,
};
use crate::{
    model::{Secret, quotable},
    stores::{Fault, StoreError, sink::Arrival},
};

type Fields = BTreeMap<String, Secret>;

impl<'m> Machine<'m> {
    /// Checks before the first effect that every sink is there and, as far as it tells, may be written.
    pub(super) fn check_sinks(&self, held: &Held) -> Result<(), Stop> {
        if self.sinks.is_empty() {
            return Ok(());
        }
        let action = &self.journal.begin.action;
        let known = self.store.readers(&self.key).ok().map(|all| all.known);
        if let Err((_, why, help)) = sinks::few(self.context.limits, known, self.sinks.len()) {
            return Err(Stop::Back(format!("{why} ({help})")));
        }
        let native = if self.rotator.is_native() {
            Some(self.fields(&self.base())?)
        } else {
            None
        };
        let fields = native.as_ref().unwrap_or(&held.before);
        for open in &self.sinks {
            if sinks::copy(open, action, fields).is_none() {
                return Err(Stop::Back(no_copy(open)));
            }
            open.sink.describe().map_err(|e| before_anything(&e))?;
        }
        Ok(())
    }

    /// Tells the sinks, and leaves a note at the key where it can be.
    pub(super) fn distribute(&mut self) -> Result<(), Stop> {
        if !self.sinks.is_empty() {
            let fields = self.new_fields()?;
            for n in 0..self.sinks.len() {
                self.deliver(n, &fields)?;
            }
        }
        self.announce()?;
        self.enter(step(State::Distributed))
    }

    /// Returns what readers of the store get.
    fn new_fields(&self) -> Result<Fields, Stop> {
        if self.rotator.is_native() {
            return self.fields(&self.staged_version()?);
        }
        if !self.held.after.is_empty() {
            return Ok(self.held.after.clone());
        }
        let new = self.held.new.as_ref();
        let new = new.ok_or_else(|| Stop::Human("no new credential is known".to_owned()))?;
        self.after(&self.held, new)
    }

    fn deliver(&mut self, n: usize, fields: &Fields) -> Result<(), Stop> {
        let Some(open) = self.sinks.get(n).copied() else {
            return Ok(());
        };
        let action = &self.journal.begin.action;
        let new = sinks::copy(open, action, fields);
        let is_native = self.rotator.is_native();
        if !is_native && !open.sink.traits().told_only {
            let old = sinks::copy(open, action, &self.held.before);
            // A user's name that stays, a part of the field beside the secret.
            if new.is_none() || new == old {
                return Ok(());
            }
        }
        let new = new.ok_or_else(|| Stop::Human(no_copy(open)))?;
        let done = self.tell(Effect::Deliver(number(n)), open, &new);
        match done {
            // There is no way back from the store's own rotation: a person mends the sink, and `resume --by-hand` tells it again.
            Err(Stop::Back(why) | Stop::Rejected(why)) if is_native => Err(Stop::Human(format!(
                "the store has rotated by itself, and a sink does not take the new value: {why}"
            ))),
            other => other,
        }
    }

    /// Gives a value to a sink, once.
    fn tell(&mut self, effect: Effect, open: &'m OpenSink, value: &Secret) -> Result<(), Stop> {
        self.effect(
            effect,
            &|machine| {
                let intent = machine.journal.progress.open.get(&effect);
                let token = intent.map(|intent| intent.token.clone());
                let token = token.unwrap_or_default();
                Ok(match machine.read(open.sink.confirm(value, &token))? {
                    Arrival::There => Landed::Yes(Box::new(Did::new(effect))),
                    Arrival::UnderWay(why) => Landed::Wait(why),
                    // The same value under the same name, once more, is the same.
                    Arrival::Missing | Arrival::Untold => Landed::No,
                })
            },
            &|_, token| {
                let marker = open.sink.put(value, token)?;
                arrived(open, open.sink.confirm(value, token))?;
                let left = open.sink.traits().leaves_old;
                let left = left.then_some("the one before stays there: remove it by hand");
                let notes = marker.into_iter().chain(left.map(str::to_owned));
                let notes: Vec<String> = notes.collect();
                Ok(Did {
                    note: (!notes.is_empty()).then(|| quotable(&notes.join("; "))),
                    ..Did::new(effect)
                })
            },
        )
    }

    fn announce(&mut self) -> Result<(), Stop> {
        self.effect(
            Effect::Announce,
            // A note twice is a note.
            &|_| Ok(Landed::No),
            &|machine, _| {
                let begin = &machine.journal.begin;
                let now = time_text((machine.context.now)());
                let notes = [
                    ("keysweep-rotation", begin.id.as_str()),
                    ("keysweep-rotated", now.as_str()),
                ];
                // A note is no reason to stop a rotation whose new value is current already.
                let note = machine.store.annotate(&machine.key, &notes).err();
                Ok(Did {
                    note: note.map(|error| told(&error)),
                    ..Did::new(Effect::Announce)
                })
            },
        )
    }

    /// Gives every sink that may have the new value the old one, the last first.
    pub(super) fn recall(&mut self) -> Result<(), Stop> {
        for n in (0..self.sinks.len()).rev() {
            let Some(open) = self.sinks.get(n).copied() else {
                continue;
            };
            let (deliver, recall) = (Effect::Deliver(number(n)), Effect::Recall(number(n)));
            let progress = &self.journal.progress;
            let was_tried = progress.attempts.contains_key(&deliver);
            // One that has refused has not got it, unless it may stop half way.
            let may_have = progress.may_have(deliver) || progress.attempts.contains_key(&recall);
            if !may_have && (!was_tried || open.sink.traits().atomic) {
                continue;
            }
            let action = &self.journal.begin.action;
            let old = sinks::copy(open, action, &self.held.before);
            let old = old.ok_or_else(|| Stop::Human(no_copy(open)))?;
            self.tell(recall, open, &old)?;
        }
        Ok(())
    }

    /// Returns an effect's name for the audit log; sinks are named by their addresses.
    pub(super) fn named(&self, effect: Effect) -> String {
        let (Effect::Deliver(n) | Effect::Recall(n)) = effect else {
            return effect.name();
        };
        let address = self.journal.begin.action.sinks.get(usize::from(n));
        let address = address.map(|address| quotable(address));
        format!("{} {}", effect.as_str(), address.unwrap_or_default())
    }
}

/// Returns a sink's number; a plan has fewer than 65,536.
fn number(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Judges what a sink says of a `put` that it has just answered: whatever is not sure is looked at again.
fn arrived(open: &OpenSink, said: Result<Arrival, StoreError>) -> Result<(), StoreError> {
    let unsure = |fault, what: String| {
        let label = open.sink.address();
        StoreError::new(&label, fault, what, "resume: it is looked at again")
    };
    match said {
        Ok(Arrival::There | Arrival::Untold) => Ok(()),
        Ok(Arrival::UnderWay(why)) => Err(unsure(Fault::Retryable { after: None }, why)),
        Ok(Arrival::Missing) => {
            let what = "it took the value and does not have it";
            Err(unsure(Fault::Protocol, what.to_owned()))
        }
        Err(error) => Err(unsure(Fault::Unknown, error.what)),
    }
}

fn no_copy(open: &OpenSink) -> String {
    let field = open.entry.field.as_deref().unwrap_or_default();
    format!(
        "the key has no `{}`, which the sink {} copies (see `field` of its [[sinks]] entry)",
        quotable(field),
        quotable(&open.sink.address())
    )
}

//! Giving a rotation up: a person ends it where it stands, with a reason that is kept.
//!
//! Promises: nothing outside is changed; it is refused as long as the last credential that opens the target is known to the journal alone,
//! or that cannot be found out: its sealed values go with it. What is left behind is named: credentials that nobody knows, sinks with a value
//! that is not the store's. Sinks themselves are not asked, and may be gone from the stores file.

use std::path::Path;

use super::{
    RotateError,
    apply::{Rotation, with_parts},
    journal::{Journal, Step},
    machine::{Context, Machine, Stop, Which, step},
    state::{Effect, Outcome, State},
    status::known,
    world::World,
};
use crate::{
    model::{ProviderState, quotable},
    stores::{Fault, VersionState, target::Credential},
};

/// Gives a rotation up that has not ended. `reason` is for the journal and the audit log, and must hold no value.
///
/// # Errors
/// [`RotateError::Unknown`] for an id without journal, one that has ended, a reason without words, and if a credential would be lost or
/// that is not known; and what files meet.
pub fn abandon(
    id: &str,
    reason: &str,
    world: &World<'_>,
    context: &Context<'_>,
    journals: &Path,
) -> Result<Rotation, RotateError> {
    let reason = quotable(reason.trim());
    if reason.is_empty() {
        return Err(refused(
            "a reason without words is none",
            "say why, for those who read the audit log: --reason TEXT",
        ));
    }
    let path = known(journals, id)?;
    let journal = Journal::open(&path, context.sealer)?;
    let open = journal.filter(|journal| !journal.progress.state.is_end());
    let Some(journal) = open else {
        return Err(refused(
            "the rotation has ended already, or has not begun",
            "keysweep rotate status --all tells how",
        ));
    };
    let mut machine = with_parts(journal, world, context, false)?;
    machine.unseal()?;
    let left = machine.left().or_else(refusal)?;
    let who = quotable(&context.actor.name);
    let mut why = format!("given up by {who}: {reason}");
    for left in &left {
        why.push_str("; ");
        why.push_str(left);
    }
    let given_up = Step {
        note: Some(why.clone()),
        ..step(State::Abandoned)
    };
    if let Err(Stop::Error(error)) = machine.enter(given_up) {
        return Err(error);
    }
    machine.journal.forget(&|point| context.point(point))?;
    Ok(Rotation {
        id: machine.journal.begin.id.clone(),
        title: machine.journal.begin.action.title(),
        outcome: Outcome::Abandoned { why },
        note: None,
        ended: None,
        is_damaged: false,
        cut: machine.journal.cut,
    })
}

fn refused(what: impl Into<String>, help: &str) -> RotateError {
    RotateError::Unknown {
        what: what.into(),
        help: help.to_owned(),
    }
}

/// Turns what stands in the way of knowing what would be left into an error; a time of grace leaves nothing.
fn refusal(stop: Stop) -> Result<Vec<String>, RotateError> {
    match stop {
        Stop::Error(error) => Err(error),
        Stop::Human(why) | Stop::Back(why) | Stop::Rejected(why) => Err(refused(
            why,
            "find out what stops it (keysweep rotate status), then: keysweep rotate resume ID --by-hand, which ends with the credential in the store or takes it back",
        )),
        Stop::Later(why) => Err(refused(
            format!("whether a credential would be lost is not known: {why}"),
            "give it up when the store and the target answer; if the target is gone for good, remove the journal's file by hand",
        )),
        Stop::Grace(_) => Ok(Vec::new()),
    }
}

/// What is left of a rotation that has not changed anything.
const NOTHING: &str = "nothing was changed, so what leaked is as live as before";

/// Says that what leaked is live, or may be.
fn still_live(old: Option<&ProviderState>) -> Option<String> {
    let says = match old {
        Some(ProviderState::Accepted) => {
            "the target still accepts the credential that leaked: end it there"
        }
        Some(ProviderState::Unknown { .. }) => {
            "whether the target still accepts the credential that leaked is not known: look, and end it there"
        }
        Some(ProviderState::Refused | ProviderState::NotChecked) | None => return None,
    };
    Some(says.to_owned())
}

impl Machine<'_> {
    /// Finds out what would be left behind, in words for whoever must tidy up; stops if it is the last way in.
    fn left(&self) -> Result<Vec<String>, Stop> {
        let held = [
            (Which::Old, self.held.old.as_ref(), "old"),
            (Which::New, self.held.new.as_ref(), "new"),
        ];
        let stored = self.stored()?;
        let same = |a: &Credential, b: &Credential| a.user == b.user && a.secret == b.secret;
        let (mut kept, mut lost, mut unsure) = (false, Vec::new(), None);
        let untouched = self.journal.progress.attempts.is_empty();
        let mut left: Vec<String> = untouched.then(|| NOTHING.to_owned()).into_iter().collect();
        for (which, credential, name) in held {
            let Some(credential) = credential else {
                continue;
            };
            let is_known = stored.iter().any(|(_, one)| same(one, credential));
            let state = match self.probe(which) {
                Err(Stop::Later(why)) => Some(ProviderState::Unknown { why }),
                other => other?,
            };
            if which == Which::Old && !untouched {
                left.extend(still_live(state.as_ref()));
            }
            match state {
                Some(ProviderState::Accepted) if is_known => kept = true,
                Some(ProviderState::Accepted) => lost.push(name),
                // One that the store has, too, is not lost, whatever the target would say.
                Some(ProviderState::Unknown { why }) if !is_known => unsure = Some(why),
                // Nothing can be asked: nothing but readers of the store knows the value.
                Some(
                    ProviderState::Unknown { .. }
                    | ProviderState::Refused
                    | ProviderState::NotChecked,
                )
                | None => {}
            }
        }
        let mut current = stored.iter().filter(|(is_current, _)| *is_current);
        let current = current.next().map(|(_, current)| current);
        match current.and_then(|current| self.rotator.probe(current)) {
            Some(Ok(ProviderState::Accepted)) => kept = true,
            Some(Ok(ProviderState::Refused)) => left.push(format!(
                "readers of {} get a credential that the target refuses",
                self.key
            )),
            Some(Ok(ProviderState::Unknown { .. } | ProviderState::NotChecked) | Err(_)) | None => {
            }
        }
        if !kept && !lost.is_empty() {
            return Err(Stop::Human(
                "the only credential that the target accepts is in the journal of this rotation: given up, nobody could log in any more"
                    .to_owned(),
            ));
        }
        if let Some(why) = unsure.filter(|_| !kept) {
            return Err(Stop::Later(why));
        }
        left.extend(lost.iter().map(|name| {
            format!("the target still accepts the {name} credential, which nobody knows any more: remove it there")
        }));
        left.extend(self.under_way());
        let both = current.zip(self.held.new.as_ref());
        left.extend(self.sinks_behind(both.is_some_and(|(current, new)| same(current, new))));
        Ok(left)
    }

    /// Names the sinks that may have another value than the store. `is_new`: the store's current value is the new one.
    fn sinks_behind(&self, is_new: bool) -> Vec<String> {
        let progress = &self.journal.progress;
        let sinks = self.journal.begin.action.sinks.iter();
        let behind = sinks.zip(0_u16..).filter_map(|(address, n)| {
            let (told, recalled) = (Effect::Deliver(n), Effect::Recall(n));
            let may_have_new = progress.attempts.contains_key(&told) && !progress.did.contains(&recalled);
            let surely_has_new = progress.did.contains(&told) && !progress.attempts.contains_key(&recalled);
            let address = quotable(address);
            if is_new && !surely_has_new {
                Some(format!("{address} may still have the old value: give it that of the store"))
            } else if !is_new && may_have_new {
                Some(format!("{address} may have the new value, which is not the store's: give it that of the store"))
            } else {
                None
            }
        });
        behind.collect()
    }

    /// Returns what may still come of a request whose answer is not known.
    fn under_way(&self) -> Option<String> {
        if !self.journal.progress.open.contains_key(&Effect::Issue) {
            None
        } else if self.rotator.is_native() {
            Some("the store's own rotation may still be under way".to_owned())
        } else if self.held.new.is_none() {
            Some(
                "the target may have made a credential whose answer was lost: look for one that nobody knows"
                    .to_owned(),
            )
        } else {
            None
        }
    }

    /// Returns the credentials of all versions that the store tells, and whether each is the current one.
    fn stored(&self) -> Result<Vec<(bool, Credential)>, Stop> {
        let info = match self.store.describe(&self.key) {
            // Somebody has removed the key: the service may be gone.
            Err(error) if error.fault == Fault::NotFound => return Ok(Vec::new()),
            other => self.read(other)?,
        };
        let mut stored = Vec::new();
        for version in &info.versions {
            let is_there = matches!(
                version.state,
                VersionState::Current
                    | VersionState::Pending
                    | VersionState::Previous
                    | VersionState::Disabled
            );
            if !is_there {
                continue;
            }
            match self.credential(&version.id) {
                Ok(credential) => {
                    let is_current = version.state == VersionState::Current;
                    stored.extend(credential.map(|credential| (is_current, credential)));
                }
                // A version without the field, or one whose value is not told, is no place where it is kept.
                Err(Stop::Back(_) | Stop::Human(_) | Stop::Rejected(_)) => {}
                Err(stop @ (Stop::Later(_) | Stop::Error(_) | Stop::Grace(_))) => return Err(stop),
            }
        }
        Ok(stored)
    }
}

//! Writes to Secret Manager.
//!
//! Promises: Google has no check-and-set for versions, so a write looks twice. Before it, the newest version must be the one that the change
//! is based on; after it, the new number must be the next one. If somebody was faster in between, their value comes back as the newest version
//! first and ours is disabled then: `latest` is whatever is newest, and an order the other way round would leave its readers with nothing.
//! A write that was done before, by a run that got no answer, is recognised by its value and not done again.

use super::{
    told::{State, Version},
    wire::Wire,
};
use crate::stores::{Change, Fault, StoreError, cloud};

/// Most times that somebody may be faster while their value is brought back.
const MOST_RACES: u32 = 5;

fn conflict(wire: &Wire, what: &str, why: &str) -> StoreError {
    StoreError::new(
        &wire.name,
        Fault::Conflict,
        format!("{what}: {why}"),
        "look at the key's newest version, then plan anew",
    )
}

fn newest(versions: &[Version]) -> Option<&Version> {
    versions.first()
}

/// Writes a value on top of the version `base`; returns its number.
pub(super) fn stage(wire: &Wire, change: &Change<'_>, base: u64) -> Result<u64, StoreError> {
    let key = change.key.as_str();
    let what = format!("write {key}");
    let versions = wire.versions(key)?;
    let Some(old) = wire.access(key, base)? else {
        let why = format!("version {base} is disabled or destroyed");
        return Err(conflict(wire, &what, &why));
    };
    let value = cloud::changed(&wire.name, &what, &old, change.fields)?;
    let next = base.saturating_add(1);
    match newest(&versions).map(|newest| newest.number) {
        Some(number) if number == base => {}
        // A run before this one may have written it and got no answer.
        Some(number) if number == next && wire.access(key, next)?.as_ref() == Some(&value) => {
            return Ok(next);
        }
        _ => {
            return Err(conflict(
                wire,
                &what,
                "somebody else has written it meanwhile",
            ));
        }
    }
    let number = wire.add(key, &value)?;
    if number == next {
        return Ok(number);
    }
    give_way(wire, key, number)?;
    Err(conflict(
        wire,
        &what,
        "somebody else was faster; their value is current again, and ours is disabled",
    ))
}

/// Makes the values of the version before ours the newest ones, and switches ours off.
fn give_way(wire: &Wire, key: &str, ours: u64) -> Result<(), StoreError> {
    bring_back(wire, key, ours).map_err(|error| {
        StoreError::new(
            &wire.name,
            // Whatever it was: something is written, and it is not known to be harmless.
            Fault::Unknown,
            format!("{}; version {ours} of {key} holds our value, and somebody else wrote at the same time", error.what),
            "make the value of the version before it the newest one, then disable it",
        )
    })
}

fn bring_back(wire: &Wire, key: &str, ours: u64) -> Result<(), StoreError> {
    let mut written = vec![ours];
    for _ in 0..MOST_RACES {
        let versions = wire.versions(key)?;
        let theirs = versions
            .iter()
            .find(|version| !written.contains(&version.number))
            .ok_or_else(|| wire.garbled("give way"))?;
        let top = newest(&versions).map_or(ours, |newest| newest.number);
        if top == theirs.number {
            return off(wire, key, &written, None);
        }
        let Some(value) = wire.access(key, theirs.number)? else {
            // Whoever wrote it has switched it off already: there is nothing to bring back.
            return off(wire, key, &written, None);
        };
        let copy = wire.add(key, &value)?;
        written.push(copy);
        if copy == top.saturating_add(1) {
            return off(wire, key, &written, Some(copy));
        }
    }
    Err(conflict(wire, "give way", "others write it all the time"))
}

/// Switches off what we wrote, but for the copy of somebody else's value.
fn off(wire: &Wire, key: &str, written: &[u64], keep: Option<u64>) -> Result<(), StoreError> {
    for number in written.iter().filter(|number| Some(**number) != keep) {
        mark(wire, key, *number, State::Disabled)?;
    }
    Ok(())
}

/// Makes the values of `base` current again if `staged` is the newest version.
pub(super) fn unstage(wire: &Wire, key: &str, base: u64, staged: u64) -> Result<(), StoreError> {
    let what = format!("take the write to {key} back");
    let versions = wire.versions(key)?;
    let Some(old) = wire.access(key, base)? else {
        let why = format!("version {base}, whose value would come back, is disabled or destroyed");
        return Err(conflict(wire, &what, &why));
    };
    let next = staged.saturating_add(1);
    match newest(&versions).map(|newest| newest.number) {
        Some(number) if number == staged => {}
        Some(number) if number == next && wire.access(key, next)?.as_ref() == Some(&old) => {
            return Ok(());
        }
        _ => {
            return Err(conflict(
                wire,
                &what,
                "somebody else has written it meanwhile",
            ));
        }
    }
    let number = wire.add(key, &old)?;
    if number == next {
        return Ok(());
    }
    give_way(wire, key, number)?;
    Err(conflict(
        wire,
        &what,
        "somebody else was faster; their value is current",
    ))
}

/// Brings a version into a state; no work if it is in it.
pub(super) fn mark(wire: &Wire, key: &str, number: u64, state: State) -> Result<(), StoreError> {
    let versions = wire.versions(key)?;
    let what = format!("change version {number} of {key}");
    let Some(version) = versions.iter().find(|version| version.number == number) else {
        return Err(StoreError::new(
            &wire.name,
            Fault::NotFound,
            format!("{what}: the key has no such version"),
            "`keysweep store list` shows the versions there are",
        ));
    };
    if version.state == state {
        return Ok(());
    }
    if version.state == State::Destroyed {
        return Err(conflict(wire, &what, "it is destroyed"));
    }
    let is_newest = newest(&versions).is_some_and(|newest| newest.number == number);
    if state == State::Destroyed && is_newest {
        return Err(conflict(
            wire,
            &what,
            "it is the newest one, which `latest` means",
        ));
    }
    wire.mark(key, number, state, &version.etag)
}

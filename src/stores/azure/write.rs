//! Writes to Key Vault.
//!
//! Promises: Azure has no check-and-set, so a write looks twice. Before it, the version that the change is based on must be current; after it,
//! exactly one version more must be there. If somebody was faster in between, their value comes back as the newest version first and ours is
//! disabled then. A write that was done before, by a run that got no answer, is recognised by its value and not done again.

use std::collections::BTreeSet;

use super::{
    current,
    wire::{Told, Wire},
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

fn names(versions: &[Told]) -> BTreeSet<String> {
    let names = versions.iter().map(|version| version.version.clone());
    names.collect()
}

/// Writes a value on top of the version `base`; returns the new version.
pub(super) fn stage(wire: &Wire, change: &Change<'_>) -> Result<String, StoreError> {
    let key = change.key.as_str();
    let what = format!("write {key}");
    let base = change.base.as_str();
    let Some((_, old)) = wire.value(key, Some(base))? else {
        return Err(conflict(
            wire,
            &what,
            "the version that it is based on is disabled",
        ));
    };
    let value = cloud::changed(&wire.name, &what, &old, change.fields)?;
    replace(wire, key, base, &value, &what)
}

/// Makes the value of `base` current again if `staged` is.
pub(super) fn unstage(wire: &Wire, key: &str, base: &str, staged: &str) -> Result<(), StoreError> {
    let what = format!("take the write to {key} back");
    let Some((_, old)) = wire.value(key, Some(base))? else {
        let why = "the version whose value would come back is disabled";
        return Err(conflict(wire, &what, why));
    };
    replace(wire, key, staged, &old, &what).map(drop)
}

/// Makes a value current if the version `from` is.
fn replace(
    wire: &Wire,
    key: &str,
    from: &str,
    value: &[u8],
    what: &str,
) -> Result<String, StoreError> {
    let versions = wire.versions(key)?;
    let like = versions.iter().find(|version| version.version == from);
    let like = like.ok_or_else(|| {
        StoreError::new(
            &wire.name,
            Fault::NotFound,
            format!("{what}: the key has no such version"),
            "`keysweep store list` shows the versions there are",
        )
    })?;
    let now = current(wire, key, &versions)?;
    if now.as_deref() != Some(from) {
        // A run before this one may have written it and got no answer: then it is the one version that is younger.
        let younger = versions
            .iter()
            .filter(|version| version.version != from && version.created >= like.created);
        let younger: Vec<&Told> = younger.collect();
        if let (Some(now), [only]) = (now, younger.as_slice()) {
            let same = wire.value(key, Some(&now))?;
            if only.version == now && same.is_some_and(|(_, there)| there.as_slice() == value) {
                return Ok(now);
            }
        }
        return Err(conflict(
            wire,
            what,
            "somebody else has written it meanwhile",
        ));
    }
    let before = names(&versions);
    let ours = wire.put(key, value, like)?;
    let after = wire
        .versions(key)
        .map_err(|error| unsure(wire, key, &ours, &error))?;
    let others = names(&after);
    let mut others = others.difference(&before).filter(|name| **name != ours);
    if others.next().is_none() {
        return Ok(ours);
    }
    give_way(wire, key, &before, &ours)?;
    Err(conflict(
        wire,
        what,
        "somebody else was faster; their value is current again, and ours is disabled",
    ))
}

/// Says that something is written and not known to be harmless.
fn unsure(wire: &Wire, key: &str, ours: &str, error: &StoreError) -> StoreError {
    StoreError::new(
        &wire.name,
        Fault::Unknown,
        format!(
            "{}; version {ours} of {key} holds our value, and somebody else may have written at the same time",
            error.what
        ),
        "compare it with the version before it, and disable the one that is wrong",
    )
}

/// Makes the value that somebody else wrote the newest one, and switches ours off.
fn give_way(
    wire: &Wire,
    key: &str,
    before: &BTreeSet<String>,
    ours: &str,
) -> Result<(), StoreError> {
    bring_back(wire, key, before, ours).map_err(|error| unsure(wire, key, ours, &error))
}

fn bring_back(
    wire: &Wire,
    key: &str,
    before: &BTreeSet<String>,
    ours: &str,
) -> Result<(), StoreError> {
    let mut written = BTreeSet::from([ours.to_owned()]);
    let mut seen = BTreeSet::new();
    let mut keep = None;
    for _ in 0..MOST_RACES {
        let versions = wire.versions(key)?;
        let theirs: Vec<&Told> = versions
            .iter()
            .filter(|one| !before.contains(&one.version) && !written.contains(&one.version))
            .collect();
        let known = theirs.iter().all(|one| seen.contains(&one.version));
        let Some(newest) = theirs.first().filter(|_| !known) else {
            // Nobody wrote since the last copy: it is the newest.
            for version in written.iter().filter(|one| Some(*one) != keep.as_ref()) {
                wire.switch(key, version, false)?;
            }
            return Ok(());
        };
        seen.extend(theirs.iter().map(|one| one.version.clone()));
        keep = None;
        // Without a value whoever wrote it has switched it off already: there is nothing to bring back.
        if let Some((_, value)) = wire.value(key, Some(&newest.version))? {
            let copy = wire.put(key, &value, newest)?;
            written.insert(copy.clone());
            keep = Some(copy);
        }
    }
    Err(conflict(wire, "give way", "others write it all the time"))
}

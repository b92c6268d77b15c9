//! Which sinks a rotation must tell, whether it may, and what each of them gets.
//!
//! Promises: only looks; a sink that the plan does not name gets nothing, and a plan whose sinks are not those of today does not begin;
//! a sink counts as a reader of the key.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    RotateError,
    grounds::{No, no},
    permit::Permits,
    place::Place,
    plan::{Action, ActionKind, Reason, Strategy},
    planning::Planning,
    world::{OpenSink, World},
};
use crate::{
    config::{sinks::SinkEntry, stores::RotateLimits},
    model::{MatchKind, Secret, quotable},
};

/// Returns the field whose part an entry copies.
fn field(entry: &SinkEntry) -> &str {
    let field = entry.field.as_deref().unwrap_or_default();
    field.split_once('#').map_or(field, |(field, _)| field)
}

/// Returns the sinks of what an action changes, in the order of the file: those of its field and of the user's name, and hooks of the key.
/// A store that rotates by itself may change every field.
fn concerned<'w>(world: &World<'w>, action: &Action) -> Vec<&'w OpenSink> {
    let changed = action.place().field;
    let target = world.target(&action.store, &action.key, action.field.as_deref());
    let user_field = target.and_then(|open| open.entry.user_field.as_deref());
    let is_concerned = |open: &&OpenSink| {
        let entry = &open.entry;
        let is_of_key = entry.store == action.store && entry.key == action.key;
        let is_native = action.strategy == Strategy::StoreNative;
        let field = field(entry);
        is_of_key && (entry.is_hook() || is_native || field == changed || Some(field) == user_field)
    };
    match action.kind {
        ActionKind::Rotate => world.sinks.iter().filter(is_concerned).collect(),
        // The current value stays, and with it the copies.
        ActionKind::Revoke => Vec::new(),
    }
}

/// Tells whether one of an action's sinks serves one of these environments.
pub(super) fn are_in(world: &World<'_>, action: &Action, environments: &[String]) -> bool {
    world.sinks.iter().any(|open| {
        let said = open.entry.environment.as_ref();
        said.is_some_and(|said| environments.contains(said))
            && action.sinks.contains(&open.sink.address())
    })
}

/// Refuses sinks that `deny` names.
pub(super) fn may(permits: &Permits, addresses: &[String]) -> Result<(), No> {
    match addresses.iter().find(|address| permits.denies(address)) {
        Some(address) => no(
            Reason::Denied,
            format!("`deny` of stores.toml names the sink {}", quotable(address)),
            "rotate it by hand, or take the sink off [rotate] deny",
        ),
        None => Ok(()),
    }
}

/// Refuses more readers and sinks together than `max-readers`.
pub(super) fn few(limits: &RotateLimits, readers: Option<u64>, sinks: usize) -> Result<(), No> {
    let sinks = u64::try_from(sinks).unwrap_or(u64::MAX);
    let all = readers.unwrap_or_default().saturating_add(sinks);
    if sinks == 0 || all <= limits.max_readers {
        return Ok(());
    }
    no(
        Reason::TooManyReaders,
        format!("{all} may read the key or have a copy of it"),
        "raise `[rotate] max-readers` of stores.toml, or rotate it by hand",
    )
}

/// Returns the opened sinks of a plan's action, in its order. `is_told`: they have been told, and one that was added since does not matter.
///
/// # Errors
/// [`RotateError::Unknown`] if a sink is missing, or is there and not in the plan.
pub(super) fn of_plan<'w>(
    world: &World<'w>,
    action: &Action,
    is_told: bool,
) -> Result<Vec<&'w OpenSink>, RotateError> {
    let today = concerned(world, action);
    let other = |address: &str, what: &str| {
        RotateError::Unknown {
        what: format!(
            "the sinks of {}:{} in stores.toml are not those of the plan: {} {what}",
            quotable(&action.store),
            quotable(&action.key),
            quotable(address)
        ),
        help: "put the [[sinks]] back as they were when the plan was made; a new sink needs a new plan"
            .to_owned(),
    }
    };
    let mut sinks = Vec::new();
    for address in &action.sinks {
        let found = today.iter().find(|open| open.sink.address() == *address);
        let found = found.ok_or_else(|| other(address, "is not there"))?;
        sinks.push(*found);
    }
    let added = today
        .iter()
        .map(|open| open.sink.address())
        .find(|address| !action.sinks.contains(address));
    match added.filter(|_| !is_told) {
        Some(address) => Err(other(&address, "was added")),
        None => Ok(sinks),
    }
}

/// Returns what a sink gets of a key's fields; `None` if they do not have it. A hook gets nothing.
pub(super) fn copy(
    open: &OpenSink,
    action: &Action,
    fields: &BTreeMap<String, Secret>,
) -> Option<Secret> {
    if open.sink.traits().told_only {
        return Some(Secret::new(b""));
    }
    let whole = fields.get(field(&open.entry))?;
    let name = open.entry.field.as_deref();
    if !name.is_some_and(|name| name.contains('#')) {
        return Some(whole.clone());
    }
    let by = if name == action.field.as_deref() {
        action.by
    } else {
        MatchKind::Exact
    };
    // Exposed to be taken apart; only the part is kept.
    Place::of(name, by).secret(whole.expose())
}

impl Planning<'_> {
    /// Writes down the sinks, and refuses those that may not be told.
    pub(super) fn sinks(&self, action: &mut Action) -> Result<(), No> {
        let sinks = concerned(self.world, action);
        let addresses: Vec<String> = sinks.iter().map(|open| open.sink.address()).collect();
        let distinct: BTreeSet<&String> = addresses.iter().collect();
        if distinct.len() < addresses.len() {
            return no(
                Reason::Sink,
                "two sinks of the key are one place",
                "take one of the two [[sinks]] out of stores.toml; hooks that differ need different arguments",
            );
        }
        if u16::try_from(addresses.len()).is_err() {
            return no(Reason::Sink, "the key has too many sinks", "use fewer");
        }
        may(self.permits, &addresses)?;
        few(self.limits, action.readers, addresses.len())?;
        action.sinks = addresses;
        action.needs_approval |= are_in(self.world, action, &self.limits.protected);
        Ok(())
    }
}

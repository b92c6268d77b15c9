//! From journals to their end: one rotation, or all that have not ended.
//!
//! Promises: one that needs a person, is damaged or cannot be gone on with is told, and keeps back those of its own key alone.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    RotateError,
    apply::{Rotation, go_on},
    error::id_of,
    journal::{self, Journal},
    machine::Context,
    state::{Outcome, State},
    status::{all, known},
    world::World,
};

/// Goes on with one rotation, or with all that have not ended. `by_hand`: a person has looked at what stopped it, so one that needed a
/// person, is old or whose key has moved goes on, too. Of all: one that needs a person, or cannot be gone on with, is told and does not
/// keep back those of other keys.
///
/// # Errors
/// [`RotateError::Unknown`] for an id without journal, and what files meet.
pub fn resume(
    id: Option<&str>,
    by_hand: bool,
    world: &World<'_>,
    context: &Context<'_>,
    journals: &Path,
) -> Result<Vec<Rotation>, RotateError> {
    if let Some(id) = id {
        let path = known(journals, id)?;
        let journal = Journal::open(&path, context.sealer)?;
        let rotation = journal.map(|journal| go_on(journal, world, context, by_hand));
        return rotation.into_iter().collect();
    }
    let paths = all(journals)?;
    let mut blocked = blocked(&paths, context);
    let mut done = Vec::new();
    for path in paths {
        done.extend(resume_one(&path, &mut blocked, world, context)?);
    }
    Ok(done)
}

/// Returns the keys of rotations that wait for a person, with their ids.
fn blocked(paths: &[PathBuf], context: &Context<'_>) -> BTreeMap<(String, String), String> {
    let mut blocked = BTreeMap::new();
    for path in paths {
        if let Ok(Some((begin, progress))) = journal::look(path, Some(context.sealer))
            && progress.state == State::NeedsHuman
        {
            blocked.insert((begin.action.store, begin.action.key), begin.id);
        }
    }
    blocked
}

/// Goes on with one of several; `None` if it had ended.
fn resume_one(
    path: &Path,
    blocked: &mut BTreeMap<(String, String), String>,
    world: &World<'_>,
    context: &Context<'_>,
) -> Result<Option<Rotation>, RotateError> {
    let mut journal = match Journal::open(path, context.sealer) {
        Ok(Some(journal)) => journal,
        Ok(None) => return Ok(None),
        // One that cannot even be read is its own, whatever the reason.
        Err(error) => return Ok(Some(aside(&id_of(path), "its journal", &error))),
    };
    if journal.progress.state.is_end() {
        journal.forget(&|point| context.point(point))?;
        return Ok(None);
    }
    let (id, title) = (journal.begin.id.clone(), journal.begin.action.title());
    let key = (
        journal.begin.action.store.clone(),
        journal.begin.action.key.clone(),
    );
    if let Some(other) = blocked.get(&key).filter(|other| **other != id) {
        let why = format!("{other} of the same key needs a person first");
        return Ok(Some(Rotation {
            id,
            title,
            outcome: Outcome::Later { why },
            note: None,
            ended: None,
            is_damaged: false,
            cut: journal.cut,
        }));
    }
    let rotation = match go_on(journal, world, context, false) {
        Ok(rotation) => rotation,
        Err(error) if is_its_own(&error) => aside(&id, &title, &error),
        Err(error) => return Err(error),
    };
    if matches!(rotation.outcome, Outcome::NeedsHuman { .. }) {
        blocked.insert(key, id);
    }
    Ok(Some(rotation))
}

/// Tells whether a fault is one rotation's own. All others stand in the way of every one, as a disk that is full.
const fn is_its_own(error: &RotateError) -> bool {
    match error {
        RotateError::Busy { .. }
        | RotateError::Store(_)
        | RotateError::Damaged { .. }
        | RotateError::Newer { .. }
        | RotateError::Seal { .. }
        | RotateError::Unknown { .. } => true,
        RotateError::File { .. }
        | RotateError::Plan(_)
        | RotateError::Approval { .. }
        | RotateError::Random
        | RotateError::Crash { .. } => false,
    }
}

/// Returns what is told of a rotation that cannot be gone on with, so that the others can.
fn aside(id: &str, title: &str, error: &RotateError) -> Rotation {
    use miette::Diagnostic as _;
    let why = match error.help() {
        Some(help) => format!("{error} ({help})"),
        None => error.to_string(),
    };
    let outcome = match error {
        RotateError::Busy { .. } | RotateError::Store(_) => Outcome::Later { why },
        _ => Outcome::NeedsHuman { why },
    };
    Rotation {
        id: id.to_owned(),
        title: title.to_owned(),
        outcome,
        note: None,
        ended: None,
        is_damaged: matches!(
            error,
            RotateError::Damaged { .. } | RotateError::Newer { .. }
        ),
        cut: 0,
    }
}

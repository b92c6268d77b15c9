//! The other axis: whether the system that a value opens still lets it in. Only where the user named that system.

use crate::{
    config::stores::{TargetEntry, TargetKind},
    model::{ProviderState, Secret, StorePlace, Verdict},
    stores::{
        Field, KeyPath, SecretStore, StoreError, VersionId,
        target::{Credential, Target},
    },
};

/// Asks the target of a verdict's place, once, and settles the verdict's urgency anew; returns whether it could be asked. A verdict
/// without place or target stays as it is; where the store no longer tells the user's name, nobody can be asked, and the verdict says so.
pub fn probe(
    verdict: &mut Verdict,
    value: &Secret,
    store: &dyn SecretStore,
    entry: &TargetEntry,
    target: Result<&dyn Target, StoreError>,
) -> bool {
    let Some(place) = &verdict.place else {
        return true;
    };
    let user = user(place, store, entry);
    let asked = match (user, target) {
        (Ok(None), Ok(_)) if entry.user_field.is_some() => Ok(ProviderState::Unknown {
            why: "the store no longer tells which user it belongs to".to_owned(),
        }),
        (Ok(user), Ok(target)) => target.probe(&Credential {
            user,
            secret: value.clone(),
        }),
        (_, Err(error)) | (Err(error), _) => Err(error),
    };
    // One key or target that cannot be asked must not cost the verdicts of all others.
    let was_asked = asked.is_ok();
    settle(verdict, asked.unwrap_or_else(|error| unasked(&error)));
    was_asked
}

/// Returns the state of a system that could not be asked.
fn unasked(error: &StoreError) -> ProviderState {
    ProviderState::Unknown {
        why: format!("{}; {}", error.what, error.help),
    }
}

/// Takes an answer. One that proves nothing does not undo the proof that the value's rotation has left.
pub fn settle(verdict: &mut Verdict, asked: ProviderState) {
    if verdict.refused_at.is_none() || !matches!(asked, ProviderState::Unknown { .. }) {
        verdict.provider = asked;
        verdict.refused_at = None;
    }
    verdict.urgency = super::urgency(&verdict.store, &verdict.provider);
}

/// Tells whether a target is that of a place, and one that can be asked: behind `none` there is nobody.
#[must_use]
pub fn opens(entry: &TargetEntry, place: &StorePlace) -> bool {
    !matches!(entry.kind, TargetKind::None)
        && entry.opens(&place.store, &place.key, place.field.as_deref())
}

/// Returns the user's name that belongs to a version: blue/green targets change it.
///
/// # Errors
/// What reading the store can meet.
pub fn user(
    place: &StorePlace,
    store: &dyn SecretStore,
    entry: &TargetEntry,
) -> Result<Option<String>, StoreError> {
    let Some(wanted) = &entry.user_field else {
        return Ok(entry.user.clone());
    };
    let mut user = None;
    let version = VersionId::new(place.version.clone().unwrap_or_default());
    store.read(
        &KeyPath::new(place.key.clone()),
        &version,
        &mut |field: Field<'_>| {
            if field.name == wanted {
                user = Some(String::from_utf8_lossy(field.bytes).into_owned());
            }
        },
    )?;
    Ok(user.or_else(|| entry.user.clone()))
}

/// Tells whether a verdict is worth a question: its value stands in a store, or did.
#[must_use]
pub fn is_worth(verdict: &Verdict) -> bool {
    let is_asked = verdict.provider != ProviderState::NotChecked && verdict.refused_at.is_none();
    verdict.place.is_some() && !is_asked
}

//! What is remembered of a value, and what of that still holds: a store that says less than before proves nothing.

use super::{Opened, Remembered, blank, stream, urgency};
use crate::{
    model::{MatchKind, ProviderState, StorePlace, StoreState, Verdict, Verification},
    stores::{Field, KeyPath, ReadOutcome, SecretStore, VersionInfo},
};

/// Tells whether the store of a remembered place was read. What a store says today comes before what is remembered of it: a store that
/// was not read proves nothing.
pub(super) fn is_read(place: &StorePlace, verification: &Verification) -> bool {
    let mut stores = verification.stores.iter();
    stores.any(|store| store.store == place.store && store.is_read())
}

/// Returns the verdict of a value that a store had once and that was not met in it: what became of that version.
///
/// Gone for good is only what the store itself says so of, in an answer about that key. A version that it hands out, hides, or still has
/// may hold the value whatever reading it gave: then nothing is known.
pub(super) fn gone(place: StorePlace, stores: &[Opened<'_>]) -> Verdict {
    let store = stores.iter().find(|opened| opened.name == place.store);
    let store = store.and_then(|opened| opened.store.as_ref().ok());
    let state = store.and_then(|store| became(&place, *store));
    let Some(state) = state else {
        return blank(StoreState::NotFound {
            complete: false,
            unread: false,
        });
    };
    let mut verdict = blank(state);
    verdict.place = Some(place);
    verdict.by = Some(MatchKind::Exact);
    verdict
}

/// Returns what a store says of a version; `None` if it does not say, or says that it has it.
fn became(place: &StorePlace, store: &dyn SecretStore) -> Option<StoreState> {
    let key = KeyPath::new(place.key.clone());
    let info = store.describe(&key).ok().filter(|info| !info.hidden)?;
    // One that tells no version at all does not say of any that it is gone.
    info.versions.first()?;
    let wanted = place.version.as_deref().unwrap_or_default();
    let mut same = stream::with_states(&info).filter(|(version, _)| version.id.as_str() == wanted);
    let Some((version, state)) = same.next() else {
        // Not even listed any more.
        return Some(StoreState::Destroyed);
    };
    match state {
        StoreState::SoftDeleted | StoreState::Disabled | StoreState::Destroyed => Some(state),
        // A store without versions has one value at a time: what it reads now is another.
        StoreState::Current if wanted.is_empty() && reads(place, &key, version, store) => {
            Some(StoreState::Destroyed)
        }
        StoreState::Current
        | StoreState::Pending
        | StoreState::Previous { .. }
        | StoreState::IdentityOnly
        | StoreState::WriteOnly
        | StoreState::NotFound { .. }
        | StoreState::NotCompared { .. } => None,
    }
}

/// Tells whether the field of a place can be read and is not empty.
fn reads(
    place: &StorePlace,
    key: &KeyPath,
    version: &VersionInfo,
    store: &dyn SecretStore,
) -> bool {
    let wanted = place.field.as_deref().unwrap_or_default();
    let wanted = wanted.split('#').next().unwrap_or_default();
    let mut is_there = false;
    let mut look = |field: Field<'_>| is_there |= field.name == wanted && !field.bytes.is_empty();
    let read = store.read(key, &version.id, &mut look);
    matches!(read, Ok(ReadOutcome::Read)) && is_there
}

/// Takes the refusal that a rotation has proven, for a value that is an old one of that key and stands nowhere else: what is current
/// again may have been let in again, and another key may open another system.
pub(super) fn died(verdict: &mut Verdict, known: Option<Remembered>) {
    let Some(known) = known else {
        return;
    };
    let is_same =
        |place: &StorePlace| place.store == known.place.store && place.key == known.place.key;
    let is_old = matches!(
        verdict.store,
        StoreState::Previous { .. }
            | StoreState::Disabled
            | StoreState::SoftDeleted
            | StoreState::Destroyed
    );
    let is_there_alone =
        verdict.more == 0 && verdict.place.iter().chain(&verdict.also).all(is_same);
    if known.refused_at.is_some() && is_old && is_there_alone {
        verdict.provider = ProviderState::Refused;
        verdict.refused_at = known.refused_at;
        verdict.urgency = urgency(&verdict.store, &verdict.provider);
    }
}

//! Grounds of a plan: what a verdict and a key allow, decided without asking anything outside.

use super::{
    plan::{ActionKind, Reason, Strategy},
    world::OpenTarget,
};
use crate::{
    config::stores::TargetKind,
    model::{MatchKind, ProviderState, StorePlace, StoreState, Verdict},
    stores::{KeyInfo, VersionId, VersionState},
};

/// Why not: the reason, the words, the help.
pub(super) type No = (Reason, String, String);

pub(super) fn no<T>(
    reason: Reason,
    why: impl Into<String>,
    help: impl Into<String>,
) -> Result<T, No> {
    Err((reason, why.into(), help.into()))
}

/// Returns the place of a value that a store manages.
pub(super) fn managed(verdict: &Verdict) -> Result<&StorePlace, No> {
    let is_withheld = |place: &StorePlace| place.key == StorePlace::WITHHELD;
    if verdict.place.as_ref().is_some_and(is_withheld) {
        return no(
            Reason::Unmanaged,
            "the report leaves key names out, so that nobody knows which key it is",
            "verify again without --redact-paths into a report for you alone, and plan from that",
        );
    }
    let onboard = "put it into a store, or end it at its provider by hand; then verify again";
    match (&verdict.store, &verdict.place) {
        (
            StoreState::NotFound { .. } | StoreState::NotCompared { .. } | StoreState::WriteOnly,
            _,
        )
        | (_, None) => no(
            Reason::Unmanaged,
            "it is live, and its place in a store is not known",
            onboard,
        ),
        (StoreState::IdentityOnly, Some(_)) => no(
            Reason::Unsure,
            "only an identifier that belongs to it was recognised",
            onboard,
        ),
        (StoreState::SoftDeleted | StoreState::Destroyed, Some(_)) => no(
            Reason::Unreadable,
            "its version is deleted, and its provider still accepts it",
            "restore the version and verify again, or end the credential at its provider by hand",
        ),
        (
            StoreState::Current
            | StoreState::Pending
            | StoreState::Previous { .. }
            | StoreState::Disabled,
            Some(place),
        ) => Ok(place),
    }
}

/// Refuses guesses: a rotation by mistake is an outage.
pub(super) fn sure(verdict: &Verdict) -> Result<(), No> {
    match verdict.by {
        Some(MatchKind::Exact | MatchKind::Decoded | MatchKind::Fingerprint) => Ok(()),
        Some(MatchKind::Contained | MatchKind::Identity | MatchKind::Name) | None => no(
            Reason::Unsure,
            "the value was not recognised surely enough to be rotated",
            "compare it by hand, and rotate the key by hand if it is the one",
        ),
    }
}

/// Decides between a new credential and the end of an old one.
pub(super) fn what(
    verdict: &Verdict,
    place: &StorePlace,
    base: &VersionId,
    info: &KeyInfo,
    open: Option<&OpenTarget>,
) -> Result<(ActionKind, VersionId), No> {
    let exposed = place.version.clone().map(VersionId::new);
    match verdict.store {
        StoreState::Current => {
            let exposed = exposed.unwrap_or_else(|| base.clone());
            if exposed == *base {
                Ok((ActionKind::Rotate, exposed))
            } else {
                no(
                    Reason::Store,
                    "the key has changed since it was verified",
                    "verify again",
                )
            }
        }
        StoreState::Pending => {
            let Some(exposed) = exposed else {
                return no(
                    Reason::Store,
                    "the pending version has no name",
                    "verify again",
                );
            };
            Ok((ActionKind::Rotate, exposed))
        }
        StoreState::Previous { .. } | StoreState::Disabled => {
            let Some(exposed) = exposed else {
                return no(Reason::Store, "the old version has no name", "verify again");
            };
            // A report is a file that others may have written: what it calls old is ended only if the store calls it so, too.
            if !is_old(info, base, &exposed) {
                return no(
                    Reason::Store,
                    "the report calls the version old, and the store does not: ending it could end what readers use",
                    "verify again; if the report still says so, look at who writes it",
                );
            }
            let target = open.and_then(|open| open.target.as_deref());
            // A target that holds one credential and accepts an old one does not have the current one: only a new one mends both.
            let holds_one = target.is_some_and(|target| !target.traits().grace);
            let kind = if holds_one && verdict.provider == ProviderState::Accepted {
                ActionKind::Rotate
            } else {
                ActionKind::Revoke
            };
            Ok((kind, exposed))
        }
        StoreState::SoftDeleted
        | StoreState::Destroyed
        | StoreState::IdentityOnly
        | StoreState::WriteOnly
        | StoreState::NotFound { .. }
        | StoreState::NotCompared { .. } => no(
            Reason::Unmanaged,
            "its place in a store is not known",
            "verify again",
        ),
    }
}

/// Tells whether a store itself says that a version is an old one, and not the one that readers get.
pub(super) fn is_old(info: &KeyInfo, base: &VersionId, exposed: &VersionId) -> bool {
    let mut same = info.versions.iter().filter(|v| v.id == *exposed);
    exposed != base
        && same.next().is_some_and(|version| {
            matches!(
                version.state,
                VersionState::Previous | VersionState::Disabled
            )
        })
        && same.next().is_none()
}

pub(super) fn readable(info: &KeyInfo, exposed: &VersionId) -> Result<(), No> {
    let version = info.versions.iter().find(|version| version.id == *exposed);
    match version.map(|version| version.state) {
        Some(
            VersionState::Current
            | VersionState::Pending
            | VersionState::Previous
            | VersionState::Disabled,
        ) => Ok(()),
        Some(VersionState::SoftDeleted | VersionState::Destroyed) | None => no(
            Reason::Unreadable,
            "the version with the leaked value cannot be read",
            "restore it and verify again, or end the credential at its provider by hand",
        ),
    }
}

pub(super) fn strategy(
    kind: ActionKind,
    info: &KeyInfo,
    open: Option<&OpenTarget>,
) -> Result<Strategy, No> {
    match (kind, open) {
        (ActionKind::Rotate, _) if info.native_rotation => Ok(Strategy::StoreNative),
        (_, Some(open)) if open.target.is_some() => Ok(Strategy::Target),
        (ActionKind::Rotate, Some(_)) => Ok(Strategy::GenerateAndPut),
        (ActionKind::Revoke, _) => no(
            Reason::NoTarget,
            "its provider still accepts it, and no target says how to end it there",
            "end it at the provider by hand, or add [[targets]] for the key to stores.toml",
        ),
        (ActionKind::Rotate, None) => no(
            Reason::NoTarget,
            "nothing says what the value opens: a new random value could lock its users out",
            "add [[targets]] for the key to stores.toml; `kind = \"none\"` if only readers of the store use it",
        ),
    }
}

/// Tells whether a target's user is the one that keysweep works as.
pub(super) fn is_admin(open: &OpenTarget) -> bool {
    let user = open.entry.user.as_deref();
    match &open.entry.kind {
        TargetKind::Postgres(settings) => user == Some(settings.admin.as_str()),
        TargetKind::Redis(settings) => {
            user.is_some() && user == Some(settings.admin.as_deref().unwrap_or("default"))
        }
        TargetKind::Ssh(_)
        | TargetKind::AwsIam(_)
        | TargetKind::Command(_)
        | TargetKind::Webhook(_)
        | TargetKind::None => false,
    }
}

pub(super) fn of_store(error: crate::stores::StoreError) -> No {
    (Reason::Store, error.to_string(), error.help)
}

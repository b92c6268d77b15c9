//! Rotations that Secrets Manager does by itself, with a function or a service of AWS's.
//!
//! Promises: a rotation is started only if somebody would do it and none is under way; its end is told by the version that became
//! current; one that will not end is told, for AWS never says so.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    super::{
        Fault, KeyInfo, KeyPath, NativeProgress, NativeRotation, StoreError, VersionId,
        VersionInfo, VersionState, http::Effect,
    },
    SecretsManager,
};

/// After so long a rotation is taken for stuck: four steps of a function that may run 15 minutes each ("Lambda quotas": function
/// timeout), seconds.
const STUCK_AFTER: i64 = 4 * 15 * 60;
/// So long AWS may take to show the label of a rotation that has begun, seconds.
const SETTLES_AFTER: i64 = 5 * 60;

fn now() -> i64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

impl SecretsManager {
    pub(super) fn start_rotation(
        &self,
        key: &KeyPath,
        token: &str,
    ) -> Result<NativeRotation, StoreError> {
        let what = format!("have AWS rotate {key}");
        let info = self.look(key)?;
        if !info.native_rotation {
            return Err(self.session.error(
                Fault::Unsupported,
                format!("{what}: nothing rotates it, or its rotation is switched off"),
                "give it a function (`aws secretsmanager rotate-secret --rotation-lambda-arn`), or rotate it with a [[targets]] entry",
            ));
        }
        let Some(current) = info.current().map(|version| version.id.clone()) else {
            return Err(self.session.error(
                Fault::Setup,
                format!("{what}: it has no current version"),
                "put a first value into it",
            ));
        };
        let rotation = NativeRotation {
            key: key.clone(),
            mark: format!("{current}@{}", now()),
        };
        if let Some(pending) = pending(&info) {
            if pending.id.as_str() == token {
                // Begun before, by a run that got no answer.
                return Ok(rotation);
            }
            return Err(self.session.error(
                Fault::Conflict,
                format!(
                    "{what}: version {} is pending: another rotation is under way or stuck",
                    pending.id
                ),
                "wait for its end, or stop it: aws secretsmanager cancel-rotate-secret",
            ));
        }
        // Repeated by the SDK if no answer comes: the token makes it the same rotation.
        let call = self
            .client
            .rotate_secret()
            .secret_id(key.as_str())
            .client_request_token(token)
            .rotate_immediately(true);
        let answer = self.session.run(call.send());
        answer.map_err(|error| self.session.fault(&error, &what, Effect::Write))?;
        Ok(rotation)
    }

    pub(super) fn watch_rotation(
        &self,
        rotation: &NativeRotation,
    ) -> Result<NativeProgress, StoreError> {
        let info = self.look(&rotation.key)?;
        let (before, begun) = match rotation.mark.split_once('@') {
            Some((before, begun)) => (before, begun.parse().ok()),
            None => (rotation.mark.as_str(), None),
        };
        Ok(progress(&info, before, begun, now()))
    }
}

fn pending(info: &KeyInfo) -> Option<&VersionInfo> {
    let mut versions = info.versions.iter();
    versions.find(|version| version.state == VersionState::Pending)
}

/// Tells how far a rotation is. `begun` and `now` are Unix seconds.
fn progress(info: &KeyInfo, before: &str, begun: Option<i64>, now: i64) -> NativeProgress {
    let current = info.current().map(|version| &version.id);
    let moved = current.filter(|current| current.as_str() != before);
    let pending = pending(info);
    match (moved, pending) {
        (Some(current), _) => NativeProgress::Done(VersionId::new(current.as_str())),
        (None, Some(pending)) => {
            let since = pending.created.max(begun);
            let is_old = since.is_some_and(|since| now > since.saturating_add(STUCK_AFTER));
            if is_old {
                NativeProgress::Stuck(format!(
                    "version {} is pending for more than an hour: see the log of the rotation function, then stop it (aws secretsmanager cancel-rotate-secret) and take the label AWSPENDING from it",
                    pending.id
                ))
            } else {
                NativeProgress::Running
            }
        }
        (None, None) => {
            let is_over = begun.is_some_and(|begun| now > begun.saturating_add(SETTLES_AFTER));
            if is_over {
                NativeProgress::Stuck(
                    "no rotation is under way any more, and the old version is still current: it was stopped, or failed"
                        .to_owned(),
                )
            } else {
                NativeProgress::Running
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(versions: &[(&str, VersionState, i64)]) -> KeyInfo {
        KeyInfo {
            versions: versions
                .iter()
                .map(|(id, state, created)| VersionInfo {
                    id: VersionId::new(*id),
                    state: *state,
                    created: Some(*created),
                })
                .collect(),
            ..KeyInfo::default()
        }
    }

    #[test]
    fn the_end_is_told_by_the_version_that_became_current() {
        let after = info(&[
            ("new", VersionState::Current, 10),
            ("old", VersionState::Previous, 1),
        ]);
        let done = NativeProgress::Done(VersionId::new("new"));
        assert_eq!(progress(&after, "old", Some(5), 11), done);
        // Without a time: the mark of a start whose answer was lost.
        assert_eq!(progress(&after, "old", None, 11), done);
    }

    #[test]
    fn a_rotation_that_will_not_end_is_stuck() {
        let waits = info(&[
            ("new", VersionState::Pending, 100),
            ("old", VersionState::Current, 1),
        ]);
        let running = NativeProgress::Running;
        assert_eq!(progress(&waits, "old", Some(100), 100 + 3600), running);
        let stuck = progress(&waits, "old", Some(100), 100 + 3601);
        assert!(matches!(stuck, NativeProgress::Stuck(_)));
        let stopped = info(&[("old", VersionState::Current, 1)]);
        assert_eq!(progress(&stopped, "old", Some(100), 400), running);
        let over = progress(&stopped, "old", Some(100), 401);
        assert!(matches!(over, NativeProgress::Stuck(_)));
    }
}

//! What Secrets Manager says of a secret without its values, as [`KeyInfo`].
//!
//! Promises: each version is there once, under the state that its labels give it, newest first; what AWS may have thrown away is told.

use std::{cmp::Reverse, collections::HashMap};

use aws_sdk_secretsmanager::{
    operation::describe_secret::DescribeSecretOutput,
    primitives::DateTime,
    types::{SecretListEntry, Tag},
};

use super::super::{KeyInfo, VersionId, VersionInfo, VersionState};

/// From so many versions on AWS throws away those without a label ("Secrets Manager secret versions").
const COLLECTED_FROM: usize = 100;

pub(super) const CURRENT: &str = "AWSCURRENT";
pub(super) const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

/// What is known of a secret beside its versions.
#[derive(Default)]
pub(super) struct About {
    pub(super) deleted: bool,
    changed: Option<i64>,
    next_rotation: Option<i64>,
    rotates: bool,
    tags: Vec<Tag>,
    stages: HashMap<String, Vec<String>>,
}

/// One version, as AWS lists it.
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) stages: Vec<String>,
    pub(super) created: Option<i64>,
}

pub(super) fn seconds(time: Option<DateTime>) -> Option<i64> {
    time.map(|time| time.secs())
}

/// Tells whether AWS can rotate a secret: it is switched on, and there is somebody to do it. An emulator that accepts RotateSecret without
/// any would leave the secret empty.
fn rotates(
    enabled: Option<bool>,
    lambda: Option<&str>,
    service: Option<&str>,
    role: Option<&str>,
) -> bool {
    let somebody = [lambda, service, role];
    enabled == Some(true) && somebody.iter().flatten().any(|name| !name.is_empty())
}

impl About {
    pub(super) fn listed(entry: &SecretListEntry) -> Self {
        Self {
            deleted: entry.deleted_date.is_some(),
            changed: seconds(entry.last_changed_date.or(entry.created_date)),
            next_rotation: seconds(entry.next_rotation_date),
            rotates: rotates(
                entry.rotation_enabled,
                entry.rotation_lambda_arn(),
                entry.owning_service(),
                entry.external_secret_rotation_role_arn(),
            ),
            tags: entry.tags().to_vec(),
            stages: entry.secret_versions_to_stages.clone().unwrap_or_default(),
        }
    }

    pub(super) fn described(answer: DescribeSecretOutput) -> Self {
        Self {
            deleted: answer.deleted_date.is_some(),
            changed: seconds(answer.last_changed_date.or(answer.created_date)),
            next_rotation: seconds(answer.next_rotation_date),
            rotates: rotates(
                answer.rotation_enabled,
                answer.rotation_lambda_arn(),
                answer.owning_service(),
                answer.external_secret_rotation_role_arn(),
            ),
            tags: answer.tags.unwrap_or_default(),
            stages: answer.version_ids_to_stages.unwrap_or_default(),
        }
    }

    fn tag(&self, name: &str) -> Option<String> {
        let mut tags = self.tags.iter();
        let found = tags.find(|tag| tag.key().is_some_and(|key| key.eq_ignore_ascii_case(name)));
        found
            .and_then(Tag::value)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// Puts together what is known. `versions` is `None` if they may not be listed: then those with labels are all we know of.
    pub(super) fn info(self, versions: Option<Vec<Listed>>) -> KeyInfo {
        let partial = versions.is_none();
        let labelled = || {
            let stages = self.stages.iter();
            stages
                .map(|(id, stages)| Listed {
                    id: id.clone(),
                    stages: stages.clone(),
                    created: None,
                })
                .collect()
        };
        let mut versions: Vec<Listed> = versions.unwrap_or_else(labelled);
        versions.sort_by_key(|version| {
            (
                rank(&version.stages),
                Reverse(version.created),
                version.id.clone(),
            )
        });
        let current = versions.iter().find(|version| rank(&version.stages) == 1);
        KeyInfo {
            trimmed: partial || versions.len() >= COLLECTED_FROM,
            changed: current.and_then(|version| version.created).or(self.changed),
            next_rotation: self.next_rotation,
            owner: self.tag("owner"),
            environment: self.tag("environment"),
            native_rotation: self.rotates && !self.deleted,
            versions: versions
                .iter()
                .map(|version| VersionInfo {
                    id: VersionId::new(version.id.clone()),
                    state: state(&version.stages, self.deleted),
                    created: version.created,
                })
                .collect(),
            hidden: false,
        }
    }
}

/// Returns the place of a version among its likes, newest first.
fn rank(stages: &[String]) -> u8 {
    let has = |name: &str| stages.iter().any(|stage| stage == name);
    match () {
        () if has(CURRENT) => 1,
        () if has(PENDING) => 0,
        () if has(PREVIOUS) => 2,
        () => 3,
    }
}

fn state(stages: &[String], deleted: bool) -> VersionState {
    match rank(stages) {
        _ if deleted => VersionState::SoftDeleted,
        0 => VersionState::Pending,
        1 => VersionState::Current,
        _ => VersionState::Previous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, stages: &[&str], created: i64) -> Listed {
        Listed {
            id: id.to_owned(),
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            created: Some(created),
        }
    }

    #[test]
    fn versions_are_in_order_under_the_states_of_their_labels() {
        let all = vec![
            version("old", &[], 1),
            version("older-current", &[CURRENT], 2),
            version("pending", &[PENDING, "mine"], 5),
            version("rolled-back", &[PREVIOUS], 4),
            version("labelled", &["mine-too"], 3),
        ];
        let info = About::default().info(Some(all));
        let states: Vec<_> = info
            .versions
            .iter()
            .map(|version| (version.id.as_str(), version.state))
            .collect();
        assert_eq!(
            states,
            [
                ("pending", VersionState::Pending),
                ("older-current", VersionState::Current),
                ("rolled-back", VersionState::Previous),
                ("labelled", VersionState::Previous),
                ("old", VersionState::Previous),
            ]
        );
        assert_eq!(info.changed, Some(2));
        assert!(!info.trimmed);
        let finished = About::default().info(Some(vec![version("v", &[PENDING, CURRENT], 1)]));
        assert_eq!(finished.versions[0].state, VersionState::Current);
    }

    #[test]
    fn what_may_have_been_thrown_away_is_told() {
        let many = (0..100).map(|n| version(&n.to_string(), &[], n)).collect();
        assert!(About::default().info(Some(many)).trimmed);
        let about = About {
            stages: HashMap::from([("v".to_owned(), vec![CURRENT.to_owned()])]),
            ..About::default()
        };
        let info = about.info(None);
        assert!(info.trimmed);
        assert_eq!(info.versions.len(), 1);
    }

    #[test]
    fn rotation_needs_somebody_who_does_it() {
        assert!(rotates(Some(true), Some("arn"), None, None));
        assert!(rotates(Some(true), None, Some("rds"), None));
        assert!(!rotates(Some(true), None, None, None));
        assert!(!rotates(Some(true), Some(""), Some(""), None));
        assert!(!rotates(Some(false), Some("arn"), None, None));
        assert!(!rotates(None, Some("arn"), None, None));
    }
}

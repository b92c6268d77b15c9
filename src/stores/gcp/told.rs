//! What Secret Manager tells of secrets and versions, in our own types.

use std::collections::HashMap;

use google_cloud_secretmanager_v1::model::{Secret, SecretVersion, secret_version};
use google_cloud_wkt::Timestamp;

/// What is known of a secret without its versions.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) owner: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) next_rotation: Option<i64>,
}

/// One version.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) state: State,
    pub(super) created: Option<i64>,
    pub(super) etag: String,
}

/// The states of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Enabled,
    Disabled,
    Destroyed,
}

/// Returns the last part of a resource's name.
pub(super) fn last(name: &str) -> Option<&str> {
    name.rsplit('/').next()
}

/// Tells whether this is a name that may go into a path: secrets have letters, digits, `-` and `_`; projects `.` and `:` as well (of domains).
pub(super) fn is_id(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    !text.is_empty() && text.len() <= 255 && text != "." && text != ".." && text.bytes().all(fine)
}

pub(super) fn about(secret: &Secret) -> About {
    let note = |name: &str| {
        let found = |notes: &HashMap<String, String>| notes.get(name).cloned();
        found(&secret.annotations)
            .or_else(|| found(&secret.labels))
            .filter(|text| !text.is_empty())
    };
    About {
        owner: note("owner"),
        environment: note("environment"),
        next_rotation: secret
            .rotation
            .as_ref()
            .and_then(|rotation| rotation.next_rotation_time.as_ref())
            .map(Timestamp::seconds),
    }
}

pub(super) fn read_version(version: &SecretVersion) -> Option<Version> {
    Some(Version {
        number: last(&version.name)?.parse().ok()?,
        state: match version.state {
            secret_version::State::Enabled => State::Enabled,
            secret_version::State::Disabled => State::Disabled,
            secret_version::State::Destroyed => State::Destroyed,
            _ => return None,
        },
        created: version.create_time.as_ref().map(Timestamp::seconds),
        etag: version.etag.clone(),
    })
}

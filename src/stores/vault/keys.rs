//! What is known of a key, and its values.
//!
//! Promises: three sorts of "not there" are told apart: a version that is deleted or destroyed ([`ReadOutcome::Gone`]), one that the
//! server has thrown away because newer ones came, and a key that never was.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::{
    super::{
        Fault, Field, KeyInfo, KeyPath, ReadOutcome, StoreError, VersionId, VersionInfo,
        VersionState,
        http::{Answer, encode},
        json::Json,
    },
    client::Client,
    list::CURRENT,
    mounts::Mount,
};

/// A key in a KV mount.
#[derive(Clone, Copy)]
pub(super) struct KvKey<'k> {
    /// The mount.
    pub(super) mount: &'k Mount,
    /// The path inside.
    pub(super) inside: &'k str,
    /// The whole path, for errors.
    pub(super) key: &'k KeyPath,
}

impl KvKey<'_> {
    /// Returns the encoded path of one of the key's endpoints (`data`, `metadata`, ...); KV version 1 has none of them.
    pub(super) fn path(&self, endpoint: &str) -> String {
        let mount = encode(&self.mount.path);
        let inside = encode(self.inside);
        if self.mount.versioned {
            format!("{mount}{endpoint}/{inside}")
        } else {
            format!("{mount}{inside}")
        }
    }
}

/// Returns Unix seconds of a time in RFC 3339.
pub(super) fn seconds(text: Json<'_>) -> Option<i64> {
    let text = text.string()?;
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Returns the error of a key that is not there.
pub(super) fn missing(client: &Client, what: &str) -> StoreError {
    client.wire.error(
        Fault::NotFound,
        format!("{what}: there is no such key"),
        "check the path and `namespace`; paths have no `data/` in them",
    )
}

/// Describes a key from its metadata.
pub(super) fn describe(client: &Client, place: &KvKey<'_>) -> Result<KeyInfo, StoreError> {
    let what = format!("look at {}", place.key);
    let answer = client.get(&place.path("metadata"), &what)?;
    if answer.status == 404 {
        return Err(missing(client, &what));
    }
    let json = client.wire.json(&answer, &what)?;
    let data = json
        .member("data")
        .ok_or_else(|| client.wire.garbled(&what))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().cast_signed());
    information(data, now).ok_or_else(|| client.wire.garbled(&what))
}

/// Reads metadata.
fn information(data: Json<'_>, now: i64) -> Option<KeyInfo> {
    let current = data.member("current_version")?.integer()?;
    let mut numbered = Vec::new();
    for (name, version) in data.member("versions")?.members() {
        let number: i64 = name.parse().ok()?;
        let deleted = version.member("deletion_time").and_then(seconds);
        let destroyed = version.member("destroyed").and_then(Json::boolean);
        let state = if destroyed.unwrap_or_default() {
            VersionState::Destroyed
        } else if deleted.is_some_and(|at| at <= now) {
            // A time to come is that of `delete_version_after`.
            VersionState::SoftDeleted
        } else if number == current {
            VersionState::Current
        } else {
            VersionState::Previous
        };
        let created = version.member("created_time").and_then(seconds);
        numbered.push((number, state, created));
    }
    numbered.sort_by_key(|(number, ..)| std::cmp::Reverse(*number));
    let oldest = numbered.last().map_or(current, |(number, ..)| *number);
    let custom = |name: &str| data.at(&["custom_metadata", name]).and_then(Json::name);
    let changed = numbered.iter().find(|(number, ..)| *number == current);
    Some(KeyInfo {
        trimmed: oldest > 1,
        changed: changed.and_then(|(_, _, created)| *created),
        owner: custom("owner"),
        environment: custom("environment"),
        versions: numbered
            .into_iter()
            .map(|(number, state, created)| VersionInfo {
                id: VersionId::new(number.to_string()),
                state,
                created,
            })
            .collect(),
        ..KeyInfo::default()
    })
}

/// Gets one version. `None`: it is deleted or destroyed.
pub(super) fn fetch(
    client: &Client,
    place: &KvKey<'_>,
    version: &VersionId,
) -> Result<Option<Answer>, StoreError> {
    let what = format!("read version {version} of {}", place.key);
    let path = if place.mount.versioned {
        let number: u64 = version
            .as_str()
            .parse()
            .map_err(|_| missing(client, &what))?;
        format!("{}?version={number}", place.path("data"))
    } else if version.as_str() == CURRENT {
        place.path("")
    } else {
        return Err(missing(client, &what));
    };
    let answer = client.get(&path, &what)?;
    match answer.status {
        200 => Ok(Some(answer)),
        404 => {
            let json = client.wire.json(&answer, &what)?;
            if json.at(&["data", "metadata"]).is_some() {
                return Ok(None);
            }
            Err(absent(client, place, version, &what))
        }
        _ => Err(client.wire.garbled(&what)),
    }
}

/// Finds out why a version is not there.
fn absent(client: &Client, place: &KvKey<'_>, version: &VersionId, what: &str) -> StoreError {
    let oldest = place
        .mount
        .versioned
        .then(|| describe(client, place).ok())
        .flatten()
        .and_then(|info| info.versions.last()?.id.as_str().parse::<u64>().ok());
    match (oldest, version.as_str().parse::<u64>()) {
        (Some(oldest), Ok(number)) if number < oldest => client.wire.error(
            Fault::NotFound,
            format!(
                "{what}: the server keeps a number of versions only, and has thrown this one away"
            ),
            "raise max_versions of the mount or key, so that rotated values stay comparable",
        ),
        (Some(_), _) => client.wire.error(
            Fault::NotFound,
            format!("{what}: the key has no such version"),
            "`keysweep store list` shows the versions there are",
        ),
        _ => missing(client, what),
    }
}

/// Returns the object of fields in an answer of [`fetch`].
pub(super) fn fields<'a>(
    client: &Client,
    place: &KvKey<'_>,
    answer: &'a Answer,
) -> Result<Json<'a>, StoreError> {
    let what = format!("read {}", place.key);
    let json = client.wire.json(answer, &what)?;
    let path: &[&str] = if place.mount.versioned {
        &["data", "data"]
    } else {
        &["data"]
    };
    json.at(path).ok_or_else(|| client.wire.garbled(&what))
}

/// Lends the fields of one version.
pub(super) fn read(
    client: &Client,
    place: &KvKey<'_>,
    version: &VersionId,
    sink: &mut dyn FnMut(Field<'_>),
) -> Result<ReadOutcome, StoreError> {
    let Some(answer) = fetch(client, place, version)? else {
        return Ok(ReadOutcome::Gone);
    };
    lend(fields(client, place, &answer)?, sink);
    Ok(ReadOutcome::Read)
}

/// Lends each member of an object: strings as their bytes, everything else as its JSON text.
pub(super) fn lend(object: Json<'_>, sink: &mut dyn FnMut(Field<'_>)) {
    for (name, value) in object.members() {
        let text = value.string();
        sink(Field {
            name: &name,
            bytes: text
                .as_deref()
                .map_or(value.text().as_bytes(), str::as_bytes),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"current_version":12,"oldest_version":3,"custom_metadata":{"owner":"team-a","environment":"prod"},
      "versions":{"3":{"created_time":"2026-01-01T00:00:00Z","deletion_time":"","destroyed":true},
      "10":{"created_time":"2026-01-02T00:00:00Z","deletion_time":"2026-01-03T00:00:00Z","destroyed":false},
      "11":{"created_time":"2026-01-04T00:00:00Z","deletion_time":"","destroyed":false},
      "12":{"created_time":"2026-01-05T00:00:00.5Z","deletion_time":"2099-01-01T00:00:00Z","destroyed":false}}}"#;

    #[test]
    fn metadata_tells_all_versions_newest_first() {
        let json = Json::parse(METADATA.as_bytes()).expect("JSON");
        let info = information(json, 1_800_000_000).expect("metadata");
        let states: Vec<_> = info
            .versions
            .iter()
            .map(|version| (version.id.as_str(), version.state))
            .collect();
        assert_eq!(
            states,
            [
                ("12", VersionState::Current),
                ("11", VersionState::Previous),
                ("10", VersionState::SoftDeleted),
                ("3", VersionState::Destroyed)
            ]
        );
        assert!(info.trimmed);
        assert_eq!(info.changed, Some(1_767_571_200));
        assert_eq!(info.owner.as_deref(), Some("team-a"));
        assert_eq!(info.environment.as_deref(), Some("prod"));
    }

    #[test]
    fn nested_values_are_lent_as_their_text() {
        let json = Json::parse(br#"{"a":"x\ny","b":{"c":[1]},"d":null,"e":5}"#).expect("JSON");
        let mut seen = Vec::new();
        lend(json, &mut |field| {
            seen.push((
                field.name.to_owned(),
                String::from_utf8_lossy(field.bytes).into_owned(),
            ));
        });
        let seen: Vec<_> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("a", "x\ny"),
                ("b", r#"{"c":[1]}"#),
                ("d", "null"),
                ("e", "5")
            ]
        );
    }
}

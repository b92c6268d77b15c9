//! What metadata says of a secret and of its namespace.
//!
//! Source: "Kubernetes API reference: ObjectMeta" (managedFields: who changed which field last, and when).

use jiff::Timestamp;

use super::super::{KeyInfo, VersionId, VersionInfo, VersionState, json::Json};

/// Names of labels and annotations that tell who answers for something, most telling first; a prefix as in `example.com/owner` is passed over.
const OWNERS: [&str; 2] = ["owner", "team"];
/// The same for environments.
const ENVIRONMENTS: [&str; 2] = ["environment", "env"];

/// Who answers for something and where it belongs, as far as labels and annotations say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) owner: Option<String>,
    pub(super) environment: Option<String>,
}

impl Labels {
    /// Reads them off an object's `metadata`.
    pub(super) fn of(metadata: Json<'_>) -> Self {
        Self {
            owner: said(metadata, &OWNERS),
            environment: said(metadata, &ENVIRONMENTS),
        }
    }

    /// Returns these, completed by those of the namespace.
    fn or(self, namespace: &Self) -> Self {
        Self {
            owner: self.owner.or_else(|| namespace.owner.clone()),
            environment: self.environment.or_else(|| namespace.environment.clone()),
        }
    }
}

fn said(metadata: Json<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|wanted| {
        let members = ["labels", "annotations"]
            .into_iter()
            .filter_map(|place| metadata.member(place))
            .flat_map(Json::members);
        let mut named = members.filter(|(name, _)| {
            let own = name.rsplit('/').next().unwrap_or_default();
            own.eq_ignore_ascii_case(wanted)
        });
        let value = named.find_map(|(_, value)| value.name());
        value.filter(|value| !value.is_empty())
    })
}

/// Returns what is known of a secret by its `metadata`; `None` if that is none.
pub(super) fn info(metadata: Json<'_>, namespace: &Labels) -> Option<KeyInfo> {
    let version = metadata.member("resourceVersion")?.name()?;
    let changed = changed(metadata);
    let labels = Labels::of(metadata).or(namespace);
    Some(KeyInfo {
        versions: vec![VersionInfo {
            id: VersionId::new(version),
            state: VersionState::Current,
            created: changed,
        }],
        // A change overwrites; what was there before is nowhere in the API.
        trimmed: true,
        changed,
        owner: labels.owner,
        environment: labels.environment,
        ..KeyInfo::default()
    })
}

/// Returns when the values were changed last. It can be later than that if the same program also changed labels, never earlier.
fn changed(metadata: Json<'_>) -> Option<i64> {
    let entries = metadata
        .member("managedFields")
        .into_iter()
        .flat_map(Json::items);
    let of_data = entries.filter(|entry| entry.at(&["fieldsV1", "f:data"]).is_some());
    let times = of_data.filter_map(|entry| entry.member("time")?.name()?.parse::<Timestamp>().ok());
    times.map(Timestamp::as_second).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Option<KeyInfo>, Labels) {
        let json = Json::parse(text.as_bytes()).expect("JSON");
        let namespace = Labels {
            owner: Some("of the namespace".to_owned()),
            environment: Some("prod".to_owned()),
        };
        (info(json, &namespace), Labels::of(json))
    }

    #[test]
    fn the_newest_change_of_values_counts_and_other_changes_do_not() {
        let (info, _) = parse(
            r#"{"resourceVersion": "7", "creationTimestamp": "2020-01-01T00:00:00Z", "managedFields": [
                {"manager": "a", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {".": {}}}},
                {"manager": "b", "time": "2026-02-01T00:00:00Z", "fieldsV1": {"f:data": {"f:k": {}}}},
                {"manager": "c", "time": "2026-03-01T00:00:00Z", "fieldsV1": {"f:metadata": {}}}]}"#,
        );
        let info = info.expect("known");
        let february = "2026-02-01T00:00:00Z".parse::<Timestamp>().expect("a time");
        assert_eq!(info.changed, Some(february.as_second()));
        assert_eq!(info.versions.len(), 1);
        assert!(info.trimmed);
        let (info, _) =
            parse(r#"{"resourceVersion": "7", "creationTimestamp": "2020-01-01T00:00:00Z"}"#);
        assert_eq!(info.expect("known").changed, None, "nobody says when");
        assert!(parse(r#"{"name": "x"}"#).0.is_none());
    }

    #[test]
    fn own_labels_win_over_annotations_and_those_over_the_namespace() {
        let (info, _) = parse(
            r#"{"resourceVersion": "7", "labels": {"team": "labels", "example.com/Env": "qa"},
                "annotations": {"corp/owner": "notes", "env": "dev"}}"#,
        );
        let info = info.expect("known");
        assert_eq!(
            info.owner.as_deref(),
            Some("notes"),
            "`owner` says more than `team`"
        );
        assert_eq!(info.environment.as_deref(), Some("qa"));
        let (info, own) =
            parse(r#"{"resourceVersion": "7", "labels": {"environment": "", "cowner": "x"}}"#);
        assert_eq!(own, Labels::default());
        assert_eq!(info.expect("known").environment.as_deref(), Some("prod"));
    }
}

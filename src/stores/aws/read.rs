//! What is asked of Secrets Manager: keys, versions by their stages, values, readers.
//!
//! Promises: each version is there once, under the state that its labels give it; a version that AWS has collected is never mistaken for
//! one that was never there; values are wiped as soon as they were lent.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use aws_sdk_secretsmanager::{
    Client,
    operation::{
        describe_secret::DescribeSecretOutput, get_secret_value::GetSecretValueOutput,
        list_secret_version_ids::ListSecretVersionIdsError,
    },
    primitives::DateTime,
    types::{Filter, FilterNameStringType, SecretListEntry, Tag},
};
use zeroize::Zeroizing;

use super::{
    super::{
        Cursor, Field, KeyEntry, KeyInfo, KeyPath, Page, ReadOutcome, StoreError, VersionId,
        VersionInfo, VersionState, http::Effect, json::Json,
    },
    SecretsManager,
    session::code,
};
use crate::model::Readers;

/// Most secrets of one page ("ListSecrets": MaxResults).
const PAGE: i32 = 100;
/// Most versions of one page ("ListSecretVersionIds": MaxResults).
const VERSIONS: i32 = 100;
/// Most values of a filter ("Filter": Values).
const MOST_FILTERS: usize = 10;
/// Secrets whose versions are asked for at once.
const ABREAST: usize = 8;
/// From so many versions on AWS throws away those without a label ("Secrets Manager secret versions").
const COLLECTED_FROM: usize = 100;
/// Most principals that are shown.
const SAMPLE: usize = 10;

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
struct Listed {
    id: String,
    stages: Vec<String>,
    created: Option<i64>,
}

fn seconds(time: Option<DateTime>) -> Option<i64> {
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
    fn listed(entry: &SecretListEntry) -> Self {
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

    fn described(answer: DescribeSecretOutput) -> Self {
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
    fn info(self, versions: Option<Vec<Listed>>) -> KeyInfo {
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

type VersionsError = aws_sdk_secretsmanager::error::SdkError<
    ListSecretVersionIdsError,
    aws_sdk_secretsmanager::config::http::HttpResponse,
>;

/// Lists all versions of a secret, those without labels, too.
async fn versions(client: Client, id: String) -> Result<Vec<Listed>, VersionsError> {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let call = client
            .list_secret_version_ids()
            .secret_id(&id)
            .include_deprecated(true)
            .max_results(VERSIONS)
            .set_next_token(next);
        let answer = call.send().await?;
        for version in answer.versions.unwrap_or_default() {
            if let Some(id) = version.version_id {
                all.push(Listed {
                    id,
                    stages: version.version_stages.unwrap_or_default(),
                    created: seconds(version.created_date),
                });
            }
        }
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// Tells whether the versions of a secret may not be listed, or cannot be because it is deleted: its labels are still known.
fn are_hidden(error: &VersionsError) -> bool {
    matches!(
        code(error),
        Some("AccessDeniedException" | "InvalidRequestException")
    )
}

impl SecretsManager {
    /// Asks for as little as possible.
    pub(super) fn ping(&self) -> Result<(), StoreError> {
        let call = self.client.list_secrets().max_results(1);
        let answer = self.session.run(call.send());
        answer
            .map(drop)
            .map_err(|error| self.session.fault(&error, "list the secrets", Effect::Read))
    }

    pub(super) fn page(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let what = "list the secrets";
        let mut call = self
            .client
            .list_secrets()
            .max_results(PAGE)
            .include_planned_deletion(true)
            .set_next_token(after.map(|cursor| cursor.0.clone()));
        // A value that begins with `!` would be turned round.
        let fits = self.prefixes.len() <= MOST_FILTERS
            && self
                .prefixes
                .iter()
                .all(|prefix| !prefix.starts_with('!') && !prefix.is_empty());
        if fits && !self.prefixes.is_empty() {
            let filter = Filter::builder()
                .key(FilterNameStringType::Name)
                .set_values(Some(self.prefixes.clone()));
            call = call.filters(filter.build());
        }
        let answer = self
            .session
            .run(call.send())
            .map_err(|error| self.session.fault(&error, what, Effect::Read))?;
        let entries = answer.secret_list.unwrap_or_default();
        let keys = self.session.run(self.entries(entries));
        Ok(Page {
            keys,
            next: answer
                .next_token
                .filter(|token| !token.is_empty())
                .map(Cursor),
            problems: Vec::new(),
        })
    }

    /// Asks for the versions of a page's secrets, several at once.
    async fn entries(&self, entries: Vec<SecretListEntry>) -> Vec<KeyEntry> {
        let mut keys = Vec::with_capacity(entries.len());
        for some in entries.chunks(ABREAST) {
            let mut asked = Vec::with_capacity(some.len());
            for entry in some {
                let name = entry.name().unwrap_or_default().to_owned();
                let about = About::listed(entry);
                let versions = tokio::spawn(versions(self.client.clone(), name.clone()));
                asked.push((name, about, versions));
            }
            for (name, about, versions) in asked {
                let info = match versions.await {
                    Ok(Ok(versions)) => Some(about.info(Some(versions))),
                    Ok(Err(error)) if are_hidden(&error) => Some(about.info(None)),
                    // Whoever needs it asks again, and gets to know why not.
                    Ok(Err(_)) | Err(_) => None,
                };
                keys.push(KeyEntry {
                    key: KeyPath::new(name),
                    info,
                });
            }
        }
        keys
    }

    pub(super) fn look(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        let what = format!("describe {key}");
        let about = self.about(key)?;
        let listed = versions(self.client.clone(), key.as_str().to_owned());
        match self.session.run(listed) {
            Ok(versions) => Ok(about.info(Some(versions))),
            Err(error) if are_hidden(&error) => Ok(about.info(None)),
            Err(error) => Err(self.session.fault(&error, &what, Effect::Read)),
        }
    }

    pub(super) fn about(&self, key: &KeyPath) -> Result<About, StoreError> {
        let call = self.client.describe_secret().secret_id(key.as_str());
        let answer = self.session.run(call.send()).map_err(|error| {
            let what = format!("describe {key}");
            self.session.fault(&error, &what, Effect::Read)
        })?;
        Ok(About::described(answer))
    }

    pub(super) fn lend(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        match self.value(key, version)? {
            Value::Text(text) => lend_text(&text, sink),
            Value::Binary(bytes) => sink(Field {
                name: "",
                bytes: &bytes,
            }),
            // There is nothing that could be compared, and nothing was missed.
            Value::Empty => {}
            Value::Gone => return Ok(ReadOutcome::Gone),
        }
        Ok(ReadOutcome::Read)
    }

    /// Reads the value of one version.
    pub(super) fn value(&self, key: &KeyPath, version: &VersionId) -> Result<Value, StoreError> {
        let what = format!("read version {version} of {key}");
        let call = self
            .client
            .get_secret_value()
            .secret_id(key.as_str())
            .version_id(version.as_str());
        let error = match self.session.run(call.send()) {
            Ok(answer) => return self.taken(answer, version, &what),
            Err(error) => error,
        };
        let fault = self.session.fault(&error, &what, Effect::Read);
        match code(&error) {
            // No such secret, no such version, a version that a failed rotation left empty: one type for all.
            Some("ResourceNotFoundException") => {
                let info = self.look(key)?;
                let known = info.versions.into_iter().find(|known| known.id == *version);
                match known.map(|known| known.state) {
                    Some(VersionState::Pending | VersionState::Current) => Ok(Value::Empty),
                    Some(_) => Ok(Value::Gone),
                    None => Err(fault),
                }
            }
            // Deleted, or of another service.
            Some("InvalidRequestException") if self.about(key)?.deleted => Ok(Value::Gone),
            _ => Err(fault),
        }
    }

    fn taken(
        &self,
        answer: GetSecretValueOutput,
        version: &VersionId,
        what: &str,
    ) -> Result<Value, StoreError> {
        let text = answer.secret_string.map(Zeroizing::new);
        let binary = answer
            .secret_binary
            .map(|blob| Zeroizing::new(blob.into_inner()));
        if answer.version_id.as_deref() != Some(version.as_str()) {
            return Err(self.session.garbled(what));
        }
        match (text, binary) {
            (Some(text), _) => Ok(Value::Text(text)),
            (None, Some(bytes)) => Ok(Value::Binary(bytes)),
            (None, None) => Ok(Value::Empty),
        }
    }

    pub(super) fn policy_readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        let what = format!("ask who may read {key}");
        let call = self.client.get_resource_policy().secret_id(key.as_str());
        let answer = self
            .session
            .run(call.send())
            .map_err(|error| self.session.fault(&error, &what, Effect::Read))?;
        let principals = match answer.resource_policy.filter(|policy| !policy.is_empty()) {
            Some(policy) => principals(&policy).ok_or_else(|| self.session.garbled(&what))?,
            None => BTreeSet::new(),
        };
        Ok(Readers {
            known: principals.len() as u64,
            sample: principals.into_iter().take(SAMPLE).collect(),
            // Policies of users and roles allow reading, too, and are not seen from here.
            complete: false,
        })
    }
}

/// The value of a version. `Debug` is left out on purpose.
pub(super) enum Value {
    /// SecretString.
    Text(Zeroizing<String>),
    /// SecretBinary.
    Binary(Zeroizing<Vec<u8>>),
    /// The version has none: a rotation has made it and failed, or is about to fill it.
    Empty,
    /// The secret is deleted, or AWS has thrown the version away.
    Gone,
}

/// Returns the text as an object with members, if it is one.
pub(super) fn object(text: &str) -> Option<Json<'_>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let json = Json::parse(text.as_bytes()).ok()?;
    json.members().next().is_some().then_some(json)
}

/// Lends the members of an object (strings as their bytes, all else as its JSON text), or the whole.
fn lend_text(text: &str, sink: &mut dyn FnMut(Field<'_>)) {
    let Some(object) = object(text) else {
        return sink(Field {
            name: "",
            bytes: text.as_bytes(),
        });
    };
    for (name, value) in object.members() {
        let string = value.string();
        sink(Field {
            name: &name,
            bytes: string
                .as_deref()
                .map_or(value.text().as_bytes(), str::as_bytes),
        });
    }
}

/// Returns the principals that a resource policy lets read; `None` if it is no policy.
fn principals(policy: &str) -> Option<BTreeSet<String>> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let mut all = BTreeSet::new();
    for statement in several(policy.get("Statement")?) {
        let allows = statement.get("Effect").and_then(|effect| effect.as_str()) == Some("Allow");
        if !allows || !lets_read(statement) {
            continue;
        }
        if statement.get("NotPrincipal").is_some() {
            all.insert("everybody but a few (NotPrincipal)".to_owned());
        }
        match statement.get("Principal") {
            Some(serde_json::Value::Object(kinds)) => {
                let names = kinds.values().flat_map(several);
                all.extend(names.filter_map(|name| name.as_str()).map(str::to_owned));
            }
            Some(serde_json::Value::String(name)) => {
                all.insert(name.clone());
            }
            _ => {}
        }
    }
    Some(all)
}

fn lets_read(statement: &serde_json::Value) -> bool {
    let covers = |action: &serde_json::Value| {
        action.as_str().is_some_and(|action| {
            let action = action.to_ascii_lowercase();
            let target = "secretsmanager:getsecretvalue";
            match action.split_once('*') {
                // One star at the end is what people write; anything more is taken for a yes.
                Some((start, _)) => target.starts_with(start),
                None => action == target || action == "secretsmanager:batchgetsecretvalue",
            }
        })
    };
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), _) => several(actions).any(covers),
        (None, Some(others)) => !several(others).any(covers),
        (None, None) => false,
    }
}

/// Returns the members of a list, or the one thing that stands for it.
fn several(value: &serde_json::Value) -> Box<dyn Iterator<Item = &serde_json::Value> + '_> {
    match value {
        serde_json::Value::Array(all) => Box::new(all.iter()),
        one => Box::new(std::iter::once(one)),
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

    #[test]
    fn readers_are_who_a_policy_lets_read() {
        let policy = r#"{"Statement":[
          {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::1:role/a","arn:aws:iam::1:role/b"]},"Action":"secretsmanager:GetSecretValue"},
          {"Effect":"Allow","Principal":{"Service":"x.amazonaws.com"},"Action":["secretsmanager:Get*"]},
          {"Effect":"Allow","Principal":"*","Action":"secretsmanager:DescribeSecret"},
          {"Effect":"Deny","Principal":"*","Action":"secretsmanager:*"}]}"#;
        let found = principals(policy).expect("a policy");
        let expected = [
            "arn:aws:iam::1:role/a",
            "arn:aws:iam::1:role/b",
            "x.amazonaws.com",
        ];
        assert_eq!(found, expected.map(str::to_owned).into());
        let one = r#"{"Statement":{"Effect":"Allow","Principal":"*","NotAction":"iam:*"}}"#;
        assert_eq!(principals(one).expect("a policy"), ["*".to_owned()].into());
        assert!(principals("x").is_none());
    }

    #[test]
    fn objects_are_lent_by_member_and_all_else_whole() {
        let seen = |text: &str| {
            let mut seen = Vec::new();
            lend_text(text, &mut |field| {
                seen.push(format!(
                    "{}={}",
                    field.name,
                    String::from_utf8_lossy(field.bytes)
                ));
            });
            seen
        };
        assert_eq!(seen(r#"{"a":"x\n","b":[1]}"#), ["a=x\n", "b=[1]"]);
        assert_eq!(seen("plain"), ["=plain"]);
        assert_eq!(seen("[1]"), ["=[1]"]);
        assert_eq!(seen("{}"), ["={}"]);
        assert_eq!(seen("{broken"), ["={broken"]);
    }
}

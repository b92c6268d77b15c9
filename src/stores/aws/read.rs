//! What is asked of Secrets Manager: keys, versions by their stages, values, readers.
//!
//! Promises: each version is there once, under the state that its labels give it; a version that AWS has collected is never mistaken for
//! one that was never there; values are wiped as soon as they were lent.

use aws_sdk_secretsmanager::{
    Client,
    operation::{
        get_secret_value::GetSecretValueOutput, list_secret_version_ids::ListSecretVersionIdsError,
    },
    types::{Filter, FilterNameStringType, SecretListEntry},
};
use zeroize::Zeroizing;

use super::{
    super::{
        Cursor, Field, KeyEntry, KeyInfo, KeyPath, Page, ReadOutcome, StoreError, VersionId,
        VersionState, http::Effect, json::Json,
    },
    SecretsManager,
    session::code,
    versions::{About, Listed, seconds},
};

/// Most secrets of one page ("ListSecrets": MaxResults).
const PAGE: i32 = 100;
/// Most versions of one page ("ListSecretVersionIds": MaxResults).
const VERSIONS: i32 = 100;
/// Most values of a filter ("Filter": Values).
const MOST_FILTERS: usize = 10;
/// Secrets whose versions are asked for at once.
const ABREAST: usize = 8;

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

#[cfg(test)]
mod tests {
    use super::*;

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

//! Writes to Secrets Manager.
//!
//! Promises: nobody's change is lost: a write begins only if the base is current and nobody else's version is pending, and promotion
//! names the version that it replaces; a write is named by its token, and what a version of this name holds is looked at first (AWS
//! refuses another value under the same token, emulators overwrite it); AWSPENDING never stays behind.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::{
    operation::put_secret_value::builders::PutSecretValueFluentBuilder, primitives::Blob,
    types::Tag,
};
use zeroize::Zeroizing;

use super::{
    super::{
        Change, Fault, KeyInfo, KeyPath, StoreError, VersionId, VersionState, buffer::Buffer,
        http::Effect, json::Json,
    },
    SecretsManager,
    read::{Value, object},
    session::code,
    versions::{CURRENT, PENDING},
};
use crate::model::Secret;

/// Lengths of a token ("PutSecretValue": ClientRequestToken).
const TOKEN: std::ops::RangeInclusive<usize> = 32..=64;
/// Most letters of a tag's name and of its value ("Tag").
pub(super) const MOST_TAG: (usize, usize) = (128, 256);

impl SecretsManager {
    fn conflict(&self, what: &str, why: &str) -> StoreError {
        self.session.error(
            Fault::Conflict,
            format!("{what}: {why}"),
            "look at the key's versions (`keysweep store list`), then plan anew",
        )
    }

    pub(super) fn put_pending(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        let what = format!("write {}", change.key);
        if !TOKEN.contains(&change.token.len()) {
            return Err(self.session.error(
                Fault::Setup,
                format!("{what}: the request's name has not 32 to 64 letters"),
                "this is a fault of keysweep: report it",
            ));
        }
        let staged = VersionId::new(change.token);
        let info = self.look(change.key)?;
        self.may_write(change, &info, &what)?;
        let base = self.value(change.key, change.base)?;
        let new = self.compose(&base, change.fields, &what)?;
        let own = info.versions.iter().find(|version| version.id == staged);
        if let Some(own) = own {
            match self.value(change.key, &staged)? {
                Value::Empty => {}
                there if is_same(&there, &new) => {
                    if matches!(own.state, VersionState::Pending | VersionState::Current) {
                        return Ok(staged);
                    }
                }
                _ => {
                    return Err(self.conflict(
                        &what,
                        "a version of this request's name has other values already",
                    ));
                }
            }
        }
        self.put(change, new, &what)?;
        Ok(staged)
    }

    /// Refuses if somebody else has written, or is about to.
    fn may_write(&self, change: &Change<'_>, info: &KeyInfo, what: &str) -> Result<(), StoreError> {
        let current = info.current().map(|version| version.id.as_str());
        if current != Some(change.base.as_str()) && current != Some(change.token) {
            return Err(self.conflict(what, "another version is current, or the secret is deleted"));
        }
        let mut pending = info.versions.iter();
        let other = pending.find(|version| {
            version.state == VersionState::Pending && version.id.as_str() != change.token
        });
        match other {
            Some(version) => Err(self.conflict(
                what,
                &format!(
                    "version {} is pending: another rotation is under way or stuck",
                    version.id
                ),
            )),
            None => Ok(()),
        }
    }

    /// Puts new values of fields into what the base holds.
    fn compose(
        &self,
        base: &Value,
        new: &BTreeMap<String, Secret>,
        what: &str,
    ) -> Result<Value, StoreError> {
        let setup = |why: &str, help: &str| {
            self.session
                .error(Fault::Setup, format!("{what}: {why}"), help)
        };
        if let Some(whole) = new.get("") {
            if new.len() > 1 {
                return Err(setup(
                    "a whole value and a field of it cannot be written at once",
                    "name fields only, or none",
                ));
            }
            // Written into the store that the value is for.
            let bytes = whole.expose();
            return Ok(match (base, std::str::from_utf8(bytes)) {
                (Value::Binary(_), _) | (_, Err(_)) => {
                    Value::Binary(Zeroizing::new(bytes.to_vec()))
                }
                (_, Ok(text)) => Value::Text(Zeroizing::new(text.to_owned())),
            });
        }
        let old = match base {
            Value::Text(text) => object(text),
            _ => None,
        };
        let old = old.ok_or_else(|| {
            setup(
                "the current value is no JSON object, so it has no fields",
                "leave `field` out of the key's [[targets]]: the secret is one whole value",
            )
        })?;
        let mut values = BTreeMap::new();
        for (name, value) in new {
            // As above.
            let text = std::str::from_utf8(value.expose()).map_err(|_| {
                setup(
                    "the new value of a field is not text, and JSON keeps text",
                    "encode it, for example as base64",
                )
            })?;
            values.insert(name.as_str(), text);
        }
        Ok(Value::Text(self.merged(old, &values, what)?))
    }

    fn merged(
        &self,
        old: Json<'_>,
        values: &BTreeMap<&str, &str>,
        what: &str,
    ) -> Result<Zeroizing<String>, StoreError> {
        let mut body = Buffer::with_capacity(old.text().len() + 256);
        let mut separator: &[u8] = b"{";
        let mut begin = |body: &mut Buffer, name: &str| {
            body.push(separator);
            body.push_json_string(name);
            body.push(b":");
            separator = b",";
        };
        for (name, value) in old.members() {
            begin(&mut body, &name);
            match values.get(&*name) {
                Some(new) => body.push_json_string(new),
                None => body.push(value.text().as_bytes()),
            }
        }
        for (name, value) in values {
            if old.member(name).is_none() {
                begin(&mut body, name);
                body.push_json_string(value);
            }
        }
        body.push(b"}");
        let text = std::str::from_utf8(body.bytes());
        let text = text.map_err(|_| self.session.garbled(what))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn put(&self, change: &Change<'_>, new: Value, what: &str) -> Result<(), StoreError> {
        // Repeated by the SDK if no answer comes: the token makes it the same write.
        let call = self
            .client
            .put_secret_value()
            .secret_id(change.key.as_str())
            .client_request_token(change.token)
            .version_stages(PENDING);
        let answer = self.session.run(with(call, new).send());
        let answer = answer.map_err(|error| self.session.fault(&error, what, Effect::Write))?;
        let is_pending = answer.version_stages().iter().any(|stage| stage == PENDING);
        if answer.version_id() == Some(change.token) && is_pending {
            return Ok(());
        }
        Err(self.session.error(
            Fault::Unknown,
            format!("{what}: the store has made another version than it was asked to"),
            "look at the secret's versions; is `endpoint` AWS's own?",
        ))
    }

    pub(super) fn move_current(
        &self,
        key: &KeyPath,
        from: &VersionId,
        to: &VersionId,
    ) -> Result<(), StoreError> {
        let what = format!("make version {to} of {key} current");
        let info = self.look(key)?;
        let current = info.current().map(|version| &version.id);
        if current != Some(to) {
            if current != Some(from) {
                return Err(self.conflict(&what, "another version is current"));
            }
            if !info.versions.iter().any(|version| version.id == *to) {
                return Err(self.session.error(
                    Fault::NotFound,
                    format!("{what}: the secret has no such version (any more)"),
                    "plan anew",
                ));
            }
            self.swap(key, from, to, &what)?;
        }
        // Left behind it looks like a rotation under way, and the next one fails.
        self.clear_pending(key, to)
    }

    /// Moves AWSCURRENT; AWS compares and swaps.
    fn swap(
        &self,
        key: &KeyPath,
        from: &VersionId,
        to: &VersionId,
        what: &str,
    ) -> Result<(), StoreError> {
        let call = self
            .client
            .update_secret_version_stage()
            .secret_id(key.as_str())
            .version_stage(CURRENT)
            .remove_from_version_id(from.as_str())
            .move_to_version_id(to.as_str());
        let Err(error) = self.session.run(call.send()) else {
            return Ok(());
        };
        if matches!(
            code(&error),
            Some("InvalidParameterException" | "InvalidRequestException")
        ) {
            // A try whose answer was lost may have done it.
            let now = self.look(key)?;
            if now.current().map(|version| &version.id) == Some(to) {
                return Ok(());
            }
            return Err(self.conflict(what, "another version has become current meanwhile"));
        }
        Err(self.session.fault(&error, what, Effect::Write))
    }

    /// Takes AWSPENDING from a version, if it is there.
    fn clear_pending(&self, key: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        let what = format!("take the label {PENDING} from version {version} of {key}");
        let call = self
            .client
            .update_secret_version_stage()
            .secret_id(key.as_str())
            .version_stage(PENDING)
            .remove_from_version_id(version.as_str());
        match self.session.run(call.send()) {
            Ok(_) => Ok(()),
            // It is not there.
            Err(error)
                if matches!(
                    code(&error),
                    Some("InvalidParameterException" | "ResourceNotFoundException")
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(self.session.fault(&error, &what, Effect::Write)),
        }
    }

    pub(super) fn drop_pending(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        let what = format!("take version {staged} of {key} back");
        let info = self.look(key)?;
        let current = info.current().map(|version| &version.id);
        if current == Some(staged) {
            return Err(self.conflict(&what, "it is current already: promote the old one first"));
        }
        let is_pending = info
            .versions
            .iter()
            .any(|version| version.id == *staged && version.state == VersionState::Pending);
        if is_pending {
            self.clear_pending(key, staged)?;
        }
        if current == Some(base) {
            return Ok(());
        }
        Err(self.conflict(&what, "somebody else has written a version meanwhile"))
    }

    pub(super) fn tag(&self, key: &KeyPath, notes: &[(&str, &str)]) -> Result<(), StoreError> {
        let what = format!("leave a note at {key}");
        let (most_name, most_value) = MOST_TAG;
        let tags = notes.iter().map(|(name, value)| {
            Tag::builder()
                .key(allowed(name, most_name))
                .value(allowed(value, most_value))
                .build()
        });
        let call = self
            .client
            .tag_resource()
            .secret_id(key.as_str())
            .set_tags(Some(tags.collect()));
        let answer = self.session.run(call.send());
        answer
            .map(drop)
            .map_err(|error| self.session.fault(&error, &what, Effect::Write))
    }
}

fn with(call: PutSecretValueFluentBuilder, value: Value) -> PutSecretValueFluentBuilder {
    match value {
        Value::Text(mut text) => call.secret_string(std::mem::take(&mut *text)),
        Value::Binary(mut bytes) => call.secret_binary(Blob::new(std::mem::take(&mut *bytes))),
        Value::Empty | Value::Gone => call,
    }
}

/// Compares values; objects by their members, for their text depends on who wrote it.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => {
            **one == **other
                || match (object(one), object(other)) {
                    (Some(one), Some(other)) => one.is_same(other),
                    _ => false,
                }
        }
        (Value::Binary(one), Value::Binary(other)) => **one == **other,
        _ => false,
    }
}

/// Makes a text one that a tag may hold: letters, digits, spaces and `_.:/=+-@`.
pub(super) fn allowed(text: &str, most: usize) -> String {
    let fits = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    let letters = text.chars().map(|c| if fits(c) { c } else { '_' });
    letters.take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_hold_what_tags_may() {
        assert_eq!(allowed("a, b\u{7}é", 9), "a_ b_é");
        assert_eq!(allowed("abcdef", 3), "abc");
    }

    #[test]
    fn values_are_the_same_whoever_wrote_their_text() {
        let text = |text: &str| Value::Text(Zeroizing::new(text.to_owned()));
        assert!(is_same(&text(r#"{"a": "b"}"#), &text(r#"{"a":"b"}"#)));
        assert!(!is_same(&text(r#"{"a": "b"}"#), &text(r#"{"a":"c"}"#)));
        assert!(is_same(&text("x"), &text("x")));
        let binary = Value::Binary(Zeroizing::new(b"x".to_vec()));
        assert!(!is_same(&text("x"), &binary));
        assert!(!is_same(&Value::Empty, &Value::Empty));
    }
}

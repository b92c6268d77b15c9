//! The values of a secret: read, and changed on top of a version.
//!
//! Promises: base64 is decoded once, into memory that is wiped; a version's values are lent only while it is current, for the server knows no
//! others; every write names the version that it replaces, so that nobody's change is lost; a write that was done before, by a run that got no
//! answer, is recognised by its values and not done again.
//!
//! Source: "Kubernetes API reference: Secret" and "API Conventions: Concurrency Control and Consistency".

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    super::{
        Change, Fault, Field, KeyPath, ReadOutcome, StoreError, VersionId, buffer::Buffer,
        json::Json,
    },
    list::segment,
    wire::{Answer, Call, Wire},
};
use crate::model::{Secret, quotable};

/// The annotation that names the last write of ours: by it a write whose answer was lost is recognised.
const WRITE: &str = "keysweep/write";
/// Who the server says has changed the values (`managedFields`).
const MANAGER: &str = "keysweep";

/// Returns the path of a key's secret in the API.
pub(super) fn path(wire: &Wire, key: &KeyPath) -> Result<String, StoreError> {
    match key.as_str().split_once('/') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(format!(
            "/api/v1/namespaces/{}/secrets/{}",
            segment(namespace),
            segment(name)
        )),
        _ => Err(wire.error(
            Fault::NotFound,
            format!("{}: this is no path of a secret", quotable(key.as_str())),
            "write it as NAMESPACE/NAME",
        )),
    }
}

/// Tells whether a text is the name of an object: nothing that would be another path.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// Fetches a secret with its values, or its metadata.
pub(super) fn fetch(
    wire: &Wire,
    key: &KeyPath,
    metadata: bool,
    what: &str,
) -> Result<Answer, StoreError> {
    let path = path(wire, key)?;
    let call = if metadata {
        Call::metadata(&path, what)
    } else {
        Call::get(&path, what)
    };
    let answer = wire.call(&call)?;
    match answer.status {
        200 => Ok(answer),
        404 => Err(missing(wire, what)),
        _ => Err(wire.garbled(what)),
    }
}

fn missing(wire: &Wire, what: &str) -> StoreError {
    wire.error(
        Fault::NotFound,
        format!("{what}: there is no such secret"),
        "`kubectl get secrets --all-namespaces` lists them; a key is NAMESPACE/NAME",
    )
}

/// Returns the version of an object.
fn version(wire: &Wire, json: Json<'_>, what: &str) -> Result<VersionId, StoreError> {
    let version = json
        .at(&["metadata", "resourceVersion"])
        .and_then(Json::name);
    version
        .map(VersionId::new)
        .ok_or_else(|| wire.garbled(what))
}

/// Lends the values of a secret.
pub(super) fn read(
    wire: &Wire,
    key: &KeyPath,
    wanted: &VersionId,
    sink: &mut dyn FnMut(Field<'_>),
) -> Result<ReadOutcome, StoreError> {
    let what = format!("read {key}");
    let answer = fetch(wire, key, false, &what)?;
    let json = wire.json(&answer, &what)?;
    let current = version(wire, json, &what)?;
    if current != *wanted {
        return Err(wire.error(
            Fault::NotFound,
            format!("{what}: its version is {current} now, and the server keeps no others"),
            "run it again: the secret has changed since it was listed",
        ));
    }
    each(wire, json, &what, |name, bytes| sink(Field { name, bytes }))?;
    Ok(ReadOutcome::Read)
}

/// Decodes each value.
fn each(
    wire: &Wire,
    json: Json<'_>,
    what: &str,
    mut lend: impl FnMut(&str, &[u8]),
) -> Result<(), StoreError> {
    for (name, value) in json.member("data").into_iter().flat_map(Json::members) {
        if value.is_null() {
            lend(&name, b"");
            continue;
        }
        let text = value.string().ok_or_else(|| wire.garbled(what))?;
        let mut bytes = Zeroizing::new(vec![0; text.len() / 4 * 3 + 3]);
        let length = STANDARD
            .decode_slice(text.as_bytes(), &mut bytes)
            .map_err(|_| wire.garbled(what))?;
        lend(&name, bytes.get(..length).unwrap_or_default());
    }
    Ok(())
}

/// Tells whether a secret is what this change made of it.
fn is_ours(
    wire: &Wire,
    json: Json<'_>,
    change: &Change<'_>,
    what: &str,
) -> Result<bool, StoreError> {
    let last = json.at(&["metadata", "annotations", WRITE]);
    if last.and_then(Json::name).as_deref() != Some(change.token) {
        return Ok(false);
    }
    let new = change.fields;
    let mut same = 0;
    each(wire, json, what, |name, bytes| {
        // Compared with what the same server sent.
        same += usize::from(new.get(name).is_some_and(|value| value.expose() == bytes));
    })?;
    Ok(same == new.len())
}

fn conflict(wire: &Wire, what: &str) -> StoreError {
    wire.error(
        Fault::Conflict,
        format!("{what}: somebody else has changed it meanwhile; nothing was written"),
        "look at who did (kubectl get secret NAME -o yaml --show-managed-fields), then plan anew",
    )
}

/// Writes new values, or with `rehearse` has the server say whether it would.
pub(super) fn stage(
    wire: &Wire,
    change: &Change<'_>,
    rehearse: bool,
) -> Result<VersionId, StoreError> {
    let what = format!("write {}", change.key);
    let path = path(wire, change.key)?;
    check_names(wire, change.fields, &what)?;
    let answer = fetch(wire, change.key, false, &what)?;
    let json = wire.json(&answer, &what)?;
    let current = version(wire, json, &what)?;
    if current != *change.base {
        return if !rehearse && is_ours(wire, json, change, &what)? {
            // The write of an earlier run that got no answer.
            Ok(current)
        } else {
            Err(conflict(wire, &what))
        };
    }
    if json.member("immutable").and_then(Json::boolean) == Some(true) {
        return Err(immutable(wire, &what));
    }
    let body = patch(change);
    let dry = if rehearse { "&dryRun=All" } else { "" };
    let path = format!("{path}?fieldManager={MANAGER}{dry}");
    let answer = wire.call(&Call {
        method: "PATCH",
        path: &path,
        metadata: false,
        body: Some(body.bytes()),
        what: &what,
    })?;
    match answer.status {
        200 => {}
        // A webhook that changes something elsewhere takes no dry runs: then nothing can be said beforehand.
        400 if rehearse && says(&answer, &["message"], "dry run") => return Ok(current),
        404 => return Err(missing(wire, &what)),
        409 => return Err(conflict(wire, &what)),
        422 if is_immutable(&answer) => return Err(immutable(wire, &what)),
        422 => {
            return Err(wire.error(
                Fault::Rejected,
                format!("{what}: the server does not accept the new values"),
                "a secret has 1 MiB at most, and its type may ask for a form (kubernetes.io/tls, dockerconfigjson)",
            ));
        }
        _ => return Err(wire.garbled(&what)),
    }
    version(wire, wire.json(&answer, &what)?, &what)
}

fn check_names(
    wire: &Wire,
    fields: &BTreeMap<String, Secret>,
    what: &str,
) -> Result<(), StoreError> {
    let is_key = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if fields.keys().all(|name| is_key(name)) {
        return Ok(());
    }
    Err(wire.error(
        Fault::Setup,
        format!("{what}: a secret has named fields of letters, digits, `-`, `_` and `.`"),
        "name the field: `field` in the key's [[targets]], or FIELD in the command",
    ))
}

fn immutable(wire: &Wire, what: &str) -> StoreError {
    wire.error(
        Fault::Unsupported,
        format!("{what}: the secret is immutable"),
        "immutable secrets are replaced, not changed: make one with another name and let the workloads use that",
    )
}

fn is_immutable(answer: &Answer) -> bool {
    Json::parse(&answer.body).is_ok_and(|json| {
        json.at(&["details", "causes"])
            .into_iter()
            .flat_map(Json::items)
            .any(|cause| has_words(cause.member("message"), "immutable"))
    })
}

/// Tells whether a text of an answer has these words; they are compared, never shown.
fn says(answer: &Answer, place: &[&str], words: &str) -> bool {
    Json::parse(&answer.body).is_ok_and(|json| has_words(json.at(place), words))
}

fn has_words(text: Option<Json<'_>>, words: &str) -> bool {
    let text = text.and_then(Json::string);
    text.is_some_and(|text| text.contains(words))
}

/// Returns the merge patch: the version that it is for, and the values.
fn patch(change: &Change<'_>) -> Buffer {
    let mut body = Buffer::default();
    body.push(b"{\"metadata\":{\"resourceVersion\":");
    body.push_json_string(change.base.as_str());
    body.push(b",\"annotations\":{");
    body.push_json_string(WRITE);
    body.push(b":");
    body.push_json_string(change.token);
    body.push(b"}},\"data\":");
    let mut separator: &[u8] = b"{";
    for (name, value) in change.fields {
        body.push(separator);
        body.push_json_string(name);
        body.push(b":\"");
        // Written into the store that the value is for.
        let text = Zeroizing::new(STANDARD.encode(value.expose()));
        body.push(text.as_bytes());
        body.push(b"\"");
        separator = b",";
    }
    if change.fields.is_empty() {
        body.push(separator);
    }
    body.push(b"}}");
    body
}

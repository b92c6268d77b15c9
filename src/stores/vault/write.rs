//! Writes to KV version 2.
//!
//! Promises: every write of values names the version that it replaces (check-and-set), so that nobody's change is lost; fields that are not
//! changed are sent back as they came; a write that was done before, by a run that got no answer, is recognised by its values and not done
//! again. Version 1 has no check-and-set and is refused.

use std::collections::BTreeMap;

use super::{
    super::{
        Fault, StoreError, VersionId, VersionState,
        buffer::Buffer,
        http::Effect,
        json::{Json, Text},
    },
    client::Client,
    health::capabilities,
    keys::{KvKey, describe, fetch, fields, missing},
    list::CURRENT,
    wire::{Call, says},
};
use crate::model::Secret;

/// Most bytes of a note's value, and of its name ("Create/Update metadata": `custom_metadata`).
const MOST_NOTE: (usize, usize) = (512, 128);

/// Refuses version 1.
fn versioned(client: &Client, place: &KvKey<'_>, what: &str) -> Result<(), StoreError> {
    if place.mount.versioned {
        return Ok(());
    }
    let mount = &place.mount.path;
    Err(client.wire.error(
        Fault::Unsupported,
        format!(
            "{what}: {mount} is KV version 1, which keeps no versions and cannot refuse a write that would undo somebody else's"
        ),
        format!("upgrade the mount to version 2: bao kv enable-versioning {mount}"),
    ))
}

/// Returns a version's number.
fn number(
    client: &Client,
    place: &KvKey<'_>,
    version: &VersionId,
    what: &str,
) -> Result<u64, StoreError> {
    versioned(client, place, what)?;
    version
        .as_str()
        .parse()
        .ok()
        .filter(|number| *number > 0 && version.as_str() != CURRENT)
        .ok_or_else(|| missing(client, what))
}

fn conflict(client: &Client, what: &str, why: &str) -> StoreError {
    client.wire.error(
        Fault::Conflict,
        format!("{what}: {why}"),
        "look at the key's newest version, then plan anew",
    )
}

/// Refuses a token without the right to write a key, as far as the server tells a token its rights.
pub(super) fn may_stage(client: &Client, place: &KvKey<'_>) -> Result<(), StoreError> {
    let what = format!("write {}", place.key);
    versioned(client, place, &what)?;
    let path = format!("{}data/{}", place.mount.path, place.inside);
    // A token that may not ask finds out when it writes.
    let Some(own) = capabilities(client, &path)? else {
        return Ok(());
    };
    if own
        .iter()
        .any(|right| matches!(right.as_str(), "update" | "root" | "sudo"))
    {
        return Ok(());
    }
    Err(client.wire.error(
        Fault::Denied,
        format!("{what}: the token has no right to update {path}"),
        "grant it: keysweep store policy --rotate prints the policy",
    ))
}

/// Writes new values of fields on top of a version.
pub(super) fn stage(
    client: &Client,
    place: &KvKey<'_>,
    base: &VersionId,
    new: &BTreeMap<String, Secret>,
) -> Result<VersionId, StoreError> {
    let what = format!("write {}", place.key);
    versioned(client, place, &what)?;
    let is_new = base.as_str().is_empty();
    let cas = if is_new {
        not_there(client, place, &what)?
    } else {
        number(client, place, base, &what)?
    };
    let mut values = BTreeMap::new();
    for (name, value) in new {
        if name.is_empty() {
            return Err(client.wire.error(
                Fault::Setup,
                format!("{what}: a key of Vault has fields, and none is named"),
                "name the field: `field` in the key's [[targets]], or FIELD in the command",
            ));
        }
        // Written into the store that the value is for.
        let text = std::str::from_utf8(value.expose()).map_err(|_| {
            client.wire.error(
                Fault::Setup,
                format!("{what}: the new value of `{name}` is not text, and Vault keeps text"),
                "encode it, for example as base64",
            )
        })?;
        values.insert(name.as_str(), text);
    }
    let mut data = Buffer::with_capacity(4096);
    let mut separator: &[u8] = b"{";
    if !is_new {
        let Some(answer) = fetch(client, place, base)? else {
            let why = format!("version {base} is deleted");
            return Err(conflict(client, &what, &why));
        };
        let old = fields(client, place, &answer)?;
        let kept = old
            .members()
            .filter(|(name, _)| !values.contains_key(&**name));
        for (name, value) in kept {
            member(&mut data, &mut separator, &name);
            data.push(value.text().as_bytes());
        }
    }
    for (name, value) in &values {
        member(&mut data, &mut separator, name);
        data.push_json_string(value);
    }
    data.push(b"}");
    replace(client, place, cas, &data, &what)
}

/// Returns the `cas` of a key that has no version yet (0), and refuses one that has.
fn not_there(client: &Client, place: &KvKey<'_>, what: &str) -> Result<u64, StoreError> {
    let info = match describe(client, place) {
        Ok(info) => info,
        Err(error) if error.fault == Fault::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let Some(newest) = info.versions.first() else {
        return Ok(0);
    };
    let key = place.key;
    Err(match newest.state {
        VersionState::SoftDeleted | VersionState::Disabled | VersionState::Destroyed => client.wire.error(
            Fault::Conflict,
            format!("{what}: the key is there, and its newest version, {}, is deleted", newest.id),
            format!(
                "bring it back (bao kv undelete -versions={} {key}), or remove the key with all its versions (bao kv metadata delete {key})",
                newest.id
            ),
        ),
        VersionState::Current | VersionState::Pending | VersionState::Previous => {
            conflict(client, what, "somebody else has made it meanwhile")
        }
    })
}

fn member(data: &mut Buffer, separator: &mut &[u8], name: &str) {
    data.push(separator);
    data.push_json_string(name);
    data.push(b":");
    *separator = b",";
}

/// Makes the values of an earlier version current again, on top of the version that was staged.
pub(super) fn unstage(
    client: &Client,
    place: &KvKey<'_>,
    base: &VersionId,
    staged: &VersionId,
) -> Result<(), StoreError> {
    let what = format!("take the write to {} back", place.key);
    number(client, place, base, &what)?;
    let cas = number(client, place, staged, &what)?;
    let Some(answer) = fetch(client, place, base)? else {
        let why = format!("version {base}, whose values would come back, is deleted");
        return Err(conflict(client, &what, &why));
    };
    let old = fields(client, place, &answer)?;
    let mut data = Buffer::with_capacity(old.text().len());
    data.push(old.text().as_bytes());
    replace(client, place, cas, &data, &what).map(drop)
}

/// Writes a version if `cas` is the current one.
fn replace(
    client: &Client,
    place: &KvKey<'_>,
    cas: u64,
    data: &Buffer,
    what: &str,
) -> Result<VersionId, StoreError> {
    let mut body = Buffer::with_capacity(data.bytes().len() + 64);
    body.push(format!("{{\"options\":{{\"cas\":{cas}}},\"data\":").as_bytes());
    body.push(data.bytes());
    body.push(b"}");
    let path = place.path("data");
    let call = Call::post(&path, body.bytes(), what);
    let answer = client.call(&call)?;
    if answer.status == 400 && says(&answer, "check-and-set") {
        let next = VersionId::new(cas.saturating_add(1).to_string());
        return if is_ours(client, place, &next, data)? {
            Ok(next)
        } else {
            Err(conflict(
                client,
                what,
                "somebody else has written it meanwhile",
            ))
        };
    }
    let json = client.wire.json(&answer, what)?;
    let version = json.at(&["data", "version"]).and_then(Json::integer);
    match version {
        Some(version) if answer.is_fine() => Ok(VersionId::new(version.to_string())),
        _ => Err(client.wire.garbled(what)),
    }
}

/// Tells whether a version is current and has exactly these values: then it is the write that got no answer.
fn is_ours(
    client: &Client,
    place: &KvKey<'_>,
    version: &VersionId,
    data: &Buffer,
) -> Result<bool, StoreError> {
    let info = describe(client, place)?;
    if info.current().map(|current| &current.id) != Some(version) {
        return Ok(false);
    }
    let Some(answer) = fetch(client, place, version)? else {
        return Ok(false);
    };
    let there = fields(client, place, &answer)?;
    Ok(Json::parse(data.bytes()).is_ok_and(|ours| ours.is_same(there)))
}

/// Deletes a version so that it can come back, brings it back, or destroys it.
pub(super) fn mark(
    client: &Client,
    place: &KvKey<'_>,
    endpoint: &str,
    version: &VersionId,
) -> Result<(), StoreError> {
    let what = format!("{endpoint} version {version} of {}", place.key);
    let number = number(client, place, version, &what)?;
    let info = describe(client, place)?;
    if !info.versions.iter().any(|known| known.id == *version) {
        return Err(client.wire.error(
            Fault::NotFound,
            format!("{what}: the key has no such version (any more)"),
            "`keysweep store list` shows the versions there are",
        ));
    }
    // The newest version counts as current though it is deleted: what is not current stays so, for numbers only grow.
    let newest = info
        .versions
        .first()
        .is_some_and(|first| first.id == *version);
    if endpoint == "destroy" && newest {
        return Err(conflict(client, &what, "it is the current version"));
    }
    let body = format!("{{\"versions\":[{number}]}}");
    let path = place.path(endpoint);
    // Marking a version twice is the same as once: a lost answer is no reason to wonder.
    let call = Call {
        method: "POST",
        path: &path,
        body: Some(body.as_bytes()),
        effect: Effect::Read,
        what: &what,
    };
    client.done(&call).map(drop)
}

/// Merges notes into a key's custom metadata.
pub(super) fn annotate(
    client: &Client,
    place: &KvKey<'_>,
    notes: &[(&str, &str)],
) -> Result<(), StoreError> {
    let what = format!("leave a note at {}", place.key);
    versioned(client, place, &what)?;
    let (most_value, most_name) = MOST_NOTE;
    if notes
        .iter()
        .any(|(name, value)| name.len() > most_name || value.len() > most_value)
    {
        return Err(client.wire.error(
            Fault::Setup,
            format!("{what}: a note may have {most_value} bytes, its name {most_name}"),
            "write a shorter reason",
        ));
    }
    let path = place.path("metadata");
    let mut merged: Vec<(Text<'_>, &str)> = Vec::new();
    merged.extend(
        notes
            .iter()
            .map(|(name, value)| (Text::Plain(name), *value)),
    );
    let body = custom_metadata(&merged, &[]);
    let call = Call {
        method: "PATCH",
        path: &path,
        body: Some(body.bytes()),
        // Doing it again gives the same notes.
        effect: Effect::Read,
        what: &what,
    };
    let may_patch = capabilities(client, &path)?
        .is_none_or(|own| own.iter().any(|own| own == "patch" || own == "root"));
    if may_patch {
        let answer = client.call(&call)?;
        if answer.status != 405 {
            return fine(client, answer.status, &what);
        }
    }
    // Vault before 1.10 has no PATCH, and a policy may allow `update` alone: all notes are written with the new ones among them.
    let answer = client.get(&path, &what)?;
    let json = client.wire.json(&answer, &what)?;
    let old: Vec<_> = json
        .at(&["data", "custom_metadata"])
        .into_iter()
        .flat_map(Json::members)
        .filter(|(name, _)| !notes.iter().any(|(new, _)| *new == &**name))
        .collect();
    let body = custom_metadata(&merged, &old);
    let call = Call::ask(&path, body.bytes(), &what);
    let answer = client.call(&call)?;
    fine(client, answer.status, &what)
}

fn fine(client: &Client, status: u16, what: &str) -> Result<(), StoreError> {
    match status {
        200..=299 => Ok(()),
        404 => Err(missing(client, what)),
        _ => Err(client.wire.error(
            Fault::Setup,
            format!("{what}: the server does not take it"),
            "a key may have 64 notes of 512 bytes; remove some: bao kv metadata patch -remove-custom-metadata=NAME",
        )),
    }
}

fn custom_metadata(new: &[(Text<'_>, &str)], old: &[(Text<'_>, Json<'_>)]) -> Buffer {
    let mut body = Buffer::default();
    body.push(b"{\"custom_metadata\":");
    let mut separator: &[u8] = b"{";
    for (name, value) in old {
        member(&mut body, &mut separator, name);
        body.push(value.text().as_bytes());
    }
    for (name, value) in new {
        member(&mut body, &mut separator, name);
        body.push_json_string(value);
    }
    if new.is_empty() && old.is_empty() {
        body.push(b"{");
    }
    body.push(b"}}");
    body
}

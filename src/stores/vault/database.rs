//! The database engine: static roles (one user whose password the server rotates) and the root credential of connections.
//!
//! Promises: a rotation that failed at the server is [`Fault::Unknown`] and never repeated here: OpenBao tries again in the background, and
//! the password may have changed before the record was written; [`poll`] tells by `last_vault_rotation`.

use super::{
    super::{
        Fault, Field, KeyEntry, KeyInfo, KeyPath, NativeProgress, NativeRotation, Page,
        ReadOutcome, StoreError, VersionId, VersionInfo, VersionState,
        http::{Answer, encode},
        json::Json,
    },
    client::Client,
    keys::{lend, missing, seconds},
    wire::Call,
};

/// The version of a role whose password the server has not made.
const UNROTATED: &str = "unrotated";
/// How marks of a root rotation that the server confirmed begin.
const CONFIRMED: &str = "confirmed";

/// Lists static roles and connections.
pub(super) fn list(client: &Client, mount: &str, prefixes: &[String]) -> Result<Page, StoreError> {
    let mut page = Page::default();
    for (endpoint, folder) in [("static-roles", "static-creds"), ("config", "config")] {
        let path = format!("{mount}/{folder}/");
        let wanted = |path: &str| {
            prefixes.is_empty()
                || prefixes
                    .iter()
                    .any(|prefix| path.starts_with(prefix.as_str()))
        };
        let may_hold = wanted(&path) || prefixes.iter().any(|prefix| prefix.starts_with(&path));
        if !may_hold {
            continue;
        }
        let what = format!("list {path}");
        let answer = match client.get(&format!("{}/{endpoint}?list=true", encode(mount)), &what) {
            Ok(answer) => answer,
            Err(error) if error.fault.stops() => return Err(error),
            // Connections hold nothing that can be read: a verify without this right misses nothing.
            Err(_) if endpoint == "config" => continue,
            Err(error) => {
                page.problems.push((KeyPath::new(path), error));
                continue;
            }
        };
        if answer.status == 404 {
            continue;
        }
        let json = client.wire.json(&answer, &what)?;
        let names = json.at(&["data", "keys"]).into_iter().flat_map(Json::items);
        for name in names.filter_map(Json::name) {
            let path = format!("{path}{name}");
            if wanted(&path) {
                page.keys.push(KeyEntry {
                    key: KeyPath::new(path),
                    info: (endpoint == "config").then(hidden),
                });
            }
        }
    }
    Ok(page)
}

/// Returns what is known of a root credential: it can be rotated and is never told.
fn hidden() -> KeyInfo {
    KeyInfo {
        hidden: true,
        native_rotation: true,
        ..KeyInfo::default()
    }
}

fn get(client: &Client, mount: Option<&str>, path: &str, what: &str) -> Result<Answer, StoreError> {
    let mount = encode(mount.unwrap_or_default());
    let answer = client.get(&format!("{mount}/{path}"), what)?;
    match answer.status {
        200 => Ok(answer),
        // An unknown role is a 400 of the engine.
        400 | 404 => Err(missing(client, what)),
        _ => Err(client.wire.garbled(what)),
    }
}

/// Returns the version that a role's or credential's `last_vault_rotation` names.
fn version(data: Json<'_>) -> VersionId {
    let last = data.member("last_vault_rotation").and_then(Json::name);
    VersionId::new(last.unwrap_or_else(|| UNROTATED.to_owned()))
}

/// Describes a static role.
pub(super) fn describe(
    client: &Client,
    mount: Option<&str>,
    role: &str,
) -> Result<KeyInfo, StoreError> {
    let what = format!("look at the static role {role}");
    let answer = get(
        client,
        mount,
        &format!("static-roles/{}", encode(role)),
        &what,
    )?;
    let json = client.wire.json(&answer, &what)?;
    let data = json
        .member("data")
        .ok_or_else(|| client.wire.garbled(&what))?;
    let changed = data.member("last_vault_rotation").and_then(seconds);
    let period = data.member("rotation_period").and_then(Json::integer);
    Ok(KeyInfo {
        versions: vec![VersionInfo {
            id: version(data),
            state: VersionState::Current,
            created: changed,
        }],
        // The server keeps the password of now alone; each rotation threw one away, and making the role was the first.
        trimmed: changed.is_some(),
        changed,
        next_rotation: changed
            .zip(period)
            .map(|(changed, period)| changed.saturating_add(period)),
        native_rotation: true,
        ..KeyInfo::default()
    })
}

/// Describes a connection.
pub(super) fn connection(
    client: &Client,
    mount: Option<&str>,
    name: &str,
) -> Result<KeyInfo, StoreError> {
    let what = format!("look at the connection {name}");
    get(client, mount, &format!("config/{}", encode(name)), &what)?;
    Ok(hidden())
}

/// Lends the user name and password of a static role.
pub(super) fn read(
    client: &Client,
    mount: Option<&str>,
    role: &str,
    wanted: &VersionId,
    sink: &mut dyn FnMut(Field<'_>),
) -> Result<ReadOutcome, StoreError> {
    let what = format!("read the static role {role}");
    let answer = get(
        client,
        mount,
        &format!("static-creds/{}", encode(role)),
        &what,
    )?;
    let json = client.wire.json(&answer, &what)?;
    let data = json
        .member("data")
        .ok_or_else(|| client.wire.garbled(&what))?;
    if version(data) != *wanted {
        return Err(client.wire.error(
            Fault::Conflict,
            format!("{what}: it was rotated meanwhile"),
            "run it again",
        ));
    }
    lend_credential(data, sink);
    Ok(ReadOutcome::Read)
}

/// Lends what of an answer is the credential; times and periods are none.
fn lend_credential(data: Json<'_>, sink: &mut dyn FnMut(Field<'_>)) {
    lend(data, &mut |field| {
        if matches!(field.name, "username" | "password" | "rsa_private_key") {
            sink(field);
        }
    });
}

/// Has the server rotate a static role.
pub(super) fn rotate_role(
    client: &Client,
    mount: Option<&str>,
    key: &KeyPath,
    role: &str,
) -> Result<NativeRotation, StoreError> {
    let what = format!("rotate the static role {role}");
    let before = describe(client, mount, role)?;
    let mark = before
        .versions
        .first()
        .map(|version| version.id.to_string());
    let mount = encode(mount.unwrap_or_default());
    let path = format!("{mount}/rotate-role/{}", encode(role));
    let call = Call::post(&path, b"{}", &what);
    let answer = client.call(&call)?;
    if !answer.is_fine() {
        return Err(missing(client, &what));
    }
    Ok(NativeRotation {
        key: key.clone(),
        mark: mark.unwrap_or_default(),
    })
}

/// Has the server rotate the root credential of a connection.
pub(super) fn rotate_root(
    client: &Client,
    mount: Option<&str>,
    key: &KeyPath,
    name: &str,
) -> Result<NativeRotation, StoreError> {
    let what = format!("rotate the root credential of the connection {name}");
    connection(client, mount, name)?;
    let mount = encode(mount.unwrap_or_default());
    let path = format!("{mount}/rotate-root/{}", encode(name));
    client.done(&Call::post(&path, b"{}", &what))?;
    Ok(NativeRotation {
        key: key.clone(),
        mark: format!("{CONFIRMED} {}", jiff::Timestamp::now()),
    })
}

/// Tells how far the rotation of a static role is.
pub(super) fn poll_role(
    client: &Client,
    mount: Option<&str>,
    role: &str,
    mark: &str,
) -> Result<NativeProgress, StoreError> {
    let info = describe(client, mount, role)?;
    let now = info.versions.into_iter().next().map(|version| version.id);
    Ok(match now {
        Some(now) if now.as_str() != mark => NativeProgress::Done(now),
        Some(_) | None => NativeProgress::Running,
    })
}

/// Tells how far a root rotation is: the server keeps no time of it.
pub(super) fn poll_root(name: &str, mark: &str) -> NativeProgress {
    if mark.starts_with(CONFIRMED) {
        return NativeProgress::Done(VersionId::new(mark));
    }
    NativeProgress::Stuck(format!(
        "the server does not tell when the root credential of {name} was rotated: try the old one at the database, then \
         rotate again if it still works"
    ))
}

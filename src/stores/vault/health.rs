//! Whether the server answers, who we are to it, and which rights are missing.

use std::sync::Arc;

use super::{
    super::{Fault, Health, StoreError, buffer::Buffer, http::Answer, json::Json},
    client::Client,
    list::roots,
    mounts::Mounts,
    wire::{Call, Wire},
};

/// Asks the server about itself. This path needs no token, and only the root namespace has it.
fn server(wire: &Wire) -> Result<Answer, StoreError> {
    let root = Wire {
        name: wire.name.clone(),
        http: wire.http.clone(),
        address: wire.address.clone(),
        namespace: None,
    };
    let what = "ask for the server's health";
    // With these the answer is 200 whatever it says.
    let call = Call::get(
        "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200&drsecondarycode=200",
        what,
    );
    let answer = root.judge(&call, root.send(&call, None)?)?;
    if answer.status == 200 {
        Ok(answer)
    } else {
        Err(wire.garbled(what))
    }
}

/// Finds out how things stand.
pub(super) fn check(
    client: &Client,
    mounts: impl FnOnce() -> Result<Arc<Mounts>, StoreError>,
    prefixes: &[String],
) -> Result<Health, StoreError> {
    let wire = &client.wire;
    let answer = server(wire)?;
    let what = "ask for the server's health";
    let json = wire.json(&answer, what)?;
    let is = |name: &str| json.member(name).and_then(Json::boolean);
    let sealed = is("sealed").ok_or_else(|| wire.garbled(what))?;
    if sealed {
        return Err(wire.error(
            Fault::Unavailable,
            format!("{what}: the server is sealed"),
            "unseal it: bao operator unseal (or vault operator unseal)",
        ));
    }
    let mut health = Health {
        version: json.member("version").and_then(Json::name).map(|version| {
            // Vault tells whether it is Enterprise; OpenBao has no such edition and no such field.
            let product = if json.member("enterprise").is_some() {
                "Vault"
            } else {
                "OpenBao"
            };
            format!("{product} {version}")
        }),
        ..Health::default()
    };
    if is("standby") == Some(true) {
        health
            .notes
            .push("this node is a standby: requests take a detour".to_owned());
    }
    identity(client, &mut health)?;
    rights(client, &*mounts()?, prefixes, &mut health)?;
    children(client, &mut health)?;
    Ok(health)
}

fn identity(client: &Client, health: &mut Health) -> Result<(), StoreError> {
    let what = "look our token up";
    match client.get("auth/token/lookup-self", what) {
        Ok(answer) => {
            let json = client.wire.json(&answer, what)?;
            let data = json
                .member("data")
                .ok_or_else(|| client.wire.garbled(what))?;
            let policies: Vec<_> = data
                .member("policies")
                .into_iter()
                .flat_map(Json::items)
                .filter_map(Json::name)
                .collect();
            let name = data.member("display_name").and_then(Json::name);
            health.identity = Some(format!(
                "{} (policies: {})",
                name.unwrap_or_default(),
                policies.join(", ")
            ));
            let ttl = data.member("ttl").and_then(Json::integer);
            // A root token has 0: it never expires.
            health.expires_s = ttl
                .and_then(|ttl| u64::try_from(ttl).ok())
                .filter(|ttl| *ttl > 0);
            if policies.iter().any(|policy| policy == "root") {
                health.notes.push(
                    "the token is a root token: make one with the policy that `keysweep store policy` prints"
                        .to_owned(),
                );
            }
            Ok(())
        }
        Err(error) if error.fault == Fault::Denied => {
            health
                .notes
                .push("the token may not look itself up: when it expires is not known".to_owned());
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Says which rights are missing where a listing begins. Policies may say else about single paths below; those show as problems of a
/// listing.
fn rights(
    client: &Client,
    mounts: &Mounts,
    prefixes: &[String],
    health: &mut Health,
) -> Result<(), StoreError> {
    for (mount, error) in &mounts.problems {
        health.notes.push(format!("{mount}: {}", error.what));
    }
    let (roots, lost) = roots(mounts, prefixes);
    for prefix in lost {
        health
            .notes
            .push(format!("no mount that the token sees holds {prefix}"));
    }
    for root in roots {
        let (mount, folder) = (&root.mount.path, &root.folder);
        let needs = if root.mount.versioned {
            vec![
                (format!("{mount}metadata/{folder}"), "list"),
                (format!("{mount}metadata/{folder}keysweep"), "read"),
                (format!("{mount}data/{folder}keysweep"), "read"),
            ]
        } else {
            vec![
                (format!("{mount}{folder}"), "list"),
                (format!("{mount}{folder}keysweep"), "read"),
            ]
        };
        for (path, right) in needs {
            match capabilities(client, &path)? {
                Some(own) if !own.iter().any(|own| own == right || own == "root") => {
                    health.notes.push(format!(
                        "no `{right}` on {path}, unless for single paths below"
                    ))
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(())
}

/// Returns what our token may do at a path below `/v1/`; `None` if it may not even ask.
pub(super) fn capabilities(client: &Client, path: &str) -> Result<Option<Vec<String>>, StoreError> {
    let what = "ask for our rights";
    let mut body = Buffer::default();
    body.push(b"{\"paths\":[");
    body.push_json_string(path);
    body.push(b"]}");
    match client.call(&Call::ask("sys/capabilities-self", body.bytes(), what)) {
        Ok(answer) => {
            let json = client.wire.json(&answer, what)?;
            let own = json.at(&["data", path]).into_iter().flat_map(Json::items);
            Ok(Some(own.filter_map(Json::name).collect()))
        }
        Err(error) if error.fault.stops() => Err(error),
        Err(_) => Ok(None),
    }
}

/// Says that namespaces below ours are not read.
fn children(client: &Client, health: &mut Health) -> Result<(), StoreError> {
    let what = "list namespaces";
    match client.get("sys/namespaces?list=true", what) {
        Ok(answer) if answer.status == 200 => {
            let json = client.wire.json(&answer, what)?;
            let names: Vec<_> = json
                .at(&["data", "keys"])
                .into_iter()
                .flat_map(Json::items)
                .filter_map(Json::name)
                .collect();
            if !names.is_empty() {
                health.notes.push(format!(
                    "namespaces below this one are stores of their own and not read here: {}",
                    names.join(", ")
                ));
            }
            Ok(())
        }
        Err(error) if error.fault.stops() => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

//! Which engines are mounted where, and which of them a path belongs to.

use super::{
    super::{Fault, KeyPath, StoreError, http::encode, json::Json},
    client::Client,
    wire::says,
};

/// Stands for the mounts of a token that sees none.
pub(super) const NONE_SEEN: &str = "*";

/// A KV engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Its path with a slash at its end: `secret/`.
    pub(super) path: String,
    /// Whether it keeps versions (KV version 2).
    pub(super) versioned: bool,
}

/// The KV engines that are read.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// By path.
    pub(super) kv: Vec<Mount>,
    /// Mounts that were named and cannot be used.
    pub(super) problems: Vec<(KeyPath, StoreError)>,
}

impl Mounts {
    /// Asks the server.
    pub(super) fn discover(client: &Client, named: &[String]) -> Result<Self, StoreError> {
        let mut mounts = Self::default();
        if named.is_empty() {
            mounts.visible(client)?;
            if mounts.kv.is_empty() {
                // Nothing that was looked at must not look like nothing that is there.
                mounts
                    .problems
                    .push((KeyPath::new(NONE_SEEN), nothing(client)));
            }
        }
        for name in named {
            let path = format!("{}/", name.trim_matches('/'));
            match one(client, &path) {
                Ok(mount) => mounts.kv.push(mount),
                Err(error) if error.fault.stops() => return Err(error),
                Err(error) => mounts.problems.push((KeyPath::new(path), error)),
            }
        }
        mounts.kv.sort_by(|a, b| a.path.cmp(&b.path));
        mounts.kv.dedup();
        Ok(mounts)
    }

    /// Takes all that the token may see. Those that only an operator's list has are taken too: that they are denied is worth knowing.
    fn visible(&mut self, client: &Client) -> Result<(), StoreError> {
        let what = "list mounts";
        let answer = client.get("sys/internal/ui/mounts", what)?;
        let json = client.wire.json(&answer, what)?;
        let engines = json
            .at(&["data", "secret"])
            .ok_or_else(|| client.wire.garbled(what))?;
        self.take(engines);
        match client.get("sys/mounts", what) {
            Ok(answer) => {
                let json = client.wire.json(&answer, what)?;
                if let Some(engines) = json.member("data") {
                    self.take(engines);
                }
                Ok(())
            }
            Err(error) if error.fault.stops() => Err(error),
            Err(_) => Ok(()),
        }
    }

    fn take(&mut self, engines: Json<'_>) {
        for (path, engine) in engines.members() {
            if let Some(mount) = kv(&path, engine) {
                self.kv.push(mount);
            }
        }
        self.kv.sort_by(|a, b| a.path.cmp(&b.path));
        self.kv.dedup();
    }

    /// Returns why the mount that a path begins with cannot be used.
    pub(super) fn problem_of(&self, path: &str) -> Option<&StoreError> {
        let mut problems = self.problems.iter();
        let found = problems
            .find(|(mount, _)| mount.as_str() == NONE_SEEN || path.starts_with(mount.as_str()));
        found.map(|(_, error)| error)
    }

    /// Returns the mount that a path belongs to, and what of the path is inside.
    pub(super) fn find<'p>(&self, path: &'p str) -> Option<(&Mount, &'p str)> {
        let inside = self
            .kv
            .iter()
            .filter_map(|mount| Some((mount, path.strip_prefix(mount.path.as_str())?)));
        inside.max_by_key(|(mount, _)| mount.path.len())
    }
}

fn nothing(client: &Client) -> StoreError {
    client.wire.error(
        Fault::Denied,
        "the token sees no KV mount: it has no right on any, or there is none",
        "name `mounts`, check `namespace`, or give the token the policy that `keysweep store policy` prints",
    )
}

fn one(client: &Client, path: &str) -> Result<Mount, StoreError> {
    let what = format!("look at the mount {path}");
    let none = || {
        client.wire.error(
            Fault::NotFound,
            format!("{what}: no KV engine is mounted there"),
            "name it in `mounts` as `bao secrets list` shows it, and check `namespace`",
        )
    };
    let inside = format!(
        "sys/internal/ui/mounts/{}",
        encode(path.trim_end_matches('/'))
    );
    let answer = match client.get(&inside, &what) {
        Ok(answer) => answer,
        // The server says so of mounts that are not there as well, to a root token, too. Whoever may list there is told by the route.
        Err(error) if error.fault == Fault::Denied => {
            return Err(match has_route(client, path, &what)? {
                Some(false) => none(),
                Some(true) => error,
                None => client.wire.error(
                    Fault::Denied,
                    format!("{what}: the token has no right on it, or there is no such mount: the server tells both alike"),
                    "compare `mounts` with `bao secrets list`; `keysweep store policy` prints the least policy that it needs",
                ),
            });
        }
        Err(error) => return Err(error),
    };
    if !answer.is_fine() {
        return Err(none());
    }
    let json = client.wire.json(&answer, &what)?;
    let data = json.member("data").ok_or_else(none)?;
    let own = data.member("path").and_then(Json::name).unwrap_or_default();
    kv(&own, data)
        .filter(|mount| mount.path == path)
        .ok_or_else(none)
}

/// Tells whether something is mounted at a path; `None` if the token may not ask.
fn has_route(client: &Client, path: &str, what: &str) -> Result<Option<bool>, StoreError> {
    for folder in ["metadata/", ""] {
        match client.get(&format!("{}{folder}?list=true", encode(path)), what) {
            Ok(answer) if says(&answer, "no handler for route") => return Ok(Some(false)),
            Ok(_) => return Ok(Some(true)),
            Err(error) if error.fault == Fault::Denied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Returns the mount that this describes, if it is of KV. `generic` is the name of version 1 before Vault 0.8.
fn kv(path: &str, engine: Json<'_>) -> Option<Mount> {
    let kind = engine.member("type")?.string()?;
    let version = engine
        .at(&["options", "version"])
        .and_then(Json::string)
        .is_some_and(|version| &*version == "2");
    (&*kind == "kv" || &*kind == "generic").then(|| Mount {
        path: path.to_owned(),
        versioned: version,
    })
}

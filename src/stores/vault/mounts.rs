//! Which engines are mounted where, and which of them a path belongs to.

use super::{
    super::{Fault, KeyPath, StoreError, http::encode, json::Json},
    client::Client,
};

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

    /// Returns the mount that a path belongs to, and what of the path is inside.
    pub(super) fn find<'p>(&self, path: &'p str) -> Option<(&Mount, &'p str)> {
        let inside = self
            .kv
            .iter()
            .filter_map(|mount| Some((mount, path.strip_prefix(mount.path.as_str())?)));
        inside.max_by_key(|(mount, _)| mount.path.len())
    }
}

fn one(client: &Client, path: &str) -> Result<Mount, StoreError> {
    let what = format!("look at the mount {path}");
    let answer = client.get(
        &format!(
            "sys/internal/ui/mounts/{}",
            encode(path.trim_end_matches('/'))
        ),
        &what,
    )?;
    let none = || {
        client.wire.error(
            Fault::NotFound,
            format!("{what}: no KV engine is mounted there"),
            "name it in `mounts` as `bao secrets list` shows it",
        )
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

//! A strict fake of Azure Key Vault: paths, fields and codes are those of the REST reference (API 2025-07-01) and of the published client. What
//! it does not expect is a fault of the test, so that a call that Azure would not know cannot pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::{Value, json};

use super::servers::{Asked, Fake, Reply};

const API: &str = "api-version=2025-07-01";

/// One version.
#[derive(Clone)]
pub(crate) struct StoredVersion {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) enabled: bool,
    pub(crate) created: i64,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) content_type: Option<String>,
}

/// What the fake knows, and how it misbehaves.
#[derive(Default)]
pub(crate) struct World {
    /// As it is in ids and links: Azure's are `https`, and the client knows no other.
    address: String,
    /// By name, oldest first.
    pub(crate) secrets: BTreeMap<String, Vec<StoredVersion>>,
    pub(crate) deleted: BTreeMap<String, Vec<StoredVersion>>,
    /// Seconds now; each write makes it one later unless it stands.
    pub(crate) clock: i64,
    pub(crate) stands: bool,
    /// Entries of a page; 0 is 25.
    pub(crate) page: usize,
    /// Secrets whose values may not be read.
    pub(crate) denied: BTreeSet<String>,
    /// Whether deleted secrets may not be listed.
    pub(crate) hides_deleted: bool,
    /// Values that somebody else writes just before our next writes, one each.
    pub(crate) races: Vec<String>,
    /// So many requests are answered with this status and code first.
    pub(crate) troubles: Vec<(u16, &'static str)>,
    /// Whether tokens are refused.
    pub(crate) expired: bool,
    /// Where requests are sent instead.
    pub(crate) redirects: Option<String>,
    /// The host that the next page is said to be on.
    pub(crate) next_host: Option<String>,
    /// Whether each page leads to itself.
    pub(crate) circles: bool,
    /// Whether a write is done and its answer lost.
    pub(crate) silent: bool,
    count: u64,
    surprises: Vec<String>,
}

/// The fake.
pub(crate) struct Vault {
    pub(crate) fake: Fake,
    world: Arc<Mutex<World>>,
}

impl Vault {
    pub(crate) fn start() -> Self {
        let world = Arc::new(Mutex::new(World {
            clock: 1_767_225_600,
            ..World::default()
        }));
        let own = Arc::clone(&world);
        let fake = Fake::start(move |asked| own.lock().expect("not poisoned").answer(asked));
        world.lock().expect("not poisoned").address = fake.address.replace("http://", "https://");
        Self { fake, world }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("not poisoned")
    }

    /// Adds a version; returns its name.
    pub(crate) fn put(&self, key: &str, value: &str, enabled: bool) -> String {
        let mut world = self.world();
        let id = world.put(key, value, BTreeMap::new(), None);
        let versions = world.secrets.get_mut(key).expect("there");
        versions.last_mut().expect("there").enabled = enabled;
        id
    }

    /// Deletes a secret with all its versions.
    pub(crate) fn delete(&self, key: &str) {
        let mut world = self.world();
        let versions = world.secrets.remove(key).expect("there");
        world.deleted.insert(key.to_owned(), versions);
    }

    /// Returns value and whether it is enabled of all versions, oldest first.
    pub(crate) fn versions(&self, key: &str) -> Vec<(String, bool)> {
        let world = self.world();
        let versions = world.secrets.get(key).expect("there").iter();
        versions
            .map(|version| (version.value.clone(), version.enabled))
            .collect()
    }

    /// Returns what readers get who name no version, if it is enabled.
    pub(crate) fn latest(&self, key: &str) -> Option<String> {
        let (value, enabled) = self.versions(key).pop()?;
        enabled.then_some(value)
    }

    /// Counts requests of a method to a path, without its query, that carried a token.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        let asked = self.fake.asked();
        let same = asked.iter().filter(|asked| {
            let own = asked.path.split('?').next().unwrap_or_default();
            asked.method == method && own == path && bearer(asked).is_some()
        });
        same.count()
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let surprises = self.world().surprises.clone();
            assert!(surprises.is_empty(), "Azure knows no {surprises:?}");
        }
    }
}

/// Returns the token of a request.
pub(crate) fn bearer(asked: &Asked) -> Option<&str> {
    let header = asked
        .headers
        .iter()
        .find(|(name, _)| name == "authorization");
    header.map(|(_, value)| value.as_str())
}

fn error(status: u16, code: &str) -> Reply {
    let (code, inner) = code.split_once('/').unwrap_or((code, ""));
    let mut body = json!({"error": {"code": code, "message": "made-up-canary-message"}});
    if !inner.is_empty() {
        body["error"]["innererror"] = json!({"code": inner});
    }
    Reply::Json(status, body.to_string())
}

fn fine(body: &Value) -> Reply {
    Reply::Json(200, body.to_string())
}

impl World {
    fn put(
        &mut self,
        key: &str,
        value: &str,
        tags: BTreeMap<String, String>,
        content_type: Option<String>,
    ) -> String {
        self.count += 1;
        if !self.stands {
            self.clock += 1;
        }
        // Names of versions say nothing of their order.
        let id = format!("{:032x}", self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let versions = self.secrets.entry(key.to_owned()).or_default();
        versions.push(StoredVersion {
            id: id.clone(),
            value: value.to_owned(),
            enabled: true,
            created: self.clock,
            tags,
            content_type,
        });
        id
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let Some(token) = bearer(asked) else {
            if !asked.body.is_empty() {
                self.surprises.push("a body before the login".to_owned());
            }
            let lines = &[
                "www-authenticate: Bearer authorization=\"https://login.microsoftonline.com/made-up\", resource=\"https://vault.azure.net\"",
            ];
            let body =
                json!({"error": {"code": "Unauthorized", "message": "made-up-canary-message"}});
            return Reply::Full(401, lines, body.to_string().into_bytes());
        };
        if let Some(elsewhere) = &self.redirects {
            let line: &'static str =
                Box::leak(format!("location: {elsewhere}{}", asked.path).into_boxed_str());
            return Reply::Full(307, Box::leak(Box::new([line])), Vec::new());
        }
        if self.expired || token != "Bearer made-up-access" {
            return error(401, "Unauthorized");
        }
        if let Some((status, code)) = self.troubles.pop() {
            return error(status, code);
        }
        self.route(asked).unwrap_or_else(|| {
            self.surprises
                .push(format!("{} {} {}", asked.method, asked.path, asked.body));
            error(400, "BadParameter")
        })
    }

    fn route(&mut self, asked: &Asked) -> Option<Reply> {
        let (path, query) = asked.path.split_once('?')?;
        if !query.split('&').any(|pair| pair == API) {
            return None;
        }
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["secrets"]) => {
                let all = self.secrets.iter();
                let all = all.filter_map(|(key, v)| Some(self.shown(key, v.last()?, false)));
                Some(self.pages(all.collect(), path, query))
            }
            ("GET", ["deletedsecrets"]) if self.hides_deleted => {
                Some(error(403, "Forbidden/AccessDenied"))
            }
            ("GET", ["deletedsecrets"]) => {
                let all = self.deleted.iter();
                let all = all.filter_map(|(key, v)| Some(self.buried(key, v.last()?)));
                Some(self.pages(all.collect(), path, query))
            }
            ("GET", ["deletedsecrets", key]) => Some(match self.deleted.get(*key) {
                Some(versions) => fine(&self.buried(key, versions.last()?)),
                None => error(404, "SecretNotFound"),
            }),
            (_, ["secrets", key, ..])
                if asked.method != "PUT" && !self.secrets.contains_key(*key) =>
            {
                Some(error(404, "SecretNotFound"))
            }
            ("GET", ["secrets", key, "versions"]) => {
                // In the order of their names, as the service sends them.
                let mut versions = self.secrets.get(*key)?.clone();
                versions.sort_by(|a, b| a.id.cmp(&b.id));
                let all = versions
                    .iter()
                    .map(|version| self.shown(key, version, true));
                Some(self.pages(all.collect(), path, query))
            }
            ("GET", ["secrets", key, version]) => self.value(key, version),
            ("PATCH", ["secrets", key, version]) => self.update(key, version, &asked.body),
            ("PUT", ["secrets", key]) => self.set(key, &asked.body),
            _ => None,
        }
    }

    fn shown(&self, key: &str, version: &StoredVersion, with_version: bool) -> Value {
        let mut id = format!("{}/secrets/{key}", self.address);
        if with_version {
            id.push_str(&format!("/{}", version.id));
        }
        let mut shown = json!({
            "id": id,
            "attributes": {
                "enabled": version.enabled,
                "created": version.created,
                "updated": version.created,
                "recoveryLevel": "Recoverable+Purgeable",
                "recoverableDays": 90,
            },
            "tags": version.tags,
        });
        if let Some(content_type) = &version.content_type {
            shown["contentType"] = json!(content_type);
        }
        shown
    }

    fn buried(&self, key: &str, version: &StoredVersion) -> Value {
        let mut shown = self.shown(key, version, false);
        shown["recoveryId"] = json!(format!("{}/deletedsecrets/{key}", self.address));
        shown["deletedDate"] = json!(self.clock);
        shown["scheduledPurgeDate"] = json!(self.clock + 7_776_000);
        shown
    }

    /// Cuts one page out of `all`; the link to the next says where it begins.
    fn pages(&self, all: Vec<Value>, path: &str, query: &str) -> Reply {
        let size = if self.page == 0 { 25 } else { self.page };
        let start = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("%24skiptoken="));
        let start: usize = start.map_or(0, |start| start.parse().expect("our own token"));
        let start = if self.circles { 0 } else { start };
        let total = all.len();
        let items: Vec<Value> = all.into_iter().skip(start).take(size).collect();
        let next = (start + size < total).then(|| {
            let host = self.next_host.as_ref().unwrap_or(&self.address);
            // The client encodes it its own way when it sets the version anew.
            format!("{host}{path}?{API}&$skiptoken={}", start + size)
        });
        fine(&json!({"value": items, "nextLink": next}))
    }

    fn value(&self, key: &str, version: &str) -> Option<Reply> {
        let versions = self.secrets.get(key)?;
        let found = match version {
            "" => versions.last(),
            _ => versions.iter().find(|one| one.id == version),
        };
        let Some(found) = found else {
            return Some(error(404, "SecretNotFound"));
        };
        if self.denied.contains(key) {
            return Some(error(403, "Forbidden/ForbiddenByRbac"));
        }
        if !found.enabled {
            return Some(error(403, "Forbidden/SecretDisabled"));
        }
        let mut shown = self.shown(key, found, true);
        shown["value"] = json!(found.value);
        Some(fine(&shown))
    }

    fn set(&mut self, key: &str, body: &str) -> Option<Reply> {
        let body: Value = serde_json::from_str(body).ok()?;
        let known = ["value", "tags", "contentType", "attributes"];
        if body
            .as_object()?
            .keys()
            .any(|name| !known.contains(&name.as_str()))
        {
            return None;
        }
        if self.deleted.contains_key(key) {
            return Some(error(409, "Conflict/ObjectIsDeletedButRecoverable"));
        }
        let value = body.get("value")?.as_str()?.to_owned();
        let tags = body.get("tags").cloned().unwrap_or_else(|| json!({}));
        let tags = serde_json::from_value(tags).ok()?;
        let content_type = body.get("contentType").and_then(Value::as_str);
        let content_type = content_type.map(str::to_owned);
        if let Some(theirs) = self.races.pop() {
            self.put(key, &theirs, BTreeMap::new(), None);
        }
        self.put(key, &value, tags, content_type);
        if self.silent {
            return Some(Reply::Nothing);
        }
        let made = self.secrets.get(key)?.last()?;
        let mut shown = self.shown(key, made, true);
        shown["value"] = json!(value);
        Some(fine(&shown))
    }

    fn update(&mut self, key: &str, version: &str, body: &str) -> Option<Reply> {
        let body: Value = serde_json::from_str(body).ok()?;
        // Nothing else may be sent: what is sent replaces what was there.
        if body.as_object()?.len() != 1 {
            return None;
        }
        let enabled = body.get("attributes")?.get("enabled")?.as_bool()?;
        let versions = self.secrets.get_mut(key)?;
        let Some(found) = versions.iter_mut().find(|one| one.id == version) else {
            return Some(error(404, "SecretNotFound"));
        };
        found.enabled = enabled;
        let found = found.clone();
        Some(fine(&self.shown(key, &found, true)))
    }
}

//! A strict fake of Google Secret Manager: paths, fields and codes are those of the REST reference of v1 and of the published client. What it
//! does not expect is a fault of the test, so that a call that Google would not know cannot pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::servers::{Asked, Fake, Reply};

/// The project of all tests.
pub(crate) const PROJECT: &str = "made-up-project";

/// The number of a state when the client asks for numbers.
const STATES: [&str; 4] = ["STATE_UNSPECIFIED", "ENABLED", "DISABLED", "DESTROYED"];

/// One secret.
#[derive(Default)]
pub(crate) struct Stored {
    pub(crate) versions: Vec<StoredVersion>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) bindings: Vec<(String, Vec<String>)>,
    changes: u64,
}

/// One version; its number is its place, from 1.
pub(crate) struct StoredVersion {
    pub(crate) value: Vec<u8>,
    pub(crate) state: &'static str,
    changes: u64,
}

/// What the fake knows, and how it misbehaves.
pub(crate) struct World {
    pub(crate) secrets: BTreeMap<String, Stored>,
    /// Most entries of a page, whatever the client asks for.
    pub(crate) page: usize,
    /// Secrets that answer PERMISSION_DENIED to reads of values.
    pub(crate) denied: BTreeSet<String>,
    /// Values that somebody else adds just before our next writes, one each.
    pub(crate) races: Vec<Vec<u8>>,
    /// So many requests are answered with this status and code first.
    pub(crate) troubles: Vec<(u16, &'static str)>,
    /// Whether checksums are wrong.
    pub(crate) garbles: bool,
    /// Whether access tokens are refused.
    pub(crate) expired: bool,
    /// Whether no token is given.
    pub(crate) revoked: bool,
    /// Where requests are sent instead.
    pub(crate) elsewhere: Option<String>,
    /// Whether a write is done and its answer lost.
    pub(crate) silent: bool,
    /// The location, if it is a regional endpoint.
    pub(crate) location: Option<String>,
    surprises: Vec<String>,
}

/// The fake.
pub(crate) struct Google {
    pub(crate) fake: Fake,
    world: Arc<Mutex<World>>,
    dir: TempDir,
}

impl Google {
    pub(crate) fn start() -> Self {
        let world = Arc::new(Mutex::new(World {
            secrets: BTreeMap::new(),
            page: 100,
            denied: BTreeSet::new(),
            races: Vec::new(),
            troubles: Vec::new(),
            garbles: false,
            expired: false,
            revoked: false,
            elsewhere: None,
            silent: false,
            location: None,
            surprises: Vec::new(),
        }));
        let own = Arc::clone(&world);
        let fake = Fake::start(move |asked| own.lock().expect("not poisoned").answer(asked));
        let dir = tempfile::tempdir().expect("a directory");
        let credentials = json!({
            "type": "authorized_user",
            "client_id": "made-up-client",
            "client_secret": "made-up-client-secret",
            "refresh_token": "made-up-refresh",
            "token_uri": format!("{}/token", fake.address),
        });
        fs::write(dir.path().join("adc.json"), credentials.to_string()).expect("written");
        Self { fake, world, dir }
    }

    /// Returns the file of credentials.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.dir.path().join("adc.json")
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("not poisoned")
    }

    /// Adds a version in a state.
    pub(crate) fn put(&self, key: &str, value: &[u8], state: &'static str) {
        self.world().put(key, value, state);
    }

    /// Returns value and state of all versions, oldest first.
    pub(crate) fn versions(&self, key: &str) -> Vec<(String, &'static str)> {
        let world = self.world();
        let versions = world.secrets.get(key).expect("there").versions.iter();
        versions
            .map(|version| {
                let value = String::from_utf8(version.value.clone()).expect("text");
                (value, version.state)
            })
            .collect()
    }

    /// Returns what readers of `latest` get: the most recently created version, if it is enabled.
    pub(crate) fn latest(&self, key: &str) -> Option<String> {
        let newest = self.versions(key).pop()?;
        (newest.1 == "ENABLED").then_some(newest.0)
    }

    /// Counts requests of a method whose path ends so, without its query.
    pub(crate) fn count(&self, method: &str, end: &str) -> usize {
        let asked = self.fake.asked();
        let same = asked.iter().filter(|asked| {
            let path = asked.path.split('?').next().unwrap_or_default();
            asked.method == method && path.ends_with(end)
        });
        same.count()
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let surprises = self.world().surprises.clone();
            assert!(surprises.is_empty(), "Google knows no {surprises:?}");
        }
    }
}

fn error(status: u16, code: &str) -> Reply {
    // Messages of Google quote what was sent: none of it may be told.
    let message = "made-up-canary-message";
    let body = json!({"error": {"code": status, "message": message, "status": code}});
    Reply::Json(status, body.to_string())
}

fn fine(body: &Value) -> Reply {
    Reply::Json(200, body.to_string())
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'+' => b' ',
            b'%' => {
                let pair = [bytes.next().expect("hex"), bytes.next().expect("hex")];
                let pair = std::str::from_utf8(&pair).expect("hex");
                u8::from_str_radix(pair, 16).expect("hex")
            }
            _ => byte,
        };
        out.push(decoded);
    }
    String::from_utf8(out).expect("UTF-8")
}

impl World {
    fn put(&mut self, key: &str, value: &[u8], state: &'static str) {
        let secret = self.secrets.entry(key.to_owned()).or_default();
        secret.versions.push(StoredVersion {
            value: value.to_vec(),
            state,
            changes: 0,
        });
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let path = decode(path);
        if path == "/token" {
            return self.token(asked);
        }
        if let Some(elsewhere) = &self.elsewhere {
            let line: &'static str =
                Box::leak(format!("location: {elsewhere}{path}").into_boxed_str());
            return Reply::Full(307, Box::leak(Box::new([line])), Vec::new());
        }
        let header = asked
            .headers
            .iter()
            .find(|(name, _)| name == "authorization");
        if self.expired || header.is_none_or(|(_, value)| value != "Bearer made-up-access") {
            return error(401, "UNAUTHENTICATED");
        }
        if let Some((status, code)) = self.troubles.pop() {
            return error(status, code);
        }
        let query: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        let mut parent = format!("/v1/projects/{PROJECT}");
        if let Some(location) = &self.location {
            parent.push_str(&format!("/locations/{location}"));
        }
        let numbers = query
            .get("$alt")
            .is_some_and(|alt| alt == "json;enum-encoding=int");
        let rest = path.strip_prefix(&parent).map(str::to_owned);
        let reply = rest.and_then(|rest| self.route(asked, &rest, &query, numbers));
        reply.unwrap_or_else(|| {
            self.surprises
                .push(format!("{} {}", asked.method, asked.path));
            error(404, "NOT_FOUND")
        })
    }

    /// The token endpoint of a user's login.
    fn token(&mut self, asked: &Asked) -> Reply {
        if asked.method != "POST" || !asked.body.contains("made-up-refresh") {
            self.surprises.push("a token without its grant".to_owned());
        }
        if self.revoked {
            return Reply::Json(400, json!({"error": "invalid_grant"}).to_string());
        }
        let token =
            json!({"access_token": "made-up-access", "expires_in": 3600, "token_type": "Bearer"});
        fine(&token)
    }

    fn route(
        &mut self,
        asked: &Asked,
        rest: &str,
        query: &BTreeMap<String, String>,
        numbers: bool,
    ) -> Option<Reply> {
        let rest = rest.strip_prefix("/secrets")?;
        let method = asked.method.as_str();
        if rest.is_empty() && method == "GET" {
            return self.secrets(query);
        }
        let rest = rest.strip_prefix('/')?;
        let (key, version) = match rest.split_once("/versions") {
            Some((key, version)) => (key, Some(version)),
            None => (rest, None),
        };
        let (key, verb) = key.split_once(':').unwrap_or((key, ""));
        if !self.secrets.contains_key(key) {
            return Some(error(404, "NOT_FOUND"));
        }
        match (method, verb, version) {
            ("GET", "", None) => Some(fine(&self.secret(key))),
            ("PATCH", "", None) => self.update(key, query, &asked.body),
            ("POST", "addVersion", None) => self.add(key, &asked.body, numbers),
            ("GET", "getIamPolicy", None) => Some(fine(&self.policy(key))),
            ("POST", "testIamPermissions", None) => self.permissions(key, &asked.body),
            ("GET", "", Some("")) => self.versions(key, query, numbers),
            (_, "", Some(version)) => {
                let (number, verb) = version.strip_prefix('/')?.split_once(':')?;
                let number: usize = number.parse().ok()?;
                if number == 0 || number > self.secrets.get(key)?.versions.len() {
                    return Some(error(404, "NOT_FOUND"));
                }
                match (method, verb) {
                    ("GET", "access") => Some(self.access(key, number)),
                    ("POST", verb) => self.mark(key, number, verb, &asked.body, numbers),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Cuts one page out of `all`; a token is the place where it begins.
    fn page(
        &self,
        all: Vec<Value>,
        query: &BTreeMap<String, String>,
        member: &str,
    ) -> Option<Reply> {
        let size: usize = query.get("pageSize")?.parse().ok()?;
        let size = size.min(self.page);
        let token = query.get("pageToken").map_or("", String::as_str);
        let start: usize = match token.strip_prefix("page/+") {
            Some(start) => start.parse().ok()?,
            None if token.is_empty() => 0,
            None => return Some(error(400, "INVALID_ARGUMENT")),
        };
        let total = all.len();
        let items: Vec<Value> = all.into_iter().skip(start).take(size).collect();
        let mut page = json!({"totalSize": total});
        // Google leaves empty members out.
        if !items.is_empty() {
            page[member] = Value::from(items);
        }
        if start + size < total {
            page["nextPageToken"] = json!(format!("page/+{}", start + size));
        }
        Some(fine(&page))
    }

    fn name(&self, key: &str) -> String {
        // Google names projects by number in its answers.
        match &self.location {
            Some(location) => format!("projects/123456/locations/{location}/secrets/{key}"),
            None => format!("projects/123456/secrets/{key}"),
        }
    }

    fn secret(&self, key: &str) -> Value {
        let secret = &self.secrets[key];
        json!({
            "name": self.name(key),
            "createTime": "2026-01-01T00:00:00Z",
            "labels": secret.labels,
            "annotations": secret.annotations,
            "etag": format!("\"s{}\"", secret.changes),
            "rotation": {"nextRotationTime": "2026-02-01T00:00:00Z", "rotationPeriod": "2592000s"},
        })
    }

    fn secrets(&self, query: &BTreeMap<String, String>) -> Option<Reply> {
        let all = self.secrets.keys().map(|key| self.secret(key)).collect();
        self.page(all, query, "secrets")
    }

    fn version(&self, key: &str, number: usize, numbers: bool) -> Value {
        let version = &self.secrets[key].versions[number - 1];
        let state = STATES.iter().position(|state| *state == version.state);
        let state = state.expect("a state");
        json!({
            "name": format!("{}/versions/{number}", self.name(key)),
            "createTime": format!("2026-01-{number:02}T00:00:00.5Z"),
            "state": if numbers { json!(state) } else { json!(version.state) },
            "etag": format!("\"v{}\"", version.changes),
        })
    }

    fn versions(
        &self,
        key: &str,
        query: &BTreeMap<String, String>,
        numbers: bool,
    ) -> Option<Reply> {
        let count = self.secrets[key].versions.len();
        let all = (1..=count).rev();
        let all = all
            .map(|number| self.version(key, number, numbers))
            .collect();
        self.page(all, query, "versions")
    }

    fn access(&self, key: &str, number: usize) -> Reply {
        let version = &self.secrets[key].versions[number - 1];
        if self.denied.contains(key) {
            return error(403, "PERMISSION_DENIED");
        }
        if version.state != "ENABLED" {
            return error(400, "FAILED_PRECONDITION");
        }
        let checksum = i64::from(crc32c::crc32c(&version.value)) + i64::from(self.garbles);
        fine(&json!({
            "name": format!("{}/versions/{number}", self.name(key)),
            "payload": {"data": STANDARD.encode(&version.value), "dataCrc32c": checksum.to_string()},
        }))
    }

    fn add(&mut self, key: &str, body: &str, numbers: bool) -> Option<Reply> {
        let body: Value = serde_json::from_str(body).ok()?;
        let payload = body.get("payload")?;
        if body
            .as_object()?
            .keys()
            .any(|name| !["payload", "parent"].contains(&name.as_str()))
        {
            return None;
        }
        let value = STANDARD.decode(payload.get("data")?.as_str()?).ok()?;
        let checksum: i64 = payload.get("dataCrc32c")?.as_str()?.parse().ok()?;
        if value.len() > 65_536 || checksum != i64::from(crc32c::crc32c(&value)) {
            return Some(error(400, "INVALID_ARGUMENT"));
        }
        if let Some(theirs) = self.races.pop() {
            self.put(key, &theirs, "ENABLED");
        }
        self.put(key, &value, "ENABLED");
        if self.silent {
            return Some(Reply::Nothing);
        }
        let number = self.secrets.get(key)?.versions.len();
        Some(fine(&self.version(key, number, numbers)))
    }

    fn mark(
        &mut self,
        key: &str,
        number: usize,
        verb: &str,
        body: &str,
        numbers: bool,
    ) -> Option<Reply> {
        let body: Value = serde_json::from_str(body).ok()?;
        let etag = body.get("etag")?.as_str()?.to_owned();
        let version = self.secrets.get_mut(key)?.versions.get_mut(number - 1)?;
        if version.state == "DESTROYED" || etag != format!("\"v{}\"", version.changes) {
            return Some(error(400, "FAILED_PRECONDITION"));
        }
        version.state = match verb {
            "enable" => "ENABLED",
            "disable" => "DISABLED",
            "destroy" => {
                version.value.clear();
                "DESTROYED"
            }
            _ => return None,
        };
        version.changes += 1;
        Some(fine(&self.version(key, number, numbers)))
    }

    fn update(&mut self, key: &str, query: &BTreeMap<String, String>, body: &str) -> Option<Reply> {
        if query.get("updateMask")? != "annotations" {
            return None;
        }
        let body: Value = serde_json::from_str(body).ok()?;
        let secret = self.secrets.get_mut(key)?;
        if body.get("etag")?.as_str()? != format!("\"s{}\"", secret.changes) {
            return Some(error(400, "FAILED_PRECONDITION"));
        }
        secret.annotations = serde_json::from_value(body.get("annotations")?.clone()).ok()?;
        secret.changes += 1;
        Some(fine(&self.secret(key)))
    }

    fn policy(&self, key: &str) -> Value {
        let bindings = self.secrets[key].bindings.iter();
        let bindings: Vec<Value> = bindings
            .map(|(role, members)| json!({"role": role, "members": members}))
            .collect();
        json!({"version": 1, "etag": "BwXX", "bindings": bindings})
    }

    fn permissions(&self, key: &str, body: &str) -> Option<Reply> {
        let body: Value = serde_json::from_str(body).ok()?;
        let wanted = body.get("permissions")?.as_array()?.iter();
        let denied = self.denied.contains(key);
        let own: Vec<&Value> = wanted
            .filter(|one| !(denied && *one == "secretmanager.versions.access"))
            .collect();
        Some(fine(&json!({"permissions": own})))
    }
}

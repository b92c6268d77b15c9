//! A strict API server in memory, for tests: it does what kube-apiserver 1.20.2 was seen to do with secrets (409 Conflict, 422 Invalid, 410 Expired
//! with and without a way on, pages in the order of its keys, `PartialObjectMetadata`, 403 with the reason Forbidden, dry runs), and refuses
//! what that would refuse.
//!
//! No etcd behind it: all that etcd would add is the counter of versions, and what is tested is the server's own behaviour.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::servers::{Asked, Fake, Reply};

/// The token of a user who may do everything; any other known one is in [`State::rights`].
pub(crate) const ADMIN: &str = "made-up-admin-token";

/// What the server holds.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) secrets: BTreeMap<String, Value>,
    pub(crate) namespaces: BTreeMap<String, Value>,
    /// Lists below `/apis/rbac.authorization.k8s.io/v1/`, by their path.
    pub(crate) rbac: BTreeMap<String, Vec<Value>>,
    /// By token: the beginnings of `VERB PATH` that are allowed.
    pub(crate) rights: BTreeMap<String, Vec<String>>,
    /// Continue tokens of versions before this are refused with 410.
    pub(crate) compacted: u64,
    /// Whether a 410 offers a way on.
    pub(crate) offers_way_on: bool,
    /// The most items of a page, whatever was asked for.
    pub(crate) page: usize,
    /// Taken instead of the next answers.
    pub(crate) instead: Vec<Reply>,
    version: u64,
}

impl State {
    fn next(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// Puts a secret there, as another client would.
    pub(crate) fn put(&mut self, key: &str, data: &[(&str, &[u8])], metadata: &Value) {
        let (namespace, name) = key.split_once('/').expect("NAMESPACE/NAME");
        let data: Map<String, Value> = data
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(STANDARD.encode(value))))
            .collect();
        let version = self.next();
        let mut object = json!({
            "kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": data,
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": version},
        });
        merge(&mut object["metadata"], metadata);
        self.secrets.insert(key.to_owned(), object);
        let space = json!({"metadata": {"name": namespace, "labels": {}}});
        self.namespaces.entry(namespace.to_owned()).or_insert(space);
    }

    /// Returns a value as it stands there.
    pub(crate) fn value(&self, key: &str, field: &str) -> Option<String> {
        let text = self.secrets.get(key)?["data"][field].as_str()?;
        String::from_utf8(STANDARD.decode(text).ok()?).ok()
    }

    /// Returns a secret's version.
    pub(crate) fn version_of(&self, key: &str) -> String {
        let version = &self.secrets[key]["metadata"]["resourceVersion"];
        version.as_str().expect("a version").to_owned()
    }
}

/// JSON merge patch (RFC 7396).
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let into = into.as_object_mut().expect("an object");
    for (name, value) in patch {
        if value.is_null() {
            into.remove(name);
        } else {
            merge(into.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

fn status(code: u16, reason: &str, more: &Value) -> Reply {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "made-up-canary-value is what a message may quote", "reason": reason, "code": code,
    });
    merge(&mut body, more);
    Reply::Json(code, body.to_string())
}

/// The server.
pub(crate) struct Cluster {
    pub(crate) fake: Fake,
    state: Arc<Mutex<State>>,
    dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            page: 3,
            ..State::default()
        }));
        let own = Arc::clone(&state);
        let fake = Fake::start(move |asked| answer(&mut own.lock().expect("whole"), asked));
        Self {
            fake,
            state,
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("whole")
    }

    /// Writes a kubeconfig for a token.
    pub(crate) fn kubeconfig(&self, token: &str) -> PathBuf {
        let file = self.dir.path().join(format!("{token}.yaml"));
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": self.fake.address}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        });
        fs::write(&file, text.to_string()).expect("written");
        file
    }

    /// Counts the requests of a method whose path begins so.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        let asked = self.fake.asked();
        let same = asked
            .iter()
            .filter(|asked| asked.method == method && asked.path.starts_with(path));
        same.count()
    }
}

fn header<'a>(asked: &'a Asked, name: &str) -> &'a str {
    let found = asked.headers.iter().find(|(own, _)| own == name);
    found.map_or("", |(_, value)| value.as_str())
}

fn answer(state: &mut State, asked: &Asked) -> Reply {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let token = header(asked, "authorization").strip_prefix("Bearer ");
    let token = token.unwrap_or_default();
    if token != ADMIN && !state.rights.contains_key(token) {
        return status(401, "Unauthorized", &json!({}));
    }
    if let Some(reply) = state.instead.pop() {
        return reply;
    }
    if path == "/version" {
        return Reply::Json(200, json!({"gitVersion": "v1.20.2"}).to_string());
    }
    let wanted = format!("{} {path}", asked.method);
    let rights = state.rights.get(token);
    if rights.is_some_and(|rights| !rights.iter().any(|right| wanted.starts_with(right))) {
        return status(403, "Forbidden", &json!({}));
    }
    let query = parse(query);
    if let Some(rest) = path.strip_prefix("/apis/rbac.authorization.k8s.io/v1/") {
        let items = state.rbac.get(rest).cloned().unwrap_or_default();
        return Reply::Json(
            200,
            json!({"kind": "List", "metadata": {}, "items": items}).to_string(),
        );
    }
    match path.strip_prefix("/api/v1/") {
        Some(rest) => core(state, asked, rest, &query),
        None => status(404, "NotFound", &json!({})),
    }
}

/// Reads a query; what the server would not know fails.
fn parse(query: &str) -> BTreeMap<String, String> {
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| {
            (
                name.to_owned(),
                value
                    .replace("%2F", "/")
                    .replace("%3D", "=")
                    .replace("%2B", "+"),
            )
        })
        .collect();
    let known = ["limit", "continue", "dryRun", "fieldManager"];
    assert!(
        query.keys().all(|name| known.contains(&name.as_str())),
        "{query:?}"
    );
    query
}

/// Answers below `/api/v1/`.
fn core(state: &mut State, asked: &Asked, rest: &str, query: &BTreeMap<String, String>) -> Reply {
    let parts: Vec<&str> = rest.split('/').collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["namespaces"]) => list(state, asked, "", query, true),
        ("GET", ["secrets"]) => list(state, asked, "", query, false),
        ("GET", ["namespaces", namespace, "secrets"]) => {
            list(state, asked, &format!("{namespace}/"), query, false)
        }
        ("GET", ["namespaces", name]) => match state.namespaces.get(*name) {
            Some(namespace) => Reply::Json(200, namespace.to_string()),
            None => status(404, "NotFound", &json!({})),
        },
        ("GET", ["namespaces", namespace, "secrets", name]) => {
            match state.secrets.get(&format!("{namespace}/{name}")) {
                Some(secret) => Reply::Json(200, shown(asked, secret).to_string()),
                None => status(404, "NotFound", &json!({})),
            }
        }
        ("PATCH", ["namespaces", namespace, "secrets", name]) => {
            patch(state, asked, &format!("{namespace}/{name}"), query)
        }
        _ => status(405, "MethodNotAllowed", &json!({})),
    }
}

/// Returns an object as the request wants it: whole, or its metadata.
fn shown(asked: &Asked, object: &Value) -> Value {
    if header(asked, "accept").contains("as=PartialObjectMetadata;") {
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
    } else {
        object.clone()
    }
}

fn list(
    state: &State,
    asked: &Asked,
    below: &str,
    query: &BTreeMap<String, String>,
    namespaces: bool,
) -> Reply {
    let metadata = header(asked, "accept").contains("as=PartialObjectMetadataList;");
    assert!(
        metadata,
        "a list must not ask for values: {:?}",
        asked.headers
    );
    let limit: usize = query["limit"].parse().expect("a number");
    let token = query.get("continue").map_or("", String::as_str);
    // VERSION KEY, as the server packs them.
    let token = STANDARD.decode(token).expect("a token of ours");
    let token = String::from_utf8(token).expect("text");
    let (version, from) = token.split_once(' ').unwrap_or(("", ""));
    if !version.is_empty() && version.parse::<u64>().expect("a number") < state.compacted {
        let way = STANDARD.encode(format!("{} {from}", u64::MAX));
        let way = if state.offers_way_on {
            way
        } else {
            String::new()
        };
        return status(410, "Expired", &json!({"metadata": {"continue": way}}));
    }
    let objects = if namespaces {
        &state.namespaces
    } else {
        &state.secrets
    };
    let mut left = objects
        .iter()
        .filter(|(key, _)| key.starts_with(below) && key.as_str() >= from);
    let items: Vec<Value> = left
        .by_ref()
        .take(limit.min(state.page))
        .map(|(_, object)| json!({"metadata": object["metadata"]}))
        .collect();
    let next = left.next().map(|(key, _)| {
        let version = if version.is_empty() {
            state.version.to_string()
        } else {
            version.to_owned()
        };
        STANDARD.encode(format!("{version} {key}"))
    });
    let body = json!({
        "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": state.version.to_string(), "continue": next.unwrap_or_default()},
        "items": items,
    });
    Reply::Json(200, body.to_string())
}

fn patch(state: &mut State, asked: &Asked, key: &str, query: &BTreeMap<String, String>) -> Reply {
    if header(asked, "content-type") != "application/merge-patch+json" {
        return status(415, "UnsupportedMediaType", &json!({}));
    }
    let Ok(patch) = serde_json::from_str::<Value>(&asked.body) else {
        return status(400, "BadRequest", &json!({}));
    };
    let Some(object) = state.secrets.get(key).cloned() else {
        return status(404, "NotFound", &json!({}));
    };
    let base = patch["metadata"]["resourceVersion"].as_str();
    if base.is_some_and(|base| object["metadata"]["resourceVersion"] != base) {
        return status(409, "Conflict", &json!({}));
    }
    let mut new = object.clone();
    merge(&mut new, &patch);
    let invalid = |message: &str| {
        let causes =
            json!([{"reason": "FieldValueForbidden", "message": message, "field": "data"}]);
        status(422, "Invalid", &json!({"details": {"causes": causes}}))
    };
    if object["immutable"] == true && new["data"] != object["data"] {
        return invalid("Forbidden: field is immutable when `immutable` is set");
    }
    let size: usize = new["data"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, value)| {
            STANDARD
                .decode(value.as_str().unwrap_or("?"))
                .map_or(0, |value| value.len())
        })
        .sum();
    if size > 1 << 20 {
        return invalid("Too long: must have at most 1048576 bytes");
    }
    if query.get("dryRun").is_some_and(|dry| dry != "All") {
        return status(400, "BadRequest", &json!({}));
    }
    if query.contains_key("dryRun") {
        return Reply::Json(200, shown(asked, &new).to_string());
    }
    let version = state.next();
    new["metadata"]["resourceVersion"] = json!(version);
    state.secrets.insert(key.to_owned(), new.clone());
    Reply::Json(200, shown(asked, &new).to_string())
}

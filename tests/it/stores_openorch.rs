//! OpenOrch's Secret Svc, on a strict fake: it takes what the API documentation takes, and shows each user what that user may read.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use keysweep::{
    config::stores::{OpenorchSettings, StoreKind},
    model::Secret,
    stores::{Capabilities, Change, Fault, KeyPath, SecretStore, StoreError, VersionId, open},
};
use serde_json::{Value, json};

use super::{
    servers::{Asked, Fake, Reply},
    stores_vault::{all, entry, read, with_surroundings},
};

const CANARY: &str = "made-up-canary-value";

/// Answers one request as the service would, to the users `alice` and `admin`.
fn service(asked: &Asked, secrets: &Value) -> Reply {
    let header = |name: &str| {
        let found = asked.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    };
    let user = match header("authorization") {
        Some("Bearer made-up-alice") => "alice",
        Some("Bearer made-up-admin") => "admin",
        _ => return Reply::Json(401, r#"{"error":"Unauthorized"}"#.to_owned()),
    };
    if (asked.method.as_str(), asked.path.as_str()) != ("POST", "/secret-svc/secrets") {
        return Reply::Json(404, "404 page not found".to_owned());
    }
    let body = serde_json::from_str::<BTreeMap<String, Value>>(&asked.body);
    let known = ["key", "keys", "namespace"];
    let Some(body) = body
        .ok()
        .filter(|body| body.keys().all(|name| known.contains(&name.as_str())))
        .filter(|_| header("content-type") == Some("application/json"))
    else {
        return Reply::Json(400, r#"{"error":"Invalid JSON"}"#.to_owned());
    };
    let visible: Vec<&Value> = secrets
        .as_array()
        .expect("a list")
        .iter()
        .filter(|secret| {
            let readers = secret["readers"].as_array().expect("readers");
            user == "admin" || readers.iter().any(|reader| reader == user)
        })
        .filter(|secret| body.get("key").is_none_or(|key| secret["key"] == *key))
        .collect();
    // As Go writes a list that was never made.
    let visible = if visible.is_empty() {
        Value::Null
    } else {
        json!(visible)
    };
    Reply::Json(200, json!({ "secrets": visible }).to_string())
}

fn secrets() -> Value {
    let secret = |id: &str, key: &str, value: &str, readers: &[&str]| {
        json!({
            "id": id, "key": key, "value": value, "readers": readers, "writers": ["admin"],
            "deleters": [], "canChangeReaders": [], "canChangeWriters": [], "canChangeDeleters": [],
        })
    };
    json!([
        secret("s1", "alice/db", &format!("{CANARY}-1"), &["alice", "bob"]),
        secret("s2", "alice/\"odd\" é", "line\nbreak \u{1F600}", &["alice"]),
        secret("s3", "root-token", &format!("{CANARY}-3"), &["admin"]),
        secret("s4", "shared/key", "in one namespace", &["alice"]),
        secret("s5", "shared/key", "in another", &["alice"]),
    ])
}

struct Server {
    fake: Fake,
    dir: tempfile::TempDir,
}

impl Server {
    fn start(reply: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self {
            fake: Fake::start(reply),
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    fn token(&self, token: &str) -> PathBuf {
        let file = self.dir.path().join("token");
        std::fs::write(&file, format!("{token}\n")).expect("written");
        file
    }

    fn open(&self, token: &str, prefixes: &[&str]) -> Box<dyn SecretStore> {
        let mut entry = entry();
        entry.prefixes = prefixes.iter().map(ToString::to_string).collect();
        entry.kind = StoreKind::Openorch(OpenorchSettings {
            address: format!("{}/", self.fake.address),
            token_file: self.token(token),
        });
        with_surroundings(&[], |surroundings| open("o", &entry, surroundings)).expect("it opens")
    }
}

fn real() -> Server {
    let secrets = secrets();
    Server::start(move |asked| service(asked, &secrets))
}

#[test]
fn each_user_sees_own_keys_once_with_their_owners() {
    let server = real();
    let store = server.open("made-up-alice", &[]);
    let (keys, problems) = all(&*store);
    assert_eq!(keys, ["alice/\"odd\" é", "alice/db", "shared/key"]);
    assert!(problems.is_empty(), "{problems:?}");
    let page = store.list(None).expect("listed");
    for entry in &page.keys {
        let info = store.describe(&entry.key).expect("known");
        assert_eq!(entry.info.as_ref(), Some(&info));
        assert!(info.trimmed, "earlier values were overwritten");
        let owner = entry.key.as_str().split('/').next();
        assert_eq!(info.owner.as_deref(), owner);
    }
    let admin = server.open("made-up-admin", &["ro"]);
    assert_eq!(all(&*admin).0, ["root-token"]);
    let info = admin
        .describe(&KeyPath::new("root-token"))
        .expect("an administrator's");
    assert_eq!(info.owner, None);
    let health = admin.health().expect("healthy");
    assert!(health.notes[0].starts_with("5 secrets"), "{health:?}");
}

#[test]
fn values_come_as_they_are_and_readers_with_them() {
    let server = real();
    let store = server.open("made-up-alice", &[]);
    let fields = read(&*store, "alice/\"odd\" é", "current").expect("read");
    assert_eq!(fields.expect("there")[""], "line\nbreak \u{1F600}");
    let mut lent = Vec::new();
    let shared = KeyPath::new("shared/key");
    store
        .read(&shared, &VersionId::new("current"), &mut |field| {
            lent.push(field.bytes.to_vec());
        })
        .expect("read");
    assert_eq!(lent, [b"in one namespace".to_vec(), b"in another".to_vec()]);
    let readers = store.readers(&KeyPath::new("alice/db")).expect("told");
    assert_eq!((readers.known, readers.complete), (2, false));
    assert_eq!(readers.sample, ["alice", "bob"]);
    assert!(store.capabilities().readers);
}

#[test]
fn what_is_not_shown_is_not_called_absent() {
    let server = real();
    let store = server.open("made-up-alice", &[]);
    let error = read(&*store, "root-token", "current").expect_err("not alice's");
    assert_eq!(error.fault, Fault::NotFound);
    assert!(error.what.contains("may not read it"), "{error}");
    let error = read(&*store, "alice/db", "2").expect_err("no versions");
    assert_eq!(error.fault, Fault::NotFound);

    let empty = Server::start(|asked| service(asked, &json!([])));
    let (keys, problems) = all(&*empty.open("made-up-alice", &[]));
    assert!(keys.is_empty());
    assert_eq!(
        problems.len(),
        1,
        "an empty answer is no proof of an empty store"
    );
}

#[test]
fn nothing_is_ever_written() {
    let server = real();
    let store = server.open("made-up-admin", &[]);
    let can = Capabilities {
        readers: true,
        ..Capabilities::default()
    };
    assert_eq!(store.capabilities(), can);
    let fields = [(String::new(), Secret::new(b"made-up-new"))].into();
    let key = KeyPath::new("alice/db");
    let current = VersionId::new("current");
    let error = store
        .stage(&Change {
            key: &key,
            base: &current,
            fields: &fields,
            token: "t",
        })
        .expect_err("no write is safe");
    assert_eq!(error.fault, Fault::Unsupported);
    assert!(error.what.contains("overwrites"), "{error}");
    let unstage = store.unstage(&key, &current, &current);
    let annotate = store.annotate(&key, &[("a", "b")]);
    for error in [unstage, annotate].map(|outcome| outcome.expect_err("refused")) {
        assert_eq!(error.fault, Fault::Unsupported);
    }
    assert!(server.fake.asked().is_empty());
}

fn fault_of(error: &StoreError) -> Fault {
    let shown = format!("{error:?} {error} {}", error.help);
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(!shown.contains("made-up-"), "{shown}");
    assert!(!error.help.is_empty());
    error.fault.clone()
}

#[test]
fn statuses_and_garbage_have_their_faults_and_are_never_quoted() {
    let status = Arc::new(AtomicU16::new(0));
    let seen = Arc::clone(&status);
    let server = Server::start(move |_| match seen.load(Ordering::SeqCst) {
        0 => Reply::Json(200, format!("{{\"secrets\":[{{\"value\":\"{CANARY}\"}}]}}")),
        1 => Reply::Json(200, format!("<html>{CANARY}")),
        2 => Reply::Json(200, format!("[\"{CANARY}\"]")),
        3 => Reply::Full(200, &[], vec![b' '; 5 << 20]),
        4 => Reply::Full(302, &["location: http://127.0.0.1:1/"], Vec::new()),
        status => Reply::Json(status, format!("{{\"error\":\"{CANARY}\"}}")),
    });
    let store = server.open("made-up-alice", &[]);
    for (number, fault) in [
        (0, Fault::Protocol),
        (1, Fault::Protocol),
        (2, Fault::Protocol),
        (3, Fault::Protocol),
        (4, Fault::Protocol),
        (400, Fault::Protocol),
        (401, Fault::Unauthenticated),
        (403, Fault::Denied),
        (404, Fault::Setup),
        (429, Fault::Retryable { after: None }),
        (500, Fault::Retryable { after: None }),
        (503, Fault::Unavailable),
    ] {
        status.store(number, Ordering::SeqCst);
        let error = store.list(None).expect_err("refused");
        assert_eq!(fault_of(&error), fault, "{number}: {error}");
        if number == 3 {
            assert!(error.help.contains("all keys at once"), "{}", error.help);
        }
    }
}

#[test]
fn settings_that_would_leak_the_token_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    for (address, file) in [
        ("http://openorch.example.com", "token"),
        ("https://user:word@openorch.example.com", "token"),
        ("https://openorch.example.com", "missing"),
    ] {
        std::fs::write(dir.path().join("token"), "made-up-alice").expect("written");
        let mut entry = entry();
        entry.kind = StoreKind::Openorch(OpenorchSettings {
            address: address.to_owned(),
            token_file: dir.path().join(file),
        });
        let error = with_surroundings(&[], |surroundings| open("o", &entry, surroundings))
            .err()
            .expect("refused");
        assert_eq!(fault_of(&error), Fault::Setup, "{address}");
    }
}

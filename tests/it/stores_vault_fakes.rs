//! Vault and OpenBao: what a real server cannot be made to show, on strict fakes: answers that are lost, cut, too large or sent elsewhere, and
//! a rotation that fails and is done later in the background.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use keysweep::{
    config::stores::{StoreKind, VaultSettings},
    model::Secret,
    stores::{Change, Fault, KeyPath, NativeProgress, SecretStore, StoreError, VersionId, open},
};
use serde_json::json;

use super::{
    servers::{Asked, Fake, Reply},
    stores_vault::{all, entry, read, with_surroundings},
};

const CANARY: &str = "made-up-canary-value";

fn open_at(fake: &Fake) -> Box<dyn SecretStore> {
    let mut entry = entry();
    entry.kind = StoreKind::Vault(VaultSettings {
        address: Some(fake.address.clone()),
        database: Some("database".to_owned()),
        ..VaultSettings::default()
    });
    let variables = [("VAULT_TOKEN", "made-up-token")];
    with_surroundings(&variables, |surroundings| open("v", &entry, surroundings)).expect("it opens")
}

/// Answers what every store asks first; everything else is the test's.
fn with_mounts(mut rest: impl FnMut(&Asked) -> Reply + Send + 'static) -> Fake {
    Fake::start(move |asked| match asked.path.as_str() {
        "/v1/sys/internal/ui/mounts" => {
            let kv = json!({"secret/": {"type": "kv", "options": {"version": "2"}}});
            Reply::Json(200, json!({"data": {"secret": kv}}).to_string())
        }
        "/v1/sys/mounts" => Reply::Json(403, r#"{"errors":["1 error occurred"]}"#.to_owned()),
        "/v1/auth/token/lookup-self" => Reply::Json(200, json!({"data": {}}).to_string()),
        _ => rest(asked),
    })
}

fn value() -> String {
    json!({"data": {"data": {"password": CANARY}, "metadata": {"version": 1}}}).to_string()
}

fn count(fake: &Fake, method: &str, path: &str) -> usize {
    let asked = fake.asked();
    let same = asked
        .iter()
        .filter(|asked| asked.method == method && asked.path.starts_with(path));
    same.count()
}

fn stage(store: &dyn SecretStore) -> Result<VersionId, StoreError> {
    let fields = [("password".to_owned(), Secret::new(b"made-up-new"))].into();
    store.stage(&Change {
        key: &KeyPath::new("secret/app"),
        base: &VersionId::new("1"),
        fields: &fields,
        token: "t",
    })
}

#[test]
fn a_write_without_an_answer_is_unknown_and_is_sent_once() {
    for half in [false, true] {
        let fake = with_mounts(move |asked| match asked.method.as_str() {
            "GET" => Reply::Json(200, value()),
            _ if half => Reply::Half(200, b"{\"data\":{".to_vec()),
            _ => Reply::Nothing,
        });
        let error = stage(&*open_at(&fake)).expect_err("no answer");
        assert_eq!(error.fault, Fault::Unknown, "{error}");
        assert_eq!(count(&fake, "POST", "/v1/secret/data/app"), 1);
    }
}

#[test]
fn a_write_that_fails_at_the_server_is_unknown_and_a_conflict_is_none() {
    let fake = with_mounts(|asked| match asked.method.as_str() {
        "GET" => Reply::Json(200, value()),
        _ => Reply::Json(500, json!({"errors": [CANARY]}).to_string()),
    });
    let error = stage(&*open_at(&fake)).expect_err("a fault");
    assert_eq!(error.fault, Fault::Unknown);
    assert!(!format!("{error:?}").contains(CANARY));
    assert_eq!(count(&fake, "POST", "/v1/secret/data/app"), 1);
    let body = &fake.asked().last().expect("asked").body.clone();
    let sent: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        sent,
        json!({"options": {"cas": 1}, "data": {"password": "made-up-new"}})
    );
}

#[test]
fn a_read_is_tried_again_and_waits_as_long_as_the_server_says() {
    let tries = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&tries);
    let fake = with_mounts(move |_| match seen.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Nothing,
        1 => Reply::Half(200, value().into_bytes()),
        2 => Reply::Full(429, &["retry-after: 1"], b"{\"errors\":[]}".to_vec()),
        3 => Reply::Json(502, String::new()),
        _ => Reply::Json(200, value()),
    });
    let start = Instant::now();
    let fields = read(&*open_at(&fake), "secret/app", "1")
        .expect("read")
        .expect("there");
    assert_eq!(fields["password"], CANARY);
    assert_eq!(tries.load(Ordering::SeqCst), 5);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn tries_are_bounded() {
    let fake = with_mounts(|_| Reply::Json(500, json!({"errors": [CANARY]}).to_string()));
    let error = read(&*open_at(&fake), "secret/app", "1").expect_err("it stays so");
    assert!(matches!(error.fault, Fault::Retryable { .. }), "{error}");
    assert_eq!(count(&fake, "GET", "/v1/secret/data/app"), 5);
    assert!(!format!("{error:?}").contains(CANARY));

    let fake = with_mounts(|_| Reply::Full(429, &["retry-after: 3600"], b"{}".to_vec()));
    let start = Instant::now();
    let error = read(&*open_at(&fake), "secret/app", "1").expect_err("an hour is too long");
    let hour = Some(Duration::from_secs(3600));
    assert_eq!(error.fault, Fault::Retryable { after: hour });
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_token_is_not_carried_to_where_a_redirect_leads() {
    let elsewhere = Fake::start(|_| Reply::Json(200, value()));
    let lines: &'static [&'static str] = Box::leak(Box::new([&*Box::leak(
        format!("location: {}/v1/secret/data/app", elsewhere.address).into_boxed_str(),
    )]));
    let fake = with_mounts(move |_| Reply::Full(307, lines, Vec::new()));
    let store = open_at(&fake);
    for error in [
        read(&*store, "secret/app", "1").expect_err("a redirect"),
        stage(&*store).expect_err("a redirect"),
    ] {
        assert_eq!(error.fault, Fault::Protocol);
        assert!(error.what.contains("redirect"), "{error}");
        assert!(error.help.contains("active node"), "{}", error.help);
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn answers_that_are_too_large_or_no_json_are_refused() {
    let fake = with_mounts(|_| {
        let body = format!("{{\"data\":\"{}\"}}", "x".repeat(5 << 20));
        Reply::Full(200, &[], body.into_bytes())
    });
    let error = read(&*open_at(&fake), "secret/app", "1").expect_err("too large");
    assert_eq!(error.fault, Fault::Protocol);
    assert!(error.what.contains("4 MiB"), "{error}");
    assert_eq!(count(&fake, "GET", "/v1/secret/data/app"), 1);

    let pages = [
        format!("<html>{CANARY}</html>"),
        format!("{{\"data\":{{\"data\":\"{CANARY}"),
        "[".repeat(100_000),
        format!("[\"{CANARY}\"]"),
    ];
    for page in pages {
        let fake = with_mounts(move |_| Reply::Json(200, page.clone()));
        let error = read(&*open_at(&fake), "secret/app", "1").expect_err("no answer of a Vault");
        assert_eq!(error.fault, Fault::Protocol, "{error}");
        assert!(!format!("{error:?}").contains(CANARY));
    }
}

#[test]
fn nobody_listening_means_that_nothing_was_sent() {
    let fake = with_mounts(|_| Reply::Json(200, value()));
    let store = open_at(&fake);
    assert!(read(&*store, "secret/app", "1").expect("read").is_some());
    drop(fake);
    let error = store
        .annotate(&KeyPath::new("secret/app"), &[("a", "b")])
        .expect_err("nobody listens");
    assert_eq!(error.fault, Fault::Unavailable, "{error}");
    assert!(error.fault.stops());
}

#[test]
fn a_rotation_that_the_server_does_later_is_found_by_polling() {
    let polls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&polls);
    let fake = with_mounts(move |asked| {
        let role = |last: &str| {
            let data =
                json!({"username": "app", "rotation_period": 60, "last_vault_rotation": last});
            Reply::Json(200, json!({ "data": data }).to_string())
        };
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/v1/database/static-roles/app") => match seen.fetch_add(1, Ordering::SeqCst) {
                0..=2 => role("2026-01-01T00:00:00Z"),
                _ => role("2026-01-01T00:01:00Z"),
            },
            ("POST", "/v1/database/rotate-role/app") => {
                Reply::Json(500, json!({"errors": [CANARY]}).to_string())
            }
            _ => Reply::Json(418, String::new()),
        }
    });
    let store = open_at(&fake);
    let key = KeyPath::new("database/static-creds/app");
    let info = store.describe(&key).expect("known");
    assert_eq!(info.next_rotation, info.changed.map(|changed| changed + 60));
    let error = store.native_rotate(&key, "t").expect_err("it failed");
    assert_eq!(error.fault, Fault::Unknown);
    assert!(!format!("{error:?}").contains(CANARY));
    let rotation = keysweep::stores::NativeRotation {
        key,
        mark: info.current().expect("a version").id.to_string(),
    };
    assert_eq!(store.poll(&rotation), Ok(NativeProgress::Running));
    let done = NativeProgress::Done(VersionId::new("2026-01-01T00:01:00Z"));
    assert_eq!(store.poll(&rotation), Ok(done));
    assert_eq!(count(&fake, "POST", "/v1/database/rotate-role/app"), 1);
}

#[test]
fn a_server_without_scan_and_pages_is_listed_folder_by_folder() {
    // HashiCorp Vault knows neither `scan` nor `limit` and sends every folder whole; exactly a page's worth must not be asked for for ever.
    let fake = with_mounts(|asked| {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let keys: Vec<String> = match path {
            _ if query.contains("scan=true") => return Reply::Json(405, r#"{"errors":[]}"#.into()),
            "/v1/secret/metadata/" => vec!["a/".to_owned(), "top".to_owned()],
            "/v1/secret/metadata/a/" => (0..1000).map(|n| format!("k{n:04}")).collect(),
            _ => return Reply::Json(404, r#"{"errors":[]}"#.into()),
        };
        Reply::Json(200, json!({"data": {"keys": keys}}).to_string())
    });
    let (keys, problems) = all(&*open_at(&fake));
    assert_eq!(keys.len(), 1001);
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), 1001);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(count(&fake, "GET", "/v1/secret/metadata/a/?list=true"), 2);
}

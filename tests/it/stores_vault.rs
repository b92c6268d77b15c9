//! Vault and OpenBao: keys, versions, writes, rotations and the audit log, on the real OpenBao and PostgreSQL.

use std::{collections::BTreeMap, ffi::OsString};

use keysweep::{
    config::stores::{StoreEntry, StoreKind, VaultSettings},
    model::Secret,
    stores::{
        Change, Fault, KeyPath, NativeProgress, NativeRotation, ReadOutcome, SecretStore,
        StoreError, Surroundings, VersionId, VersionState, open, vault,
    },
};
use serde_json::{Value, json};

use super::servers::{Bao, Postgres};

/// Opens a store with a token from the environment.
pub(super) fn store_with(
    bao: &Bao,
    token: &str,
    change: impl FnOnce(&mut StoreEntry, &mut VaultSettings),
) -> Result<Box<dyn SecretStore>, StoreError> {
    let mut settings = VaultSettings {
        address: Some(bao.address.clone()),
        ..VaultSettings::default()
    };
    let mut entry = entry();
    change(&mut entry, &mut settings);
    entry.kind = StoreKind::Vault(settings);
    let variables = [("BAO_TOKEN", token)];
    with_surroundings(&variables, |surroundings| open("v", &entry, surroundings))
}

pub(super) fn entry() -> StoreEntry {
    StoreEntry {
        environment: None,
        prefixes: Vec::new(),
        max_age_days: None,
        kind: StoreKind::Vault(VaultSettings::default()),
    }
}

pub(super) fn with_surroundings<R>(
    variables: &[(&str, &str)],
    run: impl FnOnce(&Surroundings<'_>) -> R,
) -> R {
    let variable = |name: &str| {
        let found = variables
            .iter()
            .find(|(own, value)| *own == name && !value.is_empty());
        found.map(|(_, value)| OsString::from(value))
    };
    run(&Surroundings {
        variable: &variable,
        home: None,
        history: &|_| Ok(Vec::new()),
    })
}

pub(super) fn store(bao: &Bao) -> Box<dyn SecretStore> {
    store_with(bao, Bao::ROOT, |_, _| {}).expect("it opens")
}

/// Lists everything: keys, and places with problems.
pub(super) fn all(store: &dyn SecretStore) -> (Vec<String>, Vec<(String, StoreError)>) {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    let mut cursor = None;
    loop {
        let page = store.list(cursor.as_ref()).expect("it lists");
        keys.extend(page.keys.iter().map(|entry| entry.key.to_string()));
        problems.extend(
            page.problems
                .into_iter()
                .map(|(key, error)| (key.to_string(), error)),
        );
        cursor = page.next;
        if cursor.is_none() {
            keys.sort();
            return (keys, problems);
        }
    }
}

pub(super) fn read(
    store: &dyn SecretStore,
    key: &str,
    version: &str,
) -> Result<Option<BTreeMap<String, String>>, StoreError> {
    let mut fields = BTreeMap::new();
    let outcome = store.read(&KeyPath::new(key), &VersionId::new(version), &mut |field| {
        let text = String::from_utf8(field.bytes.to_vec()).expect("text");
        fields.insert(field.name.to_owned(), text);
    })?;
    Ok((outcome == ReadOutcome::Read).then_some(fields))
}

/// Writes a version of `secret/KEY` as root.
pub(super) fn put(bao: &Bao, key: &str, data: &Value) {
    bao.root(
        "POST",
        &format!("secret/data/{key}"),
        &json!({ "data": data }),
    );
}

pub(super) fn policy(bao: &Bao, name: &str, text: &str) {
    bao.root(
        "POST",
        &format!("sys/policies/acl/{name}"),
        &json!({ "policy": text }),
    );
}

pub(super) fn states(store: &dyn SecretStore, key: &str) -> Vec<(String, VersionState)> {
    let info = store.describe(&KeyPath::new(key)).expect("it is known");
    let versions = info.versions.into_iter();
    versions
        .map(|version| (version.id.to_string(), version.state))
        .collect()
}

#[test]
fn keys_of_all_mounts_are_listed() {
    let bao = Bao::start();
    for key in ["prod/app/db", "prod/app", "sp%20ace/%C3%A9%3F%23"] {
        put(&bao, key, &json!({"k": "v"}));
    }
    let versioned = json!({"type": "kv", "options": {"version": "2"}});
    bao.root("POST", "sys/mounts/team/kv", &versioned);
    bao.root("POST", "sys/mounts/empty", &json!({"type": "kv"}));
    bao.root("POST", "sys/mounts/old", &json!({"type": "kv"}));
    bao.root(
        "POST",
        "old/a/b",
        &json!({"token": "made-up", "deep": {"x": 1}}),
    );
    let store = store(&bao);
    let (keys, problems) = all(&*store);
    assert_eq!(
        keys,
        [
            "old/a/b",
            "secret/prod/app",
            "secret/prod/app/db",
            "secret/sp ace/é?#"
        ]
    );
    assert!(problems.is_empty(), "{problems:?}");
    let odd = read(&*store, "secret/sp ace/é?#", "1")
        .expect("read")
        .expect("there");
    assert_eq!(odd["k"], "v");

    let current = [("current".to_owned(), VersionState::Current)];
    assert_eq!(states(&*store, "old/a/b"), current);
    let old = read(&*store, "old/a/b", "current")
        .expect("read")
        .expect("there");
    assert_eq!(
        (old["token"].as_str(), old["deep"].as_str()),
        ("made-up", r#"{"x":1}"#)
    );

    let named = store_with(&bao, Bao::ROOT, |entry, settings| {
        settings.mounts = vec!["secret".to_owned(), "missing".to_owned()];
        entry.prefixes = vec!["secret/prod/app/".to_owned(), "elsewhere/".to_owned()];
    })
    .expect("it opens");
    let (keys, problems) = all(&*named);
    assert_eq!(keys, ["secret/prod/app/db"]);
    let places: Vec<_> = problems.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["missing/", "elsewhere/"]);
}

#[test]
fn a_key_is_described_and_read_in_every_version() {
    let bao = Bao::start();
    put(
        &bao,
        "db",
        &json!({"password": "made-up-one", "n": {"a": [1, "<&>"]}}),
    );
    put(
        &bao,
        "db",
        &json!({"password": "made-up \"two\"\n", "port": 5432}),
    );
    let notes = json!({"custom_metadata": {"owner": "team-a", "environment": "prod"}});
    bao.root("PATCH", "secret/metadata/db", &notes);
    let store = store(&bao);
    let info = store.describe(&KeyPath::new("secret/db")).expect("known");
    assert_eq!(info.owner.as_deref(), Some("team-a"));
    assert_eq!(info.environment.as_deref(), Some("prod"));
    assert!(!info.trimmed && info.changed.is_some() && !info.hidden);
    assert_eq!(
        states(&*store, "secret/db"),
        [
            ("2".to_owned(), VersionState::Current),
            ("1".to_owned(), VersionState::Previous)
        ]
    );
    let one = read(&*store, "secret/db", "1")
        .expect("read")
        .expect("there");
    assert_eq!(one["password"], "made-up-one");
    let nested: Value = serde_json::from_str(&one["n"]).expect("JSON");
    assert_eq!(nested, json!({"a": [1, "<&>"]}));
    let two = read(&*store, "secret/db", "2")
        .expect("read")
        .expect("there");
    assert_eq!(
        (two["password"].as_str(), two["port"].as_str()),
        ("made-up \"two\"\n", "5432")
    );
}

#[test]
fn versions_that_are_not_there_say_why() {
    let bao = Bao::start();
    for n in 1..=3 {
        put(&bao, "gone", &json!({"k": format!("v{n}")}));
    }
    bao.root("POST", "secret/delete/gone", &json!({"versions": [2, 3]}));
    bao.root("POST", "secret/destroy/gone", &json!({"versions": [1]}));
    for n in 1..=12 {
        put(&bao, "many", &json!({"k": format!("v{n}")}));
    }
    let store = store(&bao);
    assert_eq!(
        states(&*store, "secret/gone"),
        [
            ("3".to_owned(), VersionState::SoftDeleted),
            ("2".to_owned(), VersionState::SoftDeleted),
            ("1".to_owned(), VersionState::Destroyed)
        ]
    );
    for version in ["1", "2", "3"] {
        assert_eq!(read(&*store, "secret/gone", version), Ok(None), "{version}");
    }
    let info = store.describe(&KeyPath::new("secret/many")).expect("known");
    assert!(info.trimmed);
    assert_eq!(info.versions.len(), 10);
    let trimmed = read(&*store, "secret/many", "2").expect_err("trimmed");
    let never = read(&*store, "secret/many", "40").expect_err("never");
    let no_key = read(&*store, "secret/nothing", "1").expect_err("no key");
    for error in [&trimmed, &never, &no_key] {
        assert_eq!(error.fault, Fault::NotFound);
    }
    assert!(trimmed.what.contains("thrown this one away"), "{trimmed}");
    assert!(never.what.contains("no such version"), "{never}");
    assert!(no_key.what.contains("no such key"), "{no_key}");
    assert!(trimmed.help.contains("max_versions"));
    let outside = read(&*store, "nowhere/x", "1").expect_err("no mount");
    assert!(outside.what.contains("no KV mount"), "{outside}");
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), Secret::new(value.as_bytes())))
        .collect()
}

fn stage(
    store: &dyn SecretStore,
    key: &str,
    base: &str,
    pairs: &[(&str, &str)],
) -> Result<String, StoreError> {
    let staged = store.stage(&Change {
        key: &KeyPath::new(key),
        base: &VersionId::new(base),
        fields: &fields(pairs),
        token: "00000000-0000-0000-0000-000000000001",
    })?;
    Ok(staged.to_string())
}

#[test]
fn a_write_keeps_other_fields_and_never_undoes_somebody_elses() {
    let bao = Bao::start();
    let before = json!({"password": "made-up-old", "n": {"deep": [1, 2.50]}, "user": "a\"b"});
    put(&bao, "app", &before);
    let store = store(&bao);
    let new = [("password", "made-up \"new\" \u{e9}\n")];
    assert_eq!(stage(&*store, "secret/app", "1", &new).as_deref(), Ok("2"));
    let answer = bao.root("GET", "secret/data/app", &Value::Null);
    let mut expected = before.clone();
    expected["password"] = json!("made-up \"new\" \u{e9}\n");
    assert_eq!(answer["data"]["data"], expected);

    // The same again: a run that got no answer finds its own write.
    assert_eq!(stage(&*store, "secret/app", "1", &new).as_deref(), Ok("2"));
    let other = stage(&*store, "secret/app", "1", &[("password", "made-up-other")]);
    let error = other.expect_err("somebody was faster");
    assert_eq!(error.fault, Fault::Conflict);
    assert!(!format!("{error:?}").contains("made-up-"), "{error:?}");

    let key = KeyPath::new("secret/app");
    let (one, two) = (VersionId::new("1"), VersionId::new("2"));
    store.unstage(&key, &one, &two).expect("taken back");
    store
        .unstage(&key, &one, &two)
        .expect("once more does no harm");
    let answer = bao.root("GET", "secret/data/app", &Value::Null);
    assert_eq!(answer["data"]["data"], before);
    assert_eq!(answer["data"]["metadata"]["version"], 3);
    put(&bao, "app", &json!({"password": "by hand"}));
    let late = store.unstage(&key, &one, &VersionId::new("3"));
    assert_eq!(late.expect_err("somebody wrote").fault, Fault::Conflict);

    let whole = stage(&*store, "secret/app", "4", &[("", "made-up")]);
    assert_eq!(whole.expect_err("fields have names").fault, Fault::Setup);
    let nothing = stage(&*store, "secret/nothing", "1", &new);
    assert_eq!(nothing.expect_err("no key").fault, Fault::NotFound);
}

#[test]
fn version_one_is_not_written_to() {
    let bao = Bao::start();
    bao.root("POST", "sys/mounts/old", &json!({"type": "kv"}));
    bao.root("POST", "old/app", &json!({"password": "made-up"}));
    let store = store(&bao);
    let error = stage(&*store, "old/app", "current", &[("password", "x")]).expect_err("refused");
    assert_eq!(error.fault, Fault::Unsupported);
    assert!(
        error.help.contains("enable-versioning old/"),
        "{}",
        error.help
    );
    let answer = bao.root("GET", "old/app", &Value::Null);
    assert_eq!(answer["data"]["password"], "made-up");
    let key = KeyPath::new("old/app");
    let error = store.annotate(&key, &[("a", "b")]).expect_err("refused");
    assert_eq!(error.fault, Fault::Unsupported);
}

#[test]
fn versions_are_switched_off_and_on_and_the_current_one_is_never_destroyed() {
    let bao = Bao::start();
    for n in 1..=3 {
        put(&bao, "app", &json!({"k": format!("v{n}")}));
    }
    let store = store(&bao);
    let key = KeyPath::new("secret/app");
    let (one, three) = (VersionId::new("1"), VersionId::new("3"));
    store.disable(&key, &one).expect("switched off");
    assert_eq!(read(&*store, "secret/app", "1"), Ok(None));
    store.restore(&key, &one).expect("switched on");
    assert!(read(&*store, "secret/app", "1").expect("read").is_some());
    let current = store.destroy(&key, &three).expect_err("it is current");
    assert_eq!(current.fault, Fault::Conflict);
    store.disable(&key, &three).expect("switched off");
    assert_eq!(
        store.destroy(&key, &three).expect_err("newest").fault,
        Fault::Conflict
    );
    store.restore(&key, &three).expect("switched on");
    store.destroy(&key, &one).expect("destroyed");
    store.destroy(&key, &one).expect("once more does no harm");
    assert_eq!(
        states(&*store, "secret/app").last(),
        Some(&("1".to_owned(), VersionState::Destroyed))
    );
    let unknown = store
        .disable(&key, &VersionId::new("9"))
        .expect_err("no such version");
    assert_eq!(unknown.fault, Fault::NotFound);
}

#[test]
fn notes_are_merged_with_and_without_the_right_to_patch() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    bao.root(
        "PATCH",
        "secret/metadata/app",
        &json!({"custom_metadata": {"owner": "team-a"}}),
    );
    policy(
        &bao,
        "update",
        r#"path "secret/metadata/*" { capabilities = ["read", "update"] }"#,
    );
    let token = bao.token(&["update"], "5m");
    let key = KeyPath::new("secret/app");
    let patching = store(&bao);
    patching
        .annotate(&key, &[("rotated-by", "keysweep")])
        .expect("noted");
    let updating = store_with(&bao, &token, |_, _| {}).expect("it opens");
    updating
        .annotate(&key, &[("why", "leak \"1\"")])
        .expect("noted");
    let answer = bao.root("GET", "secret/metadata/app", &Value::Null);
    assert_eq!(
        answer["data"]["custom_metadata"],
        json!({"owner": "team-a", "rotated-by": "keysweep", "why": "leak \"1\""})
    );
    let long = "x".repeat(513);
    let error = patching
        .annotate(&key, &[("why", &long)])
        .expect_err("too long");
    assert_eq!(error.fault, Fault::Setup);
}

/// Connects OpenBao's database engine to PostgreSQL.
fn connect(bao: &Bao, postgres: &Postgres) {
    postgres.sql("create role appuser login password 'made-up-leaked-1'");
    postgres.sql("create role vaultadmin login superuser password 'made-up-initial'");
    bao.root("POST", "sys/mounts/database", &json!({"type": "database"}));
    let url = format!(
        "postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/postgres?sslmode=disable",
        postgres.port
    );
    bao.root(
        "POST",
        "database/config/pg",
        &json!({
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": "vaultadmin",
            "password": "made-up-initial", "connection_url": url, "password_authentication": "scram-sha-256"
        }),
    );
    bao.root(
        "POST",
        "database/static-roles/app",
        &json!({"db_name": "pg", "username": "appuser", "rotation_period": "24h"}),
    );
}

fn with_database(bao: &Bao) -> Box<dyn SecretStore> {
    store_with(bao, Bao::ROOT, |_, settings| {
        settings.database = Some("database/".to_owned());
    })
    .expect("it opens")
}

#[test]
fn static_roles_are_read_and_rotated() {
    let (bao, postgres) = (Bao::start(), Postgres::start());
    connect(&bao, &postgres);
    let store = with_database(&bao);
    let (keys, problems) = all(&*store);
    assert_eq!(keys, ["database/config/pg", "database/static-creds/app"]);
    assert!(problems.is_empty(), "{problems:?}");
    let key = KeyPath::new("database/static-creds/app");
    let info = store.describe(&key).expect("known");
    assert!(info.native_rotation && info.trimmed);
    let (changed, next) = (
        info.changed.expect("a time"),
        info.next_rotation.expect("a time"),
    );
    assert_eq!(next - changed, 24 * 3600);
    let before = info.current().expect("a version").id.clone();
    let old = read(&*store, key.as_str(), before.as_str())
        .expect("read")
        .expect("there");
    assert_eq!(old.keys().collect::<Vec<_>>(), ["password", "username"]);
    assert!(postgres.lets_in("appuser", &old["password"]));

    let rotation = store.native_rotate(&key, "t").expect("rotated");
    assert_eq!(rotation.mark, before.as_str());
    let NativeProgress::Done(after) = store.poll(&rotation).expect("polled") else {
        panic!("it is done")
    };
    let new = read(&*store, key.as_str(), after.as_str())
        .expect("read")
        .expect("there");
    assert!(postgres.lets_in("appuser", &new["password"]));
    assert!(!postgres.lets_in("appuser", &old["password"]));
    let stale = read(&*store, key.as_str(), before.as_str()).expect_err("rotated meanwhile");
    assert_eq!(stale.fault, Fault::Conflict);
    let none = store.native_rotate(&KeyPath::new("database/static-creds/none"), "t");
    assert_eq!(none.expect_err("no role").fault, Fault::NotFound);
    let kv = store.native_rotate(&KeyPath::new("secret/x"), "t");
    assert_eq!(kv.expect_err("KV cannot").fault, Fault::Unsupported);
}

#[test]
fn root_credentials_are_rotated_and_never_told() {
    let (bao, postgres) = (Bao::start(), Postgres::start());
    connect(&bao, &postgres);
    let store = with_database(&bao);
    let key = KeyPath::new("database/config/pg");
    let info = store.describe(&key).expect("known");
    assert!(info.hidden && info.native_rotation && info.versions.is_empty());
    let outcome = store.read(&key, &VersionId::new("x"), &mut |_| panic!("it is hidden"));
    assert_eq!(outcome, Ok(ReadOutcome::Hidden));
    assert!(postgres.lets_in("vaultadmin", "made-up-initial"));
    let rotation = store.native_rotate(&key, "t").expect("rotated");
    assert!(matches!(store.poll(&rotation), Ok(NativeProgress::Done(_))));
    assert!(!postgres.lets_in("vaultadmin", "made-up-initial"));
    let unknown = NativeRotation {
        key,
        mark: String::new(),
    };
    assert!(matches!(store.poll(&unknown), Ok(NativeProgress::Stuck(_))));
}

#[test]
fn a_rotation_that_fails_at_the_server_is_unknown_and_polled() {
    let (bao, postgres) = (Bao::start(), Postgres::start());
    connect(&bao, &postgres);
    let store = with_database(&bao);
    let key = KeyPath::new("database/static-creds/app");
    let before = store.describe(&key).expect("known");
    drop(postgres);
    let error = store.native_rotate(&key, "t").expect_err("no database");
    assert_eq!(error.fault, Fault::Unknown, "{error}");
    let rotation = NativeRotation {
        key,
        mark: before.current().expect("a version").id.to_string(),
    };
    assert_eq!(store.poll(&rotation), Ok(NativeProgress::Running));
}

#[test]
fn the_audit_log_tells_uses_to_a_token_that_may_read_nothing() {
    let bao = Bao::audited();
    let leaked = "made-up-leaked-value-1";
    put(&bao, "prod/app", &json!({"password": leaked}));
    policy(
        &bao,
        "reader",
        r#"path "secret/data/*" { capabilities = ["read"] }"#,
    );
    let reader = bao.token(&["reader"], "5m");
    for _ in 0..2 {
        bao.ask("GET", "secret/data/prod/app", &reader, &Value::Null);
    }
    policy(
        &bao,
        "tracer",
        r#"path "sys/audit-hash/main" { capabilities = ["update"] }"#,
    );
    let token = bao.token(&["tracer"], "5m");
    assert_eq!(
        bao.ask("GET", "secret/data/prod/app", &token, &Value::Null)
            .0,
        403
    );
    let settings = VaultSettings {
        address: Some(bao.address.clone()),
        audit_device: Some("main".to_owned()),
        ..VaultSettings::default()
    };
    let variables = [("VAULT_TOKEN", token.as_str())];
    let vault = with_surroundings(&variables, |s| {
        vault::Vault::open("v", &entry(), &settings, s)
    });
    let vault = vault.expect("it opens");
    let values = [leaked, "made-up-never-used"].map(|value| Secret::new(value.as_bytes()));
    // Once more, so that the questions of the first run are in the log.
    vault.trace(&values, &bao.audit_file()).expect("traced");
    let traces = vault.trace(&values, &bao.audit_file()).expect("traced");
    let place = |operation: &str| (operation.to_owned(), "secret/data/prod/app".to_owned());
    let found = &traces[0];
    assert_eq!(found.uses, 3, "{found:?}");
    assert_eq!(found.places.get(&place("read")), Some(&2));
    assert_eq!(found.places.get(&place("create")), Some(&1), "{found:?}");
    assert_eq!(found.addresses.keys().collect::<Vec<_>>(), ["127.0.0.1"]);
    assert!(found.principals.contains_key("token"), "{found:?}");
    assert!(found.first < found.last && found.log.entries > 5 && found.log.from.is_some());
    assert_eq!((traces[1].uses, traces[1].compared), (0, true));

    let missing = vault.trace(&values, &bao.dir().join("none"));
    assert_eq!(missing.expect_err("no file").fault, Fault::Setup);
}

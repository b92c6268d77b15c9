//! Azure Key Vault, on a strict fake: states, pages, races, and answers that are not what they should be.
//!
//! Microsoft's library takes tokens over plain http from one place only, that of a hosted service's own identity, and looks for it in the
//! process's environment. So each test runs in a process of its own, with an identity that a fake beside it gives.

use std::process::Command;

use keysweep::{
    config::stores::{AzureSettings, StoreKind},
    model::StoreState,
    stores::{Fault, KeyPath, SecretStore, StoreError, VersionId, VersionState, open},
};
use serde_json::json;

use super::{
    azure_fake::{Vault, bearer},
    cloud_support::{stage, verdicts},
    servers::{Fake, Reply},
    stores_vault::{all, entry, read, states, with_surroundings},
};

/// Long and random enough to be compared.
const ONE: &str = "kT9vLm2qPzXw7RbN";
const TWO: &str = "Zq4wNc8yTb3mKd6h";
const THREE: &str = "Wm7xRf2jHs9pLv5c";

const HEADER: &str = "made-up-identity-header";

/// Runs a test in a process whose environment names an identity; `gives` is whether that gives tokens.
fn with_identity(test: &str, gives: bool, body: impl FnOnce()) {
    if std::env::var_os("IDENTITY_HEADER").is_some_and(|header| header == HEADER) {
        return body();
    }
    let identity = Fake::start(move |asked| {
        let path = "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net";
        let secret = ("x-identity-header".to_owned(), HEADER.to_owned());
        if asked.path != path || !asked.headers.contains(&secret) || !gives {
            return Reply::Json(
                400,
                json!({"message": "made-up-canary-message"}).to_string(),
            );
        }
        let token = json!({
            "access_token": "made-up-access",
            "expires_on": "4102444800",
            "resource": "https://vault.azure.net",
            "token_type": "Bearer",
        });
        Reply::Json(200, token.to_string())
    });
    let module = module_path!().split_once("::").expect("in the crate").1;
    let output = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", &format!("{module}::{test}"), "--nocapture"])
        .env(
            "IDENTITY_ENDPOINT",
            format!("{}/msi/token", identity.address),
        )
        .env("IDENTITY_HEADER", HEADER)
        .env_remove("IDENTITY_SERVER_THUMBPRINT")
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{told}");
}

fn open_with(
    address: &str,
    change: impl FnOnce(&mut AzureSettings),
) -> Result<Box<dyn SecretStore>, StoreError> {
    let mut settings = AzureSettings {
        vault: address.to_owned(),
        any_resource: true,
    };
    change(&mut settings);
    let mut entry = entry();
    entry.kind = StoreKind::Azure(settings);
    let variables = [("IDENTITY_ENDPOINT", "set")];
    with_surroundings(&variables, |surroundings| open("a", &entry, surroundings))
}

fn store(vault: &Vault) -> Box<dyn SecretStore> {
    open_with(&vault.fake.address, |_| {}).expect("it opens")
}

/// Says that no word of an answer, no value and no credential is told.
fn tells_nothing(error: &StoreError) {
    let told = format!("{error} {error:?}");
    for hidden in ["made-up-canary", "made-up-access", HEADER, ONE, TWO] {
        assert!(!told.contains(hidden), "{told}");
    }
    assert!(!error.help.is_empty());
}

#[test]
fn versions_have_the_states_that_azure_gives_them() {
    with_identity(
        "versions_have_the_states_that_azure_gives_them",
        true,
        || {
            let vault = Vault::start();
            vault.world().page = 2;
            let one = vault.put("db", ONE, false);
            let two = vault.put("db", ONE, true);
            let three = vault.put("db", TWO, true);
            let store = store(&vault);
            let expected = [
                (three.clone(), VersionState::Current),
                (two.clone(), VersionState::Previous),
                (one.clone(), VersionState::Disabled),
            ];
            assert_eq!(states(&*store, "db"), expected);
            let value = read(&*store, "db", &two).expect("read").expect("enabled");
            assert_eq!(value[""], ONE);
            assert_eq!(read(&*store, "db", &one), Ok(None));
            let absent = "0123456789abcdef0123456789abcdef";
            for none in [absent, "../../keys/x", "a b", ""] {
                let error = read(&*store, "db", none).expect_err("no such version");
                assert_eq!(error.fault, Fault::NotFound, "{none}");
            }
            let error = store.describe(&KeyPath::new("../x")).expect_err("no name");
            assert_eq!(error.fault, Fault::NotFound);
            let error = store.describe(&KeyPath::new("none")).expect_err("none");
            assert_eq!(error.fault, Fault::NotFound);
        },
    );
}

#[test]
fn versions_of_the_same_second_are_told_apart_by_the_vault() {
    with_identity(
        "versions_of_the_same_second_are_told_apart_by_the_vault",
        true,
        || {
            let vault = Vault::start();
            vault.world().stands = true;
            let store = store(&vault);
            for n in 0..4 {
                let newest = vault.put("db", &format!("made-up-{n}"), true);
                let states = states(&*store, "db");
                assert_eq!(states[0], (newest, VersionState::Current));
                assert!(
                    states[1..]
                        .iter()
                        .all(|(_, state)| *state == VersionState::Previous)
                );
            }
        },
    );
}

#[test]
fn all_pages_are_read_and_deleted_secrets_are_among_them() {
    with_identity(
        "all_pages_are_read_and_deleted_secrets_are_among_them",
        true,
        || {
            let vault = Vault::start();
            vault.world().page = 3;
            for n in 0..10 {
                vault.put(&format!("k{n}"), ONE, true);
            }
            vault.delete("k4");
            let (keys, problems) = all(&*store(&vault));
            let expected: Vec<String> = (0..10).map(|n| format!("k{n}")).collect();
            assert_eq!(keys, expected);
            assert!(problems.is_empty());
            assert_eq!(vault.count("GET", "/secrets"), 3);
            // Known by the listing, and without it.
            for listed in [true, false] {
                let store = store(&vault);
                if listed {
                    all(&*store);
                }
                let states = states(&*store, "k4");
                assert_eq!(states, [("deleted".to_owned(), VersionState::SoftDeleted)]);
                assert_eq!(read(&*store, "k4", "deleted"), Ok(None));
            }
            vault.world().hides_deleted = true;
            let store = store(&vault);
            let (keys, problems) = all(&*store);
            assert_eq!((keys.len(), problems.len()), (9, 0));
            let notes = store.health().expect("it answers").notes;
            assert!(
                notes.iter().any(|note| note.contains("deleted")),
                "{notes:?}"
            );
        },
    );
}

#[test]
fn verify_finds_a_value_in_each_state_that_tells_it() {
    with_identity(
        "verify_finds_a_value_in_each_state_that_tells_it",
        true,
        || {
            let vault = Vault::start();
            vault.put("db", ONE, true);
            vault.put("db", THREE, false);
            let json = format!("{{\"user\": \"app\", \"password\": \"{TWO}\"}}");
            let newest = vault.put("db", &json, true);
            let tags = [("owner", "team-a"), ("environment", "prod")];
            let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut world = vault.world();
            let versions = world.secrets.get_mut("db").expect("there");
            versions.last_mut().expect("there").tags = tags.into();
            drop(world);
            let (verdicts, _) = verdicts(&*store(&vault), &[ONE, TWO, THREE]);
            let states: Vec<_> = verdicts.iter().map(|one| one.store.clone()).collect();
            assert!(
                matches!(states[0], StoreState::Previous { .. }),
                "{states:?}"
            );
            assert_eq!(states[1], StoreState::Current);
            // Azure does not tell values of disabled versions.
            assert!(
                matches!(states[2], StoreState::NotFound { .. }),
                "{states:?}"
            );
            let place = verdicts[1].place.as_ref().expect("a place");
            assert_eq!(place.version.as_deref(), Some(newest.as_str()));
            assert_eq!(place.field.as_deref(), Some("password"));
            assert_eq!(verdicts[1].owner.as_deref(), Some("team-a"));
        },
    );
}

#[test]
fn a_write_makes_one_version_and_keeps_tags() {
    with_identity("a_write_makes_one_version_and_keeps_tags", true, || {
        let vault = Vault::start();
        let one = vault.put("db", ONE, true);
        let mut world = vault.world();
        let first = &mut world.secrets.get_mut("db").expect("there")[0];
        first.tags.insert("owner".to_owned(), "team-a".to_owned());
        first.content_type = Some("text/plain".to_owned());
        drop(world);
        let store = store(&vault);
        let two = stage(&*store, "db", &one, &[("", TWO)]).expect("written");
        assert_eq!(vault.latest("db").as_deref(), Some(TWO));
        let made = vault.world().secrets["db"][1].clone();
        assert_eq!(made.tags["owner"], "team-a");
        assert_eq!(made.content_type.as_deref(), Some("text/plain"));
        // The run before got no answer: the same write again is the same version.
        assert_eq!(stage(&*store, "db", &one, &[("", TWO)]), Ok(two.clone()));
        let error = stage(&*store, "db", &one, &[("", THREE)]).expect_err("not on top of it");
        assert_eq!(error.fault, Fault::Conflict);
        assert_eq!(vault.versions("db").len(), 2);
        let (base, staged) = (VersionId::new(one), VersionId::new(two));
        for _ in 0..2 {
            let key = KeyPath::new("db");
            store
                .unstage(&key, &base, &staged)
                .expect("taken back, and twice is once");
            assert_eq!(vault.latest("db").as_deref(), Some(ONE));
            assert_eq!(vault.versions("db").len(), 3);
        }
        let error = store
            .destroy(&KeyPath::new("db"), &base)
            .expect_err("Azure has no such call");
        assert_eq!(error.fault, Fault::Unsupported);
    });
}

#[test]
fn a_lost_race_leaves_the_other_value_current_and_ours_disabled() {
    with_identity(
        "a_lost_race_leaves_the_other_value_current_and_ours_disabled",
        true,
        || {
            for (races, stands) in [(1, false), (2, false), (1, true)] {
                let vault = Vault::start();
                let one = vault.put("db", ONE, true);
                let others = ["made-up-first", "made-up-second"];
                let mut all: Vec<String> = others.map(str::to_owned).into();
                all.truncate(races);
                all.reverse();
                vault.world().races = all;
                vault.world().stands = stands;
                let error =
                    stage(&*store(&vault), "db", &one, &[("", TWO)]).expect_err("a lost race");
                assert_eq!(error.fault, Fault::Conflict, "{error}");
                tells_nothing(&error);
                assert_eq!(vault.latest("db").as_deref(), Some(others[races - 1]));
                for (value, enabled) in vault.versions("db") {
                    assert!(value != TWO || !enabled, "{races}: ours is still on");
                }
            }
        },
    );
}

#[test]
fn a_write_without_an_answer_is_unknown_and_is_sent_once() {
    with_identity(
        "a_write_without_an_answer_is_unknown_and_is_sent_once",
        true,
        || {
            let vault = Vault::start();
            let one = vault.put("db", ONE, true);
            let store = store(&vault);
            vault.world().silent = true;
            let error = stage(&*store, "db", &one, &[("", TWO)]).expect_err("no answer");
            assert_eq!(error.fault, Fault::Unknown, "{error}");
            assert_eq!(vault.count("PUT", "/secrets/db"), 1);
            vault.world().silent = false;
            assert!(stage(&*store, "db", &one, &[("", TWO)]).is_ok());
            assert_eq!(vault.versions("db").len(), 2);
        },
    );
}

#[test]
fn versions_are_switched_off_and_on() {
    with_identity("versions_are_switched_off_and_on", true, || {
        let vault = Vault::start();
        let one = vault.put("db", ONE, true);
        vault.put("db", TWO, true);
        let store = store(&vault);
        let (key, one) = (KeyPath::new("db"), VersionId::new(one));
        store.disable(&key, &one).expect("off");
        assert!(!vault.versions("db")[0].1);
        store.restore(&key, &one).expect("on");
        assert!(vault.versions("db")[0].1);
        let none = VersionId::new("0123456789abcdef0123456789abcdef");
        let error = store.disable(&key, &none).expect_err("none");
        assert_eq!(error.fault, Fault::NotFound);
    });
}

#[test]
fn codes_have_their_meaning_and_no_message_is_told() {
    with_identity(
        "codes_have_their_meaning_and_no_message_is_told",
        true,
        || {
            let vault = Vault::start();
            let one = vault.put("db", ONE, true);
            let store = store(&vault);
            for (status, code, fault) in [
                (403, "Forbidden/ForbiddenByFirewall", Fault::Denied),
                (404, "SecretNotFound", Fault::NotFound),
                (409, "Conflict", Fault::Conflict),
                (400, "BadParameter", Fault::Setup),
                (418, "Teapot", Fault::Protocol),
            ] {
                vault.world().troubles = vec![(status, code)];
                let error = store.list(None).expect_err("a fault");
                assert_eq!(error.fault, fault, "{code}");
                tells_nothing(&error);
            }
            vault.world().denied.insert("db".to_owned());
            let error = read(&*store, "db", &one).expect_err("denied");
            assert_eq!(error.fault, Fault::Denied);
            let notes = store.health().expect("it answers").notes;
            assert!(
                notes.iter().any(|note| note.contains("Secrets User")),
                "{notes:?}"
            );
            vault.world().expired = true;
            let error = store.list(None).expect_err("an expired token");
            assert_eq!(error.fault, Fault::Unauthenticated);
            tells_nothing(&error);
        },
    );
}

#[test]
fn throttled_reads_are_tried_again_and_not_for_ever() {
    with_identity(
        "throttled_reads_are_tried_again_and_not_for_ever",
        true,
        || {
            let vault = Vault::start();
            let one = vault.put("db", ONE, true);
            let store = store(&vault);
            let busy = (429, "Throttled");
            vault.world().troubles = vec![busy, busy];
            assert!(read(&*store, "db", &one).expect("read").is_some());
            assert_eq!(vault.count("GET", &format!("/secrets/db/{one}")), 3);
            vault.world().troubles = vec![busy; 9];
            let error = store.list(None).expect_err("it stays busy");
            assert_eq!(error.fault, Fault::Retryable { after: None });
            assert_eq!(vault.count("GET", "/secrets"), 5);
        },
    );
}

#[test]
fn an_identity_that_gives_no_token_is_no_matter_of_rights() {
    with_identity(
        "an_identity_that_gives_no_token_is_no_matter_of_rights",
        false,
        || {
            let vault = Vault::start();
            let error = store(&vault).list(None).expect_err("no token");
            assert_eq!(error.fault, Fault::Unauthenticated, "{error}");
            tells_nothing(&error);
        },
    );
}

#[test]
fn tokens_and_requests_stay_with_the_vault() {
    with_identity("tokens_and_requests_stay_with_the_vault", true, || {
        let elsewhere = Fake::start(|_| Reply::Json(200, "{\"value\":[]}".to_owned()));
        let vault = Vault::start();
        vault.world().page = 1;
        vault.put("a", ONE, true);
        vault.put("b", ONE, true);
        let other = elsewhere.address.replace("http://", "https://");
        vault.world().next_host = Some(other);
        let store = store(&vault);
        let error = store.list(None).expect_err("another host");
        assert_eq!(error.fault, Fault::Protocol, "{error}");
        assert!(error.what.contains("another host"), "{error}");
        vault.world().redirects = Some(elsewhere.address.clone());
        let error = store.list(None).expect_err("a redirect");
        assert_eq!(error.fault, Fault::Protocol, "{error}");
        assert!(error.what.contains("redirect"), "{error}");
        assert!(elsewhere.asked().is_empty());
    });
}

#[test]
fn a_server_that_asks_for_a_token_of_another_resource_gets_none() {
    with_identity(
        "a_server_that_asks_for_a_token_of_another_resource_gets_none",
        true,
        || {
            let vault = Vault::start();
            vault.put("db", ONE, true);
            let strict = open_with(&vault.fake.address, |settings| {
                settings.any_resource = false
            });
            let error = strict
                .expect("it opens")
                .list(None)
                .expect_err("another resource");
            assert_eq!(error.fault, Fault::Protocol, "{error}");
            assert!(error.what.contains("another resource"), "{error}");
            assert!(
                vault
                    .fake
                    .asked()
                    .iter()
                    .all(|asked| bearer(asked).is_none())
            );
            assert!(!vault.fake.asked().is_empty());
        },
    );
}

#[test]
fn wrong_settings_are_refused() {
    for wrong in [
        "",
        "vault.azure.net",
        "http://192.0.2.1",
        "https://a.vault.azure.net/x",
        "https://a:b@c",
    ] {
        let error = open_with(wrong, |settings| settings.any_resource = false);
        assert_eq!(error.err().expect("refused").fault, Fault::Setup, "{wrong}");
    }
    let error = open_with("https://a.vault.azure.net", |_| {})
        .err()
        .expect("refused");
    assert_eq!(error.fault, Fault::Setup);
    assert!(error.what.contains("loopback"), "{error}");
    let good = open_with("https://a.vault.azure.net", |settings| {
        settings.any_resource = false
    });
    assert_eq!(
        good.expect("it opens").address(),
        "azure https://a.vault.azure.net"
    );
}

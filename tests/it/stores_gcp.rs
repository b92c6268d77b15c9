//! Google Secret Manager, on a strict fake: states, pages, races, and answers that are not what they should be.

use keysweep::{
    config::stores::{GcpSettings, StoreKind},
    model::StoreState,
    stores::{Fault, KeyPath, SecretStore, StoreError, VersionId, VersionState, open},
};

use super::{
    cloud_support::{stage, verdicts},
    gcp_fake::{Google, PROJECT},
    servers::{Fake, Reply},
    stores_vault::{all, entry, read, states, with_surroundings},
};

/// Long and random enough to be compared.
const ONE: &str = "kT9vLm2qPzXw7RbN";
const TWO: &str = "Zq4wNc8yTb3mKd6h";
const THREE: &str = "Wm7xRf2jHs9pLv5c";

fn open_with(
    google: &Google,
    change: impl FnOnce(&mut GcpSettings),
) -> Result<Box<dyn SecretStore>, StoreError> {
    let mut settings = GcpSettings {
        project: PROJECT.to_owned(),
        endpoint: Some(google.fake.address.clone()),
        ..GcpSettings::default()
    };
    change(&mut settings);
    let mut entry = entry();
    entry.kind = StoreKind::Gcp(settings);
    let credentials = google.credentials();
    let credentials = credentials.to_str().expect("UTF-8");
    let variables = [("GOOGLE_APPLICATION_CREDENTIALS", credentials)];
    with_surroundings(&variables, |surroundings| open("g", &entry, surroundings))
}

fn store(google: &Google) -> Box<dyn SecretStore> {
    open_with(google, |_| {}).expect("it opens")
}

/// Says that no word of an answer, no value and no credential is told.
fn tells_nothing(error: &StoreError) {
    let told = format!("{error} {error:?}");
    for hidden in [
        "made-up-canary",
        "made-up-access",
        "made-up-refresh",
        ONE,
        TWO,
    ] {
        assert!(!told.contains(hidden), "{told}");
    }
    assert!(!error.help.is_empty());
}

#[test]
fn versions_have_the_states_that_google_gives_them() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "DESTROYED");
    google.put("db", ONE.as_bytes(), "DISABLED");
    google.put("db", ONE.as_bytes(), "ENABLED");
    google.put("db", TWO.as_bytes(), "ENABLED");
    google.put("off", ONE.as_bytes(), "ENABLED");
    google.put("off", TWO.as_bytes(), "DISABLED");
    let store = store(&google);
    let expected = [
        ("4", VersionState::Current),
        ("3", VersionState::Previous),
        ("2", VersionState::Disabled),
        ("1", VersionState::Destroyed),
    ];
    let expected = expected.map(|(id, state)| (id.to_owned(), state));
    assert_eq!(states(&*store, "db"), expected);
    // `latest` means the newest version, whatever its state: its readers get nothing now.
    let expected = [
        ("2".to_owned(), VersionState::Disabled),
        ("1".to_owned(), VersionState::Previous),
    ];
    assert_eq!(states(&*store, "off"), expected);
    let value = read(&*store, "db", "3").expect("read").expect("enabled");
    assert_eq!(value[""], ONE);
    for gone in ["1", "2"] {
        assert_eq!(read(&*store, "db", gone), Ok(None));
    }
    for none in ["9", "0", "latest", "../../x"] {
        let error = read(&*store, "db", none).expect_err("no such version");
        assert_eq!(error.fault, Fault::NotFound, "{none}");
    }
    assert!(store.describe(&KeyPath::new("nothing")).is_err());
    let error = store.describe(&KeyPath::new("../x")).expect_err("no name");
    assert_eq!(error.fault, Fault::NotFound);
}

#[test]
fn labels_and_annotations_tell_owner_and_environment() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    let mut world = google.world();
    let secret = world.secrets.get_mut("db").expect("there");
    secret
        .labels
        .insert("owner".to_owned(), "team-a".to_owned());
    secret
        .labels
        .insert("environment".to_owned(), "prod".to_owned());
    // What people write in full, labels allow small letters only.
    secret
        .annotations
        .insert("owner".to_owned(), "Team A".to_owned());
    drop(world);
    let store = store(&google);
    for known_by_list in [false, true] {
        if known_by_list {
            assert_eq!(all(&*store).0, ["db"]);
        }
        let info = store.describe(&KeyPath::new("db")).expect("known");
        assert_eq!(info.owner.as_deref(), Some("Team A"));
        assert_eq!(info.environment.as_deref(), Some("prod"));
        assert_eq!(info.changed, Some(1_767_225_600));
        assert_eq!(info.next_rotation, Some(1_769_904_000));
    }
    // The listing said it: 600 such requests a minute are all that Google takes.
    assert_eq!(google.count("GET", "/secrets/db"), 1);
}

#[test]
fn lists_are_read_page_by_page() {
    let google = Google::start();
    google.world().page = 3;
    for n in 0..10 {
        google.put(&format!("k{n}"), ONE.as_bytes(), "ENABLED");
    }
    for _ in 0..7 {
        google.put("k0", TWO.as_bytes(), "ENABLED");
    }
    let store = store(&google);
    let (keys, problems) = all(&*store);
    let expected: Vec<String> = (0..10).map(|n| format!("k{n}")).collect();
    assert_eq!(keys, expected);
    assert!(problems.is_empty());
    assert_eq!(states(&*store, "k0").len(), 8);
    assert_eq!(google.count("GET", "/secrets"), 4);
}

#[test]
fn verify_finds_a_value_in_each_state_that_tells_it() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    google.put("db", THREE.as_bytes(), "DISABLED");
    let json = format!("{{\"user\": \"app\", \"password\": \"{TWO}\"}}");
    google.put("db", json.as_bytes(), "ENABLED");
    let (verdicts, verification) = verdicts(&*store(&google), &[ONE, TWO, THREE]);
    let states: Vec<_> = verdicts
        .iter()
        .map(|verdict| verdict.store.clone())
        .collect();
    assert!(
        matches!(states[0], StoreState::Previous { .. }),
        "{states:?}"
    );
    assert_eq!(states[1], StoreState::Current);
    // Google does not tell values of disabled versions.
    assert!(
        matches!(states[2], StoreState::NotFound { .. }),
        "{states:?}"
    );
    let place = verdicts[1].place.as_ref().expect("a place");
    assert_eq!(
        (place.key.as_str(), place.version.as_deref()),
        ("db", Some("3"))
    );
    assert_eq!(place.field.as_deref(), Some("password"));
    assert_eq!(verification.compared, 3);
}

#[test]
fn a_value_that_does_not_fit_its_checksum_is_refused() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    google.world().garbles = true;
    let error = read(&*store(&google), "db", "1").expect_err("garbled");
    assert_eq!(error.fault, Fault::Protocol);
    assert!(error.what.contains("checksum"), "{error}");
    tells_nothing(&error);
}

#[test]
fn a_write_makes_the_next_version() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    let store = store(&google);
    assert_eq!(stage(&*store, "db", "1", &[("", TWO)]), Ok("2".to_owned()));
    assert_eq!(google.latest("db").as_deref(), Some(TWO));
    // The run before got no answer: the same write again is the same version.
    assert_eq!(stage(&*store, "db", "1", &[("", TWO)]), Ok("2".to_owned()));
    let error = stage(&*store, "db", "1", &[("", THREE)]).expect_err("not on top of 1");
    assert_eq!(error.fault, Fault::Conflict);
    assert_eq!(google.versions("db").len(), 2);
    let (base, staged) = (VersionId::new("1"), VersionId::new("2"));
    for _ in 0..2 {
        store
            .unstage(&KeyPath::new("db"), &base, &staged)
            .expect("taken back, and twice is once");
        assert_eq!(google.latest("db").as_deref(), Some(ONE));
        assert_eq!(google.versions("db").len(), 3);
    }
}

#[test]
fn a_field_of_a_json_value_is_written_and_the_others_stay() {
    let google = Google::start();
    let json = format!("{{\"user\": \"app\", \"password\": \"{ONE}\"}}");
    google.put("db", json.as_bytes(), "ENABLED");
    let store = store(&google);
    stage(&*store, "db", "1", &[("password", TWO)]).expect("written");
    let fields = read(&*store, "db", "2").expect("read").expect("there");
    assert_eq!(
        (fields["user"].as_str(), fields["password"].as_str()),
        ("app", TWO)
    );
    google.put("plain", ONE.as_bytes(), "ENABLED");
    let error = stage(&*store, "plain", "1", &[("password", TWO)]).expect_err("no fields");
    assert_eq!(error.fault, Fault::Setup);
    tells_nothing(&error);
}

#[test]
fn a_lost_race_leaves_the_other_value_current_and_ours_disabled() {
    for races in 1..=2 {
        let google = Google::start();
        google.put("db", ONE.as_bytes(), "ENABLED");
        let others = ["made-up-first", "made-up-second"];
        let mut all: Vec<Vec<u8>> = others.iter().map(|v| v.as_bytes().to_vec()).collect();
        all.truncate(races);
        all.reverse();
        google.world().races = all;
        let error = stage(&*store(&google), "db", "1", &[("", TWO)]).expect_err("a lost race");
        assert_eq!(error.fault, Fault::Conflict, "{error}");
        tells_nothing(&error);
        assert_eq!(google.latest("db").as_deref(), Some(others[races - 1]));
        for (value, state) in google.versions("db") {
            assert!(
                value != TWO || state == "DISABLED",
                "{races}: ours is still on"
            );
        }
    }
}

#[test]
fn versions_are_switched_off_on_and_destroyed() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    google.put("db", TWO.as_bytes(), "ENABLED");
    let store = store(&google);
    let (key, one, two) = (KeyPath::new("db"), VersionId::new("1"), VersionId::new("2"));
    for _ in 0..2 {
        store.disable(&key, &one).expect("off");
    }
    assert_eq!(google.count("POST", ":disable"), 1);
    assert_eq!(states(&*store, "db")[1].1, VersionState::Disabled);
    store.restore(&key, &one).expect("on");
    assert_eq!(states(&*store, "db")[1].1, VersionState::Previous);
    let error = store
        .destroy(&key, &two)
        .expect_err("the current one never");
    assert_eq!(error.fault, Fault::Conflict);
    store.destroy(&key, &one).expect("gone");
    assert_eq!(google.versions("db")[0], (String::new(), "DESTROYED"));
    let error = store.restore(&key, &one).expect_err("for good");
    assert_eq!(error.fault, Fault::Conflict);
    let error = store.disable(&key, &VersionId::new("7")).expect_err("none");
    assert_eq!(error.fault, Fault::NotFound);
    let error = store
        .native_rotate(&key, "t")
        .expect_err("Google only sends a message");
    assert_eq!(error.fault, Fault::Unsupported);
}

#[test]
fn readers_are_those_of_reading_roles_and_never_all() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    let members = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    google
        .world()
        .secrets
        .get_mut("db")
        .expect("there")
        .bindings = vec![
        (
            "roles/secretmanager.secretAccessor".to_owned(),
            members(&["user:b@example.com", "user:a@example.com"]),
        ),
        (
            "roles/secretmanager.viewer".to_owned(),
            members(&["user:c@example.com"]),
        ),
        (
            "projects/p/roles/own".to_owned(),
            members(&["group:d@example.com", "user:a@example.com"]),
        ),
    ];
    let readers = store(&google).readers(&KeyPath::new("db")).expect("told");
    assert_eq!(
        readers.sample,
        [
            "group:d@example.com",
            "user:a@example.com",
            "user:b@example.com"
        ]
    );
    assert_eq!((readers.known, readers.complete), (3, false));
}

#[test]
fn notes_are_added_to_those_that_are_there() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    let mut world = google.world();
    let secret = world.secrets.get_mut("db").expect("there");
    secret
        .annotations
        .insert("owner".to_owned(), "team-a".to_owned());
    drop(world);
    let notes = [("keysweep-rotation", "made-up-id")];
    store(&google)
        .annotate(&KeyPath::new("db"), &notes)
        .expect("noted");
    let world = google.world();
    let annotations = &world.secrets["db"].annotations;
    assert_eq!(annotations["owner"], "team-a");
    assert_eq!(annotations["keysweep-rotation"], "made-up-id");
}

#[test]
fn codes_have_their_meaning_and_no_message_is_told() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    let store = store(&google);
    for (status, code, fault) in [
        (401, "UNAUTHENTICATED", Fault::Unauthenticated),
        (403, "PERMISSION_DENIED", Fault::Denied),
        (404, "NOT_FOUND", Fault::NotFound),
        (400, "FAILED_PRECONDITION", Fault::Conflict),
        (400, "INVALID_ARGUMENT", Fault::Setup),
        (500, "INTERNAL", Fault::Retryable { after: None }),
    ] {
        google.world().troubles = vec![(status, code)];
        let error = store.list(None).expect_err("a fault");
        assert_eq!(error.fault, fault, "{code}");
        tells_nothing(&error);
    }
    google.world().denied.insert("db".to_owned());
    let error = read(&*store, "db", "1").expect_err("denied");
    assert_eq!(error.fault, Fault::Denied);
    let health = store.health().expect("it answers");
    assert!(
        health
            .notes
            .iter()
            .any(|note| note.contains("versions.access")),
        "{health:?}"
    );
}

#[test]
fn throttled_reads_are_tried_again_and_not_for_ever() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    let store = store(&google);
    let busy = (429, "RESOURCE_EXHAUSTED");
    google.world().troubles = vec![busy, busy];
    assert!(read(&*store, "db", "1").expect("read").is_some());
    assert_eq!(google.count("GET", ":access"), 3);
    google.world().troubles = vec![busy; 9];
    let error = store.list(None).expect_err("it stays busy");
    assert_eq!(error.fault, Fault::Retryable { after: None });
    assert_eq!(google.count("GET", "/secrets"), 5);
    google.world().troubles.clear();
}

#[test]
fn a_write_without_an_answer_is_unknown_and_is_sent_once() {
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    let store = store(&google);
    google.world().silent = true;
    let error = stage(&*store, "db", "1", &[("", TWO)]).expect_err("no answer");
    assert_eq!(error.fault, Fault::Unknown, "{error}");
    assert_eq!(google.count("POST", ":addVersion"), 1);
    google.world().silent = false;
    assert_eq!(stage(&*store, "db", "1", &[("", TWO)]), Ok("2".to_owned()));
    assert_eq!(google.versions("db").len(), 2);
}

#[test]
fn credentials_that_are_no_longer_good_are_told_apart_from_rights() {
    let google = Google::start();
    google.world().revoked = true;
    let error = store(&google).list(None).expect_err("no token");
    assert_eq!(error.fault, Fault::Unauthenticated, "{error}");
    tells_nothing(&error);
    google.world().revoked = false;
    google.world().expired = true;
    let error = store(&google).list(None).expect_err("an expired token");
    assert_eq!(error.fault, Fault::Unauthenticated);
    tells_nothing(&error);
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Fake::start(|_| Reply::Json(200, "{}".to_owned()));
    let google = Google::start();
    google.put("db", ONE.as_bytes(), "ENABLED");
    let store = store(&google);
    google.world().elsewhere = Some(elsewhere.address.clone());
    let error = store.list(None).expect_err("a redirect");
    assert_eq!(error.fault, Fault::Protocol, "{error}");
    assert!(error.what.contains("redirect"), "{error}");
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn regional_secrets_and_wrong_settings() {
    let google = Google::start();
    google.world().location = Some("europe-west1".to_owned());
    google.put("db", ONE.as_bytes(), "ENABLED");
    let regional = open_with(&google, |settings| {
        settings.location = Some("europe-west1".to_owned())
    });
    let regional = regional.expect("it opens");
    assert_eq!(
        regional.address(),
        format!("gcp projects/{PROJECT}/locations/europe-west1")
    );
    assert!(read(&*regional, "db", "1").expect("read").is_some());
    for wrong in ["", "a/b", "..", "a b"] {
        let error = open_with(&google, |settings| settings.project = wrong.to_owned());
        assert_eq!(error.err().expect("refused").fault, Fault::Setup, "{wrong}");
    }
    let plain =
        |settings: &mut GcpSettings| settings.endpoint = Some("http://192.0.2.1".to_owned());
    assert_eq!(
        open_with(&google, plain).err().expect("refused").fault,
        Fault::Setup
    );
    std::fs::write(google.credentials(), "{\"type\": \"made-up\"}").expect("written");
    let error = open_with(&google, |_| {}).err().expect("no credentials");
    assert_eq!(error.fault, Fault::Setup);
    tells_nothing(&error);
}

//! AWS on the strict fake: every state of a version, writes that nobody's change is lost to, rotations that AWS does by itself, access
//! keys, and one test for each thing that the emulators do otherwise than AWS.

use std::{collections::BTreeMap, ffi::OsString, sync::atomic::AtomicBool};

use keysweep::{
    config::stores::{AwsSettings, StoreEntry, StoreKind, StoresFile, TargetEntry, VerifyLimits},
    model::{ProviderState, Secret, StoreState, Verification},
    stores::{
        Change, Fault, KeyInfo, KeyPath, NativeProgress, Page, ReadOutcome, SecretStore,
        StoreError, Surroundings, VersionId, VersionState, open,
        target::{self, Credential, Target},
    },
    verify::{Opened, Options, verify},
};

use super::aws_fake::{AccessKey, Aws, Lies, OTHER_HAND, admin};

/// 36 letters, as a UUID.
pub(super) const TOKEN: &str = "11111111-2222-3333-4444-555555555555";
const CANARY: &str = "made-up-canary-value";

pub(super) fn with_keys<R>(
    (id, secret): &(String, String),
    run: impl FnOnce(&Surroundings<'_>) -> R,
) -> R {
    let variable = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" => Some(OsString::from(id)),
        "AWS_SECRET_ACCESS_KEY" => Some(OsString::from(secret)),
        "AWS_REGION" => Some(OsString::from("us-east-1")),
        _ => None,
    };
    run(&Surroundings {
        variable: &variable,
        home: None,
        history: &|_| Ok(Vec::new()),
    })
}

pub(super) fn store_at(
    address: &str,
    kind: fn(AwsSettings) -> StoreKind,
    keys: &(String, String),
) -> Result<Box<dyn SecretStore>, StoreError> {
    let entry = StoreEntry {
        environment: None,
        prefixes: Vec::new(),
        max_age_days: None,
        kind: kind(AwsSettings {
            endpoint: Some(address.to_owned()),
            chamber: true,
            ..AwsSettings::default()
        }),
    };
    with_keys(keys, |surroundings| open("a", &entry, surroundings))
}

fn manager(aws: &Aws) -> Box<dyn SecretStore> {
    store_at(&aws.fake.address, StoreKind::Aws, &admin()).expect("it opens")
}

fn parameters(aws: &Aws) -> Box<dyn SecretStore> {
    store_at(&aws.fake.address, StoreKind::Ssm, &admin()).expect("it opens")
}

pub(super) fn key(name: &str) -> KeyPath {
    KeyPath::new(name)
}

pub(super) fn read(
    store: &dyn SecretStore,
    name: &str,
    version: &str,
) -> Result<Option<BTreeMap<String, String>>, StoreError> {
    let mut fields = BTreeMap::new();
    let outcome = store.read(&key(name), &VersionId::new(version), &mut |field| {
        let text = String::from_utf8_lossy(field.bytes).into_owned();
        fields.insert(field.name.to_owned(), text);
    })?;
    Ok((outcome == ReadOutcome::Read).then_some(fields))
}

fn states(info: &KeyInfo) -> Vec<(&str, VersionState)> {
    let versions = info.versions.iter();
    versions.map(|v| (v.id.as_str(), v.state)).collect()
}

pub(super) fn pages(store: &dyn SecretStore) -> Vec<Page> {
    let mut all: Vec<Page> = Vec::new();
    loop {
        let cursor = all.last().and_then(|page| page.next.clone());
        if !all.is_empty() && cursor.is_none() {
            return all;
        }
        all.push(store.list(cursor.as_ref()).expect("it lists"));
    }
}

pub(super) fn stage(
    store: &dyn SecretStore,
    name: &str,
    base: &str,
    field: &str,
    value: &str,
) -> Result<VersionId, StoreError> {
    let fields = [(field.to_owned(), Secret::new(value.as_bytes()))].into();
    store.stage(&Change {
        key: &key(name),
        base: &VersionId::new(base),
        fields: &fields,
        token: TOKEN,
    })
}

fn first(name: &str) -> String {
    format!("{name:-<32}v1")
}

fn fault<T>(result: Result<T, StoreError>) -> Fault {
    match result {
        Ok(_) => panic!("it must fail"),
        Err(error) => {
            assert!(!error.help.is_empty());
            assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
            error.fault
        }
    }
}

const PASSWORD: &str = r#"{"user":"app","password":"made-up-old"}"#;

#[test]
fn every_state_of_a_version_is_listed_and_read() {
    let aws = Aws::start(Lies::default());
    {
        let mut world = aws.world();
        let older = world.version("older", &[], Some("made-up-0"));
        let before = world.version("before", &["AWSPREVIOUS"], Some("made-up-1"));
        let pending = world.version("pending", &["AWSPENDING"], Some("made-up-3"));
        let held = world.secret("prod/db", PASSWORD);
        held.versions.extend([older, before, pending]);
        held.tags.insert("owner".into(), "team-a".into());
        held.tags.insert("Environment".into(), "prod".into());
        held.policy = Some(r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::1:role/x"},"Action":"secretsmanager:*"}]}"#.into());
        world.secret("prod/gone", CANARY).deleted = true;
    }
    let store = manager(&aws);
    let listed = pages(&*store).remove(0).keys;
    let info = listed[0].info.clone().expect("the listing says all");
    assert_eq!(info, store.describe(&key("prod/db")).expect("there"));
    let now = first("prod/db");
    assert_eq!(
        states(&info),
        [
            ("pending", VersionState::Pending),
            (now.as_str(), VersionState::Current),
            ("before", VersionState::Previous),
            ("older", VersionState::Previous),
        ]
    );
    assert_eq!(info.owner.as_deref(), Some("team-a"));
    assert_eq!(info.environment.as_deref(), Some("prod"));
    for (id, value) in [
        ("pending", "made-up-3"),
        ("before", "made-up-1"),
        ("older", "made-up-0"),
    ] {
        let fields = read(&*store, "prod/db", id)
            .expect("read")
            .expect("a value");
        assert_eq!(fields[""], value);
    }
    let fields = read(&*store, "prod/db", &now)
        .expect("read")
        .expect("a value");
    assert_eq!(fields["password"], "made-up-old");
    let gone = listed[1].info.as_ref().expect("known");
    assert_eq!(states(gone)[0].1, VersionState::SoftDeleted);
    assert_eq!(read(&*store, "prod/gone", &first("prod/gone")), Ok(None));
    let readers = store.readers(&key("prod/db")).expect("a policy");
    assert_eq!(readers.sample, ["arn:aws:iam::1:role/x"]);
    assert!(!readers.complete);
}

#[test]
fn binary_values_are_lent_as_bytes_and_written_as_bytes() {
    let aws = Aws::start(Lies::default());
    {
        let mut world = aws.world();
        let held = world.secret("b", "");
        held.versions[0].text = None;
        held.versions[0].binary = Some("bWFkZS11cA==".to_owned());
    }
    let store = manager(&aws);
    let fields = read(&*store, "b", &first("b"))
        .expect("read")
        .expect("a value");
    assert_eq!(fields[""], "made-up");
    stage(&*store, "b", &first("b"), "", "made-up-new").expect("staged");
    assert_eq!(
        aws.world().secrets["b"].versions[1].binary.as_deref(),
        Some("bWFkZS11cC1uZXc=")
    );
}

#[test]
fn a_write_is_pending_then_current_and_leaves_no_label() {
    let aws = Aws::start(Lies::default());
    aws.world().secret("db", PASSWORD);
    let (store, base) = (manager(&aws), first("db"));
    let staged = stage(&*store, "db", &base, "password", "made-up-new").expect("staged");
    assert_eq!(staged.as_str(), TOKEN);
    let info = store.describe(&key("db")).expect("there");
    assert_eq!(info.current().map(|v| v.id.as_str()), Some(base.as_str()));
    // The same again is the same version.
    assert_eq!(
        stage(&*store, "db", &base, "password", "made-up-new"),
        Ok(staged.clone())
    );
    assert_eq!(aws.count("PutSecretValue"), 1);
    for _ in 0..2 {
        store
            .promote(&key("db"), &VersionId::new(&base), &staged)
            .expect("promoted");
    }
    let fields = read(&*store, "db", TOKEN).expect("read").expect("a value");
    assert_eq!(fields["password"], "made-up-new");
    assert_eq!(fields["user"], "app");
    let held = aws.world().secrets["db"].clone();
    assert!(
        held.versions
            .iter()
            .all(|v| !v.stages.contains("AWSPENDING"))
    );
    assert!(held.versions[1].stages.contains("AWSCURRENT"));
    assert!(held.versions[0].stages.contains("AWSPREVIOUS"));
    store
        .annotate(&key("db"), &[("keysweep", "rotated, why not")])
        .expect("noted");
    assert_eq!(
        aws.world().secrets["db"].tags["keysweep"],
        "rotated_ why not"
    );
}

#[test]
fn nobodys_write_is_lost() {
    let aws = Aws::start(Lies::default());
    aws.world().secret("db", PASSWORD);
    let (store, base) = (manager(&aws), VersionId::new(first("db")));
    let staged = stage(&*store, "db", base.as_str(), "password", "made-up-new").expect("staged");
    {
        // Somebody else promotes a version of their own.
        let mut world = aws.world();
        let theirs = world.version("theirs", &["AWSCURRENT"], Some("x"));
        let held = world.secrets.get_mut("db").expect("there");
        held.versions[0].stages.clear();
        held.versions.push(theirs);
    }
    assert_eq!(
        fault(store.promote(&key("db"), &base, &staged)),
        Fault::Conflict
    );
    assert_eq!(
        fault(stage(&*store, "db", base.as_str(), "password", "y")),
        Fault::Conflict
    );
    // Ours is taken back, and that theirs is current is told.
    assert_eq!(
        fault(store.unstage(&key("db"), &base, &staged)),
        Fault::Conflict
    );
    let info = store.describe(&key("db")).expect("there");
    assert_eq!(info.current().map(|v| v.id.as_str()), Some("theirs"));
    assert!(
        states(&info)
            .iter()
            .all(|(_, state)| *state != VersionState::Pending)
    );
}

#[test]
fn a_staged_version_is_taken_back_before_and_after_promotion() {
    let aws = Aws::start(Lies::default());
    aws.world().secret("db", PASSWORD);
    let (store, base) = (manager(&aws), VersionId::new(first("db")));
    let staged = stage(&*store, "db", base.as_str(), "password", "made-up-new").expect("staged");
    store
        .unstage(&key("db"), &base, &staged)
        .expect("taken back");
    stage(&*store, "db", base.as_str(), "password", "made-up-new").expect("staged again");
    store.promote(&key("db"), &base, &staged).expect("promoted");
    assert_eq!(
        fault(store.unstage(&key("db"), &base, &staged)),
        Fault::Conflict
    );
    store
        .promote(&key("db"), &staged, &base)
        .expect("rolled back");
    store
        .unstage(&key("db"), &base, &staged)
        .expect("nothing is left");
    let info = store.describe(&key("db")).expect("there");
    assert_eq!(info.current().map(|v| &v.id), Some(&base));
}

#[test]
fn another_rotation_is_not_run_over() {
    let aws = Aws::start(Lies::default());
    {
        let mut world = aws.world();
        let empty = world.version("theirs", &["AWSPENDING"], None);
        world.secret("db", PASSWORD).versions.push(empty);
    }
    let store = manager(&aws);
    assert_eq!(
        fault(stage(&*store, "db", &first("db"), "password", "x")),
        Fault::Conflict
    );
    assert_eq!(aws.count("PutSecretValue"), 0);
    // The empty version that a failed rotation left: nothing to compare, nothing missed.
    assert_eq!(read(&*store, "db", "theirs"), Ok(Some(BTreeMap::new())));
    assert_eq!(fault(read(&*store, "db", "never-there")), Fault::NotFound);
}

#[test]
fn lost_answers_are_found_out_and_throttling_is_waited_for() {
    let aws = Aws::start(Lies::default());
    aws.world().secret("db", PASSWORD);
    let (store, base) = (manager(&aws), VersionId::new(first("db")));
    aws.world().lose = Some("PutSecretValue");
    let staged = stage(&*store, "db", base.as_str(), "password", "made-up-new").expect("the token");
    aws.world().lose = Some("UpdateSecretVersionStage");
    store
        .promote(&key("db"), &base, &staged)
        .expect("it was done");
    aws.world().throttle = Some(("GetSecretValue", 2));
    read(&*store, "db", TOKEN)
        .expect("third try")
        .expect("a value");
    assert_eq!(aws.world().secrets["db"].versions.len(), 2);
    aws.world().deny = Some("GetSecretValue");
    assert_eq!(fault(read(&*store, "db", TOKEN)), Fault::Denied);
    aws.world().deny = Some("ListSecretVersionIds");
    assert!(store.describe(&key("db")).expect("labels").trimmed);
}

#[test]
fn wrong_credentials_stop_everything() {
    let aws = Aws::start(Lies::default());
    let wrong = (admin().0, "made-up-wrong".to_owned());
    let store = store_at(&aws.fake.address, StoreKind::Aws, &wrong).expect("it opens");
    assert_eq!(fault(store.list(None)), Fault::Unauthenticated);
    assert_eq!(fault(store.health()), Fault::Unauthenticated);
    assert!(manager(&aws).health().is_ok());
    let clear = store_at("http://secrets.example.com", StoreKind::Aws, &admin());
    assert_eq!(clear.err().map(|error| error.fault), Some(Fault::Setup));
}

#[test]
fn aws_rotates_by_itself_and_gets_stuck() {
    let aws = Aws::start(Lies::default());
    aws.world().secret("db", PASSWORD).lambda = Some("arn:made-up".into());
    let store = manager(&aws);
    let rotation = store.native_rotate(&key("db"), TOKEN).expect("begun");
    // A second start under the same name is the same one.
    store
        .native_rotate(&key("db"), TOKEN)
        .expect("begun before");
    assert_eq!(aws.count("RotateSecret"), 1);
    let other = "99999999-2222-3333-4444-555555555555";
    assert_eq!(
        fault(store.native_rotate(&key("db"), other)),
        Fault::Conflict
    );
    let ends: Vec<_> = (0..6)
        .map(|_| store.poll(&rotation).expect("polled"))
        .collect();
    assert_eq!(ends[0], NativeProgress::Running);
    assert_eq!(ends[5], NativeProgress::Done(VersionId::new(TOKEN)));
    // AWSPENDING stays on the current version, as AWS's sample leaves it: that is no rotation under way.
    let info = store.describe(&key("db")).expect("there");
    assert!(
        states(&info)
            .iter()
            .all(|(_, state)| *state != VersionState::Pending)
    );

    aws.world().stuck = true;
    let stuck = store.native_rotate(&key("db"), other).expect("begun");
    assert_eq!(store.poll(&stuck), Ok(NativeProgress::Running));
    // Its start an hour and more ago, on a clock that the test sets.
    let mark = format!("{TOKEN}@1");
    let old = keysweep::stores::NativeRotation {
        key: key("db"),
        mark,
    };
    assert!(matches!(store.poll(&old), Ok(NativeProgress::Stuck(_))));
}

// What the emulators do otherwise.

#[test]
fn lie_errors_are_told_apart_by_type_whatever_the_status() {
    for statuses in [false, true] {
        let aws = Aws::start(Lies {
            statuses,
            ..Lies::default()
        });
        let store = manager(&aws);
        assert_eq!(fault(store.describe(&key("none"))), Fault::NotFound);
    }
}

#[test]
fn lie_the_same_token_never_overwrites() {
    for overwrites in [false, true] {
        let aws = Aws::start(Lies {
            overwrites,
            ..Lies::default()
        });
        aws.world().secret("db", PASSWORD);
        let (store, base) = (manager(&aws), first("db"));
        stage(&*store, "db", &base, "password", "made-up-new").expect("staged");
        assert_eq!(
            fault(stage(&*store, "db", &base, "password", "made-up-other")),
            Fault::Conflict
        );
        let fields = read(&*store, "db", TOKEN).expect("read").expect("a value");
        assert_eq!(fields["password"], "made-up-new");
    }
}

#[test]
fn lie_an_empty_version_of_the_token_is_filled() {
    let aws = Aws::start(Lies::default());
    {
        let mut world = aws.world();
        let empty = world.version(TOKEN, &["AWSPENDING"], None);
        world.secret("db", PASSWORD).versions.push(empty);
    }
    let store = manager(&aws);
    stage(&*store, "db", &first("db"), "password", "made-up-new").expect("filled");
    let fields = read(&*store, "db", TOKEN).expect("read").expect("a value");
    assert_eq!(fields["password"], "made-up-new");
}

#[test]
fn lie_values_are_never_read_in_batches_or_by_stage() {
    let aws = Aws::start(Lies {
        batches: true,
        ..Lies::default()
    });
    {
        let mut world = aws.world();
        let before = world.version("before", &["AWSPREVIOUS"], Some("made-up-before"));
        world.secret("db", "made-up-now").versions.push(before);
    }
    let store = manager(&aws);
    let info = store.describe(&key("db")).expect("there");
    let current = info.current().expect("one").id.clone();
    let fields = read(&*store, "db", current.as_str())
        .expect("read")
        .expect("a value");
    assert_eq!(fields[""], "made-up-now");
    assert_eq!(aws.count("BatchGetSecretValue"), 0);
    let world = aws.world();
    let mut reads = world
        .ops
        .iter()
        .filter(|(name, _)| name == "GetSecretValue");
    assert!(reads.all(|(_, body)| body["VersionStage"].is_null() && body["VersionId"].is_string()));
}

#[test]
fn lie_a_secret_without_a_function_is_not_rotated() {
    for rotates_alone in [false, true] {
        let aws = Aws::start(Lies {
            rotates_alone,
            ..Lies::default()
        });
        aws.world().secret("db", PASSWORD);
        let store = manager(&aws);
        assert!(!store.describe(&key("db")).expect("there").native_rotation);
        assert_eq!(
            fault(store.native_rotate(&key("db"), TOKEN)),
            Fault::Unsupported
        );
        assert_eq!(aws.count("RotateSecret"), 0);
    }
}

#[test]
fn lie_a_rotation_that_leaves_its_version_empty_is_never_done() {
    let aws = Aws::start(Lies::default());
    aws.world().stuck = true;
    aws.world().secret("db", PASSWORD).lambda = Some("arn:made-up".into());
    let store = manager(&aws);
    let rotation = store.native_rotate(&key("db"), TOKEN).expect("begun");
    for _ in 0..5 {
        assert_eq!(store.poll(&rotation), Ok(NativeProgress::Running));
    }
    assert_eq!(read(&*store, "db", TOKEN), Ok(Some(BTreeMap::new())));
    // It stays so: after an hour nobody waits any longer, and the way out is told.
    let old = keysweep::stores::NativeRotation {
        key: key("db"),
        mark: format!("{}@1", first("db")),
    };
    aws.world().age("db");
    let NativeProgress::Stuck(why) = store.poll(&old).expect("polled") else {
        panic!("the old value is current and the new version is empty")
    };
    assert!(
        why.contains(TOKEN) && why.contains("cancel-rotate-secret"),
        "{why}"
    );
    // Nobody's write goes over it.
    let other = Change {
        key: &key("db"),
        base: &VersionId::new(first("db")),
        fields: &BTreeMap::from([("password".to_owned(), Secret::new(b"made-up-new"))]),
        token: "99999999-2222-3333-4444-555555555555",
    };
    assert_eq!(fault(store.stage(&other)), Fault::Conflict);
    assert_eq!(aws.count("PutSecretValue"), 0);
    let info = store.describe(&key("db")).expect("there");
    assert_eq!(info.current().map(|v| v.id.as_str()), Some(&*first("db")));
}

#[test]
fn lie_a_token_that_made_the_secret_is_not_written_over() {
    // CreateSecret's token is its first version's id; PutSecretValue with the same token must not change what that holds.
    for overwrites in [false, true] {
        let aws = Aws::start(Lies {
            overwrites,
            ..Lies::default()
        });
        {
            let mut world = aws.world();
            let made = world.version(TOKEN, &["AWSCURRENT"], Some(PASSWORD));
            world.secret("db", PASSWORD).versions = vec![made];
        }
        let store = manager(&aws);
        let before = read(&*store, "db", TOKEN).expect("read").expect("a value");
        let result = stage(&*store, "db", TOKEN, "password", "made-up-other");
        assert_eq!(fault(result), Fault::Conflict);
        assert_eq!(read(&*store, "db", TOKEN), Ok(Some(before)));
        assert_eq!(aws.count("PutSecretValue"), 0);
    }
}

#[test]
fn lie_a_version_that_is_not_named_by_the_token_is_not_taken_for_ours() {
    let aws = Aws::start(Lies {
        ignores_token: true,
        ..Lies::default()
    });
    aws.world().secret("db", PASSWORD);
    let store = manager(&aws);
    let result = stage(&*store, "db", &first("db"), "password", "made-up-new");
    assert_eq!(fault(result), Fault::Unknown);
}

#[test]
fn lie_a_stale_promotion_is_refused_by_aws_itself() {
    // Right in both emulators; what we rely on is that AWS compares, so it gets asked with both ids.
    let aws = Aws::start(Lies::default());
    aws.world().secret("db", PASSWORD);
    let (store, base) = (manager(&aws), VersionId::new(first("db")));
    let staged = stage(&*store, "db", base.as_str(), "password", "made-up-new").expect("staged");
    store.promote(&key("db"), &base, &staged).expect("promoted");
    let world = aws.world();
    let moves = world.ops.iter().filter(|(name, body)| {
        name == "UpdateSecretVersionStage" && body["VersionStage"] == "AWSCURRENT"
    });
    let ids: Vec<_> = moves
        .map(|(_, body)| {
            (
                body["RemoveFromVersionId"].clone(),
                body["MoveToVersionId"].clone(),
            )
        })
        .collect();
    assert_eq!(ids, [(base.as_str().into(), TOKEN.into())]);
}

#[test]
fn lie_a_label_that_moved_between_look_and_swap_stays_where_it_is() {
    // At the swap itself, and before it: whoever looks once more must not take what he sees then for what he knew.
    for right_after_look in [false, true] {
        moved_label_stays(right_after_look);
    }
}

fn moved_label_stays(right_after_look: bool) {
    let aws = Aws::start(Lies::default());
    aws.world().secret("db", PASSWORD);
    let (store, base) = (manager(&aws), VersionId::new(first("db")));
    let staged = stage(&*store, "db", base.as_str(), "password", "made-up-new").expect("staged");
    {
        let mut world = aws.world();
        let other = world.version(OTHER_HAND, &[], Some("made-up-of-somebody-else"));
        let held = world.secrets.get_mut("db").expect("there");
        held.versions.push(other);
        let race = Some("db".to_owned());
        if right_after_look {
            world.race_after_look = race;
        } else {
            world.race = race;
        }
    }
    assert_eq!(
        fault(store.promote(&key("db"), &base, &staged)),
        Fault::Conflict
    );
    let info = store.describe(&key("db")).expect("there");
    assert_eq!(info.current().map(|v| v.id.as_str()), Some(OTHER_HAND));
    // Ours waits to be taken back, and nothing of ours was made current.
    let ours = info.versions.iter().find(|version| version.id == staged);
    assert_eq!(ours.map(|v| v.state), Some(VersionState::Pending));
}

#[test]
fn lie_pages_are_as_small_as_aws_wants_them() {
    for unlimited in [false, true] {
        let aws = Aws::start(Lies {
            unlimited,
            ..Lies::default()
        });
        for n in 0..230 {
            aws.world().secret(&format!("s{n:03}"), "made-up");
        }
        let more = aws.world().version("more", &[], Some("made-up"));
        let many = (0..150).map(|n| {
            let mut version = more.clone();
            version.id = format!("v{n}");
            version
        });
        aws.world()
            .secrets
            .get_mut("s000")
            .expect("there")
            .versions
            .extend(many);
        let all = pages(&*manager(&aws));
        let keys: Vec<_> = all.iter().flat_map(|page| &page.keys).collect();
        assert_eq!((all.len(), keys.len()), (3, 230));
        let versions = keys[0]
            .info
            .as_ref()
            .map(|info| (info.versions.len(), info.trimmed));
        assert_eq!(versions, Some((151, true)));
    }
}

#[test]
fn lie_nulls_and_what_is_left_out_mean_the_same() {
    let known = [false, true].map(|nulls| {
        let aws = Aws::start(Lies {
            nulls,
            ..Lies::default()
        });
        {
            let mut world = aws.world();
            world.secret("a", "made-up");
            world.secret("never-filled", "").versions.clear();
        }
        let mut keys = pages(&*manager(&aws)).remove(0).keys;
        keys.iter_mut()
            .filter_map(|key| key.info.take())
            .collect::<Vec<_>>()
    });
    assert_eq!(known[0], known[1]);
    assert_eq!(known[0].len(), 2);
    assert!(known[0][1].versions.is_empty());
}

// Parameter Store.

const NAME: &str = "/app-prod/db_password";

fn with_parameter(kind: &'static str, values: usize) -> Aws {
    let aws = Aws::start(Lies::default());
    let parameter = super::aws_fake::Parameter {
        kind,
        values: (1..=values).map(|n| format!("made-up-{n}")).collect(),
        first: 1,
        written: Vec::new(),
    };
    aws.world().parameters.insert(NAME.to_owned(), parameter);
    aws
}

#[test]
fn all_versions_of_a_parameter_come_decrypted_with_one_request() {
    let aws = with_parameter("SecureString", 5);
    let store = parameters(&aws);
    assert_eq!(pages(&*store).remove(0).keys[0].key, key(NAME));
    let info = store.describe(&key(NAME)).expect("there");
    assert_eq!(info.owner.as_deref(), Some("app-prod"));
    let before = aws.count("GetParameterHistory");
    for version in &info.versions {
        let fields = read(&*store, NAME, version.id.as_str())
            .expect("read")
            .expect("a value");
        assert_eq!(fields[""], format!("made-up-{}", version.id));
    }
    assert_eq!(info.versions.len(), 5);
    assert_eq!(aws.count("GetParameterHistory"), before + 1);
    assert_eq!(fault(read(&*store, NAME, "6")), Fault::NotFound);
    aws.world().deny = Some("GetParameterHistory");
    assert_eq!(fault(read(&*parameters(&aws), NAME, "1")), Fault::Denied);
}

#[test]
fn parameters_and_versions_are_paged() {
    let aws = with_parameter("String", 100);
    for n in 0..120 {
        let parameter = super::aws_fake::Parameter {
            kind: "String",
            first: 7,
            values: vec!["made-up".into()],
            ..Default::default()
        };
        aws.world()
            .parameters
            .insert(format!("/p/{n:03}"), parameter);
    }
    let store = parameters(&aws);
    let keys = pages(&*store)
        .iter()
        .map(|page| page.keys.len())
        .sum::<usize>();
    assert_eq!(keys, 121);
    let info = store.describe(&key(NAME)).expect("there");
    assert_eq!((info.versions.len(), info.trimmed), (100, false));
    assert!(store.describe(&key("/p/000")).expect("there").trimmed);
}

#[test]
fn a_parameter_is_written_as_it_was() {
    let aws = with_parameter("SecureString", 2);
    let store = parameters(&aws);
    let staged = stage(&*store, NAME, "2", "", "made-up-new").expect("written");
    assert_eq!(staged.as_str(), "3");
    // Once more, after a lost answer: it is there already.
    assert_eq!(
        stage(&*store, NAME, "2", "", "made-up-new"),
        Ok(staged.clone())
    );
    let written = aws.world().parameters[NAME].written.clone();
    let [body] = written.as_slice() else {
        panic!("one write")
    };
    assert_eq!(body["Type"], "SecureString");
    assert_eq!(body["KeyId"], "alias/parameter_store_key");
    assert_eq!(body["Tier"], "Advanced");
    assert_eq!(body["AllowedPattern"], "^made-up");
    assert_eq!(
        fault(stage(&*store, NAME, "3", "", "breaks the pattern")),
        Fault::Rejected
    );
    assert_eq!(
        fault(stage(&*store, NAME, "1", "", "made-up-x")),
        Fault::Conflict
    );
    store
        .unstage(&key(NAME), &VersionId::new("2"), &staged)
        .expect("taken back");
    let fields = read(&*store, NAME, "4").expect("read").expect("a value");
    assert_eq!(fields[""], "made-up-2");
}

#[test]
fn a_lost_race_is_told_and_nothing_is_put_back() {
    let aws = with_parameter("String", 2);
    aws.world().race = Some(NAME.to_owned());
    let store = parameters(&aws);
    assert_eq!(
        fault(stage(&*store, NAME, "2", "", "made-up-new")),
        Fault::Conflict
    );
    assert_eq!(aws.world().parameters[NAME].values.len(), 4);
    aws.world().lose = Some("PutParameter");
    assert_eq!(
        fault(stage(&*store, NAME, "4", "", "made-up-new-2")),
        Fault::Unknown
    );
    assert_eq!(aws.world().parameters[NAME].values.len(), 5);
}

// Access keys.

pub(super) fn target_at(address: &str, keys: &(String, String)) -> Box<dyn Target> {
    let text = format!(
        "[stores.a]\nkind = \"aws\"\n[[targets]]\nstore = \"a\"\nkey = \"k\"\nkind = \"aws-iam\"\nendpoint = \"{address}\"\n"
    );
    let file = StoresFile::parse("stores.toml", &text).expect("settings");
    let entry: &TargetEntry = &file.targets[0];
    with_keys(keys, |surroundings| target::open(entry, surroundings)).expect("it opens")
}

fn target(aws: &Aws) -> Box<dyn Target> {
    target_at(&aws.fake.address, &admin())
}

fn credential(key: &AccessKey) -> Credential {
    Credential {
        user: Some(key.id.clone()),
        secret: Secret::new(key.secret.as_bytes()),
    }
}

#[test]
fn access_keys_take_turns_with_a_time_of_grace() {
    let aws = Aws::start(Lies::default());
    let old = credential(&aws.world().user("app"));
    let target = target(&aws);
    assert!(target.traits().makes_value && target.traits().grace);
    target.check(&old).expect("a slot is free");
    let new = target.issue(&old, None, TOKEN).expect("made");
    for both in [&old, &new] {
        assert_eq!(target.probe(both), Ok(ProviderState::Accepted));
    }
    target.disable(&old, &new).expect("off");
    assert_eq!(target.probe(&old), Ok(ProviderState::Refused));
    assert_eq!(target.probe(&new), Ok(ProviderState::Accepted));
    for _ in 0..2 {
        target.destroy(&old, &new).expect("deleted");
    }
    let user = aws.world().users["app"].clone();
    assert_eq!(user.keys.len(), 1);
    assert!(user.tags.is_empty());
    let wrong = Credential {
        secret: Secret::new(b"made-up-wrong"),
        ..new.clone()
    };
    assert_eq!(target.probe(&wrong), Ok(ProviderState::Refused));
    aws.world().throttle = Some(("GetCallerIdentity", 99));
    assert!(matches!(
        target.probe(&new),
        Ok(ProviderState::Unknown { .. })
    ));
    assert!(target.probe(&Credential { user: None, ..new }).is_err());
}

#[test]
fn a_key_whose_answer_was_lost_is_deleted_and_made_again() {
    let aws = Aws::start(Lies::default());
    let old = credential(&aws.world().user("app"));
    let target = target(&aws);
    aws.world().lose = Some("CreateAccessKey");
    assert_eq!(fault(target.issue(&old, None, TOKEN)), Fault::Unknown);
    let lost = aws.world().users["app"].keys[1].id.clone();
    assert_eq!(aws.count("CreateAccessKey"), 1);
    let new = target.issue(&old, None, TOKEN).expect("made again");
    let ids: Vec<_> = aws.world().users["app"]
        .keys
        .iter()
        .map(|key| key.id.clone())
        .collect();
    assert_eq!(
        ids,
        [
            old.user.clone().expect("an id"),
            new.user.clone().expect("an id")
        ]
    );
    assert!(!ids.contains(&lost));
    target.withdraw(&old, &new).expect("taken back");
    assert_eq!(aws.world().users["app"].keys.len(), 1);
    assert!(aws.world().users["app"].tags.is_empty());
}

#[test]
fn somebody_elses_key_is_never_taken_for_a_lost_one() {
    let aws = Aws::start(Lies::default());
    let old = credential(&aws.world().user("app"));
    let target = target(&aws);
    // Of another request: not ours.
    aws.world().user("app");
    assert_eq!(fault(target.issue(&old, None, TOKEN)), Fault::Setup);
    // Ours by its name, but used: somebody has its secret.
    aws.world().users.get_mut("app").expect("there").keys.pop();
    aws.world().lose = Some("CreateAccessKey");
    assert_eq!(fault(target.issue(&old, None, TOKEN)), Fault::Unknown);
    aws.world().users.get_mut("app").expect("there").keys[1].used = true;
    assert_eq!(fault(target.issue(&old, None, TOKEN)), Fault::Setup);
    assert_eq!(aws.world().users["app"].keys.len(), 2);
    assert_eq!(aws.count("DeleteAccessKey"), 0);
}

#[test]
fn the_key_that_keysweep_uses_is_not_rotated_by_it() {
    let aws = Aws::start(Lies::default());
    let key = aws.world().user("keysweep");
    let own = target_at(&aws.fake.address, &(key.id.clone(), key.secret.clone()));
    assert_eq!(fault(own.check(&credential(&key))), Fault::Setup);
    let unknown = Credential {
        user: Some("made-up".into()),
        secret: Secret::new(b"x"),
    };
    assert_eq!(fault(target(&aws).check(&unknown)), Fault::NotFound);
}

#[test]
fn lie_a_third_key_is_not_made_whatever_aws_would_accept() {
    for third_key in [false, true] {
        let aws = Aws::start(Lies {
            third_key,
            ..Lies::default()
        });
        let old = credential(&aws.world().user("app"));
        aws.world().user("app");
        let target = target(&aws);
        assert_eq!(fault(target.check(&old)), Fault::Setup);
        assert_eq!(fault(target.issue(&old, None, TOKEN)), Fault::Setup);
        assert_eq!(aws.count("CreateAccessKey"), 0);
    }
}

#[test]
fn lie_an_inactive_key_that_is_let_in_is_not_called_dead() {
    let aws = Aws::start(Lies {
        inactive_works: true,
        ..Lies::default()
    });
    let old = aws.world().user("app");
    aws.world().users.get_mut("app").expect("there").keys[0].active = false;
    let target = target(&aws);
    assert_eq!(target.probe(&credential(&old)), Ok(ProviderState::Accepted));
    aws.world().lies.inactive_works = false;
    assert_eq!(target.probe(&credential(&old)), Ok(ProviderState::Refused));
}

// Verify.

/// Returns a value of 30 letters that nobody guesses, the same for the same number.
fn planted(n: u64) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995_97f4_a7c1;
    (0..30)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(LETTERS[usize::try_from(state % 32).expect("small")])
        })
        .collect()
}

fn verdicts(stores: &[&dyn SecretStore], values: &[String]) -> (Vec<StoreState>, Verification) {
    let opened: Vec<_> = stores
        .iter()
        .map(|store| Opened {
            name: store.name(),
            store: Ok(*store),
            environment: None,
            prefixes: &[],
            narrowed: false,
            max_age_days: None,
            remembered: Default::default(),
        })
        .collect();
    let secrets: Vec<_> = values
        .iter()
        .map(|value| Secret::new(value.as_bytes()))
        .collect();
    let wanted: Vec<_> = secrets.iter().map(Some).collect();
    let options = Options {
        limits: VerifyLimits::default(),
        reuse: false,
        readers: true,
        now: 1_770_000_000,
        key: [7; 32],
        remembered: &|_| None,
        environment: &|_| None,
        stop: &AtomicBool::new(false),
        progress: &|_| {},
    };
    let outcome = verify(&wanted, &opened, &options);
    let states = outcome.verdicts.into_iter().map(|verdict| verdict.store);
    (states.collect(), outcome.verification)
}

#[test]
fn verify_finds_a_planted_value_in_each_state() {
    let aws = with_parameter("SecureString", 1);
    let values: Vec<_> = (1..=7).map(planted).collect();
    {
        let mut world = aws.world();
        let older = world.version("older", &[], Some(&values[0]));
        let before = world.version("before", &["AWSPREVIOUS"], Some(&values[1]));
        let pending = world.version("pending", &["AWSPENDING"], Some(&values[3]));
        let now = format!("{{\"password\":\"{}\"}}", values[2]);
        world
            .secret("db", &now)
            .versions
            .extend([older, before, pending]);
        world.secret("gone", &values[6]).deleted = true;
        let parameter = world.parameters.get_mut(NAME).expect("there");
        parameter.values = vec![values[4].clone(), values[5].clone()];
    }
    let (secrets, parameters) = (manager(&aws), parameters(&aws));
    let (states, told) = verdicts(&[&*secrets, &*parameters], &values);
    let behind = |state: &StoreState| match state {
        StoreState::Previous { behind, .. } => *behind,
        other => panic!("{other:?}"),
    };
    assert_eq!((behind(&states[0]), behind(&states[1])), (2, 1));
    assert_eq!(states[2], StoreState::Current);
    assert_eq!(states[3], StoreState::Pending);
    assert_eq!(behind(&states[4]), 1);
    assert_eq!(states[5], StoreState::Current);
    // AWS tells no value of a deleted secret, so "never" is too big a word.
    assert_eq!(
        states[6],
        StoreState::NotFound {
            complete: false,
            unread: false
        }
    );
    assert_eq!(told.stores[0].deleted, 1);
    assert_eq!(told.stores[0].versions, 4);
    // The ciphertext of a SecureString is no value.
    let world = aws.world();
    let mut asked = world
        .ops
        .iter()
        .filter(|(name, _)| name == "GetParameterHistory");
    assert!(asked.any(|(_, body)| body["WithDecryption"] == true));
    drop(world);
    let sealed: String = values[5]
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let (states, _) = verdicts(&[&*parameters], &[format!("AQICAHh{sealed}")]);
    assert_eq!(
        states,
        [StoreState::NotFound {
            complete: true,
            unread: false
        }]
    );
}

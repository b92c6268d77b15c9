//! Verdicts on stores in memory: what is met, what is not, and what that proves.

use super::{
    testing::{Memory, version},
    *,
};
use crate::{
    model::NotCompared,
    stores::{Fault, ReadOutcome, VersionState::*},
};

const VALUE: &str = "kT9vLm2qPzXw7RbN";
const OTHER: &str = "Zq4wNc8yTb3mKd6h";
const HOST: &str = "db-prod-7.c9akciq32.eu-west-1.rds.amazonaws.com";

fn found_nowhere(complete: bool, unread: bool) -> StoreState {
    StoreState::NotFound { complete, unread }
}

fn run_with(store: &Memory, values: &[&str], limits: VerifyLimits, reuse: bool) -> Outcome {
    run_remembering(store, values, limits, reuse, &|_| None)
}

fn run_remembering(
    store: &Memory,
    values: &[&str],
    limits: VerifyLimits,
    reuse: bool,
    remembered: &(dyn Fn(&Secret) -> Option<Remembered> + Sync),
) -> Outcome {
    run_all(store, values, (limits, reuse, [3; 32]), remembered)
}

fn run_keyed(store: &Memory, values: &[&str], limits: VerifyLimits, key: [u8; 32]) -> Outcome {
    run_all(store, values, (limits, false, key), &|_| None)
}

fn run_all(
    store: &Memory,
    values: &[&str],
    (limits, reuse, key): (VerifyLimits, bool, [u8; 32]),
    remembered: &(dyn Fn(&Secret) -> Option<Remembered> + Sync),
) -> Outcome {
    let secrets: Vec<Secret> = values.iter().map(|v| Secret::new(v.as_bytes())).collect();
    let values: Vec<Option<&Secret>> = secrets.iter().map(Some).collect();
    let stop = AtomicBool::new(false);
    let opened = Opened {
        name: "prod",
        store: Ok(store),
        environment: None,
        prefixes: &[],
        narrowed: false,
        max_age_days: Some(90),
        remembered: Versions::new(),
    };
    let options = Options {
        limits,
        reuse,
        readers: true,
        now: 100 * 86_400,
        key,
        remembered,
        environment: &|key| key.starts_with("prod/").then(|| "prod".to_owned()),
        stop: &stop,
        progress: &|_| {},
    };
    verify(&values, &[opened], &options)
}

fn run(store: &Memory, values: &[&str]) -> Outcome {
    run_with(store, values, VerifyLimits::default(), false)
}

#[test]
fn tells_place_state_owner_readers_and_age() {
    let store = Memory::default()
        .with("a/x", vec![version(Current, OTHER)])
        .with(
            "prod/db",
            vec![version(Current, OTHER), version(Previous, VALUE)],
        );
    let outcome = run(&store, &[VALUE, OTHER]);
    let [old, current] = outcome.verdicts.as_slice() else {
        unreachable!("two values have two verdicts")
    };
    assert_eq!(
        old.store,
        StoreState::Previous {
            behind: 1,
            since: None
        }
    );
    assert_eq!(old.urgency, crate::model::Urgency::Soon);
    let place = old.place.as_ref().unwrap();
    assert_eq!(
        (
            place.key.as_str(),
            place.version.as_deref(),
            place.field.as_deref()
        ),
        ("prod/db", Some("1"), Some("password"))
    );
    assert_eq!(place.environment.as_deref(), Some("prod"));
    assert_eq!(old.owner.as_deref(), Some("team-db"));
    assert!(
        old.age
            .is_some_and(|age| age.days == 100 && age.is_overdue())
    );
    assert_eq!(current.store, StoreState::Current);
    assert_eq!(current.also.len(), 1);
    assert!(current.is_live());
    assert_eq!(outcome.verification.stores[0].versions, 3);
}

#[test]
fn not_found_says_whether_all_was_read() {
    let full = Memory::default().with("a", vec![version(Current, OTHER)]);
    assert_eq!(
        run(&full, &[VALUE]).verdicts[0].store,
        found_nowhere(true, false)
    );
    let mut partial = full.with("b", vec![version(Current, VALUE)]);
    partial.faults.insert("b", Fault::Denied);
    let outcome = run(&partial, &[VALUE]);
    assert_eq!(outcome.verdicts[0].store, found_nowhere(false, false));
    let coverage = &outcome.verification.stores[0];
    assert_eq!((coverage.listed, coverage.read, coverage.denied), (2, 1, 1));
    assert_eq!(coverage.problems[0].key, "b");
    assert!(outcome.verification.is_incomplete());
}

#[test]
fn a_prefix_that_names_no_key_leaves_the_run_incomplete() {
    let store = Memory::default().with("prod/db", vec![version(Current, VALUE)]);
    let stop = AtomicBool::new(false);
    let run = |prefixes: &[String]| {
        let found = stream::read_all(
            &store,
            prefixes,
            &Versions::new(),
            &stop,
            &|_, _| {},
            &|_| {},
        );
        (found.is_read(), found.read, found.problems)
    };
    let (is_read, read, problems) = run(&["prod/".to_owned(), "prdo/".to_owned()]);
    assert_eq!((is_read, read), (false, 1));
    assert_eq!(problems.first().map(|one| one.key.as_str()), Some("prdo/"));
    let (is_read, read, problems) = run(&["prod/".to_owned()]);
    assert_eq!((is_read, read, problems), (true, 1, Vec::new()));
}

#[test]
fn a_store_that_stops_answering_is_left_and_says_why() {
    let mut store = Memory::default().with("a", vec![version(Current, VALUE)]);
    store.faults.insert("a", Fault::Unavailable);
    let outcome = run(&store, &[VALUE]);
    let coverage = &outcome.verification.stores[0];
    assert!(
        coverage
            .stopped
            .as_ref()
            .is_some_and(|why| why.contains("does not answer") && why.contains("do this"))
    );
    assert!(outcome.verification.is_incomplete());
}

#[test]
fn deleted_and_trimmed_versions_forbid_to_say_never() {
    let mut store = Memory::default().with(
        "a",
        vec![version(Current, OTHER), version(SoftDeleted, VALUE)],
    );
    let outcome = run(&store, &[VALUE]);
    assert_eq!(outcome.verification.stores[0].deleted, 1);
    assert_eq!(outcome.verdicts[0].store, found_nowhere(false, false));
    assert!(!outcome.verification.is_incomplete());
    store.trimmed.push("a");
    assert_eq!(run(&store, &[VALUE]).verification.stores[0].trimmed, 1);
}

#[test]
fn deleted_versions_are_told_by_what_is_remembered() {
    let deleted =
        |state| Memory::default().with("a", vec![version(Current, OTHER), version(state, VALUE)]);
    let remembered = |_: &Secret| Some(stone("a", "1", None));
    let state = |store: &Memory| {
        let limits = VerifyLimits::default();
        let outcome = run_remembering(store, &[VALUE], limits, false, &remembered);
        outcome.verdicts[0].store.clone()
    };
    assert_eq!(state(&deleted(SoftDeleted)), StoreState::SoftDeleted);
    assert_eq!(state(&deleted(Destroyed)), StoreState::Destroyed);
    // One version less: the store no longer lists the first.
    let remembered = |_: &Secret| Some(stone("a", "0", None));
    let trimmed = Memory::default().with("a", vec![version(Current, OTHER)]);
    let limits = VerifyLimits::default();
    let outcome = run_remembering(&trimmed, &[VALUE], limits, false, &remembered);
    assert_eq!(outcome.verdicts[0].store, StoreState::Destroyed);
}

#[test]
fn what_a_store_still_has_or_hides_is_not_gone() {
    let unsure = StoreState::NotFound {
        complete: false,
        unread: false,
    };
    let judged = |store: &Memory, version: &str| {
        let stone = stone("a", version, Some("2026-01-01T00:00:00Z"));
        let remembered = |_: &Secret| Some(stone.clone());
        let limits = VerifyLimits::default();
        let mut outcome = run_remembering(store, &[VALUE], limits, false, &remembered);
        let verdict = outcome.verdicts.remove(0);
        // Whether anything at all of the store could be read is told, too; here it is not asked.
        let store = match verdict.store {
            StoreState::NotFound { complete, .. } => StoreState::NotFound {
                complete,
                unread: false,
            },
            other => other,
        };
        (store, verdict.refused_at.is_some())
    };
    let with = |state| Memory::default().with("a", vec![version(state, VALUE)]);
    for state in [Current, Pending, Previous] {
        for reads in [ReadOutcome::Read, ReadOutcome::Gone, ReadOutcome::Hidden] {
            let mut store = with(state);
            store.reads.insert("a", reads);
            assert_eq!(judged(&store, "1"), (unsure.clone(), false), "{state:?}");
        }
        let mut store = with(state);
        store.hidden.push("a");
        assert_eq!(judged(&store, "1"), (unsure.clone(), false), "{state:?}");
        assert_eq!(judged(&store, "0"), (unsure.clone(), false), "{state:?}");
    }
    let silent = Memory::default().with("a", Vec::new());
    assert_eq!(judged(&silent, "1"), (unsure.clone(), false));
    let mut switched_off = with(Disabled);
    switched_off.reads.insert("a", ReadOutcome::Gone);
    assert_eq!(judged(&switched_off, "1"), (StoreState::Disabled, true));
    assert_eq!(judged(&with(Destroyed), "1"), (StoreState::Destroyed, true));
}

#[test]
fn a_store_without_versions_proves_by_another_value_that_one_is_gone() {
    let judged = |store: &Memory| {
        let mut stone = stone("a", "", None);
        stone.place.field = Some("password".to_owned());
        let remembered = |_: &Secret| Some(stone.clone());
        let limits = VerifyLimits::default();
        let mut outcome = run_remembering(store, &[VALUE], limits, false, &remembered);
        outcome.verdicts.remove(0).store
    };
    let mut store = Memory::default().with("a", vec![version(Current, OTHER)]);
    store.unversioned.push("a");
    assert_eq!(judged(&store), StoreState::Destroyed);
    store.reads.insert("a", ReadOutcome::Read);
    let unsure = StoreState::NotFound {
        complete: false,
        unread: false,
    };
    assert_eq!(judged(&store), unsure);
    store.reads.insert("a", ReadOutcome::Hidden);
    assert_eq!(judged(&store), unsure);
}

#[test]
fn a_store_that_hides_all_it_has_was_not_read() {
    let mut store = Memory::default().with("a", vec![version(Current, VALUE)]);
    store.hidden.push("a");
    let outcome = run(&store, &[VALUE]);
    assert_eq!(outcome.verification.stores[0].hidden, 1);
    assert!(outcome.verification.is_incomplete());
    let store = store.with("b", vec![version(Current, OTHER)]);
    assert!(!run(&store, &[VALUE]).verification.is_incomplete());
}

#[test]
fn a_deleted_version_whose_values_are_remembered_is_no_gap() {
    let gone = vec![version(Current, OTHER), version(Destroyed, VALUE)];
    let store = Memory::default().with("a", gone.clone()).with("b", gone);
    let stop = AtomicBool::new(false);
    let run = |keys: &[&str]| {
        let known: Versions = keys
            .iter()
            .map(|key| ((*key).to_owned(), BTreeSet::from(["1".to_owned()])))
            .collect();
        let found = stream::read_all(&store, &[], &known, &stop, &|_, _| {}, &|_| {});
        (found.deleted, found.versions, found.is_complete())
    };
    assert_eq!(run(&[]), (2, 2, false));
    assert_eq!(run(&["a"]), (1, 3, false));
    assert_eq!(run(&["a", "b"]), (0, 4, true));
}

fn stone(key: &str, version: &str, refused_at: Option<&str>) -> Remembered {
    Remembered {
        place: StorePlace {
            store: "prod".to_owned(),
            key: key.to_owned(),
            version: Some(version.to_owned()),
            field: None,
            environment: None,
        },
        refused_at: refused_at.map(str::to_owned),
    }
}

#[test]
fn a_refusal_that_its_rotation_has_proven_counts_for_an_old_value_of_that_key_alone() {
    use crate::model::Urgency;
    const AT: &str = "2026-01-01T00:00:00Z";
    let old = || vec![version(Current, OTHER), version(Previous, VALUE)];
    let judged = |store: &Memory, key: &str, refused: Option<&str>| {
        let remembered =
            |value: &Secret| (value.expose() == VALUE.as_bytes()).then(|| stone(key, "1", refused));
        let limits = VerifyLimits::default();
        let mut outcome = run_remembering(store, &[VALUE], limits, false, &remembered);
        let verdict = outcome.verdicts.remove(0);
        (verdict.urgency, verdict.refused_at)
    };
    let dead = (Urgency::Remediated, Some(AT.to_owned()));
    let store = Memory::default().with("a", old());
    assert_eq!(judged(&store, "a", Some(AT)), dead);
    assert_eq!(judged(&store, "a", None), (Urgency::Soon, None));
    assert_eq!(judged(&store, "b", Some(AT)), (Urgency::Soon, None));
    let twice = Memory::default().with("a", old()).with("b", old());
    assert_eq!(judged(&twice, "a", Some(AT)), (Urgency::Soon, None));
    let again = Memory::default().with("a", vec![version(Current, VALUE)]);
    assert_eq!(judged(&again, "a", Some(AT)), (Urgency::Now, None));
    let gone = Memory::default().with(
        "a",
        vec![version(Current, OTHER), version(Destroyed, VALUE)],
    );
    assert_eq!(judged(&gone, "a", Some(AT)), dead);
}

#[test]
fn what_is_remembered_of_a_store_that_was_not_read_proves_nothing() {
    let mut store = Memory::default().with("a", vec![version(Current, VALUE)]);
    store.faults.insert("a", Fault::Unauthenticated);
    let remembered = |_: &Secret| Some(stone("a", "0", None));
    let outcome = run_remembering(
        &store,
        &[VALUE],
        VerifyLimits::default(),
        false,
        &remembered,
    );
    let expected = found_nowhere(false, true);
    assert_eq!(outcome.verdicts[0].store, expected);
}

#[test]
fn guesses_and_too_many_values_are_not_compared() {
    let store = Memory::default().with("a", vec![version(Current, "password1")]);
    let outcome = run(&store, &["password1"]);
    assert_eq!(
        outcome.verdicts[0].store,
        StoreState::NotCompared {
            why: NotCompared::TooWeak
        }
    );
}

#[test]
fn chance_decides_what_is_over_the_limit_and_the_rest_is_told() {
    let store = Memory::default().with("a", vec![version(Current, VALUE)]);
    let limits = VerifyLimits {
        max_candidates: 2,
        ..VerifyLimits::default()
    };
    let mut found = 0;
    for n in 0..64 {
        let outcome = run_keyed(&store, &[OTHER, VALUE, OTHER], limits, [n; 32]);
        let over = StoreState::NotCompared {
            why: NotCompared::OverLimit,
        };
        let is_over: Vec<bool> = outcome.verdicts.iter().map(|v| v.store == over).collect();
        assert!(
            is_over[0] == is_over[2] && is_over[0] != is_over[1],
            "{is_over:?}"
        );
        assert_eq!(outcome.verification.over_limit, 1);
        assert!(outcome.verification.candidates <= 2);
        assert!(outcome.verification.is_incomplete());
        found += u8::from(!is_over[1]);
    }
    // Neither first nor last: each of the two is chosen at times.
    assert!((8..56).contains(&found), "{found}");
}

#[test]
fn names_and_hosts_beside_a_password_are_not_live() {
    let fields = vec![
        ("username", "billing_service_rw".to_owned()),
        ("host", HOST.to_owned()),
        ("password", VALUE.to_owned()),
    ];
    let store = Memory::default().with("prod/db", vec![(Current, fields)]);
    let outcome = run(&store, &["billing_service_rw", HOST, VALUE]);
    let states: Vec<_> = outcome.verdicts.iter().map(|v| v.store.clone()).collect();
    let identity = StoreState::IdentityOnly;
    assert_eq!(states, [identity.clone(), identity, StoreState::Current]);
    let live: Vec<bool> = outcome.verdicts.iter().map(Verdict::is_live).collect();
    assert_eq!(live, [false, false, true]);
    // A leaked URL has all of them: its password decides, and nothing else is told of it.
    let url = format!("postgres://billing_service_rw:{VALUE}@{HOST}/x");
    let twice = store.with(
        "prod/other",
        vec![(Current, vec![("username", "billing_service_rw".to_owned())])],
    );
    let outcome = run(&twice, &[&url]);
    assert_eq!(outcome.verdicts[0].store, StoreState::Current);
    assert!(outcome.verdicts[0].also.is_empty());
}

#[test]
fn shared_values_are_told_across_keys_and_environments() {
    let store = Memory::default()
        .with("a/x", vec![version(Current, VALUE)])
        .with(
            "prod/db",
            vec![(Current, vec![("url", format!("redis://u:{VALUE}@h"))])],
        )
        .with("prod/old", vec![version(Previous, VALUE)]);
    let outcome = run_with(&store, &[], VerifyLimits::default(), true);
    let [shared] = outcome.verification.shared.as_slice() else {
        unreachable!("one value is shared: {:?}", outcome.verification.shared)
    };
    let keys: Vec<&str> = shared.places.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(keys, ["a/x", "prod/db"]);
}

#[test]
fn results_hold_no_value() {
    let store = Memory::default().with("a", vec![version(Current, VALUE)]);
    let outcome = run_with(&store, &[VALUE], VerifyLimits::default(), true);
    let text = serde_json::to_string(&(&outcome.verdicts, &outcome.verification)).unwrap();
    assert!(!text.contains(VALUE));
    assert!(!format!("{:?} {:?}", outcome.verdicts, outcome.verification).contains(VALUE));
}

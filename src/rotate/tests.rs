//! Rotations that crash, lose answers and meet other people's writes; in each moment no credential is lost.

use std::collections::BTreeSet;

use super::{
    Effect, Listed, Outcome, Point, RotateError, State, Unopened,
    journal::Event,
    testing::{Bench, OLD, Script, Way},
    verify_audit,
};
use crate::stores::{Fault, StoreError};

const WAYS: [(Way, bool); 9] = [
    (Way::Grace, false),
    (Way::Grace, true),
    (Way::Cutover, false),
    (Way::Cutover, true),
    (Way::Put, false),
    (Way::Put, true),
    (Way::Native, false),
    (Way::MakesValue, true),
    (Way::Revoke, false),
];

/// Returns the points that a way passes when nothing fails.
fn passed(bench: &Bench) -> BTreeSet<Point> {
    let outcome = bench.finish();
    bench.check_end(&outcome);
    bench.faults.seen.borrow().clone()
}

#[test]
fn every_way_ends_done_and_each_effect_happens_once() {
    for (way, pending) in WAYS {
        let bench = Bench::new(way, pending);
        let outcome = bench.finish();
        assert_eq!(outcome, Outcome::Done, "{way:?}");
        bench.check_end(&outcome);
        for call in ["stage", "native_rotate"] {
            assert!(bench.store.calls(call) <= 1, "{way:?} {call}");
        }
        for call in ["issue", "disable", "end_sessions", "target_destroy"] {
            assert!(bench.target.calls(call) <= 1, "{way:?} {call}");
        }
    }
}

#[test]
fn a_crash_at_every_point_of_every_way_loses_nothing_and_ends_done() {
    let mut crashes = 0;
    let mut points = BTreeSet::new();
    for (way, pending) in WAYS {
        for point in passed(&Bench::new(way, pending)) {
            let bench = Bench::new(way, pending);
            bench.crash_at(point);
            let outcome = bench.finish();
            assert!(bench.has_crashed(), "{way:?} did not come to {point}");
            assert_eq!(outcome, Outcome::Done, "{way:?} at {point}");
            bench.check_end(&outcome);
            crashes += 1;
            points.insert(point);
        }
    }
    assert!(points.len() >= 50, "{}", points.len());
    assert!(crashes >= 300, "{crashes}");
}

#[test]
fn a_torn_record_after_a_crash_is_cut_and_said() {
    for (way, pending) in WAYS {
        for point in passed(&Bench::new(way, pending)) {
            let bench = Bench::new(way, pending);
            bench.crash_at(point);
            let error = loop {
                match bench.apply() {
                    Err(error) => break error,
                    Ok(done) => match done[0].outcome {
                        Outcome::InGrace { until } => bench.now.set(until),
                        _ => bench.now.set(bench.now.get() + 400),
                    },
                }
            };
            assert!(matches!(error, RotateError::Crash { .. }), "{error}");
            let path = bench.journals().join(format!("{}.jsonl", bench.id()));
            if !path.exists() {
                continue;
            }
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.extend_from_slice(b"{\"kind\":\"did\",\"payl");
            std::fs::write(&path, bytes).unwrap();
            let done = bench.apply().unwrap();
            if point != Point::BeforeState(State::Planned) {
                assert!(done[0].cut > 0, "{way:?} at {point}");
            }
            let outcome = bench.finish();
            assert!(matches!(outcome, Outcome::Done), "{way:?} at {point}");
        }
    }
}

/// What makes a rotation turn back.
fn failures() -> Vec<(Way, bool, &'static str, Script)> {
    let script = |call, fault| Script {
        call,
        fault,
        works: false,
        times: 1,
    };
    vec![
        (Way::Grace, false, "stage", script("stage", Fault::Denied)),
        (Way::Grace, true, "stage", script("stage", Fault::Conflict)),
        (
            Way::Grace,
            true,
            "promote",
            script("promote", Fault::Denied),
        ),
        // The new value is what readers get already: they must have the old one again before the target drops the new one.
        (
            Way::Grace,
            false,
            "promote",
            script("promote", Fault::Denied),
        ),
        (Way::Grace, false, "issue", script("issue", Fault::Denied)),
        (Way::Cutover, false, "stage", script("stage", Fault::Denied)),
        (
            Way::MakesValue,
            true,
            "stage",
            script("stage", Fault::Denied),
        ),
        (Way::Put, false, "stage", script("stage", Fault::Denied)),
    ]
}

fn failing((way, pending, call, script): &(Way, bool, &'static str, Script)) -> Bench {
    let bench = Bench::new(*way, *pending);
    if ["stage", "promote"].contains(call) {
        bench.store.script(script.clone());
    } else {
        bench.target.script(script.clone());
    }
    bench
}

#[test]
fn a_refusal_before_the_old_one_is_touched_takes_everything_back_through_every_crash() {
    let mut points = BTreeSet::new();
    for failure in failures() {
        let bench = failing(&failure);
        let outcome = bench.finish();
        assert!(
            matches!(outcome, Outcome::RolledBack { .. }),
            "{failure:?}: {outcome:?}"
        );
        if failure.0 == Way::Put {
            assert_eq!(bench.store.current().get("password").unwrap(), OLD);
        } else {
            bench.check_end(&outcome);
        }
        let seen = bench.faults.seen.borrow().clone();
        for point in seen {
            let bench = failing(&failure);
            bench.crash_at(point);
            let outcome = bench.finish();
            let ok = matches!(outcome, Outcome::RolledBack { .. } | Outcome::Done);
            // A crash right after the refused call: whether it was done is looked up, and then it is done.
            assert!(ok, "{failure:?} at {point}: {outcome:?}");
            if failure.0 != Way::Put {
                bench.check_end(&outcome);
            }
            points.insert(point);
        }
    }
    for effect in [Effect::Unstage, Effect::Withdraw] {
        assert!(points.contains(&Point::AfterEffect(effect)), "{effect:?}");
    }
}

/// A store that refuses the promotion, and has no older values to bring back.
fn forgetful() -> Bench {
    let bench = Bench::new(Way::Grace, false);
    for (call, fault, times) in [
        ("promote", Fault::Denied, 1),
        ("unstage", Fault::Unsupported, 9),
    ] {
        let works = false;
        bench.store.script(Script {
            call,
            fault,
            works,
            times,
        });
    }
    bench
}

#[test]
fn a_store_without_older_values_gets_the_old_one_from_the_journal_through_every_crash() {
    let bench = forgetful();
    let outcome = bench.finish();
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
    assert_eq!(bench.store.current().get("password").unwrap(), OLD);
    assert_eq!(bench.store.calls("stage"), 2);
    let seen = bench.faults.seen.borrow().clone();
    assert!(seen.contains(&Point::AfterEffect(Effect::Unstage)));
    for point in seen {
        let bench = forgetful();
        bench.crash_at(point);
        let outcome = bench.finish();
        match outcome {
            Outcome::RolledBack { .. } => {
                assert_eq!(
                    bench.store.current().get("password").unwrap(),
                    OLD,
                    "{point}"
                );
                assert_eq!(bench.store.calls("stage"), 2, "{point}");
            }
            // A crash right after the refused call: it is looked up, and done.
            Outcome::Done => {}
            other => panic!("{point}: {other:?}"),
        }
        bench.check();
    }
}

#[test]
fn what_the_store_refuses_in_a_rehearsal_is_never_begun() {
    for (way, pending) in [(Way::Grace, false), (Way::Put, true), (Way::Cutover, false)] {
        let bench = Bench::new(way, pending);
        bench.store.script(Script {
            call: "rehearse",
            fault: Fault::Denied,
            works: false,
            times: 1,
        });
        let outcome = bench.finish();
        assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
        assert_eq!(bench.store.calls("stage"), 0);
        assert_eq!(bench.target.calls("issue"), 0);
        assert_eq!(bench.store.current().get("password").unwrap(), OLD);
    }
}

#[test]
fn a_store_that_has_forgotten_the_version_before_gets_its_values_back() {
    let bench = Bench::new(Way::Grace, false);
    for (call, fault) in [("promote", Fault::Denied), ("unstage", Fault::NotFound)] {
        bench.store.script(Script {
            call,
            fault,
            works: false,
            times: 1,
        });
    }
    let outcome = bench.finish();
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
    assert_eq!(bench.store.calls("stage"), 2);
    bench.check_end(&outcome);
    // Where nothing can be written either, the words say so, and the target is left as it is.
    let bench = Bench::new(Way::Grace, true);
    bench.crash_at(Point::AfterState(State::Promoted));
    assert!(bench.apply().is_err());
    let new = bench.store.current().get("password").unwrap().clone();
    bench.target.forget(&new);
    bench.store.script(Script {
        call: "promote",
        fault: Fault::NotFound,
        works: false,
        times: 1,
    });
    let done = bench.resume(false).unwrap();
    match &done[0].outcome {
        Outcome::NeedsHuman { why } => assert!(why.contains("could not be taken back"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.target.calls("withdraw"), 0);
}

#[test]
fn a_new_credential_that_is_refused_is_taken_back_from_store_and_target() {
    for (pending, point) in [false, true]
        .into_iter()
        .flat_map(|pending| Point::all().into_iter().map(move |point| (pending, point)))
    {
        let bench = Bench::new(Way::Grace, pending);
        // It is lost at the target between promotion and the look at it.
        bench.crash_at(Point::AfterState(State::Promoted));
        assert!(bench.apply().is_err());
        let new = bench.store.current().get("password").unwrap().clone();
        bench.target.forget(&new);
        bench.crash_at(point);
        let mut outcome = None;
        for _ in 0..4 {
            if let Ok(done) = bench.resume(false)
                && let Some(first) = done.first()
            {
                outcome = Some(first.outcome.clone());
            }
        }
        if outcome.is_none() {
            // The crash came after its last record.
            outcome = Some(bench.apply().unwrap()[0].outcome.clone());
        }
        let outcome = outcome.unwrap();
        assert!(
            matches!(outcome, Outcome::RolledBack { .. }),
            "{point}: {outcome:?}"
        );
        bench.check_end(&outcome);
    }
}

#[test]
fn a_lost_answer_is_looked_into_and_nothing_is_done_twice() {
    for (way, pending) in WAYS {
        for call in [
            "stage",
            "promote",
            "annotate",
            "destroy",
            "native_rotate",
            "poll",
            "describe",
            "read",
            "issue",
            "disable",
            "end_sessions",
            "target_destroy",
            "probe",
        ] {
            for works in [false, true] {
                let bench = Bench::new(way, pending);
                let script = Script {
                    call,
                    fault: Fault::Unknown,
                    works,
                    times: 1,
                };
                let of_target = [
                    "issue",
                    "disable",
                    "end_sessions",
                    "target_destroy",
                    "probe",
                ];
                if of_target.contains(&call) {
                    bench.target.script(script);
                } else {
                    bench.store.script(script);
                }
                let outcome = bench.finish();
                bench.check();
                let first_look = matches!(call, "probe" | "describe" | "read");
                let back = matches!(outcome, Outcome::RolledBack { .. });
                assert!(
                    outcome == Outcome::Done || (first_look && back),
                    "{way:?} {call} {works}: {outcome:?}"
                );
                if outcome == Outcome::Done {
                    bench.check_end(&outcome);
                }
            }
        }
    }
}

#[test]
fn a_write_of_somebody_else_stops_it_for_a_person() {
    for state in [
        State::Validated,
        State::Generated,
        State::Issued,
        State::Promoted,
        State::Grace,
    ] {
        let bench = Bench::new(Way::Grace, false);
        bench.crash_at(Point::AfterState(state));
        while let Ok(done) = bench.apply() {
            if let Outcome::InGrace { until } = done[0].outcome {
                bench.now.set(until);
            }
        }
        bench.store.write_elsewhere(b"made-up-elsewhere");
        let done = bench.resume(false).unwrap();
        match &done[0].outcome {
            Outcome::NeedsHuman { why } => assert!(why.contains("somebody else"), "{why}"),
            other => panic!("{state:?}: {other:?}"),
        }
        assert!(
            bench.target.accepted().contains(&OLD.to_vec()),
            "the old one was touched"
        );
        // It stays so until a person says otherwise.
        let (writes, again) = (bench.store.calls("stage"), bench.resume(false).unwrap());
        assert_eq!(again[0].outcome.code(), 14);
        assert_eq!(bench.store.calls("stage"), writes);
    }
}

#[test]
fn a_write_of_somebody_else_before_it_begins_changes_nothing() {
    let bench = Bench::new(Way::Grace, false);
    bench.store.write_elsewhere(b"made-up-elsewhere");
    let done = bench.apply().unwrap();
    assert!(
        matches!(done[0].outcome, Outcome::RolledBack { .. }),
        "{done:?}"
    );
    assert_eq!(bench.store.calls("stage") + bench.target.calls("issue"), 0);
}

#[test]
fn an_old_journal_goes_on_by_hand_only() {
    let bench = Bench::new(Way::Grace, false);
    bench.crash_at(Point::AfterState(State::Promoted));
    assert!(bench.apply().is_err());
    bench.now.set(bench.now.get() + 25 * 3600);
    let done = bench.resume(false).unwrap();
    assert!(
        matches!(done[0].outcome, Outcome::NeedsHuman { .. }),
        "{done:?}"
    );
    let done = bench.resume(true).unwrap();
    assert!(
        matches!(done[0].outcome, Outcome::InGrace { .. }),
        "{done:?}"
    );
    let outcome = bench.finish();
    assert_eq!(outcome, Outcome::Done);
    bench.check_end(&outcome);
}

#[test]
fn a_credential_that_is_still_accepted_is_not_dead() {
    let bench = Bench::new(Way::Grace, false);
    // The target says that it did, and did not.
    bench.crash_at(Point::AfterState(State::OldDisabled));
    while let Ok(done) = bench.apply() {
        if let Outcome::InGrace { until } = done[0].outcome {
            bench.now.set(until);
        }
    }
    bench.target.accept(OLD);
    let done = bench.resume(false).unwrap();
    match &done[0].outcome {
        Outcome::NeedsHuman { why } => assert!(why.contains("still accepted"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_answer_is_no_proof_of_death() {
    let bench = Bench::new(Way::Grace, false);
    bench.crash_at(Point::AfterState(State::SessionsEnded));
    while let Ok(done) = bench.apply() {
        if let Outcome::InGrace { until } = done[0].outcome {
            bench.now.set(until);
        }
    }
    bench.target.script(Script {
        call: "probe",
        fault: Fault::Unknown,
        works: true,
        times: 3,
    });
    for _ in 0..3 {
        let done = bench.resume(false).unwrap();
        assert!(matches!(done[0].outcome, Outcome::Later { .. }), "{done:?}");
    }
    assert_eq!(bench.finish(), Outcome::Done);
}

#[test]
fn a_value_that_breaks_a_rule_is_made_anew_at_most_twice() {
    for (times, ends_done) in [(1, true), (2, true), (3, false)] {
        let bench = Bench::new(Way::Grace, false);
        bench.target.script(Script {
            call: "issue",
            fault: Fault::Rejected,
            works: false,
            times,
        });
        let outcome = bench.finish();
        assert_eq!(outcome == Outcome::Done, ends_done, "{times}: {outcome:?}");
        assert!(bench.target.calls("issue") <= 3);
        bench.check_end(&outcome);
    }
}

#[test]
fn journals_and_the_audit_log_hold_no_value_and_the_chain_holds() {
    use base64::Engine as _;
    for (way, pending) in WAYS {
        let bench = Bench::new(way, pending);
        let outcome = bench.finish();
        let new = bench.store.current().get("password").unwrap().clone();
        let journal = serde_json::to_string(
            &bench
                .events()
                .iter()
                .map(without_sealed)
                .collect::<Vec<_>>(),
        );
        let path = bench.directory.path().join("audit.jsonl");
        let audit = std::fs::read_to_string(&path).unwrap();
        let raw = std::fs::read_to_string(bench.journals().join(format!("{}.jsonl", bench.id())));
        let stones = std::fs::read_to_string(bench.directory.path().join("tombstones.jsonl"));
        let texts = [
            journal.unwrap(),
            raw.unwrap(),
            audit,
            stones.unwrap(),
            bench.plan.to_text(),
            format!("{outcome:?} {:?}", bench.plan.steps()),
        ];
        for text in texts {
            for value in [OLD, &new] {
                let plain = String::from_utf8_lossy(value).into_owned();
                let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(value);
                let reversed: String = plain.chars().rev().collect();
                let hash = super::canonical::sha256(value);
                for form in [plain, base64, crate::model::hex(value), reversed, hash] {
                    assert!(!text.contains(&form), "{way:?}: {text}");
                }
            }
        }
        let report = verify_audit(&path).unwrap();
        assert!(report.records >= 5 && report.torn == 0);
    }
}

type Change<'c> = dyn Fn(usize, &mut serde_json::Map<String, serde_json::Value>) + 'c;

/// Returns a journal with a change in it, and hashes that are right: only the tags tell.
fn rechained(text: &str, change: &Change<'_>) -> String {
    let mut prev = super::chain::NOTHING.to_owned();
    let mut whole = String::new();
    for (n, line) in text.lines().enumerate() {
        let mut line: serde_json::Map<_, _> = serde_json::from_str(line).unwrap();
        line.insert("prev".into(), prev.clone().into());
        change(n, &mut line);
        let line = super::canonical::canonical(&line).unwrap();
        prev = super::canonical::sha256(line.as_bytes());
        whole.push_str(&line);
        whole.push('\n');
    }
    whole
}

#[test]
fn a_journal_of_somebody_without_the_identity_is_damage_and_does_nothing() {
    let bench = Bench::new(Way::Grace, false);
    bench.crash_at(Point::AfterState(State::Generated));
    assert!(bench.apply().is_err());
    let path = bench.journals().join(format!("{}.jsonl", bench.id()));
    let text = std::fs::read_to_string(&path).unwrap();
    let forged = |change: &Change<'_>| rechained(&text, change);
    assert_eq!(forged(&|_, _| {}), text);
    let without = forged(&|_, line| drop(line.remove("tag")));
    let other = forged(&|n, line| {
        if n == 0 {
            line["payload"]["action"]["grace_minutes"] = 0.into();
        }
    });
    let last = text.lines().count() - 1;
    let wrong = forged(&|n, line| {
        if n == last {
            line.insert("tag".into(), "00".repeat(32).into());
        }
    });
    for (text, at) in [(without, 1), (other, 1), (wrong, last + 1)] {
        std::fs::write(&path, text).unwrap();
        for run in [bench.resume(true), bench.apply()] {
            match run {
                Err(RotateError::Damaged { line, .. }) => assert_eq!(line, at),
                other => panic!("{other:?}"),
            }
        }
        let damaged = format!("line {at}:");
        match &bench.resume(false).unwrap()[0].outcome {
            Outcome::NeedsHuman { why } => assert!(why.contains(&damaged), "{why}"),
            other => panic!("{other:?}"),
        }
        match bench.status().as_slice() {
            [Listed::Damaged { why, .. }] => assert!(why.contains(&damaged), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    std::fs::write(&path, &text).unwrap();
    assert_eq!(bench.store.calls("stage") + bench.target.calls("issue"), 0);
    assert_eq!(bench.finish(), Outcome::Done);
}

#[test]
fn a_journal_under_another_name_is_damage_and_keeps_no_other_back() {
    let bench = Bench::new(Way::Grace, false);
    bench.crash_at(Point::AfterState(State::Generated));
    assert!(bench.apply().is_err());
    let path = bench.journals().join(format!("{}.jsonl", bench.id()));
    // Under another name it is another journal.
    let elsewhere = bench.journals().join("0000-0.jsonl");
    std::fs::copy(&path, &elsewhere).unwrap();
    let told = bench.status();
    assert!(
        matches!(
            told.as_slice(),
            [Listed::Damaged { .. }, Listed::Rotation(_)]
        ),
        "{told:?}"
    );
    // Nobody knows the identity: the name alone is not right.
    let unchecked = super::status(&bench.journals(), None).unwrap();
    assert!(
        matches!(unchecked[0], Listed::Damaged { .. }),
        "{unchecked:?}"
    );
    assert_eq!(bench.store.calls("stage") + bench.target.calls("issue"), 0);
    // It does not keep the other back.
    let codes: Vec<u8> = bench
        .resume(false)
        .unwrap()
        .iter()
        .map(|one| one.outcome.code())
        .collect();
    assert_eq!(codes, [14, 12]);
    std::fs::remove_file(elsewhere).unwrap();
    assert_eq!(bench.finish(), Outcome::Done);
}

#[test]
fn what_ended_before_its_sealed_values_went_loses_them_by_resume_and_says_so_until_then() {
    for point in [Point::BeforeForget, Point::WithinForget] {
        let bench = Bench::new(Way::Cutover, false);
        bench.crash_at(point);
        assert!(matches!(bench.apply(), Err(RotateError::Crash { .. })));
        let path = bench.journals().join(format!("{}.jsonl", bench.id()));
        let sealed = || {
            std::fs::read_to_string(&path)
                .unwrap()
                .contains("sealed\":")
        };
        assert!(sealed(), "{point}");
        let told = bench.status();
        assert!(
            matches!(&told[0], Listed::Rotation(status) if status.sealed && status.code() == 0)
        );
        assert!(super::pending(None, &bench.journals()).unwrap().any);
        assert!(bench.resume(false).unwrap().is_empty());
        assert!(!sealed(), "{point}");
        assert!(!super::pending(None, &bench.journals()).unwrap().any);
        bench.check_end(&Outcome::Done);
        let again = bench.apply().unwrap();
        assert_eq!(
            (&again[0].outcome, again[0].ended),
            (&Outcome::Done, Some(bench.now.get()))
        );
    }
}

#[test]
fn one_that_needs_a_person_keeps_back_those_of_its_key_alone() {
    for (key, expected) in [("apps/other", 0), (super::testing::KEY, 12)] {
        let bench = Bench::new(Way::Cutover, false);
        bench.crash_at(Point::AfterState(State::Generated));
        assert!(bench.apply().is_err());
        bench.other_that_needs_a_person(key);
        let done = bench.resume(false).unwrap();
        let codes: Vec<u8> = done.iter().map(|one| one.outcome.code()).collect();
        assert_eq!(codes, [14, expected], "{done:?}");
        let codes: Vec<u8> = bench.status().iter().map(Listed::code).collect();
        assert_eq!(codes, [14, expected]);
    }
}

#[test]
fn what_cannot_be_opened_is_told_and_comes_back_later() {
    let bench = Bench::new(Way::Cutover, false);
    bench.crash_at(Point::AfterState(State::Generated));
    assert!(bench.apply().is_err());
    for (key, code) in [
        (Some(super::testing::KEY), 12),
        (None, 12),
        (Some("other"), 0),
    ] {
        let unopened = [Unopened {
            is_sink: false,
            store: "fake".into(),
            key: key.map(str::to_owned),
            error: StoreError::new("fake", Fault::Setup, "made up", "made up"),
        }];
        let done = bench.with(|context| {
            let world = super::World {
                unopened: &unopened,
                ..bench.world()
            };
            super::resume(None, false, &world, context, &bench.journals())
        });
        assert_eq!(done.unwrap()[0].outcome.code(), code, "{key:?}");
    }
}

#[test]
fn what_the_store_has_is_given_up_though_the_target_is_gone_and_nothing_else_is() {
    let silent = |point| {
        let bench = Bench::new(Way::Grace, false);
        bench.crash_at(point);
        assert!(bench.apply().is_err());
        bench.target.script(Script {
            call: "probe",
            fault: Fault::Unknown,
            works: false,
            times: 99,
        });
        bench
    };
    let bench = silent(Point::AfterState(State::Promoted));
    let given_up = bench.abandon().unwrap();
    assert!(matches!(given_up.outcome, Outcome::Abandoned { .. }));
    let bench = silent(Point::AfterState(State::Issued));
    let error = bench.abandon().unwrap_err();
    assert!(error.to_string().contains("is not known"), "{error}");
    // Somebody has removed the key, and the target refuses both.
    let bench = Bench::new(Way::Grace, false);
    bench.crash_at(Point::AfterState(State::Issued));
    assert!(bench.apply().is_err());
    for value in bench.target.accepted() {
        bench.target.forget(&value);
    }
    bench.store.script(Script {
        call: "describe",
        fault: Fault::NotFound,
        works: false,
        times: 1,
    });
    bench.abandon().unwrap();
}

#[test]
fn whoever_gives_up_is_told_that_the_leak_lives() {
    let bench = Bench::new(Way::Grace, false);
    bench.crash_at(Point::AfterState(State::Grace));
    assert!(bench.apply().is_err());
    let Outcome::Abandoned { why } = bench.abandon().unwrap().outcome else {
        panic!("not given up");
    };
    assert!(
        why.contains("still accepts the credential that leaked"),
        "{why}"
    );
    // Once it is dead, nobody is sent to end it.
    let bench = Bench::new(Way::Grace, false);
    bench.crash_at(Point::BeforeIntent(Effect::Bury));
    bench.until_crash();
    let Outcome::Abandoned { why } = bench.abandon().unwrap().outcome else {
        panic!("not given up");
    };
    assert!(!why.contains("leaked"), "{why}");
}

#[test]
fn a_second_rotation_of_a_key_does_not_begin_before_the_first_has_ended() {
    let mut bench = Bench::new(Way::Grace, false);
    bench.crash_at(Point::AfterState(State::Grace));
    assert!(bench.apply().is_err());
    let first = bench.id();
    // The value in grace, told by a verify meanwhile.
    let id = std::mem::replace(&mut bench.plan.id, "f".repeat(32));
    let error = bench.apply().unwrap_err();
    assert!(error.to_string().contains(&first), "{error}");
    assert_eq!(bench.target.calls("disable"), 0);
    assert_eq!(bench.status().len(), 1, "no journal is left behind");
    bench.plan.id = id;
    assert_eq!(bench.finish(), Outcome::Done);
}

#[test]
fn a_credential_that_stands_twice_in_a_key_is_replaced_in_both_fields_and_taken_back_in_both() {
    let with_url = |way| {
        let bench = Bench::new(way, false);
        let url = format!("redis://app:{}@h/0", String::from_utf8_lossy(OLD));
        bench.store.add_field("url", url.as_bytes());
        bench.store.add_field("note", b"nothing of it");
        (bench, url)
    };
    for way in [Way::Grace, Way::Cutover, Way::Put] {
        let (bench, _) = with_url(way);
        let outcome = bench.finish();
        assert_eq!(outcome, Outcome::Done, "{way:?}");
        bench.check_end(&outcome);
        let current = bench.store.current();
        let url = String::from_utf8_lossy(&current["url"]).into_owned();
        let new = String::from_utf8_lossy(&current["password"]).into_owned();
        assert_eq!(url, format!("redis://app:{new}@h/0"), "{way:?}");
        assert_eq!(current["note"], b"nothing of it", "{way:?}");
    }
    let (bench, before) = with_url(Way::Grace);
    bench.crash_at(Point::AfterState(State::Promoted));
    assert!(bench.apply().is_err());
    let new = bench.store.current()["password"].clone();
    bench.target.forget(&new);
    let done = bench.resume(false).unwrap();
    assert!(
        matches!(done[0].outcome, Outcome::RolledBack { .. }),
        "{done:?}"
    );
    assert_eq!(bench.store.current()["url"], before.as_bytes());
}

#[test]
fn what_cannot_begin_leaves_no_journal() {
    let mut bench = Bench::new(Way::Grace, false);
    bench.drop_targets();
    assert!(bench.apply().is_err());
    assert!(bench.status().is_empty());
    let mut bench = Bench::new(Way::Grace, false);
    bench.limits.allow.clear();
    assert!(bench.apply().is_err());
    assert!(bench.status().is_empty());
}

#[test]
fn a_target_that_cannot_end_sessions_or_remove_what_is_dead_is_no_reason_to_ask_a_person() {
    let bench = Bench::new(Way::Grace, false);
    for call in ["end_sessions", "target_destroy"] {
        bench.target.script(Script {
            call,
            fault: Fault::Unsupported,
            works: false,
            times: 9,
        });
    }
    let outcome = bench.finish();
    assert_eq!(outcome, Outcome::Done);
    let told = bench.apply().unwrap();
    let note = told[0].note.clone().unwrap();
    assert!(note.contains("sessions that it opened may go on"), "{note}");
}

#[test]
fn a_plan_that_says_what_was_accepted_is_not_believed() {
    let unknown_readers = |bench: &Bench| {
        bench.store.script(Script {
            call: "readers",
            fault: Fault::Denied,
            works: false,
            times: 9,
        });
    };
    let untouched = |bench: &Bench| {
        assert_eq!(bench.store.calls("stage") + bench.target.calls("issue"), 0);
    };
    // It says that unknown readers and shared values were accepted, and nobody here has.
    let mut bench = Bench::new(Way::Cutover, false);
    bench.plan.actions[0].acknowledged = true;
    unknown_readers(&bench);
    let error = bench.apply().unwrap_err();
    assert!(error.to_string().contains("not believed"), "{error}");
    untouched(&bench);
    assert!(bench.status().is_empty(), "the plan is not used up");
    bench.acknowledged.set(true);
    assert_eq!(bench.finish(), Outcome::Done);
    // It says nothing of them.
    let bench = Bench::new(Way::Cutover, false);
    unknown_readers(&bench);
    let done = bench.apply().unwrap();
    assert!(
        matches!(&done[0].outcome, Outcome::RolledBack { why } if why.contains("who reads")),
        "{done:?}"
    );
    untouched(&bench);
    for (others, expected) in [
        (1, "1 other place holds"),
        (2, "2 other places hold"),
        (u64::MAX, "does not answer"),
    ] {
        let bench = Bench::new(Way::Cutover, false);
        bench
            .others
            .store(others, std::sync::atomic::Ordering::SeqCst);
        let done = bench.apply().unwrap();
        assert!(
            matches!(&done[0].outcome, Outcome::RolledBack { why } if why.contains(expected)),
            "{done:?}"
        );
        untouched(&bench);
    }
}

#[test]
fn what_is_given_up_anywhere_leaves_a_credential_that_the_store_knows_and_the_target_accepts() {
    let (mut given_up, mut refused) = (0, 0);
    for (way, pending) in WAYS {
        for point in passed(&Bench::new(way, pending)) {
            let bench = Bench::new(way, pending);
            bench.crash_at(point);
            while let Ok(done) = bench.apply() {
                match done[0].outcome {
                    Outcome::InGrace { until } => bench.now.set(until),
                    _ => bench.now.set(bench.now.get() + 400),
                }
            }
            let about = format!("{way:?} at {point}");
            let is_over = bench.status().iter().all(Listed::is_ended);
            match bench.abandon() {
                Ok(rotation) => {
                    assert!(!is_over, "{about}");
                    let Outcome::Abandoned { why } = &rotation.outcome else {
                        panic!("{about}: {rotation:?}");
                    };
                    assert!(why.contains("made up") && why.contains("tester"), "{why}");
                    if way != Way::Put {
                        let accepted = bench.target.accepted();
                        let stored = bench.store.all_values();
                        assert!(accepted.iter().any(|live| stored.contains(live)), "{about}");
                        let unknown = accepted.iter().any(|live| !stored.contains(live));
                        assert!(!unknown || why.contains("nobody knows"), "{about}: {why}");
                    }
                    bench.check_end(&rotation.outcome);
                    assert_eq!(bench.apply().unwrap()[0].outcome.code(), 14, "{about}");
                    assert!(bench.resume(false).unwrap().is_empty(), "{about}");
                    given_up += 1;
                }
                Err(_) if is_over => {}
                Err(error) => {
                    assert!(
                        error
                            .to_string()
                            .contains("in the journal of this rotation"),
                        "{about}: {error}"
                    );
                    assert_eq!(bench.finish(), Outcome::Done, "{about}");
                    refused += 1;
                }
            }
        }
    }
    assert!(given_up > 100 && refused > 5, "{given_up} {refused}");
}

#[test]
fn what_is_forbidden_since_it_began_does_not_change_anything() {
    for by_hand in [false, true] {
        let mut bench = Bench::new(Way::Grace, false);
        bench.crash_at(Point::AfterState(State::Generated));
        assert!(bench.apply().is_err());
        bench.limits.allow.clear();
        let done = bench.resume(by_hand).unwrap();
        assert_eq!(done[0].outcome.code(), 14, "{done:?}");
        bench.limits.allow = vec!["fake:**".into()];
        bench.limits.protected = vec!["prod".into()];
        let of = |_: &str, _: &str| vec!["prod".to_owned()];
        let id = bench.id();
        let done = bench.with(|context| {
            let world = super::World {
                environments: Some(&of),
                ..bench.world()
            };
            super::resume(Some(&id), true, &world, context, &bench.journals())
        });
        assert_eq!(done.unwrap()[0].outcome.code(), 14);
        assert_eq!(bench.store.calls("stage") + bench.target.calls("issue"), 0);
    }
}

fn without_sealed(event: &Event) -> Event {
    let mut event = event.clone();
    match &mut event {
        Event::State(step) => step.sealed = None,
        Event::Did(did) => did.sealed = None,
        _ => {}
    }
    event
}

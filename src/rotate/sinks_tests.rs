//! Rotations with copies elsewhere: crashes between two sinks, answers that are lost, refusals, and sinks that nobody has planned.

use std::collections::BTreeSet;

use super::{
    Effect, Outcome, Plan, Point, Reason, RotateError, State,
    planning_tests::{current, made, wishes},
    testing::{Bench, OLD, Way},
};
use crate::stores::{Fault, sink::SinkTraits};

const WAYS: [(Way, bool); 8] = [
    (Way::Grace, false),
    (Way::Grace, true),
    (Way::Cutover, false),
    (Way::Cutover, true),
    (Way::Put, false),
    (Way::Put, true),
    (Way::Native, false),
    (Way::MakesValue, true),
];

fn tokens(bench: &Bench, n: usize) -> BTreeSet<String> {
    let puts = bench.copies[n].puts();
    puts.into_iter().map(|(token, _)| token).collect()
}

#[test]
fn every_way_gives_each_sink_the_new_value_once() {
    for (way, pending) in WAYS {
        let bench = Bench::with_two(way, pending);
        let outcome = bench.finish();
        assert_eq!(outcome, Outcome::Done, "{way:?}");
        bench.check_end(&outcome);
        let new = bench.store.current().get("password").unwrap().clone();
        for n in 0..2 {
            let puts = bench.copies[n].puts();
            assert_eq!(puts.len(), 1, "{way:?} {n}");
            assert_eq!(puts[0].1, new, "{way:?} {n}");
        }
        assert_ne!(tokens(&bench, 0), tokens(&bench, 1));
    }
}

#[test]
fn the_audit_log_names_the_sinks_and_no_record_holds_a_value() {
    let bench = Bench::with_two(Way::Grace, false);
    bench.finish();
    let new = bench.store.current().get("password").unwrap().clone();
    let audit = std::fs::read_to_string(bench.directory.path().join("audit.jsonl")).unwrap();
    for address in ["deliver fake:first", "deliver fake:second"] {
        assert!(audit.contains(address), "{audit}");
    }
    let journal = bench.journals().join(format!("{}.jsonl", bench.id()));
    let journal = std::fs::read_to_string(journal).unwrap();
    assert!(journal.contains("marker-1"), "{journal}");
    for text in [audit, journal] {
        for value in [OLD, &new] {
            assert!(!text.contains(std::str::from_utf8(value).unwrap()));
        }
    }
}

#[test]
fn a_crash_at_every_point_goes_on_with_the_sink_that_was_not_told() {
    let mut points = BTreeSet::new();
    for (way, pending) in WAYS {
        let bench = Bench::with_two(way, pending);
        bench.finish();
        let passed = bench.faults.seen.borrow().clone();
        for point in passed {
            let bench = Bench::with_two(way, pending);
            bench.crash_at(point);
            let outcome = bench.finish();
            assert!(bench.has_crashed(), "{way:?} did not come to {point}");
            assert_eq!(outcome, Outcome::Done, "{way:?} at {point}");
            bench.check_end(&outcome);
            // The first tells what it has: nothing is sent twice. The second does not: the same is sent again, under the same name.
            assert_eq!(bench.copies[0].puts().len(), 1, "{way:?} at {point}");
            let again = point == Point::AfterEffect(Effect::Deliver(1));
            let expected = 1 + usize::from(again);
            assert_eq!(bench.copies[1].puts().len(), expected, "{way:?} at {point}");
            assert_eq!(tokens(&bench, 1).len(), 1, "{way:?} at {point}");
            points.insert(point);
        }
    }
    for n in 0..2 {
        for point in [
            Point::BeforeIntent(Effect::Deliver(n)),
            Point::AfterIntent(Effect::Deliver(n)),
            Point::AfterEffect(Effect::Deliver(n)),
        ] {
            assert!(points.contains(&point), "{point}");
        }
    }
}

/// The second sink refuses, half way or at once.
fn refusing(way: Way, pending: bool, works: bool) -> Bench {
    let bench = Bench::with_two(way, pending);
    bench.copies[1].script("put", Fault::Denied, works, 1);
    bench
}

#[test]
fn a_refusal_takes_everything_back_from_every_sink_through_every_crash() {
    let mut points = BTreeSet::new();
    for (way, pending) in WAYS.into_iter().filter(|(way, _)| *way != Way::Native) {
        for works in [false, true] {
            let bench = refusing(way, pending, works);
            let outcome = bench.finish();
            assert!(
                matches!(outcome, Outcome::RolledBack { .. }),
                "{way:?}: {outcome:?}"
            );
            if way != Way::Put {
                bench.check_end(&outcome);
            }
            bench.check_copies_at_end(&outcome);
            let passed = bench.faults.seen.borrow().clone();
            for point in passed {
                let bench = refusing(way, pending, works);
                bench.crash_at(point);
                let outcome = bench.finish();
                let ok = matches!(outcome, Outcome::RolledBack { .. } | Outcome::Done);
                // A crash right after the refused call: it is sent again, and then taken.
                assert!(ok, "{way:?} at {point}: {outcome:?}");
                bench.check_copies_at_end(&outcome);
                points.insert(point);
            }
        }
    }
    for n in 0..2 {
        let point = Point::AfterEffect(Effect::Recall(n));
        assert!(points.contains(&point), "{point}");
    }
}

#[test]
fn a_new_credential_that_is_refused_later_is_recalled_from_the_sinks() {
    let bench = Bench::with_two(Way::Grace, true);
    bench.crash_at(Point::AfterState(State::Distributed));
    assert!(bench.apply().is_err());
    let new = bench.store.current().get("password").unwrap().clone();
    assert_eq!(bench.copies[1].value(), new);
    bench.target.forget(&new);
    let done = bench.resume(false).unwrap();
    assert!(
        matches!(done[0].outcome, Outcome::RolledBack { .. }),
        "{done:?}"
    );
    bench.check_end(&done[0].outcome);
}

#[test]
fn giving_up_names_the_sinks_with_another_value_and_needs_none_of_them() {
    let given_up_at = |point| {
        let mut bench = Bench::with_two(Way::Grace, false);
        bench.crash_at(point);
        assert!(bench.apply().is_err());
        // Both are out of the stores file since.
        bench.sinks.clear();
        match bench.abandon().unwrap().outcome {
            Outcome::Abandoned { why } => why,
            other => panic!("{other:?}"),
        }
    };
    let why = given_up_at(Point::AfterState(State::Promoted));
    for name in [
        "fake:first may still have the old",
        "fake:second may still have the old",
    ] {
        assert!(why.contains(name), "{why}");
    }
    let why = given_up_at(Point::BeforeIntent(Effect::Deliver(1)));
    assert!(!why.contains("fake:first"), "{why}");
    assert!(why.contains("fake:second may still have the old"), "{why}");
    let why = given_up_at(Point::AfterIntent(Effect::Deliver(0)));
    assert!(why.contains("fake:first may still have the old"), "{why}");
    let why = given_up_at(Point::AfterState(State::Distributed));
    assert!(!why.contains("fake:"), "{why}");
    let why = given_up_at(Point::AfterState(State::Validated));
    assert!(!why.contains("fake:"), "{why}");
    assert!(why.contains("nothing was changed"), "{why}");
    // On the way back the store has the old value, and only one sink has got it again.
    let mut bench = refusing(Way::Grace, false, true);
    bench.crash_at(Point::BeforeIntent(Effect::Recall(0)));
    assert!(bench.apply().is_err());
    bench.sinks.clear();
    let Outcome::Abandoned { why } = bench.abandon().unwrap().outcome else {
        panic!("not given up");
    };
    assert!(why.contains("fake:first may have the new"), "{why}");
    assert!(!why.contains("fake:second"), "{why}");
}

#[test]
fn a_sink_that_is_away_is_waited_for_and_the_old_credential_stays() {
    for fault in [Fault::Unavailable, Fault::Retryable { after: None }] {
        let bench = Bench::with_two(Way::Grace, false);
        bench.copies[1].script("put", fault.clone(), false, 3);
        for _ in 0..3 {
            let done = bench.apply().unwrap();
            assert_eq!(done[0].outcome.code(), 12, "{done:?}");
            assert_eq!(bench.target.calls("disable"), 0);
            assert_eq!(bench.copies[0].puts().len(), 1);
        }
        assert_eq!(bench.finish(), Outcome::Done);
        assert_eq!(bench.copies[1].puts().len(), 1);
    }
}

#[test]
fn a_lost_answer_is_looked_into_where_the_sink_tells_and_sent_again_where_not() {
    for (n, expected) in [(0, 1), (1, 2)] {
        let bench = Bench::with_two(Way::Grace, false);
        bench.copies[n].script("put", Fault::Unknown, true, 1);
        let outcome = bench.finish();
        assert_eq!(outcome, Outcome::Done);
        bench.check_end(&outcome);
        assert_eq!(bench.copies[n].puts().len(), expected, "{n}");
        assert_eq!(tokens(&bench, n).len(), 1);
    }
    // What cannot be looked into now is no refusal.
    let bench = Bench::with_two(Way::Grace, false);
    bench.copies[0].script("confirm", Fault::Denied, false, 1);
    assert_eq!(bench.finish(), Outcome::Done);
    assert_eq!(bench.copies[0].puts().len(), 1);
}

#[test]
fn a_recall_that_is_refused_needs_a_person_and_the_new_credential_stays_valid() {
    let bench = Bench::with_two(Way::Grace, false);
    bench.copies[1].script("put", Fault::Denied, false, 1);
    bench.crash_at(Point::BeforeIntent(Effect::Recall(0)));
    assert!(bench.apply().is_err());
    // The first has the new value, the second has refused, and the way back has begun.
    bench.copies[0].script("put", Fault::Denied, false, 1);
    let done = bench.resume(false).unwrap();
    assert_eq!(done[0].outcome.code(), 14, "{done:?}");
    assert_eq!(bench.target.calls("withdraw"), 0);
    bench.check();
    let done = bench.resume(true).unwrap();
    assert!(
        matches!(done[0].outcome, Outcome::RolledBack { .. }),
        "{done:?}"
    );
    bench.check_end(&done[0].outcome);
}

#[test]
fn a_refusal_after_the_stores_own_rotation_needs_a_person_and_goes_on_by_hand() {
    let bench = Bench::with_two(Way::Native, false);
    bench.copies[1].script("put", Fault::Denied, false, 1);
    let outcome = bench.finish();
    assert_eq!(outcome.code(), 14, "{outcome:?}");
    assert_eq!(bench.copies[1].value(), OLD);
    bench.resume(true).unwrap();
    let outcome = bench.finish();
    assert_eq!(outcome, Outcome::Done);
    bench.check_end(&outcome);
    assert_eq!(bench.copies[0].puts().len(), 1);
}

#[test]
fn a_sink_that_is_not_there_ends_it_before_the_first_change() {
    for (fault, code) in [
        (Fault::NotFound, 13),
        (Fault::Denied, 13),
        (Fault::Unavailable, 12),
    ] {
        for (way, pending) in WAYS {
            let bench = Bench::with_two(way, pending);
            bench.copies[1].script("describe", fault.clone(), false, 1);
            let done = bench.apply().unwrap();
            assert_eq!(done[0].outcome.code(), code, "{way:?}: {done:?}");
            let calls = ["stage", "native_rotate"].map(|call| bench.store.calls(call));
            assert_eq!(calls, [0, 0], "{way:?}");
            assert_eq!(bench.target.calls("issue"), 0, "{way:?}");
            assert_eq!(bench.copies[0].puts().len(), 0, "{way:?}");
        }
    }
    // One that copies a part that the key does not have.
    let mut bench = Bench::with_two(Way::Grace, false);
    bench.add_sink(
        "part",
        Some("password#/db/token"),
        true,
        SinkTraits::default(),
    );
    bench.plan_sinks();
    let done = bench.apply().unwrap();
    assert_eq!(done[0].outcome.code(), 13, "{done:?}");
    assert_eq!(bench.target.calls("issue"), 0);
}

#[test]
fn a_sink_that_came_or_went_since_the_plan_is_refused() {
    let unknown = |bench: &Bench, word: &str| match bench.apply() {
        Err(RotateError::Unknown { what, .. }) => assert!(what.contains(word), "{what}"),
        other => panic!("{other:?}"),
    };
    let mut bench = Bench::with_two(Way::Grace, false);
    bench.add_sink("third", Some("password"), true, SinkTraits::default());
    unknown(&bench, "fake:third was added");
    // Nothing was begun: there is no journal that waits for somebody.
    assert!(bench.resume(false).unwrap().is_empty());
    let mut bench = Bench::with_two(Way::Grace, false);
    bench.sinks.pop();
    unknown(&bench, "fake:second is not there");
    // After they were told a new one does not matter; before that it does.
    for (state, fine) in [(State::Promoted, false), (State::Distributed, true)] {
        let mut bench = Bench::with_two(Way::Grace, false);
        bench.crash_at(Point::AfterState(state));
        assert!(bench.apply().is_err());
        let third = bench.add_sink(
            "third",
            None,
            true,
            SinkTraits {
                told_only: true,
                ..SinkTraits::default()
            },
        );
        // One that cannot be gone on with is told, so that those of other keys can.
        let done = bench.resume(false).unwrap();
        let needs_person = matches!(done[0].outcome, Outcome::NeedsHuman { .. });
        assert_eq!(!needs_person, fine, "{state:?}: {done:?}");
        assert!(third.puts().is_empty());
    }
}

#[test]
fn a_hook_is_told_without_a_value_and_a_field_that_stays_is_not_sent() {
    let mut bench = Bench::new(Way::Grace, false);
    let hook = bench.add_sink(
        "hook",
        None,
        false,
        SinkTraits {
            told_only: true,
            ..SinkTraits::default()
        },
    );
    let user = bench.add_sink("user", Some("user"), true, SinkTraits::default());
    let other = bench.add_sink("other", Some("elsewhere"), true, SinkTraits::default());
    bench.plan_sinks();
    bench.plan.actions[0].sinks.pop();
    assert_eq!(bench.finish(), Outcome::Done);
    let puts = hook.puts();
    assert_eq!(puts.len(), 1);
    assert!(puts[0].1.is_empty());
    assert!(user.puts().is_empty());
    assert!(other.puts().is_empty());
}

#[test]
fn a_revocation_leaves_the_sinks_alone() {
    let mut bench = Bench::with_two(Way::Revoke, false);
    bench.plan.actions[0].sinks.clear();
    assert_eq!(bench.finish(), Outcome::Done);
    assert!(bench.copies.iter().all(|copy| copy.puts().is_empty()));
}

#[test]
fn sinks_are_part_of_the_plan_and_its_digest() {
    let bench = Bench::with_two(Way::Grace, false);
    let steps = bench.plan.steps().join("\n");
    assert!(steps.contains("then give it to fake:second"), "{steps}");
    let read = Plan::read(bench.plan.to_text().as_bytes(), bench.now.get()).unwrap();
    assert_eq!(read, bench.plan);
    let mut other = bench.plan.clone();
    other.actions[0].sinks.pop();
    assert_ne!(other.digest(), bench.plan.digest());
    // A plan without sinks is what it was before there were any.
    assert!(!Bench::new(Way::Put, false).plan.to_text().contains("sinks"));
}

#[test]
fn the_planner_lists_sinks_and_refuses_two_that_are_one_place() {
    let planned = |bench: &Bench| made(bench, current(), &bench.limits, &wishes());
    let mut bench = Bench::with_two(Way::Grace, false);
    let plan = planned(&bench);
    assert_eq!(plan.actions[0].sinks, ["fake:first", "fake:second"]);
    assert!(!plan.needs_approval());
    bench.sinks[1].entry.environment = Some("prod-eu".into());
    bench.limits.protected = vec!["prod-eu".into()];
    assert!(planned(&bench).needs_approval());
    bench.limits.max_readers = 3;
    let reason = |plan: &Plan| plan.refused[0].reason;
    assert_eq!(reason(&planned(&bench)), Reason::TooManyReaders);
    bench.limits.max_readers = 100;
    bench.limits.deny = vec!["fake:sec*".into()];
    assert_eq!(reason(&planned(&bench)), Reason::Denied);
    bench.limits.deny.clear();
    bench.add_sink("first", Some("password"), true, SinkTraits::default());
    assert_eq!(reason(&planned(&bench)), Reason::Sink);
}

#[test]
fn sinks_count_for_deny_readers_and_protected_environments() {
    let mut bench = Bench::with_two(Way::Grace, false);
    bench.limits.deny = vec!["fake:second".into()];
    assert!(bench.apply().is_err());
    bench.limits.deny.clear();
    // Two readers and two copies.
    bench.limits.max_readers = 3;
    let done = bench.apply().unwrap();
    assert_eq!(done[0].outcome.code(), 13, "{done:?}");
    let mut bench = Bench::with_two(Way::Grace, false);
    bench.limits.max_readers = 4;
    bench.limits.protected = vec!["prod".into()];
    bench.sinks[1].entry.environment = Some("prod".into());
    let done = bench.apply().unwrap();
    assert_eq!(done[0].outcome.code(), 11, "{done:?}");
    bench.sinks[1].entry.environment = Some("dev".into());
    assert_eq!(bench.finish(), Outcome::Done);
}

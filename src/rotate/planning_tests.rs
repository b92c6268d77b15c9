//! What becomes of verdicts: each live value is an action or a refusal.

use super::{
    ActionKind, Candidate, Plan, Reason, Retire, Strategy, Wishes, plan,
    testing::{Bench, KEY, OLD, START, Way, random},
};
use crate::{
    config::stores::RotateLimits,
    model::{MatchKind, ProviderState, Secret, StorePlace, StoreState, Urgency, Verdict},
};

fn verdict(store: StoreState, version: &str) -> Verdict {
    Verdict {
        store,
        provider: ProviderState::Accepted,
        refused_at: None,
        urgency: Urgency::Now,
        place: Some(StorePlace {
            store: "fake".into(),
            key: KEY.into(),
            version: Some(version.into()),
            field: Some("password".into()),
            environment: Some("prod".into()),
        }),
        by: Some(MatchKind::Exact),
        owner: None,
        readers: None,
        age: None,
        also: Vec::new(),
        more: 0,
        uses: Vec::new(),
    }
}

fn candidate(verdict: Verdict) -> Candidate {
    Candidate {
        rule: "generic".into(),
        fingerprint: "k1:00000000000000000000000000000000".into(),
        verdict,
    }
}

pub(super) fn wishes() -> Wishes {
    Wishes {
        planner: "bob".into(),
        now: START,
        ..Wishes::default()
    }
}

pub(super) fn made(
    bench: &Bench,
    verdict: Verdict,
    limits: &RotateLimits,
    wishes: &Wishes,
) -> Plan {
    plan(
        &[candidate(verdict)],
        limits,
        &bench.world(),
        wishes,
        &random,
    )
    .unwrap()
}

pub(super) fn current() -> Verdict {
    verdict(StoreState::Current, "1")
}

/// Plans for a changed verdict, limits and wishes; returns the one reason.
fn refusal(
    way: Way,
    change: impl FnOnce(&mut Verdict, &mut RotateLimits, &mut Wishes),
) -> Option<Reason> {
    let bench = Bench::new(way, false);
    let (mut verdict, mut limits, mut wishes) = (current(), bench.limits.clone(), wishes());
    change(&mut verdict, &mut limits, &mut wishes);
    let plan = made(&bench, verdict, &limits, &wishes);
    assert_eq!(plan.actions.len() + plan.refused.len(), 1);
    let refusal = plan.refused.first()?;
    assert!(!refusal.why.is_empty() && !refusal.help.is_empty());
    assert_eq!(refusal.findings.len(), 1);
    Some(refusal.reason)
}

#[test]
fn a_current_value_is_rotated_in_the_way_that_its_key_has() {
    for (way, strategy, cutover) in [
        (Way::Grace, Strategy::Target, false),
        (Way::Cutover, Strategy::Target, true),
        (Way::Put, Strategy::GenerateAndPut, false),
        (Way::Native, Strategy::StoreNative, true),
        (Way::MakesValue, Strategy::Target, false),
    ] {
        let bench = Bench::new(way, false);
        let plan = made(&bench, current(), &bench.limits, &wishes());
        let action = &plan.actions[0];
        assert_eq!(
            (action.kind, action.strategy),
            (ActionKind::Rotate, strategy)
        );
        assert_eq!((action.base.as_str(), action.exposed.as_str()), ("1", "1"));
        assert_eq!((action.cutover, action.retire), (cutover, Retire::Destroy));
        assert_eq!(action.readers, Some(2));
        assert!(!action.needs_approval);
        // Asking has changed nothing.
        assert_eq!(bench.store.calls("stage") + bench.target.calls("issue"), 0);
        // What is planned can be applied.
        let mut bench = bench;
        bench.plan = plan;
        let outcome = bench.finish();
        assert_eq!(outcome, super::Outcome::Done, "{way:?}");
        bench.check_end(&outcome);
    }
}

#[test]
fn an_old_value_that_is_still_accepted_is_revoked_and_the_current_one_stays() {
    let previous = || StoreState::Previous {
        behind: 1,
        since: None,
    };
    let mut bench = Bench::new(Way::Revoke, false);
    bench.plan = made(&bench, verdict(previous(), "1"), &bench.limits, &wishes());
    let action = &bench.plan.actions[0];
    assert_eq!(action.kind, ActionKind::Revoke);
    assert_eq!((action.base.as_str(), action.exposed.as_str()), ("2", "1"));
    let before = bench.store.current();
    let outcome = bench.finish();
    assert_eq!(outcome, super::Outcome::Done);
    assert_eq!(bench.store.current(), before);
    assert!(!bench.target.accepted().contains(&OLD.to_vec()));
    // Without a target nobody can end it.
    let bench = Bench::new(Way::Put, false);
    bench.store.write_elsewhere(b"made-up-current");
    let plan = made(&bench, verdict(previous(), "1"), &bench.limits, &wishes());
    assert_eq!(plan.refused[0].reason, Reason::NoTarget);
}

#[test]
fn a_report_that_calls_the_current_version_old_revokes_nothing() {
    for state in [
        StoreState::Previous {
            behind: 1,
            since: None,
        },
        StoreState::Disabled,
    ] {
        let mut bench = Bench::new(Way::Grace, false);
        let plan = made(&bench, verdict(state, "1"), &bench.limits, &wishes());
        assert!(plan.actions.is_empty(), "{:?}", plan.actions);
        assert_eq!(plan.refused[0].reason, Reason::Store);
        // A plan that says so all the same, as one that was not made by us, comes no further than the look at the store.
        bench.plan.actions[0].kind = ActionKind::Revoke;
        let done = bench.apply().unwrap();
        assert_eq!(done[0].outcome.code(), 13, "{done:?}");
        assert_eq!(bench.target.accepted(), [OLD]);
        assert_eq!(bench.target.calls("disable"), 0);
    }
}

#[test]
fn an_old_version_with_the_current_value_is_not_revoked() {
    let mut bench = Bench::new(Way::Revoke, false);
    // Somebody has put the leaked value back: version 3 holds it, as version 1 does.
    bench.store.write_elsewhere(OLD);
    let previous = StoreState::Previous {
        behind: 2,
        since: None,
    };
    let plan = made(&bench, verdict(previous, "1"), &bench.limits, &wishes());
    assert_eq!(plan.refused[0].reason, Reason::Store);
    bench.plan.actions[0].base = "3".into();
    let done = bench.apply().unwrap();
    assert_eq!(done[0].outcome.code(), 13, "{done:?}");
    assert!(bench.target.accepted().contains(&OLD.to_vec()));
    assert_eq!(bench.target.calls("disable"), 0);
}

#[test]
fn dead_values_are_neither_planned_nor_refused() {
    let bench = Bench::new(Way::Grace, false);
    let dead = Verdict {
        provider: ProviderState::Refused,
        ..current()
    };
    let plan = made(&bench, dead, &bench.limits, &wishes());
    assert!(plan.actions.is_empty() && plan.refused.is_empty());
}

#[test]
fn what_must_not_be_rotated_is_listed_with_its_reason() {
    let grace =
        |change: fn(&mut Verdict, &mut RotateLimits, &mut Wishes)| refusal(Way::Grace, change);
    assert_eq!(grace(|_, _, _| {}), None);
    assert_eq!(grace(|_, l, _| l.allow.clear()), Some(Reason::NotAllowed));
    assert_eq!(
        grace(|_, l, _| l.deny = l.allow.clone()),
        Some(Reason::Denied)
    );
    assert_eq!(grace(|_, l, _| l.max_keys = 0), Some(Reason::TooManyKeys));
    assert_eq!(
        grace(|_, l, _| l.max_readers = 1),
        Some(Reason::TooManyReaders)
    );
    assert_eq!(grace(|v, _, _| v.place = None), Some(Reason::Unmanaged));
    assert_eq!(
        grace(|v, _, _| v.by = Some(MatchKind::Name)),
        Some(Reason::Unsure)
    );
    assert_eq!(
        grace(|v, _, _| v.store = StoreState::Destroyed),
        Some(Reason::Unreadable)
    );
    assert_eq!(grace(|v, _, _| v.more = 1), Some(Reason::Shared));
    let acknowledged = grace(|v, _, w| {
        v.more = 1;
        w.acknowledge_unknown = true;
    });
    assert_eq!(acknowledged, None);
    let stale = grace(|v, _, _| {
        if let Some(place) = &mut v.place {
            place.version = Some("0".into());
        }
    });
    assert_eq!(stale, Some(Reason::Store));
    let foreign = grace(|v, l, _| {
        l.allow.push("other:**".into());
        if let Some(place) = &mut v.place {
            place.store = "other".into();
        }
    });
    assert_eq!(foreign, Some(Reason::Store));
}

#[test]
fn readers_that_nobody_can_tell_are_a_reason_until_acknowledged() {
    let bench = Bench::new(Way::Grace, false);
    for (acknowledge, reason) in [(false, Some(Reason::UnknownReaders)), (true, None)] {
        bench.store.script(super::testing::Script {
            call: "readers",
            fault: crate::stores::Fault::Denied,
            works: false,
            times: 1,
        });
        let wishes = Wishes {
            acknowledge_unknown: acknowledge,
            ..wishes()
        };
        let plan = made(&bench, current(), &bench.limits, &wishes);
        assert_eq!(plan.refused.first().map(|refusal| refusal.reason), reason);
    }
}

#[test]
fn no_grace_is_refused_unless_accepted() {
    let mut bench = Bench::new(Way::Cutover, false);
    bench.accept_cutover(false);
    let plan = made(&bench, current(), &bench.limits, &wishes());
    assert_eq!(plan.refused[0].reason, Reason::NoGrace);
    let accepting = Wishes {
        accept_cutover: true,
        ..wishes()
    };
    let plan = made(&bench, current(), &bench.limits, &accepting);
    assert!(plan.actions[0].cutover);
    assert!(
        plan.needs_approval(),
        "the planner alone does not accept an outage"
    );
}

#[test]
fn what_nothing_says_the_target_of_is_not_overwritten() {
    let mut bench = Bench::new(Way::Put, false);
    bench.drop_targets();
    let plan = made(&bench, current(), &bench.limits, &wishes());
    assert_eq!(plan.refused[0].reason, Reason::NoTarget);
}

#[test]
fn keysweeps_own_credential_is_never_rotated() {
    let bench = Bench::new(Way::Grace, false);
    let own = [Secret::new(&[OLD, b"\n"].concat())];
    let world = super::World {
        own: &own,
        ..bench.world()
    };
    let plan = plan(
        &[candidate(current())],
        &bench.limits,
        &world,
        &wishes(),
        &random,
    )
    .unwrap();
    assert_eq!(plan.refused[0].reason, Reason::OwnCredential);
    assert!(!plan.to_text().contains("canary"));
}

#[test]
fn protected_environments_need_an_approval_and_apply_waits_for_it() {
    use super::{Approval, Outcome, public_key};
    let mut bench = Bench::new(Way::Grace, false);
    bench.limits.protected = vec!["prod".into()];
    let key = Secret::new("5a".repeat(32).as_bytes());
    let name = "alice".to_owned();
    bench
        .limits
        .approvers
        .insert(name, public_key(&key).unwrap());
    bench.plan = made(&bench, current(), &bench.limits, &wishes());
    assert!(bench.plan.needs_approval());
    let waits = bench.apply().unwrap();
    assert!(
        matches!(waits[0].outcome, Outcome::WaitsForApproval { .. }),
        "{waits:?}"
    );
    assert_eq!(waits[0].outcome.code(), 11);
    assert_eq!(bench.store.calls("stage") + bench.target.calls("issue"), 0);
    let digest = bench.plan.digest();
    let forged = Approval::sign(&digest, "bob", START, &key).unwrap();
    let approved = Approval::sign(&digest, "alice", START, &key).unwrap();
    let apply = |approvals: &[Approval]| {
        bench.with(|context| {
            super::apply(
                &bench.plan,
                approvals,
                &bench.world(),
                context,
                &bench.journals(),
            )
        })
    };
    let waits = apply(&[approved.clone(), forged]).unwrap();
    assert!(
        matches!(waits[0].outcome, Outcome::WaitsForApproval { .. }),
        "{waits:?}"
    );
    // One person with two names: the one who applies, and the one who made the plan.
    let approve = |plan: &Plan, actor: &str| {
        let one = Approval::sign(&plan.digest(), "alice", START, &key).unwrap();
        super::approved(plan, &[one], &bench.limits, &bench.world(), actor)
    };
    let why = approve(&bench.plan, "alice").unwrap_err();
    assert!(why.contains("cannot be who approves"), "{why}");
    let mut own = bench.plan.clone();
    own.actor = "alice".into();
    assert!(approve(&own, "tester").is_err());
    assert_eq!(approve(&bench.plan, "tester").unwrap(), ["alice"]);
    let done = apply(&[approved]).unwrap();
    assert!(
        matches!(done[0].outcome, Outcome::InGrace { .. }),
        "{done:?}"
    );
}

#[test]
fn a_plan_that_calls_its_environment_otherwise_waits_all_the_same() {
    use super::{apply, approved};
    let mut bench = Bench::new(Way::Grace, false);
    bench.limits.protected = vec!["prod".into()];
    let mut staging = current();
    staging.place.as_mut().unwrap().environment = Some("staging".into());
    let plan = made(&bench, staging, &bench.limits, &wishes());
    assert!(!plan.needs_approval());
    let of = |_: &str, key: &str| vec![if key == KEY { "prod" } else { "dev" }.to_owned()];
    let world = super::World {
        environments: Some(&of),
        ..bench.world()
    };
    assert!(approved(&plan, &[], &bench.limits, &world, "tester").is_err());
    let done = bench.with(|context| apply(&plan, &[], &world, context, &bench.journals()));
    assert_eq!(done.unwrap()[0].outcome.code(), 11);
}

#[test]
fn a_plan_beyond_todays_limits_does_not_begin() {
    let mut bench = Bench::new(Way::Grace, false);
    bench.limits.max_keys = 0;
    assert!(bench.apply().is_err());
    bench.limits.max_keys = 1;
    bench.limits.deny = vec!["fake:**".into()];
    assert!(bench.apply().is_err());
    bench.limits.deny.clear();
    bench.plan.actions[0].cutover = true;
    let done = bench.apply().unwrap();
    assert_eq!(done[0].outcome.code(), 13, "{done:?}");
    assert_eq!(bench.store.calls("stage") + bench.target.calls("issue"), 0);
}

/// Applies a plan that the planner of today would not make; returns why nothing was done.
fn refused_by_apply(way: Way, change: impl FnOnce(&mut Bench)) -> Option<String> {
    let mut bench = Bench::new(way, false);
    change(&mut bench);
    let own = [Secret::new(if bench.limits.stale_hours == 1 {
        OLD
    } else {
        b"made-up-of-somebody-else"
    })];
    let done = bench.with(|context| {
        let world = super::World {
            own: &own,
            ..bench.world()
        };
        super::apply(&bench.plan, &[], &world, context, &bench.journals())
    });
    let why = match done {
        Err(error) => error.to_string(),
        Ok(done) => match &done[0].outcome {
            super::Outcome::RolledBack { why } => why.clone(),
            _ => return None,
        },
    };
    let native = bench.store.calls("native_rotate");
    assert_eq!(
        bench.store.calls("stage") + bench.target.calls("issue") + native,
        0
    );
    Some(why)
}

#[test]
fn a_plan_that_nobody_here_made_meets_what_the_planner_checks() {
    use super::canonical::time_text;
    let refused = |way, word: &str, change: fn(&mut Bench)| {
        let why = refused_by_apply(way, change).unwrap_or_default();
        assert!(why.contains(word), "{word}: {why}");
    };
    assert_eq!(refused_by_apply(Way::Grace, |_| {}), None);
    refused(Way::Grace, "still to come", |b| {
        b.plan.made = time_text(START + 3600);
    });
    refused(Way::Grace, "holds longer", |b| {
        b.plan.expires = time_text(START + 99 * 3600);
    });
    refused(Way::Grace, "may read the key", |b| b.limits.max_readers = 1);
    refused(Way::Grace, "cannot tell everybody", |b| {
        b.store.script(super::testing::Script {
            call: "readers",
            fault: crate::stores::Fault::Denied,
            works: false,
            times: 1,
        });
    });
    refused(Way::Grace, "1 other place holds the same value", |b| {
        b.plan.actions[0].shared = 1;
    });
    refused(Way::Grace, "2 other places hold the same value", |b| {
        b.others.store(2, std::sync::atomic::Ordering::SeqCst);
    });
    // The mark of a bench whose leaked value is keysweep's own.
    refused(Way::Grace, "keysweep itself", |b| b.limits.stale_hours = 1);
    refused(Way::Grace, "how the key is rotated", |b| {
        b.plan.actions[0].strategy = Strategy::GenerateAndPut;
    });
    refused(Way::Grace, "needs the target", |b| {
        b.plan.actions[0].strategy = Strategy::GenerateAndPut;
        b.plan.actions[0].target = None;
    });
    refused(Way::Put, "needs the target", |b| b.drop_targets());
    refused(Way::Grace, "how long both", |b| {
        b.plan.actions[0].grace_minutes = 0;
    });
    refused(Way::Grace, "how long both", |b| {
        b.plan.actions[0].grace_minutes = 100_000;
    });
    refused(Way::Grace, "cannot be read", |b| {
        b.plan.actions[0].exposed = "0".into();
    });
    refused(Way::Grace, "what can be proven", |b| {
        let declares = &mut b.plan.actions[0].declares;
        declares.ends_sessions = !declares.ends_sessions;
    });
    refused(Way::Grace, "protected environment", |b| {
        b.store.says_environment("prod");
        b.limits.protected = vec!["prod".into()];
        b.plan.actions[0].environment = None;
    });
    refused(Way::Cutover, "accept-cutover", |b| b.accept_cutover(false));
    refused(Way::Native, "accept-cutover", |b| b.accept_cutover(false));
}

#[test]
fn what_the_store_says_of_an_environment_comes_before_the_report() {
    let mut bench = Bench::new(Way::Grace, false);
    bench.limits.protected = vec!["prod".into()];
    let mut silent = current();
    if let Some(place) = &mut silent.place {
        place.environment = None;
    }
    let plan = made(&bench, silent.clone(), &bench.limits, &wishes());
    assert!(!plan.needs_approval());
    bench.store.says_environment("prod");
    let plan = made(&bench, silent, &bench.limits, &wishes());
    assert!(plan.needs_approval());
    assert_eq!(plan.actions[0].environment.as_deref(), Some("prod"));
}

#[test]
fn a_part_that_no_target_names_is_not_replaced_for_the_field() {
    let bench = Bench::new(Way::Put, false);
    let part = |way: &str| {
        let mut verdict = current();
        if let Some(place) = &mut verdict.place {
            place.field = Some(format!("password#{way}"));
        }
        made(&bench, verdict, &bench.limits, &wishes())
    };
    let plan = part("/username");
    assert_eq!(plan.refused[0].reason, Reason::NoTarget);
    assert!(plan.refused[0].help.contains("password#/username"));
    assert_eq!(part("password").actions.len(), 1);
    let mut whole = current();
    if let Some(place) = &mut whole.place {
        place.field = None;
    }
    let plan = made(&bench, whole, &bench.limits, &wishes());
    assert!(plan.refused[0].why.contains("the whole key"));
    assert!(plan.refused[0].help.contains("no `field`"));
}

#[test]
fn a_key_that_has_begun_is_left_alone() {
    let bench = Bench::new(Way::Grace, false);
    let begun = [super::UnderWay {
        store: "fake".into(),
        key: KEY.into(),
        id: "made-up".into(),
        stands: "in grace".into(),
    }];
    let world = super::World {
        under_way: &begun,
        ..bench.world()
    };
    let made = plan(
        &[candidate(current())],
        &bench.limits,
        &world,
        &wishes(),
        &random,
    );
    let made = made.unwrap();
    assert_eq!(made.refused[0].reason, Reason::UnderWay);
    assert!(made.actions.is_empty());
}

#[test]
fn one_key_has_one_action_and_findings_of_one_value_share_it() {
    let bench = Bench::new(Way::Grace, false);
    let limits = RotateLimits {
        max_keys: 9,
        ..bench.limits.clone()
    };
    let other = Candidate {
        rule: "other".into(),
        fingerprint: "k1:11111111111111111111111111111111".into(),
        verdict: current(),
    };
    let pending = candidate(verdict(StoreState::Pending, "1"));
    let mut another = pending.clone();
    another.verdict.place.as_mut().unwrap().environment = Some("staging".into());
    let candidates = [candidate(current()), other, another];
    let plan = plan(&candidates, &limits, &bench.world(), &wishes(), &random).unwrap();
    assert_eq!(plan.actions.len(), 1);
    assert_eq!(plan.actions[0].findings.len(), 2);
    assert_eq!(plan.actions[0].rules, ["generic", "other"]);
    assert_eq!(plan.refused[0].reason, Reason::TooManyKeys);
}

#[test]
fn a_plan_holds_no_value_and_two_plans_differ() {
    let bench = Bench::new(Way::Grace, false);
    let one = made(&bench, current(), &bench.limits, &wishes());
    let two = made(&bench, current(), &bench.limits, &wishes());
    assert_ne!(one.digest(), two.digest());
    assert_eq!(one.actions, two.actions);
    assert!(!one.to_text().contains("canary"));
    assert_eq!(one.expires, "2026-11-18T12:06:40Z");
}

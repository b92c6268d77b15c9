//! From a plan to rotations, and how one is gone on with; `resume` has those of all journals.
//!
//! Promises: nothing begins that the configuration of today does not allow, whatever the plan says; a rotation that has begun is gone on
//! with and never begun twice; `apply` stops at the first one that needs a person.

use std::path::Path;

use super::{
    Actor, RotateError,
    approval::Approval,
    faults::Point,
    journal::{self, Begin, Event, Journal},
    machine::{Context, Machine, Stop},
    permit::Permits,
    plan::{Action, Plan, expiry},
    rotators::rotator,
    seal::Held,
    sinks,
    state::{Effect, Outcome, State},
    today::fresh,
    world::World,
};
use crate::{config::stores::RotateLimits, model::quotable, stores::KeyPath};

/// The directory of journals in the state directory.
pub const JOURNALS: &str = "journals";

/// What became of one rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The journal's id, for `rotate resume`.
    pub id: String,
    /// What is done to what, for people.
    pub title: String,
    /// What it came to.
    pub outcome: Outcome,
    /// What its last step says, if it is done: what is proven, and what may go on.
    pub note: Option<String>,
    /// When it had ended already, Unix seconds; `None` if it was gone on with now.
    pub ended: Option<i64>,
    /// Bytes of the journal's last record that a crash had torn and that were cut.
    pub cut: usize,
}

/// Returns the id of a plan's rotation, by its place in the plan.
#[must_use]
pub fn rotation_id(digest: &str, n: usize) -> String {
    format!("{}-{n}", digest.get(..16).unwrap_or(digest))
}

/// Applies a plan: begins each rotation, or goes on with those that an earlier run has begun.
///
/// # Errors
/// [`RotateError::Plan`] if it has expired and something has not begun, and what files meet. Faults of stores and targets are
/// outcomes.
pub fn apply(
    plan: &Plan,
    approvals: &[Approval],
    world: &World<'_>,
    context: &Context<'_>,
    journals: &Path,
) -> Result<Vec<Rotation>, RotateError> {
    let digest = plan.digest();
    let mut done = Vec::new();
    let approvers = match approved(plan, approvals, context.limits, world, &context.actor.name) {
        Ok(approvers) => approvers,
        Err(why) => {
            done.push(Rotation {
                id: rotation_id(&digest, 0),
                title: match plan.actions.as_slice() {
                    [action] => action.title(),
                    actions => format!("{} rotations", actions.len()),
                },
                outcome: Outcome::WaitsForApproval { why },
                note: None,
                ended: None,
                cut: 0,
            });
            return Ok(done);
        }
    };
    let most = context.limits.max_keys;
    if plan.actions.len() > usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(RotateError::Unknown {
            what: format!(
                "the plan has {} keys, more than `max-keys` of stores.toml: {most}",
                plan.actions.len()
            ),
            help: "make a smaller plan, or raise [rotate] max-keys".to_owned(),
        });
    }
    for (n, action) in plan.actions.iter().enumerate() {
        let id = rotation_id(&digest, n);
        let path = journal::path(journals, &id);
        let begun = if path.exists() {
            Journal::open(&path, context.sealer)?
        } else {
            None
        };
        let rotation = if let Some(journal) = begun {
            go_on(journal, world, context, false)?
        } else {
            fresh(plan, context.limits, (context.now)())?;
            let begin = Begin {
                schema: journal::SCHEMA,
                id,
                plan: digest.clone(),
                expires: expiry(plan)?,
                actor: context.actor.clone(),
                approvers: approvers.clone(),
                action: action.clone(),
                acknowledged: context.acknowledged,
            };
            begin_one(begin, world, context, journals)?
        };
        let stop = matches!(rotation.outcome, Outcome::NeedsHuman { .. });
        done.push(rotation);
        if stop {
            break;
        }
    }
    Ok(done)
}

/// Returns who approved a plan; `actor` is the name of whoever applies it.
///
/// # Errors
/// Why the plan must wait, in words: nobody has approved it who must, or an approval does not count.
pub fn approved(
    plan: &Plan,
    approvals: &[Approval],
    limits: &RotateLimits,
    world: &World<'_>,
    actor: &str,
) -> Result<Vec<String>, String> {
    // What is protected today needs an approval, whatever the plan says of it.
    let is_protected = |action: &Action| {
        let said = action.environment.as_ref();
        world.is_in(&limits.protected, &action.store, &action.key, said)
            || sinks::are_in(world, action, &limits.protected)
    };
    let mut approvers = Vec::new();
    let mut whys = Vec::new();
    for approval in approvals {
        match approval.check(&plan.digest(), &plan.planner, &limits.approvers) {
            // Whatever name the planner gave: who made the plan, and who applies it, are not the second person.
            Ok(name) if name == actor || name == plan.actor => whys.push(format!(
                "{} makes or applies the plan and cannot be who approves it",
                quotable(name)
            )),
            Ok(name) => approvers.push(name.to_owned()),
            Err(error) => whys.push(error.to_string()),
        }
    }
    let must = plan.needs_approval() || plan.actions.iter().any(is_protected);
    if !whys.is_empty() {
        // One that does not count is never passed over: somebody thinks that it does.
        return Err(whys.join("; "));
    }
    if must && approvers.is_empty() {
        return Err("somebody who did not make the plan must approve it: keysweep rotate approve PLAN --key FILE --name NAME; then apply it with --approval PLAN.approval".to_owned());
    }
    approvers.sort();
    approvers.dedup();
    Ok(approvers)
}

fn begin_one(
    begin: Begin,
    world: &World<'_>,
    context: &Context<'_>,
    journals: &Path,
) -> Result<Rotation, RotateError> {
    let action = &begin.action;
    let permits = Permits::new(context.limits)?;
    let allowed = permits.check(&action.store, &action.key);
    let allowed = allowed.and_then(|()| sinks::may(&permits, &action.sinks));
    if let Err((_, why, help)) = allowed {
        return Err(RotateError::Unknown { what: why, help });
    }
    sinks::of_plan(world, action, false)?;
    if action.acknowledged && !begin.acknowledged && begin.approvers.is_empty() {
        return Err(RotateError::Unknown {
            what: "the plan says that readers whom nobody can tell, and other places with the same value, were accepted: a plan alone is not believed".to_owned(),
            help: "if you accept them, too: keysweep rotate apply PLAN --ack-unknown --apply; an approval of the plan counts as well".to_owned(),
        });
    }
    context.point(Point::BeforeState(State::Planned))?;
    let journal = Journal::create(journals, (context.now)(), begin, context.sealer)?;
    context.point(Point::AfterState(State::Planned))?;
    drive(journal, world, context)
}

/// Goes on with one whose journal is open.
pub(super) fn go_on(
    mut journal: Journal,
    world: &World<'_>,
    context: &Context<'_>,
    by_hand: bool,
) -> Result<Rotation, RotateError> {
    let state = journal.progress.state;
    if state.is_end() {
        journal.forget(&|point| context.point(point))?;
        return Ok(told(&journal));
    }
    if by_hand {
        let actor: Actor = context.actor.clone();
        journal.write((context.now)(), &Event::Continue { actor })?;
        let why = forbidden(&journal, world, context)?;
        let mut machine = machine(journal, world, context)?;
        if let Some(why) = why {
            machine.ask(why)?;
        }
        let outcome = machine.run()?;
        return Ok(rotation(&machine, outcome));
    }
    if state == State::NeedsHuman {
        return Ok(told(&journal));
    }
    let why = forbidden(&journal, world, context)?;
    let mut machine = machine(journal, world, context)?;
    if let Some(why) = why {
        machine.ask(why)?;
        let outcome = machine.run()?;
        return Ok(rotation(&machine, outcome));
    }
    match machine.may_go_on() {
        Ok(()) => {}
        Err(Stop::Human(why) | Stop::Back(why) | Stop::Rejected(why)) => machine.ask(why)?,
        Err(Stop::Later(why)) => return Ok(rotation(&machine, Outcome::Later { why })),
        Err(Stop::Grace(until)) => return Ok(rotation(&machine, Outcome::InGrace { until })),
        Err(Stop::Error(error)) => return Err(error),
    }
    let outcome = machine.run()?;
    Ok(rotation(&machine, outcome))
}

/// Returns why today's configuration does not let a rotation go on that has not changed anything yet. One that has must come to its end.
fn forbidden(
    journal: &Journal,
    world: &World<'_>,
    context: &Context<'_>,
) -> Result<Option<String>, RotateError> {
    let (progress, action) = (&journal.progress, &journal.begin.action);
    let first = [Effect::Issue, Effect::Stage, Effect::Disable];
    if progress.back.is_some() || first.iter().any(|effect| progress.may_have(*effect)) {
        return Ok(None);
    }
    let permits = Permits::new(context.limits)?;
    let allowed = permits.check(&action.store, &action.key);
    let allowed = allowed.and_then(|()| sinks::may(&permits, &action.sinks));
    if let Err((_, why, help)) = allowed {
        return Ok(Some(format!("{why} ({help})")));
    }
    let protected = &context.limits.protected;
    let said = action.environment.as_ref();
    let must = action.needs_approval
        || world.is_in(protected, &action.store, &action.key, said)
        || sinks::are_in(world, action, protected);
    let waits = must && journal.begin.approvers.is_empty();
    Ok(waits.then(|| "nobody has approved it, and its environment is protected".to_owned()))
}

fn drive(
    journal: Journal,
    world: &World<'_>,
    context: &Context<'_>,
) -> Result<Rotation, RotateError> {
    let mut machine = machine(journal, world, context)?;
    let outcome = machine.run()?;
    Ok(rotation(&machine, outcome))
}

fn note_of(journal: &Journal, outcome: &Outcome) -> Option<String> {
    let note = journal.progress.note.clone();
    note.filter(|_| *outcome == Outcome::Done)
}

/// Returns what is told of a rotation that is not gone on with: it has ended, or needs a person.
fn told(journal: &Journal) -> Rotation {
    let progress = &journal.progress;
    let outcome = progress.outcome().unwrap_or(Outcome::Later {
        why: "it is under way".to_owned(),
    });
    Rotation {
        id: journal.begin.id.clone(),
        title: journal.begin.action.title(),
        note: note_of(journal, &outcome),
        outcome,
        ended: progress.state.is_end().then_some(progress.last),
        cut: journal.cut,
    }
}

fn rotation(machine: &Machine<'_>, outcome: Outcome) -> Rotation {
    Rotation {
        id: machine.journal.begin.id.clone(),
        title: machine.journal.begin.action.title(),
        note: note_of(&machine.journal, &outcome),
        outcome,
        ended: None,
        cut: machine.journal.cut,
    }
}

/// Returns what does a rotation's steps, with the store, target and sinks of its plan.
///
/// # Errors
/// [`RotateError::Unknown`] if one of these is not in the stores file any more, or is another one; why one could not be opened.
pub(super) fn machine<'m>(
    journal: Journal,
    world: &World<'m>,
    context: &Context<'m>,
) -> Result<Machine<'m>, RotateError> {
    refuse_unopened(world, &journal.begin.action, true)?;
    let machine = machine_without_sinks(journal, world, context)?;
    let progress = &machine.journal.progress;
    let is_told = progress.state >= State::Distributed || progress.back.is_some();
    let sinks = match progress.state {
        State::Done | State::RolledBack => Vec::new(),
        _ => sinks::of_plan(world, &machine.journal.begin.action, is_told)?,
    };
    Ok(Machine { sinks, ..machine })
}

/// Refuses an action of which something could not be opened; `sinks`: its sinks as well.
fn refuse_unopened(world: &World<'_>, action: &Action, sinks: bool) -> Result<(), RotateError> {
    let stands_in_the_way = world.unopened.iter().find(|one| {
        one.store == action.store
            && one.key.as_ref().is_none_or(|key| *key == action.key)
            && (sinks || !one.is_sink)
    });
    match stands_in_the_way {
        Some(one) => Err(one.error.clone().into()),
        None => Ok(()),
    }
}

/// Returns [`machine`], which tells no sink: for what only looks.
///
/// # Errors
/// As [`machine`], of store and target.
pub(super) fn machine_without_sinks<'m>(
    journal: Journal,
    world: &World<'m>,
    context: &Context<'m>,
) -> Result<Machine<'m>, RotateError> {
    let action = &journal.begin.action;
    refuse_unopened(world, action, false)?;
    let missing = |what: &str, name: &str| RotateError::Unknown {
        what: format!(
            "the rotation {} needs the {what} {}, and stores.toml has none",
            journal.begin.id,
            quotable(name)
        ),
        help: "put it back; a rotation ends with the stores and targets that it began with"
            .to_owned(),
    };
    let store = world
        .store(&action.store)
        .ok_or_else(|| missing("store", &action.store))?;
    let place = action.place();
    let open = world.target(&action.store, &action.key, place.field);
    let target = open.and_then(|open| open.target.as_deref());
    // The target that the plan was approved for, and no other one that took its place in the file.
    let address = target.map(|target| target.address());
    if action.target != address {
        let name = action.target.as_deref().unwrap_or("none");
        return Err(missing("target", name));
    }
    let rotator = rotator(action.strategy, action.kind, store, target)
        .ok_or_else(|| missing("target", &action.key))?;
    Ok(Machine {
        context: *context,
        sinks: Vec::new(),
        store,
        rotator,
        target: open.map(|open| &open.entry),
        open,
        own: world.own,
        shared: world.shared,
        held: Held::default(),
        key: KeyPath::new(action.key.clone()),
        journal,
    })
}

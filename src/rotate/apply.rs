//! From a plan to rotations, and how one is gone on with; `resume` has those of all journals.
//!
//! Promises: nothing begins that the configuration of today does not allow, whatever the plan says; a rotation that has begun is gone on
//! with and never begun twice; `apply` stops at the first one that needs a person.

use std::path::Path;

use super::{
    Actor, RotateError,
    approval::Approval,
    begin::{Vouched, few, may_begin},
    chain::{private_directory, turn},
    faults::Point,
    journal::{self, Begin, Event, Journal},
    machine::{Context, Machine, Stop},
    permit::Permits,
    plan::{Action, Plan, Strategy, expiry},
    record::Progress,
    rotators::{Rotator, rotator},
    seal::Held,
    sinks,
    state::{Effect, Outcome, State},
    today::fresh,
    world::{OpenTarget, World},
};
use crate::{
    config::stores::RotateLimits,
    model::quotable,
    stores::{KeyPath, SecretStore},
};

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
    /// Whether its journal is damaged, so that nothing can be done by it.
    pub is_damaged: bool,
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
                is_damaged: false,
                cut: 0,
            });
            return Ok(done);
        }
    };
    few(plan, context.limits)?;
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
    let vouched = Vouched {
        acknowledged: begin.acknowledged,
        approved: !begin.approvers.is_empty(),
    };
    let limits = context.limits;
    private_directory(journals)?;
    // Two plans of one key that are applied at once: the second sees the journal of the first.
    let turn = turn(journals)?;
    may_begin(&begin.id, &begin.action, vouched, world, limits, journals)?;
    context.point(Point::BeforeState(State::Planned))?;
    let journal = Journal::create(journals, (context.now)(), begin, context.sealer)?;
    drop(turn);
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

fn note_of(progress: &Progress, outcome: &Outcome) -> Option<String> {
    let note = progress.note.clone();
    note.filter(|_| *outcome == Outcome::Done)
}

/// Returns what is told of a rotation that is not gone on with: it has ended, or needs a person.
fn told(journal: &Journal) -> Rotation {
    told_of(&journal.begin, &journal.progress, journal.cut)
}

/// As [`told`], of a journal that was only looked at.
pub(super) fn told_of(begin: &Begin, progress: &Progress, cut: usize) -> Rotation {
    let outcome = progress.outcome().unwrap_or(Outcome::Later {
        why: "it is under way".to_owned(),
    });
    Rotation {
        id: begin.id.clone(),
        title: begin.action.title(),
        note: note_of(progress, &outcome),
        outcome,
        ended: progress.state.is_end().then_some(progress.last),
        is_damaged: false,
        cut,
    }
}

fn rotation(machine: &Machine<'_>, outcome: Outcome) -> Rotation {
    Rotation {
        id: machine.journal.begin.id.clone(),
        title: machine.journal.begin.action.title(),
        note: note_of(&machine.journal.progress, &outcome),
        outcome,
        ended: None,
        is_damaged: false,
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
    let machine = with_parts(journal, world, context, true)?;
    let progress = &machine.journal.progress;
    let is_told = progress.state >= State::Distributed || progress.back.is_some();
    let sinks = match progress.state {
        State::Done | State::RolledBack => Vec::new(),
        _ => sinks::of_plan(world, &machine.journal.begin.action, is_told)?,
    };
    Ok(Machine { sinks, ..machine })
}

/// What a rotation works on: the store and target of its plan, opened.
pub(super) struct Parts<'m> {
    store: &'m dyn SecretStore,
    open: Option<&'m OpenTarget>,
    rotator: Box<dyn Rotator + 'm>,
}

impl<'m> Parts<'m> {
    /// Finds the parts of an action; `sinks`: what could not be opened of its sinks counts as well.
    ///
    /// # Errors
    /// [`RotateError::Unknown`] if one is not in the stores file any more, or is another one; why one could not be opened.
    pub(super) fn of(
        id: &str,
        action: &Action,
        world: &World<'m>,
        sinks: bool,
    ) -> Result<Self, RotateError> {
        let stands_in_the_way = world.unopened.iter().find(|one| {
            one.store == action.store
                && one.key.as_ref().is_none_or(|key| *key == action.key)
                && (sinks || !one.is_sink)
        });
        if let Some(one) = stands_in_the_way {
            return Err(one.error.clone().into());
        }
        let missing = |what: &str, name: &str| RotateError::Unknown {
            what: format!(
                "the rotation {id} needs the {what} {}, and stores.toml has none",
                quotable(name)
            ),
            help: "put it back; a rotation ends with the stores and targets that it began with"
                .to_owned(),
        };
        let store = world
            .store(&action.store)
            .ok_or_else(|| missing("store", &action.store))?;
        let open = world.target(&action.store, &action.key, action.field.as_deref());
        let target = open.and_then(|open| open.target.as_deref());
        // The target that the plan was approved for, and no other one that took its place in the file.
        let address = target.map(|target| target.address());
        if action.target != address {
            let name = action.target.as_deref().unwrap_or("none");
            return Err(missing("target", name));
        }
        if open.is_none() && action.strategy == Strategy::GenerateAndPut {
            return Err(missing("target", &action.key));
        }
        let rotator = rotator(action.strategy, action.kind, store, target)
            .ok_or_else(|| missing("target", &action.key))?;
        Ok(Self {
            store,
            open,
            rotator,
        })
    }
}

/// Returns [`machine`], which tells no sink: for what only looks.
///
/// # Errors
/// Those of [`Parts::of`].
pub(super) fn with_parts<'m>(
    journal: Journal,
    world: &World<'m>,
    context: &Context<'m>,
    sinks: bool,
) -> Result<Machine<'m>, RotateError> {
    let Parts {
        store,
        open,
        rotator,
    } = Parts::of(&journal.begin.id, &journal.begin.action, world, sinks)?;
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
        key: KeyPath::new(journal.begin.action.key.clone()),
        journal,
    })
}

//! What must hold before a rotation begins, and what `apply` without `--apply` tells of a plan.
//!
//! Promises: only looks; what is refused here leaves no journal; no two rotations of one key are under way at once, as far as one state
//! directory knows.

use std::path::Path;

use super::{
    RotateError,
    apply::{Parts, Rotation, rotation_id, told_of},
    journal,
    permit::Permits,
    plan::{Action, Plan},
    seal::Sealer,
    sinks,
    state::State,
    status::{Listed, Status, status},
    today::fresh,
    world::World,
};
use crate::config::stores::RotateLimits;

/// A rotation that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// The store's name.
    pub store: String,
    /// The key.
    pub key: String,
    /// The journal's id.
    pub id: String,
    /// How far it is, in words.
    pub stands: String,
}

impl UnderWay {
    fn of(status: &Status) -> Self {
        Self {
            store: status.store.clone(),
            key: status.key.clone(),
            id: status.id.clone(),
            stands: match (status.grace(), status.state) {
                (Some(until), _) => format!(
                    "both credentials are valid until {}",
                    super::canonical::time_text(until)
                ),
                (None, State::NeedsHuman) => "it needs a person".to_owned(),
                (None, state) => format!("it has come to `{}`", state.as_str()),
            },
        }
    }

    /// Says why another rotation of its key does not begin.
    pub(super) fn why(&self) -> String {
        format!("{} of the same key is under way: {}", self.id, self.stands)
    }

    /// Says what ends it.
    pub(super) fn help(&self) -> String {
        format!(
            "keysweep rotate resume ends it when its time has come; keysweep rotate abandon {} --reason TEXT gives it up",
            self.id
        )
    }
}

/// Returns the rotations of a directory of journals that have begun and not ended; damaged journals are not among them
/// ([`status`] tells those).
///
/// # Errors
/// If the directory cannot be read.
pub fn under_way(journals: &Path) -> Result<Vec<UnderWay>, RotateError> {
    let found = status(journals, None)?.into_iter();
    let open = found.filter_map(|listed| match listed {
        Listed::Rotation(status) if !status.state.is_end() => Some(UnderWay::of(&status)),
        Listed::Rotation(_) | Listed::Damaged { .. } => None,
    });
    Ok(open.collect())
}

/// Who stands for what a plan says was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vouched {
    /// Whoever begins it accepts it, too.
    pub(super) acknowledged: bool,
    /// Somebody has approved the plan.
    pub(super) approved: bool,
}

/// Refuses an action that the configuration of today, or another rotation, does not let begin.
pub(super) fn may_begin(
    id: &str,
    action: &Action,
    vouched: Vouched,
    world: &World<'_>,
    limits: &RotateLimits,
    journals: &Path,
) -> Result<(), RotateError> {
    let permits = Permits::new(limits)?;
    let allowed = permits.check(&action.store, &action.key);
    let allowed = allowed.and_then(|()| sinks::may(&permits, &action.sinks));
    if let Err((_, why, help)) = allowed {
        return Err(RotateError::Unknown { what: why, help });
    }
    Parts::of(id, action, world, true)?;
    sinks::of_plan(world, action, false)?;
    if action.acknowledged && !vouched.acknowledged && !vouched.approved {
        return Err(RotateError::Unknown {
            what: "the plan says that readers whom nobody can tell, and other places with the same value, were accepted: a plan alone is not believed".to_owned(),
            help: "if you accept them, too: keysweep rotate apply PLAN --ack-unknown --apply; an approval of the plan counts as well".to_owned(),
        });
    }
    let open = under_way(journals)?;
    let other = open
        .iter()
        .find(|other| other.store == action.store && other.key == action.key && other.id != id);
    match other {
        Some(other) => Err(RotateError::Unknown {
            what: other.why(),
            help: other.help(),
        }),
        None => Ok(()),
    }
}

/// Refuses a plan with more keys than the configuration of today lets it have.
pub(super) fn few(plan: &Plan, limits: &RotateLimits) -> Result<(), RotateError> {
    let most = limits.max_keys;
    if plan.actions.len() <= usize::try_from(most).unwrap_or(usize::MAX) {
        return Ok(());
    }
    Err(RotateError::Unknown {
        what: format!(
            "the plan has {} keys, more than `max-keys` of stores.toml: {most}",
            plan.actions.len()
        ),
        help: "make a smaller plan, or raise [rotate] max-keys".to_owned(),
    })
}

/// What `apply` would do about an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// It would begin.
    Begins,
    /// It would go on with what has begun.
    GoesOn(UnderWay),
    /// Nothing: it has ended.
    Ended(Rotation),
}

/// Finds out what `apply` would do about each action of a plan at `now` (Unix seconds). Changes nothing; what a planner has accepted is
/// taken as accepted.
///
/// # Errors
/// Those with which `apply` would refuse the plan before it asks any store. With a sealer journals are checked to be ours.
pub fn look(
    plan: &Plan,
    world: &World<'_>,
    limits: &RotateLimits,
    sealer: Option<&Sealer>,
    journals: &Path,
    now: i64,
) -> Result<Vec<Ahead>, RotateError> {
    few(plan, limits)?;
    let digest = plan.digest();
    let vouched = Vouched {
        acknowledged: true,
        approved: false,
    };
    let one = |(n, action): (usize, &Action)| {
        let id = rotation_id(&digest, n);
        let path = journal::path(journals, &id);
        let begun = if path.exists() {
            journal::look(&path, sealer)?
        } else {
            None
        };
        match begun {
            Some((begin, progress)) if progress.state.is_end() => {
                Ok(Ahead::Ended(told_of(&begin, &progress, 0)))
            }
            Some((begin, progress)) => {
                Ok(Ahead::GoesOn(UnderWay::of(&Status::of(begin, &progress))))
            }
            None => {
                fresh(plan, limits, now)?;
                may_begin(&id, action, vouched, world, limits, journals)?;
                Ok(Ahead::Begins)
            }
        }
    };
    plan.actions.iter().enumerate().map(one).collect()
}

/// Says which action of a plan another rotation keeps back.
pub(super) fn kept_back<'w>(world: &World<'w>, store: &str, key: &str) -> Option<&'w UnderWay> {
    let mut open = world.under_way.iter();
    open.find(|one| one.store == store && one.key == key)
}

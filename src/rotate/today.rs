//! What the planner checked, checked again with the configuration of today: a plan is a file, and others may have written it.
//!
//! Promises: only reads; a plan that was made by nobody's leave meets the same limits as one that the planner makes now. What a planner
//! has accepted counts if the user's own configuration says it, too, or somebody has approved the plan, where it can be known.

use std::collections::BTreeMap;

use super::{
    PlanError, RotateError,
    canonical::time_of,
    grounds::{No, is_admin, no, readable, strategy},
    machine::{Machine, Stop},
    plan::{ActionKind, Plan, Reason, expiry},
};
use crate::{
    config::stores::RotateLimits,
    model::{Secret, quotable},
    stores::{KeyInfo, KeyPath, SecretStore, VersionId, target::Credential},
};

/// Seconds that the clock of the machine that made a plan may be ahead.
const SKEW_S: i64 = 120;

/// Checks that a plan may begin at `now` (Unix seconds): it was made, has not expired, and holds no longer than `plan-minutes` of today.
///
/// # Errors
/// [`PlanError`], as [`RotateError::Plan`].
pub fn fresh(plan: &Plan, limits: &RotateLimits, now: i64) -> Result<(), RotateError> {
    let made = time_of(&plan.made).ok_or_else(|| PlanError::Shape {
        what: "when it was made is no time".to_owned(),
    })?;
    let expires = expiry(plan)?;
    if expires < now {
        let at = quotable(&plan.expires);
        return Err(PlanError::Expired { at }.into());
    }
    if made > now.saturating_add(SKEW_S) {
        let at = quotable(&plan.made);
        return Err(PlanError::Future { at }.into());
    }
    let most = i64::from(limits.plan_minutes) * 60;
    if expires.saturating_sub(made) > most {
        return Err(PlanError::TooLong {
            minutes: limits.plan_minutes,
        }
        .into());
    }
    Ok(())
}

/// Returns how many readers of a key are known; refuses too many, and some that nobody can tell and nobody has acknowledged.
pub(super) fn readers(
    limits: &RotateLimits,
    store: &dyn SecretStore,
    key: &KeyPath,
    acknowledged: bool,
) -> Result<Option<u64>, No> {
    let readers = store.readers(key).ok();
    let known = readers.as_ref().map(|readers| readers.known);
    if let Some(known) = known.filter(|known| *known > limits.max_readers) {
        return no(
            Reason::TooManyReaders,
            format!("{known} may read the key"),
            "raise `[rotate] max-readers` of stores.toml, or rotate it by hand",
        );
    }
    let all = readers.is_some_and(|readers| readers.complete);
    if all || acknowledged {
        return Ok(known);
    }
    no(
        Reason::UnknownReaders,
        "the store cannot tell everybody who reads the key",
        "find out who does, then accept it with --ack-unknown",
    )
}

/// Tells whether one of the fields holds a credential that keysweep itself uses.
pub(super) fn is_ours(own: &[Secret], fields: &BTreeMap<String, Secret>) -> bool {
    fields.values().any(|field| {
        own.iter().any(|own| {
            // Exposed to be compared with what the caller has already; below 8 bytes chance would do.
            let own = own.expose().trim_ascii();
            own.len() >= 8 && memchr::memmem::find(field.expose(), own).is_some()
        })
    })
}

impl Machine<'_> {
    /// Checks that the plan says what a planner would say today of the way, the time of grace and the proofs: none of it is the plan's to
    /// decide, and an approver must have seen what will happen.
    pub(super) fn check_plan(&self, info: &KeyInfo) -> Result<(), Stop> {
        let action = &self.journal.begin.action;
        let limits = self.context.limits;
        let is_approved = !self.journal.begin.approvers.is_empty();
        let environment = info.environment.as_ref();
        if environment.is_some_and(|name| limits.protected.contains(name)) && !is_approved {
            return Err(Stop::Back(
                "the store says that the key is in a protected environment, and nobody has approved the plan: make a new one"
                    .to_owned(),
            ));
        }
        let other = |what: &str| {
            Err(Stop::Back(format!(
                "the plan says otherwise than today's configuration {what}: make a new one"
            )))
        };
        match strategy(action.kind, info, self.open) {
            Ok(today) if today == action.strategy => {}
            Ok(_) => return other("how the key is rotated"),
            Err((_, why, help)) => return Err(Stop::Back(format!("{why} ({help})"))),
        }
        if action.declares != self.rotator.declares() {
            return other("what can be proven and ended");
        }
        let exposed = VersionId::new(action.exposed.clone());
        if let Err((_, why, help)) = readable(info, &exposed) {
            return Err(Stop::Back(format!("{why} ({help})")));
        }
        if action.grace_minutes != limits.grace_minutes {
            return other("how long both credentials are valid");
        }
        Ok(())
    }

    /// Checks what only the planner has looked at.
    pub(super) fn check_today(&self) -> Result<(), Stop> {
        let action = &self.journal.begin.action;
        let accepted = self.accepts_unknown();
        if let Err((_, why, help)) = readers(self.context.limits, self.store, &self.key, accepted) {
            return Err(Stop::Back(format!("{why} ({help})")));
        }
        let is_approved = !self.journal.begin.approvers.is_empty();
        let accepts = self.target.is_some_and(|entry| entry.accept_cutover);
        let is_cutover = action.kind == ActionKind::Rotate && self.rotator.kills_on_issue();
        if is_cutover && !accepts && !is_approved {
            return Err(Stop::Back(
                "the old value would die before readers have the new one: `accept-cutover = true` at the target in stores.toml, or an approval of the plan, accepts it".to_owned(),
            ));
        }
        if self.open.is_some_and(is_admin) {
            let why = "keysweep itself works at the target as this user";
            return Err(Stop::Back(why.to_owned()));
        }
        for version in [self.base(), VersionId::new(action.exposed.clone())] {
            if is_ours(self.own, &self.fields(&version)?) {
                let why = "keysweep itself uses the value to reach a store or target";
                return Err(Stop::Back(why.to_owned()));
            }
        }
        Ok(())
    }

    /// Tells whether somebody accepts what nobody can tell: whoever began it, or an approver of a plan that says so. The plan alone is a
    /// file that anybody may have written.
    pub(super) fn accepts_unknown(&self) -> bool {
        let begin = &self.journal.begin;
        begin.acknowledged || (begin.action.acknowledged && !begin.approvers.is_empty())
    }

    /// Looks for other places with the value that would die.
    pub(super) fn check_shared(&self, old: &Credential) -> Result<(), Stop> {
        if self.accepts_unknown() {
            return Ok(());
        }
        let action = &self.journal.begin.action;
        let found = match self.shared {
            Some(look) => look(&action.store, &action.key, &old.secret),
            None => Err("nobody has looked".to_owned()),
        };
        // A plan that tells of some which nobody has accepted counts, too.
        match found.map(|n| n.max(action.shared)) {
            Ok(0) => Ok(()),
            Ok(n) => Err(Stop::Back(format!(
                "{n} other {} the same value, and what reads {} would lose it (give each its own value first, or accept it with --ack-unknown when you plan and apply)",
                if n == 1 { "place holds" } else { "places hold" },
                if n == 1 { "it" } else { "them" },
            ))),
            Err(why) => Err(Stop::Back(format!(
                "whether other places hold the same value is not known: {why} (accept it with --ack-unknown when you plan and apply)"
            ))),
        }
    }
}

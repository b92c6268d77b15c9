//! From verdicts to a plan: which live values are rotated or revoked, how, and which are not, with the reason of each.
//!
//! Promises: only reads; every live value is an action or a refusal; the order is urgency, then name, so equal input gives equal
//! actions.

use std::collections::BTreeMap;

use super::{
    Declares, RotateError,
    begin::kept_back,
    canonical::time_text,
    grounds::{No, is_admin, managed, no, of_store, readable, strategy, sure, what},
    permit::Permits,
    place::{self, Place},
    plan::{Action, ActionKind, Plan, Reason, Refusal, Retire, Strategy, minutes_later},
    rotators::rotator,
    today::{is_ours, readers},
    value::ValuePolicy,
    world::{OpenTarget, World},
};
use crate::{
    config::stores::RotateLimits,
    model::{MatchKind, StorePlace, Verdict, hex, quotable},
    stores::{KeyInfo, KeyPath, SecretStore, VersionId},
};

/// One finding of a verified report.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The rule that found it.
    pub rule: String,
    /// The finding's fingerprint.
    pub fingerprint: String,
    /// What the stores say of it.
    pub verdict: Verdict,
}

/// What the user wants of a plan.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Who makes it, for people to read.
    pub planner: String,
    /// The user who makes it, as the system has it: nobody of this name can approve it.
    pub actor: String,
    /// Unix seconds.
    pub now: i64,
    /// Rotations without grace are accepted, also where the target's entry does not say so.
    pub accept_cutover: bool,
    /// Keys are rotated though nobody can tell all who read them, or other keys share the value.
    pub acknowledge_unknown: bool,
    /// The version with the leaked value stays in the store as it is.
    pub keep_old_version: bool,
    /// What new values are like.
    pub value: ValuePolicy,
}

/// Findings of one value in one place.
struct Group<'c> {
    verdict: &'c Verdict,
    rules: Vec<String>,
    findings: Vec<String>,
}

/// Makes a plan.
///
/// # Errors
/// [`RotateError::Unknown`] for globs in stores.toml that are none, [`RotateError::Random`]. Faults of stores are refusals.
pub fn plan(
    candidates: &[Candidate],
    limits: &RotateLimits,
    world: &World<'_>,
    wishes: &Wishes,
    random: &dyn Fn(&mut [u8]) -> Result<(), RotateError>,
) -> Result<Plan, RotateError> {
    let permits = Permits::new(limits)?;
    let mut actions: Vec<Action> = Vec::new();
    let mut refused = Vec::new();
    for group in groups(candidates) {
        let made = Planning {
            limits,
            permits: &permits,
            world,
            wishes,
        }
        .action(&group);
        let made = made.and_then(|action| fits(&actions, action, limits));
        match made {
            Ok(action) => actions.push(action),
            Err((reason, why, help)) => refused.push(Refusal {
                store: group.verdict.place.as_ref().map(|p| p.store.clone()),
                key: group.verdict.place.as_ref().map(|p| p.key.clone()),
                reason,
                why,
                help,
                findings: group.findings,
            }),
        }
    }
    refused.sort();
    let mut id = [0_u8; 16];
    random(&mut id)?;
    Ok(Plan {
        schema: Plan::SCHEMA,
        id: hex(&id),
        made: time_text(wishes.now),
        expires: minutes_later(wishes.now, limits.plan_minutes),
        planner: wishes.planner.clone(),
        actor: wishes.actor.clone(),
        actions,
        refused,
    })
}

/// Returns the live values, most urgent first, then by place.
fn groups(candidates: &[Candidate]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(Option<&StorePlace>, &str), Group<'_>> = BTreeMap::new();
    for candidate in candidates {
        if !candidate.verdict.is_live() {
            continue;
        }
        let place = candidate.verdict.place.as_ref();
        // Values without a place have nothing in common: each is told.
        let own = if place.is_some() {
            ""
        } else {
            candidate.fingerprint.as_str()
        };
        let group = groups.entry((place, own)).or_insert_with(|| Group {
            verdict: &candidate.verdict,
            rules: Vec::new(),
            findings: Vec::new(),
        });
        group.rules.push(candidate.rule.clone());
        group.findings.push(candidate.fingerprint.clone());
    }
    let mut groups: Vec<Group<'_>> = groups.into_values().collect();
    for group in &mut groups {
        group.rules.sort();
        group.rules.dedup();
        group.findings.sort();
        group.findings.dedup();
    }
    // Stable: equal urgency stays in the order of places.
    groups.sort_by_key(|group| std::cmp::Reverse(group.verdict.urgency));
    groups
}

/// Checks an action against those before it: one a key, and no more keys than the limit.
fn fits(before: &[Action], action: Action, limits: &RotateLimits) -> Result<Action, No> {
    let same = |other: &&Action| other.store == action.store && other.key == action.key;
    if before.iter().any(|other| same(&other)) {
        return no(
            Reason::TooManyKeys,
            "another value of the same key is rotated by this plan already",
            "apply this plan first, then verify and plan again",
        );
    }
    if before.len() >= usize::try_from(limits.max_keys).unwrap_or(usize::MAX) {
        return no(
            Reason::TooManyKeys,
            match before.len() {
                1 => "the plan has a key already".to_owned(),
                n => format!("the plan has {n} keys already"),
            },
            "apply this plan and make the next one, or raise `[rotate] max-keys` of stores.toml",
        );
    }
    Ok(action)
}

/// Counts the other places that hold the same value.
fn others(verdict: &Verdict, place: &StorePlace) -> u64 {
    let elsewhere = |other: &&StorePlace| other.store != place.store || other.key != place.key;
    verdict.also.iter().filter(elsewhere).count() as u64 + verdict.more
}

/// Refuses to end a value that the current version holds, too.
fn differs(
    kind: ActionKind,
    store: &dyn SecretStore,
    key: &KeyPath,
    [base, exposed]: [&VersionId; 2],
    place: &StorePlace,
    by: MatchKind,
) -> Result<(), No> {
    if kind != ActionKind::Revoke {
        return Ok(());
    }
    let place = Place::of(place.field.as_deref(), by);
    let secret = |version| {
        let fields = place::fields(store, key, version).map_err(of_store)?;
        // Exposed to be taken apart; only the part is kept.
        let field = fields.as_ref().and_then(|fields| fields.get(place.field));
        Ok(field.and_then(|field| place.secret(field.expose())))
    };
    match (secret(base)?, secret(exposed)?) {
        (Some(current), Some(old)) if current != old => Ok(()),
        (Some(_), Some(_)) => no(
            Reason::Store,
            "the current version holds the same value: ending it would lock readers out",
            "write another value into the key by hand, then verify and plan again",
        ),
        _ => no(
            Reason::Unreadable,
            "the values of the old and the current version cannot be compared",
            "look at the key in its store, then verify again",
        ),
    }
}

pub(super) struct Planning<'p> {
    pub(super) limits: &'p RotateLimits,
    pub(super) permits: &'p Permits,
    pub(super) world: &'p World<'p>,
    wishes: &'p Wishes,
}

impl Planning<'_> {
    fn action(&self, group: &Group<'_>) -> Result<Action, No> {
        let verdict = group.verdict;
        let place = managed(verdict)?;
        sure(verdict)?;
        self.permits.check(&place.store, &place.key)?;
        let Some(store) = self.world.store(&place.store) else {
            return no(
                Reason::Store,
                format!("stores.toml has no store {}", quotable(&place.store)),
                "verify with the same stores.toml as you plan with",
            );
        };
        self.shared(verdict, place)?;
        self.is_first(place)?;
        let key = KeyPath::new(place.key.clone());
        let info = store.describe(&key).map_err(of_store)?;
        let base = info.current().map(|version| version.id.clone());
        let Some(base) = base else {
            return no(
                Reason::Store,
                "the key has no current version",
                "look at the key in its store",
            );
        };
        let by = verdict.by.unwrap_or(MatchKind::Exact);
        let open = self.target(place, &info)?;
        let (kind, exposed) = what(verdict, place, &base, &info, open)?;
        readable(&info, &exposed)?;
        let strategy = strategy(kind, &info, open)?;
        differs(kind, store, &key, [&base, &exposed], place, by)?;
        let readers = readers(self.limits, store, &key, self.wishes.acknowledge_unknown)?;
        self.not_ours(store, &key, &[&base, &exposed], open)?;
        let (environment, needs_approval) = self.environment(&info, place);
        let mut action = Action {
            kind,
            store: place.store.clone(),
            key: place.key.clone(),
            field: place.field.clone(),
            by,
            needs_approval,
            environment,
            base: base.as_str().to_owned(),
            exposed: exposed.as_str().to_owned(),
            strategy,
            target: None,
            cutover: false,
            grace_minutes: self.limits.grace_minutes,
            value: self.wishes.value,
            retire: self.retire(store),
            declares: Declares::default(),
            readers,
            sinks: Vec::new(),
            acknowledged: self.wishes.acknowledge_unknown,
            shared: others(verdict, place),
            urgency: verdict.urgency,
            rules: group.rules.clone(),
            findings: group.findings.clone(),
        };
        self.declare(&mut action, store, open)?;
        Ok(action)
    }

    /// Refuses a key of which a rotation is under way.
    fn is_first(&self, place: &StorePlace) -> Result<(), No> {
        match kept_back(self.world, &place.store, &place.key) {
            Some(other) => no(Reason::UnderWay, other.why(), other.help()),
            None => Ok(()),
        }
    }

    /// Returns the environment of a key, and whether it is protected. What the store says today comes before what a report says that it said.
    fn environment(&self, info: &KeyInfo, place: &StorePlace) -> (Option<String>, bool) {
        let said = [info.environment.as_ref(), place.environment.as_ref()];
        let protected = &self.limits.protected;
        let is_protected = |said| self.world.is_in(protected, &place.store, &place.key, said);
        let environment = said.into_iter().flatten().next().cloned();
        (environment, said.into_iter().any(is_protected))
    }

    /// Returns the target of a place; refuses one whose key has targets for something else alone.
    fn target(&self, place: &StorePlace, info: &KeyInfo) -> Result<Option<&OpenTarget>, No> {
        let field = place.field.as_deref();
        let open = self.world.target(&place.store, &place.key, field);
        let mut targets = self.world.targets.iter();
        let is_of_key =
            targets.any(|other| other.entry.store == place.store && other.entry.key == place.key);
        // A store that rotates the key by itself needs none.
        if open.is_some() || !is_of_key || info.native_rotation {
            return Ok(open);
        }
        let (what, says) = match field {
            Some(field) => (
                format!("in `{}`", quotable(field)),
                format!("field = \"{}\"", quotable(field)),
            ),
            None => ("the whole key".to_owned(), "no `field`".to_owned()),
        };
        no(
            Reason::NoTarget,
            format!("the value is {what}, and the [[targets]] of the key name something else"),
            format!("if that is what the target opens, say so in its [[targets]]: {says}"),
        )
    }

    /// Writes down what the way can do, and refuses one without grace that nobody has accepted.
    fn declare(
        &self,
        action: &mut Action,
        store: &dyn SecretStore,
        open: Option<&OpenTarget>,
    ) -> Result<(), No> {
        let target = open.and_then(|open| open.target.as_deref());
        let Some(way) = rotator(action.strategy, action.kind, store, target) else {
            return no(
                Reason::NoTarget,
                "no target says what the value opens",
                "add [[targets]] for the key to stores.toml (docs/rotate.md)",
            );
        };
        action.declares = way.declares();
        action.target = target.map(|target| target.address());
        action.cutover = action.kind == ActionKind::Rotate && way.kills_on_issue();
        let accepted = open.is_some_and(|open| open.entry.accept_cutover);
        // What the planner alone accepts, a second person must.
        action.needs_approval |= action.cutover && !accepted;
        if action.cutover && !accepted && !self.wishes.accept_cutover {
            return no(
                Reason::NoGrace,
                "the old value would die before readers have the new one",
                "`accept-cutover = true` at the target in stores.toml, or --accept-cutover, accepts it",
            );
        }
        let names_user = open.is_some_and(|open| open.entry.user_field.is_some());
        if action.declares.makes_value && action.strategy == Strategy::Target && !names_user {
            return no(
                Reason::NoTarget,
                "the target makes a new id with each new value, and no field of the key is known to hold it",
                "set `user-field` of the target in stores.toml",
            );
        }
        self.sinks(action)
    }

    fn retire(&self, store: &dyn SecretStore) -> Retire {
        let can = store.capabilities();
        if self.wishes.keep_old_version {
            Retire::Keep
        } else if can.destroy {
            Retire::Destroy
        } else if can.disable {
            Retire::Disable
        } else {
            Retire::Keep
        }
    }

    fn shared(&self, verdict: &Verdict, place: &StorePlace) -> Result<(), No> {
        let others = others(verdict, place);
        if others == 0 || self.wishes.acknowledge_unknown {
            return Ok(());
        }
        no(
            Reason::Shared,
            if others == 1 {
                "1 other place holds the same value: what reads it would lose it".to_owned()
            } else {
                format!("{others} other places hold the same value: what reads them would lose it")
            },
            "give each its own value first, or accept it with --ack-unknown",
        )
    }

    /// Refuses what keysweep itself logs in with: after a rotation it could not go on.
    fn not_ours(
        &self,
        store: &dyn SecretStore,
        key: &KeyPath,
        versions: &[&VersionId],
        open: Option<&OpenTarget>,
    ) -> Result<(), No> {
        let ours = |why: &str| {
            no(
                Reason::OwnCredential,
                why,
                "rotate it by hand, with another credential at work",
            )
        };
        if open.is_some_and(is_admin) {
            return ours("keysweep itself works at the target as this user");
        }
        for version in versions {
            let fields = place::fields(store, key, version).map_err(of_store)?;
            if is_ours(self.world.own, &fields.unwrap_or_default()) {
                return ours("keysweep itself uses it to reach a store or target");
            }
        }
        Ok(())
    }
}

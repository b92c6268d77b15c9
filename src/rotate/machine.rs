//! The state machine of one rotation (docs/rotate.md has the picture): which step follows which, how an effect is done at most once, and
//! what becomes of failures. The steps themselves are in `steps`, the way back in `back`.
//!
//! Promises: an intent is on the disk before its effect and a result after it; after a crash an open intent is looked into before
//! anything is repeated; every way ends in `Done`, `RolledBack` or `NeedsHuman`, or says when to come back; no clock, randomness or
//! environment but what the caller passes.

use super::{
    Actor, RotateError,
    audit::{Audit, AuditEvent},
    canonical::time_text,
    faults::{Faults, Point},
    journal::{Did, Event, Intent, Journal, Step},
    plan::ActionKind,
    rotators::Rotator,
    seal::{Held, Sealer},
    state::{Effect, Outcome, State},
    tombstone::Tombstones,
    world::{OpenSink, OpenTarget, SharedBy},
};
use crate::{
    config::stores::{RotateLimits, TargetEntry},
    model::{ProviderState, Secret},
    stores::{Fault, KeyPath, SecretStore, StoreError, VersionId},
};

/// What a rotation needs from its surroundings.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// Unix seconds.
    pub now: &'c dyn Fn() -> i64,
    /// Fills with random bytes.
    pub random: &'c dyn Fn(&mut [u8]) -> Result<(), RotateError>,
    /// Stops of tests; [`super::NoFaults`] outside of them.
    pub faults: &'c dyn Faults,
    /// For values in journals.
    pub sealer: &'c Sealer,
    /// The audit log.
    pub audit: &'c Audit,
    /// For dead credentials.
    pub tombstones: &'c Tombstones,
    /// Who acts.
    pub actor: &'c Actor,
    /// `[rotate]` of stores.toml.
    pub limits: &'c RotateLimits,
    /// Whoever begins a rotation accepts readers that nobody can tell, and other places with the same value. What a plan says of it
    /// counts only together with this, or with an approval.
    pub acknowledged: bool,
}

impl Context<'_> {
    /// Passes a point at which a test may stop.
    pub(super) fn point(&self, point: Point) -> Result<(), RotateError> {
        self.faults.at(point).map_err(|_| RotateError::Crash {
            point: point.to_string(),
        })
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context(..)")
    }
}

/// Why a step did not end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Come back at this time.
    Grace(i64),
    /// Come back.
    Later(String),
    /// Take everything back.
    Back(String),
    /// The new value breaks a rule: another one may pass.
    Rejected(String),
    /// Ask a person.
    Human(String),
    /// Nothing can be written, or a test stops here.
    Error(RotateError),
}

impl From<RotateError> for Stop {
    fn from(error: RotateError) -> Self {
        Self::Error(error)
    }
}

/// What became of an effect whose answer is not known.
#[derive(Debug)]
pub(super) enum Landed {
    /// It was done.
    Yes(Box<Did>),
    /// It was not; or doing it again does no harm.
    No,
    /// It may still be under way.
    Wait(String),
}

/// Whether after this fault the effect may have been done, or may work later as it is: everything but a plain no.
const fn is_open(fault: &Fault) -> bool {
    match fault {
        Fault::Unauthenticated
        | Fault::Retryable { .. }
        | Fault::Unavailable
        | Fault::Unknown
        | Fault::Protocol
        | Fault::Setup => true,
        Fault::Denied
        | Fault::NotFound
        | Fault::Conflict
        | Fault::Rejected
        | Fault::Unsupported => false,
    }
}

/// One rotation under way.
pub(super) struct Machine<'m> {
    pub(super) context: Context<'m>,
    pub(super) journal: Journal,
    pub(super) store: &'m dyn SecretStore,
    pub(super) rotator: Box<dyn Rotator + 'm>,
    pub(super) target: Option<&'m TargetEntry>,
    /// The target as it was opened.
    pub(super) open: Option<&'m OpenTarget>,
    /// What keysweep itself logs in with.
    pub(super) own: &'m [Secret],
    /// The sinks of the plan, in its order.
    pub(super) sinks: Vec<&'m OpenSink>,
    /// Looks for other places with the same value.
    pub(super) shared: Option<&'m SharedBy>,
    pub(super) held: Held,
    pub(super) key: KeyPath,
}

impl Machine<'_> {
    /// Goes on until the end, or until it must wait.
    pub(super) fn run(&mut self) -> Result<Outcome, RotateError> {
        if self.ended().is_none() {
            self.unseal()?;
        }
        loop {
            if let Some(outcome) = self.ended() {
                let context = self.context;
                self.journal.forget(&|point| context.point(point))?;
                return Ok(outcome);
            }
            let step = if self.journal.progress.back.is_some() {
                self.back()
            } else {
                self.forward()
            };
            match step {
                Ok(()) => {}
                Err(Stop::Grace(until)) => return Ok(Outcome::InGrace { until }),
                Err(Stop::Later(why)) => return Ok(Outcome::Later { why }),
                Err(Stop::Back(why) | Stop::Rejected(why)) => self.turn_back(why)?,
                Err(Stop::Human(why)) => self.ask(why)?,
                Err(Stop::Error(error)) => return Err(error),
            }
        }
    }

    /// Opens what the journal holds sealed.
    pub(super) fn unseal(&mut self) -> Result<(), RotateError> {
        if let Some(sealed) = self.journal.progress.sealed.clone() {
            self.held = Held::open(self.context.sealer, &sealed)?;
        }
        Ok(())
    }

    /// Finds out whether a rotation may go on by itself: it is not old, and nobody else has written to its key.
    pub(super) fn may_go_on(&self) -> Result<(), Stop> {
        let progress = &self.journal.progress;
        let since = progress.last.max(progress.until.unwrap_or(i64::MIN));
        let hours = i64::from(self.context.limits.stale_hours);
        if (self.context.now)() > since.saturating_add(hours * 3600) {
            return Err(Stop::Human(format!(
                "it stands still since {}, longer than `stale-hours` of stores.toml",
                time_text(since)
            )));
        }
        let is_native = self.rotator.is_native() && progress.may_have(Effect::Issue);
        if progress.back.is_some() || (is_native && progress.state < State::Staged) {
            return Ok(());
        }
        if progress.may_have(Effect::Stage) && progress.version.is_none() {
            // Whether the write came through is what the step looks into first.
            return Ok(());
        }
        let current = self.current()?;
        let staged = progress.version.as_deref();
        let is_rotate = self.journal.begin.action.kind == ActionKind::Rotate;
        let fits = if progress.state >= State::Promoted && is_rotate && staged.is_some() {
            Some(current.as_str()) == staged
        } else {
            current == self.base() || Some(current.as_str()) == staged
        };
        if fits {
            Ok(())
        } else {
            Err(Stop::Human(format!(
                "somebody else has changed {}: version {current} is current",
                self.key
            )))
        }
    }

    /// Returns what it came to, if it is over.
    pub(super) fn ended(&self) -> Option<Outcome> {
        self.journal.progress.outcome()
    }

    fn turn_back(&mut self, why: String) -> Result<(), RotateError> {
        let progress = &self.journal.progress;
        if progress.state >= State::OldDisabled || progress.may_have(Effect::Disable) {
            return self.ask(why);
        }
        let now = (self.context.now)();
        self.journal.write(now, &Event::Back { why })
    }

    /// Stops for a person.
    pub(super) fn ask(&mut self, why: String) -> Result<(), RotateError> {
        match self.enter(Step {
            note: Some(why),
            ..step(State::NeedsHuman)
        }) {
            Err(Stop::Error(error)) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn point(&self, point: Point) -> Result<(), Stop> {
        self.context.point(point).map_err(Stop::Error)
    }

    /// Writes that a step is over.
    pub(super) fn enter(&mut self, step: Step) -> Result<(), Stop> {
        let state = step.state;
        self.point(Point::BeforeState(state))?;
        if matches!(
            state,
            State::Approved
                | State::OldRefused
                | State::Done
                | State::RolledBack
                | State::NeedsHuman
                | State::Abandoned
        ) {
            let result = step.note.clone().unwrap_or_else(|| "done".to_owned());
            self.audit(state.as_str(), result)?;
        }
        let now = (self.context.now)();
        self.journal.write(now, &Event::State(step))?;
        self.point(Point::AfterState(state))
    }

    /// Does an effect, once: what it is after a crash is found out by `probe`.
    pub(super) fn effect(
        &mut self,
        effect: Effect,
        probe: &dyn Fn(&Self) -> Result<Landed, Stop>,
        act: &dyn Fn(&Self, &str) -> Result<Did, StoreError>,
    ) -> Result<(), Stop> {
        if self.journal.progress.did.contains(&effect) {
            return Ok(());
        }
        let token = if let Some(intent) = self.journal.progress.open.get(&effect).cloned() {
            match probe(self)? {
                Landed::Yes(did) => return self.did(*did, true),
                Landed::Wait(why) => return Err(Stop::Later(why)),
                Landed::No => intent.token,
            }
        } else {
            self.mean(effect)?
        };
        let result = act(self, &token);
        self.point(Point::AfterEffect(effect))?;
        match result {
            Ok(did) => self.did(did, false),
            // Nobody knows what was done: look, and leave the rest to another day.
            Err(error) if is_open(&error.fault) => match probe(self)? {
                Landed::Yes(did) => self.did(*did, true),
                Landed::No | Landed::Wait(_) => Err(Stop::Later(told(&error))),
            },
            Err(error) => {
                let why = told(&error);
                self.audit(&self.named(effect), why.clone())?;
                let failed = Event::Failed {
                    effect,
                    why: why.clone(),
                };
                self.journal.write((self.context.now)(), &failed)?;
                Err(match error.fault {
                    Fault::Rejected => Stop::Rejected(why),
                    _ => Stop::Back(why),
                })
            }
        }
    }

    /// Writes an intent; returns the request's name.
    fn mean(&mut self, effect: Effect) -> Result<String, Stop> {
        self.point(Point::BeforeIntent(effect))?;
        let attempts = self.journal.progress.attempts.get(&effect);
        let attempt = attempts.map_or(1, |n| n + 1);
        let token = self.journal.token(effect, attempt);
        let now = (self.context.now)();
        self.journal.write(
            now,
            &Event::Intent(Intent {
                effect,
                attempt,
                token: token.clone(),
            }),
        )?;
        self.point(Point::AfterIntent(effect))?;
        Ok(token)
    }

    fn did(&mut self, mut did: Did, confirmed: bool) -> Result<(), Stop> {
        did.confirmed = confirmed;
        let result = if confirmed { "confirmed" } else { "done" };
        self.audit(&self.named(did.effect), result.to_owned())?;
        let now = (self.context.now)();
        self.journal.write(now, &Event::Did(did))?;
        Ok(())
    }

    fn audit(&self, action: &str, result: String) -> Result<(), RotateError> {
        let begin = &self.journal.begin;
        let event = AuditEvent {
            actor: self.context.actor.name.clone(),
            source: self.context.actor.source.clone(),
            action: action.to_owned(),
            rotation: begin.id.clone(),
            store: begin.action.store.clone(),
            key: begin.action.key.clone(),
            from: Some(begin.action.base.clone()),
            to: self.journal.progress.version.clone(),
            plan: begin.plan.clone(),
            result,
        };
        self.context.audit.append((self.context.now)(), &event)?;
        Ok(())
    }

    /// Turns the fault of a read into a stop: what is away may come back, what is gone needs a person.
    pub(super) fn read<T>(&self, result: Result<T, StoreError>) -> Result<T, Stop> {
        result.map_err(|error| {
            if error.fault == Fault::NotFound {
                Stop::Human(told(&error))
            } else {
                Stop::Later(told(&error))
            }
        })
    }

    /// Returns the store's current version.
    pub(super) fn current(&self) -> Result<VersionId, Stop> {
        let info = self.read(self.store.describe(&self.key))?;
        let current = info.current().map(|version| version.id.clone());
        current.ok_or_else(|| Stop::Human(format!("{} has no current version", self.key)))
    }

    /// Tries a credential; `None` if nothing can be asked.
    pub(super) fn probe(&self, which: Which) -> Result<Option<ProviderState>, Stop> {
        let credential = match which {
            Which::Old => &self.held.old,
            Which::New => &self.held.new,
        };
        let Some(credential) = credential else {
            return Ok(None);
        };
        let state = self.rotator.probe(credential);
        state.map(|state| self.read(state)).transpose()
    }

    pub(super) fn base(&self) -> VersionId {
        VersionId::new(self.journal.begin.action.base.clone())
    }
}

/// One of the two credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Old,
    New,
}

/// Returns the record of a step without more to say.
pub(super) const fn step(state: State) -> Step {
    Step {
        state,
        note: None,
        sealed: None,
        until: None,
    }
}

/// Returns an error and its help in one line, for journals and people.
pub(super) fn told(error: &StoreError) -> String {
    format!("{error} ({})", error.help)
}

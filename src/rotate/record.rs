//! The records of a journal, and how far a rotation is by them.
//!
//! Promises: a newer program reads what an older one wrote; folding records asks nothing outside.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Actor,
    plan::Action,
    state::{Effect, Outcome, State},
};

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload", rename_all = "kebab-case")]
pub(super) enum Event {
    /// What the rotation is about; always the first.
    Begin(Box<Begin>),
    /// A step is over.
    State(Step),
    /// An effect is meant.
    Intent(Intent),
    /// An effect is done.
    Did(Did),
    /// An effect was refused, and nothing was done.
    Failed { effect: Effect, why: String },
    /// From here on everything is taken back.
    Back { why: String },
    /// A person has looked at it and lets it go on.
    Continue { actor: Actor },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) schema: u32,
    pub(super) id: String,
    /// The plan's digest.
    pub(super) plan: String,
    /// When the plan expires, Unix seconds.
    pub(super) expires: i64,
    pub(super) actor: Actor,
    /// Who approved.
    pub(super) approvers: Vec<String>,
    pub(super) action: Action,
    /// Whoever began it accepts readers that nobody can tell, and other places with the same value.
    #[serde(default)]
    pub(super) acknowledged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
    /// End of grace, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) effect: Effect,
    pub(super) attempt: u32,
    /// The name of the request, the same when it is repeated.
    pub(super) token: String,
}

/// What the journal notes of a target that cannot end sessions.
pub(super) const SESSIONS_STAY: &str =
    "sessions cannot be ended here: they last until they end by themselves";

/// What an effect came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Did {
    pub(super) effect: Effect,
    /// Whether it was found done after a crash or a lost answer.
    #[serde(default)]
    pub(super) confirmed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

impl Did {
    pub(super) const fn new(effect: Effect) -> Self {
        Self {
            effect,
            confirmed: false,
            version: None,
            mark: None,
            sealed: None,
            note: None,
        }
    }
}

/// How far a rotation is: its records, folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) state: State,
    pub(super) note: Option<String>,
    /// Effects that were meant and of which nothing is known since.
    pub(super) open: BTreeMap<Effect, Intent>,
    /// Intents of each effect so far.
    pub(super) attempts: BTreeMap<Effect, u32>,
    /// When the last intent of an effect was written.
    pub(super) meant_at: BTreeMap<Effect, i64>,
    pub(super) did: BTreeSet<Effect>,
    /// The version that was staged.
    pub(super) version: Option<String>,
    /// The mark of a store's own rotation.
    pub(super) mark: Option<String>,
    pub(super) sealed: Option<String>,
    pub(super) until: Option<i64>,
    /// How many values were generated.
    pub(super) generated: u32,
    /// The target has said that it cannot end sessions.
    pub(super) sessions_stay: bool,
    /// Why everything is taken back.
    pub(super) back: Option<String>,
    /// When the last record was written, Unix seconds.
    pub(super) last: i64,
}

impl Progress {
    pub(super) fn take(&mut self, time: i64, event: &Event) {
        self.last = time;
        match event {
            Event::Begin(_) => self.state = State::Planned,
            Event::State(step) => {
                // After a person let it go on, the state before counts, not the stop.
                self.state = step.state;
                self.note.clone_from(&step.note);
                self.generated += u32::from(step.state == State::Generated);
                if step.sealed.is_some() {
                    self.sealed.clone_from(&step.sealed);
                }
                self.until = step.until.or(self.until);
            }
            Event::Intent(intent) => {
                self.attempts.insert(intent.effect, intent.attempt);
                self.meant_at.insert(intent.effect, time);
                self.open.insert(intent.effect, intent.clone());
            }
            Event::Did(did) => {
                self.open.remove(&did.effect);
                self.did.insert(did.effect);
                self.sessions_stay |=
                    did.effect == Effect::EndSessions && did.note.as_deref() == Some(SESSIONS_STAY);
                for (mine, new) in [
                    (&mut self.version, &did.version),
                    (&mut self.mark, &did.mark),
                    (&mut self.sealed, &did.sealed),
                ] {
                    if new.is_some() {
                        mine.clone_from(new);
                    }
                }
            }
            Event::Failed { effect, .. } => drop(self.open.remove(effect)),
            Event::Back { why } => self.back = Some(why.clone()),
            Event::Continue { .. } => {}
        }
    }

    /// Returns what it came to, if it is over or needs a person.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let why = self.note.clone().unwrap_or_default();
        match self.state {
            State::Done => Some(Outcome::Done),
            State::RolledBack => Some(Outcome::RolledBack { why }),
            State::NeedsHuman => Some(Outcome::NeedsHuman { why }),
            State::Abandoned => Some(Outcome::Abandoned { why }),
            _ => None,
        }
    }

    /// Tells whether an effect was ever begun, whatever came of it, unless it is known that nothing did.
    pub(super) fn may_have(&self, effect: Effect) -> bool {
        self.did.contains(&effect) || self.open.contains_key(&effect)
    }
}

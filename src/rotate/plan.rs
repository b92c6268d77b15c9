//! The plan: what a rotation will do, as a file that people read and approve.
//!
//! Promises: one plan has one text and one digest; it holds no value and no hash of one; reading it is strict: what is not known
//! here, was changed or has expired is refused, each with its own error. How plans are made is `planning`'s.

use serde::{Deserialize, Serialize};

use super::{
    PlanError, RotateError,
    canonical::{canonical, sha256, time_of, time_text},
    place::Place,
    value::ValuePolicy,
};
use crate::model::{MatchKind, Urgency, quotable, without_values};

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Always [`Plan::SCHEMA`].
    pub schema: u32,
    /// 32 random hex digits, so that no two plans have one digest.
    pub id: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// Until when it may be applied, RFC 3339.
    pub expires: String,
    /// Who made it, in the words of whoever did.
    pub planner: String,
    /// The user who made it, as the system had it.
    #[serde(default)]
    pub actor: String,
    /// What will be done, in this order.
    pub actions: Vec<Action>,
    /// What will not, and why.
    pub refused: Vec<Refusal>,
}

/// What is done to one value of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// A new credential, or only the end of an old one.
    pub kind: ActionKind,
    /// The store's name.
    pub store: String,
    /// The key's path.
    pub key: String,
    /// The field, as `password` or `config#/db/password`; `None` if the secret is one whole value.
    pub field: Option<String>,
    /// How the leaked value was recognised there.
    pub by: MatchKind,
    /// The key's environment.
    pub environment: Option<String>,
    /// The version that was current when the plan was made; if another one is, nothing is done.
    pub base: String,
    /// The version that holds the leaked value.
    pub exposed: String,
    /// How the new value comes into being.
    pub strategy: Strategy,
    /// The target's kind and address, without credentials.
    pub target: Option<String>,
    /// Whether the old value dies before readers have the new one.
    pub cutover: bool,
    /// Minutes that both are valid.
    pub grace_minutes: u32,
    /// Whether a second person must approve.
    pub needs_approval: bool,
    /// What a generated value is like.
    pub value: ValuePolicy,
    /// What becomes of the version that holds the leaked value.
    pub retire: Retire,
    /// What the target declares, for whoever approves.
    pub declares: Declares,
    /// Known readers of the key.
    pub readers: Option<u64>,
    /// The copies elsewhere that get the new value, in this order: `github:acme/app/actions/DB_PASSWORD`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<String>,
    /// The planner has accepted readers that nobody can tell, and other places with the same value.
    #[serde(default)]
    pub acknowledged: bool,
    /// Other places that hold the same value.
    #[serde(default)]
    pub shared: u64,
    /// How soon somebody must act.
    pub urgency: Urgency,
    /// Rules that found it.
    pub rules: Vec<String>,
    /// Fingerprints of the findings.
    pub findings: Vec<String>,
}

/// Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// A new credential takes the leaked one's place.
    Rotate,
    /// The leaked one is not current any more and still accepted: it is ended, the current one stays.
    Revoke,
}

/// Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The store rotates by itself.
    StoreNative,
    /// A new random value is put into the store; nothing else knows the old one.
    GenerateAndPut,
    /// A target gets the new credential first.
    Target,
}

/// Matched without `_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retire {
    /// It stays.
    #[default]
    Keep,
    /// It is switched off.
    Disable,
    /// It is destroyed for good.
    Destroy,
}

/// What the way of an action can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declares {
    /// The old credential can be switched on again after it was switched off.
    pub reversible: bool,
    /// Sessions of the old one are ended.
    pub ends_sessions: bool,
    /// It can be proven that the old one is refused.
    pub proves_death: bool,
    /// The target makes the new value.
    pub makes_value: bool,
}

/// A live value about which nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The store's name, if it is in one.
    pub store: Option<String>,
    /// The key's path, if it has one.
    pub key: Option<String>,
    /// The sort of reason.
    pub reason: Reason,
    /// What stands in the way.
    pub why: String,
    /// What to change.
    pub help: String,
    /// Fingerprints of the findings.
    pub findings: Vec<String>,
}

/// Why nothing is done. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is in no store, or its place is not known.
    Unmanaged,
    /// It was not recognised surely enough.
    Unsure,
    /// `allow` does not name it.
    NotAllowed,
    /// `deny` names it.
    Denied,
    /// The plan has as many keys as `max-keys` lets it.
    TooManyKeys,
    /// More readers than `max-readers`.
    TooManyReaders,
    /// Nobody can tell who reads it.
    UnknownReaders,
    /// A copy elsewhere may not be changed, or cannot.
    Sink,
    /// Other keys have the same value.
    Shared,
    /// A rotation of the key has begun and not ended.
    UnderWay,
    /// No target says what it opens.
    NoTarget,
    /// There would be no grace, and that was not accepted.
    NoGrace,
    /// keysweep itself uses it.
    OwnCredential,
    /// The store cannot do it, or would not say.
    Store,
    /// The version cannot be read, so its value is not known.
    Unreadable,
}

/// The file: the plan and the digest of its canonical text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    digest: String,
    plan: Plan,
}

impl Plan {
    /// The version of the file's form.
    pub const SCHEMA: u32 = 1;

    /// Returns the SHA-256 of the plan's canonical text: what approvals sign.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(canonical(self).unwrap_or_default().as_bytes())
    }

    /// Returns the text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let file = PlanFile {
            digest: self.digest(),
            plan: self.clone(),
        };
        let mut text = canonical(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a file that may be applied at `now` (Unix seconds).
    ///
    /// # Errors
    /// [`PlanError`], as [`RotateError::Plan`].
    pub fn read(text: &[u8], now: i64) -> Result<Self, RotateError> {
        let plan = Self::read_unchecked(text)?;
        if expiry(&plan)? < now {
            return Err(PlanError::Expired {
                at: quotable(&plan.expires),
            }
            .into());
        }
        Ok(plan)
    }

    /// Reads a file whatever its age, for `approve` and to look at.
    ///
    /// # Errors
    /// [`PlanError`] but for its age.
    pub fn read_unchecked(text: &[u8]) -> Result<Self, RotateError> {
        let shape = |error: &serde_json::Error| PlanError::Shape {
            what: quotable(&without_values(&error.to_string())),
        };
        let loose: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| shape(&error))?;
        let schema = loose.pointer("/plan/schema").and_then(|s| s.as_u64());
        match schema {
            Some(schema) if schema == u64::from(Self::SCHEMA) => {}
            Some(schema) => {
                return Err(PlanError::Schema {
                    schema,
                    known: Self::SCHEMA,
                }
                .into());
            }
            None => {
                return Err(PlanError::Shape {
                    what: "it has no schema number".to_owned(),
                }
                .into());
            }
        }
        // From the text, not the loose value: JSON lets a key stand twice, and the strict reader does not.
        let file: PlanFile = serde_json::from_slice(text).map_err(|error| {
            let what = error.to_string();
            if what.starts_with("unknown field") {
                PlanError::UnknownField {
                    what: quotable(&without_values(&what)),
                }
            } else {
                shape(&error)
            }
        })?;
        if file.plan.digest() != file.digest {
            return Err(PlanError::Digest.into());
        }
        expiry(&file.plan)?;
        if !file.plan.actions.iter().all(|a| a.value.is_allowed()) {
            return Err(PlanError::Shape {
                what: "a generated value would have fewer than 128 bits".to_owned(),
            }
            .into());
        }
        Ok(file.plan)
    }

    /// Tells whether a second person must approve.
    #[must_use]
    pub fn needs_approval(&self) -> bool {
        self.actions.iter().any(|action| action.needs_approval)
    }

    /// Returns what applying would do, a line a step, without doing it.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (n, action) in self.actions.iter().enumerate() {
            lines.push(format!("{}. {}", n + 1, action.title()));
            lines.extend(
                action
                    .steps()
                    .into_iter()
                    .map(|step| format!("   - {step}")),
            );
        }
        for refusal in &self.refused {
            let key = refusal.key.as_deref().map(quotable);
            lines.push(format!(
                "not touched: {}: {} ({})",
                key.as_deref().unwrap_or("a value in no store"),
                quotable(&refusal.why),
                quotable(&refusal.help)
            ));
        }
        lines
    }
}

/// Returns when a plan expires, Unix seconds.
pub(super) fn expiry(plan: &Plan) -> Result<i64, PlanError> {
    time_of(&plan.expires).ok_or_else(|| PlanError::Shape {
        what: "its expiry is no time".to_owned(),
    })
}

/// Returns the text of a time so many minutes later.
pub(super) fn minutes_later(now: i64, minutes: u32) -> String {
    time_text(now.saturating_add(i64::from(minutes) * 60))
}

impl Action {
    /// Returns where in a version the secret stands.
    pub(super) fn place(&self) -> Place<'_> {
        Place::of(self.field.as_deref(), self.by)
    }

    /// Returns what is done to what, for people.
    #[must_use]
    pub fn title(&self) -> String {
        let verb = match self.kind {
            ActionKind::Rotate => "rotate",
            ActionKind::Revoke => "revoke the old value of",
        };
        let field = self.field.as_deref().map(|field| format!(" ({field})"));
        format!(
            "{verb} {}:{}{}",
            self.store,
            self.key,
            field.unwrap_or_default()
        )
    }

    /// Returns the steps, for people.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        let target = self.target.as_deref().unwrap_or("nothing else");
        let mut steps = vec![format!(
            "check that version {} is still current, and everything else that can fail",
            self.base
        )];
        if self.acknowledged {
            let places = match self.shared {
                1 => "1 other place".to_owned(),
                n => format!("{n} other places"),
            };
            steps.push(format!(
                "ACCEPTED UNSEEN: readers that nobody can tell; {places} with the same value"
            ));
        }
        if self.kind == ActionKind::Rotate {
            steps.push(match self.strategy {
                Strategy::StoreNative => "let the store rotate the key by itself".to_owned(),
                Strategy::GenerateAndPut => format!(
                    "write a new value of {} bits into the store",
                    self.value.bits()
                ),
                Strategy::Target => format!("give {target} a new credential, then the store"),
            });
            let tell = |sink: &String| format!("then give it to {sink}");
            steps.extend(self.sinks.iter().map(tell));
            steps.push(if self.cutover {
                "NO GRACE: the old value dies before readers have the new one".to_owned()
            } else {
                match self.grace_minutes {
                    0 => "end the old value at once: `grace-minutes` is 0".to_owned(),
                    1 => "wait 1 minute; both are valid".to_owned(),
                    n => format!("wait {n} minutes; both are valid"),
                }
            });
        }
        if self.strategy == Strategy::Target && !self.cutover {
            steps.push(format!("switch the old credential off at {target}"));
        }
        if self.declares.ends_sessions {
            steps.push("end the sessions that it opened".to_owned());
        } else if self.target.is_some() {
            steps.push(
                "NOT ENDED: sessions that it opened go on until they end by themselves".to_owned(),
            );
        }
        steps.push(if self.declares.proves_death {
            "try the old credential twice: it must be refused".to_owned()
        } else {
            "NO PROOF that the old value is dead: nothing can be asked".to_owned()
        });
        match self.retire {
            Retire::Keep => {}
            Retire::Disable => steps.push(format!("switch version {} off", self.exposed)),
            Retire::Destroy => steps.push(format!("destroy version {}", self.exposed)),
        }
        steps
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::rotate) fn action() -> Action {
        Action {
            kind: ActionKind::Rotate,
            store: "fake".into(),
            key: "apps/db".into(),
            field: Some("password".into()),
            by: MatchKind::Exact,
            environment: None,
            base: "1".into(),
            exposed: "1".into(),
            strategy: Strategy::Target,
            target: Some("fake target".into()),
            cutover: false,
            grace_minutes: 15,
            needs_approval: false,
            value: ValuePolicy::default(),
            retire: Retire::Keep,
            declares: Declares::default(),
            readers: Some(2),
            sinks: Vec::new(),
            acknowledged: false,
            shared: 0,
            urgency: Urgency::Now,
            rules: vec!["generic".into()],
            findings: vec!["k1:00000000000000000000000000000000".into()],
        }
    }

    pub(in crate::rotate) fn plan(now: i64) -> Plan {
        Plan {
            schema: Plan::SCHEMA,
            id: "00".repeat(16),
            made: time_text(now),
            expires: minutes_later(now, 60),
            planner: "bob".into(),
            actor: "robert".into(),
            actions: vec![action()],
            refused: Vec::new(),
        }
    }

    fn error(text: &str, now: i64) -> PlanError {
        match Plan::read(text.as_bytes(), now) {
            Err(RotateError::Plan(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plan_comes_back_as_it_was() {
        let plan = plan(1000);
        assert_eq!(Plan::read(plan.to_text().as_bytes(), 1000).unwrap(), plan);
        assert_eq!(
            Plan::read(plan.to_text().as_bytes(), 1000 + 3600).unwrap(),
            plan
        );
    }

    #[test]
    fn what_was_changed_expired_or_is_not_known_is_refused() {
        let text = plan(1000).to_text();
        assert!(matches!(
            error(&text, 1000 + 3601),
            PlanError::Expired { .. }
        ));
        let changed = text.replace("apps/db", "apps/dc");
        assert!(matches!(error(&changed, 1000), PlanError::Digest));
        let more = text.replace("\"planner\"", "\"hook\":\"x\",\"planner\"");
        assert!(matches!(error(&more, 1000), PlanError::UnknownField { .. }));
        let newer = text.replace("\"schema\":1", "\"schema\":2");
        assert!(matches!(
            error(&newer, 1000),
            PlanError::Schema { schema: 2, .. }
        ));
        assert!(matches!(error("{}", 1000), PlanError::Shape { .. }));
        assert!(matches!(error("made-up", 1000), PlanError::Shape { .. }));
        let twice = text.replace(
            "\"planner\":\"bob\"",
            "\"planner\":\"bob\",\"planner\":\"al\"",
        );
        assert!(matches!(error(&twice, 1000), PlanError::Shape { .. }));
    }

    #[test]
    fn every_change_of_one_byte_is_refused() {
        let text = plan(1000).to_text();
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            assert!(Plan::read(&bytes, 1000).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_weak_value_policy_is_refused_though_its_digest_fits() {
        let mut plan = plan(1000);
        plan.actions[0].value.length = 8;
        assert!(matches!(
            error(&plan.to_text(), 1000),
            PlanError::Shape { .. }
        ));
    }

    #[test]
    fn the_steps_say_what_has_no_grace_and_no_proof() {
        let mut plan = plan(1000);
        let told = plan.steps().join("\n");
        assert!(told.contains("wait 15 minutes"), "{told}");
        assert!(told.contains("NO PROOF"), "{told}");
        plan.actions[0].cutover = true;
        assert!(plan.steps().join("\n").contains("NO GRACE"));
    }
}

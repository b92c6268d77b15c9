//! Targets that a program of the user's reaches; docs/stores-command.md is the protocol.
//!
//! Promises: those of `stores::program`; "refused" and "accepted" are said only if the program says so.

use std::sync::OnceLock;

use super::{Credential, Target, TargetTraits};
use crate::{
    config::stores::CommandSettings,
    model::{ProviderState, Secret},
    stores::{
        Fault, StoreError, Surroundings,
        http::Effect,
        json::Json,
        program::{Part, Program, value},
    },
};

/// A target behind a program.
pub(super) struct CommandTarget {
    program: Program,
    traits: OnceLock<TargetTraits>,
}

impl CommandTarget {
    /// Takes the settings; runs nothing.
    pub(super) fn open(
        name: &str,
        settings: &CommandSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            program: Program::new(name, settings, surroundings)?,
            traits: OnceLock::new(),
        })
    }

    fn ask<T>(
        &self,
        op: &str,
        effect: Effect,
        parts: &mut [(&str, Part<'_>)],
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        self.program.ask(("target", op), effect, parts, take)
    }

    fn change<T>(
        &self,
        op: &str,
        old: &Credential,
        new: &Credential,
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        let mut parts = [("old", login(old)), ("new", login(new))];
        self.ask(op, Effect::Write, &mut parts, take)
    }
}

/// Returns a credential as the program gets it, over its standard input.
fn login(credential: &Credential) -> Part<'_> {
    Part::Login(credential.user.as_deref(), credential.secret.expose())
}

/// Accepts any object: it was done.
fn done(ok: Json<'_>) -> Option<()> {
    ok.text().starts_with('{').then_some(())
}

/// Returns the credential of an answer; `None` inside for an object without one.
fn credential(ok: Json<'_>) -> Option<Option<Credential>> {
    done(ok)?;
    if ok.member("value").is_none() {
        return Some(None);
    }
    let user = ok.member("user").filter(|user| !user.is_null());
    let user = match user {
        Some(user) => Some(user.name()?),
        None => None,
    };
    Some(Some(Credential {
        user,
        secret: Secret::new(&value(ok)?),
    }))
}

fn traits(ok: Json<'_>) -> Option<TargetTraits> {
    let flag = |name: &str| ok.member(name).map_or(Some(false), Json::boolean);
    Some(TargetTraits {
        grace: flag("grace")?,
        reversible: flag("reversible")?,
        ends_sessions: flag("ends_sessions")?,
        proves_death: flag("proves_death")?,
        makes_value: flag("makes_value")?,
    })
}

impl Target for CommandTarget {
    fn address(&self) -> String {
        self.program.shown()
    }

    fn traits(&self) -> TargetTraits {
        *self.traits.get_or_init(|| {
            let asked = self.ask("traits", Effect::Read, &mut [], traits);
            // One that does not say can nothing; `check` tells what is wrong with it.
            asked.unwrap_or_default()
        })
    }

    fn check(&self, old: &Credential) -> Result<(), StoreError> {
        self.ask("traits", Effect::Read, &mut [], traits)?;
        self.ask("check", Effect::Read, &mut [("old", login(old))], done)
    }

    fn probe(&self, tried: &Credential) -> Result<ProviderState, StoreError> {
        let mut parts = [("credential", login(tried))];
        let asked = self.ask("probe", Effect::Read, &mut parts, |ok| {
            match &*ok.member("state")?.string()? {
                "accepted" => Some(ProviderState::Accepted),
                "refused" => Some(ProviderState::Refused),
                "unknown" => Some(ProviderState::Unknown {
                    why: "the program cannot tell".to_owned(),
                }),
                _ => None,
            }
        });
        match asked {
            Err(error) if error.fault != Fault::Setup => {
                Ok(ProviderState::Unknown { why: error.what })
            }
            asked => asked,
        }
    }

    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError> {
        if self.traits().makes_value {
            return Ok(None);
        }
        let own = Credential {
            user: old.user.clone(),
            secret: generated.clone(),
        };
        let mut parts = [("old", login(old)), ("generated", login(&own))];
        let asked = self.ask("prepare", Effect::Read, &mut parts, credential);
        match asked {
            Err(error) if error.fault == Fault::Unsupported => Ok(Some(own)),
            asked => Ok(Some(asked?.unwrap_or(own))),
        }
    }

    fn issue(
        &self,
        old: &Credential,
        prepared: Option<&Credential>,
        token: &str,
    ) -> Result<Credential, StoreError> {
        let given = prepared.cloned();
        let take = |ok: Json<'_>| credential(ok)?.or(given);
        let mut parts = vec![("old", login(old)), ("token", Part::Text(token))];
        parts.extend(prepared.map(|new| ("new", login(new))));
        self.ask("issue", Effect::Write, &mut parts, take)
    }

    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.change("withdraw", old, new, done)
    }

    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.change("disable", old, new, done)
    }

    fn end_sessions(&self, old: &Credential, new: &Credential) -> Result<u64, StoreError> {
        self.change("end-sessions", old, new, |ok| {
            u64::try_from(ok.member("ended")?.integer()?).ok()
        })
    }

    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.change("destroy", old, new, done)
    }
}

//! Targets: the systems that secrets open, and how each gets a new credential and loses an old one.
//!
//! Promises: a value is never an argument or variable of a process, nor in clear text in a statement where the protocol allows
//! otherwise; every method but [`Target::check`] and [`Target::probe`] changes the target and can be repeated after a crash without
//! doing it twice; "refused" is said only when the target's own answer to the authentication says so.

#[cfg(feature = "aws")]
mod aws_iam;
#[cfg(unix)]
mod command;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
mod redis;
#[cfg(all(unix, feature = "ssh"))]
mod ssh;
mod tls;
mod webhook;

use crate::model::{ProviderState, Secret};

use super::StoreError;

pub use open::open;

pub(in crate::stores) use open::secret_file;

/// A system that a secret opens.
pub trait Target: Send + Sync {
    /// Returns kind and address for people, without credentials.
    fn address(&self) -> String;

    /// Returns what it can do.
    fn traits(&self) -> TargetTraits;

    /// Finds out whether a rotation could work: the admin is let in, the user exists, a slot is free. Changes nothing.
    ///
    /// # Errors
    /// What stands in the way, with the next step as help.
    fn check(&self, old: &Credential) -> Result<(), StoreError>;

    /// Tries to log in, once, and judges the answer to the authentication alone.
    ///
    /// # Errors
    /// None for a target that cannot be asked: that is [`ProviderState::Unknown`]. Only wrong settings are errors.
    fn probe(&self, credential: &Credential) -> Result<ProviderState, StoreError>;

    /// Says which credential [`Self::issue`] will make, changing nothing: blue/green has another user, SSH a key pair, a password
    /// is `generated` itself. `None` where the target makes the value.
    ///
    /// # Errors
    /// What every request can meet.
    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError>;

    /// Makes the new credential valid, beside the old one where [`TargetTraits::grace`]; returns it. Doing it again with the same
    /// arguments changes nothing more.
    ///
    /// # Errors
    /// [`super::Fault::Unknown`] if no answer came: probe, or call again.
    fn issue(
        &self,
        old: &Credential,
        prepared: Option<&Credential>,
        token: &str,
    ) -> Result<Credential, StoreError>;

    /// Takes the new credential back, before the old one was touched. The old one is valid as before.
    ///
    /// # Errors
    /// What every request can meet.
    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError>;

    /// Switches the old credential off, reversibly if the target can.
    ///
    /// # Errors
    /// What every request can meet.
    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError>;

    /// Ends the sessions that the old credential opened; returns how many there were.
    ///
    /// # Errors
    /// [`super::Fault::Unsupported`] where sessions cannot be seen.
    fn end_sessions(&self, old: &Credential, new: &Credential) -> Result<u64, StoreError>;

    /// Removes the old credential for good.
    ///
    /// # Errors
    /// What every request can meet.
    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError>;
}

/// What a target can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetTraits {
    /// Old and new are valid at once for a time.
    pub grace: bool,
    /// The old one can be switched on again after [`Target::disable`].
    pub reversible: bool,
    /// Sessions can be ended.
    pub ends_sessions: bool,
    /// [`Target::probe`] can prove that a credential is refused.
    pub proves_death: bool,
    /// The target makes the new value: its answer is the only copy.
    pub makes_value: bool,
}

/// What opens a target.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user, role or key id; `None` where the secret alone says it.
    pub user: Option<String>,
    /// The password, private key or token.
    pub secret: Secret,
}

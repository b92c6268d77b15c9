//! Sinks: copies of a store's values elsewhere (secrets of CI systems, of Docker), and hooks that are told of a new value.
//!
//! Promises: a value goes to the sink and nowhere else, over TLS unless it stays on this machine, and is in no error; a sink is changed by
//! [`Sink::put`] alone; what is not there is never made, only replaced; a `put` that is repeated with the same value and token after a
//! crash or a lost answer leaves the same behind as one.
//!
//! One file a kind. A new one implements [`Sink`], gets a variant in `config::SinkKind` and a line in `open`.

#[cfg(unix)]
mod command;
#[cfg(unix)]
mod docker;
#[cfg(unix)]
mod docker_wire;
mod github;
mod gitlab;
mod open;

use crate::model::Secret;

use super::StoreError;

pub use open::open;

/// A place that holds a copy.
pub trait Sink: Send + Sync {
    /// Returns kind and place, as `github:acme/app/actions/DB_PASSWORD`, without credentials. Two sinks with one text are one place.
    fn address(&self) -> String;

    /// Returns what it can do.
    fn traits(&self) -> SinkTraits;

    /// Finds out, as far as it can be told, whether the copy is there and may be replaced. Changes nothing.
    ///
    /// # Errors
    /// What stands in the way: [`super::Fault::NotFound`] if there is no copy, [`super::Fault::Denied`] if it may not be written.
    fn describe(&self) -> Result<SinkInfo, StoreError>;

    /// Replaces the copy. `token` names the request: it is the same when it is sent again.
    ///
    /// # Errors
    /// [`super::Fault::Unknown`] if no answer came: call again with the same value and token. [`super::Fault::Rejected`],
    /// [`super::Fault::Denied`] and so on are refusals; with [`SinkTraits::atomic`] nothing was changed then.
    fn put(&self, value: &Secret, token: &str) -> Result<Option<Marker>, StoreError>;

    /// Finds out whether a [`Self::put`] has come through. Changes nothing.
    ///
    /// # Errors
    /// What every request can meet.
    fn confirm(&self, value: &Secret, token: &str) -> Result<Arrival, StoreError>;
}

/// What a sink can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkTraits {
    /// It tells something that changes with each write ([`SinkInfo::marker`]).
    pub marks: bool,
    /// A `put` that was refused has changed nothing.
    pub atomic: bool,
    /// The value before stays there under another name, for people to remove.
    pub leaves_old: bool,
    /// It gets no value: it is only told.
    pub told_only: bool,
}

/// Something of a sink that changes with each write: a time, a name.
pub type Marker = String;

/// What a sink tells of its copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkInfo {
    /// Its marker, if it has one.
    pub marker: Option<Marker>,
}

/// Whether a `put` has come through. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The sink has the value.
    There,
    /// It does not: `put` again.
    Missing,
    /// It is at it.
    UnderWay(String),
    /// The sink does not tell: `put` again.
    Untold,
}

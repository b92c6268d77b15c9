//! The opened stores, targets and sinks that a rotation works on.

use super::begin::UnderWay;
use crate::{
    config::{sinks::SinkEntry, stores::TargetEntry},
    model::Secret,
    stores::{SecretStore, StoreError, sink::Sink, target::Target},
};

/// A `[[targets]]` entry, and the target that it opens; `None` for `kind = "none"`.
pub struct OpenTarget {
    /// The entry.
    pub entry: TargetEntry,
    /// The target.
    pub target: Option<Box<dyn Target>>,
}

impl std::fmt::Debug for OpenTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenTarget({}:{})", self.entry.store, self.entry.key)
    }
}

/// A `[[sinks]]` entry, and the sink that it opens.
pub struct OpenSink {
    /// The entry.
    pub entry: SinkEntry,
    /// The sink.
    pub sink: Box<dyn Sink>,
}

impl std::fmt::Debug for OpenSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenSink({}:{})", self.entry.store, self.entry.key)
    }
}

/// Returns all environments that a key (store, key) may belong to.
pub type EnvironmentsOf = dyn Fn(&str, &str) -> Vec<String>;

/// Counts the places but one (store, key) that hold a value.
///
/// The error says, in words, why that cannot be known.
pub type SharedBy = dyn Fn(&str, &str, &Secret) -> Result<u64, String>;

/// A store that could not be opened, or the target or a sink of one of its keys.
#[derive(Clone, Debug)]
pub struct Unopened {
    /// The store's name.
    pub store: String,
    /// The key, if it is a target or a sink.
    pub key: Option<String>,
    /// Whether it is a sink: a rotation that is only given up does without.
    pub is_sink: bool,
    /// Why.
    pub error: StoreError,
}

/// Everything outside.
#[derive(Clone, Copy, Default)]
pub struct World<'w> {
    /// The opened stores.
    pub stores: &'w [Box<dyn SecretStore>],
    /// The opened targets.
    pub targets: &'w [OpenTarget],
    /// The opened sinks, in the order in which they are told.
    pub sinks: &'w [OpenSink],
    /// The credentials that keysweep itself uses: contents of the files and variables that stores.toml names.
    pub own: &'w [Secret],
    /// All environments that a store's key may belong to, by the user's own configuration: a plan is asked for an approval by them, too,
    /// for whoever wrote it may have called them otherwise.
    pub environments: Option<&'w EnvironmentsOf>,
    /// Looks for other places with the value of a key before it is rotated: what a plan says of them is not believed. `None`: nobody can.
    pub shared: Option<&'w SharedBy>,
    /// What could not be opened, and why.
    pub unopened: &'w [Unopened],
    /// Rotations that have begun and not ended: a plan leaves their keys alone.
    pub under_way: &'w [UnderWay],
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stores, targets) = (self.stores.len(), self.targets.len());
        write!(f, "World({stores} stores, {targets} targets)")
    }
}

impl<'w> World<'w> {
    /// Returns a store by its name.
    pub(super) fn store(&self, name: &str) -> Option<&'w dyn SecretStore> {
        let found = self.stores.iter().find(|store| store.name() == name);
        found.map(AsRef::as_ref)
    }

    /// Tells whether a key is in one of these environments, or may be; `said` is what a report or plan says.
    pub(super) fn is_in(
        &self,
        environments: &[String],
        store: &str,
        key: &str,
        said: Option<&String>,
    ) -> bool {
        let known = self
            .environments
            .map(|of| of(store, key))
            .unwrap_or_default();
        said.is_some_and(|said| environments.contains(said))
            || known.iter().any(|name| environments.contains(name))
    }

    /// Returns the target of a key's field, or of a part of it (`None` is the whole value).
    pub(super) fn target(
        &self,
        store: &str,
        key: &str,
        field: Option<&str>,
    ) -> Option<&'w OpenTarget> {
        let mut targets = self.targets.iter();
        targets.find(|open| open.entry.opens(store, key, field))
    }
}

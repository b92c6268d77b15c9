//! The opened stores and targets that a rotation works on.

use crate::{
    config::stores::TargetEntry,
    model::Secret,
    stores::{SecretStore, target::Target},
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

/// Everything outside.
#[derive(Clone, Copy, Default)]
pub struct World<'w> {
    /// The opened stores.
    pub stores: &'w [Box<dyn SecretStore>],
    /// The opened targets.
    pub targets: &'w [OpenTarget],
    /// The credentials that keysweep itself uses: contents of the files and variables that stores.toml names.
    pub own: &'w [Secret],
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

    /// Returns the target of a key's field (the empty name is the whole value).
    pub(super) fn target(&self, store: &str, key: &str, field: &str) -> Option<&'w OpenTarget> {
        let field = Some(field).filter(|field| !field.is_empty());
        self.targets.iter().find(|open| {
            let entry = &open.entry;
            entry.store == store && entry.key == key && entry.field.as_deref() == field
        })
    }
}

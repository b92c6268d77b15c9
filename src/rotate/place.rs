//! Where in a field the secret stands, and what it is there.
//!
//! A place's field is `NAME`, or `NAME#LABEL` if the secret is a part of the field that its format sets off.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::{
    model::Secret,
    stores::{Field, KeyPath, ReadOutcome, SecretStore, StoreError, VersionId},
};

/// A field's name, and what its format calls the part; an empty name is the whole value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'p> {
    pub(super) field: &'p str,
    pub(super) label: Option<&'p str>,
}

impl<'p> Place<'p> {
    /// Reads the field of a verdict's place.
    pub(super) fn of(field: Option<&'p str>) -> Self {
        let field = field.unwrap_or_default();
        match field.split_once('#') {
            Some((field, label)) => Self {
                field,
                label: Some(label),
            },
            None => Self { field, label: None },
        }
    }

    /// Returns the secret inside of a field's bytes; `None` if there is no such part.
    pub(super) fn secret(self, bytes: &[u8]) -> Option<Secret> {
        match self.label {
            None => Some(Secret::new(bytes)),
            Some(label) => part(bytes, label).map(|part| Secret::new(&part)),
        }
    }

    /// Returns the field's bytes with another secret in its place; `None` if that cannot be done surely.
    pub(super) fn with(self, bytes: &[u8], new: &Secret) -> Option<Secret> {
        // Exposed to be written into the store's field; both texts are wiped.
        match self.label {
            None => Some(new.clone()),
            Some(_) => {
                let old = self.secret(bytes)?;
                replace(bytes, old.expose(), new.expose()).map(|bytes| Secret::new(&bytes))
            }
        }
    }
}

/// Reads fields of a version. `None` if the store has no value that it tells.
pub(super) fn fields(
    store: &dyn SecretStore,
    key: &KeyPath,
    version: &VersionId,
) -> Result<Option<BTreeMap<String, Secret>>, StoreError> {
    let mut fields = BTreeMap::new();
    let mut sink = |field: Field<'_>| {
        fields.insert(field.name.to_owned(), Secret::new(field.bytes));
    };
    match store.read(key, version, &mut sink)? {
        ReadOutcome::Read => Ok(Some(fields)),
        ReadOutcome::Gone | ReadOutcome::Hidden => Ok(None),
    }
}

/// Returns the part of a text that its format calls `label`.
fn part(bytes: &[u8], label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let leaf = value.pointer(label)?.as_str()?;
    Some(Zeroizing::new(leaf.as_bytes().to_vec()))
}

/// Returns the text with `new` in place of `old`.
fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut found = memchr::memmem::find_iter(bytes, old);
    let at = found.next()?;
    if found.next().is_some() {
        return None;
    }
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() + new.len()));
    out.extend_from_slice(bytes.get(..at)?);
    out.extend_from_slice(new);
    out.extend_from_slice(bytes.get(at + old.len()..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_field_is_found_and_replaced() {
        let place = Place::of(Some("config#/db/password"));
        let field = br#"{"db": {"user": "app", "password": "made-up-old"}}"#;
        assert_eq!(place.secret(field).unwrap(), Secret::new(b"made-up-old"));
        let new = place.with(field, &Secret::new(b"made-up-new")).unwrap();
        assert_eq!(
            new,
            Secret::new(br#"{"db": {"user": "app", "password": "made-up-new"}}"#)
        );
        let none = Place::of(Some("config#/db/token"));
        assert!(none.with(field, &Secret::new(b"made-up-new")).is_none());
    }

    #[test]
    fn a_whole_field_is_its_secret() {
        let place = Place::of(None);
        assert_eq!((place.field, place.label), ("", None));
        assert_eq!(place.secret(b"made-up").unwrap(), Secret::new(b"made-up"));
    }
}

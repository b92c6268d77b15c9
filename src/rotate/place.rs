//! Where in a field the secret stands, and what it is there.
//!
//! A place's field is `NAME`, or `NAME#LABEL` if the secret is a part of the field that its format sets off.

use std::collections::BTreeMap;

use crate::{
    model::{MatchKind, Secret},
    stores::{Field, KeyPath, ReadOutcome, SecretStore, StoreError, VersionId},
    verify::atoms,
};

/// A field's name, the way to the part inside of it, and how the leaked value was recognised there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'p> {
    /// The empty name is the whole value.
    pub(super) field: &'p str,
    way: &'p str,
    by: MatchKind,
}

impl<'p> Place<'p> {
    /// Reads the field of a verdict's place.
    pub(super) fn of(field: Option<&'p str>, by: MatchKind) -> Self {
        let field = field.unwrap_or_default();
        let (field, way) = field.split_once('#').unwrap_or((field, ""));
        Self { field, way, by }
    }

    /// Returns the secret inside of a field's bytes; `None` if there is no such part, or several.
    pub(super) fn secret(self, bytes: &[u8]) -> Option<Secret> {
        atoms::at(bytes, self.way, self.by).map(|part| Secret::new(&part))
    }

    /// Returns the field's bytes with another secret in its place; `None` if that cannot be done surely.
    pub(super) fn with(self, bytes: &[u8], new: &Secret) -> Option<Secret> {
        // Exposed to be written into the store's field; both texts are wiped.
        let old = self.secret(bytes)?;
        let written = atoms::replace(bytes, old.expose(), new.expose())?;
        let written = Secret::new(&written);
        // What does not read back as it was meant is no replacement; a value that had no percent signs may need them now.
        let reads_back = [self.by, MatchKind::Exact, MatchKind::Decoded]
            .into_iter()
            .any(|by| Self { by, ..self }.secret(written.expose()).as_ref() == Some(new));
        reads_back.then_some(written)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_field_is_found_and_replaced() {
        let place = Place::of(Some("config#/db/password"), MatchKind::Exact);
        let field = br#"{"db": {"user": "app", "password": "made-up-old"}}"#;
        assert_eq!(place.field, "config");
        assert_eq!(place.secret(field).unwrap(), Secret::new(b"made-up-old"));
        let new = place.with(field, &Secret::new(b"made-up-new")).unwrap();
        assert_eq!(
            new,
            Secret::new(br#"{"db": {"user": "app", "password": "made-up-new"}}"#)
        );
        let none = Place::of(Some("config#/db/token"), MatchKind::Exact);
        assert!(none.with(field, &Secret::new(b"made-up-new")).is_none());
    }

    #[test]
    fn a_whole_field_is_its_secret_without_the_line_break_at_its_end() {
        let place = Place::of(None, MatchKind::Exact);
        assert_eq!(place.field, "");
        assert_eq!(place.secret(b"made-up\n").unwrap(), Secret::new(b"made-up"));
        let new = place.with(b"made-up\n", &Secret::new(b"other")).unwrap();
        assert_eq!(new, Secret::new(b"other\n"));
    }

    #[test]
    fn a_password_of_a_url_is_written_as_urls_want_it() {
        let place = Place::of(Some("#password"), MatchKind::Exact);
        let new = place
            .with(b"postgres://app:made-up@db/x", &Secret::new(b"a/b@c"))
            .unwrap();
        assert_eq!(new, Secret::new(b"postgres://app:a%2Fb%40c@db/x"));
    }
}

//! What may be rotated: `allow` and `deny` of `[rotate]`.
//!
//! Promises: nothing is allowed unless a glob names it; `deny` wins.

use globset::{GlobBuilder, GlobMatcher};

use super::{RotateError, plan::Reason};
use crate::{config::stores::RotateLimits, model::quotable};

/// Both lists, ready to be asked.
#[derive(Debug)]
pub(super) struct Permits {
    allow: Vec<Permit>,
    deny: Vec<Permit>,
}

/// One `STORE:KEY`. Two globs: in one, `**` behind a colon would not reach into folders.
#[derive(Debug)]
struct Permit {
    store: GlobMatcher,
    key: GlobMatcher,
}

impl Permit {
    fn names(&self, store: &str, key: &str) -> bool {
        self.store.is_match(store) && self.key.is_match(key)
    }
}

impl Permits {
    /// Reads the globs.
    pub(super) fn new(limits: &RotateLimits) -> Result<Self, RotateError> {
        Ok(Self {
            allow: read(&limits.allow)?,
            deny: read(&limits.deny)?,
        })
    }

    /// Tells whether a key may be rotated; if not, the reason, the words and the help.
    pub(super) fn check(&self, store: &str, key: &str) -> Result<(), (Reason, String, String)> {
        let shown = quotable(&format!("{store}:{key}"));
        if self.deny.iter().any(|permit| permit.names(store, key)) {
            return Err((
                Reason::Denied,
                format!("`deny` of stores.toml names {shown}"),
                "rotate it by hand, or take it off [rotate] deny".to_owned(),
            ));
        }
        if !self.allow.iter().any(|permit| permit.names(store, key)) {
            return Err((
                Reason::NotAllowed,
                format!("`allow` of stores.toml does not name {shown}"),
                format!("[rotate] allow = [\"{shown}\"] in stores.toml allows it"),
            ));
        }
        Ok(())
    }

    /// Tells whether `deny` names a sink by its address, as `github:acme/infra/**`. `allow` has no say: it allows the key, and the entry
    /// of the sink says that this is a copy of it.
    pub(super) fn denies(&self, address: &str) -> bool {
        let (kind, place) = address.split_once(':').unwrap_or((address, ""));
        self.deny.iter().any(|permit| permit.names(kind, place))
    }
}

fn read(globs: &[String]) -> Result<Vec<Permit>, RotateError> {
    let wrong = |glob: &str| {
        RotateError::Unknown {
        what: format!("`{}` is no glob of STORE:KEY", quotable(glob)),
        help: "[rotate] allow and deny of stores.toml take globs as prod:secret/apps/* (one folder) and prod:secret/** (all below)".to_owned(),
    }
    };
    let permits = globs.iter().map(|text| {
        let (store, key) = text.split_once(':').ok_or_else(|| wrong(text))?;
        // `*` stays within a folder: what is allowed should be what is written.
        let glob = |glob| {
            let glob = GlobBuilder::new(glob).literal_separator(true).build();
            glob.map(|glob| glob.compile_matcher())
                .map_err(|_| wrong(text))
        };
        Ok(Permit {
            store: glob(store)?,
            key: glob(key)?,
        })
    });
    permits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(allow: &[&str], deny: &[&str], key: &str) -> Option<Reason> {
        let own = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        let limits = RotateLimits {
            allow: own(allow),
            deny: own(deny),
            ..RotateLimits::default()
        };
        let permits = Permits::new(&limits).unwrap();
        permits.check("prod", key).err().map(|(reason, ..)| reason)
    }

    #[test]
    fn nothing_is_allowed_unless_named_and_deny_wins() {
        assert_eq!(reason(&[], &[], "apps/db"), Some(Reason::NotAllowed));
        assert_eq!(reason(&["prod:apps/*"], &[], "apps/db"), None);
        assert_eq!(
            reason(&["prod:*"], &[], "apps/db"),
            Some(Reason::NotAllowed)
        );
        assert_eq!(reason(&["prod:**"], &[], "apps/db"), None);
        assert_eq!(
            reason(&["other:**"], &[], "apps/db"),
            Some(Reason::NotAllowed)
        );
        assert_eq!(
            reason(&["prod:**"], &["prod:apps/**"], "apps/db"),
            Some(Reason::Denied)
        );
    }

    #[test]
    fn a_glob_that_is_none_is_an_error() {
        for glob in ["prod:{", "no-colon"] {
            let limits = RotateLimits {
                allow: vec![glob.to_owned()],
                ..RotateLimits::default()
            };
            assert!(Permits::new(&limits).is_err(), "{glob}");
        }
    }
}

//! One `STORE:KEY` of `[rotate] allow` and `deny`: which keys of stores it names.

use globset::{GlobBuilder, GlobMatcher};

/// A glob of stores and one of keys: in one, `**` behind a colon would not reach into folders.
#[derive(Clone, Debug)]
pub struct KeyGlob {
    store: GlobMatcher,
    key: GlobMatcher,
}

impl KeyGlob {
    /// Reads `STORE:KEY`; `None` if it is no such glob. `*` stays within a folder, `**` reaches below.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (store, key) = text.split_once(':')?;
        let glob = |glob| {
            let glob = GlobBuilder::new(glob)
                .literal_separator(true)
                .build()
                .ok()?;
            Some(glob.compile_matcher())
        };
        Some(Self {
            store: glob(store)?,
            key: glob(key)?,
        })
    }

    /// Tells whether it names a key.
    #[must_use]
    pub fn names(&self, store: &str, key: &str) -> bool {
        self.store.is_match(store) && self.key.is_match(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_folder_and_two_reach_below() {
        let names = |glob: &str, key: &str| KeyGlob::parse(glob).unwrap().names("prod", key);
        assert!(names("prod:secret/apps/*", "secret/apps/db"));
        assert!(!names("prod:secret/apps/*", "secret/apps/db/old"));
        assert!(names("*:secret/**", "secret/apps/db/old"));
        assert!(!names("other:secret/**", "secret/apps"));
        assert!(KeyGlob::parse("secret/apps").is_none());
        assert!(KeyGlob::parse("prod:secret/[").is_none());
    }
}

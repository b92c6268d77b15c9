//! How long a listing of a command store may be, and how many versions of a key count.
//!
//! Promises: a listing that has no end, or goes in circles, is an error; what is left out is told to the caller.

use std::{collections::BTreeSet, time::Duration};

use crate::stores::{Cursor, Page, VersionInfo, VersionState};

/// Most pages of a listing: each is a run of the program.
const MAX_PAGES: usize = 10_000;
/// Most keys of a listing.
const MAX_KEYS: usize = 1_000_000;
/// Most time that the pages of a listing may take together; what is read between them does not count.
const MAX_LISTING: Duration = Duration::from_secs(600);
/// Most versions of a key: reading each is a run of the program.
const MAX_VERSIONS: usize = 1_000;

/// How far a listing is; several at once count together.
#[derive(Default)]
pub(super) struct Listing {
    /// What the pages so far named as the next one.
    cursors: BTreeSet<String>,
    pages: usize,
    keys: usize,
    spent: Duration,
}

impl Listing {
    /// Counts the page behind `after`.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub(super) fn count(
        &mut self,
        after: Option<&Cursor>,
        page: &Page,
        spent: Duration,
    ) -> Result<(), (&'static str, &'static str)> {
        if after.is_none() {
            *self = Self::default();
        }
        self.pages += 1;
        self.keys += page.keys.len();
        self.spent += spent;
        let Some(next) = &page.next else {
            return Ok(());
        };
        if after == Some(next) || !self.cursors.insert(next.0.clone()) {
            return Err((
                "list: the program names the same page again as the next",
                "see docs/stores-command.md: `next` is what the next request has as `after`",
            ));
        }
        let larger = "let the program answer with more keys a page, or for a part of the store";
        if self.pages >= MAX_PAGES {
            return Err(("list: there is no end after 10,000 pages", larger));
        }
        if self.keys >= MAX_KEYS {
            return Err(("list: there is no end after 1,000,000 keys", larger));
        }
        if self.spent >= MAX_LISTING {
            return Err(("list: there is no end after 10 minutes", larger));
        }
        Ok(())
    }
}

/// Leaves the newest versions, and tells whether there were more. The current one stays, wherever a program that keeps no order names it.
pub(super) fn newest(versions: &mut Vec<VersionInfo>) -> bool {
    if versions.len() <= MAX_VERSIONS {
        return false;
    }
    let is_current = |version: &VersionInfo| version.state == VersionState::Current;
    let current = versions.iter().position(is_current);
    let late = current.filter(|at| *at >= MAX_VERSIONS);
    let late = late.map(|at| versions.remove(at));
    versions.truncate(MAX_VERSIONS - usize::from(late.is_some()));
    versions.extend(late);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::{KeyEntry, KeyPath, VersionId};

    fn page(keys: usize, next: Option<usize>) -> Page {
        let entry = |n: usize| KeyEntry {
            key: KeyPath::new(n.to_string()),
            info: None,
        };
        Page {
            keys: (0..keys).map(entry).collect(),
            next: next.map(|n| Cursor(n.to_string())),
            problems: Vec::new(),
        }
    }

    /// Lists pages that have no end; returns how many were taken, and why no more.
    fn listed(keys: usize, spent: Duration) -> (usize, &'static str) {
        let mut listing = Listing::default();
        let mut after = None;
        for n in 1.. {
            let page = page(keys, Some(n));
            if let Err((what, _)) = listing.count(after.as_ref(), &page, spent) {
                return (n, what);
            }
            after = page.next;
        }
        unreachable!("it ends before numbers do")
    }

    #[test]
    fn a_listing_without_an_end_ends_by_pages_keys_and_time() {
        let (pages, why) = listed(1, Duration::ZERO);
        assert_eq!(pages, MAX_PAGES);
        assert!(why.contains("pages"), "{why}");
        let (pages, why) = listed(10_000, Duration::ZERO);
        assert_eq!(pages, 100);
        assert!(why.contains("keys"), "{why}");
        let (pages, why) = listed(1, Duration::from_secs(30));
        assert_eq!(pages, 20);
        assert!(why.contains("minutes"), "{why}");
    }

    #[test]
    fn circles_are_seen_and_a_listing_begins_anew() {
        let mut listing = Listing::default();
        let mut count = |after: Option<usize>, next: Option<usize>| {
            let after = after.map(|n| Cursor(n.to_string()));
            listing.count(after.as_ref(), &page(1, next), Duration::ZERO)
        };
        for _ in 0..2 {
            assert!(count(None, Some(1)).is_ok());
            assert!(count(Some(1), Some(2)).is_ok());
            assert!(count(Some(2), None).is_ok());
        }
        assert!(count(None, Some(1)).is_ok());
        assert!(count(Some(1), Some(2)).is_ok());
        let (what, _) = count(Some(2), Some(1)).unwrap_err();
        assert!(what.contains("again"), "{what}");
    }

    #[test]
    fn the_newest_versions_and_the_current_one_stay() {
        let version = |n: usize, state| VersionInfo {
            id: VersionId::new(n.to_string()),
            state,
            created: None,
        };
        let versions = |count: usize, current: usize| -> Vec<VersionInfo> {
            let state = |n: usize| match n == current {
                true => VersionState::Current,
                false => VersionState::Previous,
            };
            (0..count).map(|n| version(n, state(n))).collect()
        };
        let mut few = versions(MAX_VERSIONS, 0);
        assert!(!newest(&mut few));
        assert_eq!(few.len(), MAX_VERSIONS);
        for current in [0, 19_999] {
            let mut many = versions(20_000, current);
            assert!(newest(&mut many));
            assert_eq!(many.len(), MAX_VERSIONS);
            assert_eq!(many[1].id.as_str(), "1");
            let states = many.iter().filter(|v| v.state == VersionState::Current);
            assert_eq!(states.count(), 1, "{current}");
        }
    }
}

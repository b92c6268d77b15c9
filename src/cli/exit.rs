//! From an outcome to an exit code (DESIGN section 3).

use std::{collections::BTreeSet, process::ExitCode};

use crate::{
    model::{Severity, StoreFault, StoreState, Verdict, Verification},
    scan::Report,
};

/// What a command came to. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing found at or above the threshold, nothing missed.
    Clean,
    /// Findings at or above the threshold, or failed rule examples; something may be missed, too.
    Findings,
    /// Wrong usage or configuration.
    Usage,
    /// Something could not be read, and nothing was found at or above the threshold.
    Incomplete,
    /// A fault of ours.
    Internal,
    /// A finding's value is live.
    Live,
    /// A plan waits for its approval.
    #[cfg_attr(
        not(feature = "verify"),
        expect(dead_code, reason = "rotations alone end so")
    )]
    Waiting,
    /// A rotation is in its time of grace: resume later.
    #[cfg_attr(
        not(feature = "verify"),
        expect(dead_code, reason = "rotations alone end so")
    )]
    Grace,
    /// A rotation failed and everything is as before.
    #[cfg_attr(
        not(feature = "verify"),
        expect(dead_code, reason = "rotations alone end so")
    )]
    RolledBack,
    /// A person has to look.
    #[cfg_attr(
        not(feature = "verify"),
        expect(dead_code, reason = "rotations alone end so")
    )]
    Person,
    /// A store denied a right, and that alone is why something was not read.
    Denied,
    /// As [`Self::Denied`], for no login, or one that is wrong or expired.
    Login,
    /// As [`Self::Denied`], for a store that is sealed, down or cannot be reached.
    Unreachable,
    /// As [`Self::Denied`], for a quota or rate limit.
    Quota,
    /// Versions that a store threw away or deleted are all that stands between a finding and "never in the store".
    Trimmed,
    /// Stopped with Ctrl-C.
    Interrupted,
}

impl Outcome {
    /// Returns the outcome of a scan. A stopped run is that before all else; then findings outrank gaps.
    pub(super) fn of(report: &Report, fail_on: Severity) -> Self {
        let verdicts = report.findings.iter().filter_map(|f| f.verdict.as_ref());
        let stores = report.verification.as_ref();
        if report.interrupted {
            Self::Interrupted
        } else if verdicts.clone().any(Verdict::is_live) {
            Self::Live
        } else if report
            .findings
            .iter()
            .any(|finding| finding.severity >= fail_on)
        {
            Self::Findings
        } else if report.ledger.is_incomplete() {
            Self::Incomplete
        } else {
            stores.map_or(Self::Clean, |stores| Self::of_stores(stores, verdicts))
        }
    }

    /// Returns what the stores alone make of a run.
    fn of_stores<'v>(
        verification: &Verification,
        mut verdicts: impl Iterator<Item = &'v Verdict>,
    ) -> Self {
        let uncompared = [
            verification.over_limit,
            verification.without_value,
            verification.unprobed,
        ];
        if uncompared.iter().any(|n| *n > 0) {
            return Self::Incomplete;
        }
        let stores = verification.stores.iter();
        let unread: BTreeSet<StoreFault> = stores.flat_map(|store| store.why_unread()).collect();
        let is_unsure = |verdict: &Verdict| {
            matches!(
                verdict.store,
                StoreState::NotFound {
                    complete: false,
                    ..
                }
            )
        };
        // What was deleted can be compared as little as what was thrown away.
        let mut stores = verification.stores.iter();
        let is_trimmed =
            stores.any(|store| store.trimmed > 0 || store.deleted > 0) && verdicts.any(is_unsure);
        match (is_trimmed, unread.is_empty()) {
            (true, true) => Self::Trimmed,
            (true, false) => Self::Incomplete,
            (false, _) => Self::of_faults(&unread),
        }
    }

    /// Returns the outcome of faults of stores: that of the one kind there is, or [`Self::Incomplete`] for several.
    pub(super) fn of_faults(faults: &BTreeSet<StoreFault>) -> Self {
        let mut faults = faults.iter();
        match (faults.next(), faults.next()) {
            (None, _) => Self::Clean,
            (Some(StoreFault::Denied), None) => Self::Denied,
            (Some(StoreFault::Login), None) => Self::Login,
            (Some(StoreFault::Unavailable), None) => Self::Unreachable,
            (Some(StoreFault::Quota), None) => Self::Quota,
            (Some(StoreFault::Other), None) | (Some(_), Some(_)) => Self::Incomplete,
        }
    }

    /// Returns the number.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Internal => 4,
            Self::Live => 10,
            Self::Waiting => 11,
            Self::Grace => 12,
            Self::RolledBack => 13,
            Self::Person => 14,
            Self::Denied => 20,
            Self::Login => 21,
            Self::Unreachable => 22,
            Self::Quota => 23,
            Self::Trimmed => 24,
            Self::Interrupted => 130,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

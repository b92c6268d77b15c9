//! From an outcome to an exit code (DESIGN section 3).

use std::process::ExitCode;

use crate::{
    model::{Severity, Verdict, Verification},
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
        } else if report.ledger.is_incomplete() || stores.is_some_and(Verification::is_incomplete) {
            Self::Incomplete
        } else {
            Self::Clean
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
            Self::Interrupted => 130,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

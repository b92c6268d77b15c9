//! Words for how far a rotation is, what it changes outside, and what it comes to.

use serde::{Deserialize, Serialize};

/// How far a rotation is. Matched without `_`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The journal is begun.
    #[default]
    Planned,
    /// Those who must approve have.
    Approved,
    /// Everything that can fail was checked; the old credential is sealed.
    Validated,
    /// The new value is sealed.
    Generated,
    /// The target takes the new credential.
    Issued,
    /// The store has it.
    Staged,
    /// Readers of the store get it.
    Promoted,
    /// Whoever must be told was told.
    Distributed,
    /// The new credential was read back and tried.
    Observed,
    /// Both are valid.
    Grace,
    /// The old one is switched off.
    OldDisabled,
    /// Its sessions are ended.
    SessionsEnded,
    /// It was tried and refused, twice.
    OldRefused,
    /// It is removed, and a tombstone stands.
    OldDestroyed,
    /// The end.
    Done,
    /// Everything was taken back; the old credential is valid.
    RolledBack,
    /// A person must look.
    NeedsHuman,
    /// A person has given it up; what it had changed stays.
    Abandoned,
}

impl State {
    /// All of them, in order.
    pub const ALL: [Self; 18] = [
        Self::Planned,
        Self::Approved,
        Self::Validated,
        Self::Generated,
        Self::Issued,
        Self::Staged,
        Self::Promoted,
        Self::Distributed,
        Self::Observed,
        Self::Grace,
        Self::OldDisabled,
        Self::SessionsEnded,
        Self::OldRefused,
        Self::OldDestroyed,
        Self::Done,
        Self::RolledBack,
        Self::NeedsHuman,
        Self::Abandoned,
    ];

    /// Tells whether nothing follows: the rotation is history.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::RolledBack | Self::Abandoned)
    }

    /// Returns the name used in journals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Approved => "approved",
            Self::Validated => "validated",
            Self::Generated => "generated",
            Self::Issued => "issued",
            Self::Staged => "staged",
            Self::Promoted => "promoted",
            Self::Distributed => "distributed",
            Self::Observed => "observed",
            Self::Grace => "grace",
            Self::OldDisabled => "old-disabled",
            Self::SessionsEnded => "sessions-ended",
            Self::OldRefused => "old-refused",
            Self::OldDestroyed => "old-destroyed",
            Self::Done => "done",
            Self::RolledBack => "rolled-back",
            Self::NeedsHuman => "needs-human",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What changes something outside. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The target, or the store by itself, makes the new credential valid.
    Issue,
    /// The store gets the new value.
    Stage,
    /// The store makes it current.
    Promote,
    /// A note is left at the key.
    Announce,
    /// The target switches the old credential off.
    Disable,
    /// The target ends its sessions.
    EndSessions,
    /// The target removes it.
    Destroy,
    /// The store switches its version off or destroys it.
    Retire,
    /// The tombstone is written.
    Bury,
    /// The store gets its old value back.
    Unstage,
    /// The target loses the new credential.
    Withdraw,
    /// A sink gets the new value: the one of this number in the plan, from 0.
    Deliver(u16),
    /// A sink gets its old value back.
    Recall(u16),
}

impl Effect {
    /// All of them, with the first sink for all sinks.
    pub const ALL: [Self; 13] = [
        Self::Issue,
        Self::Stage,
        Self::Promote,
        Self::Announce,
        Self::Disable,
        Self::EndSessions,
        Self::Destroy,
        Self::Retire,
        Self::Bury,
        Self::Unstage,
        Self::Withdraw,
        Self::Deliver(0),
        Self::Recall(0),
    ];

    /// Returns the name used in journals, without a sink's number.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Stage => "stage",
            Self::Promote => "promote",
            Self::Announce => "announce",
            Self::Disable => "disable",
            Self::EndSessions => "end-sessions",
            Self::Destroy => "destroy",
            Self::Retire => "retire",
            Self::Bury => "bury",
            Self::Unstage => "unstage",
            Self::Withdraw => "withdraw",
            Self::Deliver(_) => "deliver",
            Self::Recall(_) => "recall",
        }
    }

    /// Returns the name that no other effect has.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Deliver(n) | Self::Recall(n) => format!("{}-{n}", self.as_str()),
            _ => self.as_str().to_owned(),
        }
    }
}

/// What a rotation came to, or why it stopped for now. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The old credential is dead, as far as the plan said it can be proven.
    Done,
    /// A second person must approve first.
    WaitsForApproval {
        /// Whose approval is missing, or what is wrong with the one that is there.
        why: String,
    },
    /// Both credentials are valid until then.
    InGrace {
        /// Unix seconds.
        until: i64,
    },
    /// Something is away for now: `resume` goes on from here.
    Later {
        /// What.
        why: String,
    },
    /// Nothing is changed any more; the old credential is valid as before.
    RolledBack {
        /// Why.
        why: String,
    },
    /// A person must look.
    NeedsHuman {
        /// Why.
        why: String,
    },
    /// A person has given it up.
    Abandoned {
        /// Why, and what is left to do.
        why: String,
    },
}

impl Outcome {
    /// Returns the exit code (DESIGN section 3).
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::WaitsForApproval { .. } => 11,
            Self::InGrace { .. } | Self::Later { .. } => 12,
            Self::RolledBack { .. } => 13,
            // What was asked for is not done, and nothing here will do it.
            Self::NeedsHuman { .. } | Self::Abandoned { .. } => 14,
        }
    }
}

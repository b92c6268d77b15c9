//! Rotation: from verdicts to a plan, from a plan to a dead credential, with a journal to come back to and an audit log.
//!
//! Promises: nothing outside is changed without a plan, an entry in `allow` and, where it is asked for, a second person; everything that
//! can fail is checked before the first change; a crash at any point loses no credential and repeats no change blindly; "dead" is said
//! when the target has refused the old credential, or the plan said that it cannot be proven; no value is in any output, plan, audit
//! log or, but for its sealed fields, journal. The outside is reached through [`SecretStore`], [`Target`]
//! and [`Sink`] alone.
//!
//! [`SecretStore`]: crate::stores::SecretStore
//! [`Sink`]: crate::stores::sink::Sink
//! [`Target`]: crate::stores::target::Target

mod abandon;
mod apply;
mod approval;
mod audit;
mod back;
mod begin;
mod canonical;
mod chain;
mod change;
mod distribute;
mod ending;
mod error;
mod faults;
mod forget;
mod grounds;
mod journal;
mod machine;
mod permit;
mod place;
mod plan;
mod planning;
mod record;
mod resume;
mod rotators;
mod seal;
mod sinks;
mod state;
mod status;
mod steps;
mod today;
mod tombstone;
mod value;
mod world;

#[cfg(test)]
mod fakes;
#[cfg(test)]
mod planning_tests;
#[cfg(test)]
mod sinks_testing;
#[cfg(test)]
mod sinks_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use abandon::abandon;
pub use apply::{JOURNALS, Rotation, apply, approved, rotation_id};
pub use approval::{Approval, may_approve, public_key};
pub use audit::{Actor, Audit, AuditEvent, AuditReport, verify as verify_audit};
pub use begin::{Ahead, UnderWay, look, under_way};
pub use canonical::time_text;
pub use error::{PlanError, RotateError};
pub use faults::{Crash, Faults, NoFaults, Point};
pub use machine::Context;
pub use plan::{Action, ActionKind, Declares, Plan, Reason, Refusal, Retire, Strategy};
pub use planning::{Candidate, Wishes, plan};
pub use resume::resume;
pub use seal::Sealer;
pub use state::{Effect, Outcome, State};
pub use status::{Listed, Pending, Status, pending, status};
pub use today::fresh;
pub use tombstone::{Tombstone, Tombstones};
pub use value::{Alphabet, ValuePolicy};
pub use world::{EnvironmentsOf, OpenSink, OpenTarget, SharedBy, Unopened, World};

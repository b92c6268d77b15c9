//! Plain data of every layer: secrets, identities, places, findings, the coverage ledger.
//!
//! No I/O, no detection logic and no output format lives here. Every other module may use this one; this one uses
//! no other module of the crate.

mod digest;
mod excerpt;
mod finding;
mod input;
mod ledger;
mod line_hash;
mod meta;
mod path;
mod provenance;
mod secret;
mod span;
mod verdict;

#[cfg(feature = "verify")]
pub(crate) use digest::hex;
pub use digest::{Digest, DigestKey, Fingerprint};
pub use excerpt::Excerpt;
pub use finding::{Finding, Kind, Location, Occurrence, Related, Suppressed, SuppressionKind};
pub use input::{closest, quotable, suggestion, without_values};
pub use ledger::{Counter, Ledger, Skip, SkipCause};
pub use line_hash::line_hashes;
pub use meta::{Confidence, Encoding, Persona, RuleId, RuleMeta, Severity};
pub use path::{BlobPath, is_unsafe};
pub use provenance::{Attribution, CommitInfo, ObjectId, Place, Provenance};
pub use secret::Secret;
pub use span::{Copied, Position, Span};
pub use verdict::{
    Age, MatchKind, NotCompared, ProviderState, Readers, SharedValue, StoreCoverage, StoreFault,
    StorePlace, StoreProblem, StoreState, Urgency, Uses, Verdict, Verification,
};

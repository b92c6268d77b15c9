//! What the secrets stores say of a finding, and what was read to say it. Plain data: no value, no hash of one, no length.
//!
//! Two axes, never one (DESIGN section 2): the state in the store, and the state at the provider that the secret opens.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What a secrets store says of a value. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum StoreState {
    /// It is the value that readers of the key get now.
    Current,
    /// It waits to become current: a rotation is under way or stuck.
    Pending,
    /// It was current before; the store still holds it.
    Previous {
        /// How many versions ago, from 1.
        behind: u32,
        /// When the version after it was made (RFC 3339), if the store tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<String>,
    },
    /// Its version is switched off.
    Disabled,
    /// Its version is deleted and can be restored.
    SoftDeleted,
    /// Its version is destroyed; a tombstone of ours remembers it.
    Destroyed,
    /// Only what is no secret of it stands in the store: an access key's id, a user's name, a host.
    IdentityOnly,
    /// The store never tells values; a key of the same name is in it.
    WriteOnly,
    /// No value read from any store is it.
    NotFound {
        /// Whether everything the stores keep was read. "Never in the store" is a claim that needs this.
        complete: bool,
        /// Whether nothing of any store could be read: it was not looked for anywhere.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unread: bool,
    },
    /// It was not looked for.
    NotCompared {
        /// Why.
        why: NotCompared,
    },
}

/// Why a finding was not compared with the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotCompared {
    /// Its value could be guessed: verify must not confirm guesses.
    TooWeak,
    /// More findings than one run may compare.
    OverLimit,
    /// The report has no value and the place where it stood no longer has it.
    NoValue,
    /// It is about a habit, not about a value.
    NoSecret,
}

/// What the system that a secret opens says of it. Matched without `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ProviderState {
    /// It was let in.
    Accepted,
    /// It was refused in words that mean nothing else.
    Refused,
    /// The answer proves neither.
    Unknown {
        /// Why, in our own words.
        why: String,
    },
    /// Nobody asked.
    NotChecked,
}

/// How a finding's value was recognised in a store's, surest first. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchKind {
    /// The same bytes, as a whole field or as a part that its format sets off (a JSON leaf, a URL's password).
    Exact,
    /// The same bytes behind an encoding (base64, percent signs, escapes).
    Decoded,
    /// Another text of the same private key: its primes, scalar or seed are the same.
    Fingerprint,
    /// One holds the other, set off from what is around it; at least 16 bytes.
    Contained,
    /// An identifier that belongs to the value, or a part of it that is no secret by its name or format (a user, a host, a certificate).
    Identity,
    /// A weak value whose key has the finding's name, too.
    Name,
}

impl MatchKind {
    /// Returns the confidence in percent, 40 to 100 (STORES 4.18).
    #[must_use]
    pub const fn percent(self) -> u8 {
        match self {
            Self::Exact => 100,
            Self::Decoded | Self::Fingerprint => 95,
            Self::Contained => 80,
            Self::Identity => 50,
            Self::Name => 40,
        }
    }

    /// Returns the name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Decoded => "decoded",
            Self::Fingerprint => "fingerprint",
            Self::Contained => "contained",
            Self::Identity => "identity",
            Self::Name => "name",
        }
    }
}

/// How soon somebody must act, most urgent last, so that the greater is the worse. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// Dead and known to be: only history is left to clean.
    Remediated,
    /// Look when there is time; what was not read may change it.
    Later,
    /// Find out soon.
    Soon,
    /// Rotate or revoke now.
    Now,
}

impl Urgency {
    /// Returns the name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Remediated => "remediated",
            Self::Later => "later",
            Self::Soon => "soon",
            Self::Now => "now",
        }
    }
}

/// A place in a store. Texts are as the store gives them, without values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StorePlace {
    /// The store's name (`[stores.NAME]`, or its kind).
    pub store: String,
    /// The key's full path in the store.
    pub key: String,
    /// The version, if the store has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The field inside, as `password` or `config#/db/password`; `None` if the secret is one whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The environment that the key belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl StorePlace {
    /// Stands for a key's name in reports that leave names out (`--redact-paths`).
    pub const WITHHELD: &'static str = "(withheld)";
}

/// Who may read a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Readers {
    /// How many are known.
    pub known: u64,
    /// The first of them, sorted, at most ten.
    pub sample: Vec<String>,
    /// Whether these are all; inherited rights often cannot be seen.
    pub complete: bool,
}

/// How old a key's current value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Age {
    /// Whole days since it was made.
    pub days: u32,
    /// The most days that the policy allows, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_days: Option<u32>,
}

impl Age {
    /// Tells whether the policy wanted a rotation before now.
    #[must_use]
    pub fn is_overdue(self) -> bool {
        self.allowed_days.is_some_and(|allowed| self.days > allowed)
    }
}

/// What is known of one finding after asking the stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In the store.
    pub store: StoreState,
    /// At the provider.
    pub provider: ProviderState,
    /// When the provider refused it, RFC 3339, by the tombstone of its rotation; `None` if it was asked now, or never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_at: Option<String>,
    /// How soon somebody must act: the two states crossed (STORES 6.2).
    pub urgency: Urgency,
    /// Where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<StorePlace>,
    /// How it was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<MatchKind>,
    /// Who answers for the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readers: Option<Readers>,
    /// How old the key's current value is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// Other places with the same value, sorted, at most [`Verdict::MAX_ALSO`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<StorePlace>,
    /// Further such places beyond those listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// What audit logs say of the value, one a log, when asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Uses>,
}

/// What the audit log of a store says of a value: who sent it or got it. Texts are the log's own; times are RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uses {
    /// The store's name.
    pub store: String,
    /// Whether it was looked for: what is not text, or could be guessed, is not.
    pub compared: bool,
    /// Requests that sent it or got it, refused ones too.
    pub requests: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Requests by operation and path (`read secret/data/prod/app`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, u64>,
    /// Requests by who asked, by display name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub principals: BTreeMap<String, u64>,
    /// Requests by the address that they came from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<String, u64>,
    /// Paths, principals and addresses beyond those that are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// The time of the log's first entry: uses before it are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_from: Option<String>,
    /// Entries of the log that were read.
    pub log_entries: u64,
    /// Lines of the log that are no entry: torn, too long or of another format.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub log_unread: u64,
}

impl Verdict {
    /// Most other places that are listed.
    pub const MAX_ALSO: usize = 20;

    /// Tells whether the value opens something today: accepted by its provider, or handed out by a store now or next and
    /// not refused (exit code 10).
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self.provider {
            ProviderState::Accepted => true,
            ProviderState::Refused => false,
            ProviderState::Unknown { .. } | ProviderState::NotChecked => {
                matches!(self.store, StoreState::Current | StoreState::Pending)
            }
        }
    }
}

/// Why something of a store was not read, as machines need it: exit codes come from it. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreFault {
    /// We are known, and lack a right.
    Denied,
    /// There is no login, or it is wrong or expired.
    Login,
    /// It is sealed, down or cannot be reached.
    Unavailable,
    /// A quota or rate limit is used up.
    Quota,
    /// Anything else: settings, answers that make no sense, a stop by the user.
    Other,
}

/// What was read of one store, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCoverage {
    /// The store's name.
    pub store: String,
    /// Its kind and address, without credentials.
    pub address: String,
    /// Keys that were listed.
    pub listed: u64,
    /// Keys of which every readable version was read.
    pub read: u64,
    /// Versions whose values were compared.
    pub versions: u64,
    /// Keys or folders that we may not read.
    pub denied: u64,
    /// Keys that could not be read for another reason.
    pub failed: u64,
    /// Values that the store hides from everybody (write-only, hidden).
    pub hidden: u64,
    /// Versions that are deleted and could not be compared.
    pub deleted: u64,
    /// Keys whose oldest versions the store has thrown away.
    pub trimmed: u64,
    /// Whether the user's settings leave parts of the store out (prefixes, mounts, namespaces).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub narrowed: bool,
    /// Why the rest was not read, if the store stopped answering (sealed, expired token, quota).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The first things that were not read, sorted, at most [`StoreCoverage::MAX_PROBLEMS`]: where, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<StoreProblem>,
    /// The kinds of all faults that left something unread. Reports of older versions have none, whatever was not read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub faults: BTreeSet<StoreFault>,
}

impl StoreCoverage {
    /// Most problems that are listed.
    pub const MAX_PROBLEMS: usize = 50;

    /// Tells whether everything that the store has ever held was compared.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let missed = [
            self.denied,
            self.failed,
            self.hidden,
            self.deleted,
            self.trimmed,
        ];
        self.stopped.is_none() && !self.narrowed && missed.iter().all(|n| *n == 0)
    }

    /// Returns the kinds of faults that left something unread; [`StoreFault::Other`] where a report of an older version does not say.
    #[must_use]
    pub fn why_unread(&self) -> BTreeSet<StoreFault> {
        if self.is_read() || !self.faults.is_empty() {
            self.faults.clone()
        } else {
            BTreeSet::from([StoreFault::Other])
        }
    }

    /// Tells whether all that the store would give to a reader with every right was compared; deleted and trimmed versions are gone
    /// for everybody, and hidden values are told to nobody. A store that hides all it has was not read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        let tells_something = self.hidden == 0 || self.read > 0;
        self.stopped.is_none() && self.denied == 0 && self.failed == 0 && tells_something
    }
}

/// One thing in a store that was not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StoreProblem {
    /// The key or folder; empty for the store as a whole.
    pub key: String,
    /// What happened and what to do, in our own words.
    pub what: String,
    /// Which kind of fault it is; reports of older versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<StoreFault>,
}

/// One value that several keys share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SharedValue {
    /// The places, sorted, at least two.
    pub places: Vec<StorePlace>,
    /// Whether they belong to more than one environment.
    pub crosses_environments: bool,
}

/// What a run of verify did as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Each store, in the order of the configuration.
    pub stores: Vec<StoreCoverage>,
    /// Distinct values that were compared.
    pub compared: u64,
    /// Distinct texts that were compared for them: the values, their parts, and what they say behind encodings. Each answers one
    /// guess. 0 in reports of older versions.
    #[serde(default)]
    pub candidates: u64,
    /// Distinct values that were too weak to be compared.
    pub too_weak: u64,
    /// Distinct values beyond the limit of one run.
    pub over_limit: u64,
    /// Findings whose value is not known: the report has none, and its place no longer holds it.
    pub without_value: u64,
    /// Distinct values whose target could not be opened or asked, though the user wanted it (`--probe`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unprobed: u64,
    /// Values that keys of the stores share, when asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<SharedValue>,
}

impl Verification {
    /// Tells whether something that could have held a finding's value was not read, or a finding was not compared for a reason
    /// that the user can do something about.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.over_limit > 0
            || self.without_value > 0
            || self.unprobed > 0
            || self.stores.iter().any(|store| !store.is_read())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_value_is_not_live_though_the_store_hands_it_out() {
        let mut verdict = Verdict {
            store: StoreState::Current,
            provider: ProviderState::NotChecked,
            refused_at: None,
            urgency: Urgency::Now,
            place: None,
            by: None,
            owner: None,
            readers: None,
            age: None,
            also: Vec::new(),
            more: 0,
            uses: Vec::new(),
        };
        assert!(verdict.is_live());
        verdict.provider = ProviderState::Refused;
        assert!(!verdict.is_live());
        verdict.store = StoreState::Previous {
            behind: 1,
            since: None,
        };
        verdict.provider = ProviderState::Accepted;
        assert!(verdict.is_live());
    }

    #[test]
    fn reports_of_older_versions_are_read_and_their_gaps_are_of_no_kind() {
        let old = r#"{"store":"a","address":"x","listed":2,"read":1,"versions":1,"denied":1,"failed":0,"hidden":0,"deleted":0,
            "trimmed":0,"problems":[{"key":"k","what":"no right"}]}"#;
        let coverage: StoreCoverage = serde_json::from_str(old).unwrap();
        assert_eq!(coverage.why_unread(), BTreeSet::from([StoreFault::Other]));
        let new = StoreCoverage {
            faults: BTreeSet::from([StoreFault::Denied]),
            ..coverage
        };
        let text = serde_json::to_string(&new).unwrap();
        assert!(text.contains(r#""faults":["denied"]"#), "{text}");
        let again: StoreCoverage = serde_json::from_str(&text).unwrap();
        assert_eq!(again.why_unread(), BTreeSet::from([StoreFault::Denied]));
    }

    #[test]
    fn trimmed_versions_forbid_to_say_never() {
        let coverage = StoreCoverage {
            trimmed: 1,
            ..StoreCoverage::default()
        };
        assert!(!coverage.is_complete());
        assert!(coverage.is_read());
    }
}

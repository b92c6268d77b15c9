//! Policy in a run: files of the kinds that lints know are read beside the engine, and what the lints tell becomes findings.
//!
//! Promises: a file is read once and its bytes are dropped with the blob; what stays of it are places, masked text and keyed identities. Where a
//! rule of secrets and a lint meet on one value, there is one finding, the rule's, with the lint's fact as a related place.

mod beside;
mod findings;
mod gather;
mod mend;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::suppress::Marker,
    model::{
        BlobPath, Confidence, Location, Provenance, Related, RuleId, RuleMeta, Secret, Severity,
        SkipCause, Span,
    },
    policy::{self, Fix, Gathered, LintMeta, Persona, environment::Environments},
};

use super::hits::Shown;

pub(super) use beside::{Beside, beside};
pub use findings::Proposal;
pub(super) use findings::{Told, tell};
pub(super) use gather::{gather, hide};
pub use mend::{Mended, mend};

/// What of policy runs, and for whom.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Whose findings are reported: this persona's and those of the ones before it.
    pub persona: Persona,
    /// Environments and services of the configuration.
    pub environments: Environments,
    /// Lints that do not run.
    pub disabled: BTreeSet<RuleId>,
    /// Severities in place of the lints' own.
    pub severity: BTreeMap<RuleId, Severity>,
    /// Severities that count only where they are higher.
    pub at_least: BTreeMap<RuleId, Severity>,
}

impl Policy {
    /// Tells whether a lint runs.
    #[must_use]
    pub fn runs(&self, lint: &LintMeta) -> bool {
        !self.disabled.contains(&RuleId::new(lint.id))
    }

    /// Tells whether a lint's word is reported to this persona.
    fn shows(&self, lint: &LintMeta, persona: Persona) -> bool {
        self.runs(lint) && persona <= self.persona
    }

    /// Returns the severity of a finding, given the one that its lint told.
    fn weigh(&self, lint: &LintMeta, told: Severity) -> Severity {
        let id = RuleId::new(lint.id);
        let own = self.severity.get(&id).copied().unwrap_or(told);
        self.at_least.get(&id).map_or(own, |least| own.max(*least))
    }
}

/// What a lint told of one file, with everything that must be taken from the file before it is dropped.
#[derive(Debug)]
pub(super) struct LintHit {
    pub(super) lint: &'static LintMeta,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) message: String,
    pub(super) subject: String,
    pub(super) place: Spot,
    /// The bytes of the value itself.
    pub(super) value: Option<Span>,
    pub(super) secret: Secret,
    pub(super) related: Vec<Related>,
    pub(super) fix: Option<Fix>,
}

/// A place with what a report shows of it.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) location: Location,
    pub(super) provenance: Provenance,
    pub(super) markers: Vec<Marker>,
    pub(super) shown: Shown,
    /// Whether it is part of what changed, in runs that look at changes.
    pub(super) changed: bool,
}

/// A fact for lints of all files.
#[derive(Debug)]
pub(super) struct FactHit {
    pub(super) fact: Gathered,
    pub(super) spot: Spot,
    pub(super) secret: Secret,
}

/// Why a file was not read as its kind, or not all of it.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) text: String,
    /// What makes the run incomplete.
    pub(super) gap: Option<SkipCause>,
}

/// What one thread, or all, gathered of policy.
#[derive(Debug, Default)]
pub(super) struct Habits {
    pub(super) lints: Vec<LintHit>,
    pub(super) facts: Vec<FactHit>,
    /// What could not be read as its kind, and why.
    pub(super) notes: BTreeMap<BlobPath, Unread>,
    /// The paths of all files, for lints of all files.
    pub(super) paths: BTreeSet<BlobPath>,
}

impl Habits {
    /// Returns the values that lints know, of those that can be looked for.
    pub(super) fn values(&self) -> Vec<Secret> {
        let lints = self.lints.iter().map(|hit| &hit.secret);
        let facts = self.facts.iter().map(|hit| &hit.secret);
        let all = lints.chain(facts).filter(|secret| !secret.is_empty());
        all.cloned().collect()
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.lints.extend(other.lints);
        self.facts.extend(other.facts);
        self.notes.extend(other.notes);
        self.paths.extend(other.paths);
    }
}

/// Returns a lint as reports show a rule.
#[must_use]
pub fn meta_of(lint: &LintMeta) -> RuleMeta {
    let fix = match lint.fix {
        policy::FixClass::None => None,
        policy::FixClass::Unsafe => Some("fix-unsafe"),
        policy::FixClass::Safe => Some("fix-safe"),
    };
    let tags = ["policy", lint.persona.as_str()].into_iter().chain(fix);
    RuleMeta {
        id: RuleId::new(lint.id),
        description: lint.title.into(),
        family: FAMILY.to_owned(),
        provider: lint.tool.into(),
        source: lint.sources.join("; ").into(),
        cwe: lint.cwe,
        severity: lint.severity,
        confidence: lint.confidence,
        remediation: format!("{} {}", lint.help, lint.why).into(),
        tags: tags.map(str::to_owned).collect(),
    }
}

/// The family of all lints, part of the identity of their findings.
pub(super) const FAMILY: &str = "policy";

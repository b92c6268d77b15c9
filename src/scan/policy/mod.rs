//! Policy in a run: files of the kinds that lints know are read beside the engine, and what the lints tell becomes findings.
//!
//! Promises: a file is read once and its bytes are dropped with the blob; what stays of it are places, masked text and keyed identities. Where a
//! rule of secrets and a lint meet on one value, there is one finding, the rule's, with the lint's fact as a related place.

mod beside;
mod commits;
mod findings;
mod gather;
mod mend;
mod owners;
mod past;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::suppress::Marker,
    model::{
        Attribution, BlobPath, CommitInfo, Confidence, Location, Provenance, Related, RuleId,
        RuleMeta, Secret, Severity, SkipCause, Span,
    },
    policy::{self, FileKind, Fix, Gathered, LintMeta, Persona, environment::Environments},
};

use super::hits::Shown;

pub(super) use beside::{Beside, beside};
pub use findings::Proposal;
pub(super) use findings::{Told, tell};
pub(super) use gather::{gather, hide};
pub use mend::{Mended, mend};
pub(super) use past::{formats, past};
pub(super) use standing::standing;

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
    /// When ages are counted from, in seconds since 1970; without it none is told.
    pub today: Option<i64>,
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
    /// What history says of it, if it is a place in an earlier version of its file.
    pub(super) past: Option<Box<Attribution>>,
}

impl Spot {
    /// Returns the commit that brought it, if it is a place in an earlier version.
    fn introduced(&self) -> Option<&CommitInfo> {
        self.past.as_ref()?.introduced.as_ref()
    }
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

    /// Returns the values of earlier versions that can be looked for.
    pub(super) fn past_values(&self) -> impl Iterator<Item = Secret> {
        let past = self.facts.iter().filter(|hit| hit.fact.past.only);
        let all = past.map(|hit| &hit.secret);
        all.filter(|secret| !secret.is_empty()).cloned()
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.lints.extend(other.lints);
        self.facts.extend(other.facts);
        self.notes.extend(other.notes);
        self.paths.extend(other.paths);
    }
}

/// Tells whether a path alone makes a file one of this kind, so that a tool would refuse it if it could not be read: other files may be
/// templates, or something else under the same ending.
const fn is_certain(kind: FileKind) -> bool {
    matches!(
        kind,
        FileKind::GithubWorkflow
            | FileKind::GithubAction
            | FileKind::GitlabCi
            | FileKind::CircleCi
            | FileKind::Jenkinsfile
            | FileKind::AzurePipelines
            | FileKind::BitbucketPipelines
            | FileKind::Dockerfile
            | FileKind::Compose
            | FileKind::Kustomization
            | FileKind::Dotenv
    )
}

/// Tells whether a path is that of a template: what it becomes is another file.
fn is_template(path: &BlobPath) -> bool {
    const ENDINGS: [&[u8]; 8] = [
        b".j2",
        b".jinja",
        b".tmpl",
        b".tpl",
        b".erb",
        b".template",
        b".in",
        b".mustache",
    ];
    let path = path.as_bytes();
    let has = |mark: &[u8]| memchr::memmem::find(path, mark).is_some();
    has(b"{{") || has(b"{%") || ENDINGS.iter().any(|end| path.ends_with(end))
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

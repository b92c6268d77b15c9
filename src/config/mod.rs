//! `keysweep.toml`: what it says, whose word counts, and what it suppresses.
//!
//! Promises: an unknown key is an error with a suggestion; a configuration that is not the user's own can tighten a scan
//! and never loosen it; no error, notice or baseline holds a value. docs/configuration.md is the reference for users.
//!
//! The rules of a configuration are kept as text: [`crate::rules`] and this module do not see each other. The caller
//! builds the set of a run:
//!
//! ```no_run
//! # fn set(config: &keysweep::config::Config) -> Result<keysweep::rules::RuleSet, Box<dyn std::error::Error>> {
//! use keysweep::rules;
//!
//! let mut set = rules::builtin()?.without(&config.catalogue.disable);
//! for own in &config.rules {
//!     let added = rules::parse_user(&own.source.name, &own.source.text, &own.ids, &set)?;
//!     set = set.with(added);
//! }
//! set = set.with_severities(&config.catalogue.severity, &config.catalogue.at_least);
//! # Ok(set) }
//! ```

mod date;
mod environments;
mod error;
mod globs;
mod identity;
mod key_glob;
mod load;
mod ranged;
mod schema;
pub mod sinks;
mod size;
pub mod stores;
#[cfg(test)]
mod stores_tests;
pub mod suppress;
mod trust;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU16, NonZeroU32, NonZeroU64},
    ops::Range,
    sync::Arc,
};

use crate::model::{DigestKey, Persona, RuleId, Severity, SkipCause, closest};

pub use date::Date;
pub use error::{ConfigError, Fault};
pub use globs::PathGlobs;
pub use identity::project_key;
pub use key_glob::KeyGlob;
pub use load::{BASELINE_NAME, CONFIG_NAMES, discover, effective, load, load_baseline};
pub use ranged::{Committed, Ranged, ranged};
pub use schema::parse;
pub use trust::{Notice, Trust, loosens, merge};

/// A configuration in plain values. `Default` is that of a tree without one.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `[scan]`.
    pub scan: Scan,
    /// `[catalogue]`.
    pub catalogue: Catalogue,
    /// `[[rules]]`, as text.
    pub rules: Vec<OwnRules>,
    /// `[[allow]]`.
    pub allow: Vec<Allow>,
    /// `[markers]`.
    pub markers: MarkerSettings,
    /// `[identity] key`: the project's key.
    pub key: Option<DigestKey>,
    /// `[policy] persona`.
    pub persona: Option<Persona>,
    /// `[environments]`, by name.
    pub environments: BTreeMap<String, Environment>,
    /// `[services]`: globs of paths by name.
    pub services: BTreeMap<String, Vec<String>>,
    /// `[coverage] accept`: gaps that do not make a run incomplete.
    pub accept: BTreeSet<SkipCause>,
    /// `[report] fail-on`: the least severity that gives exit code 1.
    pub fail_on: Option<Severity>,
    /// Where rule ids are named, for [`Config::check_ids`].
    mentions: Vec<Mention>,
}

/// `[scan]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Globs of paths that are not read ([`PathGlobs`]); the ledger counts them.
    pub exclude: Vec<String>,
    /// Whether files hidden by ignore files are read too.
    pub ignored: bool,
    /// Largest file that is read, in bytes; larger ones are a gap.
    pub max_file_bytes: Option<u64>,
    /// Number of threads.
    pub threads: Option<NonZeroU16>,
    /// `[scan.archives]`.
    pub archives: Archives,
    /// `[scan.history] unreachable`: whether history scans report what nothing leads to.
    pub unreachable: bool,
}

/// `[scan.archives]`: limits of unpacking; `None` is the built-in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archives {
    /// How deep archives in archives go; 0 opens none.
    pub depth: Option<u32>,
    /// Most bytes of one member.
    pub member_bytes: Option<NonZeroU64>,
    /// Most bytes of all members of one outer archive together.
    pub total_bytes: Option<NonZeroU64>,
    /// Most unpacked bytes for each packed byte.
    pub ratio: Option<NonZeroU32>,
    /// Most members of one outer archive.
    pub members: Option<NonZeroU64>,
}

/// `[catalogue]`: changes to the built-in rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Rules that do not run, sorted.
    pub disable: Vec<RuleId>,
    /// Severities in place of the rules' own.
    pub severity: BTreeMap<RuleId, Severity>,
    /// Severities that count only where they are higher: what an untrusted configuration asked for.
    pub at_least: BTreeMap<RuleId, Severity>,
}

/// Rules of a configuration.
#[derive(Clone, Debug)]
pub struct OwnRules {
    /// The file they stand in.
    pub source: Arc<SourceText>,
    /// The ids of those that count.
    pub ids: BTreeSet<String>,
    /// Whether they come from a tree that is not the user's own: they may add findings, never change others.
    pub guests: bool,
    /// Their tables, to tell whether two configurations say the same.
    tables: BTreeMap<String, toml::Table>,
}

/// A configuration file.
#[derive(Debug)]
pub struct SourceText {
    /// Its name in errors.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
}

/// One `[[allow]]`: all kinds that are given must fit, and of each kind one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Why; never empty.
    pub reason: String,
    /// Rules; empty for all.
    pub rules: Vec<RuleId>,
    /// Globs of paths; empty for all.
    pub paths: Vec<String>,
    /// Keyed identities: `k1:` and 64 hex digits (a value under a rule's family) or 32 (a value, rule and path); empty for all.
    pub values: Vec<String>,
    /// The last day on which it counts.
    pub expires: Option<Date>,
    /// Where it stands (`keysweep.toml:12`).
    pub place: String,
}

/// One entry of `[environments]`: what belongs to the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// How much it must be protected; `None` to tell it by the name.
    pub tier: Option<Tier>,
    /// Globs of paths.
    pub paths: Vec<String>,
    /// Globs of Kubernetes namespaces.
    pub namespaces: Vec<String>,
    /// Beginnings of keys and variables (`PROD_`).
    pub keys: Vec<String>,
    /// Globs of addresses in stores (`secret/data/prod/**`).
    pub stores: Vec<String>,
}

/// How much an environment must be protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Real users and data.
    Production,
    /// Close to production.
    Staging,
    /// Development and tests.
    Development,
    /// Made-up values of tests and examples.
    Fixture,
}

impl Tier {
    /// Returns the tier of that name.
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "production" => Self::Production,
            "staging" => Self::Staging,
            "development" => Self::Development,
            "fixture" => Self::Fixture,
            _ => return None,
        })
    }
}

/// `[markers]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerSettings {
    /// Whether `keysweep:allow[...]` counts.
    pub inline: bool,
    /// Other scanners whose markers count as well.
    pub foreign: BTreeSet<suppress::ForeignMarker>,
    /// Whether markers are looked for and counted, but none is honoured: those of a tree that is not the user's own.
    pub refused: bool,
}

impl Default for MarkerSettings {
    fn default() -> Self {
        Self {
            inline: true,
            foreign: BTreeSet::new(),
            refused: false,
        }
    }
}

/// A place where a rule is named.
#[derive(Clone, Debug)]
struct Mention {
    id: RuleId,
    source: Arc<SourceText>,
    span: Range<usize>,
}

impl Config {
    /// Checks that every rule named in the configuration exists; `known` are the ids of all rules, the configuration's own among
    /// them.
    ///
    /// # Errors
    /// All unknown ids of one file, each with its place and the nearest id.
    pub fn check_ids(&self, known: &[&str]) -> Result<(), ConfigError> {
        let unknown = |mention: &&Mention| !known.contains(&mention.id.as_str());
        let Some(first) = self.mentions.iter().find(unknown) else {
            return Ok(());
        };
        let same_file = |mention: &&Mention| mention.source.name == first.source.name;
        let faults = self.mentions.iter().filter(unknown).filter(same_file);
        let faults = faults
            .map(|mention| {
                let id = mention.id.as_str().to_owned();
                let help = match closest(&id, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`? `keysweep rules list` shows all"),
                    None => "`keysweep rules list` shows all".to_owned(),
                };
                (Fault::NoSuchRule { id, help }, mention.span.clone())
            })
            .collect();
        match error::collect(&first.source.name, &first.source.text, faults) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

//! Addresses in stores that lead from one environment to another, and those that mix the forms of Vault's engines.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Confidence, Severity};

use super::{
    super::{
        super::{
            environment::{self, Environment, Evidence, Labels},
            fault::{CrossFault, Edit, FactData, Fix, FixClass, Pointer},
            lint::{Index, LintMeta, Persona},
            names,
            values::Store,
        },
        Class, Mode,
        grade::{self, Crossing, Match, Shared},
    },
    All, Metas, Seen, Told, address, message,
};

/// Words of jobs that read one environment to write another, and of addresses that name both ends.
const MOVES: [&str; 22] = [
    "migrate",
    "migration",
    "migrations",
    "migrator",
    "sync",
    "copy",
    "promote",
    "promotion",
    "restore",
    "replicate",
    "replication",
    "clone",
    "seed",
    "backfill",
    "backup",
    "mirror",
    "source",
    "target",
    "src",
    "dst",
    "destination",
    "import",
];

/// Tells addresses of other environments.
pub(super) fn tell(index: &Index<'_>, all: &All<'_>, metas: &Metas, told: &mut Told<'_>) {
    let mut crossed: BTreeMap<(String, String, String), Vec<&Seen<'_>>> = BTreeMap::new();
    let mut same: BTreeMap<(Store, String, Option<String>), Vec<&Seen<'_>>> = BTreeMap::new();
    for seen in all.seen.iter() {
        let Some(address) = address(seen) else {
            continue;
        };
        if seen
            .labels
            .evidence()
            .is_none_or(|evidence| evidence > Evidence::Directory)
            || seen.labels.is_fixture()
            || moves(seen)
        {
            continue;
        }
        let of = index.environments.of_store(&format!(
            "{}#{}",
            address.path,
            address.field.as_deref().unwrap_or_default()
        ));
        if of.is_empty() {
            if !address.is_template() && !address.is_shared() {
                same.entry((address.store, address.normal(), address.field.clone()))
                    .or_default()
                    .push(seen);
            }
        } else if grade::crossing(&seen.labels, &of).is_some() && !address.is_shared() {
            crossed
                .entry((seen.path.to_string(), seen.labels.names(), of.names()))
                .or_default()
                .push(seen);
        }
    }
    let spellings = spellings(all);
    for ((.., of), sites) in crossed {
        one(index, metas.crossed, &of, &sites, &spellings, told);
    }
    for sites in same.into_values() {
        shared(metas.crossed, &sites, told);
    }
    jobs(index, metas.crossed, told);
    mounts(all, metas.malformed, told);
}

/// Tells whether a place moves data between environments on purpose.
fn moves(seen: &Seen<'_>) -> bool {
    [seen.path.as_ref(), &seen.site.key]
        .into_iter()
        .flat_map(names::words)
        .any(|word| MOVES.contains(&word.as_str()))
}

/// The addresses of one file that lead to one other environment.
fn one(
    index: &Index<'_>,
    lint: &'static LintMeta,
    of: &str,
    sites: &[&Seen<'_>],
    spellings: &Spellings,
    told: &mut Told<'_>,
) {
    let Some((primary, rest)) = sites.split_first() else {
        return;
    };
    let (primary, rest) = message::changed_first(primary, rest.to_vec());
    let Some(address) = address(primary) else {
        return;
    };
    let labels = index.environments.of_store(&format!(
        "{}#{}",
        address.path,
        address.field.as_deref().unwrap_or_default()
    ));
    let Some(severity) = severity(&primary.labels, &labels) else {
        return;
    };
    let more = if rest.is_empty() {
        String::new()
    } else {
        format!(", as do: {}", message::links(&rest))
    };
    let environments: BTreeSet<&str> = primary
        .labels
        .environments()
        .iter()
        .chain(labels.environments())
        .map(|one| one.name())
        .collect();
    told.push(CrossFault {
        lint,
        severity,
        confidence: lint.confidence,
        persona: if severity == Severity::Info {
            Persona::Auditor
        } else {
            Persona::Regular
        },
        primary: Pointer::Fact(primary.fact),
        related: message::related(&rest),
        message: format!(
            "{} leads to the store path of {of}, `{}`{more}",
            message::place(primary),
            message::name(&address.path)
        ),
        subject: format!(
            "{}: {} to {of}",
            message::keys(sites),
            primary.labels.names()
        ),
        fix: swap(sites, spellings),
        properties: vec![
            (
                "environments",
                environments.into_iter().collect::<Vec<_>>().join(","),
            ),
            ("services", message::services(sites)),
            ("match", "reference".to_owned()),
            ("siteCount", sites.len().to_string()),
        ],
    });
}

/// How the addresses of a tree write each environment.
type Spellings = BTreeMap<Environment, BTreeSet<String>>;

fn spellings(all: &All<'_>) -> Spellings {
    let mut spellings = Spellings::new();
    for (word, _) in all
        .seen
        .iter()
        .filter_map(address)
        .flat_map(|address| &address.words)
    {
        if let Some(environment) = environment::of_word(word) {
            spellings
                .entry(environment)
                .or_default()
                .insert(word.clone());
        }
    }
    spellings
}

/// Writes the file's own environment where the other's stands, as other addresses of the tree write it. A guess: whether there is such a
/// path only the store knows.
fn swap(sites: &[&Seen<'_>], spellings: &Spellings) -> Option<Fix> {
    let [own] = sites.first()?.labels.environments() else {
        return None;
    };
    let spelling = spellings.get(own).filter(|all| all.len() == 1)?.first()?;
    let edit = |seen: &&Seen<'_>| match address(seen)?.words.as_slice() {
        [(_, span)] => Some(Edit::replace(span.clone(), spelling.clone())),
        _ => None,
    };
    Some(Fix {
        class: FixClass::Unsafe,
        title: format!("take the path of {}", own.name()),
        edits: sites.iter().map(edit).collect::<Option<_>>()?,
    })
}

/// A reference is graded as a value of 80 bits would be.
fn severity(here: &Labels, there: &Labels) -> Option<Severity> {
    let crossing =
        grade::crossing(here, there).filter(|crossing| *crossing != Crossing::Fixture)?;
    let shared = Shared {
        class: Class::Random,
        mode: Mode::Unknown,
        is_signing: false,
        is_ciphertext: false,
        by: Match::Exact,
    };
    grade::severity(crossing, shared)
}

/// One address without an environment's word from two environments. Each may have a store of its own unless the address says which.
fn shared(lint: &'static LintMeta, sites: &[&Seen<'_>], told: &mut Told<'_>) {
    let (order, _) = message::order(sites.to_vec());
    let (Some(low), Some(high)) = (order.first(), order.last()) else {
        return;
    };
    let Some(severity) = severity(&low.labels, &high.labels) else {
        return;
    };
    let Some(address) = address(low) else { return };
    let rest: Vec<&Seen<'_>> = order.iter().skip(1).rev().copied().collect();
    let (primary, rest) = message::changed_first(low, rest);
    let mut others = rest.iter().map(|seen| &seen.labels);
    let other = others.find(|labels| **labels != primary.labels);
    let environments = message::environments(&order);
    told.push(CrossFault {
        lint,
        severity: if address.is_absolute {
            severity
        } else {
            severity.min(Severity::Low)
        },
        confidence: if address.is_absolute {
            Confidence::Medium
        } else {
            Confidence::Low
        },
        persona: if address.is_absolute {
            Persona::Regular
        } else {
            Persona::Pedantic
        },
        primary: Pointer::Fact(primary.fact),
        related: message::related(&rest),
        message: format!(
            "{} is at the same store path as in {}: {}",
            message::place(primary),
            other.unwrap_or(&high.labels).names(),
            message::links(&rest)
        ),
        subject: format!("{}: {environments}", message::keys(&order)),
        fix: None,
        properties: message::properties(&order, "reference"),
    });
}

/// Jobs of one environment that read the secret named for another.
fn jobs(index: &Index<'_>, lint: &'static LintMeta, told: &mut Told<'_>) {
    for (fact, gathered) in index.facts.iter().enumerate() {
        let FactData::JobSecret(secret) = &gathered.data else {
            continue;
        };
        let here = secret
            .environment
            .as_deref()
            .map(|name| index.environments.of_declared(name))
            .unwrap_or_default();
        let there = index.environments.of_keys([secret.name.as_str()]);
        let is_move = names::words(&secret.job)
            .iter()
            .any(|word| MOVES.contains(&word.as_str()));
        let Some(severity) = severity(&here, &there).filter(|_| !is_move) else {
            continue;
        };
        let (job, name) = (message::name(&secret.job), message::name(&secret.name));
        told.push(CrossFault {
            lint,
            severity,
            confidence: lint.confidence,
            persona: if severity == Severity::Info {
                Persona::Auditor
            } else {
                Persona::Regular
            },
            primary: Pointer::Fact(fact),
            related: Vec::new(),
            message: format!(
                "job `{job}` of {} reads `{name}`, a secret of {}",
                here.names(),
                there.names()
            ),
            subject: format!("{job}: {name}"),
            fix: None,
            properties: vec![
                (
                    "environments",
                    format!("{},{}", here.names(), there.names()),
                ),
                ("services", String::new()),
                ("match", "reference".to_owned()),
                ("siteCount", "1".to_owned()),
            ],
        });
    }
}

/// Addresses of a mount without `data` where others of the same mount have it.
fn mounts(all: &All<'_>, lint: &'static LintMeta, told: &mut Told<'_>) {
    let parts = |seen: &Seen<'_>| {
        let address = address(seen).filter(|address| {
            address.is_raw && address.field.is_some() && !address.is_template()
        })?;
        let mut parts = address.path.trim_start_matches('/').splitn(3, '/');
        Some((
            parts.next()?.to_owned(),
            parts.next()?.to_owned(),
            parts.next().is_some(),
        ))
    };
    let versioned: BTreeSet<String> = all
        .seen
        .iter()
        .filter_map(parts)
        .filter(|(_, second, more)| second == "data" && *more)
        .map(|(mount, ..)| mount)
        .collect();
    for seen in &all.seen {
        let Some((mount, second, _)) = parts(seen) else {
            continue;
        };
        if !versioned.contains(&mount)
            || matches!(second.as_str(), "data" | "metadata")
            || seen.labels.is_fixture()
        {
            continue;
        }
        let key = message::name(&seen.site.key);
        told.push(CrossFault {
            lint,
            severity: lint.severity,
            confidence: Confidence::Medium,
            persona: lint.persona,
            primary: Pointer::Fact(seen.fact),
            related: Vec::new(),
            message: format!("`{key}` leads into the mount `{}` without `data/`, which other references to it have", message::name(&mount)),
            subject: format!("{key}: mount"),
            fix: None,
            properties: Vec::new(),
        });
    }
}

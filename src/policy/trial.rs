//! The examples of lints, run through all lints: each bad one fires once, each good one is silent.

use std::collections::BTreeSet;

use super::{
    environment::Environments,
    fault::{FactData, Gathered, Past, Pointer},
    lint::{Example, Index, LintMeta, Persona},
    read::{self, read},
    registry,
};
use crate::model::{BlobPath, DigestKey, Location, Secret, Severity};

/// What a lint told of an example.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The lint's id.
    pub id: &'static str,
    /// Where, as the example names the file.
    pub path: String,
    /// To whom.
    pub persona: Persona,
    /// How bad.
    pub severity: Severity,
    /// In which words.
    pub message: String,
}

/// Runs all lints over the files of an example.
#[must_use]
pub fn run(example: Example) -> Vec<Trial> {
    // Examples hold made-up values: any key will do.
    let key = DigestKey::new([7; 32]);
    let environments = Environments::default();
    let mut paths = BTreeSet::new();
    let mut facts = Vec::new();
    let mut told = Vec::new();
    let versions = example
        .iter()
        .filter_map(|(path, text)| earlier(path).map(|(days, path)| (days, path, *text)));
    let versions: Vec<_> = versions.collect();
    let now = example.iter().filter(|(path, _)| earlier(path).is_none());
    for (path, text) in now {
        let blob = BlobPath::from(*path);
        paths.insert(blob.clone());
        let Some(kind) = read::wants(&blob) else {
            continue;
        };
        let reading = read(&blob, kind, text.as_bytes(), &key, &environments);
        told.extend(reading.faults.into_iter().map(|fault| Trial {
            id: fault.lint.id,
            path: (*path).to_owned(),
            persona: fault.persona,
            severity: fault.severity,
            message: fault.message,
        }));
        facts.extend(reading.facts.into_iter().map(|fact| Gathered {
            path: blob.clone(),
            location: place(&blob, &fact.span),
            digest: fact.secret.and_then(|span| {
                let bytes = text.as_bytes().get(span)?;
                Some(key.digest("", &Secret::new(bytes)))
            }),
            data: fact.data,
            past: Past::default(),
        }));
    }
    add_past(&versions, &mut facts, &key, &environments);
    let index = Index {
        paths: &paths,
        facts: &facts,
        environments: &environments,
        whole: true,
        changed: &|_| true,
    };
    told.extend(registry::cross(&index).into_iter().map(|fault| {
        Trial {
            id: fault.lint.id,
            path: match &fault.primary {
                Pointer::Fact(number) => facts
                    .get(*number)
                    .map_or_else(String::new, |fact| fact.path.to_string()),
                Pointer::File(path) => path.to_string(),
            },
            persona: fault.persona,
            severity: fault.severity,
            message: fault.message,
        }
    }));
    told
}

/// Reads the name of a file in an example that stands for an earlier version of it: `400 days ago: deploy/prod.env`.
fn earlier(name: &'static str) -> Option<(u32, &'static str)> {
    let (days, path) = name.split_once(" days ago: ")?;
    Some((days.parse().ok()?, path))
}

/// Adds the values of earlier versions as a run over history does: those that the file no longer has as facts of their own, and the ages
/// of the others.
fn add_past(
    earlier: &[(u32, &str, &str)],
    facts: &mut Vec<Gathered>,
    key: &DigestKey,
    environments: &Environments,
) {
    let value = |data: &FactData| match data {
        FactData::Site(site) => site.prints().map(|prints| prints.value),
        FactData::JobSecret(_) | FactData::Item(_) => None,
    };
    let mut past = Vec::new();
    for (days, path, text) in earlier {
        let blob = BlobPath::from(*path);
        let Some(kind) = read::keeps_values(&blob) else {
            continue;
        };
        for fact in read::values(&blob, kind, text.as_bytes(), key, environments) {
            let own = value(&fact.data);
            let mut is_here = false;
            for known in facts.iter_mut().filter(|known| value(&known.data) == own) {
                is_here |= known.path == blob;
                known.past.age_days = known.past.age_days.max(Some(*days));
            }
            if !is_here {
                past.push(Gathered {
                    path: blob.clone(),
                    location: place(&blob, &fact.span),
                    digest: own,
                    data: fact.data,
                    past: Past {
                        only: true,
                        age_days: None,
                    },
                });
            }
        }
    }
    facts.append(&mut past);
}

fn place(path: &BlobPath, span: &std::ops::Range<usize>) -> Location {
    Location {
        path: path.clone(),
        start_line: 1,
        start_column: 1,
        end_line: 1,
        end_column: 1,
        byte_start: span.start as u64,
        byte_end: span.end as u64,
    }
}

/// Tells whether a finding is one that the regular persona must act on.
fn is_loud(one: &Trial) -> bool {
    one.persona == Persona::Regular && one.severity > Severity::Info
}

/// Lints that compare values: that the values stand in files at all is what other lints tell of the same examples.
const OF_VALUES: [&str; 5] = [
    "secret-age-exceeds-policy",
    "secret-reuse-services",
    "xenv-reuse-exact",
    "xenv-reuse-near",
    "xenv-secret-in-shared-base",
];

/// Returns what is wrong with each example of a lint: whether it is a bad one, its number from 0, and why.
#[must_use]
pub fn check(meta: &LintMeta) -> Vec<(bool, usize, String)> {
    let mut wrong = Vec::new();
    for (number, example) in meta.bad.iter().enumerate() {
        let told = run(example);
        let own = told.iter().filter(|one| one.id == meta.id).count();
        let others = told
            .iter()
            .filter(|one| one.id != meta.id && is_loud(one))
            .filter(|one| OF_VALUES.contains(&one.id) || !OF_VALUES.contains(&meta.id));
        let others: Vec<&str> = others.map(|one| one.id).collect();
        if own != 1 {
            wrong.push((
                true,
                number,
                format!("should fire once, but does {own} times"),
            ));
        }
        if !others.is_empty() {
            wrong.push((true, number, format!("fires {} too", others.join(", "))));
        }
    }
    for (number, example) in meta.good.iter().enumerate() {
        let told = run(example);
        let loud = told.iter().filter(|one| one.id == meta.id || is_loud(one));
        let loud: Vec<&str> = loud.map(|one| one.id).collect();
        if !loud.is_empty() {
            wrong.push((
                false,
                number,
                format!("should be silent, but fires {}", loud.join(", ")),
            ));
        }
    }
    wrong
}

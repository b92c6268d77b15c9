//! The catalogue as its own test: each bad example fires exactly once, each good one is silent.

use std::collections::BTreeSet;

use super::super::{
    environment::Environments,
    fault::{CrossFault, Gathered, Pointer},
    lint::{Example, Index, LintMeta, Persona},
    read::{self, read},
};
use super::*;
use crate::model::{BlobPath, DigestKey, Location, Secret, Severity};

/// What a run over an example told: id, path, persona, severity, message.
fn run(example: Example) -> Vec<(&'static str, String, Persona, Severity, String)> {
    let key = DigestKey::new([7; 32]);
    let environments = Environments::default();
    let mut paths = BTreeSet::new();
    let mut facts = Vec::new();
    let mut told = Vec::new();
    for (path, text) in example {
        let blob = BlobPath::from(*path);
        paths.insert(blob.clone());
        let Some(kind) = read::wants(&blob) else {
            continue;
        };
        let reading = read(&blob, kind, text.as_bytes(), &key, &environments);
        assert_eq!(reading.note, None, "{path}");
        for fault in reading.faults {
            assert!(
                fault.span.end <= text.len() && fault.span.start <= fault.span.end,
                "{fault:?}"
            );
            if let Some(secret) = &fault.secret {
                let value = &text[secret.clone()];
                assert!(
                    value.len() < 6 || !fault.message.contains(value),
                    "{fault:?}"
                );
                assert!(
                    value.len() < 6 || !fault.subject.contains(value),
                    "{fault:?}"
                );
            }
            told.push((
                fault.lint.id,
                (*path).to_owned(),
                fault.persona,
                fault.severity,
                fault.message,
            ));
        }
        facts.extend(reading.facts.into_iter().map(|fact| {
            Gathered {
                path: blob.clone(),
                location: Location {
                    path: blob.clone(),
                    start_line: 1,
                    start_column: 1,
                    end_line: 1,
                    end_column: 1,
                    byte_start: fact.span.start as u64,
                    byte_end: fact.span.end as u64,
                },
                digest: fact
                    .secret
                    .map(|span| key.digest("", &Secret::new(&text.as_bytes()[span]))),
                data: fact.data,
            }
        }));
    }
    let index = Index {
        paths: &paths,
        facts: &facts,
        environments: &environments,
        whole: true,
    };
    for CrossFault {
        lint,
        persona,
        severity,
        primary,
        message,
        ..
    } in cross(&index)
    {
        let path = match primary {
            Pointer::Fact(n) => facts[n].path.to_string(),
            Pointer::File(path) => path.to_string(),
        };
        told.push((lint.id, path, persona, severity, message));
    }
    told
}

fn shown(example: Example) -> String {
    example
        .iter()
        .map(|(path, text)| format!("--- {path}\n{text}\n"))
        .collect()
}

/// Lints that compare values: that the values stand in files at all is what other lints tell of the same examples.
const OF_VALUES: [&str; 4] = [
    "secret-reuse-services",
    "xenv-reuse-exact",
    "xenv-reuse-near",
    "xenv-secret-in-shared-base",
];

fn check(meta: &LintMeta, faults: &mut Vec<String>) {
    for example in meta.bad {
        let told = run(example);
        let own: Vec<_> = told.iter().filter(|one| one.0 == meta.id).collect();
        let others: Vec<_> = told
            .iter()
            .filter(|one| one.0 != meta.id && one.2 == Persona::Regular && one.3 > Severity::Info)
            .filter(|one| OF_VALUES.contains(&one.0) || !OF_VALUES.contains(&meta.id))
            .collect();
        if own.len() != 1 || !others.is_empty() {
            faults.push(format!(
                "{}: bad example fires {} times, others: {others:?}, all: {told:?}\n{}",
                meta.id,
                own.len(),
                shown(example)
            ));
        }
    }
    for example in meta.good {
        let told: Vec<_> = run(example)
            .into_iter()
            .filter(|one| one.0 == meta.id || one.2 == Persona::Regular && one.3 > Severity::Info)
            .collect();
        if !told.is_empty() {
            faults.push(format!(
                "{}: good example tells {told:?}\n{}",
                meta.id,
                shown(example)
            ));
        }
    }
}

#[test]
fn bad_examples_fire_once_and_good_ones_are_silent() {
    let mut faults = Vec::new();
    for meta in all() {
        check(meta, &mut faults);
    }
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn every_lint_has_examples_of_both_kinds_and_a_trap() {
    for meta in all() {
        assert!(!meta.bad.is_empty(), "{} has no bad example", meta.id);
        assert!(
            meta.good.len() >= 2,
            "{} needs its good form and a trap",
            meta.id
        );
    }
}

#[test]
fn ids_are_kebab_case_and_unique() {
    let mut ids = BTreeSet::new();
    for meta in all() {
        assert!(
            meta.id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "{}",
            meta.id
        );
        assert!(ids.insert(meta.id), "{} is there twice", meta.id);
        assert!(
            !meta.title.ends_with('.') && !meta.title.is_empty(),
            "{}",
            meta.id
        );
    }
}

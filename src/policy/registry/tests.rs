//! The catalogue as its own test: each bad example fires exactly once, each good one is silent.

use std::collections::BTreeSet;

use super::{
    super::{
        environment::Environments,
        lint::LintMeta,
        read::{self, read},
        trial,
    },
    *,
};
use crate::model::{BlobPath, DigestKey};

/// Reads every file of an example alone: spans lie within the text, and no value stands in what is told.
fn check_texts(meta: &LintMeta) {
    let key = DigestKey::new([7; 32]);
    let environments = Environments::default();
    for (path, text) in meta.bad.iter().chain(meta.good).copied().flatten() {
        let blob = BlobPath::from(*path);
        let Some(kind) = read::wants(&blob) else {
            continue;
        };
        let reading = read(&blob, kind, text.as_bytes(), &key, &environments);
        assert_eq!(reading.note, None, "{path}");
        for fault in reading.faults {
            let is_within = fault.span.end <= text.len() && fault.span.start <= fault.span.end;
            assert!(is_within, "{fault:?}");
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
        }
    }
}

#[test]
fn bad_examples_fire_once_and_good_ones_are_silent() {
    let mut faults = Vec::new();
    for meta in all() {
        check_texts(meta);
        for (is_bad, number, why) in trial::check(meta) {
            let examples = if is_bad { meta.bad } else { meta.good };
            let kind = if is_bad { "bad" } else { "good" };
            faults.push(format!(
                "{}: {kind} example {number} {why}: {:?}",
                meta.id, examples[number]
            ));
        }
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

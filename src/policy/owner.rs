//! One owner a place: where two lints speak of the same bytes, or one says more exactly what another says of the whole file, the more
//! exact one stands alone.

use std::{collections::BTreeMap, ops::Range};

use super::{
    fault::{CrossFault, Fault, Gathered, Pointer},
    lints,
};
use crate::model::Severity;

/// How far a lint's word goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The bytes that both point at.
    Overlap,
    /// The whole file.
    File,
}

/// Who is preferred to whom. The second may be any lint (`*`) where the first is named, and the other way round.
const OWNERS: [(&str, &str, Reach); 8] = [
    (
        "dotenv-client-exposed",
        "docker-secret-arg-env",
        Reach::Overlap,
    ),
    (
        "dotenv-client-exposed",
        "config-inline-credential",
        Reach::Overlap,
    ),
    ("dotenv-client-exposed", "src-env-dumped", Reach::Overlap),
    ("k8s-static-sa-token", "keyfile-committed", Reach::File),
    (
        "docker-copy-credential-file",
        "dotenv-not-ignored",
        Reach::File,
    ),
    ("k8s-plaintext-env", "k8s-secret-as-env", Reach::Overlap),
    (
        "docker-secret-arg-in-run",
        "docker-credential-left-in-layer",
        Reach::Overlap,
    ),
    ("*", "config-inline-credential", Reach::Overlap),
];

/// Lints that tell each literal of one tool, and how that tool takes it otherwise: they own what `weak-default-password` tells of a whole file.
const LITERALS: [&str; 14] = [
    "ansible-plaintext-secret",
    "cfn-plaintext-secret",
    "compose-plaintext-env",
    "compose-weak-default",
    "gha-plaintext-env",
    "helm-values-plaintext-secret",
    "k8s-configmap-secret",
    "k8s-plain-secret-manifest",
    "k8s-plaintext-env",
    "pulumi-plaintext-config",
    "serverless-plaintext-env",
    "tf-plaintext-env-resource",
    "tf-tfvars-secret",
    "tf-variable-default-secret",
];

fn is_owner(winner: &str, loser: &str, reach: Reach) -> bool {
    winner != loser
        && OWNERS.iter().any(|(first, second, how)| {
            (*first == "*" || *first == winner) && *second == loser && *how == reach
        })
}

/// Drops the faults of a file that others own.
pub(super) fn settle(faults: &mut Vec<Fault>) {
    settle_guesses(faults);
    let places: Vec<_> = faults
        .iter()
        .map(|fault| (fault.lint.id, fault.span.clone(), fault.severity))
        .collect();
    let may_lose = |id: &str| OWNERS.iter().any(|(_, loser, _)| *loser == id);
    faults.retain(|fault| {
        !may_lose(fault.lint.id)
            || !places.iter().any(|(id, span, severity)| {
                let overlaps = span.start < fault.span.end && fault.span.start < span.end;
                // A milder word must not silence a harder one, but for the same thing said more exactly.
                if *severity < fault.severity && *id != "k8s-static-sa-token" {
                    return false;
                }
                is_owner(id, fault.lint.id, Reach::File)
                    || overlaps && is_owner(id, fault.lint.id, Reach::Overlap)
            })
    });
}

/// Leaves to a fault of guessable passwords the places that no other lint tells as literals.
fn settle_guesses(faults: &mut Vec<Fault>) {
    let is_guess = |fault: &Fault| fault.lint.id == lints::lifecycle::ID;
    if !faults.iter().any(is_guess) {
        return;
    }
    // Spans by their starts; what lints tell of literals seldom overlaps.
    let mut owned: BTreeMap<usize, (usize, Severity)> = BTreeMap::new();
    for fault in faults
        .iter()
        .filter(|fault| LITERALS.contains(&fault.lint.id))
    {
        let span = fault.secret.as_ref().unwrap_or(&fault.span);
        owned.insert(span.start, (span.end, fault.severity));
    }
    let (guesses, rest): (Vec<_>, Vec<_>) = std::mem::take(faults).into_iter().partition(is_guess);
    *faults = rest;
    for guess in guesses {
        let severity = guess.severity;
        let is_owned = |span: &Range<usize>| {
            owned
                .range(..span.end)
                .next_back()
                .is_some_and(|(_, (end, worst))| *end > span.start && *worst >= severity)
        };
        faults.extend(lints::lifecycle::without(guess, &is_owned));
    }
    faults.sort_by(|a, b| {
        (a.span.start, a.span.end, a.lint.id).cmp(&(b.span.start, b.span.end, b.lint.id))
    });
}

/// Drops the faults of all files that others own in the same file.
pub(super) fn settle_across(faults: &mut Vec<CrossFault>, facts: &[Gathered]) {
    let path = |fault: &CrossFault| match &fault.primary {
        Pointer::Fact(number) => facts.get(*number).map(|fact| fact.path.clone()),
        Pointer::File(path) => Some(path.clone()),
    };
    let places: Vec<_> = faults
        .iter()
        .map(|fault| (fault.lint.id, path(fault)))
        .collect();
    faults.retain(|fault| {
        let own = path(fault);
        !places
            .iter()
            .any(|(id, path)| *path == own && is_owner(id, fault.lint.id, Reach::File))
    });
}

#[cfg(test)]
mod tests {
    use crate::{
        model::{BlobPath, DigestKey},
        policy::{environment::Environments, read, wants},
    };

    fn told(path: &str, text: &str) -> Vec<(&'static str, String, usize)> {
        let blob = BlobPath::from(path);
        let kind = wants(&blob).expect(path);
        let key = DigestKey::new([7; 32]);
        let reading = read(&blob, kind, text.as_bytes(), &key, &Environments::default());
        let faults = reading.faults.into_iter();
        faults
            .map(|fault| {
                (
                    fault.lint.id,
                    text[fault.span].to_owned(),
                    fault.related.len(),
                )
            })
            .collect()
    }

    #[test]
    fn one_value_that_can_be_guessed_is_told_once() {
        for (path, text, owner) in [
            (
                "group_vars/all.yml",
                "db_password: postgres\n",
                "ansible-plaintext-secret",
            ),
            (
                "k8s/db.yaml",
                "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  password: postgres\n",
                "k8s-plain-secret-manifest",
            ),
            (
                "serverless.yml",
                "service: shop\nprovider:\n  name: aws\n  environment:\n    DB_PASSWORD: postgres\n",
                "serverless-plaintext-env",
            ),
            (
                "main.tf",
                "resource \"aws_db_instance\" \"db\" {\n  password = \"postgres\"\n}\n",
                "tf-plaintext-env-resource",
            ),
        ] {
            let ids: Vec<_> = told(path, text).iter().map(|one| one.0).collect();
            assert_eq!(ids, [owner], "{path}");
        }
    }

    #[test]
    fn what_only_the_guess_tells_stays_its_own() {
        // The first value is written by a season, so that the lint of literals tells it; the second is a known word.
        let text = "services:\n  a:\n    image: acme/a:1\n    environment:\n      APP_SECRET: Winter@2023\n      DB_PASSWORD: postgres\n";
        assert_eq!(
            told("compose.yml", text),
            [
                ("compose-plaintext-env", "Winter@2023".to_owned(), 0),
                ("weak-default-password", "postgres".to_owned(), 0),
            ]
        );
    }
}

//! One owner a place: where two lints speak of the same bytes, or one says more exactly what another says of the whole file, the more
//! exact one stands alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

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
const OWNERS: [(&str, &str, Reach); 9] = [
    ("gha-secret-echo", "gha-xtrace-with-secret", Reach::Overlap),
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

/// Which faults own those of one lint and severity.
#[derive(Default)]
struct Cover {
    /// Whether one owns the whole file.
    whole: bool,
    /// Starts of their spans, sorted.
    starts: Vec<usize>,
    /// The furthest end of a span up to this one.
    ends: Vec<usize>,
}

impl Cover {
    /// Gathers the owners of `loser` among faults that are sorted by their starts.
    fn of(faults: &[Fault], loser: &Fault) -> Self {
        let mut cover = Self::default();
        for fault in faults {
            let id = fault.lint.id;
            // A milder word must not silence a harder one, but for the same thing said more exactly.
            if fault.severity < loser.severity && id != "k8s-static-sa-token" {
                continue;
            }
            cover.whole |= is_owner(id, loser.lint.id, Reach::File);
            if is_owner(id, loser.lint.id, Reach::Overlap) {
                let last = cover.ends.last().copied().unwrap_or_default();
                cover.starts.push(fault.span.start);
                cover.ends.push(last.max(fault.span.end));
            }
        }
        cover
    }

    fn holds(&self, span: &Range<usize>) -> bool {
        let before = self.starts.partition_point(|start| *start < span.end);
        let reach = before.checked_sub(1).and_then(|last| self.ends.get(last));
        self.whole || reach.is_some_and(|end| span.start < *end)
    }
}

/// Drops the faults of a file, which are sorted by their starts, that others own. Only faults that are shown may be among them.
pub(super) fn settle(faults: &mut Vec<Fault>) {
    settle_guesses(faults);
    let may_lose = |id: &str| OWNERS.iter().any(|(_, loser, _)| *loser == id);
    let mut covers: BTreeMap<(&str, Severity), Cover> = BTreeMap::new();
    for fault in faults.iter().filter(|fault| may_lose(fault.lint.id)) {
        covers
            .entry((fault.lint.id, fault.severity))
            .or_insert_with(|| Cover::of(faults, fault));
    }
    faults.retain(|fault| {
        let cover = covers.get(&(fault.lint.id, fault.severity));
        !cover.is_some_and(|cover| cover.holds(&fault.span))
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
    let owned = OWNERS.iter().filter(|(.., how)| *how == Reach::File);
    for (winner, loser, _) in owned {
        let places: BTreeSet<_> = faults
            .iter()
            .filter(|fault| fault.lint.id == *winner)
            .map(path)
            .collect();
        faults.retain(|fault| fault.lint.id != *loser || !places.contains(&path(fault)));
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        model::{BlobPath, DigestKey},
        policy::{environment::Environments, read, read_for, wants},
    };

    #[test]
    fn a_lint_that_is_not_shown_silences_none_that_is() {
        let path = BlobPath::from("Dockerfile");
        let text = "FROM a\nARG TOKEN\nRUN echo $TOKEN > /root/.netrc && curl -H \"X: $TOKEN\" x\n";
        let ids = |hidden: &str| -> Vec<&str> {
            let reading = read_for(
                &path,
                wants(&path).unwrap(),
                text.as_bytes(),
                &DigestKey::new([7; 32]),
                &Environments::default(),
                &|fault| fault.lint.id != hidden,
            );
            reading.faults.iter().map(|fault| fault.lint.id).collect()
        };
        let all = ids("");
        assert!(all.contains(&"docker-secret-arg-in-run"), "{all:?}");
        assert!(!all.contains(&"docker-credential-left-in-layer"), "{all:?}");
        let rest = ids("docker-secret-arg-in-run");
        assert!(
            rest.contains(&"docker-credential-left-in-layer"),
            "{rest:?}"
        );
    }

    #[test]
    fn a_print_owns_the_trace_of_the_same_word() {
        let path = BlobPath::from(".github/workflows/a.yml");
        let text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          set -x\n          echo \"$DB_PASSWORD\"\n        env:\n          DB_PASSWORD: ${{ secrets.DB_PASSWORD }}\n";
        let kind = wants(&path).unwrap();
        let key = DigestKey::new([7; 32]);
        let reading = read(&path, kind, text.as_bytes(), &key, &Environments::default());
        let ids = reading.faults.iter().map(|fault| fault.lint.id);
        let of_word: Vec<&str> = ids
            .filter(|id| ["gha-secret-echo", "gha-xtrace-with-secret"].contains(id))
            .collect();
        assert_eq!(of_word, ["gha-secret-echo"]);
    }

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

//! One owner a place: where two lints speak of the same bytes, or one says more exactly what another says of the whole file, the more
//! exact one stands alone.

use super::fault::{CrossFault, Fault, Gathered, Pointer};

/// How far a lint's word goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The bytes that both point at.
    Overlap,
    /// The whole file.
    File,
}

/// Who is preferred to whom. The second may be any lint (`*`) where the first is named, and the other way round.
const OWNERS: [(&str, &str, Reach); 10] = [
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
    ("k8s-plaintext-env", "weak-default-password", Reach::Overlap),
    (
        "docker-secret-arg-in-run",
        "docker-credential-left-in-layer",
        Reach::Overlap,
    ),
    ("*", "config-inline-credential", Reach::Overlap),
];

fn is_owner(winner: &str, loser: &str, reach: Reach) -> bool {
    winner != loser
        && OWNERS.iter().any(|(first, second, how)| {
            (*first == "*" || *first == winner) && *second == loser && *how == reach
        })
}

/// Drops the faults of a file that others own.
pub(super) fn settle(faults: &mut Vec<Fault>) {
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
}

//! Kubernetes manifests: plain files, what is literal in Helm templates, and patches of Kustomize.
//!
//! `object` finds the objects and containers, `judge` decides whether a name and a value are a secret in clear, `nested` reads settings
//! that stand in a value as a text. The lints are one file a topic. Charts and Kustomize are in `helm`, which shares `judge` and `nested`.

use super::super::lint::Lint;

mod argv;
mod configmap;
mod encryption;
mod environment;
pub(super) mod judge;
pub(super) mod nested;
pub(super) mod object;
mod rbac;
mod secret;
mod shared;
mod words;

pub(super) use secret::strength_of;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &environment::Environment,
    &secret::Secrets,
    &configmap::ConfigMap,
    &argv::Argv,
    &shared::Shared,
    &rbac::Rbac,
    &encryption::Encryption,
];

#[cfg(test)]
pub(super) mod testing {
    //! Runs all lints over one file.

    use crate::{
        model::{BlobPath, DigestKey, Severity},
        policy::{self, environment::Environments},
    };

    /// A fault as tests look at it.
    #[derive(Debug)]
    pub(crate) struct Told {
        /// By which lint.
        pub(crate) id: &'static str,
        /// What it points at.
        pub(crate) text: String,
        /// What parts it from others.
        pub(crate) subject: String,
        /// How bad it is.
        pub(crate) severity: Severity,
    }

    /// Returns the faults that a file has.
    pub(crate) fn told(path: &str, text: &str) -> Vec<Told> {
        let blob = BlobPath::from(path);
        let kind = policy::wants(&blob).expect("a kind of file that lints read");
        let reading = policy::read(
            &blob,
            kind,
            text.as_bytes(),
            &DigestKey::new([7; 32]),
            &Environments::default(),
        );
        let faults = reading.faults.into_iter();
        faults
            .map(|fault| Told {
                id: fault.lint.id,
                text: text[fault.span].to_owned(),
                subject: fault.subject,
                severity: fault.severity,
            })
            .collect()
    }

    /// Returns what the faults of one lint point at.
    pub(crate) fn texts(id: &str, path: &str, text: &str) -> Vec<String> {
        told(path, text)
            .into_iter()
            .filter(|one| one.id == id)
            .map(|one| one.text)
            .collect()
    }
}

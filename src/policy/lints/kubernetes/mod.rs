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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::told;

    const MANIFESTS: [(&str, &str); 5] = [
        (
            "a.yaml",
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    args: [--token=$(T), 'x']\n    env:\n    \
             - {name: DB_PASSWORD, value: hunter2-Zq81}\n",
        ),
        (
            "a.yaml",
            "apiVersion: v1\nkind: Secret\ndata:\n  password: aHVudGVyMi1acTgx\nstringData:\n  a.env: |\n\n    TOKEN=hunter2-Zq81\n",
        ),
        (
            "a.yaml",
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  a.json: '{\"password\": \"hunter2-Zq81\"}'\n  b.ini: >\n    password = hunter2-Zq81\n",
        ),
        (
            "c/templates/a.yaml",
            "apiVersion: v1\nkind: Pod\n{{- if .x }}\nspec: {{ default \"changeme\" .Values.password }}\n  containers:\n  - command:\n    \
             - sh\n    - -c\n    - |\n      redis-cli -a \"$PASSWORD\" {{ .y }}\n",
        ),
        (
            "kustomization.yaml",
            "secretGenerator:\n- name: a\n  literals: ['password=hunter2-Zq81']\n  envs: [../x.env]\n",
        ),
    ];

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(
            which in 0..MANIFESTS.len(),
            at in 0_usize..400,
            cut in 0_usize..6,
            put in "[ \\-a:\\[\\]{}'\"|>\n\r&*!#\\\\é$(,=]{0,6}",
        ) {
            let (path, text) = MANIFESTS[which];
            let at = at.min(text.len());
            let end = (at + cut).min(text.len());
            told(path, &format!("{}{put}{}", &text[..at], &text[end..]));
        }
    }
}

//! What the tests of Google's and Azure's stores share.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use keysweep::{
    config::stores::VerifyLimits,
    model::{Secret, Verdict, Verification},
    stores::{Change, KeyPath, SecretStore, StoreError, VersionId},
    verify::{Opened, Options, verify},
};

/// Writes fields on top of a version.
pub(super) fn stage(
    store: &dyn SecretStore,
    key: &str,
    base: &str,
    fields: &[(&str, &str)],
) -> Result<String, StoreError> {
    let fields: BTreeMap<String, Secret> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new(value.as_bytes())))
        .collect();
    let version = store.stage(&Change {
        key: &KeyPath::new(key),
        base: &VersionId::new(base),
        fields: &fields,
        token: "made-up-0123456789-made-up-0123456789",
    })?;
    Ok(version.to_string())
}

/// Compares values with all that a store holds.
pub(super) fn verdicts(store: &dyn SecretStore, values: &[&str]) -> (Vec<Verdict>, Verification) {
    let secrets: Vec<Secret> = values.iter().map(|v| Secret::new(v.as_bytes())).collect();
    let values: Vec<Option<&Secret>> = secrets.iter().map(Some).collect();
    let stop = AtomicBool::new(false);
    let opened = Opened {
        name: "s",
        store: Ok(store),
        environment: None,
        prefixes: &[],
        narrowed: false,
        max_age_days: None,
        remembered: Default::default(),
    };
    let options = Options {
        limits: VerifyLimits::default(),
        reuse: false,
        readers: true,
        now: 1_800_000_000,
        key: [3; 32],
        remembered: &|_| None,
        environment: &|_| None,
        stop: &stop,
        progress: &|_| {},
    };
    let outcome = verify(&values, &[opened], &options);
    (outcome.verdicts, outcome.verification)
}

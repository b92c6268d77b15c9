//! What a rotation works on, opened from the user's stores file: the stores, targets and sinks of the keys at hand, the state directory,
//! the identity of journals, and the credentials that keysweep itself uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    config::{
        sinks::SinkEntry,
        stores::{StoreKind, StoresFile, TargetKind, VaultAuth},
    },
    model::{Secret, StorePlace, StoreState},
    policy::environment::Environments,
    rotate::{self, EnvironmentsOf, OpenSink, OpenTarget, SharedBy, UnderWay, Unopened, World},
    stores::{
        SecretStore, Surroundings,
        credential::{at_home, credential_file},
        sink, target,
    },
    verify,
};

use super::{error::CliError, scan, settings, stores as opening, verify as verifying};

/// Variables whose values open stores and targets.
const OWN_VARIABLES: [&str; 6] = [
    "BAO_TOKEN",
    "VAULT_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "SOPS_AGE_KEY",
];

/// The stores, targets and sinks of some keys.
pub(super) struct Opened {
    stores: Vec<Box<dyn SecretStore>>,
    targets: Vec<OpenTarget>,
    sinks: Vec<OpenSink>,
    own: Vec<Secret>,
    environments: Box<EnvironmentsOf>,
    shared: Box<SharedBy>,
    unopened: Vec<Unopened>,
    under_way: Vec<UnderWay>,
}

impl Opened {
    /// Opens what these keys (store, key) need. A store that cannot be opened is an error.
    pub(super) fn new(
        file: &StoresFile,
        keys: &BTreeSet<(String, String)>,
    ) -> Result<Self, CliError> {
        let opened = Self::as_far_as_it_goes(file, keys)?;
        match opened.unopened.into_iter().next() {
            Some(one) => Err(one.error.into()),
            None => Ok(Self {
                unopened: Vec::new(),
                ..opened
            }),
        }
    }

    /// Opens what these keys need; what cannot be opened stands in the way of its own keys alone.
    pub(super) fn as_far_as_it_goes(
        file: &StoresFile,
        keys: &BTreeSet<(String, String)>,
    ) -> Result<Self, CliError> {
        let surroundings = opening::surroundings();
        // A store that the file does not have is told by the plan, with the reason.
        let names = keys.iter().map(|(store, _)| store.clone());
        let names = names.filter(|name| file.stores.contains_key(name));
        let mut names: Vec<String> = names.collect();
        names.dedup();
        let (mut stores, mut unopened) = (Vec::new(), Vec::new());
        if !names.is_empty() {
            for (name, store) in opening::open_all(file, &names) {
                match store {
                    Ok(store) => stores.push(store),
                    Err(error) => unopened.push(Unopened {
                        store: name,
                        key: None,
                        is_sink: false,
                        error,
                    }),
                }
            }
        }
        let mut targets = Vec::new();
        for entry in &file.targets {
            if !keys.contains(&(entry.store.clone(), entry.key.clone())) {
                continue;
            }
            let target = match entry.kind {
                TargetKind::None => None,
                _ => match target::open(entry, &surroundings) {
                    Ok(target) => Some(target),
                    Err(error) => {
                        unopened.push(Unopened {
                            store: entry.store.clone(),
                            key: Some(entry.key.clone()),
                            is_sink: false,
                            error,
                        });
                        continue;
                    }
                },
            };
            targets.push(OpenTarget {
                entry: entry.clone(),
                target,
            });
        }
        let sinks = sinks(file, keys, &surroundings, &mut unopened);
        Ok(Self {
            stores,
            targets,
            sinks,
            own: own(file, &surroundings),
            environments: environments(file),
            shared: shared(file),
            unopened,
            under_way: rotate::under_way(&state(file).join(rotate::JOURNALS))?,
        })
    }

    /// Takes it that nobody else has the values: what they are was found out a moment ago, by this process.
    pub(super) fn just_verified(mut self) -> Self {
        self.shared = Box::new(|_, _, _| Ok(0));
        self
    }

    pub(super) fn world(&self) -> World<'_> {
        World {
            stores: &self.stores,
            targets: &self.targets,
            sinks: &self.sinks,
            own: &self.own,
            environments: Some(self.environments.as_ref()),
            shared: Some(self.shared.as_ref()),
            unopened: &self.unopened,
            under_way: &self.under_way,
        }
    }
}

/// Opens the sinks of these keys; one that cannot be opened stands in the way of its own key alone, as a target does.
fn sinks(
    file: &StoresFile,
    keys: &BTreeSet<(String, String)>,
    surroundings: &Surroundings<'_>,
    unopened: &mut Vec<Unopened>,
) -> Vec<OpenSink> {
    let is_needed = |entry: &&SinkEntry| keys.contains(&(entry.store.clone(), entry.key.clone()));
    let mut sinks = Vec::new();
    for entry in file.sinks.iter().filter(is_needed) {
        match sink::open(entry, surroundings) {
            Ok(sink) => sinks.push(OpenSink {
                entry: entry.clone(),
                sink,
            }),
            Err(error) => unopened.push(Unopened {
                store: entry.store.clone(),
                key: Some(entry.key.clone()),
                is_sink: true,
                error,
            }),
        }
    }
    sinks
}

/// Returns what looks through all stores for other places with a value, as `verify` does: only reads.
fn shared(file: &StoresFile) -> Box<SharedBy> {
    let file = file.clone();
    Box::new(move |store, key, value| {
        let opened = opening::open_all(&file, &[]);
        let places = verifying::places(&opened, &file);
        let options = verify::Options {
            limits: file.verify.limits(),
            reuse: false,
            readers: false,
            now: settings::now(),
            key: settings::random_bytes().map_err(|error| error.to_string())?,
            remembered: &|_| None,
            environment: &|_| None,
            stop: scan::stop(),
            progress: &|_| {},
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(verifying::READERS);
        let pool = pool.build().map_err(|error| error.to_string())?;
        let outcome = pool.install(|| verify::verify(&[Some(value)], &places, &options));
        let mut stopped = outcome.verification.stores.iter();
        if let Some(coverage) = stopped.find(|coverage| !coverage.is_read()) {
            let why = coverage.stopped.as_deref();
            let why = why.unwrap_or("not all of it was read; keysweep verify tells what was not");
            return Err(format!("the store {}: {why}", coverage.store));
        }
        let verdict = outcome.verdicts.first();
        match verdict {
            Some(verdict) if !matches!(verdict.store, StoreState::NotCompared { .. }) => {
                let elsewhere = |place: &&StorePlace| place.store != store || place.key != key;
                let all = verdict.place.iter().chain(&verdict.also);
                Ok(all.filter(elsewhere).count() as u64 + verdict.more)
            }
            _ => Err("the value is too weak to be compared".to_owned()),
        }
    })
}

/// Returns what tells the environments of a key: that of its store, else all that its path names.
fn environments(file: &StoresFile) -> Box<EnvironmentsOf> {
    let of_stores: BTreeMap<String, Option<String>> = file
        .stores
        .iter()
        .map(|(name, entry)| (name.clone(), entry.environment.clone()))
        .collect();
    let words = Environments::default();
    Box::new(move |store, key| {
        if let Some(Some(environment)) = of_stores.get(store) {
            return vec![environment.clone()];
        }
        let labels = words.of_store(key);
        let names = labels.environments().iter().map(|one| one.name());
        names.map(str::to_owned).collect()
    })
}

/// Returns where journals, the audit log and tombstones are.
pub(super) fn state(file: &StoresFile) -> PathBuf {
    let own = || settings::state_directory().join("keysweep");
    let set = file.rotate.state.as_deref();
    set.map_or_else(own, |path| at_home(path, settings::home().as_deref()))
}

/// Returns the text of the age identities that seal journals: the one of `[rotate]`, else where the local store looks.
pub(super) fn identity(file: &StoresFile) -> Result<Secret, CliError> {
    let home = settings::home();
    let from = |path: &Path| {
        let path = at_home(path, home.as_deref());
        Ok(credential_file("rotate", &path, "[rotate] identity")?)
    };
    if let Some(path) = &file.rotate.identity {
        return from(path);
    }
    if let Some(path) = settings::variable("SOPS_AGE_KEY_FILE") {
        return from(Path::new(&path));
    }
    if let Some(text) = settings::variable("SOPS_AGE_KEY") {
        return Ok(Secret::new(text.as_encoded_bytes()));
    }
    let config = opening::user_folder();
    let config = config
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""));
    let places = ["sops/age/keys.txt", "keysweep/age.txt"].map(|place| config.join(place));
    match places.iter().find(|place| place.is_file()) {
        Some(place) => from(place),
        None => Err(CliError::NoIdentity),
    }
}

/// Returns the values that keysweep logs in with, as far as they can be read: a plan must not rotate them.
fn own(file: &StoresFile, surroundings: &Surroundings<'_>) -> Vec<Secret> {
    let of_sinks = file.sinks.iter().filter_map(SinkEntry::token_variable);
    let variables = OWN_VARIABLES.into_iter().chain(of_sinks);
    let variables = variables.filter_map(|name| {
        let value = (surroundings.variable)(name)?;
        Some(Secret::new(value.as_encoded_bytes()))
    });
    let mut own: Vec<Secret> = variables.collect();
    let mut files: Vec<&Path> = Vec::new();
    for entry in file.stores.values() {
        match &entry.kind {
            StoreKind::Vault(settings) => match &settings.auth {
                VaultAuth::Token { file } => files.push(file),
                VaultAuth::Approle { secret_id_file, .. } => files.push(secret_id_file),
                VaultAuth::Jwt { file, .. } => files.extend(file.as_deref()),
                VaultAuth::Environment => files.push(Path::new("~/.vault-token")),
            },
            StoreKind::Openorch(settings) => files.push(&settings.token_file),
            StoreKind::Local(settings) => files.extend(settings.identity.as_deref()),
            StoreKind::Dotenv(_)
            | StoreKind::Command(_)
            | StoreKind::Aws(_)
            | StoreKind::Ssm(_)
            | StoreKind::Kubernetes(_)
            | StoreKind::Gcp(_)
            | StoreKind::Azure(_) => {}
        }
    }
    for entry in &file.targets {
        match &entry.kind {
            TargetKind::Postgres(settings) => files.push(&settings.admin_password_file),
            TargetKind::Redis(settings) => files.push(&settings.admin_password_file),
            TargetKind::Ssh(settings) => files.extend(settings.admin_identity_file.as_deref()),
            TargetKind::Webhook(settings) => files.push(&settings.key_file),
            TargetKind::AwsIam(_) | TargetKind::Command(_) | TargetKind::None => {}
        }
    }
    files.extend(
        file.sinks
            .iter()
            .filter_map(SinkEntry::token_file)
            .map(PathBuf::as_path),
    );
    for path in files {
        let path = at_home(path, surroundings.home.as_deref());
        // One that cannot be read opens nothing either; whoever needs it says so.
        own.extend(credential_file("own", &path, "file").ok());
    }
    own
}

//! Kubernetes Secrets.
//!
//! A key's path is `NAMESPACE/NAME`, its fields are the keys of `data`, decoded. There is one version, named by the `resourceVersion`: what
//! was there before is nowhere in the API, so every key is trimmed, a write cannot be taken back from here (the caller stages the old values if
//! it still has them), and a read of a version that is not current any more fails.
//!
//! The `kube` crate finds the cluster and logs in; which requests are sent and how answers are read is decided here.
//! tests/it/kubernetes_fake.rs says what was seen at kube-apiserver 1.20.2.

mod cluster;
mod list;
mod meta;
mod readers;
mod values;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use self::{
    list::{Listing, Namespace, Position, Root},
    meta::Labels,
    readers::Rules,
    wire::{Call, Wire},
};
use super::{
    Capabilities, Change, Cursor, Fault, Field, Health, KeyInfo, KeyPath, Page, ReadOutcome,
    SecretStore, StoreError, Surroundings, VersionId, json::Json,
};
use crate::{
    config::stores::{KubernetesSettings, StoreEntry},
    model::Readers,
};

/// A cluster's secrets.
pub struct Kubernetes {
    wire: Wire,
    namespaces: Vec<String>,
    prefixes: Vec<String>,
    roots: Mutex<Arc<Vec<Root>>>,
    known: Mutex<Known>,
    rules: Mutex<BTreeMap<Option<String>, Arc<Rules>>>,
}

/// What is known of namespaces.
#[derive(Default)]
struct Known {
    asked: bool,
    /// Whether all could be listed: then one that is not among them is missing.
    whole: bool,
    namespaces: BTreeMap<String, Namespace>,
}

impl Kubernetes {
    /// Opens the store of `[stores.NAME]` with `kind = "kubernetes"`. Nothing is sent; an exec plugin of the kubeconfig may be run.
    ///
    /// # Errors
    /// [`Fault::Setup`] for a kubeconfig or settings that cannot work.
    pub fn open(
        name: &str,
        entry: &StoreEntry,
        settings: &KubernetesSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            wire: cluster::open(name, settings, surroundings)?,
            namespaces: settings.namespaces.clone(),
            prefixes: entry.prefixes.clone(),
            roots: Mutex::default(),
            known: Mutex::default(),
            rules: Mutex::default(),
        })
    }

    /// Returns what is known of a namespace; asks for all of them the first time, and one by one where that is denied.
    fn namespace(&self, name: &str) -> Namespace {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.asked {
            known.asked = true;
            if let Ok(all) = list::namespaces(&self.wire) {
                known.whole = true;
                known.namespaces = all
                    .into_iter()
                    .map(|(name, labels)| {
                        let namespace = Namespace {
                            labels,
                            is_missing: false,
                        };
                        (name, namespace)
                    })
                    .collect();
            }
        }
        if let Some(namespace) = known.namespaces.get(name) {
            return namespace.clone();
        }
        let found = if known.whole {
            Namespace {
                is_missing: true,
                ..Namespace::default()
            }
        } else {
            self.ask_namespace(name)
        };
        known.namespaces.insert(name.to_owned(), found.clone());
        found
    }

    fn ask_namespace(&self, name: &str) -> Namespace {
        let what = format!("look at the namespace {name}");
        let path = format!("/api/v1/namespaces/{}", list::segment(name));
        let Ok(answer) = self.wire.call(&Call::metadata(&path, &what)) else {
            // Labels are a help, and no reason to stop.
            return Namespace::default();
        };
        let metadata = Json::parse(&answer.body)
            .ok()
            .and_then(|json| json.member("metadata"));
        Namespace {
            labels: metadata.map(Labels::of).unwrap_or_default(),
            is_missing: answer.status == 404,
        }
    }

    /// Replaces the listing of the whole cluster by one of each namespace.
    fn one_by_one(&self, denied: StoreError) -> Result<Page, StoreError> {
        let roots: Vec<Root> = match list::namespaces(&self.wire) {
            Ok(all) => all
                .into_iter()
                .map(|(name, _)| Root::Namespace(name))
                .collect(),
            Err(error) if error.fault.stops() => return Err(error),
            Err(_) => {
                let help = "name `namespaces` for the store, or let it list secrets of the cluster (docs/kubernetes.md)";
                let denied = StoreError {
                    help: help.to_owned(),
                    ..denied
                };
                return Ok(Page {
                    problems: vec![(KeyPath::new("*"), denied)],
                    ..Page::default()
                });
            }
        };
        let roots = Arc::new(roots);
        *self.roots.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&roots);
        self.page(&roots, Position::default())
    }

    fn page(&self, roots: &[Root], position: Position) -> Result<Page, StoreError> {
        let listing = Listing {
            wire: &self.wire,
            roots,
            prefixes: &self.prefixes,
            namespace: &|name| self.namespace(name),
        };
        listing.page(position)
    }

    /// Returns roles and bindings; asks for them the first time.
    fn rules(&self, namespace: Option<&str>) -> Result<Arc<Rules>, StoreError> {
        let mut known = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let place = namespace.map(str::to_owned);
        if let Some(rules) = known.get(&place) {
            return Ok(Arc::clone(rules));
        }
        let rules = Arc::new(Rules::fetch(&self.wire, namespace)?);
        known.insert(place, Arc::clone(&rules));
        Ok(rules)
    }

    /// Returns a line for `health` if a request is denied.
    fn lacks(&self, path: &str, what: &str, then: &str) -> Result<Option<String>, StoreError> {
        match self.wire.call(&Call::metadata(path, what)) {
            Ok(_) => Ok(None),
            Err(error) if error.fault == Fault::Denied => {
                Ok(Some(format!("may not {what}: {then}")))
            }
            Err(error) => Err(error),
        }
    }
}

impl SecretStore for Kubernetes {
    fn name(&self) -> &str {
        &self.wire.name
    }

    fn address(&self) -> String {
        format!("kubernetes {}", self.wire.address)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            write: true,
            readers: true,
            ..Capabilities::default()
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        let answer = self
            .wire
            .call(&Call::get("/version", "ask for the version"))?;
        let version = Json::parse(&answer.body).ok();
        let version = version.and_then(|json| json.member("gitVersion")?.name());
        let mut notes = Vec::new();
        for root in list::roots(&self.namespaces, &self.prefixes) {
            let (path, what) = match &root {
                Root::Cluster => (
                    "/api/v1/secrets?limit=1".to_owned(),
                    "list the secrets of the cluster".to_owned(),
                ),
                Root::Namespace(name) => (
                    format!("/api/v1/namespaces/{}/secrets?limit=1", list::segment(name)),
                    format!("list the secrets of {name}"),
                ),
            };
            let then = match root {
                Root::Cluster => "namespaces are listed one by one",
                Root::Namespace(_) => "it is not read",
            };
            notes.extend(self.lacks(&path, &what, then)?);
        }
        let roles = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?limit=1";
        let then = "who may read a secret is told incompletely";
        notes.extend(self.lacks(roles, "list role bindings of the cluster", then)?);
        let then = "owners and environments of namespaces are not known";
        notes.extend(self.lacks("/api/v1/namespaces?limit=1", "list namespaces", then)?);
        notes.push(
            "the server keeps no earlier values: a leaked one that was replaced is not found here"
                .to_owned(),
        );
        Ok(Health {
            version: version.map(|version| format!("Kubernetes {version}")),
            notes,
            ..Health::default()
        })
    }

    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let position = Position::of(&self.wire, after)?;
        if after.is_some() {
            let roots = Arc::clone(&self.roots.lock().unwrap_or_else(PoisonError::into_inner));
            return self.page(&roots, position);
        }
        let roots = Arc::new(list::roots(&self.namespaces, &self.prefixes));
        if roots.is_empty() {
            return Err(self.wire.error(
                Fault::Setup,
                "list: `namespaces` and `prefixes` of the store have nothing in common",
                "write prefixes as NAMESPACE/NAME, and name their namespaces or none",
            ));
        }
        *self.roots.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&roots);
        let mut page = self.page(&roots, position)?;
        let is_cluster = roots.first() == Some(&Root::Cluster);
        match page.problems.pop() {
            Some((_, error)) if is_cluster && error.fault == Fault::Denied => {
                self.one_by_one(error)
            }
            problem => {
                page.problems.extend(problem);
                Ok(page)
            }
        }
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        let what = format!("look at {key}");
        let answer = values::fetch(&self.wire, key, true, &what)?;
        let json = self.wire.json(&answer, &what)?;
        let namespace = key.as_str().split('/').next().unwrap_or_default();
        let labels = self.namespace(namespace).labels;
        json.member("metadata")
            .and_then(|metadata| meta::info(metadata, &labels))
            .ok_or_else(|| self.wire.garbled(&what))
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        values::read(&self.wire, key, version, sink)
    }

    fn readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        // The path is checked as every other request has it.
        values::path(&self.wire, key)?;
        let (namespace, name) = key.as_str().split_once('/').unwrap_or_default();
        let cluster = self.rules(None)?;
        let own = self.rules(Some(namespace))?;
        Ok(readers::readers(&cluster, &own, name))
    }

    fn rehearse(&self, change: &Change<'_>) -> Result<(), StoreError> {
        values::stage(&self.wire, change, true).map(drop)
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        values::stage(&self.wire, change, false)
    }

    fn unstage(&self, key: &KeyPath, _: &VersionId, _: &VersionId) -> Result<(), StoreError> {
        Err(self.wire.error(
            Fault::Unsupported,
            format!("take the write to {key} back: the server does not know the values of before any more"),
            "write the old values again, from where they are kept (the rotation's journal, the GitOps repository)",
        ))
    }

    fn annotate(&self, key: &KeyPath, _: &[(&str, &str)]) -> Result<(), StoreError> {
        // Every note makes a new version, which a rotation under way would take for somebody else's write. Its own write carries its name.
        Err(self.wire.error(
            Fault::Unsupported,
            format!("leave a note at {key}: it would make a new version"),
            "the annotation keysweep/write names the last write, managedFields says when it was",
        ))
    }
}

//! Which environments and services a path, a document, a key or a store's address belongs to.
//!
//! Evidence comes in classes ([`Evidence`]); the first class that yields a label wins, inside a class labels are united. Words count in
//! the places where the tools put environments, never anywhere in a path: `stages_second_stage.yaml` and `latest.json` are of none.
//! Promise: the answer depends on the texts given and the configuration alone, and is linear in them.

mod directory;
mod file_name;
mod labels;
mod words;

use std::fmt;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

pub use directory::Siblings;
pub use labels::{Environment, Evidence, Labels, Tier};

/// What a project says of one of its environments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// How well guarded it is; that of its name if missing.
    pub tier: Option<Tier>,
    /// Globs of paths.
    pub paths: Vec<String>,
    /// Globs of names that documents declare: namespaces, environments of jobs.
    pub namespaces: Vec<String>,
    /// Beginnings of keys, in any case: `PROD_`.
    pub key_prefixes: Vec<String>,
    /// Globs of addresses in stores.
    pub store_paths: Vec<String>,
}

/// What a project says of one of its services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceDefinition {
    /// Its name.
    pub name: String,
    /// Globs of paths.
    pub paths: Vec<String>,
}

/// A glob of the configuration that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadGlob {
    /// The glob.
    pub glob: String,
    /// The environment or service that it stands in.
    pub name: String,
    /// Why, in the words of its reader.
    pub reason: String,
}

impl fmt::Display for BadGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` of `{}` is no glob: {}",
            self.glob, self.name, self.reason
        )
    }
}

impl std::error::Error for BadGlob {}

#[derive(Clone, Debug)]
struct Configured {
    environment: Environment,
    paths: GlobSet,
    namespaces: GlobSet,
    key_prefixes: Vec<String>,
    store_paths: GlobSet,
}

/// What is known of environments and services: the configuration, and the grammars of tools. The default is no configuration.
#[derive(Clone, Debug, Default)]
pub struct Environments {
    configured: Vec<Configured>,
    services: Vec<(String, GlobSet)>,
}

impl Environments {
    /// Takes what the configuration says.
    ///
    /// # Errors
    /// The first glob that is none.
    pub fn new(
        environments: &[Definition],
        services: &[ServiceDefinition],
    ) -> Result<Self, BadGlob> {
        let configured = environments.iter().map(|one| {
            Ok(Configured {
                environment: Environment::custom(&one.name, one.tier),
                paths: path_globs(&one.name, &one.paths)?,
                namespaces: globs(&one.name, &one.namespaces)?,
                key_prefixes: one
                    .key_prefixes
                    .iter()
                    .map(|key| key.to_ascii_lowercase())
                    .collect(),
                store_paths: globs(&one.name, &one.store_paths)?,
            })
        });
        let services = services
            .iter()
            .map(|one| Ok((one.name.clone(), path_globs(&one.name, &one.paths)?)));
        Ok(Self {
            configured: configured.collect::<Result<_, _>>()?,
            services: services.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the environments of a file by its path (with `/`) alone.
    #[must_use]
    pub fn of_path(&self, path: &str) -> Labels {
        self.of_path_among(path, &Siblings::default())
    }

    /// Returns the environments of a file by its path, folders beside its own counted.
    #[must_use]
    pub fn of_path_among(&self, path: &str, siblings: &Siblings) -> Labels {
        let configured = self.configured(Evidence::Config, |one| one.paths.is_match(path));
        if !configured.is_empty() {
            return configured;
        }
        self.called(Self::told_by_path(path, siblings))
    }

    fn told_by_path(path: &str, siblings: &Siblings) -> Labels {
        let lower = path.to_ascii_lowercase();
        let segments: Vec<&str> = lower.split('/').filter(|part| !part.is_empty()).collect();
        let Some((name, folders)) = segments.split_last() else {
            return Labels::default();
        };
        let file = file_name::read(name, folders);
        let mut labels = Labels::new(file.environments, Evidence::FileName);
        if labels.is_empty() {
            labels = Labels::new(
                directory::read(name, folders, siblings),
                Evidence::Directory,
            );
        }
        if file.is_example {
            return labels.among_fixtures(Evidence::FileName);
        }
        if directory::is_fixture(folders) {
            return labels.among_fixtures(Evidence::Directory);
        }
        if labels.is_empty() && (file.is_base || directory::is_base(name, folders)) {
            return Labels::new([Environment::SHARED], Evidence::Base);
        }
        labels
    }

    /// Returns the environments that a document declares by this name: a namespace, a profile, the environment of a job.
    #[must_use]
    pub fn of_declared(&self, name: &str) -> Labels {
        let configured = self.configured(Evidence::Config, |one| {
            one.namespaces.is_match(name) || one.environment.name() == name
        });
        if !configured.is_empty() {
            return configured;
        }
        // `kube-system/prod` and `review/$CI_COMMIT_REF_SLUG` of GitLab: each part counts.
        let parts = name.split('/').flat_map(|part| words::named(part, true));
        self.called(Labels::new(parts, Evidence::Document))
    }

    /// Returns the environments that a key names by its first or last word, or one of the keys above it: `keys` from the outermost in.
    #[must_use]
    pub fn of_keys<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Labels {
        let mut found = Vec::new();
        let mut configured = Vec::new();
        for key in keys {
            let lower = key.to_ascii_lowercase();
            let starts = |one: &&Configured| {
                one.key_prefixes
                    .iter()
                    .any(|prefix| lower.starts_with(prefix.as_str()))
            };
            configured.extend(
                self.configured
                    .iter()
                    .filter(starts)
                    .map(|one| one.environment.clone()),
            );
            let words = super::names::words(key).join("-");
            // Variables of GitLab and others begin with `CI`, whatever environment they are for.
            found.extend(
                words::named(&words, false)
                    .into_iter()
                    .filter(|one| *one != Environment::CI),
            );
        }
        if !configured.is_empty() {
            return Labels::new(configured, Evidence::Config);
        }
        self.called(Labels::new(found, Evidence::Key))
    }

    /// Returns the environments that an address in a store names: `secret/data/prod/db`, `/prod/db`, `PROD_KEY`.
    #[must_use]
    pub fn of_store(&self, address: &str) -> Labels {
        let configured = self.configured(Evidence::Config, |one| one.store_paths.is_match(address));
        if !configured.is_empty() {
            return configured;
        }
        let parts = address.split(['/', '#', ':', '?', '=', '&', ',', ';', '.']);
        self.called(Labels::new(
            parts.flat_map(|part| words::named(part, false)),
            Evidence::Address,
        ))
    }

    /// Returns the environments that a host names: `db.prod.internal`, `staging-db`, `localhost`. The last part of a name with dots is
    /// none (`example.dev`, `app.test`, `svc.cluster.local`).
    #[must_use]
    pub fn of_host(&self, host: &str) -> Labels {
        let host = host.split(':').next().unwrap_or_default();
        if matches!(host, "127.0.0.1" | "0.0.0.0" | "::1") {
            return Labels::new([Environment::LOCAL], Evidence::Address);
        }
        let inner = host.rsplit_once('.').map_or(host, |(inner, _)| inner);
        let parts = inner.split('.').flat_map(|part| words::named(part, false));
        self.called(Labels::new(parts, Evidence::Address))
    }

    /// Returns labels with the names that the configuration gives their environments.
    #[must_use]
    pub fn called(&self, labels: Labels) -> Labels {
        if self.configured.is_empty() {
            return labels;
        }
        labels.renamed(|environment| {
            let mut all = self.configured.iter().map(|one| &one.environment);
            all.find(|one| *one == environment).cloned()
        })
    }

    /// Returns the service of a file: by the configuration, or the folder below `apps`, `services` or `packages`.
    #[must_use]
    pub fn service_of_path(&self, path: &str) -> Option<String> {
        if let Some((name, _)) = self.services.iter().find(|(_, globs)| globs.is_match(path)) {
            return Some(name.clone());
        }
        let folders: Vec<&str> = path.rsplit_once('/')?.0.split('/').collect();
        let of_many =
            |two: &&[&str]| matches!(two.first(), Some(&("apps" | "services" | "packages")));
        let found = folders.windows(2).find(of_many)?;
        found.get(1).map(|name| (*name).to_owned())
    }

    fn configured(&self, evidence: Evidence, is_it: impl Fn(&Configured) -> bool) -> Labels {
        let found = self.configured.iter().filter(|one| is_it(one));
        Labels::new(found.map(|one| one.environment.clone()), evidence)
    }
}

/// Returns the environment that a whole word names, where other words may stand as well.
#[must_use]
pub fn of_word(word: &str) -> Option<Environment> {
    words::whole(word, false)
}

/// Reads globs of paths as ignore files have them: without a `/` at any depth, else from the root, and what fits a folder fits all in it.
fn path_globs(name: &str, written: &[String]) -> Result<GlobSet, BadGlob> {
    let all = written.iter().flat_map(|glob| {
        let bare = glob.trim_end_matches('/');
        let bare = match bare.strip_prefix('/') {
            Some(rooted) => rooted.to_owned(),
            None if bare.contains('/') => bare.to_owned(),
            None => format!("**/{bare}"),
        };
        [format!("{bare}/**"), bare]
    });
    globs(name, &all.collect::<Vec<_>>())
}

fn globs(name: &str, globs: &[String]) -> Result<GlobSet, BadGlob> {
    let bad = |glob: &str, error: &globset::Error| BadGlob {
        glob: glob.to_owned(),
        name: name.to_owned(),
        reason: error.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let parsed: Glob = GlobBuilder::new(glob)
            .literal_separator(true)
            .build()
            .map_err(|error| bad(glob, &error))?;
        set.add(parsed);
    }
    set.build().map_err(|error| bad(&globs.join(", "), &error))
}

#[cfg(test)]
mod tests;

//! Which environments and services a path, a document, a key or a store's address belongs to.
//!
//! Evidence comes in classes ([`Evidence`]); the first class that yields a label wins, inside a class labels are united. Words count in
//! the places where the tools put environments, never anywhere in a path: `stages_second_stage.yaml` and `latest.json` are of none.
//! Promise: the answer depends on the texts given and the configuration alone, and is linear in them.

mod directory;
mod file_name;
mod words;

use std::{borrow::Cow, fmt};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

pub use directory::Siblings;

/// How well guarded an environment is. Ordered: what comes later holds more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Tests' data, examples, documentation.
    Fixture,
    /// A layer that several environments are built on.
    Base,
    /// Where people develop and tests run.
    Lower,
    /// Like production, but not it.
    Staging,
    /// Where the real data is.
    Production,
}

impl Tier {
    /// Reads the name used in configuration.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "production" | "prod" => Self::Production,
            "staging" => Self::Staging,
            "development" | "dev" | "test" | "lower" | "non-production" => Self::Lower,
            "fixture" => Self::Fixture,
            "shared" | "base" => Self::Base,
            _ => return None,
        })
    }
}

/// An environment: its short name, and how well guarded it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment {
    tier: Tier,
    name: Cow<'static, str>,
}

impl Environment {
    /// Production.
    pub const PROD: Self = Self::known("prod", Tier::Production);
    /// Disaster recovery: production elsewhere.
    pub const DR: Self = Self::known("dr", Tier::Production);
    /// Staging.
    pub const STAGING: Self = Self::known("staging", Tier::Staging);
    /// Pre-production.
    pub const PREPROD: Self = Self::known("preprod", Tier::Staging);
    /// User acceptance tests.
    pub const UAT: Self = Self::known("uat", Tier::Staging);
    /// Previews of changes under review.
    pub const PREVIEW: Self = Self::known("preview", Tier::Staging);
    /// Quality assurance, integration.
    pub const QA: Self = Self::known("qa", Tier::Lower);
    /// Automatic tests.
    pub const TEST: Self = Self::known("test", Tier::Lower);
    /// Build pipelines.
    pub const CI: Self = Self::known("ci", Tier::Lower);
    /// Development.
    pub const DEV: Self = Self::known("dev", Tier::Lower);
    /// One person's machine.
    pub const LOCAL: Self = Self::known("local", Tier::Lower);
    /// A place to try things.
    pub const SANDBOX: Self = Self::known("sandbox", Tier::Lower);
    /// Demonstrations.
    pub const DEMO: Self = Self::known("demo", Tier::Lower);
    /// Everything but production.
    pub const NONPROD: Self = Self::known("nonprod", Tier::Lower);
    /// Tests' data, examples, documentation.
    pub const FIXTURE: Self = Self::known("fixture", Tier::Fixture);
    /// The layer that others are built on.
    pub const SHARED: Self = Self::known("shared", Tier::Base);

    const fn known(name: &'static str, tier: Tier) -> Self {
        Self {
            tier,
            name: Cow::Borrowed(name),
        }
    }

    /// Names an environment of a project's own; without a tier that of its name, else [`Tier::Lower`].
    #[must_use]
    pub fn custom(name: &str, tier: Option<Tier>) -> Self {
        let known = words::whole(name, true);
        match (known, tier) {
            (Some(known), None) => known,
            (Some(known), Some(tier)) if known.tier == tier => known,
            (_, tier) => Self {
                tier: tier.unwrap_or(Tier::Lower),
                name: Cow::Owned(name.to_owned()),
            },
        }
    }

    /// Returns its short name: `prod`, `staging`, `dev`, or that of the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how well guarded it is.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Tells whether two names may mean one place: equal ones, and everything but production beside what is not production.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let holds = |all: &Self, one: &Self| {
            *all == Self::NONPROD && matches!(one.tier, Tier::Lower | Tier::Staging)
        };
        self == other || holds(self, other) || holds(other, self)
    }
}

/// What a label was taken from, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The configuration.
    Config,
    /// The document says so: a namespace, a profile, a job's environment.
    Document,
    /// The file's name.
    FileName,
    /// The folders it is in.
    Directory,
    /// The key or one above it.
    Key,
    /// The address in a store, or the host in a connection string.
    Address,
    /// Nothing but that its kind of file is the base of others.
    Base,
}

/// The environments of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Sorted, each once.
    environments: Vec<Environment>,
    evidence: Option<Evidence>,
}

impl Labels {
    /// Labels of one class of evidence; none of no environments.
    #[must_use]
    pub fn new(environments: impl IntoIterator<Item = Environment>, evidence: Evidence) -> Self {
        let mut environments: Vec<_> = environments.into_iter().collect();
        environments.sort();
        environments.dedup();
        let evidence = (!environments.is_empty()).then_some(evidence);
        Self { environments, evidence }
    }

    /// Returns the environments, fixture and shared among them.
    #[must_use]
    pub fn environments(&self) -> &[Environment] {
        &self.environments
    }

    /// Tells whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty()
    }

    /// Tells whether it is production (or its spare), and no tests' copy of it.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.tier() == Some(Tier::Production)
    }

    /// Tells whether it is staging or the like, and neither production nor a fixture.
    #[must_use]
    pub fn is_staging(&self) -> bool {
        self.tier() == Some(Tier::Staging)
    }

    /// Tells whether it is development, test or the like alone.
    #[must_use]
    pub fn is_lower(&self) -> bool {
        self.tier() == Some(Tier::Lower)
    }

    /// Tells whether it is tests' data, an example or documentation, whatever else it is.
    #[must_use]
    pub fn is_fixture(&self) -> bool {
        self.environments.contains(&Environment::FIXTURE)
    }

    /// Tells whether it is the base of other layers and nothing else.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.tier() == Some(Tier::Base)
    }

    /// Returns the best guarded tier among them; [`Tier::Fixture`] if it is a fixture.
    #[must_use]
    pub fn tier(&self) -> Option<Tier> {
        if self.is_fixture() {
            return Some(Tier::Fixture);
        }
        self.environments.iter().map(Environment::tier).max()
    }

    /// Returns the class of evidence.
    #[must_use]
    pub fn evidence(&self) -> Option<Evidence> {
        self.evidence
    }

    /// Returns the names joined by `+`; empty if nothing is known.
    #[must_use]
    pub fn names(&self) -> String {
        let names = self.environments.iter().map(Environment::name);
        names.collect::<Vec<_>>().join("+")
    }

    /// Tells whether both are known and no environment is in both.
    #[must_use]
    pub fn crosses(&self, other: &Self) -> bool {
        let meets = |one: &Environment| other.environments.iter().any(|two| one.meets(two));
        !self.is_empty() && !other.is_empty() && !self.environments.iter().any(meets)
    }

    /// Returns the labels of the strongest evidence among several, with the fixture mark of any: that mark takes what stands on weaker
    /// evidence than a file's name.
    #[must_use]
    pub fn strongest(all: impl IntoIterator<Item = Self>) -> Self {
        let mut best = Self::default();
        let mut is_fixture = false;
        let mut fixture_evidence = Evidence::Base;
        for mut labels in all {
            if labels.is_fixture() {
                is_fixture = true;
                fixture_evidence = fixture_evidence.min(labels.evidence.unwrap_or(Evidence::Base));
                labels.environments.retain(|one| *one != Environment::FIXTURE);
            }
            if labels.is_empty() {
                continue;
            }
            match best.evidence.cmp(&labels.evidence) {
                _ if best.is_empty() => best = labels,
                std::cmp::Ordering::Greater => best = labels,
                std::cmp::Ordering::Equal => {
                    let all = best.environments.into_iter().chain(labels.environments);
                    best = Self::new(all, labels.evidence.unwrap_or(Evidence::Base));
                }
                std::cmp::Ordering::Less => {}
            }
        }
        if is_fixture {
            best = best.among_fixtures(fixture_evidence);
        }
        best
    }

    /// Marks as fixture, and drops what stands on weaker evidence than a file's name.
    fn among_fixtures(mut self, evidence: Evidence) -> Self {
        if self.evidence.is_none_or(|evidence| evidence > Evidence::FileName) {
            self.environments.clear();
            self.evidence = Some(evidence);
        }
        self.environments.push(Environment::FIXTURE);
        self.environments.sort();
        self
    }
}

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
        write!(f, "`{}` of `{}` is no glob: {}", self.glob, self.name, self.reason)
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
    pub fn new(environments: &[Definition], services: &[ServiceDefinition]) -> Result<Self, BadGlob> {
        let configured = environments.iter().map(|one| {
            Ok(Configured {
                environment: Environment::custom(&one.name, one.tier),
                paths: globs(&one.name, &one.paths)?,
                namespaces: globs(&one.name, &one.namespaces)?,
                key_prefixes: one.key_prefixes.iter().map(|key| key.to_ascii_lowercase()).collect(),
                store_paths: globs(&one.name, &one.store_paths)?,
            })
        });
        let services = services.iter().map(|one| Ok((one.name.clone(), globs(&one.name, &one.paths)?)));
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
        let lower = path.to_ascii_lowercase();
        let segments: Vec<&str> = lower.split('/').filter(|part| !part.is_empty()).collect();
        let Some((name, folders)) = segments.split_last() else {
            return Labels::default();
        };
        let file = file_name::read(name, folders);
        let mut labels = Labels::new(file.environments, Evidence::FileName);
        if labels.is_empty() {
            labels = Labels::new(directory::read(name, folders, siblings), Evidence::Directory);
        }
        if file.is_example {
            return labels.among_fixtures(Evidence::FileName);
        }
        if directory::is_fixture(folders) {
            return labels.among_fixtures(Evidence::Directory);
        }
        if labels.is_empty() && (file.is_base || directory::is_base(folders)) {
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
        Labels::new(parts, Evidence::Document)
    }

    /// Returns the environments that a key names by its first or last word, or one of the keys above it: `keys` from the outermost in.
    #[must_use]
    pub fn of_keys<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Labels {
        let mut found = Vec::new();
        let mut configured = Vec::new();
        for key in keys {
            let lower = key.to_ascii_lowercase();
            let starts = |one: &&Configured| one.key_prefixes.iter().any(|prefix| lower.starts_with(prefix.as_str()));
            configured.extend(self.configured.iter().filter(starts).map(|one| one.environment.clone()));
            let words = super::names::words(key).join("-");
            // Variables of GitLab and others begin with `CI`, whatever environment they are for.
            found.extend(words::named(&words, false).into_iter().filter(|one| *one != Environment::CI));
        }
        if !configured.is_empty() {
            return Labels::new(configured, Evidence::Config);
        }
        Labels::new(found, Evidence::Key)
    }

    /// Returns the environments that an address in a store names: `secret/data/prod/db`, `/prod/db`, `PROD_KEY`.
    #[must_use]
    pub fn of_store(&self, address: &str) -> Labels {
        let configured = self.configured(Evidence::Config, |one| one.store_paths.is_match(address));
        if !configured.is_empty() {
            return configured;
        }
        let parts = address.split(['/', '#', ':', '?', '=', '&', ',']);
        Labels::new(parts.flat_map(|part| words::named(part, false)), Evidence::Address)
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
        Labels::new(parts, Evidence::Address)
    }

    /// Returns the service of a file: by the configuration, or the folder below `apps`, `services` or `packages`.
    #[must_use]
    pub fn service_of_path(&self, path: &str) -> Option<String> {
        if let Some((name, _)) = self.services.iter().find(|(_, globs)| globs.is_match(path)) {
            return Some(name.clone());
        }
        let folders: Vec<&str> = path.rsplit_once('/')?.0.split('/').collect();
        let of_many = |two: &&[&str]| matches!(two.first(), Some(&("apps" | "services" | "packages")));
        let found = folders.windows(2).find(of_many)?;
        found.get(1).map(|name| (*name).to_owned())
    }

    fn configured(&self, evidence: Evidence, is_it: impl Fn(&Configured) -> bool) -> Labels {
        let found = self.configured.iter().filter(|one| is_it(one));
        Labels::new(found.map(|one| one.environment.clone()), evidence)
    }
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

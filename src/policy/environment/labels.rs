//! Environments, how well guarded they are, and what is known of one place.

use std::{
    borrow::Cow,
    cmp::Ordering,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::words;

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

/// An environment: its short name, and how well guarded it is. What the configuration calls it is told, and does not make it another one.
#[derive(Clone, Debug)]
pub struct Environment {
    tier: Tier,
    name: Cow<'static, str>,
    /// The name in the configuration, if that is another one.
    called: Option<Arc<str>>,
}

impl PartialEq for Environment {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Environment {}

impl PartialOrd for Environment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Environment {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.tier, &self.name).cmp(&(other.tier, &other.name))
    }
}

impl Hash for Environment {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.tier, &self.name).hash(state);
    }
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
            called: None,
        }
    }

    /// Names an environment of a project's own; without a tier that of its name, else [`Tier::Lower`].
    #[must_use]
    pub fn custom(name: &str, tier: Option<Tier>) -> Self {
        let called = |known: Self| Self {
            called: (known.name != name).then(|| name.into()),
            ..known
        };
        let known = words::whole(name, true);
        match (known, tier) {
            (Some(known), None) => called(known),
            (Some(known), Some(tier)) if known.tier == tier => called(known),
            (_, tier) => Self {
                tier: tier.unwrap_or(Tier::Lower),
                name: Cow::Owned(name.to_owned()),
                called: None,
            },
        }
    }

    /// Returns its name: that of the configuration, else `prod`, `staging`, `dev`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.called.as_deref().unwrap_or(&self.name)
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
        Self {
            environments,
            evidence,
        }
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
                labels
                    .environments
                    .retain(|one| *one != Environment::FIXTURE);
            }
            if labels.is_empty() {
                continue;
            }
            match best.evidence.cmp(&labels.evidence) {
                _ if best.is_empty() => best = labels,
                Ordering::Greater => best = labels,
                Ordering::Equal => {
                    let all = best.environments.into_iter().chain(labels.environments);
                    best = Self::new(all, labels.evidence.unwrap_or(Evidence::Base));
                }
                Ordering::Less => {}
            }
        }
        if is_fixture {
            best = best.among_fixtures(fixture_evidence);
        }
        best
    }

    /// Replaces environments by equal ones.
    pub(super) fn renamed(mut self, equal: impl Fn(&Environment) -> Option<Environment>) -> Self {
        for one in &mut self.environments {
            if let Some(other) = equal(one) {
                *one = other;
            }
        }
        self
    }

    /// Marks as fixture, and drops what stands on weaker evidence than a file's name.
    pub(super) fn among_fixtures(mut self, evidence: Evidence) -> Self {
        if self
            .evidence
            .is_none_or(|evidence| evidence > Evidence::FileName)
        {
            self.environments.clear();
            self.evidence = Some(evidence);
        }
        self.environments.push(Environment::FIXTURE);
        self.environments.sort();
        self
    }
}

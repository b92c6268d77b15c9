//! From arguments, environment and configuration to the plain options of a run.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    config::{
        self, BASELINE_NAME, Config, Date, PathGlobs, Ranged, Trust,
        suppress::{Baseline, Markers, Suppressor},
    },
    model::{BlobPath, DigestKey, Persona, RuleId, Severity},
    policy::{
        self,
        environment::{Definition, Environments, ServiceDefinition, Tier},
    },
    rules::{self, RuleSet},
    scan::{self, Options, Report, Target},
    sources::{
        Excludes, Progress, Sizes, archive, could_hide, repo::Repository, tree::TreeOptions,
    },
};

use super::{args, error::CliError, ranged, settings};

/// Said where ignore files of others do not count.
const FOREIGN_IGNORE: &str = "the scanned tree is not your own: what its ignore files hide was read, too (--trust-config \
                              accepts them)";

/// Everything that a run needs beside its target.
pub(super) struct Gathered {
    config: Config,
    notes: Vec<String>,
    pub(super) baseline: Option<Baseline>,
    /// Where the baseline is, or would be.
    pub(super) baseline_path: PathBuf,
    pub(super) key: Option<DigestKey>,
    rules: Arc<RuleSet>,
    /// The ids of all rules, those that the configuration disables among them.
    known: Vec<String>,
    threads: usize,
    trust: Trust,
    only: Option<args::OnlyArg>,
    persona: Persona,
    environments: Environments,
}

impl Gathered {
    /// Reads configuration, rules and baseline for a target.
    pub(super) fn new(args: &args::Common, target: &Target) -> Result<Self, CliError> {
        Self::with(args, target, true)
    }

    /// The same for a run that begins a new baseline: whatever there is, no other counts.
    pub(super) fn without_baseline(args: &args::Common, target: &Target) -> Result<Self, CliError> {
        Self::with(args, target, false)
    }

    fn with(args: &args::Common, target: &Target, wants_baseline: bool) -> Result<Self, CliError> {
        let root = root_of(target);
        let trust = if args.trust_config || (is_own(&root) && holds_all(&root, target)) {
            Trust::Own
        } else {
            Trust::Foreign
        };
        let Ranged {
            mut config,
            baseline,
            notices,
        } = match target {
            Target::Range { repository, range } => ranged::gather(args, repository, range, trust)?,
            _ => found(args, &root, trust, wants_baseline)?,
        };
        if args.no_inline {
            config.markers.inline = false;
            config.markers.foreign.clear();
        }
        let outside = settings::key()?;
        let key = config::project_key(&config, baseline.as_ref(), outside.as_ref())?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = args
            .threads
            .map(usize::from)
            .or(config.scan.threads.map(|n| usize::from(n.get())))
            .unwrap_or(cores);
        let mut notes: Vec<String> = notices
            .iter()
            .map(|notice| notice.as_str().to_owned())
            .collect();
        let persona = args
            .persona
            .map(Persona::from)
            .or(config.persona)
            .unwrap_or_default();
        let environments = environments(&config)?;
        let (rules, known) = rule_set(&config, trust, &mut notes)?;
        if trust == Trust::Foreign && holds_ignored(target) {
            notes.push(FOREIGN_IGNORE.to_owned());
        }
        Ok(Self {
            baseline_path: args
                .baseline
                .clone()
                .unwrap_or_else(|| root.join(BASELINE_NAME)),
            rules: for_good(rules),
            known,
            config,
            notes,
            baseline,
            key,
            threads,
            trust,
            only: args.only,
            persona,
            environments,
        })
    }

    /// Looks at secrets and policy, whatever was asked for: a baseline of one half would drop the lines of the other.
    pub(super) fn both(mut self) -> Self {
        self.only = None;
        self
    }

    /// Looks at policy alone, whatever was asked for.
    pub(super) fn policy_alone(mut self) -> Self {
        self.only = Some(args::OnlyArg::Policy);
        self
    }

    /// Returns what is known of environments.
    #[cfg(feature = "verify")]
    pub(super) fn environments(&self) -> &Environments {
        &self.environments
    }

    /// Returns who is shown findings of policy.
    pub(super) fn persona(&self) -> Persona {
        self.persona
    }

    /// Tells whether the configuration disables a rule or lint.
    pub(super) fn disables(&self, id: &RuleId) -> bool {
        self.config.catalogue.disable.contains(id)
    }

    /// Returns the configured threshold.
    pub(super) fn fail_on(&self) -> Option<Severity> {
        self.config.fail_on
    }

    /// Tells whether the configuration asks for unreachable objects too.
    pub(super) fn unreachable(&self) -> bool {
        self.config.scan.unreachable
    }

    /// Runs the scan.
    pub(super) fn scan(
        &self,
        target: &Target,
        no_ignore: bool,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<Report, CliError> {
        let options = self.options(no_ignore)?;
        let suppressor = Suppressor::new(&self.config, self.baseline.clone(), today());
        let mut suppressor = suppressor.knowing(self.known.iter().cloned());
        Ok(scan::run(
            target,
            &options,
            &mut suppressor,
            progress,
            stop,
        )?)
    }

    /// Returns the options of a run.
    pub(super) fn options(&self, no_ignore: bool) -> Result<Options, CliError> {
        let scan = &self.config.scan;
        let sizes = Sizes {
            limit: scan.max_file_bytes,
            ..Sizes::default()
        };
        let exclude = PathGlobs::new(&scan.exclude).map_err(|(index, reason)| {
            CliError::internal(&format!(
                "exclude pattern {} was accepted but {reason}",
                index + 1
            ))
        })?;
        Ok(Options {
            rules: Arc::clone(&self.rules),
            guests: self.guests(),
            run_key: settings::random_key()?,
            project_key: self.key.clone(),
            markers: Markers::new(&self.config.markers),
            archives: self.archives(),
            tree: TreeOptions {
                // What a tree says of itself may only tighten.
                no_ignore: no_ignore || scan.ignored || self.trust == Trust::Foreign,
                exclude: Excludes::new(&scan.exclude)?,
                sizes,
            },
            exclude,
            accept: self.config.accept.clone(),
            notes: self.notes.clone(),
            policy: (self.only != Some(args::OnlyArg::Secrets)).then(|| Arc::new(self.policy())),
            secrets: self.only != Some(args::OnlyArg::Policy),
            threads: self.threads,
        })
    }

    /// Returns what of policy runs.
    fn policy(&self) -> scan::policy::Policy {
        let catalogue = &self.config.catalogue;
        scan::policy::Policy {
            persona: self.persona,
            environments: self.environments.clone(),
            disabled: catalogue.disable.iter().cloned().collect(),
            severity: catalogue.severity.clone(),
            at_least: catalogue.at_least.clone(),
            today: i64::try_from(now()).ok(),
        }
    }

    /// Returns the ids of the rules that come from a tree that is not the user's own.
    fn guests(&self) -> BTreeSet<RuleId> {
        let own = self.config.rules.iter().filter(|own| own.guests);
        let ids = own.flat_map(|own| &own.ids);
        ids.map(|id| RuleId::new(id)).collect()
    }

    fn archives(&self) -> archive::Limits {
        let set = &self.config.scan.archives;
        let default = archive::Limits::default();
        archive::Limits {
            depth: set.depth.unwrap_or(default.depth),
            member_bytes: set.member_bytes.map_or(default.member_bytes, u64::from),
            total_bytes: set.total_bytes.map_or(default.total_bytes, u64::from),
            ratio: set.ratio.map_or(default.ratio, |n| u64::from(n.get())),
            members: set.members.map_or(default.members, u64::from),
            ..default
        }
    }
}

/// Returns all rules of a run, and the ids of all that could be in one.
fn rule_set(
    config: &Config,
    trust: Trust,
    notes: &mut Vec<String>,
) -> Result<(RuleSet, Vec<String>), CliError> {
    let mut set = rules::builtin()?;
    let known: Vec<String> = set
        .rules
        .iter()
        .map(|rule| rule.meta.id.as_str().to_owned())
        .chain(config.rules.iter().flat_map(|own| own.ids.iter().cloned()))
        .chain(policy::all().iter().map(|lint| lint.id.to_owned()))
        .collect();
    if trust == Trust::Own {
        config.check_ids(&known.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    set = set.without(&config.catalogue.disable);
    for own in &config.rules {
        if let Some(id) = own.ids.iter().find(|id| policy::find(id).is_some()) {
            let id = BlobPath::from(id.as_str()).to_string();
            if !own.guests {
                return Err(CliError::TakenId { id });
            }
            notes.push(format!(
                "rules of the scanned tree are not used: `{id}` is a lint"
            ));
            continue;
        }
        match rules::parse_user(&own.source.name, &own.source.text, &own.ids, &set) {
            Ok(added) => set = set.with(added),
            // A foreign tree's rules can only tighten: wrong ones must not stop the scan.
            Err(error) if own.guests => {
                notes.push(format!("rules of the scanned tree are not used: {error}"))
            }
            Err(error) => return Err(error.into()),
        }
    }
    let set = set.with_severities(&config.catalogue.severity, &config.catalogue.at_least);
    Ok((set, known))
}

/// Reads the configuration and, if it is wanted, the baseline that count for a directory.
fn found(
    args: &args::Common,
    root: &Path,
    trust: Trust,
    wants_baseline: bool,
) -> Result<Ranged, CliError> {
    let (config, notices) = config::effective(root, args.config.as_deref(), trust)?;
    let baseline = if wants_baseline {
        config::load_baseline(root, args.baseline.as_deref(), trust)?
    } else {
        None
    };
    Ok(Ranged {
        config,
        baseline,
        notices,
    })
}

/// Returns what the configuration says of environments and services.
fn environments(config: &Config) -> Result<Environments, CliError> {
    let tier = |tier: config::Tier| match tier {
        config::Tier::Production => Tier::Production,
        config::Tier::Staging => Tier::Staging,
        config::Tier::Development => Tier::Lower,
        config::Tier::Fixture => Tier::Fixture,
    };
    let definitions: Vec<Definition> = config
        .environments
        .iter()
        .map(|(name, one)| Definition {
            name: name.clone(),
            tier: one.tier.map(tier),
            paths: one.paths.clone(),
            namespaces: one.namespaces.clone(),
            key_prefixes: one.keys.clone(),
            store_paths: one.stores.clone(),
        })
        .collect();
    let services: Vec<ServiceDefinition> = config
        .services
        .iter()
        .map(|(name, paths)| ServiceDefinition {
            name: name.clone(),
            paths: paths.clone(),
        })
        .collect();
    Environments::new(&definitions, &services).map_err(|bad| CliError::Glob {
        glob: BlobPath::from(bad.glob.as_str()).to_string(),
        name: BlobPath::from(bad.name.as_str()).to_string(),
        reason: bad.reason,
    })
}

/// Returns the directory whose configuration may count: the root of the working tree that the target is in, if it is in one.
pub(super) fn root_of(target: &Target) -> PathBuf {
    let path = match target {
        Target::Tree { root, .. } | Target::Files { root, .. } => root.clone(),
        Target::Stdin => PathBuf::from("."),
        Target::Staged { repository, .. }
        | Target::Range { repository, .. }
        | Target::History { repository, .. } => repository.clone(),
    };
    work_tree(&path).unwrap_or(path)
}

/// Files that most repositories have at their root.
const ROOT_FILES: [&str; 20] = [
    "README.md",
    "README.rst",
    "README.txt",
    "README",
    "readme.md",
    ".gitignore",
    ".gitattributes",
    ".editorconfig",
    ".gitlab-ci.yml",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "Cargo.toml",
    "package.json",
    "pyproject.toml",
    "go.mod",
    "pom.xml",
    "composer.json",
    "Gemfile",
    "Makefile",
];

/// Returns a file at the root that SARIF results without a file of their own can point at. The names are fixed, because any
/// other name comes from the tree and could hold a secret.
pub(super) fn anchor(target: &Target) -> Option<&'static str> {
    anchor_at(&root_of(target))
}

/// Returns the same for a directory.
pub(super) fn anchor_at(root: &Path) -> Option<&'static str> {
    let is_file = |name: &&str| {
        let kind = root.join(name).symlink_metadata();
        kind.is_ok_and(|kind| kind.is_file())
    };
    ROOT_FILES.into_iter().find(is_file)
}

/// Returns the target of a directory: its files are named as a scan of the whole repository names them.
pub(super) fn tree(root: PathBuf) -> Target {
    let prefix = || {
        let whole = work_tree(&root)?.canonicalize().ok()?;
        let part = root.canonicalize().ok()?;
        Some(text_of(part.strip_prefix(whole).ok()?))
    };
    Target::Tree {
        prefix: prefix().unwrap_or_default(),
        root,
    }
}

/// Returns the target of files named one by one, relative to the repository in which the command runs.
pub(super) fn files(files: Vec<PathBuf>) -> Target {
    let here = PathBuf::from(".");
    Target::Files {
        root: work_tree(&here).unwrap_or(here),
        files,
    }
}

/// Returns the root of the repository that a path is in, or the path.
pub(super) fn whole(path: PathBuf) -> PathBuf {
    work_tree(&path).unwrap_or(path)
}

/// Shares rules until the process ends, which it does when they are done with: to take 20,000 small texts apart, none of them
/// secret, would be half a millisecond for nothing.
fn for_good(rules: RuleSet) -> Arc<RuleSet> {
    let rules = Arc::new(rules);
    std::mem::forget(Arc::clone(&rules));
    rules
}

fn text_of(path: &Path) -> BlobPath {
    let parts: Vec<&[u8]> = path
        .components()
        .map(|part| part.as_os_str().as_encoded_bytes())
        .collect();
    BlobPath::new(parts.join(&b'/'))
}

fn work_tree(path: &Path) -> Option<PathBuf> {
    let repository = Repository::open(path).ok()?;
    repository.work_tree().map(Path::to_owned)
}

/// Tells whether a root is the user's own: the repository (or the plain directory) in which the command runs.
fn is_own(root: &Path) -> bool {
    let here = settings::working_directory();
    let own = work_tree(&here).unwrap_or(here);
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(&own) == real(root)
}

/// Tells whether an ignore file at the root of a target, where most stand, could hide something of it.
fn holds_ignored(target: &Target) -> bool {
    match target {
        Target::Tree { root, .. } => could_hide(root),
        Target::History { repository, .. } => could_hide(repository),
        Target::Files { files, .. } => files.iter().any(|file| could_hide(file)),
        Target::Stdin | Target::Staged { .. } | Target::Range { .. } => false,
    }
}

/// Tells whether all files named one by one lie in the repository (or directory) at `root` and in no other.
fn holds_all(root: &Path, target: &Target) -> bool {
    let Target::Files { files, .. } = target else {
        return true;
    };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let root = real(root);
    files.iter().all(|file| {
        let file = real(file);
        let around = if file.is_dir() {
            Some(file.as_path())
        } else {
            file.parent()
        };
        let nearest = around.and_then(work_tree).map(|tree| real(&tree));
        file.starts_with(&root) && nearest.is_none_or(|tree| tree == root)
    })
}

fn today() -> Date {
    Date::from_unix(now())
}

/// Returns the time in seconds since 1970, as stores count it.
#[cfg(feature = "verify")]
pub(super) fn seconds() -> i64 {
    i64::try_from(now()).unwrap_or(i64::MAX)
}

/// Returns the time in seconds since 1970.
fn now() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH);
    passed.map_or(0, |passed| passed.as_secs())
}

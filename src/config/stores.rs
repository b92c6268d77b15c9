//! `stores.toml`: the secrets stores, what a rotation may touch, and the systems that secrets open.
//!
//! Promises: this file is the user's own and never part of a scanned tree (the caller refuses one inside it); it names
//! credentials by file or variable and holds none; an unknown key is an error with a suggestion; no error quotes a value.
//! docs/stores.md is the reference for users.

mod place;
mod types;

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use self::place::Place;
use super::{KeyGlob, sinks::SinkEntry};
use crate::model::{closest, quotable, suggestion, without_values};

/// Everything that the file says. `Default` is that of a user without one: no store, nothing may be rotated.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoresFile {
    /// `[stores.NAME]`, by name.
    pub stores: BTreeMap<String, StoreEntry>,
    /// `[verify]`.
    pub verify: VerifySettings,
    /// `[rotate]`.
    pub rotate: RotateLimits,
    /// `[[targets]]`: which system a store's key opens.
    pub targets: Vec<TargetEntry>,
    /// `[[sinks]]`: which copies of a store's key are elsewhere.
    pub sinks: Vec<SinkEntry>,
}

/// One store: what all kinds share, and the kind's own.
#[derive(Clone, Debug)]
pub struct StoreEntry {
    /// The environment of all its keys; without it, that of each key by its path.
    pub environment: Option<String>,
    /// Only keys below these prefixes are read; empty: all.
    pub prefixes: Vec<String>,
    /// The most days that a value of it may live, for the report of ages.
    pub max_age_days: Option<u32>,
    /// The kind and its settings.
    pub kind: StoreKind,
}

/// The kinds of stores (docs/stores.md). Matched without `_`.
#[derive(Clone, Debug)]
pub enum StoreKind {
    /// A SOPS file with age recipients; versions are its versions in git.
    Local(LocalSettings),
    /// Dotenv files, read only.
    Dotenv(DotenvSettings),
    /// HashiCorp Vault or OpenBao.
    Vault(VaultSettings),
    /// A program of the user's.
    Command(CommandSettings),
    /// AWS Secrets Manager.
    Aws(AwsSettings),
    /// AWS SSM Parameter Store.
    Ssm(AwsSettings),
    /// Kubernetes Secrets.
    Kubernetes(KubernetesSettings),
    /// Google Secret Manager.
    Gcp(GcpSettings),
    /// Azure Key Vault.
    Azure(AzureSettings),
    /// OpenOrch Secret Svc.
    Openorch(OpenorchSettings),
}

impl StoreKind {
    /// The names of all kinds, as `kind = "..."` has them.
    pub const NAMES: [&'static str; 10] = [
        "local",
        "dotenv",
        "vault",
        "command",
        "aws",
        "ssm",
        "kubernetes",
        "gcp",
        "azure",
        "openorch",
    ];

    /// Returns the kind's name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::Dotenv(_) => "dotenv",
            Self::Vault(_) => "vault",
            Self::Command(_) => "command",
            Self::Aws(_) => "aws",
            Self::Ssm(_) => "ssm",
            Self::Kubernetes(_) => "kubernetes",
            Self::Gcp(_) => "gcp",
            Self::Azure(_) => "azure",
            Self::Openorch(_) => "openorch",
        }
    }
}

/// `kind = "local"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LocalSettings {
    /// The SOPS file.
    pub file: PathBuf,
    /// The file of age identities that opens it; without it `SOPS_AGE_KEY_FILE`, then `SOPS_AGE_KEY`, then the default place of sops.
    pub identity: Option<PathBuf>,
    /// The age recipients that the file must have for a write, no more and no fewer; empty: those that it has.
    pub recipients: Vec<String>,
    /// Whether versions of the file in git are not read.
    pub no_history: bool,
}

/// `kind = "dotenv"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct DotenvSettings {
    /// The files.
    pub files: Vec<PathBuf>,
}

/// `kind = "vault"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct VaultSettings {
    /// `https://host:port`; without it `BAO_ADDR` or `VAULT_ADDR`.
    pub address: Option<String>,
    /// The namespace; without it `BAO_NAMESPACE` or `VAULT_NAMESPACE`.
    pub namespace: Option<String>,
    /// The KV mounts that are read; without it all that are visible.
    pub mounts: Vec<String>,
    /// The mount of a database engine whose static roles are read and rotated, if there is one.
    pub database: Option<String>,
    /// How to log in.
    pub auth: VaultAuth,
    /// A file of CA certificates (PEM); without it `VAULT_CACERT`, then those of the system.
    pub ca_file: Option<PathBuf>,
    /// For zero-read verify: the audit device whose HMAC is asked for.
    pub audit_device: Option<String>,
    /// For zero-read verify: the file that this device writes.
    pub audit_file: Option<PathBuf>,
}

/// `auth = { method = "..." }` of Vault. Matched without `_`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, tag = "method", rename_all = "kebab-case")]
pub enum VaultAuth {
    /// `BAO_TOKEN`, `VAULT_TOKEN`, then `~/.vault-token`.
    #[default]
    Environment,
    /// A file that holds a token.
    Token {
        /// The file.
        file: PathBuf,
    },
    /// AppRole.
    Approle {
        /// The auth mount; without it `approle`.
        mount: Option<String>,
        /// The role's id.
        #[serde(rename = "role-id")]
        role_id: String,
        /// The file that holds the secret id.
        #[serde(rename = "secret-id-file")]
        secret_id_file: PathBuf,
        /// Whether the file holds a wrapping token of the secret id.
        #[serde(default)]
        wrapped: bool,
    },
    /// JWT or OIDC, as in GitHub Actions (whose token is asked for by itself) and GitLab CI.
    Jwt {
        /// The auth mount; without it `jwt`.
        mount: Option<String>,
        /// The role.
        role: String,
        /// The file that holds the token; without it, that of GitHub Actions is asked for.
        file: Option<PathBuf>,
        /// The audience that is asked for; without it `keysweep`.
        audience: Option<String>,
    },
}

/// `kind = "command"`: a program that speaks the protocol of docs/stores.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct CommandSettings {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// Seconds that one request may take, 1 to 600; without it 30.
    pub timeout_s: Option<u16>,
}

/// `kind = "aws"` and `kind = "ssm"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct AwsSettings {
    /// The region; without it that of the environment or profile.
    pub region: Option<String>,
    /// The profile of `~/.aws`.
    pub profile: Option<String>,
    /// Another address than AWS's own.
    pub endpoint: Option<String>,
    /// With `ssm`: names are `/service/key`, as Chamber writes them; the service is the owner.
    pub chamber: bool,
}

/// `kind = "kubernetes"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct KubernetesSettings {
    /// The kubeconfig file; without it `KUBECONFIG`, then `~/.kube/config`, then the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it.
    pub context: Option<String>,
    /// The namespaces; without it all.
    pub namespaces: Vec<String>,
}

/// `kind = "gcp"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GcpSettings {
    /// The project's id.
    pub project: String,
    /// The location of regional secrets.
    pub location: Option<String>,
    /// Another address than Google's own.
    pub endpoint: Option<String>,
}

/// `kind = "azure"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct AzureSettings {
    /// `https://NAME.vault.azure.net`.
    pub vault: String,
    /// Whether the answer of a server that names another resource than its own host is accepted; for tests on loopback.
    pub any_resource: bool,
}

/// `kind = "openorch"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct OpenorchSettings {
    /// `https://host:port`.
    pub address: String,
    /// The file that holds the bearer token.
    pub token_file: PathBuf,
}

/// `[verify]`: what verify may compare, and what may stay silenced though it is live.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct VerifySettings {
    /// As [`VerifyLimits::min_bits`].
    pub min_bits: u16,
    /// As [`VerifyLimits::max_candidates`].
    pub max_candidates: u32,
    /// Globs of `STORE:KEY` whose values are public knowledge (publishable keys): a finding that the scanned tree sets aside stays so,
    /// though it is the value of such a key. Without them a suppression silences nothing that is live.
    pub public: Vec<String>,
}

impl VerifySettings {
    /// Returns what may be compared.
    #[must_use]
    pub const fn limits(&self) -> VerifyLimits {
        VerifyLimits {
            min_bits: self.min_bits,
            max_candidates: self.max_candidates,
        }
    }
}

impl Default for VerifySettings {
    fn default() -> Self {
        let limits = VerifyLimits::default();
        Self {
            min_bits: limits.min_bits,
            max_candidates: limits.max_candidates,
            public: Vec::new(),
        }
    }
}

/// What verify may compare. It answers "is this value in the store", so guesses are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyLimits {
    /// Values below this many estimated bits are not compared; 40 at least, 60 without it.
    pub min_bits: u16,
    /// Most distinct values of a run; 10,000 without it.
    pub max_candidates: u32,
}

impl VerifyLimits {
    /// The least that `min-bits` may be: below it a few machines guess a value within a day.
    pub const LEAST_BITS: u16 = 40;
}

impl Default for VerifyLimits {
    fn default() -> Self {
        Self {
            min_bits: 60,
            max_candidates: 10_000,
        }
    }
}

/// `[rotate]`: what may be changed. Nothing, unless it says so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RotateLimits {
    /// Globs of `STORE:KEY` that may be rotated; empty: none.
    pub allow: Vec<String>,
    /// Globs that may not, whatever `allow` says.
    pub deny: Vec<String>,
    /// Environments whose rotations need an approval.
    pub protected: Vec<String>,
    /// Most keys of one plan; 1 without it.
    pub max_keys: u32,
    /// Most known readers of a key; 100 without it.
    pub max_readers: u64,
    /// Minutes that a plan holds; 60 without it.
    pub plan_minutes: u32,
    /// Minutes that both credentials stay valid; 15 without it.
    pub grace_minutes: u32,
    /// Hours after which a journal is not continued by itself; 24 without it.
    pub stale_hours: u32,
    /// People who may approve, by the names in approval files; each with an ed25519 public key in hex.
    pub approvers: BTreeMap<String, String>,
    /// Where journals, the audit log and tombstones are kept; without it `keysweep` in the user's state directory.
    pub state: Option<PathBuf>,
    /// The file of age identities that opens sealed values of journals; without it the one of the local store's default place.
    pub identity: Option<PathBuf>,
}

impl Default for RotateLimits {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            protected: Vec::new(),
            max_keys: 1,
            max_readers: 100,
            plan_minutes: 60,
            grace_minutes: 15,
            stale_hours: 24,
            approvers: BTreeMap::new(),
            state: None,
            identity: None,
        }
    }
}

/// `[[targets]]`: the system that the value of a store's key opens, and how a new one gets there.
#[derive(Clone, Debug)]
pub struct TargetEntry {
    /// The store's name.
    pub store: String,
    /// The key's path in it.
    pub key: String,
    /// The field that holds the secret, or the part of one (`config#/db/password`); without it the whole value.
    pub field: Option<String>,
    /// The field that holds the user's name, if the store has it.
    pub user_field: Option<String>,
    /// The user's name, if the store does not have it.
    pub user: Option<String>,
    /// Whether a target without grace may be rotated: the old value dies before readers have the new one.
    pub accept_cutover: bool,
    /// The kind and its settings.
    pub kind: TargetKind,
}

impl TargetEntry {
    /// Tells whether it is what a place (the field of a verdict, `NAME#WAY` for a part) opens: the very part that it names. One that names
    /// a whole field is that of the password which a URL, a connection string or `user:password` in it sets off, and of no other part: a user's name or a host
    /// in the same text is no secret, and must not be replaced for one.
    #[must_use]
    pub fn opens(&self, store: &str, key: &str, field: Option<&str>) -> bool {
        let place = field.unwrap_or_default();
        let own = self.field.as_deref().unwrap_or_default();
        let is_password = || {
            let (name, way) = place.split_once('#').unwrap_or((place, ""));
            name == own
                && way
                    .rsplit('#')
                    .next()
                    .is_some_and(|last| last.eq_ignore_ascii_case("password"))
        };
        self.store == store && self.key == key && (place == own || is_password())
    }
}

/// The kinds of targets (docs/rotate.md). Matched without `_`.
#[derive(Clone, Debug)]
pub enum TargetKind {
    /// A role of PostgreSQL.
    Postgres(PostgresSettings),
    /// A user of Redis 6 or newer.
    Redis(RedisSettings),
    /// A line of `authorized_keys`.
    Ssh(SshSettings),
    /// An access key of AWS IAM.
    AwsIam(AwsSettings),
    /// A program of the user's.
    Command(CommandSettings),
    /// A service of the user's that is told.
    Webhook(WebhookSettings),
    /// None: the store alone holds the value.
    None,
}

impl TargetKind {
    /// The names of all kinds, as `kind = "..."` has them.
    pub const NAMES: [&'static str; 7] = [
        "postgres", "redis", "ssh", "aws-iam", "command", "webhook", "none",
    ];

    /// Returns the kind's name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
            Self::Ssh(_) => "ssh",
            Self::AwsIam(_) => "aws-iam",
            Self::Command(_) => "command",
            Self::Webhook(_) => "webhook",
            Self::None => "none",
        }
    }
}

/// `kind = "postgres"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PostgresSettings {
    /// `host` or `host:port`.
    pub address: String,
    /// The database to log in to; without it `postgres`.
    #[serde(default)]
    pub database: Option<String>,
    /// The role that may alter others.
    pub admin: String,
    /// The file that holds its password.
    pub admin_password_file: PathBuf,
    /// Blue/green: two login roles in this group role take turns, so that both are valid during grace. Without it the password
    /// of the one role is changed (no grace).
    #[serde(default)]
    pub group: Option<String>,
    /// A file of CA certificates (PEM). Without it TLS is used for every address that is not on loopback, with the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// `kind = "redis"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RedisSettings {
    /// `host:port`.
    pub address: String,
    /// The user that may change others; without it `default`.
    #[serde(default)]
    pub admin: Option<String>,
    /// The file that holds its password.
    pub admin_password_file: PathBuf,
    /// Whether TLS is used.
    #[serde(default)]
    pub tls: bool,
}

/// `kind = "ssh"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SshSettings {
    /// `host` or `host:port`.
    pub address: String,
    /// The user that logs in with the key.
    pub user: String,
    /// The private key that may edit the file: without it the old key itself.
    #[serde(default)]
    pub admin_identity_file: Option<PathBuf>,
    /// The file of public keys on the host; without it `.ssh/authorized_keys`.
    #[serde(default)]
    pub authorized_keys: Option<String>,
    /// The file of known host keys; without it ssh's own.
    #[serde(default)]
    pub known_hosts_file: Option<PathBuf>,
    /// Ends all sessions of the user when the old key is gone, whichever key opened them: sshd does not tell.
    #[serde(default)]
    pub end_sessions: bool,
}

/// `kind = "webhook"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WebhookSettings {
    /// `https://...`.
    pub address: String,
    /// The file that holds the key of signatures.
    pub key_file: PathBuf,
}

/// What is wrong with `stores.toml`.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{name}{}: {what}", told(*.line, *.column))]
#[diagnostic(code(keysweep::config::stores))]
pub struct StoresFileError {
    /// The file, as safe text.
    pub name: String,
    /// Its line, from 1; 0 if none can be told.
    pub line: u32,
    /// Its column in Unicode code points, from 1; 0 if none can be told.
    pub column: u32,
    /// What is wrong, without a value.
    pub what: String,
    /// What to write instead.
    #[help]
    pub help: String,
}

impl StoresFile {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// [`StoresFileError`] for what is no TOML, keys and kinds that there are none of, and values out of range.
    pub fn parse(name: &str, text: &str) -> Result<Self, StoresFileError> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let told = error.span().map(|span| span.start);
            // An entry may be wrong, too: what is told is what the message is about.
            let at = match told {
                Some(at) if place::is_elsewhere(text, at) => told,
                _ => place::of_entries(text).or(told),
            };
            let Place { line, column } = at.map_or_else(Place::default, |at| Place::of(text, at));
            let message = without_values(error.message());
            let plain = types::plain(&message, at.and_then(|at| types::key(text, at)));
            let help = suggestion(error.message());
            let help = help.or_else(|| plain.as_ref().map(|(_, help)| help.clone()));
            StoresFileError {
                name: quotable(name),
                line,
                column,
                help: help.map_or_else(
                    || "docs/stores.md has every key".to_owned(),
                    |known| format!("{known} (docs/stores.md has every key)"),
                ),
                what: quotable(&plain.map_or(message, |(what, _)| what)),
            }
        })?;
        file.check(name, text)?;
        Ok(file)
    }

    fn check(&self, name: &str, text: &str) -> Result<(), StoresFileError> {
        let wrong = |at: Option<usize>, what: String, help: &str| {
            let Place { line, column } = at.map_or_else(Place::default, |at| Place::of(text, at));
            StoresFileError {
                name: quotable(name),
                line,
                column,
                what,
                help: help.to_owned(),
            }
        };
        if self.verify.min_bits < VerifyLimits::LEAST_BITS {
            return Err(wrong(
                place::of_key(text, "verify", "min-bits"),
                format!("`min-bits` is {}", self.verify.min_bits),
                "40 is the least: verify answers whether a value is in a store, and must not confirm guesses",
            ));
        }
        let globs = &self.verify.public;
        if let Some(glob) = globs.iter().find(|glob| KeyGlob::parse(glob).is_none()) {
            return Err(wrong(
                place::of_key(text, "verify", "public"),
                format!("`{}` in `public` is no glob of STORE:KEY", quotable(glob)),
                "write it as prod:secret/apps/* (one folder) or prod:secret/** (all below)",
            ));
        }
        let targets = self.targets.iter().map(|target| &target.store);
        let sinks = self.sinks.iter().map(|sink| &sink.store);
        let targets = targets
            .enumerate()
            .map(|entry| ("targets", "target", entry));
        let sinks = sinks.enumerate().map(|entry| ("sinks", "sink", entry));
        for (list, what, (number, store)) in targets.chain(sinks) {
            if self.stores.contains_key(store) {
                continue;
            }
            let names = self.stores.keys().map(String::as_str);
            let help = match closest(store, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "there is no [stores] entry of this name".to_owned(),
            };
            return Err(wrong(
                place::of_entry(text, list, number, "store"),
                format!("a {what} names the store `{}`", quotable(store)),
                &help,
            ));
        }
        Ok(())
    }
}

/// Returns the words for a place.
fn told(line: u32, column: u32) -> String {
    match (line, column) {
        (0, _) => String::new(),
        (line, 0) => format!(", line {line}"),
        (line, column) => format!(", line {line}, column {column}"),
    }
}

/// The keys that a store of any kind may have.
const SHARED_BY_STORES: [&str; 4] = ["kind", "environment", "prefixes", "max-age-days"];
/// The keys that a target of any kind may have.
const SHARED_BY_TARGETS: [&str; 7] = [
    "store",
    "key",
    "field",
    "user-field",
    "user",
    "accept-cutover",
    "kind",
];

impl<'de> Deserialize<'de> for StoreEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let kind: String = take(&mut table, "kind")?
            .ok_or_else(|| <D::Error as serde::de::Error>::missing_field("kind"))?;
        let environment = take(&mut table, "environment")?;
        let prefixes = take(&mut table, "prefixes")?.unwrap_or_default();
        let max_age_days = take(&mut table, "max-age-days")?;
        let kind = match kind.as_str() {
            "local" => StoreKind::Local(rest(table, &SHARED_BY_STORES)?),
            "dotenv" => StoreKind::Dotenv(rest(table, &SHARED_BY_STORES)?),
            "vault" => StoreKind::Vault(rest(table, &SHARED_BY_STORES)?),
            "command" => StoreKind::Command(rest(table, &SHARED_BY_STORES)?),
            "aws" => StoreKind::Aws(rest(table, &SHARED_BY_STORES)?),
            "ssm" => StoreKind::Ssm(rest(table, &SHARED_BY_STORES)?),
            "kubernetes" => StoreKind::Kubernetes(rest(table, &SHARED_BY_STORES)?),
            "gcp" => StoreKind::Gcp(rest(table, &SHARED_BY_STORES)?),
            "azure" => StoreKind::Azure(rest(table, &SHARED_BY_STORES)?),
            "openorch" => StoreKind::Openorch(rest(table, &SHARED_BY_STORES)?),
            _ => return Err(unknown_kind(&kind, &StoreKind::NAMES)),
        };
        Ok(Self {
            environment,
            prefixes,
            max_age_days,
            kind,
        })
    }
}

impl<'de> Deserialize<'de> for TargetEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let missing = <D::Error as serde::de::Error>::missing_field;
        let mut table = toml::Table::deserialize(deserializer)?;
        let kind: String = take(&mut table, "kind")?.ok_or_else(|| missing("kind"))?;
        let store = take(&mut table, "store")?.ok_or_else(|| missing("store"))?;
        let key = take(&mut table, "key")?.ok_or_else(|| missing("key"))?;
        let field = take(&mut table, "field")?;
        let user_field = take(&mut table, "user-field")?;
        let own_user = kind == "ssh";
        let user = if own_user {
            None
        } else {
            take(&mut table, "user")?
        };
        let accept_cutover = take(&mut table, "accept-cutover")?.unwrap_or(false);
        let kind = match kind.as_str() {
            "postgres" => TargetKind::Postgres(rest(table, &SHARED_BY_TARGETS)?),
            "redis" => TargetKind::Redis(rest(table, &SHARED_BY_TARGETS)?),
            "ssh" => TargetKind::Ssh(rest(table, &SHARED_BY_TARGETS)?),
            "aws-iam" => TargetKind::AwsIam(rest(table, &SHARED_BY_TARGETS)?),
            "command" => TargetKind::Command(rest(table, &SHARED_BY_TARGETS)?),
            "webhook" => TargetKind::Webhook(rest(table, &SHARED_BY_TARGETS)?),
            "none" => {
                let _: Nothing = rest(table, &SHARED_BY_TARGETS)?;
                TargetKind::None
            }
            _ => return Err(unknown_kind(&kind, &TargetKind::NAMES)),
        };
        Ok(Self {
            store,
            key,
            field,
            user_field,
            user,
            accept_cutover,
            kind,
        })
    }
}

/// A kind without settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) fn take<T: serde::de::DeserializeOwned, E: serde::de::Error>(
    table: &mut toml::Table,
    key: &str,
) -> Result<Option<T>, E> {
    let value = table.remove(key).map(T::deserialize);
    value
        .transpose()
        .map_err(|error: toml::de::Error| E::custom(error.message()))
}

/// Reads what is left of an entry; `shared` are the keys that entries of every kind may have.
pub(super) fn rest<T: serde::de::DeserializeOwned, E: serde::de::Error>(
    table: toml::Table,
    shared: &[&str],
) -> Result<T, E> {
    T::deserialize(table).map_err(|error: toml::de::Error| {
        let message = error.message();
        if !message.starts_with("unknown field ") {
            return E::custom(message);
        }
        let shared: Vec<String> = shared.iter().map(|name| format!("`{name}`")).collect();
        let shared = shared.join(", ");
        // As serde tells it, so that what suggests a name finds all of them.
        E::custom(match message.strip_suffix(", there are no fields") {
            Some(head) => format!("{head}, expected one of {shared}"),
            None => format!("{message}, {shared}"),
        })
    })
}

pub(super) fn unknown_kind<E: serde::de::Error>(kind: &str, known: &'static [&'static str]) -> E {
    E::unknown_variant(&quotable(kind), known)
}

//! `[[sinks]]` of `stores.toml`: places outside of a store that hold a copy of a key's field, and what must be told when it rotates.
//!
//! Promises: those of `stores`: an entry names credentials by file or variable and holds none, an unknown key is an error, no error
//! quotes a value. An entry that could mean two places, or none, is an error here and not when a rotation is under way.

use std::path::PathBuf;

use serde::Deserialize;

use super::stores::{CommandSettings, rest, take, unknown_kind};

/// One place that holds a copy.
#[derive(Clone, Debug)]
pub struct SinkEntry {
    /// The store's name.
    pub store: String,
    /// The key's path in it.
    pub key: String,
    /// The field that is copied, as `password`, or `config#/db/password` for a part of one; without it the whole value.
    pub field: Option<String>,
    /// The environment that the copy serves: a plan needs an approval if `protected` names it.
    pub environment: Option<String>,
    /// The kind and its settings.
    pub kind: SinkKind,
}

/// The kinds of sinks (docs/rotate.md). Matched without `_`.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// A secret of GitHub.
    Github(GithubSettings),
    /// A CI/CD variable of GitLab.
    Gitlab(GitlabSettings),
    /// A secret of Docker Swarm.
    Docker(DockerSettings),
    /// A program of the user's.
    Command(HookSettings),
}

impl SinkKind {
    /// The names of all kinds, as `kind = "..."` has them.
    pub const NAMES: [&'static str; 4] = ["github", "gitlab", "docker", "command"];
}

/// Which of GitHub's secrets are meant. Matched without `_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GithubApplication {
    /// Those of workflows.
    #[default]
    Actions,
    /// Those of Dependabot.
    Dependabot,
    /// Those of development environments.
    Codespaces,
}

impl GithubApplication {
    /// Returns the name that GitHub's addresses have.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Dependabot => "dependabot",
            Self::Codespaces => "codespaces",
        }
    }
}

/// `kind = "github"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GithubSettings {
    /// The API's address; without it `https://api.github.com`. An Enterprise Server's is `https://HOST/api/v3`.
    pub address: Option<String>,
    /// `OWNER/NAME`, or else `organization`.
    pub repository: Option<String>,
    /// The organisation whose secret it is.
    pub organization: Option<String>,
    /// The deployment environment of the repository whose secret it is.
    pub deployment: Option<String>,
    /// Whose secrets they are.
    pub application: GithubApplication,
    /// The secret's name.
    pub secret: String,
    /// The file that holds the token, or else `token-variable`.
    pub token_file: Option<PathBuf>,
    /// The variable that holds the token.
    pub token_variable: Option<String>,
    /// A file of CA certificates (PEM); without it those of the system.
    pub ca_file: Option<PathBuf>,
}

/// `kind = "gitlab"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GitlabSettings {
    /// The server's address; without it `https://gitlab.com`.
    pub address: Option<String>,
    /// The project's id or path, or else `group`.
    pub project: Option<String>,
    /// The group's id or path.
    pub group: Option<String>,
    /// The variable's key.
    pub variable: String,
    /// The variable's environment scope, as it stands there; without it `*`.
    pub environment_scope: Option<String>,
    /// The file that holds the token, or else `token-variable`.
    pub token_file: Option<PathBuf>,
    /// The variable that holds the token.
    pub token_variable: Option<String>,
    /// A file of CA certificates (PEM); without it those of the system.
    pub ca_file: Option<PathBuf>,
}

/// `kind = "docker"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct DockerSettings {
    /// The engine's Unix socket; without it `/var/run/docker.sock`.
    pub socket: Option<PathBuf>,
    /// The secret's name, without `_vN`.
    pub secret: String,
    /// The services that get the new secret.
    pub services: Vec<String>,
}

/// `kind = "command"`: a program that speaks the protocol of docs/stores-command.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct HookSettings {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// Seconds that one request may take, 1 to 600; without it 30.
    pub timeout_s: Option<u16>,
    /// Whether it is only told that there is a new value: a hook that restarts what reads the store.
    pub without_value: bool,
}

impl HookSettings {
    /// Returns what runs the program.
    #[must_use]
    pub fn command(&self) -> CommandSettings {
        CommandSettings {
            program: self.program.clone(),
            timeout_s: self.timeout_s,
        }
    }
}

impl SinkEntry {
    /// Tells whether it is told of a new value without getting it.
    #[must_use]
    pub const fn is_hook(&self) -> bool {
        matches!(&self.kind, SinkKind::Command(settings) if settings.without_value)
    }

    /// Returns the file that holds the sink's credential, if it names one.
    #[must_use]
    pub fn token_file(&self) -> Option<&PathBuf> {
        match &self.kind {
            SinkKind::Github(settings) => settings.token_file.as_ref(),
            SinkKind::Gitlab(settings) => settings.token_file.as_ref(),
            SinkKind::Docker(_) | SinkKind::Command(_) => None,
        }
    }

    /// Returns the variable that holds the sink's credential, if it names one.
    #[must_use]
    pub fn token_variable(&self) -> Option<&str> {
        match &self.kind {
            SinkKind::Github(settings) => settings.token_variable.as_deref(),
            SinkKind::Gitlab(settings) => settings.token_variable.as_deref(),
            SinkKind::Docker(_) | SinkKind::Command(_) => None,
        }
    }

    /// Returns the settings that name files, for the caller to say where relative ones begin.
    pub fn files(&mut self) -> Vec<&mut PathBuf> {
        match &mut self.kind {
            SinkKind::Github(settings) => {
                let files = [&mut settings.token_file, &mut settings.ca_file];
                files.into_iter().flatten().collect()
            }
            SinkKind::Gitlab(settings) => {
                let files = [&mut settings.token_file, &mut settings.ca_file];
                files.into_iter().flatten().collect()
            }
            SinkKind::Docker(settings) => settings.socket.iter_mut().collect(),
            SinkKind::Command(_) => Vec::new(),
        }
    }
}

impl GithubSettings {
    /// Returns what is wrong, in our own words.
    fn fault(&self) -> Option<&'static str> {
        let is_part = |text: &str| !text.is_empty() && text != "." && text != "..";
        let halves = self.repository.as_ref().map(|name| name.split('/'));
        let is_pair =
            halves.is_none_or(|halves| halves.clone().count() == 2 && halves.clone().all(is_part));
        let organization = self.organization.as_deref();
        if self.repository.is_some() == organization.is_some() {
            Some("a sink of kind github has either `repository` or `organization`")
        } else if !is_pair {
            Some("`repository` of a sink is written as \"OWNER/NAME\"")
        } else if organization.is_some_and(|name| name.contains('/') || !is_part(name)) {
            Some("`organization` of a sink is a name alone")
        } else if self.deployment.is_some()
            && (self.repository.is_none() || self.application != GithubApplication::Actions)
        {
            Some("`deployment` of a sink goes with `repository` and the application actions alone")
        } else if self
            .deployment
            .as_deref()
            .is_some_and(|name| !is_part(name))
        {
            Some("`deployment` of a sink is a name")
        } else if !is_name(&self.secret) {
            Some("`secret` of a sink of kind github is a name of letters, digits and underscores")
        } else {
            tokens(self.token_file.as_ref(), self.token_variable.as_ref())
        }
    }
}

impl GitlabSettings {
    fn fault(&self) -> Option<&'static str> {
        let place = self.project.as_ref().or(self.group.as_ref());
        if self.project.is_some() == self.group.is_some() {
            Some("a sink of kind gitlab has either `project` or `group`")
        } else if place.is_some_and(|place| place.is_empty() || place.starts_with('/')) {
            Some("`project` and `group` of a sink are an id, or a path as \"acme/app\"")
        } else if !is_name(&self.variable) {
            Some("`variable` of a sink is a key of letters, digits and underscores")
        } else if self.environment_scope.as_deref() == Some("") {
            Some("`environment-scope` of a sink is empty: \"*\" is the scope of all environments")
        } else {
            tokens(self.token_file.as_ref(), self.token_variable.as_ref())
        }
    }
}

impl DockerSettings {
    fn fault(&self) -> Option<&'static str> {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.secret.is_empty() || self.secret.len() > 56 || !self.secret.chars().all(is_known) {
            // Docker takes 64 letters (Engine API, SecretSpec); `_vN` needs some of them.
            return Some(
                "`secret` of a sink of kind docker is a name of at most 56 letters, digits, dots, hyphens and underscores",
            );
        }
        let is_empty = self.services.is_empty() || self.services.iter().any(String::is_empty);
        is_empty.then_some("`services` of a sink of kind docker names those that get the secret")
    }
}

/// Tells whether GitHub and GitLab take a name.
fn is_name(text: &str) -> bool {
    let is_known = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !text.is_empty() && text.len() <= 255 && text.bytes().all(is_known)
}

fn tokens(file: Option<&PathBuf>, variable: Option<&String>) -> Option<&'static str> {
    let one = file.is_some() != variable.is_some();
    (!one).then_some("a sink names its token by either `token-file` or `token-variable`")
}

/// Keys that sinks of every kind may have.
const SHARED: [&str; 5] = ["kind", "store", "key", "field", "environment"];

impl<'de> Deserialize<'de> for SinkEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let missing = D::Error::missing_field;
        let mut table = toml::Table::deserialize(deserializer)?;
        let kind: String = take(&mut table, "kind")?.ok_or_else(|| missing("kind"))?;
        let store = take(&mut table, "store")?.ok_or_else(|| missing("store"))?;
        let key = take(&mut table, "key")?.ok_or_else(|| missing("key"))?;
        let field = take(&mut table, "field")?;
        let environment = take(&mut table, "environment")?;
        let (kind, fault) = match kind.as_str() {
            "github" => {
                let settings: GithubSettings = rest(table, &SHARED)?;
                let fault = settings.fault();
                (SinkKind::Github(settings), fault)
            }
            "gitlab" => {
                let settings: GitlabSettings = rest(table, &SHARED)?;
                let fault = settings.fault();
                (SinkKind::Gitlab(settings), fault)
            }
            "docker" => {
                let settings: DockerSettings = rest(table, &SHARED)?;
                let fault = settings.fault();
                (SinkKind::Docker(settings), fault)
            }
            "command" => (SinkKind::Command(rest(table, &SHARED)?), None),
            _ => return Err(unknown_kind(&kind, &SinkKind::NAMES)),
        };
        if let Some(fault) = fault {
            return Err(D::Error::custom(fault));
        }
        Ok(Self {
            store,
            key,
            field,
            environment,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::stores::StoresFile;

    use super::*;

    fn parse(kind: &str) -> Result<Vec<SinkEntry>, (String, u32)> {
        let text = format!(
            "[stores.own]\nkind = \"local\"\n\n[[sinks]]\nstore = \"own\"\nkey = \"apps/db\"\n{kind}\n"
        );
        StoresFile::parse("stores.toml", &text)
            .map(|file| file.sinks)
            .map_err(|error| (format!("{error} {}", error.help), error.line))
    }

    const TOKEN: &str = "token-file = \"t\"";

    #[test]
    fn reads_each_kind() {
        let github = format!(
            "kind = \"github\"\nrepository = \"acme/app\"\ndeployment = \"prod\"\nsecret = \"DB_PASSWORD\"\nfield = \"password\"\n{TOKEN}"
        );
        let gitlab = format!("kind = \"gitlab\"\ngroup = \"acme\"\nvariable = \"DB\"\n{TOKEN}");
        let docker = "kind = \"docker\"\nsecret = \"db\"\nservices = [\"web\"]";
        let hook = "kind = \"command\"\nprogram = [\"/bin/true\"]\nwithout-value = true";
        for kind in [&github, &gitlab, docker, hook] {
            let sinks = parse(kind).unwrap();
            assert_eq!(sinks[0].is_hook(), kind == hook, "{kind}");
            assert_eq!(
                sinks[0].token_file().is_some(),
                kind.contains(TOKEN),
                "{kind}"
            );
        }
        assert_eq!(
            parse(&github).unwrap()[0].field.as_deref(),
            Some("password")
        );
    }

    #[test]
    fn what_could_mean_two_places_or_none_is_an_error_with_its_line() {
        for (text, expected) in [
            ("kind = \"githup\"".to_owned(), "did you mean `github`"),
            (
                format!("kind = \"github\"\nsecret = \"A\"\n{TOKEN}"),
                "either `repository`",
            ),
            (
                format!("kind = \"github\"\nsecret = \"A\"\nrepository = \"app\"\n{TOKEN}"),
                "OWNER/NAME",
            ),
            (
                format!("kind = \"github\"\nsecret = \"A\"\nrepository = \"../app\"\n{TOKEN}"),
                "OWNER/NAME",
            ),
            (
                format!("kind = \"github\"\nsecret = \"A/B\"\nrepository = \"a/b\"\n{TOKEN}"),
                "letters",
            ),
            (
                "kind = \"github\"\nsecret = \"A\"\nrepository = \"a/b\"".to_owned(),
                "`token-file`",
            ),
            (
                format!(
                    "kind = \"github\"\nsecret = \"A\"\norganization = \"a\"\ndeployment = \"p\"\n{TOKEN}"
                ),
                "`deployment`",
            ),
            (
                format!("kind = \"gitlab\"\nvariable = \"A\"\n{TOKEN}"),
                "either `project`",
            ),
            ("kind = \"docker\"\nsecret = \"a\"".to_owned(), "`services`"),
            (
                "kind = \"docker\"\nsecret = \"a/b\"\nservices = [\"w\"]".to_owned(),
                "56",
            ),
            (
                "kind = \"command\"\nprogram = [\"a\"]\ntoken = \"hvs.MadeUpMadeUp0123\""
                    .to_owned(),
                "token",
            ),
        ] {
            let (told, line) = parse(&text).unwrap_err();
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains("MadeUp"), "{told}");
            assert!(line >= 4, "{told}");
        }
    }

    #[test]
    fn a_sink_of_no_store_is_an_error() {
        let text = "[[sinks]]\nstore = \"x\"\nkey = \"k\"\nkind = \"command\"\nprogram = [\"a\"]";
        let error = StoresFile::parse("stores.toml", text).unwrap_err();
        assert!(error.to_string().contains("`x`"), "{error}");
    }
}

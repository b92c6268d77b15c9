//! Everything that can end a command, as one type that knows its exit code.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{exit::Outcome, hook::HookError};
use crate::{
    config::ConfigError,
    model::BlobPath,
    report::{ReadError, ReportError},
    rules::{ExampleError, RuleError},
    sources::SourceError,
};

/// What ended a command.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum CliError {
    /// A source could not be read at all.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Source(#[from] SourceError),
    /// A rule file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rule(#[from] RuleError),
    /// A rule's example.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Example(#[from] ExampleError),
    /// The configuration or baseline.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigError),
    /// The hook.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Hook(#[from] HookError),
    /// A report could not be read again.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Read(#[from] ReadError),
    /// Ctrl-C during a rotation.
    #[cfg(feature = "verify")]
    #[error("stopped between two steps; the journal has what was done")]
    #[diagnostic(
        code(keysweep::cli::stopped),
        help(
            "keysweep rotate status tells how far each rotation is, and keysweep rotate resume goes on"
        )
    )]
    Stopped,
    /// A file cannot be read.
    #[error("cannot read {}", shown(path))]
    #[diagnostic(
        code(keysweep::cli::read),
        help(
            "name an existing file that may be read: a report is made with --output json=FILE, a plan with `keysweep rotate plan`, an index with `keysweep store index`"
        )
    )]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// An index of store values.
    #[cfg(feature = "verify")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Index(#[from] crate::verify::index::IndexError),
    /// An event that strangers can cause.
    #[cfg(feature = "verify")]
    #[error("stores are not asked and nothing is changed for this CI event: {why}")]
    #[diagnostic(
        code(keysweep::cli::untrusted),
        help(
            "verify answers whether a value is in a store: run it on pushes, schedules or by hand; `keysweep scan` is what pull requests need"
        )
    )]
    Untrusted {
        /// What the event says.
        why: String,
    },
    /// `--trace`.
    #[cfg(feature = "verify")]
    #[error("no store of kind `vault` has an audit log to look into")]
    #[diagnostic(
        code(keysweep::cli::no_audit),
        help("set `audit-device` and `audit-file` of the store in stores.toml (docs/vault.md)")
    )]
    NoAuditLog,
    /// No team key.
    #[cfg(feature = "verify")]
    #[error("there is no team key")]
    #[diagnostic(
        code(keysweep::cli::no_team_key),
        help(
            "set KEYSWEEP_TEAM_KEY to the key that the index was made with; `keysweep store index` makes one"
        )
    )]
    NoTeamKey,
    /// `KEYSWEEP_TEAM_KEY` or its file.
    #[cfg(feature = "verify")]
    #[error("the team key is none")]
    #[diagnostic(
        code(keysweep::cli::team_key),
        help("a key has 64 hex digits; make one with `openssl rand -hex 32`")
    )]
    TeamKey,
    /// A rotation.
    #[cfg(feature = "verify")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rotate(#[from] crate::rotate::RotateError),
    /// A report that no store was asked about.
    #[cfg(feature = "verify")]
    #[error("the stores were not asked about {name}")]
    #[diagnostic(
        code(keysweep::cli::not_verified),
        help("verify first: keysweep verify --output json=FILE, then plan from that file")
    )]
    NotVerified {
        /// The report.
        name: String,
    },
    /// New values that could be guessed.
    #[cfg(feature = "verify")]
    #[error("new values would have {bits} bits")]
    #[diagnostic(
        code(keysweep::cli::weak_value),
        help("{least} bits are the least, and 256 the default: raise --length, or leave it out")
    )]
    WeakValue {
        /// What --length and --alphabet come to.
        bits: u32,
        /// The least.
        least: u32,
    },
    /// No age identity.
    #[cfg(feature = "verify")]
    #[error("there is no age identity to seal new values in journals with")]
    #[diagnostic(
        code(keysweep::cli::no_identity),
        help(
            "set `[rotate] identity` of the stores file to one: age-keygen -o FILE, or `keysweep store init`"
        )
    )]
    NoIdentity,
    /// A report could not be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Report(#[from] ReportError),
    /// `--output`.
    #[error("cannot understand `--output {given}`")]
    #[diagnostic(
        code(keysweep::cli::output),
        help(
            "say FORMAT or FORMAT=FILE; formats: text, json, jsonl, sarif, github, gitlab, junit, markdown"
        )
    )]
    Output {
        /// As given, made safe.
        given: String,
    },
    /// Two outputs to one place.
    #[error("two reports go to {place}")]
    #[diagnostic(
        code(keysweep::cli::output_twice),
        help("give all but one of them a file: --output sarif=results.sarif")
    )]
    OutputTwice {
        /// The file or standard output.
        place: String,
    },
    /// `--reveal` and no format that shows values.
    #[error("--reveal has nothing to show values in: no wanted format has a place for them")]
    #[diagnostic(
        code(keysweep::cli::reveal_format),
        help("add `--output text`, `--output json` or `--output jsonl`, or leave --reveal out")
    )]
    RevealFormat,
    /// `--reveal` of a report without values.
    #[error("--reveal has no values to show: the report was made without it")]
    #[diagnostic(
        code(keysweep::cli::reveal_masked),
        help("scan again with `keysweep scan --reveal --output json=FILE`, or leave --reveal out")
    )]
    RevealMasked,
    /// A file cannot be written.
    #[error("cannot write {}", shown(path))]
    #[diagnostic(
        code(keysweep::cli::write),
        help("check that the directory exists and may be written")
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// A rule of the configuration has the id of a lint.
    #[error("the rule `{id}` has the id of a lint of policy")]
    #[diagnostic(
        code(keysweep::rules::taken),
        help("give the rule another id: `keysweep rules list` shows those that are taken")
    )]
    TakenId {
        /// The id, made safe.
        id: String,
    },
    /// A glob of `[environments]` or `[services]` is none.
    #[error("`{glob}` of `{name}` is no glob: {reason}")]
    #[diagnostic(
        code(keysweep::config::environment),
        help(
            "write it as in `deploy/prod/**`, `prod-*` or `secret/data/prod/**` in [environments] or [services]"
        )
    )]
    Glob {
        /// The glob, made safe.
        glob: String,
        /// Of which environment or service, made safe.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A fix was asked for of something else than a directory.
    #[error("{} is not a directory", shown(path))]
    #[diagnostic(
        code(keysweep::cli::fix_path),
        help(
            "name the directory that holds the files, as for `keysweep scan`: some fixes need several files"
        )
    )]
    FixPath {
        /// As given.
        path: PathBuf,
    },
    /// No rule has this id.
    #[error("there is no rule `{id}`")]
    #[diagnostic(code(keysweep::cli::unknown_rule))]
    UnknownRule {
        /// As given, made safe.
        id: String,
        /// The nearest ids.
        #[help]
        help: String,
    },
    /// No rule and no lint is about this tool.
    #[error("no rule and no lint is about the tool `{given}`")]
    #[diagnostic(code(keysweep::cli::unknown_tool))]
    UnknownTool {
        /// As given, made safe.
        given: String,
        /// Those that are known.
        #[help]
        help: String,
    },
    /// `KEYSWEEP_KEY`.
    #[error("KEYSWEEP_KEY is not a key")]
    #[diagnostic(
        code(keysweep::cli::key),
        help("a key has 64 hex digits; make one with `openssl rand -hex 32`")
    )]
    Key,
    /// More than one path where one is meant.
    #[error("{mode} takes one path: the repository")]
    #[diagnostic(code(keysweep::cli::paths), help("run it once for each repository"))]
    Paths {
        /// The flag.
        mode: &'static str,
    },
    /// A path beside `--stdin`.
    #[error("--stdin takes no path")]
    #[diagnostic(
        code(keysweep::cli::stdin_paths),
        help("leave the path out, or scan the file itself: keysweep scan FILE")
    )]
    StdinPaths,
    /// `--stdin --only policy`.
    #[error("--stdin has nothing that policy could read: lints tell by a file's name what it is")]
    #[diagnostic(
        code(keysweep::cli::stdin_policy),
        help("scan the file itself: keysweep scan --only policy FILE")
    )]
    StdinPolicy,
    /// No place.
    #[error("cannot understand the place `{given}`")]
    #[diagnostic(
        code(keysweep::cli::place),
        help("say which line of which file: keysweep explain src/app.py:12")
    )]
    Place {
        /// As given, made safe.
        given: String,
    },
    /// A place in no file.
    #[error("{given} is no file here")]
    #[diagnostic(
        code(keysweep::cli::no_file),
        help(
            "explain reads files as they lie: unpack an archive's member, and take a file of history out with `git show COMMIT:PATH`"
        )
    )]
    NoFile {
        /// As given, made safe.
        given: String,
    },
    /// A line behind the last one.
    #[error("{given} has no line {line}")]
    #[diagnostic(code(keysweep::cli::no_line), help("its last line is {last}"))]
    NoLine {
        /// The file as given, made safe.
        given: String,
        /// As given.
        line: u32,
        /// The number of its last line; 0 if it is empty or cannot be read.
        last: u32,
    },
    /// A baseline is there already.
    #[error("{} is there already", shown(path))]
    #[diagnostic(
        code(keysweep::cli::baseline_exists),
        help(
            "`keysweep baseline update` adds to it; remove the file to begin anew with a new key"
        )
    )]
    BaselineExists {
        /// The file.
        path: PathBuf,
    },
    /// No baseline is there.
    #[error("{} does not exist", shown(path))]
    #[diagnostic(
        code(keysweep::cli::no_baseline),
        help("make one with `keysweep baseline create`")
    )]
    NoBaseline {
        /// The file.
        path: PathBuf,
    },
    /// Lines that only history has would go.
    #[error("{} was recorded with --history", shown(path))]
    #[diagnostic(
        code(keysweep::cli::prune_history),
        help(
            "prune it so, too: `keysweep baseline prune --history`; the working tree alone does not tell what history still holds"
        )
    )]
    PruneHistory {
        /// The file.
        path: PathBuf,
    },
    /// A store.
    #[cfg(feature = "verify")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] crate::stores::StoreError),
    /// What the stores file says.
    #[cfg(feature = "verify")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    StoresFile(#[from] crate::config::stores::StoresFileError),
    /// No stores file.
    #[cfg(feature = "verify")]
    #[error("there is no stores file {}", shown(path))]
    #[diagnostic(
        code(keysweep::cli::no_stores_file),
        help(
            "`keysweep store init` makes one with a local store; or name one with --stores or KEYSWEEP_STORES"
        )
    )]
    NoStoresFile {
        /// Where it should be.
        path: PathBuf,
    },
    /// A stores file that cannot be read.
    #[cfg(feature = "verify")]
    #[error("cannot read the stores file {}", shown(path))]
    #[diagnostic(
        code(keysweep::cli::stores_file_read),
        help("it is a TOML file of your own, of at most 1 MiB")
    )]
    StoresFileRead {
        /// The file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// A stores file that others may change.
    #[cfg(feature = "verify")]
    #[error("others may change the stores file {}", shown(path))]
    #[diagnostic(
        code(keysweep::cli::stores_file_open),
        help(
            "it says where secrets are sent and which programs run: look through it, then `chmod 600` it"
        )
    )]
    StoresFileOpen {
        /// The file.
        path: PathBuf,
    },
    /// A stores file within the repository at hand.
    #[cfg(feature = "verify")]
    #[error(
        "the stores file {} lies in the repository {}",
        shown(path),
        shown(tree)
    )]
    #[diagnostic(
        code(keysweep::cli::stores_file_inside),
        help(
            "whoever writes the repository would say where secrets are sent: keep it in ~/.config/keysweep/stores.toml"
        )
    )]
    StoresFileInside {
        /// The file.
        path: PathBuf,
        /// The work tree.
        tree: PathBuf,
    },
    /// An identity within a repository.
    #[cfg(feature = "verify")]
    #[error(
        "the identity {} would lie in the repository {}",
        shown(path),
        shown(tree)
    )]
    #[diagnostic(
        code(keysweep::cli::identity_inside),
        help("it would be committed sooner or later: name a file outside with --identity")
    )]
    IdentityInside {
        /// The file.
        path: PathBuf,
        /// The work tree.
        tree: PathBuf,
    },
    /// No home directory.
    #[cfg(feature = "verify")]
    #[error("the user has no home directory to put an identity in")]
    #[diagnostic(
        code(keysweep::cli::no_home),
        help("name files with --identity and --stores, or set HOME")
    )]
    NoHome,
    /// Several stores where one is meant, or none.
    #[cfg(feature = "verify")]
    #[error("a value goes into one store")]
    #[diagnostic(code(keysweep::cli::which_store))]
    WhichStore {
        /// The names.
        #[help]
        help: String,
    },
    /// A value that cannot be read.
    #[cfg(feature = "verify")]
    #[error("cannot read the value")]
    #[diagnostic(
        code(keysweep::cli::value),
        help("pipe it in, at most 1 MiB: keysweep store put KEY FIELD < FILE")
    )]
    Value {
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// An empty value.
    #[cfg(feature = "verify")]
    #[error("the value is empty: nothing was written")]
    #[diagnostic(
        code(keysweep::cli::no_value),
        help("type it at the prompt, or pipe it in: keysweep store put KEY FIELD < FILE")
    )]
    NoValue,
    /// A fault of ours.
    #[error("internal error: {what}")]
    #[diagnostic(
        code(keysweep::cli::internal),
        help("please report this; nothing was written")
    )]
    Internal {
        /// What went wrong, without content.
        what: String,
    },
}

/// Returns a path that the user or the environment named, as text that is safe on a terminal.
pub(super) fn shown(path: &Path) -> BlobPath {
    BlobPath::new(path.as_os_str().as_encoded_bytes())
}

impl CliError {
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        Self::Internal {
            what: error.to_string(),
        }
    }

    /// Returns the outcome that the exit code comes from.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Source(_)
            | Self::Rule(_)
            | Self::Example(_)
            | Self::Config(_)
            | Self::Hook(_)
            | Self::Read(_)
            | Self::File { .. }
            | Self::Output { .. }
            | Self::OutputTwice { .. }
            | Self::RevealFormat
            | Self::RevealMasked
            | Self::Write { .. }
            | Self::UnknownRule { .. }
            | Self::UnknownTool { .. }
            | Self::FixPath { .. }
            | Self::Glob { .. }
            | Self::TakenId { .. }
            | Self::Key
            | Self::Paths { .. }
            | Self::StdinPaths
            | Self::StdinPolicy
            | Self::Place { .. }
            | Self::NoFile { .. }
            | Self::NoLine { .. }
            | Self::BaselineExists { .. }
            | Self::NoBaseline { .. }
            | Self::PruneHistory { .. } => Outcome::Usage,
            #[cfg(feature = "verify")]
            Self::StoresFile(_)
            | Self::NoStoresFile { .. }
            | Self::StoresFileRead { .. }
            | Self::StoresFileOpen { .. }
            | Self::StoresFileInside { .. }
            | Self::IdentityInside { .. }
            | Self::NoHome
            | Self::WhichStore { .. }
            | Self::Value { .. }
            | Self::NoValue
            | Self::Rotate(_)
            | Self::Index(_)
            | Self::Untrusted { .. }
            | Self::NoAuditLog
            | Self::NoTeamKey
            | Self::TeamKey
            | Self::NotVerified { .. }
            | Self::WeakValue { .. }
            | Self::NoIdentity => Outcome::Usage,
            #[cfg(feature = "verify")]
            Self::Stopped => Outcome::Interrupted,
            #[cfg(feature = "verify")]
            Self::Store(error) => of_fault(error),
            Self::Report(_) | Self::Internal { .. } => Outcome::Internal,
        }
    }
}

/// Tells what the user has got wrong from what a store did not do.
#[cfg(feature = "verify")]
fn of_fault(error: &crate::stores::StoreError) -> Outcome {
    use crate::stores::Fault;
    match error.fault {
        Fault::Setup | Fault::NotFound | Fault::Rejected | Fault::Unsupported => Outcome::Usage,
        Fault::Denied
        | Fault::Unauthenticated
        | Fault::Retryable { .. }
        | Fault::Conflict
        | Fault::Unavailable
        | Fault::Unknown
        | Fault::Protocol => Outcome::of_faults(&std::collections::BTreeSet::from([error.kind()])),
    }
}

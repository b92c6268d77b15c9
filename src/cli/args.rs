//! The command line as data: no logic here.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::model::{Persona, Severity};

/// Finds secrets in working trees and git history, and says exactly what it looked at.
#[derive(Debug, Parser)]
#[command(name = "keysweep", version, max_term_width = 110, propagate_version = true, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) global: Global,
}

const EXIT_CODES: &str = "Exit codes: 0 clean, or all findings are below --fail-on; 1 findings at or above --fail-on; \
2 usage, configuration, or a report that cannot be written; 3 incomplete: something could not be read, and no finding is at or above \
--fail-on; 4 internal error; 10 a finding is live; 11 a plan waits for approval; 12 in grace, resume later; 13 a rotation failed and was rolled \
back; 14 a person is needed; 20 a store denied a right; 21 no login to a store; 22 a store does not answer; 23 a store's quota is used up; 24 a \
value may stand in versions that a store threw away or deleted; 130 stopped with Ctrl-C.";

#[cfg(feature = "verify")]
const VERIFY_CODES: &str = "Exit codes, the first that is true: 130 stopped with Ctrl-C; 10 a finding is live; 1 findings at or above --fail-on; \
3 something was not read or asked, for other reasons than those that follow or for several; 20 a store denied a right; 21 no login to a store, or an \
expired one; 22 a store is sealed, down or not reached; 23 a quota is used up; 24 a finding is in no store, and may stand in versions that a store threw away \
or deleted; 0 none of these. 2 is wrong usage or configuration. With --on-live those of `keysweep rotate`, too.";

#[cfg(feature = "verify")]
const ROTATE_CODES: &str = "Exit codes: 0 done, or nothing to do; 2 wrong usage or configuration, or a plan that is refused; 10 of plan: something live is \
not in it; 11 a plan waits for its approval; 12 in grace, or a store or target is away: resume later; 13 failed, and everything is as before; 14 a person has to \
look; 3 and 20 to 23 a store's fault, as of `keysweep verify`.";

#[cfg(feature = "verify")]
const STORE_CODES: &str = "Exit codes: 0 every store answered; 2 wrong usage or configuration; 3 anything else was in the way, or several of these; 20 a right \
is missing; 21 no login, or an expired one; 22 a store is sealed, down or not reached, or its file cannot be read; 23 a quota is used up.";

#[derive(Debug, Args)]
pub(super) struct Global {
    /// Show no progress, and nothing at all in the text report if the run is clean
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// Use no colours (also: NO_COLOR in the environment)
    #[arg(long, global = true)]
    pub(super) no_color: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Look for secrets in a directory, files, the index, a range of commits or a whole history
    Scan(Box<Scan>),
    /// Ask your secrets stores which findings of a scan, or of a report, are live
    #[cfg(feature = "verify")]
    #[command(after_help = VERIFY_CODES)]
    Verify(Box<Verify>),
    /// Replace what verify found live in the stores: plan it, have it approved, apply it, come back to it
    #[cfg(feature = "verify")]
    #[command(subcommand, after_help = ROTATE_CODES)]
    Rotate(Box<Rotate>),
    /// Check the log of what rotations changed
    #[cfg(feature = "verify")]
    #[command(subcommand)]
    Audit(Audit),
    /// Say why a line of a file is or is not reported
    Explain(Explain),
    /// Show and test the rules
    #[command(subcommand)]
    Rules(Rules),
    /// Mend what policy findings know how to mend; without --apply shows a patch, and exits with 1 if there is one
    Fix(Fix),
    /// Record today's findings, so that only new ones are reported
    #[command(subcommand)]
    Baseline(Baseline),
    /// Write a JSON report in other formats, or several as one
    #[command(subcommand)]
    Report(Report),
    /// Make the local store, look at any store, put a value into one
    #[cfg(feature = "verify")]
    #[command(subcommand, after_help = STORE_CODES)]
    Store(Store),
    /// Run keysweep before each commit
    #[command(subcommand)]
    Hook(Hook),
}

/// What is looked at and how.
#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Directory or files to scan (none with --stdin); with --history, --range or --staged the repository [default: .]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) mode: ModeArgs,
    /// With --history: also objects that nothing leads to (force-pushed, amended, dropped)
    #[arg(long, requires = "history")]
    pub(super) unreachable: bool,
    /// With --history: scan each version of a file as a whole, not what changed; slower, the same results
    #[arg(long, requires = "history")]
    pub(super) no_delta: bool,
    /// Also scan what .gitignore hides
    #[arg(long)]
    pub(super) no_ignore: bool,
    #[command(flatten)]
    pub(super) common: Common,
    /// FORMAT or FORMAT=FILE; several at once; `-` as FILE is standard output [default: text]
    #[arg(long, short, value_name = "FORMAT[=FILE]", action = ArgAction::Append)]
    pub(super) output: Vec<String>,
    /// With sarif: a word in the category, for repositories that are scanned several times apart (parts of a tree, personas)
    #[arg(long, value_name = "WORD", value_parser = super::scan::category)]
    pub(super) sarif_category: Option<String>,
    /// Exit with 1 only for findings of this severity or worse [default: low]
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub(super) fail_on: Option<SeverityArg>,
    /// Write the secrets themselves into json and text reports
    #[arg(long)]
    pub(super) reveal: bool,
    /// Index of store values (keysweep store index): says which findings are live secrets without asking a store
    #[cfg(feature = "verify")]
    #[arg(long, value_name = "FILE", env = "KEYSWEEP_INDEX")]
    pub(super) index: Option<PathBuf>,
}

/// What is verified and where.
#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) scan: Scan,
    /// Verify the findings of this JSON report instead of a scan; what it has no values of is read again where it stood
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    #[command(flatten)]
    pub(super) stores: StoresArgs,
    /// Also ask the systems of [[targets]] whether they still accept each value found: one login attempt a value
    #[arg(long)]
    pub(super) probe: bool,
    /// Also tell values that several keys of the stores share
    #[arg(long)]
    pub(super) reuse: bool,
    /// Leave names of keys, owners and readers out of all reports; in CI the log never has them
    #[arg(long)]
    pub(super) redact_paths: bool,
    /// What is done about what is live: nothing, a plan (written to --plan), or its rotation within the allow-list of the stores file
    #[arg(long, value_name = "WHAT", value_enum, default_value = "nothing")]
    pub(super) on_live: OnLive,
    /// Where --on-live writes its plan
    #[arg(long, value_name = "FILE", default_value = "plan.json")]
    pub(super) plan: PathBuf,
    /// Also look for each value's uses in the audit log of Vault or OpenBao, without the right to read a secret
    #[arg(long)]
    pub(super) trace: bool,
}

/// From a plan to dead credentials.
#[cfg(feature = "verify")]
#[derive(Debug, Subcommand)]
pub(super) enum Rotate {
    /// Make a plan from a verified report; changes nothing
    Plan(RotatePlan),
    /// Sign a plan that somebody else made
    Approve(RotateApprove),
    /// Show what a plan would do; with --apply do it, as far as it goes without waiting
    Apply(RotateApply),
    /// Go on with what was begun: after its time of grace, a crash or an outage
    Resume(RotateResume),
    /// Show how far each rotation is that has not ended
    Status {
        /// Those that have ended, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        stores: StoresArgs,
    },
    /// Give a rotation up where it stands; refused if the last credential would be lost with it
    Abandon(RotateAbandon),
}

/// What is given up.
#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct RotateAbandon {
    /// The rotation, as `keysweep rotate status` lists it
    pub(super) id: String,
    /// Why, for the journal and the audit log; no value
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) stores: StoresArgs,
}

/// What is planned.
#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct RotatePlan {
    /// The report of `keysweep verify`, in JSON
    #[arg(long, value_name = "FILE")]
    pub(super) report: PathBuf,
    /// Where the plan goes
    #[arg(long, value_name = "FILE", default_value = "plan.json")]
    pub(super) out: PathBuf,
    /// Accept rotations in which the old value dies before readers have the new one
    #[arg(long)]
    pub(super) accept_cutover: bool,
    /// Accept keys whose readers nobody can tell, and values that other keys share
    #[arg(long)]
    pub(super) ack_unknown: bool,
    /// Leave the version with the leaked value in the store
    #[arg(long)]
    pub(super) keep_old_version: bool,
    /// Letters of new values [default: as many as 256 bits need]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) length: Option<u16>,
    /// Which letters new values have [default: alphanumeric]
    #[arg(long, value_name = "NAME", value_enum)]
    pub(super) alphabet: Option<AlphabetArg>,
    /// Who makes the plan, as approvers are named; whoever does cannot approve it [default: your user's name]
    #[arg(long, value_name = "NAME")]
    pub(super) planner: Option<String>,
    #[command(flatten)]
    pub(super) stores: StoresArgs,
}

/// What is done about what is live.
#[cfg(feature = "verify")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnLive {
    /// It is told
    Nothing,
    /// A plan is made
    Plan,
    /// A plan is made and applied, if it needs no approval
    Rotate,
}

#[cfg(feature = "verify")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AlphabetArg {
    /// A-Z a-z 0-9
    Alphanumeric,
    /// A-Z a-z 0-9 - _
    Base64url,
    /// 0-9 a-f
    Hex,
}

#[cfg(feature = "verify")]
impl From<AlphabetArg> for crate::rotate::Alphabet {
    fn from(arg: AlphabetArg) -> Self {
        match arg {
            AlphabetArg::Alphanumeric => Self::Alphanumeric,
            AlphabetArg::Base64url => Self::Base64url,
            AlphabetArg::Hex => Self::Hex,
        }
    }
}

/// What is approved.
#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct RotateApprove {
    /// The plan
    pub(super) plan: PathBuf,
    /// The file of your ed25519 key, 64 hex digits: (umask 077; openssl rand -hex 32 > FILE)
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// Your name in [rotate.approvers] of the stores file
    #[arg(long, value_name = "NAME")]
    pub(super) name: String,
    /// Where the approval goes [default: PLAN.approval]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) stores: StoresArgs,
}

/// What is applied.
#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct RotateApply {
    /// The plan
    pub(super) plan: PathBuf,
    /// An approval of it; several at once
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub(super) approval: Vec<PathBuf>,
    /// Do it
    #[arg(long)]
    pub(super) apply: bool,
    /// Accept keys whose readers nobody can tell, and values that other keys share: a plan that says so is not believed
    #[arg(long)]
    pub(super) ack_unknown: bool,
    #[command(flatten)]
    pub(super) stores: StoresArgs,
}

/// What is gone on with.
#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct RotateResume {
    /// The rotation, as `keysweep rotate status` lists it [default: all that have not ended]
    pub(super) id: Option<String>,
    /// You have looked at what stopped it: go on, although it is old, its key has moved or it asked for a person
    #[arg(long, requires = "id")]
    pub(super) by_hand: bool,
    #[command(flatten)]
    pub(super) stores: StoresArgs,
}

/// The log of what rotations changed.
#[cfg(feature = "verify")]
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Check that no record is missing, moved or changed, and print the head
    Verify {
        /// The log [default: that of the stores file's state directory]
        file: Option<PathBuf>,
        #[command(flatten)]
        stores: StoresArgs,
    },
}

/// One of these at most.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct ModeArgs {
    /// Everything the repository holds: all refs, stash, reflogs, notes, messages, the index and the working tree
    #[arg(long)]
    pub(super) history: bool,
    /// Only what the commits A..B bring (A alone: up to HEAD; A...B: what only one of them has)
    #[arg(long, value_name = "A..B")]
    pub(super) range: Option<OsString>,
    /// Only what is staged, as a commit hook needs it
    #[arg(long)]
    pub(super) staged: bool,
    /// Standard input
    #[arg(long)]
    pub(super) stdin: bool,
}

/// Shared by the commands that scan.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Configuration file [default: keysweep.toml or .keysweep.toml at the repository's root]
    #[arg(long, value_name = "FILE", env = "KEYSWEEP_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Let the configuration of a tree that is not yours loosen the scan
    #[arg(long)]
    pub(super) trust_config: bool,
    /// Baseline file [default: .keysweep-baseline at the repository's root]
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Report findings of this kind alone
    #[arg(long, value_name = "KIND", value_enum)]
    pub(super) only: Option<OnlyArg>,
    /// Whose policy findings are reported: what is to be mended, also what is better otherwise, or everything [default: regular]
    #[arg(long, value_name = "PERSONA", value_enum)]
    pub(super) persona: Option<PersonaArg>,
    /// Honour no inline `keysweep:allow` marker
    #[arg(long)]
    pub(super) no_inline: bool,
    /// Number of threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnlyArg {
    /// Hard-coded secrets
    Secrets,
    /// Habits that leak secrets, and secrets that environments share
    Policy,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PersonaArg {
    /// What is to be mended
    Regular,
    /// Also what is better otherwise
    Pedantic,
    /// Everything that may matter
    Auditor,
}

impl From<PersonaArg> for Persona {
    fn from(arg: PersonaArg) -> Self {
        match arg {
            PersonaArg::Regular => Self::Regular,
            PersonaArg::Pedantic => Self::Pedantic,
            PersonaArg::Auditor => Self::Auditor,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SeverityArg {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityArg> for Severity {
    fn from(arg: SeverityArg) -> Self {
        match arg {
            SeverityArg::Info => Self::Info,
            SeverityArg::Low => Self::Low,
            SeverityArg::Medium => Self::Medium,
            SeverityArg::High => Self::High,
            SeverityArg::Critical => Self::Critical,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The file and its line, from 1
    #[arg(value_name = "PATH:LINE")]
    pub(super) place: OsString,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Fix {
    /// The directory [default: .]
    #[arg(value_name = "PATH")]
    pub(super) path: Option<PathBuf>,
    /// Write the files
    #[arg(long)]
    pub(super) apply: bool,
    /// Also what changes what a file does: look at the diff first
    #[arg(long)]
    pub(super) r#unsafe: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Subcommand)]
pub(super) enum Rules {
    /// One line a rule
    List {
        /// As JSON, with all that is known of each
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        filter: RulesFilter,
        #[command(flatten)]
        config: RulesConfig,
    },
    /// Everything about one rule
    Show {
        /// The rule's id
        id: String,
        #[command(flatten)]
        config: RulesConfig,
    },
    /// Run every rule's examples through the engine
    Test {
        /// Only these rules
        ids: Vec<String>,
        #[command(flatten)]
        config: RulesConfig,
    },
}

/// Which rules are listed.
#[derive(Debug, Args)]
pub(super) struct RulesFilter {
    /// Only rules for secrets, or only lints of policy
    #[arg(long, value_name = "KIND", value_enum)]
    pub(super) only: Option<OnlyArg>,
    /// Only lints that this persona is shown as a rule; a lint may tell single findings to others [default: all]
    #[arg(long, value_name = "PERSONA", value_enum)]
    pub(super) persona: Option<PersonaArg>,
    /// Only those of this severity or worse
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub(super) severity: Option<SeverityArg>,
    /// Only those whose tool or provider has this in its name, such as docker or github
    #[arg(long, value_name = "NAME")]
    pub(super) tool: Option<String>,
}

/// Whose rules there are beside the built-in ones.
#[derive(Debug, Args)]
pub(super) struct RulesConfig {
    /// Configuration whose rules count too [default: keysweep.toml or .keysweep.toml at the repository's root]
    #[arg(long, value_name = "FILE", env = "KEYSWEEP_CONFIG")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Baseline {
    /// Write a new baseline with a new key; refuses to replace one
    Create(BaselineArgs),
    /// Add today's findings to the baseline
    Update(BaselineArgs),
    /// Drop the lines whose finding is gone
    Prune(BaselineArgs),
}

#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    /// The directory, as for a scan; with --history the repository [default: .]
    #[arg(value_name = "PATH")]
    pub(super) path: Option<PathBuf>,
    /// Take the whole history into account, not only the working tree
    #[arg(long)]
    pub(super) history: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Which stores file and which of its stores.
#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct StoresArgs {
    /// Stores file; never one inside the repository at hand [default: keysweep/stores.toml in XDG_CONFIG_HOME or ~/.config]
    #[arg(long, value_name = "FILE", env = "KEYSWEEP_STORES")]
    pub(super) stores: Option<PathBuf>,
    /// Only this store of it; several at once [default: all]
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub(super) store: Vec<String>,
}

#[cfg(feature = "verify")]
#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Make a SOPS file with an age identity, and its entry in the stores file; overwrites nothing
    Init(StoreInit),
    /// Show the keys of the stores, without values
    List {
        #[command(flatten)]
        stores: StoresArgs,
    },
    /// Write one value, from standard input or a prompt without echo
    Put {
        /// The key's path in the store, such as apps/db
        #[arg(value_name = "KEY")]
        key: String,
        /// The field of it, such as password; without it the key is one whole value
        #[arg(value_name = "FIELD")]
        field: Option<String>,
        #[command(flatten)]
        stores: StoresArgs,
    },
    /// Write an index of the stores' values as keyed tags, for commit hooks that have no access to a store; reads only
    Index(StoreIndex),
    /// Print the least policy that Vault or OpenBao must grant
    Policy {
        /// Also what a rotation writes
        #[arg(long)]
        rotate: bool,
        #[command(flatten)]
        stores: StoresArgs,
    },
    /// Say for each store whether it answers, who we are to it, and what is in the way; reads only
    #[command(after_help = STORE_CODES)]
    Doctor {
        #[command(flatten)]
        stores: StoresArgs,
    },
}

/// What is indexed.
#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct StoreIndex {
    /// The index
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Days that it is good for
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub(super) days: u16,
    /// Also names of keys and versions: then verify knows versions that their store has thrown away since
    #[arg(long)]
    pub(super) names: bool,
    #[command(flatten)]
    pub(super) stores: StoresArgs,
}

#[cfg(feature = "verify")]
#[derive(Debug, Args)]
pub(super) struct StoreInit {
    /// The SOPS file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "secrets/keysweep.sops.yaml"
    )]
    pub(super) file: PathBuf,
    /// The age identity [default: keysweep/age.txt in XDG_CONFIG_HOME or ~/.config]
    #[arg(long, value_name = "FILE")]
    pub(super) identity: Option<PathBuf>,
    /// The store's name in the stores file: letters, digits, - and _
    #[arg(long, value_name = "NAME", default_value = "local", value_parser = super::store::name)]
    pub(super) name: String,
    /// Stores file; never one inside the repository at hand [default: keysweep/stores.toml in XDG_CONFIG_HOME or ~/.config]
    #[arg(long, value_name = "FILE", env = "KEYSWEEP_STORES")]
    pub(super) stores: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// Write one report in other formats; exits with 0
    Convert {
        /// The JSON report; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        outputs: OutputArgs,
    },
    /// Write several reports of one mode as one, such as the parts of a scan; exits as a scan does
    Merge {
        /// The JSON reports
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        outputs: OutputArgs,
        /// Exit with 1 only for findings of this severity or worse [default: low]
        #[arg(long, value_name = "SEVERITY", value_enum)]
        fail_on: Option<SeverityArg>,
    },
}

/// What is written where.
#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// FORMAT or FORMAT=FILE; several at once; `-` as FILE is standard output [default: text]
    #[arg(long, short, value_name = "FORMAT[=FILE]", action = ArgAction::Append)]
    pub(super) output: Vec<String>,
    /// With sarif: a word in the category, for repositories that are scanned several times apart (parts of a tree, personas)
    #[arg(long, value_name = "WORD", value_parser = super::scan::category)]
    pub(super) sarif_category: Option<String>,
    /// Write the secrets themselves into json and text reports, if the report was made so
    #[arg(long)]
    pub(super) reveal: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Hook {
    /// Write the repository's pre-commit hook; shows what it would do unless --apply is given
    Install {
        /// The repository [default: .]
        path: Option<PathBuf>,
        /// Index of store values (keysweep store index) that the hook asks
        #[cfg(feature = "verify")]
        #[arg(long, value_name = "FILE")]
        index: Option<PathBuf>,
        /// Write the file
        #[arg(long)]
        apply: bool,
    },
}

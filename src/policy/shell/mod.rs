//! What a shell script does with secrets.
//!
//! A `Script` (a `run` step, a line of GitLab's `script`, the body of a `RUN`, a container's command, a file) is parsed by tree-sitter's
//! bash grammar into a small tree of our own (`syntax`), through which names of secrets are followed (`flow`): through assignments,
//! `export`, pipes, here-documents and command substitution, to where they leave the shell. `commands` holds the tables of programs, and
//! `secret_arguments` reads argument vectors that are written as lists. `analyse_powershell` does the same for PowerShell by tokens, and
//! `analyse_program` tells what scripts in other languages print.
//!
//! Promises: work in proportion to the script (which is bounded by `MAX_BYTES`; longer ones are told as gaps), never a panic, spans lie within the script's text; what the parser
//! cannot read is left out and the rest is used. No value stands in what is told but the text of flags and paths. All offsets are those of
//! `Script::text`; callers map them to the file (`Scalar::source`).

mod arguments;
mod channels;
mod commands;
mod describe;
mod external;
mod flow;
mod interpreters;
mod lower;
mod pasted;
mod powershell;
mod redirects;
mod run;
mod sinks;
mod sources;
mod syntax;
mod taint;
mod variables;
mod vectors;
mod words;

use std::{ops::Range, sync::OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::gaps;
pub(crate) use describe::{describe, is_secret_variable, secret, sources_others, topic};
pub(crate) use interpreters::{Language, analyse_program};
pub(crate) use pasted::is_spoken;
pub(crate) use powershell::analyse_powershell;
pub(crate) use vectors::{SecretArgument, secret_arguments};

/// Longest script that is parsed, in bytes: most of what is longer is made by a program.
pub(crate) const MAX_BYTES: usize = 512 << 10;

/// What is said of a longer one.
const TOO_LONG: gaps::Gap = "a script is longer than 512 KiB: policy did not look at it";

/// A stretch of the script that the tool around it replaces by text before the shell sees it: `${{ secrets.X }}`, `$(Macro)`, `{{ … }}`.
#[derive(Clone, Debug)]
pub(crate) struct Placeholder {
    /// Its bytes in the script.
    pub(crate) span: Range<usize>,
    /// What it stands for, for messages: `secrets.X`. No value.
    pub(crate) name: String,
    /// Whether a secret is pasted here.
    pub(crate) secret: bool,
}

/// A script and how it is run.
#[derive(Clone, Debug)]
pub(crate) struct Script<'s> {
    /// Its text.
    pub(crate) text: &'s str,
    /// Whether the shell is started with `-x`.
    pub(crate) trace: bool,
    /// What is replaced before it runs: sorted, without overlap.
    pub(crate) placeholders: &'s [Placeholder],
}

impl<'s> Script<'s> {
    /// A script as it stands, not traced.
    pub(crate) fn new(text: &'s str) -> Self {
        Self {
            text,
            trace: false,
            placeholders: &[],
        }
    }
}

/// One thing that a script does with a secret. Sorted by span; one use a sink and word.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// What it does.
    pub(crate) sink: Sink,
    /// The word to point at, quotes included: `"$TOKEN"`, `--password=$P`. Of a dump, the command.
    pub(crate) span: Range<usize>,
    /// The whole simple command, its assignments in front and redirections included.
    pub(crate) command_span: Range<usize>,
    /// The program as people call it: `docker login`, `echo`, `curl`. Empty if there is none (an assignment).
    pub(crate) command: String,
    /// Variables and placeholders, that of the word first, then those that it was made of. Empty where the whole environment is meant.
    pub(crate) names: Vec<String>,
    /// What made the secret one.
    pub(crate) origin: Origin,
    /// The program or expansion that made another form of it before (`base64`, `cut`, `${X:…}`): CI does not mask that form.
    pub(crate) derived: Option<&'static str>,
}

/// How a secret came into the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `is_secret` said so of a variable.
    Variable,
    /// A secret placeholder.
    Placeholder,
    /// A program in the script fetched or made it: `vault kv get`, `az account get-access-token`.
    Minted,
}

/// What is done with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Its value is printed to stdout or stderr of the script, thus to the log.
    Print,
    /// Another form of it (see [`Use::derived`]) is printed, which masking of logs does not know.
    Derived,
    /// The whole environment (or a container's, or a Kubernetes secret) is printed: `env`, `printenv`, `set`, `export -p`, `docker inspect`,
    /// `kubectl get secret -o yaml`. `names` is empty: it matters where secrets are in scope.
    Dump,
    /// It is expanded in a command while `set -x` is on. One use for each name.
    Trace,
    /// Another script is run with `-x` (`bash -x deploy.sh`). `names` is empty: weaker than [`Self::Trace`].
    TracedCall,
    /// It is an argument of a program that is no builtin and no function of the script: `ps` shows it.
    Argument(Argument),
    /// It is the user part of an address (`https://x:$T@host/…`) that a program gets, or that a variable is given for one.
    Url,
    /// It becomes a build argument of an image.
    BuildArg {
        /// The name of the argument.
        name: String,
    },
    /// It is written to a file. With `names` empty: the whole environment is (`env > .env`).
    File(File),
    /// It goes to a file or command by which CI hands values to later steps.
    CommandFile(CommandFile),
    /// A credential that the script fetched or made gets out without having been registered for masking (`::add-mask::`,
    /// `task.setsecret`). What is registered, and leaves by output or environment, is not told at all.
    Unmasked(Box<Unmasked>),
    /// A secret placeholder stands in the script's text, anywhere but in a comment. Always told, beside other sinks of the same word.
    Inline {
        /// The quotes around it.
        quoting: Quoting,
    },
    /// A variable with the name of a secret (`is_secret`) is given a literal value. [`Use::span`] is the value without its quotes.
    Literal {
        /// The variable.
        name: String,
        /// Whether it is exported.
        exported: bool,
    },
}

/// A secret as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    /// The option that it is the value of, with its dashes: `-p`, `--password`, `-H`.
    pub(crate) flag: Option<String>,
    /// How this program takes it without `ps` seeing it, as an imperative without a full stop: "pipe it to `docker login
    /// --password-stdin`". `None` if it is not known; `./deploy "$TOKEN"`.
    pub(crate) safe: Option<&'static str>,
    /// Edits of the script that pass it by stdin instead (`docker login -p "$P"`): offsets of [`Script::text`]. They copy the expansion,
    /// never a value; there are none where the word is a literal or a placeholder. Their texts hold double quotes: in a YAML scalar that
    /// is itself double-quoted they don't fit as they are.
    pub(crate) stdin_edits: Vec<(Range<usize>, String)>,
}

/// A file that a secret is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// The path as written, outer quotes dropped: `~/.npmrc`, `$HOME/.netrc`.
    pub(crate) path: String,
    /// Whether it is appended.
    pub(crate) append: bool,
    /// Whether the script sees to it that others cannot read it: `umask 077` before, `chmod 600` or `install -m 600` anywhere.
    pub(crate) private: bool,
}

/// How CI hands on a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandFile {
    /// `$GITHUB_OUTPUT`, `::set-output`.
    Output,
    /// `$GITHUB_ENV`, `$BASH_ENV` of CircleCI, `::set-env`.
    Environment,
    /// `$GITHUB_PATH`.
    Path,
    /// `$GITHUB_STEP_SUMMARY`.
    Summary,
    /// `$GITHUB_STATE`, `::save-state`.
    State,
    /// `##vso[task.setvariable …]` of Azure Pipelines. Told also if only the name is that of a secret (`names` then holds it).
    Variable {
        /// The variable's name.
        name: String,
        /// Whether `issecret=true` stands there.
        secret: bool,
    },
}

/// A credential that gets out unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unmasked {
    /// The program that gave it: `vault kv get`.
    pub(crate) source: &'static str,
    /// The variable that took it, if one did.
    pub(crate) variable: Option<String>,
    /// The statement of the assignment: a line that masks it belongs behind its end.
    pub(crate) assigned: Option<Range<usize>>,
    /// Where it gets out: [`Sink::Print`], [`Sink::Derived`] or [`Sink::CommandFile`].
    pub(crate) to: Sink,
}

/// The quotes around a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// None.
    Bare,
    /// `"…"`: expansions work.
    Double,
    /// `'…'`, `$'…'`.
    Single,
    /// A here-document that expands.
    Heredoc,
    /// A here-document with a quoted delimiter.
    RawHeredoc,
}

/// Tells what a script does with secrets. `is_secret` tells of a variable's name whether it holds a secret when the script starts.
pub(crate) fn analyse(script: &Script<'_>, is_secret: &dyn Fn(&str) -> bool) -> Vec<Use> {
    let mut uses = if script.text.len() > MAX_BYTES {
        Vec::new()
    } else {
        pasted::pasted(script.text)
    };
    if is_worth_it(script, is_secret) {
        let text = syntax::prepared(script);
        if let Some(program) = lower::parse(&text, script.placeholders) {
            uses.extend(flow::run(script, &text, &program, is_secret));
        } else {
            gaps::tell("a script took too many steps to read: policy did not look at it");
        }
    }
    uses.sort_by_key(|one| (one.span.start, one.span.end));
    uses.dedup_by(|a, b| a.span == b.span && a.sink == b.sink);
    uses
}

/// Returns the secrets that a script holds as they are: variables with names of secrets that are given one, and what is pasted elsewhere.
pub(crate) fn literals(script: &Script<'_>) -> Vec<Use> {
    let gives = |(word, rest): (&str, &str)| rest.starts_with('=') && is_secret_variable(word);
    let is_short = script.text.len() <= MAX_BYTES;
    let mut uses = if is_short && words(script.text).any(gives) {
        analyse(script, &is_secret_variable)
    } else if is_short {
        pasted::pasted(script.text)
    } else {
        Vec::new()
    };
    uses.retain(|one| matches!(one.sink, Sink::Literal { .. }));
    uses
}

/// Tells whether a script names a secret, or anything that brings or dumps one: most do not, and are not parsed.
fn is_worth_it(script: &Script<'_>, is_secret: &dyn Fn(&str) -> bool) -> bool {
    if script.text.len() > MAX_BYTES {
        gaps::tell(TOO_LONG);
        return false;
    }
    script.placeholders.iter().any(|one| one.secret)
        || holds_hint(script.text)
        || words(script.text).any(|(word, rest)| is_secret(word) || commands::lists(word, rest))
}

/// Tells whether a text holds a word of a program that brings secrets.
fn holds_hint(text: &str) -> bool {
    static HINTS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let hints = HINTS.get_or_init(|| {
        AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .build(commands::HINTS)
            .ok()
    });
    let Some(hints) = hints else { return true };
    // `bash -` and `az ` are programs where no other word ends so: `push -`, `baz `.
    const SHELLS: [&str; 6] = ["sh", "bash", "zsh", "ksh", "dash", "ash"];
    let bytes = text.as_bytes();
    hints.find_overlapping_iter(text).any(|found| {
        let front = bytes.get(..found.start()).unwrap_or_default();
        let letters = front.iter().rev().take(4);
        let more = letters.take_while(|b| b.is_ascii_alphanumeric()).count();
        let whole = text
            .get(found.start() - more..found.end())
            .unwrap_or_default();
        match whole.strip_suffix(" -") {
            Some(word) => SHELLS.contains(&word),
            None => more == 0 || !whole.ends_with(' '),
        }
    })
}

/// Returns what could be the names of variables and commands, each with what follows it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let bytes = text.as_bytes();
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let start = at + rest.iter().position(is_part)?;
        let word = bytes.get(start..)?;
        let length = word.iter().position(|b| !is_part(b)).unwrap_or(word.len());
        at = start + length;
        Some((text.get(start..at)?, text.get(at..)?))
    })
    .filter(|(word, _)| !word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests;

//! Sentences about what a script does with a secret, for all tools that run scripts.

use super::{Argument, CommandFile, Origin, Sink, Use};

/// Tells whether a variable of a shell is a secret by its name. Shells have names of their own for other things: working directories,
/// counters of tests, words of parsers.
pub(crate) fn is_secret_variable(name: &str) -> bool {
    const OTHER: [&str; 16] = [
        "PWD", "OLDPWD", "pwd", "oldpwd", "PASS", "pass", "Pass", "token", "tokens", "TOKENS",
        "pat", "PAT", "secret", "secrets", "SECRETS", "_pwd",
    ];
    const FOLDERS: [&str; 16] = [
        "orig", "old", "cur", "current", "save", "saved", "top", "src", "start", "my", "this",
        "script", "build", "work", "prev", "safe",
    ];
    let is_folder = || {
        let words = super::super::names::words(name);
        match words.as_slice() {
            [.., folder, last] => last == "pwd" && FOLDERS.contains(&folder.as_str()),
            _ => false,
        }
    };
    let is_hash = || {
        let words = super::super::names::words(name);
        words
            .iter()
            .any(|word| matches!(word.as_str(), "hashed" | "hash" | "encrypted" | "sealed"))
    };
    super::super::names::is_secret(name) && !OTHER.contains(&name) && !is_folder() && !is_hash()
}

/// Returns how a secret is called in a message: `$TOKEN`, `secrets.TOKEN`, the output of a program.
pub(crate) fn secret(one: &Use) -> String {
    let Some(name) = one.names.first() else {
        return "the whole environment".to_owned();
    };
    match one.origin {
        Origin::Minted if one.names.len() == 1 && name.contains(' ') => {
            format!("the output of `{name}`")
        }
        Origin::Placeholder if one.names.len() == 1 => format!("`{name}`"),
        _ => match one.names.get(1) {
            Some(from) => format!("`${name}` (made of `{from}`)"),
            None => format!("`${name}`"),
        },
    }
}

/// Returns how a command is called in a message.
fn program(one: &Use) -> String {
    if one.command.is_empty() {
        "a command".to_owned()
    } else {
        format!("`{}`", one.command)
    }
}

/// Returns one sentence that says what is wrong, without a full stop. No value stands in it.
pub(crate) fn describe(one: &Use) -> String {
    let (secret, program) = (secret(one), program(one));
    match &one.sink {
        Sink::Print => format!("{program} prints {secret}"),
        Sink::Derived => {
            let how = one.derived.unwrap_or("a filter");
            format!("another form of {secret} (by {how}) is printed, which masking does not know")
        }
        Sink::Dump => format!("{program} prints everything it lists, secrets among it"),
        Sink::Trace => format!("{secret} is expanded while `set -x` prints each command"),
        Sink::TracedCall => format!("{program} prints each command with its secrets"),
        Sink::Argument(argument) => {
            let flag = argument
                .flag
                .as_ref()
                .map_or_else(String::new, |flag| format!(" by `{flag}`"));
            let safe = argument
                .safe
                .map_or_else(String::new, |safe| format!("; {safe}"));
            format!(
                "{program} gets {secret} as an argument{flag}, where every process can read it{safe}"
            )
        }
        Sink::Url => format!(
            "{secret} is part of an address that {program} gets: it ends up in arguments, settings and errors"
        ),
        Sink::BuildArg { name } => {
            format!("{secret} becomes the build argument `{name}`, which the image's history keeps")
        }
        Sink::File(file) => format!("{secret} is written to `{}`", file.path),
        Sink::CommandFile(file) => format!("{secret} is handed on by {}", handed_by(file)),
        Sink::Unmasked(unmasked) => {
            let what = unmasked.variable.as_ref().map_or_else(
                || format!("the output of `{}`", unmasked.source),
                |name| format!("`${name}`, which `{}` gave,", unmasked.source),
            );
            match &unmasked.to {
                Sink::CommandFile(file) => format!(
                    "{what} is handed on by {} without being masked",
                    handed_by(file)
                ),
                _ => format!("{what} is printed without being masked"),
            }
        }
        Sink::Inline { .. } => format!("{secret} is pasted into the script"),
        Sink::Literal { name, .. } => format!("`{name}` is given a literal value"),
    }
}

fn handed_by(file: &CommandFile) -> String {
    match file {
        CommandFile::Output => "the step's outputs".to_owned(),
        CommandFile::Environment => "the environment of later steps".to_owned(),
        CommandFile::Path => "the path of later steps".to_owned(),
        CommandFile::Summary => "the step's summary".to_owned(),
        CommandFile::State => "the step's state".to_owned(),
        CommandFile::Variable { name, .. } => format!("the variable `{name}`"),
    }
}

/// Returns a name for the sink that stays the same when lines move: for a fault's subject.
pub(crate) fn topic(one: &Use) -> String {
    let name = one.names.first().map_or("", String::as_str);
    match &one.sink {
        Sink::Print | Sink::Derived => format!("print {} {name}", one.command),
        Sink::Dump => format!("dump {}", one.command),
        Sink::Trace => format!("trace {name}"),
        Sink::TracedCall => format!("trace {}", one.command),
        Sink::Argument(argument) => {
            format!(
                "argument {} {} {name}",
                one.command,
                argument.flag.as_deref().unwrap_or("-")
            )
        }
        Sink::Url => format!("url {} {name}", one.command),
        Sink::BuildArg { name } => format!("build-arg {name}"),
        Sink::File(file) => format!("file {} {name}", file.path),
        Sink::CommandFile(file) => format!("{} {name}", handed_by(file)),
        Sink::Unmasked(unmasked) => format!(
            "unmasked {} {}",
            unmasked.source,
            unmasked.variable.as_deref().unwrap_or("-")
        ),
        Sink::Inline { .. } => format!("inline {name}"),
        Sink::Literal { name, .. } => format!("literal {name}"),
    }
}

/// Tells whether the script takes functions from other files: a command that nobody knows may be one of them.
pub(crate) fn sources_others(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("source ") || line.starts_with(". ")
    })
}

impl Argument {
    /// Tells whether nothing is known of the command: no option, no other way to pass a secret.
    pub(crate) fn is_unknown(&self) -> bool {
        self.safe.is_none() && self.flag.is_none()
    }
}

//! Dockerfiles, by parse-dockerfile behind our own types.
//!
//! That crate tells instructions, flags, sources and items of arrays apart. What it leaves whole or leaves out is read here from the same
//! bytes (`lines`): names and values of `ARG`, `ENV` and `LABEL`, continued lines with the way back to their bytes, and here-documents,
//! which it knows only as the first word of `RUN`. So it is given the text with here-documents blanked out. Promises: all spans lie
//! within the text; no panic; linear in the text.

use std::ops::Range;

use super::super::node::Scalar;

mod lines;
mod parts;

pub use lines::Heredoc;
pub(crate) use lines::scalar as gathered;
pub use parts::read;

/// A Dockerfile.
#[derive(Debug, Default)]
pub struct Dockerfile {
    /// `ARG`s before the first `FROM`.
    pub globals: Vec<Instruction>,
    /// Stages in the order of the file.
    pub stages: Vec<Stage>,
}

/// From one `FROM` to the next.
#[derive(Debug)]
pub struct Stage {
    /// The image as written.
    pub image: String,
    /// Its name in lower case.
    pub name: Option<String>,
    /// The bytes of `FROM`'s line.
    pub span: Range<usize>,
    /// What follows.
    pub instructions: Vec<Instruction>,
}

/// One instruction.
#[derive(Debug)]
pub struct Instruction {
    /// The bytes of its keyword.
    pub keyword: Range<usize>,
    /// Its bytes, here-documents included.
    pub span: Range<usize>,
    /// Whether it waits for the image to be built upon (`ONBUILD`).
    pub deferred: bool,
    /// What it says.
    pub what: What,
}

/// What an instruction says.
#[derive(Debug)]
pub enum What {
    /// `ARG`.
    Arg(Vec<Pair>),
    /// `ENV`.
    Env(Vec<Pair>),
    /// `LABEL`.
    Label(Vec<Pair>),
    /// `RUN`.
    Run(Run),
    /// `COPY` and `ADD`.
    Copy(Copy),
    /// `CMD`, `ENTRYPOINT`, `HEALTHCHECK CMD`.
    Start(Role, Command),
    /// `SHELL`: which program runs the shell forms after it.
    Shell(Vec<Scalar>),
    /// `USER`, `WORKDIR` and others.
    Other,
}

/// Which of the instructions that say what runs in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `CMD`.
    Cmd,
    /// `ENTRYPOINT`.
    Entrypoint,
    /// `HEALTHCHECK CMD`.
    Healthcheck,
}

impl Role {
    /// Returns the keyword.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cmd => "CMD",
            Self::Entrypoint => "ENTRYPOINT",
            Self::Healthcheck => "HEALTHCHECK",
        }
    }
}

/// A name with its value.
#[derive(Debug)]
pub struct Pair {
    /// The name.
    pub name: String,
    /// Its bytes.
    pub name_span: Range<usize>,
    /// The value, quotes and escapes undone; `None` for an `ARG` without default.
    pub value: Option<Scalar>,
    /// Name and value as written.
    pub span: Range<usize>,
}

/// A flag of an instruction: `--mount=type=secret,id=npm`.
#[derive(Debug)]
pub struct Flag {
    /// The name without dashes.
    pub name: String,
    /// The value; empty without one.
    pub value: String,
    /// Its bytes.
    pub span: Range<usize>,
}

impl Flag {
    /// Returns an attribute of a value such as `type=secret,id=npm`; the empty text if it has no value of its own.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.value
            .split(',')
            .find_map(|part| match part.split_once('=') {
                Some((key, value)) => key.eq_ignore_ascii_case(name).then_some(value),
                None => part.eq_ignore_ascii_case(name).then_some(""),
            })
    }
}

/// A command.
#[derive(Debug)]
pub enum Command {
    /// The items of an array.
    Exec(Vec<Scalar>),
    /// The text that a shell runs, continued lines joined.
    Shell(Scalar),
}

/// A `RUN`.
#[derive(Debug)]
pub struct Run {
    /// Its flags.
    pub flags: Vec<Flag>,
    /// The command without here-documents.
    pub command: Command,
    /// What is handed to it.
    pub heredocs: Vec<Heredoc>,
    /// The text that a shell runs, here-documents included.
    pub script: Option<Scalar>,
}

/// A `COPY` or `ADD`.
#[derive(Debug)]
pub struct Copy {
    /// Whether it is `ADD`.
    pub is_add: bool,
    /// Its flags.
    pub flags: Vec<Flag>,
    /// Paths and addresses, without here-documents.
    pub sources: Vec<Scalar>,
    /// Where they go.
    pub target: String,
    /// Files written in place.
    pub heredocs: Vec<Heredoc>,
}

impl Copy {
    /// Returns the stage, image or context that `--from` names.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.flags
            .iter()
            .find(|flag| flag.name == "from")
            .map(|flag| flag.value.as_str())
    }
}

/// Returns the script of `["sh", "-c", "script"]`.
fn inner(items: &[Scalar]) -> Option<&Scalar> {
    let program = items.first()?.text.rsplit('/').next()?;
    let is_shell = matches!(program, "sh" | "bash" | "ash" | "dash" | "zsh" | "ksh");
    let flag = items.iter().position(|item| {
        item.text.starts_with('-') && !item.text.starts_with("--") && item.text.ends_with('c')
    })?;
    if is_shell { items.get(flag + 1) } else { None }
}

impl Command {
    /// Returns the text that a shell runs: the line, or the script of `["sh", "-c", "script"]`.
    #[must_use]
    pub fn shell(&self) -> Option<&Scalar> {
        match self {
            Self::Shell(text) => Some(text),
            Self::Exec(items) => inner(items),
        }
    }
}

#[cfg(test)]
mod tests;

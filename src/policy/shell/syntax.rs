//! A script as a small tree: commands, pipelines, blocks, words and what they expand. `lower` makes it; all offsets are those of the text.

use std::{collections::BTreeSet, ops::Range};

use super::{Quoting, Script};

/// A script as a tree.
#[derive(Default)]
pub(super) struct Program {
    /// Its statements.
    pub(super) statements: Vec<Statement>,
    /// Its comments.
    pub(super) comments: Vec<Range<usize>>,
    /// The quotes around each placeholder that stands in a word.
    pub(super) quotes: Vec<Option<Quoting>>,
    /// The functions that it defines.
    pub(super) functions: BTreeSet<String>,
}

/// A statement.
pub(super) enum Statement {
    /// A simple command, a declaration, or assignments alone.
    Command(Command),
    /// Commands whose outputs are the next one's inputs.
    Pipeline(Vec<Statement>),
    /// Statements in braces, parentheses, `if`, `while`, `for`, `case`, a function's body.
    Block(Block),
}

/// What kind a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// Runs once, in this shell.
    Group,
    /// Runs once, in a shell of its own.
    Subshell,
    /// Runs perhaps, or often.
    Branch,
    /// A function's body: runs where it is called.
    Function,
    /// `[ … ]`, `[[ … ]]`, `case WORD in`: words that are looked at alone.
    Test,
}

/// A block.
pub(super) struct Block {
    pub(super) kind: BlockKind,
    pub(super) span: Range<usize>,
    pub(super) statements: Vec<Statement>,
    /// The words that are looked at or iterated over.
    pub(super) words: Vec<Word>,
    /// The variable of a `for`, the name of a function.
    pub(super) name: Option<String>,
    pub(super) redirects: Vec<Redirect>,
}

/// A simple command.
#[derive(Default)]
pub(super) struct Command {
    pub(super) span: Range<usize>,
    /// Assignments in front, or of a declaration.
    pub(super) assignments: Vec<Assignment>,
    /// The program and its arguments; of a declaration its keyword and the rest.
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<Redirect>,
    /// Whether it is `export`, `declare`, `local`, `readonly`, `typeset`.
    pub(super) declares: bool,
}

/// `NAME=value`.
pub(super) struct Assignment {
    pub(super) name: String,
    /// Whether it adds to what is there (`+=`).
    pub(super) appends: bool,
    pub(super) value: Option<Word>,
}

/// A word, quotes included.
pub(super) struct Word {
    pub(super) span: Range<usize>,
    /// What is expanded in it, in order.
    pub(super) parts: Vec<Part>,
}

/// Something in a word that is not its own text.
pub(super) enum Part {
    /// `$X`, `${X…}`.
    Variable {
        span: Range<usize>,
        name: String,
        form: Form,
    },
    /// A stretch that is replaced before the script runs, by its number.
    Placeholder(usize),
    /// `$(…)`: its output.
    Substitution {
        span: Range<usize>,
        statements: Vec<Statement>,
    },
    /// `<(…)`, `>(…)`.
    Process(Vec<Statement>),
}

/// How much of a variable's value an expansion shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// All of it.
    Whole,
    /// A part, or another form.
    Cut,
    /// Nothing: `${#X}`, `${X:+set}`, `${!X}`.
    Nothing,
}

/// A redirection.
pub(super) struct Redirect {
    pub(super) kind: RedirectKind,
    /// Which descriptor, if one is named.
    pub(super) descriptor: Option<u32>,
    pub(super) target: Word,
}

impl Redirect {
    /// Tells whether it gives the command something to read.
    pub(super) fn reads(&self) -> bool {
        matches!(self.kind, RedirectKind::Text | RedirectKind::Read)
    }
}

/// What a redirection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RedirectKind {
    /// `>`, `>|`.
    Write,
    /// `>>`.
    Append,
    /// `&>`, `&>>`, and `>&` to a file.
    Both,
    /// `>&1`, `>&2`.
    Duplicate,
    /// `<<`, `<<<`: the target is the text.
    Text,
    /// `<` and others.
    Read,
}

/// Returns the script with placeholders overwritten by identifiers of equal length, and `\n` for the `\r` of Windows line ends.
pub(super) fn prepared(script: &Script<'_>) -> String {
    let mut bytes = script.text.as_bytes().to_vec();
    for one in script.placeholders {
        if script.text.get(one.span.clone()).is_none() {
            continue;
        }
        if let Some(stretch) = bytes.get_mut(one.span.clone()) {
            stretch.fill(b'_');
            if let Some(first) = stretch.first_mut() {
                *first = b'k';
            }
        }
    }
    let ends: Vec<usize> = memchr::memmem::find_iter(&bytes, b"\r\n").collect();
    for end in ends {
        // A line that goes on ends in its backslash still.
        let goes_on = end.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'\\');
        if goes_on && let Some([before, at]) = bytes.get_mut(end - 1..=end) {
            (*before, *at) = (b' ', b'\\');
        } else if let Some(at) = bytes.get_mut(end) {
            *at = b'\n';
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

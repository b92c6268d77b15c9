//! The fix of secrets that are pasted into a script: they come by variables of the step instead.
//!
//! Promise: it is called safe only where the step does the same afterwards, whatever machine it runs on and whatever the value holds.

use std::{collections::BTreeSet, ops::Range};

use super::{
    super::super::{
        fault::{Edit, Fix, FixClass},
        names,
        node::{NodeKind, Scalar, Style},
    },
    expression::{self, Piece},
    inline::Pasted,
    machine,
    model::{Job, Shell, Step},
    secrets::{Reader, Secret},
};

/// Most places of one script that a fix replaces: each looks at the text before it.
const MAX_MENDED: usize = 32;

/// Binds the secrets to variables of the step and uses these, if the shell is `sh`-like and each place is bare or in double quotes.
pub(super) fn mend(
    text: &str,
    (job, step): (&Job<'_>, &Step<'_>),
    reader: &Reader<'_, '_>,
    script: &Scalar,
    pasted: &[Pasted],
) -> Option<Fix> {
    let places: usize = pasted.iter().map(|one| one.pieces.len()).sum();
    if places > MAX_MENDED
        || !matches!(step.shell, Shell::Posix(_))
        || pasted.is_empty()
        || script.text.contains("<<")
    {
        return None;
    }
    let mut bindings = Vec::new();
    let mut names = BTreeSet::new();
    let mut edits = Vec::new();
    let mut class = match step.shell {
        // The runner's own shell: of Windows that is another.
        Shell::Posix("") if machine::may_be_windows(job.node) => FixClass::Unsafe,
        _ => FixClass::Safe,
    };
    for one in pasted {
        let written = script.text.get(one.pieces.first()?.span.clone())?;
        // `a-b` and `A_B` would come to one name.
        let name = variable_name(&one.secret)
            .filter(|name| !is_taken(name) && names.insert(name.clone()))?;
        let is_bound = reader
            .variable(&name)
            .is_some_and(|bound| bound.value.text == written);
        if !is_bound {
            let is_free = reader.variable(&name).is_none() && !uses(&script.text, &name);
            if !is_free {
                return None;
            }
            bindings.push(format!("{name}: {written}"));
        }
        for piece in &one.pieces {
            if script.text.get(piece.span.clone())? != written {
                return None;
            }
            let replacement = match quotes(&script.text, piece.span.start) {
                Quotes::None => {
                    if may_be_split(&script.text, piece.span.start, &name) {
                        class = FixClass::Unsafe;
                    }
                    format!("\"${name}\"")
                }
                Quotes::Double => format!("${{{name}}}"),
                Quotes::Single => return None,
            };
            edits.push(Edit::replace(
                written_at(text, script, piece, written)?,
                replacement,
            ));
        }
    }
    // Quotes of YAML would have to be escaped.
    if matches!(script.style, Style::Single | Style::Double) {
        return None;
    }
    edits.extend(bound(text, step, &bindings)?);
    Some(Fix {
        class,
        title: "pass the secret by the step's environment".to_owned(),
        edits,
    })
}

/// Returns the bytes of a piece, if they are written as they are read.
fn written_at(text: &str, script: &Scalar, piece: &Piece, written: &str) -> Option<Range<usize>> {
    let span = script.source(piece.span.clone());
    (text.get(span.clone()) == Some(written)).then_some(span)
}

/// Tells whether the shell, the loader or the runner gives a variable of this name a meaning.
fn is_taken(name: &str) -> bool {
    const NAMES: [&str; 36] = [
        "HOME",
        "PATH",
        "IFS",
        "PWD",
        "OLDPWD",
        "SHELL",
        "USER",
        "LOGNAME",
        "HOSTNAME",
        "UID",
        "EUID",
        "PPID",
        "ENV",
        "CDPATH",
        "TERM",
        "LANG",
        "TMPDIR",
        "TZ",
        "EDITOR",
        "PS1",
        "PS2",
        "PS4",
        "OPTARG",
        "OPTIND",
        "OPTERR",
        "RANDOM",
        "SECONDS",
        "LINENO",
        "REPLY",
        "SHELLOPTS",
        "GLOBIGNORE",
        "POSIXLY_CORRECT",
        "PROMPT_COMMAND",
        "CI",
        "MAIL",
        "DISPLAY",
    ];
    let is_number = name.starts_with(|c: char| c.is_ascii_digit());
    let is_blank = name.chars().all(|c| c == '_');
    let starts = [
        "BASH", "LD_", "DYLD_", "LC_", "RUNNER_", "ACTIONS_", "GITHUB_",
    ];
    let has_meaning = NAMES.contains(&name) || starts.iter().any(|start| name.starts_with(start));
    is_number || is_blank || has_meaning && name != "GITHUB_TOKEN"
}

/// Tells whether the shell may be meant to split a value that stands bare: it is a command itself, it is gone through, it is called a list;
/// or what quotes are around it is not sure.
fn may_be_split(script: &str, at: usize, name: &str) -> bool {
    const LISTS: [&str; 18] = [
        "args",
        "arguments",
        "opts",
        "options",
        "flags",
        "params",
        "parameters",
        "list",
        "hosts",
        "servers",
        "files",
        "paths",
        "command",
        "commands",
        "cmd",
        "headers",
        "items",
        "packages",
    ];
    let before = script.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default().trim_end();
    let is_command = line.is_empty()
        || line.ends_with([';', '|', '&', '(', '{', '!'])
        || matches!(
            line.rsplit(char::is_whitespace).next(),
            Some("then" | "do" | "else" | "in" | "eval" | "exec" | "sudo" | "time" | "env")
        );
    let words = names::words(name);
    is_command
        || line.contains("$(")
        || line.contains('`')
        || words.iter().any(|word| LISTS.contains(&word.as_str()))
}

/// Returns a name in the letters that shells and stores take: `${A-B}` would be `A`, or the text `B`.
pub(super) fn identifier(name: &str) -> String {
    let letter = |c: char| match c.to_ascii_uppercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '_',
    };
    name.chars().map(letter).collect()
}

fn variable_name(secret: &Secret) -> Option<String> {
    match secret {
        Secret::JobToken => Some("GITHUB_TOKEN".to_owned()),
        Secret::Stored(name) | Secret::Input(name) | Secret::Minted(_, name) => {
            Some(identifier(name))
        }
        Secret::Computed | Secret::All => None,
    }
}

/// Tells whether a script uses a variable of this name, pieces aside.
fn uses(script: &str, name: &str) -> bool {
    let mut rest = String::new();
    let mut from = 0;
    for piece in expression::pieces(script) {
        rest.push_str(script.get(from..piece.span.start).unwrap_or_default());
        from = piece.span.end;
    }
    rest.push_str(script.get(from..).unwrap_or_default());
    rest.contains(name)
}

/// The quotes around a place of a shell script.
#[derive(Debug, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

fn quotes(script: &str, at: usize) -> Quotes {
    let mut state = Quotes::None;
    let mut bytes = script.get(..at).unwrap_or_default().bytes().peekable();
    let mut last = b'\n';
    while let Some(byte) = bytes.next() {
        match (&state, byte) {
            (Quotes::None | Quotes::Double, b'\\') => {
                bytes.next();
            }
            (Quotes::None, b'#') if last.is_ascii_whitespace() => {
                while bytes.next_if(|byte| *byte != b'\n').is_some() {}
            }
            (Quotes::None, b'\'') => state = Quotes::Single,
            (Quotes::None, b'"') => state = Quotes::Double,
            (Quotes::Single, b'\'') | (Quotes::Double, b'"') => state = Quotes::None,
            _ => {}
        }
        last = byte;
    }
    state
}

/// Inserts variables into the step's `env`, or a new `env` before its `run`; none if the step is written in one line.
fn bound(text: &str, step: &Step<'_>, bindings: &[String]) -> Option<Vec<Edit>> {
    if bindings.is_empty() {
        return Some(Vec::new());
    }
    let (at, lines) = match step.node.entry("env") {
        Some(env) => {
            let NodeKind::Map(entries) = &env.value.kind else {
                return None;
            };
            if env.value.alias.is_some() || text.get(env.value.span.start..)?.starts_with('{') {
                return None;
            }
            (entries.first()?.key_span.start, bindings.to_vec())
        }
        None => {
            let run = step.node.entry("run")?.key_span.start;
            if text.get(step.node.span.start..)?.starts_with('{') {
                return None;
            }
            let inner = bindings.iter().map(|one| format!("  {one}"));
            (
                run,
                std::iter::once("env:".to_owned()).chain(inner).collect(),
            )
        }
    };
    let indent = column(text, at)?;
    let rest = text
        .get(at..)?
        .split_once('\n')
        .map_or("", |(line, _)| line);
    let end = if rest.ends_with('\r') { "\r\n" } else { "\n" };
    let inserted: String = lines
        .iter()
        .map(|line| format!("{line}{end}{indent}"))
        .collect();
    Some(vec![Edit::replace(at..at, inserted)])
}

/// Returns the blanks that bring a line to the column of a place that only blanks and dashes precede.
fn column(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let line = before.rsplit('\n').next()?;
    line.bytes()
        .all(|byte| matches!(byte, b' ' | b'-'))
        .then(|| " ".repeat(line.len()))
}

//! Where secrets leave the shell: the log, files, the files and commands of CI.

use std::ops::Range;

use super::{
    Argument, CommandFile, File, Origin, Sink, Unmasked, Use,
    channels::channel,
    flow::Flow,
    run::Call,
    syntax::{Form, Part, Redirect, RedirectKind, Word},
    taint::{Mint, Piece, Stream, command_file, merged},
};
use crate::policy::names;

impl Flow<'_> {
    pub(super) fn raw(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// `echo`, `printf`: also the commands that CI reads from the log.
    pub(super) fn say(&mut self, call: &Call<'_, '_>, stdin: Stream) -> Stream {
        let raw: Vec<&str> = call
            .arguments
            .iter()
            .map(|arg| self.raw(&arg.word.span))
            .collect();
        let marker = |marker: &str| raw.iter().find(|raw| raw.contains(marker)).copied();
        if marker("::add-mask::").is_some() || marker("task.setsecret").is_some() {
            let masked: Vec<String> = call
                .arguments
                .iter()
                .flat_map(|arg| &arg.pieces)
                .filter_map(|piece| piece.taint.names.first().cloned())
                .collect();
            for name in masked {
                self.mask(&name);
            }
            return Vec::new();
        }
        let set = marker("task.setvariable").map(variable_command);
        let file = [
            ("::set-output", CommandFile::Output),
            ("::set-env", CommandFile::Environment),
            ("::save-state", CommandFile::State),
        ];
        let file = file
            .into_iter()
            .find(|(name, _)| marker(name).is_some())
            .map(|(_, file)| file);
        let to_variable = (call.name == "printf")
            .then(|| call.literal_after("-v"))
            .flatten();
        let mut pieces: Stream = call
            .arguments
            .iter()
            .flat_map(|arg| arg.pieces.clone())
            .collect();
        if call.from_stdin {
            pieces.extend(stdin);
        }
        if let Some((name, secret)) = set {
            self.set_variable(call, pieces, name, secret);
            return Vec::new();
        }
        if let Some(file) = file {
            for piece in pieces {
                self.hand_on(&piece, file.clone());
            }
            return Vec::new();
        }
        if let Some(name) = to_variable {
            if !pieces.is_empty() {
                self.learn(&name, merged(&pieces));
            }
            return Vec::new();
        }
        pieces
    }

    fn set_variable(&mut self, call: &Call<'_, '_>, pieces: Stream, name: String, secret: bool) {
        let command = CommandFile::Variable {
            name: name.clone(),
            secret,
        };
        if let Some(piece) = pieces.first() {
            if secret || piece.taint.mint.is_none() {
                self.emit(piece, Sink::CommandFile(command));
            } else {
                self.hand_on(piece, command);
            }
        } else if names::is_secret(&name) && !secret {
            let word = call
                .arguments
                .iter()
                .find(|arg| self.raw(&arg.word.span).contains("task.setvariable"));
            self.uses.push(Use {
                sink: Sink::CommandFile(command),
                span: word.map_or(call.command.span.clone(), |arg| arg.word.span.clone()),
                command_span: call.command.span.clone(),
                command: call.title.to_owned(),
                names: vec![name],
                origin: Origin::Variable,
                derived: None,
            });
        }
    }

    /// Tells that a secret goes to later steps.
    fn hand_on(&mut self, piece: &Piece, file: CommandFile) {
        match &piece.taint.mint {
            _ if piece.dump.is_some() || piece.call.is_some() => {}
            Some(mint) if mint.masked => {}
            Some(mint) if piece.taint.origin == Origin::Minted => {
                let mint = mint.clone();
                self.unmasked(piece, &mint, Sink::CommandFile(file));
            }
            _ => self.emit(piece, Sink::CommandFile(file)),
        }
    }

    fn unmasked(&mut self, piece: &Piece, mint: &Mint, to: Sink) {
        if mint.source.generates && mint.variable.is_none() {
            return;
        }
        let unmasked = Unmasked {
            source: mint.source.title,
            variable: mint.variable.clone(),
            assigned: mint.assigned.clone(),
            to,
        };
        self.emit(piece, Sink::Unmasked(Box::new(unmasked)));
    }

    /// What is left on stdout at the end of a statement goes to the log.
    pub(super) fn print(&mut self, pieces: Stream) {
        if let Some(path) = self.stdout.clone() {
            self.write(&path, true, pieces);
            return;
        }
        for piece in pieces {
            if let Some(name) = piece.call {
                self.call_prints(name);
                continue;
            }
            let is_derived = piece.taint.derived.is_some();
            let to = if is_derived {
                Sink::Derived
            } else {
                Sink::Print
            };
            match &piece.taint.mint {
                _ if piece.dump.is_some() => self.emit(&piece, Sink::Dump),
                Some(mint) if mint.masked => {}
                Some(mint) => {
                    let mint = mint.clone();
                    self.unmasked(&piece, &mint, to);
                }
                None => self.emit(&piece, to),
            }
        }
    }

    /// What is written to a file.
    pub(super) fn write(&mut self, path: &str, append: bool, pieces: Stream) {
        let pieces = self.resolved(pieces);
        match command_file(path) {
            _ if matches!(path, "/dev/null" | "NUL" | "nul") => {}
            Some(file) => {
                for piece in pieces {
                    self.hand_on(&piece, file.clone());
                }
            }
            None => {
                if let Some(first) = pieces.iter().find(|piece| piece.dump.is_none()) {
                    self.files.insert(path.to_owned(), first.taint.clone());
                } else if !append {
                    self.files.remove(path);
                }
                for piece in pieces {
                    let mint = piece.taint.mint.as_ref();
                    if mint.is_some_and(|mint| mint.source.generates && mint.variable.is_none()) {
                        continue;
                    }
                    let file = File {
                        path: path.to_owned(),
                        append,
                        private: self.private,
                    };
                    self.emit(&piece, Sink::File(file));
                }
            }
        }
    }

    /// Returns the text that a redirection puts on stdin.
    pub(super) fn redirected_text(
        &mut self,
        redirect: &Redirect,
        span: &Range<usize>,
        command: &str,
    ) -> Stream {
        let pieces = self.word(&redirect.target, span, command);
        if redirect.kind == RedirectKind::Text {
            pieces
        } else {
            Vec::new()
        }
    }

    /// Sends an output where redirections say; returns what is left on stdout.
    pub(super) fn route(&mut self, out: Stream, redirects: &[Redirect]) -> Stream {
        let is_output = |redirect: &&Redirect| {
            let is_stdout = redirect.descriptor.is_none_or(|one| one == 1);
            match redirect.kind {
                RedirectKind::Write | RedirectKind::Append | RedirectKind::Duplicate => is_stdout,
                RedirectKind::Both => true,
                RedirectKind::Text | RedirectKind::Read => false,
            }
        };
        let Some(redirect) = redirects.iter().rfind(is_output) else {
            return out;
        };
        let path = unquoted(self.raw(&redirect.target.span));
        let is_process = redirect
            .target
            .parts
            .iter()
            .any(|part| matches!(part, Part::Process(_)));
        if redirect.kind == RedirectKind::Write && out.is_empty() {
            self.files.remove(&path);
        }
        match redirect.kind {
            _ if is_process || out.is_empty() => {}
            RedirectKind::Duplicate if path == "2" => self.print(out),
            RedirectKind::Duplicate => return out,
            _ if matches!(
                path.as_str(),
                "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1"
            ) =>
            {
                return out;
            }
            _ if matches!(
                path.as_str(),
                "/dev/stderr" | "/dev/tty" | "/dev/fd/2" | "/proc/1/fd/1"
            ) =>
            {
                self.print(out);
            }
            _ => self.write(&path, redirect.kind == RedirectKind::Append, out),
        }
        Vec::new()
    }
}

/// Takes the name and whether it is secret from `##vso[task.setvariable variable=NAME;issecret=true]`.
fn variable_command(text: &str) -> (String, bool) {
    let inside = text
        .split_once("task.setvariable")
        .map_or("", |(_, rest)| rest);
    let inside = inside.split(']').next().unwrap_or(inside);
    let value = |key: &str| {
        inside
            .split([';', ' '])
            .find_map(|pair| pair.trim().strip_prefix(key)?.strip_prefix('='))
    };
    let is_secret = value("issecret").or_else(|| value("isSecret"));
    (
        value("variable").unwrap_or_default().to_owned(),
        is_secret.is_some_and(|value| value.eq_ignore_ascii_case("true")),
    )
}

/// Drops quotes and backslashes.
pub(super) fn unquoted(raw: &str) -> String {
    raw.chars()
        .filter(|c| !matches!(c, '"' | '\'' | '\\'))
        .collect()
}

/// Tells whether a word is nothing but one expansion, in quotes or not, and returns it quoted.
pub(super) fn sole_variable(word: &Word, raw: &str) -> Option<String> {
    let [
        Part::Variable {
            name,
            form: Form::Whole,
            ..
        },
    ] = word.parts.as_slice()
    else {
        return None;
    };
    let bare = raw.trim_matches('"');
    (bare == format!("${name}") || bare == format!("${{{name}}}")).then(|| format!("\"{bare}\""))
}

impl Argument {
    /// An argument of a program, the option it belongs to, and how else it could be passed.
    pub(super) fn of(title: &str, flag: Option<String>) -> Self {
        Self {
            safe: channel(title, flag.as_deref()),
            flag,
            stdin_edits: Vec::new(),
        }
    }
}

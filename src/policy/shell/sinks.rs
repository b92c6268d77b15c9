//! What simple commands do with the secrets they get: print, pass as arguments, write to files, mask.

use std::ops::Range;

use super::{
    Argument, CommandFile, File, Origin, Sink, Unmasked, Use, commands,
    flow::{Flow, Mint, Piece, Stream, Taint, command_file, merged},
    sources,
    syntax::{Command, Form, Part, Redirect, RedirectKind, Word},
};
use crate::policy::names;

/// A word of a command with what it holds.
pub(super) struct Arg<'w> {
    pub(super) word: &'w Word,
    pub(super) pieces: Stream,
    /// Its text, quotes undone; `None` if anything is expanded in it.
    pub(super) literal: Option<String>,
    /// Its text up to the first expansion, quotes dropped.
    pub(super) head: String,
}

impl Flow<'_> {
    pub(super) fn raw(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    fn arg<'w>(&self, word: &'w Word, pieces: Stream) -> Arg<'w> {
        let raw = self.raw(&word.span);
        let first = word.parts.first().map(|part| match part {
            Part::Variable { span, .. } | Part::Substitution { span, .. } => span.start,
            Part::Placeholder(at) => {
                let one = self.script.placeholders.get(*at);
                one.map_or(word.span.start, |one| one.span.start)
            }
            Part::Process(_) => word.span.start,
        });
        // Of `${#X}` and its like no part is kept.
        let first = first.or_else(|| raw.find('$').map(|at| word.span.start + at));
        let head = first.map_or(raw, |first| {
            raw.get(..first.saturating_sub(word.span.start))
                .unwrap_or_default()
        });
        let literal = (first.is_none() || raw.starts_with('\'') && word.parts.is_empty())
            .then(|| unquoted(raw));
        Arg {
            word,
            pieces,
            literal,
            head: unquoted(head),
        }
    }

    /// Runs a simple command: returns what it writes to stdout.
    pub(super) fn simple(
        &mut self,
        command: &Command,
        words: Vec<(&Word, Stream)>,
        stdin: Stream,
    ) -> Stream {
        let mut args: Vec<Arg<'_>> = words
            .into_iter()
            .map(|(word, pieces)| self.arg(word, pieces))
            .collect();
        let at = program_at(&args);
        let Some(program) = args.get(at) else {
            if args.first().and_then(|arg| arg.literal.as_deref()) == Some("exec") {
                self.redirect_all(command);
            }
            return Vec::new();
        };
        let name = program
            .literal
            .as_deref()
            .map_or("", commands::basename)
            .to_owned();
        let shown: Vec<&str> = args
            .iter()
            .skip(at + 1)
            .map(|arg| arg.literal.as_deref().unwrap_or("$"))
            .collect();
        let title = if name.is_empty() {
            String::new()
        } else {
            commands::title(&name, &shown)
        };
        for piece in args.iter_mut().flat_map(|arg| &mut arg.pieces) {
            piece.command.clone_from(&title);
        }
        let (before, rest) = args.split_at(at + 1);
        let from_stdin = before
            .iter()
            .any(|arg| arg.literal.as_deref() == Some("xargs"));
        let call = Call {
            command,
            name: &name,
            title: &title,
            arguments: rest,
            from_stdin,
        };
        self.call(&call, stdin)
    }

    fn call(&mut self, call: &Call<'_, '_>, stdin: Stream) -> Stream {
        let literals: Vec<Option<&str>> = call
            .arguments
            .iter()
            .map(|arg| arg.literal.as_deref())
            .collect();
        if let Some(what) = sources::dump(call.name, &literals)
            && call.command.assignments.is_empty()
        {
            return vec![self.dumped(call, what)];
        }
        if self.functions.contains(call.name) {
            let mut piece = self.dumped(call, "");
            (piece.dump, piece.call) = (None, Some(call.name.to_owned()));
            return vec![piece];
        }
        match call.name {
            "echo" | "printf" | "print" => self.say(call, stdin),
            "set" => self.set(&literals),
            "read" | "mapfile" | "readarray" => self.read(&literals, &stdin),
            "unset" => {
                for name in literals.iter().flatten() {
                    self.forget(name);
                }
                Vec::new()
            }
            "umask" => {
                self.private |= literals.iter().flatten().any(|mask| mask.ends_with("77"));
                Vec::new()
            }
            "printenv" => self.printenv(call, &literals),
            name if commands::is_logger(name) => self.say(call, stdin),
            name if commands::is_builtin(name) && (!name.is_empty() || call.is_missing()) => {
                Vec::new()
            }
            _ => self.external(call, &literals, stdin),
        }
    }

    /// A piece that stands for a whole listing.
    fn dumped(&self, call: &Call<'_, '_>, what: &'static str) -> Piece {
        Piece {
            taint: Taint {
                names: Vec::new(),
                origin: Origin::Variable,
                derived: None,
                mint: None,
            },
            span: call.command.span.clone(),
            at: call.command.span.clone(),
            command: if what.is_empty() {
                call.title.to_owned()
            } else {
                what.to_owned()
            },
            command_span: call.command.span.clone(),
            dump: Some(what),
            call: None,
        }
    }

    fn printenv(&self, call: &Call<'_, '_>, literals: &[Option<&str>]) -> Stream {
        let mut out = Stream::new();
        for (arg, name) in call.arguments.iter().zip(literals) {
            if let Some(taint) = name.and_then(|name| self.taint(name)) {
                out.push(Piece {
                    taint,
                    span: arg.word.span.clone(),
                    at: arg.word.span.clone(),
                    ..self.dumped(call, "printenv")
                });
            }
        }
        for piece in &mut out {
            piece.dump = None;
        }
        out
    }

    fn set(&mut self, literals: &[Option<&str>]) -> Stream {
        let mut after_o = None;
        for word in literals.iter().flatten() {
            if let Some(on) = after_o.take()
                && *word == "xtrace"
            {
                self.trace = on;
            }
            let Some(sign) = word.chars().next().filter(|sign| matches!(sign, '-' | '+')) else {
                continue;
            };
            if word.starts_with("--") {
                break;
            }
            if word.contains('x') {
                self.trace = sign == '-';
            }
            if word.ends_with('o') {
                after_o = Some(sign == '-');
            }
        }
        Vec::new()
    }

    /// `read NAME <<< "$T"`.
    fn read(&mut self, literals: &[Option<&str>], stdin: &Stream) -> Stream {
        let name = literals
            .iter()
            .flatten()
            .rfind(|word| !word.starts_with('-') && !word.contains(' '));
        if let Some(name) = name
            && !stdin.is_empty()
        {
            let mut taint = merged(stdin);
            if literals.len() > 2 {
                taint.derived = taint.derived.or(Some("read"));
            }
            self.learn(name, taint);
        }
        Vec::new()
    }

    /// `exec > file`.
    fn redirect_all(&mut self, command: &Command) {
        for redirect in &command.redirects {
            let is_stdout = redirect.descriptor.is_none_or(|one| one == 1);
            if is_stdout
                && !matches!(
                    redirect.kind,
                    RedirectKind::Duplicate | RedirectKind::Text | RedirectKind::Read
                )
            {
                let is_process = redirect
                    .target
                    .parts
                    .iter()
                    .any(|part| matches!(part, Part::Process(_)));
                // What goes through a process may still be a log.
                self.stdout = (!is_process).then(|| unquoted(self.raw(&redirect.target.span)));
            }
        }
    }

    /// `echo`, `printf`: also the commands that CI reads from the log.
    fn say(&mut self, call: &Call<'_, '_>, stdin: Stream) -> Stream {
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

    /// A program that is no builtin.
    fn external(
        &mut self,
        call: &Call<'_, '_>,
        literals: &[Option<&str>],
        stdin: Stream,
    ) -> Stream {
        self.arguments(call, literals, &stdin);
        self.shell_in_shell(call, literals);
        self.note_modes(call);
        let shown: Vec<&str> = literals.iter().map(|word| word.unwrap_or("$")).collect();
        if call.from_stdin && call.name != "cat" {
            return Vec::new();
        }
        if call.name == "tee" {
            let append = shown.iter().any(|word| matches!(*word, "-a" | "--append"));
            for arg in call
                .arguments
                .iter()
                .filter(|arg| !arg.head.starts_with('-'))
            {
                let path = unquoted(self.raw(&arg.word.span));
                self.tee(&path, append, &stdin);
            }
            return stdin;
        }
        let raw: Vec<String> = call
            .arguments
            .iter()
            .map(|arg| unquoted(self.raw(&arg.word.span)))
            .collect();
        let words: Vec<&str> = std::iter::once(call.name)
            .chain(raw.iter().map(String::as_str))
            .collect();
        if let Some(source) = sources::source(&words) {
            return vec![self.minted(call, source)];
        }
        let edits_in_place = matches!(call.name, "sed" | "gsed" | "yq" | "perl")
            && shown
                .iter()
                .any(|word| word.starts_with("-i") || word.starts_with("--in"));
        if edits_in_place {
            return Vec::new();
        }
        let mut out = filtered(call, &shown, stdin);
        // These put their arguments into what they write.
        if matches!(
            call.name,
            "jq" | "yq" | "sed" | "gsed" | "awk" | "gawk" | "basename"
        ) {
            out.extend(call.arguments.iter().flat_map(|arg| arg.pieces.clone()));
        }
        out
    }

    fn tee(&mut self, path: &str, append: bool, stdin: &Stream) {
        if matches!(path, "/dev/stderr" | "/dev/tty") {
            self.print(stdin.clone());
        } else if !path.starts_with(">(") {
            self.write(path, append, stdin.clone());
        }
    }

    fn minted(&self, call: &Call<'_, '_>, source: sources::Source) -> Piece {
        let mut piece = self.dumped(call, source.title);
        piece.dump = source.object.then_some(source.title);
        piece.taint = Taint {
            names: vec![source.title.to_owned()],
            origin: Origin::Minted,
            derived: None,
            mint: Some(Mint {
                source,
                variable: None,
                assigned: None,
                masked: false,
            }),
        };
        piece
    }

    /// `bash -x script`, `bash -c '…'`.
    fn shell_in_shell(&mut self, call: &Call<'_, '_>, literals: &[Option<&str>]) {
        if !matches!(call.name, "bash" | "sh" | "zsh" | "dash" | "ksh") {
            return;
        }
        let is_option = |word: &str| word.starts_with(['-', '+']) && !word.starts_with("--");
        let options: Vec<&str> = literals
            .iter()
            .map_while(|word| word.filter(|word| is_option(word)))
            .collect();
        if options
            .iter()
            .any(|word| word.starts_with('-') && word.contains('x'))
        {
            self.uses.push(Use {
                sink: Sink::TracedCall,
                span: call.command.span.clone(),
                command_span: call.command.span.clone(),
                command: format!("{} -x", call.name),
                names: Vec::new(),
                origin: Origin::Variable,
                derived: None,
            });
        }
        let has_script = options
            .iter()
            .any(|word| word.starts_with('-') && word.contains('c'));
        let Some(arg) = call.arguments.get(options.len()).filter(|_| has_script) else {
            return;
        };
        let span = &arg.word.span;
        let raw = self.raw(span);
        if raw.len() < 2 || !raw.starts_with('\'') || !arg.word.parts.is_empty() {
            return;
        }
        let start = span.start + 1;
        let Some(inner) = self.script.text.get(start..span.end - 1) else {
            return;
        };
        let script = super::Script::new(inner);
        for mut one in super::analyse(&script, self.is_secret) {
            shift(&mut one, start);
            self.uses.push(one);
        }
    }

    /// `chmod 600 path`, `install -m 600 … path`.
    fn note_modes(&mut self, call: &Call<'_, '_>) {
        if !matches!(call.name, "chmod" | "install") {
            return;
        }
        let is_closing = |word: &String| {
            let mode = word
                .trim_start_matches("-m")
                .trim_start_matches("--mode=")
                .trim_start_matches('0');
            matches!(
                mode,
                "600"
                    | "400"
                    | "700"
                    | "500"
                    | "640"
                    | "440"
                    | "go-rwx"
                    | "og-rwx"
                    | "go="
                    | "u=rw"
                    | "u=rw,go="
            )
        };
        let words: Vec<String> = call
            .arguments
            .iter()
            .map(|arg| unquoted(self.raw(&arg.word.span)))
            .collect();
        if words.iter().any(is_closing) {
            self.closed.extend(words);
        }
    }
}

/// A command that is run: its program and the arguments behind it.
pub(super) struct Call<'c, 'w> {
    pub(super) command: &'c Command,
    pub(super) name: &'c str,
    pub(super) title: &'c str,
    pub(super) arguments: &'c [Arg<'w>],
    /// Whether `xargs` gives it more.
    pub(super) from_stdin: bool,
}

impl Call<'_, '_> {
    /// Tells whether no program is there at all.
    fn is_missing(&self) -> bool {
        self.command.words.is_empty()
    }

    /// Returns the literal word behind another.
    fn literal_after(&self, flag: &str) -> Option<String> {
        let at = self
            .arguments
            .iter()
            .position(|arg| arg.literal.as_deref() == Some(flag))?;
        self.arguments.get(at + 1)?.literal.clone()
    }
}

/// Returns where the program stands, behind `sudo`, `env`, `timeout` and their like.
fn program_at(args: &[Arg<'_>]) -> usize {
    let mut at = 0;
    while let Some(name) = args.get(at).and_then(|arg| arg.literal.as_deref()) {
        let name = commands::basename(name);
        let Some((mut plain, valued)) = commands::wrapper(name) else {
            break;
        };
        let mut next = at + 1;
        while let Some(arg) = args.get(next) {
            let text = arg.literal.as_deref().unwrap_or(&arg.head);
            if valued.contains(&text) {
                next += 2;
            } else if text.starts_with('-') && text.len() > 1
                || matches!(name, "env" | "sudo") && text.contains('=')
            {
                next += 1;
            } else if plain > 0 {
                plain -= 1;
                next += 1;
            } else {
                break;
            }
        }
        if next >= args.len() {
            // `env` alone lists, `exec > file` redirects, `xargs` alone echoes.
            return if matches!(name, "exec" | "time" | "command") {
                args.len()
            } else {
                at
            };
        }
        at = next;
    }
    at
}

/// Returns what a filter makes of its stdin.
fn filtered(call: &Call<'_, '_>, shown: &[&str], stdin: Stream) -> Stream {
    let filter = commands::filter(call.name, shown);
    stdin
        .into_iter()
        .filter_map(|mut piece| {
            let is_listing = piece.dump.is_some() && piece.taint.mint.is_none();
            if is_listing && commands::keeps_names_only(call.name, shown) {
                return None;
            }
            match filter {
                commands::Filter::Drop => return None,
                commands::Filter::Pass => {}
                commands::Filter::Derive(how) => {
                    if is_listing {
                        return (how == "sed" || how == "tr" || how.starts_with("base"))
                            .then_some(piece);
                    }
                    piece.dump = None;
                    piece.taint.derived = Some(how);
                }
            }
            Some(piece)
        })
        .collect()
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

/// Moves a use of a script within a script.
fn shift(one: &mut Use, by: usize) {
    let moved = |span: &Range<usize>| span.start + by..span.end + by;
    one.span = moved(&one.span);
    one.command_span = moved(&one.command_span);
    match &mut one.sink {
        Sink::Argument(argument) => {
            for (span, _) in &mut argument.stdin_edits {
                *span = moved(span);
            }
        }
        Sink::Unmasked(unmasked) => unmasked.assigned = unmasked.assigned.as_ref().map(moved),
        _ => {}
    }
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
            safe: commands::channel(title, flag.as_deref()),
            flag,
            stdin_edits: Vec::new(),
        }
    }
}

//! Runs simple commands in thought: finds the program, and hands what it gets to what it does.

use super::{
    Origin, commands,
    flow::Flow,
    sinks::unquoted,
    sources,
    syntax::{Command, Part, RedirectKind, Word},
    taint::{Piece, Stream, Taint, merged},
};

/// A word of a command with what it holds.
pub(super) struct Arg<'w> {
    pub(super) word: &'w Word,
    pub(super) pieces: Stream,
    /// Its text, quotes undone; `None` if anything is expanded in it.
    pub(super) literal: Option<String>,
    /// Its text up to the first expansion, quotes dropped.
    pub(super) head: String,
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
    pub(super) fn is_missing(&self) -> bool {
        self.command.words.is_empty()
    }

    /// Returns the literal word behind another.
    pub(super) fn literal_after(&self, flag: &str) -> Option<String> {
        let at = self
            .arguments
            .iter()
            .position(|arg| arg.literal.as_deref() == Some(flag))?;
        self.arguments.get(at + 1)?.literal.clone()
    }
}

impl Flow<'_> {
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
        let mut stdin = stdin;
        for piece in stdin.iter_mut().filter(|piece| piece.command.is_empty()) {
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
            "declare" | "typeset" if literals.first() == Some(&Some("-p")) => {
                self.printenv(call, &literals)
            }
            name if commands::is_logger(name) => self.say(call, stdin),
            name if commands::is_builtin(name) && (!name.is_empty() || call.is_missing()) => {
                Vec::new()
            }
            _ => self.external(call, &literals, stdin),
        }
    }

    /// A piece that stands for a whole listing.
    pub(super) fn dumped(&self, call: &Call<'_, '_>, what: &'static str) -> Piece {
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

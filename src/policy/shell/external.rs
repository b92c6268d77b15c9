//! Programs that are no builtins: sources, filters, shells in shells, what closes files to others.

use std::ops::Range;

use super::{
    Origin, Sink, Use, commands,
    flow::Flow,
    interpreters::{self, Language},
    run::Call,
    sinks::unquoted,
    sources,
    syntax::{Redirect, RedirectKind},
    taint::{MAX_PIECES, Mint, Piece, Stream, Taint},
};

impl Flow<'_> {
    /// A program that is no builtin.
    pub(super) fn external(
        &mut self,
        call: &Call<'_, '_>,
        literals: &[Option<&str>],
        stdin: Stream,
    ) -> Stream {
        self.arguments(call, literals, &stdin);
        self.shell_in_shell(call, literals);
        self.note_modes(call);
        if matches!(call.name, "rm" | "shred" | "unlink") {
            for path in literals.iter().flatten() {
                self.files.remove(*path);
            }
        }
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
        out.extend(self.program(call));
        out.extend(self.kept(call, &shown));
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

    /// What code prints that a program is given: `python3 -c '…'`, `node -p '…'`.
    fn program(&self, call: &Call<'_, '_>) -> Stream {
        let Some(language) = Language::of(call.name) else {
            return Vec::new();
        };
        let option = call.arguments.iter().position(|arg| {
            let word = arg.literal.as_deref();
            word.is_some_and(|word| language.option(word).is_some())
        });
        let Some((option, at)) = option.and_then(|at| {
            let word = call.arguments.get(at)?.literal.as_deref()?;
            Some((language.option(word)?, at))
        }) else {
            return Vec::new();
        };
        let Some(code) = call.arguments.get(at + 1) else {
            return Vec::new();
        };
        let span = &code.word.span;
        let raw = self.raw(span);
        let is_quoted =
            |quote: char| raw.len() > 1 && raw.starts_with(quote) && raw.ends_with(quote);
        if !is_quoted('\'') && !is_quoted('"') {
            return Vec::new();
        }
        let start = span.start + 1;
        let Some(inner) = self.script.text.get(start..span.end - 1) else {
            return Vec::new();
        };
        // In double quotes the shell takes backslashes away: `\"X\"`.
        let inner = inner.replace("\\\"", " \"");
        let mut out = Vec::new();
        for one in interpreters::printed(language, &inner, option) {
            let mut piece = self.dumped(call, call_title(language));
            piece.span = start + one.span.start..start + one.span.end;
            if let Some(name) = &one.name {
                let Some(taint) = self.taint(name) else {
                    continue;
                };
                piece.taint = taint;
                piece.dump = None;
                piece.command = call_title(language).to_owned();
            }
            out.push(piece);
        }
        out.truncate(MAX_PIECES);
        out
    }

    /// What `cat` reads again that the script wrote to a file.
    fn kept(&self, call: &Call<'_, '_>, shown: &[&str]) -> Stream {
        let is_output =
            |redirect: &Redirect| !matches!(redirect.kind, RedirectKind::Text | RedirectKind::Read);
        // What goes to another file is no more than it was.
        if call.name != "cat" || call.command.redirects.iter().any(is_output) {
            return Vec::new();
        }
        let mut out = Stream::new();
        for (arg, word) in call.arguments.iter().zip(shown) {
            let path = unquoted(self.raw(&arg.word.span));
            let held = self.files.get(&path).filter(|_| !word.starts_with('-'));
            out.extend(held.map(|taint| Piece {
                taint: taint.clone(),
                span: arg.word.span.clone(),
                dump: None,
                ..self.dumped(call, "cat")
            }));
        }
        out.truncate(MAX_PIECES);
        out
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

/// How people call a program with code.
const fn call_title(language: Language) -> &'static str {
    match language {
        Language::Python => "python -c",
        Language::JavaScript => "node -e",
        Language::Ruby => "ruby -e",
        Language::Perl => "perl -e",
        Language::Cmd => "cmd",
    }
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

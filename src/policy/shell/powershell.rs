//! PowerShell by tokens: what is printed, dumped and passed to programs. No grammar, no data flow but names of variables that are
//! assigned from secrets on one line.

use std::{collections::BTreeSet, ops::Range};

use super::{Argument, CommandFile, Origin, Quoting, Script, Sink, Use, commands};

/// A word, quotes included.
#[derive(Clone, Debug)]
struct Token {
    span: Range<usize>,
}

/// Commands that print.
const PRINTERS: [&str; 8] = [
    "write-host",
    "write-output",
    "echo",
    "write-warning",
    "write-error",
    "write-verbose",
    "out-host",
    "write-information",
];

/// Tells what a PowerShell script does with secrets, as [`super::analyse`] does of a shell script.
pub(crate) fn analyse_powershell(
    script: &Script<'_>,
    is_secret: &dyn Fn(&str) -> bool,
) -> Vec<Use> {
    if script.text.len() > super::MAX_BYTES {
        super::super::gaps::tell(super::TOO_LONG);
        return Vec::new();
    }
    let text = super::syntax::prepared(script);
    let mut pass = Pass {
        script,
        text: &text,
        is_secret,
        known: BTreeSet::new(),
        uses: Vec::new(),
    };
    for command in commands_of(&text) {
        pass.command(&command);
        pass.inline(&command);
    }
    pass.uses.sort_by_key(|one| (one.span.start, one.span.end));
    pass.uses
}

struct Pass<'a> {
    script: &'a Script<'a>,
    text: &'a str,
    is_secret: &'a dyn Fn(&str) -> bool,
    /// Variables that took a secret, in lower case.
    known: BTreeSet<String>,
    uses: Vec<Use>,
}

impl Pass<'_> {
    fn raw(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Returns the secrets that a word expands.
    fn names(&self, span: &Range<usize>) -> Vec<(String, Origin)> {
        let raw = self.raw(span);
        let mut names = Vec::new();
        if !raw.starts_with('\'') {
            for (at, _) in raw.match_indices('$') {
                let rest = raw.get(at + 1..).unwrap_or_default();
                let rest = rest.strip_prefix(['{', '(']).unwrap_or(rest);
                let name = rest
                    .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | ':'))
                    .next();
                let name = name.unwrap_or_default();
                let rest = rest.get(name.len()..).unwrap_or_default();
                // The length of a secret, or whether there is one, is none.
                let is_length = rest.trim_start_matches(['}', ')']).starts_with(".Length");
                let is_method = raw
                    .get(..at)
                    .is_some_and(|before| before.ends_with("IsNullOrEmpty("));
                let is_env = name
                    .get(..4)
                    .is_some_and(|start| start.eq_ignore_ascii_case("env:"));
                let found = if is_env {
                    name.get(4..).unwrap_or_default()
                } else {
                    name
                };
                let hit = if is_env {
                    (self.is_secret)(found)
                } else {
                    self.known.contains(&name.to_ascii_lowercase())
                };
                if hit && !is_length && !is_method {
                    names.push((found.to_owned(), Origin::Variable));
                }
            }
        }
        let from = self
            .script
            .placeholders
            .partition_point(|one| one.span.start < span.start);
        let inside = self
            .script
            .placeholders
            .iter()
            .skip(from)
            .take_while(|one| one.span.end <= span.end);
        names.extend(
            inside
                .filter(|one| one.secret)
                .map(|one| (one.name.clone(), Origin::Placeholder)),
        );
        names
    }

    fn command(&mut self, tokens: &[Token]) {
        let Some(first) = tokens.first() else { return };
        let span = first.span.start..tokens.last().map_or(first.span.end, |last| last.span.end);
        let words: Vec<String> = tokens
            .iter()
            .map(|token| self.raw(&token.span).to_ascii_lowercase())
            .collect();
        let shown: Vec<&str> = words.iter().map(String::as_str).collect();
        let has = |word: &str| shown.contains(&word);
        if let [target, "=", ..] = shown.as_slice() {
            let taken = tokens
                .get(2..)
                .unwrap_or_default()
                .iter()
                .any(|token| !self.names(&token.span).is_empty());
            if taken && let Some(name) = target.strip_prefix('$') {
                self.known.insert(name.to_owned());
            }
            return;
        }
        let lists = matches!(
            shown.as_slice(),
            [
                "get-childitem" | "gci" | "dir" | "ls" | "get-item",
                "env:" | "env:*" | "env:\\" | "env:/",
                ..
            ]
        ) && !has("select")
            && !has("select-object")
            && !has("where-object")
            && !has("?");
        if lists || matches!(shown.as_slice(), ["env" | "printenv"]) {
            let what = shown.first().copied().unwrap_or_default().to_owned();
            self.tell(
                Sink::Dump,
                &span,
                &span,
                &what,
                Vec::new(),
                Origin::Variable,
            );
            return;
        }
        self.words(tokens, &shown, &span);
    }

    fn words(&mut self, tokens: &[Token], shown: &[&str], span: &Range<usize>) {
        let line = Line::of(shown);
        if line.text.contains("::add-mask::") || line.text.contains("task.setsecret") {
            return;
        }
        for (at, token) in tokens.iter().enumerate() {
            let Some((name, origin)) = self.names(&token.span).into_iter().next() else {
                continue;
            };
            if let Some(sink) = line.sink(at, shown) {
                self.tell(sink, &token.span, span, &line.title, vec![name], origin);
            }
        }
    }

    fn inline(&mut self, tokens: &[Token]) {
        for token in tokens {
            let quoting = match self.raw(&token.span).bytes().next() {
                Some(b'"') => Quoting::Double,
                Some(b'\'') => Quoting::Single,
                _ => Quoting::Bare,
            };
            let from = self
                .script
                .placeholders
                .partition_point(|one| one.span.start < token.span.start);
            let all = self.script.placeholders;
            for one in all
                .iter()
                .skip(from)
                .take_while(|one| one.span.start < token.span.end)
            {
                if one.secret {
                    self.tell(
                        Sink::Inline { quoting },
                        &one.span,
                        &one.span,
                        "",
                        vec![one.name.clone()],
                        Origin::Placeholder,
                    );
                }
            }
        }
    }

    fn tell(
        &mut self,
        sink: Sink,
        span: &Range<usize>,
        command: &Range<usize>,
        title: &str,
        names: Vec<String>,
        origin: Origin,
    ) {
        self.uses.push(Use {
            sink,
            span: span.clone(),
            command_span: command.clone(),
            command: title.to_owned(),
            names,
            origin,
            derived: None,
        });
    }
}

/// What a line does with the words that it has.
struct Line {
    text: String,
    title: String,
    prints: bool,
    /// Whether it starts a program that is no cmdlet.
    runs: bool,
    /// Where its pipe stands.
    pipe: Option<usize>,
    /// Whether its output goes to a file.
    writes: bool,
}

impl Line {
    fn of(shown: &[&str]) -> Self {
        const WRITERS: [&str; 5] = ["out-file", "add-content", "set-content", ">", ">>"];
        const FLOW: [&str; 11] = [
            "if", "foreach", "while", "return", "throw", "{", "}", "&", "param", "function", "",
        ];
        let first = shown.first().copied().unwrap_or_default();
        let program = commands::basename(first).trim_end_matches(".exe");
        let is_cmdlet =
            program.contains('-') && program.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
        let is_value = first.starts_with(['$', '[', '@', '(', '"', '\'']);
        let prints = PRINTERS.contains(&first)
            || first.starts_with('"')
            || first.starts_with("$env:") && shown.len() == 1;
        Self {
            text: shown.join(" "),
            title: commands::title(program, shown.get(1..).unwrap_or_default()),
            prints,
            runs: !prints && !is_cmdlet && !is_value && !FLOW.contains(&program),
            pipe: shown.iter().position(|word| *word == "|"),
            writes: shown.iter().any(|word| WRITERS.contains(word)),
        }
    }

    /// Returns where a secret in a word goes.
    fn sink(&self, at: usize, shown: &[&str]) -> Option<Sink> {
        if self.text.contains("github_output") || self.text.contains("::set-output") {
            return Some(Sink::CommandFile(CommandFile::Output));
        }
        if self.text.contains("github_env") {
            return Some(Sink::CommandFile(CommandFile::Environment));
        }
        if self.prints {
            return (self.pipe.is_none() && !self.writes).then_some(Sink::Print);
        }
        let before = at.checked_sub(1).and_then(|at| shown.get(at))?;
        let flag = before.starts_with('-').then(|| (*before).to_owned());
        let is_argument = self.runs && self.pipe.is_none_or(|pipe| at < pipe);
        is_argument.then(|| Sink::Argument(Argument::of(&self.title, flag)))
    }
}

/// Splits a script into commands (at line ends, `;`, braces) and words; comments are left out.
fn commands_of(text: &str) -> Vec<Vec<Token>> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'\n' | b';' | b'{' | b'}' => {
                out.push(std::mem::take(&mut tokens));
                at += 1;
            }
            b' ' | b'\t' | b'\r' => at += 1,
            // A line that goes on.
            b'`' if bytes
                .get(at + 1)
                .is_some_and(|next| matches!(next, b'\n' | b'\r')) =>
            {
                at += 2;
                at +=
                    usize::from(bytes.get(at) == Some(&b'\n') && bytes.get(at - 1) == Some(&b'\n'));
            }
            b'#' => {
                at += bytes
                    .get(at..)
                    .and_then(|rest| memchr::memchr(b'\n', rest))
                    .unwrap_or(bytes.len() - at)
            }
            b'|' => {
                at += 1;
                tokens.push(Token { span: start..at });
            }
            _ => {
                at = word_end(bytes, at);
                tokens.push(Token { span: start..at });
            }
        }
    }
    out.push(tokens);
    out
}

/// Returns where a word ends: quotes hold blanks.
fn word_end(bytes: &[u8], mut at: usize) -> usize {
    let mut quote = None;
    let start = at;
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') if at > start && bytes.get(at - 1) == Some(&b'$') => quote = Some(b'}'),
            (None, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'|' | b'{' | b'}') => break,
            (Some(b'"'), b'`') => at += 1,
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        at += 1;
    }
    at.min(bytes.len()).max(start + 1)
}

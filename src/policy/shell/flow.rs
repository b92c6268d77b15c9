//! Follows secrets through a script, statement by statement in the order of the text.
//!
//! Each statement is run in thought: it takes what may stand on its stdin and returns what may stand on its stdout, as pieces that know
//! which secret they hold. What reaches the end of a top-level statement is printed. Branches are all taken; what they assign adds to
//! what is known and takes nothing away. A function's output is kept until somebody calls it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    File, Origin, Quoting, Script, Sink, Use,
    syntax::{Block, BlockKind, Command, Form, Part, Program, Statement, Word},
    taint::{MAX_PIECES, Piece, Stream, Taint, merged},
};

/// The state of a run.
pub(super) struct Flow<'a> {
    pub(super) script: &'a Script<'a>,
    /// The text that was parsed: placeholders are overwritten.
    pub(super) text: &'a str,
    pub(super) is_secret: &'a dyn Fn(&str) -> bool,
    pub(super) functions: &'a BTreeSet<String>,
    /// What functions write to stdout.
    outputs: BTreeMap<String, Stream>,
    /// Functions whose output is printed.
    called: Vec<String>,
    /// What is known of variables: `None` is "no secret" against `is_secret`.
    pub(super) variables: BTreeMap<String, Option<Taint>>,
    pub(super) trace: bool,
    traced: BTreeSet<String>,
    /// Whether a `umask` keeps others from new files.
    pub(super) private: bool,
    /// Paths that `chmod` or `install` closes.
    pub(super) closed: BTreeSet<String>,
    /// What the script wrote to files, by their paths as written.
    pub(super) files: BTreeMap<String, Taint>,
    /// Where `exec > file` sends the output.
    pub(super) stdout: Option<String>,
    /// How many branches are open.
    pub(super) branches: usize,
    /// Whether the command that runs stands behind a pipe.
    pub(super) piped: bool,
    pub(super) uses: Vec<Use>,
}

/// Runs a program and returns what it does with secrets.
pub(super) fn run(
    script: &Script<'_>,
    text: &str,
    program: &Program,
    is_secret: &dyn Fn(&str) -> bool,
) -> Vec<Use> {
    let mut flow = Flow {
        script,
        text,
        is_secret,
        functions: &program.functions,
        outputs: BTreeMap::new(),
        called: Vec::new(),
        variables: BTreeMap::new(),
        trace: script.trace,
        traced: BTreeSet::new(),
        private: false,
        closed: BTreeSet::new(),
        files: BTreeMap::new(),
        stdout: None,
        branches: 0,
        piped: false,
        uses: Vec::new(),
    };
    // Elsewhere the trace goes where a log may not be.
    let has_own_trace = text.contains("BASH_XTRACEFD");
    flow.trace &= !has_own_trace;
    for statement in &program.statements {
        let out = flow.statement(statement, Vec::new());
        flow.print(out);
    }
    flow.print_called();
    flow.inline(program);
    let closed = std::mem::take(&mut flow.closed);
    for one in &mut flow.uses {
        if let Sink::File(File { path, private, .. }) = &mut one.sink {
            // Of `${dir}/x` the variable counts, too.
            let plain: String = path.chars().filter(|c| !matches!(c, '{' | '}')).collect();
            let first = plain.split('/').next().unwrap_or_default();
            *private |=
                closed.contains(path.as_str()) || closed.contains(&plain) || closed.contains(first);
        }
    }
    if has_own_trace {
        flow.uses.retain(|one| one.sink != Sink::Trace);
    }
    flow.uses
}

impl Flow<'_> {
    /// Tells what functions print that somebody calls.
    fn print_called(&mut self) {
        let mut seen = BTreeSet::new();
        while let Some(name) = self.called.pop() {
            if seen.insert(name.clone())
                && let Some(output) = self.outputs.remove(&name)
            {
                self.print(output);
            }
        }
    }

    /// Keeps a function's name whose output is printed.
    pub(super) fn call_prints(&mut self, name: String) {
        self.called.push(name);
    }

    /// Tells each secret placeholder that stands in the script outside of comments.
    fn inline(&mut self, program: &Program) {
        for (at, one) in self.script.placeholders.iter().enumerate() {
            let in_comment = |comment: &Range<usize>| {
                comment.start <= one.span.start && one.span.end <= comment.end
            };
            if !one.secret || program.comments.iter().any(in_comment) {
                continue;
            }
            let quoting = program.quotes.get(at).copied().flatten();
            self.uses.push(Use {
                sink: Sink::Inline {
                    quoting: quoting.unwrap_or(Quoting::Bare),
                },
                span: one.span.clone(),
                command_span: one.span.clone(),
                command: String::new(),
                names: vec![one.name.clone()],
                origin: Origin::Placeholder,
                derived: None,
            });
        }
    }

    pub(super) fn statements(&mut self, statements: &[Statement], stdin: &Stream) -> Stream {
        let mut out = Vec::new();
        for statement in statements {
            let stdin = stdin.iter().take(MAX_PIECES).cloned().collect();
            out.extend(self.statement(statement, stdin));
        }
        out
    }

    fn statement(&mut self, statement: &Statement, stdin: Stream) -> Stream {
        match statement {
            Statement::Command(command) => self.command(command, stdin),
            Statement::Block(block) => self.block(block, stdin),
            Statement::Pipeline(stages) => {
                let piped = self.piped;
                let mut stream = stdin;
                for (at, stage) in stages.iter().enumerate() {
                    self.piped = piped || at > 0;
                    let input = if at > 0 {
                        self.resolved(stream)
                    } else {
                        stream
                    };
                    stream = self.statement(stage, input);
                }
                self.piped = piped;
                stream
            }
        }
    }

    fn block(&mut self, block: &Block, mut stdin: Stream) -> Stream {
        let mut taken = Vec::new();
        for word in &block.words {
            let pieces = self.word(word, &block.span, "");
            self.traces(&pieces);
            taken.extend(pieces);
        }
        for redirect in &block.redirects {
            stdin.extend(self.redirected_text(redirect, &block.span, ""));
        }
        if block.kind == BlockKind::Branch
            && let Some(name) = &block.name
            && !taken.is_empty()
        {
            self.learn(name, merged(&taken));
        }
        let trace = self.trace;
        let is_branch = matches!(
            block.kind,
            BlockKind::Branch | BlockKind::Function | BlockKind::Test
        );
        self.branches += usize::from(is_branch);
        let mut out = self.statements(&block.statements, &stdin);
        self.branches -= usize::from(is_branch);
        if block.kind != BlockKind::Group {
            self.trace = trace;
        }
        if block.kind == BlockKind::Function
            && let Some(name) = &block.name
        {
            let body = std::mem::take(&mut out);
            self.outputs.entry(name.clone()).or_default().extend(body);
        }
        self.route(out, &block.redirects)
    }

    /// Replaces calls of functions by what they write.
    pub(super) fn resolved(&self, stream: Stream) -> Stream {
        let mut out = Stream::new();
        for piece in stream {
            match &piece.call {
                Some(name) => out.extend(
                    self.outputs
                        .get(name)
                        .into_iter()
                        .flatten()
                        .filter(|piece| piece.call.is_none())
                        .take(MAX_PIECES)
                        .cloned(),
                ),
                None => out.push(piece),
            }
        }
        out.truncate(MAX_PIECES);
        out
    }

    fn command(&mut self, command: &Command, mut stdin: Stream) -> Stream {
        let span = &command.span;
        let mut traced = Vec::new();
        let mut values = Vec::new();
        for assignment in &command.assignments {
            let value = assignment.value.as_ref();
            let pieces = value.map_or_else(Vec::new, |word| self.word(word, span, ""));
            self.literal(assignment, command);
            traced.extend(pieces.iter().cloned());
            values.push(pieces);
        }
        let mut words = Vec::new();
        for word in &command.words {
            let pieces = self.word(word, span, "");
            traced.extend(pieces.iter().cloned());
            words.push((word, pieces));
        }
        for redirect in &command.redirects {
            stdin.extend(self.redirected_text(redirect, span, ""));
        }
        self.traces(&traced);
        if command.words.is_empty() || command.declares {
            for (assignment, pieces) in command.assignments.iter().zip(values) {
                self.assign(assignment, pieces, span);
            }
        }
        let out = self.simple(command, words, stdin);
        self.route(out, &command.redirects)
    }

    /// Returns the secrets that a word expands, running its substitutions.
    pub(super) fn word(
        &mut self,
        word: &Word,
        command_span: &Range<usize>,
        command: &str,
    ) -> Stream {
        // Of a long word the expansion is shown.
        let is_long = self
            .text
            .get(word.span.clone())
            .is_none_or(|text| text.len() > 160 || text.contains('\n'));
        let piece = |taint: Taint, at: &Range<usize>| Piece {
            taint,
            span: if is_long {
                at.clone()
            } else {
                word.span.clone()
            },
            at: at.clone(),
            command: command.to_owned(),
            command_span: command_span.clone(),
            dump: None,
            call: None,
        };
        let mut out = Stream::new();
        for part in &word.parts {
            match part {
                Part::Variable { span, name, form } => {
                    let Some(mut taint) = self.taint(name) else {
                        continue;
                    };
                    if *form == Form::Cut {
                        taint.derived = Some("an expansion");
                    }
                    out.push(piece(taint, span));
                }
                Part::Placeholder(at) => {
                    let Some(one) = self.script.placeholders.get(*at).filter(|one| one.secret)
                    else {
                        continue;
                    };
                    let taint = Taint {
                        names: vec![one.name.clone()],
                        origin: Origin::Placeholder,
                        derived: None,
                        mint: None,
                    };
                    out.push(piece(taint, &one.span));
                }
                Part::Substitution { span, statements } => {
                    let inner = self.captured(statements);
                    out.extend(inner.into_iter().map(|inner| Piece {
                        dump: inner.dump,
                        ..piece(inner.taint, span)
                    }));
                }
                Part::Process(statements) => {
                    self.captured(statements);
                }
            }
        }
        out.truncate(MAX_PIECES);
        out
    }

    /// Runs a substitution: what it writes is taken by the word.
    fn captured(&mut self, statements: &[Statement]) -> Stream {
        let state = (self.trace, self.piped, self.private);
        self.piped = false;
        let out = self.statements(statements, &Vec::new());
        (self.trace, self.piped, self.private) = state;
        self.resolved(out)
    }

    /// Tells what a trace shows.
    fn traces(&mut self, pieces: &[Piece]) {
        if !self.trace {
            return;
        }
        for piece in pieces.iter().filter(|piece| piece.dump.is_none()) {
            let name = piece.taint.names.first().cloned().unwrap_or_default();
            if self.traced.insert(name) {
                self.emit(piece, Sink::Trace);
            }
        }
    }

    /// Keeps a use.
    pub(super) fn emit(&mut self, piece: &Piece, sink: Sink) {
        let is_dump = piece.dump.is_some();
        self.uses.push(Use {
            sink,
            span: piece.span.clone(),
            command_span: piece.command_span.clone(),
            command: piece
                .dump
                .map_or_else(|| piece.command.clone(), str::to_owned),
            names: if is_dump {
                Vec::new()
            } else {
                piece.taint.names.clone()
            },
            origin: piece.taint.origin,
            derived: piece.taint.derived,
        });
    }
}

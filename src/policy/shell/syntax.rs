//! From a script's text to a small tree: commands, pipelines, blocks, words and what they expand.
//!
//! The grammar's oddities end here: redirections that it hangs on whole lists belong to the last command, words behind a redirection
//! to the command, and here-documents hold the rest of their line. Depth is bounded by [`MAX_DEPTH`]; what lies deeper is left out.

use std::{collections::BTreeSet, ops::Range};

use tree_sitter::{Node, ParseOptions, ParseState, Parser};

use super::{Placeholder, Quoting, Script};

/// Deepest nesting of blocks and substitutions that is followed.
const MAX_DEPTH: usize = 60;

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
    pub(super) span: Range<usize>,
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

/// Parses what [`prepared`] returned. `None` if the parser gave up, which it does after work in proportion to the text.
pub(super) fn parse(text: &str, placeholders: &[Placeholder]) -> Option<Program> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_bash::LANGUAGE.into())
        .ok()?;
    // It calls back every hundred steps or so; scripts that were looked at need one call in 60 bytes at most.
    let mut left = 1_000 + text.len();
    let mut progress = |_: &ParseState| {
        left = left.saturating_sub(1);
        if left == 0 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    // The grammar's scanner asks C's `isdigit` about any character and reads beyond a table by those that are no bytes: it gets letters
    // of equal length in place of them.
    let ascii: Vec<u8> = text
        .bytes()
        .map(|b| if b.is_ascii() { b } else { b'x' })
        .collect();
    let mut chunk = |at: usize, _| ascii.get(at..).unwrap_or_default();
    let tree = parser.parse_with_options(&mut chunk, None, Some(options))?;
    let mut lower = Lower {
        text,
        placeholders,
        program: Program {
            quotes: vec![None; placeholders.len()],
            ..Program::default()
        },
    };
    lower.program.statements = lower.children(tree.root_node(), 0);
    Some(lower.program)
}

struct Lower<'t> {
    text: &'t str,
    placeholders: &'t [Placeholder],
    program: Program,
}

fn named<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}

impl<'t> Lower<'t> {
    fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Returns the statements among the children of a node.
    fn children(&mut self, node: Node<'_>, depth: usize) -> Vec<Statement> {
        let mut out = Vec::new();
        for child in named(node) {
            self.statement(child, depth + 1, &mut out);
        }
        out
    }

    fn statement(&mut self, node: Node<'_>, depth: usize, out: &mut Vec<Statement>) {
        if depth > MAX_DEPTH {
            return;
        }
        match node.kind() {
            "command" | "declaration_command" | "unset_command" => {
                let command = self.command(node, depth);
                out.push(Statement::Command(command));
                // The grammar takes parentheses behind a word for part of it.
                for child in named(node)
                    .into_iter()
                    .filter(|child| child.kind() == "subshell")
                {
                    self.statement(child, depth + 1, out);
                }
            }
            "variable_assignment" | "variable_assignments" => {
                let mut command = Command {
                    span: node.byte_range(),
                    ..Command::default()
                };
                if node.kind() == "variable_assignment" {
                    command.assignments = vec![self.assignment(node, depth)];
                } else {
                    self.fill(node, depth, &mut command);
                }
                out.push(Statement::Command(command));
            }
            "list" => self.list(node, depth, out),
            "pipeline" => {
                let stages = self.children(node, depth);
                out.push(Statement::Pipeline(stages));
            }
            "redirected_statement" => self.redirected(node, depth, out),
            "test_command" => {
                let mut block = self.block(node, BlockKind::Test);
                block.words = vec![self.word(node, depth)];
                out.push(Statement::Block(block));
            }
            "comment" => self.program.comments.push(node.byte_range()),
            "if_statement"
            | "elif_clause"
            | "else_clause"
            | "while_statement"
            | "do_group"
            | "case_item"
            | "subshell"
            | "compound_statement"
            | "for_statement"
            | "c_style_for_statement"
            | "case_statement"
            | "function_definition" => {
                let block = self.compound(node, depth);
                out.push(Statement::Block(block));
            }
            "negated_command" | "program" => {
                let inner = self.children(node, depth);
                out.extend(inner);
            }
            "ERROR" => self.error(node, depth, out),
            _ => {}
        }
    }

    /// What is fine of what is not: statements, and words behind a command on its line.
    fn error(&mut self, node: Node<'_>, depth: usize, out: &mut Vec<Statement>) {
        for child in named(node) {
            let is_word = matches!(
                child.kind(),
                "simple_expansion"
                    | "expansion"
                    | "string"
                    | "concatenation"
                    | "command_substitution"
            );
            match out.last_mut() {
                Some(Statement::Command(command)) if is_word => {
                    let between = self.text.get(command.span.end..child.start_byte());
                    if between.is_some_and(|between| !between.contains('\n')) {
                        let word = self.word(child, depth + 1);
                        command.span.end = command.span.end.max(word.span.end);
                        command.words.push(word);
                    }
                }
                _ => self.statement(child, depth + 1, out),
            }
        }
    }

    /// `a && b || c` leans to the left, one level an operator: it is taken apart without recursion.
    fn list(&mut self, node: Node<'_>, depth: usize, out: &mut Vec<Statement>) {
        let mut waiting = Vec::new();
        let mut node = Some(node);
        while let Some(list) = node.take() {
            for child in named(list).into_iter().rev() {
                if child.kind() == "list" && child.start_byte() == list.start_byte() {
                    node = Some(child);
                } else {
                    waiting.push(child);
                }
            }
        }
        for (at, child) in waiting.into_iter().rev().enumerate() {
            let first = out.len();
            self.statement(child, depth + 1, out);
            // What stands behind an operator may not run; assignments there count, but do not end anything.
            if at > 0 && out.len() > first {
                let mut block = self.block(child, BlockKind::Branch);
                block.statements = out.split_off(first);
                out.push(Statement::Block(block));
            }
        }
    }

    fn block(&self, node: Node<'_>, kind: BlockKind) -> Block {
        Block {
            kind,
            span: node.byte_range(),
            statements: Vec::new(),
            words: Vec::new(),
            name: None,
            redirects: Vec::new(),
        }
    }

    fn compound(&mut self, node: Node<'_>, depth: usize) -> Block {
        let kind = match node.kind() {
            "subshell" => BlockKind::Subshell,
            "compound_statement" => BlockKind::Group,
            "case_statement" => BlockKind::Test,
            "function_definition" => BlockKind::Function,
            _ => BlockKind::Branch,
        };
        let mut block = self.block(node, kind);
        if node.kind() == "function_definition"
            && let Some(name) = node.child_by_field_name("name")
        {
            self.program.functions.insert(self.text(name).to_owned());
            block.name = Some(self.text(name).to_owned());
        }
        if matches!(node.kind(), "for_statement" | "case_statement") {
            let mut cursor = node.walk();
            let values: Vec<_> = node.children_by_field_name("value", &mut cursor).collect();
            block.words = values
                .into_iter()
                .map(|value| self.word(value, depth))
                .collect();
            block.name = node
                .child_by_field_name("variable")
                .map(|name| self.text(name).to_owned());
        }
        for child in named(node) {
            match child.kind() {
                "file_redirect" | "herestring_redirect" => {
                    let mut rest = Vec::new();
                    self.redirect(child, depth, &mut block.redirects, &mut rest);
                }
                // The arithmetic of `((…))`.
                _ => self.statement(child, depth + 1, &mut block.statements),
            }
        }
        block
    }

    fn command(&mut self, node: Node<'_>, depth: usize) -> Command {
        let mut command = Command {
            span: node.byte_range(),
            declares: node.kind() == "declaration_command",
            ..Command::default()
        };
        if node.kind() != "command"
            && let Some(keyword) = node.child(0)
        {
            command.words.push(Word {
                span: keyword.byte_range(),
                parts: Vec::new(),
            });
        }
        self.fill(node, depth, &mut command);
        command
    }

    /// Adds assignments, words and redirections that are children of a node.
    fn fill(&mut self, node: Node<'_>, depth: usize, command: &mut Command) {
        for child in named(node) {
            match child.kind() {
                "variable_assignment" => {
                    let assignment = self.assignment(child, depth);
                    command.assignments.push(assignment);
                }
                "file_redirect" | "herestring_redirect" => {
                    let (redirects, words) = (&mut command.redirects, &mut command.words);
                    self.redirect(child, depth, redirects, words);
                }
                "comment" => self.program.comments.push(child.byte_range()),
                "subshell" | "ERROR" => {}
                _ => {
                    let word = self.word(child, depth);
                    command.words.push(word);
                }
            }
        }
    }

    fn assignment(&mut self, node: Node<'_>, depth: usize) -> Assignment {
        let name = node.child_by_field_name("name");
        let raw = name.map_or("", |name| self.text(name));
        let value = node.child_by_field_name("value");
        let between = name.map_or(node.start_byte(), |name| name.end_byte());
        Assignment {
            name: raw.split('[').next().unwrap_or(raw).to_owned(),
            span: node.byte_range(),
            appends: raw.contains('[')
                || self
                    .text
                    .get(between..)
                    .is_some_and(|rest| rest.starts_with("+=")),
            value: value.map(|value| self.word(value, depth)),
        }
    }

    fn redirected(&mut self, node: Node<'_>, depth: usize, out: &mut Vec<Statement>) {
        let body = node.child_by_field_name("body");
        let before = out.len();
        if let Some(body) = body {
            self.statement(body, depth + 1, out);
        }
        if out.len() == before {
            out.push(Statement::Command(Command {
                span: node.byte_range(),
                ..Command::default()
            }));
        }
        let (mut redirects, mut words) = (Vec::new(), Vec::new());
        let mut here = Vec::new();
        for child in named(node) {
            match child.kind() {
                "file_redirect" | "herestring_redirect" => {
                    self.redirect(child, depth, &mut redirects, &mut words);
                }
                "heredoc_redirect" => {
                    self.heredoc(child, depth, &mut redirects, &mut words);
                    here.push(child);
                }
                _ => {}
            }
        }
        let end = named(node)
            .iter()
            .filter(|child| child.kind() == "file_redirect")
            .map(Node::end_byte)
            .max();
        if let Some(last) = out.last_mut() {
            attach(last, redirects, words, end);
        }
        for node in here {
            self.rest_of_line(node, depth, out);
        }
    }

    /// What stands behind `<<EOF` on its line: a pipe, or `&& next`.
    fn rest_of_line(&mut self, node: Node<'_>, depth: usize, out: &mut Vec<Statement>) {
        for child in named(node) {
            if child.kind() == "pipeline" {
                let stages = self.children(child, depth);
                if let Some(first) = out.pop() {
                    let stages = std::iter::once(first).chain(stages).collect();
                    out.push(Statement::Pipeline(stages));
                }
            }
        }
        if let Some(right) = node.child_by_field_name("right") {
            self.statement(right, depth + 1, out);
        }
    }

    fn redirect(
        &mut self,
        node: Node<'_>,
        depth: usize,
        redirects: &mut Vec<Redirect>,
        words: &mut Vec<Word>,
    ) {
        let descriptor = node
            .child_by_field_name("descriptor")
            .and_then(|node| self.text(node).parse().ok());
        let operator = {
            let mut cursor = node.walk();
            let found = node.children(&mut cursor).find(|child| !child.is_named());
            found.map_or("", |child| self.text(child))
        };
        let targets: Vec<_> = named(node)
            .into_iter()
            .filter(|child| child.kind() != "file_descriptor")
            .collect();
        let mut targets = targets.into_iter();
        if let Some(target) = targets.next() {
            let to_descriptor = self
                .text(target)
                .bytes()
                .all(|b| b.is_ascii_digit() || b == b'-');
            let kind = match operator {
                ">" | ">|" => RedirectKind::Write,
                ">>" => RedirectKind::Append,
                "&>" | "&>>" => RedirectKind::Both,
                ">&" if to_descriptor => RedirectKind::Duplicate,
                ">&" => RedirectKind::Both,
                "<<<" => RedirectKind::Text,
                _ => RedirectKind::Read,
            };
            let target = self.word(target, depth);
            redirects.push(Redirect {
                kind,
                descriptor,
                target,
            });
        }
        // The grammar takes the words behind a redirection for further targets.
        for word in targets {
            let word = self.word(word, depth);
            words.push(word);
        }
    }

    fn heredoc(
        &mut self,
        node: Node<'_>,
        depth: usize,
        redirects: &mut Vec<Redirect>,
        words: &mut Vec<Word>,
    ) {
        let mut is_raw = false;
        for child in named(node) {
            match child.kind() {
                "heredoc_start" => is_raw = self.text(child).contains(['\'', '"', '\\']),
                "heredoc_body" => {
                    let quoting = if is_raw {
                        Quoting::RawHeredoc
                    } else {
                        Quoting::Heredoc
                    };
                    let mut target = Word {
                        span: child.byte_range(),
                        parts: Vec::new(),
                    };
                    if !is_raw {
                        self.parts(child, quoting, depth, &mut target.parts);
                    }
                    self.leaf(child.byte_range(), quoting, &mut target.parts);
                    redirects.push(Redirect {
                        kind: RedirectKind::Text,
                        descriptor: None,
                        target,
                    });
                }
                "file_redirect" | "herestring_redirect" => {
                    self.redirect(child, depth, redirects, words);
                }
                _ => {}
            }
        }
        let mut cursor = node.walk();
        let arguments: Vec<_> = node
            .children_by_field_name("argument", &mut cursor)
            .collect();
        for argument in arguments {
            let word = self.word(argument, depth);
            words.push(word);
        }
    }

    fn word(&mut self, node: Node<'_>, depth: usize) -> Word {
        let mut parts = Vec::new();
        self.parts(node, Quoting::Bare, depth, &mut parts);
        Word {
            span: node.byte_range(),
            parts,
        }
    }

    fn parts(&mut self, node: Node<'_>, quoting: Quoting, depth: usize, out: &mut Vec<Part>) {
        if depth > MAX_DEPTH {
            return;
        }
        match node.kind() {
            "simple_expansion" | "expansion" => self.expansion(node, quoting, depth, out),
            "command_substitution" => {
                let statements = self.children(node, depth);
                out.push(Part::Substitution {
                    span: node.byte_range(),
                    statements,
                });
            }
            "process_substitution" => {
                let statements = self.children(node, depth);
                out.push(Part::Process(statements));
            }
            "arithmetic_expansion" => {}
            "raw_string" | "ansi_c_string" => self.leaf(node.byte_range(), Quoting::Single, out),
            kind => {
                let quoting = if kind == "string" {
                    Quoting::Double
                } else {
                    quoting
                };
                let children = named(node);
                if children.is_empty() {
                    self.leaf(node.byte_range(), quoting, out);
                }
                for child in children {
                    self.parts(child, quoting, depth + 1, out);
                }
            }
        }
    }

    /// Adds the placeholders of a stretch of text that have not been met yet.
    fn leaf(&mut self, span: Range<usize>, quoting: Quoting, out: &mut Vec<Part>) {
        let from = self
            .placeholders
            .partition_point(|one| one.span.start < span.start);
        for (at, one) in self.placeholders.iter().enumerate().skip(from) {
            if one.span.start >= span.end {
                break;
            }
            if let Some(met @ None) = self.program.quotes.get_mut(at) {
                *met = Some(quoting);
                out.push(Part::Placeholder(at));
            }
        }
    }

    fn expansion(&mut self, node: Node<'_>, quoting: Quoting, depth: usize, out: &mut Vec<Part>) {
        // The grammar counts blanks in front of it in.
        let whole = self.text(node);
        let text = whole.trim_start();
        let start = node.start_byte() + whole.len() - text.len();
        let body = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .or_else(|| text.strip_prefix('$'))
            .unwrap_or_default();
        let (name, form) = expanded(body);
        let is_test = form == Form::Nothing;
        if !name.is_empty() && !is_test {
            out.push(Part::Variable {
                span: start..node.end_byte(),
                name: name.to_owned(),
                form,
            });
        }
        // What is taken instead: `${X:-word}`, `${X:+word}`.
        for child in named(node) {
            if !matches!(
                child.kind(),
                "variable_name" | "special_variable_name" | "subscript"
            ) && form != Form::Cut
            {
                self.parts(child, quoting, depth + 1, out);
            }
        }
    }
}

/// Splits the inside of `${…}` into the name and what is shown of its value.
fn expanded(body: &str) -> (&str, Form) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if body.len() > 1 && body.starts_with(['#', '!']) {
        return ("", Form::Nothing);
    }
    let end = body.find(|c| !is_name(c)).unwrap_or(body.len());
    let (name, mut rest) = body.split_at(end);
    if rest.starts_with('[') {
        rest = rest.split_once(']').map_or("", |(_, rest)| rest);
    }
    let form = match rest.as_bytes() {
        [b'+', ..] | [b':', b'+', ..] => Form::Nothing,
        [] | [b'-' | b'=' | b'?', ..] | [b':', b'-' | b'=' | b'?', ..] => Form::Whole,
        _ => Form::Cut,
    };
    (name, form)
}

/// Gives redirections and words to the command that they stand behind.
fn attach(
    statement: &mut Statement,
    redirects: Vec<Redirect>,
    words: Vec<Word>,
    end: Option<usize>,
) {
    match statement {
        Statement::Command(command) => {
            command.redirects.extend(redirects);
            command.words.extend(words);
            command.span.end = command.span.end.max(end.unwrap_or(0));
        }
        Statement::Block(block) => block.redirects.extend(redirects),
        Statement::Pipeline(stages) => {
            if let Some(last) = stages.last_mut() {
                attach(last, redirects, words, end);
            }
        }
    }
}

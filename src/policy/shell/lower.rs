//! From a script's text to the tree of `syntax`, by tree-sitter's grammar of bash.
//!
//! The grammar's oddities end here: redirections that it hangs on whole lists belong to the last command, words behind a redirection
//! to the command, and here-documents hold the rest of their line. Depth is bounded by [`MAX_DEPTH`]; what lies deeper is left out.

use tree_sitter::{Node, ParseOptions, ParseState, Parser};

use super::{
    Placeholder,
    syntax::{Assignment, Block, BlockKind, Command, Program, Statement, Word},
};

/// Deepest nesting of blocks and substitutions that is followed.
pub(super) const MAX_DEPTH: usize = 60;

/// Parses what [`prepared`] returned. `None` if the parser gave up, which it does after work in proportion to the text.
pub(super) fn parse(text: &str, placeholders: &[Placeholder]) -> Option<Program> {
    if has_endless_pipeline(text) {
        return None;
    }
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_bash::LANGUAGE.into())
        .ok()?;
    // It calls back every hundred steps or so: 1,498 scripts of 27 repositories needed one call in 88 bytes at most.
    let mut left = 1_000 + text.len() / 20;
    let mut progress = |_: &ParseState| {
        left = left.saturating_sub(1);
        if left == 0 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let mut chunk = |at: usize, _| text.as_bytes().get(at..).unwrap_or_default();
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

/// Most signs of pipes that may follow each other without the end of a statement: the parser's work grows with their square (33,000
/// took 81 seconds, 2,000 take 0.3).
const MAX_PIPES: usize = 2_000;

/// Tells whether there are more. Those in quotes count, too: it is a bound, not a reading.
fn has_endless_pipeline(text: &str) -> bool {
    let mut pipes = 0;
    let mut last = b' ';
    for byte in text.bytes() {
        match byte {
            b'|' => pipes += 1,
            b';' => pipes = 0,
            b'\n' if !matches!(last, b'|' | b'&' | b'\\') => pipes = 0,
            _ => {}
        }
        if pipes > MAX_PIPES {
            return true;
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
    }
    false
}

pub(super) struct Lower<'t> {
    pub(super) text: &'t str,
    pub(super) placeholders: &'t [Placeholder],
    pub(super) program: Program,
}

pub(super) fn named<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}

impl<'t> Lower<'t> {
    pub(super) fn text(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Returns the statements among the children of a node.
    pub(super) fn children(&mut self, node: Node<'_>, depth: usize) -> Vec<Statement> {
        let mut out = Vec::new();
        for child in named(node) {
            self.statement(child, depth + 1, &mut out);
        }
        out
    }

    pub(super) fn statement(&mut self, node: Node<'_>, depth: usize, out: &mut Vec<Statement>) {
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
            appends: raw.contains('[')
                || self
                    .text
                    .get(between..)
                    .is_some_and(|rest| rest.starts_with("+=")),
            value: value.map(|value| self.word(value, depth)),
        }
    }
}

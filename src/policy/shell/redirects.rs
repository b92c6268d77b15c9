//! Redirections and here-documents, and what the grammar hangs on them.

use tree_sitter::Node;

use super::{
    Quoting,
    lower::{Lower, named},
    syntax::{Command, Redirect, RedirectKind, Statement, Word},
};

impl Lower<'_> {
    pub(super) fn redirected(&mut self, node: Node<'_>, depth: usize, out: &mut Vec<Statement>) {
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

    pub(super) fn redirect(
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

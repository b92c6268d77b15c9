//! Words: quotes, expansions, placeholders.

use std::ops::Range;

use tree_sitter::Node;

use super::{
    Quoting,
    lower::{Lower, MAX_DEPTH, named},
    syntax::{Form, Part, Word},
};

impl Lower<'_> {
    pub(super) fn word(&mut self, node: Node<'_>, depth: usize) -> Word {
        let mut parts = Vec::new();
        self.parts(node, Quoting::Bare, depth, &mut parts);
        Word {
            span: node.byte_range(),
            parts,
        }
    }

    pub(super) fn parts(
        &mut self,
        node: Node<'_>,
        quoting: Quoting,
        depth: usize,
        out: &mut Vec<Part>,
    ) {
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
    pub(super) fn leaf(&mut self, span: Range<usize>, quoting: Quoting, out: &mut Vec<Part>) {
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

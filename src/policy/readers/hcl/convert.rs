//! From hcl-edit's tree to ours. Its depth is bounded by hcl-edit (64 levels, 128 operators), so that recursion is.

use std::ops::Range;

use hcl_edit::{
    Span,
    expr::{Expression, ForExpr, ObjectKey, Traversal, TraversalOperator},
    structure,
    template::{Directive, Element, Template},
};

use super::{Attribute, Block, Body, Expr, ExprKind, Item, Part};
use crate::policy::node::{Scalar, Style};

/// Reduces a body.
pub(super) fn body(source: &structure::Body, text: &str) -> Body {
    let mut body = Body::default();
    for structure in source {
        match structure {
            structure::Structure::Attribute(attribute) => {
                body.attributes.push(self::attribute(attribute, text));
            }
            structure::Structure::Block(block) => body.blocks.push(self::block(block, text)),
        }
    }
    body
}

fn attribute(source: &structure::Attribute, text: &str) -> Attribute {
    let value = expr(&source.value, text);
    let key_span = source.key.span().unwrap_or_default();
    Attribute {
        key: source.key.as_str().to_owned(),
        span: key_span.start..value.span.end.max(key_span.end),
        key_span,
        value,
    }
}

fn block(source: &structure::Block, text: &str) -> Block {
    let kind_span = source.ident.span().unwrap_or_default();
    let span = source.span().unwrap_or_else(|| kind_span.clone());
    let labels = source.labels.iter();
    let end = labels
        .clone()
        .filter_map(|label| Some(label.span()?.end))
        .fold(kind_span.end, usize::max);
    let brace = text.get(end..span.end).and_then(|rest| rest.find('{'));
    Block {
        kind: source.ident.as_str().to_owned(),
        labels: labels.map(|label| label.as_str().to_owned()).collect(),
        body: body(&source.body, text),
        open: brace.map_or(end, |brace| end + brace + 1),
        kind_span,
        span,
    }
}

fn expr(source: &Expression, text: &str) -> Expr {
    let span = source.span().unwrap_or_default();
    let kind = match source {
        Expression::Null(_) => ExprKind::Null,
        Expression::Bool(value) => ExprKind::Bool(*value.value()),
        Expression::Number(_) => ExprKind::Number(plain(text, &span)),
        Expression::String(_) => {
            let inner = span.start + 1..span.end.saturating_sub(1).max(span.start + 1);
            ExprKind::Text(literal(text, inner, Written::Quoted))
        }
        Expression::Array(array) => {
            ExprKind::List(array.iter().map(|item| expr(item, text)).collect())
        }
        Expression::Object(object) => {
            let items = object.iter();
            let items = items.map(|(key, value)| item(key, value.expr(), text));
            ExprKind::Object(items.collect())
        }
        Expression::StringTemplate(template) => template_kind(template, text, Written::Quoted),
        Expression::HeredocTemplate(heredoc) => {
            let indent = heredoc.indent().unwrap_or_default();
            template_kind(&heredoc.template, text, Written::Heredoc { indent })
        }
        Expression::Parenthesis(inner) => return expr(inner.inner(), text),
        Expression::Variable(name) => ExprKind::Reference(vec![name.as_str().to_owned()]),
        Expression::Conditional(three) => ExprKind::Conditional(Box::new([
            expr(&three.cond_expr, text),
            expr(&three.true_expr, text),
            expr(&three.false_expr, text),
        ])),
        Expression::FuncCall(call) => ExprKind::Call(
            call.name.name.as_str().to_owned(),
            call.args.iter().map(|arg| expr(arg, text)).collect(),
        ),
        Expression::Traversal(traversal) => self::traversal(traversal, text),
        Expression::UnaryOp(op) => ExprKind::Operation(vec![expr(&op.expr, text)]),
        Expression::BinaryOp(op) => {
            ExprKind::Operation(vec![expr(&op.lhs_expr, text), expr(&op.rhs_expr, text)])
        }
        Expression::ForExpr(each) => ExprKind::Comprehension(comprehension(each, text)),
    };
    Expr { kind, span }
}

fn comprehension(source: &ForExpr, text: &str) -> Vec<Expr> {
    let parts = [
        Some(&source.intro.collection_expr),
        source.key_expr.as_ref(),
        Some(&source.value_expr),
        source.cond.as_ref().map(|cond| &cond.expr),
    ];
    parts
        .into_iter()
        .flatten()
        .map(|part| expr(part, text))
        .collect()
}

fn traversal(source: &Traversal, text: &str) -> ExprKind {
    let names = source
        .operators
        .iter()
        .map(|operator| match operator.value() {
            TraversalOperator::GetAttr(name) => name.as_str().to_owned(),
            TraversalOperator::Index(Expression::String(key)) => key.value().clone(),
            TraversalOperator::Index(_)
            | TraversalOperator::LegacyIndex(_)
            | TraversalOperator::AttrSplat(_)
            | TraversalOperator::FullSplat(_) => "[]".to_owned(),
        });
    if let Expression::Variable(root) = &source.expr {
        let root = std::iter::once(root.as_str().to_owned());
        return ExprKind::Reference(root.chain(names).collect());
    }
    let names = names.collect();
    ExprKind::Access(Box::new(expr(&source.expr, text)), names)
}

fn item(key: &ObjectKey, value: &Expression, text: &str) -> Item {
    let (key, key_span) = match key {
        ObjectKey::Ident(name) => (Some(name.as_str().to_owned()), name.span()),
        ObjectKey::Expression(Expression::String(name)) => {
            (Some(name.value().clone()), name.span())
        }
        ObjectKey::Expression(other) => (None, other.span()),
    };
    let value = expr(value, text);
    let key_span = key_span
        .or_else(|| word_before(text, value.span.start, key.as_deref()?))
        .unwrap_or(value.span.start..value.span.start);
    Item {
        key,
        key_span,
        value,
    }
}

/// hcl-edit loses the place of a key that it turned from a variable into a word: it stands before the value.
fn word_before(text: &str, at: usize, word: &str) -> Option<Range<usize>> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, '=' | ':' | '(');
    let before = text.get(..at)?.trim_end_matches(is_between);
    let start = before.strip_suffix(word)?.len();
    Some(start..before.len())
}

/// How a literal was written.
#[derive(Clone, Copy)]
enum Written {
    Quoted,
    /// Each line loses so many blanks.
    Heredoc {
        indent: usize,
    },
}

fn template_kind(source: &Template, text: &str, written: Written) -> ExprKind {
    let mut parts = Vec::new();
    self::parts(source, text, written, &mut parts);
    if parts.iter().any(|part| matches!(part, Part::Value(_))) {
        return ExprKind::Template(parts);
    }
    let mut texts = parts.into_iter().filter_map(|part| match part {
        Part::Text(scalar) => Some(scalar),
        Part::Value(_) => None,
    });
    ExprKind::Text(texts.next().unwrap_or_else(|| Scalar {
        text: String::new(),
        style: style(written),
        map: vec![(0, source.span().unwrap_or_default().start)],
        end: source.span().unwrap_or_default().start,
    }))
}

fn parts(source: &Template, text: &str, written: Written, out: &mut Vec<Part>) {
    for element in source {
        match element {
            Element::Literal(literal) => {
                let span = literal.span().unwrap_or_default();
                out.push(Part::Text(self::literal(text, span, written)));
            }
            Element::Interpolation(interpolation) => {
                let mut value = expr(&interpolation.expr, text);
                value.span = interpolation.span().unwrap_or(value.span);
                out.push(Part::Value(value));
            }
            Element::Directive(directive) => match directive.as_ref() {
                Directive::If(one) => {
                    out.push(Part::Value(expr(&one.if_expr.cond_expr, text)));
                    parts(&one.if_expr.template, text, written, out);
                    if let Some(other) = &one.else_expr {
                        parts(&other.template, text, written, out);
                    }
                }
                Directive::For(each) => {
                    out.push(Part::Value(expr(&each.for_expr.collection_expr, text)));
                    parts(&each.for_expr.template, text, written, out);
                }
            },
        }
    }
}

fn style(written: Written) -> Style {
    match written {
        Written::Quoted => Style::Double,
        Written::Heredoc { .. } => Style::Literal,
    }
}

fn plain(text: &str, span: &Range<usize>) -> Scalar {
    Scalar {
        text: text.get(span.clone()).unwrap_or_default().to_owned(),
        style: Style::Plain,
        map: vec![(0, span.start)],
        end: span.end,
    }
}

/// Undoes escapes and the indent of heredocs, and keeps where each run of bytes came from.
fn literal(text: &str, span: Range<usize>, written: Written) -> Scalar {
    let source = text.get(span.clone()).unwrap_or_default();
    let mut scalar = Scalar {
        text: String::with_capacity(source.len()),
        style: style(written),
        map: Vec::new(),
        end: span.end,
    };
    // A literal of a heredoc begins a line unless an interpolation stands before it.
    let begins_line = text
        .get(..span.start)
        .is_none_or(|before| before.ends_with('\n'));
    let mut at = match written {
        Written::Heredoc { indent } if begins_line => blanks(source, indent),
        _ => 0,
    };
    scalar.map.push((0, span.start + at));
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let (taken, made) = piece(rest, written);
        scalar.text.push_str(&made);
        at += taken;
        if taken != made.len() {
            scalar.map.push((scalar.text.len(), span.start + at));
        }
    }
    scalar
}

/// Returns how many bytes the next piece of a literal takes, and what it stands for.
fn piece(rest: &str, written: Written) -> (usize, String) {
    for (mark, plain) in [("$${", "${"), ("%%{", "%{")] {
        if rest.starts_with(mark) {
            return (mark.len(), plain.to_owned());
        }
    }
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or_default();
    match (first, written) {
        ('\\', Written::Quoted) => escape(rest, chars.next().unwrap_or('\\')),
        ('\n', Written::Heredoc { indent }) => {
            let skipped = blanks(rest.get(1..).unwrap_or_default(), indent);
            (1 + skipped, "\n".to_owned())
        }
        ('\r', _) if rest.starts_with("\r\n") => (1, String::new()),
        _ => {
            // A run without marks at once.
            let end = rest
                .find(['\\', '\n', '\r', '$', '%'])
                .filter(|end| *end > 0)
                .unwrap_or(if matches!(first, '\\' | '\n' | '\r' | '$' | '%') {
                    first.len_utf8()
                } else {
                    rest.len()
                });
            (end, rest.get(..end).unwrap_or_default().to_owned())
        }
    }
}

/// Returns how many bytes an escape takes, and what it stands for.
fn escape(rest: &str, which: char) -> (usize, String) {
    let simple = |c: char| (1 + which.len_utf8(), c.to_string());
    match which {
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'u' | 'U' => {
            let length = if which == 'u' { 4 } else { 8 };
            let hex = rest.get(2..2 + length).unwrap_or_default();
            let code = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
            match code {
                Some(c) => (2 + length, c.to_string()),
                None => simple(which),
            }
        }
        other => simple(other),
    }
}

/// Returns how many of at most `indent` blanks a line begins with.
fn blanks(line: &str, indent: usize) -> usize {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    line.bytes().take(indent).take_while(is_blank).count()
}

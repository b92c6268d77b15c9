//! HCL: Terraform, `OpenTofu`, Terragrunt, Packer.
//!
//! hcl-edit parses; its tree is reduced here to what lints ask for: blocks, attributes, and expressions with their literal texts,
//! references and calls, each with its bytes. Nothing of hcl-edit is seen outside of this module.
//!
//! Promises beside those of all readers: nesting is bounded before anything recurses (`limits`), and the work that an object of many
//! keys costs is bounded too.

use std::ops::Range;

use super::super::node::{Scalar, Style};

mod convert;
mod limits;

/// The attributes and blocks between two braces, or those of the file.
#[derive(Debug, Default)]
pub struct Body {
    /// `key = value`, in the order of the file.
    pub attributes: Vec<Attribute>,
    /// `kind "label" { ... }`, in the order of the file.
    pub blocks: Vec<Block>,
}

/// One block.
#[derive(Debug)]
pub struct Block {
    /// The word before the labels: `resource`, `variable`.
    pub kind: String,
    /// Its bytes.
    pub kind_span: Range<usize>,
    /// The labels, quotes undone.
    pub labels: Vec<String>,
    /// What stands between the braces.
    pub body: Body,
    /// From the kind to the closing brace.
    pub span: Range<usize>,
    /// One past the opening brace.
    pub open: usize,
}

/// One attribute.
#[derive(Debug)]
pub struct Attribute {
    /// The name.
    pub key: String,
    /// Its bytes.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Expr,
    /// From the key to the end of the value.
    pub span: Range<usize>,
}

/// An expression with its bytes.
#[derive(Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its bytes, quotes and heredoc marks included.
    pub span: Range<usize>,
}

/// What an expression is.
#[derive(Debug)]
pub enum ExprKind {
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// A number as written.
    Number(Scalar),
    /// A text without interpolations: in quotes or a heredoc.
    Text(Scalar),
    /// A text with interpolations.
    Template(Vec<Part>),
    /// `var.x`, `random_password.p.result`: the names; an index is its text, or `[]` if it is none.
    Reference(Vec<String>),
    /// Names and indices of what another expression gives: `jsondecode(x)["key"]`.
    Access(Box<Expr>, Vec<String>),
    /// A call: the name without namespace, and the arguments.
    Call(String, Vec<Expr>),
    /// `{ key = value }`.
    Object(Vec<Item>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `condition ? yes : no`.
    Conditional(Box<[Expr; 3]>),
    /// An operation, which gives a number or a boolean: its operands.
    Operation(Vec<Expr>),
    /// A comprehension: the collection, key, value and condition.
    Comprehension(Vec<Expr>),
}

/// One entry of an object.
#[derive(Debug)]
pub struct Item {
    /// The key, if it is a word or a text.
    pub key: Option<String>,
    /// Its bytes.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Expr,
}

/// A part of a template.
#[derive(Debug)]
pub enum Part {
    /// Literal text.
    Text(Scalar),
    /// `${...}`, and the expressions of directives; the span of the expression is that of the whole mark.
    Value(Expr),
}

/// Reads a file of HCL.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(text: &str) -> Result<Body, String> {
    limits::check(text)?;
    let body = hcl_edit::parser::parse_body(text)
        .map_err(|error| format!("no HCL at line {}", error.location().line()))?;
    Ok(convert::body(&body, text))
}

impl Body {
    /// Returns the attribute with this name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.key == key)
    }

    /// Returns the blocks of a kind.
    pub fn blocks_of<'b>(&'b self, kind: &'b str) -> impl Iterator<Item = &'b Block> {
        self.blocks.iter().filter(move |block| block.kind == kind)
    }

    /// Calls `f` with all attributes of the body and of the blocks below, each with the blocks that lead to it.
    pub fn each<'b>(&'b self, f: &mut dyn FnMut(&[&'b Block], &'b Attribute)) {
        self.descend(&mut Vec::new(), f);
    }

    fn descend<'b>(
        &'b self,
        path: &mut Vec<&'b Block>,
        f: &mut dyn FnMut(&[&'b Block], &'b Attribute),
    ) {
        for attribute in &self.attributes {
            f(path, attribute);
        }
        for block in &self.blocks {
            path.push(block);
            block.body.descend(path, f);
            path.pop();
        }
    }
}

impl Block {
    /// Returns a label by its place, or the empty text.
    #[must_use]
    pub fn label(&self, at: usize) -> &str {
        self.labels.get(at).map_or("", String::as_str)
    }

    /// Returns the kind and labels as Terraform writes addresses: `aws_instance.web`, `data.aws_ami.base`, `variable.x`. Of overlong names
    /// only the beginning.
    #[must_use]
    pub fn address(&self) -> String {
        let kind = (self.kind != "resource").then_some(self.kind.as_str());
        let parts = kind
            .into_iter()
            .chain(self.labels.iter().map(String::as_str).take(8));
        let parts = parts.map(|part| part.chars().take(100).collect::<String>());
        parts.collect::<Vec<_>>().join(".")
    }
}

impl Expr {
    /// Returns the literal text of a text or number without interpolations.
    #[must_use]
    pub fn text(&self) -> Option<&Scalar> {
        match &self.kind {
            ExprKind::Text(scalar) | ExprKind::Number(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Returns the entries of an object, none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        match &self.kind {
            ExprKind::Object(items) => items,
            _ => &[],
        }
    }

    /// Returns the value of an object's key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Expr> {
        let item = |item: &&Item| item.key.as_deref() == Some(key);
        self.items().iter().find(item).map(|item| &item.value)
    }

    /// Returns the elements of a list, none of anything else.
    #[must_use]
    pub fn elements(&self) -> &[Expr] {
        match &self.kind {
            ExprKind::List(elements) => elements,
            _ => &[],
        }
    }

    /// Returns the expressions right below this one.
    #[must_use]
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Template(parts) => {
                let values = parts.iter().filter_map(|part| match part {
                    Part::Value(value) => Some(value),
                    Part::Text(_) => None,
                });
                values.collect()
            }
            ExprKind::Access(base, _) => vec![base],
            ExprKind::Call(_, all)
            | ExprKind::List(all)
            | ExprKind::Operation(all)
            | ExprKind::Comprehension(all) => all.iter().collect(),
            ExprKind::Object(items) => items.iter().map(|item| &item.value).collect(),
            ExprKind::Conditional(three) => three.iter().collect(),
            ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Reference(_) => Vec::new(),
        }
    }

    /// Calls `f` with this expression and all below.
    pub fn each<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        f(self);
        for child in self.children() {
            child.each(f);
        }
    }

    /// Returns the text of a text or template as one, where `fill` writes what stands for an interpolation. Offsets in it lead back to
    /// the file.
    #[must_use]
    pub fn filled(&self, fill: &mut dyn FnMut(&Expr) -> String) -> Option<Scalar> {
        self.filled_after(&mut |value, _| fill(value))
    }

    /// Does the same, where `fill` sees the text so far too.
    #[must_use]
    pub fn filled_after(&self, fill: &mut dyn FnMut(&Expr, &str) -> String) -> Option<Scalar> {
        let parts = match &self.kind {
            ExprKind::Text(scalar) => return Some(scalar.clone()),
            ExprKind::Template(parts) => parts,
            _ => return None,
        };
        let mut whole = Scalar {
            text: String::new(),
            style: Style::Double,
            map: Vec::new(),
            end: self.span.end,
        };
        for part in parts {
            let at = whole.text.len();
            match part {
                Part::Text(scalar) => {
                    let moved = scalar.map.iter().map(|(text, source)| (at + text, *source));
                    whole.map.extend(moved);
                    whole.text.push_str(&scalar.text);
                }
                Part::Value(value) => {
                    whole.map.push((at, value.span.start));
                    let filling = fill(value, &whole.text);
                    whole.text.push_str(&filling);
                }
            }
        }
        if whole.map.is_empty() {
            whole.map.push((0, self.span.start));
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests;

//! Terraform, `OpenTofu`, Terragrunt, Packer.
//!
//! `literals` finds texts under names, `taint` expressions that give secrets; the lints ask them.

use super::{
    super::{
        Edit,
        kind::FileKind,
        lint::{Document, Lint, Syntax},
        node::Node,
        readers::hcl::{Attribute, Block, Body},
    },
    literal,
};

mod literals;
mod output;
mod provider;
mod resource;
mod rotation;
mod script;
mod state;
mod taint;
mod tfvars;
mod userdata;
mod variable;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &variable::Variable,
    &tfvars::Tfvars,
    &provider::Provider,
    &output::Output,
    &state::State,
    &userdata::UserData,
    &resource::Resource,
    &rotation::Rotation,
];

/// Returns the body of a file of HCL that is of one of these kinds.
fn body<'d>(document: &'d Document<'_>, kinds: &[FileKind]) -> Option<&'d Body> {
    match &document.syntax {
        Syntax::Hcl(body) if kinds.contains(&document.kind) => Some(body),
        _ => None,
    }
}

/// Returns the tree of a file of Terraform's JSON form.
fn json<'d>(document: &'d Document<'_>) -> Option<&'d Node> {
    let is_ours = document.kind == FileKind::Terraform;
    document.trees().first().filter(|_| is_ours)
}

/// Returns the folder of a path: files of one folder are one module.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Adds a boolean attribute as the first of a block, in the block's own indent, aligned with those after it as `terraform fmt` does.
fn insertion(block: &Block, text: &str, key: &str) -> Vec<Edit> {
    let close = block.span.end.saturating_sub(1).max(block.open);
    let inner = text.get(block.open..close).unwrap_or_default();
    let outer = literal::before(text, block.span.start).unwrap_or_default();
    let outer: String = outer.chars().take_while(|c| c.is_whitespace()).collect();
    let newline = literal::newline(text, block.span.start);
    if inner.contains('\n') {
        // Behind a comment that may stand after the brace.
        let head = inner.split('\n').next().unwrap_or_default();
        let at = block.open + head.trim_end_matches('\r').len();
        let first = inner.lines().skip(1).find(|line| !line.trim().is_empty());
        let indent: String = match first {
            Some(first) => first.chars().take_while(|c| c.is_whitespace()).collect(),
            None => format!("{outer}  "),
        };
        let chain = chain(block, text, block.open + head.len());
        let width = chain.iter().map(|one| one.key.chars().count()).max();
        let width = width.unwrap_or_default().max(key.len());
        let mut edits = vec![Edit::replace(
            at..at,
            format!("{newline}{indent}{key:width$} = true"),
        )];
        edits.extend(chain.into_iter().filter_map(|one| padded(one, text, width)));
        return edits;
    }
    // All on one line: HCL allows one attribute there.
    let indent = format!("{newline}{outer}  ");
    let start = inner.len() - inner.trim_start().len();
    if inner.trim().is_empty() {
        return vec![Edit::replace(
            block.open..close,
            format!("{indent}{key} = true{newline}{outer}"),
        )];
    }
    let only = block.body.attributes.first();
    let width = only.map_or(0, |one| one.key.chars().count()).max(key.len());
    let end = block.open + inner.trim_end().len();
    let mut edits = vec![Edit::replace(
        block.open..block.open + start,
        format!("{indent}{key:width$} = true{indent}"),
    )];
    edits.extend(only.and_then(|one| padded(one, text, width)));
    edits.push(Edit::replace(end..close, format!("{newline}{outer}")));
    edits
}

/// Returns the attributes on the lines right after a place, one a line, if they are aligned: those that `terraform fmt` aligns with what is
/// written before them. A value of several lines ends the row.
fn chain<'b>(block: &'b Block, text: &str, at: usize) -> Vec<&'b Attribute> {
    let mut chain: Vec<&Attribute> = Vec::new();
    let mut line = at + 1;
    for one in &block.body.attributes {
        let before = text.get(line..one.key_span.start);
        if !before.is_some_and(|before| before.chars().all(|c| matches!(c, ' ' | '\t'))) {
            break;
        }
        chain.push(one);
        let rest = text.get(one.span.start..).unwrap_or_default();
        let Some(end) = rest.find('\n').map(|end| one.span.start + end) else {
            break;
        };
        if end < one.span.end {
            break;
        }
        line = end + 1;
    }
    let width = chain.iter().map(|one| one.key.chars().count()).max();
    let is_aligned = |one: &&Attribute| gap(one, text).is_some_and(|gap| Some(gap) == width);
    match chain.iter().all(is_aligned) {
        true => chain,
        false => Vec::new(),
    }
}

/// Returns how many characters an attribute's key and the blanks after it take before the last blank, if blanks alone stand there.
fn gap(one: &Attribute, text: &str) -> Option<usize> {
    let rest = text.get(one.key_span.end..)?;
    let blanks = rest.len() - rest.trim_start_matches(' ').len();
    (rest.get(blanks..)?.starts_with('=') && blanks > 0)
        .then(|| one.key.chars().count() + blanks - 1)
}

/// Writes as many blanks after a key as its row wants.
fn padded(one: &Attribute, text: &str, width: usize) -> Option<Edit> {
    let now = gap(one, text)?;
    let at = one.key_span.end;
    (now < width).then(|| Edit::replace(at..at, " ".repeat(width - now)))
}

#[cfg(test)]
mod tests;

//! Terraform, `OpenTofu`, Terragrunt, Packer.
//!
//! `literals` finds texts under names, `taint` expressions that give secrets; the lints ask them.

use super::{
    super::{
        Edit,
        kind::FileKind,
        lint::{Document, Lint, Syntax},
        node::Node,
        readers::hcl::{Block, Body},
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

/// Adds an attribute as the first of a block, in the block's own indent.
fn insertion(block: &Block, text: &str, line: &str) -> Vec<Edit> {
    let close = block.span.end.saturating_sub(1).max(block.open);
    let inner = text.get(block.open..close).unwrap_or_default();
    let outer = literal::before(text, block.span.start).unwrap_or_default();
    let outer: String = outer.chars().take_while(|c| c.is_whitespace()).collect();
    let newline = literal::newline(text, block.span.start);
    if inner.contains('\n') {
        let first = inner.lines().skip(1).find(|line| !line.trim().is_empty());
        let indent: String = match first {
            Some(first) => first.chars().take_while(|c| c.is_whitespace()).collect(),
            None => format!("{outer}  "),
        };
        // Behind a comment that may stand after the brace.
        let first = inner.split('\n').next().unwrap_or_default();
        let at = block.open + first.trim_end_matches('\r').len();
        return vec![Edit::replace(at..at, format!("{newline}{indent}{line}"))];
    }
    // All on one line: HCL allows one attribute there.
    let indent = format!("{newline}{outer}  ");
    let start = inner.len() - inner.trim_start().len();
    if inner.trim().is_empty() {
        return vec![Edit::replace(
            block.open..close,
            format!("{indent}{line}{newline}{outer}"),
        )];
    }
    let end = block.open + inner.trim_end().len();
    vec![
        Edit::replace(
            block.open..block.open + start,
            format!("{indent}{line}{indent}"),
        ),
        Edit::replace(end..close, format!("{newline}{outer}")),
    ]
}

#[cfg(test)]
mod tests;

//! CloudFormation, SAM and ARM templates.

use std::ops::Range;

use super::super::{
    kind::FileKind,
    lint::{Document, Lint},
    node::{Entry, Node},
};

mod parameter;
mod plaintext;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&parameter::Parameter, &plaintext::Plaintext];

/// Returns the templates of CloudFormation in a file; `serverless.yml` holds them as `resources`.
fn templates<'d>(document: &'d Document<'_>) -> Vec<&'d Node> {
    let trees = document.trees().iter();
    match document.kind {
        FileKind::CloudFormation => trees.collect(),
        FileKind::Serverless => {
            let parts = trees.filter_map(|tree| tree.get("resources"));
            parts
                .flat_map(|part| std::iter::once(part).chain(part.items()))
                .filter(|part| part.get("Resources").is_some() || part.get("Outputs").is_some())
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the entries of a section of a template.
fn section<'n>(template: &'n Node, name: &str) -> &'n [Entry] {
    template.get(name).map_or(&[], Node::entries)
}

/// Calls `f` with the names that a node refers to (`Ref`, `Sub`, `GetAtt`), and their bytes.
fn references(node: &Node, f: &mut dyn FnMut(&str, Range<usize>)) {
    if let Some(scalar) = node.scalar() {
        match node.tag.as_deref() {
            Some("!Ref" | "!GetAtt") => f(&scalar.text, node.span.clone()),
            Some("!Sub") => substitutions(node, f),
            _ => {}
        }
        return;
    }
    for entry in node.entries() {
        match entry.key.as_str() {
            "Ref" => {
                if let Some(name) = entry.value.text() {
                    f(name, entry.value.span.clone());
                }
            }
            "Fn::GetAtt" => attribute(&entry.value, f),
            "Fn::Sub" => {
                let text = entry.value.items().first().unwrap_or(&entry.value);
                substitutions(text, f);
                references(&entry.value, f);
            }
            _ => references(&entry.value, f),
        }
    }
    if node.tag.as_deref() == Some("!GetAtt") {
        return attribute(node, f);
    }
    if node.tag.as_deref() == Some("!Sub")
        && let Some(text) = node.items().first()
    {
        substitutions(text, f);
    }
    for item in node.items() {
        references(item, f);
    }
}

/// An attribute of a resource: `X.Attribute`, or a list of both.
fn attribute(node: &Node, f: &mut dyn FnMut(&str, Range<usize>)) {
    match (node.text(), node.items()) {
        (Some(name), _) => f(name, node.span.clone()),
        (None, [resource, attribute]) => {
            if let (Some(resource), Some(attribute)) = (resource.text(), attribute.text()) {
                f(&format!("{resource}.{attribute}"), node.span.clone());
            }
        }
        _ => {}
    }
}

/// The `${Name}` of a text.
fn substitutions(node: &Node, f: &mut dyn FnMut(&str, Range<usize>)) {
    let Some(scalar) = node.scalar() else {
        return;
    };
    let mut at = 0;
    while let Some(open) = scalar.text.get(at..).and_then(|rest| rest.find("${")) {
        let start = at + open + 2;
        let rest = scalar.text.get(start..).unwrap_or_default();
        let Some(length) = rest.find('}') else {
            return;
        };
        if let Some(name) = rest.get(..length).filter(|name| !name.starts_with('!')) {
            f(name.trim(), scalar.source(start..start + length));
        }
        at = start + length;
    }
}

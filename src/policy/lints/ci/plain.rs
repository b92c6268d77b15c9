//! Values of variables that are written into a pipeline (rule 27).

use std::ops::Range;

use super::{metas, script::Out};
use crate::model::{Confidence, Severity};
use crate::policy::{
    fault::Fault,
    names::{self, Secretness, secretness},
    node::{Node, NodeKind},
    values::{self, Strength, Value},
};

/// Whose variable it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The pipeline's or a job's.
    Job,
    /// A container that stands beside the job for its tests: its password guards nothing.
    Service,
}

/// Judges one variable: its name, its value, where the value stands.
pub(super) fn judge(
    out: &mut Out<'_>,
    place: &str,
    name: &str,
    value: &str,
    span: Range<usize>,
    owner: Owner,
) {
    let class = values::classify(value);
    let Value::Literal(strength) = class else {
        return;
    };
    let secretness = secretness(name);
    let has_address = value.contains("://");
    let is_secret = match secretness {
        Secretness::No => false,
        Secretness::Weak => has_address || name_is_connection(name),
        Secretness::Strong | Secretness::Master => true,
    };
    // Parameters of CircleCI are filled in, and a name is no value.
    if !is_secret
        || value.contains("<<")
        || matches!(name, "PWD" | "OLDPWD")
        || is_name_of_variable(value)
    {
        return;
    }
    if owner == Owner::Service && strength != Strength::Random {
        return;
    }
    let severity = match (strength, owner) {
        (Strength::Weak, _) => Severity::Info,
        (_, Owner::Service) => Severity::Low,
        _ if secretness == Secretness::Master => Severity::Critical,
        _ => Severity::High,
    };
    let confidence = if strength == Strength::Random {
        Confidence::High
    } else {
        Confidence::Medium
    };
    let message = format!("the value of `{name}` is written into the pipeline");
    let fault = Fault::new(
        &metas::PLAINTEXT,
        span.clone(),
        format!("{place}: {name}"),
        message,
    );
    out.tell(fault.severity(severity).confidence(confidence).secret(span));
}

fn name_is_connection(name: &str) -> bool {
    let words = names::words(name);
    words.iter().any(|word| word.starts_with("conn"))
}

/// Tells whether a value is the name of a variable, as orbs take it: `token: GITHUB_TOKEN`.
fn is_name_of_variable(value: &str) -> bool {
    value.contains('_')
        && value
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        && names::words(value).len() >= 2
        && (names::is_secret(value) || !value.chars().any(|c| c.is_ascii_digit()))
}

/// Judges variables as a map, or as a list of `NAME=value`, of maps, or of `name` and `value`.
pub(super) fn variables(out: &mut Out<'_>, place: &str, node: &Node, owner: Owner) {
    match &node.kind {
        NodeKind::Map(_) => {
            for entry in node.merged() {
                scalar(out, place, &entry.key, &entry.value, owner);
            }
        }
        NodeKind::List(items) => items.iter().for_each(|item| one(out, place, item, owner)),
        NodeKind::Scalar(_) => {}
    }
}

fn one(out: &mut Out<'_>, place: &str, item: &Node, owner: Owner) {
    if let Some(name) = item.text_at(&["name"]) {
        for key in ["value", "default"] {
            if let Some(value) = item.get(key) {
                scalar(out, place, name, value, owner);
            }
        }
    } else if let Some(text) = item.scalar() {
        if let Some((name, value)) = text.text.split_once('=') {
            judge(
                out,
                place,
                name.trim(),
                value,
                text.source(name.len() + 1..text.text.len()),
                owner,
            );
        }
    } else {
        variables_of_map(out, place, item, owner);
    }
}

fn variables_of_map(out: &mut Out<'_>, place: &str, item: &Node, owner: Owner) {
    for entry in item.merged() {
        scalar(out, place, &entry.key, &entry.value, owner);
    }
}

/// Judges one variable by its node.
pub(super) fn scalar(out: &mut Out<'_>, place: &str, name: &str, value: &Node, owner: Owner) {
    if let Some(text) = value.scalar() {
        judge(
            out,
            place,
            name,
            &text.text,
            text.source(0..text.text.len()),
            owner,
        );
    }
}

//! The machines that jobs run on, as far as their labels tell.

use super::{super::super::node::Node, model::texts};

/// Most texts of a matrix that are looked at.
const MAX_TEXTS: usize = 1_000;

/// Returns the labels of the machine: a text, a list, or a group with labels.
pub(super) fn labels(machine: Option<&Node>) -> Vec<&str> {
    let mut labels = texts(machine);
    labels.extend(texts(machine.and_then(|machine| machine.get("labels"))));
    labels
}

/// Tells whether a label says Windows.
pub(super) fn is_windows(machine: Option<&Node>) -> bool {
    labels(machine)
        .iter()
        .any(|label| label.to_ascii_lowercase().starts_with("windows"))
}

/// Tells whether a job's machine may be one of Windows, whose own shell is another: nothing says that it is none.
pub(super) fn may_be_windows(job: &Node) -> bool {
    let labels = labels(job.get("runs-on"));
    if !labels.iter().any(|label| label.contains("${{")) {
        return labels.iter().any(|label| may_mean_windows(label))
            || !labels.iter().any(|label| is_other(label));
    }
    let matrix = job.get("strategy").and_then(|it| it.get("matrix"));
    let mut texts = Vec::new();
    matrix
        .into_iter()
        .for_each(|matrix| leaves(matrix, &mut texts));
    let of_matrix = |label: &&str| !label.contains("${{") || label.contains("matrix.");
    let is_known = |text: &&str| !text.contains("${{") && !may_mean_windows(text);
    !(labels.iter().all(of_matrix)
        && texts.len() < MAX_TEXTS
        && texts.iter().all(is_known)
        && texts.iter().any(|text| is_other(text)))
}

fn may_mean_windows(label: &str) -> bool {
    label.to_ascii_lowercase().contains("win")
}

fn is_other(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    ["ubuntu", "linux", "macos"]
        .iter()
        .any(|name| label.contains(name))
}

/// Gathers the texts in a matrix.
fn leaves<'d>(node: &'d Node, texts: &mut Vec<&'d str>) {
    if texts.len() >= MAX_TEXTS {
        return;
    }
    texts.extend(node.text());
    for item in node.items() {
        leaves(item, texts);
    }
    for entry in node.entries() {
        leaves(&entry.value, texts);
    }
}

//! `bitbucket-pipelines.yml`: steps wherever they stand, services, caches.

use super::{
    files::{self, Keep},
    metas, plain,
    plain::Owner,
    script::{self, Body, Out, Shell},
};
use crate::policy::{
    fault::Fault,
    node::{Entry, Node, NodeKind},
};

/// Deepest nest of stages and parallel steps that is followed.
const MAX_NEST: usize = 16;

/// Tells the faults of one file.
pub(super) fn look(tree: &Node, out: &mut Out<'_>) {
    if let Some(image) = tree.get("image") {
        plain::variables(out, "image", image, Owner::Job);
    }
    let definitions = tree.get("definitions");
    for service in definitions
        .and_then(|node| node.get("services"))
        .map_or(&[][..], Node::entries)
    {
        for key in ["variables", "environment"] {
            if let Some(variables) = service.value.get(key) {
                plain::variables(
                    out,
                    &format!("services.{}", service.key),
                    variables,
                    Owner::Service,
                );
            }
        }
    }
    for cache in definitions
        .and_then(|node| node.get("caches"))
        .map_or(&[][..], Node::entries)
    {
        let path = cache.value.get("path").unwrap_or(&cache.value);
        files::paths(
            out,
            &format!("caches.{}", cache.key),
            path,
            Keep::Cache,
            &[],
        );
    }
    // Steps of definitions come by alias to where they run: told once, where they stand.
    for section in ["pipelines", "definitions"] {
        if let Some(node) = tree.get(section) {
            steps(node, section, out, 0);
        }
    }
}

fn steps(node: &Node, place: &str, out: &mut Out<'_>, depth: usize) {
    if depth > MAX_NEST {
        return;
    }
    match &node.kind {
        NodeKind::List(items) => items
            .iter()
            .for_each(|item| steps(item, place, out, depth + 1)),
        NodeKind::Map(entries) => {
            for entry in entries {
                match entry.key.as_str() {
                    "step" => step(entry, place, out),
                    "services" | "caches" => {}
                    "variables" => plain::variables(out, place, &entry.value, Owner::Job),
                    "parallel" | "steps" | "stage" => steps(&entry.value, place, out, depth + 1),
                    key => steps(&entry.value, &format!("{place}.{key}"), out, depth + 1),
                }
            }
        }
        NodeKind::Scalar(_) => {}
    }
}

fn step(entry: &Entry, pipeline: &str, out: &mut Out<'_>) {
    let step = &entry.value;
    let name = step.text_at(&["name"]).unwrap_or("step");
    let place = format!("{pipeline} {name}");
    if let Some(image) = step.get("image") {
        plain::variables(out, &place, image, Owner::Job);
    }
    let items = lines(step);
    for pipe in items.iter().filter_map(|item| item.get("variables")) {
        plain::variables(out, &place, pipe, Owner::Job);
    }
    let scalar = script::joined(&items);
    let given = items
        .iter()
        .filter_map(|item| item.get("variables"))
        .flat_map(Node::entries);
    let given_secret = given
        .filter_map(|entry| entry.value.text())
        .any(script::mentions_secret);
    let has_secrets = given_secret || script::mentions_secret(&scalar.text);
    let body = Body {
        scalar: &scalar,
        shell: Shell::Posix,
        trace: false,
        place: &place,
        placeholders: &[],
        has_secrets,
        bound: &[],
    };
    let mut written = Vec::new();
    script::look(out, &body, &mut written);
    if let Some(artifacts) = step.get("artifacts") {
        files::paths(
            out,
            &place,
            artifacts.get("paths").unwrap_or(artifacts),
            Keep::Artifact,
            &written,
        );
    }
    if step.get("deployment").is_none() && has_secrets && script::deploys(name) {
        let message = format!(
            "the step `{name}` deploys with secrets that every step of the repository is given: it has no `deployment`"
        );
        out.tell(Fault::new(
            &metas::UNSCOPED,
            entry.key_span.clone(),
            place,
            message,
        ));
    }
}

/// Returns the items of a step's scripts: commands and pipes.
fn lines(step: &Node) -> Vec<&Node> {
    let lists = ["script", "after-script"]
        .into_iter()
        .filter_map(|key| step.get(key));
    let items = lists.flat_map(|node| {
        let alone = node.scalar().map(|_| node);
        alone.into_iter().chain(node.items())
    });
    items.collect()
}

//! Objects of Kubernetes in a file, and the containers in an object.
//!
//! Any map with an image, or with a list of variables, is a container: so those of custom resources, Knative, Argo and Tekton are too.

use std::{collections::HashMap, ops::Range};

use crate::policy::{
    environment::{Environments, Labels},
    kind::FileKind,
    lint::Document,
    node::{Node, NodeKind, Scalar},
};

use super::judge::Place;

/// Deepest nesting of lists of objects that is followed.
const MAX_LISTS: usize = 4;

/// One object.
pub(crate) struct Object<'n> {
    /// The whole map.
    pub(crate) node: &'n Node,
    /// `kind`.
    pub(crate) kind: &'n str,
    /// `apiVersion`.
    pub(crate) version: &'n str,
}

impl<'n> Object<'n> {
    /// Returns `metadata.name`; empty if it is not there or a template fills it in.
    pub(crate) fn name(&self) -> &'n str {
        written(self.node.text_at(&["metadata", "name"]))
    }

    /// Returns `metadata.namespace`; empty as for the name.
    pub(crate) fn namespace(&self) -> &'n str {
        written(self.node.text_at(&["metadata", "namespace"]))
    }

    /// Returns who uses it: what its namespace and labels declare, and what the path of the file says.
    pub(crate) fn place(&self, document: &Document<'_>, environments: &Environments) -> Place {
        const KEYS: [&str; 4] = [
            "environment",
            "env",
            "stage",
            "app.kubernetes.io/environment",
        ];
        let labels = self.node.at(&["metadata", "labels"]);
        let labelled = KEYS.iter().filter_map(|key| labels?.text_at(&[key]));
        let declared = std::iter::once(self.namespace())
            .chain(labelled.map(|text| written(Some(text))))
            .filter(|text| !text.is_empty())
            .map(|text| environments.of_declared(text));
        let path = environments.of_path(document.path);
        Place::of(&Labels::strongest(declared.chain([path])))
    }

    /// Returns kind and name for people: `Deployment/api`.
    pub(crate) fn label(&self) -> String {
        match self.name() {
            "" => self.kind.to_owned(),
            name => format!("{}/{name}", self.kind),
        }
    }
}

/// Returns a text if no template fills it in.
fn written(text: Option<&str>) -> &str {
    text.filter(|text| !text.contains("__") && !text.contains("  "))
        .unwrap_or_default()
}

/// Returns the objects of a file, those of lists among them. Definitions of custom resources hold schemas, no values: they are left out.
pub(crate) fn objects<'n>(document: &'n Document<'_>) -> Vec<Object<'n>> {
    let mut found = Vec::new();
    if matches!(
        document.kind,
        FileKind::Kubernetes | FileKind::HelmTemplate | FileKind::Kustomization
    ) {
        for tree in document.trees() {
            collect(tree, MAX_LISTS, &mut found);
        }
    }
    found
}

fn collect<'n>(node: &'n Node, depth: usize, found: &mut Vec<Object<'n>>) {
    let (Some(kind), Some(version)) = (node.text_at(&["kind"]), node.text_at(&["apiVersion"]))
    else {
        return;
    };
    // `kind: {{ if x }}Deployment{{ else }}DaemonSet{{ end }}`.
    let kind = kind.split_whitespace().next().unwrap_or_default();
    match node.get("items") {
        Some(items) if kind.ends_with("List") && depth > 0 => {
            for item in items.items() {
                collect(item, depth - 1, found);
            }
        }
        _ if kind == "CustomResourceDefinition" => {}
        _ => found.push(Object {
            node,
            kind,
            version,
        }),
    }
}

/// Keys below which containers stand.
const CONTAINERS: [&str; 9] = [
    "containers",
    "initContainers",
    "ephemeralContainers",
    "container",
    "sidecars",
    "steps",
    "script",
    "stepTemplate",
    "containerTemplate",
];

/// One container, or what has variables like one.
pub(crate) struct Container<'n> {
    /// Its map.
    pub(crate) node: &'n Node,
    /// How people call it: `container api`, or the key that it stands below.
    pub(crate) label: String,
}

/// Returns the containers of an object in the order of the file.
pub(crate) fn containers<'n>(object: &Object<'n>) -> Vec<Container<'n>> {
    let mut found = Vec::new();
    walk(object.node, "", &mut found);
    found
}

fn walk<'n>(node: &'n Node, key: &'n str, found: &mut Vec<Container<'n>>) {
    match &node.kind {
        NodeKind::Map(entries) => {
            if is_container(node, key) {
                let label = match (written(node.text_at(&["name"])), CONTAINERS.contains(&key)) {
                    ("", true) => "a container".to_owned(),
                    ("", false) => format!("`{key}`"),
                    (name, true) => format!("container {name}"),
                    (name, false) => name.to_owned(),
                };
                found.push(Container { node, label });
            }
            for entry in entries.iter().filter(|entry| entry.key != "<<") {
                walk(&entry.value, &entry.key, found);
            }
        }
        NodeKind::List(items) => {
            for item in items {
                walk(item, key, found);
            }
        }
        NodeKind::Scalar(_) => {}
    }
}

fn is_container(node: &Node, key: &str) -> bool {
    let holds_maps = |key: &str| {
        node.get(key)
            .is_some_and(|list| list.items().iter().any(|item| !item.entries().is_empty()))
    };
    node.get("image")
        .is_some_and(|image| image.scalar().is_some())
        || CONTAINERS.contains(&key)
            && (node.get("command").is_some() || node.get("args").is_some())
        || holds_maps("env")
        || holds_maps("envFrom")
}

/// Returns a scalar's text if nothing of it is filled in by a Helm template.
pub(crate) fn literal<'n>(document: &Document<'_>, node: &'n Node) -> Option<&'n Scalar> {
    node.scalar().filter(|_| !is_filled(document, &node.span))
}

/// Tells whether a template fills in something within these bytes.
pub(crate) fn is_filled(document: &Document<'_>, span: &Range<usize>) -> bool {
    let is_action = |two: &[u8]| two == b"{{" || two == b"{%";
    let bytes = document
        .text
        .as_bytes()
        .get(span.clone())
        .unwrap_or_default();
    document.kind == FileKind::HelmTemplate && bytes.windows(2).any(is_action)
}

/// Tells whether a template fills in something on the line of these bytes, as far as `REACH` bytes around them.
pub(crate) fn is_filled_around(document: &Document<'_>, span: &Range<usize>) -> bool {
    const REACH: usize = 512;
    let bytes = document.text.as_bytes();
    let before = bytes
        .get(span.start.saturating_sub(REACH)..span.start)
        .unwrap_or_default();
    let after = bytes
        .get(span.end..bytes.len().min(span.end + REACH))
        .unwrap_or_default();
    let back = before.iter().rev().take_while(|b| **b != b'\n').count();
    let ahead = after.iter().take_while(|b| **b != b'\n').count();
    is_filled(document, &(span.start - back..span.end + ahead))
}

/// Makes subjects of faults differ where names do not part them.
#[derive(Default)]
pub(crate) struct Subjects(HashMap<String, u32>);

impl Subjects {
    /// Returns the subject, with a number from its second time on.
    pub(crate) fn of(&mut self, subject: String) -> String {
        let count = self.0.entry(subject.clone()).or_default();
        *count += 1;
        match *count {
            1 => subject,
            count => format!("{subject} #{count}"),
        }
    }
}

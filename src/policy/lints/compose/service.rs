//! What all lints of compose files read: services with their variables, and whether a file is for one machine only.
//!
//! YAML's anchors and merge keys are followed by the tree itself, `extends` within the file here; spans stay those of the origin.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    rc::Rc,
};

use crate::policy::{
    kind::FileKind,
    lint::Document,
    lints::docker::is_local,
    node::{Node, Scalar, Style},
};

/// A service.
pub(super) struct Service<'d> {
    /// Its name.
    pub(super) name: &'d str,
    /// What it says.
    pub(super) node: &'d Node,
    /// All services of the file, by name.
    all: Rc<HashMap<&'d str, &'d Node>>,
}

/// Longest part of a name that is told: names come from the file, once for each fault.
const MAX_NAME: usize = 80;

/// Cuts a name to what is told of it.
pub(super) fn short(name: &str) -> &str {
    let end = name
        .char_indices()
        .nth(MAX_NAME)
        .map_or(name.len(), |(at, _)| at);
    name.get(..end).unwrap_or(name)
}

/// Returns the services of a compose file.
pub(super) fn services<'d>(document: &'d Document<'_>) -> Vec<Service<'d>> {
    if document.kind != FileKind::Compose {
        return Vec::new();
    }
    let mut found = Vec::new();
    for root in document.trees() {
        // The first version had no `services`.
        let services = root.get("services").unwrap_or(root);
        let is_service = |node: &Node| !node.entries().is_empty();
        let entries = services
            .merged()
            .into_iter()
            .filter(|entry| is_service(&entry.value));
        let entries: Vec<_> = entries.collect();
        let all = Rc::new(
            entries
                .iter()
                .map(|entry| (entry.key.as_str(), &entry.value))
                .collect::<HashMap<_, _>>(),
        );
        found.extend(entries.into_iter().map(|entry| Service {
            name: short(&entry.key),
            node: &entry.value,
            all: Rc::clone(&all),
        }));
    }
    found
}

impl<'d> Service<'d> {
    /// Returns the image, that of the service it extends if it has none.
    pub(super) fn image(&self) -> Option<&'d str> {
        let mut node = self.node;
        for _ in 0..8 {
            if let Some(image) = node.text_at(&["image"]) {
                return Some(image);
            }
            let extends = node.get("extends")?;
            if extends.get("file").is_some() {
                return None;
            }
            let name = extends.text().or_else(|| extends.text_at(&["service"]))?;
            node = self.all.get(name).copied()?;
        }
        None
    }

    /// Returns the image's name without registry, tag and digest: `bitnami/redis`, `postgres`.
    pub(super) fn image_name(&self) -> Option<&'d str> {
        let image = self.image()?.split('@').next()?;
        let (start, last) = image
            .rsplit_once('/')
            .map_or(("", image), |(start, last)| (start, last));
        let last = last.split(':').next()?;
        let owner = start
            .rsplit('/')
            .next()
            .filter(|owner| !owner.is_empty() && *owner != "library" && !owner.contains('.'));
        Some(match owner {
            Some(owner) => image.get(start.len() - owner.len()..start.len() + 1 + last.len())?,
            None => last,
        })
    }
}

/// A variable with its value.
pub(super) struct Binding<'d> {
    /// The name.
    pub(super) name: &'d str,
    /// The bytes of the name.
    pub(super) name_span: Range<usize>,
    /// The text it stands in, and the part of it that is the value; `None` if it is taken from where compose runs.
    pub(super) value: Option<(&'d Scalar, Range<usize>)>,
    /// The bytes of the scalar that holds the value, quotes included.
    pub(super) whole: Range<usize>,
    /// What stands in that scalar before the value: `NAME=` of a list's item.
    pub(super) before: &'d str,
}

impl<'d> Binding<'d> {
    /// Returns the value's text.
    pub(super) fn text(&self) -> Option<&'d str> {
        let (scalar, part) = self.value.as_ref()?;
        scalar.text.get(part.clone())
    }

    /// Returns the value's bytes.
    pub(super) fn span(&self) -> Range<usize> {
        self.value.as_ref().map_or_else(
            || self.name_span.clone(),
            |(scalar, part)| scalar.source(part.clone()),
        )
    }

    /// Returns what replaces the scalar if the value becomes `value`: in quotes, so that it may stand anywhere. Blocks are left alone.
    pub(super) fn replaced(&self, value: &str) -> Option<String> {
        let (scalar, _) = self.value.as_ref()?;
        matches!(scalar.style, Style::Plain | Style::Single | Style::Double)
            .then(|| format!("\"{}{value}\"", self.before))
    }
}

/// Returns the variables of a map or of a list of `NAME=value`.
pub(super) fn bindings(node: &Node) -> Vec<Binding<'_>> {
    let mut found = Vec::new();
    for entry in node.merged() {
        let scalar = entry.value.scalar();
        let value = scalar
            .filter(|_| !entry.value.is_null())
            .map(|scalar| (scalar, 0..scalar.text.len()));
        if scalar.is_some() {
            let whole = entry.value.span.clone();
            found.push(Binding {
                name: short(&entry.key),
                name_span: entry.key_span.clone(),
                value,
                whole,
                before: "",
            });
        }
    }
    for item in node.items() {
        let Some(scalar) = item.scalar() else {
            continue;
        };
        let text = scalar.text.as_str();
        let (name, value) = match text.split_once('=') {
            Some((name, _)) => (name, Some((scalar, unquoted(text, name.len() + 1)))),
            None => (text, None),
        };
        let before = value
            .as_ref()
            .and_then(|_| text.get(..=name.len()))
            .unwrap_or_default();
        found.push(Binding {
            name,
            name_span: scalar.source(0..name.len()),
            value,
            whole: item.span.clone(),
            before,
        });
    }
    found
}

/// Returns the part of `NAME='value'` that is the value.
fn unquoted(text: &str, start: usize) -> Range<usize> {
    let value = text.get(start..).unwrap_or_default();
    let is_quoted = value.len() >= 2
        && ['"', '\'']
            .iter()
            .any(|quote| value.starts_with(*quote) && value.ends_with(*quote));
    let quote = usize::from(is_quoted);
    start + quote..text.len() - quote
}

/// Which places were looked at: aliases and merge keys lead to the same one again and again.
#[derive(Default)]
pub(super) struct Seen {
    /// A map begins where its first key does: each has its own set.
    nodes: HashSet<usize>,
    names: HashSet<usize>,
}

impl Seen {
    /// Returns the variables below a node that were not there before.
    pub(super) fn new_bindings<'d>(&mut self, node: Option<&'d Node>) -> Vec<Binding<'d>> {
        let is_known =
            node.is_some_and(|node| node.alias.is_some() && !self.nodes.insert(node.span.start));
        let mut bindings = node.filter(|_| !is_known).map(bindings).unwrap_or_default();
        bindings.retain(|binding| self.names.insert(binding.name_span.start));
        bindings
    }

    /// Tells whether a node was not there before.
    pub(super) fn is_new(&mut self, node: &Node) -> bool {
        self.nodes.insert(node.span.start)
    }
}

/// Tells whether a file is for one machine only: by its path, or because all that it publishes is bound to that machine.
pub(super) fn is_for_one_machine(document: &Document<'_>) -> bool {
    if is_local(document.path) {
        return true;
    }
    let mut ports = 0;
    for service in services(document) {
        for port in service.node.get("ports").map_or(&[][..], Node::items) {
            let host = port
                .text()
                .or_else(|| port.text_at(&["host_ip"]))
                .unwrap_or_default();
            let starts = ["127.0.0.1", "localhost", "[::1]", "::1"];
            if !starts.iter().any(|start| host.starts_with(start)) {
                return false;
            }
            ports += 1;
        }
    }
    ports > 0
}

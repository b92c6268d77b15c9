//! YAML, JSON and TOML: keys that lead to texts, maps with one child an environment, merge keys, services of Compose.

use std::{collections::BTreeSet, ops::Range};

use super::{
    super::{
        super::{
            environment::{self, Evidence, Labels},
            kind::FileKind,
            node::{Entry, Node, NodeKind, Scalar},
            values,
        },
        Address, Content, forms,
    },
    Collector, Place,
};

/// Lists of `KEY=value`.
const ASSIGNMENTS: [&str; 6] = [
    "environment",
    "env",
    "literals",
    "args",
    "env_variables",
    "build-args",
];

impl Collector<'_, '_, '_> {
    pub(super) fn tree(&mut self, tree: &Node) {
        let mut place = Place::default();
        match self.document.kind {
            FileKind::Kubernetes | FileKind::Kustomization => return self.object(tree),
            _ => self.profile(tree, &mut place),
        }
        self.node(tree, &place);
    }

    /// A document of Spring for a profile of its own, a workflow's or stack's own words.
    fn profile(&mut self, tree: &Node, place: &mut Place) {
        let names = [
            tree.text_at(&["spring", "config", "activate", "on-profile"]),
            tree.text_at(&["spring.config.activate.on-profile"]),
            tree.text_at(&["spring", "profiles"]),
            tree.text_at(&["spring.profiles"]),
        ];
        for name in names.into_iter().flatten() {
            let labels = name
                .split([',', '|', '&'])
                .map(|part| self.context.environments.of_declared(part.trim()));
            place.declared = Labels::strongest(labels);
            // Tells the layer even if the profile sets no secret.
            let site = self.site(&place.declared.clone(), None, Content::Override, "");
            self.note(site, tree.span.start..tree.span.start, None);
        }
    }

    pub(super) fn node(&mut self, node: &Node, place: &Place) {
        if self.is_full() {
            return;
        }
        match &node.kind {
            NodeKind::Scalar(scalar) => self.scalar(node, scalar, place),
            NodeKind::Map(entries) => self.map(node, entries, place),
            NodeKind::List(items) => {
                let parent = self
                    .keys
                    .last()
                    .map(|key| key.to_ascii_lowercase())
                    .unwrap_or_default();
                self.push("[]");
                for item in items {
                    match item.scalar() {
                        Some(scalar) if ASSIGNMENTS.contains(&parent.as_str()) => {
                            self.assignment(item, scalar, place)
                        }
                        // Which secrets a service gets, by their names.
                        Some(_)
                            if self.document.kind == FileKind::Compose && parent == "secrets" => {}
                        _ => self.node(item, place),
                    }
                }
                self.keys.pop();
            }
        }
    }

    fn map(&mut self, node: &Node, entries: &[Entry], place: &Place) {
        if let Some((name, value)) = named_value(node) {
            self.push(name);
            self.node(value, place);
            self.keys.pop();
            return;
        }
        if let Some(last) = self.keys.last()
            && matches!(last.as_str(), "remoteRef" | "extract")
            && let Some(key) = node.get("key").and_then(Node::scalar)
        {
            let mut address = Address::plain(values::Store::Other, &key.text);
            address.field = node.text_at(&["property"]).map(str::to_owned);
            self.reference(address, &key.text, &|part| key.source(part), place);
            return;
        }
        let place = &self.of_job(node, place);
        let is_service = self.document.kind == FileKind::Compose
            && matches!(self.keys.as_slice(), [one] if one == "services");
        let stages = self.stages(entries.iter().map(|entry| entry.key.as_str()));
        for entry in entries {
            if entry.key == "<<" {
                self.merge(entries, &entry.value, place);
                continue;
            }
            let mut inner = place.clone();
            if is_service {
                inner.service = Some(compose_service(entries, entry));
                let profiles = entry
                    .value
                    .get("profiles")
                    .map(Node::items)
                    .unwrap_or_default();
                let labels = profiles
                    .iter()
                    .filter_map(Node::text)
                    .map(|text| self.context.environments.of_declared(text));
                inner.declared = Labels::strongest(labels.chain([inner.declared]));
            }
            if stages && let Some(environment) = environment::of_word(&entry.key) {
                inner.declared = Labels::new([environment], Evidence::Document);
            }
            inner.merged |= entry.value.alias.is_some();
            self.push(&entry.key);
            self.node(&entry.value, &inner);
            self.keys.pop();
        }
    }

    /// What is known within a job of a pipeline, which says itself which environment it works for.
    fn of_job(&self, node: &Node, place: &Place) -> Place {
        let is_job = match self.document.kind {
            FileKind::GithubWorkflow => {
                matches!(self.keys.as_slice(), [jobs, _] if jobs == "jobs")
            }
            FileKind::GitlabCi => self.keys.len() == 1,
            FileKind::AzurePipelines => {
                matches!(self.keys.as_slice(), [.., jobs, item] if jobs == "jobs" && item == "[]")
            }
            _ => false,
        };
        let mut place = place.clone();
        let environment = node.get("environment").filter(|_| is_job);
        let name = environment.and_then(|one| one.text().or_else(|| one.text_at(&["name"])));
        if let Some(name) = name.filter(|name| !name.contains("${{")) {
            let declared = self.context.environments.of_declared(name);
            place.declared = Labels::strongest([declared, place.declared]);
        }
        place
    }

    /// What a merge key brings: not what the map has itself.
    fn merge(&mut self, own: &[Entry], merged: &Node, place: &Place) {
        let own: BTreeSet<&str> = own.iter().map(|entry| entry.key.as_str()).collect();
        let inner = Place {
            merged: true,
            ..place.clone()
        };
        for node in std::iter::once(merged).chain(merged.items()) {
            for entry in node
                .entries()
                .iter()
                .filter(|entry| entry.key == "<<" || !own.contains(entry.key.as_str()))
            {
                if entry.key == "<<" {
                    self.merge(node.entries(), &entry.value, &inner);
                    continue;
                }
                self.push(&entry.key);
                self.node(&entry.value, &inner);
                self.keys.pop();
            }
        }
    }

    /// `KEY=value` in a list.
    fn assignment(&mut self, node: &Node, scalar: &Scalar, place: &Place) {
        let Some((key, value)) = scalar.text.split_once('=') else {
            return;
        };
        let start = key.len() + 1;
        self.push(key.trim());
        let span = |part: Range<usize>| scalar.source(start + part.start..start + part.end);
        self.value(value, &span, place, node.alias.is_some());
        self.keys.pop();
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, place: &Place) {
        if place.is_encoded {
            let whole = scalar.source(0..scalar.text.len());
            if let Some(plain) = forms::base64_text(&scalar.text) {
                self.value(
                    plain.trim_end_matches('\n'),
                    &|_| whole.clone(),
                    place,
                    false,
                );
            }
            return;
        }
        self.value(
            &scalar.text,
            &|part| scalar.source(part),
            place,
            node.alias.is_some(),
        );
    }
}

/// Returns name and value of `{name: X, value: Y}` and its like.
fn named_value(node: &Node) -> Option<(&str, &Node)> {
    let pairs = [
        ("name", "value"),
        ("Name", "Value"),
        ("key", "value"),
        ("Key", "Value"),
        ("ParameterKey", "ParameterValue"),
    ];
    pairs.iter().find_map(|(name, value)| {
        let name = node.text_at(&[name])?;
        let value = node.get(value)?;
        (value.scalar().is_some() && !name.is_empty()).then_some((name, value))
    })
}

/// Returns the service of Compose that an entry is: services of one image or build are one.
fn compose_service(all: &[Entry], entry: &Entry) -> String {
    let source = |entry: &Entry| {
        let build = entry.value.get("build");
        let context = build.and_then(|build| build.text().or_else(|| build.text_at(&["context"])));
        let file = build
            .and_then(|build| build.text_at(&["dockerfile"]))
            .unwrap_or_default();
        let image = entry.value.text_at(&["image"]);
        image.or(context).map(|text| format!("{text} {file}"))
    };
    let own = source(entry);
    let same = all
        .iter()
        .take(64)
        .find(|other| own.is_some() && source(other) == own);
    same.unwrap_or(entry).key.clone()
}

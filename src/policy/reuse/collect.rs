//! From a document to its sites: what it keeps secret, under which keys, for which environment and service.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    super::{
        environment::{self, Evidence, Labels},
        fault::{Fact, FactData},
        kind::FileKind,
        lint::{Context, Document},
        names::{self, Secretness},
        node::{Entry, Node, NodeKind, Scalar},
        values,
    },
    Address, Content, Site, exempt, forms, normal,
};

/// Most sites of one file.
const MAX_SITES: usize = 20_000;

/// Maps whose children are named as environments, so that one such child is enough.
const STAGES: [&str; 8] = [
    "env",
    "envs",
    "environment",
    "environments",
    "stage",
    "stages",
    "profiles",
    "workspaces",
];

/// Lists of `KEY=value`.
const ASSIGNMENTS: [&str; 6] = [
    "environment",
    "env",
    "literals",
    "args",
    "env_variables",
    "build-args",
];

/// Keeps the sites of a document as facts.
pub(crate) fn collect(document: &Document<'_>, context: &mut Context<'_>) {
    if is_other(document) {
        return;
    }
    let path = context.environments.of_path(document.path);
    let mut collector = Collector {
        is_tree: !document.trees().is_empty(),
        document,
        context,
        path,
        keys: Vec::new(),
        places: BTreeMap::new(),
    };
    for tree in document.trees() {
        collector.tree(tree);
    }
    for line in document.lines() {
        collector.line(line);
    }
}

/// Files in which words under secret names are none: translations, templates, workflows' metadata, program text.
fn is_other(document: &Document<'_>) -> bool {
    let lower = document.path.to_ascii_lowercase();
    let is_text_of_people = lower.split('/').any(|part| {
        matches!(
            part,
            "i18n"
                | "l10n"
                | "locale"
                | "locales"
                | "lang"
                | "langs"
                | "translations"
                | "node_modules"
                | "vendor"
                | "cassettes"
        )
    });
    let is_schema = document.name().ends_with(".schema.json");
    is_text_of_people
        || is_schema
        || matches!(
            document.kind,
            FileKind::HelmTemplate | FileKind::GithubAction | FileKind::Ignore | FileKind::KeyFile
        )
}

/// What is known of the part of a document that is being read.
#[derive(Clone, Default)]
struct Place {
    declared: Labels,
    service: Option<String>,
    /// Texts are base64.
    is_encoded: bool,
    /// Every text is a secret unless its name says otherwise.
    is_secret: bool,
    /// The part came here by a merge key or an alias: it stands elsewhere.
    merged: bool,
}

struct Collector<'a, 'c, 'd> {
    document: &'a Document<'d>,
    context: &'a mut Context<'c>,
    path: Labels,
    keys: Vec<String>,
    is_tree: bool,
    /// The facts so far, by their place.
    places: BTreeMap<(usize, usize), usize>,
}

impl Collector<'_, '_, '_> {
    fn tree(&mut self, tree: &Node) {
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

    /// An object of Kubernetes.
    fn object(&mut self, tree: &Node) {
        let kind = tree.text_at(&["kind"]).unwrap_or_default();
        let name = tree.text_at(&["metadata", "name"]).unwrap_or_default();
        if kind == "List" {
            for item in tree.get("items").map(Node::items).unwrap_or_default() {
                self.object(item);
            }
            return;
        }
        let place = Place {
            declared: self.of_object(tree),
            service: service_of(tree, kind, name),
            ..Place::default()
        };
        if kind == "Secret" {
            self.keys.push(format!("Secret/{name}"));
            for (part, is_encoded) in [("data", true), ("stringData", false)] {
                let place = Place {
                    is_encoded,
                    is_secret: true,
                    ..place.clone()
                };
                if let Some(node) = tree.get(part) {
                    self.node(node, &place);
                }
            }
        } else {
            let object = if kind.is_empty() {
                "Kustomization".to_owned()
            } else {
                format!("{kind}/{name}")
            };
            self.keys.push(object);
            self.injected(tree, &place);
            self.node(tree, &place);
        }
        self.keys.pop();
    }

    fn of_object(&self, tree: &Node) -> Labels {
        let of = |text: &str| self.context.environments.of_declared(text);
        let texts = [
            &["metadata", "namespace"][..],
            &["namespace"],
            &["nameSuffix"],
            &["namePrefix"],
            &["spec", "destination", "namespace"],
        ];
        let namespaces = texts.iter().filter_map(|path| tree.text_at(path)).map(of);
        let labels = ["labels", "annotations"]
            .iter()
            .filter_map(|part| tree.at(&["metadata", part]));
        let labels = labels.flat_map(Node::entries).filter(|entry| {
            let word = entry.key.rsplit(['/', '.']).next().unwrap_or_default();
            matches!(word, "environment" | "env" | "stage" | "tier-environment")
        });
        let labels = labels.filter_map(|entry| entry.value.text()).map(of);
        Labels::strongest(namespaces.chain(labels))
    }

    /// Paths in annotations of Vault's agent.
    fn injected(&mut self, tree: &Node, place: &Place) {
        let places = [
            &["metadata", "annotations"][..],
            &["spec", "template", "metadata", "annotations"],
        ];
        for entry in places
            .iter()
            .filter_map(|path| tree.at(path))
            .flat_map(Node::entries)
        {
            let is_path = entry
                .key
                .starts_with("vault.hashicorp.com/agent-inject-secret-");
            if let Some(scalar) = entry
                .value
                .scalar()
                .filter(|scalar| is_path && !scalar.text.is_empty())
            {
                let address = Address::plain(values::Store::Vault, &scalar.text);
                let span = scalar.source(0..scalar.text.len());
                self.reference(&entry.key, address, span, place);
            }
        }
    }

    fn node(&mut self, node: &Node, place: &Place) {
        if self.places.len() >= MAX_SITES {
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
                self.keys.push("[]".to_owned());
                for item in items {
                    match item.scalar() {
                        Some(scalar) if ASSIGNMENTS.contains(&parent.as_str()) => {
                            self.assignment(item, scalar, place)
                        }
                        _ => self.node(item, place),
                    }
                }
                self.keys.pop();
            }
        }
    }

    fn map(&mut self, node: &Node, entries: &[Entry], place: &Place) {
        if let Some((name, value)) = named_value(node) {
            self.keys.push(name.to_owned());
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
            let name = self.keys.join(".");
            self.reference(&name, address, key.source(0..key.text.len()), place);
            return;
        }
        let is_service = self.document.kind == FileKind::Compose
            && matches!(self.keys.as_slice(), [one] if one == "services");
        let stages = self.stages(entries);
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
            self.keys.push(entry.key.clone());
            self.node(&entry.value, &inner);
            self.keys.pop();
        }
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
                self.keys.push(entry.key.clone());
                self.node(&entry.value, &inner);
                self.keys.pop();
            }
        }
    }

    /// Tells whether the keys of a map are named as environments: two of them, or one below a key that says so.
    fn stages(&self, entries: &[Entry]) -> bool {
        let is_listed = self
            .keys
            .last()
            .is_some_and(|key| STAGES.contains(&key.to_ascii_lowercase().as_str()));
        let named = entries
            .iter()
            .filter_map(|entry| environment::of_word(&entry.key))
            .take(8);
        let mut kinds: Vec<_> = named.collect();
        kinds.sort();
        kinds.dedup();
        kinds.len() >= 2 || is_listed && !kinds.is_empty()
    }

    /// `KEY=value` in a list.
    fn assignment(&mut self, node: &Node, scalar: &Scalar, place: &Place) {
        let Some((key, value)) = scalar.text.split_once('=') else {
            return;
        };
        let start = key.len() + 1;
        self.keys.push(key.trim().to_owned());
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

    fn line(&mut self, line: &super::super::readers::dotenv::Line) {
        let mut place = Place::default();
        // `[production]`, `[production:vars]` of an inventory.
        let section = line.section.split(':').next().unwrap_or_default();
        if let Some(environment) = environment::of_word(section) {
            place.declared = Labels::new([environment], Evidence::Document);
        }
        self.keys
            .extend((!line.section.is_empty()).then(|| line.section.clone()));
        self.keys.push(line.key.clone());
        let whole = line.value_span.clone();
        let is_plain = whole.len() == line.value.len();
        let span = |part: Range<usize>| {
            if is_plain {
                whole.start + part.start..whole.start + part.end
            } else {
                whole.clone()
            }
        };
        self.value(&line.value, &span, &place, false);
        self.keys.clear();
    }

    /// A text under the current keys; `span` leads from its parts to the file.
    fn value(
        &mut self,
        text: &str,
        span: &dyn Fn(Range<usize>) -> Range<usize>,
        place: &Place,
        is_alias: bool,
    ) {
        let name = self
            .keys
            .iter()
            .rfind(|key| *key != "[]")
            .cloned()
            .unwrap_or_default();
        if text.len() > 64 << 10 {
            return;
        }
        if let Some(address) = Address::parse(text) {
            return self.reference(&name, address, span(0..text.len()), place);
        }
        let secretness = names::secretness(&name);
        let found = normal::secret(&name, text, place.is_secret);
        let found = found.filter(|found| !exempt::is_exempt(&found.value, self.is_tree));
        let Some(found) = found else {
            if secretness > Secretness::No || place.is_secret {
                let site = self.site(
                    &place.declared,
                    place.service.clone(),
                    Content::Override,
                    &self.keys.join("."),
                );
                self.note(site, span(0..text.len()), None);
            }
            return;
        };
        let at = span(found.part.clone());
        let host = found
            .host
            .as_deref()
            .map(|host| self.context.environments.of_host(host))
            .unwrap_or_default();
        let declared = Labels::strongest([place.declared.clone(), host]);
        if place.merged || is_alias {
            return self.inherit(&at, &declared);
        }
        let prints = forms::prints(
            &found.value,
            place.service.as_deref(),
            found.is_client,
            self.context.key,
        );
        let site = self.site(
            &declared,
            place.service.clone(),
            Content::Value(Box::new(prints)),
            &self.keys.join("."),
        );
        self.note(site, at.clone(), Some(at));
    }

    /// Tells the site that a merge key or alias leads to who takes it over.
    fn inherit(&mut self, at: &Range<usize>, declared: &Labels) {
        let labels = if declared.is_empty() {
            self.context
                .environments
                .of_keys(self.keys.iter().map(String::as_str))
        } else {
            declared.clone()
        };
        let Some(fact) = self
            .places
            .get(&(at.start, at.end))
            .and_then(|fact| self.context.facts.get_mut(*fact))
        else {
            return;
        };
        if let FactData::Site(site) = &mut fact.data {
            let all = site
                .inherited
                .environments()
                .iter()
                .chain(labels.environments())
                .cloned();
            site.inherited = Labels::new(all.collect::<Vec<_>>(), Evidence::Document);
        }
    }

    fn reference(&mut self, name: &str, address: Address, span: Range<usize>, place: &Place) {
        let key = if self.keys.is_empty() {
            name.to_owned()
        } else {
            self.keys.join(".")
        };
        let site = self.site(
            &place.declared,
            place.service.clone(),
            Content::Reference(address),
            &key,
        );
        self.note(site, span, None);
    }

    fn site(
        &self,
        declared: &Labels,
        service: Option<String>,
        content: Content,
        key: &str,
    ) -> Site {
        let keys = self
            .context
            .environments
            .of_keys(self.keys.iter().map(String::as_str));
        Site {
            labels: Labels::strongest([declared.clone(), self.path.clone(), keys]),
            kind: self.document.kind,
            service,
            key: key.to_owned(),
            content,
            inherited: Labels::default(),
        }
    }

    fn note(&mut self, site: Site, span: Range<usize>, secret: Option<Range<usize>>) {
        self.places
            .insert((span.start, span.end), self.context.facts.len());
        self.context.note(Fact {
            span,
            secret,
            data: FactData::Site(Box::new(site)),
        });
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

/// Returns the workload that an object belongs to.
fn service_of(tree: &Node, kind: &str, name: &str) -> Option<String> {
    let labels = [
        "app.kubernetes.io/name",
        "app",
        "k8s-app",
        "app.kubernetes.io/instance",
    ];
    let labelled = labels
        .iter()
        .find_map(|label| tree.text_at(&["metadata", "labels", label]));
    let is_workload = matches!(
        kind,
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" | "Pod" | "ReplicaSet"
    );
    labelled
        .or((is_workload && !name.is_empty()).then_some(name))
        .map(str::to_owned)
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

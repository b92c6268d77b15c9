//! From a document to its sites: what it keeps secret, under which keys, for which environment and service.

use std::{collections::BTreeMap, ops::Range};

mod hcl;
mod kubernetes;
mod program;
mod tree;
mod xml;

pub(crate) use program::fallbacks;

use super::{
    super::{
        environment::{self, Evidence, Labels},
        fault::{Fact, FactData},
        kind::{FileKind, is_for_people},
        lint::{Context, Document, Syntax},
        names::{self, Secretness},
        readers::dotenv,
        values::{self, Value},
    },
    Address, Content, Site, exempt, forms, normal,
};

/// Most sites of one file.
const MAX_SITES: usize = 20_000;

/// Most environments that take one value over by merge keys and aliases.
const MAX_INHERITED: usize = 64;

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

/// Longest key that is kept, in characters.
const MAX_KEY: usize = 128;

/// Most keys above a value that are kept.
const MAX_KEYS: usize = 16;

/// Keeps the sites of a document as facts.
pub(crate) fn collect(document: &Document<'_>, context: &mut Context<'_>) {
    // Program text has no tree, but scripts of shells set variables as dotenv files do.
    let is_text = matches!(document.syntax, Syntax::Text) && document.kind != FileKind::Shell;
    if is_text || is_other(document) {
        return;
    }
    let mut collector = Collector::new(document, context);
    for tree in document.trees() {
        collector.tree(tree);
    }
    for line in document.lines() {
        collector.line(line);
    }
    match &document.syntax {
        Syntax::Hcl(body) => collector.body(body),
        Syntax::Xml(root) => collector.element(root, &Place::default()),
        Syntax::Docker(file) => collector.image(file),
        Syntax::Text => collector.script(),
        _ => {}
    }
}

/// Files in which words under secret names are none: translations, templates, workflows' metadata, program text.
fn is_other(document: &Document<'_>) -> bool {
    is_elsewhere(document.path) || is_without(document.kind)
}

/// Tells whether files of a kind and path may have sites of values: the answer for a document, before it is read.
pub(crate) fn may_keep(path: &str, kind: FileKind) -> bool {
    let is_text = matches!(
        kind,
        FileKind::Jenkinsfile
            | FileKind::Makefile
            | FileKind::Python
            | FileKind::JavaScript
            | FileKind::TypeScript
            | FileKind::Tsx
            | FileKind::Go
    );
    // Stacks of CloudFormation lie in folders called `templates`, too: content tells.
    let is_open = kind == FileKind::HelmTemplate;
    !is_text && !is_elsewhere(path) && (is_open || !is_without(kind))
}

fn is_elsewhere(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let is_of_others = |part| matches!(part, "node_modules" | "vendor" | "cassettes");
    is_for_people(&lower) || lower.split('/').any(is_of_others) || path.ends_with(".schema.json")
}

const fn is_without(kind: FileKind) -> bool {
    matches!(
        kind,
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
    service: Option<String>,
    keys: Vec<String>,
    is_tree: bool,
    /// The facts so far, by their place.
    places: BTreeMap<(usize, usize), usize>,
    /// Whether what is read is a value that counts only where nobody sets another.
    is_default: bool,
}

impl<'a, 'c, 'd> Collector<'a, 'c, 'd> {
    fn new(document: &'a Document<'d>, context: &'a mut Context<'c>) -> Self {
        let path = context.environments.of_path(document.path);
        Self {
            is_tree: !document.trees().is_empty(),
            document,
            service: context.environments.service_of_path(document.path),
            context,
            path,
            keys: Vec::new(),
            places: BTreeMap::new(),
            is_default: false,
        }
    }
}

impl Collector<'_, '_, '_> {
    fn line(&mut self, line: &dotenv::Line) {
        let mut place = Place::default();
        // `[production]`, `[production:vars]` of an inventory.
        let section = line.section.split(':').next().unwrap_or_default();
        if let Some(environment) = environment::of_word(section) {
            place.declared = Labels::new([environment], Evidence::Document);
        }
        if !line.section.is_empty() {
            self.push(&line.section);
        }
        self.push(&line.key);
        let span = |part: Range<usize>| line.source(part);
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
        let name = self.name();
        if text.len() > 64 << 10 {
            return;
        }
        if let Some(address) = Address::parse(text) {
            return self.reference(address, text, span, place);
        }
        if let Some((variable, part)) = normal::default_of(text, self.has_spring()) {
            return self.default(text, &name, variable, part, span, place, is_alias);
        }
        let secretness = names::secretness(&name);
        let is_named = secretness >= Secretness::Strong || place.is_secret;
        if is_named && !place.merged && values::classify(text) == Value::Encrypted {
            return self.ciphertext(text, span(0..text.len()), place);
        }
        let found = normal::secret(&name, secretness, text, place.is_secret);
        let found = found.filter(|found| !exempt::is_exempt(&found.value, self.is_tree));
        let Some(found) = found else {
            if (secretness > Secretness::No || place.is_secret) && !place.merged {
                let site = self.site(
                    &place.declared,
                    place.service.clone(),
                    Content::Override,
                    &self.key(),
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
            place.service.as_deref().or(self.service.as_deref()),
            found.is_client,
            self.context.key,
        );
        let site = self.site(
            &declared,
            place.service.clone(),
            Content::Value(Box::new(prints)),
            &self.key(),
        );
        self.note(site, at.clone(), Some(at));
    }

    /// Returns the last of the current keys that names no environment.
    fn name(&self) -> String {
        let mut keys = self.keys.iter();
        let name = keys.rfind(|key| *key != "[]" && environment::of_word(key).is_none());
        name.cloned().unwrap_or_default()
    }

    fn ciphertext(&mut self, text: &str, span: Range<usize>, place: &Place) {
        let prints = forms::ciphertext(text, self.context.key);
        let content = Content::Value(Box::new(prints));
        let site = self.site(&place.declared, place.service.clone(), content, &self.key());
        self.note(site, span, None);
    }

    /// Tells whether there are as many sites as are compared, which is then told.
    fn is_full(&mut self) -> bool {
        let is_full = self.places.len() >= MAX_SITES;
        if is_full {
            let why = || format!("more than {MAX_SITES} values: the rest is not compared");
            self.context.unread.get_or_insert_with(why);
        }
        is_full
    }

    /// Tells the site that a merge key or alias leads to who takes it over.
    fn inherit(&mut self, at: &Range<usize>, declared: &Labels) {
        let labels = if declared.is_empty() {
            self.of_keys()
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
            if site.inherited.environments().len() >= MAX_INHERITED {
                return;
            }
            let all = site
                .inherited
                .environments()
                .iter()
                .chain(labels.environments())
                .cloned();
            site.inherited = Labels::new(all.collect::<Vec<_>>(), Evidence::Document);
        }
    }

    /// An address, read from a text; `span` as in [`Self::value`].
    fn reference(
        &mut self,
        mut address: Address,
        text: &str,
        span: &dyn Fn(Range<usize>) -> Range<usize>,
        place: &Place,
    ) {
        address.locate(text, span);
        let site = self.site(
            &place.declared,
            place.service.clone(),
            Content::Reference(address),
            &self.key(),
        );
        self.note(site, span(0..text.len()), None);
    }

    fn site(
        &self,
        declared: &Labels,
        service: Option<String>,
        content: Content,
        key: &str,
    ) -> Site {
        Site {
            labels: Labels::strongest([declared.clone(), self.path.clone(), self.of_keys()]),
            kind: self.document.kind,
            service,
            key: key.to_owned(),
            content,
            inherited: Labels::default(),
            is_default: self.is_default,
        }
    }

    /// Tells whether the keys of a map are named as environments: two of them, or one below a key that says so.
    fn stages<'k>(&self, keys: impl Iterator<Item = &'k str>) -> bool {
        let is_listed = self
            .keys
            .last()
            .is_some_and(|key| STAGES.contains(&key.to_ascii_lowercase().as_str()));
        let mut kinds: Vec<_> = keys.filter_map(environment::of_word).take(8).collect();
        kinds.sort();
        kinds.dedup();
        kinds.len() >= 2 || is_listed && !kinds.is_empty()
    }

    /// Goes one key down. Keys are cut: a file may have few long ones above many values.
    fn push(&mut self, key: &str) {
        let end = key
            .char_indices()
            .map(|(at, _)| at)
            .nth(MAX_KEY)
            .unwrap_or(key.len());
        self.keys
            .push(key.get(..end).unwrap_or_default().to_owned());
    }

    /// Returns the innermost keys, the outer first.
    fn inner(&self) -> &[String] {
        self.keys
            .get(self.keys.len().saturating_sub(MAX_KEYS)..)
            .unwrap_or_default()
    }

    fn key(&self) -> String {
        self.inner().join(".")
    }

    fn of_keys(&self) -> Labels {
        self.context
            .environments
            .of_keys(self.inner().iter().map(String::as_str))
    }

    fn note(&mut self, site: Site, span: Range<usize>, secret: Option<Range<usize>>) {
        if self.is_full() {
            return;
        }
        self.places
            .insert((span.start, span.end), self.context.facts.len());
        self.context.note(Fact {
            span,
            secret,
            data: FactData::Site(Box::new(site)),
        });
    }
}

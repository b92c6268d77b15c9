//! Secrets and service accounts that several workloads share (50).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{CrossFault, Fact, FactData, FixClass, Gathered, Pointer},
        lint::{Context, Document, Index, Item, Lint, LintMeta, Persona},
        names,
        node::{Node, NodeKind},
    },
};

use super::object::{Object, objects};

/// What workloads have in common.
pub(crate) struct Shared;

/// The topic of the facts.
const TOPIC: &str = "k8s-secret-shared-workloads";

/// From how many workloads on it is told.
const MANY: usize = 3;

const META: LintMeta = LintMeta {
    id: "k8s-secret-shared-workloads",
    title: "One Secret or service account serves several workloads",
    tool: "Kubernetes",
    severity: Severity::Low,
    confidence: Confidence::Medium,
    persona: Persona::Pedantic,
    sources: &["OWASP Non-Human Identities Top 10 2025, NHI9: NHI reuse"],
    cwe: 653,
    fix: FixClass::None,
    why: "Whoever breaks into one of the workloads has what all of them may do, and a rotation stops them all at once.",
    help: "Give each workload a Secret and a service account of its own, with only the keys and rights that it needs.",
    bad: &[&[(
        "deploy/apps.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: api}\nspec: {containers: [{name: a, envFrom: [{secretRef: {name: shared}}]}]}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: mail}\nspec: {containers: [{name: a, envFrom: [{secretRef: {name: shared}}]}]}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: jobs}\nspec: {volumes: [{name: s, secret: {secretName: shared}}]}\n",
    )]],
    good: &[
        &[(
            "deploy/apps.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: api}\nspec: {volumes: [{name: s, secret: {secretName: api}}]}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {name: mail}\nspec: {volumes: [{name: s, secret: {secretName: mail}}]}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {name: jobs}\nspec: {volumes: [{name: s, secret: {secretName: jobs}}]}\n",
        )],
        &[(
            "deploy/traps.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: api}\nspec: {imagePullSecrets: [{name: pull}], volumes: [{name: s, secret: {secretName: \
             wildcard-tls}}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: mail}\nspec: {imagePullSecrets: [{name: pull}], volumes: [{name: s, \
             secret: {secretName: wildcard-tls}}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: jobs}\nspec: {imagePullSecrets: [{name: pull}], \
             volumes: [{name: s, secret: {secretName: wildcard-tls}}]}\n",
        )],
    ],
};

impl Lint for Shared {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        for object in objects(document) {
            let mut uses = BTreeMap::new();
            find(object.node, &mut uses);
            let Some(workload) = workload(&object) else {
                continue;
            };
            let group = label(&object, "app.kubernetes.io/part-of").unwrap_or_default();
            for ((what, name), node) in uses {
                context.note(Fact {
                    span: node.span.clone(),
                    secret: None,
                    data: FactData::Item(Box::new(Item {
                        topic: TOPIC,
                        subject: name.to_owned(),
                        attributes: vec![
                            ("what", what.to_owned()),
                            ("namespace", object.namespace().to_owned()),
                            ("workload", workload.to_owned()),
                            ("group", group.to_owned()),
                        ],
                    })),
                });
            }
        }
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let mut uses: BTreeMap<(&str, &str, &str), Vec<Use<'_>>> = BTreeMap::new();
        for (at, fact) in index.facts.iter().enumerate() {
            if let Some(item) = item(fact) {
                let what = |name| attribute(item, name);
                let place = (what("what"), what("namespace"), item.subject.as_str());
                uses.entry(place)
                    .or_default()
                    .push((at, what("workload"), what("group")));
            }
        }
        for ((what, _, name), uses) in uses {
            out.extend(shared(what, name, &uses));
        }
    }
}

/// The fact, the workload, and the group of workloads.
type Use<'i> = (usize, &'i str, &'i str);

fn item(fact: &Gathered) -> Option<&Item> {
    match &fact.data {
        FactData::Item(item) if item.topic == TOPIC => Some(item),
        _ => None,
    }
}

fn attribute<'i>(item: &'i Item, name: &str) -> &'i str {
    let found = item.attributes.iter().find(|(key, _)| *key == name);
    found.map_or("", |(_, value)| value)
}

/// Tells of one Secret or account, if enough workloads or two groups of them use it.
fn shared(what: &str, name: &str, uses: &[Use<'_>]) -> Option<CrossFault> {
    let mut seen = BTreeSet::new();
    let firsts: Vec<_> = uses
        .iter()
        .filter(|(_, workload, _)| seen.insert(*workload))
        .collect();
    let groups: BTreeSet<_> = uses
        .iter()
        .map(|(_, _, group)| *group)
        .filter(|group| !group.is_empty())
        .collect();
    if firsts.len() < MANY && !(groups.len() >= 2 && firsts.len() >= 2) {
        return None;
    }
    let (first, others) = firsts.split_first()?;
    let related = others
        .iter()
        .map(|(at, workload, _)| (Pointer::Fact(*at), format!("{workload} uses it")))
        .collect();
    Some(CrossFault {
        lint: &META,
        severity: META.severity,
        confidence: META.confidence,
        persona: META.persona,
        primary: Pointer::Fact(first.0),
        related,
        message: format!(
            "{what} `{name}` serves {} workloads, {} among them: give each its own",
            firsts.len(),
            first.1
        ),
        subject: format!("{what} {name}"),
        fix: None,
        properties: Vec::new(),
    })
}

/// Returns a label of the object or its pods.
fn label<'n>(object: &Object<'n>, key: &str) -> Option<&'n str> {
    let own = object.node.at(&["metadata", "labels"]);
    let pods = object.node.at(&["spec", "template", "metadata", "labels"]);
    own.into_iter()
        .chain(pods)
        .find_map(|labels| labels.get(key).and_then(Node::text))
        .filter(|text| !text.contains("__"))
}

/// Returns by what name a workload goes: that of its application, or its own.
fn workload<'n>(object: &Object<'n>) -> Option<&'n str> {
    let name = label(object, "app.kubernetes.io/name").or_else(|| label(object, "app"));
    name.or_else(|| Some(object.name()).filter(|name| !name.is_empty()))
}

/// Collects the Secrets and accounts that an object names, once each.
fn find<'n>(node: &'n Node, uses: &mut BTreeMap<(&'static str, &'n str), &'n Node>) {
    match &node.kind {
        NodeKind::Map(entries) => {
            for entry in entries {
                let (what, named) = match entry.key.as_str() {
                    "secretKeyRef" | "secretRef" => ("Secret", entry.value.get("name")),
                    "secret" => ("Secret", entry.value.get("secretName")),
                    "serviceAccountName" => ("service account", Some(&entry.value)),
                    _ => ("", None),
                };
                if let Some((node, name)) = named.and_then(|node| Some((node, node.text()?)))
                    && !name.contains("__")
                    && !name.is_empty()
                    && !is_common(name)
                {
                    uses.entry((what, name)).or_insert(node);
                }
                find(&entry.value, uses);
            }
        }
        NodeKind::List(items) => {
            for item in items {
                find(item, uses);
            }
        }
        NodeKind::Scalar(_) => {}
    }
}

/// Tells whether a name says that sharing is its purpose.
fn is_common(name: &str) -> bool {
    const COMMON: [&str; 14] = [
        "ca",
        "tls",
        "cert",
        "certs",
        "certificate",
        "bundle",
        "wildcard",
        "registry",
        "pull",
        "regcred",
        "docker",
        "dockerconfig",
        "default",
        "webhook",
    ];
    names::words(name)
        .iter()
        .any(|word| COMMON.contains(&word.as_str()))
}

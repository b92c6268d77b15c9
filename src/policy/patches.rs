//! Patches that stand as text in a kustomization: read as the objects that they change, so that every lint of manifests sees them.
//!
//! `patches: [{patch: "..."}]` (of Kustomize, and below `spec` of Flux), `patchesStrategicMerge` and `patchesJson6902`. A strategic merge is
//! part of an object. Of the operations of JSON 6902 an object is made that holds their values where their paths lead. Promises: spans are
//! those of the file; a patch within a patch is not read; linear in the text.

use std::ops::Range;

use super::{
    node::{Entry, Node, NodeKind, Scalar, Style},
    readers::yaml,
};

/// Longest path of an operation that is followed, in steps.
const MAX_STEPS: usize = 32;

/// Returns what the patches in the trees of a file change, as trees.
pub(super) fn inline(trees: &[Node]) -> Vec<Node> {
    let mut found = Vec::new();
    for tree in trees {
        let flux = tree
            .get("spec")
            .filter(|_| tree.text_at(&["kind"]) == Some("Kustomization"));
        for settings in std::iter::once(tree).chain(flux) {
            for key in ["patches", "patchesJson6902"] {
                for item in settings.get(key).map_or(&[][..], Node::items) {
                    if let Some(patch) = item.get("patch") {
                        read(patch, item.get("target"), &mut found);
                    }
                }
            }
            let merges = settings.get("patchesStrategicMerge");
            for item in merges.map_or(&[][..], Node::items) {
                read(item, None, &mut found);
            }
        }
    }
    found
}

/// Returns what a file changes that is a patch of JSON 6902 and nothing else; none if it is none. For what is not said there.
pub(super) fn whole(trees: &[Node]) -> Vec<Node> {
    let [tree] = trees else { return Vec::new() };
    let is_operation = |one: &Node| {
        one.text_at(&["op"]).is_some()
            && one
                .text_at(&["path"])
                .is_some_and(|path| path.starts_with('/'))
    };
    let operations = tree.items();
    if operations.is_empty() || !operations.iter().all(is_operation) {
        return Vec::new();
    }
    let mut found: Vec<Node> = operations
        .iter()
        .filter_map(|operation| changed(operation, None))
        .collect();
    for tree in &mut found {
        // Nothing else has such a field.
        let is_secret = tree.get("stringData").is_some();
        if let NodeKind::Map(entries) = &mut tree.kind
            && let Some(kind) = entries
                .iter_mut()
                .find(|entry| entry.key == "kind" && is_secret)
        {
            kind.value = written("Secret", &kind.value.span);
        }
    }
    found
}

fn read(patch: &Node, target: Option<&Node>, found: &mut Vec<Node>) {
    // The name of a file is no patch, and what an alias brings was read where it stands.
    let scalar = patch
        .scalar()
        .filter(|scalar| patch.alias.is_none() && scalar.text.contains(['\n', '{']));
    let Some(scalar) = scalar else { return };
    for mut tree in yaml::read(&scalar.text).unwrap_or_default() {
        if matches!(tree.kind, NodeKind::Scalar(_)) {
            continue;
        }
        tree.place(scalar);
        match &tree.kind {
            NodeKind::List(operations) => {
                for operation in operations {
                    found.extend(changed(operation, target));
                }
            }
            _ => {
                complete(&mut tree, target);
                found.push(tree);
            }
        }
    }
}

/// Returns the object that an operation changes, with its value alone.
fn changed(operation: &Node, target: Option<&Node>) -> Option<Node> {
    let value = operation.get("value")?;
    if !matches!(operation.text_at(&["op"]), Some("add" | "replace" | "test")) {
        return None;
    }
    let path = operation.text_at(&["path"])?.strip_prefix('/')?;
    let steps: Vec<&str> = path.split('/').collect();
    if steps.len() > MAX_STEPS {
        return None;
    }
    let span = value.span.clone();
    let mut node = value.clone();
    for step in steps.iter().rev() {
        let is_index = *step == "-" || step.bytes().all(|b| b.is_ascii_digit()) && !step.is_empty();
        let kind = if is_index {
            NodeKind::List(vec![node])
        } else {
            // `/` and `~` of a key.
            let key = step.replace("~1", "/").replace("~0", "~");
            NodeKind::Map(vec![entry(&key, node)])
        };
        node = Node {
            kind,
            span: span.clone(),
            tag: None,
            alias: None,
        };
    }
    complete(&mut node, target);
    Some(node)
}

/// Names the object that a patch is for, where it does not itself.
fn complete(tree: &mut Node, target: Option<&Node>) {
    let text = |key: &str| target.and_then(|target| target.text_at(&[key]));
    let span = tree.span.start..tree.span.start;
    let mut missing = Vec::new();
    if tree.get("kind").is_none() {
        missing.push(("kind", text("kind").unwrap_or("Patch").to_owned()));
    }
    if tree.get("apiVersion").is_none() {
        let version = match (text("group"), text("version")) {
            (Some(group), Some(version)) => format!("{group}/{version}"),
            (_, version) => version.unwrap_or("v1").to_owned(),
        };
        missing.push(("apiVersion", version));
    }
    let has_name = tree.at(&["metadata", "name"]).is_some();
    let name = text("name").filter(|_| tree.get("metadata").is_none() && !has_name);
    let NodeKind::Map(entries) = &mut tree.kind else {
        return;
    };
    let made = missing
        .into_iter()
        .map(|(key, value)| entry(key, written(&value, &span)));
    entries.extend(made);
    if let Some(name) = name {
        let metadata = Node {
            kind: NodeKind::Map(vec![entry("name", written(name, &span))]),
            span: span.clone(),
            tag: None,
            alias: None,
        };
        entries.push(entry("metadata", metadata));
    }
}

fn entry(key: &str, value: Node) -> Entry {
    Entry {
        key: key.to_owned(),
        key_span: value.span.start..value.span.start,
        value,
    }
}

/// A text that the patch leaves to its target.
fn written(text: &str, span: &Range<usize>) -> Node {
    Node {
        kind: NodeKind::Scalar(Scalar {
            text: text.to_owned(),
            style: Style::Plain,
            map: vec![(0, span.start)],
            end: span.end,
        }),
        span: span.clone(),
        tag: None,
        alias: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{
        model::{BlobPath, DigestKey},
        policy::{environment::Environments, read, wants},
    };

    /// What is told of a file: id, subject and the bytes that are pointed at.
    fn told(path: &str, text: &str) -> Vec<String> {
        let blob = BlobPath::from(path);
        let kind = wants(&blob).unwrap();
        let key = DigestKey::new([7; 32]);
        let reading = read(&blob, kind, text.as_bytes(), &key, &Environments::default());
        for fact in &reading.facts {
            assert!(text.get(fact.span.clone()).is_some(), "{text}");
        }
        let faults = reading.faults.into_iter();
        faults
            .map(|fault| format!("{} {}", fault.lint.id, &text[fault.span]))
            .collect()
    }

    const MERGE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          env:\n            - name: DB_PASSWORD\n              value: \"hunter2-Zq81\"\n";

    /// A text as a block at six blanks.
    fn block(text: &str) -> String {
        text.lines().map(|line| format!("      {line}\n")).collect()
    }

    #[test]
    fn secrets_in_patches_have_their_bytes() {
        let operations = "- op: add\n  path: /spec/template/spec/containers/0/env/-\n  value:\n    name: DB_PASSWORD\n    value: hunter2-Zq81\n";
        let list = "- op: replace\n  path: /spec/template/spec/containers/0/env\n  value: [{name: DB_PASSWORD, value: hunter2-Zq81}]\n";
        let key = "- op: add\n  path: /stringData/DB_PASSWORD\n  value: hunter2-Zq81\n";
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: app}\nstringData:\n  password: hunter2-Zq81\n";
        let env = "k8s-plaintext-env hunter2-Zq81";
        let manifest = "k8s-plain-secret-manifest hunter2-Zq81";
        for (text, want) in [
            (format!("patches:\n  - patch: |\n{}", block(MERGE)), env),
            (
                format!(
                    "patches:\n  - patch: |-\n{}    target: {{kind: Deployment, name: app}}\n",
                    block(operations)
                ),
                env,
            ),
            (
                format!(
                    "patches:\n  - target: {{kind: Deployment}}\n    patch: >-\n{}",
                    block(
                        "[{\"op\": \"add\", \"path\": \"/spec/template/spec/containers/0/env/-\",\n\"value\": {\"name\": \"DB_PASSWORD\", \"value\": \"hunter2-Zq81\"}}]\n"
                    )
                ),
                env,
            ),
            (format!("patches:\n  - patch: |\n{}", block(list)), env),
            (
                format!(
                    "patchesJson6902:\n  - target: {{version: v1, kind: Secret, name: app}}\n    patch: |\n{}",
                    block(key)
                ),
                manifest,
            ),
            (
                format!(
                    "patchesStrategicMerge:\n  - a.yaml\n  - |\n{}",
                    block(secret)
                ),
                manifest,
            ),
            (format!("patchesStrategicMerge:\n  - {:?}\n", MERGE), env),
            (
                format!(
                    "patches:\r\n  - patch: |\r\n{}",
                    block(MERGE).replace('\n', "\r\n")
                ),
                env,
            ),
        ] {
            assert_eq!(
                told("overlays/base/kustomization.yaml", &text),
                [want],
                "{text}"
            );
        }
    }

    #[test]
    fn patches_of_flux_are_read_as_well() {
        let env = "k8s-plaintext-env hunter2-Zq81";
        let flux = format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: app}}\nspec:\n  patches:\n    - patch: |\n{}",
            MERGE
                .lines()
                .map(|line| format!("        {line}\n"))
                .collect::<String>()
        );
        assert_eq!(told("clusters/app.yaml", &flux), [env]);
    }

    #[test]
    fn a_patch_may_be_a_file() {
        let env = "k8s-plaintext-env hunter2-Zq81";
        let manifest = "k8s-plain-secret-manifest hunter2-Zq81";
        for (text, want) in [
            (
                "- op: add\n  path: /spec/template/spec/containers/0/env/-\n  value:\n    name: DB_PASSWORD\n    value: hunter2-Zq81\n",
                vec![env],
            ),
            (
                "- op: remove\n  path: /a\n- op: replace\n  path: /stringData/DB_PASSWORD\n  value: hunter2-Zq81\n",
                vec![manifest],
            ),
            ("- op: add\n  path: /a\n  value: x\n- name: b\n", vec![]),
        ] {
            assert_eq!(told("overlays/prod/p.yaml", text), want, "{text}");
        }
    }

    #[test]
    fn references_and_files_are_none() {
        for text in [
            "patches:\n  - path: a.yaml\n  - patch: a.yaml\npatchesStrategicMerge: [b.yaml]\n".to_owned(),
            "patches:\n  - patch: |\n      - op: remove\n        path: /spec/template/spec/containers/0/env/0\n".to_owned(),
            "patches:\n  - patch: |\n      - op: add\n        path: /spec/template/spec/containers/0/env/-\n        value:\n          name: DB_PASSWORD\n          valueFrom: {secretKeyRef: {name: app, key: password}}\n".to_owned(),
            format!("patches:\n  - patch: |\n{}", block(&MERGE.replace("hunter2-Zq81", "$(DB_PASSWORD)"))),
            format!("patches:\n  - patch: |\n{}      :x: [\n", block(MERGE)),
        ] {
            let told = told("overlays/base/kustomization.yaml", &text);
            let clear = told.iter().filter(|one| !one.starts_with("k8s-secret-as-env"));
            assert_eq!(clear.count(), 0, "{text}\n{told:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(
            at in 0_usize..500,
            cut in 0_usize..6,
            put in "[ \\-a:\\[\\]{}'\"|>/~\n\r&*!#\\\\é$(,=]{0,6}",
        ) {
            for text in [format!("patches:\n  - patch: |\n{}", block(MERGE)), format!("patchesStrategicMerge:\n  - {:?}\n", MERGE)] {
                let at = at.min(text.len());
                let end = (at + cut).min(text.len());
                let (Some(front), Some(back)) = (text.get(..at), text.get(end..)) else { continue };
                told("kustomization.yaml", &format!("{front}{put}{back}"));
            }
        }
    }
}

//! Settings as pairs of a name and a value: in a tree, and in a text that is itself the value of something (a file of a `ConfigMap`).
//!
//! Promises: linear in the text; a text within a text is read once, not deeper; places are bytes of the outermost text.

use std::ops::Range;

use crate::policy::{
    node::{Node, NodeKind},
    readers::{dotenv, json, toml, yaml},
};

use super::judge::{Judged, judge};

/// A secret in clear among the settings of a text.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The keys that lead to it, with dots.
    pub(crate) path: String,
    /// What of it is the secret, and how much of one.
    pub(crate) judged: Judged,
    /// The bytes of the secret in the text.
    pub(crate) span: Range<usize>,
}

/// Calls `f` with the keys, the name and the scalar of each setting of a tree: entries of maps, and items such as
/// `{name: X, value: Y}`. The items of a list go by the name of the list.
pub(crate) fn bindings<'n>(node: &'n Node, f: &mut dyn FnMut(&[&'n str], &'n str, &'n Node)) {
    descend(node, &mut Vec::new(), f);
}

fn descend<'n>(
    node: &'n Node,
    path: &mut Vec<&'n str>,
    f: &mut dyn FnMut(&[&'n str], &'n str, &'n Node),
) {
    match &node.kind {
        NodeKind::Map(entries) => {
            let text = |key: &str| {
                entries
                    .iter()
                    .find(|entry| entry.key == key)
                    .and_then(|entry| entry.value.text())
            };
            let pair = text("name").filter(|_| text("value").is_some());
            for entry in entries {
                match pair {
                    Some(name) if entry.key == "value" => {
                        path.push(name);
                        f(path, name, &entry.value);
                        path.pop();
                    }
                    _ => {
                        path.push(&entry.key);
                        descend(&entry.value, path, f);
                        path.pop();
                    }
                }
            }
        }
        NodeKind::List(items) => {
            for item in items {
                descend(item, path, f);
            }
        }
        NodeKind::Scalar(_) => {
            if let Some(name) = path.last().copied() {
                f(path, name, node);
            }
        }
    }
}

/// Tells whether a name is that of a file of settings which [`settings`] can read.
pub(crate) fn is_file(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    matches!(
        end,
        "json" | "yaml" | "yml" | "toml" | "properties" | "env" | "ini" | "conf" | "cfg" | "cnf"
    ) || name == ".env"
}

/// Tells whether a text of several lines begins as settings in YAML do, whatever its name is: with a key, or a note above one.
pub(crate) fn is_block(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---");
    let key = first.and_then(|line| line.split_once(':'));
    text.trim_end().contains('\n')
        && key.is_some_and(|(key, rest)| {
            let is_name = |c: char| c.is_alphanumeric() || "_-.\"'/".contains(c);
            (rest.is_empty() || rest.starts_with(' '))
                && !key.is_empty()
                && key.chars().all(is_name)
        })
}

/// Returns the secrets in clear in a text that is of the format its file name says; none of what is not.
pub(crate) fn settings(name: &str, text: &str) -> Vec<Setting> {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let trees = match end {
        "json" => json::read(text).map(|tree| vec![tree]),
        "yaml" | "yml" => yaml::read(text),
        "toml" => toml::read(text).map(|tree| vec![tree]),
        "env" => return lines(dotenv::read(text)),
        _ => return lines(dotenv::properties(text)),
    };
    let trees = trees.unwrap_or_default();
    let mut found = Vec::new();
    for tree in trees
        .iter()
        .filter(|tree| !is_dashboard(tree) && tree.get("sops").is_none())
    {
        bindings(tree, &mut |path, name, node| {
            let scalar = node.scalar().filter(|_| node.alias.is_none());
            if let Some((scalar, judged)) =
                scalar.and_then(|scalar| Some((scalar, judge(name, &scalar.text)?)))
            {
                found.push(Setting {
                    path: path.join("."),
                    span: scalar.source(judged.part.clone()),
                    judged,
                });
            }
        });
    }
    found
}

/// Tells whether a tree is a dashboard of Grafana: texts and queries, no settings.
fn is_dashboard(tree: &Node) -> bool {
    tree.get("panels").is_some()
        || tree.get("dashboard").is_some()
        || tree.get("templating").is_some()
}

fn lines(lines: Vec<dotenv::Line>) -> Vec<Setting> {
    let setting = |line: dotenv::Line| {
        let judged = judge(&line.key, &line.value)?;
        Some(Setting {
            span: line.source(judged.part.clone()),
            path: line.key,
            judged,
        })
    };
    lines.into_iter().filter_map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_every_format() {
        for (name, text) in [
            ("a.properties", "db.url=jdbc:x\ndb.password=hunter2-Zq81\n"),
            ("a.env", "DB_PASSWORD=\"hunter2-Zq81\"\n"),
            ("a.ini", "[db]\npassword = hunter2-Zq81\n"),
            ("a.json", "{\"db\": {\"password\": \"hunter2-Zq81\"}}"),
            ("a.yaml", "db:\n  password: 'hunter2-Zq81'\n"),
            (
                "a.yml",
                "env:\n- name: DB_PASSWORD\n  value: hunter2-Zq81\n",
            ),
            ("a.toml", "[db]\npassword = \"hunter2-Zq81\"\n"),
        ] {
            let found = settings(name, text);
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(&text[found[0].span.clone()], "hunter2-Zq81", "{name}");
        }
    }

    #[test]
    fn dashboards_and_broken_texts_give_nothing() {
        for (name, text) in [
            ("a.json", "{\"panels\": [], \"token\": \"hunter2-Zq81\"}"),
            ("a.json", "{"),
            (
                "a.yaml",
                "password: ${DB_PASSWORD}\nsecretName: db-Zq81xyz\n",
            ),
        ] {
            assert!(settings(name, text).is_empty(), "{text}");
        }
    }
}

//! Who may read a key, by the ACL policies of the server.
//!
//! Promises: a policy that could not be read, or that has a template where the key may be meant, makes the answer incomplete and is never
//! taken for one that grants nothing. Which people and machines have a policy is not asked: auth methods keep that, each in its own way.
//!
//! Source: "Policies" of Vault's and OpenBao's documentation (syntax, priority of matches).

use std::{cmp::Reverse, collections::BTreeSet};

use hcl_edit::structure::{Block, Body};

use super::{
    super::{
        StoreError,
        http::encode,
        json::{Json, Text},
    },
    client::Client,
    health::capabilities,
};
use crate::model::Readers;

/// Most readers that are named.
const SAMPLE: usize = 10;

/// The policies of a namespace, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Policies {
    rules: Vec<(String, Vec<Rule>)>,
    complete: bool,
}

/// One `path` of a policy.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    pattern: String,
    reads: bool,
}

impl Policies {
    /// Reads all policies.
    pub(super) fn fetch(client: &Client) -> Result<Self, StoreError> {
        let mut policies = Self {
            rules: Vec::new(),
            // Policies of namespaces above may grant paths in this one.
            complete: client.wire.namespace.is_none(),
        };
        let what = "list policies";
        let answer = match client.get("sys/policies/acl?list=true", what) {
            Ok(answer) => answer,
            Err(error) if error.fault.stops() => return Err(error),
            Err(_) => {
                policies.complete = false;
                return Ok(policies);
            }
        };
        let json = client.wire.json(&answer, what)?;
        let names = json.at(&["data", "keys"]).into_iter().flat_map(Json::items);
        for name in names.filter_map(Json::name) {
            match policy(client, &name) {
                Ok(Some(rules)) => policies.rules.push((name, rules)),
                Err(error) if error.fault.stops() => return Err(error),
                Ok(None) | Err(_) => policies.complete = false,
            }
        }
        Ok(policies)
    }

    /// Tells who may read the path below `/v1/`.
    pub(super) fn readers(&self, client: &Client, path: &str) -> Result<Readers, StoreError> {
        let mut names = BTreeSet::new();
        let mut complete = self.complete;
        for (name, rules) in &self.rules {
            match grants(rules, path) {
                Some(true) => {
                    names.insert(format!("policy {name}"));
                }
                Some(false) => {}
                None => complete = false,
            }
        }
        let own = capabilities(client, path)?.unwrap_or_default();
        if own.iter().any(|own| own == "read" || own == "root") && names.is_empty() {
            // We read it by a policy that we may not read.
            names.insert("the token of this run".to_owned());
            complete = false;
        }
        Ok(Readers {
            known: names.len() as u64,
            sample: names.into_iter().take(SAMPLE).collect(),
            complete,
        })
    }
}

/// Reads one policy; `None` if it cannot be understood.
fn policy(client: &Client, name: &str) -> Result<Option<Vec<Rule>>, StoreError> {
    if name == "root" {
        // It has no text and grants everything.
        return Ok(Some(vec![Rule {
            pattern: "*".to_owned(),
            reads: true,
        }]));
    }
    let what = format!("read the policy {name}");
    let answer = client.get(&format!("sys/policies/acl/{}", encode(name)), &what)?;
    let json = client.wire.json(&answer, &what)?;
    let text = json.at(&["data", "policy"]).and_then(Json::string);
    Ok(text.and_then(|text| rules(&text)))
}

/// Reads a policy's text: HCL, or JSON of the same shape.
fn rules(text: &Text<'_>) -> Option<Vec<Rule>> {
    if text.trim_start().starts_with('{') {
        let json = Json::parse(text.as_bytes()).ok()?;
        let paths = json.member("path")?.members();
        return paths
            .map(|(pattern, rule)| {
                let names = rule.member("capabilities")?.items().map(Json::name);
                Some(self::rule(
                    pattern.to_owned(),
                    names.collect::<Option<_>>()?,
                ))
            })
            .collect();
    }
    let body: Body = text.parse().ok()?;
    body.get_blocks("path")
        .map(|block| {
            let pattern = block.labels.first()?.as_str().to_owned();
            Some(rule(pattern, words(block)?))
        })
        .collect()
}

fn rule(pattern: String, capabilities: Vec<String>) -> Rule {
    let has = |name: &str| capabilities.iter().any(|own| own == name);
    Rule {
        pattern,
        reads: has("read") && !has("deny"),
    }
}

/// Returns the capabilities of a block, also in the words of old policies.
fn words(block: &Block) -> Option<Vec<String>> {
    if let Some(list) = block.body.get_attribute("capabilities") {
        let list = list.value.as_array()?;
        return list
            .iter()
            .map(|one| one.as_str().map(str::to_owned))
            .collect();
    }
    match block.body.get_attribute("policy")?.value.as_str()? {
        "read" | "write" | "sudo" => Some(vec!["read".to_owned()]),
        "deny" => Some(vec!["deny".to_owned()]),
        _ => None,
    }
}

/// Tells whether these rules let a path be read; `None` if a template decides.
fn grants(rules: &[Rule], path: &str) -> Option<bool> {
    let mut best: Option<(_, &Rule)> = None;
    for rule in rules {
        if let Some((fixed, _)) = rule.pattern.split_once("{{") {
            if path.starts_with(fixed) && rule.reads {
                return None;
            }
            continue;
        }
        if !matches(&rule.pattern, path) {
            continue;
        }
        let priority = priority(&rule.pattern);
        if best.as_ref().is_none_or(|(other, _)| priority > *other) {
            best = Some((priority, rule));
        }
    }
    Some(best.is_some_and(|(_, rule)| rule.reads))
}

/// Returns how specific a pattern is; the greatest wins (documentation, "Policy syntax": priority matching).
fn priority(pattern: &str) -> (usize, bool, Reverse<usize>, usize, &str) {
    let wildcards = pattern.split('/').filter(|part| *part == "+").count();
    let glob = pattern.ends_with('*');
    let first = pattern.find(['+', '*']);
    let first = if wildcards > 0 || glob { first } else { None };
    (
        first.unwrap_or(usize::MAX),
        !glob,
        Reverse(wildcards),
        pattern.len(),
        pattern,
    )
}

/// Tells whether a pattern is meant for a path: `+` is one segment, `*` at the end anything.
fn matches(pattern: &str, path: &str) -> bool {
    let (fixed, glob) = match pattern.strip_suffix('*') {
        Some(fixed) => (fixed, true),
        None => (pattern, false),
    };
    let mut segments = path.split('/');
    let mut parts = fixed.split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let Some(segment) = segments.next() else {
            return false;
        };
        if last && glob {
            return part == "+" || segment.starts_with(part);
        }
        if part != "+" && part != segment {
            return false;
        }
    }
    segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_paths_as_the_documentation_has_it() {
        for (pattern, path) in [
            ("secret/data/a", "secret/data/a"),
            ("secret/data/*", "secret/data/a/b"),
            ("secret/data/p*", "secret/data/prod/b"),
            ("+/data/*", "secret/data/a"),
            ("secret/+/a", "secret/data/a"),
            ("*", "anything/at/all"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("secret/data/a", "secret/data/a/b"),
            ("secret/data/a/b", "secret/data/a"),
            ("secret/+/a", "secret/x/y/a"),
            ("secret/metadata/*", "secret/data/a"),
            ("secret/data/q*", "secret/data/prod"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn the_most_specific_rule_wins_and_templates_are_unknown() {
        let text = r#"
            # everything but production
            path "secret/data/*" { capabilities = ["read", "list"] }
            path "secret/data/prod/*" { capabilities = ["deny"] }
            path "secret/data/prod/open" { capabilities = ["read"] }
            path "secret/data/+/x" { policy = "write" }
            path "kv/data/{{identity.entity.name}}/*" { capabilities = ["read"] }
        "#;
        let rules = rules(&Text::Plain(text)).expect("a policy");
        assert_eq!(grants(&rules, "secret/data/dev/a"), Some(true));
        assert_eq!(grants(&rules, "secret/data/prod/a"), Some(false));
        assert_eq!(grants(&rules, "secret/data/prod/open"), Some(true));
        assert_eq!(grants(&rules, "secret/metadata/a"), Some(false));
        assert_eq!(grants(&rules, "kv/data/someone/a"), None);
    }

    #[test]
    fn policies_in_json_are_read_and_broken_ones_are_not_taken_for_empty() {
        let json = r#"{"path": {"secret/data/*": {"capabilities": ["read"]}}}"#;
        let read = rules(&Text::Plain(json)).expect("a policy");
        assert_eq!(grants(&read, "secret/data/a"), Some(true));
        assert!(rules(&Text::Plain("path \"x\" {")).is_none());
        assert!(rules(&Text::Plain("path \"x\" { capabilities = read }")).is_none());
    }
}

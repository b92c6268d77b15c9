//! Who may read a secret, by the cluster's roles and bindings (RBAC).
//!
//! Promises: a role or binding that could not be read makes the answer incomplete and is never taken for one that grants nothing. Who may run
//! pods in a namespace counts, for a pod may mount every secret there. Members of groups are not asked for: those who log people in keep them. Other
//! authorizers (nodes, webhooks) cannot be seen.
//!
//! Source: "Using RBAC Authorization" and "Role Based Access Control Good Practices" (workload creation) of the Kubernetes documentation.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{StoreError, json::Json},
    list::segment,
    wire::{Call, Wire},
};
use crate::model::Readers;

/// Most readers that are named.
const SAMPLE: usize = 10;
/// The group whose members may do everything, whatever the roles say.
const MASTERS: &str = "Group:system:masters";
/// What lets pods run: API group and resource.
const WORKLOADS: [(&str, &str); 8] = [
    ("", "pods"),
    ("", "replicationcontrollers"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
];
const API: &str = "/apis/rbac.authorization.k8s.io/v1";

/// One `rules` entry as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// Reads secrets: of these names, or all.
    Reads(Option<Vec<String>>),
    /// May run pods.
    Runs,
}

/// Who is bound to which role.
#[derive(Clone, Debug)]
struct Binding {
    /// Whether the role is one of the cluster, and its name.
    role: (bool, String),
    subjects: Vec<String>,
}

/// Roles and bindings of the cluster, or of one namespace.
#[derive(Debug, Default)]
pub(super) struct Rules {
    roles: BTreeMap<String, Vec<Rule>>,
    bindings: Vec<Binding>,
    complete: bool,
}

impl Rules {
    /// Reads those of the cluster, or of a namespace.
    pub(super) fn fetch(wire: &Wire, namespace: Option<&str>) -> Result<Self, StoreError> {
        let (roles, bindings) = match namespace {
            None => (
                format!("{API}/clusterroles"),
                format!("{API}/clusterrolebindings"),
            ),
            Some(name) => {
                let name = segment(name);
                (
                    format!("{API}/namespaces/{name}/roles"),
                    format!("{API}/namespaces/{name}/rolebindings"),
                )
            }
        };
        let mut found = Self {
            complete: true,
            ..Self::default()
        };
        let mut take = |item: Json<'_>| {
            if let Some(name) = item.at(&["metadata", "name"]).and_then(Json::name) {
                found.roles.insert(name, rules(item));
            }
        };
        let all = pages(wire, &roles, "look at the roles", &mut take)?;
        let mut bound = Vec::new();
        let whole = pages(wire, &bindings, "look at the role bindings", &mut |item| {
            bound.push(binding(item));
        })?;
        found.bindings = bound;
        found.complete = all && whole;
        Ok(found)
    }

    fn grants(&self, role: &str, secret: &str) -> Option<bool> {
        let rules = self.roles.get(role)?;
        Some(rules.iter().any(|rule| match rule {
            Rule::Reads(None) | Rule::Runs => true,
            Rule::Reads(Some(names)) => names.iter().any(|name| name == secret),
        }))
    }
}

/// Returns who may read a secret.
pub(super) fn readers(cluster: &Rules, own: &Rules, secret: &str) -> Readers {
    let mut names = BTreeSet::from([MASTERS.to_owned()]);
    let mut complete = cluster.complete && own.complete;
    for binding in cluster.bindings.iter().chain(&own.bindings) {
        let (of_cluster, role) = &binding.role;
        let roles = if *of_cluster { cluster } else { own };
        match roles.grants(role, secret) {
            Some(true) => names.extend(binding.subjects.iter().cloned()),
            Some(false) => {}
            // A binding to a role that is not there grants nothing, if all roles were seen.
            None => complete &= roles.complete,
        }
    }
    Readers {
        known: names.len() as u64,
        sample: names.into_iter().take(SAMPLE).collect(),
        complete,
    }
}

/// Gives each item of a list to `take`; returns whether the list was allowed.
fn pages(
    wire: &Wire,
    path: &str,
    what: &str,
    take: &mut dyn FnMut(Json<'_>),
) -> Result<bool, StoreError> {
    let mut token = String::new();
    loop {
        let path = format!("{path}?limit=500&continue={}", segment(&token));
        let answer = match wire.call(&Call::get(&path, what)) {
            Ok(answer) => answer,
            Err(error) if error.fault.stops() => return Err(error),
            Err(_) => return Ok(false),
        };
        if answer.status != 200 {
            // No RBAC in this cluster, or a list that was forgotten: not all was seen.
            return Ok(false);
        }
        let json = wire.json(&answer, what)?;
        json.member("items")
            .into_iter()
            .flat_map(Json::items)
            .for_each(&mut *take);
        match json.at(&["metadata", "continue"]).and_then(Json::name) {
            Some(next) if !next.is_empty() => token = next,
            _ => return Ok(true),
        }
    }
}

fn texts(json: Json<'_>, name: &str) -> Vec<String> {
    let items = json.member(name).into_iter().flat_map(Json::items);
    items.filter_map(Json::name).collect()
}

fn rules(role: Json<'_>) -> Vec<Rule> {
    let rules = role.member("rules").into_iter().flat_map(Json::items);
    rules.flat_map(of_rule).collect()
}

fn of_rule(rule: Json<'_>) -> Vec<Rule> {
    let groups = texts(rule, "apiGroups");
    let resources = texts(rule, "resources");
    let verbs = texts(rule, "verbs");
    let has =
        |texts: &[String], wanted: &str| texts.iter().any(|text| text == wanted || text == "*");
    let mut found = Vec::new();
    // Also `list` and `watch` answer with values, and with a name as field selector for one secret alone.
    let reads = ["get", "list", "watch"]
        .iter()
        .any(|verb| has(&verbs, verb));
    if reads && has(&groups, "") && has(&resources, "secrets") {
        let names = texts(rule, "resourceNames");
        found.push(Rule::Reads((!names.is_empty()).then_some(names)));
    }
    // A name does not narrow `create`, for the object has none yet; and a workload that is there can be given another secret.
    let writes = ["create", "update", "patch"]
        .iter()
        .any(|verb| has(&verbs, verb));
    let runs = WORKLOADS
        .iter()
        .any(|(group, resource)| has(&groups, group) && has(&resources, resource));
    if writes && runs {
        found.push(Rule::Runs);
    }
    found
}

fn binding(binding: Json<'_>) -> Binding {
    let text =
        |json: Json<'_>, name: &str| json.member(name).and_then(Json::name).unwrap_or_default();
    let role = binding.member("roleRef");
    let of = |name: &str| role.map(|role| text(role, name)).unwrap_or_default();
    let subjects = binding.member("subjects").into_iter().flat_map(Json::items);
    Binding {
        role: (of("kind") == "ClusterRole", of("name")),
        subjects: subjects
            .map(|subject| {
                let (kind, name) = (text(subject, "kind"), text(subject, "name"));
                if kind == "ServiceAccount" {
                    format!("{kind}:{}/{name}", text(subject, "namespace"))
                } else {
                    format!("{kind}:{name}")
                }
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Rule> {
        rules(Json::parse(text.as_bytes()).expect("JSON"))
    }

    #[test]
    fn what_reads_secrets_is_seen() {
        let one = |rule: &str| found(&format!(r#"{{"rules": [{rule}]}}"#));
        let all = vec![Rule::Reads(None)];
        assert_eq!(
            one(r#"{"apiGroups": [""], "resources": ["secrets"], "verbs": ["watch"]}"#),
            all
        );
        assert_eq!(
            one(r#"{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]}"#),
            all
        );
        assert_eq!(
            one(
                r#"{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["a"]}"#
            ),
            [Rule::Reads(Some(vec!["a".to_owned()]))]
        );
        assert_eq!(
            one(r#"{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}"#).len(),
            2
        );
        assert_eq!(
            one(
                r#"{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"], "resourceNames": ["a"]}"#
            ),
            [Rule::Runs]
        );
        for none in [
            r#"{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}"#,
            r#"{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete"]}"#,
            r#"{"apiGroups": ["apps"], "resources": ["secrets"], "verbs": ["get"]}"#,
            r#"{"apiGroups": [""], "resources": ["deployments", "pods/log"], "verbs": ["*"]}"#,
            r#"{"nonResourceURLs": ["*"], "verbs": ["*"]}"#,
        ] {
            assert_eq!(one(none), [], "{none}");
        }
    }
}

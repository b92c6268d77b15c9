//! How bad a literal is under a name: shared by the lints of infrastructure code.
//!
//! Lives on `names` and `values`; adds what only such files know: addresses of resources, files that show how it would be done, pairs of
//! `name` and `value`, and JSON that stands in a text.

use std::{collections::BTreeMap, ops::Range};

use crate::model::Severity;

use super::super::{
    lint::Context,
    names::{self, Secretness},
    node::{Node, Scalar},
    readers::json,
    values::{self, Strength, Value},
};

/// A literal under a name.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    /// The nearest name.
    pub(super) name: String,
    /// The name of what the nearest one is in: `secrets` of `secrets = { db = "x" }`.
    pub(super) owner: Option<String>,
    /// All names from the outermost, joined by dots.
    pub(super) path: String,
    /// The text.
    pub(super) value: String,
    /// Its bytes, without quotes.
    pub(super) span: Range<usize>,
}

impl Literal {
    /// Returns how bad it is in the file with this path. What stands below the name of a secret is one if it looks random:
    /// `tokens = { ci = "..." }`.
    pub(super) fn judge(&self, path: &str, usual: Severity) -> Option<Severity> {
        const ABOUT: [&str; 10] = [
            "id", "ids", "arn", "name", "user", "username", "url", "host", "email", "version",
        ];
        judge_in(path, &self.name, &self.value, usual).or_else(|| {
            let words = names::words(&self.name);
            let is_about = words
                .last()
                .is_some_and(|last| ABOUT.contains(&last.as_str()));
            let is_below = self.owner.as_deref().is_some_and(is_secret) && !is_about;
            let is_random = strength(&self.value) == Some(Strength::Random);
            (is_below && is_random)
                .then(|| judge_place_in(path, &self.value, usual))
                .flatten()
        })
    }
}

/// Longest name that is kept, in bytes: each literal below it has a copy.
const MAX_NAME: usize = 100;

/// Length from which on a path grows no more.
const MAX_PATH: usize = 400;

/// Returns the beginning of an overlong name.
pub(super) fn clip(name: &str) -> &str {
    name.get(..MAX_NAME).unwrap_or_else(|| {
        let end = name
            .char_indices()
            .map(|(at, _)| at)
            .take_while(|at| *at <= MAX_NAME)
            .last();
        name.get(..end.filter(|_| name.len() > MAX_NAME).unwrap_or(name.len()))
            .unwrap_or(name)
    })
}

/// The bytes of a line before a place, if they are few: what stands before the first entry of a map, or before a block.
pub(super) fn before(text: &str, at: usize) -> Option<&str> {
    const MAX_LINE: usize = 400;
    let mut start = at.saturating_sub(MAX_LINE);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let near = text.get(start..at)?;
    match near.rsplit_once('\n') {
        Some((_, line)) => Some(line),
        None => (start == 0).then_some(near),
    }
}

/// Returns how the line that a place is in ends.
pub(super) fn newline(text: &str, at: usize) -> &'static str {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    let end = memchr::memchr(b'\n', rest.get(..rest.len().min(400)).unwrap_or_default());
    let is_windows = end
        .and_then(|end| end.checked_sub(1))
        .and_then(|at| rest.get(at))
        == Some(&b'\r');
    if is_windows { "\r\n" } else { "\n" }
}

/// The names that lead to a node.
#[derive(Clone)]
pub(super) struct Names<'n> {
    /// As [`Literal::name`].
    pub(super) name: &'n str,
    /// As [`Literal::owner`].
    pub(super) owner: Option<&'n str>,
    /// As [`Literal::path`].
    pub(super) path: String,
}

impl<'n> Names<'n> {
    /// Of the outermost node.
    pub(super) fn root(name: &'n str) -> Self {
        let name = clip(name);
        Names {
            name,
            owner: None,
            path: name.to_owned(),
        }
    }

    /// Of what stands below under a name.
    pub(super) fn below<'b>(&'b self, name: &'b str) -> Names<'b> {
        let name = clip(name);
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path if path.len() > MAX_PATH => path.to_owned(),
            path => format!("{path}.{name}"),
        };
        Names {
            name,
            owner: Some(self.name),
            path,
        }
    }

    /// Of an item of a list, by what it is called.
    pub(super) fn item(&self, name: &str) -> Names<'n> {
        let mut below = self.clone();
        if self.path.len() <= MAX_PATH {
            below.path = format!("{}[{}]", self.path, clip(name));
        }
        below
    }

    /// Returns a literal under these names.
    pub(super) fn literal(&self, value: String, span: Range<usize>) -> Literal {
        Literal {
            name: self.name.to_owned(),
            owner: self.owner.map(str::to_owned),
            path: self.path.clone(),
            value,
            span,
        }
    }
}

/// Calls `f` with the literals of a tree. `outer` is the text that the tree stands in, if it is not the file itself.
pub(super) fn each(
    names: &Names<'_>,
    node: &Node,
    outer: Option<&Scalar>,
    f: &mut dyn FnMut(Literal),
) {
    if let Some((name, value)) = pair(node) {
        each(&names.below(name), value, outer, f);
    }
    for entry in node.entries() {
        match entry.key.as_str() {
            // What CloudFormation fills in later; the first two hold texts.
            "Fn::Sub" | "Fn::Base64" | "fn::secret" | "<<" => each(names, &entry.value, outer, f),
            "Ref" => {}
            key if key.starts_with("Fn::") || key.starts_with("fn::") => {}
            key => each(&names.below(key), &entry.value, outer, f),
        }
    }
    for item in node.items() {
        match (item.scalar(), item.text_at(&["name"])) {
            // Lists of texts are mostly words.
            (Some(text), _) if strength(&text.text) != Some(Strength::Random) => {}
            (None, Some(name)) if pair(item).is_none() => each(&names.item(name), item, outer, f),
            _ => each(names, item, outer, f),
        }
    }
    let Some(scalar) = node.scalar().filter(|_| is_text(node)) else {
        return;
    };
    let nested = outer.is_none() && scalar.text.trim_start().starts_with(['{', '[']);
    let tree = nested.then(|| json::read(&scalar.text).ok()).flatten();
    if let Some(tree) = tree.filter(|tree| !tree.entries().is_empty() || !tree.items().is_empty()) {
        return each(names, &tree, Some(scalar), f);
    }
    let within = scalar.source(0..scalar.text.len());
    let span = outer.map_or(within.clone(), |outer| outer.source(within));
    f(names.literal(scalar.text.clone(), span));
}

/// Tells whether a scalar is a text and not what a tag makes of it.
fn is_text(node: &Node) -> bool {
    node.tag
        .as_deref()
        .is_none_or(|tag| matches!(tag, "!Sub" | "!unsafe" | "!!str" | "!"))
}

/// Tells whether a name is that of a secret; the key of a key service is an address.
pub(super) fn is_secret(name: &str) -> bool {
    names::is_secret(name) && !is_service_key(name)
}

fn is_service_key(name: &str) -> bool {
    let words = names::words(name);
    words.ends_with(&["kms".to_owned(), "key".to_owned()])
}

/// Returns how bad it is that this value stands under this name as it is in the file with this path; `None` if it is no secret, or only
/// shows how it would be done. `usual` is the severity of a value that somebody chose; a known default is told at info.
pub(super) fn judge_in(path: &str, name: &str, value: &str, usual: Severity) -> Option<Severity> {
    let severity = judge(name, value, usual)?;
    is_worth_it(path, value).then_some(eased(severity, path))
}

/// Returns the same if the place alone tells that the value is a secret, whatever its name.
pub(super) fn judge_place_in(path: &str, value: &str, usual: Severity) -> Option<Severity> {
    let severity = match strength(value)? {
        Strength::Weak => Severity::Info,
        _ => usual,
    };
    is_worth_it(path, value).then_some(eased(severity, path))
}

/// In examples only what looks random is worth a word.
fn is_worth_it(path: &str, value: &str) -> bool {
    place(path) != Place::Example || strength(value) == Some(Strength::Random)
}

fn judge(name: &str, value: &str, usual: Severity) -> Option<Severity> {
    let strength = strength(value)?;
    if is_service_key(name) {
        return None;
    }
    let secretness = match names::secretness(name) {
        // Under any name the password of an address is one.
        Secretness::No | Secretness::Weak => holds_password(value).then_some(Secretness::Weak)?,
        other => other,
    };
    // A bare `secret` or `tokens` is as often the name of the secret as its value.
    if is_bare(name) && strength < Strength::Random {
        return None;
    }
    Some(match (strength, secretness) {
        (Strength::Weak, _) => Severity::Info,
        (_, Secretness::Master) => usual.max(Severity::Critical),
        _ => usual,
    })
}

/// Returns how hard a value is to guess if it is the secret itself.
pub(super) fn strength(value: &str) -> Option<Strength> {
    let Value::Literal(strength) = values::classify(value) else {
        return None;
    };
    let is_none = is_address(value) || is_prose(value) || is_name(value) || is_filled(value);
    (!is_none).then_some(strength)
}

/// A path of JSON that a state machine fills in, or a value that somebody is to fill in.
fn is_filled(value: &str) -> bool {
    value.starts_with("$.") || value.starts_with("$$.") || value.starts_with("Your")
}

/// Tells whether an address with a password in it is all of the value.
fn holds_password(value: &str) -> bool {
    let rest = value.split_once("://").map(|(_, rest)| rest);
    rest.and_then(values::userinfo)
        .is_some_and(|password| !password.contains("${"))
}

fn is_bare(name: &str) -> bool {
    let words = names::words(name);
    matches!(
        words.iter().map(String::as_str).collect::<Vec<_>>()[..],
        ["secret"
            | "secrets"
            | "token"
            | "tokens"
            | "credential"
            | "credentials"
            | "creds"
            | "pass"]
    )
}

/// The address of a resource of a cloud, not a value.
fn is_address(value: &str) -> bool {
    let starts = [
        "arn:",
        "alias/",
        "/subscriptions/",
        "projects/",
        "ocid1.",
        "secretsmanager:",
    ];
    starts.iter().any(|start| value.starts_with(start))
}

/// A sentence: a description, not a value.
fn is_prose(value: &str) -> bool {
    let value = value.trim();
    value.matches(' ').count() > 3 && !value.starts_with("-----BEGIN") && !value.contains("://")
}

/// The name of a secret, as `db-password` and `app/token`: words alone, one of them that of a secret.
fn is_name(value: &str) -> bool {
    let is_wordy = value
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b"-_/.".contains(&b))
        || value.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    is_wordy && value.contains(['-', '_', '/']) && names::is_secret(value)
}

/// Runs a lint and parts those of its faults that have the same subject in different places.
pub(super) fn parted(context: &mut Context<'_>, lint: impl FnOnce(&mut Context<'_>)) {
    let before = context.faults.len();
    lint(context);
    let mut seen: BTreeMap<String, BTreeMap<(usize, usize), usize>> = BTreeMap::new();
    for fault in context.faults.iter_mut().skip(before) {
        let places = seen.entry(fault.subject.clone()).or_default();
        // The same place again is dropped later: it came by an alias.
        let number = places.len() + 1;
        let place = (fault.span.start, fault.span.end);
        let number = *places.entry(place).or_insert(number);
        if number > 1 {
            fault.subject = format!("{}#{number}", fault.subject);
        }
    }
}

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Shows how it would be done, or tests: examples, fixtures.
    Example,
    /// Of a developer's own machine or a shared place for development.
    Development,
    /// Anything else.
    Real,
}

/// Returns where a file stands by its path.
pub(super) fn place(path: &str) -> Place {
    const EXAMPLE: [&str; 17] = [
        "example", "examples", "sample", "samples", "test", "tests", "testing", "testdata",
        "fixture", "fixtures", "molecule", "demo", "tutorial", "mock", "mocks", "e2e", "spec",
    ];
    const DEVELOPMENT: [&str; 6] = [
        "dev",
        "development",
        "local",
        "localhost",
        "sandbox",
        "localstack",
    ];
    let mut place = Place::Real;
    for part in path.split('/') {
        let words = names::words(part);
        let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        if any(&EXAMPLE)
            || [".template", ".tpl", ".dist"]
                .iter()
                .any(|end| part.ends_with(end))
        {
            return Place::Example;
        }
        if any(&DEVELOPMENT) {
            place = Place::Development;
        }
    }
    place
}

/// Lowers a severity where the file's place says so.
pub(super) fn eased(severity: Severity, path: &str) -> Severity {
    match place(path) {
        Place::Example => Severity::Info,
        Place::Development => severity.min(Severity::Medium),
        Place::Real => severity,
    }
}

/// Returns the name and the value of an entry that is written as a pair: `{name: X, value: y}`.
fn pair(node: &Node) -> Option<(&str, &Node)> {
    const NAMES: [&str; 6] = [
        "name",
        "Name",
        "key",
        "Key",
        "parameter_key",
        "ParameterKey",
    ];
    const VALUES: [&str; 4] = ["value", "Value", "parameter_value", "ParameterValue"];
    let name = NAMES.iter().find_map(|key| node.text_at(&[key]))?;
    let value = VALUES.iter().find_map(|key| node.get(key))?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_under_names() {
        for (name, value, want) in [
            ("db_password", "hunter2-Zq81", Some(Severity::High)),
            ("db_password", "password", Some(Severity::Info)),
            ("db_password", "changeme", None),
            ("master_key", "Vx7kQ2mR9tLp4wZs", Some(Severity::Critical)),
            (
                "database_url",
                "postgres://app:hunter2-Zq81@db/x",
                Some(Severity::High),
            ),
            (
                "anything",
                "postgres://app:hunter2-Zq81@db/x",
                Some(Severity::High),
            ),
            ("database_url", "postgres://db/x", None),
            ("anything", "hunter2-Zq81", None),
            ("secret", "my-app-config", None),
            ("secret", "Vx7kQ2mR9tLp4wZs", Some(Severity::High)),
            ("db_password", "prod-db-password", None),
            (
                "api_token",
                "arn:aws:kms:eu-west-1:123456789012:key/abc",
                None,
            ),
            (
                "db_password",
                "The password of the database of the app",
                None,
            ),
            ("password_arn", "hunter2-Zq81", None),
        ] {
            assert_eq!(judge(name, value, Severity::High), want, "{name} {value}");
        }
    }

    #[test]
    fn places() {
        for (path, want) in [
            ("examples/complete/main.tf", Place::Example),
            ("terraform.tfvars.example", Place::Example),
            ("example.tfvars", Place::Example),
            ("envs/dev.tfvars", Place::Development),
            ("envs/prod.tfvars", Place::Real),
            ("latest/main.tf", Place::Real),
            ("template.yaml", Place::Real),
        ] {
            assert_eq!(place(path), want, "{path}");
        }
    }
}

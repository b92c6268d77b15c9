//! How bad a literal is under a name: shared by the lints of infrastructure code.
//!
//! Lives on `names` and `values`; adds what only such files know: addresses of resources, and files that show how it would be done.

use crate::model::Severity;

use super::super::{
    names::{self, Secretness},
    node::Node,
    values::{self, Strength, Value},
};

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
    (!is_address(value) && !is_prose(value) && !is_name(value)).then_some(strength)
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
    const EXAMPLE: [&str; 18] = [
        "example", "examples", "sample", "samples", "template", "test", "tests", "testing",
        "testdata", "fixture", "fixtures", "molecule", "demo", "tutorial", "mock", "mocks", "e2e",
        "spec",
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
        if any(&EXAMPLE) && !matches!(part, "template.yaml" | "template.yml" | "template.json") {
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

/// Returns the name and the value of an entry that is written as a pair (`{name: X, value: y}`), with the value's node.
pub(super) fn pair(node: &Node) -> Option<(&str, &Node)> {
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

//! How bad a literal is under a name: shared by the lints of infrastructure code.
//!
//! Lives on `names` and `values`; adds what only such files know: addresses of resources, and files that show how it would be
//! done. `tree` finds the literals of trees.

use std::collections::BTreeMap;

use crate::model::Severity;

use super::super::{
    lint::Context,
    names::{self, Secretness},
    values::{self, Strength, Value},
};

mod tree;

pub(super) use tree::{Literal, Names, clip, each};

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
        Secretness::No if strength == Strength::Random && is_some_key(name) => Secretness::Strong,
        // Under any name the password of an address is one.
        Secretness::No | Secretness::Weak => password(value).map(|_| Secretness::Weak)?,
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

/// Tells whether a variable is named after somebody's key, `STRIPE_KEY`, and not after one that everybody may know or that only names a
/// thing. Fields of resources that end so, `ParameterKey`, hardly ever hold one.
fn is_some_key(name: &str) -> bool {
    const KNOWN: [&str; 22] = [
        "public",
        "pub",
        "publishable",
        "partition",
        "sort",
        "hash",
        "range",
        "cache",
        "primary",
        "foreign",
        "routing",
        "kms",
        "site",
        "index",
        "gpg",
        "object",
        "host",
        "state",
        "idempotency",
        "lock",
        "translation",
        "s",
    ];
    let is_variable = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let words = names::words(name);
    name.bytes().all(is_variable)
        && words.len() > 1
        && words.last().is_some_and(|last| last == "key")
        && !words.iter().any(|word| KNOWN.contains(&word.as_str()))
}

/// Returns how hard a value is to guess if it is the secret itself.
pub(super) fn strength(value: &str) -> Option<Strength> {
    // An address may have its host filled in and its password not.
    let password = value
        .split_once("://")
        .and_then(|(_, rest)| values::userinfo(rest));
    let strength = match values::classify(password.unwrap_or(value)) {
        Value::Literal(strength) => strength,
        Value::Plain if password.is_some() => Strength::Weak,
        _ => return None,
    };
    let is_none = is_address(value) || is_prose(value) || is_name(value) || is_filled(value);
    (!is_none).then_some(strength)
}

/// A path of JSON that a state machine fills in, or a value that somebody is to fill in.
fn is_filled(value: &str) -> bool {
    value.starts_with("$.") || value.starts_with("$$.") || value.starts_with("Your")
}

/// Returns the password of an address that is all of the value.
fn password(value: &str) -> Option<&str> {
    let (scheme, rest) = value.trim().split_once("://")?;
    let is_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.:".contains(&b);
    let is_whole = scheme.bytes().all(is_scheme) && !rest.contains(['\n', '\'', '"', '<']);
    values::userinfo(rest).filter(|_| is_whole)
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
            || [".template", ".tpl", ".dist", ".tftest.hcl"]
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{BlobPath, DigestKey},
        policy::{environment::Environments, read, wants},
    };

    /// Reads a text as each kind of file that the lints of infrastructure code know.
    fn check(text: &str) {
        let paths = [
            "a.tf",
            "a.tfvars",
            "terragrunt.hcl",
            "a.tf.json",
            "a.tfvars.json",
            "template.yaml",
            "group_vars/all.yml",
            "roles/x/tasks/main.yml",
            "hosts",
            "serverless.yml",
            "wrangler.toml",
            "samconfig.toml",
            "Pulumi.x.yaml",
        ];
        for path in paths.map(BlobPath::from) {
            let kind = wants(&path).unwrap();
            let key = DigestKey::new([7; 32]);
            let reading = read(&path, kind, text.as_bytes(), &key, &Environments::default());
            for fault in reading.faults {
                assert!(
                    text.get(fault.span.clone()).is_some(),
                    "{path}: {fault:?}\n{text}"
                );
                assert!(
                    fault.secret.is_none_or(|secret| text.get(secret).is_some()),
                    "{text}"
                );
                for edit in fault.fix.into_iter().flat_map(|fix| fix.edits) {
                    assert!(text.get(edit.span).is_some(), "{text}");
                }
            }
            for fact in reading.facts {
                assert!(text.get(fact.span).is_some(), "{text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn lints_never_panic_and_spans_lie_within(
            words in prop::collection::vec(prop::sample::select(vec![
                "variable", "output", "resource", "provider \"aws\"", "locals", "\"db_password\"", "password", "default", "=",
                ":", ": ", "{", "}", "[", "]", "\"", "'", "\n", "\r\n", "\n  ", "- ", "hunter2-Zq81", "é", "\"hunter2-Zq81é\"",
                "${var.api_token}", "{{ api_token }}", "{{", "}}", "user_data", "<<EOT\n", "\nEOT\n", "debug", "shell", "item",
                "loop", "config", "environment", "Parameters", "Resources", "Type", "AWS::X", "!Sub ", "!Ref ", "NoEcho", "Outputs",
                "ansible_password=", "#", "|\n  ", ",", "nonsensitive(", ")", "sensitive = true", "\\n", "\\u00e9", "://u:p@h",
            ]), 0..40),
        ) {
            check(&words.concat());
            check(&words.join(" "));
        }

        #[test]
        fn values_never_panic(value in r#"[a-c${}"'\\n é:@/=,\[\]!&*|>-]{0,24}"#) {
            for (before, after) in [
                ("variable \"db_password\" {\n  default = ", "\n}\n"),
                ("variable \"db_password\" { default = \"", "\" }"),
                ("output \"o\" {\n  value = \"${var.api_token}", "\"\n}\n"),
                ("resource \"x\" \"y\" {\n  user_data = <<-EOT\n    password=", "\n    EOT\n}\n"),
                ("resource \"x\" \"y\" {\n  d = <<EOT\n{\"password\": \"", "\"}\nEOT\n}\n"),
                ("db_password = \"", "\"\n"),
                ("db_password: \"", "\"\n"),
                ("db_password: ", "\n"),
                ("- debug: msg=\"{{ api_token }}", "\"\n"),
                ("- shell: '{{ api_token }}", "'\n"),
                ("- mysql_user: name=x password=", "\n"),
                ("h ansible_password=", "\n"),
                ("AWSTemplateFormatVersion: x\nOutputs:\n  A:\n    Value: !Sub '${DbPassword}", "'\nParameters:\n  DbPassword: {Type: String}\n"),
                ("AWSTemplateFormatVersion: x\nParameters:\n  DbPassword:\n    Default: ", "\n"),
            ] {
                check(&format!("{before}{value}{after}"));
            }
        }
    }

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
            ("STRIPE_KEY", "q8Zr2Lw9Xk4Tn7Vb1Mc6", Some(Severity::High)),
            ("STRIPE_KEY", "stripe-live-key", None),
            ("STRIPE_PUBLISHABLE_KEY", "q8Zr2Lw9Xk4Tn7Vb1Mc6", None),
            ("PARTITION_KEY", "q8Zr2Lw9Xk4Tn7Vb1Mc6", None),
            ("S3_KEY", "q8Zr2Lw9Xk4Tn7Vb1Mc6", None),
            ("ParameterKey", "q8Zr2Lw9Xk4Tn7Vb1Mc6", None),
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

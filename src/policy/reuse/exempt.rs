//! Values that several places may share: they are no secrets, whatever the name beside them.
//!
//! The list of POLICY.md section 3.3; each test names the trap.

use super::super::values::{self, Value};

/// Words of settings: levels of logs, states, ways to log in.
const ENUMS: [&str; 22] = [
    "warning",
    "warn",
    "error",
    "debug",
    "trace",
    "fatal",
    "notice",
    "critical",
    "verbose",
    "silent",
    "optional",
    "mandatory",
    "default",
    "disabled",
    "enabled",
    "basic",
    "bearer",
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "password_credentials",
    "kubernetes",
];

/// Tells whether a value is not to be compared. `is_tree` says that it stands in YAML, JSON or TOML, where a row of plain words is the
/// name of something more often than a password.
pub(super) fn is_exempt(value: &str, is_tree: bool) -> bool {
    let value = value.trim();
    match values::classify(value) {
        Value::Literal(_) | Value::Hash => {}
        _ => return !is_private_key(value),
    }
    value.len() < 6
        || values::is_weak(value)
        || ENUMS.contains(&value.to_ascii_lowercase().as_str())
        || is_documented(value)
        || is_sentence(value)
        || is_host(value)
        || is_mail(value)
        || is_place(value)
        || is_version(value)
        || is_image(value)
        || is_call(value)
        || is_name_of_variable(value)
        || (is_tree && is_row_of_words(value))
        || value.starts_with("arn:")
        || value.starts_with("$.")
        || (value.starts_with('^') && value.ends_with('$'))
}

fn is_private_key(value: &str) -> bool {
    value.contains("PRIVATE KEY-----")
}

/// What vendors print in their documentation, and the key that all emulators of Azure's storage have.
fn is_documented(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    lower.contains("example")
        || lower.starts_with("your")
        || lower.starts_with("usedevelopmentstorage=")
        || value.starts_with("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUz")
}

/// Several words with blanks: a label, a help text, a translation.
fn is_sentence(value: &str) -> bool {
    !is_private_key(value) && value.split_whitespace().count() > 2
}

fn is_host(value: &str) -> bool {
    if value.starts_with("Host(") {
        return true;
    }
    let (host, port) = value.rsplit_once(':').unwrap_or((value, "0"));
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    let has_words = labels.last().is_some_and(|last| {
        last.len() >= 2 && last.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    });
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    let is_port = port.parse::<u16>().is_ok();
    is_port
        && (is_address
            || labels.len() > 1 && labels.iter().all(is_label) && has_words
            || value.contains(':') && labels.len() == 1 && labels.iter().all(is_label))
}

fn is_mail(value: &str) -> bool {
    let Some((name, host)) = value.split_once('@') else {
        return false;
    };
    !name.is_empty()
        && !name.contains([':', ' ', '!', '#', '$'])
        && is_host(host)
        && host.contains('.')
}

/// Regions and zones: `eu-west-1`, `europe-west1-b`.
fn is_place(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let ways = [
        "east",
        "west",
        "north",
        "south",
        "central",
        "northeast",
        "northwest",
        "southeast",
        "southwest",
    ];
    let is_way = |part: &&str| ways.contains(&part.trim_end_matches(|c: char| c.is_ascii_digit()));
    (2..=4).contains(&parts.len()) && value.len() <= 24 && parts.iter().any(is_way)
}

fn is_version(value: &str) -> bool {
    let bare = value.trim_start_matches('v');
    let core = bare.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() >= 2
        && numbers
            .iter()
            .all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// References to images: `nginx:1.27-alpine`, `ghcr.io/acme/api:v1`.
fn is_image(value: &str) -> bool {
    let (bare, digest) = value.split_once("@sha256:").unwrap_or((value, ""));
    let Some((name, tag)) = bare.rsplit_once(':') else {
        return !digest.is_empty();
    };
    let is_name = name.contains('/')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/.-_:".contains(&b));
    let is_short = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let is_tag = tag == "latest"
        || is_version(tag)
        || tag.parse::<u32>().is_ok()
        || tag.ends_with("-alpine")
        || tag.ends_with("-slim");
    (is_name || is_short) && is_tag
}

/// Code that makes the value: `env('X')`, `lookup("x")`, `process.env.X`.
fn is_call(value: &str) -> bool {
    let name = value.split('(').next().unwrap_or_default();
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b == b':');
    is_name && name.len() < value.len() && value.ends_with(')')
}

/// `DB_PASSWORD`: where it is, not what it is.
fn is_name_of_variable(value: &str) -> bool {
    value.contains('_')
        && value
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && value.split('_').all(|word| {
            word.is_empty()
                || word.bytes().filter(u8::is_ascii_digit).count() <= 1 && word.len() <= 16
        })
}

/// `grafana-admin-credentials`, `tokenSecretName`: the name of an object, or an enum.
fn is_row_of_words(value: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let parts: Vec<&str> = value.split(['-', '_', '/', '.']).collect();
    let is_camel = value.bytes().all(|b| b.is_ascii_alphabetic())
        && value.bytes().filter(u8::is_ascii_uppercase).count() * 5 <= value.len();
    parts.iter().all(|part| is_word(part)) || is_camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_secret_is_exempt() {
        for value in [
            "",
            "changeme",
            "<token>",
            "your-api-key",
            "true",
            "3600",
            "${DB_PASSWORD}",
            "{{ x }}",
            "vault:secret/data/prod/db#k",
            "ENC[AES256_GCM,data:abc]",
            "/run/secrets/db",
            "https://auth.example.net/jwks.json",
            "http://authelia:9091/api/verify",
            "Host(`app.example.org`)",
            "db.internal.acme.net",
            "db.acme.net:5432",
            "postgres:5432",
            "10.0.0.12:8080",
            "ops@acme.net",
            "eu-west-1",
            "europe-west1-b",
            "us-gov-east-1",
            "arn:aws:iam::123456789012:role/x",
            "1.27.3",
            "v2.10.0-rc.1",
            "nginx:1.27-alpine",
            "ghcr.io/acme/api:v1.2",
            "default",
            "disabled",
            "warning",
            "AKIAIOSFODNN7EXAMPLE",
            "your appPrivateKey",
            "yourWeak(!)Password",
            "UseDevelopmentStorage=true",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "password",
            "postgres",
            "12345678",
            "ssh-ed25519 AAAAC3NzaC1lZDI1",
            "pk_live_abcdef123456",
            "The password of the user",
            "env('DB_PASSWORD')",
            "DB_PASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "spring.datasource.password",
            "$.token.value",
            "^[a-z0-9]{8}$",
        ] {
            assert!(is_exempt(value, false), "{value}");
        }
        for value in [
            "grafana-admin-credentials",
            "client_secret_basic",
            "tokenSecretName",
        ] {
            assert!(is_exempt(value, true), "{value}");
        }
    }

    #[test]
    fn secrets_are_not() {
        for value in [
            "hunter2-Zq81",
            "Vx7kQ2mR9tLp",
            "f3b1c0d9e8a7f6b5c4d3e2f1a0b9c8d7",
            "$2b$12$abcdefghijklmnopqrstuv",
            "p@ssW0rd.Zq81",
            "A1B2_C3D4_E5F6_77",
            "3f1c2d9a-0b7e-4c55-9d1e-7a6b5c4d3e2f",
            "Zq81:hunter",
        ] {
            assert!(!is_exempt(value, true), "{value}");
        }
        assert!(!is_exempt(
            &format!("-----BEGIN PRIVATE {}-----\nAAAA\n-----END", "KEY"),
            true
        ));
    }
}

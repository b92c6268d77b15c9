//! Is this name with this value a secret in clear, and how bad is it where the file stands?
//!
//! Stands on the classifiers of names and values. What it adds is what manifests and charts are full of: names of other objects, keys
//! of Secrets, files and variables under names of secrets.

use std::ops::Range;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    model::{Confidence, Severity},
    policy::{
        environment::{Environments, Labels, Tier},
        names::{self, Secretness},
        values::{self, Strength, Value, classify},
    },
};

/// Who uses a file or an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Tests, examples, documentation.
    Fixture,
    /// Developers and automatic tests.
    Local,
    /// Nothing.
    Unknown,
    /// Production or a stage before it.
    Live,
}

/// A secret in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The bytes of the value that are the secret.
    pub(crate) part: Range<usize>,
    /// How hard it is to guess.
    pub(crate) strength: Strength,
    /// Whether it is made of words alone, so that it may be no secret after all.
    pub(crate) is_wordy: bool,
    /// Whether other secrets hang on it.
    pub(crate) is_master: bool,
}

impl Place {
    /// Returns what labels say.
    pub(crate) fn of(labels: &Labels) -> Self {
        match labels.tier() {
            Some(Tier::Fixture) => Self::Fixture,
            Some(Tier::Lower) => Self::Local,
            Some(Tier::Staging | Tier::Production) => Self::Live,
            Some(Tier::Base) | None => Self::Unknown,
        }
    }
}

/// Returns what a path says.
pub(crate) fn place(environments: &Environments, path: &str) -> Place {
    Place::of(&environments.of_path(path))
}

/// Tells what of a value under a name is a secret in clear, if anything is.
pub(crate) fn judge(name: &str, value: &str) -> Option<Judged> {
    if let Some(part) = credential(name, value) {
        let password = value.get(part.clone())?;
        let strength = match classify(password) {
            Value::Literal(strength) => strength,
            Value::Plain => Strength::Weak,
            _ => return None,
        };
        let is_wordy = is_wordy(password);
        return Some(Judged {
            part,
            strength,
            is_wordy,
            is_master: false,
        });
    }
    let secretness = names::secretness(name);
    let inner = value.trim();
    if secretness < Secretness::Strong || is_connection(name) || stands_for_another(name, inner) {
        return None;
    }
    let Value::Literal(strength) = classify(inner) else {
        return None;
    };
    if value.contains("://") && strength < Strength::Random || is_packed_placeholder(inner) {
        return None;
    }
    let start = value.len() - value.trim_start().len();
    Some(Judged {
        part: start..start + inner.len(),
        strength,
        is_wordy: is_wordy(inner),
        is_master: secretness == Secretness::Master,
    })
}

/// Says how bad a secret in clear is at a place. Weak values are told by the rule of default passwords and give nothing.
pub(crate) fn grade(judged: &Judged, place: Place) -> Option<(Severity, Confidence)> {
    let (severity, confidence) = match judged.strength {
        Strength::Weak => return None,
        Strength::Named if judged.is_wordy => (Severity::Medium, Confidence::Medium),
        Strength::Named => (Severity::High, Confidence::Medium),
        Strength::Random if judged.is_master => (Severity::Critical, Confidence::High),
        Strength::Random => (Severity::High, Confidence::High),
    };
    Some((at(severity, place), confidence))
}

/// Returns a severity as it is at a place.
pub(crate) fn at(severity: Severity, place: Place) -> Severity {
    match (place, severity) {
        (Place::Fixture, _) => Severity::Info,
        (Place::Local, Severity::Critical) => Severity::High,
        (Place::Local, Severity::High) => Severity::Medium,
        (Place::Local, _) => severity.min(Severity::Low),
        (Place::Unknown | Place::Live, _) => severity,
    }
}

/// Returns the password in an address or a connection string.
fn credential(name: &str, value: &str) -> Option<Range<usize>> {
    if value.len() > 4096 || value.contains('\n') {
        return None;
    }
    let within = |part: &str| {
        let start = (part.as_ptr() as usize).checked_sub(value.as_ptr() as usize)?;
        Some(start..start + part.len())
    };
    let is_weak_name = names::secretness(name) == Secretness::Weak;
    let rest = value.split_once("://").map(|(_, rest)| rest);
    let userinfo = match rest {
        Some(rest) => values::userinfo(rest),
        // Go's driver of MySQL: `user:password@tcp(host)/database`.
        None if is_weak_name => values::userinfo(value),
        None => None,
    };
    // With a slash in it it is rather a port, a path and a version.
    let userinfo = userinfo
        .filter(|password| !password.contains('/'))
        .and_then(within);
    let may_have_pairs = rest.is_some()
        || is_weak_name
        || is_connection(name)
        || names::is_secret(name) && value.contains(';');
    userinfo.or_else(|| may_have_pairs.then(|| pair(value)).flatten())
}

/// Returns the value of `password=` in a connection string or a query.
fn pair(value: &str) -> Option<Range<usize>> {
    let lower = value.to_ascii_lowercase();
    [
        "password=",
        "passwd=",
        "pwd=",
        "accountkey=",
        "sharedaccesskey=",
    ]
    .iter()
    .find_map(|key| {
        let at = lower.find(key)?;
        let is_start = lower
            .get(..at)?
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric());
        let start = at + key.len();
        let rest = value.get(start..)?;
        // An account's key ends in signs of equality, no password holds these.
        let end = rest
            .find([';', '&', ' ', '"', '\'', ','])
            .unwrap_or(rest.len());
        (is_start && end > 0).then_some(start..start + end)
    })
}

/// Tells whether a name is that of a connection string, whose value is a secret only with a password in it.
fn is_connection(name: &str) -> bool {
    let words = names::words(name);
    let last = words
        .iter()
        .rev()
        .map(String::as_str)
        .find(|word| !word.bytes().all(|b| b.is_ascii_digit()));
    last.is_some_and(|last| matches!(last, "string" | "str" | "dsn")) && words.len() >= 2
}

/// Tells whether a value is the address of a host or a net: `redis:6379`, `10.0.0.0/8`.
fn is_address(value: &str) -> bool {
    let is_host = |host: &str| {
        host.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
            && !host.is_empty()
    };
    let is_port =
        |port: &str| (2..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    value
        .rsplit_once(':')
        .is_some_and(|(host, port)| is_host(host) && is_port(port))
        || value.matches('.').count() >= 3
            && value
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'/' | b',' | b' '))
}

/// Tells whether a value is base64 of a text that asks to be replaced.
fn is_packed_placeholder(value: &str) -> bool {
    let decoded = STANDARD.decode(value).ok().filter(|_| value.len() <= 256);
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    text.is_some_and(|text| {
        text.bytes().all(|b| b.is_ascii_graphic()) && values::is_placeholder(&text)
    })
}

/// Tells whether a value is made of words without digits and capitals.
fn is_wordy(value: &str) -> bool {
    value
        .chars()
        .all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '_' | '.' | ' '))
}

/// Words in names of objects, of keys of Secrets and of variables.
const NAMES: [&str; 22] = [
    "secret",
    "secrets",
    "creds",
    "credential",
    "credentials",
    "token",
    "tokens",
    "key",
    "keys",
    "tls",
    "cert",
    "certs",
    "auth",
    "password",
    "passwords",
    "sa",
    "account",
    "config",
    "pw",
    "pwd",
    "pass",
    "passwd",
];

/// Last words of settings that name an object or a key which holds the secret.
const HOLDERS: [&str; 9] = [
    "secret",
    "secrets",
    "credential",
    "credentials",
    "creds",
    "key",
    "keys",
    "pat",
    "token",
];

/// Beginnings of values that tell programs where to look.
const STARTS: [&str; 12] = [
    "$__",
    "$$",
    "env:",
    "env.",
    "os.environ",
    "file:",
    "secret:",
    "secrets.",
    "ref:",
    "!",
    "@",
    "system:",
];

/// Endings of names of files.
const ENDS: [&str; 14] = [
    ".txt", ".json", ".yaml", ".yml", ".pem", ".key", ".crt", ".pub", ".jks", ".p12", ".env",
    ".conf", ".toml", ".ini",
];

/// Tells whether a value is rather the name of a thing that holds the secret: an object, a key of it, a variable, a file.
fn stands_for_another(name: &str, value: &str) -> bool {
    if STARTS.iter().any(|start| value.starts_with(start))
        || ENDS.iter().any(|end| value.ends_with(end))
        || value.split_whitespace().nth(3).is_some()
        || value.contains("{{")
        || is_address(value)
        // A hash behind a user: `user:$2y$...`.
        || value.split_once(':').is_some_and(|(_, rest)| classify(rest) == Value::Hash)
    {
        return true;
    }
    let words = names::words(value);
    let is_word = |word: &String| word.bytes().all(|b| b.is_ascii_alphabetic());
    let names_a_secret = words.iter().any(|word| NAMES.contains(&word.as_str()));
    let last = names::words(name).pop().unwrap_or_default();
    let is_holder = HOLDERS.contains(&last.as_str());
    let is_label = value.bytes().all(|b| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_' | b'/')
    });
    let is_variable = value
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && value.contains('_')
        && words.iter().filter(|word| is_word(word)).count() >= 2;
    let is_camel = value.bytes().all(|b| b.is_ascii_alphabetic())
        && words.len() >= 2
        && words.iter().all(|word| word.len() >= 3);
    let short_number = |word: &String| word.len() <= 2 && word.bytes().all(|b| b.is_ascii_digit());
    let is_words = words.iter().all(|word| is_word(word) || short_number(word));
    is_variable
        || is_label && is_words && (last == "key" || words.len() >= 2 && (names_a_secret || is_holder))
        || is_camel && names_a_secret
        // A class or a resource: `com.example.Provider`.
        || words.len() >= 3 && value.matches('.').count() >= 2 && words.iter().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_clear() {
        for (name, value, part) in [
            ("DB_PASSWORD", "hunter2-Zq81", "hunter2-Zq81"),
            ("db.password", " Vx7kQ2mR9tLp \n", "Vx7kQ2mR9tLp"),
            (
                "DATABASE_URL",
                "postgres://app:Zq81hunter@db/prod",
                "Zq81hunter",
            ),
            (
                "BACKEND",
                "https://app:Zq81hunter@api.example.net/v1",
                "Zq81hunter",
            ),
            ("DB_DSN", "app:Zq81hunter@tcp(db:3306)/shop", "Zq81hunter"),
            (
                "ConnectionString",
                "Server=db;User=app;Password=Zq81hunter;",
                "Zq81hunter",
            ),
            (
                "JDBC",
                "jdbc:mysql://db/shop?user=app&password=Zq81hunter",
                "Zq81hunter",
            ),
            ("adminPassword", "prom-operator", "prom-operator"),
        ] {
            let judged = judge(name, value).map(|judged| &value[judged.part]);
            assert_eq!(judged, Some(part), "{name}");
        }
    }

    #[test]
    fn what_only_stands_for_a_secret() {
        for (name, value) in [
            ("DB_PASSWORD", "$(OTHER)"),
            ("DB_PASSWORD", "/run/secrets/db"),
            ("DB_PASSWORD", "changeme"),
            ("passwordKey", "admin-password"),
            ("secretKey", "db-credentials"),
            ("passwordKey", "password"),
            ("tlsSecret", "wildcard-example-net"),
            ("auth-secret", "basic-auth"),
            ("credentials", "gcp-service-account"),
            ("token", "$__file{/etc/token}"),
            ("apiKey", "os.environ/API_KEY"),
            ("passwordVariable", "DB_PASSWORD"),
            ("token", "MY_APP_TOKEN"),
            ("credentials", "com.example.auth.DefaultProvider"),
            ("tlsKey", "server.key"),
            ("DATABASE_URL", "postgres://db:5432/shop"),
            ("DATABASE_URL", "postgres://$(USER):$(PASS)@db/shop"),
            ("CDN", "https://cdn.example.net:443/npm/kit@1.2.3"),
            ("HOST", "db.example.net"),
            ("cart.connectionString", "redis-cart:6379"),
            ("connectionString", "Server=db;Trusted_Connection=True"),
            ("masterKeyIps", "0.0.0.0/0"),
            ("registry.credentials", "app:$2y$10$abcdefghijklmnopqrstuv"),
            ("password", "another_pw"),
            ("staticClients.secret", "ZXhhbXBsZS1hcHAtc2VjcmV0"),
            ("password", "the password of the user of the database"),
            ("secret", "{{ .Values.x }}"),
        ] {
            assert_eq!(judge(name, value), None, "{name} {value}");
        }
    }

    #[test]
    fn places_by_path() {
        let environments = Environments::default();
        for (path, want) in [
            ("overlays/prod/app.yaml", Place::Live),
            ("chart/values-dev.yaml", Place::Local),
            ("chart/values.yaml", Place::Unknown),
            ("test/e2e/app.yaml", Place::Fixture),
            ("examples/app.yaml", Place::Fixture),
            ("latest/product.yaml", Place::Unknown),
        ] {
            assert_eq!(place(&environments, path), want, "{path}");
        }
    }

    #[test]
    fn values_and_places_grade() {
        let grade_of = |name, value, place| {
            grade(&judge(name, value).unwrap(), place).map(|(severity, _)| severity)
        };
        assert_eq!(
            grade_of("DB_PASSWORD", "hunter2-Zq81", Place::Unknown),
            Some(Severity::High)
        );
        assert_eq!(
            grade_of("DB_PASSWORD", "hunter2-Zq81", Place::Local),
            Some(Severity::Medium)
        );
        assert_eq!(
            grade_of("DB_PASSWORD", "hunter2-Zq81", Place::Fixture),
            Some(Severity::Info)
        );
        assert_eq!(grade_of("DB_PASSWORD", "password", Place::Live), None);
        assert_eq!(
            grade_of("MASTER_KEY", "Vx7kQ2mR9tLp4wZs", Place::Live),
            Some(Severity::Critical)
        );
    }
}

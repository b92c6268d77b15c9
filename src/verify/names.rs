//! Names that say that a value is no secret: the user, the host, the region beside a password.
//!
//! A leaked text that is only such a value opens nothing, and replacing it would break who reads it. Promises: a name that says
//! secret, password, token or key always counts, whatever else it says; a name that says nothing counts, too; so does a value that does not
//! look like what its name says (a whole file, a URL with a password, random letters under `database`).

use super::{bits, keys};

/// Words that make a value count, wherever they stand in its name.
const SECRET: [&str; 24] = [
    "apikey",
    "auth",
    "bearer",
    "code",
    "cookie",
    "cred",
    "creds",
    "hash",
    "jwt",
    "key",
    "keys",
    "otp",
    "pass",
    "pat",
    "pin",
    "private",
    "pw",
    "pwd",
    "salt",
    "seed",
    "session",
    "sig",
    "signature",
    "webhook",
];

/// The same, also inside of a word: `userpassword`, `DBPASSWD`.
const SECRET_INSIDE: [&str; 6] = [
    "credential",
    "passphrase",
    "passw",
    "privatekey",
    "secret",
    "token",
];

/// Last words that say by themselves what a value is (PostgreSQL's `libpq` parameters, the secrets of Amazon RDS, connection strings
/// of ADO.NET and JDBC).
const PLAIN: [&str; 26] = [
    "dbhost",
    "dbname",
    "dbuser",
    "hostname",
    "host",
    "hosts",
    "pgdatabase",
    "pghost",
    "pgport",
    "pguser",
    "port",
    "region",
    "servername",
    "sslca",
    "sslcert",
    "sslcrl",
    "sslmode",
    "sslrootcert",
    "uid",
    "user",
    "userid",
    "userinfo",
    "username",
    "users",
    "clientid",
    "tenantid",
];

/// Those of them under which keys of an API stand, too: basic authentication without a password. One that looks random counts.
const USERS: [&str; 6] = ["dbuser", "pguser", "user", "userinfo", "username", "users"];

/// Last words that say it of most values: a password may stand under the name of the system that it opens.
const LIKELY: [&str; 34] = [
    "account",
    "address",
    "addr",
    "bucket",
    "ca",
    "catalog",
    "cafile",
    "cert",
    "certfile",
    "certificate",
    "crt",
    "database",
    "db",
    "dialect",
    "directory",
    "domain",
    "driver",
    "email",
    "engine",
    "file",
    "filename",
    "folder",
    "identifier",
    "ip",
    "issuer",
    "login",
    "mail",
    "name",
    "path",
    "protocol",
    "realm",
    "server",
    "tenant",
    "zone",
];

/// First words of two that name somebody or something: `client_id`, `AccountId`.
const IDS: [&str; 16] = [
    "account",
    "app",
    "application",
    "client",
    "database",
    "directory",
    "instance",
    "org",
    "organization",
    "project",
    "subscription",
    "team",
    "tenant",
    "user",
    "workspace",
    "zone",
];

/// Last words of names whose value is a URL, which is no secret unless one is in it.
const URLS: [&str; 6] = ["endpoint", "issuer", "uri", "uris", "url", "urls"];

/// Words at the end that say which of several it is.
const WHICH: [&str; 12] = [
    "dev",
    "live",
    "main",
    "primary",
    "prod",
    "production",
    "qa",
    "replica",
    "secondary",
    "stage",
    "staging",
    "test",
];

/// Longest value that a name can make public, bytes: a host has 253, an address of mail 254 (RFC 1035, RFC 5321).
const LONGEST: usize = 255;

/// Tells whether a value is no secret by its name: that of a field, of a JSON leaf (a pointer), of a variable, of a parameter.
pub(super) fn is_public(name: &str, value: &[u8]) -> bool {
    let words = words(name);
    let Some(last) = words.last().map(String::as_str) else {
        return false;
    };
    let value = value.trim_ascii();
    if value.is_empty() || value.len() > LONGEST || value.contains(&b'\n') {
        return false;
    }
    if memchr::memmem::find(value, b"://").is_some() {
        let may_be_url = URLS.contains(&last) || PLAIN.contains(&last) || LIKELY.contains(&last);
        return may_be_url && is_bare_url(value);
    }
    let has = |sign: u8| value.contains(&sign);
    // A document, a list of settings, a user with a password before a host.
    let is_more = matches!(value.first(), Some(b'{' | b'[' | b'<'))
        || has(b'=')
        || has(b';')
        || has(b'@') && has(b':');
    if is_more || words.iter().any(|word| is_secret(word)) {
        return false;
    }
    let before = words.iter().rev().nth(1).map(String::as_str);
    let is_id = last == "id" && before.is_some_and(|before| IDS.contains(&before));
    is_id
        || PLAIN.contains(&last) && !(USERS.contains(&last) && looks_random(value))
        || LIKELY.contains(&last) && !looks_random(value)
        || URLS.contains(&last) && !looks_random(value) && value.contains(&b'.')
}

/// Tells the same of a value that is a whole key without fields. A key is often named for the system whose password it is: only names of
/// variables are names of values, and the few words that can mean nothing else.
pub(super) fn is_public_key_name(key: &str, value: &[u8]) -> bool {
    let name = key.rsplit(['/', ':']).next().unwrap_or_default();
    let is_variable = name.contains('_')
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let words = words(name);
    let last = words.last().map(String::as_str);
    let is_plain = matches!(
        last,
        Some("username" | "hostname" | "host" | "port" | "region")
    );
    (is_variable || is_plain) && is_public(name, value)
}

fn is_secret(word: &str) -> bool {
    SECRET.contains(&word) || SECRET_INSIDE.iter().any(|inside| word.contains(inside))
}

/// Returns the words of a name in lower case, without numbers and what tells one of several at the end. Of a JSON pointer, those of its
/// last step that is no number.
fn words(name: &str) -> Vec<String> {
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let step = name.rsplit('/').find(|step| !is_number(step));
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for letter in step.unwrap_or_default().chars() {
        let begins = !last.is_alphanumeric() || last.is_lowercase() && letter.is_uppercase();
        if letter.is_alphanumeric() {
            if begins {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(letter.to_lowercase());
            }
        }
        last = letter;
    }
    while words.len() > 1
        && words
            .last()
            .is_some_and(|word| is_number(word) || WHICH.contains(&word.as_str()))
    {
        words.pop();
    }
    if let Some(word) = words.last_mut() {
        word.truncate(word.trim_end_matches(|c: char| c.is_ascii_digit()).len());
    }
    words
}

/// Tells whether a URL has neither user nor query nor a step that could be a secret (as those of chats' web hooks have).
fn is_bare_url(value: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(value, b"://") else {
        return false;
    };
    let rest = value.get(at + 3..).unwrap_or_default();
    let is_plain = rest
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~:/,[]".contains(b));
    let mut steps = rest.split(|b| *b == b'/').skip(1);
    // Half of the least strength that is compared: what is so weak is a word.
    is_plain
        && steps.all(|step| bits::estimate(step) < 40 || !looks_random(step) && step.len() < 24)
}

/// Tells whether a value looks made by a generator: a long run of letters in which case and digits change again and again.
fn looks_random(value: &[u8]) -> bool {
    if keys::is_public(value) {
        return false;
    }
    let class = |b: &u8| match b {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    };
    value.split(|b| !b.is_ascii_alphanumeric()).any(|run| {
        let changes = run.windows(2).filter(|two| match two {
            [one, other] => class(one) != class(other),
            _ => false,
        });
        let changes = changes.count();
        run.len() >= 10 && changes >= 3 || run.len() >= 32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_hosts_and_their_like_are_no_secrets() {
        for (name, value) in [
            ("username", "billing_service_rw"),
            ("/username", "billing_service_rw"),
            ("/db/0/userName", "billing_service_rw"),
            ("DB_USER_PROD", "billing_service_rw"),
            ("User Id", "billing_service_rw"),
            ("host", "db-prod-7.c9akciq32abc.eu-west-1.rds.amazonaws.com"),
            (
                "/hosts/1",
                "db-prod-7.c9akciq32.eu-west-1.rds.amazonaws.com",
            ),
            ("PGHOST", "db-prod-7.c9akciq32.eu-west-1.rds.amazonaws.com"),
            ("db.host2", "db-prod-7.internal.example"),
            ("sslrootcert", "/etc/ssl/acme-internal-ca.pem"),
            ("tls_cert_path", "/etc/ssl/acme-internal-ca.pem"),
            ("AZURE_CLIENT_ID", "8f14e45f-ceea-467f-a0e6-0123456789ab"),
            ("tenantId", "8f14e45f-ceea-467f-a0e6-0123456789ab"),
            ("database", "billing_production_2"),
            ("dbInstanceIdentifier", "billing-production-2"),
            ("email", "billing-service@acme.example"),
            (
                "login_url",
                "https://login.acme-billing.example/oauth2/v2.0",
            ),
            (
                "token_url",
                "https://login.acme-billing.example/oauth2/v2.0",
            ),
        ] {
            assert!(is_public(name, value.as_bytes()), "{name} {value}");
        }
    }

    #[test]
    fn what_could_be_a_secret_counts() {
        for (name, value) in [
            ("", "kT9vLm2qPzXw7RbN"),
            ("password", "billing_service_rw"),
            ("user_password", "billing_service_rw"),
            ("userPassword", "billing_service_rw"),
            ("USERPASSWORD", "billing_service_rw"),
            ("host_key", "billing_service_rw"),
            ("user_token", "billing_service_rw"),
            ("client_secret", "billing_service_rw"),
            ("session_id", "billing_service_rw"),
            ("access_key_id", "billing_service_rw"),
            ("app", "billing_service_rw"),
            ("user_data", "billing_service_rw"),
            ("database", "kT9vLm2qPzXw7RbN"),
            ("login", "kT9vLm2qPzXw7RbN"),
            ("file", "line one\nline two of a file"),
            ("database", "postgres://billing:kT9vLm2q@db.example/x"),
            ("host", "https://billing:kT9vLm2q@db.example/x"),
            (
                "endpoint",
                "https://hooks.example/services/T00/B00/kT9vLm2qPzXw7RbNsWc81Jdp",
            ),
            ("url", "https://db.example/x?sig=kT9vLm2q"),
            ("database", r#"{"password":"kT9vLm2q"}"#),
            ("server", "Server=db.example;Password=kT9vLm2q"),
            ("host", "billing:kT9vLm2q@db.example"),
        ] {
            assert!(!is_public(name, value.as_bytes()), "{name} {value}");
        }
    }

    #[test]
    fn a_key_without_fields_is_named_for_its_system_more_often_than_for_its_value() {
        let value = b"billing_service_rw";
        for (key, expected) in [
            (".env/DB_USER", true),
            ("prod/billing/username", true),
            ("prod/billing/user", false),
            ("prod/billing/database", false),
            (".env/DB_PASSWORD", false),
            (".env/DATABASE", false),
        ] {
            assert_eq!(is_public_key_name(key, value), expected, "{key}");
        }
    }
}

//! What kind of value it is: the secret itself, or something that stands for it.
//!
//! Promise: the answer depends on the text of the value alone, and is linear in it.

mod shapes;

use shapes::{has_extension, is_compound, is_instruction, is_round};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, null, or quotes without content.
    Empty,
    /// A word that asks to be replaced: `changeme`, `<token>`, `xxx`, `your-key`.
    Placeholder,
    /// `true`, `no`, a number, a duration.
    Plain,
    /// The address of the secret in a store or in the platform's own settings.
    Reference(Store),
    /// Filled in when it is used: `${X}`, `{{ x }}`, `$(x)`, `%(x)s`.
    Template,
    /// The secret in encrypted form.
    Encrypted,
    /// The hash of a password.
    Hash,
    /// An address without credentials in it.
    Url,
    /// A path of files.
    Path,
    /// The text of a public key or certificate.
    Public,
    /// The value itself.
    Literal(Strength),
}

/// How hard a literal is to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// A known default, a word, or too short.
    Weak,
    /// A password that a person might choose.
    Named,
    /// Random: a provider's format, or at least 80 bits by the bytes it has.
    Random,
}

/// Which store or platform a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// `HashiCorp` Vault and `OpenBao`.
    Vault,
    /// AWS Secrets Manager.
    AwsSecretsManager,
    /// AWS Systems Manager parameters.
    AwsSsm,
    /// Google Secret Manager.
    GcpSecretManager,
    /// Azure Key Vault.
    AzureKeyVault,
    /// 1Password.
    OnePassword,
    /// Kubernetes secrets.
    Kubernetes,
    /// Secrets of the CI platform.
    Ci,
    /// Others: Doppler, Infisical, Akeyless, Conjur, Bitwarden, Keeper, sops files.
    Other,
}

/// Values that are known to everybody or to anybody who tries: defaults of images, words of tutorials. Compared in lower case.
const WEAK: [&str; 118] = [
    "password",
    "passwd",
    "pass",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "password1",
    "password12",
    "password123",
    "password1234",
    "password!",
    "pa55word",
    "secret",
    "secret123",
    "secretkey",
    "secret-key",
    "secret_key",
    "topsecret",
    "supersecret",
    "super-secret",
    "super_secret",
    "supersecretkey",
    "mysecret",
    "my-secret",
    "my_secret",
    "mysecretpassword",
    "mypassword",
    "mypass",
    "admin",
    "admin1",
    "admin123",
    "admin1234",
    "adminpass",
    "adminpassword",
    "administrator",
    "root",
    "root123",
    "toor",
    "rootpass",
    "rootpassword",
    "default",
    "guest",
    "test",
    "test123",
    "test1234",
    "testing",
    "testpass",
    "testpassword",
    "test-token",
    "testtoken",
    "demo",
    "demo123",
    "dev",
    "devpass",
    "devpassword",
    "development",
    "local",
    "localhost",
    "user",
    "user123",
    "username",
    "letmein",
    "qwerty",
    "qwerty123",
    "qwertyuiop",
    "abc123",
    "abcd1234",
    "abcdef",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "111111",
    "000000",
    "123123",
    "654321",
    "welcome",
    "welcome1",
    "welcome123",
    "iloveyou",
    "monkey",
    "dragon",
    "master",
    "hunter2",
    "trustno1",
    "changeit",
    "postgres",
    "postgresql",
    "postgrespw",
    "mysql",
    "mariadb",
    "mongo",
    "mongodb",
    "redis",
    "rabbitmq",
    "rabbit",
    "minio",
    "minioadmin",
    "minio123",
    "elastic",
    "grafana",
    "keycloak",
    "wordpress",
    "drupal",
    "django",
    "rails",
    "laravel",
    "symfony",
    "nextcloud",
    "sonar",
    "jenkins",
    "oracle",
    "sa",
    "s3cr3t",
    "s3cret",
    "foobar",
    "foo",
];

/// Words that ask to be replaced, anywhere in a value of words.
const ASKS: [&str; 33] = [
    "unset_",
    "please",
    "_override",
    "changeme",
    "change-me",
    "change_me",
    "changethis",
    "change-this",
    "change_this",
    "replaceme",
    "replace-me",
    "replace_me",
    "replace-with",
    "replace_with",
    "replacewith",
    "your-",
    "your_",
    "yourpassword",
    "yoursecret",
    "yourkey",
    "yourtoken",
    "insert-",
    "insert_",
    "todo",
    "fixme",
    "placeholder",
    "redacted",
    "example",
    "dummy",
    "sample",
    "not-set",
    "notset",
    "to-be-",
];

/// Tells what a value is: its decoded text, quotes undone.
#[must_use]
pub fn classify(value: &str) -> Value {
    let value = value.trim();
    if value.is_empty()
        || matches!(
            value,
            "\"\"" | "''" | "null" | "~" | "nil" | "None" | "undefined"
        )
    {
        return Value::Empty;
    }
    if let Some(store) = reference(value) {
        return Value::Reference(store);
    }
    if is_encrypted(value) {
        return Value::Encrypted;
    }
    if is_template(value) {
        return Value::Template;
    }
    if is_hash(value) {
        return Value::Hash;
    }
    if is_public(value) {
        return Value::Public;
    }
    if let Some((_, rest)) = value.split_once("://") {
        return match userinfo(rest) {
            Some(password) => match classify(password) {
                Value::Literal(strength) => Value::Literal(strength),
                Value::Plain => Value::Literal(Strength::Weak),
                other => other,
            },
            None if rest.contains("password=") || rest.contains("sig=") => {
                Value::Literal(strength(value))
            }
            None => Value::Url,
        };
    }
    if is_placeholder(value) {
        return Value::Placeholder;
    }
    if is_plain(value) {
        return Value::Plain;
    }
    if is_path(value) {
        return Value::Path;
    }
    Value::Literal(strength(value))
}

/// Returns the password of what follows `://`, if there is one: `user:password@host`.
#[must_use]
pub fn userinfo(rest: &str) -> Option<&str> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A password may hold a `/` or `#` that somebody forgot to encode: the last `@` of the whole counts then.
    let (info, _) = authority.rsplit_once('@').or_else(|| {
        let (info, host) = rest.rsplit_once('@')?;
        (!info.contains(char::is_whitespace) && !host.is_empty()).then_some((info, host))
    })?;
    let (_, password) = info.split_once(':')?;
    (!password.is_empty() && !password.contains(char::is_whitespace)).then_some(password)
}

/// Tells what a value is that stands where `$` fills in nothing: in single quotes of a shell, behind a `$` that escapes it. What is the name of a
/// variable all the same is left to be filled in by something else.
#[must_use]
pub fn verbatim(value: &str) -> Value {
    let known = classify(value);
    if known != Value::Template || !value.contains('$') {
        return known;
    }
    let names = value.trim().trim_start_matches('$');
    let names = names
        .trim_start_matches(['{', '('])
        .trim_end_matches(['}', ')']);
    let is_name = |c: char| matches!(c, 'A'..='Z' | '0'..='9' | '_');
    let text = value.replace('$', "!");
    match classify(&text) {
        Value::Literal(strength @ (Strength::Named | Strength::Random))
            if !names.chars().all(is_name) && is_mixed(value) =>
        {
            Value::Literal(strength)
        }
        _ => known,
    }
}

/// Tells whether a text behind a `$` is too random for the name of a variable.
fn is_no_name(name: &str) -> bool {
    let has = |test: fn(&u8) -> bool| name.bytes().any(|b| test(&b));
    let has_all =
        has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    name.len() >= 8 && has_all && is_mixed(name)
}

/// Tells whether the value is the secret itself.
#[must_use]
pub fn is_literal(value: &str) -> bool {
    matches!(classify(value), Value::Literal(_))
}

/// Tells whether a value is known to everybody, as `password` and `postgres`.
#[must_use]
pub fn is_weak(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    WEAK.contains(&lower.as_str())
        || lower.chars().count() < 6
        || lower.chars().all(|c| lower.starts_with(c))
        || is_row(&lower)
}

/// Tells whether a value is a row of keys or digits: `12345678`, `qwertyui`, `abcdefgh`.
fn is_row(value: &str) -> bool {
    let rows = [
        "01234567890",
        "09876543210",
        "abcdefghijklmnopqrstuvwxyz",
        "qwertyuiop",
        "asdfghjkl",
        "zxcvbnm",
    ];
    value.len() >= 4 && (rows.iter().any(|row| row.contains(value)) || is_round(value))
}

fn strength(value: &str) -> Strength {
    if is_compound(&value.to_ascii_lowercase()) {
        return Strength::Weak;
    }
    if is_weak(value) || is_weak(value.trim_end_matches(|c: char| c.is_ascii_digit() || c == '!')) {
        return Strength::Weak;
    }
    let length = value.chars().count();
    // A text of several words is a sentence, not a value.
    let bits = entropy(value) * length as f64;
    let kinds = [
        value.chars().any(|c| c.is_ascii_lowercase()),
        value.chars().any(|c| c.is_ascii_uppercase()),
        value.chars().any(|c| c.is_ascii_digit()),
        value.chars().any(|c| !c.is_ascii_alphanumeric()),
    ];
    let kinds = kinds.into_iter().filter(|has| *has).count();
    if length >= 16 && bits >= 56.0 && entropy(value) >= 3.0 && kinds >= 2 && has_mixed_run(value) {
        Strength::Random
    } else if length >= 8 && (kinds >= 2 || length >= 12) || length >= 6 && kinds >= 3 {
        Strength::Named
    } else {
        Strength::Weak
    }
}

/// Tells whether letters and digits change often, as they do in random text and not in words.
fn has_mixed_run(value: &str) -> bool {
    changes(value) * 6 >= value.len()
}

/// Tells whether they change as often as in no name of a variable.
fn is_mixed(value: &str) -> bool {
    changes(value) * 4 >= value.len()
}

/// Returns how often letters and digits, small and capital, change.
fn changes(value: &str) -> usize {
    let bytes = value.as_bytes();
    let class = |b: u8| match b {
        b'0'..=b'9' => 1,
        b'A'..=b'Z' => 2,
        b'a'..=b'z' => 3,
        _ => 0,
    };
    bytes
        .windows(2)
        .filter(|two| {
            let (a, b) = (class(two[0]), class(two[1]));
            // A capital before a small letter begins a word.
            a != b && a != 0 && b != 0 && !(a == 2 && b == 3)
        })
        .count()
}

/// Returns the entropy of a text in bits per character.
#[must_use]
pub fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = value.len().max(1) as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// Returns the store that a value is an address in.
#[must_use]
pub fn reference(value: &str) -> Option<Store> {
    const STARTS: [(&str, Store); 39] = [
        ("vault:", Store::Vault),
        ("vault://", Store::Vault),
        ("ref+vault://", Store::Vault),
        ("secretref+vault://", Store::Vault),
        ("bao://", Store::Vault),
        ("hcvault://", Store::Vault),
        ("op://", Store::OnePassword),
        ("ref+op://", Store::OnePassword),
        ("awssm:", Store::AwsSecretsManager),
        ("aws-sm:", Store::AwsSecretsManager),
        ("aws_secretsmanager:", Store::AwsSecretsManager),
        ("awssecret:", Store::AwsSecretsManager),
        ("arn:aws:secretsmanager:", Store::AwsSecretsManager),
        ("arn:aws:ssm:", Store::AwsSsm),
        ("ref+awssecrets://", Store::AwsSecretsManager),
        ("ref+awsssm://", Store::AwsSsm),
        ("{{resolve:secretsmanager:", Store::AwsSecretsManager),
        ("{{resolve:ssm-secure:", Store::AwsSsm),
        ("{{resolve:ssm:", Store::AwsSsm),
        ("ssm:", Store::AwsSsm),
        ("${ssm:", Store::AwsSsm),
        ("${aws-ssm:", Store::AwsSsm),
        ("sm://", Store::GcpSecretManager),
        ("gcp-sm:", Store::GcpSecretManager),
        ("gcpsm://", Store::GcpSecretManager),
        ("ref+gcpsecrets://", Store::GcpSecretManager),
        ("@microsoft.keyvault(", Store::AzureKeyVault),
        ("keyvault:", Store::AzureKeyVault),
        // A secret of an Azure Container App, by its name.
        ("secretref:", Store::Other),
        ("ref+azurekeyvault://", Store::AzureKeyVault),
        ("infisical://", Store::Other),
        ("doppler:", Store::Other),
        ("akeyless:", Store::Other),
        ("bws:", Store::Other),
        ("bws://", Store::Other),
        ("conjur:", Store::Other),
        ("keeper://", Store::Other),
        ("ref+sops://", Store::Other),
        ("enc-file:", Store::Other),
    ];
    let lower = value
        .get(..40.min(value.len()))
        .unwrap_or(value)
        .to_ascii_lowercase();
    if let Some((_, store)) = STARTS.iter().find(|(start, _)| lower.starts_with(start)) {
        return Some(*store);
    }
    if lower.starts_with("projects/") && value.contains("/secrets/") {
        return Some(Store::GcpSecretManager);
    }
    let inner = value
        .strip_prefix("${{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .map(str::trim);
    if inner.is_some_and(|inner| inner.starts_with("secrets.") || inner.starts_with("secrets[")) {
        return Some(Store::Ci);
    }
    None
}

fn is_template(value: &str) -> bool {
    let pairs = [
        ("${", "}"),
        ("{{", "}}"),
        ("$(", ")"),
        ("%(", ")s"),
        ("<%", "%>"),
        ("#{", "}"),
        ("((", "))"),
        ("$[", "]"),
        ("@@", "@@"),
        ("{%", "%}"),
    ];
    let whole_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    pairs.iter().any(|(open, close)| {
        value
            .split_once(open)
            .is_some_and(|(_, rest)| rest.contains(close))
    }) || value
        .strip_prefix('$')
        .is_some_and(|name| whole_name(name) && !name.starts_with(|c: char| c.is_ascii_digit()) && !is_no_name(name))
        || value
            .strip_prefix('%')
            .and_then(|rest| rest.strip_suffix('%'))
            // `%NAME%` of Windows, `%kernel.secret%` and `%env(NAME)%` of Symfony.
            .is_some_and(|name| whole_name(&name.replace(['.', ':', '(', ')'], "_")))
        || value.strip_prefix("$env:").is_some_and(whole_name)
        // A part of a longer text that was cut at a blank: `password={{ x }}`.
        || ["{{", "<%", "{%"].iter().any(|open| value.starts_with(open))
        || value.starts_with("!Ref")
        || value.starts_with("process.env.")
        || value.starts_with("env(") && value.ends_with(')')
        || (value.starts_with("__") && value.ends_with("__") && whole_name(value))
}

fn is_encrypted(value: &str) -> bool {
    let starts = [
        "ENC[",
        "$ANSIBLE_VAULT;",
        "encrypted:",
        "{cipher}",
        "ENC(",
        "age1",
        "-----BEGIN AGE ENCRYPTED",
        "-----BEGIN PGP MESSAGE",
        "enc:",
        "vault:v1:",
        "secure:",
        "v1:AES",
        "crypt:",
        "kms:",
        "AQICAH",
    ];
    starts.iter().any(|start| value.starts_with(start))
        // A sealed secret: a two-byte length and an RSA block in base64.
        || (value.starts_with("Ag") && value.len() >= 300
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)))
}

fn is_hash(value: &str) -> bool {
    let starts = [
        "$2a$",
        "$2b$",
        "$2x$",
        "$2y$",
        "$argon2",
        "$scrypt$",
        "$pbkdf2",
        "pbkdf2_sha",
        "$6$",
        "$5$",
        "$1$",
        "$y$",
        "$7$",
        "{SSHA",
        "{SHA",
        "{CRYPT}",
        "{BCRYPT}",
        "{bcrypt}",
        "sha256:",
        "sha512:",
        "sha1:",
        "md5:",
        "bcrypt:",
        "SCRAM-SHA-",
        "$apr1$",
        "scrypt:",
        "$$2y$$",
        "argon2",
    ];
    starts.iter().any(|start| value.starts_with(start))
}

fn is_public(value: &str) -> bool {
    let starts = [
        "-----BEGIN PUBLIC KEY",
        "-----BEGIN CERTIFICATE",
        "-----BEGIN RSA PUBLIC KEY",
        "-----BEGIN PGP PUBLIC KEY",
        "ssh-rsa ",
        "ssh-ed25519 ",
        "ecdsa-sha2-",
        "pk_live_",
        "pk_test_",
    ];
    starts.iter().any(|start| value.starts_with(start))
}

/// Tells whether a value asks to be replaced.
#[must_use]
pub fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let asks = |ask: &&str| lower.contains(*ask);
    let is_filler = |c: char| matches!(c, 'x' | '*' | '.' | '-' | '_' | '#' | '0' | '?');
    (lower.starts_with('<') && lower.ends_with('>'))
        || (lower.starts_with('[') && lower.ends_with(']'))
        || (lower.starts_with('{') && lower.ends_with('}') && !lower.contains('"'))
        || lower.chars().all(is_filler)
        || (lower.len() >= 8 && lower.matches("xxx").count() > 0 && lower.contains("xxxx"))
        || lower.contains("...")
        || lower.contains('…')
        || matches!(
            lower.as_str(),
            "tbd"
                | "n/a"
                | "na"
                | "unset"
                | "none"
                | "unused"
                | "empty"
                | "fake"
                | "mock"
                | "string"
                | "secret-here"
                | "token-here"
                | "password-here"
                | "xxx"
                | "value"
                | "none-set"
                | "required"
                | "optional"
                | "hidden"
        )
        // One look at its letters before a hundred for words: most values of dense files have them mixed.
        || (!has_mixed_run(value)
            && (ASKS.iter().any(asks)
                || (lower.contains("here") && lower.contains(['-', '_', ' ']))))
        || is_instruction(&lower)
        || ((lower.starts_with("my-")
            || lower.starts_with("my_")
            || lower.starts_with("some-")
            || lower.starts_with("some_"))
            && !lower.bytes().any(|b| b.is_ascii_digit()))
}

fn is_plain(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    if matches!(
        lower.as_str(),
        "true"
            | "false"
            | "yes"
            | "no"
            | "on"
            | "off"
            | "enabled"
            | "disabled"
            | "always"
            | "never"
            | "auto"
            | "inherit"
    ) {
        return true;
    }
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let is_number = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || b == b'.' || b == b'-')
    };
    // Long numbers may be somebody's password.
    is_number(digits) && digits.len() <= 5 && lower.len() - digits.len() <= 7
}

fn is_path(value: &str) -> bool {
    let starts = ["/", "./", "../", "~/", "file:", "$HOME/", "C:\\", "%"];
    let is_file = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_.-~:\\@ ".contains(&b))
    };
    (starts.iter().any(|start| value.starts_with(start))
        && is_file(value)
        && value.matches('/').count() + value.matches('\\').count() >= 1
        && !(value.len() > 30 && has_mixed_run(value)))
        || (value.matches('/').count() >= 2 && is_file(value) && !has_mixed_run(value))
        || (value.contains('/') && is_file(value) && has_extension(value))
}

/// Returns the text that a value stands for if it is base64.
#[must_use]
pub fn decoded(value: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.trim());
    let text = String::from_utf8(bytes.ok()?).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_by_strength() {
        for (value, strength) in [
            ("hunter2-Zq81", Strength::Named),
            ("password", Strength::Weak),
            ("postgres", Strength::Weak),
            ("root", Strength::Weak),
            ("admin123", Strength::Weak),
            ("Vx7kQ2mR9tLp4wZs", Strength::Random),
            ("f3b1c0d9e8a7f6b5c4d3e2f1a0b9c8d7", Strength::Random),
            ("correct horse battery", Strength::Named),
            ("postgres://app:Zq81hunter@db/prod", Strength::Named),
        ] {
            assert_eq!(classify(value), Value::Literal(strength), "{value}");
        }
    }

    #[test]
    fn what_stands_for_a_secret() {
        for (value, want) in [
            ("", Value::Empty),
            ("~", Value::Empty),
            ("changeme", Value::Placeholder),
            ("<your token>", Value::Placeholder),
            ("your-api-key-here", Value::Placeholder),
            ("xxxxxxxx", Value::Placeholder),
            ("true", Value::Plain),
            ("3600", Value::Plain),
            ("30s", Value::Plain),
            ("${DB_PASSWORD}", Value::Template),
            ("{{ .Values.password }}", Value::Template),
            ("$DB_PASSWORD", Value::Template),
            ("%(password)s", Value::Template),
            ("{{", Value::Template),
            ("%env(APP_SECRET)%", Value::Template),
            ("%kernel.secret%", Value::Template),
            ("${{ secrets.TOKEN }}", Value::Reference(Store::Ci)),
            (
                "vault:secret/data/prod/db#password",
                Value::Reference(Store::Vault),
            ),
            (
                "op://vault/item/field",
                Value::Reference(Store::OnePassword),
            ),
            (
                "projects/p/secrets/s/versions/latest",
                Value::Reference(Store::GcpSecretManager),
            ),
            (
                "{{resolve:secretsmanager:prod/db:SecretString:password}}",
                Value::Reference(Store::AwsSecretsManager),
            ),
            (
                "@Microsoft.KeyVault(SecretUri=https://x)",
                Value::Reference(Store::AzureKeyVault),
            ),
            ("ENC[AES256_GCM,data:abc]", Value::Encrypted),
            ("$2b$12$abcdefghijklmnopqrstuv", Value::Hash),
            ("https://example.org/token", Value::Url),
            ("postgres://db:5432/app", Value::Url),
            ("postgres://app:${PW}@db/app", Value::Template),
            ("/run/secrets/db_password", Value::Path),
            ("relay/shop-keys.json", Value::Path),
        ] {
            assert_eq!(classify(value), want, "{value}");
        }
    }

    #[test]
    fn a_sign_that_fills_in_nothing_is_text() {
        for value in ["$aB3xK9wQ2mR7t", "aB3${x}K9wQ2mR", "aB3$(x)K9wQ2mR"] {
            assert!(matches!(verbatim(value), Value::Literal(_)), "{value}");
        }
        assert!(is_literal("$aB3xK9wQ2mR7t"));
        for value in [
            "$DB_PASSWORD",
            "${S3_KEY2}",
            "$(cat /run/secrets/db)",
            "prefix-${x}-suffix",
            "${{ secrets.X }}",
            "$dbPassword2",
        ] {
            assert!(!matches!(verbatim(value), Value::Literal(_)), "{value}");
            assert!(!is_literal(value), "{value}");
        }
    }

    #[test]
    fn sentences_to_who_deploys_are_placeholders() {
        for value in [
            "Replace after rollout",
            "set by hand later",
            "To be filled in by ops",
            "change this before launch",
            "update the value manually",
        ] {
            assert_eq!(classify(value), Value::Placeholder, "{value}");
        }
        for value in [
            "set-Zq81hunter",
            "change horse battery",
            "add 7kQ2mR9tLp it",
            "correct horse battery",
        ] {
            assert_ne!(classify(value), Value::Placeholder, "{value}");
        }
    }

    #[test]
    fn references_of_container_apps() {
        assert_eq!(
            classify("secretref:shop-queue-key"),
            Value::Reference(Store::Other)
        );
    }

    #[test]
    fn words_that_everybody_writes_first_are_weak_together() {
        for value in [
            "secretpassword",
            "rootsecretpassword",
            "mydbpassword",
            "SuperSecretToken",
        ] {
            assert_eq!(classify(value), Value::Literal(Strength::Weak), "{value}");
        }
        for value in [
            "hunter2-Zq81password",
            "shopkeeperpassword",
            "Vx7kQ2mR9tLp-token",
        ] {
            assert_ne!(classify(value), Value::Literal(Strength::Weak), "{value}");
        }
    }

    #[test]
    fn rows_that_go_round_are_weak() {
        for value in [
            "0123456789abcdef0123456789abcdef",
            "12345678901234567890123456789012",
            "abcdefghijklmnopqrstuvwxyzabcdef",
        ] {
            assert_eq!(classify(value), Value::Literal(Strength::Weak), "{value}");
        }
        assert_ne!(
            classify("0123456789abcdef0123456789abcdfe"),
            Value::Literal(Strength::Weak)
        );
    }

    #[test]
    fn passwords_of_addresses() {
        assert_eq!(userinfo("user:pw@host/x"), Some("pw"));
        assert_eq!(userinfo("user@host"), None);
        assert_eq!(userinfo("host:5432/x"), None);
        assert_eq!(userinfo(":pw@host"), Some("pw"));
        assert_eq!(userinfo("u:a/b@host/x"), Some("a/b"));
    }
}

//! Is this the name of a secret? By whole words, never by parts of them.
//!
//! `DB_PASSWORD`, `dbPassword` and `db.password` are names of secrets; `PASSWORD_FILE`, `tokenTtl`, `ENABLE_KEY_USAGES`,
//! `authelia` and `tokenizers` are not. Promise: the answer depends on the name alone.

/// How surely a name is that of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secretness {
    /// It is not.
    No,
    /// Its value is a secret if it holds credentials (`DATABASE_URL`).
    Weak,
    /// It is.
    Strong,
    /// It is, and other secrets hang on it (`MASTER_KEY`, `ENCRYPTION_KEY`, `SECRET_KEY_BASE`).
    Master,
}

/// Words that name a secret.
const STRONG: [&str; 26] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "pwd",
    "pword",
    "pass",
    "secret",
    "secrets",
    "token",
    "apikey",
    "apitoken",
    "authtoken",
    "accesstoken",
    "credential",
    "credentials",
    "creds",
    "privatekey",
    "secretkey",
    "accesskey",
    "psk",
    "pat",
    "jwt",
    "userpass",
    "requirepass",
];

/// Pairs of words that name one.
const PAIRS: [(&str, &str); 24] = [
    ("api", "key"),
    ("access", "key"),
    ("private", "key"),
    ("signing", "key"),
    ("account", "key"),
    ("auth", "key"),
    ("service", "key"),
    ("session", "key"),
    ("shared", "key"),
    ("storage", "key"),
    ("deploy", "key"),
    ("ssh", "key"),
    ("license", "key"),
    ("subscription", "key"),
    ("write", "key"),
    ("app", "key"),
    ("application", "key"),
    ("client", "key"),
    ("connection", "string"),
    ("conn", "str"),
    ("sas", "token"),
    ("webhook", "key"),
    ("sa", "key"),
    ("basic", "auth"),
];

/// Pairs on which other secrets hang.
const MASTER: [(&str, &str); 7] = [
    ("master", "key"),
    ("encryption", "key"),
    ("encrypt", "key"),
    ("crypt", "key"),
    ("secret", "key"),
    ("kms", "key"),
    ("unseal", "key"),
];

/// Pairs whose value is a secret only if it holds credentials.
const WEAK: [(&str, &str); 12] = [
    ("database", "url"),
    ("db", "url"),
    ("redis", "url"),
    ("mongo", "url"),
    ("mongodb", "uri"),
    ("mongo", "uri"),
    ("postgres", "url"),
    ("amqp", "url"),
    ("broker", "url"),
    ("smtp", "url"),
    ("database", "uri"),
    ("db", "dsn"),
];

/// Last words that make a name one of something about a secret. `url` and `uri` of a strong name are told by the value.
const TAILS: [&str; 114] = [
    "file",
    "files",
    "path",
    "paths",
    "dir",
    "directory",
    "folder",
    "name",
    "names",
    "id",
    "ids",
    "arn",
    "url",
    "uri",
    "version",
    "versions",
    "type",
    "types",
    "usage",
    "usages",
    "ttl",
    "expiry",
    "expires",
    "expiration",
    "expire",
    "enabled",
    "enable",
    "disabled",
    "disable",
    "length",
    "len",
    "size",
    "header",
    "headers",
    "method",
    "algorithm",
    "algo",
    "alg",
    "endpoint",
    "endpoints",
    "issuer",
    "rotation",
    "policy",
    "policies",
    "public",
    "hint",
    "prompt",
    "regex",
    "pattern",
    "count",
    "limit",
    "limits",
    "ref",
    "refs",
    "reference",
    "mount",
    "mode",
    "format",
    "prefix",
    "suffix",
    "field",
    "fields",
    "label",
    "labels",
    "class",
    "provider",
    "store",
    "manager",
    "engine",
    "backend",
    "required",
    "optional",
    "timeout",
    "interval",
    "minutes",
    "seconds",
    "days",
    "hours",
    "ms",
    "lifetime",
    "age",
    "digits",
    "env",
    "var",
    "variable",
    "status",
    "state",
    "source",
    "scope",
    "scopes",
    "audience",
    "claim",
    "claims",
    "kind",
    "rules",
    "config",
    "settings",
    "location",
    "encoding",
    "filename",
    "filenames",
    "description",
    "descriptions",
    "realm",
    "body",
    "username",
    "usernames",
    "extra",
    "extras",
    "option",
    "options",
    "params",
    "parameters",
    "arguments",
];

/// First words that do the same: `ENABLE_PASSWORD`, `PUBLIC_KEY`.
const HEADS: [&str; 34] = [
    "need",
    "needs",
    "enable",
    "enabled",
    "disable",
    "disabled",
    "use",
    "uses",
    "has",
    "is",
    "no",
    "allow",
    "require",
    "requires",
    "skip",
    "show",
    "hide",
    "public",
    "publishable",
    "max",
    "min",
    "number",
    "num",
    "reset",
    "forgot",
    "change",
    "generate",
    "ignore",
    "check",
    "validate",
    "existing",
    "path",
    "auto",
    "automount",
];

/// Words anywhere in a name that take its meaning: public values, and things that only sound like secrets.
const CANCEL: [&str; 14] = [
    "public",
    "publishable",
    "example",
    "sample",
    "fake",
    "dummy",
    "gpg",
    "fingerprint",
    "checksum",
    "keyring",
    "keyrings",
    "tokenizer",
    "tokenizers",
    "csrf",
];

/// Splits a name at `_ - . / : [ ]`, blanks, changes of case and edges of digits, in lower case.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let last = at.checked_sub(1).and_then(|at| chars.get(at));
        let next = chars.get(at + 1);
        let is_edge = match last {
            Some(last) if c.is_uppercase() => {
                last.is_lowercase()
                    || last.is_ascii_digit()
                    || (last.is_uppercase() && next.is_some_and(|next| next.is_lowercase()))
            }
            Some(last) => c.is_ascii_digit() != last.is_ascii_digit() && last.is_alphanumeric(),
            None => false,
        };
        if is_edge || !c.is_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Tells whether a key, a variable's name or the last part of a path of keys is the name of a secret.
#[must_use]
pub fn secretness(name: &str) -> Secretness {
    if !may_be_secret(name) {
        return Secretness::No;
    }
    let words = bare_words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(last) = words.last() else {
        return Secretness::No;
    };
    if words.iter().any(|word| CANCEL.contains(word)) || words.windows(2).any(is_none) {
        return Secretness::No;
    }
    let pair = |table: &[(&str, &str)]| {
        words
            .windows(2)
            .any(|two| table.contains(&(two[0], two[1])))
    };
    if words.len() > 1 && pair(&WEAK) && matches!(*last, "url" | "uri" | "dsn") {
        return Secretness::Weak;
    }
    let is_url = matches!(*last, "url" | "uri" | "dsn");
    if TAILS.contains(last) && !is_url {
        return Secretness::No;
    }
    let first = words.first().copied().unwrap_or_default();
    if words.len() > 1 && HEADS.contains(&first) {
        return Secretness::No;
    }
    let named = words.iter().any(|word| is_strong(word)) && !only_in_front(&words)
        || pair(&PAIRS)
        || words.last() == Some(&"pw");
    if is_url {
        return if named {
            Secretness::Weak
        } else {
            Secretness::No
        };
    }
    if pair(&MASTER) || name.eq_ignore_ascii_case("secret_key_base") {
        Secretness::Master
    } else if named {
        Secretness::Strong
    } else {
        Secretness::No
    }
}

/// Returns the words of a name without numbers and the way its value is written, which say nothing: `PASSWORD_2`, `TOKEN_B64`.
fn bare_words(name: &str) -> Vec<String> {
    let mut words = words(name);
    loop {
        let is_number = |word: &String| word.chars().all(|c| c.is_ascii_digit());
        let drop = match words.as_slice() {
            [_, .., how, n] if matches!(how.as_str(), "b" | "base") && is_number(n) => 2,
            [_, .., n] if is_number(n) => 1,
            [_, .., how]
                if matches!(
                    how.as_str(),
                    "hex" | "plain" | "plaintext" | "value" | "text"
                ) =>
            {
                1
            }
            _ => break,
        };
        words.truncate(words.len() - drop);
    }
    words
}

/// Tells whether a name holds the beginning of any word that could make it one of a secret: most names do not, and need not be taken
/// apart.
fn may_be_secret(name: &str) -> bool {
    // Other letters may become these in lower case.
    if !name.is_ascii() {
        return true;
    }
    let bytes = name.as_bytes();
    let lower = |at: usize| bytes.get(at).map_or(0, u8::to_ascii_lowercase);
    (0..bytes.len()).any(|at| {
        let two = || (lower(at + 1), lower(at + 2));
        match lower(at) {
            b'p' => matches!(two(), (b'a', b's' | b't') | (b'w', _) | (b's', b'k')),
            b's' => two() == (b'e', b'c'),
            b't' => two() == (b'o', b'k'),
            b'k' => two() == (b'e', b'y'),
            b'c' => matches!(two(), (b'r', b'e') | (b'o', b'n')),
            b'j' => two() == (b'w', b't'),
            b'a' => two() == (b'u', b't'),
            b'u' => matches!(two(), (b'r', b'l' | b'i')),
            b'd' => two() == (b's', b'n'),
            _ => false,
        }
    })
}

/// Tells whether two words name something else together: `pull_secret` names one, and nginx passes requests on by `proxy_pass`.
fn is_none(two: &[&str]) -> bool {
    matches!(
        two,
        ["pull", "secret" | "secrets"]
            | [
                "proxy" | "fastcgi" | "uwsgi" | "scgi" | "grpc" | "memcached",
                "pass"
            ]
    )
}

/// Tells whether a word names a secret, alone or as the end of a compound (`pgpassword`).
fn is_strong(word: &str) -> bool {
    STRONG.contains(&word)
        || ["password", "passwd", "apikey", "secretkey"]
            .iter()
            .any(|end| word.ends_with(end))
}

/// Tells whether the only strong word stands before a word that is no part of a secret's name (`pass through`, `token bucket`,
/// `pat name`): the strong word must be last, or be followed by what secrets are for.
fn only_in_front(words: &[&str]) -> bool {
    const MAY_FOLLOW: [&str; 27] = [
        "key",
        "token",
        "secret",
        "password",
        "string",
        "value",
        "prod",
        "production",
        "staging",
        "stage",
        "dev",
        "development",
        "test",
        "testing",
        "local",
        "qa",
        "uat",
        "new",
        "old",
        "current",
        "previous",
        "live",
        "sandbox",
        "ci",
        "base",
        "data",
        "json",
    ];
    let Some(at) = words.iter().rposition(|word| is_strong(word)) else {
        return false;
    };
    words
        .get(at + 1..)
        .unwrap_or_default()
        .iter()
        .any(|word| !MAY_FOLLOW.contains(word) && !word.chars().all(|c| c.is_ascii_digit()))
}

/// Tells whether the name of a value says that it is a secret, whatever the value.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    secretness(name) >= Secretness::Strong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_case_digits_and_signs() {
        assert_eq!(words("DB_PASSWORD"), ["db", "password"]);
        assert_eq!(words("dbPassword2"), ["db", "password", "2"]);
        assert_eq!(words("AWSSecretKey"), ["aws", "secret", "key"]);
        assert_eq!(
            words("spring.datasource.password"),
            ["spring", "datasource", "password"]
        );
    }

    #[test]
    fn each_word_begins_as_such_words_do() {
        let pairs = PAIRS.iter().chain(&MASTER).chain(&WEAK);
        let pairs = pairs.map(|(a, b)| format!("{a}_{b}"));
        let words = STRONG.iter().map(|word| (*word).to_owned());
        let more = ["pw", "url", "uri", "dsn", "pgpassword"].map(str::to_owned);
        for word in pairs.chain(words).chain(more) {
            assert!(may_be_secret(&word), "{word}");
            assert!(may_be_secret(&word.to_uppercase()), "{word}");
        }
        assert!(!may_be_secret("replicas"));
    }

    #[test]
    fn names_of_secrets() {
        for name in [
            "DB_PASSWORD",
            "dbPassword",
            "MYSQL_ROOT_PASSWORD",
            "API_KEY",
            "apiKey",
            "GITHUB_TOKEN",
            "client_secret",
            "AWS_SECRET_ACCESS_KEY",
            "spring.datasource.password",
            "PGPASSWORD",
            "STRIPE_SECRET_KEY",
            "NPM_TOKEN",
            "private_key",
            "smtp.pass",
            "PASSWORD_PROD",
            "REDIS_PASSWORD_2",
            "connectionString",
            "AZURE_CREDENTIALS",
            "GCP_SA_KEY",
            "redis.requirepass",
            "TOKEN_B64",
            "db_pw",
            "MYSQL_PWD",
            "SECRET_KEY_BASE",
            "jwtSecret",
            "DOCKER_PASS",
        ] {
            assert!(is_secret(name), "{name}: {:?}", words(name));
        }
    }

    #[test]
    fn names_about_secrets_are_none() {
        for name in [
            "PASSWORD_FILE",
            "tokenTtl",
            "ENABLE_DEFAULT_CA_KEY_USAGES",
            "KEY_DIR",
            "SSH_KEY_PATH",
            "authelia",
            "tokenizers",
            "secretName",
            "token_endpoint_auth_method",
            "PUBLIC_KEY",
            "GPG_KEY",
            "passwordPolicy",
            "basic_auth_username",
            "fastcgi_pass",
            "proxy_pass",
            "pathPrivateKey",
            "db_connection_string_extras",
            "tokenUsername",
            "SECRET_NAME",
            "aws_secret_arn",
            "JWT_ALGORITHM",
            "token_type",
            "existingSecret",
            "USE_TOKEN",
            "NEED_ARB_SECRET",
            "compass",
            "bypass",
            "keyboard",
            "monkey",
            "publishableKey",
            "passThrough",
            "max_tokens",
            "existingSecretPasswordKey",
            "TOKEN_BUCKET",
            "key",
            "author",
            "PASSWORD_MIN_LENGTH",
            "csrf_token",
            "automountServiceAccountToken",
            "imagePullSecrets",
            "secretKeyRef",
            "private_key_filename",
            "kms_key_description",
            "basic_auth_realm",
        ] {
            assert!(!is_secret(name), "{name}: {:?}", words(name));
        }
        assert_eq!(secretness("DATABASE_URL"), Secretness::Weak);
        assert_eq!(secretness("MASTER_KEY"), Secretness::Master);
        assert_eq!(secretness("SECRET_KEY_BASE"), Secretness::Master);
    }
}

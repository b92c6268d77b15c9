//! Which names in program text are those of secret values. Stricter than `policy::names`: program text is full of names *about*
//! secrets (functions, types, messages), and compilers have tokens and passes.

use crate::policy::names::{self, Secretness, words};

/// Words anywhere in a name that make it one of a function, a message, a part of a form, or of something that is safe to show.
const ABOUT: &[&str] = &[
    "error",
    "err",
    "errors",
    "exception",
    "hash",
    "hashed",
    "hasher",
    "digest",
    "mask",
    "masked",
    "redact",
    "redacted",
    "encrypted",
    "cipher",
    "obfuscated",
    "sanitized",
    "hidden",
    "invalid",
    "missing",
    "wrong",
    "bad",
    "empty",
    "unexpected",
    "expected",
    "verify",
    "verified",
    "validate",
    "valid",
    "validator",
    "check",
    "get",
    "set",
    "update",
    "create",
    "delete",
    "remove",
    "fetch",
    "load",
    "find",
    "parse",
    "decode",
    "read",
    "write",
    "with",
    "without",
    "needs",
    "need",
    "want",
    "wants",
    "should",
    "can",
    "did",
    "does",
    "must",
    "is",
    "has",
    "show",
    "prompt",
    "ask",
    "regex",
    "re",
    "label",
    "title",
    "placeholder",
    "message",
    "msg",
    "form",
    "input",
    "field",
    "element",
    "el",
    "node",
    "button",
    "page",
    "component",
    "view",
    "dialog",
    "modal",
    "screen",
    "len",
    "strength",
    "score",
    "policy",
    "manager",
    "provider",
    "type",
    "env",
    "help",
    "usage",
    "desc",
    "description",
    "supports",
    "on",
    "handle",
    "make",
    "no",
    "default",
    "log",
    "safe",
    "display",
    "public",
    "fake",
    "test",
];

/// What a token or secret that grants something is called after.
const GRANTING: &[&str] = &[
    "access",
    "auth",
    "api",
    "bearer",
    "refresh",
    "github",
    "gh",
    "gitlab",
    "slack",
    "bot",
    "npm",
    "pypi",
    "jwt",
    "user",
    "admin",
    "oauth",
    "oauth2",
    "personal",
    "deploy",
    "service",
    "app",
    "vault",
    "webhook",
    "login",
    "security",
    "client",
    "shared",
    "session",
    "signing",
    "consumer",
    "totp",
    "otp",
    "mfa",
    "id",
    "registry",
    "docker",
    "aws",
    "azure",
    "gcp",
    "hub",
    "discord",
    "telegram",
    "twilio",
    "stripe",
    "sentry",
    "datadog",
    "cloudflare",
    "root",
    "account",
    "sas",
    "device",
    "hf",
    "jira",
    "bitbucket",
    "sudo",
    "superuser",
];

/// Whose `pass` and `pwd` is a password.
const OWNERS: &[&str] = &[
    "db", "database", "user", "root", "admin", "smtp", "mysql", "redis", "pg", "postgres", "ftp",
    "sftp", "mail", "email", "http", "proxy", "basic", "login", "mongo", "rabbitmq", "ldap",
    "imap", "ssh", "sql", "amqp", "service",
];

/// Pairs of words that name a key.
const KEYS: &[(&str, &str)] = &[
    ("api", "key"),
    ("private", "key"),
    ("secret", "key"),
    ("signing", "key"),
    ("encryption", "key"),
    ("master", "key"),
    ("conn", "str"),
    ("connection", "string"),
];

/// Tells whether a name alone says that its value is a secret.
pub(super) fn is_certain(name: &str) -> bool {
    let mut words = words(name);
    while words.len() > 1
        && words.last().is_some_and(|word| {
            word.chars().all(|c| c.is_ascii_digit())
                || matches!(
                    word.as_str(),
                    "prod"
                        | "staging"
                        | "plain"
                        | "plaintext"
                        | "value"
                        | "str"
                        | "string"
                        | "bytes"
                        | "raw"
                )
        })
        && !words.ends_with(&["connection".to_owned(), "string".to_owned()])
        && !words.ends_with(&["conn".to_owned(), "str".to_owned()])
    {
        words.pop();
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((last, front)) = words.split_last() else {
        return false;
    };
    if !names::is_secret(name) || words.iter().any(|word| ABOUT.contains(word)) {
        return false;
    }
    let after = |list: &[&str]| front.iter().any(|word| list.contains(word));
    match *last {
        "passphrase" | "passcode" | "passwort" | "pword" | "passwd" | "userpass"
        | "requirepass" | "apikey" | "apitoken" | "authtoken" | "accesstoken" | "privatekey"
        | "secretkey" => true,
        "token" | "tokens" | "secret" | "jwt" | "pat" => after(GRANTING),
        "pass" | "pwd" => after(OWNERS),
        "pw" => front.is_empty() || after(OWNERS),
        "key" | "string" | "str" => front.last().is_some_and(|before| {
            KEYS.contains(&(*before, *last)) || *before == "access" && front.contains(&"secret")
        }),
        word => word.ends_with("password") || word.ends_with("apikey"),
    }
}

/// Tells whether a header of a request by this name holds credentials.
pub(super) fn is_credential_header(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization")
}

/// Tells whether an object of this name holds the headers of a request, or is the request.
pub(super) fn holds_headers(object: &str) -> bool {
    matches!(
        object,
        "headers" | "header" | "Header" | "Headers" | "req" | "request"
    )
}

/// Tells whether a name is that of an address that may hold a password.
pub(super) fn is_address(name: &str) -> bool {
    let words = words(name);
    let is_about = words.iter().any(|word| ABOUT.contains(&word.as_str()));
    let is_dsn = words.last().is_some_and(|word| word == "dsn")
        && !words.iter().any(|word| word == "sentry");
    !is_about
        && (names::secretness(name) == Secretness::Weak
            && !names::is_secret(name)
            && has_database(&words)
            || is_dsn)
}

/// Tells whether an address is one of a server that asks for a password in it.
fn has_database(words: &[String]) -> bool {
    words.iter().any(|word| {
        matches!(
            word.as_str(),
            "database" | "db" | "redis" | "mongo" | "mongodb" | "postgres" | "amqp" | "broker"
        )
    })
}

/// Tells whether members of an object of this name are messages, names, kinds or parts of forms, not values.
pub(super) fn holds_no_values(object: &str) -> bool {
    const LAST: &[&str] = &[
        "errors",
        "error",
        "err",
        "touched",
        "messages",
        "message",
        "msg",
        "labels",
        "label",
        "i18n",
        "t",
        "strings",
        "text",
        "texts",
        "placeholders",
        "validators",
        "validation",
        "fields",
        "field",
        "columns",
        "schema",
        "types",
        "type",
        "kind",
        "enum",
        "flags",
        "consts",
        "constants",
        "const",
        "paths",
        "urls",
        "routes",
        "route",
        "rules",
        "form",
        "forms",
        "styles",
        "classes",
        "refs",
        "icons",
        "keys",
        "names",
        "status",
        "code",
        "codes",
        "event",
        "events",
        "action",
        "actions",
        "scope",
        "syntax",
        "meta",
    ];
    let words = words(object);
    words
        .last()
        .is_some_and(|last| LAST.contains(&last.as_str()))
}

/// Tells whether an object of this name holds settings.
pub(super) fn holds_settings(object: &str) -> bool {
    let words = words(object);
    // `configService` of NestJS.
    let is_service = matches!(words.as_slice(), [.., config, service] if config == "config" && service == "service");
    is_service
        || words.last().is_some_and(|last| {
            matches!(
                last.as_str(),
                "config"
                    | "conf"
                    | "cfg"
                    | "configuration"
                    | "settings"
                    | "viper"
                    | "secrets"
                    | "options"
                    | "opts"
                    | "vault"
                    | "env"
                    | "credentials"
            )
        })
}

/// Tells whether a variable of this name is what may be shown of a secret.
pub(super) fn is_shown_safely(name: &str) -> bool {
    words(name).iter().any(|word| {
        matches!(
            word.as_str(),
            "log"
                | "safe"
                | "masked"
                | "mask"
                | "redacted"
                | "sanitized"
                | "display"
                | "hidden"
                | "obfuscated"
                | "hashed"
                | "hash"
        )
    })
}

/// Tells whether a variable of this name holds the name, id or place of a thing, whatever it was read from.
pub(super) fn is_of_a_name(name: &str) -> bool {
    let words = words(name);
    let is_place = words.len() > 1 && words.first().is_some_and(|first| first == "path");
    is_place
        || words.last().is_some_and(|last| {
            matches!(
                last.as_str(),
                "name"
                    | "id"
                    | "arn"
                    | "path"
                    | "file"
                    | "dir"
                    | "count"
                    | "len"
                    | "length"
                    | "type"
            )
        })
}

/// Tells whether a text that a constant of a secret's name holds is itself only a name: of a variable, a header, a field.
pub(super) fn is_only_a_name(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    text.contains(char::is_whitespace)
        || text.len() < 4
        || text.chars().all(is_word)
            && (!text.chars().any(|c| c.is_ascii_digit()) || names::is_secret(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_values() {
        for name in [
            "password",
            "db_password",
            "dbPassword",
            "DB_PASSWORD",
            "api_key",
            "apiKey",
            "accessToken",
            "github_token",
            "client_secret",
            "pw",
            "dbPass",
            "secretAccessKey",
            "privateKey",
            "jwtSecret",
            "connection_string",
            "password2",
            "userPassword",
            "API_KEY_PROD",
            "passphrase",
            "bearerToken",
            "confirmPassword",
        ] {
            assert!(is_certain(name), "{name}");
        }
    }

    #[test]
    fn names_of_other_things() {
        for name in [
            "token",
            "tokens",
            "nextToken",
            "current_token",
            "secret",
            "secrets",
            "pass",
            "render_pass",
            "pat",
            "password_hash",
            "hashedPassword",
            "maskedToken",
            "errInvalidPassword",
            "invalid_api_key",
            "validatePassword",
            "passwordField",
            "password_input",
            "token_count",
            "tokenType",
            "PASSWORD_MIN_LENGTH",
            "getAccessToken",
            "showPassword",
            "storageKey",
            "session_key",
            "primary_key",
            "sshKey",
            "passwordPrompt",
            "tls_secret",
            "pull_secret",
            "unexpectedToken",
            "pwd",
            "credentials",
            "public_key",
            "shouldResetPassword",
        ] {
            assert!(!is_certain(name), "{name}");
        }
    }
}

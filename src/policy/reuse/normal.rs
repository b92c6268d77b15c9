//! From what is written to the secret in it: the password of an address, of a connection string, of a header.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{
    super::{
        names::{self, Secretness},
        values,
    },
    forms,
};

/// A secret in a text.
pub(super) struct Found {
    /// The secret itself.
    pub value: Zeroizing<String>,
    /// Where in the text it stands; the whole if it was decoded.
    pub part: Range<usize>,
    /// The host that it is for.
    pub host: Option<String>,
    /// Whether it is the client's end of a connection.
    pub is_client: bool,
}

/// Returns the secret that a text under a name holds; `None` if the name says nothing and the text has no place for one. `is_secret` says
/// that every text in this place is one (`data` of a `Secret`).
pub(super) fn secret(
    name: &str,
    secretness: Secretness,
    text: &str,
    is_secret: bool,
) -> Option<Found> {
    address(text)
        .or_else(|| pairs(text, ';'))
        .or_else(|| keywords(text))
        .or_else(|| header(name, secretness, text))
        .or_else(|| account(text))
        .or_else(|| named(name, secretness, text, is_secret))
}

/// Returns the variable and the place of the value of a text that is nothing but a variable with one for where it is not set:
/// `${NAME:-value}`, `${NAME-value}`, and with `is_spring` `${NAME:value}`.
pub(super) fn default_of(text: &str, is_spring: bool) -> Option<(&str, Range<usize>)> {
    let inner = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let end = inner.find(|c: char| !is_part(c))?;
    let (name, rest) = inner.split_at(end);
    let value = match rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-')) {
        Some(value) => value,
        // `${env:NAME}`, `${sys:name}` and their like name where something stands.
        None if is_spring && (name.contains(['_', '.']) || !name.contains(char::is_lowercase)) => {
            rest.strip_prefix(':')?
        }
        None => return None,
    };
    let start = text.find("${")? + 2 + inner.len() - value.len();
    (!name.is_empty() && !value.is_empty()).then_some((name, start..start + value.len()))
}

fn found(text: &str, part: &str, host: Option<&str>) -> Found {
    // A part of the text: its place is that of its first byte.
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    Found {
        value: Zeroizing::new(part.to_owned()),
        part: start..(start + part.len()).min(text.len()),
        host: host.map(str::to_owned),
        is_client: true,
    }
}

/// `scheme://user:password@host`, and `user:password@tcp(host)` of Go.
fn address(text: &str) -> Option<Found> {
    if let Some((_, rest)) = text.split_once("://") {
        let password = values::userinfo(rest)?;
        let host = rest
            .rsplit_once('@')
            .map(|(_, host)| host.split(['/', '?', '#']).next().unwrap_or_default());
        let mut found = found(text, password, host);
        if let Ok(plain) = String::from_utf8(forms::unpercent(password)) {
            found.value = Zeroizing::new(plain);
        }
        return Some(found);
    }
    let (user, host) = text.split_once("@tcp(")?;
    let (_, password) = user.split_once(':')?;
    let host = host.split([')', ':']).next();
    (!password.is_empty()).then(|| found(text, password, host))
}

/// `Server=x;User Id=y;Password=z` of ADO, `AccountKey=z` of Azure.
fn pairs(text: &str, sign: char) -> Option<Found> {
    let mut password = None;
    let mut host = None;
    let mut count = 0;
    for pair in text.split(sign) {
        let Some((key, value)) = pair.split_once('=') else {
            continue;
        };
        count += 1;
        let key: String = key
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
            .to_ascii_lowercase();
        let value = value.trim();
        match key.as_str() {
            "password" | "pwd" | "accountkey" | "sharedaccesskey" if !value.is_empty() => {
                password = Some(value)
            }
            "server" | "datasource" | "host" | "addr" | "accountname" => host = Some(value),
            _ => {}
        }
    }
    (count >= 2).then_some(())?;
    password.map(|password| found(text, password.trim_matches(['"', '\'']), host))
}

/// `host=x user=y password=z` of libpq.
fn keywords(text: &str) -> Option<Found> {
    let is_dsn = text.contains("password=") && (text.contains("host=") || text.contains("dbname="));
    let is_row = is_dsn && text.split_whitespace().all(|pair| pair.contains('='));
    is_row.then_some(())?;
    let value = |key: &str| {
        text.split_whitespace()
            .find_map(|pair| pair.strip_prefix(key))
    };
    found(text, value("password=")?.trim_matches('\''), value("host=")).into()
}

/// `Bearer x`, `Basic x`.
fn header(name: &str, secretness: Secretness, text: &str) -> Option<Found> {
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    let is_one = !token.contains(char::is_whitespace) && !token.is_empty();
    let is_named = names::words(name)
        .last()
        .is_some_and(|last| last == "authorization" || last == "auth")
        || secretness >= Secretness::Strong;
    if !is_one || !is_named {
        return None;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => Some(found(text, token, None)),
        "basic" => {
            let mut found = found(text, token, None);
            let plain = forms::base64_text(token)?;
            let (_, password) = plain.split_once(':')?;
            found.value = Zeroizing::new(password.to_owned());
            Some(found)
        }
        _ => None,
    }
}

/// The private key of a service account's JSON within a text.
fn account(text: &str) -> Option<Found> {
    if !(text.trim_start().starts_with('{') && text.contains("\"private_key\"")) {
        return None;
    }
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let private = json.get("private_key")?.as_str()?;
    Some(Found {
        value: Zeroizing::new(private.to_owned()),
        part: 0..text.len(),
        host: None,
        is_client: true,
    })
}

fn named(name: &str, secretness: Secretness, text: &str, is_secret: bool) -> Option<Found> {
    let is_about = || {
        matches!(
            names::words(name).last().map(String::as_str),
            Some("user" | "username" | "login" | "host" | "port" | "email" | "crt" | "cert")
        )
    };
    if secretness < Secretness::Strong && (!is_secret || is_about()) {
        return None;
    }
    let trimmed = text.trim();
    // A connection string without a password.
    if trimmed.split(';').filter(|pair| pair.contains('=')).count() >= 2 {
        return None;
    }
    let mut found = found(text, trimmed, None);
    found.is_client = false;
    let words = names::words(name);
    let is_encoded = matches!(words.as_slice(), [.., how, n] if matches!(how.as_str(), "b" | "base") && n == "64");
    if is_encoded && let Some(plain) = forms::base64_text(trimmed) {
        found.value = Zeroizing::new(plain.trim_end().to_owned());
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(name: &str, text: &str, is_secret: bool) -> Option<Found> {
        secret(name, names::secretness(name), text, is_secret)
    }

    #[test]
    fn values_for_where_a_variable_is_not_set() {
        let shown = |text, is_spring| {
            default_of(text, is_spring)
                .map(|(name, part): (&str, Range<usize>)| (name, &text[part]))
        };
        for (text, is_spring, want) in [
            ("${A:-hunter2-Zq81}", false, Some(("A", "hunter2-Zq81"))),
            (" ${A_B-hunter2-Zq81} ", true, Some(("A_B", "hunter2-Zq81"))),
            ("${a.b:hunter2-Zq81}", true, Some(("a.b", "hunter2-Zq81"))),
            ("${A:hunter2-Zq81}", false, None),
            ("${env:hunter2-Zq81}", true, None),
            ("${A:?set it}", false, None),
            ("${A}", true, None),
            ("${A:-}", true, None),
            ("x ${A:-b}", true, None),
        ] {
            assert_eq!(shown(text, is_spring), want, "{text}");
        }
    }

    const FOUND: &[(&str, &str, &str, Option<&str>)] = &[
        ("DB_PASSWORD", "hunter2-Zq81\n", "hunter2-Zq81", None),
        (
            "X",
            "postgres://app:hunter2-Zq81@db.prod/app",
            "hunter2-Zq81",
            Some("db.prod"),
        ),
        (
            "X",
            "postgres://app:p%40ss-Zq81@db/app",
            "p@ss-Zq81",
            Some("db"),
        ),
        (
            "X",
            "redis://:hunter2-Zq81@cache:6379/0",
            "hunter2-Zq81",
            Some("cache:6379"),
        ),
        (
            "X",
            "app:hunter2-Zq81@tcp(db:3306)/app",
            "hunter2-Zq81",
            Some("db"),
        ),
        (
            "Default",
            "Server=db;User Id=app;Password=hunter2-Zq81;",
            "hunter2-Zq81",
            Some("db"),
        ),
        (
            "X",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=aHVudGVyMi1acTgx==",
            "aHVudGVyMi1acTgx==",
            Some("a"),
        ),
        (
            "X",
            "host=db user=app password=hunter2-Zq81",
            "hunter2-Zq81",
            Some("db"),
        ),
        ("Authorization", "Bearer hunter2-Zq81", "hunter2-Zq81", None),
        (
            "authorization",
            "Basic YXBwOmh1bnRlcjItWnE4MQ==",
            "hunter2-Zq81",
            None,
        ),
        ("TOKEN_B64", "aHVudGVyMi1acTgx", "hunter2-Zq81", None),
        ("TOKEN_BASE64", "aHVudGVyMi1acTgxCg==", "hunter2-Zq81", None),
        ("json", "{\"private_key\": \"k-Zq81\"}", "k-Zq81", None),
    ];

    #[test]
    fn finds_the_secret() {
        for (name, text, want, host) in FOUND {
            let found = of(name, text, false).unwrap_or_else(|| panic!("{name} {text}"));
            assert_eq!(found.value.as_str(), *want, "{name} {text}");
            assert_eq!(found.host.as_deref(), *host, "{name} {text}");
        }
        for (name, text) in [
            ("USER", "hunter2-Zq81"),
            ("X", "https://a.b/c"),
            ("X", "a=b;c=d"),
            ("LOG", "Bearer of news"),
            ("PASSWORD_FILE", "x"),
            ("connectionString", "Host=db;Database=app;Username=app"),
        ] {
            assert!(of(name, text, false).is_none(), "{name} {text}");
        }
        assert!(of("session", "hunter2-Zq81", true).is_some());
        assert!(of("username", "hunter2-Zq81", true).is_none());
    }

    proptest! {
        #[test]
        fn never_panics_and_parts_lie_within(name in "[a-zA-Z_0-9]{0,12}", text in "(://|@|:|;|=|password|host|Bearer |é|[ -~]){0,16}") {
            if let Some(found) = of(&name, &text, true) {
                prop_assert!(text.get(found.part).is_some());
            }
        }
    }
}

//! Which files are read at all: most files of general formats hold nothing that a lint looks for, and a parser takes ten times as long for
//! a byte as a search for words.
//!
//! Promises: kinds that are about one tool always pass; what does not pass holds no name of a secret with a value beside it, no
//! address with a password in it, and no sign of a format whose lints need more than that; time in proportion to the text.

use std::{collections::HashMap, ops::Range, sync::OnceLock};

use aho_corasick::AhoCorasick;

use super::{
    kind::{FileKind, is_for_people},
    names::{Secretness, secretness},
    search::{Search, Short, caseless},
};

/// Words for secrets and their places, for formats that are searched for words alone.
const HINTS: [&str; 28] = [
    "pass",
    "secret",
    "token",
    "pwd",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "private",
    "access_key",
    "accesskey",
    "accountkey",
    "access-key",
    "vault",
    "jwt",
    "environ",
    "process.env",
    "_url",
    "://",
    "connectionstring",
    "connection_string",
    "apiversion",
    "hosts:",
    "auth",
    "dsn",
    "_key",
    "_pw",
    "_pat",
];

/// The words that JSON is searched for; a bar stands where a name may begin a new word.
const WORDS: [&str; 21] = [
    // What manifests of Kubernetes begin with: as a name whose value is a text.
    "api|version",
    // Signs of formats whose lints look at more than names: manifests, stacks, templates, keys of services.
    "AWSTemplateFormatVersion",
    "AWS::",
    "Custom::",
    "deploymentTemplate.json",
    "deploymentParameters.json",
    "service_account",
    "private key",
    "\"auth\"",
    // A name may be written so.
    "\\u00",
    // What stands before the host of an address, as some write it.
    ":\\/\\/",
    ":/\\/",
    ":\\//",
    // Words of which names of secrets are made; each name holds one of them, or of the short ones.
    "pass",
    "pword",
    "secret",
    "token",
    "cred",
    "auth",
    "conn",
    "string",
];

/// The number of the sign of manifests, of the first sign behind it that always passes, and of the first word of an address.
const VERSION: usize = 0;
const ADDRESS: usize = 10;

/// The number of the first word of names.
const NAME: usize = ADDRESS + 3;

/// Short words: the sign of an address, then those of names.
const SHORT: [Short; 9] = [
    Short::new("://", 0),
    Short::new("pw", 0),
    Short::new("key", 1),
    Short::new("psk", 1),
    Short::new("pat", 0),
    Short::new("jwt", 0),
    Short::new("url", 0),
    Short::new("uri", 0),
    Short::new("dsn", 1),
];

/// Bytes of the longest name that is looked at.
const LONGEST: usize = 120;

/// Tells whether a file may hold anything that a lint looks for.
pub(super) fn passes(kind: FileKind, path: &str, bytes: &[u8]) -> bool {
    match kind {
        // Fields of this file have no names.
        _ if path.ends_with(".pgpass") => true,
        // Translations.
        FileKind::Json if is_for_people(&path.to_ascii_lowercase()) => {
            holds_key_in_quotes(bytes) && json(bytes)
        }
        FileKind::Json => json(bytes),
        // Resources of Android.
        FileKind::Xml if path.contains("/res/values") => hints(bytes) && holds_key(bytes),
        FileKind::Yaml
        | FileKind::Toml
        | FileKind::Xml
        | FileKind::Properties
        | FileKind::Shell
        | FileKind::Makefile => hints(bytes),
        // Kinds that are about one tool, and program text, which has a gate of its own.
        _ => true,
    }
}

fn hints(bytes: &[u8]) -> bool {
    static HINTED: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let hints = HINTED.get_or_init(|| caseless(&HINTS));
    hints.as_ref().is_none_or(|hints| hints.is_match(bytes))
}

/// Texts for people stand beside names of all sorts: a key among them is one long word with digits.
fn holds_key(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'>', bytes).any(|at| {
        // What is longer is no text for people, either.
        const LONGEST_KEY: usize = 256;
        let mut rest = bytes.get(at + 1..).unwrap_or_default().trim_ascii_start();
        if let Some(comment) = rest.strip_prefix(b"<!--") {
            let comment = comment
                .get(..comment.len().min(LONGEST_KEY))
                .unwrap_or_default();
            let end = memchr::memmem::find(comment, b"-->").map_or(0, |end| end + "<!---->".len());
            rest = rest.get(end..).unwrap_or_default().trim_ascii_start();
        }
        let rest = rest
            .strip_prefix(b"<![CDATA[")
            .unwrap_or(rest)
            .trim_ascii_start();
        let word = rest
            .iter()
            .take(LONGEST_KEY)
            .take_while(|b| b.is_ascii_graphic() && **b != b'<')
            .count();
        let text = rest.get(..word).unwrap_or_default();
        let is_all = word == LONGEST_KEY
            || rest.get(word..).is_some_and(|rest| {
                let rest = rest.trim_ascii_start();
                rest.starts_with(b"<") || rest.starts_with(b"]]>") || text.ends_with(b"]]>")
            });
        is_all && is_key(text)
    })
}

/// The same of values in JSON.
fn holds_key_in_quotes(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b':', bytes).any(|at| {
        let rest = bytes.get(at + 1..).unwrap_or_default().trim_ascii_start();
        let text = rest.strip_prefix(b"\"").unwrap_or_default();
        let word = text
            .iter()
            .take(1 << 10)
            .take_while(|b| b.is_ascii_graphic() && **b != b'"')
            .count();
        (text.get(word) == Some(&b'"') || word == 1 << 10)
            && is_key(text.get(..word).unwrap_or_default())
    })
}

/// Tells whether a word is none of a language: long, with digits.
fn is_key(word: &[u8]) -> bool {
    const LEAST: usize = 12;
    word.len() >= LEAST
        && word.iter().any(u8::is_ascii_digit)
        && word.iter().any(u8::is_ascii_alphabetic)
}

/// Tells whether a text of JSON holds a sign, a name of a secret with a value, a name of a secret as a value, or an address or a row of settings with a
/// password in it.
fn json(bytes: &[u8]) -> bool {
    static FOUND: OnceLock<Search<{ SHORT.len() }>> = OnceLock::new();
    let search = FOUND.get_or_init(|| Search::new(&WORDS, SHORT));
    let (mut seen, mut close, mut is_key) = (0, 0, false);
    let mut known = HashMap::new();
    search.find(bytes).into_iter().any(|found| {
        let word = found.word;
        let found = found.range();
        if word == VERSION {
            return is_manifest(bytes, found.end);
        }
        if word < ADDRESS {
            return true;
        }
        if (ADDRESS..NAME).contains(&word) || word == WORDS.len() {
            return holds_password(bytes, found.end);
        }
        // One look at each text in quotes.
        if found.start < seen {
            return false;
        }
        if close < found.end {
            let rest = bytes.get(found.end..).unwrap_or_default();
            let more = memchr::memchr3(b'"', b'\'', b'\n', rest).unwrap_or(rest.len());
            close = found.end + more;
            is_key = ends_key(bytes, close);
        }
        let (text, is_met) = quoted(bytes, found, is_key, &mut known);
        seen = text.end;
        is_met
    })
}

/// Tells whether a name that ends here has a text for its value: in a schema it has a description.
fn is_manifest(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let rest = rest
        .strip_prefix(b"\"")
        .or_else(|| rest.strip_prefix(b"'"))
        .unwrap_or(rest)
        .trim_ascii_start();
    let value = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
    value.is_some_and(|value| value.starts_with(b"\"") || value.starts_with(b"'"))
}

/// Tells whether a quote ends a key. A long one may be a secret's name whatever stands before and behind a word in it.
fn ends_key(bytes: &[u8], close: usize) -> bool {
    let mut after = bytes.get(close + 1..).unwrap_or_default().iter();
    let next = after.find(|b| !b.is_ascii_whitespace());
    matches!(bytes.get(close), Some(b'"' | b'\'')) && next == Some(&b':')
}

/// Tells whether an address whose host starts here may hold a password.
fn holds_password(bytes: &[u8], start: usize) -> bool {
    const LONGEST_ADDRESS: usize = 2 << 10;
    let rest = bytes.get(start..).unwrap_or_default();
    let rest = rest
        .get(..rest.len().min(LONGEST_ADDRESS))
        .unwrap_or_default();
    let end = rest
        .iter()
        .position(|b| *b == b'"' || b.is_ascii_whitespace());
    let rest = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let Some(at) = memchr::memchr(b'@', rest) else {
        return end.is_none() && rest.len() == LONGEST_ADDRESS;
    };
    let user = rest.get(..at).unwrap_or_default();
    let host = memchr::memchr(b'/', user).unwrap_or(user.len());
    // A password may hold a slash; what follows a port is a path.
    let port = |colon: usize| user.get(colon + 1).is_some_and(u8::is_ascii_digit);
    host == user.len()
        || memchr::memchr(b':', user).is_some_and(|colon| colon < host && !port(colon))
}

/// Looks at the text in quotes around a word: returns what was looked at, and whether it passes; `ends_key` tells whether it is a key.
fn quoted<'t>(
    bytes: &'t [u8],
    word: Range<usize>,
    ends_key: bool,
    known: &mut HashMap<&'t [u8], Secretness>,
) -> (Range<usize>, bool) {
    let is_inner = |b: &&u8| !matches!(**b, b'"' | b'\'' | b'\n');
    let front = bytes.get(word.start.saturating_sub(LONGEST)..word.start);
    let front = front.unwrap_or_default();
    let start = word.start - front.iter().rev().take_while(is_inner).count();
    let back = bytes.get(word.end..).unwrap_or_default();
    let more = back.iter().take(LONGEST).take_while(is_inner).count();
    let end = word.end + more;
    let text = bytes.get(start..end).unwrap_or_default();
    let looked = start..end;
    if more == LONGEST || word.start - start == LONGEST {
        // A long text: rows of settings are told by their own names and signs.
        let rest = back.iter().take(LONGEST);
        let rest = rest.take_while(|b| b.is_ascii_alphanumeric()).count();
        let is_set = match back.get(rest) {
            Some(b'=') => true,
            Some(b':') => back.get(rest + 1).is_some_and(|b| !b.is_ascii_whitespace()),
            Some(b'\\') => is_key_in_text(back.get(rest..).unwrap_or_default()),
            _ => false,
        };
        let is_row = is_set && ends_name(bytes.get(..word.end + rest).unwrap_or_default());
        return (word.start..word.end + rest, is_row || ends_key);
    }
    let is_row = memchr::memchr2_iter(b'=', b'\\', text).any(|at| {
        let is_set = text.get(at) == Some(&b'=')
            || is_key_in_text(bytes.get(start + at..).unwrap_or_default());
        is_set && ends_name(text.get(..at).unwrap_or_default())
    });
    let after = bytes.get(end + 1..).unwrap_or_default();
    let next = after.iter().find(|b| !b.is_ascii_whitespace());
    // Names without quotes are those of JSON5.
    let is_key = next == Some(&b':') || text.contains(&b':');
    // The same names come again and again.
    let secretness = *known.entry(text).or_insert_with(|| {
        let name = String::from_utf8_lossy(text);
        secretness(name.split([':', '=']).next().unwrap_or_default().trim())
    });
    // Words in quotes inside of a text name no value by themselves.
    let is_named = secretness != Secretness::No
        && !text.ends_with(b"\\")
        && !text.starts_with(b"/")
        && (is_key && !(next == Some(&b':') && is_described(after))
            || !is_key
                && secretness >= Secretness::Strong
                && is_name(text)
                && is_value(bytes, start));
    // `"Jwt": {"Key": "…"}`: what is around it may say what key it is.
    let is_keyed = || is_key && text.eq_ignore_ascii_case(b"key") && has_key_for_value(after);
    (looked, is_named || is_row || is_keyed())
}

/// Tells whether a text in quotes that starts here is what an entry calls its value, `"name": "DB_PASSWORD"`.
fn is_value(bytes: &[u8], start: usize) -> bool {
    let front = bytes.get(..start.saturating_sub(1)).unwrap_or_default();
    let blanks = front.iter().rev().take(LONGEST);
    let blanks = blanks.take_while(|b| b.is_ascii_whitespace()).count();
    let front = front.get(..front.len() - blanks).unwrap_or_default();
    let key = front.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    let key = key.map(|key| key.get(key.len().saturating_sub(12)..).unwrap_or_default());
    let lower = key.unwrap_or_default().to_ascii_lowercase();
    let lower = lower
        .strip_suffix(b"\"")
        .or_else(|| lower.strip_suffix(b"'"))
        .unwrap_or(&lower);
    const KEYS: [&[u8]; 6] = [
        b"name",
        b"key",
        b"variable",
        b"field",
        b"setting",
        b"property",
    ];
    KEYS.iter().any(|word| lower.ends_with(word))
}

/// Tells whether a text may be a name: sentences and paths are none.
fn is_name(text: &[u8]) -> bool {
    text.iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

/// Tells whether the value behind a name is a key.
fn has_key_for_value(after: &[u8]) -> bool {
    let value = after.trim_ascii_start().strip_prefix(b":");
    let text = value
        .map(<[u8]>::trim_ascii_start)
        .and_then(|value| value.strip_prefix(b"\""));
    text.is_some_and(|text| {
        let length = text
            .iter()
            .take(LONGEST)
            .take_while(|b| **b != b'"')
            .count();
        is_key(text.get(..length).unwrap_or_default())
    })
}

/// Tells whether what follows a name ends a key of JSON in a text of JSON: `{"a": "{\"password\": \"x\"}"}`.
fn is_key_in_text(after: &[u8]) -> bool {
    let rest = after.strip_prefix(b"\\\"").unwrap_or_default();
    rest.trim_ascii_start().starts_with(b":")
}

/// Tells whether a text ends with the name of a secret.
fn ends_name(text: &[u8]) -> bool {
    let is_name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'-' | b'.');
    let text = text.trim_ascii_end();
    let length = text.iter().rev().take(LONGEST).take_while(is_name).count();
    let (front, name) = text.split_at(text.len() - length);
    // `\npassword=` of a text with lines.
    let name = match front.last() {
        Some(b'\\') => name.get(1..).unwrap_or_default(),
        _ => name,
    };
    secretness(&String::from_utf8_lossy(name)) != Secretness::No
}

/// Tells whether what follows a name in JSON is a value that holds nothing.
fn is_nothing(after: &[u8]) -> bool {
    let value = after.trim_ascii_start().strip_prefix(b":");
    let value = value.unwrap_or_default().trim_ascii_start();
    [b"null".as_slice(), b"true", b"false", b"\"\"", b"{}", b"[]"]
        .iter()
        .any(|word| value.starts_with(word))
}

/// Tells whether what follows a name in JSON describes it, or says that there is none: schemas do, `"token": {"type": "string"}`.
fn is_described(after: &[u8]) -> bool {
    const WORDS: [&[u8]; 12] = [
        b"\"description\"",
        b"\"default\"",
        b"\"type\"",
        b"\"$ref\"",
        b"\"title\"",
        b"\"allOf\"",
        b"\"anyOf\"",
        b"\"oneOf\"",
        b"\"enum\"",
        b"\"format\"",
        b"\"label\"",
        b"\"required\"",
    ];
    let value = after.trim_ascii_start().strip_prefix(b":");
    let value = value.unwrap_or_default().trim_ascii_start();
    let is_none = is_nothing(after);
    let inner = value.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let described = inner.and_then(|inner| {
        let is_met = WORDS.iter().any(|word| inner.starts_with(word));
        is_met.then_some(inner)
    });
    // A default that stands further behind in the description is a value.
    let is_description = described.is_some_and(|rest| {
        let rest = rest.get(..rest.len().min(4 * LONGEST)).unwrap_or_default();
        ["\"default\"", "\"example\"", "\"value\"", "\"const\""]
            .iter()
            .all(|word| {
                let mut places = memchr::memmem::find_iter(rest, word.as_bytes());
                places.all(|at| is_nothing(rest.get(at + word.len()..).unwrap_or_default()))
            })
    });
    is_none || is_description
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_passes_by_names_and_signs() {
        for (text, want) in [
            (r#"{"a": {"dbPassword": "x"}}"#, true),
            (r#"{"api_key" : "x"}"#, true),
            (r#"{"name": "DB_PASSWORD", "value": "x"}"#, true),
            (r#"{"name" : "DB_PASSWORD", "value": "x"}"#, true),
            (r#"{"required": ["token", "secret"]}"#, false),
            (r#"{"description": "This is the token"}"#, false),
            (r#"{"kind": "Secret", "version": "v1"}"#, false),
            (
                r##"{"$ref": "#/definitions/io.k8s.api.core.v1.Secret"}"##,
                false,
            ),
            (r#"{"/api/v1/secrets": {"get": {}}}"#, false),
            (
                r#"{"ParameterKey": "DbPassword", "ParameterValue": "x"}"#,
                true,
            ),
            (r#"{"apiVersion": "v1"}"#, true),
            (r#"{"apiVersion" : 'v1'}"#, true),
            ("{apiVersion: \"v1\"}", true),
            (r#"{"apiVersion": {"description": "x"}}"#, false),
        ] {
            assert_eq!(json(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn schemas_sentences_and_lists_do_not_pass() {
        for (text, want) in [
            (
                r#"{"token": {"type": "string", "description": "a"}}"#,
                false,
            ),
            (r#"{"token": {"type": "string", "default": "a"}}"#, true),
            (
                r#"{"token": {"type": "string", "default": "", "value": "a"}}"#,
                true,
            ),
            (r#"{"token": {"default": "", "description": "a"}}"#, false),
            (r#"{"a": "The key=value pairs of the token."}"#, false),
            (r#"{"a": "Set \"token\" or \"secrets\" first."}"#, false),
            (r#"{"a": "host=b;password=c"}"#, true),
            (r#"{"a": "host=b\npassword = c"}"#, true),
            (r#"{"a": "{\"password\": \"x\"}"}"#, true),
            (r#"{"a": "https://b/?x=1&api_key=c"}"#, true),
            (r#"{"token": {"a": "b"}}"#, true),
            (r#"{"token": null, "password" : "", "secrets": {}}"#, false),
            (r#"{"url": "postgres://a:b@c/d"}"#, true),
            (r#"{"url": "https://example.com/@a"}"#, false),
            (r#"{"Default": "Server=a;Password=b"}"#, true),
            (r#"{"description": "The password of the user."}"#, false),
            (r#"{"passive": 1, "monkey": 2, "keyword": "x"}"#, false),
            ("{password: 'x'}", true),
            ("{secrets: {a: 1}}", true),
            (r#"{"type": "service_account"}"#, true),
            (r#"{"u":"postgres:\/\/app:hunter2-Zq8@db\/x"}"#, true),
            (r#"{"u":"postgres:/\/app:hunter2-Zq8@db/x"}"#, true),
            (r#"{"u":"postgres://app:a/bhunter2-Zq8@db/x"}"#, true),
            (r#"{"u":"https://example.com:8080/@a"}"#, false),
            (r#"{"u":"postgres://a:hunter2-Z?8@db/x"}"#, true),
            (r#"{"pa\u0073sword":"x"}"#, true),
            (r#"{"auths": {"r": {"auth": "eA=="}}}"#, true),
        ] {
            assert_eq!(json(text.as_bytes()), want, "{text}");
        }
        assert!(!holds_key_in_quotes(br#"{"password": "Geben Sie 2 ein"}"#));
        assert!(holds_key_in_quotes(br#"{"password" : "Zq81hunterVx7kQ2"}"#));
        let long = format!(r#"{{"a": "{};Password=x"}}"#, "b".repeat(500));
        assert!(json(long.as_bytes()));
        let long = "b_".repeat(500);
        for key in [
            format!("{long}password"),
            format!("password_{long}"),
            format!("{long}_password_{long}"),
        ] {
            assert!(json(format!("{{\"{key}\" \n: \"x\"}}").as_bytes()), "{key}");
            assert!(!json(format!("{{\"x\": \"{key}\"}}").as_bytes()), "{key}");
        }
    }

    #[test]
    fn texts_for_people_pass_with_a_key_in_them() {
        assert!(!holds_key(
            b"<string name=\"password\">Passwort</string><string name=\"x\">Geben Sie 2 ein</string>"
        ));
        for text in [
            "<string name=\"api_key\">Zq81hunterVx7kQ2</string>",
            "<string name=\"api_key\">\n  Zq81hunterVx7kQ2\n</string>",
            "<string name=\"api_key\"><![CDATA[Zq81hunterVx7kQ2]]></string>",
            "<string name=\"api_key\"> <![CDATA[ Zq81hunterVx7kQ2 ]]> </string>",
            "<string name=\"api_key\"><!-- x -->Zq81hunterVx7kQ2</string>",
        ] {
            assert!(holds_key(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn each_name_of_a_secret_holds_a_word() {
        for name in [
            "password",
            "PGPASSWORD",
            "dbPwd",
            "pword",
            "clientSecret",
            "token",
            "apiKey",
            "creds",
            "psk",
            "pat",
            "jwt",
            "basicAuth",
            "connectionString",
            "DATABASE_URL",
            "mongodb_uri",
            "db_dsn",
            "db_pw",
        ] {
            assert!(secretness(name) != Secretness::No, "{name}");
            let lower = name.to_ascii_lowercase();
            let words = WORDS.iter().skip(NAME).copied();
            let short = ["pw", "key", "psk", "pat", "jwt", "url", "uri", "dsn"];
            assert!(
                words.chain(short).any(|word| lower.contains(word)),
                "{name}"
            );
            assert!(json(format!("{{\"{name}\": \"x\"}}").as_bytes()), "{name}");
        }
    }
}

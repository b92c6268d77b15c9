//! Secrets that stand in a script as they are, where no assignment gives them to a variable: arguments of database clients, headers of
//! requests, lines of files of settings, values that variables fall back to.
//!
//! Told by text alone, line by line. Promises: only values that nobody writes for a name or a word; time in proportion to the text.

use std::{ops::Range, sync::OnceLock};

use regex::Regex;

use super::{Origin, Sink, Use, is_secret_variable};
use crate::policy::{
    names,
    values::{self, Strength, Value},
};

/// Most uses of one script.
const MAX: usize = 1_000;

/// Most lines of one here-document that are read.
const MAX_LINES: usize = 2_000;

/// Returns the secrets that are pasted into a script, in no order.
pub(super) fn pasted(text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    for form in forms() {
        for captures in form.pattern.captures_iter(text) {
            let Some(value) = captures.name("v") else {
                continue;
            };
            let name = captures.name("n").map_or(form.name, |name| name.as_str());
            let is_named = !form.asks_name || is_secret_variable(name);
            let is_read = !is_comment(text, value.start());
            if is_named && is_read && is_secret(value.as_str(), form.is_password) {
                found.push(of(name, value.range()));
            }
        }
    }
    here(text, &mut found);
    found.truncate(MAX);
    found
}

fn of(name: &str, span: Range<usize>) -> Use {
    Use {
        sink: Sink::Literal {
            name: name.to_owned(),
            exported: true,
        },
        command_span: span.clone(),
        span,
        command: String::new(),
        names: vec![name.to_owned()],
        origin: Origin::Variable,
        derived: None,
    }
}

/// Tells whether a value is none that stands for one, and no name: letters and digits are mixed in it.
fn is_secret(value: &str, is_password: bool) -> bool {
    let has = |test: fn(&u8) -> bool| value.bytes().any(|b| test(&b));
    let says = || {
        names::words(value).iter().any(|word| {
            matches!(
                word.as_str(),
                "test"
                    | "tests"
                    | "example"
                    | "dummy"
                    | "fake"
                    | "mock"
                    | "sample"
                    | "local"
                    | "dev"
                    | "your"
            )
        })
    };
    let least = if is_password { 6 } else { 10 };
    value.len() >= least
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && matches!(
            values::verbatim(value),
            Value::Literal(Strength::Named | Strength::Random)
        )
        && !says()
        && (is_password || !is_spoken(value))
}

/// Tells whether a value is words with signs between them, and digits at its end at most: `preview-passphrase-123`. People write such where
/// something must stand.
pub(crate) fn is_spoken(value: &str) -> bool {
    let words =
        value.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    words.contains(['-', '_', '.'])
        && words
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_' | b'.'))
}

/// Tells whether a place stands in a line that is a comment.
fn is_comment(text: &str, at: usize) -> bool {
    let line = text.get(..at).and_then(|front| front.rsplit('\n').next());
    line.is_some_and(|line| line.trim_start().starts_with('#'))
}

/// One way to paste a secret: `n` is its name, `v` its value.
struct Form {
    pattern: Regex,
    /// What it is called where the script does not say.
    name: &'static str,
    /// Whether only names of secrets count.
    asks_name: bool,
    /// Whether the place takes a password and nothing else.
    is_password: bool,
}

/// The ways: pattern, name, whether only names of secrets count, whether the place is one of passwords.
const PATTERNS: [(&str, &str, bool, bool); 7] = [
    (
        r#"\b(?:mysql|mysqldump|mysqladmin|mysqlcheck|mysqlimport|mariadb|mariadb-dump|mariadb-admin)(?:[ \t](?:[^\n|;&#]|\\\r?\n)*?)?[ \t]-p["']?(?P<v>[^\s"'`$;|&<>()%{}:,]+)"#,
        "mysql -p",
        false,
        true,
    ),
    (
        r#"(?:-H|--header)[ =]?[ \t]*["'](?i:(?:proxy-)?authorization:[ ]*(?:bearer|token|basic)[ ]+|(?:x-)?[a-z-]*(?:api-?key|token|secret):[ ]*)(?P<v>[A-Za-z0-9._~+/=-]+)["']"#,
        "Authorization",
        false,
        false,
    ),
    (
        r#"\b(?:echo|printf)[ \t]+(?:-[neE]+[ \t]+)?["']?(?:export[ ]+)?(?P<n>[A-Za-z_][A-Za-z_0-9]*)=["']?(?P<v>[^\s"'`$\\;|&<>(){}]+)(?:\\n)?["']?["']?[ \t]*>>?[ \t]*["']?(?:\$\{?(?:GITHUB_ENV|GITHUB_OUTPUT|BASH_ENV)\b|[^\s"'|;&]*\.env\b)"#,
        "",
        true,
        false,
    ),
    (
        r#"\$\{(?P<n>[A-Za-z_][A-Za-z_0-9]*):?[-=]["']?(?P<v>[^\s"'`$\\;|&<>(){}]+)["']?\}"#,
        "",
        true,
        false,
    ),
    (
        r#"\baws[ \t]+configure[ \t]+set[ \t]+(?:[\w.-]+\.)?(?P<n>aws_secret_access_key|aws_session_token)[ \t]+["']?(?P<v>[A-Za-z0-9+/=_-]+)"#,
        "",
        false,
        false,
    ),
    (
        r#"\b(?:npm|pnpm|yarn)[ \t]+(?:config[ \t]+)?set[ \t]+(?:-[^\s]+[ \t]+)*["']?//[^\s"'=]+:(?P<n>_authToken|_password|_auth)["']?[ \t=]+["']?(?P<v>[A-Za-z0-9+/=_.-]+)"#,
        "",
        false,
        false,
    ),
    (
        r#"\becho[ \t]+(?:-[neE]+[ \t]+)?["']?[a-z_][a-z0-9_-]*:(?P<v>[^\s"'`$\\;|&<>(){}:]+)["']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?(?:/usr/sbin/)?chpasswd\b"#,
        "chpasswd",
        false,
        true,
    ),
];

fn forms() -> &'static [Form] {
    static FORMS: OnceLock<Vec<Form>> = OnceLock::new();
    FORMS.get_or_init(|| {
        PATTERNS
            .into_iter()
            .filter_map(|(pattern, name, asks_name, is_password)| {
                Some(Form {
                    pattern: Regex::new(pattern).ok()?,
                    name,
                    asks_name,
                    is_password,
                })
            })
            .collect()
    })
}

/// Lines of here-documents that become a file of variables: `cat > .env <<EOF`.
fn here(text: &str, found: &mut Vec<Use>) {
    static START: OnceLock<Option<Regex>> = OnceLock::new();
    if !text.contains("<<") || !text.contains("env") {
        return;
    }
    let start = START.get_or_init(|| {
        Regex::new(
            r#"(?m)^[^#\n]*(?:(?:>|\btee[ \t](?:-a[ \t]+)?)[ \t]*["']?[^\s"'|;&<>]*\.env(?:\.[\w.-]+)?["']?[^\n]*<<-?[ \t]*["'\\]?(\w+)|<<-?[ \t]*["'\\]?(\w+)["']?[^\n]*(?:>|\btee[ \t](?:-a[ \t]+)?)[ \t]*["']?[^\s"'|;&<>]*\.env(?:\.[\w.-]+)?["']?)[^\n]*\n"#,
        )
        .ok()
    });
    for captures in start.iter().flat_map(|start| start.captures_iter(text)) {
        let (Some(whole), Some(end)) = (captures.get(0), captures.get(1).or(captures.get(2)))
        else {
            continue;
        };
        let mut at = whole.end();
        let rest = text.get(at..).unwrap_or_default();
        for line in rest.split_inclusive('\n').take(MAX_LINES) {
            if line.trim() == end.as_str() {
                break;
            }
            found.extend(variable(line).and_then(|(name, value)| {
                let value = at + value.start..at + value.end;
                let is_told =
                    is_secret_variable(name) && is_secret(text.get(value.clone())?, false);
                is_told.then(|| of(name, value))
            }));
            at += line.len();
        }
    }
}

/// Returns the name and the place of the value of a line that sets a variable.
fn variable(line: &str) -> Option<(&str, Range<usize>)> {
    let (key, rest) = line.split_once('=')?;
    let name = key.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let value = rest.trim().trim_matches(['"', '\'']);
    let at = rest.find(value)?;
    let start = key.len() + 1 + at;
    let is_plain = !value.is_empty() && !value.contains(['$', '`', ' ', '{']);
    (is_name && is_plain).then_some((name, start..start + value.len()))
}

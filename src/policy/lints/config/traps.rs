//! What looks like a secret in a file of settings and is none.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::super::super::{lint::Document, names, node::Node};

/// Tells whether a document describes data instead of setting values: schemas, descriptions of interfaces, snapshots, word lists.
pub(in super::super) fn is_none(document: &Document<'_>) -> bool {
    const PARTS: [&str; 18] = [
        "schema",
        ".tf.json",
        "openapi",
        "swagger",
        "asyncapi",
        ".lock",
        "-lock.",
        "tmlanguage",
        "cspell",
        "snap.",
        "node_modules/",
        "vendor/",
        "third_party/",
        "sitemap",
        "changelog",
        "strings.",
        "grammar",
        "catalog",
    ];
    let path = document.path.to_ascii_lowercase();
    PARTS.iter().any(|part| path.contains(part)) || document.trees().iter().any(describes)
}

/// Tells whether a tree is a JSON schema or describes an interface.
fn describes(tree: &Node) -> bool {
    let has = |key: &str| tree.get(key).is_some();
    let is_schema = tree
        .text_at(&["$schema"])
        .is_some_and(|schema| schema.contains("json-schema.org"));
    is_schema
        || ["openapi", "swagger", "asyncapi", "$defs", "scopeName"]
            .into_iter()
            .any(has)
        || has("properties") && tree.get("type").is_some_and(|kind| kind.text().is_some())
        || has("definitions") && has("paths")
}

/// Tells whether a file lists packages: what looks like a password there sets a tool.
pub(in super::super) fn is_manifest(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "package.json"
            | "composer.json"
            | "cargo.toml"
            | "pyproject.toml"
            | "bower.json"
            | "deno.json"
            | "jsr.json"
            | "project.json"
            | "tsconfig.json"
            | "angular.json"
            | "nx.json"
            | "lerna.json"
            | "setup.cfg"
            | "tox.ini"
    )
}

/// Tells whether one of the last `count` words of a key says that its values are texts for people.
pub(in super::super) fn is_about_text(key: &str, count: usize) -> bool {
    const WORDS: [&str; 24] = [
        "label",
        "labels",
        "message",
        "messages",
        "error",
        "errors",
        "description",
        "title",
        "help",
        "tooltip",
        "text",
        "texts",
        "placeholder",
        "example",
        "examples",
        "prompt",
        "hint",
        "caption",
        "translation",
        "translations",
        "pattern",
        "regex",
        "validation",
        "i18n",
    ];
    names::words(key)
        .iter()
        .rev()
        .take(count)
        .any(|word| WORDS.contains(&word.as_str()))
}

/// Tells whether a value is a text for people: words with blanks, or letters that passwords seldom have.
pub(in super::super) fn is_prose(value: &str) -> bool {
    value.contains(char::is_whitespace) || value.chars().any(|c| !c.is_ascii() && c.is_alphabetic())
}

/// Tells whether a value is a name made of the key it stands under: `accessKey1: shopAccessKey1`, `db_password_key: shop-db-password-key`.
/// One word alone may be somebody's password.
pub(in super::super) fn repeats(key: &str, value: &str) -> bool {
    let (key, words) = (names::words(key), names::words(value));
    let last = |words: &[String]| {
        words
            .iter()
            .rev()
            .take(key.len())
            .cloned()
            .collect::<Vec<_>>()
    };
    key.len() >= 2
        && words.len() > key.len()
        && last(&words) == last(&key)
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
}

/// Tells whether a value is the key that all emulators of Azure's storage have, or an address of one.
pub(in super::super) fn is_documented(value: &str) -> bool {
    value.contains("devstoreaccount1") || value.starts_with("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUz")
}

/// Tells whether a document is the first block of an Ethereum chain: every node of the net has it, and the accounts that it fills are those of
/// test nets.
pub(in super::super) fn is_genesis(document: &Document<'_>) -> bool {
    document.trees().iter().any(|tree| {
        let has = |key: &str| tree.get(key).is_some();
        has("alloc") && has("config") && (has("difficulty") || has("gasLimit"))
    })
}

/// Tells whether a value is a sentence in base64, as generators of projects write it: "my-secret-key-which-should-be-changed".
pub(in super::super) fn is_encoded_prose(value: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(value.trim()) else {
        return false;
    };
    let is_text = bytes
        .iter()
        .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    let separators = bytes
        .iter()
        .filter(|b| matches!(b, b'-' | b'_' | b' '))
        .count();
    is_text
        && separators >= 3
        && bytes.iter().filter(|b| b.is_ascii_lowercase()).count() * 3 > bytes.len() * 2
}

/// Tells whether a value is a name: of a secret, a field, a selector. Its words can be spoken, and digits stand at its end at most.
pub(in super::super) fn is_name(value: &str) -> bool {
    let value = value.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let has_separator = value.contains(['-', '_', '.', '/', ':']);
    let is_shaped = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_./:".contains(&b));
    let words = names::words(value);
    let numbers = words
        .iter()
        .filter(|word| word.bytes().all(|b| b.is_ascii_digit()))
        .count();
    let has_case = value.bytes().any(|b| b.is_ascii_uppercase())
        && value.bytes().any(|b| b.is_ascii_lowercase());
    let ends = words
        .last()
        .is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit()));
    let may_count = numbers == 0 || numbers == 1 && ends && has_separator && !has_case;
    is_shaped && may_count && words.iter().all(|word| is_spoken(word))
}

/// Tells whether a word can be spoken, or is one of the short ones that names are made of.
fn is_spoken(word: &str) -> bool {
    const SHORT: [&str; 26] = [
        "id", "db", "to", "my", "in", "on", "or", "by", "is", "no", "of", "up", "ui", "ci", "cd",
        "v", "qa", "vm", "os", "ip", "x", "a", "the", "ssh", "jwt", "sql",
    ];
    let is_vowel = |b: u8| b"aeiouy".contains(&b);
    let mut run = 0;
    let longest = word.bytes().map(|b| {
        run = if is_vowel(b) { 0 } else { run + 1 };
        run
    });
    let longest = longest.max().unwrap_or(0);
    word.bytes().all(|b| b.is_ascii_digit()) && word.len() <= 4
        || SHORT.contains(&word)
        || word.len() >= 3
            && word.bytes().all(|b| b.is_ascii_lowercase())
            && longest <= 4
            && word.bytes().any(is_vowel)
}

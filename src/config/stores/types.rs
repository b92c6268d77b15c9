//! Values of the wrong type in `stores.toml`, in words of TOML and not of the library that reads it.

/// What TOML calls a type, and how one is written.
struct Type {
    name: &'static str,
    example: &'static str,
}

const LIST: Type = Type {
    name: "a list",
    example: "[\"...\"]",
};
const TEXT: Type = Type {
    name: "a text",
    example: "\"...\"",
};
const NUMBER: Type = Type {
    name: "a whole number",
    example: "1",
};
const TRUTH: Type = Type {
    name: "true or false",
    example: "true",
};
const TABLE: Type = Type {
    name: "a table",
    example: "{ ... }",
};
const FRACTION: Type = Type {
    name: "a number with a fraction",
    example: "1.5",
};

/// Returns what is wrong and what to write, for a message about a type; `None` for messages about anything else. `key` is the one that
/// has the value.
pub(super) fn plain(message: &str, key: Option<&str>) -> Option<(String, String)> {
    let is_range = message.starts_with("invalid value: integer, expected ");
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let (found, wanted) = (found_type(found)?, wanted_type(expected)?);
    let quoted = key.map(|key| format!("`{key}`"));
    let what = match (&quoted, is_range) {
        (Some(key), true) => format!("{key} is a number out of range"),
        (None, true) => "a number is out of range".to_owned(),
        (Some(key), false) => format!("{key} is {}, and must be {}", found.name, wanted.name),
        (None, false) => format!("{} stands where {} belongs", found.name, wanted.name),
    };
    let help = match (found.name, wanted.name, key) {
        _ if is_range => format!("the most is {}, the least 0", most(expected)),
        ("a table", "a list", Some(key)) => {
            format!("each entry of it has two brackets: [[{key}]]")
        }
        ("a table", "a list", None) => {
            "entries of a list have two brackets, as [[targets]] and [[sinks]]".to_owned()
        }
        ("a list", "a table", _) => {
            "tables have one bracket, as [stores.NAME], [verify] and [rotate]".to_owned()
        }
        (_, "a table", _) => {
            "a table is [stores.NAME], [verify] or [rotate], with its keys below it".to_owned()
        }
        (_, _, Some(key)) => format!("write it as {key} = {}", wanted.example),
        (_, _, None) => format!("write {} as {}", wanted.name, wanted.example),
    };
    Some((what, help))
}

/// Returns the key on the line of a byte: `key = value`, or `[key]`. `None` if the line has several, or a name that is not plain.
pub(super) fn key(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next()?.trim();
    let key = match line.split_once('=') {
        Some((key, value)) if !value.trim_start().starts_with('{') => key,
        Some(_) => return None,
        None => line.strip_prefix('[')?.strip_suffix(']')?,
    };
    let key = key.trim();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (!key.is_empty() && key.len() <= 30 && key.bytes().all(is_plain)).then_some(key)
}

/// Takes serde's words for what was found (`Unexpected`).
fn found_type(word: &str) -> Option<Type> {
    match word {
        "string" => Some(TEXT),
        "integer" => Some(NUMBER),
        "floating point" => Some(FRACTION),
        "boolean" => Some(TRUTH),
        "map" => Some(TABLE),
        "sequence" => Some(LIST),
        _ => None,
    }
}

/// Takes serde's words for what it wanted.
fn wanted_type(words: &str) -> Option<Type> {
    match words {
        "a sequence" => Some(LIST),
        "a string" | "path string" => Some(TEXT),
        "a boolean" => Some(TRUTH),
        "u8" | "u16" | "u32" | "u64" | "i64" => Some(NUMBER),
        "a map" => Some(TABLE),
        _ if words.starts_with("struct ") || words.contains(" enum ") => Some(TABLE),
        _ => None,
    }
}

/// Returns the greatest number of a type.
fn most(word: &str) -> u64 {
    match word {
        "u8" => u64::from(u8::MAX),
        "u16" => u64::from(u16::MAX),
        "u32" => u64::from(u32::MAX),
        _ => i64::MAX.cast_unsigned(),
    }
}

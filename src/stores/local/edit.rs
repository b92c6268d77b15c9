//! Changes of a SOPS file as changes of its text: what is not touched keeps its bytes, so that comments, order and the
//! ciphertext of other values stay and a diff in git shows what was changed and nothing else.

use std::{collections::BTreeMap, ops::Range};

use super::{
    file::{Leaf, RunKey, SopsFile, examine, open_leaf, signed_time},
    metadata::{KEY, Metadata},
    sealed::{DataKey, Kind, looks_sealed},
    tree::{self, Map, Node},
    trouble::Trouble,
};
use crate::{
    model::Secret,
    stores::{Fault, KeyPath},
};

/// Columns of one level in what sops writes.
const INDENT: usize = 4;

/// One piece of text in place of another.
struct Splice {
    span: Range<usize>,
    text: String,
}

/// What a field becomes.
pub(super) enum New<'n> {
    /// Sealed afresh.
    Value(&'n Secret),
    /// Text of a note, in the open where the file's rule lets it.
    Note(&'n str),
    /// Ciphertext of the same data key and place.
    Sealed(&'n str),
    /// Taken out, with its line.
    Gone,
}

/// Returns the file with new values of fields of one key; fields and maps that are not there yet are added.
pub(super) fn set(
    file: &SopsFile,
    key: &KeyPath,
    fields: &BTreeMap<String, New<'_>>,
    run: &RunKey,
) -> Result<SopsFile, Trouble> {
    let known = file.keys.get(key);
    let mut splices = Vec::new();
    let mut added = Vec::new();
    for (field, new) in fields {
        let Some(leaf) = known.and_then(|known| known.leaf(field)) else {
            if !matches!(new, New::Gone) {
                added.push((field.as_str(), new));
            }
            continue;
        };
        let twice = known.is_some_and(|known| {
            known
                .leaves
                .iter()
                .filter(|leaf| leaf.field == *field)
                .count()
                > 1
        });
        if twice {
            return Err(Trouble::damaged(format!(
                "two values are called {key} {field}: a key of the file has a / in its name"
            )));
        }
        splices.push(over(file, leaf, new)?);
    }
    if !added.is_empty() {
        splices.push(insertion(file, key, &added)?);
    }
    sign(&spliced(&file.text, splices), file, run)
}

/// Returns the splice that gives a value of the file a new one.
fn over(file: &SopsFile, leaf: &Leaf, new: &New<'_>) -> Result<Splice, Trouble> {
    if matches!(new, New::Gone) {
        return without(file, leaf);
    }
    let text = written(file, &leaf.place, leaf.sealed, Some(leaf), new)?;
    let text = if leaf.plain && looks_sealed(&text) {
        text
    } else {
        quoted(&text)
    };
    Ok(Splice {
        span: leaf.span.clone(),
        text,
    })
}

/// Returns the splice that takes a field out: it must have a line of its own, as those have that were added by [`set`].
fn without(file: &SopsFile, leaf: &Leaf) -> Result<Splice, Trouble> {
    let start = start_of_line(&file.text, leaf.span.start);
    let end = next_line(&file.text, leaf.span.end);
    let own_line = |at: &str| {
        let key = at.trim();
        key.ends_with(':') && !key.starts_with(['-', '{', '['])
    };
    let before = file.text.get(start..leaf.span.start);
    if leaf.field.contains('/') || !before.is_some_and(own_line) || file.root.flow {
        return Err(Trouble::new(
            Fault::Conflict,
            format!(
                "`{}` was added and cannot be taken out of its line",
                leaf.field
            ),
            "take it out by hand: sops unset FILE '[\"KEY\"][\"FIELD\"]'",
        ));
    }
    Ok(Splice {
        span: start..end,
        text: String::new(),
    })
}

/// Returns the scalar for a new value: ciphertext, or the text of a note.
fn written(
    file: &SopsFile,
    place: &str,
    sealed: bool,
    old: Option<&Leaf>,
    new: &New<'_>,
) -> Result<String, Trouble> {
    match new {
        New::Sealed(text) => Ok((*text).to_owned()),
        New::Gone => Ok(String::new()),
        New::Note(text) if sealed => file.key.seal(Kind::Str, text.as_bytes(), place),
        New::Note(text) => Ok((*text).to_owned()),
        New::Value(_) if !sealed => Err(Trouble::new(
            Fault::Setup,
            format!(
                "the value at {place} would stand in the open: the file's rule does not seal it"
            ),
            "name a field that does not end in _unencrypted, or that the file's rule seals",
        )),
        New::Value(secret) => {
            // The value is sealed here; nothing else looks at it.
            let bytes = secret.expose();
            if str::from_utf8(bytes).is_err() {
                return Err(Trouble::new(
                    Fault::Setup,
                    "the new value is no UTF-8 text, which a SOPS file in YAML cannot hold",
                    "store it in base64",
                ));
            }
            let kind = match old {
                Some(leaf) if is_int(file, leaf) && is_canonical_int(bytes) => Kind::Int,
                Some(_) | None => Kind::Str,
            };
            file.key.seal(kind, bytes, place)
        }
    }
}

fn is_int(file: &SopsFile, leaf: &Leaf) -> bool {
    open_leaf(&file.key, leaf).is_ok_and(|plain| plain.kind == Kind::Int)
}

fn is_canonical_int(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| {
        text.parse::<i64>()
            .is_ok_and(|value| value.to_string() == text)
    })
}

/// Where new fields go: the innermost map that is there, and what is still missing below it.
struct Target<'t> {
    map: &'t Map,
    names: Vec<&'t str>,
    missing: Vec<&'t str>,
}

fn insertion(
    file: &SopsFile,
    key: &KeyPath,
    added: &[(&str, &New<'_>)],
) -> Result<Splice, Trouble> {
    let mut fields = Vec::new();
    let whole = added.iter().any(|(field, _)| field.is_empty());
    let target = if whole {
        top_level(file, key, added.len())?
    } else {
        descend(&file.root, key.as_str())?
    };
    for (field, new) in added {
        let name = if whole { key.as_str() } else { field };
        if name.contains('/') {
            return Err(setup(format!("`{name}` cannot be the name of a new field")));
        }
        if target.missing.is_empty() && target.map.entry(name).is_some() {
            return Err(setup(format!(
                "{key} has `{name}` already, and it is no value"
            )));
        }
        let path: Vec<&str> = target
            .names
            .iter()
            .chain(&target.missing)
            .copied()
            .chain([name])
            .collect();
        let sealed = file.metadata.is_sealed(path.iter().copied());
        let place: String = path.iter().flat_map(|name| [name, ":"]).collect();
        fields.push((name, written(file, &place, sealed, None, new)?));
    }
    let is_root = target.names.is_empty();
    Ok(if target.map.flow {
        in_flow(&target, is_root, &fields)
    } else {
        in_block(&file.text, &target, is_root, &fields)
    })
}

/// A value of the top level: the key is its name.
fn top_level<'t>(file: &'t SopsFile, key: &KeyPath, fields: usize) -> Result<Target<'t>, Trouble> {
    if key.as_str().contains('/') || fields > 1 {
        return Err(setup(format!("{key} needs the name of a field")));
    }
    no_sops(key.as_str())?;
    Ok(Target {
        map: &file.root,
        names: Vec::new(),
        missing: Vec::new(),
    })
}

fn descend<'t>(root: &'t Map, path: &'t str) -> Result<Target<'t>, Trouble> {
    no_sops(path.split('/').next().unwrap_or_default())?;
    let mut target = Target {
        map: root,
        names: Vec::new(),
        missing: Vec::new(),
    };
    let mut rest = path;
    loop {
        let below = |key: &str| {
            let after = rest.strip_prefix(key)?;
            if after.is_empty() {
                Some(after)
            } else {
                after.strip_prefix('/')
            }
        };
        let found = target
            .map
            .entries
            .iter()
            .find_map(|entry| below(&entry.key).map(|after| (entry, after)));
        let Some((entry, after)) = found else {
            break;
        };
        let Node::Map(map) = &entry.value else {
            return Err(setup(format!(
                "`{}` in {path} is no map of fields",
                entry.key
            )));
        };
        target.map = map;
        target.names.push(&entry.key);
        rest = after;
        if rest.is_empty() {
            return Ok(target);
        }
    }
    target.missing = rest.split('/').collect();
    if target.missing.iter().any(|name| name.is_empty()) {
        return Err(setup(format!("`{path}` is no path of a key")));
    }
    Ok(target)
}

fn no_sops(name: &str) -> Result<(), Trouble> {
    if name == KEY {
        return Err(setup("`sops` is the file's own block".to_owned()));
    }
    Ok(())
}

fn setup(what: String) -> Trouble {
    Trouble::new(
        Fault::Setup,
        what,
        "name a key by its path and a field in it: keysweep store put apps/db password",
    )
}

/// `, "a": {"b": ".."}` within brackets.
fn in_flow(target: &Target<'_>, is_root: bool, fields: &[(&str, String)]) -> Splice {
    let inner: Vec<String> = fields
        .iter()
        .map(|(name, text)| format!("{}: {}", quoted(name), quoted(text)))
        .collect();
    let mut text = inner.join(", ");
    for name in target.missing.iter().rev() {
        text = format!("{}: {{{text}}}", quoted(name));
    }
    let sops = target.map.entry(KEY).filter(|_| is_root);
    let (at, text) = match (sops, target.map.entries.last()) {
        (Some(entry), _) => (entry.key_span.start, format!("{text}, ")),
        (None, Some(last)) => (last.value.end(), format!(", {text}")),
        (None, None) => (target.map.span.start + 1, text),
    };
    Splice { span: at..at, text }
}

/// Lines of their own behind the last entry of the map.
fn in_block(text: &str, target: &Target<'_>, is_root: bool, fields: &[(&str, String)]) -> Splice {
    let entries = target.map.entries.iter();
    // The block of sops stays the last one, as sops itself writes it.
    let last = entries
        .rev()
        .find(|entry| !(is_root && entry.key == KEY));
    let column = target.map.entries.first().map_or(0, |entry| {
        entry.key_span.start - start_of_line(text, entry.key_span.start)
    });
    let at = match last {
        Some(last) => next_line(text, last.value.end().max(last.key_span.end)),
        None => target
            .map
            .entry(KEY)
            .map_or(0, |entry| start_of_line(text, entry.key_span.start)),
    };
    let mut lines = String::new();
    if at > 0 && !text.get(..at).is_some_and(|before| before.ends_with('\n')) {
        lines.push('\n');
    }
    let mut indent = column;
    for name in &target.missing {
        lines.push_str(&format!("{}{}:\n", " ".repeat(indent), key_text(name)));
        indent += INDENT;
    }
    for (name, value) in fields {
        let value = if looks_sealed(value) {
            value.clone()
        } else {
            quoted(value)
        };
        lines.push_str(&format!(
            "{}{}: {value}\n",
            " ".repeat(indent),
            key_text(name)
        ));
    }
    Splice {
        span: at..at,
        text: lines,
    }
}

/// Returns where the line of `at` begins.
fn start_of_line(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.rfind('\n').map_or(0, |line| line + 1)
}

/// Returns where the line behind `at` begins; the end of a block text is that already.
fn next_line(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    if before.ends_with('\n') {
        return at;
    }
    let after = text.get(at..).unwrap_or_default();
    after.find('\n').map_or(text.len(), |line| at + line + 1)
}

/// Returns a key, quoted unless every reader of YAML takes it for text.
fn key_text(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !matches!(
            name.to_ascii_lowercase().as_str(),
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
        );
    if plain { name.to_owned() } else { quoted(name) }
}

/// Returns a text in double quotes; JSON's are YAML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.span.start);
    let mut out = String::with_capacity(text.len() + 512);
    let mut at = 0;
    for splice in &splices {
        out.push_str(text.get(at..splice.span.start).unwrap_or_default());
        out.push_str(&splice.text);
        at = splice.span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Puts a new time and MAC to a text whose values were changed, and reads the result as any other file.
fn sign(text: &str, before: &SopsFile, run: &RunKey) -> Result<SopsFile, Trouble> {
    let root = tree::read(text)?;
    let metadata = Metadata::read(&root)?;
    let (_, mac) = examine(&root, &metadata, &before.key, run)?;
    let now = now();
    let sealed = before
        .key
        .seal(Kind::Str, mac.as_bytes(), &signed_time(&now))?;
    let sealed = if root.flow { quoted(&sealed) } else { sealed };
    let splices = vec![
        Splice {
            span: metadata.mac.1,
            text: sealed,
        },
        Splice {
            span: metadata.modified.1,
            text: quoted(&now),
        },
    ];
    let key = DataKey::from_slice(before.key.bytes())
        .ok_or_else(|| Trouble::damaged("its data key has not 32 bytes"))?;
    SopsFile::open_with(spliced(text, splices), key, run)
}

/// Returns the time as sops writes it: whole seconds, UTC.
pub(super) fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

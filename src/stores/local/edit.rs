//! Changes of a SOPS file as changes of its text: comments, order and layout stay as people made them. Every change ends with a fresh
//! data key (reseal.rs), so that no value is written under a key that somebody may know from before.

use std::{collections::BTreeMap, ops::Range};

use super::{
    file::{Leaf, NameKey, SopsFile, open_leaf},
    insert, reseal,
    sealed::{Kind, looks_sealed},
    trouble::Trouble,
};
use crate::{
    model::Secret,
    stores::{Fault, KeyPath},
};

/// One piece of text in place of another.
pub(super) struct Splice {
    pub(super) span: Range<usize>,
    pub(super) text: String,
}

/// What a field becomes.
pub(super) enum New<'n> {
    /// Sealed afresh.
    Value(&'n Secret),
    /// Text of a note, in the open where the file's rule lets it.
    Note(&'n str),
    /// A value that the key had before, with the type it had.
    Again(Kind, &'n Secret),
    /// Taken out, with its line.
    Gone,
}

/// Returns the file with new values of fields of one key; fields and maps that are not there yet are added.
pub(super) fn set(
    file: &SopsFile,
    key: &KeyPath,
    fields: &BTreeMap<String, New<'_>>,
    run: &NameKey,
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
        splices.push(insert::insertion(file, key, &added)?);
    }
    reseal::afresh(&spliced(&file.text, splices), &file.key, run)
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
pub(super) fn written(
    file: &SopsFile,
    place: &str,
    sealed: bool,
    old: Option<&Leaf>,
    new: &New<'_>,
) -> Result<String, Trouble> {
    match new {
        New::Gone => Ok(String::new()),
        New::Note(text) if sealed => file.key.seal(Kind::Str, text.as_bytes(), place),
        New::Note(text) => Ok((*text).to_owned()),
        New::Value(_) | New::Again(..) if !sealed => Err(Trouble::new(
            Fault::Setup,
            format!(
                "the value at {place} would stand in the open: the file's rule does not seal it"
            ),
            "name a field that does not end in _unencrypted, or that the file's rule seals",
        )),
        New::Again(kind, secret) => file.key.seal(*kind, secret.expose(), place),
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

/// Returns where the line of `at` begins.
pub(super) fn start_of_line(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.rfind('\n').map_or(0, |line| line + 1)
}

/// Returns where the line behind `at` begins; the end of a block text is that already.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    if before.ends_with('\n') {
        return at;
    }
    let after = text.get(at..).unwrap_or_default();
    after.find('\n').map_or(text.len(), |line| at + line + 1)
}

/// Returns a text in double quotes; JSON's are YAML's too. What JSON lets stand and YAML does not, or takes for a line break (YAML 1.2.2,
/// 5.1 "Character Set" and 5.4 "Line Break Characters", with those of 1.1), is escaped.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// Returns a text with all splices done; they must not overlap.
pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
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

/// Returns the time as sops writes it: whole seconds, UTC.
pub(super) fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

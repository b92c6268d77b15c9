//! Changes of a SOPS file as changes of its text: what is not touched keeps its bytes, so that comments, order and the
//! ciphertext of other values stay and a diff in git shows what was changed and nothing else.

use std::{collections::BTreeMap, ops::Range};

use super::{
    file::{Leaf, RunKey, SopsFile, examine, open_leaf, signed_time},
    insert,
    metadata::Metadata,
    sealed::{DataKey, Kind, looks_sealed},
    tree,
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
        splices.push(insert::insertion(file, key, &added)?);
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
pub(super) fn written(
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

/// Returns a text in double quotes; JSON's are YAML's too.
pub(super) fn quoted(text: &str) -> String {
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

//! New fields and maps in the text of a SOPS file, laid out as their neighbours are.

use super::{
    edit::{New, Splice, next_line, quoted, start_of_line, written},
    file::SopsFile,
    metadata::KEY,
    sealed::looks_sealed,
    tree::{Map, Node},
    trouble::Trouble,
};
use crate::stores::{Fault, KeyPath};

/// Columns of one level in what sops writes.
const INDENT: usize = 4;

/// Where new fields go: the innermost map that is there, and what is still missing below it.
struct Target<'t> {
    map: &'t Map,
    names: Vec<&'t str>,
    missing: Vec<&'t str>,
}

/// Returns the splice that adds fields to a key, which need not be there yet.
pub(super) fn insertion(
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
    let last = entries.rev().find(|entry| !(is_root && entry.key == KEY));
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

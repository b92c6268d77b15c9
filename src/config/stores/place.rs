//! Where in `stores.toml` an error stands. The parts of an entry are read on their own, after their kind is known, and so lose their
//! places; they are looked for again when something is wrong.

use serde::de::DeserializeOwned;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{StoreEntry, StoreKind, TargetEntry, TargetKind};

/// Line and column, both from 1; the column in Unicode code points. 0 if none can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Place {
    /// Returns the place of a byte.
    pub(super) fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |line| line + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Self {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }
}

/// Returns the byte where the first entry of `[stores]` or `[[targets]]` that cannot be read is wrong; `None` if all can be.
pub(super) fn of_entries(text: &str) -> Option<usize> {
    let spanned = DeTable::parse(text).ok()?;
    let plain: Table = toml::from_str(text).ok()?;
    let spanned = spanned.get_ref();
    let stores = (spanned.get("stores"), plain.get("stores"));
    if let (Some(places), Some(Value::Table(values))) = stores
        && let DeValue::Table(places) = places.get_ref()
    {
        for (name, place) in places.iter() {
            let value = values.get(name.get_ref().as_ref());
            let (Some(Value::Table(value)), DeValue::Table(inside)) = (value, place.get_ref())
            else {
                return Some(name.span().start);
            };
            if let Some(key) = wrong::<StoreEntry>(value, &StoreKind::NAMES) {
                return Some(start(inside, key).unwrap_or(name.span().start));
            }
        }
    }
    let targets = (spanned.get("targets"), plain.get("targets"));
    if let (Some(places), Some(Value::Array(values))) = targets
        && let DeValue::Array(places) = places.get_ref()
    {
        for (place, value) in places.iter().zip(values) {
            let (Value::Table(value), DeValue::Table(inside)) = (value, place.get_ref()) else {
                return Some(place.span().start);
            };
            if let Some(key) = wrong::<TargetEntry>(value, &TargetKind::NAMES) {
                return Some(start(inside, key).unwrap_or(place.span().start));
            }
        }
    }
    None
}

/// Tells whether a byte stands below a head that is none of `[stores]` or `[[targets]]`.
pub(super) fn is_elsewhere(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or(text);
    let mut heads = before.lines().map(str::trim_start);
    let head = heads.rfind(|line| line.starts_with('['));
    let name = head.map(|head| head.trim_start_matches('[').trim_start());
    name.is_some_and(|name| {
        ["verify", "rotate", "sinks"]
            .iter()
            .any(|known| name.starts_with(known))
    })
}

/// Returns the byte where a key of the `number`th entry (from 0) of a list of tables stands.
pub(super) fn of_entry(text: &str, list: &str, number: usize, key: &str) -> Option<usize> {
    let spanned = DeTable::parse(text).ok()?;
    let DeValue::Array(entries) = spanned.get_ref().get(list)?.get_ref() else {
        return None;
    };
    match entries.get(number)?.get_ref() {
        DeValue::Table(inside) => start(inside, Some(key)),
        _ => None,
    }
}

/// Returns the byte where `[table] key` stands.
pub(super) fn of_key(text: &str, table: &str, key: &str) -> Option<usize> {
    let spanned = DeTable::parse(text).ok()?;
    match spanned.get_ref().get(table)?.get_ref() {
        DeValue::Table(inside) => start(inside, Some(key)),
        _ => None,
    }
}

fn start(table: &DeTable<'_>, key: Option<&str>) -> Option<usize> {
    let key = key?;
    let mut keys = table.iter();
    let found = keys.find(|(name, _)| name.get_ref().as_ref() == key);
    found.map(|(name, _)| name.span().start)
}

/// Tells whether an entry cannot be read, and which of its keys is at fault: the one without which, or with another value of which, it
/// could be. `Some(None)`: something is missing, or several are wrong.
fn wrong<'t, T: DeserializeOwned>(entry: &'t Table, kinds: &[&str]) -> Option<Option<&'t str>> {
    let reads = |table: Table| T::deserialize(Value::Table(table)).is_ok();
    if reads(entry.clone()) {
        return None;
    }
    let others = [
        Value::String("x".to_owned()),
        Value::Boolean(true),
        Value::Integer(1),
        Value::Array(vec![Value::String("x".to_owned())]),
    ];
    let is_known = |kind: &Value| kind.as_str().is_some_and(|kind| kinds.contains(&kind));
    if let Some((name, _)) = entry
        .iter()
        .find(|(name, kind)| *name == "kind" && !is_known(kind))
    {
        return Some(Some(name));
    }
    let is_at_fault = |name: &String| {
        let mut without = entry.clone();
        without.remove(name);
        let mut with = others.iter().map(|other| {
            let mut with = entry.clone();
            with.insert(name.clone(), other.clone());
            with
        });
        name != "kind" && (reads(without) || with.any(reads))
    };
    Some(
        entry
            .keys()
            .find(|name| is_at_fault(name))
            .map(String::as_str),
    )
}

//! The embedded catalogue: every file of `rules/`, made a table by the build script.

use std::{borrow::Cow, sync::Arc};

use super::{Check, Examples, Extent, Near, Rule, RuleError, RuleSet, Shape, ValueClass};
use crate::model::{Confidence, RuleId, RuleMeta, Severity};

/// A rule as the build script leaves it.
struct Packed {
    id: &'static str,
    description: &'static str,
    source: &'static str,
    remediation: &'static str,
    family: &'static str,
    provider: &'static str,
    cwe: u32,
    severity: Severity,
    confidence: Confidence,
    pattern: Option<&'static str>,
    max_len: usize,
    shape: PackedShape,
    entropy: f64,
    check: Option<Check>,
    value: Option<ValueClass>,
    extent: Option<Extent>,
    /// Pattern, bytes, required.
    near: Option<(&'static str, usize, bool)>,
    paths: &'static [&'static str],
    tags: &'static [&'static str],
    positive: &'static [&'static str],
    negative: &'static [&'static str],
}

enum PackedShape {
    /// Prefixes, and whether case is ignored.
    Token(&'static [&'static str], bool),
    Context(&'static [&'static str]),
    Marker(&'static [&'static str]),
}

/// Sorted by id.
static TABLE: &[Packed] = include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// Name and text of each file, sorted by name.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Returns the embedded catalogue. Costs a copy of a table, below a millisecond; regexes are compiled later, by the engine.
///
/// # Errors
/// None as long as the catalogue is a table; callers must not rely on where it comes from.
pub fn builtin() -> Result<RuleSet, RuleError> {
    Ok(RuleSet {
        rules: TABLE.iter().map(Packed::unpack).collect(),
    })
}

/// Returns the names and texts of the catalogue's files, for `keysweep rules test`, which reads them with every check.
#[must_use]
pub fn catalogue_files() -> &'static [(&'static str, &'static str)] {
    FILES
}

impl Packed {
    fn unpack(&self) -> Rule {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let shown = |list: &[&'static str]| list.iter().map(|text| Cow::Borrowed(*text)).collect();
        let bytes = |list: &[&str]| list.iter().map(|text| text.as_bytes().to_vec()).collect();
        Rule {
            meta: Arc::new(RuleMeta {
                id: RuleId::new(self.id),
                description: self.description.into(),
                family: self.family.to_owned(),
                provider: self.provider.into(),
                source: self.source.into(),
                cwe: self.cwe,
                severity: self.severity,
                confidence: self.confidence,
                remediation: self.remediation.into(),
                tags: texts(self.tags),
            }),
            pattern: self.pattern.map(str::to_owned),
            max_len: self.max_len,
            shape: match self.shape {
                PackedShape::Token(prefixes, fold) => Shape::Token {
                    prefixes: bytes(prefixes),
                    fold,
                },
                PackedShape::Context(words) => Shape::Context {
                    words: texts(words),
                },
                PackedShape::Marker(markers) => Shape::Marker {
                    markers: bytes(markers),
                },
            },
            entropy: self.entropy,
            check: self.check,
            value: self.value,
            extent: self.extent,
            near: self.near.map(|(pattern, within, required)| Near {
                pattern: pattern.to_owned(),
                within,
                required,
            }),
            paths: texts(self.paths),
            examples: Examples {
                positive: shown(self.positive),
                negative: shown(self.negative),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rules::{parse, tests::render};

    #[test]
    fn every_file_of_the_catalogue_passes_every_check() {
        let mut complaints = Vec::new();
        for (name, text) in FILES {
            if let Err(error) = parse(name, text) {
                complaints.push(render(&error));
            }
        }
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    #[test]
    fn the_table_is_what_the_files_say() {
        let read = FILES
            .iter()
            .flat_map(|(name, text)| parse(name, text).unwrap());
        let read = RuleSet::new(read.collect());
        let table = builtin().unwrap();
        assert_eq!(table.rules.len(), read.rules.len());
        for (table, read) in table.rules.iter().zip(&read.rules) {
            assert_eq!(format!("{table:?}"), format!("{read:?}"));
        }
    }

    #[test]
    fn ids_are_unique_and_in_order() {
        let set = builtin().unwrap();
        let ids: BTreeSet<&RuleId> = set.rules.iter().map(|rule| &rule.meta.id).collect();
        assert_eq!(ids.len(), set.rules.len());
        assert!(
            set.rules
                .windows(2)
                .all(|pair| pair[0].meta.id < pair[1].meta.id)
        );
    }
}

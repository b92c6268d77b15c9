//! `[environments]` of `keysweep.toml`: globs or tables, each entry with its place.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{Environment, Fault, Tier, schema::Reader};

/// Globs alone, or all that tells an environment.
#[derive(Debug)]
pub(super) enum EnvironmentSchema {
    Paths(Vec<Spanned<String>>),
    Table(EnvironmentTable),
}

/// By hand: what serde reads in one form or another has no places inside.
impl<'de> Deserialize<'de> for EnvironmentSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EnvironmentVisitor)
    }
}

struct EnvironmentVisitor;

impl<'de> Visitor<'de> for EnvironmentVisitor {
    type Value = EnvironmentSchema;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "globs of paths in brackets, or a table of `tier`, `paths`, `namespaces`, `keys` and `stores`",
        )
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut paths = Vec::new();
        while let Some(path) = list.next_element()? {
            paths.push(path);
        }
        Ok(EnvironmentSchema::Paths(paths))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Self::Value, A::Error> {
        let table = EnvironmentTable::deserialize(MapAccessDeserializer::new(table))?;
        Ok(EnvironmentSchema::Table(table))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EnvironmentTable {
    tier: Option<Spanned<String>>,
    paths: Vec<Spanned<String>>,
    namespaces: Vec<Spanned<String>>,
    keys: Vec<Spanned<String>>,
    stores: Vec<Spanned<String>>,
}

impl Reader {
    pub(super) fn environments(
        &mut self,
        schema: BTreeMap<Spanned<String>, EnvironmentSchema>,
    ) -> BTreeMap<String, Environment> {
        let all = schema.into_iter().map(|(name, one)| {
            // Who says the tier has said what the name means.
            let says_tier = matches!(&one, EnvironmentSchema::Table(table) if table.tier.is_some());
            if !says_tier && let Some(meant) = misspelled(name.get_ref()) {
                let word = name.get_ref().clone();
                self.faults
                    .push((Fault::Environment { word, meant }, name.span()));
            }
            let environment = match one {
                EnvironmentSchema::Paths(globs) => Environment {
                    paths: self.globs(&globs),
                    ..Environment::default()
                },
                EnvironmentSchema::Table(table) => Environment {
                    tier: table.tier.and_then(|tier| self.tier(&tier)),
                    paths: self.globs(&table.paths),
                    namespaces: self.globs(&table.namespaces),
                    keys: self.keys(&table.keys),
                    stores: self.globs(&table.stores),
                },
            };
            (name.into_inner(), environment)
        });
        all.collect()
    }

    fn tier(&mut self, written: &Spanned<String>) -> Option<Tier> {
        let tier = Tier::parse(written.get_ref());
        if tier.is_none() {
            let word = written.get_ref().clone();
            self.faults.push((Fault::Tier { word }, written.span()));
        }
        tier
    }

    /// Returns beginnings of keys; an empty one would be the beginning of all.
    fn keys(&mut self, written: &[Spanned<String>]) -> Vec<String> {
        for key in written.iter().filter(|key| key.get_ref().is_empty()) {
            self.faults.push((Fault::EmptyKey, key.span()));
        }
        written.iter().map(|key| key.get_ref().clone()).collect()
    }
}

/// Long names that environments mostly have, and how many slips of the pen make another name of each.
const LONG: [(&str, usize); 6] = [
    ("production", 2),
    ("preproduction", 2),
    ("development", 2),
    ("acceptance", 2),
    ("staging", 1),
    ("sandbox", 1),
];

/// Short ones: other words are too near to them, but for two letters that changed places.
const SHORT: [&str; 3] = ["prod", "stage", "test"];

/// Longest name that may be a slip.
const MAX_SLIP: usize = 16;

/// Returns the common name that a name is a slip of: it would be an environment of its own, and nothing would be guarded as production.
fn misspelled(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let is_word = lower.len() <= MAX_SLIP && lower.bytes().all(|b| b.is_ascii_lowercase());
    if !is_word {
        return None;
    }
    // `stagings` and `reproduction` are words of their own.
    let mut long = LONG.iter().filter(|(word, _)| !lower.contains(word));
    let found = long.find(|(word, most)| slips(&lower, word) <= *most);
    found.map(|(word, _)| *word).or_else(|| {
        let letters = |word: &str| {
            let mut all = word.as_bytes().to_vec();
            all.sort_unstable();
            all
        };
        SHORT.into_iter().find(|word| {
            letters(&lower) == letters(word) && lower != *word && slips(&lower, word) == 1
        })
    })
}

/// Counts the letters left out, added, changed, or swapped with the next one, between two short words.
fn slips(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let least = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if is_swap {
                    least.min(rows[i - 2][j - 2] + 1)
                } else {
                    least
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_common_names() {
        for (name, want) in [
            ("productoin", Some("production")),
            ("Prodcution", Some("production")),
            ("prodution", Some("production")),
            ("preprodution", Some("preproduction")),
            ("devlopment", Some("development")),
            ("stagign", Some("staging")),
            ("stging", Some("staging")),
            ("prdo", Some("prod")),
            ("tset", Some("test")),
        ] {
            assert_eq!(misspelled(name), want, "{name}");
        }
        for name in [
            "production",
            "Production",
            "prod",
            "prd",
            "pro",
            "preprod",
            "nonproduction",
            "staging",
            "staging2",
            "staging-eu",
            "stage",
            "stag",
            "review",
            "develop",
            "developers",
            "test",
            "tests",
            "acc",
            "live",
            "canary",
            "training",
            "product",
            "samples",
            "",
        ] {
            assert_eq!(misspelled(name), None, "{name}");
        }
    }
}

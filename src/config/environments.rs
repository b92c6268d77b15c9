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
        schema: BTreeMap<String, EnvironmentSchema>,
    ) -> BTreeMap<String, Environment> {
        let all = schema.into_iter().map(|(name, one)| {
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
            (name, environment)
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

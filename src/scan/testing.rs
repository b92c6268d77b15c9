//! Options and keys for the tests of a run.

use std::{collections::BTreeSet, sync::Arc};

use super::Options;
use crate::{
    config::{PathGlobs, suppress::Markers},
    model::DigestKey,
    rules::{self, RuleSet},
    sources::{archive, tree::TreeOptions},
};

const RULE: &str =
    "[[rules]]\nid = \"acme-key\"\ndescription = \"Acme key\"\npattern = 'acme-[0-9a-f]{12}'\n";

/// Returns options with one rule, whose keys [`key`] makes.
pub(super) fn options() -> Options {
    let ids = BTreeSet::from(["acme-key".to_owned()]);
    let rules = rules::parse_user("test.toml", RULE, &ids, &RuleSet::new(Vec::new())).unwrap();
    Options {
        rules: Arc::new(RuleSet::new(rules)),
        guests: BTreeSet::new(),
        run_key: DigestKey::new([7; 32]),
        project_key: None,
        markers: Markers::default(),
        archives: archive::Limits::default(),
        tree: TreeOptions::default(),
        exclude: PathGlobs::new::<String>(&[]).unwrap(),
        accept: BTreeSet::new(),
        notes: Vec::new(),
        policy: None,
        secrets: true,
        threads: 1,
    }
}

/// Returns a made-up key, another one for each number.
pub(super) fn key(n: u64) -> String {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    format!("acme-{mixed:012x}")
}

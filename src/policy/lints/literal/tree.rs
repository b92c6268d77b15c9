//! The literals of a tree, each under the names that lead to it.
//!
//! Goes through maps, lists, pairs of `name` and `value`, what CloudFormation fills in, and JSON that stands in a text. Names and paths
//! are cut where they are overlong: each literal has a copy.

use std::ops::Range;

use crate::model::Severity;

use super::{
    super::super::{
        names,
        node::{Node, Scalar},
        readers::json,
        values::Strength,
    },
    is_secret, judge_in, judge_place_in, strength,
};

/// A literal under a name.
#[derive(Clone, Debug)]
pub(in super::super) struct Literal {
    /// The nearest name.
    pub(in super::super) name: String,
    /// The name of what the nearest one is in: `secrets` of `secrets = { db = "x" }`.
    pub(in super::super) owner: Option<String>,
    /// All names from the outermost, joined by dots.
    pub(in super::super) path: String,
    /// The text.
    pub(in super::super) value: String,
    /// Its bytes, without quotes.
    pub(in super::super) span: Range<usize>,
}

impl Literal {
    /// Returns how bad it is in the file with this path. What stands below the name of a secret is one if it looks random:
    /// `tokens = { ci = "..." }`.
    pub(in super::super) fn judge(&self, path: &str, usual: Severity) -> Option<Severity> {
        const ABOUT: [&str; 10] = [
            "id", "ids", "arn", "name", "user", "username", "url", "host", "email", "version",
        ];
        judge_in(path, &self.name, &self.value, usual).or_else(|| {
            let words = names::words(&self.name);
            let is_about = words
                .last()
                .is_some_and(|last| ABOUT.contains(&last.as_str()));
            let is_below = self.owner.as_deref().is_some_and(is_secret) && !is_about;
            let is_random = strength(&self.value) == Some(Strength::Random);
            (is_below && is_random)
                .then(|| judge_place_in(path, &self.value, usual))
                .flatten()
        })
    }
}

/// Longest name that is kept, in bytes: each literal below it has a copy.
const MAX_NAME: usize = 100;

/// Length from which on a path grows no more.
const MAX_PATH: usize = 400;

/// Returns the beginning of an overlong name.
pub(in super::super) fn clip(name: &str) -> &str {
    name.get(..MAX_NAME).unwrap_or_else(|| {
        let end = name
            .char_indices()
            .map(|(at, _)| at)
            .take_while(|at| *at <= MAX_NAME)
            .last();
        name.get(..end.filter(|_| name.len() > MAX_NAME).unwrap_or(name.len()))
            .unwrap_or(name)
    })
}

/// The names that lead to a node.
#[derive(Clone)]
pub(in super::super) struct Names<'n> {
    /// As [`Literal::name`].
    pub(in super::super) name: &'n str,
    /// As [`Literal::owner`].
    pub(in super::super) owner: Option<&'n str>,
    /// As [`Literal::path`].
    pub(in super::super) path: String,
}

impl<'n> Names<'n> {
    /// Of the outermost node.
    pub(in super::super) fn root(name: &'n str) -> Self {
        let name = clip(name);
        Names {
            name,
            owner: None,
            path: name.to_owned(),
        }
    }

    /// Of what stands below under a name.
    pub(in super::super) fn below<'b>(&'b self, name: &'b str) -> Names<'b> {
        let name = clip(name);
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path if path.len() > MAX_PATH => path.to_owned(),
            path => format!("{path}.{name}"),
        };
        Names {
            name,
            owner: Some(self.name),
            path,
        }
    }

    /// Of an item of a list, by what it is called.
    pub(in super::super) fn item(&self, name: &str) -> Names<'n> {
        let mut below = self.clone();
        if self.path.len() <= MAX_PATH {
            below.path = format!("{}[{}]", self.path, clip(name));
        }
        below
    }

    /// Returns a literal under these names.
    pub(in super::super) fn literal(&self, value: String, span: Range<usize>) -> Literal {
        Literal {
            name: self.name.to_owned(),
            owner: self.owner.map(str::to_owned),
            path: self.path.clone(),
            value,
            span,
        }
    }
}

/// Calls `f` with the literals of a tree. `outer` is the text that the tree stands in, if it is not the file itself.
pub(in super::super) fn each(
    names: &Names<'_>,
    node: &Node,
    outer: Option<&Scalar>,
    f: &mut dyn FnMut(Literal),
) {
    if let Some((name, value)) = pair(node) {
        each(&names.below(name), value, outer, f);
    }
    for entry in node.entries() {
        match entry.key.as_str() {
            // What CloudFormation fills in later; the first two hold texts.
            "Fn::Sub" | "Fn::Base64" | "fn::secret" | "<<" => each(names, &entry.value, outer, f),
            "Ref" => {}
            key if key.starts_with("Fn::") || key.starts_with("fn::") => {}
            key => each(&names.below(key), &entry.value, outer, f),
        }
    }
    for item in node.items() {
        match (item.scalar(), item.text_at(&["name"])) {
            // Lists of texts are mostly words.
            (Some(text), _) if strength(&text.text) != Some(Strength::Random) => {}
            (None, Some(name)) if pair(item).is_none() => each(&names.item(name), item, outer, f),
            _ => each(names, item, outer, f),
        }
    }
    let Some(scalar) = node.scalar().filter(|_| is_text(node)) else {
        return;
    };
    let nested = outer.is_none() && scalar.text.trim_start().starts_with(['{', '[']);
    let tree = nested.then(|| json::read(&scalar.text).ok()).flatten();
    if let Some(tree) = tree.filter(|tree| !tree.entries().is_empty() || !tree.items().is_empty()) {
        return each(names, &tree, Some(scalar), f);
    }
    let within = scalar.source(0..scalar.text.len());
    let span = outer.map_or(within.clone(), |outer| outer.source(within));
    f(names.literal(scalar.text.clone(), span));
}

/// Tells whether a scalar is a text and not what a tag makes of it.
fn is_text(node: &Node) -> bool {
    node.tag
        .as_deref()
        .is_none_or(|tag| matches!(tag, "!Sub" | "!unsafe" | "!!str" | "!"))
}

/// Returns the name and the value of an entry that is written as a pair: `{name: X, value: y}`.
fn pair(node: &Node) -> Option<(&str, &Node)> {
    const NAMES: [&str; 6] = [
        "name",
        "Name",
        "key",
        "Key",
        "parameter_key",
        "ParameterKey",
    ];
    const VALUES: [&str; 4] = ["value", "Value", "parameter_value", "ParameterValue"];
    let name = NAMES.iter().find_map(|key| node.text_at(&[key]))?;
    let value = VALUES.iter().find_map(|key| node.get(key))?;
    Some((name, value))
}

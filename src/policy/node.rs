//! One tree for YAML, JSON and TOML: maps, lists and scalars with the bytes they were written in.
//!
//! Duplicate keys are kept. YAML aliases are expanded (the spans of what they stand for stay those of its origin) within
//! [`MAX_NODES`]. Nothing here knows of any format; `readers` make the trees.

use std::{collections::HashSet, ops::Range};

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 128;

/// Most nodes of a file, those that aliases bring included.
pub const MAX_NODES: usize = 400_000;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes; also numbers, `true` and `null` of JSON and TOML.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A block that keeps its line breaks (`|`), or a multi-line string.
    Literal,
    /// A block whose lines are folded (`>`).
    Folded,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// The bytes it was written in, quotes included; without tag and anchor.
    pub span: Range<usize>,
    /// The explicit tag as written (`!Ref`, `!vault`).
    pub tag: Option<String>,
    /// Where the alias stands that brought this node here.
    pub alias: Option<Range<usize>>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A text, number, boolean or null.
    Scalar(Scalar),
    /// Entries in the order of the file.
    Map(Vec<Entry>),
    /// Items in the order of the file.
    List(Vec<Node>),
}

/// A scalar's decoded text with the way back to its bytes.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text, quoting and escapes undone.
    pub text: String,
    /// How it was written.
    pub style: Style,
    /// Pairs of an offset in `text` and the offset in the file that it came from, sorted, the first at 0. Between two pairs bytes
    /// stand side by side in both.
    pub map: Vec<(usize, usize)>,
    /// One past the last byte of the file that any of it came from.
    pub end: usize,
}

/// One entry of a map.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's decoded text; of a key that is no scalar the empty text.
    pub key: String,
    /// The key's bytes, quotes included.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Node,
}

impl Entry {
    /// Returns the bytes from the key to the end of the value.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        // The value of an alias stands elsewhere.
        let value = self.value.alias.as_ref().unwrap_or(&self.value.span);
        self.key_span.start..value.end.max(self.key_span.end)
    }
}

impl Scalar {
    /// Returns the bytes of the file that a part of the text came from.
    #[must_use]
    pub fn source(&self, part: Range<usize>) -> Range<usize> {
        let place = |offset: usize| {
            let at = self.map.partition_point(|(text, _)| *text <= offset);
            let (text, source) = at
                .checked_sub(1)
                .and_then(|at| self.map.get(at))
                .copied()
                .unwrap_or((0, 0));
            (source + (offset - text.min(offset))).min(self.end)
        };
        let start = place(part.start);
        if part.end <= part.start {
            return start..start;
        }
        // The end is that of the last byte, which may be the last before a break that is written otherwise.
        start..(place(part.end - 1) + 1).clamp(start, self.end.max(start))
    }

    /// Makes the places of a scalar that was read from the text of another those of the file.
    fn place(&mut self, outer: &Self) {
        let mut map = Vec::with_capacity(self.map.len());
        for (at, (text, inner)) in self.map.iter().enumerate() {
            map.push((*text, outer.source(*inner..*inner).start));
            // Where the outer text and the file part, the map needs a pair of its own.
            let next = self.map.get(at + 1).map_or(self.text.len(), |next| next.0);
            let first = outer.map.partition_point(|(from, _)| from <= inner);
            for (from, source) in outer.map.get(first..).unwrap_or_default() {
                let place = text + (from - inner);
                if place >= next {
                    break;
                }
                map.push((place, *source));
            }
        }
        self.end = outer.source(0..self.end).end;
        self.map = map;
    }
}

impl Node {
    /// Makes the places of a tree that was read from the text of a scalar those of the file.
    pub fn place(&mut self, outer: &Scalar) {
        let placed = |span: &Range<usize>| outer.source(span.clone());
        self.span = placed(&self.span);
        self.alias = self.alias.as_ref().map(placed);
        match &mut self.kind {
            NodeKind::Scalar(scalar) => scalar.place(outer),
            NodeKind::Map(entries) => {
                for entry in entries {
                    entry.key_span = placed(&entry.key_span);
                    entry.value.place(outer);
                }
            }
            NodeKind::List(items) => items.iter_mut().for_each(|item| item.place(outer)),
        }
    }

    /// Returns the text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    /// Returns the scalar.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Returns the entries of a map as written (`<<` among them), none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the items of a list, none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            NodeKind::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the entry of a map with this key: the last of several, own ones before those of YAML's merge key (`<<`).
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        let own = self.entries().iter().rfind(|entry| entry.key == key);
        own.or_else(|| {
            let merged = self.entries().iter().filter(|entry| entry.key == "<<");
            merged
                .flat_map(|entry| std::iter::once(&entry.value).chain(entry.value.items()))
                .find_map(|node| node.entry(key))
        })
    }

    /// Returns the value of a map's key; see [`Self::entry`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Follows several keys, one below the other.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Returns the text of a scalar below several keys.
    #[must_use]
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).and_then(Self::text)
    }

    /// Tells whether the node is null or nothing: `key:`, `~`, `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| {
            scalar.style == Style::Plain
                && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
        })
    }

    /// Returns the entries of a map with those that YAML's merge keys bring, own ones first.
    #[must_use]
    pub fn merged(&self) -> Vec<&Entry> {
        let is_merge = |entry: &&Entry| entry.key == "<<";
        let own = self.entries().iter().filter(|entry| !is_merge(entry));
        let mut all: Vec<&Entry> = own.collect();
        let mut keys: Option<HashSet<&str>> = None;
        for entry in self.entries().iter().filter(is_merge) {
            let keys =
                keys.get_or_insert_with(|| all.iter().map(|entry| entry.key.as_str()).collect());
            let nodes = std::iter::once(&entry.value).chain(entry.value.items());
            all.extend(
                nodes
                    .flat_map(Self::merged)
                    .filter(|merged| keys.insert(&merged.key)),
            );
        }
        all
    }

    /// Calls `f` with the path of keys (list items have the empty key), the entry or item's key span, and each scalar below.
    pub fn leaves<'n>(&'n self, f: &mut dyn FnMut(&Path<'n>, &'n Node)) {
        self.descend(&mut Path(Vec::new()), f);
    }

    fn descend<'n>(&'n self, path: &mut Path<'n>, f: &mut dyn FnMut(&Path<'n>, &'n Node)) {
        match &self.kind {
            NodeKind::Scalar(_) => f(path, self),
            NodeKind::Map(entries) => {
                for entry in entries {
                    path.0.push(Step {
                        key: &entry.key,
                        span: entry.key_span.clone(),
                    });
                    entry.value.descend(path, f);
                    path.0.pop();
                }
            }
            NodeKind::List(items) => {
                for item in items {
                    path.0.push(Step {
                        key: "",
                        span: item.span.start..item.span.start,
                    });
                    item.descend(path, f);
                    path.0.pop();
                }
            }
        }
    }
}

/// The keys that lead to a scalar.
#[derive(Clone, Debug)]
pub struct Path<'n>(Vec<Step<'n>>);

/// One key of a path.
#[derive(Clone, Debug)]
pub struct Step<'n> {
    /// The key; empty for an item of a list.
    pub key: &'n str,
    /// Its bytes.
    pub span: Range<usize>,
}

impl<'n> Path<'n> {
    /// Returns the steps, the outermost first.
    #[must_use]
    pub fn steps(&self) -> &[Step<'n>] {
        &self.0
    }

    /// Returns the last key that is not an item's.
    #[must_use]
    pub fn key(&self) -> Option<&Step<'n>> {
        self.0.iter().rfind(|step| !step.key.is_empty())
    }

    /// Returns the keys joined by dots, `[]` for items.
    #[must_use]
    pub fn dotted(&self) -> String {
        let keys = self
            .0
            .iter()
            .map(|step| if step.key.is_empty() { "[]" } else { step.key });
        keys.collect::<Vec<_>>().join(".")
    }
}

//! The tree of a SOPS file in YAML or JSON, with the place of each value in the text.
//!
//! Promises: it has the shape that sops sees (order, keys as strings, types of bare words as its YAML library reads them); anchors,
//! several documents and keys that are no strings are refused, as sops writes none of them; depth and size are bounded.

use std::{collections::BTreeSet, ops::Range};

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, Tag};

use super::trouble::Trouble;

/// Deepest nesting that is read. Sops itself has no limit; a file of secrets has three or four levels.
const MAX_DEPTH: usize = 64;
/// Most nodes of a file.
const MAX_NODES: usize = 400_000;

/// A node of the tree.
#[derive(Debug)]
pub(super) enum Node {
    Map(Map),
    List(List),
    Scalar(Scalar),
}

/// A map, in the order of the text.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) entries: Vec<Entry>,
    pub(super) span: Range<usize>,
    /// Written as `{...}`.
    pub(super) flow: bool,
}

/// One key of a map and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
}

/// A list.
#[derive(Debug)]
pub(super) struct List {
    pub(super) items: Vec<Node>,
    pub(super) span: Range<usize>,
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) span: Range<usize>,
    /// Without quotes: the word decides on its type.
    pub(super) plain: bool,
    /// `!!binary` and the like, as its last part.
    pub(super) tag: Option<String>,
}

impl Node {
    /// Returns the byte behind the last one of this node.
    pub(super) fn end(&self) -> usize {
        match self {
            Self::Map(map) if !map.flow => map.entries.last().map_or(map.span.end, |entry| {
                entry.value.end().max(entry.key_span.end)
            }),
            Self::Map(map) => map.span.end,
            Self::List(list) => list
                .items
                .last()
                .map_or(list.span.end, |item| item.end().max(list.span.end)),
            Self::Scalar(scalar) => scalar.span.end,
        }
    }
}

impl Map {
    /// Returns the entry of a key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Returns the text of a scalar entry.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.entry(key)?.value {
            Node::Scalar(scalar) => Some(&scalar.text),
            Node::Map(_) | Node::List(_) => None,
        }
    }
}

/// Reads a file's text: one document, a map.
pub(super) fn read(text: &str) -> Result<Map, Trouble> {
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            Trouble::damaged(format!("it is no YAML at line {}", error.marker().line()))
        })?;
        builder.event(event, span)?;
    }
    match builder.root {
        Some(Node::Map(map)) => Ok(map),
        Some(Node::List(_) | Node::Scalar(_)) | None => {
            Err(Trouble::damaged("it does not begin with a map of keys"))
        }
    }
}

/// A collection that is being read.
enum Open {
    /// A map, the key that waits for its value, and all keys so far.
    Map(Map, Option<(String, Range<usize>)>, BTreeSet<String>),
    List(List),
}

#[derive(Default)]
struct Builder {
    stack: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Trouble> {
        let span_of_bytes = span.byte_range().unwrap_or(0..0);
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                no_anchor(anchor, line)?;
                let scalar = Scalar {
                    text: text.into_owned(),
                    span: span_of_bytes,
                    plain: style == ScalarStyle::Plain,
                    tag: tag.as_deref().map(short),
                };
                self.close(Node::Scalar(scalar), line)
            }
            Event::SequenceStart(_, anchor, _) => {
                no_anchor(anchor, line)?;
                let list = List {
                    items: Vec::new(),
                    span: span_of_bytes,
                };
                self.open(Open::List(list))
            }
            Event::MappingStart(style, anchor, _) => {
                no_anchor(anchor, line)?;
                let map = Map {
                    entries: Vec::new(),
                    span: span_of_bytes,
                    flow: style == StructureStyle::Flow,
                };
                self.open(Open::Map(map, None, BTreeSet::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span_of_bytes, line),
            Event::Alias(_) | Event::UnresolvedAlias(_) => no_anchor(1, line),
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open) -> Result<(), Trouble> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Trouble::beyond(format!(
                "it is nested deeper than {MAX_DEPTH} levels"
            )));
        }
        self.stack.push(open);
        Ok(())
    }

    fn end(&mut self, span: Range<usize>, line: usize) -> Result<(), Trouble> {
        match self.stack.pop() {
            // The end of a block is told where the next one begins; only a bracket is an end of its own.
            Some(Open::Map(mut map, ..)) => {
                if map.flow {
                    map.span.end = span.end;
                }
                self.close(Node::Map(map), line)
            }
            Some(Open::List(mut list)) => {
                if !span.is_empty() {
                    list.span.end = span.end;
                }
                self.close(Node::List(list), line)
            }
            None => Ok(()),
        }
    }

    fn close(&mut self, node: Node, line: usize) -> Result<(), Trouble> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Trouble::beyond(format!(
                "it has more than {MAX_NODES} keys and values"
            )));
        }
        match self.stack.last_mut() {
            None if self.root.is_some() => Err(Trouble::beyond(format!(
                "it has a second document at line {line}"
            ))),
            None => {
                self.root = Some(node);
                Ok(())
            }
            Some(Open::List(list)) => {
                list.items.push(node);
                Ok(())
            }
            Some(Open::Map(map, waiting, seen)) => match waiting.take() {
                Some((key, key_span)) => {
                    map.entries.push(Entry {
                        key,
                        key_span,
                        value: node,
                    });
                    Ok(())
                }
                None => {
                    *waiting = Some(key(node, seen, line)?);
                    Ok(())
                }
            },
        }
    }
}

/// Takes a node as the next key of a map.
fn key(
    node: Node,
    seen: &mut BTreeSet<String>,
    line: usize,
) -> Result<(String, Range<usize>), Trouble> {
    let Node::Scalar(scalar) = node else {
        return Err(Trouble::damaged(format!("a key is no text at line {line}")));
    };
    if !matches!(super::words::word(&scalar), Ok(super::words::Word::Text)) {
        return Err(Trouble::damaged(format!(
            "a key is no text at line {line}: quote it"
        )));
    }
    if !seen.insert(scalar.text.clone()) {
        return Err(Trouble::damaged(format!(
            "a key is there twice at line {line}"
        )));
    }
    Ok((scalar.text, scalar.span))
}

fn no_anchor(anchor: usize, line: usize) -> Result<(), Trouble> {
    if anchor == 0 {
        return Ok(());
    }
    Err(Trouble::beyond(format!(
        "it has an anchor or alias at line {line}, which sops does not write"
    )))
}

fn short(tag: &Tag) -> String {
    tag.suffix().to_owned()
}

//! YAML, by granit-parser: its events become a [`Node`] tree.
//!
//! Aliases are expanded within [`MAX_NODES`] and `anchors::aliased`, and are empty beyond; duplicate keys, tags and merge keys are kept as written. A document that breaks off in the
//! middle is an error: its caller reads the file line by line then.

use std::{collections::HashMap, ops::Range};

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

mod anchors;

use anchors::{Anchored, aliased, count, weight};

use super::super::gaps;
use super::super::node::{Entry, MAX_DEPTH, MAX_NODES, Node, NodeKind, Scalar, Style};

/// Reads all documents of a text.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(text: &str) -> Result<Vec<Node>, String> {
    let mut builder = Builder {
        text,
        stack: Vec::new(),
        documents: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        left: aliased(text.len()),
    };
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            let marker = error.marker();
            format!("no YAML at line {}", marker.line())
        })?;
        builder.event(event, span)?;
    }
    Ok(builder.documents)
}

/// A collection that is being read.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<(String, Range<usize>)>,
}

struct Builder<'t> {
    text: &'t str,
    stack: Vec<Open>,
    documents: Vec<Node>,
    /// What each anchor stands for.
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    /// How many bytes aliases may still bring.
    left: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), String> {
        let range = span.byte_range().unwrap_or(0..0);
        let range = range.start.min(self.text.len())..range.end.min(self.text.len());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = self.scalar(&text, style, &range);
                let node = Node {
                    kind: NodeKind::Scalar(scalar),
                    span: range,
                    tag: tag.as_deref().map(written),
                    alias: None,
                };
                self.close(node, anchor, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(NodeKind::List(Vec::new()), range, anchor, tag.as_deref())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(NodeKind::Map(Vec::new()), range, anchor, tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut open) = self.stack.pop() else {
                    return Ok(());
                };
                // The end of a block is told where the next one begins: what it holds ends it.
                let last = match &open.node.kind {
                    NodeKind::Map(entries) => entries.last().map(|entry| entry.span().end),
                    NodeKind::List(items) => items
                        .last()
                        .map(|item| item.alias.as_ref().unwrap_or(&item.span).end),
                    NodeKind::Scalar(_) => None,
                };
                let end = if range.is_empty() {
                    last.unwrap_or(open.node.span.end)
                } else {
                    range.end
                };
                open.node.span.end = end.max(open.node.span.start);
                self.close(open.node, open.anchor, 1)
            }
            Event::Alias(anchor) => {
                let (mut node, size) = self.alias(anchor, range.clone())?;
                node.alias = Some(range);
                self.close(node, 0, size)
            }
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns a copy of what an alias stands for, or nothing in its place if aliases brought too much before.
    fn alias(&mut self, anchor: usize, at: Range<usize>) -> Result<(Node, usize), String> {
        let known = self
            .anchors
            .get(&anchor)
            .ok_or_else(|| "an alias without an anchor".to_owned())?;
        if let Some(left) = self.left.checked_sub(known.weight) {
            self.left = left;
            return Ok((known.node.clone(), known.size));
        }
        gaps::tell("its aliases bring too much: policy did not look at all of it");
        let nothing = Scalar {
            text: String::new(),
            style: Style::Plain,
            map: vec![(0, at.start)],
            end: at.end,
        };
        let node = Node {
            kind: NodeKind::Scalar(nothing),
            span: at,
            tag: None,
            alias: None,
        };
        Ok((node, 1))
    }

    fn open(
        &mut self,
        kind: NodeKind,
        span: Range<usize>,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), String> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(gaps::limit(format!("nested deeper than {MAX_DEPTH}")));
        }
        self.stack.push(Open {
            node: Node {
                kind,
                span,
                tag: tag.map(written),
                alias: None,
            },
            anchor,
            key: None,
        });
        Ok(())
    }

    /// Puts a node that is complete where it belongs.
    fn close(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), String> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            let reason = format!("more than {MAX_NODES} values, those of aliases included");
            return Err(gaps::limit(reason));
        }
        if anchor != 0 {
            let size = count(&node);
            // What anchors keep counts as well: nested ones would grow by the square.
            self.nodes += size;
            let known = Anchored {
                weight: weight(&node),
                node: node.clone(),
                size,
            };
            self.anchors.insert(anchor, known);
        }
        let Some(open) = self.stack.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match &mut open.node.kind {
            NodeKind::List(items) => items.push(node),
            NodeKind::Map(entries) => match open.key.take() {
                None => {
                    let span = node.alias.clone().unwrap_or_else(|| node.span.clone());
                    let key = node.text().unwrap_or_default().to_owned();
                    open.key = Some((key, span));
                }
                Some((key, key_span)) => entries.push(Entry {
                    key,
                    key_span,
                    value: node,
                }),
            },
            NodeKind::Scalar(_) => {}
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, range: &Range<usize>) -> Scalar {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let (style, map) = match style {
            ScalarStyle::Plain => (Style::Plain, flow(raw, text, range.start, Style::Plain)),
            ScalarStyle::SingleQuoted => {
                (Style::Single, flow(raw, text, range.start, Style::Single))
            }
            ScalarStyle::DoubleQuoted => {
                (Style::Double, flow(raw, text, range.start, Style::Double))
            }
            ScalarStyle::Literal => (Style::Literal, block(raw, text, range.start)),
            ScalarStyle::Folded => (Style::Folded, block(raw, text, range.start)),
            #[allow(unreachable_patterns, reason = "the enum may grow")]
            _ => (Style::Plain, vec![(0, range.start)]),
        };
        let mut scalar = Scalar {
            text: text.to_owned(),
            style,
            map,
            end: range.end,
        };
        if !raw.is_ascii() {
            self.bound(&mut scalar);
        }
        scalar
    }

    /// Ends a map where it leads into the middle of a character: text that the parser made in a way of its own.
    fn bound(&self, scalar: &mut Scalar) {
        let astray = scalar.text.char_indices().find_map(|(at, c)| {
            let span = scalar.source(at..at + c.len_utf8());
            self.text.get(span.clone()).is_none().then_some(span.start)
        });
        if let Some(mut end) = astray {
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            scalar.end = end;
        }
    }
}

/// Returns a tag as it was written.
fn written(tag: &Tag) -> String {
    format!("{}{}", tag.original_handle(), tag.suffix())
}

/// Maps a plain or quoted scalar: line folding, doubled quotes and escapes are the places where text and source part.
fn flow(raw: &str, text: &str, start: usize, style: Style) -> Vec<(usize, usize)> {
    let inner = usize::from(style != Style::Plain);
    let mut map = vec![(0, start + inner)];
    if raw.get(inner..inner + text.len()) == Some(text) {
        return map;
    }
    let source = raw.as_bytes();
    let target = text.as_bytes();
    let (mut at, mut out) = (inner, 0);
    while out < target.len() && at < source.len() {
        let (taken, made) = step(source, at, target, out, style);
        at += taken;
        out += made;
        if taken != made {
            map.push((out, start + at));
        }
    }
    map
}

/// Returns how many bytes of source the next bytes of text take.
fn step(source: &[u8], at: usize, target: &[u8], out: usize, style: Style) -> (usize, usize) {
    let byte = source.get(at).copied().unwrap_or_default();
    match (style, byte) {
        (Style::Single, b'\'') => (2, 1),
        (Style::Double, b'\\') => escape(source, at),
        (_, b' ' | b'\t' | b'\r' | b'\n') => {
            // Blanks before a break go with it.
            let rest = source.get(at..).unwrap_or_default();
            let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            let run = rest.get(..blanks).unwrap_or_default();
            if run.contains(&b'\n') || run.contains(&b'\r') {
                let made = target
                    .get(out..)
                    .unwrap_or_default()
                    .iter()
                    .take_while(|b| b.is_ascii_whitespace())
                    .count();
                (blanks, made)
            } else {
                (1, 1)
            }
        }
        _ => (1, 1),
    }
}

/// Returns the lengths of an escape of a double-quoted scalar and of what it stands for.
fn escape(source: &[u8], at: usize) -> (usize, usize) {
    let digits = |count: usize| {
        let hex = source.get(at + 2..at + 2 + count).unwrap_or_default();
        let code = hex.iter().fold(0_u32, |code, b| {
            code << 4 | (*b as char).to_digit(16).unwrap_or(0)
        });
        let made = char::from_u32(code).map_or(3, char::len_utf8);
        (2 + count, made)
    };
    match source.get(at + 1) {
        Some(b'x') => digits(2),
        Some(b'u') => digits(4),
        Some(b'U') => digits(8),
        Some(b'N' | b'_') => (2, 2),
        Some(b'L' | b'P') => (2, 3),
        Some(b'\n') => {
            let rest = source.get(at + 2..).unwrap_or_default();
            let blanks = rest
                .iter()
                .take_while(|b| matches!(b, b' ' | b'\t'))
                .count();
            (2 + blanks, 0)
        }
        _ => (2, 1),
    }
}

/// Maps a block scalar: each line of text is a line of source without its indentation.
fn block(raw: &str, text: &str, start: usize) -> Vec<(usize, usize)> {
    let mut map = Vec::new();
    let mut from = 0;
    // The header (`|2-`) is a line of its own, if the span covers it.
    if raw.starts_with(['|', '>']) {
        from = raw.find('\n').map_or(raw.len(), |at| at + 1);
    }
    let mut out = 0;
    let rest = text.as_bytes();
    // Empty lines before the first one with content are no part of the span.
    let blanks = rest.iter().take_while(|b| **b == b'\n').count();
    if blanks > 0
        && !raw
            .trim_start_matches([' ', '\t'])
            .starts_with(['|', '>', '\r', '\n'])
    {
        map.push((0, start));
        out = blanks;
    }
    while out < rest.len() {
        // A piece goes to the end of the line of source, which folding may have joined with the next one.
        let line = raw.get(from..).unwrap_or_default();
        let end = line.find('\n').unwrap_or(line.len());
        let content = line.get(..end).unwrap_or_default().trim_end_matches('\r');
        if content.trim().is_empty() {
            let made = usize::from(rest.get(out) == Some(&b'\n'));
            map.push((out, start + from));
            if line.is_empty() {
                break;
            }
            out += made;
            from += end + 1;
            continue;
        }
        let wanted = text.get(out..).unwrap_or_default();
        let indent = (0..content.len()).find(|at| {
            content.is_char_boundary(*at)
                && content
                    .get(*at..)
                    .is_some_and(|piece| wanted.starts_with(piece.trim_end()) && !piece.is_empty())
        });
        let Some(indent) = indent else { break };
        map.push((out, start + from + indent));
        let piece = content.get(indent..).unwrap_or_default();
        let length = if wanted.starts_with(piece) {
            piece.len()
        } else {
            piece.trim_end().len()
        };
        out += length;
        // The break, or the blank that stands for it.
        if out < rest.len() {
            map.push((out, start + from + indent + length));
            out += 1;
        }
        from += end + 1;
    }
    if map.is_empty() {
        map.push((0, start));
    }
    map
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Node {
        read(text).unwrap().remove(0)
    }

    fn source<'t>(text: &'t str, node: &Node, part: &str) -> &'t str {
        let scalar = node.scalar().unwrap();
        let at = scalar.text.find(part).unwrap();
        &text[scalar.source(at..at + part.len())]
    }

    #[test]
    fn spans_are_those_of_the_file() {
        let text = "a: 1\nb:\n  - x\n  - \"y z\"\nc: {d: e}\n";
        let tree = one(text);
        assert_eq!(
            &text[tree.get("b").unwrap().items()[1].span.clone()],
            "\"y z\""
        );
        assert_eq!(tree.text_at(&["c", "d"]), Some("e"));
        let entry = tree.entry("b").unwrap();
        assert_eq!(&text[entry.key_span.clone()], "b");
        assert_eq!(&text[entry.span()], "b:\n  - x\n  - \"y z\"");
    }

    #[test]
    fn text_of_every_style_leads_back() {
        for text in [
            "k: one two\n",
            "k: 'it''s two'\n",
            "k: \"a\\tb two\"\n",
            "k: \"a\\u00e9 two\"\n",
            "k: |\n  one\n  two\n",
            "k: |-\n    one\n      two\n",
            "k: >\n  one\n  two\n",
            "k: >\n  one\n\n  two\n",
            "k: one\n  two\n",
            "k: \"one\n\n  two\"\n",
            "k: |\r\n  one\r\n  two\r\n",
            "k: |\n  é one\n  two\n",
            "k: |\n\n  one\n  two\n",
            "a: x\nk: >\n\n\n    one\n\n    two\n",
            "k: |\r\n\r\n  one\r\n  two\r\n",
        ] {
            let tree = one(text);
            assert_eq!(
                source(text, tree.get("k").unwrap(), "two"),
                "two",
                "{text:?}"
            );
        }
    }

    #[test]
    fn aliases_bring_no_more_than_lints_can_look_at() {
        let script = "echo made up\n".repeat(1_000).replace('\n', "\n  ");
        let text = format!("a: &a |\n  {script}\nb:\n{}", "- *a\n".repeat(1_000));
        gaps::take();
        let trees = read(&text).unwrap();
        let all: usize = weight(&trees[0]);
        assert!(all < 2 * aliased(text.len()), "{all}");
        assert_eq!(trees[0].get("b").unwrap().items().len(), 1_000);
        assert!(gaps::take().is_some());
        // A few are no matter.
        read("a: &a {b: c}\nd: [*a, *a, *a]\n").unwrap();
        assert_eq!(gaps::take(), None);
    }

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        let text = "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nsame: *b\n";
        let tree = one(text);
        assert_eq!(tree.text_at(&["use", "x"]), Some("1"));
        assert_eq!(tree.text_at(&["use", "y"]), Some("3"));
        let same = tree.get("same").unwrap();
        assert_eq!(&text[same.alias.clone().unwrap()], "*b");
        assert_eq!(tree.get("use").unwrap().merged().len(), 2);
    }

    #[test]
    fn tags_are_kept_and_stand_outside_of_the_span() {
        let text = "a: !Ref Thing\nb: !vault |\n  $ANSIBLE_VAULT;1.1\n";
        let tree = one(text);
        let a = tree.get("a").unwrap();
        assert_eq!(
            (a.tag.as_deref(), &text[a.span.clone()]),
            (Some("!Ref"), "Thing")
        );
        assert_eq!(tree.get("b").unwrap().tag.as_deref(), Some("!vault"));
    }

    #[test]
    fn several_documents_and_duplicate_keys() {
        assert_eq!(read("a: 1\n---\nb: 2\n").unwrap().len(), 2);
        assert_eq!(one("a: 1\na: 2\n").entries().len(), 2);
        assert_eq!(one("a: 1\na: 2\n").text_at(&["a"]), Some("2"));
    }

    #[test]
    fn what_is_no_yaml_or_too_much_is_told() {
        assert!(read("a: [1, 2\nb: }").is_err());
        let deep = "[".repeat(1000);
        assert!(read(&deep).is_err());
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..12 {
            let last = format!("*a{}", n - 1);
            bomb += &format!("a{n}: &a{n} [{}]\n", [last.as_str(); 9].join(","));
        }
        let many = "- *a\n".repeat(100_000);
        let long = format!("- &a {}\n{many}", "x".repeat(100_000));
        for text in [bomb, long] {
            gaps::take();
            let all: usize = read(&text).unwrap().iter().map(weight).sum();
            assert!(gaps::take().is_some());
            assert!(all < 100 * text.len().max(100_000), "{all}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(text in "[ \\-a:b\\[\\]{}'\"|>\n&*!#\\\\é,0]{0,80}") {
            if let Ok(trees) = read(&text) {
                for tree in &trees {
                    tree.leaves(&mut |_, node| {
                        let scalar = node.scalar().unwrap();
                        assert!(node.span.end <= text.len());
                        for at in 0..scalar.text.len() {
                            let source = scalar.source(at..at + 1);
                            assert!(source.end <= text.len(), "{text:?} {source:?}");
                        }
                        for (at, c) in scalar.text.char_indices() {
                            let source = scalar.source(at..at + c.len_utf8());
                            assert!(text.get(source.clone()).is_some(), "{text:?} {source:?}");
                        }
                    });
                }
            }
        }
    }
}

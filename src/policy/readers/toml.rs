//! TOML, by the toml crate's spanned tables.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::super::gaps;
use super::super::node::{Entry, MAX_DEPTH, MAX_NODES, Node, NodeKind, Scalar, Style};

/// Reads a text as one map.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(text: &str) -> Result<Node, String> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        format!("no TOML at byte {at}")
    })?;
    let mut left = MAX_NODES;
    let span = table.span();
    let kind = map(table.get_ref(), text, 0, &mut left)?;
    Ok(Node {
        kind,
        span,
        tag: None,
        alias: None,
    })
}

fn map(
    table: &DeTable<'_>,
    text: &str,
    depth: usize,
    left: &mut usize,
) -> Result<NodeKind, String> {
    let mut entries = Vec::new();
    for (key, value) in table {
        entries.push(Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            value: node(value, text, depth + 1, left)?,
        });
    }
    entries.sort_by_key(|entry| entry.key_span.start);
    Ok(NodeKind::Map(entries))
}

fn node(
    value: &Spanned<DeValue<'_>>,
    text: &str,
    depth: usize,
    left: &mut usize,
) -> Result<Node, String> {
    if depth > MAX_DEPTH {
        return Err(gaps::limit(format!("nested deeper than {MAX_DEPTH}")));
    }
    *left = left
        .checked_sub(1)
        .ok_or_else(|| gaps::limit(format!("more than {MAX_NODES} values")))?;
    let span = value.span();
    let raw = text.get(span.clone()).unwrap_or_default();
    let kind = match value.get_ref() {
        DeValue::String(string) => {
            let quote = raw.chars().next().unwrap_or('"');
            let is_long = raw.len() >= 6 && raw.chars().take(3).all(|c| c == quote);
            let mut open = if is_long { 3 } else { 1 };
            if is_long {
                // A break right after the opening quotes is dropped.
                let rest = raw.get(3..).unwrap_or_default();
                open +=
                    usize::from(rest.starts_with('\n')) + 2 * usize::from(rest.starts_with("\r\n"));
            }
            let style = match (is_long, quote) {
                (true, _) => Style::Literal,
                (_, '\'') => Style::Single,
                _ => Style::Double,
            };
            let map = if quote == '\'' {
                vec![(0, span.start + open)]
            } else {
                super::escaped(raw, string, span.start, open)
            };
            NodeKind::Scalar(Scalar {
                text: string.to_string(),
                style,
                map,
                end: span.end,
            })
        }
        DeValue::Array(array) => {
            let items = array.iter().map(|item| node(item, text, depth + 1, left));
            NodeKind::List(items.collect::<Result<_, String>>()?)
        }
        DeValue::Table(table) => map(table, text, depth, left)?,
        _ => NodeKind::Scalar(Scalar {
            text: raw.to_owned(),
            style: Style::Plain,
            map: vec![(0, span.start)],
            end: span.end,
        }),
    };
    Ok(Node {
        kind,
        span,
        tag: None,
        alias: None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tables_strings_and_their_places() {
        let text =
            "a = 'x'\n[t.u]\nkey = \"p\\\"w\"\nlong = \"\"\"\none\ntwo\"\"\"\n[[l]]\nn = 1\n";
        let tree = read(text).unwrap();
        assert_eq!(tree.text_at(&["a"]), Some("x"));
        let key = tree.at(&["t", "u", "key"]).unwrap().scalar().unwrap();
        assert_eq!(&text[key.source(2..3)], "w");
        let long = tree.at(&["t", "u", "long"]).unwrap().scalar().unwrap();
        assert_eq!(&text[long.source(4..7)], "two");
        assert_eq!(tree.get("l").unwrap().items()[0].text_at(&["n"]), Some("1"));
    }

    #[test]
    fn what_is_no_toml_is_told() {
        assert!(read("a = ").is_err());
        assert!(read(&format!("a = {}", "[".repeat(100_000))).is_err());
    }

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(text in "[ ab=\\[\\]{}\"'\n.#\\\\n1,]{0,60}") {
            if let Ok(tree) = read(&text) {
                tree.leaves(&mut |_, node| {
                    let scalar = node.scalar().unwrap();
                    for at in 0..scalar.text.len() {
                        assert!(scalar.source(at..at + 1).end <= text.len());
                    }
                });
            }
        }
    }
}

//! JSON with comments, trailing commas and single quotes, by jsonc-parser.

use jsonc_parser::{CollectOptions, ParseOptions, ast::Value, common::Ranged, parse_to_ast};

use super::super::gaps;
use super::super::node::{Entry, MAX_DEPTH, MAX_NODES, Node, NodeKind, Scalar, Style};

/// Reads a text as one value; an empty text is an empty map.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(text: &str) -> Result<Node, String> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default())
        .map_err(|error| format!("no JSON at byte {}", error.range().start))?;
    let mut left = MAX_NODES;
    match parsed.value {
        Some(value) => node(&value, text, 0, &mut left),
        None => Ok(Node {
            kind: NodeKind::Map(Vec::new()),
            span: 0..0,
            tag: None,
            alias: None,
        }),
    }
}

fn node(value: &Value<'_>, text: &str, depth: usize, left: &mut usize) -> Result<Node, String> {
    if depth > MAX_DEPTH {
        return Err(gaps::limit(format!("nested deeper than {MAX_DEPTH}")));
    }
    *left = left
        .checked_sub(1)
        .ok_or_else(|| gaps::limit(format!("more than {MAX_NODES} values")))?;
    let range = value.range();
    let span = range.start..range.end;
    let kind = match value {
        Value::StringLit(literal) => NodeKind::Scalar(string(&literal.value, text, &span)),
        Value::Object(object) => {
            let entries = object.properties.iter().map(|property| {
                let key = property.name.range();
                Ok(Entry {
                    key: property.name.as_str().to_owned(),
                    key_span: key.start..key.end,
                    value: node(&property.value, text, depth + 1, left)?,
                })
            });
            NodeKind::Map(entries.collect::<Result<_, String>>()?)
        }
        Value::Array(array) => {
            let items = array.elements.iter();
            let items = items.map(|item| node(item, text, depth + 1, left));
            NodeKind::List(items.collect::<Result<_, String>>()?)
        }
        Value::NumberLit(_) | Value::BooleanLit(_) | Value::NullKeyword(_) => {
            NodeKind::Scalar(Scalar {
                text: text.get(span.clone()).unwrap_or_default().to_owned(),
                style: Style::Plain,
                map: vec![(0, span.start)],
                end: span.end,
            })
        }
    };
    Ok(Node {
        kind,
        span,
        tag: None,
        alias: None,
    })
}

fn string(value: &str, text: &str, span: &std::ops::Range<usize>) -> Scalar {
    let raw = text.get(span.clone()).unwrap_or_default();
    let style = if raw.starts_with('\'') {
        Style::Single
    } else {
        Style::Double
    };
    Scalar {
        text: value.to_owned(),
        style,
        map: super::escaped(raw, value, span.start, 1),
        end: span.end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_lead_back_through_escapes() {
        let text = r#"{"a": "x\n\u00e9 \"pw\" end", // note
          "b": [1, true, null,], "c": {"d": 'e'}}"#;
        let tree = read(text).unwrap();
        let a = tree.get("a").unwrap().scalar().unwrap();
        let at = a.text.find("pw").unwrap();
        assert_eq!(&text[a.source(at..at + 2)], "pw");
        let at = a.text.find("end").unwrap();
        assert_eq!(&text[a.source(at..at + 3)], "end");
        assert_eq!(tree.get("b").unwrap().items().len(), 3);
        assert_eq!(tree.text_at(&["c", "d"]), Some("e"));
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_told() {
        assert!(read("{\"a\": ").is_err());
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read("").is_ok());
    }

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(text in r#"[ {}\[\]:,"'a\\u0-9ntrue/*]{0,80}"#) {
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

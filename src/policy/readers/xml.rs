//! XML, by roxmltree behind an own tree. Names are without their namespace's prefix.
//!
//! Promises: no entity of the document's own is expanded and nothing outside is read; depth, nodes, attributes of an element and namespaces
//! are bounded before the parser sees the text, so that its time stays linear.

use std::{borrow::Cow, ops::Range};

use roxmltree::{Document, Node, ParsingOptions};

use super::super::gaps;
use super::super::node::{MAX_DEPTH, MAX_NODES};

/// Most attributes of one element: the parser compares each with each.
const MAX_ATTRIBUTES: usize = 512;

/// Most declarations of namespaces in a document: each element compares those in its scope.
const MAX_NAMESPACES: usize = 512;

/// An element.
#[derive(Debug, Default)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its bytes, from its first tag to its last.
    pub span: Range<usize>,
    /// Its attributes in the order of the file.
    pub attributes: Vec<Attribute>,
    /// The elements in it.
    pub children: Vec<Self>,
    /// The first text directly in it that is not blank, without the blanks around it; empty without one.
    pub text: String,
    /// The bytes of that text, without the signs of a CDATA section; of an element without text empty.
    pub text_span: Range<usize>,
}

/// An attribute.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value, references undone.
    pub value: String,
    /// The value's bytes without the quotes.
    pub value_span: Range<usize>,
}

impl Element {
    /// Returns the attribute of this name, in any case of letters.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// Returns the first child of this name, in any case of letters.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children
            .iter()
            .find(|child| child.name.eq_ignore_ascii_case(name))
    }

    /// Calls `f` for this element and all below, each with those around it, the outermost first.
    pub fn walk<'e>(&'e self, f: &mut dyn FnMut(&[&'e Self], &'e Self)) {
        self.descend(&mut Vec::new(), f);
    }

    fn descend<'e>(&'e self, around: &mut Vec<&'e Self>, f: &mut dyn FnMut(&[&'e Self], &'e Self)) {
        f(around, self);
        around.push(self);
        for child in &self.children {
            child.descend(around, f);
        }
        around.pop();
    }
}

/// Reads an XML document.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(text: &str) -> Result<Element, String> {
    // The declaration must be the first; blanks stand where a byte order mark was.
    let trimmed = text.trim_start();
    let offset = text.len() - trimmed.len();
    let body = bounded(trimmed)?;
    let options = ParsingOptions {
        nodes_limit: MAX_NODES as u32,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(&body, options)
        .map_err(|error| format!("no XML at line {}", error.pos().row))?;
    Ok(element(document.root_element(), &body, offset))
}

/// Checks the bounds, and blanks a document type that declares nothing itself.
fn bounded(text: &str) -> Result<Cow<'_, str>, String> {
    let mut doctype: Option<Range<usize>> = None;
    let (mut at, mut depth, mut namespaces) = (0, 0_usize, 0_usize);
    while let Some(start) = memchr::memchr(b'<', text.as_bytes().get(at..).unwrap_or_default()) {
        let start = at + start;
        let rest = text.get(start..).unwrap_or_default();
        let skip = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
        if let Some((open, close)) = skip.iter().find(|(open, _)| rest.starts_with(open)) {
            let inner = rest.get(open.len()..).unwrap_or_default();
            let Some(end) = memchr::memmem::find(inner.as_bytes(), close.as_bytes()) else {
                break;
            };
            at = start + open.len() + end + close.len();
            continue;
        }
        let tag = Tag::of(rest);
        at = start + tag.length;
        if rest.starts_with("<!") {
            if tag.opens {
                return Err("its document type declares entities".to_owned());
            }
            doctype.get_or_insert(start..at);
        } else if rest.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if !tag.closed {
            depth += 1;
        }
        namespaces += tag.namespaces;
        if depth > MAX_DEPTH {
            return Err(gaps::limit(format!("nested deeper than {MAX_DEPTH}")));
        }
        if tag.attributes > MAX_ATTRIBUTES || namespaces > MAX_NAMESPACES {
            return Err(format!(
                "more than {MAX_ATTRIBUTES} attributes or namespaces"
            ));
        }
    }
    let Some(range) = doctype else {
        return Ok(Cow::Borrowed(text));
    };
    let mut body = text.to_owned();
    body.replace_range(range.clone(), &" ".repeat(range.len()));
    Ok(Cow::Owned(body))
}

/// What the bounds need to know of one tag.
#[derive(Default)]
struct Tag {
    length: usize,
    attributes: usize,
    namespaces: usize,
    /// Whether it ends in `/>`.
    closed: bool,
    /// Whether a `[` stands in it.
    opens: bool,
}

impl Tag {
    /// Reads a tag up to the `>` outside of quotes.
    fn of(text: &str) -> Self {
        let mut tag = Self::default();
        let mut quote = None;
        let bytes = text.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            match (quote, byte) {
                (Some(open), byte) if open == *byte => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(*byte),
                (None, b'=') => tag.attributes += 1,
                (None, b'[') => tag.opens = true,
                (None, b'x') if bytes.get(at..at + 5) == Some(b"xmlns") => tag.namespaces += 1,
                (None, b'>') => {
                    tag.closed = at > 0 && bytes.get(at - 1) == Some(&b'/');
                    tag.length = at + 1;
                    return tag;
                }
                _ => {}
            }
        }
        tag.length = text.len();
        tag
    }
}

/// Copies an element. Its depth is bounded.
fn element(node: Node<'_, '_>, body: &str, offset: usize) -> Element {
    let moved = |span: Range<usize>| offset + span.start..offset + span.end;
    let attributes = node.attributes().map(|attribute| {
        let span = attribute.range_value();
        // The parser's places are wrong of very long names: then it is the whole attribute.
        let span = if body.get(span.clone()).is_some() {
            span
        } else {
            attribute.range()
        };
        Attribute {
            name: attribute.name().to_owned(),
            value: attribute.value().to_owned(),
            value_span: moved(span),
        }
    });
    let mut texts = node.children().filter(Node::is_text);
    let text = texts.find(|child| child.text().is_some_and(|text| !text.trim().is_empty()));
    let span = node.range();
    let (text, text_span) = text.map_or_else(
        || (String::new(), span.end..span.end),
        |child| {
            let text = child.text().unwrap_or_default().trim().to_owned();
            (text, inner(body, child.range()))
        },
    );
    Element {
        name: node.tag_name().name().to_owned(),
        span: moved(span),
        attributes: attributes.collect(),
        children: node
            .children()
            .filter(Node::is_element)
            .map(|child| element(child, body, offset))
            .collect(),
        text,
        text_span: moved(text_span),
    }
}

/// Returns the bytes of a text without blanks and the signs of a CDATA section.
fn inner(body: &str, range: Range<usize>) -> Range<usize> {
    let raw = body.get(range.clone()).unwrap_or_default();
    let cdata = raw
        .strip_prefix("<![CDATA[")
        .and_then(|rest| rest.strip_suffix("]]>"));
    let (raw, start) = cdata.map_or((raw, range.start), |inner| {
        (inner, range.start + "<![CDATA[".len())
    });
    let start = start + (raw.len() - raw.trim_start().len());
    start..start + raw.trim().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_names_attributes_and_texts_with_their_bytes() {
        let text = "<?xml version=\"1.0\"?>\r\n<!DOCTYPE a PUBLIC \"x\" \"y.dtd\">\n<a><!-- c --><x:b xmlns:x='u' x:k = 'v &amp; w'> t </x:b>\
            <c><![CDATA[ p<q ]]></c><d/></a>";
        let root = read(text).unwrap();
        let (b, c) = (&root.children[0], root.child("C").unwrap());
        assert_eq!(
            (b.name.as_str(), b.text.as_str(), &text[b.text_span.clone()]),
            ("b", "t", "t")
        );
        let k = b.attribute("K").unwrap();
        assert_eq!(
            (k.value.as_str(), &text[k.value_span.clone()]),
            ("v & w", "v &amp; w")
        );
        assert_eq!(
            (c.text.as_str(), &text[c.text_span.clone()]),
            ("p<q", "p<q")
        );
        assert_eq!(&text[c.span.clone()], "<c><![CDATA[ p<q ]]></c>");
        let mut names = Vec::new();
        root.walk(&mut |around, element| names.push((around.len(), element.name.clone())));
        assert_eq!(
            names
                .iter()
                .map(|(depth, name)| format!("{depth}{name}"))
                .collect::<String>(),
            "0a1b1c1d"
        );
    }

    #[test]
    fn blanks_of_a_byte_order_mark_move_no_span() {
        let text = "   <?xml version=\"1.0\"?><a k=\"v\"/>";
        assert_eq!(
            &text[read(text).unwrap().attributes[0].value_span.clone()],
            "v"
        );
    }

    #[test]
    fn what_could_grow_is_refused() {
        let deep = "<a>".repeat(5000) + &"</a>".repeat(5000);
        let wide = format!(
            "<a {}/>",
            (0..5000).map(|n| format!("a{n}='' ")).collect::<String>()
        );
        let entities = "<!DOCTYPE a [<!ENTITY x \"yy\">]><a>&x;</a>";
        let spaces = (0..5000)
            .map(|n| format!("<a xmlns:a{n}='u'/>"))
            .collect::<String>();
        for text in [
            &deep,
            &wide,
            entities,
            &format!("<r>{spaces}</r>"),
            "",
            "<a>",
            "no",
        ] {
            assert!(read(text).is_err());
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(text in "(<[ab]( k=\"v&amp;\"| xmlns:x='u')?/?>|</[ab]>|<!--|-->|<!\\[CDATA\\[|\\]\\]>|<!DOCTYPE a|<\\?|\\?>|[\\[\\]<>é &;'\"]|\\PC){0,30}") {
            if let Ok(root) = read(&text) {
                root.walk(&mut |_, element| {
                    assert!(text.get(element.span.clone()).is_some());
                    assert!(text.get(element.text_span.clone()).is_some());
                    assert!(element.attributes.iter().all(|one| text.get(one.value_span.clone()).is_some()));
                });
            }
        }
    }
}

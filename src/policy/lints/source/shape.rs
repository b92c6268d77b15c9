//! One view of expressions for all languages: what a node of a syntax tree is made of, as far as a value may flow through it.
//!
//! Nothing here knows of secrets. Each function is linear in the children of its node; chains (`a + b + c`, `a.b().c`) are followed
//! in a loop, not by recursion.

use std::ops::Range;

use tree_sitter::Node;

/// Links of a chain of members and calls that are read.
const MAX_CHAIN: usize = 24;

/// Most operands of one concatenation that are read.
const MAX_PARTS: usize = 256;

/// The languages that are read; TypeScript and JSX have the expressions of JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    /// Python.
    Python,
    /// JavaScript and TypeScript.
    Script,
    /// Go.
    Go,
}

/// A text and its language.
#[derive(Clone, Copy)]
pub(super) struct Code<'t> {
    /// The language.
    pub(super) tongue: Tongue,
    /// The text.
    pub(super) text: &'t str,
}

/// What an expression is.
pub(super) enum Shape<'t> {
    /// A name.
    Name(&'t str),
    /// `object.name`.
    Member(Node<'t>, &'t str),
    /// `object[index]`.
    Index(Node<'t>, Node<'t>),
    /// `callee(arguments)`, `new callee(arguments)`.
    Call(Node<'t>, Vec<Node<'t>>),
    /// A key with its value: of a map, of a call.
    Pair(Node<'t>, Node<'t>),
    /// Several expressions of which the value is made, or one of which it is.
    Parts(Vec<Node<'t>>),
    /// The same value as another expression.
    Same(Node<'t>),
    /// A text without anything in it that is filled in.
    Text,
    /// Something else: its value is not that of any part of it.
    Other,
}

impl<'t> Code<'t> {
    /// Returns the text of a node.
    pub(super) fn of(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Returns what an expression is.
    pub(super) fn shape(&self, node: Node<'t>) -> Shape<'t> {
        let shape = match self.tongue {
            Tongue::Python => self.python(node),
            Tongue::Script => self.script(node),
            Tongue::Go => self.go(node),
        };
        shape.unwrap_or(Shape::Other)
    }

    fn python(&self, node: Node<'t>) -> Option<Shape<'t>> {
        let field = |name: &str| node.child_by_field_name(name);
        Some(match node.kind() {
            "identifier" => Shape::Name(self.of(node)),
            "attribute" => Shape::Member(field("object")?, self.of(field("attribute")?)),
            "subscript" => Shape::Index(field("value")?, field("subscript")?),
            "call" => Shape::Call(
                field("function")?,
                arguments(field("arguments"), "argument_list"),
            ),
            "keyword_argument" => Shape::Pair(field("name")?, field("value")?),
            "pair" => Shape::Pair(field("key")?, field("value")?),
            "string" => {
                let filled: Vec<_> = named(node)
                    .into_iter()
                    .filter(|child| child.kind() == "interpolation")
                    .filter_map(|child| child.child_by_field_name("expression"))
                    .collect();
                if filled.is_empty() {
                    Shape::Text
                } else {
                    Shape::Parts(filled)
                }
            }
            "binary_operator" if matches!(self.of(field("operator")?), "+" | "%") => {
                Shape::Parts(spine(node, |operator| matches!(operator, "+" | "%"), self))
            }
            "boolean_operator" if self.of(field("operator")?) == "or" => {
                Shape::Parts(vec![field("left")?, field("right")?])
            }
            "boolean_operator" => Shape::Same(field("right")?),
            "conditional_expression" => {
                let children = named(node);
                Shape::Parts(vec![*children.first()?, *children.get(2)?])
            }
            "concatenated_string" | "tuple" | "list" | "set" | "dictionary" | "expression_list" => {
                Shape::Parts(named(node))
            }
            "parenthesized_expression" | "await" | "list_splat" | "dictionary_splat" => {
                Shape::Same(*named(node).first()?)
            }
            "named_expression" => Shape::Same(field("value")?),
            _ => return None,
        })
    }

    fn script(&self, node: Node<'t>) -> Option<Shape<'t>> {
        let field = |name: &str| node.child_by_field_name(name);
        Some(match node.kind() {
            "identifier" | "shorthand_property_identifier" | "this" | "super" => {
                Shape::Name(self.of(node))
            }
            "member_expression" => Shape::Member(field("object")?, self.of(field("property")?)),
            "subscript_expression" => Shape::Index(field("object")?, field("index")?),
            "call_expression" => Shape::Call(
                field("function")?,
                arguments(field("arguments"), "arguments"),
            ),
            "new_expression" => Shape::Call(
                field("constructor")?,
                arguments(field("arguments"), "arguments"),
            ),
            "pair" => Shape::Pair(field("key")?, field("value")?),
            "string" => Shape::Text,
            "template_string" => {
                let filled: Vec<_> = named(node)
                    .into_iter()
                    .filter(|child| child.kind() == "template_substitution")
                    .filter_map(|child| named(child).first().copied())
                    .collect();
                if filled.is_empty() {
                    Shape::Text
                } else {
                    Shape::Parts(filled)
                }
            }
            "binary_expression" => match self.of(field("operator")?) {
                "+" => Shape::Parts(spine(node, |operator| operator == "+", self)),
                "||" | "??" => Shape::Parts(vec![field("left")?, field("right")?]),
                "&&" => Shape::Same(field("right")?),
                _ => return None,
            },
            "ternary_expression" => {
                Shape::Parts(vec![field("consequence")?, field("alternative")?])
            }
            "array" | "object" => Shape::Parts(named(node)),
            "parenthesized_expression"
            | "await_expression"
            | "spread_element"
            | "as_expression"
            | "non_null_expression"
            | "satisfies_expression" => Shape::Same(*named(node).first()?),
            "assignment_expression" => Shape::Same(field("right")?),
            _ => return None,
        })
    }

    fn go(&self, node: Node<'t>) -> Option<Shape<'t>> {
        let field = |name: &str| node.child_by_field_name(name);
        Some(match node.kind() {
            "identifier" | "field_identifier" | "package_identifier" => Shape::Name(self.of(node)),
            "selector_expression" => Shape::Member(field("operand")?, self.of(field("field")?)),
            "index_expression" => Shape::Index(field("operand")?, field("index")?),
            "call_expression" => Shape::Call(
                field("function")?,
                arguments(field("arguments"), "argument_list"),
            ),
            "type_conversion_expression" => Shape::Same(field("operand")?),
            "keyed_element" => {
                let children = named(node);
                Shape::Pair(*children.first()?, *children.get(1)?)
            }
            "interpreted_string_literal" | "raw_string_literal" => Shape::Text,
            "binary_expression" if self.of(field("operator")?) == "+" => {
                Shape::Parts(spine(node, |operator| operator == "+", self))
            }
            "composite_literal" => Shape::Same(field("body")?),
            "literal_value" | "expression_list" => Shape::Parts(named(node)),
            "parenthesized_expression"
            | "literal_element"
            | "variadic_argument"
            | "type_assertion_expression" => Shape::Same(*named(node).first()?),
            "unary_expression" if matches!(self.of(field("operator")?), "&" | "*") => {
                Shape::Same(field("operand")?)
            }
            _ => return None,
        })
    }

    /// Returns the content of a text without anything in it that is filled in, as written, and its bytes.
    pub(super) fn literal(&self, node: Node<'t>) -> Option<(&'t str, Range<usize>)> {
        let mut node = node;
        for _ in 0..4 {
            match self.shape(node) {
                Shape::Same(inner) => node = inner,
                Shape::Text => break,
                _ => return None,
            }
        }
        let span = if self.tongue == Tongue::Python {
            let start = node
                .child(0)
                .filter(|child| child.kind() == "string_start")?
                .end_byte();
            let last = u32::try_from(node.child_count()).ok()?.checked_sub(1)?;
            let end = node
                .child(last)
                .filter(|child| child.kind() == "string_end")?
                .start_byte();
            start..end
        } else {
            node.start_byte() + 1..node.end_byte().checked_sub(1)?
        };
        self.text.get(span.clone()).map(|text| (text, span))
    }

    /// Returns the names of a chain of members and calls, the outermost object first: `klog.V(2).Infof` is `klog`, `V`, `Infof`.
    pub(super) fn path(&self, node: Node<'t>) -> Vec<&'t str> {
        let mut names = Vec::new();
        let mut node = node;
        for _ in 0..MAX_CHAIN {
            node = match self.shape(node) {
                Shape::Name(name) => {
                    names.push(name);
                    break;
                }
                Shape::Member(object, name) => {
                    names.push(name);
                    object
                }
                Shape::Call(callee, _) => callee,
                Shape::Index(object, _) | Shape::Same(object) => object,
                Shape::Text => {
                    names.push("\"\"");
                    break;
                }
                _ if node.kind() == "meta_property" => {
                    names.extend(["meta", "import"]);
                    break;
                }
                _ => {
                    names.push("?");
                    break;
                }
            };
        }
        names.reverse();
        names
    }
}

/// Returns the named children that are no comments.
pub(super) fn named(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor)
        .filter(|child| !child.is_extra())
        .collect()
}

/// Returns the arguments of a call; a template that a tag stands before is one.
fn arguments<'t>(node: Option<Node<'t>>, list: &str) -> Vec<Node<'t>> {
    match node {
        Some(node) if node.kind() == list => named(node),
        Some(node) if node.kind() == "template_string" => vec![node],
        _ => Vec::new(),
    }
}

/// Returns the operands of `a + b + c`, whose tree leans to the left.
fn spine<'t>(node: Node<'t>, is_joint: impl Fn(&str) -> bool, code: &Code<'t>) -> Vec<Node<'t>> {
    let mut parts = Vec::new();
    let mut node = node;
    while parts.len() < MAX_PARTS {
        let is_same = matches!(node.kind(), "binary_operator" | "binary_expression")
            && node
                .child_by_field_name("operator")
                .is_some_and(|operator| is_joint(code.of(operator)));
        let sides = node
            .child_by_field_name("left")
            .zip(node.child_by_field_name("right"));
        let Some((left, right)) = sides.filter(|_| is_same) else {
            break;
        };
        parts.push(right);
        node = left;
    }
    parts.push(node);
    parts.reverse();
    parts
}

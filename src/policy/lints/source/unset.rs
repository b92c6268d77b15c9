//! What a variable of the environment is given where it turns out not to be set (rule 78): behind Go's `LookupEnv`, in Python's `except`.
//!
//! Promise: a look at one statement reads a few statements of its blocks.

use tree_sitter::Node;

use super::{
    fallback::{judge, statements},
    shape::{Shape, Tongue, named},
    survey::is_lookup,
    walk::Walk,
};

/// `secret, ok := os.LookupEnv("X")` and `if !ok { secret = "value" }` behind it, or in one.
pub(super) fn when_missing<'t>(
    walk: &mut Walk<'t, '_>,
    node: Node<'t>,
    flag: &str,
    body: Node<'t>,
) {
    let code = walk.code();
    let sides = |one: Node<'t>| {
        one.child_by_field_name("left")
            .zip(one.child_by_field_name("right"))
    };
    let before = node
        .child_by_field_name("initializer")
        .or_else(|| node.prev_named_sibling());
    let Some((names, read)) = before.and_then(sides) else {
        return;
    };
    let (names, read) = (named(names), named(read));
    let ([target, ok], [read]) = (names.as_slice(), read.as_slice()) else {
        return;
    };
    if code.of(*ok) != flag || !is_lookup(&code, *read) {
        return;
    }
    let Some((key, _)) = walk.known.read_of_environment(*read) else {
        return;
    };
    for (name, value) in statements(body).into_iter().take(4).filter_map(sides) {
        if let ([name], [value]) = (named(name).as_slice(), named(value).as_slice())
            && code.of(*name) == code.of(*target)
            && !code.literal(*value).is_some_and(|(text, _)| is_path(text))
        {
            judge(walk, *value, key, *value, None);
        }
    }
}

/// Tells whether a value is a path in a store of secrets: `secret/creds`.
fn is_path(value: &str) -> bool {
    value.contains('/') && !value.bytes().any(|b| b.is_ascii_digit())
}

/// `try: u = os.environ["X"]` with `except KeyError: u = "value"` behind it.
pub(super) fn when_failing<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let code = walk.code();
    if code.tongue != Tongue::Python {
        return;
    }
    let assigned = |body: Node<'t>| {
        let all = named(body).into_iter().take(8);
        all.filter(|one| one.kind() == "expression_statement")
            .filter_map(|one| named(one).first().copied())
            .filter(|one| one.kind() == "assignment")
            .filter_map(|one| {
                one.child_by_field_name("left")
                    .zip(one.child_by_field_name("right"))
            })
            .collect::<Vec<_>>()
    };
    let Some(body) = node.child_by_field_name("body") else {
        return;
    };
    let reads: Vec<_> = assigned(body)
        .into_iter()
        .filter(|(_, value)| matches!(code.shape(*value), Shape::Index(..)))
        .filter_map(|(target, value)| {
            let (key, _) = walk.known.read_of_environment(value)?;
            Some((code.of(target), key))
        })
        .collect();
    if reads.is_empty() {
        return;
    }
    for clause in named(node) {
        let block = named(clause).last().copied();
        let Some(block) = block.filter(|_| clause.kind() == "except_clause") else {
            continue;
        };
        for (target, value) in assigned(block) {
            let read = reads.iter().find(|(name, _)| *name == code.of(target));
            if let Some((_, key)) = read {
                judge(walk, value, key, value, None);
            }
        }
    }
}

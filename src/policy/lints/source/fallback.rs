//! A read of the environment that falls back to a value in the text (rule 78), in the forms that the languages have for it.

use std::ops::Range;

use tree_sitter::Node;

use super::{
    metas,
    reads::reads_environment,
    shape::{Code, Shape, Tongue, named},
    taint::Origin,
    unset,
    walk::Walk,
};
use crate::model::Severity;
use crate::policy::{
    fault::{Edit, Fix, FixClass},
    names::{self, Secretness, secretness},
    values::{self, Strength, Value},
};

/// `os.getenv("X", "value")`, `env("X", default="value")`, `getEnv("X", "value")`, `viper.SetDefault("x", "value")`.
pub(super) fn call<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let code = walk.code();
    let Shape::Call(callee, arguments) = code.shape(node) else {
        return;
    };
    let path = code.path(callee);
    let last = path.last().copied().unwrap_or_default();
    let read = walk
        .known
        .read_of_environment(node)
        .map(|(key, _)| key)
        .or_else(|| {
            let is_helper =
                code.tongue == Tongue::Script && path.len() <= 2 && reads_environment(last);
            let is_default = matches!(
                path.as_slice(),
                ["viper", "SetDefault"] | ["os", "environ", "setdefault"]
            );
            let first = arguments.first().filter(|_| is_helper || is_default)?;
            code.literal(*first).map(|(key, _)| key)
        });
    let setting = || walk.known.read_of_settings(&path, &arguments);
    let read = read.or_else(|| setting().and_then(|(key, _)| variable_of(key)));
    let Some(key) = read.or_else(|| match (path.as_slice(), arguments.first()) {
        (["cmp", "Or"], Some(first)) => walk.known.read_of_environment(*first).map(|(key, _)| key),
        _ => None,
    }) else {
        return;
    };
    let by_keyword = arguments
        .iter()
        .find_map(|argument| match code.shape(*argument) {
            Shape::Pair(name, value)
                if code.tongue == Tongue::Python && code.of(name) == "default" =>
            {
                Some(value)
            }
            _ => None,
        });
    let Some(fallback) = by_keyword.or_else(|| arguments.get(1).copied()) else {
        return;
    };
    // `firstOf("A_TOKEN", "B_TOKEN")`: another variable that is read then.
    if code.literal(fallback).is_some_and(|(text, _)| {
        text.contains('_') && variable_of(text).is_some() && secretness(text) > Secretness::No
    }) {
        return;
    }
    let edit = demanded(&code, node);
    judge(walk, node, key, fallback, edit);
}

/// `process.env.X || 'value'`, `os.getenv("X") or "value"`.
pub(super) fn either<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let code = walk.code();
    let field = |name: &str| node.child_by_field_name(name);
    let (Some(left), Some(operator), Some(right)) =
        (field("left"), field("operator"), field("right"))
    else {
        return;
    };
    if !matches!(code.of(operator), "or" | "||" | "??") {
        return;
    }
    let Some(key) = read(walk, left) else { return };
    // What Python reads by a call is `None` without the fallback: it has to be read otherwise.
    let is_call = matches!(code.shape(left), Shape::Call(..));
    let is_item = matches!(code.shape(left), Shape::Index(..));
    let mut edit = match code.tongue {
        Tongue::Python if is_call => demanded(&code, left),
        Tongue::Python if !is_item => None,
        _ => Some(Edit::replace(left.byte_range(), code.of(left))),
    };
    if let Some(edit) = &mut edit {
        edit.span.end = right.end_byte();
    }
    judge(walk, node, key, right, edit);
}

/// `os.environ["X"]` fails where `os.getenv("X", y)` goes on.
fn demanded<'t>(code: &Code<'t>, read: Node<'t>) -> Option<Edit> {
    let Shape::Call(callee, arguments) = code.shape(read) else {
        return None;
    };
    let map = match (code.path(callee).as_slice(), code.tongue) {
        (["os", "getenv"] | ["os", "environ", "get"], Tongue::Python) => "os.environ",
        (["environ", "get"], Tongue::Python) => "environ",
        _ => return None,
    };
    let key = code.of(*arguments.first()?);
    Some(Edit::replace(read.byte_range(), format!("{map}[{key}]")))
}

/// `process.env.X ? process.env.X : 'value'`, `os.environ["X"] if "X" in os.environ else "value"`.
pub(super) fn ternary<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let code = walk.code();
    if let Shape::Parts(parts) = code.shape(node)
        && let [then, otherwise] = parts.as_slice()
        && let Some(key) = read(walk, *then)
    {
        judge(walk, node, key, *otherwise, None);
    }
}

/// Returns the name of the variable of the environment that an expression is.
fn read<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) -> Option<&'t str> {
    let Some(found) = walk.known.taint(node) else {
        let (key, _) = walk.known.read_of_environment(node)?;
        return names_a_key(key).then_some(key);
    };
    let is_read = match found.origin {
        Origin::Environment | Origin::Address => true,
        Origin::Settings => variable_of(found.name).is_some(),
        Origin::Name | Origin::Everything => false,
    };
    is_read
        .then_some(found)
        .filter(|found| {
            found.origin != Origin::Address || walk.known.read_of_environment(node).is_some()
        })
        .map(|found| found.name)
}

/// Tells whether a variable is called after a key that may be the name of something instead: the value decides.
pub(super) fn names_a_key(variable: &str) -> bool {
    const OF: [&str; 9] = [
        "cookie", "cookies", "enc", "hmac", "sign", "aes", "cipher", "crypto", "csrf",
    ];
    match names::words(variable).as_slice() {
        [.., of, last] => last == "key" && OF.contains(&of.as_str()),
        _ => false,
    }
}

/// Returns the key of a setting if it is written as variables of the environment are: settings that are read by such a key come from there.
fn variable_of(key: &str) -> Option<&str> {
    let is_variable = key
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    is_variable.then_some(key)
}

/// `const { X = 'value' } = process.env`.
pub(super) fn pattern<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let field = |name: &str| node.child_by_field_name(name);
    let (Some(names), Some(value)) = (field("name"), field("value")) else {
        return;
    };
    if names.kind() != "object_pattern" || !walk.known.is_whole_environment(value) {
        return;
    }
    for one in named(names) {
        // `{ X: x = 'value' }` gives it another name.
        let key = one.child_by_field_name("key");
        let filled = one.child_by_field_name("value").unwrap_or(one);
        let sides = filled
            .child_by_field_name("left")
            .zip(filled.child_by_field_name("right"));
        if let Some((left, right)) = sides {
            let key = walk.code().of(key.unwrap_or(left));
            judge(walk, one, key, right, None);
        }
    }
}

/// Tags of Go's fields: `env:"X" envDefault:"value"`.
pub(super) fn tag<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let Some(tag) = node.child_by_field_name("tag") else {
        return;
    };
    let text = walk.code().of(tag);
    let find = |label: &str| {
        let at = text.match_indices(label).map(|(at, _)| at).find(|at| {
            text.get(..*at)
                .is_some_and(|front| front.ends_with([' ', '`', '"']))
        })?;
        let start = at + label.len();
        let length = text.get(start..)?.find('"')?;
        text.get(start..start + length)
            .map(|value| (value, tag.start_byte() + start))
    };
    let key = ["env:\"", "envconfig:\""].into_iter().find_map(&find);
    let value = ["envDefault:\"", "env-default:\"", "default:\""]
        .into_iter()
        .find_map(&find);
    if let (Some((key, _)), Some((value, start))) = (key, value) {
        let key = key.split(',').next().unwrap_or_default();
        tell(
            walk,
            node,
            key,
            (value, start..start + value.len()),
            start..start + value.len(),
            None,
        );
    }
}

/// `if x == "" { x = "value" }`, where `x` was read from the environment.
pub(super) fn when_empty<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let code = walk.code();
    let field = |name: &str| node.child_by_field_name(name);
    let (Some(condition), Some(body)) = (field("condition"), field("consequence")) else {
        return;
    };
    let tested = code.of(condition);
    if code.tongue == Tongue::Go && tested.starts_with('!') {
        unset::when_missing(walk, node, tested.trim_start_matches('!'), body);
    }
    let is_test_of_nothing = [
        "== \"\"",
        ") == 0",
        "not ",
        "!",
        "is None",
        "=== undefined",
        "== null",
    ]
    .iter()
    .any(|sign| tested.contains(sign))
        && !tested.contains("!=");
    if !is_test_of_nothing {
        return;
    }
    for statement in statements(body).into_iter().take(4) {
        let statement = if statement.kind() == "expression_statement" {
            named(statement).first().copied()
        } else {
            Some(statement)
        };
        let sides = statement.and_then(|one| {
            one.child_by_field_name("left")
                .zip(one.child_by_field_name("right"))
        });
        let Some((target, value)) = sides else {
            continue;
        };
        let first = |node: Node<'t>| {
            if node.kind() == "expression_list" {
                named(node).first().copied().unwrap_or(node)
            } else {
                node
            }
        };
        let (target, value) = (first(target), first(value));
        if !tested.contains(code.of(target)) || code.literal(value).is_none() {
            continue;
        }
        if let Some(found) = walk
            .known
            .taint(target)
            .filter(|found| found.origin == Origin::Environment)
        {
            judge(walk, value, found.name, value, None);
        }
    }
}

/// `process.env.X ||= 'value'`.
pub(super) fn augmented<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let code = walk.code();
    let field = |name: &str| node.child_by_field_name(name);
    let (Some(left), Some(operator), Some(right)) =
        (field("left"), field("operator"), field("right"))
    else {
        return;
    };
    if matches!(code.of(operator), "||=" | "??=")
        && let Some(key) = read(walk, left)
    {
        judge(walk, node, key, right, None);
    }
}

/// Returns the statements of a block.
pub(super) fn statements(body: Node<'_>) -> Vec<Node<'_>> {
    let children = named(body);
    match children.as_slice() {
        [one] if one.kind() == "statement_list" => named(*one),
        _ => children,
    }
}

/// Tells a fallback that is a text in the code, for the variable of this name.
pub(super) fn judge<'t>(
    walk: &mut Walk<'t, '_>,
    node: Node<'t>,
    key: &str,
    fallback: Node<'t>,
    edit: Option<Edit>,
) {
    if let Some((value, span)) = walk.code().literal(fallback) {
        tell(walk, node, key, (value, span), fallback.byte_range(), edit);
    }
}

fn tell<'t>(
    walk: &mut Walk<'t, '_>,
    node: Node<'t>,
    key: &str,
    value: (&str, Range<usize>),
    span: Range<usize>,
    edit: Option<Edit>,
) {
    let (value, secret) = value;
    let class = values::classify(value);
    let is_secret = match secretness(key) {
        Secretness::No => names_a_key(key) && is_random(value),
        Secretness::Weak => value.contains("://") && matches!(class, Value::Literal(_)),
        Secretness::Strong | Secretness::Master => !matches!(key, "PWD" | "OLDPWD"),
    };
    let is_usable = matches!(class, Value::Literal(_) | Value::Placeholder);
    if !is_secret || !is_usable || walk.around.is_guarded(node.start_byte()) {
        return;
    }
    let is_signing = is_signing(key);
    let message = format!(
        "`{key}` falls back to a value that stands in the code when the variable is not set"
    );
    let title = match walk.code().tongue {
        Tongue::Script => {
            "drop the fallback: the variable must be set, and the program must test that"
        }
        Tongue::Python | Tongue::Go => "drop the fallback: fail when the variable is not set",
    };
    let Some(fault) = walk.tell(&metas::FALLBACK, span, key, message) else {
        return;
    };
    fault.secret = Some(secret);
    fault.fix = edit.map(|edit| Fix {
        class: FixClass::Unsafe,
        title: title.to_owned(),
        edits: vec![edit],
    });
    if class == Value::Placeholder && !is_signing || walk.is_development {
        walk.grade(Severity::Info);
    } else if is_signing || walk.is_production {
        walk.grade(Severity::High);
    }
}

/// Tells whether a value is no name: letters of both sizes and digits are mixed in it, without signs between them.
fn is_random(value: &str) -> bool {
    let has = |test: fn(&u8) -> bool| value.bytes().any(|b| test(&b));
    match values::classify(value) {
        Value::Literal(Strength::Random) => true,
        Value::Literal(Strength::Named) => {
            value.len() >= 10
                && value.bytes().all(|b| b.is_ascii_alphanumeric())
                && has(u8::is_ascii_digit)
                && has(u8::is_ascii_lowercase)
                && has(u8::is_ascii_uppercase)
        }
        _ => false,
    }
}

/// Tells whether whoever knows the key can sign or read everything: a default is as good as none.
fn is_signing(key: &str) -> bool {
    let words = names::words(key);
    let has = |word: &str| words.iter().any(|one| one == word);
    secretness(key) == Secretness::Master
        || has("jwt")
        || has("session")
        || has("cookie")
        || has("signing")
        || has("hmac")
}

//! What a text says of its own names: imports, constants, types; what is assigned to what, and which values are no secrets.

use tree_sitter::Node;

use super::{
    names as idents,
    shape::{Code, Shape, Tongue, named},
    taint::Knowledge,
};
use crate::policy::names;

/// Keeps what the file says of its own names before anything is judged: imports, constants that are only names, fields of other types.
pub(super) fn survey<'t>(known: &mut Knowledge<'t>, node: Node<'t>) {
    let code = known.code;
    let field = |name: &str| node.child_by_field_name(name);
    match node.kind() {
        "import_spec" => {
            let path = field("path")
                .map_or("", |path| code.of(path))
                .trim_matches(['"', '`']);
            let alias = field("name").map(|name| code.of(name));
            known
                .packages
                .insert(alias.unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default()));
            // By another name it is not what `rand.` stands for: that may be `crypto/rand` then.
            let is_weak = matches!(path, "math/rand" | "math/rand/v2")
                && alias.is_none_or(|alias| alias == "rand");
            known.packages.extend(is_weak.then_some("math/rand"));
        }
        "import_statement" | "import_from_statement" if code.tongue == Tongue::Python => {
            modules(known, node)
        }
        "import_clause" | "namespace_import" => {
            known.packages.extend(
                named(node)
                    .into_iter()
                    .filter(|child| child.kind() == "identifier")
                    .map(|name| code.of(name)),
            );
        }
        "function_declaration"
        | "function_definition"
        | "class_definition"
        | "class_declaration"
        | "method_declaration" => {
            known
                .harmless
                .extend(field("name").map(|name| code.of(name)));
        }
        "field_declaration" | "property_signature" | "public_field_definition" => {
            let is_other =
                field("type").is_some_and(|kind| !may_hold_text(code.tongue, code.of(kind)));
            known
                .harmless
                .extend(field("name").filter(|_| is_other).map(|name| code.of(name)));
        }
        // `secret.Data[privateKey]`: the name under which an object of Kubernetes keeps it.
        "index_expression" if code.tongue == Tongue::Go => {
            if let Shape::Index(object, index) = code.shape(node)
                && matches!(
                    code.path(object).last(),
                    Some(&("Data" | "StringData" | "BinaryData"))
                )
                && let Shape::Name(name) = code.shape(index)
            {
                known.harmless.insert(name);
            }
        }
        _ => constants(known, node),
    }
}

/// Keeps what an import of Python brings, but constants: those may come from settings.
fn modules<'t>(known: &mut Knowledge<'t>, node: Node<'t>) {
    let code = known.code;
    let names = named(node)
        .into_iter()
        .flat_map(|child| match child.kind() {
            "aliased_import" => child.child_by_field_name("alias").into_iter().collect(),
            "dotted_name" => named(child),
            _ => Vec::new(),
        });
    // Constants may be imported from settings.
    let is_constant = |name: &&str| {
        name.chars().any(|c| c.is_ascii_uppercase())
            && !name.chars().any(|c| c.is_ascii_lowercase())
    };
    known.packages.extend(
        names
            .map(|name| code.of(name))
            .filter(|name| !is_constant(name)),
    );
}

/// Keeps constants that are only names, and what makes `random` safe.
fn constants<'t>(known: &mut Knowledge<'t>, node: Node<'t>) {
    let code = known.code;
    for (target, value, _) in assignments(&code, node) {
        // `random = SystemRandom()`: what is called random then is safe.
        let is_safe_source = code.of(target) == "random"
            && value.is_some_and(|value| code.path(value).last() == Some(&"SystemRandom"));
        known
            .packages
            .extend(is_safe_source.then_some("SystemRandom"));
        let text = value.and_then(|value| code.literal(value));
        let is_name = text.is_some_and(|(text, _)| idents::is_only_a_name(text));
        if let (Shape::Name(name), true) = (code.shape(target), is_name) {
            known.harmless.insert(name);
        }
    }
}

/// Tells whether a value of a type may be a text: by the type as written.
pub(super) fn may_hold_text(tongue: Tongue, kind: &str) -> bool {
    let kind = kind.trim_start_matches(':').trim();
    match tongue {
        Tongue::Python => {
            ["str", "bytes", "Any"]
                .iter()
                .any(|word| kind.contains(word))
                && !kind.contains("SecretStr")
                && !kind.contains("Secret[")
        }
        Tongue::Script => {
            ["string", "any", "unknown", "Buffer", "Uint8Array"]
                .iter()
                .any(|word| kind.contains(word))
                && !["=>", "Record", "Map", "{", "Promise"]
                    .iter()
                    .any(|word| kind.contains(word))
        }
        Tongue::Go => matches!(
            kind,
            "string" | "*string" | "[]byte" | "[]string" | "interface{}" | "any"
        ),
    }
}

/// One assignment: target, value, type.
pub(super) type Assignment<'t> = (Node<'t>, Option<Node<'t>>, Option<Node<'t>>);

/// Returns what a node assigns: pairs of targets and values. A value that fills several targets is none of any.
pub(super) fn assignments<'t>(code: &Code<'t>, node: Node<'t>) -> Vec<Assignment<'t>> {
    let field = |name: &str| node.child_by_field_name(name);
    let (left, right) = match (code.tongue, node.kind()) {
        (Tongue::Python, "assignment")
        | (Tongue::Script, "assignment_expression")
        | (Tongue::Go, "short_var_declaration" | "assignment_statement") => {
            (field("left"), field("right"))
        }
        (Tongue::Python, "named_expression") | (Tongue::Script, "variable_declarator") => {
            (field("name"), field("value"))
        }
        (Tongue::Go, "var_spec" | "const_spec") => {
            let mut cursor = node.walk();
            let names: Vec<_> = node.children_by_field_name("name", &mut cursor).collect();
            let values = field("value").map(named).unwrap_or_default();
            return pairs(names, values, field("type"));
        }
        _ => return Vec::new(),
    };
    let Some(left) = left else { return Vec::new() };
    let kind = field("type");
    let is_list = |node: Node<'t>| {
        matches!(
            node.kind(),
            "expression_list" | "pattern_list" | "tuple_pattern" | "tuple"
        )
    };
    if is_list(left) {
        let values = right.filter(|right| is_list(*right)).map(named);
        let values = values.unwrap_or_else(|| right.into_iter().collect());
        let mut names = named(left);
        // `secret, ok := os.LookupEnv("X")`: the first is the variable's value.
        if let (Tongue::Go, [_, _], [value]) = (code.tongue, names.as_slice(), values.as_slice())
            && is_lookup(code, *value)
        {
            names.truncate(1);
        }
        return pairs(names, values, kind);
    }
    vec![(left, right, kind)]
}

/// Tells whether an expression reads a variable of the environment and whether it is set.
pub(super) fn is_lookup<'t>(code: &Code<'t>, value: Node<'t>) -> bool {
    matches!(code.shape(value), Shape::Call(callee, _)
        if matches!(code.path(callee).as_slice(), ["os", "LookupEnv"] | ["syscall", "Getenv"]))
}

fn pairs<'t>(
    names: Vec<Node<'t>>,
    values: Vec<Node<'t>>,
    kind: Option<Node<'t>>,
) -> Vec<Assignment<'t>> {
    let fits = names.len() == values.len();
    let value = |at: usize| values.get(at).copied().filter(|_| fits);
    names
        .iter()
        .enumerate()
        .map(|(at, name)| (*name, value(at), kind))
        .collect()
}

/// Tells whether a value is no secret, whatever the variable is called that it is given to.
pub(super) fn is_clean<'t>(code: &Code<'t>, value: Node<'t>) -> bool {
    match code.shape(value) {
        Shape::Other => !matches!(
            value.kind(),
            "type_assertion_expression" | "yield" | "yield_expression"
        ),
        Shape::Text => code
            .literal(value)
            .is_some_and(|(text, _)| idents::is_only_a_name(text)),
        Shape::Same(inner) => is_clean_call(code, inner),
        Shape::Call(..) => is_clean_call(code, value),
        _ => false,
    }
}

/// Tells whether a call returns something that is safe to show, or an object: `mask(x)`, `new Field()`.
fn is_clean_call<'t>(code: &Code<'t>, node: Node<'t>) -> bool {
    const SAFE: &[&str] = &[
        "mask",
        "masked",
        "redact",
        "hash",
        "sanitize",
        "obfuscate",
        "encrypt",
        "bcrypt",
        "len",
        "bool",
        "scrub",
        "censor",
        "anonymize",
        "truncate",
        "digest",
        "slice",
        "substring",
        "substr",
        "require",
        "contains",
        "has",
        "is",
        "includes",
        "startswith",
        "exists",
        "hide",
        "field",
        "compare",
    ];
    let Shape::Call(callee, _) = code.shape(node) else {
        return code.tongue == Tongue::Go && node.kind() == "literal_value";
    };
    let path = code.path(callee);
    let last = path.last().copied().unwrap_or_default();
    let is_constructor = node.kind() == "new_expression"
        || code.tongue == Tongue::Python && last.starts_with(|c: char| c.is_ascii_uppercase());
    is_constructor && !matches!(last, "String")
        || names::words(last)
            .iter()
            .any(|word| SAFE.contains(&word.as_str()))
}

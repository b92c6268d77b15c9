//! One walk over the syntax tree of a file: keeps what is known of variables, and tells what leaves the program.
//!
//! The walk itself does not recurse. Functions are entered and left by their spans; a variable is what it was given last, in the order of
//! the text.

use std::{collections::HashMap, ops::Range};

use tree_sitter::{Node, Tree};

use super::{
    fallback, logged, metas,
    shape::{Code, Shape, Tongue, named},
    sinks::{Out, Sink, sink},
    taint::{Knowledge, Origin, State, Taint},
    weak,
};
use super::names as idents;
use crate::model::Severity;
use crate::policy::{fault::Fault, lint::Context, lint::LintMeta, names};

/// What the rules of one file work with.
pub(super) struct Walk<'t, 'w> {
    /// What is known at the place where the walk is.
    pub(super) known: Knowledge<'t>,
    /// Whether the file is a test or an example.
    pub(super) is_test: bool,
    /// Whether the file is for development alone.
    pub(super) is_development: bool,
    /// Where faults go.
    out: &'w mut Vec<Fault>,
    /// How often a subject was told.
    subjects: HashMap<(&'static str, String), usize>,
}

/// Tells the faults of one file.
pub(super) fn walk(code: Code<'_>, tree: &Tree, path: &str, context: &mut Context<'_>) {
    let mut known = Knowledge::new(code);
    every(tree, |node| survey(&mut known, node));
    let mut walk = Walk {
        known,
        is_test: super::is_test(path),
        is_development: super::is_development(path),
        out: &mut context.faults,
        subjects: HashMap::new(),
    };
    every(tree, |node| walk.visit(node));
}

/// Calls `f` with each node, those outside first, in the order of the text.
fn every<'t>(tree: &'t Tree, mut f: impl FnMut(Node<'t>)) {
    let mut cursor = tree.walk();
    loop {
        if cursor.node().is_named() {
            f(cursor.node());
        }
        if cursor.goto_first_child() || cursor.goto_next_sibling() {
            continue;
        }
        loop {
            if !cursor.goto_parent() {
                return;
            }
            if cursor.goto_next_sibling() {
                break;
            }
        }
    }
}

/// Keeps what the file says of its own names before anything is judged: imports, constants that are only names, fields of other types.
fn survey<'t>(known: &mut Knowledge<'t>, node: Node<'t>) {
    let code = known.code;
    let field = |name: &str| node.child_by_field_name(name);
    match node.kind() {
        "import_spec" => {
            let path = field("path").map_or("", |path| code.of(path)).trim_matches(['"', '`']);
            let alias = field("name").map(|name| code.of(name));
            known.packages.insert(alias.unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default()));
            known.packages.extend(matches!(path, "math/rand" | "math/rand/v2").then_some("math/rand"));
        }
        "import_statement" | "import_from_statement" if code.tongue == Tongue::Python => {
            let names = named(node).into_iter().flat_map(|child| match child.kind() {
                "aliased_import" => child.child_by_field_name("alias").into_iter().collect(),
                "dotted_name" => named(child),
                _ => Vec::new(),
            });
            // Constants may be imported from settings.
            let is_constant = |name: &&str| name.chars().any(|c| c.is_ascii_uppercase()) && !name.chars().any(|c| c.is_ascii_lowercase());
            known.packages.extend(names.map(|name| code.of(name)).filter(|name| !is_constant(name)));
        }
        "import_clause" | "namespace_import" => {
            known.packages.extend(named(node).into_iter().filter(|child| child.kind() == "identifier").map(|name| code.of(name)));
        }
        "function_declaration" | "function_definition" | "class_definition" | "class_declaration" | "method_declaration" => {
            known.harmless.extend(field("name").map(|name| code.of(name)));
        }
        "field_declaration" | "property_signature" | "public_field_definition" => {
            let is_other = field("type").is_some_and(|kind| !may_hold_text(code.tongue, code.of(kind)));
            known.harmless.extend(field("name").filter(|_| is_other).map(|name| code.of(name)));
        }
        _ => {
            for (target, value, _) in assignments(&code, node) {
                let text = value.and_then(|value| code.literal(value));
                let is_name = text.is_some_and(|(text, _)| idents::is_only_a_name(text));
                if let (Shape::Name(name), true) = (code.shape(target), is_name) {
                    known.harmless.insert(name);
                }
            }
        }
    }
}

/// Tells whether a value of a type may be a text: by the type as written.
fn may_hold_text(tongue: Tongue, kind: &str) -> bool {
    let kind = kind.trim_start_matches(':').trim();
    match tongue {
        Tongue::Python => ["str", "bytes", "Any"].iter().any(|word| kind.contains(word)) && !kind.contains("SecretStr") && !kind.contains("Secret["),
        Tongue::Script => {
            ["string", "any", "unknown", "Buffer", "Uint8Array"].iter().any(|word| kind.contains(word))
                && !["=>", "Record", "Map", "{", "Promise"].iter().any(|word| kind.contains(word))
        }
        Tongue::Go => matches!(kind, "string" | "*string" | "[]byte" | "[]string" | "interface{}" | "any"),
    }
}

/// One assignment: target, value, type.
type Assignment<'t> = (Node<'t>, Option<Node<'t>>, Option<Node<'t>>);

/// Returns what a node assigns: pairs of targets and values. A value that fills several targets is none of any.
fn assignments<'t>(code: &Code<'t>, node: Node<'t>) -> Vec<Assignment<'t>> {
    let field = |name: &str| node.child_by_field_name(name);
    let kind = field("type");
    let (left, right) = match (code.tongue, node.kind()) {
        (Tongue::Python, "assignment") | (Tongue::Script, "assignment_expression") | (Tongue::Go, "short_var_declaration" | "assignment_statement") => {
            (field("left"), field("right"))
        }
        (Tongue::Python, "named_expression") | (Tongue::Script, "variable_declarator") => (field("name"), field("value")),
        (Tongue::Go, "var_spec" | "const_spec") => {
            let mut cursor = node.walk();
            let names: Vec<_> = node.children_by_field_name("name", &mut cursor).collect();
            let values = field("value").map(named).unwrap_or_default();
            return pairs(names, values, kind);
        }
        _ => return Vec::new(),
    };
    let Some(left) = left else { return Vec::new() };
    let is_list = |node: Node<'t>| matches!(node.kind(), "expression_list" | "pattern_list" | "tuple_pattern" | "tuple");
    if is_list(left) {
        let values = right.filter(|right| is_list(*right)).map(named);
        return pairs(named(left), values.unwrap_or_else(|| right.into_iter().collect()), kind);
    }
    vec![(left, right, kind)]
}

fn pairs<'t>(names: Vec<Node<'t>>, values: Vec<Node<'t>>, kind: Option<Node<'t>>) -> Vec<Assignment<'t>> {
    let fits = names.len() == values.len();
    let value = |at: usize| values.get(at).copied().filter(|_| fits);
    names.iter().enumerate().map(|(at, name)| (*name, value(at), kind)).collect()
}

impl<'t> Walk<'t, '_> {
    /// Returns the text and its language.
    pub(super) fn code(&self) -> Code<'t> {
        self.known.code
    }

    /// Tells a fault; in tests and examples it is only told.
    pub(super) fn tell(&mut self, meta: &'static LintMeta, span: Range<usize>, what: &str, message: String) -> Option<&mut Fault> {
        let function = self.known.function();
        let place = if function.is_empty() { "file" } else { function };
        let subject = format!("{place}: {what}");
        let count = self.subjects.entry((meta.id, subject.clone())).or_default();
        *count += 1;
        let subject = if *count > 1 { format!("{subject} #{count}") } else { subject };
        let fault = Fault::new(meta, span, subject, message);
        self.out.push(if self.is_test { fault.severity(Severity::Info) } else { fault });
        self.out.last_mut()
    }

    /// Gives a fault another severity, unless it is in a test.
    pub(super) fn grade(&mut self, severity: Severity) {
        if let Some(fault) = self.out.last_mut().filter(|_| !self.is_test) {
            fault.severity = severity;
        }
    }

    fn visit(&mut self, node: Node<'t>) {
        self.known.leave(node.start_byte());
        match node.kind() {
            "function_definition" | "lambda" | "function_declaration" | "function_expression" | "arrow_function" | "method_definition"
            | "generator_function_declaration" | "method_declaration" | "func_literal" => {
                let name = node.child_by_field_name("name").map_or("", |name| self.code().of(name));
                self.known.enter(name, node.end_byte());
            }
            "call" | "call_expression" | "new_expression" => {
                self.call(node);
                fallback::call(self, node);
            }
            "raise_statement" | "throw_statement" => self.raise(node),
            "boolean_operator" | "binary_expression" => fallback::either(self, node),
            "ternary_expression" | "conditional_expression" => fallback::ternary(self, node),
            "object_assignment_pattern" => fallback::pattern(self, node),
            "field_declaration" => fallback::tag(self, node),
            "if_statement" => fallback::when_empty(self, node),
            "for_statement" | "for_in_statement" | "range_clause" => self.each(node),
            "typed_parameter" | "typed_default_parameter" | "default_parameter" | "required_parameter" | "optional_parameter"
            | "parameter_declaration" => self.parameter(node),
            "pair" => {
                logged::bundled(self, node);
                weak::pair(self, node);
            }
            "keyword_argument" | "keyed_element" => weak::pair(self, node),
            "return_statement" => weak::returned(self, node),
            "augmented_assignment" | "augmented_assignment_expression" => {
                let sides = node.child_by_field_name("left").zip(node.child_by_field_name("right"));
                if let Some((target, value)) = sides {
                    weak::assigned(self, target, value);
                }
            }
            _ => {}
        }
        for (target, value, kind) in assignments(&self.code(), node) {
            if let Some(value) = value {
                weak::assigned(self, target, value);
            }
            self.assign(target, value, kind);
        }
    }

    fn assign(&mut self, target: Node<'t>, value: Option<Node<'t>>, kind: Option<Node<'t>>) {
        let code = self.code();
        let Shape::Name(name) = code.shape(target) else { return };
        if kind.is_some_and(|kind| !may_hold_text(code.tongue, code.of(kind))) {
            self.known.bind(name, Some(State::Clean));
            return;
        }
        let Some(value) = value else {
            self.known.bind(name, None);
            return;
        };
        if idents::is_shown_safely(name) {
            self.known.bind(name, Some(State::Clean));
            return;
        }
        let state = match self.known.taint(value) {
            Some(found) => Some(State::Secret(found.origin)),
            None => is_clean(&code, value).then_some(State::Clean),
        };
        self.known.bind(name, state);
    }

    fn parameter(&mut self, node: Node<'t>) {
        let code = self.code();
        let field = |name: &str| node.child_by_field_name(name);
        let is_other = field("type").is_some_and(|kind| !may_hold_text(code.tongue, code.of(kind)))
            || field("value").is_some_and(|value| matches!(value.kind(), "true" | "false" | "integer"));
        if is_other {
            let kind = field("type").map(|kind| kind.id());
            for child in named(node).into_iter().filter(|child| Some(child.id()) != kind) {
                if let Shape::Name(name) = code.shape(child) {
                    self.known.bind(name, Some(State::Clean));
                }
            }
        }
    }

    /// Variables that take one variable of the environment after the other.
    fn each(&mut self, node: Node<'t>) {
        let code = self.code();
        let sides = node.child_by_field_name("left").zip(node.child_by_field_name("right"));
        let Some((left, right)) = sides else { return };
        // The map itself gives its names alone.
        if code.tongue != Tongue::Go && self.known.is_whole_environment(right) {
            return;
        }
        let is_all = self.known.taint(right).is_some_and(|found| found.origin == Origin::Everything);
        if !is_all {
            return;
        }
        let mut last = left;
        for _ in 0..4 {
            match named(last).last() {
                Some(child) => last = *child,
                None => break,
            }
        }
        self.known.bind(code.of(last), Some(State::Secret(Origin::Everything)));
    }

    fn call(&mut self, node: Node<'t>) {
        let code = self.code();
        let Shape::Call(callee, arguments) = code.shape(node) else { return };
        let Some(Sink { out, call, values }) = sink(&code, callee, &arguments) else { return };
        let found = values.into_iter().find_map(|value| self.known.taint(value));
        if let Some(found) = found {
            self.left(out, &call, found);
        }
    }

    /// Tells that a secret leaves by a call.
    fn left(&mut self, out: Out, call: &str, found: Taint<'t>) {
        let Taint { name, span, origin } = found;
        if origin == Origin::Everything {
            if out != Out::Process {
                logged::dumped(self, call, span);
            }
            return;
        }
        let what = match origin {
            Origin::Address => format!("the address `{name}`, which may hold a password,"),
            _ => format!("the secret `{name}`"),
        };
        let subject = format!("{name} in {call}");
        let (meta, message) = match out {
            Out::Log => (&metas::LOGGED, format!("{what} is written to a log by `{call}`")),
            Out::Print => (&metas::LOGGED, format!("{what} is printed by `{call}`")),
            Out::Error => (&metas::ERROR, format!("{what} becomes part of an error's text by `{call}`")),
            Out::Process => (
                &metas::ARGUMENT,
                format!("{what} is an argument of the process that `{call}` starts: others on the machine can read it"),
            ),
            Out::Answer => return,
        };
        self.tell(meta, span, &subject, message);
        if origin == Origin::Address || out == Out::Print {
            self.grade(Severity::Medium);
        }
    }

    /// `raise Error(...)` of Python, and `throw` of a text.
    fn raise(&mut self, node: Node<'t>) {
        let code = self.code();
        let Some(thrown) = named(node).first().copied() else { return };
        let found = match code.shape(thrown) {
            Shape::Call(_, arguments) if code.tongue == Tongue::Python => {
                let is_text = |argument: &Node<'t>| match code.shape(*argument) {
                    Shape::Pair(key, _) => matches!(code.of(key), "detail" | "message" | "msg" | "description" | "reason"),
                    _ => true,
                };
                arguments.into_iter().filter(is_text).find_map(|argument| self.known.taint(argument))
            }
            Shape::Parts(_) => self.known.taint(thrown),
            _ => None,
        };
        if let Some(found) = found {
            let call = if code.tongue == Tongue::Python { "raise" } else { "throw" };
            self.left(Out::Error, call, found);
        }
    }
}

/// Tells whether a value is no secret, whatever the variable is called that it is given to.
fn is_clean<'t>(code: &Code<'t>, value: Node<'t>) -> bool {
    match code.shape(value) {
        Shape::Other => !matches!(value.kind(), "type_assertion_expression" | "yield" | "yield_expression"),
        Shape::Text => code.literal(value).is_some_and(|(text, _)| idents::is_only_a_name(text)),
        Shape::Same(inner) => is_clean_call(code, inner),
        Shape::Call(..) => is_clean_call(code, value),
        _ => false,
    }
}

/// Tells whether a call returns something that is safe to show, or an object: `mask(x)`, `new Field()`.
fn is_clean_call<'t>(code: &Code<'t>, node: Node<'t>) -> bool {
    const SAFE: &[&str] = &[
        "mask", "masked", "redact", "hash", "sanitize", "obfuscate", "encrypt", "bcrypt", "len", "bool", "scrub", "censor", "anonymize", "truncate",
        "digest", "slice", "substring", "substr", "require", "contains", "has", "is", "includes", "startswith", "exists", "hide",
        "field", "compare",
    ];
    let Shape::Call(callee, _) = code.shape(node) else {
        return code.tongue == Tongue::Go && node.kind() == "literal_value";
    };
    let path = code.path(callee);
    let last = path.last().copied().unwrap_or_default();
    let is_constructor = node.kind() == "new_expression"
        || code.tongue == Tongue::Python && last.starts_with(|c: char| c.is_ascii_uppercase());
    is_constructor && !matches!(last, "String") || names::words(last).iter().any(|word| SAFE.contains(&word.as_str()))
}

//! One walk over the syntax tree of a file: keeps what is known of variables, and tells what leaves the program.
//!
//! The walk itself does not recurse. Functions are entered and left by their spans; a variable is what it was given last, in the order of
//! the text.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use tree_sitter::{Node, Tree};

use super::{
    around::Around,
    fallback, logged, metas, names as idents,
    shape::{Code, Shape, Tongue, named},
    sinks::{Out, Sink, plain_log, sink},
    survey::{assignments, is_clean, may_hold_text, survey},
    taint::{Knowledge, Origin, State, Taint},
    unset, weak,
};
use crate::model::Severity;
use crate::policy::{fault::Fault, lint::Context, lint::LintMeta, lints::shell};

/// What the rules of one file work with.
pub(super) struct Walk<'t, 'w> {
    /// What is known at the place where the walk is.
    pub(super) known: Knowledge<'t>,
    /// Whether the file is a test or an example.
    pub(super) is_test: bool,
    /// Whether the file is for development alone.
    pub(super) is_development: bool,
    /// Whether the file is for production.
    pub(super) is_production: bool,
    /// Whether the file is part of a page, which makes texts for itself more often than secrets for others.
    pub(super) is_page: bool,
    /// Whether the file makes or is given loggers of Go's package `log`.
    has_plain_log: bool,
    /// Whether the program is there to print a secret to the program that called it.
    prints_by_design: bool,
    /// Where faults go.
    out: &'w mut Vec<Fault>,
    /// What stands around that place.
    pub(super) around: Around,
    /// The value of the variable that was declared last, and its name.
    declared: Option<(usize, &'t str)>,
    /// Functions that make secrets and were told of.
    pub(super) makers: HashSet<&'t str>,
    /// How often a subject was told.
    subjects: HashMap<(&'static str, String), usize>,
}

/// Tells the faults of one file.
pub(super) fn walk(
    code: Code<'_>,
    tree: &Tree,
    near: &[Range<usize>],
    path: &str,
    context: &mut Context<'_>,
) {
    let mut known = Knowledge::new(code);
    let functions = Functions::new(tree, near);
    every(tree, &functions, |node| survey(&mut known, node));
    let mut walk = Walk {
        known,
        is_test: super::is_test(path),
        is_development: super::is_development(path),
        is_production: super::is_production(path),
        is_page: super::is_page(path, code.text),
        has_plain_log: code.tongue == Tongue::Go
            && ["log.New(", "*log.Logger"]
                .iter()
                .any(|sign| code.text.contains(sign)),
        prints_by_design: shell::prints_by_design(path.rsplit('/').next().unwrap_or(path)),
        out: &mut context.faults,
        around: Around::default(),
        declared: None,
        makers: HashSet::new(),
        subjects: HashMap::new(),
    };
    every(tree, &functions, |node| walk.visit(node));
}

/// Which functions of a file are worth a walk: those in which the gate met something.
struct Functions {
    /// Whether the nodes of a kind are functions, by the kind's number.
    kinds: Vec<bool>,
    /// Where the stretches that the gate met start, sorted, and how far they and those before reach.
    stretches: Vec<(usize, usize)>,
}

impl Functions {
    fn new(tree: &Tree, near: &[Range<usize>]) -> Self {
        let language = tree.language();
        let kinds = u16::try_from(language.node_kind_count()).unwrap_or(u16::MAX);
        let is_function = |kind: u16| {
            matches!(
                language.node_kind_for_id(kind),
                Some(
                    "function_definition"
                        | "function_declaration"
                        | "function_expression"
                        | "arrow_function"
                        | "method_definition"
                        | "generator_function_declaration"
                        | "method_declaration"
                        | "func_literal"
                )
            )
        };
        let mut stretches: Vec<_> = near.iter().map(|range| (range.start, range.end)).collect();
        stretches.sort_unstable();
        let mut reach = 0;
        for (_, end) in &mut stretches {
            reach = reach.max(*end);
            *end = reach;
        }
        Self {
            kinds: (0..kinds).map(is_function).collect(),
            stretches,
        }
    }

    /// Tells whether nothing can be told of a node and what is in it.
    fn skips(&self, node: Node<'_>) -> bool {
        let is_function = self.kinds.get(usize::from(node.kind_id()));
        if is_function != Some(&true) {
            return false;
        }
        let before = self
            .stretches
            .partition_point(|(start, _)| *start < node.end_byte());
        let last = before.checked_sub(1).and_then(|at| self.stretches.get(at));
        last.is_none_or(|(_, reach)| *reach <= node.start_byte())
    }
}

/// Calls `f` with each node, those outside first, in the order of the text; of functions without anything to tell with themselves alone.
fn every<'t>(tree: &'t Tree, functions: &Functions, mut f: impl FnMut(Node<'t>)) {
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        if node.is_named() {
            f(node);
        }
        let is_inside = !functions.skips(node) && cursor.goto_first_child();
        if is_inside || cursor.goto_next_sibling() {
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

impl<'t> Walk<'t, '_> {
    /// Returns the text and its language.
    pub(super) fn code(&self) -> Code<'t> {
        self.known.code
    }

    /// Tells a fault; in tests and examples it is only told.
    pub(super) fn tell(
        &mut self,
        meta: &'static LintMeta,
        span: Range<usize>,
        what: &str,
        message: String,
    ) -> Option<&mut Fault> {
        let function = self.known.function();
        let place = if function.is_empty() {
            "file"
        } else {
            function
        };
        let subject = format!("{place}: {what}");
        let count = self.subjects.entry((meta.id, subject.clone())).or_default();
        *count += 1;
        let subject = if *count > 1 {
            format!("{subject} #{count}")
        } else {
            subject
        };
        let fault = Fault::new(meta, span, subject, message);
        self.out.push(if self.is_test {
            fault.severity(Severity::Info)
        } else {
            fault
        });
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
        self.around.leave(node.start_byte());
        self.around.enter(&self.known.code, node);
        match node.kind() {
            "function_definition"
            | "lambda"
            | "function_declaration"
            | "function_expression"
            | "arrow_function"
            | "method_definition"
            | "generator_function_declaration"
            | "method_declaration"
            | "func_literal" => {
                self.function(node);
            }
            "call" | "call_expression" | "new_expression" => {
                self.call(node);
                weak::filled(self, node);
                fallback::call(self, node);
            }
            "raise_statement" | "throw_statement" => self.raise(node),
            "boolean_operator" | "binary_expression" => fallback::either(self, node),
            "ternary_expression" | "conditional_expression" => fallback::ternary(self, node),
            "variable_declarator" => self.declarator(node),
            "field_declaration" => fallback::tag(self, node),
            "if_statement" => fallback::when_empty(self, node),
            "try_statement" => unset::when_failing(self, node),
            "for_statement" | "for_in_statement" | "range_clause" => self.each(node),
            "typed_parameter"
            | "typed_default_parameter"
            | "default_parameter"
            | "required_parameter"
            | "optional_parameter"
            | "parameter_declaration" => self.parameter(node),
            "pair" => {
                logged::bundled(self, node);
                weak::pair(self, node);
            }
            "keyword_argument" | "keyed_element" => weak::pair(self, node),
            "return_statement" => weak::returned(self, node),
            "augmented_assignment" | "augmented_assignment_expression" => {
                fallback::augmented(self, node);
                let sides = node
                    .child_by_field_name("left")
                    .zip(node.child_by_field_name("right"));
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

    /// A function that is given to a variable goes by its name.
    fn function(&mut self, node: Node<'t>) {
        let name = node.child_by_field_name("name");
        let owner = self.declared.filter(|(value, _)| *value == node.id());
        let name = match name {
            Some(name) => self.code().of(name),
            None => owner.map_or("", |(_, name)| name),
        };
        self.known.enter(name, node.end_byte());
    }

    fn declarator(&mut self, node: Node<'t>) {
        let sides = node
            .child_by_field_name("value")
            .zip(node.child_by_field_name("name"));
        self.declared = sides.map(|(value, name)| (value.id(), self.code().of(name)));
        fallback::pattern(self, node);
    }

    fn assign(&mut self, target: Node<'t>, value: Option<Node<'t>>, kind: Option<Node<'t>>) {
        let code = self.code();
        let Shape::Name(name) = code.shape(target) else {
            return;
        };
        if kind.is_some_and(|kind| !may_hold_text(code.tongue, code.of(kind))) {
            self.known.bind(name, Some(State::Clean));
            return;
        }
        let Some(value) = value else {
            self.known.bind(name, None);
            return;
        };
        if idents::is_shown_safely(name) || idents::is_of_a_name(name) {
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
            || field("value")
                .is_some_and(|value| matches!(value.kind(), "true" | "false" | "integer"));
        if is_other {
            let kind = field("type").map(|kind| kind.id());
            for child in named(node)
                .into_iter()
                .filter(|child| Some(child.id()) != kind)
            {
                if let Shape::Name(name) = code.shape(child) {
                    self.known.bind(name, Some(State::Clean));
                }
            }
        }
    }

    /// Variables that take one variable of the environment after the other.
    fn each(&mut self, node: Node<'t>) {
        let code = self.code();
        let sides = node
            .child_by_field_name("left")
            .zip(node.child_by_field_name("right"));
        let Some((left, right)) = sides else { return };
        // The map itself gives its names alone.
        if code.tongue != Tongue::Go && self.known.is_whole_environment(right) {
            return;
        }
        let is_all = self
            .known
            .taint(right)
            .is_some_and(|found| found.origin == Origin::Everything);
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
        self.known
            .bind(code.of(last), Some(State::Secret(Origin::Everything)));
    }

    fn call(&mut self, node: Node<'t>) {
        let code = self.code();
        let Shape::Call(callee, arguments) = code.shape(node) else {
            return;
        };
        let plain = || plain_log(&code, callee, &arguments).filter(|_| self.has_plain_log);
        let Some(Sink { out, call, values }) = sink(&code, callee, &arguments).or_else(plain)
        else {
            return;
        };
        let found = values.into_iter().find_map(|value| self.known.taint(value));
        if let Some(found) = found
            && !(found.origin == Origin::Everything && self.around.is_picked())
        {
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
        if out == Out::Print && self.prints_by_design {
            return;
        }
        let what = match origin {
            Origin::Address => format!("the address `{name}`, which may hold a password,"),
            _ => format!("the secret `{name}`"),
        };
        let subject = format!("{name} in {call}");
        let (meta, message) = match out {
            Out::Log => (
                &metas::LOGGED,
                format!("{what} is written to a log by `{call}`"),
            ),
            Out::Print => (&metas::LOGGED, format!("{what} is printed by `{call}`")),
            Out::Error => (
                &metas::ERROR,
                format!("{what} becomes part of an error's text by `{call}`"),
            ),
            Out::Process => (
                &metas::ARGUMENT,
                format!(
                    "{what} is an argument of the process that `{call}` starts: others on the machine can read it"
                ),
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
        let Some(thrown) = named(node).first().copied() else {
            return;
        };
        let found = match code.shape(thrown) {
            Shape::Call(_, arguments) if code.tongue == Tongue::Python => {
                let is_text = |argument: &Node<'t>| match code.shape(*argument) {
                    Shape::Pair(key, _) => matches!(
                        code.of(key),
                        "detail" | "message" | "msg" | "description" | "reason"
                    ),
                    _ => true,
                };
                arguments
                    .into_iter()
                    .filter(is_text)
                    .find_map(|argument| self.known.taint(argument))
            }
            Shape::Parts(_) => self.known.taint(thrown),
            _ => None,
        };
        if let Some(found) = found {
            let call = if code.tongue == Tongue::Python {
                "raise"
            } else {
                "throw"
            };
            self.left(Out::Error, call, found);
        }
    }
}

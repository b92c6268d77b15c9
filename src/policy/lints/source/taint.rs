//! Whether a secret flows into an expression, inside one function: from reads of the environment and of settings, and from parameters,
//! variables and fields whose names say so.
//!
//! What a call returns is taken for a secret only if the call is known to hand on what it is given (`str`, `JSON.stringify`,
//! `fmt.Sprintf`): whatever else stands around a secret (a mask, a hash, a length, a test) makes it safe.

use std::{collections::HashMap, collections::HashSet, ops::Range};

use tree_sitter::Node;

use super::{
    names as idents,
    reads::{environment, flow},
    shape::{Code, Shape, Tongue},
};
use crate::policy::names::{Secretness, secretness, words};

/// Deepest nest of expressions that is followed.
const MAX_DEPTH: usize = 24;

/// Where a secret came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A variable of the environment with a secret's name.
    Environment,
    /// A setting with a secret's name.
    Settings,
    /// A parameter, variable or field whose name says so.
    Name,
    /// An address that may hold a password.
    Address,
    /// All variables of the environment.
    Everything,
}

/// A secret in an expression.
#[derive(Clone, Debug)]
pub(super) struct Taint<'t> {
    /// The name it goes by there.
    pub(super) name: &'t str,
    /// Where that stands.
    pub(super) span: Range<usize>,
    /// Where it came from.
    pub(super) origin: Origin,
}

/// What is known of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It holds a secret.
    Secret(Origin),
    /// It does not, whatever its name says.
    Clean,
}

struct Scope<'t> {
    end: usize,
    name: &'t str,
    variables: HashMap<&'t str, State>,
}

/// What is known at one place of a text.
pub(super) struct Knowledge<'t> {
    /// The text.
    pub(super) code: Code<'t>,
    scopes: Vec<Scope<'t>>,
    /// Constants and fields of the file that hold no secret, whatever their names say.
    pub(super) harmless: HashSet<&'t str>,
    /// Names that packages are imported by.
    pub(super) packages: HashSet<&'t str>,
    /// Whether the text deals with objects of Kubernetes, which are called secrets and named after them.
    is_about_objects: bool,
    /// How many more expressions may be looked at.
    budget: usize,
}

impl<'t> Knowledge<'t> {
    /// Knows nothing but the text.
    pub(super) fn new(code: Code<'t>) -> Self {
        Self {
            code,
            scopes: vec![Scope {
                end: usize::MAX,
                name: "",
                variables: HashMap::new(),
            }],
            harmless: HashSet::new(),
            packages: HashSet::new(),
            is_about_objects: ["k8s.io/", "kubernetes", "Kubernetes"]
                .iter()
                .any(|word| code.text.contains(word)),
            // Each expression is looked at a few times at most in text that people write.
            budget: code.text.len().saturating_mul(4).saturating_add(10_000),
        }
    }

    /// Leaves the functions that end before `start`.
    pub(super) fn leave(&mut self, start: usize) {
        while self.scopes.len() > 1 && self.scopes.last().is_some_and(|scope| scope.end <= start) {
            self.scopes.pop();
        }
    }

    /// Enters a function.
    pub(super) fn enter(&mut self, name: &'t str, end: usize) {
        self.scopes.push(Scope {
            end,
            name,
            variables: HashMap::new(),
        });
    }

    /// Returns the name of the function, the innermost that has one.
    pub(super) fn function(&self) -> &'t str {
        let named = self.scopes.iter().rev().map(|scope| scope.name);
        named
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default()
    }

    /// Keeps what is known of a variable; nothing makes it what its name says.
    pub(super) fn bind(&mut self, name: &'t str, state: Option<State>) {
        if let Some(scope) = self.scopes.last_mut() {
            match state {
                Some(state) => {
                    scope.variables.insert(name, state);
                }
                None => {
                    scope.variables.remove(name);
                }
            }
        }
    }

    /// Returns the secret that flows into an expression: the first of several.
    pub(super) fn taint(&mut self, node: Node<'t>) -> Option<Taint<'t>> {
        self.look(node, 0)
    }

    fn look(&mut self, node: Node<'t>, depth: usize) -> Option<Taint<'t>> {
        self.budget = self.budget.checked_sub(1)?;
        if depth > MAX_DEPTH {
            return None;
        }
        let told = |name, origin| {
            Some(Taint {
                name,
                span: node.byte_range(),
                origin,
            })
        };
        if let Some((key, _)) = self.read_of_environment(node) {
            return told(key, environment(key)?);
        }
        if self.is_whole_environment(node) {
            return told("environment", Origin::Everything);
        }
        match self.code.shape(node) {
            Shape::Name(name) => told(name, self.variable(name)?),
            Shape::Member(object, name) => told(name, self.member(object, name)?),
            Shape::Index(object, index) => {
                let (key, _) = self.code.literal(index)?;
                told(key, self.key(object, key)?)
            }
            Shape::Call(callee, arguments) => self.call(node, callee, &arguments, depth),
            Shape::Pair(key, value) => {
                let found = self.look(value, depth + 1)?;
                // `password=True`, `"token_type": x`: the value decides; a key that names a mask does too.
                (!self.code.of(key).contains("mask")).then_some(found)
            }
            Shape::Parts(parts) => parts
                .into_iter()
                .find_map(|part| self.look(part, depth + 1)),
            Shape::Same(inner) => self.look(inner, depth + 1),
            Shape::Text | Shape::Other => None,
        }
    }

    fn variable(&self, name: &'t str) -> Option<Origin> {
        let known = self
            .scopes
            .iter()
            .rev()
            .find_map(|scope| scope.variables.get(name));
        match known {
            Some(State::Secret(origin)) => Some(*origin),
            Some(State::Clean) => None,
            None if self.harmless.contains(name)
                || self.packages.contains(name)
                || is_type_name(name) =>
            {
                None
            }
            None => self.by_name(name),
        }
    }

    fn member(&self, object: Node<'t>, name: &'t str) -> Option<Origin> {
        let path = self.code.path(object);
        let last = path.last().copied().unwrap_or_default();
        if idents::is_credential_header(name) && last == "headers" {
            return Some(Origin::Settings);
        }
        let is_enumeration = match self.code.tongue {
            Tongue::Go => path.len() == 1 && self.packages.contains(last),
            Tongue::Python | Tongue::Script => {
                is_type_name(name) || is_type_name(last) && !idents::holds_settings(last)
            }
        };
        if is_enumeration || idents::holds_no_values(last) || self.harmless.contains(name) {
            return None;
        }
        self.by_name(name)
    }

    fn key(&self, object: Node<'t>, key: &str) -> Option<Origin> {
        let path = self.code.path(object);
        let last = path.last().copied().unwrap_or_default();
        if idents::holds_no_values(last) {
            return None;
        }
        if idents::is_credential_header(key) && idents::holds_headers(last) {
            return Some(Origin::Settings);
        }
        if idents::holds_settings(last) && secretness(key) >= Secretness::Strong {
            return Some(Origin::Settings);
        }
        self.by_name(key)
    }

    fn by_name(&self, name: &str) -> Option<Origin> {
        let is_object = || {
            let words = words(name);
            let has = |word: &str| words.iter().any(|one| one == word);
            self.is_about_objects && has("secret") && !has("client") && !has("access")
        };
        if idents::is_certain(name) {
            (!is_object()).then_some(Origin::Name)
        } else {
            idents::is_address(name).then_some(Origin::Address)
        }
    }

    fn call(
        &mut self,
        node: Node<'t>,
        callee: Node<'t>,
        arguments: &[Node<'t>],
        depth: usize,
    ) -> Option<Taint<'t>> {
        let path = self.code.path(callee);
        let last = path.last().copied().unwrap_or_default();
        if let Some((key, settings)) = self.read_of_settings(&path, arguments) {
            let is_secret = if settings {
                secretness(key) >= Secretness::Strong
            } else {
                let object = path.iter().rev().nth(1).copied().unwrap_or_default();
                idents::is_certain(key)
                    || idents::is_credential_header(key) && idents::holds_headers(object)
            };
            return is_secret.then(|| Taint {
                name: key,
                span: node.byte_range(),
                origin: Origin::Settings,
            });
        }
        let receiver = match self.code.shape(callee) {
            Shape::Member(object, _) => Some(object),
            _ => None,
        };
        let flow = flow(self.code.tongue, &path, callee.kind());
        if flow.receiver
            && let Some(found) = receiver.and_then(|receiver| self.look(receiver, depth + 1))
        {
            return Some(found);
        }
        let from_arguments = flow.arguments.then(|| {
            arguments
                .iter()
                .find_map(|argument| self.look(*argument, depth + 1))
        });
        let found = from_arguments.flatten()?;
        // What joins or lists a map of Python has its keys alone.
        let has_keys_alone = found.origin == Origin::Everything
            && self.code.tongue == Tongue::Python
            && last == "join";
        (!has_keys_alone).then_some(found)
    }
}

/// Tells whether a name is written as those of types and components are: `Password`, not `PASSWORD`.
fn is_type_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().any(|c| c.is_ascii_lowercase())
}

//! Where secrets come from: reads of the environment and of settings; and what calls hand on.

use std::ops::Range;

use tree_sitter::Node;

use super::{
    names as idents,
    shape::{Shape, Tongue},
    taint::{Knowledge, Origin},
};
use crate::policy::names::{Secretness, secretness, words};

impl<'t> Knowledge<'t> {
    /// Returns the name that is read from the environment, and where the name stands.
    pub(super) fn read_of_environment(&self, node: Node<'t>) -> Option<(&'t str, Range<usize>)> {
        let text = |node: Node<'t>| self.code.literal(node);
        let is_map = |path: &[&str]| match self.code.tongue {
            Tongue::Python => matches!(path, ["os", "environ"] | ["environ"]),
            Tongue::Script => matches!(
                path,
                ["process" | "Bun", "env"]
                    | ["import", "meta", "env"]
                    | ["globalThis", "process", "env"]
            ),
            Tongue::Go => false,
        };
        match self.code.shape(node) {
            Shape::Member(object, name)
                if self.code.tongue == Tongue::Script && is_map(&self.code.path(object)) =>
            {
                Some((name, node.byte_range()))
            }
            Shape::Index(object, index) if is_map(&self.code.path(object)) => text(index),
            Shape::Call(callee, arguments) => {
                let path = self.code.path(callee);
                let is_read = match self.code.tongue {
                    Tongue::Python => match path.as_slice() {
                        ["os", "getenv"] | ["getenv"] => true,
                        [map @ .., "get" | "pop"] => is_map(map),
                        [front @ .., last] => {
                            *last == "env" && front.is_empty()
                                || front == ["env"]
                                    && matches!(*last, "str" | "get" | "string" | "bytes")
                                || (*last == "config"
                                    && front.is_empty()
                                    && self.packages.contains("decouple"))
                        }
                        [] => false,
                    },
                    Tongue::Script => path == ["Deno", "env", "get"],
                    Tongue::Go => {
                        matches!(
                            path.as_slice(),
                            ["os", "Getenv" | "LookupEnv"] | ["syscall", "Getenv"]
                        ) || path.len() <= 2
                            && path.last().is_some_and(|last| reads_environment(last))
                    }
                };
                let first = arguments.first().filter(|_| is_read)?;
                text(*first)
            }
            _ => None,
        }
    }

    /// Returns the key of a call that reads one setting, and whether its receiver is named after settings.
    pub(super) fn read_of_settings(
        &self,
        path: &[&str],
        arguments: &[Node<'t>],
    ) -> Option<(&'t str, bool)> {
        let (last, front) = path.split_last()?;
        let object = front.last()?;
        if !reads_setting(self.code.tongue, last) || idents::holds_no_values(object) {
            return None;
        }
        let (key, _) = self.code.literal(*arguments.first()?)?;
        Some((key, idents::holds_settings(object)))
    }

    /// Tells whether an expression is the whole environment.
    pub(super) fn is_whole_environment(&self, node: Node<'t>) -> bool {
        match (self.code.tongue, self.code.shape(node)) {
            (Tongue::Python, Shape::Member(..)) => self.code.of(node) == "os.environ",
            (Tongue::Python, Shape::Name("environ")) => self.packages.contains("environ"),
            (Tongue::Script, Shape::Member(..)) => self.code.of(node) == "process.env",
            (Tongue::Script, Shape::Call(callee, _)) => self.code.of(callee) == "Deno.env.toObject",
            (Tongue::Go, Shape::Call(callee, _)) => {
                matches!(self.code.of(callee), "os.Environ" | "syscall.Environ")
            }
            _ => false,
        }
    }
}

/// Tells whether a method of this name returns one setting by its key.
pub(super) fn reads_setting(tongue: Tongue, method: &str) -> bool {
    match tongue {
        Tongue::Python => matches!(
            method,
            "get" | "getstr" | "get_string" | "getfirst" | "getlist"
        ),
        Tongue::Script => method == "get",
        Tongue::Go => matches!(
            method,
            "GetString" | "Get" | "FormValue" | "PostFormValue" | "PostForm"
        ),
    }
}

/// Tells whether a function of this name returns one variable of the environment.
pub(super) fn reads_environment(function: &str) -> bool {
    let words = words(function);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    has(&["env", "getenv"])
        && !has(&[
            "set", "setenv", "unset", "is", "has", "with", "parse", "load", "new", "stub", "mock",
            "patch", "override", "write", "save", "put", "export", "assert", "expect",
        ])
        && words.len() <= 5
}

/// Returns where a secret comes from that the environment holds by this name.
pub(super) fn environment(name: &str) -> Option<Origin> {
    match secretness(name) {
        Secretness::No => None,
        Secretness::Weak => idents::is_address(name).then_some(Origin::Address),
        Secretness::Strong | Secretness::Master => {
            (!matches!(name, "PWD" | "OLDPWD") && !names_a_key(name)).then_some(Origin::Environment)
        }
    }
}

/// What a call hands on.
pub(super) struct Flow {
    /// What it is called on.
    pub(super) receiver: bool,
    /// What it is given.
    pub(super) arguments: bool,
}

/// What hands on the object it is called on.
const PYTHON_OBJECT: &[&str] = &[
    "encode",
    "decode",
    "strip",
    "lstrip",
    "rstrip",
    "upper",
    "lower",
    "format",
    "items",
    "values",
    "copy",
    "join",
    "replace",
    "get_secret_value",
    "title",
];

/// What hands on its arguments.
const PYTHON_ARGUMENTS: &[&str] = &[
    "str",
    "repr",
    "bytes",
    "dict",
    "format",
    "join",
    "dumps",
    "urlencode",
    "quote",
    "quote_plus",
    "b64encode",
    "b64decode",
    "pformat",
    "force_str",
    "force_text",
    "smart_str",
    "_",
    "gettext",
    "literal_eval",
    "standard_b64encode",
    "urlsafe_b64encode",
];

/// What hands on the object it is called on.
const SCRIPT_OBJECT: &[&str] = &[
    "toString",
    "trim",
    "concat",
    "join",
    "toUpperCase",
    "toLowerCase",
    "replace",
    "replaceAll",
    "valueOf",
];

/// What hands on its arguments.
const SCRIPT_ARGUMENTS: &[&str] = &[
    "String",
    "concat",
    "stringify",
    "inspect",
    "format",
    "from",
    "encodeURIComponent",
    "encodeURI",
    "btoa",
    "atob",
    "entries",
    "values",
    "assign",
];

/// What hands on the object it is called on.
const GO_OBJECT: &[&str] = &["String", "Error"];

/// What hands on its arguments.
const GO_ARGUMENTS: &[&str] = &[
    "Sprint",
    "Sprintf",
    "Sprintln",
    "string",
    "byte",
    "TrimSpace",
    "Trim",
    "Join",
    "ToLower",
    "ToUpper",
    "Quote",
    "EncodeToString",
    "QueryEscape",
    "PathEscape",
    "append",
    "Any",
    "ByteString",
    "Stringp",
    "Reflect",
    "Marshal",
    "MarshalIndent",
    "Fields",
    "Dict",
    "StringValue",
    "ReplaceAll",
    "TrimSuffix",
    "TrimPrefix",
    "Str",
];

/// Tells what a call hands on: calls that are not known hand on nothing.
pub(super) fn flow(tongue: Tongue, path: &[&str], kind: &str) -> Flow {
    let (receiver, arguments) = match tongue {
        Tongue::Python => (PYTHON_OBJECT, PYTHON_ARGUMENTS),
        Tongue::Script => (SCRIPT_OBJECT, SCRIPT_ARGUMENTS),
        Tongue::Go => (GO_OBJECT, GO_ARGUMENTS),
    };
    let last = path.last().copied().unwrap_or_default();
    // `zap.String("password", password)` hands on its argument, `password.String()` its receiver: the first has arguments.
    let is_field = tongue == Tongue::Go && last == "String";
    Flow {
        receiver: receiver.contains(&last),
        arguments: arguments.contains(&last)
            || is_field
            || matches!(kind, "slice_type" | "array_type"),
    }
}

/// Tells whether a variable names a key that a service holds: `GOOGLE_KMS_KEY` is an address.
fn names_a_key(variable: &str) -> bool {
    words(variable).iter().any(|word| word == "kms")
}

//! The literal texts of an expression, each under the name that says what it is.
//!
//! Goes through objects, lists, both branches of conditions, the functions that hand on what they are given, pairs of `name` and
//! `value`, and JSON that stands in a text.

use std::ops::Range;

use crate::model::Severity;
use crate::policy::{
    names,
    node::{Node, Scalar},
    readers::{
        hcl::{Expr, ExprKind, Item},
        json, yaml,
    },
    values::Strength,
};

use super::super::literal;

/// A literal under a name.
#[derive(Debug)]
pub(super) struct Literal {
    /// The nearest name.
    pub(super) name: String,
    /// The name of what the nearest one is in: `secrets` of `secrets = { db = "x" }`.
    pub(super) owner: Option<String>,
    /// All names from the outermost, joined by dots.
    pub(super) path: String,
    /// The text; an interpolation is `${}`.
    pub(super) value: String,
    /// Its bytes, without quotes.
    pub(super) span: Range<usize>,
}

impl Literal {
    /// Returns how bad it is in the file with this path. What stands below the name of a secret is one if it looks random:
    /// `tokens = { ci = "..." }`.
    pub(super) fn judge(&self, path: &str, usual: Severity) -> Option<Severity> {
        const ABOUT: [&str; 10] = [
            "id", "ids", "arn", "name", "user", "username", "url", "host", "email", "version",
        ];
        let own = literal::judge_in(path, &self.name, &self.value, usual);
        own.or_else(|| {
            let words = names::words(&self.name);
            let is_about = words
                .last()
                .is_some_and(|last| ABOUT.contains(&last.as_str()));
            let is_below = self.owner.as_deref().is_some_and(names::is_secret) && !is_about;
            let is_random = literal::strength(&self.value) == Some(Strength::Random);
            (is_below && is_random)
                .then(|| literal::judge_place_in(path, &self.value, usual))
                .flatten()
        })
    }
}

/// Functions that hand on what they are given.
const CARRIERS: [&str; 14] = [
    "sensitive",
    "nonsensitive",
    "base64encode",
    "coalesce",
    "try",
    "tostring",
    "trimspace",
    "chomp",
    "merge",
    "jsonencode",
    "yamlencode",
    "tomap",
    "concat",
    "one",
];

/// Calls `f` with the literals of what stands under a name.
pub(super) fn each(name: &str, expr: &Expr, f: &mut dyn FnMut(Literal)) {
    let walk = Walk {
        name,
        owner: None,
        path: name.to_owned(),
    };
    walk.expr(expr, f);
}

struct Walk<'w> {
    name: &'w str,
    owner: Option<&'w str>,
    path: String,
}

impl Walk<'_> {
    fn expr(&self, expr: &Expr, f: &mut dyn FnMut(Literal)) {
        match &expr.kind {
            ExprKind::Text(_) | ExprKind::Number(_) | ExprKind::Template(_) => self.text(expr, f),
            ExprKind::Object(items) => self.object(items, f),
            ExprKind::List(items) => {
                for item in items {
                    self.expr(item, f);
                }
            }
            ExprKind::Conditional(three) => {
                for branch in three.iter().skip(1) {
                    self.expr(branch, f);
                }
            }
            ExprKind::Call(name, arguments) if CARRIERS.contains(&name.as_str()) => {
                for argument in arguments {
                    self.expr(argument, f);
                }
            }
            ExprKind::Call(name, arguments) if name == "lookup" => {
                if let Some(fallback) = arguments.get(2) {
                    self.expr(fallback, f);
                }
            }
            _ => {}
        }
    }

    fn object(&self, items: &[Item], f: &mut dyn FnMut(Literal)) {
        let text = |keys: [&str; 2]| {
            items
                .iter()
                .find(|item| item.key.as_deref().is_some_and(|key| keys.contains(&key)))
                .map(|item| &item.value)
        };
        if let (Some(name), Some(value)) = (
            text(["name", "Name"]).and_then(Expr::text),
            text(["value", "Value"]),
        ) {
            return self.below(&name.text).expr(value, f);
        }
        for item in items {
            match &item.key {
                Some(key) => self.below(key).expr(&item.value, f),
                None => self.expr(&item.value, f),
            }
        }
    }

    fn below<'n>(&'n self, name: &'n str) -> Walk<'n> {
        Walk {
            name,
            owner: Some(self.name),
            path: format!("{}.{name}", self.path),
        }
    }

    fn text(&self, expr: &Expr, f: &mut dyn FnMut(Literal)) {
        // In a text of JSON an interpolation may stand in quotes or as a whole value.
        let mut fill = |_: &Expr, before: &str| {
            let line = before.rsplit('\n').next().unwrap_or_default();
            let quotes = line.matches('"').count() - line.matches("\\\"").count();
            (if quotes % 2 == 1 { "${}" } else { "0" }).to_owned()
        };
        let is_nested = |text: &str| text.trim_start().starts_with(['{', '[']);
        if let Some(scalar) = expr.filled(&mut fill).filter(|it| is_nested(&it.text)) {
            if let Ok(tree) = json::read(&scalar.text) {
                return self.tree(&tree, &scalar, f);
            }
        }
        let scalar = expr.filled(&mut |_, _| "${}".to_owned());
        let Some(scalar) = scalar.or_else(|| expr.text().cloned()) else {
            return;
        };
        if self.name == "values" && scalar.text.contains(": ") && scalar.text.contains('\n') {
            for tree in yaml::read(&scalar.text).unwrap_or_default() {
                self.tree(&tree, &scalar, f);
            }
            return;
        }
        f(Literal {
            name: self.name.to_owned(),
            owner: self.owner.map(str::to_owned),
            path: self.path.clone(),
            span: scalar.source(0..scalar.text.len()),
            value: scalar.text,
        });
    }

    /// The leaves of a tree that stands in a text.
    fn tree(&self, tree: &Node, outer: &Scalar, f: &mut dyn FnMut(Literal)) {
        if let Some((name, value)) = literal::pair(tree) {
            return self.below(name).tree(value, outer, f);
        }
        for entry in tree.entries() {
            self.below(&entry.key).tree(&entry.value, outer, f);
        }
        for item in tree.items() {
            self.tree(item, outer, f);
        }
        if let Some(inner) = tree.scalar() {
            let within = inner.source(0..inner.text.len());
            f(Literal {
                name: self.name.to_owned(),
                owner: self.owner.map(str::to_owned),
                path: self.path.clone(),
                span: outer.source(within),
                value: inner.text.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::readers::hcl;

    fn found(text: &str) -> Vec<(String, String, String)> {
        let body = hcl::read(text).unwrap();
        let mut found = Vec::new();
        body.each(&mut |_, attribute| {
            each(&attribute.key, &attribute.value, &mut |it| {
                found.push((it.path, it.value, text[it.span].to_owned()));
            });
        });
        found
    }

    #[test]
    fn names_and_values_in_all_their_forms() {
        for (text, path, value) in [
            ("a = \"x1\"\n", "a", "x1"),
            ("a = { b = { \"c\" : \"x1\" } }\n", "a.b.c", "x1"),
            ("a = [{ name = \"PW\", value = \"x1\" }]\n", "a.PW", "x1"),
            ("a = var.p != \"\" ? var.p : \"x1\"\n", "a", "x1"),
            ("a = base64encode(sensitive(\"x1\"))\n", "a", "x1"),
            ("a = lookup(var.m, \"k\", \"x1\")\n", "a", "x1"),
            (
                "a = jsonencode([{ environment = [{ name = \"PW\", value = \"x1\" }] }])\n",
                "a.environment.PW",
                "x1",
            ),
            ("a = \"{\\\"pw\\\": \\\"x1\\\"}\"\n", "a.pw", "x1"),
            (
                "values = [<<-EOT\n  auth:\n    pw: x1\n  EOT\n]\n",
                "values.auth.pw",
                "x1",
            ),
        ] {
            let want = (path.to_owned(), value.to_owned(), value.to_owned());
            assert_eq!(found(text), [want], "{text}");
        }
    }

    #[test]
    fn json_in_heredocs_with_interpolations() {
        let text = "a = <<EOF\n[{\"port\": ${var.port}, \"environment\": [\n {\"name\": \"PW\", \"value\": \"x1\"},\n {\"name\": \"Q\", \"value\": \"${var.q}\"}]}]\nEOF\n";
        let found = found(text);
        assert!(
            found.contains(&("a.environment.PW".into(), "x1".into(), "x1".into())),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .any(|it| it.0 == "a.environment.Q" && it.1 == "${}"),
            "{found:?}"
        );
    }
}

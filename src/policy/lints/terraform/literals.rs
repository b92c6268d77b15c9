//! The literal texts of an expression, each under the name that says what it is.
//!
//! Goes through objects, lists, both branches of conditions, the functions that hand on what they are given, pairs of `name` and
//! `value`, and JSON that stands in a text.

use crate::policy::{
    readers::{
        hcl::{Expr, ExprKind, Item},
        json, yaml,
    },
    values::Strength,
};

use super::super::literal::{self, Literal, Names};

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
    self::expr(&Names::root(name), expr, f);
}

fn expr(names: &Names<'_>, expr: &Expr, f: &mut dyn FnMut(Literal)) {
    match &expr.kind {
        ExprKind::Text(_) | ExprKind::Number(_) | ExprKind::Template(_) => text(names, expr, f),
        ExprKind::Object(items) => object(names, items, f),
        ExprKind::List(items) => {
            for item in items {
                let name = item.get("name").and_then(Expr::text);
                match (item.text(), name) {
                    // Lists of texts are mostly words; a text of JSON or YAML is none.
                    (Some(text), _)
                        if !text.text.contains('\n')
                            && literal::strength(&text.text) != Some(Strength::Random) => {}
                    (None, Some(name)) if item.get("value").is_none() => {
                        self::expr(&names.item(&name.text), item, f);
                    }
                    _ => self::expr(names, item, f),
                }
            }
        }
        ExprKind::Conditional(three) => {
            for branch in three.iter().skip(1) {
                self::expr(names, branch, f);
            }
        }
        ExprKind::Call(name, arguments) if CARRIERS.contains(&name.as_str()) => {
            for argument in arguments {
                self::expr(names, argument, f);
            }
        }
        ExprKind::Call(name, arguments) if name == "lookup" => {
            if let Some(fallback) = arguments.get(2) {
                self::expr(names, fallback, f);
            }
        }
        _ => {}
    }
}

fn object(names: &Names<'_>, items: &[Item], f: &mut dyn FnMut(Literal)) {
    let value = |keys: [&str; 2]| {
        items
            .iter()
            .find(|item| item.key.as_deref().is_some_and(|key| keys.contains(&key)))
            .map(|item| &item.value)
    };
    if let (Some(name), Some(value)) = (
        value(["name", "Name"]).and_then(Expr::text),
        value(["value", "Value"]),
    ) {
        return expr(&names.below(&name.text), value, f);
    }
    for item in items {
        match &item.key {
            Some(key) => expr(&names.below(key), &item.value, f),
            None => expr(names, &item.value, f),
        }
    }
}

fn text(names: &Names<'_>, expr: &Expr, f: &mut dyn FnMut(Literal)) {
    // In a text of JSON an interpolation may stand in quotes or as a whole value.
    let mut fill = |_: &Expr, before: &str| {
        let line = before.rsplit('\n').next().unwrap_or_default();
        let quotes = line.matches('"').count() - line.matches("\\\"").count();
        (if quotes % 2 == 1 { "${}" } else { "0" }).to_owned()
    };
    let is_nested = |text: &str| text.trim_start().starts_with(['{', '[']);
    if let Some(scalar) = expr
        .filled_after(&mut fill)
        .filter(|it| is_nested(&it.text))
        && let Ok(tree) = json::read(&scalar.text)
    {
        return literal::each(names, &tree, Some(&scalar), f);
    }
    let scalar = expr.filled(&mut |_| "${}".to_owned());
    let Some(scalar) = scalar.or_else(|| expr.text().cloned()) else {
        return;
    };
    if names.name == "values" && scalar.text.contains(": ") && scalar.text.contains('\n') {
        for tree in yaml::read(&scalar.text).unwrap_or_default() {
            literal::each(names, &tree, Some(&scalar), f);
        }
        return;
    }
    let span = scalar.source(0..scalar.text.len());
    f(names.literal(scalar.text, span));
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

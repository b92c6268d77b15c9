//! Fallbacks that supply a usable secret: `${DB_PASSWORD:-changeme}`.

use std::ops::Range;

use super::service::{Seen, is_for_one_machine, short};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Edit, Fault, Fix, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        lints::docker::words::{Expansion, interpolations},
        names::{self, Secretness},
        node::{Node, Path, Scalar},
        values::{self, Strength, Value},
    },
};

const WEAK_DEFAULT: LintMeta = LintMeta {
    id: "compose-weak-default",
    title: "A fallback supplies a usable secret",
    tool: "Compose",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: default passwords",
        "CWE-1392",
        "Compose file reference: Interpolation",
    ],
    cwe: 1392,
    fix: FixClass::Unsafe,
    why: "Where nobody sets the variable the service starts all the same, with a password that stands in the repository.",
    help: "Demand the variable, so that the start fails without it: `${DB_PASSWORD:?set DB_PASSWORD}`.",
    bad: &[
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    environment:\n      DB_PASSWORD: ${DB_PASSWORD:-changeme}\n",
        )],
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    environment:\n      - \"DB_PASSWORD=${DB_PASSWORD-hunter2-Zq81}\"\n",
        )],
        &[(
            "compose.yml",
            "services:\n  app:\n    image: acme/app:1\n    environment:\n      DATABASE_URL: postgres://app:${DB_PASSWORD:-changeme}@db/app\n",
        )],
    ],
    good: &[
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    environment:\n      DB_PASSWORD: ${DB_PASSWORD:?set it}\n",
        )],
        &[(
            "compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    environment:\n      DB_PASSWORD: ${DB_PASSWORD:-}\n      API_TOKEN: ${API_TOKEN:-${OTHER_TOKEN}}\n      DB_USER: ${DB_USER:-app}\n      TOKEN_TTL: ${TOKEN_TTL:-3600}\n      DB_PASSWORD_FILE: ${DB_PASSWORD_FILE:-/run/secrets/db}\n",
        )],
    ],
};

/// `compose-weak-default`.
pub(super) struct Fallbacks;

impl Lint for Fallbacks {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&WEAK_DEFAULT]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::Compose {
            return;
        }
        let mut told = Vec::new();
        let mut seen = Seen::default();
        for tree in document.trees() {
            tree.leaves(&mut |path, node| {
                if seen.is_new(node) {
                    told.extend(faults(path, node));
                }
            });
        }
        let local = !told.is_empty() && is_for_one_machine(document);
        for fault in told {
            context.tell(if local {
                fault.severity(Severity::Info)
            } else {
                fault
            });
        }
    }
}

fn faults(path: &Path<'_>, node: &Node) -> Vec<Fault> {
    let Some(scalar) = node.scalar().filter(|scalar| scalar.text.contains("${")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for one in interpolations(&scalar.text) {
        // `$$` is no variable of compose.
        let dollars = scalar.text.get(..one.range.start).map_or(0, |before| {
            before.len() - before.trim_end_matches('$').len()
        });
        if dollars % 2 == 0 {
            found.extend(fault(path, scalar, &one));
        }
    }
    found
}

fn fault(path: &Path<'_>, scalar: &Scalar, one: &Expansion) -> Option<Fault> {
    let range = innermost(&scalar.text, one.fallback.clone()?, 4);
    let text = scalar.text.get(range.clone())?;
    let is_all = one.range == (0..scalar.text.len());
    let key = path
        .key()
        .filter(|_| is_all)
        .map_or(Secretness::No, |step| names::secretness(step.key));
    let secretness = names::secretness(&one.name).max(key);
    let value = values::classify(text);
    let severity = match (secretness, value) {
        (Secretness::No, _) => return None,
        (Secretness::Weak, Value::Literal(_)) if !text.contains("://") => return None,
        (_, Value::Literal(Strength::Random)) => Severity::High,
        (_, Value::Literal(_)) => Severity::Medium,
        (Secretness::Weak, _) => return None,
        (_, Value::Placeholder) => Severity::Medium,
        (_, Value::Plain) if text.bytes().all(|byte| byte.is_ascii_digit()) => Severity::Medium,
        _ => return None,
    };
    let span = scalar.source(range);
    let name = &one.name;
    let message = format!("`{name}` falls back to a secret that stands in this file");
    let mut fault = Fault::new(
        &WEAK_DEFAULT,
        span.clone(),
        format!("{} {name}", shown(path)),
        message,
    )
    .severity(severity)
    .secret(span);
    fault.fix = fix(scalar, one, 4);
    Some(fault)
}

/// Returns the last keys that lead to a value.
fn shown(path: &Path<'_>) -> String {
    let steps = path.steps();
    let last = steps
        .get(steps.len().saturating_sub(8)..)
        .unwrap_or_default();
    let keys = last.iter().map(|step| {
        if step.key.is_empty() {
            "[]"
        } else {
            short(step.key)
        }
    });
    keys.collect::<Vec<_>>().join(".")
}

/// Follows fallbacks of fallbacks: `${A:-${B:-c}}`.
fn innermost(text: &str, range: Range<usize>, depth: usize) -> Range<usize> {
    let inner = text
        .get(range.clone())
        .map(interpolations)
        .unwrap_or_default();
    match inner.first() {
        Some(Expansion {
            fallback: Some(fallback),
            range: whole,
            ..
        }) if depth > 0 && *whole == (0..range.len()) => innermost(
            text,
            range.start + fallback.start..range.start + fallback.end,
            depth - 1,
        ),
        _ => range,
    }
}

/// Demands the variable whose fallback is the secret itself: those before it keep theirs, so `${A:-${B:-c}}` still takes `B`.
fn fix(scalar: &Scalar, one: &Expansion, depth: usize) -> Option<Fix> {
    let mut start = 0;
    let mut last = one.clone();
    for _ in 0..depth {
        let fallback = moved(last.fallback.clone()?, start);
        let inner = interpolations(scalar.text.get(fallback.clone())?);
        match inner.into_iter().next() {
            Some(next) if next.fallback.is_some() && next.range == (0..fallback.len()) => {
                start = fallback.start;
                last = next;
            }
            _ => break,
        }
    }
    let name = &last.name;
    let fallback = moved(last.fallback.clone()?, start);
    let begin = start + last.range.start + 2 + name.len();
    scalar.text.get(begin..fallback.start)?;
    Some(Fix {
        class: FixClass::Unsafe,
        title: format!("demand `{name}`: the start fails without it"),
        edits: vec![Edit::replace(
            scalar.source(begin..fallback.end),
            format!(":?set {name}"),
        )],
    })
}

const fn moved(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

#[cfg(test)]
mod tests {
    use super::super::super::docker::tests::{fixed, told};

    #[test]
    fn fallbacks_by_value() {
        for (text, want) in [
            (
                "DB_PASSWORD: ${DB_PASSWORD:-hunter2-Zq81}",
                vec!["compose-weak-default medium hunter2-Zq81"],
            ),
            (
                "DB_PASSWORD: ${DB_PASSWORD:-Vx7kQ2mR9tLp4wZs}",
                vec!["compose-weak-default high Vx7kQ2mR9tLp4wZs"],
            ),
            (
                "DB_PASSWORD: '${A:-${B:-secret}}'",
                vec!["compose-weak-default medium secret"],
            ),
            (
                "DB_PASSWORD: ${PG:-postgres}",
                vec!["compose-weak-default medium postgres"],
            ),
            (
                "DB_PASSWORD: ${DB_PASSWORD:-1234}",
                vec!["compose-weak-default medium 1234"],
            ),
            ("DB_PASSWORD: $${DB_PASSWORD:-abc}", vec![]),
            (
                "DATABASE_URL: ${DATABASE_URL:-postgres://a:secret@db/a}",
                vec!["compose-weak-default medium postgres://a:secret@db/a"],
            ),
            ("DATABASE_URL: ${DATABASE_URL:-postgres://db/a}", vec![]),
            ("DB_PASSWORD: ${DB_PASSWORD:?changeme}", vec![]),
            ("DB_PASSWORD: ${DB_PASSWORD:+changeme}", vec![]),
        ] {
            let text = format!("services:\n  a:\n    image: b\n    environment:\n      {text}\n");
            assert_eq!(told("compose.yml", &text), want, "{text}");
        }
        let text = "services:\n  a:\n    environment:\n      - DB_PASSWORD=${DB_PASSWORD:-abc}\n";
        assert_eq!(
            told("docker-compose.override.yml", text),
            ["compose-weak-default info abc"]
        );
    }

    #[test]
    fn the_fix_demands_the_variable() {
        for (text, want) in [
            (
                "DB_PASSWORD: ${DB_PASSWORD:-changeme}",
                "DB_PASSWORD: ${DB_PASSWORD:?set DB_PASSWORD}\n",
            ),
            // What it falls back to before the secret stays.
            (
                "DB_PASSWORD: \"${DB_PASSWORD-${B:-c}}\"",
                "DB_PASSWORD: \"${DB_PASSWORD-${B:?set B}}\"\n",
            ),
            (
                "A_SECRET: x${A_SECRET:-${B:-${C-hunter2-Zq81}}}",
                "A_SECRET: x${A_SECRET:-${B:-${C:?set C}}}\n",
            ),
        ] {
            let text = format!("services:\n  a:\n    environment:\n      {text}\n");
            let fixed = fixed("compose.yml", &text);
            assert!(fixed.ends_with(want), "{fixed}");
            assert!(told("compose.yml", &fixed).is_empty(), "{fixed}");
        }
    }
}

//! `dotenv-example-real-value`: the file that shows which variables there are holds a value that looks like a real one.

use std::collections::BTreeMap;

use super::{
    super::super::{
        fault::{CrossFault, Edit, Fact, FactData, Fix, FixClass, Gathered, Pointer},
        lint::{Context, Document, Index, Item, Lint, LintMeta, Persona},
        values::{self, Strength},
    },
    is_example, kept, split,
};
use crate::model::{Confidence, Digest, Severity};

const REAL_VALUE: LintMeta = LintMeta {
    id: "dotenv-example-real-value",
    title: "An example environment file holds a real value",
    tool: "dotenv",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet",
        "CWE-540: Inclusion of Sensitive Information in Source Code",
    ],
    cwe: 540,
    fix: FixClass::Unsafe,
    why: "Example files are tracked and copied; a random value in one is a secret that leaked, or one that everybody will share.",
    help: "Leave the value empty or say what belongs there, and rotate what stood there.",
    bad: &[
        &[(
            ".env.example",
            "APP_NAME=shop\nSESSION_SECRET=q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3\n",
        )],
        &[
            ("config/.env.sample", "DB_PASSWORD='hunter2-Zq81'\n"),
            ("tests/prod.env", "DB_PASSWORD=hunter2-Zq81\n"),
        ],
    ],
    good: &[
        // The good form.
        &[(
            ".env.example",
            "SESSION_SECRET=\nDB_PASSWORD=<password>\nAPI_TOKEN=your-token-here\n",
        )],
        // Documented samples, slugs, names of models, rows of digits.
        &[(
            ".env.example",
            "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\nMODEL=gpt-4o-mini-2024-07-18\n\
             JWT_SECRET=0123456789abcdef0123456789abcdef\nAPP_SECRET=some-long-secret-phrase\n",
        )],
        // A password for the container of a laptop.
        &[(
            ".env.example",
            "DATABASE_URL=postgres://postgres:postgres@localhost:5432/app\nDB_PASSWORD=s3cret-local\n",
        )],
        // An address of a secret.
        &[(".env.template", "DB_PASSWORD=op://dev/db/password\n")],
    ],
};

const TOPIC: &str = "dotenv-value";

/// Shortest value that can be taken for a real one by its look, in bytes.
const MIN_BYTES: usize = 20;

/// Least entropy of such a value, in bits per byte.
const MIN_ENTROPY: f64 = 3.5;

/// Tells real values in examples.
pub(super) struct RealValue;

impl Lint for RealValue {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&REAL_VALUE]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        for kept in kept(document) {
            let looks_real = kept.strength == Strength::Random
                && kept.value.len() >= MIN_BYTES
                && values::entropy(kept.value) >= MIN_ENTROPY;
            if kept.strength == Strength::Weak || is_sample(kept.value) {
                continue;
            }
            context.note(Fact {
                span: kept.span.clone(),
                secret: Some(kept.span.clone()),
                data: FactData::Item(Box::new(Item {
                    topic: TOPIC,
                    subject: kept.line.key.clone(),
                    attributes: looks_real
                        .then(|| ("looks", "real".to_owned()))
                        .into_iter()
                        .collect(),
                })),
            });
        }
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let mut real: BTreeMap<Digest, usize> = BTreeMap::new();
        let mut examples = Vec::new();
        for (at, fact) in index.facts.iter().enumerate() {
            let FactData::Item(item) = &fact.data else {
                continue;
            };
            let Some(digest) = fact.digest.filter(|_| item.topic == TOPIC) else {
                continue;
            };
            let path = fact.path.to_text();
            if is_example(split(&path).1) {
                examples.push((at, fact, item, digest));
            } else {
                real.entry(digest).or_insert(at);
            }
        }
        for (at, fact, item, digest) in examples {
            let same = real.get(&digest).copied();
            if same.is_some() || !item.attributes.is_empty() {
                out.push(fault(index, at, fact, item, same));
            }
        }
    }
}

fn fault(
    index: &Index<'_>,
    at: usize,
    fact: &Gathered,
    item: &Item,
    same: Option<usize>,
) -> CrossFault {
    let name = &item.subject;
    let path = same
        .and_then(|same| index.facts.get(same))
        .map(|fact| fact.path.to_text());
    let message = match &path {
        Some(path) => format!("the example holds the value of `{name}` that [{path}](1) uses"),
        None => format!("the example holds a value of `{name}` that looks real"),
    };
    CrossFault {
        lint: &REAL_VALUE,
        severity: if same.is_some() {
            Severity::Critical
        } else {
            Severity::High
        },
        confidence: if same.is_some() {
            Confidence::High
        } else {
            Confidence::Medium
        },
        persona: Persona::Regular,
        primary: Pointer::Fact(at),
        related: same
            .map(|same| (Pointer::Fact(same), "the same value".to_owned()))
            .into_iter()
            .collect(),
        message,
        subject: name.clone(),
        fix: blank(fact),
        properties: Vec::new(),
    }
}

/// Empties the value.
fn blank(fact: &Gathered) -> Option<Fix> {
    let start = usize::try_from(fact.location.byte_start).ok()?;
    let end = usize::try_from(fact.location.byte_end).ok()?;
    Some(Fix {
        class: FixClass::Unsafe,
        title: "leave the value empty".to_owned(),
        edits: vec![Edit::replace(start..end, "")],
    })
}

/// Tells whether a value is one that documentation uses: it says so, or is a row.
fn is_sample(value: &str) -> bool {
    const MARKS: [&str; 12] = [
        "example",
        "sample",
        "dummy",
        "changeme",
        "change-me",
        "replace",
        "placeholder",
        "insecure",
        "0123456789",
        "1234567890",
        "abcdefgh",
        "deadbeef",
    ];
    let lower = value.to_ascii_lowercase();
    MARKS.iter().any(|mark| lower.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::readers::dotenv;

    #[test]
    fn samples_of_documentation() {
        for value in [
            "AKIAIOSFODNN7EXAMPLE",
            "abcdefgh12345678XyZ",
            "please-ChangeMe-9f3k2",
        ] {
            assert!(is_sample(value), "{value}");
        }
        assert!(!is_sample("q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3"));
    }

    #[test]
    fn emptying_the_value_mends_it() {
        let text = "A=1\nSESSION_SECRET=\"q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3\" # c\n";
        let span = dotenv::read(text)[1].value_span.clone();
        let mut mended = text.to_owned();
        mended.replace_range(span, "");
        assert_eq!(mended, "A=1\nSESSION_SECRET=\"\" # c\n");
        assert!(dotenv::read(&mended)[1].value.is_empty());
    }
}

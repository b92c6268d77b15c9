//! All secrets at once, or one by a computed name (rule 15).

use std::collections::{BTreeMap, HashMap};

use super::{
    super::super::{
        fault::{CrossFault, Edit, Fact, FactData, Fault, Fix, FixClass, Pointer},
        kind::FileKind,
        lint::{Context, Document, Index, Item, Lint, LintMeta, Persona},
        node::Node,
    },
    CICD_6, LEAST, TOOL,
    expression::{self, Expr, Kind, Part},
    model::{Job, Workflow},
};
use crate::model::{Confidence, Severity};

/// Rule 15.
pub(super) const META: LintMeta = LintMeta {
    id: "gha-all-secrets-exposed",
    title: "All secrets are handed over at once",
    tool: TOOL,
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[LEAST, CICD_6],
    cwe: 272,
    fix: FixClass::Safe,
    why: "Who gets the whole object gets every secret of the repository and of the organisation, those that are added later included.",
    help: "Name each secret that is needed: secrets: {TOKEN: ${{ secrets.TOKEN }}}.",
    bad: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: ./.github/actions/build\n        env:\n          ALL: ${{ toJSON(secrets) }}\n",
        )],
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    uses: octo-org/shared/.github/workflows/build.yml@f28e40c7f34bde8b3046d885e986cb6290c5673b\n    secrets: inherit\n",
        )],
        &[
            (
                ".github/workflows/ci.yml",
                "on: push\njobs:\n  build:\n    uses: ./.github/workflows/build.yml\n    secrets: inherit\n",
            ),
            (
                ".github/workflows/build.yml",
                "on:\n  workflow_call:\n    secrets:\n      npm_read:\n        required: true\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: npm ci\n        env:\n          NODE_AUTH: ${{ secrets.npm_read }}\n",
            ),
        ],
    ],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    uses: ./.github/workflows/build.yml\n    secrets:\n      npm_read: ${{ secrets.NPM_READ }}\n",
        )],
        // One secret by its literal name, and other whole objects.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n        env:\n          ONE: ${{ secrets['NPM_READ'] }}\n          MATRIX: ${{ toJSON(matrix) }}\n",
        )],
    ],
};

/// The lint of rule 15.
pub(super) struct Exposure;

/// A call of a local workflow that inherits: subject is the workflow's path.
const INHERITS: &str = "gha-inherits";

/// What a workflow that can be called says of its secrets: one fact each, and one of its own.
const DECLARES: &str = "gha-declares";

impl Lint for Exposure {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(workflow) = Workflow::of(document) else {
            return;
        };
        expressions(document, context);
        for job in &workflow.jobs {
            inherits(document.text, job, context);
        }
        if document.kind == FileKind::GithubWorkflow {
            declares(&workflow, context);
        }
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let mut declared: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut inheriting: HashMap<String, usize> = HashMap::new();
        let items = || {
            let facts = index.facts.iter().enumerate();
            facts.filter_map(|(n, fact)| match &fact.data {
                FactData::Item(item) => Some((n, fact, item)),
                _ => None,
            })
        };
        for (_, fact, item) in items() {
            match item.topic {
                DECLARES => declared
                    .entry(fact.path.to_string())
                    .or_default()
                    .push(&item.subject),
                INHERITS => *inheriting.entry(fact.path.to_string()).or_default() += 1,
                _ => {}
            }
        }
        for (n, fact, item) in items().filter(|(_, _, item)| item.topic == INHERITS) {
            let attribute = |name: &str| {
                let found = item.attributes.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.as_str()).unwrap_or_default()
            };
            let gap = attribute("gap").parse().unwrap_or(0);
            let start = (fact.location.byte_start as usize).saturating_sub(gap);
            let span = start..fact.location.byte_end as usize;
            let names = declared.get(&item.subject).filter(|names| {
                // A workflow that hands on what it inherited needs more than it declares.
                !names.is_empty() && !inheriting.contains_key(&item.subject)
            });
            let indent = attribute("indent");
            let fix = names.filter(|_| !indent.is_empty()).map(|names| Fix {
                class: FixClass::Safe,
                title: "name the secrets that the workflow declares".to_owned(),
                edits: vec![Edit::replace(span, named(names, indent))],
            });
            out.push(CrossFault {
                lint: &META,
                severity: Severity::Low,
                confidence: Confidence::High,
                persona: Persona::Regular,
                primary: Pointer::Fact(n),
                related: Vec::new(),
                message: format!(
                    "job \"{}\" hands all secrets to the workflow {}",
                    attribute("job"),
                    item.subject
                ),
                subject: attribute("job").to_owned(),
                fix,
                properties: Vec::new(),
            });
        }
    }
}

fn named(names: &[&str], indent: &str) -> String {
    let lines = names
        .iter()
        .map(|name| format!("\n{indent}{name}: ${{{{ secrets.{name} }}}}"));
    lines.collect()
}

/// `toJSON(secrets)` and `secrets[x]` anywhere in the file.
fn expressions(document: &Document<'_>, context: &mut Context<'_>) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let root = document.trees().first();
    let mut look = |path: String, node: &Node| {
        let Some(scalar) = node.scalar().filter(|scalar| scalar.text.contains("${{")) else {
            return;
        };
        for piece in expression::pieces(&scalar.text) {
            let Some(broad) = piece.expr.as_ref().and_then(broad) else {
                continue;
            };
            let count = seen.entry(path.clone()).or_default();
            *count += 1;
            let subject = if *count > 1 {
                format!("{path} #{count}")
            } else {
                path.clone()
            };
            let span = scalar.source(piece.span.clone());
            let (severity, message) = match broad {
                Broad::All => (
                    Severity::Medium,
                    format!("{path} holds all secrets of the repository and the organisation"),
                ),
                Broad::Matrix => (
                    Severity::Low,
                    format!(
                        "{path} picks a secret by a value of the matrix: the job is given all secrets"
                    ),
                ),
                Broad::Computed => (
                    Severity::Medium,
                    format!(
                        "{path} picks a secret by a computed name: the job is given all secrets"
                    ),
                ),
            };
            context.tell(Fault::new(&META, span, subject, message).severity(severity));
        }
    };
    if let Some(root) = root {
        root.leaves(&mut |path, node| look(path.dotted(), node));
    }
}

/// How more than one secret is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broad {
    All,
    Computed,
    Matrix,
}

/// The depth of an expression bounds the recursion.
fn broad(expr: &Expr) -> Option<Broad> {
    match &expr.kind {
        Kind::Context(name) if name == "secrets" => Some(Broad::All),
        Kind::Access(base, parts) => {
            let below = parts.iter().find_map(|part| match part {
                Part::Computed(inner) => broad(inner),
                _ => None,
            });
            match (&base.kind, parts.first()) {
                (Kind::Context(name), Some(first)) if name == "secrets" => match first {
                    Part::Name(_) => None,
                    Part::Star => Some(Broad::All),
                    Part::Computed(inner) if mentions_matrix(inner) => Some(Broad::Matrix),
                    Part::Computed(_) => Some(Broad::Computed),
                },
                _ => below.or_else(|| broad(base)),
            }
        }
        Kind::Call(_, items) | Kind::All(items) | Kind::Any(items) => items.iter().find_map(broad),
        Kind::Not(inner) => broad(inner),
        Kind::Compare(_, left, right) => broad(left).or_else(|| broad(right)),
        _ => None,
    }
}

fn mentions_matrix(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Access(base, _) => matches!(&base.kind, Kind::Context(name) if name == "matrix"),
        Kind::Call(_, items) => items.iter().any(mentions_matrix),
        _ => false,
    }
}

/// `secrets: inherit`.
fn inherits(text: &str, job: &Job<'_>, context: &mut Context<'_>) {
    let (Some(uses), Some(secrets)) = (job.uses, job.secrets) else {
        return;
    };
    if secrets.value.text() != Some("inherit") {
        return;
    }
    let span = secrets.value.span.clone();
    let Some(local) = uses.text.strip_prefix("./") else {
        let callee: String = uses
            .text
            .split('@')
            .next()
            .unwrap_or_default()
            .chars()
            .take(120)
            .collect();
        context.tell(Fault::new(
            &META,
            span,
            job.id,
            format!(
                "job \"{}\" hands all secrets to the workflow {callee} of another repository",
                job.id
            ),
        ));
        return;
    };
    let attributes = vec![
        ("job", job.id.to_owned()),
        (
            "indent",
            indent(text, secrets.key_span.start).unwrap_or_default(),
        ),
        ("gap", gap(text, span.start).to_string()),
    ];
    context.note(item(span, INHERITS, local.to_owned(), attributes));
}

/// Returns how many blanks precede a place.
fn gap(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.len() - before.trim_end_matches(' ').len()
}

/// Returns the indentation of what stands below a key that begins its line.
fn indent(text: &str, key: usize) -> Option<String> {
    let line = text.get(..key)?.rsplit('\n').next()?;
    line.bytes()
        .all(|byte| byte == b' ')
        .then(|| format!("{line}  "))
}

fn declares(workflow: &Workflow<'_>, context: &mut Context<'_>) {
    let call = workflow
        .triggers
        .iter()
        .find(|(trigger, _)| *trigger == "workflow_call");
    let secrets = call.and_then(|(_, node)| node.and_then(|node| node.get("secrets")));
    for secret in secrets.map(Node::entries).unwrap_or_default() {
        context.note(item(
            secret.key_span.clone(),
            DECLARES,
            secret.key.clone(),
            Vec::new(),
        ));
    }
}

fn item(
    span: std::ops::Range<usize>,
    topic: &'static str,
    subject: String,
    attributes: Vec<(&'static str, String)>,
) -> Fact {
    Fact {
        span,
        secret: None,
        data: FactData::Item(Box::new(Item {
            topic,
            subject,
            attributes,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn whole_objects_and_computed_names() {
        for (expr, severity) in [
            ("${{ toJSON(secrets) }}", Some(Severity::Medium)),
            ("${{ tojson( secrets ) }}", Some(Severity::Medium)),
            ("${{ join(secrets.*, ' ') }}", Some(Severity::Medium)),
            (
                "${{ secrets[format('{0}_KEY', matrix.stage)] }}",
                Some(Severity::Low),
            ),
            ("${{ secrets[inputs.name] }}", Some(Severity::Medium)),
            ("${{ secrets['A'] }}", None),
            ("${{ toJSON(github) }}", None),
            ("toJSON(secrets)", None),
        ] {
            let text = format!("on: push\nenv:\n  X: {expr}\n");
            let told = testing::workflow(&META, &text);
            assert_eq!(told.first().map(|fault| fault.severity), severity, "{expr}");
        }
    }

    #[test]
    fn the_fix_names_what_is_declared() {
        let files = [
            (
                ".github/workflows/a.yml",
                "on: push\njobs:\n  a:\n    uses: ./.github/workflows/b.yml\n    secrets: inherit\n",
            ),
            (
                ".github/workflows/b.yml",
                "on:\n  workflow_call:\n    secrets:\n      A: {required: true}\n      b:\n",
            ),
        ];
        let told = testing::files(&files);
        let own: Vec<_> = told
            .iter()
            .filter(|fault| fault.lint.id == META.id)
            .collect();
        assert_eq!(own.len(), 1);
        let edit = &own[0].fix.as_ref().unwrap().edits[0];
        let mut text = files[0].1.to_owned();
        text.replace_range(edit.span.clone(), &edit.text);
        assert_eq!(
            text,
            "on: push\njobs:\n  a:\n    uses: ./.github/workflows/b.yml\n    secrets:\n      A: ${{ secrets.A }}\n      b: ${{ secrets.b }}\n"
        );
        assert!(testing::files(&[(files[0].0, &text), files[1]]).is_empty());
        // What is not declared, or handed on, is for a person.
        let told = testing::files(&files[..1]);
        assert!(told[0].fix.is_none());
    }
}

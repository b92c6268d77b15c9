//! Credential files that `COPY` and `ADD` put into an image: by name, or with the folder they are in.
//!
//! What is in the context is known only when all files were seen, so a file tells facts (copies, patterns of `.dockerignore`, whether a
//! credential file holds anything), and the faults come of all together.

use std::ops::Range;

use super::{
    super::keyfile,
    context::{Copied, Tree},
    credential, dockerfile, ignore,
    stages::Stages,
};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{CrossFault, Fact, FactData, FixClass, Pointer},
        kind::FileKind,
        lint::{Context, Document, Index, Item, Lint, LintMeta, Persona},
        readers::dockerfile::{Dockerfile, What},
    },
};

const COPY_CREDENTIAL_FILE: LintMeta = LintMeta {
    id: "docker-copy-credential-file",
    title: "A credential file is copied into an image",
    tool: "Dockerfile",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: Containers",
        "OWASP CI/CD Security Risks: CICD-SEC-6",
        "Docker: Build context, .dockerignore files",
    ],
    cwe: 538,
    fix: FixClass::Unsafe,
    why: "A file stays in the layer that copied it, though a later layer removes it: whoever can pull the image reads it.",
    help: "Leave the file out by `.dockerignore`, mount it for the RUN that needs it (`RUN --mount=type=secret,id=npmrc,target=/root/.npmrc`), \
           and hand it to the container when it starts.",
    bad: &[
        &[("Dockerfile", "FROM node:22\nCOPY .env /app/\n")],
        &[
            ("Dockerfile", "FROM node:22\nCOPY . .\n"),
            (".gitignore", ".env\n"),
            (".env.example", "DB_PASSWORD=\n"),
        ],
        &[(
            "Dockerfile",
            "FROM alpine:3\nADD --chown=app keys/id_rsa /root/.ssh/\n",
        )],
        &[(
            "Dockerfile",
            "FROM alpine:3\nCOPY [\"app.py\", \"tls/server.key\", \"/app/\"]\n",
        )],
    ],
    good: &[
        &[
            ("Dockerfile", "FROM node:22\nCOPY . .\n"),
            (".dockerignore", ".env*\n"),
            (".gitignore", ".env\n"),
            (".env.example", "DB_PASSWORD=\n"),
        ],
        &[
            ("Dockerfile", "FROM node:22\nCOPY . .\n"),
            (".dockerignore", "node_modules\n**/*.key\n"),
            ("tls/server.key", "none\n"),
        ],
        &[(
            "Dockerfile",
            "FROM node:22\nCOPY .env.example id_rsa.pub certs/ca.pem /app/\nCOPY --from=build /app/.env /app/\n",
        )],
        &[
            ("Dockerfile", "FROM node:22\nCOPY .npmrc package.json ./\n"),
            (".npmrc", "registry=https://npm.acme.test/\n"),
        ],
        &[(
            "tests/Dockerfile",
            "FROM node:22\nCOPY testdata/server.key tests/certs/client.pem /etc/tls/\n",
        )],
    ],
};

/// `docker-copy-credential-file`.
pub(super) struct Copies;

/// Topics of facts.
pub(super) const COPY: &str = "docker-copy";
pub(super) const IGNORE: &str = "docker-ignore";
pub(super) const CONTENT: &str = "docker-content";

/// Most sources of a file, and copies of a tree, that are looked at.
const MAX_SOURCES: usize = 64;
const MAX_COPIES: usize = 2000;

impl Lint for Copies {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&COPY_CREDENTIAL_FILE]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind == FileKind::Ignore && document.name() != ".gitignore" {
            context.note(item(IGNORE, document.path, 0..0, patterns(document.text)));
        } else if let Some(file) = dockerfile(document) {
            for fact in copies(file, document) {
                context.note(fact);
            }
        } else if credential::named(document.path).is_some() {
            let holds =
                credential::holds(document.path, document.text) || keyfile::holds_key(document);
            let attribute = ("holds", holds.to_string());
            context.note(item(CONTENT, document.path, 0..0, vec![attribute]));
        }
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let tree = Tree::new(index);
        for copy in tree.copies.iter().take(MAX_COPIES) {
            out.extend(tree.by_name(copy));
            out.extend(index.whole.then(|| tree.by_folder(copy)).flatten());
        }
    }
}

fn item(
    topic: &'static str,
    subject: &str,
    span: Range<usize>,
    attributes: Vec<(&'static str, String)>,
) -> Fact {
    let item = Item {
        topic,
        subject: subject.to_owned(),
        attributes,
    };
    Fact {
        span,
        secret: None,
        data: FactData::Item(Box::new(item)),
    }
}

fn patterns(text: &str) -> Vec<(&'static str, String)> {
    let patterns = ignore::patterns(text).take(ignore::MAX_PATTERNS);
    let mut attributes: Vec<_> = patterns
        .map(|pattern| ("pattern", pattern.to_owned()))
        .collect();
    if !text.is_empty() && !text.ends_with('\n') {
        attributes.push(("open", String::new()));
    }
    attributes
}

/// Returns a fact for each source that is copied from the context.
fn copies(file: &Dockerfile, document: &Document<'_>) -> Vec<Fact> {
    let stages = Stages::new(file, document.text);
    let mut sources = Vec::new();
    for instruction in super::instructions(file) {
        let What::Copy(copy) = &instruction.what else {
            continue;
        };
        if copy.from().is_some() {
            continue;
        }
        if sources.len() >= MAX_SOURCES {
            break;
        }
        let word = if copy.is_add { "ADD" } else { "COPY" };
        let kept = stages.kept_from_image(&instruction.keyword, copy);
        for source in &copy.sources {
            let text = source.text.trim_start_matches("./").trim_matches('/');
            let text = if matches!(text, "." | "*") { "" } else { text };
            if source.text.contains("://") || text.contains('$') {
                continue;
            }
            sources.push((
                word,
                text,
                source.source(0..source.text.len()),
                kept.clone(),
            ));
        }
    }
    sources.truncate(MAX_SOURCES);
    // What else is copied tells which folder is the context.
    let beside: Vec<_> = sources
        .iter()
        .filter(|(_, text, ..)| is_plain(text))
        .take(8)
        .map(|(_, text, ..)| ("beside", (*text).to_owned()))
        .collect();
    let fact = |(word, text, span, kept): (&str, &str, Range<usize>, Option<Vec<String>>)| {
        let mut attributes = vec![("word", word.to_owned()), ("source", text.to_owned())];
        attributes.extend(kept.is_some().then(|| ("build", String::new())));
        let taken = kept.into_iter().flatten().take(MAX_SOURCES);
        attributes.extend(taken.map(|path| ("taken", path)));
        attributes.extend(beside.iter().cloned());
        item(COPY, document.path, span, attributes)
    };
    sources.into_iter().map(fact).collect()
}

/// Tells whether a source names one file or folder below the context.
pub(super) fn is_plain(source: &str) -> bool {
    !source.is_empty()
        && source != "."
        && !source.starts_with("..")
        && !source.contains(['*', '?', '['])
}

/// A fault at a copy.
pub(super) fn fault(
    copy: &Copied<'_>,
    severity: Severity,
    message: String,
    subject: String,
) -> CrossFault {
    CrossFault {
        lint: &COPY_CREDENTIAL_FILE,
        severity,
        confidence: COPY_CREDENTIAL_FILE.confidence,
        persona: COPY_CREDENTIAL_FILE.persona,
        primary: Pointer::Fact(copy.fact),
        related: Vec::new(),
        message,
        subject,
        fix: None,
        properties: Vec::new(),
    }
}

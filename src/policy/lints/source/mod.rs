//! Program text (rules 76-81): secrets that are logged, put into errors or arguments of processes, that fall back to values in the code,
//! or that are made from weak sources. Python, JavaScript, TypeScript and Go.
//!
//! A text passes a gate of words first (`gate`); what passes becomes a syntax tree, without the functions and types in which no such words
//! stand (`parts`), over which one walk goes (`walk`), with what is
//! known of variables inside one function (`taint`). What calls other functions make of a secret is not followed: calls that are not known
//! to hand a secret on are taken to make it safe.
//!
//! Promises: one parse and two walks a file, bounded by its length; text that no person wrote (lines of thousands of bytes), or a third
//! party (`vendor/`, `node_modules/`), is left alone and noted, for nothing in it can be mended; what stands in tests and examples is told at info.

use std::ops::ControlFlow;

use tree_sitter::{Language, ParseOptions, ParseState, Parser, Range, Tree};

use super::super::{
    fault::Fault,
    kind::FileKind,
    lint::{Context, Document, Lint, LintMeta},
    reuse,
};

mod around;
mod fallback;
mod flow;
mod gate;
mod lexer;
mod logged;
mod metas;
mod names;
mod parts;
mod reads;
mod shape;
mod sinks;
mod survey;
mod taint;
mod unset;
mod walk;
mod ways;
mod weak;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&Source];

/// Rules 76 to 81: they share one walk.
struct Source;

/// Most bytes of a file that become a syntax tree: it takes up to 700 times as much memory.
const MAX_PARSED: usize = 1 << 20;

/// Most bytes a line has on average in text that people write.
const MAX_LINE: usize = 400;

impl Lint for Source {
    fn metas(&self) -> &'static [&'static LintMeta] {
        metas::ALL
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let (language, tongue): (Language, _) = match document.kind {
            FileKind::Python => (tree_sitter_python::LANGUAGE.into(), shape::Tongue::Python),
            FileKind::JavaScript => (
                tree_sitter_javascript::LANGUAGE.into(),
                shape::Tongue::Script,
            ),
            FileKind::TypeScript => (
                tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
                shape::Tongue::Script,
            ),
            FileKind::Tsx => (
                tree_sitter_typescript::LANGUAGE_TSX.into(),
                shape::Tongue::Script,
            ),
            FileKind::Go => (tree_sitter_go::LANGUAGE.into(), shape::Tongue::Go),
            _ => return,
        };
        let text = document.text;
        let passed = gate::pass(text, tongue);
        if passed.near.is_empty() {
            return;
        }
        if let Some(why) = is_foreign(document.path, text) {
            context.unread = Some(format!("{why}: policy did not look at the program"));
            return;
        }
        let parts = parts::parts(text, tongue, &passed);
        let bytes: usize = parts
            .iter()
            .map(|part| part.end_byte - part.start_byte)
            .sum();
        if bytes > MAX_PARSED {
            let why =
                "more than 1 MiB of program text that may leak a secret: policy did not look at it";
            context.unread = Some(why.to_owned());
            return;
        }
        match parse(&language, text, &parts) {
            Some(tree) => {
                let first = context.faults.len();
                let code = shape::Code { tongue, text };
                walk::walk(code, &tree, &passed.near, document.path, context);
                let found = fallbacks(context.faults.get(first..).unwrap_or_default());
                reuse::fallbacks(document, context, &found);
            }
            None => context.unread = Some("too many steps to read the program text".to_owned()),
        }
    }
}

/// Returns the variables that a program falls back for, and the values that it falls back to.
fn fallbacks(faults: &[Fault]) -> Vec<(String, std::ops::Range<usize>)> {
    let found = faults
        .iter()
        .filter(|fault| std::ptr::eq(fault.lint, &metas::FALLBACK));
    found
        .filter_map(|fault| {
            // `function: VARIABLE`, `function: VARIABLE #2`.
            let (_, what) = fault.subject.rsplit_once(": ")?;
            let variable = what.split(' ').next().unwrap_or(what);
            Some((variable.to_owned(), fault.secret.clone()?))
        })
        .collect()
}

/// Returns the tree of parts of a text, unless it takes more steps than text of its length needs.
fn parse(language: &Language, text: &str, parts: &[Range]) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(language).ok()?;
    parser.set_included_ranges(parts).ok()?;
    // The callback comes every hundred steps of the parser; a token of four bytes takes a few. What takes more than that is made so, and
    // takes memory by its steps.
    let most = text.len() / 32 + 10_000;
    let mut steps = 0_usize;
    let mut count = |_: &ParseState| {
        steps += 1;
        if steps > most {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let bytes = text.as_bytes();
    let options = ParseOptions::new().progress_callback(&mut count);
    parser.parse_with_options(
        &mut |at, _| bytes.get(at..).unwrap_or_default(),
        None,
        Some(options),
    )
}

/// Returns why nothing can be mended in a text: no person wrote it, for its lines are too long, or a third party did.
fn is_foreign(path: &str, text: &str) -> Option<&'static str> {
    let lower = path.to_ascii_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let is_vendored = folders.split('/').any(|folder| {
        matches!(
            folder,
            "vendor"
                | "node_modules"
                | "bower_components"
                | "third_party"
                | "third-party"
                | "thirdparty"
                | "site-packages"
        )
    });
    if is_vendored
        || [".min.js", ".min.mjs"]
            .iter()
            .any(|end| name.ends_with(end))
    {
        return Some("by its path a third party's text");
    }
    let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1;
    (text.len() / lines > MAX_LINE).then_some("lines too long for a person's text")
}

/// Tells whether a file is a test or an example.
fn is_test(path: &str) -> bool {
    const FOLDERS: &[&str] = &[
        "test",
        "tests",
        "spec",
        "specs",
        "__tests__",
        "__mocks__",
        "fixtures",
        "fixture",
        "testdata",
        "examples",
        "example",
        "mocks",
        "mock",
        "e2e",
        "demo",
        "demos",
        "docs",
        "doc",
        "benchmark",
        "benchmarks",
        "bench",
        "samples",
        "sample",
        "cypress",
        "integration",
        "testing",
        "testutil",
        "testutils",
        "acceptance",
        "test-utils",
        "tutorial",
        "tutorials",
        "playground",
        "stories",
        "seed",
        "seeds",
    ];
    let lower = path.to_ascii_lowercase();
    let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let stem = name.split('.').next().unwrap_or_default();
    folders.split('/').any(|folder| {
        FOLDERS.contains(&folder)
            || folder.starts_with("test-")
            || folder.ends_with("-test")
            || folder.ends_with("_test")
            || folder.ends_with("-tests")
    }) || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || matches!(stem, "test" | "tests" | "conftest" | "setuptests")
        || name
            .split('.')
            .skip(1)
            .any(|part| matches!(part, "test" | "tests" | "spec" | "stories" | "e2e" | "mock"))
}

/// Tells whether a file is part of a page that a browser shows: by its name, or by the library that it stands on.
fn is_page(path: &str, text: &str) -> bool {
    const LIBRARIES: [&str; 6] = [
        "react",
        "preact",
        "vue",
        "svelte",
        "solid-js",
        "@angular/core",
    ];
    let is_named = [".tsx", ".jsx", ".vue", ".svelte"]
        .iter()
        .any(|end| path.ends_with(end));
    let imports = |name: &&str| {
        ["'", "\""]
            .iter()
            .any(|quote| text.contains(&format!(" from {quote}{name}{quote}")))
    };
    is_named || LIBRARIES.iter().any(imports)
}

/// Tells whether a file's path says that it is for production.
fn is_production(path: &str) -> bool {
    super::super::names::words(path)
        .iter()
        .any(|word| matches!(word.as_str(), "prod" | "production"))
}

/// Tells whether a file's path says that it is for development alone.
fn is_development(path: &str) -> bool {
    super::super::names::words(path)
        .iter()
        .any(|word| matches!(word.as_str(), "dev" | "development" | "local" | "debug"))
}

#[cfg(test)]
mod tests;

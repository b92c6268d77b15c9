//! Environment files and ignore files: what is tracked, what examples hold, what is not ignored, what reaches the browser.

use std::ops::Range;

use super::{
    super::{
        kind::{self, FileKind},
        lint::{Document, Lint},
        names,
        readers::dotenv::Line,
        values::Strength,
    },
    pairs,
};

mod client;
mod committed;
mod example;
mod ignored;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &committed::Committed,
    &example::RealValue,
    &ignored::NotIgnored,
    &client::Exposed,
];

/// Tells whether a file's name says that it shows which variables there are, without their values.
fn is_example(name: &str) -> bool {
    const WORDS: [&str; 13] = [
        "example", "examples", "sample", "template", "tpl", "tmpl", "dist", "default", "defaults",
        "schema", "skeleton", "copy", "tmp",
    ];
    names::words(name)
        .iter()
        .any(|word| WORDS.contains(&word.as_str()))
}

/// Tells whether sops made the file: then each value that must be is encrypted.
fn is_sops(lines: &[Line]) -> bool {
    lines
        .iter()
        .any(|line| line.key == "sops_mac" || line.key == "sops_version")
}

/// A line that holds a secret.
struct Kept<'d> {
    line: &'d Line,
    /// The secret's own bytes.
    span: Range<usize>,
    /// Its text.
    value: &'d str,
    strength: Strength,
}

/// Returns the lines of an environment file that hold a secret itself.
fn kept<'d>(document: &'d Document<'_>) -> Vec<Kept<'d>> {
    if document.kind != FileKind::Dotenv || is_sops(document.lines()) {
        return Vec::new();
    }
    let lines = document.lines().iter();
    let kept = lines.filter_map(|line| {
        let held = pairs::secret(&line.key, &line.value)?;
        // The shell of `.envrc` fills it in.
        let is_filled = line.value.contains('$') && !line.literal && line.value.contains("$(");
        (!is_filled).then(|| Kept {
            line,
            span: line.source(held.part.clone()),
            value: line.value.get(held.part).unwrap_or_default(),
            strength: held.strength,
        })
    });
    kept.collect()
}

/// Splits a path into its folder (empty at the root) and its name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Tells whether a path is that of an environment file.
fn is_dotenv(path: &str) -> bool {
    kind::is_dotenv(&split(path).1.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;

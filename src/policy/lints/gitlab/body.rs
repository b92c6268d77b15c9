//! A job's lines as one script, with the way back to the file.

use std::ops::Range;

use super::{
    super::super::{
        gaps,
        node::{Node, Scalar, Style},
        shell::{Placeholder, Script, Use, analyse, analyse_powershell},
    },
    pipeline::Pipeline,
};

/// Deepest nesting of lists and references of lines. GitLab allows 10.
const MAX_DEPTH: usize = 10;

/// Most bytes of a script that are put together.
const MAX_BYTES: usize = 256 << 10;

/// How many bytes of scripts are read of a file, all jobs together: what many jobs inherit counts for each.
pub(super) fn budget(file: &str) -> usize {
    file.len().saturating_mul(4).min(file.len() + (1 << 20))
}

/// A script made of the lines of a job.
#[derive(Default)]
pub(super) struct Body<'n> {
    /// Its text, one item a line or more.
    pub(super) text: String,
    /// Where in `text` each item begins.
    lines: Vec<(usize, &'n Scalar)>,
}

impl<'n> Body<'n> {
    /// Adds the lines of `script:` and its like: a text, or a list of texts, of lists, of references.
    pub(super) fn add(&mut self, node: &'n Node, pipeline: &Pipeline<'n>) {
        self.add_at(node, pipeline, 0);
    }

    fn add_at(&mut self, node: &'n Node, pipeline: &Pipeline<'n>, depth: usize) {
        if depth > MAX_DEPTH || self.text.len() > MAX_BYTES {
            gaps::tell(
                "a job's script is too long or refers too deep: policy did not look at all of it",
            );
            return;
        }
        if let Some(target) = pipeline.reference(node) {
            self.add_at(target, pipeline, depth + 1);
        } else if let Some(scalar) = node.scalar() {
            self.lines.push((self.text.len(), scalar));
            self.text.push_str(&scalar.text);
            self.text.push('\n');
        } else {
            for item in node.items() {
                self.add_at(item, pipeline, depth + 1);
            }
        }
    }

    /// Returns the bytes of the file that a part of the script came from; of a part that crosses lines those of its first.
    pub(super) fn place(&self, part: &Range<usize>) -> Option<Range<usize>> {
        let (start, scalar) = self.line(part.start)?;
        let from = part.start - start;
        let to = part.end.saturating_sub(start).min(scalar.text.len());
        Some(scalar.source(from..to.max(from)))
    }

    /// Returns what tells one list of lines from another of this file.
    pub(super) fn identity(&self) -> Vec<*const Scalar> {
        self.lines
            .iter()
            .map(|(_, scalar)| std::ptr::from_ref(*scalar))
            .collect()
    }

    /// Tells whether text with double quotes can be put into the file at a place as it is.
    pub(super) fn takes_quotes(&self, at: usize) -> bool {
        self.line(at)
            .is_some_and(|(_, scalar)| scalar.style != Style::Double)
    }

    fn line(&self, at: usize) -> Option<(usize, &'n Scalar)> {
        let next = self.lines.partition_point(|(start, _)| *start <= at);
        self.lines.get(next.checked_sub(1)?).copied()
    }

    /// Tells what the script does with secrets.
    pub(super) fn uses(&self, is_secret: &dyn Fn(&str) -> bool) -> Vec<Use> {
        let placeholders = inputs(&self.text);
        let script = Script {
            text: &self.text,
            trace: false,
            placeholders: &placeholders,
        };
        if self.text.contains("$env:") {
            analyse_powershell(&script, is_secret)
        } else {
            analyse(&script, is_secret)
        }
    }
}

/// Finds `$[[ inputs.x ]]`, which GitLab replaces before anything else.
fn inputs(text: &str) -> Vec<Placeholder> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text.get(from..).and_then(|rest| rest.find("$[[")) {
        let start = from + open;
        let Some(close) = text.get(start..).and_then(|rest| rest.find("]]")) else {
            break;
        };
        let end = start + close + 2;
        found.push(Placeholder {
            span: start..end,
            name: "inputs".to_owned(),
            secret: false,
        });
        from = end;
    }
    found
}

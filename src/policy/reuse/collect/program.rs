//! What images and scripts set, what programs fall back to, and what counts where nobody sets a variable.

use std::ops::Range;

use super::{
    super::super::{
        kind::FileKind,
        lint::{Context, Document},
        names::{self, Secretness},
        readers::{
            dockerfile::{Dockerfile, What},
            dotenv,
        },
    },
    Collector, Place, is_other,
};

/// Keeps values that a program falls back to, by the variables that it asks for first: their places in the text.
pub(crate) fn fallbacks(
    document: &Document<'_>,
    context: &mut Context<'_>,
    found: &[(String, Range<usize>)],
) {
    if found.is_empty() || is_other(document) {
        return;
    }
    let mut collector = Collector::new(document, context);
    collector.is_default = true;
    for (variable, place) in found {
        let value = document.text.get(place.clone()).unwrap_or_default();
        let span = |part: Range<usize>| place.start + part.start..place.start + part.end;
        collector.push(variable);
        collector.value(value, &span, &Place::default(), false);
        collector.keys.clear();
    }
}

impl Collector<'_, '_, '_> {
    /// What an image sets for all that run in it.
    pub(super) fn image(&mut self, file: &Dockerfile) {
        let stages = file.stages.iter().flat_map(|stage| &stage.instructions);
        for instruction in file.globals.iter().chain(stages) {
            let What::Env(pairs) = &instruction.what else {
                continue;
            };
            for pair in pairs {
                let Some(scalar) = &pair.value else { continue };
                self.push(&pair.name);
                let span = |part: Range<usize>| scalar.source(part);
                self.value(&scalar.text, &span, &Place::default(), false);
                self.keys.clear();
            }
        }
    }

    /// Variables with names of secrets that a script gives a value on a line of its own.
    pub(super) fn script(&mut self) {
        for line in dotenv::read(self.document.text) {
            let is_variable = line
                .key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_');
            // What is filled in, or made of several words, is no value.
            let is_value = !line.value.contains(['$', '`', '(', ';', '|', '&']);
            if is_variable && is_value && names::is_secret(&line.key) {
                self.line(&line);
            }
        }
    }

    /// Tells whether a file may be one of Spring's settings, where `${NAME:value}` gives a value.
    pub(super) fn has_spring(&self) -> bool {
        matches!(self.document.kind, FileKind::Properties | FileKind::Yaml)
    }

    /// What `${NAME:-value}` gives where `NAME` is not set: under its own name if the key's says nothing.
    #[expect(
        clippy::too_many_arguments,
        reason = "what `value` is given, and what was found in it"
    )]
    pub(super) fn default(
        &mut self,
        text: &str,
        name: &str,
        variable: &str,
        part: Range<usize>,
        span: &dyn Fn(Range<usize>) -> Range<usize>,
        place: &Place,
        is_alias: bool,
    ) {
        let is_named = names::secretness(name) >= Secretness::Strong || place.is_secret;
        if !is_named {
            self.push(variable);
        }
        let outer = std::mem::replace(&mut self.is_default, true);
        let value = text.get(part.clone()).unwrap_or_default();
        let inner = |one: Range<usize>| span(part.start + one.start..part.start + one.end);
        // One within another, `${A:-${B:-x}}`, is no value of its own.
        if !value.contains("${") {
            self.value(value, &inner, place, is_alias);
        }
        self.is_default = outer;
        if !is_named {
            self.keys.pop();
        }
    }
}

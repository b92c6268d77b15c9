//! Makefiles: recipes as the shell sees them, and variables that are set to literals.

use std::ops::Range;

use super::{
    super::super::{
        fault::Fault,
        lint::Document,
        shell::{self, Placeholder, Script},
        values,
    },
    EXPOSED, Told, literal_severity,
    named::{is_name_of_secrets, names_of_secrets},
};

/// A recipe as the shell sees it, with the way back.
struct Recipe {
    text: String,
    placeholders: Vec<Placeholder>,
    /// Where it starts in the file.
    start: usize,
    /// Offsets in `text` in front of which a byte of the file was left out.
    removed: Vec<usize>,
}

impl Recipe {
    fn place(&self, span: &Range<usize>) -> Range<usize> {
        let removed = |at: usize| self.removed.partition_point(|one| *one < at);
        let start = self.start + span.start + removed(span.start);
        start..self.start + span.end + removed(span.end)
    }
}

/// Recipes of a Makefile, and variables that it sets to literals.
pub(super) fn read(document: &Document<'_>, told: &mut Told) {
    let mut at = 0;
    let mut recipe: Option<Range<usize>> = None;
    let mut recipes = Vec::new();
    for line in document.text.split_inclusive('\n') {
        let span = at..at + line.len();
        at = span.end;
        let goes_on = line.trim_end_matches(['\r', '\n']).ends_with('\\');
        match &mut recipe {
            Some(open) => open.end = span.end,
            None if line.starts_with('\t') => recipe = Some(span),
            None => variable(document, line, span.start, told),
        }
        if !goes_on {
            recipes.extend(recipe.take());
        }
    }
    recipes.extend(recipe);
    let names = names_of_secrets(document.text);
    let is_secret = |name: &str| shell::is_secret_variable(name) && !names.contains(name);
    for span in recipes {
        let recipe = recipe_of(document.text, span, &is_secret);
        let script = Script {
            text: &recipe.text,
            trace: false,
            placeholders: &recipe.placeholders,
        };
        let uses = shell::analyse(&script, &is_secret);
        told.take(document, &uses, &|span| recipe.place(span));
    }
}

/// Reads a recipe: `$$` is the shell's `$`, `$(X)` and `${X}` are replaced by make.
fn recipe_of(file: &str, span: Range<usize>, is_secret: &dyn Fn(&str) -> bool) -> Recipe {
    let raw = file.get(span.clone()).unwrap_or_default();
    let skip = raw.len() - raw.trim_start_matches(['\t', ' ', '@', '-', '+']).len();
    let raw = raw.get(skip..).unwrap_or_default();
    let mut recipe = Recipe {
        text: String::with_capacity(raw.len()),
        placeholders: Vec::new(),
        start: span.start + skip,
        removed: Vec::new(),
    };
    let mut rest = raw;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        recipe.text.push_str(before);
        let start = recipe.text.len();
        let taken = if from.starts_with("$$") {
            recipe.text.push('$');
            recipe.removed.push(start);
            2
        } else {
            let length = reference(from);
            let text = from.get(..length).unwrap_or(from);
            let name = text.trim_matches(['$', '(', ')', '{', '}']);
            recipe.text.push_str(text);
            recipe.placeholders.push(Placeholder {
                span: start..start + text.len(),
                name: name.to_owned(),
                secret: is_name(name) && is_secret(name),
            });
            text.len()
        };
        rest = from.get(taken..).unwrap_or_default();
    }
    recipe.text.push_str(rest);
    recipe
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Returns the length of a reference of make: `$(…)`, `${…}` with what is nested, `$@`.
fn reference(text: &str) -> usize {
    let (open, close) = match text.as_bytes().get(1) {
        Some(b'(') => ('(', ')'),
        Some(b'{') => ('{', '}'),
        _ => return 1 + text.chars().nth(1).map_or(0, char::len_utf8),
    };
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 1;
            }
        } else if c == '\n' && depth == 1 {
            return at;
        }
    }
    text.len()
}

/// `export NAME = value` outside of recipes.
fn variable(document: &Document<'_>, line: &str, start: usize, told: &mut Told) {
    let Some((left, right)) = line.split_once('=') else {
        return;
    };
    let name = left.trim_end_matches([':', '?', '+', '!', ' ', '\t']);
    let name = name
        .strip_prefix("export ")
        .or_else(|| name.strip_prefix("override "))
        .unwrap_or(name)
        .trim();
    let value = right.split(" #").next().unwrap_or(right).trim();
    if !is_name(name)
        || !shell::is_secret_variable(name)
        || !values::is_literal(value)
        || is_name_of_secrets(name, value)
        || value.contains('$')
    {
        return;
    }
    let at = start + left.len() + 1 + (right.len() - right.trim_start().len());
    let span = at..at + value.len();
    if let Some(severity) = literal_severity(document, &span) {
        let message = format!("`{name}` is given a literal value");
        let fault = Fault::new(&EXPOSED, span.clone(), format!("literal {name}"), message);
        told.add(fault.severity(severity).secret(span));
    }
}

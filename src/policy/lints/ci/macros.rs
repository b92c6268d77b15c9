//! What Azure Pipelines reads and fills in inside of scripts: macros, expressions, logging commands.

use std::ops::Range;

use super::{metas, script::Out};
use crate::policy::{
    fault::{Edit, Fault, Fix, FixClass},
    names,
    node::Scalar,
    shell::Placeholder,
};

/// Longest logging command that is read, in bytes.
const MAX_COMMAND: usize = 1_000;

/// Tells whether a place of a script stands in a comment of its line.
pub(super) fn is_commented(text: &str, at: usize) -> bool {
    // The start of a line that is longer is not looked for.
    let from = (at.saturating_sub(400)..=at)
        .find(|from| text.is_char_boundary(*from))
        .unwrap_or(at);
    let line = text
        .get(from..at)
        .unwrap_or_default()
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .trim_start();
    line.starts_with('#') && !line.starts_with("##")
        || line.starts_with("::")
        || line.to_ascii_lowercase().starts_with("rem ")
}

/// Tells whether a variable of a pipeline holds a secret, by its name: `$(pwd)` is a command.
pub(super) fn is_secret(name: &str) -> bool {
    names::is_secret(name) && !name.eq_ignore_ascii_case("pwd")
}

/// Returns `$(name)` of a text: macros of Azure, or commands of one word without arguments.
pub(super) fn macros(text: &str) -> Vec<(Range<usize>, &str)> {
    let starts = text.match_indices("$(").map(|(at, _)| at);
    let found = starts.filter_map(|start| {
        let rest = text.get(start + 2..)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let length = rest.find(|c: char| !is_part(c))?;
        let name = rest.get(..length)?;
        let is_macro = rest.get(length..)?.starts_with(')') && !name.is_empty();
        is_macro.then_some((start..start + 3 + length, name))
    });
    found.collect()
}

/// Returns `${{ … }}` of a text.
pub(super) fn expressions(text: &str) -> Vec<Placeholder> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text
        .get(at..)
        .and_then(|rest| rest.find("${{"))
        .map(|found| at + found)
    {
        let Some(length) = text.get(start..).and_then(|rest| rest.find("}}")) else {
            break;
        };
        let span = start..start + length + 2;
        let name = text
            .get(start + 3..start + length)
            .unwrap_or_default()
            .trim()
            .to_owned();
        at = span.end;
        found.push(Placeholder {
            span,
            name,
            secret: false,
        });
    }
    found
}

/// Variables with names of secrets that a script sets, but not as secrets (rule 32).
pub(super) fn set_variables(scalar: &Scalar, place: &str, out: &mut Out<'_>) {
    let text = &scalar.text;
    let lower = text.to_ascii_lowercase();
    for (start, command) in lower.match_indices("##vso[task.setvariable") {
        let rest = start + command.len();
        let mut bytes = lower
            .as_bytes()
            .get(rest..)
            .unwrap_or_default()
            .iter()
            .take(MAX_COMMAND)
            .take_while(|byte| **byte != b'\n');
        let Some(length) = bytes.position(|byte| *byte == b']') else {
            continue;
        };
        let attributes = text.get(rest..rest + length).unwrap_or_default();
        let Some(name) = attribute(attributes, "variable") else {
            continue;
        };
        let name = name.trim_matches(['"', '\'', '\\']);
        let secret = attribute(attributes, "issecret");
        let is_set = secret.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if !names::is_secret(name) || is_set {
            continue;
        }
        let message = format!(
            "`{name}` is set as a plain variable: the log does not mask it, and every later step is given it"
        );
        let span = scalar.source(start..rest + length + 1);
        let fault = Fault::new(&metas::VARIABLE, span, format!("{place}: {name}"), message);
        let end = scalar.source(rest + length..rest + length + 1).start;
        out.tell(match secret {
            Some(_) => fault,
            None => fault.fix(as_secret(end, attributes)),
        });
    }
}

/// Returns an attribute of a logging command.
fn attribute<'a>(attributes: &'a str, key: &str) -> Option<&'a str> {
    let pairs = attributes
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, value)| value.trim())
}

/// Adds the attribute that makes a variable a secret.
fn as_secret(end: usize, attributes: &str) -> Fix {
    let is_ended = attributes.trim_end().ends_with(';');
    let text = if is_ended {
        "issecret=true"
    } else {
        ";issecret=true"
    };
    Fix {
        class: FixClass::Safe,
        title: "set the variable as a secret".to_owned(),
        edits: vec![Edit::replace(end..end, text)],
    }
}

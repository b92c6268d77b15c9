//! Edits of scripts that mend faults.

use std::ops::Range;

use super::super::super::{
    fault::{Edit, Fix, FixClass},
    node::{Scalar, Style},
    shell::{Origin, Use},
};

/// Passes a password by stdin, where the shell's analysis knows how.
pub(super) fn stdin(run: &Scalar, edits: &[(Range<usize>, String)]) -> Option<Fix> {
    if edits.is_empty() || matches!(run.style, Style::Double | Style::Single | Style::Folded) {
        return None;
    }
    let edits = edits
        .iter()
        .map(|(range, text)| Edit::replace(run.source(range.clone()), text.clone()));
    Some(Fix {
        class: FixClass::Safe,
        title: "pass the password by stdin".to_owned(),
        edits: edits.collect(),
    })
}

/// A line that only prints a variable becomes one that tests it.
pub(super) fn test_instead(text: &str, run: &Scalar, one: &Use) -> Option<Fix> {
    let name = one
        .names
        .first()
        .filter(|_| one.origin == Origin::Variable)?;
    let command = run.text.get(one.command_span.clone())?;
    let is_whole = ["echo", "echo -n"].iter().any(|echo| {
        [
            format!("{echo} \"${name}\""),
            format!("{echo} ${name}"),
            format!("{echo} \"${{{name}}}\""),
        ]
        .iter()
        .any(|line| line == command)
    });
    let span = run.source(one.command_span.clone());
    let is_as_written = text.get(span.clone()) == Some(command);
    (is_whole && is_as_written && matches!(run.style, Style::Plain | Style::Literal)).then(|| Fix {
        class: FixClass::Unsafe,
        title: "test whether it is set instead of printing it".to_owned(),
        edits: vec![Edit::replace(span, format!("test -n \"${{{name}:-}}\""))],
    })
}

/// Inserts a line that masks a variable behind its assignment, if that is a line of its own.
pub(super) fn mask(text: &str, run: &Scalar, assigned: &Range<usize>, name: &str) -> Option<Fix> {
    if run.style != Style::Literal {
        return None;
    }
    let line_start = run
        .text
        .get(..assigned.start)?
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let before = run.text.get(line_start..assigned.start)?;
    let rest = run.text.get(assigned.end..)?;
    let line_end = rest.find('\n')?;
    let is_alone = before.trim().is_empty() && rest.get(..line_end)?.trim().is_empty();
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_alone || !is_name {
        return None;
    }
    let source = run.source(line_start..assigned.end);
    let written = text.get(..source.start)?;
    let margin = written.rsplit('\n').next().unwrap_or_default();
    if !margin.trim().is_empty() {
        return None;
    }
    let end = match text.get(source.end..)?.starts_with('\r') {
        true => "\r\n",
        false => "\n",
    };
    Some(Fix {
        class: FixClass::Safe,
        title: "mask the value before it is used".to_owned(),
        edits: vec![Edit::replace(
            source.end..source.end,
            format!("{end}{margin}{before}echo \"::add-mask::${name}\""),
        )],
    })
}

//! Variables: what they hold, what assignments change, which values are literal.

use std::ops::Range;

use super::{
    Origin, Sink, Use,
    flow::Flow,
    syntax::{Assignment, Command},
    taint::{Stream, Taint, merged},
};
use crate::policy::{
    names,
    values::{self, Value},
};

impl Flow<'_> {
    /// Returns what is known of a variable.
    pub(super) fn taint(&self, name: &str) -> Option<Taint> {
        if let Some(known) = self.variables.get(name) {
            let mut taint = known.clone()?;
            taint.names.retain(|other| other != name);
            taint.names.insert(0, name.to_owned());
            return Some(taint);
        }
        (self.is_secret)(name).then(|| Taint {
            names: vec![name.to_owned()],
            origin: Origin::Variable,
            derived: None,
            mint: None,
        })
    }

    pub(super) fn assign(
        &mut self,
        assignment: &Assignment,
        pieces: Stream,
        statement: &Range<usize>,
    ) {
        let name = &assignment.name;
        let pieces: Stream = pieces
            .into_iter()
            .filter(|piece| {
                let mint = piece.taint.mint.as_ref();
                let generates = mint.is_some_and(|mint| mint.source.generates);
                let is_object = mint.is_some_and(|mint| mint.source.object);
                (piece.dump.is_none() || is_object) && (!generates || names::is_secret(name))
            })
            .collect();
        self.note_private(assignment);
        if !pieces.is_empty() {
            let mut taint = merged(&pieces);
            if let Some(mint) = &mut taint.mint
                && mint.variable.is_none()
            {
                mint.variable = Some(name.clone());
                mint.assigned = Some(statement.clone());
                mint.source.object = false;
            }
            self.learn(name, taint);
            return;
        }
        let is_literal = assignment
            .value
            .as_ref()
            .is_none_or(|word| word.parts.is_empty());
        if assignment.appends || self.branches > 0 {
            return;
        }
        if is_literal {
            self.variables.insert(name.clone(), None);
        } else {
            // A secret by its name stays one; what it held before is gone.
            self.variables.remove(name);
        }
    }

    /// What `mktemp` makes is closed to others.
    fn note_private(&mut self, assignment: &Assignment) {
        let value = assignment
            .value
            .as_ref()
            .and_then(|word| self.text.get(word.span.clone()));
        if value.is_some_and(|value| value.contains("mktemp") && value.len() < 200) {
            self.closed.insert(format!("${}", assignment.name));
        }
    }

    /// Gives a variable a secret.
    pub(super) fn learn(&mut self, name: &str, taint: Taint) {
        self.variables.insert(name.to_owned(), Some(taint));
    }

    /// Takes a variable's value.
    pub(super) fn forget(&mut self, name: &str) {
        if self.branches == 0 {
            self.variables.insert(name.to_owned(), None);
        }
    }

    /// Registers a variable's value for masking.
    pub(super) fn mask(&mut self, name: &str) {
        if let Some(Some(taint)) = self.variables.get_mut(name) {
            taint.derived = None;
            if let Some(mint) = &mut taint.mint {
                mint.masked = true;
            }
        }
    }

    /// Tells a literal value of a variable with a secret's name.
    pub(super) fn literal(&mut self, assignment: &Assignment, command: &Command) {
        let Some(word) = assignment
            .value
            .as_ref()
            .filter(|word| word.parts.is_empty())
        else {
            return;
        };
        let raw = self.text.get(word.span.clone()).unwrap_or_default();
        let quoted = |quote: char| raw.len() > 1 && raw.starts_with(quote) && raw.ends_with(quote);
        let quotes = usize::from(quoted('"') || quoted('\''));
        let span = word.span.start + quotes..word.span.end - quotes;
        let value = self.script.text.get(span.clone()).unwrap_or_default();
        let is_list = raw.starts_with('(');
        if is_list
            || !(self.is_secret)(&assignment.name)
            // Nothing is filled into this word: a `$` is quoted or escaped.
            || !matches!(values::verbatim(value), Value::Literal(_))
        {
            return;
        }
        let keyword = command
            .words
            .first()
            .and_then(|word| self.text.get(word.span.clone()));
        self.uses.push(Use {
            sink: Sink::Literal {
                name: assignment.name.clone(),
                exported: command.declares && keyword == Some("export"),
            },
            span,
            command_span: command.span.clone(),
            command: String::new(),
            names: vec![assignment.name.clone()],
            origin: Origin::Variable,
            derived: None,
        });
    }
}

//! What the shell scripts of a module do with secrets in their variables.

use std::{collections::BTreeSet, ops::Range};

use crate::policy::{
    readers::hcl::Expr,
    shell::{self, Script, Sink},
};

use super::super::literal;

/// One use of a secret variable that others can see.
#[derive(Debug)]
pub(super) struct Seen {
    /// The variable.
    pub(super) name: String,
    /// How it gets out: the end of a sentence that begins with the variable.
    pub(super) how: String,
    /// The bytes of the file.
    pub(super) span: Range<usize>,
}

/// Returns where a script shows secrets that its variables hold; `prints_only` leaves out the arguments of programs.
pub(super) fn seen(script: &Expr, prints_only: bool) -> Vec<Seen> {
    let mut out = Vec::new();
    let mut known = BTreeSet::new();
    let Some(scalar) = script.filled(&mut |_| "x".to_owned()) else {
        return out;
    };
    if scalar.text.starts_with("#!")
        && !scalar
            .text
            .lines()
            .next()
            .is_some_and(|it| it.ends_with("sh"))
    {
        return out;
    }
    for one in shell::analyse(&Script::new(&scalar.text), &literal::is_secret) {
        let how = match &one.sink {
            Sink::Print | Sink::Derived => format!("is printed by `{}`", one.command),
            Sink::Trace => "is printed by the shell's trace".to_owned(),
            Sink::Argument(_) | Sink::Url if !prints_only => {
                format!("is on the command line of `{}`", one.command)
            }
            _ => continue,
        };
        let Some(name) = one.names.first() else {
            continue;
        };
        if !known.insert((name.clone(), how.clone())) {
            continue;
        }
        out.push(Seen {
            name: name.clone(),
            how,
            span: scalar.source(one.span),
        });
    }
    out
}

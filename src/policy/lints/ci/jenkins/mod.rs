//! Jenkinsfiles: variables of `environment` and `withEnv`, scripts of `sh`, what Groovy fills into them, what is archived.
//!
//! Two passes over the tokens: the first learns which names hold credentials, the second judges. Shared libraries are not followed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    groovy::{self, Kind, Quote, Token},
    metas, plain,
    plain::Owner,
    script::{self, Body, Out, Shell},
};
use crate::model::{Confidence, Severity};
use crate::policy::{fault::Fault, shell::Placeholder};

mod kept;
mod names;

/// Tells the faults of one file.
pub(super) fn look(text: &str, out: &mut Out<'_>) {
    let tokens = groovy::tokens(text);
    let mut file = File {
        text,
        tokens: &tokens,
        bound: BTreeMap::new(),
        variables: Vec::new(),
        users: BTreeSet::new(),
        written: Vec::new(),
        read: BTreeSet::new(),
        environment_until: 0,
        stage: "",
    };
    file.learn();
    for at in 0..tokens.len() {
        file.judge(at, out);
    }
    file.keep(out);
}

/// How a name came to hold a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Jenkins put it into the environment of the step.
    Environment,
    /// A parameter of the build.
    Parameter,
}

struct File<'t> {
    text: &'t str,
    tokens: &'t [Token],
    /// Names that hold credentials.
    bound: BTreeMap<&'t str, Bound>,
    /// Variables of the shell that hold them.
    variables: Vec<String>,
    /// Names that hold what belongs to credentials: users, ids of keys, paths of key files.
    users: BTreeSet<&'t str>,
    /// Files that scripts write secrets to.
    written: Vec<String>,
    /// Where scripts start that were read.
    read: BTreeSet<usize>,
    /// The token at which the last block of variables ended.
    environment_until: usize,
    /// The stage that the walk is in.
    stage: &'t str,
}

/// The arguments of a step: tokens from the first to the last.
type Arguments = Range<usize>;

impl<'t> File<'t> {
    fn token(&self, at: usize) -> Option<&'t Token> {
        self.tokens.get(at)
    }

    fn name(&self, at: usize) -> &'t str {
        self.token(at)
            .filter(|token| token.kind == Kind::Name)
            .map_or("", |token| self.of(&token.span))
    }

    fn of(&self, span: &Range<usize>) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    fn is_sign(&self, at: usize, sign: u8) -> bool {
        self.token(at)
            .is_some_and(|token| token.kind == Kind::Sign(sign))
    }

    /// Returns the content of a string, as written.
    fn text(&self, at: usize) -> Option<(&'t str, Range<usize>)> {
        let token = self
            .token(at)
            .filter(|token| matches!(token.kind, Kind::Text(_)))?;
        Some((self.of(&token.inner), token.inner.clone()))
    }

    fn judge(&mut self, at: usize, out: &mut Out<'_>) {
        let name = self.name(at);
        match name {
            "stage" => {
                let title = self.text(at + 1).or_else(|| self.text(at + 2));
                self.stage = title.map_or(self.stage, |(title, _)| title);
            }
            "environment" if self.is_sign(at + 1, b'{') => self.environment(at + 2, out),
            "env"
                if self.is_sign(at + 1, b'.')
                    && self.is_sign(at + 3, b'=')
                    && !self.is_sign(at + 4, b'=') =>
            {
                self.value(self.name(at + 2), at + 4, out);
            }
            "withEnv" => {
                for at in self.arguments(at) {
                    if let Some((text, span)) = self.text(at).filter(|_| !self.is_filled(at))
                        && let Some((name, value)) = text.split_once('=')
                    {
                        plain::judge(
                            out,
                            self.stage,
                            name,
                            value,
                            span.start + name.len() + 1..span.end,
                            Owner::Job,
                        );
                    }
                }
            }
            "defaultValue" if self.is_sign(at + 1, b':') => {
                let before = (at.saturating_sub(8)..at).rev();
                let name = before
                    .into_iter()
                    .find(|at| self.name(*at) == "name")
                    .and_then(|at| self.text(at + 2));
                if let Some((name, _)) = name {
                    self.value(name, at + 2, out);
                }
            }
            "sh" | "bat" | "powershell" | "pwsh" | "echo" | "println" | "print" | "error"
            | "httpRequest"
                if self.is_step(at) =>
            {
                self.step(at, name, out);
            }
            _ => {}
        }
    }

    /// `NAME = 'value'` of an `environment` block.
    fn environment(&mut self, from: usize, out: &mut Out<'_>) {
        let mut at = from.max(self.environment_until);
        while at < self.tokens.len() && !self.is_sign(at, b'}') {
            if self.is_sign(at + 1, b'=') && !self.name(at).is_empty() {
                self.value(self.name(at), at + 2, out);
            }
            at += 1;
        }
        self.environment_until = at;
    }

    fn value(&self, name: &str, at: usize, out: &mut Out<'_>) {
        if let Some((value, span)) = self.text(at).filter(|_| !self.is_filled(at)) {
            let place = if self.stage.is_empty() {
                "pipeline"
            } else {
                self.stage
            };
            plain::judge(out, place, name, value, span, Owner::Job);
        }
    }

    fn is_filled(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| !token.filled.is_empty())
    }

    /// Tells whether a name is a call: at the start of a statement, or after what may stand before a value.
    fn is_step(&self, at: usize) -> bool {
        let is_member = at > 0 && self.is_sign(at - 1, b'.');
        let is_key = self.is_sign(at + 1, b':');
        !is_key
            && (!is_member || at > 1 && matches!(self.name(at - 2), "steps" | "script" | "this"))
    }

    /// Returns the tokens of a call's arguments: in parentheses, or to the end of the line.
    fn arguments(&self, at: usize) -> Arguments {
        let mut depth = 0_usize;
        let is_call = self.is_sign(at + 1, b'(');
        let mut end = at + 1;
        while let Some(token) = self.token(end) {
            match token.kind {
                Kind::Sign(b'(' | b'[' | b'{') => depth += 1,
                Kind::Sign(b')' | b']' | b'}') => {
                    // What closes here was opened before the call.
                    if depth == 0 {
                        break;
                    }
                    depth -= 1;
                    if depth == 0 && is_call {
                        break;
                    }
                }
                Kind::Break if depth == 0 && !self.goes_on(end) => break,
                Kind::Sign(b';') if depth == 0 => break,
                _ => {}
            }
            // A call whose end is missing does not take the rest of the file.
            if end - at > 400 {
                break;
            }
            end += 1;
        }
        at + 1..end
    }

    /// Tells whether a statement goes on after a line's end: the last sign asks for more.
    fn goes_on(&self, at: usize) -> bool {
        at.checked_sub(1)
            .and_then(|before| self.token(before))
            .is_some_and(|token| matches!(token.kind, Kind::Sign(b',' | b'+' | b':')))
    }

    fn step(&mut self, at: usize, step: &'t str, out: &mut Out<'_>) {
        for argument in self.arguments(at) {
            let Some(token) = self.token(argument) else {
                break;
            };
            // Other keys than the script and the address are labels, headers, names of files.
            if self.is_sign(argument - 1, b':')
                && !matches!(
                    self.name(argument - 2),
                    "script" | "message" | "url" | "requestBody"
                )
            {
                continue;
            }
            match token.kind {
                Kind::Text(quote) => {
                    let is_told = self.filled(token, quote, step, out);
                    let is_script = matches!(step, "sh" | "powershell" | "pwsh");
                    if is_script && !is_told && self.read.insert(token.span.start) {
                        self.script(token, step, out);
                    }
                }
                Kind::Name => self.concatenated(argument, step, out),
                _ => {}
            }
        }
    }

    /// What Groovy fills into a string that leaves (rule 30).
    fn filled(&self, token: &Token, quote: Quote, step: &str, out: &mut Out<'_>) -> bool {
        let mut told = false;
        for (whole, expression) in &token.filled {
            let Some((name, bound)) = self.secret_of(self.of(expression).trim()) else {
                continue;
            };
            let message = format!(
                "Groovy fills `{name}` into the text that `{step}` gets: it stands in the log, in lists of processes, and in the script itself"
            );
            let mut fault = Fault::new(
                &metas::INTERPOLATED,
                whole.clone(),
                self.subject(name, step),
                message,
            );
            if bound.is_none() {
                fault = fault
                    .severity(Severity::Medium)
                    .confidence(Confidence::Medium);
            }
            // One fix mends the whole string.
            if !told && let Some(fix) = self.quotes(token, quote, step) {
                fault = fault.fix(fix);
            }
            out.tell(fault);
            told = true;
        }
        told
    }

    fn subject(&self, name: &str, step: &str) -> String {
        format!(
            "{}: {name} in {step}",
            if self.stage.is_empty() {
                "pipeline"
            } else {
                self.stage
            }
        )
    }

    /// `'curl -u ' + PASSWORD`: a bound name beside a plus.
    fn concatenated(&self, at: usize, step: &str, out: &mut Out<'_>) {
        let is_joined = self.is_sign(at - 1, b'+') || self.is_sign(at + 1, b'+');
        let is_printed = matches!(step, "echo" | "println" | "print" | "error");
        let is_alone = is_printed
            && (self.name(at - 1) == step
                || self.is_sign(at - 1, b'(') && self.name(at.saturating_sub(2)) == step);
        let name = self.name(at);
        let is_member = self.is_sign(at + 1, b'.') || self.is_sign(at + 1, b'(');
        if !(is_joined || is_alone) || is_member {
            return;
        }
        if self.bound.get(name) == Some(&Bound::Environment)
            && let Some(token) = self.token(at)
        {
            let message = format!(
                "Groovy joins `{name}` to the text that `{step}` gets: it stands in the log, in lists of processes, and in the script itself"
            );
            out.tell(Fault::new(
                &metas::INTERPOLATED,
                token.span.clone(),
                self.subject(name, step),
                message,
            ));
        }
    }

    fn script(&mut self, token: &Token, step: &str, out: &mut Out<'_>) {
        let scalar = groovy::scalar(self.text, token);
        // What Groovy fills in is opaque to the shell's reader.
        let placeholders: Vec<Placeholder> = token
            .filled
            .iter()
            .filter_map(|(whole, expression)| {
                let text = self.of(whole);
                let at = scalar
                    .map
                    .partition_point(|(_, source)| *source <= whole.start);
                let from = scalar.map.get(at.checked_sub(1)?)?;
                let start = from.0 + (whole.start - from.1);
                let span = start..start + text.len();
                (scalar.text.get(span.clone()) == Some(text)).then(|| Placeholder {
                    span,
                    name: self.of(expression).to_owned(),
                    secret: false,
                })
            })
            .collect();
        let place = if self.stage.is_empty() {
            "pipeline"
        } else {
            self.stage
        };
        let mut written = std::mem::take(&mut self.written);
        let body = Body {
            scalar: &scalar,
            shell: if step == "sh" {
                Shell::Posix
            } else {
                Shell::Power
            },
            trace: false,
            place,
            placeholders: &placeholders,
            has_secrets: self
                .bound
                .values()
                .any(|bound| *bound == Bound::Environment),
            bound: &self.variables,
        };
        script::look(out, &body, &mut written);
        self.written = written;
    }
}

//! Which names hold credentials in a Jenkinsfile, and how the shell can expand them itself.

use super::super::groovy::{Quote, Token};
use super::{Bound, File};
use crate::policy::{
    fault::{Edit, Fix, FixClass},
    shell::is_secret_variable,
};

/// Most credentials of a file that are looked for in its scripts.
const MAX_VARIABLES: usize = 100;

impl<'t> File<'t> {
    /// Learns which names hold credentials: by `credentials(…)`, by bindings of `withCredentials`, by parameters for passwords.
    pub(super) fn learn(&mut self) {
        for at in 0..self.tokens.len() {
            match self.name(at) {
                "credentials"
                    if self.is_sign(at + 1, b'(') && at >= 2 && self.is_sign(at - 1, b'=') =>
                {
                    self.bound.insert(self.name(at - 2), Bound::Environment);
                }
                "passwordVariable" | "passphraseVariable" | "tokenVariable"
                | "secretKeyVariable" | "variable"
                    if self.is_sign(at + 1, b':') =>
                {
                    let is_path = self.name(at) == "variable" && self.is_of_file(at);
                    if let (Some((name, _)), false) = (self.text(at + 2), is_path) {
                        self.bound.insert(name, Bound::Environment);
                    }
                }
                "usernameVariable" | "keyFileVariable" | "accessKeyVariable"
                    if self.is_sign(at + 1, b':') =>
                {
                    self.users.extend(self.text(at + 2).map(|(name, _)| name));
                }
                "password" if self.is_sign(at + 1, b'(') => {
                    let inside = at + 2..(at + 12).min(self.tokens.len());
                    let name = inside
                        .into_iter()
                        .find(|at| self.name(*at) == "name")
                        .and_then(|at| self.text(at + 2));
                    self.bound
                        .extend(name.map(|(name, _)| (name, Bound::Parameter)));
                }
                _ => {}
            }
        }
        self.bound.remove("");
        let variables = self.bound.keys().take(MAX_VARIABLES);
        self.variables = variables
            .flat_map(|name| [(*name).to_owned(), format!("{name}_PSW")])
            .collect();
    }

    /// Tells whether the binding around a token is one of a file: what its variable holds is a path.
    fn is_of_file(&self, at: usize) -> bool {
        let before = (at.saturating_sub(12)..at).rev();
        let open = before.into_iter().find(|at| self.is_sign(*at, b'('));
        open.and_then(|open| open.checked_sub(1)).is_some_and(|at| {
            matches!(
                self.name(at),
                "file" | "zip" | "certificate" | "dockerCert" | "kubeconfigFile"
            )
        })
    }

    /// Returns the name of the credential that an expression is, and how it came to be one.
    pub(super) fn secret_of(&self, expression: &'t str) -> Option<(&'t str, Option<Bound>)> {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let (holder, name) = match expression.split_once('.') {
            Some((holder @ ("env" | "params"), name)) => (holder, name),
            Some((name, "trim()" | "toString()")) => ("", name),
            _ => ("", expression),
        };
        if !is_name(name) {
            return None;
        }
        let base = name.strip_suffix("_PSW").unwrap_or(name);
        match self.bound.get(base) {
            Some(Bound::Parameter) if holder != "params" => None,
            Some(bound) => Some((name, Some(*bound))),
            None => is_secret_variable(name).then_some((name, None)),
        }
    }

    /// Single quotes instead of double ones: the shell expands the same names from its environment.
    pub(super) fn quotes(&self, token: &Token, quote: Quote, step: &str) -> Option<Fix> {
        let (open, single) = match quote {
            Quote::Double => (1, "'"),
            Quote::TripleDouble => (3, "'''"),
            _ => return None,
        };
        if step != "sh"
            || self.of(&token.inner).contains('\'')
            || token.span.end != token.inner.end + open
        {
            return None;
        }
        let mut edits = vec![Edit::replace(token.span.start..token.inner.start, single)];
        for (whole, expression) in &token.filled {
            let expression = self.of(expression);
            let name = expression.strip_prefix("env.").unwrap_or(expression);
            let base = name
                .strip_suffix("_PSW")
                .or_else(|| name.strip_suffix("_USR"))
                .unwrap_or(name);
            let is_ours =
                self.bound.get(base) == Some(&Bound::Environment) || self.users.contains(name);
            if !is_ours || expression.starts_with("params.") {
                return None;
            }
            if name.len() != expression.len() {
                edits.push(Edit::replace(whole.clone(), format!("${{{name}}}")));
            }
        }
        edits.push(Edit::replace(token.inner.end..token.span.end, single));
        Some(Fix {
            class: FixClass::Safe,
            title: "let the shell expand the variable: single quotes".to_owned(),
            edits,
        })
    }
}

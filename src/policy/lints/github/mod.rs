//! GitHub Actions: workflows and composite actions.
//!
//! `model` holds what is read of a file, `expression` and `evaluate` its expressions, `secrets` which of them yield secrets; the lints stand
//! in files of their own.

use super::super::lint::Lint;

mod build;
mod cached;
mod evaluate;
mod exposure;
mod expression;
mod inline;
mod javascript;
mod kept;
mod lasting;
mod literal;
mod mend;
mod model;
mod passed;
mod paths;
mod printed;
mod purpose;
mod reach;
mod readings;
mod scripts;
mod secrets;
mod sharing;
mod unpinned;
mod uses;
mod when;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &scripts::Scripts,
    &inline::Inline,
    &lasting::Lasting,
    &reach::Reach,
    &sharing::Sharing,
    &exposure::Exposure,
    &literal::Literal,
    &unpinned::Unpinned,
];

/// As the metadata of all lints here names it.
const TOOL: &str = "GitHub Actions";

/// OWASP's risk of pipelines that is about credentials.
const CICD_6: &str =
    "OWASP Top 10 CI/CD Security Risks: CICD-SEC-6 Insufficient Credential Hygiene";

/// GitHub's page on secrets in workflows.
const SECURE_USE: &str = "GitHub Docs: Secure use reference";

/// The principle that rules on the reach of secrets come from.
const LEAST: &str = "OWASP Secrets Management Cheat Sheet: least privilege";

#[cfg(test)]
mod testing;

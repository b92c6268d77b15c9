//! Pulumi, Ansible, Serverless and the settings of other platforms.

use super::super::{
    fault::Fault,
    lint::{Context, Document, Lint, LintMeta},
};
use super::literal::Literal;

mod ansible;
mod no_log;
mod pulumi;
mod serverless;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &pulumi::Pulumi,
    &ansible::Ansible,
    &no_log::NoLog,
    &serverless::Serverless,
];

/// Tells a literal if it is a secret.
fn tell(meta: &'static LintMeta, it: Literal, document: &Document<'_>, context: &mut Context<'_>) {
    let Some(severity) = it.judge(document.path, meta.severity) else {
        return;
    };
    let message = format!("`{}` is a literal secret", it.path);
    let fault = Fault::new(meta, it.span.clone(), it.path, message);
    context.tell(fault.severity(severity).secret(it.span));
}

#[cfg(test)]
mod tests;

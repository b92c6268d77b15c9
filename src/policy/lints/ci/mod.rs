//! CircleCI, Jenkins, Azure Pipelines and Bitbucket Pipelines (rules 27-33 of the catalogue).
//!
//! One file a tool says where its dialect has variables, scripts and paths; `plain` judges values of variables, `script` what scripts do
//! with secrets, `files` which paths hold credentials. Jenkinsfiles are read by tokens (`groovy`).

use super::super::{
    kind::FileKind,
    lint::{Context, Document, Lint, LintMeta},
};

mod azure;
mod bitbucket;
mod circle;
mod files;
mod groovy;
mod jenkins;
mod macros;
mod metas;
mod plain;
mod script;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&Pipelines];

/// Rules 27 to 33: they share the reading of a file.
struct Pipelines;

impl Lint for Pipelines {
    fn metas(&self) -> &'static [&'static LintMeta] {
        metas::ALL
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut out = script::Out::new(&mut context.faults);
        match document.kind {
            FileKind::CircleCi => document
                .trees()
                .iter()
                .for_each(|tree| circle::look(tree, &mut out)),
            FileKind::AzurePipelines => document
                .trees()
                .iter()
                .for_each(|tree| azure::look(tree, &mut out)),
            FileKind::BitbucketPipelines => document
                .trees()
                .iter()
                .for_each(|tree| bitbucket::look(tree, &mut out)),
            FileKind::Jenkinsfile => jenkins::look(document.text, &mut out),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

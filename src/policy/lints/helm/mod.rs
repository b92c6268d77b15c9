//! Helm charts and Kustomize: values and defaults that are secrets (54), and generators of Secrets (55).
//!
//! `template` makes YAML of templates for all lints and finds their actions.

use super::super::lint::Lint;

mod kustomize;
mod template;
mod values;

pub(super) use kustomize::resolve;

pub(crate) use template::masked;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&values::Values, &kustomize::Kustomize];

//! Compose files.

use super::super::lint::Lint;

mod arguments;
mod environment;
mod fallback;
mod file_variables;
mod service;
mod weak;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &environment::Environment,
    &file_variables::FileVariables,
    &arguments::Arguments,
    &arguments::BuildArguments,
    &fallback::Fallbacks,
];

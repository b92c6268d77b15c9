//! The lints, one file a lint or a tight family. They read documents with their spans, never bytes of their own.

use super::lint::Lint;

pub(super) mod ci;
pub(super) mod cloudformation;
pub(super) mod compose;
pub(super) mod config;
pub(super) mod deploy;
pub(super) mod docker;
pub(super) mod dotenv;
pub(super) mod github;
pub(super) mod gitlab;
pub(super) mod helm;
pub(super) mod keyfile;
pub(super) mod kubernetes;
pub(super) mod lifecycle;
mod literal;
mod pairs;
pub(super) mod reuse;
pub(super) mod shell;
pub(super) mod source;
pub(super) mod terraform;

/// All lints, by family.
pub(super) const FAMILIES: [&[&dyn Lint]; 17] = [
    github::LINTS,
    gitlab::LINTS,
    ci::LINTS,
    docker::LINTS,
    compose::LINTS,
    kubernetes::LINTS,
    helm::LINTS,
    terraform::LINTS,
    cloudformation::LINTS,
    deploy::LINTS,
    dotenv::LINTS,
    keyfile::LINTS,
    config::LINTS,
    source::LINTS,
    shell::LINTS,
    lifecycle::LINTS,
    reuse::LINTS,
];

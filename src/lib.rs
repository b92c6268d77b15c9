//! keysweep finds secrets that ended up in a git repository, and says exactly what it looked at.
//!
//! The crate is a library and a thin binary. Layers, highest first; a module uses lower layers only, and
//! `tests/it/layering.rs` is the judge:
//!
//! | layer | module | does |
//! |---|---|---|
//! | 6 | [`cli`] | arguments, environment, terminal, exit codes |
//! | 5 | [`report`] | one file a format, and the search of our own output |
//! | 4 | [`rotate`] | from verdicts to dead credentials: plan, approval, journal, audit log |
//! | 3 | [`scan`] | source × engine → findings: collect, group, attribute, suppress, sort |
//! | 3 | [`verify`] | findings × stores → verdicts and coverage
//! | 2 | [`engine`] | the hot path: anchors, probes, windows, checks, filters, decoding |
//! | 2 | [`policy`] | habits that leak secrets, and secrets that environments share |
//! | 2 | [`stores`] | secrets stores, and the systems that secrets open: all talk with the outside |
//! | 2 | [`sources`] | trees, the index, standard input, archives, git objects |
//! | 1 | [`config`] | `keysweep.toml`, trust, suppressions, baseline |
//! | 1 | [`rules`] | the catalogue as data: load, check, examples |
//! | 0 | [`model`] | plain data |
//! | 0 | `literals`, `masks` | the search for many fixed literals; one bit for each byte of a class |

pub mod cli;
pub mod config;
pub mod engine;
mod literals;
mod masks;
pub mod model;
pub mod policy;
pub mod report;
#[cfg(feature = "verify")]
pub mod rotate;
pub mod rules;
pub mod scan;
pub mod sources;
#[cfg(feature = "verify")]
pub mod stores;
#[cfg(feature = "verify")]
pub mod verify;

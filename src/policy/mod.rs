//! Policy: the habits that leak secrets, and secrets that environments share.
//!
//! A file whose path (or content) tells that it is of a known kind is read into a [`Document`]: a tree with byte spans
//! (`readers`, `node`), from which lints (`lints`, listed in `registry`) tell [`Fault`]s, and what they need to know of all files
//! together as [`Fact`]s. Two classifiers decide everywhere what a name (`names`) and a value (`values`) is.
//! `reuse` compares values across environments and services.
//!
//! Promises: no I/O; a file that cannot be read as its kind is told as a [`Note`] and read line by line, never a panic and never silence;
//! a fault's texts hold no value; values are compared by keyed digest alone; work is bounded by the size of the file
//! ([`MAX_BYTES`], [`node::MAX_DEPTH`], [`node::MAX_NODES`]).

mod encoding;
pub mod environment;
pub mod fault;
mod gaps;
mod gate;
pub mod kind;
mod lint;
mod lints;
pub mod names;
pub mod node;
mod owner;
pub mod page;
mod patches;
mod read;
pub mod readers;
mod registry;
pub mod reuse;
mod search;
pub mod shell;
pub mod trial;
pub mod values;
pub mod veil;

pub(crate) use lints::lifecycle::AGE;

pub use encoding::{Order, order, patched};
pub use fault::{CrossFault, Edit, Fact, FactData, Fault, Fix, FixClass, Gathered, Past, Pointer};
pub use kind::FileKind;
pub use lint::{Context, Document, Example, Index, LintMeta, Persona, Syntax};
pub use read::{
    MAX_BYTES, Note, Reading, is_general, keeps_values, may_keep_values, read, read_for, values,
    wants,
};
pub use registry::{all, cross, cross_for, find};

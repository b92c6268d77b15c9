//! What can go wrong around a rotation: files, plans, approvals. Faults of stores and targets are [`StoreError`]s.

use std::{io, path::Path};

use crate::{model::quotable, stores::StoreError};

/// Why a command of `rotate` or `audit` did not work. No text holds a value.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RotateError {
    /// A file could not be read or written.
    #[error("cannot {doing} {path}")]
    #[diagnostic(
        code(keysweep::rotate::file),
        help(
            "`[rotate] state` of stores.toml names the directory; it must be yours, and writable"
        )
    )]
    File {
        /// What was being done: `read`, `write`, `lock`.
        doing: &'static str,
        /// The file, as safe text.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// Another process holds the file.
    #[error("{path} is in use by another process")]
    #[diagnostic(
        code(keysweep::rotate::busy),
        help("wait for it to end; one rotation is driven by one process at a time")
    )]
    Busy {
        /// The file.
        path: String,
    },
    /// A journal or audit log was changed by somebody else than us.
    #[error("{path}, line {line}: {what}")]
    #[diagnostic(
        code(keysweep::rotate::damaged),
        help(
            "it was edited or lost data: restore it from a backup, and compare it with the store before anything else is rotated"
        )
    )]
    Damaged {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What does not hold.
        what: String,
    },
    /// A newer program wrote it.
    #[error("{path} has schema {schema}, and this program knows {known}")]
    #[diagnostic(
        code(keysweep::rotate::newer),
        help("use the version of keysweep that wrote it, or a newer one")
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        schema: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// A sealed value could not be made or opened.
    #[error("{what}")]
    #[diagnostic(
        code(keysweep::rotate::sealed),
        help(
            "`[rotate] identity` of stores.toml names a file with an age identity; make one with: age-keygen -o FILE"
        )
    )]
    Seal {
        /// What was tried.
        what: String,
    },
    /// The plan file is not one that may be applied.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] PlanError),
    /// An approval does not count.
    #[error("{what}")]
    #[diagnostic(code(keysweep::rotate::approval))]
    Approval {
        /// Why.
        what: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// There is no such rotation, store or target.
    #[error("{what}")]
    #[diagnostic(code(keysweep::rotate::unknown))]
    Unknown {
        /// What was looked for.
        what: String,
        /// Where the known ones are.
        #[help]
        help: String,
    },
    /// A store's or target's fault.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// No random bytes could be had.
    #[error("the system gives no random bytes")]
    #[diagnostic(
        code(keysweep::rotate::random),
        help("nothing was changed by this step; `keysweep rotate resume` goes on from here")
    )]
    Random,
    /// Stopped at a fault point of a test.
    #[error("stopped at the fault point `{point}`")]
    #[diagnostic(
        code(keysweep::rotate::fault_point),
        help("only tests stop at fault points; `keysweep rotate resume` goes on from here")
    )]
    Crash {
        /// The point's name.
        point: String,
    },
}

impl RotateError {
    /// Returns the error of a file.
    pub(super) fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            doing,
            path: shown(path),
            source,
        }
    }
}

/// Returns a path as safe text. The name of a journal stays readable: it is a plan's digest and no secret, and people need it.
pub(super) fn shown(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    match (path.parent(), name.filter(|name| is_journal(name))) {
        (Some(folder), Some(name)) => {
            let folder = quotable(&folder.to_string_lossy());
            format!("{folder}{}{name}", std::path::MAIN_SEPARATOR)
        }
        _ => quotable(&path.to_string_lossy()),
    }
}

/// Returns the id that a journal's name says, as safe text; the ids that [`super::rotation_id`] gives stay readable.
pub(super) fn id_of(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if name.is_some_and(is_journal) {
        stem.into_owned()
    } else {
        quotable(&stem)
    }
}

/// Tells whether a name is one that [`super::rotation_id`] gives: 16 hex digits of a digest, and a number.
fn is_journal(name: &str) -> bool {
    let parts = name
        .strip_suffix(".jsonl")
        .and_then(|id| id.split_once('-'));
    parts.is_some_and(|(digest, n)| {
        let is_hex = digest.bytes().all(|b| b.is_ascii_hexdigit());
        digest.len() == 16 && is_hex && n.len() <= 4 && n.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Why a plan file may not be applied. Matched without `_`.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PlanError {
    /// It is no JSON of a plan.
    #[error("this is no plan: {what}")]
    #[diagnostic(
        code(keysweep::rotate::plan::shape),
        help("make one with: keysweep rotate plan --report FILE --out plan.json")
    )]
    Shape {
        /// What is wrong, without a value.
        what: String,
    },
    /// A field that no plan has: a check that this program does not know could be meant.
    #[error("the plan has a field that is not known here: {what}")]
    #[diagnostic(
        code(keysweep::rotate::plan::field),
        help("plans are not edited by hand; make a new one with: keysweep rotate plan")
    )]
    UnknownField {
        /// What the parser says.
        what: String,
    },
    /// A plan of another version of the program.
    #[error("the plan has schema {schema}, and this program knows {known}")]
    #[diagnostic(
        code(keysweep::rotate::plan::schema),
        help("make and apply a plan with the same version of keysweep")
    )]
    Schema {
        /// Its schema.
        schema: u64,
        /// The one that is known here.
        known: u32,
    },
    /// Its content is not what its digest says.
    #[error("the plan was changed after it was made: its digest does not fit")]
    #[diagnostic(
        code(keysweep::rotate::plan::digest),
        help("make a new one with: keysweep rotate plan; approvals count for one digest only")
    )]
    Digest,
    /// It is too old.
    #[error("the plan expired at {at}")]
    #[diagnostic(
        code(keysweep::rotate::plan::expired),
        help("make a new one; `[rotate] plan-minutes` of stores.toml says how long plans hold")
    )]
    Expired {
        /// When, RFC 3339.
        at: String,
    },
    /// It says that it was made later than now.
    #[error("the plan says that it was made at {at}, which is still to come")]
    #[diagnostic(
        code(keysweep::rotate::plan::future),
        help("see who made it and that the clocks are right, then make a new one")
    )]
    Future {
        /// When, RFC 3339.
        at: String,
    },
    /// It holds longer than plans do.
    #[error("the plan holds longer than the {minutes} minutes of `plan-minutes`")]
    #[diagnostic(
        code(keysweep::rotate::plan::too_long),
        help("see who made it, then make a new one: keysweep rotate plan")
    )]
    TooLong {
        /// Minutes that plans hold by stores.toml.
        minutes: u32,
    },
}

#[cfg(test)]
mod tests {
    use miette::Diagnostic as _;

    use super::*;

    #[test]
    fn a_journal_is_named_and_other_long_names_are_not() {
        let id = format!("{}-0", "0a1b".repeat(4));
        let journal = Path::new("state").join(format!("{id}.jsonl"));
        assert!(shown(&journal).contains(&id), "{}", shown(&journal));
        let other = "0a1b".repeat(10);
        assert!(!shown(Path::new(&other)).contains(&other));
    }

    #[test]
    fn every_error_says_what_to_do() {
        let errors = [
            RotateError::file("read", Path::new("p"), io::Error::other("x")),
            RotateError::Busy { path: "p".into() },
            RotateError::Damaged {
                path: "p".into(),
                line: 1,
                what: "w".into(),
            },
            RotateError::Newer {
                path: "p".into(),
                schema: 2,
                known: 1,
            },
            RotateError::Seal { what: "w".into() },
            RotateError::Random,
            RotateError::Crash { point: "p".into() },
            PlanError::Shape { what: "w".into() }.into(),
            PlanError::UnknownField { what: "w".into() }.into(),
            PlanError::Schema {
                schema: 2,
                known: 1,
            }
            .into(),
            PlanError::Digest.into(),
            PlanError::Expired { at: "t".into() }.into(),
            PlanError::Future { at: "t".into() }.into(),
            PlanError::TooLong { minutes: 1 }.into(),
        ];
        for error in errors {
            assert!(error.code().is_some(), "{error}");
            assert!(error.help().is_some(), "{error}");
        }
    }
}

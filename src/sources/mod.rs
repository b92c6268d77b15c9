//! Where bytes come from: trees, the index, standard input, archives, git objects.
//!
//! Promises: every source reports what it read and what it could not read in the ledger it returns; one bad file or
//! object never stops a run; nothing is written, least of all to a repository. Repositories are opened in [`repo`] alone,
//! isolated from the user's and the repository's git configuration.

pub mod archive;
mod content;
pub mod files;
pub mod history;
mod ignored;
mod large;
pub mod repo;
mod share;
pub mod snapshot;
pub mod staged;
pub mod stdin;
#[cfg(test)]
mod testing;
pub mod tree;

use std::{
    any::Any,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::model::{BlobPath, Copied, Ledger, Provenance, Span};

pub use content::Sizes;
pub use ignored::{Excludes, Standing, could_hide, standing};

/// A stretch of content on its way to the engine.
#[derive(Clone)]
pub struct Blob<'a> {
    /// The bytes, `bytes[0]` being at `offset` of the whole.
    pub bytes: &'a [u8],
    /// What of `bytes` is new, in offsets into `bytes`; usually one span over everything. The rest is context.
    pub regions: &'a [Span],
    /// The path, or a name in angle brackets (`<commit message>`). Empty for history blobs: attribution finds their paths.
    pub path: &'a BlobPath,
    /// Where it came from.
    pub provenance: Provenance,
    /// Offset of `bytes[0]` in the whole content; not 0 only in pieces of large files.
    pub offset: u64,
    /// 1-based line of `bytes[0]`, and 1-based column of it (code points).
    pub line: u32,
    /// See `line`.
    pub column: u32,
    /// Whether `bytes` is the whole content: only then archives and UTF-16 are unpacked by the receiver.
    pub whole: bool,
}

/// Takes blobs on one thread at a time. `Send` because walkers make their visitors before they start their threads.
pub trait Receiver: Send {
    /// Scans one blob. Must not fail: what cannot be handled goes to the receiver's own ledger.
    fn blob(&mut self, blob: &Blob<'_>);

    /// Scans one whole blob of which later versions may follow on the same thread, and returns what they can take over.
    ///
    /// `base` is what an earlier version left, with the stretches copied from it. Results must be those of
    /// [`Self::blob`]; only the way to them may be shorter.
    fn version(&mut self, blob: &Blob<'_>, base: Option<(&Trace, &[Copied])>) -> Trace {
        let _ = base;
        self.blob(blob);
        Trace::default()
    }
}

/// What a receiver remembers of a blob, for its later versions; nothing by default. Only that receiver knows what it is.
#[derive(Default)]
pub struct Trace(pub Option<Box<dyn Any>>);

/// Hands out receivers; a source asks for one on each of its threads and drops it at the end.
pub trait Sink: Sync {
    /// Returns a receiver for the calling thread.
    fn receiver(&self) -> Box<dyn Receiver + '_>;
}

/// What a long run tells a terminal. All methods may be called from any thread, often.
pub trait Progress: Sync {
    /// A stage begins: its name and how many units it has, 0 if unknown.
    fn begin(&self, stage: &'static str, total: u64);
    /// So many units more are done.
    fn advance(&self, by: u64);
}

/// Shows nothing.
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _stage: &'static str, _total: u64) {}
    fn advance(&self, _by: u64) {}
}

/// What every source needs beside its own options.
pub struct Run<'a> {
    /// Takes the blobs.
    pub sink: &'a dyn Sink,
    /// Shows progress.
    pub progress: &'a dyn Progress,
    /// Set when the user asked to stop: sources end soon, with a [`crate::model::SkipCause::Interrupted`] skip.
    pub stop: &'a AtomicBool,
    /// Number of threads, at least 1.
    pub threads: usize,
}

impl Run<'_> {
    /// Tells whether the user asked to stop.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A place to read from.
pub trait Source {
    /// Feeds everything to `run.sink` and returns what was read and what was not.
    ///
    /// # Errors
    /// Only when nothing could be read at all (no such path, not a repository); single failures are ledger entries.
    fn read(&self, run: &Run<'_>) -> Result<Ledger, SourceError>;
}

/// Why a source could not be read at all. Paths are shown without control characters.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SourceError {
    /// The path does not exist or cannot be opened.
    #[error("cannot read {}", ignored::blob_path(path))]
    #[diagnostic(
        code(keysweep::sources::path),
        help("name an existing file or directory")
    )]
    Path {
        /// As the user gave it.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// No repository at or above the path.
    #[error("{} is not inside a git repository", ignored::blob_path(path))]
    #[diagnostic(
        code(keysweep::sources::no_repository),
        help(
            "run it in a repository, or scan plain files with `keysweep scan PATH`, without --history, --range or --staged"
        )
    )]
    NoRepository {
        /// As the user gave it.
        path: PathBuf,
    },
    /// There is a repository, but it cannot be opened.
    #[error("cannot open the repository at {}: {reason}", ignored::blob_path(path))]
    #[diagnostic(code(keysweep::sources::repository), help("check it with `git fsck`"))]
    Repository {
        /// Where it is.
        path: PathBuf,
        /// What is wrong, without content.
        reason: String,
    },
    /// What is staged was asked for where nothing can be.
    #[error("{} is a bare repository: it has no index", ignored::blob_path(path))]
    #[diagnostic(
        code(keysweep::sources::bare),
        help("run it in a work tree, or scan what the repository holds with --history")
    )]
    Bare {
        /// Where it is.
        path: PathBuf,
    },
    /// A pattern of what to leave out is no glob.
    #[error("cannot use the exclude pattern `{pattern}`: {reason}")]
    #[diagnostic(
        code(keysweep::sources::exclude),
        help("write it as in .gitignore: `vendor/`, `*.min.js`, `/docs/**/*.svg`")
    )]
    Exclude {
        /// As the user gave it, made safe.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// A revision does not resolve.
    #[error("cannot resolve the revision `{revision}`: {reason}")]
    #[diagnostic(
        code(keysweep::sources::revision),
        help("name commits as A..B; in CI fetch both sides first (fetch-depth: 0)")
    )]
    Revision {
        /// As the user gave it, made safe.
        revision: String,
        /// What is wrong.
        reason: String,
    },
}

/// A counter that threads share, for numbers only.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

impl Tally {
    /// Adds.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Returns the sum so far.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

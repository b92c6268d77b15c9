//! What can be wrong with a configuration or a baseline, and where.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::model::{BlobPath, quotable};

/// Why a configuration or a baseline cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ConfigError {
    /// The system refused.
    #[error("cannot read {}", safe(path))]
    #[diagnostic(
        code(keysweep::config::read),
        help("check that the file exists and may be read")
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// A commit that a range starts at is not there with all that belongs to it: a clone that was cut.
    #[error("cannot read {}: an object is not in this clone", safe(path))]
    #[diagnostic(
        code(keysweep::config::not_fetched),
        help("fetch the commit that the range starts at with its files; in CI: fetch-depth: 0")
    )]
    NotFetched {
        /// The file, as it is called in its commit.
        path: PathBuf,
    },
    /// A link out of the tree could make errors quote any file of the machine.
    #[error("{} is a symbolic link", safe(path))]
    #[diagnostic(
        code(keysweep::config::symlink),
        help("put the file itself there, or name the link's target with --config or --baseline")
    )]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A directory, FIFO, socket or device.
    #[error("{} is not a regular file", safe(path))]
    #[diagnostic(
        code(keysweep::config::not_a_file),
        help("name a file that holds text")
    )]
    NotAFile {
        /// What stands there.
        path: PathBuf,
    },
    /// Larger than any such file has reason to be.
    #[error("{} is larger than {limit} bytes", safe(path))]
    #[diagnostic(
        code(keysweep::config::too_large),
        help("check that it is the file you mean")
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("{name} is not UTF-8: byte {offset} does not fit")]
    #[diagnostic(
        code(keysweep::config::encoding),
        help("save the file as UTF-8 without a byte order mark")
    )]
    NotText {
        /// The file.
        name: String,
        /// Offset of the first byte that does not fit, from 0.
        offset: usize,
    },
    /// Two files claim to be the configuration.
    #[error("{} and {} are both there", safe(first), safe(second))]
    #[diagnostic(
        code(keysweep::config::ambiguous),
        help("keep one of the two, or name one with --config")
    )]
    Ambiguous {
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The baseline and the configuration or environment name different keys.
    #[error("the project key of {one} is not that of {other}")]
    #[diagnostic(
        code(keysweep::config::keys_differ),
        help(
            "use one key: put that of the baseline's `# key` line into `[identity] key` or KEYSWEEP_KEY, or remove the others"
        )
    )]
    KeysDiffer {
        /// Where one stands.
        one: &'static str,
        /// Where the other stands.
        other: &'static str,
    },
    /// Keyed values that nothing can be compared with.
    #[error("{what} needs the project key, and there is none")]
    #[diagnostic(
        code(keysweep::config::no_key),
        help(
            "set KEYSWEEP_KEY to the project's key (64 hex digits), or put it into `[identity] key` of keysweep.toml"
        )
    )]
    NoKey {
        /// What is keyed.
        what: &'static str,
    },
    /// A fault at a place in the text.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Content(Box<ContentError>),
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum Fault {
    /// Not TOML, or a key of the wrong type, or a key missing.
    #[error("cannot read the configuration: {message}")]
    #[diagnostic(
        code(keysweep::config::syntax),
        help("docs/configuration.md shows every key and its type")
    )]
    Syntax {
        /// The parser's word.
        message: String,
    },
    /// A key or word that does not exist.
    #[error("cannot read the configuration: {message}")]
    #[diagnostic(code(keysweep::config::unknown), help("{suggestion}"))]
    Unknown {
        /// The parser's word.
        message: String,
        /// Near names.
        suggestion: String,
    },
    /// A rule that does not exist.
    #[error("there is no rule `{id}`")]
    #[diagnostic(code(keysweep::config::no_such_rule), help("{help}"))]
    NoSuchRule {
        /// As written.
        id: String,
        /// Near ids.
        help: String,
    },
    /// A glob that does not compile.
    #[error("not a glob: {reason}")]
    #[diagnostic(
        code(keysweep::config::glob),
        help(
            "write patterns such as `vendor/**`, `*.lock` or `docs/`; put `\\\\` before a bracket that is meant as such"
        )
    )]
    Glob {
        /// The glob parser's word.
        reason: String,
    },
    /// A tier that does not exist.
    #[error("`{word}` is no tier of an environment")]
    #[diagnostic(
        code(keysweep::config::tier),
        help(
            "a tier is \"production\", \"staging\", \"development\" or \"fixture\"; without one the environment's name tells it"
        )
    )]
    Tier {
        /// As written.
        word: String,
    },
    /// The name of an environment that is a common one with a slip in it.
    #[error("`{word}` looks like a slip of the pen")]
    #[diagnostic(
        code(keysweep::config::environment),
        help("did you mean `{meant}`? If it is a name of your own, say its `tier`")
    )]
    Environment {
        /// As written.
        word: String,
        /// The common name.
        meant: &'static str,
    },
    /// A beginning of keys that all keys have.
    #[error("an entry of `keys` is empty: every key begins so")]
    #[diagnostic(
        code(keysweep::config::empty_key),
        help(
            "write what the environment's keys begin with, as in `keys = [\"PROD_\"]`, or remove the entry"
        )
    )]
    EmptyKey,
    /// An allow entry without a reason.
    #[error("an allow entry has no reason")]
    #[diagnostic(
        code(keysweep::config::reason),
        help("add `reason = \"...\"`: why is this not a leak? Reports show it")
    )]
    NoReason,
    /// An allow entry that allows everything.
    #[error("an allow entry names neither rules nor paths nor values")]
    #[diagnostic(
        code(keysweep::config::selector),
        help(
            "add `rules = [...]`, `paths = [...]` or `values = [...]`; given together, all of them must fit"
        )
    )]
    NoSelector,
    /// A value that is not keyed.
    #[error("an entry of `values` is not a keyed identity")]
    #[diagnostic(
        code(keysweep::config::value),
        help(
            "take the `k1:...` identity out of a JSON report; never write the secret itself here, and rotate it if you did"
        )
    )]
    Value,
    /// Not a day.
    #[error("`expires` is not a day")]
    #[diagnostic(
        code(keysweep::config::expires),
        help("write a date without quotes and time: `expires = 2027-01-31`")
    )]
    Expires,
    /// Not a key.
    #[error("the project key is not 64 hex digits")]
    #[diagnostic(
        code(keysweep::config::key),
        help("make a key with `openssl rand -hex 32`, or remove the line and set KEYSWEEP_KEY")
    )]
    Key,
    /// A cause of skips that cannot be accepted.
    #[error("`{word}` is no gap that can be accepted")]
    #[diagnostic(code(keysweep::config::accept), help("{help}"))]
    Accept {
        /// As written.
        word: String,
        /// The causes that can be.
        help: String,
    },
    /// A baseline without its first line.
    #[error("this is not a keysweep baseline")]
    #[diagnostic(
        code(keysweep::config::baseline_head),
        help(
            "the first line is `# keysweep baseline v1`; make one with `keysweep baseline create`"
        )
    )]
    BaselineHead,
    /// A baseline of a version that this program does not know.
    #[error("the baseline has a version that this program does not know")]
    #[diagnostic(
        code(keysweep::config::baseline_version),
        help("update keysweep, or make a new baseline with `keysweep baseline create`")
    )]
    BaselineVersion,
    /// A baseline that does not say which key its lines are under.
    #[error("the baseline does not say under which key its lines are")]
    #[diagnostic(
        code(keysweep::config::baseline_key),
        help(
            "restore its line `# key = ...` from version control, or make a new one with `keysweep baseline create`"
        )
    )]
    BaselineKey,
    /// A baseline with two keys.
    #[error("the baseline has lines of two keys")]
    #[diagnostic(
        code(keysweep::config::baseline_key),
        help("keep one `# key` line and run `keysweep baseline update`")
    )]
    BaselineKeys,
    /// A line that is none.
    #[error("a line of the baseline {reason}")]
    #[diagnostic(
        code(keysweep::config::baseline_line),
        help(
            "a line is `k1:<32 hex digits> <rule-id> <path>`; after a merge conflict keep the lines of both sides"
        )
    )]
    BaselineLine {
        /// What is wrong.
        reason: &'static str,
    },
}

impl Fault {
    /// Returns what the span in the file is.
    const fn label(&self) -> &'static str {
        match self {
            Self::Syntax { .. } | Self::BaselineHead | Self::BaselineKey => "here",
            Self::Unknown { .. } => "not known here",
            Self::NoSuchRule { .. } => "no such rule",
            Self::Glob { .. } => "this glob",
            Self::Tier { .. } => "this tier",
            Self::Environment { .. } => "this name",
            Self::EmptyKey => "this entry",
            Self::NoReason | Self::NoSelector => "this entry",
            Self::Value => "this value",
            Self::Expires => "not a day",
            Self::Key => "this key",
            Self::Accept { .. } => "this cause",
            Self::BaselineVersion => "this version",
            Self::BaselineKeys => "another key",
            Self::BaselineLine { .. } => "this line",
        }
    }

    /// Tells whether what stands at the fault may be a secret of any form: it is masked as a whole.
    const fn hides_its_text(&self) -> bool {
        matches!(self, Self::Value | Self::Key | Self::BaselineLine { .. })
    }
}

/// A fault and its place. The other faults of the same file hang on the first.
#[derive(Debug, thiserror::Error)]
#[error("{}", quotable(&fault.to_string()))]
pub struct ContentError {
    /// What is wrong.
    pub fault: Fault,
    source_code: NamedSource<Arc<str>>,
    span: SourceSpan,
    others: Vec<ContentError>,
}

impl Diagnostic for ContentError {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.fault.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let help = self.fault.help()?.to_string();
        Some(Box::new(quotable(&help)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label =
            LabeledSpan::new_primary_with_span(Some(self.fault.label().to_owned()), self.span);
        Some(Box::new(std::iter::once(label)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.others.iter().map(|e| e as &dyn Diagnostic)))
    }
}

/// Returns the path as text that is safe on a terminal.
pub(super) fn safe(path: &Path) -> String {
    BlobPath::new(path.as_os_str().as_encoded_bytes()).to_string()
}

/// A fault with its span, before the file's text is attached.
pub(super) type Located = (Fault, Range<usize>);

/// Most faults of one file that are shown.
const MAX_FAULTS: usize = 20;

/// Makes one error of all faults of a file; `None` if there are none.
pub(super) fn collect(name: &str, text: &str, faults: Vec<Located>) -> Option<ConfigError> {
    let mut shown = quotable(text);
    for (fault, span) in &faults {
        let stretch = shown.get(span.clone()).unwrap_or_default();
        if fault.hides_its_text() && !stretch.is_empty() {
            // Of a character of several bytes each becomes a star: spans stay right.
            let stars: String = stretch
                .bytes()
                .map(|b| if b == b'\n' { '\n' } else { '*' })
                .collect();
            shown.replace_range(span.clone(), &stars);
        }
    }
    let shown: Arc<str> = shown.into();
    let mut errors = faults
        .into_iter()
        .take(MAX_FAULTS)
        .map(|(fault, span)| ContentError {
            fault,
            source_code: NamedSource::new(name, Arc::clone(&shown)),
            span: (span.start.min(shown.len())..span.end.min(shown.len())).into(),
            others: Vec::new(),
        });
    let mut first = errors.next()?;
    first.others = errors.collect();
    Some(ConfigError::Content(Box::new(first)))
}

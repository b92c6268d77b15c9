//! What can be wrong with a rule, and where. Every fault has a code, a help line and a span in the TOML text.

use std::{ops::Range, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::model::quotable;

/// A fault of a rule or a rule file.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Diagnostic)]
pub enum Fault {
    /// Not TOML, a key of the wrong type, or a key missing.
    #[error("cannot read the rules: {message}")]
    #[diagnostic(
        code(keysweep::rules::syntax),
        help("docs/rules.md shows every key of a rule and its type")
    )]
    Syntax {
        /// The parser's word.
        message: String,
    },
    /// A key or a word that does not exist.
    #[error("cannot read the rules: {message}")]
    #[diagnostic(code(keysweep::rules::unknown), help("{suggestion}"))]
    Unknown {
        /// The parser's word.
        message: String,
        /// Near names.
        suggestion: String,
    },
    /// The id has a wrong form.
    #[error("the rule id `{id}` {reason}")]
    #[diagnostic(
        code(keysweep::rules::id),
        help("write the id in kebab-case, after the family: `{family}-api-key`")
    )]
    Id {
        /// As written.
        id: String,
        /// What is wrong.
        reason: &'static str,
        /// The family of the file.
        family: String,
    },
    /// Two rules have one id.
    #[error("the rule id `{id}` is already taken")]
    #[diagnostic(
        code(keysweep::rules::duplicate),
        help(
            "choose another id; to replace a built-in rule, add its id to `disable` under [catalogue] in your keysweep.toml as well"
        )
    )]
    Duplicate {
        /// The id.
        id: String,
    },
    /// More rules than a configuration may have.
    #[error("there are more than {limit} rules")]
    #[diagnostic(
        code(keysweep::rules::too_many),
        help("join rules of one provider by alternatives in `pattern`, or drop some")
    )]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The regex does not compile.
    #[error("the pattern of `{id}` is not a regular expression: {reason}")]
    #[diagnostic(
        code(keysweep::rules::pattern),
        help("patterns are Rust regexes over bytes, without look-around and back-references")
    )]
    Pattern {
        /// The rule.
        id: String,
        /// The regex parser's word.
        reason: String,
    },
    /// The regex can match any number of bytes.
    #[error("the pattern of `{id}` has no bound")]
    #[diagnostic(
        code(keysweep::rules::bound),
        help(
            "write how many there can be at most: `{{16,256}}` in place of `+`, `*` or `{{16,}}`"
        )
    )]
    Unbounded {
        /// The rule.
        id: String,
    },
    /// The regex can match more than a window holds.
    #[error("the pattern of `{id}` can match {len} bytes")]
    #[diagnostic(
        code(keysweep::rules::bound),
        help("keep it at or below {limit} bytes: lower the counts in braces")
    )]
    TooLong {
        /// The rule.
        id: String,
        /// The longest match.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// None of the three shapes fits.
    #[error("nothing in the pattern of `{id}` can be searched for")]
    #[diagnostic(
        code(keysweep::rules::shape),
        help(
            "start every alternative with at least 3 fixed characters out of [A-Za-z0-9_-], or add a `context` list \
             (words in the name of the value) or a `markers` list (texts that stand in every match)"
        )
    )]
    NoShape {
        /// The rule.
        id: String,
    },
    /// Keys that do not go together, or that need each other.
    #[error("rule `{id}`: {reason}")]
    #[diagnostic(code(keysweep::rules::combination), help("{help}"))]
    Combination {
        /// The rule.
        id: String,
        /// What does not fit.
        reason: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// An entry of `context` that can never match.
    #[error("`{word}` cannot be an entry of `context` in `{id}`")]
    #[diagnostic(
        code(keysweep::rules::context),
        help("names are compared in lower case without separators: write `{normal}`")
    )]
    Context {
        /// The rule.
        id: String,
        /// As written.
        word: String,
        /// Normalised.
        normal: String,
    },
    /// A marker that is too short.
    #[error("the marker `{marker}` of `{id}` is shorter than 3 bytes")]
    #[diagnostic(
        code(keysweep::rules::marker),
        help("take a longer text that stands in every match, or list the spellings that occur")
    )]
    Marker {
        /// The rule.
        id: String,
        /// As written.
        marker: String,
    },
    /// The distance of `near` is out of range.
    #[error("`near` of `{id}` looks {within} bytes far")]
    #[diagnostic(
        code(keysweep::rules::near),
        help("set `within` to a number from 1 to 2000")
    )]
    Near {
        /// The rule.
        id: String,
        /// As written.
        within: usize,
    },
    /// A floor that real secrets cannot reach.
    #[error(
        "the entropy floor {floor} of `{id}` is too high: a random secret of this pattern has {typical:.2} bits per byte"
    )]
    #[diagnostic(
        code(keysweep::rules::entropy),
        help("set `entropy` to {advised:.1} or lower, or leave it out")
    )]
    Entropy {
        /// The rule.
        id: String,
        /// As written.
        floor: f64,
        /// What a random secret of the pattern's longest form has on average.
        typical: f64,
        /// The highest floor that is accepted.
        advised: f64,
    },
    /// A floor that is no number of bits per byte.
    #[error("the entropy floor {floor} of `{id}` is no number of bits per byte")]
    #[diagnostic(
        code(keysweep::rules::entropy),
        help("write a number between 0 and 8, such as 3.0")
    )]
    EntropyRange {
        /// The rule.
        id: String,
        /// As written.
        floor: f64,
    },
    /// A glob that does not compile.
    #[error("`{glob}` in `paths` of `{id}` is not a glob: {reason}")]
    #[diagnostic(
        code(keysweep::rules::paths),
        help("write patterns such as `**/.netrc` or `*.tfstate`")
    )]
    Glob {
        /// The rule.
        id: String,
        /// As written.
        glob: String,
        /// The glob parser's word.
        reason: String,
    },
    /// A text that reports need is missing or has the wrong form.
    #[error("`{key}` of `{id}` {reason}")]
    #[diagnostic(
        code(keysweep::rules::text),
        help(
            "description: one noun phrase without a full stop; remediation: what to do, as sentences; source: the vendor's page"
        )
    )]
    Text {
        /// The rule.
        id: String,
        /// Which key.
        key: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A CWE number that is none of the credential weaknesses.
    #[error("CWE-{cwe} of `{id}` is not about credentials")]
    #[diagnostic(
        code(keysweep::rules::cwe),
        help(
            "798 hard-coded credentials, 321 hard-coded key, 259 hard-coded password, 522 insufficiently protected credentials"
        )
    )]
    Cwe {
        /// The rule.
        id: String,
        /// As written.
        cwe: u32,
    },
    /// Too few examples.
    #[error("rule `{id}` has {positive} positive and {negative} negative examples")]
    #[diagnostic(
        code(keysweep::rules::examples),
        help(
            "give at least two positive examples in different surroundings and one negative that is close to a positive"
        )
    )]
    Examples {
        /// The rule.
        id: String,
        /// How many.
        positive: usize,
        /// How many.
        negative: usize,
    },
    /// An example that does not expand.
    #[error("an example of `{id}` {reason}")]
    #[diagnostic(
        code(keysweep::rules::example),
        help(
            "docs/rules.md, section Examples, lists what may stand in `%{{...}}`; `«` and `»` enclose the secret of a positive"
        )
    )]
    Example {
        /// The rule.
        id: String,
        /// What is wrong.
        reason: String,
    },
}

impl Fault {
    /// Returns what the span in the file is.
    const fn label(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "here",
            Self::Unknown { .. } => "not known here",
            Self::Id { .. } => "this id",
            Self::Duplicate { .. } => "taken by a rule before",
            Self::TooMany { .. } => "one too many",
            Self::Pattern { .. } => "not understood",
            Self::Unbounded { .. } => "no upper bound",
            Self::TooLong { .. } | Self::NoShape { .. } => "this pattern",
            Self::Combination { .. } => "does not fit",
            Self::Context { .. } => "never matches a name",
            Self::Marker { .. } => "too short",
            Self::Near { .. } => "not from 1 to 2000",
            Self::Entropy { .. } | Self::EntropyRange { .. } => "this floor",
            Self::Glob { .. } => "this glob",
            Self::Text { .. } => "this text",
            Self::Cwe { .. } => "this number",
            Self::Examples { .. } => "this rule",
            Self::Example { .. } => "this example",
        }
    }
}

/// A fault and its place in a rule file. The other faults of the same file hang on the first.
#[derive(Debug, thiserror::Error)]
#[error("{}", quotable(&fault.to_string()))]
pub struct RuleError {
    /// What is wrong.
    pub fault: Box<Fault>,
    source_code: NamedSource<Arc<str>>,
    span: SourceSpan,
    others: Vec<RuleError>,
}

impl RuleError {
    /// Returns how many faults the file has.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }
}

impl Diagnostic for RuleError {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.fault.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        // Help lines may name what stands in the file.
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

/// A fault with its span, before the file's text is attached.
pub(super) type Located = (Fault, Range<usize>);

/// Makes one error of all faults of a file; `None` if there are none.
pub(super) fn collect(name: &str, text: &str, faults: Vec<Located>) -> Option<RuleError> {
    // Rules may come from a scanned tree: what is quoted of the file is masked.
    let shown: Arc<str> = quotable(text).into();
    let mut errors = faults.into_iter().map(|(fault, span)| RuleError {
        fault: Box::new(fault),
        source_code: NamedSource::new(name, Arc::clone(&shown)).with_language("TOML"),
        span: (span.start.min(shown.len())..span.end.min(shown.len())).into(),
        others: Vec::new(),
    });
    let mut first = errors.next()?;
    first.others = errors.collect();
    Some(first)
}

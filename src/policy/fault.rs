//! What lints tell: faults of one file, facts about a file for lints that need all files, and faults that come of those.

use std::{fmt, ops::Range};

use crate::model::{BlobPath, Confidence, Digest, Location, Severity};

use super::{
    lint::{LintMeta, Persona},
    reuse::Site,
};

/// One fault in a file.
#[derive(Clone)]
pub struct Fault {
    /// By which lint.
    pub lint: &'static LintMeta,
    /// How bad it is here.
    pub severity: Severity,
    /// How sure it is here.
    pub confidence: Confidence,
    /// The least persona that is shown it.
    pub persona: Persona,
    /// The bytes to point at. Inline markers on their lines count.
    pub span: Range<usize>,
    /// One sentence for people: what is wrong here. Names of variables, keys and commands may stand in it, values never.
    pub message: String,
    /// The bytes of the secret value itself, if it stands in the file: it is masked wherever the report would show it, and a finding of a
    /// secret rule in the same place is the owner of both facts.
    pub secret: Option<Range<usize>>,
    /// Further places in the same file.
    pub related: Vec<(Range<usize>, String)>,
    /// What makes this fault another one than others of the same lint and file: names and keys, no line, no value. The
    /// identity of the finding, stable when the file around changes.
    pub subject: String,
    /// How it can be mended.
    pub fix: Option<Fix>,
}

impl Fault {
    /// A fault with all that its lint says of it: `subject` as in [`Self::subject`].
    #[must_use]
    pub fn new(
        lint: &'static LintMeta,
        span: Range<usize>,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            lint,
            severity: lint.severity,
            confidence: lint.confidence,
            persona: lint.persona,
            span,
            message: message.into(),
            secret: None,
            related: Vec::new(),
            subject: subject.into(),
            fix: None,
        }
    }

    /// Gives it another severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Gives it another confidence.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// Shows it to this persona and those beyond only.
    #[must_use]
    pub fn persona(mut self, persona: Persona) -> Self {
        self.persona = persona;
        self
    }

    /// Says where the secret value stands.
    #[must_use]
    pub fn secret(mut self, span: Range<usize>) -> Self {
        self.secret = Some(span);
        self
    }

    /// Adds a further place.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, message: impl Into<String>) -> Self {
        self.related.push((span, message.into()));
        self
    }

    /// Adds a way to mend it.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("lint", &self.lint.id)
            .field("severity", &self.severity)
            .field("span", &self.span)
            .field("subject", &self.subject)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// How far a fix can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FixClass {
    /// No edit: the message says what to do.
    None,
    /// Changes what the file does; a person must look at it.
    Unsafe,
    /// Keeps what the file does, and its comments.
    Safe,
}

/// Edits that mend a fault. They never print, move or copy a secret value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Whether it may be done without a person.
    pub class: FixClass,
    /// What it does: a phrase such as "pass the secret by the step's environment".
    pub title: String,
    /// Edits that do not overlap.
    pub edits: Vec<Edit>,
}

/// One replacement of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Another file than the one the fault is in, by its path from the root, to which `text` is appended; it is made if it is missing.
    pub append_to: Option<String>,
    /// The bytes that are replaced.
    pub span: Range<usize>,
    /// By what.
    pub text: String,
}

impl Edit {
    /// Replaces bytes of the file the fault is in.
    #[must_use]
    pub fn replace(span: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            append_to: None,
            span,
            text: text.into(),
        }
    }
}

/// Something about one file that lints of all files need.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The bytes to point at if a fault comes of it.
    pub span: Range<usize>,
    /// The bytes of a secret value, as in [`Fault::secret`].
    pub secret: Option<Range<usize>>,
    /// What it says.
    pub data: FactData,
}

/// What a fact says. A lint of all files adds the variant that it needs; facts hold no values.
#[derive(Clone, Debug)]
pub enum FactData {
    /// A value, or a store's address, at a place with an environment: for `reuse`.
    Site(Box<Site>),
    /// A secret that a job of a pipeline reads.
    JobSecret(Box<super::lint::JobSecret>),
    /// Something that two or more files of the same tool must be compared for: (tool-specific topic, subject, attributes).
    Item(Box<super::lint::Item>),
}

/// A fact after its file was dropped.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The file.
    pub path: BlobPath,
    /// The place.
    pub location: Location,
    /// The keyed identity of the secret value, if there is one.
    pub digest: Option<Digest>,
    /// What it says.
    pub data: FactData,
    /// What history says of it.
    pub past: Past,
}

/// What history says of a fact's value; nothing where no history is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Whether it stands in earlier versions of its file alone, not in the file as it is.
    pub only: bool,
    /// How many days ago the first commit with the value was made, wherever it stood then.
    pub age_days: Option<u32>,
}

/// Where a fault of all files points.
#[derive(Clone, Debug)]
pub enum Pointer {
    /// At a fact, by its number.
    Fact(usize),
    /// At a file as a whole, by its path: its first line.
    File(BlobPath),
}

/// One fault that only several files together tell.
#[derive(Clone, Debug)]
pub struct CrossFault {
    /// By which lint.
    pub lint: &'static LintMeta,
    /// How bad it is here.
    pub severity: Severity,
    /// How sure it is here.
    pub confidence: Confidence,
    /// The least persona that is shown it.
    pub persona: Persona,
    /// Where it is reported.
    pub primary: Pointer,
    /// The other places, in the order in which they are told, each with a phrase.
    pub related: Vec<(Pointer, String)>,
    /// As [`Fault::message`]. `[text](n)` links to the n-th related place, from 1.
    pub message: String,
    /// As [`Fault::subject`].
    pub subject: String,
    /// As [`Fault::fix`].
    pub fix: Option<Fix>,
    /// Further facts for machines: name and value, no secret.
    pub properties: Vec<(&'static str, String)>,
}

//! What a lint is, and what it sees.

use std::{collections::BTreeSet, ops::Range};

use crate::model::{BlobPath, Confidence, DigestKey, Severity};

use super::{
    environment::Environments,
    fault::{CrossFault, Fact, Fault, FixClass, Gathered},
    kind::FileKind,
    node::Node,
    readers::{dockerfile::Dockerfile, dotenv::Line, hcl::Body, xml::Element},
};

pub use crate::model::Persona;

/// A tree of files that shows a lint at work: path and text of each. Values are made up. A path such as `400 days ago: deploy/prod.env`
/// stands for the earlier version of a file, which only lints that look at history know.
pub type Example = &'static [(&'static str, &'static str)];

/// What is known of a lint. From this come `rules list`, the rules in SARIF, docs/policy.md and the two tests of each example.
#[derive(Debug)]
pub struct LintMeta {
    /// Stable kebab-case name of the fault.
    pub id: &'static str,
    /// What is wrong: one noun phrase or short sentence without a full stop.
    pub title: &'static str,
    /// The tool it is about, as its vendor writes it.
    pub tool: &'static str,
    /// How bad it is as a rule.
    pub severity: Severity,
    /// How sure it is as a rule.
    pub confidence: Confidence,
    /// The least persona that is shown it.
    pub persona: Persona,
    /// Standards and vendors' pages that say so.
    pub sources: &'static [&'static str],
    /// CWE number.
    pub cwe: u32,
    /// The best fix it may offer.
    pub fix: FixClass,
    /// Why it matters: one or two sentences.
    pub why: &'static str,
    /// What to do instead: one or two sentences.
    pub help: &'static str,
    /// Trees in which it fires exactly once, and, for the regular persona, nothing else does but at info.
    pub bad: &'static [Example],
    /// Trees in which no lint fires: the good form, and the traps.
    pub good: &'static [Example],
}

/// A file as a tree with byte spans.
pub enum Syntax {
    /// Documents of YAML (several in one file), JSON and TOML (one).
    Tree(Vec<Node>),
    /// HCL: Terraform, `OpenTofu`, Terragrunt, Packer.
    Hcl(Body),
    /// A Dockerfile.
    Docker(Dockerfile),
    /// dotenv, properties, ini; also what could not be read as its own kind.
    Lines(Vec<Line>),
    /// XML.
    Xml(Element),
    /// Program text and whatever has no tree.
    Text,
}

/// One file on its way through the lints.
pub struct Document<'d> {
    /// Its path from the root of what is scanned, with `/`; bytes that are not UTF-8 replaced.
    pub path: &'d str,
    /// What it is.
    pub kind: FileKind,
    /// Its text.
    pub text: &'d str,
    /// Its tree.
    pub syntax: Syntax,
}

impl Document<'_> {
    /// Returns the YAML, JSON or TOML documents; none of anything else.
    #[must_use]
    pub fn trees(&self) -> &[Node] {
        match &self.syntax {
            Syntax::Tree(trees) => trees,
            _ => &[],
        }
    }

    /// Returns the lines of a dotenv, properties or ini file, or of one that could not be read as its own kind.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        match &self.syntax {
            Syntax::Lines(lines) => lines,
            _ => &[],
        }
    }

    /// Returns the file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// What a lint of one file may use beside the file, and where it puts what it finds.
pub struct Context<'c> {
    /// Identities of values.
    pub key: &'c DigestKey,
    /// Which environments and services paths belong to.
    pub environments: &'c Environments,
    /// Faults so far.
    pub faults: Vec<Fault>,
    /// Facts so far.
    pub facts: Vec<Fact>,
    /// The bytes of values that are told of nowhere and must not be shown beside others.
    pub hidden: Vec<Range<usize>>,
    /// Why a lint could not read the file: a phrase without content of it.
    pub unread: Option<String>,
}

impl Context<'_> {
    /// Tells a fault.
    pub fn tell(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Says where a value stands that must not be shown, whether it is told of or not.
    pub fn hide(&mut self, value: Range<usize>) {
        self.hidden.push(value);
    }

    /// Keeps a fact.
    pub fn note(&mut self, fact: Fact) {
        self.facts.push(fact);
    }
}

/// A secret that a job of a pipeline reads: what rules of jobs compare.
#[derive(Clone, Debug)]
pub struct JobSecret {
    /// `secrets.NAME` of GitHub, the variable of GitLab.
    pub name: String,
    /// The job.
    pub job: String,
    /// The environment that the job declares, as written.
    pub environment: Option<String>,
    /// Whether code of a pull or merge request may run in it.
    pub from_requests: bool,
    /// Whether such code runs with the rights of the target (`pull_request_target`, `workflow_run`).
    pub trusted_requests: bool,
    /// Whether it deploys to production.
    pub production: bool,
    /// The tool.
    pub kind: FileKind,
}

/// Something that files are compared for, of any tool.
#[derive(Clone, Debug)]
pub struct Item {
    /// The lint, or the topic that several share.
    pub topic: &'static str,
    /// What it is about.
    pub subject: String,
    /// More: name and value, no secret.
    pub attributes: Vec<(&'static str, String)>,
}

/// All files together.
pub struct Index<'i> {
    /// The paths of all files that were read, policy's or not, sorted.
    pub paths: &'i BTreeSet<BlobPath>,
    /// Facts by path and place.
    pub facts: &'i [Gathered],
    /// See [`Context::environments`].
    pub environments: &'i Environments,
    /// Whether all files of the tree were seen, not only some that changed.
    pub whole: bool,
    /// Whether a fact, by its number, is part of what changed, in runs that look at changes; elsewhere every one is. What changed is where a
    /// fault is told: a lint whose message differs from end to end chooses its first place by this.
    pub changed: &'i dyn Fn(usize) -> bool,
}

/// A policy check. One file a lint or a tight family.
pub(crate) trait Lint: Sync {
    /// What it tells: one entry a rule id.
    fn metas(&self) -> &'static [&'static LintMeta];

    /// Looks at one file.
    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let _ = (document, context);
    }

    /// Looks at all files together, once, after the last one.
    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let _ = (index, out);
    }
}

//! From a file to its faults and facts: read it as its kind, refine the kind by its content, run the lints.

use std::{borrow::Cow, cmp::Reverse, ops::Range};

use crate::model::{BlobPath, DigestKey};

use super::{
    encoding::{self, Wide},
    environment::Environments,
    fault::{Fact, FactData, Fault},
    gaps, gate,
    kind::{self, FileKind},
    lint::{Context, Document, Syntax},
    owner, patches,
    readers::{dockerfile, dotenv, hcl, json, toml, xml, yaml},
    registry, reuse,
};

/// Largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 4 << 20;

/// Most faults of one file that are told: a file with more is not mended one by one.
const MAX_FAULTS: usize = 10_000;

/// Something about a file that its reader could not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// A phrase without content of the file: `no YAML at line 3: read line by line`.
    pub text: String,
    /// Whether something that lints look for may stand there unseen, in a file that is a tool's by its name: the run is not complete.
    pub is_gap: bool,
}

impl Note {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_gap: false,
        }
    }

    /// What was not looked at in a file of a kind.
    fn unread(kind: FileKind, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_gap: !is_general(kind),
        }
    }
}

/// What came of one file.
#[derive(Debug, Default)]
pub struct Reading {
    /// Faults in the order of their spans.
    pub faults: Vec<Fault>,
    /// Facts for lints of all files.
    pub facts: Vec<Fact>,
    /// The bytes of all values that lints know, of faults that are not shown, too.
    pub values: Vec<Range<usize>>,
    /// What could not be read as its kind.
    pub note: Option<Note>,
}

/// Returns the kind of a file by its path, if any lint reads it.
#[must_use]
pub fn wants(path: &BlobPath) -> Option<FileKind> {
    kind::by_path(&String::from_utf8_lossy(path.as_bytes()))
}

/// Returns the kind of a file by its path, if the values in it are compared with those of others: of its earlier versions no more is read.
#[must_use]
pub fn keeps_values(path: &BlobPath) -> Option<FileKind> {
    let text = String::from_utf8_lossy(path.as_bytes());
    kind::by_path(&text).filter(|kind| reuse::may_keep(&text, *kind))
}

/// Tells whether a file of this name may be one for which [`keeps_values`] holds, whatever its folders are.
#[must_use]
pub fn may_keep_values(name: &[u8]) -> bool {
    // Folders decide over names without an ending, and over these.
    !name.contains(&b'.')
        || matches!(name, b"config.json" | b"credentials")
        || keeps_values(&BlobPath::new(name)).is_some()
}

/// Reads one file as the kind that [`keeps_values`] told and returns the values in it, and nothing else: what [`read`] says of them.
#[must_use]
pub fn values(
    path: &BlobPath,
    kind: FileKind,
    bytes: &[u8],
    key: &DigestKey,
    environments: &Environments,
) -> Vec<Fact> {
    let reader = Reader {
        path: &String::from_utf8_lossy(path.as_bytes()),
        key,
        environments,
        shows: &|_| true,
    };
    let reading = match Wide::read(bytes) {
        Some(wide) => wide.moved(reader.values(kind, wide.text.as_bytes())),
        None => reader.values(kind, bytes),
    };
    reading.facts
}

/// Reads one file as the kind that [`wants`] told and runs all lints over it.
#[must_use]
pub fn read(
    path: &BlobPath,
    kind: FileKind,
    bytes: &[u8],
    key: &DigestKey,
    environments: &Environments,
) -> Reading {
    read_for(path, kind, bytes, key, environments, &|_| true)
}

/// Does what [`read`] does for a reader who is shown only some faults: the others take the place of none.
#[must_use]
pub fn read_for(
    path: &BlobPath,
    kind: FileKind,
    bytes: &[u8],
    key: &DigestKey,
    environments: &Environments,
    shows: &dyn Fn(&Fault) -> bool,
) -> Reading {
    let reader = Reader {
        path: &String::from_utf8_lossy(path.as_bytes()),
        key,
        environments,
        shows,
    };
    match Wide::read(bytes) {
        Some(wide) => wide.moved(reader.read(kind, wide.text.as_bytes())),
        None => reader.read(kind, bytes),
    }
}

/// Reads files of one path.
struct Reader<'r> {
    path: &'r str,
    key: &'r DigestKey,
    environments: &'r Environments,
    shows: &'r dyn Fn(&Fault) -> bool,
}

impl Reader<'_> {
    fn read(&self, kind: FileKind, bytes: &[u8]) -> Reading {
        let bytes = &*without_mark(bytes);
        if !gate::passes(kind, self.path, bytes) {
            return Reading::default();
        }
        let text = match encoding::patched(bytes) {
            Some(text) => text,
            // A store in binary form has no places: its lint tells it as a whole.
            None if kind == FileKind::KeyFile => String::from_utf8_lossy(bytes),
            None => {
                return Reading {
                    note: Some(Note::unread(kind, "no text: policy did not read it")),
                    ..Reading::default()
                };
            }
        };
        self.run(kind, &text)
    }

    /// Reads the values alone.
    fn values(&self, kind: FileKind, bytes: &[u8]) -> Reading {
        let bytes = &*without_mark(bytes);
        let mut reading = Reading::default();
        if let Some(text) = encoding::patched(bytes)
            && gate::passes(kind, self.path, bytes)
        {
            let mut context = self.context();
            reuse::collect(&self.document(kind, &text).0, &mut context);
            gaps::take();
            reading.facts = context.facts;
            reading.facts.retain(|fact| match &fact.data {
                FactData::Site(site) => site.prints().is_some(),
                FactData::JobSecret(_) | FactData::Item(_) => false,
            });
        }
        reading
    }

    /// Knows nothing yet.
    fn context(&self) -> Context<'_> {
        Context {
            key: self.key,
            environments: self.environments,
            faults: Vec::new(),
            facts: Vec::new(),
            hidden: Vec::new(),
            unread: None,
        }
    }

    /// Reads a text as its kind, line by line if it is none, and says why.
    fn document<'d>(&'d self, kind: FileKind, text: &'d str) -> (Document<'d>, Option<Note>) {
        let (syntax, note) = match parse(kind, text) {
            Ok(syntax) => (syntax, None),
            // Most templates of Helm are no YAML before they are filled in: that is no gap to tell of.
            Err(_) if kind == FileKind::HelmTemplate => {
                (Syntax::Lines(dotenv::fallback(text)), None)
            }
            Err(reason) => (
                Syntax::Lines(dotenv::fallback(text)),
                Some(Note::new(format!("{reason}: read line by line"))),
            ),
        };
        let mut syntax = syntax;
        let kind = match &mut syntax {
            Syntax::Tree(trees) => {
                let kind = kind::by_content(kind, trees);
                if matches!(kind, FileKind::Kustomization | FileKind::Kubernetes) {
                    let patches = patches::inline(trees);
                    trees.extend(patches);
                }
                let patches = match kind {
                    FileKind::Yaml => patches::whole(trees),
                    _ => Vec::new(),
                };
                if patches.is_empty() {
                    kind
                } else {
                    trees.extend(patches);
                    FileKind::Kubernetes
                }
            }
            _ => kind,
        };
        let document = Document {
            path: self.path,
            kind,
            text,
            syntax,
        };
        (document, note)
    }

    /// Runs all lints over a text.
    fn run(&self, kind: FileKind, text: &str) -> Reading {
        gaps::take();
        let (document, note) = self.document(kind, text);
        let kind = document.kind;
        let mut context = self.context();
        for lint in registry::lints() {
            lint.document(&document, &mut context);
        }
        let gap = gaps::take();
        let note = match note {
            Some(note) => Some(Note {
                is_gap: gap.is_some() && !is_general(kind),
                ..note
            }),
            None => {
                let unread = context.unread.or(gap.map(str::to_owned));
                unread.map(|text| Note::unread(kind, text))
            }
        };
        let mut reading = Reading {
            values: context.hidden,
            faults: context.faults,
            facts: context.facts,
            note,
        };
        let told = reading.faults.iter();
        let values = told.filter_map(|fault| fault.secret.clone());
        reading.values.extend(values);
        reading.faults.retain(self.shows);
        bound(&mut reading);
        reading
    }
}

/// Returns blanks instead of a byte order mark: offsets stay those of the file.
fn without_mark(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => Cow::Owned([b"   ", rest].concat()),
        None => Cow::Borrowed(bytes),
    }
}

/// Sorts faults, drops those that others own, and those of a file that has more than can be told.
fn bound(reading: &mut Reading) {
    tidy(&mut reading.faults);
    if reading.faults.len() > MAX_FAULTS {
        // The worst stay, so that many mild ones hide none of them.
        reading.faults.sort_by_key(|fault| Reverse(fault.severity));
        reading.faults.truncate(MAX_FAULTS);
        tidy(&mut reading.faults);
        let note = format!("more than {MAX_FAULTS} faults of policy: the rest is not told");
        reading.note.get_or_insert(Note::new(note));
    }
    owner::settle(&mut reading.faults);
}

/// Sorts faults by their places and drops those that an alias or a second way to the same place told twice.
fn tidy(faults: &mut Vec<Fault>) {
    // Of two at one place the worse stands.
    let order = |fault: &Fault| {
        let Range { start, end } = fault.span;
        (start, end, fault.lint.id, Reverse(fault.severity))
    };
    faults.sort_by_key(order);
    faults.dedup_by(|a, b| a.lint.id == b.lint.id && a.span == b.span);
}

/// Tells whether files of a kind hold anything: settings, data or programs. Others are a tool's by their names.
#[must_use]
pub const fn is_general(kind: FileKind) -> bool {
    matches!(
        kind,
        FileKind::Yaml
            | FileKind::Json
            | FileKind::Toml
            | FileKind::Xml
            | FileKind::Properties
            | FileKind::Shell
            | FileKind::Makefile
            | FileKind::Python
            | FileKind::JavaScript
            | FileKind::TypeScript
            | FileKind::Tsx
            | FileKind::Go
    )
}

/// Returns a text of YAML with blanks in place of the documents that define Kubernetes' own kinds: they hold schemas and no values, and
/// are most of what operators commit.
fn without_schemas(text: &str) -> Cow<'_, str> {
    const DEFINITION: &str = "kind: CustomResourceDefinition";
    if memchr::memmem::find(text.as_bytes(), DEFINITION.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let is_schema = |document: &str| {
        // Names in quotes and braces at the left edge may be a kind, too: no tool writes those.
        let is_plain = !document
            .lines()
            .any(|line| line.starts_with(['"', '\'', '?', '{', '<', '&', '*', '!']));
        let is_kind = |line: &&str| {
            let rest = line.strip_prefix("kind").unwrap_or_default();
            rest.trim_start().starts_with(':')
        };
        let mut kinds = document
            .lines()
            .filter(is_kind)
            .take(if is_plain { 2 } else { 0 });
        kinds
            .next()
            .is_some_and(|kind| kind.trim_end() == DEFINITION)
            && kinds.next().is_none()
    };
    let mut starts: Vec<usize> = memchr::memmem::find_iter(text.as_bytes(), b"\n---")
        .map(|at| at + 1)
        .filter(|at| {
            let rest = text.get(at + 3..).unwrap_or_default();
            rest.is_empty() || rest.starts_with(char::is_whitespace)
        })
        .collect();
    starts.insert(0, 0);
    starts.push(text.len());
    let mut bytes = text.as_bytes().to_vec();
    for pair in starts.windows(2) {
        let &[start, end] = pair else { continue };
        if text.get(start..end).is_some_and(is_schema) {
            for byte in bytes.get_mut(start..end).unwrap_or_default() {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn parse(kind: FileKind, text: &str) -> Result<Syntax, String> {
    Ok(match kind {
        FileKind::GithubWorkflow
        | FileKind::GithubAction
        | FileKind::GitlabCi
        | FileKind::CircleCi
        | FileKind::AzurePipelines
        | FileKind::BitbucketPipelines
        | FileKind::Compose
        | FileKind::Kubernetes
        | FileKind::HelmValues
        | FileKind::Kustomization
        | FileKind::Pulumi
        | FileKind::Ansible
        | FileKind::CloudFormation
        | FileKind::Arm => Syntax::Tree(yaml::read(text)?),
        FileKind::Yaml => Syntax::Tree(yaml::read(&without_schemas(text))?),
        FileKind::HelmTemplate => Syntax::Tree(yaml::read(&super::lints::helm::masked(text))?),
        FileKind::Serverless => serverless(text)?,
        // Both have a form in JSON, of which no file of HCL can be.
        FileKind::Terraform | FileKind::Tfvars if text.trim_start().starts_with('{') => {
            Syntax::Tree(vec![json::read(text)?])
        }
        FileKind::Terraform | FileKind::Hcl | FileKind::Tfvars => Syntax::Hcl(hcl::read(text)?),
        FileKind::Dockerfile => Syntax::Docker(dockerfile::read(text)?),
        FileKind::Dotenv => Syntax::Lines(dotenv::read(text)),
        FileKind::Properties => Syntax::Lines(dotenv::properties(text)),
        FileKind::Toml => Syntax::Tree(vec![toml::read(text)?]),
        FileKind::Json => Syntax::Tree(vec![json::read(text)?]),
        FileKind::Xml => Syntax::Xml(xml::read(text)?),
        FileKind::Ignore
        | FileKind::KeyFile
        | FileKind::Jenkinsfile
        | FileKind::Shell
        | FileKind::Makefile
        | FileKind::Python
        | FileKind::JavaScript
        | FileKind::TypeScript
        | FileKind::Tsx
        | FileKind::Go => Syntax::Text,
    })
}

/// The settings of platforms come in three formats.
fn serverless(text: &str) -> Result<Syntax, String> {
    if text.trim_start().starts_with('{') {
        return Ok(Syntax::Tree(vec![json::read(text)?]));
    }
    yaml::read(text)
        .ok()
        .filter(|trees| trees.iter().any(|tree| !tree.entries().is_empty()))
        .map_or_else(
            || Ok(Syntax::Tree(vec![toml::read(text)?])),
            |trees| Ok(Syntax::Tree(trees)),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_of_kinds_are_blank_and_offsets_stay() {
        let text = "kind: CustomResourceDefinition\na: é\n---\nkind: Secret\n---\nkind: CustomResourceDefinition\nkind: Pod\n";
        let left = without_schemas(text);
        assert_eq!(left.len(), text.len());
        assert_eq!(left.find("---"), text.find("---"));
        assert!(left.contains("kind: Secret") && left.contains("kind: Pod"));
        assert_eq!(left.matches("CustomResourceDefinition").count(), 1);
    }
}

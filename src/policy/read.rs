//! From a file to its faults and facts: read it as its kind, refine the kind by its content, run the lints.

use std::{borrow::Cow, cmp::Reverse, sync::OnceLock};

use aho_corasick::AhoCorasick;

use crate::model::{BlobPath, DigestKey};

use super::{
    environment::Environments,
    fault::{Fact, Fault},
    kind::{self, FileKind},
    lint::{Context, Document, Syntax},
    owner,
    readers::{dockerfile, dotenv, hcl, json, toml, xml, yaml},
    registry,
};

/// Largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 4 << 20;

/// Most faults of one file that are told: a file with more is not mended one by one.
const MAX_FAULTS: usize = 10_000;

/// Something about a file that its reader could not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(
    /// A phrase without content of the file: `no YAML at line 3: read line by line`.
    pub String,
);

/// What came of one file.
#[derive(Debug, Default)]
pub struct Reading {
    /// Faults in the order of their spans.
    pub faults: Vec<Fault>,
    /// Facts for lints of all files.
    pub facts: Vec<Fact>,
    /// What could not be read as its kind.
    pub note: Option<Note>,
}

/// Returns the kind of a file by its path, if any lint reads it.
#[must_use]
pub fn wants(path: &BlobPath) -> Option<FileKind> {
    kind::by_path(&String::from_utf8_lossy(path.as_bytes()))
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
    // Blanks instead of a byte order mark: offsets stay those of the file.
    let blank: Vec<u8>;
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => {
            blank = [b"   ", rest].concat();
            &blank
        }
        None => bytes,
    };
    let path = String::from_utf8_lossy(path.as_bytes());
    let mut reading = Reading::default();
    // Fields of this file have no names.
    if !is_worth_it(kind, bytes) && !path.ends_with(".pgpass") {
        return reading;
    }
    let lossy;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A store in binary form has no places: its lint tells it as a whole.
        Err(_) if kind == FileKind::KeyFile => {
            lossy = String::from_utf8_lossy(bytes);
            &lossy
        }
        Err(_) => {
            reading.note = Some(Note("not UTF-8: policy did not read it".to_owned()));
            return reading;
        }
    };
    let (syntax, note) = match parse(kind, text) {
        Ok(syntax) => (syntax, None),
        // Most templates of Helm are no YAML before they are filled in: that is no gap to tell of.
        Err(_) if kind == FileKind::HelmTemplate => (Syntax::Lines(dotenv::fallback(text)), None),
        Err(reason) => (
            Syntax::Lines(dotenv::fallback(text)),
            Some(Note(format!("{reason}: read line by line"))),
        ),
    };
    let kind = match &syntax {
        Syntax::Tree(trees) => kind::by_content(kind, trees),
        _ => kind,
    };
    let document = Document {
        path: &path,
        kind,
        text,
        syntax,
    };
    let mut context = Context {
        key,
        environments,
        faults: Vec::new(),
        facts: Vec::new(),
        unread: None,
    };
    for lint in registry::lints() {
        lint.document(&document, &mut context);
    }
    reading.faults = context.faults;
    reading.facts = context.facts;
    reading.note = note.or(context.unread.map(Note));
    bound(&mut reading);
    reading
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
        reading.note.get_or_insert(Note(note));
    }
    owner::settle(&mut reading.faults);
}

/// Sorts faults and drops those that an alias or a second way to the same place told twice.
fn tidy(faults: &mut Vec<Fault>) {
    faults.sort_by(|a, b| {
        (a.span.start, a.span.end, a.lint.id).cmp(&(b.span.start, b.span.end, b.lint.id))
    });
    faults.dedup_by(|a, b| a.lint.id == b.lint.id && a.span == b.span);
}

/// Tells whether a file of a general kind may hold anything that a lint looks for: most do not.
fn is_worth_it(kind: FileKind, bytes: &[u8]) -> bool {
    static HINTS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let is_general = matches!(
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
    );
    if !is_general {
        return true;
    }
    let hints = HINTS.get_or_init(|| {
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build([
                "pass",
                "secret",
                "token",
                "pwd",
                "credential",
                "apikey",
                "api_key",
                "api-key",
                "private",
                "access_key",
                "accesskey",
                "accountkey",
                "access-key",
                "vault",
                "jwt",
                "environ",
                "process.env",
                "_url",
                "://",
                "connectionstring",
                "connection_string",
                "apiversion",
                "hosts:",
                "auth",
                "dsn",
                "_key",
                "_pw",
                "_pat",
            ])
            .ok()
    });
    hints.as_ref().is_none_or(|hints| hints.is_match(bytes))
}

/// Returns a text of YAML with blanks in place of the documents that define Kubernetes' own kinds: they hold schemas and no values, and
/// are most of what operators commit.
fn without_schemas(text: &str) -> Cow<'_, str> {
    const DEFINITION: &str = "kind: CustomResourceDefinition";
    if memchr::memmem::find(text.as_bytes(), DEFINITION.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let is_schema = |document: &str| {
        let mut kinds = document.lines().filter(|line| line.starts_with("kind:"));
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

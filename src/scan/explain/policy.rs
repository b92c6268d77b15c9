//! What lints say of a line, whoever is shown it: asked of the shipped readers and lints. Nothing here holds a value.

use std::ops::Range;

use crate::{
    model::{BlobPath, DigestKey, Persona, Severity},
    policy::{
        self, FactData, FileKind,
        environment::{Environments, Evidence, Labels},
        reuse::Site,
    },
    sources::Blob,
};

/// What is known of a file that lints read.
#[derive(Clone, Debug, Default)]
pub struct Linted {
    /// The lints that know such files: those whose examples have one.
    pub lints: Vec<&'static str>,
    /// Why the file could not be read as its kind.
    pub note: Option<String>,
    /// What they tell of the line.
    pub faults: Vec<Told>,
    /// What of the line is compared with other files.
    pub compared: Vec<Compared>,
}

/// One fault on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The lint.
    pub lint: &'static str,
    /// 1-based column of its first byte, in code points.
    pub column: u32,
    /// How bad it is as the lint has it.
    pub severity: Severity,
    /// The least persona that is shown it.
    pub persona: Persona,
}

/// A value, or an address of one, that is compared with those of other files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Compared {
    /// The name that it stands under; empty if it has none.
    pub name: String,
    /// Its environments as messages name them; empty if none is known.
    pub environments: String,
    /// What told them.
    pub by: Option<&'static str>,
    /// Its service, if the file or the configuration says it.
    pub service: Option<String>,
    /// Whether it is an address in a store and not a value.
    pub is_address: bool,
}

/// Reads a whole blob as policy does, for the bytes `line`; `None` if no lint reads such files. `column` returns an offset's column.
pub(super) fn of_line(
    blob: &Blob<'_>,
    line: &Range<usize>,
    key: &DigestKey,
    environments: &Environments,
    column: impl Fn(usize) -> u32,
) -> Option<Linted> {
    let kind = policy::wants(blob.path)?;
    if !blob.whole || blob.bytes.len() as u64 > policy::MAX_BYTES {
        return Some(Linted {
            note: Some("too large for policy".to_owned()),
            ..Linted::default()
        });
    }
    let reading = policy::read(blob.path, kind, blob.bytes, key, environments);
    let is_here = |span: &Range<usize>| {
        span.start < line.end.max(line.start + 1) && line.start < span.end.max(span.start + 1)
    };
    let faults = reading.faults.iter().filter(|fault| is_here(&fault.span));
    let faults = faults.map(|fault| Told {
        lint: fault.lint.id,
        column: column(fault.span.start),
        severity: fault.severity,
        persona: fault.persona,
    });
    let sites = reading.facts.iter().filter(|fact| is_here(&fact.span));
    let sites = sites.filter_map(|fact| match &fact.data {
        FactData::Site(site) => Some(compared(site, blob.path, environments)),
        FactData::JobSecret(_) | FactData::Item(_) => None,
    });
    let mut compared: Vec<Compared> = sites.collect();
    compared.sort();
    compared.dedup();
    Some(Linted {
        lints: know(kind),
        note: reading.note.map(|note| note.text),
        faults: faults.collect(),
        compared,
    })
}

/// Returns the lints that have an example of a kind, sorted.
fn know(kind: FileKind) -> Vec<&'static str> {
    let all = policy::all().into_iter();
    let knows = all.filter(|lint| {
        let mut files = lint.bad.iter().copied().flatten();
        files.any(|(path, _)| policy::wants(&BlobPath::from(*path)) == Some(kind))
    });
    knows.map(|lint| lint.id).collect()
}

fn compared(site: &Site, path: &BlobPath, environments: &Environments) -> Compared {
    let of_path = environments.of_path(&String::from_utf8_lossy(path.as_bytes()));
    let labels = environments.called(Labels::strongest([site.labels.clone(), of_path]));
    let service = site.service.clone();
    Compared {
        name: BlobPath::from(site.name()).to_string(),
        environments: labels.names(),
        by: labels.evidence().map(words),
        service: service
            .or_else(|| environments.service_of_path(&String::from_utf8_lossy(path.as_bytes()))),
        is_address: site.prints().is_none(),
    }
}

/// Returns a class of evidence as the documentation names it.
const fn words(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Config => "the configuration",
        Evidence::Document => "the document",
        Evidence::FileName => "the file's name",
        Evidence::Directory => "its folders",
        Evidence::Key => "its key",
        Evidence::Address => "the address",
        Evidence::Base => "being the base of other files",
    }
}

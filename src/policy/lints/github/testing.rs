//! Runs one lint over a text, and applies fixes.

use std::collections::BTreeSet;

use super::super::super::{
    environment::Environments,
    fault::{CrossFault, Fault, Gathered},
    lint::{Index, LintMeta},
    read::{self, read},
    registry,
};
use crate::model::{BlobPath, DigestKey, Location};

/// Returns what a lint tells of a workflow.
pub(super) fn workflow(meta: &LintMeta, text: &str) -> Vec<Fault> {
    file(meta, ".github/workflows/x.yml", text)
}

/// Returns what a lint tells of a composite action.
pub(super) fn action(meta: &LintMeta, text: &str) -> Vec<Fault> {
    file(meta, "action.yml", text)
}

fn file(meta: &LintMeta, path: &str, text: &str) -> Vec<Fault> {
    let path = BlobPath::from(path);
    let kind = read::wants(&path).unwrap();
    let key = DigestKey::new([7; 32]);
    let reading = read(&path, kind, text.as_bytes(), &key, &Environments::default());
    assert_eq!(reading.note, None);
    let own = reading
        .faults
        .into_iter()
        .filter(|fault| fault.lint.id == meta.id);
    own.inspect(|fault| assert!(text.get(fault.span.clone()).is_some()))
        .collect()
}

/// Returns the workflow after the fix of the lint's first fault that has one, in which the lint must be silent then.
pub(super) fn mended(meta: &LintMeta, text: &str) -> Option<String> {
    let fix = workflow(meta, text)
        .into_iter()
        .find_map(|fault| fault.fix)?;
    let mut edits = fix.edits;
    edits.sort_by_key(|edit| edit.span.start);
    let mut after = text.to_owned();
    for edit in edits.iter().rev() {
        after.replace_range(edit.span.clone(), &edit.text);
    }
    assert!(workflow(meta, &after).is_empty(), "{after}");
    Some(after)
}

/// Returns what the lints of all files tell of some workflows.
pub(super) fn files(files: &[(&str, &str)]) -> Vec<CrossFault> {
    let (key, environments) = (DigestKey::new([7; 32]), Environments::default());
    let mut facts = Vec::new();
    let mut paths = BTreeSet::new();
    for (path, text) in files {
        let path = BlobPath::from(*path);
        let kind = read::wants(&path).unwrap();
        let reading = read(&path, kind, text.as_bytes(), &key, &environments);
        paths.insert(path.clone());
        facts.extend(reading.facts.into_iter().map(|fact| Gathered {
            path: path.clone(),
            location: Location {
                path: path.clone(),
                start_line: 1,
                start_column: 1,
                end_line: 1,
                end_column: 1,
                byte_start: fact.span.start as u64,
                byte_end: fact.span.end as u64,
            },
            digest: None,
            data: fact.data,
            past: crate::policy::Past::default(),
        }));
    }
    registry::cross(&Index {
        paths: &paths,
        facts: &facts,
        environments: &environments,
        whole: true,
        changed: &|_| true,
    })
}

/// Runs everything over a text; what is told must lie in it.
pub(super) fn all(text: &str) {
    let (key, environments) = (DigestKey::new([7; 32]), Environments::default());
    let path = BlobPath::from(".github/workflows/x.yml");
    let kind = read::wants(&path).unwrap();
    let reading = read(&path, kind, text.as_bytes(), &key, &environments);
    for fault in &reading.faults {
        let related = fault.related.iter().map(|(span, _)| span);
        let edits = fault
            .fix
            .iter()
            .flat_map(|fix| &fix.edits)
            .map(|edit| &edit.span);
        for span in related
            .chain(edits)
            .chain([&fault.span])
            .chain(&fault.secret)
        {
            assert!(text.get(span.clone()).is_some(), "{fault:?} {span:?}");
        }
    }
    for fact in &reading.facts {
        assert!(text.get(fact.span.clone()).is_some(), "{fact:?}");
    }
}

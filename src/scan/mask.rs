//! The last step before a report leaves: every secret of the run is masked in every text of it.
//!
//! Excerpts are masked by span already. What is left are texts from the scanned side that may repeat a secret found elsewhere:
//! paths, author names, reasons of suppressions, ledger entries, and other parts of excerpts.

use crate::{
    engine::Redactor,
    model::{Attribution, BlobPath, CommitInfo, Finding, Location, Secret},
};

use super::{Report, Scope};

/// Masks every text of `report`. `further` are values that only lints know.
pub(super) fn mask(report: &mut Report, further: &[Secret]) {
    let redactor = {
        let found = report
            .findings
            .iter()
            .chain(report.suppressed.iter().map(|s| &s.finding));
        let secrets: Vec<&Secret> = found
            .map(|finding| &finding.secret)
            .chain(further)
            .collect();
        Redactor::new(&secrets)
    };
    if let Scope::Directory(path) = &mut report.scope {
        of_path(path, &redactor);
    }
    for finding in &mut report.findings {
        of_finding(finding, &redactor);
    }
    for suppressed in &mut report.suppressed {
        of_finding(&mut suppressed.finding, &redactor);
        of_text(&mut suppressed.reason, &redactor);
    }
    for skip in &mut report.ledger.skips {
        of_path(&mut skip.path, &redactor);
        of_text(&mut skip.detail, &redactor);
    }
    for text in report
        .ledger
        .notes
        .iter_mut()
        .chain(&mut report.unused_suppressions)
    {
        of_text(text, &redactor);
    }
}

fn of_finding(finding: &mut Finding, redactor: &Redactor) {
    of_text(&mut finding.message, redactor);
    of_location(&mut finding.location, redactor);
    for occurrence in &mut finding.occurrences {
        of_location(&mut occurrence.location, redactor);
    }
    for (_, path) in finding.further.values_mut() {
        of_path(path, redactor);
    }
    for related in &mut finding.related {
        of_text(&mut related.message, redactor);
        of_location(&mut related.location, redactor);
        if let Some(commit) = &mut related.introduced {
            of_text(&mut commit.author, redactor);
        }
    }
    if let Some(excerpt) = &mut finding.excerpt {
        // Masking keeps the number of code points, not of bytes.
        let upto = |at: usize| {
            let head = excerpt.text.get(..at);
            head.map_or(usize::MAX, |head| head.chars().count())
        };
        let (start, end) = (upto(excerpt.start), upto(excerpt.end));
        of_text(&mut excerpt.text, redactor);
        let offset = |number: usize| {
            let mut places = excerpt.text.char_indices().map(|(at, _)| at);
            places.nth(number).unwrap_or(excerpt.text.len())
        };
        (excerpt.start, excerpt.end) = (offset(start), offset(end));
    }
    if let Some(attribution) = &mut finding.attribution {
        of_attribution(attribution, redactor);
    }
}

fn of_attribution(attribution: &mut Attribution, redactor: &Redactor) {
    let Attribution {
        introduced,
        last_seen,
        removed,
        path,
        at_head: _,
        reachable: _,
    } = attribution;
    for commit in [introduced, last_seen, removed].into_iter().flatten() {
        let CommitInfo {
            id: _,
            author,
            date: _,
        } = commit;
        of_text(author, redactor);
    }
    if let Some(path) = path {
        of_path(path, redactor);
    }
}

fn of_location(location: &mut Location, redactor: &Redactor) {
    of_path(&mut location.path, redactor);
}

/// A path that holds a secret becomes its masked text; any other keeps its bytes.
fn of_path(path: &mut BlobPath, redactor: &Redactor) {
    let masked = match redactor.mask(&path.to_text()) {
        std::borrow::Cow::Borrowed(_) => None,
        std::borrow::Cow::Owned(masked) => Some(masked),
    };
    if let Some(masked) = masked {
        *path = BlobPath::from(masked.as_str());
    }
}

fn of_text(text: &mut String, redactor: &Redactor) {
    if let std::borrow::Cow::Owned(masked) = redactor.mask(text) {
        *text = masked;
    }
}

//! The part of `keysweep explain` that tells of lints: what they say of the line, whom that is shown to, and which other files share what.

use std::{fmt::Write as _, path::Path};

use crate::{
    model::{BlobPath, Finding, Location, Persona, RuleId},
    report::inert,
    scan::{
        Report,
        explain::{Compared, Linted, Told},
    },
};

use super::{
    Look, args,
    error::CliError,
    gather::{self, Gathered},
    scan,
};

/// What decides over the findings of lints.
pub(super) struct Shown<'s> {
    /// The file as reports name it.
    pub(super) path: &'s BlobPath,
    pub(super) line: u32,
    /// Who is shown findings.
    pub(super) persona: Persona,
    /// Whether the configuration disables a lint.
    pub(super) is_disabled: &'s dyn Fn(&RuleId) -> bool,
    /// What a scan of the file told.
    pub(super) report: &'s Report,
    /// What a scan of the tree around it told of policy.
    pub(super) tree: Option<&'s Report>,
}

/// Scans the repository (or the directory) around a file for what files tell together, if the line has something that is compared, or may
/// stand for its file.
pub(super) fn around(
    common: &args::Common,
    file: &Path,
    line: u32,
    linted: &Linted,
    look: &Look,
) -> Result<Option<Report>, CliError> {
    if linted.compared.is_empty() && line != 1 {
        return Ok(None);
    }
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new(".")).to_path_buf();
    let target = gather::tree(gather::whole(folder));
    let gathered = Gathered::new(common, &target)?.policy_alone();
    scan::look_at(&target, &gathered, false, look).map(Some)
}

/// Appends what lints say; returns how much that is.
pub(super) fn tell(text: &mut String, linted: &Linted, shown: &Shown<'_>) -> usize {
    let mut said = 0;
    let mut add = |line: String| {
        said += 1;
        let _ = writeln!(text, "  {}", inert(&line));
    };
    if let Some(note) = &linted.note {
        add(format!("policy: {note}"));
    }
    for told in &linted.faults {
        if let Some(why) = why_not(told, shown) {
            let Told { lint, column, .. } = told;
            add(format!("not reported: {lint} at column {column}: {why}"));
        }
    }
    let mut together = Vec::new();
    for finding in across(linted, shown) {
        together.push(finding.rule.clone());
        add(of_files(finding, shown));
    }
    for compared in &linted.compared {
        let with = match (shown.tree, together.is_empty()) {
            (None, _) => "no other file was read",
            (Some(_), true) => "no lint reports anything of it",
            (Some(_), false) => "see above",
        };
        add(format!(
            "compared with other files: {}; {with}",
            named(compared)
        ));
    }
    said
}

/// Returns the lints that look at such files, in one line; that is no word about the line itself.
pub(super) fn lints(linted: &Linted) -> String {
    match linted.lints.as_slice() {
        [] => String::new(),
        all => format!(
            "  lints that know such files ({}): {}\n",
            all.len(),
            all.join(", ")
        ),
    }
}

/// Returns why a fault is no finding of its own; `None` if it is one, reported or set aside, which is told of all findings.
fn why_not(told: &Told, shown: &Shown<'_>) -> Option<String> {
    let id = RuleId::new(told.lint);
    let open = shown.report.findings.iter();
    let aside = shown.report.suppressed.iter().map(|one| &one.finding);
    let mut all = open.clone().chain(aside);
    if all.any(|finding| finding.rule == id && is_on(&finding.location, shown)) {
        return None;
    }
    let prefix = format!("{id}: ");
    let owner = shown.report.findings.iter().find(|finding| {
        let mut parts = finding.related.iter();
        parts.any(|part| part.message.starts_with(&prefix) && is_on(&part.location, shown))
    });
    if let Some(owner) = owner {
        return Some(format!(
            "it is a part of the finding of {}, which has the same value",
            owner.rule
        ));
    }
    if (shown.is_disabled)(&id) {
        return Some("[catalogue] disables it".to_owned());
    }
    if told.persona > shown.persona {
        let (persona, severity) = (told.persona.as_str(), told.severity.as_str());
        return Some(format!(
            "{severity}, for the persona {persona}: `--persona {persona}` reports it"
        ));
    }
    if shown.report.looked_for.policy.is_none() {
        return Some("policy was not looked at (--only secrets)".to_owned());
    }
    Some("an allow marker, an allow entry or the baseline sets it aside, or `scan.exclude` leaves its path out".to_owned())
}

fn is_on(location: &Location, shown: &Shown<'_>) -> bool {
    location.path == *shown.path && (location.start_line..=location.end_line).contains(&shown.line)
}

/// Returns the findings of several files together that the line is a place of.
fn across<'t>(linted: &Linted, shown: &Shown<'t>) -> Vec<&'t Finding> {
    let Some(tree) = shown.tree else {
        return Vec::new();
    };
    let of_file = |finding: &Finding| {
        let mut own = linted.faults.iter();
        own.any(|told| told.lint == finding.rule.as_str())
    };
    let touches = |finding: &Finding| {
        let mut parts = finding.related.iter();
        is_on(&finding.location, shown) || parts.any(|part| is_on(&part.location, shown))
    };
    // What the file alone tells already.
    let is_told = |finding: &Finding| {
        let open = shown.report.findings.iter();
        let aside = shown.report.suppressed.iter().map(|one| &one.finding);
        let mut all = open.chain(aside);
        all.any(|one| one.rule == finding.rule && one.location == finding.location)
    };
    let open = tree.findings.iter();
    let aside = tree.suppressed.iter().map(|one| &one.finding);
    open.chain(aside)
        .filter(|finding| !of_file(finding) && touches(finding) && !is_told(finding))
        .collect()
}

/// Returns a finding of several files in lines.
fn of_files(finding: &Finding, shown: &Shown<'_>) -> String {
    let set_aside = shown.tree.and_then(|tree| {
        let mut all = tree.suppressed.iter();
        all.find(|one| {
            one.finding.fingerprint == finding.fingerprint && one.finding.rule == finding.rule
        })
    });
    let place = |location: &Location| format!("{}:{}", location.path, location.start_line);
    let what = match set_aside {
        Some(one) => format!("suppressed {}", super::explain::by(one.kind)),
        None => "reported".to_owned(),
    };
    let at = match is_on(&finding.location, shown) {
        true => String::new(),
        false => format!(" at {}", place(&finding.location)),
    };
    let mut text = format!(
        "{what}{at}: {} ({}), fingerprint {}\n    {}",
        finding.rule,
        finding.severity.as_str(),
        finding.fingerprint,
        finding.message
    );
    for part in &finding.related {
        let here = if is_on(&part.location, shown) {
            " (this line)"
        } else {
            ""
        };
        let _ = write!(
            text,
            "\n    with {}: {}{here}",
            place(&part.location),
            part.message
        );
    }
    text
}

/// Returns what is compared, and where it belongs.
fn named(compared: &Compared) -> String {
    let what = match (compared.is_address, compared.name.as_str()) {
        (true, "") => "an address in a store".to_owned(),
        (true, name) => format!("the address in a store that `{name}` names"),
        (false, "") => "a secret".to_owned(),
        (false, name) => format!("the value of `{name}`"),
    };
    let environment = match (compared.environments.as_str(), compared.by) {
        ("", _) | (_, None) => "no environment known".to_owned(),
        (names, Some(by)) => format!("environment {names}, told by {by}"),
    };
    let service = compared.service.as_ref();
    let service = service
        .map(|name| format!(", service {name}"))
        .unwrap_or_default();
    format!("{what} ({environment}{service})")
}

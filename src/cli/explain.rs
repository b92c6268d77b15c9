//! `keysweep explain PATH:LINE`: why a line is or is not reported. Shows no value.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    model::{BlobPath, Finding, Kind, Location, Occurrence, Place, SuppressionKind},
    scan::{
        Report, Target,
        explain::{Explained, Outcome as Came, Refusal, explain},
    },
    sources::files::Files,
};

use super::{
    Look, args,
    error::CliError,
    exit::Outcome,
    explain_policy,
    gather::{self, Gathered},
    rules::count,
    scan,
};

/// Runs the command; returns what to print and the outcome.
pub(super) fn run(args: &args::Explain, look: &Look) -> Result<(String, Outcome), CliError> {
    let (path, line) = place(&args.place).ok_or_else(|| CliError::Place {
        given: safe(&args.place),
    })?;
    let given = safe(path.as_os_str());
    let path = existing(path).ok_or_else(|| CliError::NoFile {
        given: given.clone(),
    })?;
    let target = gather::files(vec![path.clone()]);
    let gathered = Gathered::new(&args.common, &target)?;
    let report = scan::look_at(&target, &gathered, false, look)?;
    let options = gathered.options(false)?;
    let Target::Files { root, files } = target else {
        return Err(CliError::internal(&"files became another target"));
    };
    let files = Files {
        paths: files,
        base: root,
        options: options.tree.clone(),
    };
    let explained = explain(&files, line, &options)?;
    let last = explained.last;
    if line > last && !report.ledger.is_incomplete() {
        return Err(CliError::NoLine { given, line, last });
    }
    let shown = BlobPath::new(args.place.as_encoded_bytes());
    let (mut text, mut said) = text(&shown, line, &report, &explained);
    if let Some(linted) = &explained.linted {
        let tree = explain_policy::around(&args.common, &path, line, linted, look)?;
        let shown = explain_policy::Shown {
            path: &explained.path,
            line,
            persona: gathered.persona(),
            is_disabled: &|id| gathered.disables(id),
            report: &report,
            tree: tree.as_ref(),
        };
        said += explain_policy::tell(&mut text, linted, &shown);
    }
    if said == 0 {
        text.push_str("  no rule's literal, name or pattern fits anything on this line, and no lint has a word on it\n");
    }
    if let Some(linted) = &explained.linted {
        text.push_str(&explain_policy::lints(linted));
    }
    let outcome = if report.ledger.is_incomplete() {
        Outcome::Incomplete
    } else {
        Outcome::Clean
    };
    Ok((text, outcome))
}

/// Splits `PATH:LINE` or, as reports have it, `PATH:LINE:COLUMN`; the path must not be a directory's.
fn place(given: &OsStr) -> Option<(PathBuf, u32)> {
    let number = |text: &str| text.parse().ok().filter(|number: &u32| *number > 0);
    let (mut path, line) = given.to_str()?.rsplit_once(':')?;
    let mut line = number(line)?;
    if let Some((file, number)) = path
        .rsplit_once(':')
        .and_then(|(file, text)| Some((file, number(text)?)))
        && !Path::new(path).exists()
    {
        (path, line) = (file, number);
    }
    (!path.is_empty() && !Path::new(path).is_dir()).then(|| (PathBuf::from(path), line))
}

/// Returns the file of a path as the user gave it, or as reports name it: from the repository's root.
fn existing(path: PathBuf) -> Option<PathBuf> {
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    let from_root = || gather::whole(PathBuf::from(".")).join(&path);
    is_there(&path)
        .then(|| path.clone())
        .or_else(|| Some(from_root()).filter(is_there))
}

fn safe(given: &OsStr) -> String {
    BlobPath::new(given.as_encoded_bytes()).to_string()
}

/// Tells whether a place is the line: not the file's name, and no member of an archive.
fn is_on(place: &Occurrence, line: u32, path: &BlobPath) -> bool {
    // In a report a path may be masked, but is as long as it was; a member's is longer than its archive's.
    let length = |path: &BlobPath| path.to_text().chars().count();
    place.provenance.place == Place::File
        && length(&place.location.path) == length(path)
        && (place.location.start_line..=place.location.end_line).contains(&line)
}

/// Returns what is said of findings and rules, and how much that is.
fn text(shown: &BlobPath, line: u32, report: &Report, explained: &Explained) -> (String, usize) {
    let is_here = |finding: &&Finding| {
        let mut places = finding.occurrences.iter();
        places.any(|place| is_on(place, line, &explained.path))
    };
    let mut text = format!("{shown}\n");
    let mut said = 0;
    for finding in report.findings.iter().filter(is_here) {
        said += 1;
        let _ = writeln!(
            text,
            "  reported: {} ({}), fingerprint {}",
            finding.rule,
            finding.severity.as_str(),
            finding.fingerprint
        );
        if finding.kind != Kind::Secret {
            let _ = writeln!(text, "    {}", finding.message);
        }
        for part in &finding.related {
            let Location {
                path, start_line, ..
            } = &part.location;
            let _ = writeln!(text, "    with {path}:{start_line}: {}", part.message);
        }
    }
    for suppressed in &report.suppressed {
        if is_here(&&suppressed.finding) {
            said += 1;
            let by = by(suppressed.kind);
            let reason = match suppressed.reason.as_str() {
                "" => String::new(),
                reason => format!(": {reason}"),
            };
            let _ = writeln!(
                text,
                "  suppressed {by}: {}{reason}",
                suppressed.finding.rule
            );
        }
    }
    let is_told = said > 0;
    let traces = explained.traces.iter();
    for trace in traces.filter(|trace| trace.outcome != Came::Finds || !is_told) {
        said += 1;
        let (rule, column) = (&trace.rule, trace.column);
        let why = why(&trace.outcome);
        let _ = writeln!(text, "  not reported: {rule} at column {column}: {why}");
    }
    for marker in markers(report, line) {
        said += 1;
        let _ = writeln!(text, "  {marker}");
    }
    for (cause, n) in &report.ledger.skipped {
        said += 1;
        let things = count(usize::try_from(*n).unwrap_or(usize::MAX), "thing", "things");
        let _ = writeln!(text, "  not read: {things} ({})", cause.as_str());
    }
    (text, said)
}

/// Returns what is said of the line's allow markers that meet nothing. One file was read, so that the line tells them apart.
fn markers(report: &Report, line: u32) -> impl Iterator<Item = &String> {
    let here = format!(":{line} ");
    let unused = report.unused_suppressions.iter();
    unused.filter(move |text| text.starts_with("allow marker at ") && text.contains(&here))
}

pub(super) const fn by(kind: SuppressionKind) -> &'static str {
    match kind {
        SuppressionKind::Inline => "by an allow marker",
        SuppressionKind::Allowlist => "by an allow entry of the configuration",
        SuppressionKind::Baseline => "by the baseline",
    }
}

fn why(outcome: &Came) -> String {
    match outcome {
        Came::Finds => {
            "it is a finding, but a report names other places of the value, such as an archive's member"
                .to_owned()
        }
        Came::Covered(by) => format!("the finding of {by} is more specific"),
        Came::Path => "the rule is for other paths".to_owned(),
        Came::NoMatch => {
            "its literal or name is there, but the rest does not match or is a placeholder"
                .to_owned()
        }
        Came::Refused(refusals) => {
            let words: Vec<&str> = refusals.iter().map(|one| refusal(*one)).collect();
            format!("it matches, but {}", words.join(" and "))
        }
    }
}

const fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Check => "the checksum or structure does not hold",
        Refusal::Entropy => "the entropy is below the rule's floor",
        Refusal::Value => "the value does not look like such a secret",
        Refusal::Near => "the second part is not near",
        Refusal::Together => "its checks together refuse it",
    }
}

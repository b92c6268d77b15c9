//! `keysweep baseline create|update|prune`.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    config::suppress::{Baseline, BaselineKey, Line},
    model::{Fingerprint, SuppressionKind},
    report,
    scan::{Report, Target},
};

use super::{
    Look, args,
    error::{CliError, shown},
    exit::Outcome,
    gather::{self, Gathered},
    scan, settings,
};

/// Runs the command; returns what to print and the outcome.
pub(super) fn run(command: &args::Baseline, look: &Look) -> Result<(String, Outcome), CliError> {
    let (args::Baseline::Create(args) | args::Baseline::Update(args) | args::Baseline::Prune(args)) =
        command;
    let target = target(args);
    let (gathered, mut baseline) = match command {
        args::Baseline::Create(_) => begin(args, &target)?,
        args::Baseline::Update(_) | args::Baseline::Prune(_) => go_on(args, &target)?,
    };
    let file = gathered.baseline_path.clone();
    if baseline.history && !args.history && matches!(command, args::Baseline::Prune(_)) {
        return Err(CliError::PruneHistory { path: file });
    }
    scan::check_file(&file)?;
    let report = scan::look_at(&target, &gathered, false, look)?;
    // What was not read may hold what a line stands for: a partial look must not drop it.
    if report.interrupted {
        return Ok((
            "stopped; the baseline is as it was\n".to_owned(),
            Outcome::Interrupted,
        ));
    }
    let (lines, seen) = baseline_lines(&report);
    let said = match command {
        args::Baseline::Create(_) | args::Baseline::Update(_) => {
            baseline.history |= args.history;
            format!("{} added", lines_of(baseline.update(lines)))
        }
        args::Baseline::Prune(_) if report.ledger.is_incomplete() => {
            let text =
                "a finding that was not seen may still be there; the baseline is as it was\n";
            return Ok((format!("{text}{}", gaps(&report)?), Outcome::Incomplete));
        }
        args::Baseline::Prune(_) => {
            let extent = target.extent(BTreeSet::new());
            format!("{} dropped", lines_of(baseline.prune(&seen, &extent)))
        }
    };
    scan::replace(&file, baseline.write().as_bytes())?;
    let outcome = if report.ledger.is_incomplete() {
        Outcome::Incomplete
    } else {
        Outcome::Clean
    };
    let text = format!("{}: {said}\n{}", shown(&file), gaps(&report)?);
    Ok((text, outcome))
}

/// Returns what the command looks at: what `keysweep scan` with the same arguments does. The file is the repository's, and lines for
/// other places stay in it.
fn target(args: &args::BaselineArgs) -> Target {
    let path = args.path.clone().unwrap_or_else(|| PathBuf::from("."));
    if !args.history {
        return gather::tree(path);
    }
    Target::History {
        repository: path,
        unreachable: false,
        delta: true,
    }
}

/// Returns what an incomplete run did not read; a finding in it is in no baseline.
fn gaps(report: &Report) -> Result<String, CliError> {
    let gaps = report::gaps(report)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&gaps).into_owned())
}

/// Returns a new baseline, and what its run needs.
fn begin(args: &args::BaselineArgs, target: &Target) -> Result<(Gathered, Baseline), CliError> {
    let mut gathered = Gathered::without_baseline(&args.common, target)?.both();
    if gathered.baseline_path.symlink_metadata().is_ok() {
        return Err(CliError::BaselineExists {
            path: gathered.baseline_path,
        });
    }
    // A key of the project's own stays where it is; a new one stands in the file.
    let key = match &gathered.key {
        Some(_) => BaselineKey::External,
        None => {
            let key = settings::random_key()?;
            gathered.key = Some(key.clone());
            BaselineKey::Embedded(key)
        }
    };
    Ok((gathered, Baseline::new(key)))
}

/// Returns the baseline that is there, and what its run needs.
fn go_on(args: &args::BaselineArgs, target: &Target) -> Result<(Gathered, Baseline), CliError> {
    let gathered = Gathered::new(&args.common, target)?.both();
    match gathered.baseline.clone() {
        Some(baseline) => Ok((gathered, baseline)),
        None => Err(CliError::NoBaseline {
            path: gathered.baseline_path,
        }),
    }
}

/// Returns what a baseline would hold of a report: one line for each place, reported or set aside by the baseline itself.
fn baseline_lines(report: &Report) -> (Vec<Line>, BTreeSet<Fingerprint>) {
    let known = report
        .suppressed
        .iter()
        .filter(|s| s.kind == SuppressionKind::Baseline)
        .map(|s| &s.finding);
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    for finding in report.findings.iter().chain(known) {
        let listed = finding.occurrences.iter();
        let listed = listed.map(|place| (&place.fingerprint, &finding.rule, &place.location.path));
        // A report lists the first places only; a baseline needs all, and those of lints whose faults the finding tells.
        let further = finding.further.iter();
        let further = further.map(|(fingerprint, (rule, path))| (fingerprint, rule, path));
        for (fingerprint, rule, path) in listed.chain(further) {
            seen.insert(fingerprint.clone());
            lines.push(Line::new(fingerprint.clone(), rule.as_str(), path));
        }
    }
    (lines, seen)
}

fn lines_of(n: usize) -> String {
    super::rules::count(n, "line", "lines")
}

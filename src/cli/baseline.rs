//! `keysweep baseline create|update|prune`.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    config::suppress::{Baseline, BaselineKey},
    scan::Target,
};

use super::{
    Look, args,
    error::CliError,
    exit::Outcome,
    gather::{self, Gathered},
    scan, settings,
};

/// Runs the command; returns what to print and the outcome.
pub(super) fn run(command: &args::Baseline, look: &Look) -> Result<(String, Outcome), CliError> {
    let (args::Baseline::Create(args) | args::Baseline::Update(args) | args::Baseline::Prune(args)) =
        command;
    // A baseline is the whole repository's, wherever the command runs: a part would drop or rename the rest.
    let path = gather::whole(args.path.clone().unwrap_or_else(|| PathBuf::from(".")));
    let target = if args.history {
        Target::History {
            repository: path,
            unreachable: false,
            delta: true,
        }
    } else {
        gather::tree(path)
    };
    let mut gathered = Gathered::new(&args.common, &target)?;
    let file = gathered.baseline_path.clone();
    let mut baseline = match (command, gathered.baseline.clone()) {
        (args::Baseline::Create(_), Some(_)) => {
            return Err(CliError::BaselineExists { path: file });
        }
        (args::Baseline::Create(_), None) => {
            // A key of the project's own stays where it is; a new one stands in the file.
            let key = match &gathered.key {
                Some(_) => BaselineKey::External,
                None => {
                    let key = settings::random_key()?;
                    gathered.key = Some(key.clone());
                    BaselineKey::Embedded(key)
                }
            };
            Baseline::new(key)
        }
        (args::Baseline::Update(_) | args::Baseline::Prune(_), Some(baseline)) => baseline,
        (args::Baseline::Update(_) | args::Baseline::Prune(_), None) => {
            return Err(CliError::NoBaseline { path: file });
        }
    };
    if baseline.history && !args.history && matches!(command, args::Baseline::Prune(_)) {
        return Err(CliError::PruneHistory { path: file });
    }
    let report = scan::look_at(&target, &gathered, false, look)?;
    // What was not read may hold what a line stands for: a partial look must not drop it.
    if report.interrupted {
        return Ok((
            "stopped; the baseline is as it was\n".to_owned(),
            Outcome::Interrupted,
        ));
    }
    let (lines, seen) = gather::baseline_lines(&report);
    let said = match command {
        args::Baseline::Create(_) | args::Baseline::Update(_) => {
            baseline.history |= args.history;
            format!("{} added", lines_of(baseline.update(lines)))
        }
        args::Baseline::Prune(_) if report.ledger.is_incomplete() => {
            let text = "the scan was incomplete: a finding that is not seen may still be there; the baseline is as it was\n";
            return Ok((text.to_owned(), Outcome::Incomplete));
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
    Ok((format!("{}: {said}\n", file.display()), outcome))
}

fn lines_of(n: usize) -> String {
    super::rules::count(n, "line", "lines")
}

//! `keysweep report convert|merge`: finished scans, written again.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    model::{BlobPath, Finding, Severity},
    report,
    scan::Report,
};

use super::{Look, args, error::CliError, exit::Outcome, gather, scan};

/// Runs the command.
pub(super) fn run(command: &args::Report, look: &Look) -> Result<Outcome, CliError> {
    let (files, outputs) = match command {
        args::Report::Convert { file, outputs } => (std::slice::from_ref(file), outputs),
        args::Report::Merge { files, outputs, .. } => (files.as_slice(), outputs),
    };
    let wanted = scan::outputs(&outputs.output)?;
    scan::check(&wanted, outputs.reveal)?;
    let reports: Result<Vec<(String, Report)>, CliError> =
        files.iter().map(|file| one(file)).collect();
    let whole = report::merge(reports?)?;
    let report = whole.ok_or_else(|| CliError::internal(&"clap takes at least one file"))?;
    let is_masked = |finding: &Finding| finding.secret.is_empty();
    if outputs.reveal && !report.findings.is_empty() && report.findings.iter().all(is_masked) {
        return Err(CliError::RevealMasked);
    }
    let anchor = gather::anchor_at(&gather::whole(PathBuf::from(".")));
    let fail_on = match command {
        args::Report::Convert { .. } => Severity::Low,
        args::Report::Merge { fail_on, .. } => fail_on.map_or(Severity::Low, Severity::from),
    };
    let choices = scan::Choices {
        reveal: outputs.reveal,
        fail_on,
        anchor,
        redact_paths: false,
        category: outputs.sarif_category.as_deref(),
    };
    let written = scan::write(&report, &wanted, &choices, look);
    scan::warn(&report, &wanted);
    written?;
    Ok(match command {
        args::Report::Convert { .. } => Outcome::Clean,
        args::Report::Merge { .. } => Outcome::of(&report, fail_on),
    })
}

/// Reads a report, and its name for errors.
pub(super) fn one(path: &Path) -> Result<(String, Report), CliError> {
    let name = BlobPath::new(path.as_os_str().as_encoded_bytes()).to_string();
    let report = report::read(&name, &bytes(path)?)?;
    Ok((name, report))
}

fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|source| CliError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(bytes)
}

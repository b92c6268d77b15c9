//! `keysweep scan`: from arguments to a run, and from its report to files and an exit code.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    model::Severity,
    report::{self, Format},
    scan::{Report, Target},
};

use super::{
    Look, args,
    error::{CliError, shown},
    exit::Outcome,
    gather::{self, Gathered},
    progress::Bar,
    settings, write_out,
};

/// Set by Ctrl-C. A process has one.
static STOP: AtomicBool = AtomicBool::new(false);

/// Runs the command.
pub(super) fn run(args: &args::Scan, look: &Look) -> Result<Outcome, CliError> {
    let outputs = outputs(&args.output)?;
    check(&outputs, args.reveal)?;
    let target = target(args)?;
    let gathered = Gathered::new(&args.common, &target)?;
    #[cfg(feature = "verify")]
    let stranger = super::event::stranger();
    // An index answers whether a value is in a store, as verify does: not for what a stranger proposes.
    #[cfg(feature = "verify")]
    let index = match (&args.index, &stranger) {
        (Some(path), None) => Some(super::index::read(path, None)?),
        _ => None,
    };
    #[cfg_attr(
        not(feature = "verify"),
        expect(unused_mut, reason = "verdicts need stores")
    )]
    let mut report = scanned(target.clone(), args, &gathered, look)?;
    #[cfg(feature = "verify")]
    if let Some(index) = index {
        super::index::judge(&mut report, &index);
    } else if let (Some(_), Some(why)) = (&args.index, stranger) {
        let note = format!("the index was not asked, for strangers can cause this CI event: {why}");
        report.ledger.note(note);
    }
    let fail_on = args
        .fail_on
        .map(Severity::from)
        .or(gathered.fail_on())
        .unwrap_or(Severity::Low);
    let choices = Choices {
        reveal: args.reveal,
        fail_on,
        anchor: gather::anchor(&target),
        category: args.sarif_category.as_deref(),
        redact_paths: false,
    };
    let written = write(&report, &outputs, &choices, look);
    warn(&report, &outputs);
    written?;
    Ok(Outcome::of(&report, fail_on))
}

/// Scans what the arguments and the configuration say.
pub(super) fn scanned(
    mut target: Target,
    args: &args::Scan,
    gathered: &Gathered,
    look: &Look,
) -> Result<Report, CliError> {
    if let Target::History { unreachable, .. } = &mut target {
        *unreachable |= gathered.unreachable();
    }
    look_at(&target, gathered, args.no_ignore, look)
}

/// Returns what Ctrl-C sets.
#[cfg(feature = "verify")]
pub(super) fn stop() -> &'static AtomicBool {
    &STOP
}

/// Lets Ctrl-C set what [`stop`] returns.
pub(super) fn hear_ctrl_c() -> Result<(), CliError> {
    // A second Ctrl-C ends the process at once, in case the first is not heard.
    let installed = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, clippy::disallowed_methods, reason = "the user insists")]
            std::process::exit(i32::from(Outcome::Interrupted.code()));
        }
    });
    match installed {
        // A command that scans twice has it already.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(CliError::internal(&error)),
    }
}

/// Scans with a progress bar and Ctrl-C.
pub(super) fn look_at(
    target: &Target,
    gathered: &Gathered,
    no_ignore: bool,
    look: &Look,
) -> Result<Report, CliError> {
    hear_ctrl_c()?;
    // A bar moves the cursor by escape codes: where colours are not wanted, those are not either.
    let bar = Bar::new(look.err && !look.quiet && !look.ci);
    let report = gathered.scan(target, no_ignore, &bar, &STOP);
    bar.clear();
    report
}

/// Returns what the arguments name.
pub(super) fn target(args: &args::Scan) -> Result<Target, CliError> {
    let one = |mode: &'static str| match args.paths.as_slice() {
        [] => Ok(PathBuf::from(".")),
        [path] => Ok(path.clone()),
        _ => Err(CliError::Paths { mode }),
    };
    let mode = &args.mode;
    if mode.stdin {
        if !args.paths.is_empty() {
            return Err(CliError::StdinPaths);
        }
        if args.common.only == Some(args::OnlyArg::Policy) {
            return Err(CliError::StdinPolicy);
        }
        return Ok(Target::Stdin);
    }
    if mode.history {
        return Ok(Target::History {
            repository: one("--history")?,
            unreachable: args.unreachable,
            delta: !args.no_delta,
        });
    }
    if mode.staged {
        return Ok(Target::Staged {
            repository: one("--staged")?,
            index: settings::index_file(),
        });
    }
    if let Some(range) = &mode.range {
        return Ok(Target::Range {
            repository: one("--range")?,
            range: range.to_string_lossy().into_owned(),
        });
    }
    Ok(match args.paths.as_slice() {
        [] => gather::tree(PathBuf::from(".")),
        [path] if path.is_dir() => gather::tree(path.clone()),
        files => gather::files(files.to_vec()),
    })
}

/// One report that is wanted.
pub(super) struct Output {
    format: Format,
    /// `None` is standard output.
    file: Option<PathBuf>,
}

pub(super) fn outputs(wanted: &[String]) -> Result<Vec<Output>, CliError> {
    if wanted.is_empty() {
        return Ok(vec![Output {
            format: Format::Text,
            file: None,
        }]);
    }
    let mut places = BTreeSet::new();
    wanted
        .iter()
        .map(|text| {
            let (name, file) = text
                .split_once('=')
                .map_or((text.as_str(), None), |(name, file)| (name, Some(file)));
            let given = || crate::model::BlobPath::from(text.as_str()).to_string();
            let format = Format::parse(name).ok_or_else(|| CliError::Output { given: given() })?;
            let file = match file {
                Some("") => return Err(CliError::Output { given: given() }),
                Some("-") | None => None,
                Some(file) => Some(PathBuf::from(file)),
            };
            let place = file
                .as_ref()
                .map_or("standard output".to_owned(), |file| shown(file).to_string());
            if !places.insert(place.clone()) {
                return Err(CliError::OutputTwice { place });
            }
            Ok(Output { format, file })
        })
        .collect()
}

/// Finds out whether the files can be written and values shown, before a scan is done for nothing.
pub(super) fn check(outputs: &[Output], reveal: bool) -> Result<(), CliError> {
    // Beside a format that shows values others may stand: they are masked, as docs/reports.md has it.
    if reveal && !outputs.iter().any(|output| output.format.can_reveal()) {
        return Err(CliError::RevealFormat);
    }
    let mut files = outputs.iter().filter_map(|output| output.file.as_deref());
    files.try_for_each(check_file)
}

/// Finds out whether [`replace`] can write a file: makes its neighbour and removes it again.
pub(super) fn check_file(path: &Path) -> Result<(), CliError> {
    let tried = match fs::metadata(path) {
        Ok(kind) if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // Opening a pipe waits for its reader.
        Ok(_) if is_stream(path) => Ok(()),
        _ => {
            let neighbour = neighbour(path);
            fs::File::create_new(&neighbour).and_then(|_| fs::remove_file(&neighbour))
        }
    };
    tried.map_err(|source| CliError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Reads a word for the category of SARIF. Others stand before and behind it, parted by `/`.
pub(super) fn category(text: &str) -> Result<String, String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.is_empty() && text.chars().all(is_fit) {
        true => Ok(text.to_owned()),
        false => Err("a category has letters, digits, `-`, `_` and `.` only".to_owned()),
    }
}

/// What reports are written with beside the scan itself.
pub(super) struct Choices<'c> {
    /// Whether values are shown.
    pub(super) reveal: bool,
    /// The least severity that fails the run.
    pub(super) fail_on: Severity,
    /// The file that results without one point at.
    pub(super) anchor: Option<&'c str>,
    /// A word in the category of SARIF.
    pub(super) category: Option<&'c str>,
    /// Whether verdicts leave out the names of keys.
    pub(super) redact_paths: bool,
}

/// Writes all reports that can be written; the first that cannot is the error.
pub(super) fn write(
    report: &Report,
    outputs: &[Output],
    choices: &Choices<'_>,
    look: &Look,
) -> Result<(), CliError> {
    // All are made (and searched for secrets) before the first is written: one that holds a secret stops all.
    let mut made = Vec::new();
    let mut summaries = Vec::new();
    let text_only = outputs.iter().all(|output| output.format == Format::Text);
    for output in outputs {
        let fancy = look.out && output.file.is_none();
        // Only GitLab demands times, and a clock would make every report another one.
        let time = settings::time().filter(|_| output.format == Format::Gitlab);
        let mut options = report::Options {
            reveal: choices.reveal,
            fail_on: choices.fail_on,
            color: fancy,
            unicode: fancy,
            started: time.clone(),
            ended: time,
            // A log is read by more people than a file.
            redact_paths: choices.redact_paths || (look.ci && output.file.is_none()),
            ..report::Options::default()
        };
        if let Some(anchor) = choices.anchor {
            options.sarif.anchor = anchor.to_owned();
        }
        options.sarif.category = choices.category.map(str::to_owned);
        made.push((
            output.file.as_deref(),
            report::render(report, output.format, &options)?,
        ));
        if let (Format::Github, Some(summary)) = (output.format, settings::step_summary()) {
            summaries.push((summary, report::github_summary(report, true)?));
        }
    }
    let nothing =
        report.findings.is_empty() && !report.ledger.is_incomplete() && !report.interrupted;
    let mut done = Ok(());
    for (file, bytes) in made {
        let written = match file {
            None if look.quiet && nothing && text_only => Ok(()),
            None => write_out(&bytes),
            Some(file) => replace(file, &bytes),
        };
        done = done.and(written);
    }
    for (file, bytes) in summaries {
        done = done.and(append(&file, &bytes));
    }
    done
}

/// Tells an incomplete run on standard error, unless a report for people on standard output tells it: `jsonl` has no place
/// for it, and a file may be read by nobody.
pub(super) fn warn(report: &Report, outputs: &[Output]) {
    use std::io::Write as _;
    let told = |output: &Output| {
        output.file.is_none() && matches!(output.format, Format::Text | Format::Github)
    };
    if let Some(text) = report::warning(report)
        && !outputs.iter().any(told)
    {
        // Nothing is left to be done about a standard error that cannot be written; the exit code says it too.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Tells whether a path is a device or a pipe of the user's. A link to one counts below `/dev` and `/proc` alone: one that lies elsewhere may
/// come with a repository, and is replaced as a link to a file is.
fn is_stream(path: &Path) -> bool {
    if !fs::metadata(path).is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
        return false;
    }
    if !path.symlink_metadata().is_ok_and(|kind| kind.is_symlink()) {
        return true;
    }
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.is_some_and(|folder| folder.starts_with("/dev") || folder.starts_with("/proc"))
}

/// Writes a file whole or not at all: a reader never sees half a report.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    use std::io::Write as _;
    let failed = |source| CliError::Write {
        path: path.to_owned(),
        source,
    };
    // Devices and pipes (`/dev/stderr`, process substitution) cannot be renamed over.
    if is_stream(path) {
        return fs::write(path, bytes).map_err(failed);
    }
    let temporary = neighbour(path);
    // NOTE: made anew or not at all: a link that somebody planted under this name is not followed.
    let mut file = fs::File::create_new(&temporary).map_err(failed)?;
    let done = file
        .write_all(bytes)
        .and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done.map_err(failed)
}

/// Writes a file as [`replace`] does, for its owner alone.
#[cfg(feature = "verify")]
pub(super) fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    use std::io::Write as _;
    let failed = |source| CliError::Write {
        path: path.to_owned(),
        source,
    };
    let temporary = neighbour(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary).map_err(failed)?;
    let done = file
        .write_all(bytes)
        .and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done.map_err(failed)
}

/// Returns the name under which a file is written before it takes its place.
fn neighbour(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn append(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    use std::io::Write as _;
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| CliError::Write {
            path: path.to_owned(),
            source,
        })
}

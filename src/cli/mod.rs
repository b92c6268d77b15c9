//! The command line: arguments, environment and terminal in; text and an exit code out.
//!
//! Promises: nothing below this layer reads the environment or the terminal; every error is rendered in one place, with a help
//! line; a closed pipe is a quiet end.

mod args;
#[cfg(feature = "verify")]
mod aside;
mod baseline;
mod error;
#[cfg(feature = "verify")]
mod event;
mod exit;
mod explain;
mod explain_policy;
mod fix;
mod gather;
mod hook;
#[cfg(feature = "verify")]
mod index;
mod patch;
mod progress;
mod ranged;
mod report;
#[cfg(feature = "verify")]
mod rotate;
#[cfg(feature = "verify")]
mod rotate_told;
#[cfg(feature = "verify")]
mod rotate_world;
mod rules;
mod scan;
mod settings;
#[cfg(feature = "verify")]
mod store;
#[cfg(feature = "verify")]
mod stores;
#[cfg(feature = "verify")]
mod trace;
#[cfg(feature = "verify")]
mod verify;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use miette::{GraphicalReportHandler, GraphicalTheme};

use error::CliError;
use exit::Outcome;

/// Runs the program with the process's own arguments and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap prints each to the right stream.
            let outcome = if error.use_stderr() {
                Outcome::Usage
            } else {
                Outcome::Clean
            };
            let _ = error.print();
            return outcome.into();
        }
    };
    let look = Look::new(&cli.global);
    #[cfg(feature = "verify")]
    if matches!(
        cli.command,
        args::Command::Verify(_) | args::Command::Rotate(_) | args::Command::Store(_)
    ) {
        settings::keep_memory_private();
    }
    let done = match &cli.command {
        args::Command::Scan(scan) => scan::run(scan, &look),
        #[cfg(feature = "verify")]
        args::Command::Verify(args) => verify::run(args, &look),
        #[cfg(feature = "verify")]
        args::Command::Rotate(command) => rotate::run(command).and_then(print_safe),
        #[cfg(feature = "verify")]
        args::Command::Audit(command) => rotate::audit(command).and_then(print_safe),
        args::Command::Explain(args) => explain::run(args, &look).and_then(print),
        args::Command::Fix(args) => fix::run(args, &look).and_then(print),
        args::Command::Rules(command) => rules::run(command).and_then(print),
        args::Command::Baseline(command) => baseline::run(command, &look).and_then(print),
        #[cfg(feature = "verify")]
        args::Command::Store(command) => store::run(command).and_then(print_safe),
        args::Command::Report(command) => report::run(command, &look),
        args::Command::Hook(args::Hook::Install {
            path,
            #[cfg(feature = "verify")]
            index,
            apply,
        }) => {
            let path = path.clone().unwrap_or_else(|| ".".into());
            #[cfg(feature = "verify")]
            let index = index.as_deref().map(index::of_hook).transpose();
            #[cfg(not(feature = "verify"))]
            let index: Result<Option<std::path::PathBuf>, CliError> = Ok(None);
            index
                .and_then(|index| Ok(hook::install(&path, index.as_deref(), *apply)?))
                .and_then(|text| print((text, Outcome::Clean)))
        }
    };
    match done {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            report_error(&error, &look);
            error.outcome().into()
        }
    }
}

/// How output should look.
struct Look {
    quiet: bool,
    /// Colours and line drawing on standard output.
    out: bool,
    /// The same on standard error.
    err: bool,
    /// A CI job: no progress.
    ci: bool,
}

impl Look {
    fn new(global: &args::Global) -> Self {
        let plain = global.no_color
            || settings::is_set("NO_COLOR")
            || settings::variable("TERM").is_some_and(|t| t == "dumb");
        Self {
            quiet: global.quiet,
            out: !plain && io::stdout().is_terminal(),
            err: !plain && io::stderr().is_terminal(),
            ci: settings::is_set("CI"),
        }
    }
}

/// Prints lines that hold texts of stores, servers and reports: nothing in them moves a cursor or turns the reading direction.
#[cfg(feature = "verify")]
fn print_safe((text, outcome): (String, Outcome)) -> Result<Outcome, CliError> {
    print((safe_lines(&text), outcome))
}

/// Returns text whose only control characters are line breaks.
#[cfg(feature = "verify")]
fn safe_lines(text: &str) -> String {
    let lines = text
        .split('\n')
        .map(|line| crate::model::BlobPath::from(line).to_text().into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Prints text to standard output; a reader that went away is no error.
fn print((text, outcome): (String, Outcome)) -> Result<Outcome, CliError> {
    write_out(crate::report::inert(&text).as_bytes())?;
    Ok(outcome)
}

fn write_out(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Write {
            path: "standard output".into(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Renders an error: the one place that does.
fn report_error(error: &CliError, look: &Look) {
    let theme = if look.err {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(100);
    if handler.render_report(&mut text, error).is_err() {
        text = format!("error: {error}\n");
    }
    let mut err = io::stderr().lock();
    // Nothing is left to be done about a standard error that cannot be written.
    let _ = err.write_all(crate::report::inert(&text).as_bytes());
}

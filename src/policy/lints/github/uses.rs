//! From what a script does with a secret to a fault: how bad it is here, and in which words.

use std::{collections::HashSet, ops::Range};

use super::{
    super::super::{
        fault::Fault,
        lint::{Context, LintMeta, Persona},
        node::Scalar,
        shell::{CommandFile, Origin, Sink, Use},
    },
    build, mend, passed, printed,
    scripts::{Held, Place},
    secrets::Secret,
};
use crate::model::{Confidence, Severity};

/// Tells what one use of a secret is.
pub(super) fn judge(
    place: &Place<'_, '_>,
    run: &Scalar,
    one: &Use,
    held: &Held<'_, '_>,
    masked: &mut HashSet<String>,
    context: &mut Context<'_>,
) {
    let span = run.source(one.span.clone());
    match &one.sink {
        Sink::Unmasked(unmasked) => {
            let to = &unmasked.to;
            let name = unmasked
                .variable
                .clone()
                .unwrap_or_else(|| unmasked.source.to_owned());
            // One mask line is enough for all uses of a variable.
            if masked.contains(&name) {
                return;
            }
            let mut fault = Fault::new(
                &passed::MINTED,
                span,
                place.subject(&name),
                format!(
                    "what {} gives {} without having been masked",
                    unmasked.source,
                    goes(to)
                ),
            );
            fault.fix = unmasked
                .assigned
                .as_ref()
                .and_then(|range| mend::mask(place.text, run, range, &name));
            masked.insert(name);
            context.tell(fault);
        }
        Sink::Dump | Sink::TracedCall => {
            if let Some(secret) = held.any(&one.names).or_else(|| place.any_secret()) {
                if one.sink == Sink::Dump {
                    dump(place, span, &one.command, &secret, context);
                } else {
                    let fault = Fault::new(
                        &printed::XTRACE,
                        span,
                        place.subject(&one.command),
                        format!(
                            "{} traces a script that can use {}",
                            one.command,
                            secret.shown()
                        ),
                    );
                    context.tell(
                        fault
                            .severity(Severity::Low)
                            .confidence(Confidence::Low)
                            .persona(Persona::Pedantic),
                    );
                }
            }
        }
        _ => {
            if let Some(secret) = held.any(&one.names) {
                named(place, run, one, span, &secret, context);
            }
        }
    }
}

fn goes(to: &Sink) -> &'static str {
    match to {
        Sink::CommandFile(CommandFile::Environment) => "goes to later steps",
        Sink::CommandFile(_) => "becomes an output",
        _ => "is printed",
    }
}

/// Tells that the environment is printed.
pub(super) fn dump(
    place: &Place<'_, '_>,
    span: Range<usize>,
    command: &str,
    secret: &Secret,
    context: &mut Context<'_>,
) {
    let fault = Fault::new(
        &printed::DUMP,
        span,
        place.subject(command),
        format!(
            "{command} prints the environment, in which {} is",
            secret.shown()
        ),
    );
    let severity = if secret.is_short_lived() {
        Severity::Low
    } else {
        Severity::Medium
    };
    context.tell(fault.severity(severity));
}

/// Uses of a secret that is known.
fn named(
    place: &Place<'_, '_>,
    run: &Scalar,
    one: &Use,
    span: Range<usize>,
    secret: &Secret,
    context: &mut Context<'_>,
) {
    let shown = secret.shown();
    let name = one.names.first().map_or(shown.as_str(), String::as_str);
    let (meta, message): (&'static LintMeta, String) = match &one.sink {
        Sink::Print => (
            &printed::ECHO,
            format!("{} prints {shown} to the log", called(one)),
        ),
        Sink::Derived => (
            &printed::DERIVED,
            format!(
                "what {} makes of {shown} is printed: nothing masks it",
                one.derived.unwrap_or("the script")
            ),
        ),
        Sink::Trace => (
            &printed::XTRACE,
            format!("{shown} is expanded while the shell traces commands"),
        ),
        Sink::Url => (
            &passed::URL,
            format!("{shown} is part of the address that {} gets", called(one)),
        ),
        Sink::CommandFile(file) => (&passed::COMMAND_FILE, command_file(file, one, &shown)),
        Sink::Argument(argument) if one.origin != Origin::Placeholder => (
            &passed::ARGV,
            match argument.safe {
                Some(safe) => format!("{shown} is an argument of {}: {safe}", called(one)),
                None => format!("{shown} is an argument of {}", called(one)),
            },
        ),
        Sink::BuildArg { name } => {
            build::tell(place.job.id, place.step, name, secret, span, context);
            return;
        }
        _ => return,
    };
    let subject = if one.command.is_empty() {
        name.to_owned()
    } else {
        format!("{} {name}", one.command)
    };
    let mut fault = Fault::new(meta, span, place.subject(&subject), message);
    if let Sink::Argument(argument) = &one.sink {
        fault = argv(fault, place, secret);
        fault.fix = mend::stdin(run, &argument.stdin_edits);
    } else if secret.is_short_lived() {
        let severity = match fault.severity {
            Severity::High => Severity::Medium,
            _ => Severity::Low,
        };
        fault = fault.severity(severity);
    }
    if matches!(one.sink, Sink::Print) {
        fault.fix = mend::test_instead(place.text, run, one);
    }
    context.tell(fault);
}

fn called(one: &Use) -> &str {
    if one.command.is_empty() {
        "a program"
    } else {
        &one.command
    }
}

fn command_file(file: &CommandFile, one: &Use, shown: &str) -> String {
    let to = match file {
        CommandFile::Output => "becomes an output of the step",
        CommandFile::Environment => "goes to the environment of all later steps",
        CommandFile::Path => "goes to the search path of later steps",
        CommandFile::Summary => "goes to the summary of the job",
        CommandFile::State | CommandFile::Variable { .. } => "goes to later steps",
    };
    match one.derived {
        Some(how) => format!("{shown} {to}, in a form ({how}) that nothing masks"),
        None => format!("{shown} {to}"),
    }
}

/// A machine of GitHub runs one job and no other; a token that ends with the job is of no use to anybody there.
fn argv(fault: Fault, place: &Place<'_, '_>, secret: &Secret) -> Fault {
    match (place.job.self_hosted, secret.is_short_lived()) {
        (true, false) => fault.severity(Severity::High),
        (true, true) => fault,
        (false, false) => fault,
        (false, true) => fault.severity(Severity::Low).persona(Persona::Pedantic),
    }
}

//! What the commands of `rotate` say: what became of rotations, and how far each is. No text holds a value.

use std::fmt::Write as _;

use crate::rotate::{self, Listed, Rotation, Status};

use super::exit::Outcome;

/// What a command prints, and what it came to.
pub(super) type Told = (String, Outcome);

/// Lists rotations that have not ended, or all of them; the exit code is that of the worst one that has not ended.
pub(super) fn listed(found: &[Listed], all: bool, checked: bool) -> Told {
    let mut text = String::new();
    let mut worst = 0;
    for listed in found {
        worst = worst.max(listed.code());
        if all || !listed.is_ended() {
            let _ = writeln!(text, "{}", line(listed));
        }
    }
    let ended = found.iter().filter(|listed| listed.is_ended()).count();
    if found.is_empty() {
        text.push_str("no rotation was begun here\n");
    } else if !all {
        match ended {
            0 => {}
            1 => text.push_str("1 rotation has ended; --all lists it\n"),
            n => drop(writeln!(text, "{n} rotations have ended; --all lists them")),
        }
    }
    let is_sealed = |listed: &Listed| matches!(listed, Listed::Rotation(status) if status.sealed);
    if found.iter().any(is_sealed) {
        text.push_str("a journal of one that has ended still holds sealed values: keysweep rotate resume takes them out\n");
    }
    if !checked && !found.is_empty() {
        text.push_str("who wrote the journals was not checked: no age identity could be read (`[rotate] identity` of the stores file)\n");
    }
    (text, outcome(worst))
}

fn line(listed: &Listed) -> String {
    match listed {
        Listed::Rotation(status) => line_of(status),
        Listed::Damaged { id, why, help } => {
            format!("{id}  damaged  nothing is done by it\n    {why}; {help}")
        }
    }
}

fn line_of(status: &Status) -> String {
    let mut line = format!("{}  {}  {}", status.id, status.state.as_str(), status.title);
    if let Some(until) = status.grace() {
        let _ = write!(line, "  until {}", rotate::time_text(until));
    } else {
        let _ = write!(line, "  {}", rotate::time_text(status.last));
    }
    if let Some(note) = &status.note {
        let _ = write!(line, "\n    {note}");
    }
    line
}

/// Tells what became of rotations, and the head of the audit log; the exit code is that of the worst.
pub(super) fn told(done: &[Rotation], head: Option<&str>) -> Told {
    let mut text = String::new();
    let mut worst = 0;
    for rotation in done {
        let says = says(rotation);
        let _ = writeln!(text, "{}  {}: {says}", rotation.id, rotation.title);
        let cut = match rotation.cut {
            0 => None,
            1 => Some("1 byte".to_owned()),
            n => Some(format!("{n} bytes")),
        };
        if let Some(cut) = cut {
            let _ = writeln!(
                text,
                "    its journal was cut by {cut} of a record that a crash had torn"
            );
        }
        worst = worst.max(rotation.outcome.code());
    }
    if done.is_empty() {
        text.push_str("no rotation is under way\n");
    }
    if let Some(head) = head {
        let _ = writeln!(text, "audit head {head}");
    }
    (text, outcome(worst))
}

fn says(rotation: &Rotation) -> String {
    let before = |what: &str| {
        let at = rotation.ended.map(rotate::time_text);
        at.map_or_else(
            || what.to_owned(),
            |at| format!("was {what} already at {at}"),
        )
    };
    match &rotation.outcome {
        rotate::Outcome::Done => match &rotation.note {
            Some(note) => format!("{}: {note}", before("done")),
            None => before("done"),
        },
        rotate::Outcome::WaitsForApproval { why } => format!("waits for approval: {why}"),
        rotate::Outcome::InGrace { until } => format!(
            "both credentials are valid until {}; then: keysweep rotate resume",
            rotate::time_text(*until)
        ),
        rotate::Outcome::Later { why } => format!("later: {why}; then: keysweep rotate resume"),
        rotate::Outcome::RolledBack { why } if rotation.ended.is_some() => {
            format!("{}: {why}; verify and plan anew", before("taken back"))
        }
        rotate::Outcome::RolledBack { why } => format!("taken back: {why}"),
        rotate::Outcome::NeedsHuman { why } if rotation.is_damaged => {
            format!("a person is needed: {why}")
        }
        rotate::Outcome::NeedsHuman { why } => format!(
            "a person is needed: {why}; then: keysweep rotate resume {0} --by-hand, or: keysweep rotate abandon {0} --reason TEXT",
            rotation.id
        ),
        rotate::Outcome::Abandoned { why } if rotation.ended.is_some() => {
            format!("{}: {why}", before("abandoned"))
        }
        rotate::Outcome::Abandoned { why } => why.clone(),
    }
}

/// Returns the outcome of an exit code of a rotation; the greater is the worse (DESIGN section 3).
fn outcome(code: u8) -> Outcome {
    match code {
        0 => Outcome::Clean,
        11 => Outcome::Waiting,
        12 => Outcome::Grace,
        13 => Outcome::RolledBack,
        _ => Outcome::Person,
    }
}

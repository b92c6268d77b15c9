//! What is known of values: which secrets they hold, and how those came there.

use std::ops::Range;

use super::{CommandFile, Origin, sources::Source};

/// Most pieces that are handed on where they are copied, and most names of one.
pub(super) const MAX_PIECES: usize = 8;

/// Where a secret that a program gave stands with masking.
#[derive(Clone, Debug)]
pub(super) struct Mint {
    pub(super) source: Source,
    /// The variable that took it.
    pub(super) variable: Option<String>,
    /// The statement that assigned it.
    pub(super) assigned: Option<Range<usize>>,
    /// Whether it was registered for masking.
    pub(super) masked: bool,
}

/// Which secret a value holds.
#[derive(Clone, Debug)]
pub(super) struct Taint {
    pub(super) names: Vec<String>,
    pub(super) origin: Origin,
    pub(super) derived: Option<&'static str>,
    pub(super) mint: Option<Mint>,
}

/// A part of a word or of a stream that holds a secret.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) taint: Taint,
    /// The word.
    pub(super) span: Range<usize>,
    /// The expansion in it.
    pub(super) at: Range<usize>,
    pub(super) command: String,
    pub(super) command_span: Range<usize>,
    /// The command that lists everything, if it is no single value.
    pub(super) dump: Option<&'static str>,
    /// The function whose output stands here.
    pub(super) call: Option<String>,
}

/// What may stand on a stream.
pub(super) type Stream = Vec<Piece>;

/// Returns what several pieces hold together.
pub(super) fn merged(pieces: &[Piece]) -> Taint {
    let mut names: Vec<String> = Vec::new();
    for name in pieces.iter().flat_map(|piece| &piece.taint.names) {
        if !names.contains(name) && names.len() < MAX_PIECES {
            names.push(name.clone());
        }
    }
    let first = |test: fn(&Taint) -> bool| {
        pieces
            .iter()
            .map(|piece| &piece.taint)
            .find(|taint| test(taint))
    };
    Taint {
        names,
        origin: first(|_| true).map_or(Origin::Variable, |taint| taint.origin),
        derived: first(|taint| taint.derived.is_some()).and_then(|taint| taint.derived),
        mint: first(|taint| taint.mint.is_some()).and_then(|taint| taint.mint.clone()),
    }
}

/// Returns the file by which CI takes values, if a path is one.
pub(super) fn command_file(path: &str) -> Option<CommandFile> {
    let name = path.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let name = name.split([':', '-']).next().unwrap_or(name);
    Some(match name {
        "GITHUB_OUTPUT" => CommandFile::Output,
        "GITHUB_ENV" | "BASH_ENV" | "env:GITHUB_ENV" => CommandFile::Environment,
        "GITHUB_PATH" => CommandFile::Path,
        "GITHUB_STEP_SUMMARY" => CommandFile::Summary,
        "GITHUB_STATE" => CommandFile::State,
        _ => return None,
    })
}

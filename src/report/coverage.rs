//! The ledger in words: what was read, what was not and why. Plain text; a format escapes it.

use crate::{
    model::{Counter, Ledger, Skip, SkipCause},
    report::words,
};

/// What was not read for one cause.
pub(super) struct Gap<'a> {
    /// Why.
    pub(super) cause: SkipCause,
    /// How many things.
    pub(super) count: u64,
    /// The first of them.
    pub(super) named: Vec<&'a Skip>,
}

impl Gap<'_> {
    /// Returns `3 things too large`.
    pub(super) fn headline(&self) -> String {
        let (one, many) = cause_words(self.cause);
        words::count(self.count, one, many)
    }

    /// Returns each name with what happened to it, and how many are not named.
    pub(super) fn names(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .named
            .iter()
            .map(|skip| match skip.detail.as_str() {
                "" => skip.path.to_string(),
                detail => format!("{} ({})", skip.path, words::safe(detail)),
            })
            .collect();
        let more = self
            .count
            .saturating_sub(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        if more > 0 {
            lines.push(format!("and {} more", words::grouped(more)));
        }
        lines
    }
}

/// Returns what was not read, gaps first, with at most `named` names each.
pub(super) fn gaps(ledger: &Ledger, named: usize) -> Vec<Gap<'_>> {
    let mut gaps: Vec<Gap<'_>> = ledger
        .skipped
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| Gap {
            cause: *cause,
            count: *count,
            named: ledger
                .skips
                .iter()
                .filter(|skip| skip.cause == *cause)
                .take(named)
                .collect(),
        })
        .collect();
    gaps.sort_by_key(|gap| !gap.cause.is_gap());
    gaps
}

/// Returns `12 files, 3.4 MiB, 5 references`, or `nothing`.
pub(super) fn read(ledger: &Ledger) -> String {
    let parts: Vec<String> = ledger
        .read
        .iter()
        .filter(|(_, n)| **n > 0)
        .filter_map(|(counter, n)| counted(*counter, *n))
        .collect();
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Returns the line on findings that were left out because nothing leads to their object.
pub(super) fn unreachable(ledger: &Ledger) -> Option<String> {
    let n = ledger.counted(Counter::UnreachableFindings);
    (n > 0).then(|| {
        format!(
            "{} in unreachable objects left out; --unreachable shows them",
            words::count(n, "finding", "findings")
        )
    })
}

fn counted(counter: Counter, n: u64) -> Option<String> {
    let (one, many) = match counter {
        Counter::Files => ("file", "files"),
        Counter::Bytes => return Some(words::bytes(n)),
        Counter::Blobs => ("blob", "blobs"),
        Counter::Trees => ("tree", "trees"),
        Counter::Commits => ("commit", "commits"),
        Counter::Tags => ("tag", "tags"),
        Counter::Refs => ("reference", "references"),
        Counter::ReflogEntries => ("reflog entry", "reflog entries"),
        Counter::IndexEntries => ("index entry", "index entries"),
        Counter::ArchiveMembers => ("archive member", "archive members"),
        // Not something read: `unreachable` has a line of its own for it.
        Counter::UnreachableFindings => return None,
    };
    Some(words::count(n, one, many))
}

fn cause_words(cause: SkipCause) -> (&'static str, &'static str) {
    match cause {
        SkipCause::ShallowBoundary => (
            "place where a shallow clone cuts history off",
            "places where a shallow clone cuts history off",
        ),
        SkipCause::MissingObject => ("object missing", "objects missing"),
        SkipCause::LfsPointer => (
            "Git LFS pointer without its content",
            "Git LFS pointers without their content",
        ),
        SkipCause::Submodule => ("submodule", "submodules"),
        SkipCause::TooLarge => ("thing too large", "things too large"),
        SkipCause::Unreadable => ("thing unreadable", "things unreadable"),
        SkipCause::Undecodable => ("thing undecodable", "things undecodable"),
        SkipCause::Ignored => (
            "path hidden by an ignore file",
            "paths hidden by ignore files",
        ),
        SkipCause::ExcludedPath => (
            "path excluded by configuration",
            "paths excluded by configuration",
        ),
        SkipCause::SpecialFile => ("special file", "special files"),
        SkipCause::LimitHit => ("limit met", "limits met"),
        SkipCause::Interrupted => ("interruption", "interruptions"),
        SkipCause::Unsupported => ("thing not supported", "things not supported"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn says_how_many_are_not_named() {
        let ledger = sample::report().ledger;
        let lines: Vec<(String, Vec<String>)> = gaps(&ledger, 2)
            .iter()
            .map(|gap| (gap.headline(), gap.names()))
            .collect();
        insta::assert_debug_snapshot!(lines);
    }

    #[test]
    fn an_empty_ledger_read_nothing() {
        assert_eq!(read(&Ledger::default()), "nothing");
    }
}

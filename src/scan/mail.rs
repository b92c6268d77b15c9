//! Mail addresses of authors, taken out of what a report shows of commits, tags and logs: authors appear by name.
//!
//! Files are left as they are: an address in a file is its content, not the mark of whoever wrote it.

use std::ops::Range;

use crate::model::{Excerpt, Place};

/// Stands for an address.
const GONE: &str = "…";

/// Takes the addresses out of an excerpt of a commit, a tag or a log, but for what belongs to the finding itself.
pub(super) fn strip(place: Place, excerpt: &mut Excerpt) {
    let mut gone = addresses(&excerpt.text);
    match place {
        Place::CommitHeader | Place::Tag | Place::Reflog => gone.extend(brackets(excerpt)),
        Place::CommitMessage => {}
        Place::File
        | Place::Stdin
        | Place::Staged
        | Place::History
        | Place::FileName
        | Place::SymlinkTarget
        | Place::RefName
        | Place::RemoteUrl => return,
    }
    gone.sort_by_key(|range| (range.start, range.end));
    let gone = joined(gone);
    let kept = excerpt.start..excerpt.end;
    let (mut text, mut from) = (String::with_capacity(excerpt.text.len()), 0);
    let (mut start, mut end) = (kept.start, kept.end);
    for range in gone.into_iter().flat_map(|range| outside(range, &kept)) {
        text.push_str(excerpt.text.get(from..range.start).unwrap_or_default());
        text.push_str(GONE);
        from = range.end;
        if from <= kept.start {
            let shift = |at: usize| at + GONE.len() - range.len();
            (start, end) = (shift(start), shift(end));
        }
    }
    text.push_str(excerpt.text.get(from..).unwrap_or_default());
    (excerpt.text, excerpt.start, excerpt.end) = (text, start, end);
}

/// Makes one of each set of ranges that overlap; they are sorted.
fn joined(ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Returns the parts of a range that lie before and after the finding, without empty ones.
fn outside(range: Range<usize>, kept: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let before = range.start..range.end.min(kept.start);
    let after = range.start.max(kept.end)..range.end;
    [before, after]
        .into_iter()
        .filter(|part| part.start < part.end)
}

/// Returns what looks like an address: `local@host`.
fn addresses(text: &str) -> Vec<Range<usize>> {
    let local = |c: char| c.is_alphanumeric() || "._%+-!#$&'/=?^`{|}~".contains(c);
    let host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.match_indices('@')
        .filter_map(|(at, _)| {
            let (head, tail) = (text.get(..at)?, text.get(at + 1..)?);
            let start = head.trim_end_matches(local).len();
            let end = text.len() - tail.trim_start_matches(host).len();
            (start < at && end > at + 1).then_some(start..end)
        })
        .collect()
}

/// Returns what git takes for an address in the lines of authors and logs: all between the first `<` of a line and the next
/// `>`; also what is left of it where an excerpt was cut.
fn brackets(excerpt: &Excerpt) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in excerpt.text.split_inclusive('\n') {
        let open = line.find('<').map(|open| open + '<'.len_utf8());
        let from = match (open, line.strip_prefix('…')) {
            (None, Some(rest)) if excerpt.cut && at == 0 => {
                let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let has_end = rest.get(..word).is_some_and(|word| word.contains('>'));
                has_end.then_some(line.len() - rest.len())
            }
            (open, _) => open,
        };
        if let Some(from) = from {
            let rest = line.get(from..).unwrap_or_default();
            let to = rest.find(['>', '\n']).unwrap_or(rest.len());
            if to > 0 {
                found.push(at + from..at + from + to);
            }
        }
        at += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    fn shown(place: Place, text: &str, secret: &str) -> (String, String) {
        let at = text.find(secret).unwrap() as u64;
        let span = Span::new(at, at + secret.len() as u64);
        let mut excerpt = Excerpt::new(text.as_bytes(), span, 1, &[span]);
        strip(place, &mut excerpt);
        let target = excerpt.text.get(excerpt.start..excerpt.end).unwrap();
        (excerpt.text.clone(), target.to_owned())
    }

    #[test]
    fn authors_lose_their_address_and_the_finding_stays_in_place() {
        let log = "00 11 A U Thor <a.u@example.com> 1700000000 +0200\tcommit: k KEY by x@y.example";
        let text = "00 11 A U Thor <…> 1700000000 +0200\tcommit: k *** by …";
        assert_eq!(
            shown(Place::Reflog, log, "KEY"),
            (text.replace('\t', " "), "***".to_owned())
        );
        assert_eq!(
            shown(
                Place::CommitHeader,
                "author KEY <no address> 1 +0000",
                "KEY"
            )
            .0,
            "author *** <…> 1 +0000"
        );
    }

    #[test]
    fn a_secret_inside_an_address_stays_marked() {
        assert_eq!(
            shown(Place::CommitHeader, "author A <KEY@example.com> 1", "KEY"),
            ("author A <***…> 1".to_owned(), "***".to_owned())
        );
    }

    #[test]
    fn cut_lines_and_messages_are_stripped_too() {
        let log = format!(
            "{}@example.com> 1 +0000 {} KEY",
            "a".repeat(60),
            "x".repeat(50)
        );
        let text = shown(Place::Reflog, &log, "KEY").0;
        assert!(text.starts_with("……> 1 +0000"), "{text}");
        let message = "Signed-off-by: A <a@example.com>\u{20}KEY <tag>";
        assert_eq!(
            shown(Place::CommitMessage, message, "KEY").0,
            "Signed-off-by: A <…> *** <tag>"
        );
    }

    #[test]
    fn of_addresses_that_overlap_nothing_stays() {
        for (text, left) in [
            ("by a@b.example@c.example KEY", "by … ***"),
            ("KEY a@b@c@d <e@f>", "*** … <…>"),
        ] {
            assert_eq!(shown(Place::CommitMessage, text, "KEY").0, left);
        }
        let header = "author A <a@b@c.example> 1 KEY";
        assert_eq!(
            shown(Place::CommitHeader, header, "KEY").0,
            "author A <…> 1 ***"
        );
    }

    #[test]
    fn files_and_urls_are_left_as_they_are() {
        let file = "mail = a@example.com KEY";
        assert!(shown(Place::File, file, "KEY").0.contains("a@example.com"));
        let url = "see https://u:KEY@example.com/x";
        assert_eq!(
            shown(Place::CommitMessage, url, "KEY").0,
            "see https://u:***@example.com/x"
        );
    }
}

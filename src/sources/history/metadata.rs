//! What of a repository can hold a secret beside file contents: messages, headers, names, logs, configuration.

use super::super::{
    Blob, Receiver,
    repo::{Kind, Repository, parse_hex, split_message},
};
use crate::model::{BlobPath, Counter, Ledger, ObjectId, Place, Provenance, SkipCause, Span};

/// What a text is called that has no path.
pub(super) const COMMIT_MESSAGE: &str = "<commit message>";
pub(super) const COMMIT_HEADER: &str = "<commit header>";
pub(super) const TAG: &str = "<tag>";
pub(super) const REF_NAME: &str = "<ref name>";
pub(super) const REFLOG: &str = "<reflog>";

/// Returns the part of an object that a place stands for: what lines and offsets of that place count in.
pub(super) fn part(place: Place, bytes: &[u8]) -> &[u8] {
    match place {
        Place::CommitMessage => split_message(bytes).1,
        Place::CommitHeader => split_message(bytes).0,
        Place::File
        | Place::Stdin
        | Place::Staged
        | Place::History
        | Place::FileName
        | Place::SymlinkTarget
        | Place::Tag
        | Place::RefName
        | Place::Reflog
        | Place::RemoteUrl => bytes,
    }
}

/// The names in angle brackets as paths, made once.
pub(super) struct Names {
    message: BlobPath,
    header: BlobPath,
    tag: BlobPath,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            message: BlobPath::from(COMMIT_MESSAGE),
            header: BlobPath::from(COMMIT_HEADER),
            tag: BlobPath::from(TAG),
        }
    }

    /// Hands out the texts of a commit or tag.
    pub(super) fn object(
        &self,
        receiver: &mut dyn Receiver,
        id: ObjectId,
        kind: Kind,
        bytes: &[u8],
    ) {
        let mut give = |place: Place, path: &BlobPath| {
            let text = part(place, bytes);
            let provenance = Provenance {
                place,
                object: Some(id),
            };
            give(receiver, text, &regions(text), path, provenance, true);
        };
        match kind {
            Kind::Commit => {
                give(Place::CommitHeader, &self.header);
                give(Place::CommitMessage, &self.message);
            }
            Kind::Tag => give(Place::Tag, &self.tag),
            Kind::Tree | Kind::Blob => {}
        }
    }
}

/// Hands out one text.
pub(super) fn give(
    receiver: &mut dyn Receiver,
    bytes: &[u8],
    regions: &[Span],
    path: &BlobPath,
    provenance: Provenance,
    whole: bool,
) {
    if !regions.is_empty() {
        receiver.blob(&Blob {
            bytes,
            regions,
            path,
            provenance,
            offset: 0,
            line: 1,
            column: 1,
            whole,
        });
    }
}

/// Hands out a name: never an archive, whatever it ends in.
pub(super) fn give_name(receiver: &mut dyn Receiver, name: &[u8], path: &BlobPath, place: Place) {
    let provenance = Provenance {
        place,
        object: None,
    };
    give(receiver, name, &all(name), path, provenance, false);
}

/// Hands out reference names, reflogs and configuration.
pub(super) fn give_repository(
    repository: &Repository,
    receiver: &mut dyn Receiver,
    ledger: &mut Ledger,
) {
    let refs = repository.refs();
    let path = BlobPath::from(REF_NAME);
    let branch = repository.branch();
    let mut names: Vec<&[u8]> = refs.references.iter().map(|r| r.name.as_slice()).collect();
    names.extend(branch.as_deref());
    names.sort_unstable();
    names.dedup();
    for name in &names {
        give_name(receiver, name, &path, Place::RefName);
    }
    ledger.count(Counter::Refs, refs.references.len() as u64);
    let path = BlobPath::from(REFLOG);
    for log in &refs.reflogs {
        let regions = reflog_regions(&log.text);
        ledger.count(Counter::ReflogEntries, regions.len() as u64);
        ledger.count(Counter::Bytes, log.text.len() as u64);
        let provenance = Provenance {
            place: Place::Reflog,
            object: None,
        };
        give(receiver, &log.text, &regions, &path, provenance, false);
    }
    for (shown, text) in repository.configs() {
        let path = BlobPath::from(shown.as_str());
        match text {
            Ok(text) => {
                ledger.count(Counter::Bytes, text.len() as u64);
                let provenance = Provenance {
                    place: Place::RemoteUrl,
                    object: None,
                };
                give(receiver, &text, &all(&text), &path, provenance, false);
            }
            Err(detail) => ledger.skip(SkipCause::Unreadable, path, detail),
        }
    }
}

/// Returns one region over everything, none for an empty text.
pub(super) fn all(text: &[u8]) -> Vec<Span> {
    if text.is_empty() {
        return Vec::new();
    }
    vec![Span::new(0, text.len() as u64)]
}

/// Returns what of a reflog can hold a secret: each entry without its two ids.
fn reflog_regions(text: &[u8]) -> Vec<Span> {
    let mut regions = Vec::new();
    for (start, line) in lines(text) {
        let ids = line
            .split(|b| *b == b' ')
            .take(2)
            .take_while(|word| parse_hex(word).is_some())
            .map(|word| word.len() + 1)
            .sum::<usize>()
            .min(line.len());
        if ids < line.len() {
            regions.push(span(start + ids, start + line.len()));
        }
    }
    regions
}

/// Returns what of a commit's header, a message or a tag can hold a secret: all but the ids at the start and the bodies of
/// signatures, which are random by nature and stand in most commits of some forges.
fn regions(text: &[u8]) -> Vec<Span> {
    let mut quiet = Vec::new();
    quiet.push(0..ids_at_start(text));
    if memchr::memmem::find(text, b"-----BEGIN ").is_some() {
        signature_bodies(text, &mut quiet);
    }
    let mut regions = Vec::new();
    let mut from = 0;
    for gap in quiet {
        if from < gap.start {
            regions.push(span(from, gap.start));
        }
        from = from.max(gap.end);
    }
    if from < text.len() {
        regions.push(span(from, text.len()));
    }
    regions
}

/// Returns the length of the lines at the start that are a word of git's and an id, nothing else.
fn ids_at_start(text: &[u8]) -> usize {
    let is_id = |line: &[u8]| {
        [&b"tree "[..], b"parent ", b"object "].iter().any(|word| {
            line.strip_prefix(*word)
                .is_some_and(|id| parse_hex(id).is_some())
        })
    };
    lines(text)
        .take_while(|(_, line)| is_id(line))
        .last()
        .map_or(0, |(start, line)| (start + line.len() + 1).min(text.len()))
}

/// Lines with their offsets.
type Lines<'t> = Vec<(usize, &'t [u8])>;

/// Finds armoured signatures (RFC 9580 section 6.2, OpenSSH's PROTOCOL.sshsig, S/MIME) and the bodies within.
fn signature_bodies(text: &[u8], quiet: &mut Vec<std::ops::Range<usize>>) {
    const LABELS: [&[u8]; 4] = [
        b"PGP SIGNATURE-----",
        b"SSH SIGNATURE-----",
        b"SIGNED MESSAGE-----",
        b"PGP MESSAGE-----",
    ];
    let mut body: Option<(&[u8], Lines<'_>)> = None;
    for (start, line) in lines(text) {
        // Continued lines of a header are indented by one.
        let inner = line.trim_ascii();
        let at = start + (line.len() - line.trim_ascii_start().len());
        let after = |mark: &[u8]| {
            let at = memchr::memmem::find(inner, mark)?;
            inner.get(at + mark.len()..)
        };
        if let Some(label) = after(b"-----BEGIN ") {
            body = LABELS.contains(&label).then_some((label, Vec::new()));
        } else if let Some(label) = inner.strip_prefix(b"-----END ") {
            if let Some((begun, lines)) = body.take()
                && begun == label
            {
                quiet.extend(base64_body(&lines));
            }
        } else if let Some((_, lines)) = &mut body
            && !inner.is_empty()
            && (!lines.is_empty() || memchr::memmem::find(inner, b": ").is_none())
        {
            lines.push((at, inner));
        }
    }
}

/// Returns the extent of lines that can be nothing but base64 in equal lines, the last shorter, maybe with a checksum.
fn base64_body(lines: &[(usize, &[u8])]) -> Option<std::ops::Range<usize>> {
    let is_base64 = |line: &[u8]| {
        line.iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    };
    let (start, first) = *lines.first()?;
    let (last_start, last) = *lines.last()?;
    let checksum = last.len() == 5 && last.starts_with(b"=");
    let full = lines.len().checked_sub(1 + usize::from(checksum))?;
    let sound = first.len() >= 60
        && lines
            .iter()
            .all(|(_, line)| is_base64(line) && line.len() <= first.len())
        && lines
            .iter()
            .take(full)
            .all(|(_, line)| line.len() == first.len());
    sound.then_some(start..last_start + last.len())
}

/// Yields the lines without their ends, with their offsets.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    text.split(|b| *b == b'\n').map(move |line| {
        let at = start;
        start += line.len() + 1;
        (at, line)
    })
}

const fn span(start: usize, end: usize) -> Span {
    Span::new(start as u64, end as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(text: &str) -> Vec<&str> {
        regions(text.as_bytes())
            .iter()
            .map(|s| &text[s.start as usize..s.end as usize])
            .collect()
    }

    #[test]
    fn leaves_out_ids_and_the_bodies_of_signatures() {
        let id = "a".repeat(40);
        let line = "Zm9v".repeat(16);
        let header = format!(
            "tree {id}\nparent {id}\nauthor x\ngpgsig -----BEGIN PGP SIGNATURE-----\n Comment: hello\n \n {line}\n {line}\n short\n =abcd\n -----END PGP SIGNATURE-----\nend\n"
        );
        assert_eq!(
            kept(&header),
            [
                "author x\ngpgsig -----BEGIN PGP SIGNATURE-----\n Comment: hello\n \n ",
                "\n -----END PGP SIGNATURE-----\nend\n"
            ]
        );
    }

    #[test]
    fn keeps_what_only_looks_like_a_signature() {
        let line = "Zm9v".repeat(16);
        for body in [
            format!("{line}\nkey_with-other.bytes\n"),
            format!("short\n{line}\n"),
            format!("{line}\nshort\n{line}\n"),
            format!("{line}\nComment: x\n{line}\n"),
        ] {
            let text =
                format!("m\n-----BEGIN PGP SIGNATURE-----\n{body}-----END PGP SIGNATURE-----\n");
            assert_eq!(kept(&text), [text.as_str()]);
        }
        let open = format!("-----BEGIN PGP SIGNATURE-----\n{line}\n");
        assert_eq!(kept(&open), [open.as_str()]);
        let key = format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n");
        assert_eq!(kept(&key), [key.as_str()]);
        assert_eq!(kept("tree x\n"), ["tree x\n"]);
        assert!(kept("").is_empty());
    }

    #[test]
    fn reflog_entries_lose_their_ids_only() {
        let id = "b".repeat(40);
        let text = format!("{id} {id} N <m> 1 +0000\tcommit: x\nodd line\n");
        let spans: Vec<_> = reflog_regions(text.as_bytes())
            .iter()
            .map(|s| &text[s.start as usize..s.end as usize])
            .collect();
        assert_eq!(spans, ["N <m> 1 +0000\tcommit: x", "odd line"]);
    }

    proptest! {
        #[test]
        fn regions_are_sorted_disjoint_and_inside(text in "(tree |-----BEGIN PGP SIGNATURE-----|-----END PGP SIGNATURE-----|[a-f0-9]{40}|[A-Za-z]{64}|\n| |=abcd|x: y){0,30}") {
            let mut end = 0;
            for region in regions(text.as_bytes()) {
                prop_assert!(region.start >= end && region.end > region.start && region.end <= text.len() as u64);
                end = region.end;
            }
        }
    }
}

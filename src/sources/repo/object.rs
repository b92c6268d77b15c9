//! The four kinds of git objects, read from their bytes without copying. Foreign input: what is malformed ends the reading.

use std::fmt;

use crate::model::ObjectId;

/// Mode of a directory entry.
pub(crate) const MODE_TREE: u32 = 0o040_000;
/// Mode of a symbolic link.
pub(crate) const MODE_LINK: u32 = 0o120_000;
/// Mode of a submodule.
pub(crate) const MODE_SUBMODULE: u32 = 0o160_000;
/// The bits of a mode that tell the type.
const MODE_TYPE: u32 = 0o170_000;

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A directory.
    Tree,
    /// Content.
    Blob,
    /// An annotated tag.
    Tag,
}

impl Kind {
    /// Returns git's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    /// Returns the kind that git calls so.
    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"commit" => Self::Commit,
            b"tree" => Self::Tree,
            b"blob" => Self::Blob,
            b"tag" => Self::Tag,
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads an object name in hexadecimal: 40 or 64 digits, nothing else.
#[must_use]
pub fn parse_hex(hex: &[u8]) -> Option<ObjectId> {
    let mut raw = [0; 32];
    let len = hex.len() / 2;
    if hex.len() != 40 && hex.len() != 64 {
        return None;
    }
    for (byte, pair) in raw.iter_mut().zip(hex.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    ObjectId::new(raw.get(..len)?)
}

fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        b'A'..=b'F' => Some(hex - b'A' + 10),
        _ => None,
    }
}

/// One entry of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeEntry<'t> {
    /// Type and permission bits, as in `100644`.
    pub mode: u32,
    /// The name, without any `/` in a sane tree.
    pub name: &'t [u8],
    /// The raw name of the object.
    pub raw_id: &'t [u8],
    /// Offset of the entry's first byte in the tree.
    pub start: usize,
    /// Offset one past its last byte.
    pub end: usize,
}

impl TreeEntry<'_> {
    /// Returns the object's name.
    #[must_use]
    pub fn id(&self) -> Option<ObjectId> {
        ObjectId::new(self.raw_id)
    }

    /// Tells whether another mode is of the same type.
    #[must_use]
    pub const fn same_type(&self, mode: u32) -> bool {
        self.mode & MODE_TYPE == mode & MODE_TYPE
    }

    /// Tells whether it is a directory.
    #[must_use]
    pub const fn is_tree(&self) -> bool {
        self.mode & MODE_TYPE == MODE_TREE
    }

    /// Tells whether it is a symbolic link.
    #[must_use]
    pub const fn is_link(&self) -> bool {
        self.mode & MODE_TYPE == MODE_LINK
    }

    /// Tells whether it is a commit of another repository.
    #[must_use]
    pub const fn is_submodule(&self) -> bool {
        self.mode & MODE_TYPE == MODE_SUBMODULE
    }
}

/// The entries of a tree in their order. Ends early at a malformed one: compare [`TreeEntries::is_complete`].
#[derive(Clone, Debug)]
pub struct TreeEntries<'t> {
    tree: &'t [u8],
    position: usize,
    id_len: usize,
    broken: bool,
}

impl<'t> TreeEntries<'t> {
    /// Reads the bytes of a tree whose object names have `id_len` bytes.
    #[must_use]
    pub const fn new(tree: &'t [u8], id_len: usize) -> Self {
        Self {
            tree,
            position: 0,
            id_len,
            broken: false,
        }
    }

    /// Returns where the next entry starts, or the malformed one at which it ended.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.position
    }

    /// Goes on at an offset further on, at which an entry is known to start.
    pub(crate) const fn skip_to(&mut self, position: usize) {
        self.position = position;
    }

    /// Tells, after the last entry, whether the whole tree was understood.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        !self.broken
    }

    fn entry(&mut self) -> Option<TreeEntry<'t>> {
        let start = self.position;
        let rest = self.tree.get(start..)?;
        let mut mode = 0_u32;
        let mut at = 0;
        loop {
            match *rest.get(at)? {
                byte @ b'0'..=b'7' if at < 7 => mode = mode << 3 | u32::from(byte - b'0'),
                b' ' if at > 0 => break,
                _ => return None,
            }
            at += 1;
        }
        let named = rest.get(at + 1..)?;
        let name_len = memchr::memchr(0, named)?;
        let id_start = name_len + 1;
        let raw_id = named.get(id_start..id_start + self.id_len)?;
        self.position = start + at + 1 + id_start + self.id_len;
        Some(TreeEntry {
            mode,
            name: named.get(..name_len)?,
            raw_id,
            start,
            end: self.position,
        })
    }
}

impl<'t> Iterator for TreeEntries<'t> {
    type Item = TreeEntry<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.position >= self.tree.len() {
            return None;
        }
        let entry = self.entry();
        self.broken = entry.is_none();
        entry
    }
}

/// Who did something, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signature<'c> {
    /// The name, raw.
    pub name: &'c [u8],
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    /// Offset of the local time from UTC in minutes.
    pub offset_minutes: i32,
}

impl<'c> Signature<'c> {
    /// Reads `Name <mail> seconds +hhmm`; what is missing stays empty or 0.
    pub(crate) fn parse(line: &'c [u8]) -> Self {
        let name_end = line.iter().position(|b| *b == b'<').unwrap_or(line.len());
        let date = line
            .iter()
            .rposition(|b| *b == b'>')
            .and_then(|at| line.get(at + 1..))
            .unwrap_or_default();
        let mut words = date
            .split(|b| *b == b' ')
            .filter(|word| !word.is_empty())
            .map(|word| std::str::from_utf8(word).unwrap_or_default());
        let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let zone: i32 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let offset_minutes = zone / 100 * 60 + zone % 100;
        Self {
            name: line.get(..name_end).unwrap_or_default().trim_ascii(),
            seconds,
            offset_minutes: if offset_minutes.abs() < 24 * 60 {
                offset_minutes
            } else {
                0
            },
        }
    }
}

/// The parts of a commit that we use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<'c> {
    /// The root tree.
    pub tree: ObjectId,
    /// The parents in their order.
    pub parents: Vec<ObjectId>,
    /// Who wrote it.
    pub author: Signature<'c>,
    /// Who committed it.
    pub committer: Signature<'c>,
}

impl<'c> Commit<'c> {
    /// Reads the bytes of a commit; `None` if it has no tree.
    #[must_use]
    pub fn parse(bytes: &'c [u8]) -> Option<Self> {
        let (header, _) = split_message(bytes);
        let mut lines = header.split(|b| *b == b'\n');
        let tree = parse_hex(lines.next()?.strip_prefix(b"tree ")?)?;
        let mut commit = Self {
            tree,
            parents: Vec::new(),
            author: Signature::default(),
            committer: Signature::default(),
        };
        for line in lines {
            if let Some(parent) = line.strip_prefix(b"parent ") {
                commit.parents.extend(parse_hex(parent));
            } else if let Some(author) = line.strip_prefix(b"author ") {
                commit.author = Signature::parse(author);
            } else if let Some(committer) = line.strip_prefix(b"committer ") {
                commit.committer = Signature::parse(committer);
                break;
            }
        }
        Some(commit)
    }
}

/// The parts of an annotated tag that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'c> {
    /// What it points at.
    pub target: ObjectId,
    /// Who made it.
    pub tagger: Signature<'c>,
}

impl<'c> Tag<'c> {
    /// Reads the bytes of a tag; `None` if it points at nothing.
    #[must_use]
    pub fn parse(bytes: &'c [u8]) -> Option<Self> {
        let (header, _) = split_message(bytes);
        let mut lines = header.split(|b| *b == b'\n');
        let target = parse_hex(lines.next()?.strip_prefix(b"object ")?)?;
        let tagger = lines
            .find_map(|line| line.strip_prefix(b"tagger "))
            .map(Signature::parse)
            .unwrap_or_default();
        Some(Self { target, tagger })
    }
}

/// Splits a commit or tag into its header (with the last line's end) and its message (without the empty line before it).
#[must_use]
pub fn split_message(bytes: &[u8]) -> (&[u8], &[u8]) {
    if let Some(message) = bytes.strip_prefix(b"\n") {
        return (b"", message);
    }
    match memchr::memmem::find(bytes, b"\n\n") {
        Some(at) => (
            bytes.get(..=at).unwrap_or_default(),
            bytes.get(at + 2..).unwrap_or_default(),
        ),
        None => (bytes, b""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789ABCDEF01234567";

    #[test]
    fn reads_hex_of_both_lengths_only() {
        let id = parse_hex(ID.as_bytes()).unwrap();
        assert_eq!(id.to_string(), ID.to_ascii_lowercase());
        assert_eq!(parse_hex(&[b'a'; 64]).unwrap().as_bytes().len(), 32);
        assert!(parse_hex(&[b'a'; 63]).is_none() && parse_hex(&[b'g'; 40]).is_none());
        assert!(parse_hex(&[b'a'; 42]).is_none());
    }

    #[test]
    fn reads_a_commit_with_continued_header_lines() {
        let text = format!(
            "tree {ID}\nparent {ID}\nparent {ID}\nauthor A U Thor <a@b> 1700000000 -0330\n\
             committer C <c@d> 5 +0100\ngpgsig -----BEGIN\n x\n\n\nmessage\n"
        );
        let commit = Commit::parse(text.as_bytes()).unwrap();
        assert_eq!(commit.parents.len(), 2);
        assert_eq!(commit.author.name, b"A U Thor");
        assert_eq!(
            (commit.author.seconds, commit.author.offset_minutes),
            (1_700_000_000, -210)
        );
        assert_eq!(commit.committer.offset_minutes, 60);
        assert_eq!(split_message(text.as_bytes()).1, b"\nmessage\n");
    }

    #[test]
    fn reads_a_tag_without_a_tagger() {
        let text = format!("object {ID}\ntype blob\ntag x\n\nhello");
        let tag = Tag::parse(text.as_bytes()).unwrap();
        assert_eq!((tag.tagger.name, tag.tagger.seconds), (&b""[..], 0));
    }

    #[test]
    fn stops_at_a_malformed_entry() {
        let mut tree = b"100644 a\0".to_vec();
        tree.extend_from_slice(&[7; 20]);
        let good = tree.len();
        tree.extend_from_slice(b"40000 dir\0short");
        let mut entries = TreeEntries::new(&tree, 20);
        let first = entries.next().unwrap();
        assert_eq!(
            (first.name, first.mode, first.end),
            (&b"a"[..], 0o100_644, good)
        );
        assert!(entries.next().is_none() && !entries.is_complete());
        let mut whole = TreeEntries::new(&tree[..good], 20);
        assert_eq!(whole.by_ref().count(), 1);
        assert!(whole.is_complete());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Commit::parse(&bytes), Tag::parse(&bytes), Signature::parse(&bytes));
            let (header, message) = split_message(&bytes);
            prop_assert!(header.len() + message.len() <= bytes.len());
            let mut entries = TreeEntries::new(&bytes, 20);
            let covered: usize = entries.by_ref().map(|e| e.end - e.start).sum();
            prop_assert!(covered <= bytes.len());
            prop_assert_eq!(covered == bytes.len(), entries.is_complete());
        }
    }
}

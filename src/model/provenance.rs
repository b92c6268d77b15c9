//! Where a blob came from, and what history says of it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::BlobPath;

/// A git object's name: 20 bytes (SHA-1) or 32 (SHA-256).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    bytes: [u8; 32],
    len: u8,
}

impl ObjectId {
    /// Takes the raw name; `None` unless it has 20 or 32 bytes.
    #[must_use]
    pub fn new(raw: &[u8]) -> Option<Self> {
        if raw.len() != 20 && raw.len() != 32 {
            return None;
        }
        let mut bytes = [0; 32];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(Self {
            bytes,
            len: u8::try_from(raw.len()).ok()?,
        })
    }

    /// Returns the 20 or 32 raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.len))
            .expect("`new` allows lengths up to 32 only")
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        let digit = |b: &u8| {
            char::from(*b)
                .to_digit(16)
                .and_then(|n| u8::try_from(n).ok())
        };
        let pairs = hex.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        });
        let raw: Option<Vec<u8>> = pairs.collect();
        raw.and_then(|raw| Self::new(&raw))
            .ok_or_else(|| D::Error::custom("an object's name has 40 or 64 hex digits"))
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The kind of place a text stood in. Matched without `_`: a new kind must be thought through everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A file of a working tree or one named as an argument.
    File,
    /// Standard input.
    Stdin,
    /// A blob of the index.
    Staged,
    /// The content of a file in a commit.
    History,
    /// A file's name.
    FileName,
    /// What a symbolic link points at.
    SymlinkTarget,
    /// A commit's message.
    CommitMessage,
    /// A commit's header: author, committer, other header lines.
    CommitHeader,
    /// An annotated tag's header or message.
    Tag,
    /// A reference's name.
    RefName,
    /// An entry of a reflog.
    Reflog,
    /// A URL of a remote in `.git/config`.
    RemoteUrl,
}

impl Place {
    /// Returns the name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Stdin => "stdin",
            Self::Staged => "staged",
            Self::History => "history",
            Self::FileName => "file-name",
            Self::SymlinkTarget => "symlink-target",
            Self::CommitMessage => "commit-message",
            Self::CommitHeader => "commit-header",
            Self::Tag => "tag",
            Self::RefName => "ref-name",
            Self::Reflog => "reflog",
            Self::RemoteUrl => "remote-url",
        }
    }
}

/// Where a text came from: the place, and the git object when there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Provenance {
    /// The kind of place; `kind` in reports.
    #[serde(rename = "kind")]
    pub place: Place,
    /// The blob, commit or tag object that held the text; for [`Place::FileName`] the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
}

/// One commit as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitInfo {
    /// The commit's name.
    pub id: ObjectId,
    /// The author's name as safe text, secrets masked. Mail addresses are left out on purpose.
    pub author: String,
    /// Author date, RFC 3339 with the author's own offset.
    pub date: String,
}

/// What history says of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attribution {
    /// The earliest commit (by topology, then committer time) that holds it.
    /// In a shallow clone: the earliest that is visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<CommitInfo>,
    /// The latest commit that still holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<CommitInfo>,
    /// The commit that took it away, if HEAD no longer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<CommitInfo>,
    /// Whether HEAD's tree holds it.
    pub at_head: bool,
    /// Whether any reference, reflog entry or index entry leads to it.
    pub reachable: bool,
    /// The path at introduction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<BlobPath>,
}

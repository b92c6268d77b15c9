//! Byte spans and text positions.

use serde::Serialize;

/// A half-open range of bytes of a blob, `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset one past the last byte; never below `start`.
    pub end: u64,
}

impl Span {
    /// Returns `start..end`.
    ///
    /// # Panics
    /// If `end` lies before `start`.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Self {
        assert!(start <= end, "a span ends where it starts or later");
        Self { start, end }
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Tells whether the span holds no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Tells whether the two spans share a byte.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A stretch of a text that was copied from an earlier version of it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where it stood.
    pub base: usize,
    /// Where it stands now.
    pub start: usize,
    /// How long it is.
    pub len: usize,
}

/// A place in text as editors count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// 1-based line. Lines end at LF, CRLF or a CR that no LF follows.
    pub line: u32,
    /// 1-based column in Unicode code points; a byte that is not UTF-8 counts as one.
    pub column: u32,
}

//! A cursor that moves towards the start of the text.

use std::{cell::Cell, ops::Range};

use super::{super::anchors::is_blank, MAX_BACK};

/// Stands between two bytes; sees the one before. Never goes below its floor, and tells how far down it or a copy of it looked.
#[derive(Clone, Copy)]
pub(super) struct Back<'a> {
    bytes: &'a [u8],
    floor: usize,
    at: usize,
    lowest: &'a Cell<usize>,
}

impl<'a> Back<'a> {
    /// Stands before the byte at `at`. `lowest` is lowered to the first byte that is looked at.
    pub(super) fn new(bytes: &'a [u8], at: usize, lowest: &'a Cell<usize>) -> Self {
        Self {
            lowest,
            bytes,
            floor: at.saturating_sub(MAX_BACK),
            at: at.min(bytes.len()),
        }
    }

    /// Returns where it stands.
    #[inline]
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Returns the byte before.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    /// Returns the byte `skip` before that.
    #[inline]
    pub(super) fn peek_at(&self, skip: usize) -> Option<u8> {
        let at = self.at.checked_sub(skip + 1)?;
        if at < self.floor {
            return None;
        }
        self.looked(at);
        self.bytes.get(at).copied()
    }

    /// Steps over `count` bytes, as far as there are any.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_sub(count).max(self.floor);
    }

    /// Steps over `text` if that stands before.
    #[inline]
    pub(super) fn eat(&mut self, text: &[u8]) -> bool {
        self.looked(self.at.saturating_sub(text.len()));
        let seen = self
            .bytes
            .get(self.floor..self.at)
            .is_some_and(|seen| seen.ends_with(text));
        if seen {
            self.skip(text.len());
        }
        seen
    }

    /// Returns all that it may still look at.
    #[inline]
    pub(super) fn seen(&self) -> &'a [u8] {
        self.looked(self.floor);
        self.bytes.get(self.floor..self.at).unwrap_or_default()
    }

    #[inline]
    fn looked(&self, at: usize) {
        if at < self.lowest.get() {
            self.lowest.set(at);
        }
    }

    /// Steps over spaces and tabs; tells whether there were any.
    #[inline]
    pub(super) fn skip_blanks(&mut self) -> bool {
        !self.take_while(is_blank).is_empty()
    }

    /// Steps over spaces, tabs and line ends, also continued ones (`\` before the line end).
    pub(super) fn skip_space(&mut self) {
        loop {
            self.take_while(|b| b.is_ascii_whitespace());
            let ended = self
                .bytes
                .get(self.at)
                .is_some_and(|b| matches!(b, b'\n' | b'\r'));
            if !(ended && self.eat(b"\\")) {
                return;
            }
        }
    }

    /// Steps over the bytes that fit and returns their span.
    #[inline]
    pub(super) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> Range<usize> {
        let end = self.at;
        while self.peek().is_some_and(&fits) {
            self.at -= 1;
        }
        self.at..end
    }

    /// Steps back over everything up to and including the nearest `stop` on this line; returns what stood between.
    pub(super) fn take_until(&mut self, stop: u8, most: usize) -> Option<Range<usize>> {
        let end = self.at;
        let seen = self.bytes.get(self.floor..self.at).unwrap_or_default();
        self.looked(end.saturating_sub(most));
        let near = seen.get(seen.len().saturating_sub(most)..)?;
        let found = memchr::memrchr2(stop, b'\n', near)?;
        if near.get(found) != Some(&stop) {
            return None;
        }
        self.at = end - (near.len() - found);
        Some(self.at + 1..end)
    }

    /// Returns the bytes of a span.
    #[inline]
    pub(super) fn text(&self, span: &Range<usize>) -> &'a [u8] {
        self.bytes.get(span.clone()).unwrap_or_default()
    }
}

//! The end of a zip: where it says where its central directory is.

use memchr::memmem;

use super::{CENTRAL, CENTRAL_LEN, END, END_LEN, END64, IN_ZIP64, le};

const LOCATOR64: &[u8] = b"PK\x06\x07";

/// Bytes at the end in which a zip says that it is one: the end record, its comment and the locator of zip64.
pub(in crate::sources) const TAIL: usize = END_LEN + 0xffff + 20;

/// Tells whether `tail`, which stands behind `before` other bytes, ends as a zip does: one behind a prefix, as in
/// self-extracting programs, with or without a comment.
pub(in crate::sources) fn ends_as_zip(tail: &[u8], before: u64) -> bool {
    ends(tail).any(|end| {
        let stated = |at: usize| le::<4>(tail, end + at);
        let (Some(size), Some(offset)) = (stated(12), stated(16)) else {
            return false;
        };
        if size == IN_ZIP64 || offset == IN_ZIP64 {
            let locator = end.checked_sub(20).and_then(|at| tail.get(at..));
            return locator.is_some_and(|bytes| bytes.starts_with(LOCATOR64));
        }
        let start = (before + end as u64).checked_sub(size);
        let Some(start) = start.filter(|at| size >= CENTRAL_LEN as u64 && offset <= *at) else {
            return false;
        };
        // A large directory may begin before the bytes given.
        let near = start.checked_sub(before).map(usize::try_from);
        near.is_none_or(|at| {
            let at = at.unwrap_or(usize::MAX);
            tail.get(at..)
                .is_some_and(|bytes| bytes.starts_with(CENTRAL))
        })
    })
}

/// Returns where the signature of an end record stands, the last one first: a comment may hold others.
fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let from = bytes.len().saturating_sub(END_LEN + 0xffff);
    let tail = bytes.get(from..).unwrap_or_default();
    // Forwards the search has vector code, and nearly nothing is a zip.
    let tail = if memmem::find(tail, END).is_some() {
        tail
    } else {
        &[]
    };
    memmem::rfind_iter(tail, END).map(move |at| from + at)
}

/// Returns where the central directory starts, and how many bytes stand before the archive proper.
pub(super) fn directory(bytes: &[u8]) -> Option<(usize, usize)> {
    let has_entries = |found: &(usize, usize)| {
        let start = bytes.get(found.0..);
        start.is_some_and(|bytes| bytes.starts_with(CENTRAL))
    };
    let mut found = ends(bytes).filter_map(|end| directory_at(bytes, end));
    found
        .find(has_entries)
        .or_else(|| ends(bytes).find_map(|end| directory_at(bytes, end)))
}

/// Reads the end record at `end`.
fn directory_at(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let (mut size, mut offset) = (le::<4>(bytes, end + 12)?, le::<4>(bytes, end + 16)?);
    let mut directory_end = end;
    let locator = end.checked_sub(20);
    if let Some(locator) =
        locator.filter(|at| bytes.get(*at..).is_some_and(|b| b.starts_with(LOCATOR64)))
    {
        // The record stands right before its locator, unless it has an extensible part.
        let stated = usize::try_from(le::<8>(bytes, locator + 8)?).ok();
        let near = locator.checked_sub(56);
        let record = [near, stated]
            .into_iter()
            .flatten()
            .find(|at| bytes.get(*at..).is_some_and(|b| b.starts_with(END64)));
        if let Some(record) = record {
            size = le::<8>(bytes, record + 40)?;
            offset = le::<8>(bytes, record + 48)?;
            directory_end = record;
        }
    }
    let (size, offset) = (usize::try_from(size).ok()?, usize::try_from(offset).ok()?);
    // With a prefix the stated offset is short by its length, unless the tool that put it there corrected it.
    let by_size = directory_end.checked_sub(size);
    [by_size, Some(offset)]
        .into_iter()
        .flatten()
        .find(|at| size == 0 || bytes.get(*at..).is_some_and(|b| b.starts_with(CENTRAL)))
        .map(|at| (at, at.saturating_sub(offset)))
}

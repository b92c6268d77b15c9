//! What one outer archive may cost: unpacked bytes, members, and bytes read to get them.

use std::{
    cell::Cell,
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::Limits;

/// Work beyond reading every byte once, in bytes: what starting decoders may cost (see [`Budget::take_start`]).
const SLACK: u64 = 512 << 20;

/// What starting a bzip2 stream costs, in bytes of work: 0.15 ms (100,000 streams of one byte: 15.6 s), where 0.15 ms of
/// inflating takes about this many bytes.
const START: usize = 100_000;

/// The allowance of one outer archive, shared by all levels of nesting.
pub(super) struct Budget {
    /// Bytes that decoders may still produce.
    out: Cell<u64>,
    /// Bytes that decoders may still be given: overlapping entries make one byte be read many times.
    work: Cell<u64>,
    /// Members that may still be handed out.
    members: Cell<u64>,
    /// The limit that was met first.
    hit: Cell<Option<&'static str>>,
}

impl Budget {
    /// Returns the allowance of an archive of `len` bytes.
    pub(super) fn new(len: usize, limits: &Limits) -> Self {
        let by_ratio = limits.ratio.saturating_mul(len as u64);
        let out = limits.total_bytes.min(by_ratio.max(limits.ratio_floor));
        Self {
            out: Cell::new(out),
            // Every byte of the archive and every unpacked byte once: enough for any archive without overlaps.
            work: Cell::new(out.saturating_add(len as u64).saturating_add(SLACK)),
            members: Cell::new(limits.members),
            hit: Cell::new(None),
        }
    }

    /// Returns the limit that was met, in words.
    pub(super) fn hit(&self) -> Option<&'static str> {
        self.hit.get()
    }

    /// Takes from the bytes that may be produced; false if so many are not left.
    pub(super) fn take_out(&self, len: usize) -> bool {
        self.take(
            &self.out,
            len as u64,
            "it unpacks to more than the limit; the rest was not read",
        )
    }

    /// Takes from the bytes that decoders may be given; false if so many are not left.
    pub(super) fn take_work(&self, len: usize) -> bool {
        self.take(
            &self.work,
            len as u64,
            "it costs too much to unpack; the rest was not read",
        )
    }

    /// Takes what it costs to start a decoder that begins by filling large tables; false if so much is not left.
    pub(super) fn take_start(&self) -> bool {
        self.take_work(START)
    }

    /// Takes one from the members; false if none is left.
    pub(super) fn take_member(&self) -> bool {
        self.take(
            &self.members,
            1,
            "it has more members than the limit; the rest was not read",
        )
    }

    fn take(&self, from: &Cell<u64>, by: u64, limit: &'static str) -> bool {
        match from.get().checked_sub(by) {
            Some(rest) => {
                from.set(rest);
                true
            }
            None => {
                self.hit.set(self.hit.get().or(Some(limit)));
                false
            }
        }
    }

    /// Wraps a decoder so that all it produces is taken from the allowance.
    pub(super) fn meter<R: Read>(&self, decoder: R) -> Meter<'_, R> {
        Meter {
            decoder,
            budget: self,
            dead: false,
        }
    }
}

/// A decoder under a [`Budget`].
pub(super) struct Meter<'b, R> {
    decoder: R,
    budget: &'b Budget,
    dead: bool,
}

impl<R: Read> Read for Meter<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.dead {
            return Err(io::Error::other("the decoder failed"));
        }
        // One byte beyond the allowance is asked for, to tell a stream that ends there from one that goes on.
        let most = usize::try_from(self.budget.out.get().saturating_add(1)).unwrap_or(usize::MAX);
        let len = buf.len().min(most);
        let part = buf.get_mut(..len).unwrap_or_default();
        // A bug in a decoder that hostile bytes set off costs one member, not the run.
        let result = catch_unwind(AssertUnwindSafe(|| self.decoder.read(part)));
        let read = match result {
            Ok(Ok(read)) => read.min(len),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Ok(Err(error)) => {
                self.dead = true;
                return Err(error);
            }
            Err(_) => {
                self.dead = true;
                return Err(io::Error::other("the decoder failed"));
            }
        };
        if self.budget.take_out(read) {
            return Ok(read);
        }
        self.dead = true;
        match usize::try_from(self.budget.out.replace(0)) {
            Ok(allowed) if allowed > 0 => Ok(allowed),
            _ => Err(io::Error::other("a limit was met")),
        }
    }
}

//! What one outer archive may cost: unpacked bytes, members, and bytes read to get them; and what all of a run may.
//!
//! An archive has an allowance of its own, in proportion to its length; what it costs beyond that it draws from a pool
//! that all archives of the run share. Threads draw in no order, so what was read with the pool's help counts only if the pool
//! lasted for all: then it does not matter who drew first.

use std::{
    cell::Cell,
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::Limits;

/// Work beyond reading every byte once, in bytes: what starting decoders may cost (see [`Budget::take_start`]).
const SLACK: u64 = 512 << 20;

/// What starting a bzip2 stream costs, in bytes of work: 0.15 ms (100,000 streams of one byte: 15.6 s), where 0.15 ms of
/// inflating takes about this many bytes.
const START: usize = 100_000;

/// An archive's own share: so many unpacked bytes for each of its own, and as many more. Text packs to a tenth.
const SHARE: (u64, u64) = (16, 64 << 10);

/// An archive's own share of work beyond reading every byte once.
const OWN_SLACK: u64 = 8 << 20;

/// Said of every archive that needed the pool, if the pool did not last.
pub(super) const RUN: &str = "the archives of this run together unpack to more than the limit: only a share of this one was read";

/// What the archives of one run may cost together beyond their own shares.
#[derive(Debug)]
pub struct Pool {
    left: AtomicU64,
    dry: AtomicBool,
}

impl Pool {
    /// Returns a full one.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self {
            left: AtomicU64::new(limits.run_bytes),
            dry: AtomicBool::new(false),
        }
    }

    /// Tells whether more was asked for than there was.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.dry.load(Ordering::Relaxed)
    }

    fn draw(&self, by: u64) -> bool {
        let take = |left: u64| left.checked_sub(by);
        let order = Ordering::Relaxed;
        let drawn = !self.is_dry() && self.left.fetch_update(order, order, take).is_ok();
        if !drawn {
            self.dry.store(true, order);
        }
        drawn
    }
}

/// The allowance of one outer archive, shared by all levels of nesting.
pub(super) struct Budget<'p> {
    /// Bytes that decoders may still produce.
    out: Cell<u64>,
    /// Bytes that decoders may still be given: overlapping entries make one byte be read many times.
    work: Cell<u64>,
    /// What is left of the archive's own share of both.
    own_out: Cell<u64>,
    own_work: Cell<u64>,
    pool: &'p Pool,
    /// Whether the pool was needed.
    pooled: Cell<bool>,
    /// Members that may still be handed out.
    members: Cell<u64>,
    /// The limit that was met first.
    hit: Cell<Option<&'static str>>,
}

impl<'p> Budget<'p> {
    /// Returns the allowance of an archive of `len` bytes.
    pub(super) fn new(len: usize, limits: &Limits, pool: &'p Pool) -> Self {
        let by_ratio = limits.ratio.saturating_mul(len as u64);
        let out = limits.total_bytes.min(by_ratio.max(limits.ratio_floor));
        let own = SHARE.0.saturating_mul(len as u64).saturating_add(SHARE.1);
        let own = own.min(out);
        Self {
            own_out: Cell::new(own),
            own_work: Cell::new(own.saturating_add(len as u64).saturating_add(OWN_SLACK)),
            pool,
            pooled: Cell::new(false),
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

    /// Tells whether what comes now was paid for by the pool.
    pub(super) fn is_pooled(&self) -> bool {
        self.pooled.get()
    }

    /// Takes from the bytes that may be produced; false if so many are not left.
    pub(super) fn take_out(&self, len: usize) -> bool {
        self.take(
            &self.out,
            len as u64,
            "it unpacks to more than the limit; the rest was not read",
        ) && self.share(&self.own_out, len as u64)
    }

    /// Takes from the bytes that decoders may be given; false if so many are not left.
    pub(super) fn take_work(&self, len: usize) -> bool {
        self.take(
            &self.work,
            len as u64,
            "it costs too much to unpack; the rest was not read",
        ) && self.share(&self.own_work, len as u64)
    }

    /// Takes from the archive's own share, and the rest from the pool.
    fn share(&self, own: &Cell<u64>, by: u64) -> bool {
        let Some(rest) = by.checked_sub(own.get()).filter(|rest| *rest > 0) else {
            own.set(own.get() - by);
            return true;
        };
        own.set(0);
        self.pooled.set(true);
        let drawn = self.pool.draw(rest);
        if !drawn {
            self.hit.set(self.hit.get().or(Some(RUN)));
        }
        drawn
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
    pub(super) fn meter<R: Read>(&self, decoder: R) -> Meter<'_, 'p, R> {
        Meter {
            decoder,
            budget: self,
            dead: false,
        }
    }
}

/// A decoder under a [`Budget`].
pub(super) struct Meter<'b, 'p, R> {
    decoder: R,
    budget: &'b Budget<'p>,
    dead: bool,
}

impl<R: Read> Read for Meter<'_, '_, R> {
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
        // Who needed no help must not see who else did: threads draw in no order.
        if self.budget.is_pooled() && self.budget.pool.is_dry() {
            return Err(io::Error::other("a limit was met"));
        }
        match usize::try_from(self.budget.out.replace(0)) {
            Ok(allowed) if allowed > 0 => Ok(allowed),
            _ => Err(io::Error::other("a limit was met")),
        }
    }
}

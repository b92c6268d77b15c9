//! Decodes delta families on one thread. What is visited of them, and loose objects, are in `visit`.
//!
//! The children of an object are visited smallest subtree first, and its bytes are given up before the last child is
//! entered: at most log2(family size) objects of a family are in memory at a time, whatever the depth of its chains. Each
//! object is decoded from its base's bytes; nothing is looked up, and no hash is verified of what is held only once.

use std::{io, sync::atomic::Ordering};

use super::{
    super::repo::{
        Absent, Copies, Delta, Finder, Form, Header, Inflater, Kind, MAX_HEADER, Pack, absent_delta,
    },
    catalog::{Lost, PackTable},
    families::Root,
    walk::{LOOSE_CHUNK, Losses, Unit, Visitor, Walk},
};
use crate::model::ObjectId;

/// Most buffers that a thread keeps for the next objects, and the largest of them: above this the system is faster
/// asked again than the memory held.
const POOL: usize = 8;
const POOL_BYTES: usize = 1 << 20;

/// How many times the largest object's size the objects of a family that wait for their children may take together.
const MAX_LIVE: u64 = 3;

/// An object whose children are not all visited.
struct Frame<K> {
    bytes: Vec<u8>,
    /// What the visitor kept of it, if it was visited.
    kept: Option<K>,
    next: u32,
    end: u32,
}

impl<K> Frame<K> {
    fn new(bytes: Vec<u8>, kept: Option<K>, children: std::ops::Range<u32>) -> Self {
        Self {
            bytes,
            kept,
            next: children.start,
            end: children.end,
        }
    }
}

/// One thread's state.
pub(super) struct Thread<'w, V> {
    pub(super) walk: &'w Walk<'w>,
    pub(super) visitor: V,
    inflater: Inflater,
    input: Vec<u8>,
    pool: Vec<Vec<u8>>,
    /// What the last delta copied.
    pub(super) copied: Copies,
    /// Whether the entry that was read last does not have the checksum that the index gives.
    pub(super) doubted: bool,
    pub(super) losses: Losses,
}

/// A family on the way.
pub(super) struct Family<'w> {
    pub(super) pack: &'w Pack,
    pub(super) table: &'w PackTable,
    pub(super) kind: Kind,
}

impl<'w, V: Visitor> Thread<'w, V> {
    /// Starts with nothing done.
    pub(super) fn new(walk: &'w Walk<'w>, visitor: V) -> Self {
        Self {
            walk,
            visitor,
            inflater: Inflater::new(),
            input: Vec::new(),
            pool: Vec::new(),
            copied: Copies::default(),
            doubted: false,
            losses: Losses::default(),
        }
    }

    /// Returns the visitor, and what could not be read.
    pub(super) fn finish(self) -> (V, Losses) {
        (self.visitor, self.losses)
    }

    /// Does one piece of work and returns how many objects it had.
    pub(super) fn unit(&mut self, unit: Unit) -> u64 {
        match unit {
            Unit::Loose { start } => {
                let end = (start + LOOSE_CHUNK).min(self.walk.catalog.loose.len());
                (start..end).for_each(|at| self.loose(at));
                (end - start) as u64
            }
            Unit::Family { pack, root } => {
                let table = self.walk.catalog.packs.get(pack);
                let root = table.and_then(|table| table.families.roots.get(root));
                let (Some(table), Some(root), Some(data)) =
                    (table, root, self.walk.store.packs.get(pack))
                else {
                    return 0;
                };
                let mut family = Family {
                    pack: data,
                    table,
                    kind: Kind::Blob,
                };
                self.family(&mut family, root);
                u64::from(root.count)
            }
        }
    }

    fn family(&mut self, family: &mut Family<'w>, root: &Root) {
        let frame = match &root.base {
            Some(base) => self.outside_root(family, root, base),
            None => {
                family.kind = root.kind.unwrap_or(Kind::Blob);
                self.whole_root(family, root)
            }
        };
        match frame {
            Ok(Some(frame)) => self.descend(family, frame),
            Ok(None) => {}
            Err(absent) => self.lose(family, root.entry, absent),
        }
    }

    /// Decodes a root that is stored whole; `None` if nothing is left to do for the family.
    fn whole_root(
        &mut self,
        family: &Family<'w>,
        root: &Root,
    ) -> Result<Option<Frame<V::Kept>>, Absent> {
        let header = self.load(family, root.entry)?;
        let children = family.table.families.child_range(root.entry);
        if header.size > self.walk.max_whole && family.kind == Kind::Blob && children.is_empty() {
            self.large(family, root.entry, &header)?;
            return Ok(None);
        }
        if header.size > self.walk.max_delta {
            if family.kind == Kind::Blob {
                self.large(family, root.entry, &header)?;
                for child in children.filter_map(|at| family.table.families.child(at)) {
                    self.lose(family, child, Absent::TooLarge(header.size));
                }
                return Ok(None);
            }
            return Err(Absent::TooLarge(header.size));
        }
        let mut bytes = self.pool.pop().unwrap_or_default();
        let data = self.input.get(header.len..).unwrap_or_default();
        let used = self.inflater.whole(data, header.size, &mut bytes)?;
        let rest = data.len() - used;
        let kept = self.visit(family, root.entry, &bytes, None)?;
        self.check_rest(family, root.entry, rest);
        Ok(Some(Frame::new(bytes, kept, children)))
    }

    /// Decodes the base of a root that is a delta on an object outside the pack.
    fn outside_root(
        &mut self,
        family: &mut Family<'w>,
        root: &Root,
        base: &ObjectId,
    ) -> Result<Option<Frame<V::Kept>>, Absent> {
        let found = Finder::new(self.walk.store, self.walk.max_delta, 0).find(base);
        let (kind, bytes) = found.map_err(|absent| match absent {
            Absent::Missing => Absent::Damaged("its delta base is missing"),
            other => other,
        })?;
        family.kind = kind;
        if !self.walk.kinds.contains(&kind) {
            return Ok(None);
        }
        match self.target(family, root.entry, &bytes, None) {
            Some((bytes, kept)) => {
                let children = family.table.families.child_range(root.entry);
                Ok(Some(Frame::new(bytes, kept, children)))
            }
            None => Ok(None),
        }
    }

    /// Visits everything below an object.
    fn descend(&mut self, family: &Family<'w>, root: Frame<V::Kept>) {
        let mut live = root.bytes.len() as u64;
        let mut frames = vec![root];
        while let Some(frame) = frames.last_mut() {
            let Some(child) = (frame.next < frame.end)
                .then(|| family.table.families.child(frame.next))
                .flatten()
            else {
                live -= self.drop_frame(&mut frames);
                continue;
            };
            frame.next += 1;
            let is_last = frame.next >= frame.end;
            if self.walk.stop.load(Ordering::Relaxed) {
                return;
            }
            let target = self.target(family, child, &frame.bytes, frame.kept.as_ref());
            if is_last {
                live -= self.drop_frame(&mut frames);
            }
            let Some((bytes, kept)) = target else {
                continue;
            };
            let children = family.table.families.child_range(child);
            let size = bytes.len() as u64;
            if children.is_empty() {
                self.recycle(bytes);
            } else if live.saturating_add(size) > self.walk.max_delta.saturating_mul(MAX_LIVE) {
                // Only a pack made to fill memory branches often over objects of such size.
                for below in children.filter_map(|at| family.table.families.child(at)) {
                    self.lose(family, below, Absent::TooLarge(size));
                }
            } else {
                live += size;
                frames.push(Frame::new(bytes, kept, children));
            }
        }
    }

    /// Gives up the last frame's bytes and returns how many they were.
    fn drop_frame(&mut self, frames: &mut Vec<Frame<V::Kept>>) -> u64 {
        let bytes = frames.pop().map(|frame| frame.bytes).unwrap_or_default();
        let size = bytes.len() as u64;
        self.recycle(bytes);
        size
    }

    /// Decodes and visits a delta; `None` if that failed, which is recorded for all that depends on it.
    fn target(
        &mut self,
        family: &Family<'w>,
        entry: u32,
        base: &[u8],
        kept: Option<&V::Kept>,
    ) -> Option<(Vec<u8>, Option<V::Kept>)> {
        let mut out = self.pool.pop().unwrap_or_default();
        match self.delta(family, entry, base, kept, &mut out) {
            Ok(kept) => Some((out, kept)),
            Err(absent) => {
                self.recycle(out);
                self.lose(family, entry, absent);
                None
            }
        }
    }

    fn delta(
        &mut self,
        family: &Family<'w>,
        entry: u32,
        base: &[u8],
        kept: Option<&V::Kept>,
        out: &mut Vec<u8>,
    ) -> Result<Option<V::Kept>, Absent> {
        let header = self.load(family, entry)?;
        if header.size > self.walk.max_delta {
            return Err(Absent::TooLarge(header.size));
        }
        let data = self.input.get(header.len..).unwrap_or_default();
        let (delta, used) = self.inflater.borrowed(data, header.size)?;
        let rest = data.len() - used;
        let delta = Delta::parse(delta).ok_or(Absent::Damaged("its delta is malformed"))?;
        delta
            .apply(base, self.walk.max_delta, out, &mut self.copied)
            .map_err(absent_delta)?;
        let visited = self.visit(family, entry, out, kept)?;
        self.check_rest(family, entry, rest);
        Ok(visited)
    }

    /// Reads an entry's stored bytes into `input` and returns its header. Of an entry that is to be streamed only the start
    /// is read.
    fn load(&mut self, family: &Family<'w>, entry: u32) -> Result<Header, Absent> {
        let unreadable = |_| Absent::Damaged("the pack cannot be read");
        let (start, end) = family.table.families.extent(entry);
        let stored = end.saturating_sub(start);
        // A compressed entry above the limit of what may be whole is streamed or refused anyway.
        let len = usize::try_from(stored.min(self.walk.max_delta.saturating_add(1 << 20)))
            .map_err(|_| Absent::TooLarge(stored))?;
        let mut len_now = len.min(MAX_HEADER);
        let streamed = stored > self.walk.max_whole;
        if !streamed {
            len_now = len;
        }
        self.read(family, start, len_now).map_err(unreadable)?;
        let header = Header::parse(&self.input, family.pack.index_id_len())
            .ok_or(Absent::Damaged("its header is malformed"))?;
        if streamed && header.size <= self.walk.max_delta {
            let leaf = family.table.families.child_range(entry).is_empty();
            let whole_blob = header.form == Form::Whole(Kind::Blob);
            if !(leaf && whole_blob && header.size > self.walk.max_whole) {
                self.read(family, start, len).map_err(unreadable)?;
            }
        }
        let position = family.table.families.position(entry);
        let loaded = &family.table.loaded;
        self.doubted = self.input.len() as u64 == stored && !loaded.agrees(position, &self.input);
        Ok(header)
    }

    fn read(&mut self, family: &Family<'w>, start: u64, len: usize) -> io::Result<()> {
        if self.input.capacity() > 4 * POOL_BYTES && len < POOL_BYTES {
            self.input = Vec::new();
        }
        // Grown only, never cleared: what is read over need not be zeroed first.
        if self.input.len() < len {
            self.input.resize(len, 0);
        } else {
            self.input.truncate(len);
        }
        let n = family.pack.data.read_at(&mut self.input, start)?;
        self.input.truncate(n);
        Ok(())
    }

    /// Bytes between two entries are read by nobody, so they must not exist.
    fn check_rest(&mut self, family: &Family<'w>, entry: u32, rest: usize) {
        if rest > 0
            && let Some(id) = family
                .table
                .loaded
                .id(family.table.families.position(entry))
        {
            self.losses.followed.push(id);
        }
    }

    /// Records an object and all that are deltas on it as lost.
    fn lose(&mut self, family: &Family<'w>, entry: u32, absent: Absent) {
        let mut entries = vec![entry];
        let mut reason = absent;
        while let Some(entry) = entries.pop() {
            let families = &family.table.families;
            if let Some(held) = family.held(self.walk, entry) {
                let lost = Lost::new(held.id, held.number, reason);
                self.losses.lost.push(lost);
            }
            let children = families.child_range(entry);
            entries.extend(children.filter_map(|at| families.child(at)));
            if let Absent::Damaged(_) = absent {
                reason = Absent::Damaged("an object that it is a delta on is damaged");
            }
        }
    }

    fn recycle(&mut self, bytes: Vec<u8>) {
        if self.pool.len() < POOL && bytes.capacity() <= POOL_BYTES {
            self.pool.push(bytes);
        }
    }
}

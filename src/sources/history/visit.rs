//! Which decoded objects a visitor gets: on one thread, from packs and loose files, held or streamed.

use std::{io::Read, sync::atomic::Ordering};

use super::{
    super::repo::{Absent, Header, Kind, LooseObject, loose_path, stream},
    catalog::{Holding, Lost, Number},
    decode::{Family, Thread},
    identity::{is_named, is_stream_named},
    walk::{Answer, Object, Visitor, Walk},
};
use crate::model::ObjectId;

/// A place that holds an object.
#[derive(Clone, Copy)]
pub(super) struct Held {
    /// The object's name.
    pub(super) id: ObjectId,
    /// Its own number.
    pub(super) number: Number,
    /// Whether it is the only one.
    pub(super) holding: Holding,
}

impl<'w, V: Visitor> Thread<'w, V> {
    /// Hands out a decoded entry, if its place is visited; `base` is what was kept of the object that it is a delta on.
    pub(super) fn visit(
        &mut self,
        family: &Family<'w>,
        entry: u32,
        bytes: &[u8],
        base: Option<&V::Kept>,
    ) -> Result<Option<V::Kept>, Absent> {
        let Some(held) = family.held(self.walk, entry) else {
            return Ok(None);
        };
        if self.doubted && !is_named(&held.id, family.kind, bytes) {
            let what = "its checksum in the pack's index does not hold";
            return Err(Absent::Damaged(what));
        }
        let named = || Ok(is_named(&held.id, family.kind, bytes));
        let Some(number) = self.admits(held, named)? else {
            return Ok(None);
        };
        let object = Object {
            id: held.id,
            number,
            kind: family.kind,
            bytes,
            copied: base.and_then(|_| self.copied.listed()),
        };
        Ok(Some(self.visitor.object(&object, base)))
    }

    /// Streams a large blob.
    pub(super) fn large(
        &mut self,
        family: &Family<'w>,
        entry: u32,
        header: &Header,
    ) -> Result<(), Absent> {
        let Some(held) = family.held(self.walk, entry) else {
            return Ok(());
        };
        let (start, end) = family.table.families.extent(entry);
        let open = || stream(&family.pack.data, start + header.len as u64, end);
        let named = || stream_is_named(&held.id, header.size, &mut open());
        if self.admits(held, named)?.is_some() {
            self.stream(held.id, header.size, &mut open())?;
        }
        Ok(())
    }

    fn stream(&mut self, id: ObjectId, size: u64, reader: &mut dyn Read) -> Result<(), Absent> {
        match self.visitor.large(id, size, reader) {
            Ok(read) if read == size || self.walk.stop.load(Ordering::Relaxed) => Ok(()),
            Ok(_) => Err(Absent::Damaged("its size is not what its header says")),
            Err(_) => Err(Absent::Damaged("its compressed data is damaged")),
        }
    }

    /// Decodes a loose object, by its place in the list.
    pub(super) fn loose(&mut self, at: usize) {
        let Some(loose) = self.walk.catalog.loose.get(at).copied() else {
            return;
        };
        let number = self.walk.catalog.loose_number(at);
        let held = Held {
            id: loose.id,
            number,
            holding: self.walk.catalog.holding(number),
        };
        if let Err(absent) = self.loose_object(held, loose.dir) {
            self.losses.lost.push(Lost::new(loose.id, number, absent));
        }
    }

    fn loose_object(&mut self, held: Held, dir: usize) -> Result<(), Absent> {
        if self.walk.choice.answer(held.number, held.holding) == Answer::Pass {
            return Ok(());
        }
        let dir = self.walk.store.dirs.get(dir).ok_or(Absent::Missing)?;
        let path = loose_path(dir, &held.id);
        let mut object = LooseObject::open(&path)?;
        if !self.walk.kinds.contains(&object.kind) {
            return Ok(());
        }
        let kind = object.kind;
        if kind == Kind::Blob && object.size > self.walk.max_whole {
            let size = object.size;
            let named = || stream_is_named(&held.id, size, &mut LooseObject::open(&path)?);
            if self.admits(held, named)?.is_some() {
                self.stream(held.id, size, &mut object)?;
            }
            return Ok(());
        }
        let bytes = object.read(self.walk.max_delta)?;
        if let Some(number) = self.admits(held, || Ok(is_named(&held.id, kind, &bytes)))? {
            let object = Object {
                id: held.id,
                number,
                kind,
                bytes: &bytes,
                copied: None,
            };
            self.visitor.object(&object, None);
        }
        Ok(())
    }

    /// Returns the number under which a place is visited, if it is; `is_named`, whether its content is what the name says, is
    /// asked only of objects held more than once.
    fn admits(
        &mut self,
        held: Held,
        is_named: impl FnOnce() -> Result<bool, Absent>,
    ) -> Result<Option<Number>, Absent> {
        match self.walk.choice.answer(held.number, held.holding) {
            Answer::Visit(number) => Ok(Some(number)),
            Answer::Pass => Ok(None),
            Answer::Hash => {
                let named = is_named()?;
                if !named {
                    self.losses.misnamed.push(held.number);
                }
                let admitted = !named || held.holding == Holding::First;
                Ok(admitted.then_some(held.number))
            }
        }
    }
}

impl Family<'_> {
    /// Returns the place of an entry.
    pub(super) fn held(&self, walk: &Walk<'_>, entry: u32) -> Option<Held> {
        let position = self.table.families.position(entry);
        let number = self.table.first.checked_add(position)?;
        Some(Held {
            id: self.table.loaded.id(position)?,
            number,
            holding: walk.catalog.holding(number),
        })
    }
}

/// Tells whether a large blob is what its name says.
fn stream_is_named(id: &ObjectId, size: u64, reader: &mut dyn Read) -> Result<bool, Absent> {
    is_stream_named(id, Kind::Blob, size, reader)
        .map_err(|_| Absent::Damaged("its compressed data is damaged"))
}

//! One object by its name: from a pack, down its delta chain and up again, or from a loose file.

use std::{collections::HashMap, io::Read, rc::Rc};

use super::{
    delta::{Copies, Delta, DeltaError},
    inflate::{Inflater, stream},
    loose::{self, LooseObject},
    name::is_named,
    object::Kind,
    pack::{Form, Header, MAX_HEADER, Pack},
    store::Store,
};
use crate::model::ObjectId;

/// Longest delta chain that is followed. Git makes chains of up to 4,095.
const MAX_CHAIN: usize = 10_000;

/// Why an object cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is nowhere in the repository.
    Missing,
    /// It is larger than the limit; its size in bytes.
    TooLarge(u64),
    /// It is there and cannot be decoded; what is wrong.
    Damaged(&'static str),
}

/// What is there is another object, whole or damaged.
pub(crate) const MISNAMED: Absent = Absent::Damaged("its content is not what its name says");

/// A decoded object that a cache may hold too.
pub(crate) type Found = (Kind, Rc<Vec<u8>>);

/// Finds single objects on one thread, remembering the last ones as delta bases.
pub(crate) struct Finder<'s> {
    store: &'s Store,
    inflater: Inflater,
    cache: Cache,
    max: u64,
    /// If names are verified: the objects looked at, and whether every copy met was what the name says.
    verified: Option<HashMap<ObjectId, bool>>,
}

impl<'s> Finder<'s> {
    /// Objects and their bases may have up to `max` bytes; `cache` bytes are spent on remembering.
    pub(crate) fn new(store: &'s Store, max: u64, cache: usize) -> Self {
        Self {
            store,
            inflater: Inflater::new(),
            cache: Cache::new(cache),
            max,
            verified: None,
        }
    }

    /// Takes a copy as sound only if its content has the name that was asked for: for few objects, as a hash is slow.
    pub(crate) fn verifying(self) -> Self {
        Self {
            verified: Some(HashMap::new()),
            ..self
        }
    }

    /// Returns an object: from the first pack that has a sound copy, else from a loose file.
    pub(crate) fn find(&mut self, id: &ObjectId) -> Result<Found, Absent> {
        self.find_nested(id, 0)
    }

    /// Returns the object at a position of a pack's index, whatever other copies there are.
    pub(crate) fn packed_at(&mut self, pack: usize, position: u32) -> Result<Found, Absent> {
        let index = self.store.packs.get(pack).map(|pack| &pack.index);
        let offset = index.ok_or(Absent::Missing)?.offset_at(position);
        let offset = offset.map_err(|_| Absent::Damaged("the pack's index cannot be read"))?;
        self.packed(pack, offset, 0)
    }

    /// Returns the loose object of this name in one of the store's directories.
    pub(crate) fn loose_in(&self, dir: usize, id: &ObjectId) -> Result<Found, Absent> {
        let dir = self.store.dirs.get(dir).ok_or(Absent::Missing)?;
        let object = LooseObject::open(&loose::path_of(dir, id))?;
        Ok((object.kind, Rc::new(object.read(self.max)?)))
    }

    /// Returns size and content, as a stream, of a blob above `above` bytes that is stored whole. Others, which must be
    /// held in memory, and what cannot be read give `None`.
    pub(crate) fn large(&self, id: &ObjectId, above: u64) -> Option<(u64, Box<dyn Read + 's>)> {
        let store = self.store;
        for pack in &store.packs {
            let Ok(Some(offset)) = pack.index.lookup(id.as_bytes()) else {
                continue;
            };
            let end = pack.entries_end();
            let header = header_at(pack, offset, end).ok()?;
            let is_large = header.form == Form::Whole(Kind::Blob) && header.size > above;
            return is_large.then(|| {
                let start = offset.saturating_add(header.len as u64);
                let reader: Box<dyn Read + 's> = Box::new(stream(&pack.data, start, end));
                (header.size, reader)
            });
        }
        let loose = store
            .dirs
            .iter()
            .find_map(|dir| LooseObject::open(&loose::path_of(dir, id)).ok())?;
        let size = loose.size;
        let is_large = loose.kind == Kind::Blob && size > above;
        is_large.then(|| (size, Box::new(loose) as Box<dyn Read + 's>))
    }

    fn find_nested(&mut self, id: &ObjectId, depth: usize) -> Result<Found, Absent> {
        let mut worst = Absent::Missing;
        for (number, pack) in self.store.packs.iter().enumerate() {
            let found = match pack.index.lookup(id.as_bytes()) {
                Ok(Some(offset)) => self.packed(number, offset, depth),
                Ok(None) => continue,
                Err(_) => Err(Absent::Damaged("the pack's index cannot be read")),
            };
            match found.and_then(|found| self.verify(id, found)) {
                Ok(found) => return Ok(found),
                Err(absent) => worst = absent,
            }
        }
        for dir in 0..self.store.dirs.len() {
            let found = self.loose_in(dir, id);
            match found.and_then(|found| self.verify(id, found)) {
                Ok(found) => return Ok(found),
                Err(Absent::Missing) => {}
                Err(absent) => worst = absent,
            }
        }
        Err(worst)
    }

    /// Compares content and name: once an object, each time if a copy of it was found wanting.
    fn verify(&mut self, id: &ObjectId, found: Found) -> Result<Found, Absent> {
        if let Some(verified) = &mut self.verified
            && verified.get(id) != Some(&true)
        {
            let named = is_named(id, found.0, &found.1);
            *verified.entry(*id).or_insert(named) &= named;
            if !named {
                return Err(MISNAMED);
            }
        }
        Ok(found)
    }

    /// Decodes the entry at an offset: down the chain to a whole or remembered object, then up again.
    fn packed(&mut self, number: usize, offset: u64, depth: usize) -> Result<Found, Absent> {
        let pack = self
            .store
            .packs
            .get(number)
            .ok_or(Absent::Damaged("no such pack"))?;
        let end = pack.entries_end();
        let mut chain = Vec::new();
        let mut at = offset;
        let (kind, mut bytes) = loop {
            if let Some(found) = self.cache.take(number, at) {
                break found;
            }
            if chain.len() + depth > MAX_CHAIN {
                return Err(Absent::Damaged("its delta chain is endless"));
            }
            let header = header_at(pack, at, end)?;
            let data = at.saturating_add(header.len as u64);
            if header.size > self.max {
                return Err(Absent::TooLarge(header.size));
            }
            match header.form {
                Form::Whole(kind) => {
                    let mut bytes = Vec::new();
                    self.inflater
                        .at(&pack.data, data, end, header.size, &mut bytes)?;
                    let found = (kind, Rc::new(bytes));
                    self.cache.put(number, at, &found);
                    break found;
                }
                Form::OffsetDelta(distance) => {
                    chain.push((at, data, header.size));
                    at = at
                        .checked_sub(distance)
                        .filter(|at| *at >= 12)
                        .ok_or(Absent::Damaged("its delta base is outside the pack"))?;
                }
                Form::NamedDelta(base) => {
                    chain.push((at, data, header.size));
                    match pack.index.lookup(base.as_bytes()) {
                        Ok(Some(offset)) => at = offset,
                        _ => break self.outside(&base, depth + chain.len())?,
                    }
                }
            }
        };
        let (mut delta, mut copied) = (Vec::new(), Copies::default());
        while let Some((at, data, size)) = chain.pop() {
            self.inflater.at(&pack.data, data, end, size, &mut delta)?;
            let mut target = Vec::new();
            Delta::parse(&delta)
                .ok_or(DeltaError::Damaged)
                .and_then(|delta| delta.apply(&bytes, self.max, &mut target, &mut copied))
                .map_err(absent_delta)?;
            bytes = Rc::new(target);
            self.cache.put(number, at, &(kind, Rc::clone(&bytes)));
        }
        Ok((kind, bytes))
    }

    /// Returns a delta base that is not in the pack of its delta.
    fn outside(&mut self, base: &ObjectId, depth: usize) -> Result<Found, Absent> {
        // Each nesting is a stack frame, unlike the links of a chain inside one pack.
        if depth > MAX_CHAIN / 100 {
            return Err(Absent::Damaged("its delta chain is endless"));
        }
        self.find_nested(base, depth + 1)
            .map_err(|absent| match absent {
                Absent::Missing => Absent::Damaged("its delta base is missing"),
                other => other,
            })
    }
}

/// Reads the header of the entry at an offset.
pub(super) fn header_at(pack: &Pack, offset: u64, end: u64) -> Result<Header, Absent> {
    let mut head = [0; MAX_HEADER];
    let n = if offset < end {
        pack.data
            .read_at(&mut head, offset)
            .map_err(|_| Absent::Damaged("the pack cannot be read"))?
    } else {
        0
    };
    Header::parse(head.get(..n).unwrap_or_default(), pack.index_id_len())
        .ok_or(Absent::Damaged("its header is malformed"))
}

/// Says in the ledger's words why a delta could not be applied.
pub(crate) const fn absent_delta(error: DeltaError) -> Absent {
    match error {
        DeltaError::Damaged => Absent::Damaged("its delta does not fit its base"),
        DeltaError::TooLarge(size) => Absent::TooLarge(size),
    }
}

/// The last decoded objects by place, in two generations: when the young one is full it becomes the old one.
struct Cache {
    budget: usize,
    used: usize,
    young: HashMap<(usize, u64), Found>,
    old: HashMap<(usize, u64), Found>,
}

impl Cache {
    fn new(budget: usize) -> Self {
        Self {
            budget,
            used: 0,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn take(&mut self, pack: usize, offset: u64) -> Option<Found> {
        if let Some(found) = self.young.get(&(pack, offset)) {
            return Some(found.clone());
        }
        let found = self.old.remove(&(pack, offset))?;
        self.put(pack, offset, &found);
        Some(found)
    }

    fn put(&mut self, pack: usize, offset: u64, found: &Found) {
        let size = found.1.len() + 64;
        if size > self.budget / 4 {
            return;
        }
        if self.used + size > self.budget / 2 {
            self.old = std::mem::take(&mut self.young);
            self.used = 0;
        }
        self.used += size;
        self.young.insert((pack, offset), found.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_copies_the_sound_one_is_taken_each_time() {
        let fixture = super::super::fixture::Fixture::new();
        fixture.write("f", "sound");
        fixture.commit("m");
        let id = fixture.id("HEAD:f");
        let objects = fixture.path().join(".git/objects");
        let other = fixture.beside("other");
        let (own, moved) = (loose::path_of(&objects, &id), loose::path_of(&other, &id));
        std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
        std::fs::rename(&own, moved).unwrap();
        let level = sirocco::deflate::Level::DEFAULT;
        let wrong = sirocco::compress(sirocco::Format::Zlib, level, b"blob 5\0other");
        std::fs::write(own, wrong).unwrap();
        let alternates = other.to_str().unwrap();
        std::fs::write(objects.join("info/alternates"), alternates).unwrap();
        let repository = fixture.open();
        let mut finder = Finder::new(repository.store(), 1000, 0).verifying();
        for _ in 0..3 {
            assert_eq!(finder.find(&id).unwrap().1.as_slice(), b"sound");
        }
    }

    #[test]
    fn the_cache_forgets_the_oldest() {
        let mut cache = Cache::new(1000);
        let found = |n: usize| (Kind::Blob, Rc::new(vec![0; n]));
        cache.put(0, 1, &found(100));
        cache.put(0, 2, &found(100));
        cache.put(0, 3, &found(400));
        assert!(cache.take(0, 3).is_none(), "too large to keep");
        for offset in 4..9 {
            cache.put(0, offset, &found(100));
            assert!(cache.take(0, 2).is_some(), "in use");
        }
        assert!(cache.take(0, 1).is_none());
    }
}

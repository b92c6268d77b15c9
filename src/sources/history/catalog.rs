//! Every place of a repository that holds an object, under one running number, and the delta families of each pack.
//!
//! An object may be held more than once. The number of its first place stands for it: packs before loose files, each in
//! the order of the store.

use super::{
    super::repo::{Absent, Loaded, Store, list_loose},
    families::Families,
    merged::{Merged, Packed, name},
};
use crate::model::{BlobPath, ObjectId, Skip, SkipCause};

/// The number of a place: its pack's first number plus its position in that pack's index; loose files come last.
pub(super) type Number = u32;

/// All objects by name and number.
pub(super) struct Catalog {
    /// As in the store.
    pub(super) packs: Vec<PackTable>,
    /// Sorted by name, then directory.
    pub(super) loose: Vec<Loose>,
    first_loose: Number,
    /// The packs' names in one order; empty if there is one pack, which has that order.
    merged: Merged,
    /// By number; empty if no object is held more than once.
    holdings: Vec<Holding>,
    /// What could not be listed or makes no sense.
    pub(super) problems: Vec<Skip>,
}

/// One pack's index and families.
pub(super) struct PackTable {
    /// The index.
    pub(super) loaded: Loaded,
    /// Number of the object at position 0.
    pub(super) first: Number,
    /// Its entries by delta base.
    pub(super) families: Families,
}

/// A loose object and the objects directory it is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Loose {
    /// Its name.
    pub(super) id: ObjectId,
    /// Index into the store's directories.
    pub(super) dir: usize,
}

/// Whether a place is the only one of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    /// It is.
    Sole,
    /// It is the first of several.
    First,
    /// Another place comes before it.
    Further,
}

/// Where the content of a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// In a pack.
    Packed(Packed),
    /// In a file, by its place in the list.
    Loose(usize),
}

impl Catalog {
    /// Reads the indexes and the headers of all pack entries, and lists the loose objects.
    pub(super) fn new(store: &Store) -> Self {
        let mut catalog = Self {
            packs: Vec::new(),
            loose: Vec::new(),
            first_loose: 0,
            merged: Merged::default(),
            holdings: Vec::new(),
            problems: store.problems.clone(),
        };
        for pack in &store.packs {
            let path = || {
                let name = pack.data.path().file_name().unwrap_or_default();
                BlobPath::from(format!("objects/pack/{}", name.to_string_lossy()).as_str())
            };
            let problem = |detail: String| Skip {
                cause: SkipCause::Unreadable,
                path: path(),
                detail,
            };
            // An index that is not understood makes an empty table, so that the packs keep their places.
            let mut loaded = pack.index.load().unwrap_or_else(|detail| {
                catalog.problems.push(problem(detail));
                Loaded::default()
            });
            let offsets = std::mem::take(&mut loaded.offsets);
            let families = Families::new(pack, &loaded, offsets);
            catalog
                .problems
                .extend(families.problem.map(|detail| problem(detail.to_owned())));
            let first = catalog.first_loose;
            match first.checked_add(loaded.len()) {
                Some(next) => catalog.first_loose = next,
                None => {
                    catalog.problems.push(Skip {
                        cause: SkipCause::LimitHit,
                        path: path(),
                        detail: "more than 4 billion objects".to_owned(),
                    });
                    loaded = Loaded::default();
                }
            }
            catalog.packs.push(PackTable {
                loaded,
                first,
                families,
            });
        }
        if catalog.packs.len() > 1 {
            catalog.merged = Merged::new(&catalog.packs);
        }
        catalog.list_loose(store);
        catalog.compare();
        catalog
    }

    fn list_loose(&mut self, store: &Store) {
        let mut loose = Vec::new();
        for (dir, path) in store.dirs.iter().enumerate() {
            let ids = list_loose(path, store.id_len, |sub| {
                let name = sub.file_name().unwrap_or_default().to_string_lossy();
                self.problems.push(Skip {
                    cause: SkipCause::Unreadable,
                    path: BlobPath::from(format!("objects/{name}").as_str()),
                    detail: "the folder cannot be listed".to_owned(),
                });
            });
            loose.extend(ids.into_iter().map(|id| Loose { id, dir }));
        }
        loose.sort_unstable();
        self.loose = loose;
    }

    /// Finds out which objects are held more than once.
    fn compare(&mut self) {
        let mut pairs: Vec<(Number, Number)> = Vec::new();
        for table in self.packs.iter().filter(|_| self.packs.len() == 1) {
            let again = (0..table.loaded.len()).filter(|at| !table.loaded.is_first(*at));
            pairs.extend(again.map(|at| (table.first + at - 1, table.first + at)));
        }
        for pair in self.merged.places().windows(2) {
            if let &[one, other] = pair
                && name(&self.packs, one) == name(&self.packs, other)
            {
                pairs.extend(self.packed(one).zip(self.packed(other)));
            }
        }
        let mut before: Option<&Loose> = None;
        for (at, loose) in self.loose.iter().enumerate() {
            let again = before.is_some_and(|before| before.id == loose.id);
            let earlier = if again {
                Some(self.loose_number(at - 1))
            } else {
                self.first_packed(loose.id.as_bytes())
            };
            pairs.extend(earlier.map(|earlier| (earlier, self.loose_number(at))));
            before = Some(loose);
        }
        if !pairs.is_empty() {
            self.holdings = vec![Holding::Sole; self.len()];
        }
        // In ascending order of places of one name.
        for (earlier, later) in pairs {
            if let Some(holding) = self.holdings.get_mut(earlier as usize)
                && *holding == Holding::Sole
            {
                *holding = Holding::First;
            }
            if let Some(holding) = self.holdings.get_mut(later as usize) {
                *holding = Holding::Further;
            }
        }
    }

    /// Returns the number of places.
    pub(super) fn len(&self) -> usize {
        self.first_loose as usize + self.loose.len()
    }

    /// Returns the number of the object of this raw name: that of its first place.
    pub(super) fn number(&self, id: &[u8]) -> Option<Number> {
        self.first_packed(id).or_else(|| {
            let at = self.first_loose_of(id);
            let loose = self.loose.get(at)?;
            (loose.id.as_bytes() == id).then(|| self.loose_number(at))
        })
    }

    fn first_packed(&self, id: &[u8]) -> Option<Number> {
        if let [only] = self.packs.as_slice() {
            return Some(only.first + only.loaded.position(id)?);
        }
        self.packed(self.merged.of(&self.packs, id).next()?)
    }

    /// Returns where a loose object of this name is listed, or would be.
    fn first_loose_of(&self, id: &[u8]) -> usize {
        self.loose.partition_point(|loose| loose.id.as_bytes() < id)
    }

    /// Returns the numbers of all places of an object, in their order.
    pub(super) fn places(&self, id: &ObjectId) -> Vec<Number> {
        let raw = id.as_bytes();
        let mut numbers: Vec<Number> = Vec::new();
        if let [only] = self.packs.as_slice() {
            let from = only.loaded.position(raw);
            let equal = |at: &u32| only.loaded.raw(*at) == Some(raw);
            let positions = from.into_iter().flat_map(|from| from..only.loaded.len());
            numbers.extend(positions.take_while(equal).map(|at| only.first + at));
        } else {
            let packed = self.merged.of(&self.packs, raw);
            numbers.extend(packed.filter_map(|place| self.packed(place)));
        }
        let from = self.first_loose_of(raw);
        let loose = self.loose.iter().enumerate().skip(from);
        let equal = loose.take_while(|(_, loose)| loose.id == *id);
        numbers.extend(equal.map(|(at, _)| self.loose_number(at)));
        numbers
    }

    /// Returns the number of a place in a pack.
    pub(super) fn packed(&self, place: Packed) -> Option<Number> {
        let table = self.packs.get(place.pack as usize)?;
        table.first.checked_add(place.position)
    }

    /// Returns the number of a loose object by its place in the list.
    pub(super) fn loose_number(&self, at: usize) -> Number {
        self.first_loose
            .saturating_add(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Tells whether a place is the only one of its object.
    pub(super) fn holding(&self, number: Number) -> Holding {
        let holding = self.holdings.get(number as usize);
        holding.copied().unwrap_or(Holding::Sole)
    }

    /// Returns the objects that no walk can reach.
    pub(super) fn unplanted(&self) -> Vec<Lost> {
        let mut lost = Vec::new();
        for table in &self.packs {
            for (entry, why) in &table.families.lost {
                let position = table.families.position(*entry);
                if let Some(id) = table.loaded.id(position) {
                    lost.push(Lost::new(id, table.first + position, Absent::Damaged(why)));
                }
            }
        }
        lost
    }

    /// Returns the name of an object.
    pub(super) fn id(&self, number: Number) -> Option<ObjectId> {
        match self.spot(number)? {
            Spot::Packed(place) => ObjectId::new(name(&self.packs, place)?),
            Spot::Loose(at) => self.loose.get(at).map(|loose| loose.id),
        }
    }

    /// Returns where the content of a number is.
    pub(super) fn spot(&self, number: Number) -> Option<Spot> {
        if let Some(at) = number.checked_sub(self.first_loose) {
            return Some(Spot::Loose(at as usize));
        }
        // Empty packs share their first number with the next one, which comes last.
        let after = self.packs.partition_point(|pack| pack.first <= number);
        let pack = after.checked_sub(1)?;
        Some(Spot::Packed(Packed {
            pack: u32::try_from(pack).ok()?,
            position: number - self.packs.get(pack)?.first,
        }))
    }
}

/// A place whose object could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lost {
    /// The object's name.
    pub(super) id: ObjectId,
    /// The place.
    pub(super) number: Number,
    /// Why.
    pub(super) cause: SkipCause,
    /// What is wrong, in words.
    pub(super) detail: String,
}

impl Lost {
    /// Puts an absence into the ledger's words.
    pub(super) fn new(id: ObjectId, number: Number, absent: Absent) -> Self {
        let (cause, detail) = words(absent);
        Self {
            id,
            number,
            cause,
            detail,
        }
    }

    /// Returns it as a skip named by the object.
    pub(super) fn skip(&self) -> Skip {
        Skip {
            cause: self.cause,
            path: BlobPath::from(self.id.to_string().as_str()),
            detail: self.detail.clone(),
        }
    }
}

/// Puts an absence into the ledger's words.
pub(super) fn words(absent: Absent) -> (SkipCause, String) {
    match absent {
        Absent::Missing => (SkipCause::MissingObject, "it is not there".to_owned()),
        Absent::TooLarge(size) => (SkipCause::TooLarge, format!("{size} bytes")),
        Absent::Damaged(what) => (SkipCause::Unreadable, what.to_owned()),
    }
}

//! Every distinct object of a repository under one running number, and the delta families of each pack.

use super::{
    super::repo::{Absent, Loaded, Store, list_loose},
    families::Families,
};
use crate::model::{BlobPath, ObjectId, Skip, SkipCause};

/// The number of an object: its pack's first number plus its position in that pack's index; loose ones come last.
pub(super) type Number = u32;

/// All objects by name and number.
pub(super) struct Catalog {
    /// As in the store.
    pub(super) packs: Vec<PackTable>,
    /// Sorted by name, each once; those that are packed too are left out.
    pub(super) loose: Vec<Loose>,
    first_loose: Number,
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

impl Catalog {
    /// Reads the indexes and the headers of all pack entries, and lists the loose objects.
    pub(super) fn new(store: &Store) -> Self {
        let mut catalog = Self {
            packs: Vec::new(),
            loose: Vec::new(),
            first_loose: 0,
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
        catalog.list_loose(store);
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
        loose.dedup_by_key(|loose| loose.id);
        loose.retain(|loose| self.number(loose.id.as_bytes()).is_none());
        self.loose = loose;
    }

    /// Returns the number of distinct places; a few of them may hold the same object twice.
    pub(super) fn len(&self) -> usize {
        self.first_loose as usize + self.loose.len()
    }

    /// Returns the number of the object of this raw name.
    pub(super) fn number(&self, id: &[u8]) -> Option<Number> {
        for pack in &self.packs {
            if let Some(position) = pack.loaded.position(id) {
                return Some(pack.first + position);
            }
        }
        let at = self
            .loose
            .binary_search_by(|loose| loose.id.as_bytes().cmp(id))
            .ok()?;
        self.first_loose.checked_add(u32::try_from(at).ok()?)
    }

    /// Returns the number of a loose object by its place in the list.
    pub(super) fn loose_number(&self, at: usize) -> Number {
        self.first_loose
            .saturating_add(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Tells whether the object at a position of a pack counts there, and not in a pack before it.
    pub(super) fn owns(&self, pack: usize, position: u32) -> bool {
        let Some(table) = self.packs.get(pack) else {
            return false;
        };
        if !table.loaded.is_first(position) {
            return false;
        }
        let Some(id) = table.loaded.raw(position) else {
            return false;
        };
        self.packs
            .iter()
            .take(pack)
            .all(|before| before.loaded.position(id).is_none())
    }

    /// Returns the objects that no walk can reach.
    pub(super) fn unplanted(&self) -> Vec<Lost> {
        let mut lost = Vec::new();
        for (pack, table) in self.packs.iter().enumerate() {
            for (entry, why) in &table.families.lost {
                let position = table.families.position(*entry);
                if self.owns(pack, position)
                    && let Some(id) = table.loaded.id(position)
                {
                    lost.push(Lost::new(id, Absent::Damaged(why)));
                }
            }
        }
        lost
    }

    /// Returns the name of an object.
    pub(super) fn id(&self, number: Number) -> Option<ObjectId> {
        if let Some(at) = number.checked_sub(self.first_loose) {
            return self.loose.get(at as usize).map(|loose| loose.id);
        }
        let after = self.packs.partition_point(|pack| pack.first <= number);
        // Empty packs share their first number with the next one, which comes last.
        let pack = self.packs.get(after.checked_sub(1)?)?;
        pack.loaded.id(number - pack.first)
    }
}

/// An object that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lost {
    /// Its name.
    pub(super) id: ObjectId,
    /// Why.
    pub(super) cause: SkipCause,
    /// What is wrong, in words.
    pub(super) detail: String,
}

impl Lost {
    /// Puts an absence into the ledger's words.
    pub(super) fn new(id: ObjectId, absent: Absent) -> Self {
        let (cause, detail) = match absent {
            Absent::Missing => (SkipCause::MissingObject, "it is not there".to_owned()),
            Absent::TooLarge(size) => (SkipCause::TooLarge, format!("{size} bytes")),
            Absent::Damaged(what) => (SkipCause::Unreadable, what.to_owned()),
        };
        Self { id, cause, detail }
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

//! Objects that are held more than once and whose copies differ, or of which one cannot be decoded.
//!
//! Git reads one copy and never looks whether it is what the name says; which one depends on the age of files. So every content
//! that a copy has is visited, and a copy that is not what its name says is a gap.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::repo::{Absent, Finder, Kind, Store},
    catalog::{Catalog, Holding, Lost, Number, Spot},
    identity::is_named,
    walk::{Object, Visitor, Walked},
};
use crate::model::{BlobPath, ObjectId, Skip, SkipCause};

/// Bytes spent on remembering delta bases.
const CACHE: usize = 16 << 20;

/// What a walk over everything could not settle.
pub(super) struct Twins<'t> {
    catalog: &'t Catalog,
    /// Places that could not be decoded, less those that turn out to be no loss.
    pub(super) lost: BTreeSet<Lost>,
    /// All places that the walk could not decode.
    undecoded: BTreeSet<Number>,
    misnamed: BTreeSet<Number>,
    followed: BTreeSet<ObjectId>,
    /// Places that only a rescue could read, with the content that the name says.
    sound: BTreeSet<Number>,
    /// The same, with another content.
    strange: BTreeSet<Number>,
}

/// What later walks over the same objects have to know.
#[derive(Default)]
pub(super) struct Settled {
    /// Places beside the first ones that are visited, and under which numbers.
    pub(super) places: BTreeMap<Number, Number>,
    /// Whether an object held more than once has a content that is not what its name says.
    pub(super) differ: bool,
}

impl<'t> Twins<'t> {
    /// Takes what a walk left.
    pub(super) fn new<O>(catalog: &'t Catalog, walked: Walked<O>) -> Self {
        Self {
            catalog,
            undecoded: walked.lost.iter().map(|lost| lost.number).collect(),
            lost: walked.lost,
            misnamed: walked.misnamed,
            followed: walked.followed,
            sound: BTreeSet::new(),
            strange: BTreeSet::new(),
        }
    }

    /// Visits what the walk could not decode and can be decoded all the same, as git does it: by itself, whatever other entries
    /// say. It stays a loss: what else is there nobody knows.
    pub(super) fn rescue(&mut self, store: &Store, max: u64, visitor: &mut impl Visitor) {
        let mut finder = Finder::new(store, max, CACHE);
        for lost in std::mem::take(&mut self.lost) {
            let is_further = self.catalog.holding(lost.number) == Holding::Further;
            if lost.cause == SkipCause::Unreadable {
                match self.find(&mut finder, &lost) {
                    Ok((kind, bytes)) => {
                        let named = is_named(&lost.id, kind, &bytes);
                        if !named || !is_further {
                            let object = Object {
                                id: lost.id,
                                number: lost.number,
                                kind,
                                bytes: &bytes,
                                copied: None,
                            };
                            visitor.object(&object, None);
                        }
                        let rescued = if named {
                            &mut self.sound
                        } else {
                            &mut self.strange
                        };
                        rescued.insert(lost.number);
                    }
                    // Nobody can read it; the object's first place tells whether that is a loss.
                    Err(Absent::Damaged(_) | Absent::Missing) if is_further => continue,
                    Err(_) => {}
                }
            }
            self.lost.insert(lost);
        }
    }

    fn find(
        &self,
        finder: &mut Finder<'_>,
        lost: &Lost,
    ) -> Result<(Kind, std::rc::Rc<Vec<u8>>), Absent> {
        match self.catalog.spot(lost.number).ok_or(Absent::Missing)? {
            Spot::Packed(place) => finder.packed_at(place.pack as usize, place.position),
            Spot::Loose(at) => {
                let loose = self.catalog.loose.get(at).ok_or(Absent::Missing)?;
                finder.loose_in(loose.dir, &loose.id)
            }
        }
    }

    /// Returns places to visit for first ones that failed: a copy with the content that the name says. Where nothing could be
    /// read at the first place, the copy takes its number.
    pub(super) fn others(&self) -> BTreeMap<Number, Number> {
        let lost = self.lost.iter().map(|lost| lost.number);
        let failed: BTreeSet<Number> = lost.chain(self.misnamed.iter().copied()).collect();
        let is_sound =
            |number: &Number| !self.misnamed.contains(number) && !self.undecoded.contains(number);
        let other = |first: Number| {
            if self.catalog.holding(first) != Holding::First || self.sound.contains(&first) {
                return None;
            }
            let places = self.catalog.places(&self.catalog.id(first)?);
            let other = places.into_iter().find(is_sound)?;
            let was_read = self.misnamed.contains(&first) || self.strange.contains(&first);
            Some((other, if was_read { other } else { first }))
        };
        failed.into_iter().filter_map(other).collect()
    }

    /// Takes out of the lost what another place was visited for; `again` is what could not be decoded then.
    pub(super) fn settle(&mut self, others: &BTreeMap<Number, Number>, again: BTreeSet<Lost>) {
        let again = again.into_iter();
        let again: BTreeSet<Lost> = again
            .filter(|lost| others.contains_key(&lost.number))
            .collect();
        let failed: BTreeSet<ObjectId> = again.iter().map(|lost| lost.id).collect();
        let found = others.keys().filter_map(|number| self.catalog.id(*number));
        let found: BTreeSet<ObjectId> = found.filter(|id| !failed.contains(id)).collect();
        self.lost.retain(|lost| {
            lost.cause != SkipCause::Unreadable
                || self.sound.contains(&lost.number)
                || self.strange.contains(&lost.number)
                || !found.contains(&lost.id)
        });
        self.lost.extend(again);
    }

    /// Returns what the ledger has to tell.
    pub(super) fn skips(&self) -> Vec<Skip> {
        let skip = |id: ObjectId, detail: &str| Skip {
            cause: SkipCause::Unreadable,
            path: BlobPath::from(id.to_string().as_str()),
            detail: detail.to_owned(),
        };
        let misnamed = self.misnamed.iter();
        let misnamed = misnamed
            .filter_map(|number| self.catalog.id(*number))
            .map(|id| skip(id, "its content is not what its name says"));
        let followed = self
            .followed
            .iter()
            .map(|id| skip(*id, "bytes follow it in the pack that no index names"));
        // One object, one loss of a kind, however many copies of it are damaged.
        let lost: BTreeMap<(ObjectId, SkipCause), &Lost> = self
            .lost
            .iter()
            .rev()
            .map(|lost| ((lost.id, lost.cause), lost))
            .collect();
        let lost = lost.into_values().map(Lost::skip);
        lost.chain(misnamed).chain(followed).collect()
    }

    /// Returns what later walks have to know; `others` is what was visited beside.
    pub(super) fn settled(&self, others: BTreeMap<Number, Number>) -> Settled {
        let mut places = others;
        places.extend(self.misnamed.iter().map(|number| (*number, *number)));
        let of_several = |number: &Number| self.catalog.holding(*number) != Holding::Sole;
        Settled {
            places,
            differ: !self.misnamed.is_empty() || self.strange.iter().any(of_several),
        }
    }
}

//! What is shown of hits in git objects. Histories are scanned without it; the few hits that stand for a finding are looked at
//! again here, each object once, whatever the number of hits in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ObjectId, Place, Provenance};

use super::{
    hits::{RawHit, Shown},
    layers::Layers,
    policy,
};

/// Gives each hit what is shown of it, if it lacks that; `read` returns the content of an object.
pub(super) fn show<'h>(
    hits: impl IntoIterator<Item = &'h mut RawHit>,
    collector: &Layers<'_>,
    read: &dyn Fn(&ObjectId) -> Option<Vec<u8>>,
) {
    let mut wanted: BTreeMap<ObjectId, BTreeMap<Place, Vec<&mut RawHit>>> = BTreeMap::new();
    for hit in hits {
        if let (None, Some(object)) = (&hit.shown, hit.provenance.object) {
            let places = wanted.entry(object).or_default();
            places.entry(hit.provenance.place).or_default().push(hit);
        }
    }
    for (object, places) in wanted {
        let Some(bytes) = read(&object) else { continue };
        for (place, hits) in places {
            let provenance = Provenance {
                place,
                object: Some(object),
            };
            fill(hits, &bytes, &provenance, collector);
        }
    }
}

/// Looks at one content and fills the hits in it.
fn fill(mut hits: Vec<&mut RawHit>, bytes: &[u8], provenance: &Provenance, collector: &Layers<'_>) {
    let members: BTreeSet<Option<Vec<u8>>> = hits.iter().map(|hit| hit.member.clone()).collect();
    let mut shown: BTreeMap<(Option<Vec<u8>>, u32, u64), Shown> = BTreeMap::new();
    let mut spans = Vec::new();
    for found in collector.again(bytes, &members, provenance) {
        spans.extend(found.member.is_none().then(|| found.location.span()));
        let key = (found.member, found.rule, found.location.byte_start);
        if let Some(one) = found.shown {
            shown.entry(key).or_insert(one);
        }
    }
    for hit in &mut hits {
        let key = (hit.member.clone(), hit.rule, hit.location.byte_start);
        hit.shown = shown.get(&key).cloned();
    }
    policy::hide(collector.own(), bytes, provenance, &spans, &mut hits);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::{layers::Parts, testing};
    use super::*;
    use crate::{
        model::{BlobPath, Span},
        sources::{Blob, Sink as _},
    };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn an_object_with_many_hits_is_read_once() {
        let options = testing::options();
        let parts = Parts::new(&options);
        let layers = Layers::new(&parts, &options.rules, false);
        let objects = [1, 2].map(|byte| ObjectId::new(&[byte; 20]).unwrap());
        let text: String = (0..200)
            .map(|n| format!("k = {}\n", testing::key(n)))
            .collect();
        let packed = gzip(text.as_bytes());
        let contents = [text.as_bytes(), &packed];
        let mut receiver = layers.receiver();
        for (bytes, object) in contents.into_iter().zip(objects) {
            receiver.blob(&Blob {
                bytes,
                regions: &[Span::new(0, bytes.len() as u64)],
                path: &BlobPath::default(),
                provenance: Provenance {
                    place: Place::History,
                    object: Some(object),
                },
                offset: 0,
                line: 1,
                column: 1,
                whole: true,
            });
        }
        drop(receiver);
        let mut hits = layers.gathered().hits;
        assert_eq!(hits.len(), 400);
        let reads = Cell::new(0);
        show(&mut hits, &layers, &|object| {
            reads.set(reads.get() + 1);
            let at = objects.iter().position(|other| other == object)?;
            Some(contents[at].to_vec())
        });
        assert_eq!(reads.get(), 2);
        for hit in &hits {
            let shown = hit.shown.as_ref().unwrap();
            let before = &shown.excerpt.text[..shown.excerpt.start];
            let line = before.lines().count().max(1) - 1 + shown.excerpt.first_line as usize;
            assert_eq!(line, hit.location.start_line as usize);
        }
    }
}

//! What is shown of values of earlier versions: their lines, masked, and the commits that brought them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        super::{Options, layers::Layers},
        FactHit, Habits, Spot, gather,
    },
    Entry, prints,
    rows::{Row, Rows},
};
use crate::{
    model::{Attribution, BlobPath, Excerpt, Location, ObjectId, Place, Provenance, Secret, Span},
    policy::{FactData, Gathered, Past},
    scan::hits::Shown,
    sources::{
        Blob, Run,
        history::{History, Wanted},
    },
};

/// Returns what the lints see of a value; its line is not known yet.
pub(super) fn light(row: &Row, path: &BlobPath) -> FactHit {
    let location = Location {
        path: path.clone(),
        start_line: 1,
        start_column: 1,
        end_line: 1,
        end_column: 1,
        byte_start: row.start,
        byte_end: row.start,
    };
    FactHit {
        fact: Gathered {
            path: path.clone(),
            location: location.clone(),
            digest: row.site.prints().map(|prints| prints.value),
            data: FactData::Site(row.site.clone()),
            past: Past {
                only: true,
                age_days: None,
            },
        },
        spot: Spot {
            location,
            provenance: Provenance {
                place: Place::History,
                object: None,
            },
            markers: Vec::new(),
            shown: Shown {
                excerpt: Excerpt::new(b"", Span::new(0, 0), 1, &[]),
                masked: String::new(),
                line_hash: None,
            },
            changed: true,
            past: None,
        },
        secret: Secret::new(b""),
    }
}

/// Reads the versions again that faults point at, each once, and asks history about their values.
pub(super) fn show(
    history: &History,
    options: &Options,
    layers: &Layers<'_>,
    rows: &Rows,
    run: &Run<'_>,
    entries: &mut [Entry<'_>],
) {
    let told: Vec<&mut Entry<'_>> = entries.iter_mut().filter(|entry| entry.is_told).collect();
    let mut wanted = Wanted::default();
    for (key, entry) in (0_u32..).zip(&told) {
        for object in rows.objects(entry.row) {
            wanted.object(key, object);
        }
    }
    let known = history.attribute(&wanted, run);
    let mut versions: BTreeMap<(usize, usize), Vec<&mut Entry<'_>>> = BTreeMap::new();
    for (key, entry) in (0_u32..).zip(told) {
        let mut attribution = known.keys.get(&key).cloned().unwrap_or(Attribution {
            introduced: None,
            last_seen: None,
            removed: None,
            at_head: false,
            reachable: true,
            path: None,
        });
        // Under this path, whatever held it before.
        if let Some(since) = rows.since(entry.row) {
            attribution.introduced = history.commit_at(since);
        }
        attribution.path = rows.path(entry.row).cloned();
        entry.hit.spot.past = Some(Box::new(attribution));
        let version = (entry.row.file, entry.row.first);
        versions.entry(version).or_default().push(entry);
    }
    for ((file, version), entries) in versions {
        let file = rows.files.get(file);
        let object = file.and_then(|file| file.versions.get(version));
        if let (Some(file), Some(version)) = (file, object) {
            one(
                history,
                options,
                layers,
                (&file.path, version.object),
                entries,
            );
        }
    }
}

/// Reads one version and fills in what is shown of it.
fn one(
    history: &History,
    options: &Options,
    layers: &Layers<'_>,
    (path, object): (&BlobPath, ObjectId),
    entries: Vec<&mut Entry<'_>>,
) {
    let (Some(rules), Some(bytes)) = (options.policy.as_deref(), history.blob(&object)) else {
        return;
    };
    let provenance = Provenance {
        place: Place::History,
        object: Some(object),
    };
    let regions = [Span::new(0, bytes.len() as u64)];
    let blob = Blob {
        bytes: &bytes,
        regions: &regions,
        path,
        provenance: provenance.clone(),
        offset: 0,
        line: 1,
        column: 1,
        whole: true,
    };
    let collector = layers.own();
    let mut found = collector.again(&bytes, &BTreeSet::from([None]), &provenance);
    let mut habits = Habits::default();
    gather(collector, rules, &blob, &mut found, &mut habits);
    for entry in entries {
        let own = prints(&entry.hit).map(|(key, prints)| (key.to_owned(), prints.value));
        let hits = habits.facts.iter().filter(|hit| {
            let of = prints(hit).map(|(key, prints)| (key.to_owned(), prints.value));
            own.is_some() && of == own
        });
        // The first of several places of one value under one key.
        if let Some(hit) = hits.min_by_key(|hit| hit.spot.location.byte_start) {
            let past = entry.hit.spot.past.take();
            entry.hit.spot = super::super::findings::copy(&hit.spot);
            entry.hit.spot.past = past;
            entry.hit.fact.location = hit.spot.location.clone();
            entry.hit.secret = hit.secret.clone();
        }
    }
}

//! One thread's way from blobs to raw hits.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use crate::{
    config::{
        PathGlobs,
        suppress::{Baseline, Markers},
    },
    engine::{self, Hit, Scanner, Worker, decode},
    model::{BlobPath, Copied, DigestKey, Place, Provenance, SkipCause, Span},
    rules::Rule,
    sources::{
        Blob, Receiver, Sink, Trace,
        archive::{self, Purse},
    },
};

use super::{
    haul::{Gathered, Haul},
    hits::{RawHit, raw_hits},
};

/// What all receivers share.
pub(super) struct Collector<'a> {
    pub(super) scanner: &'a Scanner,
    pub(super) key: &'a DigestKey,
    pub(super) archives: &'a archive::Limits,
    pub(super) markers: &'a Markers,
    /// The globs of each rule.
    paths: Vec<Option<PathGlobs>>,
    pool: archive::Pool,
    /// Whether the paths of what is read are kept.
    notes_paths: bool,
    gathered: Mutex<Haul>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        scanner: &'a Scanner,
        options: &'a super::Options,
        notes_paths: bool,
    ) -> Self {
        // A rule whose globs do not compile is refused at load; without globs it is for all paths.
        let globs = |rule: &Rule| {
            PathGlobs::new(&rule.paths)
                .ok()
                .filter(|globs| !globs.is_empty())
        };
        Self {
            scanner,
            key: &options.run_key,
            archives: &options.archives,
            markers: &options.markers,
            paths: options.rules.rules.iter().map(globs).collect(),
            pool: archive::Pool::new(&options.archives),
            notes_paths,
            gathered: Mutex::default(),
        }
    }

    /// Takes everything that was gathered. Call it when no receiver is alive.
    pub(super) fn gathered(&self) -> Gathered {
        let mut haul =
            std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner));
        if self.pool.is_dry() {
            haul.own.ledger.merge(haul.if_dry);
        } else {
            haul.own.merge(haul.pooled);
        }
        haul.own
    }

    /// Returns the globs of a rule; `None` if it is for all paths.
    pub(super) fn paths_of(&self, rule: u32) -> Option<&PathGlobs> {
        self.paths.get(rule as usize)?.as_ref()
    }

    /// Scans a blob (`None`) and members of it once more, this time for what is shown.
    pub(super) fn again(
        &self,
        bytes: &[u8],
        members: &BTreeSet<Option<Vec<u8>>>,
        provenance: &Provenance,
    ) -> Vec<RawHit> {
        let mut worker = self.scanner.worker();
        let mut found = Vec::new();
        let mut scan = |bytes: &[u8], member: Option<Vec<u8>>| {
            if !members.contains(&member) {
                return;
            }
            let regions = [Span::new(0, bytes.len() as u64)];
            let blob = Blob {
                bytes,
                regions: &regions,
                path: &BlobPath::default(),
                provenance: provenance.clone(),
                offset: 0,
                line: 1,
                column: 1,
                whole: true,
            };
            let hits = worker.scan(bytes, &regions);
            let hits = raw_hits(self, &blob, hits, true).into_iter();
            found.extend(hits.map(|hit| RawHit {
                member: member.clone(),
                ..hit
            }));
        };
        scan(bytes, None);
        if members.iter().all(Option::is_none) {
            return found;
        }
        self.expand(
            bytes,
            true,
            &BlobPath::default(),
            &archive::Pool::new(self.archives),
            &mut archive::Books::default(),
            &mut |path, bytes, _| {
                scan(bytes, path.as_bytes().get(1..).map(<[u8]>::to_vec));
            },
        );
        found
    }

    /// Hands out what is packed in a content: the members of an archive, and of archives that stand in it as base64;
    /// `holds_packed` tells whether the engine met the start of such base64.
    fn expand(
        &self,
        bytes: &[u8],
        holds_packed: bool,
        path: &BlobPath,
        pool: &archive::Pool,
        books: &mut archive::Books,
        each: &mut dyn FnMut(&BlobPath, &[u8], Purse),
    ) {
        archive::expand(bytes, path, self.archives, pool, books, each);
        let parts = if holds_packed {
            decode::packed(bytes)
        } else {
            Vec::new()
        };
        for part in parts {
            if archive::is_archive(&part.bytes).is_some() {
                let name = format!("base64@{}", part.source.start);
                let path = path.member(name.as_bytes());
                archive::expand(&part.bytes, &path, self.archives, pool, books, each);
            }
        }
    }
}

impl Sink for Collector<'_> {
    fn receiver(&self) -> Box<dyn Receiver + '_> {
        Box::new(Hand {
            collector: self,
            worker: self.scanner.worker(),
            haul: Haul::default(),
        })
    }
}

/// One thread's receiver; brings its hits home when dropped.
struct Hand<'c> {
    collector: &'c Collector<'c>,
    worker: Worker<'c>,
    haul: Haul,
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        let haul = std::mem::take(&mut self.haul);
        let mut all = self
            .collector
            .gathered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.own.merge(haul.own);
        all.pooled.merge(haul.pooled);
        all.if_dry.merge(haul.if_dry);
    }
}

impl Receiver for Hand<'_> {
    fn blob(&mut self, blob: &Blob<'_>) {
        let starts = self.haul.lengths();
        self.scan(blob, None, Purse::Own);
        self.look_inside(blob, starts);
    }

    fn version(&mut self, blob: &Blob<'_>, base: Option<(&Trace, &[Copied])>) -> Trace {
        let base = base.and_then(|(trace, copies)| {
            let trace = trace.0.as_ref()?.downcast_ref::<engine::Trace>()?;
            Some((trace, copies))
        });
        let (hits, trace) = match base {
            Some((trace, copies)) => self.worker.scan_version(blob.bytes, trace, copies),
            None => self.worker.scan_traced(blob.bytes),
        };
        let starts = self.haul.lengths();
        self.take(blob, hits, None, Purse::Own);
        self.look_inside(blob, starts);
        Trace(Some(Box::new(trace)))
    }
}

impl Hand<'_> {
    /// Unpacks a content, or says that it cannot be; `starts` is how much there was before it.
    fn look_inside(&mut self, blob: &Blob<'_>, starts: [usize; 2]) {
        let holds_packed = self.worker.met_packed();
        if blob.offset > 0 || !holds_content(blob.provenance.place) {
            return;
        }
        if let Some(what) = archive::sealed(blob.bytes) {
            let ledger = &mut self.haul.own.ledger;
            ledger.skip(SkipCause::Undecodable, shown(blob), what);
        }
        if blob.whole {
            self.unpack(blob, holds_packed);
            let [own, pooled] = starts;
            self.haul.own.prefer_members(own);
            self.haul.pooled.prefer_members(pooled);
        }
    }

    /// Scans what is packed in a blob, and the names of members.
    fn unpack(&mut self, blob: &Blob<'_>, holds_packed: bool) {
        let mut books = archive::Books::default();
        let collector = self.collector;
        let mut each = |path: &BlobPath, bytes: &[u8], purse: Purse| {
            let inner = path
                .as_bytes()
                .get(blob.path.as_bytes().len() + 1..)
                .unwrap_or_default();
            for (bytes, place) in [(bytes, blob.provenance.place), (inner, Place::FileName)] {
                let member = Blob {
                    bytes,
                    regions: &[Span::new(0, bytes.len() as u64)],
                    path,
                    provenance: Provenance {
                        place,
                        object: blob.provenance.object,
                    },
                    offset: 0,
                    line: 1,
                    column: 1,
                    whole: true,
                };
                self.scan(&member, Some(inner), purse);
            }
        };
        collector.expand(
            blob.bytes,
            holds_packed,
            blob.path,
            &collector.pool,
            &mut books,
            &mut each,
        );
        let archive::Books {
            mut own,
            mut pooled,
            mut if_dry,
        } = books;
        // Blobs of histories have no path yet: their names are their ids.
        if blob.path.as_bytes().is_empty() {
            let name = shown(blob);
            for skip in [&mut own, &mut pooled, &mut if_dry]
                .into_iter()
                .flat_map(|ledger| &mut ledger.skips)
            {
                skip.path = BlobPath::new([name.as_bytes(), skip.path.as_bytes()].concat());
            }
        }
        self.haul.own.ledger.merge(own);
        self.haul.pooled.ledger.merge(pooled);
        self.haul.if_dry.merge(if_dry);
    }

    fn scan(&mut self, blob: &Blob<'_>, member: Option<&[u8]>, purse: Purse) {
        let collector = self.collector;
        let gathered = self.haul.of(purse);
        if collector.notes_paths && holds_content(blob.provenance.place) {
            gathered.paths.insert(blob.path.to_string());
        }
        // Old versions carry markers that nobody can mend; what is staged will be the newest.
        let place = blob.provenance.place;
        let is_now = blob.provenance.object.is_none() || place == Place::Staged;
        if holds_content(place) && is_now {
            for marker in collector.markers.find(blob.bytes, blob.line) {
                gathered.seen_markers.push((blob.path.clone(), marker));
            }
        }
        let hits = self.worker.scan(blob.bytes, blob.regions);
        self.take(blob, hits, member, purse);
    }

    /// Keeps what was found in a blob.
    fn take(&mut self, blob: &Blob<'_>, mut hits: Vec<Hit>, member: Option<&[u8]>, purse: Purse) {
        hits.retain(|hit| !is_baseline_key(blob, hit));
        let gathered = self.haul.of(purse);
        if self.worker.met_limit() {
            let detail = "it is encoded many times over: the innermost was not read";
            let ledger = &mut gathered.ledger;
            ledger.skip(SkipCause::LimitHit, shown(blob), detail);
        }
        if hits.is_empty() {
            return;
        }
        let show = blob.provenance.place != Place::History;
        let raw = raw_hits(self.collector, blob, hits, show);
        let member = member.map(<[u8]>::to_vec);
        gathered.hits.extend(raw.into_iter().map(|hit| RawHit {
            member: member.clone(),
            ..hit
        }));
    }
}

/// Tells whether a hit is the key of a baseline, whose ever it is.
fn is_baseline_key(blob: &Blob<'_>, hit: &Hit) -> bool {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    hit.encodings.is_empty() && Baseline::is_key(blob.bytes, at(hit.span.start)..at(hit.span.end))
}

/// Returns what the ledger calls a blob.
fn shown(blob: &Blob<'_>) -> BlobPath {
    match blob.provenance.object {
        Some(id) if blob.path.as_bytes().is_empty() => BlobPath::from(id.to_string().as_str()),
        _ => blob.path.clone(),
    }
}

/// Tells whether the place is a file's content, which may be an archive or carry markers.
pub(super) const fn holds_content(place: Place) -> bool {
    match place {
        Place::File | Place::Stdin | Place::Staged | Place::History => true,
        Place::FileName
        | Place::SymlinkTarget
        | Place::CommitMessage
        | Place::CommitHeader
        | Place::Tag
        | Place::RefName
        | Place::Reflog
        | Place::RemoteUrl => false,
    }
}

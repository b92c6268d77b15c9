//! One thread's way from blobs to raw hits.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    config::{
        PathGlobs,
        suppress::{Baseline, Markers},
    },
    engine::{self, Hit, Scanner, Worker, decode},
    model::{BlobPath, Copied, DigestKey, Place, Provenance, SkipCause, Span},
    rules::{Rule, Shape},
    sources::{
        Blob, Receiver, Sink, Trace,
        archive::{self, Inner, Purse},
    },
};

use super::{
    haul::{Gathered, Haul},
    hits::{RawHit, Source, raw_hits},
    policy::{self, Policy},
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
    /// Which rules know their secrets by a provider's format.
    formats: Vec<bool>,
    /// What of policy runs; only the layer of the user's own rules has it.
    policy: Option<&'a Policy>,
    gathered: Mutex<Haul>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        scanner: &'a Scanner,
        options: &'a super::Options,
        notes_paths: bool,
        policy: Option<&'a Policy>,
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
            formats: options
                .rules
                .rules
                .iter()
                .map(|rule| matches!(rule.shape, Shape::Token { .. }))
                .collect(),
            policy,
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

    /// Returns what of policy runs.
    pub(super) const fn policy(&self) -> Option<&Policy> {
        self.policy
    }

    /// Tells whether a rule knows its secrets by a provider's format.
    pub(super) fn knows_format(&self, rule: u32) -> bool {
        self.formats.get(rule as usize) == Some(&true)
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
        let (path, pool) = (BlobPath::default(), archive::Pool::new(self.archives));
        let mut books = archive::Books::default();
        let mut each = |member: &archive::Member<'_>| {
            let inner = member.path.as_bytes().get(1..).map(<[u8]>::to_vec);
            scan(member.bytes, inner);
            packed(member.bytes)
        };
        archive::expand(bytes, &path, self.archives, &pool, &mut books, &mut each);
        for inner in packed(bytes) {
            archive::expand_inner(&inner, &path, self.archives, &pool, &mut books, &mut each);
        }
        found
    }
}

/// Returns what stands in a content as base64 and may be an archive.
fn packed(bytes: &[u8]) -> Vec<Inner> {
    let found = decode::packed(bytes).into_iter();
    found
        .map(|one| Inner {
            source: one.source,
            bytes: Box::new(one.bytes),
        })
        .collect()
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
        self.habits(blob, starts);
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
    /// Lets the lints look at a blob; `starts` is how much there was before it.
    fn habits(&mut self, blob: &Blob<'_>, starts: [usize; 2]) {
        let Some(rules) = self.collector.policy else {
            return;
        };
        // Objects have no path yet: `policy::beside` reads those that matter.
        if !matches!(blob.provenance.place, Place::File | Place::Staged) {
            return;
        }
        let [own, _] = starts;
        let all = &mut self.haul.own;
        let new = all.hits.get_mut(own..).unwrap_or_default();
        policy::gather(self.collector, rules, blob, new, &mut all.habits);
    }

    /// Unpacks a content, or says that it cannot be; `starts` is how much there was before it.
    fn look_inside(&mut self, blob: &Blob<'_>, starts: [usize; 2]) {
        let holds_packed = self.worker.met_packed();
        if !holds_content(blob.provenance.place) {
            return;
        }
        let mut inners = Vec::new();
        if holds_packed {
            inners = packed(blob.bytes);
        }
        if !blob.whole {
            inners = of_piece(inners, blob);
        }
        if let Some(what) = archive::sealed(blob.bytes).filter(|_| blob.offset == 0) {
            let ledger = &mut self.haul.own.ledger;
            ledger.skip(SkipCause::Undecodable, shown(blob, None), what);
        }
        if blob.whole || !inners.is_empty() {
            self.unpack(blob, &inners);
            let [own, pooled] = starts;
            self.haul.own.prefer_members(own);
            self.haul.pooled.prefer_members(pooled);
        }
    }

    /// Scans what is packed in a blob, if it is whole, and in what stands in it as text.
    fn unpack(&mut self, blob: &Blob<'_>, inners: &[Inner]) {
        let mut books = archive::Books::default();
        let Collector { archives, pool, .. } = self.collector;
        let mut each = |member: &archive::Member<'_>| self.member(blob, member);
        if blob.whole {
            archive::expand(blob.bytes, blob.path, archives, pool, &mut books, &mut each);
        }
        for inner in inners {
            archive::expand_inner(inner, blob.path, archives, pool, &mut books, &mut each);
        }
        let archive::Books {
            mut own,
            mut pooled,
            mut if_dry,
        } = books;
        // Blobs of histories have no path yet: their names are their ids.
        if blob.path.as_bytes().is_empty() {
            let name = shown(blob, None);
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

    /// Scans a member of a blob, and its name; returns what stands in it as text.
    fn member(&mut self, blob: &Blob<'_>, member: &archive::Member<'_>) -> Vec<Inner> {
        let path = member.path.as_bytes();
        let inner = path.get(blob.path.as_bytes().len() + 1..);
        let inner = inner.unwrap_or_default();
        let mut holds_packed = false;
        // A name stands in the headers of its archive, wherever those are.
        for (bytes, place, source) in [
            (inner, Place::FileName, &member.archive),
            (member.bytes, blob.provenance.place, &member.source),
        ] {
            let start = self.haul.of(member.purse).hits.len();
            let part = Blob {
                bytes,
                regions: &[Span::new(0, bytes.len() as u64)],
                path: member.path,
                provenance: Provenance {
                    place,
                    object: blob.provenance.object,
                },
                offset: 0,
                line: 1,
                column: 1,
                whole: true,
            };
            self.scan(&part, Some(inner), member.purse);
            // Asked each time, so that it is said of nothing else.
            holds_packed = self.worker.met_packed();
            let hits = &mut self.haul.of(member.purse).hits;
            let new = hits.get_mut(start..).unwrap_or_default();
            if !new.is_empty() {
                let source = Arc::new(Source {
                    path: member.holder.clone(),
                    range: source.start as u64..source.end as u64,
                });
                new.iter_mut()
                    .for_each(|hit| hit.source = Some(Arc::clone(&source)));
            }
        }
        if holds_packed {
            packed(member.bytes)
        } else {
            Vec::new()
        }
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
            ledger.skip(SkipCause::LimitHit, shown(blob, member), detail);
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

/// Returns those of what stands in a piece that begin in its regions, with their places in the whole content. What goes on beyond the
/// piece is cut off, which unpacking it tells.
fn of_piece(inners: Vec<Inner>, blob: &Blob<'_>) -> Vec<Inner> {
    let offset = usize::try_from(blob.offset).unwrap_or(usize::MAX);
    let shift = |at: usize| at.saturating_add(offset);
    let is_ours = |inner: &Inner| {
        let start = inner.source.start as u64;
        let mut regions = blob.regions.iter();
        regions.any(|region| (region.start..region.end).contains(&start))
    };
    let ours = inners.into_iter().filter(is_ours);
    ours.map(|inner| Inner {
        source: shift(inner.source.start)..shift(inner.source.end),
        ..inner
    })
    .collect()
}

/// Tells whether a hit is the key of a baseline, whose ever it is.
fn is_baseline_key(blob: &Blob<'_>, hit: &Hit) -> bool {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    hit.encodings.is_empty() && Baseline::is_key(blob.bytes, at(hit.span.start)..at(hit.span.end))
}

/// Returns what the ledger calls a blob, or a member of one. Blobs of histories have no path yet: they are called by their id.
fn shown(blob: &Blob<'_>, member: Option<&[u8]>) -> BlobPath {
    let inner = member.map_or(0, |inner| inner.len() + 1);
    match blob.provenance.object {
        Some(id) if blob.path.as_bytes().len() == inner => {
            let id = id.to_string();
            BlobPath::new([id.as_bytes(), blob.path.as_bytes()].concat())
        }
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::super::{Options, testing};
    use super::*;
    use crate::model::ObjectId;

    /// Returns what a scan of a blob of a history brings home.
    fn scan(options: &Options, bytes: &[u8]) -> Gathered {
        let scanner = Scanner::new(Arc::clone(&options.rules));
        let collector = Collector::new(&scanner, options, false, None);
        collector
            .receiver()
            .blob(&blob(bytes, &[Span::new(0, bytes.len() as u64)]));
        collector.gathered()
    }

    fn blob<'a>(bytes: &'a [u8], regions: &'a [Span]) -> Blob<'a> {
        static NOWHERE: std::sync::LazyLock<BlobPath> = std::sync::LazyLock::new(BlobPath::default);
        Blob {
            bytes,
            regions,
            path: &NOWHERE,
            provenance: Provenance {
                place: Place::History,
                object: ObjectId::new(&[0xab; 20]),
            },
            offset: 0,
            line: 1,
            column: 1,
            whole: true,
        }
    }

    fn places(gathered: &Gathered) -> Vec<(String, u64)> {
        let hits = gathered.hits.iter();
        let mut places: Vec<(String, u64)> = hits
            .map(|hit| (hit.location.path.to_string(), hit.location.byte_start))
            .collect();
        places.sort();
        places
    }

    /// Returns a line with an archive in base64 that holds a key.
    fn packed_line() -> String {
        let text = format!("k = {}\n{}", testing::key(1), "made up ".repeat(20));
        format!("release: {}\n", encode(&gzip(text.as_bytes())))
    }

    #[test]
    fn base64_of_archives_is_unpacked_in_members_too() {
        let outer = gzip(packed_line().as_bytes());
        let found = scan(&testing::options(), &outer);
        assert_eq!(
            places(&found),
            [("!content!base64@9!content".to_owned(), 4)]
        );
        let shallow = Options {
            archives: archive::Limits {
                depth: 1,
                ..archive::Limits::default()
            },
            ..testing::options()
        };
        let found = scan(&shallow, &outer);
        assert!(found.hits.is_empty());
        assert_eq!(found.ledger.skipped.get(&SkipCause::LimitHit), Some(&1));
    }

    #[test]
    fn base64_of_archives_is_unpacked_in_pieces_too() {
        let options = testing::options();
        let scanner = Scanner::new(Arc::clone(&options.rules));
        let collector = Collector::new(&scanner, &options, false, None);
        let text = packed_line().repeat(2);
        let half = text.len() as u64 / 2;
        let piece = |regions: &[Span], bytes: &[u8], offset: u64| {
            collector.receiver().blob(&Blob {
                offset,
                whole: false,
                ..blob(bytes, regions)
            });
        };
        piece(&[Span::new(0, half)], text.as_bytes(), 1000);
        piece(&[Span::new(half, 2 * half)], text.as_bytes(), 1000);
        // It goes on beyond what was read.
        piece(
            &[Span::new(0, half)],
            text.get(..half as usize - 20).unwrap().as_bytes(),
            5000,
        );
        let found = collector.gathered();
        let name = |at: u64| (format!("!base64@{at}!content"), 4);
        let complete: Vec<(String, u64)> = places(&found)
            .into_iter()
            .filter(|place| *place != name(5009))
            .collect();
        assert_eq!(complete, [name(1009), name(1009 + half)]);
        assert_eq!(found.ledger.skipped.get(&SkipCause::Undecodable), Some(&1));
    }

    #[test]
    fn a_member_says_nothing_of_the_next_blob() {
        let options = testing::options();
        let scanner = Scanner::new(Arc::clone(&options.rules));
        let collector = Collector::new(&scanner, &options, false, None);
        let mut hand = Hand {
            collector: &collector,
            worker: scanner.worker(),
            haul: Haul::default(),
        };
        let outer = gzip(packed_line().as_bytes());
        hand.blob(&blob(&outer, &[Span::new(0, outer.len() as u64)]));
        assert!(!hand.worker.met_packed());
    }

    #[test]
    fn a_copy_beside_an_archive_is_a_place_of_its_own() {
        use std::io::Write as _;
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("a", stored).unwrap();
        let line = format!("k = {}\n", testing::key(1));
        zip.write_all(line.as_bytes()).unwrap();
        let zip = zip.finish().unwrap().into_inner();
        let script = format!("#!/bin/sh\n{line}exit\n");
        let whole = [script.as_bytes(), &zip].concat();
        let found = scan(&testing::options(), &whole);
        assert_eq!(places(&found), [(String::new(), 14), ("!a".to_owned(), 4)]);
        let text = format!("{line}{}", packed_line());
        let found = scan(&testing::options(), text.as_bytes());
        let at = line.len() + 9;
        assert_eq!(
            places(&found),
            [(String::new(), 4), (format!("!base64@{at}!content"), 4)]
        );
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn encode(bytes: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    #[test]
    fn the_ledger_names_members_of_a_historys_blob_by_its_id() {
        let deep = (0..9).fold(
            format!("{} {}", testing::key(1), "x".repeat(40)),
            |text, _| encode(text.as_bytes()),
        );
        for bytes in [deep.clone().into_bytes(), gzip(deep.as_bytes())] {
            let skips = scan(&testing::options(), &bytes).ledger.skips;
            let paths: Vec<String> = skips.iter().map(|skip| skip.path.to_string()).collect();
            assert!(!paths.is_empty());
            let id = "ab".repeat(20);
            assert!(paths.iter().all(|path| path.starts_with(&id)), "{paths:?}");
        }
    }
}

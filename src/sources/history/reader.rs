//! What one thread does with the objects of a walk: hands out texts, and keeps what ties objects together.

use std::io::{self, Read};

use super::{
    super::{
        Blob, Receiver, Run, Sizes, Trace,
        content::{Contents, Origin, is_lfs_pointer},
        large::Stream,
        repo::Kind,
    },
    catalog::Catalog,
    graph::Rows,
    metadata::Names,
    record::{Marks, Recorder, Room, Strip},
    walk::{Object, Visitor},
};
use crate::model::{BlobPath, Counter, Ledger, ObjectId, Place, Provenance, SkipCause, Span};

/// One thread's receiver and notes.
pub(super) struct Reader<'r> {
    catalog: &'r Catalog,
    receiver: Box<dyn Receiver + 'r>,
    contents: Contents<'r>,
    names: Names,
    path: BlobPath,
    /// Whether versions are scanned by what changed.
    delta: bool,
    blobs: u64,
    bytes: u64,
    trees: u64,
    recorder: Recorder<'r>,
    notes: Notes,
}

/// What a thread leaves behind.
#[derive(Default)]
pub(super) struct Notes {
    /// What was read.
    pub(super) ledger: Ledger,
    /// The commits and tags.
    pub(super) rows: Rows,
    /// The trees.
    pub(super) strip: Strip,
}

impl<'r> Reader<'r> {
    /// Starts on a thread.
    pub(super) fn new(
        catalog: &'r Catalog,
        run: &'r Run<'r>,
        sizes: Sizes,
        delta: bool,
        big: &'r std::sync::Mutex<()>,
        room: &'r Room,
    ) -> Self {
        Self {
            catalog,
            receiver: run.sink.receiver(),
            contents: Contents::new(run, sizes, big),
            names: Names::new(),
            path: BlobPath::default(),
            delta,
            blobs: 0,
            bytes: 0,
            trees: 0,
            recorder: Recorder::new(catalog, room),
            notes: Notes::default(),
        }
    }

    /// Ends on a thread.
    pub(super) fn finish(mut self) -> Notes {
        let ledger = &mut self.notes.ledger;
        for (counter, by) in [
            (Counter::Blobs, self.blobs),
            (Counter::Bytes, self.bytes),
            (Counter::Trees, self.trees),
        ] {
            if by > 0 {
                ledger.count(counter, by);
            }
        }
        self.notes.strip = self.recorder.finish();
        self.notes
    }

    fn blob(&mut self, object: &Object<'_>, base: Option<&Trace>) -> Trace {
        let (id, bytes) = (object.id, object.bytes);
        self.blobs += 1;
        self.bytes += bytes.len() as u64;
        if is_lfs_pointer(bytes) {
            self.notes.ledger.skip(
                SkipCause::LfsPointer,
                BlobPath::from(id.to_string().as_str()),
                "only the pointer was scanned",
            );
        }
        if bytes.is_empty() {
            return Trace::default();
        }
        let blob = Blob {
            bytes,
            regions: &[Span::new(0, bytes.len() as u64)],
            path: &self.path,
            provenance: Provenance {
                place: Place::History,
                object: Some(id),
            },
            offset: 0,
            line: 1,
            column: 1,
            whole: true,
        };
        let base = base.filter(|_| self.delta).zip(object.copied);
        self.receiver.version(&blob, base)
    }

    fn commit_or_tag(&mut self, object: &Object<'_>, counter: Counter) -> Kept {
        self.notes.ledger.count(counter, 1);
        self.bytes += object.bytes.len() as u64;
        self.names
            .object(&mut *self.receiver, object.id, object.kind, object.bytes);
        if !self.notes.rows.add(object, self.catalog) {
            self.malformed(object);
        }
        Kept::Nothing
    }

    fn tree(&mut self, object: &Object<'_>, base: Option<&Marks>) -> Marks {
        self.trees += 1;
        let (marks, complete) = self.recorder.tree(object, base);
        if !complete {
            self.malformed(object);
        }
        marks
    }

    /// What is no object of its kind is looked at as text, so that nothing hides in it.
    fn malformed(&mut self, object: &Object<'_>) {
        let path = BlobPath::from(object.id.to_string().as_str());
        let detail = format!("the {} is malformed", object.kind);
        self.notes.ledger.skip(SkipCause::Unreadable, path, detail);
    }
}

/// What is kept of an object for the deltas on it.
#[derive(Default)]
pub(super) enum Kept {
    /// Nothing.
    #[default]
    Nothing,
    /// Of a blob.
    Blob(Trace),
    /// Of a tree.
    Tree(Marks),
}

impl Visitor for Reader<'_> {
    type Kept = Kept;

    fn object(&mut self, object: &Object<'_>, base: Option<&Kept>) -> Kept {
        match (object.kind, base) {
            (Kind::Blob, Some(Kept::Blob(base))) => Kept::Blob(self.blob(object, Some(base))),
            (Kind::Blob, _) => Kept::Blob(self.blob(object, None)),
            (Kind::Tree, Some(Kept::Tree(base))) => Kept::Tree(self.tree(object, Some(base))),
            (Kind::Tree, _) => Kept::Tree(self.tree(object, None)),
            (Kind::Commit, _) => self.commit_or_tag(object, Counter::Commits),
            (Kind::Tag, _) => self.commit_or_tag(object, Counter::Tags),
        }
    }

    fn large(&mut self, id: ObjectId, size: u64, reader: &mut dyn Read) -> io::Result<u64> {
        self.blobs += 1;
        let mut counted = Counted {
            reader,
            read: 0,
            error: None,
        };
        let origin = Origin {
            path: &self.path,
            provenance: Provenance {
                place: Place::History,
                object: Some(id),
            },
            len: Some(size),
        };
        let mut ledger = Ledger::default();
        self.contents
            .read(&mut counted, &origin, &mut *self.receiver, &mut ledger);
        let (read, error) = (counted.read, counted.error);
        name_skips(&mut ledger, id);
        self.notes.ledger.merge(ledger);
        match error {
            Some(kind) => Err(kind.into()),
            None => Ok(read),
        }
    }
}

/// Names the skips of a content without a path by its object.
fn name_skips(ledger: &mut Ledger, id: ObjectId) {
    // What failed in the stream itself is the walk's to record.
    if let Some(count) = ledger.skipped.remove(&SkipCause::Unreadable) {
        debug_assert!(count > 0, "causes are recorded with a count");
        ledger
            .skips
            .retain(|skip| skip.cause != SkipCause::Unreadable);
    }
    for skip in &mut ledger.skips {
        if skip.path.as_bytes().is_empty() {
            skip.path = BlobPath::from(id.to_string().as_str());
        }
    }
}

/// Counts what passes, and remembers an error.
struct Counted<'c> {
    reader: &'c mut dyn Read,
    read: u64,
    error: Option<io::ErrorKind>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.reader.read(buffer);
        match &result {
            Ok(n) => self.read += *n as u64,
            Err(error) => self.error = Some(error.kind()),
        }
        result
    }
}

impl Stream for Counted<'_> {}

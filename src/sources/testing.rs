//! A sink that keeps what it is given, for the tests of sources.

use std::sync::{Mutex, atomic::AtomicBool};

use super::{Blob, Progress, Receiver, Run, Sink};
use crate::model::Place;

/// A blob that was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) regions: Vec<(usize, usize)>,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) whole: bool,
}

/// Keeps all blobs.
#[derive(Default)]
pub(super) struct Collect(Mutex<Vec<Seen>>);

impl Collect {
    /// Returns what was given, in the order it came.
    pub(super) fn blobs(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    /// Returns path and text of what stood in `place`, sorted by path.
    pub(super) fn texts(&self, place: Place) -> Vec<(String, String)> {
        let mut texts: Vec<_> = self
            .blobs()
            .into_iter()
            .filter(|seen| seen.place == place)
            .map(|seen| (seen.path, String::from_utf8_lossy(&seen.bytes).into_owned()))
            .collect();
        texts.sort();
        texts
    }

    /// Returns the paths of what stood in `place`, sorted.
    pub(super) fn paths(&self, place: Place) -> Vec<String> {
        self.texts(place)
            .into_iter()
            .map(|(path, _)| path)
            .collect()
    }

    /// Returns a run that ends here.
    pub(super) fn run<'a>(
        &'a self,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
        threads: usize,
    ) -> Run<'a> {
        Run {
            sink: self,
            progress,
            stop,
            threads,
        }
    }
}

impl Sink for Collect {
    fn receiver(&self) -> Box<dyn Receiver + '_> {
        Box::new(Hand(self))
    }
}

struct Hand<'a>(&'a Collect);

impl Receiver for Hand<'_> {
    fn blob(&mut self, blob: &Blob<'_>) {
        let number = |n: u64| usize::try_from(n).unwrap();
        self.0.0.lock().unwrap().push(Seen {
            path: blob.path.to_string(),
            place: blob.provenance.place,
            offset: blob.offset,
            bytes: blob.bytes.to_vec(),
            regions: blob
                .regions
                .iter()
                .map(|s| (number(s.start), number(s.end)))
                .collect(),
            line: blob.line,
            column: blob.column,
            whole: blob.whole,
        });
    }
}

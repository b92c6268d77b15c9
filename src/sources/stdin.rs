//! Standard input, or any other stream.

use std::{io::Read, sync::Mutex};

use crate::model::{BlobPath, Ledger, Place, Provenance, SkipCause};

use super::{
    Run, Source, SourceError,
    content::{Contents, Origin, Sizes},
    large::Plain,
};

/// One stream, read once and in bounded memory. [`Source::read`] of a second time finds it empty.
pub struct Stdin<R> {
    /// The stream; `std::io::stdin()` as a rule.
    pub reader: Mutex<R>,
    /// The name that findings show; `<stdin>`, or a path the user gave for it.
    pub path: BlobPath,
    /// How it is cut.
    pub sizes: Sizes,
}

impl<R: Read> Stdin<R> {
    /// Returns a source that reads `reader` under the name `<stdin>`.
    #[must_use]
    pub fn new(reader: R, sizes: Sizes) -> Self {
        Self {
            reader: Mutex::new(reader),
            path: BlobPath::from("<stdin>"),
            sizes,
        }
    }
}

impl<R: Read> Source for Stdin<R> {
    fn read(&self, run: &Run<'_>) -> Result<Ledger, SourceError> {
        let mut ledger = Ledger::default();
        if run.stopped() {
            ledger.skip(SkipCause::Interrupted, self.path.clone(), "not read");
            return Ok(ledger);
        }
        run.progress.begin("standard input", 0);
        let mut receiver = run.sink.receiver();
        let origin = Origin {
            path: &self.path,
            provenance: Provenance {
                place: Place::Stdin,
                object: None,
            },
            len: None,
        };
        let big = Mutex::new(());
        let mut reader = self
            .reader
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Contents::new(run, self.sizes, &big).read(
            &mut Plain(&mut *reader),
            &origin,
            &mut *receiver,
            &mut ledger,
        );
        Ok(ledger)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Quiet, testing::Collect};
    use super::*;
    use crate::model::Counter;

    const TINY: Sizes = Sizes {
        whole: 100,
        unpack: 1000,
        piece: 30,
        overlap: 10,
        limit: None,
    };

    fn read(content: &[u8], stop: bool) -> (Ledger, Collect) {
        let sink = Collect::default();
        let stop = AtomicBool::new(stop);
        let ledger = Stdin::new(content, TINY)
            .read(&sink.run(&Quiet, &stop, 1))
            .unwrap();
        (ledger, sink)
    }

    #[test]
    fn short_input_comes_whole() {
        let (ledger, sink) = read(b"one line\n", false);
        assert_eq!(
            sink.texts(Place::Stdin),
            [("<stdin>".to_owned(), "one line\n".to_owned())]
        );
        assert_eq!(ledger.counted(Counter::Bytes), 9);
    }

    #[test]
    fn long_input_comes_in_pieces() {
        let (ledger, sink) = read(&[b'x'; 500], false);
        assert!(sink.blobs().len() > 10);
        assert_eq!(ledger.counted(Counter::Bytes), 500);
        assert!(!ledger.is_incomplete());
    }

    #[test]
    fn a_stopped_run_is_incomplete() {
        let (ledger, sink) = read(b"one line\n", true);
        assert!(ledger.is_incomplete() && sink.blobs().is_empty());
    }
}

//! The end of a journal: the values that it held sealed go, what it tells stays.
//!
//! Promises: the journal is written anew beside itself, whole, chained and tagged, and takes its own place in one step; a crash at any
//! point leaves the one or the other, and whoever opens the journal next does the rest. Only of rotations that have ended. The blocks
//! of the old file are given back to the system and not overwritten: on most disks that would wipe nothing.

use super::{
    RotateError,
    chain::{Chain, damaged, parse},
    faults::Point,
    journal::{Event, Journal, append, retold},
};

impl Journal {
    /// Takes the sealed values out, if it has ended and holds some; `at` is asked at each point.
    pub(super) fn forget(
        &mut self,
        at: &dyn Fn(Point) -> Result<(), RotateError>,
    ) -> Result<(), RotateError> {
        if !self.progress.state.is_end() || self.progress.sealed.is_none() {
            return Ok(());
        }
        at(Point::BeforeForget)?;
        let path = self.path().to_owned();
        let error = |source| RotateError::file("read", &path, source);
        let bytes = std::fs::read(&path).map_err(error)?;
        let parsed = parse::<serde_json::Value>(&bytes).map_err(|misfit| damaged(&path, misfit))?;
        let beside = path.with_extension("jsonl.new");
        match std::fs::remove_file(&beside) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(RotateError::file("remove", &beside, source));
            }
            // What a crash had left there.
            _ => {}
        }
        let mut chain = Chain::create(&beside)?;
        for (time, event) in retold(&path, parsed.lines)? {
            append(
                &mut chain,
                self.signer(),
                self.name(),
                time,
                &without_sealed(event),
            )?;
        }
        chain.sync()?;
        at(Point::WithinForget)?;
        // The lock on the old file is held until its name is that of the new one: two never write beside it at once.
        chain.rename(&path)?;
        self.replace(chain);
        at(Point::AfterForget)
    }
}

fn without_sealed(mut event: Event) -> Event {
    match &mut event {
        Event::State(step) => step.sealed = None,
        Event::Did(did) => did.sealed = None,
        Event::Begin(_)
        | Event::Intent(_)
        | Event::Failed { .. }
        | Event::Back { .. }
        | Event::Continue { .. } => {}
    }
    event
}
